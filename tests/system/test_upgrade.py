# SPDX-License-Identifier: Apache-2.0
"""Newer packages, and the end of the service."""

import os
import shutil

import pytest
from conftest import packages_of_release
from partner import readiness, send, send_script, stored, write_report

from harness import wait_until

# Of a report that is sent slowly: longer than an upgrade takes, shorter than limits.drain_timeout_ms.
SENDING_S = 6
INSTALL = "apt-get install ./next/intaked_*.deb ./next/intake-send_*.deb 2>&1"


@pytest.fixture(scope="module")
def next_packages(serving, tmp_path_factory):
    """Newer packages in /root/next."""
    folder = serving.path("/root/next")
    folder.mkdir()
    for package in packages_of_release(2, tmp_path_factory.mktemp("next")):
        shutil.copy(package, folder)
    return folder


def version(machine):
    return machine.output("dpkg-query --show --showformat '${Version}' intaked")


def test_one_that_would_not_start_leaves_the_running_one(serving, next_packages):
    pid = serving.property("MainPID")
    configuration = serving.path("/etc/intaked/intaked.conf")
    before = configuration.read_text()
    configuration.write_text(before + "listen { colour = 1 }\n")
    said = serving.output(INSTALL)
    configuration.write_text(before)
    assert "colour" in said and "the running one goes on" in said, said
    assert version(serving).endswith("-2")
    assert serving.property("MainPID") == pid
    assert send(serving, "UPGRADE-1") == "201"
    # Back to where we came from; a changed configuration is kept without a question.
    serving.run("apt-get install --allow-downgrades ./intaked_*.deb ./intake-send_*.deb")


def test_a_request_in_flight_is_answered_by_the_old_one(serving, next_packages):
    pid = serving.property("MainPID")
    name = write_report(serving, "UPGRADE-2", narrative="It takes a while. " * 800)
    size = serving.path(f"/root/nordhaven/{name}").stat().st_size
    slow = serving.start(send_script(name, options=f"--limit-rate {size // SENDING_S}"))
    wait_until(lambda: is_sending(serving), "the request is under way")
    serving.run(INSTALL)
    assert slow.communicate(timeout=60)[0] == "201"
    assert version(serving).endswith("-2")
    wait_until(lambda: readiness(serving) == "200", "the new one is ready")
    assert serving.property("MainPID") != pid
    assert stored(serving, "UPGRADE-2") == 1
    assert send(serving, "UPGRADE-3") == "201"


def test_what_the_unit_sets_is_set_when_the_new_one_is_tried(serving, next_packages):
    """Variables of a drop-in, and credentials, which the configuration refers to."""
    key = serving.path("/etc/intaked/server.key")
    configuration = serving.path("/etc/intaked/intaked.conf")
    before = configuration.read_text()
    configuration.write_text(
        before + 'listen { backlog = "${BACKLOG}" }\n'
        'tls { key = "${CREDENTIALS_DIRECTORY}/server.key" }\n'
    )
    owner = key.stat()
    os.chown(key, 0, 0)
    serving.drop_in(
        "[Service]\nEnvironment=BACKLOG=64 'OTHER=two words'\n"
        "LoadCredential=server.key:/etc/intaked/server.key\n"
    )
    try:
        serving.run("systemctl restart intaked")
        pid = serving.property("MainPID")
        serving.run("apt-get install --reinstall ./next/intaked_*.deb")
        wait_until(lambda: readiness(serving) == "200", "the new one is ready")
        assert serving.property("MainPID") != pid
    finally:
        serving.drop_in("")
        os.chown(key, owner.st_uid, owner.st_gid)
        configuration.write_text(before)
        serving.run("systemctl restart intaked")


def is_sending(machine):
    lines = machine.output("curl --silent http://127.0.0.1:8444/metrics").splitlines()
    return any(
        line.startswith("intaked_connections{") and "request" in line and not line.endswith(" 0")
        for line in lines
    )


def test_what_was_disabled_stays_disabled(serving, next_packages):
    serving.run("systemctl disable intaked")
    serving.run("apt-get install --reinstall ./next/intaked_*.deb")
    assert serving.output("systemctl is-enabled intaked", is_checked=False) == "disabled"
    assert readiness(serving) == "200"
    serving.run("systemctl enable intaked")


def test_what_was_stopped_stays_stopped(serving, next_packages):
    serving.run("systemctl stop intaked")
    serving.run("apt-get install --reinstall ./next/intaked_*.deb")
    assert serving.property("ActiveState") == "inactive"
    serving.run("systemctl start intaked")


def test_removal_stops_it_and_keeps_the_configuration(serving):
    serving.run("apt-get remove intaked")
    assert serving.run("pgrep -x intaked", is_checked=False).returncode == 1
    assert serving.path("/etc/intaked/intaked.conf").exists()


def test_what_was_removed_starts_when_it_is_put_back(serving, next_packages):
    serving.run("apt-get install ./next/intaked_*.deb")
    wait_until(lambda: readiness(serving) == "200", "it has started")


def test_purge_asks_nothing_and_leaves_what_is_the_operators(serving):
    serving.run("apt-get purge intaked </dev/null")
    left = sorted(path.name for path in serving.path("/etc/intaked").iterdir())
    assert left == ["partner-ca.crt", "server.crt", "server.key"]
    assert stored(serving, "UPGRADE-2") == 1
    assert "intaked" not in serving.output("systemctl list-unit-files --no-legend")
    assert serving.output("systemctl is-system-running") == "running"


def test_a_new_installation_takes_up_what_was_left(serving, next_packages):
    serving.run(INSTALL)
    wait_until(lambda: readiness(serving) == "200", "it has started")
    assert send(serving, "UPGRADE-4") == "201"


def test_nothing_is_left_of_one_that_was_never_configured(serving):
    serving.run("apt-get purge intaked")
    shutil.rmtree(serving.path("/etc/intaked"))
    serving.run(INSTALL)
    assert serving.property("ActiveState") == "inactive"
    serving.run("apt-get purge intaked")
    assert not serving.path("/etc/intaked").exists()
