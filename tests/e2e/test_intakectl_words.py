# SPDX-License-Identifier: Apache-2.0
"""The words of the operator's program: what it takes, what its help, its manual page and the shell's
completion say of them."""

import re
import shlex
import shutil
import subprocess

import pytest

from certificates import openssl
from harness import BUILD, PATIENCE, ROOT, run_program
from terminal import Terminal

COMMON = {"--conf", "--json", "--help", "--version"}
# Commands of one word.
ALONE = ("reload", "status", "top", "completion", "erase", "export")
PAGE = ROOT / "daemon" / "tools" / "intakectl.8"


def usages():
    """{command: its usage} by the help."""
    text = run_program("intakectl", "--help").stdout
    found, name = {}, None
    for line in text.partition("\n\n")[2].partition("\n\n")[0].splitlines():
        usage = re.split(r" {2,}(?=[a-z])", line.strip())[0] if not line.startswith("   " * 5) else ""
        if re.match(r"  [a-z]", line):
            name = " ".join(re.match(r"[a-z]+(?: [a-z]+(?![\w|]))?", usage)[0].split())
            name = name.split()[0] if name.split()[0] in ALONE else name
            found[name] = usage
        elif name:
            found[name] += " " + usage
    return found


def tables():
    """The completion's three tables: options, operands and values."""
    script = run_program("intakectl", "completion", "bash").stdout
    found = []
    for table in ("options", "operands", "values"):
        rows = re.search(rf"declare -gA _intakectl_{table}=\(\n(.*?)^\)", script, re.DOTALL | re.MULTILINE)[1]
        found.append(dict(re.findall(r"\['(.+?)'\]='(.*?)'", rows)))
    return found


def page_commands():
    """{command: the macros of its line} by the manual page."""
    found = {}
    for line in re.findall(r"^\.It Cm (.*)$", PAGE.read_text(), re.MULTILINE):
        words = re.match(r"[a-z]+(?: [a-z]+)?", line)[0]
        found[words] = line
    return found


def options_in(text, prefix):
    return set(re.findall(rf"(?<![\w-]){prefix}([a-z][a-z-]*)", text))


def test_help_completion_and_manual_know_the_same_commands():
    options, _, _ = tables()
    assert len(options) == 29
    assert set(usages()) == set(options) == set(page_commands())


def test_help_completion_and_manual_know_the_same_options_of_each():
    options, _, _ = tables()
    for command, words in options.items():
        own = {word.removeprefix("--") for word in set(words.split()) - COMMON}
        assert options_in(usages()[command], "--") == own, command
        assert options_in(page_commands()[command], "Fl -") == own, command
    described = options_in(PAGE.read_text(), "Fl -")
    assert described == {word[2:] for words in options.values() for word in words.split()}


@pytest.mark.parametrize("command", sorted(tables()[0]))
def test_an_option_is_taken_where_it_is_offered_and_nowhere_else(command):
    options, _, values = tables()
    every = {word for words in options.values() for word in words.split()} - {"--help", "--version"}
    for option in every:
        value = values.get(option, "")
        line = [*command.split(), option, *(["x"] if value and not value.startswith("perhaps") else [])]
        done = run_program("intakectl", "-c", "/nonexistent.conf", *line)
        refused = f"{option} does not belong to this command" in done.stderr
        assert refused == (option not in options[command].split()), (command, option, done.stderr)


def test_every_exit_status_is_in_the_manual():
    section = PAGE.read_text().partition(".Sh EXIT STATUS")[2].partition(".Sh ")[0]
    header = (ROOT / "daemon" / "tools" / "intakectl_int.h").read_text()
    statuses = re.findall(r"OUTCOME_\w+ = (\d)", header)
    assert re.findall(r"^\.It (\d)$", section, re.MULTILINE) == statuses != []


# ---- completion


@pytest.fixture(scope="module")
def site(world):
    made = world.daemon()
    for name in ("nordhaven", "north", "south"):
        made.control("partner", "add", name, "--org", "a.example")
    made.control("cert", "add", "south", "--spki", "ab" * 32)
    made.control("cert", "add", "south", "--spki", "cd" * 32)
    (made.folder / "a folder").mkdir()
    (made.folder / "a file.pem").touch()
    return made


def split_line(line):
    """As readline does: the sign of --name=value is a word of its own."""
    words = []
    for word in re.split(r"(?<!\\)\s+", line):
        words += [part for part in re.split(r"(=)", word) if part] or [""]
    return words


