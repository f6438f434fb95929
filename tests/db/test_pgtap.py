# SPDX-License-Identifier: Apache-2.0
"""The pgTAP files beside this one, each against a migrated database: every line that is not ok."""

import re
import subprocess
from pathlib import Path

import pytest

from harness import ADMINISTRATOR

FILES = sorted(Path(__file__).parent.glob("*.sql"))


@pytest.fixture(scope="module")
def database(world):
    name = world.new_database()
    # Where tests are looked for, but not among the objects that are tested.
    world.postgres.query(
        name,
        "CREATE SCHEMA tap; CREATE EXTENSION pgtap SCHEMA tap;"
        f"ALTER DATABASE {name} SET search_path = tap, public",
    )
    return name


def faults_of(output):
    """What of a TAP stream is no success: a test with its diagnosis, or a plan that was not kept."""
    tests = re.findall(r"^((?:not )?ok) (\d+)(.*(?:\n#.*)*)", output, re.MULTILINE)
    faults = [f"not ok {number}{rest}" for verdict, number, rest in tests if verdict != "ok"]
    plan = re.search(r"^1\.\.(\d+)$", output, re.MULTILINE)
    numbers = [int(number) for _, number, _ in tests]
    if not plan or not numbers or numbers != list(range(1, int(plan[1]) + 1)):
        faults.append(f"{len(tests)} tests, {plan[0] if plan else 'no plan'}")
    return faults


@pytest.mark.parametrize(
    "output, count",
    [
        ("ok 1 - a\nok 2\n1..2\n", 0),
        ("ok 1 - a\nnot ok 2 - b\n# Failed test 2\n1..2\n", 1),
        ("ok 1 - a\n", 1),
        ("ok 1 - a\n1..2\n", 1),
        ("ok 1 - a\nok 3\n1..2\n", 1),
        ("1..0\n", 1),
        ("", 1),
    ],
)
def test_faults_of_a_stream_are_found(output, count):
    assert len(faults_of(output)) == count


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_pgtap(world, database, path):
    postgres = world.postgres
    done = subprocess.run(
        [
            postgres.programs / "psql", "--no-psqlrc", "--quiet", "--no-align", "--tuples-only",
            "--set", "ON_ERROR_STOP=1", "--file", path,
            postgres.connection_string(ADMINISTRATOR, database),
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stderr + done.stdout[-2000:]
    faults = faults_of(done.stdout)
    assert not faults, "\n" + "\n".join(faults)
