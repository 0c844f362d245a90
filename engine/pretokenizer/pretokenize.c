/*
 * pretokenize.c - see pretokenize.h. Classes first, then rules, stages, and last the table of names.
 *
 * Each list of rules has the regular expression it stands for above it. Where one expression ends in \s+ and another
 * leaves that out, the pieces are the same: what no rule takes is a piece as well.
 */
#include "engine/pretokenizer/pretokenize.h"

#include "engine/unicode/unicode.h"

/* ---- classes ---- */

#define CLASS(name, bits)   static const struct cut_class name = { .properties = (bits) }
#define CLASS_OF(name, ...) static const struct cut_class name = { .ranges = (const struct cut_range[]){ __VA_ARGS__, { 0 } } }
#define CLASS_WITH(name, bits, ...) \
        static const struct cut_class name = { .properties = (bits), .ranges = (const struct cut_range[]){ __VA_ARGS__, { 0 } } }
#define OTHERS(name, bits) static const struct cut_class name = { .properties = (bits), .others = true }
#define OTHERS_WITH(name, bits, ...)                                                                       \
        static const struct cut_class name = { .properties = (bits),                                       \
                                               .ranges = (const struct cut_range[]){ __VA_ARGS__, { 0 } }, \
                                               .others = true }
#define ONE(codepoint) \
        { codepoint, codepoint }
#define LINE_BREAKS ONE('\r'), ONE('\n')
#define RANGE(first, last) \
        { first, last }
#define ASCII_MARKS RANGE('!', '/'), RANGE(':', '@'), RANGE('[', '`'), RANGE('{', '~')

CLASS(letter, UNICODE_L);
CLASS(letter_or_mark, UNICODE_L | UNICODE_M);
CLASS(number, UNICODE_N);
CLASS(white, UNICODE_WHITE);
CLASS(punctuation, UNICODE_P);
CLASS(punctuation_or_symbol, UNICODE_P | UNICODE_S);
CLASS(capital, UNICODE_LU | UNICODE_LT | UNICODE_LM | UNICODE_LO | UNICODE_M);
CLASS(small, UNICODE_LL | UNICODE_LM | UNICODE_LO | UNICODE_M);
OTHERS(text, UNICODE_WHITE);
OTHERS(other, UNICODE_WHITE | UNICODE_L | UNICODE_N);
OTHERS(other_than_marks, UNICODE_WHITE | UNICODE_L | UNICODE_M | UNICODE_N);
OTHERS_WITH(other_in_line, UNICODE_WHITE | UNICODE_L | UNICODE_N, LINE_BREAKS);
OTHERS_WITH(before_letters, UNICODE_L | UNICODE_N, LINE_BREAKS);                      /* [^\r\n\p{L}\p{N}] */
OTHERS_WITH(before_letters_deepseek, UNICODE_L | UNICODE_P | UNICODE_S, LINE_BREAKS); /* [^\r\n\p{L}\p{P}\p{S}] */
CLASS_OF(blank, ONE(' '));
CLASS_OF(line_break, LINE_BREAKS);
CLASS_OF(line_break_or_slash, LINE_BREAKS, ONE('/'));
CLASS_OF(newline, ONE('\n'));
CLASS_OF(tab_or_newline, ONE('\t'), ONE('\n'));
OTHERS_WITH(in_line, 0, ONE('\n'));
CLASS_OF(ascii_digit, { '0', '9' });
CLASS_OF(ascii_letter, { 'A', 'Z' }, { 'a', 'z' });
CLASS_OF(ascii_mark, ASCII_MARKS);
CLASS_OF(a_to_i, { 'A', 'I' });
CLASS_WITH(falcon_mark, UNICODE_P, ONE('$'), ONE('+'), { '<', '>' }, ONE('^'), ONE('~'), ONE('|'), ONE('`'));
CLASS_WITH(default_mark, UNICODE_P, ONE('$'), ONE('+'), { '<', '>' }, ONE('^'), ONE('~'), ONE('|'));
CLASS_WITH(chameleon_mark, UNICODE_P, ASCII_MARKS);
CLASS_WITH(joined_letter, UNICODE_L | UNICODE_M, { 0x200c, 0x200d }); /* joiners */

