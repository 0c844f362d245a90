/*
 * course.h - a training run: shards of a batch on threads, AdamW, checkpoints.
 *
 * Every batch is cut into SHARDS parts with a gradient each, and those are added in order: the weights
 * after N steps depend on the seed, the text and the settings, not on how many threads worked.
 */
#ifndef HEADROOM_TESTS_DEMO_MODEL_COURSE_H
#define HEADROOM_TESTS_DEMO_MODEL_COURSE_H

#include <stddef.h>
#include <stdint.h>

#include "tests/demo_model/lesson.h"
#include "tests/demo_model/net.h"

struct course_settings {
        size_t steps, batch, threads;
        uint64_t seed;
        double rate, decay; /* highest learning rate, weight decay */
};

struct course {
        struct course_settings settings;
        struct net_layout layout;
        struct lesson lesson;
        struct random random;
        size_t step;
        float *weights, *gradient, *mean, *square; /* AdamW's moments */
        struct course_shard {
                struct net_space *space;
                struct net_batch batch;
                float *gradient;
                double loss, norm;
                size_t right;
        } shards[SHARDS];
};

struct course_report {
        double loss;  /* mean over the targets of the batch */
        double right; /* share of targets that were the likeliest token */
        size_t tokens;
};

int course_new(const struct course_settings *settings, const struct net_layout *layout, const struct corpus *corpus,
               const struct vocabulary *vocabulary, struct course **ret);
void course_free(struct course *c);

int course_step(struct course *c, struct course_report *ret);

/*
 * Weights, moments, step, seed and order of questions. A checkpoint belongs to its text, vocabulary and
 * settings: `course_load` answers -EINVAL for another's and -ENOENT when there is none.
 */
int course_save(const struct course *c, const char *path);
int course_load(struct course *c, const char *path);

/* FUNCTION(context, part) for every part in [0, SHARDS), on up to THREADS threads. */
int course_run_parts(size_t threads, void (*function)(void *context, size_t part), void *context);

#endif
