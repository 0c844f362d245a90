#!/usr/bin/env python3
"""http_damage - damaged HTTP requests against a live daemon: it answers each with an HTTP error or closes, and goes on serving.

Valid requests are mutated (bits, bytes, cuts, repetitions, swapped lines, splices of two), or made of random bytes and of
pieces of the grammar, sent whole or split at random points, and some are abandoned half-way. Run it on a daemon that is
built with sanitizers (make sanitize does). The seed is printed; the same seed sends the same bytes.

usage: http_damage.py [COUNT] [SEED]        COUNT defaults to $HEADROOM_DAMAGE_CASES or 2000
"""

import json
import os
import random
import re
import select
import sys
import time

from headroomd import Daemon, ask, chat, request

COUNT = int(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("HEADROOM_DAMAGE_CASES", "2000"))
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else 1
TOGETHER = 32

SMALL = chat(max_tokens=1)
SEEDS = [
    request("GET", "/health"),
    request("GET", "/v1/models", Accept="*/*", User_Agent="curl/8"),
    request("GET", "/v1/models/demo%3Aq4?x=%20"),
    request("HEAD", "/"),
    request("OPTIONS", "/v1/chat/completions", Origin="http://localhost", Access_Control_Request_Method="POST"),
    request("POST", "/v1/chat/completions", SMALL, Content_Type="application/json", Authorization="Bearer x"),
    request("POST", "/v1/chat/completions", dict(SMALL, stream=True, stream_options={"include_usage": True}, logprobs=True, top_logprobs=2)),
    request("POST", "/v1/completions", {"model": "demo", "prompt": [1, 2, 3], "max_tokens": 1, "stop": ["\n"], "logit_bias": {"5": -100}, "seed": 7}),
    request("POST", "/v1/chat/completions", SMALL, Expect="100-continue"),
    b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n"
    b"10\r\n{\"model\":\"demo\",\r\n1b;x=\"y\"\r\n\"prompt\":\"x\",\"max_tokens\":1}\r\n0\r\nT: 1\r\n\r\n",
    request("POST", "/v1/embeddings", {"model": "demo", "input": ["a", "b"]}),
    request("GET", "/health", Connection="Upgrade, HTTP2-Settings", Upgrade="h2c") + request("GET", "/"),
    request("GET", "http://127.0.0.1/v1/models", Connection="keep-alive") * 3,
]
PIECES = [b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/9.9", b"Content-Length: 5\r\n", b"Content-Length: -1\r\n",
          b"Content-Length: 18446744073709551616\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n", b"Host: b\r\n", b"Origin: http://x\r\n", b"Expect: 100-continue\r\n",
          b"Connection: close\r\n", b"ffffffffffffffff\r\n", b"0\r\n\r\n", b"-1\r\n", b"%00", b"%", b"%e2%28", b"{", b"[" * 2000, b"\"", b"\\u0000", b"\\ud800", b"\xff\xfe",
          b"null", b"1e999", b"-0", b"9" * 400, b"A" * 5000, b"X: " + b"y" * 34000 + b"\r\n", b"GET ", b"POST /v1/chat/completions HTTP/1.1\r\n", b"TRACE", b"\x16\x03\x01"]


def damage(rng):
    if rng.random() < 0.06:
        return rng.randbytes(rng.randrange(1, 3000))
    if rng.random() < 0.06:
        return b"".join(rng.choice(PIECES) for _ in range(rng.randrange(1, 20)))
    data = bytearray(rng.choice(SEEDS))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        at, kind = rng.randrange(len(data) + 1), rng.randrange(9)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and at < len(data):
            data[at] = rng.randrange(256)
        elif kind == 2:
            del data[at:at + rng.randrange(1, 40)]
        elif kind == 3:
            data[at:at] = rng.choice(PIECES)
        elif kind == 4:
            del data[at:]
        elif kind == 5:
            data[at:at] = data[at:at + rng.randrange(1, 200)]
        elif kind == 6:
            lines = bytes(data).split(b"\r\n")
            i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
            lines[i], lines[j] = lines[j], lines[i]
            data = bytearray(b"\r\n".join(lines))
        elif kind == 7:
            other = rng.choice(SEEDS)
            data[at:] = other[rng.randrange(len(other)):]
        else:
            numbers = list(re.finditer(rb"\d+", bytes(data)))
            if numbers:
                n = rng.choice(numbers)
                data[n.start():n.end()] = str(rng.choice((0, 1, -1, 2**31, 2**63, 2**64, int(n.group()) + 1, max(0, int(n.group()) - 1)))).encode()
        if not data:
            data = bytearray(b"\n")
    return bytes(data)


