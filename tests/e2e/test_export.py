# SPDX-License-Identifier: Apache-2.0
"""intakectl export: what leaves the database, for whom, in which form, and in how much memory."""

import csv
import hashlib
import io
import json
import os
import re
import socket
import subprocess
import uuid
from datetime import datetime, timezone
from pathlib import Path

import pytest

from batches import post_batch, results_of
from client import encode
from harness import ADMINISTRATOR, BUILD, PATIENCE, World
from reports import EXAMPLES, ORGANISATION, example_organisations, smallest_report, usual_report

LABELS = ["TLP:CLEAR", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED"]
MARKINGS = dict(
    zip(
        LABELS,
        (
            "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
            "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
            "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
            "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
            "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
        ),
    )
)


def open_report(**members):
    """Of a category that may be TLP:CLEAR."""
    return smallest_report(**{"category": "phishing", "tlp": "TLP:CLEAR", **members})


def clear(daemon, tlp, **columns):
    """Gives the analyst a clearance."""
    daemon.rows("DELETE FROM intake.clearance")
    daemon.rows(
        "INSERT INTO intake.clearance (user_name, max_tlp, partners) VALUES ('analyst', %s, %s)",
        [LABELS.index(tlp), columns.get("partners")],
    )


def run_export(daemon, *arguments, user="analyst", environment=None, status=0):
    """The program's output as bytes, and what it says beside it."""
    connection = ["--connection", daemon.postgres.connection_string(user, daemon.database)]
    done = subprocess.run(
        [BUILD / "intakectl", "export", *(connection if not environment else []), *map(str, arguments)],
        capture_output=True, check=False, timeout=120 * PATIENCE,
        env={**os.environ, **(environment or {})},
    )  # fmt: skip
    assert done.returncode == status, (done.stdout[-500:], done.stderr)
    return done.stdout, done.stderr.decode()


@pytest.fixture(scope="module")
def sent(daemon, credentials):
    """{name: (report, its bytes)} of everything that was stored."""
    reports = {f"own {label}": open_report(tlp=label) for label in LABELS}
    reports["mixed"] = open_report(
        tlp="TLP:GREEN", malware=["m"],
        indicators=[
            {"type": "domain", "value": "open.example.net", "role": "source"},
            {"type": "domain", "value": "red.example.net", "role": "source", "tlp": "TLP:RED"},
        ],
    )  # fmt: skip
    reports["protected"] = open_report(
        tlp="TLP:GREEN", victims=[{"kind": "individual", "name": "Vera", "protected": True}]
    )
    reports["embargoed"] = open_report(
        sharing={"embargo_until": "2199-01-01T00:00:00Z"}
    )
    reports["embargo over"] = open_report(
        sharing={"embargo_until": "2020-01-01T00:00:00Z"}
    )
    reports["exercise"] = open_report(exercise=True)
    reports["superseded"] = open_report()
    reports["newest"] = {**reports["superseded"], "revision": 2}
    reports["retracted"] = open_report()
    reports["erased"] = open_report()
    reports["quotes"] = open_report(
        title='Comma, "quote" and 🛰 Ünï', narrative="Line\nbreak, \u05e9\u05dc\u05d5\u05dd.",
    )  # fmt: skip
    # Spreadsheets take these for formulas; the manual warns of them.
    reports["formula"] = open_report(title="=1+1", narrative="@a")
    for path in EXAMPLES:
        reports[path.stem] = json.loads(path.read_bytes())
    made = {name: (report, encode(report)) for name, report in reports.items()}
    on_lines = open_report()
    made["on lines"] = on_lines, json.dumps(on_lines, indent=1).replace("\n", "\r\n").encode()
    with daemon.client(credentials["alpha"]) as alpha, daemon.client(credentials["gamma"]) as gamma:
        for _, body in made.values():
            answer = alpha.post(body)
            assert answer.status == 201, answer
        gamma.post(open_report())
        path = f"/v1/reports/{reports['retracted']['report_id']}/retraction"
        assert alpha.post({"revision": 1, "reason": "R"}, path).status == 201
    daemon.control("erase", "--report", f"alpha/{reports['erased']['report_id']}", "--asked-by", "A",
                   "--reason", "R", "--yes")  # fmt: skip
    return made


HIDDEN = {"embargoed", "exercise", "superseded", "retracted", "erased"}


def strictest(report):
    labels = [LABELS.index(report["tlp"])]
    for part in ("indicators", "attachments"):
        labels += [LABELS.index(element.get("tlp", "TLP:CLEAR")) for element in report.get(part, [])]
    is_protected = any(victim.get("protected") for victim in report.get("victims", []))
    if is_protected or {"contact_email", "contact_phone"} & set(report["reporter"]):
        labels.append(3)
    return max(labels)


def expected(sent, limit):
    """What leaves up to a label: names by (whole, not without content)."""
    now = datetime.now(timezone.utc)
    hidden = HIDDEN | {
        name
        for name, (report, _) in sent.items()
        if datetime.fromisoformat(report.get("sharing", {}).get("embargo_until", "2000-01-01T00:00:00Z")) > now
    }
    shown = {name for name in sent if name not in hidden and LABELS.index(sent[name][0]["tlp"]) <= limit}
    return shown, {name for name in shown if strictest(sent[name][0]) <= limit}


@pytest.mark.parametrize("max_tlp", [None, *LABELS])
@pytest.mark.parametrize("clearance", LABELS)
def test_ndjson_is_the_exact_bytes_within_clearance_and_label(daemon, sent, clearance, max_tlp):
    clear(daemon, clearance)
    out, said = run_export(daemon, *(["--tlp-max", max_tlp] if max_tlp else []))
    limit = min(LABELS.index(clearance), LABELS.index(max_tlp or "TLP:RED"))
    _, whole = expected(sent, limit)
    lines = out.split(b"\n")
    assert lines.pop() == b""
    bodies = {sent[name][1].replace(b"\r", b" ").replace(b"\n", b" ") for name in whole}
    assert sorted(lines) == sorted(bodies)
    # Only the one on many lines is not the bytes that were received.
    digests = {hashlib.sha256(line).hexdigest() for line in lines}
    record = {sha256 for (sha256,) in daemon.rows("SELECT encode(sha256, 'hex') FROM intake.report")}
    assert len(digests - record) == 1
    assert "of 1 reports line breaks were made spaces" in said


def test_what_was_withheld_is_counted(daemon, sent):
    clear(daemon, "TLP:RED")
    for limit, label in enumerate(LABELS):
        shown, whole = expected(sent, limit)
        _, said = run_export(daemon, "--tlp-max", label)
        count = len(shown) - len(whole)
        assert (f"{count} reports are without their content" in said) == (count > 0), said
        assert "without" in said or not count


@pytest.mark.parametrize("max_tlp", [None, "TLP:GREEN"])
def test_csv_has_the_columns_of_the_view(daemon, sent, max_tlp):
    clear(daemon, "TLP:RED")
    out, said = run_export(daemon, "--format", "csv", *(["--tlp-max", max_tlp] if max_tlp else []))
    shown, whole = expected(sent, LABELS.index(max_tlp or "TLP:RED"))
    rows = list(csv.DictReader(io.StringIO(out.decode(), newline="")))
    names = [name for (name,) in daemon.rows(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'analysis.report'::regclass AND attnum > 0 ORDER BY attnum"
    )]  # fmt: skip
    assert list(rows[0]) == names
    by_id = {row["report_id"]: row for row in rows}
    assert set(by_id) == {sent[name][0]["report_id"] for name in shown} and len(rows) == len(shown)
    for name in shown:
        report, row = sent[name][0], by_id[sent[name][0]["report_id"]]
        assert (row["tlp"], row["title"], row["partner"]) == (report["tlp"], report["title"], "alpha")
        assert row["narrative"] == (report["narrative"] if name in whole else "")
        assert (json.loads(row["payload"]) if row["payload"] else None) == (report if name in whole else None)
    assert f"{len(shown) - len(whole)} reports are without" in said or shown == whole
    # Nothing and an empty text differ.
    line = next(line for line in out.decode().split("\r\n") if sent["quotes"][0]["report_id"] in line)
    assert ",{}," in line and ",," in line and '"Comma, ""quote"" and 🛰 Ünï"' in line


def test_filters_and_conditions(daemon, sent):
    clear(daemon, "TLP:RED")

    def names(*arguments):
        out, _ = run_export(daemon, *arguments)
        ids = [json.loads(line)["report_id"] for line in out.splitlines()]
        return {name for name in sent if sent[name][0]["report_id"] in ids} - HIDDEN

    everything = names()
    assert names("--category", "ransomware") == {"ransomware-hospital"}
    assert names("--area", "AA1") == {"cable-damage-island"}
    assert names("--partner", "beta") == set() and names("--partner", "alpha") == everything
    assert names("--since", "2200-01-01") == set() and names("--since", "2000-01-01") == everything
    assert names("--until", "2000-01-01") == set() and names("--until", "2200-01-01") == everything
    assert names("--where", "severity = 4 AND 'XB' = ANY (countries) -- of the island") == {"cable-damage-island"}
    assert names("--where", "title LIKE '%🛰%'") == {"quotes"}
    assert names("--where", "false") == set()
    clear(daemon, "TLP:RED", partners=["beta"])
    assert names() == set()


WHERE_FAULT = "intakectl: --where is no condition: "


def test_condition_reads_and_does_nothing_else(daemon, sent):
    clear(daemon, "TLP:RED")
    for where, sentence in (
        ("no_such_column = 1", f'{WHERE_FAULT}column "no_such_column" does not exist; it is what can stand behind WHERE'),
        ("true; DROP VIEW analysis.report", f"{WHERE_FAULT}cannot insert multiple commands"),
        ("severity", f"{WHERE_FAULT}argument of WHERE must be type boolean"),
        ("", f"{WHERE_FAULT}syntax error"),
        ("(SELECT count(*) FROM intake.report) > 0", "permission denied"),
    ):  # fmt: skip
        out, said = run_export(daemon, "--where", where, status=1)
        assert out == b"" and sentence in said


@pytest.mark.parametrize("form", ["ndjson", "csv", "stix"])
@pytest.mark.parametrize(
    "where",
    ["true) or (true", "false)) AS r UNION (SELECT payload FROM analysis.report --", "true /*", "'", "true) --"],
)
def test_condition_stays_within_its_parentheses(daemon, sent, where, form):
    """What it would take apart keeps reports under an embargo, and those of a stricter label."""
    clear(daemon, "TLP:RED")
    out, said = run_export(daemon, "--tlp-max", "TLP:CLEAR", "--format", form, "--where", where, status=1)
    assert out == b"" and said.startswith(WHERE_FAULT), said


@pytest.mark.parametrize("kind", ["category", "partner"])
def test_name_that_nothing_is_called_is_no_empty_export(daemon, sent, kind):
    clear(daemon, "TLP:RED")
    out, said = run_export(daemon, f"--{kind}", "nope", status=1)
    assert (out, said) == (b"", f'intakectl: there is no {kind} "nope"\n')


def test_whoever_runs_it_is_who_reads(daemon, sent):
    """The connection is by PostgreSQL's environment unless it is named; operators read nothing."""
    clear(daemon, "TLP:GREEN")
    environment = {"PGHOST": str(daemon.postgres.socket_folder), "PGDATABASE": daemon.database}
    out, _ = run_export(daemon, environment={**environment, "PGUSER": "analyst"})
    assert out.count(b"\n") == len(expected(sent, 1)[1])
    for user in ("operator", "daemon"):
        _, said = run_export(daemon, user=user, status=1)
        assert "intake_analyst" in said
    _, said = run_export(daemon, environment={**environment, "PGUSER": "nobody"}, status=1)
    assert "--connection" in said


@pytest.mark.parametrize("connection", ["password=my sekret", "postgresql://u:se%zzkret@h/d"])
def test_connection_string_that_cannot_be_read_is_not_quoted(connection):
    done = subprocess.run(
        [BUILD / "intakectl", "export", "--connection", connection],
        capture_output=True, text=True, check=False, timeout=60 * PATIENCE,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("intakectl: --connection is no connection string; it is ")
    assert "kret" not in done.stderr


def test_of_several_servers_each_is_told():
    done = subprocess.run(
        [BUILD / "intakectl", "export", "--connection", "host=/nowhere,/neither"],
        capture_output=True, text=True, check=False, timeout=60 * PATIENCE,
    )  # fmt: skip
    assert re.fullmatch(r'intakectl: .*"/nowhere/.*"/neither/.*; check --connection .*\n', done.stderr), done.stderr


def test_database_is_that_of_the_usual_name_unless_one_is_named(daemon):
    """Whoever runs it; PostgreSQL's library would take a database that is called as the user."""
    daemon.postgres.query(ADMINISTRATOR, f"CREATE DATABASE intaked TEMPLATE {World.TEMPLATE}")
    try:
        host, database = daemon.postgres.socket_folder, daemon.database
        environment = {"PGHOST": str(host), "PGUSER": "analyst"}
        for arguments, added, expected in (
            ((), {}, "intaked"),
            (("--connection", f"host={host}"), {}, "intaked"),
            (("--connection", f"postgresql://analyst@%2F{str(host)[1:].replace('/', '%2F')}"), {}, "intaked"),
            (("--connection", database), {}, database),
            (("--connection", f"dbname={database}"), {}, database),
            ((), {"PGDATABASE": database}, database),
        ):
            # A fault of its own is logged with the database.
            fault = f"fault_{uuid.uuid4().hex}"
            run_export(daemon, *arguments, "--where", fault, environment={**environment, **added}, status=1)
            (line,) = [line for line in daemon.postgres.log.read_text().splitlines() if f'ERROR:  column "{fault}"' in line]
            assert f" analyst@{expected} " in line
    finally:
        daemon.postgres.query(ADMINISTRATOR, "DROP DATABASE intaked")


def test_full_disk_is_no_success(daemon, sent):
    clear(daemon, "TLP:RED")
    connection = daemon.postgres.connection_string("analyst", daemon.database)
    for form in ("ndjson", "csv", "stix"):
        with open("/dev/full", "wb") as full:
            done = subprocess.run(
                [BUILD / "intakectl", "export", "--format", form, "--connection", connection],
                stdout=full, stderr=subprocess.PIPE, check=False,
            )  # fmt: skip
        assert done.returncode == 1 and b"cannot be written" in done.stderr, form


def test_closed_output_is_no_connection():
    """What is opened first would have its number, and reports be written to the database."""
    with socket.create_server(("127.0.0.1", 0)) as database:
        connection = f"host=127.0.0.1 port={database.getsockname()[1]}"
        command = [BUILD / "intakectl", "export", "--connection", connection]
        with subprocess.Popen(["sh", "-c", 'exec "$@" >&-', "sh", *command]) as process:
            with database.accept()[0]:
                assert os.readlink(f"/proc/{process.pid}/fd/1") == "/dev/null"
                process.kill()


# ---- STIX

ID = re.compile(r"([a-z0-9-]+)--([0-9a-f]{8}-[0-9a-f]{4}-[45][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
# By the specification's tables of properties.
REQUIRED = {
    "attack-pattern": {"name"},
    "identity": {"name"},
    "incident": {"name"},
    "indicator": {"pattern", "pattern_type", "valid_from"},
    "malware": {"is_family"},
    "note": {"content", "object_refs"},
    "observed-data": {"first_observed", "last_observed", "number_observed", "object_refs"},
    "report": {"name", "published", "object_refs"},
    "threat-actor": {"name"},
    "vulnerability": {"name"},
}
VALUES = {
    "autonomous-system": {"number"},
    "domain-name": {"value"},
    "email-addr": {"value"},
    "file": set(),
    "ipv4-addr": {"value"},
    "ipv6-addr": {"value"},
    "mutex": {"name"},
    "url": {"value"},
    "user-account": set(),
    "windows-registry-key": set(),
    "x509-certificate": set(),
}
COMMON = {"type", "spec_version", "id", "created_by_ref", "created", "modified", "labels", "confidence",
          "lang", "external_references", "object_marking_refs", "description"}  # fmt: skip
OPTIONAL = {
    "identity": {"identity_class", "roles", "sectors"},
    "indicator": {"name", "indicator_types"},
    "malware": {"name"},
    "note": {"abstract"},
    "threat-actor": {"threat_actor_types"},
}


def check_object(thing, ids):
    """What STIX 2.1 demands of every object of its kind."""
    kind = thing["type"]
    assert thing["spec_version"] == "2.1"
    assert ID.fullmatch(thing["id"])[1] == kind
    for name, value in thing.items():
        assert value not in (None, [], {}, ""), (kind, name)
        if name.endswith("_ref"):
            assert value in ids, (kind, name)
        if name.endswith("_refs"):
            assert set(value) <= ids, (kind, name)
        if name in ("created", "modified", "published", "valid_from", "first_observed", "last_observed"):
            assert TIME.fullmatch(value), (kind, name, value)
    if kind == "marking-definition":
        return
    if kind in VALUES:
        assert VALUES[kind] <= set(thing)
        assert not {"created", "modified", "created_by_ref"} & set(thing)
        assert len(set(thing) - {"type", "spec_version", "id", "object_marking_refs"}) == 1
        return
    required = REQUIRED[kind] | {"created", "modified"}
    assert required <= set(thing), kind
    assert set(thing) <= required | COMMON | OPTIONAL.get(kind, set()), kind
    for name in ("created", "modified"):
        assert len(thing[name]) == len("2026-11-09T06:05:12.482Z")
    assert thing["created"] <= thing["modified"]
    if kind == "observed-data":
        assert thing["first_observed"] <= thing["last_observed"]
    for reference in thing.get("external_references", []):
        assert {"source_name", "external_id"} == set(reference)


def bundle_of(daemon, *arguments):
    out, _ = run_export(daemon, "--format", "stix", *arguments)
    bundle = json.loads(out)
    assert set(bundle) == {"type", "id", "objects"} and bundle["type"] == "bundle"
    assert ID.fullmatch(bundle["id"])[1] == "bundle"
    ids = [thing["id"] for thing in bundle["objects"]]
    assert len(set(ids)) == len(ids)
    for thing in bundle["objects"]:
        check_object(thing, set(ids))
    return bundle["objects"]


def label_of(thing):
    (marking,) = thing["object_marking_refs"]
    return {value: key for key, value in MARKINGS.items()}[marking]


@pytest.mark.parametrize("max_tlp", LABELS)
def test_stix_bundle_holds_by_the_specification(daemon, sent, max_tlp):
    clear(daemon, "TLP:RED")
    objects = bundle_of(daemon, "--tlp-max", max_tlp)
    limit = LABELS.index(max_tlp)
    _, whole = expected(sent, limit)
    for label, marking in MARKINGS.items():
        (made,) = [thing for thing in objects if thing["id"] == marking]
        word = label.removeprefix("TLP:").lower()
        assert made["extensions"] == {
            "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d": {
                "extension_type": "property-extension", "tlp_2_0": word}}  # fmt: skip
    reports = [thing for thing in objects if thing["type"] == "report"]
    assert sorted(report["external_references"][0]["external_id"] for report in reports) == sorted(
        sent[name][0]["report_id"] for name in whole
    )
    marked = [thing for thing in objects if "object_marking_refs" in thing]
    assert all(LABELS.index(label_of(thing)) <= limit for thing in marked)
    unmarked = {thing["type"] for thing in objects if "object_marking_refs" not in thing}
    assert unmarked <= {"identity", "marking-definition"}


def test_stix_of_a_report_has_its_parts(daemon, sent):
    clear(daemon, "TLP:RED")
    objects = bundle_of(daemon, "--category", "ransomware")
    source = sent["ransomware-hospital"][0]
    of = {}
    for thing in objects:
        of.setdefault(thing["type"], []).append(thing)
    (report,), (incident,) = of["report"], of["incident"]
    assert (report["name"], incident["description"]) == (source["title"], source["narrative"])
    assert incident["labels"] == ["ransomware", "AA3", "AA4", "AA2", "PAP:AMBER"]
    assert (incident["lang"], incident["confidence"], label_of(incident)) == ("en", 90, "TLP:AMBER")
    (org,) = [thing for thing in of["identity"] if "roles" not in thing]
    assert org["name"] == source["reporter"]["org"] and report["created_by_ref"] == org["id"]
    victims = {thing["name"]: thing for thing in of["identity"] if "roles" in thing}
    assert victims["Nordhaven Regional Hospital (fictional)"]["sectors"] == ["health"]
    assert label_of(victims["unnamed victim"]) == "TLP:AMBER+STRICT"
    assert of["threat-actor"][0]["threat_actor_types"] == ["criminal"]
    assert {thing["name"] for thing in of["attack-pattern"]} == set(source["techniques"])
    assert of["vulnerability"][0]["external_references"] == [
        {"source_name": "cve", "external_id": "CVE-2099-10001"}
    ]
    patterns = {thing["pattern"]: thing for thing in of["indicator"]}
    assert set(patterns) == {
        "[ipv4-addr:value = '192.0.2.45']",
        "[ipv4-addr:value = '198.51.100.23']",
        "[domain-name:value = 'sync-paper.example.org']",
        "[url:value = 'https://sync-paper.example.org/v2/put']",
        f"[file:hashes.'SHA-256' = '{source['indicators'][5]['value']}']",
        "[file:name = 'READ_ME_LANTERN.txt']",
    }
    assert patterns["[ipv4-addr:value = '192.0.2.45']"]["valid_from"].startswith("2026-11-06T22:10:04")
    # What a victim owns is nothing to block.
    assert [thing["value"] for thing in of["ipv6-addr"]] == ["2001:db8:51::17"]
    (note,) = of["note"]
    assert label_of(note) == "TLP:AMBER+STRICT" and note["content"].startswith("bc1q")
    listed = set(report["object_refs"])
    others = {thing["id"] for thing in objects} - {report["id"], org["id"], *MARKINGS.values()}
    assert listed == others
    # Again, it is the same but for the bundle's own id.
    assert bundle_of(daemon, "--category", "ransomware") == objects


def test_stix_names_nobody_whose_reports_are_withheld(daemon, alpha):
    """The report's own label would let it go, what stands in it does not."""
    clear(daemon, "TLP:RED")
    withheld, shown = ORGANISATION, example_organisations()[0]
    reports = [
        open_report(
            reporter={"org": org},
            indicators=[{"type": "domain", "value": "a.example.net", "role": "source", "tlp": tlp}],
        )
        for org, tlp in ((withheld, "TLP:RED"), (shown, "TLP:GREEN"))
    ]
    assert [alpha.post(report).status for report in reports] == [201, 201]
    ids = ", ".join(f"'{report['report_id']}'" for report in reports)
    objects = bundle_of(daemon, "--tlp-max", "TLP:GREEN", "--where", f"report_id IN ({ids})")
    assert [thing["name"] for thing in objects if thing["type"] == "identity"] == [shown]


STIX_PATTERNS = {
    ("cidr", "203.0.113.0/24"): "[ipv4-addr:value ISSUBSET '203.0.113.0/24']",
    ("cidr", "2001:db8::/32"): "[ipv6-addr:value ISSUBSET '2001:db8::/32']",
    ("asn", "AS64500"): "[autonomous-system:number = 64500]",
    ("email", "a@example.net"): "[email-addr:value = 'a@example.net']",
    ("account", "it's\\me"): "[user-account:account_login = 'it\\'s\\\\me']",
    ("mutex", "m"): "[mutex:name = 'm']",
    ("registry-key", "HKLM\\a"): "[windows-registry-key:key = 'HKLM\\\\a']",
    ("md5", "0" * 32): f"[file:hashes.MD5 = '{'0' * 32}']",
    ("sha1", "0" * 40): f"[file:hashes.'SHA-1' = '{'0' * 40}']",
    ("sha512", "0" * 128): f"[file:hashes.'SHA-512' = '{'0' * 128}']",
    ("x509-sha256", "0" * 64): f"[x509-certificate:hashes.'SHA-256' = '{'0' * 64}']",
    ("user-agent", "x"): "[network-traffic:extensions.'http-request-ext'.request_header.'User-Agent' = 'x']",
    ("phone", "+99955"): None,
    ("ja3", "0" * 32): None,
    ("other", "x"): None,
}


def test_stix_of_each_kind_of_indicator(daemon, alpha):
    clear(daemon, "TLP:RED")
    indicators = [
        {"type": kind, "value": value, "role": role, "first_seen": "2026-11-01T02:00:00+02:00"}
        for kind, value in STIX_PATTERNS
        for role in ("intermediary", "target")
    ]
    report = smallest_report(category="spam", action_areas=["AA1"], indicators=indicators)
    assert alpha.post(report).status == 201
    objects = bundle_of(daemon, "--category", "spam")
    found = {thing["pattern"]: thing for thing in objects if thing["type"] == "indicator"}
    assert set(found) == set(STIX_PATTERNS.values()) - {None}
    for thing in found.values():
        assert thing["indicator_types"] == ["compromised"]
        assert thing["valid_from"] == "2026-11-01T00:00:00.000000Z"
    notes = [thing["abstract"] for thing in objects if thing["type"] == "note"]
    assert sorted(notes) == sorted(
        [f"{kind}, {role}" for kind in ("phone", "ja3", "other") for role in ("intermediary", "target")]
        + ["user-agent, target"]
    )
    observed = [thing for thing in objects if thing["type"] == "observed-data"]
    assert len(observed) == len(STIX_PATTERNS) - 4
    assert uuid.UUID(observed[0]["id"].partition("--")[2]).version == 5


@pytest.mark.parametrize("form", ["ndjson", "csv", "stix"])
def test_number_beyond_a_double_keeps_no_report_from_being_exported(daemon, alpha, form):
    """A partner may send one in an extension, where the server keeps what it is given."""
    clear(daemon, "TLP:RED")
    number = "12345678901234567890123456789012345e300"
    report = usual_report(extensions={"example.org": {"x": 0}})
    body = encode(report).replace(b'"x":0', f'"x":{number}'.encode())
    assert alpha.post(body).status == 201
    where = f"report_id = '{report['report_id']}'"
    out, _ = run_export(daemon, "--format", form, "--where", where)
    assert report["report_id"].encode() in out
    if form == "stix":
        kinds = [thing["type"] for thing in json.loads(out)["objects"]]
        assert (kinds.count("report"), kinds.count("indicator")) == (1, 5)


# ---- memory


def peak_memory_kib(pid):
    """0 of one that has ended."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) if found else 0


@pytest.mark.parametrize("form", ["ndjson", "csv", "stix"])
def test_export_is_streamed(daemon, alpha, form):
    """Over 20 MB go through a few: rows are not gathered."""
    clear(daemon, "TLP:RED")
    if not daemon.value("SELECT count(*) FROM intake.report WHERE category = 'denial-of-service'"):
        big = [
            {**usual_report(category="denial-of-service", action_areas=["AA1"]),
             "narrative": os.urandom(8000).hex()}
            for _ in range(1500)
        ]
        assert {result.status for result in results_of(post_batch(alpha, big))} == {201}
    connection = daemon.postgres.connection_string("analyst", daemon.database)
    process = subprocess.Popen(
        [BUILD / "intakectl", "export", "--format", form, "--category", "denial-of-service",
         "--connection", connection],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    size, peak = 0, 0
    with process.stdout:
        while chunk := process.stdout.read(1 << 20):
            size += len(chunk)
            peak = max(peak, peak_memory_kib(process.pid))
    assert process.wait() == 0
    assert size > 20_000_000
    assert 0 < peak < 20_000 * (20 if PATIENCE > 1 else 1), peak
