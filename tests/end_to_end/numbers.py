#!/usr/bin/env python3
"""numbers - a model that computes NaN: each answer ends with an error that says so, and the log says it once a load."""

import os
import sys
import tempfile
import unittest

from headroomd import Daemon, ask, make_gguf

HELLO = [{"role": "user", "content": "hi"}]
LIST = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "array", "items": {"type": "integer"}}}}


class Numbers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        model = make_gguf(os.path.join(cls.scratch.name, "nan.gguf"), "--nan", "output_norm.weight")
        cls.daemon = Daemon("context = 256\n", models={"nan.gguf": model})

    @classmethod
    def tearDownClass(cls):
        cls.daemon.done()
        cls.scratch.cleanup()

    def refused(self, path, what, **body):
        reply = ask(self.daemon, "POST", "/v1/" + path, dict(body, model="nan", max_tokens=12))
        self.assertEqual(reply.status, 500, reply.body)
        error = reply.json()["error"]
        self.assertEqual((error["code"], error["type"]), ("no_numbers", "server_error"))
        self.assertIn(what, error["message"])
        self.assertIn("another file", error["advice"])

    def test_every_answer_says_so_and_the_log_once(self):
        for more in {}, {"temperature": 0}, {"response_format": {"type": "json_object"}}, {"response_format": LIST}, {"logprobs": True}:
            self.refused("chat/completions", "logits", messages=HELLO, **more)
        self.refused("completions", "logits", prompt="hi", grammar='root ::= "a"+', logit_bias={"5": -100})
        self.refused("embeddings", "vectors", input=["a", "b"])
        told = ask(self.daemon, "POST", "/v1/chat/completions", {"model": "nan", "messages": HELLO, "stream": True})
        self.assertIn(b'"code":"no_numbers"', told.body)
        self.assertEqual(self.daemon.log().count("event=no_numbers"), 1)

    def test_where_nothing_is_computed_nothing_is_wrong(self):
        reply = ask(self.daemon, "POST", "/v1/completions", {"model": "nan", "prompt": "hi", "max_tokens": 0})
        self.assertEqual(reply.status, 200, reply.body)


if __name__ == "__main__":
    sys.exit(unittest.main())
