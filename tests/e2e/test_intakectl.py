# SPDX-License-Identifier: Apache-2.0
"""The operator's program: what it changes, what it prints, and what it says when it cannot."""

import contextlib
import json
import re
import subprocess

import pytest

from harness import ADMINISTRATOR, BUILD, ROOT, run_program, wait_until
from operating import json_of, refusal, usage_fault

MIGRATIONS = sorted(path.stem for path in (ROOT / "sql").glob("[0-9]*.sql"))
SPKI = "ab" * 32
UNKNOWN_SPKI = "cd" * 32


@pytest.fixture
def site(world):
    """A configuration and a migrated database without a daemon."""
    return world.daemon()


@pytest.fixture(scope="module")
def refusing_site(world):
    """One for all tests that change nothing: two partners, one key."""
    shared = world.daemon()
    shared.control("partner", "add", "nordhaven", "--org", "a.example")
    shared.control("partner", "add", "other", "--org", "a.example")
    shared.control("cert", "add", "nordhaven", "--spki", SPKI)
    yield shared
    assert shared.value("SELECT count(*) FROM intake.partner WHERE NOT is_suspended") == 2
    assert shared.value("SELECT count(*) FROM intake.partner_key WHERE revoked_at IS NULL") == 1


@pytest.fixture
def empty_site(world):
    """The same over a database in which nothing was made yet."""
    world.count += 1
    name = f"empty_{world.count}"
    world.postgres.query(ADMINISTRATOR, f"CREATE DATABASE {name}")
    return world.daemon(database=name)


# ---- the schema


def test_migrate_applies_every_file_once_and_in_order(empty_site):
    assert refusal(empty_site, "db", "status").startswith(f"{len(MIGRATIONS)} migrations are pending")
    assert empty_site.control("db", "migrate").stdout.splitlines() == [
        f"{name} applied" for name in MIGRATIONS
    ]
    recorded = "SELECT name FROM intake.migration ORDER BY version"
    assert [name for (name,) in empty_site.rows(recorded)] == MIGRATIONS
    again = empty_site.control("db", "migrate").stdout
    assert again == f"nothing to apply: the schema is at {MIGRATIONS[-1]}\n"


def test_status_shows_what_is_applied_and_what_is_pending(empty_site):
    pending = empty_site.control("db", "status", is_checked=False)
    assert pending.returncode == 1
    assert [line.split() for line in pending.stdout.splitlines()] == [
        [name, "pending"] for name in MIGRATIONS
    ]
    empty_site.control("db", "migrate")
    applied = empty_site.control("db", "status").stdout.splitlines()
    assert [line.split()[:2] for line in applied] == [[name, "applied"] for name in MIGRATIONS]
    rows = json_of(empty_site, "db", "status")
    assert [row["name"] for row in rows] == MIGRATIONS
    assert all(re.fullmatch(r"[-0-9]{10}T[:.0-9]+\+00:00", row["applied_at"]) for row in rows)


def test_every_migration_may_run_again(site):
    for name in MIGRATIONS:
        site.rows((ROOT / "sql" / f"{name}.sql").read_text())
    assert site.control("db", "migrate").stdout.count("applied") == len(MIGRATIONS)
    assert site.control("db", "status").stdout.count("applied") == len(MIGRATIONS)


NO_DIGESTS = "ALTER TABLE intake.migration DROP COLUMN sha256"


