# SPDX-License-Identifier: Apache-2.0
"""A network between this system and a namespace of its own, which can be cut."""

import os
import subprocess
from contextlib import contextmanager

# What the namespace does with each TCP packet that comes in, and that goes out.
CUTS = {
    "drop": ("drop", "drop"),
    "reset": ("reject with tcp reset", "tcp flags & rst == 0 drop"),
}


def run(*command, text=None):
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"


class Network:
    """A pair of virtual interfaces. Needs root. Names and addresses are this process's own."""

    def __init__(self):
        number = os.getpid() % 0x4000
        prefix = f"198.18.{number >> 6}"
        self.here = f"{prefix}.{number % 64 * 4 + 1}"
        self.there = f"{prefix}.{number % 64 * 4 + 2}"
        self.name = f"intake{os.getpid()}"
        self.enter = ["nsenter", f"--net=/run/netns/{self.name}"]

    def up(self):
        run("ip", "netns", "add", self.name)
        run("ip", "link", "add", self.name, "type", "veth", "peer", "name", "far", "netns", self.name)
        run("ip", "address", "add", f"{self.here}/30", "dev", self.name)
        run("ip", "link", "set", self.name, "up")
        run(*self.enter, "ip", "address", "add", f"{self.there}/30", "dev", "far")
        run(*self.enter, "ip", "link", "set", "far", "up")

    def down(self):
        """The interfaces go with the namespace once no process is left in it."""
        subprocess.run(["ip", "link", "delete", self.name], capture_output=True, check=False)
        subprocess.run(["ip", "netns", "delete", self.name], capture_output=True, check=False)

    @contextmanager
    def cut(self, how):
        """Nothing gets through until the block is left."""
        entering, leaving = CUTS[how]
        rules = f"""
            table ip cut {{
                chain entering {{ type filter hook input priority 0; iif far ip protocol tcp {entering}; }}
                chain leaving {{ type filter hook output priority 0; oif far ip protocol tcp {leaving}; }}
            }}
        """
        run(*self.enter, "nft", "-f", "-", text=rules)
        try:
            yield
        finally:
            run(*self.enter, "nft", "delete", "table", "ip", "cut")
