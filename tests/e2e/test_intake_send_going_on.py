# SPDX-License-Identifier: Apache-2.0
"""intake-send through interruptions, its own and those of the server, and what it shows meanwhile."""

import json
import os
import pty
import re
import socket
import subprocess
from pathlib import Path

import pytest

from client import encode
from harness import die_with_parent, wait_until
from reports import smallest_report, usual_report
from sender import RESULTS, Running, Sender, environment, stored, write_document, write_lines


# --- going on ---


def test_second_run_sends_only_what_has_no_receipt(sender):
    for number in range(5):
        write_document(sender.folder / f"{number}.json", smallest_report())
    assert sender.send(".")["stored"] == 5
    assert (sender.folder / RESULTS).stat().st_mode & 0o777 == 0o600
    write_document(sender.folder / "new.json", smallest_report())
    summary = sender.send(".")
    assert (summary["stored"], summary["stored_before"], summary["skipped"]) == (1, 0, 5)


def test_torn_result_line_costs_one_request_and_nothing_else(sender):
    """Wherever a crash cut the line: its report is sent again and gets its first receipt."""
    for number in range(3):
        write_document(sender.folder / f"{number}.json", smallest_report())
    assert sender.send(".", connections=1)["stored"] == 3
    path = sender.folder / RESULTS
    whole = path.read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    for end in (last + 1, last + 20, len(whole) - 2):
        path.write_bytes(whole[:end])
        summary = sender.send(".")
        assert (summary["stored_before"], summary["skipped"]) == (1, 2)
        assert sender.send(".")["skipped"] == 3


def test_receipts_of_another_partner_do_not_count(sender, daemon, credentials):
    write_document(sender.folder / "a.json", smallest_report())
    assert sender.send(".")["stored"] == 1
    beta = Sender(sender.folder, daemon, credentials["beta"])
    assert beta.send(".")["stored"] == 1
    assert beta.send(".")["skipped"] == 1
    assert sender.send(".")["skipped"] == 1


def test_receipts_of_the_time_in_test_mode_do_not_count(tmp_path, world):
    with world.running(partners=()) as daemon:
        daemon.add_partner("delta", is_live=False)
        sender = Sender(tmp_path / "partner", daemon, world.authority.issue("delta"))
        write_document(sender.folder / "a.json", smallest_report())
        wait_until(lambda: sender.run("a.json").returncode == 0, "the daemon knows the partner")
        daemon.rows("UPDATE intake.partner SET is_live = true")
        wait_until(lambda: sender.send("a.json")["stored"] == 1, "the partner is live")
        assert not sender.results()[-1]["receipt"]["test"]
        assert sender.send("a.json")["skipped"] == 1


def test_mode_that_changes_in_between_is_told(tmp_path, world):
    """Part of the reports is stored as tests, and the next run sends those again."""
    with world.running(partners=()) as daemon:
        daemon.add_partner("delta", is_live=False)
        credential = world.authority.issue("delta")
        sender = Sender(tmp_path / "partner", daemon, credential)
        reports = [smallest_report() for _ in range(4)]
        write_lines(sender.folder / "a.ndjson", *reports)
        with sender.start("-", stdin=subprocess.PIPE) as running, daemon.client(credential) as client:

            def write(*some):
                for report in some:
                    running.process.stdin.write(encode(report) + b"\n")
                running.process.stdin.flush()

            write(*reports[:2])
            wait_until(lambda: len(sender.results()) == 2, "the first two have their receipts")
            daemon.rows("UPDATE intake.partner SET is_live = true")
            wait_until(lambda: client.get("/v1/whoami").json["mode"] == "live", "it is live")
            write(*reports[2:])
            running.process.stdin.close()
            running.process.stdin = None
            status, out, err = running.wait()
        assert (status, out) == (1, "           4  stored, some as tests\n")
        assert err == (
            "intake-send: the partner was in test mode and is live now: "
            "what was stored before is sent again by the same command\n"
        )
        summary = sender.send("a.ndjson")
        assert (summary["stored"], summary["skipped"], summary["test"]) == (2, 2, False)


