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


def json_of(site, *arguments):
    return json.loads(site.control("--json", *arguments).stdout)


class FakeControl:
    """The daemon's end of the control socket: gives each who asks the next of its answers."""

    def __init__(self, site, *answers):
        self.path = site.settings["control.path"]
        self.answers = answers
        self.heard = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(str(self.path))
        self.socket.listen(1)
        self.thread = threading.Thread(target=self._serve)

    def _serve(self):
        for answer in self.answers:
            data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            connection, _ = self.socket.accept()
            with connection:
                heard = b""
                while not heard.endswith(b"\n"):
                    heard += connection.recv(100)
                self.heard.append(heard.decode().strip())
                half = len(data) // 2
                connection.sendall(data[:half])
                connection.sendall(data[half:])

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.thread.join(timeout=10)
        self.socket.close()
        self.path.unlink()
