#!/usr/bin/env python3
"""infill - gaps between two texts: `suffix` of completions, llama-server's /infill and Ollama's `suffix`, by a model whose vocabulary has tokens
for that, against a completion whose prompt is written in tokens."""

import json
import os
import tempfile
import unittest

import headroomd
from headroomd import DEMO_MODEL, ENGINE, Daemon, ask

PRE, SUF, MID, REP, SEP = 300, 301, 302, 303, 304       # as make-gguf --infill has them
BEFORE, BEHIND = "def add(a, b):\n    return ", "\n\nprint(add(1, 2))\n"
SAMPLING = {"temperature": 1, "seed": 5}


class Infill(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        code = headroomd.make_gguf(os.path.join(cls.folder.name, "code.gguf"), "--infill", "--ctx", "512")
        cls.daemon = Daemon("context = 512\n", models={"code.gguf": code, "demo.gguf": DEMO_MODEL})

    @classmethod
    def tearDownClass(cls):
        cls.daemon.done()
        cls.folder.cleanup()

    def ask(self, path, status=200, **body):
        reply = ask(self.daemon, "POST", path, dict({"model": "code"}, **body))
        self.assertEqual(reply.status, status, reply.body)
        return reply

    def tokens(self, text):
        return self.ask("/tokenize", content=text, parse_special=False).json()["tokens"]

    def answer(self, tokens, **more):
        """What the model says to a prompt of these tokens."""
        return self.ask("/v1/completions", prompt=tokens, **dict(SAMPLING, max_tokens=20, **more)).json()

    def gap(self, before=BEFORE, behind=BEHIND):
        return [PRE] + self.tokens(before) + [SUF] + self.tokens(behind) + [MID]

    def test_suffix(self):
        wanted = self.answer(self.gap())
        told = self.ask("/v1/completions", prompt=BEFORE, suffix=BEHIND, max_tokens=20, **SAMPLING).json()
        self.assertEqual(told["choices"], wanted["choices"])
        self.assertEqual(told["usage"]["prompt_tokens"], len(self.gap()))
        marked = self.ask("/v1/completions", prompt="a<|im_end|>", suffix="b", max_tokens=1).json()     # no control tokens of the client's
        self.assertEqual(marked["usage"]["prompt_tokens"], len(self.gap("a<|im_end|>", "b")))
        two = self.ask("/v1/completions", prompt=BEFORE, suffix=BEHIND, max_tokens=20, n=2, **SAMPLING).json()
        self.assertEqual(two["choices"][0]["text"], wanted["choices"][0]["text"])
        ends = self.answer(self.gap(), logit_bias={str(SEP): 100})["choices"][0]     # to a prompt that fills no gap it is a word
        self.assertEqual(ends["finish_reason"], "length")
        ends = self.ask("/v1/completions", prompt=BEFORE, suffix=BEHIND, logit_bias={str(SEP): 100}).json()
        self.assertEqual((ends["choices"][0]["text"], ends["choices"][0]["finish_reason"]), ("", "stop"))

    def test_without_tokens_for_it(self):
        for path, body in (("/v1/completions", {"prompt": "a", "suffix": "b"}), ("/infill", {"input_prefix": "a"}), ("/api/generate", {"prompt": "a", "suffix": "b"})):
            reply = self.ask(path, status=400, **dict(body, model="demo")).json()["error"]
            self.assertIn("not taught to fill a gap", reply if isinstance(reply, str) else reply["message"])

    def test_infill(self):
        wanted = self.answer(self.gap())
        body = {"input_prefix": "def add(a, b):\n", "prompt": "    return ", "input_suffix": BEHIND, "n_predict": 20, "samplers": ["top_k", "infill"],
                "cache_prompt": True, "id_slot": 0, **SAMPLING}
        told = self.ask("/infill", **dict(body, samplers=None)).json()
        self.assertEqual(told["content"], wanted["choices"][0]["text"])
        self.assertEqual((told["stop"], told["model"], told["truncated"]), (True, "code", False))
        self.assertEqual((told["tokens_evaluated"], told["tokens_predicted"]), (len(self.gap()), wanted["usage"]["completion_tokens"]))
        self.assertEqual(told["stop_type"], {"length": "limit", "stop": "eos"}[wanted["choices"][0]["finish_reason"]])
        self.assertGreater(told["timings"]["predicted_per_second"], 0)
        names = ["content", "timings/prompt_n", "timings/predicted_n", "tokens_cached", "truncated", "no/such"]
        chosen = self.ask("/v1/infill", **dict(body, samplers=None, response_fields=names)).json()
        self.assertEqual(sorted(chosen), sorted(names[:-1]))
        self.assertEqual((chosen["content"], chosen["timings/predicted_n"]), (told["content"], told["tokens_predicted"]))
        self.assertEqual(self.ask("/infill", **body).status, 200)        # a sampler that nobody knows is left out
        warm = self.ask("/infill", **dict(body, n_predict=0)).json()     # an editor that only has the prompt read
        self.assertEqual((warm["content"], warm["tokens_predicted"]), ("", 0))
        stream = self.ask("/infill", **dict(body, samplers=None, stream=True)).body.decode()
        parts = [json.loads(block[6:]) for block in stream.strip().split("\n\n") if block.startswith("data: ")]
        self.assertEqual("".join(p["content"] for p in parts), told["content"])
        self.assertEqual([p["stop"] for p in parts], [False] * (len(parts) - 1) + [True])
        word = self.ask("/infill", **dict(body, samplers=None, stop=[told["content"][:3]])).json()
        self.assertEqual((word["content"], word["stop_type"], word["stopping_word"]), ("", "word", told["content"][:3]))

    def test_other_files(self):
        extra = [{"filename": "a.py", "text": "x = 1\n"}, {"filename": "b.py", "text": "y = 2\n"}]
        head = [REP] + self.tokens("project\n")
        for item in extra:
            head += [SEP] + self.tokens(item["filename"]) + self.tokens("\n") + self.tokens(item["text"])
        head += [SEP] + self.tokens("this file") + self.tokens("\n")
        told = self.ask("/infill", input_prefix=BEFORE, input_suffix=BEHIND, input_extra=extra, n_predict=20, **SAMPLING).json()
        self.assertEqual(told["tokens_evaluated"], len(head + self.gap()))
        self.assertEqual(told["content"], self.answer(head + self.gap())["choices"][0]["text"])
        self.ask("/infill", status=400, input_prefix=BEFORE, input_extra=[{"filename": "a"}])

    def test_what_is_far_from_the_gap_is_left_out(self):
        far = {"input_prefix": "a b " * 2000 + BEFORE, "input_suffix": BEHIND + "c d " * 2000, "input_extra": [{"filename": "f", "text": "e " * 3000}]}
        told = self.ask("/infill", n_predict=20, **dict(far, **SAMPLING)).json()
        self.assertEqual(told["tokens_evaluated"], 512 - 20 - 1)        # no more room, and none for a token that begins a text
        self.assertEqual(told["tokens_predicted"] or 20, 20)
        refused = self.ask("/v1/completions", status=400, prompt="a b " * 2000, suffix="c").json()["error"]
        self.assertEqual(refused["code"], "context_length_exceeded")

    def test_ollama(self):
        wanted = self.answer(self.gap())
        told = self.ask("/api/generate", prompt=BEFORE, suffix=BEHIND, stream=False, options=dict(SAMPLING, num_predict=20)).json()
        self.assertEqual(told["response"], wanted["choices"][0]["text"])
        self.assertIn("insert", self.ask("/api/show").json()["capabilities"])
        self.assertNotIn("insert", self.ask("/api/show", model="demo").json()["capabilities"])


if __name__ == "__main__":
    unittest.main()
