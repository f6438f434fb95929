# SPDX-License-Identifier: Apache-2.0
"""A flood of connections, as many as one process makes, each gone or left behind at once.

flood.py KIND PORT SECONDS; prints how many there were.
"""

import collections
import random
import socket
import ssl
import struct
import sys
import time

HELD_MAX = 400
RESET_AT_CLOSE = struct.pack("ii", 1, 0)


def client_hello():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


HELLO = client_hello()
random_bytes = random.Random(1).randbytes
held = collections.deque()


def connect(port):
    plain = socket.create_connection(("127.0.0.1", port), timeout=30)
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
    return plain


def hold(plain):
    held.append(plain)
    if len(held) > HELD_MAX:
        held.popleft().close()


def garbage(plain):
    """No ClientHello, and then what is answered to it, to the end. A few look like the beginning of
    a longer one, which then does not come."""
    with plain:
        plain.sendall(random_bytes(300))
        plain.shutdown(socket.SHUT_WR)
        while plain.recv(4096):
            pass


def storm(plain):
    plain.close()


def half_hello(plain):
    plain.sendall(HELLO[: len(HELLO) // 2])
    hold(plain)


def half_handshake(plain):
    """The server has signed by then, which is what costs it most."""
    plain.sendall(HELLO)
    plain.recv(1)
    hold(plain)


def reset_handshake(plain):
    with plain:
        plain.sendall(HELLO)
        plain.recv(1)


KINDS = {
    "garbage": garbage,
    "storm": storm,
    "half-hello": half_hello,
    "half-handshake": half_handshake,
    "reset-handshake": reset_handshake,
}


def main(kind, port, seconds):
    ends_at = time.monotonic() + float(seconds)
    count = 0
    while time.monotonic() < ends_at:
        try:
            KINDS[kind](connect(int(port)))
        except ConnectionError:
            pass
        count += 1
    print(count)


if __name__ == "__main__":
    main(*sys.argv[1:])
