# SPDX-License-Identifier: Apache-2.0
"""Enrolment in one step: a partner's request becomes a certificate that the daemon takes."""

import os
import pty
import re
import shlex
import shutil
import subprocess
import termios
from datetime import datetime, timedelta, timezone

import pytest

from certificates import Ca, Credential, days_from_now, openssl, partner_uri
from harness import BUILD, PATIENCE, wait_until
from operating import json_of, refusal
from reports import ORGANISATION

EC = ("EC", "ec_paramgen_curve:P-256")


@pytest.fixture
def site(world):
    """A database without partners, and no daemon."""
    return world.daemon()


class Applicant:
    """A partner's side: a folder with its key and its request."""

    def __init__(self, folder, name, kind=EC, subject="/CN=whatever", extensions=()):
        folder.mkdir(parents=True)
        self.folder, self.name = folder, name
        self.key, self.csr = folder / f"{name}.key", folder / f"{name}.csr"
        algorithm, *options = kind
        options = [word for option in options for word in ("-pkeyopt", option)]
        openssl("genpkey", "-algorithm", algorithm, *options, "-out", self.key)
        extensions = [word for extension in extensions for word in ("-addext", extension)]
        openssl("req", "-new", "-key", self.key, "-subj", subject, "-out", self.csr, *extensions)

    @property
    def credential(self):
        return Credential(self.folder / f"{self.name}.crt", self.key)


@pytest.fixture
def applicant(tmp_path):
    return Applicant(tmp_path / "nordhaven", "nordhaven")


def words(applicant, authority, *more):
    """The command's words; a later option replaces an earlier one."""
    return [
        "partner", "enrol", applicant.name, "--csr", applicant.csr, "--out", applicant.folder,
        "--ca", authority.certificate, "--ca-key", authority.folder / "ca.key", *more,
    ]  # fmt: skip


NEW = ("--org", ORGANISATION, "--live")


def whoami(daemon, credential):
    """Who the daemon says that the holder is; None while it does not know it yet."""
    with daemon.client(credential) as client:
        response = client.get("/v1/whoami")
    return response.json if response.status == 200 else None


def text_of(certificate, *options):
    return openssl("x509", "-in", certificate, "-noout", *options).decode()


@pytest.mark.parametrize(
    "kind",
    [
        EC, ("EC", "ec_paramgen_curve:P-384"), ("RSA", "rsa_keygen_bits:2048"), ("ED25519",),
    ],
    ids=lambda kind: "-".join(kind).rpartition(":")[2],
)  # fmt: skip
def test_an_enrolled_partner_connects(daemon, world, tmp_path, kind):
    applicant = Applicant(tmp_path / "new", f"new-{kind[-1][-4:].lower()}", kind)
    done = json_of(daemon, *words(applicant, world.authority, *NEW))
    who = wait_until(lambda: whoami(daemon, applicant.credential), "the partner is known")
    assert (who["partner"], who["mode"]) == (applicant.name, "live")
    assert who["organisations"] == [ORGANISATION]
    (key,) = json_of(daemon, "cert", "list", applicant.name)
    assert key["spki_sha256"] == done["spki_sha256"] == applicant.credential.spki_sha256()
    assert key["expires_at"].startswith(done["expires_at"].rstrip("Z"))


