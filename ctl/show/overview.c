/* overview.c - the first part of status: the daemon, its account, and how the governor sees the machine. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/base/bounds.h"
#include "ctl/output/units.h"
#include "ctl/output/json.h"
#include "ctl/show/internal.h"

void show_field(const char *name, enum tint tint, const char *format, ...) {
        va_list args;
        va_start(args, format);
        char *text = terminal_format(format, args);
        va_end(args);
        bool colours = terminal_has_colours(stdout);
        printf("%-12s %s%s%s\n", name, terminal_tint(colours, tint), text, terminal_plain(colours, tint));
        free(text);
}

struct human show_count(const cJSON *object, const char *key) {
        uint64_t count;
        struct human h = { "-" };
        if (json_number(object, key, &count) && count > 0)
                snprintf(h.text, sizeof(h.text), "%llu", (unsigned long long) count);
        return h;
}

/* --- the governor --- */

static struct human signed_bytes_of(const cJSON *object, const char *key) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
        struct human h = { "-" };
        if (!cJSON_IsNumber(item))
                return h;
        bool negative = item->valuedouble < 0;
        snprintf(h.text, sizeof(h.text), "%s%.24s", negative ? "-" : "",
                 human_bytes((uint64_t) (negative ? -item->valuedouble : item->valuedouble)).text);
        return h;
}

static void print_headroom(const cJSON *governor) {
        const char *rung = json_text(governor, "rung"), *because = json_text(governor, "because");
        const cJSON *headroom = cJSON_GetObjectItemCaseSensitive(governor, "headroom_bytes");
        uint64_t ms;
        bool calm = !strcmp(rung, "calm"), ends = json_number(governor, "exhaustion_ms", &ms) && ms < FORECAST_SHOWN_MS;
        bool negative = cJSON_IsNumber(headroom) && headroom->valuedouble < 0;
        show_field("headroom",
                   negative ? TINT_BAD
                   : calm   ? TINT_NONE
                            : TINT_WARN,
                   "%s%s%s%s", signed_bytes_of(governor, "headroom_bytes").text, ends ? ", gone in " : "",
                   ends ? human_duration_ms(ms).text : "",
                   json_is_true(governor, "memory_blind") ? " (memory cannot be read)" : "");
        show_field("governor", calm ? TINT_NONE : TINT_WARN, "%s%s%s%s%s", rung, calm || !*because ? "" : ", because of ",
                   calm ? "" : because, json_is_true(governor, "enabled") ? "" : " (switched off: it only looks)",
                   json_is_true(governor, "resident") ? "" : "; not locked in memory");
}

static void print_holds(const cJSON *governor) {
        const cJSON *hold;
        char joined[64] = "";
        cJSON_ArrayForEach(hold, json_array(governor, "holds")) {
                size_t used = strlen(joined);
                if (cJSON_IsString(hold))
                        snprintf(joined + used, sizeof(joined) - used, "%s%s", used ? ", " : "", hold->valuestring);
        }
        if (*joined)
                show_field("held", TINT_WARN, "%s", joined);
}

static void print_heat(const cJSON *governor) {
        const cJSON *heat = cJSON_GetObjectItemCaseSensitive(governor, "heat");
        const cJSON *degrees = cJSON_GetObjectItemCaseSensitive(heat, "millidegrees"),
                    *margin = cJSON_GetObjectItemCaseSensitive(heat, "margin_millidegrees");
        uint64_t level = json_count(heat, "level"), levels = json_count(heat, "levels");
        char how[128] = "", at[160] = "";
        const char *sensor = json_text(heat, "sensor");
        if (*sensor)
                snprintf(at, sizeof(at), ", %s", sensor);
        if (level > 0)
                snprintf(how, sizeof(how), "; level %llu of %llu, engines compute %llu %% of the time",
                         (unsigned long long) level, (unsigned long long) (levels > 0 ? levels - 1 : 0),
                         (unsigned long long) json_count(heat, "duty_permille") / 10);
        if (cJSON_IsNumber(degrees) && cJSON_IsNumber(margin))
                show_field("heat", level > 0 ? TINT_WARN : TINT_NONE, "%.1f degrees, %.1f below critical%s%s",
                           degrees->valuedouble / 1000, margin->valuedouble / 1000, at, how);
        else
                show_field("heat", level > 0 ? TINT_WARN : TINT_NONE, "%s%s%s",
                           *sensor ? "cannot be read" : "no sensor, so it is not controlled", at, how);
}

