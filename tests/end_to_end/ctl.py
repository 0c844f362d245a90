#!/usr/bin/env python3
"""headroomctl from outside: every command, its exit status, its JSON, what it does with a daemon that is absent, slow,
hostile or refuses; and the bash completion. With the real daemon: ctl_live.py."""

import contextlib
import fcntl
import http.server
import json
import os
import pty
import select
import shutil
import socket
import socketserver
import struct
import subprocess
import tempfile
import termios
import threading
import time
import unittest

from headroomd import BUILD, DEMO_MODEL, ENGINE, ROOT, SMALL_MODEL

CTL = os.path.join(BUILD, "headroomctl")
COMPLETION = os.path.join(ROOT, "ctl", "completion", "headroomctl.bash")
GIB = 1 << 30


def environment(**more):
    env = {k: v for k, v in os.environ.items() if k not in ("HEADROOM_SOCKET", "NO_COLOR", "COLUMNS")}
    return dict(env, TERM="xterm", **more)


def ctl(*args, socket_path=None, timeout=60, **options):
    where = ["--socket", socket_path] if socket_path else []
    with contextlib.ExitStack() as stack:
        program = CTL
        if "user" in options:  # who cannot look into the folder we were built in
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            os.chmod(folder, 0o755)
            program = shutil.copy(CTL, folder)
        return subprocess.run([program, *where, *args], capture_output=True, text=True, timeout=timeout,
                              stdin=subprocess.DEVNULL, env=environment(), cwd="/", **options)


def on_terminal(args, columns=100, env=None, timeout=60):
    """Runs ARGS on a terminal of its own; returns the exit status and all that it wrote there."""
    try:
        pid, fd = pty.fork()
    except OSError as error:
        raise unittest.SkipTest(f"no terminal is to be had here: {error}")
    if pid == 0:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        os.execve(args[0], args, env or environment())
    out = b""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if not select.select([fd], [], [], 0.2)[0]:
            continue
        try:
            some = os.read(fd, 65536)
        except OSError:
            break
        if not some:
            break
        out += some
    os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), out.decode()


def model(name, state="absent", **more):
    loaded = state not in ("absent", "inspecting", "waiting")
    entry = {
        "id": name, "path": f"/var/lib/headroom/models/{name}.gguf", "state": state, "pinned": False, "priority": 0,
        "pid": 4243 if loaded else None, "running": 0, "waiting": 0, "predicted_bytes": 6 * GIB, "weights_bytes": 5 * GIB,
        "kv_bytes": GIB // 2, "scratch_bytes": GIB // 4, "overhead_bytes": GIB // 4,
        "measured_bytes": 5 * GIB if loaded else None, "peak_bytes": 5 * GIB if loaded else None, "n_ctx": 4096,
        "kv_tokens": 8192, "kv_type": "f16", "loaded_ms_ago": 723000 if loaded else None,
        "idle_ms": 3200 if loaded else None, "expires_in_ms": 296000 if loaded else None, "loads": 1, "deaths": 0,
        "requests": 214, "last_error": None, "last_exit": None, "last_stderr": None, "cooldown_ms": None, "aliases": [],
    }
    return dict(entry, **more)


def status(models):
    return {
        "version": "0.1.0", "pid": 4242, "uptime_s": 183600, "listen": "127.0.0.1:14376", "budget_bytes": 18 * GIB,
        "reserved_bytes": 6 * GIB, "measured_bytes": 5 * GIB, "weights_bytes": 5 * GIB, "weights_limit_bytes": 14 * GIB,
        "reserve_bytes": GIB, "available_bytes": 15 * GIB, "models_known": len(models),
        "models_loaded": sum(m["state"] != "absent" for m in models), "requests_running": 3, "requests_waiting": 1,
        "models": models,
    }


