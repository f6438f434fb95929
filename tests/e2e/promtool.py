# SPDX-License-Identifier: Apache-2.0
"""promtool, which knows what Prometheus takes."""

import shutil
import subprocess

from harness import BUILD


def promtool(*arguments, text=None):
    """Runs it; fails with what it says unless it has nothing to say."""
    program = shutil.which("promtool", path=BUILD / "prometheus") or shutil.which("promtool")
    assert program, f"no promtool in {BUILD}/prometheus or on the path: tests/run puts it there"
    done = subprocess.run(
        [program, *map(str, arguments)],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout + done.stderr
