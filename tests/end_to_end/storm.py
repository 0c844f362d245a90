#!/usr/bin/env python3
"""Bodies that cost a reader much, beside a stream of another model: nothing that clients send holds the loop up, and what they take
comes back. Prints the longest gaps of the stream, of /health and of the tick, what the loop computed in its longest turn, and the
resident memory. HEADROOM_STORM=N sends each storm N times."""

import json
import os
import threading
import time
import unittest

from headroomd import BUILD, DEMO_MODEL, SANITIZED, SMALL_MODEL, Daemon, ask, chat, eventually, make_gguf
from storming import MODEL, STORMS, storm

ROUNDS = int(os.environ.get("HEADROOM_STORM", "1"))
TURN_MAX_MS = 50  # of the loop's own computing
GAP_MAX_MS = 100  # the promise, on two processors that have nothing else to do
CALM_MAX_MS = 25  # a machine with longer gaps without any storm has something else to do
MEMORY_SPARE_KIB = 2048


class Watch:
    """Reads a stream of another model, asks for /health and looks at the daemon's memory, until it is left."""

    def __init__(self, daemon):
        self.daemon, self.over = daemon, False
        self.gaps = {"stream": 0, "health": 0, "tick": 0, "memory": 0}
        self.threads = [threading.Thread(target=f) for f in (self.stream, self.health)]

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self.gaps

    def __exit__(self, *what):
        self.over = True
        for t in self.threads:
            t.join()

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

    def health(self):
        while not self.over:
            before = time.monotonic()
            told = ask(self.daemon, "GET", "/health").json()
            self.note("health", (time.monotonic() - before) * 1000)
            self.note("tick", told["governor_tick_ms_ago"])
            self.note("memory", self.daemon.memory_kib())
            time.sleep(0.005)


class Storms(unittest.TestCase):
    def setUp(self):
        wide = make_gguf(os.path.join(BUILD, "storm-wide-256.gguf"), "--layers", "1", "--embd", "256", "--ff", "64", "--heads", "8",
                         "--kv-heads", "8", "--vocab", "280", "--ctx", "64")
        self.daemon = Daemon("keep_alive = forever\ncontext = 1024\n",
                             models={"demo.gguf": DEMO_MODEL, MODEL + ".gguf": SMALL_MODEL, "wide.gguf": wide})
        self.addCleanup(self.daemon.done)
        for model in ("demo", MODEL, "wide"):
            self.assertEqual(ask(self.daemon, "POST", "/v1/chat/completions", chat(model=model, max_tokens=1)).status, 200)
        with Watch(self.daemon) as self.calm:
            time.sleep(2.5)

    def settled(self, before):
        return self.daemon.memory_kib() <= before + MEMORY_SPARE_KIB

    def check_gaps(self, what, gaps):
        if SANITIZED or max(self.calm["stream"], self.calm["health"]) > CALM_MAX_MS:
            print(f"SKIP: gaps under {GAP_MAX_MS} ms are for a machine with nothing else to do: {what}")
            return
        self.assertLess(self.daemon.status()["longest_turn_ms"], TURN_MAX_MS, what)
        for name in ("stream", "health"):
            self.assertLess(gaps[name], GAP_MAX_MS, (what, name))
        self.assertLess(gaps["tick"], self.calm["tick"] + GAP_MAX_MS, what)

    def test_nothing_stalls_and_memory_comes_back(self):
        print(f"{'':34} {'stream':>7} {'health':>7} {'tick':>7} {'turn':>5} ms {'before':>8} {'at most':>8} {'after':>8} KiB", flush=True)
        for what, body, count in STORMS:
            text = body()
            before = self.daemon.memory_kib()
            with Watch(self.daemon) as gaps:
                for _ in range(ROUNDS):
                    statuses = storm(self.daemon.port, text, count)
                    self.assertEqual(len(statuses), count)
                    self.assertTrue(set(statuses) <= {200, 400, 413, 429, 503}, (what, statuses))
            eventually(lambda: self.settled(before) or SANITIZED)
            print(f"{what:34} {gaps['stream']:7.0f} {gaps['health']:7.0f} {gaps['tick']:7.0f} {self.daemon.status()['longest_turn_ms']:5.1f}    {before:8} {gaps['memory']:8}"
                  f" {self.daemon.memory_kib():8}  {sorted(set(statuses))}", flush=True)
            self.check_gaps(what, gaps)

    def test_an_answer_of_2048_vectors(self):
        """Megabytes of numbers, written one vector at a time."""
        before = self.daemon.memory_kib()
        with Watch(self.daemon) as gaps:
            answer = ask(self.daemon, "POST", "/v1/embeddings", {"model": "wide", "input": ["x"] * 2048})
        self.assertEqual(answer.status, 200, answer.body[:300])
        self.assertEqual([len(d["embedding"]) for d in answer.json()["data"]], [256] * 2048)
        eventually(lambda: self.settled(before) or SANITIZED)
        self.assertEqual(self.daemon.status()["request_memory_bytes"], 0)
        print(f"2048 vectors: {gaps}, longest turn {self.daemon.status()['longest_turn_ms']:.1f} ms, {before} KiB before, "
              f"{self.daemon.memory_kib()} KiB after", flush=True)
        self.check_gaps("2048 vectors", gaps)


if __name__ == "__main__":
    unittest.main()
