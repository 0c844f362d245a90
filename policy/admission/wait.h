/*
 * wait.h - how long a request is going to wait: the forecast of a queue, from what was measured of its model.
 *
 * A place becomes free once in the usual time of a request divided by the number of places; so the request that is to begin after N
 * others waits N times that, and before it whatever its model itself waits for.
 */
#ifndef HEADROOM_POLICY_ADMISSION_WAIT_H
#define HEADROOM_POLICY_ADMISSION_WAIT_H

#include <stdbool.h>
#include <stdint.h>

struct queue_facts {
        uint32_t ahead;             /* requests that begin before it */
        uint32_t running, parallel; /* requests at work, and places for them */
        uint64_t service_ms;        /* the usual time of a request at work; 0: none has ended yet */
        uint64_t begins_ms;         /* until the model takes requests: room for it, its loading; UINT64_MAX: nobody can tell */
};

/* UINT64_MAX: nobody can tell. */
uint64_t policy_wait_ms(const struct queue_facts *f);

/* Where a request stands among others: as if it had come then. One of the batch class comes forward by waiting, and never starves. */
uint64_t policy_place_ms(uint64_t since_ms, bool is_batch, uint64_t batch_age_ms);

/* The usual time after one more request, which took TOOK_MS; USUAL_MS 0: it is the first. */
uint64_t policy_service_learn(uint64_t usual_ms, uint64_t took_ms);

/* What loading takes: as it took last; LOADED_MS 0: it was never seen, and goes by its size. */
uint64_t policy_load_ms(uint64_t loaded_ms, uint64_t bytes);

#endif
