/* test_bg_thread.c - a thread for what may hang: whose the data is, and that it is dropped exactly once however it is left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "daemon/system/bg_thread.h"

static atomic_uint runs, drops;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER; /* whoever holds it makes the errand hang */

struct work {
        int in, out;
};

static void run(void *data) {
        struct work *w = data;
        (void) pthread_mutex_lock(&gate);
        (void) pthread_mutex_unlock(&gate);
        w->out = w->in * 2;
        atomic_fetch_add(&runs, 1);
}

static void drop(void *data) {
        (void) data;
        atomic_fetch_add(&drops, 1);
}

static const struct bg_thread_kind kind = { sizeof(struct work), run, drop };

static struct bg_thread *make(void) {
        struct bg_thread *e;
        runs = drops = 0;
        assert_int_equal(bg_thread_new(&kind, &e), 0);
        return e;
}

static void wait_until(atomic_uint *count, unsigned wanted) {
        for (int i = 0; i < 2000 && atomic_load(count) != wanted; i++)
                (void) usleep(5000);
        assert_int_equal(atomic_load(count), wanted);
}

static void wait_until_done(const struct bg_thread *e) {
        for (int i = 0; i < 2000 && bg_thread_is_running(e); i++)
                (void) usleep(5000);
        assert_false(bg_thread_is_running(e));
}

static void again_and_again(void **state) {
        (void) state;
        struct bg_thread *e = make();
        struct work *w = bg_thread_data(e);
        assert_int_equal(w->out, 0);
        for (int i = 1; i <= 100; i++) {
                w->in = i;
                bg_thread_start(e);
                wait_until_done(e);
                assert_int_equal(w->out, 2 * i);
        }
        bg_thread_leave(e);
        assert_int_equal(runs, 100);
        assert_int_equal(drops, 1);
}

static void left_without_a_run(void **state) {
        (void) state;
        bg_thread_leave(make());
        assert_int_equal(runs, 0);
        assert_int_equal(drops, 1);
        bg_thread_leave(NULL);
}

static void left_while_it_hangs(void **state) {
        (void) state;
        struct bg_thread *e = make();
        (void) pthread_mutex_lock(&gate);
        bg_thread_start(e);
        (void) usleep(20000);
        assert_true(bg_thread_is_running(e));
        bg_thread_leave(e);
        assert_int_equal(drops, 0);
        (void) pthread_mutex_unlock(&gate);
        wait_until(&drops, 1);
        assert_int_equal(runs, 1);
}

/* The thread may not even have woken: it once took being left for being joined, and nobody freed it. */
static void left_at_once(void **state) {
        (void) state;
        for (int i = 0; i < 500; i++) {
                struct bg_thread *e = make();
                bg_thread_start(e);
                bg_thread_leave(e);
                wait_until(&drops, 1);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(again_and_again),
                cmocka_unit_test(left_without_a_run),
                cmocka_unit_test(left_while_it_hangs),
                cmocka_unit_test(left_at_once),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
