#!/usr/bin/env python3
"""Tools, reasoning and templates of models' own, through the real daemon and engine.

The models are random, but one token of their vocabulary is spelt as a whole answer, and a bias makes them say it: so what comes
back is known, and all between is real.
"""
import json
import os
import subprocess
import tempfile
import unittest

from headroomd import BUILD, Daemon, ask, chat, events

TURNS = ("{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + (m.content or '') }}"
         "{% for c in m.tool_calls %}<tool_call>{{ {'name': c.function.name, \"arguments\": c.function.arguments} | tojson }}</tool_call>"
         "{% endfor %}{{ '<|im_end|>\n' }}{% endfor %}")
OPENING = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
CALLS = "{% if tools %}{{ tools | tojson }}{% endif %}" + TURNS + OPENING
THINKS = TURNS + OPENING + "{% if enable_thinking is not defined or enable_thinking %}{{ '<think>\n' }}{% else %}{{ '<think>\n\n</think>\n\n' }}{% endif %}"
REFUSES = "{% if messages | length > 1 %}{{ raise_exception('One message at a time, please.') }}{% endif %}" + TURNS + OPENING
BROKEN = "<|im_start|>\n{% nonsense %}"

TOOLS = [{"type": "function", "function": {"name": "get_weather", "description": "Weather", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]
CALL = '<tool_call>{"name":"get_weather","arguments":{"city":"Paris"}}</tool_call>'
VOCAB = 512
WORD = VOCAB - 4


def make(folder, name, template, word):
    """WORD may hold no space: those are spelt otherwise in a byte-level vocabulary."""
    path = os.path.join(folder, name)
    subprocess.run([os.path.join(BUILD, "tools", "make-gguf"), path, "--vocab", str(VOCAB), "--embd", "64", "--ff", "64", "--heads", "2",
                    "--kv-heads", "1", "--layers", "1", "--type", "f32", "--chat-template", template, "--last-word", word], check=True)
    return path


def body(model, tokens=1, **more):
    return dict(chat(model, max_tokens=tokens, temperature=0, logit_bias={str(WORD): 100}), **more)


class Tools(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        models = {name + ".gguf": make(cls.folder.name, name + ".gguf", template, word) for name, template, word in (
            ("calls", CALLS, CALL), ("thinks", THINKS, "Hm.</think>Yes."), ("refuses", REFUSES, "Ok"), ("broken", BROKEN, "Ok"))}
        cls.daemon = Daemon("[memory]\nbudget = 512MiB\n", models=models)

    @classmethod
    def tearDownClass(cls):
        cls.daemon.done()
        cls.folder.cleanup()

    def post(self, **request):
        return ask(self.daemon, "POST", "/v1/chat/completions", body(**request))

    def stream(self, **request):
        found = [event for event in events(self.post(stream=True, **request).body) if not isinstance(event, str) or event == "[DONE]"]
        self.assertEqual(found[-1], "[DONE]")
        return [event["choices"][0] for event in found[:-1]]

    def test_a_call(self):
        reply = self.post(model="calls", tools=TOOLS).json()
        message = reply["choices"][0]["message"]
        self.assertIsNone(message["content"])
        call, = message["tool_calls"]
        self.assertEqual((call["type"], call["function"]), ("function", {"name": "get_weather", "arguments": '{"city":"Paris"}'}))
        self.assertEqual(len(call["id"]), 9)
        # The answer was cut by its length, as it was told: the reason is that.
        self.assertEqual(reply["choices"][0]["finish_reason"], "length")

    def test_a_call_that_ends_by_itself(self):
        reply = self.post(model="calls", tools=TOOLS, tokens=9, stop="</tool_call><tool").json()
        self.assertEqual(reply["choices"][0]["finish_reason"], "tool_calls")
        self.assertEqual(len(reply["choices"][0]["message"]["tool_calls"]), 1)

    def test_calls_in_a_stream(self):
        choices = self.stream(model="calls", tools=TOOLS, tokens=2)
        pieces = [c["delta"]["tool_calls"][0] for c in choices if "tool_calls" in c["delta"]]
        self.assertEqual([p["function"]["name"] for p in pieces if "id" in p], ["get_weather"] * 2)
        self.assertNotEqual(*[p["id"] for p in pieces if "id" in p])
        for index in (0, 1):
            arguments = "".join(p["function"]["arguments"] for p in pieces if p["index"] == index)
            self.assertEqual(json.loads(arguments), {"city": "Paris"})
        self.assertFalse([c for c in choices if c["delta"].get("content")])

    def test_no_tools_no_calls(self):
        for more in ({}, {"tools": TOOLS, "tool_choice": "none"}):
            message = self.post(model="calls", **more).json()["choices"][0]["message"]
            self.assertEqual(message, {"role": "assistant", "content": CALL})

    def test_tools_are_in_the_prompt(self):
        without, within = (self.post(model="calls", **more).json()["usage"]["prompt_tokens"] for more in ({}, {"tools": TOOLS}))
        self.assertGreater(within, without + 50)

    def test_the_whole_round(self):
        first = self.post(model="calls", tools=TOOLS).json()["choices"][0]["message"]
        messages = [{"role": "user", "content": "Weather?"}, first,
                    {"role": "tool", "tool_call_id": first["tool_calls"][0]["id"], "content": "21 degrees"}]
        self.assertEqual(self.post(model="calls", tools=TOOLS, messages=messages).status, 200)

    def test_refusals(self):
        for model, more, param, says in (("calls", {"tool_choice": {"function": {"name": "no"}}, "tools": TOOLS}, "tool_choice", "not among"),
                                         ("refuses", {"tools": TOOLS}, "tools", "no place for tools"),
                                         ("calls", {"tools": [{"type": "function"}]}, "tools", "tools[0]")):
            reply = self.post(model=model, **more)
            self.assertEqual(reply.status, 400)
            self.assertEqual(reply.json()["error"]["param"], param)
            self.assertIn(says, reply.json()["error"]["message"])

    def test_a_call_that_must_be(self):
        """The prompt has begun it, so whatever the model says is its arguments."""
        for choice in ("required", {"type": "function", "function": {"name": "get_weather"}}):
            message = self.post(model="calls", tools=TOOLS, tool_choice=choice).json()["choices"][0]["message"]
            self.assertEqual(message["tool_calls"][0]["function"]["name"], "get_weather")
            self.assertIsNone(message["content"])

    def test_a_template_that_refuses(self):
        two = [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
        reply = self.post(model="refuses", messages=two)
        self.assertEqual(reply.status, 400)
        self.assertEqual(reply.json()["error"]["message"], "One message at a time, please.")
        self.assertEqual(self.post(model="refuses").status, 200)

    def test_reasoning(self):
        message = self.post(model="thinks").json()["choices"][0]["message"]
        self.assertEqual(message, {"role": "assistant", "content": "Yes.", "reasoning_content": "Hm."})

    def test_reasoning_in_a_stream(self):
        deltas = [c["delta"] for c in self.stream(model="thinks")]
        self.assertEqual("".join(d.get("reasoning_content", "") for d in deltas), "Hm.")
        self.assertEqual("".join(d.get("content") or "" for d in deltas), "Yes.")

    def test_a_variable_of_the_template(self):
        message = self.post(model="thinks", chat_template_kwargs={"enable_thinking": False}).json()["choices"][0]["message"]
        self.assertEqual(message, {"role": "assistant", "content": "Hm.</think>Yes."})

    def test_a_broken_template(self):
        self.assertEqual(self.post(model="broken").json()["choices"][0]["message"]["content"], "Ok")
        self.daemon.wait_for_log(r"chat template is not used \(line 2: the block 'nonsense'")
        told = subprocess.run([os.path.join(BUILD, "headroom-engine"), "inspect", os.path.join(self.folder.name, "broken.gguf")],
                              capture_output=True, text=True, check=True).stdout
        self.assertIn("line 2: the block 'nonsense' is not known", told)


if __name__ == "__main__":
    unittest.main()
