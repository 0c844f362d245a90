#!/usr/bin/env python3
"""The policy in random worlds: no checker fires, each policy that is broken on purpose is caught, and a recorded run
replays through headroomctl look by look. `make simulate` runs more of them."""

import os
import re
import subprocess
import tempfile
import unittest

from headroomd import BUILD

SIMULATOR = os.path.join(BUILD, "simulator")
CTL = os.path.join(BUILD, "headroomctl")
WORLDS = 300
WORLDS_UNTIL_CAUGHT = 2000
GROWTH_MIB_S = (30, 100, 300, 1000)
GROWTH_WORLDS = 150


def simulator(*args):
    return subprocess.run([SIMULATOR, *map(str, args)], capture_output=True, text=True, timeout=600)


class Simulator(unittest.TestCase):
    def test_no_checker_fires(self):
        result = simulator("--seed", 1, "--runs", WORLDS)
        self.assertEqual(result.returncode, 0, result.stdout)
        self.assertIn(f"{WORLDS * 1000} looks in {WORLDS} worlds", result.stdout)
        for act in ("trim", "evict", "downshift", "upshift", "context", "suspend", "pool", "turn_out", "end"):
            self.assertRegex(result.stdout, rf" {act} [1-9]", "a world in which nothing is ever done proves nothing")
        self.assertRegex(result.stdout, r" [1-9][0-9]* cliffs")

    def test_growth(self):
        """One program takes more than there is, though not more than could be given back mildly, at a pace that leaves less and less time."""
        resumed = 0
        for mib_s in GROWTH_MIB_S:
            with self.subTest(mib_s):
                result = simulator("--growth", mib_s, "--seed", 1, "--runs", GROWTH_WORLDS, "--ticks", 1200)
                self.assertEqual(result.returncode, 0, result.stdout)
                for act in ("trim", "evict", "downshift"):
                    self.assertRegex(result.stdout, rf" {act} [1-9]", "a world in which nothing is ever done proves nothing")
                resumed += int(re.search(r" resume (\d+)", result.stdout).group(1))
        self.assertGreater(resumed, 0)

    def test_each_broken_policy_is_caught(self):
        names = re.findall(r"^  (\w+) +breaks: ", simulator("--mutation", "none of them").stderr, re.M)
        self.assertGreaterEqual(len(names), 26)
        for name in names:
            with self.subTest(name):
                result = simulator("--mutation", name, "--seed", 1, "--runs", WORLDS_UNTIL_CAUGHT)
                self.assertEqual(result.returncode, 0, result.stdout[-2000:])
                self.assertIn(f"caught: {name}, in the ", result.stdout)

    def test_a_failure_says_how_to_repeat_it(self):
        found = simulator("--mutation", "stands_still", "--seed", 1, "--runs", 50).stdout
        seed = re.search(r"^again: make simulate SEED=(\d+) TICKS=1000 MUTATION=stands_still", found, re.M).group(1)
        line = re.search(rf"^seed {seed}, .*$", found, re.M).group(0)
        self.assertIn(line, simulator("--mutation", "stands_still", "--seed", seed).stdout)

    def test_a_recorded_run_replays(self):
        """The same numbers go out by the tables of policy/record/snapshot_fields.c and come back: each plan must be the same again."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "run.scenario")
            for seed in range(1, 13):
                simulator("--seed", seed, "--ticks", 600, "--record", path)
                result = subprocess.run([CTL, "simulate", path], capture_output=True, text=True, timeout=120)
                self.assertEqual((result.returncode, result.stderr), (0, ""), f"seed {seed}")
                self.assertRegex(result.stdout, r"\n600 looks, all of \d+ expectations hold\n")

    def test_a_recorded_run_with_pools_replays(self):
        """The first world in which a pool grows, is cut for another, and has its requests wait: to the same orders."""
        wanted = {("pool", "request"), ("pool", "make_room"), ("turn_out", "make_room")}
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "run.scenario")
            for seed in range(1, WORLDS + 1):
                if " turn_out 0 " in simulator("--seed", seed).stdout:
                    continue
                simulator("--seed", seed, "--record", path)
                with open(path) as scenario:
                    orders = re.findall(r"^  expect (\w+) \d+ to \d+ because (\w+)$", scenario.read(), re.M)
                if wanted <= set(orders):
                    result = subprocess.run([CTL, "simulate", path], capture_output=True, text=True, timeout=120)
                    self.assertEqual((result.returncode, result.stderr), (0, ""), f"seed {seed}")
                    return
        self.fail(f"none of {WORLDS} worlds gave all of {wanted}")


if __name__ == "__main__":
    unittest.main()
