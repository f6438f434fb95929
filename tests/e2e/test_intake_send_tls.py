# SPDX-License-Identifier: Apache-2.0
"""intake-send and trust: whom it sends to, who it is, and where it has its key from."""

import os
import socket
import subprocess
import threading
from contextlib import contextmanager

import pytest

from certificates import Ca, openssl
from harness import free_port, wait_until
from reports import smallest_report
from sender import Sender, answering, write_document


def assert_ends(sender, status, *words, **changes):
    """At once, and with a sentence that holds the words."""
    write_document(sender.folder / "a.json", smallest_report())
    done = sender.run("a.json", **changes)
    assert done.returncode == status, done.stderr
    assert all(str(word) in done.stderr for word in words), done.stderr
    assert done.stdout == ""  # nothing of reports, of which none was looked at
    assert sender.results() == []


def test_server_of_another_authority_is_not_trusted(sender, tmp_path):
    other = tmp_path / "other.crt"
    openssl(
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-subj", "/CN=other", "-keyout", tmp_path / "other.key", "-out", other,
    )  # fmt: skip
    assert_ends(sender, 4, "the server is not trusted", "--ca", ca=other)


def test_server_is_not_trusted_by_the_system(sender):
    assert_ends(sender, 4, "the server is not trusted", ca=None)


def test_server_of_another_name_is_not_trusted(tmp_path, world):
    stranger = world.authority.issue(
        alternative_names=["DNS:elsewhere.example"], extended_key_usage="serverAuth"
    )
    settings = {"tls.certificate": stranger.certificate, "tls.key": stranger.key}
    with world.running(settings) as daemon:
        sender = Sender(tmp_path / "partner", daemon, world.authority.issue("alpha"))
        assert_ends(sender, 4, "the server is not trusted", "localhost", "; --url has to name")


@pytest.mark.parametrize("days", [(-3, -1), (1, 3)])
def test_server_whose_certificate_is_not_valid_now_is_not_trusted(sender, world, days):
    credential = world.authority.issue(
        alternative_names=["DNS:localhost"], extended_key_usage="serverAuth",
        valid_from_days=days[0], valid_to_days=days[1],
    )  # fmt: skip
    with answering(credential, 200, {}) as url:
        assert_ends(sender, 4, "the server is not trusted", "; ask its operator, if the clock", url=url)


def test_authorities_that_cannot_be_read_are_named(sender):
    assert_ends(sender, 3, "--ca", "missing.crt", ca="missing.crt")


