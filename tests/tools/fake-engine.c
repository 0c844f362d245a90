/*
 * fake-engine.c - an engine that does as it is told, for tests of the daemon: it is slow, large, deaf, rude or mortal on command.
 *
 * The "model file" is a text of `key=value` lines. Sizes in bytes, times in ms:
 *
 *      weights scratch overhead kv ctx_train   what `inspect` prints                inspect_fail=SENTENCE   inspect_ms
 *      load_ms        until `ready`             load_fail=SENTENCE                   load_signal=N   never_ready=1
 *      parallel       requests at once          tokens, token_ms                     of each answer
 *      touch          anonymous bytes held from the start                            grow   more of them with each request
 *      die_at=N       SIGKILL itself before token N of an answer                     die_if=PATH    only while PATH exists; removes it
 *      say_at=N say=TEXT   sends TEXT as a raw frame before token N                  deaf=1         ignores shutdown
 *      request_max    bytes of the longest request it says it takes
 *      hang_at=N      says nothing and hears nothing from token N on
 *      refuse=SENTENCE  answers each request with `error`                            words=TEXT     printed to standard error at start
 *
 * An answer is the words "t1 t2 t3 ..."; the number asked for by `max_tokens` is honoured, `pause` and `cancel` too.
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "engine/wire.h"

#define REQUESTS_MAX 64

struct request {
        bool used, paused, embeds;
        uint64_t id;
        long tokens, next;
        uint64_t due_ms;
};

static char text[65536];
static int peer = -1;
static struct request requests[REQUESTS_MAX];

static uint64_t now_ms(void) {
        struct timespec t;
        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000 + (uint64_t) t.tv_nsec / 1000000;
}

static const char *word(const char *key) {
        static char value[1024];
        size_t length = strlen(key);
        for (const char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL) {
                if (strncmp(line, key, length) != 0 || line[length] != '=')
                        continue;
                (void) snprintf(value, sizeof(value), "%.*s", (int) strcspn(line + length + 1, "\n"), line + length + 1);
                return value;
        }
        return NULL;
}

static long number(const char *key, long fallback) {
        const char *value = word(key);
        return value ? strtol(value, NULL, 10) : fallback;
}

static void pause_ms(long ms) {
        struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
        while (ms > 0 && nanosleep(&t, &t) < 0 && errno == EINTR)
                ;
}

static void hold(long bytes) {
        if (bytes <= 0)
                return;
        void *memory = mmap(NULL, (size_t) bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        if (memory != MAP_FAILED)
                memset(memory, 1, (size_t) bytes);
}

static void send_bytes(const void *bytes, size_t count) {
        for (const char *p = bytes; count > 0;) {
                ssize_t sent = write(peer, p, count);
                if (sent < 0 && errno == EINTR)
                        continue;
                if (sent < 0)
                        exit(0);
                p += sent;
                count -= (size_t) sent;
        }
}

static void send_raw(const char *json) {
        uint32_t length = (uint32_t) strlen(json);
        uint8_t header[4] = { (uint8_t) length, (uint8_t) (length >> 8), (uint8_t) (length >> 16), (uint8_t) (length >> 24) };
        send_bytes(header, sizeof(header));
        send_bytes(json, length);
}

static int inspect(void) {
        pause_ms(number("inspect_ms", 0));
        if (word("inspect_fail")) {
                fprintf(stderr, "headroom-engine inspect: %s\n", word("inspect_fail"));
                return 1;
        }
        long kv = number("kv", 0x400);
        printf("{\"name\":\"fake\",\"architecture\":\"llama\",\"weights_bytes\":%ld,", number("weights", 1 << 20));
        printf("\"decode_bytes\":1,\"scratch_bytes\":%ld,", number("scratch", 0));
        printf("\"overhead_bytes\":%ld,\"n_ctx_train\":%ld,", number("overhead", 0), number("ctx_train", 1024));
        printf("\"kv_bytes_per_token\":{\"f16\":%ld,\"q8_0\":%ld,\"q4_0\":0}}\n", kv, kv / 2);
        return 0;
}

static bool dies(void) {
        const char *condition = word("die_if");
        return !condition || unlink(condition) == 0;
}

static void say_start(const struct request *r) {
        char json[256];
        (void) snprintf(json, sizeof(json), "{\"type\":\"start\",\"id\":%llu,\"prompt_tokens\":7,\"cached_tokens\":0}",
                        (unsigned long long) r->id);
        send_raw(json);
}

/* One token, or the end. */
static void step(struct request *r) {
        char json[512];
        if (r->embeds) {
                (void) snprintf(json, sizeof(json),
                                "{\"type\":\"embedding\",\"id\":%llu,\"vectors\":[[0.5,-0.5]],\"prompt_tokens\":2}",
                                (unsigned long long) r->id);
                send_raw(json);
                r->used = false;
                return;
        }
        if (number("die_at", -1) == r->next && dies())
                (void) raise(SIGKILL);
        while (number("hang_at", -1) == r->next)
                pause_ms(1000);
        if (number("say_at", -1) == r->next)
                send_raw(word("say") ? word("say") : "{}");
        if (r->next == 0)
                say_start(r);
        if (r->next++ < r->tokens) {
                (void) snprintf(json, sizeof(json), "{\"type\":\"text\",\"id\":%llu,\"text\":\"t%ld \",\"tokens\":1}",
                                (unsigned long long) r->id, r->next);
                r->due_ms = now_ms() + (uint64_t) number("token_ms", 0);
        } else {
                (void) snprintf(json, sizeof(json),
                                "{\"type\":\"end\",\"id\":%llu,\"finish\":\"length\",\"usage\":{\"prompt_tokens\":7,\"completion_"
                                "tokens\":%ld,"
                                "\"cached_tokens\":0},\"timings\":{\"prefill_ms\":1,\"decode_ms\":2}}",
                                (unsigned long long) r->id, r->tokens);
                r->used = false;
        }
        send_raw(json);
}

