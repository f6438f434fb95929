# SPDX-License-Identifier: Apache-2.0
"""The database answers, but not as it should: what the store makes of each kind of trouble."""

import contextlib
import functools
import threading
import time

import pytest

from batches import post_batch, results_of
from harness import ADMINISTRATOR, wait_until
from reports import smallest_report, usual_report

STORE_WAIT_S = 0.5


@pytest.fixture(scope="module")
def settings():
    return {"database.store_wait_ms": int(STORE_WAIT_S * 1000)}


@pytest.fixture(autouse=True)
def is_ready(daemon):
    wait_until(lambda: daemon.admin("/readyz")[0] == 200, "the daemon is ready")


@pytest.fixture
def trouble(daemon):
    """Makes each new row of the record raise an error, at once or not before the commit. sqlstate may
    be an expression."""

    def make(sqlstate, condition="true", at_commit=False, table="report"):
        code = sqlstate if sqlstate.startswith("CASE") else f"'{sqlstate}'"
        daemon.rows(
            f"""
            CREATE FUNCTION intake.trouble() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF {condition} THEN RAISE EXCEPTION 'trouble' USING ERRCODE = {code}; END IF;
                RETURN NULL;
            END $$;
            CREATE CONSTRAINT TRIGGER trouble AFTER INSERT ON intake.{table}
                DEFERRABLE INITIALLY {"DEFERRED" if at_commit else "IMMEDIATE"}
                FOR EACH ROW EXECUTE FUNCTION intake.trouble()
            """
        )

    def end():
        daemon.rows("DROP FUNCTION IF EXISTS intake.trouble CASCADE")

    make.end = end
    yield make
    end()


def count_of(daemon, report, what="report"):
    """Of the report's revisions, or of its retractions."""
    joined = " JOIN intake.retraction AS t ON t.report = r.id" if what == "retraction" else ""
    return daemon.value(
        f"SELECT count(*) FROM intake.report AS r{joined} WHERE report_id = %s",
        [report["report_id"]],
    )


def id_of(daemon, report):
    return daemon.value(
        "SELECT id FROM intake.report WHERE report_id = %s", [report["report_id"]]
    )


def test_error_at_the_commit_is_no_receipt(daemon, alpha, trouble):
    """The call had succeeded; only then the transaction failed. The session is given up for it, and
    the next one is kept."""
    bad = smallest_report(title="bad at commit")
    trouble("23514", "NEW.title = 'bad at commit'", at_commit=True)
    assert alpha.post(bad).problem == "unstorable"
    assert alpha.post(smallest_report()).status == 201
    assert count_of(daemon, bad) == 0
    connects = daemon.status()["database"]["connects"]
    for _ in range(3):
        assert alpha.post(smallest_report()).status == 201
    assert daemon.status()["database"]["connects"] == connects


def test_error_at_the_commit_of_an_atomic_batch_spares_none_of_it(daemon, alpha, trouble):
    """Not even those reports that could be stored by themselves."""
    lines = [smallest_report() for _ in range(4)]
    lines[2]["title"] = "bad at commit"
    trouble("23514", "NEW.title = 'bad at commit'", at_commit=True)
    told = results_of(post_batch(alpha, lines, query="?atomic=true"), status=500)
    assert [result.problem for result in told] == ["unstorable"] * len(lines)
    assert not any(count_of(daemon, report) for report in lines)


def test_batch_goes_to_the_server_in_as_many_pieces_as_the_socket_takes(daemon, alpha):
    """Six megabytes, all of one statement."""
    lines = [smallest_report(narrative="x" * 20000) for _ in range(300)]
    resends = daemon.metrics()["intaked_commit_resends_total"]
    told = results_of(post_batch(alpha, lines, query="?atomic=true"), status=201)
    assert [result.status for result in told] == [201] * len(lines)
    assert daemon.metrics()["intaked_commit_resends_total"] == resends


