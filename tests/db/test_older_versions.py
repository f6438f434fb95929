# SPDX-License-Identifier: Apache-2.0
"""A database of each earlier version, with what its functions stored, is brought up to date: from
then on it is like one that had every migration from the start."""

import functools
from datetime import datetime, timezone

import pytest

from answers import CLOCKED, answers_of, differences, receipts_of, tables_of
from harness import ADMINISTRATOR
from history import Life
from test_schema import MIGRATIONS, Session, apply_by_psql, assert_record_is_consistent, note_digests

FIRST_RECORD = 4
OLDER = range(FIRST_RECORD, len(MIGRATIONS))
NOW = datetime.now(timezone.utc)


class Kept:
    """What a database says at three moments: as it was found, when housekeeping has taken all, and
    after life went on. Rows alone are looked at in between: what is answered from them was asked
    before."""

    def __init__(self, postgres, database, life):
        self.log = life.log
        self.moments = []
        self.look(postgres, database, life)
        while postgres.value(database, "SELECT intake.housekeep(1000)"):
            pass
        self.look(postgres, database, life, is_asked=False)
        life.run(Life.LATE, len(MIGRATIONS))
        self.look(postgres, database, life)

    def look(self, postgres, database, life, *, is_asked=True):
        self.moments.append(
            {
                "answers": answers_of(postgres, database, ["TLP:RED"]) if is_asked else {},
                "receipts": {"all": receipts_of(postgres, database, life.keys)},
                "tables": tables_of(postgres, database, leave_out=CLOCKED),
            }
        )


@pytest.fixture(scope="module")
def kept_from_the_start(world):
    """By the version whose functions stored, which many versions have in common."""

    @functools.cache
    def kept(version):
        database = world.new_database()
        life = Life(world.postgres, database, NOW).run(Life.EARLY, version)
        return Kept(world.postgres, database, life)

    def kept_of(version):
        return kept(max(needed for needed, _ in Life.EARLY if needed <= version))

    return kept_of


@pytest.mark.parametrize("version", OLDER)
def test_record_of_an_older_version_goes_on(world, kept_from_the_start, version):
    database = f"of_version_{version}"
    world.postgres.query(ADMINISTRATOR, f"CREATE DATABASE {database}")
    apply_by_psql(world.postgres, database, MIGRATIONS[:version])
    note_digests(world.postgres, database)
    life = Life(world.postgres, database, NOW).run(Life.EARLY, version)
    world.daemon(database=database).control("db", "migrate")

    kept, expected = Kept(world.postgres, database, life), kept_from_the_start(version)
    for moment, (found, wanted) in enumerate(zip(kept.moments, expected.moments, strict=True)):
        for what, rows in wanted.items():
            assert differences(found[what], rows) == {}, (moment, what)
    assert kept.log == expected.log
    assert kept.moments[-1]["receipts"]["all"]
    admin = Session(world.postgres, database, ADMINISTRATOR, "")
    assert_record_is_consistent(admin)
    admin.close()
