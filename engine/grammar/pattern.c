/* pattern.c - see pattern.h. By recursive descent; each part comes with the lengths that it can have. */
#include "engine/grammar/pattern.h"

#include <errno.h>
#include <string.h>

#include "engine/grammar/reader.h"

#define NO_BOUND UINT64_MAX

struct parser {
        struct reader r;
        const struct json_text *j;
        struct grammar_builder *b;
        unsigned nesting;
        int failed;
        struct grammar_error *reterr;
};

static uint32_t fail(struct parser *p, const char *what) {
        if (!p->failed)
                p->failed = grammar_fail(p->reterr, "%s", what);
        return READER_BAD;
}

static struct pattern empty(struct parser *p) {
        return (struct pattern){ grammar_builder_sequence(p->b), 0, 0 };
}

static uint64_t plus(uint64_t a, uint64_t b) {
        return a == NO_BOUND || b == NO_BOUND || a + b < a ? NO_BOUND : a + b;
}

static uint64_t times(uint64_t a, uint64_t b) {
        if (a == 0 || b == 0)
                return 0;
        return a == NO_BOUND || b == NO_BOUND || a > NO_BOUND / b ? NO_BOUND : a * b;
}

/* ---- classes ---- */

/* clang-format off */
static const struct {
        char letter;
        struct char_range ranges[6]; /* up to one that ends at 0 */
} named_classes[] = {
        { 'd', { { '0', '9' } } },
        { 'w', { { '0', '9' }, { 'A', 'Z' }, { '_', '_' }, { 'a', 'z' } } },
        { 's', { { '\t', '\r' }, { ' ', ' ' } } },
        { 'D', { { ' ', '/' }, { ':', '~' } } },
        { 'W', { { ' ', '/' }, { ':', '@' }, { '[', '^' }, { '`', '`' }, { '{', '~' } } },
        { 'S', { { '!', '~' } } },
};
/* clang-format on */

static bool add_named(struct char_set *set, uint32_t letter) {
        for (size_t i = 0; i < sizeof(named_classes) / sizeof(named_classes[0]); i++) {
                if (letter != (uint32_t) named_classes[i].letter)
                        continue;
                for (const struct char_range *r = named_classes[i].ranges; r->last; r++)
                        char_set_add(set, r->first, r->last);
                return true;
        }
        return false;
}

/* The character that an escape stands for; its backslash is taken. READER_BAD and said, when it is none. */
static uint32_t take_escape(struct parser *p, bool in_class) {
        static const char letters[] = "nrtfv", values[] = "\n\r\t\f\v", itself[] = "^$\\.*+?()[]{}|/-\"'#&,:;<=>@!%~` _";
        uint32_t letter = reader_take(&p->r), code = READER_BAD;
        const char *found = letter < 128 ? strchr(letters, (int) letter) : NULL;
        if (letter == 'b' && in_class)
                return '\b';
        if (letter == 'x')
                code = reader_hex(&p->r, 2);
        else if (letter == 'u')
                code = reader_hex(&p->r, 4);
        else if (found && letter)
                code = (uint32_t) values[found - letters];
        else if (letter < 128 && letter && strchr(itself, (int) letter))
                code = letter;
        if (code == READER_BAD || code == 0)
                return fail(p, "it has an escape that is not supported (such as \\b, \\p or a back reference)");
        return code;
}

/* A character of a class, or one of the named classes, which is added: then *ret_named. */
static uint32_t take_class_char(struct parser *p, struct char_set *set, bool *ret_named) {
        uint32_t code = reader_take(&p->r);
        *ret_named = false;
        if (code >= READER_END)
                return fail(p, "a class has no closing bracket");
        if (code != '\\')
                return code;
        *ret_named = add_named(set, reader_peek(&p->r));
        return *ret_named ? reader_take(&p->r) : take_escape(p, true);
}

static void read_class(struct parser *p, struct char_set *set) {
        bool inverted = reader_takes(&p->r, '^');
        while (!p->failed && !reader_takes(&p->r, ']')) {
                bool named, last_named;
                uint32_t first = take_class_char(p, set, &named), last = first;
                const char *next = p->r.text + p->r.at;
                if (!named && p->r.length - p->r.at >= 2 && next[0] == '-' && next[1] != ']') {
                        (void) reader_take(&p->r);
                        last = take_class_char(p, set, &last_named);
                        if (last_named || last < first)
                                (void) fail(p, "a range of a class runs backwards, or to a class");
                }
                if (!p->failed && !named)
                        char_set_add(set, first, last);
        }
        if (inverted)
                char_set_invert(set);
}

/* ---- expressions ---- */

static struct pattern read_choice(struct parser *p);