@pytest.mark.parametrize("sqlstate", ["53100", "0A000", "42501", "XX000"])
def test_trouble_of_the_server_is_503_and_passes(daemon, alpha, trouble, sqlstate):
    """Disk full, a changed statement, a lost privilege, an internal error: no report's fault."""
    report = usual_report()
    trouble(sqlstate)
    assert alpha.post(report).problem == "unavailable"
    trouble.end()
    # Nobody sends anything meanwhile: readiness must not wait for somebody who waits for it.
    wait_until(lambda: daemon.admin("/readyz")[0] == 200, "the daemon is ready", timeout=5)
    assert alpha.post(report).status == 201
    assert count_of(daemon, report) == 1


@pytest.mark.parametrize("second", ["23514", "40001"])
def test_readiness_comes_back_whatever_became_of_the_report_it_hung_on(
    daemon, alpha, trouble, second
):
    """The server was in trouble, and the report that shows that it is over is itself refused, or not
    waited for any more."""
    daemon.rows("CREATE SEQUENCE intake.tries; GRANT USAGE ON intake.tries TO PUBLIC")
    try:
        trouble(f"CASE nextval('intake.tries') WHEN 1 THEN '53100' ELSE '{second}' END")
        expected = {"23514": "unstorable", "40001": "unavailable"}[second]
        assert alpha.post(usual_report()).problem == expected
        wait_until(lambda: daemon.admin("/readyz")[0] == 200, "the daemon is ready", timeout=5)
    finally:
        trouble.end()
        daemon.rows("DROP SEQUENCE intake.tries")


@pytest.mark.parametrize("sqlstate", ["40001", "40P01", "55P03"])
def test_collision_is_retried_without_a_word(daemon, alpha, trouble, sqlstate):
    report = usual_report()
    daemon.rows("CREATE SEQUENCE intake.tries; GRANT USAGE ON intake.tries TO PUBLIC")
    try:
        trouble(sqlstate, "nextval('intake.tries') < 3")
        assert alpha.post(report).status == 201
        assert daemon.value("SELECT last_value FROM intake.tries") == 3
    finally:
        trouble.end()
        daemon.rows("DROP SEQUENCE intake.tries")
    assert count_of(daemon, report) == 1


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes", "synchronous_commit"])
def test_durability_turned_off_under_a_session_is_noticed(daemon, alpha, setting):
    """It was on when the session began; a commit after the change would not be durable."""
    report, known = smallest_report(), smallest_report()
    assert alpha.post(known).status == 201
    daemon.postgres.query(ADMINISTRATOR, f"ALTER SYSTEM SET {setting} = off")
    try:
        daemon.postgres.query(ADMINISTRATOR, "SELECT pg_reload_conf()")
        wait_until(lambda: alpha.post(smallest_report()).status == 503, "it is noticed", timeout=5)
        assert alpha.post(report).problem == "unavailable"
        assert retract(alpha, known).problem == "unavailable"
        assert count_of(daemon, report) == count_of(daemon, known, "retraction") == 0
        wait_until(lambda: daemon.admin("/readyz")[0] == 503, "it is not ready", timeout=5)
    finally:
        daemon.postgres.query(ADMINISTRATOR, f"ALTER SYSTEM RESET {setting}")
        daemon.postgres.query(ADMINISTRATOR, "SELECT pg_reload_conf()")
    # 200 where the commit of one that was told 503 in between came too late for its answer.
    wait_until(lambda: alpha.post(report).status in (200, 201), "it serves again", timeout=10)


def slow(daemon, seconds, table="report"):
    """Each row takes so long."""
    daemon.rows(
        f"""
        CREATE OR REPLACE FUNCTION intake.slow() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_sleep({seconds}); RETURN NEW; END $$;
        CREATE TRIGGER slow BEFORE INSERT ON intake.{table}
            FOR EACH ROW EXECUTE FUNCTION intake.slow()
        """
    )


def test_batch_has_as_long_as_it_is_given(world, credentials):
    """A large one on a slow disk would else be begun again and again."""
    settings = {"database.batch_timeout_ms": 20000, "database.store_wait_ms": 20000}
    with world.running(settings) as daemon:
        slow(daemon, seconds=6)
        with daemon.client(credentials["alpha"]) as client:
            assert client.post(smallest_report()).status == 201
        assert daemon.metrics()["intaked_commit_resends_total"] == 0