def offered(site, line):
    """What a bash would offer at the end of the line."""
    words = [str(BUILD / "intakectl"), "-c", str(site.conf), *split_line(line)]
    script = (
        'compopt() { echo "compopt $*" >&2; }\nsource "$1"; shift\n'
        'COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))\n_intakectl\nprintf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(
        ["bash", "--norc", "-u", "-c", script, "bash", BUILD / "completions" / "intakectl", *words],
        cwd=site.folder, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0 and done.stderr in ("", "compopt -o filenames\n"), done.stderr
    return set(done.stdout.split("\n")) - {""}


CASES = {
    "": {"db", "partner", "cert", "taxonomy", "config", "reload", "status", "top", "completion",
         "hold", "retention", "erase", "erasure", "export"},
    "p": {"partner"},
    "--j": {"--json"},
    "-": COMMON,
    "nonsense ": set(),
    "db ": {"migrate", "status"},
    "partner s": {"set", "show", "suspend"},
    "partner -": COMMON,
    "--json cert ": {"add", "list", "revoke"},
    "partner show ": {"nordhaven", "north", "south"},
    "partner show nor": {"nordhaven", "north"},
    "partner show north ": set(),
    "partner list ": set(),
    "cert list --expiring 30 so": {"south"},
    "cert list --expiring ": set(),
    "cert revoke c": {"cd" * 32},
    "cert list --e": {"--expiring"},
    "partner set --mode ": {"test", "live"},
    "partner set --mode=": {"test", "live"},
    "partner set --mode=l": {"live"},
    "partner set north --mode live --t": {"--title"},
    "partner set north --title x --relay ": {"yes", "no"},
    "partner set north --relay --q": {"--quota"},
    "partner set --relay yes nor": {"nordhaven", "north"},
    "partner set --relay=no nor": {"nordhaven", "north"},
    "partner set --title partner so": {"south"},
    "partner add ": set(),
    "partner enrol north --ca": {"--ca", "--ca-key", "--ca-password-file"},
    "partner enrol north --out ": {"a folder"},
    "partner enrol north --csr a": {"a folder", "a file.pem"},
    "taxonomy load a": {"a folder", "a file.pem"},
    "completion ": {"bash"},
    "retention ": {"list", "set", "remove", "run"},
    "eras": {"erase", "erasure"},
    "erase --re": {"--report", "--revision", "--reason"},
    "export --format ": {"ndjson", "csv", "stix"},
    "export --area AA3 --partner nor": {"nordhaven", "north"},
    "export --tlp-max TLP:AMBER": {"TLP:AMBER", "TLP:AMBER+STRICT"},
    "status ": set(),
    "top --": COMMON | {"--interval"},
}


@pytest.mark.parametrize("line", CASES)
def test_the_shell_is_offered_what_can_follow(site, line):
    assert offered(site, line) == CASES[line]


def test_the_shell_is_offered_the_same_without_a_home(site, monkeypatch):
    monkeypatch.delenv("HOME", raising=False)
    assert offered(site, "partner show ") == CASES["partner show "]


def test_names_are_not_offered_without_a_database(world):
    site = world.daemon({"database.operator_connection": "host=/nowhere dbname=x"}, database=world.TEMPLATE)
    assert offered(site, "partner show ") == set()


def test_a_real_shell_completes(site):
    shell = Terminal(["/usr/bin/env", "TERM=dumb", f"PATH={BUILD}:/usr/bin:/bin", "PS1=ready> ",
                      "bash", "--norc", "--noprofile", "-i"])  # fmt: skip
    shell.type("bind 'set bell-style none'; bind 'set enable-bracketed-paste off'\n")
    # As the shell's own loader reads it: within a function.
    shell.type(f"load() {{ source {shlex.quote(str(BUILD))}/completions/intakectl; }}; load\n")
    shell.type(f"cd {shlex.quote(str(site.folder))}; echo is''loaded\n")
    shell.wait_for("isloaded")
    shell.type("intakectl -c intaked.conf par\t")
    shell.wait_for("intaked.conf partner ")
    shell.type("sho\t")
    shell.wait_for("show ")
    shell.type("so\t")
    shell.wait_for("south ")
    shell.type("\nintakectl taxonomy load a\\ fi\t")
    shell.wait_for("organisations")
    shell.wait_for("load a\\ file.pem ")
    shell.type("\x15exit\n")
    assert shell.end() == 0


# ---- the examples of the manual page


def examples():
    """The commands of the manual page in its order, those of one display together, as one user."""
    section = PAGE.read_text().partition(".Sh EXAMPLES")[2]
    for display in re.findall(r"^\.Bd [^\n]*\n(.*?)^\.Ed", section, re.DOTALL | re.MULTILINE):
        commands = re.sub(r"^\$ ", "", display.replace("\\e\n", "\\\n"), flags=re.MULTILINE)
        yield commands.replace("runuser -u postgres -- ", "")


def test_the_examples_of_the_manual_work_in_their_order(world, tmp_path):
    """As one session: each finds what those before it have made."""
    authority = world.authority
    for name in ("nordhaven", "nordhaven-new"):
        shutil.copy(authority.issue("nordhaven").certificate, tmp_path / f"{name}.crt")
    for name in ("eastport", "eastport-2"):
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", tmp_path / f"{name}.key", "-subj", "/CN=x", "-out", tmp_path / f"{name}.csr")  # fmt: skip
    shutil.copy(authority.certificate, tmp_path / "partner-ca.crt")
    shutil.copy(authority.folder / "ca.key", tmp_path / "partner-ca.key")
    said = []
    with world.running(partners=()) as daemon:
        # The session is the operator's, and at its end the analyst's.
        database = f"PGHOST={daemon.postgres.socket_folder} PGDATABASE={daemon.database} PGUSER=analyst"
        prelude = f"set -e\nexport {database}\nintakectl() {{ {BUILD}/intakectl -c {daemon.conf} \"$@\"; }}\n"
        for example in examples():
            done = subprocess.run(["bash", "-c", prelude + example], cwd=tmp_path, capture_output=True,
                                  text=True, check=False, timeout=60 * PATIENCE)  # fmt: skip
            # What expires within a month has a status of its own: these last a week.
            expected = 3 if "--expiring" in example else 0
            assert done.returncode == expected, (example, done.stdout, done.stderr)
            said.append(done.stdout)
    assert len(said) == 15 and said[-6] == "eastport\n"
