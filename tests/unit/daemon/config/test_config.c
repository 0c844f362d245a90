/*
 * test_config.c - one row is one situation: the text of the files, and what must be said about them, word for word.
 *
 * "@" in an expected sentence stands for the scratch directory. A row without an expectation must load.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "daemon/config/config.h"
#include "daemon/config/loader.h"
#include "tests/unit/scratch.h"

static char reported[16384];

static void path_to(char path[256], const char *name) {
        (void) snprintf(path, 256, "%s/%s", root, name);
}

static int set_up(void **state) {
        static const char *const folders[] = { "", "headroom.conf.d", "models.d", "models" };
        char path[256];

        assert_int_equal(make_root(state), 0);
        for (size_t i = 1; i < 4; i++) {
                path_to(path, folders[i]);
                assert_int_equal(mkdir(path, 0700), 0);
        }
        return 0;
}

/* The scratch directory is written "@", so that expectations are constants. */
static void on_report(void *user, bool is_warning, const char *text) {
        char line[4096];
        size_t used = 0;

        (void) user;
        for (const char *c = text; *c && used < sizeof line - 1;) {
                bool is_scratch = !strncmp(c, root, strlen(root));
                line[used++] = is_scratch ? '@' : *c;
                c += is_scratch ? strlen(root) : 1;
        }
        line[used] = 0;
        size_t end = strlen(reported);
        (void) snprintf(reported + end, sizeof reported - end, "%s%s\n", is_warning ? "warning: " : "", line);
}

static int load(struct config **ret) {
        char path[256], models[256];

        reported[0] = 0;
        path_to(path, "headroom.conf");
        path_to(models, "models");
        const struct config_override overrides[] = {
                { "--models", "models", "directory", models },
                { "--engine", "engine", "path", "/bin/true" },
        };
        return config_load(path, overrides, 2, on_report, NULL, ret);
}

struct row {
        const char *situation, *main_text, *model_text, *expected;
};

#define SHADOWED "warning: @/models/tiny.gguf: is left out: another model is already called 'tiny'\n"

#define KEYS_NONE                                                                                                                    \
        "[server] keys: none is for loopback addresses, and this server is reached from other machines; write auto or required, or " \
        "open-to-network to let everybody in who reaches it\n"

