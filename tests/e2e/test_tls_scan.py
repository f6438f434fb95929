# SPDX-License-Identifier: Apache-2.0
"""The partners' port as scanners rate it: testssl.sh and nmap, with TLS 1.3 alone and with 1.2."""

import json
import re
import subprocess

import pytest

from harness import IS_SANITIZED

# What scanners say of a certificate is said of its authority's practice; here that of a good one.
EXTENSIONS = ["DNS:localhost", "IP:127.0.0.1\ncrlDistributionPoints = URI:http://localhost/ca.crl"]
# Of the domain, of the scanner's own openssl, and of a protocol that TLS 1.3 cannot have.
NOT_OURS = {"DNS_CAArecord", "engine_problem", "NPN"}
SUITES = {
    False: {
        "TLS_AKE_WITH_AES_256_GCM_SHA384", "TLS_AKE_WITH_CHACHA20_POLY1305_SHA256",
        "TLS_AKE_WITH_AES_128_GCM_SHA256",
    },
    True: {
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    },
}  # fmt: skip

pytestmark = pytest.mark.skipif(IS_SANITIZED, reason="scanners give up on what is slowed down")


@pytest.fixture(scope="module", params=[False, True], ids=["1.3", "1.2 too"])
def scanned(request, world):
    server = world.authority.issue(
        alternative_names=EXTENSIONS,
        extended_key_usage="serverAuth",
        valid_to_days=80,
        common_name="localhost",
    )
    settings = {
        "tls.certificate": server.certificate,
        "tls.key": server.key,
        "tls.allow_tls12": request.param,
    }
    with world.running(settings) as daemon:
        daemon.takes_tls12 = request.param
        yield daemon


@pytest.fixture(scope="module")
def openssl_of_a_partner(world, credentials):
    """testssl.sh has no option for a client's certificate, but one for the openssl it uses."""
    credential = credentials["alpha"]
    wrapper = world.folder / "openssl"
    wrapper.write_text(
        '#!/bin/sh\ntest "$1" = s_client &&\n'
        f'\tset -- "$@" -cert {credential.certificate} -key {credential.key}\n'
        'exec openssl "$@"\n'
    )
    wrapper.chmod(0o755)
    return wrapper


def run(*command):
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, timeout=300
    )
    return done.stdout


def test_testssl_rates_nothing_below_ok(scanned, openssl_of_a_partner):
    out = scanned.folder / "testssl.json"
    printed = run(
        "testssl", "--quiet", "--warnings", "batch", "--color", 0, "--jsonfile", out,
        "--openssl", openssl_of_a_partner, "--add-ca", scanned.authority.certificate,
        "-p", "-s", "-f", "-P", "-S", "-U", f"localhost:{scanned.port}",
    )  # fmt: skip
    findings = json.loads(out.read_text())
    worse = [
        (each["severity"], each["id"], each["finding"])
        for each in findings
        if each["severity"] not in ("OK", "INFO", "DEBUG") and each["id"] not in NOT_OURS
    ]
    assert not worse, printed
    found = {each["id"]: each["finding"] for each in findings}
    assert found["TLS1_3"].startswith("offered")
    assert found["TLS1_2"].startswith("offered" if scanned.takes_tls12 else "not offered")
    assert "heartbleed" in found and "cert_chain_of_trust" in found


def test_nmap_finds_the_suites_that_are_meant(scanned):
    printed = run(
        "nmap", "-Pn", "-p", scanned.port, "--script", "ssl-enum-ciphers,ssl-cert,tls-alpn",
        "127.0.0.1",
    )  # fmt: skip
    assert "least strength: A" in printed, printed
    grades = dict(re.findall(r"(TLS_\w+) \([^)]*\) - ([A-F])", printed))
    assert set(grades.values()) == {"A"}
    assert set(grades) == SUITES[False] | (SUITES[True] if scanned.takes_tls12 else set())
    versions = set(re.findall(r"(TLSv1\.\d|SSLv\d):", printed))
    assert versions == {"TLSv1.3"} | ({"TLSv1.2"} if scanned.takes_tls12 else set())
