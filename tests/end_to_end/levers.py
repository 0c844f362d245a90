#!/usr/bin/env python3
"""Every lever of a real, locked-in engine over the wire: at any moment, with wrong values, with bad files; answers stay the same."""
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from headroomd import SANITIZED
from worker_process import Worker, check_order, endless

LONG = "The memory budget says how many bytes all models together may use. "
ANSWER = {"prompt": LONG * 6, "temperature": 1, "seed": 1, "max_tokens": 300, "ignore_eos": True}
GREEDY = {"prompt": LONG * 6, "temperature": 0, "max_tokens": 300, "ignore_eos": True}


def new_file():
    return os.memfd_create("kv")


class Case(unittest.TestCase):
    def about(self, w, type_, frames=None):
        """The next frame of this type; those of answers before it go to FRAMES."""
        while (frame := w.receive()) and frame["type"] != type_:
            self.assertIn(frame["type"], ("start", "text", "end"), frame)
            if frames is not None:
                frames.append(frame)
        self.assertIsNotNone(frame, f"no {type_} came")
        return frame

    def control(self, w, **fields):
        w.send("control", id=w.new_id(), **fields)
        while (frame := w.receive())["type"] not in ("controlled", "error") or frame["id"] != w.next_id:
            pass
        return frame

    def statistics(self, w, frames=None):
        w.send("statistics")
        return self.about(w, "statistics", frames)

    def suspend(self, w, id_, fd=None, frames=None):
        if fd is not None:
            w.send_file(id_, fd)
            w.send("suspend", id=id_, file=True)
        else:
            w.send("suspend", id=id_)
        return self.about(w, "suspended", frames)

    def tokens(self, w, count, frames):
        """Receives until so many pieces of text are there."""
        while sum(f["type"] == "text" for f in frames) < count:
            frames.append(w.receive())

    def rest(self, w, frames):
        while not frames or frames[-1]["type"] != "end":
            frames.append(w.receive())
        return check_order(frames)[0]


