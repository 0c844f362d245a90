#!/usr/bin/env python3
"""Compares `headroom-engine logits` with an independent engine on the reference models.

For each model: the logits after a prompt of 32 tokens and after each of 8 more, for every precision of the KV cache,
against the exact answer for that file (weights as stored, arithmetic in floats, KV in floats). NMSE is the mean squared
difference over the variance of the exact logits.

Tolerances. Weights in floats or in blocks of 32 meet activations in floats or 16 bits, so only the KV cache's f16 is
between us and the exact answer: NMSE 1e-5, largest difference 0.05 at a logit deviation of 3. (The F32, F16 and BF16
files of a name hold the same weights, and the reference rounds activations for the last two: its F32 run is the exact one
for all three.) K-quants meet 8-bit activations: NMSE 0.005. A quantised KV cache may cost twice what the reference's own
cache of that type costs; the reference rotates keys and values before it quantises them, we keys alone (docs/kv-cache.md).
"""
import json
import math
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("HEADROOM_BUILD", os.path.join(ROOT, "build"))
REFDATA = os.environ.get("HEADROOM_REFDATA", os.path.join(ROOT, "..", "shared", "refdata"))
ENGINE = os.path.join(BUILD, "headroom-engine")

TYPES = ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_K", "Q4_K_M", "Q5_K", "Q5_K_M", "Q6_K")
MODELS = ("llama", "llama-moe", "llama-rope-linear", "llama-rope-llama3", "llama-rope-yarn", "mistral", "qwen2", "qwen3", "qwen3moe", "gemma2", "gemma3", "phi3")
FLOAT_TYPES = ("F32", "F16", "BF16")
EXACT_TYPES = FLOAT_TYPES + ("Q8_0", "Q4_0")
EXACT_NMSE, EXACT_DIFFERENCE = 1e-5, 0.05
QUANTISED_NMSE = 0.005
KV_TYPES = ("f16", "q8_0", "q4_0")
KV_FACTOR = 2
GREEDY_MARGIN = 0.05


def engine_logits(path, tokens, then, *options):
    command = [ENGINE, "logits", path, "--tokens", ",".join(map(str, tokens)), *options]
    if then:
        command += ["--then", ",".join(map(str, then))]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return [step["logits"] for step in json.loads(done.stdout)["steps"]]


def dense(logits):
    """The reference gives a full vector, or the largest as {ids, logits}: pairs of index and value either way."""
    return list(zip(logits["ids"], logits["logits"])) if isinstance(logits, dict) else list(enumerate(logits))


def compare(ours, theirs):
    """Largest difference, NMSE, and how often the greedy token is the same."""
    largest = squares = variance = agree = count = 0
    for mine, reference in zip(ours, theirs):
        pairs = dense(reference)
        mean = sum(value for _, value in pairs) / len(pairs)
        for index, value in pairs:
            difference = mine[index] - value
            largest = max(largest, abs(difference))
            squares += difference * difference
            variance += (value - mean) ** 2
            count += 1
        agree += max(range(len(mine)), key=mine.__getitem__) == max(pairs, key=lambda pair: pair[1])[0]
    return largest, squares / variance, agree / len(theirs)


def own_nmse(reference, exact, kv):
    """What the reference's own cache of that type costs against the exact answer, over the tokens it lists."""
    run = reference["runs"].get(f"kv_{kv}_fa")
    if not run:
        return 0.0
    squares = sum((value - full[index]) ** 2 for step, full in zip(run["logits"], exact) for index, value in dense(step))
    listed = sum(len(dense(step)) for step in run["logits"])
    everything = [value for full in exact for value in full]
    mean = sum(everything) / len(everything)
    return squares / listed / (sum((value - mean) ** 2 for value in everything) / len(everything))


def allowed(kind, kv, reference, exact):
    base = EXACT_NMSE if kind in EXACT_TYPES else QUANTISED_NMSE
    return base if kv == "f16" else max(base, KV_FACTOR * own_nmse(reference, exact, kv))


