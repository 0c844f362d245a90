/*
 * buffers.c - adds up the compute buffers. A buffer that is used only while another is not shares its place:
 * the feed-forward block's with attention's.
 */
#include "engine/compute/buffers.h"

#include "engine/kernels/activation.h"
#include "engine/kv/cache.h"

#define ATTENTION_COLUMNS \
        32u /* enough to read a block of keys once for many queries, few enough to stay in the first-level cache */

/* Moves *AT past BYTES and returns where they begin. */
static uint64_t take(uint64_t *at, uint64_t bytes) {
        uint64_t start = *at;
        *at += (bytes + ACTIVATION_ALIGN - 1) / ACTIVATION_ALIGN * ACTIVATION_ALIGN;
        return start;
}

static uint64_t take_floats(uint64_t *at, uint64_t tokens, uint64_t n) {
        return take(at, tokens * n * sizeof(float));
}

static uint64_t max_u64(uint64_t a, uint64_t b) {
        return a > b ? a : b;
}

uint32_t attention_tile_tokens(uint32_t group) {
        return group < ATTENTION_COLUMNS ? ATTENTION_COLUMNS / group : 1;
}

struct attention_buffers attention_buffers_layout(const struct hparams *s) {
        struct attention_buffers a = { 0 };
        for (uint32_t layer = 0; layer < s->n_layer; layer++) {
                uint32_t group = s->head_kv[layer] ? s->n_head / s->head_kv[layer] : 1;
                uint32_t columns = attention_tile_tokens(group ? group : 1) * group;
                if (columns > a.columns)
                        a.columns = columns;
        }
        a.queries = take_floats(&a.bytes, a.columns, s->d_head_k);
        a.prepared = take(&a.bytes, a.columns * activation_bytes(ACTIVATION_I16, s->d_head_k));
        a.scores = take_floats(&a.bytes, a.columns, KV_BLOCK_TOKENS);
        a.whole = take_floats(&a.bytes, 1, attention_softmax_floats(s, a.columns));
        a.next = take_floats(&a.bytes, 1, attention_softmax_floats(s, a.columns));
        return a;
}

size_t attention_softmax_floats(const struct hparams *s, uint32_t columns) {
        return columns * ((size_t) s->d_head_v + 2);
}

size_t attention_parts_floats(const struct hparams *s) {
        return attention_softmax_floats(s, ATTENTION_SPLIT_TOKENS * s->n_head) * ATTENTION_CHUNKS_MAX;
}

/* The buffers of attention and of feed-forward, which share their place. Returns the end of the longer. */
static uint64_t lay_out_blocks(struct buffers *l, const struct hparams *s, uint64_t batch, uint32_t threads, uint64_t at) {
        uint64_t end = at, used = s->n_expert_used, ff = hparams_ff_values(s);
        l->queries = take_floats(&end, batch, (uint64_t) s->n_head * s->d_head_k);
        l->keys = take_floats(&end, batch, (uint64_t) s->n_head_kv * s->d_head_k);
        l->values = take_floats(&end, batch, (uint64_t) s->n_head_kv * s->d_head_v);
        l->attended = take_floats(&end, batch, (uint64_t) s->n_head * s->d_head_v);
        l->parts = take_floats(&end, threads > 1, attention_parts_floats(s));
        l->gate = take_floats(&at, batch, ff);
        l->up = take_floats(&at, batch, ff);
        l->routed = take_floats(&at, batch * used, s->n_embd);
        l->scores = take_floats(&at, batch, s->n_expert);
        l->choices = take(&at, batch * used * sizeof(struct choice));
        l->sources = take(&at, batch * used * sizeof(uint32_t));
        l->experts_at = take(&at, s->n_expert ? (s->n_expert + 1) * sizeof(uint32_t) : 0);
        return max_u64(at, end);
}

/* All columns of the product that needs most: of an expert's, each token comes as often as it uses one. */
static uint64_t prepared_bytes(const struct hparams *s, uint64_t batch) {
        uint64_t widest = max_u64(s->n_embd, (uint64_t) s->n_head * s->d_head_v);
        uint64_t bytes = batch * activation_bytes_max((uint32_t) max_u64(widest, s->n_expert ? 0 : s->n_ff));
        uint32_t in_experts = s->n_ff_expert > s->n_embd ? s->n_ff_expert : s->n_embd;
        return max_u64(bytes, batch * s->n_expert_used * activation_bytes_max(in_experts));
}

struct buffers buffers_layout(const struct hparams *s, struct buffers_limits limits) {
        struct buffers l = { 0 };
        uint64_t batch = limits.batch, items = limits.items;
        l.residual = take_floats(&l.bytes, batch, s->n_embd);
        l.normed = take_floats(&l.bytes, batch, s->n_embd);
        l.bytes = lay_out_blocks(&l, s, batch, limits.threads, l.bytes);
        l.prepared = take(&l.bytes, prepared_bytes(s, batch));
        l.rope = take_floats(&l.bytes, batch, (uint64_t) s->n_rot * (s->has_rope_local ? 2 : 1));
        l.results = take_floats(&l.bytes, items, s->n_embd);
        l.logits = take_floats(&l.bytes, items, s->causal ? s->n_vocab : 0);
        l.attention_bytes = attention_buffers_layout(s).bytes;
        l.attention = take(&l.bytes, l.attention_bytes * limits.threads);
        return l;
}

uint64_t hparams_buffer_bytes(const struct hparams *s, uint32_t batch, uint32_t items, uint32_t threads) {
        return buffers_layout(s, (struct buffers_limits){ batch, items, threads }).bytes;
}
