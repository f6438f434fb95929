# SPDX-License-Identifier: Apache-2.0
"""A program on a terminal of its own, of the same kind wherever the tests run."""

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time

from harness import PATIENCE


def set_size(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


class Terminal:
    def __init__(self, command, rows=40, columns=120):
        self.seen = ""
        self.mark = 0
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                set_size(pty.STDIN_FILENO, rows, columns)  # before anybody asks
                words = [str(word) for word in command]
                os.execve(words[0], words, {**os.environ, "TERM": "xterm"})
            finally:
                os._exit(127)

    def resize(self, rows, columns):
        set_size(self.fd, rows, columns)

    def type(self, text):
        os.write(self.fd, text.encode())

    def wait_for(self, text, timeout=15.0):
        """Reads until text appears behind what was waited for before, and returns all of it."""
        deadline = time.monotonic() + timeout * PATIENCE
        while text not in self.seen[self.mark :]:
            left = deadline - time.monotonic()
            assert left > 0, f"no {text!r} within {timeout} s: {self.seen[-2000:]!r}"
            if select.select([self.fd], [], [], left)[0]:
                self.seen += os.read(self.fd, 65536).decode(errors="replace")
        piece = self.seen[self.mark :]
        self.mark += piece.index(text) + len(text)
        return piece

    def modes(self):
        """What the terminal does with what is typed."""
        return termios.tcgetattr(self.fd)[3] & (termios.ICANON | termios.ECHO)

    def end(self, timeout=15.0):
        """Reads to the end; the exit status."""
        deadline = time.monotonic() + timeout * PATIENCE
        try:
            while time.monotonic() < deadline:
                if select.select([self.fd], [], [], 0.1)[0]:
                    self.seen += os.read(self.fd, 65536).decode(errors="replace")
        except OSError:
            pass  # the other end is closed
        else:
            os.kill(self.pid, signal.SIGKILL)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
