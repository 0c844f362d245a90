#!/usr/bin/env python3
"""serving - headroomd over its sockets, with a real engine: every status, limits, pipelining, streams, slow and departing clients."""

import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import headroomd
from headroomd import BUILD, SANITIZED, Daemon, Reply, ask, chat, eventually, events, read_all, request

LIMITS = "[server]\nconnections = 20\nbody_limit = 100K\nheader_timeout = 500ms\nidle_timeout = 1500ms\n[models]\ncontext = 512\n"


class Serving(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.mkdtemp(prefix="headroom-models-")
        cls.long = headroomd.make_gguf(os.path.join(cls.scratch, "long.gguf"), "--ctx", "16384")
        cls.daemon = Daemon(LIMITS, models={"demo.gguf": os.path.join(headroomd.DEMO, "headroom-demo.gguf"), "org:long.gguf": cls.long},
                            model_confs={"long.conf": "[model]\nname = org/long:q8\npath = org:long.gguf\naliases = long\ncontext = 16384\nparallel = 2\n"})

    @classmethod
    def tearDownClass(cls):
        cls.daemon.done()
        shutil.rmtree(cls.scratch)

    def check_error(self, reply, status, code, kind=None):
        self.assertEqual(reply.status, status, reply.body)
        self.assertEqual(reply.headers["content-type"], "application/json")
        error = reply.json()["error"]
        self.assertEqual(error["code"], code)
        self.assertEqual(error["type"], kind or ("server_error" if status >= 500 else "invalid_request_error"))
        self.assertIsInstance(error["message"], str)

    def raw(self, data, head_only=False):
        s = self.daemon.connect()
        s.sendall(data)
        reply = Reply(s, head_only)
        reply.after = read_all(s) if reply.headers.get("connection") == "close" else None
        s.close()
        return reply

    # --- plain requests ---

    def test_health_root_and_models(self):
        health = ask(self.daemon, "GET", "/health")
        self.assertEqual((health.status, health.json()["status"]), (200, "ok"))
        self.assertEqual(ask(self.daemon, "GET", "/").body, b"Headroom is running\n")
        head = ask(self.daemon, "HEAD", "/")
        self.assertEqual((head.status, head.headers["content-length"], head.rest), (200, "20", b""))
        listed = ask(self.daemon, "GET", "/v1/models").json()
        self.assertEqual([m["id"] for m in listed["data"]], ["org/long:q8", "demo"])
        for m in listed["data"]:
            self.assertEqual(m["object"], "model")
            self.assertIsInstance(m["created"], int)
            self.assertGreater(m["created"], 1500000000)
            self.assertIsInstance(m["owned_by"], str)
        for name in ("org/long:q8", "org%2Flong%3Aq8", "long"):
            self.assertEqual(ask(self.daemon, "GET", "/v1/models/" + name).json()["id"], "org/long:q8")
        self.check_error(ask(self.daemon, "GET", "/v1/models/none"), 404, "model_not_found")

    def test_headers_of_every_answer(self):
        ids = set()
        for path in ("/health", "/nothing", "/v1/models"):
            reply = ask(self.daemon, "GET", path)
            self.assertRegex(reply.headers["date"], r"^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$")
            self.assertNotIn("access-control-allow-origin", reply.headers)
            self.assertEqual(reply.headers["vary"], "Origin")
            self.assertEqual(reply.headers["connection"], "close")
            ids.add(reply.headers["x-request-id"])
        self.assertEqual(len(ids), 3)

    def test_wrong_paths_and_methods(self):
        self.check_error(ask(self.daemon, "GET", "/v1/nothing"), 404, "not_found")
        wrong = ask(self.daemon, "GET", "/v1/chat/completions")
        self.check_error(wrong, 405, "method_not_allowed")
        self.assertEqual(wrong.headers["allow"], "POST, OPTIONS")
        self.check_error(ask(self.daemon, "PATCH", "/health"), 405, "method_not_allowed")
        options = ask(self.daemon, "OPTIONS", "/v1/chat/completions")
        self.assertEqual((options.status, options.headers["allow"]), (204, "POST, OPTIONS"))
        self.assertNotIn("content-length", options.headers)
        self.check_error(ask(self.daemon, "GET", "/v1/embeddings"), 405, "method_not_allowed")
        self.check_error(ask(self.daemon, "GET", "/control/status"), 404, "not_found")

    # --- limits ---

    def test_malformed(self):
        for data in (b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nBad Header\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
                     b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"):
            reply = self.raw(data)
            self.check_error(reply, 400, "bad_request")
            self.assertEqual(reply.after, b"")
        self.check_error(self.raw(b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n"), 505, "http_version")

    def test_large_headers(self):
        self.check_error(self.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 40000 + b"\r\n\r\n"), 431, "header_too_large")
        self.assertEqual(self.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: " + b"x" * 32000 + b"\r\n\r\n").status, 200)

    def test_large_bodies(self):
        said = request("POST", "/v1/completions", b"x" * 200000)
        s = self.daemon.connect()
        s.sendall(said[:200])               # the length alone is enough
        self.check_error(Reply(s), 413, "body_too_large")
        s.close()
        self.check_error(self.raw(said), 413, "body_too_large")
        s = self.daemon.connect()
        s.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(30):
            s.sendall(b"1000\r\n" + b"x" * 4096 + b"\r\n")
        self.check_error(Reply(s), 413, "body_too_large")
        s.close()
        long_enough = chat(max_tokens=1, padding="x" * 80000)
        self.assertEqual(ask(self.daemon, "POST", "/v1/chat/completions", long_enough).status, 200)

    def test_slow_headers(self):
        s = self.daemon.connect()
        started = time.monotonic()
        s.sendall(b"GET / HTTP/1.1\r\nHo")
        self.check_error(Reply(s), 408, "request_timeout")
        self.assertLess(abs(time.monotonic() - started - 0.5), 0.4)
        self.assertEqual(read_all(s), b"")

    def test_idle_connections_are_closed(self):
        s = self.daemon.connect()
        s.sendall(request("GET", "/health"))
        Reply(s)
        started = time.monotonic()
        self.assertEqual(read_all(s), b"")
        self.assertLess(abs(time.monotonic() - started - 1.5), 0.6)

    def test_idle_connections_make_room(self):
        many = [self.daemon.connect() for _ in range(40)]
        self.assertEqual(ask(self.daemon, "GET", "/health").status, 200)
        self.assertEqual(self.daemon.status()["models_known"], 2)       # the operator gets through as well
        self.assertEqual(read_all(many[0]), b"")
        for s in many:
            s.close()

    # --- one connection, many requests ---

    def test_keep_alive_and_pipelining(self):
        s = self.daemon.connect()
        for _ in range(5):
            s.sendall(request("GET", "/health"))
            reply = Reply(s)
            self.assertEqual(reply.status, 200)
            self.assertNotIn("connection", reply.headers)
        s.sendall(request("POST", "/v1/chat/completions", chat()) + request("GET", "/v1/models/demo") + request("GET", "/nothing")
                  + request("POST", "/v1/chat/completions", chat(stream=True)) + request("GET", "/", Connection="close"))
        replies = [Reply(s)]
        for _ in range(4):
            replies.append(Reply(s, already=replies[-1].rest))
        self.assertEqual([r.status for r in replies], [200, 200, 404, 200, 200])
        self.assertEqual(replies[0].json()["object"], "chat.completion")
        self.assertEqual(replies[1].json()["id"], "demo")
        self.assertEqual(events(replies[3].body)[-1], "[DONE]")
        self.assertEqual(replies[4].body, b"Headroom is running\n")
        self.assertEqual(read_all(s), b"")

    def test_chunked_body_in_small_pieces(self):
        body = json.dumps(chat(max_tokens=2)).encode()
        s = self.daemon.connect()
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        data = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        for i in range(0, len(body), 7):
            part = body[i:i + 7]
            data += b"%x\r\n%s\r\n" % (len(part), part)
        data += b"0\r\n\r\n"
        for i in range(0, len(data), 11):
            s.sendall(data[i:i + 11])
        self.assertEqual(Reply(s).status, 200)
        s.close()

    def test_expect_continue(self):
        body = json.dumps(chat(max_tokens=2)).encode()
        s = self.daemon.connect()
        s.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
        self.assertEqual(Reply(s).status, 100)
        s.sendall(body)
        self.assertEqual(Reply(s).status, 200)
        s.close()

    def test_http_1_0(self):
        body = json.dumps(chat(stream=True)).encode()
        reply = self.raw(b"POST /v1/chat/completions HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        self.assertNotIn("transfer-encoding", reply.headers)
        self.assertEqual(events(reply.body)[-1], "[DONE]")

    # --- answers ---

    def test_refused_bodies(self):
        for path, body, param in (("/v1/chat/completions", b"{", None), ("/v1/chat/completions", b"\xff", None),
                                  ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}, "model"),
                                  ("/v1/chat/completions", {"model": "demo"}, "messages"),
                                  ("/v1/chat/completions", chat(n=9), "n"), ("/v1/chat/completions", chat(stream=1), "stream"),
                                  ("/v1/completions", {"model": "demo", "prompt": ["a", ""]}, "prompt"),
                                  ("/v1/completions", {"model": "demo", "prompt": {"a": 1}}, "prompt")):
            reply = ask(self.daemon, "POST", path, body)
            self.assertEqual(reply.status, 400, reply.body)
            self.assertEqual(reply.json()["error"]["param"], param)
        self.check_error(ask(self.daemon, "POST", "/v1/chat/completions", chat("none")), 404, "model_not_found")
        self.check_error(ask(self.daemon, "POST", "/v1/chat/completions", chat("none", stream=True)), 404, "model_not_found")

    def test_prompt_too_long(self):
        for more in ({}, {"stream": True}):
            reply = ask(self.daemon, "POST", "/v1/chat/completions", chat(messages=[{"role": "user", "content": "word " * 2000}], **more))
            self.assertEqual(reply.status, 400, reply.body)
            error = reply.json()["error"]
            self.assertEqual((error["type"], error["code"]), ("exceed_context_size_error", "context_length_exceeded"))
            self.assertIn("maximum context length", error["message"])
            self.assertGreater(error["n_prompt_tokens"], error["n_ctx"])

    def test_unknown_fields(self):
        reply = ask(self.daemon, "POST", "/v1/chat/completions",
                    chat(num_ctx=8192, options={"num_ctx": 1}, id_slot=0, cache_prompt=True, user="me", metadata={}, store=False,
                         parallel_tool_calls=False, prompt_cache_key="k", reasoning_effort="low", service_tier=None, nonsense=[[{}]]))
        self.assertEqual(reply.status, 200, reply.body)

    def check_stream(self, body, usage):
        got = [e for e in events(body) if not isinstance(e, str) or not e.startswith(":")]
        self.assertEqual(got[-1], "[DONE]")
        chunks = got[:-1]
        self.assertEqual(len({c["id"] for c in chunks}), 1)
        self.assertRegex(chunks[0]["id"], r"^chatcmpl-[A-Za-z0-9]{24}$")
        self.assertEqual(len({c["created"] for c in chunks}), 1)
        self.assertEqual({c["object"] for c in chunks}, {"chat.completion.chunk"})
        self.assertEqual(chunks[0]["choices"], [{"index": 0, "delta": {"role": "assistant", "content": None}, "finish_reason": None}])
        if usage:
            self.assertEqual(chunks[-1]["choices"], [])
            self.assertEqual(chunks[-1]["usage"]["total_tokens"], chunks[-1]["usage"]["prompt_tokens"] + chunks[-1]["usage"]["completion_tokens"])
            chunks.pop()
        self.assertNotIn("usage", chunks[-1])
        self.assertEqual(chunks[-1]["choices"][0]["delta"], {})
        for c in chunks[1:-1]:
            self.assertEqual(list(c["choices"][0]["delta"]), ["content"])
            self.assertIsNone(c["choices"][0]["finish_reason"])
        return "".join(c["choices"][0]["delta"]["content"] for c in chunks[1:-1]), chunks[-1]["choices"][0]["finish_reason"]

    def test_stream_says_what_the_whole_answer_says(self):
        for limit, finish in ((200, "stop"), (5, "length")):
            whole = ask(self.daemon, "POST", "/v1/chat/completions", chat(max_tokens=limit)).json()
            reply = ask(self.daemon, "POST", "/v1/chat/completions", chat(max_tokens=limit, stream=True, stream_options={"include_usage": True}))
            self.assertEqual(reply.headers["content-type"], "text/event-stream")
            self.assertEqual(reply.headers["cache-control"], "no-cache")
            self.assertEqual(reply.headers["x-accel-buffering"], "no")
            text, reason = self.check_stream(reply.body, usage=True)
            self.assertEqual(whole["choices"][0]["message"], {"role": "assistant", "content": text})
            self.assertEqual((whole["choices"][0]["finish_reason"], reason), (finish, finish))
            self.assertRegex(whole["id"], r"^chatcmpl-[A-Za-z0-9]{24}$")
            self.assertIn("cached_tokens", whole["usage"]["prompt_tokens_details"])
            self.check_stream(ask(self.daemon, "POST", "/v1/chat/completions", chat(max_tokens=limit, stream=True)).body, usage=False)

    def test_the_form_of_an_answer(self):
        """Held to a schema, streamed or not; refused, by the keyword's name and place, before a word is said."""
        schema = {"type": "object", "properties": {"day": {"type": "string", "format": "date"}, "n": {"type": "integer", "minimum": 1,
                  "maximum": 40}, "tags": {"type": "array", "items": {"enum": ["a", "\u00fc"]}, "maxItems": 3}}, "required": ["day", "n"]}
        wish = {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": schema}}
        for seed in range(5):
            body = dict(temperature=1.2, seed=seed, max_tokens=300, response_format=wish)
            choice = ask(self.daemon, "POST", "/v1/chat/completions", chat(**body)).json()["choices"][0]
            self.assertEqual(choice["finish_reason"], "stop")
            value = json.loads(choice["message"]["content"])
            self.assertLessEqual(set(value), {"day", "n", "tags"})
            self.assertRegex(value["day"], r"^\d{4}-\d\d-\d\d$")
            self.assertIn(value["n"], range(1, 41))
            self.assertLessEqual(set(value.get("tags", [])), {"a", "\u00fc"})
            text, reason = self.check_stream(ask(self.daemon, "POST", "/v1/chat/completions", chat(stream=True, **body)).body, usage=False)
            self.assertEqual((text, reason), (choice["message"]["content"], "stop"))
        held = ask(self.daemon, "POST", "/v1/completions", {"model": "demo", "prompt": "x", "grammar": 'root ::= "ye" [as]'}).json()
        self.assertIn(held["choices"][0]["text"], ("yea", "yes"))
        for body, param, says in ((chat(response_format={"type": "xml"}), "response_format", "json_schema"),
                                  (chat(response_format={"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema":
                                        {"properties": {"a": {"uniqueItems": True}}}}}), "response_format", "#/properties/a/uniqueItems: the keyword uniqueItems "),
                                  (chat(grammar="root ::= [a", stream=True), "grammar", "line 1"),
                                  (chat(grammar="root ::= root | \"a\""), "grammar", "left recursion")):
            reply = ask(self.daemon, "POST", "/v1/chat/completions", body)
            self.check_error(reply, 400, None)
            self.assertEqual(reply.json()["error"]["param"], param)
            self.assertIn(says, reply.json()["error"]["message"])
        relaxed = ask(self.daemon, "POST", "/v1/chat/completions", chat(json_schema={"properties": {"a": {"uniqueItems": True}}}, max_tokens=20))
        self.assertEqual(relaxed.status, 200)
        self.assertEqual(relaxed.headers["x-headroom-relaxed"], "json_schema#/properties/a/uniqueItems")

    def test_completions(self):
        for prompt in ("The budget", ["The budget"], [1, 2, 3], [[1, 2, 3]]):
            reply = ask(self.daemon, "POST", "/v1/completions", {"model": "demo", "prompt": prompt, "max_tokens": 4, "temperature": 0}).json()
            self.assertRegex(reply["id"], r"^cmpl-[A-Za-z0-9]{24}$")
            self.assertEqual(reply["object"], "text_completion")
            self.assertIsInstance(reply["choices"][0]["text"], str)
            self.assertIn(reply["usage"]["completion_tokens"], range(1, 5))

    def test_logprobs(self):
        whole = ask(self.daemon, "POST", "/v1/chat/completions", chat(max_tokens=4, logprobs=True, top_logprobs=3)).json()["choices"][0]
        entries = whole["logprobs"]["content"]
        self.assertEqual("".join(e["token"] for e in entries), whole["message"]["content"])
        for e in entries:
            self.assertEqual(bytes(e["bytes"]).decode(), e["token"])
            self.assertEqual(len(e["top_logprobs"]), 3)
            self.assertAlmostEqual(e["logprob"], max(t["logprob"] for t in e["top_logprobs"]), places=5)
        flat = ask(self.daemon, "POST", "/v1/completions", {"model": "demo", "prompt": "The budget", "max_tokens": 4, "temperature": 0,
                                                          "logprobs": 2}).json()["choices"][0]
        lists = flat["logprobs"]
        lengths = {len(lists[k]) for k in ("tokens", "token_logprobs", "top_logprobs", "text_offset")}
        self.assertEqual(len(lengths), 1)
        self.assertEqual("".join(lists["tokens"]), flat["text"])
        for token, offset in zip(lists["tokens"], lists["text_offset"]):
            self.assertEqual(flat["text"][offset:offset + len(token)], token)

    # --- waiting, slow and departing clients ---

    def control(self, verb, body):
        s = self.daemon.connect_control()
        s.sendall(request("POST", "/control/" + verb, body, Connection="close"))
        reply = Reply(s)
        s.close()
        return reply

    def test_a_client_that_leaves_a_stream(self):
        s = self.daemon.connect()
        s.sendall(request("POST", "/v1/completions", {"model": "long", "prompt": "x", "max_tokens": 15000, "ignore_eos": True, "stream": True}))
        s.recv(1000)
        eventually(lambda: self.daemon.model("org/long:q8")["running"] == 1)
        s.close()
        eventually(lambda: self.daemon.model("org/long:q8")["running"] == 0, 2)
        self.assertIn("status=499", self.daemon.log())

    def test_a_client_that_leaves_before_its_answer(self):
        s = self.daemon.connect()
        s.sendall(request("POST", "/v1/completions", {"model": "long", "prompt": "x", "max_tokens": 15000, "ignore_eos": True}))
        eventually(lambda: self.daemon.model("org/long:q8")["running"] == 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))      # by a reset, this time
        s.close()
        eventually(lambda: self.daemon.model("org/long:q8")["running"] == 0, 2)

    def engine_ticks(self, pid):
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rsplit(") ", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    def test_a_client_that_does_not_read(self):
        s = self.daemon.connect(receive_buffer=4096)
        s.sendall(request("POST", "/v1/completions", {"model": "long", "prompt": "x", "max_tokens": 4000, "ignore_eos": True, "stream": True,
                                                      "temperature": 0}))
        eventually(lambda: self.daemon.model("org/long:q8")["running"] == 1)
        pid = self.daemon.model("org/long:q8")["pid"]
        before = self.daemon.memory_kib()
        ticks = [self.engine_ticks(pid)]

        def stands_still():
            time.sleep(0.4)
            ticks.append(self.engine_ticks(pid))
            return ticks[-1] == ticks[-2]
        eventually(stands_still, 60)
        self.assertEqual(self.daemon.model("org/long:q8")["running"], 1)        # it is not done: it waits
        self.assertTrue(SANITIZED or self.daemon.memory_kib() - before < 1024)
        # Another client of the same model is served meanwhile.
        self.assertEqual(ask(self.daemon, "POST", "/v1/completions", {"model": "long", "prompt": "y", "max_tokens": 3}).status, 200)
        reply = Reply(s)
        got = events(reply.body)
        self.assertEqual(got[-1], "[DONE]")
        self.assertEqual(got[-2]["choices"][0]["finish_reason"], "length")
        s.close()

    # --- the operator's socket ---

    def test_control(self):
        status = self.daemon.status()
        for key in ("version", "pid", "uptime_s", "listen", "budget_bytes", "reserved_bytes", "measured_bytes", "weights_bytes", "weights_limit_bytes",
                    "reserve_bytes", "available_bytes", "models_known", "models_loaded", "requests_running", "requests_waiting", "models"):
            self.assertIn(key, status)
        self.assertEqual((status["pid"], status["listen"]), (self.daemon.pid, f"127.0.0.1:{self.daemon.port}"))
        for key in ("id path state pinned priority pid running waiting predicted_bytes weights_bytes kv_bytes scratch_bytes overhead_bytes measured_bytes "
                    "peak_bytes n_ctx kv_tokens kv_type loaded_ms_ago idle_ms expires_in_ms loads deaths requests last_error last_exit last_stderr "
                    "cooldown_ms aliases").split():
            self.assertIn(key, status["models"][0])
        self.assertEqual(self.control("load", {"model": "long"}).json(), {"model": "org/long:q8", "state": "ready"})
        self.assertEqual(self.control("unload", {"model": "long"}).json()["state"], "absent")
        self.check_error(self.control("load", {"model": "none"}), 404, "model_not_found")
        self.check_error(self.control("load", {}), 400, None)
        self.assertEqual(os.stat(self.daemon.control_path).st_mode & 0o777, 0o660)

    @unittest.skipUnless(os.geteuid() == 0, "needs another user")
    def test_control_refuses_strangers(self):
        os.chmod(self.daemon.scratch, 0o755)
        os.chmod(self.daemon.control_path, 0o666)
        code = ("import os, socket; os.setgroups([]); os.setgid(65534); os.setuid(65534); s = socket.socket(socket.AF_UNIX); s.connect(%r);"
                "s.sendall(b'GET /control/status HTTP/1.0\\r\\n\\r\\n'); print(s.recv(100)[:12].decode())" % self.daemon.control_path)
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20)
        os.chmod(self.daemon.control_path, 0o660)
        self.assertEqual(said.stdout.strip(), "HTTP/1.1 403", said.stderr)


def ready_line(stream):
    """What the log says when clients are served; lines before it tell what was found missing."""
    line = stream.readline()
    while line and (b"event=ready" if isinstance(line, bytes) else "event=ready") not in line:
        line = stream.readline()
    return line


class Process(unittest.TestCase):
    def run_daemon(self, *args, timeout=20):
        return subprocess.run([os.path.join(BUILD, "headroomd"), *args], capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)

    def test_a_second_daemon(self):
        first = Daemon()
        second = self.run_daemon("--config", os.path.join(first.scratch, "headroom.conf"))
        self.assertEqual(second.returncode, 1)
        self.assertIn("another headroomd", second.stderr)
        self.assertEqual(ask(first, "GET", "/health").status, 200)
        self.assertEqual(first.status()["pid"], first.pid)
        first.done()

    def test_taken_port(self):
        s = socket.socket()
        s.bind(("127.0.0.1", 0))
        s.listen()
        with tempfile.TemporaryDirectory() as scratch:
            said = self.run_daemon("--listen", f"127.0.0.1:{s.getsockname()[1]}", "--control", scratch + "/c", "--models", scratch, "--state", scratch)
            self.assertEqual(os.listdir(scratch), ["lock"])
        self.assertEqual(said.returncode, 1)
        self.assertIn("--listen", said.stderr)
        s.close()

    def test_debug_log(self):
        """A maintainer sees the conversation with an engine, the plans and the verdicts; nobody else does."""
        for level, seen in (("info", False), ("debug", True)):
            daemon = Daemon(conf=f"[log]\nlevel = {level}\n")
            self.assertEqual(ask(daemon, "POST", "/v1/chat/completions", chat(max_tokens=2)).status, 200)
            for line in (r"debug event=frame_sent pid=\d+ type=[a-z]+ id=1 bytes=\d+\n", r"debug event=frame_received pid=\d+ type=end id=1 bytes=\d+\n",
                         r"debug event=plan look=\d+ rung=calm ", r"debug event=admission model=demo verdict=admit "):
                self.assertEqual(bool(re.search(line, daemon.log())), seen, line)
            daemon.done()

    def test_options(self):
        self.assertEqual(self.run_daemon("--version").stdout.split()[0], "headroomd")
        self.assertIn("--check-config", self.run_daemon("--help").stdout)
        for args in (["--nonsense"], ["--budget"], ["--help=1"], ["--listen", "127.0.0.1:65536"], ["--config", "/nonexistent"]):
            said = self.run_daemon(*args)
            self.assertEqual(said.returncode, 2, args)
            self.assertNotEqual(said.stderr, "")

    @unittest.skipIf(os.geteuid(), "the sample shows the service's defaults; an ordinary user's places are others")
    def test_sample_configuration(self):
        """Every default that the sample shows is a valid line, and the one that holds anyway."""
        with tempfile.TemporaryDirectory() as scratch:
            sample = open(os.path.join(headroomd.ROOT, "units", "headroom.conf")).read()
            with open(scratch + "/headroom.conf", "w") as f:
                f.write(re.sub(r"(?m)^#([a-z_]+ = )", r"\1", sample))
            checked = self.run_daemon("--check-config", "--config", scratch + "/headroom.conf")
            os.unlink(scratch + "/headroom.conf")
            open(scratch + "/headroom.conf", "w").close()
            self.assertEqual(checked.returncode, 0, checked.stdout)
            self.assertEqual(checked.stdout, self.run_daemon("--check-config", "--config", scratch + "/headroom.conf").stdout)

    @unittest.skipUnless(os.geteuid() == 0, "needs another user")
    def test_an_ordinary_user(self):
        """No file, no option: a daemon in the user's own places, found by headroomctl."""
        with tempfile.TemporaryDirectory() as home:
            programs = home + "/bin"
            shutil.copytree(BUILD, programs, ignore=lambda folder, names: [n for n in names if folder != BUILD or not n.startswith("headroom")])
            os.makedirs(home + "/.local/share/headroom/models")
            shutil.copy(os.path.join(headroomd.DEMO, "headroom-demo.gguf"), home + "/.local/share/headroom/models")
            os.mkdir(home + "/run")
            for folder, _, files in os.walk(home):
                os.chown(folder, 65534, 65534)
            code = "import os, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534); os.execv(sys.argv[1], sys.argv[1:])"
            env = {"HOME": home, "XDG_RUNTIME_DIR": home + "/run", "PATH": os.environ["PATH"]}
            process = subprocess.Popen([sys.executable, "-c", code, programs + "/headroomd", "--listen", "0"], env=env, stderr=subprocess.PIPE, text=True)
            self.addCleanup(process.kill)
            self.assertIn("control=" + home + "/run/headroom/control.sock", ready_line(process.stderr))
            listed = subprocess.run([sys.executable, "-c", code, programs + "/headroomctl", "models"], env=env, capture_output=True, text=True)
            self.assertIn("headroom-demo", listed.stdout, listed.stderr)
            process.terminate()
            process.communicate(timeout=20)
            self.assertEqual(process.returncode, 0)
            self.assertTrue(os.path.isdir(home + "/.local/state/headroom"))

    def test_without_standard_streams(self):
        """Its sockets take the places of the closed ones, unless it is careful."""
        with tempfile.TemporaryDirectory() as scratch:
            process = subprocess.Popen(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", os.path.join(BUILD, "headroomd"), "--listen", "127.0.0.1:0", "--control",
                                        scratch + "/c", "--state", scratch, "--models", headroomd.DEMO])
            operator = socket.socket(socket.AF_UNIX)
            operator.settimeout(20)
            end = time.monotonic() + 20
            while operator.connect_ex(scratch + "/c") and time.monotonic() < end:
                time.sleep(0.02)
            operator.sendall(b"GET /control/status HTTP/1.0\r\n\r\n")
            host, port = json.loads(read_all(operator).partition(b"\r\n\r\n")[2])["listen"].split(":")
            client = socket.create_connection((host, int(port)), 20)
            client.sendall(request("POST", "/v1/chat/completions", chat("headroom-demo", max_tokens=1)))
            self.assertEqual(Reply(client).status, 200)
            process.terminate()
            self.assertEqual(process.wait(20), 0)

    def test_check_config(self):
        with tempfile.TemporaryDirectory() as scratch:
            with open(scratch + "/headroom.conf", "w") as f:
                f.write("[memory]\nbugdet = 1G\n[server]\nconnections = x\n")
            said = self.run_daemon("--check-config", "--config", scratch + "/headroom.conf", "--models", scratch)
        self.assertEqual(said.returncode, 1)
        self.assertEqual(said.stdout.splitlines(), [f"{scratch}/headroom.conf:2: unknown key 'bugdet' in [memory]; did you mean 'budget'?",
                                                    f"{scratch}/headroom.conf:4: connections = 'x' is no whole number"])

    def test_stopping_lets_an_answer_end(self):
        daemon = Daemon()
        s = daemon.connect()
        s.sendall(request("POST", "/v1/chat/completions", chat(stream=True, max_tokens=100)))
        s.recv(100)
        daemon.process.terminate()
        rest = read_all(s)
        self.assertIn(b"data: [DONE]", rest)
        daemon.done()

    def test_signals_that_come_late(self):
        """Until the very end another SIGTERM changes nothing: the status is 0."""
        for _ in range(10):
            daemon = Daemon()
            while daemon.process.poll() is None:
                daemon.process.terminate()
                time.sleep(0.001)  # a flood without a pause would keep the loop in its signal pipe
            self.assertEqual(daemon.process.returncode, 0)
            daemon.done()

    def test_stopping_twice_ends_streams_with_an_error(self):
        with tempfile.TemporaryDirectory() as scratch:
            headroomd.make_gguf(scratch + "/long.gguf", "--ctx", "65536")
            daemon = Daemon("context = 65536\n", models={"long.gguf": scratch + "/long.gguf"})
            s = daemon.connect()
            s.sendall(request("POST", "/v1/completions", {"prompt": "x", "max_tokens": 60000, "ignore_eos": True, "stream": True}))
            whole = daemon.connect()
            whole.sendall(request("POST", "/v1/completions", {"prompt": "x", "max_tokens": 60000, "ignore_eos": True}))
            said = s.recv(4000)
            thread = threading.Thread(target=lambda: (time.sleep(0.3), daemon.process.terminate(), time.sleep(0.3), daemon.process.terminate()))
            thread.start()
            said += read_all(s)
            refused = Reply(whole)
            thread.join()
            daemon.done()
        self.assertNotIn(b"[DONE]", said)
        self.assertRegex(said, rb'data: {"error":{"message":"[^"]+","type":"server_error","param":null,"code":"shutting_down"}}\n\n\r\n0\r\n\r\n$')
        self.assertEqual((refused.status, refused.json()["error"]["code"]), (503, "shutting_down"))

    def test_service_manager(self):
        """What systemd hears: ready, alive twice as often as it asks, stopping."""
        with tempfile.TemporaryDirectory() as scratch:
            manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            manager.bind(scratch + "/notify")
            manager.settimeout(10)
            daemon = Daemon(env={"NOTIFY_SOCKET": scratch + "/notify", "WATCHDOG_USEC": "400000"})
            said = manager.recv(1000).decode()
            while "READY" not in said:  # the governor may have looked before
                said = manager.recv(1000).decode()
            self.assertRegex(said, r"^READY=1\nSTATUS=serving 1 models on 127\.0\.0\.1:\d+, budget \d+ MiB$")
            started = time.monotonic()
            for _ in range(4):
                said = manager.recv(1000)
                if said.startswith(b"STATUS="):
                    said = manager.recv(1000)
                self.assertEqual(said, b"WATCHDOG=1")
            self.assertLess(abs(time.monotonic() - started - 0.8), 0.3)
            daemon.process.terminate()
            said = manager.recv(1000)
            while b"STOPPING" not in said:
                said = manager.recv(1000)
            self.assertIn(b"STOPPING=1", said)
            daemon.done()
            manager.close()

    def test_a_log_that_nobody_reads(self):
        """Lines are lost, not time; the next line that gets through says how many."""
        with tempfile.TemporaryDirectory() as scratch:
            process = subprocess.Popen([os.path.join(BUILD, "headroomd"), "--listen", "0", "--control", scratch + "/c", "--models", headroomd.DEMO,
                                        "--state", scratch], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
            port = int(re.search(rb"listen=127\.0\.0\.1:(\d+)", ready_line(process.stderr)).group(1))
            s = socket.create_connection(("127.0.0.1", port), 20)
            body = request("POST", "/v1/chat/completions", chat("headroom-demo", max_tokens=1, messages=[{"role": "user", "content": "word " * 700}]))
            for _ in range(600):            # each is refused, and each refusal is a line or two
                s.sendall(body)
                self.assertEqual(Reply(s).status, 400)
            s.close()
            log = b""
            while b"lines_lost=" not in log:
                log += os.read(process.stderr.fileno(), 65536)
                with socket.create_connection(("127.0.0.1", port), 20) as s:
                    s.sendall(body)
                    Reply(s)
            process.terminate()
            process.communicate(timeout=20)
            self.assertEqual(process.returncode, 0)

    def test_a_waiting_stream_says_why(self):
        """A model that takes a while to load: pings first, so that headers are out; then the answer, or what went wrong."""
        with tempfile.TemporaryDirectory() as scratch:
            slow = scratch + "/slow-engine"
            with open(slow, "w") as f:
                f.write(f"#!/bin/sh\ntest $1 != worker || sleep 1\ntest ! -e {scratch}/broken || exit 3\nexec {BUILD}/headroom-engine \"$@\"\n")
            os.chmod(slow, 0o755)
            daemon = Daemon(f"[engine]\npath = {slow}\n")
            s = daemon.connect()
            started = time.monotonic()
            s.sendall(request("POST", "/v1/chat/completions", chat(stream=True, max_tokens=3), Connection="close"))
            early = b""
            while b"\n\n" not in early:
                early += s.recv(4096)
            self.assertLess(time.monotonic() - started, 0.9)
            reply = Reply(s, already=early)
            self.assertRegex(events(reply.body)[0], r"^: ping \w")
            self.assertEqual(events(reply.body)[-1], "[DONE]")
            with daemon.connect_control() as c:
                c.sendall(request("POST", "/control/unload", {"model": "demo"}))
                self.assertEqual(Reply(c).status, 200)
            open(scratch + "/broken", "w").close()
            reply = ask(daemon, "POST", "/v1/chat/completions", chat(stream=True))
            self.assertEqual(reply.status, 200)
            got = events(reply.body)
            self.assertRegex(got[0], r"^: ping \w")
            self.assertIn("message", got[-1]["error"])
            self.assertGreaterEqual(ask(daemon, "POST", "/v1/chat/completions", chat()).status, 500)
            daemon.done()

    def test_nothing_is_left_behind(self):
        """1,000 rounds of connect, ask, leave: descriptors and memory stay where they were."""
        daemon = Daemon()
        rounds = int(os.environ.get("HEADROOM_ROUNDS", "1000"))
        self.assertEqual(ask(daemon, "POST", "/v1/chat/completions", chat(max_tokens=1)).status, 200)

        def some(count):
            for i in range(count):
                s = daemon.connect()
                s.sendall(request("POST", "/v1/chat/completions", chat(stream=bool(i & 1), max_tokens=4)))
                if i % 3:
                    s.recv(100)
                s.close()
            end = time.monotonic() + 20
            while daemon.status()["requests_running"] + daemon.status()["requests_waiting"] and time.monotonic() < end:
                time.sleep(0.02)
            return settled(), daemon.memory_kib()

        def settled():
            """The fewest in a time longer than the 2 s that a connection may linger: on a loaded machine some still do."""
            fewest = daemon.descriptors()
            for _ in range(25):
                time.sleep(0.1)
                fewest = min(fewest, daemon.descriptors())
            return fewest
        some(100)
        before = some(100)
        after = some(rounds)
        print(f"descriptors and KiB before {rounds} rounds {before}, after {after}")
        self.assertEqual(before[0], after[0])
        self.assertTrue(SANITIZED or after[1] - before[1] < 1024)
        daemon.done()

    def test_socket_activation(self):
        """The way of systemd: sockets already listening at descriptors 3 and 4, named in the environment."""
        with tempfile.TemporaryDirectory() as scratch:
            tcp, unix = socket.socket(), socket.socket(socket.AF_UNIX)
            tcp.bind(("127.0.0.1", 0))
            unix.bind(scratch + "/c")
            for s in (tcp, unix):
                s.listen()
            code = ("import os, sys; os.dup2(%d, 100); os.dup2(%d, 101); os.dup2(100, 3); os.dup2(101, 4);"
                    "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='2', LISTEN_FDNAMES='http:control');"
                    "os.execv(sys.argv[1], sys.argv[1:])" % (tcp.fileno(), unix.fileno()))
            process = subprocess.Popen([sys.executable, "-c", code, os.path.join(BUILD, "headroomd"), "--models", headroomd.DEMO, "--state", scratch],
                                       pass_fds=[tcp.fileno(), unix.fileno()], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
            client = socket.create_connection(tcp.getsockname(), 20)
            client.sendall(request("GET", "/health", Connection="close"))
            self.assertEqual(Reply(client).status, 200)
            operator = socket.socket(socket.AF_UNIX)
            operator.connect(scratch + "/c")
            operator.sendall(b"GET /control/status HTTP/1.0\r\n\r\n")
            self.assertIn(b'"listen":"127.0.0.1:%d"' % tcp.getsockname()[1], read_all(operator))
            process.terminate()
            log = process.communicate(timeout=20)[1]
            self.assertEqual(process.returncode, 0, log)
            self.assertTrue(os.path.exists(scratch + "/c"))
            for s in (tcp, unix, client, operator):
                s.close()


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
