/*
 * test_sensors_pressure.c - how pressure is told: by MEMORY_PRESSURE_WATCH over a FIFO and a socket, by triggers of the real
 * kernel, and what becomes of an alarm whose file is gone, which libuv would call back for two million times a second.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "daemon/sensors/psi_notify.h"
#include "daemon/sensors/psi_trigger.h"
#include "tests/unit/daemon/sensors/sensors_fixture.h"

static uv_timer_t timer;
static unsigned rings;

static int make_machine(void **state) {
        (void) unsetenv("MEMORY_PRESSURE_WATCH");
        (void) unsetenv("MEMORY_PRESSURE_WRITE");
        if (make_fixture(state) < 0 || uv_timer_init(&loop, &timer) < 0)
                return -1;
        put("pressure/memory", PSI("1000"));
        return 0;
}

static int remove_machine(void **state) {
        uv_close((uv_handle_t *) &timer, NULL);
        (void) uv_run(&loop, UV_RUN_DEFAULT);
        return remove_fixture(state);
}

static void on_time(uv_timer_t *t) {
        uv_stop(t->loop);
}

static void run_for(unsigned ms) {
        (void) uv_timer_start(&timer, on_time, ms, 0);
        (void) uv_run(&loop, UV_RUN_DEFAULT);
}

static void on_pressure(void *user) {
        ++*(unsigned *) user;
}

static void start_ringing(const char *proc, const char *sys) {
        rings = 0;
        start_with(&(struct sensors_config){ .proc = proc, .sys = sys, .on_pressure = on_pressure, .user = &rings });
}

/* Until the scan has made the alarm work again, however busy the box is. */
static void scan_until_works(const char *name) {
        for (int i = 0; i < 1000 && !source(name)->works; i++) {
                now_ms += SCAN_MS;
                (void) look();
                run_for(5);
        }
        assert_true(source(name)->works);
}

/* --- the protocol --- */

static const struct {
        const char *what, *watch, *write;
        bool is_set, is_off;
        const char *bytes; /* NULL: none */
        size_t count;
} watches[] = {
        { "not set", NULL, NULL, false, false, NULL, 0 },
        { "empty", "", NULL, false, false, NULL, 0 },
        { "off", "/dev/null", "c29tZQ==", false, true, NULL, 0 },
        { "as systemd does", "/sys/fs/cgroup/a/memory.pressure", "c29tZSAyMDAwMDAgMjAwMDAwMAA=", true, false,
          "some 200000 2000000", 20 },
        { "nothing to write", "/run/fifo", NULL, true, false, NULL, 0 },
        { "nothing to write, said", "/run/fifo", "", true, false, NULL, 0 },
        { "no padding", "/run/fifo", "c29t", true, false, "som", 3 },
        { "one sign of padding", "/run/fifo", "c28=", true, false, "so", 2 },
        { "two signs of padding", "/run/fifo", "cw==", true, false, "s", 1 },
        { "a relative path", "fifo", NULL, false, false, NULL, 0 },
        { "not base64", "/run/fifo", "c2$t", false, false, NULL, 0 },
        { "cut", "/run/fifo", "c29", false, false, NULL, 0 },
        { "padding in the middle", "/run/fifo", "c2==c29t", false, false, NULL, 0 },
        { "only padding", "/run/fifo", "====", false, false, NULL, 0 },
        { "a space", "/run/fifo", "c29 ", false, false, NULL, 0 },
};

static void what_the_variables_say(void **state) {
        (void) state;
        for (size_t i = 0; i < sizeof(watches) / sizeof(watches[0]); i++) {
                struct pressure_watch w = pressure_watch_parse(watches[i].watch, watches[i].write);
                bool is_wrong = watches[i].watch && *watches[i].watch && !watches[i].is_set && !watches[i].is_off;
                if (w.is_set != watches[i].is_set || w.is_off != watches[i].is_off || (w.problem != NULL) != is_wrong)
                        fail_msg("%s: %s", watches[i].what, w.problem ? w.problem : "accepted");
                if (w.is_set && (w.bytes_count != watches[i].count ||
                                 (w.bytes_count && memcmp(w.bytes, watches[i].bytes, w.bytes_count) != 0)))
                        fail_msg("%s: %zu bytes", watches[i].what, w.bytes_count);
        }
        char far_too_long[4 * WATCH_WRITE_MAX + 1];
        memset(far_too_long, 'A', sizeof(far_too_long) - 1);
        far_too_long[sizeof(far_too_long) - 1] = '\0';
        assert_non_null(pressure_watch_parse("/run/fifo", far_too_long).problem);
        char long_path[PLACE_MAX + 2];
        memset(long_path, '/', sizeof(long_path) - 1);
        long_path[sizeof(long_path) - 1] = '\0';
        assert_non_null(pressure_watch_parse(long_path, NULL).problem);
}

