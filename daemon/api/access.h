/* access.h - what the key of a request lets it do; where no key is wanted, everything. */
#ifndef HEADROOM_DAEMON_API_ACCESS_H
#define HEADROOM_DAEMON_API_ACCESS_H

#include "daemon/api/api_internal.h"
#include "daemon/base/bounds.h"

struct key;

/* Whether X may pass. Else it is answered. */
bool access_check(struct api *api, struct http_exchange *x);
/* The models that X may know of, until the configuration changes. */
struct access_view {
        bool has_all;
        uint32_t count, indexes[KEY_ALLOW_MAX];
};
struct access_view access_view(struct api *api, const struct http_exchange *x);
bool access_sees(const struct access_view *view, uint32_t index);
/*
 * A request for MODEL, as the client called it, is about to begin: *CLASS becomes that of its key, which is *ret until access_release.
 * False and *reterr where the key does not let it.
 */
bool access_admit(struct api *api, const struct http_exchange *x, const char *model, enum request_class *class, struct key **ret,
                  struct failure *reterr);
/* TOKENS: of the prompt and the answer. KEY NULL is fine. */
void access_release(struct api *api, struct key *key, uint64_t tokens);

#endif
