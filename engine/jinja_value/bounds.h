/* bounds.h - the limits of a chat template: what it may cost, whatever it says. */
#ifndef HEADROOM_ENGINE_JINJA_VALUE_BOUNDS_H
#define HEADROOM_ENGINE_JINJA_VALUE_BOUNDS_H

/* Published templates: up to 20 KiB of text, some 30 levels of blocks and brackets, a few thousand steps a message. */
#define JINJA_TEXT_BYTES_MAX   (1u << 20)
#define JINJA_PARSED_BYTES_MAX (64u << 20) /* of its tree: some 60 bytes for each byte of text at the very most */
#define JINJA_NESTING_MAX      120u        /* of blocks and brackets in the text: each is a few frames of the C stack */

#define JINJA_RUN_BYTES_MAX    (64u << 20) /* of all values made while rendering: nothing is freed before the end */
#define JINJA_OUTPUT_MAX       (16u << 20) /* four times a prompt of a million tokens */
#define JINJA_STEPS_MAX        10000000u   /* a third of a second */
#define JINJA_DEPTH_MAX        400u        /* of evaluation: nested expressions, blocks and macros together */
#define JINJA_ARGUMENTS_MAX    64u         /* of one call */
#define JINJA_RANGE_MAX        100000u     /* as the sandbox that templates are written for */
#define JINJA_WIDTH_MAX        10000u      /* of padding, indentation, precision */
#define JINJA_BYTES_PER_STEP   64u         /* text that is copied or searched at the price of one step */
#define JINJA_CHARS_PER_STEP   4u          /* text that is gone through character by character */

#endif