@pytest.mark.parametrize(
    "change, first",
    [
        ("UPDATE intake.migration SET sha256 = sha256('') WHERE version = 13", 12),
        ("UPDATE intake.migration SET sha256 = NULL WHERE version = 15", 14),
        (NO_DIGESTS, 0),
    ],
)
def test_what_another_form_of_a_migration_made_is_told_and_replaced(site, change, first):
    site.rows(change)
    site.rows(
        "CREATE OR REPLACE FUNCTION intake.retention_tidy(max_ranges int) RETURNS int"
        " LANGUAGE sql RETURN 7"
    )
    others = len(MIGRATIONS) if change == NO_DIGESTS else 1
    shown = site.control("db", "status", is_checked=False)
    assert shown.returncode == 1 and "in another form" in shown.stdout.splitlines()[first]
    assert shown.stdout.count("in another form") == others
    assert shown.stderr.startswith(f"intakectl: {others} migrations were applied in another form")
    done = site.control("--json", "db", "status", is_checked=False)
    assert [row["is_other_form"] for row in json.loads(done.stdout)].index(True) == first
    assert site.control("db", "migrate").stdout.splitlines() == [
        f"{name} applied" for name in MIGRATIONS[first:]
    ]
    assert site.value("SELECT intake.retention_tidy(1)") == 0
    site.control("db", "status")
    assert "nothing to apply" in site.control("db", "migrate").stdout


def test_migrations_that_are_applied_again_are_so_whole_or_not_at_all(site):
    """Daemons would find functions that later files replace."""
    stored = "SELECT md5(prosrc) FROM pg_proc WHERE oid = 'intake.store'::regproc"
    before = site.value(stored)
    site.rows("UPDATE intake.migration SET sha256 = NULL WHERE version = 5")
    site.rows("ALTER TABLE intake.words RENAME COLUMN config TO regconfig")
    assert refusal(site, "db", "migrate").startswith("0014_search.sql was not applied: ")
    assert site.value(stored) == before
    others = site.control("db", "status", is_checked=False).stdout
    assert [line.split()[0] for line in others.splitlines() if "form" in line] == ["0005_store"]
    site.rows("ALTER TABLE intake.words RENAME COLUMN regconfig TO config")
    site.control("db", "migrate")
    assert site.value(stored) == before


