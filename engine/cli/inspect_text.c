/* inspect_text.c - an inspection for people: what it is, what it will need, then every key and tensor on a line. */
#include "engine/cli/inspect.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/printable.h"

#define TEXT_SHOWN     72u /* bytes of a string value on its line */
#define ELEMENTS_SHOWN 6u  /* of an array */

struct amount {
        char text[24];
};

/* "1.21 GiB" with three significant digits, exact below 10,000 bytes. */
static struct amount bytes_text(uint64_t bytes) {
        static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
        struct amount a;
        double value = (double) bytes;
        unsigned unit = 0;
        for (; value >= 1000 && unit < 6; unit++)
                value /= 1024;
        if (bytes < 10000)
                (void) snprintf(a.text, sizeof(a.text), "%" PRIu64 " B", bytes);
        else
                (void) snprintf(a.text, sizeof(a.text), "%.*f %s", value < 10 ? 2 : value < 100 ? 1 : 0, value, units[unit]);
        return a;
}

static struct amount count_text(uint64_t count) {
        static const char *const units[] = { "", " thousand", " million", " billion", " trillion" };
        struct amount a;
        double value = (double) count;
        unsigned unit = 0;
        for (; value >= 1000 && unit < 4; unit++)
                value /= 1000;
        (void) snprintf(a.text, sizeof(a.text), "%.*f%s", unit == 0 || value >= 100 ? 0 : value < 10 ? 2 : 1, value, units[unit]);
        return a;
}

static void print_string(struct gguf_string s) {
        char shown[TEXT_SHOWN + 4];
        printf("\"%s\"", printable_copy(shown, sizeof(shown), s.bytes, s.length));
}

static bool is_signed(enum gguf_value_type type) {
        return type == GGUF_I8 || type == GGUF_I16 || type == GGUF_I32 || type == GGUF_I64;
}

static void print_element(const struct gguf_array *a, uint64_t index) {
        if (a->type == GGUF_STRING)
                print_string(a->strings[index]);
        else if (a->type == GGUF_F32 || a->type == GGUF_F64)
                printf("%g", (double) gguf_array_f32(a, index));
        else if (a->type == GGUF_BOOL)
                printf("%s", gguf_array_u64(a, index) ? "true" : "false");
        else if (is_signed(a->type))
                printf("%" PRId64, (int64_t) gguf_array_u64(a, index));
        else
                printf("%" PRIu64, gguf_array_u64(a, index));
}

static void print_value(const struct gguf_entry *e) {
        if (e->type == GGUF_ARRAY) {
                printf("[");
                for (uint64_t i = 0; i < e->array.count && i < ELEMENTS_SHOWN; i++) {
                        printf("%s", i ? ", " : "");
                        print_element(&e->array, i);
                }
                if (e->array.count > ELEMENTS_SHOWN)
                        printf(", ... %" PRIu64 " in all", e->array.count);
                printf("]");
        } else if (e->type == GGUF_STRING) {
                print_string(e->string);
        } else if (e->type == GGUF_F32 || e->type == GGUF_F64) {
                printf("%g", e->f);
        } else if (e->type == GGUF_BOOL) {
                printf("%s", e->u ? "true" : "false");
        } else if (is_signed(e->type)) {
                printf("%" PRId64, e->i);
        } else {
                printf("%" PRIu64, e->u);
        }
}

static void print_metadata(const struct gguf *g) {
        printf("\nmetadata (%zu keys)\n", gguf_entries_count(g));
        for (size_t i = 0; i < gguf_entries_count(g); i++) {
                const struct gguf_entry *e = gguf_entry_at(g, i);
                char shown[TEXT_SHOWN + 4];
                printf("  %-42s ", printable_copy(shown, sizeof(shown), e->key.bytes, e->key.length));
                print_value(e);
                printf("\n");
        }
}

static void print_tensors(const struct gguf *g) {
        printf("\ntensors (%zu)\n", gguf_tensors_count(g));
        for (size_t i = 0; i < gguf_tensors_count(g); i++) {
                const struct gguf_tensor *t = gguf_tensor_at(g, i);
                char shown[TEXT_SHOWN + 4], dims[96];
                int used = 0;
                for (uint32_t d = 0; d < t->dims_count; d++)
                        used += snprintf(dims + used, sizeof(dims) - (size_t) used, "%s%" PRIu64, d ? " x " : "", t->dims[d]);
                printf("  %-32s %-8s %-20s %12s\n", printable_copy(shown, sizeof(shown), t->name.bytes, t->name.length),
                       tensor_type_info(t->type)->name, dims, bytes_text(t->bytes).text);
        }
}

