# SPDX-License-Identifier: Apache-2.0
"""What a test stands on: a PostgreSQL cluster of its own and daemons that serve from it.

Every process started here dies with the one that started it, however that ends. Under the
sanitizers a daemon that leaves a report fails the test that stops it.
"""

import ctypes
import functools
import json
import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg2

from certificates import Ca
from client import BadAnswer, Client, RawClient, refusal_of
from reports import ORGANISATION

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("INTAKED_BUILD", ROOT / "build" / "tests"))
# What a sanitizer slows down is given more time; what must be quick is not tested under one.
PATIENCE = float(os.environ.get("INTAKED_PATIENCE", "1"))
IS_SANITIZED = PATIENCE > 1

PR_SET_PDEATHSIG = 1
ADMINISTRATOR = "postgres"


def wait_until(condition, what, timeout=15.0):
    """Calls condition until it returns something true, and returns that."""
    deadline = time.monotonic() + timeout * PATIENCE
    while not (result := condition()):
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        time.sleep(0.01)
    return result


_given_ports = set()


def free_port():
    """Below the ephemeral ports, so that no outgoing connection takes it meanwhile, and none twice:
    who was given it before may not have bound it yet."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in _given_ports:
            _given_ports.add(port)
            return port


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def prepare_child(sockets):
    """Between fork and exec: the sockets become descriptors 3 and up, as sd_listen_fds(3) has it."""
    die_with_parent()
    spare = [os.dup(passed.fileno()) for passed in sockets]
    for number, fd in enumerate(spare, start=3):
        os.dup2(fd, number)
    if sockets:
        os.closerange(3 + len(sockets), 4096)


def children_of(pid):
    """All descendants, by the kernel's own list: a minimal system has no ps."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(stat.parent.name)] = int(fields[1])
    found = [pid]
    for parent in found:
        found += [child for child, its_parent in parents.items() if its_parent == parent]
    return found[1:]


def newest_postgres():
    """The folder of the newest installed server's programs."""
    folders = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    versions = sorted((float(path.parent.parent.name), path.parent) for path in folders)
    assert versions, "PostgreSQL's server is not installed"
    return versions[-1][1]


class Postgres:
    """One cluster on a unix socket. It never runs as root: then the user postgres runs it.

    With an origin it is a standby of that one.
    """

    def __init__(self, folder, origin=None):
        self.folder = Path(folder)
        self.data = self.folder / "data"
        self.socket_folder = self.folder / "s"
        self.log = self.folder / "log"
        self.programs = newest_postgres()
        self.process = None
        self.options = []
        self.enter = []  # what puts the server into another network namespace
        self.folder.mkdir()
        self.socket_folder.mkdir()
        if os.geteuid() == 0:
            for path in (self.folder, self.socket_folder):
                shutil.chown(path, ADMINISTRATOR, ADMINISTRATOR)
        if origin:
            self._copy(origin)
        else:
            self._initdb()

    def as_its_user(self, *command):
        if os.geteuid() != 0:
            return ["setpriv", "--pdeathsig", "QUIT", *map(str, command)]
        user = pwd.getpwnam(ADMINISTRATOR)
        return [
            "setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--init-groups",
            "--pdeathsig", "QUIT", *map(str, command),
        ]  # fmt: skip

    def _initdb(self):
        command = self.as_its_user(
            self.programs / "initdb", "--pgdata", self.data, "--username", ADMINISTRATOR,
            "--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync",
            "--no-instructions",
        )  # fmt: skip
        self._run(command)
        with (self.data / "postgresql.conf").open("a") as conf:
            conf.write("listen_addresses = ''\n")
            conf.write(f"unix_socket_directories = '{self.socket_folder}'\n")
            conf.write("shared_buffers = 64MB\nmax_wal_size = 256MB\nlogging_collector = off\n")
            conf.write("log_line_prefix = '%m [%p] %q%u@%d '\n")

    def _copy(self, origin):
        command = self.as_its_user(
            self.programs / "pg_basebackup", "--pgdata", self.data, "--host", origin.socket_folder,
            "--username", ADMINISTRATOR, "--write-recovery-conf", "--checkpoint=fast", "--no-sync",
        )  # fmt: skip
        self._run(command)
        with (self.data / "postgresql.conf").open("a") as conf:
            conf.write(f"unix_socket_directories = '{self.socket_folder}'\n")

    @staticmethod
    def _run(command):
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def start(self):
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [*self.enter, *self.as_its_user(self.programs / "postgres", "-D", self.data)]
                + self.options,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(self._is_up, "PostgreSQL is up", timeout=60)

    def _is_up(self):
        assert self.process.poll() is None, self.log.read_text()
        try:
            self.connect(ADMINISTRATOR).close()
        except psycopg2.OperationalError:
            return False
        return True

    def _stop_by(self, signal_number):
        if self.process:
            self.process.send_signal(signal_number)
            self.process.wait(timeout=60)
            self.process = None

    def stop(self):
        """Fast: sessions are closed, everything is written."""
        self._stop_by(signal.SIGINT)

    def crash(self):
        """Immediate: nothing is written, the next start recovers from the log."""
        self._stop_by(signal.SIGQUIT)

    def kill(self):
        """As when the machine is gone: none of its processes does anything more."""
        self._signal_all(signal.SIGKILL)
        self.process.wait(timeout=60)
        self.process = None

    def _signal_all(self, signal_number):
        for pid in [self.process.pid, *children_of(self.process.pid)]:
            try:
                os.kill(pid, signal_number)
            except ProcessLookupError:
                continue

    @contextmanager
    def frozen(self):
        """Connections stay open and nothing answers."""
        self._signal_all(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal_all(signal.SIGCONT)

    def kill_backends(self, database):
        """Ends every session of a database but the one that asks."""
        self.query(
            ADMINISTRATOR,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = %s AND pid <> pg_backend_pid()",
            [database],
        )

    def set(self, name, value):
        """A setting of the cluster, which is in force when this returns."""
        self.query(ADMINISTRATOR, f"ALTER SYSTEM SET {name} = '{value}'")
        self.query(ADMINISTRATOR, "SELECT pg_reload_conf()")
        wait_until(lambda: self.value(ADMINISTRATOR, f"SHOW {name}") == value, f"{name} is set")

    def connection_string(self, user, database):
        return f"host={self.socket_folder} dbname={database} user={user}"

    def connect(self, database, user=ADMINISTRATOR):
        connection = psycopg2.connect(self.connection_string(user, database))
        connection.autocommit = True
        return connection

    def query(self, database, statement, parameters=None, user=ADMINISTRATOR):
        """All rows; none for a statement that gives none."""
        connection = self.connect(database, user)
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement, parameters)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def value(self, database, statement, parameters=None, user=ADMINISTRATOR):
        return self.query(database, statement, parameters, user)[0][0]


