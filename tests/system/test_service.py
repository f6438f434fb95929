# SPDX-License-Identifier: Apache-2.0
"""The service under systemd, as the package brings it and the README configures it."""

import json
import os
import signal
import socket
import time
from contextlib import contextmanager
from itertools import count

import pytest
from partner import readiness, send, send_script, stored, write_report

from harness import PATIENCE, wait_until
from threads import WALL, stopped_thread, thread_named

CONFIGURATION = "/etc/intaked/intaked.conf"
RESTART_LIMIT_S = 2.0


@contextmanager
def configured(machine, text):
    """With more in the configuration, and without it again at the end."""
    path = machine.path(CONFIGURATION)
    before = path.read_text()
    path.write_text(before + text)
    try:
        yield
    finally:
        path.write_text(before)


@contextmanager
def dropped_in(machine, text):
    """With a drop-in for the unit, restarted before and after."""
    machine.drop_in(text)
    machine.run("systemctl restart intaked")
    try:
        yield
    finally:
        machine.drop_in("")
        machine.run("systemctl restart intaked")


@contextmanager
def database_away(machine):
    machine.run("systemctl stop 'postgresql@*.service'")
    try:
        yield
    finally:
        machine.run("systemctl start postgresql")
        wait_until(lambda: readiness(machine) == "200", "the database is back")


# --- the sandbox


