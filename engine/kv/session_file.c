/* session_file.c - see session_file.h. */
#include "engine/kv/session_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/crc32c.h"
#include "engine/base/file_io.h"
#include "engine/base/little_endian.h"
#include "engine/dispatch/dispatch.h"
#include "engine/kernels/kernels.h"
#include "policy/base/hash.h"

#define MAGIC              "HRSESS\r\n" /* a transfer that takes it for a text damages it at once */
#define BLOCK_MAGIC        0x0a4b4c42u  /* "BLK\n" */
#define HEADER_BYTES       128u
#define BLOCK_HEADER_BYTES 32u
#define SAMPLES_MAX        64u /* tensors that give some bytes to a model's identity: each costs a page */
#define SAMPLE_BYTES       256u

static_assert(KV_F16 == 0 && KV_Q8_0 == 1 && KV_Q4_0 == 2, "types are numbers in files");
static_assert(KV_BLOCK_TOKENS == 64, "so are blocks; another size is another layout");

/* ---- the identity of a model ---- */

static void mix(uint64_t *hash, const void *bytes, size_t count) {
        *hash = hash_bytes(*hash, bytes, count);
}

static void mix_u64(uint64_t *hash, uint64_t value) {
        *hash = hash_number(*hash, value, sizeof(value));
}

static void mix_tensor(uint64_t *hash, const struct gguf_tensor *t, bool sample) {
        mix_u64(hash, t->name.length);
        mix(hash, t->name.bytes, t->name.length);
        mix_u64(hash, t->type);
        for (unsigned d = 0; d < 4; d++)
                mix_u64(hash, t->dims[d]);
        if (sample)
                mix(hash, t->data + t->bytes / 2 - (t->bytes > 2 * SAMPLE_BYTES ? SAMPLE_BYTES : t->bytes / 2),
                    t->bytes > 2 * SAMPLE_BYTES ? SAMPLE_BYTES : t->bytes);
}

static void mix_rope(uint64_t *hash, const struct rope_hparams *r) {
        const float numbers[] = { r->freq_base, r->freq_scale, r->beta_fast, r->beta_slow, r->magnitude };
        mix(hash, numbers, sizeof(numbers));
        mix_u64(hash, r->scaling);
        mix_u64(hash, r->n_ctx_original);
}

uint64_t session_model(const struct model *m) {
        uint64_t hash = HASH_START;
        const struct hparams *s = &m->hparams;
        const uint64_t numbers[] = { s->arch,           s->n_vocab,        s->n_embd,   s->n_layer,       s->n_ff,
                                     s->n_head,         s->d_head_k,       s->d_head_v, s->n_rot,         s->has_rope_freqs,
                                     s->tied_output,    s->weights_bytes,  s->n_expert, s->n_expert_used, s->window,
                                     s->window_pattern, m->context_is_long };
        for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
                mix_u64(&hash, numbers[i]);
        for (uint32_t i = 0; i < s->n_layer; i++)
                mix_u64(&hash, s->head_kv[i]);
        mix(&hash, &s->norm_epsilon, sizeof(s->norm_epsilon));
        mix_rope(&hash, &s->rope);
        mix_rope(&hash, &s->rope_local);
        mix(&hash, &s->attention_scale, sizeof(s->attention_scale));
        mix(&hash, &s->attention_cap, sizeof(s->attention_cap));
        mix(&hash, s->name, strlen(s->name));
        const char *kernels = kernels_get()->name;
        mix(&hash, kernels, strlen(kernels));
        size_t count = gguf_tensors_count(m->gguf), stride = count / SAMPLES_MAX + 1;
        for (size_t i = 0; i < count; i++)
                mix_tensor(&hash, gguf_tensor_at(m->gguf, i), i % stride == 0);
        return hash;
}

/* ---- writing ---- */

/* Before hours of writing: a disk that is too full says so now, where its file system can. */
static int reserve(int fd, uint64_t bytes) {
        while (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t) bytes) < 0) {
                if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)
                        return -errno;
                if (errno != EINTR)
                        return 0; /* not a file, or not known: writing will tell */
        }
        return 0;
}

static void fill_header(uint8_t header[HEADER_BYTES], const struct session_writer *w, uint64_t model, uint32_t tokens_count,
                        uint32_t tokens_crc) {
        struct kv_geometry g = kv_cache_geometry(w->cache);
        memset(header, 0, HEADER_BYTES);
        memcpy(header, MAGIC, 8);
        uint8_t *p = put_u32(header + 8, SESSION_VERSION);
        p = put_u64(put_u32(p, HEADER_BYTES), model);
        const uint32_t numbers[] = {
                SESSION_LAYOUT, KV_BLOCK_TOKENS,     g.n_layer,
                g.heads,        g.d_head_k,          g.d_head_v,
                tokens_count,   w->kv->tokens_count, (w->kv->tokens_count + KV_BLOCK_TOKENS - 1) / KV_BLOCK_TOKENS,
                tokens_crc
        };
        for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
                p = put_u32(p, numbers[i]);
        (void) put_u32(header + HEADER_BYTES - 4, crc32c(0, header, HEADER_BYTES - 4));
}

