# SPDX-License-Identifier: Apache-2.0
"""README.md as a script: the indented or fenced lines under a heading are its commands."""

from harness import ROOT

CHAPTER = "## Install and run as a service"


def commands_by_heading(text):
    """{heading: lines of commands} of a text in Markdown."""
    found = {}
    lines = []
    is_fenced = False
    for line in text.splitlines():
        if line == "```":
            is_fenced = not is_fenced
        elif is_fenced:
            lines.append(line)
        elif line.startswith("#"):
            lines = found.setdefault(line.lstrip("# "), [])
        elif line.startswith("    "):
            lines.append(line.removeprefix("    "))
        elif not line:
            lines.append("")
    return found


def sections():
    """{heading: commands} of the chapter, in its order."""
    text = (ROOT / "README.md").read_text()
    chapter = text.partition(f"{CHAPTER}\n")[2].partition("\n## ")[0]
    found = commands_by_heading(chapter)
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
