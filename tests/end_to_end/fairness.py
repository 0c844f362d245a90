#!/usr/bin/env python3
"""Two models that do not fit together, asked by twenty clients at random times: how long each class waits for its first word, and how often a
model is loaded; then the same with the rules switched off. The engines do as they are told (tests/tools/fake-engine.c), so that it is the queue
that is measured. tests/bench/fairness plays the same for ten minutes."""

import http.client
import json
import os
import random
import tempfile
import threading
import time
import unittest

from headroomd import BUILD, SLOW, Daemon

CLIENTS = 20
ENGINE = os.path.join(BUILD, "tools", "fake-engine")
LOAD_S, GRACE_S = 0.2, 0.25
WAIT_S = 60 * SLOW
RULES = f"min_residency = 1s\nturn = 2s\nbatch_age = 5s\nwait_timeout = {WAIT_S}s"
PLAIN = "min_residency = 0\nturn = forever\nbatch_age = forever"  # who is idle leaves, least recently used first, and nobody else


class Client(threading.Thread):
    """Asks when it has thought about the answer before, for a time without memory: twelve of the first model and often, eight of the second."""

    def __init__(self, daemon, number, end, scale):
        super().__init__()
        self.daemon_port, self.end, self.dice = daemon.port, end, random.Random(number)
        self.model, self.think_s = ("b", 1.5 * scale) if number % 5 >= 3 else ("a", 0.2 * scale)
        self.is_batch = number % 4 == 0
        self.waits, self.failures = [], []

    def ask(self):
        body = {"model": self.model, "stream": True, "max_tokens": self.dice.randint(4, 40), "messages": [{"role": "user", "content": "x"}]}
        connection = http.client.HTTPConnection("127.0.0.1", self.daemon_port, timeout=1200)
        begun = time.monotonic()
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json", "X-Headroom-Class": "batch" if self.is_batch else "interactive"})
        reply = connection.getresponse()
        waited, lines = None, []
        for line in reply:
            if line.startswith(b"data: ") and waited is None:
                waited = time.monotonic() - begun
            lines.append(line)
        connection.close()
        if reply.status == 200 and b"data: [DONE]\n" in lines:
            self.waits.append(waited)
        else:
            self.failures.append((reply.status, b"".join(lines)[-300:]))

    def run(self):
        time.sleep(self.dice.expovariate(1 / self.think_s))
        while time.monotonic() < self.end:
            self.ask()
            time.sleep(self.dice.expovariate(1 / self.think_s))


class Played:
    """What became of SECONDS under CONF, where everybody takes SCALE times as long."""

    def __init__(self, conf, seconds, scale=1):
        with tempfile.TemporaryDirectory() as folder:
            files = {f"{name}.gguf": os.path.join(folder, name) for name in "ab"}
            for path in files.values():
                with open(path, "w") as orders:
                    orders.write(f"weights=62914560\nparallel=4\nload_ms={LOAD_S * 1000 * scale:.0f}\ntoken_ms={10 * scale}\n")
            self.play(Daemon(f"context = 1024\n{conf}\n[memory]\nbudget = 100M\nreserve = 16M\n", models=files,
                             options=["--engine", ENGINE]), seconds, scale)

    def play(self, daemon, seconds, scale):
        try:
            clients = [Client(daemon, i, time.monotonic() + seconds, scale) for i in range(CLIENTS)]
            for c in clients:
                c.start()
            for c in clients:
                c.join()
            self.seconds = seconds
            self.loads = sum(daemon.model(name)["loads"] for name in "ab")
            self.waits = {word: sorted(w for c in clients if c.is_batch == is_batch for w in c.waits) for word, is_batch in (("interactive", False), ("batch", True))}
            self.failures = [f for c in clients for f in c.failures]
        finally:
            daemon.done()

    def tell(self, what):
        for word, waits in self.waits.items():
            at = [waits[min(int(len(waits) * part), len(waits) - 1)] for part in (0.5, 0.9, 0.99, 1)] if waits else [0] * 4
            print(f"{what:10} {word:12} {len(waits):5} answered; waited p50 {at[0]:6.2f} s, p90 {at[1]:6.2f} s, p99 {at[2]:6.2f} s, most {at[3]:6.2f} s", flush=True)
        print(f"{what:10} {self.loads / self.seconds * 60:.1f} loads a minute, {len(self.failures)} refused or given up", flush=True)


class Fairness(unittest.TestCase):
    def test_nobody_is_lost_or_given_up(self):
        rules, plain = Played(RULES, 14), Played(PLAIN, 10)
        rules.tell("rules")
        plain.tell("plain LRU")
        self.assertEqual(rules.failures, [])
        self.assertGreater(min(len(waits) for waits in rules.waits.values()), 10)
        self.assertLess(max(waits[-1] for waits in rules.waits.values()), WAIT_S)
        # A model that is idle stays for the pause of a client, and one that is busy for longer.
        self.assertLessEqual(rules.loads, 14 * SLOW / (LOAD_S + GRACE_S) + 2)


if __name__ == "__main__":
    unittest.main()
