#!/usr/bin/env python3
"""sentencepiece.py - ids and texts of SentencePiece models beside those of the library itself (Debian's python3-sentencepiece).

Small models are trained with the real trainer, on the text of the demo model and on words of many scripts; others are made
by hand, with scores full of ties and user-defined tokens that overlap. Each is written as a GGUF file of a vocabulary
alone, with the keys that published files have. Random texts then go through both: every id must be the same, and the text
that they stand for. $HEADROOM_SENTENCEPIECE_TEXTS of them for each model (20000 is the long run), HEADROOM_SEED another set.
Prints a table; is skipped where there is no library.
"""
import io
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

DEBIANS_PYTHON = "/usr/bin/python3"     # the only one that can load Debian's module
sys.path[:] = [p for p in sys.path if p != str(pathlib.Path(__file__).resolve().parent)]     # this file is called like the module
sys.path.append("/usr/lib/python3/dist-packages")
try:
    import sentencepiece
except ImportError:
    if os.path.exists(DEBIANS_PYTHON) and "HEADROOM_RETRIED" not in os.environ:
        os.execve(DEBIANS_PYTHON, [DEBIANS_PYTHON, *sys.argv], {**os.environ, "HEADROOM_RETRIED": "1"})
    print("SKIP there is no python3-sentencepiece here")
    sys.exit(77)

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = pathlib.Path(os.environ.get("HEADROOM_BUILD", ROOT / "build")) / "tools" / "tokenize-texts"
TEXTS = int(os.environ.get("HEADROOM_SENTENCEPIECE_TEXTS", "4000"))
SHOWN = 160                             # characters, or a few tokens, of what differs
SEED = int(os.environ.get("HEADROOM_SEED", "1"))
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
UNIGRAM, BPE = 1, 2
GGUF_U8, GGUF_U32, GGUF_I32, GGUF_F32, GGUF_BOOL, GGUF_STRING, GGUF_ARRAY = 0, 4, 5, 6, 7, 8, 9


# ---- protocol buffers: what a .model is written in (sentencepiece_model.proto) ----

def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return value, at


