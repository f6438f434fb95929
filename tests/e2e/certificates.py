# SPDX-License-Identifier: Apache-2.0
"""Real certificate authorities, certificates and revocation lists, made with openssl(1).

ECDSA P-256 throughout. A Ca owns a folder; what it issues lies there until the folder goes.
"""

import hashlib
import secrets
import subprocess
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

CA_CONFIG = """
[ca]
default_ca = this
[this]
database = {folder}/index.txt
serial = {folder}/serial
crlnumber = {folder}/crlnumber
new_certs_dir = {folder}/issued
certificate = {folder}/ca.crt
private_key = {folder}/ca.key
default_md = sha256
policy = any
unique_subject = no
[any]
organizationName = optional
commonName = optional
[req]
distinguished_name = empty
[empty]
"""


def partner_uri(name):
    return f"urn:intaked:partner:{name}"


def openssl(*arguments, data=None):
    done = subprocess.run(
        ["openssl", *map(str, arguments)], input=data, capture_output=True, check=False
    )
    assert done.returncode == 0, f"openssl {arguments}: {done.stderr.decode()}"
    return done.stdout


def days_from_now(days):
    return datetime.now(timezone.utc) + timedelta(days=days)


@dataclass(frozen=True)
class Credential:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path

    def spki_sha256(self):
        """Of the public key, hex, as intakectl takes it."""
        public_key = openssl("x509", "-in", self.certificate, "-noout", "-pubkey")
        der = openssl("pkey", "-pubin", "-outform", "DER", data=public_key)
        return hashlib.sha256(der).hexdigest()


class Ca:
    def __init__(self, folder, name="intaked test authority", *, days=30):
        self.folder = Path(folder)
        (self.folder / "issued").mkdir(parents=True)
        (self.folder / "index.txt").touch()
        (self.folder / "serial").write_text(f"4{secrets.token_hex(16)[1:]}\n")
        (self.folder / "crlnumber").write_text("01\n")
        self.config = self.folder / "ca.conf"
        self.config.write_text(CA_CONFIG.format(folder=self.folder))
        self.certificate = self.folder / "ca.crt"
        self.count = 0
        self._new_key(self.folder / "ca.key")
        openssl(
            "req", "-x509", "-new", "-config", self.config, "-key", self.folder / "ca.key",
            "-days", days, "-subj", f"/CN={name}", "-out", self.certificate,
            "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign",
            "-addext", "subjectKeyIdentifier=hash",
        )  # fmt: skip

    @staticmethod
    def _new_key(path):
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path)

    def issue(
        self,
        partner=None,
        *,
        alternative_names=None,
        extended_key_usage="clientAuth",
        valid_from_days=-1,
        valid_to_days=7,
        key_of=None,
        common_name="somebody",
    ):
        """A certificate with the partner's URI, or with alternative_names in openssl's spelling.

        extended_key_usage None leaves the extension out; key_of reuses another credential's key.
        """
        self.count += 1
        stem = self.folder / f"{partner or 'certificate'}-{self.count}"
        key = key_of.key if key_of else stem.with_suffix(".key")
        if not key_of:
            self._new_key(key)
        names = alternative_names
        if names is None:
            names = [f"URI:{partner_uri(partner)}"] if partner else []
        request = openssl(
            "req", "-new", "-config", self.config, "-key", key, "-subj", f"/CN={common_name}"
        )
        certificate = stem.with_suffix(".crt")
        openssl(
            "ca", "-batch", "-notext", "-config", self.config, "-in", "/dev/stdin",
            "-extfile", self._extensions(stem, names, extended_key_usage), "-out", certificate,
            "-startdate", f"{days_from_now(valid_from_days):%Y%m%d%H%M%SZ}",
            "-enddate", f"{days_from_now(valid_to_days):%Y%m%d%H%M%SZ}",
            data=request,
        )  # fmt: skip
        return Credential(certificate, key)

    @staticmethod
    def _extensions(stem, names, extended_key_usage):
        lines = [
            "basicConstraints = critical,CA:FALSE",
            "keyUsage = critical,digitalSignature",
            "subjectKeyIdentifier = hash",
            "authorityKeyIdentifier = keyid",
        ]
        if extended_key_usage:
            lines.append(f"extendedKeyUsage = {extended_key_usage}")
        if names:
            lines.append("subjectAltName = " + ",".join(names))
        path = stem.with_suffix(".ext")
        path.write_text("\n".join(lines) + "\n")
        return path

    def issue_server(self):
        return self.issue(
            alternative_names=["DNS:localhost", "IP:127.0.0.1"],
            extended_key_usage="serverAuth",
            common_name="localhost",
        )

    def revoke(self, credential):
        openssl("ca", "-batch", "-config", self.config, "-revoke", credential.certificate)

    def write_crl(self, path, *, last_update_days=-1, next_update_days=7):
        """The list of what was revoked so far."""
        openssl(
            "ca", "-batch", "-config", self.config, "-gencrl", "-out", path,
            "-crl_lastupdate", f"{days_from_now(last_update_days):%Y%m%d%H%M%SZ}",
            "-crl_nextupdate", f"{days_from_now(next_update_days):%Y%m%d%H%M%SZ}",
        )  # fmt: skip
        return path
