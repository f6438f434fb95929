# SPDX-License-Identifier: Apache-2.0
"""Scripts that nobody wrote: what clients, database, clock and operator do to a worker, in any order.

Whatever happens in one, its ending brings it to rest: the store has room and answers, clients take
what they are sent, and all deadlines pass. Reports are named CLIENT-NUMBER, in the order in which they are sent.
"""

CLIENTS_MAX = 8

# Near what a script reaches, or as they are. Each is there in half of the scripts.
SETTINGS = {
    "quota reports_in_flight": (1, 2, 3),
    "quota reports_per_s": (1, 3),
    "quota reports_burst": (1, 5),
    "quota refusal_delay_ms": (0, 300, 5000),
    "quota connections": (1, 2),
    "listen max_connections": (1, 2, 3),
    "limits max_unread_bytes": (65536,),
    "limits write_timeout_ms": (500, 3000),
    "limits drain_timeout_ms": (0, 1000, 20000),
    "limits connection_life_ms": (1000, 5000),
    "limits input_pool_bytes": (1048576,),
    "limits max_batch_reports": (2, 5, 100000),
    "limits max_atomic_reports": (2, 5, 1000),
    "limits min_rate_bytes_per_s": (300, 1000),
}
# What a reload changes.
CHANGES = {
    "limits idle_timeout_ms": (1000, 60000),
    "limits report_bytes": (1024, 1048576),
    "listen max_connections": (1, 2, 300),
}
PARTNERS = ("", "north", "north south", "south north", "north=suspended south", "north south=suspended")
OUTCOMES = ("stored", "duplicate", "conflict", "superseded", "erased", "unavailable", "unstorable")

JSON = "Host: a\r\nContent-Type: application/json\r\n"
NDJSON = "Host: a\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n"
# {} is a report's name.
BATCHES = (
    "POST /v1/reports HTTP/1.1\r\n" + NDJSON + "\r\n",
    "POST /v1/reports?atomic=true HTTP/1.1\r\n" + NDJSON + "\r\n",
    "POST /v1/reports HTTP/1.1\r\n" + NDJSON + "Expect: 100-continue\r\n\r\n",
    "POST /v1/reports?atomic=true HTTP/1.1\r\n" + NDJSON + "Expect: 100-continue\r\n\r\n",
    "POST /v1/reports/validate HTTP/1.1\r\n" + NDJSON + "\r\n",
)
REQUESTS = (
    "GET /v1/whoami HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /v1/taxonomy HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /v1/nothing HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /v1/reports/{} HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /v1/reports/{} HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
    "GET /v1/reports/{} HTTP/1.0\r\nHost: a\r\n\r\n",
    "POST /v1/reports/{}/retraction HTTP/1.1\r\n" + JSON
    + 'Content-Length: 29\r\n\r\n{{"revision":1,"reason":"bad"}}',
)
# No whole request, or none that is right.
PIECES = (
    "POST /v1/reports HTTP/1.1\r\n" + JSON + "Content-Length: 0\r\n\r\n",
    "POST /v1/reports HTTP/1.1\r\n" + JSON + "Content-Length: 5\r\n\r\n",
    "POST /v1/reports HTTP/1.1\r\n" + JSON + "Content-Length: 900000\r\n\r\n",
    "POST /v1/reports HTTP/1.1\r\n" + JSON + "Content-Length: 4\r\nExpect: 100-continue\r\n\r\n",
    "x",
    "x" * 300,
    "\r\nGET /v1/who",
)


def quoted(text):
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\r", "\\r"), ("\n", "\\n")):
        text = text.replace(plain, escaped)
    return f'"{text}"'


def client_name(number):
    return f"C{number}"


