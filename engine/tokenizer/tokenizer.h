/*
 * tokenizer.h - text to token ids and back, as the GGUF metadata describes it.
 *
 * One vtable-free object; the family (`llama` = SentencePiece unigram-like merges by score, `gpt2` =
 * byte-level BPE by merge rank) is chosen at creation. Special (control and user-defined) tokens are
 * recognised in text only where the caller allows it, so that a user's text cannot forge a turn.
 */
#ifndef HEADROOM_ENGINE_TOKENIZER_H
#define HEADROOM_ENGINE_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/gguf.h"

#define TOKEN_NONE (-1)

struct tokenizer;

/* The gguf must outlive the tokenizer. 0, or -EBADMSG / -ENOTSUP / -ENOMEM and one sentence. */
int tokenizer_new(const struct gguf *g, struct tokenizer **ret, struct gguf_error *reterr);
void tokenizer_free(struct tokenizer *t);

struct token_list {             /* grows; caller's storage, start with all zero, release with token_list_done */
        int32_t *ids;
        size_t count, capacity;
};
void token_list_done(struct token_list *list);
int token_list_push(struct token_list *list, int32_t id);       /* 0 or -ENOMEM */

/*
 * Appends the tokens of TEXT (any bytes; invalid UTF-8 is carried by byte tokens).
 * ADD_SPECIAL: begin/end tokens as the file asks. PARSE_SPECIAL: special tokens written out in TEXT become their ids.
 */
int tokenizer_encode(const struct tokenizer *t, const char *text, size_t length, bool add_special, bool parse_special,
                     struct token_list *list);

/*
 * The bytes of token ID, at most SIZE of them copied to OUT; returns their full count.
 * Control tokens give nothing unless SPECIAL. FIRST: ID begins a text (SentencePiece drops the space it added there).
 */
size_t tokenizer_piece(const struct tokenizer *t, int32_t id, bool special, bool first, char *out, size_t size);

uint32_t tokenizer_vocab_count(const struct tokenizer *t);
bool tokenizer_is_end(const struct tokenizer *t, int32_t id);    /* end of sequence, of turn, or of message */
int32_t tokenizer_bos(const struct tokenizer *t);               /* or TOKEN_NONE */
int32_t tokenizer_eos(const struct tokenizer *t);               /* or TOKEN_NONE */

/*
 * Bytes to whole UTF-8 characters: feed pieces, take what is complete. A character that the model never
 * finishes comes out as U+FFFD at the end.
 */
struct utf8_stream {
        unsigned char held[4];
        uint8_t held_count;
};
/* Writes whole characters of held + IN to OUT (room for count + 4 bytes... invalid bytes become U+FFFD: 3 * (count + 4)); returns bytes written. */
size_t utf8_stream_push(struct utf8_stream *s, const char *in, size_t count, char *out);
size_t utf8_stream_end(struct utf8_stream *s, char *out);

#endif