static const struct row rows[] = {
        { "an empty file is fine", "", NULL, "" },
        { "comments and blank lines", "# one\n\n; two\n   # three\n", NULL, "" },
        { "every key of the main file",
          "[server]\nlisten = 127.0.0.1:0\nollama = yes\ncontrol = /tmp/c\nstate = /tmp\nconnections = 7\nhosts = box.lan, [fd00::1] ,\norigins = https://a.example http://b:3000\nbody_limit = 1MiB\nrequest_memory = 16M\nheader_timeout = "
          "2s\nidle_timeout = 3s\n"
          "[memory]\nbudget = 50%\nweights_fraction = 55%\nreserve = 1M\n[engine]\nload_timeout = 1m\nstop_timeout = 500ms\n[cache]\nsize = 20G\nidle = 0\n"
          "[models]\nwait_timeout = 1h\nmin_residency = 0\nturn = forever\nbatch_age = 2m\nbatch_hours = 22:00-7:00\nprotect = 1m\nkeep_alive = forever\ncontext = 8192\nkv_tokens = 0\nparallel = "
          "2\nqueue = 0\nkv = q8_0\nspeculate = lookup\nthreads = 3\nclass = batch\nkv_floor = q8_0\n[governor]\nenabled = no\nheat = no\nmargin_target = 12.5\ncritical = 95C\nignore_sensors = 1a2b3c4d, 00000007\ntrust_sensors = DEADBEEF\n[log]\nlevel = debug\n",
          NULL, "" },
        { "hours that are none", "[models]\nbatch_hours = 22-7\n", NULL,
          "@/headroom.conf:2: batch_hours = '22-7' is no part of a day; write two times of day, such as 22:00-07:00, or always\n" },
        { "hours beyond the day", "[models]\nbatch_hours = 22:00-24:00\n", NULL,
          "@/headroom.conf:2: batch_hours = '22:00-24:00' is no part of a day; write two times of day, such as 22:00-07:00, or always\n" },
        { "hours that never are", "[models]\nbatch_hours = 7:00-07:00\n", NULL,
          "@/headroom.conf:2: batch_hours = '7:00-07:00' is no part of a day, since it ends when it begins; write always for the whole day\n" },
        { "byte order mark and CRLF", "\xEF\xBB\xBF[server]\r\nconnections = 7\r\n", NULL, "" },
        { "an indented key is a key, not a continuation", "[server]\n  connections = 7\n  idle_timeout = 5s\n", NULL, "" },

        { "unknown section, near", "\n[severs]\nlisten = 1\n", NULL,
          "@/headroom.conf:3: unknown section [severs]; did you mean [server]?\n" },
        { "unknown section, far", "[thermal]\na = 1\n", NULL,
          "@/headroom.conf:2: unknown section [thermal]; there are [server], [memory], [engine], [cache], [governor], [log] and [models]\n" },
        { "[model] in the main file", "[model]\npath = /x\n", NULL,
          "@/headroom.conf:2: section [model] belongs in a file of models.d, one for each model\n" },
        { "[memory] in a model file", "", "[memory]\nbudget = 1G\n",
          "@/models.d/tiny.conf:2: section [memory] belongs in headroom.conf, not in a file of models.d\n" },
        { "key before any section", "listen = 1\n", NULL,
          "@/headroom.conf:1: this line stands before any section; begin with [server]\n" },
        { "unknown key, near", "[memory]\n# budget\nbugdet = 1G\n", NULL,
          "@/headroom.conf:3: unknown key 'bugdet' in [memory]; did you mean 'budget'?\n" },
        { "key of another section", "[server]\nreserve = 1G\n", NULL,
          "@/headroom.conf:2: unknown key 'reserve' in [server]; it belongs in [memory]\n" },
        { "unknown key", "[server]\ncolour = red\n", NULL, "@/headroom.conf:2: unknown key 'colour' in [server]\n" },
        { "no key = value", "[server]\nhello\nconnections = 7\nworld\n", NULL,
          "@/headroom.conf:2: this line is neither [section] nor key = value\n@/headroom.conf:4: this line is neither [section] "
          "nor key = value\n" },
        { "no closing bracket", "[server\nconnections = 1\n", NULL,
          "@/headroom.conf:1: this section has no closing bracket\n@/headroom.conf:2: this line stands before any section; begin "
          "with [server]\n" },
        { "empty value", "[server]\nconnections =\n", NULL,
          "@/headroom.conf:2: connections = '' is empty; leave the line out for the default\n" },

        { "not a number", "[server]\nconnections = many\n", NULL,
          "@/headroom.conf:2: connections = 'many' is no whole number\n" },
        { "negative", "[server]\nconnections = -1\n", NULL, "@/headroom.conf:2: connections = '-1' is negative\n" },
        { "too little", "[server]\nconnections = 0\n", NULL,
          "@/headroom.conf:2: connections = '0' is too little; the least is 1\n" },
        { "too much", "[models]\nparallel = 1000\n", NULL, "@/headroom.conf:2: parallel = '1000' is too much; the most is 64\n" },
        { "far too large", "[server]\nconnections = 99999999999999999999\n", NULL,
          "@/headroom.conf:2: connections = '99999999999999999999' is a number far too large\n" },
        { "size without sense", "[memory]\nbudget = lots\n", NULL,
          "@/headroom.conf:2: budget = 'lots' is no size; write bytes, or a number with K, M, G or T, such as 12GiB\n" },
        { "powers of ten are not offered", "[memory]\nbudget = 1GB\n", NULL,
          "@/headroom.conf:2: budget = '1GB' is no size; write bytes, or a number with K, M, G or T, such as 12GiB\n" },
        { "share over 100", "[memory]\nbudget = 120%\n", NULL, "@/headroom.conf:2: budget = '120%' is more than 100%\n" },
        { "fraction over 1", "[memory]\nweights_fraction = 60\n", NULL,
          "@/headroom.conf:2: weights_fraction = '60' is more than the whole; write a number from 0 to 1, or a percentage such "
          "as 60%\n" },
        { "fraction of nothing", "[memory]\nweights_fraction = 0\n", NULL,
          "@/headroom.conf:2: weights_fraction = '0' leaves no room for any model\n" },
        { "time without unit", "[server]\nidle_timeout = 30\n", NULL,
          "@/headroom.conf:2: idle_timeout = '30' has no unit; write ms, s, m or h behind it, such as 5m\n" },
        { "time with a strange unit", "[server]\nidle_timeout = 3 weeks\n", NULL,
          "@/headroom.conf:2: idle_timeout = '3 weeks' has an unknown unit; write a number with ms, s, m or h, such as 5m\n" },
        { "time out of range", "[server]\nidle_timeout = 1ms\n", NULL,
          "@/headroom.conf:2: idle_timeout = '1ms' is out of range; it may be 100 to 3600000 ms\n" },
        { "a host that is a URL", "[server]\nhosts = box.lan http://x\n", NULL,
          "@/headroom.conf:2: hosts = 'box.lan http://x' has what is no host name; write names or addresses without ports, such as "
          "box.lan, [fd00::1]\n" },
        { "a host with a port", "[server]\nhosts = box.lan:80\n", NULL,
          "@/headroom.conf:2: hosts = 'box.lan:80' has what is no host name; write names or addresses without ports, such as "
          "box.lan, [fd00::1]\n" },
        { "every host", "[server]\nhosts = *\n", NULL,
          "@/headroom.conf:2: hosts = '*' lets any web page in by a name of its own; write the names that clients use\n" },
        { "every origin", "[server]\norigins = *\n", NULL,
          "@/headroom.conf:2: origins = '*' would let every web page use the models; write the origins of those that may\n" },
        { "an origin with a path", "[server]\norigins = https://a.example/\n", NULL,
          "@/headroom.conf:2: origins = 'https://a.example/' has what is no origin; write scheme, host and port and nothing behind "
          "them, such as https://chat.example, http://localhost:3000\n" },
        { "the origin of files", "[server]\norigins = null\n", NULL,
          "@/headroom.conf:2: origins = 'null' has what is no origin; write scheme, host and port and nothing behind them, such as "
          "https://chat.example, http://localhost:3000\n" },
        { "body limit beyond the wire", "[server]\nbody_limit = 1G\n", NULL,
          "@/headroom.conf:2: body_limit = '1G' is too much; the most is 67108864\n" },
        { "all processors", "[models]\ncpus = all\n", "[model]\ncpus = all\n", "" },
        { "processors that are no list", "[models]\ncpus = 0..3\n", NULL,
          "@/headroom.conf:2: cpus = '0..3' is no list of processors; write their numbers, such as 0-3,8, or all\n" },
        { "a processor that is not there", "[models]\ncpus = 1023\n", NULL,
          "@/headroom.conf:2: cpus = '1023' names processor 1023, which headroomd may not use or is not there; see nproc and lscpu\n" },
        { "a way to speculate", "[models]\nspeculate = yes\n", NULL,
          "@/headroom.conf:2: speculate = 'yes' is no way to speculate; write auto, off or lookup\n" },
        { "kv type", "[models]\nkv = q2\n", NULL, "@/headroom.conf:2: kv = 'q2' is no KV cache type; write f16, q8_0 or q4_0\n" },
        { "reached from elsewhere without keys", "[server]\nlisten = 0.0.0.0:80\nkeys = none\n", NULL, KEYS_NONE },
        { "Ollama's clients from elsewhere without keys", "[server]\nollama = [fd00::7]:11434\nkeys = none\n", NULL, KEYS_NONE },
        { "reached from elsewhere with keys", "[server]\nlisten = 0.0.0.0:80\n", NULL, "" },
        { "reached from elsewhere without, in so many words", "[server]\nlisten = 0.0.0.0:80\nkeys = open-to-network\n", NULL,
          "" },
        { "without keys where only this machine is served", "[server]\nkeys = none\nollama = yes\n", NULL, "" },
        { "who needs a key", "[server]\nkeys = some\n", NULL,
          "@/headroom.conf:2: keys = 'some' does not say who needs an access key; write auto (all, as soon as there is one), required, "
          "none or open-to-network\n" },
        { "neither an address nor yes nor no", "[server]\nollama = perhaps\n", NULL,
          "@/headroom.conf:2: ollama = 'perhaps' is no numeric address; write one such as " CONFIG_ADDRESS_PORT "\n" },
        { "a host name", "[server]\nlisten = example.org:80\n", NULL,
          "@/headroom.conf:2: listen = 'example.org:80' is no numeric address; write one such as " CONFIG_ADDRESS_PORT "\n" },
        { "port", "[server]\nlisten = 127.0.0.1:70000\n", NULL,
          "@/headroom.conf:2: listen = '127.0.0.1:70000' has no valid port; write one from 0 to 65535, such as "
          "" CONFIG_ADDRESS_PORT "\n" },
        { "every problem is told", "[server]\na = 1\n[memory]\nb = 2\n", "[model]\nc = 3\n",
          "@/headroom.conf:2: unknown key 'a' in [server]\n@/headroom.conf:4: unknown key 'b' in "
          "[memory]\n@/models.d/tiny.conf:2: unknown key 'c' in [model]\n" },

        { "a prompt cache of a share of nothing", "[cache]\nsize = 5%\n", NULL,
          "@/headroom.conf:2: size = '5%' is no size; write bytes, or a number with K, M, G or T, such as 12GiB\n" },
        { "temperature without sense", "[governor]\ncritical = hot\n", NULL,
          "@/headroom.conf:2: critical = 'hot' is no temperature; write degrees Celsius such as 15 or 87.5\n" },
        { "temperature in another scale", "[governor]\ncritical = 90F\n", NULL,
          "@/headroom.conf:2: critical = '90F' is no temperature; write degrees Celsius such as 15 or 87.5\n" },
        { "no level of the log", "[log]\nlevel = loud\n", NULL,
          "@/headroom.conf:2: level = 'loud' is no level of the log; write debug, info, warning or error\n" },
        { "temperature out of range", "[governor]\nmargin_target = 2\n", NULL,
          "@/headroom.conf:2: margin_target = '2' is out of range; it may be 5 to 50 degrees\n" },
        { "a sensor by its name", "[governor]\nignore_sensors = 1a2b3c4d, coretemp\n", NULL,
          "@/headroom.conf:2: ignore_sensors = '1a2b3c4d, coretemp' names no sensor; write the keys that headroomctl status or the log prints, of eight digits and letters a to f each\n" },
        { "temperature beyond all", "[governor]\nmargin_target = 300\n", NULL,
          "@/headroom.conf:2: margin_target = '300' is too much; the most is 200 degrees\n" },
        { "class", "[models]\nclass = urgent\n", NULL,
          "@/headroom.conf:2: class = 'urgent' is no class of requests; write interactive or batch\n" },

        { "a model by its file name", "", "[model]\n", "" },
        { "every key of a model", "",
          "[model]\nname = a/b:c\npath = tiny.gguf\naliases = gpt-4, gpt-3.5 ,x\npriority = -3\npin = yes\npreload = "
          "off\nkeep_alive = 1h\n"
          "context = 1\nkv_tokens = 2\nparallel = 3\nqueue = 4\nkv = q4_0\nthreads = 5\nclass = interactive\n",
          "" },
        { "a model file that is missing", "", "[model]\n\npath = no.gguf\n",
          "@/models.d/tiny.conf:3: the model file @/models/no.gguf cannot be used: No such file or directory\n" SHADOWED },
        { "a model path that is a folder", "", "[model]\npath = /\n",
          "@/models.d/tiny.conf:2: the model file / cannot be used: Is a directory\n" SHADOWED },
        { "an alias twice", "", "[model]\naliases = a, a\n",
          "@/models.d/tiny.conf:2: the name 'a' is already taken by the model tiny (@/models.d/tiny.conf)\n" },
        { "an alias like its own id", "", "[model]\naliases = a, tiny\n",
          "@/models.d/tiny.conf:2: the name 'tiny' is already taken by the model tiny (@/models.d/tiny.conf)\n" },
        { "aliases given twice", "", "[model]\naliases = a, b\naliases = c\n", "" },
        { "priority", "", "[model]\npriority = high\n", "@/models.d/tiny.conf:2: priority = 'high' is no whole number\n" },
        { "pin", "", "[model]\npin = maybe\n", "@/models.d/tiny.conf:2: pin = 'maybe' is neither yes nor no\n" },
};

