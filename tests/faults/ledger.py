# SPDX-License-Identifier: Apache-2.0
"""Partners who send without pause and keep a ledger of what was acknowledged, and the look at
whether the database has exactly that."""

import hashlib
import threading
from contextlib import contextmanager

from batches import post_batch, results_of
from client import BadAnswer, encode
from harness import wait_until
from reports import usual_report

LONE_PARTNERS = 5
BATCH_PARTNERS = 1
BATCH_REPORTS = 20
RETRY_S = 0.02
# So that a database that is away is a 503 soon, and what hangs is given up soon.
SETTINGS = {
    "database.store_wait_ms": 500,
    "database.batch_timeout_ms": 1000,
    "quota.reports_per_s": 0,
    "quota.bytes_per_s": 0,
}


class Partner(threading.Thread):
    """Sends each request again and again until it is acknowledged. What came without an answer is
    unknown, which is no fault; an answer that is neither a receipt nor a 503 is one."""

    def __init__(self, daemon, credential):
        super().__init__()
        self.daemon_process = daemon
        self.credential = credential
        self.is_over = threading.Event()
        self.sent = {}  # report id: digest
        self.receipts = {}
        self.retractions = {}
        self.repeats = 0
        self.unavailable = 0
        self.fault = None

    def run(self):
        try:
            with self.daemon_process.client(self.credential, timeout=20) as client:
                while not self.is_over.is_set():
                    self.send_next(client)
        except Exception as error:  # pylint: disable=broad-except
            self.fault = error

    def new_report(self):
        report = usual_report()
        self.sent[report["report_id"]] = hashlib.sha256(encode(report)).hexdigest()
        return report

    def ask(self, client, request):
        """The answer, or None when it was cut off, perhaps in its middle."""
        try:
            return request(client)
        except (OSError, BadAnswer):
            client.close()
            self.is_over.wait(RETRY_S)
            return None

    def accept(self, answer):
        """The receipt, unless the database was away."""
        if answer.status == 503:
            self.unavailable += 1
            return None
        assert answer.status in (200, 201), answer
        self.repeats += answer.status == 200
        return answer


class LonePartner(Partner):
    """One report after the other; every third is retracted."""

    def send_next(self, client):
        report = self.new_report()
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
            answer = self.ask(client, lambda open_client: open_client.post(body, path))
            if answer and self.accept(answer):
                return answer.json
            self.is_over.wait(RETRY_S if answer else 0)
        return None


class BatchPartner(Partner):
    """Batches, each until all of its reports are acknowledged. One that was cut off counts for
    nothing, so all of it is sent again."""

    def send_next(self, client):
        left = {}
        for report in (self.new_report() for _ in range(BATCH_REPORTS)):
            left[report["report_id"]] = report
        while left and not self.is_over.is_set():
            reports = list(left.values())
            answer = self.ask(client, lambda open_client, body=reports: post_batch(open_client, body))
            if not answer or (answer.status == 503 and not self.accept(answer)):
                continue
            results = results_of(answer)
            assert len(results) == len(reports), results
            for report, result in zip(reports, results):
                if self.accept(result):
                    self.receipts[report["report_id"]] = result.receipt
                    del left[report["report_id"]]


class Load:
    """All partners of a daemon."""

    def __init__(self, daemon, authority):
        kinds = [LonePartner] * LONE_PARTNERS + [BatchPartner] * BATCH_PARTNERS
        self.daemon = daemon
        self.partners = [kind(daemon, authority.issue("alpha")) for kind in kinds]

    def start(self):
        for partner in self.partners:
            partner.start()

    def finish(self):
        for partner in self.partners:
            partner.is_over.set()
        for partner in self.partners:
            partner.join()
        self.check_partners()

    def check_partners(self):
        for partner in self.partners:
            if partner.fault:
                raise AssertionError("a partner's answer was wrong") from partner.fault

    def total(self, name):
        """Of what all partners count."""
        self.check_partners()
        values = [getattr(partner, name) for partner in self.partners]
        return sum(value if isinstance(value, int) else len(value) for value in values)

    def wait_for_receipts(self, count):
        reached = self.total("receipts") + count
        wait_until(lambda: self.total("receipts") >= reached, "reports are acknowledged", 60)

    def wait_for_refusal(self):
        """Until partners are told that the database is away."""
        reached = self.total("unavailable") + 1
        wait_until(lambda: self.total("unavailable") >= reached, "a 503 is answered", 30)

    def merged(self, name):
        """A ledger over all partners."""
        entries = {}
        for partner in self.partners:
            entries.update(getattr(partner, name))
        return entries


@contextmanager
def load_on(daemon, authority):
    """The daemon under load, which is over when the block is left."""
    load = Load(daemon, authority)
    load.start()
    try:
        yield load
    finally:
        for partner in load.partners:
            partner.is_over.set()
        for partner in load.partners:
            partner.join()


def check_reports(load, rows):
    sent, receipts = load.merged("sent"), load.merged("receipts")
    stored = {report_id: (identity, digest) for report_id, identity, digest in rows}
    assert len(rows) == len(stored), "a report is doubled"
    for report_id, receipt in receipts.items():
        assert receipt["sha256"] == sent[report_id], report_id
        assert stored.get(report_id) == (receipt["id"], receipt["sha256"]), report_id
    for report_id, (_, digest) in stored.items():
        assert digest == sent[report_id], report_id
    # What was on its way at the end may be there or not.
    on_their_way = LONE_PARTNERS + BATCH_PARTNERS * BATCH_REPORTS
    assert len(stored) <= len(receipts) + on_their_way


def check_parts(daemon, count):
    """All that belongs to a report is there, and once."""
    indicators = daemon.rows("SELECT report, count(*) FROM intake.indicator GROUP BY report")
    assert {number for _, number in indicators} == {5}
    assert len(indicators) == count
    keys = "SELECT count(*) FROM intake.report_key AS k JOIN intake.report AS r USING (id)"
    assert daemon.value(keys) == count
    assert daemon.value("SELECT count(*) FROM intake.report WHERE sha256(payload) <> sha256") == 0


def check_retractions(load, daemon):
    """One row for each that was acknowledged, with the time and the reason of its receipt."""
    rows = daemon.rows(
        "SELECT r.report_id, t.reason, to_char(t.retracted_at AT TIME ZONE 'UTC',"
        " 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
        " FROM intake.retraction AS t JOIN intake.report AS r ON r.id = t.report"
    )
    stored = {report_id: (reason, retracted_at) for report_id, reason, retracted_at in rows}
    assert len(rows) == len(stored), "a retraction is doubled"
    acknowledged = load.merged("retractions")
    for report_id, receipt in acknowledged.items():
        assert receipt["status"] == "retracted"
        assert stored.get(report_id) == (report_id, receipt["retracted_at"]), report_id
    assert len(stored) <= len(acknowledged) + LONE_PARTNERS


def check_ledger(load, daemon):
    """Ends the load. Every receipt has its row with its digest, no row is there twice, and none
    that nobody sent. Says how many receipts there are."""
    load.finish()
    rows = daemon.rows("SELECT report_id, id::text, encode(sha256, 'hex') FROM intake.report")
    check_reports(load, rows)
    check_parts(daemon, len(rows))
    check_retractions(load, daemon)
    return load.total("receipts")
