# SPDX-License-Identifier: Apache-2.0
"""What the README's partner sends, from within the machine."""

import json

from harness import ROOT

EXAMPLE = ROOT / "tests/data/examples/ransomware-hospital.json"
FOLDER = "/root/nordhaven"
# -w: the status alone, and 000 where there was none.
CURL = (
    "curl --silent --show-error --max-time 30 --cacert server-ca.crt --cert nordhaven.crt --key nordhaven.key"
    " --output answer.json --write-out '%{http_code}' --header 'Content-Type: application/json'"
)


def write_report(machine, report_id, **members):
    """A report of its own under this id; the name of its file."""
    report = json.loads(EXAMPLE.read_text())
    report["report_id"] = report_id
    report.update(members)
    name = f"{report_id}.json"
    machine.path(f"{FOLDER}/{name}").write_text(json.dumps(report))
    return name


def send_script(name, port=8443, options=""):
    return (
        f"cd {FOLDER}; {CURL} {options} --data-binary @{name}"
        f" https://intake.example.org:{port}/v1/reports"
    )


def send(machine, report_id, port=8443):
    """The status of the answer."""
    name = write_report(machine, report_id)
    return machine.output(send_script(name, port), is_checked=False)


def stored(machine, report_id):
    """How many rows there are of it."""
    return int(
        machine.output(
            "runuser -u postgres -- psql intaked --tuples-only --no-align --command"
            f" \"SELECT count(*) FROM intake.report WHERE report_id = '{report_id}'\""
        )
    )


def readiness(machine):
    """Status of /readyz."""
    return machine.output(
        "curl --silent --output /dev/null --write-out '%{http_code}' http://127.0.0.1:8444/readyz",
        is_checked=False,
    )