class Control(Case):
    def test_values(self):
        good = ({"duty": 50}, {"duty": 1000}, {"duty": 999, "threads": 1}, {"threads": 2}, {"prefill_chunk": 1}, {"prefill_chunk": 256},
                {"context": 1}, {"context": 300}, {"kv": "q8_0"}, {"kv": "f16"}, {"trim": True}, {"trim": False}, {"heartbeat_ms": 0},
                {"heartbeat_ms": 3600000}, {"heartbeat_ms": 1000}, {}, {"unheard_of": [1]})
        wrong = {"duty": (49, 1001, 0, -1, 50.5, "x", None, [], True), "threads": (0, 3, 1.5, "2", -1), "prefill_chunk": (0, 257, {}),
                 "context": (0, 301, 1e300, "all"), "kv": ("q4_0", "f32", 1, None, ""), "trim": (1, "yes", None),
                 "heartbeat_ms": (-1, 3600001, 0.5, "x")}
        with Worker("--ctx", "300", "--kv-floor", "q8_0", threads="2") as w:
            ready = w.ready()
            self.assertEqual((ready["kv"], ready["kv_floor"], ready["threads"], ready["prefill_chunk"]), ("f16", "q8_0", 2, 256))
            for fields in good:
                self.assertEqual(self.control(w, **fields)["type"], "controlled", fields)
            self.control(w, duty=700, prefill_chunk=77, context=200, threads=1)
            for name, values in wrong.items():
                for value in values:
                    # A wrong value keeps the right ones beside it from being put in force.
                    frame = self.control(w, **{"duty": 300, "prefill_chunk": 5, "context": 9, "trim": False, name: value})
                    self.assertEqual((frame["type"], frame["reason"], frame["param"]), ("error", "invalid_request", name), (name, value))
            s = self.statistics(w)
            self.assertEqual((s["duty"], s["prefill_chunk"], s["context"], s["threads"]), (700, 77, 200, 1))

    def test_floor(self):
        for options, kv, floor in (((), "f16", "q4_0"), (("--kv", "q8_0", "--kv-floor", "f16"), "q8_0", "q8_0"),
                                   (("--kv", "q4_0"), "q4_0", "q4_0"), (("--kv-floor", "f16"), "f16", "f16")):
            with Worker(*options) as w:
                ready = w.ready()
                self.assertEqual((ready["kv"], ready["kv_floor"]), (kv, floor), options)
                w.send("downshift_now")
                self.assertEqual(self.statistics(w)["kv"], floor)

    def test_downshift_amid_an_answer(self):
        with Worker("--ctx", "512") as w:
            w.ready()
            frames = []
            w.generate(**ANSWER)
            self.tokens(w, 40, frames)
            before = self.statistics(w, frames)
            self.assertGreater(before["kv_bytes"]["f16"], 0)
            w.send("control", id=w.new_id(), kv="q4_0")
            self.about(w, "controlled", frames)
            self.tokens(w, 250, frames)
            after = self.statistics(w, frames)
            self.assertEqual(after["kv"], "q4_0")
            if not any(f["type"] == "end" for f in frames):
                self.assertGreater(after["kv_bytes"]["q4_0"], 0)
            self.rest(w, frames)
            self.assertEqual(sum(f.get("tokens", 0) for f in frames), 300)

    def test_context(self):
        with Worker("--ctx", "400", "--kv-tokens", "2000") as w:
            w.ready()
            frames = []
            running = w.generate(prompt=[1] * 10, max_tokens=350, ignore_eos=True, seed=1)
            self.tokens(w, 3, frames)
            self.assertEqual(self.control(w, context=100)["type"], "controlled")
            error = self.refused(w, running, prompt=[1] * 100, max_tokens=5)
            self.assertEqual((error["reason"], error["n_prompt_tokens"], error["n_ctx"]), ("context_lowered", 100, 100))
            self.assertIn("400", error["message"])
            error = self.refused(w, running, prompt=[1] * 500)
            self.assertEqual((error["reason"], error["n_ctx"]), ("context_length_exceeded", 400))
            w.send("embed", id=w.new_id(), body={"input": [[1] * 101]})
            last = w.collect(running, w.next_id)  # to the end of what runs: it keeps what it reserved
            self.assertEqual(last[w.next_id][-1]["reason"], "context_lowered")
            self.assertEqual(last[running][-1]["usage"]["completion_tokens"], 350)
            _, end = w.answer(prompt=[1] * 99, ignore_eos=True)
            self.assertEqual((end["finish"], end["usage"]["completion_tokens"]), ("length", 1))
            _, end = w.answer(prompt=[1] * 100, max_tokens=0)
            self.assertEqual(end["usage"]["prompt_tokens"], 100)
            self.assertEqual(self.control(w, context=400)["type"], "controlled")
            _, end = w.answer(prompt=[1] * 300, ignore_eos=True)
            self.assertEqual(end["usage"]["completion_tokens"], 100)

    def refused(self, w, running, **body):
        id_ = w.generate(**body)
        while (frame := w.receive())["id"] != id_:
            self.assertEqual(frame["id"], running)
        return frame

    def test_trim(self):
        with Worker() as w:
            w.ready()
            w.answer(prompt=LONG * 8, max_tokens=5)
            before = self.statistics(w)
            self.assertGreater(before["prefix_bytes"], 0)
            self.assertEqual(before["kv_bytes"], {"f16": 0, "q8_0": 0, "q4_0": 0})
            self.control(w, trim=True)
            after = self.statistics(w)
            self.assertEqual((after["prefix_bytes"], after["kv_bytes_used"], after["kv_blocks_used"]), (0, 0, 0))
            self.assertEqual(w.answer(prompt=LONG * 8, max_tokens=5)[1]["usage"]["cached_tokens"], 0)

    def test_relieve_at_any_moment(self):
        for pieces in (None, 0, 1, 20):
            with Worker("--prefill-chunk", "64") as w:
                w.ready()
                w.answer(prompt=LONG * 2, max_tokens=1)
                frames = []
                if pieces is not None:
                    id_ = w.generate(**ANSWER)
                    self.tokens(w, pieces, frames)
                    if pieces == 20:
                        w.send("pause", id=id_)
                w.send("downshift_now")
                w.send("downshift_now")
                s = self.statistics(w, frames)
                self.assertEqual((s["prefix_bytes"], s["kv_bytes"]["f16"], s["kv_bytes"]["q8_0"]), (0, 0, 0))
                self.assertEqual((s["kv"], s["prefill_chunk"]), ("q4_0", 32))
                if pieces == 20:
                    w.send("resume", id=id_)
                if pieces is not None:
                    self.rest(w, frames)
                    self.assertEqual(sum(f.get("tokens", 0) for f in frames), 300)
                self.assertEqual(self.control(w, kv="f16", prefill_chunk=64)["type"], "controlled")