def test_two_migrations_at_once_apply_each_file_once(empty_site):
    command = [BUILD / "intakectl", "-c", empty_site.conf, "db", "migrate"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = "".join(process.communicate(timeout=60)[0] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(re.findall(r"^(\w+) applied$", said, re.MULTILINE)) == MIGRATIONS


def test_a_database_ahead_of_the_program_is_left_alone(site):
    site.rows("INSERT INTO intake.migration (version, name) VALUES (9999, '9999_later')")
    site.rows("DELETE FROM intake.migration WHERE version = 1")
    for verb in ("migrate", "status"):
        said = refusal(site, "db", verb)
        assert "9999_later" in said and "as new as the database" in said
    assert site.value("SELECT count(*) FROM intake.migration WHERE version = 1") == 0


def test_a_failed_migration_names_file_and_reason_and_leaves_nothing(empty_site):
    empty_site.rows("CREATE SCHEMA intake CREATE TABLE partner (id int)")
    empty_site.rows("GRANT ALL ON SCHEMA intake TO PUBLIC")
    said = refusal(empty_site, "db", "migrate")
    assert re.match(r"\d{4}_\w+\.sql.* was not applied: ", said), said
    done = empty_site.control("db", "status", is_checked=False)
    assert done.returncode == 1 and "pending" in done.stdout


# ---- partners


def test_a_partner_is_added_in_test_mode_and_shown(site):
    said = site.control("partner", "add", "nordhaven", "--org", "cert.example.org").stdout
    assert said.startswith("partner nordhaven is enrolled, in test mode")
    shown = dict(
        line.split(maxsplit=1) for line in site.control("partner", "show", "nordhaven").stdout.splitlines()
    )
    assert shown["name"] == "nordhaven"
    assert shown["mode"] == "test"
    assert shown["state"] == "active"
    assert shown["relay"] == "no"
    assert shown["organisations"] == "cert.example.org"


def test_a_partner_has_what_the_options_say(site):
    site.control(
        "partner", "add", "nordhaven", "--live", "--relay", "--title", 'Nord "\\ hafen é',
        "--org", "a.example", "--org", "b.example",
    )  # fmt: skip
    shown = json_of(site, "partner", "show", "nordhaven")
    assert shown["title"] == 'Nord "\\ hafen é'
    assert shown["organisations"] == ["a.example", "b.example"]
    assert shown["is_live"] and shown["may_relay"] and not shown["is_suspended"]


def test_partners_are_listed_in_aligned_columns(site):
    site.control("partner", "add", "ab", "--org", "a.example", "--title", "Été")
    site.control("partner", "add", "a-longer-name", "--org", "a.example", "--org", "b.example", "--live")
    lines = site.control("partner", "list").stdout.splitlines()
    assert [line.split() for line in lines] == [
        ["NAME", "MODE", "STATE", "RELAY", "KEYS", "ORGANISATIONS", "TITLE"],
        ["a-longer-name", "live", "active", "no", "0", "a.example", "+1", "-"],
        ["ab", "test", "active", "no", "0", "a.example", "Été"],
    ]
    assert [line.index("ORGANISATIONS") for line in lines[:1]] == [
        lines[1].index("a.example")
    ] == [lines[2].index("a.example")]
    assert [partner["name"] for partner in json_of(site, "partner", "list")] == ["a-longer-name", "ab"]


def test_an_empty_list_is_a_list(site):
    assert json_of(site, "partner", "list") == []
    assert len(site.control("partner", "list").stdout.splitlines()) == 1


def test_a_partner_is_suspended_and_resumed(site):
    site.control("partner", "add", "nordhaven", "--org", "a.example")
    assert "is suspended" in site.control("partner", "suspend", "nordhaven").stdout
    assert json_of(site, "partner", "show", "nordhaven")["is_suspended"]
    assert "is active" in site.control("partner", "resume", "nordhaven").stdout
    assert not json_of(site, "partner", "show", "nordhaven")["is_suspended"]
    assert json_of(site, "partner", "suspend", "nordhaven")["is_suspended"]


NO_QUOTAS = {
    "connections": None, "reports_in_flight": None, "reports_per_s": None, "reports_burst": None,
    "bytes_per_s": None, "bytes_burst": None,
}  # fmt: skip


def test_a_partner_changes_in_what_is_given_and_nothing_else(site):
    site.control("partner", "add", "nordhaven", "--org", "a.example", "--title", "T", "--relay")
    expected = json_of(site, "partner", "show", "nordhaven")
    assert (expected["is_live"], expected["may_relay"]) == (False, True)
    assert expected["quota"] == NO_QUOTAS
    steps = [
        (["--mode", "live"], {"is_live": True}),
        (["--mode", "test"], {"is_live": False}),
        (["--title", "Nord \"\\ hafen é"], {"title": "Nord \"\\ hafen é"}),
        (["--title", ""], {"title": ""}),
        (["--relay", "no"], {"may_relay": False}),
        (["--relay=yes"], {"may_relay": True}),
        (["--org", "b.example", "--org", "c.example"], {"organisations": ["b.example", "c.example"]}),
        (["--mode", "live", "--relay=no", "--title", "Z", "--org", "d.example"],
         {"is_live": True, "may_relay": False, "title": "Z", "organisations": ["d.example"]}),
    ]  # fmt: skip
    for options, changes in steps:
        changed = json_of(site, "partner", "set", "nordhaven", *options)
        assert changed["changed_at"] > expected["changed_at"]
        expected.update(changes, changed_at=changed["changed_at"])
        assert changed == expected == json_of(site, "partner", "show", "nordhaven")
    said = site.control("partner", "set", "--relay", "yes", "nordhaven", "--mode", "live").stdout
    assert said == "partner nordhaven is changed: within 5 seconds it is in force\n"
    assert json_of(site, "partner", "show", "nordhaven")["may_relay"]


def test_a_partner_has_the_quotas_that_it_was_given(site):
    site.control(
        "partner", "add", "nordhaven", "--org", "a.example",
        "--quota", "connections=1", "--quota", "bytes_per_s=999999999999999999",
    )  # fmt: skip
    quota = {**NO_QUOTAS, "connections": 1, "bytes_per_s": 999999999999999999}
    assert json_of(site, "partner", "show", "nordhaven")["quota"] == quota
    steps = [
        (["reports_per_s=none"], {"reports_per_s": 0}),
        (["connections=default"], {"connections": None}),
        (["reports_burst=7", "reports_burst=8"], {"reports_burst": 8}),
        ([f"{key}=none" for key in NO_QUOTAS], dict.fromkeys(NO_QUOTAS, 0)),
        ([f"{key}={n}" for n, key in enumerate(NO_QUOTAS, 11)],
         {key: n for n, key in enumerate(NO_QUOTAS, 11)}),
    ]  # fmt: skip
    for settings, changes in steps:
        options = [word for setting in settings for word in ("--quota", setting)]
        quota.update(changes)
        assert json_of(site, "partner", "set", "nordhaven", *options)["quota"] == quota
    assert json_of(site, "partner", "list")[0]["quota"] == quota
    site.control("partner", "set", "nordhaven", "--title", "T")
    assert json_of(site, "partner", "show", "nordhaven")["quota"] == quota

    site.control(
        "partner", "set", "nordhaven", "--quota", "connections=none", "--quota", "bytes_burst=default"
    )
    shown = site.control("partner", "show", "nordhaven").stdout
    assert re.findall(r"^quota_(\w+) +(\w+)$", shown, re.MULTILINE) == [
        ("connections", "none"), ("reports_in_flight", "12"), ("reports_per_s", "13"),
        ("reports_burst", "14"), ("bytes_per_s", "15"), ("bytes_burst", "default"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "quota",
    ["connections", "connections=", "connections=0", "connections=-1", "connections=1k", "connections= 1",
     "connections=None", "connections=1000000000000000000", ""],
)  # fmt: skip
def test_a_quota_that_can_be_none_is_a_wrong_command_line(refusing_site, quota):
    for verb in ("set", "add"):
        said = usage_fault(refusing_site, "partner", verb, "nordhaven", "--org", "a.example", "--quota", quota)
        assert said == f"--quota {quota} is not KEY=VALUE with a number from 1, none or default as VALUE"


def test_an_organisation_that_is_said_twice_is_there_once(site):
    organisations = ["--org", "b.example", "--org", "a.example", "--org", "b.example"]
    site.control("partner", "add", "nordhaven", *organisations)
    assert json_of(site, "partner", "show", "nordhaven")["organisations"] == ["b.example", "a.example"]
    changed = json_of(site, "partner", "set", "nordhaven", "--org", "c.example", "--org", "c.example")
    assert changed["organisations"] == ["c.example"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--quota", "connection=1"], 'there is no quota "connection"; there are connections, repo'),
        (["--quota", "=1"], 'there is no quota ""'),
        (["--quota", "connections=1", "--quota", 'x"\\=1'], 'there is no quota "x"\\"'),
        (["--org", "A.example"], 'organisation "A.example" is not a lower-case domain'),
        (["--title", "x" * 201], "the title is too long"),
    ],
)
def test_a_change_that_cannot_be_made_is_refused_with_the_reason(refusing_site, options, sentence):
    """Nothing of it is done, whatever else it asks for; nor is a partner enrolled with it."""
    before = json_of(refusing_site, "partner", "list")
    assert sentence in refusal(
        refusing_site, "partner", "set", "nordhaven", "--mode", "live", *options
    )
    assert sentence in refusal(
        refusing_site, "partner", "add", "third", "--org", "a.example", *options
    )
    assert json_of(refusing_site, "partner", "list") == before


@pytest.mark.parametrize("verb", ["show", "suspend", "resume", "set"])
def test_an_unknown_partner_is_named(refusing_site, verb):
    options = ["--mode", "live"] if verb == "set" else []
    said = refusal(refusing_site, "partner", verb, "nobody", *options)
    assert 'there is no partner "nobody"' in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nordhaven", "--org", "a.example"], "there is a partner of that name already"),
        (["Nordhaven", "--org", "a.example"], "that is not a partner's name"),
        (["n" * 64, "--org", "a.example"], "that is not a partner's name"),
        (["other", "--org", "A.example"], 'organisation "A.example" is not a lower-case domain'),
        (["other", "--org", "a,b"], 'organisation "a,b" is not'),
        (["other", "--org", 'a"}'], 'organisation "a"}" is not'),
        (["other", "--org", "a.example", "--title", "x" * 201], "the title is too long"),
    ],
)
def test_a_partner_that_cannot_be_added_is_refused_with_the_reason(
    refusing_site, arguments, sentence
):
    assert sentence in refusal(refusing_site, "partner", "add", *arguments)


