# SPDX-License-Identifier: Apache-2.0
"""What tests of the operator's program share."""

import json
import socket
import threading


def refusal(site, *arguments):
    """The sentence of a command that fails."""
    done = site.control(*arguments, is_checked=False)
    assert done.returncode == 1, (arguments, done.stdout, done.stderr)
    lines = done.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("intakectl: "), lines
    return lines[0].removeprefix("intakectl: ")


def usage_fault(site, *arguments):
    """The sentence of a command line that is wrong, with how it is done below it."""
    done = site.control(*arguments, is_checked=False)
    assert done.returncode == 2 and done.stdout == "", (arguments, done.stdout, done.stderr)
    sentence, usage = done.stderr.split("\n", 1)
    assert sentence.startswith("intakectl: ") and usage.startswith(("usage: ", '"intakectl --help"')), done.stderr
    return sentence.removeprefix("intakectl: ")


def json_of(site, *arguments):
    return json.loads(site.control("--json", *arguments).stdout)


class FakeControl:
    """The daemon's end of the control socket: gives each who asks the next of its answers.

    Unless it is endless, it waits in the end until all of them were asked for.
    """

    def __init__(self, site, *answers, is_endless=False):
        self.path = site.settings["control.path"]
        self.answers = answers if not is_endless else answers[0]
        self.is_endless = is_endless
        self.is_over = False
        self.heard = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(0.1)
        self.socket.bind(str(self.path))
        self.socket.listen(1)
        self.thread = threading.Thread(target=self._serve)

    def _accept(self):
        while not self.is_over:
            try:
                return self.socket.accept()[0]
            except TimeoutError:
                continue
        return None

    def _serve(self):
        for answer in self.answers:
            data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            connection = self._accept()
            if not connection:
                return
            with connection:
                heard = b""
                while not heard.endswith(b"\n"):
                    heard += connection.recv(100)
                self.heard.append(heard.decode().strip())
                half = len(data) // 2
                connection.sendall(data[:half])
                connection.sendall(data[half:])
        # Who asks once more is refused at once.
        self.socket.close()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over = self.is_endless
        self.thread.join(timeout=10)
        self.is_over = True
        self.socket.close()
        self.path.unlink()