class Suspend(Case):
    @classmethod
    def setUpClass(cls):
        with Worker() as w:
            w.ready()
            cls.alone = {"seeded": w.answer(**ANSWER)[0], "greedy": w.answer(**GREEDY)[0]}

    def test_amid_prompt_and_answer(self):
        """Greedy and seeded, with a file and without: the text is that of an answer that nothing happened to."""
        dice = random.Random(1)
        for body, name in ((ANSWER, "seeded"), (GREEDY, "greedy")):
            for round_ in range(8):
                with self.subTest(name=name, round=round_), Worker("--prefill-chunk", dice.choice(("16", "64", "256"))) as w:
                    w.ready()
                    frames = []
                    id_ = w.generate(**body)
                    self.tokens(w, dice.choice((0, 0, 1, 5, 80)), frames)
                    for with_file in (True, False, True):
                        fd = new_file() if with_file else None
                        told = self.suspend(w, id_, fd, frames)
                        if "error" in told:
                            self.assertEqual(frames[-1]["type"], "end")  # it was quicker
                            break
                        s = self.statistics(w)
                        self.assertEqual([r["id"] for r in s["suspended"]], [id_])
                        self.assertEqual((s["requests"], sum(s["kv_bytes"].values()), s["prefix_bytes"]), ([], 0, 0))
                        self.assertEqual(s["suspended"][0]["bytes"], told["bytes"])
                        written = os.fstat(fd).st_size if with_file else 0
                        self.assertEqual(written > 0, with_file and told["bytes"] > 0)
                        w.send("restore", id=id_)
                        back = self.about(w, "restored", frames)
                        self.assertEqual((back["id"], back["recomputed"]), (id_, not written))
                        if with_file:
                            os.close(fd)
                    self.assertEqual(self.rest(w, frames), self.alone[name])

    def test_others_go_on(self):
        with Worker("--kv-tokens", "512", "--parallel", "2") as w:
            w.ready()
            frames = []
            first = w.generate(**ANSWER)  # all but a little of the pool
            self.tokens(w, 5, frames)
            self.assertNotIn("error", self.suspend(w, first, new_file(), frames))
            self.assertTrue(w.answer(prompt="Heat", max_tokens=400, ignore_eos=True)[0])  # would not fit beside it
            w.send("restore", id=first)
            self.assertFalse(self.about(w, "restored", frames)["recomputed"])
            self.assertEqual(self.rest(w, frames), self.alone["seeded"])

    def test_bad_files(self):
        """Damaged in one bit, cut, emptied, or another's: computed again, and the answer is the same."""
        def flip(fd, at):
            byte = os.pread(fd, 1, at)
            os.pwrite(fd, bytes([byte[0] ^ 4]), at)
        for harm in (lambda fd: flip(fd, 9), lambda fd: flip(fd, 200), lambda fd: flip(fd, os.fstat(fd).st_size - 1000),
                     lambda fd: os.ftruncate(fd, os.fstat(fd).st_size - 1), lambda fd: os.ftruncate(fd, 0),
                     lambda fd: os.pwrite(fd, b"x" * 5000, 0)):
            with Worker() as w:
                w.ready()
                frames, fd = [], new_file()
                id_ = w.generate(**ANSWER)
                self.tokens(w, 5, frames)
                self.assertNotIn("error", self.suspend(w, id_, fd, frames))
                harm(fd)
                w.send("restore", id=id_)
                self.assertTrue(self.about(w, "restored", frames)["recomputed"])
                self.assertEqual(self.rest(w, frames), self.alone["seeded"])
                os.close(fd)

    def check_goes_on(self, w, fd, says):
        frames = []
        id_ = w.generate(**ANSWER)
        self.tokens(w, 5, frames)
        told = self.suspend(w, id_, fd, frames)
        self.assertIn(says, told.get("error", "nothing"))
        self.assertEqual(told["bytes"], 0)
        self.assertEqual(self.rest(w, frames), self.alone["seeded"])

    def test_disks_that_are_full(self):
        with Worker() as w:
            w.ready()
            for path, flags, says in (("/dev/full", os.O_RDWR, "No space"), ("/dev/null", os.O_RDONLY, "Bad file")):
                fd = os.open(path, flags)
                self.check_goes_on(w, fd, says)
                os.close(fd)
            resource.prlimit(w.process.pid, resource.RLIMIT_FSIZE, (40000, 40000))
            with tempfile.TemporaryFile() as f:
                self.check_goes_on(w, f.fileno(), "File too large")

    def test_a_full_tmpfs(self):
        with tempfile.TemporaryDirectory() as folder:
            if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder], stderr=subprocess.DEVNULL, check=False).returncode:
                self.skipTest("mounting is not allowed here")
            try:
                with Worker() as w:
                    w.ready()
                    fd = os.open(folder + "/kv", os.O_RDWR | os.O_CREAT)
                    self.check_goes_on(w, fd, "No space")
                    os.close(fd)
            finally:
                subprocess.run(["umount", folder], check=True)

    def test_untimely(self):
        with Worker() as w:
            w.ready()
            text, end = w.answer(**ANSWER)
            self.assertIn("ended", self.suspend(w, end["id"])["error"])
            self.assertIn("ended", self.suspend(w, 4711, new_file())["error"])
            w.send("restore", id=4711)
            frames = []
            id_ = w.generate(**ANSWER)
            self.tokens(w, 3, frames)
            w.send("restore", id=id_)
            self.assertFalse(self.about(w, "restored", frames)["recomputed"])
            w.send("pause", id=id_)
            self.assertNotIn("error", self.suspend(w, id_, new_file(), frames))
            self.assertIn("already", self.suspend(w, id_, new_file())["error"])
            w.send("resume", id=id_)
            self.assertIsNone(w.receive(0.2))
            w.send("restore", id=id_)
            w.send("restore", id=id_)
            self.assertFalse(self.about(w, "restored", frames)["recomputed"])
            while frames[-1]["type"] != "end":
                frames.append(w.receive())
            # The second is answered too when the first was already done by then.
            self.assertEqual(check_order([f for f in frames if f["type"] != "restored"])[0], self.alone["seeded"])

    def test_cancelled_while_suspended(self):
        with Worker() as w:
            w.ready()
            files = len(os.listdir(f"/proc/{w.process.pid}/fd"))
            for restored in (False, True):
                frames = []
                id_ = w.generate(**ANSWER)
                self.tokens(w, 3, frames)
                self.suspend(w, id_, new_file(), frames)
                if restored:
                    w.send("restore", id=id_)
                w.send("cancel", id=id_)
                s = self.statistics(w)
                self.assertEqual((s["requests_running"], s["suspended"]), (0, []))
                self.assertEqual(len(os.listdir(f"/proc/{w.process.pid}/fd")), files)
                self.assertTrue(w.answer(prompt="Heat", max_tokens=3, ignore_eos=True)[0])

    def test_frames_that_end_it(self):
        def wrong_length(w):
            w.files.send(b"1234")
            w.send("suspend", id=1, file=True)

        def no_descriptor(w):
            w.files.send((1).to_bytes(8, "little"))
            w.send("suspend", id=1, file=True)

        for send, says in ((lambda w: w.send("suspend"), "no valid id"), (lambda w: w.send("restore", id=0), "no valid id"),
                           (lambda w: w.send("suspend", id=1, file=True), "file has not come"), (wrong_length, "file has not come"),
                           (lambda w: w.send("suspended", id=1), "unknown type")):
            with Worker() as w:
                w.ready()
                send(w)
                code, stderr = w.exit_code()
                self.assertEqual(code, 1)
                self.assertIn(says, stderr)
        with Worker() as w:
            w.ready()
            no_descriptor(w)
            self.assertIn("too many files", self.about(w, "suspended")["error"])

    def test_stray_descriptors_are_closed(self):
        with Worker() as w:
            w.ready()
            files = len(os.listdir(f"/proc/{w.process.pid}/fd"))
            frames, fd = [], new_file()
            id_ = w.generate(**ANSWER)
            self.tokens(w, 3, frames)
            for stray in range(50):
                w.send_file(100000 + stray, fd)
            self.assertNotIn("error", self.suspend(w, id_, fd, frames))
            self.assertEqual(len(os.listdir(f"/proc/{w.process.pid}/fd")), files + 1)
            w.send("restore", id=id_)
            self.assertFalse(self.about(w, "restored", frames)["recomputed"])
            self.rest(w, frames)
            self.assertEqual(len(os.listdir(f"/proc/{w.process.pid}/fd")), files)

    @unittest.skipIf(SANITIZED, "a sanitized engine has no sandbox")
    def test_locked_in_all_the_while(self):
        """The filter lets through what each lever needs, and is there: a file on a disk, written, synced, read."""
        with tempfile.TemporaryFile() as f, Worker() as w:
            w.ready()
            with open(f"/proc/{w.process.pid}/status") as status:
                self.assertIn("Seccomp:\t2", status.read())
            frames = []
            id_ = w.generate(**ANSWER)
            self.tokens(w, 3, frames)
            self.assertNotIn("error", self.suspend(w, id_, f.fileno(), frames))
            w.send("downshift_now")
            w.send("control", id=w.new_id(), kv="q8_0", trim=True, duty=500, threads=1, prefill_chunk=64, context=100, heartbeat_ms=10)
            self.about(w, "controlled")
            w.send("restore", id=id_)
            self.assertFalse(self.about(w, "restored", frames)["recomputed"])
            self.rest(w, frames)
            w.send("shutdown")
            self.assertEqual(w.exit_code(), (0, ""))


