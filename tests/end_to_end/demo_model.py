#!/usr/bin/env python3
"""The committed demo models answer what they were taught, through the engine, in every precision of the KV cache.

Every third trained question, greedily. DEMO_MODEL_EVERY=1 asks all; DEMO_MODEL_DIR tries other files."""

import concurrent.futures
import glob
import os
import subprocess
import sys

from headroomd import DEMO as TEXT, ENGINE

MODELS = os.environ.get("DEMO_MODEL_DIR", TEXT)
EVERY = int(os.environ.get("DEMO_MODEL_EVERY", "3"))
LEAST_EXACT = 0.95


def questions(every=EVERY):
    pairs = []
    for path in sorted(glob.glob(os.path.join(TEXT, "text", "*.txt"))):
        phrasings = []
        with open(path, encoding="ascii") as lines:
            for line in lines:
                if line.startswith("Q:"):
                    phrasings.append(line[2:].strip())
                elif line.startswith("A:"):
                    pairs += [(question, line[2:].strip()) for question in phrasings]
                    phrasings = []
    return pairs[::every]


def ask(model, kv, question):
    done = subprocess.run([ENGINE, "run", os.path.join(MODELS, model), "--chat", "--prompt", question, "--temp", "0",
                           "--kv", kv, "--threads", "1"], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


def main():
    pairs = questions()
    failed = False
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for model in ("headroom-demo.gguf", "headroom-demo-small.gguf"):
            for kv in ("f16", "q8_0", "q4_0"):
                answers = list(pool.map(lambda pair: ask(model, kv, pair[0]), pairs))
                wrong = [(pair, answer) for pair, answer in zip(pairs, answers) if answer != pair[1]]
                exact = 1 - len(wrong) / len(pairs)
                print(f"{model} {kv}: {len(pairs) - len(wrong)} of {len(pairs)} exact ({100 * exact:.1f} %)")
                for (question, expected), answer in wrong[:3]:
                    print(f"  asked {question!r}, expected {expected!r}, answered {answer!r}")
                failed |= exact < LEAST_EXACT
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