static void test_rows(void **state) {
        unsigned failures = 0;

        (void) state;
        put("models/tiny.gguf", "GGUF");
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                struct config *c = NULL;
                char path[256];

                put("headroom.conf", rows[i].main_text);
                path_to(path, "models.d/tiny.conf");
                (void) unlink(path);
                if (rows[i].model_text)
                        put("models.d/tiny.conf", rows[i].model_text);
                int result = load(&c);
                if (strcmp(reported, rows[i].expected) != 0 || result != (*rows[i].expected ? -EINVAL : 0)) {
                        print_message("%s: returned %d and said\n%sinstead of\n%s", rows[i].situation, result, reported,
                                      rows[i].expected);
                        failures++;
                }
                config_free(c);
        }
        assert_int_equal(failures, 0);
}

/* No error: the daemon starts, and a limit that is raised mends it. */
static void test_a_reserve_of_all_there_is(void **state) {
        struct config *c;

        (void) state;
        put("headroom.conf", "[memory]\nreserve = 100%\n");
        assert_int_equal(load(&c), 0);
        assert_non_null(strstr(reported, "[memory] reserve: "));
        assert_non_null(strstr(reported, "so no model can be loaded; set less, such as reserve = 10%"));
        config_free(c);
}

static void test_defaults(void **state) {
        struct config *c;
        struct sysinfo info;

        (void) state;
        put("headroom.conf", "");
        assert_int_equal(load(&c), 0);
        assert_int_equal(sysinfo(&info), 0);
        assert_string_equal(c->listen_address, "127.0.0.1");
        assert_int_equal(c->listen_port, CONFIG_PORT);
        assert_true(c->budget_bytes == info.totalram * info.mem_unit / 5 * 4);
        assert_true(c->weights_fraction > 0.599 && c->weights_fraction < 0.601);
        assert_int_equal(c->body_bytes_max, 64 << 20);
        assert_true(c->request_memory_bytes >= 8 << 20 && c->request_memory_bytes <= 256 << 20);
        assert_string_equal(c->engine_path, "/usr/bin/true");
        assert_int_equal(c->models_count, 0);
        assert_int_equal(c->log_level, LOG_LEVEL_INFO);
        assert_true(c->governor_enabled && c->heat_enabled);
        assert_int_equal(c->margin_target_millidegrees, 15000);
        assert_string_equal(c->proc_root, "/proc");
        config_free(c);
}