def exact_logits(model, kind, runs):
    if kind not in FLOAT_TYPES:
        return runs["dequant_kv_f32"]["logits"]
    with open(os.path.join(REFDATA, "ref", f"{model}-F32.json"), encoding="utf-8") as file:
        return json.load(file)["runs"]["kv_f32"]["logits"]


def check_model(model, kind):
    """Prints a row per KV type; the number of rows out of tolerance."""
    path = os.path.join(REFDATA, "tiny", f"{model}-{kind}.gguf")
    with open(os.path.join(REFDATA, "ref", f"{model}-{kind}.json"), encoding="utf-8") as file:
        reference = json.load(file)
    runs = reference["runs"]
    exact = exact_logits(model, kind, runs)
    bad = 0
    for kv in KV_TYPES:
        if f"kv_{kv}_fa" not in runs:
            continue
        ours = engine_logits(path, reference["prompt"], reference["continuation"], "--kv", kv, "--threads", "2")
        largest, nmse, agree = compare(ours, exact)
        limit = allowed(kind, kv, reference, exact)
        fine = nmse <= limit and (kv != "f16" or kind not in EXACT_TYPES or largest <= EXACT_DIFFERENCE)
        bad += not fine
        print(f"{model + '-' + kind:24} {kv:5} {largest:9.4f} {nmse:10.6f} {limit:9.5f} {own_nmse(reference, exact, kv):10.6f} {agree:7.0%}"
              f"  {'ok' if fine else 'OUT OF TOLERANCE'}")
    return bad


def greedy(path, prompt, then, threads):
    return [max(range(len(step)), key=step.__getitem__) for step in engine_logits(path, prompt, then, "--threads", str(threads))]


def check_greedy(name):
    """Greedy tokens of a trained model equal the reference's up to its first small margin."""
    path = os.path.join(REFDATA, "real", name + ".gguf")
    with open(os.path.join(REFDATA, "real", name + ".json"), encoding="utf-8") as file:
        reference = json.load(file)
    run = reference["runs"]["kv_f16_fa"]
    sure = next((i for i, margin in enumerate(run["greedy_margin"]) if margin < GREEDY_MARGIN), len(run["greedy"]))
    wanted = run["greedy"][:sure]
    bad = 0
    for threads in (1, 2):
        # Feeding the reference's tokens asks the same as feeding our own: the first disagreement ends both.
        ours = greedy(path, reference["prompt"], wanted[:-1], threads) if wanted else []
        same = next((i for i, (mine, theirs) in enumerate(zip(ours, wanted)) if mine != theirs), len(wanted))
        bad += same < len(wanted)
        print(f"{name:24} greedy, {threads} thread{'s' if threads > 1 else ' '}  {same} of {len(wanted)} tokens before the first margin under"
              f" {GREEDY_MARGIN}  {'ok' if same == len(wanted) else 'DIFFERENT'}")
    largest, nmse, agree = compare(engine_logits(path, reference["prompt"], reference["continuation"]), reference["runs"]["kv_f32"]["logits"])
    print(f"{name:24} f16   {largest:9.4f} {nmse:10.6f} {'':20} {agree:7.0%}")
    return bad


def main():
    if not os.path.isdir(os.path.join(REFDATA, "ref")):
        print("SKIP no reference data (HEADROOM_REFDATA)")
        return 77
    bad = 0
    print(f"{'model':24} {'kv':5} {'max diff':>9} {'NMSE':>10} {'allowed':>9} {'its own':>10} {'greedy':>7}")
    for model in MODELS:
        for kind in TYPES:
            if os.path.exists(os.path.join(REFDATA, "ref", f"{model}-{kind}.json")):
                bad += check_model(model, kind)
    for kind in TYPES:
        if os.path.exists(os.path.join(REFDATA, "real", f"stories260K-{kind}.json")):
            bad += check_greedy(f"stories260K-{kind}")
    print("all within tolerance" if not bad else f"{bad} out of tolerance")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
