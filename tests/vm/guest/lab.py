"""lab.py - in the machine: the daemon under its unit, streams that note when each token came, loads, and the witness.

All times are seconds of CLOCK_MONOTONIC, which watch-memory and the daemon's own records use too. Loads and the witness are
units of systemd, so that each is in a control group of its own, outside the daemon's.
"""

import atexit
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time

PROJECT = "/mnt/project"
TOOLS = PROJECT + "/tests/tools"
MODELS = "/srv/models"
PORT = 14376
CALM = "/run/headroom-calm.json"  # how long each token of an answer took when nothing was short
MIB = 1 << 20

sys.stdout.reconfigure(line_buffering=True)


def now():
    return time.monotonic()


def say(text):
    print(f"{now():9.2f} {text}")


def figure(text):
    print("figure " + text)


def slow_disk(disk, mib_s):
    """From now on the disk "root" or "models" moves so much each second; 0: as fast as it can. The host sees to it."""
    print(f"host disk {disk} {mib_s}")
    time.sleep(0.5)


def command(*words, check=True, timeout=60):
    done = subprocess.run(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=timeout)
    assert not check or done.returncode == 0, f"{' '.join(words)}: status {done.returncode}, {done.stdout}"
    return done.stdout


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


def read(path):
    with open(path) as f:
        return f.read()


def eventually(condition, seconds, what):
    """What CONDITION returns as soon as that is true."""
    end = now() + seconds
    while now() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s: {what}")


# --- memory ---

def available_mib():
    for line in read("/proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no MemAvailable")


def leave_available(mib):
    """Makes the machine smaller: huge pages that nobody uses are neither available nor can they be swapped out."""
    # The only processor's own list of free pages may hold as much as a zone's low mark, tens of MiB that count as used.
    write("/proc/sys/vm/percpu_pagelist_high_fraction", "1000")
    write("/proc/sys/vm/drop_caches", "3")
    pages = int(read("/proc/sys/vm/nr_hugepages")) + int((available_mib() - mib) / 2)  # of 2 MiB
    write("/proc/sys/vm/nr_hugepages", str(max(0, pages)))
    return available_mib()


def vmstat(name):
    return next(int(line.split()[1]) for line in read("/proc/vmstat").splitlines() if line.split()[0] == name)


class Watch:
    """The witness (watch-memory), from now to stop()."""

    def __init__(self, name="watch"):
        self.process = subprocess.Popen([TOOLS + "/watch-memory"], stdout=subprocess.PIPE, text=True)
        atexit.register(self.process.kill)

    def stop(self):
        """A list of dicts; "s" is the time."""
        self.process.terminate()
        lines = self.process.communicate()[0].splitlines()
        names = lines[0].split()
        rows = [dict(zip(names, map(int, line.split()))) for line in lines[1:]]
        for row in rows:
            row["s"] = row["ms"] / 1000
        return rows


class Load:
    """A program in a control group of its own. It is the kernel's first choice, as a stranger's program is, not the test."""

    def __init__(self, name, *words, properties=()):
        self.unit = name + ".service"
        self.started = now()
        command("systemd-run", "--quiet", "--collect", "--unit", name, "-p", "OOMPolicy=continue", *(f"-p{p}" for p in properties), *map(str, words))

    def running(self):
        return subprocess.run(["systemctl", "is-active", "--quiet", self.unit]).returncode == 0

    def stop(self):
        command("systemctl", "kill", "-s", "KILL", self.unit, check=False)
        command("systemctl", "stop", self.unit, check=False)


def hog(mib_s, mib, name="hog", sweep=0, properties=()):
    return Load(name, TOOLS + "/hog", mib_s, int(mib), sweep, properties=properties)


# --- the daemon ---

def journal():
    return command("journalctl", "-u", "headroomd", "--no-pager", "-o", "cat", "-n", "200", check=False)


def held_files(pid):
    """What its descriptors are."""
    files = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            files.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
        except FileNotFoundError:
            pass
    return files


def service_group():
    return "/sys/fs/cgroup/headroom.slice/headroomd.service"


def engine_groups():
    """The control groups of its engines, with or without anybody in them."""
    return sorted(entry.path for entry in os.scandir(service_group()) if entry.is_dir() and entry.name.startswith("w-"))


class Daemon:
    """headroomd under its shipped unit, with these settings beside the shipped ones."""

    def __init__(self, settings=None, models=None):
        """Without settings: the one that is running."""
        atexit.register(self.show_journal)
        if settings is None:
            return
        for folder in ("headroom.conf.d", "models.d"):
            command("rm", "-rf", "/etc/headroom/" + folder)
            os.mkdir("/etc/headroom/" + folder)
        write("/etc/headroom/headroom.conf.d/vm.conf", settings)
        for name, text in (models or {}).items():
            write(f"/etc/headroom/models.d/{name}.conf", f"[model]\nname = {name}\n{text}")
        command("systemctl", "restart", "headroomd.socket", "headroomd-control.socket", "headroomd.service")
        assert self.active()

    @staticmethod
    def show_journal():
        print(journal())

    @staticmethod
    def active():
        return command("systemctl", "is-active", "headroomd", check=False).strip() == "active"

    @staticmethod
    def pid():
        return int(command("systemctl", "show", "-p", "MainPID", "--value", "headroomd"))

    @staticmethod
    def control(path, timeout=60):
        """What the control socket answers to GET."""
        connection = http.client.HTTPConnection("localhost", timeout=timeout)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(timeout)
        connection.sock.connect("/run/headroom/control.sock")
        connection.request("GET", "/control/" + path)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        assert response.status == 200, f"{path}: {response.status} {text}"
        return text

    def status(self):
        return json.loads(self.control("status"))

    def events(self, after=0):
        """What was done and happened: "s" is the time."""
        offset = time.time() - now()
        events = json.loads(self.control(f"events?after={after}"))["events"]
        for e in events:
            e["s"] = e["unix_ms"] / 1000 - offset
        return events

    def acts(self, after=0):
        """The governor's actions alone, without what the models do ordinarily."""
        return [e for e in self.events(after) if "result" in e]

    def looks(self):
        """The moments at which the governor looked, as far back as its recorder goes."""
        return [float(m.group(1)) / 1000 for m in re.finditer(r"^at (\d+)ms", self.control("record"), re.M)]

    @staticmethod
    def stop():
        command("systemctl", "stop", "headroomd.socket", "headroomd-control.socket", "headroomd.service", timeout=90)


