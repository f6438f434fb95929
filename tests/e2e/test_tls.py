# SPDX-License-Identifier: Apache-2.0
"""Who is speaking: every certificate that is refused, and which partner a good one means."""

import os
import socket
import ssl
import time
from datetime import datetime

import pytest

from certificates import Ca, partner_uri
from client import BadAnswer, RawClient, request_bytes, tls_context
from harness import BUILD, PATIENCE, wait_until
from reports import smallest_report

TLS_1_2 = ssl.TLSVersion.TLSv1_2
WHOAMI = request_bytes("GET", "/v1/whoami")


@pytest.fixture(scope="module")
def revoked(world):
    credential = world.authority.issue("alpha")
    world.authority.revoke(credential)
    return credential


@pytest.fixture(scope="module")
def settings(world, revoked):
    """A revocation list is configured, with one certificate on it."""
    assert revoked
    return {"tls.partner_crl": world.authority.write_crl(world.folder / "tls.crl")}


@pytest.fixture(scope="module")
def authority(world):
    return world.authority


def test_good_certificate_is_let_in(alpha):
    assert alpha.get("/v1/whoami").json["partner"] == "alpha"


def test_no_certificate_is_refused(daemon):
    assert daemon.refusal_of(None) == "TLSV13_ALERT_CERTIFICATE_REQUIRED"


def test_another_authoritys_certificate_is_refused(daemon, world):
    """Though it has the same name and names a partner."""
    other = Ca(world.folder / "other-ca")
    assert daemon.refusal_of(other.issue("alpha")) == "TLSV1_ALERT_UNKNOWN_CA"


def test_expired_certificate_is_refused(daemon, authority):
    credential = authority.issue("alpha", valid_from_days=-3, valid_to_days=-1)
    assert daemon.refusal_of(credential) == "SSLV3_ALERT_CERTIFICATE_EXPIRED"


def test_certificate_of_the_future_is_refused(daemon, authority):
    credential = authority.issue("alpha", valid_from_days=1)
    assert daemon.refusal_of(credential) == "SSLV3_ALERT_BAD_CERTIFICATE"


def test_revoked_certificate_is_refused(daemon, revoked):
    assert daemon.refusal_of(revoked) == "SSLV3_ALERT_CERTIFICATE_REVOKED"


@pytest.mark.parametrize("usage", [None, "serverAuth", "codeSigning"])
def test_certificate_without_client_usage_is_refused(daemon, authority, usage):
    credential = authority.issue("alpha", extended_key_usage=usage)
    alert = daemon.refusal_of(credential)
    assert alert in ("SSLV3_ALERT_UNSUPPORTED_CERTIFICATE", "SSLV3_ALERT_BAD_CERTIFICATE")


def test_client_usage_beside_others_is_let_in(daemon, authority):
    credential = authority.issue("alpha", extended_key_usage="serverAuth,clientAuth")
    with daemon.client(credential) as client:
        assert client.get("/v1/whoami").status == 200


def test_no_http_is_answered_to_an_unverified_peer(daemon):
    context = tls_context(daemon.authority.certificate)
    with RawClient(daemon.port, None, context=context) as client:
        with pytest.raises(OSError):
            client.send(request_bytes("GET", "/v1/whoami"))
            answer = client.socket.recv(100)
            raise AssertionError(f"answered {answer!r}")


def test_tls_1_2_is_refused_by_default(daemon, credentials):
    alert = daemon.refusal_of(credentials["alpha"], version=TLS_1_2)
    assert alert == "TLSV1_ALERT_PROTOCOL_VERSION"


def test_plain_http_is_refused(daemon):
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=15) as plain:
        plain.sendall(request_bytes("GET", "/v1/whoami"))
        try:
            assert b"HTTP" not in plain.recv(100)
        except ConnectionResetError:
            pass


def test_no_ticket_is_given(daemon, credentials):
    with daemon.raw_client(credentials["alpha"]) as client:
        assert client.exchange(request_bytes("GET", "/v1/whoami")).status == 200
        assert not client.socket.session.has_ticket


def test_cipher_suite_is_one_of_tls_1_3(daemon, credentials):
    with daemon.raw_client(credentials["alpha"]) as client:
        assert client.socket.version() == "TLSv1.3"
        assert client.socket.cipher()[0] in (
            "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256",
        )  # fmt: skip


def refused_request(daemon, credential):
    """Status and problem of a request that is answered, with the connection's end."""
    with daemon.raw_client(credential) as client:
        answer = client.exchange(request_bytes("GET", "/v1/whoami"))
        assert answer.closes
        client.read_end()
        return answer.status, answer.problem


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["URI:urn:intaked:partner:nobody"],
        ["URI:urn:intaked:partner:alpha", "URI:urn:intaked:partner:beta"],
        ["URI:urn:intaked:partner:alpha", "URI:urn:intaked:partner:alpha2"],
        ["URI:urn:intaked:partner:ALPHA"],
        ["URI:urn:intaked:partner:alpha%20"],
        ["URI:urn:intaked:partner:"],
        ["URI:urn:intaked:partners:alpha"],
        ["DNS:alpha"],
        ["email:alpha@example.org"],
    ],
    ids=str,
)
def test_verified_certificate_of_nobody_is_unknown(daemon, authority, names):
    """The common name says alpha each time and does not count."""
    credential = authority.issue(alternative_names=names, common_name="alpha")
    assert refused_request(daemon, credential) == (403, "partner-unknown")


