#!/usr/bin/env python3
"""Many answers without a limit at once: they run by what they will likely come to, make room for each other, and none is cut or another
than it is alone. Prints how many ran at once, how often one made room, and tokens/s."""

import json
import os
import subprocess
import threading
import time
import unittest

from headroomd import BUILD, ENGINE, SMALL_MODEL, Daemon, ask, eventually, make_gguf
from headroomd import request as raw_request

CONTEXT = 256
KINDS = 8       # requests that differ, so that each can also be answered alone


def request(i, **more):
    kind = i % KINDS
    return {"model": "demo", "prompt": chr(97 + kind) * (1 + 5 * kind), "temperature": 1, "seed": kind, "ignore_eos": True, **more}


def ctl(daemon, *args):
    return subprocess.run([BUILD + "/headroomctl", "--socket", daemon.control_path, *args], capture_output=True, text=True, check=True).stdout


class Crowd(unittest.TestCase):
    def daemon(self, conf):
        daemon = Daemon(f"keep_alive = forever\ncontext = {CONTEXT}\n{conf}", models={"demo.gguf": SMALL_MODEL})
        self.addCleanup(daemon.done)
        self.assertEqual(ask(daemon, "POST", "/v1/completions", request(0, max_tokens=1)).status, 200)
        return daemon

    def answers(self, daemon, bodies):
        """Of all bodies at once."""
        answers = [None] * len(bodies)

        def one(i):
            answers[i] = ask(daemon, "POST", "/v1/completions", bodies[i])
        threads = [threading.Thread(target=one, args=(i,)) for i in range(len(bodies))]
        begun = time.monotonic()
        for t in threads:
            t.start()
        self.running = 0
        while any(t.is_alive() for t in threads):
            self.running = max(self.running, daemon.model("demo")["running"])
            time.sleep(0.01)
        took = time.monotonic() - begun
        self.assertEqual([a and a.status for a in answers], [200] * len(bodies))
        made = sum(a.json()["usage"]["completion_tokens"] for a in answers)
        print(f"{len(bodies)} clients: {self.running} at once, {made / took:.0f} tokens/s", flush=True)
        return [a.json()["choices"][0] for a in answers]

    def alone(self, daemon):
        """What each kind of request is answered when nothing else runs."""
        alone = [ask(daemon, "POST", "/v1/completions", request(i)).json()["choices"][0] for i in range(KINDS)]
        self.assertEqual({c["finish_reason"] for c in alone}, {"length"})
        self.assertEqual(len({c["text"] for c in alone}), KINDS)
        return alone

    def assert_alike(self, choices, alone):
        self.assertEqual([i for i, choice in enumerate(choices) if choice != alone[i % KINDS]], [])

    def test_as_many_run_as_are_configured(self):
        """The default pool is twice the context."""
        daemon = self.daemon("")
        alone = self.alone(daemon)
        for clients in (1, 4, 16):
            self.assert_alike(self.answers(daemon, [request(i) for i in range(clients)]), alone)
            self.assertEqual(self.running, min(clients, 4))

    def test_64_clients_on_a_pool_for_8(self):
        daemon = self.daemon(f"parallel = 64\nkv_tokens = {8 * CONTEXT}\n")
        for i in range(20):  # answers are usually short here: so many more are let in than could come to the end of the context
            ask(daemon, "POST", "/v1/completions", request(i, max_tokens=99, ignore_eos=False, stop=["a", "e", "i", "o", "s", "t", " "]))
        batch = {"service_tier": "flex"}
        choices = self.answers(daemon, [request(i, **(batch if i % 3 == 0 else {})) for i in range(64)])
        self.assert_alike(choices, self.alone(daemon))
        eventually(lambda: daemon.model("demo")["made_room"] > 0)
        print(f"made room {daemon.model('demo')['made_room']} times", flush=True)


def two_models(context):
    """Their files by name; what each takes beside its KV cache, and a token there at f16, in bytes."""
    models = {name: make_gguf(os.path.join(BUILD, f"crowd-{context}-{name}.gguf"), "--layers", "8", "--embd", "256", "--ff", "256", "--heads", "8",
                              "--kv-heads", "8", "--vocab", "512", "--ctx", str(context), "--seed", str(ord(name))) for name in "ab"}
    sizes = json.loads(subprocess.run([ENGINE, "inspect", "--json", models["a"]], capture_output=True, check=True).stdout)
    return models, sizes["weights_bytes"] + sizes["scratch_bytes"] + sizes["overhead_bytes"], sizes["kv_bytes_per_token"]["f16"]