static void watch(const char *path, const char *write_base64) {
        (void) setenv("MEMORY_PRESSURE_WATCH", path, 1);
        if (write_base64)
                (void) setenv("MEMORY_PRESSURE_WRITE", write_base64, 1);
}

static void by_fifo(void **state) {
        (void) state;
        put_fifo("pressure-fifo");
        watch(whole_path("pressure-fifo"), NULL);
        start_ringing(root, root);
        assert_true(source("pressure watch")->works);
        run_for(20);
        assert_int_equal(rings, 0);
        assert_false(look().pressure_event);
        int fd = open(whole_path("pressure-fifo"), O_WRONLY | O_NONBLOCK);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, "x", 1), 1);
        run_for(20);
        assert_int_equal(rings, 1);
        /* Told once. */
        assert_true(look().pressure_event);
        assert_false(look().pressure_event);

        /* A flood is one ring at a time, and what it says in between is not lost. */
        char flood[4096] = { 0 };
        uint64_t began_ms = uv_hrtime() / 1000000;
        for (int i = 0; i < 10; i++) {
                while (write(fd, flood, sizeof(flood)) > 0)
                        ;
                run_for(30);
        }
        assert_in_range(rings, 2, 3 + (uv_hrtime() / 1000000 - began_ms) / ALARM_PAUSE_MS);
        assert_true(look().pressure_event);
        /* The last writer goes: that is no end, another may come. */
        (void) close(fd);
        run_for(3 * ALARM_PAUSE_MS);
        (void) look();
        unsigned before = rings;
        fd = open(whole_path("pressure-fifo"), O_WRONLY | O_NONBLOCK);
        assert_int_equal(write(fd, "x", 1), 1);
        run_for(3 * ALARM_PAUSE_MS);
        assert_int_equal(rings, before + 1);
        (void) close(fd);
        stop();
}

static int listen_at(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        (void) strcpy(address.sun_path, path);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        assert_int_equal(listen(fd, 4), 0);
        return fd;
}

static void by_socket(void **state) {
        (void) state;
        int listener = listen_at(whole_path("pressure-socket"));
        watch(whole_path("pressure-socket"), "aGVsbG8=");
        start_ringing(root, root);
        int peer = accept(listener, NULL, NULL);
        assert_true(peer >= 0);
        char hello[16] = "";
        assert_int_equal(read(peer, hello, sizeof(hello)), 5);
        assert_string_equal(hello, "hello");
        assert_int_equal(write(peer, "!", 1), 1);
        run_for(20);
        assert_int_equal(rings, 1);
        assert_true(look().pressure_event);

        /* The other side goes: silent, said, and tried again. */
        (void) close(peer);
        run_for(2 * ALARM_PAUSE_MS);
        assert_false(source("pressure watch")->works);
        rings = 0;
        scan_until_works("pressure watch");
        peer = accept(listener, NULL, NULL);
        assert_int_equal(write(peer, "!", 1), 1);
        run_for(2 * ALARM_PAUSE_MS);
        assert_int_equal(rings, 1);
        (void) close(listener);
        (void) close(peer);
        descriptors_before -= 1; /* the listener was open at the start */
        stop();
}

static void what_cannot_be_watched(void **state) {
        (void) state;
        watch(whole_path("not-there"), NULL);
        start_ringing(root, root);
        assert_string_equal(strstr(source("pressure watch")->detail, ": "), ": No such file or directory");
        stop();
        /* A plain file is left as it is. */
        watch(whole_path("pressure/memory"), "c29tZSAyMDAwMDAgMjAwMDAwMAA=");
        start_ringing(root, root);
        assert_false(source("pressure watch")->works);
        assert_true(source("psi")->works);
        assert_string_equal(source("psi")->detail, "polled: none of the kernel's files");
        assert_int_equal(look().stall_us, 1000);
        stop();
        watch("/dev/zero", NULL);
        start_ringing(root, root);
        assert_false(source("pressure watch")->works);
        stop();
        watch(whole_path("pressure/memory"), "%%%%");
        start_ringing(root, root);
        assert_string_equal(source("pressure watch")->detail, "MEMORY_PRESSURE_WRITE is not base64");
        stop();
        watch("/dev/null", NULL);
        start_ringing(root, root);
        assert_null(find_source("pressure watch"));
        assert_string_equal(source("psi")->detail, "polled: triggers are off by MEMORY_PRESSURE_WATCH");
        stop();
}

