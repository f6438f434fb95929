# SPDX-License-Identifier: Apache-2.0
"""Daemon, database and the network between them fail again and again under load; a ledger of
acknowledged ids is held against the rows.

Nothing acknowledged is lost, nothing is doubled, and whoever got no answer learns the truth by
sending again. INTAKED_LONG=1 goes through 1,000 cycles and 100,000 receipts.
"""

import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Callable

import pytest

from harness import ADMINISTRATOR, wait_until
from ledger import SETTINGS, check_ledger, load_on
from network import Network

IS_LONG = os.environ.get("INTAKED_LONG") == "1"
RECEIPTS_A_CYCLE = 110 if IS_LONG else 60


@pytest.fixture(scope="module")
def network():
    """Leads to nowhere until a server is put behind it."""
    if os.geteuid() != 0:
        pytest.skip("only root makes a network namespace")
    made = Network()
    made.up()
    try:
        yield made
    finally:
        made.down()


@pytest.fixture
def settings_behind(world, network):
    """The cluster is in the network's namespace; the settings of a daemon that goes there."""
    postgres = world.postgres
    postgres.stop()
    trusted = f"host all all {network.here}/32 trust\n"
    with (postgres.data / "pg_hba.conf").open("a") as rules:
        rules.write(trusted)
    postgres.enter, postgres.options = network.enter, ["-c", f"listen_addresses={network.there}"]
    postgres.start()

    def settings(database):
        return {"database.connection": f"host={network.there} dbname={database} user=daemon"}

    try:
        yield settings
    finally:
        if postgres.process:
            postgres.stop()
        postgres.enter, postgres.options = [], []
        postgres.start()


# --- what fails, and is back ---
#
# Every second time it lasts until partners are refused, else as short as can be: then what was cut
# off goes on.


def kill_daemon(load, _number):
    load.daemon.kill()
    load.daemon.start()


def crash_database(load, _number):
    load.daemon.postgres.crash()
    load.daemon.postgres.start()


def stop_database(load, _number):
    load.daemon.postgres.stop()
    load.daemon.postgres.start()


def kill_backends(load, _number):
    load.daemon.postgres.kill_backends(load.daemon.database)


def freeze_database(load, number):
    with load.daemon.postgres.frozen():
        assert load.daemon.admin("/healthz")[0] == 200
        if number % 2 == 0:
            load.wait_for_refusal()


def cut_network(how):
    def cut(load, number):
        with load.network.cut(how):
            if number % 2 == 0:
                load.wait_for_refusal()

    return cut


@dataclass
class Kind:
    name: str
    fail: Callable
    cycles: int
    long_cycles: int
    is_behind_network: bool = False


KINDS = [
    Kind("killed-daemon", kill_daemon, 5, 250),
    Kind("crashed-database", crash_database, 3, 200),
    Kind("stopped-database", stop_database, 2, 50),
    Kind("killed-backends", kill_backends, 8, 250),
    Kind("frozen-database", freeze_database, 4, 100),
    Kind("network-drops", cut_network("drop"), 3, 75, True),
    Kind("network-resets", cut_network("reset"), 3, 75, True),
]
assert sum(kind.long_cycles for kind in KINDS) == 1000


@contextmanager
def running(world, settings):
    daemon = world.daemon({**SETTINGS})
    daemon.configure(settings(daemon.database) if settings else {})
    daemon.add_partner("alpha")
    daemon.start()
    try:
        yield daemon
    finally:
        daemon.stop()


def check_sessions(daemon):
    """Those that the daemon has given up are over, with what they had locked, though nobody could
    tell the server. Left are one a worker, that of the registry and that of housekeeping."""
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'daemon'"
    links = daemon.settings["listen.workers"] + 2

    def are_over():
        return daemon.postgres.value(ADMINISTRATOR, sessions) <= links

    wait_until(are_over, "the sessions that were cut off are over")


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_nothing_is_lost_and_nothing_doubled(world, kind, request, capsys):
    settings = request.getfixturevalue("settings_behind") if kind.is_behind_network else None
    cycles = kind.long_cycles if IS_LONG else kind.cycles
    began = time.monotonic()
    with running(world, settings) as daemon, load_on(daemon, world.authority) as load:
        if kind.is_behind_network:
            load.network = request.getfixturevalue("network")
        for number in range(cycles):
            load.wait_for_receipts(RECEIPTS_A_CYCLE)
            kind.fail(load, number)
        load.wait_for_receipts(RECEIPTS_A_CYCLE)
        receipts = check_ledger(load, daemon)
        assert receipts >= (cycles + 1) * RECEIPTS_A_CYCLE
        check_sessions(daemon)
        with capsys.disabled():
            print(
                f"\n{kind.name}: {cycles} cycles, {receipts} receipts, {load.total('repeats')} of them"
                f" for what was sent again, {load.total('retractions')} retractions,"
                f" {load.total('unavailable')} refused meanwhile, {time.monotonic() - began:.1f} s"
            )
