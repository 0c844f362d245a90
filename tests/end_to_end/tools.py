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
WORDLESS = "{% for m in messages %}{{ m.role + ': ' + m.content + '\n' }}{% endfor %}assistant: "
BROKEN = "<|im_start|>\n{% nonsense %}"
MAY_THINK = "{# before </think> #}" + CALLS
THINKS_AND_CALLS = CALLS + THINKS[len(TURNS + OPENING):]
# The notations of calls, each recognised by what its template says somewhere.
NOTATIONS = {"hermes": "{# <tool_call> \"arguments\" #}", "llama": "{# <|start_header_id|> \"parameters\" #}", "mistral": "{# [TOOL_CALLS] #}",
             "named": "{# [TOOL_CALLS] [ARGS] #}", "functools": "{# functools #}", "granite": "{# <|tool_call|> #}",
             "nemotron": "{# <TOOLCALL> #}", "cohere": "{# <|START_ACTION|> #}", "kimi": "{# <|tool_call_argument_begin|> #}",
             "deepseek": "{# <｜tool▁calls▁begin｜> ```json #}", "deepseek_31": "{# <｜tool▁calls▁begin｜> #}", "functionary": "{# <function= #}",
             "coder_notation": "{# <function= <parameter= #}", "glm": "{# <arg_key> <arg_value> #}", "minimax": "{# <minimax:tool_call> #}",
             "dsml": "{# ｜DSML｜function_calls #}", "lfm2": "{# List of tools: #}", "llama_4": "{# <|header_start|> #}"}
CHANNELS = "{# <|channel|>analysis<|message|> <|channel|>commentary #}"
PLAIN_CALLS = "{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}{{ m.content or '' }}{% endfor %}"

