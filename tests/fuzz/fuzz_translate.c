/*
 * fuzz_translate.c - libFuzzer's door to the translators of dialects (daemon/translate/translate.h): a byte that chooses one, and a body.
 *
 * A body is translated only where it is a JSON object. What comes out is one too, unless it is refused, and fits the room that is made
 * for it; it may only be deeper than the daemon takes, or have more values, which is looked at there. `make fuzz` builds and runs it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/api/body_facts.h"
#include "daemon/translate/translate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static translator *const translators[] = { translate_anthropic,       translate_responses,    translate_ollama_chat,
                                           translate_ollama_generate, translate_ollama_embed, translate_ollama_embeddings,
                                           translate_ollama_name,     translate_infill };

static void check(const struct text *out, size_t size) {
        struct body_facts facts;

        if (out->failed || out->used >= TRANSLATION_BYTES(size))
                abort();
        body_facts_read(out->bytes, out->used, &facts);
        if (facts.error != JSON_FINE && facts.error != JSON_TOO_DEEP && facts.error != JSON_TOO_MANY)
                abort();
        if (!facts.is_object)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct body_facts facts;
        struct failure wrong = { 0 };
        struct asked asked = { 0 };
        struct text out = { 0 };
        char *source = malloc(size + 1); /* of just the size of the body, so that a step too far is seen */

        if (!source)
                abort();
        memcpy(source, data + (size > 0), size - (size > 0));
        body_facts_read(source, size - (size > 0), &facts);
        if (size > 0 && facts.error == JSON_FINE && facts.is_object) {
                if (translators[data[0] % (sizeof translators / sizeof *translators)](source, size - 1, &out, &asked, &wrong))
                        check(&out, size - 1);
                else if (wrong.status != 400 || !*wrong.message)
                        abort();
        }
        text_done(&out);
        free(source);
        return 0;
}
