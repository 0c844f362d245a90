#!/usr/bin/env python3
"""POST /v1/messages and count_tokens, as a coding agent asks: a system prompt of many thousand tokens, twenty tools, fixed names of models.

The model is random, but one token of its vocabulary is spelt as a whole call, and the agent makes it say that by asking for the tool.
"""
import json
import os
import tempfile
import unittest

import headroomd
from headroomd import Daemon, ask
from tools import CALLS, CALL

PROMPT_TOKENS = 15000
HEADERS = {"anthropic-version": "2023-06-01", "anthropic-beta": "claude-code-20250219,interleaved-thinking-2025-05-14", "x-api-key": "none"}
ALIAS = "claude-sonnet-4-5-20250929"


def tool(name, **properties):
    return {"name": name, "description": f"{name} does what its name says. " * 12, "input_schema": {
        "$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "properties": properties,
        "required": list(properties)[:1], "additionalProperties": False}}


PATH = {"type": "string", "description": "The absolute path of the file"}
NUMBER = {"type": "integer", "minimum": 0, "description": "How many"}
TOOLS = [tool("get_weather", city={"type": "string", "enum": ["Paris", "Oslo"]}),
         *(tool(name, file_path=PATH, limit=NUMBER, edits={"type": "array", "minItems": 1, "items": {
             "type": "object", "properties": {"old_string": {"type": "string"}, "new_string": {"type": "string"}}, "required": ["old_string"]}})
           for name in ("Read", "Write", "Edit", "MultiEdit", "Glob", "Grep", "LS", "NotebookEdit", "Bash", "BashOutput", "KillShell", "Task", "TodoWrite",
                        "WebFetch", "WebSearch", "ExitPlanMode", "SlashCommand", "Skill", "AskUserQuestion"))]
SYSTEM = [{"type": "text", "text": "You are a coding agent.", "cache_control": {"type": "ephemeral"}},
          {"type": "text", "text": "Do what is asked, and nothing more. " * 100, "cache_control": {"type": "ephemeral"}}]


def billed(cch):
    return [{"type": "text", "text": f"x-anthropic-billing-header: cc_version=2.1.0; cc_entrypoint=cli; cch={cch};"}, *SYSTEM]


def sse(reply):
    """The events of a stream, each named as its data says."""
    found = []
    for block in reply.body.decode().split("\n\n")[:-1]:
        lines = [line for line in block.split("\n") if not line.startswith(":")]
        name, data = lines[0].removeprefix("event: "), json.loads(lines[1].removeprefix("data: "))
        assert len(lines) == 2 and data["type"] == name, block
        if name != "ping":
            found.append(data)
    return found


