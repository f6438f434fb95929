# SPDX-License-Identifier: Apache-2.0
"""GET /v1/openapi.json is true: every answer that it tells of is given, with the headers and the
body that it tells of. The other direction, nothing else is given, is checked by the harness each
time a daemon is stopped."""

import copy
import itertools
import json
import urllib.parse

import jsonschema
import pytest

from client import encode, request_bytes
from harness import PATIENCE, api_document, wait_until
from reports import EXAMPLES, smallest_report

DOCUMENT = api_document()
SCHEMAS = DOCUMENT["components"]["schemas"]
REPORTS = "/v1/reports"
VALIDATE = "/v1/reports/validate"
REPORT = "/v1/reports/{report_id}"
RETRACTION = "/v1/reports/{report_id}/retraction"
WHOAMI = "/v1/whoami"
DOCUMENTS = ("/v1/taxonomy", "/v1/schema", "/v1/openapi.json", "/.well-known/security.txt")
SECURITY_TXT = DOCUMENTS[-1]
JSON = "application/json"
LINES = "application/x-ndjson"
PROBLEM = "application/problem+json"
URN = "urn:intaked:problem:"
HEAD_TIMEOUT_MS = int(1000 * PATIENCE)
MAX_ATOMIC_REPORTS = 3


def operations():
    for path, item in DOCUMENT["paths"].items():
        for method in item:
            if method != "parameters":
                yield method, path, item[method]


def kinds_of(response):
    """The problems, and the media types of what is none, that a response can hold."""
    for media_type, media in response.get("content", {"": None}).items():
        if media_type != PROBLEM:
            yield media_type
            continue
        for urn in media["schema"]["allOf"][1]["properties"]["type"]["enum"]:
            yield urn.removeprefix(URN)


def cases():
    """(method, path, status, kind) of every answer; a HEAD has the kinds of its GET."""
    for method, path, operation in operations():
        for status, response in operation["responses"].items():
            if method == "head":
                response = DOCUMENT["paths"][path]["get"]["responses"][status]
            for kind in kinds_of(response):
                yield method, path, int(status), kind


