#!/usr/bin/env python3
"""Writes unicode_table.c: general categories, simple lower case and canonical decomposition of all code points.

usage: make_unicode_table.py > unicode_table.c

Everything comes from Python's unicodedata, so the Unicode version is that of the Python that runs this. Hangul
syllables are left out of the decompositions: those are computed.
"""
import sys
import unicodedata

CATEGORIES = ("Cn Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co Cs").split()
HANGUL = range(0xAC00, 0xD7A4)
CODES = range(sys.maxunicode + 1)


def category_runs():
    """first << 5 | category for each run of code points of one category."""
    current = None
    for code in CODES:
        now = CATEGORIES.index(unicodedata.category(chr(code)))
        if now != current:
            yield "0x%08x," % (code << 5 | now)
            current = now


def lower_of(code):
    lower = chr(code).lower()
    if len(lower) > 1:          # the simple mapping of U+0130 is its base
        lower = lower[0]
    return ord(lower)


def lower_runs():
    """{ first, last, distance, step }: every STEP-th code point of the run is DISTANCE away from its lower case."""
    runs = []
    for code in CODES:
        distance = lower_of(code) - code
        if distance == 0:
            continue
        last = runs[-1] if runs else None
        if last and last[2] == distance and code - last[1] in (1, 2) and last[3] in (0, code - last[1]):
            last[3] = code - last[1]
            last[1] = code
        else:
            runs.append([code, code, distance, 0])
    return ["{ 0x%x, 0x%x, %d, %d }," % (first, last, distance, step or 1) for first, last, distance, step in runs]


def decompositions():
    for code in CODES:
        text = unicodedata.normalize("NFD", chr(code))
        if code not in HANGUL and text != chr(code):
            assert len(text) <= 4
            yield "{ 0x%x, { %s } }," % (code, ", ".join("0x%x" % ord(c) for c in text))


def table(declaration, name, rows, per_line):
    rows = list(rows)
    print("\nconst %s %s[] = {" % (declaration, name))
    for i in range(0, len(rows), per_line):
        print("        " + " ".join(rows[i:i + per_line]))
    print("};\nconst uint32_t %s_count = %d;" % (name, len(rows)))


def main():
    print("/*\n * unicode_table.c - made by make_unicode_table.py from Unicode %s; do not edit.\n */"
          % unicodedata.unidata_version)
    print('#include "engine/unicode/unicode_table.h"')
    table("uint32_t", "unicode_categories", category_runs(), 10)
    table("struct unicode_lower_run", "unicode_lower_runs", lower_runs(), 4)
    table("struct unicode_decomposition", "unicode_decompositions", decompositions(), 4)


main()
