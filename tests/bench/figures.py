"""figures.py - what samples of two engines, taken by turns, come to: medians, ratios, shares of the memory's bandwidth, and whether a goal is
reached; as a table, as CSV and as a drawing. Knows no engine: a row is what the bench keeps as JSON.

  name, what, threads, unit   as the table shows them; two numbers in % have no ratio
  ours, theirs                a sample of each for every round
  memory                      GB/s that streaming reads had in the same rounds, with as many threads; or none
  others                      what part of all processors something else had before each round; or none
  bytes                       that one token reads of weights and cache, where that is what bounds it; or 0
  better                      more or less
  goals                       triples: ratio, share or ours; ">=" or "<="; a number
  note                        why samples lack
"""
import csv
import math
from statistics import median

from chart import GREY, OURS, THEIRS, Svg

COLUMNS = ("row", "what", "threads", "unit", "rounds", "ours", "ours_min", "ours_max", "theirs", "theirs_min", "theirs_max", "ratio", "ratio_min",
           "ratio_max", "others_busy", "memory_gb_s", "ours_share", "theirs_share", "goal", "verdict", "note")
TITLES = ("row", "threads", "ours", "llama.cpp", "ratio", "others", "GB/s", "ours of it", "theirs", "goal", "")


def spread(samples):
    return (median(samples), min(samples), max(samples)) if samples else (None, None, None)


def shares(samples, row):
    """Of the bandwidth of the same round, so that a machine that drifts does not matter."""
    if not row.get("bytes") or not row.get("memory"):
        return []
    return [speed * row["bytes"] * 1e-9 / bandwidth for speed, bandwidth in zip(samples, row["memory"])]


def reached(goal, figures):
    figure, relation, value = goal
    if figures[figure] is None:
        return None
    return figures[figure] >= value if relation == ">=" else figures[figure] <= value


def verdict(goals, figures):
    told = [reached(goal, figures) for goal in goals]
    return "" if not told else "not measured" if None in told else "reached" if all(told) else "missed"


def goal_text(goals):
    words = {"ratio": "{}", "share": "{} of GB/s", "ours": "{}"}
    return ", ".join(words[figure].format(f"{relation} {value:.0%}" if figure == "share" else f"{relation} {value:g}") for figure, relation, value in goals)


def figures(row):
    """A dictionary of COLUMNS."""
    ours, ours_min, ours_max = spread(row["ours"])
    theirs, theirs_min, theirs_max = spread(row["theirs"])
    is_ratio = row["unit"] != "%"
    ratios = [a / b for a, b in zip(row["ours"], row["theirs"]) if is_ratio and b]
    told = {"row": row["name"], "what": row["what"], "threads": row["threads"], "unit": row["unit"], "rounds": len(row["ours"]),
            "ours": ours, "ours_min": ours_min, "ours_max": ours_max, "theirs": theirs, "theirs_min": theirs_min, "theirs_max": theirs_max,
            "ratio": ours / theirs if ours is not None and theirs and is_ratio else None,
            "ratio_min": min(ratios, default=None), "ratio_max": max(ratios, default=None),
            "others_busy": spread(row.get("others"))[0], "memory_gb_s": spread(row.get("memory"))[0],
            "ours_share": spread(shares(row["ours"], row))[0], "theirs_share": spread(shares(row["theirs"], row))[0],
            "goal": goal_text(row["goals"]), "note": row.get("note", "")}
    told["verdict"] = verdict(row["goals"], {"ratio": told["ratio"], "share": told["ours_share"], "ours": ours})
    return told


def against_f16(rows):
    """Rows that hold ours with a smaller cache to ours with f16, where both were measured."""
    by_name = {(row["name"], row["threads"]): row for row in rows}
    for row in rows:
        stem, _, kv = row["name"].rpartition("-")
        wide = by_name.get((stem + "-f16", row["threads"]))
        if kv in ("q8_0", "q4_0") and stem.startswith("depth") and wide and wide["ours"] and row["ours"]:
            yield {**row, "name": f"{row['name']} / f16", "what": f"{row['what']}: ours against ours with f16", "theirs": wide["ours"],
                   "memory": [], "others": [], "bytes": 0, "goals": [("ratio", ">=", 1.0)]}


# --- the table ---

def number(value):
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def with_spread(f, side):
    return "-" if f[side] is None else f"{number(f[side])} ({number(f[side + '_min'])} to {number(f[side + '_max'])})"


def percent(value):
    return "-" if value is None else f"{100 * value:.0f} %"


def line(cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def table_head():
    return line(TITLES) + "\n" + "|---" * len(TITLES) + "|"


def table_line(row):
    f = figures(row)
    unit = "" if f["unit"] == "tokens/s" else f", {f['unit']}"
    return line([f["row"] + unit, f["threads"], with_spread(f, "ours"), with_spread(f, "theirs"), number(f["ratio"]), percent(f["others_busy"]), number(f["memory_gb_s"]),
                 percent(f["ours_share"]), percent(f["theirs_share"]), f["goal"] or "-", f["note"] or f["verdict"]])


# --- files ---

def write_csv(path, rows):
    with open(path, "w", newline="") as f:
        out = csv.DictWriter(f, COLUMNS)
        out.writeheader()
        for row in rows:
            out.writerow({k: f"{v:.4g}" if isinstance(v, float) else v for k, v in figures(row).items()})


def times_better(row, f):
    return f["ratio"] if row["better"] == "more" else 1 / f["ratio"]


def plot(path, rows, *subtitles):
    """A bar for each row, on a scale of powers of two: how many times better ours is, and a mark where its goal is."""
    shown = [(row, f) for row in rows if (f := figures(row))["ratio"]]
    bar, left, right, top = 18, 250, 110, 82
    width, height = 820, top + bar * len(shown) + 34
    marks = [value if row["better"] == "more" else 1 / value for row, _ in shown for figure, _, value in row["goals"] if figure == "ratio"]
    ends = [times_better(row, f) for row, f in shown] + marks + [0.5, 2]
    low, high = math.floor(math.log2(min(ends))), math.ceil(math.log2(max(ends)))
    svg = Svg(width, height)

    def x(times):
        return left + (math.log2(times) - low) / (high - low) * (width - left - right)

    svg.title(24, "Headroom beside llama.cpp: how many times better", *subtitles)
    for power in range(low, high + 1):
        svg.line(x(2 ** power), top - 6, x(2 ** power), height - 28, stroke="#888" if power == 0 else "#ddd")
        svg.text(x(2 ** power), height - 12, f"{2 ** power:g}", text_anchor="middle", fill=GREY)
    for i, (row, f) in enumerate(shown):
        y, times = top + bar * i, times_better(row, f)
        svg.text(left - 8, y + 11, f"{f['row']}, {f['threads']} t", text_anchor="end", font_size=11)
        svg.add("rect", x=min(x(1), x(times)), y=y + 1, width=abs(x(times) - x(1)), height=bar - 5, fill=THEIRS if times < 1 else OURS)
        svg.text(width - right + 12, y + 11, f"{times:.2f} {f['verdict']}", fill=GREY, font_size=11)
        for figure, _, value in row["goals"]:
            if figure == "ratio":
                at = x(value if row["better"] == "more" else 1 / value)
                svg.line(at, y - 1, at, y + bar - 3, stroke="#000", stroke_width=1.5)
    svg.save(path)