class FakeDaemon:
    """Answers as told: `answers` maps "GET /path" to a function of the body that returns (status, bytes)."""

    def __init__(self, answers):
        self.directory = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.directory.name, "control.sock")
        self.seen = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                key = f"{self.command} {self.path}"
                outer.seen.append((key, json.loads(body) if body else None))
                reply = answers[key](json.loads(body) if body else None)
                if reply is None:  # hang up
                    self.close_connection = True
                    return
                code, text = reply
                text = text if isinstance(text, bytes) else json.dumps(text).encode()
                try:
                    self.send_response(code)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text)
                except OSError:  # it has left
                    self.close_connection = True

            do_GET = do_POST = answer

            def log_message(self, *args):
                pass

            def address_string(self):
                return "unix"

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True

        self.server = Server(self.path, Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.directory.cleanup()


def fake(models, **more):
    answers = {
        "GET /control/status": lambda _: (200, status(models)),
        "GET /control/models": lambda _: (200, {"models": models}),
        "POST /control/load": lambda body: (200, {"model": body["model"], "state": "ready"}),
        "POST /control/unload": lambda body: (200, {"model": body["model"], "state": "absent"}),
    }
    answers.update(more.get("answers", {}))
    return FakeDaemon(answers)


def refusal(code, word, message, **more):
    return code, {"error": {"message": message, "type": "server_error", "code": word, "param": None, **more}}


class CommandLine(unittest.TestCase):
    def test_help_of_everything(self):
        whole = ctl("--help")
        self.assertEqual(whole.returncode, 0)
        for command in ("status", "ps", "models", "load", "unload", "protect", "reload", "key", "events", "explain", "trace", "record", "fit", "simulate"):
            self.assertIn(command, whole.stdout)
            one = ctl(command, "--help")
            self.assertEqual((one.returncode, one.stderr), (0, ""))
            self.assertIn("usage: headroomctl " + command, one.stdout)
        self.assertRegex(ctl("--version").stdout, r"^headroomctl \d+\.\d+\.\d+\S*\n$")

    def test_wrong_usage(self):
        for args in ([], ["bogus"], ["load"], ["fit"], ["simulate"], ["simulate", "x", "--plot", "x.jpg"], ["ps", "x"],
                     ["status", "--bogus"], ["events", "a", "b"], ["explain"], ["record", "a", "b"], ["trace"], ["trace", "a", "b"],
                     ["trace", "a", "--minutes", "0"], ["trace", "a", "--minutes", "61"], ["trace", "a", "--minutes", "1.5"],
                     ["trace", "a", "--minutes", "5", "--stop"], ["unload"], ["unload", "--all", "x"], ["protect", "a"], ["protect", "a", "1m", "b"],
                     ["fit", "x", "--context", "0"], ["fit", "x", "--context", "1,,2"], ["fit", "x", "--kv", "q5_0"],
                     ["fit", "x", "--budget", "lots"], ["fit", "x", "--parallel", "0"], ["fit", "x", "--bandwidth", "nan"],
                     ["fit", "x", "--weights-fraction", "1.5"], ["fit", "x", "--threads", "9999"]):
            result = ctl(*args)
            self.assertEqual(result.returncode, 2, args)
            self.assertEqual(result.stdout, "", args)
            self.assertTrue(result.stderr)

    def test_a_full_disk_is_told(self):
        with open("/dev/full", "w") as full:
            result = subprocess.run([CTL, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, env=environment())
        self.assertEqual(result.returncode, 1)
        self.assertIn("cannot write", result.stderr)


class NoDaemon(unittest.TestCase):
    COMMANDS = (["status"], ["ps"], ["models"], ["load", "a", "b"], ["unload", "a"], ["unload", "--all"], ["status", "a"],
                ["events"], ["events", "--follow"], ["explain", "a"], ["record"], ["protect", "a", "1m"], ["trace", "a"], ["trace", "a", "--stop"])

    def test_nobody_there(self):
        for path in ("/nonexistent/control.sock", "/dev/null"):
            for command in self.COMMANDS:
                result = ctl(*command, socket_path=path)
                self.assertEqual(result.returncode, 3, command)
                self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
                self.assertIn("no daemon answers at " + path, result.stderr)
                self.assertIn("systemctl start headroomd", result.stderr)
                self.assertEqual(result.stdout, "")
                result = ctl(*command, "--json", socket_path=path)
                self.assertEqual(result.returncode, 3)
                self.assertIn("unreachable", json.dumps(json.loads(result.stdout)))

    def test_a_dead_socket(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "s")
            with socket.socket(socket.AF_UNIX) as s:
                s.bind(path)
            self.assertEqual(ctl("ps", socket_path=path).returncode, 3)

    def test_the_environment_names_the_socket(self):
        result = subprocess.run([CTL, "ps"], capture_output=True, text=True, env=environment(HEADROOM_SOCKET="/nonexistent/s"))
        self.assertEqual(result.returncode, 3)
        self.assertIn("/nonexistent/s", result.stderr)

    def test_a_path_too_long(self):
        self.assertEqual(ctl("ps", socket_path="/tmp/" + "x" * 200).returncode, 2)

    @unittest.skipUnless(os.getuid() == 0, "needs root to become someone else")
    def test_not_allowed(self):
        with fake([]) as daemon:
            os.chmod(daemon.directory.name, 0o755)
            os.chmod(daemon.path, 0o600)
            result = ctl("ps", socket_path=daemon.path, user=65534, group=65534, extra_groups=[])
            self.assertEqual(result.returncode, 3)
            self.assertIn("group headroom", result.stderr)


class HostileDaemon(unittest.TestCase):
    def answer_with(self, reply, *args):
        with fake([], answers={"GET /control/status": lambda _: reply, "GET /control/models": lambda _: reply}) as daemon:
            return ctl(*args, socket_path=daemon.path)

    def test_what_is_no_answer(self):
        for reply, expected in (((200, b""), 1), ((200, b"<html>hello</html>"), 1), ((200, b"[1]"), 1), ((200, b"{"), 1), ((200, b"[" * 100000), 1),
                                ((404, b"{}"), 1), ((500, b"x"), 1), ((302, b"{}"), 1), ((200, b" " * (17 << 20)), 1), (None, 3)):
            result = self.answer_with(reply, "status")
            self.assertEqual(result.returncode, expected, reply and reply[1][:20])
            self.assertEqual(len(result.stderr.splitlines()), 1)
            self.assertEqual(result.stdout, "")

    def test_strange_types_are_survived(self):
        strange = [None, 1, -1, 1e300, "x", "\x1b[2J", [], {}, True]
        for value in strange:
            broken = {key: value for key in status([])}
            broken["models"] = [value, {key: value for key in model("a")}, {}]
            for command in (["status"], ["ps"], ["models"], ["status", "a"], ["ps", "-q"], ["models", "-q"]):
                result = self.answer_with((200, broken), *command)
                self.assertIn(result.returncode, (0, 1), (value, command))
                self.assertNotIn("\x1b", result.stdout + result.stderr)

    def test_no_text_steers_the_terminal(self):
        evil = "\x1b]0;owned\x07\x1b[31m\r\n\u202e\u009b"
        bad = model("m" + evil, "ready", path=evil, last_error=evil, last_exit=evil, last_stderr=f"first\n{evil}second", aliases=[evil],
                    kv_type=evil)
        with fake([bad], answers={"POST /control/load": lambda _: refusal(503, evil, evil)}) as daemon:
            for command in (["status"], ["ps"], ["models"], ["status", bad["id"]], ["ps", "-q"], ["load", evil], ["status", evil]):
                status_, out = on_terminal([CTL, "--socket", daemon.path, *command], env=environment(NO_COLOR="1"))
                self.assertIn(status_, (0, 1))
                for forbidden in ("\x1b[31m", "\x07", "\u202e", "\u009b", "\x1b]"):
                    self.assertNotIn(forbidden, out, command)
            for command in (["status"], ["models"]):
                out = ctl(*command, "--json", socket_path=daemon.path).stdout
                self.assertTrue(out.isascii() and "\x1b" not in out)
                self.assertEqual(json.loads(out)["models"][0]["id"], bad["id"])

    def test_a_daemon_that_says_nothing(self):
        with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as s:
            path = os.path.join(directory, "s")
            s.bind(path)
            s.listen(8)
            start = time.monotonic()
            asked = [subprocess.Popen([CTL, "--socket", path, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
                     for command in (["status"], ["load", "a"], ["unload", "a"])]
            for one in asked:
                _, said = one.communicate(timeout=30)
                self.assertEqual(one.returncode, 3)
                self.assertIn("does not answer within 10 s", said)
            self.assertLess(time.monotonic() - start, 20)


class Showing(unittest.TestCase):
    QUEUE = [{"position": 1, "class": "interactive", "waited_ms": 1500, "expected_ms": 2000, "why": "queued"},
             {"position": 2, "class": "batch", "waited_ms": 90000, "expected_ms": None, "why": "the machine is too hot for work that can wait"}]
    MODELS = [model("qwen3-8b-instruct-Q4_K_M", "ready", running=2, waiting=2, expected_ms=6000, service_ms=4000, load_ms=3100, queue=QUEUE, idle_ms=None, expires_in_ms=None, aliases=["qwen"], pinned=True, kv_now="q8_0"),
              model("llama-3b", "loading", measured_bytes=GIB // 2), model("old"),
              model("broken", last_error="the engine died", last_exit="killed by SIGSEGV", last_stderr="one\ntwo\n", cooldown_ms=9000, deaths=3)]

    def run_fake(self, *args):
        with fake(self.MODELS) as daemon:
            return ctl(*args, socket_path=daemon.path)

    def test_status(self):
        result = self.run_fake("status")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        for text in ("headroomd 0.1.0, pid 4242, up 2d 3h, listening on 127.0.0.1:14376", "5.0 GiB in use of 18.0 GiB budget (27%), 6.0 GiB promised",
                     "5.0 GiB of at most 14.0 GiB", "15.0 GiB available, 1.0 GiB of it kept free", "2 loaded of 4 known", "3 running, 1 waiting",
                     "qwen3-8b-instruct-Q4_K_M  ready"):
            self.assertIn(text, result.stdout)
        self.assertEqual(json.loads(self.run_fake("status", "--json").stdout), status(self.MODELS))

    def test_status_of_one(self):
        for name in ("qwen3-8b-instruct-Q4_K_M", "qwen"):
            result = self.run_fake("status", name)
            self.assertIn("priority     0, pinned", result.stdout)
            self.assertIn("loaded 12m 3s ago", result.stdout)
            self.assertIn("  waits      1. interactive, for 1.5 s, expected in 2.0 s: queued\n"
                          "  waits      2. batch, for 1m 30s, expected in -: the machine is too hot for work that can wait\n", result.stdout)
            self.assertIn("4.0 s a request, 3.1 s a load; one that came now would begin in 6.0 s", result.stdout)
        result = self.run_fake("status", "broken")
        for text in ("killed by SIGSEGV", "in 9.0 s", "  | one\n  | two\n", "the engine died"):
            self.assertIn(text, result.stdout)
        self.assertEqual(json.loads(self.run_fake("status", "--json", "qwen").stdout), self.MODELS[0])
        result = self.run_fake("status", "nobody")
        self.assertEqual(result.returncode, 1)
        self.assertIn("`headroomctl models` lists them", result.stderr)
        self.assertEqual(json.loads(self.run_fake("status", "nobody", "--json").stdout)["error"]["code"], "model_not_found")

    def test_ps_and_models(self):
        self.assertEqual(self.run_fake("ps").stdout.splitlines(), [
            "MODEL                     STATE     PID  MEASURED  RESERVED  KV    RUNNING  WAITING   NEXT   IDLE  EXPIRES",
            "qwen3-8b-instruct-Q4_K_M  ready    4243   5.0 GiB   6.0 GiB  q8_0        2        2  6.0 s      -   pinned",
            "llama-3b                  loading  4243   512 MiB   6.0 GiB  -           0        0      -  3.2 s   4m 56s",
        ])
        self.assertEqual(self.run_fake("ps", "-q").stdout, "qwen3-8b-instruct-Q4_K_M\nllama-3b\n")
        self.assertEqual(self.run_fake("models", "--quiet").stdout, "qwen3-8b-instruct-Q4_K_M\nllama-3b\nold\nbroken\n")
        self.assertEqual(len(json.loads(self.run_fake("ps", "--json").stdout)["models"]), 2)
        self.assertEqual(json.loads(self.run_fake("models", "--json").stdout), {"models": self.MODELS})
        out = self.run_fake("models").stdout
        self.assertRegex(out, r"broken +not loaded .* failed, next try in 9\.0 s: the engine died")
        self.assertRegex(out, r"qwen3-8b-instruct-Q4_K_M +ready .* pinned")

    def test_the_governor_in_status(self):
        governor = {"enabled": True, "rung": "downshift", "because": "forecast", "headroom_bytes": -800 << 20, "exhaustion_ms": 8200,
                    "memory_blind": False, "holds": ["loads", "growth"], "resident": False,
                    "heat": {"level": 3, "levels": 8, "duty_permille": 640, "millidegrees": 87500, "margin_millidegrees": 12500},
                    "sources": [{"name": "psi", "works": True, "detail": ""}, {"name": "hwmon", "works": False, "detail": "no\x1b such file"}]}
        whole = dict(status(self.MODELS), governor=governor, control_groups="delegated, memory.max by libcgroup")
        with fake(self.MODELS, answers={"GET /control/status": lambda _: (200, whole)}) as daemon:
            out = ctl("status", socket_path=daemon.path).stdout
            for text in ("headroom     -800 MiB, gone in 8.2 s\n", "governor     downshift, because of forecast; not locked in memory\n",
                         "held         loads, growth\n", "heat         87.5 degrees, 12.5 below critical; level 3 of 7, engines compute 64 % of the time\n",
                         "groups       delegated, memory.max by libcgroup\n", "degraded     hwmon: no\\x1b such file\n"):
                self.assertIn(text, out)
            self.assertNotIn("psi", out)
            governor.update(rung="calm", headroom_bytes=9 << 30, exhaustion_ms=None, holds=[], resident=True, enabled=False,
                            heat={"level": 0, "levels": 8, "millidegrees": None, "margin_millidegrees": None}, memory_blind=True)
            out = ctl("status", socket_path=daemon.path).stdout
            for text in ("headroom     9.0 GiB (memory cannot be read)\n", "governor     calm (switched off: it only looks)\n", "heat         no sensor, so it is not controlled\n"):
                self.assertIn(text, out)
            self.assertNotIn("held", out)

    def test_events(self):
        act = {"number": 7, "unix_ms": 1700000000000, "ms_ago": 1, "what": "downshift", "model": "org/qw en", "reason": "forecast", "rung": "downshift",
               "headroom_bytes": 812 << 20, "exhaustion_ms": 8200, "to": "q8_0", "expected_bytes": 312 << 20, "freed_bytes": None, "result": "begun",
               "emergency": False}
        heat = {"number": 8, "unix_ms": 1700000001000, "what": "heat", "model": None, "reason": "heat", "heat_level": 2, "duty_permille": 700,
                "millidegrees": 87500, "headroom_bytes": 1, "exhaustion_ms": None}
        asked = []
        def events(body):
            asked.append(body)
            return 200, {"events": [act, heat], "last": 8}
        path = "GET /control/events?after=0"
        with fake([], answers={path: events, path + "&model=org%2Fqw%20en": events, "GET /control/events?after=6": events,
                               "GET /control/events?after=8": lambda _: (200, {"events": [], "last": 8})}) as daemon:
            out = ctl("events", socket_path=daemon.path).stdout.splitlines()
            self.assertRegex(out[0], r"^    7  Nov 1\d \d\d:\d\d:20  downshift org/qw en to q8_0 \(forecast\): headroom 812 MiB, gone in 8\.2 s, 312 MiB expected$")
            self.assertRegex(out[1], r"  heat level 2, engines compute 70 % of the time \(heat\): 87\.5 degrees$")
            self.assertEqual(ctl("events", "org/qw en", socket_path=daemon.path).stdout.splitlines(), out)
            self.assertEqual(json.loads(ctl("events", "--json", socket_path=daemon.path).stdout)["last"], 8)
            follower = subprocess.Popen([CTL, "--socket", daemon.path, "events", "-f"], stdout=subprocess.PIPE, text=True, env=environment())
            try:
                self.assertEqual([follower.stdout.readline().rstrip("\n") for _ in range(2)], out)
                act.update(freed_bytes=300 << 20, result="done")  # known now: told on a line of its own
                self.assertRegex(follower.stdout.readline(), r"downshift .*312 MiB expected, 300 MiB freed$")
            finally:
                follower.kill()
                follower.communicate()
        with fake([], answers={path: lambda _: (200, {"events": [], "last": 0})}) as daemon:
            self.assertIn("Nothing has been done yet", ctl("events", socket_path=daemon.path).stdout)
            self.assertEqual(ctl("events", "x" * 600, socket_path=daemon.path).returncode, 1)

    def test_explain_and_record(self):
        story = {"model": "a/b", "state": "ready", "sentences": ["It is ready.", "It was \x1b[31mlowered."]}
        with tempfile.TemporaryDirectory() as directory, \
                fake([], answers={"GET /control/explain?model=a%2Fb": lambda _: (200, story), "GET /control/record": lambda _: (200, b"limits reserve=1GiB\n"),
                                  "GET /control/explain?model=no": lambda _: refusal(404, "model_not_found", "no such model")}) as daemon:
            self.assertEqual(ctl("explain", "a/b", socket_path=daemon.path).stdout, "It is ready.\nIt was \\x1b[31mlowered.\n")
            self.assertEqual(json.loads(ctl("explain", "a/b", "--json", socket_path=daemon.path).stdout), story)
            self.assertEqual(ctl("explain", "no", socket_path=daemon.path).returncode, 1)
            self.assertEqual(ctl("record", socket_path=daemon.path).stdout, "limits reserve=1GiB\n")
            self.assertEqual(ctl("record", "-", socket_path=daemon.path).stdout, "limits reserve=1GiB\n")
            self.assertEqual(ctl("record", directory + "/flight", socket_path=daemon.path).stdout, "")
            with open(directory + "/flight") as f:
                self.assertEqual(f.read(), "limits reserve=1GiB\n")
            result = ctl("record", "/dev/full", socket_path=daemon.path)
            self.assertEqual(result.returncode, 1)
            self.assertIn("cannot write /dev/full", result.stderr)
        with fake([], answers={"GET /control/record": lambda _: refusal(503, "no_memory", "there is no memory")}) as daemon:
            self.assertIn("there is no memory", ctl("record", socket_path=daemon.path).stderr)

    def test_nothing_there(self):
        with fake([]) as daemon:
            self.assertIn("No model is loaded", ctl("ps", socket_path=daemon.path).stdout)
            self.assertIn("No model is known", ctl("models", socket_path=daemon.path).stdout)
            self.assertEqual(ctl("ps", "-q", socket_path=daemon.path).stdout, "")
            self.assertEqual(json.loads(ctl("models", "--json", socket_path=daemon.path).stdout), {"models": []})
            self.assertEqual(ctl("unload", "--all", socket_path=daemon.path).returncode, 0)

    def test_terminal(self):
        with fake(self.MODELS) as daemon:
            line = [CTL, "--socket", daemon.path, "ps"]
            self.assertIn("\x1b[32mready\x1b[0m", on_terminal(line)[1])
            self.assertNotIn("\x1b", on_terminal(line, env=environment(NO_COLOR="1"))[1])
            self.assertNotIn("\x1b", on_terminal(line, env=dict(environment(), TERM="dumb"))[1])
            narrow = on_terminal(line, columns=90, env=environment(NO_COLOR="1"))[1]
            self.assertIn("qwen3-8b-instruct-Q4_K_M  ready", narrow)  # a cut name could be another's
            self.assertNotIn("EXPIRES", narrow)
            self.assertLessEqual(max(len(row) for row in narrow.splitlines()), 90)


class Acting(unittest.TestCase):
    def test_load_and_unload(self):
        with fake(Showing.MODELS) as daemon:
            result = ctl("load", "a", "b", socket_path=daemon.path)
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            self.assertRegex(result.stdout, r"^a: ready after \d+\.\d s\nb: ready after ")
            result = ctl("--json", "unload", "a", "--force", socket_path=daemon.path)
            self.assertEqual(json.loads(result.stdout), {"results": [{"model": "a", "state": "absent"}]})
            self.assertEqual([seen for seen in daemon.seen if seen[0].startswith("POST")], [("POST /control/load", {"model": "a"}), ("POST /control/load", {"model": "b"}),
                                           ("POST /control/unload", {"model": "a", "force": True})])

    def test_protect(self):
        left = iter([600000, 0])
        with fake([], answers={"POST /control/protect": lambda body: (200, {"model": "a b", "state": "ready", "protected_ms": next(left)})}) as daemon:
            self.assertEqual(ctl("protect", "a b", "10m", socket_path=daemon.path).stdout, "a b: protected from other models for 10m 0s\n")
            self.assertEqual(ctl("protect", "a b", "0", socket_path=daemon.path).stdout, "a b: not protected\n")
            self.assertEqual(daemon.seen, [("POST /control/protect", {"model": "a b", "time": "10m"}), ("POST /control/protect", {"model": "a b", "time": "0"})])

    def test_trace(self):
        trace = {"model": "a b", "path": "/s/traces/a_b.jsonl", "begun_unix_ms": 1700000000000, "until_unix_ms": 1700000300000, "lines": 12,
                 "dropped": 3, "bytes": 999}
        answers = {"POST /control/trace": lambda _: (200, trace), "POST /control/trace/stop": lambda _: (200, trace)}
        with fake([], answers=answers) as daemon:
            out = ctl("trace", "a b", "--minutes", "5", socket_path=daemon.path).stdout.splitlines()
            self.assertRegex(out[0], r"^a b: traced until Nov 1\d \d\d:\d\d:20, into /s/traces/a_b\.jsonl$")
            self.assertIn("prompts and answers", out[1])
            self.assertEqual(json.loads(ctl("--json", "trace", "a b", socket_path=daemon.path).stdout), trace)
            out = ctl("trace", "--stop", "a b", socket_path=daemon.path).stdout.splitlines()
            self.assertEqual(out[0], "a b: 12 lines in /s/traces/a_b.jsonl")
            self.assertIn("3 more were dropped", out[1])
            self.assertEqual(daemon.seen, [("POST /control/trace", {"model": "a b", "minutes": 5}), ("POST /control/trace", {"model": "a b"}),
                                           ("POST /control/trace/stop", {"model": "a b"})])

    def test_unload_all(self):
        with fake(Showing.MODELS) as daemon:
            self.assertEqual(ctl("unload", "--all", socket_path=daemon.path).returncode, 0)
            self.assertEqual([body["model"] for key, body in daemon.seen if key == "POST /control/unload"],
                             ["qwen3-8b-instruct-Q4_K_M", "llama-3b"])

    def test_a_refusal_does_not_keep_the_others(self):
        def load(body):
            if body["model"] == "huge":
                return refusal(503, "never_fits", "needs 40.0 GiB of a budget of 18.0 GiB")
            return 200, {"model": body["model"], "state": "ready"}

        with fake([], answers={"POST /control/load": load}) as daemon:
            result = ctl("load", "huge", "small", socket_path=daemon.path)
            self.assertEqual(result.returncode, 1)
            self.assertEqual(result.stderr, "headroomctl: huge: needs 40.0 GiB of a budget of 18.0 GiB\n")
            self.assertIn("small: ready", result.stdout)
            results = json.loads(ctl("load", "huge", "small", "--json", socket_path=daemon.path).stdout)["results"]
            self.assertEqual(results[0], {"model": "huge", "error": {"message": "needs 40.0 GiB of a budget of 18.0 GiB", "code": "never_fits"}})
            self.assertEqual(results[1], {"model": "small", "state": "ready"})

    def test_advice_stands_behind_the_message(self):
        full = refusal(503, "insufficient_memory", "no room", advice="unload a model")
        with fake([], answers={"POST /control/load": lambda _: full, "GET /control/status": lambda _: full}) as daemon:
            self.assertEqual(ctl("load", "small", socket_path=daemon.path).stderr, "headroomctl: small: no room; unload a model\n")
            result = ctl("status", "--json", socket_path=daemon.path)
            self.assertEqual(result.stderr, "headroomctl: no room; unload a model\n")
            self.assertEqual(json.loads(result.stdout)["error"]["advice"], "unload a model")

    def test_forbidden(self):
        with fake([], answers={"GET /control/status": lambda _: refusal(403, "forbidden", "only root and the group headroom may")}) as daemon:
            result = ctl("status", socket_path=daemon.path)
            self.assertEqual((result.returncode, result.stderr), (1, "headroomctl: only root and the group headroom may\n"))

    def test_progress(self):
        entry = model("slow", "waiting")

        def load(body):
            time.sleep(1.2)
            entry["state"] = "loading"
            time.sleep(1.2)
            return 200, {"model": body["model"], "state": "ready"}

        with fake([entry], answers={"POST /control/load": load}) as daemon:
            code, out = on_terminal([CTL, "--socket", daemon.path, "load", "slow"])
            self.assertEqual(code, 0)
            self.assertIn("loading slow: waiting, ", out)
            self.assertIn("loading slow: loading, ", out)
            self.assertRegex(out.split("\x1b[K")[-1], r"^slow: ready after 2\.\d s\r\n$")
            entry["state"] = "absent"
            self.assertNotIn("loading", ctl("load", "slow", socket_path=daemon.path).stderr)


class SparseModel:
    """A llama GGUF with all its metadata and no bytes behind its tensors: large, and free."""

    def __init__(self, layers=32, embd=4096, ff=14336, heads=32, kv_heads=8, vocab=32000, context=131072):
        def string(s):
            return struct.pack("<Q", len(s)) + s.encode()

        def u32(key, value):
            return string(key) + struct.pack("<II", 4, value)

        meta = [string("general.architecture") + struct.pack("<I", 8) + string("llama"),
                string("general.name") + struct.pack("<I", 8) + string("sparse"),
                u32("llama.context_length", context), u32("llama.embedding_length", embd), u32("llama.block_count", layers),
                u32("llama.feed_forward_length", ff), u32("llama.attention.head_count", heads),
                u32("llama.attention.head_count_kv", kv_heads),
                string("llama.attention.layer_norm_rms_epsilon") + struct.pack("<If", 6, 1e-5)]
        kv = embd // heads * kv_heads
        shapes = [("token_embd.weight", embd, vocab), ("output.weight", embd, vocab), ("output_norm.weight", embd)]
        for i in range(layers):
            shapes += [(f"blk.{i}.{name}.weight", *dims) for name, dims in (
                ("attn_q", (embd, embd)), ("attn_k", (embd, kv)), ("attn_v", (embd, kv)), ("attn_output", (embd, embd)),
                ("ffn_gate", (embd, ff)), ("ffn_up", (embd, ff)), ("ffn_down", (ff, embd)),
                ("attn_norm", (embd,)), ("ffn_norm", (embd,)))]
        self.weights = 0
        tensors = b""
        for name, *dims in shapes:  # matrices in Q8_0, norms in F32: all of them whole multiples of the alignment
            values = dims[0] * (dims + [1])[1]
            tensors += string(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, 8 if len(dims) == 2 else 0, self.weights)
            self.weights += values // 32 * 34 if len(dims) == 2 else values * 4
        self.kv_per_token = layers * 2 * kv * 2
        self.header = b"GGUF" + struct.pack("<IQQ", 3, len(shapes), len(meta)) + b"".join(meta) + tensors
        self.file = tempfile.NamedTemporaryFile(suffix=".gguf")
        self.file.write(self.header)
        self.file.flush()
        start = (len(self.header) + 31) // 32 * 32
        os.truncate(self.file.name, start + self.weights)
        self.path = self.file.name


class Fit(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model = SparseModel()

    def fit(self, *args):
        result = ctl("fit", self.model.path, "--json", "--bandwidth", "40", *args)
        return result.returncode, json.loads(result.stdout) if result.stdout else None, result.stderr

    def test_numbers(self):
        code, answer, _ = self.fit("--context", "4096,8192", "--kv", "f16,q8_0", "--parallel", "1", "--budget", "100%", "--weights-fraction", "1",
                                   "--reserve", "0")
        self.assertIn(code, (0, 4))
        self.assertEqual(answer["model"]["weights_bytes"], self.model.weights)
        self.assertEqual(answer["model"]["kv_bytes_per_token"]["f16"], self.model.kv_per_token)
        self.assertEqual([(r["context"], r["kv_type"]) for r in answer["rows"]], [(4096, "f16"), (4096, "q8_0"), (8192, "f16"), (8192, "q8_0")])
        for row in answer["rows"]:
            m = answer["model"]
            self.assertEqual(row["kv_bytes"], row["context"] * m["kv_bytes_per_token"][row["kv_type"]])
            self.assertEqual(row["total_bytes"], m["weights_bytes"] + m["scratch_bytes"] + m["overhead_bytes"] + row["kv_bytes"])
            read = m["decode_bytes"] + row["kv_bytes"]
            self.assertAlmostEqual(row["tokens_per_second_max"], 40e9 * 0.88 / read, places=3)

    def test_default_contexts(self):
        _, answer, _ = self.fit()
        self.assertEqual(sorted({r["context"] for r in answer["rows"]}), [2048, 4096, 8192, 16384, 32768, 65536, 131072])
        self.assertEqual({r["kv_type"] for r in answer["rows"]}, {"f16", "q8_0", "q4_0"})
        self.assertEqual({r["parallel"] for r in answer["rows"]}, {2})

    def test_verdicts(self):
        one = ("--context", "2048", "--kv", "f16", "--weights-fraction", "100%")
        code, answer, _ = self.fit(*one, "--budget", "1G")
        self.assertEqual((code, answer["fits"], answer["rows"][0]["verdict"], answer["rows"][0]["rule"]), (4, False, "never", "budget"))
        self.assertEqual(answer["rows"][0]["short_bytes"], answer["rows"][0]["total_bytes"] - GIB)
        code, answer, _ = self.fit(*one[:4], "--budget", "100%", "--weights-fraction", "1%")
        self.assertEqual((code, answer["rows"][0]["verdict"], answer["rows"][0]["rule"]), (4, "never", "weights_fraction"))
        tiny = ctl("fit", SMALL_MODEL, "--json", "--reserve", "0")
        self.assertEqual((tiny.returncode, json.loads(tiny.stdout)["fits"]), (0, True))

    def test_the_table(self):
        result = ctl("fit", self.model.path, "--context", "2048", "--budget", "1G", "--bandwidth", "40")
        self.assertEqual(result.returncode, 4)
        self.assertIn("sparse: llama, Q8_0, 7.24 B parameters, 32 layers, trained for 131072 tokens", result.stdout)
        self.assertRegex(result.stdout, r"2048  f16 +512 MiB +\d\.\d GiB +< \d\.\d\d  never here: \d\.\d GiB over the budget")
        self.assertEqual(result.stderr, "")

    def test_the_measured_bandwidth(self):
        start = time.monotonic()
        result = ctl("fit", self.model.path, "--json", "--context", "2048")
        bandwidth = json.loads(result.stdout)["bandwidth"]
        self.assertLess(time.monotonic() - start, 10)
        self.assertTrue(bandwidth["measured"])
        self.assertGreater(bandwidth["bytes_per_second"], 1e8)

    def test_it_says_what_the_engine_says(self):
        models = [SMALL_MODEL, DEMO_MODEL]
        for path in models:
            said = json.loads(ctl("fit", path, "--json", "--bandwidth", "0").stdout)["model"]
            engine = subprocess.run([ENGINE, "inspect", "--json", "--summary", path], capture_output=True, text=True, env=environment())
            inspected = json.loads(engine.stdout)
            for key in ("weights_bytes", "scratch_bytes", "overhead_bytes", "decode_bytes", "parameters"):
                self.assertEqual(said[key], inspected[key], (path, key))
            self.assertEqual(said["kv_bytes_per_token"]["f16"], inspected["kv_bytes_per_token"]["f16"])

    def test_bad_files(self):
        header = self.model.header
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "x.gguf")
            cuts = [0, 1, 3, 4, 8, 20, 24, 30] + list(range(40, len(header), 997)) + [len(header)]
            for cut in cuts:
                with open(path, "wb") as f:
                    f.write(header[:cut])
                result = ctl("fit", path, "--bandwidth", "0")
                self.assertEqual(result.returncode, 1, cut)
                self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
                self.assertIn(path, result.stderr)
            for other, expected in ((directory, None), ("/nonexistent.gguf", "No such file"), ("/dev/null", None)):
                result = ctl("fit", other, "--json")
                self.assertEqual(result.returncode, 1, other)
                self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
                self.assertIn("error", json.loads(result.stdout))
                if expected:
                    self.assertIn(expected, result.stderr)
            os.mkfifo(os.path.join(directory, "fifo.gguf"))
            self.assertEqual(ctl("fit", os.path.join(directory, "fifo.gguf")).returncode, 1)
            missing = os.path.join(directory, "part-00001-of-00002.gguf")
            with open(missing, "wb") as f:
                f.write(header)
            result = ctl("fit", missing)
            self.assertEqual(result.returncode, 1)
            self.assertIn("00002-of-00002", result.stderr)


class Completion(unittest.TestCase):
    def complete(self, line, path=None):
        script = f"""source {COMPLETION!r}
            COMP_LINE=$1 COMP_POINT=${{#1}}
            read -ra COMP_WORDS <<<"$1"
            [[ $1 == *' ' ]] && COMP_WORDS+=('')
            COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
            {"export HEADROOM_SOCKET=" + path if path else ""}
            _headroom "${{COMP_WORDS[0]}}"
            printf '%s\\n' "${{COMPREPLY[@]}}" """
        result = subprocess.run(["bash", "-c", script, "bash", line], capture_output=True, text=True,
                                env=dict(environment(), PATH=BUILD + ":" + os.environ["PATH"]))
        self.assertEqual(result.stderr, "")
        return result.stdout.split()

    def test_registered(self):
        result = subprocess.run(["bash", "-c", f"source {COMPLETION!r}; complete -p headroomctl headroomd headroom-engine"], capture_output=True,
                                text=True)
        self.assertEqual(len(result.stdout.splitlines()), 3)

    def test_words(self):
        self.assertEqual(self.complete("headroomctl "), ["status", "ps", "models", "load", "unload", "protect", "reload", "key", "events", "explain", "trace", "record", "fit", "simulate"])
        self.assertEqual(self.complete("headroomctl --json un"), ["unload"])
        self.assertEqual(self.complete("headroomctl unload --f"), ["--force"])
        self.assertEqual(self.complete("headroomctl fit --kv q"), ["q8_0", "q4_0"])
        self.assertEqual(self.complete("headroomctl fit --kv=f16,q8"), ["f16,q8_0"])
        self.assertIn("--socket", self.complete("headroomctl --s"))
        self.assertEqual(self.complete("headroomctl fit --context "), [])
        self.assertEqual(self.complete("headroomctl trace x --m"), ["--minutes"])
        self.assertEqual(self.complete("headroomctl trace --minutes "), [])

    def test_models_come_from_the_daemon(self):
        models = [model("qwen3:8b", "ready"), model("old one"), model("qwen2")]
        with fake(models) as daemon:
            self.assertEqual(self.complete("headroomctl load q", daemon.path), ["qwen3:8b", "qwen2"])
            self.assertEqual(self.complete("headroomctl load qwen3:", daemon.path), ["8b"])
            self.assertEqual(self.complete("headroomctl load o", daemon.path), ["old\\", "one"])
            self.assertEqual(self.complete("headroomctl unload ", daemon.path), ["qwen3:8b"])
            self.assertEqual(self.complete("headroomctl trace q", daemon.path), ["qwen3:8b", "qwen2"])
            self.assertEqual(self.complete(f"headroomctl --socket {daemon.path} status qwen2"), ["qwen2"])
        self.assertEqual(self.complete("headroomctl load ", "/nonexistent"), [])

    def test_files(self):
        with tempfile.TemporaryDirectory() as directory:
            for name in ("a.gguf", "a.txt"):
                open(os.path.join(directory, name), "w").close()
            self.assertEqual(self.complete(f"headroomctl fit {directory}/"), [f"{directory}/a.gguf"])
            self.assertEqual(self.complete(f"headroom-engine run {directory}/"), [f"{directory}/a.gguf"])

    def test_the_engine(self):
        self.assertIn("tokenize", self.complete("headroom-engine t"))
        self.assertIn("--prompt", self.complete("headroom-engine run x.gguf --p"))


if __name__ == "__main__":
    unittest.main(verbosity=1)
