# SPDX-License-Identifier: Apache-2.0
"""A browser that shows the page of the admin listener; page_check.js is its other half."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from harness import BUILD, PATIENCE, die_with_parent

SCRIPT = Path(__file__).resolve().parent / "page_check.js"
MODULES = BUILD / "npm" / "node_modules"


class Browser:
    """One page at a time."""

    def __init__(self):
        if not (MODULES / "playwright-core").exists() or not (MODULES / "axe-core").exists():
            pytest.skip(f"no playwright-core or axe-core in {MODULES}: is the registry reached?")
        node, chromium = shutil.which("node"), shutil.which("chromium")
        assert node and chromium, "node and chromium are needed: tests/run installs them"
        self.process = subprocess.Popen(
            [node, SCRIPT, MODULES, chromium],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_parent,
        )

    def ask(self, action, **arguments):
        self.process.stdin.write(json.dumps({"action": action, **arguments}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert "error" not in answer, f"{action}: {answer}"
        return answer["value"]

    def open(self, url, *, width=1280, height=900, scheme="light", motion="no-preference"):
        self.ask("open", url=url, width=width, height=height, scheme=scheme, motion=motion)

    def evaluate(self, script):
        """The value of an expression in the page."""
        return self.ask("evaluate", script=script)

    def wait(self, script, timeout=15):
        """Until an expression in the page is true."""
        is_so = self.ask("wait", script=script, ms=int(timeout * PATIENCE * 1000))
        assert is_so, f"not within {timeout} s: {script}\n{self.evaluate('document.body.innerText')}"

    def text(self, selector):
        return self.evaluate(f"document.querySelector({json.dumps(selector)})?.innerText ?? null")

    def close(self):
        self.process.stdin.close()
        self.process.stdout.read()
        self.process.stdout.close()
        self.process.wait(timeout=30)
