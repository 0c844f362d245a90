#!/usr/bin/env python3
"""prompts - prefixes of prompts on disk, with the real daemon and engine: found after everything was killed, with the answer that
would have come without; damaged files, a quota, a disk without room, and files that are another model's."""

import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from headroomd import DEMO_MODEL, SMALL_MODEL, Daemon, ask, eventually, make_gguf

CONF = "[cache]\nsize = {size}\nidle = {idle}\n[models]\ncontext = 512\nkeep_alive = {keep_alive}\n"
CAN_MOUNT = os.geteuid() == 0


def prompt(seed, words=320):
    """Some 300 to 400 tokens that the demo model has never seen in this order."""
    known = "the daemon loads a model when it is asked for and unloads one when another needs room a busy model is never".split()
    return " ".join(known[(i * 7 + i * i * seed) % len(known)] for i in range(words))


class Prompts(unittest.TestCase):
    def setUp(self):
        self.state = tempfile.mkdtemp(prefix="headroom-state-")
        self.folder = os.path.join(self.state, "prompts")

    def tearDown(self):
        shutil.rmtree(self.state)

    def start(self, size="100M", idle="100ms", keep_alive="5m", model=DEMO_MODEL, more=""):
        daemon = Daemon(CONF.format(size=size, idle=idle, keep_alive=keep_alive) + more, models={},
                        model_confs={"demo.conf": f"[model]\npath = {model}\n"}, options=("--state", self.state))
        self.addCleanup(self.kill, daemon)
        return daemon

    def files(self, pattern="*.kv"):
        return sorted(f for f in glob.glob(os.path.join(self.folder, pattern)) if not os.path.basename(f).startswith("damaged"))

    def complete(self, daemon, text, **more):
        reply = ask(daemon, "POST", "/v1/completions", dict({"model": "demo", "prompt": text, "temperature": 0, "max_tokens": 24}, **more))
        self.assertEqual(reply.status, 200, reply.body)
        answer = reply.json()
        return answer["choices"][0]["text"], answer["usage"]

    @staticmethod
    def cached(usage):
        return usage["prompt_tokens_details"]["cached_tokens"]

    def figures(self, daemon):
        return daemon.status()["prompt_cache"]

    @staticmethod
    def kill(daemon):
        """As a power cut would: the daemon, and with it its engines. Its log; "" where it was over before."""
        if daemon.process.poll() is not None:
            return ""
        daemon.process.kill()
        daemon.process.wait()
        log = daemon.log()
        shutil.rmtree(daemon.scratch)
        return log

    # --- the point of it ---

    def test_found_after_all_is_killed(self):
        daemon = self.start(size="0")
        alone = [self.complete(daemon, prompt(1)), self.complete(daemon, prompt(1) + " again and again")]
        self.assertIsNone(self.figures(daemon))
        daemon.done()
        self.assertEqual(self.files("*"), [])

        daemon = self.start()
        self.assertEqual(self.complete(daemon, prompt(1))[0], alone[0][0])
        eventually(lambda: self.figures(daemon)["files"] == 1)
        self.assertIn("event=prompt_kept", self.kill(daemon))
        self.assertEqual(os.stat(self.files()[0]).st_mode & 0o777, 0o600)

        daemon = self.start()
        text, usage = self.complete(daemon, prompt(1))
        self.assertEqual(text, alone[0][0])
        self.assertGreaterEqual(self.cached(usage), usage["prompt_tokens"] - 65)
        self.assertEqual(self.figures(daemon)["found"], 1)
        self.kill(daemon)

        daemon = self.start()  # the longest common prefix, of a prompt that ends otherwise
        text, usage = self.complete(daemon, prompt(1) + " again and again")
        self.assertEqual(text, alone[1][0])
        self.assertGreaterEqual(self.cached(usage), 256)
        text, usage = self.complete(daemon, prompt(2))
        self.assertEqual(self.cached(usage), 0)
        daemon.done()

    def test_found_by_another_engine_of_the_same_daemon(self):
        daemon = self.start(keep_alive="0s")  # unloaded at once: what it has is kept on the way
        first = self.complete(daemon, prompt(3))
        eventually(lambda: daemon.model("demo")["state"] == "absent")
        self.assertEqual(self.figures(daemon)["files"], 1)
        second = self.complete(daemon, prompt(3))
        self.assertEqual(first[0], second[0])
        self.assertEqual(self.cached(first[1]), 0)
        self.assertGreaterEqual(self.cached(second[1]), 256)
        eventually(lambda: daemon.model("demo")["state"] == "absent")
        self.assertEqual(self.figures(daemon)["files"], 1)  # it was on disk already
        self.assertEqual(self.figures(daemon)["kept"], 1)
        daemon.done()

    def test_kept_when_the_daemon_is_told_to_stop(self):
        daemon = self.start(idle="1h")
        first = self.complete(daemon, prompt(4))
        daemon.done()
        self.assertEqual(len(self.files()), 1)
        daemon = self.start(idle="1h")
        second = self.complete(daemon, prompt(4))
        self.assertEqual(first[0], second[0])
        self.assertGreaterEqual(self.cached(second[1]), 256)
        daemon.done()

    def test_an_engine_that_is_killed(self):
        daemon = self.start()
        first = self.complete(daemon, prompt(5))
        eventually(lambda: self.figures(daemon)["files"] == 1)
        os.kill(daemon.model("demo")["pid"], signal.SIGKILL)
        eventually(lambda: daemon.model("demo")["state"] == "absent")
        second = self.complete(daemon, prompt(5))
        self.assertEqual(first[0], second[0])
        self.assertGreaterEqual(self.cached(second[1]), 256)
        daemon.done()

    # --- what may be wrong ---

    def keep_one(self, seed):
        daemon = self.start()
        text, _ = self.complete(daemon, prompt(seed))
        eventually(lambda: self.figures(daemon)["files"] == 1)
        daemon.done()
        return text, self.files()[0]

    def test_damage(self):
        text, path = self.keep_one(6)
        with open(path, "rb") as f:
            good = f.read()
        harms = {  # where the daemon sees it when it starts, and where only the engine does
            "cut short": (good[:-100], True),
            "empty": (b"", True),
            "another footer": (good[:-3] + bytes([good[-3] ^ 1]) + good[-2:], True),
            "a bit of a key": (good[:5000] + bytes([good[5000] ^ 4]) + good[5001:], False),
            "a token": (good[:200] + bytes([good[200] ^ 1]) + good[201:], False),
            "the header": (good[:20] + bytes([good[20] ^ 1]) + good[21:], False),
        }
        for what, (bad, at_start) in harms.items():
            with self.subTest(what):
                for file in self.files() + glob.glob(os.path.join(self.folder, "damaged*")):
                    os.unlink(file)
                with open(path, "wb") as f:
                    f.write(bad)
                daemon = self.start(idle="1h")
                if at_start:
                    daemon.wait_for_log("event=prompt_cache_damaged")
                    self.assertEqual(self.figures(daemon)["files"], 0)
                again, usage = self.complete(daemon, prompt(6))
                self.assertEqual((again, self.cached(usage)), (text, 0))
                daemon.wait_for_log("event=prompt_cache_damaged .*set aside")
                eventually(lambda: self.figures(daemon)["damaged"] == 1)
                with open(os.path.join(self.folder, "damaged-0.kv"), "rb") as f:
                    self.assertEqual(f.read(), bad)
                daemon.done()

    def test_unfinished_and_strange_files(self):
        text, path = self.keep_one(7)
        for name in ("99.new", "readme", "0.kv", "abc.kv"):
            with open(os.path.join(self.folder, name), "w") as f:
                f.write("x" * 100)
        os.mkdir(os.path.join(self.folder, "55.kv"))
        os.symlink(path, os.path.join(self.folder, "56.kv"))
        daemon = self.start(idle="1h")
        eventually(lambda: self.figures(daemon)["files"] == 1)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "99.new")))
        again, usage = self.complete(daemon, prompt(7))
        self.assertEqual(again, text)
        self.assertGreaterEqual(self.cached(usage), 256)
        daemon.done()

    def test_a_file_of_another_model(self):
        """The same name, another file: what was kept is not found, and goes when the room is needed."""
        _, path = self.keep_one(8)
        daemon = self.start(model=SMALL_MODEL)
        _, usage = self.complete(daemon, prompt(8))
        self.assertEqual(self.cached(usage), 0)
        self.assertEqual(self.figures(daemon)["not_found"], 1)
        self.assertTrue(os.path.exists(path))
        daemon.done()

    # --- bounds ---

    def test_quota(self):
        """One file is 480 KiB: two fit, and those used longest ago go."""
        daemon = self.start(size="1200K")
        for seed in (11, 12):
            self.complete(daemon, prompt(seed))
            eventually(lambda: self.figures(daemon)["kept"] == seed - 10)
        self.assertEqual(self.figures(daemon)["files"], 2)
        self.kill(daemon)
        daemon = self.start(size="1200K")
        self.assertGreaterEqual(self.cached(self.complete(daemon, prompt(11))[1]), 256)  # the older one is used
        self.complete(daemon, prompt(13))
        eventually(lambda: self.figures(daemon)["kept"] == 1)
        figures = self.figures(daemon)
        self.assertEqual((figures["files"], figures["evicted"]), (2, 1))
        self.assertLessEqual(figures["bytes"], 1200 << 10)
        self.assertIn("event=prompts_evicted", daemon.log())
        eventually(lambda: sum(os.stat(f).st_size for f in self.files()) == figures["bytes"])
        self.kill(daemon)
        daemon = self.start(size="1200K", idle="1h")
        self.assertGreaterEqual(self.cached(self.complete(daemon, prompt(11))[1]), 256)
        self.assertEqual(self.cached(self.complete(daemon, prompt(12))[1]), 0)
        daemon.done()
        daemon = self.start(size="700K")  # a smaller one counts from the start
        eventually(lambda: len(self.files()) == 1)
        daemon.done()
        daemon = self.start(size="100K", idle="0s")  # less than one file
        eventually(lambda: self.files() == [])
        self.complete(daemon, prompt(11))
        time.sleep(0.3)
        self.assertEqual(self.files("*"), [])
        daemon.done()

    def test_a_longer_one_replaces_what_it_begins_with(self):
        daemon = self.start()
        self.complete(daemon, prompt(14, 180))
        eventually(lambda: self.figures(daemon)["kept"] == 1)
        self.complete(daemon, prompt(14))
        eventually(lambda: self.figures(daemon)["kept"] == 2)
        self.assertEqual(self.figures(daemon)["files"], 1)
        eventually(lambda: len(self.files()) == 1)
        daemon.done()

    def test_a_disk_without_room(self):
        if not CAN_MOUNT or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m", "none", self.state], stderr=subprocess.DEVNULL,
                                           check=False).returncode:
            self.skipTest("mounting is not allowed here")
        try:
            daemon = self.start()
            self.complete(daemon, prompt(15))
            daemon.wait_for_log("event=prompt_not_kept .*disk is too full")
            eventually(lambda: self.figures(daemon)["refused"] == 1)
            self.assertEqual(self.files("*"), [])
            self.complete(daemon, prompt(16))
            eventually(lambda: self.figures(daemon)["refused"] == 2)
            self.assertEqual(len(re.findall("event=prompt_not_kept", daemon.log())), 1)  # said once
            daemon.done()
        finally:
            subprocess.run(["umount", self.state], check=True)

    def test_a_place_that_cannot_be_written(self):
        with open(self.folder, "w") as f:
            f.write("no directory")
        daemon = self.start()
        self.complete(daemon, prompt(17))
        daemon.wait_for_log("event=prompt_cache_unreadable")
        daemon.done()

    # --- how much time it spares ---

    def test_time(self):
        """A prompt of some length, computed and read: a figure, and that it is less by far."""
        model = make_gguf(os.path.join(self.state, "long.gguf"), "--ctx", "8192")
        tokens = [(i * 7919) % 200 + 3 for i in range(6000)]
        took = []
        for _ in range(2):
            daemon = self.start(model=model, more="context = 8192\n")
            self.complete(daemon, tokens[:10])  # it is loaded
            begun = time.monotonic()
            text, usage = self.complete(daemon, tokens, max_tokens=1)
            took.append((time.monotonic() - begun, self.cached(usage), text))
            eventually(lambda: self.figures(daemon)["files"] >= 1)
            self.kill(daemon)
        (computed, none, text), (read, cached, again) = took
        self.assertEqual((none, text), (0, again))
        self.assertGreaterEqual(cached, 5900)
        print(f"6000 tokens: computed in {computed:.3f} s, read in {read:.3f} s ({os.path.getsize(self.files()[0]) >> 10} KiB)")
        self.assertLess(read, computed)


if __name__ == "__main__":
    sys.exit(unittest.main())
