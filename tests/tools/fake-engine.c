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
 *      kv_hold        anonymous bytes held for each request: suspend gives them back, restore takes them again, a lower
 *                     precision gives back its share
 *      prefix_hold    anonymous bytes held until `control` with `trim`, or `downshift_now`
 *      precision, kv_floor   of the KV at first and at least (f16, q4_0)             threads, chunk   (2, 256)
 *      suspend_fail=SENTENCE  control_fail=SENTENCE   the answer to each              heartbeat_ms     of unasked statistics (0)
 *      pool, pool_needed, pool_max  tokens of its KV pool: at first, always needed, at most; without a pool it never changes
 *      disobeys=1     gives no answer to control
 *      computes=N     tokens more at each report
 *      rate, usual_rate       tokens a second that statistics tell                   extra=TEXT       further fields of statistics
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
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "policy/base/kv_type.h"
#include "engine/wire/wire.h"

#define REQUESTS_MAX 64

struct request {
        bool used, paused, embeds, suspended;
        char *kv; /* kv_bytes of memory */
        size_t kv_bytes;
        uint64_t id;
        long tokens, next;
        uint64_t due_ms;
};

static char text[65536];
static int peer = -1, files = -1;
static char *prefixes;
static size_t prefix_bytes;
static enum kv_type precision;
static long pool; /* 0: it has no say in the size of its KV pool */
static long context = 1024, prefill_chunk, duty = 1000, threads, heartbeat_ms;
static uint64_t heartbeat_due_ms;
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