def cpu_s(w):
    with open(f"/proc/{w.process.pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Pacing(Case):
    def share(self, duty, seconds):
        """CPU time over time while it is never without work."""
        with Worker("--parallel", "4") as w:
            w.ready()
            self.assertEqual(self.control(w, duty=duty, heartbeat_ms=0)["type"], "controlled")
            running = {endless(w) for _ in range(8)}
            began, used = time.monotonic(), cpu_s(w)
            while time.monotonic() - began < seconds:
                frame = w.receive()
                if frame["type"] == "end":
                    running.remove(frame["id"])
                    running.add(endless(w))
            return (cpu_s(w) - used) / (time.monotonic() - began)

    def test_duty(self):
        """Generous: the box has other work, and the bound is three times the duty."""
        share = self.share(200, 4)
        print(f"duty 200: {share:.3f} of the time", file=sys.stderr)
        self.assertLess(share, 0.6)
        self.assertGreater(share, 0.02)

    def test_answers_are_the_same(self):
        with Worker("--ctx", "2048") as w:
            w.ready()
            prompt = LONG * 100
            whole = w.answer(prompt=prompt, temperature=0, max_tokens=20, ignore_eos=True)[0]
            self.control(w, duty=300, trim=True)
            self.assertEqual(w.answer(prompt=prompt, temperature=0, max_tokens=20, ignore_eos=True)[0], whole)

    def test_frames_are_heard_during_a_rest(self):
        """At the least duty a prompt takes many rests, and each statistics frame is answered before the next is over."""
        with Worker("--ctx", "4096", "--kv-tokens", "8192") as w:
            w.ready()
            w.answer(prompt=LONG * 20, max_tokens=1)  # so that its speed is known
            self.control(w, duty=50, trim=True)
            frames = []
            id_ = w.generate(prompt=LONG * 250, max_tokens=1, ignore_eos=True)
            answered = 0
            while not frames or frames[-1]["type"] not in ("text", "end", "error"):
                w.send("statistics")
                self.statistics_or_more(w, frames)
                answered += 1
            self.assertGreater(answered, 50)
            w.send("cancel", id=id_)

    def statistics_or_more(self, w, frames):
        while (frame := w.receive())["type"] != "statistics":
            frames.append(frame)

    def test_a_cancel_ends_it_during_a_rest(self):
        with Worker() as w:
            w.ready()
            self.control(w, duty=50)
            id_ = endless(w)
            frames = []
            self.tokens(w, 3, frames)
            w.send("cancel", id=id_)
            self.assertEqual(self.statistics(w, frames)["requests_running"], 0)


class Heartbeat(Case):
    def test_while_it_computes(self):
        with Worker() as w:
            w.ready()
            self.control(w, heartbeat_ms=20, duty=100)
            w.answer(prompt="Swap", max_tokens=200, ignore_eos=True)
            self.statistics(w)
            self.assertIsNone(w.receive(0.3))
            beats = [frame for _, frame in w.unasked]
            self.assertGreater(len(beats), 2)
            self.assertEqual([b["requests_running"] for b in beats[:-1]], [1] * (len(beats) - 1))
            self.assertEqual(beats[-1]["requests_running"], 0)  # once, when it has become idle
            self.assertEqual(beats[0]["asked"], False)

    def test_never(self):
        with Worker() as w:
            w.ready()
            self.control(w, heartbeat_ms=0)
            w.answer(prompt="Swap", max_tokens=300, ignore_eos=True)
            self.statistics(w)
            self.assertIsNone(w.receive(0.2))
            self.assertEqual(w.unasked, [])

    def test_usual_speed(self):
        with Worker() as w:
            w.ready()
            self.assertEqual(self.statistics(w)["decode_tokens_per_second_usual"], 0)
            w.answer(prompt="Swap", max_tokens=400, ignore_eos=True)
            s = self.statistics(w)
            self.assertGreater(s["decode_tokens_per_second_usual"], 0)
            self.assertGreater(s["decode_tokens_per_second"], s["decode_tokens_per_second_usual"] / 10)
            self.assertLess(s["decode_tokens_per_second"], s["decode_tokens_per_second_usual"] * 10)

    def test_idle_is_asleep(self):
        """Paced, with a heartbeat, a suspended request and a lowered precision: still no wake-up."""
        with Worker(threads="2") as w:
            w.ready()
            self.control(w, heartbeat_ms=10, duty=500, kv="q8_0")
            frames = []
            id_ = w.generate(**ANSWER)
            self.tokens(w, 3, frames)
            self.suspend(w, id_, new_file(), frames)
            w.answer(prompt="Swap", max_tokens=5)
            time.sleep(0.5)

            def wakeups():
                total = 0
                for task in os.listdir(f"/proc/{w.process.pid}/task"):
                    with open(f"/proc/{w.process.pid}/task/{task}/status") as f:
                        total += sum(int(line.split()[1]) for line in f if "ctxt_switches" in line)
                return total, cpu_s(w)

            before = wakeups()
            time.sleep(2)
            self.assertEqual(wakeups(), before)


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    unittest.main(verbosity=2)