def test_receipts_of_another_server_do_not_count(sender, daemon):
    write_document(sender.folder / "a.json", smallest_report())
    assert sender.send(".")["stored"] == 1
    other_name = f"https://127.0.0.1:{daemon.port}"
    assert sender.send(".", url=other_name)["stored_before"] == 1


def test_result_file_of_a_running_one_is_left_alone(sender):
    write_document(sender.folder / "a.json", smallest_report())
    with sender.start("-", stdin=subprocess.PIPE) as running:
        wait_until((sender.folder / RESULTS).exists, "the result file is there")
        done = sender.run("a.json")
        assert done.returncode == 3
        assert f"{RESULTS} is in use by another intake-send" in done.stderr
        assert running.is_running()
    assert sender.send("a.json", results="other.ndjson")["stored"] == 1


def test_result_file_that_is_something_else_is_left_alone(sender):
    path = write_document(sender.folder / "a.json", smallest_report())
    before = path.read_bytes()
    done = sender.run("a.json", results="a.json")
    assert done.returncode == 3
    assert "a.json holds something else than results" in done.stderr
    assert path.read_bytes() == before


def test_result_file_that_cannot_be_made_ends_the_run_at_once(sender):
    write_document(sender.folder / "a.json", smallest_report())
    done = sender.run("a.json", results="none/results")
    assert (done.returncode, done.stdout) == (3, "")
    assert "none/results: No such file or directory" in done.stderr


def test_result_file_that_keeps_nothing_is_refused(sender):
    write_document(sender.folder / "a.json", smallest_report())
    done = sender.run("a.json", results="/dev/null")
    assert (done.returncode, done.stdout) == (3, "")
    assert "the result file /dev/null: expected a regular file" in done.stderr


