/*
 * main.c - the trainer's command line: reads the text, learns a vocabulary, trains, examines, writes.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/demo_model/corpus.h"
#include "tests/demo_model/course.h"
#include "tests/demo_model/exam.h"
#include "tests/demo_model/model_file.h"

enum { PROGRESS_EVERY_STEPS = 25, CHECKPOINT_EVERY_STEPS = 250 };

struct options {
        struct net_shape shape;
        struct course_settings course;
        const char *out, *checkpoint, *unseen, *name;
        bool evaluate, show;
};

/* The objects of a run; all are released at the end of `main`. */
struct run {
        struct options options;
        struct corpus *corpus, *unseen;
        struct vocabulary *vocabulary;
        struct course *course;
};

static const char usage[] =
        "usage: trainer [options] TEXT...\n"
        "Teaches a small llama-architecture model the questions and answers in the TEXT files.\n"
        "  --out FILE          write the model as GGUF (Q8_0)\n"
        "  --checkpoint FILE   save progress there, and go on from it when it exists\n"
        "  --evaluate          ask every question and count the exact answers\n"
        "  --unseen FILE       with --evaluate: also ask these rephrased questions\n"
        "  --show              with --evaluate: print the answers that differ\n"
        "  --name NAME         general.name of the model (Headroom demo)\n"
        "  --steps N           (2400)        --batch N      conversations per step (32)\n"
        "  --rate X            highest learning rate (0.003)\n"
        "  --decay X           weight decay (0.1)\n"
        "  --seed N            (1)           --threads N    (one per processor, at most 4); the result does not depend on it\n"
        "  --vocabulary N      (1536)        --context N    (512)\n"
        "  --width N           (128)         --layers N     (6)\n"
        "  --heads N           (4)           --kv-heads N   (2)\n"
        "  --ff N              (384)\n";

/* clang-format off */
static const struct option long_options[] = {
        { "out", required_argument, NULL, 'o' },        { "checkpoint", required_argument, NULL, 'c' },
        { "evaluate", no_argument, NULL, 'e' },         { "unseen", required_argument, NULL, 'u' },
        { "show", no_argument, NULL, 'S' },             { "name", required_argument, NULL, 'n' },
        { "steps", required_argument, NULL, 's' },      { "batch", required_argument, NULL, 'b' },
        { "rate", required_argument, NULL, 'r' },       { "decay", required_argument, NULL, 'd' },
        { "seed", required_argument, NULL, 'x' },       { "threads", required_argument, NULL, 't' },
        { "vocabulary", required_argument, NULL, 'v' }, { "context", required_argument, NULL, 'C' },
        { "width", required_argument, NULL, 'w' },      { "layers", required_argument, NULL, 'l' },
        { "heads", required_argument, NULL, 'H' },      { "kv-heads", required_argument, NULL, 'K' },
        { "ff", required_argument, NULL, 'f' },         { "help", no_argument, NULL, 'h' },
        { 0 },
};
/* clang-format on */

static int complain(const char *what, int error) {
        fprintf(stderr, "trainer: %s: %s\n", what, strerror(-error));
        return error;
}

static bool parse_number(const char *text, double most, double *ret) {
        char *end;
        double value = strtod(text, &end);

        if (end == text || *end || !(value >= 0.0) || value > most)
                return false;
        *ret = value;
        return true;
}

/* The place where option LETTER stores its number; NULL when it takes none. */
static size_t *size_slot(struct options *o, int letter) {
        switch (letter) {
        case 's': return &o->course.steps;
        case 'b': return &o->course.batch;
        case 't': return &o->course.threads;
        case 'v': return &o->shape.vocabulary;
        case 'C': return &o->shape.context;
        case 'w': return &o->shape.width;
        case 'l': return &o->shape.layers;
        case 'H': return &o->shape.heads;
        case 'K': return &o->shape.kv_heads;
        case 'f': return &o->shape.ff_width;
        default: return NULL;
        }
}

static bool take_option(struct options *o, int letter, const char *text) {
        size_t *slot = size_slot(o, letter);
        double number = 0.0;

        if (slot || strchr("xrd", letter)) {
                if (!parse_number(text, letter == 'r' || letter == 'd' ? 1.0 : 1e9, &number))
                        return false;
                if (slot)
                        *slot = (size_t) number;
        }
        switch (letter) {
        case 'x': o->course.seed = (uint64_t) number; break;
        case 'r': o->course.rate = number; break;
        case 'd': o->course.decay = number; break;
        case 'o': o->out = text; break;
        case 'c': o->checkpoint = text; break;
        case 'u': o->unseen = text; break;
        case 'n': o->name = text; break;
        case 'e': o->evaluate = true; break;
        case 'S': o->show = true; break;
        default: return slot != NULL;
        }
        return true;
}

