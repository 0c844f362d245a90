/* kind.c - see kind.h. What a file says of itself counts first, then what its tensors are called, then that it has none. */
#include "engine/model/kind.h"

#include <stdbool.h>
#include <string.h>

#include "engine/gguf/gguf.h"

#define PROJECTOR  "a projector of images or sound, a part for another model"
#define ADAPTER    "an adapter (LoRA) for another model"
#define IMPORTANCE "an importance matrix, for quantizing a model"
#define VOCABULARY "a vocabulary without weights"
#define CONTROL    "a control vector for another model"

static const struct word {
        const char *key, *value, *kind;
} words[] = {
        { "general.type", "mmproj", PROJECTOR },
        { "general.type", "projector", PROJECTOR },
        { "general.type", "clip-vision", PROJECTOR },
        { "general.type", "adapter", ADAPTER },
        { "general.type", "imatrix", IMPORTANCE },
        { "general.type", "vocab", VOCABULARY },
        { "general.type", "controlvector", CONTROL },
        { "general.architecture", "clip", PROJECTOR },
        { "general.architecture", "mmproj", PROJECTOR },
        { "general.architecture", "imatrix", IMPORTANCE },
        { "general.architecture", "controlvector", CONTROL },
};

/* Every tensor of such a file is called so; one is enough, since no model has it. */
static const struct ending {
        const char *text, *kind;
} endings[] = {
        { ".lora_a", ADAPTER },
        { ".lora_b", ADAPTER },
        { ".in_sum2", IMPORTANCE },
};

static bool ends_with(struct gguf_string s, const char *text) {
        size_t length = strlen(text);
        return s.length >= length && !memcmp(s.bytes + s.length - length, text, length);
}

static const char *kind_by_words(const struct gguf *g) {
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
                struct gguf_string value;
                if (gguf_get_string(g, words[i].key, &value) == 0 && gguf_string_equals(value, words[i].value))
                        return words[i].kind;
        }
        return NULL;
}

static const char *kind_by_tensors(const struct gguf *g) {
        for (size_t i = 0; i < gguf_tensors_count(g); i++)
                for (size_t e = 0; e < sizeof(endings) / sizeof(endings[0]); e++)
                        if (ends_with(gguf_tensor_at(g, i)->name, endings[e].text))
                                return endings[e].kind;
        if (gguf_tensors_count(g) > 0)
                return NULL;
        return gguf_find(g, "tokenizer.ggml.tokens") ? VOCABULARY : "metadata without weights";
}

const char *model_kind_else(const struct gguf *g) {
        const char *kind = kind_by_words(g);
        return kind ? kind : kind_by_tensors(g);
}
