/*
 * tokenizer.c - see tokenizer.h. Cuts a text at its special tokens; what lies between goes to the family.
 */
#include "engine/tokenizer/tokenizer.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/base/printable.h"
#include "engine/tokenizer/bounds.h"
#include "engine/tokenizer/bpe.h"
#include "engine/tokenizer/special.h"
#include "engine/tokenizer/spm.h"
#include "engine/tokenizer/ugm.h"
#include "engine/tokenizer/vocab.h"
#include "engine/tokenizer/wpm.h"

enum family { FAMILY_SPM, FAMILY_BPE, FAMILY_WPM, FAMILY_UGM };

struct tokenizer {
        enum family family;
        struct vocab vocab;
        struct special special;
        struct sentencepiece sentencepiece; /* FAMILY_SPM and FAMILY_UGM; of the others, the one of FAMILY is in use */
        struct ugm ugm;
        struct bpe bpe;
        struct wpm wpm;
        bool adds_bos, adds_eos, adds_separator;
        bool separates_pairs; /* with the separator, besides what ends the first */
        bool drops_text;      /* some text becomes no token, or any length of it one */
};

/* ---- opening ---- */

struct family_name {
        const char *model; /* tokenizer.ggml.model */
        enum family family;
        enum vocab_defaults defaults;
        const char *usual_pre; /* FAMILY_BPE */
};

static const struct family_name family_names[] = {
        { "llama", FAMILY_SPM, VOCAB_SENTENCEPIECE_DEFAULTS, NULL }, { "gpt2", FAMILY_BPE, VOCAB_NO_DEFAULTS, "default" },
        { "gemma4", FAMILY_BPE, VOCAB_NO_DEFAULTS, "gemma4" },       { "bert", FAMILY_WPM, VOCAB_WORDPIECE_DEFAULTS, NULL },
        { "t5", FAMILY_UGM, VOCAB_UNIGRAM_DEFAULTS, NULL },
};

static int choose_family(const struct gguf *g, const struct family_name **ret, struct gguf_error *reterr) {
        struct gguf_string model;
        int r = gguf_get_string(g, "tokenizer.ggml.model", &model);
        if (r < 0)
                return vocab_fail(reterr, -EBADMSG,
                                  r == -ENOENT ? "the file has no tokenizer: key 'tokenizer.ggml.model' is missing"
                                               : "key 'tokenizer.ggml.model' is not a string");
        for (size_t i = 0; i < sizeof(family_names) / sizeof(family_names[0]); i++)
                if (gguf_string_equals(model, family_names[i].model)) {
                        *ret = &family_names[i];
                        return 0;
                }
        char shown[48];
        return vocab_fail(reterr, -ENOTSUP, "the tokenizer '%s' is not supported (known: llama, gpt2, gemma4, bert, t5)",
                          printable_copy(shown, sizeof(shown), model.bytes, model.length));
}

static bool is_sentencepiece(const struct tokenizer *t) {
        return t->family == FAMILY_SPM || t->family == FAMILY_UGM;
}

static int open_family(struct tokenizer *t, const struct gguf *g, const struct family_name *name, struct gguf_error *reterr) {
        int r = vocab_init(&t->vocab, g, name->defaults, reterr);
        t->family = name->family;
        t->adds_bos = t->family == FAMILY_SPM || t->family == FAMILY_WPM;
        t->adds_separator = t->family == FAMILY_WPM;
        t->adds_eos = t->family == FAMILY_UGM;
        if (r == 0 && t->family == FAMILY_WPM)
                return wpm_init(&t->wpm, g, &t->vocab, reterr);
        if (r == 0 && t->family == FAMILY_BPE) {
                r = bpe_init(&t->bpe, g, &t->vocab, name->usual_pre, reterr);
                t->adds_bos = r == 0 && t->bpe.pre->adds_bos;
                return r;
        }
        if (r == 0)
                r = sentencepiece_init(&t->sentencepiece, g, &t->vocab, reterr);
        if (r == 0 && t->family == FAMILY_UGM)
                r = ugm_init(&t->ugm, &t->sentencepiece, reterr);
        return r;
}