static struct request *find(uint64_t id) {
        for (int i = 0; i < REQUESTS_MAX; i++) {
                if (requests[i].used && requests[i].id == id)
                        return &requests[i];
        }
        return NULL;
}

static void begin(const cJSON *frame, uint64_t id, bool embeds) {
        if (word("refuse")) {
                char json[2048];
                (void) snprintf(json, sizeof(json),
                                "{\"type\":\"error\",\"id\":%llu,\"status\":400,\"kind\":\"invalid_request_error\",\"code\":null,"
                                "\"param\":null,\"message\":\"%s\"}",
                                (unsigned long long) id, word("refuse"));
                send_raw(json);
                return;
        }
        hold(number("grow", 0));
        for (int i = 0; i < REQUESTS_MAX; i++) {
                if (requests[i].used)
                        continue;
                const cJSON *most = cJSON_GetObjectItem(cJSON_GetObjectItem(frame, "body"), "max_tokens");
                requests[i] = (struct request){ .used = true,
                                                .embeds = embeds,
                                                .id = id,
                                                .tokens = cJSON_IsNumber(most) ? most->valueint : number("tokens", 3),
                                                .due_ms = now_ms() };
                return;
        }
        exit(3);
}

static void hear(const cJSON *frame) {
        const char *type = wire_type(frame);
        const cJSON *number_item = cJSON_GetObjectItem(frame, "id");
        uint64_t id = cJSON_IsNumber(number_item) ? (uint64_t) number_item->valuedouble : 0;
        struct request *r = find(id);
        if (!strcmp(type, WIRE_SHUTDOWN) && !number("deaf", 0))
                exit(0);
        if (!strcmp(type, WIRE_GENERATE) || !strcmp(type, WIRE_EMBED))
                begin(frame, id, !strcmp(type, WIRE_EMBED));
        if (!strcmp(type, WIRE_STATISTICS))
                send_raw("{\"type\":\"statistics\",\"kv_bytes_used\":0}");
        if (r && !strcmp(type, WIRE_CANCEL))
                r->used = false;
        if (r && (!strcmp(type, WIRE_PAUSE) || !strcmp(type, WIRE_RESUME)))
                r->paused = !strcmp(type, WIRE_PAUSE);
}

static int milliseconds_to_next(void) {
        uint64_t now = now_ms(), next = UINT64_MAX;
        for (int i = 0; i < REQUESTS_MAX; i++) {
                if (requests[i].used && !requests[i].paused && requests[i].due_ms < next)
                        next = requests[i].due_ms;
        }
        return next == UINT64_MAX ? -1 : next <= now ? 0 : (int) (next - now);
}

static int serve(void) {
        static struct wire_reader reader = { .bytes_max = WIRE_TO_ENGINE_BYTES_MAX };
        static char chunk[65536];
        char ready[256];
        (void) snprintf(ready, sizeof(ready),
                        "{\"type\":\"ready\",\"version\":1,\"model\":\"fake\",\"n_ctx\":1024,\"kv_tokens\":2048,\"parallel\":%ld,"
                        "\"n_vocab\":9,\"chat_format\":\"none\",\"request_bytes_max\":%ld}",
                        number("parallel", 4), number("request_max", 1000000));
        send_raw(ready);
        for (;;) {
                struct pollfd p = { .fd = peer, .events = POLLIN };
                if (poll(&p, 1, milliseconds_to_next()) > 0) {
                        ssize_t count = read(peer, chunk, sizeof(chunk));
                        if (count <= 0 || wire_reader_push(&reader, chunk, (size_t) count) < 0)
                                return 0;
                        for (cJSON *frame; wire_reader_next(&reader, &frame) == 1; cJSON_Delete(frame))
                                hear(frame);
                }
                for (int i = 0; i < REQUESTS_MAX; i++) {
                        if (requests[i].used && !requests[i].paused && requests[i].due_ms <= now_ms())
                                step(&requests[i]);
                }
        }
}

static int work(void) {
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (word("words"))
                fprintf(stderr, "%s\n", word("words"));
        hold(number("touch", 0));
        pause_ms(number("load_ms", 0));
        if (number("load_signal", 0) > 0)
                (void) raise((int) number("load_signal", 0));
        if (word("load_fail")) {
                char json[2048];
                (void) snprintf(json, sizeof(json), "{\"type\":\"failed\",\"message\":\"%s\"}", word("load_fail"));
                send_raw(json);
                return 1;
        }
        while (number("never_ready", 0))
                pause_ms(1000);
        return serve();
}

int main(int argc, char **argv) {
        int model = -1;
        for (int i = 2; i < argc - 1; i++) {
                if (!strcmp(argv[i], "--fd") || !strcmp(argv[i], "--model-fd"))
                        model = atoi(argv[i + 1]);
                if (!strcmp(argv[i], "--socket"))
                        peer = atoi(argv[i + 1]);
        }
        ssize_t count = model < 0 ? -1 : pread(model, text, sizeof(text) - 1, 0);
        if (count < 0) {
                fprintf(stderr, "fake-engine: no model\n");
                return 2;
        }
        return strcmp(argv[1], "inspect") == 0 ? inspect() : work();
}
