/* reload.c - see reload.h. */
#include "daemon/reload/reload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/bounds.h"
#include "daemon/base/peers.h"
#include "daemon/governor/governor.h"
#include "daemon/models/adopt.h"
#include "daemon/reload/watch.h"
#include "daemon/system/log.h"
#include "daemon/system/notify.h"
#include "engine/base/clock.h"
#include "engine/base/strbuf.h"

struct waiter {
        enum reload_kind kind;
        reload_done *on_done;
        void *user;
};

/* One reading, on the pool: nothing of the loop's is written there. */
struct reading {
        enum reload_kind kind;
        uint64_t settle_ms;
        struct text problems, warnings;
        struct config *next;
        struct config_change *changes;
        int result, changes_count;
};

struct reload {
        uv_work_t work;
        uv_timer_t timer; /* a look that is due soon */
        struct config *config;
        const struct config_source *source;
        struct fleet *fleet;
        struct governor *governor;
        struct watch *watch; /* NULL: there is none */
        struct waiter waiters[RELOAD_WAITERS_MAX];
        uint32_t waiters_count, served_count; /* SERVED: by the reading under way */
        struct reading reading;
        bool is_reading, is_look_due, is_closing, was_unwatched_said;
        uint32_t handles_open;
        uint64_t read_ms; /* when the last reading ended */
};

static void begin_next(struct reload *r);

/* --- reading --- */

static void on_report(void *user, bool is_warning, const char *text) {
        struct reading *in = user;

        text_printf(is_warning ? &in->warnings : &in->problems, "%s\n", text);
}

/* A file that is being written may be empty, and an empty one is no mistake: it is read again until it has been left alone. */
static int read_settled(const struct config_source *source, struct reading *in) {
        for (unsigned tries = 1;; tries++) {
                *source->newest_ms = 0;
                int result = config_read(source, &in->next);
                uint64_t now_ms = clock_ms(CLOCK_REALTIME), newest_ms = *source->newest_ms;
                if (newest_ms > now_ms || now_ms - newest_ms >= RELOAD_QUIET_MS || tries == RELOAD_TRIES_MAX)
                        return result;
                if (result == 0)
                        config_free(in->next);
                text_done(&in->problems);
                text_done(&in->warnings);
                (void) usleep(RELOAD_QUIET_MS * 1000);
        }
}

static void read_files(uv_work_t *work) {
        struct reload *r = work->data;
        struct reading *in = &r->reading;
        struct config_source source = *r->source;
        uint64_t newest_ms = 0;

        source.newest_ms = &newest_ms;
        source.is_start = source.is_strict = false;
        source.report = on_report;
        source.user = in;
        source.on_folder = r->watch ? watch_folder : NULL;
        source.folder_user = r->watch;
        in->result = in->kind == RELOAD_LOOK ? config_look_again(&source, r->config, in->settle_ms, &in->next)
                                             : read_settled(&source, in);
        if (in->result == 0)
                in->changes_count = config_compare(r->config, in->next, &in->changes);
        if (in->changes_count < 0) {
                in->result = in->changes_count;
                config_free(in->next);
        }
}

/* --- taking effect --- */

static bool was_left_out(const struct config *c, const struct config_left_out *o) {
        for (uint32_t i = 0; i < c->left_out_count; i++)
                if (!strcmp(c->left_out[i].path, o->path) && !strcmp(c->left_out[i].why, o->why))
                        return true;
        return false;
}

