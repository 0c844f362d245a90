#!/usr/bin/env python3
"""engine_commands.py - every command of headroom-engine used wrongly: one line that names command and cause, and its exit status."""
import os
import subprocess
import sys
import tempfile

from headroomd import DEMO_MODEL as MODEL, ENGINE

FAILED, USAGE = 1, 2

# Arguments, exit status, and what the one line says. {M}: the demo model; {E}, {T}, {D}: an empty file, a cut one, a folder; {S}: a text.
ROWS = [
    ("--nope", USAGE, "headroom-engine: unknown command '--nope'"),
    ("run --nope {M}", USAGE, "headroom-engine run: unrecognized option '--nope'"),
    ("bench --nope {M}", USAGE, "headroom-engine bench: unrecognized option '--nope'"),
    ("logits --nope {M}", USAGE, "headroom-engine logits: unrecognized option '--nope'"),
    ("run {M} --prompt", USAGE, "headroom-engine run: option '--prompt' requires an argument"),
    ("run {M}", USAGE, "one MODEL and either --prompt or --file are needed"),
    ("run {M} --prompt hi -n x", USAGE, "-n: 'x' is not a possible value"),
    ("run {M} --prompt hi --kv q9", USAGE, "--kv: 'q9' is not a possible value"),
    ("run {M} --prompt hi --temp 9", FAILED, "temperature must be a number from 0 to 5"),
    ("run /nowhere.gguf --prompt hi", FAILED, "headroom-engine run: /nowhere.gguf: No such file or directory"),
    ("run {E} --prompt hi", FAILED, "{E}: the file is empty"),
    ("logits {T} --tokens 1", FAILED, "{T}: tensor 'token_embd.weight'"),
    ("bench {D}", FAILED, "{D}: this is a directory"),
    ("inspect {E}", FAILED, "headroom-engine inspect: {E}: the file is empty"),
    ("tokenize {E}", FAILED, "headroom-engine tokenize: {E}: the file is empty"),
    ("logits {M} --tokens 1,,2", USAGE, "--tokens: '1,,2' is not a possible value"),
    ("logits {M} --tokens 99999", FAILED, "token 99999 is not below the vocabulary's 1536"),
    ("bench {M} -p 0 -n 0", USAGE, "leaves nothing to measure"),
    ("perplexity {M}", USAGE, "one MODEL and one FILE are needed"),
    ("perplexity {M} {E}", FAILED, "{E}: shorter than 4 tokens"),
    ("perplexity {M} {M} --kv q9", USAGE, "--kv: 'q9' is not a possible value"),
    ("perplexity {M} /nowhere.txt", FAILED, "headroom-engine perplexity: /nowhere.txt: No such file or directory"),
    ("perplexity {M} {D}", FAILED, "{D}: Is a directory"),
    ("perplexity {E} {M}", FAILED, "{E}: the file is empty"),
    ("embed {M}", USAGE, "one MODEL and at least one text"),
    ("embed {M} hi --dimensions 0", USAGE, "--dimensions: '0' is not a possible value"),
    ("embed {M} hi --dimensions 129", FAILED, "dimensions must be a whole number from 1 to 128"),
    ("embed {M} hi --file /nowhere.txt", FAILED, "headroom-engine embed: /nowhere.txt: No such file or directory"),
    ("embed {E} hi", FAILED, "{E}: the file is empty"),
    ("worker --socket 99 --model-fd 98", FAILED, "headroom-engine worker: cannot look at the file: Bad file descriptor"),
]

# What prints something must fail where it cannot.
PRINTING = ["--help", "--version", "run --help", "run {M} --prompt hi --temp 0", "logits {M} --tokens 1", "tokenize {M}",
            "bench {M} -p 16 -n 4 -r 1 --json", "perplexity -q {M} {S}", "embed {M} hi", "inspect {M}", "inspect --json --summary {M}"]


def run(line, names, **kwargs):
    arguments = [word.format(**names) for word in line.split()]
    return subprocess.run([ENGINE, *arguments], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=60, **kwargs)


def errors_of(done):
    """Its lines, but for the one by which a build with sanitizers says that it runs without the sandbox."""
    return [line for line in done.stderr.splitlines() if "built with a sanitizer" not in line]


def test_wrong_use(names):
    for line, code, says in ROWS:
        done = run(line, names, stdout=subprocess.PIPE)
        lines = errors_of(done)
        assert done.returncode == code and done.stdout == "" and len(lines) == 1, (line, done)
        assert lines[0].startswith("headroom-engine") and says.format(**names) in lines[0], (line, lines)


def test_full_disk(names):
    for line in PRINTING:
        with open("/dev/full", "w") as full:
            done = run(line, names, stdout=full)
        lines = errors_of(done)
        assert done.returncode == FAILED and len(lines) == 1 and lines[0].endswith("No space left on device"), (line, done)


def main():
    with tempfile.TemporaryDirectory() as folder:
        names = {"M": MODEL, "E": os.path.join(folder, "empty"), "T": os.path.join(folder, "cut"), "D": folder,
                 "S": os.path.join(folder, "text")}
        open(names["E"], "w").close()
        with open(names["S"], "w") as text:
            text.write("What is a swap cliff? " * 20)
        with open(MODEL, "rb") as whole, open(names["T"], "wb") as cut:
            cut.write(whole.read(100000))
        test_wrong_use(names)
        test_full_disk(names)
    print("ok")


if __name__ == "__main__":
    sys.exit(main())