static const struct config_model *find(const struct config *c, const char *id) {
        for (uint32_t i = 0; i < c->models_count; i++)
                if (!strcmp(c->models[i].id, id))
                        return &c->models[i];
        return NULL;
}

static void test_discovery(void **state) {
        struct config *c;
        char path[256];

        (void) state;
        path_to(path, "models/org");
        assert_int_equal(mkdir(path, 0700), 0);
        put("headroom.conf", "[models]\ncontext = 512\n");
        put("models.d/named.conf", "[model]\npath = b.gguf\naliases = taken\n");
        static const char *const files[] = {
                "a.gguf",     "b.gguf",     ".hidden.gguf",          "c.gguf.part",           "U.GGUF",
                "taken.gguf", "org/d.gguf", "s-00001-of-00002.gguf", "s-00002-of-00002.gguf", "t-00003-of-00002.gguf",
                "README.md"
        };
        for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
                char name[64];
                (void) snprintf(name, sizeof name, "models/%s", files[i]);
                put(name, "GGUF");
        }
        put("models/empty.gguf", "");
        assert_int_equal(load(&c), 0);
        assert_string_equal(reported,
                            "warning: @/models/empty.gguf: is left out: it is empty\n"
                            "warning: @/models/taken.gguf: is left out: another model is already called 'taken'\n"
                            "warning: @/models/t-00003-of-00002.gguf: is left out: the first part of its model is missing\n");
        assert_int_equal(c->left_out_count, 3);
        assert_string_equal(c->left_out[0].why, "it is empty");
        assert_int_equal(c->models_count, 5);
        assert_non_null(find(c, "U"));
        assert_false(find(c, "named")->discovered);
        assert_int_equal(find(c, "named")->context, 512);
        assert_true(find(c, "a")->discovered);
        assert_int_equal(find(c, "a")->context, 512);
        assert_non_null(find(c, "org/d"));
        assert_non_null(strstr(find(c, "s")->path, "s-00001-of-00002.gguf"));
        config_free(c);
}