static char *hold(long bytes) {
        if (bytes <= 0)
                return NULL;
        void *memory = mmap(NULL, (size_t) bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        if (memory == MAP_FAILED)
                return NULL;
        memset(memory, 1, (size_t) bytes);
        return memory;
}

static void let_go(char **memory, size_t *bytes) {
        if (*memory)
                (void) munmap(*memory, *bytes);
        *memory = NULL;
        *bytes = 0;
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

/* --- levers --- */

/* Bytes of 32 values: what a lower precision keeps is a share of this. */
static size_t share(size_t bytes, enum kv_type type) {
        static const size_t sizes[KV_TYPE_COUNT] = { [KV_F16] = 64, [KV_Q8_0] = 34, [KV_Q4_0] = 18 };
        return bytes / 64 * sizes[type];
}

static void take_kv(struct request *r) {
        size_t bytes = share((size_t) number("kv_hold", 0), precision);
        r->kv = hold((long) bytes);
        r->kv_bytes = r->kv ? bytes : 0;
}

static void downshift(enum kv_type type) {
        precision = type;
        for (int i = 0; i < REQUESTS_MAX; i++) {
                struct request *r = &requests[i];
                if (!r->used || r->suspended || !r->kv)
                        continue;
                let_go(&r->kv, &r->kv_bytes);
                take_kv(r);
        }
}

static void end(struct request *r) {
        let_go(&r->kv, &r->kv_bytes);
        r->used = false;
}

static const char *pool_json(void) {
        static char json[160];
        if (pool == 0)
                pool = number("pool", 0);
        long needed = number("pool_needed", 0);
        (void) snprintf(json, sizeof(json), pool ? ",\"kv_tokens\":%ld,\"kv_tokens_needed\":%ld,\"kv_tokens_wanted\":%ld" : "",
                        pool, needed, needed);
        return json;
}

static void say_statistics(void) {
        char json[4096];
        size_t kv = 0, used = 0, running = 0;
        static long computed;
        char lists[2][1500] = { "", "" };
        for (int i = 0; i < REQUESTS_MAX; i++) {
                const struct request *r = &requests[i];
                if (!r->used)
                        continue;
                char *list = lists[r->suspended];
                size_t length = strlen(list);
                (void) snprintf(list + length, sizeof(lists[0]) - length, "%s{\"id\":%llu,\"%s\":%zu}", length ? "," : "",
                                (unsigned long long) r->id, r->suspended ? "bytes" : "kv_bytes",
                                r->suspended ? share((size_t) number("kv_hold", 0), precision) : r->kv_bytes);
                running += !r->suspended;
                kv += r->kv_bytes;
        }
        used = kv + prefix_bytes;
        computed += number("computes", 0);
        (void) snprintf(json, sizeof(json),
                        "{\"type\":\"statistics\",\"requests_running\":%zu,\"kv_bytes_used\":%zu,\"kv_bytes\":{\"%s\":%zu},"
                        "\"prefix_bytes\":%zu,\"kv\":\"%s\",\"context\":%ld,\"prefill_chunk\":%ld,\"duty\":%ld,\"threads\":%ld,"
                        "\"tokens_prefilled\":%ld,\"decode_tokens_per_second\":%ld,\"decode_tokens_per_second_usual\":%ld,"
                        "\"requests\":[%s],\"suspended\":[%s]%s%s%s}",
                        running, used, kv_type_name(precision), kv, prefix_bytes, kv_type_name(precision), context, prefill_chunk,
                        duty, threads, computed, number("rate", 0), number("usual_rate", 0), lists[0], lists[1], pool_json(),
                        word("extra") ? "," : "", word("extra") ? word("extra") : "");
        send_raw(json);
}

static enum kv_type floor_type(void) {
        enum kv_type type = KV_Q4_0;
        (void) kv_type_by_name(word("kv_floor") ? word("kv_floor") : "q4_0", &type);
        return type;
}

static void say_about(const char *type, uint64_t id, const char *rest) {
        char json[1024];
        (void) snprintf(json, sizeof(json), "{\"type\":\"%s\",\"id\":%llu%s}", type, (unsigned long long) id, rest);
        send_raw(json);
}

static void setting(const cJSON *frame, const char *name, long *value) {
        const cJSON *item = cJSON_GetObjectItem(frame, name);
        if (cJSON_IsNumber(item))
                *value = (long) item->valuedouble;
}

static void control(const cJSON *frame, uint64_t id) {
        if (number("disobeys", 0))
                return;
        if (word("control_fail")) {
                char rest[700];
                (void) snprintf(rest, sizeof(rest),
                                ",\"reason\":\"invalid_request\",\"param\":null,"
                                "\"message\":\"%.500s\"",
                                word("control_fail"));
                say_about(WIRE_ERROR, id, rest);
                return;
        }
        setting(frame, "context", &context);
        setting(frame, "kv_tokens", &pool);
        setting(frame, "prefill_chunk", &prefill_chunk);
        setting(frame, "duty", &duty);
        setting(frame, "threads", &threads);
        setting(frame, "heartbeat_ms", &heartbeat_ms);
        const char *kv = cJSON_GetStringValue(cJSON_GetObjectItem(frame, "kv"));
        enum kv_type type;
        if (kv && kv_type_by_name(kv, &type) == 0)
                downshift(type);
        if (cJSON_IsTrue(cJSON_GetObjectItem(frame, "trim")))
                let_go(&prefixes, &prefix_bytes);
        say_about(WIRE_CONTROLLED, id, "");
}

static void downshift_now(void) {
        let_go(&prefixes, &prefix_bytes);
        downshift(floor_type());
        prefill_chunk = 32;
}

/* The descriptor that came with a suspend frame, or -1. */
static int take_file(void) {
        char bytes[8];
        union {
                struct cmsghdr head;
                char room[CMSG_SPACE(sizeof(int))];
        } buffer;
        struct iovec head = { bytes, sizeof(bytes) };
        struct msghdr message = {
                .msg_iov = &head, .msg_iovlen = 1, .msg_control = &buffer, .msg_controllen = sizeof(buffer.room)
        };
        int fd = -1;
        if (files >= 0 && recvmsg(files, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) == sizeof(bytes) && CMSG_FIRSTHDR(&message))
                memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
        return fd;
}

static void suspend(struct request *r, uint64_t id, bool with_file) {
        int fd = with_file ? take_file() : -1;
        char rest[700];
        if (!r || word("suspend_fail") || (with_file && fd < 0)) {
                (void) snprintf(rest, sizeof(rest), ",\"bytes\":0,\"error\":\"%.500s\"",
                                !r                    ? "It has ended already."
                                : fd < 0 && with_file ? "No file came."
                                                      : word("suspend_fail"));
        } else {
                (void) snprintf(rest, sizeof(rest), ",\"bytes\":%zu", r->kv_bytes);
                if (fd >= 0 && write(fd, &r->id, sizeof(r->id)) < 0)
                        perror("fake-engine");
                r->suspended = true;
                let_go(&r->kv, &r->kv_bytes);
        }
        if (fd >= 0)
                (void) close(fd);
        say_about(WIRE_SUSPENDED, id, rest);
}

static void restore(struct request *r, uint64_t id) {
        if (!r)
                return;
        if (r->suspended)
                take_kv(r);
        r->suspended = false;
        r->due_ms = now_ms();
        say_about(WIRE_RESTORED, id, ",\"recomputed\":false");
}

/* Unasked, while something runs. */
static void heartbeat(void) {
        if (heartbeat_ms <= 0 || now_ms() < heartbeat_due_ms)
                return;
        heartbeat_due_ms = now_ms() + (uint64_t) heartbeat_ms;
        say_statistics();
}

/* --- answers --- */

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
                                "{\"type\":\"embedding\",\"id\":%llu,\"index\":0,\"vector\":[0.5,-0.5],\"prompt_tokens\":2}",
                                (unsigned long long) r->id);
                send_raw(json);
                end(r);
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
                end(r);
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
                                "{\"type\":\"error\",\"id\":%llu,\"reason\":\"invalid_request\","
                                "\"param\":null,\"message\":\"%s\"}",
                                (unsigned long long) id, word("refuse"));
                send_raw(json);
                return;
        }
        (void) hold(number("grow", 0));
        for (int i = 0; i < REQUESTS_MAX; i++) {
                if (requests[i].used)
                        continue;
                const cJSON *most = cJSON_GetObjectItem(cJSON_GetObjectItem(frame, "body"), "max_tokens");
                requests[i] = (struct request){ .used = true,
                                                .embeds = embeds,
                                                .id = id,
                                                .tokens = cJSON_IsNumber(most) ? most->valueint : number("tokens", 3),
                                                .due_ms = now_ms() };
                take_kv(&requests[i]);
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
                say_statistics();
        if (!strcmp(type, WIRE_CONTROL))
                control(frame, id);
        if (!strcmp(type, WIRE_DOWNSHIFT_NOW))
                downshift_now();
        if (!strcmp(type, WIRE_SUSPEND))
                suspend(r, id, cJSON_IsTrue(cJSON_GetObjectItem(frame, "file")));
        if (!strcmp(type, WIRE_RESTORE))
                restore(r, id);
        if (r && !strcmp(type, WIRE_CANCEL))
                end(r);
        if (r && (!strcmp(type, WIRE_PAUSE) || !strcmp(type, WIRE_RESUME)))
                r->paused = !strcmp(type, WIRE_PAUSE);
}

