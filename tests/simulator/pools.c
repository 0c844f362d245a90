/*
 * pools.c - elastic KV pools: what an engine makes of their limit, and what a daemon counts for them.
 *
 * Requests take blocks as their tokens are stored. Who finds none waits: behind its siblings, or, when it is the oldest, until the
 * pool grows. What the daemon knows are reports, which are old at times; an order counts from when it is given, if it makes the
 * pool larger, and from the next report after its answer, if smaller.
 */
#include <math.h>
#include <string.h>

#include "tests/simulator/parts.h"

#define BLOCK           64.0
#define REPORT_MS       250u
#define ANSWER_MAX_MS   10000u /* no answer for so long: it is not obeying */
#define ANSWER_AT_FIRST 256.0  /* tokens of an answer, before one was seen */
#define REFUSED_PERCENT 15u    /* of the orders to an engine that is not prompt: answered with an error */
#define HALVED_PERCENT  25u    /* ... or carried out half the way */
#define ELASTIC_PERCENT 50u
#define CROWDED_PERCENT 25u
#define FLOOR_LEAST     512u

static double blocks_of(double tokens) {
        return ceil(tokens / BLOCK - 1e-9);
}

static double tokens_in_blocks(double tokens) {
        return blocks_of(tokens) * BLOCK;
}

/* Dice of its own: the rest of the world is what it is without them. */
void pool_init(const struct world *w, struct model *m) {
        struct dice own;
        struct pool *p = &m->pool;
        dice_init(&own, m->weights_bytes ^ 0x9001);
        double whole = (double) m->weights_bytes + (double) m->overhead_bytes + m->context_full * m->token_bytes;
        if (m->external || m->lacks & ACTION_BIT(ACTION_POOL) || !dice_percent(&own, ELASTIC_PERCENT) ||
            whole > 0.9 * (double) w->limits.budget_bytes)
                return;
        p->elastic = true;
        p->floor = m->context_full >> dice_below(&own, 4);
        if (p->floor < FLOOR_LEAST)
                p->floor = FLOOR_LEAST;
        m->pool_tokens = m->context_full * (1 + dice_below(&own, m->parallel));
        p->dice = own;
}

/* Small models whose pools are most of what they hold, in a budget that has room for few of these at a time. */
void pools_crowd(struct world *w, uint64_t seed) {
        struct dice own, *d = &own;
        dice_init(d, seed ^ 0xc0d);
        if (!dice_percent(d, CROWDED_PERCENT))
                return;
        double all = 0, most = 0;
        for (uint32_t i = 0; i < w->models_count; i++) {
                struct model *m = &w->models[i];
                m->weights_bytes = (uint64_t) (dice_spread(d, 0.01, 0.05) * (double) w->memory.ram_bytes);
                m->overhead_bytes = m->weights_bytes / 32 + (50ull << 20);
                m->context_full = 1024u << dice_below(d, 4);
                m->token_bytes = (double) m->weights_bytes * dice_between(d, 0.3, 1.5) / m->context_full;
                m->decode_per_s = dice_spread(d, 5, 60);
                m->prefill_per_s = m->decode_per_s * 20;
                m->prompt_usual = m->context_full / (3 + dice_below(d, 8));
                m->wanted_usual = m->context_full / (3 + dice_below(d, 8));
                m->asks_per_s = dice_spread(d, 0.3, 3) * m->decode_per_s / (m->prompt_usual / 20.0 + m->wanted_usual);
                m->parallel = 2 + dice_below(d, RUNNING_PLACES - 1);
                m->pool_tokens = m->context_full * m->parallel;
                m->pool.elastic = !m->external && !(m->lacks & ACTION_BIT(ACTION_POOL));
                m->pool.floor = FLOOR_LEAST;
                m->pool.dice = own;
                all += (double) model_least_bytes(m);
                most = largest(most, (double) (model_whole_bytes(m) - model_least_bytes(m)));
        }
        double budget = all + most * dice_between(d, 1, 1.5);
        w->limits.budget_bytes = (uint64_t) least((double) w->limits.budget_bytes, budget);
}

void pool_load(struct model *m) {
        struct pool *p = &m->pool;
        p->limit = p->counted = p->asked = p->floor;
        p->usual_answer = ANSWER_AT_FIRST;
        p->reported_ms = 0;
        p->report = (struct pool_report){ .limit = p->floor };
        memset(p->orders, 0, sizeof(p->orders));
}

/* --- what is in it --- */

static double held_by(const struct request *r) {
        return r->state == REQUEST_RUNNING ? tokens_in_blocks(request_tokens(r)) : 0;
}

