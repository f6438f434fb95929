# SPDX-License-Identifier: Apache-2.0
"""Holds the sample file and the manual page against the table of settings.

Usage: check_conf_docs.py SOURCE_FOLDER

Each setting must be in both, in its section, in the table's order, with the table's default, and
nowhere else; the manual page must also give its range and whether a reload takes it.
"""
import re
import sys
from collections import namedtuple
from pathlib import Path

ROW = re.compile(
    r'^SETTING\((\w+), (\w+), (\w+), ("[^"]*"|\w+), (-?\d+), (-?\d+), (true|false), "(.*)"\)$')
UNITS = {"_ms": "milliseconds", "_bytes": "bytes", "_bytes_per_s": "bytes a second"}

Setting = namedtuple("Setting", "section name kind default low high reloadable why")


def read_table(path):
    rows = []
    for line in path.read_text().splitlines():
        if line.startswith("SETTING("):
            match = ROW.match(line)
            if match is None:
                sys.exit(f"{path}: a row that this test cannot read: {line}")
            rows.append(Setting(*match.groups()))
    return rows


def read_sample(path):
    """(section, name, default, comment) of each setting, which is commented out."""
    found = []
    section = comment = ""
    for line in path.read_text().splitlines():
        if match := re.match(r"^(\w+) \{$", line):
            section = match[1]
        elif match := re.match(r"^\t#(\w+) = (.+)$", line):
            found.append((section, match[1], match[2], comment))
        elif match := re.match(r"^\t# (.+)$", line):
            comment = match[1]
    return found


def read_manual(path):
    """(section, name, default, text) of each setting."""
    found = []
    section = ""
    for line in path.read_text().splitlines():
        if match := re.match(r"^\.Ss (\w+)$", line):
            section = match[1]
        elif line.startswith(".Sh "):
            section = ""
        elif match := re.match(r"^\.It Ic (\w+) No = Li (.+)$", line):
            found.append((section, match[1], match[2].replace(r"\(dq", '"'), []))
        elif section and found and not line.startswith(".El"):
            found[-1][3].append(line)
    return [(section, name, default, " ".join(text)) for section, name, default, text in found]


def expected_range(row):
    """What the manual page says of the values a number can have; empty for other types."""
    if row.kind != "NUMBER":
        return ""
    unit = next((f" {u}" for end, u in UNITS.items() if row.name.endswith(end)), "")
    return f"{row.low} to {row.high}{unit}"


def compare(place, rows, found):
    """The faults of one document: missing, foreign, misplaced, other defaults."""
    faults = []
    wanted = {(r.section, r.name): r for r in rows}
    there = [(section, name) for section, name, *_ in found]
    faults += [f"{place}: {s}.{n} is missing" for s, n in wanted if (s, n) not in there]
    faults += [f"{place}: {s}.{n} is not a setting" for s, n in there if (s, n) not in wanted]
    faults += [f"{place}: {s}.{n} is there twice" for s, n in sorted(set(there))
               if there.count((s, n)) > 1]
    for section, name, default, _ in found:
        row = wanted.get((section, name))
        if row is not None and default != row.default:
            faults.append(f"{place}: {section}.{name} is {default}, the default is {row.default}")
    if not faults and there != list(wanted):
        faults.append(f"{place}: the settings are in another order than the table's")
    return faults


def compare_texts(rows, sample, manual, places):
    """Rows and documents name the same settings in the same order: compare what is said of them."""
    faults = []
    for row, (*_, comment), (*_, text) in zip(rows, sample, manual):
        name = f"{row.section}.{row.name}"
        if comment.lower() != row.why.lower():
            faults.append(f"{places[0]}: {name}: expected the comment: {row.why}")
        if expected_range(row) not in text:
            faults.append(f"{places[1]}: {name}: expected the range {expected_range(row)}")
        said = "At start only." not in text
        if said != (row.reloadable == "true"):
            faults.append(f"{places[1]}: {name}: says the wrong thing about reloading")
    return faults


def main():
    source = Path(sys.argv[1])
    places = ("config/intaked.conf", "config/intaked.conf.5")
    rows = read_table(source / "include/conf/conf_table.h")
    if not rows:
        sys.exit("the table of settings is empty")
    sample = read_sample(source / places[0])
    manual = read_manual(source / places[1])
    faults = compare(places[0], rows, sample) + compare(places[1], rows, manual)
    if not faults:
        faults = compare_texts(rows, sample, manual, places)
    print("\n".join(faults) if faults else f"{len(rows)} settings agree in {' and '.join(places)}")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
