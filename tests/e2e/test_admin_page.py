# SPDX-License-Identifier: Apache-2.0
"""The page at GET / as it is sent, and who may ask the admin listener; test_page.py shows it to a
browser."""

import base64
import hashlib
import re
import shutil
import socket
import subprocess
import tarfile
from html.parser import HTMLParser

import pytest

from harness import ROOT

VENDOR = ROOT / "daemon" / "server" / "page" / "vendor"


def test_page_comes_with_policies_that_let_nothing_else_in(daemon):
    status, headers, text = daemon.admin_answer("/")
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    policy = dict(
        directive.split(" ", 1) for directive in headers["Content-Security-Policy"].split("; ")
    )
    for name, value in (
        ("default-src", "'none'"),
        ("connect-src", "'self'"),
        ("base-uri", "'none'"),
        ("form-action", "'none'"),
        ("frame-ancestors", "'none'"),
    ):
        assert policy[name] == value
    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        elements = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digests = [
            base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
            for content in elements
        ]
        assert policy[directive] == " ".join(f"'sha256-{digest}'" for digest in digests)


class References(HTMLParser):
    """Everything that would be fetched or is styled or scripted in place."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("src", "srcset", "style", "action") or name.startswith("on"):
                self.found.append((tag, name, value))
            if name == "href" and re.match(r"[a-z]*:?//", value):
                self.found.append((tag, name, value))


def test_page_refers_to_nothing_outside(daemon):
    references = References()
    references.feed(daemon.admin("/")[1])
    assert references.found == []


def test_page_holds_the_licence_of_the_chart_library(daemon):
    assert (VENDOR / "uPlot.LICENSE").read_text().strip() in daemon.admin("/")[1]


def test_vendored_files_are_those_that_were_checked():
    lines = (VENDOR / "SHA256SUMS").read_text().splitlines()
    sums = dict(reversed(line.split("  ")) for line in lines if not line.startswith("#"))
    assert set(sums) == {path.name for path in VENDOR.iterdir()} - {"SHA256SUMS"}
    for name, digest in sums.items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest, name


def test_vendored_files_are_those_of_the_registry(tmp_path):
    version = re.search(r"uplot (\S+) of npm", (VENDOR / "SHA256SUMS").read_text())[1]
    npm = shutil.which("npm")
    packed = npm and subprocess.run(
        [npm, "pack", "--silent", "--fetch-retries=1", "--fetch-timeout=20000", f"uplot@{version}"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    if not packed or packed.returncode != 0:
        pytest.skip("the npm registry is not reached: the vendored files were compared by digest only")
    with tarfile.open(tmp_path / f"uplot-{version}.tgz") as archive:
        for name, member in (
            ("uPlot.iife.min.js", "dist/uPlot.iife.min.js"),
            ("uPlot.min.css", "dist/uPlot.min.css"),
            ("uPlot.LICENSE", "LICENSE"),
        ):
            content = archive.extractfile(f"package/{member}").read()
            assert content == (VENDOR / name).read_bytes(), name


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8444", 200),
        ("localhost", 200),
        ("[::1]:8444", 200),
        ("", 200),
        ("rebound.example", 421),
        ("localhost.rebound.example:8444", 421),
    ],
)
@pytest.mark.parametrize("path", ["/", "/status.json", "/history.json", "/metrics"])
def test_a_name_that_somebody_else_may_own_is_no_host(daemon, path, host, status):
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", daemon.admin_port), 10) as plain:
        plain.sendall(request.encode())
        answer = plain.makefile("rb").read()
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert (b"alpha" in answer or b"uPlot" in answer or b"stored" in answer) == (status == 200)
