# SPDX-License-Identifier: Apache-2.0
"""Somebody who follows only the README reaches a running service, and keeps it running.

The tests are the steps of its chapter "Install and run as a service", in its order.
"""

from partner import FOLDER, readiness, send, send_script, stored

from harness import wait_until


def test_an_installed_service_waits_until_it_is_configured(machine, guide):
    guide.follow("Install them")
    assert machine.output("systemctl is-enabled intaked") == "enabled"
    machine.run("systemctl start intaked")
    assert machine.property("ActiveState") == "inactive"
    assert machine.output("systemctl is-system-running") == "running"


def test_units_are_verified(machine):
    done = machine.run("systemd-analyze verify --man=no intaked.service intaked.socket intaked-retention.timer")
    assert done.stdout + done.stderr == ""


def test_the_service_is_ready_after_its_check(machine, guide):
    guide.follow("The authority and the server's certificate")
    guide.follow("Configure, check, start")
    assert machine.property("ActiveState") == "active"
    assert readiness(machine) == "200"


def test_the_first_partner_reports(machine, guide):
    guide.follow("The first partner")
    assert send(machine, "README-1") == "201"


def test_an_analyst_sees_the_report(guide):
    assert "NH-2026-000417" in guide.follow("An analyst")


def test_the_retention_runs_once_it_is_wanted(machine, guide):
    assert machine.output("systemctl is-enabled intaked-retention.timer || true") == "disabled"
    guide.follow("How long reports are kept")
    assert machine.output("systemctl is-active intaked-retention.timer") == "active"
    machine.run("systemctl start intaked-retention.service")
    said = machine.output("journalctl --unit intaked-retention.service --output cat")
    assert "0 reports were erased" in said


def test_the_firewall_lets_partners_through(machine, guide):
    guide.follow("Firewall")
    assert send(machine, "README-2") == "201"
    # Within 127.0.0.0/8 all are partners; this shows that the rules are looked at.
    machine.run("nft delete element inet intaked partners4 '{ 127.0.0.0/8 }'")
    machine.run("nft replace rule inet intaked input handle"
                " $(nft -a list chain inet intaked input | sed -n 's/.*limit rate.*handle //p') drop")  # fmt: skip
    assert send(machine, "README-3") == "000"
    machine.run("nft -f /etc/nftables.d/intaked.nft")
    assert send(machine, "README-3") == "201"


def test_a_backup_is_restored(machine, guide):
    guide.follow("Back up and restore")
    assert readiness(machine) == "200"
    assert stored(machine, "README-1") == 1
    assert send(machine, "README-1") == "200"
    assert send(machine, "README-4") == "201"


def serial(machine):
    """Of the certificate that the server shows."""
    return machine.output(
        "openssl s_client -connect intake.example.org:8443 </dev/null 2>/dev/null |"
        " openssl x509 -noout -serial",
        is_checked=False,
    )


def test_a_renewed_certificate_is_shown_after_a_reload(machine, guide):
    before = serial(machine)
    pid = machine.property("MainPID")
    guide.follow("Renew the server's certificate")
    assert before and serial(machine) not in ("", before)
    assert machine.property("MainPID") == pid


def test_a_revocation_list_is_put_in_force(machine, guide):
    guide.follow("Revoke")
    wait_until(lambda: send(machine, "README-5") in ("200", "201"), "the partner is resumed")
    machine.run(
        "cd /root/authority\n"
        "openssl ca -config ca.cnf -cert ca.crt -keyfile ca.key -revoke /root/nordhaven/nordhaven.crt\n"
        "openssl ca -config ca.cnf -cert ca.crt -keyfile ca.key -gencrl -out revoked.crl\n"
        "install -m 0644 revoked.crl /etc/intaked/partner-ca.crl\n"
        "systemctl reload intaked"
    )
    assert send(machine, "README-6") == "000"
    machine.run("install -m 0644 /root/authority/ca.crl /etc/intaked/partner-ca.crl")
    machine.run("systemctl reload intaked")
    assert send(machine, "README-6") == "201"


def test_another_authority_takes_over(machine, guide):
    machine.run("cp -a /root/nordhaven /root/left-behind")
    guide.follow("Change the authority")
    assert "Second authority" in machine.output(
        "openssl s_client -connect intake.example.org:8443 </dev/null 2>/dev/null | openssl x509 -noout -issuer",
        is_checked=False,
    )
    assert send(machine, "README-20") == "201"
    # Who has not changed is let in no more, although its key is enrolled.
    machine.run("cp /root/nordhaven/server-ca.crt /root/left-behind")
    script = send_script("README-20.json").replace(FOLDER, "/root/left-behind", 1)
    machine.run("cp /root/nordhaven/README-20.json /root/left-behind")
    assert machine.output(script, is_checked=False) == "000"


def test_an_upgrade_goes_as_described(machine, guide):
    guide.follow("Upgrade")
    assert readiness(machine) == "200"
    assert send(machine, "README-7") == "201"


def test_the_database_is_reached_over_verified_tls(machine, guide):
    guide.follow("PostgreSQL on another machine")
    wait_until(lambda: readiness(machine) == "200", "the database is there")
    assert send(machine, "README-10") == "201"
    sessions = machine.output(
        "runuser -u postgres -- psql --tuples-only --no-align --command"
        " \"SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
        " WHERE usename = 'intaked'\""
    )
    assert sessions == "t"


def test_port_443_is_served_by_an_unprivileged_daemon(machine, guide):
    guide.follow("Port 443, restarts that nobody notices")
    assert send(machine, "README-8", port=443) == "201"
    assert "dport != 443 accept" in machine.output("nft list ruleset")
    # What partners are told is where it is.
    said = machine.output(
        "mkdir elsewhere; cd elsewhere\n"
        "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout x.key -out x.csr -subj /CN=x\n"
        "intakectl partner enrol nordhaven --csr x.csr --ca /root/authority-2/ca.crt --ca-key /root/authority-2/ca.key"
    )
    assert "  https://intake.example.org  the address" in said
    pid = machine.property("MainPID")
    assert machine.output(f"grep CapEff /proc/{pid}/status").endswith("\t" + "0" * 16)


def test_the_key_is_a_credential(machine, guide):
    guide.follow("A key that only root can read")
    assert machine.output("stat --format %U:%a /etc/intaked/server.key") == "root:400"
    assert send(machine, "README-9", port=443) == "201"


def test_everything_is_there_again_after_a_reboot(machine):
    machine.reboot()
    wait_until(lambda: readiness(machine) == "200", "the service is ready")
    assert send(machine, "README-11", port=443) == "201"
    assert stored(machine, "README-1") == 1


def test_what_is_uninstalled_leaves_nothing_but_what_is_named(machine, guide):
    before = machine.output("ls /etc/intaked")
    purge, rest = guide.sections["Uninstall"].split("\n", 1)
    machine.run(purge)
    of_package = {"intaked.conf", "taxonomy.json"}
    assert set(machine.output("ls /etc/intaked").split()) == set(before.split()) - of_package
    assert machine.output("systemctl is-system-running") == "running"
    assert send(machine, "README-12", port=443) == "000"
    machine.run(rest)
    elsewhere = "".join(
        f" -not -path '{path}/*'" for path in ("/root", "/var/log", "/var/backups", "/var/lib/systemd/timers")
    )
    assert machine.output(f"find / -xdev -name '*intaked*'{elsewhere}") == ""
