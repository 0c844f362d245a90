#!/usr/bin/env python3
"""The libraries that programs use, unmodified, against the daemon: what each returns, as tests/clients/NAME.mjs says, a test a library.

They are installed by npm into build/clients, as tests/clients/package-lock.json pins them, where that can be done; else this is skipped.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from headroomd import BUILD, DEMO_MODEL, ROOT, SLOW, SMALL_MODEL, Daemon, make_gguf
from tools import CALL, CALLS, NOTATIONS, PLAIN_CALLS, THINKS

SOURCES = os.path.join(ROOT, "tests", "clients")
CLIENTS = os.path.join(BUILD, "clients")
OLDEST_NODE = 18
INSTALL_S = 240


def why_not():
    """Installs the clients; why they cannot be had here, else None."""
    if not (shutil.which("node") and shutil.which("npm")):
        return "node and npm are not installed"
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.lstrip("v").split(".")[0]) < OLDEST_NODE:
        return f"node is {version}, and the clients want {OLDEST_NODE}"
    os.makedirs(CLIENTS, exist_ok=True)
    for name in os.listdir(SOURCES):
        if name.endswith(".mjs"):
            shutil.copy(os.path.join(SOURCES, name), CLIENTS)
    lock = os.path.join(CLIENTS, "package-lock.json")  # there as soon as what it names is
    with open(os.path.join(SOURCES, "package-lock.json")) as wanted:
        if os.path.exists(lock) and open(lock).read() == wanted.read():
            return None
    for name in ("package.json", "package-lock.json"):
        shutil.copy(os.path.join(SOURCES, name), CLIENTS)
    try:
        done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=CLIENTS, capture_output=True, text=True,
                              timeout=INSTALL_S, stdin=subprocess.DEVNULL)
        said = done.stderr if done.returncode else None
    except subprocess.TimeoutExpired:
        said = "takes too long"
    if said is not None:
        os.unlink(lock)
        return "npm ci: " + (said.strip().splitlines() or ["failed"])[-1]
    return None


def model(path, template, word, *more):
    return make_gguf(path, "--vocab", "512", "--embd", "64", "--ff", "64", "--heads", "2", "--kv-heads", "1", "--layers", "1", "--type", "f32",
                     "--ctx", "8192", "--chat-template", template, "--last-word", word, *more)


class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        one_word = ("--untied", "--one-word")  # it says that, whatever it is asked
        made = {name + ".gguf": model(os.path.join(cls.folder.name, name + ".gguf"), template, word, *more) for name, template, word, more in (
            ("calls", CALLS, CALL, one_word), ("thinks", THINKS, "Hm.</think>Yes.", one_word), ("noise", NOTATIONS["hermes"] + PLAIN_CALLS, "Ok", ()))}
        made["code.gguf"] = make_gguf(os.path.join(cls.folder.name, "code.gguf"), "--infill", "--ctx", "512")
        cls.daemon = Daemon("[memory]\nbudget = 1GiB\n", models=dict(made, **{"demo.gguf": DEMO_MODEL}))
        cls.guarded = Daemon(models={"demo.gguf": DEMO_MODEL, "small.gguf": SMALL_MODEL})
        cls.key = {name: cls.make_key(name, *more) for name, more in (
            ("any", ()), ("small", ("--allow", "small")), ("slow", ("--rate", "1/s")), ("spent", ("--rate", "1/h")))}

    @classmethod
    def make_key(cls, *arguments):
        return subprocess.run([os.path.join(BUILD, "headroomctl"), "--socket", cls.guarded.control_path, "key", "add", *arguments],
                              capture_output=True, text=True, check=True).stdout.strip()

    @classmethod
    def tearDownClass(cls):
        cls.daemon.done()
        cls.guarded.done()
        cls.folder.cleanup()

    def run_client(self, name):
        env = dict(os.environ, HEADROOM_URL=f"http://127.0.0.1:{self.daemon.port}", HEADROOM_GUARDED_URL=f"http://127.0.0.1:{self.guarded.port}",
                   HEADROOM_KEYS=json.dumps(self.key), HEADROOM_SLOW=str(SLOW), HEADROOM_ROOT=ROOT)
        done = subprocess.run(["node", name + ".mjs"], cwd=CLIENTS, env=env, capture_output=True, text=True, timeout=120 * SLOW)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


for file in sorted(os.listdir(SOURCES)):
    client = file.removesuffix(".mjs")
    if client not in (file, "common"):
        setattr(Clients, "test_" + client, lambda self, client=client: self.run_client(client))


if __name__ == "__main__":
    missing = why_not()
    if missing:
        print("SKIP:", missing)
        sys.exit(77)
    unittest.main()
