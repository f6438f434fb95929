# SPDX-License-Identifier: Apache-2.0
"""Systems that take reports, measured by bench_load: see tests/bench/ingest."""

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

from harness import ADMINISTRATOR, BUILD, World, children_of, free_port, wait_until  # noqa: E402

SETTINGS = """
shared_buffers = 2GB
max_wal_size = 8GB
checkpoint_timeout = 30min
"""
WITHOUT_ANALYSTS = """
DO $$
DECLARE
	index record;
BEGIN
	FOR index IN
		SELECT i.indexrelid::regclass AS name
		FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid
		WHERE c.oid IN ('intake.report'::regclass, 'intake.indicator'::regclass)
			AND NOT i.indisunique
	LOOP
		EXECUTE format('DROP INDEX %s', index.name);
	END LOOP;
END
$$;
CREATE FUNCTION intake.no_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER no_change BEFORE INSERT ON intake.change FOR EACH ROW
	EXECUTE FUNCTION intake.no_change();
"""
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_s(pid, *, with_ended_children=True):
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return sum(map(int, fields[11 : 15 if with_ended_children else 13])) / TICKS


def memory_kb(pid):
    """Resident, and of what others share its part."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)[1])


class System:
    """What is common: it has a database, and bench_load sends to it."""

    batch_path = "/v1/reports"
    template = None

    def __init__(self, world):
        self.world = world
        self.pid = None

    def housekeeping_pid(self):
        return None

    def cpu(self):
        """Seconds so far of the server, of PostgreSQL, and of what PostgreSQL does late."""
        late = self.housekeeping_pid()
        postmaster = self.world.postgres.process.pid
        backends = sum(cpu_s(pid) for pid in [postmaster, *children_of(postmaster)] if pid != late)
        return cpu_s(self.pid), backends, cpu_s(late) if late else 0

    def load(self, test, seconds, *more):
        """What bench_load tells, and what the others used meanwhile."""
        command = [
            BUILD / "tests" / "bench_load", "--to", f"localhost:{self.port}",
            "--ca", self.world.authority.certificate, "--cert", self.credential.certificate,
            "--key", self.credential.key, "--seconds", str(seconds),
            "--connections", str(test.connections), "--batch", str(test.batch),
            "--path", self.batch_path if test.batch > 1 else "/v1/reports", *more,
        ]  # fmt: skip
        if test.is_new:
            command.append("--new-connections")
        if self.template:
            command += ["--template", self.template]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as load:
            assert load.stdout.readline() == "begin\n", "bench_load has not begun"
            before = self.cpu()
            told = json.loads(load.stdout.readline())
            after = self.cpu()
        told["cpu_s"] = [b - a for a, b in zip(before, after)]
        told["memory_kb"] = memory_kb(self.pid)
        return told


class Intaked(System):
    name = "intaked"

    def __init__(self, world):
        super().__init__(world)
        self.credential = world.authority.issue("alpha")

    def start(self):
        self.daemon = self.world.daemon({"log.level": "warn"} | self.settings())
        self.daemon.control(
            "partner", "add", "alpha", "--org", "cert.example.org", "--live",
            *[word for key in ("connections", "reports_in_flight", "reports_per_s", "bytes_per_s")
              for word in ("--quota", f"{key}=none")],
        )  # fmt: skip
        self.prepare()
        self.daemon.start()
        self.port = self.daemon.port
        self.pid = self.daemon.process.pid

    def settings(self):
        return {}

    def prepare(self):
        pass

    def housekeeping_pid(self):
        rows = self.daemon.rows(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            " AND query LIKE '%%housekeep(%%' AND pid <> pg_backend_pid()"
        )
        return rows[0][0] if rows else None

    def stop(self):
        self.daemon.stop()
        self.world.postgres.query(ADMINISTRATOR, f"DROP DATABASE {self.daemon.database} WITH (FORCE)")


class Bare(Intaked):
    name = "bare"

    def settings(self):
        return {"database.housekeeping_interval_ms": 60000}

    def prepare(self):
        self.daemon.rows(WITHOUT_ANALYSTS)

    def housekeeping_pid(self):
        return None


class Beside(System):
    batch_path = "/v1/reports/batch"

    def __init__(self, world, folder):
        super().__init__(world)
        self.folder = folder.resolve()
        self.name = self.folder.name
        self.template = self.folder / "template.json"
        self.credential = world.authority.issue("alpha", common_name="partner-7")
        self.certificates = world.folder / self.name
        self.certificates.mkdir()
        for source, name in (
            (world.authority.certificate, "ca.crt"),
            (world.server_credential.certificate, "server.crt"),
            (world.server_credential.key, "server.key"),
        ):
            shutil.copy(source, self.certificates / name)

    def start(self):
        postgres = self.world.postgres
        postgres.query(ADMINISTRATOR, f"CREATE DATABASE {self.name}")
        postgres.query(self.name, (self.folder / "schema.sql").read_text())
        self.port = free_port()
        environment = dict(
            os.environ, PORT=str(self.port), PGHOST=str(postgres.socket_folder), PGUSER=ADMINISTRATOR,
            PGDATABASE=self.name, CERTIFICATES=str(self.certificates),
        )  # fmt: skip
        self.process = subprocess.Popen([self.folder / "start"], env=environment)
        self.pid = self.process.pid
        wait_until(self._listens, f"{self.name} listens")

    def _listens(self):
        return f":{self.port:04X} " in Path("/proc/net/tcp").read_text()

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.world.postgres.query(ADMINISTRATOR, f"DROP DATABASE {self.name} WITH (FORCE)")


class Test:
    def __init__(self, name):
        found = re.fullmatch(r"(c|new)(\d+)|b(\d+)x(\d+)", name)
        if not found:
            sys.exit(f"{name}: expected cN, newN or bNxM")
        self.name = name
        self.is_new = found[1] == "new"
        self.connections = int(found[2] or found[3])
        self.batch = int(found[4] or 1)


def measure(systems, tests, rounds, seconds):
    """{(test, system): [what was told, ...]}; each system begins each test with empty tables."""
    told = {}
    for number in range(rounds):
        for test in tests:
            for system in systems:
                system.start()
                system.world.postgres.query(ADMINISTRATOR, "CHECKPOINT")
                one = system.load(test, seconds)
                system.stop()
                told.setdefault((test.name, system.name), []).append(one)
                rate = one["stored"] / one["seconds"]
                print(f"  {number + 1} {test.name} {system.name}: {rate:.0f}/s", file=sys.stderr)
                if one["not_stored"] or one["lost"] or not one["stored"]:
                    sys.exit(f"{test.name} {system.name} is no measurement: {one}")
    return told


def summary(runs):
    """Medians: rate, p50 and p99 in ms, CPU for 1,000 reports of server, PostgreSQL, late and sender,
    and the server's memory at the end in MB."""
    def median(value):
        return statistics.median(value(run) for run in runs)

    return {
        "rate": median(lambda run: run["stored"] / run["seconds"]),
        "p50": median(lambda run: run["p50_us"] / 1000),
        "p99": median(lambda run: run["p99_us"] / 1000),
        "memory": median(lambda run: run["memory_kb"] / 1000),
        "cpu": [
            median(lambda run: 1000 * run["cpu_s"][part] / max(1, run["stored"])) for part in range(3)
        ] + [median(lambda run: 1000 * run["generator_cpu_s"] / max(1, run["stored"]))],
    }  # fmt: skip


