# SPDX-License-Identifier: Apache-2.0
"""What operators do to forget: the answers to partners afterwards, and the program that does it."""

import hashlib
import json
import re
import subprocess
import uuid
from contextlib import closing

import pytest

from batches import post_batch, results_of
from client import encode
from harness import ADMINISTRATOR, BUILD, ROOT, wait_until
from operating import json_of, refusal
from reports import new_report_id, smallest_report, usual_report
from terminal import Terminal

WHY = ("--asked-by", "A. Person", "--reason", "asked for")


def path_of(report, suffix=""):
    return f"/v1/reports/{report['report_id']}{suffix}"


def key_of(report, partner="alpha"):
    return f"{partner}/{report['report_id']}"


def stored(client, report):
    answer = client.post(report)
    assert answer.status == 201, answer
    return answer.json


def erase(site, *arguments, status=0):
    done = site.control("--json", "erase", *arguments, *WHY, "--yes", is_checked=False)
    assert done.returncode == status, (done.stdout, done.stderr)
    return json.loads(done.stdout)


def age(daemon, report, days):
    """The record's rows change in tests only; the report's id goes on saying when it came."""
    daemon.rows(
        "UPDATE intake.report SET received_at = received_at - make_interval(days => %s)"
        " WHERE report_id = %s",
        [days, report["report_id"]],
    )


