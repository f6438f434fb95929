#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""clang-tidy over every source, one process a file, as many at a time as there are cores.

usage: run_tidy.py CLANG-TIDY BUILD-FOLDER SOURCE...
"""

import concurrent.futures
import os
import subprocess
import sys


def main() -> int:
    clang_tidy, build, *sources = sys.argv[1:]

    def check(source):
        return subprocess.run([clang_tidy, "--quiet", "-p", build, source],
                              capture_output=True, text=True, check=False)

    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for source, result in zip(sources, pool.map(check, sources)):
            if result.returncode != 0 or "warning:" in result.stdout:
                failed += 1
                print(result.stdout, result.stderr, sep="\n")
    print(f"{len(sources)} sources, {failed} with findings")
    return 1 if failed or not sources else 0


if __name__ == "__main__":
    sys.exit(main())