def test_batch_has_as_long_as_it_is_given_from_a_reload_on(world, credentials):
    """Who sees a slow disk raises it then, and sessions are there already."""
    settings = {"database.batch_timeout_ms": 1000, "database.store_wait_ms": 20000}
    with world.running(settings) as daemon, daemon.client(credentials["alpha"]) as client:
        assert client.post(smallest_report()).status == 201
        slow(daemon, seconds=2)
        daemon.configure({"database.batch_timeout_ms": 20000})
        assert daemon.ask("reload")["reloaded"]
        assert client.post(smallest_report()).status == 201
        assert daemon.metrics()["intaked_commit_resends_total"] == 0
        assert not daemon.log_lines("event=database-away")


def test_link_that_is_never_idle_is_given_up_only_when_nothing_comes(world, credentials):
    """Behind a batch waits a retraction, behind that the next batch: each has its time for itself."""
    settings = {
        "database.batch_timeout_ms": 2000,
        "database.store_wait_ms": 20000,
        "listen.workers": 1,
    }
    with world.running(settings) as daemon:
        known = [smallest_report() for _ in range(3)]
        with daemon.client(credentials["alpha"]) as client:
            assert {client.post(report).status for report in known} == {201}
        for table in ("report", "retraction"):
            slow(daemon, seconds=0.7, table=table)
        answers = []

        def one_after_the_other(act):
            with daemon.client(credentials["alpha"], timeout=60) as client:
                answers.extend(act(client, report).status for report in known)

        acts = (lambda client, _: client.post(smallest_report()), retract)
        senders = [threading.Thread(target=one_after_the_other, args=[act]) for act in acts]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        assert answers == [201] * 6
        assert daemon.metrics()["intaked_commit_resends_total"] == 0
        assert not daemon.log_lines("event=database-away")


def test_reload_that_renews_sessions_leaves_what_is_in_flight(world, credentials):
    """It is answered on the session that it was sent on; only then the next one takes its place."""
    answers = []
    with world.running({"listen.workers": 1, "database.store_wait_ms": 20000}) as daemon:
        slow(daemon, seconds=1.5)

        def send():
            with daemon.client(credentials["alpha"], timeout=60) as client:
                answers.append(client.post(smallest_report()).status)

        def at_work(state="active"):
            query = (
                "SELECT pid FROM pg_stat_activity WHERE datname = %s AND usename = 'daemon'"
                " AND state = %s AND query LIKE '%%intake.store(%%'"
            )
            return world.postgres.query(ADMINISTRATOR, query, [daemon.database, state])

        sender = threading.Thread(target=send)
        sender.start()
        session = wait_until(at_work, "the report is being stored")
        daemon.configure({"database.batch_timeout_ms": 9000})
        assert daemon.ask("reload")["reloaded"]
        sender.join()
        assert answers == [201]
        assert daemon.metrics()["intaked_commit_resends_total"] == 0
        wait_until(lambda: at_work("idle") != session, "the session is another one")
        assert not daemon.log_lines("event=database-away")


@pytest.mark.parametrize("length", [None, 0])
def test_reports_stay_out_of_the_servers_log_as_the_manual_says(world, credentials, length):
    """Of a role without the setting they do not: else this would test nothing."""
    report = smallest_report(title=f"Not for any log: {length}")
    settings = ["ALTER ROLE daemon RESET log_parameter_max_length"]
    if length is not None:
        settings = [f"ALTER ROLE daemon SET log_parameter_max_length = {length}"]
    settings.append("ALTER ROLE daemon SET log_min_duration_statement = 0")
    for setting in settings:
        world.postgres.query(ADMINISTRATOR, setting)
    try:
        with world.running() as daemon, daemon.client(credentials["alpha"]) as client:
            assert client.post(report).status == 201
    finally:
        world.postgres.query(ADMINISTRATOR, "ALTER ROLE daemon RESET ALL")
    logged = world.postgres.log.read_text()
    assert "FROM intake.store(" in logged
    assert (report["title"] in logged) == (length is None)


