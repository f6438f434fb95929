# SPDX-License-Identifier: Apache-2.0
"""What a daemon serves with: the configuration shown and reloaded, the taxonomy loaded."""

import json
import re
import subprocess

import pytest

from harness import BUILD, ROOT, run_program, wait_until
from operating import FakeControl, json_of, refusal

TAXONOMY = json.loads((ROOT / "config" / "taxonomy.json").read_text())


@pytest.fixture
def site(world):
    return world.daemon()


# ---- config show


def test_the_configuration_is_shown_as_one_that_reads_back_the_same(site, tmp_path):
    shown = site.control("config", "show").stdout
    copy = tmp_path / "copy.conf"
    copy.write_text(shown)
    assert run_program("intakectl", "-c", copy, "config", "show").stdout == shown
    assert f'address = "127.0.0.1:{site.port}"' in shown
    assert "backlog = 512" in shown and "allow_tls12 = false" in shown


def test_the_configuration_for_programs_has_every_setting(site):
    shown = json_of(site, "config", "show")
    assert shown["listen"]["address"] == f"127.0.0.1:{site.port}"
    assert shown["listen"]["backlog"] == 512
    assert shown["tls"]["allow_tls12"] is False
    assert shown["database"]["connection"] == site.settings["database.connection"]
    lines = site.control("config", "show").stdout.splitlines()
    assert sum(map(len, shown.values())) == len([line for line in lines if " = " in line])


SECRET = "hunter2"


@pytest.mark.parametrize(
    "connection",
    [
        f"host=db.example password={SECRET} user=d dbname='in taked'",
        f"postgresql://d:{SECRET}@db.example/in%20taked",
        f"host=db.example sslkey=/k sslpassword='{SECRET} x' user=d dbname='in taked'",
    ],
)
def test_passwords_are_not_shown(site, connection):
    for name in ("connection", "operator_connection", "owner_connection"):
        site.configure({f"database.{name}": connection})
    shown = site.control("config", "show").stdout
    assert SECRET not in shown and SECRET not in site.control("--json", "config", "show").stdout
    assert shown.count("='***'") == 3
    for part in ("db.example", "in taked", "user='d'"):
        assert shown.count(part) == 3


