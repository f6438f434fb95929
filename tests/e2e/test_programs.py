# SPDX-License-Identifier: Apache-2.0
"""The daemon's options and its check of the configuration: exit statuses, faults named."""

import socket

import pytest

from certificates import Ca
from harness import ADMINISTRATOR, ROOT, run_program


@pytest.fixture
def stopped(world):
    """A daemon that was not started, with an empty database."""
    return world.daemon()


@pytest.fixture
def unstartable(world):
    """A daemon whose database is never reached, since its configuration is refused."""
    return world.daemon(database=world.TEMPLATE)


def test_version_is_printed():
    done = run_program("intaked", "-V")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("intaked ")


@pytest.mark.parametrize("program", ["intaked", "intakectl"])
def test_help_is_printed_and_a_wrong_option_is_refused(program):
    done = run_program(program, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "-c" in done.stdout
    wrong = run_program(program, "--no-such-option")
    assert wrong.returncode != 0
    assert (wrong.stdout, bool(wrong.stderr)) == ("", True)


def test_check_of_a_good_configuration_exits_0(stopped):
    done = run_program("intaked", "-t", "-c", stopped.conf)
    assert done.returncode == 0, done.stderr


def other_certificate(daemon):
    return Ca(daemon.folder / "other").issue_server().certificate


# What is wrong; the settings that make it so; words of the sentence that has to name it.
BAD_SETTINGS = {
    "number too small": ({"listen.backlog": 0}, ["backlog"]),
    "number too large": ({"limits.report_depth": 65}, ["report_depth", "64"]),
    "not a number": ({"listen.workers": "many"}, ["workers"]),
    "unknown setting": ({"listen.colour": 1}, ["colour"]),
    "unknown section": ({"colours.red": 1}, ["colours"]),
    "address": ({"listen.address": "127.0.0.1"}, ["address"]),
    "admin listener open to all": ({"admin.address": "0.0.0.0:8444"}, ["admin", "loopback"]),
    "log level": ({"log.level": "loud"}, ["level"]),
    "no certificate": ({"tls.certificate": "/nonexistent.crt"}, ["/nonexistent.crt"]),
    "no key": ({"tls.key": "/nonexistent.key"}, ["/nonexistent.key"]),
    "no authority": ({"tls.partner_ca": "/nonexistent.pem"}, ["/nonexistent.pem"]),
    "no revocation list": ({"tls.partner_crl": "/nonexistent.crl"}, ["/nonexistent.crl"]),
    "no taxonomy": ({"taxonomy.file": "/nonexistent.json"}, ["/nonexistent.json"]),
    "taxonomy that is none": ({"taxonomy.file": str(ROOT / "LICENSE")}, ["LICENSE"]),
    "certificate of another key": ({"tls.certificate": other_certificate}, ["key"]),
}


# Of a pair that does not match the key is named.
NAMED_INSTEAD = {"certificate of another key": "tls.key"}


def line_of(conf, key):
    """The number of the setting's line; of the section's where the section is unknown."""
    section, name = key.split(".")
    lines = conf.read_text().splitlines()
    begins = lines.index(f"{section} {{")
    if section == "colours":
        return begins + 1
    names = [line.split("=")[0].strip() for line in lines[begins:]]
    return begins + names.index(name) + 1


@pytest.mark.parametrize("name", BAD_SETTINGS)
def test_bad_setting_is_named_with_file_and_line_by_check_and_start(unstartable, name):
    settings, words = BAD_SETTINGS[name]
    settings = {
        key: value(unstartable) if callable(value) else value for key, value in settings.items()
    }
    unstartable.configure(settings)
    done = run_program("intaked", "-t", "-c", unstartable.conf)
    assert done.returncode == 1
    assert all(word in done.stderr for word in words), done.stderr
    setting = NAMED_INSTEAD.get(name, next(iter(settings)))
    line = line_of(unstartable.conf, setting)
    assert f"{unstartable.conf}:{line}:" in done.stderr, done.stderr
    unstartable.start(is_ready_expected=False)
    assert unstartable.wait_for_exit() == 1


def test_every_fault_is_named_at_once(unstartable):
    unstartable.configure({"listen.backlog": 0, "limits.report_depth": 65, "log.level": "loud"})
    done = run_program("intaked", "-t", "-c", unstartable.conf)
    assert done.returncode == 1
    assert all(word in done.stderr for word in ("backlog", "report_depth", "level")), done.stderr


def test_check_names_a_missing_file(tmp_path):
    done = run_program("intaked", "-t", "-c", tmp_path / "none.conf")
    assert done.returncode == 1
    assert "none.conf" in done.stderr


def test_check_sees_a_database_without_the_schema(world):
    world.postgres.query(ADMINISTRATOR, "CREATE DATABASE unmigrated")
    daemon = world.daemon(database="unmigrated")
    done = run_program("intaked", "-t", "-c", daemon.conf)
    assert done.returncode == 1
    assert "schema" in done.stderr or "migrat" in done.stderr, done.stderr
    # What is wrong before the database is asked does not hide that.
    daemon.configure({"tls.key": "/nonexistent.key"})
    told = run_program("intaked", "-t", "-c", daemon.conf).stderr
    assert "tls.key: /nonexistent.key: No such file" in told and done.stderr in told, told
    daemon.configure({"tls.key": ROOT / "LICENSE"})
    told = run_program("intaked", "-t", "-c", daemon.conf).stderr
    assert "tls.key: " in told and done.stderr in told, told


def test_check_does_not_wait_for_a_silent_database_longer_than_its_limit(world):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        daemon = world.daemon({
            "database.connection": f"hostaddr=127.0.0.1 port={silent.getsockname()[1]} dbname=x",
            "database.connect_timeout_ms": 60000,
        })  # fmt: skip
        done = run_program("intaked", "-t", "-c", daemon.conf)
    assert done.returncode == 1
    assert "database.connection: no answer within 10 s" in done.stderr, done.stderr


def test_check_without_the_database_sees_all_else(world):
    daemon = world.daemon({"database.connection": "host=/nonexistent"}, database="none")
    check = ["intaked", "-t", "--no-database", "-c", daemon.conf]
    assert run_program("intaked", "-t", "-c", daemon.conf).returncode == 1
    done = run_program(*check)
    assert (done.returncode, "not checked" in done.stdout) == (0, True), done
    daemon.configure({"tls.key": "/nonexistent.key"})
    done = run_program(*check)
    assert (done.returncode, "/nonexistent.key" in done.stderr) == (1, True), done


def test_only_a_check_can_leave_out_the_database(stopped):
    assert run_program("intaked", "--no-database", "-c", stopped.conf).returncode == 2


def test_plain_psql_applies_the_migrations_too(world):
    world.postgres.query(ADMINISTRATOR, "CREATE DATABASE by_psql")
    for path in sorted((ROOT / "sql").glob("[0-9]*.sql")):
        world.postgres.query("by_psql", path.read_text())
    assert run_program("intaked", "-t", "-c", world.daemon(database="by_psql").conf).returncode == 0
