# SPDX-License-Identifier: Apache-2.0
"""What intake-protocol(7) says, read from its source, and a folder where its examples are run."""

import re
import shutil
import subprocess
from pathlib import Path

from harness import PATIENCE, ROOT, die_with_parent
from reports import EXAMPLES
from sender import environment

PAGE_PATH = ROOT / "daemon" / "http" / "intake-protocol.7"
PAGE = PAGE_PATH.read_text()
RANSOMWARE = next(path for path in EXAMPLES if path.name == "ransomware-hospital.json")
HOST = "intake.example.org"
ESCAPES = {r"\e": "\\", r"\&": "", r"\(dq": '"', r"\(en": "-"}
# How each block of the page is called here: words of its heading or of the sentence before it.
BLOCKS = (
    "The receipt", "is a problem of RFC 9457", "a result for each line", "Make a key and a request",
    "The digest of the public key", "With these lines in", "Who am I?",
    "Would this report be taken?", "Send it zipped", "Take it back", "Send two reports",
    "Fetch the taxonomy", "A client in shell", "A client in Python", "A client in Node", "By hand",
)  # fmt: skip


def plain(line):
    """Without mdoc's escapes, of which it may have those above."""
    return re.sub(r"\\(\(..|.)", lambda found: ESCAPES[found[0]], line)


def read_blocks():
    """{heading and the text before it: the literal block} for all of them."""
    found, block, words, heading = {}, None, [], ""
    for line in PAGE.splitlines():
        if line == ".Ed":
            found[f"{heading} {' '.join(words)}"] = "\n".join(block) + "\n"
            block, words = None, []
        elif line.startswith(".Bd -literal"):
            block = []
        elif block is not None:
            block.append(plain(line))
        elif line.startswith((".Sh ", ".Ss ")):
            heading, words = line[4:], []
        elif line in (".Pp", ".El"):
            words = []
        else:
            words.append(re.sub(r"^\.\w+ ", "", line))
    return found


def block(name):
    assert name in BLOCKS
    (text,) = [text for words, text in read_blocks().items() if name in words]
    return text


def between(start, end):
    """The lines of the page from one that begins so to the next that begins so."""
    lines = PAGE.splitlines()
    first = next(place for place, line in enumerate(lines) if line.startswith(start)) + 1
    last = next(place for place in range(first, len(lines)) if lines[place].startswith(end))
    return lines[first:last]


def members(start, end):
    """What a list of members names."""
    items = [line for line in between(start, end) if line.startswith(".It Va ")]
    return sorted(word for item in items for word in re.findall(r"Va (\w+)", item))


class Desk:
    """A partner's folder with the files that the page speaks of."""

    def __init__(self, folder, daemon, credential):
        self.folder = Path(folder)
        self.port = daemon.port
        for source, name in (
            (daemon.authority.certificate, "ca.crt"),
            (credential.certificate, "partner.crt"),
            (credential.key, "partner.key"),
            (RANSOMWARE, "report.json"),
        ):
            shutil.copy(source, self.folder / name)

    def text(self, name):
        """A block of the page, with the daemon's address in place of the one in it."""
        text = block(name)
        return text.replace(f"{HOST}:8443", f"localhost:{self.port}").replace(HOST, "localhost")

    def take(self, name, file):
        (self.folder / file).write_text(self.text(name))
        return file

    def start(self, *command, **options):
        return subprocess.Popen(
            list(map(str, command)), cwd=self.folder, stdin=subprocess.DEVNULL,
            env={**environment(), "HOME": str(self.folder)}, text=True,
            preexec_fn=die_with_parent, **options,
        )  # fmt: skip

    def run(self, *command):
        with self.start(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            out, err = process.communicate(timeout=60 * PATIENCE)
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def type(self, name):
        """What the command line in a block prints."""
        prompt, command = self.text(name).split(" ", 1)
        assert prompt == "$"
        done = self.run("sh", "-c", command)
        assert done.returncode == 0, done.stderr
        return done.stdout
