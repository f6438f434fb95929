# SPDX-License-Identifier: Apache-2.0
"""Reports to send: the smallest valid one, the examples, and ids that no other test uses."""

import itertools
import json
from pathlib import Path

DATA = Path(__file__).resolve().parent.parent / "data"
EXAMPLES = sorted((DATA / "examples").glob("*.json"))
ORGANISATION = "cert.example.org"

_numbers = itertools.count(1)


def new_report_id(prefix="T"):
    return f"{prefix}-{next(_numbers):06d}"


def smallest_report(**members):
    """A new valid report with nothing optional but what is given."""
    report = {
        "schema": "intaked-report/1",
        "taxonomy": {"id": "digital-solidarity-2024", "version": "1.0.0"},
        "report_id": new_report_id(),
        "reporter": {"org": ORGANISATION},
        "tlp": "TLP:GREEN",
        "category": "business-email-compromise",
        "action_areas": ["AA4"],
        "title": "Supplier payment diverted",
        "narrative": "An invoice was altered and paid to a false account.",
        "times": {"detected": "2026-11-20T10:15:00Z"},
        "severity": {"level": 1},
    }
    report.update(members)
    return report


def usual_report(**members):
    """About 1.5 KB with five indicators, as a busy partner sends them."""
    indicators = [
        {"type": "ipv4", "value": "192.0.2.45", "role": "source", "port": 443},
        {"type": "ipv4", "value": "198.51.100.23", "role": "infrastructure", "confidence": 90},
        {"type": "domain", "value": "pay.example.net", "role": "infrastructure"},
        {"type": "url", "value": "https://pay.example.net/invoice", "role": "infrastructure"},
        {"type": "email", "value": "billing@pay.example.net", "role": "source"},
    ]
    narrative = "An invoice was altered on its way and paid to a false account. " * 14
    return smallest_report(narrative=narrative.strip(), indicators=indicators, **members)


def example_organisations():
    return sorted({json.loads(path.read_bytes())["reporter"]["org"] for path in EXAMPLES})