/* --- the kernel --- */

static void the_real_box(void **state) {
        (void) state;
        start_ringing("/proc", "/sys");
        struct snapshot snapshot = look();
        assert_false(snapshot.memory_blind);
        assert_true(snapshot.ram_bytes > MIB(64));
        const struct sensors_source *psi = source("psi");
        if (!psi->works)
                fprintf(stderr, "SKIP: no pressure information: %s\n", psi->detail);
        else
                assert_true(strncmp(psi->detail, "trigger", 7) == 0 || strncmp(psi->detail, "polled", 6) == 0);
        const struct sensors_source *rows;
        uint32_t count = sensors_sources(sensors, &rows);
        for (uint32_t i = 0; i < count; i++)
                printf("%-24s %s %s\n", rows[i].name, rows[i].works ? "yes" : "no ", rows[i].detail);
        /* Not judged: a figure for whoever wants to know what a look costs. */
        uint64_t began_ns = uv_hrtime();
        for (int i = 0; i < 1000; i++)
                (void) look();
        printf("one look: %.1f us\n", (double) (uv_hrtime() - began_ns) / 1e6);
        stop();
}

/* A control group of our own, made and removed in the box's hierarchy: only root may, and only where it is mounted so. */
static bool make_group(char path[256]) {
        static const char *const mounts[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
        for (size_t i = 0; i < 2; i++) {
                char pressure[300];
                (void) snprintf(path, 256, "%s/headroom-test-%d", mounts[i], (int) getpid());
                (void) snprintf(pressure, sizeof(pressure), "%s/memory.pressure", path);
                if (mkdir(path, 0755) < 0)
                        continue;
                if (access(pressure, W_OK) == 0)
                        return true;
                (void) rmdir(path);
        }
        return false;
}

static void a_group_that_is_removed(void **state) {
        (void) state;
        char path[256];
        if (!make_group(path)) {
                fprintf(stderr, "SKIP: no control groups v2 with pressure that may be written\n");
                skip();
        }
        put("self/cgroup", "0::/g\n");
        (void) make_way("fs/cgroup/x");
        put_link("fs/cgroup/g", path);
        start_ringing(root, root);
        const char *detail = source("own psi")->detail;
        if (strncmp(detail, "trigger", 7) != 0) {
                fprintf(stderr, "SKIP: no trigger may be set: %s\n", detail);
                stop();
                (void) rmdir(path);
                skip();
        }
        run_for(20);
        assert_int_equal(rmdir(path), 0);
        run_for(50);
        /* No alarm was given, no callback comes again and again, and the file is let go. */
        assert_int_equal(rings, 0);
        assert_false(look().pressure_event);
        assert_false(source("own psi")->works && strncmp(source("own psi")->detail, "trigger", 7) == 0);
        uint64_t turns = 0, until = uv_hrtime() + 50000000;
        while (uv_hrtime() < until) {
                (void) uv_run(&loop, UV_RUN_NOWAIT);
                turns++;
                (void) usleep(1000);
        }
        assert_true(turns <= 60);
        stop();
}

/* --- an alarm by itself --- */

static unsigned events, losses, closes;

static void on_event(void *user) {
        (void) user;
        events++;
}

static void on_lost(void *user) {
        (void) user;
        losses++;
}

static void on_alarm_closed(void *user) {
        (void) user;
        closes++;
}

/* Two ends of a TCP connection over loopback. */
static void connect_pair(int ends[2]) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t length = sizeof(address);
        int listener = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(bind(listener, (struct sockaddr *) &address, length), 0);
        assert_int_equal(getsockname(listener, (struct sockaddr *) &address, &length), 0);
        assert_int_equal(listen(listener, 1), 0);
        ends[0] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(ends[0], (struct sockaddr *) &address, length), 0);
        ends[1] = accept(listener, NULL, NULL);
        assert_true(ends[1] >= 0);
        (void) close(listener);
}

/*
 * Urgent data and then a reset: EPOLLPRI together with EPOLLERR, for ever, as the kernel answers for a PSI file that is
 * gone. It stands in for one where there is no hierarchy to make one in.
 */
