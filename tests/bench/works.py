"""works.py - what `make bench-peer` measures: each Work has rows of the table, their goals, and how one sample of each side is taken."""
import contextlib
import http.client
import json
import os
import random
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field

from engines import (BUILD, START_SECONDS, Answer, Refused, forget_file, in_peer, made_model, our_model, peer_command, slot, start_ours, start_theirs)

ENGINE = os.path.join(BUILD, "headroom-engine")
COMMAND_SECONDS = 900  # the slowest here: a prompt on one thread that Debian's build has no kernel for
FILL_SECONDS = 3600    # a context of 16384 tokens, of which llama.cpp with q4_0 reads ten a second
KV_TYPES = ("f16", "q8_0", "q4_0")

# How make-gguf makes them.
MODELS = {
    "1b": ("--preset", "1b"),
    "160m": ("--preset", "160m"),
    "moe": ("--layers", 16, "--embd", 1024, "--ff", 512, "--heads", 16, "--kv-heads", 8, "--vocab", 32000, "--experts", 64, "--experts-used", 8),
}


@dataclass
class Sizes:
    large: str = "1b"
    prompt: int = 512
    answer: int = 64
    answer_depths: tuple = (4096, 16384)
    prompt_depth: int = 8192
    prompt_at_depth: int = 128
    client_prompt: int = 128
    client_answer: int = 96
    rounds: int = 5


# That shows that all of it runs, in minutes: its figures are of shapes and lengths that nobody asks for.
QUICK = Sizes(large="160m", prompt=64, answer=16, answer_depths=(512, 1024), prompt_depth=512, prompt_at_depth=64, client_answer=32, rounds=1)


@dataclass
class Row:
    name: str
    what: str
    goals: tuple = ()
    unit: str = "tokens/s"
    better: str = "more"


@dataclass
class Work:
    """What is measured together: SIDES takes threads and is a context of two callables, ours and theirs, each of which does it once and returns a
    number for each of ROWS. READS tells the bytes that a token reads, where that bounds it."""
    rows: list
    sides: object
    reads: object = field(default=lambda: 0)
    widest_only: bool = False  # with the most threads that are asked for alone: with others it would take hours
    rounds_max: int = 100


def tell(*words):
    print(*words, file=sys.stderr, flush=True)


def output(command):
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, timeout=COMMAND_SECONDS).stdout)


def model(shape, type_):
    return made_model(f"{shape}-{type_}", *MODELS[shape], "--type", type_)


def told_of(path):
    return output([ENGINE, "inspect", path, "--json", "--summary"])


def tokens(count, seed):
    """As ids, each seed's others."""
    return random.Random(seed).choices(range(100, 30000), k=count)


# --- products of weights: the bench command of each engine, in an empty context ---

def our_bench(path, threads, prompt, answer):
    told = output([ENGINE, "bench", path, "-p", str(prompt), "-n", str(answer), "-t", str(threads), "-r", "1", "--json"])
    return told["prefill" if prompt else "decode"]["median"]


def their_bench(path, threads, prompt, answer):
    return output(peer_command("llama-bench", "-m", in_peer(path), "-p", prompt, "-n", answer, "-t", threads, "-r", 1, "-o", "json"))[0]["avg_ts"]


def in_bench(shape, type_, prompt, answer):
    @contextlib.contextmanager
    def sides(threads):
        path = model(shape, type_)
        yield [lambda bench=bench: [bench(path, threads, prompt, answer)] for bench in (our_bench, their_bench)]
    return sides


def products(sizes):
    shapes = [(sizes.large, type_, 1.05) for type_ in ("q4_k_m", "q8_0", "q4_0", "f16")]
    shapes += [(shape, "q4_k_m", 1.1) for shape in ("160m", "moe") if shape != sizes.large]
    for shape, type_, least in shapes:
        goals = (("ratio", ">=", least),) + ((("share", ">=", 0.92),) if shape == sizes.large else ())
        yield Work([Row(f"decode-{shape}-{type_}", f"decode {sizes.answer}", goals)], in_bench(shape, type_, 0, sizes.answer),
                   lambda shape=shape, type_=type_: told_of(model(shape, type_))["decode_bytes"])
    for shape, type_, _ in shapes:
        goals = (("ratio", ">=", 2.0),) if shape in (sizes.large, "moe") else ()
        yield Work([Row(f"prefill-{shape}-{type_}", f"prefill {sizes.prompt}", goals)], in_bench(shape, type_, sizes.prompt, 0))


# --- in a filled context: two servers, which keep what they have read ---

def both_ready(*servers):
    if not all(server.wait_ready() for server in servers):
        raise RuntimeError("a server was not ready in time")


