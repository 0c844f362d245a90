"""conversation_generator.py - random conversations with all that clients send and templates look into, from a seed.

Tools of every shape (schemas without a type, with several, with references, as truth values), members that are missing, null,
empty or of another type, contents in parts, calls with any arguments, results of tools, and variables. A third of them is as the
makers of templates think of conversations, so that most templates get to their end.
"""
import random

WORDS = ["a", "Paris", "weather in Oslo", "", " ", "line\nend", " spaced ", "<b>&amp;'\"\\", "größe", "日本", "\U0001f600 \u200d", "1", "null", "{x}",
         "</think>", "<think>hm</think>yes", "tab\there", "\u2028", "%s {{ x }}", "a" * 70,
         "a\r\nb\n\n", "\x0b\x0c\x1c\x1e\x1f", "\x85\xa0\u3000", "\x01\x7f", "ß İı ǆ", "it's \"so\"", "\\n \\u0041", "</tool_call>", "[TOOL_CALLS]",
         '{"a": [1, {"b": null}]}', "1.50", "-7", "True", "\n", "x\ty\n", "<|im_end|>", "a.b.c", "/no_think", "﻿", "é"]
TYPES = ["string", "integer", "number", "boolean", "array", "object", "null"]
NAMES = ["f", "get_weather", "a-b", "x.y", "search"]
KEYS = ["q", "city", "n", "items", "type", "name", "keys", "values", "größe"]
ODD = [None, "", 0, 1, -3, 1.5, 1e21, 1e-7, -0.1, 2 ** 53, True, False, [], {}, "x", [1, "a", None], {"a": {"b": [1]}}, ["string"]]
MISSING = object()


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.wild = self.random.choice([0, 0.3, 1])

    def chance(self, share):
        return self.random.random() < share

    def word(self):
        return self.random.choice(WORDS)

    def odd(self, share, usual):
        """USUAL, or now and then something else, or nothing at all."""
        if not self.chance(share * self.wild):
            return usual
        return MISSING if self.chance(0.4) else self.random.choice(ODD)

    def members(self, **members):
        return {name: value for name, value in members.items() if value is not MISSING}

    # ---- tools ----

    def schema(self, depth=0):
        pick, deeper = self.random.choice, depth < 3
        kinds = ["type", "type", "type", "types", "any", "reference", "enum", "const", "nothing", "truth"]
        kind = "type" if not self.chance(self.wild) else pick(kinds + ["object", "array", "bare array", "bare object", "mapping"] * (2 if deeper else 0))
        made = {"type": lambda: {"type": pick(TYPES)},
                "types": lambda: {"type": self.random.sample(TYPES, self.random.randint(1, 3))},
                "any": lambda: {pick(["anyOf", "oneOf", "allOf"]): [self.schema(depth + 1) for _ in range(self.random.randint(0, 2))]},
                "reference": lambda: {"$ref": "#/$defs/A"},
                "enum": lambda: {"enum": pick([["a", "b"], [], [1, None, "x"]])},
                "const": lambda: {"const": pick(ODD)},
                "nothing": dict,
                "truth": lambda: pick([True, False]),
                "object": lambda: self.object(depth),
                "array": lambda: {"type": "array", "items": self.schema(depth + 1)},
                "bare array": lambda: {"type": "array"},
                "bare object": lambda: {"type": "object"},
                "mapping": lambda: {"type": "object", "additionalProperties": self.schema(depth + 1)}}[kind]()
        if isinstance(made, dict):
            for name, value in (("description", self.word()), ("enum", ["a", "b\n"]), ("default", pick(ODD)), ("nullable", True), ("title", "T"),
                                ("format", "date"), ("minimum", 1), ("examples", [1])):
                if self.chance(self.wild * (0.5 if name == "description" else 0.1) if self.wild else name == "description"):
                    made[name] = value if self.chance(1 - 0.1 * self.wild) else pick(ODD)
        return made

    def object(self, depth=0):
        names = self.random.sample(KEYS, self.random.randint(0, 3))
        return self.members(type="object" if self.chance(0.95) else MISSING,
                            properties=self.odd(0.08, {name: self.schema(depth + 1) for name in names}),
                            required=self.odd(0.3, names[:1]),
                            additionalProperties=False if self.chance(0.2) else MISSING,
                            **({"$defs": {"A": self.schema(depth + 1)}} if self.chance(0.1) else {}))

    def tool(self):
        function = self.members(name=self.random.choice(NAMES), description=self.odd(0.2, self.word()), parameters=self.odd(0.15, self.object()),
                                strict=True if self.chance(0.1) else MISSING, response=self.object() if self.chance(0.1) else MISSING,
                                **({"return": self.object()} if self.chance(0.1) else {}))
        return self.members(type=self.odd(0.1, "function"), function=function)

    def tools(self):
        return self.random.choice([None, None, [], [self.tool()], [self.tool()], [self.tool() for _ in range(self.random.randint(2, 4))]])

    # ---- messages ----

    def content(self):
        if not self.chance(0.3 * self.wild):
            return self.word()
        return self.random.choice([None, MISSING, [], [{"type": "text", "text": self.word()}],
                                   [{"type": "text", "text": self.word()}, {"type": "text", "text": self.word()}],
                                   [{"type": "image"}, {"type": "text", "text": self.word()}], [{"type": "text"}], [self.word()]])

    def arguments(self):
        usual = {key: self.random.choice([self.word(), 1, 1.5, 1e100, -1e-9, True, None, [], {}, [1, "a", [None]], {"a": self.word()}])
                 for key in self.random.sample(KEYS, self.random.randint(0, 3))}
        if not self.chance(self.wild):
            return usual
        return self.random.choice([usual] * 6 + ["{}", "", '{"q": "a"}', "null", "[1]", '{"q":', None, [1], MISSING])

    def call(self, number):
        return self.members(id=self.odd(0.1, "call%05d" % number), type=self.odd(0.1, "function"),
                            function=self.members(name=self.random.choice(NAMES), arguments=self.arguments()))

    def turn(self):
        """An answer, and what may stand behind it before the next question."""
        calls = [self.call(i) for i in range(self.random.randint(1, 2))] if self.chance(0.5) else None
        thought = self.word() if self.chance(0.3) else MISSING
        yield self.members(role="assistant", content=self.random.choice([None, "", MISSING, self.word()] if self.chance(self.wild) else [""]) if calls else self.content(),
                           tool_calls=calls or self.odd(0.5, MISSING),
                           **{self.random.choice(["reasoning_content", "thinking", "reasoning"]): thought} if thought is not MISSING else {})
        if calls and self.chance(1 - 0.1 * self.wild):
            for number, call in enumerate(calls):
                yield self.members(role="tool", content=self.content(), tool_call_id=self.odd(0.15, call.get("id", "call%05d" % number)),
                                   name=self.random.choice([MISSING, call["function"]["name"]]))
            if self.chance(1 - 0.4 * self.wild):
                yield self.members(role="assistant", content=self.content())

    def messages(self):
        made = []
        if self.chance(0.5):
            made.append(self.members(role=self.random.choice(["system", "system", "developer"]), content=self.content()))
        for _ in range(self.random.randint(1, 3)):
            made.append(self.members(role="user", content=self.content(), name=self.odd(1, "me") if self.chance(0.1) else MISSING))
            if self.chance(1 - 0.3 * self.wild):
                made += self.turn()
        if self.chance(0.05 * self.wild):
            made.insert(self.random.randint(0, len(made)), {"role": self.random.choice(["system", "user", "tool", "oracle", ""]), "content": self.word()})
        return made

    def variables(self):
        return {name: self.random.choice(values) for name, values in (
            ("enable_thinking", [True, False]), ("thinking", [True, False]), ("reasoning_effort", ["low", "high"]),
            ("builtin_tools", [["browser"], ["python", "browser"]]), ("documents", [[{"title": "t", "text": "x"}], []]),
            ("functions", ["[]"]), ("datetime", ["today"]), ("additional_special_tokens", [["<|role_sep|>", "<|message_sep|>", "[", "]"]]),
            ("date_string", ["26 Jul 2024"]), ("controls", [{"length": "long"}]), ("add_special", [True])) if self.chance(0.8 if name in ("functions", "datetime", "additional_special_tokens") else 0.1)}

    def conversation(self):
        return {"messages": self.messages(), "tools": self.tools(), "variables": self.variables(), "add_generation_prompt": self.chance(0.8)}
