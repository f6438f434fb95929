# SPDX-License-Identifier: Apache-2.0
"""One world a run, one daemon with an empty database a file, one credential a partner."""

import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from harness import World
from reports import ORGANISATION, example_organisations
from sender import Sender


def pytest_configure():
    # A SIGTERM unwinds like Ctrl-C, so that fixtures take down what they have put up.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def world():
    # A short path (a unix socket's name holds 107 bytes) that PostgreSQL's user can reach.
    parent = os.environ.get("INTAKED_TEST_FOLDER", "/tmp")
    folder = Path(tempfile.mkdtemp(prefix="intaked-", dir=parent))
    folder.chmod(0o711)
    made = World(folder)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def settings():
    """What a file changes in its daemon's configuration; files override this."""
    return {}


@pytest.fixture(scope="module")
def daemon(world, settings):
    """Serves alpha (live, all organisations of the tests), beta (live) and gamma (test mode)."""
    running = world.daemon(settings)
    running.add_partner("alpha", ORGANISATION, *example_organisations())
    running.add_partner("beta")
    running.add_partner("gamma", is_live=False)
    running.start()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def credentials(world):
    return {name: world.authority.issue(name) for name in ("alpha", "beta", "gamma")}


@pytest.fixture
def alpha(daemon, credentials):
    with daemon.client(credentials["alpha"]) as client:
        yield client


@pytest.fixture
def beta(daemon, credentials):
    with daemon.client(credentials["beta"]) as client:
        yield client


@pytest.fixture
def gamma(daemon, credentials):
    with daemon.client(credentials["gamma"]) as client:
        yield client


@pytest.fixture
def raw(daemon, credentials):
    with daemon.raw_client(credentials["alpha"]) as client:
        yield client


@pytest.fixture
def sender(tmp_path, daemon, credentials):
    return Sender(tmp_path / "partner", daemon, credentials["alpha"])