static bool due(const struct request *r) {
        return r->used && !r->paused && !r->suspended;
}

static int milliseconds_to_next(void) {
        uint64_t now = now_ms(), next = UINT64_MAX;
        for (int i = 0; i < REQUESTS_MAX; i++) {
                if (due(&requests[i]) && requests[i].due_ms < next)
                        next = requests[i].due_ms;
        }
        return next == UINT64_MAX ? -1 : next <= now ? 0 : (int) (next - now);
}

static int serve(void) {
        static struct wire_reader reader = { .bytes_max = WIRE_TO_ENGINE_BYTES_MAX };
        static char chunk[65536];
        char ready[512];
        (void) snprintf(
                ready, sizeof(ready),
                "{\"type\":\"ready\",\"version\":%ld,\"model\":\"fake\",\"n_ctx\":1024,\"kv_tokens_max\":%ld,\"parallel\":%ld,"
                "\"n_vocab\":9,\"chat_format\":\"none\",\"request_bytes_max\":%ld,\"kv\":\"%s\",\"kv_floor\":\"%s\","
                "\"threads\":%ld,\"prefill_chunk\":%ld}",
                number("version", WIRE_VERSION), number("pool_max", 2048), number("parallel", 4), number("request_max", 1000000),
                kv_type_name(precision), kv_type_name(floor_type()), threads, prefill_chunk);
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
                        if (due(&requests[i]) && requests[i].due_ms <= now_ms()) {
                                step(&requests[i]);
                                heartbeat();
                        }
                }
        }
}

static int work(void) {
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (word("words"))
                fprintf(stderr, "%s\n", word("words"));
        (void) hold(number("touch", 0));
        prefixes = hold(number("prefix_hold", 0));
        prefix_bytes = prefixes ? (size_t) number("prefix_hold", 0) : 0;
        (void) kv_type_by_name(word("precision") ? word("precision") : "f16", &precision);
        prefill_chunk = number("chunk", 256);
        threads = number("threads", 2);
        heartbeat_ms = number("heartbeat_ms", 0);
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
                if (!strcmp(argv[i], "--files"))
                        files = atoi(argv[i + 1]);
        }
        ssize_t count = model < 0 ? -1 : pread(model, text, sizeof(text) - 1, 0);
        if (count < 0) {
                fprintf(stderr, "fake-engine: no model\n");
                return 2;
        }
        return strcmp(argv[1], "inspect") == 0 ? inspect() : work();
}
