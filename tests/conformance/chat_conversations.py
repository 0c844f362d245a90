#!/usr/bin/env python3
"""chat_conversations.py - published chat templates over random conversations, byte by byte beside jinja2 itself (Debian's python3-jinja2).

The library is set up as Hugging Face's transformers, for which the templates were written, sets it up. Conversations come from
conversation_generator.py and go to the template as they are. Where the library fails we may be kinder (tests/unit/engine/jinja tells where);
a template's own complaint must be ours too. A call that a template writes into a history must also be taken out of it again when a model writes
the same. $HEADROOM_CONVERSATIONS for each template (1000 is the long run), HEADROOM_SEED another set.
Is skipped where there is no library or no reference data.
"""
import concurrent.futures
import datetime
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.append("/usr/lib/python3/dist-packages")               # where Debian's package is, whichever python3 this is
try:
    import jinja2
    import jinja2.ext
    import jinja2.sandbox
except ImportError:
    print("SKIP there is no python3-jinja2 here")
    sys.exit(77)
from conversation_generator import Generator

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = pathlib.Path(os.environ.get("HEADROOM_BUILD", ROOT / "build")) / "tools"
TOOL = TOOLS / "render-conversations"
PARSER = TOOLS / "parse-answers"
CHAT = pathlib.Path(os.environ.get("HEADROOM_REFDATA", ROOT.parent / "shared" / "refdata")) / "chat"
CONVERSATIONS = int(os.environ.get("HEADROOM_CONVERSATIONS", "50"))
SEED = int(os.environ.get("HEADROOM_SEED", "1"))
NOW = 1700000000
BOS, EOS = "<s>", "</s>"


# ---- the library ----

class Complaint(Exception):
    """The template's own."""


def complain(message):
    raise Complaint(message)


def as_json(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def strftime_now(form):
    return datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc).strftime(form)


class Generation(jinja2.ext.Extension):
    """{% generation %}, which marks answers for training: what is in it is written."""
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        return jinja2.nodes.Scope(parser.parse_statements(["name:endgeneration"], drop_needle=True), lineno=line)


def compiled(text):
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols, Generation])
    environment.filters["tojson"] = as_json
    # A text that is `safe` has HTML escapes made of what is added to it: nothing that a model has learnt, so here it stays a text.
    environment.filters["safe"] = str
    environment.globals.update(raise_exception=complain, strftime_now=strftime_now)
    return environment.from_string(text)


def wanted(template, conversation):
    """The text, or None where the library fails; a complaint as one."""
    try:
        return template.render(**{"messages": conversation["messages"], "tools": conversation["tools"], "documents": None, "bos_token": BOS, "eos_token": EOS,
                                  "add_generation_prompt": conversation["add_generation_prompt"], **conversation["variables"]})
    except Complaint as complaint:
        return complaint
    except Exception:       # whatever a template runs into
        return None


# ---- ours ----

# What models have written as arguments, and clients send back.
ARGUMENTS = ["{}", '{"a": 1}', {"a": 1}, "", None, "null", "[1]", '"x"', "5", '{"q":', "{'a': True}", '{"a":"b"}}', '{"a":{"b":[1,2', "Paris"]


def histories():
    """A call with each of them, its result, and another question."""
    tool = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}}}
    for arguments in ARGUMENTS:
        for content in (None, "", "I call."):
            call = {"id": "a1B2c3D4e", "type": "function", "function": {"name": "f", "arguments": arguments}}
            yield {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": content, "tool_calls": [call]},
                                {"role": "tool", "tool_call_id": "a1B2c3D4e", "content": "42"}, {"role": "assistant", "content": "ok"},
                                {"role": "user", "content": "again"}], "tools": [tool], "variables": {"functions": "[]", "datetime": "today"},
                   "add_generation_prompt": True}


def got(path, conversations, as_given):
    """What each comes to: a text, or a complaint."""
    lines = "\n".join(json.dumps({**conversation, "as_given": as_given}) for conversation in conversations)
    done = subprocess.run([TOOL, path, BOS, EOS, str(NOW)], input=lines.encode(), capture_output=True, env={**os.environ, "TZ": "UTC"}, timeout=600)
    if done.returncode:
        raise SystemExit("FAIL %s: exit status %d: %s" % (path, done.returncode, done.stderr.decode()))
    return [text[1:] if text[0] == "=" else Complaint(text[1:]) for text in done.stdout.decode().split("\0")[:-1]]


def difference(ours, theirs):
    """A sentence, or None."""
    if theirs is None:
        return None
    if isinstance(theirs, Complaint):
        return None if isinstance(ours, Complaint) and str(theirs).strip()[:80] in str(ours) else "%r instead of the complaint %r" % (ours, theirs)
    if isinstance(ours, Complaint):
        return "failed: %s  instead of %r" % (ours, theirs[-200:])
    at = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
    return None if ours == theirs else "differs at %d:\n  got    %r\n  wanted %r" % (at, ours[max(0, at - 60):at + 100], theirs[max(0, at - 60):at + 100])


def templates(folder):
    """Each as its name and the path of its text."""
    for path in sorted((CHAT / "templates").glob("*.jinja")):
        yield path.stem, path
    for number, case in enumerate(json.loads((CHAT / "test-cases.json").read_text())):
        path = pathlib.Path(folder) / str(number)
        path.write_text(case["template"], newline="")
        yield case["name"], path


