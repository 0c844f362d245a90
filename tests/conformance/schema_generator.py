"""schema_generator.py - random JSON Schemas over every keyword that the engine holds answers to, from a seed.

Texts and lists are bounded so that a model that babbles still ends within its tokens, most of the time.
`KEYWORDS` counts what was used, so that the test can insist that everything was.
"""
import collections
import random

FORMATS = ["date", "time", "date-time", "uuid", "ipv4", "ipv6", "hostname", "email", "uri"]
PATTERNS = ["^[a-z]{1,8}$", "^(yes|no|maybe)$", "^[A-Z][a-z]{0,5}( [A-Z][a-z]{0,5})?$", "^\\d{3}-\\d{2,4}$", "^[^\"\\\\]{2,5}$",
            "^#[0-9A-Fa-f]{6}$", "^v\\d{1,3}\\.\\d{1,3}(-rc[1-9])?$", "^.{1,6}$", "^(a|bc){0,9}d?$", "^[äöü€]{1,3}$", "^\\w{1,9}@\\w{1,9}$",
            "^\\S\\s\\S$", "^\"[a-z]{0,9}\"$", "^\\\\n$", "^[\\t\\n]{1,2}x$", "^(?:0|[1-9]\\d{0,3})$", "^$",
            "^(?!.*--)[a-z-]{1,8}$", "^(?=.*[0-9])[a-z0-9]{2,6}$", "^(?!ab|c)[a-c]{1,4}(?!c)[a-c]$"]