#define OLLAMA_ADDRESS CONFIG_LOCAL(CONFIG_OLLAMA_PORT)

/* A document cannot include a header: whichever names another port of five digits on this machine is out of date. */
static void test_documents_name_the_port(void **state) {
        static const char *const documents[] = { "README.md",        "units/headroom.conf",      "units/headroomd.socket",
                                                 "docs/http-api.md", "docs/man/headroomd.8.scd", "docs/man/headroom.conf.5.scd" };
        static const char before[] = "127.0.0.1:";

        (void) state;
        for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
                FILE *file = fopen(documents[i], "r"); /* tests run where the tree begins */
                char line[4096];
                unsigned found = 0;
                assert_non_null(file);
                while (fgets(line, sizeof line, file))
                        for (const char *at = line; (at = strstr(at, before)); at += sizeof before) {
                                if (strspn(at + sizeof before - 1, "0123456789") != 5)
                                        continue;
                                bool is_ours = !strncmp(at, CONFIG_ADDRESS_PORT, strlen(CONFIG_ADDRESS_PORT));
                                if (!is_ours && strncmp(at, OLLAMA_ADDRESS, strlen(OLLAMA_ADDRESS)) != 0)
                                        fail_msg("%s: %s", documents[i], line);
                                found += is_ours;
                        }
                (void) fclose(file);
                if (!found)
                        fail_msg("%s does not name " CONFIG_ADDRESS_PORT, documents[i]);
        }
}

