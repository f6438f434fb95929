# SPDX-License-Identifier: Apache-2.0
"""Some three hundred reports of the last months for intake-analysis(7): the same at each run but for
the times, which lie before the moment given. Everybody in them is made up."""

import hashlib
import random
from datetime import timedelta

from cookbook_rows import CATEGORIES, LABELS, TAXONOMY, iso

ORGANISATIONS = {
    "nordhaven": "cert.nordhaven.example.org",
    "southisle": "cert.southisle.example.org",
    "alpen": "cert.alpen.example.org",
    "rivage": "cert.rivage.example.org",
    "eastport": "fraud.eastport.example.org",
    "helpline": "helpline.example.org",
    "polder": "cert.polder.example.org",
    "harbour": "cert.harbour.example.org",
}
COUNTRIES = {
    "nordhaven": "XA", "southisle": "XB", "alpen": "XD", "rivage": "XE", "eastport": "XF",
    "polder": "XG", "harbour": "XH",
}  # fmt: skip
# Hours from detection to receipt, of which half of the reports take less.
DELAYS = {
    "nordhaven": 3, "southisle": 2, "alpen": 6, "rivage": 9, "eastport": 30, "helpline": 200,
    "polder": 70, "harbour": 1,
}  # fmt: skip
SENDERS = {
    "en": ("nordhaven", "southisle", "eastport", "polder"), "de": ("alpen",), "fr": ("rivage",),
}  # fmt: skip
PAPER_LANTERN = {
    "actor": {"kind": "criminal", "name": "Paper Lantern", "confidence": 70},
    "malware": ["lantern-locker"],
    "techniques": ["T1133", "T1078", "T1486", "T1567.002"],
    "vulnerabilities": ["CVE-2099-10001"],
}
ENCRYPTOR = hashlib.sha256(b"encryptor").hexdigest()
SPYWARE = hashlib.sha256(b"spyware").hexdigest()

# What comes again and again: how often, category, severity, least label, sectors, other members of
# the report, and title and narrative by language.
USUAL = (
    (60, "phishing", 1, 1, ["banking"], {"techniques": ["T1566.002", "T1583.001"]}, {
        "en": ("Bank customers sent to a copied log-in page",
            "Text messages about a locked account led to a copy of the bank's log-in page."
            " {n} people typed in their codes."),
        "de": ("Gefälschte Anmeldeseite einer Bank",
            "Kurznachrichten über ein gesperrtes Konto führten auf eine gefälschte Anmeldeseite."
            " {n} Kunden gaben ihre Zugangsdaten ein."),
        "fr": ("Fausse page de connexion d'une banque",
            "Des SMS parlant d'un compte bloqué menaient à une copie de la page de connexion."
            " {n} clients y ont saisi leurs codes."),
    }),
    (40, "business-email-compromise", 2, 1, ["commerce", "manufacturing"],
        {"techniques": ["T1566.001", "T1114"]}, {
        "en": ("Supplier payment diverted",
            "An invoice was altered on its way and paid to a false account. The mailbox of the"
            " supplier had been read for weeks."),
        "de": ("Rechnung umgeleitet",
            "Eine Rechnung wurde unterwegs verändert und auf ein fremdes Konto bezahlt."),
        "fr": ("Paiement d'une facture détourné",
            "Une facture a été modifiée et réglée sur un faux compte."),
    }),
    (34, "intrusion-attempt", 1, 0, ["ict-services", "public-administration"],
        {"techniques": ["T1110"]}, {
        "en": ("Log-ins guessed at remote-access gateways",
            "Passwords were tried at {n} gateways from one network."),
        "de": ("Angriffe auf Fernzugänge", "An {n} Fernzugängen wurden Passwörter durchprobiert."),
    }),
    (26, "infected-system", 1, 1, ["education", "health"],
        {"malware": ["grey-heron"], "techniques": ["T1071.001", "T1105"]}, {
        "en": ("Office computers call a known command server",
            "{n} computers called the same server every ten minutes."),
        "fr": ("Postes infectés",
            "{n} postes de travail contactaient le même serveur de commande."),
    }),
    (24, "online-scam", 1, 0, ["household"], {}, {
        "en": ("Web shop that never delivers", "{n} people paid a shop that does not exist."),
        "de": ("Falscher Internethändler",
            "{n} Personen bezahlten bei einem Händler, den es nicht gibt."),
    }),
    (16, "denial-of-service", 2, 0, ["public-administration"],
        {"actor": {"kind": "hacktivist", "name": "Loud Gull"}, "techniques": ["T1498"]}, {
        "en": ("City services not reached for an hour",
            "A flood of requests kept the city's pages down for an hour; a group claimed it."),
        "fr": ("Services municipaux inaccessibles",
            "Une vague de requêtes a rendu le site de la ville inaccessible."),
    }),
    (14, "vulnerable-system", 1, 0, ["health", "energy"],
        {"vulnerabilities": ["CVE-2099-10001"]}, {
        "en": ("Gateways without the vendor's fix",
            "{n} remote-access gateways answer without the fix."),
    }),
    (8, "data-theft", 3, 2, ["manufacturing"],
        {"techniques": ["T1567.002", "T1078"], "vulnerabilities": ["CVE-2099-20417"]}, {
        "en": ("Design files copied from a maker of pumps",
            "Files of two projects left the network by night."),
    }),
    (16, "investment-fraud", 2, 1, ["household", "financial"], {}, {
        "en": ("Savers lured to a false trading platform",
            "{n} savers paid in and saw invented gains; a so-called adviser called daily."),
        "de": ("Anleger auf falscher Handelsplattform",
            "{n} Anleger zahlten ein und sahen erfundene Gewinne. Ein angeblicher Berater rief"
            " täglich an."),
    }),
    (6, "uncategorised", 0, 1, ["other"], {}, {
        "en": ("Unusual traffic by night", "Much traffic to one address; nobody could say why."),
    }),
)  # fmt: skip

