# SPDX-License-Identifier: Apache-2.0
"""Every call that may fail is made to fail once, one after the other, in a daemon that runs.

It goes on, or ends in an orderly way where that is the design; it never crashes, hangs or leaks
(under the address sanitizer), and never acknowledges what has no row.

A sample of the calls by default; INTAKED_LONG=1 fails all of them, INTAKED_TORTURE_SEED=N repeats a
sample, INTAKED_TORTURE_SAMPLE=N takes N of each kind, INTAKED_TORTURE="SCENARIO KIND NTH" (or
FIRST-LAST) what it names.
"""

import json
import os
import random
import shutil
import signal
import time

import pytest

from fault_plan import COUNT_ONLY, KINDS
from harness import ADMINISTRATOR, PATIENCE, ROOT, wait_until
from reports import smallest_report, usual_report
from tortured import Finding, Tortured

IS_LONG = os.environ.get("INTAKED_LONG") == "1"
SEED = int(os.environ.get("INTAKED_TORTURE_SEED", "0")) or random.randrange(1, 1 << 30)
ONLY = os.environ.get("INTAKED_TORTURE", "").split()
FINDINGS_AT_MOST = 20
TAXONOMY = ROOT / "config" / "taxonomy.json"


class Scenario:
    sample = 3  # faults of a kind, where not all are made
    has_daemon_each = False  # each fault is the only one of a daemon's life

    def __init__(self, tortured):
        self.site = tortured.site

    def prepare(self, tortured):
        tortured.ensure_running()

    def check(self, tortured):
        return tortured.check_good_request()


class Reports(Scenario):
    """Everything a partner does: reports good and bad, a repeat, batches, a look-up, a retraction."""

    name = "reports"
    sample = 9

    def __init__(self, tortured):
        super().__init__(tortured)
        self.kept = smallest_report()
        tortured.ensure_running()
        with tortured.client() as client:
            assert tortured.post(client, self.kept).status == 201

    def run(self, tortured):
        report = usual_report()
        conflict = {**self.kept, "title": "another"}
        steps = (
            lambda client: tortured.post(client, report),
            lambda client: tortured.post(client, smallest_report(category="nonsense"), (422, 503)),
            lambda client: tortured.post(client, report),
            lambda client: client.get(f"/v1/reports/{report['report_id']}"),
            lambda client: tortured.post_batch(
                client,
                [usual_report(), smallest_report(), self.kept],
                [conflict, {"report_id": 1}],
            ),
            lambda client: tortured.post_batch(
                client, [smallest_report(), usual_report()], [{"report_id": 1}], is_zipped=True
            ),
            lambda client: tortured.post_batch(
                client, [smallest_report(), self.kept], path="/v1/reports?atomic=true"
            ),
            lambda client: tortured.retract(client, report["report_id"]),
        )
        with tortured.client() as client:
            for step in steps:
                tortured.attempt(step, client)


class Reload(Scenario):
    """Another certificate and another taxonomy are taken, or refused and taken the next time."""

    name = "reload"

    def __init__(self, tortured):
        super().__init__(tortured)
        self.credentials = [self.site.authority.issue_server() for _ in range(2)]
        self.count = 0
        self.site.configure(
            {
                "tls.certificate": self.site.folder / "server.crt",
                "tls.key": self.site.folder / "server.key",
                "taxonomy.file": self.site.folder / "taxonomy.json",
            }
        )
        self._change_files()

    def _change_files(self):
        self.count += 1
        credential = self.credentials[self.count % 2]
        shutil.copy(credential.certificate, self.site.settings["tls.certificate"])
        shutil.copy(credential.key, self.site.settings["tls.key"])
        taxonomy = json.loads(TAXONOMY.read_text())
        self.site.settings["taxonomy.file"].write_text(json.dumps(taxonomy, indent=self.count % 2))

    def _reload(self, tortured):
        answer = tortured.ask("reload")
        # Nothing was changed that is fixed: a setting would have been lost on the way.
        assert not answer["needs_restart"], answer

    def run(self, tortured):
        self._change_files()
        tortured.attempt(self._reload, tortured)
        with tortured.client() as client:
            tortured.attempt(tortured.post, client, smallest_report())

    def check(self, tortured):
        ending = tortured.check_good_request()
        if not ending:
            answer = self.site.ask("reload")
            assert answer["reloaded"], answer
        return ending


class Outage(Scenario):
    """The database goes away, and a report is answered 503; it comes back, and one is taken."""

    name = "outage"
    sample = 1

    def _allow(self, is_allowed):
        self.site.postgres.query(
            ADMINISTRATOR, f"ALTER DATABASE {self.site.database} ALLOW_CONNECTIONS {is_allowed}"
        )

    def run(self, tortured):
        with tortured.client() as client:
            self._allow(False)
            try:
                self.site.postgres.kill_backends(self.site.database)
                tortured.attempt(tortured.post, client, smallest_report())
            finally:
                self._allow(True)
            for _ in range(3):
                tortured.attempt(tortured.post, client, smallest_report())


