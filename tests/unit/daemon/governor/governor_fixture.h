/*
 * governor_fixture.h - the fleet's fixture (models/models_fixture.h) under a governor: actions given to the fleet as the
 * governor gives them, and a governor of its own on a box whose memory is a file.
 */
#ifndef HEADROOM_TESTS_UNIT_DAEMON_GOVERNOR_GOVERNOR_FIXTURE_H
#define HEADROOM_TESTS_UNIT_DAEMON_GOVERNOR_GOVERNOR_FIXTURE_H

#include "tests/unit/daemon/models/models_fixture.h"

#include <fcntl.h>

#include "daemon/models/apply.h"
#include "daemon/models/view.h"
#include "daemon/governor/governor.h"
#include "daemon/governor/internal.h"

/* --- actions one by one --- */

static struct {
        uint32_t count;
        struct action action;
        int result;
} told;

static inline void on_action(void *user, const struct action *action, int result) {
        (void) user;
        told.count++;
        told.action = *action;
        told.result = result;
}

static inline struct plan plan_of(struct action action) {
        action.because = REASON_FORECAST;
        return (struct plan){ .duty_permille = 1000,
                              .threads_permille = 1000,
                              .exhaustion_ms = UINT64_MAX,
                              .margin_millidegrees = INT32_MAX,
                              .actions_count = 1,
                              .actions = { action } };
}

static inline void carry_out(const struct plan *plan) {
        static const struct governed actions_too = { .on_tick = on_tick, .on_action = on_action };
        fleet_govern(w.fleet, &actions_too, NULL);
        fleet_obey(w.fleet, plan);
}

/* Carries ACT out and waits for what became of it. */
static inline int obey(struct action action) {
        struct plan plan = plan_of(action);
        uint32_t before = told.count;
        carry_out(&plan);
        eventually(told.count > before);
        assert_int_equal(told.action.kind, action.kind);
        assert_int_equal(told.action.model, action.model);
        return told.result;
}

static struct snapshot snapshot;

static inline const struct model_view *view_of(uint32_t index) {
        snapshot.now_ms = fleet_clock_ms();
        snapshot.ram_bytes = w.fleet->ram_bytes;
        snapshot.available_bytes = w.fleet->available_bytes;
        fleet_view(w.fleet, &snapshot);
        for (uint32_t i = 0; i < snapshot.models_count; i++)
                if (snapshot.models[i].id == index)
                        return &snapshot.models[i];
        return NULL;
}

/* A loaded model that answers one long request and has said how it is. */
static inline void one_busy(struct client *c, const char *orders) {
        add_model(orders)->kv_floor = KV_Q8_0;
        open_fleet();
        ask_for(c, "a", 100000);
        eventually(c->text[0] && view_of(0) && view_of(0)->kv_bytes[KV_F16] > 0);
}

#define BUSY "token_ms=5\nkv_hold=1048576\nprefix_hold=524288\nheartbeat_ms=50\n"

/* --- a box that is played by files --- */

static struct governor *governor;
static bool closed;

static inline void set_meminfo(uint64_t available_mib) {
        char text[256];
        (void) snprintf(text, sizeof(text), "MemTotal: %llu kB\nMemAvailable: %llu kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n",
                        (unsigned long long) MIB(4096) >> 10, (unsigned long long) available_mib << 10);
        /* In place, as the kernel's own: descriptors are held open. */
        int fd = open(path_in("meminfo"), O_WRONLY | O_CREAT, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), (ssize_t) strlen(text));
        assert_int_equal(ftruncate(fd, (off_t) strlen(text)), 0);
        assert_int_equal(close(fd), 0);
}

static inline void on_governor_closed(void *user) {
        (void) user;
        closed = true;
}

static inline void open_governor(void) {
        w.config.governor_enabled = true;
        w.config.proc_root = w.config.sys_root = w.directory;
        w.config.reserve_bytes = MIB(512);
        w.config.margin_target_millidegrees = 15000;
        w.config.critical_millidegrees = 100000;
        set_meminfo(3000);
        open_fleet();
        assert_int_equal(governor_new(&w.loop, &w.config, w.fleet, &governor), 0);
}

static inline void close_governor(void) {
        closed = false;
        governor_close(governor, on_governor_closed, NULL);
        eventually(closed);
        governor = NULL;
}

/* A test that failed has left it open. */
static inline int end_governed_fixture(void **state) {
        if (governor)
                close_governor();
        return end_fixture(state);
}

#define with_governor(TEST) cmocka_unit_test_setup_teardown(TEST, make_fixture, end_governed_fixture)

#endif