def print_results(told, tests, systems):
    print(
        f"\n{'test':8} {'system':10} {'reports/s':>10} {'p50 ms':>8} {'p99 ms':>8}"
        f" {'server':>8} {'database':>8} {'late':>8} {'sender':>8} (CPU s for 1,000) {'MB':>6}"
    )
    for test in tests:
        base = None
        for system in systems:
            row = summary(told[test.name, system.name])
            base = base or row
            ratios = ""
            if row is not base:
                share = sum(base["cpu"][:2]) / sum(row["cpu"][:2])
                ratios = f"  {systems[0].name} {base['rate'] / row['rate']:.2f} x, CPU {share:.2f}"
            print(
                f"{test.name:8} {system.name:10} {row['rate']:10.0f} {row['p50']:8.2f} {row['p99']:8.2f} "
                + " ".join(f"{value:8.4f}" for value in row["cpu"])
                + f" {'':17} {row['memory']:6.1f}{ratios}"
            )


def print_machine(world):
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "?")
    print(f"{os.cpu_count()} processors, {model}; server, PostgreSQL and sender share them")
    print(world.postgres.value(ADMINISTRATOR, "SELECT version()"))
    print(", ".join(line for line in SETTINGS.split("\n") if line))


@contextmanager
def bench_world(parent, slow_sync_ms=0):
    """A cluster with the settings above, in a folder that goes afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="intaked-bench-", dir=parent))
    folder.chmod(0o711)
    world = World(folder)
    try:
        world.postgres.stop()
        with (world.postgres.data / "postgresql.conf").open("a") as conf:
            conf.write(SETTINGS)
        if slow_sync_ms:
            os.environ["SLOW_SYNC_US"] = str(int(slow_sync_ms * 1000))
            os.environ["LD_PRELOAD"] = str(BUILD / "tests" / "libbench_slow_sync.so")
        world.postgres.start()
        os.environ.pop("LD_PRELOAD", None)
        print_machine(world)
        if slow_sync_ms:
            print(f"each sync {slow_sync_ms} ms slower")
        yield world
    finally:
        world.close()
        shutil.rmtree(folder)
