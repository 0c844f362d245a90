/*
 * main.c - runs the policy through made-up worlds and has somebody who knows the truth look on.
 *
 *      simulator [--seed N] [--runs K] [--ticks M] [--growth MIB_PER_S] [--mutation NAME] [--record FILE] [--verbose]
 *
 * Worlds N to N + K - 1, M looks of the governor each. 0 when no checker fired; else 1, with the seed and the command that
 * repeats it. With --growth they are worlds in which a program grows at that pace. With --mutation the policy is broken on purpose, and 0 means that the right checker has noticed.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/simulator/check.h"
#include "tests/simulator/fleet_obey.h"
#include "tests/simulator/mutation.h"
#include "tests/simulator/record.h"

#define WAITING_LOOK_MS  100u /* while a model waits to be loaded, or for room in its pool */
#define PRESSURE_LOOK_MS 100u /* a notice of pressure is heeded at most so often, as the daemon does */

struct options {
        uint64_t seed, runs, ticks;
        uint32_t growth_mib_s; /* 0: worlds as the dice make them */
        const struct mutation *mutation;
        const char *record;
        bool verbose;
};

struct totals {
        uint64_t ticks, ms, answers, refusals, loads, ended, cliffs, oom_kills;
        uint64_t actions[ACTION_COUNT];
};

/* One run's state; static, since it is large. */
static struct run {
        struct world world;
        struct snapshot snapshot;
        struct past past;
        struct plan plan;
        struct check check;
        struct mutant mutant;
        struct record record;
} run;

/* Time goes by until the next look. */
static void pass_time(struct run *r) {
        struct world *w = &r->world;
        uint64_t looked_ms = w->now_ms;
        do {
                bool stalled = w->memory.stalls;
                world_step(w);
                check_step(&r->check, w);
                if (w->memory.stalls && !stalled && w->now_ms - looked_ms >= PRESSURE_LOOK_MS)
                        return;
                if (world_waits(w) && w->now_ms - looked_ms >= WAITING_LOOK_MS)
                        return;
        } while (w->now_ms < r->plan.look_again_ms && !r->check.who);
}

static void look(struct run *r, const struct options *o, struct totals *t) {
        world_observe(&r->world, &r->snapshot);
        mutation_decide(o->mutation, &r->mutant, &r->world.limits, &r->snapshot, &r->past, &r->plan);
        record_look(&r->record, &r->snapshot, &r->plan);
        check_plan(&r->check, &r->world, &r->snapshot, &r->plan);
        if (r->check.who)
                return;
        for (uint32_t i = 0; i < r->plan.actions_count; i++)
                t->actions[r->plan.actions[i].kind]++;
        fleet_obey(&r->world, &r->plan);
        pass_time(r);
}

static void say_failure(const struct run *r, const struct options *o, uint64_t seed, uint64_t tick) {
        printf("seed %" PRIu64 ", look %" PRIu64 ", at %.2f s: %s: %s\n", seed, tick, (double) r->world.now_ms / 1000,
               r->check.who, r->check.what);
        printf("again: make simulate SEED=%" PRIu64 " TICKS=%" PRIu64, seed, o->ticks);
        if (o->growth_mib_s > 0)
                printf(" GROWTH=%" PRIu32, o->growth_mib_s);
        printf("%s%s   (with RECORD=FILE it is written as a scenario)\n", o->mutation ? " MUTATION=" : "",
               o->mutation ? o->mutation->name : "");
}

/* True when no checker fired. */
static bool run_one(const struct options *o, uint64_t seed, struct totals *t) {
        struct run *r = &run;
        uint64_t tick = 0;
        char title[128];
        memset(&r->snapshot, 0, sizeof(r->snapshot));
        memset(&r->past, 0, sizeof(r->past));
        memset(&r->check, 0, sizeof(r->check));
        memset(&r->mutant, 0, sizeof(r->mutant));
        world_init(&r->world, seed, o->growth_mib_s);
        r->check.starved_since_ms = r->check.taken_since_ms = r->check.hot_since_ms = r->world.now_ms;
        snprintf(title, sizeof(title), "The world of seed %" PRIu64 ", as the simulator made it.", seed);
        record_limits(&r->record, title, &r->world.limits);
        while (tick < o->ticks && !r->check.who) {
                tick++;
                look(r, o, t);
        }
        t->ticks += tick;
        t->ms += r->world.now_ms;
        t->answers += r->world.answers;
        t->refusals += r->world.refusals;
        t->loads += r->world.loads;
        t->ended += r->world.ended_in_mid_answer;
        t->cliffs += r->check.cliffs;
        t->oom_kills += r->world.memory.oom_kills;
        if (r->check.who)
                say_failure(r, o, seed, tick);
        return !r->check.who;
}