def test_session_without_work_is_kept(world, credentials):
    """Whatever the server does with others that are idle: each end of one would look like an outage."""
    settings = {
        "listen.workers": 1,
        "database.registry_poll_ms": 500,
        "database.connect_timeout_ms": 1000,
        "database.batch_timeout_ms": 1000,
    }
    with world.running(settings) as daemon:
        connects = lambda: daemon.status()["database"]["connects"]
        with daemon.client(credentials["alpha"]) as client:
            assert client.post(smallest_report()).status == 201
        world.postgres.query(ADMINISTRATOR, "ALTER SYSTEM SET idle_session_timeout = '200ms'")
        try:
            world.postgres.query(ADMINISTRATOR, "SELECT pg_reload_conf()")
            deadline = time.monotonic() + 2
            while time.monotonic() < deadline:
                assert not daemon.log_lines("database-away")
                time.sleep(0.05)
            assert connects() == 1
            assert len(daemon.log_lines("event=registry-read")) == 1, "it has not changed"
        finally:
            world.postgres.query(ADMINISTRATOR, "ALTER SYSTEM RESET idle_session_timeout")
            world.postgres.query(ADMINISTRATOR, "SELECT pg_reload_conf()")


def test_look_up_survives_a_lost_connection(daemon, alpha):
    report = smallest_report()
    assert alpha.post(report).status == 201
    daemon.postgres.kill_backends(daemon.database)
    wait_until(
        lambda: alpha.get(f"/v1/reports/{report['report_id']}").status == 200, "found", timeout=5
    )


@contextlib.contextmanager
def without_standby(postgres):
    """Commits wait for a standby that does not come."""

    def name(standby):
        postgres.query(ADMINISTRATOR, f"ALTER SYSTEM SET synchronous_standby_names = '{standby}'")
        postgres.query(ADMINISTRATOR, "SELECT pg_reload_conf()")
        wait_until(
            lambda: postgres.value(ADMINISTRATOR, "SHOW synchronous_standby_names") == standby,
            "the server knows for whom it waits",
        )

    name("nobody")
    try:
        yield
    finally:
        name("")


def test_primary_that_lost_its_standby_tells_nothing(world, daemon, alpha):
    """Another may have been promoted and know more: neither is what it has a receipt, nor is what
    it has not a no."""
    known, unknown = smallest_report(), smallest_report()
    assert alpha.post(known).status == 201
    asks = [
        functools.partial(alpha.get, f"/v1/reports/{known['report_id']}"),
        functools.partial(alpha.get, f"/v1/reports/{unknown['report_id']}"),
        functools.partial(alpha.post, known),
        functools.partial(retract, alpha, unknown),
    ]
    with without_standby(world.postgres):
        for ask in asks:
            assert ask().problem == "unavailable"
    wait_until(lambda: asks[0]().status == 200, "it serves again", timeout=20)
    assert [ask().status for ask in asks] == [200, 404, 200, 404]


def test_sessions_that_wait_for_a_standby_do_not_pile_up(world, credentials):
    """Nothing but its end stops such a wait, not even that nobody is there for its answer: the server
    would run out of sessions, for analysts too, however long the standby stays away."""
    waiting = (
        "SELECT pid FROM pg_stat_activity WHERE datname = %s AND usename = 'daemon'"
        " AND wait_event = 'SyncRep'"
    )
    with world.running({"database.batch_timeout_ms": 1000, "listen.workers": 1}) as daemon:

        def waiters():
            found = world.postgres.query(ADMINISTRATOR, waiting, [daemon.database])
            return {pid for (pid,) in found}

        seen = set()

        def many_were_given_up():
            now = waiters()
            # Three links: the worker, the reader of partners, the housekeeping. Of each there may be the
            # session that ends and the one after it.
            assert len(now) <= 6
            seen.update(now)
            return len(seen) > 6

        with without_standby(world.postgres), daemon.client(credentials["alpha"]) as client:
            report = smallest_report()
            assert client.post(report).problem == "unavailable"
            wait_until(many_were_given_up, "connections were given up", timeout=30)
        wait_until(lambda: daemon.admin("/readyz")[0] == 200, "the daemon is ready", timeout=20)
        with daemon.client(credentials["alpha"]) as client:
            wait_until(lambda: client.post(report).status in (200, 201), "it serves again")
        assert count_of(daemon, report) == 1


