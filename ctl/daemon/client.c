/*
 * client.c - questions to the daemon.
 *
 * Each question is one libcurl transfer. A post that is watched runs on a multi handle beside short GETs of the
 * list of models: loading takes as long as it takes, and the person who waits sees how far it has come.
 */
#include "ctl/daemon/client.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "ctl/base/bounds.h"
#include "ctl/base/command.h"
#include "ctl/output/json.h"
#include "engine/base/clock.h"
#include "engine/base/strbuf.h"

struct transfer {
        CURL *easy;
        struct curl_slist *headers;
        char *post; /* the body to send; NULL for a GET */
        struct text reply;
        bool reply_too_long;
        CURLcode result;
};

static size_t on_bytes(char *bytes, size_t one, size_t count, void *user) {
        struct transfer *t = user;
        assert(one == 1);
        t->reply_too_long = count > REPLY_BYTES_MAX - t->reply.used;
        return !t->reply_too_long && text_add(&t->reply, bytes, count) ? count : 0;
}

static void transfer_open(struct transfer *t, const char *socket_path, const char *path, const cJSON *body) {
        char url[CLIENT_PATH_MAX + 64];
        snprintf(url, sizeof(url), "http://localhost%s", path);
        *t = (struct transfer){ .easy = curl_easy_init() };
        assert(t->easy);
        curl_easy_setopt(t->easy, CURLOPT_URL, url);
        curl_easy_setopt(t->easy, CURLOPT_UNIX_SOCKET_PATH, socket_path);
        curl_easy_setopt(t->easy, CURLOPT_PROXY, "");
        curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
        curl_easy_setopt(t->easy, CURLOPT_USERAGENT, "headroomctl/" HEADROOM_VERSION);
        curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_bytes);
        curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
        curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
        if (!body) {
                curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, ANSWER_TIMEOUT_MS);
                return;
        }
        t->post = cJSON_PrintUnformatted(body);
        t->headers = curl_slist_append(NULL, "Content-Type: application/json");
        assert(t->post && t->headers);
        t->headers = curl_slist_append(t->headers, "Expect:"); /* no 100-continue: it would cost a second */
        curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, t->post);
        curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
}

static void transfer_close(struct transfer *t) {
        curl_easy_cleanup(t->easy);
        curl_slist_free_all(t->headers);
        free(t->post);
        text_done(&t->reply);
        *t = (struct transfer){ 0 };
}

static int fail(struct problem *reterr, int exit_code, const char *code, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
static int fail(struct problem *reterr, int exit_code, const char *code, const char *format, ...) {
        va_list args;
        reterr->exit_code = exit_code;
        reterr->advice[0] = '\0';
        snprintf(reterr->code, sizeof(reterr->code), "%s", code);
        va_start(args, format);
        vsnprintf(reterr->message, sizeof(reterr->message), format, args);
        va_end(args);
        return exit_code;
}

/* The transfer itself broke: say which of the few usual reasons it was. */
static int judge_broken(struct transfer *t, const char *socket_path, struct problem *reterr) {
        long os_errno = 0;
        curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &os_errno);
        if (t->result == CURLE_COULDNT_CONNECT && (os_errno == EACCES || os_errno == EPERM))
                return fail(reterr, CTL_UNREACHABLE, "unreachable",
                            "you may not use %s: become a member of the group headroom, or ask with sudo", socket_path);
        if (t->result == CURLE_COULDNT_CONNECT)
                return fail(reterr, CTL_UNREACHABLE, "unreachable",
                            "no daemon answers at %s: start it with `systemctl start headroomd` or `headroomd`, or name its "
                            "socket with --socket",
                            socket_path);
        if (t->result == CURLE_OPERATION_TIMEDOUT)
                return fail(reterr, CTL_UNREACHABLE, "unreachable",
                            "the daemon at %s does not answer within %ld s; `journalctl -u headroomd` may tell why", socket_path,
                            ANSWER_TIMEOUT_MS / 1000);
        if (t->reply_too_long)
                return fail(reterr, CTL_FAILED, "bad_reply", "the answer from %s is longer than %u MiB: is this headroomd?",
                            socket_path, REPLY_BYTES_MAX >> 20);
        return fail(reterr, CTL_UNREACHABLE, "unreachable",
                    "the daemon at %s hung up before it answered (%s); `journalctl -u headroomd` may tell why", socket_path,
                    curl_easy_strerror(t->result));
}

