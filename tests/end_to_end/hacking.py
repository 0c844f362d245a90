#!/usr/bin/env python3
"""hacking - each command that docs/hacking.md and CONTRIBUTING.md name exists: a make target, a test, or a program."""

import os
import re
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OUTSIDE = {"gdb"}  # named on the page as what is not installed


def read(name):
    with open(os.path.join(ROOT, name)) as f:
        return f.read()


def targets():
    return set(re.findall(r"(?m)^([a-z_.-]+):", read("Makefile")))


def tests():
    names = set()
    for folder, _, files in os.walk(os.path.join(ROOT, "tests")):
        if "/tests/unit" in folder or folder.endswith(("/end_to_end", "/conformance")):
            names.update(re.sub(r"^test_|\.(c|py|pl)$", "", f) for f in files if not f.endswith(".h"))
    return names


def commands(name):
    """Lines that are indented by four, and what stands between backticks and begins with make."""
    text = read(name)
    return re.findall(r"(?m)^    (\S.*)$", text) + re.findall(r"`(make [^`]*)`", text)


class Hacking(unittest.TestCase):
    def check_make(self, command):
        for target in re.findall(r"(?<= )[a-z_.-]+(?= |$)", re.sub(r"[A-Z_]+=('[^']*'|\S*)", "", command)):
            self.assertIn(target, targets(), command)
        for names in re.findall(r"\bTEST=(?:'([^']*)'|(\S+))", command):
            for name in "".join(names).split():
                if name != "name":
                    self.assertIn(name, tests(), command)

    def check_program(self, command):
        program = command.removeprefix("sudo ").split()[0]
        if program not in OUTSIDE:
            self.assertTrue(os.path.exists(os.path.join(ROOT, program)), command)
        for path in re.findall(r"(?<= )(?:tests|docs|units)/\S+", command):
            self.assertTrue(os.path.exists(os.path.join(ROOT, path)), command)
        for built in re.findall(r"build/([a-z-]+)", command):
            self.assertIn(f"$(BUILD)/{built}:", read("Makefile"), command)

    def test_commands(self):
        for page in ("docs/hacking.md", "CONTRIBUTING.md"):
            found = commands(page)
            self.assertGreater(len(found), 5, page)
            for command in found:
                (self.check_make if command.startswith("make ") else self.check_program)(command)

    def test_glossary_is_in_order(self):
        terms = re.findall(r"(?m)^\| ([^|]+) \| [^|]+ \|$", read("docs/glossary.md"))[2:]
        self.assertEqual(terms, sorted(set(terms), key=lambda t: re.sub(r"[- ]", " ", t.lower())))


if __name__ == "__main__":
    unittest.main(verbosity=2)