static int write_tokens(struct session_writer *w, const int32_t *tokens, uint32_t count, uint32_t *ret_crc) {
        uint8_t piece[4096];
        uint32_t crc = 0;
        for (uint32_t i = 0; i < count;) {
                uint8_t *p = piece;
                while (i < count && p < piece + sizeof(piece))
                        p = put_u32(p, (uint32_t) tokens[i++]);
                int r = pwrite_all(w->fd, piece, (size_t) (p - piece), w->offset);
                if (r < 0)
                        return r;
                w->offset += (uint64_t) (p - piece);
                crc = crc32c(crc, piece, (size_t) (p - piece));
        }
        *ret_crc = crc;
        return 0;
}

static uint32_t blocks_stored(const struct kv_sequence *kv) {
        return kv->tokens_count / KV_BLOCK_TOKENS + (kv->tokens_count % KV_BLOCK_TOKENS != 0);
}

uint64_t session_bytes(const struct kv_cache *cache, const struct kv_sequence *kv, uint32_t tokens_count) {
        uint64_t bytes = HEADER_BYTES + 4 * (uint64_t) tokens_count;
        for (uint32_t i = 0; i < blocks_stored(kv); i++)
                bytes += BLOCK_HEADER_BYTES + kv_block_bytes(cache, kv->blocks[i]);
        return bytes;
}

int session_write_begin(struct session_writer *w, int fd, uint64_t model, const struct kv_cache *cache,
                        const struct kv_sequence *kv, const int32_t *tokens, uint32_t tokens_count) {
        assert(tokens_count >= kv->tokens_count);
        *w = (struct session_writer){ .fd = fd, .cache = cache, .kv = kv, .offset = HEADER_BYTES };
        uint8_t header[HEADER_BYTES];
        uint32_t crc;
        int r = reserve(fd, session_bytes(cache, kv, tokens_count));
        if (r == 0)
                r = write_tokens(w, tokens, tokens_count, &crc);
        if (r < 0)
                return r;
        fill_header(header, w, model, tokens_count, crc);
        return pwrite_all(fd, header, sizeof(header), 0);
}

static int write_block(struct session_writer *w) {
        struct kv_block_view b = kv_cache_block(w->cache, w->kv->blocks[w->block]);
        uint8_t header[BLOCK_HEADER_BYTES];
        uint8_t *p = put_u32(put_u32(header, BLOCK_MAGIC), w->block);
        p = put_u64(put_u32(put_u32(p, b.type_k), b.type_v), b.bytes_count);
        p = put_u32(p, crc32c(0, b.bytes, b.bytes_count));
        (void) put_u32(p, crc32c(0, header, BLOCK_HEADER_BYTES - 4));
        int r = pwrite_all(w->fd, header, sizeof(header), w->offset);
        if (r == 0)
                r = pwrite_all(w->fd, b.bytes, b.bytes_count, w->offset + sizeof(header));
        if (r < 0)
                return r;
        w->offset += sizeof(header) + b.bytes_count;
        w->block++;
        return 0;
}

/* Pages that are on the disk need not be in memory too: that is the point of suspending. */
static int sync_written(struct session_writer *w) {
        while (fdatasync(w->fd) < 0) {
                if (errno == EINVAL || errno == EROFS)
                        break; /* a descriptor that has no disk behind it */
                if (errno != EINTR)
                        return -errno;
        }
        (void) posix_fadvise(w->fd, (off_t) w->synced, (off_t) (w->offset - w->synced), POSIX_FADV_DONTNEED);
        w->synced = w->offset;
        return 0;
}

int session_write_some(struct session_writer *w, uint64_t bytes) {
        uint64_t until = w->offset + bytes;
        while (w->block < blocks_stored(w->kv)) {
                int r = write_block(w);
                if (r < 0)
                        return r;
                if (w->offset >= until)
                        break;
        }
        int r = sync_written(w);
        return r < 0 ? r : w->block < blocks_stored(w->kv);
}

/* ---- reading ---- */

void session_reader_done(struct session_reader *r) {
        free(r->tokens);
        *r = (struct session_reader){ 0 };
}

static int take_header(struct session_reader *r, const uint8_t header[HEADER_BYTES], uint64_t model, uint32_t *ret_crc) {
        const uint8_t *p = header + 8, *end = header + HEADER_BYTES - 4;
        if (memcmp(header, MAGIC, 8) != 0 || take_u32(&end) != crc32c(0, header, HEADER_BYTES - 4))
                return -EBADMSG;
        if (take_u32(&p) != SESSION_VERSION)
                return -ENOTSUP;
        if (take_u32(&p) != HEADER_BYTES)
                return -EBADMSG;
        uint64_t of_model = take_u64(&p);
        struct kv_geometry g = kv_cache_geometry(r->cache);
        const uint32_t known[] = { SESSION_LAYOUT, KV_BLOCK_TOKENS, g.n_layer, g.heads, g.d_head_k, g.d_head_v };
        bool same = of_model == model;
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
                same = take_u32(&p) == known[i] && same;
        if (!same)
                return -ESTALE;
        r->tokens_count = take_u32(&p);
        r->stored_count = take_u32(&p);
        r->blocks_count = take_u32(&p);
        *ret_crc = take_u32(&p);
        return r->stored_count <= r->tokens_count &&
                               r->blocks_count == r->stored_count / KV_BLOCK_TOKENS + (r->stored_count % KV_BLOCK_TOKENS != 0)
                       ? 0
                       : -EBADMSG;
}