def connect(timeout=120):
    return http.client.HTTPConnection("127.0.0.1", PORT, timeout=timeout)


def complete(model, prompt, max_tokens=1, headers=None, timeout=300):
    """One request that is not streamed: (status, answer)."""
    connection = connect(timeout)
    try:
        connection.request("POST", "/v1/completions", json.dumps({"model": model, "prompt": prompt, "max_tokens": max_tokens, "temperature": 0,
                                                                  "ignore_eos": True}), headers or {})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def tokens(count, seed):
    """A prompt that shares no beginning with another seed's."""
    return [(seed * 7919 + i * 31) % 250 + 1 for i in range(count)]


# An event for each token: no byte that is only a part of a character.
NO_HALF_CHARACTERS = {str(byte): -100 for byte in range(128, 256)}


class Stream(threading.Thread):
    """Keeps one streamed answer going, and begins the next when it has ended, until end(). Notes when each token came."""

    def __init__(self, model, prompt_tokens=32, max_tokens=400, seed=1, pause=0.0, answers=None, headers=None):
        super().__init__(daemon=True)
        self.model, self.prompt_tokens, self.max_tokens, self.seed = model, prompt_tokens, max_tokens, seed
        self.pause, self.answers_wanted, self.headers = pause, answers, headers or {}
        self.gaps = []  # (from, to, index in the answer) of each token: index 0 is the wait for the first
        self.waiting = None  # the same of the token that is to come
        self.answers, self.cuts, self.refused = 0, [], []
        self.ending = False
        self.start()

    def run(self):
        while not self.ending and self.answers != self.answers_wanted:
            try:
                self._answer()
            except Exception as e:  # whatever it was, the client lost its answer
                if not self.ending:
                    self.cuts.append((now(), repr(e)))
                    time.sleep(0.5)
            self.waiting = None
            self.seed += 1
            time.sleep(self.pause)

    def _answer(self):
        connection = connect()
        body = {"model": self.model, "prompt": tokens(self.prompt_tokens, self.seed), "max_tokens": self.max_tokens, "temperature": 0,
                "ignore_eos": True, "logit_bias": NO_HALF_CHARACTERS, "stream": True, "stream_options": {"include_usage": True}}
        index, since = 0, now()
        self.waiting = (since, index)
        connection.request("POST", "/v1/completions", json.dumps(body), self.headers)
        response = connection.getresponse()
        if response.status != 200:
            self.refused.append((now(), response.status, response.read().decode()))
            time.sleep(0.5)
            return
        usage = None
        while not self.ending:
            line = response.readline()
            if line.startswith(b"data: [DONE]"):
                assert usage["completion_tokens"] == self.max_tokens, usage
                self.answers += 1
                break
            if line.startswith(b'data: {"error"'):
                raise AssertionError(line.decode().strip())
            if line.startswith(b"data: "):
                if b'"usage":{' in line:
                    usage = json.loads(line[6:])["usage"]
                elif b'"text":""' not in line:
                    self.gaps.append((since, now(), index))
                    index, since = index + 1, self.gaps[-1][1]
                    self.waiting = (since, index)
            elif not line:
                raise AssertionError("the stream ended without [DONE]")
        connection.close()

    def end(self):
        self.ending = True

    def calm(self):
        """What each token of an answer took: to compare others with."""
        by_index = {}
        for since, until, index in self.gaps:
            by_index.setdefault(index, []).append(until - since)
        return [sorted(by_index[i])[len(by_index[i]) // 2] for i in range(len(by_index))]

    def speed(self, calm, start, end):
        """Between two moments, as a part of that in calm: 0.5 is half as fast. Pauses between answers do not count."""
        gaps = list(self.gaps)
        waiting = self.waiting
        if waiting and waiting[0] < end:
            gaps.append((waiting[0], now(), waiting[1]))
        busy = work = 0.0
        for since, until, index in reversed(gaps):
            if until < start - 120:
                break
            inside = min(until, end) - max(since, start)
            if inside > 0:
                busy += inside
                work += inside * calm[min(index, len(calm) - 1)] / max(until - since, 1e-6)
        return work / busy if busy > 0 else 1.0

    def slowest(self, calm, start, end, window=5.0, step=0.25):
        """(speed, when) of its slowest window."""
        found = (9.0, start)
        t = start + window
        while t <= end:
            found = min(found, (self.speed(calm, t - window, t), t))
            t += step
        return found

    def first_slow(self, calm, start, end, least=0.5, window=3.0, step=0.25):
        """The end of the first window in which it was slower than LEAST; None: never."""
        t = start + window
        while t <= end:
            if self.speed(calm, t - window, t) < least:
                return t
            t += step
        return None