def test_the_process_has_no_privileges(serving):
    status = serving.output(f"cat /proc/{serving.property('MainPID')}/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    assert fields["Uid"].split()[0] == serving.output("id --user intaked")
    for capabilities in ("CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(fields[capabilities], 16) == 0, capabilities
    assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")


@pytest.mark.parametrize("folder", ["/etc/intaked", "/srv", "/var/lib", "/usr/share"])
def test_the_process_can_write_nowhere(serving, folder):
    """Not even as root, in the view that it has of the file system."""
    done = serving.run(
        f"touch /proc/{serving.property('MainPID')}/root{folder}/x", is_checked=False
    )
    assert "Read-only file system" in done.stderr, done


def test_the_user_of_the_process_can_write_no_program(serving):
    found = serving.output(
        "setpriv --reuid=intaked --regid=intaked --clear-groups"
        " find /etc /usr /var/lib -xdev -not -type l -writable 2>/dev/null || true"
    )
    assert found == ""


def test_the_process_can_run_no_other_program(serving):
    done = serving.run(
        f"nsenter --target {serving.property('MainPID')} --mount /usr/bin/true", is_checked=False
    )
    assert "Permission denied" in done.stderr, done


def test_the_database_is_reached_over_its_socket_under_the_sandbox(serving):
    assert send(serving, "SERVICE-1") == "201"
    assert stored(serving, "SERVICE-1") == 1


def test_only_listed_networks_get_through(serving):
    """Two addresses of the machine itself; one is in a network of the sample, one in none."""
    serving.run(
        "ip address add 192.0.2.7/32 dev lo; ip address add 203.0.113.7/32 dev lo\n"
        "install -D -m 0644 /usr/share/doc/intaked/examples/partner-networks.conf"
        " -t /etc/systemd/system/intaked.service.d\n"
        "systemctl daemon-reload\nsystemctl restart intaked"
    )
    try:
        name = write_report(serving, "SERVICE-0")
        listed, unlisted = (
            serving.output(
                send_script(name, options=f"--interface {address} --connect-timeout 3"),
                is_checked=False,
            )
            for address in ("192.0.2.7", "203.0.113.7")
        )
        assert (listed, unlisted) == ("201", "000")
    finally:
        serving.run(
            "rm /etc/systemd/system/intaked.service.d/partner-networks.conf\n"
            "systemctl daemon-reload\nsystemctl restart intaked"
        )


# --- start


def test_a_database_that_is_away_does_not_hold_the_start_back(serving):
    with database_away(serving):
        serving.run("systemctl restart intaked")
        assert "away" in serving.property("StatusText")
        assert readiness(serving) == "503"
    assert send(serving, "SERVICE-2") == "201"


def test_a_system_without_ipv6_is_served_by_default(serving):
    with dropped_in(serving, "[Service]\nRestrictAddressFamilies=~AF_INET6\n"):
        assert serving.journal("event=ready", "address=0.0.0.0:8443")
        assert send(serving, "SERVICE-17") == "201"


@contextmanager
def name_servers_that_do_not_answer(machine):
    machine.run(
        "printf 'nameserver 127.0.0.%d\\n' 53 54 55 >/etc/resolv.conf\n"
        "nft 'add table inet silent; add chain inet silent input"
        " { type filter hook input priority 0; }; add rule inet silent input udp dport 53 drop'"
    )
    try:
        yield
    finally:
        machine.run("nft delete table inet silent\nrm /etc/resolv.conf")


def test_name_servers_that_do_not_answer_end_nothing(serving):
    """With the resolver's own patience each try takes half a minute, as long as the watchdog waits."""
    name = "database { connection = 'host=db.example.net dbname=intaked user=intaked' }\n"
    with name_servers_that_do_not_answer(serving), configured(serving, name):
        began = time.monotonic()
        serving.run("systemctl restart intaked")
        assert time.monotonic() - began < 10 * PATIENCE
        assert "away" in serving.property("StatusText")
        pid = serving.property("MainPID")
        while time.monotonic() - began < 40:
            assert readiness(serving) == "503"
        assert serving.property("MainPID") == pid
    serving.run("systemctl restart intaked")
    assert send(serving, "SERVICE-16") == "201"


@contextmanager
def unit_file(machine, name, text):
    """A unit that the service manager knows meanwhile."""
    path = machine.path(f"/etc/systemd/system/{name}")
    path.write_text(text)
    machine.run("systemctl daemon-reload")
    try:
        yield
    finally:
        path.unlink()
        machine.run("systemctl daemon-reload")


SLOW_CLOCK = """[Unit]
DefaultDependencies=no
Before=time-sync.target
Wants=time-sync.target
[Service]
Type=oneshot
ExecStart=/usr/bin/sleep 3
ExecStart=/usr/bin/touch /run/clock-is-set
"""


def test_the_start_waits_for_the_clock_where_something_sets_it(serving):
    """Certificates are not valid yet by a clock that is behind, and that would be a fault for good."""
    with unit_file(serving, "slow-clock.service", SLOW_CLOCK):
        serving.run(
            "rm -f /run/clock-is-set\nsystemctl stop intaked time-sync.target\n"
            "systemctl start --no-block slow-clock intaked"
        )
        wait_until(lambda: serving.property("ActiveState") == "active", "it has started")
        serving.run("test -e /run/clock-is-set")


def test_a_fault_ends_the_start_for_good_and_is_named(serving):
    with configured(serving, "listen { colour = 1 }\n"):
        done = serving.run("systemctl restart intaked", is_checked=False)
        assert done.returncode != 0
        assert serving.property("ActiveState") == "failed"
        assert serving.property("Result") == "exit-code"
        assert serving.journal("intaked.conf:", "colour")
        # RestartSec is over by now if it were to be tried again.
        assert serving.property("NRestarts") == "0"
    serving.run("systemctl restart intaked")
    assert readiness(serving) == "200"


# --- reload


def test_a_reload_keeps_the_process_and_changes_what_it_serves_by(serving):
    pid = serving.property("MainPID")
    # The report has over 2048 bytes.
    with configured(serving, "limits { report_bytes = 2048 }\n"):
        serving.run("systemctl reload intaked")
        assert send(serving, "SERVICE-3") == "413"
    serving.run("systemctl reload intaked")
    assert send(serving, "SERVICE-3") == "201"
    assert serving.property("MainPID") == pid


def test_a_refused_reload_fails_says_why_and_changes_nothing(serving):
    pid = serving.property("MainPID")
    with configured(serving, "tls { partner_crl = 'none.crl' }\n"):
        assert serving.run("systemctl reload intaked", is_checked=False).returncode != 0
        assert "none.crl" in serving.property("StatusText")
        assert serving.property("ActiveState") == "active"
        assert send(serving, "SERVICE-4") == "201"
    serving.run("systemctl reload intaked")
    assert "refused" not in serving.property("StatusText")
    assert serving.property("MainPID") == pid


# --- ends and new beginnings


def time_until_ready(machine, pid_before):
    began = time.monotonic()
    wait_until(
        lambda: machine.property("MainPID") not in ("0", pid_before)
        and machine.property("SubState") == "running"
        and readiness(machine) == "200",
        "another one is ready",
    )
    return time.monotonic() - began


def test_a_killed_daemon_is_back_in_two_seconds_however_often(serving):
    # More often than systemd would allow by itself.
    for _ in range(7):
        pid = serving.property("MainPID")
        os.kill(serving.process_id(), signal.SIGKILL)
        assert time_until_ready(serving, pid) < RESTART_LIMIT_S * PATIENCE
    assert send(serving, "SERVICE-5") == "201"


def is_gone(tid):
    """A thread that is watched stays until that was seen."""
    try:
        return os.waitpid(tid, WALL | os.WNOHANG)[0] == tid
    except ChildProcessError:
        return True


def test_a_worker_that_hangs_is_ended_by_the_watchdog(serving):
    with dropped_in(serving, "[Service]\nWatchdogSec=2\n"):
        pid = serving.property("MainPID")
        tid = thread_named(serving.process_id(), "worker-0")
        with stopped_thread(tid):
            wait_until(lambda: is_gone(tid), "the process was ended")
        time_until_ready(serving, pid)
        assert serving.journal("Watchdog timeout")
        assert send(serving, "SERVICE-6") == "201"


def test_the_journal_has_fields(serving):
    send(serving, "SERVICE-7")
    lines = serving.output("journalctl -u intaked --output json --no-pager").splitlines()
    entries = [json.loads(line) for line in lines]
    events = {entry.get("INTAKED_EVENT") for entry in entries}
    assert {"ready", "stopping"} <= events, events
    refused = next(entry for entry in entries if entry.get("INTAKED_EVENT") == "reload-refused")
    assert refused["PRIORITY"] == "3"


def entries_sent(address):
    """How many a socket of its own gets rid of without waiting: what it may have on the way, or what
    the journal has room for."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        sender.connect(address)
        for sent in count():
            try:
                sender.send(b"MESSAGE=filler\n")
            except BlockingIOError:
                return sent


@contextmanager
def journal_that_does_not_read(machine):
    """Stopped, with no room for anybody."""
    pid = machine.property("MainPID", "systemd-journald.service")
    machine.run(f"kill -STOP {pid}")
    try:
        while entries_sent(f"/proc/{machine.leader}/root/run/systemd/journal/socket") > 0:
            pass
        yield
    finally:
        machine.run(f"kill -CONT {pid}")


def test_a_journal_that_hangs_holds_nobody_up(serving):
    with journal_that_does_not_read(serving):
        for _ in range(5):
            serving.run("systemctl reload intaked")
        assert send(serving, "SERVICE-14") == "201"
        assert readiness(serving) == "200"
    # What its socket has no room for comes over standard error.
    wait_until(lambda: len(serving.journal("event=reloaded")) >= 5, "the journal has it")


# --- sockets that systemd holds


def test_nobody_is_refused_while_a_passed_socket_outlives_the_daemon(serving):
    serving.run(
        "systemctl stop intaked\nsystemctl start intaked.socket\nsystemctl start intaked"
    )
    try:
        assert send(serving, "SERVICE-8") == "201"
        serving.run("systemctl stop intaked")
        # The connection waits, and starts the daemon.
        assert send(serving, "SERVICE-9") == "201"
        assert serving.property("ActiveState") == "active"
    finally:
        serving.run(
            "systemctl stop intaked.socket intaked\nsystemctl start intaked", is_checked=False
        )


def test_a_start_after_a_fault_opens_the_port_of_systemd_again(serving):
    serving.run(
        "systemctl stop intaked\nsystemctl enable --now intaked.socket\nsystemctl start intaked"
    )
    try:
        with configured(serving, "listen { colour = 1 }\n"):
            serving.run("systemctl restart intaked", is_checked=False)
            # Somebody waits, so it is tried again until systemd has enough of it.
            send(serving, "SERVICE-15")
            wait_until(
                lambda: serving.property("ActiveState", "intaked.socket") == "failed",
                "the port is given up",
                30,
            )
        serving.run("systemctl start intaked")
        assert serving.property("ActiveState", "intaked.socket") == "active"
        assert send(serving, "SERVICE-15") == "201"
    finally:
        serving.run("systemctl disable --now intaked.socket\nsystemctl start intaked")


CONTROL_SOCKET = """[Socket]
ListenStream=/run/intaked/control
FileDescriptorName=control
Service=intaked.service
SocketUser=intaked
SocketMode=0600
"""


def test_passed_control_socket_outlives_the_daemon(serving):
    with unit_file(serving, "intaked-control.socket", CONTROL_SOCKET):
        try:
            serving.run(
                "systemctl stop intaked\nsystemctl start intaked-control.socket"
                "\nsystemctl start intaked\nsystemctl restart intaked"
            )
            serving.run("systemctl reload intaked")
        finally:
            serving.run("systemctl stop intaked-control.socket intaked", is_checked=False)
    serving.run("systemctl start intaked\nsystemctl reload intaked")


# --- retention


def locks_held(machine):
    return int(
        machine.output(
            "cd /; runuser -u postgres -- psql intaked --tuples-only --no-align --command"
            " \"SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock'\""
        )
    )


def test_a_retention_that_hangs_fails_before_its_timer_comes_again(serving):
    unit = "intaked-retention.service"
    assert serving.property("TimeoutStartUSec", unit) == "20h"
    # Less patience, and somebody who holds a lock.
    serving.drop_in("[Service]\nTimeoutStartSec=2\n", unit)
    holder = serving.start(
        "cd /; runuser -u postgres -- psql intaked --command 'BEGIN; LOCK TABLE intake.report_key;"
        " SELECT pg_sleep(600)'"
    )
    try:
        wait_until(lambda: locks_held(serving) > 0, "the lock is held")
        assert serving.run(f"systemctl start {unit}", is_checked=False).returncode != 0
        assert serving.property("Result", unit) == "timeout"
    finally:
        serving.drop_in("", unit)
        serving.run(
            "cd /; runuser -u postgres -- psql intaked --command \"SELECT pg_terminate_backend(pid)"
            " FROM pg_stat_activity WHERE query LIKE 'BEGIN; LOCK%'\""
        )
        holder.communicate(timeout=30)
    serving.run(f"systemctl start {unit}")


# --- shortage


@contextmanager
def connections_to(machine, number):
    """Held open from the machine's network, by a process of ours that waits for its end."""
    holder = (
        "import socket, sys\n"
        f"held = [socket.create_connection(('127.0.0.1', 8443)) for _ in range({number})]\n"
        "print(len(held), flush=True)\n"
        "sys.stdin.read()\n"
    )
    process = machine.start_in_its_network("/usr/bin/python3", "-c", holder)
    try:
        assert process.stdout.readline() == f"{number}\n"
        yield
    finally:
        process.communicate(timeout=30)


def metric(machine, name):
    lines = machine.output("curl --silent http://127.0.0.1:8444/metrics").splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(f"{name} "))


def test_without_descriptors_the_rest_is_served_and_it_is_seen(serving):
    with dropped_in(serving, "[Service]\nLimitNOFILE=64\n"):
        pid = serving.property("MainPID")
        with connections_to(serving, 100):
            wait_until(lambda: serving.journal("accept-failing"), "it says so")
        wait_until(lambda: send(serving, "SERVICE-10") in ("200", "201"), "others are served")
        wait_until(lambda: metric(serving, "intaked_accept_failures_total") > 0, "it is counted")
        assert serving.property("MainPID") == pid


def test_a_full_disk_under_the_log_stops_nothing(serving):
    serving.run("mkdir /var/log/intaked; mount -t tmpfs -o size=4k,mode=0755 tmpfs /var/log/intaked")
    serving.run("head -c 4096 /dev/zero >/var/log/intaked/log")
    log = "[Service]\nStandardOutput=append:/var/log/intaked/log\nStandardError=inherit\n"
    try:
        with dropped_in(serving, log):
            assert send(serving, "SERVICE-11") == "201"
            assert metric(serving, "intaked_log_lines_lost_total") > 0
    finally:
        serving.run("umount /var/log/intaked")


@contextmanager
def database_on_a_small_disk(machine, free_kib):
    """Moves the cluster onto a disk with so much left."""
    data = machine.output("echo /var/lib/postgresql/*/main")
    machine.run(
        "systemctl stop 'postgresql@*.service'\n"
        f"used=$(du --summarize --block-size=1024 {data} | cut --fields=1)\n"
        "mkdir -p /mnt/small\n"
        f"mount -t tmpfs -o size=$((used + {free_kib}))k tmpfs /mnt/small\n"
        f"cp --archive {data} /mnt/small/main\n"
        f"mount --bind /mnt/small/main {data}\n"
        "systemctl start postgresql"
    )
    try:
        yield
    finally:
        machine.run(
            f"systemctl stop 'postgresql@*.service'\numount {data}\numount /mnt/small\n"
            "systemctl start postgresql"
        )


def test_a_full_disk_under_the_database_is_survived_and_seen(serving):
    pid = serving.property("MainPID")
    with database_on_a_small_disk(serving, free_kib=4096):
        wait_until(lambda: send(serving, "SERVICE-12") in ("200", "201"), "the database is back")
        serving.run("dd if=/dev/zero of=/mnt/small/filler bs=4k status=none", is_checked=False)
        # The database has room in what it has allocated, for a while.
        numbers = count()
        wait_until(
            lambda: send(serving, f"FULL-{next(numbers)}") == "503"
            and readiness(serving) == "503"
            and serving.journal("No space left on device"),
            "reports are refused",
            60,
        )

        def is_told():
            send(serving, f"FULL-{next(numbers)}")
            return "away" in serving.property("StatusText")

        wait_until(is_told, "the service manager is told", 60)
        serving.run("rm /mnt/small/filler")
        wait_until(lambda: send(serving, "SERVICE-13") in ("200", "201"), "there is room", 60)
        wait_until(lambda: readiness(serving) == "200", "every worker has its link again", 60)
    wait_until(lambda: readiness(serving) == "200", "the old disk is back")
    wait_until(lambda: "away" not in serving.property("StatusText"), "which is told as well")
    assert serving.property("MainPID") == pid