/* [^(\s|.,!?…。，、।۔،)] : the parentheses and the bar are meant, if not intended. */
OTHERS_WITH(bloom_word, UNICODE_WHITE, ONE('('), ONE('|'), ONE('.'), ONE(','), ONE('!'), ONE('?'), ONE(')'), ONE(0x2026),
            ONE(0x3002), ONE(0xff0c), ONE(0x3001), ONE(0x964), ONE(0x6d4), ONE(0x60c));

/* The script property Han, Unicode 14. */
CLASS_OF(han, { 0x4e00, 0x9fff }, { 0x3400, 0x4dbf }, { 0x2e80, 0x2e99 }, { 0x2e9b, 0x2ef3 }, { 0x2f00, 0x2fd5 }, ONE(0x3005),
         ONE(0x3007), { 0x3021, 0x3029 }, { 0x3038, 0x303b }, { 0xf900, 0xfa6d }, { 0xfa70, 0xfad9 }, { 0x16fe2, 0x16fe3 },
         { 0x16ff0, 0x16ff1 }, { 0x20000, 0x2a6df }, { 0x2a700, 0x2b738 }, { 0x2b740, 0x2b81d }, { 0x2b820, 0x2cea1 },
         { 0x2ceb0, 0x2ebe0 }, { 0x2f800, 0x2fa1d }, { 0x30000, 0x3134a });
static const struct cut_class capital_not_han = { .properties = UNICODE_LU | UNICODE_LT | UNICODE_LM | UNICODE_LO | UNICODE_M,
                                                  .but = &han };
static const struct cut_class small_not_han = { .properties = UNICODE_LL | UNICODE_LM | UNICODE_LO | UNICODE_M, .but = &han };

/* [一-龥ࠀ-一가-퟿], with its odd second range, and [一-龥぀-ゟ゠-ヿ]. */
CLASS_OF(deepseek_cjk, { 0x800, 0x9fa5 }, { 0xac00, 0xd7ff });
CLASS_OF(deepseek_v3_cjk, { 0x4e00, 0x9fa5 }, { 0x3040, 0x30ff });
CLASS_OF(afmoe_asian, { 0x4e00, 0x9fff }, { 0x3400, 0x4dbf }, { 0xf900, 0xfaff }, { 0x3040, 0x30ff }, { 0xff65, 0xff9f },
         { 0x2f00, 0x2fdf }, { 0xe40, 0xeff }, { 0x1780, 0x17ff }, { 0x1000, 0x109f }, { 0xaa60, 0xaa7f }, { 0xa9e0, 0xa9ff },
         { 0xac00, 0xd7af }, { 0x1100, 0x11ff });
CLASS_OF(youtu_korean, { 0xac00, 0xd7a3 }, { 0x3131, 0x318e });
CLASS_OF(youtu_mark, ONE(0xff01), ONE(0x2026), { 0x201c, 0x201d }, { 0x2018, 0x2019 }, ONE(0x2014), { 0xff1a, 0xff1b },
         ONE(0xff0c), { 0x3001, 0x303f }, { 0xfe30, 0xfe4f });
CLASS_OF(youtu_bopomofo, { 0x3105, 0x312f });
CLASS_OF(deepseek_mark, { '!', '/' }, { ':', '~' }, { 0xff01, 0xff0f }, { 0xff1a, 0xff5e }, { 0x2018, 0x201f },
         { 0x3000, 0x3002 });

