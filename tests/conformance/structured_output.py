#!/usr/bin/env python3
"""structured_output.py - answers held to JSON Schemas, all of them judged by an independent validator (python3-jsonschema).

Schemas come from schema_generator.py; answers are sampled at temperature 1 from the small demo model, which babbles. Every
answer that was not cut off must be valid; how many were cut off is told, and must be few. Those of objects are the parameters of a tool
besides, which a model of pure noise must call. The short version is part of
`make check`; HEADROOM_SCHEMAS=500 HEADROOM_ANSWERS=20 is the whole, HEADROOM_SEED another set.
"""
import datetime
import ipaddress
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import uuid

sys.path.append("/usr/lib/python3/dist-packages")               # where Debian's package is, whichever python3 this is
try:
    import jsonschema
except ImportError:
    print("SKIP there is no python3-jsonschema here")
    sys.exit(77)
from schema_generator import Generator

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = pathlib.Path(os.environ.get("HEADROOM_BUILD", ROOT / "build")) / "tools"
MODEL = ROOT / "tests/demo_model/headroom-demo-small.gguf"
SCHEMAS = int(os.environ.get("HEADROOM_SCHEMAS", 40))
ANSWERS = int(os.environ.get("HEADROOM_ANSWERS", 3))
SEED = int(os.environ.get("HEADROOM_SEED", 1))
TOKENS = 700
CUT_OFF_MOST = 0.05
MUST_BE_USED = {"type", "properties", "required", "additionalProperties", "items", "prefixItems", "minItems", "maxItems", "enum",
                "const", "anyOf", "oneOf", "allOf", "$ref", "$defs", "minLength", "maxLength", "pattern", "format", "minimum",
                "maximum", "exclusiveMinimum", "exclusiveMaximum", "nullable", "multipleOf", "minProperties", "maxProperties"}
# Hermes' notation, to who looks at it; the schemas themselves would be longer than the context.
TEMPLATE = "{# <tool_call> \"arguments\" #}{% for t in tools %}{{ t.function.name }} {% endfor %}{{ messages[0].content }}"
LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"

formats = jsonschema.FormatChecker(formats=())


def format_checker(name):
    """A format says nothing about what is no string."""
    def register(check):
        formats.checks(name, raises=(ValueError, AssertionError))(lambda value: not isinstance(value, str) or check(value))
        return check
    return register


@format_checker("date")
def is_date(text):
    return datetime.date.fromisoformat(text) is not None


@format_checker("date-time")
def is_date_time(text):
    return "T" in text and datetime.datetime.fromisoformat(in_six_digits(text)) is not None


@format_checker("time")
def is_time(text):
    return datetime.datetime.fromisoformat(in_six_digits("2000-01-01T" + text)) is not None


def in_six_digits(text):
    """As fromisoformat of any version reads it; a time must name its offset."""
    assert re.search(r"(Z|[+-]\d\d:\d\d)$", text), text
    return re.sub(r"\.(\d+)", lambda found: "." + found[1].ljust(6, "0"), text).replace("Z", "+00:00")


@format_checker("uuid")
def is_uuid(text):
    return str(uuid.UUID(text)) == text


@format_checker("ipv4")
def is_ipv4(text):
    return ipaddress.IPv4Address(text) is not None


@format_checker("ipv6")
def is_ipv6(text):
    return ipaddress.IPv6Address(text) is not None


@format_checker("hostname")
def is_hostname(text):
    return len(text) < 254 and re.fullmatch(LABEL + r"(\." + LABEL + ")*", text) is not None


@format_checker("email")
def is_email(text):
    local, _, host = text.rpartition("@")
    return is_hostname(host) and re.fullmatch(r"[\w+-]+(\.[\w+-]+)*", local) is not None


@format_checker("uri")
def is_uri(text):
    return re.fullmatch(r"https?://[a-z0-9.-]+(:\d+)?(/[\w.~-]*)*", text) is not None


