# SPDX-License-Identifier: Apache-2.0
"""README.md as a script: the indented lines under a heading are its commands."""

from harness import ROOT

CHAPTER = "## Install and run as a service"


def sections():
    """{heading: commands} of the chapter, in its order."""
    found = {}
    heading = None
    is_in_chapter = False
    for line in (ROOT / "README.md").read_text().splitlines():
        if line.startswith("## "):
            is_in_chapter = line == CHAPTER
        elif is_in_chapter and line.startswith("### "):
            heading = line.removeprefix("### ")
            found[heading] = []
        elif is_in_chapter and line.startswith("    "):
            found[heading].append(line.removeprefix("    "))
        elif is_in_chapter and heading and not line:
            found[heading].append("")
    return {heading: "\n".join(lines).strip() for heading, lines in found.items()}


class Guide:
    """Somebody who follows the chapter step by step, and nothing else."""

    def __init__(self, machine):
        self.machine = machine
        self.sections = sections()
        self.next = list(self.sections)

    def follow(self, heading):
        """All steps up to this one that were not taken yet; what the last one said."""
        said = ""
        while heading in self.next:
            step = self.next.pop(0)
            if step != "Build the packages":
                said = self.machine.output(self.sections[step])
        return said

    def skip(self, heading):
        self.next.remove(heading)
