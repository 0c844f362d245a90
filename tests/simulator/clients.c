/* clients.c - requests: they arrive by dice, wait, run token by token, end. */
#include <math.h>
#include <string.h>

#include "tests/simulator/parts.h"

#define CONVERTED_PER_S (1024.0 * 1024 * 1024) /* of KV at f16; findings: the engine's kernels do several times that */
#define SQUEEZED_SLOWER 150.0                  /* measured: 0.01 s a sweep became 4.2 s */

static double level_part(enum kv_type level) {
        return kv_type_block_bytes(level) / 64.0;
}

double request_tokens(const struct request *r) {
        double sum = 0;
        for (unsigned l = 0; l < KV_TYPE_COUNT; l++)
                sum += r->stored[l];
        return sum;
}

double model_kv_bytes(const struct model *m, enum kv_type level) {
        double tokens = 0;
        for (uint32_t i = 0; i < RUNNING_PLACES; i++)
                if (m->running[i].state == REQUEST_RUNNING)
                        tokens += m->running[i].stored[level];
        return tokens * m->token_bytes * level_part(level);
}

double model_prefix_tokens(const struct model *m) {
        double sum = 0;
        for (unsigned l = 0; l < KV_TYPE_COUNT; l++)
                sum += m->prefix[l];
        return sum;
}

double model_prefix_bytes(const struct model *m) {
        double sum = 0;
        for (unsigned l = 0; l < KV_TYPE_COUNT; l++)
                sum += m->prefix[l] * m->token_bytes * level_part((enum kv_type) l);
        return sum;
}

static uint32_t count(const struct model *m, enum request_state state) {
        uint32_t n = 0;
        for (uint32_t i = 0; i < RUNNING_PLACES; i++)
                n += m->running[i].state == state;
        return n;
}

uint32_t model_computing(const struct model *m) {
        return count(m, REQUEST_RUNNING);
}

uint32_t model_running(const struct model *m) {
        return model_computing(m) + count(m, REQUEST_QUEUED);
}

uint32_t model_suspended(const struct model *m) {
        return count(m, REQUEST_SUSPENDED);
}

void request_refuse(struct world *w, struct request *r, enum reason reason) {
        w->refusals += reason != REASON_NONE;
        *r = (struct request){ 0 };
}

static void remove_waiting(struct model *m, uint32_t at) {
        memmove(&m->waiting[at], &m->waiting[at + 1], (--m->waiting_count - at) * sizeof(m->waiting[0]));
}

/* In the pool it takes its place again. */
void request_come_back(const struct model *m, struct request *r) {
        r->state = m->pool.elastic ? REQUEST_QUEUED : REQUEST_RUNNING;
}

void requests_refuse_all(struct world *w, struct model *m, enum reason reason) {
        while (m->waiting_count > 0) {
                request_refuse(w, &m->waiting[0], reason);
                remove_waiting(m, 0);
        }
}

/* --- arriving and giving up --- */

void clients_init(struct world *w, struct model *m) {
        struct dice *d = &w->dice;
        m->batch_percent = dice_percent(d, 60) ? 0 : dice_percent(d, 50) ? 100 : 40;
        m->prompt_usual = (uint32_t) dice_spread(d, 50, m->context_full / 3.0);
        m->wanted_usual = (uint32_t) dice_spread(d, 20, 600);
        /* From hardly ever to a little more than it can do. */
        double alone_s = m->prompt_usual / m->prefill_per_s + m->wanted_usual / m->decode_per_s;
        m->asks_per_s = dice_spread(d, 0.01, 1.2) / alone_s;
}

static uint32_t about(struct dice *d, uint32_t usual) {
        return 1 + (uint32_t) (usual * dice_spread(d, 0.3, 3));
}