@pytest.mark.parametrize("is_busy", [True, False])
def test_primary_without_its_standby_is_away_until_that_comes(world, credentials, is_busy):
    """It takes connections and answers nothing on them: to connect is not to be back."""
    with world.running({"database.batch_timeout_ms": 1000, "listen.workers": 1}) as daemon:

        def states():
            """What the log tells, and whether it is ready."""
            changes = [len(daemon.log_lines(f"event=database-{word}")) for word in ("away", "back")]
            return [*changes, daemon.admin("/readyz")[0]]

        with without_standby(world.postgres), daemon.client(credentials["alpha"]) as client:
            wait_until(lambda: states() == [1, 0, 503], "it is away")
            deadline = time.monotonic() + 3
            while time.monotonic() < deadline:
                if is_busy:
                    assert client.post(smallest_report()).problem == "unavailable"
                assert states() == [1, 0, 503]
                time.sleep(0.02)
        wait_until(lambda: states() == [1, 1, 200], "it is back")


def test_reports_that_wait_for_a_standby_are_told_as_such(world, credentials):
    """An operator would else look for a lock, or at the disk."""
    with world.running({"database.store_wait_ms": 500}) as daemon:
        with without_standby(world.postgres), daemon.client(credentials["alpha"]) as client:

            def is_told():
                assert client.post(smallest_report()).problem == "unavailable"
                return "a synchronous standby is away" in daemon.admin("/readyz")[1]

            wait_until(is_told, "it is told")
            assert len(daemon.log_lines("event=database-away", "a synchronous standby is away")) == 1


def test_partners_are_not_read_from_a_primary_that_lost_its_standby(world, daemon):
    """Who was suspended on the promoted one would go on being served."""
    asked = (
        "SELECT 1 FROM pg_stat_activity WHERE datname = %s AND wait_event = 'SyncRep'"
        " AND query LIKE '%%intake.registry()%%'"
    )
    cut_short = asked.replace("SELECT 1", "SELECT pg_cancel_backend(pid)")
    with without_standby(world.postgres):
        for query in (asked, cut_short):
            wait_until(
                lambda: world.postgres.query(  # pylint: disable=cell-var-from-loop
                    ADMINISTRATOR, query, [daemon.database]
                ),
                "the reader of partners waits",
            )
        told = "the standby has not confirmed what was read"
        wait_until(lambda: told in daemon.admin("/readyz")[1], "what it read is not taken")
    wait_until(lambda: daemon.admin("/readyz")[0] == 200, "the daemon is ready", timeout=20)


def test_settings_of_the_connection_are_added_to_the_daemons_own(world, credentials):
    """An operator who sets one thing must not lose all others, timeouts above all."""
    daemon = world.daemon({"database.allow_unsafe_durability": True})
    daemon.add_partner("alpha")
    options = "options='-c work_mem=5MB -c lock_timeout=3s'"
    daemon.configure({"database.connection": f"{daemon.settings['database.connection']} {options}"})
    daemon.rows(
        """
        CREATE TABLE intake.noted (name text, setting text);
        GRANT INSERT ON intake.noted TO PUBLIC;
        CREATE FUNCTION intake.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            INSERT INTO intake.noted SELECT s.name, s.setting FROM pg_settings AS s;
            INSERT INTO intake.noted
                SELECT 'unsafe', current_setting('intaked.allow_unsafe_durability', true);
            RETURN NEW;
        END $$;
        CREATE TRIGGER note BEFORE INSERT ON intake.report
            FOR EACH ROW EXECUTE FUNCTION intake.note()
        """
    )
    daemon.start()
    with daemon.client(credentials["alpha"]) as client:
        assert client.post(smallest_report()).status == 201
    found = dict(daemon.rows("SELECT name, setting FROM intake.noted"))
    assert (found["work_mem"], found["lock_timeout"]) == ("5120", "3000")
    assert (found["statement_timeout"], found["client_connection_check_interval"]) == ("5000", "2000")
    assert (found["plan_cache_mode"], found["unsafe"]) == ("force_generic_plan", "on")
    daemon.stop()


