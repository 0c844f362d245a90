/* watch.c - see watch.h. Writing itself gives no notice, only its end: a file of many GiB is news once. */
#include "daemon/reload/watch.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "daemon/base/bounds.h"

#define NEWS                                                                                                                \
        (IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB | \
         IN_ONLYDIR | IN_EXCL_UNLINK)

struct watch {
        uv_poll_t poll;
        int fd;
        atomic_int error;
        void (*on_change)(void *user);
        void *user;
};

static bool is_hidden(const struct inotify_event *e) {
        return e->len > 0 && e->name[0] == '.';
}

static void on_readable(uv_poll_t *poll, int status, int events) {
        struct watch *w = poll->data;
        _Alignas(struct inotify_event) char bytes[4096];
        bool is_news = status < 0;
        ssize_t count;

        (void) events;
        while ((count = read(w->fd, bytes, sizeof bytes)) > 0)
                for (const char *at = bytes; at < bytes + count;) {
                        const struct inotify_event *e = (const void *) at;
                        is_news = is_news || !(is_hidden(e) || (e->mask & IN_IGNORED));
                        at += sizeof *e + e->len;
                }
        if (is_news)
                w->on_change(w->user);
}

int watch_new(uv_loop_t *loop, void (*on_change)(void *user), void *user, struct watch **ret) {
        struct watch *w = calloc(1, sizeof *w);

        if (!w)
                return -ENOMEM;
        w->on_change = on_change;
        w->user = user;
        w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        int r = w->fd < 0 ? -errno : uv_poll_init(loop, &w->poll, w->fd);
        if (r < 0) {
                if (w->fd >= 0)
                        (void) close(w->fd);
                free(w);
                return r;
        }
        w->poll.data = w;
        (void) uv_poll_start(&w->poll, UV_READABLE, on_readable);
        uv_unref((uv_handle_t *) &w->poll);
        *ret = w;
        return 0;
}

void watch_folder(void *watch, const char *path) {
        struct watch *w = watch;

        if (inotify_add_watch(w->fd, path, NEWS) < 0)
                w->error = -errno;
}

int watch_error(const struct watch *w) {
        return w->error;
}

static void on_closed(uv_handle_t *handle) {
        struct watch *w = handle->data;

        (void) close(w->fd);
        free(w);
}

void watch_close(struct watch *w) {
        uv_close((uv_handle_t *) &w->poll, on_closed);
}