class NotifySocket:
    """The service manager's end of sd_notify(3).

    It reads only when asked, so its queue fills in a long outage: a daemon must not wait for it.
    """

    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)
        self.lines = []

    def read(self):
        """All lines so far."""
        while True:
            try:
                self.lines += self.socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return self.lines

    def has(self, line):
        return line in self.read()

    def close(self):
        self.socket.close()
        self.path.unlink()


def sanitizer_environment(reports):
    """Every report goes to a file of its own, so that a killed or restarted daemon keeps its."""
    environment = {}
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
        given = os.environ.get(name, "")
        environment[name] = f"{given}:log_path={reports}".lstrip(":")
    return environment


def render_settings(settings):
    """{"section.name": value} as a configuration file."""
    sections = {}
    for key, value in settings.items():
        section, name = key.split(".")
        if isinstance(value, bool):
            text = "true" if value else "false"
        elif isinstance(value, int):
            text = str(value)
        else:
            text = '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
        sections.setdefault(section, []).append(f"\t{name} = {text}\n")
    return "".join(f"{name} {{\n{''.join(lines)}}}\n" for name, lines in sections.items())


class Intaked:
    """A daemon with a configuration, a log and a database; it may be started again and again."""

    def __init__(self, folder, postgres, database, authority, server_credential, settings=None):
        self.folder = Path(folder)
        self.folder.mkdir()
        self.postgres = postgres
        self.database = database
        self.authority = authority
        self.port = free_port()
        self.admin_port = free_port()
        self.log = self.folder / "log"
        self.log.touch()
        self.conf = self.folder / "intaked.conf"
        self.sanitizer_reports = self.folder / "sanitizer"
        self.process = None
        self.notify = None
        self.environment = {}  # beside what every process here gets
        self.passed_sockets = {}  # name: listening socket, as by a service manager
        self.settings = {
            "listen.address": f"127.0.0.1:{self.port}",
            "listen.workers": 2,
            "tls.certificate": server_credential.certificate,
            "tls.key": server_credential.key,
            "tls.partner_ca": authority.certificate,
            "database.connection": postgres.connection_string("daemon", database),
            "database.operator_connection": postgres.connection_string("operator", database),
            "database.owner_connection": postgres.connection_string(ADMINISTRATOR, database),
            "admin.address": f"127.0.0.1:{self.admin_port}",
            "control.path": self.folder / "control",
            "taxonomy.file": ROOT / "config" / "taxonomy.json",
        }
        self.configure(settings or {})

    def configure(self, settings):
        """Takes effect at the next start or reload."""
        self.settings.update(settings)
        self.conf.write_text(render_settings(self.settings))

    def start(self, *, is_ready_expected=True):
        self.notify = NotifySocket(self.folder / "notify")
        environment = dict(os.environ, NOTIFY_SOCKET=str(self.notify.path))
        environment.update(sanitizer_environment(self.sanitizer_reports))
        environment.update(self.environment)
        sockets = list(self.passed_sockets.values())
        if sockets:
            environment["LISTEN_FDS"] = str(len(sockets))
            environment["LISTEN_FDNAMES"] = ":".join(self.passed_sockets)
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                # LISTEN_PID is the daemon's own: the shell's, which becomes the daemon.
                ["/bin/sh", "-c", 'LISTEN_PID=$$ exec "$0" -c "$1"', BUILD / "intaked", self.conf],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                close_fds=not sockets,
                preexec_fn=lambda: prepare_child(sockets),
            )
        if is_ready_expected:
            wait_until(self._is_ready, "READY=1 from the daemon", timeout=20)

    def _is_ready(self):
        assert self.process.poll() is None, f"the daemon ended:\n{self.log.read_text()}"
        return self.notify.has("READY=1")

    def wait_for_exit(self, timeout=20):
        """The exit status of a daemon that was told to stop, or ends by itself."""
        try:
            status = self.process.wait(timeout=timeout * PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self._forget_process()
        self.check_sanitizers()
        return status

    def stop(self):
        if not self.process:
            return
        early = self.process.poll()
        assert early is None, f"it had ended by itself with {early}:\n{self.log_tail()}"
        self.check_answers()
        self.process.send_signal(signal.SIGTERM)
        status = self.wait_for_exit()
        assert status == 0, f"exit status {status}:\n{self.log_tail()}"

    def kill(self):
        """As a crash does: nothing is finished."""
        self.process.kill()
        self.process.wait()
        self._forget_process()
        self.check_sanitizers()

    def _forget_process(self):
        self.process = None
        self.notify.close()

    def check_sanitizers(self):
        reports = sorted(self.folder.glob("sanitizer.*"))
        assert not reports, reports[0].read_text()

    def check_answers(self):
        """Whatever a test has brought about, the document tells partners of it."""
        if self.settings["admin.address"] != f"127.0.0.1:{self.admin_port}":
            return
        for sample in self.metrics():
            found = re.fullmatch(r'intaked_requests_total\{path="(/.*)",status="(\d+)"\}', sample)
            assert not found or int(found[2]) in documented_statuses(found[1]), sample

    def log_lines(self, *words):
        """The lines that hold every one of the words."""
        lines = self.log.read_text(errors="replace").splitlines()
        return [line for line in lines if all(word in line for word in words)]

    def log_tail(self):
        return "\n".join(self.log_lines()[-40:])

    def control(self, *arguments, is_checked=True):
        """Runs intakectl on this daemon's configuration."""
        done = subprocess.run(
            [BUILD / "intakectl", "-c", self.conf, *map(str, arguments)],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=60 * PATIENCE,
        )
        assert not is_checked or done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done

    def ask(self, command, timeout=20 * PATIENCE):
        """A command of the control socket; its answer."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
            control.settimeout(timeout)
            control.connect(str(self.settings["control.path"]))
            control.sendall(command.encode() + b"\n")
            with control.makefile() as answer:
                return json.loads(answer.read())

    def add_partner(self, name, *organisations, is_live=True, may_relay=False):
        arguments = []
        for organisation in organisations or [ORGANISATION]:
            arguments += ["--org", organisation]
        arguments += ["--live"] if is_live else []
        arguments += ["--relay"] if may_relay else []
        self.control("partner", "add", name, *arguments)

    @contextmanager
    def locked_reports(self):
        """Nothing can be stored until the block is left, or the lock that it is given rolled back."""
        lock = self.postgres.connect(self.database)
        lock.autocommit = False
        try:
            lock.cursor().execute("LOCK TABLE intake.report IN ACCESS EXCLUSIVE MODE")
            yield lock
            lock.rollback()
        finally:
            lock.close()

    def suspend_partner(self, name, credential):
        """Returns when it is in force. Each look is a new connection: one that is idle in that
        moment is closed without an answer."""
        self.control("partner", "suspend", name)

        def is_in_force():
            with suppress(BadAnswer), self.client(credential) as client:
                answer = client.get("/v1/whoami")
                return answer.status == 403 and answer.problem == "partner-suspended"

        wait_until(is_in_force, f"{name} is suspended")

    def client(self, credential, **options):
        return Client(self.port, self.authority.certificate, credential, **options)

    def raw_client(self, credential, **options):
        return RawClient(self.port, self.authority.certificate, credential, **options)

    def refusal_of(self, credential, **options):
        return refusal_of(self.port, self.authority.certificate, credential, **options)

    def admin_answer(self, path, headers=None, timeout=10):
        """Status, headers and text of a page of the admin listener."""
        url = f"http://127.0.0.1:{self.admin_port}{path}"
        request = urllib.request.Request(url, headers=headers or {})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=timeout) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read().decode()

    def admin(self, path, **options):
        """Status and text of a page of the admin listener."""
        status, _, text = self.admin_answer(path, **options)
        return status, text

    def status(self):
        """What /status.json says."""
        status, text = self.admin("/status.json")
        assert status == 200
        return json.loads(text)

    def history(self):
        status, text = self.admin("/history.json")
        assert status == 200
        return json.loads(text)

    def metrics(self):
        """{name with labels: value} of everything that /metrics shows."""
        status, text = self.admin("/metrics")
        assert status == 200
        samples = re.findall(r"^([a-z_]+(?:\{[^\n]*\})?) ([-+.0-9a-zA-Z]+)$", text, re.MULTILINE)
        return {name: float(value) for name, value in samples}

    def rows(self, statement, parameters=None):
        return self.postgres.query(self.database, statement, parameters)

    def value(self, statement, parameters=None):
        return self.postgres.value(self.database, statement, parameters)


@functools.cache
def api_document():
    """What GET /v1/openapi.json serves, without a daemon."""
    command = [BUILD / "tests" / "openapi_print", ROOT / "config" / "taxonomy.json"]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def documented_statuses(path):
    """Every status that a resource can answer with, by the document."""
    operations = [item for key, item in api_document()["paths"][path].items() if key != "parameters"]
    return {int(status) for operation in operations for status in operation["responses"]}


def run_program(name, *arguments):
    """A program of the build, to its end."""
    return subprocess.run(
        [BUILD / name, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60 * PATIENCE,
    )


class World:
    """A cluster, a partner authority and a server certificate, shared by a whole run.

    A migrated database is the template of all others, so that each daemon has an empty one.
    """

    TEMPLATE = "intaked_template"

    def __init__(self, folder):
        assert (BUILD / "intaked").exists(), f"no intaked in {BUILD}: build, or set INTAKED_BUILD"
        self.folder = Path(folder)
        self.count = 0
        self.authority = Ca(self.folder / "ca")
        self.server_credential = self.authority.issue_server()
        self.postgres = Postgres(self.folder / "pg")
        self.postgres.start()
        self._make_template()

    def _make_template(self):
        self.postgres.query(ADMINISTRATOR, f"CREATE DATABASE {self.TEMPLATE}")
        self.daemon(database=self.TEMPLATE).control("db", "migrate")
        for user, role in (
            ("daemon", "intake_daemon"),
            ("operator", "intake_operator"),
            ("analyst", "intake_analyst"),
        ):
            self.postgres.query(ADMINISTRATOR, f"CREATE ROLE {user} LOGIN IN ROLE {role}")

    def new_database(self):
        self.count += 1
        name = f"test_{self.count}"
        self.postgres.query(ADMINISTRATOR, f"CREATE DATABASE {name} TEMPLATE {self.TEMPLATE}")
        return name

    def daemon(self, settings=None, *, database=None):
        """A daemon that was not started yet, with an empty database unless one is named."""
        database = database or self.new_database()
        self.count += 1
        return Intaked(
            self.folder / f"intaked-{self.count}",
            self.postgres,
            database,
            self.authority,
            self.server_credential,
            settings,
        )

    @contextmanager
    def running(self, settings=None, *, partners=("alpha",)):
        """A started daemon whose partners are live and report for the usual organisation."""
        daemon = self.daemon(settings)
        for partner in partners:
            daemon.add_partner(partner)
        daemon.start()
        try:
            yield daemon
        finally:
            daemon.stop()

    def close(self):
        # Nobody reads it again: what is not written yet need not be.
        self.postgres.crash()
