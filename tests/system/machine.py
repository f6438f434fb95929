# SPDX-License-Identifier: Apache-2.0
"""A Debian system that boots: systemd-nspawn over a root that mmdebstrap has made.

It has a network of its own with nothing but loopback, so what it needs is installed before it
boots. It dies with the process that started it.
"""

import hashlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

from harness import children_of, die_with_parent, wait_until

# Where the root is kept between runs: mmdebstrap takes half a minute and a download.
PACKAGES = ["ca-certificates", "curl", "dbus", "iproute2", "nftables", "openssl", "postgresql",
            "procps", "systemd", "systemd-sysv"]  # fmt: skip
# Documentation is not read there, but the examples of our own packages are.
DPKG_OPTIONS = ["path-exclude=/usr/share/doc/*", "path-exclude=/usr/share/man/*",
                "path-exclude=/usr/share/locale/*", "path-include=/usr/share/doc/intake*"]  # fmt: skip
ENVIRONMENT = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8",
               "TERM=dumb", "DEBIAN_FRONTEND=noninteractive"]  # fmt: skip
# Whoever installs says yes.
SAYS_YES = "APT::Get::Assume-Yes true;\n"
BOOT_TIMEOUT = 120


def why_no_machine():
    """Why systemd-nspawn cannot run here; None where it can."""
    if os.geteuid() != 0:
        return "systemd-nspawn needs root"
    probe = ["unshare", "--mount", "--pid", "--net", "--uts", "--ipc", "--fork", "true"]
    if subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        return "systemd-nspawn needs namespaces, and this system gives root none"
    return None


def run(*command, **options):
    done = subprocess.run(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        **options,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def codename():
    for line in Path("/etc/os-release").read_text().splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2]
    raise AssertionError("/etc/os-release names no release")


def needed_by(packages):
    """The names of what Debian packages depend on, without those that are there anyway."""
    names = set()
    for package in packages:
        for relation in run("dpkg-deb", "-f", package, "Depends").split(","):
            names.add(relation.split("|")[0].split("(")[0].strip())
    return sorted(names)


def make_root(folder, packages):
    """A tar of a minimal system of this release, security updates included, with all that the packages
    need."""
    suite = codename()
    wanted = sorted({*PACKAGES, *needed_by(packages)})
    made_from = " ".join([suite, *wanted, *DPKG_OPTIONS])
    tar = folder / f"root-{hashlib.sha256(made_from.encode()).hexdigest()[:12]}.tar"
    if tar.exists():
        return tar
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / "part.tar"
    run(
        "mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(wanted)}",
        *(f"--dpkgopt={option}" for option in DPKG_OPTIONS), suite, part,
    )  # fmt: skip
    part.rename(tar)
    return tar


class Machine:
    """One booted system."""

    def __init__(self, folder, tar):
        self.folder = Path(folder)
        self.root = self.folder / "root"
        self.root.mkdir(parents=True)
        run("tar", "--extract", "--file", tar, "--directory", self.root)
        (self.root / "etc/hostname").write_text("intake\n")
        (self.root / "etc/hosts").write_text(
            "127.0.0.1 localhost intake intake.example.org db.example.org\n"
        )
        (self.root / "etc/apt/apt.conf.d/yes").write_text(SAYS_YES)
        self.process = None
        self.leader = None

    def boot(self):
        with (self.folder / "console").open("w") as console:
            self.process = subprocess.Popen(
                # It ends the system in order when it is told to; its death alone would not.
                ["setpriv", "--pdeathsig", "TERM", "systemd-nspawn", "--quiet", "--directory", self.root, "--boot",
                 "--register=no", "--keep-unit", "--private-network",
                 # IPAddressDeny is a program in the kernel.
                 "--system-call-filter=bpf"],
                env=dict(os.environ, SYSTEMD_NSPAWN_UNIFIED_HIERARCHY="1"),
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True,
            )  # fmt: skip
        wait_until(self._is_up, "the system is up", timeout=BOOT_TIMEOUT)

    def reboot(self):
        """systemd-nspawn ends where another would start the system again."""
        self.run("systemctl reboot", is_checked=False)
        self.process.wait(timeout=BOOT_TIMEOUT)
        self.boot()

    def _is_up(self):
        assert self.process.poll() is None, (self.folder / "console").read_text()
        children = children_of(self.process.pid)
        if not children:
            return False
        self.leader = children[0]
        state = self.run("systemctl is-system-running", is_checked=False).stdout.strip()
        assert state != "degraded", self.run("systemctl --failed", is_checked=False).stdout
        return state == "running"

    def _inside(self, *command):
        return ["nsenter", "--target", str(self.leader), "--mount", "--uts", "--ipc", "--net",
                "--pid", "--cgroup", "--", *ENVIRONMENT, *command]  # fmt: skip

    def run(self, script, *, is_checked=True, timeout=120):
        """Runs a script as root in /root, up to its first command that fails."""
        done = subprocess.run(
            self._inside("bash", "-euo", "pipefail", "-c", f"cd /root\n{script}"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        if is_checked and done.returncode != 0:
            raise AssertionError(f"{script}\n{done.stdout}{done.stderr}{self.journal()[-4000:]}")
        return done

    def start(self, script):
        """As run, and does not wait for it."""
        return subprocess.Popen(
            self._inside("bash", "-euo", "pipefail", "-c", f"cd /root\n{script}"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=die_with_parent,
        )

    def output(self, script, **options):
        return self.run(script, **options).stdout.strip()

    def start_in_its_network(self, *command):
        """A command of this system, with its files, that runs in the other one's network."""
        return subprocess.Popen(
            ["nsenter", "--target", str(self.leader), "--net", "--", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_parent,
        )

    def property(self, name, unit="intaked.service"):
        return self.output(f"systemctl show --property={name} --value {unit}")

    def process_id(self):
        """That of the daemon, as this system knows it."""
        inside = self.property("MainPID")
        for pid in children_of(self.leader):
            status = Path(f"/proc/{pid}/status").read_text()
            if f"NSpid:\t{pid}\t{inside}\n" in status:
                return pid
        raise AssertionError(f"no process {inside} in it")

    def drop_in(self, text, unit="intaked.service", name="test.conf"):
        """In force from the unit's next start; none for an empty text."""
        path = self.path(f"/etc/systemd/system/{unit}.d/{name}")
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        if text:
            path.write_text(text)
        self.run("systemctl daemon-reload")

    def journal(self, *words):
        """What the daemon and systemd have said of it, or the lines that hold every word."""
        text = self.run("journalctl -u intaked.service -o cat --no-pager").stdout
        if not words:
            return text
        return [line for line in text.splitlines() if all(word in line for word in words)]

    def path(self, inside):
        """A file of it, from outside."""
        return self.root / inside.lstrip("/")

    def stop(self):
        """At once: everything in it ends with its first process."""
        if self.process and self.process.poll() is None:
            if children := children_of(self.process.pid):
                os.kill(children[0], signal.SIGKILL)
            else:
                self.process.terminate()
            self.process.wait(timeout=60)
        shutil.rmtree(self.folder)
