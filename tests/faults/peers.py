# SPDX-License-Identifier: Apache-2.0
"""What tests with hostile peers stand on: a daemon with short deadlines, a good partner whose
latency is measured alone and meanwhile, crowds and floods as programs of their own, and the look
at whether memory came back. INTAKED_LONG=1: the default deadlines."""

import json
import os
import resource
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from harness import IS_SANITIZED, PATIENCE, die_with_parent, wait_until
from reports import smallest_report

IS_LONG = os.environ.get("INTAKED_LONG") == "1"
PAUSE_S = 1.0 if IS_LONG else 0.05
ALONE_S = 10 if IS_LONG else 1
DESCRIPTORS_MIN = 12000 if IS_LONG else 1024
# What the allocator keeps by chance is as much with few peers as with many.
GROWTH_MAX = 1.05 if IS_LONG else 1.1
DEADLINES_MS = {
    "handshake_timeout_ms": 10000,
    "head_timeout_ms": 10000,
    "request_timeout_ms": 30000,
    "idle_timeout_ms": 60000,
    "write_timeout_ms": 10000,
    "min_rate_grace_ms": 5000,
}
SHORT_DEADLINES_MS = {
    "handshake_timeout_ms": 900,
    "head_timeout_ms": 1000,
    "request_timeout_ms": 1500,
    "idle_timeout_ms": 1200,
    "write_timeout_ms": 1000,
    "min_rate_grace_ms": 2000,
}
LIMITS_MS = DEADLINES_MS if IS_LONG else SHORT_DEADLINES_MS
SETTINGS = {
    "listen.max_unidentified_per_address": 6000,
    "quota.connections": 6000,
    "quota.reports_per_s": 0,
    **{f"limits.{name}": value for name, value in LIMITS_MS.items()},
}


class GoodPartner(threading.Thread):
    """One report after the other, on one connection or each on a new one; how long each took, in
    seconds."""

    def __init__(self, daemon, credential, *, is_renewing=False):
        super().__init__()
        self.daemon_process = daemon
        self.credential = credential
        self.is_renewing = is_renewing
        self.is_over = threading.Event()
        self.latencies = []
        self.fault = None

    def run(self):
        try:
            with self.daemon_process.client(self.credential) as client:
                while not self.is_over.wait(0.005):
                    began = time.monotonic()
                    assert client.post(smallest_report()).status == 201
                    self.latencies.append(time.monotonic() - began)
                    if self.is_renewing:
                        client.close()
        except Exception as error:  # pylint: disable=broad-except
            self.fault = error

    def take(self):
        """What has come since this was asked last."""
        if self.fault:
            raise AssertionError("the good partner was not served") from self.fault
        taken, self.latencies = self.latencies, []
        return sorted(taken)


def p99(latencies):
    if not latencies:
        return "of none"
    return f"{latencies[len(latencies) * 99 // 100] * 1000:.1f} ms of {len(latencies)}"


def start_program(name, *arguments):
    """One of the programs beside this file; it ends with its standard input."""
    return subprocess.Popen(
        [sys.executable, Path(__file__).with_name(name), *map(str, arguments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent,
    )  # fmt: skip


class Crowd:
    """crowd.py at work: `stages` are the peers of each."""

    def __init__(self, daemon, credential, stages):
        order = {
            "port": daemon.port,
            "authority": str(daemon.authority.certificate),
            "certificate": str(credential.certificate),
            "key": str(credential.key),
            "pause_s": PAUSE_S,
            "stages": stages,
        }
        self.process = start_program("crowd.py", json.dumps(order))
        self.has_begun = threading.Event()
        self.cut = []
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            said = json.loads(line)
            if "all" in said:
                self.has_begun.set()
            else:
                self.cut.append(said)

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)
        self.reader.join()
        self.process.stdout.close()


@contextmanager
def crowd_of(daemon, credential, stages):
    crowd = Crowd(daemon, credential, stages)
    try:
        yield crowd
    finally:
        crowd.close()


def resident_kib(daemon):
    lines = Path(f"/proc/{daemon.process.pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def connections(daemon, *states):
    """Open ones in these states, in any by default."""
    return sum(
        count
        for name, count in daemon.metrics().items()
        if name.startswith("intaked_connections{")
        and (not states or any(f'"{state}"' in name for state in states))
    )


def settled_kib(daemon):
    """What is resident once it stays the same for a while."""
    readings = [0]

    def is_settled():
        readings.append(resident_kib(daemon))
        return len(readings) > 100 and max(readings[-100:]) <= min(readings[-100:]) * 1.005

    wait_until(is_settled, "memory is settled", 30)
    return readings[-1]


class Served:
    """A daemon that has seen a crowd of this size already, and its good partners, who have been
    alone with it for a while. Of the first crowd the allocator keeps a little for each thread; what
    a second one leaves would grow from crowd to crowd."""

    def __init__(self, world, daemon, crowd_size):
        self.daemon = daemon
        self.bad_credential = world.authority.issue("alpha")
        self.good = []
        self.fresh_kib = self.before_kib = resident_kib(daemon)
        self.alone = []
        self._see_a_crowd(crowd_size)
        self._add_good_partners(world.authority.issue("beta"))

    def _see_a_crowd(self, size):
        with self.crowd({"idle": size}) as crowd:
            assert crowd.has_begun.wait(120 * PATIENCE), "not all have begun"

    def _add_good_partners(self, credential):
        self.good = [GoodPartner(self.daemon, credential, is_renewing=new) for new in (False, True)]
        for partner in self.good:
            partner.start()
        self.good[0].is_over.wait(ALONE_S)
        self.alone = self.take()

    def settle(self):
        """What a test begins with."""
        self.before_kib = settled_kib(self.daemon)
        self.take()

    def take(self):
        return [p99(partner.take()) for partner in self.good]

    def close(self):
        for partner in self.good:
            partner.is_over.set()
        for partner in self.good:
            partner.join()

    def crowd(self, stages):
        return crowd_of(self.daemon, self.bad_credential, stages)

    def check_memory(self):
        """What is resident now, which is what was before."""
        if not IS_SANITIZED:
            wait_until(
                lambda: resident_kib(self.daemon) <= self.before_kib * GROWTH_MAX,
                f"memory is back at {self.before_kib} KiB",
            )
        return resident_kib(self.daemon)

    def told(self, meanwhile, most_kib):
        """For who reads the figures."""
        after_kib = self.check_memory()
        return (
            f"p99 of a good partner {meanwhile[0]} meanwhile, {self.alone[0]} alone, with a new"
            f" connection each {meanwhile[1]} and {self.alone[1]};"
            f" {self.before_kib} KiB before ({self.fresh_kib} when it had started), {most_kib} at"
            f" most, {after_kib} after"
        )


@contextmanager
def serving(world, crowd_size):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard >= DESCRIPTORS_MIN, f"{hard} descriptors are allowed, {DESCRIPTORS_MIN} expected"
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with world.running(SETTINGS, partners=("alpha", "beta")) as daemon:
            served = Served(world, daemon, crowd_size)
            try:
                yield served
            finally:
                served.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