/* Judges a transfer that is over: its reply, or the problem. */
static int transfer_judge(struct transfer *t, const char *socket_path, cJSON **ret, struct problem *reterr) {
        if (t->result != CURLE_OK)
                return judge_broken(t, socket_path, reterr);
        long status = 0;
        curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
        cJSON *body = cJSON_ParseWithLength(text_string(&t->reply), t->reply.used);
        if (cJSON_IsObject(body) && status >= 200 && status < 300) {
                *ret = body;
                return 0;
        }
        const cJSON *error = cJSON_GetObjectItemCaseSensitive(body, "error");
        const char *message = json_text(error, "message"), *code = json_text(error, "code");
        int rc;
        if (*message) {
                rc = fail(reterr, CTL_FAILED, *code ? code : "error", "%s", message);
                snprintf(reterr->advice, sizeof(reterr->advice), "%s", json_text(error, "advice"));
        } else {
                rc = fail(reterr, CTL_FAILED, "bad_reply",
                          "the answer from %s (HTTP %ld) is not one of headroomd: check --socket", socket_path, status);
        }
        cJSON_Delete(body);
        return rc;
}

int client_get(const char *socket_path, const char *path, cJSON **ret, struct problem *reterr) {
        struct transfer t;
        if (strlen(socket_path) >= sizeof(((struct sockaddr_un *) NULL)->sun_path))
                return fail(reterr, CTL_USAGE, "usage", "the socket path %s is too long for a unix socket", socket_path);
        transfer_open(&t, socket_path, path, NULL);
        t.result = curl_easy_perform(t.easy);
        int rc = transfer_judge(&t, socket_path, ret, reterr);
        transfer_close(&t);
        return rc;
}

int client_get_text(const char *socket_path, const char *path, char **ret, struct problem *reterr) {
        struct transfer t;
        cJSON *ignored = NULL;
        long status = 0;
        if (strlen(socket_path) >= sizeof(((struct sockaddr_un *) NULL)->sun_path))
                return fail(reterr, CTL_USAGE, "usage", "the socket path %s is too long for a unix socket", socket_path);
        transfer_open(&t, socket_path, path, NULL);
        t.result = curl_easy_perform(t.easy);
        curl_easy_getinfo(t.easy, CURLINFO_RESPONSE_CODE, &status);
        int rc = 0;
        if (t.result == CURLE_OK && status == 200 && t.reply.used > 0) {
                *ret = t.reply.bytes;
                t.reply.bytes = NULL;
        } else {
                rc = transfer_judge(&t, socket_path, &ignored, reterr);
                if (rc == 0)
                        rc = fail(reterr, CTL_FAILED, "bad_reply", "the answer from %s is empty", socket_path);
        }
        cJSON_Delete(ignored);
        transfer_close(&t);
        return rc;
}

int client_escape(const char *text, char *ret, size_t size) {
        static const char hex[] = "0123456789ABCDEF";
        size_t used = 0;
        for (const unsigned char *c = (const unsigned char *) text; *c; c++) {
                bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == '-' ||
                             *c == '.' || *c == '_';
                if (used + 4 > size)
                        return -E2BIG;
                if (plain) {
                        ret[used++] = (char) *c;
                        continue;
                }
                ret[used++] = '%';
                ret[used++] = hex[*c >> 4];
                ret[used++] = hex[*c & 15];
        }
        if (used >= size)
                return -E2BIG;
        ret[used] = '\0';
        return 0;
}

