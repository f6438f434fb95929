# SPDX-License-Identifier: Apache-2.0
"""intake-send and batches: lines, arrays, pipes, limits that are lower than expected."""

import json
import os
import re
import subprocess

import pytest

from certificates import openssl
from client import encode
from harness import PATIENCE, ROOT, wait_until
from reports import EXAMPLES, smallest_report, usual_report
from sender import PROGRAM, RESULTS, Sender, environment, sha256, stored, write_document, write_lines


def places(results, name):
    return sorted(result[name] for result in results)


def test_lines_are_stored_as_they_are(sender, daemon):
    """Whatever ends them, and whatever is the last."""
    reports = [usual_report() for _ in range(5)]
    lines = [encode(report) for report in reports]
    path = sender.folder / "a.ndjson"
    path.write_bytes(b"%s\n\n  %s  \r\n\t\n%s\n%s\r\n%s" % tuple(lines))
    assert sender.send("a.ndjson")["stored"] == 5
    assert stored(daemon, *reports) == [sha256(line) for line in lines]
    results = sorted(sender.results(), key=lambda result: result["line"])
    assert [result["line"] for result in results] == [1, 3, 5, 6, 7]
    for result, report, line in zip(results, reports, lines):
        assert result["report_id"] == report["report_id"] == result["receipt"]["report_id"]
        assert result["sha256"] == result["receipt"]["sha256"] == sha256(line)
        assert (result["status"], result["file"]) == (201, "a.ndjson")


def test_lines_need_no_name_that_says_so(sender, daemon):
    reports = [smallest_report() for _ in range(3)]
    write_lines(sender.folder / "a.json", *reports)
    assert sender.send("a.json")["stored"] == 3
    assert places(sender.results(), "line") == [1, 2, 3]
    assert stored(daemon, *reports) == [sha256(encode(report)) for report in reports]


def test_elements_of_an_array_are_reports(sender, daemon):
    reports = [usual_report(title="[{,\\\"]}") for _ in range(3)]
    path = write_document(sender.folder / "a.json", reports, indent=2)
    assert sender.send("a.json")["stored"] == 3
    assert all(stored(daemon, *reports))
    results = sorted(sender.results(), key=lambda result: result["index"])
    assert [result["index"] for result in results] == [0, 1, 2]
    lines = path.read_text().splitlines()
    assert all(lines[result["line"] - 1] == "  {" for result in results)
    assert [result["report_id"] for result in results] == [r["report_id"] for r in reports]
    assert sender.send("a.json")["skipped"] == 3


def test_objects_one_after_the_other_are_reports(sender, daemon):
    reports = [smallest_report() for _ in range(3)]
    text = "\n".join(json.dumps(report, indent=1) for report in reports)
    (sender.folder / "a.json").write_text(text)
    assert sender.send("a.json")["stored"] == 3
    assert all(stored(daemon, *reports))


def test_all_kinds_go_together(sender, daemon):
    reports = [smallest_report() for _ in range(60)]
    (sender.folder / "out").mkdir()
    write_lines(sender.folder / "out" / "a.ndjson", *reports[:20])
    write_document(sender.folder / "out" / "b.json", reports[20:40])
    for number, report in enumerate(reports[40:50]):
        write_document(sender.folder / "out" / f"c{number}.json", report)
    data = "".join(json.dumps(report) + "\n" for report in reports[50:])
    assert sender.send("out", "-", data=data)["stored"] == 60
    assert all(stored(daemon, *reports))
    assert {result["file"] for result in sender.results()} >= {"out/a.ndjson", "out/b.json", "-"}


def test_bad_line_is_quoted_with_its_place_and_spoils_nothing(sender, daemon):
    reports = [smallest_report() for _ in range(6)]
    reports[3] = smallest_report(report_id="N-7", category="ransomwear")
    write_lines(sender.folder / "a.ndjson", *reports)
    with (sender.folder / "a.ndjson").open("ab") as lines:
        lines.write(b"{broken\n" + encode(smallest_report()) + b"\n")
    done = sender.run("a.ndjson")
    assert done.returncode == 1
    assert "a.ndjson:4  N-7  The report breaks the schema or the taxonomy (422)" in done.stdout
    assert re.search(r"/category  value-unknown: .*; did you mean ransomware\?", done.stdout)
    assert "a.ndjson:7  The body is not I-JSON (400)" in done.stdout
    assert "6  stored" in done.stdout
    assert None not in stored(daemon, *reports[:3], *reports[4:])


