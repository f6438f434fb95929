# SPDX-License-Identifier: Apache-2.0
"""Every way in which a report can be wrong, one report each, with pointer and code.

The oracle compares verdicts on thousands of reports; here each code makes its whole way from the
socket to the answer once.
"""

import gzip
import json
import re
from pathlib import Path

import pytest

from client import encode
from harness import ROOT, wait_until
from reports import smallest_report

AHEAD = "2199-01-01T00:00:00Z"


def indicator(kind, value, **members):
    return {"indicators": [{"type": kind, "value": value, "role": "source", **members}]}


ATTACHMENT = {"name": "a.txt", "media_type": "text/plain", "size": 1, "sha256": "0" * 64}
PROTECTED = {"category": "intimate-image-abuse", "tlp": "TLP:RED"}
TAXONOMY = {"id": "digital-solidarity-2024", "version": "1.0.0"}

# Changes to the smallest report, where the error is, its code.
CASES = [
    # Schema.
    ({"title": 7}, "/title", "type"),
    ({"times": {}}, "/times", "member-missing"),
    ({"colour": "red"}, "/colour", "member-unknown"),
    ({"category": "ransomwear"}, "/category", "value-unknown"),
    ({"title": ""}, "/title", "too-short"),
    ({"title": "x" * 201}, "/title", "too-long"),
    ({"title": "ü" * 200, "narrative": "ü" * 20001}, "/narrative", "too-long"),
    ({"action_areas": []}, "/action_areas", "too-few"),
    ({"additional_categories": ["spam", "phishing", "data-loss", "online-scam", "data-theft"]},
     "/additional_categories", "too-many"),
    ({"severity": {"level": -1}}, "/severity/level", "too-small"),
    ({"severity": {"level": 6}}, "/severity/level", "too-large"),
    ({"report_id": "-x"}, "/report_id", "format"),
    ({"action_areas": ["AA4", "AA4"]}, "/action_areas", "not-unique"),
    # Rule 1.
    ({"taxonomy": {**TAXONOMY, "id": "digital-solidarity-2025"}}, "/taxonomy/id", "taxonomy-id"),
    ({"taxonomy": {**TAXONOMY, "version": "2.0.0"}}, "/taxonomy/version", "taxonomy-version"),
    # Rule 2.
    ({"action_areas": ["AA1"]}, "/action_areas/0", "area-not-allowed"),
    ({"action_areas": ["AA4", "AA2"]}, "/action_areas/1", "area-not-allowed"),
    # Rule 3.
    ({"tlp": "TLP:CLEAR"}, "/tlp", "tlp-too-open"),
    (indicator("domain", "a.example", tlp="TLP:CLEAR"), "/indicators/0/tlp", "tlp-looser"),
    ({"attachments": [{**ATTACHMENT, "tlp": "TLP:CLEAR"}]}, "/attachments/0/tlp", "tlp-looser"),
    # Rule 4.
    ({**PROTECTED, "victims": [{"kind": "individual", "name": "N"}]},
     "/victims/0/name", "victim-named"),
    ({**PROTECTED, "attachments": [ATTACHMENT]}, "/attachments", "attachments-refused"),
    # Rule 5.
    ({"additional_categories": ["business-email-compromise"]},
     "/additional_categories/0", "category-repeated"),
    # Rule 6.
    ({"times": {"detected": "2026-02-30T00:00:00Z"}}, "/times/detected", "time-format"),
    ({"times": {"detected": "1969-12-31T23:59:59Z"}}, "/times/detected", "time-format"),
    ({"times": {"detected": "2026-11-20T10:15:00Z", "started": "2026-11-20T10:15:01Z"}},
     "/times/detected", "time-order"),
    ({"times": {"detected": AHEAD}}, "/times/detected", "time-future"),
    (indicator("domain", "a.example", first_seen="2026-11-02T00:00:00Z",
               last_seen="2026-11-01T00:00:00Z"), "/indicators/0/last_seen", "time-order"),
    # Rule 7.
    (indicator("ipv4", "192.0.2.256"), "/indicators/0/value", "indicator-value"),
    (indicator("domain", "pay[.]example"), "/indicators/0/value", "indicator-defanged"),
    (indicator("url", "hxxp://pay.example/"), "/indicators/0/value", "indicator-defanged"),
    # Rule 8.
    ({"category": "test-report", "exercise": False}, "/exercise", "exercise-expected"),
    # Rule 9.
    ({"title": "left\u202eright"}, "/title", "text-forbidden"),
    ({"narrative": "bell \u0007"}, "/narrative", "text-forbidden"),
    ({"title": "tab\there"}, "/title", "text-forbidden"),
    # Rule 10.
    ({"severity": {"level": 1.0}}, "/severity/level", "not-integer"),
    ({"extensions": {"x.example.org": {"n": 2**53}}}, "/extensions/x.example.org/n",
     "number-range"),
    # Rule 11.
    ({"extensions": {"x.example.org": "x" * 16384}}, "/extensions/x.example.org",
     "extension-too-large"),
]  # fmt: skip

