# SPDX-License-Identifier: Apache-2.0
"""What is asked of a filled database, and how fast it is to be answered."""

from typing import NamedTuple

AREAS = ("AA1", "AA2", "AA3", "AA4")
REPORT_COLUMNS = "id, received_at, partner, category, tlp, severity, title"


class Figure(NamedTuple):
    """A statement as an analyst types it; limit_ms is that of the contract, None where it has none."""

    name: str
    limit_ms: int | None
    statement: str
    parameters: list


def newest(limit):
    for area in AREAS:
        statement = (
            f"SELECT {REPORT_COLUMNS} FROM analysis.report"
            " WHERE primary_area = %s ORDER BY received_at DESC LIMIT 50"
        )
        yield Figure(f"newest 50 of {area}", limit, statement, [area])
    yield Figure(
        "newest 50 of AA3, all columns", limit,
        "SELECT * FROM analysis.report WHERE primary_area = 'AA3' ORDER BY received_at DESC LIMIT 50",
        [],
    )  # fmt: skip
    yield Figure(
        "newest 50 of all", None,
        f"SELECT {REPORT_COLUMNS} FROM analysis.report ORDER BY received_at DESC LIMIT 50", [],
    )  # fmt: skip


def values_by_holders(query):
    """Values that a few, some and very many reports name: {how many: value}."""
    rows = query(
        "SELECT value, count(*) FROM intake.indicator TABLESAMPLE SYSTEM (10) REPEATABLE (1)"
        " WHERE type IN ('ipv4', 'domain') GROUP BY 1 ORDER BY 2 DESC LIMIT 2000"
    )
    found = {}
    for value, _ in rows:
        holders = query("SELECT count(*) FROM intake.indicator WHERE value = %s"
                        " AND octet_length(value) <= 512", [value])[0][0]
        found[holders] = value
        if holders < 20:
            break
    largest = max(found)
    nearest = {goal: min(found, key=lambda n, goal=goal: abs(n - goal)) for goal in (20, 200)}
    return {n: found[n] for n in sorted({largest, *nearest.values()})}


def exact(query, limit):
    for holders, value in values_by_holders(query).items():
        yield Figure(
            f"exact indicator, named {holders} times", limit if holders <= 1000 else None,
            "SELECT * FROM analysis.indicator WHERE value = %s", [value],
        )  # fmt: skip
        yield Figure(
            f"seen(), named {holders} times", None,
            "SELECT * FROM analysis.seen(%s)", [value],
        )  # fmt: skip


def networks(query, limit):
    """A usual, a busy and the busiest /16; the last may hold any number of addresses."""
    rows = query(
        "SELECT network(set_masklen(address, 16))::text, count(*)"
        " FROM intake.indicator TABLESAMPLE SYSTEM (20) REPEATABLE (1)"
        " WHERE address IS NOT NULL AND family(address) = 4 GROUP BY 1 ORDER BY 2, 1"
    )
    for name, place in (("a usual", 0.5), ("a busy (1 in 100)", 0.99), ("the busiest", 1)):
        network = rows[min(int(len(rows) * place), len(rows) - 1)][0]
        yield Figure(
            f"addresses in {name} /16", limit if place < 1 else None,
            "SELECT * FROM analysis.indicators_in(%s::cidr)", [network],
        )  # fmt: skip


def words_by_reports(query, goals):
    """[(how many, word)] near the goals, not above them."""
    total = query("SELECT reltuples FROM pg_class WHERE oid = 'intake.words'::regclass")[0][0]
    share = min(100.0, 2000000 / total)
    rows = query(
        "SELECT word, ndoc FROM ts_stat('SELECT words FROM intake.words"
        f" TABLESAMPLE SYSTEM ({share}) REPEATABLE (1)') WHERE word ~ '^[a-z]+n$' ORDER BY 2 DESC"
    )
    for goal in goals:
        near = [word for word, n in rows if n <= 1.02 * goal * share / 100]
        for word in near[:20]:
            reports = query("SELECT count(*) FROM intake.words WHERE words @@ %s::tsquery", [word])[0][0]
            if reports <= goal:
                yield reports, word
                break


