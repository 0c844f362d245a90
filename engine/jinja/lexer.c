/* lexer.c - see lexer.h. */
#include "engine/jinja/lexer.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/jinja_value/bounds.h"

void lexer_init(struct lexer *l, struct jinja_job *job, struct tainted text) {
        *l = (struct lexer){ .job = job, .at = text.bytes, .begin = text.bytes, .end = text.bytes + text.length, .line = 1 };
}

static size_t remaining(const struct lexer *l) {
        return (size_t) (l->end - l->at);
}

static bool peek(const struct lexer *l, const char *string) {
        size_t length = strlen(string);
        return length <= remaining(l) && !memcmp(l->at, string, length);
}

static void advance(struct lexer *l, size_t count) {
        for (const char *to = l->at + count; l->at < to; l->at++)
                l->line += *l->at == '\n';
}

static void skip_space(struct lexer *l) {
        size_t step;
        while (l->at < l->end && tainted_is_space((struct tainted){ .bytes = l->at, .length = remaining(l) }, 0, &step))
                advance(l, step);
}

/* The place of the next "{{", "{%" or "{#"; the end where there is none. */
static const char *find_tag(const struct lexer *l) {
        const char *p = l->at;
        while ((p = memchr(p, '{', (size_t) (l->end - p)))) {
                if (p + 1 < l->end && (p[1] == '{' || p[1] == '%' || p[1] == '#'))
                        return p;
                if (++p == l->end)
                        break;
        }
        return l->end;
}

/* The text before a tag, without what the tag takes off its end. SIGN: '-', '+' or none; INDENTED: a tag that may be. */
static struct tainted text_before(const struct lexer *l, const char *from, const char *tag, char sign, bool indented) {
        struct tainted m = { .bytes = from, .length = (size_t) (tag - from) };
        if (sign == '-')
                return tainted_strip(l->job, m, (struct tainted){ .bytes = NULL }, STRIP_RIGHT);
        if (sign == '+' || !indented)
                return m;
        const char *line = tag;
        while (line > from && line[-1] != '\n')
                line--;
        bool begins_line = line > from || from == l->begin || from[-1] == '\n';
        struct tainted indentation = { .bytes = line, .length = (size_t) (tag - line) };
        if (begins_line && tainted_strip(l->job, indentation, (struct tainted){ .bytes = NULL }, STRIP_RIGHT).length == 0)
                m.length = (size_t) (line - from);
        return m;
}

/* Behind the end of a tag: SIGN '-' takes all white space, else a block takes its line end. */
static void trim_after_tag(struct lexer *l, char sign, bool block) {
        if (sign == '-')
                skip_space(l);
        else if (sign != '+' && block && l->at < l->end && *l->at == '\n')
                advance(l, 1);
}

static char sign_at(const struct lexer *l, const char *p) {
        return p < l->end && (*p == '-' || *p == '+') ? *p : '\0';
}

static void skip_comment(struct lexer *l) {
        const char *close = memmem(l->at, remaining(l), "#}", 2);
        if (!close)
                jinja_fail(l->job, "a comment is not closed: '#}' is missing");
        char sign = close > l->at + 2 ? sign_at(l, close - 1) : '\0';
        advance(l, (size_t) (close + 2 - l->at));
        trim_after_tag(l, sign, true);
}

/* The word of a block tag at P, which stands at its "{%", when that is all that stands in it: behind the tag, else NULL. */
static const char *match_lone_tag(const struct lexer *l, const char *p, const char *word, char *ret_open, char *ret_close) {
        p += 2;
        *ret_open = sign_at(l, p);
        p += *ret_open != '\0';
        while (p < l->end && isspace((unsigned char) *p))
                p++;
        size_t length = strlen(word);
        if ((size_t) (l->end - p) < length || memcmp(p, word, length))
                return NULL;
        p += length;
        while (p < l->end && isspace((unsigned char) *p))
                p++;
        *ret_close = sign_at(l, p);
        p += *ret_close != '\0';
        return l->end - p >= 2 && p[0] == '%' && p[1] == '}' ? p + 2 : NULL;
}

/* {% raw %} to {% endraw %}: text as it is. L stands behind the first, which closed with SIGN. */
static struct token take_raw(struct lexer *l, char sign) {
        struct token t = { .kind = TOKEN_DATA, .line = l->line };
        if (sign == '-')
                skip_space(l);
        const char *from = l->at, *behind = NULL;
        char open = '\0', close = '\0';
        for (const char *p = from; !behind; p++) {
                jinja_spend(l->job, 1);
                p = p < l->end ? memmem(p, (size_t) (l->end - p), "{%", 2) : NULL;
                if (!p)
                        jinja_fail(l->job, "'raw' is not closed: 'endraw' is missing");
                behind = match_lone_tag(l, p, "endraw", &open, &close);
                t.text = text_before(l, from, p, open, true);
        }
        advance(l, (size_t) (behind - l->at));
        trim_after_tag(l, close, true);
        return t;
}