class Operator(Scenario):
    """The pages of the admin listener and the commands of the control socket."""

    name = "operator"
    sample = 2
    pages = ("/", "/healthz", "/readyz", "/metrics", "/status.json", "/history.json")

    def run(self, tortured):
        for page in self.pages:
            tortured.attempt(tortured.page, page)
        tortured.attempt(tortured.ask, "status")

    def check(self, tortured):
        ending = tortured.check_good_request()
        if not ending:
            for page in self.pages:
                status, _ = self.site.admin(page)
                assert status == 200, (page, status)
            assert self.site.ask("status")
        return ending


class Start(Scenario):
    """It serves, or ends with what was wrong."""

    name = "start"
    has_daemon_each = True

    def prepare(self, tortured):
        if tortured.is_running():
            self.site.stop()

    def run(self, tortured):
        site = self.site
        site.start(is_ready_expected=False)
        wait_until(
            lambda: "event=ready" in tortured.new_log() or not tortured.is_running(),
            "the daemon is ready or has ended",
        )

    def check(self, tortured):
        ending = tortured.check_good_request()
        return ending or self.prepare(tortured)


class Stop(Scenario):
    """It ends in time."""

    name = "stop"
    has_daemon_each = True
    sample = 2

    def run(self, tortured):
        self.site.process.send_signal(signal.SIGTERM)
        self.site.process.wait(timeout=12 * PATIENCE)

    def check(self, tortured):
        return tortured.take_ending()


def places(calls, sample):
    """The numbers of the calls to fail: those asked for, all, or some spread evenly."""
    if len(ONLY) == 3:
        first, _, last = ONLY[2].partition("-")
        return range(int(first), int(last or first) + 1)
    sample = int(os.environ.get("INTAKED_TORTURE_SAMPLE", sample))
    if IS_LONG or calls <= sample:
        return range(1, calls + 1)
    offset = random.Random(SEED).random()
    return [1 + int((i + offset) * calls / sample) for i in range(sample)]


def sweep(tortured, scenario, kind, findings):
    """One kind of fault all through a scenario."""
    began = time.monotonic()
    tortured.torture(scenario, kind, COUNT_ONLY)
    calls = tortured.plan.fired().calls
    endings = {}
    tortured.stuck = []
    count = fired = 0
    # Those that last cost a time-out each.
    sample = 1 if KINDS[kind][1] else scenario.sample
    for nth in places(calls, sample):
        count += 1
        try:
            found, ending = tortured.torture(scenario, kind, nth)
            fired += found.count > 0
            if len(ONLY) == 3:
                print(f"{nth}: {ending or 'goes on'}")
                if ONLY[2].isdecimal():
                    print(found.where())
            if ending:
                endings.setdefault(ending, []).append(nth)
        except Finding as finding:
            findings.append(finding)
            print(finding, flush=True)  # a run of hours may be ended before its end
            tortured.replace()
            assert len(findings) < FINDINGS_AT_MOST, "\n".join(map(str, findings))
    took_s = time.monotonic() - began
    print(
        f"{scenario.name} {kind}: {calls} calls, {count} made to fail, {fired} did,"
        f" {len(tortured.stuck)} left a step without an answer, {took_s:.1f} s"
    )
    if tortured.stuck:
        print(f"    without an answer: {tortured.stuck}")
    for ending, numbers in endings.items():
        print(f"    ended {len(numbers)} times, first at {numbers[0]}: {ending}")


# Python forgets to close a socket that was reset just before its handshake.
@pytest.mark.filterwarnings("ignore:.*SSLSocket:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("make", [Reports, Reload, Outage, Operator, Start, Stop])
def test_every_failing_call_is_survived(world, make):
    if ONLY and ONLY[0] != make.name:
        pytest.skip("INTAKED_TORTURE names another scenario")
    print(f"INTAKED_TORTURE_SEED={SEED}")
    findings = []
    settings = {
        "listen.workers": 1,
        "database.store_wait_ms": 300,
        # A lost end of a statement is waited for as long.
        "database.batch_timeout_ms": 1500,
        "database.connect_timeout_ms": 1500,
        "limits.drain_timeout_ms": 2000,
    }
    tortured = Tortured(world, world.authority.issue("alpha"), settings)
    scenario = make(tortured)
    try:
        for kind in ONLY[1:2] or KINDS:
            sweep(tortured, scenario, kind, findings)
        if tortured.is_running():
            tortured.site.stop()
    finally:
        tortured.replace()
    tortured.check_ledger()
    assert not findings, "\n".join(map(str, findings))
