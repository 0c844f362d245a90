"""downshifting.py - for the test and the benchmark of the live downshift: a worker whose KV cache is made less precise in the
middle of its answers, and its KV memory as the kernel counts it."""

import re
import time

PATIENCE_S = 600  # for the first token after a long prompt, on a busy machine


def kv_memory(pid, pool_bytes=None):
    """Bytes of the KV pool that are in memory (PSS), from outside. The pool is a mapping that wants no huge pages, the only one
    but under a sanitizer, where its size tells it."""
    total = size = pss = 0
    with open(f"/proc/{pid}/smaps") as lines:
        for line in lines:
            if line.startswith("Size:"):
                size = int(line.split()[1]) * 1024
            elif line.startswith("Pss:"):
                pss = int(line.split()[1]) * 1024
            elif line.startswith("VmFlags:") and re.search(r"\bnh\b", line) and pool_bytes in (None, size):
                total += pss
    return total


def control(worker, **settings):
    """Sends the settings and waits until they are in force; returns the frames that came before."""
    id_ = worker.new_id()
    worker.send("control", id=id_, **settings)
    return wait_for(worker, lambda frame: frame["type"] in ("controlled", "error") and frame["id"] == id_)


def wait_for(worker, wanted):
    frames = []
    while True:
        frame = worker.receive(PATIENCE_S)
        assert frame is not None, "nothing came"
        assert frame["type"] != "error", frame
        frame["came"] = time.monotonic()
        frames.append(frame)
        if wanted(frame):
            return frames


def statistics(worker):
    worker.send("statistics")
    return wait_for(worker, lambda frame: frame["type"] == "statistics")


class Answer:
    """A request whose frames are taken in as they come, with the time each came at. A frame holds one token."""

    def __init__(self, worker, kind="completion", **body):
        self.worker = worker
        self.id = worker.generate(kind, **body)
        self.frames, self.times = [], []

    def take(self, frames):
        """Keeps those of FRAMES that are of this answer."""
        mine = [f for f in frames if f.get("id") == self.id]
        self.frames += mine
        self.times += [f["came"] for f in mine if f["type"] == "text"]

    def next(self):
        self.take(wait_for(self.worker, lambda frame: frame.get("id") == self.id))

    def until(self, texts):
        """Goes on until there are so many text frames, or the answer has ended."""
        while not self.ended() and self.texts() < texts:
            self.next()
        return self

    def to_the_end(self):
        return self.until(1 << 30)

    def ended(self):
        return bool(self.frames) and self.frames[-1]["type"] == "end"

    def texts(self):
        return sum(f["type"] == "text" for f in self.frames)

    def text(self):
        return "".join(f["text"] for f in self.frames if f["type"] == "text")

    def finish(self):
        return self.frames[-1]["finish"], self.frames[-1]["usage"]["completion_tokens"]


PACED = 100  # thousandths of the time that the engine may compute: a token takes 10 ms, so a frame to it comes in mid-answer


def ask(worker, question, **more):
    return Answer(worker, "chat", messages=[{"role": "user", "content": question}], temperature=0, max_tokens=128, **more)


def relieved(worker, question, after):
    """The answer to QUESTION, all of whose KV is made as imprecise as the worker's floor once AFTER pieces of it have come."""
    control(worker, kv="f16", trim=True, duty=PACED)
    answer = ask(worker, question).until(after)
    worker.send("downshift_now")
    frames = statistics(worker)
    answer.take(frames)
    caught = not answer.ended() and frames[-1]["kv_bytes"]["f16"] == 0 and sum(frames[-1]["kv_bytes"].values()) > 0
    answer.take(control(worker, duty=1000))
    return answer.to_the_end(), caught


def long_prompt(tokens):
    return [1 + i * 7919 % 200 for i in range(tokens)]


def fill(worker, tokens, more):
    """An answer of MORE tokens after a prompt of TOKENS; returns when its first token has come."""
    return Answer(worker, prompt=long_prompt(tokens), temperature=0, max_tokens=more, ignore_eos=True, logprobs=0).until(1)


def shift(worker, answer, target):
    """Lowers the precision to TARGET while ANSWER goes on, and waits until that is done; returns the statistics then."""
    answer.take(control(worker, kv=target))
    while True:
        frames = statistics(worker)
        answer.take(frames)
        if not frames[-1]["converting"]:
            return frames[-1]
        answer.next()