# What an administrator may have set for everybody, and what the daemon's sessions have all the same.
SETTINGS_FOR_ALL = {
    "client_min_messages": ("error", "warning"),
    "datestyle": ("German", "ISO, MDY"),
    "timezone": ("Asia/Tokyo", "UTC"),
    "bytea_output": ("escape", "hex"),
    "default_transaction_isolation": ("serializable", "read committed"),
    "search_path": ("public", "pg_catalog"),
    "plan_cache_mode": ("force_custom_plan", "force_generic_plan"),
    "enable_seqscan": ("on", "off"),
    "jit": ("on", "off"),
    "lock_timeout": ("1min", "2000"),
    "statement_timeout": ("1min", "5000"),
    "idle_session_timeout": ("1min", "0"),
    "idle_in_transaction_session_timeout": ("1min", "10000"),
}


def test_settings_for_everybody_are_not_the_daemons(world, credentials):
    """Functions that it calls fix some of them for themselves: what would be without that is asked."""
    with world.running() as daemon:
        for name, (value, _) in SETTINGS_FOR_ALL.items():
            daemon.rows(f"ALTER DATABASE {daemon.database} SET {name} = '{value}'")
        daemon.rows(
            """
            CREATE TABLE intake.noted AS SELECT name, reset_val FROM pg_settings LIMIT 0;
            GRANT INSERT ON intake.noted TO PUBLIC;
            CREATE FUNCTION intake.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                INSERT INTO intake.noted SELECT s.name, s.reset_val FROM pg_settings AS s;
                RETURN NEW;
            END $$;
            CREATE TRIGGER note BEFORE INSERT ON intake.report
                FOR EACH ROW EXECUTE FUNCTION intake.note()
            """
        )
        daemon.postgres.kill_backends(daemon.database)
        with daemon.client(credentials["alpha"]) as client:
            wait_until(lambda: client.post(smallest_report()).status == 201, "it serves again")
        noted = {name.lower(): value for name, value in daemon.rows("SELECT * FROM intake.noted")}
        found = {name: noted[name] for name in SETTINGS_FOR_ALL}
        assert found == {name: value for name, (_, value) in SETTINGS_FOR_ALL.items()}


def test_session_that_would_not_be_told_is_not_used(world):
    """Of a commit that its standby lacks only a warning tells."""
    daemon = world.daemon()
    daemon.add_partner("alpha")
    options = "options='-c client_min_messages=error'"
    daemon.configure({"database.connection": f"{daemon.settings['database.connection']} {options}"})
    daemon.start(is_ready_expected=False)
    wait_until(lambda: daemon.log_lines("client_min_messages"), "it says why")
    assert daemon.admin("/readyz")[0] == 503
    daemon.stop()


def test_other_warnings_are_no_doubt(daemon, alpha):
    """Whoever raises them: an extension, or a trigger of the operator."""
    daemon.rows(
        """
        CREATE FUNCTION intake.warn() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE WARNING 'of something else'; RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER warn AFTER INSERT ON intake.report
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION intake.warn()
        """
    )
    resends = daemon.metrics()["intaked_commit_resends_total"]
    try:
        assert alpha.post(smallest_report()).status == 201
        assert daemon.metrics()["intaked_commit_resends_total"] == resends
    finally:
        daemon.rows("DROP FUNCTION intake.warn CASCADE")


# What is there before, how it is sent, and the answer in the end. A refusal, too, is news.
NEWS = {
    "report": (False, lambda client, report: client.post(report), 201),
    "retraction": (True, lambda client, report: retract(client, report), 201),
    "retraction of nothing": (False, lambda client, report: retract(client, report), 404),
    "receipt": (True, lambda client, report: look_up(client, report), 200),
    "no receipt": (False, lambda client, report: look_up(client, report), 404),
}