static void test_lists(void **state) {
        struct config *c;

        (void) state;
        put("headroom.conf",
            "[server]\nhosts = box.lan, , [fd00::1] ,\norigins = https://a.example\thttp://b:3000,chrome-extension://abc\n");
        assert_int_equal(load(&c), 0);
        assert_string_equal(c->hosts, "box.lan [fd00::1]");
        assert_string_equal(c->origins, "https://a.example http://b:3000 chrome-extension://abc");
        config_free(c);
}

static void make_folder(const char *name) {
        char path[256];

        path_to(path, name);
        assert_int_equal(mkdir(path, 0700), 0);
}

static void make_link(const char *target, const char *name) {
        char path[256];

        path_to(path, name);
        assert_int_equal(symlink(target, path), 0);
}

static void assert_aliases(const struct config *c, const char *id, const char *expected) {
        const struct config_model *m = find(c, id);
        char all[256] = "";

        assert_non_null(m);
        for (uint32_t i = 0; i < m->aliases_count; i++)
                (void) snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? " " : "", m->aliases[i]);
        assert_string_equal(all, expected);
}

/* Whatever sorts first, a file keeps the name that it has without a link, and each link is another name of its model. */
static void test_links(void **state) {
        struct config *c;
        char path[256], other[256];

        (void) state;
        put("headroom.conf", "");
        put("models.d/chat.conf", "[model]\npath = current.gguf\n");
        make_folder("models/lib");
        put("models/qwen.gguf", "GGUF");
        make_link("qwen.gguf", "models/default.gguf");
        put("models/lib/llama.gguf", "GGUF");
        make_link("lib", "models/all");
        make_link(".", "models/loop");
        make_link("../..", "models/lib/up");
        make_link("nothing.gguf", "models/dead.gguf");
        make_link("self", "models/self");
        put("models/hard.gguf", "GGUF");
        path_to(path, "models/hard.gguf");
        path_to(other, "models/real.gguf");
        assert_int_equal(link(path, other), 0);
        put("models/v1.gguf", "GGUF");
        make_link("v1.gguf", "models/current.gguf");
        put("outside", "GGUF");
        make_link("../outside", "models/elsewhere.gguf");
        make_link("elsewhere.gguf", "models/further.gguf");
        path_to(path, "models/pipe.gguf");
        assert_int_equal(mkfifo(path, 0600), 0);
        assert_int_equal(load(&c), 0);
        assert_aliases(c, "qwen", "default");
        assert_aliases(c, "lib/llama", "all/llama");
        assert_aliases(c, "hard", "real");
        assert_aliases(c, "chat", "v1");
        assert_aliases(c, "elsewhere", "further");
        assert_int_equal(c->models_count, 5);
        assert_string_equal(reported,
                            "warning: @/models/all/up: is left out: the link leads back to a folder that it lies in\n"
                            "warning: @/models/dead.gguf: is left out: the link leads nowhere: No such file or directory\n"
                            "warning: @/models/lib/up: is left out: the link leads back to a folder that it lies in\n"
                            "warning: @/models/loop: is left out: the link leads back to a folder that it lies in\n"
                            "warning: @/models/pipe.gguf: is left out: it is no file but a pipe, socket or device\n"
                            "warning: @/models/self: is left out: the link leads to itself\n");
        config_free(c);
}

