# SPDX-License-Identifier: Apache-2.0
"""intake-analysis(7), read from its source.

As a program it asks all questions of a database of its own and writes the answers into the page:
tests/db/cookbook_page.py, after a change of the statements or the reports.
"""

import os
import re
import subprocess
import sys
import tempfile
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "e2e"))

from harness import ROOT, World

from cookbook_reports import ORGANISATIONS, Reports
from cookbook_rows import Filling

PAGE_PATH = ROOT / "sql" / "intake-analysis.7"
ESCAPES = {r"\e": "\\", r"\&": "", r"\(dq": '"'}
READER = "anna"


def plain(line):
    """Without mdoc's escapes, of which it may have those above and characters by number."""
    line = re.sub(r"\\\[u([0-9A-F]{4,6})\]", lambda found: chr(int(found[1], 16)), line)
    return re.sub(r"\\(\(..|[e&])", lambda found: ESCAPES[found[0]], line)


def escaped(line):
    line = line.rstrip().replace("\\", r"\e")
    line = "".join(letter if letter.isascii() else f"\\[u{ord(letter):04X}]" for letter in line)
    return rf"\&{line}" if line.startswith((".", "'")) else line


class Block:
    """A literal block: its lines, and where they stand in the page."""

    def __init__(self, heading, first, last, lines):
        self.heading = heading
        self.span = slice(first, last)
        self.text = "\n".join(map(plain, lines[self.span]))


def read_blocks(page):
    """All literal blocks under the heading, question or section, that they follow."""
    lines, blocks, heading, first = page.splitlines(), [], "", None
    for number, line in enumerate(lines):
        if found := re.fullmatch(r'\.S[hsy] "?([^"]+)"?', line):
            heading = found[1]
        elif line.startswith(".Bd -literal"):
            first = number + 1
        elif line == ".Ed":
            blocks.append(Block(heading, first, number, lines))
    return blocks


def read_questions(page):
    """(question, statement, answer), the latter two as blocks."""
    blocks = [block for block in read_blocks(page) if block.heading.endswith("?")]
    pairs = list(zip(blocks[::2], blocks[1::2]))
    for statement, answer in pairs:
        assert statement.heading == answer.heading, (statement.heading, answer.heading)
        assert re.match(r"(SELECT|WITH)\s", statement.text), statement.text
    return [(statement.heading, statement, answer) for statement, answer in pairs]


def read_between(page, start, end):
    """The lines of a section."""
    return page.split(f"\n.Sh {start}\n")[1].split(f"\n.Sh {end}\n")[0].splitlines()


def ask(connection_string, statement, zone="UTC"):
    """What psql prints."""
    environment = {**os.environ, "PGTZ": zone, "PGCLIENTENCODING": "UTF8", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        ["psql", "-X", "--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", connection_string],
        input=statement, capture_output=True, text=True, check=False, env=environment, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, f"{statement}\n{done.stderr}"
    return done.stdout.rstrip("\n")


def make_database(world, now):
    """Filled with the reports that had come by a moment, and an analyst cleared to TLP:RED."""
    database = world.new_database()
    with closing(world.postgres.connect(database)) as connection, connection.cursor() as cursor:
        Filling(cursor, Reports(now), ORGANISATIONS).run()
        cursor.execute(f"CREATE ROLE {READER} LOGIN IN ROLE intake_analyst")
        cursor.execute("INSERT INTO intake.clearance (user_name, max_tlp) VALUES (%s, 4)", [READER])
    return database


def write_answers():
    page = PAGE_PATH.read_text()
    lines = page.splitlines()
    with tempfile.TemporaryDirectory(prefix="intaked-") as folder:
        os.chmod(folder, 0o711)
        world = World(Path(folder))
        try:
            database = make_database(world, datetime.now(timezone.utc))
            where = world.postgres.connection_string(READER, database)
            for _, statement, answer in reversed(read_questions(page)):
                lines[answer.span] = map(escaped, ask(where, statement.text).splitlines())
        finally:
            world.close()
    PAGE_PATH.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    write_answers()
