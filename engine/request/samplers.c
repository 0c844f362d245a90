/* samplers.c - see samplers.h. */
#include "engine/request/samplers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/json_get.h"
#include "engine/base/printable.h"
#include "engine/request/error.h"

#define PIECE_BYTES 256u /* of a token's text that is searched */

static int read_whole(const cJSON *body, const char *name, double least, double most, int64_t *out,
                      struct request_error *reterr) {
        const cJSON *value = json_get(body, name);
        if (!value)
                return 0;
        if (!json_is_whole(value, least, most))
                return request_refuse(reterr, name, "%s must be a whole number from %.0f to %.0f.", name, least, most);
        *out = (int64_t) value->valuedouble;
        return 0;
}

/* ---- breakers ---- */

static void break_at(uint32_t *breakers, int32_t id) {
        breakers[id / 32] |= 1u << (id % 32);
}

/* The tokens that hold WORD; one that no token holds whole is broken at the last of its tokens. 0 or -ENOMEM. */
static int add_breaker(const struct request_rules *rules, uint32_t *breakers, const char *word) {
        char piece[PIECE_BYTES];
        bool found = false;
        for (uint32_t id = 0; id < rules->n_vocab; id++) {
                size_t bytes = tokenizer_piece(rules->tokenizer, (int32_t) id, true, false, piece, sizeof(piece));
                if (!memmem(piece, bytes < sizeof(piece) ? bytes : sizeof(piece), word, strlen(word)))
                        continue;
                break_at(breakers, (int32_t) id);
                found = true;
        }
        struct token_list list = { 0 };
        int r = found ? 0 : tokenizer_encode(rules->tokenizer, word, strlen(word), false, false, &list);
        if (list.count)
                break_at(breakers, list.ids[list.count - 1]);
        token_list_done(&list);
        return r;
}

static int add_breakers(const struct request_rules *rules, const cJSON *words, uint32_t *breakers, struct request_error *reterr) {
        static const char *const usual[] = { "\n", ":", "\"", "*" };
        const cJSON *word;
        int r = 0;
        for (size_t i = 0; i < 4 && !words && r == 0; i++)
                r = add_breaker(rules, breakers, usual[i]);
        cJSON_ArrayForEach(word, words) {
                if (r == 0 && word->valuestring[0])
                        r = add_breaker(rules, breakers, word->valuestring);
        }
        return r < 0 ? request_no_memory(reterr) : 0;
}

static int check_breakers(const cJSON *words, struct request_error *reterr) {
        static const char name[] = "dry_sequence_breakers";
        const cJSON *word;
        if (words && (!cJSON_IsArray(words) || cJSON_GetArraySize(words) > (int) DRY_BREAKERS_MAX))
                return request_refuse(reterr, name, "%s must be a list of at most %u texts.", name, DRY_BREAKERS_MAX);
        cJSON_ArrayForEach(word, words) {
                if (!cJSON_IsString(word) || strlen(word->valuestring) > DRY_BREAKER_BYTES_MAX)
                        return request_refuse(reterr, name, "%s must hold texts of at most %u bytes.", name,
                                              DRY_BREAKER_BYTES_MAX);
        }
        return 0;
}

static int read_dry(const struct request_rules *rules, const cJSON *body, struct dry_setting *dry, struct request_error *reterr) {
        const cJSON *words = json_get(body, "dry_sequence_breakers");
        int64_t allowed = dry->allowed_length, last = -1;
        int r = read_whole(body, "dry_allowed_length", 0, DRY_LAST_MAX, &allowed, reterr);
        if (r == 0)
                r = read_whole(body, "dry_penalty_last_n", -1, DRY_LAST_MAX, &last, reterr);
        if (r == 0)
                r = check_breakers(words, reterr);
        if (r < 0 || dry->multiplier <= 0)
                return r;
        uint32_t all = rules->n_ctx_now < DRY_LAST_MAX ? rules->n_ctx_now : DRY_LAST_MAX;
        dry->allowed_length = (uint32_t) allowed;
        dry->last_n = last < 0 || last > all ? all : (uint32_t) last;
        dry->breakers = calloc((rules->n_vocab + 31) / 32, sizeof(*dry->breakers));
        return dry->breakers ? add_breakers(rules, words, dry->breakers, reterr) : request_no_memory(reterr);
}

/* ---- the order ---- */

static void note_unknown(struct request *r, const char *name) {
        char shown[40];
        (void) snprintf(r->note, sizeof(r->note), "samplers: '%s' is not known, and is left out",
                        printable_copy(shown, sizeof(shown), name, strlen(name)));
}

static int take_stage(struct request *r, enum sampler_stage stage, const char *name, struct request_error *reterr) {
        struct sampler_chain *chain = &r->sampling.chain;
        if (stage == STAGE_COUNT)
                note_unknown(r, name);
        else if (chain->count == SAMPLERS_MAX)
                return request_refuse(reterr, "samplers", "samplers must not name more than %u samplers.", SAMPLERS_MAX);
        else
                chain->order[chain->count++] = stage;
        return 0;
}

/* A list of names, or a text of letters. */
static int read_order(const cJSON *body, struct request *r, struct request_error *reterr) {
        const cJSON *value = json_get(body, "samplers"), *name;
        int result = 0;
        if (!value || (cJSON_IsString(value) && !value->valuestring[0])) /* some front ends send their empty field */
                return 0;
        if (!cJSON_IsString(value) && !cJSON_IsArray(value))
                return request_refuse(reterr, "samplers", "samplers must be a list of names, or a text of letters.");
        r->sampling.chain.on = true;
        r->sampling.chain.count = 0;
        for (const char *c = cJSON_IsString(value) ? value->valuestring : ""; *c && result == 0; c++)
                result = take_stage(r, sampler_stage_of_letter(*c), (const char[]){ *c, '\0' }, reterr);
        cJSON_ArrayForEach(name, value) {
                if (result == 0 && !cJSON_IsString(name))
                        result = request_refuse(reterr, "samplers", "samplers must hold names alone.");
                if (result == 0)
                        result = take_stage(r, sampler_stage_named(name->valuestring), name->valuestring, reterr);
        }
        return result;
}

int request_read_samplers(const struct request_rules *rules, const cJSON *body, struct request *r, struct request_error *reterr) {
        struct sampler_chain *chain = &r->sampling.chain;
        int64_t min_keep = 0, mirostat = 0;
        int result = read_whole(body, "min_keep", 0, rules->n_vocab, &min_keep, reterr);
        if (result == 0)
                result = read_whole(body, "mirostat", 0, 2, &mirostat, reterr);
        if (result == 0)
                result = read_dry(rules, body, &chain->dry, reterr);
        if (result == 0)
                result = read_order(body, r, reterr);
        chain->min_keep = (uint32_t) min_keep;
        chain->mirostat = (uint32_t) mirostat;
        chain->on |= sampler_chain_matters(chain);
        return result;
}
