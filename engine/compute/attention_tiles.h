/* attention_tiles.h - how the attention of a pass is cut into work: which tokens go together, and who takes which chunks. */
#ifndef HEADROOM_ENGINE_COMPUTE_ATTENTION_TILES_H
#define HEADROOM_ENGINE_COMPUTE_ATTENTION_TILES_H

#include "engine/compute/attention.h"

/*
 * Sorts the tokens of a pass so that sequences which have their first blocks in common are neighbours, those with the most nearest.
 * The tokens of a sequence stay together, in their order.
 */
void attention_sort(struct attention_row *rows, uint32_t count);

/*
 * Cuts sorted tokens into tiles of at most TOKENS: of one sequence, or of several that begin with the same block. Returns how many; TILES
 * has room for COUNT.
 */
uint32_t attention_cut(const struct hparams *s, const struct attention_row *rows, uint32_t count, uint32_t tokens,
                       struct attention_tile *tiles);

/*
 * Work of one layer: a unit is a key head of a tile, and where these are too few for WIDTH threads, some chunks of it: one of PIECES.
 * Then `attention_run_part` writes into STRIDE floats for each key head of each tile.
 */
struct attention_work {
        uint32_t units, pieces;
        size_t stride;
};
struct attention_work attention_work(const struct attention *a, const struct attention_tile *tiles, uint32_t count,
                                     uint32_t layer, uint32_t width);

/* The part of CHUNKS that piece number PIECE of PIECES is; it may be none. */
struct attention_chunks attention_piece(struct attention_chunks chunks, uint32_t piece, uint32_t pieces);

#endif
