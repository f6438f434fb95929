# SPDX-License-Identifier: Apache-2.0
"""The partner's program: what it sends, what it tells, what it is told."""

import json
import re
import subprocess
import threading

import pytest

from harness import BUILD, ROOT, wait_until
from reports import DATA, EXAMPLES, smallest_report, usual_report
from sender import (
    PROGRAM, RESULTS, Sender, answering, environment, sha256, stored, write_document, write_lines,
)  # fmt: skip


# --- what is sent ---


def test_document_is_stored_byte_by_byte(sender, daemon):
    """White space around it and within it included, so that the receipt's sha256 is the file's."""
    report = usual_report()
    path = sender.folder / "report.json"
    path.write_text(" \n" + json.dumps(report, indent=3) + "\r\n\n")
    assert sender.send("report.json")["stored"] == 1
    assert stored(daemon, report) == [sha256(path.read_bytes())]
    (result,) = sender.results()
    assert result["file"] == "report.json"
    assert result["sha256"] == result["receipt"]["sha256"] == sha256(path.read_bytes())
    assert (result["status"], result["report_id"]) == (201, report["report_id"])
    assert result["url"] == sender.options["url"]
    assert not {"line", "index", "problem"} & set(result)


def test_examples_are_sent_as_they_are(sender):
    assert sender.send(*EXAMPLES)["stored"] == len(EXAMPLES)
    assert sender.send(DATA / "examples")["skipped"] == len(EXAMPLES)


def test_folder_gives_its_reports_and_those_of_folders_in_it(sender, daemon):
    """In order; hidden files, other files and the result file itself are left out."""
    reports = [smallest_report() for _ in range(4)]
    write_document(sender.folder / "b.json", reports[2])
    write_document(sender.folder / "a" / "z.json", reports[1])
    write_document(sender.folder / "a" / "deeper" / "r.json", reports[0])
    write_document(sender.folder / "target" / "one", reports[3])
    (sender.folder / "c.json").symlink_to("target/one")
    left_out = smallest_report()
    for name in (".hidden.json", ".hidden/x.json", "notes.txt", "c.json.part", "json"):
        write_document(sender.folder / name, left_out)
    assert sender.send(".", connections=1)["stored"] == 4
    names = [result["file"] for result in sender.results()]
    assert names == ["./a/deeper/r.json", "./a/z.json", "./b.json", "./c.json"]
    assert stored(daemon, left_out) == [None]
    assert sender.send(".")["skipped"] == 4


def test_result_file_is_no_source_even_when_it_is_named(sender):
    write_document(sender.folder / "a.json", smallest_report())
    assert sender.send("a.json")["stored"] == 1
    summary = sender.send("a.json", RESULTS)
    assert (summary["skipped"], summary["refused"], summary["faults"]) == (1, 0, [])


# --- what is told ---


def test_refusal_is_quoted_with_pointer_and_detail(sender):
    write_document(
        sender.folder / "bad.json", smallest_report(report_id="N-1", category="ransomwear", colour=1)
    )
    done = sender.run("bad.json")
    assert done.returncode == 1
    assert "bad.json  N-1  The report breaks the schema or the taxonomy (422)" in done.stdout
    assert re.search(r"/category  value-unknown: .*; did you mean ransomware\?", done.stdout)
    assert "/colour  member-unknown: no such member is defined here" in done.stdout
    (result,) = sender.results()
    assert (result["status"], result["report_id"]) == (422, "N-1")
    assert result["problem"]["errors"][0]["pointer"] == "/category"


def test_refusal_of_what_is_no_json_is_told_too(sender):
    (sender.folder / "cut.json").write_text('{"report_id": "N-2", ')
    done = sender.run("cut.json")
    assert done.returncode == 1
    assert "cut.json  The body is not I-JSON (400)" in done.stdout
    assert sender.results()[0]["problem"]["type"].endswith(":json-invalid")


def test_bad_report_does_not_keep_back_good_ones(sender, daemon):
    reports = [smallest_report() for _ in range(6)]
    for number, report in enumerate(reports):
        write_document(sender.folder / f"{2 * number}.json", report)
        write_document(sender.folder / f"{2 * number + 1}.json", smallest_report(tlp="TLP:PINK"))
    summary = sender.send(".", status=1)
    assert (summary["stored"], summary["refused"]) == (6, 6)
    assert all(stored(daemon, *reports))