WARNINGS = {
    "rsit-unusual", "address-special", "area-primary-missing", "element-repeated",
    "text-suspicious",
}  # fmt: skip
# They depend on the partner, and have their tests in test_reports.py.
OTHERWISE = {"reporter-not-yours"}


def test_cases_cover_every_error_code():
    table = (ROOT / "include" / "report" / "report_codes.h").read_text()
    codes = set(re.findall(r'^REPORT_CODE\(\w+, "([a-z-]+)"', table, re.MULTILINE))
    assert {code for _, _, code in CASES} == codes - WARNINGS - OTHERWISE


def test_every_problem_type_is_expected_by_some_test():
    table = (ROOT / "include" / "report" / "reject.h").read_text()
    problems = set(re.findall(r'X\([A-Z_]+, "([a-z-]+)"', table))
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert len(problems) > 15
    assert not {problem for problem in problems if f'"{problem}"' not in tests}


@pytest.mark.parametrize("changes, pointer, code", CASES)
def test_wrong_report_is_refused_at_the_place_with_the_code(alpha, changes, pointer, code):
    answer = alpha.post(smallest_report(**changes))
    assert (answer.status, answer.problem) == (422, "report-invalid"), answer
    assert answer.errors == [(pointer, code)], answer
    assert answer.json["errors"][0]["detail"]


WARNED_OF = [
    ({"rsit": ["abusive-content/spam"]}, "/rsit/0", "rsit-unusual"),
    (indicator("ipv6", "fe80::1"), "/indicators/0/value", "address-special"),
    ({"action_areas": ["AA3"]}, "/action_areas", "area-primary-missing"),
    ({"indicators": indicator("domain", "a.example")["indicators"] * 2}, "/indicators/1",
     "element-repeated"),
    (indicator("file-name", "invoice\u202efdp.exe"), "/indicators/0/value", "text-suspicious"),
]  # fmt: skip


@pytest.mark.parametrize("changes, pointer, code", WARNED_OF)
def test_unusual_report_is_taken_with_a_warning(alpha, changes, pointer, code):
    answer = alpha.post(smallest_report(**changes))
    assert answer.status == 201, answer
    warnings = [(warning["pointer"], warning["code"]) for warning in answer.json["warnings"]]
    assert warnings == [(pointer, code)]
    assert code in WARNINGS


def test_misspelt_code_is_answered_with_the_likely_one(alpha):
    error = alpha.post(smallest_report(category="ransomwear")).json["errors"][0]
    assert error["did_you_mean"] == "ransomware"
    assert "phishing" in error["allowed"]


def test_missing_member_is_named_and_its_object_pointed_to(alpha):
    report = smallest_report()
    del report["title"]
    error = alpha.post(report).json["errors"][0]
    assert (error["pointer"], error["member"]) == ("", "title")


def test_all_errors_come_at_once_in_document_order(alpha):
    """Sent members in the order they were sent, the missing member before them."""
    report = smallest_report(
        severity={"level": 9}, title="", tlp="TLP:PURPLE", times={"detected": "yesterday"}
    )
    del report["narrative"]
    assert [pointer for pointer, _ in alpha.post(report).errors] == [
        "", "/tlp", "/title", "/times/detected", "/severity/level",
    ]  # fmt: skip


def test_at_most_a_hundred_errors_are_listed(alpha):
    bad = {"type": "domain", "value": "UPPER.example", "role": "source"}
    for count in (100, 101):
        answer = alpha.post(smallest_report(indicators=[bad] * count))
        assert (answer.status, len(answer.errors)) == (422, 100)


def test_no_value_is_echoed(alpha):
    secret = "Kassandra-7731"
    report = smallest_report(
        category=secret, title=f"\u202e{secret}", reporter={"org": secret},
        times={"detected": secret}, **indicator("ipv4", secret),
    )  # fmt: skip
    answer = alpha.post(report)
    assert answer.status == 422
    assert secret.encode() not in answer.body


def nested(depth):
    """A report whose deepest value lies in depth arrays and objects."""
    inner = depth - 2
    value = "[" * inner + "]" * inner
    return encode(smallest_report(extensions={"x.example.org": 0})).replace(
        b'"x.example.org":0', f'"x.example.org":{value}'.encode()
    )


def with_values(count):
    """A report with count of { [ and , outside strings; empty lists fill an extension."""
    marker = b'"x.example.org":[]'
    body = encode(smallest_report(extensions={"x.example.org": []}))
    missing = count - sum(body.count(sign) for sign in (b"{", b"[", b","))
    assert b"," not in encode(smallest_report()["narrative"])
    return body.replace(marker, b'"x.example.org":[0' + b",0" * missing + b"]")