/* The short questions beside a long one. */
struct watch {
        CURLM *multi;
        const char *socket_path;
        struct transfer transfer; /* easy NULL: none under way */
        uint64_t next_ms;
        cJSON *models; /* the latest answer */
};

static void watch_start(struct watch *w, uint64_t now) {
        if (w->transfer.easy || now < w->next_ms)
                return;
        transfer_open(&w->transfer, w->socket_path, "/control/models", NULL);
        curl_multi_add_handle(w->multi, w->transfer.easy);
        w->next_ms = now + WATCH_PERIOD_MS;
}

static void watch_stop(struct watch *w) {
        if (!w->transfer.easy)
                return;
        curl_multi_remove_handle(w->multi, w->transfer.easy);
        transfer_close(&w->transfer);
}

static void watch_finish(struct watch *w) {
        cJSON *models;
        struct problem ignored;
        if (transfer_judge(&w->transfer, w->socket_path, &models, &ignored) == 0) {
                cJSON_Delete(w->models);
                w->models = models;
        }
        watch_stop(w);
}

/* Notes what has ended; true when POST has. */
static bool collect(CURLM *multi, struct transfer *post, struct watch *watch) {
        int left;
        bool over = false;
        for (CURLMsg *m; (m = curl_multi_info_read(multi, &left));) {
                if (m->msg != CURLMSG_DONE)
                        continue;
                if (m->easy_handle == post->easy) {
                        post->result = m->data.result;
                        over = true;
                } else {
                        watch->transfer.result = m->data.result;
                        watch_finish(watch);
                }
        }
        return over;
}

static void perform_watched(struct transfer *post, const char *socket_path, client_progress *on_progress, void *user) {
        CURLM *multi = curl_multi_init();
        assert(multi);
        uint64_t start = clock_ms(CLOCK_MONOTONIC);
        struct watch watch = { .multi = multi, .socket_path = socket_path, .next_ms = start };
        curl_multi_add_handle(multi, post->easy);
        for (;;) {
                int running;
                CURLMcode rc = curl_multi_perform(multi, &running);
                if (rc != CURLM_OK) {
                        post->result = CURLE_FAILED_INIT;
                        break;
                }
                if (collect(multi, post, &watch))
                        break;
                uint64_t now = clock_ms(CLOCK_MONOTONIC);
                watch_start(&watch, now);
                on_progress(user, now - start, json_array(watch.models, "models"));
                (void) curl_multi_poll(multi, NULL, 0, PROGRESS_PERIOD_MS, NULL);
        }
        watch_stop(&watch);
        cJSON_Delete(watch.models);
        curl_multi_remove_handle(multi, post->easy);
        curl_multi_cleanup(multi);
}

int client_post(const char *socket_path, const char *path, const cJSON *body, client_progress *on_progress, void *user,
                cJSON **ret, struct problem *reterr) {
        struct transfer t;
        if (strlen(socket_path) >= sizeof(((struct sockaddr_un *) NULL)->sun_path))
                return fail(reterr, CTL_USAGE, "usage", "the socket path %s is too long for a unix socket", socket_path);
        transfer_open(&t, socket_path, path, body);
        if (on_progress)
                perform_watched(&t, socket_path, on_progress, user);
        else
                t.result = curl_easy_perform(t.easy);
        int rc = transfer_judge(&t, socket_path, ret, reterr);
        transfer_close(&t);
        return rc;
}

const cJSON *client_find_model(const cJSON *models, const char *name) {
        const cJSON *model;
        cJSON_ArrayForEach(model, models) {
                if (!strcmp(json_text(model, "id"), name))
                        return model;
        }
        cJSON_ArrayForEach(model, models) {
                const cJSON *alias;
                cJSON_ArrayForEach(alias, json_array(model, "aliases")) {
                        if (cJSON_IsString(alias) && !strcmp(alias->valuestring, name))
                                return model;
                }
        }
        return NULL;
}
