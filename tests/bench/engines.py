"""engines.py - what is measured, for the benches beside it: Debian's llama.cpp in a root of its own below the build directory, made
models, and a server of each side on a port of its own, asked as a client asks."""
import ctypes
import http.client
import json
import mmap
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

BUILD = os.path.abspath(os.environ.get("HEADROOM_BUILD") or sys.exit("run it by make, which says HEADROOM_BUILD"))
WORK = os.path.join(BUILD, "bench")
PEER = os.path.join(WORK, "peer")
START_SECONDS = 120  # a server that is not ready by then is given up: it thrashes
ANSWER_SECONDS = 600


def skip(why):
    print("SKIP: " + why)
    sys.exit(77)


# --- the peer and the models ---

def install_peer():
    """Debian's llama.cpp, once."""
    if os.path.exists(os.path.join(PEER, "usr/bin/llama-server")):
        return
    if os.geteuid():
        skip("only root can install the peer, Debian's llama.cpp, into a root of its own")
    if not shutil.which("mmdebstrap"):
        skip("mmdebstrap is needed to install the peer (apt-get install mmdebstrap)")
    print("installing the peer, Debian's llama.cpp, into a root of its own ...", file=sys.stderr)
    shutil.rmtree(PEER, ignore_errors=True)
    subprocess.check_call(["mmdebstrap", "--quiet", "--variant=apt", '--aptopt=Acquire::Check-Valid-Until "false"', "--include=llama.cpp", "sid", PEER],
                          stdout=sys.stderr)


def peer_command(program, *arguments):
    return ["chroot", PEER, program, *map(str, arguments)]


def made_model(name, *options):
    """NAME.gguf of random weights, made once."""
    path = os.path.join(WORK, name + ".gguf")
    if not os.path.exists(path):
        os.makedirs(WORK, exist_ok=True)
        subprocess.check_call([os.path.join(BUILD, "tools/make-gguf"), path + ".part", *map(str, options)], stdout=sys.stderr)
        os.rename(path + ".part", path)
    return path


def in_peer(path):
    """The same file, by the name that it has in the peer's root."""
    name = os.path.join("/tmp", os.path.basename(path))
    inside = PEER + name
    if os.path.exists(inside) and not os.path.samefile(inside, path):
        os.unlink(inside)
    if not os.path.exists(inside):
        try:
            os.link(path, inside)
        except OSError:
            shutil.copyfile(path, inside)
    return name


