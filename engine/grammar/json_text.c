/* json_text.c - see json_text.h. */
#include "engine/grammar/json_text.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/grammar/gbnf.h"
#include "engine/base/json_read.h"
#include "engine/base/printable.h"

#define NAME_BYTES_COMPARED 200u /* bounds a recursion */
#define OTHER_NAME_MAX      64u  /* characters of a name that no schema names, behind what it shares with one that some does */

/* clang-format off */
static const char rules[] =
        "space     ::= ( \" \" | \"\\n\" \" \"{0,20} )?\n"
        "hex       ::= [0-9a-fA-F]\n"
        "unit      ::= [1-9a-ce-fA-CE-F] hex{3}\n"
        "            | \"0\" ( [1-9a-fA-F] hex{2} | \"0\" ( [1-9a-fA-F] hex | \"0\" [1-9a-fA-F] ) )\n"
        "            | [dD] ( [0-7] hex{2} | [89abAB] hex{2} \"\\\\u\" [dD] [c-fC-F] hex{2} )\n"
        "plain     ::= [^\"\\\\\\x01-\\x1f]\n"
        "character ::= plain | \"\\\\\" ( [\"\\\\/bfnrt] | \"u\" unit )\n"
        "string    ::= \"\\\"\" character* \"\\\"\"\n"
        "integer   ::= \"-\"? ( \"0\" | [1-9] [0-9]{0,14} )\n"
        "number    ::= integer ( \".\" [0-9]{1,15} )? ( [eE] [-+]? [0-9] [0-9]? )?\n"
        "fraction  ::= [0-9]{0,11} [1-9]\n"
        "value     ::= object | array | string | number | \"true\" | \"false\" | \"null\"\n"
        "array     ::= \"[\" space ( value ( \",\" space value )* space )? \"]\"\n"
        "object    ::= \"{\" space ( member ( \",\" space member )* space )? \"}\"\n"
        "member    ::= \"\\\"\" character{0,64} \"\\\"\" \":\" space value\n";
/* clang-format on */

int json_text_init(struct json_text *j, struct grammar_builder *b) {
        struct grammar_error error;
        int r = gbnf_read(b, rules, sizeof(rules) - 1, &error);
        assert(r != -EINVAL);
        *j = (struct json_text){
                .space = grammar_builder_find(b, "space"),
                .character = grammar_builder_find(b, "character"),
                .plain_character = grammar_builder_find(b, "plain"),
                .string = grammar_builder_find(b, "string"),
                .number = grammar_builder_find(b, "number"),
                .integer = grammar_builder_find(b, "integer"),
                .fraction = grammar_builder_find(b, "fraction"),
                .value = grammar_builder_find(b, "value"),
                .object = grammar_builder_find(b, "object"),
                .array = grammar_builder_find(b, "array"),
        };
        return r < 0 ? r : b->broken;
}

/* ---- within strings ---- */

struct short_escape {
        uint32_t code;
        const char *text;
};
static const struct short_escape short_escapes[] = {
        { '"', "\\\"" }, { '\\', "\\\\" }, { '\b', "\\b" }, { '\f', "\\f" }, { '\n', "\\n" }, { '\r', "\\r" }, { '\t', "\\t" },
};

uint32_t json_text_char(struct grammar_builder *b, struct char_set *set) {
        char_set_settle(set);
        uint32_t choice = grammar_builder_choice(b);
        bool has[sizeof(short_escapes) / sizeof(short_escapes[0])];
        for (size_t i = 0; i < sizeof(has); i++)
                has[i] = char_set_has(set, short_escapes[i].code);
        char_set_remove(set, 0, 0x1f);
        char_set_remove(set, '"', '"');
        char_set_remove(set, '\\', '\\');
        if (set->count || set->broken)
                grammar_builder_add(b, choice, grammar_builder_class(b, set));
        for (size_t i = 0; i < sizeof(has); i++)
                if (has[i])
                        grammar_builder_add(b, choice, grammar_builder_literal(b, short_escapes[i].text));
        return choice;
}

uint32_t json_text_value(struct grammar_builder *b, const cJSON *value) {
        char *text = json_write(value);
        if (!text) {
                b->broken = b->broken ? b->broken : -ENOMEM;
                return 0;
        }
        uint32_t e = grammar_builder_literal(b, text);
        cJSON_free(text);
        return e;
}

