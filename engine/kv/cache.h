/*
 * cache.h - the paged KV cache: keys and values of many sequences in blocks of KV_BLOCK_TOKENS tokens.
 *
 * A block holds all layers of its tokens and has a K type and a V type of its own (f16, q8_0, q4_0). Its
 * address range is reserved once for the most precise type; pages are mapped by the kernel as they are
 * first written and given back (MADV_DONTNEED) when the block is freed, so memory follows use.
 *
 * A block can be made less precise where it lies (kv_block_convert), for all of its users at once; never more precise.
 *
 * A sequence is a table of blocks. Full blocks may be shared by sequences with the same prefix (a block
 * is freed with its last user); the block that is being written belongs to one sequence alone.
 * Nothing here locks: one thread changes tables and reads them between forward passes.
 */
#ifndef HEADROOM_ENGINE_KV_CACHE_H
#define HEADROOM_ENGINE_KV_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/base/kv_type.h"
#include "engine/model/hparams.h"

#define KV_BLOCK_TOKENS 64u

struct kv_cache;

struct kv_config {
        const struct hparams *hparams; /* must outlive the cache */
        uint32_t tokens_max;           /* ceiling over all sequences, rounded up to whole blocks: what the pool can grow to */
        enum kv_type type_k, type_v;   /* of blocks that begin from now on */
};

struct kv_sequence {
        uint32_t *blocks; /* indexes into the pool, in token order; owned */
        uint32_t blocks_count, blocks_capacity;
        uint32_t tokens_count; /* positions 0 .. tokens_count-1 are stored */
};

/* 0, -EINVAL when a type cannot hold these heads, -ENOMEM. */
int kv_cache_new(const struct kv_config *config, struct kv_cache **ret);
void kv_cache_free(struct kv_cache *c);
/* Blocks that may be in use from now on; at first, all. More may be in use: none is taken then, until there are fewer. */
void kv_cache_set_limit(struct kv_cache *c, uint32_t blocks);

/*
 * Room for COUNT more tokens at the end of S, without changing tokens_count. 0, -ENOSPC (nothing changed), -ENOMEM.
 * When S was truncated inside a block that others use, S gets a copy of that block here, which takes a free one.
 */
int kv_sequence_grow(struct kv_cache *c, struct kv_sequence *s, uint32_t count);
/* Keeps the first COUNT tokens, and no room beyond their last block; blocks that fall free are given back to the kernel. */
void kv_sequence_truncate(struct kv_cache *c, struct kv_sequence *s, uint32_t count);
/*
 * Makes S (empty) begin with the first COUNT tokens of FROM. Those within a block are copied to one of its own, and left out where none
 * may be taken: tokens_count tells. 0 or -ENOMEM.
 */
int kv_sequence_share(struct kv_cache *c, struct kv_sequence *s, const struct kv_sequence *from, uint32_t count);
void kv_sequence_done(struct kv_cache *c, struct kv_sequence *s);

/* Whether heads of this shape can be stored as TYPE: quantised ones come in whole groups of 32 values. */
bool kv_cache_can_hold(const struct kv_cache *c, enum kv_type type);
/* Blocks begin from now on with the less precise of TYPE (which can hold them: asserted) and what the cache was made with. */
void kv_cache_begin_with(struct kv_cache *c, enum kv_type type);
/*
 * Makes block number INDEX of S no more precise than TYPE (which can hold it: asserted), keys and values each, and gives
 * the pages that fall free back to the kernel. In place, row by row from the block's beginning, so that no more than one
 * row is ever there twice; the rows are what storing the old rows' values as TYPE gives, bit for bit. Returns the bytes by
 * which the block is smaller; 0 when it was no more precise. Not during a forward pass.
 */
uint64_t kv_sequence_convert(struct kv_cache *c, const struct kv_sequence *s, uint32_t index, enum kv_type type);
/* Whether kv_sequence_convert would change this block. */
bool kv_block_exceeds(const struct kv_cache *c, uint32_t block, enum kv_type type);
/* Bytes of one block, by its own types. */
uint64_t kv_block_bytes(const struct kv_cache *c, uint32_t block);

/* View of a whole block in memory, rows that were never written included: for counting and for saving it. */
struct kv_block_view {
        const uint8_t *bytes;
        size_t bytes_count, keys_bytes; /* keys_bytes: of them, those of keys */
        enum kv_type type_k, type_v;
        bool shared; /* several sequences have it */
};
struct kv_block_view kv_cache_block(const struct kv_cache *c, uint32_t block);
/*
 * Block number INDEX of S, in which nothing is stored yet and which nobody shares (asserted), becomes one of these types:
 * its bytes, to be filled with those of a kv_block_view, and their count. NULL where the heads cannot be stored so.
 */
uint8_t *kv_sequence_fill(struct kv_cache *c, const struct kv_sequence *s, uint32_t index, enum kv_type type_k,
                          enum kv_type type_v, size_t *ret_count);
/* The geometry that a saved block depends on beside its types: two caches with the same one can exchange blocks. */
struct kv_geometry {
        uint32_t n_layer, heads, d_head_k, d_head_v; /* heads: of all layers together */
};
struct kv_geometry kv_cache_geometry(const struct kv_cache *c);

/* Blocks that the pool can grow to, that may be in use now, and that are. */
struct kv_blocks {
        uint32_t max, limit, used;
};
struct kv_blocks kv_cache_blocks(const struct kv_cache *c);

struct kv_usage {
        uint32_t blocks_max, blocks_used;
        uint64_t bytes_used;                    /* of the blocks in use, by their own types */
        uint64_t bytes_by_type[KV_TYPE_COUNT];  /* the same, keys and values each where they belong */
        uint32_t blocks_by_type[KV_TYPE_COUNT]; /* by K type */
};
void kv_cache_usage(const struct kv_cache *c, struct kv_usage *ret);

/*
 * For the forward pass: KV_BLOCK_TOKENS rows, one per token of the block, row_bytes apart, of one head in one layer;
 * a row holds d_head_k (d_head_v) values as the tensor type of the same name. Keys are stored after RoPE,
 * and quantised ones rotated (policy/base/kv_type.h).
 *
 * Within a block the order is layer, head, then all keys of the head, then all its values. So attention over one head
 * reads straight on, and the place of everything follows from the block's own two types.
 */
struct kv_rows {
        uint8_t *rows;
        uint32_t row_bytes;
        enum kv_type type;
};
struct kv_rows kv_cache_keys(const struct kv_cache *c, uint32_t block, uint32_t layer, uint32_t head);
struct kv_rows kv_cache_values(const struct kv_cache *c, uint32_t block, uint32_t layer, uint32_t head);

#endif
