/* letter_case.c - see letter_case.h. The ranges are those of the Unicode Character Database; what it spells otherwise is left. */
#include "engine/jinja_value/letter_case.h"

#include <string.h>

#include "engine/unicode/unicode.h"

struct case_range {
        uint32_t first, last; /* upper case letters */
        uint32_t step;        /* 2: upper and lower case alternate */
        uint32_t lower;       /* the lower case of the first */
};

/* clang-format off */
static const struct case_range ranges[] = {
        { 'A', 'Z', 1, 'a' },
        { 0x00c0, 0x00d6, 1, 0x00e0 }, { 0x00d8, 0x00de, 1, 0x00f8 },
        { 0x0100, 0x012e, 2, 0x0101 }, { 0x0132, 0x0136, 2, 0x0133 }, { 0x0139, 0x0147, 2, 0x013a },
        { 0x014a, 0x0176, 2, 0x014b }, { 0x0178, 0x0178, 1, 0x00ff }, { 0x0179, 0x017d, 2, 0x017a },
        { 0x0386, 0x0386, 1, 0x03ac }, { 0x0388, 0x038a, 1, 0x03ad }, { 0x038c, 0x038c, 1, 0x03cc },
        { 0x038e, 0x038f, 1, 0x03cd }, { 0x0391, 0x03a1, 1, 0x03b1 }, { 0x03a3, 0x03ab, 1, 0x03c3 },
        { 0x0400, 0x040f, 1, 0x0450 }, { 0x0410, 0x042f, 1, 0x0430 }, { 0x0460, 0x0480, 2, 0x0461 },
        { 0x048a, 0x04be, 2, 0x048b }, { 0x04d0, 0x052e, 2, 0x04d1 }, { 0x0531, 0x0556, 1, 0x0561 },
        { 0x1e00, 0x1e94, 2, 0x1e01 }, { 0x1ea0, 0x1efe, 2, 0x1ea1 }, { 0xff21, 0xff3a, 1, 0xff41 },
};
/* clang-format on */

uint32_t letter_lower(uint32_t codepoint) {
        for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
                const struct case_range *r = &ranges[i];
                if (codepoint >= r->first && codepoint <= r->last && (codepoint - r->first) % r->step == 0)
                        return r->lower + (codepoint - r->first);
        }
        return codepoint;
}

uint32_t letter_upper(uint32_t codepoint) {
        for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
                const struct case_range *r = &ranges[i];
                uint32_t last = r->lower + (r->last - r->first);
                if (codepoint >= r->lower && codepoint <= last && (codepoint - r->lower) % r->step == 0)
                        return r->first + (codepoint - r->lower);
        }
        return codepoint;
}

static void add_letter(struct builder *b, struct tainted m, size_t at, struct unicode_char c, bool upper) {
        bool outside = m.marks ? m.marks[at] : m.outside;
        if (c.codepoint == UNICODE_INVALID)
                builder_add(b, tainted_slice(m, at, at + c.length));
        else if (upper && c.codepoint == 0xdf) /* sharp s has no capital that is in use */
                builder_add(b, (struct tainted){ .bytes = "SS", .length = 2, .outside = outside });
        else
                builder_char(b, upper ? letter_upper(c.codepoint) : letter_lower(c.codepoint), outside);
}

struct tainted letter_convert(struct jinja_job *job, struct tainted m, enum letter_case how) {
        struct builder b = { .job = job };
        bool inside_word = false;
        jinja_spend_chars(job, m.length);
        for (size_t at = 0, step; at < m.length; at += step) {
                struct unicode_char c = unicode_char_at(m.bytes + at, m.length - at);
                step = c.length;
                bool begins = how == CASE_CAPITAL ? at == 0 : (how == CASE_TITLE || how == CASE_HEADING) && !inside_word;
                add_letter(&b, m, at, c, how == CASE_UPPER || begins);
                bool parts = c.kind == UNICODE_SPACE || (c.length == 1 && strchr("-({[<", m.bytes[at]));
                inside_word = how == CASE_HEADING ? !parts : c.kind == UNICODE_LETTER;
        }
        return builder_text(&b);
}
