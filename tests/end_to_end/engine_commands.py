#!/usr/bin/env python3
"""engine_commands.py - every command of headroom-engine used wrongly: one line that names command and cause, and its exit status."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

from headroomd import DEMO_MODEL as MODEL, ENGINE

FAILED, USAGE = 1, 2
MAN_PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "man", "headroom-engine.1.scd")

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
    ("run {M} --prompt hi --json-schema {E}", FAILED, "{E}: is not JSON"),
    ("run {M} --prompt hi --grammar {E}x", FAILED, "{E}x: No such file or directory"),
    ("run {M} --prompt hi --temp 9", FAILED, "temperature must be a number from 0 to 5"),
    ("run /nowhere.gguf --prompt hi", FAILED, "headroom-engine run: /nowhere.gguf: No such file or directory"),
    ("run {E} --prompt hi", FAILED, "{E}: the file is empty"),
    ("logits {T} --tokens 1", FAILED, "{T}: it is cut off: 100000 of "),
    ("bench {D}", FAILED, "{D}: this is a directory"),
    ("inspect {E}", FAILED, "headroom-engine inspect: {E}: the file is empty"),
    ("tokenize {E}", FAILED, "headroom-engine tokenize: {E}: the file is empty"),
    ("tokenize {M} {M}", USAGE, "headroom-engine tokenize: one MODEL is needed"),
    ("inspect {M} --fd 0", USAGE, "one FILE, or its descriptors by --fd, are needed"),
    ("template {M}", USAGE, "one MODEL or --file, and --messages, are needed"),
    ("worker --socket 3", USAGE, "one --socket and --model-fd are needed"),
    ("worker --parallel 65 --socket 3 --model-fd 4", USAGE, "--parallel: '65' is not a possible value (1 to 64 are)"),
    ("logits {M} --tokens 1,,2", USAGE, "--tokens: '1,,2' is not a possible value"),
    ("logits {M} --tokens 99999", FAILED, "token 99999 is not below the vocabulary's 1536"),
    ("embed --nope {M}", USAGE, "headroom-engine embed: unrecognized option '--nope'"),
    ("embed {M}", USAGE, "one MODEL and one of TEXT, --file and --tokens are needed"),
    ("embed {M} hi --tokens 1", USAGE, "one MODEL and one of TEXT, --file and --tokens are needed"),
    ("embed {M} hi hi", USAGE, "one MODEL and one of TEXT, --file and --tokens are needed"),
    ("embed {M} hi --dimensions 0", USAGE, "--dimensions: '0' is not a possible value (1 to "),
    ("embed {M} hi --dimensions 129", FAILED, "--dimensions 129: the model's vectors have 128"),
    ("embed {M} --file {E}x", FAILED, "{E}x: No such file or directory"),
    ("embed {M} --file {E}", FAILED, "{E}: holds no text"),
    ("embed {M} --file {S}", FAILED, "text 1 has "),
    ("embed {M} hi --pooling sum", USAGE, "--pooling: 'sum' is not a possible value"),
    ("embed {M} --tokens 99999", FAILED, "token 99999 is not below the vocabulary's 1536"),
    ("embed {E} hi", FAILED, "headroom-engine embed: {E}: the file is empty"),
    ("bench {M} -p 0 -n 0", USAGE, "leaves nothing to measure"),
    ("perplexity {M}", USAGE, "one MODEL and one FILE are needed"),
    ("perplexity {M} {E}", FAILED, "{E}: shorter than 4 tokens"),
    ("perplexity {M} {M} --kv q9", USAGE, "--kv: 'q9' is not a possible value"),
    ("perplexity {M} /nowhere.txt", FAILED, "headroom-engine perplexity: /nowhere.txt: No such file or directory"),
    ("perplexity {M} {D}", FAILED, "{D}: Is a directory"),
    ("perplexity {E} {M}", FAILED, "{E}: the file is empty"),
    ("worker --socket 99 --model-fd 98", FAILED, "headroom-engine worker: cannot look at the file: Bad file descriptor"),
]

# A command that prints must fail where it cannot.
PRINTING = ["--help", "--version", "run --help", "run {M} --prompt hi --temp 0", "logits {M} --tokens 1", "tokenize {M}", "embed {M} hi",
            "bench {M} -p 16 -n 4 -r 1 --json", "perplexity -q {M} {S}", "inspect {M}", "inspect --json --summary {M}"]


def run(line, names, **kwargs):
    arguments = [word.format(**names) for word in line.split()]
    return subprocess.run([ENGINE, *arguments], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=60, **kwargs)


def errors_of(done):
    """Its lines, but for the one by which a build that is watched says that it runs without the sandbox."""
    return [line for line in done.stderr.splitlines() if "neither Landlock nor seccomp is in force" not in line]


def test_wrong_use(names):
    for line, code, says in ROWS:
        done = run(line, names, stdout=subprocess.PIPE)
        lines = errors_of(done)
        assert done.returncode == code and done.stdout == "" and len(lines) == 1, (line, done)
        assert lines[0].startswith("headroom-engine") and says.format(**names) in lines[0], (line, lines)


def helped_options():
    """{command: its options}, as --help has them."""
    def told(line):
        return run(line, {}, stdout=subprocess.PIPE).stdout.split("\n\n")
    options = {}
    for row in told("--help")[-2].splitlines()[1:]:
        command = row.split()[0]
        rows = [row for row in told(f"{command} --help")[-1].splitlines() if row.startswith(("  -", "      --"))]
        options[command] = {word for row in rows for word in re.findall(r"(?<!\S)--?[a-z][a-z-]*", re.split(r"(?<=\S)  +", row)[0])}
    return options


def test_id_in_place_of_a_path():
    """The id of a model in the user's models directory, of one file and of several parts; what is a path stays one."""
    with tempfile.TemporaryDirectory() as home:
        models = os.path.join(home, "headroom/models/more")
        os.makedirs(models)
        for name in ("tiny.gguf", "split-00001-of-00001.gguf"):
            shutil.copy(MODEL, os.path.join(models, name))
        env = dict(os.environ, XDG_DATA_HOME=home)
        for name, code in (("more/tiny", 0), ("more/split", 0), ("more/none", 1), ("tiny", 1), ("./more/tiny", 1), ("more/t*", 1)):
            for command in (["inspect", name], ["run", name, "--prompt", "a", "-n", "1"]):
                done = subprocess.run([ENGINE, *command], env=env, capture_output=True, text=True, timeout=60)
                assert done.returncode == code, (command, done.stderr)


