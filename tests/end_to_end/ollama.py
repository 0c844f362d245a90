#!/usr/bin/env python3
"""Ollama's API through the real daemon and engine: what its clients ask, read as they read it."""

import calendar
import json
import os
import re
import signal
import socket
import sys
import tempfile
import time
import unittest
from datetime import datetime

from headroomd import DEMO_MODEL, SMALL_MODEL, Daemon, Reply, ask, chat, eventually, request
from tools import CALLS, THINKS, TOOLS, make

END = {"model", "created_at", "done", "done_reason", "total_duration", "load_duration", "prompt_eval_count", "prompt_eval_duration",
       "eval_count", "eval_duration"}
WORDS = {"role": "user", "content": "What is the KV cache?"}
STILL = {"temperature": 0, "num_predict": 12}


def unix(text):
    """Of a time as Ollama's clients take it."""
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


class Listener(unittest.TestCase):
    """[server] ollama: for clients that know only their port."""

    def daemon_at(self, address):
        daemon = Daemon(f"[server]\nollama = {address}\n")
        self.addCleanup(daemon.done)
        return daemon

    def ask_at(self, daemon, port, method, path, body=b""):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as s:
            s.sendall(request(method, path, body, Connection="close"))
            return Reply(s, head_only=method == "HEAD")

    def test_a_second_port(self):
        daemon = self.daemon_at("127.0.0.1:0")
        port = int(daemon.wait_for_log(r"event=ollama_served listen=127\.0\.0\.1:(\d+)").group(1))
        self.assertEqual(self.ask_at(daemon, port, "GET", "/").body, b"Ollama is running")
        self.assertEqual(self.ask_at(daemon, port, "HEAD", "/").status, 200)
        self.assertEqual(ask(daemon, "GET", "/").body, b"Headroom is running\n")
        for at in (port, daemon.port):
            self.assertEqual(self.ask_at(daemon, at, "GET", "/api/tags").json()["models"][0]["name"], "demo:latest")
            said = self.ask_at(daemon, at, "POST", "/api/chat", {"model": "demo", "messages": [WORDS], "stream": False, "options": STILL}).json()
            self.assertTrue(said["done"])

    def test_a_port_that_is_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            daemon = self.daemon_at(f"127.0.0.1:{port}")
            told = daemon.wait_for_log("event=ollama_not_served.*").group(0)
        self.assertIn(f"at=127.0.0.1:{port}", told)
        self.assertIn(f"(pid {os.getpid()}) is listening there", told)
        self.assertIn("[server] ollama", told)
        self.assertEqual(ask(daemon, "GET", "/api/version").status, 200)

    def test_a_socket_of_systemd(self):
        """Handed over as systemd does it: descriptor 3, its name, and the pid of who is to take it."""
        with socket.create_server(("127.0.0.1", 0)) as handed:
            port = handed.getsockname()[1]
            take = f"import os; os.dup2({handed.fileno()}, 3); os.environ.update(LISTEN_PID=str(os.getpid())); os.execv(__import__('sys').argv[1], __import__('sys').argv[1:])"
            daemon = Daemon(wrapper=(sys.executable, "-c", take), env={"LISTEN_FDS": "1", "LISTEN_FDNAMES": "ollama"}, pass_fds=(handed.fileno(),))
            self.addCleanup(daemon.done)
            self.assertEqual(self.ask_at(daemon, port, "GET", "/").body, b"Ollama is running")