uint32_t json_text_name(struct grammar_builder *b, const char *name) {
        cJSON *string = cJSON_CreateStringReference(name);
        uint32_t e = string ? json_text_value(b, string) : 0;
        if (!string && !b->broken)
                b->broken = -ENOMEM;
        cJSON_Delete(string);
        return e;
}

/* ---- other names ---- */

struct name_list {
        const char **names; /* sorted; each has the same first AT bytes */
        uint32_t count;
};

static int by_bytes(const void *left, const void *right) {
        return strcmp(*(const char *const *) left, *(const char *const *) right);
}

/*
 * The rest of a name that is none of NAMES, behind the first AT bytes, which are those of NAMES and the quotation mark before
 * them: characters that none of them goes on with, and then anything; or those that some do, and so on. The end may come unless a
 * name ends here. Names that share the first NAME_BYTES_COMPARED with one of NAMES are left out.
 */
static uint32_t rest_of_other_name(const struct json_text *j, struct grammar_builder *b, struct name_list list, size_t at);

/* The names from FROM on that go on with the same character: a branch of CHOICE. Returns the first that does not. */
static uint32_t add_shared(const struct json_text *j, struct grammar_builder *b, uint32_t choice, struct name_list list,
                           uint32_t from, size_t at, struct char_set *taken) {
        uint32_t code, end = from;
        const char *next = list.names[from] + at;
        size_t step = printable_utf8(next, strlen(next), &code);
        if (!step) {
                b->broken = b->broken ? b->broken : -EILSEQ;
                return list.count;
        }
        while (end < list.count && !strncmp(list.names[end] + at, next, step))
                end++;
        char_set_add(taken, code, code);
        uint32_t branch = grammar_builder_sequence(b);
        grammar_builder_add(b, branch, grammar_builder_range(b, code, code));
        struct name_list below = { list.names + from, end - from };
        grammar_builder_add(b, branch, grammar_builder_call(b, rest_of_other_name(j, b, below, at + step)));
        grammar_builder_add(b, choice, branch);
        return end;
}

static uint32_t rest_of_other_name(const struct json_text *j, struct grammar_builder *b, struct name_list list, size_t at) {
        uint32_t rule = grammar_builder_rule(b, "other-name", 10), choice = grammar_builder_choice(b), i = 0;
        struct char_set taken = { 0 };
        grammar_builder_set_body(b, rule, choice);
        while (i < list.count && !list.names[i][at])
                i++;
        if (i == 0)
                grammar_builder_add(b, choice, grammar_builder_literal(b, "\""));
        while (i < list.count && at < NAME_BYTES_COMPARED && !b->broken)
                i = add_shared(j, b, choice, list, i, at, &taken);
        char_set_add(&taken, 0, i < list.count ? CODE_POINT_MAX : 0x1f);
        char_set_add(&taken, '"', '"');
        char_set_add(&taken, '\\', '\\');
        char_set_invert(&taken);
        uint32_t branch = grammar_builder_sequence(b);
        grammar_builder_add(b, branch, grammar_builder_class(b, &taken));
        grammar_builder_add(b, branch, grammar_builder_repeat(b, grammar_builder_call(b, j->plain_character), 0, OTHER_NAME_MAX));
        grammar_builder_add(b, branch, grammar_builder_literal(b, "\""));
        grammar_builder_add(b, choice, branch);
        char_set_done(&taken);
        return rule;
}

static bool needs_escape(const char *name) {
        for (const char *p = name; *p; p++)
                if (*p == '"' || *p == '\\' || (unsigned char) *p < 0x20)
                        return true;
        return json_has_nul(name);
}

uint32_t json_text_other_name(const struct json_text *j, struct grammar_builder *b, const char *const names[], uint32_t count) {
        struct name_list list = { malloc((count + 1) * sizeof(*list.names)), 0 };
        if (!list.names) {
                b->broken = b->broken ? b->broken : -ENOMEM;
                return 0;
        }
        for (uint32_t i = 0; i < count; i++)
                if (!needs_escape(names[i])) /* a name written without escapes is never one of the others */
                        list.names[list.count++] = names[i];
        if (list.count)
                qsort(list.names, list.count, sizeof(*list.names), by_bytes);
        uint32_t e = grammar_builder_sequence(b);
        grammar_builder_add(b, e, grammar_builder_literal(b, "\""));
        grammar_builder_add(b, e, grammar_builder_call(b, rest_of_other_name(j, b, list, 0)));
        free(list.names);
        return e;
}
