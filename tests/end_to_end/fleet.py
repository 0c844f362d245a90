#!/usr/bin/env python3
"""The fleet from outside: the real daemon and engine over HTTP; memory and processes are looked at in /proc, not asked for."""

import contextlib
import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import headroomd
from headroomd import DEMO_MODEL as DEMO, ENGINE, SANITIZED, SLOW, eventually

MIB = 1 << 20
WORKSHOP = tempfile.mkdtemp(prefix="headroom-fleet-")


def tearDownModule():
    shutil.rmtree(WORKSHOP)


def made_model(name, *options):
    """A model of random weights; made once for all tests."""
    return headroomd.make_gguf(os.path.join(WORKSHOP, name + ".gguf"), *options)


def large_model(name="large", seed="1"):
    """About 36 MiB: slow enough for a stream that lasts."""
    return made_model(name, "--seed", seed, "--layers", "8", "--embd", "512", "--ff", "1536", "--heads", "8", "--kv-heads", "4", "--vocab", "4096", "--ctx", "4096")


def engines_of(pid):
    """Worker processes whose parent is PID."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat") as f:
                fields = f.read().rsplit(")", 1)[1].split()
            with open(f"/proc/{entry}/cmdline", "rb") as f:
                words = f.read().split(b"\0")
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z" and b"worker" in words[1:2]:
            found.append(int(entry))
    return found


def pss_of(pid):
    try:
        with open(f"/proc/{pid}/smaps_rollup") as f:
            return int(re.search(r"^Pss: +(\d+) kB", f.read(), re.M).group(1)) * 1024
    except (OSError, AttributeError):
        return 0


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        self.error = (body or {}).get("error")
        self.text = None if self.error else body["choices"][0]["message"]["content"]


class Stream:
    """One streamed answer, read as it comes."""

    def __init__(self, connection, response):
        self.connection, self.response = connection, response
        self.status, self.text, self.error, self.done, self.comments = response.status, "", None, False, []
        if self.status != 200:  # refused before the stream began
            self.error = json.loads(response.read())["error"]

    def read_event(self):
        """False at the end."""
        line = self.response.readline().decode()
        if not line:
            return False
        if line.startswith(":"):
            self.comments.append(line.strip())
        if not line.startswith("data:"):
            return True
        data = line[5:].strip()
        if data == "[DONE]":
            self.done = True
            return True
        event = json.loads(data)
        if event.get("error"):
            self.error = event["error"]
        elif event["choices"]:
            self.text += event["choices"][0]["delta"].get("content") or ""
        return True

    def read_some(self):
        while not self.text and self.read_event():
            pass
        return self

    def read_all(self):
        while self.read_event():
            pass
        self.connection.close()
        return self


class Daemon(headroomd.Daemon):
    def __init__(self, models, budget=None, limits="", defaults="", engine=None):
        """MODELS: name -> path, or (path, lines of its file)."""
        confs = {}
        for name, model in models.items():
            path, lines = model if isinstance(model, tuple) else (model, "")
            confs[name + ".conf"] = f"[model]\npath = {path}\n{lines}\n"
        super().__init__(f"threads = 1\n{defaults}\n{limits}\n[memory]\n{f'budget = {budget}' if budget else ''}\nreserve = 64M\n"
                         "[engine]\nstop_timeout = 2s\n", models={}, model_confs=confs, options=["--engine", engine] if engine else [])

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        engines = engines_of(self.pid)
        status = self.stop(30 * SLOW)
        if kind is not None:
            sys.stderr.write("the daemon's log ends:\n" + "\n".join(self.log().splitlines()[-30:]) + "\n")
        else:
            assert status in (0, -signal.SIGKILL), f"the daemon ended with {status}:\n{self.log()[-3000:]}"
            assert "life_error" not in self.log(), self.log()
            eventually(lambda: not any(is_alive(pid) for pid in engines))
        shutil.rmtree(self.scratch)

    def post(self, body, timeout=120 * SLOW):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
        return connection

    def ask(self, model, max_tokens=8, **more):
        connection = self.post({"model": model, "max_tokens": max_tokens, "temperature": 0, "messages": [{"role": "user", "content": "What is a budget?"}], **more})
        response = connection.getresponse()
        answer = Answer(response.status, response.headers, json.loads(response.read()))
        connection.close()
        return answer

    def stream(self, model, max_tokens=8, **more):
        connection = self.post({"model": model, "stream": True, "max_tokens": max_tokens, "temperature": 0, "ignore_eos": True,
                                "messages": [{"role": "user", "content": "What is a budget?"}], **more})
        response = connection.getresponse()
        return Stream(connection, response)

    def control(self, method, path, body=None):
        connection = http.client.HTTPConnection("control")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(60 * SLOW)
        connection.sock.connect(self.control_path)
        connection.request(method, path, json.dumps(body) if body is not None else None, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = json.loads(response.read())
        connection.close()
        return answer

    def health(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", "/health")
        status = connection.getresponse().status
        connection.close()
        return status


def footprint(path, context=512, parallel=4, threads=1):
    out = subprocess.run([ENGINE, "inspect", "--json", "--summary", path, "--threads", str(threads), "--parallel", str(parallel)],
                         check=True, capture_output=True, text=True).stdout
    sizes = json.loads(out)
    return sizes["weights_bytes"] + sizes["scratch_bytes"] + sizes["overhead_bytes"] + 2 * context * sizes["kv_bytes_per_token"]["f16"]


def in_parallel(count, work):
    """Runs work(i) in COUNT threads; returns the results, raises what one raised."""
    results, errors = [None] * count, []

    def run(i):
        try:
            results[i] = work(i)
        except BaseException as error:  # pylint: disable=broad-except
            errors.append(error)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results


class Sampler:
    """The engines' memory together, as the kernel tells it, as often as can be."""

    def __init__(self, daemon):
        self.daemon, self.most, self.count, self.over = daemon, 0, 0, threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.over.is_set():
            self.most = max(self.most, sum(pss_of(pid) for pid in engines_of(self.daemon.pid)))
            self.count += 1
            time.sleep(0.02)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


