/*
 * tokenizer.h - text to token ids and back, as the GGUF metadata describes it.
 *
 * One vtable-free object; the family (`llama` = SentencePiece, pairs merged by score, `t5` = SentencePiece, the greatest
 * sum of scores, `gpt2` and `gemma4` = BPE, pairs merged by rank, `bert` = WordPiece, the longest piece first) is chosen
 * at creation. Control tokens are recognised in text only where the caller allows it, so that a user's text cannot forge
 * a turn. User-defined tokens are ordinary text that the vocabulary keeps whole: they are recognised everywhere, except
 * those that end or frame a turn (</s>, <|...|>), which are treated as control tokens whatever the file calls them.
 *
 * Encoding takes time n log n in the length of the text, whatever the text; a tokenizer may be used by several
 * threads at once.
 */
#ifndef HEADROOM_ENGINE_TOKENIZER_TOKENIZER_H
#define HEADROOM_ENGINE_TOKENIZER_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/gguf/gguf.h"

#define TOKEN_NONE (-1)

struct tokenizer;

/* The gguf must outlive the tokenizer. 0, or -EBADMSG / -ENOTSUP / -ENOMEM and one sentence. */
int tokenizer_new(const struct gguf *g, struct tokenizer **ret, struct gguf_error *reterr);
void tokenizer_free(struct tokenizer *t);

struct token_list { /* grows; caller's storage, start with all zero, release with token_list_done */
        int32_t *ids;
        size_t count, capacity;
};
void token_list_done(struct token_list *list);
int token_list_push(struct token_list *list, int32_t id); /* 0 or -ENOMEM */

/*
 * Appends the tokens of TEXT (any bytes; invalid UTF-8 is carried by byte tokens, and dropped by WordPiece).
 * ADD_SPECIAL: begin/end tokens as the file asks (WordPiece: [CLS] and [SEP]). PARSE_SPECIAL: special tokens written out in TEXT become their ids.
 * 0, -ENOMEM, or -E2BIG for more than 256 MiB.
 */
int tokenizer_encode(const struct tokenizer *t, const char *text, size_t length, bool add_special, bool parse_special,
                     struct token_list *list);

/*
 * Two texts to be compared, with what begins, ends and separates them as the file asks: [CLS] a [SEP] b [SEP], or <s> a </s></s> b </s>.
 * *ret_second_at: the tokens before the second.
 */
struct token_text {
        const char *bytes;
        size_t length;
};
int tokenizer_encode_pair(const struct tokenizer *t, struct token_text first, struct token_text second, struct token_list *list,
                          size_t *ret_second_at);

/*
 * A text whose parts differ in what they may contain: the tokens are those of the whole text, merged across the borders
 * of its spans, but control tokens are recognised only inside of markup. Adds no begin or end of its own.
 */
struct token_span {
        size_t length; /* bytes; the spans follow each other and cover the text */
        int32_t token; /* TOKEN_NONE, or this token stands here (length 0) */
        bool markup;   /* special tokens written out in it become their ids */
};
int tokenizer_encode_spans(const struct tokenizer *t, const char *text, const struct token_span spans[], size_t spans_count,
                           struct token_list *list);

/*
 * The bytes of token ID, at most SIZE of them copied to OUT; returns their full count.
 * Control tokens give nothing unless SPECIAL. FIRST: ID begins a text (SentencePiece drops the space it added there).
 */
size_t tokenizer_piece(const struct tokenizer *t, int32_t id, bool special, bool first, char *out, size_t size);

/*
 * The whole text of COUNT tokens, for the caller to free: their pieces in a row, less the spaces that WordPiece leaves
 * before punctuation. Text comes back byte by byte from any other family, as far as the file's own rules of SentencePiece
 * left it as it was; *ret has a 0 behind it.
 * 0 or -ENOMEM. Ids that are none give nothing.
 */
int tokenizer_decode(const struct tokenizer *t, const int32_t ids[], size_t count, bool special, char **ret, size_t *ret_length);

uint32_t tokenizer_vocab_count(const struct tokenizer *t);
/* Bytes of text that one token can stand for at most: a text of more than N times this has more than N tokens. Where text
 * may be dropped, that is as much as any text. */
size_t tokenizer_longest(const struct tokenizer *t);
bool tokenizer_adds_bos(const struct tokenizer *t);           /* with ADD_SPECIAL */
bool tokenizer_is_end(const struct tokenizer *t, int32_t id); /* end of sequence, of turn, or of message */
/* No ordinary text: control tokens, those that frame turns, unknown ones, and ends. */
bool tokenizer_is_special(const struct tokenizer *t, int32_t id);
int32_t tokenizer_bos(const struct tokenizer *t); /* or TOKEN_NONE */
int32_t tokenizer_eos(const struct tokenizer *t); /* or TOKEN_NONE */

#endif
