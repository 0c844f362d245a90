/* bounds.h - the limits of grammars: whatever a client sends, compiling it and following it cost no more than this. */
#ifndef HEADROOM_ENGINE_GRAMMAR_BOUNDS_H
#define HEADROOM_ENGINE_GRAMMAR_BOUNDS_H

/* Compiling. The largest schemas in public use have some 1,000 properties, which come to about 20,000 nodes. */
#define GRAMMAR_TEXT_BYTES_MAX  (1u << 20) /* of a GBNF text, of a schema's literals, of a pattern */
#define GRAMMAR_RULES_MAX       16384u
#define GRAMMAR_EXPRESSIONS_MAX (1u << 18)
#define GRAMMAR_NODES_MAX       (1u << 17)
#define GRAMMAR_RANGES_MAX      65536u   /* of code points, over all classes */
#define GRAMMAR_REPEAT_MAX      1000000u /* the largest bound of a repetition: it is counted, not written out */
#define GRAMMAR_NESTING_MAX     100u     /* brackets within brackets, in a grammar or a pattern: they are read recursively */
#define GRAMMAR_SWEEPS_MAX      200u     /* over the nodes, until what is worked out about them holds still: 0.1 s at the worst */

/* Schemas. */
#define SCHEMA_DEPTH_MAX      64u /* references and allOf behind each other; how deep oneOf is compared */
#define SCHEMA_TOGETHER_MAX   64u /* schemas that must hold at once, after $ref and allOf */
#define SCHEMA_CHOICES_MAX    16u /* of them, lists of alternatives */
#define SCHEMA_ENUM_MAX       4096u
#define SCHEMA_WORK_MAX       20000000u /* names and values compared, over all: 0.2 s at the worst */
#define SCHEMA_PROPERTIES_MAX 4096u     /* of one object */
#define SCHEMA_PLACES_MAX     4096u     /* of an object whose properties are counted: properties times counts told apart */
#define SCHEMA_POINTER_MAX    200u      /* bytes of the place that an error names */
#define SCHEMA_TEXTS_MAX      16u       /* patterns and formats of one string */
#define SCHEMA_TEXT_RULES_MAX 64u       /* patterns with their lengths that are remembered, so that equal ones cost once */
#define SCHEMA_RELAXED_MAX    16u       /* places that are told: a header names them */
#define SCHEMA_RELAXED_BYTES  1024u     /* of them together */

/* Patterns that look ahead, or hold together with others or with a length: a rule for each state. */
#define REGULAR_SETS_MAX   4096u    /* of characters, in the patterns of one string */
#define REGULAR_RANGES_MAX 4096u    /* of code points that all these tell apart */
#define REGULAR_KINDS_MAX  64u      /* of characters that all these tell apart: a bit each. zod's email has 6, its datetime 12 */
#define REGULAR_TERMS_MAX  65536u   /* 4 MiB, of one string at a time */
#define REGULAR_STATES_MAX 4096u    /* an email of up to 320 characters has 2,600 */
#define REGULAR_WORK_MAX   2000000u /* terms made or found again, of one string: 0.1 s at the worst. That email takes 0.4 million */
#define REGULAR_DEPTH_MAX  1000u    /* terms within terms: they are followed recursively */
#define REGULAR_COPIES_MAX 16u      /* of what is repeated and looks ahead: it is written out */

/* Limits for following a text. States that do not fit are left out: fewer continuations are seen, none that is wrong. */
#define MATCHER_DEPTH_MAX  512u       /* rules within rules; JSON this deep is nobody's */
#define MATCHER_STACKS_MAX 2048u      /* ways to read the text so far: an enumeration may begin in so many */
#define MATCHER_STEPS_MAX  8192u      /* to find what may follow one character */
#define MATCHER_FRAMES_MAX 65536u     /* of stacks, shared: 1 MiB */
#define MATCHER_LISTS_MAX  (1u << 17) /* stacks in all remembered states: 512 KiB */
#define MATCHER_STATES_MAX 2048u      /* remembered, with where each byte leads: 1 MiB */
#define MATCHER_WORK_MAX   4000000u   /* for one mask, in the units of MATCHER_STEPS_MAX: 0.1 s at the worst */
#define GRAMMAR_PIECE_MAX  256u       /* bytes of a token: longer ones are never allowed. Real ones: up to 128 spaces */
#define GRAMMAR_MASKS_MAX  16u        /* masks kept of one answer: 16 KiB each for 128 Ki tokens */

#endif
