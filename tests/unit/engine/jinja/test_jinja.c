/*
 * test_jinja.c - the language of chat templates: a row is a template and what it prints, checked against Python's Jinja when it was
 * written; then what fails and how it is said, what came from outside, and that nothing is without a bound.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "engine/jinja/jinja.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The variables of all rows. */
static const char variables_json[] =
        "{\"n\": 3, \"s\": \"héllo wörld\", \"l\": [3, 1, 2], \"m\": {\"b\": 1, \"a\": \"x\"}, \"e\": [], \"t\": true, \"f\": 1.5, "
        "\"none\": null, \"people\": [{\"name\": \"Bo\", \"age\": 3, \"tags\": [\"x\"]}, {\"name\": \"al\", \"age\": 1, \"tags\": ["
        "]}, {\"name\": \"Cy\", \"age\": 3, \"tags\": [\"y\", \"z\"]}]}";

struct output {
        char *text;
        size_t length;
        bool marks; /* what came from outside stands between < and > */
};

static void on_output(void *context, const char *bytes, size_t length, bool outside) {
        struct output *o = context;
        bool marked = o->marks && outside;
        o->text = realloc(o->text, o->length + length + 3);
        assert_non_null(o->text);
        o->length += (size_t) sprintf(o->text + o->length, "%s%.*s%s", marked ? "<" : "", (int) length, bytes, marked ? ">" : "");
}

/* The output of TEMPLATE, or the sentence on why there is none; the caller frees it. */
static char *rendered(const char *template, size_t length, bool marks, bool *ret_raised) {
        struct jinja_template *t;
        struct jinja_error error;
        struct output out = { .text = strdup(""), .marks = marks };
        if (jinja_parse(template, length, &t, &error) < 0) {
                free(out.text);
                return strdup(error.text);
        }
        cJSON *json = cJSON_Parse(variables_json);
        assert_non_null(json);
        struct jinja_variable variables[32] = { { .name = "eos", .own = "</s>" } };
        size_t count = 1;
        for (const cJSON *v = json->child; v; v = v->next)
                variables[count++] = (struct jinja_variable){ .name = v->string, .value = v };
        struct jinja_input input = { variables, count, 1700000000 };
        if (jinja_render(t, &input, on_output, &out, &error) < 0) {
                assert_int_equal(out.length, 0);
                free(out.text);
                out.text = strdup(error.text);
                if (ret_raised)
                        *ret_raised = error.raised;
        }
        cJSON_Delete(json);
        jinja_free(t);
        return out.text;
}

static void check(const char *what, const char *template, bool marks, const char *wanted) {
        char *got = rendered(template, strlen(template), marks, NULL);
        if (strcmp(got, wanted))
                fail_msg("%s: %s\ngot    [%s]\nwanted [%s]", what, template, got, wanted);
        free(got);
}

/* clang-format off */
static const struct {
        const char *what, *template, *prints;
} language[] = {
        { "text alone", "plain", "plain" },
        { "the last line end goes", "a\n", "a" },
        { "only one of them", "a\n\n", "a\n" },
        { "a value", "{{ s }}", "héllo wörld" },
        { "undefined prints nothing", "[{{ nothing }}]", "[]" },
        { "constants", "{{ true }} {{ False }} {{ none }} {{ None }}", "True False None None" },
        { "numbers", "{{ 1 }} {{ 1_000 }} {{ 0x1f }} {{ 0b101 }} {{ 1.0 }} {{ 1e3 }} {{ 2.5e-7 }} {{ 1e16 }} {{ 1.5e300 }} {{ 0.1 + 0.2 }}", "1 1000 31 5 1.0 1000.0 2.5e-07 1e+16 1.5e+300 0.30000000000000004" },
        { "escapes of texts", "{{ \"a\\n\\t\\x41\\u00e9\\\"'\\\\\\q\" }}|{{ 'it\\'s' }}", "a\n\tAé\"'\\\\q|it's" },
        { "texts side by side", "{{ 'a' 'b' }}", "ab" },
        { "comments", "a{# no {{ n }} #}b", "ab" },
        { "a block takes its line end along", "{% if t %}\na\n{% endif %}\nb", "a\nb" },
        { "and its indentation", "x\n   {% if t %}\n   a\n   {% endif %}\nb", "x\n   a\nb" },
        { "a print does neither", "x\n   {{ n }}\nb", "x\n   3\nb" },
        { "a comment does", "x\n  {# c #}\nb", "x\nb" },
        { "plus keeps it", "x\n   {%+ if t %}a{% endif +%}\nb", "x\n   a\nb" },
        { "minus takes all", "x \n {%- if t -%} \n a \n {%- endif -%} \n b", "xab" },
        { "minus in prints", "x \n {{- n -}} \n b", "x3b" },
        { "minus in comments", "x \n {#- c -#} \n b", "xb" },
        { "text before on the line keeps the indentation", "a  {% if t %}b{% endif %}", "a  b" },
        { "indentation behind a block", "{% if t %}  {% if t %}a{% endif %}{% endif %}", "  a" },
        { "raw", "{% raw %}{{ n }} {% if %}{% endraw %}\nb", "{{ n }} {% if %}b" },
        { "raw without space", "a {%- raw -%} {{ x }} {%- endraw -%} b", "a{{ x }}b" },
        { "braces within a print", "{{ {'a': {'b': 1}}['a']['b'] }}", "1" },
        { "arithmetic", "{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 2 ** 10 }} {{ 7 / 2 }} {{ 6 / 3 }} {{ 2 ** -1 }} {{ 1 - -1 }}", "3 -4 1 2 1024 3.5 2.0 0.5 2" },
        { "precedence", "{{ 1 + 2 * 3 }} {{ (1 + 2) * 3 }} {{ -2 ** 2 }} {{ 2 * 3 ~ 4 }} {{ not n == 3 }} {{ 1 < 2 and 2 < 1 or t }}", "7 9 4 64 False True" },
        { "chained comparisons", "{{ 1 < n < 5 }} {{ 1 < n < 2 }} {{ 1 == 1.0 == true }}", "True False True" },
        { "in", "{{ 2 in l }} {{ 9 not in l }} {{ 'b' in m }} {{ 'llo' in s }} {{ 'x' in nothing }}", "True True True True False" },
        { "and, or give values", "{{ e or 'empty' }} {{ n and 'x' }} {{ none or 0 }}", "empty x 0" },
        { "inline if", "{{ 'a' if t else 'b' }}{{ 'c' if e }}{{ 'd' if e else 'f' if t else 'g' }}", "af" },
        { "concatenation", "{{ 'a' ~ 1 ~ none ~ [1, 'x'] ~ f }}", "a1None[1, 'x']1.5" },
        { "texts and lists times", "{{ 'ab' * 3 }} {{ [1] * 2 }} {{ 2 * 'x' }} {{ 'a' * -1 }}", "ababab [1, 1] xx " },
        { "sums of lists", "{{ l + [4] }} {{ (1,) + (2,) }}", "[3, 1, 2, 4] (1, 2)" },
        { "repr", "{{ [1, 1.5, true, none, 'a', \"it's\", 'a\"b', \"both'\\\"\"] }} {{ {'k': ['v']} }} {{ (1,) }} {{ () }}", "[1, 1.5, True, None, 'a', \"it's\", 'a\"b', 'both\\'\"'] {'k': ['v']} (1,) ()" },
        { "repr of odd characters", "{{ ['a\\nb\\t\\\\', 'é', '\\x01', '\\u00a0', '\\u200b', '😀'] }}", "['a\\nb\\t\\\\', 'é', '\\x01', '\\xa0', '\\u200b', '😀']" },
        { "slices", "{{ s[1:4] }} {{ s[-3:] }} {{ s[::-1] }} {{ l[:2] }} {{ l[::-1] }} {{ l[5:] }} {{ s[::2] }} {{ s[-1] }} {{ l[-1] }} {{ s[3:1] }} {{ l[-2:] }} {{ l[2:0:-1] }}", "éll rld dlröw olléh [3, 1] [2, 1, 3] [] hlowrd d 2  [1, 2] [2, 1]" },
        { "items that are not there", "[{{ l[9] }}{{ m.q }}{{ m['q'] }}{{ s[99] }}{{ n.x }}]", "[]" },
        { "a member before a method, by brackets", "{{ {'items': 1}['items'] }}", "1" },
        { "a method before a member, by a dot", "{{ {'items': 1}.items() | list }}", "[('items', 1)]" },
        { "a number as a member", "{{ l.0 }}", "3" },
        { "length counts characters", "{{ s | length }} {{ l | length }} {{ m | length }} {{ nothing | length }}", "11 3 2 0" },
        { "methods of texts", "{{ '  a '.strip() }}|{{ 'xxaxx'.strip('x') }}|{{ '  a'.lstrip() }}|{{ 'a\n'.rstrip('\n') }}|{{ s.upper() }}|{{ 'ÀÉ'.lower() }}|{{ 'ab cd-ef'.title() }}|{{ 'aBC'.capitalize() }}", "a|a|a|a|HÉLLO WÖRLD|àé|Ab Cd-Ef|Abc" },
        { "strip takes what Python calls white space", "{{ '   a　'.strip() }}|", "a|" },
        { "splitting", "{{ 'a,b,,c'.split(',') }} {{ ' a  b '.split() }} {{ 'a,b,c'.split(',', 1) }} {{ 'a,b,c'.rsplit(',', 1) }} {{ ''.split(',') }} {{ ''.split() }} {{ 'a b c'.split(none, 1) }}", "['a', 'b', '', 'c'] ['a', 'b'] ['a', 'b,c'] ['a,b', 'c'] [''] [] ['a', 'b c']" },
        { "partitions", "{{ 'a=b=c'.partition('=') }} {{ 'a=b=c'.rpartition('=') }} {{ 'a'.partition('=') }} {{ 'a'.rpartition('=') }}", "('a', '=', 'b=c') ('a=b', '=', 'c') ('a', '', '') ('', '', 'a')" },
        { "lines", "{{ 'a\nb\r\nc\n'.splitlines() }} {{ 'a\\x0b\\x85b\\u2028\\u2029'.splitlines() | length }}", "['a', 'b', 'c'] 4" },
        { "edges", "{{ s.startswith('hé') }} {{ s.endswith(('x', 'ld')) }} {{ 'abc'.removeprefix('a') }} {{ 'abc'.removesuffix('c') }}", "True True bc ab" },
        { "replacing", "{{ 'aaa'.replace('a', 'b', 2) }} {{ 'ab'.replace('', '-') }} {{ 'abab' | replace('ab', 'c') }}", "bba -a-b- cc" },
        { "finding", "{{ s.find('w') }} {{ s.find('q') }} {{ 'abab'.rfind('ab') }} {{ 'abab'.count('ab') }} {{ 'aé'.find('é') }}", "6 -1 2 2 1" },
        { "joining", "{{ ', '.join(['a', 'b']) }} {{ l | join('-') }} {{ people | join(', ', attribute='name') }} {{ 'abc' | join(' ') }}", "a, b 3-1-2 Bo, al, Cy a b c" },
        { "braces", "{{ '{} {1} {x:>5}|{:.2f}'.format(1, 2, x='q') if false else '{} {} {x:>5}|{y:.2f}|{z:05d}|{w!r}|{{}}'.format(1, 'b', x='q', y=3.14159, z=42, w='s') }}", "1 b     q|3.14|00042|'s'|{}" },
        { "percent", "{{ '%s-%5s|%-5s|%05.1f|%d%%|%x|%r' % ('a', 'b', 'c', 3.14159, 7, 255, 'q') }} {{ '%s' % 'one' }} {{ '%(k)s' % {'k': 1} }}", "a-    b|c    |003.1|7%|ff|'q' one 1" },
        { "isdigit and others", "{{ '12'.isdigit() }} {{ 'a1'.isalnum() }} {{ 'ab'.isalpha() }} {{ ' '.isspace() }} {{ ''.isdigit() }} {{ 'AB'.isupper() }} {{ 'ab'.islower() }}", "True True True True False True True" },
        { "methods of mappings", "{{ m.get('b') }} {{ m.get('q') }} {{ m.get('q', 7) }} {{ m.keys() | list }} {{ m.values() | list }} {{ m.items() | list }}", "1 None 7 ['b', 'a'] [1, 'x'] [('b', 1), ('a', 'x')]" },
        { "set, and what a loop keeps to itself", "{% set x = 1 %}{% for i in l %}{% set x = x + i %}{{ x }} {% endfor %}{{ x }}", "4 2 3 1" },
        { "a namespace outlives the loop", "{% set ns = namespace(c=0, q='z') %}{% for i in l %}{% set ns.c = ns.c + i %}{% endfor %}{{ ns.c }}{{ ns.q }}", "6z" },
        { "set unpacks", "{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set (c, d) = [3, 4] %}{{ c }}{{ d }}", "1234" },
        { "set as a block", "{% set x %}a{{ n }}{% endset %}[{{ x }}]{% set y | upper | trim %}  b {% endset %}[{{ y }}]", "[a3][B]" },
        { "if sets for all", "{% if t %}{% set x = 5 %}{% endif %}{{ x }}", "5" },
        { "elif", "{% if e %}a{% elif n == 3 %}b{% else %}c{% endif %}", "b" },
        { "for", "{% for i in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ i }};{% endfor %}", "103TrueFalse33;212FalseFalse31;321FalseTrue32;" },
        { "neighbours", "{% for i in l %}{{ loop.previtem }}<{{ i }}>{{ loop.nextitem }} {% endfor %}", "<3>1 3<1>2 1<2> " },
        { "for over a mapping", "{% for k in m %}{{ k }}{% endfor %} {% for k, v in m.items() %}{{ k }}={{ v }};{% endfor %}{% for k, v in m | dictsort %}{{ k }}{% endfor %}", "ba b=1;a=x;ab" },
        { "for over a text", "{% for c in 'aé' %}{{ c }},{% endfor %}", "a,é," },
        { "for with if", "{% for i in l if i > 1 %}{{ loop.index }}:{{ i }}/{{ loop.length }} {% endfor %}", "1:3/2 2:2/2 " },
        { "for else", "{% for i in e %}a{% else %}none{% endfor %}{% for i in nothing %}a{% else %}none{% endfor %}", "nonenone" },
        { "break and continue", "{% for i in range(10) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %}", "0134" },
        { "a loop that calls itself", "{% for x in [[1, [2, 3]], 4] recursive %}{% if x is iterable %}({{ loop(x) }}){% else %}{{ x }}@{{ loop.depth }} {% endif %}{% endfor %}", "(1@2 (2@3 3@3 ))4@1 " },
        { "cycle and changed", "{% for i in [1, 1, 2] %}{{ loop.cycle('a', 'b') }}{{ loop.changed(i) }} {% endfor %}", "aTrue bFalse aTrue " },
        { "a list that grows outside of the loop", "{% set x = [1] %}{% for i in range(2) %}{% set y = x.append(i) %}{% endfor %}{{ x }}{{ x.pop() }}{{ x }}", "[1, 0, 1]1[1, 0]" },
        { "macros", "{% macro f(a, b=2, c=a) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ f(1) }} {{ f(1, c=9) }} {{ f(b=3, a=4) }} {{ f() }}", "121 129 434 2" },
        { "what a macro gets besides", "{% macro f(a) %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, x=3) }}", "(2,){'x': 3}" },
        { "a macro sees what is set later", "{% macro f() %}{{ z }}{% endmacro %}{% set z = 1 %}{{ f() }}", "1" },
        { "macros call themselves", "{% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}", "321" },
        { "call blocks", "{% macro f(a) %}<{{ a }}{{ caller(1) }}>{% endmacro %}{% call(x) f('q') %}in{{ x }}{% endcall %}", "<qin1>" },
        { "filter blocks", "{% filter upper | replace('B', 'x') %}ab{{ n }}{% endfilter %}", "Ax3" },
        { "with", "{% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}[{{ a }}]", "13[]" },
        { "generation blocks are their content", "{% generation %}a{{ n }}{% endgeneration %}", "a3" },
        { "arguments in lists and mappings", "{% macro f(a, b, c) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ f(*[1, 2], **{'c': 3}) }}", "123" },
        { "range", "{{ range(3) | list }} {{ range(1, 7, 2) | list }} {{ range(3, 0, -1) | list }}", "[0, 1, 2] [1, 3, 5] [3, 2, 1]" },
        { "dict", "{{ dict(a=1, b=2) }}", "{'a': 1, 'b': 2}" },
        { "JSON", "{{ m | tojson }} {{ [1, 1.5, true, none, 'é\"\\n'] | tojson }} {{ {} | tojson }} {{ [] | tojson(indent=2) }}", "{\"b\": 1, \"a\": \"x\"} [1, 1.5, true, null, \"é\\\"\\n\"] {} []" },
        { "JSON in ASCII", "{{ 'é\\x7f' | tojson(ensure_ascii=true) }} {{ '\\x7f' | tojson }}", "\"\\u00e9\\u007f\" \"\x7f\"" },
        { "JSON on several lines", "{{ {'a': [1, {'b': []}], 'c': {}} | tojson(indent=2) }}", "{\n  \"a\": [\n    1,\n    {\n      \"b\": []\n    }\n  ],\n  \"c\": {}\n}" },
        { "JSON in other ways", "{{ m | tojson(sort_keys=true) }} {{ {'a': [1, 2]} | tojson(separators=(',', ':')) }} {{ 'é😀' | tojson(ensure_ascii=true) }}", "{\"a\": \"x\", \"b\": 1} {\"a\":[1,2]} \"\\u00e9\\ud83d\\ude00\"" },
        { "filters of texts", "{{ 'a b' | title }} {{ 'ab' | upper | lower }} {{ ' a ' | trim }} {{ 'x' | default('y') }} {{ nothing | default('y') }} {{ '' | default('y', true) }} {{ 5 | string }} {{ 'aB' | capitalize }}", "A B ab a x y y 5 Ab" },
        { "the filter title is not the method", "{{ '</s>a b-c' | title }} {{ '</s>a b-c'.title() }}", "</s>a B-C </S>A B-C" },
        { "indentation makes all line ends one", "{{ 'a\\u2028b\\r\\n\\x0c' | indent(1) }}|{{ 'a\\r' | indent }}", "a\n b\n\n|a" },
        { "indentation", "{{ 'a\nb\n\nc' | indent }}|{{ 'a\nb' | indent(2, true) }}|{{ 'a\n\nb' | indent(2, blank=true) }}", "a\n    b\n\n    c|  a\n  b|a\n  \n  b" },
        { "escaping", "{{ '<a href=\"x\">&\\'' | e }}", "&lt;a href=&#34;x&#34;&gt;&amp;&#39;" },
        { "numbers from texts", "{{ '12' | int }} {{ 'x' | int }} {{ 'x' | int(7) }} {{ '1.9' | int }} {{ '1.5' | float }} {{ 3.7 | int }} {{ 'ff' | int(base=16) }} {{ -3 | abs }}", "12 0 7 1 1.5 3 255 3" },
        { "rounding", "{{ 2.567 | round(2) }} {{ 2.5 | round }} {{ 2.1 | round(0, 'ceil') }} {{ 7 | round }}", "2.57 2.0 3.0 7" },
        { "first, last, reverse", "{{ l | first }} {{ l | last }} {{ l | reverse | list }} {{ 'abc' | reverse }} {{ 'abc' | first }}", "3 2 [2, 1, 3] cba a" },
        { "sorting", "{{ l | sort }} {{ l | sort(reverse=true) }} {{ ['b', 'A', 'c'] | sort }} {{ people | sort(attribute='age') | map(attribute='name') | list }} {{ m | dictsort(by='value') if false }}", "[1, 2, 3] [3, 2, 1] ['A', 'b', 'c'] ['al', 'Bo', 'Cy'] " },
        { "sorting mappings", "{{ {'b': 1, 'A': 2} | dictsort }} {{ {'b': 1, 'a': 2} | dictsort(by='value') }} {{ {'b': 1, 'A': 2} | dictsort(true) }}", "[('A', 2), ('b', 1)] [('b', 1), ('a', 2)] [('A', 2), ('b', 1)]" },
        { "unique, min, max, sum", "{{ [1, 2, 1] | unique | list }} {{ ['a', 'A'] | unique | list }} {{ l | min }} {{ l | max }} {{ l | sum }} {{ people | sum(attribute='age') }}", "[1, 2] ['a'] 1 3 6 7" },
        { "groups", "{% for g in people | groupby('age') %}{{ g.grouper }}:{{ g.list | map(attribute='name') | join(',') }} {% endfor %}{% for k, v in people | groupby('age') %}{{ k }}{% endfor %}", "1:al 3:Bo,Cy 13" },
        { "selecting", "{{ people | selectattr('age', 'equalto', 3) | map(attribute='name') | list }} {{ people | rejectattr('tags') | map(attribute='name') | list }} {{ [1, 2, 3] | select('odd') | list }} {{ [0, 1, none] | select | list }} {{ l | reject('greaterthan', 2) | list }}", "['Bo', 'Cy'] ['al'] [1, 3] [1] [1, 2]" },
        { "mapping nothing", "{{ [] | map | list }} {{ '' | select | list }}", "[] []" },
        { "mapping", "{{ ['a', 'b'] | map('upper') | list }} {{ people | map(attribute='tags.0', default='-') | list if false }} {{ [' a'] | map('trim') | list }} {{ [{'a': 1}, {}] | map(attribute='a', default=0) | list }}", "['A', 'B']  ['a'] [1, 0]" },
        { "batches", "{{ [1, 2, 3] | batch(2, 0) | list }}", "[[1, 2], [3, 0]]" },
        { "items as a filter", "{{ m | items | list }} {{ nothing | items | list }}", "[('b', 1), ('a', 'x')] []" },
        { "tests", "{{ n is defined }} {{ q is defined }} {{ none is none }} {{ s is string }} {{ m is mapping }} {{ l is iterable }} {{ s is sequence }} {{ n is number }} {{ t is boolean }} {{ t is true }} {{ t is false }} {{ 1 is integer }} {{ 1.0 is float }} {{ n is not string }} {{ q is undefined }}", "True False True True True True True True True True False True True True True" },
        { "tests with arguments", "{{ 9 is divisibleby 3 }} {{ n is odd }} {{ n is even }} {{ n is in l }} {{ n is eq 3 }} {{ n is ne(3) }} {{ n is gt 2 and n is lt 4 }} {{ 'A' is upper }} {{ n is sameas n }} {{ true is integer }} {{ 1 is true }}", "True True False True True False True True True False False" },
        { "a test binds closer than not", "{{ not n is defined }}", "False" },
        { "a mapping asked for what is no key", "{{ m[nothing] is defined }} {{ m[[1]] is defined }} {{ m[{}] is defined }} {{ m[([1],)] is defined }} {{ nothing in m }} {{ m.get(nothing) }} {{ m[range] is defined }}", "False False False False False None False" },
        { "undefined as a key", "{{ {nothing: 1}[q] }} {{ {none: 1}[q] is defined }}", "1 False" },
        { "keys of other types", "{{ {1: 'a', none: 'b', (1, 2): 'c'}[(1, 2)] }} {{ {1: 'a'}[1.0] }} {{ {true: 'x'} }}", "c a {True: 'x'}" },
        { "many keys", "{% set d = dict() %}{% for i in range(40) %}{% set _ = d.update({i | string: i}) %}{% endfor %}{{ d['39'] }}{{ d | length }}{{ d.get('x') }}", "3940None" },
        { "a tuple without brackets", "{{ 1, 2 }} {% for a in 1, 2 %}{{ a }}{% endfor %}", "(1, 2) 12" },
        { "a filter in a chain", "{{ people | map(attribute='name') | map('lower') | sort | join(' ') | upper }}", "AL BO CY" },
        { "equality", "{{ [1, 2] == [1, 2] }} {{ {'a': 1} == {'a': 1.0} }} {{ 'a' != 'b' }} {{ (1,) == [1] }} {{ none == nothing }} {{ q == r }}", "True True True False False True" },
        { "an undefined member of a mapping is undefined", "{{ m.q is defined }} {{ m.q | default('d') }}", "False d" },
        { "line ends of other systems", "a\r\nb\rc", "a\nb\nc" },
};
/* clang-format on */

static void test_language(void **state) {
        (void) state;
        for (size_t i = 0; i < COUNT(language); i++)
                check(language[i].what, language[i].template, false, language[i].prints);
}

/* Cases in which this engine is kinder than Python, since published templates rely on it. */
static void test_differences(void **state) {
        (void) state;
        check("undefined added to a text", "{{ 'a' + nothing + 'b' }}", false, "ab");
        check("a mapping added to a text", "{{ 'a' + m }}", false, "a{'b': 1, 'a': 'x'}");
        check("the time it is told", "{{ strftime_now('%Y-%m-%d') }}", false, "2023-11-14");
        check("a NUL, and half of a character",
              "{% set x = '\"a\\\\u0000\\\\ud83d\"' | from_json %}{{ x | length }}{{ x | tojson }}{{ x == 'a\\0\\ufffd' }}",
              false, "3\"a\\u0000\xef\xbf\xbd\"True");
        check("JSON read", "{{ ('[1, {\"a\": null}]' | from_json)[1] }}", false, "{'a': None}");
}

static void test_errors(void **state) {
        (void) state;
        /* clang-format off */
        static const struct {
                const char *template, *says;
        } rows[] = {
                { "a\n{{ x",                           "line 2: '}}' is missing" },
                { "{% if t %}",                        "line 1: endif is expected where the end stands" },
                { "{% for x in l %}a",                 "line 1: endfor is expected where the end stands" },
                { "a\n\n{% endif %}",                  "line 3: the block 'endif' is not known, or closes nothing here" },
                { "{% include 'a' %}",                 "line 1: the block 'include' is not known, or closes nothing here" },
                { "{{ }}",                             "line 1: an expression is expected where '}}' stands" },
                { "{{ 1 + }}",                         "line 1: an expression is expected where '}}' stands" },
                { "{{ (1 }}",                          "line 1: '}' closes nothing" },
                { "{{ 'abc }}",                        "line 1: a text is not closed: ' is missing" },
                { "{# abc",                            "line 1: a comment is not closed: '#}' is missing" },
                { "{% raw %}abc",                      "line 1: 'raw' is not closed: 'endraw' is missing" },
                { "{% set 1 = 2 %}",                   "line 1: a name is expected where a number stands" },
                { "{{ l[::, 1] }}", "line 1: a slice stands alone between its brackets" },
                { "{% break %}",                       "line 1: 'break' stands outside of a loop" },
                { "{{ 99999999999999999999 }}",        "line 1: a number does not fit into 64 bits" },
                { "{{ a ? b }}",                       "line 1: '?' has no meaning here" },
                { "\n{{ x.y }}",                       "line 2: 'x' is undefined" },
                { "{{ m.q.r }}",                       "line 1: there is no member 'q'" },
                { "{{ x() }}",                         "line 1: 'x' is undefined" },
                { "{{ n() }}",                         "line 1: a value of type 'int' cannot be called" },
                { "{{ n | nonsense }}",                "line 1: there is no filter 'nonsense'" },
                { "{{ n is nonsense }}",               "line 1: there is no test 'nonsense'" },
                { "{{ n | length }}",                  "line 1, filter 'length': a value of type 'int' has no length" },
                { "{{ none | join }}",                 "line 1, filter 'join': a value of type 'NoneType' cannot be gone through" },
                { "{{ 'a' | trim(1, 2) }}",            "line 1, filter 'trim': there are more than 1 arguments" },
                { "{{ 'a' | trim(q=2) }}",             "line 1, filter 'trim': an argument 'q' is not known" },
                { "{{ 'a' + 1 }}",                     "line 1: '+' does not go between 'str' and 'int'" },
                { "{{ none + 'a' }}",                  "line 1: '+' does not go between 'NoneType' and 'str'" },
                { "{{ 9223372036854775807 + 1 }}",     "line 1: a whole number does not fit into 64 bits" },
                { "{{ -9223372036854775807 - 2 }}",    "line 1: a whole number does not fit into 64 bits" },
                { "{{ (0 - 9223372036854775807 - 1) // -1 }}", "line 1: a whole number does not fit into 64 bits" },
                { "{{ 2 ** 63 }}",                     "line 1: a whole number does not fit into 64 bits" },
                { "{{ 1 // 0 }}",                      "line 1: something is divided by zero" },
                { "{{ 1 < 'a' }}",                     "line 1: 'int' and 'str' have no order" },
                { "{% set n.x = 1 %}",                 "line 1: 'n' is of type 'int': only members of a namespace can be set" },
                { "{% set a, b = [1] %}",              "line 1: 1 values cannot be unpacked into 2 names" },
                { "{{ {[]: 1} }}",                     "line 1: a key of a mapping cannot be of type 'list'" },
                { "{{ nothing | tojson }}",            "line 1, filter 'tojson': a value of type 'Undefined' cannot be written as JSON" },
                { "{{ '%d' % 'a' }}",                  "line 1: '%d' does not take a value of type 'str'" },
                { "{{ '%s' % () }}",                   "line 1: a format has more conversions than the 0 values" },
                { "{{ '{}'.format() }}",               "line 1, function 'format': there is no value for {}" },
                { "{{ '{' | from_json }}",             "line 1, filter 'from_json': the text is no JSON" },
                { "{{ l.pop(9) }}",                    "line 1, function 'pop': there is no item of that number" },
                { "{{ 'a'.split('') }}",               "line 1, function 'split': an empty text separates nothing" },
        };
        /* clang-format on */
        for (size_t i = 0; i < COUNT(rows); i++)
                check("error", rows[i].template, false, rows[i].says);
        bool raised = false;
        static const char raises[] = "{{ raise_exception('no\tsuch ' ~ n) }}";
        char *got = rendered(raises, strlen(raises), false, &raised);
        assert_string_equal(got, "no?such 3");
        assert_true(raised);
        free(got);
}

/* Every byte remembers where it came from: what stands between < and > is a client's. */
static void test_marks(void **state) {
        (void) state;
        /* clang-format off */
        static const struct {
                const char *template, *prints;
        } rows[] = {
                { "a{{ m.a }}b",                          "a<x>b" },
                { "{{ eos }}{{ eos + m.a }}",             "</s></s><x>" },
                { "{{ '[' ~ m.a ~ ']' }}",                "[<x>]" },
                { "{{ s[1:3] }}",                         "<él>" },
                { "{{ ('a' ~ m.a ~ 'b')[1] }}",           "<x>" },
                { "{{ ('a' ~ m.a ~ 'b').upper() }}",      "A<X>B" },
                { "{{ m | tojson }}",                     "{\"<b>\": 1, \"<a>\": \"<x>\"}" },
                { "{{ m }}",                              "{'<b>': 1, '<a>': '<x>'}" },
                { "{{ 'a-b'.replace('-', m.a) }}",        "a<x>b" },
                { "{{ s.replace('h', '|') }}",            "|<éllo wörld>" },
                { "{{ '%s|%s' % (m.a, 1) }}",             "<x>|1" },
                { "{{ '{}|'.format(m.a) }}",              "<x>|" },
                { "{{ s.split(' ') | join('+') }}",       "<héllo>+<wörld>" },
                { "{% for c in m.a %}{{ c }}{% endfor %}", "<x>" },
                { "{% set q %}({{ m.a }}){% endset %}{{ q }}", "(<x>)" },
                { "{% macro f(a) %}({{ a }}){% endmacro %}{{ f(m.a) }}", "(<x>)" },
                { "{{ (m.a ~ '\n' ~ m.a) | indent(1) }}", "<x>\n <x>" },
                { "{{ ('  ' ~ m.a ~ ' ') | trim }}",      "<x>" },
                { "{{ strftime_now(m.a) }}{{ strftime_now('y') }}", "<x>y" },
                { "{{ 'q' | default(m.a) }}{{ nothing | default(m.a) }}", "q<x>" },
                { "{{ people | map(attribute='name') | join }}", "<BoalCy>" },
        };
        /* clang-format on */
        for (size_t i = 0; i < COUNT(rows); i++)
                check("marks", rows[i].template, true, rows[i].prints);
}