def test_names_and_titles_are_taken_up_to_their_limits(site):
    site.control("partner", "add", "n" * 63, "--org", "a.example", "--title", "x" * 200)
    assert json_of(site, "partner", "show", "n" * 63)["title"] == "x" * 200


# ---- keys


@pytest.fixture
def partner_site(site):
    site.control("partner", "add", "nordhaven", "--org", "a.example")
    site.control("partner", "add", "other", "--org", "a.example")
    return site


def test_a_key_is_added_from_a_certificate_and_noted_by_its_subject(partner_site, world):
    credential = world.authority.issue("nordhaven", common_name="Duty officer")
    partner_site.control("cert", "add", "nordhaven", "--cert", credential.certificate)
    (key,) = json_of(partner_site, "cert", "list")
    assert key["spki_sha256"] == credential.spki_sha256()
    assert (key["partner"], key["note"]) == ("nordhaven", "CN=Duty officer")
    assert key["revoked_at"] is None


def test_a_key_is_added_by_its_digest_in_the_spellings_of_openssl(partner_site):
    colons = ":".join(["AB"] * 32)
    partner_site.control("cert", "add", "nordhaven", "--spki", colons, "--note", "by phone")
    (key,) = json_of(partner_site, "cert", "list", "nordhaven")
    assert (key["spki_sha256"], key["note"]) == (SPKI, "by phone")
    assert json_of(partner_site, "cert", "list", "other") == []