def test_element_that_cannot_be_sent_is_told_and_the_others_go(sender, daemon):
    reports = [smallest_report() for _ in range(2)]
    first, last = (json.dumps(report) for report in reports)
    (sender.folder / "a.json").write_text('[%s,\n{"title": "two\nlines"},\n,%s]' % (first, last))
    done = sender.run("a.json")
    assert done.returncode == 1
    assert "a.json:2 (element 1)  cannot be sent: a line ends inside a string" in done.stdout
    assert "(element 2)  cannot be sent: an element of the array is missing" in done.stdout
    assert all(stored(daemon, *reports))
    assert [result["status"] for result in sender.results()].count(400) == 2


def test_array_that_was_cut_off_is_sent_as_far_as_it_goes(sender, daemon):
    reports = [smallest_report() for _ in range(3)]
    text = json.dumps(reports)
    (sender.folder / "a.json").write_text(text[:-10])
    summary = sender.send("a.json", status=1)
    assert (summary["stored"], len(summary["faults"])) == (2, 1)
    assert stored(daemon, reports[2]) == [None]


def requests(daemon):
    """How many requests for reports there were."""
    return sum(
        value for name, value in daemon.metrics().items() if "requests" in name and "reports" in name
    )


@pytest.mark.parametrize("batch_bytes, expected", [(1, 12), (1000, 12), (2000, 4), (10**6, 1)])
def test_batches_are_as_long_as_the_bytes_allow(sender, daemon, batch_bytes, expected):
    """Twelve reports of about 600 bytes, three of which fit into 2000."""
    reports = [smallest_report(narrative="x" * 240) for _ in range(12)]
    assert all(550 < len(encode(report)) < 660 for report in reports)
    write_lines(sender.folder / "a.ndjson", *reports)
    before = requests(daemon)
    assert sender.send("a.ndjson", batch_bytes=batch_bytes, connections=1)["stored"] == 12
    assert requests(daemon) - before == expected


def test_pipe_is_sent_as_it_comes(sender, daemon):
    """The first report when the second begins, later ones at once, while the pipe is still open. To wait
    for it is no lack of progress."""
    reports = [smallest_report() for _ in range(4)]
    with sender.start("-", stdin=subprocess.PIPE, give_up_after=int(3 * PATIENCE)) as running:

        def write(*some):
            for report in some:
                running.process.stdin.write(encode(report) + b"\n")
            running.process.stdin.flush()

        write(*reports[:2])
        wait_until(lambda: all(stored(daemon, *reports[:2])), "the first two are stored")
        write(reports[2])
        wait_until(lambda: all(stored(daemon, reports[2])), "the third is stored")
        with pytest.raises(subprocess.TimeoutExpired):
            running.process.wait(timeout=4 * PATIENCE)
        write(reports[3])
        running.process.stdin.close()
        running.process.stdin = None
        status, out, _ = running.wait()
    assert (status, out) == (0, "           4  stored\n")


def test_named_pipe_that_nobody_writes_to_holds_up_nothing(sender, daemon):
    """It is waited for, and a signal ends that as it ends everything."""
    reports = [smallest_report() for _ in range(2)]
    write_document(sender.folder / "a.json", reports[0])
    os.mkfifo(sender.folder / "pipe")
    with sender.start("a.json", "pipe") as running:
        wait_until(lambda: all(stored(daemon, reports[0])), "what was before it is stored")
        (sender.folder / "pipe").write_bytes(encode(reports[1]))
        status, out, _ = running.wait()
    assert (status, out) == (0, "           2  stored\n")
    asked = 'intaked_requests_total{path="/v1/whoami",status="200"}'
    before = daemon.metrics()[asked]
    with sender.start("pipe") as running:
        wait_until(lambda: daemon.metrics()[asked] > before, "it has asked who it is")
        running.interrupt()
        assert running.wait()[0] == 130


def test_empty_pipe_is_all_stored(sender):
    assert sender.send("-", data="")["outcome"] == "stored"


def test_the_same_reports_written_differently_are_stored_once(sender):
    reports = [smallest_report() for _ in range(3)]
    write_lines(sender.folder / "a.ndjson", *reports)
    write_document(sender.folder / "b.json", reports, indent=4)
    summary = sender.send("a.ndjson", "b.json", connections=1)
    assert (summary["stored"], summary["stored_before"]) == (3, 3)


def test_number_beyond_a_double_keeps_no_report_from_being_known_again(sender):
    """The server holds such a number, and the receipt of the first copy has another digest."""
    first = smallest_report(extensions={"example.org": {"x": 0}})
    text = encode(first).replace(b'"x":0', b'"x":12345678901234567890123456789012345e300')
    (sender.folder / "a.ndjson").write_bytes(text + b"\n")
    (sender.folder / "b.ndjson").write_bytes(text.replace(b",", b", ") + b"\n")
    write_lines(sender.folder / "c.ndjson", smallest_report())
    assert sender.send("a.ndjson")["stored"] == 1
    summary = sender.send("b.ndjson", "c.ndjson", connections=1, give_up_after=10)
    assert (summary["stored"], summary["stored_before"]) == (1, 1)


