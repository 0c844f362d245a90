/* jinja.c - see jinja.h: where a template's two jobs, being parsed and being rendered, begin and end. */
#include "engine/jinja/jinja.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/jinja_value/bounds.h"
#include "engine/jinja/interpreter.h"
#include "engine/jinja/parser.h"

struct jinja_template {
        struct jinja_job job; /* owns the tree */
        const struct node *body;
};

/* Line ends of all kinds to "\n", and without the last one: the custom of Jinja. */
static struct tainted normalise(struct jinja_job *job, const char *text, size_t length) {
        char *copy = jinja_take(job, length + 1, 1);
        size_t used = 0;
        for (size_t i = 0; i < length; i++) {
                bool pair = text[i] == '\r' && i + 1 < length && text[i + 1] == '\n';
                if (!pair)
                        copy[used++] = text[i] == '\r' ? '\n' : text[i];
        }
        if (used && copy[used - 1] == '\n')
                used--;
        return (struct tainted){ .bytes = copy, .length = used };
}

/* Comes back by a jump when it fails, so it changes nothing of its own. */
static int try_parse(struct jinja_template *t, const char *text, size_t length) {
        if (setjmp(t->job.out))
                return t->job.error.code;
        if (length > JINJA_TEXT_BYTES_MAX)
                jinja_fail(&t->job, "the template has more than %u KiB", JINJA_TEXT_BYTES_MAX >> 10);
        t->body = parser_parse(&t->job, normalise(&t->job, text, length));
        return 0;
}

int jinja_parse(const char *text, size_t length, struct jinja_template **ret, struct jinja_error *reterr) {
        struct jinja_template *t = calloc(1, sizeof(*t));
        if (!t) {
                *reterr = (struct jinja_error){ .code = -ENOMEM, .text = "there is no memory for the template" };
                return -ENOMEM;
        }
        t->job.bytes_max = JINJA_PARSED_BYTES_MAX;
        t->job.steps_max = 16 * (uint64_t) JINJA_TEXT_BYTES_MAX;
        t->job.depth_max = JINJA_NESTING_MAX;
        t->job.line = 1;
        int r = try_parse(t, text, length);
        if (r == 0) {
                *ret = t;
                return 0;
        }
        *reterr = t->job.error;
        jinja_free(t);
        return r;
}

void jinja_free(struct jinja_template *t) {
        if (!t)
                return;
        jinja_job_done(&t->job);
        free(t);
}

static void emit_all(struct tainted m, jinja_emit *emit, void *context) {
        size_t from = 0;
        while (from < m.length) {
                bool outside = m.marks ? m.marks[from] : m.outside;
                size_t to = m.marks ? from : m.length;
                while (to < m.length && m.marks[to] == outside)
                        to++;
                emit(context, m.bytes + from, to - from, outside);
                from = to;
        }
}

/* As try_parse. */
static int try_render(struct jinja_job *job, const struct jinja_template *t, const struct jinja_input *input,
                      struct builder *out) {
        if (setjmp(job->out))
                return job->error.code;
        struct interpreter in = { .job = job, .scope = jinja_take(job, 1, sizeof(struct scope)), .out = out, .now = input->now };
        for (size_t i = 0; i < input->variables_count; i++) {
                const struct jinja_variable *v = &input->variables[i];
                struct value value = v->value ? value_of_json(job, v->value) : value_of_text(job, tainted_of(v->own));
                scope_set(&in, tainted_of(v->name), value);
        }
        interpreter_run(&in, t->body);
        return 0;
}

int jinja_render(const struct jinja_template *t, const struct jinja_input *input, jinja_emit *emit, void *context,
                 struct jinja_error *reterr) {
        struct jinja_job job = {
                .bytes_max = JINJA_RUN_BYTES_MAX,
                .steps_max = JINJA_STEPS_MAX,
                .depth_max = JINJA_DEPTH_MAX,
                .line = 1,
        };
        struct builder out = { .job = &job };
        int r = try_render(&job, t, input, &out);
        if (r == 0)
                emit_all(builder_text(&out), emit, context);
        else
                *reterr = job.error;
        jinja_job_done(&job);
        return r;
}
