/*
 * course.c - one step after the other: fill, gradient, sum, AdamW.
 */
#include "tests/demo_model/course.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/base/hash.h"

static const double warm_up_share = 0.04, last_rate_share = 0.02;
static const double mean_keep = 0.9, square_keep = 0.98, clip_norm = 1.0, square_epsilon = 1e-9;

struct crew {
        void (*function)(void *context, size_t part);
        void *context;
        size_t threads, first;
};

static void *work(void *argument) {
        const struct crew *c = argument;

        for (size_t part = c->first; part < SHARDS; part += c->threads)
                c->function(c->context, part);
        return NULL;
}

int course_run_parts(size_t threads, void (*function)(void *context, size_t part), void *context) {
        struct crew crews[THREADS_MAX];
        pthread_t ids[THREADS_MAX];
        size_t started = 1;
        int error = 0;

        assert(threads >= 1 && threads <= THREADS_MAX);
        for (size_t i = 0; i < threads; i++)
                crews[i] = (struct crew){ function, context, threads, i };
        for (; error == 0 && started < threads; started++)
                error = pthread_create(&ids[started], NULL, work, &crews[started]);
        if (error)
                started--;
        (void) work(&crews[0]);
        for (size_t i = 1; i < started; i++)
                (void) pthread_join(ids[i], NULL);
        return -error;
}

static bool shards_init(struct course *c) {
        size_t tokens = (c->settings.batch / SHARDS) * SEQUENCE_TOKENS_MAX;
        bool fine = true;

        for (size_t i = 0; fine && i < SHARDS; i++) {
                c->shards[i].gradient = calloc(c->layout.floats, sizeof(float));
                fine = c->shards[i].gradient && lesson_batch_init(&c->shards[i].batch, tokens) == 0 &&
                       net_space_new(&c->layout, tokens, &c->shards[i].space) == 0;
        }
        return fine;
}

int course_new(const struct course_settings *settings, const struct net_layout *layout, const struct corpus *corpus,
               const struct vocabulary *vocabulary, struct course **ret) {
        struct course *c = calloc(1, sizeof(*c));

        if (!c)
                return -ENOMEM;
        assert(settings->batch % SHARDS == 0 && settings->batch / SHARDS <= SHARD_SEQUENCES_MAX);
        c->settings = *settings;
        c->layout = *layout;
        c->random.state = settings->seed;
        c->weights = calloc(layout->floats, sizeof(float));
        c->gradient = calloc(layout->floats, sizeof(float));
        c->mean = calloc(layout->floats, sizeof(float));
        c->square = calloc(layout->floats, sizeof(float));
        if (!c->weights || !c->gradient || !c->mean || !c->square || !shards_init(c) ||
            lesson_init(&c->lesson, corpus, vocabulary, &c->random) < 0) {
                course_free(c);
                return -ENOMEM;
        }
        net_weights_init(&c->layout, c->weights, &c->random);
        *ret = c;
        return 0;
}

void course_free(struct course *c) {
        if (!c)
                return;
        for (size_t i = 0; i < SHARDS; i++) {
                net_space_free(c->shards[i].space);
                lesson_batch_done(&c->shards[i].batch);
                free(c->shards[i].gradient);
        }
        lesson_done(&c->lesson);
        free(c->weights);
        free(c->gradient);
        free(c->mean);
        free(c->square);
        free(c);
}

static size_t targets_count(const struct course *c) {
        size_t count = 0;

        for (size_t i = 0; i < SHARDS; i++)
                count += c->shards[i].batch.targets_count;
        return count;
}

static void find_gradient(void *context, size_t part) {
        struct course *c = context;
        struct course_shard *s = &c->shards[part];

        memset(s->gradient, 0, c->layout.floats * sizeof(float));
        s->loss = net_loss(s->space, c->weights, &s->batch, 1.0f / (float) targets_count(c), s->gradient, &s->right);
}

/* Part PART of all weights: where it begins and ends. */
static void slice(const struct course *c, size_t part, size_t *ret_from, size_t *ret_to) {
        *ret_from = c->layout.floats * part / SHARDS;
        *ret_to = c->layout.floats * (part + 1) / SHARDS;
}

static void sum_gradients(void *context, size_t part) {
        struct course *c = context;
        size_t from, to;
        double norm = 0.0;

        slice(c, part, &from, &to);
        for (size_t i = from; i < to; i++) {
                float sum = 0.0f;

                for (size_t s = 0; s < SHARDS; s++)
                        sum += c->shards[s].gradient[i];
                c->gradient[i] = sum;
                norm += (double) sum * (double) sum;
        }
        c->shards[part].norm = norm;
}

/* Up in a straight line, then down along a cosine. */
static double rate_now(const struct course *c) {
        double at = (double) c->step / (double) c->settings.steps, most = c->settings.rate;

        if (at < warm_up_share)
                return most * ((double) c->step + 1.0) / (warm_up_share * (double) c->settings.steps + 1.0);
        double way = (at - warm_up_share) / (1.0 - warm_up_share);

        return most * (last_rate_share + (1.0 - last_rate_share) * 0.5 * (1.0 + cos(3.14159265358979 * way)));
}

