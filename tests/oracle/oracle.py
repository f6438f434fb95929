# SPDX-License-Identifier: Apache-2.0
"""An independent judge of reports: the schema by python3-jsonschema, the rules written again.

Nothing here is taken from the C sources. judge() returns a Verdict; its findings are pairs of
pointer and code, where a code belongs to the first schema error at a pointer or to a rule.
"""

import datetime
import json
import pathlib
import re
import socket
import sys
from dataclasses import dataclass, field

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent
MAX_DEPTH = 16
MAX_VALUES = 32768
MAX_EXTENSION_BYTES = 16384
MULTILINE = {"narrative", "rationale", "basis", "note", "reason"}
EVIDENCE = {"file-name", "mutex", "registry-key", "user-agent", "account", "other"}
LABELS = ["TLP:CLEAR", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED"]
HASH_LENGTHS = {"md5": 32, "ja3": 32, "sha1": 40, "sha256": 64, "x509-sha256": 64, "sha512": 128}

sys.set_int_max_str_digits(0)


class NotJson(Exception):
    """The body is not I-JSON, or beyond the limits of nesting and values."""


class Real(float):
    """A number that is not an integer token, with its token."""

    def __new__(cls, token):
        number = super().__new__(cls, token)
        number.token = token
        return number


@dataclass
class Verdict:
    verdict: str
    errors: set = field(default_factory=set)
    warnings: set = field(default_factory=set)
    finding_count: int = 0


# ---- JSON ----

STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


def check_limits(text):
    depth = values = 0
    for char in STRING.sub('""', text):
        if char in "{[":
            depth += 1
            if depth > MAX_DEPTH:
                raise NotJson("depth")
        elif char in "}]":
            depth -= 1
        if char in "{[,":
            values += 1
    if values > MAX_VALUES:
        raise NotJson("values")


def check_string(text):
    if "\0" in text or any(0xD800 <= ord(char) <= 0xDFFF for char in text):
        raise NotJson("string")


def make_object(pairs):
    members = {}
    for name, value in pairs:
        check_string(name)
        if name in members:
            raise NotJson("duplicate")
        members[name] = value
    return members


def refuse_constant(name):
    raise NotJson(name)


def check_strings(value):
    if isinstance(value, str):
        check_string(value)
    elif isinstance(value, dict):
        for inner in value.values():
            check_strings(inner)
    elif isinstance(value, list):
        for inner in value:
            check_strings(inner)


def parse(body):
    try:
        text = body.decode("utf-8")
        check_limits(text)
        value = json.loads(text, object_pairs_hook=make_object, parse_float=Real,
                           parse_constant=refuse_constant)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise NotJson(str(error)) from None
    check_strings(value)
    return text, value


# ---- the schema ----

def full_pattern(_, pattern, instance, __):
    if isinstance(instance, str) and not re.fullmatch(pattern, instance):
        yield ValidationError("pattern")


def strict_integer(_, instance):
    return isinstance(instance, int) and not isinstance(instance, bool)


SCHEMA = json.loads((HERE / "report.schema.json").read_text())
VALIDATOR = validators.extend(
    Draft202012Validator, validators={"pattern": full_pattern},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", strict_integer))(SCHEMA)
CODES = {"minLength": "too-short", "maxLength": "too-long", "minItems": "too-few",
         "maxItems": "too-many", "uniqueItems": "not-unique", "maxProperties": "too-many",
         "minimum": "too-small", "maximum": "too-large", "pattern": "format"}
TIME_PATTERN = SCHEMA["properties"]["times"]["properties"]["detected"]["pattern"]
# Below these a value is still looked at.
OUTER_ONLY = {"required", "additionalProperties", "minItems", "maxItems", "uniqueItems",
              "maxProperties"}


def schema_code(error, path):
    if error.validator == "type":
        wants_integer = error.validator_value == "integer"
        return "not-integer" if wants_integer and isinstance(error.instance, Real) else "type"
    if error.validator in ("enum", "const"):
        if not isinstance(error.instance, str):
            return "type"
        return "taxonomy-id" if path == ("taxonomy", "id") else "value-unknown"
    if error.validator == "pattern" and error.validator_value == TIME_PATTERN:
        return "time-format"
    return CODES[error.validator]


def schema_findings(report):
    """(path, code) of each schema error, and the paths below which nothing is judged."""
    first, many, closed = {}, [], set()
    for error in VALIDATOR.iter_errors(report):
        path = tuple(error.absolute_path)
        if error.validator == "required":
            names = [name for name in error.validator_value if name not in error.instance]
            many += [(path, "member-missing", name) for name in names]
        elif error.validator == "additionalProperties":
            many += [(path + (name,), "member-unknown", None) for name in error.instance
                     if name not in error.schema["properties"]]
        elif "propertyNames" in error.absolute_schema_path:
            first.setdefault(path + (error.instance,), schema_code(error, path))
        else:
            first.setdefault(path, schema_code(error, path))
            if error.validator not in OUTER_ONLY:
                closed.add(path)
    return first, sorted(set(many), key=repr), closed


# ---- the rules ----

TAXONOMY = json.loads((ROOT / "config" / "taxonomy.json").read_text())
CATEGORIES = {category["code"]: category for category in TAXONOMY["categories"]}


def read_time(text):
    """Microseconds since 1970, or None when there is no such date."""
    match = re.fullmatch(r"(\d+)-(\d+)-(\d+)T(\d+):(\d+):(\d+)(?:\.(\d+))?(Z|([+-])(\d+):(\d+))", text)
    year, month, day, hour, minute, second = (int(match[i]) for i in range(1, 7))
    if not 1970 <= year <= 2199:
        return None
    try:
        moment = datetime.datetime(year, month, day, hour, minute, second)
    except ValueError:
        return None
    offset = datetime.timedelta()
    if match[8] != "Z":
        offset = datetime.timedelta(hours=int(match[10]), minutes=int(match[11]))
        offset = -offset if match[9] == "-" else offset
    since = moment - offset - datetime.datetime(1970, 1, 1)
    fraction = int((match[7] or "").ljust(6, "0"))
    return (since.days * 86400 + since.seconds) * 1000000 + fraction


def is_address(text, family):
    try:
        return socket.inet_pton(family, text)
    except (OSError, ValueError):
        return None


def is_network(text):
    head, slash, tail = text.partition("/")
    packed = is_address(head, socket.AF_INET) or is_address(head, socket.AF_INET6)
    if not slash or packed is None or not re.fullmatch("0|[1-9][0-9]{0,2}", tail):
        return False
    bits = len(packed) * 8 - int(tail)
    return bits >= 0 and int.from_bytes(packed, "big") % (1 << bits) == 0


def url_host(text):
    match = re.fullmatch(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?(?://)?([^/?#]*).*", text, re.DOTALL)
    return match[1]


def judge_indicator(kind, text):
    if kind in ("ipv4", "ipv6", "cidr", "domain", "email") and "[.]" in text:
        return "indicator-defanged"
    if kind == "url" and (text.lower().startswith("hxxp") or "[.]" in url_host(text)):
        return "indicator-defanged"
    if kind in HASH_LENGTHS:
        fits = re.fullmatch("[0-9a-f]{%d}" % HASH_LENGTHS[kind], text)
    elif kind == "ipv4":
        fits = is_address(text, socket.AF_INET)
    elif kind == "ipv6":
        fits = is_address(text, socket.AF_INET6)
    elif kind == "cidr":
        fits = is_network(text)
    elif kind == "asn":
        fits = re.fullmatch("AS[1-9][0-9]{0,9}", text) and int(text[2:]) <= 4294967295
    elif kind == "domain":
        labels = text.split(".")
        fits = (2 <= len(labels) <= 127 and len(text) <= 253
                and all(re.fullmatch("[a-z0-9_-]+", label) for label in labels))
    elif kind == "url":
        fits = re.fullmatch("[A-Za-z][A-Za-z0-9+.-]*:[!-~]+", text) and len(text) <= 2048
    elif kind == "email":
        fits = re.fullmatch("[^@]+@[^@]+", text, re.DOTALL)
    else:
        fits = True
    return None if fits else "indicator-value"


def is_noncharacter(char):
    return 0xFDD0 <= ord(char) <= 0xFDEF or ord(char) & 0xFFFE == 0xFFFE


def text_faults(text, is_multiline):
    """Whether it is forbidden, and whether it holds an override."""
    rest = re.sub("\t|\r?\n", "", text) if is_multiline else text
    forbidden = any(ord(char) < 0x20 or 0x7F <= ord(char) <= 0x9F or is_noncharacter(char)
                    for char in rest)
    return forbidden, "\u202d" in text or "\u202e" in text


class Judge:
    def __init__(self, text, report, now_us, organisations):
        self.text, self.report = text, report
        self.now_us, self.organisations = now_us, organisations
        self.first, self.many, self.closed = schema_findings(report)
        self.errors, self.warnings = set(), set()

    def error(self, path, code, member=None):
        self.errors.add((tuple(path), code, member))

    def warn(self, path, code):
        self.warnings.add((tuple(path), code, None))

    def get(self, *path):
        """The value there when its own schema holds, else None."""
        value = self.report
        for i, step in enumerate(path):
            if path[:i] in self.closed:
                return None
            if isinstance(step, str) and isinstance(value, dict):
                value = value.get(step)
            elif isinstance(step, int) and isinstance(value, list) and step < len(value):
                value = value[step]
            else:
                return None
        return None if path in self.first or path in self.closed else value

    def length(self, name):
        value = self.report.get(name) if isinstance(self.report, dict) else None
        return len(value) if isinstance(value, list) else 0

    def categories(self):
        codes = [self.get("category")]
        codes += [self.get("additional_categories", i)
                  for i in range(self.length("additional_categories"))]
        return [CATEGORIES[code] for code in codes if code is not None]

    def knows_all_categories(self):
        value = self.report.get("additional_categories", [])
        return isinstance(value, list) and all(
            self.get("additional_categories", i) is not None for i in range(len(value)))

    def rule_1(self):
        version = self.get("taxonomy", "version")
        if version and version.split(".")[0] != TAXONOMY["version"].split(".")[0]:
            self.error(("taxonomy", "version"), "taxonomy-version")

    def rule_2(self):
        main = CATEGORIES.get(self.get("category"))
        if main is None:
            return
        union = {area for category in self.categories() for area in category["action_areas"]}
        areas = [self.get("action_areas", i) for i in range(self.length("action_areas"))]
        for i, area in enumerate(areas):
            if area is None or (i > 0 and not self.knows_all_categories()):
                continue
            if area not in (main["action_areas"] if i == 0 else union):
                self.error(("action_areas", i), "area-not-allowed")
        if self.get("action_areas") is not None and main["primary_area"] not in areas:
            self.warn(("action_areas",), "area-primary-missing")

    def rule_3(self):
        label = self.get("tlp")
        if label is None:
            return
        strictness = LABELS.index(label)
        if any(LABELS.index(category["min_tlp"]) > strictness for category in self.categories()):
            self.error(("tlp",), "tlp-too-open")
        for name in ("indicators", "attachments"):
            for i in range(self.length(name)):
                own = self.get(name, i, "tlp")
                if own is not None and LABELS.index(own) < strictness:
                    self.error((name, i, "tlp"), "tlp-looser")

    def rule_4(self):
        if any(category["protect_victim"] for category in self.categories()):
            for i in range(self.length("victims")):
                if (self.get("victims", i, "kind") in ("individual", "group")
                        and self.get("victims", i, "name") is not None):
                    self.error(("victims", i, "name"), "victim-named")
        if not all(category["attachments_allowed"] for category in self.categories()):
            if self.get("attachments"):
                self.error(("attachments",), "attachments-refused")

    def rule_5(self):
        for i in range(self.length("additional_categories")):
            code = self.get("additional_categories", i)
            if code is not None and code == self.get("category"):
                self.error(("additional_categories", i), "category-repeated")

    def time(self, *path):
        text = self.get(*path)
        return read_time(text) if isinstance(text, str) else None

    def order(self, earlier, later):
        first, second = self.time(*earlier), self.time(*later)
        if first is not None and second is not None and second < first:
            self.error(later, "time-order")

    def future(self, *path):
        time = self.time(*path)
        if time is not None and time > self.now_us + 300 * 1000000:
            self.error(path, "time-future")

    def rule_6(self):
        paths = [("times", name) for name in SCHEMA["properties"]["times"]["properties"]]
        paths += [("sharing", "embargo_until"), ("legal", "preserve_until")]
        seen = [("indicators", i, name) for i in range(self.length("indicators"))
                for name in ("first_seen", "last_seen")]
        for path in paths + seen:
            if isinstance(self.get(*path), str) and self.time(*path) is None:
                self.error(path, "time-format")
        for name in ("detected", "reported", "contained", "ended", "recovered"):
            self.order(("times", "started"), ("times", name))
        self.order(("times", "detected"), ("times", "reported"))
        for path in [("times", "started"), ("times", "detected"), ("times", "reported")] + seen:
            self.future(*path)
        for i in range(self.length("indicators")):
            self.order(("indicators", i, "first_seen"), ("indicators", i, "last_seen"))

    def rule_7(self):
        for i in range(self.length("indicators")):
            kind, text = self.get("indicators", i, "type"), self.get("indicators", i, "value")
            fault = judge_indicator(kind, text) if kind and text else None
            if fault:
                self.error(("indicators", i, "value"), fault)
        values = self.get("indicators") or []
        seen = set()
        for i, value in enumerate(values):
            key = json.dumps(value, sort_keys=True)
            if key in seen:
                self.warn(("indicators", i), "element-repeated")
            seen.add(key)

    def rule_8(self):
        if any(category["code"] == "test-report" for category in self.categories()):
            if "exercise" not in self.report:
                self.error((), "exercise-expected", "exercise")
            elif self.get("exercise") is False:
                self.error(("exercise",), "exercise-expected")

    def judge_text(self, path, text):
        is_multiline = bool(path) and path[-1] in MULTILINE
        forbidden, override = text_faults(text, is_multiline)
        is_value = len(path) == 3 and path[0] == "indicators" and path[2] == "value"
        if override and is_value:
            kind = self.get("indicators", path[1], "type")
            if kind in EVIDENCE:
                self.warn(path, "text-suspicious")
            forbidden = forbidden or (kind is not None and kind not in EVIDENCE)
        elif override:
            forbidden = True
        if forbidden:
            self.error(path, "text-forbidden")

    def rule_9(self, path=(), value=None, schema=None):
        """Along the schema, and through extensions where there is none."""
        if not path:
            value, schema = self.report, SCHEMA
        if path in self.closed:
            return
        if isinstance(value, str):
            self.judge_text(path, value)
        elif isinstance(value, list):
            for i, inner in enumerate(value):
                self.rule_9(path + (i,), inner, schema and schema["items"])
        elif isinstance(value, dict):
            properties = schema.get("properties") if schema else None
            for name, inner in value.items():
                if properties is None:
                    if path + (name,) not in self.first and any(text_faults(name, False)):
                        self.error(path + (name,), "text-forbidden")
                    self.rule_9(path + (name,), inner, None)
                elif name in properties:
                    self.rule_9(path + (name,), inner, properties[name])

    def rule_10(self, path, value):
        if isinstance(value, dict):
            for name, inner in value.items():
                self.rule_10(path + (name,), inner)
        elif isinstance(value, list):
            for i, inner in enumerate(value):
                self.rule_10(path + (i,), inner)
        elif isinstance(value, Real):
            exponent = re.search("[eE](.*)", value.token)
            if len(value.token) > 40 or (exponent and abs(int(exponent[1])) > 300):
                self.error(path, "number-range")
        elif isinstance(value, int) and not isinstance(value, bool):
            if abs(value) > 2**53 - 1:
                self.error(path, "number-range")

    def rule_11(self):
        for name, size in member_sizes(self.text, "extensions"):
            if size > MAX_EXTENSION_BYTES:
                self.error(("extensions", name), "extension-too-large")

    def rule_reporter(self):
        org = self.get("reporter", "org")
        if org is not None and self.organisations and org not in self.organisations:
            self.error(("reporter", "org"), "reporter-not-yours")

    def rule_rsit(self):
        usual = {code for category in self.categories() for code in category["rsit"]}
        for i in range(self.length("rsit")):
            code = self.get("rsit", i)
            if code is not None and code not in usual:
                self.warn(("rsit", i), "rsit-unusual")

    def apply(self):
        for rule in (self.rule_1, self.rule_2, self.rule_3, self.rule_4, self.rule_5, self.rule_6,
                     self.rule_7, self.rule_8, self.rule_9, self.rule_reporter, self.rule_rsit):
            rule()
        extensions = self.report.get("extensions")
        if isinstance(extensions, dict):
            self.rule_10(("extensions",), extensions)
            self.rule_11()


def skip_space(text, at):
    return re.compile(r"[ \t\r\n]*").match(text, at).end()


def raw_members(text, at):
    """(name, start, end) of the members of the object at this place."""
    decoder = json.JSONDecoder(parse_float=Real)
    at = skip_space(text, at + 1)
    while text[at] != "}":
        name, at = decoder.raw_decode(text, at)
        start = skip_space(text, skip_space(text, at) + 1)
        _, at = decoder.raw_decode(text, start)
        yield name, start, at
        at = skip_space(text, at)
        if text[at] == ",":
            at = skip_space(text, at + 1)


def member_sizes(text, wanted):
    if len(text.encode()) <= MAX_EXTENSION_BYTES:
        return
    for name, start, _ in raw_members(text, skip_space(text, 0)):
        if name == wanted:
            for inner, first, last in raw_members(text, start):
                yield inner, len(text[first:last].encode())


def pointer(path):
    def token(step):
        return str(step)[:64].replace("~", "~0").replace("/", "~1")
    return "".join("/" + token(step) for step in path)


def judge(body, now_us, organisations=()):
    try:
        text, report = parse(body)
    except NotJson:
        return Verdict("not-json")
    judged = Judge(text, report, now_us, organisations)
    if isinstance(report, dict):
        judged.apply()
    findings = judged.errors | {(path, code, None) for path, code in judged.first.items()}
    findings |= set(judged.many)
    return Verdict("invalid" if findings else "valid",
                   {(pointer(path), code) for path, code, _ in findings},
                   {(pointer(path), code) for path, code, _ in judged.warnings}, len(findings))