/* As headroom.conf(5) has it: up to four folders deep. */
static void test_depth(void **state) {
        struct config *c;

        (void) state;
        put("headroom.conf", "");
        make_folder("models/1");
        make_folder("models/1/2");
        make_folder("models/1/2/3");
        make_folder("models/1/2/3/4");
        make_folder("models/1/2/3/4/5");
        put("models/1/2/3/4/in.gguf", "GGUF");
        put("models/1/2/3/4/5/out.gguf", "GGUF");
        assert_int_equal(load(&c), 0);
        assert_non_null(find(c, "1/2/3/4/in"));
        assert_int_equal(c->models_count, 1);
        assert_string_equal(reported, "warning: @/models/1/2/3/4/5: is left out: it lies deeper than 4 folders\n");
        config_free(c);
}

/* A FIFO that nobody writes to, a device or a folder is said, and nothing waits for it. */
static void test_no_file(void **state) {
        struct config *c;
        char path[256];

        (void) state;
        put("headroom.conf", "");
        path_to(path, "headroom.conf.d/10-pipe.conf");
        assert_int_equal(mkfifo(path, 0600), 0);
        make_folder("headroom.conf.d/20-folder.conf");
        make_link("/dev/zero", "models.d/zero.conf");
        assert_int_equal(load(&c), -EINVAL);
        assert_non_null(strstr(reported, "@/headroom.conf.d/10-pipe.conf: is no file\n"));
        assert_non_null(strstr(reported, "@/headroom.conf.d/20-folder.conf: is no file\n"));
        assert_non_null(strstr(reported, "@/models.d/zero.conf: is no file\n"));
}

static void test_log_level(void **state) {
        static const char *const names[] = { "error", "warning", "info", "debug" };
        static const enum log_level levels[] = { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
        struct config *c;
        char text[64];

        (void) state;
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
                (void) snprintf(text, sizeof text, "[log]\nlevel = %s\n", names[i]);
                put("headroom.conf", text);
                assert_int_equal(load(&c), 0);
                assert_int_equal(c->log_level, levels[i]);
                config_free(c);
        }
}

static void test_precedence(void **state) {
        struct config *c;
        char path[256];

        (void) state;
        put("headroom.conf", "[server]\nconnections = 1\nidle_timeout = 1s\nheader_timeout = 1s\n[models]\ncontext = 1\n");
        put("headroom.conf.d/20-b.conf", "[server]\nidle_timeout = 3s\n");
        put("headroom.conf.d/10-a.conf", "[server]\nidle_timeout = 2s\nheader_timeout = 2s\n");
        put("headroom.conf.d/30-c.conf~", "nonsense");
        put("models.d/m.conf", "[model]\npath = m.gguf\n");
        put("models/m.gguf", "GGUF");
        path_to(path, "headroom.conf");
        char models[256];
        path_to(models, "models");
        const struct config_override overrides[] = {
                { "--models", "models", "directory", models },
                { "--engine", "engine", "path", "/bin/true" },
                { "--context", "models", "context", "99" },
                { "--budget", "memory", "budget", "3M" },
        };
        assert_int_equal(config_load(path, overrides, 4, on_report, NULL, &c), 0);
        assert_int_equal(c->connections_max, 1);
        assert_int_equal(c->header_timeout_ms, 2000);
        assert_int_equal(c->idle_timeout_ms, 3000);
        assert_int_equal(c->budget_bytes, 3 << 20);
        assert_int_equal(c->models[0].context, 99);
        config_free(c);

        const struct config_override wrong[] = { { "--budget", "memory", "budget", "much" } };
        reported[0] = 0;
        assert_int_equal(config_load(path, wrong, 1, on_report, NULL, &c), -EINVAL);
        assert_non_null(strstr(reported, "--budget: budget = 'much' is no size; write bytes"));
}

static void test_missing_main_file(void **state) {
        struct config *c;
        const struct config_override engine = { "--engine", "engine", "path", "/bin/true" };

        (void) state;
        reported[0] = 0;
        assert_int_equal(config_load("/nonexistent/headroom.conf", &engine, 1, on_report, NULL, &c), -EINVAL);
        assert_non_null(strstr(reported, "/nonexistent/headroom.conf: cannot be opened: No such file or directory\n"));
}

static void test_duplicate_ids(void **state) {
        struct config *c;

        (void) state;
        put("headroom.conf", "");
        put("models/a.gguf", "GGUF");
        put("models.d/a.conf", "[model]\n");
        put("models.d/b.conf", "[model]\npath = a.gguf\nname = a\n");
        assert_int_equal(load(&c), -EINVAL);
        assert_string_equal(reported, "@/models.d/b.conf:3: the name 'a' is already taken by the model a (@/models.d/a.conf)\n");
}

