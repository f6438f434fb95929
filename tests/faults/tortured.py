# SPDX-License-Identifier: Apache-2.0
"""A daemon in which one call after the other is made to fail, and what must be true of it then."""

import gzip
import hashlib
import re
import signal
import subprocess
import time
from http.client import HTTPException

from batches import NDJSON, join_lines, read_result
from client import BadAnswer, encode
from fault_plan import FaultPlan
from harness import PATIENCE, sanitizer_environment
from reports import smallest_report

STEP_TIMEOUT_S = 1.5
# libconfuse uses what it was not given, asserts that it was, or has its scanner end the process: at
# once, in the main thread, while a configuration is read. Nothing else may.
LIBCONFUSE_ENDS = (2, -signal.SIGSEGV, -signal.SIGABRT)
# What a fixed allocation, or the kernel's random bytes at the start, may end the daemon with.
BY_DESIGN = re.compile(
    r'event=broken-invariant at=(.* condition=".*(?:!= NULL|>= 0|sizeof\(source->pool\))")'
)
# What a good report may be told.
TAKEN_OR_LATER = (200, 201, 503)


class Finding(AssertionError):
    """The daemon did what it must not."""


class Leak(Finding):
    """It ended with memory that nothing points to."""


class Stuck(Exception):
    """A step had no answer. One may be lost with its connection: what comes after counts."""


def demand(status, expected, answer):
    """A fault of ours is never a refusal for good."""
    assert status in expected, answer


