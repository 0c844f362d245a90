#!/usr/bin/env python3
"""POST /v1/responses through the real daemon and engine: text, reasoning, calls and what follows them, whole and as a stream.

The models are those of tools.py: random, but for a token that is a whole answer.
"""
import json
import tempfile
import unittest

from headroomd import Daemon, ask
from tools import CALL, CALLS, FORM, NOISE, THINKS, WORD, is_right, make

TOOLS = [{"type": "function", "name": "get_weather", "description": "Weather", "strict": True, "parameters": {
    "type": "object", "properties": {"city": {"enum": ["Paris", "Oslo"]}}, "required": ["city"], "additionalProperties": False}},
    {"type": "function", "name": "stop", "parameters": None}]


class Responses(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.daemon = Daemon("[memory]\nbudget = 512MiB\n", models={
            "calls.gguf": make(cls.folder.name, "calls.gguf", CALLS, CALL), "thinks.gguf": make(cls.folder.name, "thinks.gguf", THINKS, "Hm.</think>Yes.")})

    @classmethod
    def tearDownClass(cls):
        cls.daemon.done()
        cls.folder.cleanup()

    def post(self, path="/v1/responses", bias=True, **body):
        more = {"logit_bias": {str(WORD): 100}} if bias else {}
        return ask(self.daemon, "POST", path, dict({"input": "What is the KV cache?", "temperature": 0, "max_output_tokens": 1}, **more, **body))

    def events(self, **body):
        """The data of a stream, whose last event is about the whole response."""
        reply = self.post(stream=True, **body)
        self.assertEqual((reply.status, reply.headers["content-type"]), (200, "text/event-stream"), reply.body)
        found = []
        for block in reply.body.decode().split("\n\n")[:-1]:
            if not block.startswith(":"):
                name, data = block.split("\n")
                found.append(json.loads(data.removeprefix("data: ")))
                self.assertEqual(name, "event: " + found[-1]["type"])
        self.assertEqual([event["sequence_number"] for event in found], list(range(len(found))))
        return found

    def test_reasoning_and_text(self):
        whole = self.post(model="thinks").json()
        thought, said = whole["output"]
        self.assertEqual((thought["type"], thought["summary"]), ("reasoning", [{"type": "summary_text", "text": "Hm."}]))
        self.assertEqual((said["type"], said["role"], said["content"][0]["text"]), ("message", "assistant", "Yes."))
        self.assertEqual((whole["status"], whole["incomplete_details"], whole["store"]), ("incomplete", {"reason": "max_output_tokens"}, False))
        self.assertEqual(whole["usage"]["total_tokens"], whole["usage"]["input_tokens"] + 1)
        events = self.events(model="thinks", metadata={"a": "b"})
        self.assertEqual([event["type"].removeprefix("response.") for event in events],
                         ["created", "in_progress", "output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta",
                          "reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done", "output_item.added", "content_part.added",
                          "output_text.delta", "output_text.done", "content_part.done", "output_item.done", "incomplete"])
        last = events[-1]["response"]
        self.assertEqual([item["type"] for item in last["output"]], ["reasoning", "message"])
        self.assertEqual([event["item"] for event in events if event["type"] == "response.output_item.done"], last["output"])
        self.assertEqual((events[0]["response"]["id"], last["metadata"]), (last["id"], {"a": "b"}))

    def test_the_whole_round(self):
        events = self.events(model="calls", tools=TOOLS, tool_choice={"type": "function", "name": "get_weather"}, max_output_tokens=200, bias=False)
        item = next(event["item"] for event in events if event["type"] == "response.output_item.done")
        self.assertEqual((item["type"], item["name"], item["status"]), ("function_call", "get_weather", "completed"))
        self.assertTrue(is_right(item))
        self.assertEqual("".join(event["delta"] for event in events if event["type"].endswith("arguments.delta")), item["arguments"])
        self.assertEqual((events[-1]["type"], events[-1]["response"]["output"]), ("response.completed", [item]))
        conversation = [{"role": "user", "content": "x"}, *events[-1]["response"]["output"],
                        {"type": "function_call_output", "call_id": item["call_id"], "output": "Sunny."}]
        reply = self.post(model="calls", tools=TOOLS, input=conversation, instructions="Be brief.")
        self.assertEqual(reply.status, 200, reply.body)
        counted = self.post("/v1/responses/input_tokens", model="calls", tools=TOOLS, input=conversation, instructions="Be brief.").json()
        self.assertEqual(counted, {"object": "response.input_tokens", "input_tokens": reply.json()["usage"]["input_tokens"]})

    def test_some_tools_are_allowed(self):
        for seed in range(3):
            reply = self.post(model="calls", tools=TOOLS, bias=False, max_output_tokens=200, seed=seed, **{**NOISE, "temperature": 2},
                              tool_choice={"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "stop"}]})
            self.assertEqual([item["name"] for item in reply.json()["output"]], ["stop"], reply.body)

    def test_a_form(self):
        reply = self.post(model="calls", bias=False, max_output_tokens=200, text={"format": {"type": "json_schema", "name": "n", "schema": FORM}})
        self.assertIn(json.loads(reply.json()["output"][0]["content"][0]["text"])["n"], (1, 22, 333))

    def test_logprobs(self):
        whole = self.post(model="thinks", include=["message.output_text.logprobs"], top_logprobs=3, max_output_tokens=4).json()
        texts = [part for item in whole["output"] if item["type"] == "message" for part in item["content"]]
        self.assertEqual([item["type"] for item in whole["output"]].count("reasoning"), 1)
        for token in texts[0]["logprobs"]:
            self.assertEqual((len(token["top_logprobs"]), token["bytes"]), (3, list(token["token"].encode())))
        self.assertTrue(texts[0]["logprobs"])
        events = self.events(model="thinks", top_logprobs=3, max_output_tokens=4)
        told = [token for event in events if event["type"] == "response.output_text.delta" for token in event["logprobs"]]
        self.assertEqual(told, texts[0]["logprobs"])
        self.assertEqual(events[-1]["response"]["output"][1]["content"][0]["logprobs"], told)
        self.assertEqual(self.post(model="thinks", top_logprobs=21).json()["error"]["param"], "top_logprobs")

    def test_refusals(self):
        for param, more in (("previous_response_id", {"previous_response_id": "resp_1"}), ("tools", {"tools": [{"type": "web_search"}]}),
                            ("input", {"input": [{"type": "item_reference", "id": "msg_1"}]}), ("tool_choice", {"tool_choice": "sometimes"})):
            reply = self.post(**dict({"model": "calls"}, **more))
            self.assertEqual((reply.status, reply.json()["error"]["param"]), (400, param), reply.body)


if __name__ == "__main__":
    unittest.main()