def test_keys_are_listed_in_a_table(partner_site):
    partner_site.control("cert", "add", "nordhaven", "--spki", SPKI)
    heading, line = partner_site.control("cert", "list").stdout.splitlines()
    assert heading.split() == ["PARTNER", "SPKI_SHA256", "ADDED", "EXPIRES", "LEFT", "REVOKED", "NOTE"]
    assert line.split()[:2] == ["nordhaven", SPKI]
    assert line.split()[-4:] == ["-", "-", "-", "-"]


def test_a_key_is_revoked_by_digest_or_certificate_and_stays_revoked(partner_site, world):
    credential = world.authority.issue("nordhaven")
    for arguments in (["--spki", SPKI], ["--cert", credential.certificate]):
        partner_site.control("cert", "add", "nordhaven", *arguments)
    assert "for ever" in partner_site.control("cert", "revoke", SPKI).stdout
    revoked = json_of(partner_site, "cert", "revoke", "--cert", credential.certificate)
    assert revoked["spki_sha256"] == credential.spki_sha256() and revoked["revoked_at"]
    assert all(key["revoked_at"] for key in json_of(partner_site, "cert", "list"))
    partners = json_of(partner_site, "partner", "list")
    assert {partner["active_keys"] for partner in partners} == {0}
    assert "was revoked" in refusal(partner_site, "cert", "add", "other", "--spki", SPKI)
    # Once more changes nothing: since when it is refused is what is kept.
    again = json_of(partner_site, "cert", "revoke", "--cert", credential.certificate)
    assert again["revoked_at"] == revoked["revoked_at"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["add", "nobody", "--spki", UNKNOWN_SPKI], 'there is no partner "nobody"'),
        (["add", "other", "--spki", SPKI], "that key is enrolled already"),
        (["add", "other", "--spki", UNKNOWN_SPKI, "--note", "x" * 201], "the note is too long"),
        (["add", "other", "--cert", "/nowhere"], "cannot be opened: No such file or directory"),
        (["add", "other", "--cert", "/etc/hostname"], "holds no certificate in PEM form"),
        (["list", "nobody"], 'there is no partner "nobody"'),
        (["revoke", UNKNOWN_SPKI], f"there is no enrolled key {UNKNOWN_SPKI}"),
    ],
)
def test_a_key_that_cannot_be_changed_is_refused_with_the_reason(refusing_site, arguments, sentence):
    assert sentence in refusal(refusing_site, "cert", *arguments)


