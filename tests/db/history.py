# SPDX-License-Identifier: Apache-2.0
"""The life of a record in steps that each need a version of the schema: partners, reports in three
languages, revisions, retractions, refusals, housekeeping, holds and erasures. The same steps do the
same to any database, so that two that had them can be compared."""

import random
import uuid
from contextlib import closing
from datetime import timedelta

from cookbook_reports import ORGANISATIONS, Reports
from cookbook_rows import REASONS, rows_of
from harness import ADMINISTRATOR
from test_schema import SESSION, Session

REPORTS = 100
BATCH = 20
PARTNERS = list(ORGANISATIONS)
# No power is cut here.
QUICK = "-c synchronous_commit=off -c intaked.allow_unsafe_durability=on"
NAMED = "Quentin Quarrel"


def without_nothing(row):
    if isinstance(row, str):
        return row
    return {name: value for name, value in row.items() if value is not None}


class Life:
    """Reports and what becomes of them, in one database. What functions answer is in log."""

    def __init__(self, postgres, database, now):
        self.postgres = postgres
        self.database = database
        self.random = random.Random(23)
        self.number = 0
        self.made = Reports(now).made[-REPORTS:]
        self.newest = {}  # (partner, own id): (revision, document)
        self.keys = []  # (partner_id, is_test, own id, revision, digest) of all that was sent
        self.log = []

    def run(self, steps, version):
        """Those of the steps for which the schema is new enough."""
        options = f"{SESSION} {QUICK}"
        with closing(Session(self.postgres, self.database, options=options)) as self.session, closing(
            Session(self.postgres, self.database, ADMINISTRATOR, QUICK)
        ) as self.admin:
            for needed, step in steps:
                if needed <= version:
                    step(self)
        return self

    def note(self, answer):
        """Without what a version does not say yet."""
        if isinstance(answer, list):
            self.log += map(without_nothing, answer)
        else:
            self.log.append(without_nothing(answer))

    def send(self, *made, revision=None, **columns):
        rows, indicators = [], []
        for received_at, partner, document in made:
            self.number += 1
            if revision:
                document = {**document, "revision": revision}
            is_test = partner == "harbour"
            row, some = rows_of(
                self.number, received_at, PARTNERS.index(partner) + 1, is_test, document
            )
            row.update(columns)
            if self.number % 5 == 0:
                row["warnings"] = '[{"code":"address-special","pointer":"/indicators/0"}]'
            rows.append(row)
            indicators += some
            digest = bytes.fromhex(row["sha256"][2:])
            self.keys.append(
                (row["partner_id"], is_test, row["report_id"], row["revision"], digest)
            )
        self.note(self.session.store(*rows, indicators=indicators))

    def live(self, start, stop):
        return [each for each in self.made[start:stop] if each[1] != "harbour"]

    # ---- steps

    def enrol(self):
        for partner, organisation in ORGANISATIONS.items():
            self.admin.query(
                "SELECT intake.partner_add(%s, '', %s, false, %s)",
                [partner, [organisation], partner != "harbour"],
            )
        for number, partner in enumerate(PARTNERS[:3]):
            self.admin.query("SELECT intake.key_add(%s, %s, 'n')", [partner, bytes([number]) * 32])
        self.admin.query("SELECT intake.key_revoke(%s)", [bytes([1]) * 32])
        self.admin.query("SELECT intake.partner_set_suspended('polder', true)")

    def store(self):
        for start in range(0, REPORTS - 20, BATCH):
            self.send(*self.made[start : min(start + BATCH, REPORTS - 20)])

    def revise(self):
        for received_at, partner, document in self.live(0, 12):
            self.send((received_at + timedelta(hours=1), partner, document), revision=2)
        self.send(*self.live(0, 3), revision=4)

    def repeat(self):
        """Repeats, conflicts and numbers that are too low."""
        self.send(*self.live(0, 6))
        self.send(*self.live(20, 24), title="Another title", payload="\\x7b7d", sha256="\\x00")
        self.send(*self.live(0, 3), revision=3)

    def refuse(self):
        self.session.query(
            "SELECT intake.note_refusals(ARRAY(SELECT ROW(%s::timestamptz - make_interval(hours => n),"
            " 1 + n %% 3, '/v1/reports', 422, 'report-invalid', '{type}', '{/title}', '\\x00', n, 0"
            ")::intake.refusal FROM generate_series(1, 9) AS n))",
            [self.made[-1][0]],
        )

    def clear(self):
        self.admin.query("INSERT INTO intake.clearance (user_name, max_tlp) VALUES ('somebody', 3)")

    def retract(self):
        """Old and newest revisions, and one that is revised afterwards."""
        for number, (received_at, partner, document) in enumerate(self.live(8, 40)[::4]):
            for revision in (1, 2):
                self.note(
                    self.session.retract(
                        document["report_id"], revision, REASONS[number % len(REASONS)],
                        retraction_id=str(uuid.UUID(int=1000 + number)),
                        retracted_at=(received_at + timedelta(hours=3)).isoformat(),
                        partner_id=PARTNERS.index(partner) + 1,
                    )
                )  # fmt: skip
        self.send(self.live(8, 40)[4], revision=5)

    def set_quotas(self):
        self.admin.query(
            "SELECT intake.partner_set('alpen', 'T', NULL, true, NULL, '{\"connections\":7}')"
        )

    def store_whole(self):
        """One batch that is refused for its last report, and one that is not."""
        rows = [
            rows_of(9000 + n, at, PARTNERS.index(partner) + 1, partner == "harbour", document)[0]
            for n, (at, partner, document) in enumerate(self.made[REPORTS - 20 : REPORTS - 16])
        ]
        low = {**rows[0], **self.low_key(), "id": str(uuid.UUID(int=77))}
        for batch in ([*rows, low], rows):
            self.note(self.session.store_atomic(*batch))

    def low_key(self):
        """A revision that is not there, below the newest."""
        _, partner, document = self.live(0, 1)[0]
        return {
            "partner_id": PARTNERS.index(partner) + 1, "report_id": document["report_id"],
            "revision": 3,
        }  # fmt: skip

    def enrol_key(self):
        self.admin.query("SELECT intake.key_enrol('rivage', %s, 'n', '2199-01-01Z')", [b"\7" * 32])

    def keep_house(self):
        """Of some of what is there."""
        self.note(self.admin.query("SELECT intake.housekeep(60)"))

    def hold_and_erase(self):
        held, *others = self.live(60, 70)
        self.admin.query(
            "SELECT intake.hold_add(%s, %s, NULL, NULL, NULL, NULL, 'court')",
            [held[2]["report_id"], held[1]],
        )
        self.admin.query("SELECT intake.hold_add(NULL, NULL, 'spam', NULL, NULL, '2020-01-01Z', 'over')")
        self.admin.query("SELECT intake.retention_set(NULL, NULL, '30 years')")
        self.admin.query("SELECT intake.retention_set('TLP:RED', 'phishing', '1 year')")
        for is_whole, of in ((True, [held, *others[:3]]), (False, others[3:5]), (True, self.live(0, 2))):
            ids = self.admin.query(
                "SELECT id FROM intake.report_key WHERE report_id = ANY (%s) ORDER BY report_id",
                [[document["report_id"] for _, _, document in of]],
            )
            self.note(
                self.admin.query(
                    "SELECT * FROM intake.erase(%s::uuid[], %s, 'report', 'A. Person', 'asked for')",
                    [[row["id"] for row in ids], is_whole],
                )
            )

    def search_person(self):
        self.note(self.admin.query("SELECT * FROM intake.find_person(%s, 'A', 'R')", [NAMED]))

    def go_on(self):
        """What comes after: new reports, revisions of old ones, repeats, retractions."""
        self.send(*self.made[REPORTS - 16 :])
        self.send(*self.live(0, 100)[::9], revision=7)
        self.send(*self.live(0, 100)[::9], revision=7)
        self.send(*self.live(30, 36))
        for received_at, partner, document in self.live(41, 100)[::7]:
            for revision in (1, 7):
                self.note(
                    self.session.retract(
                        document["report_id"], revision, f"By {NAMED}.",
                        retraction_id=str(uuid.UUID(int=2000 + len(self.log))),
                        retracted_at=(received_at + timedelta(days=2)).isoformat(),
                        partner_id=PARTNERS.index(partner) + 1,
                    )
                )  # fmt: skip

    EARLY = (
        (3, enrol), (5, store), (5, revise), (5, repeat), (5, refuse), (6, clear), (7, retract),
        (8, set_quotas), (9, store_whole), (10, enrol_key), (14, keep_house),
    )  # fmt: skip
    LATE = ((0, go_on), (0, keep_house), (0, hold_and_erase), (0, search_person))