/* Cased letters as deepseek-llm lists them. */
CLASS_OF(deepseek_letter, { 'A', 'Z' }, { 'a', 'z' }, ONE(0xb5), { 0xc0, 0xd6 }, { 0xd8, 0xf6 }, { 0xf8, 0x1ba },
         { 0x1bc, 0x1bf }, { 0x1c4, 0x293 }, { 0x295, 0x2af }, { 0x370, 0x373 }, { 0x376, 0x377 }, { 0x37b, 0x37d }, ONE(0x37f),
         ONE(0x386), { 0x388, 0x38a }, ONE(0x38c), { 0x38e, 0x3a1 }, { 0x3a3, 0x3f5 }, { 0x3f7, 0x481 }, { 0x48a, 0x52f },
         { 0x531, 0x556 }, { 0x10a0, 0x10c5 }, { 0x13a0, 0x13f5 }, { 0x13f8, 0x13fd }, { 0x1c90, 0x1cba }, { 0x1cbd, 0x1cbf },
         { 0x1d00, 0x1d2b }, { 0x1d6b, 0x1d77 }, { 0x1d79, 0x1d9a }, { 0x1e00, 0x1f15 }, { 0x1f18, 0x1f1d }, { 0x1f20, 0x1f45 },
         { 0x1f48, 0x1f4d }, { 0x1f50, 0x1f57 }, ONE(0x1f59), ONE(0x1f5b), ONE(0x1f5d), { 0x1f5f, 0x1f7d }, { 0x1f80, 0x1fb4 },
         { 0x1fb6, 0x1fbc }, ONE(0x1fbe), { 0x1fc2, 0x1fc4 }, { 0x1fc6, 0x1fcc }, { 0x1fd0, 0x1fd3 }, { 0x1fd6, 0x1fdb },
         { 0x1fe0, 0x1fec }, { 0x1ff2, 0x1ff4 }, { 0x1ff6, 0x1ffc }, ONE(0x2102), ONE(0x2107), { 0x210a, 0x2113 }, ONE(0x2115),
         { 0x2119, 0x211d }, ONE(0x2124), ONE(0x2126), ONE(0x2128), { 0x212a, 0x212d }, { 0x212f, 0x2134 }, ONE(0x2139),
         { 0x213c, 0x213f }, { 0x2145, 0x2149 }, ONE(0x214e), { 0x2183, 0x2184 }, { 0x2c00, 0x2c7b }, { 0x2c7e, 0x2ce4 },
         { 0x2ceb, 0x2cee }, { 0x2cf2, 0x2cf3 }, { 0xa640, 0xa66d }, { 0xa680, 0xa69b }, { 0xa722, 0xa76f }, { 0xa771, 0xa787 },
         { 0xa78b, 0xa78e }, { 0xab70, 0xabbf }, { 0xfb00, 0xfb06 }, { 0xfb13, 0xfb17 }, { 0xff21, 0xff3a }, { 0xff41, 0xff5a },
         { 0x10400, 0x1044f }, { 0x104b0, 0x104d3 }, { 0x104d8, 0x104fb }, { 0x10c80, 0x10cb2 }, { 0x10cc0, 0x10cf2 },
         { 0x118a0, 0x118df }, { 0x1e900, 0x1e943 });

/* ---- steps, rules ---- */

#define EXACTLY(n, class_) \
        { .kind = CUT_CHARS, .class = &class_, .least = n, .most = n }
#define UP_TO(n, class_) \
        { .kind = CUT_CHARS, .class = &class_, .least = 1, .most = n }
#define MAYBE(class_) \
        { .kind = CUT_CHARS, .class = &class_, .least = 0, .most = 1 }
#define SOME(class_) \
        { .kind = CUT_CHARS, .class = &class_, .least = 1, .most = CUT_MANY }
#define ANY(class_) \
        { .kind = CUT_CHARS, .class = &class_, .least = 0, .most = CUT_MANY }
#define TEXT(text_) \
        { .kind = CUT_TEXT, .text = text_ }
#define CONTRACTION \
        { .kind = CUT_CONTRACTION, .least = 1 }
#define CONTRACTION_ANY_CASE \
        { .kind = CUT_CONTRACTION, .least = 1, .any_case = true }
#define MAYBE_CONTRACTION \
        { .kind = CUT_CONTRACTION, .any_case = true }