static void log_changes(const struct reload *r) {
        const struct reading *in = &r->reading;

        for (int i = 0; i < in->changes_count && i < RELOAD_SAID_MAX; i++)
                log_info("changed", LOG_TEXT("what", in->changes[i].text));
        for (uint32_t i = 0; i < in->next->left_out_count; i++)
                if (!was_left_out(r->config, &in->next->left_out[i]))
                        log_warning("left_out", LOG_TEXT("path", in->next->left_out[i].path),
                                    LOG_TEXT("because", in->next->left_out[i].why));
        if (in->changes_count > 0 || in->kind == RELOAD_ALL)
                log_info("reload", LOG_TEXT("of", in->kind == RELOAD_ALL ? "everything" : "the models directory"),
                         LOG_NUMBER("changes", in->changes_count), LOG_NUMBER("models", in->next->models_count),
                         LOG_NUMBER("unsettled", in->next->unsettled));
}

/* Each on a line of its own, as at the start. Takes the text apart. */
static void log_lines(struct text *lines, enum log_level level) {
        char *rest = NULL;

        for (char *line = lines->bytes ? strtok_r(lines->bytes, "\n", &rest) : NULL; line; line = strtok_r(NULL, "\n", &rest))
                log_event(level, "config", LOG_TEXT("problem", line));
}

static void log_problems(struct reading *in) {
        log_lines(&in->problems, LOG_LEVEL_ERROR);
        log_error("reload_failed", LOG_TEXT("error", in->result == -EINVAL ? "there are mistakes" : strerror(-in->result)),
                  LOG_TEXT("effect", "everything stays as it was"));
}

static void take_effect(struct reload *r) {
        struct config *next = r->reading.next;
        const uint64_t budget_bytes = r->config->budget_bytes;

        if (r->reading.kind == RELOAD_ALL) /* a look at the models directory would say them again and again */
                log_lines(&r->reading.warnings, LOG_LEVEL_WARNING);
        log_changes(r);
        config_take(r->config, next);
        if (r->config->budget_bytes != budget_bytes)
                peers_tell(PEERS_DIRECTORY, r->config->budget_bytes);
        fleet_adopt(r->fleet, next->models, next->models_count);
        governor_reconfigure(r->governor);
        log_open(r->config->log_level);
}

static void on_timer(uv_timer_t *timer) {
        struct reload *r = timer->data;

        r->is_look_due = true;
        begin_next(r);
}

static void look_soon(struct reload *r, uint64_t ms) {
        if (!r->is_closing && !uv_is_active((uv_handle_t *) &r->timer))
                (void) uv_timer_start(&r->timer, on_timer, ms, 0);
}

static void say_unwatched(struct reload *r, int error) {
        if (error == 0 || r->was_unwatched_said)
                return;
        r->was_unwatched_said = true;
        log_warning("models_not_watched", LOG_TEXT("path", r->config->models_dir), LOG_TEXT("error", strerror(-error)),
                    LOG_TEXT("effect", "changes there are seen by headroomctl reload, not by themselves"));
}

/* --- one after the other --- */

static void tell(struct reload *r) {
        struct reading *in = &r->reading;
        struct waiter served[RELOAD_WAITERS_MAX];
        uint32_t count = r->served_count;
        const struct reload_result result = { .error = r->is_closing ? -ECANCELED : in->result,
                                              .problems = text_string(&in->problems),
                                              .changes = in->changes,
                                              .changes_count = in->result ? 0 : in->changes_count };

        memcpy(served, r->waiters, count * sizeof *served);
        r->waiters_count -= count;
        memmove(r->waiters, r->waiters + count, r->waiters_count * sizeof *r->waiters);
        r->served_count = 0;
        for (uint32_t i = 0; i < count; i++)
                if (served[i].on_done)
                        served[i].on_done(served[i].user, &result);
}

