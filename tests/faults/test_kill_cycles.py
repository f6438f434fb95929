# SPDX-License-Identifier: Apache-2.0
"""Daemon and database are killed under load; a ledger of acknowledged ids is held against the rows.

Nothing acknowledged is lost, nothing is doubled, and whoever got no answer learns the truth by
sending again.
"""

import threading

import pytest

from client import encode
from harness import wait_until
from reports import usual_report

CYCLES = 20
CLIENTS = 6
ACKNOWLEDGED_A_CYCLE = 60


class Partner(threading.Thread):
    """Sends one report after the other and retracts every third, each request again and again until
    it is acknowledged."""

    def __init__(self, daemon, credential):
        super().__init__()
        self.daemon_process = daemon
        self.credential = credential
        self.is_over = threading.Event()
        self.receipts = {}
        self.retractions = {}
        self.repeats = 0
        self.fault = None

    def run(self):
        try:
            with self.daemon_process.client(self.credential, timeout=20) as client:
                while not self.is_over.is_set():
                    self._report(client, usual_report())
        except AssertionError as error:
            self.fault = error

    def _report(self, client, report):
        report_id = report["report_id"]
        receipt = self._deliver(client, "/v1/reports", report)
        if not receipt:
            return
        self.receipts[report_id] = receipt
        if len(self.receipts) % 3 == 0:
            body = {"revision": 1, "reason": report_id}
            retraction = self._deliver(client, f"/v1/reports/{report_id}/retraction", body)
            if retraction:
                self.retractions[report_id] = retraction

    def _deliver(self, client, path, request):
        """The receipt, unless the end comes first."""
        body = encode(request)
        while not self.is_over.is_set():
            try:
                answer = client.post(body, path)
            except (OSError, AssertionError):
                # Cut off, perhaps in mid-answer: unknown, so it is sent again.
                client.close()
                self.is_over.wait(0.02)
                continue
            if answer.status == 503:
                self.is_over.wait(0.02)
                continue
            assert answer.status in (200, 201), answer
            self.repeats += answer.status == 200
            return answer.json
        return None


@pytest.fixture
def load(world):
    """A daemon under load, and its partners."""
    with world.running({"database.store_wait_ms": 500}) as daemon:
        partners = [Partner(daemon, world.authority.issue("alpha")) for _ in range(CLIENTS)]
        for partner in partners:
            partner.start()
        try:
            yield daemon, partners
        finally:
            for partner in partners:
                partner.is_over.set()
            for partner in partners:
                partner.join()


def acknowledged(partners):
    for partner in partners:
        assert partner.fault is None, partner.fault
    return sum(len(partner.receipts) for partner in partners)


def wait_for_progress(partners):
    reached = acknowledged(partners) + ACKNOWLEDGED_A_CYCLE
    wait_until(lambda: acknowledged(partners) >= reached, "reports are acknowledged", 60)


def check_retractions(daemon, partners):
    """One row for each that was acknowledged, with the time and the reason of its receipt."""
    rows = daemon.rows(
        "SELECT r.report_id, t.reason, to_char(t.retracted_at AT TIME ZONE 'UTC',"
        " 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
        " FROM intake.retraction AS t JOIN intake.report AS r ON r.id = t.report"
    )
    stored = {report_id: (reason, retracted_at) for report_id, reason, retracted_at in rows}
    acknowledged_ones = {}
    for partner in partners:
        acknowledged_ones.update(partner.retractions)
    for report_id, receipt in acknowledged_ones.items():
        assert receipt["status"] == "retracted"
        assert stored.get(report_id) == (report_id, receipt["retracted_at"]), report_id
    # At most one of each client was on its way at the end.
    assert len(acknowledged_ones) <= len(stored) <= len(acknowledged_ones) + CLIENTS
    assert len(acknowledged_ones) >= CYCLES * ACKNOWLEDGED_A_CYCLE // 4


def check_ledger(daemon, partners):
    for partner in partners:
        partner.is_over.set()
    for partner in partners:
        partner.join()
    ledger = {}
    for partner in partners:
        assert partner.fault is None, partner.fault
        ledger.update(partner.receipts)
    rows = daemon.rows("SELECT report_id, id::text, encode(sha256, 'hex') FROM intake.report")
    stored = {report_id: (identity, digest) for report_id, identity, digest in rows}
    assert len(rows) == len(stored), "a report is doubled"
    for report_id, receipt in ledger.items():
        assert stored.get(report_id) == (receipt["id"], receipt["sha256"]), report_id
    indicators = daemon.rows("SELECT report, count(*) FROM intake.indicator GROUP BY report")
    assert {count for _, count in indicators} == {5}
    assert len(indicators) == len(stored)
    keys = daemon.value(
        "SELECT count(*) FROM intake.report_key AS k JOIN intake.report AS r USING (id)"
    )
    assert keys == len(stored)
    assert daemon.value("SELECT count(*) FROM intake.report WHERE sha256(payload) <> sha256") == 0
    check_retractions(daemon, partners)
    # At most one report a client was on its way at each kill.
    assert len(ledger) >= CYCLES * ACKNOWLEDGED_A_CYCLE


def test_killed_daemon_loses_and_doubles_nothing(load):
    daemon, partners = load
    for _ in range(CYCLES):
        wait_for_progress(partners)
        daemon.kill()
        daemon.start()
    wait_for_progress(partners)
    check_ledger(daemon, partners)


def test_crashed_database_loses_and_doubles_nothing(load):
    daemon, partners = load
    for _ in range(CYCLES):
        wait_for_progress(partners)
        daemon.postgres.crash()
        daemon.postgres.start()
    wait_for_progress(partners)
    check_ledger(daemon, partners)


def test_killed_backends_lose_and_double_nothing(load):
    daemon, partners = load
    for _ in range(CYCLES):
        wait_for_progress(partners)
        daemon.postgres.kill_backends(daemon.database)
    wait_for_progress(partners)
    check_ledger(daemon, partners)


def test_frozen_database_loses_and_doubles_nothing(load):
    """Frozen long enough that requests are answered 503, then thawed."""
    daemon, partners = load
    for _ in range(CYCLES // 4):
        wait_for_progress(partners)
        with daemon.postgres.frozen():
            wait_until(lambda: daemon.admin("/healthz")[0] == 200, "the daemon answers", 5)
            partners[0].is_over.wait(0.8)
    for _ in range(CYCLES - CYCLES // 4):
        wait_for_progress(partners)
    check_ledger(daemon, partners)


def test_stopped_database_loses_and_doubles_nothing(load):
    daemon, partners = load
    for _ in range(CYCLES // 4):
        wait_for_progress(partners)
        daemon.postgres.stop()
        daemon.postgres.start()
    for _ in range(CYCLES - CYCLES // 4):
        wait_for_progress(partners)
    check_ledger(daemon, partners)