def test_revisions_are_stored_in_their_order_over_one_connection(tmp_path, world):
    """Though the first is sent again for the partner's quota, which would let the second pass."""
    quota = {"quota.bytes_per_s": 10000, "quota.bytes_burst": 40000}
    with world.running(quota) as daemon:
        sender = Sender(tmp_path / "partner", daemon, world.authority.issue("alpha"))
        report = smallest_report()
        revisions = [smallest_report(), report, {**report, "revision": 2}]
        lines = [encode(revision)[:-1] for revision in revisions]
        sizes = (38000, 30000, 1000)
        padded = [line + b" " * (size - len(line)) + b"}\n" for line, size in zip(lines, sizes)]
        (sender.folder / "a.ndjson").write_bytes(b"".join(padded))
        summary = sender.send("a.ndjson", connections=1)
        assert (summary["stored"], summary["refused"]) == (3, 0)
        assert [result["line"] for result in sender.results()] == [1, 2, 3]


LOWER_LIMITS = {
    "reports": ({"limits.max_batch_reports": 3}, 100),
    "one report": ({"limits.max_batch_reports": 1}, 250),
    "bytes": ({"limits.max_batch_bytes": 65536}, 40),
}


@pytest.mark.parametrize("name", LOWER_LIMITS)
def test_server_that_takes_less_gets_smaller_batches(tmp_path, world, name):
    """What it did not look at is not taken for refused, and little is sent for nothing."""
    settings, most_requests = LOWER_LIMITS[name]
    with world.running(settings) as daemon:
        sender = Sender(tmp_path / "partner", daemon, world.authority.issue("alpha"))
        reports = [usual_report() for _ in range(200)]
        write_lines(sender.folder / "a.ndjson", *reports)
        assert (sender.folder / "a.ndjson").stat().st_size > 4 * 65536
        assert sender.send("a.ndjson")["stored"] == 200
        assert all(stored(daemon, *reports))
        assert {result["status"] for result in sender.results()} == {201}
        assert requests(daemon) <= most_requests


def test_suspension_in_the_middle_of_a_batch_ends_the_run(tmp_path, world):
    """What the server had taken is stored; what comes after is not sent, and not refused."""
    with world.running({"database.store_wait_ms": 30000, "database.max_queued_reports": 64}) as daemon:
        credential = world.authority.issue("alpha")
        sender = Sender(tmp_path / "partner", daemon, credential)
        write_lines(sender.folder / "a.ndjson", *[smallest_report() for _ in range(1000)])
        with daemon.locked_reports() as lock:
            with sender.start("a.ndjson", json=True, connections=1) as running:
                wait_until(lambda: daemon.metrics()["intaked_queue_reports"] >= 64, "reports wait")
                daemon.suspend_partner("alpha", credential)
                lock.rollback()
                status, out, err = running.wait()
        summary = json.loads(out)
        assert (status, summary["outcome"], summary["refused"]) == (5, "denied", 0)
        assert "the server takes nothing: The partner is suspended (403 partner-suspended)" in err
        assert 0 < summary["stored"] < 1000
        assert daemon.value("SELECT count(*) FROM intake.report") == summary["stored"]
        assert {result["status"] for result in sender.results()} == {201}
        daemon.control("partner", "resume", "alpha")
        wait_until(lambda: sender.run("a.ndjson").returncode == 0, "all is stored")
        assert daemon.value("SELECT count(*) FROM intake.report") == 1000


def test_report_that_is_too_long_is_refused_alone(sender, daemon):
    """The longest that the server takes passes, in a batch and as a document."""
    reports = [smallest_report() for _ in range(4)]
    sizes = {1: 1024 * 1024, 2: 1024 * 1024 + 1}
    lines = [encode(report) for report in reports]
    for number, size in sizes.items():
        lines[number] = lines[number][:-1] + b" " * (size - len(lines[number])) + b"}"
    (sender.folder / "a.ndjson").write_bytes(b"\n".join(lines))
    summary = sender.send("a.ndjson", status=1)
    assert (summary["stored"], summary["refused"]) == (3, 1)
    assert [bool(digest) for digest in stored(daemon, *reports)] == [True, True, False, True]
    assert "413" in sender.run("a.ndjson").stdout
    for number in sizes:
        document = smallest_report()
        data = encode(document)
        data = data[:-1] + b" " * (sizes[number] - len(data)) + b"}"
        (sender.folder / "b.json").write_bytes(data)
        status = sender.run("b.json").returncode
        assert (status, bool(stored(daemon, document)[0])) == ((0, True) if number == 1 else (1, False))


