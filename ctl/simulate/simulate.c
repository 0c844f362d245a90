/*
 * simulate.c - headroomctl simulate: gives a scenario to the policy, look by look, prints each plan, and says which of the
 * expectations do not hold. Looks are printed as they are made: a recording of days needs no memory for it.
 */
#include <assert.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/base/command.h"
#include "ctl/output/units.h"
#include "ctl/output/json.h"
#include "ctl/simulate/print_plan.h"
#include "ctl/simulate/plot.h"
#include "ctl/daemon/report.h"
#include "ctl/simulate/scenario.h"
#include "ctl/output/terminal.h"
#include "engine/base/text_file.h"
#include "ctl/simulate/trace.h"

struct simulation {
        const struct invocation *in;
        const char *name; /* of the file */
        struct text text;
        bool colours;
        struct scenario scenario;
        struct past past;
        struct plan plan;
        struct deeds deeds;
        struct trace trace;
        uint32_t looks, expectations, failed;
        cJSON *failures; /* with --json */
};

static void print_summary(const struct simulation *sim) {
        printf("\n%u looks", sim->looks);
        if (sim->expectations == 0)
                printf(", nothing was expected\n");
        else if (sim->failed == 0)
                printf(", all of %u expectations hold\n", sim->expectations);
        else
                printf(", %u of %u expectations do not hold\n", sim->failed, sim->expectations);
}

/* --- as JSON --- */

static void print_look_json(const struct simulation *sim) {
        cJSON *look = look_json(&sim->scenario.limits, &sim->scenario.snapshot, &sim->plan);
        fputs(sim->looks > 1 ? ",\n" : "\n", stdout);
        json_print_compact(look, stdout);
        cJSON_Delete(look);
}

static void print_end_json(const struct simulation *sim) {
        printf("\n],\"looks_count\":%u,\"expectations\":%u,\"failed\":", sim->looks, sim->expectations);
        json_print_compact(sim->failures, stdout);
        fputs("}\n", stdout);
}

/* --- replaying --- */

static void note_failure(struct simulation *sim, const struct expectation *e) {
        const struct plan *p = &sim->plan;
        struct sentence actions;
        look_say(&actions, &sim->scenario.limits, &sim->scenario.snapshot, p);
        sim->failed++;
        complain("%s:%u: expected %.*s, but at %" PRIu64
                 " ms it is: rung %s because %s, headroom %s, gone in %s, heat level %u; %s",
                 sim->name, e->line, (int) e->text.length, e->text.text, sim->scenario.snapshot.now_ms, policy_rung_word(p->rung),
                 reason_info(p->because)->word, human_signed_bytes(p->headroom_bytes).text, look_time_left(p->exhaustion_ms).text,
                 p->heat_level, actions.used ? actions.text : "no act, no hold");
        if (!sim->failures)
                return;
        char text[SCENARIO_LINE_MAX + 1];
        snprintf(text, sizeof(text), "%.*s", (int) e->text.length, e->text.text);
        cJSON *o = cJSON_CreateObject();
        (void) cJSON_AddNumberToObject(o, "line", e->line);
        (void) cJSON_AddNumberToObject(o, "time_ms", (double) sim->scenario.snapshot.now_ms);
        (void) cJSON_AddStringToObject(o, "expected", text);
        (void) cJSON_AddStringToObject(o, "plan", actions.text);
        cJSON_AddItemToArray(sim->failures, o);
}

static void check_expectations(struct simulation *sim) {
        const struct scenario *s = &sim->scenario;
        bool room = sim->deeds.count < DEEDS_MAX;
        if (!deeds_add(&sim->deeds, &sim->plan) && room)
                complain("%s:%u: more than %u different acts were planned: until_now forgets the rest", sim->name, s->look_line,
                         DEEDS_MAX);
        for (uint32_t i = 0; i < s->expectations_count; i++) {
                sim->expectations++;
                if (!expectation_holds(&s->expectations[i], &s->snapshot, &sim->plan, &sim->deeds))
                        note_failure(sim, &s->expectations[i]);
        }
}

