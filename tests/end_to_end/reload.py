#!/usr/bin/env python3
"""A configuration that lives: reloads by SIGHUP, by headroomctl and by themselves, under load; what has not changed keeps running.

HEADROOM_RELOADS=1000 HEADROOM_STREAMS=20 is the long run; by default it is a short one.
"""

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import unittest

from headroomd import BUILD, DEMO_MODEL, SMALL_MODEL, Daemon, ask, chat, eventually, request

RELOADS = int(os.environ.get("HEADROOM_RELOADS", "30"))
STREAMS = int(os.environ.get("HEADROOM_STREAMS", "6"))


class Reload(unittest.TestCase):
    def daemon(self, models=("a",), **more):
        daemon = Daemon(models={}, **more)
        self.addCleanup(daemon.done)
        self.folder = daemon.scratch + "/models"
        for name in models:
            self.put(name)
        self.ctl(daemon, "reload")
        eventually(lambda: set(models) <= set(self.ids(daemon)))
        return daemon

    def put(self, name):
        shutil.copy(DEMO_MODEL, f"{self.folder}/{name}.gguf")

    def conf(self, daemon):
        with open(daemon.scratch + "/headroom.conf") as f:
            return f.read()

    def ids(self, daemon):
        return [m["id"] for m in ask(daemon, "GET", "/v1/models").json()["data"]]

    def ctl(self, daemon, *command):
        return subprocess.run([BUILD + "/headroomctl", "--socket", daemon.control_path, *command], capture_output=True, text=True)

    def answer(self, daemon, model):
        return ask(daemon, "POST", "/v1/chat/completions", chat(model, max_tokens=1))

    def stream(self, daemon, model, tokens=400):
        s = daemon.connect()
        s.sendall(request("POST", "/v1/chat/completions", chat(model, stream=True, max_tokens=tokens, ignore_eos=True), Connection="close"))
        return s

    def test_files_come_and_go_by_themselves(self):
        daemon = self.daemon()
        self.assertEqual(self.answer(daemon, "a").status, 200)
        pid = daemon.model("a")["pid"]
        began = time.monotonic()
        self.put("new")
        eventually(lambda: "new" in self.ids(daemon))
        self.assertLess(time.monotonic() - began, 2)
        os.mkdir(self.folder + "/deep")
        self.put("deep/er")
        eventually(lambda: "deep/er" in self.ids(daemon))
        os.rename(self.folder + "/new.gguf", self.folder + "/other.gguf")
        eventually(lambda: "other" in self.ids(daemon) and "new" not in self.ids(daemon))
        self.assertEqual(self.answer(daemon, "new").status, 404)
        self.assertEqual(daemon.model("a")["pid"], pid)
        self.assertEqual(daemon.model("a")["loads"], 1)

    def test_a_file_that_is_being_written_is_waited_for(self):
        daemon = self.daemon()
        with open(DEMO_MODEL, "rb") as f:
            content = f.read()
        with open(self.folder + "/slow.gguf", "wb") as out:
            for i in range(8):
                out.write(content[i * len(content) // 8:(i + 1) * len(content) // 8])
                out.flush()
                self.assertNotIn("slow", self.ids(daemon))
                time.sleep(0.2)
        eventually(lambda: "slow" in self.ids(daemon))
        self.assertNotIn("cut off", daemon.log())
        self.assertEqual(self.answer(daemon, "slow").status, 200)

    def test_one_that_vanishes_drains(self):
        daemon = self.daemon(models=("a", "b"))
        s = self.stream(daemon, "b", 300)
        self.assertIn(b"200", s.recv(100))
        os.unlink(self.folder + "/b.gguf")
        eventually(lambda: "b" not in self.ids(daemon))
        self.assertEqual(self.answer(daemon, "b").status, 404)
        body = b""
        while part := s.recv(65536):
            body += part
        s.close()
        self.assertIn(b"[DONE]", body)
        self.assertNotIn(b'"error"', body)
        eventually(lambda: "event=unloaded model=b reason=removed" in daemon.log())
        eventually(lambda: "b" not in [m["id"] for m in daemon.status()["models"]])

    def test_a_changed_one_counts_from_its_next_load(self):
        daemon = self.daemon()
        self.assertEqual(self.answer(daemon, "a").status, 200)
        pid = daemon.model("a")["pid"]
        self.put("next")
        os.rename(self.folder + "/next.gguf", self.folder + "/a.gguf")
        daemon.wait_for_log(r"what=\"~ model a: its file is another, from its next load\"")
        self.assertEqual(self.answer(daemon, "a").status, 200)
        self.assertEqual(daemon.model("a")["pid"], pid)
        self.assertEqual(self.ctl(daemon, "unload", "a").returncode, 0)
        self.assertEqual(self.answer(daemon, "a").status, 200)

    def test_settings(self):
        daemon = self.daemon()
        text = self.conf(daemon)
        self.assertIn("Nothing would change.", self.ctl(daemon, "reload", "--dry-run").stdout)
        daemon.write("headroom.conf", text.replace("[models]", "connections = 99\n[memory]\nbudget = 1GiB\n[models]\ncontext = 256\nkeep_alive = 9m\n"))
        told = self.ctl(daemon, "reload", "--dry-run").stdout
        for line in ("! [server] connections: 512 -> 99, needs a restart", "-> 1024 MiB, at once", "~ model a: context: auto -> 256, from its next load",
                     "~ model a: keep_alive: 300 s -> 540 s, at once"):
            self.assertIn(line, told)
        self.assertNotEqual(daemon.status()["budget_bytes"], 1 << 30)
        self.assertEqual(self.ctl(daemon, "reload").stdout, told)
        self.assertEqual(daemon.status()["budget_bytes"], 1 << 30)
        eventually(lambda: daemon.model("a")["n_ctx"] == 256)
        with open(f"/dev/shm/headroomd.{os.geteuid()}.{daemon.pid}") as claim:  # for other headroomds
            self.assertEqual(claim.read(), f"{daemon.pid} {1 << 30}\n")

    def test_what_is_no_mistake_is_said(self):
        daemon = self.daemon()
        os.symlink("nowhere.gguf", self.folder + "/broken.gguf")
        daemon.write("headroom.conf", self.conf(daemon) + "\n[memory]\nreserve = 100%\n")
        self.assertEqual(self.ctl(daemon, "reload").returncode, 0)
        self.assertRegex(daemon.log(), r"warning event=config .*are to stay free of the .* so no model can be loaded")
        self.ctl(daemon, "reload")
        self.assertEqual(len([line for line in daemon.log().splitlines() if "broken.gguf" in line]), 1)

    def test_a_mistake_leaves_everything_as_it_was(self):
        daemon = self.daemon()
        text = self.conf(daemon)
        daemon.write("headroom.conf", text + "\n[memory]\nbudget = 1GiB\nbugdet = 2\n")
        said = self.ctl(daemon, "reload")
        self.assertEqual(said.returncode, 1)
        line = text.count("\n") + 4
        self.assertIn(f"headroom.conf:{line}: unknown key 'bugdet' in [memory]; did you mean 'budget'?", said.stderr)
        self.assertNotEqual(daemon.status()["budget_bytes"], 1 << 30)
        os.kill(daemon.pid, signal.SIGHUP)
        daemon.wait_for_log(r"event=reload_failed")
        self.assertIn(f"headroom.conf:{line}: unknown key", daemon.log())
        self.assertEqual(self.answer(daemon, "a").status, 200)
        daemon.write("models.d/missing.conf", "[model]\npath = nowhere.gguf\n")  # a bad model is its own failure
        daemon.write("headroom.conf", text)
        self.assertIn("+ model missing", self.ctl(daemon, "reload").stdout)
        eventually(lambda: "failed: cannot open" in self.ctl(daemon, "models").stdout)
        self.assertEqual(self.answer(daemon, "a").status, 200)

    def test_a_mistake_in_the_file_of_a_model_at_the_start(self):
        daemon = Daemon(model_confs={"odd.conf": "[model]\npath = demo.gguf\nparalel = 2\n"}, models={"demo.gguf": DEMO_MODEL, "fine.gguf": SMALL_MODEL})
        self.addCleanup(daemon.done)
        self.assertRegex(self.ctl(daemon, "models").stdout, r"odd .* failed: .*models.d/odd.conf:3: unknown key 'paralel'")
        self.assertIn("unknown key 'paralel'", self.answer(daemon, "odd").json()["error"]["message"])
        self.assertEqual(self.answer(daemon, "fine").status, 200)
        daemon.write("models.d/odd.conf", "[model]\npath = demo.gguf\nparallel = 2\n")
        self.assertEqual(self.ctl(daemon, "reload").returncode, 0)
        self.assertEqual(self.answer(daemon, "odd").status, 200)

    def test_systemd_is_told(self):
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = f"/tmp/headroom-notify-{os.getpid()}"
        manager.bind(path)
        self.addCleanup(os.unlink, path)
        self.addCleanup(manager.close)
        manager.settimeout(20)
        daemon = Daemon(env={"NOTIFY_SOCKET": path})
        self.addCleanup(daemon.done)
        os.kill(daemon.pid, signal.SIGHUP)
        told = ""
        while "RELOADING=1\nMONOTONIC_USEC=" not in told:
            told = manager.recv(1000).decode()
        while told != "READY=1":
            told = manager.recv(1000).decode()

    def test_a_thousand_reloads_under_load(self):
        """Files come, go and change and settings too; no stream is cut, no engine that has not changed is started again."""
        daemon = self.daemon(models=("still", "quiet"), conf="keep_alive = forever\nparallel = 8\nqueue = 64\n")
        for name in ("still", "quiet"):
            self.assertEqual(self.answer(daemon, name).status, 200)
        pids = {name: daemon.model(name)["pid"] for name in ("still", "quiet")}
        text, ends, cut, over = self.conf(daemon), [], [], threading.Event()

        def keep_streaming(model):
            while not over.is_set():
                s = self.stream(daemon, model, 200)
                body = b""
                while part := s.recv(65536):
                    body += part
                ends.append(b"[DONE]" in body and b'"error"' not in body and body.startswith(b"HTTP/1.1 200"))
                if not ends[-1]:
                    cut.append(body[-600:])
                s.close()
        threads = [threading.Thread(target=keep_streaming, args=(("still", "quiet")[i % 2],)) for i in range(STREAMS)]
        for thread in threads:
            thread.start()

        def turn(i):
            if i % 3 == 0:
                self.put(f"visitor-{i % 7}")
            elif i % 3 == 1:
                for name in os.listdir(self.folder):
                    if name.startswith("visitor"):
                        os.unlink(f"{self.folder}/{name}")
                        break
            else:
                daemon.write("next.conf", text + f"[memory]\nreserve = {300 + i % 5}M\n")
                os.rename(daemon.scratch + "/next.conf", daemon.scratch + "/headroom.conf")
            if i % 2:
                os.kill(daemon.pid, signal.SIGHUP)
            else:
                self.assertEqual(self.ctl(daemon, "reload").returncode, 0)
        for i in range(10):
            turn(i)
        before = daemon.descriptors(), daemon.memory_kib()
        for i in range(10, RELOADS):
            turn(i)
        over.set()
        for thread in threads:
            thread.join()
        for name in os.listdir(self.folder):
            if name.startswith("visitor"):
                os.unlink(f"{self.folder}/{name}")
        eventually(lambda: self.ids(daemon) == ["quiet", "still"])
        after = daemon.descriptors(), daemon.memory_kib()
        print(f"{RELOADS} reloads, {len(ends)} streams, {ends.count(False)} cut; descriptors {before[0]} -> {after[0]}, memory {before[1]} -> {after[1]} KiB")
        self.assertEqual(cut[:1], [])
        self.assertTrue(ends)
        self.assertEqual({name: daemon.model(name)["pid"] for name in pids}, pids)
        self.assertEqual([daemon.model(name)["loads"] for name in pids], [1, 1])
        self.assertLessEqual(after[0], before[0] + 4)
        self.assertLess(after[1], before[1] + 4096)


if __name__ == "__main__":
    unittest.main()