def closed(schema):
    """Nothing but what the schema names: what is answered beside it is not documented."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: part if key == "if" else closed(part) for key, part in schema.items()}
    if "properties" in schema and schema.get("type") == "object":
        made.setdefault("additionalProperties", False)
    return made


CLOSED = {name: SCHEMAS[name] if name == "Taxonomy" else closed(SCHEMAS[name]) for name in SCHEMAS}


def validate(instance, schema):
    jsonschema.Draft202012Validator({**schema, "components": {"schemas": CLOSED}}).validate(instance)


# ---- the document


def test_document_is_served(alpha):
    answer = alpha.get("/v1/openapi.json")
    assert (answer.status, answer.headers["content-type"]) == (200, JSON)
    limits = {**DOCUMENT["x-limits"], "max_atomic_reports": MAX_ATOMIC_REPORTS}
    assert answer.json == {**DOCUMENT, "x-limits": limits}
    etag = answer.headers["etag"]
    assert alpha.get("/v1/openapi.json", headers={"If-None-Match": etag}).status == 304


def test_report_is_that_of_the_schema_resource(alpha):
    assert SCHEMAS["Report"] == alpha.get("/v1/schema").json


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_schemas(name):
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])


def test_examples_are_reports():
    for path in EXAMPLES:
        validate(json.loads(path.read_bytes()), SCHEMAS["Report"])


def references(part):
    if isinstance(part, list):
        part = dict(enumerate(part))
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)


def test_references_lead_somewhere_and_names_are_used_once():
    for reference in set(references(DOCUMENT)):
        part = DOCUMENT
        for token in reference.removeprefix("#/").split("/"):
            part = part[token]
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(names) == len(set(names))


def test_every_problem_is_that_of_some_operation_or_line():
    """Those of lines only have no status of their own."""
    told = {kind for _, _, _, kind in cases()}
    every = {urn.removeprefix(URN) for urn in SCHEMAS["Problem"]["properties"]["type"]["enum"]}
    assert every - told == {"line-too-long", "batch-rolled-back"}


# ---- what it takes to be answered so


@pytest.fixture(scope="module")
def settings(world):
    file = world.folder / "contact"
    file.write_text("Contact: mailto:a@cert.example.org\nExpires: 2199-01-01T00:00:00Z\n")
    return {
        "limits.head_timeout_ms": HEAD_TIMEOUT_MS,
        "limits.request_timeout_ms": HEAD_TIMEOUT_MS,
        "limits.max_atomic_reports": MAX_ATOMIC_REPORTS,
        "security_txt.file": file,
    }


@pytest.fixture(scope="module")
def narrow(world):
    """A daemon that lets a partner have one connection, and has no security.txt."""
    with world.running({"quota.connections": 1, "quota.refusal_delay_ms": 0}) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def strict(world):
    """A daemon whose partner has used up its bytes."""
    with world.running({"quota.bytes_per_s": 1, "quota.bytes_burst": 3000}) as daemon:
        with daemon.client(world.authority.issue("alpha")) as client:
            large = smallest_report(narrative="x" * 2500)
            wait_until(lambda: client.post(large).status == 201, "its bytes are gone")
        yield daemon


@pytest.fixture(scope="module")
def lonely(world):
    """A daemon that never found its database, and so knows no partner."""
    daemon = world.daemon({"database.connection": "host=/nonexistent dbname=none user=none"})
    daemon.start()
    yield daemon
    daemon.stop()


@pytest.fixture(scope="module")
def others(daemon, world):
    """Credentials of partners that are refused."""
    made = {"unknown": world.authority.issue("nobody"), "suspended": world.authority.issue("delta")}
    daemon.add_partner("delta")
    daemon.suspend_partner("delta", made["suspended"])
    return made


def path_of(path, report=None):
    report_id = report["report_id"] if report else "none"
    return path.replace("{report_id}", report_id)


def good_body(path):
    """Of a request whose fault lies elsewhere."""
    if path == RETRACTION:
        return encode({"revision": 1, "reason": "Sent in error"})
    return encode(smallest_report())


def whole(method, path, **options):
    body = good_body(path) if method == "POST" else None
    return request_bytes(method, path_of(path), body, **options)


def head_only(method, path, **headers):
    return request_bytes(method, path_of(path), headers={"Content-Type": JSON, **headers})


@pytest.fixture(scope="module")
def slow(daemon, credentials):
    """The answers to requests that stop before their end, all sent at once."""
    connections = {}
    for method, path, _ in operations():
        raw = connections[method, path] = daemon.raw_client(credentials["alpha"])
        raw.send(whole(method.upper(), path)[: -1 if method == "post" else -2])
    answers = {
        key: raw.read_response(is_head=key[0] == "head") for key, raw in connections.items()
    }
    for raw in connections.values():
        raw.close()
    return answers


class Asker:
    """Brings about each answer; a method for each kind, named after it."""

    def __init__(self, daemon, narrow, strict, lonely, credentials, others, slow, trouble):
        self.daemon = daemon
        self.narrow = narrow
        self.strict = strict
        self.lonely = lonely
        self.credentials = credentials
        self.others = others
        self.slow = slow
        self.trouble = trouble

    def send(self, data, method, daemon=None, credential=None):
        daemon = daemon or self.daemon
        with daemon.raw_client(credential or self.credentials["alpha"]) as raw:
            return raw.exchange(data, is_head=method == "HEAD")

    def post(self, path, body, query="", content_type=JSON, daemon=None):
        data = request_bytes("POST", path + query, encode(body), content_type=content_type)
        return self.send(data, "POST", daemon)

    def stored(self, **members):
        report = smallest_report(**members)
        assert self.post(REPORTS, report).status in (200, 201)
        return report

    def retract(self, report, revision=1, reason="R"):
        return self.post(path_of(RETRACTION, report), {"revision": revision, "reason": reason})

    # Of any request.

    def framing_invalid(self, method, path):
        return self.send(whole(method, path, headers={"X Y": "1"}), method)

    def partner_unknown(self, method, path):
        return self.send(whole(method, path), method, credential=self.others["unknown"])

    def partner_suspended(self, method, path):
        return self.send(whole(method, path), method, credential=self.others["suspended"])

    def method_not_allowed(self, method, path):
        return self.send(head_only("PUT", path), "PUT")

    def method_unknown(self, method, path):
        return self.send(head_only("BREW", path), "BREW")

    def timeout(self, method, path):
        return self.slow[method.lower(), path]

    def body_too_large(self, method, path):
        return self.send(head_only(method, path, **{"Content-Length": "9999999999"}), method)

    def target_too_long(self, method, path):
        return self.send(whole(method, path + "?" + "x" * 4096), method)

    def expectation(self, method, path):
        return self.send(whole(method, path, headers={"Expect": "200-ok"}), method)

    def headers_too_large(self, method, path):
        return self.send(whole(method, path, headers={"X": "x" * 8192}), method)

    def unavailable(self, method, path):
        return self.send(whole(method, path), method, daemon=self.lonely)

    def quota(self, method, path):
        with self.narrow.client(self.credentials["alpha"]) as first:
            assert wait_until(lambda: first.get(WHOAMI).status == 200, "the first is let in")
            return self.send(whole(method, path), method, daemon=self.narrow)

    # Of a body.

    def json_invalid(self, method, path):
        return self.post(path_of(path), b"{")

    def length_required(self, method, path):
        return self.send(head_only(method, path), method)

    def media_type(self, method, path):
        return self.send(whole(method, path, headers={"Content-Type": "text/plain"}), method)

    def content_encoding(self, method, path):
        return self.send(whole(method, path, headers={"Content-Encoding": "br"}), method)

    # Of what it says.

    def not_found(self, method, path):
        if path == SECURITY_TXT:
            return self.send(whole(method, path), method, daemon=self.narrow)
        if method == "POST" and path in (REPORTS, VALIDATE):
            return self.post(path, smallest_report(), query="?atomic=1")
        return self.send(whole(method, path), method, credential=self.credentials["beta"])

    def report_invalid(self, method, path):
        return self.post(path, {})

    def report_conflict(self, method, path):
        return self.post(path, {**self.stored(), "title": "Other"})

    def revision_superseded(self, method, path):
        report = self.stored(revision=2)
        if path == RETRACTION:
            return self.retract(report)
        return self.post(path, {**report, "revision": 1})

    def retraction_invalid(self, method, path):
        return self.post(path_of(path), {})

    def report_erased(self, method, path):
        report = self.stored()
        key = f"alpha/{report['report_id']}"
        self.daemon.control("erase", "--report", key, "--asked-by", "A", "--reason", "R", "--yes")
        if path == RETRACTION:
            return self.retract(report)
        return self.post(path, {**report, "title": "Other"})

    def retraction_conflict(self, method, path):
        report = self.stored()
        assert self.retract(report).status == 201
        return self.retract(report, reason="Other")

    def unstorable(self, method, path):
        if path == RETRACTION:
            report = self.stored()
            self.trouble("23514", "intake.retraction")
            return self.retract(report)
        self.trouble("23514")
        return self.post(path, smallest_report())

    # Of a batch.

    def batch(self, path, *reports, query="", daemon=None):
        body = b"".join(encode(report) + b"\n" for report in reports)
        return self.post(path, body, query, LINES, daemon)

    def atomic(self, path, *reports, daemon=None):
        return self.batch(path, *reports, query="?atomic=true", daemon=daemon)

    def too_many_reports(self, method, path):
        return self.atomic(path, *[smallest_report()] * (MAX_ATOMIC_REPORTS + 1))

    # What is no refusal of the request.

    def post_reports_200_json(self):
        return self.post(REPORTS, self.stored())

    def post_reports_200_ndjson(self):
        report = self.stored()
        lines = [report, {**report, "title": "Other"}, b"{", smallest_report(), {}]
        return self.batch(REPORTS, *lines, b'"' + b"x" * 1048576)

    def post_reports_201_json(self):
        return self.post(REPORTS, smallest_report())

    def post_reports_201_ndjson(self):
        return self.atomic(REPORTS, smallest_report(), self.stored())

    def post_reports_409_ndjson(self):
        return self.atomic(REPORTS, smallest_report(), {**self.stored(), "title": "Other"})

    def post_reports_422_ndjson(self):
        return self.atomic(REPORTS, smallest_report(), {})

    def post_reports_429_ndjson(self):
        return self.atomic(REPORTS, smallest_report(), smallest_report(), daemon=self.strict)

    def post_reports_500_ndjson(self):
        self.trouble("23514")
        return self.atomic(REPORTS, smallest_report(), smallest_report())

    def post_reports_503_ndjson(self):
        self.trouble("53100")
        return self.atomic(REPORTS, smallest_report())

    def post_validate_200_json(self):
        return self.post(VALIDATE, smallest_report())

    def post_validate_200_ndjson(self):
        return self.batch(VALIDATE, smallest_report(), {})

    def post_validate_422_ndjson(self):
        return self.atomic(VALIDATE, smallest_report(), {})

    def post_validate_429_ndjson(self):
        return self.atomic(VALIDATE, smallest_report(), smallest_report(), daemon=self.strict)

    def post_retraction_201_json(self):
        return self.retract(self.stored())

    def post_retraction_200_json(self):
        report = self.stored()
        assert self.retract(report).status == 201
        return self.retract(report)


@pytest.fixture
def trouble(daemon):
    """Makes each new row of a table raise an error, until the test is over."""

    def make(sqlstate, table="intake.report"):
        daemon.rows(
            f"""
            CREATE FUNCTION intake.trouble() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN RAISE EXCEPTION 'trouble' USING ERRCODE = '{sqlstate}'; END $$;
            CREATE TRIGGER trouble AFTER INSERT ON {table}
                FOR EACH ROW EXECUTE FUNCTION intake.trouble()
            """
        )

    yield make
    daemon.rows("DROP FUNCTION IF EXISTS intake.trouble CASCADE")
    wait_until(lambda: daemon.admin("/readyz")[0] == 200, "the daemon is ready")


@pytest.fixture
def asker(daemon, narrow, strict, lonely, credentials, others, slow, trouble):
    return Asker(daemon, narrow, strict, lonely, credentials, others, slow, trouble)


def get(asker, method, path, status):
    """A GET or HEAD that is answered with what it asks for, or that this is known."""
    report = asker.stored(**({"report_id": "validate"} if path == VALIDATE else {}))
    path = path_of(path, report)
    headers = {"If-None-Match": "*"} if status == 304 else {}
    return asker.send(request_bytes(method, path, headers=headers), method)


def ask(asker, method, path, status, kind):
    if status >= 400 and "/" not in kind:
        return getattr(asker, kind.replace("-", "_"))(method.upper(), path)
    if method == "post":
        name = f"post_{path.rpartition('/')[2]}_{status}_{kind.rpartition('-')[2].rpartition('/')[2]}"
        return getattr(asker, name)()
    return get(asker, method.upper(), path, status)


# ---- what is answered


def check_headers(response, answer, path):
    for name in response.get("headers", ()):
        # A status that a batch and a report share: the batch's answer has no place of its own.
        if name != "Location" or answer.headers["content-type"] == JSON:
            assert name.lower() in answer.headers, (name, answer)
    if answer.status == 405:
        methods = {method.upper() for method in DOCUMENT["paths"][path]} - {"PARAMETERS"}
        assert set(answer.headers["allow"].split(", ")) == methods
    if "location" in answer.headers:
        assert answer.headers["location"].startswith("/v1/reports/")


def check_body(response, answer):
    media = response["content"][answer.headers["content-type"]]
    if "x-itemSchema" in media:
        for line in answer.body.splitlines():
            validate(json.loads(line), media["x-itemSchema"])
    elif media["schema"].get("type") != "string":
        validate(answer.json, media["schema"])


@pytest.mark.parametrize("case", cases(), ids=lambda case: "-".join(map(str, case)))
def test_every_answer_is_given_as_documented(asker, case):
    method, path, status, kind = case
    answer = ask(asker, *case)
    assert answer.status == status, answer
    response = DOCUMENT["paths"][path][method]["responses"][str(status)]
    check_headers(response, answer, path)
    if method == "head" or status == 304:
        assert "content" not in response
        return
    if "/" not in kind:
        assert answer.problem == kind
    else:
        assert answer.headers["content-type"] == kind
    check_body(response, answer)


def test_lines_of_a_batch_show_each_kind_of_result(asker):
    """So that the check of its lines above has something to check."""
    lines = [json.loads(line) for line in asker.post_reports_200_ndjson().body.splitlines()]
    assert [line["status"] for line in lines] == [200, 409, 400, 201, 422, 413]