def forget_file(path):
    """Drops its pages; what part of them is still there, since another process maps them."""
    with open(path, "rb") as f, mmap.mmap(f.fileno(), 0, mmap.MAP_PRIVATE) as m:
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        here = (ctypes.c_ubyte * -(-len(m) // mmap.PAGESIZE))()
        address = ctypes.c_char.from_buffer(m)
        told = ctypes.CDLL(None, use_errno=True).mincore(ctypes.c_void_p(ctypes.addressof(address)), ctypes.c_size_t(len(m)), here)
        del address
        assert told == 0, os.strerror(ctypes.get_errno())
        return sum(page & 1 for page in here) / len(here)


def machine():
    with open("/proc/cpuinfo") as f:
        name = next((line.split(":")[1].strip() for line in f if line.startswith("model name")), "unknown CPU")
    return f"{os.cpu_count()} cores of {name}"


def version(*command):
    told = subprocess.run(command, capture_output=True, text=True)
    line = next((line for line in (told.stdout + told.stderr).splitlines() if "version" in line or "headroom" in line), "?")
    return line.replace("version:", "").strip()


def versions():
    return version(os.path.join(BUILD, "headroomd"), "--version"), version(*peer_command("llama-server", "--version"))


# --- the servers ---

def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, command, port, preexec=None, scratch=None):
        self.port, self.scratch, self.began = port, scratch, time.monotonic()
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, preexec_fn=preexec, start_new_session=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def request(self, method, path, body=None, seconds=ANSWER_SECONDS):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        c.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
        return c.getresponse()

    def wait_ready(self):
        end = self.began + START_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            try:
                if self.request("GET", "/health", seconds=5).status == 200:
                    return True
            except OSError:
                pass
            time.sleep(0.1)
        return False

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self.log.close()
        if self.scratch:
            shutil.rmtree(self.scratch, ignore_errors=True)


def start_theirs(model, context, *options, threads=None, slots=1, preexec=None):
    port = free_port()
    return Server(peer_command("llama-server", "-m", in_peer(model), "-t", threads or os.cpu_count(), "-c", context * slots, "-np", slots,
                               "--cache-ram", 0, "--slot-save-path", "/tmp/", "--host", "127.0.0.1", "--port", port, *options), port, preexec)


def slot(server, action, name):
    """Has llama-server save its filled context, or restore it: what it need not compute again. Whether it could."""
    return server.request("POST", f"/slots/0?action={action}", {"filename": name}).status == 200


def start_ours(model, context, conf="", memory="", threads=0, slots=1, preexec=None):
    """CONF goes on in the section [models], MEMORY is the section of that name."""
    port, scratch = free_port(), tempfile.mkdtemp(prefix="bench-", dir=WORK)
    os.mkdir(os.path.join(scratch, "models"))
    os.symlink(os.path.abspath(model), os.path.join(scratch, "models", "model.gguf"))
    path = os.path.join(scratch, "headroom.conf")
    with open(path, "w") as f:
        f.write(f"[server]\nlisten = 127.0.0.1:{port}\ncontrol = {scratch}/control\nstate = {scratch}\n[memory]\n{memory}\n"
                f"[models]\ndirectory = {scratch}/models\ncontext = {context}\nparallel = {slots}\nthreads = {threads}\nkeep_alive = forever\n{conf}\n")
    return Server([os.path.join(BUILD, "headroomd"), "--config", path], port, preexec, scratch)


def our_model(server):
    """What our daemon tells of its model."""
    told = subprocess.run([os.path.join(BUILD, "headroomctl"), "--socket", os.path.join(server.scratch, "control"), "--json", "models"],
                          capture_output=True, text=True, check=True)
    return json.loads(told.stdout)["models"][0]


class Refused(Exception):
    def __init__(self, status, why):
        super().__init__(f"{status} {why}")
        self.status = status


class Answer:
    """A streamed answer: when it was asked for, and when each piece of it came. Pieces may hold no text of their own yet, so the number of
    tokens is that asked for."""

    def __init__(self, server, prompt, tokens, seconds=ANSWER_SECONDS):
        self.tokens, self.asked, self.times, self.computed = tokens, time.monotonic(), [], len(prompt)
        reply = server.request("POST", "/v1/completions", {"model": "model", "prompt": prompt, "max_tokens": tokens, "temperature": 0, "stream": True,
                                                           "ignore_eos": True, "stream_options": {"include_usage": True}}, seconds)
        if reply.status != 200:
            error = json.loads(reply.read() or b"{}").get("error", {})
            raise Refused(reply.status, f"{error.get('code', '')}: {error.get('message', '')}")
        for line in reply:
            if line.startswith(b"data: {"):
                self.take(json.loads(line[6:]))
        if not self.times or (tokens > 1 and len(self.times) < 2):
            raise Refused(reply.status, f"only {len(self.times)} pieces came")

    def take(self, event):
        if "error" in event:
            raise Refused(200, str(event["error"].get("message")))
        if event.get("choices"):
            self.times.append(time.monotonic())
        if event.get("usage"):
            self.computed -= (event["usage"].get("prompt_tokens_details") or {}).get("cached_tokens", 0)

    def prefill(self):
        """Tokens/s of what was computed of the prompt."""
        return self.computed / (self.times[0] - self.asked)

    def decode(self):
        """Tokens/s after the first."""
        return (self.tokens - 1) / (self.times[-1] - self.times[0])

    def between(self, begin, end):
        """Tokens that came in that time."""
        return self.tokens * sum(begin < t <= end for t in self.times) / len(self.times)