NOT_JSON = {
    "empty": b"",
    "cut off": encode(smallest_report())[:-1],
    "trailing bytes": encode(smallest_report()) + b"{}",
    "not an object's end": encode(smallest_report())[:-1] + b"]",
    "bad utf-8": encode(smallest_report(title="x")).replace(b'"x"', b'"\xff"'),
    "overlong utf-8": encode(smallest_report(title="x")).replace(b'"x"', b'"\xc0\xaf"'),
    "surrogate in utf-8": encode(smallest_report(title="x")).replace(b'"x"', b'"\xed\xa0\x80"'),
    "lone surrogate": encode(smallest_report(title="x")).replace(b'"x"', b'"\\ud800"'),
    "escaped nul": encode(smallest_report(title="x")).replace(b'"x"', b'"\\u0000"'),
    "raw nul": encode(smallest_report(title="x")).replace(b'"x"', b'"\x00"'),
    "byte order mark": b"\xef\xbb\xbf" + encode(smallest_report()),
    "member twice": encode(smallest_report())[:-1] + b',"title":"again"}',
    "member twice by escape": encode(smallest_report())[:-1] + b',"t\\u0069tle":"again"}',
    "member twice deep": encode(smallest_report(severity={"level": 1})).replace(
        b'{"level":1}', b'{"level":1,"level":1}'
    ),
    "NaN": encode(smallest_report(confidence=1)).replace(b'"confidence":1', b'"confidence":NaN'),
    "comment": b"/* */" + encode(smallest_report()),
    "too deep": nested(17),
    "too many values": with_values(32769),
}


@pytest.mark.parametrize("name", NOT_JSON)
def test_what_is_no_i_json_is_refused_and_the_connection_goes_on(alpha, name):
    answer = alpha.post(NOT_JSON[name])
    assert (answer.status, answer.problem) == (400, "json-invalid"), answer
    assert not answer.closes
    assert alpha.get("/v1/whoami").status == 200


def test_json_that_is_no_object_breaks_the_schema(alpha):
    answer = alpha.post(b"[]")
    assert (answer.status, answer.errors) == (422, [("", "type")])


@pytest.mark.parametrize(
    ("body", "limit"),
    [(nested(17), "16 levels of nesting"), (with_values(32769), "32768 values")],
    ids=["depth", "values"],
)
def test_one_past_a_limit_of_json_names_the_limit_and_the_place(alpha, body, limit):
    detail = alpha.post(body).json["detail"]
    assert re.fullmatch(rf".*at most {limit} are expected, near byte \d+", detail), detail


@pytest.mark.parametrize("body", [nested(16), with_values(32768)], ids=["depth", "values"])
def test_depth_and_values_at_the_limit_are_read(alpha, body):
    """They are judged by the rules: an extension of so many values is too large, but is JSON."""
    answer = alpha.post(body)
    too_large = ("/extensions/x.example.org", "extension-too-large")
    assert answer.status == 201 or answer.errors == [too_large], answer


def test_refused_report_leaves_nothing_stored(daemon, alpha):
    report = smallest_report(severity={"level": 6})
    assert alpha.post(report).status == 422
    assert alpha.get(f"/v1/reports/{report['report_id']}").status == 404
    count = daemon.value(
        "SELECT count(*) FROM intake.report WHERE report_id = %s", [report["report_id"]]
    )
    assert count == 0


def test_refused_key_may_be_used_again(alpha):
    report = smallest_report(severity={"level": 6})
    assert alpha.post(report).status == 422
    assert alpha.post({**report, "severity": {"level": 5}}).status == 201


def test_problem_is_json_with_a_length(alpha):
    answer = alpha.post(b"{")
    assert json.loads(answer.body)["type"] == "urn:intaked:problem:json-invalid"
    assert int(answer.headers["content-length"]) == len(answer.body)


def test_trace_of_what_was_not_judged_has_its_size(daemon, beta):
    """As declared where none of it was read, else as much as came."""
    # Each is on a connection of its own: a worker without the database keeps no traces.
    workers = daemon.settings["listen.workers"]
    wait_until(
        lambda: daemon.metrics()["intaked_database_connects_total"] >= workers, "all are connected"
    )
    large = b"x" * 1048577
    refused = [
        beta.request("POST", "/v1/reports", large, {"Expect": "100-continue"}),
        beta.post(b"{}", content_type="text/plain"),
        beta.post(gzip.compress(large), headers={"Content-Encoding": "gzip"}),
    ]
    assert [answer.status for answer in refused] == [413, 415, 413]

    def traces():
        return daemon.rows(
            "SELECT problem, sha256, size_bytes FROM intake.refusal"
            " WHERE partner_id = intake.partner_id('beta') ORDER BY refused_at"
        )

    assert wait_until(lambda: len(traces()) == 3 and traces(), "three traces", 5) == [
        ("body-too-large", None, len(large)),
        ("media-type", None, 2),
        ("body-too-large", None, len(gzip.compress(large))),
    ]
