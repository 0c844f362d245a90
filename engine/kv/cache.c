/*
 * cache.c - the block pool, the tables of the sequences, and where a row lies in a block.
 *
 * The pool is one reservation of address space; a block is its slot in it, a page-rounded stretch. Memory is
 * there once written and gone once freed, so the process's resident size is the truth about use.
 */
#include "engine/kv/cache.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/base/bounds.h"
#include "engine/dispatch/dispatch.h"
#include "engine/kernels/kernels.h"

struct block {
        uint32_t users;         /* sequences that have it in their table; 0: free */
        uint8_t type_k, type_v; /* enum kv_type */
};

struct kv_cache {
        const struct hparams *hparams;
        const struct kernels *kernels;
        enum kv_type type_k, type_v;               /* of blocks that begin now */
        enum kv_type type_k_loaded, type_v_loaded; /* no block is more precise */
        size_t page_bytes;
        uint32_t *heads_before; /* per layer: key heads of the layers before it; [n_layer]: all */
        uint8_t *pool;
        size_t slot_bytes, pool_bytes;
        struct block *blocks;
        uint32_t *free; /* a stack of indexes */
        uint32_t blocks_max, blocks_limit, free_count;
};

/* --- layout --- */

/* Bytes of a row of N values; 0 when the type cannot hold it. */
static uint32_t row_bytes(enum kv_type type, uint32_t n) {
        if (type == KV_F16)
                return n * 2;
        return n % 32 ? 0 : n / 32 * (type == KV_Q8_0 ? 34 : 18);
}

static enum kv_type less_precise(enum kv_type a, enum kv_type b) {
        return a > b ? a : b;
}

static size_t block_bytes(const struct kv_cache *c, enum kv_type type_k, enum kv_type type_v) {
        size_t token = row_bytes(type_k, c->hparams->d_head_k) + row_bytes(type_v, c->hparams->d_head_v);
        return token * c->heads_before[c->hparams->n_layer] * KV_BLOCK_TOKENS;
}

/* A head's keys and its values lie side by side: 64 rows of keys, then 64 rows of values; then the next head's, the next layer's. */
static uint8_t *head_address(const struct kv_cache *c, uint32_t block, uint32_t layer, uint32_t head, uint32_t *ret_key_bytes) {
        assert(block < c->blocks_max && layer < c->hparams->n_layer && head < c->hparams->head_kv[layer]);
        const struct block *b = &c->blocks[block];
        uint32_t key_bytes = row_bytes((enum kv_type) b->type_k, c->hparams->d_head_k) * KV_BLOCK_TOKENS;
        uint32_t value_bytes = row_bytes((enum kv_type) b->type_v, c->hparams->d_head_v) * KV_BLOCK_TOKENS;
        *ret_key_bytes = key_bytes;
        return c->pool + block * c->slot_bytes + (c->heads_before[layer] + head) * ((size_t) key_bytes + value_bytes);
}

struct kv_rows kv_cache_keys(const struct kv_cache *c, uint32_t block, uint32_t layer, uint32_t head) {
        uint32_t key_bytes;
        uint8_t *rows = head_address(c, block, layer, head, &key_bytes);
        return (struct kv_rows){ rows, key_bytes / KV_BLOCK_TOKENS, (enum kv_type) c->blocks[block].type_k };
}

struct kv_rows kv_cache_values(const struct kv_cache *c, uint32_t block, uint32_t layer, uint32_t head) {
        uint32_t key_bytes;
        uint8_t *rows = head_address(c, block, layer, head, &key_bytes) + key_bytes;
        enum kv_type type = (enum kv_type) c->blocks[block].type_v;
        return (struct kv_rows){ rows, row_bytes(type, c->hparams->d_head_v), type };
}

/* --- the pool --- */

static uint32_t blocks_for(uint32_t tokens) {
        return tokens / KV_BLOCK_TOKENS + (tokens % KV_BLOCK_TOKENS != 0);
}