# One group, over the same servers: who reports it, days ago, where, sector.
RANSOMS = (
    ("nordhaven", 95, "a regional hospital", "health"),
    ("alpen", 88, "einem Stadtwerk", "energy"),
    ("southisle", 71, "a ferry line", "transport"),
    ("nordhaven", 52, "a school district", "education"),
    ("rivage", 33, "une mairie", "public-administration"),
    ("alpen", 16, "einem Klinikum", "health"),
    ("nordhaven", 12, "a water company", "drinking-water"),
    ("southisle", 5, "a port authority", "transport"),
)
RANSOM_TEXTS = {
    "alpen": ("de", "Erpressungssoftware bei {place}",
        "Server wurden verschlüsselt. Die Erpresser fordern Lösegeld in Kryptowährung und drohen"
        " mit der Veröffentlichung der Daten."),
    "rivage": ("fr", "Rançongiciel dans {place}",
        "Les serveurs ont été chiffrés et une rançon est exigée en cryptomonnaie."),
    "": ("en", "Ransomware stops {place}",
        "Servers were encrypted through a remote-access gateway that lacked a vendor fix. The note"
        " demands payment in cryptocurrency and threatens to publish files."),
}  # fmt: skip


def indicator(kind, value, role="source", **members):
    return {"type": kind, "value": value, "role": role, **members}