def everything_in(daemon):
    """All rows of all tables, in lower case; bytes in hex."""
    done = subprocess.run(
        [
            daemon.postgres.programs / "pg_dump", "--data-only",
            "--dbname", daemon.postgres.connection_string(ADMINISTRATOR, daemon.database),
        ],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.lower()


@pytest.fixture(autouse=True)
def no_rules(daemon):
    yield
    daemon.rows("DELETE FROM intake.retention_policy; DELETE FROM intake.legal_hold")


# ---- what partners are told


def test_erased_report_keeps_its_receipt(daemon, alpha):
    report = usual_report()
    receipt = stored(alpha, report)
    assert erase(daemon, "--report", key_of(report))["revisions"] == 1
    gone = {**receipt, "status": "erased"}
    assert alpha.get(path_of(report)).json == gone
    assert alpha.get(path_of(report, "?revision=1")).json == gone
    repeat = alpha.post(report)
    assert (repeat.status, repeat.json) == (200, gone)


def test_anything_but_the_same_bytes_is_refused(daemon, alpha, beta):
    report = smallest_report()
    stored(alpha, report)
    erase(daemon, "--report", key_of(report))
    for other in (
        {**report, "title": "Other"},
        json.dumps(report, indent=1).encode(),
        {**report, "revision": 2},
    ):
        answer = alpha.post(other)
        assert (answer.status, answer.problem) == (409, "report-erased"), answer
        assert "receipt" not in answer.json
    answer = alpha.post({"revision": 1, "reason": "R"}, path_of(report, "/retraction"))
    assert (answer.status, answer.problem) == (409, "report-erased")
    # What another partner calls the same is another report.
    stored(beta, smallest_report(report_id=report["report_id"]))
    # A refusal leaves its trace, as any of a partner's.
    wait_until(
        lambda: daemon.value(
            "SELECT count(*) FROM intake.refusal WHERE problem = 'report-erased' AND status = 409"
        )
        >= 4,
        "the refusals are noted",
    )


def test_lines_of_a_batch(daemon, alpha):
    erased, fresh = smallest_report(), smallest_report()
    receipt = stored(alpha, erased)
    erase(daemon, "--report", receipt["id"])
    other = {**erased, "title": "Other"}
    results = results_of(post_batch(alpha, [erased, other, fresh]))
    assert [result.status for result in results] == [200, 409, 201]
    assert results[0].receipt == {**receipt, "status": "erased"}
    assert results[1].problem == "report-erased"
    late = smallest_report()
    results = results_of(post_batch(alpha, [late, other], query="?atomic=true"), status=409)
    assert [result.problem for result in results] == ["batch-rolled-back", "report-erased"]
    results = results_of(post_batch(alpha, [erased], query="?atomic=true"))
    assert results[0].receipt["status"] == "erased"


def test_stricter_rules_do_not_hide_an_erased_report(daemon, alpha):
    """What would be refused today is looked up by its digest first."""
    report = smallest_report()
    receipt = stored(alpha, report)
    bad = encode({**report, "severity": {"level": 9}})
    daemon.rows(
        "UPDATE intake.report SET sha256 = %s WHERE id = %s",
        [hashlib.sha256(bad).digest(), receipt["id"]],
    )
    erase(daemon, "--report", key_of(report))
    answer = alpha.post(bad)
    assert (answer.status, answer.json["status"]) == (200, "erased")
    assert alpha.post({**report, "severity": {"level": 8}}).problem == "report-invalid"


def test_one_revision_of_a_report(daemon, alpha):
    report = smallest_report()
    stored(alpha, report)
    second = stored(alpha, {**report, "revision": 2})
    done = erase(daemon, "--report", key_of(report), "--revision", 2)
    assert [row["revision"] for row in done["found"]] == [2]
    assert alpha.get(path_of(report)).json == {**second, "status": "erased"}
    assert alpha.get(path_of(report, "?revision=1")).json["status"] == "stored"
    assert alpha.post({**report, "revision": 2, "title": "x"}).problem == "report-erased"
    assert alpha.post({**report, "revision": 3}).status == 201


def test_report_of_the_tests(daemon, gamma, alpha):
    report = smallest_report()
    stored(gamma, report)
    key = key_of(report, "gamma")
    assert f"there is no report {key}" in refusal(daemon, "erase", "--report", key, *WHY)
    assert erase(daemon, "--report", key, "--test")["revisions"] == 1
    assert gamma.get(path_of(report)).json["status"] == "erased"


# ---- erase


def files_with(daemon, words):
    """Which of them PostgreSQL's files hold, written out."""
    daemon.rows("CHECKPOINT")
    found = lambda word: subprocess.run(
        ["grep", "-rqaF", word, daemon.postgres.data / "base"], check=False
    ).returncode == 0  # fmt: skip
    return [word for word in words if found(word)]


def test_what_is_left_in_files_goes_by_the_recipe_of_the_page(daemon, alpha):
    page = (ROOT / "daemon" / "tools" / "intakectl.8").read_text()
    recipe = page.partition("Where even that has to go")[2].partition(".Bd -literal -offset indent\n")[2]
    host, title, narrative, reason = (f"left{uuid.uuid4().hex[:12]}" for _ in range(4))
    report = smallest_report(
        title=title, narrative=narrative,
        indicators=[{"type": "domain", "value": f"{host}.example.org", "role": "source"}],
    )  # fmt: skip
    words = [host, host[::-1], title, narrative, reason]
    stored(alpha, report)
    assert alpha.post({"revision": 1, "reason": reason}, path_of(report, "/retraction")).status == 201
    while daemon.value("SELECT intake.housekeep(1000)"):
        pass
    assert files_with(daemon, words) == words
    assert erase(daemon, "--report", key_of(report))["revisions"] == 1
    assert files_with(daemon, words) == words
    daemon.rows(recipe.partition(".Ed")[0])
    assert files_with(daemon, words) == []


def test_erase_shows_keys_asks_and_is_logged(daemon, alpha):
    reports = [smallest_report(title=f"of Xanthippe {number}") for number in range(2)]
    receipts = [stored(alpha, report) for report in reports]
    command = [BUILD / "intakectl", "-c", daemon.conf, "erase", *WHY]
    for report in reports:
        command += ["--report", key_of(report)]
    for answer in ("no", "", "y", "yesno"):
        terminal = Terminal(command)
        seen = terminal.wait_for("Type yes to erase them: ")
        assert "Erase 2 revisions?" in seen and all(key_of(report) in seen for report in reports)
        terminal.type(answer + "\n")
        terminal.wait_for("nothing was erased")
        assert terminal.end() == 1
    assert [alpha.get(path_of(report)).json["status"] for report in reports] == ["stored"] * 2
    terminal = Terminal(command)
    terminal.wait_for("Type yes")
    terminal.type("yes\n")
    terminal.wait_for("2 revisions of 2 reports were erased")
    assert terminal.end() == 0
    assert "Xanthippe" not in terminal.seen
    last = json_of(daemon, "erasure", "list")[-1]
    assert (last["kind"], last["reports"], last["asked_by"]) == ("report", 2, "A. Person")
    shown = json_of(daemon, "erasure", "show", last["id"])
    assert {row["sha256"] for row in shown} == {receipt["sha256"] for receipt in receipts}
    text = daemon.control("erasure", "list").stdout + daemon.control("erasure", "show", last["id"]).stdout
    assert "asked for" in text and key_of(reports[0]) in text


def test_revision_that_comes_while_the_question_waits(daemon, alpha):
    """It goes with its report; where one revision was asked for, it stays."""
    whole, one = smallest_report(), smallest_report()
    for report, words, wanted in ((whole, (), "erased"), (one, ("--revision", 1), "stored")):
        stored(alpha, report)
        command = [BUILD / "intakectl", "-c", daemon.conf, "erase", "--report", key_of(report), *words, *WHY]
        terminal = Terminal(command)
        terminal.wait_for("Type yes")
        stored(alpha, {**report, "revision": 2})
        terminal.type("yes\n")
        terminal.wait_for("revisions of 1 reports were erased")
        assert terminal.end() == 0
        assert alpha.get(path_of(report, "?revision=1")).json["status"] == "erased"
        assert alpha.get(path_of(report)).json["status"] == wanted


def test_dry_run_and_scripts_erase_nothing_unasked(daemon, alpha):
    report = smallest_report()
    stored(alpha, report)
    said = daemon.control("erase", "--report", key_of(report), "--dry-run", *WHY).stdout
    assert key_of(report) in said and "1 revisions would be erased" in said
    assert "--yes" in refusal(daemon, "erase", "--report", key_of(report), *WHY)
    assert alpha.get(path_of(report)).json["status"] == "stored"
    erase(daemon, "--report", key_of(report))
    said = daemon.control("erase", "--report", key_of(report), "--yes", *WHY).stdout
    assert "erased before" in said and "there is nothing to erase" in said


@pytest.mark.parametrize("is_beside_another", [False, True])
def test_report_is_closed_whose_revisions_were_erased_singly(daemon, alpha, is_beside_another):
    report, other = smallest_report(), smallest_report()
    key = key_of(report)
    stored(alpha, report)
    stored(alpha, {**report, "revision": 2})
    for revision in (1, 2):
        assert erase(daemon, "--report", key, "--revision", revision)["closed"] == 0
    said = daemon.control("erase", "--report", key, "--revision", 2, "--yes", *WHY).stdout
    assert "there is nothing to erase" in said
    said = daemon.control("erase", "--report", key, "--dry-run", *WHY).stdout
    assert "0 revisions would be erased" in said and "1 reports would be closed" in said
    assert "--yes" in refusal(daemon, "erase", "--report", key, *WHY)
    assert alpha.post({**report, "revision": 3}).status == 201
    erase(daemon, "--report", key, "--revision", 3)

    keys = ["--report", key]
    if is_beside_another:
        stored(alpha, other)
        keys += ["--report", key_of(other)]
    done = erase(daemon, *keys)
    assert (done["reports"], done["revisions"]) == (is_beside_another, is_beside_another)
    assert (done["closed"], done["held"]) == (1, 0)
    assert alpha.post({**report, "revision": 4}).problem == "report-erased"
    assert alpha.get(path_of(report)).json["status"] == "erased"
    if is_beside_another:
        assert alpha.post({**other, "revision": 2}).problem == "report-erased"
    said = daemon.control("erase", *keys, "--yes", *WHY).stdout
    assert "erased before" in said and "there is nothing to erase" in said


def test_closing_asks_and_says_so(daemon, alpha):
    report = smallest_report()
    stored(alpha, report)
    erase(daemon, "--report", key_of(report), "--revision", 1)
    terminal = Terminal([BUILD / "intakectl", "-c", daemon.conf, "erase", *WHY, "--report", key_of(report)])
    assert "erased, open" in terminal.wait_for("Close 1 reports?")
    terminal.wait_for("Type yes")
    terminal.type("yes\n")
    terminal.wait_for("1 reports are closed")
    assert terminal.end() == 0
    assert alpha.post({**report, "revision": 2}).problem == "report-erased"


def test_held_report_is_not_closed(daemon, alpha):
    """Its newest revision was erased before the hold, the one before is under it."""
    report = smallest_report()
    stored(alpha, report)
    stored(alpha, {**report, "revision": 2})
    erase(daemon, "--report", key_of(report), "--revision", 2)
    daemon.control("hold", "add", "--report", key_of(report), "--reason", "Case 3")
    done = erase(daemon, "--report", key_of(report), status=3)
    assert (done["reports"], done["held"], done["closed"]) == (0, 1, 0)
    assert alpha.post({**report, "revision": 3}).status == 201


def test_erase_of_a_person(daemon, alpha):
    name = "Zoë Quintrell"
    victim = smallest_report(
        tlp="TLP:AMBER", victims=[{"kind": "organisation", "name": name.upper()}]
    )
    told = smallest_report(narrative=f"It was\n{name}.")
    mail = smallest_report(indicators=[{"type": "email", "value": "zoe@q.example.net", "role": "target"}])
    other = smallest_report(narrative="It was Zoë Quintrells.")
    receipts = [stored(alpha, report) for report in (victim, told, mail, other)]
    seen = json_of(daemon, "erase", "--person", name, "--dry-run", *WHY)
    found = seen["found"]
    assert seen["erasure"] is None
    assert {(row["report"], row["found_in"]) for row in found} == {
        (key_of(victim), "victims"),
        (key_of(told), "narrative"),
    }
    done = erase(daemon, "--person", name)
    assert (done["reports"], done["revisions"]) == (2, 2)
    assert erase(daemon, "--person", "zoe@q.example.net")["indicators"] == 1
    states = [alpha.get(path_of(report)).json["status"] for report in (victim, told, mail, other)]
    assert states == ["erased"] * 3 + ["stored"]
    # The report may come again without the person.
    assert alpha.post({**told, "revision": 2, "narrative": "It was someone."}).status == 201
    log = daemon.control("erasure", "list").stdout
    assert "Quintrell" not in log and log.count("search") >= 3
    kinds = {entry["id"]: entry["kind"] for entry in json_of(daemon, "erasure", "list")}
    assert kinds[done["erasure"]] == "person"
    rest = everything_in(daemon).replace("quintrells", "").replace(b"Quintrells".hex(), "")
    for text in ("quintrell", "zoe@q"):
        assert text not in rest
        assert not [spelt for spelt in (text, text.title(), text.upper()) if spelt.encode().hex() in rest]
    assert receipts[3]["id"] in rest and receipts[0]["sha256"] in rest


def test_more_than_fit_into_one_transaction(daemon, alpha):
    word = "Ptolemaios"
    results = results_of(post_batch(alpha, [smallest_report(title=word) for _ in range(450)]))
    assert {result.status for result in results} == {201}
    done = erase(daemon, "--person", word)
    assert (done["reports"], len(done["found"])) == (450, 450)
    (entry,) = [row for row in json_of(daemon, "erasure", "list") if row["id"] == done["erasure"]]
    assert entry["revisions"] == 450


def refuse_to_erase(daemon, key):
    """Of one report, as a database would that is short of something in the middle."""
    daemon.rows(
        "CREATE FUNCTION intake.refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN RAISE EXCEPTION ''no room is left''; END'"
    )
    daemon.rows(
        "CREATE TRIGGER refuse BEFORE INSERT ON intake.erased_report FOR EACH ROW"
        f" WHEN (NEW.report_id = '{key.partition('/')[2]}') EXECUTE FUNCTION intake.refuse()"
    )


@pytest.fixture
def heals(daemon):
    yield
    daemon.rows("DROP FUNCTION IF EXISTS intake.refuse CASCADE")


def test_erasure_that_fails_says_what_is_erased_already(daemon, alpha, heals):
    """Two transactions are committed, the third is undone; and once the first."""
    word = "Eratosthenes"
    results_of(post_batch(alpha, [smallest_report(title=word) for _ in range(450)]))
    find = ("erase", "--person", word, *WHY)
    keys = [row["report"] for row in json_of(daemon, *find, "--dry-run")["found"]]
    refused = "the database refused: no room is left (SQLSTATE P0001)"
    for place, before, left in ((430, "400 revisions were erased before this: ", 50), (440, "", 50)):
        refuse_to_erase(daemon, keys[place])
        done = daemon.control(*find, "--yes", is_checked=False)
        assert done.returncode == 1
        assert done.stderr.startswith(f"intakectl: {before}{refused}")
        assert len(json_of(daemon, *find, "--dry-run")["found"]) == left
        daemon.rows("DROP FUNCTION intake.refuse CASCADE")
    assert erase(daemon, "--person", word)["revisions"] == 50


FAULTS = {
    "nothing": (("erase", *WHY), 2, "either --report or --person"),
    "both": (("erase", "--report", "a/b", "--person", "x", *WHY), 2, "either --report or --person"),
    "no reason": (("erase", "--report", "a/b", "--asked-by", "x"), 2, "--reason and --asked-by"),
    "revision of two": (("erase", "--report", "a/b", "--report", "a/c", "--revision", 1, *WHY), 2, "one --report"),
    "test of a person": (("erase", "--person", "abc", "--test", *WHY), 2, "--test goes with --report"),
    "no key": (("erase", "--report", "x", *WHY), 1, "names no report"),
    "no partner": (("erase", "--report", "nobody/x", *WHY), 1, 'no partner "nobody"'),
    "no report": (("erase", "--report", "alpha/none", *WHY), 1, "there is no report alpha/none"),
    "no test": (("erase", "--report", "alpha/none", "--test", *WHY), 1, "there is no report alpha/none among the tests"),
    "no such id": (("erase", "--report", "01938f3e-7c1a-7b52-9d0e-3f6a2b1c4d5e", *WHY), 1, "there is no report"),
    "short person": (("erase", "--person", "ab", *WHY), 1, "three characters"),
    "hold on nothing": (("hold", "add", "--reason", "r"), 1, "needs something to be on"),
    "hold without reason": (("hold", "add", "--partner", "alpha"), 2, "--reason"),
    "hold on an id": (("hold", "add", "--reason", "r", "--report", "01938f3e-7c1a-7b52-9d0e-3f6a2b1c4d5e"), 1, "not by a UUID"),
    "hold of no category": (("hold", "add", "--reason", "r", "--category", "x"), 1, "no such category"),
    "hold at no time": (("hold", "add", "--reason", "r", "--since", "x"), 2, "a time such as 2027-03-01"),
    "hold that is over": (("hold", "add", "--reason", "r", "--partner", "alpha", "--ends", "2020-01-01"), 1, "--ends 2020-01-01 is in the past"),
    "hold until before": (("hold", "add", "--reason", "r", "--since", "2026-01-02", "--until", "2026-01-01"), 1, "it would be on nothing"),
    "hold of an instant": (("hold", "add", "--reason", "r", "--since", "2026-01-01", "--until", "2026-01-01T00:00:00Z"), 1, "it would be on nothing"),
    "no hold": (("hold", "remove", 999999), 1, "no hold 999999"),
    "hold of no number": (("hold", "remove", "x"), 2, "no number of a hold"),
    "no period": (("retention", "set", "3"), 2, "no period"),
    "seconds": (("retention", "set", "3 seconds"), 2, "no period"),
    "no time at all": (("retention", "set", "0 days"), 1, "at least a day"),
    "a month too long": (("retention", "set", "12001 months"), 1, "at most 1,000 years"),
    "no end of years": (("retention", "set", "9999 years"), 1, "at most 1,000 years"),
    "no category": (("retention", "set", "3 days", "--category", "x"), 1, "no such category"),
    "no label": (("retention", "set", "3 days", "--tlp", "RED"), 2, "TLP:AMBER+STRICT or TLP:RED"),
    "no policy": (("retention", "remove",), 1, "no policy for exactly"),
    "erasure of no number": (("erasure", "show", "x"), 2, "no number of an erasure"),
    "no erasure": (("erasure", "show", 999999), 1, "there is no erasure 999999"),
    "no erasure in JSON": (("--json", "erasure", "show", 999999), 1, "there is no erasure 999999"),
}


@pytest.mark.parametrize("words, status, sentence", FAULTS.values(), ids=FAULTS)
def test_what_cannot_be_done_is_told(daemon, words, status, sentence):
    done = daemon.control(*words, is_checked=False)
    assert done.returncode == status, done
    assert sentence in done.stderr
    assert daemon.value("SELECT count(*) FROM intake.legal_hold") == 0
    assert daemon.value("SELECT count(*) FROM intake.retention_policy") == 0


# ---- holds


def test_hold_keeps_from_erasure(daemon, alpha):
    report, other = smallest_report(), smallest_report()
    stored(alpha, report)
    stored(alpha, {**report, "revision": 2})
    stored(alpha, other)
    hold = json_of(daemon, "hold", "add", "--report", key_of(report), "--reason", "Case 7")["hold"]
    keys = ("--report", key_of(report), "--report", key_of(other))
    done = erase(daemon, *keys, status=3)
    assert (done["reports"], done["held"]) == (1, 1)
    assert [row["state"] for row in done["found"]] == [f"hold {hold}", f"hold {hold}", "stored"]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", row["received"]) for row in done["found"])
    assert alpha.get(path_of(report)).json["status"] == "stored"
    shown = daemon.control("hold", "list").stdout
    assert "in force" in shown and "Case 7" in shown and report["report_id"] in shown
    assert "is over" in daemon.control("hold", "remove", hold).stdout
    assert json_of(daemon, "hold", "list")[-1]["is_in_force"] is False
    assert re.search(rf"^{hold} +removed ", daemon.control("hold", "list").stdout, re.MULTILINE)
    assert erase(daemon, *keys)["reports"] == 1
    daemon.control("hold", "add", "--partner", "alpha", "--category", "phishing", "--since", "2020-01-01",
                   "--until", "2021-01-01", "--ends", "2099-01-01", "--reason", "Case 8")  # fmt: skip
    row = json_of(daemon, "hold", "list")[-1]
    assert (row["partner"], row["category"], row["placed_by"]) == ("alpha", "phishing", "operator")
    for name, year in (("received_from", 2020), ("received_before", 2021), ("ends_at", 2099)):
        assert row[name] == f"{year}-01-01T00:00:00+00:00"


def test_held_reports_of_one_id_are_counted_by_mode(daemon, alpha, gamma):
    word = "Anaximander"
    report = smallest_report(title=word)
    stored(gamma, report)
    daemon.control("partner", "set", "gamma", "--mode", "live")
    wait_until(lambda: gamma.get("/v1/whoami").json["mode"] == "live", "the partner is live")
    stored(gamma, report)
    daemon.control("partner", "set", "gamma", "--mode", "test")
    wait_until(lambda: gamma.get("/v1/whoami").json["mode"] == "test", "it is as it was")
    daemon.control("hold", "add", "--report", key_of(report, "gamma"), "--reason", "Case 5")
    done = erase(daemon, "--person", word, status=3)
    assert (len(done["found"]), done["held"], done["erasure"]) == (2, 2, None)


def test_hold_that_an_erasure_waits_for_holds_whatever_isolation_is_usual(daemon, alpha):
    """A snapshot of the beginning would not show it."""
    report = smallest_report()
    stored(alpha, report)
    isolation = f"ALTER DATABASE {daemon.database} SET default_transaction_isolation = 'serializable'"
    command = [BUILD / "intakectl", "-c", daemon.conf, "erase", "--report", key_of(report), *WHY, "--yes"]
    waiting = "SELECT 1 FROM pg_locks WHERE relation = 'intake.legal_hold'::regclass AND NOT granted"
    daemon.rows(isolation)
    try:
        with closing(daemon.postgres.connect(daemon.database, "operator")) as other:
            other.autocommit = False
            other.cursor().execute(
                "SELECT intake.hold_add(%s, 'alpha', NULL, NULL, NULL, NULL, 'Case 9')", [report["report_id"]]
            )
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
                wait_until(lambda: daemon.rows(waiting), "the erasure waits for the hold")
                other.commit()
                assert "0 revisions of 0 reports" in process.communicate()[0]
                assert process.returncode == 3
    finally:
        daemon.rows(isolation.replace("SET", "RESET").partition(" =")[0])
    assert alpha.get(path_of(report)).json["status"] == "stored"


def test_hold_on_a_report_says_how_many_there_are(daemon, alpha, gamma):
    live, test, later = (smallest_report() for _ in range(3))
    stored(alpha, live)
    stored(gamma, test)
    reason = ("--reason", "Case 4")
    for key, reports in ((key_of(live), 1), (key_of(test, "gamma"), 1), (key_of(later), 0)):
        assert json_of(daemon, "hold", "add", "--report", key, *reason)["reports"] == reports
    said = daemon.control("hold", "add", "--report", key_of(later), *reason).stdout
    assert "is in force" in said and "it is on 0 reports now" in said
    # Another hold is on it, this one is not.
    narrower = ("--report", key_of(live), "--category", "spam", *reason)
    assert json_of(daemon, "hold", "add", *narrower)["reports"] == 0
    assert json_of(daemon, "hold", "add", "--partner", "alpha", *reason)["reports"] is None
    stored(alpha, later)
    assert erase(daemon, "--report", key_of(later), status=3)["reports"] == 0


# ---- retention


def test_retention(daemon, alpha):
    young = smallest_report()
    old, red, held = (smallest_report(tlp=tlp) for tlp in ("TLP:GREEN", "TLP:RED", "TLP:RED"))
    for report in (young, old, red, held):
        stored(alpha, report)
    for report in (old, red, held):
        age(daemon, report, 400)
    assert "0 reports were erased" in daemon.control("retention", "run").stdout

    daemon.control("retention", "set", "1 year")
    daemon.control("retention", "set", "forever", "--tlp", "TLP:GREEN")
    assert json_of(daemon, "retention", "list") == [
        {"tlp": tlp, "category": None, "keep": keep, "set_by": "operator", "set_at": row["set_at"]}
        for (tlp, keep), row in zip(
            [("TLP:GREEN", None), (None, "1 year")], json_of(daemon, "retention", "list")
        )
    ]
    hold = json_of(daemon, "hold", "add", "--report", key_of(held), "--reason", "Case 9")["hold"]
    said = daemon.control("retention", "--dry-run").stdout
    assert "TLP:RED" in said and "TLP:GREEN" not in said
    assert "1 reports would be erased now" in said
    (row,) = json_of(daemon, "retention", "run", "--dry-run")
    assert (row["tlp"], row["category"], row["reports"], row["held"]) == (
        "TLP:RED", "business-email-compromise", 1, 1)  # fmt: skip
    assert alpha.get(path_of(red)).json["status"] == "stored"

    done = json_of(daemon, "retention", "run")
    assert (done["reports"], done["revisions"], done["held"]) == (1, 1, 1)
    again = json_of(daemon, "retention", "run")
    assert again == {"erasure": None, "reports": 0, "revisions": 0, "held": 1}
    assert "legal holds keep 1\n" in daemon.control("retention", "run").stdout
    states = [alpha.get(path_of(report)).json["status"] for report in (young, old, red, held)]
    assert states == ["stored", "stored", "erased", "stored"]
    assert alpha.post(red).json["status"] == "erased"
    daemon.control("hold", "remove", hold)
    daemon.control("retention", "remove", "--tlp", "TLP:GREEN")
    said = daemon.control("retention", "run").stdout
    assert "2 reports were erased" in said
    assert alpha.get(path_of(young)).json["status"] == "stored"


@pytest.mark.parametrize("period", ["1000 years", "12000 months", "51428 weeks"])
def test_the_longest_period_lets_the_retention_run(daemon, alpha, period):
    old, kept = (smallest_report(tlp=tlp) for tlp in ("TLP:GREEN", "TLP:RED"))
    for report in (old, kept):
        stored(alpha, report)
        age(daemon, report, 400)
    daemon.control("retention", "set", period, "--tlp", "TLP:RED")
    daemon.control("retention", "set", "1 year", "--tlp", "TLP:GREEN")
    assert json_of(daemon, "retention", "run")["reports"] == 1
    states = [alpha.get(path_of(report)).json["status"] for report in (old, kept)]
    assert states == ["erased", "stored"]
    erase(daemon, "--report", key_of(kept))


def test_retention_narrows_what_earlier_erasures_have_emptied(daemon):
    """More than one step does; whoever maintains the table has precedence, and then the next run."""
    daemon.rows(
        "INSERT INTO intake.emptied_range SELECT 'intake.indicator'::regclass, 16 * n,"
        " now() - interval '2 hours' FROM generate_series(0, 149) AS n ON CONFLICT DO NOTHING"
    )
    left = "SELECT count(*) FROM intake.emptied_range WHERE noted_at < now() - interval '1 hour'"

    def has_narrowed():
        daemon.control("retention", "run")
        # None or all: a step that is turned away leaves as many as there were.
        assert daemon.value(left) in (0, 150)
        return daemon.value(left) == 0

    wait_until(has_narrowed, "no vacuum is at it")


def test_retention_that_fails_says_what_is_erased_already(daemon, alpha, heals):
    reports = [smallest_report(category="spam", action_areas=["AA1"]) for _ in range(450)]
    results_of(post_batch(alpha, reports))
    daemon.rows("UPDATE intake.report SET received_at = received_at - interval '9 years' WHERE category = 'spam'")
    daemon.control("retention", "set", "8 years", "--category", "spam")
    ((last,),) = daemon.rows(
        "SELECT report_id FROM intake.report WHERE category = 'spam' ORDER BY received_at DESC, id DESC LIMIT 1"
    )
    refuse_to_erase(daemon, f"alpha/{last}")
    refused = "the database refused: no room is left (SQLSTATE P0001)"
    for before in ("400 reports were erased before this: ", ""):
        done = daemon.control("retention", "run", is_checked=False)
        assert done.returncode == 1
        assert done.stderr.startswith(f"intakectl: {before}{refused}")
    daemon.rows("DROP FUNCTION intake.refuse CASCADE")
    assert json_of(daemon, "retention", "run")["reports"] == 50


def test_retention_draws_a_bar_on_a_terminal(daemon, alpha, monkeypatch):
    monkeypatch.delenv("TERM", raising=False)  # as cron starts the tests
    results_of(post_batch(alpha, [smallest_report(category="spam", action_areas=["AA1"]) for _ in range(450)]))
    daemon.rows("UPDATE intake.report SET received_at = received_at - interval '9 years' WHERE category = 'spam'")
    daemon.control("retention", "set", "8 years", "--category", "spam")
    terminal = Terminal([BUILD / "intakectl", "-c", daemon.conf, "retention", "run"])
    terminal.wait_for("200 of 450 reports")
    terminal.wait_for("450 reports were erased")
    assert terminal.end() == 0
    assert "[########------------]  44%" in terminal.seen
    quiet = daemon.control("retention", "run")
    assert quiet.stderr == "" and "0 reports were erased" in quiet.stdout


def test_a_partner_goes_on_sending_while_reports_are_forgotten(daemon, alpha):
    """Erasures between the lines of batches: every answer is one that the record bears out."""
    daemon.control("retention", "set", "8 years", "--category", "spam")
    prefix = new_report_id("R")
    for step in range(5):
        reports = [
            smallest_report(report_id=f"{prefix}:{number}", category="spam", action_areas=["AA1"],
                            revision=1 + step * (number % 2)) for number in range(40)
        ]  # fmt: skip
        results = results_of(post_batch(alpha, reports))
        if step:
            assert {result.problem for result in results} == {None, "report-erased"}
        for report, result in zip(reports, results):
            wanted = "stored" if not step else "erased"
            if result.receipt:
                assert result.receipt["status"] == wanted, (step, report)
        daemon.rows(
            "UPDATE intake.report SET received_at = received_at - interval '9 years'"
            " WHERE category = 'spam' AND report_id LIKE %s",
            [prefix + "%"],
        )
        assert json_of(daemon, "retention", "run")["reports"] == (0 if step else 40)