static int read_additions(struct tokenizer *t, const struct gguf *g, struct gguf_error *reterr) {
        int r = vocab_read_flag(g, "tokenizer.ggml.add_bos_token", &t->adds_bos, reterr);
        if (r == 0)
                r = vocab_read_flag(g, "tokenizer.ggml.add_eos_token", &t->adds_eos, reterr);
        if (r == 0 && t->family == FAMILY_WPM) /* elsewhere it is about pairs of texts */
                r = vocab_read_flag(g, "tokenizer.ggml.add_sep_token", &t->adds_separator, reterr);
        t->separates_pairs = t->family == FAMILY_UGM;
        if (r == 0 && t->family != FAMILY_WPM)
                r = vocab_read_flag(g, "tokenizer.ggml.add_sep_token", &t->separates_pairs, reterr);
        t->adds_bos = t->adds_bos && t->vocab.bos != TOKEN_NONE;
        t->adds_eos = t->adds_eos && t->vocab.eos != TOKEN_NONE && t->family != FAMILY_WPM;
        t->adds_separator = t->adds_separator && t->vocab.separator != TOKEN_NONE;
        return r;
}

/* ---- tokens that take the white space beside them ---- */

static bool is_called_phi3(const struct gguf *g) {
        struct gguf_string name;
        if (gguf_get_string(g, "general.name", &name) < 0)
                return false;
        for (size_t at = 0; at + 4 <= name.length; at++)
                if (!strncasecmp(name.bytes + at, "phi3", 4) ||
                    (at + 5 <= name.length && !strncasecmp(name.bytes + at, "phi-3", 5)))
                        return true;
        return false;
}

/* Added tokens of Phi-3 take what follows, but for three. No key of a file says so: other programs go by the name, too. */
static void mark_phi3(struct vocab *v) {
        static const char *const others[] = { "<unk>", "<s>", "<|endoftext|>" };
        for (uint32_t id = 0; id < v->count; id++) {
                enum token_class class = vocab_class(v, (int32_t) id);
                bool takes = class == TOKEN_CONTROL || class == TOKEN_USER_DEFINED || class == TOKEN_UNKNOWN;
                for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
                        takes = takes && !gguf_string_equals(v->tokens[id], others[i]);
                if (takes)
                        v->marks[id] |= MARK_TAKES_RIGHT;
        }
}

static void mark_mask(struct vocab *v, const char *mask) {
        for (uint32_t id = 0; id < v->count; id++)
                if (gguf_string_equals(v->tokens[id], mask))
                        v->marks[id] |= MARK_TAKES_LEFT;
}

/* Returns whether there are any. */
static bool mark_takers(struct tokenizer *t, const struct gguf *g) {
        bool masks = t->family == FAMILY_BPE && t->bpe.pre->mask, phi3 = is_called_phi3(g);
        if (masks)
                mark_mask(&t->vocab, t->bpe.pre->mask);
        if (phi3)
                mark_phi3(&t->vocab);
        return masks || phi3;
}

static bool family_drops_text(const struct tokenizer *t) {
        if (is_sentencepiece(t))
                return sentencepiece_drops_text(&t->sentencepiece);
        return t->family == FAMILY_WPM || (t->family == FAMILY_BPE && t->bpe.pre->plain);
}

static int tokenizer_read(struct tokenizer *t, const struct gguf *g, struct gguf_error *reterr) {
        const struct family_name *name = NULL;
        int r = choose_family(g, &name, reterr);
        if (r == 0)
                r = open_family(t, g, name, reterr);
        if (r == 0)
                r = read_additions(t, g, reterr);
        if (r < 0)
                return r;
        t->drops_text = mark_takers(t, g) || family_drops_text(t);
        return special_init(&t->special, &t->vocab, !is_sentencepiece(t)) < 0
                       ? vocab_fail(reterr, -ENOMEM, "no memory for %" PRIu32 " tokens", t->vocab.count)
                       : 0;
}

int tokenizer_new(const struct gguf *g, struct tokenizer **ret, struct gguf_error *reterr) {
        struct tokenizer *t = calloc(1, sizeof(*t));
        if (!t)
                return vocab_fail(reterr, -ENOMEM, "no memory for a tokenizer");
        int r = tokenizer_read(t, g, reterr);
        if (r < 0) {
                tokenizer_free(t);
                return r;
        }
        *ret = t;
        return 0;
}

void tokenizer_free(struct tokenizer *t) {
        if (!t)
                return;
        special_done(&t->special);
        bpe_done(&t->bpe);
        wpm_done(&t->wpm);
        ugm_done(&t->ugm);
        sentencepiece_done(&t->sentencepiece);
        vocab_done(&t->vocab);
        free(t);
}

/* ---- lists ---- */

void token_list_done(struct token_list *list) {
        free(list->ids);
        *list = (struct token_list){ 0 };
}