REFUSED = {
    "another purpose": ({"extended_key_usage": "serverAuth"}, "most likely the certificate in"),
    "not valid yet": ({"valid_from_days": 1}, "is not valid yet: it will be from"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_certificate_that_the_server_refuses_ends_the_run(tmp_path, daemon, world, name):
    members, words = REFUSED[name]
    credential = world.authority.issue("alpha", **members)
    sender = Sender(tmp_path / "partner", daemon, credential)
    assert_ends(sender, 4, "the server refuses the connection", credential.certificate, words)


def test_certificate_of_another_authority_ends_the_run(tmp_path, daemon):
    credential = Ca(tmp_path / "ca").issue("alpha")
    sender = Sender(tmp_path / "partner", daemon, credential)
    assert_ends(sender, 4, "the server refuses the connection", credential.certificate)


def test_expired_certificate_of_the_chain_is_told(tmp_path, daemon, world):
    credential = Ca(tmp_path / "ca").issue("alpha")
    expired = world.authority.issue("alpha", valid_from_days=-3, valid_to_days=-1)
    both = tmp_path / "both.crt"
    both.write_bytes(credential.certificate.read_bytes() + expired.certificate.read_bytes())
    sender = Sender(tmp_path / "partner", daemon, credential)
    assert_ends(sender, 4, f"a certificate of the chain in {both} has expired", cert=both)


def test_revocation_list_that_has_run_out_is_no_fault_of_the_certificate(tmp_path, world, credentials):
    crl = world.authority.write_crl(world.folder / "running-out.crl", next_update_days=3 / 86400)
    with world.running({"tls.partner_crl": crl}) as daemon:
        sender = Sender(tmp_path / "partner", daemon, credentials["alpha"])
        (sender.folder / "empty").mkdir()
        wait_until(lambda: sender.run("empty").returncode == 4, "the list has run out")
        assert_ends(sender, 4, "the server refuses certificates at the moment", "is valid",
                    "revocation list has run out; ask its operator")  # fmt: skip


def test_expired_certificate_is_told_before_anything_is_sent(tmp_path, daemon, world):
    credential = world.authority.issue("alpha", valid_from_days=-3, valid_to_days=-1)
    sender = Sender(tmp_path / "partner", daemon, credential)
    assert_ends(sender, 3, credential.certificate, "has expired")


def alert(number):
    return bytes([21, 3, 3, 0, 2, 2, number])


@contextmanager
def ending_handshakes(answer):
    """The URL of a server that says this, and no more, to whoever begins a handshake."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            while True:
                try:
                    connection = server.accept()[0]
                except OSError:
                    return
                with connection:
                    connection.recv(4096)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"https://localhost:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize("number", [40, 46], ids=["handshake_failure", "certificate_unknown"])
def test_alert_that_is_about_the_partner_ends_the_run(sender, number):
    with ending_handshakes(alert(number)) as url:
        assert_ends(sender, 4, "the server refuses the connection", url=url, give_up_after=20)


@pytest.mark.parametrize(
    "number",
    [10, 20, 22, 50, 80, 90],
    ids=["unexpected_message", "bad_record_mac", "record_overflow", "decode_error", "internal_error",
         "user_canceled"],
)
def test_alert_that_speaks_of_broken_bytes_does_not_end_the_run(sender, number):
    """What stands between has changed a byte, perhaps once: the certificate is as good as before."""
    with ending_handshakes(alert(number)) as url:
        assert_ends(sender, 6, "given up after 1 s without progress", url=url, give_up_after=1)


def test_own_alert_is_no_refusal(sender):
    """A server that takes up an older version is told so in one, and has said nothing of certificates."""
    hello = b"\x03\x03" + bytes(32) + b"\x00\xc0\x2f\x00"
    record = b"\x16\x03\x03" + (len(hello) + 4).to_bytes(2, "big") + b"\x02\x00\x00" + bytes([len(hello)])
    with ending_handshakes(record + hello) as url:
        assert_ends(sender, 6, "given up after 1 s without progress", url=url, give_up_after=1)


def test_certificate_of_nobody_ends_the_run(tmp_path, daemon, world):
    sender = Sender(tmp_path / "partner", daemon, world.authority.issue("nobody"))
    assert_ends(sender, 5, "The certificate belongs to no partner", "partner-unknown")


def test_suspended_partner_ends_the_run(tmp_path, world):
    with world.running() as daemon:
        credential = world.authority.issue("alpha")
        sender = Sender(tmp_path / "partner", daemon, credential)
        daemon.control("partner", "suspend", "alpha")
        write_document(sender.folder / "b.json", smallest_report())
        wait_until(lambda: sender.run("b.json").returncode == 5, "the partner is suspended")
        assert "The partner is suspended" in sender.run("b.json").stderr


@pytest.mark.parametrize(
    "arguments, status, words",
    [
        ([], 5, ["https://localhost:", "does not answer as intaked does"]),
        (["-tls1_2"], 4, ["the server refuses the connection", "protocol version"]),
    ],
    ids=["page", "older TLS"],
)
def test_server_that_is_not_intaked_ends_the_run(sender, world, arguments, status, words):
    """One that answers everything with a page, and one that speaks no TLS 1.3."""
    port = free_port()
    credential = world.server_credential
    server = subprocess.Popen(
        ["openssl", "s_server", "-www", "-accept", str(port), "-cert", credential.certificate,
         "-key", credential.key, *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        url = f"https://localhost:{port}"
        assert_ends(sender, status, *words, url=url, give_up_after=20)
    finally:
        server.kill()
        server.communicate()


BAD_CREDENTIALS = {
    "no certificate": ({"cert": "missing.crt"}, ["missing.crt", "No such file"]),
    "no key": ({"key": "missing.key"}, ["missing.key", "No such file"]),
    "no key in it": ({"key": None}, ["holds no private key"]),
    "another key": ({"key": "other.key"}, ["other.key", "is not the one of the certificate"]),
    "neither of both": ({"cert": "text", "key": None}, ["text", "neither certificate nor key"]),
    "encrypted": ({"key": "encrypted.key"}, ["encrypted.key", "--passphrase-file"]),
    "wrong passphrase": (
        {"key": "encrypted.key", "passphrase_file": "wrong"},
        ["encrypted.key", "wrong"],
    ),
    "no passphrase": (
        {"key": "encrypted.key", "passphrase_file": "missing"},
        ["--passphrase-file missing", "No such file"],
    ),
    "empty passphrase": (
        {"key": "encrypted.key", "passphrase_file": "empty"},
        ["--passphrase-file empty"],
    ),
    "wrong passphrase of pkcs12": (
        {"cert": None, "key": None, "pkcs12": "partner.p12", "passphrase_file": "wrong"},
        ["partner.p12", "wrong"],
    ),
    "no pkcs12": ({"cert": None, "key": None, "pkcs12": "text"}, ["text"]),
}


@pytest.fixture
def wallet(sender, world):
    """Keys, encrypted and not, beside the partner's reports."""
    folder = sender.folder
    (folder / "text").write_text("no certificate\n")
    (folder / "right").write_text("correct horse\nsecond line\n")
    (folder / "wrong").write_text("battery staple\n")
    (folder / "empty").write_text("\n")
    (folder / "other.key").write_bytes(world.authority.issue("alpha").key.read_bytes())
    key = sender.credential.key
    openssl("pkey", "-in", key, "-aes256", "-passout", "pass:correct horse", "-out",
            folder / "encrypted.key")  # fmt: skip
    for name, passphrase in (("partner.p12", "correct horse"), ("open.p12", "")):
        openssl(
            "pkcs12", "-export", "-in", sender.credential.certificate, "-inkey", key,
            "-certfile", world.authority.certificate, "-passout", f"pass:{passphrase}",
            "-out", folder / name,
        )  # fmt: skip
    both = sender.credential.certificate.read_bytes() + key.read_bytes()
    (folder / "both.pem").write_bytes(both)
    return sender


@pytest.mark.parametrize("name", BAD_CREDENTIALS)
def test_what_is_wrong_with_a_credential_is_told_with_its_file(wallet, name):
    changes, words = BAD_CREDENTIALS[name]
    assert_ends(wallet, 3, *words, **changes)


GOOD_CREDENTIALS = {
    "encrypted key": {"key": "encrypted.key", "passphrase_file": "right"},
    "both in one file": {"cert": "both.pem", "key": None},
    "pkcs12": {"cert": None, "key": None, "pkcs12": "partner.p12", "passphrase_file": "right"},
    "pkcs12 without passphrase": {"cert": None, "key": None, "pkcs12": "open.p12"},
}


@pytest.mark.parametrize("name", GOOD_CREDENTIALS)
def test_credential_is_taken_in_every_form(wallet, name):
    write_document(wallet.folder / "a.json", smallest_report())
    assert wallet.send("a.json", **GOOD_CREDENTIALS[name])["stored"] == 1


# --- a token ---


@pytest.fixture
def token(sender, monkeypatch):
    """The partner's key in a token of softhsm2, whose PIN is 5678."""
    folder = sender.folder / "token"
    folder.mkdir()
    conf = folder / "softhsm2.conf"
    conf.write_text(f"directories.tokendir = {folder}\nobjectstore.backend = file\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(conf))
    monkeypatch.setenv("PKCS11_MODULE_PATH", "/usr/lib/softhsm/libsofthsm2.so")
    # Engine and module leave memory behind when they fail.
    monkeypatch.setenv("ASAN_OPTIONS", os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0")
    key = folder / "pkcs8.key"
    openssl("pkcs8", "-topk8", "-nocrypt", "-in", sender.credential.key, "-out", key)
    pins = ["--so-pin", "12345678", "--pin", "5678"]
    for words in (
        ["--init-token", "--free", "--label", "partner", *pins],
        ["--import", key, "--token", "partner", "--label", "key", "--id", "01", *pins[2:]],
    ):
        subprocess.run(["softhsm2-util", *map(str, words)], check=True, capture_output=True)
    (sender.folder / "pin").write_text("5678\n")
    (sender.folder / "pin-alone").write_text("5678")
    (sender.folder / "wrong-pin").write_text("8765\n")
    write_document(sender.folder / "a.json", smallest_report())
    return sender


KEY = "pkcs11:token=partner;object=key"


@pytest.mark.parametrize(
    "changes",
    [
        {"key": KEY, "passphrase_file": "pin"},
        {"key": KEY + "?pin-source=file:pin-alone"},
        {"key": KEY + "?pin-value=5678"},
    ],
)
def test_key_stays_in_its_token(token, changes):
    assert token.send("a.json", **changes)["stored"] == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"key": "pkcs11:token=partner;object=another", "passphrase_file": "pin"},
        {"key": "pkcs11:token=another;object=key", "passphrase_file": "pin"},
        {"key": KEY, "passphrase_file": "wrong-pin"},
    ],
)
def test_what_the_token_does_not_give_ends_the_run(token, changes):
    assert_ends(token, 3, "--cert or --key", **changes)


def test_token_that_nothing_serves_ends_the_run(token, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENSSL_ENGINES", str(tmp_path))
    # Between the two are the words of libcurl, which change with its version.
    words = ("--cert or --key names cannot be used:", "in Debian's package libengine-pkcs11-openssl")
    assert_ends(token, 3, *words, key=KEY, passphrase_file="pin")
