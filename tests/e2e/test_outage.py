# SPDX-License-Identifier: Apache-2.0
"""The database goes away, freezes, refuses, or is not to be trusted: nothing false is promised."""

import re
import select
import signal
import socket
import threading
import time
from contextlib import ExitStack, contextmanager

import pytest

from batches import post_batch, results_of
from client import encode, request_bytes
from harness import ADMINISTRATOR, PATIENCE, run_program, wait_until
from reports import smallest_report, usual_report

STORE_WAIT_S = 1.0


@pytest.fixture(scope="module")
def settings():
    return {"database.store_wait_ms": int(STORE_WAIT_S * 1000), "database.batch_timeout_ms": 3000}


@pytest.fixture(autouse=True)
def database_is_back(daemon):
    """Each test begins and leaves the daemon with a database."""
    wait_until(lambda: daemon.admin("/readyz")[0] == 200, "the daemon is ready", timeout=10)
    yield
    if daemon.postgres.process is None:
        daemon.postgres.start()
    wait_until(lambda: daemon.admin("/readyz")[0] == 200, "the daemon is ready again", timeout=10)


class Posts:
    """Reports sent at the same time, each on a connection of its own."""

    def __init__(self, daemon, credential, reports):
        self.answers = [None] * len(reports)
        self.threads = [
            threading.Thread(target=self._post, args=(daemon, credential, place, report))
            for place, report in enumerate(reports)
        ]
        for thread in self.threads:
            thread.start()

    def _post(self, daemon, credential, place, report):
        with daemon.client(credential, timeout=60) as client:
            self.answers[place] = client.post(report)

    def wait(self):
        for thread in self.threads:
            thread.join()
        return self.answers


@contextmanager
def commits_held_back(daemon, table="report"):
    """Rows are inserted, and then COMMIT waits until the block is left."""
    daemon.rows(
        f"""
        CREATE OR REPLACE FUNCTION intake.wait_at_commit() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_advisory_xact_lock(42); RETURN NULL; END';
        CREATE CONSTRAINT TRIGGER wait_at_commit AFTER INSERT ON intake.{table}
            DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION intake.wait_at_commit();
        """
    )
    connection = daemon.postgres.connect(daemon.database)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(42)")
            yield
    finally:
        connection.close()
        daemon.rows(f"DROP TRIGGER wait_at_commit ON intake.{table}")


def waiting_backends(daemon):
    rows = daemon.postgres.query(
        ADMINISTRATOR,
        "SELECT pid FROM pg_stat_activity"
        " WHERE datname = %s AND usename = 'daemon' AND wait_event_type = 'Lock'",
        [daemon.database],
    )
    return [pid for (pid,) in rows]


def count_of(daemon, report):
    return daemon.value(
        "SELECT count(*) FROM intake.report WHERE report_id = %s", [report["report_id"]]
    )


def retract(client, report):
    return client.post({"revision": 1, "reason": "R"}, f"/v1/reports/{report['report_id']}/retraction")


def assert_unavailable(answer):
    assert (answer.status, answer.problem) == (503, "unavailable"), answer
    assert 1 <= int(answer.headers["retry-after"]) <= 60


def test_stopped_database_is_503_in_time_and_never_2xx(daemon, alpha):
    """What is in place without it goes on; ten log lines are enough for an outage."""
    known = smallest_report()
    assert alpha.post(known).status == 201
    lines_before = len(daemon.log_lines())
    daemon.postgres.stop()
    for _ in range(3):
        for report in (smallest_report(), known):
            began = time.monotonic()
            answer = alpha.post(report)
            assert time.monotonic() - began <= STORE_WAIT_S + 0.5 * PATIENCE
            assert_unavailable(answer)
    assert_unavailable(alpha.get(f"/v1/reports/{known['report_id']}"))
    began = time.monotonic()
    assert_unavailable(retract(alpha, known))
    assert time.monotonic() - began <= STORE_WAIT_S + 0.5 * PATIENCE
    assert alpha.get("/v1/whoami").json["partner"] == "alpha"
    assert daemon.admin("/healthz")[0] == 200
    status, reason = daemon.admin("/readyz")
    assert status == 503
    assert re.match(r"the database is away: cannot connect: connection to server .*\n", reason)

    daemon.postgres.start()
    began = time.monotonic()
    wait_until(lambda: alpha.post(known).status == 200, "reports are stored again", timeout=5)
    assert time.monotonic() - began <= 5 * PATIENCE
    assert len(daemon.log_lines()) - lines_before < 10, daemon.log_tail()
    assert retract(alpha, known).status == 201


