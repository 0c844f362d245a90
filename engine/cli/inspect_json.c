/*
 * inspect_json.c - an inspection as one JSON object. Text from the file is made valid UTF-8; 64-bit integers are
 * printed whole, beyond what a double can hold.
 */
#include "engine/cli/inspect.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/printable.h"

#define ARRAY_SHOWN_MAX 16u /* longer arrays (vocabularies) are told by type and count */

static const char *const value_type_names[GGUF_VALUE_TYPE_COUNT] = {
        [GGUF_U8] = "u8",   [GGUF_I8] = "i8",   [GGUF_U16] = "u16",   [GGUF_I16] = "i16",       [GGUF_U32] = "u32",
        [GGUF_I32] = "i32", [GGUF_F32] = "f32", [GGUF_BOOL] = "bool", [GGUF_STRING] = "string", [GGUF_ARRAY] = "array",
        [GGUF_U64] = "u64", [GGUF_I64] = "i64", [GGUF_F64] = "f64",
};

/* Terminated, valid UTF-8, without NUL: bytes that are none become U+FFFD. The caller's to free, or NULL. */
static char *utf8_of(struct gguf_string s) {
        if (s.length > (SIZE_MAX - 1) / 3)
                return NULL;
        char *out = malloc(s.length * 3 + 1); /* U+FFFD has three bytes */
        size_t used = 0;
        for (uint64_t at = 0; out && at < s.length;) {
                uint32_t codepoint = 0;
                size_t count = printable_utf8(s.bytes + at, (size_t) (s.length - at), &codepoint);
                if (count == 0 || codepoint == 0) {
                        memcpy(out + used, "\xef\xbf\xbd", 3);
                        used += 3;
                        at++;
                } else {
                        memcpy(out + used, s.bytes + at, count);
                        used += count;
                        at += count;
                }
        }
        if (out)
                out[used] = '\0';
        return out;
}

static cJSON *json_string(struct gguf_string s) {
        char *text = utf8_of(s);
        cJSON *item = text ? cJSON_CreateString(text) : NULL;
        free(text);
        return item;
}

static cJSON *json_unsigned(uint64_t value) {
        char text[24];
        (void) snprintf(text, sizeof(text), "%" PRIu64, value);
        return cJSON_CreateRaw(text);
}

static cJSON *json_signed(int64_t value) {
        char text[24];
        (void) snprintf(text, sizeof(text), "%" PRId64, value);
        return cJSON_CreateRaw(text);
}

static bool is_signed(enum gguf_value_type type) {
        return type == GGUF_I8 || type == GGUF_I16 || type == GGUF_I32 || type == GGUF_I64;
}

static cJSON *json_element(const struct gguf_array *a, uint64_t index) {
        if (a->type == GGUF_STRING)
                return json_string(a->strings[index]);
        if (a->type == GGUF_F32 || a->type == GGUF_F64)
                return cJSON_CreateNumber((double) gguf_array_f32(a, index));
        uint64_t value = gguf_array_u64(a, index);
        if (a->type == GGUF_BOOL)
                return cJSON_CreateBool(value != 0);
        return is_signed(a->type) ? json_signed((int64_t) value) : json_unsigned(value);
}

static cJSON *json_array(const struct gguf_array *a) {
        if (a->count > ARRAY_SHOWN_MAX) {
                cJSON *object = cJSON_CreateObject();
                cJSON_AddStringToObject(object, "type", value_type_names[a->type]);
                cJSON_AddItemToObject(object, "count", json_unsigned(a->count));
                return object;
        }
        cJSON *array = cJSON_CreateArray();
        for (uint64_t i = 0; i < a->count; i++)
                cJSON_AddItemToArray(array, json_element(a, i));
        return array;
}

static cJSON *json_value(const struct gguf_entry *e) {
        switch (e->type) {
        case GGUF_ARRAY: return json_array(&e->array);
        case GGUF_STRING: return json_string(e->string);
        case GGUF_BOOL: return cJSON_CreateBool(e->u != 0);
        case GGUF_F32:
        case GGUF_F64: return cJSON_CreateNumber(e->f);
        default: return is_signed(e->type) ? json_signed(e->i) : json_unsigned(e->u);
        }
}

static void add_metadata(cJSON *object, const struct gguf *g) {
        cJSON *metadata = cJSON_AddObjectToObject(object, "metadata");
        for (size_t i = 0; i < gguf_entries_count(g); i++) {
                const struct gguf_entry *e = gguf_entry_at(g, i);
                char *key = utf8_of(e->key);
                if (key)
                        cJSON_AddItemToObject(metadata, key, json_value(e));
                free(key);
        }
}