def test_other_content_under_the_same_id_is_a_refusal(sender):
    report = smallest_report()
    write_document(sender.folder / "a.json", report)
    write_document(sender.folder / "b.json", {**report, "title": "Another title"})
    summary = sender.send(".", connections=1, status=1)
    assert (summary["stored"], summary["refused"]) == (1, 1)
    problem = sender.results()[1]["problem"]
    assert problem["type"].endswith(":report-conflict")


def test_refused_report_is_sent_again_by_the_next_run(sender):
    path = write_document(sender.folder / "a.json", smallest_report(severity={"level": 9}))
    assert sender.send("a.json", status=1)["refused"] == 1
    assert sender.send("a.json", status=1)["refused"] == 1
    write_document(path, smallest_report())
    assert sender.send("a.json")["stored"] == 1


def test_only_the_first_refusals_are_quoted(sender):
    for number in range(23):
        write_document(sender.folder / f"{number}.json", smallest_report(tlp="TLP:PINK"))
    done = sender.run(".")
    assert done.stdout.count("/tlp  value-unknown") == 20
    assert f"and 3 more, all of them in {RESULTS}" in done.stdout
    assert len(sender.results()) == 23


def test_files_that_cannot_be_read_are_named_and_the_others_go_on(sender):
    report = smallest_report()
    write_document(sender.folder / "good.json", report)
    (sender.folder / "blank.json").write_text(" \n")
    (sender.folder / "nowhere.json").symlink_to("gone.json")
    (sender.folder / "array.json").write_text(json.dumps([smallest_report()])[:-1])
    done = sender.run(".", "missing.json")
    assert done.returncode == 1
    faults = "".join(
        f"intake-send: {name}: {what}\n"
        for name, what in (
            ("./nowhere.json", "this link leads nowhere"),
            ("missing.json", "No such file or directory"),
            ("./array.json", "line 1: the array does not end, so nothing is read from there on"),
            ("./blank.json", "there is no report in it"),
        )
    )
    assert done.stderr == faults
    assert "1  stored" in done.stdout
    assert len(sender.send("missing.json", status=1)["faults"]) == 1


