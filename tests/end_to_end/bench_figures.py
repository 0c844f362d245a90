#!/usr/bin/env python3
"""What the benches make of what they measure. Of `make bench-peer` medians, ratios, shares of the bandwidth and goals, as a table, CSV and a
drawing; of `make bench-instructions` the instructions of each function. Samples and counts here were written by hand: nothing is measured."""
import csv
import json
import math
import os
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as xml

from headroomd import BUILD, ROOT

BENCH = os.path.join(ROOT, "tests", "bench")
sys.path[0] = BENCH  # no longer this folder, whose numbers.py would hide Python's own
from callgrind import own_instructions
from figures import against_f16, figures, plot, table_line

SVG = "{http://www.w3.org/2000/svg}"


def row(name="decode-x", **values):
    return {"name": name, "what": "decode", "threads": 2, "unit": "tokens/s", "better": "more", "ours": [10.0, 30.0, 20.0], "theirs": [10.0, 20.0, 40.0],
            "memory": [20.0, 40.0, 25.0], "others": [0.5, 0.0, 0.1], "bytes": 10**9, "goals": [], "note": "", **values}


ROWS = [
    row(goals=[["ratio", ">=", 1.0], ["share", ">=", 0.75]]),
    row("depth-decode-9-f16", goals=[["ratio", ">=", 1.05]]),
    row("depth-decode-9-q8_0", ours=[40.0], theirs=[10.0], memory=[], goals=[["ratio", ">=", 3.5]]),
    row("start-warm", unit="s", better="less", ours=[0.5], theirs=[2.0], memory=[], bytes=0, goals=[["ratio", "<=", 0.5]]),
    row("neighbour", unit="%", better="less", ours=[12.0], theirs=[-3.0], memory=[], bytes=0, goals=[["ours", "<=", 10]]),
    row("prefill-x", ours=[], theirs=[], memory=[], others=[], goals=[["ratio", ">=", 2]], note='OSError: no "model", no row'),
]


class Figures(unittest.TestCase):
    def test_medians_and_what_they_come_to(self):
        f = figures(ROWS[0])
        self.assertEqual((f["ours"], f["ours_min"], f["ours_max"], f["theirs"]), (20, 10, 30, 20))
        self.assertEqual((f["ratio"], f["ratio_min"], f["ratio_max"]), (1, 0.5, 1.5))
        # Shares of the same round, 0.5 0.75 0.8: not of the medians.
        self.assertAlmostEqual(f["ours_share"], 0.75)
        self.assertEqual(figures(row(bytes=0))["ours_share"], None)

    def test_a_goal_is_reached_by_all_of_its_parts(self):
        self.assertEqual([figures(r)["verdict"] for r in ROWS], ["reached", "missed", "reached", "reached", "missed", "not measured"])
        self.assertEqual(figures(row(goals=[["ratio", ">=", 1], ["share", ">=", 0.76]]))["verdict"], "missed")
        self.assertEqual(figures(row())["verdict"], "")

    def test_ours_with_a_small_cache_is_held_to_ours_with_f16(self):
        told = list(against_f16(ROWS))
        self.assertEqual([r["name"] for r in told], ["depth-decode-9-q8_0 / f16"])
        self.assertEqual((figures(told[0])["ratio"], figures(told[0])["verdict"]), (2, "reached"))

    def test_the_table_has_a_cell_for_each_title(self):
        self.assertEqual(table_line(ROWS[0]),
                         "| decode-x | 2 | 20.0 (10.0 to 30.0) | 20.0 (10.0 to 40.0) | 1.00 | 10 % | 25.0 | 75 % | 50 % | >= 1, >= 75% of GB/s | reached |")
        self.assertEqual(table_line(ROWS[5]), '| prefill-x | 2 | - | - | - | - | - | - | - | >= 2 | OSError: no "model", no row |')

    def test_the_drawing_has_a_bar_for_each_ratio(self):
        with tempfile.NamedTemporaryFile(suffix=".svg") as f:
            plot(f.name, ROWS, "a < b & c")
            drawn = xml.parse(f.name).getroot()
        width = float(drawn.get("viewBox").split()[2])
        bars = [(float(r.get("x")), float(r.get("width"))) for r in drawn.iter(SVG + "rect") if r.get("x")]
        self.assertEqual(len(bars), 4)  # without the one that has no ratio, and the one whose sides are no factor apart
        self.assertAlmostEqual(bars[0][1], 0)
        # Four times the speed and a quarter of the time are as long, and twice as long as two times.
        self.assertAlmostEqual(bars[2][1], bars[3][1], delta=0.2)
        for x, w in bars:
            self.assertTrue(0 <= x and x + w <= width)
        self.assertIn("a < b & c", [t.text for t in drawn.iter(SVG + "text")])


COUNTED = """# callgrind format
events: Ir
summary: 200

fl=(1) a.c
fn=(7) outer
28 10
+1 40
cfi=(2) b.c
cfn=(8) inner'2
calls=3 15
* 88
fi=(3) inlined.h
-4 5

fl=(2)
fn=(8)
154 16
* 2

fn=(9) inner
cfn=(7)
calls=1 28
12 143
13 1
"""


class Instructions(unittest.TestCase):
    def test_a_function_has_its_own_and_not_those_that_it_calls(self):
        self.assertEqual(own_instructions(COUNTED.splitlines(keepends=True)), {"outer": 55, "inner": 19})


class Command(unittest.TestCase):
    def peer(self, *arguments):
        return subprocess.run([os.path.join(BENCH, "peer"), *arguments], capture_output=True, text=True, env=dict(os.environ, HEADROOM_BUILD=BUILD))

    def test_what_was_kept_is_told_again(self):
        with tempfile.TemporaryDirectory() as folder:
            kept, table, drawing = (os.path.join(folder, name) for name in ("kept.json", "table.csv", "drawing.svg"))
            with open(kept, "w") as f:
                json.dump({"machine": "m", "date": "d", "headroom": "h", "llama.cpp": "l", "rows": ROWS}, f)
            done = self.peer("--from", kept, "--csv", table, "--plot", drawing)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stdout.count("\n"), 2 + len(ROWS) + 1)
            with open(table, newline="") as f:
                lines = list(csv.DictReader(f))
            xml.parse(drawing)
        self.assertEqual([line["row"] for line in lines], [r["name"] for r in ROWS] + ["depth-decode-9-q8_0 / f16"])
        self.assertEqual((lines[0]["ours"], lines[0]["ours_share"], lines[5]["ours"], lines[5]["note"]), ("20", "0.75", "", ROWS[5]["note"]))
        self.assertTrue(math.isclose(float(lines[3]["ratio"]), 0.25))

    def test_rows_are_chosen_by_name(self):
        listed = self.peer("--list", "prefill", "decode-*-q8_0").stdout.split("\n")[:-1]
        self.assertTrue(all(line.startswith("prefill-") for line in listed if not line.startswith("decode-1b-q8_0")), listed)
        self.assertIn("decode-1b-q8_0", [line.split()[0] for line in listed])
        wrong = self.peer("--list", "prefil")
        self.assertEqual((wrong.returncode, wrong.stdout), (1, ""))
        self.assertIn("--list names them", wrong.stderr)


if __name__ == "__main__":
    unittest.main()