def check(name, path):
    """The sentences on what differs, and how many conversations the library could not render."""
    try:
        template = compiled(path.read_text(encoding="utf-8"))
    except jinja2.TemplateSyntaxError as error:
        return ["%s: the library does not take it: %s" % (name, error)], 0
    wrong, failed = [], 0
    conversations = [Generator("%d %s %d" % (SEED, name, number)).conversation() for number in range(CONVERSATIONS)]
    for number, (conversation, ours) in enumerate(zip(conversations, got(path, conversations, True))):
        theirs = wanted(template, conversation)
        failed += theirs is None
        found = difference(ours, theirs)
        if found:
            wrong.append("%s, conversation %d: %s\n  %s" % (name, number, found, json.dumps(conversation)))
    return wrong, failed


def stuck(path):
    """The sentences on histories that the template does not take, as a client's conversation."""
    given = list(histories())
    return ["%s: %s  for %s" % (path.stem, ours, json.dumps(conversation["messages"][1]))
            for conversation, ours in zip(given, got(path, given, False)) if isinstance(ours, Complaint)]


# Their templates write no calls, or in a notation that stays in the content (docs/wire-protocol.md).
WRITES_NO_CALLS = {"CohereForAI-c4ai-command-r-plus-tool_use", "LFM2-8B-A1B", "LFM2.5-Instruct", "deepseek-ai-DeepSeek-R1-Distill-Llama-8B",
                   "ibm-granite-granite-3.3-2B-Instruct", "microsoft-Phi-3.5-mini-instruct"}
STAYS_CONTENT = {"Apertus-8B-Instruct", "GigaChat3-10B-A1.8B", "Kimi-K3", "google-gemma-4-31B-it-interleaved", "meetkai-functionary-medium-v3.2",
                 "openbmb-MiniCPM5-1B", "upstage-Solar-Open-100B"}


def there_and_back(path):
    """The sentences on calls that the template writes and the parser does not find in its text."""
    properties = {"city": {"type": "string", "description": "c"}, "n": {"type": "integer", "description": "c"}, "o": {"type": "object", "description": "c"}}
    tool = {"type": "function", "function": {"name": "get_weather", "description": "d", "parameters": {
        "type": "object", "properties": properties, "required": ["city"]}}}
    wrong = []
    for arguments in ({"city": 'Paris, "x"\n 75', "n": 3, "o": {"a": [1, "b"]}}, {"city": "75001"}, {}):
        call = {"id": "a1B2c3D4e", "type": "function", "function": {"name": "get_weather", "arguments": arguments}}
        first = {"messages": [{"role": "user", "content": "hi"}], "tools": [tool], "variables": {"functions": "[]", "datetime": "today"}}
        told = [{"role": "assistant", "content": "", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "a1B2c3D4e", "name": "get_weather", "content": "42"}]
        before, after = got(path, [{**first, "add_generation_prompt": True}, {**first, "messages": first["messages"] + told, "add_generation_prompt": False}], False)
        at = len(os.path.commonprefix([before, after]))
        mark = before.rfind("<", 0, at)
        at = mark if mark > before.rfind(">", 0, at) else at      # a mark that both begin with is the call's own
        done = subprocess.run([PARSER, path, "get_weather:city"], input=after[at:].encode(), capture_output=True, check=True)
        found = [(c["name"], json.loads(c["arguments"])) for c in json.loads(done.stdout)["calls"]] if done.stdout else []
        if found[:1] != [("get_weather", arguments)]:             # what follows is the tool's own
            wrong.append("%s: %r is taken for %r" % (path.stem, after[at:at + 300], found))
    return wrong


def main():
    if not (CHAT / "templates").exists():
        print("SKIP conformance of chat templates over conversations: no reference data in %s" % CHAT)
        return 77
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = [(name, pool.submit(check, name, path)) for name, path in templates(folder)]
        rows = [(name, *job.result()) for name, job in found]
    for name, wrong, failed in rows:
        print("%-72.72s %4d equal %4d not rendered by the library %4d DIFFER" % (name, CONVERSATIONS - failed - len(wrong), failed, len(wrong)))
        for sentence in wrong[:3]:
            print("FAIL " + sentence[:3000])
    never = [sentence for path in sorted((CHAT / "templates").glob("*.jinja")) for sentence in stuck(path)]
    known = [path for path in sorted((CHAT / "templates").glob("*.jinja")) if path.stem not in WRITES_NO_CALLS | STAYS_CONTENT]
    never += [sentence for path in known for sentence in there_and_back(path)]
    print("calls of %d templates, there and back" % len(known))
    for sentence in never[:20]:
        print("FAIL " + sentence)
    count, wrong, failed = len(rows) * CONVERSATIONS, sum(len(row[1]) for row in rows), sum(row[2] for row in rows)
    print("\nseed %d: %d conversations, %d differ, %d that the library itself could not render" % (SEED, count, wrong, failed))
    print("%d conversations with odd arguments in their history; %d of these and of the calls differ" % (len(list(histories())) * len(list((CHAT / "templates").glob("*.jinja"))), len(never)))
    return 1 if wrong or never else 0


if __name__ == "__main__":
    sys.exit(main())