static void replay(struct simulation *sim) {
        bool print = !sim->in->quiet && !sim->in->json;
        scenario_init(&sim->scenario, sim->text.bytes, sim->text.used);
        if (print)
                look_print_heading(stdout);
        while (scenario_next(&sim->scenario) > 0) {
                sim->looks++;
                policy_decide(&sim->scenario.limits, &sim->scenario.snapshot, &sim->past, &sim->plan);
                if (sim->in->plot)
                        trace_add(&sim->trace, &sim->scenario.limits, &sim->scenario.snapshot, &sim->plan);
                if (sim->failures && !sim->in->quiet)
                        print_look_json(sim);
                else if (print)
                        look_print(&sim->scenario.limits, &sim->scenario.snapshot, &sim->plan, sim->colours, stdout);
                check_expectations(sim);
        }
}

static const char *past_blanks(const char *text, const char *end) {
        while (text < end && (*text == ' ' || *text == '\t'))
                text++;
        return text;
}

/* The comment in the first line, if nothing else is there: what the scenario is about. Printable, in whole characters. */
static char *title_of(const char *text, size_t size) {
        const char *newline = memchr(text, '\n', size), *end = newline ? newline : text + size;
        const char *begin = past_blanks(text, end);
        if (begin == end || *begin != '#')
                begin = end;
        while (begin < end && *begin == '#')
                begin = past_blanks(begin + 1, end);
        char *comment = strndup(begin, (size_t) (end - begin));
        assert(comment);
        char *title = terminal_escape(comment);
        free(comment);
        size_t length = strlen(title);
        if (length > PLOT_TITLE_MAX) {
                length = PLOT_TITLE_MAX;
                while ((title[length] & 0xc0) == 0x80) /* not the first byte of a character */
                        length--;
                title[length] = '\0';
        }
        return title;
}

static int draw(const struct simulation *sim) {
        char *title = title_of(sim->text.bytes, sim->text.used);
        const char *error = plot_draw(&sim->trace, title, sim->in->plot);
        free(title);
        if (!error)
                return 0;
        complain("%s: %s", sim->in->plot, error);
        return CTL_FAILED;
}

static int simulate(struct simulation *sim) {
        uint32_t looks;
        if (scenario_check(&sim->scenario, sim->text.bytes, sim->text.used, &looks) < 0) {
                struct problem p = { .exit_code = CTL_FAILED, .code = "bad_scenario" };
                snprintf(p.message, sizeof(p.message), "%s:%u: %s", sim->name, sim->scenario.line, sim->scenario.error);
                return report(sim->in, &p);
        }
        if (sim->in->json) {
                sim->failures = cJSON_CreateArray();
                fputs("{\"looks\":[", stdout);
        }
        replay(sim);
        if (sim->failures)
                print_end_json(sim);
        else if (!sim->in->quiet)
                print_summary(sim);
        int rc = sim->in->plot ? draw(sim) : 0;
        return rc ? rc : sim->failed ? CTL_FAILED : CTL_DONE;
}

int command_simulate(const struct invocation *in) {
        if (in->plot && !plot_can_draw(in->plot)) {
                complain("--plot takes a file that ends in .svg or .png, not '%s'", in->plot);
                return CTL_USAGE;
        }
        struct simulation *sim = calloc(1, sizeof(*sim));
        assert(sim);
        sim->in = in;
        sim->name = in->args[0];
        sim->colours = terminal_has_colours(stdout);
        int rc = text_file_read(sim->name, SCENARIO_BYTES_MAX, &sim->text);
        if (rc < 0) {
                struct problem p = { .exit_code = CTL_FAILED, .code = "cannot_read" };
                if (rc == -EFBIG)
                        snprintf(p.message, sizeof(p.message), "%s is larger than %u MiB", sim->name, SCENARIO_BYTES_MAX >> 20);
                else
                        snprintf(p.message, sizeof(p.message), "%s: %s", sim->name, strerror(-rc));
                rc = report(in, &p);
        } else {
                rc = simulate(sim);
        }
        cJSON_Delete(sim->failures);
        trace_done(&sim->trace);
        text_done(&sim->text);
        free(sim);
        return rc;
}
