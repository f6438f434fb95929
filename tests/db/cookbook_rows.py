# SPDX-License-Identifier: Apache-2.0
"""Reports as rows of the record, as the daemon makes them, and a database filled with them through
the functions that the daemon calls."""

import hashlib
import json
import random
from datetime import timedelta, timezone

from harness import ROOT

TAXONOMY = json.loads((ROOT / "config" / "taxonomy.json").read_bytes())
CATEGORIES = {category["code"]: category for category in TAXONOMY["categories"]}
LABELS = ("TLP:CLEAR", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED")
STORE = """
SELECT * FROM intake.store(
    ARRAY(SELECT r FROM jsonb_populate_recordset(NULL::intake.report, %s) AS r),
    ARRAY(SELECT i FROM jsonb_populate_recordset(NULL::intake.indicator, %s) AS i))
"""
REASONS = (
    "Sent twice under two ids.", "It was our own test.", "A research scanner.", "Wrong victim.",
)  # fmt: skip
REFUSALS = (
    (422, "report-invalid", ["type", "value-unknown"], ["/times/detected", "/category"]),
    (422, "report-invalid", ["tlp-too-open"], ["/tlp"]),
    (409, "report-conflict", None, None),
    (413, "body-too-large", None, None),
)


def iso(at):
    return at.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


def strictest_label(document):
    parts = document.get("indicators", []) + document.get("attachments", [])
    labels = [document["tlp"], *(part["tlp"] for part in parts if "tlp" in part)]
    if any(victim.get("protected") for victim in document.get("victims", [])):
        labels.append("TLP:AMBER+STRICT")
    return max(map(LABELS.index, labels))


def united(document, plural, singular):
    """Of impact and victims, each once."""
    values = list(document.get("impact", {}).get(plural, []))
    values += [victim[singular] for victim in document.get("victims", []) if singular in victim]
    return list(dict.fromkeys(values)) or None


def indicator_row(row, each):
    members = ("type", "value", "role", "first_seen", "port", "protocol", "confidence")
    return {
        **{name: each.get(name) for name in members},
        "report": row["id"],
        "tlp": LABELS.index(each["tlp"]) if "tlp" in each else row["tlp"],
        "address": each["value"] if each["type"] in ("ipv4", "ipv6", "cidr") else None,
    }


def rows_of(number, received_at, partner_id, is_test, document):
    """The row of intake.report and those of intake.indicator."""
    payload = json.dumps(document, ensure_ascii=False).encode()
    milliseconds = int(received_at.timestamp() * 1000)
    loss, sharing = document.get("impact", {}).get("loss", {}), document.get("sharing", {})
    actor, legal = document.get("actor", {}), document.get("legal", {})
    codes = [document["category"], *document.get("additional_categories", [])]
    row = {
        "id": f"{milliseconds >> 16:08x}-{milliseconds & 0xFFFF:04x}-7000-8000-{number:012x}",
        "received_at": iso(received_at),
        "partner_id": partner_id,
        "revision": document.get("revision", 1),
        "tlp": LABELS.index(document["tlp"]),
        "tlp_strictest": strictest_label(document),
        "severity": document["severity"]["level"],
        "confidence": document["confidence"],
        "is_test": is_test,
        "is_exercise": document.get("exercise", False),
        "is_critical": any(CATEGORIES[code]["critical"] for code in codes),
        "assistance_requested": document.get("assistance", {}).get("requested"),
        **{f"{name}_at": at for name, at in document["times"].items()},
        "embargo_until": sharing.get("embargo_until"),
        "people_affected": document.get("impact", {}).get("people_affected"),
        "loss_amount": loss.get("amount"),
        "loss_currency": loss.get("currency"),
        "report_id": document["report_id"],
        "reporter_org": document["reporter"]["org"],
        "taxonomy": f"{TAXONOMY['id']}/{document['taxonomy']['version']}",
        "category": document["category"],
        "primary_area": CATEGORIES[document["category"]]["primary_area"],
        "action_areas": document["action_areas"],
        "additional_categories": document.get("additional_categories"),
        "status": document.get("status"),
        "language": document.get("language"),
        "sharing_law_enforcement": sharing.get("law_enforcement"),
        "countries": united(document, "countries", "country"),
        "sectors": united(document, "sectors", "sector"),
        "actor_kind": actor.get("kind"),
        "actor_name": actor.get("name"),
        "malware": document.get("malware"),
        "law_enforcement_notified": legal.get("law_enforcement_notified"),
        "title": document["title"],
        "sha256": "\\x" + hashlib.sha256(payload).hexdigest(),
        "payload": "\\x" + payload.hex(),
    }
    return row, [indicator_row(row, each) for each in document.get("indicators", [])]


class Filling:
    """Puts reports into a database, as its administrator."""

    def __init__(self, cursor, reports, organisations):
        self.cursor = cursor
        self.reports = reports
        self.random = random.Random(11)
        self.stored = 0
        self.partner_ids = {
            partner: self.ask(
                "SELECT intake.partner_add(%s, %s, %s, false, %s)",
                [partner, f"{partner.title()} (fictional)", [organisation], partner != "harbour"],
            )
            for partner, organisation in organisations.items()
        }

    def ask(self, statement, parameters):
        self.cursor.execute(statement, parameters)
        return self.cursor.fetchone()[0]

    def run(self):
        early, late = self.reports.made[:-8], self.reports.made[-8:]
        self.store(early)
        live = [each for each in early if each[1] != "harbour"]
        self.random.shuffle(live)
        self.revise(live[:18])
        self.retract(live[18:22])
        self.refuse()
        self.ask("SELECT intake.housekeep(%s)", [100000])
        # These are found although housekeeping has not come by.
        self.store(late)
        self.cursor.execute("ANALYZE")

    def store(self, made):
        rows, indicators = [], []
        for received_at, partner, document in made:
            self.stored += 1
            row, some = rows_of(
                self.stored, received_at, self.partner_ids[partner], partner == "harbour", document
            )
            rows.append(row)
            indicators += some
        self.cursor.execute(STORE, [json.dumps(rows), json.dumps(indicators)])
        assert self.cursor.fetchall() == []

    def revise(self, made):
        """The case was worse than thought, and is contained."""
        for received_at, partner, document in made:
            level = min(5, document["severity"]["level"] + self.random.choice((0, 1, 1, 2)))
            newer = {
                **document, "revision": 2, "severity": {"level": level}, "status": "contained",
            }  # fmt: skip
            later = received_at + timedelta(days=self.random.randrange(1, 9))
            self.store([(min(later, self.reports.ago(hours=1)), partner, newer)])

    def retract(self, made):
        for (received_at, partner, document), reason in zip(made, REASONS):
            self.ask(
                "SELECT outcome FROM intake.retract(gen_random_uuid(), %s, %s, false, %s, 1, %s)",
                [
                    received_at + timedelta(hours=5), self.partner_ids[partner],
                    document["report_id"], reason,
                ],
            )  # fmt: skip

    def refuse(self):
        rows = []
        for number in range(40):
            status, problem, codes, pointers = self.random.choice(REFUSALS)
            partner = self.random.choice(("alpen", "polder", "rivage"))
            rows.append({
                "refused_at": iso(self.reports.ago(hours=7 * number + 1)),
                "partner_id": self.partner_ids[partner], "path": "/v1/reports", "status": status,
                "problem": problem, "codes": codes, "pointers": pointers,
                "size_bytes": self.random.randrange(600, 9000), "unrecorded": 0,
            })  # fmt: skip
        self.ask(
            "SELECT intake.note_refusals(ARRAY(SELECT r FROM"
            " jsonb_populate_recordset(NULL::intake.refusal, %s) AS r))",
            [json.dumps(rows)],
        )
