#!/usr/bin/env python3
"""choices - several answers to one request: each as if it had been asked for alone, and the prompt computed once."""

import json
import os
import unittest

import headroomd
from headroomd import Daemon, ask, chat, eventually, events
from worker_process import Worker

QUESTION = {"messages": [{"role": "user", "content": "What is the KV cache? " * 20}], "temperature": 3, "top_k": 0, "min_p": 0, "top_p": 1, "seed": 11, "max_tokens": 24}
FORM = {"type": "object", "properties": {"n": {"enum": [1, 22, 333]}}, "required": ["n"], "additionalProperties": False}


class Choices(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        demo = os.path.join(headroomd.DEMO, "headroom-demo.gguf")
        cls.processor = min(os.sched_getaffinity(0))
        cls.daemon = Daemon("[models]\ncontext = 1024\nkeep_alive = forever\n", models={name: demo for name in ("demo.gguf", "few.gguf", "plain.gguf", "guessing.gguf")},
                            model_confs={"demo.conf": "[model]\npath = demo.gguf\nparallel = 8\nkv_tokens = 4096\n",
                                         "few.conf": "[model]\npath = few.gguf\nparallel = 2\nqueue = 1\nkv_tokens = 1024\n" f"cpus = {cls.processor}\n",
                                         "plain.conf": "[model]\npath = plain.gguf\nspeculate = off\n",
                                         "guessing.conf": "[model]\npath = guessing.gguf\nspeculate = lookup\n"})

    @classmethod
    def tearDownClass(cls):
        cls.daemon.done()

    def post(self, path="/v1/chat/completions", **body):
        reply = ask(self.daemon, "POST", path, json.dumps(body).encode())
        self.assertEqual(reply.status, 200, reply.body)
        return reply

    def alone(self, i, **more):
        return self.post(model="few", **dict(QUESTION, seed=QUESTION["seed"] + i, **more)).json()

    def test_as_alone(self):
        reply = self.post(model="demo", n=8, logprobs=True, top_logprobs=1, **QUESTION).json()
        self.assertEqual([c["index"] for c in reply["choices"]], list(range(8)))
        usage, alone = reply["usage"], [self.alone(i, logprobs=True, top_logprobs=1) for i in range(8)]
        for c, a in zip(reply["choices"], alone):
            self.assertEqual(c["message"], a["choices"][0]["message"])
            self.assertEqual(c["finish_reason"], a["choices"][0]["finish_reason"])
            self.assertEqual(c["logprobs"], a["choices"][0]["logprobs"])
        self.assertGreater(len({c["message"]["content"] for c in reply["choices"]}), 4)
        self.assertEqual(usage["prompt_tokens"], alone[0]["usage"]["prompt_tokens"])
        self.assertEqual(usage["completion_tokens"], sum(a["usage"]["completion_tokens"] for a in alone))
        self.assertEqual(usage["total_tokens"], usage["prompt_tokens"] + usage["completion_tokens"])

    def test_processors(self):
        """An engine keeps to the processors that its model's section names, with all its threads. (Its answers are compared above with another's.)"""
        self.alone(0)
        tasks = os.listdir(f"/proc/{self.daemon.model('few')['pid']}/task")
        self.assertEqual([os.sched_getaffinity(int(task)) for task in tasks], [{self.processor}] * len(tasks))

    def test_guessed_tokens(self):
        """Guesses at tokens change no answer of several, nor its log-probabilities, and the status tells how many were right."""
        form = {"type": "json_schema", "json_schema": {"schema": {"type": "array", "minItems": 4, "maxItems": 9, "items": FORM}}}
        told = [self.post(model=model, n=3, logprobs=True, top_logprobs=2, response_format=form, **dict(QUESTION, temperature=1, max_tokens=150)).json()
                for model in ("plain", "guessing")]
        self.assertEqual(told[0]["choices"], told[1]["choices"])
        self.assertEqual(told[0]["usage"], told[1]["usage"])
        eventually(lambda: self.daemon.model("guessing")["tokens_accepted"] > 20)
        self.assertLessEqual(self.daemon.model("guessing")["tokens_accepted"], self.daemon.model("guessing")["tokens_proposed"])
        self.assertEqual(self.daemon.model("plain")["tokens_proposed"], 0)

    def test_a_stream(self):
        chunks = [e for e in events(self.post(model="demo", n=3, stream=True, stream_options={"include_usage": True}, **QUESTION).body)
                  if isinstance(e, dict)]
        texts, ends = {}, {}
        for chunk in chunks[:-1]:
            (choice,) = chunk["choices"]
            i = choice["index"]
            self.assertNotIn(i, ends)
            if i not in texts:
                self.assertEqual(choice["delta"]["role"], "assistant")
                texts[i] = ""
            texts[i] += choice["delta"].get("content") or ""
            if choice["finish_reason"]:
                ends[i] = choice["finish_reason"]
        alone = [self.alone(i)["choices"][0] for i in range(3)]
        self.assertEqual(texts, {i: a["message"]["content"] for i, a in enumerate(alone)})
        self.assertEqual(ends, {i: a["finish_reason"] for i, a in enumerate(alone)})
        self.assertEqual(chunks[-1]["choices"], [])
        order = [c["choices"][0]["index"] for c in chunks[:-1]]
        self.assertNotEqual(order, sorted(order))       # they interleave

    def test_more_answers_than_places(self):
        reply = self.post(model="few", n=8, **QUESTION).json()
        self.assertEqual([c["message"] for c in reply["choices"]], [self.alone(i)["choices"][0]["message"] for i in range(8)])

    def test_forms_and_calls(self):
        wish = {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": FORM}}
        reply = self.post(model="demo", n=4, messages=[{"role": "user", "content": "x"}], response_format=wish, max_tokens=100, temperature=2).json()
        for c in reply["choices"]:
            self.assertIn(json.loads(c["message"]["content"])["n"], (1, 22, 333))
        tool = {"type": "function", "function": {"name": "get", "parameters": FORM}}
        reply = self.post(model="demo", n=4, messages=[{"role": "user", "content": "x"}], tools=[tool], tool_choice="required", max_tokens=200,
                          temperature=2).json()
        ids = set()
        for c in reply["choices"]:
            (call,) = c["message"]["tool_calls"]
            self.assertEqual((call["function"]["name"], c["finish_reason"]), ("get", "tool_calls"))
            self.assertIn(json.loads(call["function"]["arguments"])["n"], (1, 22, 333))
            ids.add(call["id"])
        self.assertEqual(len(ids), 4)

    def test_who_leaves_leaves_all(self):
        s = self.daemon.connect()
        s.sendall(headroomd.request("POST", "/v1/chat/completions", chat(n=8, stream=True, max_tokens=900, ignore_eos=True)))
        eventually(lambda: self.daemon.model("demo")["running"] == 8)
        s.close()
        eventually(lambda: self.daemon.model("demo")["running"] == 0)

    # --- completions ---

    def complete(self, **body):
        return self.post("/v1/completions", **dict({"model": "demo", "temperature": 3, "top_k": 0, "min_p": 0, "top_p": 1, "seed": 3, "max_tokens": 12}, **body))

    def test_lists_of_prompts(self):
        prompts = ["The daemon", "Swap " * 40, "The KV cache"]
        reply = self.complete(prompt=prompts, n=2, logprobs=0).json()
        self.assertEqual([c["index"] for c in reply["choices"]], list(range(6)))
        alone = [self.complete(model="few", prompt=p, seed=3 + i, logprobs=0).json() for p in prompts for i in range(2)]
        for c, a in zip(reply["choices"], alone):
            self.assertEqual((c["text"], c["finish_reason"], c["logprobs"]), tuple(a["choices"][0][k] for k in ("text", "finish_reason", "logprobs")))
        self.assertEqual(reply["usage"]["prompt_tokens"], sum(a["usage"]["prompt_tokens"] for a in alone[::2]))
        self.assertEqual(reply["usage"]["completion_tokens"], sum(a["usage"]["completion_tokens"] for a in alone))
        lists = [[5, 6, 7], [300, 301]]
        reply = self.complete(prompt=lists, stream=True)
        texts = ["", ""]
        for e in events(reply.body):
            for c in e["choices"] if isinstance(e, dict) else ():
                texts[c["index"]] += c["text"]
        self.assertEqual(texts, [self.complete(model="few", prompt=p).json()["choices"][0]["text"] for p in lists])

    def test_echo(self):
        prompt = "The daemon w\u00e4chst \U0001f600 and " * 9
        plain = self.complete(prompt=prompt).json()["choices"][0]
        told = self.complete(prompt=prompt, echo=True, n=2).json()["choices"]
        self.assertEqual(told[0]["text"], prompt + plain["text"])
        self.assertTrue(told[1]["text"].startswith(prompt))
        stream = events(self.complete(prompt=[prompt], echo=True, stream=True).body)
        self.assertEqual("".join(c["text"] for e in stream if isinstance(e, dict) for c in e["choices"]), told[0]["text"])
        self.assertEqual(self.complete(prompt=prompt, echo=True, max_tokens=0).json()["choices"][0]["text"], prompt)

    def test_echo_with_logprobs(self):
        tokens = ask(self.daemon, "POST", "/tokenize", {"model": "demo", "content": "The KV cache keeps the keys and values of all tokens. " * 3}).json()["tokens"]
        told = self.complete(prompt=tokens, echo=True, logprobs=2, max_tokens=3, ignore_eos=True).json()["choices"][0]
        told_again = self.complete(prompt=tokens, echo=True, logprobs=2, max_tokens=3, ignore_eos=True, n=2).json()["choices"]
        self.assertEqual(told_again[0]["logprobs"], told["logprobs"])           # whatever is known of it from before
        self.assertEqual(told_again[1]["logprobs"]["token_logprobs"][:len(tokens)], told["logprobs"]["token_logprobs"][:len(tokens)])
        said = told["logprobs"]
        self.assertEqual({len(said[k]) for k in ("tokens", "token_logprobs", "top_logprobs", "text_offset")}, {len(tokens) + 3})
        self.assertEqual((said["token_logprobs"][0], said["top_logprobs"][0], said["text_offset"][0]), (None, None, 0))
        for i, at in enumerate(said["text_offset"]):
            self.assertTrue(told["text"][at:].startswith(said["tokens"][i]), (i, at, said["tokens"][i]))
        for i in (1, 2, 17, len(tokens) - 1):       # as if it had been made after what stands before it
            alone = self.complete(model="few", prompt=tokens[:i], max_tokens=1, logprobs=0, logit_bias={str(tokens[i]): 100}, temperature=0).json()["choices"][0]
            self.assertEqual(alone["logprobs"]["token_logprobs"], [said["token_logprobs"][i]])
        plain = self.complete(prompt=tokens, logprobs=2, max_tokens=3, ignore_eos=True).json()["choices"][0]
        self.assertEqual(said["token_logprobs"][len(tokens):], plain["logprobs"]["token_logprobs"])
        self.assertEqual(told["text"][len(told["text"]) - len(plain["text"]):], plain["text"])
        none = self.complete(prompt=tokens, echo=True, logprobs=0, max_tokens=0).json()["choices"][0]
        self.assertEqual(none["logprobs"]["token_logprobs"], said["token_logprobs"][:len(tokens)])

    def test_the_best_of_many(self):
        def score(c):
            values = c["logprobs"]["token_logprobs"]
            return sum(values) / len(values)

        reply = self.complete(prompt=["The daemon"], best_of=6, n=2, ignore_eos=True).json()
        same = [self.complete(model="few", prompt="The daemon", seed=3 + i, logprobs=0, ignore_eos=True).json()["choices"][0] for i in range(6)]
        best = sorted(same, key=score, reverse=True)
        self.assertEqual([c["text"] for c in reply["choices"]], [c["text"] for c in best[:2]])
        self.assertEqual([c["index"] for c in reply["choices"]], [0, 1])
        self.assertEqual(reply["usage"]["completion_tokens"], 6 * 12)

    def test_refused(self):
        for n in (0, 9, -1):
            reply = ask(self.daemon, "POST", "/v1/chat/completions", chat(n=n))
            self.assertEqual((reply.status, reply.json()["error"]["param"]), (400, "n"), reply.body)


class Engine(unittest.TestCase):
    def test_a_prompt_is_computed_once(self):
        with Worker("--ctx", "1024", "--kv-tokens", "4096", "--parallel", "8") as w:
            w.ready()
            for i in range(8):
                w.send("generate", id=w.new_id(), kind="chat", group=7, choice=i, body=QUESTION)
            frames = w.collect(*range(1, 9))
            w.send("statistics")
            prompt = frames[1][0]["prompt_tokens"]
            self.assertEqual(w.receive()["tokens_prefilled"], prompt + 7)       # and of each other answer the last, to begin with
            texts = ["".join(f.get("text", "") for f in frames[i]) for i in range(1, 9)]
        with Worker("--ctx", "1024") as w:
            w.ready()
            self.assertEqual(texts, [w.answer("chat", **dict(QUESTION, seed=QUESTION["seed"] + i))[0] for i in range(8)])


if __name__ == "__main__":
    unittest.main()
