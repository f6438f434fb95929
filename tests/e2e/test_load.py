# SPDX-License-Identifier: Apache-2.0
"""bench_load tells what has happened: what it counts as stored is stored, and once."""

import json
import subprocess

import pytest

from harness import BUILD


@pytest.fixture(scope="module")
def settings():
    return {"quota.reports_per_s": 0, "quota.bytes_per_s": 0}


def load(daemon, credential, *options):
    """(exit status, what is told)"""
    done = subprocess.run(
        [
            BUILD / "tests" / "bench_load", "--to", f"localhost:{daemon.port}",
            "--ca", daemon.authority.certificate, "--cert", credential.certificate,
            "--key", credential.key, "--warm-up", "0", "--seconds", "1", *options,
        ],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    begin, totals = done.stdout.splitlines()
    assert begin == "begin"
    return done.returncode, json.loads(totals)


@pytest.mark.parametrize(
    "options",
    [
        ("--connections", "4"),
        ("--connections", "4", "--batch", "10"),
        ("--connections", "4", "--new-connections"),
        ("--connections", "4", "--rate", "100"),
    ],
    ids=" ".join,
)
def test_what_is_told_is_stored(daemon, credentials, options):
    """Reports whose answer came after the second are stored, too, and not told."""
    connections = 4
    batch = 10 if "--batch" in options else 1
    before = daemon.value("SELECT count(*) FROM intake.report")
    status, totals = load(daemon, credentials["alpha"], *options)
    added = daemon.value("SELECT count(*) FROM intake.report") - before
    assert (status, totals["not_stored"], totals["lost"]) == (0, 0, 0)
    assert totals["stored"] == totals["requests"] * batch > 0
    assert totals["stored"] <= added <= totals["stored"] + connections * batch
    assert 0 < totals["p50_us"] <= totals["p90_us"] <= totals["p99_us"] <= totals["max_us"]


def test_rate_is_not_exceeded(daemon, credentials):
    """Without it eight connections send hundreds."""
    _, totals = load(daemon, credentials["alpha"], "--connections", "8", "--rate", "50")
    assert 0 < totals["requests"] <= 51


def test_refusals_are_told(daemon, credentials, tmp_path):
    template = tmp_path / "template.json"
    template.write_text('{"report_id":"{uuid}"}\n')
    status, totals = load(
        daemon, credentials["alpha"], "--connections", "1", "--template", template
    )
    assert status == 1
    assert totals["stored"] == 0
    assert totals["not_stored"] == totals["requests"] > 0
    assert totals["refusing_status"] == 422


def test_unknown_partner_is_no_answer(daemon, world):
    """TLS 1.3: the handshake succeeds for the client, then the server closes."""
    stranger = world.authority.issue("nobody")
    done = subprocess.run(
        [
            BUILD / "tests" / "bench_load", "--to", f"localhost:{daemon.port}",
            "--ca", daemon.authority.certificate, "--cert", stranger.certificate,
            "--key", stranger.key, "--connections", "2", "--warm-up", "0", "--seconds", "1",
        ],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    totals = json.loads(done.stdout.splitlines()[1])
    assert totals["stored"] == 0
    assert totals["lost"] + totals["not_stored"] > 0
