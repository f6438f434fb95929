# SPDX-License-Identifier: Apache-2.0
"""When partners' certificates expire: noted when a key is enrolled, listed before it happens."""

import json

import pytest

from certificates import days_from_now
from operating import json_of, refusal, usage_fault

SPKI = "ab" * 32


@pytest.fixture
def site(world):
    made = world.daemon()
    for partner in ("nordhaven", "other"):
        made.control("partner", "add", partner, "--org", "a.example")
    return made


def add(site, partner, credential):
    return site.control("cert", "add", partner, "--cert", credential.certificate)


def expiring(site, days, *arguments):
    done = site.control("--json", "cert", "list", "--expiring", days, *arguments, is_checked=False)
    keys = [key["spki_sha256"] for key in json.loads(done.stdout)]
    assert done.returncode == (3 if keys else 0)
    return keys


def test_a_certificates_expiry_is_kept_with_its_key(site, world):
    add(site, "nordhaven", world.authority.issue("nordhaven", valid_to_days=20))
    (key,) = json_of(site, "cert", "list")
    assert key["expires_at"].startswith(f"{days_from_now(20):%Y-%m-%dT%H:%M}")
    heading, line = site.control("cert", "list").stdout.splitlines()
    at = heading.index("EXPIRES")
    assert line[at:].split()[:1] == [f"{days_from_now(20):%Y-%m-%d}"]
    assert line[heading.index("LEFT") :].startswith("19 d ")


def test_an_expiry_may_be_said_with_a_digest_or_be_unknown(site):
    site.control("cert", "add", "nordhaven", "--spki", SPKI, "--expires", "2100-03-01")
    site.control("cert", "add", "other", "--spki", "cd" * 32)
    known, unknown = json_of(site, "cert", "list")
    assert known["expires_at"] == "2100-03-01T00:00:00+00:00"
    assert unknown["expires_at"] is None
    assert expiring(site, 36500) == [SPKI]


def test_a_certificate_renewed_over_its_key_moves_the_expiry_forward_only(site, world):
    first = world.authority.issue("nordhaven", valid_to_days=20)
    add(site, "nordhaven", first)
    later = world.authority.issue("nordhaven", key_of=first, valid_to_days=25)
    assert "was enrolled for partner nordhaven already" in add(site, "nordhaven", later).stdout
    # What is kept is told, not what was said.
    assert f" expires at {days_from_now(25):%Y-%m-%d %H:%M}" in add(site, "nordhaven", first).stdout
    (key,) = json_of(site, "cert", "list")
    assert key["expires_at"].startswith(f"{days_from_now(25):%Y-%m-%dT%H:%M}")
    assert "that key is enrolled already" in refusal(
        site, "cert", "add", "other", "--cert", later.certificate
    )
    site.control("cert", "revoke", "--cert", first.certificate)
    assert "was revoked" in refusal(site, "cert", "add", "nordhaven", "--cert", later.certificate)


def test_keys_that_expire_soon_are_listed_soonest_first_with_a_status_of_its_own(site, world):
    authority = world.authority
    made = {days: authority.issue("nordhaven", valid_to_days=days) for days in (25, 5, 15)}
    for credential in made.values():
        add(site, "nordhaven", credential)
    past = authority.issue("other", valid_from_days=-9, valid_to_days=-1)
    add(site, "other", past)
    digests = {days: credential.spki_sha256() for days, credential in made.items()}
    assert expiring(site, 20) == [past.spki_sha256(), digests[5], digests[15]]
    assert expiring(site, 20, "nordhaven") == [digests[5], digests[15]]
    assert expiring(site, 1, "nordhaven") == []
    site.control("cert", "revoke", digests[5])
    assert expiring(site, 20) == [past.spki_sha256(), digests[15]]
    done = site.control("cert", "list", "--expiring", 20, is_checked=False)
    assert done.returncode == 3 and done.stderr == ""
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["PARTNER", "other", "nordhaven"]
    assert " expired " in done.stdout.splitlines()[1]


@pytest.mark.parametrize("time", ["soon", "2030-02-30", "infinity", ""])
def test_an_expiry_that_is_no_time_is_refused_with_what_is_expected(site, time):
    said = usage_fault(site, "cert", "add", "nordhaven", "--spki", SPKI, "--expires", time)
    assert "2027-03-01" in said
    assert json_of(site, "cert", "list") == []
