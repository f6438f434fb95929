# SPDX-License-Identifier: Apache-2.0
"""/status.json and /history.json: what intakectl and the page show of a daemon."""

import calendar
import datetime
import json
import re
import socket
import ssl
import stat
import threading
import time
from contextlib import ExitStack, suppress

import jsonschema

from batches import join_lines, post_batch
from certificates import openssl
from harness import PATIENCE, run_program, wait_until
from reports import smallest_report

TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$"}
TIME_OR_NULL = {"oneOf": [TIME, {"type": "null"}]}
TEXT = {"type": "string", "minLength": 1}
TEXT_OR_NULL = {"oneOf": [TEXT, {"type": "null"}]}
COUNT = {"type": "integer", "minimum": 0}
REAL_OR_NULL = {"type": ["number", "null"], "minimum": 0}
SWITCH = {"type": "boolean"}


def members(**schemas):
    """An object of just these."""
    return {
        "type": "object",
        "properties": schemas,
        "required": sorted(schemas),
        "additionalProperties": False,
    }


def array_of(schema, most=None):
    return {"type": "array", "items": schema, **({"maxItems": most} if most else {})}


COUNTS_BY_NAME = {
    "type": "object",
    "propertyNames": {"pattern": "^[a-z][a-z_-]*$"},
    "additionalProperties": {"type": "integer", "minimum": 1},
}
STATUS = members(
    version={"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
    ready=SWITCH,
    reason=TEXT,
    started_at=TIME,
    now=TIME,
    workers=COUNT,
    taxonomy=TEXT,
    connections=members(
        open=COUNT, handshake=COUNT, idle=COUNT, request=COUNT, commit=COUNT, answer=COUNT
    ),
    rate=members(
        window_s=COUNT,
        reports_per_s=REAL_OR_NULL,
        refused_per_s=REAL_OR_NULL,
        commit_p50_ms=REAL_OR_NULL,
        commit_p99_ms=REAL_OR_NULL,
    ),
    reports=members(stored=COUNT, duplicate=COUNT, refused=COUNT, last_commit_at=TIME_OR_NULL),
    queue=members(reports=COUNT, limit=COUNT, bytes=COUNT, limit_bytes=COUNT),
    database=members(
        state={"enum": ["ready", "away", "unknown"]},
        links=COUNT,
        links_away=COUNT,
        away_since=TIME_OR_NULL,
        reason=TEXT_OR_NULL,
        connects=COUNT,
    ),
    certificates=members(
        server_expires_at=TIME, partner_ca_expires_at=TIME, crl_next_update_at=TIME_OR_NULL
    ),
    reload=members(
        taken=COUNT,
        refused=COUNT,
        last_at=TIME_OR_NULL,
        last_result={"enum": [None, "taken", "refused"]},
        faults=array_of(TEXT),
        needs_restart=array_of(TEXT),
    ),
    refusals=COUNTS_BY_NAME,
    handshake_failures=COUNTS_BY_NAME,
    partners=array_of(
        members(
            name=TEXT,
            mode={"enum": ["live", "test"]},
            is_suspended=SWITCH,
            stored=COUNT,
            duplicate=COUNT,
            refused=COUNT,
        ),
        100,
    ),
    partner_count=COUNT,
    latest_refusals=array_of(
        members(
            at=TIME,
            partner=TEXT_OR_NULL,
            path=TEXT,
            status={"type": "integer", "minimum": 400, "maximum": 599},
            problem=TEXT,
            codes=array_of(TEXT, 4),
            count={"type": "integer", "minimum": 1},
        ),
        50,
    ),
)


def seconds_of(text):
    """Of a time in the status, since 1970."""
    moment = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ")
    return calendar.timegm(moment.timetuple()) + moment.microsecond / 1e6


def partner_of(status, name):
    return next(partner for partner in status["partners"] if partner["name"] == name)


def test_every_member_of_the_status_is_there_and_no_other(daemon, alpha):
    """At rest and after some of everything."""
    jsonschema.validate(daemon.status(), STATUS)
    alpha.post(smallest_report())
    alpha.post(smallest_report(severity={"level": 9}))
    daemon.refusal_of(None)
    wait_until(lambda: daemon.status()["handshake_failures"], "a failed handshake")
    status = daemon.status()
    jsonschema.validate(status, STATUS)
    assert status["connections"]["open"] == sum(
        count for phase, count in status["connections"].items() if phase != "open"
    )
    assert status["workers"] == 2
    assert status["queue"]["limit"] == 2 * 4096
    assert status["queue"]["limit_bytes"] == 2 * 64 * 1024 * 1024
    assert abs(seconds_of(status["now"]) - time.time()) < 5 * PATIENCE
    assert seconds_of(status["started_at"]) <= seconds_of(status["now"])


def test_the_control_command_answers_the_same(daemon):
    assert stat.S_IMODE(daemon.settings["control.path"].stat().st_mode) == 0o660
    asked = daemon.ask("status")
    jsonschema.validate(asked, STATUS)
    assert asked["started_at"] == daemon.status()["started_at"]


def test_what_is_no_command_is_told(daemon):
    for line in ("", "status now", "statu", "statuss"):
        assert daemon.ask(line) == {"error": "there is no such command"}, line


def ask_in_pieces(daemon, *pieces):
    """Everything that comes on one connection of the control socket."""
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(str(daemon.settings["control.path"]))  # waits where the backlog is full
        control.settimeout(5)  # shorter than the ten seconds that a line may take
        with suppress(ConnectionError), control.makefile("rb") as answer:
            for piece in pieces:
                control.sendall(piece)
                time.sleep(0.05)
            return answer.read()
        return b""


def test_a_command_may_come_in_pieces_and_is_the_only_one(daemon):
    answer = ask_in_pieces(daemon, b"sta", b"tus", b"\nstatus\n")
    jsonschema.validate(json.loads(answer), STATUS)


def test_a_command_without_an_end_is_cut(daemon):
    assert ask_in_pieces(daemon, b"x" * 257) == b""


def test_who_keeps_the_control_socket_busy_keeps_others_out_no_longer_than_he_stays(daemon):
    with ExitStack() as crowd:
        for _ in range(40):
            one = crowd.enter_context(socket.socket(socket.AF_UNIX))
            one.connect(str(daemon.settings["control.path"]))
        assert ask_in_pieces(daemon, b"") == b"", "there is no room for one more"
    wait_until(lambda: ask_in_pieces(daemon, b"status\n"), "there is room again")


def test_reports_are_counted_as_a_whole_and_by_partner(daemon, alpha, beta):
    before = daemon.status()
    report = smallest_report()
    assert [alpha.post(report).status for _ in range(3)] == [201, 200, 200]
    began = time.time()
    assert beta.post(smallest_report()).status == 201
    assert alpha.post({**report, "title": "Another"}).status == 409
    status = daemon.status()
    changes = {
        name: status["reports"][name] - before["reports"][name]
        for name in ("stored", "duplicate", "refused")
    }
    assert changes == {"stored": 2, "duplicate": 2, "refused": 1}
    assert abs(seconds_of(status["reports"]["last_commit_at"]) - began) < 5 * PATIENCE
    alpha_before, alpha_now = partner_of(before, "alpha"), partner_of(status, "alpha")
    assert alpha_now["stored"] - alpha_before["stored"] == 1
    assert alpha_now["duplicate"] - alpha_before["duplicate"] == 2
    assert alpha_now["refused"] - alpha_before["refused"] == 1
    assert status["refusals"]["report-conflict"] >= 1


def test_the_last_commit_is_that_of_any_worker(daemon, credentials):
    for _ in range(10):
        began = time.time()
        with daemon.client(credentials["alpha"]) as client:
            assert client.post(smallest_report()).status == 201
        last = daemon.status()["reports"]["last_commit_at"]
        assert began - 0.05 < seconds_of(last) < time.time() + 0.05
        time.sleep(0.1)


def test_partners_come_by_volume(daemon, alpha):
    alpha.post(smallest_report())
    status = daemon.status()
    volumes = [row["stored"] + row["duplicate"] + row["refused"] for row in status["partners"]]
    assert volumes == sorted(volumes, reverse=True)
    assert status["partners"][0]["name"] == "alpha"
    assert status["partner_count"] == len(status["partners"]) == 3
    assert partner_of(status, "gamma")["mode"] == "test"
    assert partner_of(status, "beta")["mode"] == "live"


def test_partners_who_sent_the_same_come_by_name(world, credentials):
    """A refusal counts as much as a report. Who has no counters of his own has none of others."""
    with world.running(partners=("gamma", "beta", "alpha", "delta")) as daemon:
        names = lambda: [partner["name"] for partner in daemon.status()["partners"]]
        wait_until(lambda: names() == ["alpha", "beta", "delta", "gamma"], "they are known")
        with daemon.client(credentials["gamma"]) as client:
            assert client.post(smallest_report()).status == 201
        with daemon.client(credentials["beta"]) as client:
            for _ in range(2):
                assert client.post(smallest_report(severity={"level": 9})).status == 422
        assert names() == ["beta", "gamma", "alpha", "delta"]

        daemon.rows(
            """
            INSERT INTO intake.partner (id, name, organisations) OVERRIDING SYSTEM VALUE
                SELECT 70000 + n, 'far-' || n, '{a.example}' FROM generate_series(1, 100) AS n
            """
        )
        wait_until(lambda: daemon.status()["partner_count"] == 104, "they are known")
        with daemon.client(world.authority.issue("far-1")) as client:
            assert client.post(smallest_report(severity={"level": 9})).status == 422
        partners = daemon.status()["partners"]
        assert len(partners) == 100
        assert {p["refused"] for p in partners if p["name"].startswith("far-")} == {0}


def test_the_latest_refusals_say_who_where_and_why(daemon, alpha, beta):
    """Newest first; the same in a row is one entry."""
    alpha.post(smallest_report(severity={"level": 9}, colour="red"))
    for _ in range(3):
        beta.get("/v1/reports/never-heard-of")
    latest = daemon.status()["latest_refusals"]
    times = [seconds_of(refusal["at"]) for refusal in latest]
    assert times == sorted(times, reverse=True)
    first = latest[0]
    assert (first["partner"], first["path"]) == ("beta", "/v1/reports/{report_id}")
    assert (first["status"], first["problem"], first["codes"]) == (404, "not-found", [])
    invalid = next(refusal for refusal in latest if refusal["partner"] == "alpha")
    assert (invalid["status"], invalid["problem"]) == (422, "report-invalid")
    assert sorted(invalid["codes"]) == ["member-unknown", "too-large"]


def test_refusals_in_a_row_are_one_entry(daemon, gamma):
    """All of one connection, and so of one worker."""
    for _ in range(5):
        gamma.get("/v1/reports/never-heard-of")
    entry = next(one for one in daemon.status()["latest_refusals"] if one["partner"] == "gamma")
    assert entry["count"] == 5


def test_lines_of_a_batch_are_among_the_latest_refusals(daemon, beta):
    lines = [smallest_report(), smallest_report(category="nothing"), smallest_report()]
    post_batch(beta, join_lines(lines))
    newest = daemon.status()["latest_refusals"][0]
    assert (newest["partner"], newest["path"]) == ("beta", "/v1/reports")
    assert (newest["problem"], newest["codes"]) == ("report-invalid", ["value-unknown"])


def test_what_was_rolled_back_for_another_line_does_not_push_that_out(daemon, beta):
    lines = [smallest_report() for _ in range(60)] + [smallest_report(tlp="TLP:PINK")]
    post_batch(beta, join_lines(lines), query="?atomic=true")
    latest = daemon.status()["latest_refusals"]
    assert latest[0]["problem"] == "report-invalid"
    assert not [one for one in latest if one["problem"] == "batch-rolled-back"]


def test_the_list_of_refusals_has_an_end(daemon, alpha):
    for number in range(120):
        alpha.post(smallest_report(severity={"level": 9 if number % 2 else "high"}))
    assert len(daemon.status()["latest_refusals"]) == 50


def test_nothing_of_a_report_is_shown(daemon, alpha):
    secret = "Kassandra-4417"
    alpha.post(smallest_report(narrative=secret, report_id=secret, category=secret))
    alpha.get(f"/v1/reports/{secret}?{secret}")
    alpha.get(f"/{secret}")
    for path in ("/status.json", "/history.json", "/metrics"):
        assert secret not in daemon.admin(path)[1]


def test_a_suspended_partner_is_named(world, credentials):
    with world.running() as daemon:
        daemon.suspend_partner("alpha", credentials["alpha"])
        status = daemon.status()
        assert partner_of(status, "alpha")["is_suspended"]
        latest = status["latest_refusals"][0]
        assert (latest["partner"], latest["problem"]) == ("alpha", "partner-suspended")


def test_the_rate_is_there_before_a_minute_is_over(world, credentials):
    with world.running() as daemon:
        with daemon.client(credentials["alpha"]) as client:
            for _ in range(10):
                client.post(smallest_report())
            client.post(smallest_report(severity={"level": 9}))
            with daemon.locked_reports() as lock:
                unlock = threading.Timer(0.5, lock.rollback)
                unlock.start()
                assert client.post(smallest_report()).status == 201
                unlock.join()
        rate = wait_until(
            lambda: daemon.status()["rate"] if daemon.status()["rate"]["window_s"] else None,
            "a rate",
        )
        assert rate["window_s"] <= 60
        assert 0 < rate["refused_per_s"] < rate["reports_per_s"] <= 11
        assert 0 < rate["commit_p50_ms"] < 400 < rate["commit_p99_ms"]


def test_history_has_what_happened_in_steps(daemon, alpha):
    """The sum over its steps is the whole, since the daemon has run for less than an hour."""
    alpha.post(smallest_report())
    alpha.post(smallest_report(severity={"level": 9}))
    reports = daemon.status()["reports"]

    def is_in():
        history = daemon.history()
        return history if sum(history["stored"]) >= reports["stored"] else None

    history = wait_until(is_in, "a step with the last report", timeout=12)
    assert history["step_s"] == 5
    assert abs(seconds_of(history["end_at"]) - time.time()) < 8 * PATIENCE
    lengths = {len(values) for values in history.values() if isinstance(values, list)}
    assert len(lengths) == 1
    for name in ("stored", "duplicate", "refused"):
        assert sum(history[name]) == reports[name], name
    assert max(value for value in history["commit_p99_ms"] if value is not None) > 0
    assert max(history["connections"]) >= 1


def test_certificates_expire_when_they_say(world):
    crl = world.folder / "status.crl"
    world.authority.write_crl(crl, next_update_days=5)
    with world.running({"tls.partner_crl": crl}) as daemon:
        shown = daemon.status()["certificates"]
        for name, path in (
            ("server_expires_at", world.server_credential.certificate),
            ("partner_ca_expires_at", world.authority.certificate),
        ):
            said = openssl("x509", "-in", path, "-noout", "-enddate")
            text = said if isinstance(said, str) else said.decode()
            expected = ssl.cert_time_to_seconds(text.strip().partition("=")[2])
            assert seconds_of(shown[name]) == expected, name
        ahead = seconds_of(shown["crl_next_update_at"]) - time.time()
        assert abs(ahead - 5 * 86400) < 3600
        metrics = daemon.metrics()
        for name, member in (
            ("certificate", "server_expires_at"),
            ("partner_ca", "partner_ca_expires_at"),
            ("crl", "crl_next_update_at"),
        ):
            value = metrics[f"intaked_tls_{name}_expiry_timestamp_seconds"]
            assert value == seconds_of(shown[member])


def test_reloads_are_told_with_their_faults(world):
    with world.running() as daemon:
        assert daemon.status()["reload"]["last_result"] is None
        good = daemon.conf.read_text()
        daemon.conf.write_text(good + 'log {\n\tlevel = "no \\"such\\" level"\n}\n')
        daemon.ask("reload")
        status = daemon.status()
        jsonschema.validate(status, STATUS)
        reload = status["reload"]
        assert (reload["taken"], reload["refused"], reload["last_result"]) == (0, 1, "refused")
        assert re.search(r"intaked\.conf:\d+: ", reload["faults"][0])
        assert abs(seconds_of(reload["last_at"]) - time.time()) < 5 * PATIENCE
        daemon.configure({"listen.backlog": 77})
        daemon.ask("reload")
        reload = daemon.status()["reload"]
        assert (reload["taken"], reload["refused"], reload["last_result"]) == (1, 1, "taken")
        assert (reload["faults"], reload["needs_restart"]) == ([], ["listen.backlog"])


def last_told(daemon):
    """What systemctl status shows."""
    return [line for line in daemon.notify.read() if line.startswith("STATUS=")][-1]


def test_a_database_that_is_away_is_told_with_since_when_and_why(world, credentials):
    with world.running() as daemon:
        before = daemon.status()["database"]
        assert (before["state"], before["links"], before["links_away"]) == ("ready", 3, 0)
        assert before["away_since"] is before["reason"] is None
        began = time.time()
        daemon.postgres.stop()
        try:
            # Its own links and the reader's: each says so when it has tried.
            wait_until(lambda: daemon.status()["database"]["links_away"] == 3, "all are away")
            status = daemon.status()
            jsonschema.validate(status, STATUS)
            assert (status["ready"], status["reason"]) == (False, "the database is away")
            database = status["database"]
            assert database["state"] == "away"
            assert began - 1 < seconds_of(database["away_since"]) < time.time() + 1
            assert database["reason"]
            assert daemon.metrics()["intaked_ready"] == 0
            away = "STATUS=the database is away, answering 503"
            wait_until(lambda: last_told(daemon) == away, "systemd is told")
        finally:
            daemon.postgres.start()
        wait_until(lambda: daemon.status()["database"]["state"] == "ready", "it is back")
        wait_until(lambda: last_told(daemon) == "STATUS=serving", "systemd is told")
        database = daemon.status()["database"]
        assert database["connects"] > before["connects"]
        assert database["reason"] is None


def test_a_daemon_without_a_database_has_a_status(world):
    """From its first moment, before partners were read."""
    daemon = world.daemon({"database.connection": "host=/nonexistent dbname=none user=daemon"})
    daemon.start()
    try:
        status = daemon.status()
        jsonschema.validate(status, STATUS)
        assert status["database"]["state"] == "away"
        assert (status["partner_count"], status["partners"]) == (0, [])
        assert status["rate"]["commit_p50_ms"] is None
    finally:
        daemon.stop()


def test_readers_of_the_status_do_not_disturb_writers(daemon, credentials):
    """Under the thread sanitizer this is where a race would show."""
    with daemon.client(credentials["alpha"]) as one, daemon.client(credentials["beta"]) as two:
        for number in range(40):
            for client in (one, two):
                client.post(smallest_report(severity={"level": 9 if number % 2 else "high"}))
            jsonschema.validate(daemon.status(), STATUS)


def test_intakectl_shows_it(daemon):
    done = run_program("intakectl", "-c", daemon.conf, "status")
    assert done.returncode == 0, done.stderr
