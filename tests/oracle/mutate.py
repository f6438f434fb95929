# SPDX-License-Identifier: Apache-2.0
"""Seeded mutations of reports: some still valid, most wrong in one to six places."""

import copy
import json

from oracle import CATEGORIES, SCHEMA


class Raw(str):
    """Text that goes into the JSON as it is."""


class Pairs(list):
    """An object as pairs, for repeated names."""


def dump(value):
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, Pairs):
        return "{" + ",".join(dump(name) + ":" + dump(inner) for name, inner in value) + "}"
    if isinstance(value, dict):
        return "{" + ",".join(dump(name) + ":" + dump(inner) for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(dump, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


NUMBERS = [Raw(token) for token in (
    "0", "-0", "1", "3", "5", "6", "100", "101", "-1", "1.0", "3e0", "3E0", "-0.0", "1e2", "1e300",
    "1e301", "1e-300", "1e-301", "1e400", "-1e400", "1e0000000300", "10e300", "1e41", "-1e41",
    "10e40", "99999999999e300", "9007199254740991", "9007199254740992", "-9007199254740991",
    "-9007199254740992", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
    "-9223372036854775809", "99999999999999999999", "1" * 40, "1" * 400, "0." + "1" * 38,
    "0." + "1" * 39, "-0." + "1" * 37, "-0." + "1" * 38, "1e-9999999999999999999", "1000000",
    "1000001", "10000000000", "10000000001", "1e41.5", "01", "1.", ".5", "+1", "1e", "--1", "0x1",
    "NaN", "Infinity", "1_000")]
ODD_TEXTS = [
    "", "a", " ", "x" * 200, "x" * 201, "é" * 200, "é" * 201, "😀" * 200, "😀" * 201, "\t", "a\nb",
    "a\r\nb", "a\rb", "a\r", "\r\n", "\x7f", "\x80", "\x9f", "\xa0", "\u202d", "a\u202eb", "\u202a",
    "\ufdd0", "\ufdef", "\ufdf0", "\ufffe", "\uffff", "\ufffd", "\U0001fffe", "\U0010ffff",
    "\U0010fffd", "\ufeff", "e\u0301", Raw('"\\u0000"'), Raw('"\\u0001"'), Raw('"\\u001f"'),
    Raw('"\\u007f"'), Raw('"\\ud800"'), Raw('"\\udc00"'), Raw('"\\ud83d\\ude00"'),
    Raw('"\\ud83d\\u0041"'), Raw('"\\uD83D"'), Raw('"\\u202e"'), Raw('"\\/"'), Raw('"\\x41"'),
    Raw('"\\u00"'), Raw('"a\nb"'), Raw('"a\\nb"'), Raw('"a\\r\\nb"'), Raw('"a\\tb"'), Raw("'a'")]
TIMES = [
    "2026-11-09T03:42:17Z", "2026-11-09t03:42:17Z", "2026-11-09T03:42:17z", "2026-11-09T03:42:17",
    "2026-11-09 03:42:17Z", "2026-02-29T00:00:00Z", "2024-02-29T00:00:00Z", "2100-02-29T00:00:00Z",
    "2000-02-29T00:00:00Z", "2026-04-31T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-10T00:00:00Z",
    "1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00+14:59",
    "2199-12-31T23:59:59Z", "2199-12-31T23:59:59-14:59", "2200-01-01T00:00:00Z",
    "2026-11-09T24:00:00Z", "2026-11-09T23:59:60Z", "2026-11-09T03:42:17.1Z",
    "2026-11-09T03:42:17.123456Z", "2026-11-09T03:42:17.1234567Z", "2026-11-09T03:42:17.Z",
    "2026-11-09T03:42:17+15:00", "2026-11-09T03:42:17+14:59", "2026-11-09T03:42:17-00:00",
    "2026-11-09T03:42:17+01:60", "2026-11-09T03:42:17+0100", "2026-11-09T03:42:17Z ",
    "2026-11-20T12:05:00Z", "2026-11-20T12:05:00.000001Z", "2026-11-20T12:04:59.999999Z",
    "2026-11-20T13:05:00+01:00", "2026-11-20T13:05:01+01:00", "2001-01-01T00:00:00Z",
    "2026-11-06T22:10:00Z", "2026-11-06T22:09:59.999999Z", "0000-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z", "٢٠٢٦-11-09T03:42:17Z", "2026-11-09T03:42:17Z\n"]
INDICATORS = [
    ("ipv4", "8.8.8.8"), ("ipv4", "10.0.0.1"), ("ipv4", "256.1.1.1"), ("ipv4", "1.2.3"),
    ("ipv4", "01.2.3.4"), ("ipv4", "1.2.3.4 "), ("ipv4", "192[.]0.2.1"), ("ipv4", "::1"),
    ("ipv6", "2001:4860:4860::8888"), ("ipv6", "fe80::1%eth0"), ("ipv6", "::"), ("ipv6", "1::2::3"),
    ("ipv6", "::ffff:192.0.2.1"), ("ipv6", "::ffff:192.0.2[.]1"), ("ipv6", "12345::"),
    ("cidr", "10.0.0.0/8"), ("cidr", "10.0.0.1/8"), ("cidr", "10.0.0.0/08"), ("cidr", "0.0.0.0/0"),
    ("cidr", "1.2.3.4/32"), ("cidr", "1.2.3.4/33"), ("cidr", "2001:db8::/32"), ("cidr", "::/0"),
    ("cidr", "2001:db8::1/128"), ("cidr", "2001:db8::/129"), ("cidr", "8.8.8.0"), ("cidr", "8.8.8.0/"),
    ("cidr", "8[.]8.8.0/24"), ("cidr", "8.8.8.128/25"), ("cidr", "8.8.8.128/24"),
    ("cidr", "8.8.8.0/+24"), ("cidr", "8.8.8.0/24/24"),
    ("asn", "AS1"), ("asn", "AS0"), ("asn", "AS4294967295"), ("asn", "AS4294967296"),
    ("asn", "as1"), ("asn", "AS01"), ("asn", "AS"), ("asn", "AS1x"), ("asn", "AS99999999999999999999"),
    ("domain", "example.org"), ("domain", "Example.org"), ("domain", "example"),
    ("domain", "example.org."), ("domain", ".example.org"), ("domain", "a..b"),
    ("domain", "example[.]org"), ("domain", "_dmarc.example.org"), ("domain", "xn--bcher-kva.example"),
    ("domain", "bücher.example"), ("domain", ".".join(["a"] * 127)), ("domain", ".".join(["a"] * 128)),
    ("domain", ".".join(["a" * 62] * 4) + ".a"), ("domain", ".".join(["a" * 62] * 4) + ".ab"),
    ("url", "https://example.org/"), ("url", "hxxp://example.org/"), ("url", "hXXps://example.org/"),
    ("url", "https://example[.]org/a"), ("url", "https://example.org/a[.]b"), ("url", "example.org"),
    ("url", "https://example.org/a b"), ("url", "https://bücher.example/"), ("url", "x:"),
    ("url", "x:y"), ("url", "1x:y"), ("url", "http://a/" + "b" * 2039), ("url", "http://a/" + "b" * 2040),
    ("url", "https://[2001:db8::1]/"), ("url", "https://a?[.]"), ("url", "https://a[.]b?x"),
    ("url", "mailto:a[.]b"), ("url", "example[.]org/x"), ("url", "HTTPS://EXAMPLE.ORG"),
    ("email", "a@b.example"), ("email", "a@b@c"), ("email", "a"), ("email", "a@b[.]example"),
    ("email", "@b"), ("email", "a@"), ("email", "ä@b"), ("email", "a@b\nc"),
    ("md5", "d" * 32), ("md5", "D" * 32), ("md5", "d" * 31), ("md5", "g" * 32), ("ja3", "0" * 32),
    ("ja3", "0" * 33), ("sha1", "a" * 40), ("sha1", "a" * 41), ("sha256", "f" * 64),
    ("sha256", "F" * 64), ("sha512", "0" * 128), ("sha512", "0" * 127), ("x509-sha256", "1" * 64),
    ("x509-sha256", "1" * 63), ("file-name", "evil\u202etxt.exe"), ("mutex", "a\u202db"),
    ("registry-key", "HKLM\\x\u202e"), ("user-agent", "\u202e"), ("account", "a\u202e\x80"),
    ("other", "\u202e\ufffe"), ("phone", "+1\u202e"), ("crypto-address", "bc\u202d"),
    ("domain", "a\u202e.example"), ("file-name", "a\nb"), ("phone", "anything"), ("nonsense", "x\u202e"),
    ("Ipv4", "1.2.3.4"), ("other", "x" * 2048), ("other", "x" * 2049), ("other", "😀" * 2048)]
NAMES = ["", "x", "tpl", "TLP", "categories", "schema ", "note", "a/b", "m~n", "~", "/", "ab/" * 40,
         "ü" * 70, "\u202e", "\ufffe", "\x7f", "id", "received_at", Raw('"t\\u006cp"'),
         Raw('"\\u0000"'), Raw('"\\ud800"')]
EXTENSION_NAMES = ["x.example", "cert.example.org", "Example.org", "x", "a.b", "a.bc", "-a.example",
                   "a-.example", "a.example.", "a." + "b" * 63, "a." + "b" * 64,
                   ".".join(["a" * 61] * 4) + ".abcd", ".".join(["a" * 61] * 4) + ".abcde", "a.1b",
                   "ä.example", "a\nb.example", "a_b.example", "1.ab", ""]


def places(value, path=()):
    """Every place of a tree, the root first."""
    yield path
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from places(inner, path + (name,))
    elif type(value) is list:
        for i, inner in enumerate(value):
            yield from places(inner, path + (i,))


def get(value, path):
    for step in path:
        value = value[step]
    return value


def put(report, path, value):
    get(report, path[:-1])[path[-1]] = value


def schema_at(path):
    """The schema of a place, None where there is none."""
    schema = SCHEMA
    for step in path:
        schema = schema.get("items" if isinstance(step, int) else "properties")
        if schema is not None and not isinstance(step, int):
            schema = schema.get(step)
        if schema is None:
            return None
    return schema


class Mutator:
    def __init__(self, rng, full):
        self.rng = rng
        self.full = full  # a report with every field, to take members from
        self.changes = [
            (10, self.delete), (10, self.replace), (6, self.add_unknown), (10, self.add_known),
            (14, self.go_to_limit), (10, self.spoil_text), (12, self.swap_code), (8, self.set_time),
            (12, self.set_indicator), (5, self.repeat_element), (2, self.repeat_name),
            (8, self.extend), (8, self.set_number), (10, self.combine), (2, self.nest),
            (3, self.add_victim), (2, self.rename)]

    def pick(self, report, wanted):
        found = [path for path in places(report) if path and wanted(get(report, path), path)]
        return self.rng.choice(found) if found else None

    def any_value(self):
        choose = self.rng.choice
        return choose([
            lambda: None, lambda: True, lambda: False, lambda: choose(NUMBERS), lambda: {},
            lambda: [], lambda: choose(ODD_TEXTS), lambda: "x", lambda: [choose(NUMBERS)],
            lambda: {"a": choose(ODD_TEXTS)}, lambda: [[]], lambda: choose(TIMES)])()

    def delete(self, report):
        path = self.pick(report, lambda *_: True)
        if path:
            del get(report, path[:-1])[path[-1]]

    def replace(self, report):
        path = self.pick(report, lambda *_: True)
        if path:
            put(report, path, self.any_value())

    def objects(self, report):
        return [path for path in places(report) if type(get(report, path)) is dict]

    def add_unknown(self, report):
        path = self.rng.choice(self.objects(report))
        get(report, path)[self.rng.choice(NAMES)] = self.any_value()

    def add_known(self, report):
        name = self.rng.choice([name for name in self.full])
        report[name] = copy.deepcopy(self.full[name])

    def rename(self, report):
        path = self.pick(report, lambda _, path: isinstance(path[-1], str))
        if path:
            value = get(report, path[:-1]).pop(path[-1])
            get(report, path[:-1])[path[-1][:-1] + self.rng.choice("sxe_")] = value

    def go_to_limit(self, report):
        path = self.pick(report, lambda _, path: set(schema_at(path) or ()) & {
            "maxLength", "maximum", "maxItems"})
        if not path:
            return
        schema, step = schema_at(path), self.rng.choice([-1, 0, 0, 1])
        low = self.rng.random() < 0.4
        if "maximum" in schema:
            put(report, path, (schema["minimum"] if low else schema["maximum"]) + step)
        elif "maxLength" in schema:
            length = max(0, (schema["minLength"] if low else schema["maxLength"]) + step)
            unit = self.rng.choice(["a", "1", "a.", "ab.", "é", "😀", "A-"])
            put(report, path, (unit * length)[:length])
        else:
            length = max(0, (schema["minItems"] if low else schema["maxItems"]) + step)
            old = get(report, path)
            element = copy.deepcopy(old[0]) if old and type(old) is list else self.any_value()
            values = [element] * length
            if "enum" in schema["items"] and self.rng.random() < 0.7:
                values = (schema["items"]["enum"] * 20)[:length]
            elif isinstance(element, str) and self.rng.random() < 0.7:
                values = ["%c%c" % (65 + i // 26, 65 + i % 26) for i in range(length)]
            put(report, path, values)

    def spoil_text(self, report):
        path = self.pick(report, lambda value, _: type(value) is str)
        if path:
            text, odd = get(report, path), self.rng.choice(ODD_TEXTS)
            at = self.rng.randint(0, len(text))
            odd = odd if type(odd) is str else "\x01"
            put(report, path, text[:at] + odd + text[at:])

    def swap_code(self, report):
        path = self.pick(report, lambda _, path: "enum" in (schema_at(path) or ()))
        if path:
            code = self.rng.choice(schema_at(path)["enum"])
            if self.rng.random() < 0.15:
                code = self.rng.choice([code.upper(), code[:-1], code + "x", " " + code, "none"])
            put(report, path, code)

    def set_time(self, report):
        path = self.pick(report, lambda _, path: (schema_at(path) or {}).get("pattern", "")
                         .startswith("^[0-9]{4}-(0"))
        if self.rng.random() < 0.4 and isinstance(report.get("times"), dict):
            names = list(SCHEMA["properties"]["times"]["properties"])
            path = ("times", self.rng.choice(names))
        if path:
            put(report, path, self.rng.choice(TIMES))

    def set_indicator(self, report):
        if type(report.get("indicators")) is not list:
            report["indicators"] = []
        for _ in range(self.rng.randint(1, 3)):
            kind, value = self.rng.choice(INDICATORS)
            indicator = {"type": kind, "value": value, "role": "source"}
            if self.rng.random() < 0.3:
                indicator["tlp"] = self.rng.choice(SCHEMA["properties"]["tlp"]["enum"])
            if self.rng.random() < 0.2:
                indicator["first_seen"] = self.rng.choice(TIMES)
                indicator["last_seen"] = self.rng.choice(TIMES)
            report["indicators"].append(indicator)

    def repeat_element(self, report):
        path = self.pick(report, lambda value, _: type(value) is list and value)
        if path:
            values = get(report, path)
            element = copy.deepcopy(self.rng.choice(values))
            if type(element) is dict:
                element = dict(reversed(element.items()))
            values.append(element)

    def repeat_name(self, report):
        path = self.pick(report, lambda value, _: type(value) is dict and value)
        if path:
            pairs = Pairs(get(report, path).items())
            pairs.append(self.rng.choice(pairs))
            put(report, path, pairs)

    def extend(self, report):
        if type(report.get("extensions")) is not dict:
            report["extensions"] = {}
        for _ in range(self.rng.choice([1, 1, 1, 2, 11])):
            size = self.rng.choice([0, 0, 0, 0, 0, 0, 0, 16382, 16383])
            value = self.rng.choice([
                {"n": self.rng.choice(NUMBERS[:47])}, [self.rng.choice(NUMBERS[:47])],
                self.rng.choice(ODD_TEXTS), {self.rng.choice(NAMES): self.rng.choice(ODD_TEXTS)},
                {"note": self.rng.choice(ODD_TEXTS)}, {"": [None, True, {"x": "\n"}]}])
            if size:
                value = self.rng.choice(["y" * size, [0, Raw(" " * (size - 4) + "1")]])
            names = EXTENSION_NAMES + ["n%d.example" % i for i in range(12)]
            report["extensions"][self.rng.choice(names)] = value

    def set_number(self, report):
        path = self.pick(report, lambda value, _: type(value) in (int, float))
        if path:
            put(report, path, self.rng.choice(NUMBERS))

    def combine(self, report):
        """Categories, areas, labels, victims and attachments, mostly well-formed."""
        choose = self.rng.choice
        codes = list(CATEGORIES)
        report["category"] = choose(codes)
        main = CATEGORIES[report["category"]]
        areas = list(main["action_areas"])
        self.rng.shuffle(areas)
        if self.rng.random() < 0.5:
            report["additional_categories"] = self.rng.sample(codes, self.rng.randint(0, 4))
        if self.rng.random() < 0.3:
            areas = self.rng.sample(["AA1", "AA2", "AA3", "AA4"], self.rng.randint(1, 4))
        report["action_areas"] = areas
        report["tlp"] = choose(SCHEMA["properties"]["tlp"]["enum"])
        if self.rng.random() < 0.3:
            report["exercise"] = choose([True, False])
        if self.rng.random() < 0.3:
            report["attachments"] = choose([[], copy.deepcopy(self.full["attachments"])])
        if self.rng.random() < 0.3:
            report["rsit"] = self.rng.sample(SCHEMA["properties"]["rsit"]["items"]["enum"], 3)
        if self.rng.random() < 0.1:
            report["taxonomy"] = {"id": choose(["digital-solidarity-2024", "other"]),
                                  "version": choose(["1.9.12", "2.0.0", "0.1.0", "1.0", "01.0.0"])}

    def nest(self, report):
        depth = self.rng.choice([12, 13, 14, 15, 16])
        report["extensions"] = {"x.example": Raw("[" * depth + "]" * depth)}
        if self.rng.random() < 0.3:
            report["extensions"] = {"x.example": Raw("[" + "," * 0 + "1" + ",1" * 32800 + "]")}

    def add_victim(self, report):
        victims = report.setdefault("victims", [])
        if type(victims) is list:
            victims.append({"kind": self.rng.choice(["individual", "group", "organisation", "x"]),
                            "name": self.rng.choice(["A", "", "B\x80"])})

    def damage(self, body):
        rng = self.rng
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(body))
            change = rng.randrange(5)
            if change == 0:
                body = body[:at] + bytes([body[at] ^ (1 << rng.randrange(8))]) + body[at + 1:]
            elif change == 1:
                body = body[:at] + body[at + rng.randint(1, 4):]
            elif change == 2:
                piece = rng.choice([b"\xff", b"\0", b"\xc0\x80", b"\xed\xa0\x80", b"\xef\xbb\xbf",
                                    b"\xf4\x90\x80\x80", b",", b"}", b'"', b"\\", b" ", b"\n", b"1",
                                    b"\xe2\x80", b"/**/", b"\x0b", b"\xc2\xa0"])
                body = body[:at] + piece + body[at:]
            elif change == 3:
                body = body[:at]
            else:
                body += rng.choice([b" ", b"\n", b"\0", b"x", b"{}", b",", b"\xef\xbb\xbf"])
            body = body or b" "
        return body

    def mutate(self, report):
        report = copy.deepcopy(report)
        changes = self.rng.choice([1, 1, 1, 2, 2, 3, 4, 6])
        weights, functions = zip(*self.changes)
        for change in self.rng.choices(functions, weights, k=changes):
            change(report)
        body = dump(report).encode("utf-8", "surrogatepass")
        return self.damage(body) if self.rng.random() < 0.12 else body