void kv_cache_set_limit(struct kv_cache *c, uint32_t blocks) {
        c->blocks_limit = blocks < c->blocks_max ? blocks : c->blocks_max;
}

struct kv_blocks kv_cache_blocks(const struct kv_cache *c) {
        return (struct kv_blocks){ c->blocks_max, c->blocks_limit, c->blocks_max - c->free_count };
}

/* Blocks that may be taken now. */
static uint32_t blocks_left(const struct kv_cache *c) {
        struct kv_blocks blocks = kv_cache_blocks(c);
        return blocks.limit > blocks.used ? blocks.limit - blocks.used : 0;
}

static size_t whole_pages(const struct kv_cache *c, size_t bytes) {
        return (bytes + c->page_bytes - 1) / c->page_bytes * c->page_bytes;
}

static int pool_map(struct kv_cache *c) {
        c->page_bytes = (size_t) sysconf(_SC_PAGESIZE);
        c->slot_bytes = whole_pages(c, block_bytes(c, KV_F16, KV_F16));
        if (__builtin_mul_overflow(c->slot_bytes, (size_t) c->blocks_max, &c->pool_bytes))
                return -ENOMEM;
        void *pool = mmap(NULL, c->pool_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (pool == MAP_FAILED)
                return -ENOMEM;
        c->pool = pool;
        /* Huge pages would make a block resident as a whole at its first token, and its neighbours with it. Best effort. */
        (void) madvise(pool, c->pool_bytes, MADV_NOHUGEPAGE);
        return 0;
}

static int cache_init(struct kv_cache *c, const struct kv_config *config) {
        const struct hparams *s = config->hparams;
        c->heads_before = malloc(((size_t) s->n_layer + 1) * sizeof(*c->heads_before));
        c->blocks_max = blocks_for(config->tokens_max);
        c->blocks_limit = c->blocks_max;
        c->blocks = calloc(c->blocks_max ? c->blocks_max : 1, sizeof(*c->blocks));
        c->free = malloc((c->blocks_max ? c->blocks_max : 1) * sizeof(*c->free));
        if (!c->heads_before || !c->blocks || !c->free)
                return -ENOMEM;
        uint32_t heads = 0;
        for (uint32_t layer = 0; layer < s->n_layer; layer++) {
                c->heads_before[layer] = heads;
                if (__builtin_add_overflow(heads, s->head_kv[layer], &heads))
                        return -EINVAL;
        }
        c->heads_before[s->n_layer] = heads;
        for (uint32_t i = 0; i < c->blocks_max; i++)
                c->free[i] = c->blocks_max - 1 - i; /* the lowest is taken first */
        c->free_count = c->blocks_max;
        return pool_map(c);
}

int kv_cache_new(const struct kv_config *config, struct kv_cache **ret) {
        const struct hparams *s = config->hparams;
        assert(config->type_k < KV_TYPE_COUNT && config->type_v < KV_TYPE_COUNT);
        if (!config->tokens_max || !row_bytes(config->type_k, s->d_head_k) || !row_bytes(config->type_v, s->d_head_v))
                return -EINVAL;
        struct kv_cache *c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->hparams = s;
        c->kernels = kernels_get();
        c->type_k = c->type_k_loaded = config->type_k;
        c->type_v = c->type_v_loaded = config->type_v;
        int r = cache_init(c, config);
        if (r < 0) {
                kv_cache_free(c);
                return r;
        }
        *ret = c;
        return 0;
}

void kv_cache_free(struct kv_cache *c) {
        if (!c)
                return;
        if (c->pool)
                (void) munmap(c->pool, c->pool_bytes);
        free(c->heads_before);
        free(c->blocks);
        free(c->free);
        free(c);
}

static uint32_t block_take(struct kv_cache *c) {
        assert(c->free_count);
        uint32_t index = c->free[--c->free_count];
        c->blocks[index] = (struct block){ 1, (uint8_t) c->type_k, (uint8_t) c->type_v };
        return index;
}

/* Gives back what lies between two offsets in a block, in whole pages. */
static void block_cut(struct kv_cache *c, uint32_t index, size_t from, size_t to) {
        from = whole_pages(c, from);
        to = to / c->page_bytes * c->page_bytes;
        if (from >= to)
                return;
        /* The only failures are wrong arguments and locked memory; neither can be: the range is ours, and never locked. */
        int r = madvise(c->pool + index * c->slot_bytes + from, to - from, MADV_DONTNEED);
        assert(r == 0);
}

static void block_drop(struct kv_cache *c, uint32_t index) {
        assert(c->blocks[index].users);
        if (--c->blocks[index].users)
                return;
        block_cut(c, index, 0, c->slot_bytes);
        c->free[c->free_count++] = index;
}

/* --- sequences --- */

static int table_reserve(struct kv_sequence *s, uint32_t count) {
        if (count <= s->blocks_capacity)
                return 0;
        uint32_t capacity = count < 8 ? 8 : count + count / 2;
        uint32_t *blocks = realloc(s->blocks, capacity * sizeof(*blocks));
        if (!blocks)
                return -ENOMEM;
        s->blocks = blocks;
        s->blocks_capacity = capacity;
        return 0;
}

/* The last block of S when it has room but other users too: left so by a truncation inside a shared prefix. */
static bool writes_into_shared(const struct kv_cache *c, const struct kv_sequence *s) {
        return s->tokens_count % KV_BLOCK_TOKENS && c->blocks[s->blocks[s->tokens_count / KV_BLOCK_TOKENS]].users > 1;
}

/* Gives S a copy of its own. A block is free (checked). */
static void unshare(struct kv_cache *c, struct kv_sequence *s) {
        uint32_t *place = &s->blocks[s->tokens_count / KV_BLOCK_TOKENS];
        uint32_t old = *place, copy = block_take(c);
        c->blocks[copy].type_k = c->blocks[old].type_k;
        c->blocks[copy].type_v = c->blocks[old].type_v;
        memcpy(c->pool + copy * c->slot_bytes, c->pool + old * c->slot_bytes,
               block_bytes(c, (enum kv_type) c->blocks[old].type_k, (enum kv_type) c->blocks[old].type_v));
        block_drop(c, old);
        *place = copy;
}

int kv_sequence_grow(struct kv_cache *c, struct kv_sequence *s, uint32_t count) {
        uint32_t tokens;
        if (__builtin_add_overflow(s->tokens_count, count, &tokens))
                return -ENOSPC;
        uint32_t wanted = blocks_for(tokens), copies = count && writes_into_shared(c, s);
        uint32_t more = wanted > s->blocks_count ? wanted - s->blocks_count : 0;
        if (more + copies > blocks_left(c))
                return -ENOSPC;
        int r = table_reserve(s, wanted);
        if (r < 0)
                return r;
        if (copies)
                unshare(c, s);
        while (s->blocks_count < wanted)
                s->blocks[s->blocks_count++] = block_take(c);
        return 0;
}

void kv_sequence_truncate(struct kv_cache *c, struct kv_sequence *s, uint32_t count) {
        if (count < s->tokens_count)
                s->tokens_count = count;
        while (s->blocks_count > blocks_for(s->tokens_count))
                block_drop(c, s->blocks[--s->blocks_count]);
}

int kv_sequence_share(struct kv_cache *c, struct kv_sequence *s, const struct kv_sequence *from, uint32_t count) {
        assert(count <= from->tokens_count);
        assert(s->tokens_count == 0 && s->blocks_count == 0);
        if (!blocks_left(c))
                count -= count % KV_BLOCK_TOKENS;
        int r = table_reserve(s, blocks_for(count));
        if (r < 0)
                return r;
        for (uint32_t i = 0; i < blocks_for(count); i++) {
                s->blocks[i] = from->blocks[i];
                c->blocks[s->blocks[i]].users++;
        }
        s->blocks_count = blocks_for(count);
        s->tokens_count = count;
        if (count % KV_BLOCK_TOKENS)
                unshare(c, s);
        return 0;
}

void kv_sequence_done(struct kv_cache *c, struct kv_sequence *s) {
        kv_sequence_truncate(c, s, 0);
        free(s->blocks);
        *s = (struct kv_sequence){ 0 };
}

/* --- precision --- */

bool kv_cache_can_hold(const struct kv_cache *c, enum kv_type type) {
        return row_bytes(type, c->hparams->d_head_k) && row_bytes(type, c->hparams->d_head_v);
}

void kv_cache_begin_with(struct kv_cache *c, enum kv_type type) {
        assert(kv_cache_can_hold(c, type));
        c->type_k = less_precise(type, c->type_k_loaded);
        c->type_v = less_precise(type, c->type_v_loaded);
}

/* ROWS rows of N values from one type to another (or the same), to a place at or before where they are. */
static void move_rows(const struct kv_cache *c, struct kv_rows from, struct kv_rows to, uint32_t rows, uint32_t n,
                      bool transformed) {
        float x[HPARAMS_HEAD_VALUES_MAX];
        if (from.type == to.type) {
                memmove(to.rows, from.rows, (size_t) rows * to.row_bytes);
                return;
        }
        for (uint32_t i = 0; i < rows; i++) {
                c->kernels->kv[from.type].load(from.rows + i * (size_t) from.row_bytes, n, x);
                if (transformed)
                        c->kernels->hadamard(x, n);
                c->kernels->kv[to.type].store(x, n, to.rows + i * (size_t) to.row_bytes);
        }
}

/* The end of a head's rows, from the block's beginning. */
static size_t head_end(const struct kv_cache *c, uint32_t index, struct kv_rows values) {
        return (size_t) (values.rows - (c->pool + index * c->slot_bytes)) + (size_t) values.row_bytes * KV_BLOCK_TOKENS;
}

/*
 * The first ROWS rows of each head. A row's new place is at or before its old one, and what follows it has not been
 * written over when its turn comes: both layouts have the same order, and no row gets longer. Where rows are missing,
 * the new ones fall on other pages than the old ones: so these go head by head.
 */
static void block_convert(struct kv_cache *c, uint32_t index, uint32_t rows, enum kv_type type_k, enum kv_type type_v) {
        const struct hparams *s = c->hparams;
        struct block *b = &c->blocks[index], old = *b, new = old;
        new.type_k = (uint8_t) type_k;
        new.type_v = (uint8_t) type_v;
        bool transformed = kv_type_rotates_keys(type_k) && !kv_type_rotates_keys((enum kv_type) old.type_k);
        for (uint32_t layer = 0; layer < s->n_layer; layer++)
                for (uint32_t head = 0; head < s->head_kv[layer]; head++) {
                        *b = old;
                        struct kv_rows keys = kv_cache_keys(c, index, layer, head);
                        struct kv_rows values = kv_cache_values(c, index, layer, head);
                        *b = new;
                        struct kv_rows new_values = kv_cache_values(c, index, layer, head);
                        move_rows(c, keys, kv_cache_keys(c, index, layer, head), rows, s->d_head_k, transformed);
                        move_rows(c, values, new_values, rows, s->d_head_v, false);
                        if (rows < KV_BLOCK_TOKENS)
                                block_cut(c, index, head_end(c, index, new_values), head_end(c, index, values));
                }
        block_cut(c, index, block_bytes(c, type_k, type_v), c->slot_bytes);
}

bool kv_block_exceeds(const struct kv_cache *c, uint32_t block, enum kv_type type) {
        return c->blocks[block].type_k < type || c->blocks[block].type_v < type;
}

uint64_t kv_sequence_convert(struct kv_cache *c, const struct kv_sequence *s, uint32_t index, enum kv_type type) {
        assert(index < s->blocks_count && kv_cache_can_hold(c, type));
        uint32_t block = s->blocks[index], start = index * KV_BLOCK_TOKENS;
        if (!kv_block_exceeds(c, block, type))
                return 0;
        uint32_t rows = s->tokens_count > start ? s->tokens_count - start : 0;
        if (c->blocks[block].users > 1 || rows > KV_BLOCK_TOKENS)
                rows = KV_BLOCK_TOKENS; /* a shared block is whole, whatever S has been cut to */
        uint64_t before = kv_block_bytes(c, block);
        block_convert(c, block, rows, less_precise(type, (enum kv_type) c->blocks[block].type_k),
                      less_precise(type, (enum kv_type) c->blocks[block].type_v));
        return before - kv_block_bytes(c, block);
}

uint64_t kv_block_bytes(const struct kv_cache *c, uint32_t block) {
        return block_bytes(c, (enum kv_type) c->blocks[block].type_k, (enum kv_type) c->blocks[block].type_v);
}

/* --- whole blocks --- */

struct kv_block_view kv_cache_block(const struct kv_cache *c, uint32_t block) {
        const struct block *b = &c->blocks[block];
        enum kv_type type_k = (enum kv_type) b->type_k, type_v = (enum kv_type) b->type_v;
        uint64_t rows = (uint64_t) c->heads_before[c->hparams->n_layer] * KV_BLOCK_TOKENS;
        return (struct kv_block_view){
                .bytes = c->pool + block * c->slot_bytes,
                .bytes_count = block_bytes(c, type_k, type_v),
                .keys_bytes = rows * row_bytes(type_k, c->hparams->d_head_k),
                .type_k = type_k,
                .type_v = type_v,
                .shared = b->users > 1,
        };
}

uint8_t *kv_sequence_fill(struct kv_cache *c, const struct kv_sequence *s, uint32_t index, enum kv_type type_k,
                          enum kv_type type_v, size_t *ret_count) {
        assert(index < s->blocks_count && s->tokens_count <= index * KV_BLOCK_TOKENS && c->blocks[s->blocks[index]].users == 1);
        if (!row_bytes(type_k, c->hparams->d_head_k) || !row_bytes(type_v, c->hparams->d_head_v))
                return NULL;
        struct block *b = &c->blocks[s->blocks[index]];
        b->type_k = (uint8_t) type_k;
        b->type_v = (uint8_t) type_v;
        *ret_count = block_bytes(c, type_k, type_v);
        return c->pool + s->blocks[index] * c->slot_bytes;
}

struct kv_geometry kv_cache_geometry(const struct kv_cache *c) {
        return (struct kv_geometry){ c->hparams->n_layer, c->heads_before[c->hparams->n_layer], c->hparams->d_head_k,
                                     c->hparams->d_head_v };
}

void kv_cache_usage(const struct kv_cache *c, struct kv_usage *ret) {
        *ret = (struct kv_usage){ .blocks_max = c->blocks_max, .blocks_used = c->blocks_max - c->free_count };
        uint64_t rows = (uint64_t) c->heads_before[c->hparams->n_layer] * KV_BLOCK_TOKENS;
        for (uint32_t i = 0; i < c->blocks_max; i++) {
                const struct block *b = &c->blocks[i];
                if (!b->users)
                        continue;
                ret->blocks_by_type[b->type_k]++;
                ret->bytes_by_type[b->type_k] += rows * row_bytes((enum kv_type) b->type_k, c->hparams->d_head_k);
                ret->bytes_by_type[b->type_v] += rows * row_bytes((enum kv_type) b->type_v, c->hparams->d_head_v);
        }
        for (uint32_t type = 0; type < KV_TYPE_COUNT; type++)
                ret->bytes_used += ret->bytes_by_type[type];
}
