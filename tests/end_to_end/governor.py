#!/usr/bin/env python3
"""The governor from outside: the real daemon and engines on a machine that is played by files (--proc-root, --sys-root): its memory
runs out second by second, its processor heats up, a sensor is lost. What the engines really hold is looked at in /proc."""

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import headroomd
from headroomd import BUILD, DEMO_MODEL, Reply, chat, eventually, request

CTL = os.path.join(BUILD, "headroomctl")
MIB = 1 << 20
PATIENCE_S = 120 * headroomd.SLOW  # with one answer
WORKSHOP = tempfile.mkdtemp(prefix="headroom-governor-")


def tearDownModule():
    shutil.rmtree(WORKSHOP)


def made_model(name, *options):
    """Random weights; 32 KiB of KV cache for each token, and slow enough for a stream that lasts."""
    return headroomd.make_gguf(os.path.join(WORKSHOP, name + ".gguf"), "--layers", "16", "--embd", "512", "--ff", "1024", "--heads", "8",
                               "--kv-heads", "8", "--vocab", "4096", "--ctx", "8192", *options)


class Machine:
    """Files in place of /proc and /sys, written in place as the kernel's own: descriptors are held open."""

    def __init__(self, available_mib, degrees=50):
        self.root = tempfile.mkdtemp(prefix="headroom-machine-")
        self.set_available(available_mib)
        self.write("proc/vmstat", "pswpin 0\npswpout 0\nworkingset_refault_anon 0\nworkingset_refault_file 0\n")
        self.write("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n")
        self.write("sys/devices/platform/coretemp.0/power/runtime_status", "unsupported\n")
        self.write("sys/class/hwmon/hwmon0/name", "coretemp\n")
        os.symlink("../../../devices/platform/coretemp.0", os.path.join(self.root, "sys/class/hwmon/hwmon0/device"))
        self.write("sys/class/hwmon/hwmon0/temp1_label", "Package id 0\n")
        self.write("sys/class/hwmon/hwmon0/temp1_crit", "100000\n")
        self.set_degrees(degrees)

    def put_sensors(self, chips):
        """These in place of the one that is there."""
        shutil.rmtree(os.path.join(self.root, "sys/class/hwmon"))
        for n, (chip, sensors) in enumerate(chips.items()):
            self.write(f"sys/class/hwmon/hwmon{n}/name", chip + "\n")
            for i, (label, value) in enumerate(sensors.items(), 1):
                self.write(f"sys/class/hwmon/hwmon{n}/temp{i}_label", label + "\n")
                self.write(f"sys/class/hwmon/hwmon{n}/temp{i}_input", f"{value}\n")

    def write(self, name, text):
        path = os.path.join(self.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
        os.pwrite(fd, text.encode(), 0)
        os.ftruncate(fd, len(text))
        os.close(fd)

    def set_available(self, mib):
        self.available_mib = mib
        self.write("proc/meminfo", f"MemTotal: {16 << 20} kB\nMemFree: 0 kB\nMemAvailable: {int(mib * 1024)} kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n")

    def set_degrees(self, degrees):
        self.write("sys/class/hwmon/hwmon0/temp1_input", f"{int(degrees * 1000)}\n")

    def options(self):
        return ["--proc-root", os.path.join(self.root, "proc"), "--sys-root", os.path.join(self.root, "sys")]

    def done(self):
        shutil.rmtree(self.root)


class Hog:
    """Another program that takes MIB_PER_S, until it is stopped or AT_LEAST is left."""

    def __init__(self, machine, mib_per_s, at_least=200):
        self.machine, self.rate, self.at_least = machine, mib_per_s, at_least
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.over.wait(0.1) and self.machine.available_mib > self.at_least:
            self.machine.set_available(self.machine.available_mib - self.rate / 10)

    def stop(self):
        self.over.set()
        self.thread.join()


class Stream(threading.Thread):
    """One streamed answer, read as it comes."""

    def __init__(self, daemon, model, tokens, **headers):
        super().__init__()
        self.socket = daemon.connect()
        self.socket.settimeout(PATIENCE_S)
        self.socket.sendall(request("POST", "/v1/chat/completions",
                                    chat(model, stream=True, max_tokens=tokens, ignore_eos=True, logprobs=True), Connection="close", **headers))
        self.text, self.arrivals = b"", []
        self.start()

    def run(self):
        while True:
            try:
                part = self.socket.recv(65536)
            except OSError:
                part = b""
            if not part:
                self.socket.close()
                return
            self.text += part
            self.arrivals.append(time.monotonic())

    def wait(self):
        """For its end, however slow the machine is, as long as something comes."""
        heard = -1
        while self.is_alive() and len(self.text) > heard:
            heard = len(self.text)
            self.join(60)

    def tokens(self):
        return self.text.count(b'"token":')

    def leave(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.join()

    def is_whole(self):
        return b"data: [DONE]" in self.text and b'"error"' not in self.text


def private_bytes(pid):
    """What the kernel says the process holds but for its mapped files."""
    with open(f"/proc/{pid}/smaps_rollup") as f:
        fields = dict(re.findall(r"^(\w+):\s+(\d+) kB", f.read(), re.M))
    return (int(fields["Pss"]) - int(fields.get("Pss_File", 0))) << 10


class Watch(threading.Thread):
    """Looks every 10 ms at what a process holds."""

    def __init__(self, pid):
        super().__init__()
        self.pid, self.samples, self.over = pid, [], threading.Event()
        self.start()

    def run(self):
        while not self.over.wait(0.01):
            try:
                self.samples.append((time.time(), private_bytes(self.pid)))
            except (OSError, KeyError):
                return

    def stop(self):
        self.over.set()
        self.join()

    def fallen_after_ms(self, start, part):
        """How long after START (Unix seconds) it had given back PART of what it gave back at most."""
        before = [held for at, held in self.samples if at < start][-1]
        later = [(at, held) for at, held in self.samples if at >= start]
        target = before - part * (before - min(held for _, held in later))
        return 1000 * (next(at for at, held in later if held <= target) - start)


IN_USE_MS = 10000  # after an answer, as in policy/base/bounds.h: until then its model is spared


class Governed(unittest.TestCase):
    def begin(self, conf="", env=None, available_mib=6000, machine=None):
        self.machine = machine or Machine(available_mib)
        self.addCleanup(self.machine.done)
        self.models = {"demo.gguf": DEMO_MODEL, "large.gguf": made_model("large")}
        self.daemon = headroomd.Daemon(conf="context = 8192\nkv_tokens = 16384\nthreads = 1\nkeep_alive = forever\nmin_residency = 1s\n[memory]\nreserve = 1G\n" + conf,
                                       models=self.models, options=self.machine.options(), env=env)
        self.addCleanup(self.daemon.done)

    def ctl(self, *args):
        return subprocess.run([CTL, "--socket", self.daemon.control_path, *args], capture_output=True, text=True, timeout=60)

    def governor(self):
        return self.daemon.status()["governor"]

    def events(self, what=None, model=None):
        all_events = json.loads(self.ctl("events", "--json").stdout)["events"]
        return [e for e in all_events if what in (None, e["what"]) and model in (None, e["model"])]

    def answer(self, model, **more):
        with self.daemon.connect() as s:
            s.settimeout(PATIENCE_S)
            s.sendall(request("POST", "/v1/chat/completions", chat(model, **more), Connection="close"))
            return Reply(s)

    def must_replay(self):
        """What was recorded has the same acts when the policy is asked again by the simulator."""
        flight = os.path.join(self.daemon.scratch, "flight.scenario")
        self.assertEqual(self.ctl("record", flight).returncode, 0)
        acts = [(e["what"], e["reason"]) for e in self.events() if "result" in e]
        result = subprocess.run([CTL, "simulate", "--json", flight], capture_output=True, text=True, timeout=60)
        self.assertEqual(result.returncode, 0, result.stdout[-2000:] + result.stderr)
        replayed = json.loads(result.stdout)
        self.assertEqual(replayed["failed"], [])
        self.assertGreater(replayed["expectations"], len(acts))
        again = [(a["act"], a["because"]) for look in replayed["looks"] for a in look["acts"]]
        self.assertEqual(again, acts)
        return replayed


class Memory(Governed):
    def test_memory_runs_out_and_comes_back(self):
        self.begin(available_mib=4200)
        self.assertEqual(self.answer("demo").status, 200)
        stream = Stream(self.daemon, "large", 6000)
        eventually(lambda: stream.tokens() > 100, 60)
        eventually(lambda: self.daemon.model("demo")["idle_ms"] > IN_USE_MS, 60)
        pid = self.daemon.model("large")["pid"]
        eventually(lambda: (self.daemon.model("large")["kv_used_bytes"] or 0) > 8 * MIB, 60)
        self.assertEqual([e for e in self.events() if "result" in e], [])  # a quiet world: no act
        self.assertEqual(self.governor()["rung"], "calm")

        watch = Watch(pid)
        hog = Hog(self.machine, 220)  # 14 s to the reserve
        downshift = eventually(lambda: self.events("downshift"), 60)[0]
        eventually(lambda: self.daemon.model("large")["kv_now"] != "f16")
        hog.stop()
        verified = eventually(lambda: [e for e in self.events("downshift") if e["freed_bytes"] is not None])[0]
        self.assertEqual((verified["model"], verified["result"]), ("large", "done"))
        self.assertGreaterEqual(verified["freed_bytes"], verified["expected_bytes"] * 3 // 4)
        self.assertEqual(downshift["reason"], "forecast")
        self.assertLess(downshift["exhaustion_ms"], 20000)
        evictions = self.events("evict")
        self.assertEqual([e["model"] for e in evictions], ["demo"])  # idle, so it went before anybody who worked was touched
        self.assertLess(evictions[0]["number"], downshift["number"])
        watch.stop()
        started = downshift["unix_ms"] / 1000
        print(f"reaction: half of the memory was back {watch.fallen_after_ms(started, 0.5):.0f} ms after the decision, nine tenths "
              f"{watch.fallen_after_ms(started, 0.9):.0f} ms; verified {verified['freed_bytes'] / MIB:.1f} of {verified['expected_bytes'] / MIB:.1f} MiB")
        self.assertLess(watch.fallen_after_ms(started, 0.5), 20000)
        self.daemon.wait_for_log(r"event=downshift model=large reason=forecast to=q8_0 headroom_mib=\d+ exhaustion_ms=\d+ expected_mib=\d+")
        self.daemon.wait_for_log(r"event=verified act=downshift model=large expected_mib=\d+ freed_mib=\d+")

        # A request that comes now waits, and is told why.
        held = Stream(self.daemon, "demo", 5)
        eventually(lambda: b": ping memory is running short on this machine" in held.text)
        self.assertEqual(self.daemon.model("demo")["state"], "waiting")
        status = self.ctl("status").stdout
        self.assertRegex(status, r"headroom +-?[\d.]+ [MG]iB")
        self.assertRegex(status, r"held +loads, growth, batch")
        self.assertRegex(status, r"large .* q[84]_0 ")
        self.assertRegex(status, r"heat +50\.0 degrees, 50\.0 below critical")
        story = self.ctl("explain", "large").stdout
        for words in ("Its KV cache is kept in q", "its KV cache was lowered to q8_0, because at this pace memory will soon be gone", "were expected",
                      "came back", "after 5 min of calm"):
            self.assertIn(words, story)
        self.assertIn("is not loaded yet: memory is running short", self.ctl("explain", "demo").stdout)
        self.must_replay()

        # The hog goes; the machine stays careful for a while, then everybody is served.
        self.machine.set_available(6000)
        held.join(90)
        self.assertTrue(held.is_whole(), held.text[-500:])
        stream.wait()
        self.assertTrue(stream.is_whole(), stream.text[-500:])
        self.assertEqual(stream.tokens(), 6000)
        self.assertEqual(self.daemon.model("large")["deaths"], 0)
        self.assertEqual(self.daemon.model("large")["pid"], pid)
        eventually(lambda: self.governor()["rung"] == "calm", 90)  # what may be begun again comes before all is forgotten

    def test_prefix_caches_go_first(self):
        self.begin()
        words = " ".join(str(n) for n in range(700))
        reply = self.answer("large", max_tokens=2, messages=[{"role": "user", "content": words}])
        self.assertEqual(reply.status, 200, reply.body)
        eventually(lambda: (self.daemon.model("large")["kv_used_bytes"] or 0) > 4 * MIB)
        pid = self.daemon.model("large")["pid"]
        before = private_bytes(pid)
        hog = Hog(self.machine, 60)
        eventually(lambda: self.events("trim", "large"), 90)
        hog.stop()
        eventually(lambda: private_bytes(pid) < before - 4 * MIB)
        self.assertEqual(self.events("evict"), [])
        eventually(lambda: self.events("trim")[0]["freed_bytes"])
        self.must_replay()

    def test_switched_off(self):
        self.begin("[governor]\nenabled = no\n")
        self.assertEqual(self.answer("demo").status, 200)
        hog = Hog(self.machine, 1500)
        eventually(lambda: self.governor()["headroom_bytes"] < 0, 60)
        hog.stop()
        time.sleep(1)
        self.assertEqual([e for e in self.events() if "result" in e], [])
        self.assertEqual(self.daemon.model("demo")["state"], "ready")
        self.assertIn("switched off", self.ctl("status").stdout)


class Pressure(Governed):
    def test_notice_of_pressure_makes_it_look_sooner(self):
        scratch = tempfile.mkdtemp(prefix="headroom-pressure-")
        self.addCleanup(shutil.rmtree, scratch)
        fifo = os.path.join(scratch, "pressure")
        os.mkfifo(fifo)
        self.begin(env={"MEMORY_PRESSURE_WATCH": fifo}, available_mib=14000)
        fd = os.open(fifo, os.O_RDWR)
        self.addCleanup(os.close, fd)
        eventually(lambda: self.governor()["look_again_in_ms"] >= 2000, 60)  # calm, nothing loaded
        looks = []
        for _ in range(3):
            before = self.governor()["looks"]
            os.write(fd, b"x")
            told = time.monotonic()
            eventually(lambda: self.governor()["looks"] > before, 4)
            looks.append(time.monotonic() - told)
            time.sleep(0.3)
        self.assertLess(min(looks), 1)
        self.assertEqual([e for e in self.events() if "result" in e], [])  # pressure alone never acts


class Heat(Governed):
    def rate(self, stream, seconds):
        before = stream.tokens()
        time.sleep(seconds)
        return (stream.tokens() - before) / seconds

    def test_it_gets_hot_and_the_sensor_is_lost(self):
        self.begin()
        stream = Stream(self.daemon, "large", 8000, X_Headroom_Class="interactive")
        self.addCleanup(stream.leave)
        eventually(lambda: stream.tokens() > 100, 60)
        cool = self.rate(stream, 2)
        self.assertEqual(self.governor()["heat"]["level"], 0)
        self.machine.set_degrees(70)
        time.sleep(2)
        self.machine.set_degrees(92)  # 8 degrees below critical; 15 is the target
        eventually(lambda: self.governor()["heat"]["level"] >= 2, 60)
        self.assertTrue(self.events("heat"))
        self.assertIn("computes", self.ctl("explain", "large").stdout)
        self.machine.set_degrees(97)  # too near: the least at once
        eventually(lambda: self.governor()["heat"]["level"] == self.governor()["heat"]["levels"] - 1, 30)
        eventually(lambda: self.daemon.model("large")["duty_permille"] == self.governor()["heat"]["duty_permille"])
        hot = self.rate(stream, 4)
        print(f"heat: {cool:.0f} tokens/s cool, {hot:.0f} at {self.governor()['heat']['duty_permille'] / 10:.0f} % duty")
        self.assertLess(hot, cool * 0.7)
        self.assertGreater(hot, 0)

        # Work that can wait does, and is told why.
        late = Stream(self.daemon, "demo", 5, X_Headroom_Class="batch")
        self.addCleanup(late.leave)
        eventually(lambda: b": ping the machine is too hot for work that can wait" in late.text)
        self.assertEqual(self.daemon.model("demo")["loads"], 0)
        self.must_replay()

    # Drivers as they are met, with what their sensors told from the first reading on.
    LIARS = {
        "a die that is not there": {"k10temp": {"Tctl": 45000, "Tccd1": 44000, "Tccd2": -49000}},
        "an embedded controller that tells nothing": {"thinkpad": {"CPU": 0, "GPU": -128000}},
        "inputs of a board that are not connected": {"nct6792": {"SYSTIN": 38000, "CPUTIN": 42000, "AUXTIN3": -128000, "PCH_CPU_TEMP": 0}},
        "an empty second socket": {"coretemp": {"Package id 0": 50000, "Package id 1": 0}},
        "a machine without any": {},
    }

    def test_a_sensor_that_never_tells_what_can_be_controls_nothing(self):
        for what, chips in self.LIARS.items():
            with self.subTest(what):
                machine = Machine(6000)
                machine.put_sensors(chips)
                self.begin(machine=machine)
                stream = Stream(self.daemon, "large", 8000)
                eventually(lambda: stream.tokens() > 100, 60)
                time.sleep(4)  # three readings and more
                self.assertEqual((self.governor()["heat"]["level"], self.events("heat")), (0, []))
                stream.leave()
                for chip, sensors in chips.items():
                    for label, value in sensors.items():
                        row = [s for s in self.governor()["sources"] if s["name"] == f"hwmon: {chip} {label}"][0]
                        self.assertEqual(row["works"], 1000 <= value <= 125000, row)
                        self.assertRegex(row["detail"], r"sensor [0-9a-f]{8}$")
                        if not row["works"]:
                            self.assertIn("unknown, controls nothing", row["detail"])
                            self.daemon.wait_for_log(rf'event=source_degraded source="hwmon: {chip} {label}"')
                            self.assertEqual(self.daemon.log().count(f'source="hwmon: {chip} {label}"'), 1)
                if not chips:
                    self.assertIn("no sensor", self.ctl("status").stdout)
                    self.assertNotIn("degraded     temp", self.ctl("status").stdout)
                self.doCleanups()

    def test_a_guest_that_always_reads_100(self):
        self.begin(machine=Machine(6000, degrees=100))
        time.sleep(1)
        stream = Stream(self.daemon, "large", 8000)
        eventually(lambda: stream.tokens() > 100, 60)
        eventually(lambda: self.events("sensor"), 60)
        self.assertEqual(self.events("sensor")[0]["reason"], "sensor_stuck")
        self.assertRegex(self.events("sensor")[0]["sensor"], r"^coretemp Package id 0 \(sensor [0-9a-f]{8}\)$")
        self.assertEqual(self.governor()["heat"]["level"], 0)
        self.daemon.wait_for_log(r'event=sensor sensor="coretemp Package id 0 \(sensor [0-9a-f]{8}\)" reason=sensor_stuck .*trust_sensors = [0-9a-f]{8}')
        self.assertIn("does not move while the load does", self.ctl("explain", "large").stdout)
        # It is alive after all: obeyed from that moment on.
        self.machine.set_degrees(99)
        eventually(lambda: self.governor()["heat"]["level"] == 7, 30)
        self.assertEqual([e["reason"] for e in self.events("sensor")], ["sensor_stuck", "sensor_moves"])
        self.assertIn("Package id 0 (sensor ", self.ctl("events").stdout)
        stream.leave()

    def test_not_seeing_the_temperature_counts_as_hot(self):
        self.begin()
        stream = Stream(self.daemon, "large", 8000)
        self.addCleanup(stream.leave)
        eventually(lambda: stream.tokens() > 100, 60)
        eventually(lambda: self.governor()["heat"]["margin_millidegrees"] is not None)
        os.unlink(os.path.join(self.machine.root, "sys/class/hwmon/hwmon0/temp1_input"))
        eventually(lambda: self.governor()["heat"]["because"] == "sensor_lost", 60)
        self.assertEqual(self.governor()["heat"]["level"], 7)
        self.assertTrue([e for e in self.events("heat") if e["reason"] == "sensor_lost"])


class Itself(Governed):
    @unittest.skipUnless(os.getuid() == 0, "needs root for mlockall")
    def test_it_stays_in_memory(self):
        self.begin()
        with open(f"/proc/{self.daemon.pid}/status") as f:
            fields = dict(re.findall(r"^(\w+):\s+(\d+) kB", f.read(), re.M))
        if not self.governor()["resident"]:
            self.assertIn("event=not_resident", self.daemon.log())
            self.skipTest("locking is not allowed here")
        if not headroomd.SANITIZED:  # sanitizers make mlockall do nothing
            self.assertGreater(int(fields["VmLck"]), 0)
            self.assertLess(int(fields["VmRSS"]), 24 << 10)
            print(f"resident: {int(fields['VmRSS']) / 1024:.1f} MiB, {int(fields['VmLck']) / 1024:.0f} MiB of address space locked")

    def test_engines_are_the_kernels_first_choice(self):
        self.begin()
        self.assertEqual(self.answer("demo").status, 200)
        with open(f"/proc/{self.daemon.model('demo')['pid']}/oom_score_adj") as f:
            self.assertEqual(int(f.read()), 500)


if __name__ == "__main__":
    unittest.main(verbosity=1)
