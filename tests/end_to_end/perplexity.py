#!/usr/bin/env python3
"""perplexity.py - `headroom-engine perplexity`: against the logits themselves, of text the model knows and the same text in
disorder, for each precision of the KV cache, and what `headroomctl fit` shows of it afterwards."""
import glob
import json
import math
import os
import random
import subprocess
import sys
import tempfile

from headroomd import BUILD, DEMO, DEMO_MODEL as MODEL, ENGINE


def answers():
    """What the demo model has learnt by heart."""
    found = []
    for file in sorted(glob.glob(os.path.join(DEMO, "text", "*.txt"))):
        with open(file) as text:
            found += [line[3:].strip() for line in text if line.startswith("A: ")]
    return found


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w") as f:
        f.write(text)
    return path


def run(*arguments, **kwargs):
    return subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300,
                          check=True, **kwargs)


def measure(path, *options, **kwargs):
    return json.loads(run(ENGINE, "perplexity", MODEL, path, "--json", *options, **kwargs).stdout)


def by_hand(path, context, chunks):
    """The same number from what `tokenize` and `logits` print: mean and its standard error."""
    with open(path) as text:
        tokens = json.loads(run(ENGINE, "tokenize", MODEL, "--add-special", "--file", path).stdout)
    losses = []
    for chunk in range(chunks):
        ids = tokens[chunk * context:(chunk + 1) * context]
        first = context // 2
        steps = json.loads(run(ENGINE, "logits", MODEL, "--tokens", ",".join(map(str, ids[:first + 1])), "--then",
                               ",".join(map(str, ids[first + 1:-1]))).stdout)["steps"]
        assert [s["position"] for s in steps] == list(range(first, context - 1))
        for s in steps:
            most = max(s["logits"])
            total = math.fsum(math.exp(x - most) for x in s["logits"])
            losses.append(math.log(total) + most - s["logits"][ids[s["position"] + 1]])
    mean = math.fsum(losses) / len(losses)
    spread = math.fsum((x - mean) ** 2 for x in losses) / (len(losses) - 1)
    return mean, math.sqrt(spread / len(losses))


def test_by_hand(path):
    told = measure(path, "--context", "64", "--chunks", "2")
    mean, error = by_hand(path, 64, 2)
    f16 = told["kv"]["f16"]
    assert told["chunks"] == 2 and told["counted"] == 2 * 31 and told["bos"] is False, told
    assert abs(f16["nll"] - mean) < 1e-4 and abs(f16["nll_error"] - error) < 1e-4, (f16, mean, error)
    assert abs(f16["perplexity"] / math.exp(mean) - 1) < 1e-3, f16


def test_known_and_shuffled(known, shuffled):
    a, b = (measure(path, "--context", "256", "--kv", "all") for path in (known, shuffled))
    for kv in ("f16", "q8_0", "q4_0"):
        assert a["kv"][kv]["perplexity"] * 100 < b["kv"][kv]["perplexity"], (a, b)
    q8, q4 = a["kv"]["q8_0"], a["kv"]["q4_0"]
    assert abs(q8["perplexity"] / a["kv"]["f16"]["perplexity"] - 1) < 0.01, a
    assert abs(q8["nll"] - a["kv"]["f16"]["nll"] - q8["difference"]) < 1e-6, a
    assert abs(q8["difference"]) < abs(q4["difference"]) < 0.1, a
    assert q8["difference_error"] < a["kv"]["f16"]["nll_error"] / 10, a  # token by token, the text's own spread is gone
    print(f"known {a['kv']['f16']['perplexity']:.2f}, shuffled {b['kv']['f16']['perplexity']:.0f}; "
          f"q8_0 {100 * math.expm1(q8['difference']):+.3f} %, q4_0 {100 * math.expm1(q4['difference']):+.3f} %")


def test_one_alone_is_the_same(known):
    """What comes out does not depend on what else is measured, nor on the threads."""
    together = measure(known, "--context", "128", "--kv", "all", "--chunks", "8")["kv"]["q4_0"]
    alone = measure(known, "--context", "128", "--kv", "q4_0", "--chunks", "8", "--threads", "1")["kv"]["q4_0"]
    assert {k: together[k] for k in alone} == alone and "difference" not in alone, (together, alone)


def test_fit_shows_it(folder, known):
    env = dict(os.environ, XDG_STATE_HOME=os.path.join(folder, "state"))
    fit = [os.path.join(BUILD, "headroomctl"), "fit", "--bandwidth", "0"]
    assert json.loads(run(*fit, "--json", MODEL, env=env).stdout)["quality"] is None
    assert "quality" not in run(*fit, MODEL, env=env).stdout
    told = measure(known, "--context", "256", "--kv", "all", "--save", env=env)
    other = os.path.join(folder, "another-name.gguf")  # the model is known by what is in its file
    os.symlink(MODEL, other)
    quality = json.loads(run(*fit, "--json", other, env=env).stdout)["quality"]
    assert quality["text"] == "known.txt" and quality["context"] == 256 and quality["counted"] == told["counted"], quality
    assert abs(quality["kv"]["f16"]["perplexity"] - told["kv"]["f16"]["perplexity"]) < 1e-6, quality
    line = next(line for line in run(*fit, other, env=env).stdout.splitlines() if line.startswith("quality"))
    assert "in f16" in line and "in q8_0" in line and "in q4_0" in line and "known.txt" in line, line


def test_progress(known):
    done = run(ENGINE, "perplexity", MODEL, known, "--context", "64")
    assert "chunk" in done.stderr and "0 s left" in done.stderr, done.stderr  # the last line always
    assert run(ENGINE, "perplexity", "--quiet", MODEL, known, "--context", "64").stderr.count("chunk") == 0


def main():
    words = " ".join(answers()).split()
    random.Random(1).shuffle(words)
    with tempfile.TemporaryDirectory() as folder:
        known, shuffled = write(folder, "known.txt", "\n".join(answers())), write(folder, "shuffled.txt", " ".join(words))
        test_by_hand(known)
        test_known_and_shuffled(known, shuffled)
        test_one_alone_is_the_same(known)
        test_fit_shows_it(folder, known)
        test_progress(known)
    print("ok")


if __name__ == "__main__":
    sys.exit(main())