TOOLS = [{"type": "function", "function": {"name": "get_weather", "description": "Weather", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]
CHOICES = [{"type": "function", "function": {"name": name, "parameters": parameters}} for name, parameters in (
    ("get_weather", {"type": "object", "properties": {"city": {"enum": ["Paris", "Oslo"]}, "days": {"type": "integer", "minimum": 1, "maximum": 7}},
                     "required": ["city"], "additionalProperties": False}),
    ("set_alarm", {"properties": {"hours": {"type": "array", "items": {"$ref": "#/$defs/hour"}, "minItems": 1, "maxItems": 2}}, "required": ["hours"],
                   "$defs": {"hour": {"type": "integer", "minimum": 0, "maximum": 23}}}),
    ("stop", None))]
NOISE = {"temperature": 2, "top_k": 0, "top_p": 1, "min_p": 0}
FORM = {"type": "object", "properties": {"n": {"enum": [1, 22, 333]}}, "required": ["n"], "additionalProperties": False}
MUSES = "<|channel|>analysis<|message|>Hm"
CALL = '<tool_call>{"name":"get_weather","arguments":{"city":"Paris"}}</tool_call>'
MARKED_CALL = "<function=get_weather><parameter=city>75001</parameter><parameter=days>3</parameter><parameter=x>{'a':None}</parameter></function>"
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


def is_right(call):
    """Whether a call of one of CHOICES has arguments that its schema allows."""
    arguments = json.loads(call["arguments"])
    if call["name"] == "get_weather":
        return (set(arguments) in ({"city"}, {"city", "days"}) and arguments["city"] in ("Paris", "Oslo")
                and arguments.get("days", 1) in range(1, 8))
    if call["name"] == "set_alarm":
        return set(arguments) == {"hours"} and len(arguments["hours"]) in (1, 2) and all(hour in range(24) for hour in arguments["hours"])
    return call["name"] == "stop" and arguments == {}


class Tools(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        models = {name + ".gguf": make(cls.folder.name, name + ".gguf", template, word) for name, template, word in (
            ("calls", CALLS, CALL), ("thinks", THINKS, "Hm.</think>Yes."), ("refuses", REFUSES, "Ok"), ("broken", BROKEN, "Ok"),
            ("wordless", WORDLESS, CALL),
            ("thinks_first", THINKS_AND_CALLS, "Hm.</think>"), ("may_think", MAY_THINK, "<think>Hm.</think>"),
            ("coder", "{# <function= <parameter= #}" + PLAIN_CALLS, MARKED_CALL),
            ("ends", "{# <function= <parameter= #}" + PLAIN_CALLS, "x</parameter>"),
            ("muses", THINKS_AND_CALLS, "Hm"), ("may_muse", MAY_THINK, "<think>"), ("muses_in_channels", CHANNELS + CALLS, MUSES),
            ("channels", CHANNELS + CALLS, "<|channel|>analysis<|message|>Hm.<|end|>"),
            *((name, marks + PLAIN_CALLS, "Ok") for name, marks in NOTATIONS.items()))}
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

    def test_arguments_between_marks(self):
        """Which of them are texts is for the tool's schema to say."""
        wanted = {"city": "75001", "days": 3, "x": {"a": None}}
        call, = self.post(model="coder", tools=CHOICES).json()["choices"][0]["message"]["tool_calls"]
        self.assertEqual((call["function"]["name"], json.loads(call["function"]["arguments"])), ("get_weather", wanted))
        pieces = [c["delta"]["tool_calls"][0] for c in self.stream(model="coder", tools=CHOICES) if "tool_calls" in c["delta"]]
        self.assertEqual(json.loads("".join(p["function"]["arguments"] for p in pieces)), wanted)

    def test_arguments_between_marks_that_must_be(self):
        """Texts are held to what they may be, as far as that can be said between marks, and the rest is refused by name."""
        def tool(**properties):
            return [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": properties, "required": list(properties)}}}]
        for model in ("coder_notation", "glm", "minimax", "dsml"):
            request = {"model": model, "tool_choice": "required", "logit_bias": {}, "tokens": 400, "seed": 5, **NOISE}
            reply = self.post(tools=tool(one={"$ref": "#/properties/two"}, two={"enum": ["a b", "1"]},
                                         n={"type": "array", "items": {"type": "integer", "maximum": 9, "minimum": 0}, "maxItems": 3}), **request).json()
            choice, = reply["choices"]
            self.assertEqual(choice["finish_reason"], "tool_calls")
            arguments = json.loads(choice["message"]["tool_calls"][0]["function"]["arguments"])
            self.assertEqual(list(arguments), ["one", "two", "n"])
            self.assertIn(arguments["one"], ("a b", "1"))
            self.assertTrue(all(n in range(10) for n in arguments["n"]) and len(arguments["n"]) <= 3)
            loose = tool(a={"type": "string", "pattern": "^a"})
            strict = [{"type": "function", "function": {**loose[0]["function"], "strict": True}}]
            for wrong, says in ((strict, "#/properties/a/pattern: a text that this model writes between marks"),
                                (tool(**{"a<b": {}}), "a property of this name")):
                self.assertIn(says, self.post(tools=wrong, **request).json()["error"]["message"])
            self.assertEqual(self.post(tools=loose, **{**request, "tokens": 2}).headers["x-headroom-relaxed"], "tools/f#/properties/a/pattern")
        reply = self.post(model="ends", tool_choice="required", tokens=250,
                          tools=tool(text={"anyOf": [{"type": "string"}, {"type": "null"}]}, n={"enum": [75001]})).json()
        arguments = json.loads(reply["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"])
        self.assertEqual(arguments, {"text": "x", "n": 75001})

    def test_halves_of_characters_and_nuls_anywhere(self):
        """What a client that cuts texts by UTF-16 units sends is read, wherever it stands: as U+FFFD; a NUL as itself."""
        odd = "a\ud83d\0b"
        call = {"id": "aaaaaaaaa", "type": "function", "function": {"name": "f", "arguments": json.dumps({"q": odd})}}
        tool = {"type": "function", "function": {"name": "f", "description": odd, "parameters": {
            "type": "object", "properties": {odd: {"enum": [odd], "description": odd}}}}}
        messages = [{"role": "system", "content": odd}, {"role": "user", "content": [{"type": "text", "text": odd}]},
                    {"role": "assistant", "content": None, "tool_calls": [call], odd: odd},
                    {"role": "tool", "tool_call_id": "aaaaaaaaa", "content": odd}]
        for more in ({}, {"tools": [tool]}, {"tools": [tool], "stop": odd}, {"response_format": {
                "type": "json_schema", "json_schema": {"name": "n", "schema": {"enum": [odd]}}}}):
            with self.subTest(**more):
                reply = self.post(model="calls", messages=messages, user=odd, **more)
                self.assertEqual(reply.status, 200, reply.body)
        reply = self.post(model="calls", messages=messages, tools=[tool], tool_choice={"type": "function", "function": {"name": "f"}}, tokens=60)
        arguments = json.loads(reply.json()["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"])
        self.assertIn(arguments, ({}, {"a\ufffd\0b": "a\ufffd\0b"}))

    def test_one_call_and_no_more(self):
        """The model says the same call again and again."""
        names = [[call["function"]["name"] for call in self.post(model="calls", tools=TOOLS, max_tokens=3, **more).json()["choices"][0]["message"]["tool_calls"]]
                 for more in ({}, {"parallel_tool_calls": True})]
        self.assertEqual(names, [["get_weather"] * 3] * 2)
        choice = self.post(model="calls", tools=TOOLS, max_tokens=3, parallel_tool_calls=False).json()["choices"][0]
        self.assertEqual([call["function"]["arguments"] for call in choice["message"]["tool_calls"]], ['{"city":"Paris"}'])
        self.assertEqual(choice["finish_reason"], "tool_calls")
        stream = self.stream(model="calls", tools=TOOLS, max_tokens=3, parallel_tool_calls=False)
        self.assertEqual({call["index"] for chunk in stream for call in chunk["delta"].get("tool_calls", [])}, {0})

    def test_some_tools_are_allowed(self):
        """They alone are in the prompt, and are called."""
        few = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "stop"}}]}}
        for choice in (few, {"type": "allowed_tools", **few["allowed_tools"]}, {"type": "function", "name": "stop"}):
            for seed in range(3):
                reply = ask(self.daemon, "POST", "/v1/chat/completions", dict(chat("calls", tools=CHOICES, tool_choice=choice, max_tokens=200, seed=seed), **NOISE))
                self.assertEqual([call["function"]["name"] for call in reply.json()["choices"][0]["message"]["tool_calls"]], ["stop"], reply.body)
        tokens = [self.post(model="calls", tools=tools, **more).json()["usage"]["prompt_tokens"] for tools, more in (
            (CHOICES[2:], {}), (CHOICES, {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "stop"}]}}))]
        self.assertEqual(tokens[0], tokens[1])

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
                                         ("calls", {"tools": [{"type": "function"}]}, "tools", "tools[0]")):
            reply = self.post(model=model, **more)
            self.assertEqual(reply.status, 400)
            self.assertEqual(reply.json()["error"]["param"], param)
            self.assertIn(says, reply.json()["error"]["message"])

    def test_a_template_without_a_place_for_tools(self):
        """They are told in words, and calls come back."""
        plain = self.post(model="wordless").json()
        reply = self.post(model="wordless", tools=TOOLS).json()
        call, = reply["choices"][0]["message"]["tool_calls"]
        self.assertEqual(call["function"], {"name": "get_weather", "arguments": '{"city":"Paris"}'})
        self.assertGreater(reply["usage"]["prompt_tokens"], plain["usage"]["prompt_tokens"] + 200)
        history = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "a"}, {"role": "assistant", "content": None, "tool_calls": [call]},
                   {"role": "tool", "tool_call_id": call["id"], "content": "21 degrees"}, {"role": "tool", "tool_call_id": "x", "content": "none"}]
        self.assertEqual(self.post(model="wordless", tools=TOOLS, messages=history).status, 200)
        self.assertEqual(self.must_call(3, model="wordless", tool_choice={"function": {"name": "stop"}})[1], "stop")

    def must_call(self, seed, **more):
        """The one call of an answer that had to be one: a whole one, unless it was cut off."""
        reply = self.post(tokens=250, seed=seed, **{"tools": CHOICES, "logit_bias": {}, **NOISE, **more}).json()
        choice, = reply["choices"]
        self.assertEqual(choice["finish_reason"], "tool_calls", reply)
        self.assertIsNone(choice["message"]["content"])
        call, = choice["message"]["tool_calls"]
        self.assertTrue(is_right(call["function"]), call)
        return choice["message"], call["function"]["name"]

    def test_a_call_that_must_be(self):
        """The models write noise: what holds it to a call of a tool, and to its parameters, is the grammar alone."""
        for model in NOTATIONS:
            called = {self.must_call(seed, model=model, tool_choice="required")[1] for seed in range(1, 9)}
            self.assertGreater(len(called), 1, model)
            for seed, tool in enumerate(CHOICES):
                name = tool["function"]["name"]
                named = {"type": "function", "function": {"name": name}}
                self.assertEqual(self.must_call(seed + 1, model=model, tool_choice=named)[1], name)

    def test_a_call_that_must_be_in_a_stream(self):
        choices = self.stream(model="hermes", tools=CHOICES, tokens=120, tool_choice="required", seed=3, logit_bias={}, **NOISE)
        pieces = [c["delta"]["tool_calls"][0] for c in choices if "tool_calls" in c["delta"]]
        self.assertEqual({p["index"] for p in pieces}, {0})
        self.assertTrue(is_right({"name": pieces[0]["function"]["name"], "arguments": "".join(p["function"]["arguments"] for p in pieces)}))
        self.assertEqual(choices[-1]["finish_reason"], "tool_calls")
        self.assertFalse([c for c in choices if c["delta"].get("content")])

    def test_calls_that_cannot_be_held_to(self):
        loose = {"type": "function", "function": {"name": "odd", "parameters": {"properties": {"a": {"not": {"const": 1}}}}}}
        odd = [*CHOICES, {"type": "function", "function": {**loose["function"], "strict": True}}]
        spaced = [{"type": "function", "function": {"name": "a b"}}]
        named = {"type": "function", "function": {"name": "odd"}}
        for more, param, says in (
                ({"tool_choice": "required", "tools": odd}, "tools", "A call of odd cannot be held to its parameters: #/properties/a/not: the keyword not"),
                ({"tool_choice": named, "tools": odd}, "tools", "A call of odd cannot"),
                ({"tool_choice": "required", "tools": spaced}, "tool_choice", "of the name a b"),
                ({"tool_choice": "required", "tools": CHOICES, "response_format": {"type": "json_object"}}, "tool_choice",
                 "response_format and tool_choice cannot both be held to"),
                ({"tool_choice": "required", "tools": CHOICES, "grammar": "root ::= [a]"}, "tool_choice", "grammar and tool_choice cannot")):
            reply = self.post(model="named", **more)
            self.assertEqual(reply.status, 400, more)
            self.assertEqual(reply.json()["error"]["param"], param)
            self.assertIn(says, reply.json()["error"]["message"])
        told = "tools/odd#/properties/a/not"
        for tools, choice, relaxed in ((odd, "auto", "tools/odd#"), (odd, "none", None), ([*CHOICES, loose], "auto", None), ([*CHOICES, loose], "required", told),
                                       ([loose], named, told), (odd, {"function": {"name": "stop"}}, None)):
            for stream in (False, True):
                reply = self.post(model="named", tools=tools, tool_choice=choice, stream=stream)  # what need not be called need not be held to
                self.assertEqual((reply.status, reply.headers.get("x-headroom-relaxed")), (200, relaxed), (tools, choice))
        self.assertEqual(self.must_call(1, model="hermes", tools=spaced + CHOICES, tool_choice={"function": {"name": "stop"}})[1], "stop")

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

    def test_a_message_that_goes_on(self):
        """The answer holds what is new alone: of content, of reasoning that was begun, of JSON."""
        def begun(text, **more):
            return [{"role": "user", "content": "a"}, {"role": "assistant", "content": text, **more}]
        for model, text, wanted in (("calls", "Well,", {"content": CALL}), ("muses", "Well,", {"content": "Hm"}),
                                    ("muses", "<think>Well,", {"content": "", "reasoning_content": "Hm"}),
                                    ("thinks", "<think>Well,", {"content": "Yes.", "reasoning_content": "Hm."})):
            for more in ({}, {"continue_final_message": True}, {"add_generation_prompt": False}):
                reply = self.post(model=model, messages=begun(text), **more).json()
                self.assertEqual(reply["choices"][0]["message"], {"role": "assistant", **wanted}, (model, text))
        form = self.post(model="muses", messages=begun("{", prefix=True), grammar='root ::= "}"', tokens=9).json()["choices"][0]
        self.assertEqual((form["message"]["content"], form["finish_reason"]), ("}", "stop"))
        reply = self.post(model="calls", messages=begun("a") + begun("b")[1:])
        self.assertEqual((reply.status, reply.json()["error"]["param"]), (400, "messages"))
        self.assertIn("make them one message", reply.json()["error"]["message"])

    def test_switches(self):
        """A model that always reasons is told not to, in whichever words; a template that cannot say it is not an error."""
        for more in ({"reasoning_effort": "none"}, {"enable_thinking": False}, {"thinking": False}, {"thinking": {"type": "disabled"}},
                     {"think": False}, {"reasoning_budget": 0}, {"chat_template_kwargs": {"enable_thinking": False}}):
            reply = self.post(model="muses", tokens=3, **more).json()
            self.assertEqual(reply["choices"][0]["message"], {"role": "assistant", "content": "HmHmHm"}, more)
            self.assertEqual(reply["usage"]["completion_tokens_details"], {"reasoning_tokens": 0})
        for more in ({}, {"reasoning_effort": "low"}, {"think": "high"}, {"thinking": {"type": "enabled"}}, {"reasoning_budget": -1}):
            reply = self.post(model="muses", tokens=3, **more).json()
            self.assertEqual(reply["choices"][0]["message"], {"role": "assistant", "content": "", "reasoning_content": "HmHmHm"}, more)
            self.assertEqual(reply["usage"]["completion_tokens_details"], {"reasoning_tokens": 3})
        self.assertEqual(self.post(model="calls", think=False).status, 200)
        reply = self.post(model="muses", reasoning_effort=1)
        self.assertEqual((reply.status, reply.json()["error"]["param"]), (400, "reasoning_effort"))

    def test_a_budget_of_reasoning(self):
        """Reasoning that does not end is closed where its tokens are spent, and the answer follows."""
        for model, budget, thought, before, says in (("muses", 5, "Hm" * 5, 0, "Hm"), ("may_muse", 2, "<think>" * 2, 1, "<think>"),
                                                     ("may_muse", 0, None, 1, "<think>")):
            reply = self.post(model=model, reasoning_budget=budget, tokens=80, think=True).json()
            message, reasons = reply["choices"][0]["message"], reply["usage"]["completion_tokens_details"]["reasoning_tokens"]
            self.assertEqual(message.get("reasoning_content"), thought, (model, budget))
            self.assertIn(reasons - budget, range(1, 9))  # what closes it, in a vocabulary of bytes
            self.assertEqual(message["content"], says * (80 - before - reasons), reply)

    def test_a_budget_and_a_form(self):
        """What closes the reasoning is part of the form: JSON stands behind it, and a call that must be."""
        for model in ("muses", "muses_in_channels"):
            reply = self.post(model=model, json_schema=FORM, tokens=150, thinking={"type": "enabled", "budget_tokens": 3}).json()
            self.assertEqual(reply["choices"][0]["finish_reason"], "stop", (model, reply))
            self.assertIn(json.loads(reply["choices"][0]["message"]["content"]), [{"n": n} for n in (1, 22, 333)])
            message, _ = self.must_call(2, model=model, tool_choice="required", thinking_budget=3, logit_bias={str(WORD): 100})
            self.assertIn("Hm", message["reasoning_content"])

    def test_a_form_behind_reasoning(self):
        """Reasoning is free; the form begins behind it, or at once where the model does not reason."""
        for model, more, thought in (("thinks_first", {}, "Hm."), ("may_think", {}, "Hm."), ("channels", {}, "Hm."),
                                     ("may_think", {"logit_bias": {}}, None),
                                     ("thinks_first", {"chat_template_kwargs": {"enable_thinking": False}}, None)):
            reply = self.post(model=model, json_schema=FORM, tokens=90, **more).json()
            message = reply["choices"][0]["message"]
            self.assertEqual(reply["choices"][0]["finish_reason"], "stop", (model, more, reply))
            self.assertEqual(message.get("reasoning_content"), thought, (model, more))
            self.assertIn(json.loads(message["content"]), [{"n": n} for n in (1, 22, 333)])

    def test_a_form_behind_reasoning_in_a_stream(self):
        for model in ("thinks_first", "may_think", "channels"):
            choices = self.stream(model=model, json_schema=FORM, tokens=90)
            deltas = [c["delta"] for c in choices]
            self.assertEqual("".join(d.get("reasoning_content", "") for d in deltas), "Hm.")
            self.assertIn(json.loads("".join(d.get("content") or "" for d in deltas))["n"], (1, 22, 333))
            self.assertEqual(choices[-1]["finish_reason"], "stop")

    def test_a_call_behind_reasoning(self):
        for model in ("thinks_first", "may_think", "channels"):
            bias = {"logit_bias": {str(WORD): 100}}
            message, _ = self.must_call(2, model=model, tool_choice="required", **bias)
            self.assertEqual(message["reasoning_content"], "Hm.")
        named = {"type": "function", "function": {"name": "set_alarm"}}
        message, name = self.must_call(4, model="thinks_first", tool_choice=named, chat_template_kwargs={"enable_thinking": False})
        self.assertEqual((message.get("reasoning_content"), name), (None, "set_alarm"))

    def test_reasoning_that_does_not_end(self):
        """It takes all tokens there are: the form is not reached, and nothing else is shown as one."""
        choice = self.post(model="thinks_first", json_schema=FORM, tokens=5, logit_bias={str(ord("a")): 100}).json()["choices"][0]
        self.assertEqual(choice["finish_reason"], "length")
        self.assertEqual(choice["message"]["content"], "")
        self.assertTrue(choice["message"]["reasoning_content"])

    def test_samplers(self):
        """Whatever is asked for, alone and together: an answer, the same again for the same seed, and held to its form."""
        every = {"repeat_last_n": 32, "typical_p": 0.9, "top_n_sigma": 2, "dry_multiplier": 0.8, "dry_base": 1.75, "dry_allowed_length": 2,
                 "dry_penalty_last_n": -1, "dry_sequence_breakers": ["\n", ":"], "xtc_probability": 0.5, "xtc_threshold": 0.1,
                 "dynatemp_range": 0.5, "dynatemp_exponent": 1, "min_keep": 2}
        for more in (every, {"mirostat": 1, "mirostat_tau": 4}, {"mirostat": 2, "mirostat_eta": 0.2}, {"samplers": "edkypmxt"},
                     {"samplers": ["top_k", "tfs_z", "temperature"], "top_k": 5}):
            request = dict(model="named", seed=7, tokens=60, logit_bias={}, temperature=1.5, **more)
            first, again = (self.post(**request).json() for _ in range(2))
            self.assertEqual(first["choices"], again["choices"], more)
            form = self.post(json_schema=FORM, **dict(request, tokens=90)).json()["choices"][0]
            self.assertIn(json.loads(form["message"]["content"])["n"], (1, 22, 333), more)
        self.daemon.wait_for_log(r"samplers: 'tfs_z' is not known, and is left out")

    def test_a_broken_template(self):
        self.assertEqual(self.post(model="broken").json()["choices"][0]["message"]["content"], "Ok")
        self.daemon.wait_for_log(r"chat template is not used \(line 2: the block 'nonsense'")
        told = subprocess.run([os.path.join(BUILD, "headroom-engine"), "inspect", os.path.join(self.folder.name, "broken.gguf")],
                              capture_output=True, text=True, check=True).stdout
        self.assertIn("line 2: the block 'nonsense' is not known", told)


if __name__ == "__main__":
    unittest.main()
