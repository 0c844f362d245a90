#!/usr/bin/env python3
"""What lies in the models directory: names, links, files that are no models, files that are damaged; and who may use the state."""

import json
import os
import re
import shutil
import struct
import subprocess
import unittest

from headroomd import BUILD, DEMO_MODEL, Daemon, ask, chat


def text(value):
    return struct.pack("<Q", len(value)) + value.encode()


def gguf(tensor, **metadata):
    """A file with these texts as metadata and one small tensor."""
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, len(metadata))
    for key, value in metadata.items():
        head += text("general." + key) + struct.pack("<I", 8) + text(value)
    head += text(tensor) + struct.pack("<IQIQ", 1, 8, 0, 0)
    return head + b"\0" * (-len(head) % 32 + 32)


class Discovery(unittest.TestCase):
    def daemon_on(self, fill, conf="", model_confs=None):
        """A daemon whose models directory FILL has filled before the start."""
        class Filled(Daemon):
            def write(self, name, content):
                if name == "headroom.conf":
                    fill(os.path.join(self.scratch, "models"))
                super().write(name, content)
        daemon = Filled(conf, models={}, model_confs=model_confs)
        self.addCleanup(daemon.done)
        return daemon

    def ids(self, daemon):
        return [m["id"] for m in ask(daemon, "GET", "/v1/models").json()["data"]]

    def answer(self, daemon, model):
        return ask(daemon, "POST", "/v1/chat/completions", chat(model, max_tokens=1))

    def ctl(self, daemon, *command):
        return subprocess.run([BUILD + "/headroomctl", "--socket", daemon.control_path, *command], capture_output=True, text=True).stdout

    def test_links_are_names(self):
        def fill(folder):
            os.mkdir(folder + "/lib")
            for name in ("qwen", "lib/llama", "zeta", "real"):
                shutil.copy(DEMO_MODEL, f"{folder}/{name}.gguf")
            os.symlink("qwen.gguf", folder + "/default.gguf")
            os.symlink("lib", folder + "/all")
            os.symlink(".", folder + "/loop")
            os.link(folder + "/real.gguf", folder + "/hard.gguf")
        daemon = self.daemon_on(fill)
        self.assertEqual(self.ids(daemon), ["hard", "lib/llama", "qwen", "zeta"])
        for name in ("qwen", "default", "lib/llama", "all/llama", "zeta", "real", "hard", "llama", "qwen.gguf", "llama.GGUF"):
            self.assertEqual(self.answer(daemon, name).status, 200, name)
        self.assertEqual(daemon.log().count("loop: is left out: the link leads back"), 1)
        self.assertIn("loop: the link leads back", self.ctl(daemon, "models", "--all"))
        self.assertNotIn("loop", self.ctl(daemon, "models"))
        self.assertIn("loop: is left out: the link leads back", self.check(daemon).stdout)

    def check(self, daemon):
        return subprocess.run([BUILD + "/headroomd", "--check-config", "--config", daemon.scratch + "/headroom.conf"], capture_output=True, text=True)

    def test_files_that_are_no_models(self):
        def fill(folder):
            os.mkdir(folder + "/deep")
            files = {"mmproj": gguf("v.blk.0.weight", architecture="clip"), "deep/vision-of-qwen": gguf("mm.0.weight", type="mmproj"),
                     "my-lora": gguf("blk.0.attn_q.weight", type="adapter", architecture="llama"), "imatrix": gguf("blk.0.attn_q.weight.in_sum2")}
            for name, content in files.items():
                with open(f"{folder}/{name}.gguf", "wb") as f:
                    f.write(content)
            shutil.copy(DEMO_MODEL, folder + "/mmproj-is-only-a-name.gguf")
        daemon = self.daemon_on(fill)
        self.assertEqual(self.ids(daemon), ["mmproj-is-only-a-name"])
        told, table = self.ctl(daemon, "models", "--all"), self.ctl(daemon, "models")
        for name, kind in (("mmproj", "a projector"), ("deep/vision-of-qwen", "a projector"), ("my-lora", "an adapter"), ("imatrix", "an importance matrix")):
            self.assertIn(f"/{name}.gguf: it is {kind}", told)
            self.assertNotIn(name + " ", table)
            self.assertIn(f"/{name}.gguf: is left out: it is {kind}", self.check(daemon).stdout)
            self.assertEqual(daemon.log().count(f"event=left_out model={name} "), 1)
            refused = self.answer(daemon, name)
            self.assertEqual(refused.status, 404)
            self.assertIn(f"'{name}' is no model: it is {kind}", refused.json()["error"]["message"])
            self.assertEqual(ask(daemon, "GET", "/v1/models/" + name).status, 404)
        self.assertEqual(ask(daemon, "POST", "/v1/completions", {"prompt": "a", "max_tokens": 1}).status, 200)  # the only one needs no name
        self.assertEqual(json.loads(self.ctl(daemon, "--json", "models", "--all"))["left_out"][0]["why"][:5], "it is")

    def test_damaged_files_are_their_own_failure(self):
        size = os.path.getsize(DEMO_MODEL)

        def fill(folder):
            shutil.copy(DEMO_MODEL, folder + "/good.gguf")
            with open(DEMO_MODEL, "rb") as f, open(folder + "/cut.gguf", "wb") as out:
                out.write(f.read(187008))
            with open(folder + "/letter.gguf", "w") as out:
                out.write("Dear reader\n")
        daemon = self.daemon_on(fill)
        table = self.ctl(daemon, "models")
        self.assertRegex(table, r"good +not loaded +1\.[0-9]+ MiB")
        self.assertRegex(table, rf"cut +not loaded .* failed: it is cut off: 187008 of {size} bytes")
        self.assertRegex(table, r"letter +not loaded .* failed: not a GGUF file")
        self.assertEqual(self.answer(daemon, "good").status, 200)
        self.assertIn("cut off", self.answer(daemon, "cut").json()["error"]["message"])

    def test_names_that_nobody_has(self):
        daemon = self.daemon_on(lambda folder: [shutil.copy(DEMO_MODEL, f"{folder}/{name}.gguf") for name in ("llama-3.1-8b", "qwen3")])
        for asked, meant in (("lama-3.1-8b", "llama-3.1-8b"), ("Qwen33", "qwen3"), ("llama", "llama-3.1-8b")):
            refused = self.answer(daemon, asked)
            self.assertEqual(refused.status, 404)
            self.assertIn(f"did you mean '{meant}'", refused.json()["error"]["message"])
        self.assertNotIn("did you mean", self.answer(daemon, "gpt-4o").json()["error"]["message"])
        for name in ("QWEN3", "qwen3:latest", "Qwen3.GGUF", "llama:3.1-8b", "Llama-3.1:8b"):
            self.assertEqual(self.answer(daemon, name).status, 200, name)

    def test_the_three_nearest(self):
        names = ("qwen3-8b", "qwen3-4b", "qwen3-1b", "Qwen3-1B", "other")
        daemon = self.daemon_on(lambda folder: [shutil.copy(DEMO_MODEL, f"{folder}/{name}.gguf") for name in names])
        told = self.answer(daemon, "qwen3-9b").json()["error"]["message"]
        self.assertRegex(told, r"^there is no model 'qwen3-9b'; did you mean '[^']*' or '[^']*' or '[^']*'\?$")
        self.assertIn("no model 'QWEN3-1B'", self.answer(daemon, "QWEN3-1B").json()["error"]["message"])  # two are called so
        self.assertEqual(self.answer(daemon, "QWEN3-4B").status, 200)

    def test_a_default_model(self):
        daemon = self.daemon_on(lambda folder: [shutil.copy(DEMO_MODEL, f"{folder}/{name}.gguf") for name in ("a", "b")],
                                "default_model = b\n")
        answer = ask(daemon, "POST", "/v1/completions", {"prompt": "Once", "max_tokens": 1})
        self.assertEqual((answer.status, answer.json()["model"]), (200, "b"))

    def test_one_daemon_on_a_state_directory(self):
        daemon = self.daemon_on(lambda folder: None)
        second = subprocess.run([BUILD + "/headroomd", "--config", daemon.scratch + "/headroom.conf", "--control", daemon.scratch + "/other"],
                                capture_output=True, text=True, timeout=30)
        self.assertEqual(second.returncode, 1)
        self.assertIn(f"another headroomd, with pid {daemon.pid}, uses this state directory", second.stdout + second.stderr)

    def test_two_daemons_know_of_each_other(self):
        first, second = (self.daemon_on(lambda folder: None) for _ in range(2))
        claim = f"another headroomd (pid {first.pid}, user {os.geteuid()}) has a budget of "
        second.wait_for_log(re.escape(claim))
        self.assertIn(claim, self.ctl(second, "status"))
        self.assertIn(claim, self.check(second).stdout)
        self.assertNotIn(f"(pid {second.pid},", self.check(second).stdout + self.ctl(second, "status"))
        others = {one["pid"]: one for one in json.loads(self.ctl(first, "--json", "status"))["others"]}
        self.assertNotIn(first.pid, others)
        budget = json.loads(self.ctl(second, "--json", "status"))["budget_bytes"]
        self.assertEqual(others[second.pid]["budget_bytes"], budget)
        first.stop()
        self.assertNotIn(claim, self.ctl(second, "status"))
        self.assertFalse(os.path.exists(f"/dev/shm/headroomd.{os.geteuid()}.{first.pid}"))

    def test_check_config_steers_no_terminal_and_waits_for_nobody(self):
        daemon = self.daemon_on(lambda folder: None)
        daemon.write("headroom.conf", "[server]\nlisten = \x1b[2J\x07\n")
        os.mkdir(daemon.scratch + "/headroom.conf.d")
        os.mkfifo(daemon.scratch + "/headroom.conf.d/pipe.conf")
        said = subprocess.run([BUILD + "/headroomd", "--check-config", "--config", daemon.scratch + "/headroom.conf"], capture_output=True, timeout=20)
        self.assertEqual(said.returncode, 1)
        self.assertIn(b"pipe.conf: is no file", said.stdout)
        self.assertFalse(set(said.stdout) & (set(range(32)) - {10} | {127}))


if __name__ == "__main__":
    unittest.main()
