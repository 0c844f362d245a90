"""callgrind.py - what `valgrind --tool=callgrind` has counted, by function: the instructions of its own, without those of what it called. What the
compiler put inside a function is the function's."""
import re

NAME = re.compile(r"fn=\((\d+)\)(?: (.*))?$")


def own_instructions(lines):
    names, costs, function, is_call = {}, {}, None, False
    for line in lines:
        named = NAME.match(line)
        if named:
            number, name = named.groups()
            names[number] = re.sub(r"'\d+$", "", name or names[number])  # of functions that call themselves
            function = names[number]
        elif line.startswith("calls="):
            is_call = True  # the next line is what the called one took
        elif line.startswith("cfn=("):
            number, _, name = line[5:].rstrip("\n").partition(")")
            names.setdefault(number, re.sub(r"'\d+$", "", name.strip()))
        elif function and line[:1] in "0123456789+-*":
            if not is_call:
                costs[function] = costs.get(function, 0) + int(line.split()[1])
            is_call = False
    return costs