@pytest.mark.parametrize("digest", [SPKI[1:], SPKI + "a", "x" + SPKI[1:], "zz", ""])
def test_what_is_no_digest_is_a_wrong_command_line(refusing_site, digest):
    for arguments in (["add", "other", "--spki", digest], ["revoke", digest]):
        assert "expected 64 hex digits" in usage_fault(refusing_site, "cert", *arguments)


def test_a_long_subject_is_cut_at_a_character(partner_site, world):
    credential = world.authority.issue("nordhaven", common_name="x" * 60)
    partner_site.control("cert", "add", "nordhaven", "--cert", credential.certificate)
    (key,) = json_of(partner_site, "cert", "list")
    assert key["note"] == "CN=" + "x" * 60


# ---- the database is not as it should be


def test_a_user_without_the_role_is_told_which_role(site):
    analyst = site.postgres.connection_string("analyst", site.database)
    site.configure({"database.operator_connection": analyst})
    said = refusal(site, "partner", "list")
    assert 'user "analyst" may not do that' in said
    assert "intake_operator in database.operator_connection of " in said


def test_a_database_without_the_schema_is_told_to_migrate(empty_site):
    empty_site.configure({"database.operator_connection": empty_site.settings["database.owner_connection"]})
    for command in (["partner", "list"], ["cert", "list"]):
        assert 'run "intakectl db migrate"' in refusal(empty_site, *command)


def test_a_database_that_is_away_is_told_with_the_setting(site):
    for name in ("operator", "owner"):
        site.configure({f"database.{name}_connection": "host=/nowhere dbname=x"})
    assert "check database.operator_connection in " in refusal(site, "partner", "list")
    assert "check database.owner_connection in " in refusal(site, "db", "status")


def test_a_server_that_takes_no_changes_is_told_with_what_to_do(site):
    site.rows(f"ALTER ROLE operator IN DATABASE {site.database} SET default_transaction_read_only = on")
    said = refusal(site, "partner", "add", "nordhaven", "--org", "a.example")
    assert "is a standby, or default_transaction_read_only is on" in said
    assert "target_session_attrs=read-write" in said
    assert json_of(site, "partner", "list") == []


@pytest.mark.parametrize(
    "connection",
    ["host=/nowhere password=my sekret", "postgresql://u:se%zzkret@h/d", "host=/nowhere password='sekret", "sekret=1"],
)
def test_a_connection_string_that_cannot_be_read_is_not_quoted(site, connection):
    """A password with a blank is where it goes wrong."""
    site.configure({"database.operator_connection": connection})
    for command in (["partner", "list"], ["db", "status"]):
        said = refusal(site, *command)
        assert re.match(r".*intaked\.conf:\d+: database\.operator_connection is not understood", said)
        assert "kret" not in said and "quotes around what has spaces" in said


def test_of_several_servers_each_is_told(site):
    site.configure({"database.operator_connection": "host=/nowhere,/neither dbname=x"})
    said = refusal(site, "partner", "list")
    assert re.search(r'"/nowhere/.*No such file.*"/neither/.*No such file.*; check .*PostgreSQL is running$', said), said


