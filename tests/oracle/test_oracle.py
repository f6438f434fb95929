# SPDX-License-Identifier: Apache-2.0
"""The daemon's checker and the oracle agree on every mutated report: verdict, pointers, codes.

INTAKED_LONG=1 makes it 100,000 of them instead of 5,500.
"""

import json
import os
import pathlib
import random
import subprocess

import oracle
from mutate import Mutator

ROOT = pathlib.Path(__file__).parent.parent.parent
BUILD = pathlib.Path(os.environ.get("INTAKED_BUILD", ROOT / "build"))
NOW_US = oracle.read_time("2026-11-20T12:00:00Z")
MINIMAL = {
    "schema": "intaked-report/1",
    "taxonomy": {"id": "digital-solidarity-2024", "version": "1.0.0"},
    "report_id": "2026-000001",
    "reporter": {"org": "cert.example.org"},
    "tlp": "TLP:GREEN",
    "category": "business-email-compromise",
    "action_areas": ["AA4"],
    "title": "Supplier payment diverted",
    "narrative": "An invoice was altered and paid to a false account.",
    "times": {"detected": "2026-11-20T10:15:00Z"},
    "severity": {"level": 1},
}
IS_LONG = os.environ.get("INTAKED_LONG") == "1"
OF_MINIMAL = 40_000 if IS_LONG else 4_000
OF_EACH_EXAMPLE = 20_000 if IS_LONG else 500
PORTION = 500
# Not judged by the oracle, which knows no registry of addresses.
UNKNOWN_WARNINGS = {"address-special"}


def examples():
    names = sorted((ROOT / "tests" / "data" / "examples").glob("*.json"))
    return [json.loads(name.read_text()) for name in names]


def judge_by_daemon(bodies, organisations=()):
    program = BUILD / "tests" / "report_judge"
    stdin = b"".join(b"%d\n%s" % (len(body), body) for body in bodies)
    done = subprocess.run([program, ROOT / "config" / "taxonomy.json", str(NOW_US), *organisations],
                          input=stdin, stdout=subprocess.PIPE, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == len(bodies)
    return lines


def pairs(findings):
    return {(finding["pointer"], finding["code"]) for finding in findings}


def disagreement(body, daemon, organisations=()):
    """What the two say differently of one body, or None."""
    expected = oracle.judge(body, NOW_US, organisations)
    errors, warnings = pairs(daemon["errors"]), pairs(daemon["warnings"])
    if daemon["verdict"] != expected.verdict:
        return f"verdict {daemon['verdict']}, oracle {expected.verdict}: {daemon['detail']}"
    if expected.finding_count > 100:
        return None if errors <= expected.errors else f"only daemon: {errors - expected.errors}"
    if errors != expected.errors:
        return f"only daemon: {errors - expected.errors}, only oracle: {expected.errors - errors}"
    known = {pair for pair in warnings if pair[1] not in UNKNOWN_WARNINGS}
    if known != expected.warnings and len(warnings) < 100:
        return f"warnings: daemon {known}, oracle {expected.warnings}"
    return None


def check_agreement(bodies, organisations=()):
    differing = []
    for body, daemon in zip(bodies, judge_by_daemon(bodies, organisations)):
        difference = disagreement(body, daemon, organisations)
        if difference:
            differing.append(f"{difference}\n{body[:4000]!r}")
    assert not differing, f"{len(differing)} of {len(bodies)}, first:\n" + "\n\n".join(differing[:5])


def mutator(seed):
    full = next(example for example in examples() if "attachments" in example and "actor" in example)
    return Mutator(random.Random(seed), full)


def mutated(seed, report, count):
    changing = mutator(seed)
    return [changing.mutate(report) for _ in range(count)]


def check_agreement_on_mutated(seed, report, count):
    """In portions: a hundred thousand reports are not held at once."""
    changing = mutator(seed)
    for _ in range(count // PORTION):
        check_agreement([changing.mutate(report) for _ in range(PORTION)])
    print(f"{count} mutated reports, the oracle agrees on all")


def test_examples_and_minimal_are_valid():
    bodies = [json.dumps(report).encode() for report in examples() + [MINIMAL]]
    assert [line["verdict"] for line in judge_by_daemon(bodies)] == ["valid"] * len(bodies)
    check_agreement(bodies)


def test_agreement_on_mutated_minimal():
    check_agreement_on_mutated(1, MINIMAL, OF_MINIMAL)


def test_agreement_on_mutated_examples():
    for seed, report in enumerate(examples(), 100):
        check_agreement_on_mutated(seed, report, OF_EACH_EXAMPLE)


def test_agreement_on_reporters():
    bodies = mutated(7, MINIMAL, 100)
    check_agreement(bodies, ["cert.example.org"])
    check_agreement(bodies, ["other.example.org", "another.example.org"])


def test_mutations_reach_every_error_code():
    bodies = mutated(1, MINIMAL, 4000) + mutated(100, examples()[1], 500)
    found = {finding["code"] for line in judge_by_daemon(bodies)
             for finding in line["errors"] + line["warnings"]}
    contract = """type member-missing member-unknown value-unknown too-short too-long too-few too-many
        too-small too-large format not-unique not-integer number-range extension-too-large
        taxonomy-id taxonomy-version area-not-allowed tlp-too-open tlp-looser victim-named
        attachments-refused category-repeated time-format time-order time-future indicator-value
        indicator-defanged exercise-expected text-forbidden rsit-unusual address-special
        area-primary-missing element-repeated text-suspicious""".split()
    assert set(contract) - found == set()