#define LINES \
        { .kind = CUT_LINES }
#define NOT_BEFORE_TEXT \
        { .kind = CUT_NOT_BEFORE_TEXT }
#define AT_END \
        { .kind = CUT_AT_END }
#define THREES \
        { .kind = CUT_THREES }
#define THREES_OF_A_WORD \
        { .kind = CUT_THREES, .word_ends = true }
#define SPACED_LETTERS \
        { .kind = CUT_SPACED_LETTERS }

#define RULES(name) static const struct cut_rule name[]
#define RULE(...)                        \
        {                                \
                .steps = { __VA_ARGS__ } \
        }

/* \s*[\r\n]+|\s+(?!\S)|\s+ : white space up to its last line break; or all but the last of it, which joins the next word. */
#define WHITE_BY_LINES RULE(LINES), RULE(SOME(white), NOT_BEFORE_TEXT), RULE(SOME(white))
/*  ?[^\s\p{L}\p{N}]+[\r\n]* */
#define OTHERS_AND_LINE_BREAKS RULE(MAYBE(blank), SOME(other), ANY(line_break))

RULES(one_number) = { RULE(EXACTLY(1, number)) };        /* \p{N} */
RULES(three_numbers) = { RULE(UP_TO(3, number)) };       /* \p{N}{1,3} */
RULES(numbers) = { RULE(SOME(number)) };                 /* \p{N}+ */
RULES(three_digits) = { RULE(EXACTLY(3, ascii_digit)) }; /* [0-9][0-9][0-9] */
/* (?=(\d{3})+(?!\d)) ; that one leaves digits and other numbers (1½) in one piece, which no text has in practice. */
RULES(threes) = { RULE(THREES) };
RULES(threes_of_a_word) = { RULE(THREES_OF_A_WORD) };        /* \d{1,3}(?=(?:\d{3})*\b) */
RULES(one_line_break) = { RULE(EXACTLY(1, line_break)) };    /* [\r\n] */
RULES(lines) = { RULE(SOME(in_line)), RULE(SOME(newline)) }; /* [^\n]+|[\n]+ */
RULES(words) = { RULE(SOME(text)) };                         /* \S+ */

/* 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
RULES(gpt2) = {
        RULE(CONTRACTION),
        RULE(MAYBE(blank), SOME(letter)),
        RULE(MAYBE(blank), SOME(number)),
        RULE(MAYBE(blank), SOME(other)),
        RULE(SOME(white), NOT_BEFORE_TEXT),
        RULE(SOME(white)),
};

/* (?i:'s|...)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+ */
RULES(llama3) = {
        RULE(CONTRACTION_ANY_CASE),
        RULE(MAYBE(before_letters), SOME(letter)),
        RULE(UP_TO(3, number)),
        OTHERS_AND_LINE_BREAKS,
        WHITE_BY_LINES,
};

/* As llama3 with \p{N}. */
RULES(qwen2) = {
        RULE(CONTRACTION_ANY_CASE),
        RULE(MAYBE(before_letters), SOME(letter)),
        RULE(EXACTLY(1, number)),
        OTHERS_AND_LINE_BREAKS,
        WHITE_BY_LINES,
};

/* As qwen2 with [\p{L}\p{M}]+ and [^\s\p{L}\p{M}\p{N}]+. */
RULES(qwen35) = {
        RULE(CONTRACTION_ANY_CASE),
        RULE(MAYBE(before_letters), SOME(letter_or_mark)),
        RULE(EXACTLY(1, number)),
        RULE(MAYBE(blank), SOME(other_than_marks), ANY(line_break)),
        WHITE_BY_LINES,
};

/* As llama3 with \p{N}+. */
RULES(minicpm5) = {
        RULE(CONTRACTION_ANY_CASE),
        RULE(MAYBE(before_letters), SOME(letter)),
        RULE(SOME(number)),
        OTHERS_AND_LINE_BREAKS,
        WHITE_BY_LINES,
};