def test_a_server_that_answered_is_running(site):
    """The user of the machine need not be one of the database."""
    named = site.postgres.connection_string("nobody_there", site.database)
    for connection, advice in (
        (named, f"; check database.operator_connection in {site.conf}"),
        (named.replace("user=nobody_there", ""), "such as postgres, or name a user in database.operator_connection"),
    ):
        site.configure({"database.operator_connection": connection})
        said = refusal(site, "partner", "list")
        assert "does not exist" in said and advice in said and "running" not in said


def test_who_may_not_make_roles_is_told_so_by_the_first_migration(empty_site):
    user = f"plain_{empty_site.database}"
    empty_site.postgres.query(ADMINISTRATOR, f"CREATE ROLE {user} LOGIN")
    empty_site.configure({"database.owner_connection": empty_site.postgres.connection_string(user, empty_site.database)})
    said = refusal(empty_site, "db", "migrate")
    assert f'user "{user}" may not do that: ' in said and "CREATEROLE" in said and "intake_owner in" not in said


def test_a_migration_that_misses_something_does_not_tell_to_migrate(empty_site):
    empty_site.rows("DROP SCHEMA public")
    said = refusal(empty_site, "db", "migrate")
    assert 'schema "public" does not exist' in said and "db migrate" not in said


# ---- what a session waits for


def sessions(site):
    return site.value(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND application_name = 'intakectl'"
        " AND wait_event_type = 'Lock'",
        [site.database],
    )


def test_a_session_ends_with_its_program_while_it_waits(site):
    """It would keep what it has locked itself for as long as it is kept waiting."""
    with contextlib.closing(site.postgres.connect(site.database)) as other:
        other.autocommit = False
        other.cursor().execute("LOCK TABLE intake.partner")
        command = [BUILD / "intakectl", "-c", site.conf, "partner", "list"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            wait_until(lambda: sessions(site) == 1, "it waits")
            process.kill()
        wait_until(lambda: sessions(site) == 0, "its session has ended")


def test_who_keeps_a_migration_waiting_is_named(site):
    command = [BUILD / "intakectl", "-c", site.conf, "db", "migrate"]
    with contextlib.closing(site.postgres.connect(site.database, "analyst")) as other:
        other.cursor().execute("SELECT pg_advisory_lock(hashtext('intaked migrations'))")
        pid = other.info.backend_pid
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            said = process.stderr.readline()
            assert f'the session with pid {pid} of user "analyst"' in said
            other.close()
            assert "nothing to apply" in process.stdout.read()
            assert (process.wait(), process.stderr.read()) == (0, "")


def test_the_environment_does_not_change_database_or_dates(refusing_site, monkeypatch):
    for name, value in (("PGPORT", "1"), ("PGOPTIONS", "-c nonsense"), ("PGDATESTYLE", "German")):
        monkeypatch.setenv(name, value)
    shown = refusing_site.control("partner", "show", "nordhaven").stdout
    assert re.search(r"^created +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+00$", shown, re.MULTILINE)


# ---- the command line


@pytest.mark.parametrize(
    "line",
    [
        "",
        "db",
        "nonsense",
        "db nonsense",
        "db migrate now",
        "partner add",
        "partner add x",
        "partner add x y --org a.example",
        "partner list x",
        "partner show",
        "partner show x --live",
        "partner set x",
        "partner set --mode live",
        "partner set x --mode dead",
        "partner set x --mode",
        "partner set x --live",
        "partner set x --relay=maybe",
        "partner set x --relay maybe",
        "partner set x --quota",
        "partner set x --note y",
        "partner add x --org a.example --mode live",
        "partner list --cert x",
        "partner enrol x --csr a --ca b",
        "partner enrol --csr a --ca b --ca-key c",
        "partner enrol x --csr a --ca b --ca-key c --days 3651",
        "partner enrol x --csr a --ca b --ca-key c --mode live",
        "cert add x",
        f"cert add x --spki {SPKI} --cert y",
        "cert add x --cert y --expires 2030-01-01",
        f"cert add x --spki {SPKI} --org y",
        "cert revoke",
        f"cert revoke {SPKI} --cert y",
        "cert list x y",
        "cert list --expiring",
        "cert list --expiring 0",
        "cert list --expiring 1d",
        "cert list --expiring 36501",
        "taxonomy",
        "taxonomy load a b",
        "config show listen",
        "reload now",
        "status now",
        "status --interval 1",
        "top now",
        "top --interval 0",
        "top --interval 0.5",
        "completion",
        "completion fish",
        "--nonsense status",
        "partner add x --org",
    ],
)
def test_a_wrong_command_line_is_status_2(line):
    done = run_program("intakectl", *line.split())
    assert done.returncode == 2
    assert done.stdout == ""
    assert re.search(r"^(usage: |\"intakectl --help\")", done.stderr, re.MULTILINE)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("nonsense", 'there is no command "nonsense"'),
        ("partner enrl x", 'there is no command "partner enrl"; of partner there are add, enrol, set, list,'),
        ("partner", 'behind "partner" a word is missing: add, enrol, set, list,'),
        ("partner enrol", "NAME is missing"),
        ("erasure show", "NUMBER is missing"),
        ("partner list x", 'there are too many words: "x"'),
        ("partner set x --relay maybe", "--relay is yes or no"),
        ("partner set --relay x y", "--relay is yes or no"),
        ("partner add x --relay", "a partner needs at least one --org"),
        ("hold add --since infinity", "--since infinity is not a time such as 2027-03-01"),
        ("hold add --until 2026-02-30", "--until 2026-02-30 is not a time"),
        ("hold add --ends 2026-01-01T1:00Z", "--ends 2026-01-01T1:00Z is not a time"),
        ("export --since 2026-01-01T01:00:00.Z", "--since 2026-01-01T01:00:00.Z is not a time"),
        ("export --until 2026-01-01Z", "--until 2026-01-01Z is not a time"),
    ],
)
def test_what_is_wrong_with_a_command_line_is_told(line, sentence):
    done = run_program("intakectl", *line.split())
    assert done.returncode == 2 and done.stderr.startswith(f"intakectl: {sentence}"), done.stderr