int token_list_push(struct token_list *list, int32_t id) {
        if (list->count == list->capacity) {
                size_t capacity = list->capacity ? list->capacity * 2 : 64;
                int32_t *grown = realloc(list->ids, capacity * sizeof(*grown));
                if (!grown)
                        return -ENOMEM;
                list->ids = grown;
                list->capacity = capacity;
        }
        list->ids[list->count++] = id;
        return 0;
}

/* ---- text to tokens ---- */

struct encoder {
        const struct tokenizer *t;
        const char *text;
        size_t raw_start, at; /* text in between is read, but not yet encoded */
        struct merger merger;
        struct token_list *list;
};

static int encode_raw(struct encoder *e, size_t end) {
        const struct tokenizer *t = e->t;
        const char *raw = e->text + e->raw_start;
        size_t length = end - e->raw_start;
        int r = 0;
        if (length == 0)
                return 0;
        switch (t->family) {
        case FAMILY_SPM: r = spm_encode(&t->sentencepiece, &e->merger, raw, length, e->list); break;
        case FAMILY_BPE: r = bpe_encode(&t->bpe, &e->merger, raw, length, e->list); break;
        case FAMILY_WPM: r = wpm_encode(&t->wpm, &e->merger, raw, length, e->list); break;
        case FAMILY_UGM: r = ugm_encode(&t->ugm, &e->merger, raw, length, e->list); break;
        }
        e->raw_start = e->at;
        return r;
}

