# SPDX-License-Identifier: Apache-2.0
"""What clients were told in a script, read as a client reads it, and whether that may be."""
import json
import re
import shlex


class Wrong(Exception):
    pass


def demand(is_right, text):
    if not is_right:
        raise Wrong(text)


class Client:
    """What a script has one do."""

    def __init__(self):
        self.partner = None
        self.requests = 0
        self.takes_all = True
        self.line = 0
        self.line_of = {}


def clients_of(lines):
    clients = {}
    for line in lines:
        step, name, *rest = (shlex.split(line) + [""])[:4] if line else ("", "")
        if step == "connect":
            clients[name] = Client()
        client = clients.get(name)
        if client is None:
            continue
        if step in ("post", "send"):
            client.requests += 1
        if step == "send" and "x-ndjson" in line:
            client.line = 0
        elif step == "handshake":
            client.partner = rest[0]
        elif step == "line":
            client.line += 1
            client.line_of[rest[0]] = client.line
        elif step == "lines":
            client.line += int(rest[0])
        elif step in ("takes", "cut", "end"):
            client.takes_all = False
    return clients


# --- framing ---

class Cut(Exception):
    """The connection ended here."""


class Reader:
    def __init__(self, data):
        self.data = data

    def take(self, length):
        if len(self.data) < length:
            raise Cut
        taken, self.data = self.data[:length], self.data[length:]
        return taken

    def take_line(self):
        end = self.data.find(b"\r\n")
        if end < 0:
            raise Cut
        return self.take(end + 2)[:-2].decode()


def read_head(reader):
    line = reader.take_line()
    match = re.fullmatch(r"HTTP/1\.1 ([1-5]\d\d) [A-Z][A-Za-z -]+", line)
    demand(match, f"no status line: {line!r}")
    headers = {}
    while (line := reader.take_line()) != "":
        name, colon, value = line.partition(": ")
        demand(colon and name.lower() not in headers, f"no header, or one twice: {line!r}")
        headers[name.lower()] = value
    return int(match[1]), headers


def read_chunks(reader, lines):
    """Lines as they come: those before a cut were told."""
    text = b""
    while size := int(reader.take_line(), 16):
        text += reader.take(size)
        demand(reader.take(2) == b"\r\n", "a chunk is longer than it says")
        *whole, text = text.split(b"\n")
        lines += [json.loads(line) for line in whole]
    demand(reader.take(2) == b"\r\n" and text == b"", "no end of chunks or of a line")


def read_answers(data, takes_all):
    """Status, and the objects that came with it, of each answer."""
    reader = Reader(data)
    answers = []
    is_last = False
    while reader.data:
        demand(not is_last, f"bytes behind the last answer: {reader.data[:80]!r}")
        is_chunked = False
        try:
            status, headers = read_head(reader)
            if status == 100:
                continue
            is_last = headers.get("connection") == "close"
            is_chunked = headers.get("transfer-encoding") == "chunked"
            objects = []
            if is_chunked:
                answers.append((status, True, objects))
                read_chunks(reader, objects)
                continue
            demand("content-length" in headers, f"no length: {headers}")
            body = reader.take(int(headers["content-length"]))
            answers.append((status, False, [json.loads(body)]))
        except Cut:
            # A batch may be broken off; other answers only for want of a reader.
            demand(is_chunked or not takes_all, "an answer was not whole")
            break
    return answers


# --- what is said ---

def check_lines(client, status, lines):
    """Another status than 200 is that of an atomic batch: all of it is stored, or nothing. What was
    stored long before may be 200 in either."""
    last = 0
    for line in lines:
        demand(line["line"] > last, f"line {line['line']} after {last}")
        last = line["line"]
        fits = {200: True, 201: line["status"] in (200, 201)}.get(status, line["status"] != 201)
        demand(fits, f"a line of {line['status']} in an answer of {status}")
        report = line.get("receipt", {}).get("report_id")
        if report is not None:
            sent_as = client.line_of.get(report)
            demand(sent_as == last, f"line {last} is told of {report}, line {sent_as}")


def receipts_of(answers):
    """Each with the status it came with."""
    for status, is_batch, objects in answers:
        for said in objects:
            if "receipt" in said:
                yield said["status"], said["receipt"]
            elif not is_batch and "received_at" in said:
                yield status, said


def check_client(name, client, data, stored):
    answers = read_answers(data, client.takes_all)
    # The last may be a 408 for a request that never came.
    asked = [status for status, _, _ in answers if status != 408]
    demand(len(asked) <= client.requests, f"{len(asked)} answers to {client.requests} requests")
    for status, is_batch, objects in answers:
        if is_batch:
            check_lines(client, status, objects)
        else:
            partner = objects[0].get("partner", client.partner)
            demand(partner == client.partner, f"{client.partner} is called {partner}")
    last = 0
    for status, receipt in receipts_of(answers):
        whose, number = receipt["report_id"].split("-")
        demand(whose == name, f"{name} is told of {receipt['report_id']}")
        demand(int(number) > last, f"{name} is told of {number} after {last}")
        last = int(number)
        demand(status != 201 or receipt["report_id"] in stored,
               f"{receipt['report_id']} is {receipt['status']}, but not in the store")


def check(lines, printed):
    """Of all that "print" printed at the script's end."""
    reader = Reader(printed)
    sections = []
    while reader.data:
        end = reader.data.index(b"\n")
        name, length = reader.take(end + 1).split()
        sections.append((name.decode(), reader.take(int(length))))
    (_, stored), *told = sections
    clients = clients_of(lines)
    for name, data in told:
        try:
            check_client(name, clients[name], data, stored.decode().split())
        except (Wrong, ValueError, KeyError) as error:
            raise Wrong(f"{name}: {error!r}\n{data.decode(errors='replace')}") from error
