#!/usr/bin/env python3
"""The KV cache of a running engine is made less precise in the middle of its answers: they go on, they stay the same where they
should, and the memory is given back to the box."""

import os
import tempfile
import unittest

from demo_model import questions
from downshifting import PACED, ask, control, fill, kv_memory, relieved, shift, statistics
from headroomd import DEMO_MODEL, SANITIZED, make_gguf
from worker import Worker

EVERY = 60 if SANITIZED else 8  # of the trained questions
LEAST_UNCHANGED = 0.95
WINDOW = 96  # newest tokens that may be left as they were: the window and what has begun a block behind it


class Texts(unittest.TestCase):
    def unchanged(self, floor):
        """The share of greedy answers that are the same when all of their KV becomes FLOOR in their middle."""
        same = asked = 0
        with Worker("--kv-floor", floor, model=DEMO_MODEL) as plain, Worker("--kv-floor", floor, model=DEMO_MODEL) as worker:
            for w in (plain, worker):
                w.ready()
                control(w, heartbeat_ms=0)
            for question, _ in questions(EVERY):
                expected = ask(plain, question).to_the_end()
                control(plain, trim=True)
                answer, caught = relieved(worker, question, max(1, expected.texts() // 3))
                if not caught:  # a busy machine: it was over before the frame came
                    continue
                asked += 1
                same += answer.text() == expected.text() and answer.finish() == expected.finish()
        self.assertGreater(asked, len(questions(EVERY)) // 2)
        print(f"f16 -> {floor} in mid-answer: {same} of {asked} greedy answers unchanged ({100 * same / asked:.1f} %)")
        return same / asked

    def test_greedy_answers_do_not_change_when_all_becomes_q8_0(self):
        self.assertGreaterEqual(self.unchanged("q8_0"), LEAST_UNCHANGED)

    def test_few_greedy_answers_change_when_all_becomes_q4_0(self):
        self.assertGreaterEqual(self.unchanged("q4_0"), 0.9)


class Memory(unittest.TestCase):
    """A model that computes little and stores much: 2 KiB a token."""

    TOKENS = 2048 if SANITIZED else 6144

    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory(prefix="headroom-downshift-")
        cls.model = make_gguf(os.path.join(cls.scratch.name, "wide.gguf"), "--kv-heads", "4", "--ctx", "8192")

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def worker(self, *options):
        return Worker("--ctx", "8192", "--kv-tokens", "8192", *options, model=self.model, threads="2")

    def test_memory_falls_while_the_answer_goes_on(self):
        old = (self.TOKENS - WINDOW) / self.TOKENS
        with self.worker() as worker:
            worker.ready()
            control(worker, heartbeat_ms=0)
            answer = fill(worker, self.TOKENS, 400)
            answer.take(control(worker, duty=PACED))  # so that few tokens come in between two looks
            full = kv_memory(worker.process.pid, 8192 * 2048)
            self.assertGreaterEqual(full, self.TOKENS * 2048)
            for target, share in (("q8_0", 30 / 64), ("q4_0", 46 / 64)):
                stored = shift(worker, answer, target)
                now = kv_memory(worker.process.pid, 8192 * 2048)
                print(f"{self.TOKENS} tokens, f16 -> {target}: {full} -> {now} bytes of KV in memory, {100 * (1 - now / full):.1f} % less")
                self.assertLessEqual(now, full * (1 - share * old) + 64 * 2048)  # and the block that was begun meanwhile
                self.assertEqual(stored["kv"], target)
                self.assertLessEqual(stored["kv_bytes"]["f16"], (WINDOW + 64) * 2048)
            self.assertFalse(answer.ended(), "it was over before the downshift was: nothing has been shown")
            answer.take(control(worker, duty=1000))
            answer.to_the_end()
            self.assertEqual(answer.finish(), ("length", 400))
            self.assertEqual(sum(f["tokens"] for f in answer.frames if f["type"] == "text"), 400)
            left = statistics(worker)[-1]  # a finished one has no window
            while left["converting"]:
                left = statistics(worker)[-1]
            self.assertEqual(left["kv_bytes"], {"f16": 0, "q8_0": 0, "q4_0": 0})
            self.assertLessEqual(left["kv_bytes_used"], (self.TOKENS + 448) * 576)

    def test_relief_takes_all_at_once_and_what_comes_after_is_stored_so(self):
        with self.worker("--kv-floor", "q8_0") as worker:
            worker.ready()
            control(worker, heartbeat_ms=0)
            answer = fill(worker, 1000, 200)
            worker.send("downshift_now")
            frames = statistics(worker)
            answer.take(frames)
            self.assertEqual([bool(frames[-1]["kv_bytes"][t]) for t in ("f16", "q8_0", "q4_0")], [False, True, False])
            self.assertLessEqual(kv_memory(worker.process.pid, 8192 * 2048), 1300 * 1088)
            answer.until(150)
            frames = statistics(worker)
            answer.take(frames)
            self.assertEqual([bool(frames[-1]["kv_bytes"][t]) for t in ("f16", "q8_0", "q4_0")], [False, True, False])
            answer.take(control(worker, kv="f16"))
            self.assertEqual(answer.to_the_end().finish(), ("length", 200))
            other = fill(worker, 900, 100)  # what begins from now on is precise again
            other.take(statistics(worker))
            self.assertGreater(statistics(worker)[-1]["kv_bytes"]["f16"], 0)
            self.assertEqual(other.to_the_end().finish(), ("length", 100))


if __name__ == "__main__":
    unittest.main(verbosity=2)