/* As llama3 with (?:\p{L}|\p{M}|ZWNJ|ZWJ)+. */
RULES(k2_horizon) = {
        RULE(CONTRACTION_ANY_CASE),
        RULE(MAYBE(before_letters), SOME(joined_letter)),
        RULE(UP_TO(3, number)),
        OTHERS_AND_LINE_BREAKS,
        WHITE_BY_LINES,
};

/* As llama3; white space in powers of two: ...|\s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|...|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1} */
RULES(jais2) = {
        RULE(CONTRACTION_ANY_CASE),
        RULE(MAYBE(before_letters), SOME(letter)),
        RULE(UP_TO(3, number)),
        OTHERS_AND_LINE_BREAKS,
        RULE(LINES),
        RULE(EXACTLY(512, white), NOT_BEFORE_TEXT),
        RULE(EXACTLY(256, white), NOT_BEFORE_TEXT),
        RULE(EXACTLY(128, white), NOT_BEFORE_TEXT),
        RULE(EXACTLY(64, white), NOT_BEFORE_TEXT),
        RULE(EXACTLY(32, white), NOT_BEFORE_TEXT),
        RULE(EXACTLY(16, white), NOT_BEFORE_TEXT),
        RULE(EXACTLY(8, white), NOT_BEFORE_TEXT),
        RULE(EXACTLY(4, white), NOT_BEFORE_TEXT),
        RULE(UP_TO(2, white), NOT_BEFORE_TEXT),
        RULE(EXACTLY(1, white)),
};

/* '(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+ */
RULES(bailing) = {
        RULE(CONTRACTION_ANY_CASE),
        RULE(MAYBE(before_letters), SOME(letter)),
        RULE(EXACTLY(1, number)),
        OTHERS_AND_LINE_BREAKS,
        WHITE_BY_LINES,
};

/* (?i:'s|...)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+ */
RULES(seed_coder) = {
        RULE(CONTRACTION_ANY_CASE),
        RULE(MAYBE(before_letters), SOME(letter)),
        RULE(EXACTLY(1, number)),
        RULE(MAYBE(blank), SOME(other_in_line)),
        WHITE_BY_LINES,
};

/* (?i:'s|...)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+ */
RULES(exaone_moe) = {
        RULE(CONTRACTION_ANY_CASE),
        RULE(MAYBE(before_letters), SPACED_LETTERS),
        RULE(EXACTLY(1, number)),
        RULE(MAYBE(blank), SOME(other), MAYBE(line_break_or_slash)),
        WHITE_BY_LINES,
};

/*
 * Words that end where a capital begins, U being [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}] and l [\p{Ll}\p{Lm}\p{Lo}\p{M}]:
 * [^\r\n\p{L}\p{N}]?U*l+|[^\r\n\p{L}\p{N}]?U+l*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+
 */
RULES(tekken) = {
        RULE(MAYBE(before_letters), ANY(capital), SOME(small)),
        RULE(MAYBE(before_letters), SOME(capital), ANY(small)),
        RULE(EXACTLY(1, number)),
        RULE(MAYBE(blank), SOME(other), ANY(line_break_or_slash)),
        WHITE_BY_LINES,
};

/* As tekken with (?i:'s|...)? behind both kinds of words, and \p{N}{1,3}. */
RULES(gpt4o) = {
        RULE(MAYBE(before_letters), ANY(capital), SOME(small), MAYBE_CONTRACTION),
        RULE(MAYBE(before_letters), SOME(capital), ANY(small), MAYBE_CONTRACTION),
        RULE(UP_TO(3, number)),
        RULE(MAYBE(blank), SOME(other), ANY(line_break_or_slash)),
        WHITE_BY_LINES,
};

