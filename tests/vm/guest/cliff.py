"""cliff.py - one load twice, from the same moment: without the governor, to see when the machine falls off the cliff, and with it.

A scenario describes the load (a Shape), the rest is the same for all: the running stream's speed is compared with its own in
calm, token for token; it falls when it is under half of that, is cut, or the kernel kills somebody.
"""

import json
import os
import re
import sys
import time

import lab
from lab import CALM, Daemon, Stream, Watch, eventually, figure, now, read, say

LEAD_SECONDS = 2.0  # the first act must come so long before the fall, where that leaves time
LEAD_PART = 0.25  # ... or this part of the time from the load's begin to the fall, where that is less
LEAST_SPEED = 0.5
BEYOND_MIB = 35  # more than is available: too much for the machine as it is, and less than the engines can give back
GAP_SECONDS = 0.25  # between two looks of the daemon while the machine is under pressure


class Shape:
    """A load. Subclasses say what it is."""

    hold_seconds = 8  # it stays so long after it has grown

    def prepare(self):
        """Before the stream runs: swap, disks, models. May return a Stream other than the usual one and its calm."""

    def size_mib(self):
        """What it will take, as seen just before; asked in the first run, and told to the second."""
        return lab.available_mib() + BEYOND_MIB

    def start(self, mib):
        """Begins to grow to that; returns the seconds that it will grow."""
        raise NotImplementedError


def usual_stream():
    stream = Stream("talk", prompt_tokens=64, max_tokens=700, seed=50)
    eventually(lambda: len(stream.gaps) > 20, 60, "the stream runs")
    return stream, json.loads(read(CALM))


def longest_gap(times, start, end):
    inside = [t for t in times if start <= t <= end]
    return max((b - a for a, b in zip(inside, inside[1:])), default=0.0)


def print_course(rows, stream, calm, started):
    first = rows[0]
    say("seconds  available  swap-free  stall-ms  refaults  swap-ins  oom  speed")
    for row in rows[::5]:
        print(f"{row['s'] - started:7.1f} {row['available_kib'] // 1024:7d} {row['swap_free_kib'] // 1024:7d}"
              f" {(row['some_us'] - first['some_us']) // 1000:9d}"
              f" {row['refault_file'] + row['refault_anon'] - first['refault_file'] - first['refault_anon']:9d} {row['pswpin'] - first['pswpin']:8d}"
              f" {row['oom_kill'] - first['oom_kill']:4d} {stream.speed(calm, row['s'] - 2, row['s']):6.2f}")


def pace(rows, mib):
    """MiB/s at which the load grew: between a tenth and two thirds of it."""
    most = rows[0]["available_kib"] / 1024
    tenth, end = (next((row for row in rows if row["available_kib"] / 1024 < most - part * mib), rows[-1]) for part in (0.1, 0.67))
    return (tenth["available_kib"] - end["available_kib"]) / 1024 / max(end["s"] - tenth["s"], 0.1)


def fall(rows, stream, calm, started, end):
    """(when, how) the machine fell off the cliff after STARTED; (None, "did not fall")."""
    found = []
    killed = next((row["s"] for row in rows if row["oom_kill"] > rows[0]["oom_kill"]), None)
    if killed:
        found.append((killed, "the kernel killed"))
    slow = stream.first_slow(calm, started, end)
    if slow:
        found.append((slow, "under half of calm"))
    if stream.cuts:
        found.append((stream.cuts[0][0], "the stream was cut"))
    return min(found) if found else (None, "did not fall")


def watch_load(shape, until, mib=None):
    """(rows, stream, calm, started, end, MiB that the load takes). UNTIL may end it early."""
    stream, calm = shape.prepare() or usual_stream()
    watch = Watch()
    time.sleep(2)
    say(f"{lab.available_mib():.0f} MiB available, the stream runs; the load begins")
    mib = mib or shape.size_mib()
    started = now()
    end = started + shape.start(mib) + shape.hold_seconds
    while now() < end and not until(stream, calm):
        time.sleep(0.5)
    end = now()
    rows = watch.stop()
    print_course(rows, stream, calm, started)
    return rows, stream, calm, started, end, mib


