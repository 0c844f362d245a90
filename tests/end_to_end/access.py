#!/usr/bin/env python3
"""Access keys, as an operator makes them and as clients show them."""

import base64
import json
import os
import subprocess
import unittest

from headroomd import BUILD, DEMO_MODEL, SMALL_MODEL, Daemon, ask, chat, eventually


class Access(unittest.TestCase):
    def setUp(self):
        self.daemon = Daemon("keep_alive = forever\n", models={"demo.gguf": DEMO_MODEL, "small.gguf": SMALL_MODEL})
        self.addCleanup(self.daemon.done)

    def ctl(self, *arguments):
        return subprocess.run([BUILD + "/headroomctl", "--socket", self.daemon.control_path, *arguments], capture_output=True, text=True)

    def key(self, *arguments):
        made = self.ctl("key", "add", *arguments)
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assertRegex(made.stdout, r"^headroom_[0-9A-Za-z]{43}\n$")
        return made.stdout.strip()

    def ask(self, headers, model="demo", **more):
        return ask(self.daemon, "POST", "/v1/chat/completions", chat(model, max_tokens=1, **more), **headers)

    def test_how_a_key_is_shown(self):
        self.assertEqual(self.ask({}).status, 200)  # as long as there is none
        key = self.key("laptop")
        wrong = key[:-1] + ("a" if key[-1] != "a" else "b")
        basic = base64.b64encode(f"me:{key}".encode()).decode()
        for headers, status in (({}, 401), ({"Authorization": "Bearer " + key}, 200), ({"Authorization": "bearer " + key}, 200),
                                ({"X-Api-Key": key}, 200), ({"api-key": key}, 200), ({"Authorization": "Basic " + basic}, 200),
                                ({"Authorization": "Bearer " + wrong}, 401), ({"X-Api-Key": "x" * 4000}, 401), ({"Authorization": key}, 401),
                                ({"Authorization": "Basic ???"}, 401), ({"Authorization": "Bearer"}, 401)):
            answer = self.ask(headers)
            self.assertEqual(answer.status, status, headers)
            if status == 401:
                self.assertEqual(answer.json()["error"]["code"], "invalid_api_key")
                self.assertEqual(answer.headers["www-authenticate"], "Bearer")
        for path, status in (("/health", 200), ("/", 200), ("/v1/models", 401), ("/nothing", 401)):
            self.assertEqual(ask(self.daemon, "GET", path).status, status, path)
        self.assertIsInstance(ask(self.daemon, "GET", "/api/tags").json()["error"], str)  # each in the form of its path
        self.assertEqual(ask(self.daemon, "POST", "/v1/messages", {}).json()["error"]["type"], "authentication_error")
        with open(self.daemon.scratch + "/keys.json") as f:
            self.assertNotIn(key, f.read())
        self.assertEqual(os.stat(self.daemon.scratch + "/keys.json").st_mode & 0o777, 0o600)
        self.assertNotIn(key, self.daemon.log())
        self.assertIn(" key=laptop ", self.daemon.log())
        many = [subprocess.Popen([BUILD + "/headroomctl", "--socket", self.daemon.control_path, "key", "add", f"k{i}"], stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL) for i in range(12)]  # at once: none is lost on the disk
        self.assertEqual([p.communicate() and p.returncode for p in many], [0] * 12)
        with open(self.daemon.scratch + "/keys.json") as f:
            self.assertEqual({k["name"] for k in json.load(f)["keys"]}, {"laptop", *(f"k{i}" for i in range(12))})
        for i in range(12):
            self.assertEqual(self.ctl("key", "remove", f"k{i}").returncode, 0)
        self.assertEqual(self.ctl("key", "remove", "laptop").returncode, 0)
        self.assertEqual(self.ask({}).status, 200)

    def test_what_a_key_may(self):
        one = {"Authorization": "Bearer " + self.key("one", "--allow", "small", "--class", "batch")}
        self.assertEqual(self.ask(one).json()["error"]["code"], "model_not_allowed")
        self.assertEqual(self.ask(one, "small").status, 200)
        self.assertEqual([m["id"] for m in ask(self.daemon, "GET", "/v1/models", **one).json()["data"]], ["small"])
        self.assertEqual(ask(self.daemon, "GET", "/v1/models/demo", **one).status, 404)
        self.assertEqual([m["model"] for m in ask(self.daemon, "GET", "/api/tags", **one).json()["models"]], ["small:latest"])

        few = {"X-Api-Key": self.key("few", "--rate", "2/h")}
        self.assertEqual([self.ask(few).status for _ in range(3)], [200, 200, 429])
        refused = self.ask(few)
        self.assertEqual((refused.json()["error"]["code"], refused.headers["x-should-retry"]), ("rate_limit_exceeded", "false"))

        short = {"X-Api-Key": self.key("short", "--tokens", "5/m")}
        self.assertEqual(self.ask(short).status, 200)
        refused = self.ask(short)
        self.assertEqual((refused.status, refused.json()["error"]["code"]), (429, "token_limit_exceeded"))
        self.assertIn("retry-after", refused.headers)

        listed = {k["name"]: k for k in json.loads(self.ctl("--json", "key", "list").stdout)["keys"]}
        self.assertEqual(listed["one"]["allow"], ["small"])
        self.assertEqual((listed["few"]["requests"], listed["few"]["running"]), (2, 0))
        self.assertGreater(listed["short"]["tokens_used"], 5)
        self.assertRegex(self.ctl("key", "list").stdout, r"one +small +batch")

    def test_what_a_key_has_asked_is_known_to_it_alone(self):
        one, other = ({"X-Api-Key": self.key(name)} for name in ("one", "other"))
        prompt = [{"role": "user", "content": "The same long story. " * 40}]

        def known(headers):
            return self.ask(headers, messages=prompt).json()["usage"]["prompt_tokens_details"]["cached_tokens"]

        self.assertEqual(known(one), 0)
        self.assertEqual(known(other), 0)
        self.assertGreater(known(one), 0)
        self.assertGreater(known(other), 0)

    def test_concurrency(self):
        key = {"X-Api-Key": self.key("one", "--concurrent", "1")}
        with self.daemon.connect() as s:
            body = json.dumps({"model": "demo", "prompt": "Once", "max_tokens": 1000, "ignore_eos": True, "stream": True}).encode()
            s.sendall(b"POST /v1/completions HTTP/1.0\r\nHost: 127.0.0.1\r\nX-Api-Key: %s\r\nContent-Type: application/json\r\n"
                      b"Content-Length: %d\r\n\r\n" % (key["X-Api-Key"].encode(), len(body)) + body)
            s.recv(1)
            self.assertEqual(self.ask(key).json()["error"]["code"], "key_concurrency_limit")
        eventually(lambda: self.ask(key).status == 200)

    def test_mistakes(self):
        self.assertEqual(self.ctl("key").returncode, 2)
        self.assertEqual(self.ctl("key", "add").returncode, 2)
        self.assertEqual(self.ctl("key", "lend", "a").returncode, 2)
        self.key("a")
        for arguments, sentence in ((("add", "a"), "there is a key 'a' already"), (("remove", "b"), "there is no key 'b'"),
                                    (("add", "b", "--rate", "often"), "'rate' is so much in so long")):
            failed = self.ctl("key", *arguments)
            self.assertEqual(failed.returncode, 1)
            self.assertIn(sentence, failed.stderr)


if __name__ == "__main__":
    unittest.main()