def fill_theirs(server, name, prompt):
    """What one run has read, later ones take from a file."""
    stored = f"{name}-{len(prompt)}"
    if not slot(server, "restore", stored):
        tell(f"llama-server reads {len(prompt)} tokens, once ...")
        Answer(server, prompt, 1, FILL_SECONDS)
        slot(server, "save", stored)


def at_depth(sizes, kv, depth, measured):
    """MEASURED(server, prompt, round) asks for something behind the prompt that fills the context."""
    @contextlib.contextmanager
    def sides(threads):
        path, prompt, context = model(sizes.large, "q4_k_m"), tokens(depth, depth), depth + 512
        with start_ours(path, context, f"kv = {kv}\nkv_floor = {kv}\nkv_tokens = {2 * context}", threads=threads) as ours, \
                start_theirs(path, context, "-fa", "on", "-ctk", kv, "-ctv", kv, threads=threads) as theirs:
            both_ready(ours, theirs)
            tell(f"our server reads {depth} tokens ...")
            Answer(ours, prompt, 1, FILL_SECONDS)
            fill_theirs(theirs, f"{sizes.large}-{kv}", prompt)
            yield [lambda server=server, rounds=iter(range(100)): [measured(server, prompt, next(rounds))] for server in (ours, theirs)]
    return sides


def depths(sizes):
    def reads(kv, depth):
        told = told_of(model(sizes.large, "q4_k_m"))
        return told["decode_bytes"] + depth * told["kv_bytes_per_token"][kv]

    def answer(server, prompt, _):
        return Answer(server, prompt, sizes.answer).decode()

    def prompt_behind(server, prompt, n):
        return Answer(server, prompt + tokens(sizes.prompt_at_depth, n), 1).prefill()
    for depth in sizes.answer_depths:
        for kv, least in zip(KV_TYPES, (2.0, 3.5, 5.0)):
            yield Work([Row(f"depth-decode-{depth}-{kv}", f"decode {sizes.answer} after {depth} tokens, KV {kv}", (("ratio", ">=", least),))],
                       at_depth(sizes, kv, depth, answer), lambda kv=kv, depth=depth: reads(kv, depth), widest_only=True)
    for kv, least in zip(KV_TYPES, (2.0, 5.0, 8.0)):
        yield Work([Row(f"depth-prefill-{sizes.prompt_depth}-{kv}", f"prefill {sizes.prompt_at_depth} after {sizes.prompt_depth} tokens, KV {kv}",
                        (("ratio", ">=", least),))], at_depth(sizes, kv, sizes.prompt_depth, prompt_behind), widest_only=True)


# --- many clients ---

