# SPDX-License-Identifier: Apache-2.0
"""What one partner may take: rates with a burst, reports in flight, connections; and 429."""

import json
import math
import time
from contextlib import ExitStack

import pytest

from batches import join_lines, post_gzip
from client import encode, request_bytes
from harness import wait_until
from reports import smallest_report, usual_report

WHOAMI = request_bytes("GET", "/v1/whoami")
NONE = {
    "quota.reports_per_s": 0, "quota.bytes_per_s": 0, "quota.reports_in_flight": 0,
    "quota.refusal_delay_ms": 0,
}  # fmt: skip


@pytest.fixture(scope="module")
def settings():
    """No limit but those that a partner's row sets."""
    return NONE


@pytest.fixture
def limited(daemon, world):
    """Makes a partner of its own with quotas of its own, and gives its credential."""
    count = 0

    def make(**quotas):
        nonlocal count
        count += 1
        name = f"limited-{time.monotonic_ns()}-{count}"
        options = [
            word for key, value in quotas.items() for word in ("--quota", f"{key}={value}")
        ]
        daemon.control("partner", "add", name, "--org", "cert.example.org", "--live", *options)
        credential = world.authority.issue(name)

        def is_known():
            with daemon.client(credential) as client:
                return client.get("/v1/whoami").status == 200

        wait_until(is_known, "the partner is known")
        return credential

    return make


def post_batch(client, reports, path="/v1/reports"):
    body = b"\n".join(encode(report) for report in reports)
    answer = client.request("POST", path, body, content_type="application/x-ndjson")
    assert answer.status == 200
    return [json.loads(line) for line in answer.body.splitlines()]


def test_burst_is_taken_and_one_more_is_told_when(daemon, limited):
    """A rate of one in a hundred seconds: time plays no part."""
    credential = limited(reports_per_s=1, reports_burst=3)
    with daemon.client(credential) as client:
        for _ in range(3):
            assert client.post(smallest_report()).status == 201
        refused = client.post(smallest_report())
        assert (refused.status, refused.problem) == (429, "quota")
        assert int(refused.headers["retry-after"]) == 1
        assert not refused.closes
        time_to_wait = int(refused.headers["retry-after"])
        deadline = time.monotonic() + time_to_wait
        wait_until(lambda: time.monotonic() >= deadline, "the time that was told has passed")
        assert client.post(smallest_report()).status == 201


def test_refused_by_quota_leaves_no_row_and_the_repeat_is_stored(daemon, limited):
    credential = limited(reports_per_s=1, reports_burst=1)
    report = smallest_report()
    with daemon.client(credential) as client:
        assert client.post(smallest_report()).status == 201
        assert client.post(report).status == 429
        count = "SELECT count(*) FROM intake.report WHERE report_id = %s"
        assert daemon.value(count, [report["report_id"]]) == 0
        wait_until(lambda: client.post(report).status == 201, "the quota has come back")


def test_bytes_are_counted_and_a_large_report_is_not_shut_out(daemon, limited):
    """One larger than the burst passes when the bucket is full, and leaves it in debt."""
    credential = limited(bytes_per_s=1000, bytes_burst=1000)
    with daemon.client(credential) as client:
        large = encode(usual_report())
        assert len(large) > 1000
        assert client.post(large).status == 201
        refused = client.post(smallest_report())
        assert refused.problem == "quota"
        assert 1 <= int(refused.headers["retry-after"]) <= math.ceil(2 * len(large) / 1000)


def test_bytes_of_a_chunked_body_are_counted_too(daemon, limited):
    credential = limited(bytes_per_s=1000, bytes_burst=1000)
    body = encode(usual_report())
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    head = request_bytes(
        "POST", "/v1/reports",
        headers={"Content-Type": "application/json", "Transfer-Encoding": "chunked"},
    )  # fmt: skip
    with daemon.raw_client(credential) as raw:
        assert raw.exchange(head + chunked).status == 201
        assert raw.exchange(head + chunked).problem == "quota"


def test_bytes_of_a_gzip_body_are_counted_as_unzipped(daemon, limited):
    credential = limited(bytes_per_s=1, bytes_burst=25000)
    large = lambda size: encode(smallest_report(narrative="a" * size))
    with daemon.client(credential) as client:
        answers = [post_gzip(client, large(18000), content_type="application/json") for _ in range(2)]
        assert [answer.status for answer in answers] == [201, 429]
    credential = limited(bytes_per_s=1, bytes_burst=1000)
    with daemon.client(credential) as client:
        # More than the burst passes, and the next one waits for all of it.
        assert post_gzip(client, large(18000), content_type="application/json").status == 201
        assert client.post(smallest_report()).status == 429


