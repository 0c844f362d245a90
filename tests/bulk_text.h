/* bulk_text.h - bodies of requests for tests: an account with room, and a text in it. */
#ifndef HEADROOM_TESTS_BULK_TEXT_H
#define HEADROOM_TESTS_BULK_TEXT_H

#include <assert.h>
#include <string.h>

#include "daemon/state/request_events.h"
#include "daemon/system/bulk.h"

static struct bulk_account bulk_account = { .max = 64 << 20 };

static inline struct bulk *bulk_text(const char *text) {
        struct bulk *b = bulk_new(&bulk_account);

        assert(b && !bulk_add(b, text, strlen(text)));
        return b;
}

static inline struct request_body request_text(const char *json) {
        return (struct request_body){ .json = bulk_text(json), .values = 9 };
}

#endif
