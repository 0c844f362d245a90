#!/usr/bin/env python3
"""Bodies that cost a reader much, beside a stream of another model: nothing that clients send holds the loop up, and what they take
comes back. Prints the longest gaps of the stream, of /health and of the tick, what the loop computed in its longest turn, and the
resident memory. HEADROOM_STORM=N sends each storm N times."""

import json
import multiprocessing
import os
import threading
import time
import unittest

from headroomd import BUILD, DEMO_MODEL, SANITIZED, SMALL_MODEL, Daemon, ask, chat, eventually, make_gguf
from storming import MODEL, STORMS, storm

ROUNDS = int(os.environ.get("HEADROOM_STORM", "1"))
TURN_MAX_MS = 50  # of the loop's own computing
GAP_MAX_MS = 100  # of an answer of /health, less what the daemon and we waited for a processor
ATTEMPTS = 3  # a machine of others stalls once in a while; what stalls by itself does so each time
MEMORY_SPARE_KIB = 2048


def queued_ms(pid, tid):
    """How long a thread has waited for a processor."""
    with open(f"/proc/{pid}/task/{tid}/schedstat") as f:
        return int(f.read().split()[1]) / 1e6


class Watcher:
    """Reads a stream of another model, asks for /health and looks at the daemon's memory, until it is over."""

    def __init__(self, daemon):
        self.daemon, self.over = daemon, False
        self.gaps = {"stream": 0, "health": 0, "own": 0, "tick": 0, "memory": 0}

    def note(self, name, value):
        self.gaps[name] = max(self.gaps[name], value)

    def stream(self):
        body = json.dumps({"model": "demo", "prompt": "Once", "max_tokens": 400, "ignore_eos": True, "stream": True}).encode()
        while not self.over:
            with self.daemon.connect() as s:
                s.sendall(b"POST /v1/completions HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                          b"Content-Length: %d\r\n\r\n" % len(body) + body)
                s.recv(65536)
                s.recv(65536)  # the prompt is read
                before = time.monotonic()
                while s.recv(65536) and not self.over:
                    now = time.monotonic()
                    self.note("stream", (now - before) * 1000)
                    before = now

    def queued_ms(self):
        return queued_ms(self.daemon.pid, self.daemon.pid) + queued_ms("self", threading.get_native_id())

    def health(self):
        while not self.over:
            before, queued = time.monotonic(), self.queued_ms()
            told = ask(self.daemon, "GET", "/health").json()
            gap = (time.monotonic() - before) * 1000
            self.note("health", gap)
            self.note("own", gap - (self.queued_ms() - queued))
            self.note("tick", told["governor_tick_ms_ago"])
            self.note("memory", self.daemon.memory_kib())
            time.sleep(0.005)

    def watch(self, pipe):
        threads = [threading.Thread(target=f) for f in (self.stream, self.health)]
        for t in threads:
            t.start()
        pipe.recv()
        self.over = True
        for t in threads:
            t.join()
        pipe.send(self.gaps)


class Watch:
    """A watcher in a process of its own; the longest gaps are known when it is left."""

    def __init__(self, daemon):
        self.watcher, self.gaps = Watcher(daemon), {}

    def __enter__(self):
        self.pipe, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=self.watcher.watch, args=(theirs,))
        self.process.start()
        return self.gaps

    def __exit__(self, *what):
        self.pipe.send("over")
        self.gaps.update(self.pipe.recv())
        self.process.join()


class Storms(unittest.TestCase):
    def open(self):
        wide = make_gguf(os.path.join(BUILD, "storm-wide-256.gguf"), "--layers", "1", "--embd", "256", "--ff", "64", "--heads", "8",
                         "--kv-heads", "8", "--vocab", "280", "--ctx", "64")
        self.daemon = Daemon("keep_alive = forever\ncontext = 1024\n",
                             models={"demo.gguf": DEMO_MODEL, MODEL + ".gguf": SMALL_MODEL, "wide.gguf": wide})
        for model in ("demo", MODEL, "wide"):
            self.assertEqual(ask(self.daemon, "POST", "/v1/chat/completions", chat(model=model, max_tokens=1)).status, 200)
        with Watch(self.daemon) as self.calm:
            time.sleep(2.5)

    def settled(self, before):
        return self.daemon.memory_kib() <= before + MEMORY_SPARE_KIB

    def stalls(self, what, gaps):
        turn = self.daemon.status()["longest_turn_ms"]
        late = gaps["tick"] - self.calm["tick"]
        return [] if turn < TURN_MAX_MS and gaps["own"] < GAP_MAX_MS and late < GAP_MAX_MS else [(what, turn, gaps)]

    def check(self, run):
        """RUN tells what stalled, in a daemon of its own each time."""
        for _ in range(ATTEMPTS):
            self.open()
            try:
                stalls = run()
            finally:
                self.daemon.done()
            if not stalls or SANITIZED:
                return
            print(f"it stalled: {stalls}", flush=True)
        self.fail(f"it stalled each time: {stalls}")

    def storms(self):
        stalls = []
        print(f"{'':34} {'stream':>7} {'health':>7} {'own':>7} {'tick':>7} {'turn':>5} ms {'before':>8} {'at most':>8} {'after':>8} KiB", flush=True)
        for what, body, count in STORMS:
            text = body()
            before = self.daemon.memory_kib()
            with Watch(self.daemon) as gaps:
                for _ in range(ROUNDS):
                    statuses = storm(self.daemon.port, text, count)
                    self.assertEqual(len(statuses), count)
                    self.assertTrue(set(statuses) <= {200, 400, 413, 429, 503}, (what, statuses))
            eventually(lambda: self.settled(before) or SANITIZED)
            print(f"{what:34} {gaps['stream']:7.0f} {gaps['health']:7.0f} {gaps['own']:7.0f} {gaps['tick']:7.0f} "
                  f"{self.daemon.status()['longest_turn_ms']:5.1f}    {before:8} {gaps['memory']:8} {self.daemon.memory_kib():8}  "
                  f"{sorted(set(statuses))}", flush=True)
            stalls += self.stalls(what, gaps)
        return stalls

    def vectors(self):
        before = self.daemon.memory_kib()
        with Watch(self.daemon) as gaps:
            answer = ask(self.daemon, "POST", "/v1/embeddings", {"model": "wide", "input": ["x"] * 2048})
        self.assertEqual(answer.status, 200, answer.body[:300])
        self.assertEqual([len(d["embedding"]) for d in answer.json()["data"]], [256] * 2048)
        eventually(lambda: self.settled(before) or SANITIZED)
        self.assertEqual(self.daemon.status()["request_memory_bytes"], 0)
        print(f"2048 vectors: {gaps}, longest turn {self.daemon.status()['longest_turn_ms']:.1f} ms, {before} KiB before, "
              f"{self.daemon.memory_kib()} KiB after", flush=True)
        return self.stalls("2048 vectors", gaps)

    def test_nothing_stalls_and_memory_comes_back(self):
        self.check(self.storms)

    def test_an_answer_of_2048_vectors(self):
        """Megabytes of numbers, written one vector at a time."""
        self.check(self.vectors)


if __name__ == "__main__":
    unittest.main()