static void on_read(uv_work_t *work, int status) {
        struct reload *r = work->data;
        struct reading *in = &r->reading;
        struct text shown = { 0 };

        if (status < 0)
                in->result = status;
        text_puts(&shown, text_string(&in->problems)); /* logging takes it apart */
        if (in->result == 0 && in->kind != RELOAD_DRY && !r->is_closing)
                take_effect(r);
        else if (in->result < 0 && !r->is_closing && in->kind != RELOAD_DRY)
                log_problems(in);
        text_done(&in->problems);
        in->problems = shown;
        if (in->result == 0 && in->next->unsettled > 0)
                look_soon(r, RELOAD_SETTLE_MS);
        if (in->kind == RELOAD_ALL)
                systemd_reloaded();
        say_unwatched(r, r->watch ? watch_error(r->watch) : -ENOSYS);
        tell(r);
        if (in->result == 0)
                config_free(in->next);
        free(in->changes);
        text_done(&in->problems);
        text_done(&in->warnings);
        r->is_reading = false;
        r->read_ms = uv_now(r->timer.loop);
        begin_next(r);
}

/* All waiters of the first one's kind that stand together are served by one reading. */
static uint32_t first_of_a_kind(const struct reload *r) {
        uint32_t count = 0;

        while (count < r->waiters_count && r->waiters[count].kind == r->waiters[0].kind)
                count++;
        return count;
}

static void finish(struct reload *r) {
        if (r->is_closing && !r->is_reading && r->handles_open == 0)
                free(r);
}

static void begin_next(struct reload *r) {
        if (r->is_closing) {
                if (r->watch)
                        watch_close(r->watch);
                r->watch = NULL;
                r->served_count = r->waiters_count;
                r->reading = (struct reading){ 0 };
                tell(r);
                finish(r);
                return;
        }
        if (r->is_reading || (r->waiters_count == 0 && !r->is_look_due))
                return;
        r->served_count = first_of_a_kind(r);
        r->reading =
                (struct reading){ .kind = r->served_count ? r->waiters[0].kind : RELOAD_LOOK, .settle_ms = RELOAD_SETTLE_MS };
        r->is_look_due = false;
        if (r->reading.kind == RELOAD_ALL)
                systemd_reloading();
        r->work.data = r;
        r->is_reading = uv_queue_work(r->timer.loop, &r->work, read_files, on_read) == 0;
}

int reload_begin(struct reload *r, enum reload_kind kind, reload_done *on_done, void *user) {
        if (r->is_closing)
                return -ECANCELED;
        if (r->waiters_count == RELOAD_WAITERS_MAX)
                return -EAGAIN;
        r->waiters[r->waiters_count++] = (struct waiter){ kind, on_done, user };
        begin_next(r);
        return 0;
}

/* --- its life --- */

/* For folders that give no notice, such as those of a network. */
static void on_unknown(void *user) {
        struct reload *r = user;

        if (uv_now(r->timer.loop) - r->read_ms >= RELOAD_LOOK_MS)
                look_soon(r, 0);
}

static void on_change(void *user) {
        look_soon(user, RELOAD_SOON_MS);
}

int reload_new(uv_loop_t *loop, struct config *config, const struct config_source *source, struct fleet *fleet,
               struct governor *governor, struct reload **ret) {
        struct reload *r = calloc(1, sizeof *r);

        if (!r)
                return -ENOMEM;
        r->config = config;
        r->source = source;
        r->fleet = fleet;
        r->governor = governor;
        (void) uv_timer_init(loop, &r->timer);
        uv_unref((uv_handle_t *) &r->timer);
        r->timer.data = r;
        r->handles_open = 1;
        int error = watch_new(loop, on_change, r, &r->watch);
        say_unwatched(r, error);
        fleet_on_unknown(fleet, on_unknown, r);
        r->is_look_due = true; /* the first look finds what to watch, and what came since the start */
        begin_next(r);
        *ret = r;
        return 0;
}

static void on_timer_closed(uv_handle_t *handle) {
        struct reload *r = handle->data;

        r->handles_open--;
        finish(r);
}

void reload_close(struct reload *r) {
        r->is_closing = true;
        fleet_on_unknown(r->fleet, NULL, NULL);
        uv_close((uv_handle_t *) &r->timer, on_timer_closed);
        if (!r->is_reading)
                begin_next(r);
}