static void say_totals(const struct totals *t, const struct options *o, double seconds) {
        printf("%" PRIu64 " looks in %" PRIu64 " worlds, %.1f hours of theirs in %.1f s: %" PRIu64 " answers, %" PRIu64
               " refusals, %" PRIu64 " loads, %" PRIu64 " cliffs, %" PRIu64 " kills by the kernel, %" PRIu64
               " answers cut\nacts:",
               t->ticks, o->runs, (double) t->ms / 3600000, seconds, t->answers, t->refusals, t->loads, t->cliffs, t->oom_kills,
               t->ended);
        for (unsigned k = ACTION_NONE + 1; k < ACTION_COUNT; k++)
                printf(" %s %" PRIu64, policy_action_word((enum action_kind) k), t->actions[k]);
        printf("\n");
}

static bool open_record(const struct options *o) {
        if (!o->record)
                return true;
        run.record.out = fopen(o->record, "w");
        if (!run.record.out)
                perror(o->record);
        return run.record.out != NULL;
}

static int simulate(const struct options *o) {
        static struct totals t;
        bool good = true;
        struct timespec begin, end;
        clock_gettime(CLOCK_MONOTONIC, &begin);
        for (uint64_t i = 0; i < o->runs && (good || o->verbose); i++)
                good = run_one(o, o->seed + i, &t) && good;
        clock_gettime(CLOCK_MONOTONIC, &end);
        say_totals(&t, o, (double) (end.tv_sec - begin.tv_sec) + (double) (end.tv_nsec - begin.tv_nsec) / 1e9);
        return good ? 0 : 1;
}

/* The world does not matter, as long as the right checker notices in one of them. */
static int hunt(const struct options *o) {
        static struct totals t;
        for (uint64_t i = 0; i < o->runs; i++)
                if (!run_one(o, o->seed + i, &t) && !strcmp(run.check.who, o->mutation->caught_by)) {
                        printf("caught: %s, in the %" PRIu64 ". world\n", o->mutation->name, i + 1);
                        return 0;
                }
        printf("NOT caught: %s (%s)\n", o->mutation->name, o->mutation->breaks);
        return 1;
}

static const struct mutation *mutation_named(const char *name) {
        for (const struct mutation *m = mutations; m->name; m++)
                if (!strcmp(m->name, name))
                        return m;
        fprintf(stderr, "mutations:\n");
        for (const struct mutation *m = mutations; m->name; m++)
                fprintf(stderr, "  %-24s breaks: %s\n", m->name, m->breaks);
        exit(2);
}

int main(int argc, char **argv) {
        static const struct option known[] = { { "seed", 1, NULL, 's' },     { "runs", 1, NULL, 'r' },
                                               { "ticks", 1, NULL, 't' },    { "growth", 1, NULL, 'g' },
                                               { "mutation", 1, NULL, 'm' }, { "record", 1, NULL, 'f' },
                                               { "verbose", 0, NULL, 'v' },  { NULL, 0, NULL, 0 } };
        struct options o = { .seed = 1, .runs = 1, .ticks = 1000 };
        int c;
        while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
                switch (c) {
                case 's': o.seed = strtoull(optarg, NULL, 10); break;
                case 'r': o.runs = strtoull(optarg, NULL, 10); break;
                case 't': o.ticks = strtoull(optarg, NULL, 10); break;
                case 'g': o.growth_mib_s = (uint32_t) strtoul(optarg, NULL, 10); break;
                case 'm': o.mutation = mutation_named(optarg); break;
                case 'f': o.record = optarg; break;
                case 'v': o.verbose = true; break;
                default: return 2;
                }
        }
        setvbuf(stdout, NULL, _IOLBF, 0);
        if (!open_record(&o))
                return 2;
        int rc = o.mutation ? hunt(&o) : simulate(&o);
        if (run.record.out && fclose(run.record.out) != 0)
                rc = 2;
        return rc;
}
