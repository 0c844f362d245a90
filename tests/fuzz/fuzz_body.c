/*
 * fuzz_body.c - libFuzzer's door to the one pass over a body (daemon/api/body_facts.h): what it takes the engine's reader must take as
 * well, or a client could end an engine, and both must find the same. `make fuzz` builds and runs it.
 */
#include <stdint.h>

#include "tests/body_facts_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *text = malloc(size + 1); /* of just this size, so that a step too far is seen */

        if (!text)
                abort();
        memcpy(text, data, size);
        text[size] = 0;
        (void) body_facts_check(text, size);
        free(text);
        return 0;
}