static struct pattern read_group(struct parser *p) {
        if (reader_takes(&p->r, '?') && !reader_takes(&p->r, ':'))
                (void) fail(p, "it has a group (?...) that is not supported; only (?:...) is");
        if (++p->nesting > GRAMMAR_NESTING_MAX)
                (void) fail(p, "its groups are nested too deeply");
        if (p->failed)
                return empty(p);
        struct pattern e = read_choice(p);
        p->nesting--;
        if (!reader_takes(&p->r, ')'))
                (void) fail(p, "a group is not closed");
        return e;
}

static struct pattern read_one(struct parser *p) {
        struct char_set set = { 0 };
        uint32_t code = reader_take(&p->r);
        if (code == '(')
                return read_group(p);
        if (code == '.') {
                char_set_add(&set, '\n', '\n');
                char_set_add(&set, '\r', '\r');
                char_set_add(&set, 0x2028, 0x2029);
                char_set_invert(&set);
        } else if (code == '[') {
                read_class(p, &set);
        } else if (code == '^' || code == '$') {
                (void) fail(p, "^ and $ are supported only at its ends, and at those of its alternatives");
        } else if (code == '*' || code == '+' || code == '?' || code == '{' || code >= READER_END) {
                (void) fail(p, "a repetition has nothing to repeat, or it is not valid UTF-8");
        } else if (code != '\\' || !add_named(&set, reader_peek(&p->r))) {
                code = code == '\\' ? take_escape(p, false) : code;
                if (!p->failed)
                        char_set_add(&set, code, code);
        } else {
                (void) reader_take(&p->r);
        }
        struct pattern one = { p->failed ? 0 : json_text_char(p->b, &set), 1, 1 };
        char_set_done(&set);
        return one;
}

static struct pattern read_repeated(struct parser *p) {
        struct pattern e = read_one(p);
        uint32_t least = 0, most = GRAMMAR_UNBOUNDED, next = reader_peek(&p->r);
        if (p->failed || (next != '*' && next != '+' && next != '?' && next != '{'))
                return e;
        (void) reader_take(&p->r);
        if (next == '{' && (reader_peek(&p->r) == ',' || !reader_bounds(&p->r, GRAMMAR_REPEAT_MAX, &least, &most)))
                (void) fail(p, "a repetition is not one of {m} {m,} {m,n}");
        if (next == '+')
                least = 1;
        if (next == '?')
                most = 1;
        (void) reader_takes(&p->r, '?'); /* lazy: the same texts */
        return (struct pattern){ grammar_builder_repeat(p->b, e.expression, least, most), times(e.least, least),
                                 times(e.most, most == GRAMMAR_UNBOUNDED ? NO_BOUND : most) };
}

static void append(struct parser *p, struct pattern *to, struct pattern e) {
        grammar_builder_add(p->b, to->expression, e.expression);
        to->least = plus(to->least, e.least);
        to->most = plus(to->most, e.most);
}

static struct pattern anything(struct parser *p) {
        return (struct pattern){ grammar_builder_repeat(p->b, grammar_builder_call(p->b, p->j->character), 0, GRAMMAR_UNBOUNDED),
                                 0, NO_BOUND };
}

static struct pattern read_sequence(struct parser *p) {
        struct pattern sequence = empty(p);
        bool outermost = p->nesting == 0, ended = false;
        if (outermost && !reader_takes(&p->r, '^'))
                append(p, &sequence, anything(p));
        for (uint32_t next; !p->failed && (next = reader_peek(&p->r)) != READER_END && next != '|' && next != ')';) {
                if (ended)
                        (void) fail(p, "$ is supported only at its ends, and at those of its alternatives");
                else if (outermost && next == '$')
                        ended = reader_takes(&p->r, '$');
                else
                        append(p, &sequence, read_repeated(p));
        }
        if (outermost && !ended)
                append(p, &sequence, anything(p));
        return sequence;
}

static struct pattern read_choice(struct parser *p) {
        struct pattern choice = { grammar_builder_choice(p->b), NO_BOUND, 0 };
        do {
                struct pattern e = read_sequence(p);
                grammar_builder_add(p->b, choice.expression, e.expression);
                choice.least = e.least < choice.least ? e.least : choice.least;
                choice.most = e.most > choice.most ? e.most : choice.most;
        } while (!p->failed && reader_takes(&p->r, '|'));
        return choice;
}

int pattern_read(const struct json_text *j, struct grammar_builder *b, const char *text, struct pattern *ret,
                 struct grammar_error *reterr) {
        struct parser p = { .r = { text, strlen(text), 0 }, .j = j, .b = b, .reterr = reterr };
        struct pattern e = read_choice(&p);
        if (!p.failed && p.r.at < p.r.length)
                (void) fail(&p, "a group is closed that was not opened");
        if (p.failed < 0)
                return p.failed;
        *ret = e;
        return 0;
}
