# SPDX-License-Identifier: Apache-2.0
"""A reload takes everything or nothing, says what was wrong, and costs nobody a request."""

import json
import shutil
import threading
import time
from pathlib import Path

import pytest

from certificates import Ca
from client import BadAnswer, encode, request_bytes
from harness import PATIENCE, ROOT, run_program, wait_until
from reports import smallest_report

WHOAMI = request_bytes("GET", "/v1/whoami")
TAXONOMY = ROOT / "config" / "taxonomy.json"


@pytest.fixture(scope="module")
def serving(world):
    """A daemon whose files are its own."""
    with world.running() as daemon:
        for setting in ("tls.certificate", "tls.key"):
            copy = daemon.folder / setting
            shutil.copy(daemon.settings[setting], copy)
            daemon.configure({setting: copy})
        daemon.good = dict(daemon.settings)
        yield daemon


def restore(daemon):
    daemon.settings = dict(daemon.good)
    daemon.configure({})


def missing(daemon):
    daemon.configure({"tls.key": "/nonexistent.key"})
    return ["intaked.conf:", "tls.key: /nonexistent.key: No such file or directory"]


def test_key_that_others_may_read_is_warned_of(world):
    """When it is read, by the check, too; a group that the daemon belongs to may read it."""
    daemon = world.daemon()
    key = daemon.folder / "open.key"
    key.write_bytes(Path(daemon.settings["tls.key"]).read_bytes())
    daemon.configure({"tls.key": key})
    for mode, is_open in ((0o600, False), (0o640, False), (0o660, True), (0o644, True), (0o604, True)):
        key.chmod(mode)
        told = run_program("intaked", "-t", "-c", daemon.conf)
        assert told.returncode == 0
        assert (f'event=key-is-open file="{key}" mode={mode:04o}' in told.stderr) == is_open


def a_folder(daemon):
    daemon.configure({"tls.key": daemon.folder})
    return [f"{daemon.folder}: holds no private key in PEM"]


def other_key(daemon):
    other = daemon.authority.issue_server()
    daemon.configure({"tls.key": other.key})
    return [f"{other.key}: the key does not belong to the certificate in"]


def expired(daemon):
    old = daemon.authority.issue(
        alternative_names=["DNS:localhost"], extended_key_usage="serverAuth", valid_to_days=-0.5
    )
    daemon.configure({"tls.certificate": old.certificate, "tls.key": old.key})
    return [f"{old.certificate}: the certificate of", "has expired"]


def foreign_crl(daemon):
    crl = Ca(daemon.folder / "other", "another authority").write_crl(daemon.folder / "other.crl")
    daemon.configure({"tls.partner_crl": crl})
    return [f"{crl}: the list of /CN=another authority is signed by no configured authority"]


def broken_taxonomy(daemon):
    path = daemon.folder / "taxonomy.json"
    path.write_text(TAXONOMY.read_text().replace('"categories"', "categories", 1))
    daemon.configure({"taxonomy.file": path})
    return [f"{path}:"]


def taxonomy_of_unknown_codes(daemon):
    path = daemon.folder / "taxonomy.json"
    taxonomy = json.loads(TAXONOMY.read_text())
    taxonomy["categories"].append({**taxonomy["categories"][0], "code": "brand-new"})
    path.write_text(json.dumps(taxonomy))
    daemon.configure({"taxonomy.file": path})
    return ["brand-new"]


def unknown_setting(daemon):
    text = daemon.conf.read_text()
    daemon.conf.write_text(text + "\nlimits {\n\treport_byte = 5\n}\n")
    return [f"intaked.conf:{len(text.splitlines()) + 3}:", "limits has no setting", "report_byte"]


def bad_value(daemon):
    daemon.configure({"limits.report_bytes": "many"})
    return ["limits.report_bytes is", "expected a whole number of bytes"]


FAULTS = [
    missing, a_folder, other_key, expired, foreign_crl, broken_taxonomy, taxonomy_of_unknown_codes,
    unknown_setting, bad_value,
]  # fmt: skip


@pytest.mark.parametrize("spoil", FAULTS)
def test_a_fault_is_named_and_the_old_serves_on(serving, credentials, spoil):
    refused_before = serving.metrics()['intaked_reloads_total{result="refused"}']
    with serving.raw_client(credentials["alpha"]) as open_before:
        assert open_before.exchange(WHOAMI).status == 200
        words = spoil(serving)
        answer = serving.ask("reload")
        assert (answer["reloaded"], answer["error"]) == (
            False, "the new configuration was refused",
        )  # fmt: skip
        assert all(word in answer["faults"][0] for word in words), answer["faults"]
        assert open_before.exchange(WHOAMI).status == 200
        with serving.client(credentials["alpha"]) as client:
            assert client.post(smallest_report()).status == 201
    metrics = serving.metrics()
    assert metrics["intaked_reload_failed"] == 1
    assert metrics['intaked_reloads_total{result="refused"}'] == refused_before + 1
    assert serving.log_lines("configuration-fault", words[-1])
    status = f"STATUS=serving; the last reload was refused: {answer['faults'][0]}"
    assert any(line[:200] == status[:200] for line in serving.notify.read())

    restore(serving)
    assert serving.ask("reload") == {"reloaded": True, "faults": [], "needs_restart": []}
    assert serving.metrics()["intaked_reload_failed"] == 0