def fields(data):
    """Each field of a message: its number and its value, bytes where it has a length."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        else:
            length, at = {1: (8, at), 5: (4, at)}.get(key & 7) or varint(data, at)
            value, at = data[at:at + length], at + length
        yield key >> 3, value


def number(value):
    return bytes([value & 127 | 128]) + number(value >> 7) if value > 127 else bytes([value])


def field(key, value):
    if isinstance(value, float):
        return number(key << 3 | 5) + struct.pack("<f", value)
    if isinstance(value, int):
        return number(key << 3) + number(value)
    return number(key << 3 | 2) + number(len(value)) + value


class Model:
    """What a GGUF file says of a SentencePiece model."""

    def __init__(self, name, data):
        self.name, self.data, self.pieces = name, data, []
        self.kind, self.charsmap, self.adds_space, self.joins_spaces = UNIGRAM, b"", True, True
        for key, value in fields(data):
            if key == 1:
                piece = {1: b"", 2: bytes(4), 3: NORMAL, **dict(fields(value))}
                self.pieces.append((piece[1], piece[2], piece[3]))
            elif key == 2:
                self.kind = dict(fields(value)).get(3, UNIGRAM)
            elif key == 3:
                rules = dict(fields(value))
                self.charsmap, self.adds_space, self.joins_spaces = rules.get(2, b""), rules.get(3, 1) == 1, rules.get(4, 1) == 1

    def gguf(self):
        out = [(b"tokenizer.ggml.model", GGUF_STRING, gguf_string(b"t5" if self.kind == UNIGRAM else b"llama")),
               (b"tokenizer.ggml.tokens", GGUF_ARRAY, gguf_array(GGUF_STRING, [gguf_string(p[0]) for p in self.pieces])),
               (b"tokenizer.ggml.scores", GGUF_ARRAY, gguf_array(GGUF_F32, [p[1] for p in self.pieces])),
               (b"tokenizer.ggml.token_type", GGUF_ARRAY, gguf_array(GGUF_I32, [struct.pack("<i", p[2]) for p in self.pieces])),
               (b"tokenizer.ggml.add_space_prefix", GGUF_BOOL, bytes([self.adds_space])),
               (b"tokenizer.ggml.remove_extra_whitespaces", GGUF_BOOL, bytes([self.joins_spaces]))]
        for key, kind in ((b"unknown", UNKNOWN), (b"bos", CONTROL), (b"eos", CONTROL)):
            ids = [i for i, p in enumerate(self.pieces) if p[2] == kind and (kind == UNKNOWN or p[0] == {b"bos": b"<s>"}.get(key, b"</s>"))]
            out += [(b"tokenizer.ggml.%s_token_id" % key, GGUF_U32, struct.pack("<I", i)) for i in ids]
        if self.charsmap:
            out.append((b"tokenizer.ggml.precompiled_charsmap", GGUF_ARRAY, gguf_array(GGUF_U8, [self.charsmap], len(self.charsmap))))
        entries = b"".join(gguf_string(key) + struct.pack("<I", kind) + value for key, kind, value in out)
        return b"GGUF" + struct.pack("<IQQ", 3, 0, len(out)) + entries


def gguf_string(text):
    return struct.pack("<Q", len(text)) + text


def gguf_array(kind, items, count=None):
    return struct.pack("<IQ", kind, len(items) if count is None else count) + b"".join(items)


# ---- texts ----

SCRIPTS = [(0x41, 0x5a), (0x61, 0x7a), (0xc0, 0x24f), (0x250, 0x2af), (0x370, 0x3ff), (0x400, 0x4ff), (0x531, 0x587), (0x5d0, 0x5ea),
           (0x620, 0x6d3), (0x904, 0x963), (0x985, 0x9e3), (0xb85, 0xbcd), (0xe01, 0xe5b), (0xe81, 0xec6), (0xf40, 0xfbc),
           (0x1000, 0x1059), (0x10a0, 0x10fc), (0x1100, 0x11ff), (0x1200, 0x135a), (0x1780, 0x17dd), (0x1e00, 0x1fff), (0x3041, 0x30ff),
           (0x3105, 0x312f), (0x4e00, 0x4fff), (0xac00, 0xafff), (0xf900, 0xfaff), (0xfb50, 0xfdfb), (0xfe70, 0xfefc), (0xff01, 0xffee),
           (0x10400, 0x1044f), (0x1d400, 0x1d7ff), (0x20000, 0x20100), (0x2f800, 0x2fa1d)]
MARKS = [(0x300, 0x36f), (0x591, 0x5bd), (0x64b, 0x65f), (0x3099, 0x309a), (0x20d0, 0x20f0), (0xfe00, 0xfe0f)]
OTHERS = [(1, 0x1f), (0x21, 0x40), (0x7f, 0xbf), (0x2000, 0x206f), (0x2070, 0x209c), (0x20a0, 0x20bf), (0x2100, 0x218b), (0x2460, 0x24ff),
          (0x2600, 0x27bf), (0x3000, 0x303f), (0x3200, 0x33ff), (0x1f100, 0x1f9ff), (0xe000, 0xe0ff), (0xe0020, 0xe007f)]
SPACES = [" ", " ", " ", "  ", "   ", " " * 9, "\t", "\n", "\r\n", "\v", "\x85", "\xa0", "\u1680", "\u2003", "\u200b", "\u2028", "\u202f",
          "\u3000", "\ufeff", "\u2581", "\u2581\u2581"]
FIXED = ["\u1f468\u200d\U0001f469\u200d\U0001f467", "\U0001f44d\U0001f3fd", "\U0001f1e9\U0001f1ea", "\ufdfa", "\ufb03", "\u01c4", "\u1e9e", "\u0130",
         "\u00a8", "\u2026", "\u2102", "\ufffd", "\u212b", "e\u0301\u0323", "\u0f73\u0f71", "<s>", "</s>", "<unk>", "<0x41>", "<0x0A>",
         "1234567", "3.14", "don't", "http://a.b/c?d=e", "</", "#!"]
USER_DEFINED_TEXTS = ["<tool>", "<tool>!", "(", ")", "ab", "bc", "\uff21\uff22", "\u00e9", "x\u2581y", "\u2581\u2581\u2581"]


class Writer:
    """Random texts of one seed."""

    def __init__(self, seed, words):
        self.random, self.words = random.Random(seed), words

    def character(self, ranges):
        first, last = self.random.choice(ranges)
        return chr(self.random.randint(first, last))

    def word(self):
        script = [self.random.choice(SCRIPTS)]
        return "".join(self.character(script) for _ in range(self.random.randint(1, 7)))

    def marked_word(self):
        return "".join(c + self.character(MARKS) * (self.random.random() < 0.5) for c in self.word())

    def anything(self):
        code = self.random.choice((0x80, 0x800, 0x10000, 0x110000))
        code = self.random.randrange(1, code)
        return "?" if 0xd800 <= code < 0xe000 else chr(code)

    def part(self):
        make = self.random.randrange(16)
        if make < 4:
            return self.random.choice(self.words)
        if make < 7:
            return self.random.choice(SPACES)
        if make < 9:
            return self.word()
        if make < 15:
            return (self.marked_word, self.anything, lambda: self.character(OTHERS), lambda: self.random.choice(FIXED),
                    lambda: self.random.choice(USER_DEFINED_TEXTS), lambda: "abcdef"[self.random.randrange(6):])[make - 9]()
        return " ".join(self.word() for _ in range(3))

    def text(self):
        return "".join(self.part() + " " * (self.random.random() < 0.4) for _ in range(self.random.randint(1, 14)))


# ---- models ----

def trained(lines, name, **options):
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(lines), model_writer=out, minloglevel=2, unk_surface="",
                                             num_threads=2, character_coverage=0.98, hard_vocab_limit=False, **options)
    return Model(name, out.getvalue())


def made(rng, name, kind, rules):
    """A model of short tokens over few characters, with scores of few values."""
    pieces = [("<unk>", 0.0, UNKNOWN), ("<s>", 0.0, CONTROL), ("</s>", 0.0, CONTROL)]
    texts = set("abcde\u2581") - {rng.choice("abcde")}
    while len(texts) < 60:
        texts.add("".join(rng.choice("aabbcde\u2581") for _ in range(rng.randint(2, 5))))
    for text in sorted(texts):
        likely = [NORMAL] * 9 + [USER_DEFINED] * (len(text) > 1) + [UNUSED] * (kind == UNIGRAM)     # BPE: docs/tokenizers.md
        pieces.append((text, -rng.choice((1.5, 2.25, 3.1, 3.1, 4.7, 6.3)), rng.choice(likely)))
    data = b"".join(field(1, field(1, text.encode()) + field(2, score) + field(3, kind_)) for text, score, kind_ in pieces)
    return Model(name, data + field(2, field(3, kind) + field(44, b"")) + field(3, field(1, b"identity") + rules))


def models(lines):
    """A function for each model, since making one takes time."""
    plain = {"normalization_rule_name": "identity", "remove_extra_whitespaces": False}
    ours = {"user_defined_symbols": USER_DEFINED_TEXTS}
    options = {
        "unigram": {},
        "unigram, nfkc_cf, bytes": {"normalization_rule_name": "nfkc_cf", "byte_fallback": True},
        "unigram, user-defined": {**ours, "add_dummy_prefix": False},
        "unigram, as it is": {**plain, **ours, "byte_fallback": True},
        "unigram, over spaces": {**plain, "split_by_whitespace": False, "add_dummy_prefix": False},
        "bpe": {"model_type": "bpe"},
        "bpe, as it is, bytes": {**plain, "model_type": "bpe", "byte_fallback": True},
        "bpe, user-defined": {**ours, "model_type": "bpe", "normalization_rule_name": "nfkc_cf", "byte_fallback": True},
        "bpe, over spaces": {**plain, **ours, "model_type": "bpe", "split_by_whitespace": False, "add_dummy_prefix": False},
    }
    for name, o in options.items():
        yield lambda: trained(lines, name, **{"vocab_size": 2000, **o})
    for i in range(4):
        rules = field(3, i // 2 % 2) + field(4, i % 2)
        rng = random.Random(SEED * 10 + i)
        yield lambda: made(rng, "unigram, by hand %d" % (i + 1), UNIGRAM, rules)
        yield lambda: made(rng, "bpe, by hand %d" % (i + 1), BPE, rules)


# ---- both ----

def ours(model, texts):
    with tempfile.NamedTemporaryFile(suffix=".gguf") as file:
        file.write(model.gguf())
        file.flush()
        data = b"".join(text.encode() + b"\0" for text in texts)
        done = subprocess.run([TOOL, file.name], input=data, stdout=subprocess.PIPE, check=True)
    for line in done.stdout.split(b"\0")[:-1]:
        ids, text = line.split(b"\t", 1)
        yield [int(i) for i in ids.split()], text.decode(errors="backslashreplace")


def difference(what, got, wanted):
    """Where the two differ first, and what is around it."""
    at = next((i for i, pair in enumerate(zip(got, wanted)) if pair[0] != pair[1]), min(len(got), len(wanted)))
    shown = slice(max(0, at - SHOWN // 4), at + SHOWN // 4)
    return "  %s equal" % what if got == wanted else "  %s from %d on: got %r\n  %s wanted %r" % (
        what, at, got[shown], " " * len("%s from %d on:" % (what, at)), wanted[shown])


def compare(model, texts):
    """How many are equal, and what is wrong with the first that is not."""
    library = sentencepiece.SentencePieceProcessor(model_proto=model.data)
    equal, first, names = 0, None, [p[0].decode() for p in model.pieces]
    wanted = library.encode(texts)
    for text, (ids, back), want, want_back in zip(texts, ours(model, texts), wanted, library.decode(wanted)):
        equal += (ids, back) == (want, want_back)
        if (ids, back) != (want, want_back) and first is None:
            first = "FAIL %s: %r\n%s\n%s" % (model.name, text[:SHOWN], difference("ids", [names[i] for i in ids], [names[i] for i in want]),
                                             difference("text", back, want_back))
    return equal, first


def main():
    corpus = [line for path in sorted((ROOT / "tests/demo_model/text").glob("*.txt")) for line in path.read_text().splitlines() if line]
    writer = Writer(SEED, sorted({word for line in corpus for word in line.split()}))
    foreign = [writer.word() for _ in range(300)]
    lines = corpus + [" ".join(writer.random.choices(foreign, k=8)) for _ in range(400)]
    writer.words += foreign
    texts = ["", " ", "\u2581", "\x01"] + [writer.text() for _ in range(TEXTS)]
    texts += ["".join(texts[i::5]) for i in range(5)]   # long enough for sums of scores to lose digits
    failures, tokens = [], 0
    print("%-28s %6s %6s %6s" % ("model", "pieces", "texts", "equal"))
    for make in models(lines):
        model = make()
        equal, first = compare(model, texts)
        print("%-28s %6d %6d %6d" % (model.name, len(model.pieces), len(texts), equal), flush=True)
        failures += [first] if first else []
    print("\n".join(failures) if failures else "all equal")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