/* Missing sources, one line each, since each has its own cure. */
static void print_degraded(const cJSON *governor) {
        const cJSON *source;
        cJSON_ArrayForEach(source, json_array(governor, "sources"))
                if (!json_is_true(source, "works"))
                        show_field("degraded", TINT_DIM, "%s: %s", json_text(source, "name"), json_text(source, "detail"));
}

static void print_governor(const cJSON *status) {
        const cJSON *governor = cJSON_GetObjectItemCaseSensitive(status, "governor");
        if (!cJSON_IsObject(governor))
                return;
        print_headroom(governor);
        print_holds(governor);
        print_heat(governor);
        if (*json_text(status, "control_groups"))
                show_field("groups", TINT_NONE, "%s", json_text(status, "control_groups"));
        print_degraded(governor);
}

/* Prefixes of prompts on disk, where some are kept. */
static void print_prompt_cache(const cJSON *status) {
        const cJSON *cache = cJSON_GetObjectItemCaseSensitive(status, "prompt_cache");
        uint64_t damaged = json_count(cache, "damaged");
        if (!cJSON_IsObject(cache))
                return;
        show_field("prompts", damaged ? TINT_WARN : TINT_NONE, "%s of %s on disk in %llu files; found for %llu of %llu%s",
                   human_bytes(json_count(cache, "bytes")).text, human_bytes(json_count(cache, "bytes_max")).text,
                   (unsigned long long) json_count(cache, "files"), (unsigned long long) json_count(cache, "found"),
                   (unsigned long long) (json_count(cache, "found") + json_count(cache, "not_found")),
                   damaged ? "; some were damaged" : "");
}

void show_trace(const cJSON *model, bool names_it) {
        const cJSON *trace = cJSON_GetObjectItemCaseSensitive(model, "trace");
        if (!cJSON_IsObject(trace))
                return;
        show_field("trace", TINT_WARN, "%s%suntil %s, %llu lines in %s", names_it ? json_text(model, "id") : "",
                   names_it ? " " : "", human_clock(json_count(trace, "until_unix_ms")).text,
                   (unsigned long long) json_count(trace, "lines"), json_text(trace, "path"));
}

static void print_traces(const cJSON *status) {
        const cJSON *model;
        cJSON_ArrayForEach(model, json_array(status, "models"))
                show_trace(model, true);
}

void show_overview(const cJSON *status) {
        uint64_t budget = json_count(status, "budget_bytes"), measured = json_count(status, "measured_bytes");
        unsigned percent = budget > 0 ? (unsigned) (measured * 100 / budget) : 0;
        char *version = terminal_escape(json_text(status, "version")), *listen = terminal_escape(json_text(status, "listen"));
        printf("headroomd %s, pid %s, up %s, listening on %s\n\n", version, show_count(status, "pid").text,
               human_duration_ms(json_count(status, "uptime_s") * 1000).text, *listen ? listen : "nothing");
        free(version);
        free(listen);
        show_field("memory", measured > budget ? TINT_BAD : TINT_NONE, "%s in use of %s budget (%u%%), %s promised to models",
                   human_bytes(measured).text, human_bytes(budget).text, percent,
                   human_bytes(json_count(status, "reserved_bytes")).text);
        show_field("weights", TINT_NONE, "%s of at most %s", human_bytes(json_count(status, "weights_bytes")).text,
                   human_bytes(json_count(status, "weights_limit_bytes")).text);
        show_field("machine", TINT_NONE, "%s available, %s of it kept free",
                   human_bytes(json_count(status, "available_bytes")).text,
                   human_bytes(json_count(status, "reserve_bytes")).text);
        const cJSON *problem;
        cJSON_ArrayForEach(problem, json_array(status, "problems"))
                show_field("problem", TINT_BAD, "%s", cJSON_IsString(problem) ? problem->valuestring : "");
        const cJSON *other;
        cJSON_ArrayForEach(other, json_array(status, "others"))
                show_field("other", json_is_true(other, "exceeds") ? TINT_WARN : TINT_NONE, "%s", json_text(other, "sentence"));
        show_field("models", TINT_NONE, "%llu loaded of %llu known", (unsigned long long) json_count(status, "models_loaded"),
                   (unsigned long long) json_count(status, "models_known"));
        show_field("requests", TINT_NONE, "%llu running, %llu waiting",
                   (unsigned long long) json_count(status, "requests_running"),
                   (unsigned long long) json_count(status, "requests_waiting"));
        print_prompt_cache(status);
        print_governor(status);
        print_traces(status);
}