def test_report_that_no_server_would_take_is_not_sent(sender, daemon):
    """Of more than 16 MiB; it is in the result file like what a server has refused."""
    reports = [smallest_report(narrative="x" * (16 << 20)), smallest_report()]
    write_lines(sender.folder / "a.ndjson", *reports)
    assert sender.run("a.ndjson").returncode == 1
    assert [bool(digest) for digest in stored(daemon, *reports)] == [False, True]
    assert [line["status"] for line in sorted(sender.results(), key=lambda line: line["line"])] == [413, 201]


# --- validation ---


def test_validation_stores_nothing_and_skips_nothing_later(sender, daemon):
    reports = [smallest_report() for _ in range(4)]
    write_document(sender.folder / "a.json", reports[0])
    write_lines(sender.folder / "b.ndjson", *reports[1:])
    done = sender.run("a.json", "b.ndjson", validate_only=True)
    assert (done.returncode, done.stdout) == (0, "           4  valid; nothing was stored\n")
    assert not (sender.folder / RESULTS).exists()
    summary = sender.send("a.json", "b.ndjson", validate_only=True, results=RESULTS)
    assert (summary["valid"], summary["stored"]) == (4, 0)
    assert {result["status"] for result in sender.results()} == {200}
    assert all("verdict" in result and "receipt" not in result for result in sender.results())
    assert stored(daemon, *reports) == [None] * 4
    assert sender.send("a.json", "b.ndjson")["stored"] == 4
    assert sender.send("a.json", "b.ndjson", validate_only=True)["valid"] == 4
    # Their receipts are in the file now.
    assert sender.send("a.json", "b.ndjson", validate_only=True, results=RESULTS)["valid"] == 4


def test_validation_quotes_refusals(sender):
    write_document(sender.folder / "a.json", smallest_report(tlp="TLP:PINK"))
    write_lines(sender.folder / "b.ndjson", smallest_report(), smallest_report(colour=1))
    done = sender.run("a.json", "b.ndjson", validate_only=True)
    assert done.returncode == 1
    assert "/tlp  value-unknown" in done.stdout
    assert "b.ndjson:2" in done.stdout
    assert "/colour  member-unknown" in done.stdout


# --- the manual ---


def examples():
    """The commands of the manual's examples, as a shell would run them."""
    page = (ROOT / "daemon" / "tools" / "intake-send.1").read_text()
    section = page.split(".Sh EXAMPLES")[1].split(".Sh ")[0].replace("\\e", "\\")
    blocks = re.findall(r"\.Bd -literal[^\n]*\n(.*?)\.Ed", section, re.DOTALL)
    return re.sub(r"^\$ ", "", "".join(blocks), flags=re.MULTILINE)


def test_examples_of_the_manual_work(sender, daemon, world):
    folder = sender.folder
    outbox = folder / "outbox"
    outbox.mkdir()
    for path in EXAMPLES:
        (outbox / path.name).write_bytes(path.read_bytes())
    write_lines(outbox / "more.ndjson", *[smallest_report() for _ in range(5)])
    write_document(folder / "export.json", {"incidents": [smallest_report() for _ in range(3)]})
    (folder / "ca.crt").write_bytes(world.authority.certificate.read_bytes())
    (folder / "nordhaven.crt").write_bytes(sender.credential.certificate.read_bytes())
    (folder / "nordhaven.key").write_bytes(sender.credential.key.read_bytes())
    (folder / "passphrase").write_text("correct horse\n")
    openssl(
        "pkcs12", "-export", "-in", folder / "nordhaven.crt", "-inkey", folder / "nordhaven.key",
        "-passout", f"file:{folder / 'passphrase'}", "-out", folder / "nordhaven.p12",
    )  # fmt: skip
    script = examples().replace("https://intake.example:8443", sender.options["url"])
    assert script.count("intake-send ") >= 4
    path = {**environment(), "PATH": f"{PROGRAM.parent}:{environment()['PATH']}"}
    done = subprocess.run(
        ["sh", "-euc", script], cwd=folder, env=path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    assert "8  valid; nothing was stored" in done.stdout
    assert "8  stored" in done.stdout
    assert "3  stored" in done.stdout
    assert '"report_id": "NH-2026-000417"' in done.stdout
    assert len(sender.results()) == 11
    assert [r["status"] for r in sender.results("outbox.results.ndjson")] == [200] * 8