class Tortured:
    """A daemon with a plan, started again when a fault has ended it, and the ledger of receipts."""

    def __init__(self, world, credential, settings):
        self.world = world
        self.credential = credential
        self.site = world.daemon(settings)
        # Last in the file, so that it shows when a configuration was not read to its end.
        for setting in [name for name in self.site.settings if name.startswith("listen.")]:
            self.site.settings[setting] = self.site.settings.pop(setting)
        self.site.configure({})
        self.site.add_partner("alpha")
        self.plan = FaultPlan(self.site.folder / "plan")
        self.site.environment.update(self.plan.environment())
        self._use_sanitizers()
        self.receipts = {}  # of the whole run
        self.new_receipts = {}  # of the present fault
        self.retractions = {}
        self.log_mark = 0
        self.stuck = []

    def _use_sanitizers(self, *, has_whole_stacks=True):
        """The library that wraps a sanitizer's allocator comes before it, and a crash stays one.

        OpenSSL forgets a name where it has no memory to enter it in its tables, of what it fetches
        too, and what its context has got when that cannot be made; to tell, whole stacks are needed.
        """
        options = sanitizer_environment(self.site.sanitizer_reports)["ASAN_OPTIONS"]
        options += ":verify_asan_link_order=0:handle_segv=0"
        options += f":fast_unwind_on_malloc={int(not has_whole_stacks)}"
        suppressions = self.site.folder / "suppressions"
        forgetful = ("OBJ_NAME_do_all", "EVP_*_fetch", "OSSL_LIB_CTX_get0_global_default")
        suppressions.write_text("".join(f"leak:{name}\n" for name in forgetful))
        self.site.environment |= {
            "ASAN_OPTIONS": options,
            "LSAN_OPTIONS": f"suppressions={suppressions}:print_suppressions=0",
        }

    # --- what a scenario is made of ---

    def attempt(self, step, *arguments):
        """Whatever fails is the fault's doing; what it has been told is true all the same."""
        try:
            step(*arguments)
        except TimeoutError as error:
            raise Stuck from error
        except (OSError, BadAnswer, ValueError, HTTPException):
            pass

    def client(self):
        return self.site.client(self.credential, timeout=STEP_TIMEOUT_S * PATIENCE)

    def note(self, report, receipt):
        """What was acknowledged must be there from now on."""
        self.new_receipts[report["report_id"]] = receipt
        digest = hashlib.sha256(encode(report)).hexdigest()
        assert receipt["sha256"] == digest, (report["report_id"], receipt)

    def post(self, client, report, expected=TAKEN_OR_LATER):
        answer = client.post(report)
        demand(answer.status, expected, answer)
        if answer.status in (200, 201):
            self.note(report, answer.json)
        return answer

    def post_batch(self, client, reports, bad=(), *, path="/v1/reports", is_zipped=False):
        lines = join_lines([*reports, *bad])
        headers = {"Content-Encoding": "gzip"} if is_zipped else {}
        body = gzip.compress(lines) if is_zipped else lines
        answer = client.post(body, path, headers=headers, content_type=NDJSON)
        demand(answer.status, TAKEN_OR_LATER, answer)
        if answer.headers["content-type"] == NDJSON:
            for result in map(read_result, answer.body.splitlines()):
                is_bad = result.line > len(reports)
                # Of an atomic batch 424: another line is for later.
                expected = (409, 422, 503) if is_bad else (*TAKEN_OR_LATER, 424)
                demand(result.status, expected, answer)
                if result.receipt:
                    self.note(reports[result.line - 1], result.receipt)

    def ask(self, command):
        return self.site.ask(command, timeout=STEP_TIMEOUT_S * PATIENCE)

    def page(self, path):
        return self.site.admin(path, timeout=STEP_TIMEOUT_S * PATIENCE)

    def new_log(self):
        """What was written since the present fault; thousands were made before it."""
        with self.site.log.open("rb") as log:
            log.seek(self.log_mark)
            return log.read().decode(errors="replace")

    def retract(self, client, report_id):
        body = {"revision": 1, "reason": report_id}
        answer = client.post(body, f"/v1/reports/{report_id}/retraction")
        if answer.status in (200, 201):
            self.retractions[report_id] = answer.json

    # --- life ---

    def is_running(self):
        return self.site.process is not None and self.site.process.poll() is None

    def ensure_running(self):
        if not self.is_running():
            self.site.start()

    def replace(self):
        """After a finding: the next fault meets a new daemon."""
        self.new_receipts = {}
        self.plan.disarm()
        for report in self.site.folder.glob("sanitizer.*"):
            report.unlink()
        if self.site.process:
            self.site.process.kill()
            self.site.wait_for_exit()

    def take_ending(self):
        """How a daemon has ended; a finding unless that was orderly.

        By design small fixed allocations die where there is no memory, and a start may fail.
        """
        status = self.site.wait_for_exit()
        lines = self.new_log().splitlines()
        if status == 0:
            return "stopped"
        for line in lines:
            if status == -signal.SIGABRT and (found := BY_DESIGN.search(line)):
                return found[1]
            if status > 0 and ("severity=fatal" in line or "event=configuration-fault" in line):
                return line
        if status in LIBCONFUSE_ENDS and self.plan.fired().is_of("libconfuse"):
            return f"libconfuse has no memory, status {status}"
        raise Finding(f"the daemon ended with {status}")

    # --- what must be true after a fault ---

    def check_good_request(self):
        """The next good report is taken, at the latest over a new link; or else how it has ended."""
        deadline = time.monotonic() + 15 * PATIENCE
        while True:
            try:
                with self.client() as client:
                    said = self.post(client, smallest_report())
                if said.status == 201:
                    return None
            except (OSError, BadAnswer) as error:
                said = error
                if not self.is_running():
                    return self.take_ending()
            if time.monotonic() > deadline:
                raise Finding(f"the next good report is not taken: {said}")
            time.sleep(0.03)

    def check_new_receipts(self):
        """Every one has its row, the very one."""
        rows = self.site.rows(
            "SELECT report_id, id::text, encode(sha256, 'hex') FROM intake.report"
            " WHERE report_id = ANY(%s)",
            [list(self.new_receipts)],
        )
        stored = {report_id: (identity, digest) for report_id, identity, digest in rows}
        for report_id, receipt in self.new_receipts.items():
            if stored.get(report_id) != (receipt["id"], receipt["sha256"]):
                raise Finding(f"a false receipt of {report_id}: {receipt}")
        self.receipts.update(self.new_receipts)
        self.new_receipts = {}

    def check_ledger(self):
        rows = self.site.rows("SELECT report_id, id::text, encode(sha256, 'hex') FROM intake.report")
        stored = {report_id: (identity, digest) for report_id, identity, digest in rows}
        assert len(rows) == len(stored), "a report is doubled"
        for report_id, receipt in self.receipts.items():
            assert stored.get(report_id) == (receipt["id"], receipt["sha256"]), report_id
        broken = "SELECT count(*) FROM intake.report WHERE sha256(payload) <> sha256"
        assert self.site.value(broken) == 0
        rows = self.site.rows(
            "SELECT r.report_id, t.reason FROM intake.retraction AS t"
            " JOIN intake.report AS r ON r.id = t.report"
        )
        retracted = dict(rows)
        for report_id in self.retractions:
            assert retracted.get(report_id) == report_id, report_id

    # --- one fault ---

    def torture(self, scenario, kind, nth):
        """Runs a scenario while the nth call of a kind fails; what has fired and how it ended.

        Whole stacks take four fifths of a start. Where each fault has a daemon of its own, they are
        for a second look at one that leaks.
        """
        if not scenario.has_daemon_each:
            return self._torture_once(scenario, kind, nth)
        self._use_sanitizers(has_whole_stacks=False)
        try:
            return self._torture_once(scenario, kind, nth)
        except Leak:
            self.replace()
            self._use_sanitizers()
            return self._torture_once(scenario, kind, nth)

    def _torture_once(self, scenario, kind, nth):
        scenario.prepare(self)
        self.log_mark = self.site.log.stat().st_size if self.site.log.exists() else 0
        self.plan.arm(kind, nth)
        try:
            try:
                scenario.run(self)
            except Stuck:
                self.stuck.append(nth)
            self.plan.disarm()
            ending = scenario.check(self)
            self.check_new_receipts()
            self.site.check_sanitizers()
        except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
            self.plan.disarm()
            # What the sanitizer itself needs to start a thread it does not do without.
            if self.plan.fired().is_of("libasan"):
                self.replace()
                return self.plan.fired(), "the sanitizer has no memory"
            where = self.plan.fired().where()
            text = f"{scenario.name} {kind} {nth}: {error!r}\n{where}\n{self.new_log()[-3000:]}"
            is_leak = "ERROR: LeakSanitizer" in str(error)
            raise (Leak if is_leak else Finding)(text) from error
        return self.plan.fired(), ending
