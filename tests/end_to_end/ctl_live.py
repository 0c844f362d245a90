#!/usr/bin/env python3
"""headroomctl with the real daemon and real engines, and the daemon as the units start it."""

import json
import os
import socket
import subprocess
import tempfile
import unittest

from ctl import SparseModel, ctl, environment
from headroomd import BUILD, DEMO, DEMO_MODEL, ROOT, SANITIZED, SMALL_MODEL, Daemon, eventually, read_all


class RealDaemon(unittest.TestCase):
    @staticmethod
    def predicted(name):
        """What loading reserves by the daemon's defaults, at first and when measuring has halved scratch and overhead."""
        path = os.path.join(DEMO, name + ".gguf")
        said = json.loads(ctl("fit", path, "--json", "--kv", "f16", "--bandwidth", "0").stdout)
        total = said["rows"][-1]["total_bytes"]
        return total, total - (said["model"]["scratch_bytes"] + said["model"]["overhead_bytes"]) // 2

    @classmethod
    def setUpClass(cls):
        # Room for either demo model and never for both, however much of the prediction is learned away. Sanitized engines hold more
        # than is predicted: there is room for both then.
        (first, first_least), (second, second_least) = cls.predicted("headroom-demo"), cls.predicted("headroom-demo-small")
        cls.budget = max(first, second) + (32 << 20 if SANITIZED else 64 << 10)
        assert SANITIZED or first_least + second_least > cls.budget
        cls.damaged = tempfile.NamedTemporaryFile(suffix=".gguf")
        cls.damaged.write(b"GGUF" + b"\x03" + b"\xff" * 60)
        cls.damaged.flush()
        cls.huge = SparseModel()
        cls.wide = tempfile.NamedTemporaryFile(suffix=".gguf")  # a file of its own: the same one would be one model
        with open(DEMO_MODEL, "rb") as f:
            cls.wide.write(f.read())
        cls.wide.flush()
        cls.daemon = Daemon(f"min_residency = 0ms\n[memory]\nbudget = {cls.budget}\nreserve = 16M\n",
                            models={"headroom-demo.gguf": DEMO_MODEL, "headroom-demo-small.gguf": SMALL_MODEL,
                                    "wide.gguf": cls.wide.name, "damaged.gguf": cls.damaged.name, "huge.gguf": cls.huge.path},
                            model_confs={"small.conf": "[model]\npath = headroom-demo-small.gguf\naliases = tiny\npriority = 3\n",
                                         "wide.conf": "[model]\npath = wide.gguf\ncontext = 262144\n"})
        cls.socket = cls.daemon.control_path

    @classmethod
    def tearDownClass(cls):
        cls.daemon.done()

    def tearDown(self):
        self.run_ctl("unload", "--all", "--force")

    def run_ctl(self, *args, **options):
        return ctl(*args, socket_path=self.socket, **options)

    def json(self, *args):
        return json.loads(self.run_ctl(*args, "--json").stdout)

    def test_it_is_there(self):
        status_ = self.json("status")
        self.assertEqual(status_["pid"], self.daemon.pid)
        self.assertEqual(status_["budget_bytes"], self.budget)
        self.assertEqual({m["id"] for m in status_["models"]}, {"headroom-demo", "small", "wide", "damaged", "huge"})
        text = self.run_ctl("status").stdout
        self.assertIn(f"pid {self.daemon.pid}", text)
        self.assertIn("budget", text)
        for command in (["ps"], ["models"], ["ps", "-q"], ["models", "-q"], ["status", "small"]):
            self.assertEqual(self.run_ctl(*command).returncode, 0)

    def test_load_ps_unload(self):
        result = self.run_ctl("load", "tiny")  # by its alias
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertRegex(result.stdout, r"^small: ready after ")
        self.assertEqual(self.run_ctl("ps", "-q").stdout, "small\n")
        loaded = self.json("ps")["models"][0]
        self.assertEqual((loaded["state"], loaded["priority"], loaded["loads"] >= 1), ("ready", 3, True))
        self.assertTrue(os.path.exists(f"/proc/{loaded['pid']}"))
        self.assertIn("aliases      tiny", self.run_ctl("status", "tiny").stdout)
        self.assertEqual(self.run_ctl("load", "small").returncode, 0)  # again: nothing to do
        self.assertEqual(self.json("unload", "small"), {"results": [{"model": "small", "state": "absent"}]})
        self.assertFalse(os.path.exists(f"/proc/{loaded['pid']}"))
        self.assertEqual(self.run_ctl("unload", "small").returncode, 0)

    def ask_for_weights(self, query):
        """Status and body."""
        with self.daemon.connect_control() as s:
            s.sendall(f"GET /control/weights?{query} HTTP/1.0\r\n\r\n".encode())
            head, body = read_all(s).split(b"\r\n\r\n", 1)
        return int(head.split()[1]), json.loads(body)

    def test_weights_are_told_and_read(self):
        path = os.path.join(self.daemon.scratch, "models", "headroom-demo-small.gguf")
        size = os.path.getsize(path)
        self.assertIn("of its weights in memory", self.run_ctl("load", "small").stdout)
        self.assertEqual(self.ask_for_weights("model=headroom-demo&warm_from=0")[1]["error"]["code"], "unloaded")  # it has no account
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        warmed = self.json("load", "--warm", "tiny")["results"][0]
        self.assertEqual((warmed["model"], warmed["weights_bytes"], warmed["weights_cached_bytes"]), ("small", size, size))
        for wrong in ("-1", "x", "1x", "9" * 30):
            self.assertEqual(self.ask_for_weights("model=small&warm_from=" + wrong)[0], 400)
        self.assertEqual(self.ask_for_weights("model=nobody")[0], 404)

    @unittest.skipIf(SANITIZED, "there is room for both")
    def test_one_makes_room_for_the_other(self):
        result = self.run_ctl("load", "small", "headroom-demo")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual(self.run_ctl("ps", "-q").stdout, "headroom-demo\n")

    @unittest.skipIf(SANITIZED, "there is room for both")
    def test_loads_are_told_and_replayed(self):
        """A made-room unload and a refused load: told by events and explain with those who were considered, recorded, replayed."""
        before = self.json("events")["last"]
        self.assertEqual(self.run_ctl("load", "small", "headroom-demo").returncode, 0)
        self.assertEqual(self.run_ctl("load", "wide").returncode, 1)
        told = [e for e in self.json("events")["events"] if e["number"] > before]
        self.assertEqual([(e["what"], e["model"], e["reason"]) for e in told if e["what"] in ("load", "unload", "refuse")],
                         [("load", "small", "operator"), ("unload", "small", "make_room"), ("load", "headroom-demo", "operator"), ("refuse", "wide", "never_fits")])
        unload = next(e for e in told if e["what"] == "unload")
        self.assertEqual((unload["for"], unload["considered_count"]), ("headroom-demo", 1))
        self.assertEqual([(c["model"], c["fate"]) for c in unload["considered"]], [("small", "leaves")])
        refusal = next(e for e in told if e["what"] == "refuse")
        self.assertGreater(refusal["needed_bytes"], refusal["limit_bytes"])
        self.assertIn(refusal["rule"], ("budget", "weights_fraction", "available"))
        lines = self.run_ctl("events", "small").stdout.splitlines()
        self.assertRegex(lines[-1], r"  unload small \(make_room for headroom-demo\): [\d.]+ MiB; considered: small (idle [\d.]+ m?s )?[\d.]+ MiB leaves$")
        self.assertRegex(self.run_ctl("explain", "small").stdout, r"ago it was unloaded to make room for headroom-demo; considered: small .* leaves")
        self.assertRegex(self.run_ctl("explain", "headroom-demo").stdout, r"ago small was unloaded to make room for it: .* leaves")
        self.assertRegex(self.run_ctl("explain", "wide").stdout, r"ago its load was refused, because the model is larger than this box may use for models: it needed ")
        self.daemon.wait_for_log(r"event=considered for=unload model=small count=1 candidates=.*leaves")
        flight = os.path.join(self.daemon.scratch, "flight.scenario")
        self.assertEqual(self.run_ctl("record", flight).returncode, 0)
        result = ctl("simulate", "--json", flight)
        self.assertEqual(result.returncode, 0, result.stderr)
        looks = json.loads(result.stdout)["looks"]
        unloads = [(u["because"], look["unloads"], look["loads"]) for look in looks for u in look["unloads"]]
        self.assertEqual(unloads[-1][0], "make_room")
        load = unloads[-1][2][0]
        self.assertEqual((load["verdict"], [c["fate"] for c in load["considered"]]), ("evict", ["leaves"]))
        refused = [load for look in looks for load in look["loads"] if load["refused"]]
        self.assertEqual([(r["verdict"], r["because"]) for r in refused][-1], ("never", "never_fits"))
        self.assertIn("considered:", ctl("simulate", flight).stdout)

    def test_fit_predicts_what_loading_reserves(self):
        self.assertEqual(self.run_ctl("load", "headroom-demo").returncode, 0)
        loaded = self.json("status", "headroom-demo")
        said = json.loads(ctl("fit", DEMO_MODEL, "--json", "--kv", loaded["kv_type"],
                              "--context", str(loaded["n_ctx"]), "--bandwidth", "0").stdout)
        self.assertEqual(said["model"]["weights_bytes"], loaded["weights_bytes"])
        self.assertEqual(said["rows"][0]["kv_bytes"], loaded["kv_bytes"])
        self.assertGreaterEqual(loaded["predicted_bytes"], said["rows"][0]["total_bytes"] // 2)  # measuring may have corrected the rest

    def test_what_cannot_be_loaded(self):
        for name, words in (("nobody", "nobody"), ("damaged", "GGUF"), ("huge", "")):
            result = self.run_ctl("load", name)
            self.assertEqual(result.returncode, 1, name)
            self.assertEqual(len(result.stderr.splitlines()), 1)
            self.assertIn(name, result.stderr)
            self.assertEqual(result.stdout, "")
        self.assertEqual(self.json("load", "nobody")["results"][0]["error"]["code"], "model_not_found")
        self.assertTrue(self.json("status", "damaged")["last_error"])
        self.assertIn("last error", self.run_ctl("status", "damaged").stdout)
        self.assertEqual(self.run_ctl("unload", "nobody").returncode, 1)

    def test_an_engine_that_was_killed(self):
        self.assertEqual(self.run_ctl("load", "small").returncode, 0)
        before = self.json("status", "small")
        os.kill(before["pid"], 9)
        eventually(lambda: self.json("status", "small")["deaths"] > before["deaths"])
        self.assertIn("KILL", self.json("status", "small")["last_exit"])
        self.assertRegex(self.run_ctl("status", "small").stdout, r"last exit +.*KILL")

    @unittest.skipUnless(os.getuid() == 0, "needs root to become someone else")
    def test_a_stranger_is_refused(self):
        os.chmod(self.daemon.scratch, 0o755)
        os.chmod(self.socket, 0o666)
        try:
            for command in (["status"], ["load", "small"], ["unload", "--all"]):
                result = self.run_ctl(*command, user=65534, group=65534, extra_groups=[])
                self.assertEqual(result.returncode, 1)
                self.assertIn("group", result.stderr)
        finally:
            os.chmod(self.socket, 0o660)
        self.assertEqual(self.run_ctl("status", user=65534, group=65534, extra_groups=[]).returncode, 3)


class AsAService(unittest.TestCase):
    """What the units promise systemd and the daemon keeps: sockets by the names they have there, READY, WATCHDOG, STOPPING."""

    def unit(self, name, key):
        with open(os.path.join(ROOT, "units", name)) as f:
            values = [line.split("=", 1)[1].strip() for line in f if line.startswith(key + "=")]
        return values[-1]

    def test_sockets_and_notifications(self):
        names = [self.unit("headroomd.socket", "FileDescriptorName"), self.unit("headroomd-control.socket", "FileDescriptorName")]
        with tempfile.TemporaryDirectory() as directory, socket.socket() as http_socket, socket.socket(socket.AF_UNIX) as control, \
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
            os.mkdir(os.path.join(directory, "models"))
            http_socket.bind(("127.0.0.1", 0))
            http_socket.listen()
            path = os.path.join(directory, "control.sock")
            control.bind(path)
            control.listen()
            notified.bind(os.path.join(directory, "notify"))
            notified.settimeout(20)
            env = environment(NOTIFY_SOCKET=os.path.join(directory, "notify"), WATCHDOG_USEC="400000", LISTEN_FDS="2", LISTEN_FDNAMES=":".join(names))
            start = "exec 3<&$1 4<&$2; shift 2; export LISTEN_PID=$$ WATCHDOG_PID=$$; exec \"$@\""
            fds = (http_socket.fileno(), control.fileno())
            daemon = subprocess.Popen(["bash", "-c", start, "bash", *map(str, fds), os.path.join(BUILD, "headroomd"), "--models", os.path.join(directory, "models"),
                                       "--state", directory, "--control", "/nonexistent/never", "--listen", "127.0.0.1:1"],
                                      pass_fds=fds, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                seen = notified.recv(4096).decode()
                self.assertIn("READY=1", seen)
                self.assertIn("STATUS=", seen)
                words = iter(lambda: notified.recv(4096).decode().strip(), None)
                said = [next(words)]
                while said[-1] != "WATCHDOG=1":
                    said.append(next(words))
                self.assertRegex(said[0], r"^STATUS=0 models loaded, .*, headroom -?[0-9.]+ [MG]iB")
                answer = json.loads(ctl("status", "--json", socket_path=path).stdout)
                self.assertEqual(answer["pid"], daemon.pid)
                self.assertEqual(answer["listen"], f"127.0.0.1:{http_socket.getsockname()[1]}")
                daemon.terminate()
                while "STOPPING=1" not in notified.recv(4096).decode():
                    pass
                self.assertEqual(daemon.wait(20), 0)
                self.assertTrue(os.path.exists(path))  # it is systemd's, not the daemon's, to remove
            finally:
                daemon.kill()
                daemon.wait()

    def test_it_waits_long_enough_for_the_end(self):
        with open(os.path.join(ROOT, "daemon", "base", "bounds.h")) as f:
            text = f.read()
        grace_s = int(text.split("#define STOP_GRACE_MS ")[1].split()[0]) / 1000
        self.assertGreater(float(self.unit("headroomd.service.in", "TimeoutStopSec")), grace_s + 10 + 10)


if __name__ == "__main__":
    unittest.main(verbosity=1)
