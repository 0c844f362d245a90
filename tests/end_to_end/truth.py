#!/usr/bin/env python3
"""truth - what happens to an engine from outside is seen and said: its process is stopped, its weights are written to."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from headroomd import BUILD, SMALL_MODEL, Daemon, ask, chat, eventually, request

SEEN_S = 5  # a stop is seen within


class Stopped(unittest.TestCase):
    def setUp(self):
        self.daemon = Daemon("context = 2048\n", models={"small.gguf": SMALL_MODEL})

    def tearDown(self):
        self.daemon.done()

    def ctl(self, *words):
        return subprocess.run([os.path.join(BUILD, "headroomctl"), "--socket", self.daemon.control_path, *words], capture_output=True,
                              text=True, timeout=60, check=True).stdout

    def stream(self):
        s = self.daemon.connect()
        s.sendall(request("POST", "/v1/chat/completions", chat("small", stream=True, ignore_eos=True, max_tokens=1500), Connection="close"))
        seen = s.recv(65536)
        while b'"content":"' not in seen:
            seen += s.recv(65536)
        return s

    def test_seen_said_and_survived(self):
        s = self.stream()
        pid = self.daemon.model("small")["pid"]
        os.kill(pid, signal.SIGSTOP)
        began = time.monotonic()
        try:
            self.daemon.wait_for_log("event=engine_stopped")
            self.assertLess(time.monotonic() - began, SEEN_S)
            self.assertTrue(self.daemon.model("small")["stopped"])
            self.assertIn("stopped", self.ctl("models"))
            self.assertIn(f"kill -CONT {pid}", self.ctl("explain", "small"))
            self.assertIn("stopped", self.ctl("events"))
            seen = b""
            while b": ping somebody stopped" not in seen:
                part = s.recv(65536)
                self.assertTrue(part)
                seen += part
        finally:
            os.kill(pid, signal.SIGCONT)
        self.daemon.wait_for_log("event=engine_goes_on")
        while b"[DONE]" not in seen[-64:]:
            part = s.recv(65536)
            self.assertTrue(part, seen[-200:])
            seen += part
        s.close()
        model = self.daemon.model("small")
        self.assertEqual((model["stopped"], model["pid"], model["deaths"]), (False, pid, 0))
        self.assertIn("goes_on", self.ctl("events"))

    def test_a_request_waits_for_a_stopped_one(self):
        self.assertEqual(ask(self.daemon, "POST", "/v1/chat/completions", chat("small", max_tokens=1)).status, 200)
        pid = self.daemon.model("small")["pid"]
        os.kill(pid, signal.SIGSTOP)
        try:
            self.daemon.wait_for_log("event=engine_stopped")
            s = self.daemon.connect()
            s.sendall(request("POST", "/v1/chat/completions", chat("small", max_tokens=1), Connection="close"))
            eventually(lambda: self.daemon.model("small")["waiting"] == 1)
        finally:
            os.kill(pid, signal.SIGCONT)
        self.assertIn(b" 200 ", s.recv(64))
        s.close()


class Changed(unittest.TestCase):
    def test_weights_that_change_under_the_mapping(self):
        with tempfile.TemporaryDirectory() as scratch:
            file = shutil.copy(SMALL_MODEL, scratch)
            daemon = Daemon("context = 2048\n", models={"small.gguf": file})
            self.assertEqual(ask(daemon, "POST", "/v1/chat/completions", chat("small", max_tokens=1)).status, 200)
            first = daemon.model("small")["pid"]
            with open(file, "ab") as f:
                f.write(b"\0" * 32)
            self.assertEqual(ask(daemon, "POST", "/v1/chat/completions", chat("small", max_tokens=1)).status, 200)
            daemon.wait_for_log("event=weights_changed")
            eventually(lambda: daemon.model("small")["loads"] == 2 and daemon.model("small")["state"] == "ready")
            self.assertNotEqual(daemon.model("small")["pid"], first)
            self.assertIn("file_changed", daemon.log())
            daemon.done()


if __name__ == "__main__":
    sys.exit(unittest.main())