class Shared(unittest.TestCase):
    def test_two_models_share_what_is_free(self):
        """Each could use all that is free for its KV pool: what one has grown by, the other gets when it is not needed any more."""
        models, fixed, token = two_models(CONTEXT)
        budget = int(2.1 * fixed) + 10 * CONTEXT * token
        daemon = Daemon(f"keep_alive = forever\ncontext = {CONTEXT}\nparallel = 8\n[memory]\nbudget = {budget}\n",
                        models={f"{name}.gguf": path for name, path in models.items()})
        self.addCleanup(daemon.done)
        most = {"a": 0, "b": 0}

        def together(models):
            answers = {}

            def one(key):
                answers[key] = ask(daemon, "POST", "/v1/completions", {**request(key[1]), "model": key[0]})
            threads = [threading.Thread(target=one, args=((m, i),)) for m in models for i in range(8)]
            for t in threads:
                t.start()
            while any(t.is_alive() for t in threads):
                loaded = [m for m in daemon.status()["models"] if m["pid"]]
                self.assertLessEqual(sum(m["predicted_bytes"] for m in loaded), budget)
                for m in loaded:
                    most[m["id"]] = max(most[m["id"]], m["kv_tokens"])
                time.sleep(0.01)
            self.assertEqual({a.status for a in answers.values()}, {200})
            return {key: a.json()["choices"][0] for key, a in answers.items()}
        alone = {**together("a"), **together("b")}
        self.assertGreater(min(most.values()), 4 * CONTEXT)  # of ten, of which two are the least of each
        self.assertEqual(together("ab"), alone)
        self.assertEqual({c["finish_reason"] for c in alone.values()}, {"length"})
        print(f"pools of {most['a']} and {most['b']} tokens at most, in a budget for {10 * CONTEXT}", flush=True)
        for name in "ab":
            self.assertEqual(daemon.model(name)["loads"], 1)

    def test_precision_of_a_busy_one_makes_room(self):
        """Two that fit beside each other only where the first is stored less precisely: nobody leaves, and both answer."""
        context = 16384
        models, fixed, token = two_models(context)
        budget = int(2 * fixed + 1.8 * context * token)
        daemon = Daemon(f"keep_alive = forever\ncontext = {context}\nparallel = 1\nkv = f16\n"
                        f"min_residency = 60s\n[memory]\nbudget = {budget}\n",
                        models={f"{name}.gguf": path for name, path in models.items()},
                        model_confs={"a.conf": f"[model]\npath = a.gguf\nkv_tokens = {context}\nkv_floor = q8_0\n",
                                     "b.conf": f"[model]\npath = b.gguf\nkv_tokens = {context}\nkv_floor = f16\n"})
        self.addCleanup(daemon.done)
        with daemon.connect() as s:
            s.sendall(raw_request("POST", "/v1/completions", {**request(1, max_tokens=6000), "model": "a", "stream": True}, Connection="close"))
            s.recv(1)
            eventually(lambda: daemon.model("a")["running"] == 1)
            self.assertEqual(daemon.model("a")["kv_now"], "f16")
            self.assertEqual(ask(daemon, "POST", "/v1/completions", {**request(2, max_tokens=8), "model": "b"}).status, 200)
            a, b = daemon.model("a"), daemon.model("b")
            self.assertEqual((a["kv_now"], a["running"], a["loads"], b["kv_now"]), ("q8_0", 1, 1, "f16"))
            self.assertLessEqual(a["predicted_bytes"] + b["predicted_bytes"], budget)
        self.assertIn("its KV cache was lowered to q8_0, because another model needs its memory", ctl(daemon, "explain", "a"))
        flight = os.path.join(daemon.scratch, "flight.scenario")
        ctl(daemon, "record", flight)
        with open(flight) as f:
            self.assertIn("expect downshift 0", f.read())
        subprocess.run([BUILD + "/headroomctl", "simulate", flight], check=True, capture_output=True)


if __name__ == "__main__":
    unittest.main()