def test_man_page():
    """All options of --help are in the man page, below a title that names their command, and it tells of no others."""
    helped = helped_options()
    assert set(helped) == {"inspect", "tokenize", "template", "logits", "embed", "bench", "perplexity", "run", "worker"}, helped
    with open(MAN_PAGE, encoding="utf-8") as page:
        text = page.read()
    told = {command: {"-h", "--help"} for command in helped}
    for title, body in re.findall(r"^## (.*)\n((?:(?!#).*\n)*)", text, flags=re.M):
        found, commands = set(re.findall(r"\*(--?[a-z][a-z-]*)", body)), title.split(", ")
        assert found <= set().union(*(helped[command] for command in commands)), (title, found)
        for command in commands:
            told[command] |= found
    for command, options in helped.items():
        assert options <= told[command], (command, options - told[command])
        assert f"*headroom-engine* *{command}*" in text and re.search(rf"^\*{command}\*", text, flags=re.M), command


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
            text.write("What is a swap cliff? " * 200)
        with open(MODEL, "rb") as whole, open(names["T"], "wb") as cut:
            cut.write(whole.read(100000))
        test_wrong_use(names)
        test_man_page()
        test_id_in_place_of_a_path()
        test_full_disk(names)
    print("ok")


if __name__ == "__main__":
    sys.exit(main())