def test_client_that_waits_for_our_word_is_refused_before_its_body(daemon, limited):
    credential = limited(reports_per_s=1, reports_burst=1)
    with daemon.raw_client(credential) as raw:
        assert raw.exchange(request_bytes("POST", "/v1/reports", encode(smallest_report()))).status == 201
        head = request_bytes(
            "POST", "/v1/reports",
            headers={"Content-Type": "application/json", "Content-Length": "1000",
                     "Expect": "100-continue"},
        )  # fmt: skip
        answer = raw.exchange(head)
        assert (answer.problem, answer.closes) == ("quota", True)


def test_lines_of_a_batch_are_refused_one_by_one(daemon, limited):
    credential = limited(reports_per_s=1, reports_burst=5)
    with daemon.client(credential) as client:
        results = post_batch(client, [smallest_report() for _ in range(8)])
    assert [result["status"] for result in results] == [201] * 5 + [429] * 3
    for result in results[5:]:
        assert result["problem"]["type"] == "urn:intaked:problem:quota"
        assert result["retry_after"] >= 1


def test_atomic_batch_over_quota_costs_nothing_and_passes_when_told(daemon, limited):
    credential = limited(reports_per_s=1, reports_burst=20)
    with daemon.client(credential) as client:
        for _ in range(5):
            assert client.post(smallest_report()).status == 201
        body = join_lines(smallest_report() for _ in range(19))
        options = {"content_type": "application/x-ndjson"}
        refused = client.post(body, "/v1/reports?atomic=true", **options)
        assert refused.status == 429
        assert client.get("/v1/whoami").json["quota"]["reports"]["left"] >= 15
        time_to_wait = int(refused.headers["retry-after"])
        assert 1 <= time_to_wait <= 4
        deadline = time.monotonic() + time_to_wait
        wait_until(lambda: time.monotonic() >= deadline, "the time that was told has passed")
        assert client.post(body, "/v1/reports?atomic=true", **options).status == 201


@pytest.mark.parametrize(
    "quotas, problem",
    [
        ({"reports_per_s": 1, "reports_burst": 20}, "too-many-reports"),
        ({"bytes_per_s": 1, "bytes_burst": 5000}, "body-too-large"),
    ],
)
def test_atomic_batch_over_the_burst_is_refused_for_good(daemon, limited, quotas, problem):
    with daemon.client(limited(**quotas)) as client:
        body = join_lines(smallest_report() for _ in range(21))
        options = {"content_type": "application/x-ndjson"}
        refused = client.post(body, "/v1/reports?atomic=true", **options)
        assert (refused.status, refused.problem) == (413, problem)
        assert "burst" in refused.json["detail"]
        # It has cost nothing: in parts it passes.
        assert client.post(smallest_report()).status == 201


def test_atomic_batch_of_the_whole_burst_passes(daemon, limited):
    with daemon.client(limited(reports_per_s=1, reports_burst=20)) as client:
        body = join_lines(smallest_report() for _ in range(20))
        options = {"content_type": "application/x-ndjson"}
        assert client.post(body, "/v1/reports?atomic=true", **options).status == 201


def test_dry_run_is_not_counted_as_reports(daemon, limited):
    credential = limited(reports_per_s=1, reports_burst=1)
    with daemon.client(credential) as client:
        for _ in range(3):
            assert client.post(smallest_report(), "/v1/reports/validate").status == 200
        results = post_batch(client, [smallest_report()] * 3, "/v1/reports/validate")
        assert [result["status"] for result in results] == [200] * 3
        assert client.post(smallest_report()).status == 201
        assert client.post(smallest_report()).status == 429


def test_reports_in_flight_are_limited_at_the_limit_and_not_before(daemon, limited):
    """While nothing can be committed two wait, the third is told to come again."""
    credential = limited(reports_in_flight=2)
    with ExitStack() as open_now:
        lock = open_now.enter_context(daemon.locked_reports())
        waiting = [open_now.enter_context(daemon.raw_client(credential)) for _ in range(2)]
        for raw in waiting:
            raw.send(request_bytes("POST", "/v1/reports", encode(smallest_report())))
        name = 'intaked_connections{state="commit"}'
        wait_until(lambda: daemon.metrics()[name] == 2, "two wait for their commit")
        with daemon.client(credential) as client:
            assert client.post(smallest_report()).problem == "quota"
            lock.rollback()
            assert [raw.read_response().status for raw in waiting] == [201, 201]
            assert client.post(smallest_report()).status == 201


