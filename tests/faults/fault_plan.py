# SPDX-License-Identifier: Apache-2.0
"""The test's end of tests/faults/inject: which call of a running daemon is to fail."""

import mmap
import struct
import subprocess
from dataclasses import dataclass

from harness import BUILD

LIBRARY = BUILD / "tests" / "libfault_injection.so"

# fault_plan.h has the numbers. A lasting fault goes on until it is taken away.
KINDS = {
    "memory": (1, False),
    "memory-lasting": (1, True),
    "descriptor": (2, False),
    "descriptor-lasting": (2, True),
    "system": (3, False),
    "reset": (4, False),
    "interrupt": (5, False),
    "again": (6, False),
    "short": (7, False),
    "tls": (8, False),
    "database": (9, False),
}
MEMORY_CALLS = ("malloc", "calloc", "realloc")
COUNT_ONLY = 0

# struct fault_plan: kind, is_lasting, nth, calls, fired, name, trace.
LAYOUT = struct.Struct("=IIQQI60s4024s")
KIND_AT, LASTING_AT, NTH_AT, CALLS_AT, FIRED_AT = 0, 4, 8, 16, 24
NAME_AT, TRACE_AT = 28, 88


@dataclass
class Fired:
    """What has become of a plan."""

    calls: int
    count: int
    name: str
    trace: str

    def frames(self):
        """Name of the file, its path, offset and symbol of each caller, the nearest first."""
        for line in self.trace.splitlines():
            path, offset, symbol = line.split(" ", 2)
            file = path.rpartition("/")[2]
            if file != LIBRARY.name:
                yield file, path, int(offset, 16), symbol

    def is_of(self, library):
        """Whether memory was short, first in this library."""
        callers = [file for file, *_ in self.frames() if not file.startswith("libc.")]
        return self.name in MEMORY_CALLS and bool(callers) and callers[0].startswith(library)

    def where(self):
        """The chain of callers, with lines of the source where the daemon itself is one."""
        lines = [f"  {self.name} failed {self.count} times, first called by"]
        for file, path, offset, symbol in self.frames():
            name = source_line(path, offset - 1) if file == "intaked" else symbol
            lines.append(f"    {file} {name}")
        return "\n".join(lines)


def source_line(path, offset):
    command = ["addr2line", "-s", "-f", "-p", "-i", "-e", path, hex(offset)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip().replace("\n", " ")


class FaultPlan:
    """A file that the library of a daemon and this process share."""

    def __init__(self, path):
        path.write_bytes(bytes(LAYOUT.size))
        with path.open("r+b") as file:
            self.memory = mmap.mmap(file.fileno(), LAYOUT.size)
        self.path = path

    def environment(self):
        """Of a daemon: the library comes before a sanitizer's, whose allocator it wraps."""
        return {"INTAKED_FAULT_PLAN": str(self.path), "LD_PRELOAD": str(LIBRARY)}

    def _put(self, at, form, value):
        struct.pack_into(form, self.memory, at, value)

    def _get(self, at, form):
        return struct.unpack_from(form, self.memory, at)[0]

    def arm(self, kind, nth):
        number, is_lasting = KINDS[kind]
        self._put(FIRED_AT, "=I", 0)
        self._put(CALLS_AT, "=Q", 0)
        self.memory[NAME_AT : LAYOUT.size] = bytes(LAYOUT.size - NAME_AT)
        self._put(LASTING_AT, "=I", is_lasting)
        self._put(NTH_AT, "=Q", nth)
        self._put(KIND_AT, "=I", number)

    def disarm(self):
        self._put(KIND_AT, "=I", 0)

    def fired(self):
        return Fired(
            self._get(CALLS_AT, "=Q"),
            self._get(FIRED_AT, "=I"),
            self._text(NAME_AT, TRACE_AT),
            self._text(TRACE_AT, LAYOUT.size),
        )

    def _text(self, start, end):
        return self.memory[start:end].split(b"\0", 1)[0].decode(errors="replace")