/* From text into a tag: the text before it, which may be empty. */
static struct token take_data(struct lexer *l) {
        struct token t = { .kind = TOKEN_DATA, .line = l->line };
        const char *from = l->at, *tag = find_tag(l);
        if (tag == l->end) {
                t.text = (struct tainted){ .bytes = from, .length = (size_t) (tag - from) };
                advance(l, t.text.length);
                return t;
        }
        char sign = sign_at(l, tag + 2);
        t.text = text_before(l, from, tag, sign, tag[1] != '{');
        advance(l, (size_t) (tag - from));
        return t;
}

/* Enters the tag that L stands at; a comment is passed over, raw text given back as data. */
static struct token open_tag(struct lexer *l) {
        struct token t = { .kind = TOKEN_DATA, .line = l->line, .text = TAINTED("") };
        char open, close;
        l->job->line = l->line;
        if (l->at[1] == '#') {
                skip_comment(l);
                return t;
        }
        const char *raw = l->at[1] == '%' ? match_lone_tag(l, l->at, "raw", &open, &close) : NULL;
        if (raw) {
                advance(l, (size_t) (raw - l->at));
                return take_raw(l, close);
        }
        t.kind = l->at[1] == '{' ? TOKEN_PRINT_BEGIN : TOKEN_BLOCK_BEGIN;
        l->inside = l->at[1] == '{' ? LEXER_PRINT : LEXER_BLOCK;
        advance(l, 2u + (sign_at(l, l->at + 2) != '\0'));
        return t;
}

/* ---- inside of a tag ---- */

static uint32_t hex_value(const struct lexer *l, const char *digits, size_t count) {
        uint32_t value = 0;
        for (size_t i = 0; i < count; i++) {
                if (digits + i >= l->end || !isxdigit((unsigned char) digits[i]))
                        jinja_fail(l->job, "a text has a \\x or \\u without its digits");
                int d = tolower((unsigned char) digits[i]);
                value = value * 16 + (uint32_t) (d <= '9' ? d - '0' : d - 'a' + 10);
        }
        return value;
}

/* Adds what the escape at P (behind its backslash) stands for; returns how many bytes it has. */
static size_t unescape(const struct lexer *l, const char *p, struct builder *b) {
        static const char plain[] = "n\nt\tr\r\\\\''\"\"a\ab\bf\fv\v";
        for (size_t i = 0; plain[i]; i += 2)
                if (*p == plain[i]) {
                        builder_char(b, (uint8_t) plain[i + 1], false);
                        return 1;
                }
        size_t digits = *p == 'x' ? 2 : *p == 'u' ? 4 : *p == 'U' ? 8 : 0;
        if (digits) {
                uint32_t codepoint = hex_value(l, p + 1, digits);
                if (codepoint > 0x10ffff || (codepoint >= 0xd800 && codepoint < 0xe000))
                        jinja_fail(l->job, "a text has an escape that is no character");
                builder_char(b, codepoint, false);
                return 1 + digits;
        }
        if (*p == '\n')
                return 1;
        if (*p >= '0' && *p <= '7') {
                uint32_t value = 0;
                size_t n = 0;
                for (; n < 3 && p + n < l->end && p[n] >= '0' && p[n] <= '7'; n++)
                        value = value * 8 + (uint32_t) (p[n] - '0');
                builder_char(b, value, false);
                return n;
        }
        builder_puts(b, "\\"); /* not an escape: both stand */
        return 0;
}

static struct token take_string(struct lexer *l) {
        struct token t = { .kind = TOKEN_STRING, .line = l->line };
        struct builder b = { .job = l->job };
        char quote = *l->at;
        const char *p = l->at + 1, *plain = p;
        for (; p < l->end && *p != quote; p++) {
                if (*p != '\\')
                        continue;
                builder_add(&b, (struct tainted){ .bytes = plain, .length = (size_t) (p - plain) });
                if (p + 1 == l->end)
                        break;
                plain = p + 1 + unescape(l, p + 1, &b);
                p = plain > p + 1 ? plain - 1 : p;
        }
        if (p >= l->end)
                jinja_fail(l->job, "a text is not closed: %c is missing", quote);
        builder_add(&b, (struct tainted){ .bytes = plain, .length = (size_t) (p - plain) });
        t.text = builder_text(&b);
        advance(l, (size_t) (p + 1 - l->at));
        return t;
}

#define NUMBER_CHARS_MAX 64u

/* Digits and '_' between them, without the '_'; returns the bytes read. */
static size_t take_digits(const struct lexer *l, const char *p, char *out, size_t *used, bool hex) {
        size_t n = 0;
        for (; p + n < l->end && (p[n] == '_' || (hex ? isxdigit((unsigned char) p[n]) : isdigit((unsigned char) p[n]))); n++) {
                if (*used + 1 >= NUMBER_CHARS_MAX)
                        jinja_fail(l->job, "a number has more than %u digits", NUMBER_CHARS_MAX);
                if (p[n] != '_')
                        out[(*used)++] = p[n];
        }
        return n;
}