def test_all_faults_are_named_at_once(serving):
    serving.configure({"tls.key": "/a", "taxonomy.file": "/b", "limits.report_bytes": 1})
    faults = serving.ask("reload")["faults"]
    restore(serving)
    assert len(faults) == 1 and "limits.report_bytes" in faults[0]
    serving.configure({"tls.key": "/a", "taxonomy.file": "/b"})
    faults = serving.ask("reload")["faults"]
    assert len(faults) == 2 and "tls.key: /a" in faults[0] and "taxonomy.file: /b" in faults[1]
    restore(serving)
    assert serving.ask("reload")["reloaded"]


def test_what_needs_a_restart_is_said_and_the_rest_is_taken(serving, credentials):
    serving.configure({"listen.backlog": 5, "listen.workers": 1, "limits.report_bytes": 1024})
    answer = serving.ask("reload")
    assert (answer["reloaded"], answer["needs_restart"]) == (
        True, ["listen.backlog", "listen.workers"],
    )  # fmt: skip
    with serving.client(credentials["alpha"]) as client:
        assert client.post(smallest_report(narrative="x" * 2000)).status == 413
    restore(serving)
    assert serving.ask("reload") == {"reloaded": True, "faults": [], "needs_restart": []}


def test_a_file_that_was_asked_for_in_vain_is_noticed_when_it_comes(serving, credentials):
    new = {name: serving.folder / "later" / name for name in ("tls.certificate", "tls.key")}
    serving.configure({"control.reload_on_change": True})
    assert serving.ask("reload")["reloaded"]
    (serving.folder / "later").mkdir()
    serving.configure(new)
    wait_until(lambda: serving.metrics()["intaked_reload_failed"] == 1, "they are missed")
    credential = serving.authority.issue_server()
    shutil.copy(credential.certificate, new["tls.certificate"])
    shutil.copy(credential.key, new["tls.key"])
    wait_until(lambda: serving.metrics()["intaked_reload_failed"] == 0, "they are there")
    restore(serving)
    assert serving.ask("reload")["reloaded"]


def test_a_reload_reads_the_partners(world):
    """Though nobody has told of a change, and it is never time to ask: each reload puts that off."""
    change = (
        "SET session_replication_role = replica;"
        " UPDATE intake.partner SET is_suspended = true WHERE name = 'alpha'"
    )
    with world.running({"database.registry_poll_ms": 5000}) as daemon:
        suspended = lambda: [
            each["is_suspended"] for each in daemon.ask("status")["partners"] if each["name"] == "alpha"
        ]
        wait_until(lambda: suspended() == [False], "the partner is known")
        daemon.postgres.query(daemon.database, change)
        wait_until(
            lambda: daemon.ask("reload")["reloaded"] and suspended() == [True],
            "its suspension is known",
        )


def test_partners_are_read_as_often_as_is_configured(world):
    """Though nobody has told of a change, from a reload on that shortens the interval."""
    with world.running({"database.registry_poll_ms": 5000}) as daemon:
        daemon.configure({"database.registry_poll_ms": 100})
        assert daemon.ask("reload")["reloaded"]
        began = time.monotonic()
        for mode in ("test", "live") * 2:
            daemon.rows(
                "SET session_replication_role = replica;"
                f" UPDATE intake.partner SET is_live = {mode == 'live'} WHERE name = 'alpha'"
            )
            wait_until(
                lambda: daemon.status()["partners"][0]["mode"] == mode,  # pylint: disable=cell-var-from-loop
                "the change is known",
            )
        assert time.monotonic() - began < 4 * PATIENCE


def test_a_reload_reaches_every_session_of_the_database(world):
    """Those of the workers, the one that reads the partners, and that of housekeeping."""

    def sessions(daemon):
        return set(daemon.rows(
            "SELECT pid FROM pg_stat_activity WHERE usename = 'daemon' AND datname = current_database()"
        ))  # fmt: skip

    with world.running({"listen.workers": 2, "database.batch_timeout_ms": 9000}) as daemon:
        wait_until(lambda: len(sessions(daemon)) == 4, "all are there")
        before = sessions(daemon)
        daemon.configure({"database.batch_timeout_ms": 8000})
        assert daemon.ask("reload")["reloaded"]
        wait_until(
            lambda: len(sessions(daemon)) == 4 and not sessions(daemon) & before, "all are new ones"
        )


