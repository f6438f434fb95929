# SPDX-License-Identifier: Apache-2.0
"""Batches to send, whole or line by line, and their results, read as strictly as answers are."""

import gzip
import json
import ssl
from dataclasses import dataclass

from client import BadAnswer, encode

NDJSON = "application/x-ndjson"
PROBLEM_PREFIX = "urn:intaked:problem:"


@dataclass
class Result:
    """One line of an answer."""

    line: int
    status: int
    receipt: dict
    problem_body: dict
    retry_after: int

    @property
    def problem(self):
        return self.problem_body["type"][len(PROBLEM_PREFIX) :] if self.problem_body else None

    @property
    def errors(self):
        return [(error["pointer"], error["code"]) for error in self.problem_body["errors"]]


def read_result(text):
    """A result has its line, its status, and a receipt or else a problem of the same status."""
    found = json.loads(text)
    result = Result(
        found.pop("line"),
        found.pop("status"),
        found.pop("receipt", None),
        found.pop("problem", None),
        found.pop("retry_after", None),
    )
    assert not found, found
    if result.status in (200, 201):
        assert result.receipt and not result.problem_body, text
        assert result.retry_after is None, text
    else:
        assert result.problem_body and not result.receipt, text
        assert result.problem_body["status"] == result.status, text
        assert result.problem_body["title"], text
        assert result.problem_body["type"].startswith(PROBLEM_PREFIX), text
        assert (result.retry_after is not None) == (result.status in (429, 503)), text
    return result


def read_results(body):
    """All results of an answer, whose lines must have their endings and be in order."""
    assert body == b"" or body.endswith(b"\n"), body[-100:]
    results = [read_result(line) for line in body.splitlines()]
    numbers = [result.line for result in results]
    assert numbers == sorted(set(numbers)), numbers
    return results


def results_of(answer, status=200):
    """The results of a batch's answer, after a look at its head."""
    assert answer.status == status, answer
    assert answer.headers["content-type"] == NDJSON, answer
    return read_results(answer.body)


def statuses(results):
    return [result.status for result in results]


def join_lines(reports, ending=b"\n"):
    return b"".join(encode(report) + ending for report in reports)


def post_batch(client, body, *, query="", path="/v1/reports", headers=None):
    """body: bytes, or the reports to make lines of."""
    body = body if isinstance(body, bytes) else join_lines(body)
    return client.request("POST", path + query, body, headers, content_type=NDJSON)


def post_gzip(client, body, *, content_type=NDJSON, path="/v1/reports"):
    """body: what is to be unzipped by the daemon, or, as bytearray, what goes over the wire."""
    data = bytes(body) if isinstance(body, bytearray) else gzip.compress(body, mtime=0)
    return client.request(
        "POST", path, data, {"Content-Encoding": "gzip"}, content_type=content_type
    )


def batch_head(path="/v1/reports", length=None, **headers):
    """Of a batch in chunks, or of a declared length."""
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Type: {NDJSON}", framing]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "".join(line + "\r\n" for line in lines).encode() + b"\r\n"


def chunk_of(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


class Stream:
    """A batch whose lines are sent and whose results are read one by one."""

    def __init__(self, raw, path="/v1/reports", length=None, **headers):
        self.raw = raw
        self.is_chunked = length is None
        self.head = None
        self.pending = b""
        self.raw.send(batch_head(path, length, **headers))

    def send_bytes(self, data):
        self.raw.send(chunk_of(data) if self.is_chunked else data)

    def send(self, *reports):
        for report in reports:
            self.send_bytes(encode(report) + b"\n")

    def end(self):
        if self.is_chunked:
            self.raw.send(b"0\r\n\r\n")

    def read_head(self):
        if not self.head:
            self.head = self.raw.read_head()
            assert self.head.headers["content-type"] == NDJSON, self.head
            assert self.head.headers["transfer-encoding"] == "chunked", self.head
        return self.head

    def next_result(self):
        """None when the answer is over, as its last chunk says."""
        self.read_head()
        while b"\n" not in self.pending:
            chunk = self.raw.read_chunk()
            if not chunk:
                assert self.pending == b""
                return None
            self.pending += chunk
        line, self.pending = self.pending.split(b"\n", 1)
        return read_result(line)

    def results(self):
        """What is left of the answer."""
        return list(iter(self.next_result, None))

    def results_until_cut(self):
        """What comes of an answer that stays without its end."""
        found = []
        while True:
            try:
                result = self.next_result()
            except (BadAnswer, ConnectionResetError, ssl.SSLError):
                return found
            assert result, "the answer was closed by its last chunk"
            found.append(result)
