# SPDX-License-Identifier: Apache-2.0
"""intake-protocol(7) is true: what it lists are the daemon's own tables, what it shows is what the
daemon answers, and each of its examples is taken out of the page and run against a daemon."""

import json
import re
import shutil
import subprocess
import sys

import jsonschema
import pytest

from client import encode
from harness import BUILD, ROOT, api_document, free_port
from page import BLOCKS, PAGE, PAGE_PATH, RANSOMWARE, Desk, between, block, members, read_blocks
from reports import EXAMPLES, smallest_report
from sender import sha256, stored, write_document, write_lines

DOCUMENT = api_document()
SCHEMAS = DOCUMENT["components"]["schemas"]
CABLE = next(path for path in EXAMPLES if path.name == "cable-damage-island.json")


# ---- its lists


def test_every_block_of_the_page_is_tried():
    for words in read_blocks():
        assert len([name for name in BLOCKS if name in words]) == 1, words
    assert len(read_blocks()) == len(BLOCKS)


def test_what_is_tried_is_what_a_reader_sees():
    command = ["mandoc", "-T", "ascii", "-O", "width=120", PAGE_PATH]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    seen = {line.strip() for line in shown.splitlines()}
    for text in read_blocks().values():
        assert {line.strip() for line in text.splitlines()} <= seen


def test_problems_are_those_of_the_table_with_their_statuses():
    table = (ROOT / "include" / "report" / "reject.h").read_text()
    rows = re.findall(r'X\(\w+, "([a-z-]+)", (\d{3}),', table)
    assert len(rows) == len(SCHEMAS["Problem"]["properties"]["type"]["enum"])
    listed = re.findall(r"^\.It (\d{3}) Li (\S+)$", PAGE, re.MULTILINE)
    assert sorted((name, status) for status, name in listed) == sorted(rows)
    named = re.findall(r"urn:intaked:problem:([a-z-]+)", PAGE)
    assert set(named) <= {name for name, _ in rows}


def test_the_page_of_the_report_has_every_rule_and_form():
    """What no schema says a client's author finds there: see GET /v1/schema in the page."""
    table = (ROOT / "include" / "report" / "report_codes.h").read_text()
    codes = re.findall(r'^REPORT_CODE\(\w+, "([a-z-]+)"', table, re.MULTILINE)
    rules = (BUILD / "intake-report.5").read_text().partition("\n.Sh RULES\n")[2].partition("\n.Sh ")[0]
    of_one_field = codes[: codes.index("not-integer")] + ["extension-too-large"]
    assert set(re.findall(r"^\.Pq Li ([a-z-]+)", rules, re.MULTILINE)) == set(codes) - set(of_one_field)
    vocabularies = json.loads((ROOT / "config" / "taxonomy.json").read_text())["vocabularies"]
    listed = re.findall(r"^\.It Li (\S+)$", rules, re.MULTILINE)
    assert [name.replace("\\-", "-") for name in listed] == vocabularies["indicator_type"]


def test_limits_are_those_of_the_table_with_their_defaults():
    table = (ROOT / "include" / "conf" / "conf_table.h").read_text()
    rows = re.findall(r"^SETTING\((\w+), (\w+), \w+, ([^,]+),", table, re.MULTILINE)
    defaults = {f"{section}.{name}": default for section, name, default in rows}
    listed = re.findall(r"^\.It Ic (\S+) No = Li (\S+)$", PAGE, re.MULTILINE)
    assert listed == [(name, defaults.get(name)) for name, _ in listed]
    # Those of the machine are no partner's business.
    wanted = {name for name in defaults if name.startswith(("limits.", "quota."))}
    wanted -= {"limits.input_pool_bytes", "limits.drain_timeout_ms"}
    names = {name for name, _ in listed}
    assert wanted <= names
    assert {f"limits.{name}" for name in DOCUMENT["x-limits"]} <= names
    assert set(re.findall(r"\b(?:limits|quota|database)\.\w+", PAGE)) <= names


def test_resources_are_those_of_the_document():
    listed = re.findall(r"^\.It Li (\S+) Pa (\S+)$", PAGE, re.MULTILINE)
    told = [
        (method.upper(), path)
        for path, item in DOCUMENT["paths"].items()
        for method in item
        if method not in ("parameters", "head")
    ]
    assert sorted(listed) == sorted(told)
    for path, item in DOCUMENT["paths"].items():
        assert ("head" in item) == ("get" in item), path


def test_no_path_in_the_page_leads_nowhere():
    templates = "|".join(re.escape(path) for path in DOCUMENT["paths"])
    known = re.compile(templates.replace(re.escape("{report_id}"), r"(\{report_id\}|[\w.:-]+)"))
    paths = re.findall(r"(?:/v1/|/\.well-known/)[\w{}.:/-]*", PAGE)
    assert len(paths) > 20
    assert [path for path in paths if not known.fullmatch(path)] == []


