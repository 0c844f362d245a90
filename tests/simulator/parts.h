/* parts.h - what the parts of a world offer each other. */
#ifndef HEADROOM_TESTS_SIMULATOR_PARTS_H
#define HEADROOM_TESTS_SIMULATOR_PARTS_H

#include "tests/simulator/dice.h"
#include "tests/simulator/world.h"

static inline double least(double a, double b) {
        return a < b ? a : b;
}

static inline double largest(double a, double b) {
        return a > b ? a : b;
}

void memory_init(struct world *w);
void memory_step(struct world *w);

void hogs_init(struct world *w);
void hogs_init_growth(struct world *w, uint32_t mib_per_s);
void hogs_step(struct world *w);
void hogs_end_largest(struct world *w);

void fleet_init(struct world *w);
void fleet_step(struct world *w);
/* The engine is killed: what runs there ends in the middle. */
void fleet_kill(struct world *w, struct model *m);
/* Turns the requests of M away, with a reason. */
void requests_refuse_all(struct world *w, struct model *m, enum reason reason);

/* clients.c */
void clients_init(struct world *w, struct model *m);
void clients_ask(struct world *w, struct model *m);
/* Ends what has waited too long. */
void clients_give_up(struct world *w, struct model *m);
/* Sends what may be sent to the engine, and lets it compute for a step. */
void clients_send(struct world *w, struct model *m);
void clients_compute(struct world *w, struct model *m);
void request_refuse(struct world *w, struct request *r, enum reason reason);
/* From disk. */
void request_come_back(const struct model *m, struct request *r);
double model_prefix_tokens(const struct model *m);
void model_shrink_prefix(struct model *m, double tokens);
/* Weights that are mapped now. */
uint64_t model_mapped(const struct model *m);
double request_tokens(const struct request *r);

/* pools.c */
void pool_init(const struct world *w, struct model *m);
void pools_crowd(struct world *w, uint64_t seed);
void pool_load(struct model *m);
void pool_step(struct world *w, struct model *m);
double pool_room(struct model *m, struct request *r, double wanted);
void pool_note_answer(struct model *m, const struct request *r);
void pool_order(struct world *w, struct model *m, const struct action *action, uint64_t delay_ms);
/* Its engine has said so. */
bool pool_lacks(const struct model *m);
void pool_view(const struct world *w, const struct model *m, struct model_view *v);

/* levers.c */
void levers_step(struct world *w, struct model *m);

/* admit.c */
void admit(struct world *w, const struct plan *plan);
/* Is it to be loaded, and how? */
bool model_wants(const struct world *w, const struct model *m);
struct want model_want(const struct model *m, uint32_t id);
uint32_t model_unfinished(const struct model *m);
void model_stop(struct world *w, struct model *m);

void heat_init(struct world *w);
void heat_step(struct world *w);
/* The temperature at which the die settles with engines at DUTY (0 .. 1) for ever. */
double heat_settles_at(const struct heat *h, double duty);

#endif
