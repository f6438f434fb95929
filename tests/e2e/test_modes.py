# SPDX-License-Identifier: Apache-2.0
"""Test mode and live mode: two records of one partner, and the operator's command between them."""

import time

import pytest

from harness import PATIENCE, wait_until
from reports import smallest_report, usual_report


@pytest.fixture(scope="module")
def settings():
    """The longest there is, so that what is in force sooner was noticed and not polled."""
    return {"database.registry_poll_ms": 5000}


def set_mode(daemon, client, mode):
    daemon.control("partner", "set", "gamma", "--mode", mode)
    wait_until(lambda: client.get("/v1/whoami").json["mode"] == mode, f"gamma is in {mode} mode", 5)


def seen_by_analysts(daemon, report):
    """Ids in either view: of the report, and of its indicators' reports."""
    return daemon.postgres.query(
        daemon.database,
        "SELECT r.id, count(i) FROM analysis.report AS r"
        " FULL JOIN analysis.indicator AS i ON i.report = r.id"
        " WHERE r.report_id = %s OR r.id IS NULL GROUP BY r.id",
        [report["report_id"]],
        user="analyst",
    )


def test_new_partner_is_in_test_mode_until_the_operator_says_live(daemon, gamma):
    """Its reports are stored and marked, and analysts see none; live, its ids are free again."""
    report = usual_report()
    path = f"/v1/reports/{report['report_id']}"
    assert gamma.get("/v1/whoami").json["mode"] == "test"
    as_test = gamma.post(report)
    assert (as_test.status, as_test.json["test"]) == (201, True)
    assert gamma.post(report).json == {**as_test.json, "status": "duplicate"}
    stored = daemon.rows("SELECT is_test FROM intake.report WHERE id = %s", [as_test.json["id"]])
    assert stored == [(True,)]
    assert seen_by_analysts(daemon, report) == []

    set_mode(daemon, gamma, "live")
    assert gamma.get(path).status == 404
    assert seen_by_analysts(daemon, report) == []
    as_live = gamma.post({**report, "title": "Another content under the same key"})
    assert (as_live.status, as_live.json["test"]) == (201, False)
    assert as_live.json["id"] != as_test.json["id"]
    assert seen_by_analysts(daemon, report) == [(as_live.json["id"], 5)]

    set_mode(daemon, gamma, "test")
    assert gamma.get(path).json == as_test.json
    assert gamma.post(report).json == {**as_test.json, "status": "duplicate"}
    assert seen_by_analysts(daemon, report) == [(as_live.json["id"], 5)]


def test_change_of_mode_is_noticed_and_not_waited_for(daemon, gamma):
    """Four changes in less than the time from one reading of the partners to the next."""
    began = time.monotonic()
    for mode in ("live", "test") * 2:
        set_mode(daemon, gamma, mode)
        answer = gamma.post(smallest_report())
        assert (answer.status, answer.json["test"]) == (201, mode == "test")
    assert time.monotonic() - began < 5 * PATIENCE


def test_partner_that_is_added_is_known(world, daemon):
    credential = world.authority.issue("delta")
    with daemon.client(credential) as client:
        assert client.get("/v1/whoami").problem == "partner-unknown"
    daemon.add_partner("delta")

    def is_known():
        with daemon.client(credential) as client:
            return client.get("/v1/whoami").status == 200

    wait_until(is_known, "it is served", 4)


def test_new_organisation_and_relay_are_in_force_without_a_reload(daemon, gamma):
    foreign = smallest_report(reporter={"org": "cert.elsewhere.example.org"})
    assert gamma.post(foreign).errors == [("/reporter/org", "reporter-not-yours")]
    daemon.control("partner", "set", "gamma", "--relay", "yes")
    wait_until(lambda: gamma.post(foreign).status in (200, 201), "it may relay", 5)
    daemon.control("partner", "set", "gamma", "--relay", "no", "--org", "cert.new.example.org")
    own = smallest_report(reporter={"org": "cert.new.example.org"})
    wait_until(lambda: gamma.post(smallest_report()).status == 422, "it may relay no more", 5)
    assert gamma.post(own).status in (200, 201)
    assert gamma.post(smallest_report()).errors == [("/reporter/org", "reporter-not-yours")]
