#!/usr/bin/env python3
"""tokens - /tokenize, /detokenize and /apply-template with the real daemon and engine, against `headroom-engine` and against what a
completion and a chat read."""

import json
import subprocess
import unittest

from headroomd import DEMO_MODEL, ENGINE, Daemon, ask

TEXTS = ["What is the KV cache?", "", "ä€😀\n", "<|im_start|>user", "memory " * 4000]
MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is the KV cache?"}]


def by_command(text, *options):
    return json.loads(subprocess.run([ENGINE, "tokenize", DEMO_MODEL, *options], input=text.encode(), capture_output=True, check=True).stdout)


class Tokens(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon("context = 512\n")

    @classmethod
    def tearDownClass(cls):
        cls.daemon.done()

    def post(self, path, **body):
        reply = ask(self.daemon, "POST", path, dict({"model": "demo"}, **body))
        self.assertEqual(reply.status, 200, reply.body)
        return reply.json()

    def test_texts(self):
        for text in TEXTS:
            told = self.post("/tokenize", content=text)
            self.assertEqual(told["tokens"], by_command(text, "--parse-special"))
            self.assertEqual(told["count"], len(told["tokens"]))
            self.assertEqual(self.post("/v1/detokenize", tokens=told["tokens"]), {"content": text, "prompt": text})
            plain = self.post("/v1/tokenize", content=text, parse_special=False, add_special=True)
            self.assertEqual(plain["tokens"], by_command(text, "--add-special"))
        pieces = self.post("/tokenize", content="a 😀", with_pieces=True)["tokens"]
        self.assertEqual([piece["id"] for piece in pieces], self.post("/tokenize", content="a 😀")["tokens"])
        self.assertEqual(b"".join(p["piece"].encode() if isinstance(p["piece"], str) else bytes(p["piece"]) for p in pieces).lstrip(), "a 😀".encode())
        half = self.post("/detokenize", tokens=[piece["id"] for piece in pieces if not isinstance(piece["piece"], str)][:1])
        self.assertEqual(half["content"], "\ufffd")

    def test_what_is_read(self):
        prompt = self.post("/apply-template", messages=MESSAGES)["prompt"]
        self.assertIn(MESSAGES[1]["content"], prompt)
        chat = self.post("/v1/chat/completions", messages=MESSAGES, temperature=0, max_tokens=24)
        completion = self.post("/v1/completions", prompt=prompt, temperature=0, max_tokens=24)
        self.assertEqual(completion["choices"][0]["text"].strip(), chat["choices"][0]["message"]["content"].strip())
        for count in (self.post("/tokenize", messages=MESSAGES)["count"], self.post("/tokenize", prompt=prompt)["count"],
                      completion["usage"]["prompt_tokens"]):
            self.assertEqual(count, chat["usage"]["prompt_tokens"])
        self.assertLess(len(self.post("/apply-template", messages=MESSAGES, add_generation_prompt=False)["prompt"]), len(prompt))

    def test_props(self):
        """They need no model, and load none."""
        props = ask(self.daemon, "GET", "/props?model=demo").json()
        status = self.daemon.status()["models"][0]
        self.assertEqual(props["default_generation_settings"]["n_ctx"], 512)
        self.assertEqual(props["is_sleeping"], status["state"] != "ready")
        self.assertEqual(ask(self.daemon, "GET", "/props").json(), props)  # there is only one
        self.assertEqual(len(ask(self.daemon, "GET", "/slots").json()), 0 if props["is_sleeping"] else props["total_slots"])
        self.assertEqual(self.daemon.status()["models"][0]["loads"], status["loads"])
        self.assertIn("completion", ask(self.daemon, "GET", "/v1/models/demo").json()["capabilities"])

    def test_refusals(self):
        for path, body, param in (("/tokenize", {}, "content"), ("/tokenize", {"content": ["x"]}, "content"), ("/tokenize", {"messages": []}, "messages"),
                                  ("/tokenize", {"content": "x", "model": 7}, "model"), ("/detokenize", {"content": "x"}, "tokens"),
                                  ("/detokenize", {"tokens": [1 << 30]}, "tokens"), ("/apply-template", {"prompt": "x"}, "messages")):
            reply = ask(self.daemon, "POST", path, dict({"model": "demo"}, **body))
            self.assertEqual((reply.status, reply.json()["error"]["param"]), (400, param), reply.body)
        self.assertEqual(ask(self.daemon, "POST", "/tokenize", {"model": "nobody", "content": "x"}).status, 404)


if __name__ == "__main__":
    unittest.main()