static int read_tokens(struct session_reader *r, uint32_t crc) {
        struct stat s;
        size_t bytes = (size_t) r->tokens_count * sizeof(*r->tokens);
        int result = file_status(r->fd, &s);
        if (result < 0)
                return result;
        if ((uint64_t) s.st_size < HEADER_BYTES + bytes)
                return -EBADMSG;
        r->tokens = malloc(bytes ? bytes : 1);
        if (!r->tokens)
                return -ENOMEM;
        result = pread_all(r->fd, r->tokens, bytes, HEADER_BYTES);
        if (result < 0)
                return result;
        if (crc32c(0, r->tokens, bytes) != crc)
                return -EBADMSG;
        for (uint32_t i = 0; i < r->tokens_count; i++) { /* in place: from little-endian to ours */
                const uint8_t *p = (const uint8_t *) &r->tokens[i];
                r->tokens[i] = (int32_t) take_u32(&p);
        }
        r->offset = HEADER_BYTES + bytes;
        return 0;
}

int session_read_begin(struct session_reader *r, int fd, uint64_t model, struct kv_cache *cache, uint32_t tokens_max) {
        *r = (struct session_reader){ .fd = fd, .cache = cache };
        uint8_t header[HEADER_BYTES];
        uint32_t crc;
        int result = pread_all(fd, header, sizeof(header), 0);
        if (result == 0)
                result = take_header(r, header, model, &crc);
        if (result == 0 && r->tokens_count > tokens_max)
                result = -E2BIG;
        if (result == 0)
                result = read_tokens(r, crc);
        if (result < 0)
                session_reader_done(r);
        return result;
}

struct block_header {
        enum kv_type type_k, type_v;
        uint64_t bytes;
        uint32_t crc;
};

static int take_block_header(const uint8_t header[BLOCK_HEADER_BYTES], uint32_t block, struct block_header *ret) {
        const uint8_t *p = header, *end = header + BLOCK_HEADER_BYTES - 4;
        if (take_u32(&end) != crc32c(0, header, BLOCK_HEADER_BYTES - 4) || take_u32(&p) != BLOCK_MAGIC || take_u32(&p) != block)
                return -EBADMSG;
        uint32_t type_k = take_u32(&p), type_v = take_u32(&p);
        ret->bytes = take_u64(&p);
        ret->crc = take_u32(&p);
        if (type_k >= KV_TYPE_COUNT || type_v >= KV_TYPE_COUNT)
                return -EBADMSG;
        ret->type_k = (enum kv_type) type_k;
        ret->type_v = (enum kv_type) type_v;
        return 0;
}

/* The bytes of the block that has just been grown. */
static int read_rows(const struct session_reader *r, struct kv_sequence *kv, const struct block_header *b) {
        size_t count;
        uint8_t *bytes = kv_sequence_fill(r->cache, kv, r->block, b->type_k, b->type_v, &count);
        if (!bytes || b->bytes != count)
                return -EBADMSG;
        int result = pread_all(r->fd, bytes, count, r->offset + BLOCK_HEADER_BYTES);
        return result < 0 ? result : crc32c(0, bytes, count) == b->crc ? 0 : -EBADMSG;
}

static int read_block(struct session_reader *r, struct kv_sequence *kv) {
        uint8_t header[BLOCK_HEADER_BYTES];
        struct block_header b = { 0 };
        int result = pread_all(r->fd, header, sizeof(header), r->offset);
        if (result == 0)
                result = take_block_header(header, r->block, &b);
        uint32_t left = r->stored_count - kv->tokens_count, count = left < KV_BLOCK_TOKENS ? left : KV_BLOCK_TOKENS;
        if (result == 0)
                result = kv_sequence_grow(r->cache, kv, count);
        if (result < 0)
                return result;
        result = read_rows(r, kv, &b);
        if (result < 0) {
                kv_sequence_truncate(r->cache, kv, kv->tokens_count); /* the block that was begun goes */
                return result;
        }
        kv->tokens_count += count;
        r->offset += BLOCK_HEADER_BYTES + b.bytes;
        r->block++;
        return 0;
}

int session_read_some(struct session_reader *r, struct kv_sequence *kv, uint64_t bytes) {
        assert(kv->tokens_count == (r->block < r->blocks_count ? r->block * KV_BLOCK_TOKENS : r->stored_count));
        uint64_t from = r->offset;
        while (r->block < r->blocks_count) {
                int result = read_block(r, kv);
                if (result < 0)
                        return result;
                if (r->offset - from >= bytes)
                        break;
        }
        /* Read once: what is in memory as a block need not be there as a page of the file too. */
        (void) posix_fadvise(r->fd, (off_t) from, (off_t) (r->offset - from), POSIX_FADV_DONTNEED);
        return r->block < r->blocks_count;
}