void clients_ask(struct world *w, struct model *m) {
        struct dice *d = &w->dice;
        if (dice_part(d) >= m->asks_per_s * STEP_MS / 1000)
                return;
        struct request r = { .state = REQUEST_WAITING,
                             .batch = dice_percent(d, m->batch_percent),
                             .asked_ms = w->now_ms,
                             .prompt = about(d, m->prompt_usual),
                             .wanted = about(d, m->wanted_usual) };
        r.wait_until_ms = w->now_ms + (uint64_t) dice_between(d, 30000, 120000);
        double alone_s = r.prompt / m->prefill_per_s + r.wanted / m->decode_per_s;
        r.deadline_ms = r.wait_until_ms + 300000 + (uint64_t) (alone_s * 1000 * 40);
        if (m->waiting_count == WAITING_PLACES)
                request_refuse(w, &r, REASON_CONCURRENCY_LIMIT);
        else if (r.prompt + r.wanted > m->context_full || r.prompt + r.wanted > m->pool_tokens)
                request_refuse(w, &r, REASON_NEVER_FITS);
        else
                m->waiting[m->waiting_count++] = r;
}

static enum reason why_it_waited(const struct world *w, const struct request *r) {
        return w->hold_growth || w->hold_loads ? REASON_MEMORY_HELD
               : r->batch && w->hold_batch     ? REASON_TOO_HOT
                                               : REASON_WAIT_TOO_LONG;
}

void clients_give_up(struct world *w, struct model *m) {
        for (uint32_t i = 0; i < m->waiting_count;) {
                struct request *r = &m->waiting[i];
                if (w->now_ms < r->wait_until_ms) {
                        i++;
                        continue;
                }
                request_refuse(w, r, why_it_waited(w, r));
                remove_waiting(m, i);
        }
        /* One that is suspended on disk, or lacks room in its pool, may wait no longer than its deadline. */
        for (uint32_t i = 0; i < RUNNING_PLACES; i++) {
                struct request *r = &m->running[i];
                bool waits = r->state == REQUEST_SUSPENDED || r->state == REQUEST_QUEUED || r->waits;
                if (waits && w->now_ms + STEP_MS >= r->deadline_ms)
                        request_refuse(w, r, REASON_MEMORY_HELD);
        }
}

/* --- beginning --- */

static double reserved_tokens(const struct model *m) {
        double sum = 0;
        for (uint32_t i = 0; i < RUNNING_PLACES; i++)
                if (m->running[i].state != REQUEST_NONE)
                        sum += m->running[i].prompt + m->running[i].wanted;
        return sum;
}

static bool anything_runs(const struct world *w) {
        for (uint32_t i = 0; i < w->models_count; i++)
                if (model_running(&w->models[i]) > 0)
                        return true;
        return false;
}

static struct request *free_place(struct model *m) {
        for (uint32_t i = 0; i < m->parallel; i++)
                if (m->running[i].state == REQUEST_NONE)
                        return &m->running[i];
        return NULL;
}

void clients_send(struct world *w, struct model *m) {
        for (uint32_t i = 0; i < m->waiting_count;) {
                struct request *r = &m->waiting[i], *place = free_place(m);
                double needs = r->prompt + r->wanted;
                if (!place || (w->hold_growth && anything_runs(w)))
                        return;
                if (needs > m->context) {
                        request_refuse(w, r, REASON_CONTEXT_LOWERED);
                        remove_waiting(m, i);
                        continue;
                }
                if ((r->batch && w->hold_batch) || (!m->pool.elastic && reserved_tokens(m) + needs > m->pool_tokens)) {
                        i++;
                        continue;
                }
                *place = *r;
                request_come_back(m, place);
                m->asked = true;
                remove_waiting(m, i);
        }
}

/* --- computing --- */

void model_shrink_prefix(struct model *m, double tokens) {
        double have = model_prefix_tokens(m), keep = have > tokens ? 1 - tokens / have : 0;
        for (unsigned l = 0; l < KV_TYPE_COUNT; l++)
                m->prefix[l] *= have > 0 ? keep : 0;
}

static void finish(struct world *w, struct model *m, struct request *r) {
        w->answers++;
        pool_note_answer(m, r);
        m->last_end_ms = w->now_ms;
        if (dice_percent(&w->dice, 70))
                for (unsigned l = 0; l < KV_TYPE_COUNT; l++)
                        m->prefix[l] += r->stored[l];
        double most = m->pool_tokens / 2.0;
        if (model_prefix_tokens(m) > most)
                model_shrink_prefix(m, model_prefix_tokens(m) - most);
        *r = (struct request){ 0 };
}