static void print_account(const struct inspection *i) {
        const struct hparams *s = i->hparams;
        const struct engine_config *load = &i->load;
        uint64_t scratch = hparams_buffer_bytes(s, engine_config_batch(load), engine_config_logits(load), load->threads),
                 overhead = hparams_overhead_bytes(s);
        uint64_t kv = hparams_kv_bytes_per_token(s, KV_F16) * load->kv_tokens;
        printf("kv cache       ");
        for (unsigned type = 0; type < KV_TYPE_COUNT; type++) {
                uint64_t bytes = hparams_kv_bytes_per_token(s, (enum kv_type) type);
                printf("%s%s %s", type ? ", " : "", kv_type_name((enum kv_type) type),
                       bytes ? bytes_text(bytes).text : "impossible");
        }
        printf(" per token\n");
        printf("footprint      %s: weights %s + kv %s (%" PRIu32 " tokens of f16) + buffers %s + overhead %s\n",
               bytes_text(s->weights_bytes + kv + scratch + overhead).text, bytes_text(s->weights_bytes).text,
               bytes_text(kv).text, load->kv_tokens, bytes_text(scratch).text, bytes_text(overhead).text);
}

static void print_hparams(const struct inspection *i) {
        const struct hparams *s = i->hparams;
        printf("name           %s\n", s->name);
        printf("parameters     %s, mostly %s\n", count_text(s->parameters).text, s->quantization);
        printf("layers         %" PRIu32 " of width %" PRIu32 ", feed-forward %" PRIu32 "\n", s->n_layer, s->n_embd, s->n_ff);
        if (s->n_expert)
                printf("experts        %" PRIu32 " of width %" PRIu32 ", of which %" PRIu32 " are used for each token\n",
                       s->n_expert, s->n_ff_expert, s->n_expert_used);
        printf("attention      %" PRIu32 " heads of %" PRIu32 ", %" PRIu32 " for keys and values\n", s->n_head, s->d_head_k,
               s->n_head_kv);
        if (s->window)
                printf("window         %" PRIu32 " tokens%s\n", s->window,
                       s->window_pattern ? ", in turn with layers that look back on all" : "");
        if (s->pooling == POOLING_RANK)
                printf("makes          scores: it ranks documents by a query\n");
        else if (!s->causal)
                printf("makes          vectors alone, pooling %s\n", pooling_name(s->pooling));
        printf("vocabulary     %" PRIu32 " tokens%s\n", s->n_vocab, s->tied_output ? ", output tied to it" : "");
        printf("context        %" PRIu32 " tokens trained\n", s->n_ctx_train);
        printf("weights        %s, of which %s are read for each token\n", bytes_text(s->weights_bytes).text,
               bytes_text(s->decode_bytes).text);
        print_account(i);
}

void inspect_print_text(const struct inspection *i) {
        struct gguf_string architecture;
        char shown[TEXT_SHOWN];
        printf("file           GGUF version %" PRIu32 ", %" PRIu32 " file%s, %s\n", gguf_version(i->gguf), i->files_count,
               i->files_count == 1 ? "" : "s", bytes_text(gguf_file_bytes(i->gguf)).text);
        if (gguf_get_string(i->gguf, "general.architecture", &architecture) == 0)
                printf("architecture   %s\n", printable_copy(shown, sizeof(shown), architecture.bytes, architecture.length));
        if (i->hparams)
                print_hparams(i);
        else
                printf("weights        %s\n", bytes_text(gguf_tensor_bytes(i->gguf)).text);
        if (i->chat_format)
                printf("chat format    %s\n", i->chat_format);
        if (i->chat->warning[0])
                printf("               %s\n", i->chat->warning);
        if (i->no_model)
                printf("no model       it is %s\n", i->no_model);
        if (i->unsupported)
                printf("cannot be run  %s\n", i->unsupported);
        print_metadata(i->gguf);
        print_tensors(i->gguf);
}
