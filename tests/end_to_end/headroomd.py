"""headroomd.py - for the tests beside it: where things are, and a daemon of the test's own with a scratch directory, any free
port and the real engine."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("HEADROOM_BUILD", os.path.join(ROOT, "build")))
ENGINE = os.path.join(BUILD, "headroom-engine")
DEMO = os.path.join(ROOT, "tests", "demo_model")
DEMO_MODEL = os.path.join(DEMO, "headroom-demo.gguf")
SMALL_MODEL = os.path.join(DEMO, "headroom-demo-small.gguf")
with open(os.path.join(BUILD, "headroomd"), "rb") as program:
    SANITIZED = b"__asan_init" in program.read()  # slow, and it holds freed memory back on purpose
HOST = "localhost"
SLOW = 5 if SANITIZED else 1


def eventually(condition, seconds=20):
    """What CONDITION returns as soon as that is true."""
    end = time.monotonic() + seconds * SLOW
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError("never came true")


def make_gguf(path, *options):
    """A model of random weights at PATH, unless there is one already."""
    if not os.path.exists(path):
        subprocess.run([os.path.join(BUILD, "tools", "make-gguf"), path, *options], check=True, stdout=subprocess.DEVNULL)
    return path


class Daemon:
    """CONF goes on in the section [models]; MODELS maps file names to GGUF files, which are linked."""

    def __init__(self, conf="", models=None, model_confs=None, env=None, options=(), wrapper=(), pass_fds=()):
        self.scratch = tempfile.mkdtemp(prefix="headroom-")
        self.control_path = os.path.join(self.scratch, "control.sock")
        for folder in ("models", "models.d"):
            os.mkdir(os.path.join(self.scratch, folder))
        if models is None:
            models = {"demo.gguf": DEMO_MODEL}
        for name, file in models.items():
            os.symlink(file, os.path.join(self.scratch, "models", name))
        for name, text in (model_confs or {}).items():
            self.write("models.d/" + name, text)
        self.write("headroom.conf", f"[server]\nlisten = 127.0.0.1:0\ncontrol = {self.control_path}\nstate = {self.scratch}\n"
                                    f"[models]\ndirectory = {self.scratch}/models\n{conf}")
        self.log_path = os.path.join(self.scratch, "log")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen([*wrapper, os.path.join(BUILD, "headroomd"), "--config", os.path.join(self.scratch, "headroom.conf"), *options],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=pass_fds, env=dict(os.environ, **(env or {})))
        self.address, port = self.wait_for_log(r"event=ready listen=(\S+):(\d+)").groups()
        self.port = int(port)
        self.pid = self.process.pid

    def write(self, name, text):
        with open(os.path.join(self.scratch, name), "w") as f:
            f.write(text)

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def wait_for_log(self, pattern, seconds=20):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = re.search(pattern, self.log())
            if found:
                return found
            assert self.process.poll() is None, self.log()
            time.sleep(0.02)
        raise AssertionError(f"no {pattern} in the log:\n" + self.log())

    def connect(self, receive_buffer=None):
        s = socket.socket()
        if receive_buffer:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        s.settimeout(30 * SLOW)
        s.connect((self.address, self.port))
        return s

    def connect_control(self):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(30 * SLOW)
        s.connect(self.control_path)
        return s

    def status(self):
        with self.connect_control() as s:
            s.sendall(b"GET /control/status HTTP/1.0\r\n\r\n")
            reply = read_all(s)
        return json.loads(reply.split(b"\r\n\r\n", 1)[1])

    def model(self, name):
        return next(m for m in self.status()["models"] if m["id"] == name)

    def memory_kib(self):
        with open(f"/proc/{self.pid}/status") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def stop(self, seconds=20):
        """Ends it by SIGTERM; the exit status, which is 0 when all went well."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("the daemon did not stop:\n" + self.log())

    def done(self):
        status = self.stop()
        text = self.log()
        shutil.rmtree(self.scratch)
        assert status == 0, text
        assert "Sanitizer" not in text and "runtime error" not in text, text


def read_all(s):
    """Until the other side closes."""
    data = b""
    while True:
        try:
            part = s.recv(65536)
        except ConnectionResetError:
            return data
        if not part:
            return data
        data += part


class Reply:
    """One HTTP answer, read from a socket that may go on; REST is what came behind it."""

    def __init__(self, s, head_only=False, already=b""):
        data = already
        while b"\r\n\r\n" not in data:
            part = s.recv(65536)
            assert part, f"closed after {data!r}"
            data += part
        head, self.rest = data.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        self.version, status, self.phrase = lines[0].split(" ", 2)
        self.status = int(status)
        self.headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}
        self.socket = s
        self.body = b""
        if self.status == 100 or self.status == 204 or head_only:
            return
        if self.headers.get("transfer-encoding") == "chunked":
            self.read_chunks()
        elif "content-length" in self.headers:
            self.body = self.take(int(self.headers["content-length"]))
        else:
            self.body = self.rest + read_all(s)

    def more(self):
        part = self.socket.recv(65536)
        assert part, f"closed in the middle of {self.body!r}"
        self.rest += part

    def take(self, count):
        while len(self.rest) < count:
            self.more()
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def read_chunks(self):
        while True:
            while b"\r\n" not in self.rest:
                self.more()
            size, self.rest = self.rest.split(b"\r\n", 1)
            self.body += self.take(int(size, 16))
            assert self.take(2) == b"\r\n"
            if int(size, 16) == 0:
                return

    def json(self):
        return json.loads(self.body)


def request(method, path, body=b"", **headers):
    """The bytes of a request; a body that is no bytes is sent as JSON."""
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}"] + [f"{k.replace('_', '-')}: {v}" for k, v in headers.items()]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def ask(daemon, method, path, body=b"", **headers):
    s = daemon.connect()
    s.sendall(request(method, path, body, Connection="close", **headers))
    reply = Reply(s, head_only=method == "HEAD")
    s.close()
    return reply


def chat(model="demo", **more):
    return dict({"model": model, "messages": [{"role": "user", "content": "What is the KV cache?"}], "temperature": 0, "max_tokens": 16}, **more)


def events(body):
    """The events of a stream: data as JSON (or "[DONE]"), comments as ":text"."""
    assert body.endswith(b"\n\n"), body[-100:]
    found = []
    for block in body[:-2].decode().split("\n\n"):
        assert "\n" not in block, f"an event of several lines: {block!r}"
        if block.startswith(":"):
            found.append(block)
        else:
            assert block.startswith("data: "), block
            found.append("[DONE]" if block == "data: [DONE]" else json.loads(block[6:]))
    return found
