# SPDX-License-Identifier: Apache-2.0
"""A cluster that outlives a run of tests/bench/analysis or retention, filled by bench_generate."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

from harness import ADMINISTRATOR, BUILD, Postgres, newest_postgres  # noqa: E402

DATABASE = "bench"
SETTINGS = """
shared_buffers = 2GB
max_wal_size = 4GB
session_preload_libraries = auto_explain
auto_explain.log_min_duration = -1
auto_explain.log_analyze = on
auto_explain.log_buffers = on
auto_explain.log_nested_statements = on
"""


class Cluster(Postgres):
    """In a folder that outlives the run."""

    def __init__(self, folder):
        self.is_new = not (folder / "data").exists()
        if self.is_new:
            super().__init__(folder)
            with (self.data / "postgresql.conf").open("a") as conf:
                conf.write(SETTINGS)
            return
        self.folder = folder
        self.data = folder / "data"
        self.socket_folder = folder / "s"
        self.log = folder / "log"
        self.programs = newest_postgres()
        self.process = None
        self.options = []
        self.enter = []

    def migrate(self):
        """In the order of the numbers; each file may be applied again."""
        for path in sorted((ROOT / "sql").glob("[0-9]*.sql")):
            self.run_program("psql", "-qX", "-v", "ON_ERROR_STOP=1", "-f", path, "-d", DATABASE)

    def run_program(self, name, *arguments):
        command = [self.programs / name, "-h", self.socket_folder, "-U", ADMINISTRATOR]
        subprocess.run([*map(str, command), *map(str, arguments)], check=True, cwd="/")


def open_cluster(folder):
    """Started, with a migrated database."""
    cluster = Cluster(folder)
    if cluster.is_new:
        shutil.chown(folder, ADMINISTRATOR, ADMINISTRATOR)
    cluster.start()
    if cluster.is_new:
        cluster.query(ADMINISTRATOR, f"CREATE DATABASE {DATABASE}")
    cluster.migrate()
    return cluster


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def keep_house(cluster, is_filling):
    """Until there is nothing left and nothing more comes; what it costs."""
    connection = cluster.connect(DATABASE)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
        total, cpu, started, told = 0, cpu_seconds(pid), time.monotonic(), 0
        while True:
            was_filling = is_filling()
            cursor.execute("SELECT intake.housekeep(1000)")
            taken = cursor.fetchone()[0]
            total += taken
            if taken == 0 and not was_filling:
                break
            if time.monotonic() - told > 20:
                told = time.monotonic()
                rate = total / (told - started)
                print(f"housekeeping: {total} changes taken, {rate:.0f}/s", file=sys.stderr)
        cpu = cpu_seconds(pid) - cpu
        seconds = time.monotonic() - started
    connection.close()
    if total:
        print(
            f"housekeeping: {total} changes in {seconds:.1f} s,"
            f" {cpu:.1f} s of CPU: {1000 * cpu / total:.3f} s for 1,000"
        )


def fill(cluster, reports):
    """An interrupted run goes on: the same options make the same reports."""
    stored = cluster.value(DATABASE, "SELECT count(*) FROM intake.report")
    plan = cluster.folder / "plan"
    if not plan.exists():
        plan.write_text(f"--reports {reports} --until {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}")
    if not plan.read_text().startswith(f"--reports {reports} "):
        sys.exit(f"{cluster.folder} was made with {plan.read_text()}: remove it, or ask for those")
    generator = None
    if stored < reports:
        generator = subprocess.Popen(
            [
                BUILD / "tests" / "bench_generate",
                "--database", cluster.connection_string(ADMINISTRATOR, DATABASE),
                "--taxonomy", ROOT / "config" / "taxonomy.json",
                # The batches under way may have left gaps.
                *plan.read_text().split(), "--skip", str(max(0, stored - 10000)),
            ]
        )  # fmt: skip
    keep_house(cluster, lambda: generator is not None and generator.poll() is None)
    if generator is not None and generator.returncode != 0:
        sys.exit("bench_generate has failed")
    # What was analysed meanwhile knew a part of it only. What autovacuum would do later is done now.
    cluster.query(DATABASE, "VACUUM ANALYZE")
    cluster.query(DATABASE, "CHECKPOINT")