def test_batch_with_few_in_flight_waits_for_itself(daemon, limited):
    credential = limited(reports_in_flight=2)
    with daemon.client(credential) as client:
        results = post_batch(client, [smallest_report() for _ in range(50)])
        assert [result["status"] for result in results] == [201] * 50
        left = client.get("/v1/whoami").json["quota"]["reports_in_flight"]
        assert left == {"limit": 2, "left": 2}


def test_whoami_and_metrics_tell_what_is_left(daemon, limited):
    credential = limited(connections=7, reports_per_s=1, reports_burst=100)
    with daemon.client(credential) as client:
        for _ in range(10):
            assert client.post(smallest_report()).status == 201
        whoami = client.get("/v1/whoami").json
        quota = whoami["quota"]
        assert quota["connections"] == {"limit": 7, "left": 6}
        assert quota["reports"]["per_s"] == 1 and quota["reports"]["burst"] == 100
        assert 90 <= quota["reports"]["left"] <= 95
        assert quota["bytes"] == {"per_s": None, "burst": None, "left": None}
        name = 'intaked_partner_quota_left{partner="%s",resource="reports"}' % whoami["partner"]
        assert 90 <= daemon.metrics()[name] <= 100


def test_changed_quota_is_in_force_without_a_reload(daemon, limited):
    credential = limited(reports_per_s=1, reports_burst=1)
    with daemon.client(credential) as client:
        partner = client.get("/v1/whoami").json["partner"]
        assert client.post(smallest_report()).status == 201
        assert client.post(smallest_report()).status == 429
        daemon.control("partner", "set", partner, "--quota", "reports_per_s=none")
        wait_until(
            lambda: client.get("/v1/whoami").json["quota"]["reports"]["per_s"] is None,
            "the new quota is in force", 5,
        )  # fmt: skip
        for _ in range(5):
            assert client.post(smallest_report()).status == 201


def test_refusal_is_held_back_for_the_time_that_is_set(world, credentials):
    settings = {**NONE, "quota.reports_per_s": 1, "quota.reports_burst": 1,
                "quota.refusal_delay_ms": 700}  # fmt: skip
    with world.running(settings) as daemon, daemon.client(credentials["alpha"]) as client:
        assert client.post(smallest_report()).status == 201
        began = time.monotonic()
        assert client.post(smallest_report()).status == 429
        assert time.monotonic() - began >= 0.7


def test_one_of_many_workers_does_not_grant_more(world, credentials):
    """The quota is the process's: eight connections over four workers share it."""
    settings = {**NONE, "listen.workers": 4, "quota.reports_per_s": 1, "quota.reports_burst": 20}
    with world.running(settings) as daemon:
        clients = [daemon.client(credentials["alpha"]) for _ in range(8)]
        try:
            began = time.monotonic()
            statuses = [client.post(smallest_report()).status for client in clients * 5]
            passed = math.ceil(time.monotonic() - began)
        finally:
            for client in clients:
                client.close()
        assert 20 <= statuses.count(201) <= 20 + passed
        assert statuses.count(201) + statuses.count(429) == 40


def test_report_of_another_partner_does_not_wait_behind_a_queue(world, credentials):
    """Hundreds of one partner wait when another sends one: it is among the first to be stored."""
    settings = {**NONE, "listen.workers": 1, "database.store_wait_ms": 30000}
    with world.running(settings, partners=("alpha", "beta")) as daemon:
        with daemon.locked_reports() as lock:
            with daemon.raw_client(credentials["alpha"]) as noisy:
                body = b"\n".join(encode(smallest_report()) for _ in range(1000))
                noisy.send(request_bytes(
                    "POST", "/v1/reports", body, content_type="application/x-ndjson"))  # fmt: skip
                name = "intaked_queue_reports"
                wait_until(lambda: daemon.metrics()[name] >= 900, "the queue is long")
                report = smallest_report()
                with daemon.raw_client(credentials["beta"]) as quiet:
                    quiet.send(request_bytes("POST", "/v1/reports", encode(report)))
                    waiting = 'intaked_connections{state="commit"}'
                    wait_until(lambda: daemon.metrics()[waiting] == 1, "it waits too")
                    lock.rollback()
                    assert quiet.read_response().status == 201
                assert noisy.read_response().status == 200
            place = daemon.value(
                "SELECT count(*) FROM intake.report AS other, intake.report AS mine"
                " WHERE mine.report_id = %s AND other.xmin::text::bigint < mine.xmin::text::bigint",
                [report["report_id"]],
            )
            # The transaction in flight when it came, 256 at most, and one that was shared.
            assert place <= 256 + 64
