#!/usr/bin/env python3
"""headroomctl trace, with the real daemon and engine: the file tells what was said, what was decided and what the model read."""

import json
import os
import re
import shutil
import stat
import subprocess
import unittest

from ctl import ctl
from headroomd import DEMO_MODEL, ENGINE, SMALL_MODEL, Daemon, Reply, eventually

MESSAGES = [{"role": "system", "content": "You tell stories."}, {"role": "user", "content": "Of a fox, please."}]


class Trace(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon("min_residency = 0ms\n", models={"demo.gguf": DEMO_MODEL, "small.gguf": SMALL_MODEL},
                            model_confs={"small.conf": "[model]\npath = small.gguf\naliases = tiny\nparallel = 1\nqueue = 0\n"})

    @classmethod
    def tearDownClass(cls):
        cls.daemon.done()

    def tearDown(self):
        for model in ("demo", "small"):
            self.ctl("trace", model, "--stop")
            self.ctl("unload", model, "--force")

    def ctl(self, *args):
        return ctl(*args, socket_path=self.daemon.control_path)

    def json(self, *args):
        result = self.ctl(*args, "--json")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return json.loads(result.stdout)

    def ask(self, path, **body):
        text = json.dumps(body)
        with self.daemon.connect() as s:
            s.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n{text}".encode())
            return Reply(s)

    def chat(self, model="demo", **more):
        reply = self.ask("/v1/chat/completions", model=model, messages=MESSAGES, max_tokens=5, **more)
        self.assertEqual(reply.status, 200)
        return reply.json()

    def read(self, path):
        """All lines, the first and the last of which are what they must be."""
        with open(path) as f:
            lines = [json.loads(line) for line in f]
        self.assertEqual((lines[0]["kind"], lines[-1]["kind"]), ("begin", "end"))
        self.assertEqual((lines[-1]["lines"], lines[-1]["dropped"]), (len(lines) - 1, 0))
        self.assertEqual([l["unix_ms"] for l in lines], sorted(l["unix_ms"] for l in lines))
        return lines

    @staticmethod
    def frames(lines, *types):
        return [l["frame"] for l in lines if l["kind"] == "frame" and l["type"] in types]

    @staticmethod
    def decisions(lines, event):
        return [l["fields"] for l in lines if l["kind"] == "decision" and l["event"] == event]

    def prompt_tokens(self, model):
        """What the engine's own commands make of MESSAGES."""
        messages = os.path.join(self.daemon.scratch, "messages.json")
        with open(messages, "w") as f:
            json.dump(MESSAGES, f)
        text = subprocess.run([ENGINE, "template", model, "--messages", messages], capture_output=True, text=True, check=True).stdout
        out = subprocess.run([ENGINE, "tokenize", model, "--parse-special"], input=text, capture_output=True, text=True, check=True).stdout
        return json.loads(out)

    def test_a_chat_an_unload_a_load_and_another(self):
        begun = self.json("trace", "demo")
        self.assertEqual(begun["model"], "demo")
        self.assertEqual(os.path.dirname(begun["path"]), os.path.join(self.daemon.scratch, "traces"))
        self.assertEqual(stat.S_IMODE(os.stat(begun["path"]).st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(os.stat(os.path.dirname(begun["path"])).st_mode), 0o700)
        answer = self.chat()
        self.assertEqual(self.ctl("unload", "demo").returncode, 0)
        self.assertEqual(self.ctl("load", "demo").returncode, 0)
        self.chat()
        ended = self.json("trace", "demo", "--stop")
        self.assertEqual(ended["path"], begun["path"])

        lines = self.read(begun["path"])
        self.assertEqual((lines[0]["model"], lines[0]["minutes"], lines[-1]["reason"]), ("demo", 10, "operator"))
        generate = self.frames(lines, "generate")[0]
        self.assertEqual(generate["body"]["messages"], MESSAGES)
        first = lines[:next(i for i, l in enumerate(lines) if l["kind"] == "frame" and l["type"] == "end")]  # ids begin anew with an engine
        said = "".join(f["text"] for f in self.frames(first, "text"))
        self.assertEqual(said, answer["choices"][0]["message"]["content"])

        (prompt,), (start,) = self.frames(first, "prompt"), self.frames(first, "start")
        self.assertEqual((prompt["id"], start["id"]), (generate["id"],) * 2)
        self.assertEqual(prompt["tokens"], self.prompt_tokens(DEMO_MODEL))
        self.assertEqual((len(prompt["tokens"]), prompt["count"]), (start["prompt_tokens"],) * 2)
        self.assertEqual(start["prompt_tokens"], answer["usage"]["prompt_tokens"])

        moves = [(d["from"], d["to"]) for d in self.decisions(lines, "state")]
        once = [("absent", "inspecting"), ("inspecting", "waiting"), ("waiting", "loading"), ("loading", "ready")]
        self.assertEqual(moves[:4], once)
        self.assertEqual(moves.count(("loading", "ready")), 2)
        self.assertIn(("draining", "stopping"), moves)
        self.assertEqual({d["verdict"] for d in self.decisions(lines, "admission")}, {"admit"})
        self.assertEqual(len(self.frames(lines, "ready")), 2)
        self.assertEqual(len(self.frames(lines, "shutdown")), 1)

    def test_an_engine_that_runs_already(self):
        """It is told when the trace begins, and when it ends."""
        daemon, self.daemon = self.daemon, Daemon("[log]\nlevel = debug\n")
        try:
            self.chat()
            path = self.json("trace", "demo")["path"]
            self.chat()
            self.ctl("trace", "demo", "--stop")
            lines, told = self.read(path), len(re.findall("type=prompt", self.daemon.log()))
            self.chat()
            self.assertEqual(self.frames(lines, "trace"), [{"type": "trace", "on": True}])
            self.assertEqual((len(self.frames(lines, "prompt")), len(self.frames(lines, "generate")), told), (1, 1, 1))
            self.assertEqual((len(re.findall("type=generate", self.daemon.log())), len(re.findall("type=prompt", self.daemon.log()))), (3, 1))
            self.assertEqual(self.read(path), lines)
        finally:
            daemon, self.daemon = self.daemon, daemon
            daemon.done()

    def test_requests_that_are_refused(self):
        path = self.json("trace", "tiny", "--minutes", "1")["path"]
        self.assertEqual(self.ask("/v1/completions", model="small", prompt="x" * 200000).status, 400)
        self.assertEqual(self.ask("/v1/chat/completions", model="small", messages=MESSAGES, grammar="root ::= (").status, 400)
        with self.daemon.connect(receive_buffer=4096) as s:  # who does not read, so it stays
            body = json.dumps({"model": "small", "prompt": "Once", "max_tokens": 400, "ignore_eos": True, "stream": True, "logprobs": 20})
            s.sendall(f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
            eventually(lambda: self.daemon.model("small")["running"])
            self.assertEqual(self.ask("/v1/completions", model="small", prompt="x").status, 429)
        self.ctl("trace", "small", "--stop")
        lines = self.read(path)
        self.assertEqual(lines[0]["model"], "small")
        refused = self.decisions(lines, "request_refused") + self.decisions(lines, "request_failed")
        self.assertIn("concurrency_limit", [d.get("code") for d in refused])
        self.assertTrue(any("grammar" in d["message"] for d in refused), refused)
        self.assertTrue(any("context" in d["message"] for d in refused), refused)
        prompt = self.frames(lines, "generate")[0]["body"]["prompt"]
        self.assertEqual((prompt["bytes"], prompt["cut"]), (200000, "x" * 65536))

    def test_it_is_seen(self):
        before = self.json("events")["last"]
        text = self.ctl("trace", "demo", "--minutes", "60").stdout
        self.assertIn("holds prompts and answers", text)
        trace = self.json("status", "demo")["trace"]
        self.assertIn(trace["path"], text)
        self.assertEqual(trace["until_unix_ms"] - trace["begun_unix_ms"], 3600000)
        self.assertEqual([m["id"] for m in self.json("status")["models"] if m["trace"]], ["demo"])
        self.assertRegex(self.ctl("status").stdout, rf"(?m)^trace +demo until .*, \d+ lines in {trace['path']}$")
        self.assertIn(trace["path"], self.ctl("status", "demo").stdout)
        self.assertRegex(self.ctl("trace", "demo", "--stop").stdout, rf"^demo: \d+ lines in {trace['path']}\n$")
        self.assertIsNone(self.json("status", "demo")["trace"])
        events = [(e["what"], e["model"], e["reason"]) for e in self.json("events")["events"] if e["number"] > before and "trace" in e["what"]]
        self.assertEqual(events, [("trace", "demo", "operator"), ("trace_end", "demo", "operator")])
        self.assertRegex(self.ctl("events", "demo").stdout, r"(?m)  trace_end demo \(operator\)$")

    def test_what_is_refused(self):
        self.assertEqual(self.ctl("trace", "demo").returncode, 0)
        for args, code, words in ((["demo"], "traced", "traced already"), (["nobody"], "model_not_found", "nobody"),
                                  (["small", "--stop"], "not_traced", "not traced")):
            result = self.ctl("trace", *args)
            self.assertEqual((result.returncode, result.stdout, len(result.stderr.splitlines())), (1, "", 1))
            self.assertIn(words, result.stderr)
            self.assertEqual(json.loads(self.ctl("trace", *args, "--json").stdout)["error"]["code"], code)
        self.assertEqual(self.ask("/control/trace", model="demo").status, 404)  # not over TCP

    def test_a_folder_that_is_none(self):
        folder = os.path.join(self.daemon.scratch, "traces")
        shutil.rmtree(folder, ignore_errors=True)
        os.symlink("/tmp", folder)
        try:
            result = self.ctl("trace", "demo")
            self.assertEqual(result.returncode, 1)
            self.assertIn(folder, result.stderr)
            self.assertIsNone(self.json("status", "demo")["trace"])
        finally:
            os.unlink(folder)

    def test_a_trace_ends_with_the_daemon(self):
        daemon = Daemon()
        path = json.loads(ctl("trace", "demo", "--json", socket_path=daemon.control_path).stdout)["path"]
        ctl("load", "demo", socket_path=daemon.control_path)
        self.assertEqual(daemon.stop(), 0)
        lines = self.read(path)
        self.assertEqual(lines[-1]["reason"], "shutting_down")
        self.assertEqual(len(self.frames(lines, "shutdown")), 1)
        daemon.done()


class Minute(unittest.TestCase):
    def test_it_ends_by_itself(self):
        """Nobody looks at the daemon meanwhile: it wakes for the end by itself."""
        daemon = Daemon()
        begun = json.loads(ctl("trace", "demo", "--minutes", "1", "--json", socket_path=daemon.control_path).stdout)
        def last():
            with open(begun["path"]) as f:
                return json.loads(f.readlines()[-1])
        last = eventually(lambda: last()["kind"] == "end" and last(), 70)
        self.assertEqual(last["reason"], "time_up")
        self.assertLess(abs(last["unix_ms"] - begun["until_unix_ms"]), 2000)
        self.assertIsNone(daemon.model("demo")["trace"])
        daemon.done()


if __name__ == "__main__":
    unittest.main(verbosity=2)
