#!/usr/bin/env python3
"""connections - 2,000 idle clients, 512 bodies that trickle and slowhttptest's three attacks with 1,000 connections each, beside
clients that want to be served: none of these is refused, and each is answered within a second.

The figures are printed, one line an attack. Without slowhttptest its part is skipped and said.
"""

import asyncio
import resource
import shutil
import subprocess
import sys
import threading
import time
import unittest

from headroomd import Daemon, Reply, SLOW, ask, chat, read_all, request

WAIT_MAX_S = 1.0 * SLOW
ATTACK_S = 6


class Legitimate(threading.Thread):
    """Asks for health, for an answer of a model and for the operator's status in turn, each on a connection of its own."""

    def __init__(self, daemon):
        super().__init__()
        self.daemon_ = daemon
        self.ends = threading.Event()
        self.waits, self.refused, self.descriptors = [], [], 0

    def ask(self, what):
        if what == "status":
            return 200 if self.daemon_.status()["models_known"] == 1 else 0
        if what == "health":
            return ask(self.daemon_, "GET", "/health").status
        return ask(self.daemon_, "POST", "/v1/chat/completions", chat(max_tokens=1)).status

    def run(self):
        while not self.ends.is_set():
            for what in ("health", "chat", "status"):
                started = time.monotonic()
                try:
                    status = self.ask(what)
                except (OSError, AssertionError, IndexError) as e:
                    status = repr(e)
                self.waits.append(time.monotonic() - started)
                if status != 200:
                    self.refused.append((what, status))
            self.descriptors = max(self.descriptors, self.daemon_.descriptors())
            time.sleep(0.02)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ends.set()
        self.join()


class Connections(unittest.TestCase):
    def setUp(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))
        self.daemon = Daemon("context = 256\n")
        self.assertEqual(ask(self.daemon, "POST", "/v1/chat/completions", chat(max_tokens=1)).status, 200)    # loaded
        self.memory, self.descriptors = self.daemon.memory_kib(), self.daemon.descriptors()

    def tearDown(self):
        self.daemon.done()

    def judge(self, name, served):
        worst = max(served.waits)
        print(f"{name:34} {len(served.waits):5} requests, {len(served.refused)} refused, longest wait {worst * 1000:4.0f} ms; "
              f"at most {served.descriptors} descriptors, {self.daemon.memory_kib() - self.memory:+} KiB")
        self.assertEqual(served.refused, [])
        self.assertGreater(len(served.waits), 5)
        self.assertLess(worst, WAIT_MAX_S)
        self.assertLess(served.descriptors, self.descriptors + 600)

    def test_idle(self):
        with Legitimate(self.daemon) as served:
            many = [self.daemon.connect() for _ in range(2000)]
            time.sleep(1)
        self.judge("2000 idle connections", served)
        for s in many:
            s.close()

    async def trickle(self, seconds):
        """512 bodies of a megabyte, a few bytes at a time; whoever is cut off comes again."""
        async def one():
            while time.monotonic() < end:
                try:
                    reader, writer = await asyncio.open_connection("127.0.0.1", self.daemon.port)
                    writer.write(request("POST", "/v1/chat/completions", b"x" * (1 << 20))[:300])
                    while time.monotonic() < end and not reader.at_eof():
                        writer.write(b"x" * 20)
                        await writer.drain()
                        await asyncio.sleep(0.5)
                    writer.close()
                except OSError:
                    await asyncio.sleep(0.1)
        end = time.monotonic() + seconds
        await asyncio.gather(*(one() for _ in range(512)))

    def test_trickling_bodies(self):
        with Legitimate(self.daemon) as served:
            asyncio.run(self.trickle(ATTACK_S))
        self.judge("512 trickling bodies", served)

    def test_a_body_has_a_deadline_for_its_whole(self):
        with self.daemon.connect() as s:
            started = time.monotonic()
            s.sendall(request("POST", "/v1/chat/completions", b"x" * (1 << 20))[:300])
            s.settimeout(0.5)
            while time.monotonic() - started < 60 * SLOW:
                try:
                    reply = s.recv(65536)
                    break
                except TimeoutError:
                    s.sendall(b"x" * 1000)      # ever so steadily
            took = time.monotonic() - started
            s.settimeout(30)
            self.assertEqual(reply.split()[1:3], [b"408", b"Request"])
            self.assertGreater(took, 19)
            self.assertLess(took, 30 * SLOW)
            read_all(s)
        print(f"a body of 2 kB a second            ended after {took:.0f} s")

    def test_slowhttptest(self):
        if not shutil.which("slowhttptest"):
            print("SKIP slowhttptest is not installed")
            return
        url = f"http://127.0.0.1:{self.daemon.port}/v1/models"
        for name, mode in (("slow headers (slowhttptest -H)", ["-H"]), ("slow bodies (slowhttptest -B)", ["-B", "-s", "1000000"]),
                           ("slow readers (slowhttptest -X)", ["-X", "-k", "3", "-w", "1", "-y", "2", "-n", "1", "-z", "1"])):
            with Legitimate(self.daemon) as served:
                subprocess.run(["slowhttptest", *mode, "-c", "1000", "-r", "500", "-l", str(ATTACK_S), "-i", "1", "-p", "1", "-u", url],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)
            self.judge(name, served)

    def test_control_socket(self):
        """Idle operators do not shut others out either."""
        many = [self.daemon.connect_control() for _ in range(100)]
        for _ in range(5):
            self.assertEqual(self.daemon.status()["models_known"], 1)
        for s in many:
            s.close()

    def test_few_descriptors(self):
        """Of 96 descriptors clients get a quarter: under a storm of idle ones a model loads and the operator gets through."""
        self.daemon.done()
        self.daemon = Daemon("context = 256\n", wrapper=("prlimit", "--nofile=96:96"))
        self.assertIn("event=descriptor_limit", self.daemon.log())
        with Legitimate(self.daemon) as served:
            many = [self.daemon.connect() for _ in range(300)]
            operators = [self.daemon.connect_control() for _ in range(30)]
            time.sleep(1)
        self.assertEqual(served.refused, [])
        self.assertLess(served.descriptors, 96)
        self.assertNotIn("accept_failed", self.daemon.log())
        print(f"300 idle, 96 descriptors           {len(served.waits):5} requests, none refused, at most {served.descriptors} descriptors")
        for s in many + operators:
            s.close()

    def test_all_answering(self):
        """Streams that run keep their places, and health has one beside them."""
        self.daemon.done()
        self.daemon = Daemon("context = 256\nqueue = 64\n[server]\nconnections = 16\n")
        streams = [self.daemon.connect() for _ in range(14)]      # an eighth is for other addresses
        for s in streams:
            s.sendall(request("POST", "/v1/chat/completions", chat(max_tokens=230, stream=True, ignore_eos=True)))
        deadline = time.monotonic() + 5 * SLOW      # until the daemon has read all of them, a place may still be had
        while (status := ask(self.daemon, "GET", "/v1/models").status) == 200 and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual(status, 503)
        self.assertEqual(ask(self.daemon, "GET", "/health").status, 200)
        for s in streams:
            self.assertEqual(Reply(s).status, 200)
            s.close()


if __name__ == "__main__":
    sys.exit(0 if unittest.main(exit=False, verbosity=0).result.wasSuccessful() else 1)
