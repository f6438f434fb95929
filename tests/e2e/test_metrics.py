# SPDX-License-Identifier: Apache-2.0
"""/metrics is what Prometheus takes, and the manual lists all of it."""

import re

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from harness import ROOT, wait_until
from promtool import promtool
from reports import smallest_report

MANUAL = ROOT / "daemon" / "server" / "intaked.8"
ITEM = re.compile(r"\.It Ic (?P<name>\w+) Pq (?P<type>\w+)(?: , by Li (?P<labels>[a-z_ ,]+))?")
SUFFIXES = {"counter": "_total", "info": "_info"}


@pytest.fixture(scope="module")
def settings(world):
    crl = world.folder / "metrics.crl"
    world.authority.write_crl(crl)
    return {"tls.partner_crl": crl}


@pytest.fixture(scope="module")
def scrape(daemon, credentials):
    """The page of a daemon to which some of everything has happened."""
    with daemon.client(credentials["alpha"]) as client:
        report = smallest_report()
        assert [client.post(report).status for _ in range(2)] == [201, 200]
        assert client.post({**report, "title": "Another"}).status == 409
        assert client.post(smallest_report(severity={"level": 9})).status == 422
        warned = smallest_report(indicators=[{"type": "ipv4", "value": "192.0.2.1", "role": "source"}])
        assert client.post(warned).status == 201
        daemon.refusal_of(None)
        wait_until(
            lambda: any("handshake_failures" in name for name in daemon.metrics()),
            "a failed handshake",
        )
        yield daemon.admin("/metrics")[1]


@pytest.fixture
def families(scrape):
    return list(text_string_to_metric_families(scrape))


def test_another_reader_of_openmetrics_takes_it(families):
    assert len(families) > 30
    assert all(family.name.startswith("intaked_") for family in families)


def test_promtool_has_no_complaint(daemon, scrape):
    """Names, types, units and help, as its lint has them."""
    status, headers, text = daemon.admin_answer("/metrics", {"Accept": "text/plain"})
    assert status == 200
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "intaked_reports_stored_total 2" in text
    assert promtool("check", "metrics", text=text) == ""


@pytest.mark.parametrize(
    ("accept", "is_openmetrics"),
    [
        (None, True),
        ("*/*", True),
        ("text/html,application/xhtml+xml,*/*;q=0.8", True),
        ("text/plain", False),
        ("text/plain;version=0.0.4;q=1,*/*;q=0.1", False),
        # Prometheus 2.42's own.
        (
            "application/openmetrics-text;version=1.0.0,"
            "application/openmetrics-text;version=0.0.1;q=0.75,"
            "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            True,
        ),
    ],
)
def test_who_does_not_know_openmetrics_gets_the_older_format(daemon, accept, is_openmetrics):
    _, headers, text = daemon.admin_answer("/metrics", {"Accept": accept} if accept else None)
    assert headers["Content-Type"].startswith("application/openmetrics-text") == is_openmetrics
    assert text.endswith("\n# EOF\n") == is_openmetrics
    assert ("# TYPE intaked_build info\n" in text) == is_openmetrics


def manual_metrics():
    """{name: (type, labels, sentence)} of the section METRICS."""
    section = MANUAL.read_text().split("\n.Sh METRICS\n")[1].split("\n.Sh ")[0]
    listed = {}
    for piece in section.split("\n.It Ic ")[1:]:
        line, _, rest = f".It Ic {piece}".partition("\n")
        item = ITEM.fullmatch(line)
        assert item, line
        labels = tuple((item["labels"] or "").split(" , ")) if item["labels"] else ()
        assert item["name"] not in listed, line
        listed[item["name"]] = item["type"], labels, " ".join(rest.split("\n.El")[0].split())
    return listed


def served_metrics(families):
    """The same of a scrape. A bucket's bound is not a label of ours."""
    served = {}
    for family in families:
        labels = tuple(family.samples[0].labels) if family.samples else None
        labels = () if family.type == "histogram" else labels
        name = family.name + SUFFIXES.get(family.type, "")
        served[name] = family.type, labels, family.documentation
    return served


def test_the_manual_lists_every_metric_as_it_is(families):
    """With its type, its labels and its sentence, in the order of the page."""
    served = served_metrics(families)
    assert [name for name, (_, labels, _) in served.items() if labels is None] == []
    assert manual_metrics() == served
    assert list(manual_metrics()) == list(served)


def test_limits_are_those_in_force(world):
    """From the start, and after a reload."""
    settings = {
        "listen.workers": 3,
        "listen.max_connections": 123,
        "database.max_queued_reports": 45,
        "database.max_queued_bytes": 67890,
    }
    with world.running(settings) as daemon:
        expected = {
            "intaked_connections_limit": 123,
            "intaked_queue_limit_reports": 3 * 45,
            "intaked_queue_limit_bytes": 3 * 67890,
            "intaked_database_links": 4,
        }
        metrics = daemon.metrics()
        assert {name: metrics[name] for name in expected} == expected
        daemon.configure({"listen.max_connections": 234})
        assert daemon.ask("reload")["reloaded"]
        assert daemon.metrics()["intaked_connections_limit"] == 234
