# SPDX-License-Identifier: Apache-2.0
"""JSON at its edges, in the spirit of JSONTestSuite: what is accepted is jsonb to PostgreSQL, and
comes back byte for byte with the receipt's digest; what is not is refused at its place."""

import hashlib
import json
from decimal import Decimal

import pytest

from client import encode
from reports import smallest_report

HOLE = "@@"
BROKEN = (400, "json-invalid")
DEPTH_MAX = 16
ROOT_DEPTH = 2  # of the members of an extension

# ---- values of a member of an extension, where any JSON may stand

NUMBERS = (
    "0", "-0", "0.0", "-0.0", "1.0", "0e0", "0e+1", "0E-7", "1E22", "1e-2", "1.5e+300", "1e300", "1e-300",
    "-1e-300", "1.797693134862315708e+300", "4.9406564584124654e-300", "1e41", "1.00e0041",
    "123.456e-0078", "0." + "1" * 38, "9007199254740991", "-9007199254740991", "3.141592653589793238462643",
)  # fmt: skip
NUMBERS_OUT_OF_RANGE = (
    "9007199254740992", "-9007199254740992", "9223372036854775807", "9223372036854775808",
    "-9223372036854775809", "1e301", "1e-301", "1e400", "1e-400", "-1e400", "1e99999999999999999999",
    "0e400", "0." + "1" * 39, "1" * 16000, "1e131072", "1e-16384", "-1e-99999999999999999999",
)  # fmt: skip
NUMBERS_MISSPELT = (
    "01", "-01", "+1", "-", ".5", "1.", "1.e1", "1e", "1e+", "1eE2", "0x1F", "1_000", "NaN", "Infinity",
    "-Infinity", "1 2", "--1", "1.2.3", "１", "0e", "2.e3", "-.1", "1e1.5",
)  # fmt: skip
ESCAPES = {
    "each short one": r'"\"\\\/"',
    "slash": r'"\/"',
    "letters": r'"\u0041\u00e4\u20AC\uabCd"',
    "case of its digits": r'["\u00fF","\u00Ff"]',
    "surrogate pair": r'"\ud83d\ude00"',
    "last of all pairs": r'"\udbff\udffd"',
    "first of all pairs": r'"\ud800\udc00"',
    "pair between letters": r'"a\uD834\uDD1Eb"',
    "two pairs": r'"\ud83d\udc69\u200d\ud83d\udcbb"',
    "replacement character": r'"\ufffd"',
    "backslash before u": r'"\\u0000"',
    "backslashes before u": r'"\\\\ud800"',
    "line separator": r'"\u2028\u2029"',
    "byte order mark": r'"\ufeff"',
    "no-break space": r'"\u00a0\u3000"',
    "private use": r'"\ue000\uf8ff"',
    "soft hyphen": r'"\u00ad"',
    "right to left mark": r'"\u200f\u200e\u061c"',
    "isolates": r'"\u2066a\u2069"',
}
TEXTS = {
    "empty": "",
    "emoji": "😀🏴‍☠️",
    "family": "👨‍👩‍👧‍👦",
    "skin": "👍🏽 👩🏿‍🚒",
    "flag": "🇪🇺 🏴󠁧󠁢󠁳󠁣󠁴󠁿",
    "keycap": "1️⃣",
    "arabic": "تقرير عن حادث، رقم ١٢٣",
    "hebrew with points": "שָׁלוֹם עֲלֵיכֶם",
    "mixed directions": "from \u202bعربي\u202c to \u200fend",
    "marks": "\u200eA\u200f\u061c",
    "composed": "\u00e9\u1e69",
    "decomposed": "e\u0301s\u0323\u0307",
    "order of marks": "s\u0307\u0323",
    "many marks": "Z" + "\u0300\u0316\u0334" * 30 + "algo",
    "mark alone": "\u0301",
    "hangul": "한국어 \u1112\u1161\u11ab",
    "devanagari": "क्षत्रिय \u0915\u094d\u200d\u0937",
    "thai": "ภาษาไทยกำ",
    "tibetan": "བོད་སྐད་",
    "han beyond the plane": "𠜎𠜱𠝹 \U0002ebe0",
    "variation": "葛\U000e0100",
    "linear b": "\U00010000\U0001003d",
    "last character": "\U0010fffd",
    "private plane": "\U000f0000",
    "swap beyond": "\ue000\ufffd",
    "separators": "\u2028\u2029\u200b\u2060\ufeff",
    "spaces": " \u00a0\u1680\u2003\u202f\u3000 ",
    "unassigned": "\u0378\U000e0fff",
    "ligature": "ﬁ ﷺ ㍿",
    "dots of i": "İıßẞςΣ",
    "looks like an escape": "u0000 /u0041 %00 &#0;",
}
FORBIDDEN = {
    **{f"control {code:#04x}": chr(code) for code in (*range(1, 0x20), *range(0x7F, 0xA0))},
    "left to right override": "\u202d",
    "right to left override": "\u202e",
    "non-character": "\ufffe",
    "last non-character of the first plane": "\uffff",
    "non-characters within": "\ufdd0",
    "non-character of another plane": "\U0001fffe",
    "last of all": "\U0010ffff",
}
STRUCTURES = {
    "null": "null",
    "true": "true",
    "false": "false",
    "empty object": "{}",
    "empty array": "[]",
    "empty name": '{"":0}',
    "names that differ in case": '{"a":1,"A":2}',
    "names that differ in composition": '{"\u00e9":1,"e\u0301":2}',
    "names of digits": '{"0":1,"1":2,"-1":3,"00":4}',
    "name by escape": r'{"\u0061":1}',
    "name of a pair": r'{"\ud83d\ude00":1,"😁":2}',
    "names of the language": '{"__proto__":{},"constructor":null,"toString":1}',
    "names of PostgreSQL": '{"$":1,"@":2,"{}":3,"a.b":4,"a,b":5,"null":6}',
    "long name": '{"' + "n" * 2000 + '":1}',
    "long string": '"' + "x" * 16000 + '"',
    "long string of four bytes": '"' + "𠜎" * 4000 + '"',
    "long string of escapes": '"' + r"\ud840\udf0e" * 1300 + '"',
    "long array": "[" + ",".join(["0"] * 8000) + "]",
    "many members": "{" + ",".join(f'"{n}":{n}' for n in range(1500)) + "}",
    "deepest arrays": "[" * (DEPTH_MAX - ROOT_DEPTH) + "]" * (DEPTH_MAX - ROOT_DEPTH),
    "deepest objects": '{"a":' * (DEPTH_MAX - ROOT_DEPTH) + "1" + "}" * (DEPTH_MAX - ROOT_DEPTH),
    "mixed depths": '[[[]],[{}],{"a":[{"b":[]}]}]',
    "elements that are equal": '[1,1,1.0,"1",null,null]',
    "tab within": '[\t1\t,\t2\t]',
    "all white space": '{ \t\r\n"a"\n\n:\r\r[ ]\t}',
    "long runs of white space": '[' + " " * 3000 + "1" + "\n" * 3000 + "]",
}  # fmt: skip
BROKEN_STRUCTURES = {
    "nothing": "",
    "one too deep": "[" * (DEPTH_MAX - ROOT_DEPTH + 1) + "]" * (DEPTH_MAX - ROOT_DEPTH + 1),
    "very deep": "[" * 10000 + "]" * 10000,
    "too many values": "[" + ",".join(["0"] * 33000) + "]",
    "name twice": '{"a":1,"a":1}',
    "name twice, once by escape": r'{"a":1,"\u0061":2}',
    "name twice, far below": '[{"b":{"a":1,"c":{},"a":2}}]',
    "empty name twice": '{"":1,"":2}',
    "name of a pair twice": r'{"\ud83d\ude00":1,"😀":2}',
    "comma at the end": "[1,]",
    "comma at the end of an object": '{"a":1,}',
    "comma at the beginning": "[,1]",
    "two commas": "[1,,2]",
    "no comma": "[1 2]",
    "no colon": '{"a" 1}',
    "two colons": '{"a"::1}',
    "name that is no string": "{a:1}",
    "name that is a number": "{1:1}",
    "single quotes": "{'a':1}",
    "comment": "[1/* */]",
    "line comment": "[1//\n]",
    "unclosed array": "[1",
    "unclosed string": '"a',
    "unclosed object": '{"a":1',
    "wrong end": "[1}",
    "end too many": "[1]]",
    "true in capitals": "True",
    "true cut short": "tru",
    "null with more": "nulll",
    "undefined": "undefined",
    "form feed as space": "[\f1]",
    "no-break space as space": "[\u00a01]",
    "byte order mark as space": "\ufeff1",
    "unknown escape": r'"\x41"',
    "escape of a quote": r'"\'"',
    "escape in capitals": r'"\U0041"',
    "escape cut short": r'"\u004"',
    "escape of no digits": r'"\u00g0"',
    "escape at the end": '"\\',
    "U+0000 by escape": r'"\u0000"',
    "U+0000 by escape behind a backslash": r'"\\\u0000"',
    "U+0000 in a name": r'{"a\u0000b":1}',
    "high surrogate alone": r'"\ud800"',
    "low surrogate alone": r'"\udc00"',
    "high surrogate and a letter": r'"\ud800a"',
    "high surrogate and another escape": r'"\ud800\u0041"',
    "two high surrogates": r'"\ud800\ud800"',
    "surrogates the wrong way round": r'"\ude00\ud83d"',
    "surrogate in a name": r'{"\ud800":1}',
    "control character as it is": '"\u0001"',
    "U+0000 as it is": '"\u0000"',
    "line feed in a string": '"a\nb"',
}  # fmt: skip
BAD_UTF8 = {
    "lone continuation": b'"\x80"',
    "cut short": b'"\xc3"',
    "overlong slash": b'"\xc0\xaf"',
    "overlong U+0000": b'"\xc0\x80"',
    "overlong of three": b'"\xe0\x80\xaf"',
    "surrogate": b'"\xed\xa0\x80"',
    "pair of surrogates": b'"\xed\xa0\xbd\xed\xb8\x80"',
    "beyond the last": b'"\xf4\x90\x80\x80"',
    "five bytes": b'"\xf8\x88\x80\x80\x80"',
    "latin 1": '"é"'.encode("latin-1"),
    "0xff": b'"\xff"',
    "in a name": b'{"\xff":1}',
}

