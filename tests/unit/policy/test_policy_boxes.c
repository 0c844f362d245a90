/* test_policy_boxes.c - boxes full of KV pools that grow, in which engines obey late: the budget holds at every instant, and all requests end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "policy/admission/loads.h"
#include "policy/base/random.h"

#define MIB(n) ((uint64_t) (n) << 20)
#define NOW_MS 100000u

/* A token is a MiB. */
static const struct limits limits = { .budget_bytes = MIB(10000), .reserve_bytes = MIB(100), .min_residency_ms = 5000 };

#define BOX_MODELS   6u
#define BOX_REQUESTS 4u
#define BOX_ORDERS   4u
#define WEIGHTS_MIB  800u
#define FLOOR        500u
#define NEED_MAX     7000u

enum life { ABSENT, LOADING, READY, LEAVING };

struct boxed {
        enum life life;
        bool drains;
        uint64_t until_ms, loaded_ms, last_end_ms;
        uint32_t counted, asked, limit, prefix; /* tokens: of the account, ordered, of the engine itself */
        struct {
                uint32_t need, held; /* need 0: there is none */
                uint64_t since_ms;
        } requests[BOX_REQUESTS];
        struct {
                uint64_t due_ms; /* 0: none here */
                uint32_t tokens;
                bool turns_out;
        } orders[BOX_ORDERS];
};

struct box {
        struct random rng;
        uint64_t now_ms;
        struct boxed models[BOX_MODELS];
        struct loads_past past;
        uint32_t ended, turned_out, grown, evicted;
};

static uint32_t below(struct box *b, uint32_t n) {
        return random_u32(&b->rng) % n;
}

static uint32_t running(const struct boxed *m) {
        uint32_t sum = 0;
        for (uint32_t i = 0; i < BOX_REQUESTS; i++)
                sum += m->requests[i].held;
        return sum;
}

static uint32_t asked_for(const struct boxed *m) {
        uint32_t count = 0;
        for (uint32_t i = 0; i < BOX_REQUESTS; i++)
                count += m->requests[i].need > 0;
        return count;
}

/* The oldest (or youngest) that holds (or wants) something; BOX_REQUESTS: none. */
static uint32_t pick(const struct boxed *m, bool oldest, bool holding) {
        uint32_t found = BOX_REQUESTS;
        for (uint32_t i = 0; i < BOX_REQUESTS; i++)
                if (m->requests[i].need && (!holding || m->requests[i].held) &&
                    (found == BOX_REQUESTS || (m->requests[i].since_ms < m->requests[found].since_ms) == oldest))
                        found = i;
        return found;
}

static void obey(struct box *b, struct boxed *m, uint32_t tokens, bool turns_out) {
        m->limit = !turns_out && tokens < running(m) ? running(m) : tokens;
        if (m->prefix + running(m) > m->limit)
                m->prefix = m->limit > running(m) ? m->limit - running(m) : 0;
        for (uint32_t i; running(m) > m->limit && (i = pick(m, false, true)) < BOX_REQUESTS; b->turned_out++)
                m->requests[i].held = 0;
}

static void take_orders(struct box *b, struct boxed *m) {
        bool pending = false;
        for (uint32_t i = 0; i < BOX_ORDERS; i++) {
                if (m->orders[i].due_ms && m->orders[i].due_ms <= b->now_ms) {
                        obey(b, m, m->orders[i].tokens, m->orders[i].turns_out);
                        m->orders[i].due_ms = 0;
                }
                pending = pending || m->orders[i].due_ms;
        }
        if (!pending)
                m->counted = m->asked = m->limit;
}