double pool_running_tokens(const struct model *m) {
        double sum = 0;
        for (uint32_t i = 0; i < RUNNING_PLACES; i++)
                sum += held_by(&m->running[i]);
        return sum;
}

static double held(const struct model *m) {
        return pool_running_tokens(m) + tokens_in_blocks(model_prefix_tokens(m));
}

/* Prefixes make room first. Tokens of whole blocks that are free then, at most WANTED. */
static double make_free(struct model *m, double wanted) {
        double prefix = model_prefix_tokens(m), over = held(m) + wanted - m->pool.limit;
        if (over > 0 && prefix > 0)
                model_shrink_prefix(m, fmin(prefix, over + fmod(prefix, BLOCK)));
        return fmax(0, fmin(wanted, m->pool.limit - held(m)));
}

/* Tokens that it will likely come to beyond what it holds, as the engine guesses: the client said twice what it will want. */
static double growth_left(const struct model *m, const struct request *r) {
        double made = largest(0, r->done - r->prompt), usual = largest(0, m->pool.usual_answer - made);
        double tokens = largest(r->done, r->prompt) + largest(largest(usual, made / 2), BLOCK);
        tokens = least(tokens, least(m->context_full, r->prompt + 2.0 * r->wanted));
        return largest(0, tokens_in_blocks(tokens) - held_by(r));
}

static struct request *oldest_queued(struct model *m) {
        struct request *oldest = NULL;
        for (uint32_t i = 0; i < RUNNING_PLACES; i++)
                if (m->running[i].state == REQUEST_QUEUED && (!oldest || m->running[i].asked_ms < oldest->asked_ms))
                        oldest = &m->running[i];
        return oldest;
}

static double growth(const struct model *m) {
        double sum = 0;
        for (uint32_t i = 0; i < RUNNING_PLACES; i++)
                if (m->running[i].state == REQUEST_RUNNING || m->running[i].state == REQUEST_QUEUED)
                        sum += growth_left(m, &m->running[i]);
        return sum;
}

/* --- what the engine does --- */

/* What can wait makes room before what somebody waits for; of the same class the younger. Its KV is computed again. */
static bool turn_out(struct model *m) {
        struct request *first = NULL;
        for (uint32_t i = 0; i < RUNNING_PLACES; i++) {
                struct request *r = &m->running[i];
                if (r->state == REQUEST_RUNNING && held_by(r) > 0 &&
                    (!first || (r->batch != first->batch ? r->batch : r->asked_ms > first->asked_ms)))
                        first = r;
        }
        if (!first)
                return false;
        first->state = REQUEST_QUEUED;
        first->again = first->done;
        memset(first->stored, 0, sizeof(first->stored));
        first->waits = false;
        return true;
}

static void set_limit(struct model *m, uint32_t tokens, bool makes_room) {
        double running = pool_running_tokens(m);
        m->pool.limit = (uint32_t) tokens_in_blocks(!makes_room && tokens < running ? running : tokens);
        (void) make_free(m, 0);
        while (held(m) > m->pool.limit && turn_out(m))
                ;
}

static void begin_queued(struct model *m) {
        for (struct request *r; (r = oldest_queued(m)) != NULL;) {
                double all = growth_left(m, r), promised = all; /* it holds nothing yet, whatever it has on disk */
                for (uint32_t i = 0; i < RUNNING_PLACES; i++)
                        if (m->running[i].state == REQUEST_RUNNING)
                                promised += held_by(&m->running[i]) + growth_left(m, &m->running[i]);
                if (promised > m->pool.limit)
                        return;
                (void) make_free(m, all);
                r->state = REQUEST_RUNNING;
        }
}

/* Tokens that R may store now. */
double pool_room(struct model *m, struct request *r, double wanted) {
        double room = tokens_in_blocks(request_tokens(r)) - request_tokens(r);
        if (room < wanted)
                room += make_free(m, tokens_in_blocks(wanted - room));
        r->waits = room < 1e-6 && wanted > 0;
        m->pool.is_short = m->pool.is_short || r->waits;
        return least(room, wanted);
}

void pool_note_answer(struct model *m, const struct request *r) {
        m->pool.usual_answer += 0.125 * (r->wanted - m->pool.usual_answer);
}

/* --- orders and reports --- */

static uint32_t clip(double tokens, uint32_t most) {
        return tokens < most ? (uint32_t) tokens : most;
}

static bool is_pending(const struct pool *p) {
        return p->orders[0].given || p->orders[1].given;
}