@pytest.mark.parametrize(
    "schema, start, end",
    [
        ("Whoami", ".Ss Who you are", ".Sh"),
        ("Receipt", ".Ss The receipt", ".Ss"),
        ("Problem", ".Sh REFUSALS", "An error has"),
        ("Finding", "An error has", ".Ss"),
        ("Result", ".Sh BATCHES", ".Ss"),
    ],
)
def test_members_are_those_of_the_document(schema, start, end):
    assert members(start, end) == sorted(SCHEMAS[schema]["properties"])


@pytest.mark.parametrize("schema", ["QuotaCount", "QuotaRate"])
def test_members_of_quotas_are_told(schema):
    told = set(re.findall(r"^\.Va (\w+)", "\n".join(between(".Sh QUOTAS", ".Sh")), re.MULTILINE))
    quotas = SCHEMAS["Whoami"]["properties"]["quota"]["properties"]
    assert set(quotas) | set(SCHEMAS[schema]["properties"]) <= told


# ---- what it shows


def test_receipt_is_the_one_that_is_sent(alpha):
    shown = json.loads(block("The receipt"))
    answered = alpha.request("POST", "/v1/reports", CABLE.read_bytes()).json
    own = dict.fromkeys(("id", "partner", "received_at"))
    assert {**shown, **own, "status": None} == {**answered, **own, "status": None}
    assert list(shown) == list(answered)
    components = {"components": {"schemas": SCHEMAS}}
    jsonschema.Draft202012Validator({**SCHEMAS["Receipt"], **components}).validate(shown)


def test_refusal_is_the_one_that_is_sent(alpha):
    report = smallest_report(tlp="TLP:AMBER ")
    del report["title"]
    assert json.loads(block("is a problem of RFC 9457")) == alpha.post(report).json


def test_result_lines_are_of_the_form_that_is_sent():
    known = set(SCHEMAS["Result"]["properties"])
    for text in block("a result for each line").splitlines():
        line = json.loads(text.replace("...", ""))
        assert set(line) <= known
        assert ("receipt" in line) == (line["status"] < 300)
        assert ("retry_after" in line) == (line["status"] in (429, 503))


# ---- its examples


@pytest.fixture
def desk(tmp_path, daemon, credentials):
    made = Desk(tmp_path, daemon, credentials["alpha"])
    made.take("With these lines in", "partner.conf")
    return made


def test_key_and_request_are_made(desk):
    desk.type("Make a key and a request")
    shown = desk.run("openssl", "req", "-in", "partner.csr", "-noout", "-verify", "-text")
    assert shown.returncode == 0, shown.stderr
    assert "URI:urn:intaked:partner:nordhaven" in shown.stdout
    assert "TLS Web Client Authentication" in shown.stdout


def test_digest_is_the_one_that_is_enrolled(desk, credentials):
    digest, _ = desk.type("The digest of the public key").split()
    assert digest == credentials["alpha"].spki_sha256()


def test_whoami(desk):
    assert json.loads(desk.type("Who am I?"))["partner"] == "alpha"


def test_single_requests_judge_send_and_retract(desk, daemon, credentials):
    """In the page's order; nothing is stored before it is sent."""
    report = json.loads(RANSOMWARE.read_bytes())
    assert json.loads(desk.type("Would this report be taken?"))["status"] == "valid"
    assert stored(daemon, report) == [None]
    receipt = json.loads(desk.type("Send it zipped"))
    assert receipt["status"] == "stored"
    assert stored(daemon, report) == [sha256(RANSOMWARE.read_bytes())] == [receipt["sha256"]]
    retracted = json.loads(desk.type("Take it back"))
    assert (retracted["status"], retracted["id"]) == ("retracted", receipt["id"])
    reasons = daemon.rows("SELECT reason FROM intake.retraction WHERE report = %s", [receipt["id"]])
    assert reasons == [("Sent in error.",)]


def test_atomic_batch_stores_both_or_none(desk, daemon):
    first, second = smallest_report(), smallest_report(severity={"level": 9})
    write_document(desk.folder / "report.json", first)
    write_document(desk.folder / "other.json", second)
    results = [json.loads(line) for line in desk.type("Send two reports").splitlines()]
    assert [result["status"] for result in results] == [424, 422]
    assert stored(daemon, first, second) == [None, None]
    second["severity"] = {"level": 1}
    write_document(desk.folder / "other.json", second)
    results = [json.loads(line) for line in desk.type("Send two reports").splitlines()]
    assert [result["status"] for result in results] == [201, 201]
    assert stored(daemon, first, second) == [result["receipt"]["sha256"] for result in results]