def test_waiting_report_is_stored_when_the_database_comes_back_in_time(world, credentials):
    with world.running({"database.store_wait_ms": 20000}) as daemon:
        report = smallest_report()
        world.postgres.stop()
        posts = Posts(daemon, credentials["alpha"], [report])
        wait_until(lambda: daemon.admin("/readyz")[0] == 503, "the daemon has noticed")
        world.postgres.start()
        assert posts.wait()[0].status == 201
        assert count_of(daemon, report) == 1


def test_daemon_starts_while_the_database_is_away(world, credentials):
    """Ready to listen, but no partner is called unknown before the registry was read."""
    daemon = world.daemon({"database.store_wait_ms": 500})
    daemon.add_partner("alpha")
    world.postgres.stop()
    daemon.start()
    try:
        assert daemon.admin("/readyz")[0] == 503
        assert daemon.notify.lines
        with daemon.client(credentials["alpha"]) as client:
            assert_unavailable(client.post(smallest_report()))
            world.postgres.start()
            wait_until(lambda: client.post(smallest_report()).status == 201, "stored", 5)
    finally:
        daemon.stop()


def test_frozen_database_is_503_and_the_retry_finds_the_truth(daemon, alpha):
    report = smallest_report()
    with daemon.postgres.frozen():
        began = time.monotonic()
        assert_unavailable(alpha.post(report))
        assert time.monotonic() - began <= (STORE_WAIT_S + 3 + 1) * PATIENCE
    wait_until(lambda: alpha.post(report).status in (200, 201), "stored after the thaw", 10)
    assert count_of(daemon, report) == 1


def test_server_that_says_nothing_is_left_for_the_next(world, credentials):
    """It takes the connection, and so the driver alone would wait for it for ever."""
    folder = world.folder / "silent"
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(folder / ".s.PGSQL.5432"))
        silent.listen(64)
        daemon = world.daemon({"database.connect_timeout_ms": 300})
        daemon.add_partner("alpha")
        hosts = f"host={folder},{world.postgres.socket_folder}"
        daemon.configure(
            {"database.connection": f"{hosts} dbname={daemon.database} user=daemon"}
        )
        daemon.start()
        wait_until(lambda: daemon.admin("/readyz")[0] == 200, "the other one is asked")
        with daemon.client(credentials["alpha"]) as client:
            assert client.post(smallest_report()).status == 201
        daemon.stop()


def test_database_that_takes_no_report_is_not_ready(daemon, alpha):
    """It is connected and answers, but a table is locked: told as away, once, until a commit."""
    seen = len(daemon.log_lines("event=database-"))
    with daemon.locked_reports():
        for _ in range(3):
            assert_unavailable(alpha.post(smallest_report()))
            status, reason = daemon.admin("/readyz")
            assert status == 503 and "no commit within 1000 ms" in reason, reason
        assert daemon.status()["database"]["state"] == "away"
        assert "no commit within" in daemon.control("status").stdout
    assert alpha.post(smallest_report()).status == 201
    wait_until(lambda: daemon.admin("/readyz")[0] == 200, "it is ready again", timeout=10)
    told = [re.search(r"event=(\S+)", line)[1] for line in daemon.log_lines("event=database-")]
    assert told[seen:] == ["database-away", "database-back"]


