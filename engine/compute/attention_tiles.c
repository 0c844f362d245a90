/* attention_tiles.c - see attention_tiles.h. Nothing here changes a bit of any answer, only who computes it beside what. */
#include "engine/compute/attention_tiles.h"

#include <string.h>

#define UNITS_PER_THREAD 4u /* so that a thread that falls behind leaves something to the others */

/* --- which tokens go together --- */

/* Any order of block tables will do that brings equal beginnings together: this one compares bytes. */
static int compare_beginnings(const struct kv_sequence *a, const struct kv_sequence *b) {
        uint32_t blocks = a->blocks_count < b->blocks_count ? a->blocks_count : b->blocks_count;
        return a == b ? 0 : memcmp(a->blocks, b->blocks, blocks * sizeof(*a->blocks));
}

/* By insertion: most passes have few sequences, or come sorted. A sequence's tokens are moved together. */
void attention_sort(struct attention_row *rows, uint32_t count) {
        for (uint32_t i = 1; i < count; i++) {
                struct attention_row row = rows[i];
                uint32_t at = i;
                while (at && compare_beginnings(rows[at - 1].sequence, row.sequence) > 0) {
                        rows[at] = rows[at - 1];
                        at--;
                }
                rows[at] = row;
        }
}

static bool go_together(const struct hparams *s, const struct attention_row *a, const struct attention_row *b) {
        return a->sequence->blocks[0] == b->sequence->blocks[0] && attention_chunk_tokens(s, a) == attention_chunk_tokens(s, b);
}

uint32_t attention_cut(const struct hparams *s, const struct attention_row *rows, uint32_t count, uint32_t tokens,
                       struct attention_tile *tiles) {
        uint32_t n = 0;
        for (uint32_t i = 0; i < count; i++) {
                if (n && tiles[n - 1].count < tokens && go_together(s, &rows[i - 1], &rows[i]))
                        tiles[n - 1].count++;
                else
                        tiles[n++] = (struct attention_tile){ &rows[i], 1 };
        }
        return n;
}

/* --- who takes which chunks --- */

struct attention_work attention_work(const struct attention *a, const struct attention_tile *tiles, uint32_t count,
                                     uint32_t layer, uint32_t width) {
        uint32_t heads = a->hparams->head_kv[layer], units = count * heads, wanted = width * UNITS_PER_THREAD;
        struct attention_work whole = { units, 1, 0 };
        if (width < 2 || !units || units >= wanted)
                return whole;
        uint32_t chunks = 1, tokens = 1;
        for (uint32_t i = 0; i < count; i++) {
                uint32_t own = attention_chunks(a, &tiles[i], layer).count;
                chunks = own > chunks ? own : chunks;
                tokens = tiles[i].count > tokens ? tiles[i].count : tokens;
        }
        uint32_t pieces = (wanted + units - 1) / units;
        pieces = pieces < chunks ? pieces : chunks;
        size_t stride = chunks * attention_softmax_floats(a->hparams, tokens * (a->hparams->n_head / heads));
        if (pieces == 1 || units * stride > attention_parts_floats(a->hparams))
                return whole;
        return (struct attention_work){ units * pieces, pieces, stride };
}

struct attention_chunks attention_piece(struct attention_chunks chunks, uint32_t piece, uint32_t pieces) {
        uint32_t from = chunks.count * piece / pieces, end = chunks.count * (piece + 1) / pieces;
        return (struct attention_chunks){ chunks.first + from, end - from };
}
