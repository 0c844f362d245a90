/* output_stream.c - see output_stream.h. */
#include "engine/scheduler/output_stream.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES_USUAL 64u

struct token_made {
        size_t from; /* its text begins here, counted as in bytes_made */
        struct token_logprob logprob;
};

int output_stream_init(struct output_stream *a, const struct tokenizer *tokenizer, const struct stop_set *stops,
                       const struct chat_parser_setup *setup, bool chat) {
        *a = (struct output_stream){
                .tokenizer = tokenizer, .stops = stops, .setup = setup, .first = chat && !setup->begun && !setup->continues
        };
        return chat_parser_init(&a->parser, setup);
}

void output_stream_done(struct output_stream *a) {
        stop_stream_done(&a->stream);
        chat_parser_done(&a->parser);
        free(a->made);
        free(a->ready);
        *a = (struct output_stream){ 0 };
}

static int remember_logprob(struct output_stream *a, const struct token_logprob *logprob) {
        if (a->made_count == a->made_capacity) {
                uint32_t capacity = a->made_capacity ? 2 * a->made_capacity : 4;
                struct token_made *made = realloc(a->made, capacity * sizeof(*made));
                if (!made)
                        return -ENOMEM;
                a->made = made;
                struct token_logprob *ready = realloc(a->ready, capacity * sizeof(*ready));
                if (!ready)
                        return -ENOMEM;
                a->ready = ready;
                a->made_capacity = capacity;
        }
        a->made[a->made_count++] = (struct token_made){ a->bytes_made, *logprob };
        return 0;
}

/* The text of the last piece is still at the front of the stream: its reader is done with it now. */
static void forget_handed(struct output_stream *a) {
        if (a->handed)
                stop_stream_take(&a->stream);
        a->handed = false;
}

/* A text holds no NUL: it says nothing, and no string that comes after could carry it. */
static size_t without_nul(char *text, size_t count) {
        size_t kept = 0;
        for (size_t i = 0; i < count; i++)
                if (text[i])
                        text[kept++] = text[i];
        return kept;
}

/* PIECE to whole characters, and on to the stop strings. */
static int add_bytes(struct output_stream *a, const char *piece, size_t count) {
        char usual[UTF8_STREAM_ROOM(PIECE_BYTES_USUAL)], *large = NULL, *out = usual;
        if (count > PIECE_BYTES_USUAL && !(out = large = malloc(UTF8_STREAM_ROOM(count))))
                return -ENOMEM;
        size_t written = without_nul(out, utf8_stream_push(&a->characters, piece, count, out));
        int r = stop_stream_push(&a->stream, a->stops, out, written);
        if (r == 0)
                a->bytes_made += written;
        free(large);
        return r;
}

int output_stream_add(struct output_stream *a, int32_t id, const struct token_logprob *logprob) {
        assert(!a->ended);
        forget_handed(a);
        if (logprob && remember_logprob(a, logprob) < 0)
                return -ENOMEM;
        a->tokens_new++;
        char usual[PIECE_BYTES_USUAL], *large = NULL, *piece = usual;
        bool shown = a->setup->format && chat_format_shows(a->setup->format, a->setup->calls, id);
        size_t count = tokenizer_piece(a->tokenizer, id, shown, a->first, usual, sizeof(usual));
        if (count > sizeof(usual)) {
                if (!(piece = large = malloc(count)))
                        return -ENOMEM;
                (void) tokenizer_piece(a->tokenizer, id, shown, a->first, large, count);
        }
        a->first = false;
        int r = add_bytes(a, piece, count);
        free(large);
        return r;
}

void output_stream_count(struct output_stream *a) {
        a->tokens_new++;
}

const char *output_stream_stopped(const struct output_stream *a) {
        return a->stream.found;
}

int output_stream_end(struct output_stream *a) {
        assert(!a->ended);
        forget_handed(a);
        char rest[UTF8_STREAM_ROOM(0)];
        size_t written = utf8_stream_end(&a->characters, rest);
        int r = stop_stream_push(&a->stream, a->stops, rest, written);
        if (r < 0)
                return r;
        a->bytes_made += written;
        stop_stream_end(&a->stream);
        a->ended = true;
        return 0;
}

/* How many of the waiting log-probabilities belong to text before TAKEN. */
static uint32_t ready_count(const struct output_stream *a, size_t taken) {
        if (a->ended && !a->stream.found)
                return a->made_count;
        uint32_t count = 0;
        while (count < a->made_count && a->made[count].from < taken)
                count++;
        return count;
}

/* The text that cannot belong to a stop string, as one part. */
static bool take_plain(struct output_stream *a, struct output_chunk *ret) {
        forget_handed(a);
        size_t length = a->stream.free_count;
        uint32_t logprobs = ready_count(a, a->bytes_taken + length);
        if (length == 0 && logprobs == 0)
                return false;
        for (uint32_t i = 0; i < logprobs; i++)
                a->ready[i] = a->made[i].logprob;
        if (logprobs)
                memmove(a->made, a->made + logprobs, (a->made_count - logprobs) * sizeof(*a->made));
        a->made_count -= logprobs;
        *ret = (struct output_chunk){
                .parsed = { .kind = CHUNK_CONTENT, .text = a->stream.text.bytes, .length = length },
                .tokens = a->tokens_new,
                .logprobs = a->ready,
                .logprobs_count = logprobs,
        };
        a->bytes_taken += length;
        a->tokens_new = 0;
        a->handed = true;
        return true;
}

bool output_stream_reasons(const struct output_stream *a) {
        return chat_parser_reasons(&a->parser);
}

bool output_stream_between_characters(const struct output_stream *a) {
        return a->characters.held_count == 0;
}

bool output_stream_calls(const struct output_stream *a) {
        return a->parser.calls_count > 0;
}

bool output_stream_is_whole(const struct output_stream *a) {
        return a->stream.found || a->called_enough;
}

/* The next part with what is due to it; log-probabilities whose text gives no part yet come with an empty one. */
static bool take_part(struct output_stream *a, struct output_chunk *ret) {
        struct chat_chunk parsed = { .kind = CHUNK_CONTENT, .text = "" };
        if (a->called_enough || (!chat_parser_next(&a->parser, &parsed) && a->plain.logprobs_count == 0))
                return false;
        if (a->setup->calls_once && parsed.kind == CHUNK_CALL && parsed.index > 0)
                return !(a->called_enough = true);
        *ret = a->plain;
        ret->parsed = parsed;
        a->plain = (struct output_chunk){ .tokens = 0 };
        return true;
}

int output_stream_take(struct output_stream *a, struct output_chunk *ret) {
        struct output_chunk plain;
        if (!a->setup || !chat_parser_splits(a->setup)) /* an embedding has no answer at all */
                return take_plain(a, ret);
        if (take_part(a, ret))
                return 1;
        if (!take_plain(a, &plain) && !(a->ended && !a->parser.ended))
                return 0;
        if (a->handed) { /* there was some */
                plain.tokens += a->plain.tokens;
                a->plain = plain;
                if (chat_parser_push(&a->parser, plain.parsed.text, plain.parsed.length) < 0)
                        return -ENOMEM;
        }
        if (a->ended)
                chat_parser_end(&a->parser);
        return take_part(a, ret);
}
