/* infill_tokens.c - see infill_tokens.h. */
#include "engine/model/infill_tokens.h"

#include <stddef.h>

#include "engine/tokenizer/tokenizer.h"

#define NAMES_MAX 8u

/* Keys and texts; a key that is there counts, whatever the texts say. */
static const struct {
        const char *keys[2];
        const char *texts[NAMES_MAX]; /* up to a NULL */
} known[INFILL_TOKENS] = {
        [INFILL_PREFIX] = { { "tokenizer.ggml.fim_pre_token_id", "tokenizer.ggml.prefix_token_id" },
                            { "<|fim_prefix|>", "<fim_prefix>", "<fim-prefix>", "<｜fim▁begin｜>", "<PRE>", "▁<PRE>",
                              "<|code_prefix|>" } },
        [INFILL_SUFFIX] = { { "tokenizer.ggml.fim_suf_token_id", "tokenizer.ggml.suffix_token_id" },
                            { "<|fim_suffix|>", "<fim_suffix>", "<fim-suffix>", "<｜fim▁hole｜>", "<SUF>", "▁<SUF>",
                              "<|code_suffix|>" } },
        [INFILL_MIDDLE] = { { "tokenizer.ggml.fim_mid_token_id", "tokenizer.ggml.middle_token_id" },
                            { "<|fim_middle|>", "<fim_middle>", "<fim-middle>", "<｜fim▁end｜>", "<MID>", "▁<MID>",
                              "<|code_middle|>" } },
        [INFILL_REPOSITORY] = { { "tokenizer.ggml.fim_rep_token_id", NULL },
                                { "<|fim_repo|>", "<|repo_name|>", "<reponame>", "<fim-repo>", "<REPO>" } },
        [INFILL_FILE] = { { "tokenizer.ggml.fim_sep_token_id", NULL }, { "<|file_sep|>", "<file_sep>", "<filename>" } },
        [INFILL_PAD] = { { "tokenizer.ggml.fim_pad_token_id", NULL }, { "<|fim_pad|>", "<fim_pad>", "<fim-pad>", "<PAD>" } },
};

static int32_t named_by_key(const struct gguf *g, enum infill_token which, uint64_t count) {
        for (size_t i = 0; i < 2 && known[which].keys[i]; i++) {
                uint32_t id;
                if (gguf_get_u32(g, known[which].keys[i], &id) == 0 && id < count)
                        return (int32_t) id;
        }
        return TOKEN_NONE;
}

/* A text begins with one of two characters, so that most tokens are told apart by a byte. */
static void note_text(struct infill_tokens *t, struct gguf_string token, int32_t id) {
        if (token.length < 5 || (token.bytes[0] != '<' && token.bytes[0] != '\xe2'))
                return;
        for (size_t which = 0; which < INFILL_TOKENS; which++)
                for (size_t i = 0; i < NAMES_MAX && known[which].texts[i] && t->ids[which] == TOKEN_NONE; i++)
                        if (gguf_string_equals(token, known[which].texts[i]))
                                t->ids[which] = id;
}

void infill_tokens_find(const struct gguf *g, struct infill_tokens *ret) {
        const struct gguf_array *tokens;
        bool has_tokens = gguf_get_array(g, "tokenizer.ggml.tokens", GGUF_STRING, &tokens) == 0 && tokens->count <= INT32_MAX;
        for (size_t which = 0; which < INFILL_TOKENS; which++)
                ret->ids[which] = has_tokens ? named_by_key(g, (enum infill_token) which, tokens->count) : TOKEN_NONE;
        for (uint64_t id = 0; has_tokens && id < tokens->count; id++)
                note_text(ret, tokens->strings[id], (int32_t) id);
}

bool infill_tokens_are_there(const struct infill_tokens *t) {
        return t->ids[INFILL_PREFIX] != TOKEN_NONE && t->ids[INFILL_SUFFIX] != TOKEN_NONE && t->ids[INFILL_MIDDLE] != TOKEN_NONE;
}

bool infill_tokens_end(const struct infill_tokens *t, int32_t id) {
        return id == t->ids[INFILL_REPOSITORY] || id == t->ids[INFILL_FILE] || id == t->ids[INFILL_PAD];
}