static const char *options_fault(const struct options *o) {
        if (o->shape.vocabulary <= 256 + VOCABULARY_CONTROLS_COUNT || o->shape.vocabulary > VOCABULARY_MAX)
                return "--vocabulary is out of range";
        if (o->course.batch < SHARDS || o->course.batch % SHARDS || o->course.batch / SHARDS > SHARD_SEQUENCES_MAX)
                return "--batch must be a multiple of 4, at most 256";
        if (o->course.threads < 1 || o->course.threads > THREADS_MAX)
                return "--threads must be 1 to 4";
        if (o->shape.context < SEQUENCE_TOKENS_MAX || o->shape.context > NET_CONTEXT_MAX)
                return "--context must be 512 to 1024";
        if (o->course.steps < 1)
                return "--steps must be at least 1";
        return NULL;
}

static void report_progress(const struct course *c, const struct course_report *r, double seconds, size_t tokens, size_t steps) {
        double per_step = seconds / (double) steps;

        printf("step %zu/%zu  loss %.4f  right %.1f %%  %.0f tokens/s  %.0f ms/step  left %.1f min\n", c->step, c->settings.steps,
               r->loss, 100.0 * r->right, (double) tokens / seconds, 1000.0 * per_step,
               per_step * (double) (c->settings.steps - c->step) / 60.0);
        (void) fflush(stdout);
}

