# SPDX-License-Identifier: Apache-2.0
"""intake-send is killed five times, and daemon and database are crashed meanwhile: every report is
stored once, every one has its receipt in the result file, and the last run exits with 0.

INTAKED_LONG=1 sends 100,000 reports instead of a few thousand.
"""

import json
import os
import time

from client import encode
from harness import wait_until
from reports import usual_report
from sender import Sender

REPORTS = 100_000 if os.environ.get("INTAKED_LONG") == "1" else 6_000
FILES = 6
KILLS = 5


def write_outbox(folder):
    """Lines and arrays by turns, and a few documents; the report ids."""
    folder.mkdir()
    reports = [usual_report() for _ in range(REPORTS)]
    ids = [report["report_id"] for report in reports]
    documents, others = reports[:20], reports[20:]
    for number, report in enumerate(documents):
        (folder / f"{number:02}.json").write_bytes(encode(report))
    for number in range(FILES):
        part = others[number::FILES]
        if number % 2 == 0:
            data = b"".join(encode(report) + b"\n" for report in part)
            (folder / f"lines-{number}.ndjson").write_bytes(data)
        else:
            (folder / f"array-{number}.json").write_text(json.dumps(part, indent=1))
    return ids


def disturb(daemon, number):
    """By turns: the daemon, the database, both."""
    if number % 3 != 1:
        daemon.kill()
    if number % 3 != 0:
        daemon.postgres.crash()
        daemon.postgres.start()
    if number % 3 != 1:
        daemon.start()


def receipts_of(sender):
    """Whole lines only: a kill may have cut one."""
    receipts = []
    for line in (sender.folder / "intake-send.results.ndjson").read_bytes().split(b"\n"):
        try:
            result = json.loads(line)
        except ValueError:
            continue
        assert result["status"] in (200, 201), result
        receipts.append(result)
    return receipts


def test_killed_five_times_every_report_is_stored_once(tmp_path, world):
    with world.running({"database.store_wait_ms": 500}) as daemon:
        sender = Sender(tmp_path / "partner", daemon, world.authority.issue("alpha"))
        ids = write_outbox(sender.folder / "outbox")
        began = time.monotonic()

        def stored():
            return daemon.value("SELECT count(*) FROM intake.report")

        for number in range(KILLS):
            with sender.start("outbox") as running:
                half = (2 * number + 1) * REPORTS // (2 * KILLS + 2)
                wait_until(lambda least=half: stored() >= least, "reports are stored", 300)
                disturb(daemon, number)
                whole = (2 * number + 2) * REPORTS // (2 * KILLS + 2)
                wait_until(lambda least=whole: stored() >= least, "and more after that", 300)
                assert running.is_running()
                running.kill()
        summary = sender.send("outbox")
        seconds = time.monotonic() - began

        rows = daemon.rows("SELECT report_id, id::text, encode(sha256, 'hex') FROM intake.report")
        assert len(rows) == REPORTS
        assert sorted(report_id for report_id, _, _ in rows) == sorted(ids)
        identities = {report_id: (identity, digest) for report_id, identity, digest in rows}
        results = receipts_of(sender)
        assert {result["report_id"] for result in results} == set(ids)
        for result in results:
            receipt = result["receipt"]
            assert (receipt["id"], receipt["sha256"]) == identities[result["report_id"]]
            assert result["sha256"] == receipt["sha256"]
        assert summary["outcome"] == "stored"
        assert summary["skipped"] + summary["stored"] + summary["stored_before"] == REPORTS
        again = sum(result["status"] == 200 for result in results)
        print(f"{REPORTS} reports in {seconds:.1f} s, {again} of them sent again")