def test_quiet_says_nothing_when_all_is_well(sender):
    write_document(sender.folder / "a.json", smallest_report())
    done = sender.run("a.json", quiet=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = sender.run("missing.json", quiet=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert "missing.json" in done.stderr


def test_nothing_to_send_is_all_stored(sender):
    (sender.folder / "empty").mkdir()
    done = sender.run("empty")
    assert (done.returncode, done.stdout, done.stderr) == (0, "no reports\n", "")


def test_test_mode_is_told(tmp_path, daemon, credentials):
    sender = Sender(tmp_path / "partner", daemon, credentials["gamma"])
    write_document(sender.folder / "a.json", smallest_report())
    done = sender.run("a.json")
    assert done.returncode == 0
    assert "1  stored, as tests" in done.stdout
    summary = sender.send("a.json")
    assert (summary["partner"], summary["test"]) == ("gamma", True)
    # Neither a refusal nor a verdict says that the mode has changed.
    write_document(sender.folder / "b.json", smallest_report(tlp="TLP:PINK"))
    assert sender.send("b.json", status=1)["faults"] == []
    assert sender.send("a.json", validate_only=True)["faults"] == []


@pytest.mark.parametrize(
    "status, exit_status, sentence",
    [(403, 5, "the server takes nothing: "), (503, 6, "given up after 1 s without progress: ")],
)
def test_words_of_a_server_do_nothing_to_the_terminal(sender, world, status, exit_status, sentence):
    write_document(sender.folder / "a.json", smallest_report())
    problem = {"type": "urn:intaked:problem:x", "title": "Red\x1b[31m\u009b2J alert"}
    with answering(world.server_credential, status, problem) as url:
        done = sender.run("a.json", url=url, give_up_after=1)
        assert done.returncode == exit_status, done.stderr
        assert f"{sentence}Red?[31m?2J alert ({status}" in done.stderr


STRANGER = {"status": "stored", "report_id": "R", "sha256": "0" * 64}
WHO = {"partner": "alpha", "mode": "live"}


def line_of(number, status, **members):
    return json.dumps({"line": number, "status": status, **members}).encode() + b"\n"


def problem(name):
    return {"type": f"urn:intaked:problem:{name}", "title": "T"}


@pytest.mark.parametrize(
    "status, body, sentence",
    [
        (200, b"<html></html>", "the answer is not understood"),
        (502, b"<html></html>", "the answer carries no reason (502)"),
        (200, line_of(1, 200, receipt={"status": "valid"}), "the answer is not understood"),
        (200, line_of(1, 201, receipt=STRANGER), "the answer is not understood"),
    ],
    ids=["page", "gateway", "verdict", "receipt of another report"],
)  # fmt: skip
def test_answer_that_is_none_is_told_and_not_taken(sender, world, status, body, sentence):
    """The first question is answered as intaked does, what was sent then is not."""
    write_lines(sender.folder / "a.ndjson", smallest_report(), smallest_report())
    with answering(world.server_credential, 200, WHO, (status, body)) as url:
        done = sender.run("a.ndjson", url=url, give_up_after=1)
    assert done.returncode == 6
    assert f"given up after 1 s without progress: {sentence}\n" in done.stderr
    assert (done.stdout, sender.results()) == ("", [])


@pytest.mark.parametrize(
    "answer",
    [
        (503, b"Busy.\nCome back later.\n", [("Retry-After", "60")]),
        (200, line_of(1, 429, problem=problem("quota"), retry_after=60)),
    ],
    ids=["header", "line"],
)
def test_server_that_names_a_time_is_not_asked_before_it(sender, world, answer):
    write_lines(sender.folder / "a.ndjson", smallest_report())
    asked = []
    with answering(world.server_credential, 200, WHO, answer, asked) as url:
        assert sender.run("a.ndjson", url=url, give_up_after=3).returncode == 6
    assert len(asked) == 1


def test_server_that_fails_is_asked_less_and_less(sender, world):
    """After 0.25 s at least, then 0.5 s, 1 s and 2 s."""
    write_lines(sender.folder / "a.ndjson", smallest_report())
    asked = []
    with answering(world.server_credential, 200, WHO, (503, b""), asked) as url:
        assert sender.run("a.ndjson", url=url, give_up_after=5).returncode == 6
    assert 2 <= len(asked) <= 5


class Unanswered(list):
    """Of what was asked; who asks waits until the test is over."""

    def __init__(self):
        super().__init__()
        self.is_over = threading.Event()

    def append(self, body):
        super().append(body)
        self.is_over.wait(60)


def test_answer_that_does_not_come_is_not_waited_for_long_after_a_signal(sender, world):
    write_document(sender.folder / "a.json", smallest_report())
    asked = Unanswered()
    with answering(world.server_credential, 200, WHO, asked=asked) as url:
        try:
            with sender.start("a.json", url=url) as running:
                wait_until(lambda: asked, "the report is sent")
                running.interrupt()
                status, out, err = running.wait(timeout=12)
        finally:
            asked.is_over.set()
    assert (status, out) == (130, "")
    assert "intake-send: interrupted\n" in err


def test_reason_that_ends_a_batch_may_stand_at_a_line_that_is_not_sent_yet(sender, world):
    write_lines(sender.folder / "a.ndjson", smallest_report())
    answer = (200, line_of(2, 403, problem=problem("partner-suspended")))
    with answering(world.server_credential, 200, WHO, answer) as url:
        done = sender.run("a.ndjson", url=url, give_up_after=3)
    assert done.returncode == 5, done.stderr
    assert "the server takes nothing: T (403 partner-suspended)" in done.stderr


def test_closed_input_is_told(sender):
    """What is opened first would have its number, as the result file, and be taken for it."""
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", *sender.command("-")], cwd=sender.folder,
        env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "intake-send: -: Bad file descriptor\n"


@pytest.mark.parametrize("members, status", [({}, 3), ({"tlp": "TLP:PINK"}, 1)])
def test_summary_that_cannot_be_written_is_told(sender, members, status):
    write_document(sender.folder / "a.json", smallest_report(**members))
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            sender.command("a.json"), cwd=sender.folder, env=environment(), stdout=full,
            stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == status
    assert done.stderr == "intake-send: standard output cannot be written\n"


# --- the command line ---


WRONG_LINES = {
    "no url": {"url": None},
    "http": {"url": "http://localhost:1"},
    "no host": {"url": "https://"},
    "path": {"url": "https://localhost/v1/reports"},
    "query": {"url": "https://localhost/?a"},
    "user": {"url": "https://me@localhost"},
    "no credential": {"cert": None, "key": None},
    "two credentials": {"pkcs12": "a.p12"},
    "key beside pkcs12": {"cert": None, "pkcs12": "a.p12"},
    "no connections": {"connections": 0},
    "connections": {"connections": 65},
    "no bytes": {"batch_bytes": 0},
    "bytes": {"batch_bytes": 64 * 1024 * 1024 + 1},
    "no number": {"connections": "4x"},
    "negative": {"give_up_after": -1},
    "no patience": {"give_up_after": 0},
    "unknown": {"no_such_option": True},
}


@pytest.mark.parametrize("name", WRONG_LINES)
def test_wrong_command_line_exits_2(sender, name):
    done = sender.run("a.json", **WRONG_LINES[name])
    assert (done.returncode, done.stdout) == (2, "")
    assert "intake-send: " in done.stderr
    assert not (sender.folder / RESULTS).exists()


def test_name_that_can_be_none_exits_2(sender):
    """Whether it is one shows when it is looked up, and then it is no reason to try again."""
    done = sender.run("a.json", url="https://\udcff.example", give_up_after=5)
    assert (done.returncode, done.stdout) == (2, "")
    assert "intake-send: --url cannot be used: " in done.stderr


def test_nothing_named_exits_2(sender):
    done = sender.run()
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize("changes", [{"connections": 64}, {"batch_bytes": 64 * 1024 * 1024},
                                     {"batch_bytes": 1}, {"connections": 1}])  # fmt: skip
def test_largest_and_smallest_numbers_are_taken(sender, changes):
    write_document(sender.folder / "a.json", smallest_report())
    assert sender.send("a.json", **changes)["stored"] == 1


def run_alone(*arguments):
    return subprocess.run(
        [PROGRAM, *arguments], capture_output=True, text=True, check=False, env=environment()
    )


def test_version_and_help_are_printed():
    done = run_alone("-V")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("intake-send ")
    done = run_alone("--help")
    assert (done.returncode, done.stderr) == (0, "")


def test_manual_names_every_option_and_every_exit_status_of_the_help():
    page = (ROOT / "daemon" / "tools" / "intake-send.1").read_text()
    usage = run_alone("--help").stdout
    options = re.findall(r"^  --([a-z0-9-]+)", usage, re.MULTILINE)
    assert len(options) > 10
    for option in options:
        assert f"Fl -{option}" in page, option
    statuses = re.findall(r"^  (\d+) ", usage, re.MULTILINE)
    assert statuses == re.findall(r"^\.It (\d+)$", page, re.MULTILINE)


def test_manual_shows_how_results_are_read(sender):
    """Its lines for jq(1), of reports that are a file, an element of an array, or a line."""
    page = (ROOT / "daemon" / "tools" / "intake-send.1").read_text().replace(r"\e", "\\")
    receipt, refused = re.findall(r"^\$ (jq -?r? ?'select.*?results.ndjson)$", page, re.MULTILINE | re.DOTALL)
    good = smallest_report()
    bad = [smallest_report(tlp="TLP:PINK") for _ in range(3)]
    write_document(sender.folder / "good.json", good)
    write_document(sender.folder / "bad.json", bad[0])
    write_document(sender.folder / "bad-array.json", [bad[1]])
    write_lines(sender.folder / "bad.ndjson", smallest_report(), bad[2])
    sender.send(".", status=1, connections=1)
    run = lambda line: subprocess.run(
        ["sh", "-c", line], cwd=sender.folder, capture_output=True, text=True, check=True
    ).stdout  # fmt: skip
    own = receipt.replace("NH-2026-000417", good["report_id"])
    assert own != receipt and json.loads(run(own))["report_id"] == good["report_id"]
    title = "The report breaks the schema or the taxonomy"
    assert sorted(run(refused).splitlines()) == [
        f"./bad-array.json: 1: {title}", f"./bad.json: {title}", f"./bad.ndjson: 2: {title}",
    ]  # fmt: skip


# --- no terminal ---


def test_no_terminal_gets_plain_text(sender):
    write_document(sender.folder / "a.json", smallest_report())
    done = sender.run("a.json")
    assert done.returncode == 0
    assert "\r" not in done.stdout + done.stderr
    assert "\x1b" not in done.stdout + done.stderr


def test_program_needs_no_more_than_it_links():
    done = subprocess.run(["ldd", BUILD / "intake-send"], capture_output=True, text=True, check=True)
    assert "libcurl.so" in done.stdout
    assert "libpq" not in done.stdout
