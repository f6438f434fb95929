# SPDX-License-Identifier: Apache-2.0
"""All that a database says: the rows of its tables, what analysts get from each view and function,
and the receipts of each key. Two databases that say the same are alike."""

from contextlib import closing

from harness import ADMINISTRATOR
from test_schema import Session

# When something was done, by the database's own clock.
CLOCKED = {
    "applied_at", "created_at", "changed_at", "added_at", "revoked_at", "began_at", "erased_at",
    "placed_at", "removed_at", "set_at", "noted_at",
}  # fmt: skip


def rows_by_text(session, statement, parameters=None):
    return sorted(str(tuple(row.values())) for row in session.query(statement, parameters))


def tables_of(postgres, database, *, leave_out=()):
    """{table: its rows}, without the columns left out."""
    with closing(Session(postgres, database, ADMINISTRATOR, "")) as admin:
        tables = admin.query(
            "SELECT c.relname AS name, array_agg(format('%%I', a.attname) ORDER BY a.attnum)"
            " FILTER (WHERE a.attname <> ALL (%s)) AS columns"
            " FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0"
            " WHERE c.relnamespace = 'intake'::regnamespace AND c.relkind IN ('r', 'p')"
            " AND NOT a.attisdropped GROUP BY c.relname",
            [list(leave_out)],
        )
        return {
            table["name"]: rows_by_text(
                admin,
                f"SELECT ROW({', '.join(table['columns'])})::text FROM intake.{table['name']}",
            )
            for table in tables
        }


def questions(analyst):
    """All views by the catalogue, all functions with what is in the record to ask them for."""
    for view in analyst.query(
        "SELECT relname FROM pg_class WHERE relnamespace = 'analysis'::regnamespace"
        " AND relkind = 'v' ORDER BY 1"
    ):
        yield f"SELECT v::text FROM analysis.{view['relname']} AS v", None
    for word in ("invoice", "kunden", "clients -banque", '"remote-access gateways"', "login or drill"):
        yield "SELECT s::text FROM analysis.search(%s, 1000) AS s", [word]
    for value in ("example.net", "198.51.100.0/24", "203.0.113.240", "paper-lantern.example.org"):
        yield "SELECT s::text FROM analysis.seen(%s) AS s", [value]
    yield "SELECT i::text FROM analysis.indicators_in('0.0.0.0/0') AS i", None
    for period in ("'2020-01-01Z', '2030-01-01Z'",):
        yield f"SELECT c::text FROM analysis.campaigns_between({period}) AS c", None
        yield f"SELECT t::text FROM analysis.timeline({period}, '7 days') AS t", None
    yield (
        "SELECT h.id, r::text FROM analysis.report_history AS h"
        " CROSS JOIN LATERAL analysis.related(h.id, 20) AS r WHERE h.revision > 1 OR h.is_retracted"
        " OR right(h.id::text, 1) IN ('3', '9')"
    ), None
    yield (
        "SELECT r::text FROM (SELECT DISTINCT report_id FROM analysis.report_history) AS h"
        " CROSS JOIN LATERAL analysis.revisions(h.report_id) AS r"
    ), None
    yield (
        "SELECT id, md5(analysis.export_payload(id)), md5(analysis.export_payload(id, 'TLP:GREEN'))"
        " FROM analysis.report_history"
    ), None


def answers_of(postgres, database, labels):
    """{(clearance, question): rows}"""
    found = {}
    with closing(Session(postgres, database, ADMINISTRATOR, "")) as admin, closing(
        Session(postgres, database, "analyst", "")
    ) as analyst:
        for label in labels:
            admin.query(
                "INSERT INTO intake.clearance (user_name, max_tlp)"
                " VALUES ('analyst', intake.tlp_number(%s))"
                " ON CONFLICT (user_name) DO UPDATE SET max_tlp = excluded.max_tlp",
                [label],
            )
            for statement, parameters in questions(analyst):
                key = (label, statement, str(parameters))
                found[key] = rows_by_text(analyst, statement, parameters)
        admin.query("DELETE FROM intake.clearance WHERE user_name = 'analyst'")
    return found


def receipts_of(postgres, database, keys):
    """What each key has: its newest revision, that revision, and by the digest sent."""
    asked = {(*key[:3], None, None) for key in keys}
    asked |= {(*key[:4], None) for key in keys} | set(keys)
    if not asked:
        return []
    asked = sorted(asked, key=str)
    with closing(Session(postgres, database)) as session:
        return [
            {name: value for name, value in row.items() if name != "erased_at"}
            for row in session.find(*asked)
        ]


def differences(one, other):
    """The keys under which two of the above are not the same, and how."""
    return {
        key: (
            [row for row in one.get(key, []) if row not in other.get(key, [])][:3],
            [row for row in other.get(key, []) if row not in one.get(key, [])][:3],
        )
        for key in sorted({*one, *other}, key=str)
        if one.get(key) != other.get(key)
    }
