"""A real `headroom-engine worker` over a socketpair, as the daemon starts it: for the tests of the wire."""
import array
import json
import os
import select
import socket
import struct
import subprocess
import time

from headroomd import ENGINE, SMALL_MODEL as MODEL

TO_ENGINE_MAX = 80 << 20
PATIENCE_S = 60  # a sanitized build on a busy box

QUESTION = [{"role": "user", "content": "What is the KV cache?"}]
LAST = ("end", "error")


class Closed(Exception):
    pass


class Worker:
    def __init__(self, *options, model=MODEL, threads="1"):
        self.socket, theirs = socket.socketpair()
        self.files, their_files = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        model_fd = os.open(model, os.O_RDONLY)
        self.process = subprocess.Popen(
            [ENGINE, "worker", "--socket", str(theirs.fileno()), "--model-fd", str(model_fd),
             "--files", str(their_files.fileno()), "--threads", threads, *options],
            pass_fds=(theirs.fileno(), model_fd, their_files.fileno()), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        theirs.close()
        their_files.close()
        os.close(model_fd)
        self.socket.settimeout(PATIENCE_S)
        self.buffer = b""
        self.next_id = 0
        self.unasked = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        self.files.close()
        if self.process.poll() is None:
            try:
                self.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stderr.close()

    def send_raw(self, data):
        self.socket.sendall(data)

    def send(self, type_, **fields):
        data = json.dumps({"type": type_, **fields}).encode()
        self.send_raw(struct.pack("<I", len(data)) + data)

    def send_file(self, id_, fd):
        """A descriptor for a request, before its suspend frame."""
        self.files.sendmsg([struct.pack("<Q", id_)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])

    def receive(self, timeout=PATIENCE_S):
        """The next frame but for statistics that come unasked, which are put aside; None when none comes in time."""
        end = time.monotonic() + timeout
        while True:
            frame = self.receive_any(max(0, end - time.monotonic()))
            if not frame or frame["type"] != "statistics" or frame["asked"]:
                return frame
            self.unasked.append((time.monotonic(), frame))

    def receive_any(self, timeout=PATIENCE_S):
        end = time.monotonic() + timeout
        while True:
            if len(self.buffer) >= 4:
                length, = struct.unpack_from("<I", self.buffer)
                if len(self.buffer) >= 4 + length:
                    frame = json.loads(self.buffer[4:4 + length])
                    self.buffer = self.buffer[4 + length:]
                    return frame
            if not select.select([self.socket], [], [], max(0, end - time.monotonic()))[0]:
                return None
            try:
                data = self.socket.recv(1 << 16)
            except ConnectionResetError:
                data = b""
            if not data:
                raise Closed
            self.buffer += data

    def ready(self):
        frame = self.receive()
        assert frame and frame["type"] == "ready", frame
        return frame

    def new_id(self):
        self.next_id += 1
        return self.next_id

    def generate(self, kind="completion", **body):
        self.send("generate", id=self.new_id(), kind=kind, body=body)
        return self.next_id

    def collect(self, *ids):
        """All frames of these requests up to their last, by id."""
        frames = {i: [] for i in ids}
        open_ids = set(ids)
        while open_ids:
            frame = self.receive()
            assert frame is not None, "nothing came"
            frames[frame["id"]].append(frame)
            if frame["type"] in LAST or (frame["type"] == "embedding" and "prompt_tokens" in frame):
                open_ids.discard(frame["id"])
        return frames

    def answer(self, kind="completion", **body):
        """The text and the last frame of one request, its frames checked for order."""
        id_ = self.generate(kind, **body)
        return check_order(self.collect(id_)[id_])

    def exit_code(self):
        """Waits for the end of the process; returns (code, stderr)."""
        code = self.process.wait(PATIENCE_S)
        return code, self.process.stderr.read().decode()


def check_order(frames):
    if frames[-1]["type"] == "error":
        return "", frames[-1]
    assert frames[0]["type"] == "start", frames[0]
    assert all(f["type"] == "text" for f in frames[1:-1]), frames
    assert frames[-1]["type"] == "end", frames[-1]
    assert all(f["text"] or "logprobs" in f for f in frames[1:-1])
    usage = frames[-1]["usage"]
    assert usage["prompt_tokens"] == frames[0]["prompt_tokens"] and usage["cached_tokens"] == frames[0]["cached_tokens"]
    assert sum(f["tokens"] for f in frames[1:-1]) <= usage["completion_tokens"]
    return "".join(f["text"] for f in frames[1:-1]), frames[-1]


def endless(worker, **more):
    return worker.generate(prompt="Swap", temperature=1, seed=1, max_tokens=400, ignore_eos=True, **more)