def test_other_uris_beside_the_partners_are_ignored(daemon, authority):
    names = ["URI:https://example.org/", f"URI:{partner_uri('alpha')}", "DNS:beta"]
    with daemon.client(authority.issue(alternative_names=names)) as client:
        assert client.get("/v1/whoami").json["partner"] == "alpha"


def test_suspended_partner_is_refused_within_5_s_and_comes_back(daemon, authority):
    """An idle connection is closed, a new one answers 403 and closes; resuming undoes it."""
    daemon.add_partner("epsilon")
    credential = authority.issue("epsilon")
    with daemon.client(credential) as client:
        wait_until(lambda: client.get("/v1/whoami").status == 200, "epsilon is known", 5)
    with daemon.raw_client(credential) as idle:
        assert idle.exchange(request_bytes("GET", "/v1/whoami")).status == 200
        daemon.control("partner", "suspend", "epsilon")
        idle.socket.settimeout(5)
        idle.read_end()
    assert refused_request(daemon, credential) == (403, "partner-suspended")
    with daemon.client(credential) as client:
        assert client.post(smallest_report()).problem == "partner-suspended"
        daemon.control("partner", "resume", "epsilon")
        wait_until(lambda: client.get("/v1/whoami").status == 200, "epsilon is back", 5)


def test_partner_with_keys_is_matched_only_by_them(daemon, authority):
    """By the key alone, too; a URI beside it must name the same partner."""
    daemon.add_partner("zeta")
    enrolled = authority.issue("zeta")
    daemon.control("cert", "add", "zeta", "--cert", enrolled.certificate)
    with daemon.client(enrolled) as client:
        wait_until(lambda: client.get("/v1/whoami").status == 200, "zeta is known", 5)
        assert client.get("/v1/whoami").json["partner"] == "zeta"
    assert refused_request(daemon, authority.issue("zeta")) == (403, "partner-unknown")

    by_key_alone = authority.issue(alternative_names=[], key_of=enrolled)
    with daemon.client(by_key_alone) as client:
        assert client.get("/v1/whoami").json["partner"] == "zeta"
    disagreeing = authority.issue("alpha", key_of=enrolled)
    assert refused_request(daemon, disagreeing) == (403, "partner-unknown")


@pytest.mark.parametrize("names", ["zeta", "-", "?"])
def test_operator_can_see_which_certificate_is_nobodys(world, authority, names):
    """By the digest that "cert add --spki" takes; a flood of them is one line."""
    uris = {"zeta": ["zeta"], "-": [], "?": ["zeta", "eta"]}[names]
    credential = authority.issue(
        alternative_names=[f"URI:urn:intaked:partner:{name}" for name in uris]
    )
    with world.running({"listen.workers": 1}) as daemon:
        daemon.add_partner("zeta")
        daemon.control("cert", "add", "zeta", "--cert", authority.issue("zeta").certificate)
        for _ in range(3):
            assert refused_request(daemon, credential) == (403, "partner-unknown")
        (line,) = daemon.log_lines("event=partner-unknown")
        assert f" names={names} spki_sha256={credential.spki_sha256()} " in line


def test_revoked_key_overrides_every_match(daemon, authority):
    """Also where another key was enrolled and where the certificate's URI would do."""
    daemon.add_partner("eta")
    old = authority.issue("eta")
    new = authority.issue("eta")
    for credential in (old, new):
        daemon.control("cert", "add", "eta", "--spki", credential.spki_sha256())
    for credential in (old, new):
        with daemon.client(credential) as client:
            wait_until(lambda: client.get("/v1/whoami").status == 200, "eta is known", 5)
    with daemon.client(old) as open_one:
        assert open_one.get("/v1/whoami").status == 200
        daemon.control("cert", "revoke", old.spki_sha256())
        wait_until(lambda: open_one.get("/v1/whoami").status == 403, "it is refused", 5)
    assert refused_request(daemon, old) == (403, "partner-unknown")
    renamed = authority.issue("alpha", key_of=old)
    assert refused_request(daemon, renamed) == (403, "partner-unknown")
    with daemon.client(new) as client:
        assert client.get("/v1/whoami").status == 200


def test_tls_1_2_can_be_turned_on_and_resumes_nothing(world, credentials):
    with world.running({"tls.allow_tls12": True}) as daemon:
        context = tls_context(daemon.authority.certificate, credentials["alpha"], TLS_1_2)
        with RawClient(daemon.port, None, context=context) as first:
            assert first.exchange(request_bytes("GET", "/v1/whoami")).status == 200
            assert first.socket.version() == "TLSv1.2"
            session = first.socket.session
            assert not session.has_ticket
        with socket.create_connection(("127.0.0.1", daemon.port), timeout=15) as plain:
            with context.wrap_socket(
                plain, server_hostname="localhost", session=session
            ) as second:
                assert not second.session_reused
        with daemon.client(credentials["alpha"]) as client:
            assert client.get("/v1/whoami").status == 200