static double now(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

static int train(struct run *run) {
        struct course *c = run->course;
        const char *checkpoint = run->options.checkpoint;
        double since = now();
        size_t tokens = 0, steps = 0;

        while (c->step < c->settings.steps) {
                struct course_report report;
                int result = course_step(c, &report);

                if (result < 0)
                        return complain("training", result);
                tokens += report.tokens;
                steps++;
                if (c->step % PROGRESS_EVERY_STEPS == 0 || c->step == c->settings.steps) {
                        report_progress(c, &report, now() - since, tokens, steps);
                        since = now();
                        tokens = steps = 0;
                }
                if (checkpoint && (c->step % CHECKPOINT_EVERY_STEPS == 0 || c->step == c->settings.steps))
                        result = course_save(c, checkpoint);
                if (result < 0)
                        return complain(checkpoint, result);
        }
        return 0;
}

static int examine(const struct run *run, const float *weights, struct exam exam, const char *title) {
        struct exam_result r;
        int result;

        exam.vocabulary = run->vocabulary;
        exam.layout = &run->course->layout;
        exam.weights = weights;
        exam.threads = run->options.course.threads;
        exam.show = run->options.show;
        result = exam_take(&exam, &r);

        if (result < 0)
                return complain("evaluation", result);
        printf("%s: %zu of %zu exact (%.1f %%)\n", title, r.exact, r.asked, 100.0 * (double) r.exact / (double) r.asked);
        (void) fflush(stdout);
        return 0;
}

static int evaluate(const struct run *run) {
        float *rounded = calloc(run->course->layout.floats, sizeof(float));
        const struct corpus *corpus = run->corpus;
        int result = rounded ? 0 : complain("evaluation", -ENOMEM);

        if (result == 0) {
                model_file_round(&run->course->layout, run->course->weights, rounded);
                result = examine(run, rounded, (struct exam){ .corpus = corpus }, "as trained");
        }
        if (result == 0)
                result = examine(run, rounded, (struct exam){ .corpus = corpus, .plain = true }, "lower case, no question mark");
        if (result == 0 && corpus->systems_count > 0)
                result = examine(run, rounded, (struct exam){ .corpus = corpus, .system = corpus->systems[0] },
                                 "with a system message");
        if (result == 0)
                result = examine(run, rounded, (struct exam){ .corpus = corpus, .second_turn = true }, "as a second turn");
        if (result == 0 && run->unseen)
                result = examine(run, rounded, (struct exam){ .corpus = run->unseen }, "rephrased, never seen");
        free(rounded);
        return result;
}

static int read_text(struct corpus **ret, char *const paths[], int count) {
        struct corpus_error error;
        int result = corpus_new(ret);

        if (result < 0)
                return complain("reading", result);
        for (int i = 0; i < count; i++) {
                result = corpus_read(*ret, paths[i], &error);
                if (result < 0) {
                        fprintf(stderr, "trainer: %s\n", error.text);
                        return result;
                }
        }
        return 0;
}

static const struct corpus_item *find_question(const struct corpus *c, const char *question) {
        for (size_t i = 0; i < c->items_count; i++)
                for (size_t q = 0; q < c->items[i].questions_count; q++)
                        if (!strcmp(c->items[i].questions[q], question))
                                return &c->items[i];
        return NULL;
}

/* The answers of the unseen phrasings are given as trained questions: put those questions' answers there. */
static int read_unseen(struct run *run, const char *path) {
        int result = read_text(&run->unseen, (char *const[]){ (char *) path }, 1);

        for (size_t i = 0; result == 0 && i < run->unseen->items_count; i++) {
                char **answer = &run->unseen->items[i].answer;
                const struct corpus_item *item = find_question(run->corpus, *answer);

                if (!item) {
                        fprintf(stderr, "trainer: %s: no trained question reads: %s\n", path, *answer);
                        return -EINVAL;
                }
                free(*answer);
                *answer = strdup(item->answer);
                if (!*answer)
                        return complain(path, -ENOMEM);
        }
        return result;
}

static int learn_vocabulary(struct run *run) {
        struct learner *learner;
        int result = learner_new(&learner);

        if (result == 0) {
                result = lesson_teach_vocabulary(run->corpus, learner);
                if (result == 0)
                        result = vocabulary_learn(learner, run->options.shape.vocabulary, &run->vocabulary);
                learner_free(learner);
        }
        return result < 0 ? complain("vocabulary", result) : 0;
}

static int begin_course(struct run *run) {
        struct net_layout layout;
        const char *fault = "rows of a matrix must be multiples of 32";
        int result;

        run->options.shape.vocabulary = run->vocabulary->size;
        run->options.shape.head_width = run->options.shape.heads ? run->options.shape.width / run->options.shape.heads : 0;
        result = net_layout_init(&layout, &run->options.shape, &fault);
        if (result == 0)
                result = model_file_check(&layout);
        if (result < 0) {
                fprintf(stderr, "trainer: %s\n", fault);
                return result;
        }
        result = course_new(&run->options.course, &layout, run->corpus, run->vocabulary, &run->course);
        if (result < 0)
                return complain("training", result);
        printf("%zu answers, %zu phrasings, %zu tokens in the vocabulary, %zu parameters\n", run->corpus->items_count,
               run->corpus->questions_count, run->vocabulary->size, layout.floats);
        if (run->options.checkpoint)
                result = course_load(run->course, run->options.checkpoint);
        if (result == -EINVAL)
                fprintf(stderr, "trainer: %s belongs to another text or other settings; remove it to begin anew\n",
                        run->options.checkpoint);
        else if (result < 0 && result != -ENOENT)
                (void) complain(run->options.checkpoint, result);
        return result == -ENOENT ? 0 : result;
}

static int carry_out(struct run *run, char *const paths[], int count) {
        const struct options *o = &run->options;
        int result = read_text(&run->corpus, paths, count);

        if (result == 0 && o->unseen)
                result = read_unseen(run, o->unseen);
        if (result == 0)
                result = learn_vocabulary(run);
        if (result == 0)
                result = begin_course(run);
        if (result == 0)
                result = train(run);
        if (result == 0 && o->out) {
                result = model_file_write(o->out, o->name, &run->course->layout, run->course->weights, run->vocabulary);
                if (result < 0)
                        return complain(o->out, result);
        }
        if (result == 0 && o->evaluate)
                result = evaluate(run);
        return result;
}

static void run_done(struct run *run) {
        course_free(run->course);
        vocabulary_free(run->vocabulary);
        corpus_free(run->corpus);
        corpus_free(run->unseen);
}

static size_t processors(void) {
        long count = sysconf(_SC_NPROCESSORS_ONLN);

        return count < 1 ? 1 : count > THREADS_MAX ? THREADS_MAX : (size_t) count;
}

int main(int argc, char *argv[]) {
        struct run run = { .options = {
                                   .shape = { .vocabulary = 1536,
                                              .context = 512,
                                              .width = 128,
                                              .layers = 6,
                                              .heads = 4,
                                              .kv_heads = 2,
                                              .ff_width = 384,
                                              .norm_epsilon = 1e-5f,
                                              .rope_base = 10000.0f },
                                   .course = { .steps = 2400,
                                               .batch = 32,
                                               .threads = processors(),
                                               .seed = 1,
                                               .rate = 0.003,
                                               .decay = 0.1 },
                                   .name = "Headroom demo",
                           } };
        int letter;

        while ((letter = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
                if (letter == 'h') {
                        (void) fputs(usage, stdout);
                        return 0;
                }
                if (letter == '?' || !take_option(&run.options, letter, optarg)) {
                        (void) fprintf(stderr, "trainer: %s\n",
                                       letter == '?' ? "see --help" : "an option's number is out of range");
                        return 2;
                }
        }
        const char *fault = optind == argc ? "no TEXT file given; see --help" : options_fault(&run.options);

        if (fault) {
                fprintf(stderr, "trainer: %s\n", fault);
                return 2;
        }
        int result = carry_out(&run, argv + optind, argc - optind);

        run_done(&run);
        return result < 0 ? 1 : 0;
}