def for_validator(schema):
    """`nullable` is OpenAPI's: said in JSON Schema's own words."""
    if isinstance(schema, list):
        return [for_validator(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    said = {key: value if key in ("enum", "const") else for_validator(value) for key, value in schema.items()}
    if said.pop("nullable", False) is True:
        said["type"] = [said["type"], "null"] if isinstance(said["type"], str) else [*said["type"], "null"]
    return said


def ask(bodies, model=MODEL):
    """The answers by id, from one engine."""
    lines = "".join(json.dumps({"id": i, "body": body}) + "\n" for i, body in enumerate(bodies))
    done = subprocess.run([TOOLS / "make-answers", model, "8"], input=lines, stdout=subprocess.PIPE, text=True, check=True)
    return {line["id"]: line for line in map(json.loads, done.stdout.splitlines())}


def body_of(schema, seed):
    wish = {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": schema}}}
    if seed % 3 == 1:
        wish = {"json_schema": schema}
    body = {"prompt": "What is the KV cache?", "temperature": 1, "top_k": 0, "top_p": 1, "min_p": 0, "seed": seed, "max_tokens": TOKENS}
    if seed % 5 == 2:
        body.update(repeat_penalty=1.2, presence_penalty=0.5, logit_bias={"5": -100, "17": 3})
    if seed % 5 == 3:
        body["messages"] = [{"role": "user", "content": body.pop("prompt")}]
    return {**body, **wish}


def call_of(schema, seed):
    tools = [{"type": "function", "function": {"name": name, "parameters": schema}} for name in ("get", "set")]
    choice = "required" if seed % 2 else {"type": "function", "function": {"name": "set"}}
    return {"messages": [{"role": "user", "content": "Hello"}], "tools": tools, "tool_choice": choice, "seed": seed, "temperature": 1, "top_k": 0,
            "top_p": 1, "min_p": 0, "max_tokens": TOKENS}


def judge_calls(schemas):
    """The same of calls. Noise does not know how to end, so that many are cut off says nothing."""
    asked = [(schema, seed) for seed, schema in enumerate(schemas) if schema.get("type") == "object"]
    with tempfile.TemporaryDirectory() as folder:
        model = pathlib.Path(folder) / "noise.gguf"
        subprocess.run([TOOLS / "make-gguf", model, "--vocab", "512", "--embd", "64", "--ff", "64", "--heads", "2", "--kv-heads", "1", "--layers", "1",
                        "--type", "f32", "--chat-template", TEMPLATE], check=True)
        answers = ask([call_of(schema, seed) for schema, seed in asked], model)
    valid = cut_off = 0
    for i, (schema, _) in enumerate(asked):
        cut_off += answers[i].get("finish") == "length"
        if answers[i].get("finish") == "length":
            continue
        why = judge(schema, answers[i]) if answers[i].get("finish") == "tool_calls" else answers[i]
        valid += why is None
        if why is not None:
            print("INVALID CALL: %s\n  %s\n  %s" % (why, json.dumps(schema, ensure_ascii=False), answers[i].get("text")))
    print("%d calls: %d valid, %d cut off" % (len(asked), valid, cut_off))
    assert valid + cut_off == len(asked) and valid > cut_off


def judge(schema, answer):
    """None when ANSWER is valid, else why not."""
    try:
        value = json.loads(answer["text"])
    except ValueError as error:
        return "no JSON: %s" % error
    validator = jsonschema.Draft202012Validator(for_validator(schema), format_checker=formats)
    errors = list(validator.iter_errors(value))
    return str(errors[0]).split("\n")[0] if errors else None


def main():
    keywords, schemas = set(), []
    for number in range(SCHEMAS):
        generator = Generator(SEED * 100000 + number)
        schemas.append(generator.schema())
        keywords |= set(generator.keywords)
    missing = MUST_BE_USED - keywords if SCHEMAS >= 40 else set()
    assert not missing, "the generator did not use %s" % sorted(missing)
    for schema in schemas:
        jsonschema.Draft202012Validator.check_schema(for_validator(schema))
    asked = [(schema, number * ANSWERS + i) for number, schema in enumerate(schemas) for i in range(ANSWERS)]
    answers = ask([body_of(schema, seed) for schema, seed in asked])
    valid = cut_off = refused = failed = tokens = 0
    for i, (schema, _) in enumerate(asked):
        answer = answers[i]
        if "error" in answer:
            refused += 1
            print("refused: %s\n  %s" % (answer["error"], json.dumps(schema, ensure_ascii=False)))
            continue
        tokens += answer["tokens"]
        if answer["finish"] == "length":
            cut_off += 1
            continue
        why = judge(schema, answer)
        valid += why is None
        if why is not None:
            failed += 1
            print("INVALID: %s\n  %s\n  %s" % (why, json.dumps(schema, ensure_ascii=False), answer["text"]))
    print("%d schemas x %d answers: %d valid, %d invalid, %d cut off at %d tokens (%.2f %%), %d refused; %d tokens"
          % (SCHEMAS, ANSWERS, valid, failed, cut_off, TOKENS, 100 * cut_off / len(asked), refused, tokens))
    assert failed == 0 and refused == 0
    assert cut_off <= CUT_OFF_MOST * len(asked), "too many answers were cut off"
    judge_calls(schemas)


if __name__ == "__main__":
    main()
