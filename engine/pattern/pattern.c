/* pattern.c - see pattern.h. By recursive descent; what cannot be said is left out so that there are more texts, never fewer. */
#include "engine/pattern/pattern.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/grammar/reader.h"

struct parser {
        struct reader r;
        struct regular *terms;
        uint32_t *items; /* of the sequences that are being read */
        uint32_t items_count, items_capacity;
        unsigned nesting;
        bool looks;
        const char *lost; /* what was left out since the last look that excludes; NULL: nothing */
        int failed;
        struct grammar_error *reterr;
};

static uint32_t fail(struct parser *p, const char *what) {
        if (!p->failed)
                p->failed = grammar_fail(p->reterr, "%s", what);
        return READER_BAD;
}

static void lose(struct parser *p, const char *what) {
        p->lost = p->lost ? p->lost : what;
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

/* The character that an escape stands for; its backslash is taken. READER_BAD: none that is known. */
static uint32_t take_escape(struct parser *p, bool in_class) {
        static const char letters[] = "nrtfv", values[] = "\n\r\t\f\v", itself[] = "^$\\.*+?()[]{}|/-\"'#&,:;<=>@!%~` _";
        uint32_t letter = reader_take(&p->r);
        const char *found = letter < 128 ? strchr(letters, (int) letter) : NULL;
        if (letter == 'b' && in_class)
                return '\b';
        if (letter == 'x')
                return reader_hex(&p->r, 2);
        if (letter == 'u')
                return reader_hex(&p->r, 4);
        if (found && letter)
                return (uint32_t) values[found - letters];
        return letter < 128 && letter && strchr(itself, (int) letter) ? letter : READER_BAD;
}

/* Behind "\p" or "\P": {...}, or one letter. */
static void skip_property(struct parser *p) {
        if (!reader_takes(&p->r, '{')) {
                (void) reader_take(&p->r);
                return;
        }
        for (uint32_t c = reader_take(&p->r); c != '}' && c < READER_END; c = reader_take(&p->r))
                ;
}

static void add_all(struct char_set *set) {
        char_set_add(set, 1, CODE_POINT_MAX);
}

/* A character of a class, or what stands for several, which are added: then *ret_named. */
static uint32_t take_class_char(struct parser *p, struct char_set *set, bool *ret_named) {
        uint32_t code = reader_take(&p->r);
        *ret_named = false;
        if (code >= READER_END)
                return fail(p, "a class has no closing bracket");
        if (code != '\\')
                return code;
        uint32_t letter = reader_peek(&p->r);
        *ret_named = add_named(set, letter) || letter == 'p' || letter == 'P';
        if (!*ret_named) {
                code = take_escape(p, true);
                return code == READER_BAD || code == 0 ? fail(p, "a class has an escape that is not known") : code;
        }
        (void) reader_take(&p->r);
        if (letter == 'p' || letter == 'P') {
                skip_property(p);
                add_all(set);
                lose(p, "\\p");
        }
        return letter;
}

static void read_class(struct parser *p, struct char_set *set) {
        bool inverted = reader_takes(&p->r, '^');
        const char *lost = p->lost;
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
        if (inverted && p->lost == lost) /* else any character is more than it holds */
                char_set_invert(set);
        if (inverted && p->lost != lost)
                add_all(set);
}

/* ---- expressions ---- */

static uint32_t read_choice(struct parser *p);

/* Behind a bracket and its '?'. */
enum group { GROUP_PLAIN, GROUP_AHEAD, GROUP_AHEAD_NOT, GROUP_BEHIND, GROUP_BAD };

static enum group group_kind(struct parser *p) {
        (void) reader_takes(&p->r, 'P'); /* as Python writes a name */
        if (reader_takes(&p->r, ':'))
                return GROUP_PLAIN;
        if (reader_takes(&p->r, '='))
                return GROUP_AHEAD;
        if (reader_takes(&p->r, '!'))
                return GROUP_AHEAD_NOT;
        if (!reader_takes(&p->r, '<'))
                return GROUP_BAD;
        if (reader_takes(&p->r, '=') || reader_takes(&p->r, '!'))
                return GROUP_BEHIND;
        uint32_t c = reader_take(&p->r);
        while (c == '_' || (c < 128 && isalnum((int) c)))
                c = reader_take(&p->r);
        return c == '>' ? GROUP_PLAIN : GROUP_BAD;
}

/* A look that excludes what has been widened would hold fewer texts than the pattern: it is left out whole. */
static uint32_t look(struct parser *p, enum group kind, uint32_t inner, const char *lost_before) {
        bool widened = p->lost != NULL;
        p->lost = lost_before ? lost_before : p->lost;
        if (kind == GROUP_BEHIND || !p->looks) {
                lose(p, kind == GROUP_BEHIND ? "what looks behind" : "what looks ahead");
                return REGULAR_EMPTY;
        }
        return kind == GROUP_AHEAD_NOT && widened ? REGULAR_EMPTY : regular_look(p->terms, inner, kind == GROUP_AHEAD_NOT);
}

static uint32_t read_group(struct parser *p) {
        enum group kind = reader_takes(&p->r, '?') ? group_kind(p) : GROUP_PLAIN;
        const char *lost = p->lost;
        if (kind == GROUP_BAD)
                (void) fail(p, "it has a group (?...) that is not known");
        if (++p->nesting > GRAMMAR_NESTING_MAX)
                (void) fail(p, "its groups are nested too deeply");
        if (p->failed)
                return REGULAR_NOTHING;
        if (kind != GROUP_PLAIN)
                p->lost = NULL;
        uint32_t e = read_choice(p);
        p->nesting--;
        if (!reader_takes(&p->r, ')'))
                (void) fail(p, "a group is not closed");
        return kind == GROUP_PLAIN ? e : look(p, kind, e, lost);
}

static uint32_t char_of(struct parser *p, struct char_set *set) {
        uint32_t e = regular_char(p->terms, set);
        char_set_done(set);
        return e;
}

/* What an escape stands for that is no character. READER_BAD: it is one. */
static uint32_t read_wide_escape(struct parser *p) {
        struct char_set set = { 0 };
        uint32_t letter = reader_peek(&p->r);
        if (letter == 'b' || letter == 'B') {
                lose(p, "\\b");
        } else if (letter == 'p' || letter == 'P') {
                lose(p, "\\p");
        } else if ((letter >= '1' && letter <= '9') || letter == 'k') {
                lose(p, "a back reference");
        } else if (!add_named(&set, letter)) {
                return READER_BAD;
        }
        (void) reader_take(&p->r);
        if (letter == 'b' || letter == 'B')
                return REGULAR_EMPTY;
        if (letter == 'p' || letter == 'P') {
                skip_property(p);
                add_all(&set);
        }
        while (letter >= '1' && letter <= '9' && reader_digit(reader_peek(&p->r)) >= 0 && reader_digit(reader_peek(&p->r)) <= 9)
                (void) reader_take(&p->r);
        if (letter == 'k')
                while (reader_peek(&p->r) < READER_END && reader_take(&p->r) != '>')
                        ;
        return set.count ? char_of(p, &set) : REGULAR_ANY;
}

static uint32_t read_one(struct parser *p) {
        struct char_set set = { 0 };
        uint32_t code = reader_take(&p->r), e;
        if (code == '(')
                return read_group(p);
        if (code == '^' || code == '$')
                return code == '^' ? regular_begin(p->terms) : regular_end(p->terms);
        if (code == '\\' && (e = read_wide_escape(p)) != READER_BAD)
                return e;
        if (code == '.') {
                char_set_add(&set, '\n', '\n');
                char_set_add(&set, '\r', '\r');
                char_set_add(&set, 0x2028, 0x2029);
                char_set_invert(&set);
        } else if (code == '[') {
                read_class(p, &set);
        } else if (code == '*' || code == '+' || code == '?' || code == '{' || code >= READER_END) {
                (void) fail(p, "a repetition has nothing to repeat, or it is not valid UTF-8");
        } else {
                code = code == '\\' ? take_escape(p, false) : code;
                if (code == READER_BAD || code == 0)
                        (void) fail(p, "it has an escape that is not known");
                else
                        char_set_add(&set, code, code);
        }
        return char_of(p, &set);
}

static uint32_t read_repeated(struct parser *p) {
        bool anchor = reader_peek(&p->r) == '^' || reader_peek(&p->r) == '$';
        uint32_t e = read_one(p);
        uint32_t least = 0, most = GRAMMAR_UNBOUNDED, next = reader_peek(&p->r);
        if (p->failed || (next != '*' && next != '+' && next != '?' && next != '{'))
                return e;
        (void) reader_take(&p->r);
        if (anchor)
                (void) fail(p, "a repetition has nothing to repeat");
        if (next == '{' && (reader_peek(&p->r) == ',' || !reader_bounds(&p->r, GRAMMAR_REPEAT_MAX, &least, &most)))
                (void) fail(p, "a repetition is not one of {m} {m,} {m,n}");
        if (next == '+')
                least = 1;
        if (next == '?')
                most = 1;
        (void) reader_takes(&p->r, '?'); /* lazy: the same texts */
        return regular_repeat(p->terms, e, least, most);
}

static bool keep_item(struct parser *p, uint32_t item) {
        if (p->items_count == p->items_capacity) {
                uint32_t capacity = p->items_capacity ? 2 * p->items_capacity : 64;
                uint32_t *grown = realloc(p->items, capacity * sizeof(*grown));
                if (!grown)
                        return false;
                p->items = grown;
                p->items_capacity = capacity;
        }
        p->items[p->items_count++] = item;
        return true;
}

static uint32_t read_sequence(struct parser *p) {
        uint32_t from = p->items_count, sequence = REGULAR_EMPTY;
        for (uint32_t next; !p->failed && (next = reader_peek(&p->r)) != READER_END && next != '|' && next != ')';)
                if (!keep_item(p, read_repeated(p)))
                        p->failed = p->terms->broken = -ENOMEM;
        while (p->items_count > from)
                sequence = regular_then(p->terms, p->items[--p->items_count], sequence);
        return sequence;
}

static uint32_t read_choice(struct parser *p) {
        uint32_t choice = REGULAR_NOTHING;
        do
                choice = regular_either(p->terms, choice, read_sequence(p));
        while (!p->failed && reader_takes(&p->r, '|'));
        return choice;
}

int pattern_read(struct regular *r, const char *text, bool looks, uint32_t *ret, struct grammar_error *reterr) {
        struct parser p = { .r = { text, strlen(text), 0 }, .terms = r, .looks = looks, .reterr = reterr };
        uint32_t e = read_choice(&p);
        if (!p.failed && p.r.at < p.r.length)
                (void) fail(&p, "a group is closed that was not opened");
        free(p.items);
        if (p.failed)
                return p.failed;
        if (!regular_settle(r, e, ret)) {
                lose(&p, "what looks ahead, or an anchor, within a repetition");
                if (!regular_settle(r, regular_without_looks(r, e), ret))
                        *ret = REGULAR_ANY;
        }
        return p.lost ? (grammar_fail(reterr, "%s is not supported", p.lost), 1) : 0;
}
