#!/usr/bin/env python3
"""embeddings - POST /v1/embeddings with the real daemon and engine: every form of input and of output, against `headroom-engine embed`."""

import base64
import json
import math
import struct
import subprocess
import sys
import unittest

from headroomd import DEMO_MODEL, ENGINE, Daemon, ask

TEXTS = ["What is the KV cache?", "memory", "a much longer text about swap and heat, and about nothing else at all", "ä€😀"]
CTX = 512


def by_command(*texts, options=()):
    """(vectors, tokens) as `headroom-engine embed` has them: of one text as its operand, of several by --file."""
    what = texts if len(texts) == 1 else ["--file", "-"]
    done = subprocess.run([ENGINE, "embed", DEMO_MODEL, *what, *options], input="".join(text + "\n" for text in texts), capture_output=True,
                          text=True, timeout=60, check=True)
    told = json.loads(done.stdout)
    return [as_f32(v) for v in told["vectors"]], told["tokens"]


def floats(text):
    raw = base64.b64decode(text, validate=True)
    return list(struct.unpack(f"<{len(raw) // 4}f", raw))


def as_f32(numbers):
    return [struct.unpack("<f", struct.pack("<f", x))[0] for x in numbers]


class Embeddings(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon(f"context = {CTX}\n")

    @classmethod
    def tearDownClass(cls):
        cls.daemon.done()

    def embed(self, input_, **more):
        reply = ask(self.daemon, "POST", "/v1/embeddings", dict({"model": "demo", "input": input_}, **more))
        self.assertEqual(reply.status, 200, reply.body)
        answer = reply.json()
        self.assertEqual((answer["object"], answer["model"]), ("list", "demo"))
        self.assertEqual([d["index"] for d in answer["data"]], list(range(len(answer["data"]))))
        self.assertEqual({d["object"] for d in answer["data"]}, {"embedding"})
        self.assertEqual(answer["usage"]["prompt_tokens"], answer["usage"]["total_tokens"])
        return [d["embedding"] for d in answer["data"]], answer["usage"]["prompt_tokens"]

    def refused(self, status, says, param=None, **body):
        reply = ask(self.daemon, "POST", "/v1/embeddings", dict({"model": "demo"}, **body))
        self.assertEqual(reply.status, status, reply.body)
        error = reply.json()["error"]
        self.assertIn(says, error["message"])
        if param:
            self.assertEqual(error["param"], param)
        return error

    def tokens_of(self, text):
        return json.loads(subprocess.run([ENGINE, "tokenize", DEMO_MODEL, "--add-special"], input=text, capture_output=True, text=True,
                                         check=True).stdout)

    def test_equals_the_command(self):
        vectors, tokens = self.embed(TEXTS)
        told = [by_command(text) for text in TEXTS]
        self.assertEqual([as_f32(v) for v in vectors], [v[0] for v, _ in told])  # bit for bit
        self.assertEqual(tokens, sum(n for _, n in told))
        self.assertEqual(by_command(*TEXTS), ([as_f32(v) for v in vectors], tokens))
        for v in vectors:
            self.assertEqual(len(v), 128)
            self.assertAlmostEqual(sum(x * x for x in v), 1, places=5)

    def test_base64_equals_float(self):
        numbers, _ = self.embed(TEXTS, encoding_format="float")
        packed, _ = self.embed(TEXTS, encoding_format="base64")
        self.assertEqual([floats(p) for p in packed], [as_f32(v) for v in numbers])
        for count in (1, 2, 3, 4, 5):  # every length of the last group
            packed, _ = self.embed("memory", encoding_format="base64", dimensions=count)
            numbers, _ = self.embed("memory", dimensions=count)
            self.assertEqual(floats(packed[0]), as_f32(numbers[0]))

    def test_forms_of_input(self):
        both, _ = self.embed(TEXTS[:2])
        tokens = [self.tokens_of(t) for t in TEXTS[:2]]
        self.assertEqual(self.embed(TEXTS[0])[0], both[:1])
        self.assertEqual(self.embed([TEXTS[0]])[0], both[:1])
        self.assertEqual(self.embed(tokens[0]), (both[:1], len(tokens[0])))
        self.assertEqual(self.embed([tokens[0]])[0], both[:1])
        self.assertEqual(self.embed(tokens), (both, len(tokens[0]) + len(tokens[1])))
        self.assertEqual(self.embed([TEXTS[0], tokens[1]])[0], both)  # a mixture hurts nobody
        self.assertEqual(self.embed(TEXTS[0], user="me", encoding_format=None, dimensions=None, unknown=[1])[0], both[:1])

    def test_dimensions(self):
        whole, _ = self.embed(TEXTS[0])
        for count in (1, 7, 128):
            part, _ = self.embed(TEXTS[0], dimensions=count)
            length = math.sqrt(sum(x * x for x in whole[0][:count]))
            self.assertEqual(len(part[0]), count)
            for a, b in zip(part[0], whole[0]):
                self.assertAlmostEqual(a, b / length, places=5)
            self.assertEqual(by_command(TEXTS[0], options=["--dimensions", str(count)])[0], [as_f32(part[0])])
        self.refused(400, "from 1 to 128", "dimensions", input="a", dimensions=129)
        for wrong in (0, -1, 1.5, "7", [7]):
            self.refused(400, "whole number", "dimensions", input="a", dimensions=wrong)

    def test_neighbours_do_not_matter(self):
        alone = [self.embed(t)[0][0] for t in TEXTS]
        self.assertEqual(self.embed(TEXTS[::-1])[0], alone[::-1])
        many, _ = self.embed([TEXTS[i % 4] for i in range(100)])
        self.assertEqual(many, [alone[i % 4] for i in range(100)])

    def test_too_long(self):
        long = "memory and swap " * 400
        error = self.refused(400, "", "input", input=["short", long])
        self.assertEqual((error["type"], error["n_ctx"]), ("exceed_context_size_error", CTX))
        self.assertGreater(error["n_prompt_tokens"], CTX)
        tokens = self.tokens_of(long)
        self.assertEqual(error["n_prompt_tokens"], len(tokens))
        cut, count = self.embed(long, truncate=True)
        self.assertEqual(count, CTX)
        self.assertEqual(self.embed(tokens[:CTX])[0], cut)
        self.assertEqual(by_command(long, "short", options=["--truncate"])[0], [as_f32(v) for v in cut + self.embed("short")[0]])
        self.assertEqual(self.embed(tokens, truncate=True)[0], cut)
        self.assertEqual(self.embed(long * 50, truncate=True)[0], cut)
        self.assertEqual(self.embed("short", truncate=True)[0], self.embed("short")[0])
        self.assertEqual(self.refused(400, "", "input", input=tokens)["n_prompt_tokens"], len(tokens))

    def test_refused(self):
        for input_ in (None, "", [], [""], ["a", ""], [[]], [[], [1]], 7, {}, [None], [True], [1, "a"], ["a", 1], [1.5], [-1], [[1, "a"]]):
            self.refused(400, "", "input", input=input_)
        self.refused(400, "no token id", "input", input=[1, 99999])
        self.refused(400, "must not hold more than 2048", "input", input=["a"] * 2049)
        self.refused(400, "float or base64", "encoding_format", input="a", encoding_format="int8")
        self.refused(400, "float or base64", "encoding_format", input="a", encoding_format=7)
        self.refused(400, "true or false", "truncate", input="a", truncate=1)
        self.refused(404, "there is no model 'nope'", "model", input="a", model="nope")
        reply = ask(self.daemon, "POST", "/v1/embeddings", b"[]")
        self.assertEqual(reply.status, 400)

    def test_beside_answers(self):
        """Answers in progress are not disturbed, and the log says what was done."""
        chat = {"model": "demo", "messages": [{"role": "user", "content": "What is the KV cache?"}], "temperature": 0}
        before = ask(self.daemon, "POST", "/v1/chat/completions", chat).json()["choices"][0]["message"]["content"]
        s = self.daemon.connect()
        body = json.dumps(dict(chat, stream=True)).encode()
        s.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        self.embed(TEXTS * 20)
        text = b""
        while part := s.recv(65536):
            text += part
        s.close()
        self.assertIn(b"[DONE]", text)
        self.assertEqual(ask(self.daemon, "POST", "/v1/chat/completions", chat).json()["choices"][0]["message"]["content"], before)
        self.daemon.wait_for_log(r"event=request .*kind=embedding .*status=200 .*prompt_tokens=\d+")


if __name__ == "__main__":
    sys.exit(unittest.main())
