# SPDX-License-Identifier: Apache-2.0
"""What our HTTP parser accepts, h11 accepts too, with the same method, target and body.

The other direction is not asked for: we are stricter. h11 is limited by the one exception in
`as_h11_takes_it`. INTAKED_LONG=1 makes it 1,000,000 mutated requests.
"""
import os
import random
import subprocess
from collections import Counter
from pathlib import Path

import h11

REQUESTS = 1_000_000 if os.environ.get("INTAKED_LONG") == "1" else 60_000
PORTION = 20_000
SEED = 20261109
DRIVER = Path(os.environ.get("INTAKED_BUILD", "build")) / "tests" / "http_parse"

HEADERS = [
    b"Host: intake.example", b"Content-Type: application/json", b"Accept: */*",
    b"User-Agent: intake-send/1.0", b"Connection: keep-alive", b"Connection: close",
    b"Expect: 100-continue", b"Content-Encoding: gzip", b"X-Empty:", b"If-None-Match: \"a\"",
]
METHODS = [b"POST", b"GET", b"HEAD", b"PUT", b"PROPFIND", b"OPTIONS", b"CONNECT"]
TARGETS = [b"/v1/reports", b"/v1/reports?atomic=true", b"/", b"/v1/reports/NH-1?revision=2"]
VERSIONS = [b"HTTP/1.1"] * 8 + [b"HTTP/1.0"]
BODIES = [b"", b"{}", b'{"a":1}\r\n', b"0\r\n\r\n", b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"]
# What has fooled parsers before: put in, or put in the place of something.
TOKENS = [
    b"\r\n", b"\n", b"\r", b" ", b"\t", b"\0", b"\x0b", b"\x0c", b"\x7f", b"\x80", b"\xff", b":",
    b",", b";", b"#", b"?", b"*", b"+", b"-", b"0x", b"0", b"5", b"00", b"chunked", b"Chunked",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: identity\r\n",
    b"Transfer-Encoding : chunked\r\n", b"Content-Length: 5\r\n", b"Content-Length: 0\r\n",
    b"Content-Length: +5\r\n", b"Host: other\r\n", b"Host: a b\r\n", b"\r\n\r\n", b"\r\n ",
    b"HTTP/1.0", b"HTTP/1.9", b"HTTP/2.0", b"http://h/", b"gzip, ",
]


def chunked(rng, body):
    out = bytearray()
    while body:
        size = rng.randint(1, len(body))
        out += rng.choice([b"%x", b"%X", b"%08x"]) % size + b"\r\n" + body[:size] + b"\r\n"
        body = body[size:]
    return bytes(out) + rng.choice([b"0", b"0", b"000"]) + b"\r\n\r\n"


def request(rng):
    """A request that is right."""
    version, body = rng.choice(VERSIONS), rng.choice(BODIES)
    lines = [HEADERS[0]] + rng.sample(HEADERS[1:], rng.randint(0, 6))
    if version == b"HTTP/1.1" and rng.random() < 0.4:
        lines.append(b"Transfer-Encoding: chunked")
        body = chunked(rng, body)
    elif body or rng.random() < 0.5:
        lines.append(b"Content-Length: %d" % len(body))
    rng.shuffle(lines)
    line = b" ".join([rng.choice(METHODS), rng.choice(TARGETS), version])
    return line + b"\r\n" + b"".join(header + b"\r\n" for header in lines) + b"\r\n" + body


def mutated(rng):
    data = bytearray(request(rng))
    for _ in range(rng.choice([0, 1, 1, 1, 2, 3])):
        at = rng.randrange(len(data))
        kind = rng.randrange(13) // 2
        if kind == 0:
            data[at] = rng.randrange(256)
        elif kind == 1:
            data[at:at] = rng.choice(TOKENS)
        elif kind == 2:
            del data[at:at + rng.choice([1, 1, 2, 5])]
        elif kind == 3:
            breaks = [i for i in range(len(data) - 1) if data[i:i + 2] == b"\r\n"]
            at = rng.choice(breaks) if breaks else at
            data[at:at + rng.choice([0, 1, 2])] = rng.choice(TOKENS)
        elif kind == 4:
            lines = bytes(data).split(b"\r\n")
            lines.insert(rng.randint(0, len(lines)), rng.choice(lines))
            data = bytearray(b"\r\n".join(lines))
        elif kind == 5:
            data += rng.choice([b"\r\n", b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", b"x"])
        else:
            del data[at:]
        if not data:
            break
    return bytes(data)


def ours(requests):
    """Our verdicts: word; with a head method, target, body so far; when whole the bytes used."""
    stream = b"".join(b"%d\n%s" % (len(data), data) for data in requests)
    output = subprocess.run([DRIVER], input=stream, capture_output=True, check=True).stdout
    verdicts = []
    for line in output.decode().splitlines():
        word, *rest = line.split()
        if rest:
            method, target, body = (b"" if h == "-" else bytes.fromhex(h) for h in rest[:3])
            used = int(rest[3]) if word == "done" else None
            verdicts.append((word, method, target, body, used))
        else:
            verdicts.append((word,))
    return verdicts


def as_h11_takes_it(data):
    """RFC 9112 2.2 lets a server skip one empty line before the request line; h11 does not."""
    return data[2:] if data.startswith(b"\r\n") else data


def theirs(data):
    taken = as_h11_takes_it(data)
    connection = h11.Connection(h11.SERVER)
    head, body, is_whole = None, b"", False
    try:
        connection.receive_data(taken)
        while (event := connection.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            if isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                is_whole = True
                break
    except h11.RemoteProtocolError as error:
        return ("bad", str(error))
    if head is None:
        return ("more",)
    if not is_whole:
        return ("part", head.method, head.target, body, None)
    return ("done", head.method, head.target, body, len(data) - len(connection.trailing_data[0]))


def test_h11_agrees_with_all_that_we_accept():
    counts = Counter()
    for seed in range(SEED, SEED + REQUESTS // PORTION):
        rng = random.Random(seed)
        requests = [mutated(rng) for _ in range(PORTION)]
        verdicts = ours(requests)
        assert len(verdicts) == PORTION
        for data, verdict in zip(requests, verdicts):
            counts[verdict[0]] += 1
            if verdict[0] in ("done", "part"):
                assert theirs(data) == verdict, data
    print(f"{counts.total()} requests, h11 agrees on {counts['done'] + counts['part']} accepted:",
          dict(counts))
    assert counts.total() == REQUESTS
    # Neither side may be idle: a parser that refused everything would agree with anything.
    assert min(counts["bad"], counts["done"]) > REQUESTS // 5, counts
    assert min(counts["part"], counts["more"]) > REQUESTS // 200, counts


def test_what_is_right_is_accepted_by_both():
    rng = random.Random(SEED)
    requests = [request(rng) for _ in range(2_000)]
    for data, verdict in zip(requests, ours(requests)):
        assert verdict[0] == "done", data
        assert theirs(data) == verdict, data