class Reports:
    """made: (when it was received, partner, report) in that order."""

    def __init__(self, now):
        self.random = random.Random(7)
        self.now = now.replace(microsecond=0)
        self.today = self.now.replace(hour=0, minute=0, second=0)
        self.made = []
        self.make_usual()
        self.make_ransoms()
        self.make_spyware()
        self.make_repeated_fraud()
        self.make_cables()
        self.make_tests()
        self.make_todays()
        self.made.sort(key=lambda each: each[0])

    def ago(self, **time):
        return self.now - timedelta(**time)

    def minutes_ago(self, minutes):
        """Of today."""
        return max(self.today, self.ago(minutes=minutes))

    def add(self, partner, received_at, category, severity, tlp, title, narrative, **members):
        """members: of the report; delay: hours since it was detected."""
        delay = members.pop("delay", DELAYS[partner] * self.random.lognormvariate(0, 0.6))
        document = {
            "schema": "intaked-report/1",
            "taxonomy": {
                "id": TAXONOMY["id"],
                "version": "1.0.0" if received_at > self.ago(days=60) else "0.9.0",
            },
            "report_id": f"{partner[:2].upper()}-{len(self.made) + 1:04}",
            "reporter": {"org": ORGANISATIONS[partner]},
            "tlp": LABELS[max(tlp, LABELS.index(CATEGORIES[category]["min_tlp"]))],
            "category": category,
            "action_areas": CATEGORIES[category]["action_areas"][:2],
            "title": title,
            "narrative": narrative,
            "severity": {"level": severity},
            "confidence": self.random.randrange(50, 100, 5),
            **members,
            "times": {
                "detected": iso(received_at - timedelta(seconds=round(delay * 3600))),
                **members.get("times", {}),
            },
        }
        self.made.append((received_at.replace(microsecond=0), partner, document))
        return document

    def make_usual(self):
        for _ in range(270):
            (kind,) = self.random.choices(USUAL, [each[0] for each in USUAL])
            _, category, severity, tlp, sectors, others, texts = kind
            language = self.random.choice(list(texts))
            partner = self.random.choice(SENDERS[language])
            # More lately than long ago; one partner has said nothing for a while.
            days = 150 * self.random.random() ** 1.5 + 0.3
            received_at = self.ago(days=max(days, 40) if partner == "polder" else days)
            title, narrative = texts[language]
            number = self.random.randrange(2, 90)
            self.add(
                partner, received_at, category, severity + self.random.choice((0, 0, 0, 1, 2)),
                max(tlp, self.random.choice((0, 1, 1, 2))), title, narrative.format(n=number),
                language=language,
                status=self.random.choice(("new", "ongoing", "contained", "resolved")),
                impact=self.impact(category, partner, sectors, number),
                indicators=self.usual_indicators(category, language),
                victims=[{
                    "kind": "individual" if "household" in sectors else "organisation",
                    "sector": self.random.choice(sectors), "country": COUNTRIES[partner],
                    "count": number,
                }],
                **self.sometimes(received_at, category), **others,
            )  # fmt: skip

    def impact(self, category, partner, sectors, number):
        impact = {
            "sectors": sectors[:1], "countries": [COUNTRIES[partner]], "people_affected": number,
        }  # fmt: skip
        if category in ("business-email-compromise", "investment-fraud", "online-scam"):
            impact["loss"] = {
                "amount": f"{self.random.lognormvariate(9.5, 1.2):.2f}",
                "currency": {"eastport": "USD", "southisle": "GBP"}.get(partner, "EUR"),
            }
        return impact

    def sometimes(self, received_at, category):
        """What few reports have."""
        found = {}
        if self.random.random() < 0.3:
            found["legal"] = self.legal()
        if self.random.random() < 0.08:
            kinds = ("takedown", "forensics", "legal", "malware-analysis")
            found["assistance"] = {
                "requested": True,
                "types": self.random.sample(kinds, 2),
                "urgency": self.random.choice(("routine", "urgent", "emergency")),
            }
        if self.random.random() < 0.3:
            contained = received_at + timedelta(hours=self.random.randrange(1, 90))
            found["times"] = {"contained": iso(min(contained, self.now))}
        if self.random.random() < 0.15:
            kind = self.random.choice(("ticket", "misp-event", "advisory"))
            found["references"] = [{"kind": kind, "value": f"{len(self.made) + 88000}"}]
        if category == "infected-system" and self.random.random() < 0.4:
            found["attachments"] = [{
                "name": "traffic.pcap", "media_type": "application/vnd.tcpdump.pcap",
                "size": self.random.randrange(10000, 900000),
                "sha256": hashlib.sha256(b"%d" % len(self.made)).hexdigest(),
            }]  # fmt: skip
        return found

    def legal(self):
        notified = self.random.choice(("yes", "yes", "no", "unknown"))
        if notified != "yes":
            return {"law_enforcement_notified": notified}
        return {
            "law_enforcement_notified": notified,
            "agency": "Nordhaven Police",
            "case_reference": f"NP-26-{len(self.made) + 1:04}",
        }

    def usual_indicators(self, category, language):
        number = int(self.random.paretovariate(0.7)) % 60
        host = f"www{number}.account-check.example.net"
        return {
            "phishing": [
                indicator("domain", host, "infrastructure"),
                indicator("url", f"https://{host}/{language}/login", "infrastructure"),
                indicator("ipv4", f"203.0.113.{10 + number}", "infrastructure"),
            ],
            "business-email-compromise": [
                indicator("email", f"billing{number}@pay.example.net"),
                indicator("account", f"XF00EAST{1000 + number}", "target"),
            ],
            "intrusion-attempt": [
                indicator("ipv4", f"192.0.2.{100 + number}", confidence=80),
                indicator("cidr", "192.0.2.96/27"),
            ],
            "infected-system": [
                indicator("ipv4", "198.51.100.77", "infrastructure", port=8080, protocol="tcp"),
                indicator("ipv6", f"2001:db8:77::{number:x}", "target"),
            ],
            "online-scam": [indicator("domain", f"shop{number}.example.com", "infrastructure")],
            "denial-of-service": [indicator("ipv4", f"192.0.2.{1 + number}")],
            "investment-fraud": [
                indicator("domain", f"trade{number % 5}.gain.example.com", "infrastructure"),
                indicator("phone", f"+99955501{number:02}"),
            ],
        }.get(category, [])

    def make_ransoms(self):
        for number, (partner, days, place, sector) in enumerate(RANSOMS):
            language, title, narrative = RANSOM_TEXTS.get(partner, RANSOM_TEXTS[""])
            self.add(
                partner, self.ago(days=days, hours=number), "ransomware", 3 + number % 2, 2,
                title.format(place=place), narrative, language=language,
                status="contained" if days > 30 else "ongoing",
                additional_categories=["critical-infrastructure-disruption"],
                impact={
                    "sectors": [sector], "countries": [COUNTRIES[partner]],
                    "people_affected": 900 * (number + 1),
                    "loss": {"amount": f"{150000 * (number + 1)}.00", "currency": "EUR"},
                },
                victims=[{
                    "kind": "organisation", "name": place, "sector": sector,
                    "country": COUNTRIES[partner],
                }],
                indicators=[
                    indicator(
                        "ipv4", f"198.51.100.{23 + number % 2}", "infrastructure", port=8443,
                        confidence=90,
                    ),
                    indicator(
                        "domain", f"sync{number % 3}.paper-lantern.example.org", "infrastructure"
                    ),
                    indicator("sha256", ENCRYPTOR, "artifact", confidence=100),
                    indicator(
                        "crypto-address", f"bc1q-fictional-{number // 3}", "infrastructure",
                        tlp="TLP:AMBER+STRICT",
                    ),
                ],
                legal={
                    "law_enforcement_notified": "yes", "agency": "Joint Cybercrime Centre",
                    "case_reference": f"JCC-26-{number + 31}",
                },
                assistance={"requested": True, "types": ["forensics"], "urgency": "urgent"},
                **PAPER_LANTERN,
            )  # fmt: skip

    def make_spyware(self):
        for number in range(6):
            self.add(
                "helpline", self.ago(days=11 * number + 2), "transnational-repression", 3, 3,
                "Phone of an exiled reporter targeted with purchased spyware",
                "Messages that named family members carried a link to spyware. Identity and"
                " location are known to the helpline only and must not be sought.",
                additional_categories=["commercial-spyware"], status="ongoing",
                sharing={
                    "law_enforcement": ("no", "ask-first")[number % 2],
                    "embargo_until": iso(self.ago(days=-20 - number)),
                },
                victims=[{"kind": "individual", "sector": "media", "protected": True, "count": 1}],
                indicators=[
                    indicator("domain", f"family-news{number % 2}.example.org", "infrastructure"),
                    indicator("sha256", SPYWARE, "artifact"),
                ],
                actor={"kind": "state-linked", "country": "XC", "confidence": 40},
                techniques=["T1566.002"],
            )  # fmt: skip

    def make_repeated_fraud(self):
        """One fraud, told by a bank and by the teams of two countries."""
        first = None
        for partner, days, title in (
            ("eastport", 9, "Payments of a shipping firm diverted"),
            ("nordhaven", 8, "Shipping firm pays a false account"),
            ("southisle", 7, "Diverted payments of a shipping firm"),
        ):
            named = {
                "org": ORGANISATIONS["eastport"], "report_id": first, "relation": "duplicates",
            }  # fmt: skip
            document = self.add(
                partner, self.ago(days=days), "business-email-compromise", 2, 1, title,
                "Three invoices of one shipping firm were altered.", status="ongoing",
                indicators=[
                    indicator("email", "accounts@harbour-lines.example.net"),
                    indicator("account", "XF00EAST9917", "target"),
                    indicator("ipv4", "203.0.113.201"),
                ],
                related_reports=[named] if first else [],
            )  # fmt: skip
            first = first or document["report_id"]

    def make_cables(self):
        for days in (44, 23):
            self.add(
                "southisle", self.ago(days=days), "cable-damage", 4, 0,
                "Undersea cable fault cuts most capacity of South Isle",
                "The eastern cable lost light. A ship had slowed over the fault shortly before.",
                status="resolved", delay=1.0,
                impact={
                    "sectors": ["digital-infrastructure"], "countries": ["XB"],
                    "people_affected": 210000,
                },
                times={"contained": iso(self.ago(days=days - 9))},
            )  # fmt: skip

    def make_tests(self):
        self.add(
            "southisle", self.ago(days=20), "cable-damage", 5, 1, "Drill: both cables lost",
            "Exercise. Nothing has happened.", exercise=True,
        )  # fmt: skip
        for number in range(5):
            self.add(
                "harbour", self.ago(days=number + 1), "phishing", 1, 1,
                "First steps of a new partner", "Sent to try the exchange.",
            )  # fmt: skip

    def make_todays(self):
        self.add(
            "nordhaven", self.minutes_ago(25), "ransomware", 4, 2,
            "Ransomware stops a food wholesaler",
            "Deliveries stopped this morning. The note demands payment and names Paper Lantern.",
            status="new", delay=0.2, additional_categories=["critical-infrastructure-disruption"],
            impact={"sectors": ["food"], "countries": ["XA"], "people_affected": 40000},
            indicators=[
                indicator(
                    "ipv4", "198.51.100.24", "infrastructure", port=8443,
                    first_seen=iso(self.minutes_ago(90)),
                ),
                indicator(
                    "domain", "sync3.paper-lantern.example.org", "infrastructure",
                    first_seen=iso(self.minutes_ago(80)),
                ),
                indicator("sha256", ENCRYPTOR, "artifact"),
            ],
            assistance={
                "requested": True, "types": ["incident-response", "forensics"],
                "urgency": "emergency",
            },
            **PAPER_LANTERN,
        )  # fmt: skip
        for number in range(4):
            language, title, narrative = (
                ("de", "Gefälschte Anmeldeseite eines Steueramts", "Seit heute früh."),
                ("fr", "Fausse page de connexion des impôts", "Depuis ce matin."),
            )[number % 2]
            self.add(
                SENDERS[language][0], self.minutes_ago(20 - number), "phishing", 2, 1, title,
                narrative, language=language, delay=0.5,
                indicators=[
                    indicator(
                        "domain", f"tax{number}.refund.example.net", "infrastructure",
                        first_seen=iso(self.minutes_ago(60 - number)),
                    ),
                    indicator("ipv4", "203.0.113.240", "infrastructure"),
                ],
            )  # fmt: skip
