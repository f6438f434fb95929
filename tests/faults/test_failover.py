# SPDX-License-Identifier: Apache-2.0
"""Two PostgreSQL servers with synchronous replication; the first fails under load, the second is
promoted: nothing acknowledged is lost, and reports are stored again within 10 s.

That a wait for the standby which is cut short is not acknowledged is in e2e/test_store.py.
"""

import shutil
import tempfile
import time
from pathlib import Path

import pytest

from harness import ADMINISTRATOR, Postgres, World, run_program, wait_until
from ledger import SETTINGS, check_ledger, load_on
from reports import smallest_report

RECEIPTS = 300
BACK_S = 10


class Pair:
    """A primary whose commits wait for the standby."""

    def __init__(self, folder):
        self.world = World(folder)
        self.first = self.world.postgres
        self.second = Postgres(folder / "second", origin=self.first)
        self.second.start()

    def replicate(self, level):
        self.first.set("synchronous_commit", level)
        self.first.set("synchronous_standby_names", "*")
        waiting = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"
        wait_until(lambda: self.first.query(ADMINISTRATOR, waiting), "the standby is synchronous")

    def wait_for_replay(self):
        """What was written so far is on the standby."""
        ((position,),) = self.first.query(ADMINISTRATOR, "SELECT pg_current_wal_lsn()")
        replayed = "SELECT 1 WHERE pg_last_wal_replay_lsn() >= %s::pg_lsn"
        wait_until(
            lambda: self.second.query(ADMINISTRATOR, replayed, [position]), "the standby has all"
        )

    def close(self):
        for server in (self.first, self.second):
            if server.process:
                server.kill()


def connection_string(database, servers):
    folders = ",".join(str(server.socket_folder) for server in servers)
    return f"host={folders} dbname={database} user=daemon"


@pytest.fixture
def pair():
    """Clusters that no other test stands on: the first one ends here."""
    folder = Path(tempfile.mkdtemp(prefix="intaked-pair-"))
    folder.chmod(0o711)
    made = Pair(folder)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(folder)


@pytest.fixture
def daemon(pair):
    made = pair.world.daemon(SETTINGS)
    servers = connection_string(made.database, (pair.first, pair.second))
    made.configure({"database.connection": f"{servers} target_session_attrs=read-write"})
    made.add_partner("alpha")
    made.start()
    yield made
    made.stop()


def promote(pair, load, capsys, what):
    """The second server takes over; the daemon finds it by itself."""
    reached = load.total("receipts") + 1
    load.daemon.postgres = pair.second
    began = time.monotonic()
    pair.second.query(ADMINISTRATOR, "SELECT pg_promote()")
    wait_until(lambda: load.total("receipts") >= reached, "a report is stored again", BACK_S)
    with capsys.disabled():
        print(f"\n{what}: a receipt {time.monotonic() - began:.2f} s after the promotion")


def test_killed_primary_loses_nothing(pair, daemon, capsys):
    """The standby has every acknowledged commit in its log."""
    pair.replicate("on")
    with load_on(daemon, pair.world.authority) as load:
        load.wait_for_receipts(RECEIPTS)
        pair.first.kill()
        load.wait_for_refusal()
        promote(pair, load, capsys, "killed primary")
        load.wait_for_receipts(RECEIPTS)
        check_ledger(load, daemon)


def waits_for_standby(server, database):
    return server.query(
        ADMINISTRATOR,
        "SELECT 1 FROM pg_stat_activity WHERE datname = %s AND wait_event = 'SyncRep'",
        [database],
    )


def test_hanging_primary_loses_nothing(pair, daemon, capsys):
    """Its machine takes connections and answers nothing. Coming back it knows nothing of the
    promotion, and is the first that a new daemon asks; what is committed there is not
    acknowledged, for want of its standby."""
    pair.replicate("remote_apply")
    with load_on(daemon, pair.world.authority) as load:
        load.wait_for_receipts(RECEIPTS)
        with pair.first.frozen():
            load.wait_for_refusal()
            promote(pair, load, capsys, "hanging primary")
            load.wait_for_receipts(RECEIPTS)
        daemon.kill()
        daemon.start()
        wait_until(lambda: waits_for_standby(pair.first, daemon.database), "a commit waits")
        load.wait_for_receipts(RECEIPTS)
        check_ledger(load, daemon)


def test_standby_that_is_named_first_is_left_for_the_primary(pair, daemon):
    """Without target_session_attrs a standby is as good as any other for the driver."""
    servers = connection_string(daemon.database, (pair.second, pair.first))
    daemon.stop()
    daemon.configure({"database.connection": servers})
    pair.wait_for_replay()
    assert run_program("intaked", "-t", "-c", daemon.conf).returncode == 0
    daemon.start()
    with daemon.client(pair.world.authority.issue("alpha")) as client:
        wait_until(lambda: daemon.admin("/readyz")[0] == 200, "every link is at the primary")
        assert client.post(smallest_report()).status == 201
