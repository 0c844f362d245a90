#!/usr/bin/env python3
"""Compares `headroom-engine template` with an independent engine, byte by byte.

Reads the reference data beside the project (../shared/refdata, or $HEADROOM_REFDATA): conversations rendered by published chat
templates, with and without tools. Templates that tell the date are told the date of the reference. Prints a table; fails on the
first difference of each template, is skipped where there is no reference data.
"""
import datetime
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
ENGINE = pathlib.Path(os.environ.get("HEADROOM_BUILD", ROOT / "build")) / "headroom-engine"
CHAT = pathlib.Path(os.environ.get("HEADROOM_REFDATA", ROOT.parent / "shared" / "refdata")) / "chat"
SKIPPED = 77
# Of the reference's short cases: a variable that only its maker's tokenizer has, in the order its template counts them.
VARIABLES = {"ai-sage/GigaChat-20B-A3B-instruct": {
    "additional_special_tokens": ["<|role_sep|>", "<|message_sep|>", "[", "]"], "bos_token": "<s>"}}


def run(folder, template, case, as_given, now, variables=None):
    """The rendered text, or the sentence on why there is none."""
    (folder / "template").write_text(template, newline="")
    command = [ENGINE, "template", "--file", folder / "template", "--bos", case["bos_token"], "--eos", case["eos_token"]]
    for name, value in (("messages", case["messages"]), ("tools", case.get("tools")), ("variables", variables)):
        if value is not None:
            (folder / name).write_text(json.dumps(value))
            command += ["--" + name, folder / name]
    command += ["--as-given"] if as_given else []
    command += [] if case["add_generation_prompt"] else ["--no-generation"]
    command += ["--now", str(now)] if now else []
    done = subprocess.run(command, capture_output=True, env={**os.environ, "TZ": "UTC"}, timeout=60)
    if done.returncode not in (0, 1):
        raise SystemExit("FAIL exit status %d: %s" % (done.returncode, done.stderr.decode()))
    if done.returncode or done.stderr:
        return "ERROR " + done.stderr.decode()
    return done.stdout.decode()


def date_in(text):
    """The date that the reference was rendered on, as seconds at noon, or None."""
    for pattern, form in ((r"\d{4}-\d\d-\d\d", "%Y-%m-%d"), (r"\d\d [A-Z][a-z]{2} \d{4}", "%d %b %Y"),
                          (r"(?:January|February|March|April|May|June|July|August|September|October|November|December) "
                           r"\d\d, \d{4}", "%B %d, %Y")):
        dates = [datetime.datetime.strptime(word, form) for word in re.findall(pattern, text)]
        if dates:
            return int(max(dates).replace(hour=12, tzinfo=datetime.timezone.utc).timestamp())
    return None


def difference(got, wanted):
    at = next((i for i, (a, b) in enumerate(zip(got, wanted)) if a != b), min(len(got), len(wanted)))
    return "differs at %d:\n  got    %r\n  wanted %r" % (at, got[max(0, at - 60):at + 100], wanted[max(0, at - 60):at + 100])


def short_cases(folder):
    for case in json.loads((CHAT / "test-cases.json").read_text()):
        yield case["name"], "short", run(folder, case["template"], case, case["name"] in VARIABLES, None,
                                         VARIABLES.get(case["name"])), case["expected"]


def rendered(folder):
    reference = json.loads((CHAT / "jinja-rendered.json").read_text())
    for template in reference["templates"]:
        for case in template["cases"]:
            now = date_in(case["expected"]) if template["uses_date"] else None
            got = run(folder, template["template"], reference["inputs"][case["set"]], True, now)
            yield template["name"], case["set"], got, case["expected"]


def main():
    if not (CHAT / "jinja-rendered.json").exists():
        print("SKIP conformance of chat templates: no reference data in %s" % CHAT)
        return SKIPPED
    rows, wrong = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for cases in (short_cases, rendered):
            for name, kind, got, wanted in cases(pathlib.Path(folder)):
                rows.setdefault(name, []).append((kind, got == wanted))
                if got != wanted:
                    wrong.setdefault(name, "%s (%s): %s" % (name, kind, difference(got, wanted)))
    for name, cases in rows.items():
        print("%-72.72s %s" % (name, " ".join(kind if equal else kind.upper() + "!" for kind, equal in cases)))
    equal = [equal for cases in rows.values() for _, equal in cases]
    print("\n%d of %d conversations equal" % (sum(equal), len(equal)))
    for first in wrong.values():
        print("FAIL " + first)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