ACCEPTED = {
    **{f"number {text[:24]}": text for text in NUMBERS},
    **{f"escape, {name}": text for name, text in ESCAPES.items()},
    **{f"text, {name}": json.dumps(text, ensure_ascii=False) for name, text in TEXTS.items()},
    **{f"text by escapes, {name}": json.dumps(text) for name, text in TEXTS.items()},
    **STRUCTURES,
}
REFUSED = {
    **{f"number {text[:24]}": (text, (422, "number-range")) for text in NUMBERS_OUT_OF_RANGE},
    **{f"number {text}": (text, BROKEN) for text in NUMBERS_MISSPELT},
    **{
        f"{name}, by escape": (json.dumps(text), (422, "text-forbidden"))
        for name, text in FORBIDDEN.items()
    },
    **{
        name: (json.dumps(text, ensure_ascii=False), (422, "text-forbidden"))
        for name, text in FORBIDDEN.items()
        if text >= "\x7f"
    },
    "forbidden in a name": ('{"\u202e":1}', (422, "text-forbidden")),
    **{name: (text, BROKEN) for name, text in BROKEN_STRUCTURES.items()},
    **{f"bytes, {name}": (text, BROKEN) for name, text in BAD_UTF8.items()},
}


def with_value(value):
    """A report's id and bytes, with the value as it is spelt."""
    report = smallest_report(extensions={"x.example.org": HOLE})
    spelt = value if isinstance(value, bytes) else value.encode()
    return report["report_id"], encode(report).replace(b'"@@"', spelt)