/* How much of them it can use, for want of blocks. */
static double seconds_with_room(struct model *m, struct request *r, double seconds) {
        double again = least(r->again, seconds * m->prefill_per_s), rest = seconds - again / m->prefill_per_s;
        double prompt = least(largest(0, r->prompt - r->done), rest * m->prefill_per_s);
        rest -= prompt / m->prefill_per_s;
        double made = least(r->prompt + r->wanted - r->done - prompt, rest * m->decode_per_s);
        double room = pool_room(m, r, again + prompt + made);
        double fed = least(room, again + prompt);
        return least(seconds, fed / m->prefill_per_s + (room - fed) / m->decode_per_s);
}

/* Seconds of computing go to one request; the tokens that came out. */
static double advance(struct world *w, struct model *m, struct request *r, double seconds) {
        double before = r->done, decoded = 0;
        if (m->pool.elastic)
                seconds = seconds_with_room(m, r, seconds);
        if (r->again > 0) {
                double fed = least(r->again, seconds * m->prefill_per_s);
                seconds -= fed / m->prefill_per_s;
                r->again -= fed;
                r->stored[m->level] += fed;
        }
        double in_prompt = largest(0, r->prompt - r->done), fed = least(in_prompt, seconds * m->prefill_per_s);
        seconds -= fed / m->prefill_per_s;
        r->done += fed;
        if (r->done >= r->prompt) {
                decoded = least(r->prompt + r->wanted - r->done, seconds * m->decode_per_s);
                r->done += decoded;
        }
        r->stored[m->level] += r->done - before;
        if (r->done >= r->prompt + r->wanted - 1e-6)
                finish(w, m, r);
        return decoded;
}

/* Oldest first, the most precise first; the cache of finished requests last. */
static void convert(struct model *m) {
        double budget = CONVERTED_PER_S * STEP_MS / 1000 / m->token_bytes;
        for (uint32_t i = 0; i <= RUNNING_PLACES; i++) {
                double *stored = i < RUNNING_PLACES ? m->running[i].stored : m->prefix;
                if (i < RUNNING_PLACES && m->running[i].state != REQUEST_RUNNING)
                        continue;
                for (unsigned l = 0; l < m->level && budget > 0; l++) {
                        double some = least(budget, stored[l]);
                        stored[l] -= some;
                        stored[m->level] += some;
                        budget -= some;
                }
        }
}

static void note_rate(struct model *m, double decoded, uint32_t running) {
        double now = decoded * 1000 * (1000.0 / STEP_MS);
        if (running == 0 || decoded <= 0)
                return;
        m->rate += (now - m->rate) * STEP_MS / 1000;
        if (m->usual_rate <= 0)
                m->usual_rate = now;
        m->usual_rate *= m->rate > m->usual_rate ? 1.001 : 0.999; /* goes to the median */
}

void clients_compute(struct world *w, struct model *m) {
        double seconds = STEP_MS / 1000.0 * w->heat.duty, decoded = 0;
        uint32_t running = model_computing(m);
        if (w->memory.squeeze > 0.005)
                seconds /= 1 + SQUEEZED_SLOWER * least(1, 5 * w->memory.squeeze);
        if (m->livelock_ms > 0 && w->now_ms >= m->livelock_ms) {
                seconds *= 0.01;
                m->stall_us += 0.99 * STEP_MS * 1000;
                m->high_events += 2;
        }
        for (uint32_t i = 0; i < RUNNING_PLACES; i++)
                if (m->running[i].state == REQUEST_RUNNING)
                        decoded += advance(w, m, &m->running[i], seconds / (0.6 + 0.4 * running));
        if (m->level > KV_F16)
                convert(m);
        double over = reserved_tokens(m) + model_prefix_tokens(m) - m->pool_tokens;
        if (over > 0 && !m->pool.elastic)
                model_shrink_prefix(m, over);
        note_rate(m, decoded, running);
}
