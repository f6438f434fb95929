# SPDX-License-Identifier: Apache-2.0
"""The sample alert rules and the dashboard ask for metrics that there are, in words that Prometheus
understands."""

import json
import re
import shutil

import pytest
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from harness import ROOT
from promtool import promtool
from test_metrics import manual_metrics

RULES = ROOT / "config" / "alerts.yml"
RULES_TEST = ROOT / "tests" / "data" / "alerts.test.yml"
DASHBOARD = ROOT / "config" / "grafana-dashboard.json"
# What Prometheus itself adds to each series.
OWN_LABELS = {"instance", "job", "le", "__name__"}
LABEL = re.compile(r"\b(?:by|on|ignoring|without)\s*\(([^)]*)\)|([a-z_]+)\s*(?:=~|!~|!=|=)\s*\"")


def rules():
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard_panels():
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def dashboard_expressions():
    """As Grafana sends them, its variables filled in."""
    dashboard = json.loads(DASHBOARD.read_text())
    asked = [target["expr"] for panel in dashboard_panels() for target in panel["targets"]]
    asked += [annotation["expr"] for annotation in dashboard["annotations"]["list"]]
    return [text.replace("$__rate_interval", "5m").replace("$instance", ".*") for text in asked]


def expressions():
    return [rule["expr"] for rule in rules()] + dashboard_expressions()


@pytest.fixture(scope="module")
def series(daemon):
    """{name of a series: name of its metric in the manual}."""
    found = {}
    for family in text_string_to_metric_families(daemon.admin("/metrics")[1]):
        if family.type == "histogram":
            for suffix in ("_bucket", "_sum", "_count"):
                found[family.name + suffix] = family.name
        else:
            name = family.name + {"counter": "_total", "info": "_info"}.get(family.type, "")
            found[name] = name
    return found


def test_every_metric_asked_for_is_served(series):
    asked = {name for text in expressions() for name in re.findall(r"\bintaked_\w+", text)}
    assert len(asked) > 25
    assert asked - set(series) == set()


def test_every_label_asked_for_is_one_of_the_metrics_beside_it(series):
    listed = manual_metrics()
    for text in expressions():
        names = re.findall(r"\bintaked_\w+", text)
        known = {label for name in names for label in listed[series[name]][1]} | OWN_LABELS
        for group, single in LABEL.findall(text):
            labels = {label.strip() for label in (group or single).split(",") if label.strip()}
            assert labels <= known, text


def test_every_problem_and_reason_asked_for_exists():
    tables = "".join(
        (ROOT / "include" / path).read_text()
        for path in ("report/reject.h", "net/handshake_failure.h")
    )
    asked = [
        value
        for text in expressions()
        for values in re.findall(r'(?:problem|reason)=~?"([^"]*)"', text)
        for value in values.split("|")
    ]
    assert asked
    assert [value for value in asked if f'"{value}"' not in tables] == []


def test_what_a_rule_counts_from_the_first_is_there_before_it(daemon):
    """increase() does not see the first step of a series that begins with it."""
    page = daemon.admin("/metrics")[1]
    for name, label in (
        ("intaked_refusals_total", "problem"),
        ("intaked_handshake_failures_total", "reason"),
    ):
        served = set(re.findall(rf'^{name}\{{{label}="([^"]+)"\}} ', page, re.MULTILINE))
        asked = {
            value
            for text in expressions()
            for values in re.findall(rf'{name}\{{[^}}]*{label}=~?"([^"]*)"', text)
            for value in values.split("|")
        }
        assert asked and asked <= served


def test_promtool_takes_the_rules():
    assert f"SUCCESS: {len(rules())} rules found" in promtool("check", "rules", RULES)


def test_rules_fire_when_they_should_and_not_before(tmp_path):
    for path in (RULES, RULES_TEST):
        shutil.copy(path, tmp_path)
    assert "SUCCESS" in promtool("test", "rules", tmp_path / RULES_TEST.name)


def test_every_rule_says_how_urgent_it_is_and_what_to_do():
    for rule in rules():
        assert rule["labels"]["severity"] in ("page", "ticket"), rule["alert"]
        assert rule["annotations"]["summary"] and rule["annotations"]["description"]


def test_promtool_takes_the_expressions_of_the_dashboard(tmp_path):
    """Each as the rule of a recording."""
    recordings = [
        {"record": f"panel:{number}", "expr": text}
        for number, text in enumerate(dashboard_expressions())
    ]
    path = tmp_path / "dashboard.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recordings}]}))
    assert f"SUCCESS: {len(recordings)} rules found" in promtool("check", "rules", path)


def test_panels_have_places_of_their_own():
    panels = dashboard_panels()
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (place["x"] + right, place["y"] + down)
            for right in range(place["w"])
            for down in range(place["h"])
        }
        assert place["x"] + place["w"] <= 24, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells
