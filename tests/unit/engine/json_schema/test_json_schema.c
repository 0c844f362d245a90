/* test_json_schema.c - JSON Schemas: what is refused, by which name and where; which texts are let through. */
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

#include "engine/grammar/matcher.h"
#include "engine/json_schema/schema.h"

/* In the tables ' stands for ", in schemas and texts alike. */
static char *quoted(const char *text) {
        char *copy = strdup(text);
        for (char *c = copy; *c; c++)
                if (*c == '\'')
                        *c = '"';
        return copy;
}

static int compile(const char *text, struct grammar **ret, struct grammar_error *error) {
        char *json = quoted(text);
        cJSON *schema = cJSON_Parse(json);
        if (!schema)
                fail_msg("not JSON: %s", json);
        int r = schema_compile(schema, NULL, ret, error);
        cJSON_Delete(schema);
        free(json);
        return r;
}

/* clang-format off */

/* ---- refused ---- */

static const struct {
        const char *where, *says, *schema;
} refused[] = {
        { "#:",                   "must be an object, true or",  "7" },
        { "#:",                   "must be an object, true or",  "[]" },
        { "#/properties/a/multipleOf:", "whole numbers from 1", "{'type':'object','properties':{'a':{'type':'number','multipleOf':0.01}}}" },
        { "#/multipleOf:",        "must be a number above",      "{'multipleOf':0}" },
        { "#/multipleOf:",        "must be a number above",      "{'multipleOf':'2'}" },
        { "#/multipleOf:",        "supported up to 64",          "{'multipleOf':65}" },
        { "#/allOf/1/multipleOf:", "supported up to 64",         "{'allOf':[{'multipleOf':9},{'multipleOf':8}]}" },
        { "#/multipleOf:",        "multipleOf is not supported", "{'enum':[2],'multipleOf':2}" },
        { "#/patternProperties:", "where no properties are",     "{'patternProperties':{'^a':{}},'properties':{'b':{}}}" },
        { "#/patternProperties:", "for one pattern",             "{'patternProperties':{'^a':{},'^b':{}}}" },
        { "#/patternProperties/a%20b(%3F%3C=a):", "what looks behind", "{'patternProperties':{'a b(?<=a)':{}}}" },
        { "#/not:",               "for types alone",             "{'not':{'const':1}}" },
        { "#/if:",                "keyword if is not",           "{'if':{},'then':{}}" },
        { "#/items/uniqueItems:", "keyword uniqueItems is not",  "{'type':'array','items':{'uniqueItems':true}}" },
        { "#/dependentRequired:", "keyword dependentRequired",   "{'dependentRequired':{}}" },
        { "#/minProperties:",     "whole number from 0",         "{'minProperties':'1'}" },
        { "#/minProperties:",     "could repeat a name",         "{'minProperties':2}" },
        { "#/minProperties:",     "could repeat a name",         "{'minProperties':3,'properties':{'a':{}},'additionalProperties':true}" },
        { "#/contains:",          "keyword contains is not",     "{'contains':{}}" },
        { "#/propertyNames:",     "where no properties are",     "{'propertyNames':{'pattern':'^a'},'properties':{'b':{}},'additionalProperties':{}}" },
        { "#/propertyNames/anyOf:", "for names",                 "{'propertyNames':{'anyOf':[{}]}}" },
        { "#/type:",              "type must be",                "{'type':'float'}" },
        { "#/type:",              "type must be",                "{'type':[]}" },
        { "#/type:",              "type must be",                "{'type':['string',7]}" },
        { "#/enum:",              "must be a list of 1",         "{'enum':[]}" },
        { "#/enum:",              "must be a list of 1",         "{'enum':{}}" },
        { "#/enum/0:",            "beyond 2^53",                 "{'enum':[1e300]}" },
        { "#/minLength:",         "minLength is not supported",  "{'enum':['a'],'minLength':1}" },
        { "#/minLength:",         "whole number from 0",         "{'minLength':-1}" },
        { "#/minLength:",         "whole number from 0",         "{'minLength':1.5}" },
        { "#/maxItems:",          "whole number from 0",         "{'maxItems':'3'}" },
        { "#/maxItems:",          "whole number from 0",         "{'maxItems':2000000}" },
        { "#/minimum:",           "must be a number",            "{'minimum':'3'}" },
        { "#/exclusiveMinimum:",  "must be a number",            "{'exclusiveMinimum':'1'}" },
        { "#/minimum:",           "15 digits",                   "{'minimum':1e20}" },
        { "#/pattern:",           "must be a text",              "{'pattern':7}" },
        { "#/pattern:",           "back reference",              "{'pattern':'^(a)\\\\1$'}" },
        { "#/pattern:",           "\\b is not",                  "{'pattern':'^\\\\ba$'}" },
        { "#/pattern:",           "\\p is not",                  "{'pattern':'^\\\\p{L}$'}" },
        { "#/pattern:",           "\\p is not",                  "{'pattern':'^[^\\\\p{L}]$'}" },
        { "#/pattern:",           "what looks behind",           "{'pattern':'^(?<=a)a$'}" },
        { "#/pattern:",           "within a repetition",         "{'pattern':'^((?!a)b)*$'}" },
        { "#/pattern:",           "within a repetition",         "{'pattern':'^a*(^b|c)$'}" },
        { "#/pattern:",           "not known",                   "{'pattern':'^(?i)a$'}" },
        { "#/pattern:",           "not known",                   "{'pattern':'^\\\\a$'}" },
        { "#/maxLength:",         "together with its pattern",   "{'pattern':'^(a|bc)*$','maxLength':9000}" },
        { "#/pattern:",           "no closing bracket",          "{'pattern':'^[a$'}" },
        { "#/pattern:",           "not closed",                  "{'pattern':'^(a'}" },
        { "#/pattern:",           "nothing to repeat",           "{'pattern':'^*a$'}" },
        { "#/properties:",        "must be an object",           "{'properties':[]}" },
        { "#/properties/a:",      "must be an object, true or",  "{'properties':{'a':'string'}}" },
        { "#/required:",          "list of names",               "{'required':'a'}" },
        { "#/required:",          "list of names",               "{'required':[7]}" },
        { "#/additionalProperties:", "must be a schema",         "{'additionalProperties':'no'}" },
        { "#/items:",             "must be a schema",            "{'items':7}" },
        { "#/prefixItems:",       "must be a list",              "{'prefixItems':{}}" },
        { "#/nullable:",          "true or false",               "{'nullable':1}" },
        { "#/$ref:",              "must point into this",        "{'$ref':'https://example.org/a'}" },
        { "#/$ref:",              "nothing at #/$defs/a",        "{'$ref':'#/$defs/a'}" },
        { "#/anyOf:",             "list of 1 to",                "{'anyOf':[]}" },
        { "#/oneOf:",             "tell its alternatives apart", "{'oneOf':[{'type':'string'},{'maxLength':3}]}" },
        { "#/oneOf:",             "tell its alternatives apart", "{'oneOf':[{'type':'integer'},{'type':'number'}]}" },
        { "#/oneOf:",             "tell its alternatives apart", "{'oneOf':[{'properties':{'k':{'const':1}}},{'properties':{'k':{'const':2}}}]}" },
        { "#/allOf:",             "list of schemas",             "{'allOf':[]}" },
        { "no finite",            "",                            "false" },
        { "no finite",            "",                            "{'type':'string','minLength':3,'maxLength':2}" },
        { "no finite",            "",                            "{'allOf':[{'type':'string'},{'type':'null'}]}" },
        { "no finite",            "",                            "{'type':'object','properties':{'a':{'$ref':'#'}},'required':['a']}" },
        { "no finite",            "",                            "{'type':'object','properties':{'a':false},'required':['a']}" },
        { "no finite",            "",                            "{'type':'string','const':7}" },
        { "no finite",            "",                            "{'pattern':'^a$b$'}" },
        { "no finite",            "",                            "{'pattern':'^a+$','minLength':2,'maxLength':1}" },
        { "no finite",            "",                            "{'allOf':[{'pattern':'^a'},{'pattern':'^b'}]}" },
        { "no finite",            "",                            "{'type':'number','exclusiveMinimum':0.5,'maximum':0.5}" },
        { "no finite",            "",                            "{'not':{}}" },
        { "no finite",            "",                            "{'type':'integer','minimum':3,'maximum':2}" },
        { "no finite",            "",                            "{'type':'array','minItems':2,'maxItems':1}" },
        { "no finite",            "",                            "{'type':'integer','minimum':8,'maximum':13,'multipleOf':7}" },
        { "no finite",            "",                            "{'minProperties':2,'properties':{'a':{}},'additionalProperties':false}" },
        { "no finite",            "",                            "{'maxProperties':1,'required':['a','b']}" },
};

/* ---- let through ---- */

#define PERSON "{'type':'object','properties':{'n':{'type':'string'},'a':{'type':'integer'},'k':{'type':'null'}},'required':['a'],'additionalProperties':false}"

static const struct {
        const char *what, *schema, *text;
        bool whole;
} rows[] = {
        { "true is anything",                 "true",                                  "[1, {'a':null}]", true },
        { "a description alone too",          "{'description':'x'}",                   "'x'",          true },
        { "a string",                         "{'type':'string'}",                     "'a\xc3\xbc'",  true },
        { "a string is no number",            "{'type':'string'}",                     "1",            false },
        { "escapes of a string",              "{'type':'string'}",                     "'\\n\\u00fc\\ud83d\\ude00\\/'", true },
        { "half a surrogate",                 "{'type':'string'}",                     "'\\ud83d'",    false },
        { "a NUL",                            "{'type':'string'}",                     "'\\u0000'",    false },
        { "a line break in a string",         "{'type':'string'}",                     "'a\nb'",       false },
        { "long enough, in characters",       "{'type':'string','minLength':2}",       "'\xc3\xbc\xc3\xbc'", true },
        { "not long enough",                  "{'type':'string','minLength':3}",       "'\xc3\xbc\xc3\xbc'", false },
        { "an escape is one character",       "{'type':'string','maxLength':2}",       "'\\n\\ud83d\\ude00'", true },
        { "too long",                         "{'type':'string','maxLength':2}",       "'abc'",        false },
        { "a pattern",                        "{'pattern':'^[a-c]{2}\\\\d?$'}",        "'ab7'",        true },
        { "not the pattern",                  "{'pattern':'^[a-c]{2}\\\\d?$'}",        "'ad7'",        false },
        { "a pattern for strings alone",      "{'type':['string','null'],'pattern':'^a$'}", "null",    true },
        { "an alternative of a pattern",      "{'pattern':'^(a|b+)c|d$'}",             "'xyzd'",       true },
        { "a pattern that is not anchored",   "{'pattern':'b'}",                       "'abc'",        true },
        { "what it asks for is missing",      "{'pattern':'b'}",                       "'ac'",         false },
        { "a pattern with a quotation mark",  "{'pattern':'^[\\\"x]+$'}",              "'x\\\"x'",     true },
        { "a pattern with a line feed",       "{'pattern':'^\\\\s$'}",                 "'\\n'",        true },
        { "a lazy repetition",                "{'pattern':'^a+?b$'}",                  "'aab'",        true },
        { "an anchor within a group",         "{'pattern':'^(^a|b$)$'}",               "'a'",          true },
        { "the end of one alternative",       "{'pattern':'^(a$|bc)d?'}",              "'a'",          true },
        { "it is the end",                    "{'pattern':'^(a$|bc)d?'}",              "'ad'",         false },
        { "a name of a group",                "{'pattern':'^(?<n>a)(?P<m>b)$'}",       "'ab'",         true },
        { "what must follow",                 "{'pattern':'^(?=.*[0-9])[a-z0-9]{3}$'}", "'ab1'",       true },
        { "it does not follow",               "{'pattern':'^(?=.*[0-9])[a-z0-9]{3}$'}", "'abc'",       false },
        { "what must not follow",             "{'pattern':'^(?!.*--)[a-z-]+$'}",       "'a-b-c'",      true },
        { "it follows",                       "{'pattern':'^(?!.*--)[a-z-]+$'}",       "'a-b--c'",     false },
        { "a look in the middle",             "{'pattern':'^a(?!b)[a-c]$'}",           "'ab'",         false },
        { "a look in an alternative",         "{'pattern':'^((?=ab)a|c)[a-z]$'}",      "'cd'",         true },
        { "a look in what is repeated twice", "{'pattern':'^((?!aa)[ab]){2}b?$'}",     "'abb'",        true },
        { "the second time too",              "{'pattern':'^((?!aa)[ab]){2}a$'}",      "'baa'",        false },
        { "a look that says nothing",         "{'pattern':'(?!a)b'}",                  "'ab'",         true },
        { "an escape of a quotation mark",    "{'pattern':'^(?!a)[\\\"a]{2}$'}",       "'\\\"a'",      true },
        { "a pattern and a length",           "{'pattern':'^[a-z]+$','maxLength':3}",  "'abc'",        true },
        { "longer than that",                 "{'pattern':'^[a-z]+$','maxLength':3}",  "'abcd'",       false },
        { "not found in that length",         "{'pattern':'b','maxLength':3}",         "'aaab'",       false },
        { "two that vary, and a length",      "{'pattern':'^a+-b+$','minLength':5,'maxLength':6}", "'a-bbb'", true },
        { "too short for both",               "{'pattern':'^a+-b+$','minLength':5,'maxLength':6}", "'a-bb'", false },
        { "two patterns",                     "{'allOf':[{'pattern':'^a'},{'pattern':'b$'}]}", "'axb'", true },
        { "the second does not hold",         "{'allOf':[{'pattern':'^a'},{'pattern':'b$'}]}", "'ax'", false },
        { "a pattern beside a format",        "{'format':'date','pattern':'^a$'}",     "'a'",          true },
        { "the pattern holds, not the format", "{'format':'date','pattern':'^a$'}",    "'2024-12-31'", false },
        { "a format nobody knows",            "{'format':'iri'}",                      "'x'",          true },
        { "a duration",                       "{'format':'duration'}",                 "'P1DT2H30M'",  true },
        { "a duration of nothing",            "{'format':'duration'}",                 "'P1DT'",       false },
        { "lengths that the pattern keeps",   "{'pattern':'^a{2,3}$','minLength':2,'maxLength':3}", "'aa'", true },
        { "a date",                           "{'format':'date'}",                     "'2024-12-31'", true },
        { "no such day",                      "{'format':'date'}",                     "'2024-02-30'", false },
        { "a date and time",                  "{'format':'date-time'}",                "'2024-02-01T23:59:59.5+01:00'", true },
        { "an hour too late",                 "{'format':'time'}",                     "'24:00:00Z'",  false },
        { "a uuid",                           "{'format':'uuid'}",                     "'01234567-89ab-cdef-0123-456789abcdef'", true },
        { "an address",                       "{'format':'ipv4'}",                     "'192.168.0.255'", true },
        { "no address",                       "{'format':'ipv4'}",                     "'192.168.0.256'", false },
        { "an integer",                       "{'type':'integer'}",                    "-12",          true },
        { "a leading zero",                   "{'type':'integer'}",                    "012",          false },
        { "a fraction is no integer",         "{'type':'integer'}",                    "1.5",          false },
        { "a number",                         "{'type':'number'}",                     "-1.5e-7",      true },
        { "a number's point needs a digit",   "{'type':'number'}",                     "1.",           false },
        { "between limits",                   "{'type':'integer','minimum':-3,'maximum':120}", "119",  true },
        { "at the limit",                     "{'type':'integer','minimum':-3,'maximum':120}", "-3",   true },
        { "nothing but numbers is written",   "{'multipleOf':6,'type':'integer','exclusiveMinimum':599}", "600", true },
        { "over the limit",                   "{'type':'integer','minimum':-3,'maximum':120}", "121",  false },
        { "below the limit",                  "{'type':'integer','minimum':-3,'maximum':120}", "-4",   false },
        { "an excluded limit",                "{'type':'integer','exclusiveMinimum':0}", "0",          false },
        { "a limit between integers",         "{'type':'integer','minimum':1.5}",      "2",            true },
        { "a limit between integers holds",   "{'type':'integer','minimum':1.5}",      "1",            false },
        { "a fraction between limits",        "{'type':'number','minimum':0,'maximum':1}", "0.25",     true },
        { "the upper limit itself",           "{'type':'number','minimum':0,'maximum':1}", "1.0",      true },
        { "over it by a fraction",            "{'type':'number','minimum':0,'maximum':1}", "1.2",      false },
        { "an excluded limit and a fraction", "{'type':'number','exclusiveMinimum':0}", "0.001",       true },
        { "the excluded limit",               "{'type':'number','exclusiveMinimum':0}", "0.0",         false },
        { "a negative fraction",              "{'type':'number','minimum':-2}",        "-1.5",         true },
        { "a negative fraction too low",      "{'type':'number','minimum':-2}",        "-2.5",         false },
        { "between two that are not whole",   "{'type':'number','minimum':0.1,'maximum':0.9}", "0.55", true },
        { "zero is below",                    "{'type':'number','minimum':0.1,'maximum':0.9}", "0",    false },
        { "excluded as draft 4 has it",       "{'type':'integer','minimum':3,'exclusiveMinimum':true}", "3", false },
        { "what is not excluded",             "{'type':'integer','minimum':3,'exclusiveMinimum':false}", "3", true },
        { "the integers that all know",       "{'type':'integer','minimum':-9007199254740991,'maximum':9007199254740991}", "-42", true },
        { "no type but those",                "{'not':{'type':'null'}}",               "1",            true },
        { "the type that is not",             "{'not':{'type':'null'}}",               "null",         false },
        { "several types",                    "{'type':['boolean','null']}",           "true",         true },
        { "nullable",                         "{'type':'string','nullable':true}",     "null",         true },
        { "an enum",                          "{'enum':['a',7,null,{'b':[1]}]}",       "{'b':[1]}",    true },
        { "not in the enum",                  "{'enum':['a',7,null]}",                 "'b'",          false },
        { "an enum and a type",               "{'enum':['a',7],'type':'string'}",      "7",            false },
        { "a const",                          "{'const':'a\\\"\xc3\xbc'}",             "'a\\\"\xc3\xbc'", true },
        { "all properties, in order",         PERSON,                                  "{'n':'x','a':1,'k':null}", true },
        { "white space where people put it",  PERSON,                                  "{\n  'n': 'x',\n  'a': 1\n}", true },
        { "white space before a comma",       PERSON,                                  "{'n':'x' ,'a':1}", false },
        { "endless white space",              PERSON,                                  "{\n\n'a':1}",  false },
        { "the required one alone",           PERSON,                                  "{'a':1}",      true },
        { "an optional one behind",           PERSON,                                  "{'a':1,'k':null}", true },
        { "the required one is missing",      PERSON,                                  "{'n':'x'}",    false },
        { "another order",                    PERSON,                                  "{'a':1,'n':'x'}", false },
        { "twice",                            PERSON,                                  "{'a':1,'a':1}", false },
        { "a property nobody named",          PERSON,                                  "{'a':1,'z':1}", false },
        { "nothing is required",              "{'properties':{'a':{}}}",               "{}",           true },
        { "properties mean an object",        "{'properties':{'a':{}}}",               "7",            false },
        { "an object of anything",            "{'type':'object'}",                     "{'x':{'y':[1]}}", true },
        { "others of a type",                 "{'type':'object','properties':{'ab':{'type':'null'}},'additionalProperties':{'type':'integer'}}", "{'ab':null,'abc':1,'a':2,'':3}", true },
        { "others, of the wrong type",        "{'type':'object','additionalProperties':{'type':'integer'}}", "{'b':'x'}", false },
        { "a named one is no other",          "{'type':'object','properties':{'ab':{'type':'null'}},'additionalProperties':{'type':'integer'}}", "{'ab':1}", false },
        { "a required one that is not named", "{'required':['z'],'additionalProperties':{'type':'integer'}}", "{'z':4}", true },
        { "a name that needs an escape",      "{'properties':{'\\\"\\n':{'type':'null'}}}", "{'\\\"\\n':null}", true },
        { "an array",                         "{'type':'array','items':{'type':'integer'}}", "[1, 2,3]", true },
        { "an empty array",                   "{'type':'array','items':{'type':'integer'}}", "[]",     true },
        { "an item of the wrong type",        "{'type':'array','items':{'type':'integer'}}", "['a']",  false },
        { "too few items",                    "{'type':'array','minItems':2}",         "[1]",          false },
        { "too many items",                   "{'type':'array','maxItems':2}",         "[1,2,3]",      false },
        { "positions",                        "{'prefixItems':[{'type':'null'},{'type':'integer'}]}", "[null,1]", true },
        { "fewer than positions",             "{'prefixItems':[{'type':'null'},{'type':'integer'}]}", "[null]", true },
        { "positions mixed up",               "{'prefixItems':[{'type':'null'},{'type':'integer'}]}", "[1,null]", false },
        { "behind the positions",             "{'prefixItems':[{'type':'null'}],'items':{'type':'boolean'},'minItems':3}", "[null,true,false]", true },
        { "nothing behind the positions",     "{'prefixItems':[{'type':'null'}],'items':false}", "[null,1]", false },
        { "positions of draft 7",             "{'items':[{'type':'null'},{'type':'integer'}],'minItems':2}", "[null,1]", true },
        { "nothing behind those",             "{'items':[{'type':'null'}],'additionalItems':false}", "[null,1]", false },
        { "others behind those",              "{'items':[{'type':'null'}],'additionalItems':{'type':'integer'}}", "[null,1,2]", true },
        { "additionalItems of no list",       "{'items':{'type':'null'},'additionalItems':false}", "[null,null]", true },
        { "as many as asked for",             "{'prefixItems':[{'type':'null'}],'minItems':3}", "[null,1,'a']", true },
        { "anyOf",                            "{'anyOf':[{'type':'null'},{'type':'integer'}]}", "5",   true },
        { "anyOf beside more",                "{'properties':{'a':{'type':'null'},'b':{'type':'null'}},'anyOf':[{'required':['a']},{'required':['b']}]}", "{'b':null}", true },
        { "neither of anyOf",                 "{'properties':{'a':{'type':'null'},'b':{'type':'null'}},'anyOf':[{'required':['a']},{'required':['b']}]}", "{}", false },
        { "oneOf by type",                    "{'oneOf':[{'type':'null'},{'type':'integer'}]}", "null", true },
        { "oneOf by a constant",              "{'oneOf':[{'properties':{'k':{'const':'a'},'x':{'type':'null'}},'required':['k']},{'properties':{'k':{'const':'b'}},'required':['k']}]}", "{'k':'b'}", true },
        { "the other one's property",         "{'oneOf':[{'properties':{'k':{'const':'a'},'x':{'type':'null'}},'required':['k']},{'properties':{'k':{'const':'b'}},'required':['k']}]}", "{'k':'b','x':null}", false },
        { "oneOf by what a discriminator names", "{'oneOf':[{'properties':{'k':{'const':'a'}}},{'properties':{'k':{'const':'b'}}}],'discriminator':{'propertyName':'k'}}", "{'k':'b'}", true },
        { "which must be there then",         "{'oneOf':[{'properties':{'k':{'const':'a'}}},{'properties':{'k':{'const':'b'}}}],'discriminator':{'propertyName':'k'}}", "{}", false },
        { "names by a list",                  "{'type':'object','propertyNames':{'enum':['a','b']},'additionalProperties':{'type':'integer'}}", "{'a':1,'b':2}", true },
        { "a name that is not in it",         "{'type':'object','propertyNames':{'enum':['a','b']},'additionalProperties':{'type':'integer'}}", "{'c':1}", false },
        { "names by a pattern",               "{'type':'object','propertyNames':{'pattern':'^[a-z]+$'},'additionalProperties':{'type':'integer'}}", "{'ab':1,'c':2}", true },
        { "a name of another pattern",        "{'type':'object','propertyNames':{'pattern':'^[a-z]+$'},'additionalProperties':{'type':'integer'}}", "{'A':1}", false },
        { "no names",                         "{'type':'object','propertyNames':false}", "{}",         true },
        { "a record by its pattern",          "{'type':'object','patternProperties':{'^x-':{'type':'integer'}},'additionalProperties':false}", "{'x-a':1}", true },
        { "what the pattern does not name",   "{'type':'object','patternProperties':{'^x-':{'type':'integer'}},'additionalProperties':false}", "{'y':1}", false },
        { "nothing unevaluated",              "{'allOf':[{'properties':{'a':{}}},{'properties':{'b':{}}}],'unevaluatedProperties':false}", "{'a':1,'b':1}", true },
        { "a reference to an anchor",         "{'$ref':'#x','$defs':{'a':{'$anchor':'x','type':'null'}}}", "null", true },
        { "a dynamic one",                    "{'$dynamicRef':'#x','$defs':{'a':{'$dynamicAnchor':'x','type':'null'}}}", "7", false },
        { "words that are no keywords",       "{'type':'null','ui:widget':1,'errorMessage':'x','contentMediaType':'a/b','readOnly':true,'uniqueItems':false}", "null", true },
        { "allOf",                            "{'allOf':[{'type':'integer'},{'minimum':3},{'maximum':5}]}", "6", false },
        { "allOf of objects",                 "{'allOf':[{'properties':{'a':{'type':'null'}},'required':['a']},{'properties':{'b':{'type':'null'}}}]}", "{'a':null,'b':null}", true },
        { "allOf, one of them closed",        "{'allOf':[{'properties':{'a':{}},'additionalProperties':false},{'properties':{'b':{}}}]}", "{'b':1}", false },
        { "one property, said twice",         "{'allOf':[{'properties':{'a':{'minimum':3}}},{'properties':{'a':{'type':'integer','maximum':4}}}]}", "{'a':5}", false },
        { "a reference",                      "{'$ref':'#/$defs/a~1b%20c','$defs':{'a/b c':{'type':'null'}}}", "null", true },
        { "a reference beside more",          "{'$ref':'#/definitions/a','maxLength':1,'definitions':{'a':{'type':'string'}}}", "'ab'", false },
        { "recursion",                        "{'type':'object','properties':{'c':{'type':'array','items':{'$ref':'#'}}},'additionalProperties':false}", "{'c':[{},{'c':[{}]}]}", true },
        { "recursion, wrong inside",          "{'type':'object','properties':{'c':{'type':'array','items':{'$ref':'#'}}},'additionalProperties':false}", "{'c':[{'c':[1]}]}", false },
        { "a reference to itself says nothing", "{'$ref':'#'}",                        "7",            true },
        { "x- is ignored",                    "{'type':'null','x-order':3,'title':'t','default':1,'$comment':'c'}", "null", true },
};
/* clang-format on */

static void test_refused(void **state) {
        (void) state;
        for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
                struct grammar *g;
                struct grammar_error error;
                if (compile(refused[i].schema, &g, &error) != -EINVAL)
                        fail_msg("not refused: %s", refused[i].schema);
                if (strncmp(error.text, refused[i].where, strlen(refused[i].where)) || !strstr(error.text, refused[i].says))
                        fail_msg("%s: '%s', not '%s %s'", refused[i].schema, error.text, refused[i].where, refused[i].says);
        }
}

/* TEXT is short: it is tried and taken back. */
static bool lets_through(struct matcher *m, const char *text) {
        char *json = quoted(text);
        bool fits = true;
        for (const char *c = json; *c && fits; c++)
                fits = matcher_push(m, (uint8_t) *c);
        fits = fits && matcher_may_end(m);
        matcher_cut(m, 0);
        free(json);
        return fits;
}

static bool is_whole(const struct grammar *g, const char *text) {
        struct matcher *m;
        assert_int_equal(matcher_new(g, &m), 0);
        bool fits = lets_through(m, text);
        matcher_free(m);
        return fits;
}

static void test_rows(void **state) {
        (void) state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct grammar *g;
                struct grammar_error error;
                if (compile(rows[i].schema, &g, &error) < 0)
                        fail_msg("%s: %s", rows[i].what, error.text);
                if (is_whole(g, rows[i].text) != rows[i].whole)
                        fail_msg("%s: %s", rows[i].what, rows[i].text);
                grammar_free(g);
        }
}

/* Every number near the limits, against arithmetic. */
static void check_integers(int least, int most, int divisor) {
        struct grammar *g = NULL;
        struct grammar_error error;
        struct matcher *m = NULL;
        char text[120];
        unsigned found = 0;
        (void) snprintf(text, sizeof(text), "{'type':'integer','minimum':%d,'maximum':%d,'multipleOf':%d}", least, most, divisor);
        int r = compile(text, &g, &error);
        if (r == 0)
                assert_int_equal(matcher_new(g, &m), 0);
        for (int n = -400; n < 2300; n++) {
                bool expected = n >= least && n <= most && n % divisor == 0;
                found += expected;
                (void) snprintf(text, sizeof(text), "%d", n);
                if (r == 0 && lets_through(m, text) != expected)
                        fail_msg("%d between %d and %d, by %d", n, least, most, divisor);
        }
        assert_int_equal(r < 0, found == 0);
        matcher_free(m);
        grammar_free(g);
}

/* Every number of up to two decimals, and those a little beside it, against arithmetic. */
static void check_decimals(const char *least, bool with_least, const char *most, bool with_most) {
        struct grammar *g = NULL;
        struct grammar_error error;
        struct matcher *m;
        char text[160];
        static const char *const behind[] = { "", "0001", "9" };
        (void) snprintf(text, sizeof(text), "{'type':'number','%s':%s,'%s':%s}", with_least ? "minimum" : "exclusiveMinimum",
                        least, with_most ? "maximum" : "exclusiveMaximum", most);
        assert_int_equal(compile(text, &g, &error), 0);
        assert_int_equal(matcher_new(g, &m), 0);
        for (int n = -1300; n < 1300; n++)
                for (unsigned i = 0; i < 3; i++) {
                        (void) snprintf(text, sizeof(text), "%s%d.%02d%s", n < 0 ? "-" : "", abs(n) / 100, abs(n) % 100,
                                        behind[i]);
                        double value = strtod(text, NULL), low = strtod(least, NULL), high = strtod(most, NULL);
                        bool expected = (with_least ? value >= low : value > low) && (with_most ? value <= high : value < high);
                        bool zeros = i == 0 && n % 10 == 0; /* at the end, which are not written everywhere */
                        bool through = lets_through(m, text);
                        if (zeros ? through && !expected : through != expected)
                                fail_msg("%s between %s (%d) and %s (%d)", text, least, with_least, most, with_most);
                }
        matcher_free(m);
        grammar_free(g);
}

static void test_decimal_limits(void **state) {
        (void) state;
        static const char *const limits[][2] = { { "0.1", "0.9" },     { "-0.5", "0.25" }, { "1.25", "1.27" },
                                                 { "-7.05", "-7.01" }, { "0", "9.99" },    { "-3.33", "12" },
                                                 { "0.07", "10.7" },   { "-11.5", "-2" },  { "0.3", "0.3001" },
                                                 { "-0.01", "0.01" },  { "2", "3" },       { "0.30000000000000004", "0.4" } };
        for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
                for (unsigned with = 0; with < 4; with++)
                        check_decimals(limits[i][0], with & 1, limits[i][1], with & 2);
}

static void test_integer_limits(void **state) {
        (void) state;
        static const int limits[][2] = { { 0, 9 },    { 7, 123 },     { -15, 8 }, { -340, -29 },
                                         { 99, 101 }, { 1000, 2199 }, { 5, 5 },   { -399, 999 } };
        static const int divisors[] = { 1, 2, 3, 7, 10, 20, 25, 60, 64, 100, 1000 };
        for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
                for (size_t k = 0; k < sizeof(divisors) / sizeof(divisors[0]); k++)
                        check_integers(limits[i][0], limits[i][1], divisors[k]);
}

#define NAMED       3u
#define MOST_OF_ALL 5u

/* An object of those of a, b, c, d, e that are in SET. */
static void write_members(unsigned set, char text[]) {
        const char *between = "{";
        *text = '\0';
        for (unsigned i = 0; i < MOST_OF_ALL; i++)
                if (set >> i & 1) {
                        text += sprintf(text, "%s'%c':1", between, 'a' + (int) i);
                        between = ",";
                }
        strcpy(text, *between == '{' ? "{}" : "}");
}

static unsigned ones(unsigned set) {
        return set ? (set & 1) + ones(set >> 1) : 0;
}

/* Every object of up to three named properties and two others, against counting: others are one where some are wanted. */
static void check_members(unsigned least, unsigned most, bool others, bool required) {
        struct grammar *g;
        struct grammar_error error;
        char text[220];
        unsigned found = 0;
        (void) snprintf(text, sizeof(text),
                        "{'properties':{'a':{'const':1},'b':{'const':1},'c':{'const':1}},'required':[%s],"
                        "'additionalProperties':%s,'minProperties':%u,'maxProperties':%u}",
                        required ? "'b'" : "", others ? "{'const':1}" : "false", least, most);
        int r = compile(text, &g, &error);
        for (unsigned set = 0; set < 1u << MOST_OF_ALL; set++) {
                unsigned named = ones(set & ((1u << NAMED) - 1)), other = ones(set >> NAMED);
                bool expected =
                        named + other <= most && named + (other > 0) >= least && (others || !other) && (!required || set & 2);
                write_members(set, text);
                found += expected;
                if (r == 0 && is_whole(g, text) != expected)
                        fail_msg("%s with %u to %u, others %d, required %d", text, least, most, others, required);
        }
        assert_int_equal(r < 0, found == 0);
        if (r == 0)
                grammar_free(g);
}

static void test_counted_members(void **state) {
        (void) state;
        for (unsigned bounds = 0; bounds < 6 * 6; bounds++)
                for (unsigned kind = 0; kind < 4; kind++)
                        check_members(bounds / 6, bounds % 6, kind & 1, kind & 2);
}

/* Forty of one divisor share what they have in common. */
static void test_many_multiples(void **state) {
        (void) state;
        cJSON *schema = cJSON_CreateObject(), *properties = cJSON_AddObjectToObject(schema, "properties");
        for (unsigned i = 0; i < 40; i++) {
                char name[16];
                (void) snprintf(name, sizeof(name), "p%u", i);
                cJSON *number = cJSON_AddObjectToObject(properties, name);
                cJSON_AddStringToObject(number, "type", "integer");
                cJSON_AddNumberToObject(number, "multipleOf", 63);
        }
        struct grammar *g;
        struct grammar_error error;
        if (schema_compile(schema, NULL, &g, &error) < 0)
                fail_msg("%s", error.text);
        assert_true(is_whole(g, "{'p0':63,'p7':0,'p30':-630,'p39':999999999999945}"));
        assert_false(is_whole(g, "{'p0':63,'p7':64}"));
        grammar_free(g);
        cJSON_Delete(schema);
}

/* Bounds beyond what is named cost nothing; others alone are counted, however many. */
static void test_many_counted_members(void **state) {
        (void) state;
        struct grammar *g;
        struct grammar_error error;
        assert_int_equal(
                compile("{'minProperties':1,'maxProperties':1000000,'additionalProperties':{'type':'null'}}", &g, &error), 0);
        assert_true(is_whole(g, "{'a':null,'b':null}"));
        assert_false(is_whole(g, "{}"));
        grammar_free(g);
}

static void test_calls(void **state) {
        (void) state;
        static const struct {
                const char *text;
                bool whole;
        } texts[] = {
                { "<get', {'a':1}>", true },   { "<get',{'a':1}>", true },           { "<get', {}>", false },
                { "<get', {'a':1}", false },   { "<set', {'b': [1]}>", true },       { "<set', [1]>", false },
                { "<set', 1>", false },        { "<put', {'c':{'c':null}}>", true }, { "<put', {'c':null}>", true },
                { "<put', null>", false },     { "<got', {'a':1}>", false },         { "get', {'a':1}>", false },
                { "<set', {'a':1}>x", false },
        };
        static const char *const schemas[] = { "{'properties':{'a':{'const':1}},'required':['a']}", "true",
                                               "{'type':['object','null'],'properties':{'c':{'$ref':'#'}},'required':['c']}" };
        static const char *const names[] = { "get", "set", "put" };
        struct grammar_builder b = { 0 };
        struct grammar_error error;
        struct grammar *g;
        struct schema_call list[4];
        struct schema_calls calls = { .before = "<", .between = "',", .behind = ">", .list = list, .count = 3 };
        uint32_t root, wrong;
        for (size_t i = 0; i < 3; i++) {
                char *json = quoted(schemas[i]);
                list[i] = (struct schema_call){ names[i], cJSON_Parse(json), names[i], false };
                free(json);
        }
        calls.between = "\",";
        assert_int_equal(schema_read_calls(&b, &calls, &root, &wrong, &error), 0);
        assert_int_equal(grammar_builder_compile(&b, root, &g, &error), 0);
        grammar_builder_done(&b);
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
                if (is_whole(g, texts[i].text) != texts[i].whole)
                        fail_msg("%s", texts[i].text);
        grammar_free(g);
        list[3] = (struct schema_call){ "bad", cJSON_Parse("{\"properties\":{\"a\":{\"not\":{\"const\":1}}}}"), "bad", false };
        calls.count = 4;
        assert_int_equal(schema_read_calls(&b, &calls, &root, &wrong, &error), -EINVAL);
        grammar_builder_done(&b);
        assert_int_equal(wrong, 3);
        assert_non_null(strstr(error.text, "#/properties/a/not: the keyword not"));
        for (size_t i = 0; i < 4; i++)
                cJSON_Delete((cJSON *) (uintptr_t) list[i].arguments);
}

static void test_any_object(void **state) {
        (void) state;
        struct grammar *g;
        struct grammar_error error;
        struct grammar_builder b = { 0 };
        uint32_t root;
        assert_int_equal(schema_read_any_object(&b, &root, &error), 0);
        assert_int_equal(grammar_builder_compile(&b, root, &g, &error), 0);
        grammar_builder_done(&b);
        assert_true(is_whole(g, "{'a': [1, -2.5e3, {'b': null}], 'c': 'd'}"));
        assert_true(is_whole(g, "{}"));
        assert_false(is_whole(g, "[]"));
        assert_false(is_whole(g, "{'a':1,}"));
        grammar_free(g);
}

/* A thousand properties, all optional, and as many alternatives: large, but somebody's. */
static void test_large_schemas(void **state) {
        (void) state;
        cJSON *schema = cJSON_CreateObject(), *properties = cJSON_AddObjectToObject(schema, "properties");
        cJSON *values = cJSON_CreateArray();
        for (unsigned i = 0; i < 1000; i++) {
                char name[16];
                (void) snprintf(name, sizeof(name), "p%u", i);
                cJSON_AddItemToArray(values, cJSON_CreateString(name));
                cJSON_AddStringToObject(cJSON_AddObjectToObject(properties, name), "type", "null");
        }
        cJSON_AddItemToObject(cJSON_AddObjectToObject(properties, "e"), "enum", values);
        struct grammar *g;
        struct grammar_error error;
        if (schema_compile(schema, NULL, &g, &error) < 0)
                fail_msg("%s", error.text);
        assert_true(is_whole(g, "{'p0':null,'p999':null,'e':'p998'}"));
        assert_true(is_whole(g, "{'e':'p0'}"));
        assert_false(is_whole(g, "{'e':'p1000'}"));
        grammar_free(g);
        cJSON_Delete(schema);
}

/* A thousand alternatives, each to be told from each: refused when that takes too long, not worked at for minutes. */
static void test_many_alternatives_of_one(void **state) {
        (void) state;
        for (unsigned count = 20; count <= 4000; count *= 200) {
                cJSON *schema = cJSON_CreateObject(), *one_of = cJSON_AddArrayToObject(schema, "oneOf");
                for (unsigned i = 0; i < count; i++) {
                        cJSON *one = cJSON_CreateObject(), *properties = cJSON_AddObjectToObject(one, "properties");
                        cJSON_AddNumberToObject(cJSON_AddObjectToObject(properties, "k"), "const", i);
                        cJSON_AddItemToArray(cJSON_AddArrayToObject(one, "required"), cJSON_CreateString("k"));
                        cJSON_AddItemToArray(one_of, one);
                }
                struct grammar *g;
                struct grammar_error error;
                int r = schema_compile(schema, NULL, &g, &error);
                assert_int_equal(r, count == 20 ? 0 : -EINVAL);
                if (r == 0)
                        grammar_free(g);
                else
                        assert_non_null(strstr(error.text, "too large"));
                cJSON_Delete(schema);
        }
}

/* Alternatives of alternatives multiply; the limits end that. */
static void test_schemas_that_multiply_are_refused(void **state) {
        (void) state;
        cJSON *schema = cJSON_CreateObject(), *all = cJSON_AddArrayToObject(schema, "allOf");
        for (unsigned i = 0; i < 16; i++) {
                cJSON *one = cJSON_CreateObject(), *any = cJSON_AddArrayToObject(one, "anyOf");
                for (unsigned k = 0; k < 10; k++) {
                        cJSON *alternative = cJSON_CreateObject();
                        cJSON_AddNumberToObject(alternative, "maximum", i * 100 + k);
                        cJSON_AddItemToArray(any, alternative);
                }
                cJSON_AddItemToArray(all, one);
        }
        struct grammar *g;
        struct grammar_error error;
        assert_int_equal(schema_compile(schema, NULL, &g, &error), -EINVAL);
        assert_non_null(strstr(error.text, "too large"));
        cJSON_Delete(schema);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_rows),
                cmocka_unit_test(test_integer_limits),
                cmocka_unit_test(test_decimal_limits),
                cmocka_unit_test(test_counted_members),
                cmocka_unit_test(test_many_multiples),
                cmocka_unit_test(test_many_counted_members),
                cmocka_unit_test(test_calls),
                cmocka_unit_test(test_any_object),
                cmocka_unit_test(test_large_schemas),
                cmocka_unit_test(test_many_alternatives_of_one),
                cmocka_unit_test(test_schemas_that_multiply_are_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