/* The oldest get what there is; where one comes short the youngest makes room. */
static void compute(struct box *b, struct boxed *m) {
        for (uint32_t i = 0; i < BOX_REQUESTS; i++) {
                uint32_t more = 1 + below(b, 60), left = m->requests[i].need - m->requests[i].held;
                more = more < left ? more : left;
                if (running(m) + m->prefix + more > m->limit)
                        m->prefix = m->limit > running(m) + more ? m->limit - running(m) - more : 0;
                if (running(m) + more <= m->limit)
                        m->requests[i].held += more;
                else if (left && pick(m, false, true) < BOX_REQUESTS && pick(m, false, true) != pick(m, true, true))
                        m->requests[pick(m, false, true)].held = 0;
                if (m->requests[i].need && m->requests[i].held == m->requests[i].need) {
                        m->prefix += m->requests[i].held;
                        m->requests[i].need = m->requests[i].held = 0;
                        m->last_end_ms = b->now_ms;
                        b->ended++;
                }
        }
        assert_true(running(m) + m->prefix <= m->limit && m->limit <= m->counted);
}

static void live(struct box *b, struct boxed *m) {
        if (m->life == LOADING && b->now_ms >= m->until_ms)
                m->life = READY, m->loaded_ms = b->now_ms;
        if (m->life == LEAVING && b->now_ms >= m->until_ms)
                m->life = ABSENT;
        if (m->life != READY)
                return;
        take_orders(b, m);
        compute(b, m);
        if (m->drains && asked_for(m) == 0) {
                m->life = LEAVING;
                m->until_ms = b->now_ms + below(b, 500);
                b->evicted++;
        }
}

static uint64_t oldest_ms(const struct box *b, const struct boxed *m) {
        uint32_t oldest = pick(m, true, false);
        return oldest < BOX_REQUESTS ? m->requests[oldest].since_ms : b->now_ms;
}

static void view(const struct box *b, struct snapshot *s) {
        *s = (struct snapshot){ .now_ms = b->now_ms, .ram_bytes = MIB(20000), .available_bytes = MIB(15000) };
        for (uint32_t i = 0; i < BOX_MODELS; i++) {
                const struct boxed *m = &b->models[i];
                uint32_t needed = running(m);
                for (uint32_t k = 0; k < BOX_REQUESTS; k++)
                        needed +=
                                m->requests[k].need - m->requests[k].held < 300 ? m->requests[k].need - m->requests[k].held : 300;
                if (m->life == ABSENT && asked_for(m) > 0)
                        s->wants[s->wants_count++] = (struct want){ .id = i + 1,
                                                                    .since_ms = oldest_ms(b, m),
                                                                    .forms_count = 1,
                                                                    .forms = { { MIB(WEIGHTS_MIB + FLOOR), MIB(1),
                                                                                 MIB(WEIGHTS_MIB + NEED_MAX), MIB(1) } } };
                if (m->life == ABSENT)
                        continue;
                s->models[s->models_count++] = (struct model_view){ .id = i + 1,
                                                                    .obeys = m->life == READY,
                                                                    .loaded_ms = m->loaded_ms,
                                                                    .last_end_ms = m->last_end_ms,
                                                                    .state = m->life == LOADING   ? ACCOUNT_LOADING
                                                                             : m->life == LEAVING ? ACCOUNT_STOPPING
                                                                             : m->drains          ? ACCOUNT_DRAINING
                                                                             : asked_for(m) > 0   ? ACCOUNT_BUSY
                                                                                                  : ACCOUNT_IDLE,
                                                                    .running = asked_for(m),
                                                                    .account_bytes = MIB(WEIGHTS_MIB + m->counted),
                                                                    .bytes = MIB(WEIGHTS_MIB + running(m) + m->prefix),
                                                                    .account_weights_bytes = MIB(1),
                                                                    .pool = m->counted,
                                                                    .pool_asked = m->asked,
                                                                    .pool_floor = FLOOR,
                                                                    .context_full = NEED_MAX,
                                                                    .pool_whole_bytes = MIB(WEIGHTS_MIB + NEED_MAX),
                                                                    .pool_full = 2 * NEED_MAX,
                                                                    .pool_held = running(m) + m->prefix,
                                                                    .pool_needed = needed,
                                                                    .pool_wanted = needed + m->prefix,
                                                                    .prefix_bytes = MIB(m->prefix),
                                                                    .kv_bytes = { MIB(running(m)) },
                                                                    .pool_token_bytes = MIB(1),
                                                                    .pool_since_ms = oldest_ms(b, m) };
        }
}