def crowd(server, sizes, clients, seed):
    """All at once, each with a prompt that nobody has asked: tokens/s while all of them decode, and all in all."""
    answers, failures, began = [], [], time.monotonic()

    def one(i):
        try:
            answers.append(Answer(server, tokens(sizes.client_prompt, seed * 100 + i), sizes.client_answer))
        except (OSError, http.client.HTTPException, Refused) as e:
            failures.append(e)
    threads = [threading.Thread(target=one, args=(i,)) for i in range(clients)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failures:
        raise failures[0]
    begin, end = max(a.times[0] for a in answers), min(a.times[-1] for a in answers)
    if end <= begin:
        raise RuntimeError("they were never all in their answers: the last had its first token when another had its last")
    return [sum(a.between(begin, end) for a in answers) / (end - begin), clients * sizes.client_answer / (max(a.times[-1] for a in answers) - began)]


@contextlib.contextmanager
def with_slots(sizes, clients, threads):
    path, context = model(sizes.large, "q4_k_m"), sizes.client_prompt + sizes.client_answer + 32
    context = -(-context // 256) * 256  # llama-server rounds up to that
    with start_ours(path, context, threads=threads, slots=clients) as ours, start_theirs(path, context, threads=threads, slots=clients) as theirs:
        both_ready(ours, theirs)
        Answer(ours, tokens(8, 1), 2)
        yield ours, theirs, path, clients * context


def clients_together(sizes):
    def sides_of(clients):
        @contextlib.contextmanager
        def sides(threads):
            with with_slots(sizes, clients, threads) as (ours, theirs, *_):
                yield [lambda server=server, rounds=iter(range(100)): crowd(server, sizes, clients, next(rounds)) for server in (ours, theirs)]
        return sides
    for clients in (1, 4, 16):
        goals = (("ratio", ">=", 2.0),) if clients > 1 else ()
        what = f"{clients} clients, {sizes.client_prompt} tokens in, {sizes.client_answer} out"
        yield Work([Row(f"clients-{clients}", f"{what}: while all decode", goals), Row(f"clients-{clients}-in-all", f"{what}: from first to last")],
                   sides_of(clients), widest_only=True)


# --- memory ---

def process_and_children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return [pid] + [p for child in f.read().split() for p in process_and_children(int(child))]


def resident_beside(pid, path):
    """Bytes resident of a process and its children, but for the pages of the file at PATH."""
    kib, inode, counts = 0, str(os.stat(path).st_ino), True
    for p in process_and_children(pid):
        with open(f"/proc/{p}/smaps") as f:
            for line in f:
                words = line.split()
                if not words[0].endswith(":"):
                    counts = words[4] != inode
                elif words[0] == "Rss:" and counts:
                    kib += int(words[1])
    return kib * 1024


def memory(sizes, clients=4):
    @contextlib.contextmanager
    def sides(threads):
        with with_slots(sizes, clients, threads) as (ours, theirs, path, context):
            def beside(server, kv):
                crowd(server, sizes, clients, 1)
                return [(resident_beside(server.process.pid, path) - kv()) / (1 << 20)]
            yield [lambda: beside(ours, lambda: our_model(ours)["kv_used_bytes"]),
                   lambda: beside(theirs, lambda: context * told_of(path)["kv_bytes_per_token"]["f16"])]
    yield Work([Row("memory", f"resident beyond weights and KV, {clients} slots that have been used", (("ratio", "<=", 0.5),), "MiB", "less")], sides,
               widest_only=True, rounds_max=1)


# --- from the start of the process ---

def first_token(server):
    """Seconds until one has come, asked for as soon as somebody listens and until there is no more 'not yet'."""
    with server:
        while time.monotonic() < server.began + START_SECONDS and server.process.poll() is None:
            try:
                return Answer(server, tokens(16, 1), 1).times[0] - server.began
            except (OSError, http.client.HTTPException):
                pass
            except Refused as e:
                if e.status != 503:
                    raise
            time.sleep(0.002)
        raise RuntimeError("no token came in time")


def starts(sizes):
    def sides_of(cold):
        @contextlib.contextmanager
        def sides(threads):
            path = model(sizes.large, "q4_k_m")

            def begun(start):
                if not cold:
                    with open(path, "rb") as f:
                        while f.read(1 << 24):
                            pass
                elif forget_file(path) > 0.01:
                    raise RuntimeError("another process maps the model: its pages stay")
                return [first_token(start(path, 1024, threads=threads))]
            yield [lambda: begun(start_ours), lambda: begun(start_theirs)]
        return sides
    for cold in (False, True):
        yield Work([Row(f"start-{'cold' if cold else 'warm'}", "start of the process to the first token" + (", nothing of the file in memory" if cold else ""),
                        (("ratio", "<=", 0.5),), "s", "less")], sides_of(cold), widest_only=True)


# --- a neighbour ---

HALF_A_CORE = """
import time
while True:
    end = time.perf_counter() + 0.005
    while time.perf_counter() < end:
        pass
    time.sleep(0.005)
"""


@contextlib.contextmanager
def neighbour():
    """One core taken half of the time; a function that tells what part of a core that really was."""
    core = max(os.sched_getaffinity(0))
    process = subprocess.Popen([sys.executable, "-c", HALF_A_CORE], preexec_fn=lambda: os.sched_setaffinity(0, {core}))
    began = time.monotonic()

    def taken():
        with open(f"/proc/{process.pid}/schedstat") as f:
            return int(f.read().split()[0]) * 1e-9 / (time.monotonic() - began)
    try:
        yield taken
    finally:
        process.kill()
        process.wait()


def neighbours(sizes):
    @contextlib.contextmanager
    def sides(threads):
        path, cores = model(sizes.large, "q4_k_m"), len(os.sched_getaffinity(0))

        def lost(bench):
            """Percent of the speed that went beyond what the neighbour took of the cores that the threads need."""
            alone = bench(path, threads, 0, sizes.answer)
            with neighbour() as taken:
                beside = bench(path, threads, 0, sizes.answer)
                needed = max(0, threads + taken() - cores) / threads
            return [100 * (1 - beside / alone - needed)]
        yield [lambda: lost(our_bench), lambda: lost(their_bench)]
    yield Work([Row("neighbour", "speed lost beyond what a neighbour takes, which has one core half of the time", (("ours", "<=", 10),), "%", "less")], sides,
               widest_only=True)


def all_works(sizes):
    return [work for kind in (products, depths, clients_together, starts, memory, neighbours) for work in kind(sizes)]