@pytest.fixture(scope="module")
def analyst(daemon):
    daemon.rows("INSERT INTO intake.clearance VALUES ('analyst', 4)")

    def ask(statement, parameters=None):
        return daemon.postgres.query(daemon.database, statement, parameters, user="analyst")

    return ask


def exactly(text):
    """JSON without the loss that a double would be."""
    return json.loads(text, parse_int=Decimal, parse_float=Decimal)


def assert_kept(analyst, report_id, body, receipt):
    """The bytes as they came, and the same values by PostgreSQL's reading as by Python's."""
    assert receipt["sha256"] == hashlib.sha256(body).hexdigest()
    ((exported, as_text),) = analyst(
        "SELECT analysis.export_payload(id), payload::text FROM analysis.report"
        " WHERE report_id = %s",
        [report_id],
    )
    assert bytes(exported) == body
    assert exactly(as_text) == exactly(body)


@pytest.mark.parametrize("value", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted_value_casts_and_comes_back(alpha, analyst, value):
    report_id, body = with_value(value)
    answer = alpha.post(body)
    assert answer.status == 201, answer
    assert_kept(analyst, report_id, body, answer.json)
    assert alpha.post(body).status == 200


@pytest.mark.parametrize("value, expected", REFUSED.values(), ids=REFUSED)
def test_refused_value_is_told_with_its_place(alpha, daemon, value, expected):
    report_id, body = with_value(value)
    answer = alpha.post(body)
    assert answer.status == expected[0], answer
    if answer.status == 400:
        assert answer.problem == expected[1]
        assert answer.json["detail"]
    else:
        assert answer.problem == "report-invalid"
        assert [code for _, code in answer.errors] == [expected[1]]
        assert all(pointer.startswith("/extensions/x.example.org") for pointer, _ in answer.errors)
    assert daemon.rows("SELECT FROM intake.report WHERE report_id = %s", [report_id]) == []


# ---- whole bodies

WHITE_SPACE = {
    "before": lambda body: b" \t\r\n" * 100 + body,
    "behind": lambda body: body + b"\n\n \t",
    "lines": lambda body: json.dumps(json.loads(body), indent="\t", ensure_ascii=False).encode(),
    "carriage returns": lambda body: json.dumps(json.loads(body), indent=1).replace("\n", "\r").encode(),
    "none": lambda body: body,
    "escapes only": lambda body: json.dumps(json.loads(body)).encode(),
    "escaped names": lambda body: body.replace(b'"title"', b'"\\u0074itle"'),
}
BROKEN_BODIES = {
    "empty": lambda _: b"",
    "white space": lambda _: b" \n",
    "byte order mark": lambda body: b"\xef\xbb\xbf" + body,
    "utf-16": lambda body: body.decode().encode("utf-16"),
    "utf-16 without a mark": lambda body: body.decode().encode("utf-16-be"),
    "utf-32": lambda body: body.decode().encode("utf-32"),
    "twice": lambda body: body + body,
    "zero byte behind": lambda body: body + b"\0",
    "cut short": lambda body: body[:-1],
    "cut in a character": lambda body: body[: body.index("\u0301".encode()) + 1],
    "name twice": lambda body: body[:-1] + b',"tlp":"TLP:RED"}',
    "name twice by escape": lambda body: body[:-1] + b',"\\u0074lp":"TLP:RED"}',
}
OTHER_ROOTS = ("null", "true", "0", "-1e300", '"text"', "[]", "[{}]")


@pytest.mark.parametrize("spell", WHITE_SPACE.values(), ids=WHITE_SPACE)
def test_spelling_of_the_whole_is_kept(alpha, analyst, spell):
    report = smallest_report(narrative="e\u0301 שָׁ 👨‍👩‍👧‍👦")
    body = spell(encode(report))
    answer = alpha.post(body)
    assert answer.status == 201, answer
    assert_kept(analyst, report["report_id"], body, answer.json)


@pytest.mark.parametrize("break_it", BROKEN_BODIES.values(), ids=BROKEN_BODIES)
def test_broken_body_is_refused(alpha, break_it):
    body = break_it(encode(smallest_report(narrative="e\u0301")))
    answer = alpha.post(body)
    assert (answer.status, answer.problem) == BROKEN, answer


@pytest.mark.parametrize("body", OTHER_ROOTS)
def test_what_is_no_object_is_refused(alpha, body):
    answer = alpha.post(body.encode())
    assert (answer.status, answer.errors) == (422, [("", "type")]), answer


# ---- texts and numbers where views show them


def views(analyst):
    return [
        name
        for (name,) in analyst(
            "SELECT c.relname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid"
            " WHERE c.relnamespace = 'analysis'::regnamespace AND c.relkind = 'v'"
            " AND a.attname = 'report' AND a.atttypid = 'uuid'::regtype"
        )
    ]


def test_every_text_is_shown_as_it_was_sent(alpha, analyst, daemon):
    """By columns of the record and by those that views read from the payload, and housekeeping
    takes it."""
    shown = {name: text for name, text in TEXTS.items() if text.strip()}
    sent = {}
    for text in shown.values():
        report = smallest_report(
            title=text, narrative=text, malware=[text],
            victims=[{"kind": "organisation", "name": text}],
            indicators=[{"type": "other", "value": text, "role": "artifact"}],
            references=[{"kind": "other", "value": text}],
        )  # fmt: skip
        answer = alpha.post(report)
        assert answer.status == 201, (text, answer)
        sent[answer.json["id"]] = text
    ids = list(sent)
    for statement in (
        "SELECT id, title FROM analysis.report WHERE id = ANY (%s::uuid[])",
        "SELECT id, narrative FROM analysis.report WHERE id = ANY (%s::uuid[])",
        "SELECT id, malware[1] FROM analysis.report WHERE id = ANY (%s::uuid[])",
        "SELECT report, name FROM analysis.victim WHERE report = ANY (%s::uuid[])",
        "SELECT report, value FROM analysis.indicator WHERE report = ANY (%s::uuid[])",
        "SELECT report, value FROM analysis.reference WHERE report = ANY (%s::uuid[])",
    ):
        assert dict(analyst(statement, [ids])) == sent, statement
    while daemon.value("SELECT intake.housekeep(1000)"):
        pass
    for report, text in sent.items():
        found = analyst("SELECT report FROM analysis.seen(%s)", [text])
        assert text != text.strip() or (report,) in found, text


LIMITS = {
    "least": {
        "severity": {"level": 0, "score": 0}, "confidence": 0,
        "impact": {
            "people_affected": 0, "records_affected": 0, "systems_affected": 0,
            "downtime_minutes": 0, "loss": {"amount": "0", "currency": "EUR"},
        },
        "victims": [{"kind": "group", "count": 1}],
        "indicators": [{"type": "other", "value": "v", "role": "source", "port": 1, "confidence": 0}],
        "attachments": [{"name": "n", "media_type": "a/b", "size": 0, "sha256": "0" * 64}],
    },
    "most": {
        "revision": 1000000,
        "severity": {"level": 5, "score": 100}, "confidence": 100,
        "impact": {
            "people_affected": 10**10, "records_affected": 10**12, "systems_affected": 10**9,
            "downtime_minutes": 5256000, "loss": {"amount": "9" * 15 + ".99", "currency": "EUR"},
        },
        "victims": [{"kind": "group", "count": 10**10}],
        "indicators": [
            {"type": "other", "value": "𠜎" * 2048, "role": "source", "port": 65535, "confidence": 100}
        ],
        "attachments": [{"name": "n", "media_type": "a/b", "size": 104857600, "sha256": "f" * 64}],
    },
}  # fmt: skip


@pytest.mark.parametrize("members", LIMITS.values(), ids=LIMITS)
@pytest.mark.parametrize("zero", ["0", "-0"])
def test_numbers_at_their_limits_go_through_every_view(alpha, analyst, members, zero):
    report = smallest_report(**members)
    body = encode(report).replace(b":0,", f":{zero},".encode()).replace(b":0}", f":{zero}}}".encode())
    answer = alpha.post(body)
    assert answer.status == 201, answer
    assert_kept(analyst, report["report_id"], body, answer.json)
    for view in views(analyst):
        analyst(f"SELECT * FROM analysis.{view} WHERE report = %s", [answer.json["id"]])
    ((count, size, people),) = analyst(
        "SELECT v.count, a.size_bytes, r.people_affected FROM analysis.report AS r"
        " JOIN analysis.victim AS v ON v.report = r.id"
        " JOIN analysis.attachment AS a ON a.report = r.id WHERE r.id = %s",
        [answer.json["id"]],
    )
    assert count == members["victims"][0]["count"]
    assert size == members["attachments"][0]["size"]
    assert people == members["impact"]["people_affected"]


def test_sums_and_searches_stand_all_of_it(alpha, analyst):
    """Beside whatever the tests above have stored."""
    shared = [{"type": "other", "value": TEXTS["family"], "role": "artifact"}]
    for value in (TEXTS["arabic"], "1e300"):
        members = {"indicators": shared, "extensions": {"x.example.org": {"v": value}}}
        assert alpha.post(smallest_report(narrative=f"عربي {value}", **members)).status == 201
    for statement in (
        "SELECT count(*) FROM analysis.daily",
        "SELECT count(*) FROM analysis.campaigns",
        "SELECT count(payload), count(narrative) FROM analysis.report_history",
        "SELECT count(*) FROM analysis.report WHERE payload @? '$.extensions.**'",
        "SELECT count(*) FROM analysis.search('عربي')",
    ):
        assert analyst(statement)[0][0] > 0, statement