class OnDemand(unittest.TestCase):
    def test_the_first_request_loads_waits_and_is_answered(self):
        with Daemon({"demo": DEMO}) as d:
            self.assertEqual(engines_of(d.pid), [])
            answer = d.ask("demo", max_tokens=40)
            self.assertEqual(answer.status, 200)
            self.assertIn("budget", answer.text.lower())
            self.assertEqual(len(engines_of(d.pid)), 1)
            self.assertEqual(d.model("demo")["loads"], 1)
            self.assertEqual(d.health(), 200)

    def test_ten_at_once_start_one_process(self):
        with Daemon({"demo": DEMO}) as d:
            answers = in_parallel(10, lambda i: d.ask("demo"))
            self.assertEqual([a.status for a in answers], [200] * 10)
            self.assertEqual(len({a.text for a in answers}), 1)
            self.assertEqual(d.model("demo")["loads"], 1)
            self.assertEqual(len(engines_of(d.pid)), 1)

    def test_an_idle_model_is_unloaded_and_comes_back(self):
        with Daemon({"demo": (DEMO, "keep_alive = 300ms")}) as d:
            self.assertEqual(d.ask("demo").status, 200)
            eventually(lambda: not engines_of(d.pid))
            eventually(lambda: d.model("demo")["state"] == "absent")
            self.assertIn("event=unload model=demo reason=idle", d.log())
            self.assertEqual(d.ask("demo").status, 200)
            self.assertEqual(d.model("demo")["loads"], 2)

    def test_looking_wakes_and_resets_nothing(self):
        with Daemon({"demo": (DEMO, "keep_alive = 700ms")}) as d:
            d.health(), d.status()
            self.assertEqual(engines_of(d.pid), [])
            d.ask("demo")
            end = time.monotonic() + 10 * SLOW
            while engines_of(d.pid) and time.monotonic() < end:
                d.status()
                time.sleep(0.05)
            self.assertEqual(engines_of(d.pid), [])

    def test_a_client_that_leaves_while_loading_leaves_nothing_behind(self):
        with Daemon({"large": large_model()}) as d:
            for _ in range(5):
                connection = d.post({"model": "large", "messages": [{"role": "user", "content": "x"}]})
                connection.sock.close()
            eventually(lambda: d.status()["requests_waiting"] == 0 and d.status()["requests_running"] == 0)
            self.assertEqual(d.ask("large").status, 200)
            self.assertLessEqual(d.model("large")["loads"], 2)


