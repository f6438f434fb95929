# SPDX-License-Identifier: Apache-2.0
"""A crowd of peers that are slow, each at one stage of a connection; a program of its own, so that
it does not hold up whoever is measured meanwhile.

crowd.py ORDER, where ORDER is JSON: port, authority, certificate, key, pause_s between two bytes,
and stages, {name: count}. Prints a line of JSON when all have begun, a line for each that was cut
(its stage, the seconds from the stage's beginning, and the status that it was told, if any), and
ends when its standard input does.
"""

import heapq
import json
import selectors
import socket
import ssl
import sys
import time

WHOAMI = b"GET /v1/whoami HTTP/1.1\r\nHost: localhost\r\n\r\n"
TAXONOMIES = b"GET /v1/taxonomy HTTP/1.1\r\nHost: localhost\r\n\r\n" * 150
POST = b"POST /v1/reports HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/%s\r\n%s\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked"
# At a time, so that the daemon's queue of new connections has room for others.
OPENING_MAX = 32


class Stage:
    """What a peer does at once, and what it sends byte by byte after that."""

    def __init__(self, at_once=b"", dripped=b"", is_secured=True, is_raw=False, reads=True):
        self.at_once = at_once
        self.dripped = dripped
        self.is_secured = is_secured  # the handshake is over when the stage begins
        self.is_raw = is_raw  # the bytes are those of the TLS records
        self.reads = reads


STAGES = {
    "silent": Stage(is_secured=False),
    "hello": Stage(is_secured=False, is_raw=True),
    "certificate": Stage(is_secured=False, is_raw=True),
    "idle": Stage(),
    "record": Stage(dripped=WHOAMI * 40, is_raw=True),
    "head": Stage(dripped=b"GET /v1/whoami HTTP/1.1\r\n" + b"X: 1\r\n" * 60),
    "body": Stage(POST % (b"json", b"Content-Length: 1000"), b"{" * 999),
    "chunk": Stage(POST % (b"json", CHUNKED), b"1\r\n{\r\n" * 400),
    "batch": Stage(POST % (b"x-ndjson", CHUNKED), b"1\r\n{\r\n" * 400),
    "answer": Stage(TAXONOMIES, reads=False),
}


class Peer:
    """One connection. Bytes for the wire wait in `outgoing`; what is in `slowly` is dripped."""

    def __init__(self, crowd, name):
        self.crowd = crowd
        self.name = name
        self.stage = STAGES[name]
        self.incoming, self.from_tls = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = crowd.context.wrap_bio(
            self.incoming, self.from_tls, server_hostname="localhost"
        )
        self.outgoing = b""
        self.slowly = b""
        self.began_at = None
        self.is_secured = False
        self.answer = b""
        self.plain = socket.socket()
        if not self.stage.reads:
            self.plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.plain.setblocking(False)
        self.plain.connect_ex(("127.0.0.1", crowd.port))

    def begin(self):
        self.began_at = time.monotonic()
        self.crowd.begun(self)

    def on_connected(self):
        if not self.stage.is_secured:
            self.begin()
        if self.name != "silent":
            self._shake_hands()
        if self.name == "hello":
            self.slowly, self.outgoing = self.outgoing, b""
        self.flush()

    def _shake_hands(self):
        try:
            self.tls.do_handshake()
            self.is_secured = True
        except ssl.SSLWantReadError:
            pass
        self.outgoing += self.from_tls.read()

    def on_secured(self):
        if self.name == "certificate":
            self.slowly, self.outgoing = self.outgoing, b""
            return
        self.begin()
        if self.stage.at_once:
            self._write(self.stage.at_once)
        self.slowly = self.stage.dripped
        if self.stage.is_raw:
            self.tls.write(self.slowly)
            self.slowly = self.from_tls.read()
        if not self.stage.at_once:
            self.tick()

    def _write(self, data):
        self.tls.write(data)
        self.outgoing += self.from_tls.read()

    def flush(self):
        while self.outgoing:
            try:
                self.outgoing = self.outgoing[self.plain.send(self.outgoing) :]
            except BlockingIOError:
                break
        self.crowd.watch(self)

    def tick(self):
        """A byte more, one way or the other."""
        if not self.stage.reads:
            self._read_one_byte()
        elif self.slowly:
            byte, self.slowly = self.slowly[:1], self.slowly[1:]
            if self.stage.is_raw:
                self.outgoing += byte
            else:
                self._write(byte)
            self.flush()

    def _read_one_byte(self):
        try:
            self.plain.recv(1)
        except BlockingIOError:
            pass

    def on_readable(self):
        data = self.plain.recv(65536)
        if not data:
            raise ConnectionError("the end")
        self.incoming.write(data)
        if not self.is_secured and self.name != "hello":
            self._shake_hands()
            if self.is_secured:
                self.on_secured()
            self.flush()
        elif self.is_secured:
            self._read_answer()

    def _read_answer(self):
        try:
            while part := self.tls.read(4096):
                self.answer += part
        except ssl.SSLWantReadError:
            pass

    def status(self):
        return int(self.answer[9:12]) if self.answer.startswith(b"HTTP/1.1 ") else None