static void test_long_line(void **state) {
        static char text[8192];
        struct config *c;

        (void) state;
        strcpy(text, "[server]\nstate = /");
        memset(text + strlen(text), 'x', 5000);
        strcat(text, "\nconnections = 0\n");
        put("headroom.conf", text);
        assert_int_equal(load(&c), -EINVAL);
        assert_non_null(strstr(reported, "@/headroom.conf:2: this line is longer than"));
        assert_non_null(strstr(reported, "@/headroom.conf:3: connections = '0' is too little; the least is 1\n"));
}

static void test_ollama_forms(void **state) {
        static const struct {
                const char *text, *address;
                uint16_t port;
        } forms[] = { { "", "", CONFIG_OLLAMA_PORT },
                      { "ollama = no\n", "", CONFIG_OLLAMA_PORT },
                      { "ollama = yes\n", "127.0.0.1", CONFIG_OLLAMA_PORT },
                      { "ollama = [::1]:7\n", "::1", 7 },
                      { "ollama = 127.0.0.2\n", "127.0.0.2", CONFIG_OLLAMA_PORT },
                      { "ollama = yes\nollama = no\n", "", CONFIG_OLLAMA_PORT } };

        (void) state;
        for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
                struct config *c;
                char text[64];
                (void) snprintf(text, sizeof text, "[server]\n%s", forms[i].text);
                put("headroom.conf", text);
                assert_int_equal(load(&c), 0);
                assert_string_equal(c->ollama_address, forms[i].address);
                assert_int_equal(c->ollama_port, forms[i].port);
                config_free(c);
        }
}

static void test_listen_forms(void **state) {
        static const struct {
                const char *text, *address;
                uint16_t port;
        } forms[] = { { "127.0.0.1:80", "127.0.0.1", 80 },
                      { "127.0.0.2", "127.0.0.2", 5 },
                      { "[::1]:81", "::1", 81 },
                      { "[::1]", "::1", 5 },
                      { "localhost:0", "127.0.0.1", 0 },
                      { "8080", "127.0.0.1", 8080 },
                      { "localhost", "127.0.0.1", 5 },
                      { "192.168.1.7:80", "192.168.1.7", 80 },
                      { "[::]:80", "::", 80 } };
        static const char *const wrong[] = {
                "", ":", "[::1", "[::1]80", "::1", "1.2.3:4", "127.0.0.1:", "127.0.0.1:-1", "[::ffff:1.2.3.4]:80", "127.0.0.1:8x"
        };

        (void) state;
        for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
                char address[64];
                uint16_t port = 5;
                assert_null(value_address(forms[i].text, address, &port));
                assert_string_equal(address, forms[i].address);
                assert_int_equal(port, forms[i].port);
        }
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
                char address[64];
                uint16_t port = 5;
                if (!*wrong[i])
                        continue;
                assert_non_null(value_address(wrong[i], address, &port));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_rows, set_up, remove_root),
                cmocka_unit_test_setup_teardown(test_a_reserve_of_all_there_is, set_up, remove_root),
                cmocka_unit_test_setup_teardown(test_defaults, set_up, remove_root),
                cmocka_unit_test_setup_teardown(test_discovery, set_up, remove_root),
                cmocka_unit_test_setup_teardown(test_lists, set_up, remove_root),
                cmocka_unit_test_setup_teardown(test_links, set_up, remove_root),
                cmocka_unit_test_setup_teardown(test_depth, set_up, remove_root),
                cmocka_unit_test_setup_teardown(test_no_file, set_up, remove_root),
                cmocka_unit_test(test_documents_name_the_port),
                cmocka_unit_test_setup_teardown(test_log_level, set_up, remove_root),
                cmocka_unit_test_setup_teardown(test_precedence, set_up, remove_root),
                cmocka_unit_test_setup_teardown(test_missing_main_file, set_up, remove_root),
                cmocka_unit_test_setup_teardown(test_duplicate_ids, set_up, remove_root),
                cmocka_unit_test_setup_teardown(test_long_line, set_up, remove_root),
                cmocka_unit_test(test_listen_forms),
                cmocka_unit_test_setup_teardown(test_ollama_forms, set_up, remove_root),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
