#!/usr/bin/env python3
"""Compares `headroom-engine tokenize` with an independent engine, token by token.

Reads the reference data beside the project (../shared/refdata, or $HEADROOM_REFDATA): vocabulary files with texts and
their tokens, the texts of tokenize.json with and without special tokens and back, and the text of each tiny model. Sends
random texts and bytes there and back through each vocabulary that keeps them ($HEADROOM_ROUND_TRIPS of them; 100000
is the long run).
Prints a table; fails on the first difference of each kind, is skipped where there is no reference data.
"""
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
ENGINE = pathlib.Path(os.environ.get("HEADROOM_BUILD", ROOT / "build")) / "headroom-engine"
REFDATA = pathlib.Path(os.environ.get("HEADROOM_REFDATA", ROOT.parent / "shared" / "refdata"))
SEPARATOR = b"\n__ggml_vocab_test__\n"
FLAGS = {
    "nospecial": [],
    "nospecial_parse": ["--parse-special"],
    "special": ["--add-special"],
    "special_parse": ["--add-special", "--parse-special"],
}
ROUND_TRIPS = int(os.environ.get("HEADROOM_ROUND_TRIPS", "2000"))
LOSSY = ("bert",)         # takes capitals and accents away
SKIPPED = 77


def run(model, flags, data):
    done = subprocess.run([ENGINE, "tokenize", model, *flags], input=data, capture_output=True)
    if done.returncode != 0:
        raise SystemExit("FAIL %s: exit status %d: %s" % (model.name, done.returncode, done.stderr.decode()))
    return done.stdout


class Tally:
    """The cases of one file and kind: how many, how many were equal, and the first that was not."""

    def __init__(self, model, kind):
        self.model, self.kind, self.equal, self.count, self.first = model, kind, 0, 0, None

    def add(self, what, got, wanted):
        self.count += 1
        self.equal += got == wanted
        if got != wanted and self.first is None:
            self.first = "%s: %s:\n  got    %s\n  wanted %s" % (self.model.name, what, got, wanted)

    def tokens(self, what, flags, data, wanted):
        self.add(what, json.loads(run(self.model, flags, data)), wanted)


def texts_of_vocabulary(model):
    if not (model.parent / (model.name + ".inp")).exists():
        return []
    tally = Tally(model, "texts")
    texts = (model.parent / (model.name + ".inp")).read_bytes().split(SEPARATOR)
    lines = (model.parent / (model.name + ".out")).read_text().split("\n")
    for text, line in zip(texts, lines):
        tally.tokens(repr(text), [], text, [int(word) for word in line.split()])
    return [tally]


def special_and_back(model, cases):
    tallies = [Tally(model, name) for name in FLAGS] + [Tally(model, "back to text")]
    for case in cases:
        for tally in tallies[:-1]:
            tally.tokens(repr(case["text"]), FLAGS[tally.kind], case["text"].encode(), case[tally.kind])
        ids = json.dumps(case["nospecial_parse"]).encode()
        tallies[-1].add(repr(case["text"]), run(model, ["--decode"], ids).decode(), case["detok"])
    return tallies


def there_and_back(model):
    """One case, whose first difference the tool shows by itself."""
    if ROUND_TRIPS == 0 or any(word in model.name for word in LOSSY):
        return []
    done = subprocess.run([ENGINE.parent / "tools" / "bench-tokenizer", model, "--round-trips", str(ROUND_TRIPS)],
                          capture_output=True)
    tally = Tally(model, "round trips")
    said = (done.stderr + done.stdout).decode(errors="backslashreplace")
    tally.add("random texts", said.split(";")[0], "%d random texts came back" % ROUND_TRIPS)
    return [tally]


def text_of_model(model, reference):
    tally = Tally(model, "model's text")
    tally.tokens("text", ["--add-special"], reference["text"].encode(), reference["text_tokens"])
    return [tally]


def jobs():
    """What to do with each model."""
    for entry in json.loads((REFDATA / "vocab" / "tokenize.json").read_text()):
        model = next(REFDATA.glob("*/" + entry["file"]))
        yield lambda m=model, c=entry["cases"]: texts_of_vocabulary(m) + special_and_back(m, c) + there_and_back(m)
    for folder in ("tiny", "real"):
        for model in sorted((REFDATA / folder).glob("*.gguf")):
            path = REFDATA / ("ref" if folder == "tiny" else "real") / (model.stem + ".json")
            reference = json.loads(path.read_text()) if path.exists() else {}
            if "text_tokens" in reference:
                yield lambda m=model, r=reference: text_of_model(m, r)


def main():
    if not (REFDATA / "vocab" / "tokenize.json").exists():
        print("SKIP conformance of tokenizers: no reference data in %s" % REFDATA)
        return SKIPPED
    tallies = [tally for job in jobs() for tally in job()]
    print("%-32s %-16s %6s %6s" % ("file", "kind", "cases", "equal"))
    for tally in tallies:
        print("%-32s %-16s %6d %6d" % (tally.model.name, tally.kind, tally.count, tally.equal))
    wrong = [tally.first for tally in tallies if tally.first]
    print("\n%d of %d cases equal" % (sum(t.equal for t in tallies), sum(t.count for t in tallies)))
    for first in wrong:
        print("FAIL " + first)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