class Ollama(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        models = {name + ".gguf": make(cls.folder.name, name + ".gguf", template, "Ok") for name, template in (("calls", CALLS), ("thinks", THINKS))}
        cls.daemon = Daemon("keep_alive = 2m\n", dict(models, **{"demo.gguf": DEMO_MODEL, "other.gguf": SMALL_MODEL}), {"pinned.conf": "[model]\nname = calls\npin = yes\n"})

    @classmethod
    def tearDownClass(cls):
        cls.daemon.done()
        cls.folder.cleanup()

    def ask(self, path, status=200, method="POST", **body):
        reply = ask(self.daemon, method, path, body if method != "GET" else b"")
        self.assertEqual(reply.status, status, reply.body)
        return reply

    def get(self, path):
        return self.ask(path, method="GET").json()

    def lines(self, path, **body):
        reply = self.ask(path, **body)
        self.assertEqual(reply.headers["content-type"], "application/x-ndjson")
        self.assertTrue(reply.body.endswith(b"\n"))
        return [json.loads(line) for line in reply.body.splitlines()]

    def whole(self, path, **body):
        reply = self.ask(path, stream=False, **body)
        self.assertEqual(reply.headers["content-type"], "application/json")
        return reply.json()

    def error(self, path, status, **body):
        error = self.ask(path, status, **body).json()
        self.assertEqual(list(error), ["error"])
        return error["error"]

    def loaded(self):
        return {m["name"]: m for m in self.get("/api/ps")["models"]}

    # what only looks

    def test_version_and_root(self):
        self.assertRegex(self.get("/api/version")["version"], r"^\d+\.\d+\.\d+$")
        self.assertEqual(ask(self.daemon, "HEAD", "/").status, 200)
        self.assertEqual(ask(self.daemon, "GET", "/").body, b"Headroom is running\n")

    def test_tags(self):
        models = self.get("/api/tags")["models"]
        self.assertEqual([m["name"] for m in models], ["calls:latest", "demo:latest", "other:latest", "thinks:latest"])
        demo = models[1]
        self.assertEqual(set(demo), {"name", "model", "modified_at", "size", "digest", "details"})
        self.assertEqual(demo["model"], "demo:latest")
        self.assertRegex(demo["digest"], r"^[0-9a-f]{64}$")
        self.assertNotEqual(demo["digest"], models[0]["digest"])
        self.assertEqual(demo["digest"], self.get("/api/tags")["models"][1]["digest"])
        self.assertEqual(demo["details"], {"parent_model": "", "format": "gguf", "family": "llama", "families": ["llama"], "parameter_size": "1.38M",
                                           "quantization_level": "Q8_0"})
        self.assertEqual(unix(demo["modified_at"]), self.daemon_file_time())
        self.assertEqual(ask(self.daemon, "HEAD", "/api/tags").status, 200)

    def daemon_file_time(self):
        return int(os.stat(os.path.join(self.daemon.scratch, "models", "demo.gguf")).st_mtime)

    def test_show(self):
        by_name, by_model = (self.ask("/api/show", **{key: "demo"}).json() for key in ("name", "model"))
        self.assertEqual(by_name, by_model)
        self.assertEqual(by_name["model_info"]["general.architecture"], "llama")
        self.assertEqual(by_name["model_info"]["llama.context_length"], 512)
        self.assertEqual(by_name["parameters"].split(), ["num_ctx", "512"])
        self.assertEqual(by_name["capabilities"], ["completion", "embedding"])
        self.assertIn("tools", self.ask("/api/show", model="calls").json()["capabilities"])
        self.assertIn("thinking", self.ask("/api/show", model="thinks").json()["capabilities"])
        self.assertIn('model "none" not found, try pulling it first', self.error("/api/show", 404, name="none"))
        self.assertIn("'model'", self.error("/api/show", 400))

    def test_41_looking_wakes_nothing_and_resets_no_time(self):
        self.ask("/api/generate", model="other", keep_alive="10m")
        self.ask("/api/generate", model="thinks", keep_alive=0)
        before = self.daemon.model("other")
        expires = self.loaded()["other:latest"]["expires_at"]
        time.sleep(1.2)
        for path in ("/api/tags", "/api/ps", "/api/version", "/v1/models", "/v1/models/other", "/health"):
            self.get(path)
        for name in ("other", "thinks"):
            self.ask("/api/show", model=name)
            self.ask("/api/pull", model=name)
        after = self.daemon.model("other")
        self.assertGreaterEqual(after["idle_ms"], before["idle_ms"] + 1200)
        self.assertLess(after["expires_in_ms"], before["expires_in_ms"])
        self.assertAlmostEqual(unix(self.loaded()["other:latest"]["expires_at"]), unix(expires), delta=1)
        self.assertNotEqual(self.daemon.model("thinks")["state"], "ready")

    # chats

    def test_31_a_stream_says_what_a_whole_answer_does(self):
        asked = {"model": "demo:latest", "messages": [WORDS], "options": STILL}
        lines, whole = self.lines("/api/chat", **asked), self.whole("/api/chat", **asked)
        openai = ask(self.daemon, "POST", "/v1/chat/completions", chat(max_tokens=12)).json()
        self.assertEqual("".join(line["message"]["content"] for line in lines), whole["message"]["content"])
        self.assertEqual(whole["message"], {"role": "assistant", "content": openai["choices"][0]["message"]["content"]})
        for line in lines[:-1]:
            self.assertEqual(set(line), {"model", "created_at", "message", "done"})
            self.assertEqual((line["model"], line["done"], line["message"]["role"]), ("demo:latest", False, "assistant"))
        for end in (lines[-1], whole):
            self.assertEqual(set(end), END | {"message"})
            self.assertEqual((end["done"], end["done_reason"], end["eval_count"]), (True, "length", 12))
            self.assertEqual(end["prompt_eval_count"], openai["usage"]["prompt_tokens"])
            self.assertGreater(end["total_duration"], end["eval_duration"])
            self.assertGreater(end["eval_duration"], 1000)
            self.assertAlmostEqual(unix(end["created_at"]), time.time(), delta=60)
        self.assertEqual(lines[-1]["message"], {"role": "assistant", "content": ""})

    def test_generations(self):
        said = self.whole("/api/generate", model="demo", prompt=WORDS["content"], options=STILL)["response"]
        self.assertEqual(said, self.whole("/api/chat", model="demo", messages=[WORDS], options=STILL)["message"]["content"])
        lines = self.lines("/api/generate", model="demo", prompt="Once", raw=True, options=STILL)
        openai = ask(self.daemon, "POST", "/v1/completions", {"model": "demo", "prompt": "Once", "temperature": 0, "max_tokens": 12}).json()
        self.assertEqual("".join(line["response"] for line in lines), openai["choices"][0]["text"])
        self.assertEqual(set(lines[-1]), END | {"response"})
        with_system = self.whole("/api/generate", model="demo", prompt="x", system="Be brief.", options=STILL)
        self.assertGreater(with_system["prompt_eval_count"], self.whole("/api/generate", model="demo", prompt="x", options=STILL)["prompt_eval_count"])

    def test_options(self):
        text = self.whole("/api/generate", model="demo", prompt="Once", raw=True, options=STILL)["response"]
        stop = text[6:9]
        end = self.whole("/api/generate", model="demo", prompt="Once", raw=True, options=dict(STILL, stop=[stop]))
        self.assertEqual((end["done_reason"], end["response"]), ("stop", text[:text.index(stop)]))
        loads = self.daemon.model("demo")["loads"]
        for num_ctx in (128, 2048, 1 << 20):
            self.assertEqual(self.whole("/api/generate", model="demo", prompt="Once", raw=True, options=dict(STILL, num_ctx=num_ctx))["response"], text)
        self.assertEqual(self.daemon.model("demo")["loads"], loads)
        first, again = (self.whole("/api/generate", model="demo", prompt="x", options={"temperature": 1.5, "seed": 7, "num_predict": 30}) for _ in range(2))
        self.assertEqual(first["response"], again["response"])
        everything = self.whole("/api/generate", model="demo", prompt="x", options={"num_predict": -1})
        self.assertTrue(everything["done_reason"] == "stop" or everything["prompt_eval_count"] + everything["eval_count"] == 512)

    def test_formats(self):
        schema = {"type": "object", "properties": {"n": {"enum": [1, 22, 333]}}, "required": ["n"], "additionalProperties": False}
        said = self.whole("/api/chat", model="demo", messages=[WORDS], format=schema, options={"num_predict": 100})
        self.assertIn(json.loads(said["message"]["content"])["n"], (1, 22, 333))
        lines = self.lines("/api/generate", model="demo", prompt="x", format="json", options={"num_predict": 3, "seed": 1})
        self.assertTrue("".join(line["response"] for line in lines).startswith("{"))

    def test_log_probabilities(self):
        said = self.whole("/api/chat", model="demo", messages=[WORDS], logprobs=True, top_logprobs=2, options=STILL)
        self.assertEqual(len(said["logprobs"]), 12)
        self.assertEqual(len(said["logprobs"][0]["top_logprobs"]), 2)
        raw = self.lines("/api/generate", model="demo", prompt="Once", raw=True, logprobs=True, options=STILL)
        self.assertEqual(raw[0]["logprobs"][0]["token"], raw[0]["response"])

    def test_tools_and_their_results(self):
        called = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "get_weather", "arguments": {"city": "Oslo"}}}]}
        result = {"role": "tool", "tool_name": "get_weather", "content": "rain"}
        counts = [self.whole("/api/chat", model="calls", messages=messages, tools=tools, options=STILL)["prompt_eval_count"]
                  for messages, tools in (([WORDS], []), ([WORDS], TOOLS), ([WORDS, called, result], TOOLS))]
        self.assertTrue(counts[0] < counts[1] < counts[2], counts)

    def test_thinking(self):
        said = [self.whole("/api/chat", model="thinks", messages=[WORDS], think=think, options=STILL) for think in (True, False, "high")]
        self.assertIn("thinking", said[0]["message"])  # the prompt opens it, and noise does not close it
        self.assertNotIn("thinking", said[1]["message"])
        self.assertEqual(said[0]["prompt_eval_count"], said[2]["prompt_eval_count"])

    # how long a model stays

    def test_39_keep_alive(self):
        for said, seconds in ((300, 300), ("300", 300), ("1h30m", 5400), ("90s", 90), ("1500000ms", 1500), (1800.0, 1800)):
            self.whole("/api/generate", model="demo", prompt="x", options=STILL, keep_alive=said)
            left = unix(self.loaded()["demo:latest"]["expires_at"]) - time.time()
            self.assertTrue(seconds - 30 < left <= seconds + 1, (said, left))
        self.whole("/api/chat", model="demo", messages=[WORDS], options=STILL)  # says nothing of it
        self.assertGreater(unix(self.loaded()["demo:latest"]["expires_at"]) - time.time(), 1000)
        for said in (-1, "-1", "-1m"):
            self.whole("/api/chat", model="demo", messages=[WORDS], options=STILL, keep_alive=said)
            self.assertGreater(unix(self.loaded()["demo:latest"]["expires_at"]), time.time() + 200 * 365 * 86400)
        self.whole("/api/embed", model="demo", input="x", keep_alive=0)
        eventually(lambda: "demo:latest" not in self.loaded())
        self.whole("/api/generate", model="demo", prompt="x", options=STILL)
        left = unix(self.loaded()["demo:latest"]["expires_at"]) - time.time()
        self.assertTrue(60 < left <= 121, left)  # as it is configured
        self.assertIn("'keep_alive' must be", self.error("/api/chat", 400, model="demo", messages=[WORDS], keep_alive="soon"))

    def test_40_expiry_is_a_time_as_iso_8601_has_it(self):
        self.ask("/api/generate", model="demo", keep_alive="1h")
        expires = datetime.fromisoformat(self.loaded()["demo:latest"]["expires_at"].replace("Z", "+00:00"))
        self.assertAlmostEqual(expires.timestamp(), time.time() + 3600, delta=60)

    def test_load_and_unload(self):
        for path, empty in (("/api/generate", {}), ("/api/generate", {"prompt": ""}), ("/api/chat", {"messages": []}), ("/api/chat", {})):
            for stream in (True, False):
                said = self.ask(path, model="other", stream=stream, **empty).json()
                self.assertEqual((said["done"], said["done_reason"]), (True, "load"))
                self.assertIn("other:latest", self.loaded())
                loaded = self.loaded()["other:latest"]
                self.assertEqual((loaded["size_vram"], loaded["context_length"]), (0, self.daemon.model("other")["n_ctx"]))
                self.assertGreater(loaded["size"], 1 << 20)
                said = self.ask(path, model="other", stream=stream, keep_alive=0, **empty).json()
                self.assertEqual((said["done"], said["done_reason"]), (True, "unload"))
                eventually(lambda: "other:latest" not in self.loaded())
        self.assertIn("is pinned", self.error("/api/generate", 400, model="calls", keep_alive=0))
        self.ask("/api/generate", model="other", keep_alive="0")  # not loaded: nothing is to be done
        self.assertEqual(self.whole("/api/embed", model="other", input=[])["embeddings"], [])
        self.assertEqual(self.whole("/api/embeddings", model="other", prompt=""), {"embedding": []})

    # vectors

    def test_vectors(self):
        openai = ask(self.daemon, "POST", "/v1/embeddings", {"model": "demo", "input": ["memory", "heat"]}).json()
        vectors = [d["embedding"] for d in openai["data"]]
        said = self.whole("/api/embed", model="demo", input=["memory", "heat"])
        self.assertEqual(set(said), {"model", "embeddings", "total_duration", "prompt_eval_count"})
        self.assertEqual((said["embeddings"], said["prompt_eval_count"]), (vectors, openai["usage"]["prompt_tokens"]))
        self.assertEqual(self.whole("/api/embed", model="demo", input="heat")["embeddings"], vectors[1:])
        self.assertEqual(self.whole("/api/embeddings", model="demo", prompt="heat"), {"embedding": vectors[1]})
        self.assertEqual(len(self.whole("/api/embed", model="demo", input="heat", dimensions=8)["embeddings"][0]), 8)
        long = "heat " * 2000
        self.assertEqual(len(self.whole("/api/embed", model="demo", input=long)["embeddings"]), 1)
        self.assertIn("context", self.error("/api/embed", 400, model="demo", input=long, truncate=False))

    # refusals

    def test_35_an_unknown_model(self):
        for path, more in (("/api/chat", {"messages": [WORDS]}), ("/api/generate", {"prompt": "x"}), ("/api/generate", {}), ("/api/embed", {"input": "x"}),
                           ("/api/embeddings", {"prompt": "x"}), ("/api/show", {}), ("/api/pull", {})):
            said = self.error(path, 404, model="demmo:1b", **more)
            self.assertTrue(said.startswith('model "demmo:1b" not found, try pulling it first'), said)
        self.assertIn("did you mean 'demo'?", self.error("/api/generate", 404, model="demmo"))
        self.assertIn("models directory", self.error("/api/pull", 404, model="demmo"))
        openai = ask(self.daemon, "POST", "/v1/chat/completions", chat("demmo:1b")).json()["error"]
        self.assertEqual((openai["type"], openai["param"], openai["code"]), ("invalid_request_error", "model", "model_not_found"))

    def test_names(self):
        for name in ("demo", "demo:latest", "DEMO", "demo.gguf", "Demo:Latest"):
            self.assertEqual(self.whole("/api/chat", model=name, messages=[WORDS], options=STILL)["model"], name)

    def test_what_is_not_offered(self):
        picture = dict(WORDS, images=["aGk="])
        for path, more, says in (("/api/chat", {"messages": [picture]}, "'images' are not offered"),
                                 ("/api/generate", {"prompt": "x", "images": ["aGk="]}, "'images' are not offered"),
                                 ("/api/generate", {"prompt": "x", "template": "{{ .Prompt }}"}, "'template' is not offered"),
                                 ("/api/chat", {"messages": [WORDS], "format": "yaml"}, "'format' must be"),
                                 ("/api/chat", {"messages": [WORDS], "options": {"temperature": "hot"}}, "options.temperature must be a number"),
                                 ("/api/chat", {"messages": [WORDS], "options": {"temperature": -1}}, "temperature must be"),
                                 ("/api/chat", {"messages": [{"content": "x"}]}, "messages[0].role")):
            self.assertIn(says, self.error(path, 400, model="demo", **more))
        for method, path in (("POST", "/api/create"), ("POST", "/api/copy"), ("POST", "/api/push"), ("DELETE", "/api/delete"),
                             ("POST", "/api/blobs/sha256:29fdb92e57cf0827ded04ae6461b5931d01fa595843f55d36f5b275a52087dd2")):
            self.assertIn("Headroom makes, changes, copies and removes no models", self.error(path, 501, method=method))
        self.assertEqual(ask(self.daemon, "POST", "/api/chat", b"{").json()["error"][:26], "the body is not valid JSON")
        self.assertEqual([line["status"] for line in self.lines("/api/pull", model="demo")][-1], "success")
        self.assertEqual(self.whole("/api/pull", name="demo:latest"), {"status": "success"})

    def test_an_error_in_the_middle_of_a_stream(self):
        with self.daemon.connect() as s:
            s.sendall(request("POST", "/api/chat", {"model": "thinks", "messages": [WORDS], "options": {"num_predict": 3000}, "keep_alive": "1m"}, Connection="close"))
            data = b""
            while b'"done":false' not in data:
                data += s.recv(65536)
            os.kill(self.daemon.model("thinks")["pid"], signal.SIGKILL)
            reply = Reply(s, already=data)
        self.assertEqual(reply.status, 200)
        last = json.loads(reply.body.splitlines()[-1])
        self.assertEqual(list(last), ["error"])
        self.assertIn("ended", last["error"])

    def test_a_stream_that_waits_is_told_of_by_white_space(self):
        reply = b""
        with self.daemon.connect() as s:
            os.kill(self.engine("other"), signal.SIGSTOP)
            try:
                s.sendall(request("POST", "/api/chat", {"model": "other", "messages": [WORDS], "options": STILL}, Connection="close"))
                while b"\r\n \r\n" not in reply:
                    reply += s.recv(65536)
            finally:
                os.kill(self.daemon.model("other")["pid"], signal.SIGCONT)
            reply = Reply(s, already=reply)
        self.assertTrue(reply.body.startswith(b" "))
        self.assertTrue(json.loads(reply.body.splitlines()[-1])["done"])
        self.assertEqual(json.loads(reply.body.splitlines()[0])["done"], False)

    def engine(self, name):
        self.ask("/api/generate", model=name)
        return self.daemon.model(name)["pid"]


if __name__ == "__main__":
    unittest.main()