def texts(query, limit):
    words = list(words_by_reports(query, (100, 1000, 10000, 100000)))
    statement = "SELECT * FROM analysis.search(%s)"
    for reports, word in words:
        yield Figure(
            f"full text, {reports} match", limit if reports <= 10000 else None, statement, [word]
        )
    yield Figure("full text, two words", limit, statement, [f"{words[-1][1]} {words[-2][1]}"])
    yield Figure("full text, nearly all match", None, statement, ["server"])
    yield Figure("full text, a phrase", None, statement, ['"partners to search"'])


def days(limit):
    yield Figure(
        "a year of daily_area by area", limit,
        "SELECT primary_area, sum(reports) FROM analysis.daily_area"
        " WHERE day >= current_date - 365 GROUP BY 1 ORDER BY 1", [],
    )  # fmt: skip
    yield Figure(
        "a year of daily_area by day and area", limit,
        "SELECT day, primary_area, sum(reports) FROM analysis.daily_area"
        " WHERE day >= current_date - 365 GROUP BY 1, 2 ORDER BY 1, 2", [],
    )  # fmt: skip
    yield Figure(
        "a year of daily by area", limit,
        "SELECT primary_area, sum(reports) FROM analysis.daily"
        " WHERE day >= current_date - 365 GROUP BY 1 ORDER BY 1", [],
    )  # fmt: skip
    yield Figure(
        "a year of daily by day and area", limit,
        "SELECT day, primary_area, sum(reports) FROM analysis.daily"
        " WHERE day >= current_date - 365 GROUP BY 1, 2 ORDER BY 1, 2", [],
    )  # fmt: skip
    yield Figure(
        "a year of daily of one area by month", limit,
        "SELECT date_trunc('month', day), sum(reports), sum(people_affected) FROM analysis.daily"
        " WHERE day >= current_date - 365 AND primary_area = 'AA3' GROUP BY 1 ORDER BY 1", [],
    )  # fmt: skip


def kinds(query):
    for kind in ("ipv4", "ipv6", "cidr", "domain", "url", "sha256", "email", "account"):
        value = query(
            "SELECT value FROM intake.indicator TABLESAMPLE SYSTEM (1) REPEATABLE (2)"
            " WHERE type = %s AND octet_length(value) < 100 LIMIT 1", [kind],
        )[0][0]  # fmt: skip
        yield Figure(f"seen(), {kind}", None, "SELECT * FROM analysis.seen(%s)", [value])
        if kind == "ipv4":
            network = f"{value.rpartition('.')[0]}.0/24"
            yield Figure("seen(), a /24", None, "SELECT * FROM analysis.seen(%s)", [network])
        if kind == "domain":
            parent = ".".join(value.split(".")[-2:])
            yield Figure("seen(), a domain", None, "SELECT * FROM analysis.seen(%s)", [parent])


def connections(query):
    ids = query(
        "SELECT report, count(*) FROM intake.indicator TABLESAMPLE SYSTEM (1) REPEATABLE (3)"
        " WHERE tlp <= 1 GROUP BY 1 ORDER BY 2, 1"
    )
    for name, place in (("few", 0.1), ("some", 0.5), ("many", 0.999)):
        report = ids[int(len(ids) * place)][0]
        yield Figure(
            f"related(), {name} indicators", None, "SELECT * FROM analysis.related(%s)", [report]
        )
    yield Figure(
        "timeline(), 30 days by day", None,
        "SELECT * FROM analysis.timeline(now() - interval '30 days', now(), interval '1 day')", [],
    )  # fmt: skip
    yield Figure(
        "timeline(), a year by week", None,
        "SELECT * FROM analysis.timeline(now() - interval '364 days', now(), interval '7 days')", [],
    )  # fmt: skip
    yield Figure(
        "campaigns of 2 days", None,
        "SELECT * FROM analysis.campaigns_between(now() - interval '2 days', now())", [],
    )  # fmt: skip
    yield Figure("campaigns", None, "SELECT * FROM analysis.campaigns", [])


def figures(query):
    """All of them; query runs a statement that chooses values to ask for."""
    yield from newest(10)
    yield from exact(query, 10)
    yield from networks(query, 100)
    yield from texts(query, 200)
    yield from days(50)
    yield from kinds(query)
    yield from connections(query)
