/* worth.c - see worth.h. */
#include "engine/speculation/worth.h"

#include <assert.h>

static double fade(double mean, double value) {
        return mean + (value - mean) / WORTH_PASSES;
}

static double least(double a, double b) {
        return a < b ? a : b;
}

/* Where nothing was measured beside so many sequences: as beside fewer. */
static struct worth_cost first_cost(const struct worth_costs *c, uint32_t sequences, double us) {
        while (sequences > 1 && c->of[sequences].us <= 0)
                sequences--;
        const struct worth_cost *like = &c->of[sequences];
        return like->us > 0 ? (struct worth_cost){ us, like->any, like->each, 0 }
                            : (struct worth_cost){ us, WORTH_ANY_FIRST, WORTH_EACH_FIRST, 0 };
}

static double part_of(const struct worth_cost *cost, uint32_t guesses) {
        return guesses ? cost->any + guesses * cost->each : 0;
}

/* Both shares take half of what it was more, or less, than expected. At most each token costs what one alone does. */
static void note_guesses(struct worth_cost *cost, uint32_t guesses, double us) {
        double part = us / cost->us - 1;
        cost->passes += cost->passes < WORTH_PASSES - 1;
        double more = (least(part > 0 ? part : 0, guesses) - part_of(cost, guesses)) / (1 + cost->passes);
        cost->any += more / 2;
        cost->each += more / 2 / guesses;
        if (cost->any < 0)
                cost->any = 0;
        if (cost->each < 0)
                cost->each = 0;
}

void worth_note_pass(struct worth_costs *c, uint32_t sequences, uint32_t guesses, uint64_t us) {
        assert(sequences >= 1 && sequences <= WIRE_PARALLEL_MAX);
        struct worth_cost *cost = &c->of[sequences];
        double took = us > 0 ? (double) us : 1;
        if (guesses && cost->us > 0)
                note_guesses(cost, guesses, took);
        else if (!guesses && cost->us > 0)
                cost->us = fade(cost->us, least(took, 2 * cost->us));
        else if (!guesses)
                *cost = first_cost(c, sequences, took);
}

double worth_cost(const struct worth_costs *c, uint32_t sequences, uint32_t guesses) {
        const struct worth_cost *cost = &c->of[sequences];
        return cost->us * (1 + part_of(cost, guesses));
}

enum worth_support worth_support_of(uint32_t match) {
        return match >= NGRAM_MATCH_MAX ? WORTH_STRONG : match >= WORTH_FAIR_MATCH ? WORTH_FAIR : WORTH_WEAK;
}

/* As after four guesses each, of which 40, 60 and 80 % were right. */
struct worth_belief worth_belief_first(void) {
        return (struct worth_belief){ .right = { 1.6, 2.4, 3.2 }, .asked = { 4, 4, 4 }, .rest = WORTH_REST_MIN };
}

void worth_learn(struct worth_belief *b, enum worth_support support, uint32_t count, uint32_t right) {
        for (uint32_t i = 0; i < count && i <= right; i++) {
                b->right[support] = WORTH_MEMORY * b->right[support] + (i < right);
                b->asked[support] = WORTH_MEMORY * b->asked[support] + 1;
        }
}

/* The best number by their costs; 0 where none gains enough, or nothing is known. */
static uint32_t best(const struct worth_costs *c, double right, uint32_t most, const struct worth_pass *pass) {
        double now = worth_cost(c, pass->sequences, pass->guesses), gained = 0, each = 1, best_speed = WORTH_GAIN * pass->tokens;
        uint32_t found = 0;
        for (uint32_t n = 1; n <= most && now > 0; n++) {
                gained += each *= right;
                double speed = (pass->tokens + gained) * now / worth_cost(c, pass->sequences, pass->guesses + n);
                if (speed > best_speed) {
                        best_speed = speed;
                        found = n;
                }
        }
        return found;
}

static uint32_t probe(struct worth_belief *b, uint32_t most) {
        if (b->passed_over++ < b->rest)
                return 0;
        b->passed_over = 0;
        b->rest = 2 * b->rest < WORTH_REST_MAX ? 2 * b->rest : WORTH_REST_MAX;
        return most < WORTH_PROBE ? most : WORTH_PROBE;
}

uint32_t worth_guesses(const struct worth_costs *c, struct worth_belief *b, enum worth_support support, uint32_t most,
                       struct worth_pass *pass) {
        double right = b->right[support] / b->asked[support], each = 1;
        uint32_t n = best(c, right, most, pass);
        if (n)
                b->rest = WORTH_REST_MIN;
        else
                n = probe(b, most);
        pass->guesses += n;
        for (uint32_t i = 0; i < n; i++)
                pass->tokens += each *= right;
        return n;
}
