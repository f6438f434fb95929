# SPDX-License-Identifier: Apache-2.0
"""Two ways to speak to the daemon: raw bytes over mutual TLS, and JSON over a kept connection.

Both read answers with the same strict parser, so that an answer a lenient client would forgive
fails the test.
"""

import json
import re
import socket
import ssl
from dataclasses import dataclass, field

STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2}) ([ -~]*)")
HEADER_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ([!-~](?:[ -~]*[!-~])?)")
CHUNK_SIZE = re.compile(rb"[0-9a-fA-F]{1,8}")


def chunked(*chunks):
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return body + b"0\r\n\r\n"


class BadAnswer(AssertionError):
    """The daemon sent bytes that are no HTTP/1.1 answer."""


@dataclass
class Response:
    status: int
    headers: dict = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def problem(self):
        """The last part of a problem's type, after a check of what every problem has."""
        assert self.headers["content-type"] == "application/problem+json", self
        problem = self.json
        assert problem["status"] == self.status, self
        assert problem["title"], self
        prefix = "urn:intaked:problem:"
        assert problem["type"].startswith(prefix), self
        return problem["type"][len(prefix) :]

    @property
    def errors(self):
        """The (pointer, code) pairs of a refused report, in the order of the answer."""
        return [(error["pointer"], error["code"]) for error in self.json["errors"]]

    @property
    def closes(self):
        return self.headers.get("connection", "").lower() == "close"


def tls_context(authority, credential=None, version=ssl.TLSVersion.TLSv1_3):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = version
    context.maximum_version = version
    # Python takes an end without a close_notify for one with it, unless told otherwise.
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    context.load_verify_locations(authority)
    if credential:
        context.load_cert_chain(credential.certificate, credential.key)
    return context


class RawClient:
    """One TLS connection; what it sends and reads is up to the test."""

    def __init__(self, port, authority, credential=None, *, context=None, timeout=30, **options):
        self.context = context or tls_context(authority, credential, **options)
        plain = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket = self.context.wrap_socket(
                plain, server_hostname="localhost", suppress_ragged_eofs=False
            )
        except BaseException:
            plain.close()
            raise
        self.pending = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def send_byte_by_byte(self, data):
        """Each byte in a TLS record of its own."""
        for byte in data:
            self.socket.sendall(bytes([byte]))

    def _receive(self):
        try:
            data = self.socket.recv(65536)
        except ssl.SSLError as error:
            raise BadAnswer(f"cut in mid-answer after {self.pending[:200]!r}") from error
        if not data:
            raise BadAnswer(f"closed in mid-answer after {self.pending[:200]!r}")
        self.pending += data

    def _take_line(self):
        while b"\r\n" not in self.pending:
            if len(self.pending) > 65536:
                raise BadAnswer("a line without an end")
            self._receive()
        line, self.pending = self.pending.split(b"\r\n", 1)
        return line

    def _take(self, count):
        while len(self.pending) < count:
            self._receive()
        data, self.pending = self.pending[:count], self.pending[count:]
        return data

    def read_chunk(self):
        """The next chunk of a body that comes in chunks; b"" is its end."""
        size = self._take_line()
        if not CHUNK_SIZE.fullmatch(size):
            raise BadAnswer(f"chunk size {size!r}")
        chunk = self._take(int(size, 16))
        if self._take(2) != b"\r\n":
            raise BadAnswer("a chunk without its line end")
        return chunk

    def _take_chunks(self):
        body = b""
        while chunk := self.read_chunk():
            body += chunk
        return body

    def _take_headers(self):
        headers = {}
        while line := self._take_line():
            match = HEADER_LINE.fullmatch(line)
            if not match:
                raise BadAnswer(f"header line {line!r}")
            name = match[1].decode().lower()
            if name in headers:
                raise BadAnswer(f"header {name} twice")
            headers[name] = match[2].decode()
        return headers

    def read_head(self):
        """The head of the next answer, 1xx answers included."""
        line = self._take_line()
        match = STATUS_LINE.fullmatch(line)
        if not match:
            raise BadAnswer(f"status line {line!r}")
        return Response(int(match[1]), self._take_headers())

    def read_response(self, *, is_head=False):
        """The next answer, 1xx answers included."""
        response = self.read_head()
        if is_head or response.status < 200 or response.status in (204, 304):
            return response
        if response.headers.get("transfer-encoding") == "chunked":
            response.body = self._take_chunks()
        else:
            response.body = self._take(int(response.headers["content-length"]))
        return response

    def read_end(self):
        """Asserts that nothing more comes but a close_notify."""
        data = self.pending or self.socket.recv(1)
        assert data == b"", f"more than one answer: {data!r}"

    def exchange(self, data, *, is_head=False):
        self.send(data)
        return self.read_response(is_head=is_head)


def request_bytes(method, path, body=None, headers=None, content_type="application/json"):
    """A well-formed request; headers replace the ones it would have had, None removes one."""
    lines = {"Host": "localhost"}
    if body is not None:
        lines["Content-Type"] = content_type
        lines["Content-Length"] = str(len(body))
    lines.update(headers or {})
    head = f"{method} {path} HTTP/1.1\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value is not None)
    return head.encode() + b"\r\n" + (body or b"")


def encode(report):
    """A report's bytes; bytes stay as they are."""
    if isinstance(report, bytes):
        return report
    return json.dumps(report, ensure_ascii=False, separators=(",", ":")).encode()


class Client:
    """Keeps one connection and opens the next one when the daemon has closed it."""

    def __init__(self, port, authority, credential, **options):
        self.port = port
        self.context = tls_context(authority, credential)
        self.options = options
        self.connection = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def request(self, method, path, body=None, headers=None, **options):
        data = request_bytes(method, path, body, headers, **options)
        if not self.connection:
            self.connection = RawClient(self.port, None, context=self.context, **self.options)
        try:
            response = self.connection.exchange(data, is_head=method == "HEAD")
        except BaseException:
            self.close()
            raise
        if response.closes:
            self.close()
        return response

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, report, path="/v1/reports", **options):
        return self.request("POST", path, encode(report), **options)


def refusal_of(
    port, authority, credential=None, *, version=ssl.TLSVersion.TLSv1_3, timeout=15
):
    """The alert that ended the handshake, as OpenSSL spells it; fails when there was none.

    Nothing is sent after the handshake: under TLS 1.3 the server's alert arrives when the client
    believes to be connected, and bytes on their way would turn it into a reset.
    """
    context = tls_context(authority, credential, version)
    try:
        with RawClient(port, None, context=context, timeout=timeout) as client:
            answer = client.socket.recv(1)
    except ssl.SSLError as error:
        return error.reason
    raise AssertionError(f"no alert but {answer!r}")