def test_what_is_printed_can_be_tried_as_it_stands(daemon, world, tmp_path):
    applicant = Applicant(tmp_path / "tries", "tries")
    said = daemon.control(*words(applicant, world.authority, *NEW)).stdout
    assert f"  https://localhost:{daemon.port}  the address" in said
    wait_until(lambda: whoami(daemon, applicant.credential), "the partner is known")
    (line,) = [line for line in said.splitlines() if line.startswith("  curl ")]
    done = subprocess.run(
        [*shlex.split(line), "--silent", "--noproxy", "*"],
        cwd=applicant.folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert '"partner":"tries"' in done.stdout.replace(" ", "")


def test_another_certificate_is_added_to_a_partner(daemon, world, tmp_path):
    first = Applicant(tmp_path / "first", "twice")
    second = Applicant(tmp_path / "second", "twice")
    daemon.control(*words(first, world.authority, *NEW))
    said = daemon.control(*words(second, world.authority)).stdout
    assert said.startswith("partner twice has another certificate, in live mode")
    for applicant in (first, second):
        wait_until(lambda: whoami(daemon, applicant.credential), "both keys are known")
    assert len(json_of(daemon, "cert", "list", "twice")) == 2
    # Renewed over its key: the certificate is new, the key is not.
    renewed = Applicant(tmp_path / "renewed", "twice")
    shutil.copy(first.csr, renewed.csr)
    daemon.control(*words(renewed, world.authority))
    assert whoami(daemon, Credential(renewed.credential.certificate, first.key))
    assert len(json_of(daemon, "cert", "list", "twice")) == 2


def test_the_certificate_is_what_it_should_be(site, world, applicant):
    said = json_of(site, *words(applicant, world.authority, *NEW, "--days", 20))
    certificate = applicant.credential.certificate
    assert said["certificate"] == str(certificate)
    text = text_of(certificate, "-text").partition("X509v3 extensions:")[2]
    found = re.findall(r"^ +X509v3 ([\w ]+): ?(critical)? *\n +(.+)$", text, re.MULTILINE)
    extensions = {name: (critical, value.strip()) for name, critical, value in found}
    assert extensions.keys() == {
        "Basic Constraints", "Key Usage", "Extended Key Usage", "Subject Alternative Name",
        "Subject Key Identifier", "Authority Key Identifier",
    }  # fmt: skip
    assert extensions["Basic Constraints"] == ("critical", "CA:FALSE")
    assert extensions["Key Usage"] == ("critical", "Digital Signature")
    assert extensions["Extended Key Usage"] == ("", "TLS Web Client Authentication")
    assert extensions["Subject Alternative Name"] == ("", f"URI:{partner_uri('nordhaven')}")
    identifier = text_of(world.authority.certificate, "-ext", "subjectKeyIdentifier").split()[-1]
    assert extensions["Authority Key Identifier"][1].endswith(identifier)
    assert text_of(certificate, "-subject", "-nameopt", "RFC2253") == "subject=CN=nordhaven\n"
    ends = datetime.fromisoformat(said["expires_at"].rstrip("Z")).replace(tzinfo=timezone.utc)
    assert abs(ends - days_from_now(20)) < timedelta(minutes=5)


def test_serials_are_random_and_long(site, world, tmp_path):
    serials = set()
    for n in range(3):
        applicant = Applicant(tmp_path / str(n), "nordhaven")
        site.control(*words(applicant, world.authority, *(NEW if n == 0 else ())))
        serials.add(int(text_of(applicant.credential.certificate, "-serial").split("=")[1], 16))
    assert len(serials) == 3
    assert max(serials) >> 112 and max(serials) < 1 << 128


def test_a_certificate_never_outlives_its_authority(site, world, applicant):
    """The authority of the tests lasts 30 days; 90 is what the command gives by itself."""
    site.control(*words(applicant, world.authority, *NEW))
    ours, theirs = applicant.credential.certificate, world.authority.certificate
    assert text_of(ours, "-enddate") == text_of(theirs, "-enddate")


def test_a_chain_through_another_authority_goes_into_the_file(world, tmp_path):
    """The daemon knows the root alone, so the partner has to send what lies between."""
    authority = Ca(tmp_path / "intermediate", name="between")
    request = openssl("req", "-new", "-key", authority.folder / "ca.key", "-subj", "/CN=between")
    extensions = tmp_path / "extensions"
    extensions.write_text(
        "basicConstraints = critical,CA:TRUE\nkeyUsage = critical,keyCertSign,cRLSign\n"
        "subjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid\n"
    )
    root = world.authority
    between = openssl(
        "x509", "-req", "-in", "/dev/stdin", "-CA", root.certificate, "-CAkey", root.folder / "ca.key",
        "-days", 5, "-extfile", extensions, "-set_serial", 77, data=request,
    )  # fmt: skip
    authority.certificate.write_bytes(between + root.certificate.read_bytes())
    applicant = Applicant(tmp_path / "nordhaven", "nordhaven")
    with world.running(partners=()) as daemon:
        said = json_of(daemon, *words(applicant, authority, *NEW))
        assert said["is_checked"] is True
        assert applicant.credential.certificate.read_text().count("BEGIN CERTIFICATE") == 2
        wait_until(lambda: whoami(daemon, applicant.credential), "the partner is known")


def test_the_servers_authority_is_found_or_given(site, world, tmp_path, applicant):
    """It is the partners' authority here, unless the operator says another."""
    said = json_of(site, *words(applicant, world.authority, *NEW))
    given = applicant.folder / "server-ca.crt"
    assert said["server_ca"] == str(given)
    assert text_of(given, "-fingerprint") == text_of(world.authority.certificate, "-fingerprint")

    other = Ca(tmp_path / "other")
    site.configure({"tls.certificate": other.issue_server().certificate})
    stranger = Applicant(tmp_path / "stranger", "nordhaven")
    said = json_of(site, *words(stranger, world.authority))
    assert said["server_ca"] is None and "--cacert" not in said["try"]
    again = Applicant(tmp_path / "again", "nordhaven")
    said = json_of(site, *words(again, world.authority, "--server-ca", other.certificate))
    assert text_of(said["server_ca"], "-fingerprint") == text_of(other.certificate, "-fingerprint")


def test_the_usual_port_is_not_in_the_address(site, world, applicant):
    site.configure({"listen.address": "[::]:443"})
    assert json_of(site, *words(applicant, world.authority, *NEW))["url"] == "https://localhost"


def test_what_cannot_be_read_here_is_said(site, world, applicant):
    site.configure({"tls.partner_ca": "/nonexistent.crt", "tls.certificate": "/nonexistent.crt"})
    said = site.control(*words(applicant, world.authority, *NEW)).stdout
    assert f"https://HOST:{site.port}" in said
    assert "was not checked: /nonexistent.crt cannot be read here" in said


# ---- the authority's key has a password


@pytest.fixture(scope="module")
def locked_key(world):
    path = world.folder / "locked.key"
    openssl("pkey", "-in", world.authority.folder / "ca.key", "-aes256", "-passout", "pass:open sesame",
            "-out", path)  # fmt: skip
    return path


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\nsecond line\n"])
def test_a_password_comes_from_a_file(site, world, applicant, locked_key, tmp_path, ending):
    password = tmp_path / "password"
    password.write_bytes(f"open sesame{ending}".encode())
    site.control(*words(applicant, world.authority, *NEW, "--ca-key", locked_key,
                        "--ca-password-file", password))  # fmt: skip
    assert applicant.credential.certificate.exists()


def test_a_password_is_asked_at_the_terminal_and_not_shown(site, world, applicant, locked_key):
    command = words(applicant, world.authority, *NEW, "--ca-key", locked_key)
    pid, terminal = pty.fork()
    if pid == 0:
        program = str(BUILD / "intakectl")
        os.execv(program, [program, "-c", str(site.conf), *map(str, command)])
    seen = b""
    while b"Password of " not in seen:
        seen += os.read(terminal, 1000)
    # libcrypto asks first, and then keeps the answer from being shown.
    wait_until(lambda: not termios.tcgetattr(terminal)[3] & termios.ECHO, "nothing is shown")
    os.write(terminal, b"open sesame\n")
    try:
        while data := os.read(terminal, 1000):
            seen += data
    except OSError:
        pass  # the other end is closed
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, seen
    os.close(terminal)
    assert f"Password of {locked_key}: ".encode() in seen and b"sesame" not in seen
    assert b"partner nordhaven is enrolled" in seen


def test_without_a_terminal_nobody_is_asked(site, world, applicant, locked_key):
    done = subprocess.run(
        [BUILD / "intakectl", "-c", site.conf,
         *map(str, words(applicant, world.authority, *NEW, "--ca-key", locked_key))],
        input="open sesame\n", capture_output=True, text=True, check=False,
        start_new_session=True, timeout=60 * PATIENCE,
    )  # fmt: skip
    assert done.returncode == 1
    assert "there is no terminal to ask" in done.stderr and "--ca-password-file" in done.stderr


# ---- what is refused leaves nothing behind


BAD_REQUESTS = {
    "short RSA": ({"kind": ("RSA", "rsa_keygen_bits:1024")}, "the RSA key has 1024 bits; expected"),
    "strange curve": ({"kind": ("EC", "ec_paramgen_curve:secp256k1")}, "on a curve that is not"),
    "curve of 521 bits": ({"kind": ("EC", "ec_paramgen_curve:P-521")}, "on a curve that is not"),
    "curve written out": (
        {"kind": (*EC, "ec_param_enc:explicit")},
        "on a curve that is not",
    ),
    "Ed448": ({"kind": ("ED448",)}, "keys of that kind are not taken; expected RSA of 2048"),
    "another partner": (
        {"extensions": [f"subjectAltName=URI:{partner_uri('nordhaven-2')}"]},
        "asks for a certificate of another partner than nordhaven",
    ),
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_a_request_that_the_daemon_would_not_take_is_refused(site, world, tmp_path, name):
    how, sentence = BAD_REQUESTS[name]
    applicant = Applicant(tmp_path / "nordhaven", "nordhaven", **how)
    said = refusal(site, *words(applicant, world.authority, *NEW))
    assert str(applicant.csr) in said and sentence in said
    assert nothing_is_left(site, applicant)


def test_a_request_may_name_the_partner_itself(site, world, tmp_path):
    names = [f"subjectAltName=URI:{partner_uri('nordhaven')},DNS:anything.example"]
    applicant = Applicant(tmp_path / "nordhaven", "nordhaven", extensions=names)
    site.control(*words(applicant, world.authority, *NEW))
    assert "anything" not in text_of(applicant.credential.certificate, "-text")


def nothing_is_left(site, applicant):
    assert not applicant.credential.certificate.exists()
    assert not (applicant.folder / "server-ca.crt").exists()
    assert json_of(site, "partner", "list") == []
    assert json_of(site, "cert", "list") == []
    return True


def tamper(applicant):
    der = bytearray(openssl("req", "-in", applicant.csr, "-outform", "DER"))
    at = der.index(b"whatever")
    der[at] ^= 1
    pem = openssl("req", "-inform", "DER", "-in", "/dev/stdin", "-outform", "PEM", data=bytes(der))
    applicant.csr.write_bytes(pem)


def add_the_key(applicant):
    applicant.csr.write_bytes(applicant.csr.read_bytes() + applicant.key.read_bytes())


BAD_FILES = {
    "tampered with": (tamper, "is not signed by the key that it names"),
    "a key beside it": (add_the_key, "holds a private key, which now is no secret any more"),
    "empty": (lambda a: a.csr.write_text(""), "holds no certificate request"),
    "not there": (lambda a: a.csr.unlink(), "cannot be opened: No such file"),
    "endless": (lambda a: a.csr.write_text("x" * 70000), "is longer than a certificate request"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_is_no_good_request_is_refused(site, world, applicant, name):
    spoil, sentence = BAD_FILES[name]
    spoil(applicant)
    said = refusal(site, *words(applicant, world.authority, *NEW))
    assert f"{applicant.csr}" in said and sentence in said
    assert nothing_is_left(site, applicant)


def expired_authority(folder):
    authority = Ca(folder)
    openssl(
        "ca", "-batch", "-notext", "-config", authority.config, "-selfsign", "-in", "/dev/stdin",
        "-startdate", f"{days_from_now(-9):%Y%m%d%H%M%SZ}",
        "-enddate", f"{days_from_now(-1):%Y%m%d%H%M%SZ}", "-out", authority.certificate,
        "-extfile", extensions_of_authority(folder),
        data=openssl("req", "-new", "-key", folder / "ca.key", "-subj", "/CN=late"),
    )  # fmt: skip
    return authority


def extensions_of_authority(folder):
    path = folder / "extensions"
    path.write_text("basicConstraints = critical,CA:TRUE\nkeyUsage = critical,keyCertSign\n"
                    "subjectKeyIdentifier = hash\n")  # fmt: skip
    return path


def foreign_key(world, folder):
    shutil.copy(world.authority.certificate, Ca(folder).certificate)
    return folder


def no_authority(world, folder):
    authority = Ca(folder)
    credential = world.authority.issue("nordhaven")
    shutil.copy(credential.certificate, authority.certificate)
    shutil.copy(credential.key, folder / "ca.key")


BAD_AUTHORITIES = {
    "expired": (lambda world, folder: expired_authority(folder), "has expired"),
    "key of another": (foreign_key, "does not belong to the first certificate in"),
    "no authority": (no_authority, "is not a certificate authority"),
    "not trusted by the daemon": (lambda world, folder: Ca(folder), "would refuse certificates of"),
    "no key": (
        lambda world, folder: (Ca(folder).folder / "ca.key").write_text("x"),
        "holds no private key in PEM form",
    ),
    "no certificate": (
        lambda world, folder: Ca(folder).certificate.write_text("x"),
        "holds no certificate in PEM form",
    ),
}


@pytest.mark.parametrize("name", BAD_AUTHORITIES)
def test_an_authority_that_is_no_good_is_refused(site, world, applicant, tmp_path, name):
    make, sentence = BAD_AUTHORITIES[name]
    folder = tmp_path / "authority"
    make(world, folder)
    said = refusal(site, *words(applicant, world.authority, *NEW, "--ca", folder / "ca.crt",
                                "--ca-key", folder / "ca.key"))  # fmt: skip
    assert sentence in said
    assert nothing_is_left(site, applicant)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ([], 'there is no partner "nordhaven" yet; at least one --org'),
        (["--org", "A.example"], 'organisation "A.example" is not a lower-case domain'),
        ([*NEW, "--quota", "x=1"], 'there is no quota "x"'),
        ([*NEW, "--note", "x" * 201], "the note is too long"),
        ([*NEW, "--out", "/proc/nowhere"], "/proc/nowhere cannot be made"),
        ([*NEW, "--server-ca", "/nowhere"], "/nowhere cannot be opened"),
    ],
)
def test_a_partner_that_cannot_be_enrolled_is_refused(site, world, applicant, more, sentence):
    assert sentence in refusal(site, *words(applicant, world.authority, *more))
    assert nothing_is_left(site, applicant)


def test_a_wrong_password_is_refused(site, world, applicant, locked_key, tmp_path):
    password = tmp_path / "password"
    for text, sentence in (("wrong\n", "the password is not its own"), ("", "is empty, expected a pass")):
        password.write_text(text)
        assert sentence in refusal(
            site, *words(applicant, world.authority, *NEW, "--ca-key", locked_key,
                         "--ca-password-file", password)
        )  # fmt: skip
    assert nothing_is_left(site, applicant)


def test_a_name_that_is_none_is_refused_before_anything_else(site, world, applicant):
    for name in ("Nordhaven", "n" * 64, "a,URI:urn:x", "-x", ""):
        command = words(applicant, world.authority, *NEW)
        del command[2]
        command += ["--", name]
        assert "is not a partner's name" in refusal(site, *command)
    assert nothing_is_left(site, applicant)


@pytest.mark.parametrize("file", ["nordhaven.crt", "server-ca.crt"])
def test_files_are_never_overwritten(site, world, applicant, file):
    (applicant.folder / file).write_text("mine")
    said = refusal(site, *words(applicant, world.authority, *NEW))
    assert f"{applicant.folder / file} is there already and is not overwritten" in said
    assert (applicant.folder / file).read_text() == "mine"
    (applicant.folder / file).unlink()
    assert nothing_is_left(site, applicant)


def test_the_folder_is_made_and_shared(site, world, tmp_path):
    """Two partners' files in one: the server's authority is the same."""
    for name in ("nordhaven", "other"):
        applicant = Applicant(tmp_path / name, name)
        said = site.control(*words(applicant, world.authority, *NEW, "--out", tmp_path / "files")).stdout
        # It may have been meant to be another one, and misspelt.
        assert (f"The folder {tmp_path / 'files'} was not there and has been made." in said) == (name == "nordhaven")
    assert {path.name for path in (tmp_path / "files").iterdir()} == {
        "nordhaven.crt", "other.crt", "server-ca.crt",
    }  # fmt: skip


def test_a_partner_that_is_there_is_not_changed_on_the_way(site, world, applicant):
    site.control("partner", "add", "nordhaven", "--org", "a.example")
    before = json_of(site, "partner", "show", "nordhaven")
    for more in (["--org", "b.example"], ["--live"], ["--title", "T"], ["--relay"],
                 ["--quota", "connections=1"]):  # fmt: skip
        said = refusal(site, *words(applicant, world.authority, *more))
        assert 'is enrolled already; "intakectl partner set nordhaven" changes' in said
    assert json_of(site, "partner", "show", "nordhaven") == before
    assert not applicant.credential.certificate.exists()


def test_a_key_of_another_partner_is_refused(site, world, applicant, tmp_path):
    site.control("partner", "add", "other", "--org", "a.example")
    site.control(*words(applicant, world.authority, *NEW))
    again = Applicant(tmp_path / "again", "other")
    shutil.copy(applicant.csr, again.csr)
    assert "that key is enrolled already" in refusal(site, *words(again, world.authority))
    assert not again.credential.certificate.exists()