def test_what_the_result_file_has_no_room_for_does_not_count(sender):
    """The line that did not fit is torn, and nothing is written behind it."""
    write_lines(sender.folder / "a.ndjson", *(smallest_report() for _ in range(100)))
    script = 'trap "" XFSZ; ulimit -f 20; exec "$@"'
    done = subprocess.run(
        ["sh", "-c", script, "sh", *sender.command("a.ndjson", json=True)],
        cwd=sender.folder, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert f"the result file {RESULTS}: File too large" in done.stderr
    counted = json.loads(done.stdout)["stored"]
    assert 0 < counted < 100
    assert len(sender.results()) == counted
    summary = sender.send("a.ndjson")
    assert (summary["stored_before"], summary["skipped"]) == (100 - counted, counted)


def test_killed_run_is_gone_on_with(sender, daemon):
    """kill -9 at whatever moment: no report is lost, none is doubled."""
    reports = [usual_report() for _ in range(300)]
    for number, report in enumerate(reports):
        write_document(sender.folder / "out" / f"{number:03}.json", report)
    for reached in (1, 50, 150):
        with sender.start("out") as running:
            wait_until(lambda least=reached: len(sender.results()) >= least, "reports are answered")
            running.kill()
    known = len(sender.results())
    summary = sender.send("out")
    assert summary["skipped"] >= 150
    assert summary["stored"] + summary["stored_before"] + summary["skipped"] == 300
    assert summary["skipped"] <= known
    assert all(stored(daemon, *reports))
    ids = [report["report_id"] for report in reports]
    assert daemon.value("SELECT count(*) FROM intake.report WHERE report_id = ANY(%s)", [ids]) == 300
    assert sender.send("out")["skipped"] == 300


# --- outages ---


def test_daemon_that_is_away_is_waited_for(tmp_path, world):
    daemon = world.daemon()
    daemon.add_partner("alpha")
    sender = Sender(tmp_path / "partner", daemon, world.authority.issue("alpha"))
    write_document(sender.folder / "a.json", smallest_report())
    with sender.start("a.json") as running:
        wait_until((sender.folder / RESULTS).exists, "it is past its start")
        daemon.start()
        status, out, _ = running.wait()
        assert (status, out) == (0, "           1  stored\n")
    daemon.stop()


def test_database_that_is_away_is_waited_for(tmp_path, world):
    with world.running({"database.store_wait_ms": 200}) as daemon:
        sender = Sender(tmp_path / "partner", daemon, world.authority.issue("alpha"))
        reports = [smallest_report() for _ in range(20)]
        for number, report in enumerate(reports):
            write_document(sender.folder / "out" / f"{number}.json", report)
        assert sender.send("out/0.json")["stored"] == 1
        world.postgres.stop()
        with sender.start("out") as running:
            unavailable = "intaked_refusals"
            wait_until(
                lambda: any(
                    "503" in name and value > 0 for name, value in daemon.metrics().items()
                ),
                f"it was refused with 503 ({unavailable})",
            )
            world.postgres.start()
            status, out, _ = running.wait()
        assert status == 0
        assert "19  stored\n" in out
        assert all(stored(daemon, *reports))


def test_database_that_goes_away_in_a_batch_is_waited_for(tmp_path, world):
    with world.running({"database.store_wait_ms": 200}) as daemon:
        sender = Sender(tmp_path / "partner", daemon, world.authority.issue("alpha"))
        reports = [usual_report() for _ in range(3000)]
        write_lines(sender.folder / "a.ndjson", *reports)
        with sender.start("a.ndjson") as running:
            wait_until(lambda: len(sender.results()) >= 100, "the batch is under way")
            world.postgres.crash()
            world.postgres.start()
            status, _, _ = running.wait()
        assert status == 0
        assert daemon.value("SELECT count(*) FROM intake.report") == 3000
        assert {result["report_id"] for result in sender.results()} == {
            report["report_id"] for report in reports
        }


def test_patience_has_an_end_where_one_is_named(tmp_path, world):
    daemon = world.daemon(database=world.TEMPLATE)
    sender = Sender(tmp_path / "partner", daemon, world.authority.issue("alpha"))
    write_document(sender.folder / "a.json", smallest_report())
    done = sender.run("a.json", give_up_after=1)
    assert done.returncode == 6
    assert "given up after 1 s without progress: " in done.stderr
    assert f"the same command goes on from {RESULTS}" in done.stderr
    quiet = sender.run("a.json", give_up_after=1, quiet=True)
    assert quiet.stderr.startswith("intake-send: given up after 1 s without progress: ")


def test_failing_first_attempt_is_told_at_once_and_its_reason_at_the_end(tmp_path, world):
    daemon = world.daemon(database=world.TEMPLATE)
    sender = Sender(tmp_path / "partner", daemon, world.authority.issue("alpha"))
    write_document(sender.folder / "a.json", smallest_report())
    with sender.start("a.json") as running:
        first = running.process.stderr.readline().decode()
        running.interrupt()
        status, out, err = running.wait()
    reason = re.fullmatch(r"intake-send: (.*connect.*); trying again\n", first)[1]
    assert (status, out) == (130, "")
    interrupted, how = err.splitlines()
    assert interrupted.startswith("intake-send: interrupted while waiting: ")
    assert reason.split(" after ")[0] in interrupted
    assert f"the same command goes on from {RESULTS}" in how


def test_interrupted_run_says_that_the_server_does_not_answer(tmp_path, world):
    """It takes the connection, and that is all it does."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        daemon = world.daemon(database=world.TEMPLATE)
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        sender = Sender(tmp_path / "partner", daemon, world.authority.issue("alpha"), url=url)
        with sender.start("empty") as running:
            with silent.accept()[0]:
                running.interrupt()
                running.interrupt()
                status, out, err = running.wait()
    assert (status, out) == (130, "")
    assert "intake-send: interrupted while waiting: the server does not answer\n" in err


def signal_waits(pid):
    """Whether one that was sent to the process has not been taken yet."""
    return not re.search(r"^ShdPnd:\t0+$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root puts a name server in another's place")
def test_second_signal_ends_a_run_whose_name_server_does_not_answer(tmp_path, world):
    daemon = world.daemon(database=world.TEMPLATE)
    url = "https://intake.example:8443"
    sender = Sender(tmp_path / "partner", daemon, world.authority.issue("alpha"), url=url)
    names = tmp_path / "resolv.conf"
    names.write_text("nameserver 127.0.0.99\noptions timeout:30\n")
    script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.99", 53))
        command = ["unshare", "--mount", "sh", "-c", script, str(names), *sender.command("empty")]
        process = subprocess.Popen(
            command, cwd=sender.folder, env=environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=die_with_parent,
        )  # fmt: skip
        with Running(process) as running:
            silent.settimeout(15)
            assert silent.recv(512)
            running.interrupt()
            # The next one would go to the thread that waits for the name server, where the thread
            # sanitizer keeps it back until that thread has its answer.
            wait_until(lambda: not signal_waits(process.pid), "the first one is taken")
            running.interrupt()
            status, out, err = running.wait(timeout=4)
    assert (status, out) == (130, "")
    assert "intake-send: interrupted while waiting: the server does not answer\n" in err


def test_what_is_on_its_way_is_finished_when_interrupted(sender, daemon):
    """The commit is held back until the signal has come; the receipt still arrives."""
    write_document(sender.folder / "a.json", smallest_report())
    with daemon.locked_reports() as lock, sender.start("a.json") as running:
        wait_until(
            lambda: daemon.value(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
                " AND wait_event_type = 'Lock'",
                [daemon.database],
            ),
            "the report waits in the database",
        )
        running.interrupt()
        lock.rollback()
        status, out, _ = running.wait()
    assert status == 130
    assert "1  stored" in out
    assert len(sender.results()) == 1


# --- a terminal ---


def read_terminal(fd):
    """What is there; nothing once the other end is closed."""
    try:
        return os.read(fd, 65536).decode()
    except OSError:
        return ""


def test_terminal_gets_a_bar_and_is_left_clean(tmp_path, world):
    daemon = world.daemon()
    daemon.add_partner("alpha")
    sender = Sender(tmp_path / "partner", daemon, world.authority.issue("alpha"))
    write_document(sender.folder / "a.json", smallest_report())
    master, slave = pty.openpty()
    shown = ""
    try:
        with sender.start("a.json", stderr=slave) as running:
            os.close(slave)

            def is_waiting():
                nonlocal shown
                shown += read_terminal(master)
                return "waiting: " in shown

            wait_until(is_waiting, "the bar says what is waited for")
            daemon.start()
            status, out, _ = running.wait()
            shown += read_terminal(master)
    finally:
        os.close(master)
    assert status == 0
    assert re.search(r"\r\[-{20}\]   0%  0 reports", shown)
    assert shown.endswith("\r\x1b[K")
    assert out == "           1  stored\n"
    daemon.stop()


def test_no_terminal_gets_a_line_now_and_then(tmp_path, world):
    daemon = world.daemon(database=world.TEMPLATE)
    sender = Sender(tmp_path / "partner", daemon, world.authority.issue("alpha"))
    write_document(sender.folder / "a.json", smallest_report())
    shown = tmp_path / "shown"
    with shown.open("w") as stderr, sender.start("a.json", stderr=stderr) as running:
        wait_until(lambda: shown.read_text().count("\n") > 1, "a line is there", 20)
        running.interrupt()
        assert running.wait()[0] == 130
    second = shown.read_text().splitlines()[1]
    assert re.fullmatch(r"intake-send:   0%  0 reports  waiting: .*connect.*", second), second
    assert "\x1b" not in shown.read_text()