@pytest.mark.parametrize("cut", ["pg_cancel_backend", "pg_terminate_backend"])
@pytest.mark.parametrize("what", NEWS)
def test_commit_that_missed_its_standby_is_not_acknowledged(world, credentials, what, cut):
    """Each time the wait for the standby is cut short, the commit is there, and its news in doubt:
    a warning, or a lost connection. What is sent again finds itself stored, and waits anew."""
    cut_short = (
        f"SELECT query_start, {cut}(pid) FROM pg_stat_activity WHERE datname = %s"
        " AND usename = 'daemon' AND wait_event = 'SyncRep' AND query_start > %s"
    )
    is_there, send, status = NEWS[what]
    report = usual_report()
    answers = []
    with world.running({"database.store_wait_ms": 20000, "listen.workers": 1}) as daemon:

        def ask():
            with daemon.client(credentials["alpha"], timeout=60) as client:
                answers.append(send(client, report))

        def counts():
            return [count_of(daemon, report, table) for table in ("report", "retraction")]

        if is_there:
            with daemon.client(credentials["alpha"]) as client:
                assert client.post(report).status == 201
        sender = threading.Thread(target=ask)
        with without_standby(world.postgres):
            sender.start()
            began = "-infinity"
            for _ in range(3):
                [(began, _)] = wait_until(
                    lambda: world.postgres.query(  # pylint: disable=cell-var-from-loop
                        ADMINISTRATOR, cut_short, [daemon.database, began]
                    ),
                    "the commit waits for the standby",
                )
            assert answers == []
            counts_before = counts()
        sender.join()
        assert answers[0].status == status
        assert counts() == counts_before
        assert max(counts()) <= 1
        if what in ("report", "retraction"):
            assert daemon.metrics()["intaked_commit_resends_total"] == 3


# --- retractions ---


def retract(client, report):
    return client.post({"revision": 1, "reason": "R"}, f"/v1/reports/{report['report_id']}/retraction")


def look_up(client, report):
    return client.get(f"/v1/reports/{report['report_id']}")


@pytest.fixture
def stored(alpha):
    report = smallest_report()
    assert alpha.post(report).status == 201
    return report


@pytest.mark.parametrize("sqlstate", ["53100", "55000", "XX000"])
def test_retraction_in_trouble_of_the_server_is_503_and_passes(
    daemon, alpha, trouble, stored, sqlstate
):
    trouble(sqlstate, table="retraction")
    assert retract(alpha, stored).problem == "unavailable"
    trouble.end()
    wait_until(lambda: daemon.admin("/readyz")[0] == 200, "the daemon is ready", timeout=5)
    assert retract(alpha, stored).status == 201


@pytest.mark.parametrize("sqlstate", ["40001", "40P01", "55P03"])
def test_retraction_that_collides_is_retried_without_a_word(
    daemon, alpha, trouble, stored, sqlstate
):
    daemon.rows("CREATE SEQUENCE intake.tries; GRANT USAGE ON intake.tries TO PUBLIC")
    try:
        trouble(sqlstate, "nextval('intake.tries') < 3", table="retraction")
        assert retract(alpha, stored).status == 201
        assert daemon.value("SELECT last_value FROM intake.tries") == 3
    finally:
        trouble.end()
        daemon.rows("DROP SEQUENCE intake.tries")


@pytest.mark.parametrize("at_commit", [False, True])
def test_retraction_that_the_database_refuses_costs_no_neighbour(
    daemon, alpha, trouble, stored, at_commit
):
    other = smallest_report()
    assert alpha.post(other).status == 201
    trouble("23514", f"NEW.report = '{id_of(daemon, stored)}'", at_commit, table="retraction")
    assert retract(alpha, stored).problem == "unstorable"
    assert retract(alpha, other).status == 201
    assert count_of(daemon, stored, "retraction") == 0
    trouble.end()
    assert retract(alpha, stored).status == 201