/* As gpt4o with \p{N}. */
RULES(youtu) = {
        RULE(MAYBE(before_letters), ANY(capital), SOME(small), MAYBE_CONTRACTION),
        RULE(MAYBE(before_letters), SOME(capital), ANY(small), MAYBE_CONTRACTION),
        RULE(EXACTLY(1, number)),
        RULE(MAYBE(blank), SOME(other), ANY(line_break_or_slash)),
        WHITE_BY_LINES,
};
RULES(youtu_scripts) = { RULE(SOME(youtu_korean)), RULE(SOME(youtu_mark)), RULE(SOME(youtu_bopomofo)),
                         RULE(SOME(deepseek_v3_cjk)) };

/*
 * [\p{Han}]+, then as gpt4o with U and l without Han ([...&&[^\p{Han}]]), and no slash behind other characters.
 * Source: pat_str in tokenization_kimi.py, published with moonshotai/Kimi-K2-Instruct and the Kimi models after it.
 */
RULES(kimi_k2) = {
        RULE(SOME(han)),
        RULE(MAYBE(before_letters), ANY(capital_not_han), SOME(small_not_han), MAYBE_CONTRACTION),
        RULE(MAYBE(before_letters), SOME(capital_not_han), ANY(small_not_han), MAYBE_CONTRACTION),
        RULE(UP_TO(3, number)),
        OTHERS_AND_LINE_BREAKS,
        WHITE_BY_LINES,
};

RULES(deepseek_letters) = { RULE(MAYBE(white), SOME(deepseek_letter)) }; /* \s?[A-Za-zµÀ-Ö...]+ */
RULES(deepseek_marks) = { RULE(MAYBE(white), SOME(deepseek_mark)) };     /* \s?[!-/:-~！-／：-～‘-‟　-。]+ */
RULES(white_at_end) = { RULE(SOME(white), AT_END) };                     /* \s+$ */
RULES(deepseek_asian) = { RULE(SOME(deepseek_cjk)) };
RULES(spaced_letters) = { RULE(MAYBE(white), SOME(letter)) };          /* \s?\p{L}+ */
RULES(spaced_punctuation) = { RULE(MAYBE(white), SOME(punctuation)) }; /* \s?\p{P}+ */
RULES(deepseek_v3_asian) = { RULE(SOME(deepseek_v3_cjk)) };
RULES(afmoe_scripts) = { RULE(SOME(afmoe_asian)) }; /* see docs/tokenizers.md: its ranges are not confirmed */

/* [!"#...~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+ */
RULES(deepseek_v3) = {
        RULE(EXACTLY(1, ascii_mark), SOME(ascii_letter)),
        RULE(MAYBE(before_letters_deepseek), SOME(letter_or_mark)),
        RULE(MAYBE(blank), SOME(punctuation_or_symbol), ANY(line_break)),
        WHITE_BY_LINES,
};

RULES(falcon_marks) = { RULE(SOME(falcon_mark)) };       /* [\p{P}\$\+<=>\^~\|`]+ */
RULES(default_marks) = { RULE(SOME(default_mark)) };     /* the same without ` */
RULES(bloom) = { RULE(MAYBE(blank), SOME(bloom_word)) }; /*  ?[^(\s|.,!?…。，、।۔،)]+ */

RULES(chameleon_sentinel) = { RULE(TEXT("<sentinel:"), SOME(ascii_digit), TEXT(">")) };
RULES(chameleon_image) = { RULE(TEXT("IMGIMG"), UP_TO(4, a_to_i), TEXT("Z")) };
RULES(chameleon_white) = { RULE(EXACTLY(1, tab_or_newline)), RULE(TEXT("    ")), RULE(TEXT("  ")) };
RULES(chameleon_marks) = { RULE(EXACTLY(1, chameleon_mark)) };

/* ---- stages ---- */

#define STAGE(rules) \
        { rules, sizeof(rules) / sizeof((rules)[0]) }
#define STAGES(name, ...) static const struct cut_stage name[CUT_STAGES_MAX] = { __VA_ARGS__ }

