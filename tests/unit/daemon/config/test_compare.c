/* test_compare.c - the differences between two configurations in words, what of them takes effect, and a look at the directory alone. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

#include "daemon/config/config.h"
#include "daemon/config/loader.h"
#include "tests/unit/scratch.h"

static char main_path[256], models_path[256];
static const struct config_override overrides[] = {
        { "--models", "models", "directory", models_path },
        { "--engine", "engine", "path", "/bin/true" },
};

static void on_report(void *user, bool is_warning, const char *text) {
        (void) user;
        if (!is_warning)
                print_message("%s\n", text);
}

static const struct config_source source = {
        .path = main_path, .overrides = overrides, .overrides_count = 2, .report = on_report
};

static int set_up(void **state) {
        char path[256];

        assert_int_equal(make_root(state), 0);
        (void) snprintf(main_path, sizeof main_path, "%s/headroom.conf", root);
        (void) snprintf(models_path, sizeof models_path, "%s/models", root);
        (void) snprintf(path, sizeof path, "%s/models.d", root);
        assert_int_equal(mkdir(models_path, 0700), 0);
        assert_int_equal(mkdir(path, 0700), 0);
        return 0;
}

/* Files that were written long ago. */
static void put_old(const char *name) {
        char path[256];

        put(name, "GGUF");
        (void) snprintf(path, sizeof path, "%s/%s", root, name);
        assert_int_equal(utime(path, &(struct utimbuf){ 1000000000, 1000000000 }), 0);
}

static struct config *read_config(const char *text) {
        struct config *c = NULL;

        put("headroom.conf", text);
        assert_int_equal(config_read(&source, &c), 0);
        return c;
}

/* Every key can be compared: a new kind of value is a row of the table in keys.c, and one in compare.c. */
static void test_every_key_has_a_kind(void **state) {
        (void) state;
        for (size_t i = 0; key_at(i); i++)
                if (key_kind(key_at(i)) == VALUE_NONE)
                        fail_msg("[%s] %s has no kind of value", key_at(i)->section, key_at(i)->name);
}

static void assert_changes(const struct config *a, const struct config *b, const char *expected) {
        struct config_change *changes = NULL;
        char all[4096] = "";
        int count = config_compare(a, b, &changes);

        for (int i = 0; i < count; i++)
                (void) snprintf(all + strlen(all), sizeof all - strlen(all), "%s\n", changes[i].text);
        free(changes);
        assert_string_equal(all, expected);
}

static void test_settings(void **state) {
        (void) state;
        put_old("models/a.gguf");
        struct config *a = read_config("[memory]\nbudget = 1G\n");
        struct config *same = read_config("[memory]\nbudget = 1024M\n");
        struct config *b = read_config(
                "[memory]\nbudget = 2G\n[server]\nlisten = 127.0.0.1:1\nollama = 127.0.0.1:2\nconnections = 7\n[models]\nkv = q8_0\nkeep_alive "
                "= forever\nclass = batch\n[log]\nlevel = debug\n[governor]\ncritical = 87.5\nignore_sensors = 0000000a\n");
        assert_changes(a, same, "");
        char expected[1024];
        (void) snprintf(expected, sizeof expected,
                        "! [server] ollama: - -> 127.0.0.1, needs a restart\n"
                        "! [server] connections: 512 -> 7, needs a restart\n"
                        "~ [memory] budget: 1024 MiB -> 2048 MiB, at once\n"
                        "~ [governor] critical: 100 -> 87.5, at once\n"
                        "! [governor] ignore_sensors: - -> 0000000a, needs a restart\n"
                        "~ [log] level: info -> debug, at once\n"
                        "! [server] listen: port %u -> 1, needs a restart\n"
                        "! [server] ollama: port 11434 -> 2, needs a restart\n"
                        "~ model a: keep_alive: 300 s -> forever, at once\n"
                        "~ model a: kv: f16 -> q8_0, from its next load\n"
                        "~ model a: class: interactive -> batch, at once\n",
                        a->listen_port);
        assert_changes(a, b, expected);
        config_take(a, b);
        assert_true(a->budget_bytes == (uint64_t) 2 << 30 && a->log_level == LOG_LEVEL_DEBUG);
        assert_int_equal(a->connections_max, 512);
        assert_int_equal(a->models[0].kv_type, KV_Q8_0);
        assert_int_equal(b->models[0].kv_type, KV_F16);
        config_free(a);
        config_free(b);
        config_free(same);
}

/* Any that we may use ourselves is one of them. */
static void test_processors(void **state) {
        char keys[64], expected[128];
        cpu_set_t ours;
        uint32_t own = 0;

        (void) state;
        assert_int_equal(sched_getaffinity(0, sizeof ours, &ours), 0);
        while (!CPU_ISSET(own, &ours))
                own++;
        (void) snprintf(keys, sizeof keys, "[models]\ncpus = %u\n", own);
        put_old("models/a.gguf");
        struct config *any = read_config(""), *one = read_config(keys);
        assert_true(cpu_list_is_empty(&any->models[0].cpus));
        assert_true(cpu_list_has(&one->models[0].cpus, own));
        (void) snprintf(expected, sizeof expected, "~ model a: cpus: all -> %u, from its next load\n", own);
        assert_changes(any, one, expected);
        config_free(any);
        config_free(one);
}

static void test_a_look_at_the_directory(void **state) {
        struct config *now, *next;
        char path[256];

        (void) state;
        put_old("models/a.gguf");
        put_old("models/gone.gguf");
        put("models.d/named.conf", "[model]\npath = a.gguf\naliases = x\n");
        now = read_config("[models]\ncontext = 64\n");
        put("headroom.conf", "nonsense");
        put("models/new.gguf", "GGUF");
        put("models/being-written.gguf", "GG");
        (void) snprintf(path, sizeof path, "%s/models/gone.gguf", root);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(config_look_again(&source, now, 3600000, &next), 0);
        assert_int_equal(next->unsettled, 2);
        assert_changes(now, next, "- model gone: it takes no more requests and goes\n");
        config_free(next);
        assert_int_equal(config_look_again(&source, now, 0, &next), 0);
        assert_int_equal(next->unsettled, 0);
        char expected[1024];
        (void) snprintf(
                expected, sizeof expected,
                "- model gone: it takes no more requests and goes\n+ model being-written: %s/being-written.gguf\n+ model new: "
                "%s/new.gguf\n",
                models_path, models_path);
        assert_changes(now, next, expected);
        assert_string_equal(next->models[0].aliases[0], "x");
        assert_int_equal(next->models[1].context, 64);
        put("models/a.gguf", "GGUF of another kind");
        struct config *later;
        assert_int_equal(config_look_again(&source, now, 0, &later), 0);
        assert_changes(next, later, "~ model named: its file is another, from its next load\n");
        config_take(now, later);
        assert_int_equal(now->models_count, 3);
        assert_string_equal(now->listen_address, "127.0.0.1");
        config_free(now);
        config_free(next);
        config_free(later);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_key_has_a_kind),
                cmocka_unit_test_setup_teardown(test_settings, set_up, remove_root),
                cmocka_unit_test_setup_teardown(test_processors, set_up, remove_root),
                cmocka_unit_test_setup_teardown(test_a_look_at_the_directory, set_up, remove_root),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
