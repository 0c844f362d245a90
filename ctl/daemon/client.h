/*
 * client.h - questions to the daemon: HTTP over its unix control socket.
 *
 * Does not print. A failure comes back as one sentence that says what to do next.
 */
#ifndef HEADROOM_CTL_DAEMON_CLIENT_H
#define HEADROOM_CTL_DAEMON_CLIENT_H

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

struct problem {
        int exit_code; /* enum exit_code */
        char code[64]; /* the daemon's word, "unreachable" without one */
        char message[1024];
        char advice[256]; /* the daemon's, what to do next; "" for none */
};

/* 0 and *ret (an object, the caller's to cJSON_Delete); or the exit code, and *reterr. */
int client_get(const char *socket_path, const char *path, cJSON **ret, struct problem *reterr);

/* The same for an answer that is text. The caller's to free. */
int client_get_text(const char *socket_path, const char *path, char **ret, struct problem *reterr);

/* TEXT as a value in a query. 0, or -E2BIG. */
int client_escape(const char *text, char *ret, size_t size);

/*
 * The same with BODY (borrowed) posted, as long as it takes. While it lasts ON_PROGRESS (may be NULL) is called a few
 * times a second with the time gone by and the latest answer of GET /control/models, NULL before there is one.
 */
typedef void client_progress(void *user, uint64_t elapsed_ms, const cJSON *models);
int client_post(const char *socket_path, const char *path, const cJSON *body, client_progress *on_progress, void *user,
                cJSON **ret, struct problem *reterr);

/* The member of MODELS (an array) called NAME, by id or by alias; NULL when there is none. */
const cJSON *client_find_model(const cJSON *models, const char *name);

#endif