class Author:
    """Writes one script: each method a step, into `lines`."""

    def __init__(self, rng):
        self.rng = rng
        self.lines = []
        self.clients = []
        self.batch_of = {}
        self.sent = dict.fromkeys(map(client_name, range(CLIENTS_MAX)), 0)
        # Those of an atomic batch share their fate, so they are not answered one at a time.
        self.answerable = []

    def write(self, *words):
        self.lines.append(" ".join(str(word) for word in words))

    def client(self):
        return self.rng.choice(self.clients)

    def new_report(self, client):
        self.sent[client] += 1
        report = f"{client}-{self.sent[client]}"
        if "atomic" not in self.batch_of.get(client, ""):
            self.answerable.append(report)
        return report

    def configure(self, settings):
        for setting, values in settings.items():
            if self.rng.random() < 0.5:
                self.write("configure", setting, self.rng.choice(values))

    def connect(self):
        if len(self.clients) == CLIENTS_MAX:
            return
        client = client_name(len(self.clients))
        self.clients.append(client)
        self.write("connect", client)
        if self.rng.random() < 0.9:
            self.write("handshake", client, self.rng.choice(("north", "north", "south", "nobody")))

    def say(self):
        client = self.client()
        if client in self.batch_of:
            self.go_on_with_batch(client)
            return
        kind = self.rng.choices(("post", "batch", "request", "piece"), (15, 30, 40, 10))[0]
        if kind == "post":
            self.write("post", client, self.new_report(client), self.rng.choice(("", "", "bad")))
        elif kind == "batch":
            self.batch_of[client] = self.rng.choice(BATCHES)
            self.write("send", client, quoted(self.batch_of[client]))
        elif kind == "request":
            request = self.rng.choice(REQUESTS)
            report = self.new_report(client) if "{}" in request else ""
            self.write("send", client, quoted(request.format(report)))
        else:
            self.write("send", client, quoted(self.rng.choice(PIECES)))

    def go_on_with_batch(self, client):
        kind = self.rng.choices(("line", "lines", "blank", "broken", "last"), (60, 15, 3, 2, 20))[0]
        if kind == "line":
            self.write("line", client, self.new_report(client), self.rng.choice(("", "", "bad")))
        elif kind == "lines":
            self.write("lines", client, self.rng.choice((1, 2, 30, 1200)), "x")
        elif kind == "blank":
            self.write("lines", client, self.rng.choice((1, 2)), '" "')
        elif kind == "broken":
            self.write("send", client, quoted("zz\r\n"))
        else:
            del self.batch_of[client]
            self.write("last", client)

    def listen(self):
        self.write("takes", self.client(), self.rng.choice((0, 10, 50, 1000, 20000, "all", "all")))

    def stutter(self):
        steps = (("hold",), ("deliver", 10), ("deliver", 200), ("deliver", "all"))
        step, *words = self.rng.choice(steps)
        self.write(step, self.client(), *words)

    def leave(self):
        self.write(self.rng.choice(("cut", "end")), self.client())

    def one_or_all(self):
        one = self.answerable and self.rng.random() < 0.5
        return self.rng.choice(self.answerable) if one else "all"

    def commit(self):
        self.write("perhaps answer", self.one_or_all(), "stored")

    def answer(self):
        self.write("perhaps answer", self.one_or_all(), self.rng.choice(OUTCOMES))

    def change_database(self):
        # A store without any room has something that waits, whose answer makes room.
        self.write(self.rng.choice(("room 1", "room 2", "room 100", "database away",
                                    "database back")))

    def pass_time(self):
        self.write("advance", self.rng.choice(("1ms", "200ms", "900ms", "3s", "20s")))

    def jump(self):
        self.write("jump", self.rng.choice(("-3600s", "3600s")))

    def change_partners(self):
        self.write("partners", self.rng.choice(PARTNERS))

    def revoke(self):
        self.write("revoke", self.client())

    def reload(self):
        self.configure(CHANGES)
        self.write("reload")

    def drain(self):
        self.write("drain")

    def write_script(self):
        self.configure(SETTINGS)
        if self.rng.random() < 0.9:
            self.write("partners north south")
        self.connect()
        for _ in range(self.rng.randint(10, 70)):
            self.rng.choices(list(STEPS), list(STEPS.values()))[0](self)
        if self.rng.random() < 0.1:
            self.write("drain")
            self.write("advance 25s")
            self.write("expect loop ended")
        return self.lines


# How often each is taken, of 1000.
STEPS = {
    Author.say: 540, Author.connect: 80, Author.commit: 110, Author.answer: 30, Author.listen: 70,
    Author.pass_time: 60, Author.change_partners: 25, Author.stutter: 15, Author.leave: 20,
    Author.reload: 15, Author.revoke: 10, Author.change_database: 15, Author.drain: 5,
    Author.jump: 5,
}


def make_up(rng):
    return Author(rng).write_script()


def ending(lines):
    """Brings to rest what these lines have begun, and looks at what is left."""
    rest = ["room 8000", "database back"]
    for client in (line.split()[1] for line in lines if line.startswith("connect ")):
        rest += [f"takes {client} all", f"deliver {client} all"]
    # Pipelined requests come to the store one after the other, and clients that had to wait when
    # others have gone.
    rest += ["perhaps commit", "advance 11s"] * 12 + ["perhaps commit", "advance 60s"] * 80
    return rest + ["expect everybody closed", "drain", "expect loop ended", "print"]