STAGES(as_default, STAGE(default_marks), STAGE(gpt2), STAGE(numbers), STAGE(three_digits));
STAGES(as_gpt2, STAGE(gpt2));
STAGES(as_starcoder, STAGE(one_number), STAGE(gpt2));
STAGES(as_falcon, STAGE(falcon_marks), STAGE(gpt2), STAGE(three_digits));
STAGES(as_llama3, STAGE(llama3));
STAGES(as_jais2, STAGE(jais2));
STAGES(as_qwen2, STAGE(qwen2));
STAGES(as_qwen35, STAGE(qwen35));
STAGES(as_minicpm5, STAGE(three_numbers), STAGE(minicpm5));
STAGES(as_k2_horizon, STAGE(k2_horizon));
STAGES(as_laguna, STAGE(lines), STAGE(qwen2));
STAGES(as_bailing, STAGE(bailing));
STAGES(as_seed_coder, STAGE(seed_coder));
STAGES(as_exaone_moe, STAGE(exaone_moe));
STAGES(as_tekken, STAGE(tekken));
STAGES(as_gpt4o, STAGE(gpt4o));
STAGES(as_tiny_aya, STAGE(threes_of_a_word), STAGE(gpt4o));
STAGES(as_youtu, STAGE(youtu_scripts), STAGE(youtu));
STAGES(as_kimi_k2, STAGE(kimi_k2));
STAGES(as_superbpe, STAGE(numbers), STAGE(threes));
STAGES(as_deepseek_llm, STAGE(one_line_break), STAGE(deepseek_letters), STAGE(deepseek_marks), STAGE(white_at_end),
       STAGE(deepseek_asian), STAGE(numbers));
STAGES(as_deepseek_coder, STAGE(one_line_break), STAGE(spaced_letters), STAGE(spaced_punctuation), STAGE(deepseek_asian),
       STAGE(one_number));
STAGES(as_deepseek_v3, STAGE(three_numbers), STAGE(deepseek_v3_asian), STAGE(deepseek_v3));
STAGES(as_afmoe, STAGE(threes), STAGE(afmoe_scripts), STAGE(deepseek_v3));
STAGES(as_bloom, STAGE(bloom));
STAGES(as_viking, STAGE(bloom), STAGE(one_number));
STAGES(as_chameleon, STAGE(chameleon_sentinel), STAGE(chameleon_image), STAGE(chameleon_white), STAGE(one_number),
       STAGE(chameleon_marks), STAGE(gpt2));
STAGES(as_gemma4, STAGE(lines));
STAGES(as_words, STAGE(words));

/* ---- names ---- */

#define LLAMA3(name_) \
        { .name = name_, .stages = as_llama3, .whole_words_first = true, .adds_bos = true }
#define AS(name_, stages_) \
        { .name = name_, .stages = stages_ }

