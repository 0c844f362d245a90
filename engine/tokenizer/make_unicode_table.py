#!/usr/bin/env python3
"""Writes unicode_table.c: which code points are letters, numbers and white space.

usage: make_unicode_table.py > unicode_table.c

Letters are the general categories L*, numbers N*, white space is the property White_Space, which is Z* and six
control characters. The Unicode version is that of the Python that runs this.
"""
import sys
import unicodedata

WHITE_CONTROLS = {0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x85}
PER_LINE = 3


def kind(code):
    category = unicodedata.category(chr(code))
    if category[0] == "L":
        return "UNICODE_LETTER"
    if category[0] == "N":
        return "UNICODE_NUMBER"
    if category[0] == "Z" or code in WHITE_CONTROLS:
        return "UNICODE_SPACE"
    return None


def ranges():
    start, current = 0, None
    for code in range(sys.maxunicode + 2):
        now = kind(code) if code <= sys.maxunicode else None
        if now != current:
            if current:
                yield start, code - 1, current
            start, current = code, now


def main():
    rows = ["{ 0x%05x, 0x%05x, %s }," % row for row in ranges()]
    print("/*\n * unicode_table.c - made by make_unicode_table.py from Unicode %s; do not edit.\n */"
          % unicodedata.unidata_version)
    print('#include "engine/tokenizer/unicode.h"\n')
    print("const struct unicode_range unicode_ranges[] = {")
    for i in range(0, len(rows), PER_LINE):
        print("        " + " ".join(rows[i:i + PER_LINE]))
    print("};\n\nconst uint32_t unicode_ranges_count = %d;" % len(rows))


main()
