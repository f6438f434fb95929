# SPDX-License-Identifier: Apache-2.0
"""Runs intake-send as a partner does, in a folder of its own."""

import hashlib
import json
import os
import signal
import ssl
import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from client import encode
from harness import BUILD, PATIENCE, die_with_parent

PROGRAM = BUILD / "intake-send"
RESULTS = "intake-send.results.ndjson"


def environment():
    """Without a proxy that would stand before loopback."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("proxy")}
    kept["TERM"] = "xterm"
    return kept


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def stored(daemon, *reports):
    """The digests of what is stored under the reports' ids, in the reports' order."""
    digests = dict(
        daemon.rows("SELECT report_id, encode(sha256(payload), 'hex') FROM intake.report")
    )
    return [digests.get(report["report_id"]) for report in reports]


def write_document(path, report, **layout):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, **layout))
    return path


def write_lines(path, *reports):
    path.write_bytes(b"".join(encode(report) + b"\n" for report in reports))
    return path


@contextmanager
def answering(credential, status, content, to_reports=(404, b""), asked=None):
    """The URL of a server that answers every question with this JSON, and reports with a page and
    perhaps headers. Bodies go into the list of what was asked."""
    asked = [] if asked is None else asked

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.answer(status, json.dumps(content).encode())

        def do_POST(self):
            asked.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.answer(*to_reports)

        def answer(self, status, body, headers=()):
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Of no interest."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(credential.certificate, credential.key)
    with HTTPServer(("localhost", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"https://localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class Sender:
    """What stays the same over several runs: folder, daemon, credential."""

    def __init__(self, folder, daemon, credential, **options):
        self.folder = Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.daemon = daemon
        self.credential = credential
        self.options = {"url": f"https://localhost:{daemon.port}"}
        self.options["ca"] = daemon.authority.certificate
        if credential:
            self.options["cert"] = credential.certificate
            self.options["key"] = credential.key
        self.options.update(options)

    def command(self, *arguments, **changes):
        """Options are named as on the command line; None takes one out, True has no value."""
        line = [PROGRAM]
        for name, value in {**self.options, **changes}.items():
            option = "--" + name.replace("_", "-")
            if value is True:
                line.append(option)
            elif value is not None:
                line += [option, value]
        return [str(word) for word in [*line, *arguments]]

    def run(self, *arguments, data=None, environment_of=None, **changes):
        """To the end; what it printed is text."""
        done = subprocess.run(
            self.command(*arguments, **changes), cwd=self.folder, env=environment_of or environment(),
            input=data, capture_output=True, text=True, check=False, timeout=60 * PATIENCE,
        )  # fmt: skip
        assert "Sanitizer" not in done.stderr, done.stderr
        return done

    def send(self, *arguments, status=0, **changes):
        """The summary for programs, of a run that ends with this status."""
        done = self.run(*arguments, json=True, **changes)
        assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
        summary = json.loads(done.stdout)
        assert summary["exit"] == status
        return summary

    def start(self, *arguments, stdin=subprocess.DEVNULL, stderr=None, **changes):
        return Running(
            subprocess.Popen(
                self.command(*arguments, **changes), cwd=self.folder, env=environment(),
                stdin=stdin, stdout=subprocess.PIPE, stderr=stderr or subprocess.PIPE,
                preexec_fn=die_with_parent,
            )  # fmt: skip
        )

    def results(self, name=RESULTS):
        """Every whole line of the result file."""
        path = self.folder / name
        if not path.exists():
            return []
        lines = path.read_bytes().split(b"\n")[:-1]
        return [json.loads(line) for line in lines if line]


class Running:
    """A run that is watched, and stopped in whatever way."""

    def __init__(self, process):
        self.process = process

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream:
                stream.close()

    def is_running(self):
        return self.process.poll() is None

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def wait(self, timeout=60):
        """Exit status and what was printed."""
        out, err = self.process.communicate(timeout=timeout * PATIENCE)
        return self.process.returncode, (out or b"").decode(), (err or b"").decode()