static const struct pretokenizer pretokenizers[] = {
        AS("default", as_default),
        LLAMA3("llama-bpe"),
        LLAMA3("llama3"),
        LLAMA3("llama-v3"),
        LLAMA3("falcon3"),
        LLAMA3("falcon-h1"),
        LLAMA3("pixtral"),
        LLAMA3("midm-2.0"),
        LLAMA3("lfm2"),
        LLAMA3("jina-v5-nano"),
        AS("dbrx", as_llama3),
        AS("smaug-bpe", as_llama3),
        AS("chatglm-bpe", as_llama3),
        AS("glm4", as_llama3),
        AS("gpt-2", as_gpt2),
        AS("phi-2", as_gpt2),
        AS("mpt", as_gpt2),
        AS("olmo", as_gpt2),
        AS("jais", as_gpt2),
        AS("trillion", as_gpt2),
        AS("granite-docling", as_gpt2),
        AS("gigachat", as_gpt2),
        AS("mellum", as_gpt2),
        AS("modern-bert", as_gpt2),
        AS("a.x-4.0", as_gpt2),
        AS("exaone4", as_gpt2),
        AS("roberta-bpe", as_gpt2),
        AS("jina-es", as_gpt2),
        AS("jina-de", as_gpt2),
        AS("jina-v1-en", as_gpt2),
        { .name = "jina-v2-es", .stages = as_gpt2, .mask = "<mask>" },
        { .name = "jina-v2-de", .stages = as_gpt2, .mask = "<mask>" },
        { .name = "jina-v2-code", .stages = as_gpt2, .mask = "<mask>" },
        { .name = "whitespace", .stages = as_words, .plain = true }, /* jina-v2-zh */
        AS("jais-2", as_jais2),
        AS("starcoder", as_starcoder),
        AS("refact", as_starcoder),
        AS("command-r", as_starcoder),
        AS("smollm", as_starcoder),
        AS("codeshell", as_starcoder),
        AS("exaone", as_starcoder),
        AS("minerva-7b", as_starcoder),
        AS("mellum2", as_starcoder),
        AS("falcon", as_falcon),
        AS("qwen2", as_qwen2),
        AS("deepseek-r1-qwen", as_qwen2),
        AS("kormo", as_qwen2),
        AS("f2llmv2", as_qwen2),
        AS("megrez", as_qwen2),
        AS("stablelm2", as_qwen2),
        AS("hunyuan", as_qwen2),
        AS("solar-open", as_qwen2),
        AS("grok-2", as_qwen2),
        AS("qwen35", as_qwen35),
        { .name = "minicpm5", .stages = as_minicpm5, .whole_words_first = true },
        AS("k2-horizon", as_k2_horizon),
        AS("laguna", as_laguna),
        AS("bailingmoe", as_bailing),
        AS("bailingmoe2", as_bailing),
        AS("llada-moe", as_bailing),
        AS("seed-coder", as_seed_coder),
        AS("exaone-moe", as_exaone_moe),
        { .name = "tekken", .stages = as_tekken, .whole_words_first = true, .adds_bos = true },
        AS("gpt-4o", as_gpt4o),
        AS("llama4", as_gpt4o),
        AS("kanana2", as_gpt4o),
        AS("talkie", as_gpt4o),
        AS("minimax-m2", as_gpt4o),
        { .name = "granite-embed-multi-97m", .stages = as_gpt4o, .whole_words_first = true },
        AS("tiny_aya", as_tiny_aya),
        AS("cohere2moe", as_tiny_aya),
        { .name = "youtu", .stages = as_youtu, .whole_words_first = true },
        AS("kimi-k2", as_kimi_k2),
        AS("superbpe", as_superbpe),
        AS("deepseek-llm", as_deepseek_llm),
        AS("deepseek-coder", as_deepseek_coder),
        AS("deepseek-v3", as_deepseek_v3),
        AS("hunyuan-dense", as_deepseek_v3),
        AS("joyai-llm", as_deepseek_v3),
        AS("afmoe", as_afmoe),
        AS("bloom", as_bloom),
        AS("poro-chat", as_bloom),
        AS("gpt3-finnish", as_bloom),
        AS("viking", as_viking),
        { .name = "chameleon", .stages = as_chameleon, .adds_bos = true },
        { .name = "gemma4", .stages = as_gemma4, .adds_bos = true, .plain = true, .marks_spaces = true },
        { .name = "granite-embed-multi-311m", .stages = as_gemma4, .plain = true, .marks_spaces = true },
        { .name = "sarvam-moe", .stages = as_gemma4, .plain = true, .marks_spaces = true },
};
#define PRETOKENIZERS_COUNT (sizeof(pretokenizers) / sizeof(pretokenizers[0]))

const struct pretokenizer *pretokenizer_find(struct gguf_string name) {
        for (size_t i = 0; i < PRETOKENIZERS_COUNT; i++)
                if (gguf_string_equals(name, pretokenizers[i].name))
                        return &pretokenizers[i];
        return NULL;
}

size_t pretokenizer_stages_count(const struct pretokenizer *p) {
        size_t count = 0;
        while (count < CUT_STAGES_MAX && p->stages[count].count)
                count++;
        return count;
}

const struct pretokenizer *pretokenizer_at(size_t i) {
        return i < PRETOKENIZERS_COUNT ? &pretokenizers[i] : NULL;
}
