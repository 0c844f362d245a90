#!/usr/bin/env python3
"""The daemon under a memory limit that is not its own: a control group above it, as a container or a slice has, seen through
the real kernel, version 1 or 2; and only as much of the tree mounted as a container gets."""

import os
import re
import shutil
import subprocess
import sys
import unittest

from headroomd import BUILD, DEMO_MODEL, SMALL_MODEL, Daemon, ask, chat, eventually
from storming import MODEL, STORMS, storm

MIB = 1 << 20
NAME = f"headroom-container-{os.getpid()}"


def own_group(text, version):
    """Our path in the hierarchy of the memory controller."""
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        if (controllers == "" if version == 2 else "memory" in controllers.split(",")):
            return path
    return None


def read(path):
    with open(path) as f:
        return f.read()


def memory_mount():
    """(version, where it is mounted, our group's directory there), or None: then there is nothing to try this in."""
    groups = read("/proc/self/cgroup")
    mounts = [line.split() for line in read("/proc/self/mountinfo").splitlines()]
    for version, kind in ((2, "cgroup2"), (1, "cgroup")):
        for fields in mounts:
            dash = fields.index("-")
            root, point, super_options = fields[3], fields[4], fields[dash + 3].split(",")
            if fields[dash + 1] != kind or root != "/" or (version == 1 and "memory" not in super_options):
                continue
            group = own_group(groups, version)
            if group is None or (version == 2 and "memory" not in read(point + "/cgroup.controllers").split()):
                continue
            # Version 2 gives limits only to children of groups that hold no process: the root's.
            return version, point, point + (group if version == 1 and group != "/" else "")
    return None


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


class Group:
    """NAME with a limit, and NAME/inner below it, where the daemon lives."""

    def __init__(self, limit):
        self.version, self.point, self.parent = memory_mount()
        self.path = f"{self.parent}/{NAME}"
        if self.version == 2:
            write(f"{self.point}/cgroup.subtree_control", "+memory")
        os.makedirs(self.path + "/inner")
        if self.version == 2:
            write(f"{self.path}/cgroup.subtree_control", "+memory")
        self.limit(limit)

    def limit(self, size):
        write(self.path + ("/memory.max" if self.version == 2 else "/memory.limit_in_bytes"), str(size))

    def enter(self, pid):
        write(self.path + "/inner/cgroup.procs", str(pid))

    def leave(self, pid):
        write(f"{self.parent}/cgroup.procs", str(pid))

    def remove(self):
        def gone():
            try:
                for path in (self.path + "/inner", self.path):
                    if os.path.exists(path):
                        os.rmdir(path)
                return True
            except OSError:
                return False
        eventually(gone)


def can_make_groups():
    if os.geteuid() != 0 or memory_mount() is None:
        return False
    try:
        Group(1 << 30).remove()
        return True
    except OSError:
        return False


def source(daemon, name):
    return next(s for s in daemon.status()["governor"]["sources"] if s["name"] == name)


@unittest.skipUnless(can_make_groups(), "SKIP: no control group with a memory limit can be made here")
class UnderALimit(unittest.TestCase):
    def setUp(self):
        self.group = Group(1536 * MIB)
        self.addCleanup(self.group.remove)

    def check_config(self, *prefix):
        enter = f"echo $$ > {self.group.path}/inner/cgroup.procs && exec "
        command = ["sh", "-c", enter + '"$@"', "sh", *prefix, BUILD + "/headroomd", "--check-config", "--config", "/dev/null"]
        said = subprocess.run(command, capture_output=True, text=True, timeout=30)
        found = re.search(r"budget (\d+) MiB of (\d+) MiB RAM", said.stdout)
        self.assertTrue(found, said.stdout + said.stderr)
        return found.groups()

    def check_config_seeing(self, group):
        """With GROUP mounted in place of the whole tree. unshare alone would make all of / private, and fails in a chroot,
        whose / is no mount point; what we mount over is one."""
        mount = f"mount --make-private {self.group.point} && mount --bind {group} {self.group.point} && exec \"$@\""
        return self.check_config("unshare", "-m", "--propagation", "unchanged", "sh", "-c", mount, "sh")

    def test_the_budget_is_of_what_the_container_has(self):
        self.assertEqual(self.check_config(), ("1228", "1536"))

    @unittest.skipUnless(shutil.which("unshare"), "needs unshare")
    def test_only_the_group_above_is_mounted(self):
        self.assertEqual(self.check_config_seeing(self.group.path), ("1228", "1536"))

    @unittest.skipUnless(shutil.which("unshare"), "needs unshare")
    def test_only_our_own_group_is_mounted(self):
        """Version 1 tells of the limit above all the same; version 2 does not, and runtimes set it on the group itself."""
        if self.group.version == 2:
            self.skipTest("SKIP: version 2 does not tell")
        self.assertEqual(self.check_config_seeing(self.group.path + "/inner"), ("1228", "1536"))

    def test_moved_there_while_it_runs(self):
        daemon = Daemon()
        try:
            before = source(daemon, "control group limits")["detail"]
            self.assertNotIn("1536 MiB", before)
            self.group.enter(daemon.pid)
            eventually(lambda: "1536 MiB" in source(daemon, "control group limits")["detail"], 60)
            # Lowered and raised again: at the next look.
            self.group.limit(1200 * MIB)
            eventually(lambda: "1200 MiB" in source(daemon, "control group limits")["detail"])
            headroom = daemon.status()["governor"]["headroom_bytes"]
            self.assertLess(headroom, 1200 * MIB)
            self.group.limit(1536 * MIB)
            eventually(lambda: "1536 MiB" in source(daemon, "control group limits")["detail"])
            self.assertEqual(ask(daemon, "POST", "/v1/chat/completions", chat()).status, 200)
        finally:
            daemon.done()

    def test_storms_do_not_end_the_daemon(self):
        """Begun in 200 MiB, of which an engine has its part: bodies that do not fit are told so, and nobody is killed."""
        self.group.limit(200 * MIB)
        self.group.enter(os.getpid())
        try:
            daemon = Daemon("context = 1024\n[memory]\nreserve = 8M\n", models={"demo.gguf": DEMO_MODEL, MODEL + ".gguf": SMALL_MODEL})
        finally:
            self.group.leave(os.getpid())
        try:
            self.assertEqual(daemon.status()["request_memory_max"], 25 * MIB)
            self.assertEqual(ask(daemon, "POST", "/v1/chat/completions", chat(model=MODEL)).status, 200)
            before, seen = daemon.memory_kib(), set()
            for _, body, count in STORMS:
                seen |= set(storm(daemon.port, body(), count))
            self.assertTrue(seen <= {200, 400, 413, 429, 503} and {413, 503} <= seen, seen)
            eventually(lambda: daemon.status()["request_memory_bytes"] == 0 and daemon.memory_kib() < before + 2048)
            self.assertEqual(ask(daemon, "POST", "/v1/chat/completions", chat(model=MODEL)).status, 200)
            self.assertNotIn("event=engine_died", daemon.log())
        finally:
            daemon.done()


if __name__ == "__main__":
    if not can_make_groups():
        print("SKIP: no control group with a memory limit can be made here")
        sys.exit(77)
    unittest.main()
