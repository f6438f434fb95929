# SPDX-License-Identifier: Apache-2.0
"""The first command a new user runs, from nothing to the end, and a second time."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from harness import IS_SANITIZED, ROOT, free_port, wait_until

pytestmark = pytest.mark.skipif(IS_SANITIZED, reason="it makes a build of its own")


@pytest.fixture(scope="module")
def folder():
    """In a folder of its own that PostgreSQL's user can reach, until a test forbids it."""
    parent = Path(tempfile.mkdtemp(dir=os.environ.get("INTAKED_TEST_FOLDER", "/tmp")))
    parent.chmod(0o711)
    yield parent / "quickstart"
    shutil.rmtree(parent)


def command(folder, *arguments):
    ports = ["--port", str(free_port()), "--admin-port", str(free_port())]
    return [ROOT / "daemon" / "quickstart", "--dir", folder, *ports, *arguments]


def readme_send(folder, port):
    """What the README has a reader send, in this folder."""
    section = (ROOT / "README.md").read_text().partition("send one of your own")[2].partition("\n## ")[0]
    lines = [line[4:] for line in section.splitlines() if line.startswith("    ")]
    assert lines.pop(0) == "cd build/quickstart" and lines[-1].startswith("./psql")
    script = "\n".join(lines).replace("../..", str(ROOT)).replace(":8443", f":{port}").replace("curl ", "curl --noproxy '*' -s ")
    done = subprocess.run(
        ["bash", "-euc", script], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("ports", [("8443", "99999"), ("0", "8444"), ("x", "8444"), ("8443", "8443")])
def test_port_that_is_none_is_told_at_once(folder, ports):
    other = folder.parent / "none"
    done = subprocess.run(
        [ROOT / "daemon" / "quickstart", "--dir", other, "--port", ports[0], "--admin-port", ports[1]],
        cwd="/", capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "") and not other.exists()
    assert re.fullmatch(r"quickstart: .*(is no port: a number from 1 to 65535|two are needed).*\n", done.stderr), done.stderr


def test_once_ends_0_and_shows_answers_and_rows(folder):
    done = subprocess.run(
        command(folder, "--once"), cwd="/", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for words in (
        "HTTP 201", "HTTP 422", "did you mean ransomware", "NH-2026-000417", "FROM analysis.report",
    ):  # fmt: skip
        assert words in done.stdout, done.stdout
    for name in ("ca.crt", "partner.crt", "partner.key", "intaked.conf", "psql", "psql-admin"):
        assert (folder / name).exists()


def test_port_that_is_taken_is_told(folder):
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        done = subprocess.run(
            [*command(folder, "--once"), "--admin-port", str(taken.getsockname()[1])],
            cwd="/", capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1 and "Address already in use" in done.stderr
    assert "No such process" not in done.stdout + done.stderr


def test_second_start_takes_up_what_is_there_and_stays_until_told(folder):
    with subprocess.Popen(
        command(folder), cwd="/", stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        output = ""
        for line in process.stdout:
            output += line
            if "Ctrl-C" in line:
                break
        assert process.poll() is None, output
        assert "HTTP 200" in output and "HTTP 201" not in output
        pid = int((folder / "intaked.pid").read_text())
        os.kill(pid, 0)
        count = subprocess.run(
            [folder / "psql", "-Atc", "SELECT count(*) FROM analysis.report"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert count.stdout == "3\n"
        demo = subprocess.run(
            [
                folder / "psql-admin", "-Atc",
                "SELECT is_live, quota_connections, quota_reports_in_flight, quota_reports_per_s,"
                " quota_reports_burst, quota_bytes_per_s, quota_bytes_burst FROM intake.partner",
            ],
            capture_output=True, text=True, check=True, timeout=20,
        )  # fmt: skip
        assert demo.stdout == "t|0|0|0|0|0|0\n"
        said = readme_send(folder, re.search(r"intaked on https://127\.0\.0\.1:(\d+)", output)[1])
        receipt, end = json.JSONDecoder().raw_decode(said)
        assert (receipt["report_id"], receipt["status"]) == ("MY-1", "stored") and "MY-1" in said[end:]
        os.killpg(process.pid, signal.SIGINT)
        process.stdout.read()
        process.wait(timeout=40)

    def is_gone():
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return False

    wait_until(is_gone, "the daemon has ended")


def test_cluster_lies_elsewhere_when_postgres_cannot_reach_the_folder(folder):
    """As in a checkout under a closed home: the place is named, and reused by the next start."""
    if os.geteuid() != 0:
        pytest.skip("then the cluster runs as the user who owns the folder")
    folder.parent.chmod(0o700)
    outputs = []
    try:
        for _ in range(2):
            done = subprocess.run(
                command(folder, "--once"), cwd="/", capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
            outputs.append(done.stdout)
        place = (folder / "cluster").read_text().strip()
        assert place.startswith("/var/tmp/intaked-quickstart.")
        assert all(place in output for output in outputs)
        assert "HTTP 201" in outputs[0] and "HTTP 201" not in outputs[1]
    finally:
        if (folder / "cluster").exists():
            shutil.rmtree((folder / "cluster").read_text().strip())