def test_times_are_taken_as_rfc_3339_has_them(site):
    for time, at in (
        ("2100-02-28", "2100-02-28T00:00:00"),
        ("2100-03-01T12:00:00Z", "2100-03-01T12:00:00"),
        ("2100-03-02T12:00:00.25+02:00", "2100-03-02T10:00:00.25"),
        ("2100-03-03 12:00", "2100-03-03T12:00:00"),
    ):
        site.control("hold", "add", "--category", "phishing", "--ends", time, "--reason", "r")
        assert json_of(site, "hold", "list")[-1]["ends_at"] == f"{at}+00:00"


@pytest.mark.parametrize("command", ["status", "reload", "top"])
def test_a_configuration_that_was_named_is_read_or_nothing_is_asked(command, tmp_path):
    """The daemon of the default configuration would answer in its place."""
    for path, reason in ((tmp_path / "none", "No such file or directory"), (tmp_path, "Is a directory")):
        done = run_program("intakectl", "-c", path, command)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"intakectl: {path} cannot be read: {reason}\n"


def test_help_and_version_need_no_configuration():
    assert run_program("intakectl", "--help").stdout.startswith("usage: intakectl ")
    assert re.fullmatch(r"intakectl \d+\.\d+\.\d+\n", run_program("intakectl", "-V").stdout)


def test_a_fault_in_the_configuration_is_named_with_its_line(site):
    site.conf.write_text("listen {\n\tbacklog = 0\n}\nfoo {\n}\n")
    done = site.control("partner", "list", is_checked=False)
    assert done.returncode == 1
    first, second = done.stderr.splitlines()
    assert first.startswith(f"intakectl: {site.conf}:2: listen.backlog is ")
    assert second.startswith(f"intakectl: {site.conf}:4: there is no section ")