static bool is_white(char c) {
        return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The token at AT, of LENGTH bytes, in a text that goes on to TEXT_END. */
static int encode_special(struct encoder *e, int32_t id, size_t length, size_t text_end) {
        uint8_t marks = e->t->vocab.marks[id];
        size_t raw_end = e->at;
        while (marks & MARK_TAKES_LEFT && raw_end > e->raw_start && is_white(e->text[raw_end - 1]))
                raw_end--;
        int r = encode_raw(e, raw_end);
        if (r == 0)
                r = token_list_push(e->list, id);
        e->at += length;
        while (marks & MARK_TAKES_RIGHT && length > 0 && e->at < text_end && is_white(e->text[e->at]))
                e->at++;
        e->raw_start = e->at;
        return r;
}

/* Reads up to SPAN_END. A token that needs no leave may reach beyond, up to TEXT_END. */
static int encode_span(struct encoder *e, size_t span_end, size_t text_end, bool markup) {
        int r = 0;
        while (e->at < span_end && r == 0) {
                size_t length = 0;
                int32_t id =
                        special_at(&e->t->special, e->text + e->at, text_end - e->at, markup ? span_end - e->at : 0, &length);
                if (id == TOKEN_NONE)
                        e->at++;
                else
                        r = encode_special(e, id, length, text_end);
        }
        return r;
}

/* The place where the text that begins with span FIRST is interrupted by a token, or ends. */
static size_t stretch_end(const struct token_span spans[], size_t spans_count, size_t first, size_t *ret_length) {
        size_t length = 0, i = first;
        for (; i < spans_count && spans[i].token == TOKEN_NONE; i++)
                length += spans[i].length;
        *ret_length = length;
        return i;
}

int tokenizer_encode_spans(const struct tokenizer *t, const char *text, const struct token_span spans[], size_t spans_count,
                           struct token_list *list) {
        struct encoder e = { .t = t, .text = text, .list = list };
        size_t start = 0, text_end = 0, stretch = 0;
        int r = 0;
        for (size_t i = 0; i < spans_count && r == 0; i++) {
                if (spans[i].token != TOKEN_NONE) {
                        r = encode_special(&e, spans[i].token, 0, text_end);
                        stretch = i + 1;
                        continue;
                }
                if (i == stretch) {
                        size_t length;
                        stretch = stretch_end(spans, spans_count, i, &length);
                        text_end = start + length;
                        if (length > TOKENIZER_TEXT_BYTES_MAX)
                                r = -E2BIG;
                }
                start += spans[i].length;
                if (r == 0)
                        r = encode_span(&e, start, text_end, spans[i].markup);
        }
        if (r == 0)
                r = encode_raw(&e, e.at);
        merger_done(&e.merger);
        return r;
}

int tokenizer_encode(const struct tokenizer *t, const char *text, size_t length, bool add_special, bool parse_special,
                     struct token_list *list) {
        struct token_span whole = { .length = length, .token = TOKEN_NONE, .markup = parse_special };
        int r = add_special && t->adds_bos ? token_list_push(list, t->vocab.bos) : 0;
        if (r == 0)
                r = tokenizer_encode_spans(t, text, &whole, 1, list);
        if (r == 0 && add_special && t->adds_eos)
                r = token_list_push(list, t->vocab.eos);
        if (r == 0 && add_special && t->adds_separator)
                r = token_list_push(list, t->vocab.separator);
        return r;
}

static int push_if(struct token_list *list, bool wanted, int32_t id) {
        return wanted && id != TOKEN_NONE ? token_list_push(list, id) : 0;
}

int tokenizer_encode_pair(const struct tokenizer *t, struct token_text first, struct token_text second, struct token_list *list,
                          size_t *ret_second_at) {
        bool separates = t->family == FAMILY_WPM || t->separates_pairs;
        int r = push_if(list, t->adds_bos, t->vocab.bos);
        if (r == 0)
                r = tokenizer_encode(t, first.bytes, first.length, false, false, list);
        if (r == 0)
                r = push_if(list, t->adds_eos, t->vocab.eos);
        if (r == 0)
                r = push_if(list, separates, t->vocab.separator);
        *ret_second_at = list->count;
        if (r == 0)
                r = tokenizer_encode(t, second.bytes, second.length, false, false, list);
        if (r == 0)
                r = push_if(list, t->adds_eos, t->vocab.eos);
        return r < 0 ? r : push_if(list, t->family == FAMILY_WPM, t->vocab.separator);
}

/* ---- tokens to text ---- */

static bool is_token(const struct tokenizer *t, int32_t id) {
        return id >= 0 && (uint32_t) id < t->vocab.count;
}

size_t tokenizer_piece(const struct tokenizer *t, int32_t id, bool special, bool first, char *out, size_t size) {
        struct piece piece = { .out = out, .size = size };
        if (!is_token(t, id))
                return 0;
        enum token_class class = vocab_class(&t->vocab, id);
        if (class == TOKEN_CONTROL || class == TOKEN_UNKNOWN) {
                struct gguf_string text = t->vocab.tokens[id];
                for (size_t i = 0; special && i < text.length; i++)
                        piece_put(&piece, text.bytes[i]);
        } else if (is_sentencepiece(t)) {
                sentencepiece_piece(&t->sentencepiece, id, first, &piece);
        } else if (t->family == FAMILY_WPM) {
                wpm_piece(&t->wpm, id, &piece);
        } else {
                bpe_piece(&t->bpe, id, &piece);
        }
        return piece.count;
}

/* Whether what follows still begins the text, to which a token has added COUNT bytes (WHOLE at another place). */
static bool still_first(const struct tokenizer *t, size_t whole, size_t count) {
        return is_sentencepiece(t) && t->sentencepiece.joins_spaces ? count == 0 : whole == 0;
}

int tokenizer_decode(const struct tokenizer *t, const int32_t ids[], size_t count, bool special, char **ret, size_t *ret_length) {
        size_t length = 0, used = 0;
        for (size_t i = 0; i < count; i++)
                length += tokenizer_piece(t, ids[i], special, false, NULL, 0);
        char *text = malloc(length + 1);
        if (!text)
                return -ENOMEM;
        bool first = true;
        for (size_t i = 0; i < count; i++) {
                size_t whole = first ? tokenizer_piece(t, ids[i], special, false, NULL, 0) : 0;
                size_t added = tokenizer_piece(t, ids[i], special, first, text + used, length - used);
                first = first && still_first(t, whole, added);
                used += added;
        }
        if (t->family == FAMILY_WPM)
                used = wpm_clean(text, used);
        text[used] = '\0';
        *ret = text;
        *ret_length = used;
        return 0;
}

/* ---- facts ---- */

uint32_t tokenizer_vocab_count(const struct tokenizer *t) {
        return t->vocab.count;
}

size_t tokenizer_longest(const struct tokenizer *t) {
        if (t->drops_text)
                return TOKENIZER_TEXT_BYTES_MAX;
        return t->vocab.longest > 4 ? t->vocab.longest : 4; /* an unknown token stands for a character */
}

bool tokenizer_adds_bos(const struct tokenizer *t) {
        return t->adds_bos;
}

bool tokenizer_is_end(const struct tokenizer *t, int32_t id) {
        return is_token(t, id) && (t->vocab.marks[id] & MARK_END);
}

bool tokenizer_is_special(const struct tokenizer *t, int32_t id) {
        return !is_token(t, id) || (t->vocab.marks[id] & (MARK_END | MARK_GUARDED));
}

int32_t tokenizer_bos(const struct tokenizer *t) {
        return t->vocab.bos;
}

int32_t tokenizer_eos(const struct tokenizer *t) {
        return t->vocab.eos;
}