static void add_tensors(cJSON *object, const struct gguf *g) {
        cJSON *tensors = cJSON_AddArrayToObject(object, "tensors");
        for (size_t i = 0; i < gguf_tensors_count(g); i++) {
                const struct gguf_tensor *t = gguf_tensor_at(g, i);
                cJSON *row = cJSON_CreateObject();
                cJSON_AddItemToObject(row, "name", json_string(t->name));
                cJSON_AddStringToObject(row, "type", tensor_type_info(t->type)->name);
                cJSON *dims = cJSON_AddArrayToObject(row, "dims");
                for (uint32_t d = 0; d < t->dims_count; d++)
                        cJSON_AddItemToArray(dims, json_unsigned(t->dims[d]));
                cJSON_AddItemToObject(row, "bytes", json_unsigned(t->bytes));
                cJSON_AddItemToArray(tensors, row);
        }
}

static void add_number(cJSON *object, const char *key, uint64_t value) {
        cJSON_AddItemToObject(object, key, json_unsigned(value));
}

static void add_string(cJSON *object, const struct gguf *g, const char *key, const char *metadata_key) {
        struct gguf_string value;
        if (gguf_get_string(g, metadata_key, &value) == 0)
                cJSON_AddItemToObject(object, key, json_string(value));
}

static void add_hparams(cJSON *object, const struct inspection *i) {
        const struct hparams *s = i->hparams;
        cJSON_AddStringToObject(object, "quantization", s->quantization);
        add_number(object, "parameters", s->parameters);
        add_number(object, "weights_bytes", s->weights_bytes);
        add_number(object, "decode_bytes", s->decode_bytes);
        add_number(object, "scratch_bytes",
                   hparams_buffer_bytes(s, engine_config_batch(&i->load), engine_config_logits(&i->load), i->load.threads));
        add_number(object, "overhead_bytes", hparams_overhead_bytes(s));
        add_number(object, "n_ctx_train", s->n_ctx_train);
        add_number(object, "n_vocab", s->n_vocab);
        add_number(object, "n_layer", s->n_layer);
        add_number(object, "n_embd", s->n_embd);
        add_number(object, "n_head", s->n_head);
        add_number(object, "n_head_kv", s->n_head_kv);
        if (s->n_expert) {
                add_number(object, "n_expert", s->n_expert);
                add_number(object, "n_expert_used", s->n_expert_used);
        }
        if (s->window)
                add_number(object, "sliding_window", s->window);
        cJSON_AddBoolToObject(object, "makes_text", hparams_makes_text(s));
        cJSON_AddStringToObject(object, "pooling", pooling_name(s->pooling));
        cJSON *kv = cJSON_AddObjectToObject(object, "kv_bytes_per_token");
        for (unsigned type = 0; type < KV_TYPE_COUNT; type++) {
                uint64_t bytes = hparams_kv_bytes_per_token(s, (enum kv_type) type);
                if (bytes)
                        add_number(kv, kv_type_name((enum kv_type) type), bytes);
                else
                        cJSON_AddNullToObject(kv, kv_type_name((enum kv_type) type));
        }
}

int inspect_print_json(const struct inspection *i, bool summary) {
        cJSON *object = cJSON_CreateObject();
        struct infill_tokens infill;
        infill_tokens_find(i->gguf, &infill);
        add_string(object, i->gguf, "architecture", "general.architecture");
        add_string(object, i->gguf, "name", "general.name");
        if (i->no_model)
                cJSON_AddStringToObject(object, "no_model", i->no_model);
        if (i->unsupported)
                cJSON_AddStringToObject(object, "unsupported", i->unsupported);
        if (i->hparams)
                add_hparams(object, i);
        else
                add_number(object, "weights_bytes", gguf_tensor_bytes(i->gguf));
        if (i->chat_format)
                cJSON_AddStringToObject(object, "chat_format", i->chat_format);
        if (i->chat->warning[0])
                cJSON_AddStringToObject(object, "chat_warning", i->chat->warning);
        cJSON_AddBoolToObject(object, "takes_tools", i->chat->takes_tools);
        cJSON_AddBoolToObject(object, "reasons", i->chat->output_format.reasoning != NULL);
        cJSON_AddBoolToObject(object, "fills_gaps", infill_tokens_are_there(&infill));
        add_number(object, "files", i->files_count);
        add_number(object, "file_bytes", gguf_file_bytes(i->gguf));
        if (!summary) {
                add_metadata(object, i->gguf);
                add_tensors(object, i->gguf);
        }
        char *text = summary ? cJSON_PrintUnformatted(object) : cJSON_Print(object);
        cJSON_Delete(object);
        if (!text)
                return -ENOMEM;
        puts(text);
        cJSON_free(text);
        return 0;
}