def without(shape):
    """Prints the result for the run after this one: seconds from the load's begin to the fall."""
    daemon = Daemon()
    killed = lab.vmstat("oom_kill")
    last = [0.0]

    def fallen(stream, calm):  # two seconds more of it, to see how the daemon does
        if not last[0] and (stream.cuts or lab.vmstat("oom_kill") > killed or stream.speed(calm, now() - 5, now()) < LEAST_SPEED / 2):
            last[0] = now()
        return last[0] and now() > last[0] + 2

    rows, stream, calm, started, end, mib = watch_load(shape, fallen)
    when, how = fall(rows, stream, calm, started, end)
    assert when, "the load does not bring this machine down: nothing can be learned from it"
    looks = daemon.looks()
    figure(f"without the governor: the load grew by {pace(rows, mib):.0f} MiB/s; {how} after {when - started:.1f} s, {rows[-1]['oom_kill'] - rows[0]['oom_kill']} killed by the kernel; "
           f"longest gap between two looks in the last 5 s {longest_gap(looks, end - 5, end) * 1000:.0f} ms")
    print("result " + json.dumps({"fell_after_s": when - started, "mib": mib}))


def tell_acts(acts, started):
    for a in acts:
        freed = "?" if a["freed_bytes"] is None else f"{a['freed_bytes'] / lab.MIB:.1f}"
        print(f"act {a['s'] - started:6.2f} s {a['what']} {a['model']} to {a.get('to')} because {a['reason']}: expected {a['expected_bytes'] / lab.MIB:.1f} MiB, "
              f"freed {freed} MiB, {a['result']}, headroom {a['headroom_bytes'] / lab.MIB:.1f} MiB")


def tell_proof(record):
    """What was seen at each look that ended an engine: nothing milder may be in it."""
    for look in re.split(r"^(?=at \d+ms)", record, flags=re.M):
        if re.search(r"^ *expect end ", look, re.M):
            print("".join(f"proof {line}\n" for line in look.splitlines()), end="")


def with_governor(shape, fell_after_s, mib):
    daemon = Daemon()
    before = len(daemon.events())
    rows, stream, calm, started, end, _ = watch_load(shape, lambda stream, calm: stream.cuts, mib)
    acts = [a for a in daemon.acts(before) if a["s"] >= started]
    tell_acts(acts, started)
    record = daemon.control("record")
    print(record, file=open(f"/run/record-{os.path.basename(sys.argv[0])}", "w"))
    tell_proof(record)
    assert acts, "the governor never acted"
    first = acts[0]["s"] - started
    slowest, when = stream.slowest(calm, started, end)
    killed = rows[-1]["oom_kill"] - rows[0]["oom_kill"]
    gap = longest_gap(daemon.looks(), acts[0]["s"], end)
    freed = sum(a["freed_bytes"] or 0 for a in acts) / lab.MIB
    figure(f"with the governor: first act ({acts[0]['what']}) after {first:.1f} s, {fell_after_s - first:.1f} s before the fall; {len(acts)} acts freed {freed:.0f} MiB; "
           f"slowest 5 s {slowest * 100:.0f} % of calm (at {when - started:.0f} s); killed {killed}, cut {len(stream.cuts)}, refused {len(stream.refused)}; "
           f"longest gap between two looks {gap * 1000:.0f} ms")
    assert first <= fell_after_s - min(LEAD_SECONDS, LEAD_PART * fell_after_s), "the first act came too late"
    assert not killed, "the kernel killed"
    assert not stream.cuts, stream.cuts
    assert slowest >= LEAST_SPEED, "too slow while acting"


def main(shape):
    if sys.argv[1] == "without":
        without(shape)
    else:
        with_governor(shape, **json.loads(sys.argv[2]))