/* AdamW (Loshchilov and Hutter 2019): the decay acts on the weight itself, and on norms not at all. */
static void descend(void *context, size_t part) {
        struct course *c = context;
        double norm = 0.0, step = (double) c->step + 1.0, rate = rate_now(c);
        size_t from, to;

        slice(c, part, &from, &to);
        for (size_t i = 0; i < SHARDS; i++)
                norm += c->shards[i].norm;
        float clip = norm > clip_norm * clip_norm ? (float) (clip_norm / sqrt(norm)) : 1.0f;
        float rise = (float) (rate / (1.0 - pow(mean_keep, step)));
        float spread = (float) (1.0 / (1.0 - pow(square_keep, step)));
        float keep_1 = (float) mean_keep, keep_2 = (float) square_keep, epsilon = (float) square_epsilon;

        for (size_t t = 0; t < c->layout.tensors_count; t++) {
                const struct net_tensor *tensor = &c->layout.tensors[t];
                size_t begin = tensor->offset, end = begin + tensor->rows * tensor->columns;
                float keep = tensor->rows == 1 ? 1.0f : (float) (1.0 - rate * c->settings.decay);

                for (size_t i = begin > from ? begin : from; i < (end < to ? end : to); i++) {
                        float g = c->gradient[i] * clip;

                        c->mean[i] = keep_1 * c->mean[i] + (1.0f - keep_1) * g;
                        c->square[i] = keep_2 * c->square[i] + (1.0f - keep_2) * g * g;
                        c->weights[i] = keep * c->weights[i] - rise * c->mean[i] / (sqrtf(c->square[i] * spread) + epsilon);
                }
        }
}

int course_step(struct course *c, struct course_report *ret) {
        struct course_report report = { 0 };

        for (size_t i = 0; i < SHARDS; i++)
                lesson_fill(&c->lesson, &c->shards[i].batch, c->settings.batch / SHARDS);
        int result = course_run_parts(c->settings.threads, find_gradient, c);

        if (result == 0)
                result = course_run_parts(c->settings.threads, sum_gradients, c);
        if (result == 0)
                result = course_run_parts(c->settings.threads, descend, c);
        if (result < 0)
                return result;
        for (size_t i = 0; i < SHARDS; i++) {
                report.loss += c->shards[i].loss / (double) targets_count(c);
                report.right += (double) c->shards[i].right / (double) targets_count(c);
                report.tokens += c->shards[i].batch.tokens_count;
        }
        c->step++;
        *ret = report;
        return 0;
}

/* The stamp of a checkpoint, which must agree before its numbers mean anything here. */
struct stamp {
        char magic[8];
        uint64_t text, settings;
        uint64_t step, random, next;
};

static struct stamp stamp_of(const struct course *c) {
        struct stamp s = { .magic = "HRDEMO1", .text = HASH_START, .settings = HASH_START };
        const struct corpus *corpus = c->lesson.corpus;
        const struct net_shape *n = &c->layout.shape;
        double numbers[] = { (double) n->vocabulary,    (double) n->context,        (double) n->width,
                             (double) n->layers,        (double) n->heads,          (double) n->kv_heads,
                             (double) n->ff_width,      (double) c->settings.steps, (double) c->settings.batch,
                             (double) c->settings.seed, c->settings.rate,           c->settings.decay };

        for (size_t i = 0; i < corpus->items_count; i++) {
                for (size_t q = 0; q < corpus->items[i].questions_count; q++)
                        s.text = hash_bytes(s.text, corpus->items[i].questions[q], strlen(corpus->items[i].questions[q]) + 1);
                s.text = hash_bytes(s.text, corpus->items[i].answer, strlen(corpus->items[i].answer) + 1);
        }
        for (size_t i = 0; i < corpus->systems_count; i++)
                s.text = hash_bytes(s.text, corpus->systems[i], strlen(corpus->systems[i]) + 1);
        s.settings = hash_bytes(s.settings, numbers, sizeof(numbers));
        s.step = c->step;
        s.random = c->random.state;
        s.next = c->lesson.next;
        return s;
}

int course_save(const struct course *c, const char *path) {
        struct stamp stamp = stamp_of(c);
        size_t floats = c->layout.floats, questions = c->lesson.corpus->questions_count;
        char beside[4096];

        if (snprintf(beside, sizeof(beside), "%s.part", path) >= (int) sizeof(beside))
                return -ENAMETOOLONG;
        FILE *file = fopen(beside, "we");

        if (!file)
                return -errno;
        bool fine = fwrite(&stamp, sizeof(stamp), 1, file) == 1 &&
                    fwrite(c->lesson.order, sizeof(*c->lesson.order), questions, file) == questions &&
                    fwrite(c->weights, sizeof(float), floats, file) == floats &&
                    fwrite(c->mean, sizeof(float), floats, file) == floats &&
                    fwrite(c->square, sizeof(float), floats, file) == floats;

        if (fclose(file) != 0 || !fine)
                return -EIO;
        return rename(beside, path) < 0 ? -errno : 0;
}

int course_load(struct course *c, const char *path) {
        struct stamp stamp, own = stamp_of(c);
        size_t floats = c->layout.floats, questions = c->lesson.corpus->questions_count;
        FILE *file = fopen(path, "re");

        if (!file)
                return -errno;
        bool fine = fread(&stamp, sizeof(stamp), 1, file) == 1 && !memcmp(stamp.magic, own.magic, sizeof(own.magic)) &&
                    stamp.text == own.text && stamp.settings == own.settings && stamp.next <= questions &&
                    stamp.step <= c->settings.steps &&
                    fread(c->lesson.order, sizeof(*c->lesson.order), questions, file) == questions &&
                    fread(c->weights, sizeof(float), floats, file) == floats &&
                    fread(c->mean, sizeof(float), floats, file) == floats &&
                    fread(c->square, sizeof(float), floats, file) == floats;

        (void) fclose(file);
        if (!fine)
                return -EINVAL;
        c->step = stamp.step;
        c->random.state = stamp.random;
        c->lesson.next = stamp.next;
        return 0;
}
