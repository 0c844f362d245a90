#!/usr/bin/env python3
"""Compares `headroom-engine logits` with an independent engine on the reference models.

For each model of every architecture: the logits after a prompt of 32 tokens and after each of 8 more, for every precision of
the KV cache, against the exact answer for that file (weights as stored, arithmetic in floats, KV in floats). NMSE is the mean
squared difference over the variance of the exact logits. A prompt taken in token by token, and all 40 tokens at once, must give
the same logits to the last bit. A model with a tensor type that this build cannot compute with is named and skipped.

Tolerances. Weights in floats or in blocks of 32 meet activations in floats or 16 bits, so only the KV cache's f16 is
between us and the exact answer: NMSE 1e-5, largest difference 0.05 at a logit deviation of 3. (The F32, F16 and BF16
files of a name hold the same weights, and the reference rounds activations for the last two: its F32 run is the exact one
for all three.) K-quants and IQ4_XS meet 8-bit activations: NMSE 0.005. A quantised KV cache may cost twice what the reference's own
cache of that type costs; the reference rotates keys and values before it quantises them, we keys alone (docs/kv-cache.md).
A mixture of experts whose scores nearly tie goes another way after the smallest rounding, and then gives other numbers. The
reference, which rounds activations as we do, shows where: it has run each file with float caches of several kinds, and they part
from the exact answer at the same positions as we. So each position of a mixture of K-quants may be twice as far off as the
farthest of those runs there, and all together 0.0075, or as far as the farthest of those runs and a tenth: a single position that
parts makes most of it, and what is near a tie falls as the roundings of a set of kernels have it.
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

FLOAT_TYPES = ("F32", "F16", "BF16")
EXACT_TYPES = FLOAT_TYPES + ("Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "IQ4_NL")
EXACT_NMSE, EXACT_DIFFERENCE = 1e-5, 0.05
QUANTISED_NMSE = 0.005
SCORE_DIFFERENCE = 2e-3  # what the reference rounds, and activations of the K-quants
VECTOR_NMSE = 1e-5
EXPERTS_NMSE, EXPERTS_FACTOR, EXPERTS_ROUNDING = 0.0075, 2, 1.1
FLOAT_RUNS = ("kv_f32", "kv_f16", "kv_f16_fa")  # of the reference: the caches that round next to nothing
KV_TYPES = ("f16", "q8_0", "q4_0")
KV_FACTOR = 2
GREEDY_MARGIN = 0.05


class Skipped(Exception):
    """The engine says that it cannot compute with a type of the file."""


def engine_says(command, path, tokens, *options):
    done = subprocess.run([ENGINE, command, path, "--tokens", ",".join(map(str, tokens)), *options], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False)
    if "cannot compute with" in done.stderr:
        raise Skipped(done.stderr.strip().split(": ")[-1])
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)


def engine_logits(path, tokens, then, *options):
    if then:
        options += ("--then", ",".join(map(str, then)))
    return [step["logits"] for step in engine_says("logits", path, tokens, *options)["steps"]]


def dense(logits):
    """The reference gives a full vector, or the largest as {ids, logits}: pairs of index and value either way."""
    return list(zip(logits["ids"], logits["logits"])) if isinstance(logits, dict) else list(enumerate(logits))


def compare_step(mine, pairs):
    """Largest and mean difference, and NMSE, of one vector."""
    mean = sum(value for _, value in pairs) / len(pairs)
    differences = [abs(mine[index] - value) for index, value in pairs]
    squares = sum(d * d for d in differences)
    return max(differences), sum(differences) / len(differences), squares / sum((value - mean) ** 2 for _, value in pairs)


def compare(ours, theirs):
    """Over all steps: largest and mean difference, NMSE, how often the greedy token is the same; and the NMSE of each step."""
    steps = [compare_step(mine, dense(reference)) for mine, reference in zip(ours, theirs)]
    greedy_same = sum(max(range(len(mine)), key=mine.__getitem__) == max(dense(reference), key=lambda pair: pair[1])[0]
                      for mine, reference in zip(ours, theirs))
    nmses = [step[2] for step in steps]
    count = len(steps)
    return max(step[0] for step in steps), sum(step[1] for step in steps) / count, sum(nmses) / count, greedy_same / count, nmses


def own_nmses(run, exact):
    """What a run of the reference itself costs against the exact answer, step by step, over the tokens it lists."""
    nmses = []
    for step, full in zip(run["logits"], exact):
        pairs = dense(step)
        mean = sum(full) / len(full)
        variance = sum((value - mean) ** 2 for value in full) / len(full)
        nmses.append(sum((value - full[index]) ** 2 for index, value in pairs) / len(pairs) / variance)
    return nmses


def mean_of(values):
    return sum(values) / len(values)


def limits(name, kind, kv, reference, exact):
    """The most that the NMSE may be, over all steps and at each."""
    base = EXACT_NMSE if kind in EXACT_TYPES else QUANTISED_NMSE
    over_all, at_each = base, [math.inf] * len(exact)
    if "moe" in name and kind not in EXACT_TYPES:
        own = [own_nmses(reference["runs"][run], exact) for run in FLOAT_RUNS]
        over_all = max(EXPERTS_NMSE, *(EXPERTS_ROUNDING * mean_of(steps) for steps in own))
        at_each = [max(base, EXPERTS_FACTOR * max(steps)) for steps in zip(*own)]
    if kv == "f16":
        return over_all, at_each
    return max(over_all, KV_FACTOR * mean_of(own_nmses(reference["runs"][f"kv_{kv}_fa"], exact))), [math.inf] * len(exact)


def exact_logits(model, kind, runs):
    if kind not in FLOAT_TYPES:
        return runs["dequant_kv_f32"]["logits"]
    with open(os.path.join(REFDATA, "ref", f"{model}-F32.json"), encoding="utf-8") as file:
        return json.load(file)["runs"]["kv_f32"]["logits"]


def within(kind, kv, limit, at_each, found):
    largest, _, nmse, _, nmses = found
    exact = kv == "f16" and kind in EXACT_TYPES
    return nmse <= limit and all(n <= most for n, most in zip(nmses, at_each)) and (not exact or largest <= EXACT_DIFFERENCE)


def same_bits(path, reference, ours, kv):
    """However the tokens were cut into passes: one at a time, and all at once."""
    prompt, continuation = reference["prompt"], reference["continuation"]
    one_by_one = engine_logits(path, prompt, continuation, "--kv", kv, "--batch", "1", "--threads", "1")
    at_once = engine_logits(path, prompt + continuation, [], "--kv", kv, "--threads", "2")
    return one_by_one == ours and at_once[0] == ours[-1]


def check_model(model, kind):
    """Prints a row per KV type; the number of rows out of tolerance."""
    name = f"{model}-{kind}"
    path = os.path.join(REFDATA, "tiny", f"{name}.gguf")
    with open(os.path.join(REFDATA, "ref", f"{name}.json"), encoding="utf-8") as file:
        reference = json.load(file)
    runs = reference["runs"]
    exact = exact_logits(model, kind, runs)
    bad = 0
    for kv in KV_TYPES:
        if f"kv_{kv}_fa" not in runs:
            continue
        ours = engine_logits(path, reference["prompt"], reference["continuation"], "--kv", kv, "--threads", "2")
        found = compare(ours, exact)
        limit, at_each = limits(model, kind, kv, reference, exact)
        same = same_bits(path, reference, ours, kv)
        fine = same and within(kind, kv, limit, at_each, found)
        bad += not fine
        largest, mean, nmse, agree, nmses = found
        print(f"{name:24} {kv:5} {largest:9.4f} {mean:9.5f} {nmse:10.7f} {max(nmses):10.7f} {limit:9.5f}"
              f" {mean_of(own_nmses(runs[f'kv_{kv}_fa'], exact)):10.6f} {agree:7.0%}"
              f"  {'ok' if fine else 'OUT OF TOLERANCE' if same else 'OTHER BITS'}")
    return bad


def check_vectors(model, kind):
    """The hidden states of an embedding model, pooled in each way. Weights are exact or 8-bit, or K-quants."""
    name = f"{model}-{kind}"
    path = os.path.join(REFDATA, "tiny", f"{name}.gguf")
    with open(os.path.join(REFDATA, "ref", f"{name}.json"), encoding="utf-8") as file:
        reference = json.load(file)
    limit = VECTOR_NMSE if kind == "F32" else QUANTISED_NMSE
    bad = 0
    for pooling, wanted in reference["embeddings"].items():
        ours = engine_says("embed", path, reference["tokens"], "--pooling", pooling, "--raw")["vectors"]
        pairs = [(ours[0], wanted)] if pooling != "none" else [(ours[row["pos"]], row["v"]) for row in wanted]
        found = [compare_step(mine, dense(theirs)) for mine, theirs in pairs]
        largest, mean, nmse = max(f[0] for f in found), sum(f[1] for f in found) / len(found), max(f[2] for f in found)
        bad += nmse > limit
        print(f"{name:24} {pooling:5} {largest:9.4f} {mean:9.5f} {nmse:10.7f} {'':10} {limit:9.5f} {'':18}"
              f"  {'ok' if nmse <= limit else 'OUT OF TOLERANCE'}")
    return bad


def check_scores():
    """Of models that rank, given the tokens of a pair; the reference tells all of them as one text."""
    bad = 0
    for file in sorted(os.listdir(os.path.join(REFDATA, "ref2"))):
        name = file.removesuffix(".json")
        if "-rerank" not in name or name == file:
            continue
        with open(os.path.join(REFDATA, "ref2", file), encoding="utf-8") as opened:
            reference = json.load(opened)
        wanted = reference["embeddings_dequant"]["rank"][0]
        ours = engine_says("embed", os.path.join(REFDATA, "tiny2", name + ".gguf"), reference["tokens"])["vectors"][0][0]
        fine = abs(ours - wanted) <= SCORE_DIFFERENCE * max(1, abs(wanted))
        bad += not fine
        print(f"{name:24} rank  {abs(ours - wanted):9.6f}  {'ok' if fine else 'OUT OF TOLERANCE'}")
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
    ours = engine_logits(path, reference["prompt"], reference["continuation"])
    largest, mean, nmse, agree, nmses = compare(ours, reference["runs"]["kv_f32"]["logits"])
    print(f"{name:24} f16   {largest:9.4f} {mean:9.5f} {nmse:10.7f} {max(nmses):10.7f} {'':20} {agree:7.0%}")
    return bad


def check_reference(name):
    model, kind = name.rsplit("-", 1)
    return (check_vectors if "bert" in model else check_model)(model, kind)


def main():
    if not os.path.isdir(os.path.join(REFDATA, "ref")):
        print("SKIP no reference data (HEADROOM_REFDATA)")
        return 77
    bad, skipped = 0, []
    print(f"{'model':24} {'kv':5} {'max diff':>9} {'mean':>9} {'NMSE':>10} {'worst step':>10} {'allowed':>9} {'its own':>10}"
          f" {'greedy':>7}")
    for folder, check in (("ref", check_reference), ("real", check_greedy)):
        for file in sorted(os.listdir(os.path.join(REFDATA, folder))):
            name = file.removesuffix(".json")
            if name == file:
                continue
            try:
                bad += check(name)
            except Skipped as why:
                skipped.append(name)
                print(f"{name:24} skipped: {why}")
    if os.path.isdir(os.path.join(REFDATA, "ref2")):
        bad += check_scores()
    print(f"{len(skipped)} skipped{': ' if skipped else ''}{', '.join(skipped)}")
    print("all within tolerance" if not bad else f"{bad} out of tolerance")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
