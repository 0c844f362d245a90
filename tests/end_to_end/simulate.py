#!/usr/bin/env python3
"""headroomctl simulate from outside: every scenario of tests/scenarios holds; a false expectation, a damaged file and a
picture that cannot be written are told and end with 1."""

import glob
import json
import os
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree

from headroomd import BUILD, ROOT

CTL = os.path.join(BUILD, "headroomctl")
SCENARIOS = sorted(glob.glob(os.path.join(ROOT, "tests", "scenarios", "*.scenario")))
TEXT = """# A hog takes all.
limits reserve=1GiB
at 0 ram=16GiB available=12GiB
  model 1 state=idle bytes=2GiB
  sensor 1 state=read control=yes millidegrees=60000 critical_millidegrees=100000
  expect nothing
at 1s available=9GiB
at 2s available=6GiB
  expect end 1 because thrash
"""


def simulate(*args, text=None):
    return subprocess.run([CTL, "simulate", *args], capture_output=True, text=True, timeout=120, input=text if text else "")


class Scenarios(unittest.TestCase):
    def test_every_scenario_holds(self):
        self.assertGreater(len(SCENARIOS), 0)
        for path in SCENARIOS:
            with self.subTest(os.path.basename(path)):
                with open(path, encoding="utf-8") as f:
                    lines = f.read().split("\n")
                self.assertTrue(lines[0].startswith("# "), "the first line says the incident")
                self.assertTrue(any(line.strip().startswith("expect ") for line in lines), "it must expect something")
                result = simulate("--quiet", path)
                self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))


class Simulate(unittest.TestCase):
    def test_what_does_not_hold_is_told_with_its_line(self):
        result = simulate("-", text=TEXT)
        self.assertEqual(result.returncode, 1)
        self.assertIn("headroomctl: -:9: expected end 1 because thrash, but at 2000 ms it is: rung ", result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1)
        self.assertIn("1 of 2 expectations do not hold", result.stdout)
        self.assertEqual(len(result.stdout.splitlines()), 1 + 3 + 2)

    def test_json(self):
        result = simulate("--json", "-", text=TEXT)
        self.assertEqual(result.returncode, 1)
        said = json.loads(result.stdout)
        self.assertEqual([look["time_ms"] for look in said["looks"]], [0, 1000, 2000])
        self.assertEqual(said["looks"][0]["headroom_bytes"], 11 << 30)
        self.assertEqual(said["looks"][0]["acts"], [])
        self.assertIsNone(said["looks"][0]["exhaustion_ms"])
        self.assertEqual(said["looks"][0]["models"], [{"id": 1, "state": "idle", "level": "f16"}])
        self.assertEqual((said["looks_count"], said["expectations"]), (3, 2))
        self.assertEqual([(f["line"], f["expected"]) for f in said["failed"]], [(9, "end 1 because thrash")])
        quiet = json.loads(simulate("--json", "--quiet", "-", text=TEXT).stdout)
        self.assertEqual((quiet["looks"], quiet["failed"]), ([], said["failed"]))

    def test_a_wrong_line_is_named_before_anything_is_replayed(self):
        result = simulate("--json", "-", text=TEXT + "expect miracles\n")
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stderr, "headroomctl: -:10: nothing of this name can be expected\n")
        self.assertEqual(json.loads(result.stdout)["error"]["code"], "bad_scenario")

    def test_letters_that_steer_a_terminal_are_shown(self):
        result = simulate("-", text="at 0 \x9b31mram=1GiB\n")
        self.assertEqual(result.returncode, 1)
        self.assertNotIn("\x9b", result.stderr)

    def test_a_file_that_is_not_there(self):
        for path in ("/nonexistent/x.scenario", "/"):
            result = simulate(path)
            self.assertEqual(result.returncode, 1)
            self.assertTrue(result.stderr.startswith(f"headroomctl: {path}: "))

    def test_pictures(self):
        with tempfile.TemporaryDirectory() as folder:
            svg, png = os.path.join(folder, "a.svg"), os.path.join(folder, "a.png")
            good = TEXT.rsplit("  expect", 1)[0]
            for out in (svg, png):
                result = simulate("--quiet", "--plot", out, "-", text=good)
                self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))
            root = xml.etree.ElementTree.parse(svg).getroot()
            self.assertTrue(root.tag.endswith("svg"))
            self.assertGreater(len(list(root.iter())), 100)
            with open(png, "rb") as f:
                self.assertEqual(f.read(8), b"\x89PNG\r\n\x1a\n")
            self.assertEqual(sorted(os.listdir(folder)), ["a.png", "a.svg"])

    def test_a_picture_of_one_look_and_of_very_many(self):
        with tempfile.TemporaryDirectory() as folder:
            svg = os.path.join(folder, "a.svg")
            for count in (1, 50000):
                looks = "".join(f"at {i * 100}ms available={8 + i % 7}GiB\n" for i in range(count))
                result = simulate("--quiet", "--plot", svg, "-", text="limits reserve=1GiB\n" + looks)
                self.assertEqual((result.returncode, result.stderr), (0, ""))
                self.assertLess(os.path.getsize(svg), 2 << 20)
                xml.etree.ElementTree.parse(svg)

    def test_the_title_of_a_picture_is_the_comment_in_the_first_line(self):
        def picture(text):
            with tempfile.TemporaryDirectory() as folder:
                path, svg = os.path.join(folder, "a.scenario"), os.path.join(folder, "a.svg")
                with open(path, "wb") as f:
                    f.write(text + b"limits reserve=1GiB\nat 0 ram=16GiB available=12GiB\nat 1s available=9GiB\n")
                result = simulate("--quiet", "--plot", svg, path)
                self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))
                with open(svg, "rb") as f:
                    return f.read()

        without, titled = picture(b""), picture(b"# A hog\n")
        self.assertNotEqual(without, titled)
        for text in (b" ", b"\t ", b"#\n", b"  ## \n", b"\n# A hog\n"):
            self.assertEqual(picture(text), without, text)
        for text in (b"#A hog\n", b" \t#\tA hog\n", b"## A hog\n"):
            self.assertEqual(picture(text), titled, text)
        self.assertEqual(picture(b"# caf\xe9\n"), picture(b"# caf\\xe9\n"), "what is no UTF-8 is shown as a terminal would")
        long = "# a" + "\u00f6" * 400 + "\n"
        self.assertEqual(picture(long.encode()), picture(long.encode()[:2 + 159] + b"\n"), "cut between two characters")

    def test_a_picture_that_cannot_be_written(self):
        result = simulate("--quiet", "--plot", "/nonexistent/a.svg", "-", text=TEXT)
        self.assertEqual(result.returncode, 1)
        self.assertIn("/nonexistent/a.svg: ", result.stderr)


if __name__ == "__main__":
    unittest.main()