class MakingRoom(unittest.TestCase):
    def test_two_models_in_a_budget_for_one_alternate(self):
        """200 requests of 8 clients; the kernel says how much the engines held."""
        size = footprint(large_model())
        budget = size + size // 6
        # Two files: of one and the same the kernel would hold the pages once.
        with Daemon({"a": large_model(), "b": large_model("other", "2")}, budget=budget, defaults="context = 512") as d:
            began = time.monotonic()
            with Sampler(d) as sampler:
                answers = in_parallel(8, lambda i: [d.ask("ab"[(i + n) % 2], max_tokens=2, messages=[{"role": "user", "content": "x"}]) for n in range(25)])
            took = time.monotonic() - began
            flat = [a for some in answers for a in some]
            self.assertEqual([a.error for a in flat if a.status != 200], [])
            self.assertEqual(len(flat), 200)
            loads = d.model("a")["loads"] + d.model("b")["loads"]
            print(f"alternating: 200 answers in {took:.1f} s, {loads} loads, at most {sampler.most / MIB:.1f} MiB of {budget / MIB:.1f} MiB ({sampler.count} samples)")
            self.assertGreater(sampler.count, 5)
            self.assertLessEqual(sampler.most, budget)
            self.assertGreater(2 * sampler.most, budget)
            self.assertLess(loads, 150)

    def test_a_busy_model_is_never_cut_and_the_waiter_gets_its_turn(self):
        size = footprint(large_model(), 4096)
        with Daemon({"a": large_model(), "b": large_model()}, budget=size + size // 2, limits="min_residency = 300ms",
                    defaults="context = 4096\nkv_tokens = 8192") as d:
            # The client reads no more until it drains, so it cannot be over before, however fast the engine.
            long = d.stream("a", max_tokens=2500).read_some()
            waiter = {}
            thread = threading.Thread(target=lambda: waiter.update(answer=d.ask("b")))
            thread.start()
            # New requests for the hot model come all the while; they must not keep the other out.
            eventually(lambda: d.model("a")["state"] == "draining")
            late = d.stream("a", max_tokens=4)
            long.read_all()
            thread.join()
            self.assertTrue(long.done, long.error)
            self.assertEqual(waiter["answer"].status, 200)
            self.assertTrue(late.read_all().done)
            self.assertEqual(d.model("a")["loads"], 2)

    def test_the_least_recently_finished_leaves(self):
        size = footprint(DEMO)
        with Daemon({"a": DEMO, "b": DEMO, "c": DEMO}, budget=2 * size + size // 2, limits="min_residency = 0", defaults="context = 512") as d:
            d.ask("a"), d.ask("b"), d.ask("a"), d.ask("c")
            states = {m["id"]: m["state"] for m in d.status()["models"]}
            self.assertEqual(states, {"a": "ready", "b": "absent", "c": "ready"})

    def test_pinned_stays_and_the_refusal_says_so(self):
        size = footprint(DEMO)
        with Daemon({"a": (DEMO, "pin = yes"), "b": DEMO}, budget=size + size // 2, defaults="context = 512") as d:
            self.assertEqual(d.ask("a").status, 200)
            refused = d.ask("b")
            self.assertEqual(refused.status, 503)
            self.assertEqual(refused.error["code"], "insufficient_memory")
            self.assertIn("pinned", refused.error["message"])
            self.assertGreater(int(refused.headers["Retry-After"]), 0)
            self.assertEqual(d.model("a")["state"], "ready")

    def test_what_can_never_fit_is_refused_at_once_with_the_numbers(self):
        with Daemon({"large": large_model(), "demo": DEMO}, budget=25 * MIB) as d:
            d.ask("demo")
            began = time.monotonic()
            refused = d.ask("large")
            self.assertLess(time.monotonic() - began, 2 * SLOW)
            self.assertEqual(refused.status, 503)
            self.assertEqual(refused.error["code"], "never_fits")
            self.assertEqual(refused.headers["x-should-retry"], "false")
            self.assertRegex(refused.error["message"], r"needs \d+ MiB .* \(budget\), 25 MiB")
            self.assertIn("raise the limit", refused.error["advice"])
            self.assertEqual(d.model("demo")["state"], "ready")
            stream = d.stream("large")
            self.assertEqual(stream.status, 503)
            stream.read_all()

    def test_an_engine_that_does_not_stop_is_killed_and_makes_room(self):
        size = footprint(DEMO)
        with Daemon({"a": DEMO, "b": DEMO}, budget=size + size // 2, limits="min_residency = 0", defaults="context = 512") as d:
            d.ask("a")
            stuck = engines_of(d.pid)[0]
            os.kill(stuck, signal.SIGSTOP)
            self.assertEqual(d.ask("b").status, 200)
            self.assertFalse(is_alive(stuck))
            self.assertIn("event=stop_timeout model=a", d.log())
            self.assertEqual(d.model("a")["deaths"], 0)

    def test_what_was_measured_is_remembered(self):
        with Daemon({"demo": DEMO}) as d:
            d.ask("demo")
            eventually(lambda: (d.model("demo")["measured_bytes"] or 0) > MIB)
            d.control("POST", "/control/unload", {"model": "demo"})
            kept = os.path.join(d.scratch, "footprints.json")
            eventually(lambda: os.path.exists(kept))
            with open(kept) as f:
                self.assertIn("demo", json.load(f)["models"])
            eventually(lambda: d.model("demo")["state"] == "absent")


class Failing(unittest.TestCase):
    def test_a_killed_engine_ends_streams_in_band_or_answers_anew(self):
        with Daemon({"large": (large_model(), "parallel = 8\nqueue = 64")}) as d:
            d.ask("large")
            victim = engines_of(d.pid)[0]
            started = threading.Semaphore(0)

            def client(_):
                stream = d.stream("large", max_tokens=600)
                stream.read_some()
                started.release()
                return stream.read_all()

            killer = threading.Thread(target=lambda: (started.acquire(), time.sleep(0.2), os.kill(victim, signal.SIGKILL)))
            killer.start()
            streams = in_parallel(20, client)
            killer.join()
            failed = [s for s in streams if s.error]
            whole = [s for s in streams if s.done and not s.error]
            self.assertEqual(len(failed) + len(whole), 20)
            self.assertGreater(len(failed), 0)
            self.assertTrue(all(s.error["code"] == "engine_died" and "SIGKILL" in s.error["message"] for s in failed), failed[0].error)
            self.assertEqual(d.ask("large").status, 200)
            self.assertEqual(d.model("large")["deaths"], 1)
            self.assertEqual(d.model("large")["last_exit"], "killed by SIGKILL")
            print(f"killed engine: {len(failed)} of 20 streams ended in-band, {len(whole)} were answered whole")

    def test_a_whole_answer_survives_the_death_of_its_engine(self):
        with Daemon({"large": large_model()}) as d:
            expected = d.ask("large", max_tokens=200, ignore_eos=True).text
            result = {}
            thread = threading.Thread(target=lambda: result.update(answer=d.ask("large", max_tokens=200, ignore_eos=True)))
            thread.start()
            eventually(lambda: d.model("large")["running"] == 1)
            time.sleep(0.1)
            os.kill(engines_of(d.pid)[0], signal.SIGKILL)
            thread.join()
            self.assertEqual(result["answer"].status, 200)
            self.assertEqual(result["answer"].text, expected)

    def test_repeated_deaths_back_off(self):
        with Daemon({"demo": DEMO}) as d:
            for _ in range(2):
                self.assertEqual(d.ask("demo").status, 200)
                os.kill(engines_of(d.pid)[0], signal.SIGKILL)
                eventually(lambda: d.model("demo")["state"] == "absent")
            refused = d.ask("demo")
            self.assertEqual(refused.status, 503)
            self.assertEqual(refused.error["code"], "load_cooldown")
            self.assertIn(int(refused.headers["Retry-After"]), range(1, 11))
            self.assertEqual(d.stream("demo").read_all().status, 503)
            # The operator may.
            self.assertEqual(d.control("POST", "/control/load", {"model": "demo"}).get("state"), "ready")
            self.assertEqual(d.ask("demo").status, 200)

    def test_no_engine_outlives_the_daemon(self):
        with Daemon({"a": DEMO, "large": large_model()}) as d:
            d.ask("a")
            stream = d.stream("large", max_tokens=3000).read_some()
            engines = engines_of(d.pid)
            self.assertEqual(len(engines), 2)
            d.process.kill()
            d.process.wait()
            eventually(lambda: not any(is_alive(pid) for pid in engines), seconds=5)
            stream.connection.close()

    def test_a_damaged_file_is_refused_with_the_engines_sentence(self):
        damaged = os.path.join(WORKSHOP, "damaged.gguf")
        with open(DEMO, "rb") as f:
            whole = f.read()
        with open(damaged, "wb") as f:
            f.write(whole[:len(whole) // 2])
        other, gone = os.path.join(WORKSHOP, "not-a-model.gguf"), os.path.join(WORKSHOP, "gone.gguf")
        for path in other, gone:
            with open(path, "w") as f:
                f.write("not a model")
        with Daemon({"cut": damaged, "other": other, "gone": gone, "demo": DEMO}) as d:
            os.unlink(gone)
            for name, words in (("cut", "cut off"), ("other", "GGUF"), ("gone", "No such file")):
                for _ in range(2):
                    refused = d.ask(name)
                    self.assertEqual(refused.status, 500, refused.body)
                    self.assertEqual(refused.error["code"], "load_failed")
                    self.assertIn(words, refused.error["message"])
            self.assertEqual(d.ask("demo").status, 200)
            # The file arrives: no restart is needed.
            with open(other, "wb") as f:
                f.write(whole)
            self.assertEqual(d.ask("other").status, 200)

    def test_an_engine_that_is_not_there(self):
        with Daemon({"demo": DEMO}, engine="/bin/false") as d:
            refused = d.ask("demo")
            self.assertEqual(refused.status, 500)
            self.assertEqual(refused.error["code"], "load_failed")


class ForAYear(unittest.TestCase):
    def test_a_thousand_clients_that_come_and_go_leave_nothing(self):
        with Daemon({"demo": DEMO}) as d:
            def rounds(count):
                for n in range(count):
                    if n % 4 == 0:
                        self.assertEqual(d.ask("demo", max_tokens=2).status, 200)
                        continue
                    connection = d.post({"model": "demo", "stream": True, "max_tokens": 200, "ignore_eos": True, "messages": [{"role": "user", "content": "x"}]})
                    if n % 4 == 1:
                        connection.getresponse().read(10)
                    elif n % 4 == 2:
                        connection.getresponse().readline()
                    connection.sock.close()
                    connection.close()
                eventually(lambda: d.status()["requests_running"] + d.status()["requests_waiting"] == 0)

            rounds(100)
            time.sleep(0.2)
            memory, descriptors = 1024 * d.memory_kib(), d.descriptors()
            rounds(1000)
            eventually(lambda: d.descriptors() <= descriptors)
            grown = 1024 * d.memory_kib() - memory
            print(f"1,000 rounds: daemon RSS {memory / MIB:.1f} MiB, grown by {grown / 1024:.0f} KiB, descriptors {descriptors} -> {d.descriptors()}")
            if not SANITIZED:
                self.assertLess(grown, 1 * MIB)
            self.assertEqual(d.model("demo")["loads"], 1)

    def test_whatever_happens_it_answers_in_the_end(self):
        """Clients that come and go, an operator who loads and unloads, and somebody who kills and stops engines, all by dice."""
        size = footprint(DEMO)
        known = {"engine_died", "load_cooldown", "unloaded", "load_failed", "wait_too_long", "concurrency_limit"}
        models = {"a": DEMO, "b": DEMO, "c": (DEMO, "priority = 3\nkeep_alive = 200ms")}
        with Daemon(models, budget=2 * size + size // 2, limits="min_residency = 200ms", defaults="context = 512") as d:
            end = time.monotonic() + 10
            codes = {}

            def client(i):
                dice = random.Random(i)
                while time.monotonic() < end:
                    name = dice.choice("abc")
                    if dice.random() < 0.3:
                        connection = d.post({"model": name, "stream": True, "max_tokens": 300, "ignore_eos": True, "messages": [{"role": "user", "content": "x"}]})
                        time.sleep(dice.random() / 10)
                        connection.sock.close()
                        continue
                    answer = d.ask(name, max_tokens=dice.randint(1, 60)) if dice.random() < 0.5 else d.stream(name, max_tokens=60).read_all()
                    code = answer.error["code"] if answer.error else answer.status
                    codes[code] = codes.get(code, 0) + 1
                    if answer.error:
                        time.sleep(0.05)

            def troublemaker(i):
                dice = random.Random(100 + i)
                while time.monotonic() < end:
                    time.sleep(dice.random() / 2)
                    engines = engines_of(d.pid)
                    if i == 0 and engines:
                        try:
                            os.kill(dice.choice(engines), dice.choice((signal.SIGKILL, signal.SIGSEGV, signal.SIGSTOP)))
                        except ProcessLookupError:
                            pass
                    elif i == 1:
                        d.control("POST", f"/control/{dice.choice(('load', 'unload'))}", {"model": dice.choice("abc"), "force": dice.random() < 0.5})

                # A stopped engine would keep its clients for the ten minutes after which it counts as hanging.
                for pid in engines_of(d.pid):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGCONT)

            def anyone(i):
                return client(i) if i < 12 else troublemaker(i - 12)

            in_parallel(14, anyone)
            self.assertLessEqual(set(codes) - {200}, known, codes)
            self.assertGreater(codes.get(200, 0), 50 / SLOW)
            self.assertEqual(d.health(), 200)
            eventually(lambda: d.status()["requests_running"] + d.status()["requests_waiting"] == 0)
            for name in "abc":
                d.control("POST", "/control/load", {"model": name})
                self.assertEqual(d.ask(name).status, 200)
            print(f"chaos: {codes}, deaths {sum(m['deaths'] for m in d.status()['models'])}, loads {sum(m['loads'] for m in d.status()['models'])}")

    def test_loading_again_and_again_leaves_nothing(self):
        size = footprint(DEMO)
        with Daemon({"a": DEMO, "b": DEMO}, budget=size + size // 2, limits="min_residency = 0", defaults="context = 512") as d:
            for _ in range(5):
                d.ask("a"), d.ask("b")
            memory, descriptors = 1024 * d.memory_kib(), d.descriptors()
            for _ in range(50):
                self.assertEqual((d.ask("a").status, d.ask("b").status), (200, 200))
            eventually(lambda: d.descriptors() <= descriptors)
            if not SANITIZED:
                self.assertLess(1024 * d.memory_kib() - memory, 1 * MIB)


class Timed(unittest.TextTestResult):
    def startTest(self, test):
        self.began = time.monotonic()
        super().startTest(test)

    def stopTest(self, test):
        super().stopTest(test)
        self.stream.writeln(f"      {time.monotonic() - self.began:.1f} s")


if __name__ == "__main__":
    unittest.main(verbosity=2, testRunner=unittest.TextTestRunner(verbosity=2, resultclass=Timed), warnings="ignore")