# Rare: they have no bound, and a model that babbles does not come to an end.
UNBOUNDED = ["[0-9]$", "^x", "a", "^v\\d+\\.\\d+(-rc[1-9])?$", "^(a|bc)*d?$", "^\\w+@\\w+$", "^\"[a-z]*\"$"]
NAMES = ["name", "age", "a", "ab", "abc", "id", "größe", "with space", "quo\"te", "back\\slash", "日本", "x-1", "type", "$ref", ""]
WORDS = ["red", "green", "blue", "", "ü", "日本語", "line\nbreak", "quo\"te", "tab\t", "{}", "a longer text, with words in it"]
VALUES = [None, True, False, 0, 1, -7, 3.5, -0.25, 1e10, "x", "", [], [1, "a"], {}, {"k": [None]}]


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.defs = {}
        self.keywords = collections.Counter()

    def chance(self, share):
        return self.random.random() < share

    def choose(self, items):
        return self.random.choice(items)

    def schema(self):
        """A schema with its $defs. Most are objects, as those of clients are."""
        make = self.choose([self.object, self.object, self.object, self.any, self.array])
        made = make(3)
        if self.defs:
            made = {**made, "$defs": self.defs}
            self.count({"$defs": 0})
        if self.chance(0.3):
            made = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "T", **made}
        return made

    def count(self, made):
        self.keywords.update(made.keys())
        return made

    def annotated(self, made):
        if self.chance(0.15):
            made = {**made, self.choose(["title", "description", "$comment"]): "says nothing"}
        if self.chance(0.05):
            made = {**made, "default": 1, "examples": [1, 2]}
        return made

    def any(self, depth):
        leaves = [self.string, self.string, self.integer, self.number, self.boolean, self.null, self.enum, self.const, self.types,
                  self.nullable]
        inner = [self.object, self.object, self.array, self.array, self.any_of, self.one_of, self.all_of, self.reference,
                 self.recursion]
        return self.annotated(self.count(self.choose(leaves if depth <= 0 or self.chance(0.45) else inner)(depth - 1)))

    # ---- leaves ----

    def string(self, _depth):
        made = {"type": "string"}
        what = self.random.randrange(5)
        if what == 0:
            made["format"] = self.choose(FORMATS)
        elif what == 1:
            made["pattern"] = self.choose(UNBOUNDED if self.chance(0.01) else PATTERNS)
        elif what == 2:
            made["pattern"] = self.choose(UNBOUNDED)
            made["maxLength"] = self.random.randrange(8, 25)
            if self.chance(0.3):
                made = {"allOf": [made, {"pattern": self.choose(["^[^ ]*$", "a|[0-9]|x|\\\"|\\w"])}], "type": "string"}
        else:
            made["maxLength"] = self.random.randrange(0, 25)
            if self.chance(0.5):
                made["minLength"] = self.random.randrange(0, made["maxLength"] + 1)
        return self.count(made)

    def limits(self, made, span, whole):
        low = self.random.randrange(-span, span)
        high = low + self.random.randrange(1, span)
        if self.chance(0.7):
            made[self.choose(["minimum", "exclusiveMinimum"])] = low if whole or self.chance(0.5) else low + self.choose([0.5, 0.125, 0.9])
        if self.chance(0.7):
            made[self.choose(["maximum", "exclusiveMaximum"])] = high + 2 if whole or self.chance(0.7) else low + 0.97
        return self.count(made)

    def integer(self, _depth):
        span = self.choose([2, 12, 150, 100000])
        made = self.limits({"type": "integer"}, span, True)
        fitting = [divisor for divisor in (2, 3, 7, 10, 25, 60, 200, 64000) if span > 2 * divisor]
        # No multiple may lie between two narrow limits: those are left as they are.
        if fitting and self.chance(0.3) and not ({"minimum", "exclusiveMinimum"} & set(made) and {"maximum", "exclusiveMaximum"} & set(made)):
            made["multipleOf"] = self.choose(fitting)
        return self.count(made)

    def number(self, _depth):
        return self.limits({"type": "number"}, self.choose([2, 50, 3000]), False)

    def boolean(self, _depth):
        return {"type": "boolean"}

    def null(self, _depth):
        return {"type": "null"}

    def enum(self, _depth):
        values = self.random.sample(WORDS, self.random.randrange(1, 6)) + self.random.sample(VALUES, self.random.randrange(0, 3))
        made = {"enum": values}
        if self.chance(0.3):
            made = {"enum": [v for v in values if isinstance(v, str)], "type": "string"}
        return self.count(made)

    def const(self, _depth):
        return self.count({"const": self.choose(WORDS + VALUES)})

    def types(self, _depth):
        made = {"type": self.random.sample(["null", "boolean", "integer", "string"], self.random.randrange(1, 4))}
        if "string" in made["type"]:
            made["maxLength"] = 12
        return self.count(made)

    def nullable(self, _depth):
        return self.count({**self.choose([self.string, self.integer])(0), "nullable": True})

    # ---- what holds others ----

    def object(self, depth):
        names = self.random.sample(NAMES, self.random.randrange(0, 5) or 1)
        made = {"type": "object", "properties": {name: self.any(depth) for name in names}}
        made["required"] = [name for name in names if self.chance(0.6)]
        if self.chance(0.02):
            made["required"].append("unlisted")
            made["additionalProperties"] = {"type": "integer", "minimum": 0, "maximum": 9}
        elif self.chance(0.03):
            made["additionalProperties"] = self.choose([self.integer, self.boolean])(0)
        elif self.chance(0.7):
            made["additionalProperties"] = False
        least, most = len(made["required"]), len(set(names) | set(made["required"]))
        if self.chance(0.15):
            made["minProperties"] = self.random.randrange(0, most + 1)
        bounded = isinstance(made.get("additionalProperties"), dict)     # else the model alone decides how many there are: rare
        if self.chance(0.9 if bounded else 0.15):
            made["maxProperties"] = self.random.randrange(max(least, made.get("minProperties", 0)), most + 3)
        if not made["required"]:
            del made["required"]
        return self.count(made)

    def array(self, depth):
        made = {"type": "array"}
        if self.chance(0.3):
            made["prefixItems"] = [self.any(depth - 1) for _ in range(self.random.randrange(1, 4))]
            if self.chance(0.5):
                made["items"] = self.choose([False, self.integer(0)])
        else:
            made["items"] = self.any(depth)
        positions = len(made.get("prefixItems", []))
        made["maxItems"] = positions + self.random.randrange(0, 4)
        if self.chance(0.5):
            most = positions if made.get("items") is False else made["maxItems"]
            made["minItems"] = self.random.randrange(0, most + 1)
        return self.count(made)

    def any_of(self, depth):
        made = {"anyOf": [self.any(depth - 1) for _ in range(self.random.randrange(1, 4))]}
        return self.count(made)

    def one_of(self, depth):
        if self.chance(0.5):
            kinds = self.random.sample([self.string, self.integer, self.boolean, self.null, self.array, self.object],
                                       self.random.randrange(1, 4))
            return self.count({"oneOf": [kind(depth - 1) for kind in kinds]})
        tagged = []
        for tag in self.random.sample(["cat", "dog", "bird"], self.random.randrange(1, 4)):
            one = self.object(depth - 1)
            one["properties"] = {"kind": {"const": tag}, **one["properties"]}
            one["required"] = ["kind", *one.get("required", [])]
            one.pop("maxProperties", None)                      # which did not count it
            tagged.append(one)
        return self.count({"oneOf": tagged})

    def all_of(self, depth):
        if self.chance(0.5):
            parts = [{"type": "integer"}, {"minimum": self.random.randrange(-5, 5)}, {"maximum": self.random.randrange(6, 300)}]
            self.random.shuffle(parts)
            return self.count({"allOf": parts, **self.choose([{}, {"exclusiveMinimum": -2}])})
        left, right = self.object(depth - 1), self.object(depth - 1)
        for part in (left, right):
            for keyword in ("additionalProperties", "minProperties", "maxProperties"):
                part.pop(keyword, None)
            part["required"] = [name for name in part.get("required", []) if name in part["properties"]]
        for name in set(left["properties"]) & set(right["properties"]):
            del right["properties"][name]
            right["required"] = [other for other in right["required"] if other != name]
        return self.count({"allOf": [left, right]})

    def reference(self, depth):
        if not self.defs or self.chance(0.5):
            name = self.choose(["d", "e/f", "g~h", "i j"]) + str(len(self.defs))
            self.defs[name] = True                              # its place in the order
            self.defs[name] = self.any(depth - 1)
        name = self.choose(list(self.defs))
        if self.defs[name] is True:
            return {"type": "null"}                             # still being made: not to itself
        pointer = name.replace("~", "~0").replace("/", "~1").replace(" ", "%20")
        return self.count({"$ref": "#/$defs/" + pointer})

    def recursion(self, _depth):
        """A tree or a list, which ends only because some of it is optional."""
        name = "node%d" % len(self.defs)
        node = {"type": "object", "properties": {"v": self.integer(0)}, "required": ["v"], "additionalProperties": False}
        reference = {"$ref": "#/$defs/" + name}
        if self.chance(0.5):
            node["properties"]["next"] = {"anyOf": [{"type": "null"}, reference]}
            node["required"].append("next")
        else:
            node["properties"]["children"] = {"type": "array", "items": reference, "maxItems": 1}
        self.defs[name] = node
        self.count(node)
        return self.count(dict(reference))