static void urgent_and_broken(void **state) {
        (void) state;
        run_for(1);
        unsigned before = open_descriptors();
        struct pressure_alarm a = { .on_event = on_event, .on_lost = on_lost };
        int ends[2];
        events = losses = closes = 0;
        connect_pair(ends);
        pressure_alarm_init(&a, &loop);
        assert_int_equal(pressure_alarm_arm(&a, ends[1], false), 0);
        assert_int_equal(send(ends[0], "!", 1, MSG_OOB), 1);
        struct linger none = { .l_onoff = 1 };
        (void) setsockopt(ends[0], SOL_SOCKET, SO_LINGER, &none, sizeof(none));
        (void) close(ends[0]);
        struct pollfd p = { .fd = ends[1], .events = POLLPRI };
        (void) usleep(10000);
        assert_int_equal(poll(&p, 1, 1000), 1);
        assert_int_equal(p.revents & (POLLPRI | POLLERR), POLLPRI | POLLERR);
        run_for(50);
        assert_int_equal(losses, 1);
        assert_int_equal(events, 0);
        assert_int_equal(a.state, ALARM_SILENT);
        pressure_alarm_close(&a, on_alarm_closed);
        run_for(10);
        assert_int_equal(closes, 1);
        assert_int_equal(open_descriptors(), before);
}

/* Urgent data that nobody reads rings for ever: at a pace. And an alarm may be closed at any time. */
static void urgent_for_ever(void **state) {
        (void) state;
        struct pressure_alarm a = { .on_event = on_event, .on_lost = on_lost };
        int ends[2];
        events = losses = closes = 0;
        connect_pair(ends);
        pressure_alarm_init(&a, &loop);
        assert_int_equal(pressure_alarm_arm(&a, ends[1], false), 0);
        assert_int_equal(send(ends[0], "!", 1, MSG_OOB), 1);
        uint64_t began_ms = uv_hrtime() / 1000000;
        run_for(5 * ALARM_PAUSE_MS);
        assert_in_range(events, 1, 2 + (uv_hrtime() / 1000000 - began_ms) / ALARM_PAUSE_MS);
        assert_int_equal(losses, 0);
        pressure_alarm_disarm(&a);
        pressure_alarm_close(&a, on_alarm_closed);
        run_for(10);
        assert_int_equal(closes, 1);
        assert_int_equal(losses, 0);
        (void) close(ends[0]);
}

static void a_pipe_whose_other_end_is_closed(void **state) {
        (void) state;
        struct pressure_alarm a = { .on_event = on_event, .on_lost = on_lost };
        int ends[2];
        events = losses = closes = 0;
        assert_int_equal(pipe(ends), 0);
        pressure_alarm_init(&a, &loop);
        assert_int_equal(pressure_alarm_arm(&a, ends[1], false), 0);
        (void) close(ends[0]);
        run_for(50);
        assert_int_equal(losses, 1);
        assert_int_equal(events, 0);
        /* Armed again with another. */
        assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
        assert_int_equal(pressure_alarm_arm(&a, ends[0], true), 0);
        assert_int_equal(write(ends[1], "x", 1), 1);
        run_for(20);
        assert_int_equal(events, 1);
        (void) close(ends[1]);
        run_for(3 * ALARM_PAUSE_MS);
        assert_int_equal(losses, 2);
        pressure_alarm_close(&a, on_alarm_closed);
        run_for(10);
        assert_int_equal(closes, 1);
}

static void what_cannot_be_polled(void **state) {
        (void) state;
        struct pressure_alarm a = { .on_event = on_event, .on_lost = on_lost };
        closes = losses = 0;
        pressure_alarm_init(&a, &loop);
        int fd = open(whole_path("pressure/memory"), O_RDONLY);
        assert_true(pressure_alarm_arm(&a, fd, true) < 0);
        assert_int_equal(fcntl(fd, F_GETFD), -1);
        pressure_alarm_close(&a, on_alarm_closed);
        run_for(10);
        assert_int_equal(closes, 1);
        assert_int_equal(losses, 0);
}

#define with_machine(TEST) cmocka_unit_test_setup_teardown(TEST, make_machine, remove_machine)

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_the_variables_say),
                with_machine(by_fifo),
                with_machine(by_socket),
                with_machine(what_cannot_be_watched),
                with_machine(the_real_box),
                with_machine(a_group_that_is_removed),
                with_machine(urgent_and_broken),
                with_machine(urgent_for_ever),
                with_machine(a_pipe_whose_other_end_is_closed),
                with_machine(what_cannot_be_polled),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