def test_a_reload_changes_what_is_logged(serving, credentials):
    def closes():
        with serving.client(credentials["alpha"]) as client:
            assert client.get("/v1/whoami").status == 200
        return serving.log_lines("event=connection-closed")

    assert not closes()
    serving.configure({"log.level": "debug"})
    assert serving.ask("reload")["reloaded"]
    wait_until(closes, "the end of a connection is told")
    restore(serving)
    assert serving.ask("reload")["reloaded"]


def test_a_changed_file_is_noticed_if_wanted(serving, credentials):
    """Certificate and key are replaced one after the other, as by a client of an authority."""

    def serial():
        with serving.raw_client(credentials["alpha"]) as raw:
            return raw.socket.getpeercert()["serialNumber"]

    def replace(credential):
        shutil.copy(credential.certificate, serving.folder / "new")
        (serving.folder / "new").rename(serving.settings["tls.certificate"])
        shutil.copy(credential.key, serving.folder / "new")
        (serving.folder / "new").rename(serving.settings["tls.key"])

    serving.configure({"control.reload_on_change": True})
    assert serving.ask("reload")["reloaded"]
    refused = serving.metrics()['intaked_reloads_total{result="refused"}']
    for _ in range(2):
        before = serial()
        replace(serving.authority.issue_server())
        wait_until(lambda: serial() != before, "the new certificate is in use")
    # Also what was refused is looked at again once it was mended.
    good = serving.conf.read_text()
    serving.conf.write_text("nothing")
    wait_until(lambda: serving.metrics()["intaked_reload_failed"] == 1, "the fault is noticed")
    serving.conf.write_text(good)
    wait_until(lambda: serving.metrics()["intaked_reload_failed"] == 0, "it was mended")
    assert serving.metrics()['intaked_reloads_total{result="refused"}'] == refused + 1

    serving.configure({"control.reload_on_change": False})
    wait_until(lambda: serving.log_lines("files-changed")[3:], "the last change is noticed")
    taken = serving.metrics()['intaked_reloads_total{result="taken"}']
    before = serial()
    replace(serving.authority.issue_server())
    assert serving.ask("reload")["reloaded"]
    assert serial() != before
    assert serving.metrics()['intaked_reloads_total{result="taken"}'] == taken + 1


class Load:
    """Clients that post one report after the other, on connections they keep or on new ones."""

    def __init__(self, daemon, credential):
        self.daemon = daemon
        self.credential = credential
        self.is_over = False
        self.statuses = []
        self.faults = []
        self.threads = [
            threading.Thread(target=self._run, args=[each])
            for each in (self._post_on_one, self._post_on_one, self._post_on_new)
        ]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_over = True
        for thread in self.threads:
            thread.join()

    def _run(self, work):
        try:
            work()
        except (OSError, BadAnswer, AssertionError) as error:
            self.faults.append(repr(error))

    def _post(self, raw):
        report = smallest_report()
        raw.send(request_bytes("POST", "/v1/reports", encode(report)))
        self.statuses.append(raw.read_response().status)

    def _post_on_one(self):
        with self.daemon.raw_client(self.credential) as raw:
            while not self.is_over:
                self._post(raw)

    def _post_on_new(self):
        while not self.is_over:
            with self.daemon.raw_client(self.credential) as raw:
                self._post(raw)


def test_a_hundred_reloads_under_load_cost_no_request(serving, credentials):
    """The server's certificate is another one at each tenth."""
    with Load(serving, credentials["alpha"]) as load:
        for number in range(100):
            if number % 10 == 0:
                new = serving.authority.issue_server()
                serving.configure({"tls.certificate": new.certificate, "tls.key": new.key})
            done = len(load.statuses)
            assert serving.ask("reload")["reloaded"]
            wait_until(lambda: len(load.statuses) > done or load.faults, "it serves on")
    assert not load.faults
    assert set(load.statuses) == {201} and len(load.statuses) > 100


def test_suspension_ends_open_connections_and_refuses_new_ones_within_5_s(world):
    credential = world.authority.issue("alpha")
    with world.running() as daemon, daemon.raw_client(credential) as raw:
        assert raw.exchange(WHOAMI).status == 200
        daemon.control("partner", "suspend", "alpha")
        raw.socket.settimeout(5)
        raw.read_end()
        with daemon.raw_client(credential) as other:
            answer = other.exchange(WHOAMI)
            assert (answer.status, answer.closes) == (403, True)
        daemon.control("partner", "resume", "alpha")

        def is_back():
            with daemon.raw_client(credential) as again:
                return again.exchange(WHOAMI).status == 200

        wait_until(is_back, "it is served again", timeout=5)