static struct token take_number(struct lexer *l) {
        struct token t = { .kind = TOKEN_INTEGER, .line = l->line };
        char digits[NUMBER_CHARS_MAX + 4] = { 0 };
        size_t used = 0, n;
        int base = 10;
        const char *p = l->at;
        if (remaining(l) > 2 && p[0] == '0' && strchr("xXoObB", p[1])) {
                base = p[1] == 'x' || p[1] == 'X' ? 16 : p[1] == 'o' || p[1] == 'O' ? 8 : 2;
                n = 2 + take_digits(l, p + 2, digits, &used, base == 16);
        } else {
                n = take_digits(l, p, digits, &used, false);
                if (p + n + 1 < l->end && p[n] == '.' && isdigit((unsigned char) p[n + 1])) {
                        digits[used++] = '.';
                        n += 1 + take_digits(l, p + n + 1, digits, &used, false);
                        t.kind = TOKEN_FLOAT;
                }
                size_t sign = n + 1 + (p + n + 1 < l->end && (p[n + 1] == '-' || p[n + 1] == '+'));
                if (p + sign < l->end && (p[n] == 'e' || p[n] == 'E') && isdigit((unsigned char) p[sign])) {
                        digits[used++] = 'e';
                        if (sign > n + 1)
                                digits[used++] = p[n + 1];
                        n = sign + take_digits(l, p + sign, digits, &used, false);
                        t.kind = TOKEN_FLOAT;
                }
        }
        errno = 0;
        if (t.kind == TOKEN_FLOAT)
                t.number = strtod(digits, NULL);
        else
                t.integer = strtoll(digits, NULL, base);
        if (errno == ERANGE && t.kind == TOKEN_INTEGER)
                jinja_fail(l->job, "a number does not fit into 64 bits");
        advance(l, n);
        return t;
}

static bool begins_name(char c) {
        return isalpha((unsigned char) c) || c == '_' || (unsigned char) c >= 0x80;
}

static struct token take_name(struct lexer *l) {
        struct token t = { .kind = TOKEN_NAME, .line = l->line };
        const char *p = l->at;
        while (p < l->end && (begins_name(*p) || isdigit((unsigned char) *p)))
                p++;
        t.text = (struct tainted){ .bytes = l->at, .length = (size_t) (p - l->at) };
        l->at = p;
        return t;
}

static void note_bracket(struct lexer *l, char c) {
        static const char pairs[] = "()[]{}";
        const char *known = strchr(pairs, c);
        if (!known)
                return;
        if ((known - pairs) % 2 == 0) {
                if (l->brackets_count == sizeof(l->brackets))
                        jinja_fail(l->job, "brackets are nested deeper than %zu levels", sizeof(l->brackets));
                l->brackets[l->brackets_count++] = known[1];
        } else if (l->brackets_count == 0 || l->brackets[--l->brackets_count] != c) {
                jinja_fail(l->job, "'%c' closes nothing", c);
        }
}

static struct token take_operator(struct lexer *l) {
        static const char *const known[] = { "**", "//", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "[",
                                             "]",  "(",  ")",  "{",  "}",  "<",  ">", "=", ".", ":", "|", ",", ";" };
        struct token t = { .kind = TOKEN_OPERATOR, .line = l->line };
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
                if (peek(l, known[i])) {
                        t.text = tainted_of(known[i]);
                        if (t.text.length == 1)
                                note_bracket(l, *known[i]);
                        l->at += t.text.length;
                        return t;
                }
        jinja_fail(l->job, "'%.*s' has no meaning here",
                   (int) tainted_step((struct tainted){ .bytes = l->at, .length = remaining(l) }, 0), l->at);
}

/* The end of the tag L is in, when it stands there. */
static bool try_tag_end(struct lexer *l, struct token *ret) {
        bool block = l->inside == LEXER_BLOCK;
        char sign = sign_at(l, l->at);
        const char *p = l->at + (sign != '\0' && (block || sign == '-'));
        if (l->brackets_count || l->end - p < 2 || p[0] != (block ? '%' : '}') || p[1] != '}')
                return false;
        *ret = (struct token){ .kind = block ? TOKEN_BLOCK_END : TOKEN_PRINT_END, .line = l->line };
        sign = p > l->at ? sign : '\0';
        advance(l, (size_t) (p + 2 - l->at));
        trim_after_tag(l, sign, block);
        l->inside = LEXER_DATA;
        return true;
}

struct token lexer_next(struct lexer *l) {
        struct token t = { .kind = TOKEN_END, .line = l->line };
        jinja_spend(l->job, 1);
        l->job->line = l->line;
        if (l->inside == LEXER_DATA) {
                if (l->at == l->end)
                        return t;
                bool tag = remaining(l) >= 2 && l->at == find_tag(l);
                return tag ? open_tag(l) : take_data(l);
        }
        skip_space(l);
        l->job->line = l->line;
        if (l->at == l->end)
                jinja_fail(l->job, "'%s' is missing", l->inside == LEXER_BLOCK ? "%}" : "}}");
        if (try_tag_end(l, &t))
                return t;
        if (*l->at == '"' || *l->at == '\'')
                return take_string(l);
        if (isdigit((unsigned char) *l->at))
                return take_number(l);
        return begins_name(*l->at) ? take_name(l) : take_operator(l);
}