/* UNIT repeated between FIRST and LAST. */
static char *repeated(const char *first, const char *unit, size_t times, const char *last) {
        char *text = malloc(strlen(first) + times * strlen(unit) + strlen(last) + 1), *end = text;
        assert_non_null(text);
        end = stpcpy(end, first);
        while (times--)
                end = stpcpy(end, unit);
        (void) stpcpy(end, last);
        return text;
}

static void check_bound(char *template, const char *says) {
        char *got = rendered(template, strlen(template), false, NULL);
        if (!strstr(got, says))
                fail_msg("%.60s...: got [%.100s], wanted [%s]", template, got, says);
        free(got);
        free(template);
}

static void test_bounds(void **state) {
        (void) state;
        check_bound(repeated("{{ ", "(", 1000, ""), "nested deeper than");
        check_bound(repeated("{{ ", "[", 110, ""), "nested deeper than");
        check_bound(repeated("{{ ", "not ", 100000, "1 }}"), "nested deeper than");
        check_bound(repeated("{{ ", "-", 100000, "1 }}"), "nested deeper than");
        check_bound(repeated("", "{% if t %}", 1000, ""), "nested deeper than");
        check_bound(repeated("{{ 1", " + 1", 1000, " }}"), "nested deeper than");
        check_bound(repeated("{{ m", ".a", 1000, " }}"), "nested deeper than");
        check_bound(repeated("", "x", 1100000, ""), "the template has more than 1024 KiB");
        check_bound(strdup("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"), "nested deeper than");
        check_bound(strdup("{% set r = range(9999) %}{% for i in r %}{% for j in r %}{% endfor %}{% endfor %}"),
                    "within 10000000 steps");
        check_bound(strdup("{% set ns = namespace(x='ab') %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}"),
                    "more than 64 MiB of memory");
        check_bound(strdup("{{ 'a' * 99999999 }}"), "would be repeated");
        check_bound(strdup("{% for i in range(99999) %}{{ 'a' * 1000 }}{% endfor %}"), "the template");
        check_bound(strdup("{% set x = [] %}{% set _ = x.append(x) %}{{ x }}"), "nested deeper than");
        check_bound(strdup("{{ range(100001) }}"), "a range has more than 100000 numbers");
        check_bound(strdup("{{ '%99999s' % 1 }}"), "more than 10000 characters");
        check_bound(strdup("{{ 'a'.ljust(99999) }}"), "'width' is more than 10000");
        check_bound(strdup("{% set x = [1] %}{% for i in range(99) %}{% set _ = x.extend(x) %}{% endfor %}"), "the template");
}

/* A template is read from a copy flush against nothing: each end that a cut gives it is one sentence, or prints. */
static void test_truncations(void **state) {
        (void) state;
        static const char whole[] =
                "{%- macro f(a, b=[1, {'k': \"v\\u00e9\"}]) -%}{{ a ~ b | tojson(indent=2) }}{% endmacro -%}\n{# c #}"
                "{% for x in l if x is odd %}{{ loop.index }}{{ f(x)[1:-1:2] }}{% elif %}{% else %}{% endfor %}"
                "{% set ns.q | upper %}{% raw %}{{{% endraw %}{% endset %}{{ '%5.2f' % 1e3 if not t in l else -2 ** 0x1f }}";
        for (size_t length = 0; length < sizeof(whole); length++) {
                char *cut = malloc(length ? length : 1);
                memcpy(cut, whole, length);
                char *got = rendered(cut, length, false, NULL);
                assert_non_null(got);
                free(got);
                free(cut);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_language), cmocka_unit_test(test_differences), cmocka_unit_test(test_errors),
                cmocka_unit_test(test_marks),    cmocka_unit_test(test_bounds),      cmocka_unit_test(test_truncations),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
