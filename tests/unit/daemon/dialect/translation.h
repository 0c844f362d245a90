/* translation.h - what a translator makes of a body, for tests of dialects that include cmocka first. */
#ifndef HEADROOM_TESTS_UNIT_DAEMON_DIALECT_TRANSLATION_H
#define HEADROOM_TESTS_UNIT_DAEMON_DIALECT_TRANSLATION_H

#include <stdio.h>
#include <string.h>

#include "daemon/translate/translate.h"

struct translation_row {
        const char *what, *source;
        const char *out;   /* NULL: it is refused */
        const char *wrong; /* and told so, in part */
};

static inline void check_translations(translator *translate, const struct translation_row rows[], size_t count) {
        for (size_t i = 0; i < count; i++) {
                struct text out = { 0 };
                struct failure wrong = { 0 };
                struct asked beside = { 0 };
                bool is_right = translate(rows[i].source, strlen(rows[i].source), &out, &beside, &wrong);
                if (is_right != !!rows[i].out || (is_right && strcmp(text_string(&out), rows[i].out)) ||
                    (!is_right && !strstr(wrong.message, rows[i].wrong)))
                        fail_msg("%s: %s%s", rows[i].what, is_right ? text_string(&out) : "refused: ", wrong.message);
                assert_true(is_right || wrong.status == 400);
                assert_true(out.used < TRANSLATION_BYTES(strlen(rows[i].source)));
                text_done(&out);
        }
}

#endif
