/* access.c - see access.h. */
#include "daemon/api/access.h"

#include <string.h>

#include "daemon/keys/keys.h"
#include "daemon/keys/presented.h"
#include "daemon/requests/failure.h"
#include "daemon/state/lookup.h"
#include "daemon/system/log.h"
#include "engine/base/clock.h"

static bool is_wanted(const struct api *api) {
        const char *who = api->config->keys;

        if (!api->keys || !strcmp(who, CONFIG_KEYS_OPEN))
                return false;
        return api->is_exposed || !strcmp(who, "required") || (!strcmp(who, "auto") && keys_count(api->keys) > 0);
}

static struct key *key_of(struct api *api, const struct http_exchange *x) {
        char secret[KEY_PRESENTED_MAX];

        return is_wanted(api) && key_presented(x, secret) ? keys_find(api->keys, secret) : NULL;
}

/* Whether somebody is there is no secret, and what a browser asks before it may send a key has none. */
static bool is_open(const struct http_exchange *x) {
        return !strcmp(http_path(x), "/health") || !strcmp(http_path(x), "/") || http_method(x) == METHOD_OPTIONS;
}

bool access_check(struct api *api, struct http_exchange *x) {
        if (!is_wanted(api) || is_open(x) || key_of(api, x))
                return true;
        http_answer_error(x, REASON_KEY_WRONG, "WWW-Authenticate: Bearer\r\n", NULL);
        return false;
}

/* The list of KEY names ids or aliases. */
static struct access_view view_of(struct api *api, const struct key *key) {
        struct access_view view = { .has_all = key->allow_count == 0 };

        for (uint32_t i = 0; i < key->allow_count; i++)
                view.count += fleet_model_find(api->fleet, key->allow[i], &view.indexes[view.count]) == 0;
        return view;
}

struct access_view access_view(struct api *api, const struct http_exchange *x) {
        const struct key *key = key_of(api, x);

        return key ? view_of(api, key) : (struct access_view){ .has_all = !is_wanted(api) };
}

bool access_sees(const struct access_view *view, uint32_t index) {
        for (uint32_t i = 0; i < view->count; i++)
                if (view->indexes[i] == index)
                        return true;
        return view->has_all;
}

static enum reason admit(struct api *api, struct key *key, const char *model, uint64_t *ret_after_ms) {
        struct access_view view = view_of(api, key);
        uint32_t index;

        *ret_after_ms = 0;
        if (fleet_model_find(api->fleet, model, &index) == 0 && !access_sees(&view, index))
                return REASON_KEY_MODEL;
        enum reason reason = key_admit(key, clock_ms(CLOCK_MONOTONIC), ret_after_ms);
        if (reason == REASON_KEY_CONCURRENT) /* until one of them ends */
                *ret_after_ms = fleet_service_ms(api->fleet, model) / key->running;
        return reason;
}

bool access_admit(struct api *api, const struct http_exchange *x, const char *model, enum request_class *class, struct key **ret,
                  struct failure *reterr) {
        struct key *key = key_of(api, x);
        uint64_t after_ms = 0;

        *ret = NULL;
        if (!key && !is_wanted(api))
                return true;
        enum reason reason = key ? admit(api, key, model, &after_ms) : REASON_KEY_WRONG; /* it has been removed meanwhile */
        if (reason == REASON_NONE) {
                *ret = key;
                *class = key->class != REQUEST_CLASS_OF_MODEL ? key->class : *class;
                return true;
        }
        log_info("key_refused", LOG_TEXT("id", http_request_id(x)), LOG_TEXT("key", key ? key->name : ""),
                 LOG_TEXT("reason", reason_info(reason)->word));
        failure_set(reterr, reason, NULL);
        if (after_ms > 0) {
                failure_set_retry_after(reterr, after_ms);
                reterr->should_retry = after_ms <= 1000 * (uint64_t) reterr->retry_after_s;
        }
        return false;
}

void access_release(struct api *api, struct key *key, uint64_t tokens) {
        if (key)
                key_release(api->keys, key, tokens, clock_ms(CLOCK_MONOTONIC));
}