static void carry_out(struct box *b, const struct plan *plan) {
        for (uint32_t i = 0; i < plan->actions_count; i++) {
                struct boxed *m = &b->models[plan->actions[i].model - 1];
                uint32_t tokens = plan->actions[i].value, free = 0;
                assert_true(m->life == READY);
                while (free < BOX_ORDERS && m->orders[free].due_ms)
                        free++;
                if (free == BOX_ORDERS)
                        continue;
                b->grown += tokens > m->counted;
                m->counted = tokens > m->counted ? tokens : m->counted;
                m->asked = tokens;
                uint64_t after = b->now_ms + 1 + below(b, 300);
                for (uint32_t k = 0; k < BOX_ORDERS; k++) /* they are taken in their order */
                        after = m->orders[k].due_ms > after ? m->orders[k].due_ms : after;
                m->orders[free].due_ms = after;
                m->orders[free].tokens = tokens;
                m->orders[free].turns_out = plan->actions[i].kind == ACTION_TURN_OUT;
        }
        for (uint32_t i = 0; i < plan->unloads_count; i++)
                b->models[plan->unloads[i].model - 1].drains = true;
        for (uint32_t i = 0; i < plan->loads_count; i++) {
                struct boxed *m = &b->models[plan->loads[i].model - 1];
                if (plan->loads[i].verdict != VERDICT_ADMIT)
                        continue;
                struct boxed fresh = {
                        .life = LOADING, .until_ms = b->now_ms + below(b, 1000), .counted = FLOOR, .asked = FLOOR, .limit = FLOOR
                };
                memcpy(fresh.requests, m->requests, sizeof(fresh.requests));
                *m = fresh;
        }
}

static void the_budget_holds(const struct box *b) {
        uint32_t sum = 0;
        for (uint32_t i = 0; i < BOX_MODELS; i++)
                sum += b->models[i].life == ABSENT ? 0 : WEIGHTS_MIB + b->models[i].counted;
        assert_true(sum <= 10000);
}

static void whatever_comes_the_budget_holds_and_all_end(void **state) {
        (void) state;
        uint32_t turned_out = 0, grown = 0, evicted = 0;
        for (uint64_t seed = 1; seed <= 60; seed++) {
                struct box b = { .rng = random_seeded(seed), .now_ms = NOW_MS };
                uint32_t asked = 0, most = 100;
                for (uint32_t tick = 0; tick < 40000 && (asked < most || b.ended < asked); tick++) {
                        static struct snapshot snapshot;
                        static struct plan plan;
                        b.now_ms += 20 + below(&b, 60);
                        struct boxed *m = &b.models[below(&b, BOX_MODELS)];
                        uint32_t place = below(&b, BOX_REQUESTS);
                        if (asked < most && below(&b, 8) == 0 && !m->requests[place].need && !m->drains && m->life != LEAVING) {
                                m->requests[place].need = 1 + below(&b, below(&b, 4) ? 800 : NEED_MAX);
                                m->requests[place].since_ms = b.now_ms;
                                asked++;
                        }
                        for (uint32_t i = 0; i < BOX_MODELS; i++)
                                live(&b, &b.models[i]);
                        the_budget_holds(&b);
                        view(&b, &snapshot);
                        plan = (struct plan){ 0 };
                        policy_loads(&limits, &snapshot, &b.past, &plan);
                        carry_out(&b, &plan);
                        the_budget_holds(&b);
                }
                if (b.ended < asked)
                        fail_msg("seed %llu: %u of %u requests have ended", (unsigned long long) seed, b.ended, asked);
                turned_out += b.turned_out, grown += b.grown, evicted += b.evicted;
        }
        assert_true(turned_out > 0 && grown > 100 && evicted > 0); /* all of it has happened */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(whatever_comes_the_budget_holds_and_all_end),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