def test_revocation_list_that_expires_refuses_everybody(world, credentials, monkeypatch):
    """A second before it was good enough to start with. Those who are there are asked about by the clock
    by which OpenSSL judges: it has them until its own second is over."""
    monkeypatch.setenv("LD_PRELOAD", str(BUILD / "tests" / "liblate_time.so"))
    # Of a library that wraps none of its functions a sanitizer need not come first.
    monkeypatch.setenv("ASAN_OPTIONS", os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0")
    crl = world.authority.write_crl(world.folder / "expiring.crl", next_update_days=3 / 86400)
    with world.running({"tls.partner_crl": crl}) as daemon:
        there = daemon.raw_client(credentials["alpha"])
        assert there.exchange(WHOAMI).status == 200

        def is_refused():
            try:
                return daemon.refusal_of(credentials["alpha"], timeout=0.5) == (
                    "SSLV3_ALERT_CERTIFICATE_EXPIRED"
                )
            except (TimeoutError, AssertionError):
                return False  # let in, and perhaps shown out in that moment

        wait_until(is_refused, "the list has expired")
        there.socket.settimeout(5 * PATIENCE)
        there.read_end()
        there.close()
        text = "the revocation list has run out: nobody is let in"
        assert daemon.admin("/readyz") == (503, text + "\n")
        wait_until(lambda: daemon.notify.has(f"STATUS={text}"), "the service manager is told", 15)
        assert len(daemon.log_lines("severity=error", "event=nobody-let-in", text)) == 1
        world.authority.write_crl(crl)
        assert daemon.ask("reload")["reloaded"]
        assert daemon.admin("/readyz")[0] == 200
        assert len(daemon.log_lines("event=let-in-again")) == 1


def test_connection_ends_with_the_list_it_was_let_in_by(world, credentials):
    """That of its own authority, whatever others last."""
    lists, authorities = [], [world.authority.certificate]
    for number, ends_s in enumerate((2, 600)):
        other = Ca(world.folder / f"other-{number}", name=f"other {number}")
        authorities.append(other.certificate)
        lists.append(other.write_crl(world.folder / f"{number}.crl", next_update_days=ends_s / 86400))
    lists.append(world.authority.write_crl(world.folder / "own.crl", next_update_days=5 / 86400))
    for name, parts in (("all.crt", authorities), ("all.crl", lists)):
        (world.folder / name).write_bytes(b"".join(path.read_bytes() for path in parts))
    settings = {"tls.partner_ca": world.folder / "all.crt", "tls.partner_crl": world.folder / "all.crl"}
    with world.running(settings) as daemon:
        with daemon.raw_client(credentials["alpha"]) as there:
            assert there.exchange(WHOAMI).status == 200
            there.socket.settimeout(15 * PATIENCE)
            there.read_end()
        assert daemon.admin("/readyz")[0] == 200


def test_certificate_that_expires_serves_no_further_request(daemon, authority):
    """The connection that it was used for is closed as an idle one is."""
    brief = authority.issue("alpha", valid_to_days=4 / 86400)
    with daemon.raw_client(brief) as raw:
        expires_at = datetime.fromisoformat(raw.exchange(WHOAMI).json["certificate"]["expires_at"])
        wait_until(lambda: time.time() > expires_at.timestamp(), "it has expired", 10)
        with pytest.raises(BadAnswer, match="closed in mid-answer after b''"):
            raw.exchange(WHOAMI)


def test_authority_without_a_list_is_refused_beside_one_with(world, credentials):
    other = Ca(world.folder / "other-authority", name="another authority")
    both = world.folder / "both.crt"
    both.write_bytes(world.authority.certificate.read_bytes() + other.certificate.read_bytes())
    crl = world.authority.write_crl(world.folder / "one.crl")
    with world.running({"tls.partner_ca": both, "tls.partner_crl": crl}) as daemon:
        with daemon.client(credentials["alpha"]) as client:
            assert client.get("/v1/whoami").status == 200
        assert daemon.refusal_of(other.issue("alpha")) == "TLSV1_ALERT_UNKNOWN_CA"


def test_daemon_does_not_start_with_a_list_it_cannot_use(world):
    """Expired, of another authority, or no list at all."""
    other = Ca(world.folder / "third-authority", name="a third authority")
    expired = world.folder / "expired.crl"
    world.authority.write_crl(expired, last_update_days=-3, next_update_days=-1)
    daemon = world.daemon()
    for path in (expired, other.write_crl(world.folder / "foreign.crl"), other.certificate):
        daemon.configure({"tls.partner_crl": path})
        daemon.start(is_ready_expected=False)
        assert daemon.wait_for_exit() == 1
        assert str(path) in daemon.log.read_text()