static void report(const struct world *w, struct model *m) {
        struct pool *p = &m->pool;
        if (w->now_ms < p->reported_ms + REPORT_MS && model_running(m) == 0)
                return;
        double running = pool_running_tokens(m), more = growth(m);
        uint32_t needed = clip(running + more, m->pool_tokens);
        if (w->now_ms < p->reported_ms + REPORT_MS && (needed <= p->limit || needed <= p->report.needed))
                return;
        p->reported_ms = w->now_ms;
        p->report = (struct pool_report){ .limit = p->limit,
                                          .held = clip(held(m), p->limit),
                                          .used = clip(running, p->limit),
                                          .needed = needed,
                                          .wanted = clip(held(m) + more, m->pool_tokens) };
        if (!is_pending(p))
                p->counted = p->asked = p->limit;
}

/* As the daemon: one of a kind at a time, and what it may hold more counts before the engine hears of it. */
void pool_order(struct world *w, struct model *m, const struct action *action, uint64_t delay_ms) {
        struct pool *p = &m->pool;
        struct order *o = &p->orders[action->kind == ACTION_TURN_OUT];
        if (!p->elastic || o->given)
                return;
        *o = (struct order){ true, m->temper == TEMPER_DEAF ? UINT64_MAX : w->now_ms + delay_ms, *action };
        p->sent_ms[o - p->orders] = w->now_ms;
        p->asked = action->value;
        if (p->counted < action->value)
                p->counted = action->value;
}

static void take_order(struct model *m, struct order *o) {
        struct pool *p = &m->pool;
        uint32_t value = o->action.value;
        o->given = false;
        if (m->temper != TEMPER_PROMPT && dice_percent(&p->dice, REFUSED_PERCENT))
                return;
        if (m->temper != TEMPER_PROMPT && dice_percent(&p->dice, HALVED_PERCENT))
                value = (p->limit + value) / 2;
        set_limit(m, value, o->action.kind == ACTION_TURN_OUT);
}

void pool_step(struct world *w, struct model *m) {
        struct pool *p = &m->pool;
        if (!p->elastic)
                return;
        for (unsigned i = 0; i < 2; i++)
                if (p->orders[i].given && w->now_ms >= p->orders[i].due_ms)
                        take_order(m, &p->orders[i]);
        if (p->is_short && model_computing(m) > 1)
                (void) turn_out(m);
        p->is_short = false;
        begin_queued(m);
        report(w, m);
}

/* --- what is known of it --- */

bool pool_is_silent(const struct world *w, const struct model *m) {
        for (unsigned i = 0; i < 2; i++)
                if (m->pool.orders[i].given && w->now_ms - m->pool.sent_ms[i] >= ANSWER_MAX_MS)
                        return true;
        return false;
}

uint32_t pool_may_hold(const struct model *m) {
        uint32_t most = m->pool.limit;
        for (unsigned i = 0; i < 2; i++)
                if (m->pool.orders[i].given && m->pool.orders[i].action.value > most)
                        most = m->pool.orders[i].action.value;
        return most;
}

bool pool_lacks(const struct model *m) {
        return m->pool.elastic && m->life == LIFE_READY && m->pool.report.needed > m->pool.counted;
}

double model_pool_token_bytes(const struct model *m) {
        return ceil(m->token_bytes * kv_type_block_bytes(m->ceiling) / 64.0);
}

uint64_t model_oldest_ms(const struct world *w, const struct model *m) {
        uint64_t since = w->now_ms;
        for (uint32_t i = 0; i < RUNNING_PLACES; i++)
                if (m->running[i].state != REQUEST_NONE && m->running[i].asked_ms < since)
                        since = m->running[i].asked_ms;
        return since;
}

void pool_view(const struct world *w, const struct model *m, struct model_view *v) {
        const struct pool *p = &m->pool;
        if (!p->elastic || (m->life != LIFE_READY && m->life != LIFE_DRAINING))
                return;
        v->obeys = v->obeys && !pool_is_silent(w, m);
        v->pool = p->counted;
        v->pool_asked = p->asked;
        v->pool_told = is_pending(p);
        v->pool_floor = p->floor;
        v->pool_full = m->pool_tokens;
        v->pool_held = p->report.held;
        v->pool_needed = p->report.needed;
        v->pool_wanted = p->report.wanted;
        v->pool_token_bytes = (uint64_t) model_pool_token_bytes(m);
        v->pool_whole_bytes = model_whole_bytes(m);
        v->pool_since_ms = model_oldest_ms(w, m);
}