class Crowd:
    def __init__(self, order):
        self.port = order["port"]
        self.pause_s = order["pause_s"]
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.load_verify_locations(order["authority"])
        self.context.load_cert_chain(order["certificate"], order["key"])
        # By turns, so that each stage has some from the beginning on.
        counts = order["stages"].items()
        longest = max(count for _, count in counts)
        self.to_come = [
            name for turn in range(longest) for name, count in counts if turn < count
        ][::-1]
        self.count = len(self.to_come)
        self.opening = set()
        self.begun_count = 0
        self.ticks = []
        self.selector = selectors.DefaultSelector()
        self.selector.register(sys.stdin, selectors.EVENT_READ, None)

    def watch(self, peer):
        mask = selectors.EVENT_READ if peer.stage.reads or not peer.is_secured else 0
        mask |= selectors.EVENT_WRITE if peer.outgoing else 0
        try:
            self.selector.unregister(peer.plain)
        except KeyError:
            pass
        if mask:
            self.selector.register(peer.plain, mask, peer)

    def open_more(self):
        while self.to_come and len(self.opening) < OPENING_MAX:
            peer = Peer(self, self.to_come.pop())
            self.opening.add(peer)
            self.selector.register(peer.plain, selectors.EVENT_WRITE, peer)

    def begun(self, peer):
        self.opening.discard(peer)
        self.begun_count += 1
        heapq.heappush(self.ticks, (peer.began_at + self.pause_s, id(peer), peer))
        if self.begun_count == self.count:
            say({"all": self.count})

    def ended(self, peer):
        seconds = None if peer.began_at is None else time.monotonic() - peer.began_at
        say({"stage": peer.name, "seconds": seconds, "status": peer.status()})
        try:
            self.selector.unregister(peer.plain)
        except KeyError:
            pass
        self.opening.discard(peer)
        peer.plain.close()

    def tick_all(self):
        """How long until the next one."""
        while self.ticks and self.ticks[0][0] <= time.monotonic():
            _, _, peer = heapq.heappop(self.ticks)
            if peer.plain.fileno() < 0:
                continue
            self.guarded(peer, peer.tick)
            heapq.heappush(self.ticks, (time.monotonic() + self.pause_s, id(peer), peer))
        return max(0, self.ticks[0][0] - time.monotonic()) if self.ticks else None

    def guarded(self, peer, action):
        try:
            action()
        except OSError:
            self.ended(peer)

    def on_event(self, peer, mask):
        if mask & selectors.EVENT_WRITE:
            if peer.began_at is None and not peer.outgoing and not peer.is_secured:
                peer.on_connected()
            else:
                peer.flush()
        if mask & selectors.EVENT_READ and peer.plain.fileno() >= 0:
            peer.on_readable()

    def run(self):
        while True:
            self.open_more()
            for key, mask in self.selector.select(self.tick_all()):
                if key.data is None:
                    return
                if key.data.plain.fileno() >= 0:
                    self.guarded(key.data, lambda: self.on_event(key.data, mask))


def say(line):
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    Crowd(json.loads(sys.argv[1])).run()