class Client:
    """Sends its pieces one after the other, then waits for an end of the answers."""

    def __init__(self, daemon, rng):
        data = damage(rng)
        cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.choice((0, 0, 1, 3))))
        self.data = data
        self.parts = [data[i:j] for i, j in zip([0] + cuts, cuts + [len(data)]) if i < j]
        self.leaves_early = rng.random() < 0.1
        self.heard = b""
        self.socket = daemon.connect()
        self.socket.setblocking(False)
        self.end = time.monotonic() + 20
        self.quiet_since = time.monotonic()

    def done(self):
        self.socket.close()
        return True

    def step(self):
        """True when it is over."""
        if self.parts:
            try:
                sent = self.socket.send(self.parts[0])
                self.parts[0] = self.parts[0][sent:]
                if not self.parts[0]:
                    self.parts.pop(0)
            except BlockingIOError:
                pass
            except OSError:
                self.parts = []
        elif self.leaves_early:
            return self.done()
        try:
            got = self.socket.recv(65536)
            if not got:
                return self.done()
            self.heard += got
            self.quiet_since = time.monotonic()
        except BlockingIOError:
            pass
        except OSError:
            return self.done()
        if not self.parts and self.heard and time.monotonic() - self.quiet_since > 0.05:
            return self.done()          # a connection that is kept alive, waiting for more
        assert time.monotonic() < self.end, f"no end after {self.data!r}; heard {self.heard!r}"
        return False


def judge(client, statuses):
    """Whatever comes is HTTP."""
    heard = client.heard
    if not heard:
        statuses["closed"] = statuses.get("closed", 0) + 1
        return
    found = re.match(rb"HTTP/1\.1 (\d{3}) [A-Z][A-Za-z ]+\r\n", heard)
    assert found, f"{client.data!r} was answered by {heard!r}"
    status = int(found.group(1))
    statuses[status] = statuses.get(status, 0) + 1
    assert status in (100, 200, 204, 400, 403, 404, 405, 408, 413, 415, 417, 429, 431, 501, 503, 505), f"{client.data!r} was answered by {heard!r}"
    if status >= 400 and b"\r\n\r\n" in heard and b"application/json" in heard and not client.data.startswith(b"HEAD"):
        length = int(re.search(rb"Content-Length: (\d+)", heard).group(1))
        body = heard.split(b"\r\n\r\n", 1)[1][:length]
        if len(body) == length and length:
            assert isinstance(json.loads(body)["error"]["message"], str), body


def main():
    daemon = Daemon("[server]\nheader_timeout = 300ms\nidle_timeout = 300ms\nbody_limit = 64K\n[models]\ncontext = 128\n")
    ask(daemon, "POST", "/v1/chat/completions", SMALL)
    started, statuses, clients, made = time.monotonic(), {}, [], 0
    while made < COUNT or clients:
        while made < COUNT and len(clients) < TOGETHER:
            clients.append(Client(daemon, random.Random(SEED * 1000003 + made)))
            made += 1
        select.select([c.socket for c in clients], [c.socket for c in clients if c.parts], [], 0.02)
        for c in list(clients):
            if c.step():
                judge(c, statuses)
                clients.remove(c)
        if daemon.process.poll() is not None:
            print(daemon.log())
            sys.exit(f"the daemon has ended; seed {SEED}, somewhere before request {made}")
    reply = ask(daemon, "POST", "/v1/chat/completions", SMALL)
    assert reply.status == 200, reply.body
    print(f"{made} damaged requests (seed {SEED}) in {time.monotonic() - started:.0f} s: "
          + ", ".join(f"{k} {v}" for k, v in sorted(statuses.items(), key=str)) + f"; the daemon holds {daemon.memory_kib()} KiB")
    daemon.done()


if __name__ == "__main__":
    main()