def test_whoever_is_answered_unavailable_finds_it_told(world, credentials):
    """With many answers to give at once, the first of them comes after the readiness has changed."""
    wait_s = 2
    with ExitStack() as stack:
        daemon = stack.enter_context(
            world.running({"database.store_wait_ms": wait_s * 1000, "listen.workers": 1})
        )
        clients = [
            stack.enter_context(daemon.raw_client(credentials["alpha"])) for _ in range(250)
        ]
        stack.enter_context(daemon.locked_reports())
        for client in clients:
            client.send(request_bytes("POST", "/v1/reports", encode(smallest_report())))
        wait_until(
            lambda: daemon.status()["queue"]["reports"] == len(clients), "all of them wait"
        )
        assert daemon.status()["queue"]["bytes"] > 100 * len(clients)
        admin = stack.enter_context(
            socket.create_connection(("127.0.0.1", daemon.admin_port), timeout=10)
        )
        admin.sendall(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        daemon.process.send_signal(signal.SIGSTOP)
        time.sleep(wait_s)
        daemon.process.send_signal(signal.SIGCONT)
        answered = select.select([client.socket for client in clients], [], [], 10)[0]
        admin.sendall(b"\r\n")
        answer = admin.recv(4096)
        assert answer.startswith(b"HTTP/1.1 503 ") and b"no commit within" in answer, answer
        first = next(client for client in clients if client.socket is answered[0])
        assert_unavailable(first.read_response())


def test_receipt_follows_the_commit(daemon, credentials):
    """The row is written and checked, and still nothing is said before COMMIT is over."""
    report = smallest_report()
    with daemon.raw_client(credentials["alpha"]) as raw:
        with commits_held_back(daemon):
            raw.send(request_bytes("POST", "/v1/reports", encode(report)))
            wait_until(lambda: waiting_backends(daemon), "the commit is held back")
            assert select.select([raw.socket], [], [], 0.5)[0] == []
            assert count_of(daemon, report) == 0
        assert raw.read_response().status == 201
        assert count_of(daemon, report) == 1


def test_retraction_follows_its_commit_and_is_sent_again_when_that_is_lost(world, credentials):
    with world.running({"database.store_wait_ms": 20000}) as daemon:
        report = smallest_report()
        answers = []

        def send():
            with daemon.client(credentials["alpha"], timeout=60) as client:
                answers.append(retract(client, report))

        sender = threading.Thread(target=send)
        with daemon.client(credentials["alpha"]) as client:
            assert client.post(report).status == 201
            with commits_held_back(daemon, "retraction"):
                sender.start()
                waiting = wait_until(lambda: waiting_backends(daemon), "the commit is held back")
                for pid in waiting:
                    daemon.postgres.query(ADMINISTRATOR, "SELECT pg_terminate_backend(%s)", [pid])
                wait_until(
                    lambda: set(waiting_backends(daemon)) - set(waiting), "it is sent again"
                )
                assert answers == []
            sender.join()
            assert answers[0].status == 201
            assert client.get(f"/v1/reports/{report['report_id']}").json == answers[0].json


def test_batch_lost_at_its_commit_is_sent_again(world, credentials):
    with world.running({"database.store_wait_ms": 20000}) as daemon:
        report = usual_report()
        with commits_held_back(daemon):
            posts = Posts(daemon, credentials["alpha"], [report])
            waiting = wait_until(lambda: waiting_backends(daemon), "the commit is held back")
            for pid in waiting:
                daemon.postgres.query(ADMINISTRATOR, "SELECT pg_terminate_backend(%s)", [pid])
            wait_until(lambda: set(waiting_backends(daemon)) - set(waiting), "it is sent again")
        assert posts.wait()[0].status == 201
        assert count_of(daemon, report) == 1


def test_batch_in_flight_is_sent_again_when_the_connection_is_lost(world, credentials):
    """The client waits through it and gets its 201; there is one row."""
    with world.running({"database.store_wait_ms": 20000}) as daemon:
        reports = [usual_report() for _ in range(8)]
        with daemon.locked_reports():
            posts = Posts(daemon, credentials["alpha"], reports)
            waiting = wait_until(lambda: waiting_backends(daemon), "a batch waits for the lock")
            for pid in waiting:
                daemon.postgres.query(ADMINISTRATOR, "SELECT pg_terminate_backend(%s)", [pid])
            wait_until(lambda: not set(waiting) & set(waiting_backends(daemon)), "they are gone")
        assert [answer.status for answer in posts.wait()] == [201] * len(reports)
        assert [count_of(daemon, report) for report in reports] == [1] * len(reports)


def test_connection_that_is_lost_now_and_then_is_back_at_once(world, credentials):
    """The pauses between attempts grow in one outage, not from one to the next."""
    with world.running({"listen.workers": 1}) as daemon:
        with daemon.client(credentials["alpha"]) as client:
            for _ in range(7):
                assert client.post(smallest_report()).status == 201
                away = len(daemon.log_lines("event=database-away"))
                daemon.postgres.kill_backends(daemon.database)
                began = time.monotonic()
                wait_until(lambda: len(daemon.log_lines("event=database-away")) > away, "it is lost")
                wait_until(lambda: daemon.admin("/readyz")[0] == 200, "it is back")
            assert time.monotonic() - began < 0.8 * PATIENCE


def test_partners_that_cannot_be_read_are_told_of(daemon, alpha):
    """A server that lets everybody in and refuses just this."""
    daemon.rows("REVOKE EXECUTE ON FUNCTION intake.registry() FROM intake_daemon")
    try:
        wait_until(
            lambda: "permission denied for function registry" in daemon.admin("/readyz")[1],
            "it is told",
        )
        # Who was known is served meanwhile.
        assert alpha.post(smallest_report()).status == 201
    finally:
        daemon.rows("GRANT EXECUTE ON FUNCTION intake.registry() TO intake_daemon")


def test_row_that_only_the_database_refuses_costs_no_neighbour(daemon, credentials):
    """500 unstorable for it, each time; 201 for those of the same batch."""
    daemon.rows("ALTER TABLE intake.report ADD CONSTRAINT poison CHECK (title <> 'poison')")
    poison = smallest_report(title="poison")
    reports = [usual_report() for _ in range(15)]
    reports.insert(7, poison)
    with daemon.locked_reports():
        posts = Posts(daemon, credentials["alpha"], reports)
        wait_until(lambda: waiting_backends(daemon), "a batch waits for the lock")
    answers = posts.wait()
    assert (answers[7].status, answers[7].problem) == (500, "unstorable")
    assert [answer.status for answer in answers].count(201) == len(reports) - 1
    assert count_of(daemon, poison) == 0
    with daemon.client(credentials["alpha"]) as client:
        assert client.post(poison).problem == "unstorable"
        assert client.get("/v1/whoami").status == 200
        lines = [smallest_report() for _ in range(9)]
        lines[3:3] = [poison]
        lines[7:7] = [{**poison, "report_id": "poison-2"}]
        whole = post_batch(client, lines, query="?atomic=true")
        expected = [(424, "batch-rolled-back")] * len(lines)
        expected[3] = expected[7] = (500, "unstorable")
        told = [(result.status, result.problem) for result in results_of(whole, status=500)]
        assert told == expected
        assert not any(count_of(daemon, report) for report in lines)
        daemon.rows("ALTER TABLE intake.report DROP CONSTRAINT poison")
        assert client.post(poison).status == 201


def test_batches_with_the_same_keys_in_opposite_order_never_deadlock(daemon, credentials):
    """Two pipelines a round, one forwards, one backwards; a third brings newer revisions."""
    for _ in range(15):
        reports = [smallest_report() for _ in range(24)]
        newer = [{**report, "revision": 2} for report in reversed(reports)]
        orders = [reports, reports[::-1], newer, newer[::-1]]
        connections = [daemon.raw_client(credentials["alpha"]) for _ in orders]
        try:
            for connection, order in zip(connections, orders):
                connection.send(
                    b"".join(request_bytes("POST", "/v1/reports", encode(r)) for r in order)
                )
            for connection, order in zip(connections, orders):
                for _ in order:
                    answer = connection.read_response()
                    is_superseded = answer.status == 409 and (
                        answer.problem == "revision-superseded"
                    )
                    assert answer.status in (200, 201) or is_superseded, answer
        finally:
            for connection in connections:
                connection.close()
    newest = daemon.value("SELECT count(*) FROM intake.report_key WHERE revision = 2")
    assert newest == 15 * 24


def test_deadlock_forced_from_outside_is_retried(daemon, credentials):
    """An administrator's transaction takes two keys in the wrong order and loses, or the batch
    does and is sent again: the client sees 201 either way."""
    first, second = smallest_report(report_id="D-1"), smallest_report(report_id="D-2")
    with daemon.client(credentials["alpha"]) as client:
        assert [client.post(r).status for r in (first, second)] == [201, 201]
    newer = [{**first, "revision": 2}, {**second, "revision": 2}]
    update = "UPDATE intake.report_key SET revision = revision WHERE report_id = %s"
    connection = daemon.postgres.connect(daemon.database)
    connection.autocommit = False
    try:
        with connection.cursor() as cursor:
            cursor.execute(update, ["D-2"])
            with daemon.raw_client(credentials["alpha"]) as raw:
                raw.send(b"".join(request_bytes("POST", "/v1/reports", encode(r)) for r in newer))
                wait_until(lambda: waiting_backends(daemon), "the batch waits for the second key")
                cursor.execute("SET deadlock_timeout = '1min'")
                try:
                    cursor.execute(update, ["D-1"])
                finally:
                    connection.rollback()
                assert [raw.read_response().status for _ in newer] == [201, 201]
    finally:
        connection.close()


UNSAFE = [("fsync", "off"), ("full_page_writes", "off"), ("synchronous_commit", "off")]


@pytest.fixture
def unsafe_cluster(world, request):
    """A setting of the cluster that makes a commit less than durable."""
    name, value = request.param
    world.postgres.query(ADMINISTRATOR, f"ALTER SYSTEM SET {name} = {value}")
    world.postgres.query(ADMINISTRATOR, "SELECT pg_reload_conf()")
    yield name
    world.postgres.query(ADMINISTRATOR, f"ALTER SYSTEM RESET {name}")
    world.postgres.query(ADMINISTRATOR, "SELECT pg_reload_conf()")


@pytest.mark.parametrize("unsafe_cluster", UNSAFE, indirect=True, ids=lambda pair: pair[0])
def test_database_without_durability_is_not_served_from(world, credentials, unsafe_cluster):
    daemon = world.daemon({"database.store_wait_ms": 500})
    daemon.add_partner("alpha")
    daemon.start(is_ready_expected=False)
    wait_until(
        lambda: daemon.process.poll() is not None or daemon.notify.has("READY=1"),
        "the daemon listens or has ended",
    )
    if daemon.process.poll() is None:
        status, reason = daemon.admin("/readyz")
        assert status == 503 and unsafe_cluster in reason, reason
        with daemon.client(credentials["alpha"]) as client:
            assert_unavailable(client.post(smallest_report()))
        daemon.stop()
    else:
        assert daemon.wait_for_exit() == 1
    assert daemon.log_lines(unsafe_cluster)


def test_operator_may_allow_less_than_durable_by_name(world, credentials):
    world.postgres.query(ADMINISTRATOR, "ALTER ROLE daemon SET synchronous_commit = off")
    try:
        with world.running({"database.allow_unsafe_durability": True}) as daemon:
            with daemon.client(credentials["alpha"]) as client:
                assert client.post(smallest_report()).status == 201
    finally:
        world.postgres.query(ADMINISTRATOR, "ALTER ROLE daemon RESET synchronous_commit")


def test_database_that_was_made_read_only_is_not_ready(world, credentials):
    """As some services do when a disk is nearly full; it is served from again by itself."""
    with world.running({"database.store_wait_ms": 500}) as daemon:
        made_read_only = f"ALTER DATABASE {daemon.database} SET default_transaction_read_only = on"
        world.postgres.query(ADMINISTRATOR, made_read_only)
        world.postgres.kill_backends(daemon.database)
        wait_until(
            lambda: "default_transaction_read_only" in daemon.admin("/readyz")[1], "it says why"
        )
        with daemon.client(credentials["alpha"]) as client:
            assert_unavailable(client.post(smallest_report()))
            assert daemon.admin("/readyz")[0] == 503
            checked = run_program("intaked", "-t", "-c", daemon.conf)
            assert checked.returncode == 1 and "default_transaction_read_only" in checked.stderr
            world.postgres.query(
                ADMINISTRATOR, made_read_only.replace("SET", "RESET").removesuffix(" = on")
            )
            wait_until(lambda: daemon.admin("/readyz")[0] == 200, "it is ready again", timeout=30)
            assert client.post(smallest_report()).status == 201


def test_reachable_database_without_the_schema_ends_the_start(world):
    world.postgres.query(ADMINISTRATOR, "CREATE DATABASE without_schema")
    daemon = world.daemon(database="without_schema")
    daemon.start(is_ready_expected=False)
    assert daemon.wait_for_exit() == 1
    assert not daemon.notify.lines or "READY=1" not in daemon.notify.lines


def test_schema_that_becomes_another_one_is_503_and_told_once(world, credentials):
    """Not the end of the daemon, as it would be at the start."""
    with world.running({"listen.workers": 1, "database.store_wait_ms": 500}) as daemon:

        def told():
            return len(daemon.log_lines("severity=error", "event=schema-wrong"))

        for times in (1, 2):
            daemon.rows("ALTER FUNCTION intake.schema_version() RENAME TO other_version")
            daemon.postgres.kill_backends(daemon.database)
            reason = "the database has not this version's schema (intakectl db migrate)"
            wait_until(lambda: reason in daemon.admin("/readyz")[1], "it says why")
            wait_until(lambda: told() == times, "it is an error in the log")
            with daemon.client(credentials["alpha"]) as client:
                # Long enough for further attempts.
                for _ in range(2):
                    assert_unavailable(client.post(smallest_report()))
                daemon.rows("ALTER FUNCTION intake.other_version() RENAME TO schema_version")
                wait_until(lambda: daemon.admin("/readyz")[0] == 200, "it is ready again")
                assert client.post(smallest_report()).status == 201
            assert told() == times


def test_user_without_the_daemons_rights_is_named(world):
    """By the check of the configuration and by /readyz."""
    daemon = world.daemon()
    connection = world.postgres.connection_string("analyst", daemon.database)
    daemon.configure({"database.connection": connection})
    expected = "the database's user analyst has not the rights of intake_daemon, expected a member"
    done = run_program("intaked", "-t", "-c", daemon.conf)
    assert done.returncode == 1
    assert expected in done.stderr, done.stderr
    daemon.start()
    wait_until(lambda: expected in daemon.admin("/readyz")[1], "it is told")
    daemon.stop()


@pytest.mark.parametrize(
    ("setting", "limit", "narrative"),
    [("max_queued_reports", 1, "Short."), ("max_queued_bytes", 65536, "Long. " * 2000)],
    ids=["reports", "bytes"],
)
def test_full_queue_is_503_and_not_a_wait(world, credentials, setting, limit, narrative):
    with world.running({f"database.{setting}": limit, "listen.workers": 1}) as daemon:
        reports = [smallest_report(narrative=narrative) for _ in range(12)]
        with daemon.locked_reports():
            posts = Posts(daemon, credentials["alpha"], reports)
            wait_until(lambda: any(posts.answers), "some are refused at once")
        statuses = [answer.status for answer in posts.wait()]
        assert set(statuses) == {201, 503}
        assert [count_of(daemon, r) for r in reports] == [int(s == 201) for s in statuses]


def test_suspension_holds_while_the_database_is_away(daemon, alpha, credentials):
    """The last known partners serve, and the last known suspension too."""
    daemon.suspend_partner("beta", credentials["beta"])
    with daemon.client(credentials["beta"]) as beta:
        daemon.postgres.stop()
        assert beta.get("/v1/whoami").problem == "partner-suspended"
        assert alpha.get("/v1/whoami").status == 200
        daemon.postgres.start()
        daemon.control("partner", "resume", "beta")
        wait_until(lambda: beta.get("/v1/whoami").status == 200, "beta is back", 10)