def test_taxonomy_is_fetched_once(desk, daemon):
    desk.type("Fetch the taxonomy")
    fetched = (desk.folder / "taxonomy.json").read_bytes()
    assert json.loads(fetched)["id"] == "digital-solidarity-2024"
    unchanged = 'intaked_requests_total{path="/v1/taxonomy",status="304"}'
    before = daemon.metrics().get(unchanged, 0)
    desk.type("Fetch the taxonomy")
    assert (desk.folder / "taxonomy.json").read_bytes() == fetched
    assert daemon.metrics()[unchanged] == before + 1


def test_request_by_hand_is_answered_and_ends(desk, daemon):
    report = smallest_report()
    write_document(desk.folder / "report.json", report, indent=1)
    answer = desk.type("By hand")
    assert answer.startswith("HTTP/1.1 201 Created")
    assert "\nConnection: close\n" in answer
    assert stored(daemon, report) == [sha256((desk.folder / "report.json").read_bytes())]


# ---- its clients


def test_shell_client_keeps_receipts_and_shows_what_is_wrong(desk, daemon):
    client = desk.take("A client in shell", "send-reports")
    good, bad = smallest_report(), smallest_report(severity={"level": 9})
    del bad["title"]
    write_document(desk.folder / "good.json", good)
    write_document(desk.folder / "bad.json", bad)
    done = desk.run("sh", client, "bad.json", "good.json")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "bad.json.problem: The report breaks the schema or the taxonomy",
        "  /title: a required member is missing",
        "  /severity/level: at most 5 is expected",
    ]
    receipt = json.loads((desk.folder / "good.json.receipt").read_text())
    assert stored(daemon, good, bad) == [receipt["sha256"], None]
    write_document(desk.folder / "bad.json", {**bad, "title": "T", "severity": {"level": 1}})
    done = desk.run("sh", client, "bad.json", "good.json")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    mended = json.loads((desk.folder / "bad.json.receipt").read_text())
    assert stored(daemon, bad) == [mended["sha256"]]
    repeat = json.loads((desk.folder / "good.json.receipt").read_text())
    assert repeat == {**receipt, "status": "duplicate"}
    assert not (desk.folder / "bad.json.problem").exists()


def test_shell_client_sends_no_file_that_it_cannot_read(desk, daemon):
    """Where curl(1) would send nothing in its place, it is named, and the others go on."""
    client = desk.take("A client in shell", "send-reports")
    good = smallest_report()
    write_document(desk.folder / "good.json", good)
    (desk.folder / "folder.json").mkdir()
    done = desk.run("sh", client, "nofile.json", "folder.json", "good.json")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "nofile.json: not a file that can be read", "folder.json: not a file that can be read"
    ]  # fmt: skip
    assert stored(daemon, good) != [None]
    assert list(desk.folder.glob("*.problem")) == []


def test_python_client_pairs_results_with_lines(desk, daemon):
    client = desk.take("A client in Python", "send-batch")
    good, bad = [smallest_report() for _ in range(450)], smallest_report(tlp="TLP:NONE")
    lines = [*good[:3], b"", bad, *good[3:], good[0]]
    write_lines(desk.folder / "reports.ndjson", *lines)
    done = desk.run(sys.executable, client, "reports.ndjson")
    assert done.returncode == 1
    results = {result["line"]: result for result in map(json.loads, done.stdout.splitlines())}
    assert results.pop(5)["problem"]["errors"][0]["pointer"] == "/tlp"
    assert results.pop(len(lines))["status"] == 200
    assert set(results) == set(range(1, len(lines))) - {4, 5}
    for number, result in results.items():
        assert result["receipt"]["report_id"] == lines[number - 1]["report_id"]
    assert None not in stored(daemon, *good)
    assert stored(daemon, bad) == [None]


NODE = shutil.which("node") or shutil.which("nodejs")


@pytest.mark.skipif(not NODE, reason="node is not installed")
def test_node_client_ends_by_what_became_of_the_report(desk, daemon):
    client = desk.take("A client in Node", "send-report.js")
    report = smallest_report()
    write_document(desk.folder / "report.json", report)
    done = desk.run(NODE, client, "report.json")
    assert done.returncode == 0, done.stderr
    assert stored(daemon, report) == [json.loads(done.stdout)["sha256"]]
    write_document(desk.folder / "report.json", smallest_report(severity={"level": 9}))
    done = desk.run(NODE, client, "report.json")
    assert (done.returncode, '"/severity/level"' in done.stdout) == (1, True)
    desk.port = free_port()
    done = desk.run(NODE, desk.take("A client in Node", "send-report.js"), "report.json")
    assert (done.returncode, done.stdout) == (75, "")