@pytest.mark.parametrize(
    "connection", [f"pass word={SECRET}", f"password=of two {SECRET}", f"postgresql://u:%zz{SECRET}@h/d"]
)
def test_what_is_no_connection_string_is_refused_and_not_shown(site, connection):
    site.configure({"database.connection": connection})
    for command in (
        [BUILD / "intaked", "-t", "--no-database", "-c", site.conf],
        [BUILD / "intakectl", "-c", site.conf, "config", "show"],
        [BUILD / "intakectl", "-c", site.conf, "partner", "list"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert re.search(r"intaked\.conf:\d+: database\.connection is not understood", done.stderr)
        assert SECRET not in done.stdout + done.stderr


def test_configuration_may_come_through_a_pipe(site):
    """It is read once; a file that is not there asks no other daemon."""
    command = f"{BUILD}/intakectl -c <(cat {site.conf}) status"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert str(site.settings["control.path"]) in done.stderr, done.stderr
    done = run_program("intakectl", "-c", "/nope", "status")
    assert (done.returncode, "/nope cannot be read: No such file" in done.stderr) == (1, True), done


# ---- reload


@pytest.fixture
def running(world):
    with world.running() as daemon:
        yield daemon


def test_a_reload_is_done_when_the_command_ends(running):
    running.configure({"log.level": "debug"})
    assert running.control("reload").stdout.startswith("reloaded\n")
    assert len(running.log_lines("reloaded")) == 1
    assert json_of(running, "reload")["reloaded"] is True


BAD_SETTINGS = {
    "unknown setting": "security_txt {\n\tcolour = 1\n}\n",
    "bad value": "quota {\n\tconnections = 0\n}\n",
    "broken syntax": "log {\n\tlevel\n",
}


@pytest.mark.parametrize("name", BAD_SETTINGS)
def test_a_refused_reload_names_file_and_line_and_the_daemon_knows_of_it(running, name):
    good = running.conf.read_text()
    running.conf.write_text(good + BAD_SETTINGS[name])
    done = running.control("reload", is_checked=False)
    assert done.returncode == 1 and done.stdout == ""
    faults = done.stderr.splitlines()
    assert any(f"{running.conf}:" in fault for fault in faults[:-1]), faults
    assert faults[-1].startswith("intakectl: the reload was refused and nothing has changed: ")
    assert len(running.log_lines("reload-refused")) == 1
    assert json_of(running, "status")["ready"] is True
    running.conf.write_text(good)
    running.control("reload")


def test_faults_of_files_are_the_daemons_to_name(running, tmp_path):
    running.configure({"taxonomy.file": tmp_path / "none.json"})
    done = running.control("reload", is_checked=False)
    assert done.returncode == 1
    first, last = done.stderr.splitlines()[0], done.stderr.splitlines()[-1]
    assert str(tmp_path / "none.json") in first and "the reload was refused" in last
    assert running.log_lines("none.json")
    assert "none.json" in running.control("status").stdout


def test_every_fault_that_the_daemon_names_is_printed(site):
    faults = ["intaked.conf:3: a", "server.key: b"]
    answer = {"reloaded": False, "error": "it was refused", "faults": faults}
    with FakeControl(site, answer, answer) as control:
        done = site.control("reload", is_checked=False)
        shown = site.control("--json", "reload", is_checked=False)
    assert control.heard == ["reload"] * 2
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        *(f"intakectl: {fault}" for fault in faults),
        "intakectl: the reload was refused and nothing has changed: it was refused",
    ]
    assert shown.returncode == 1 and json.loads(shown.stdout) == answer


def test_settings_that_need_a_restart_are_named(site):
    answer = {"reloaded": True, "faults": [], "needs_restart": ["listen.address", "admin.address"]}
    with FakeControl(site, answer):
        said = site.control("reload").stdout
    assert said.splitlines() == [
        "reloaded",
        "listen.address was changed, which takes a restart",
        "admin.address was changed, which takes a restart",
    ]


def test_a_running_daemon_names_what_needs_a_restart(running):
    running.configure({"listen.backlog": 77})
    expected = "listen.backlog was changed, which takes a restart"
    assert running.control("reload").stdout.splitlines() == ["reloaded", expected]
    assert f"! {expected}" in running.control("status").stdout


def test_a_daemon_that_knows_no_reload_says_so(site):
    with FakeControl(site, {"error": "there is no such command"}):
        assert refusal(site, "reload") == "the daemon says: there is no such command"


def test_a_reload_without_a_daemon_names_what_is_wrong_with_the_file_too(site):
    assert "the daemon does not answer at " in refusal(site, "reload")
    with site.conf.open("a") as conf:
        conf.write("colours {\n}\n")
    done = site.control("reload", is_checked=False)
    first, second = done.stderr.splitlines()
    assert done.returncode == 1
    assert f"{site.conf}:" in first and "colours" in first
    assert "the daemon does not answer at " in second


# ---- taxonomy load


def write_taxonomy(path, change):
    taxonomy = json.loads(json.dumps(TAXONOMY))
    change(taxonomy)
    path.write_text(json.dumps(taxonomy))
    return path


def new_version(taxonomy):
    """One category more, one other than it was, one less."""
    categories = taxonomy["categories"]
    taxonomy["version"] = "1.1.0"
    categories.append(dict(categories[0], code="deep-fake", title="It is not me"))
    spam = next(c for c in categories if c["code"] == "spam")
    spam.update(title="Unwanted messages", min_tlp="TLP:GREEN", critical=True)
    taxonomy["categories"] = [c for c in categories if c["code"] != "data-loss"]
    taxonomy["action_areas"].append({**taxonomy["action_areas"][0], "code": "AA5", "title": "New"})


def categories_of(site):
    rows = site.rows("SELECT code, title, min_tlp, is_critical FROM intake.category")
    return {code: rest for code, *rest in rows}


def test_the_taxonomy_of_the_configuration_is_there_after_migration(site):
    said = site.control("taxonomy", "load").stdout.splitlines()
    name = f"{TAXONOMY['id']}/{TAXONOMY['version']}"
    assert said == [
        f"the database knows {name}: {len(TAXONOMY['action_areas'])} areas,"
        f" {len(TAXONOMY['categories'])} categories",
        "a daemon takes the file at its next reload",
    ]


def test_a_new_version_is_added_and_brought_up_to_date_and_removes_nothing(site, tmp_path):
    path = write_taxonomy(tmp_path / "new.json", new_version)
    before = categories_of(site)
    assert site.control("taxonomy", "load", path).stdout.splitlines() == [
        "added    area AA5",
        "added    category deep-fake",
        "changed  category spam",
        "kept     category data-loss, which the file does not have",
        f"the database knows {TAXONOMY['id']}/1.1.0: 5 areas, {len(TAXONOMY['categories'])} categories",
    ]
    after = categories_of(site)
    assert after.pop("deep-fake") == ["It is not me", *before["network-outage"][1:]]
    assert after.pop("spam") == ["Unwanted messages", 1, True]
    del before["spam"]
    assert after == before
    again = json_of(site, "taxonomy", "load", path)
    nothing = {"added": [], "changed": [], "kept": []}
    assert again == {
        "taxonomy": f"{TAXONOMY['id']}/1.1.0",
        "areas": nothing,
        "categories": {**nothing, "kept": ["data-loss"]},
    }


def test_a_category_stays_countable_or_not(site, tmp_path):
    path = write_taxonomy(tmp_path / "new.json", lambda t: t["categories"][0].update(countable=False))
    before = site.rows("SELECT * FROM intake.category ORDER BY code")
    refused = site.control("taxonomy", "load", path, is_checked=False)
    assert refused.returncode == 1
    assert (
        "category network-outage cannot change whether it is countable, expected true:"
        " the daily sums were made with it" in refused.stderr
    )
    assert site.rows("SELECT * FROM intake.category ORDER BY code") == before


def test_a_daemon_takes_a_taxonomy_once_the_database_knows_it(running, tmp_path):
    def add(taxonomy):
        taxonomy["categories"].append(dict(taxonomy["categories"][0], code="deep-fake"))

    running.configure({"taxonomy.file": write_taxonomy(tmp_path / "new.json", add)})
    assert running.control("reload", is_checked=False).returncode == 1
    assert "added    category deep-fake" in running.control("taxonomy", "load").stdout
    running.control("reload")
    wait_until(lambda: json_of(running, "status")["ready"], "it serves")
    # Each new session is asked for the codes in force.
    running.rows("DELETE FROM intake.category WHERE code = 'deep-fake'")
    running.postgres.kill_backends(running.database)
    lacks = "the database lacks categories of the taxonomy: deep-fake"
    wait_until(lambda: lacks in running.admin("/readyz")[1], "it is missed")


BAD_TAXONOMIES = {
    "no JSON": (lambda path: path.write_text("{"), "new.json: "),
    "not there": (lambda path: None, "new.json: No such file"),
    "unknown area": (
        lambda path: write_taxonomy(path, lambda t: t["categories"][3].update(primary_area="AA9")),
        "new.json: /categories/3/primary_area: one of its action_areas is expected",
    ),
}


@pytest.mark.parametrize("name", BAD_TAXONOMIES)
def test_a_taxonomy_that_a_daemon_would_refuse_is_not_loaded(site, tmp_path, name):
    make, sentence = BAD_TAXONOMIES[name]
    path = tmp_path / "new.json"
    make(path)
    before = categories_of(site)
    assert sentence in refusal(site, "taxonomy", "load", path)
    assert categories_of(site) == before


def test_only_the_owner_loads_a_taxonomy(site):
    operator = site.settings["database.operator_connection"]
    site.configure({"database.owner_connection": operator})
    said = refusal(site, "taxonomy", "load")
    assert 'user "operator" may not do that' in said and "intake_owner" in said