class Anthropic(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        agent = headroomd.make_gguf(os.path.join(cls.folder.name, "agent.gguf"), "--vocab", "512", "--embd", "64", "--ff", "64", "--heads", "2",
                                    "--kv-heads", "1", "--layers", "1", "--type", "f32", "--ctx", "32768", "--chat-template", CALLS, "--last-word", CALL)
        cls.daemon = Daemon("[memory]\nbudget = 1GiB\n", models={"demo.gguf": headroomd.DEMO_MODEL, "agent.gguf": agent},
                            model_confs={"agent.conf": f"[model]\nname = agent\npath = agent.gguf\ncontext = 32768\naliases = {ALIAS}\n"})
        # As many tokens as an agent's own prompt.
        while cls.count(cls, messages=[cls.user("x")])["input_tokens"] < PROMPT_TOKENS:
            SYSTEM[1]["text"] += SYSTEM[1]["text"][:8000]

    @classmethod
    def tearDownClass(cls):
        cls.daemon.done()
        cls.folder.cleanup()

    @staticmethod
    def user(content):
        return {"role": "user", "content": content}

    def post(self, path="/v1/messages?beta=true", **body):
        return ask(self.daemon, "POST", path, body, Content_Type="application/json", **HEADERS)

    def agent(self, messages, **more):
        return self.post(**dict({"model": ALIAS, "max_tokens": 8, "temperature": 0, "system": SYSTEM, "tools": TOOLS, "messages": messages,
                                 "metadata": {"user_id": "u"}, "context_management": {"edits": [{"type": "clear_thinking_20251015"}]}}, **more))

    def count(self, **more):
        reply = Anthropic.post(self, "/v1/messages/count_tokens", **dict({"model": ALIAS, "system": SYSTEM, "tools": TOOLS}, **more))
        assert reply.status == 200, reply.body
        return reply.json()

    def test_an_agent(self):
        first = [self.user([{"type": "text", "text": "What is the weather in Paris?"}])]
        counted = self.count(messages=first)
        self.assertEqual(set(counted), {"input_tokens"})
        self.assertGreater(counted["input_tokens"], PROMPT_TOKENS)
        choice = {"type": "tool", "name": "get_weather", "disable_parallel_tool_use": True}
        events = sse(self.agent(first, stream=True, tool_choice=choice, max_tokens=64, system=billed("aaaaa")))
        self.assertEqual([e["type"] for e in events if e["type"] != "content_block_delta"],
                         ["message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"])
        message, block, end = events[0]["message"], events[1]["content_block"], events[-2]
        self.assertEqual((message["model"], message["usage"]["cache_read_input_tokens"]), (ALIAS, 0))  # counting has computed nothing
        self.assertEqual((block["type"], block["name"], block["input"]), ("tool_use", "get_weather", {}))
        arguments = "".join(e["delta"]["partial_json"] for e in events if e["type"] == "content_block_delta")
        self.assertIn(json.loads(arguments)["city"], ("Paris", "Oslo"))
        self.assertEqual(end["delta"], {"stop_reason": "tool_use", "stop_sequence": None})
        usage = end["usage"]
        self.assertGreater(usage["input_tokens"], PROMPT_TOKENS)
        self.assertGreater(usage["output_tokens"], 0)

        # The round goes on: the prompt is known but for its end, though the line about billing is another.
        messages = [*first, {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm.", "signature": "s"},
                                                              {**block, "input": json.loads(arguments)}]},
                    self.user([{"type": "tool_result", "tool_use_id": block["id"], "content": [{"type": "text", "text": "Sunny."}]},
                               {"type": "text", "text": "And tomorrow?"}])]
        reply = self.agent(messages, system=billed("bbbbb"))
        self.assertEqual(reply.status, 200, reply.body)
        self.assertNotIn("timings", reply.json())
        self.assertEqual(reply.json()["stop_reason"], "max_tokens")
        self.assertGreater(reply.json()["usage"]["cache_read_input_tokens"], PROMPT_TOKENS - 1000)
        self.assertEqual(sum(reply.json()["usage"][k] for k in ("input_tokens", "cache_read_input_tokens")), self.count(messages=messages)["input_tokens"])

    def test_too_long(self):
        for path in ("/v1/messages", "/v1/messages/count_tokens"):
            reply = self.post(path, model="demo", max_tokens=9, system=SYSTEM, messages=[self.user("x")])
            error = reply.json()
            self.assertEqual((reply.status, error["type"], error["error"]["type"]), (400, "error", "invalid_request_error"))
            self.assertRegex(error["error"]["message"], r"^prompt is too long: \d+ tokens > \d+ maximum$")
            self.assertEqual(error["request_id"], reply.headers["x-request-id"])

    def test_a_stop_sequence(self):
        whole = self.post(model="demo", max_tokens=40, temperature=0, messages=[self.user("Hello")]).json()
        text = whole["content"][0]["text"]
        word = text.split()[2]
        cut = self.post(model="demo", max_tokens=40, temperature=0, messages=[self.user("Hello")], stop_sequences=["never", word]).json()
        self.assertEqual((cut["stop_reason"], cut["stop_sequence"]), ("stop_sequence", word))
        self.assertEqual(cut["content"][0]["text"], text[:text.index(word)])

    def test_refusals(self):
        for status, kind, body in (
                (404, "not_found_error", {"model": "claude-none", "messages": [self.user("x")]}),
                (400, "invalid_request_error", {"messages": [self.user([{"type": "image", "source": {"type": "url", "url": "http://x"}}])]}),
                (400, "invalid_request_error", {"messages": [self.user("x")], "tools": [{"type": "web_search_20250305", "name": "web_search"}]}),
                (400, "invalid_request_error", {"messages": [self.user("x")], "max_tokens": "9"})):
            reply = self.post(**dict({"model": "demo", "max_tokens": 9}, **body))
            self.assertEqual((reply.status, reply.json()["error"]["type"]), (status, kind), reply.body)


if __name__ == "__main__":
    unittest.main()
