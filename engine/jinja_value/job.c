/* job.c - see job.h. */
#include "engine/jinja_value/job.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/jinja_value/bounds.h"
#include "engine/base/printable.h"

#define CHUNK_BYTES 16384u
#define ALIGNMENT   16u

struct jinja_chunk {
        _Alignas(ALIGNMENT) struct jinja_chunk *older;
};

void jinja_job_done(struct jinja_job *job) {
        while (job->chunks) {
                struct jinja_chunk *older = job->chunks->older;
                free(job->chunks);
                job->chunks = older;
        }
        cJSON_Delete(job->parsed);
        job->parsed = NULL;
}

void jinja_charge(struct jinja_job *job, size_t bytes) {
        if (bytes > job->bytes_max - job->bytes) {
                job->error.code = -EINVAL;
                jinja_fail(job, "the template needs more than %zu MiB of memory", job->bytes_max >> 20);
        }
        job->bytes += bytes;
}

_Noreturn void jinja_fail_without_memory(struct jinja_job *job) {
        job->error.code = -ENOMEM;
        jinja_fail(job, "there is no memory for the template");
}

/* Large objects get a chunk of their own, so that the one in use is not thrown away for them. */
static void *take_large(struct jinja_job *job, size_t bytes) {
        jinja_charge(job, bytes);
        struct jinja_chunk *chunk = calloc(1, sizeof(*chunk) + bytes);
        if (!chunk)
                jinja_fail_without_memory(job);
        chunk->older = job->chunks;
        job->chunks = chunk;
        return chunk + 1;
}

void *jinja_take(struct jinja_job *job, size_t count, size_t size) {
        if (count > job->bytes_max || size > job->bytes_max || (size && count > job->bytes_max / size))
                jinja_charge(job, job->bytes_max);
        size_t bytes = (count * size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        if (bytes > CHUNK_BYTES / 4)
                return take_large(job, bytes);
        if (bytes > job->left) {
                job->left = 0;
                job->next = take_large(job, CHUNK_BYTES);
                job->left = CHUNK_BYTES;
        }
        void *taken = job->next;
        job->next += bytes;
        job->left -= bytes;
        return taken;
}

void jinja_fail(struct jinja_job *job, const char *format, ...) {
        char sentence[sizeof(job->error.text)];
        va_list arguments;
        va_start(arguments, format);
        (void) vsnprintf(sentence, sizeof(sentence), format, arguments);
        va_end(arguments);
        bool within = job->what && job->name;
        int used = snprintf(job->error.text, sizeof(job->error.text), within ? "line %u, %s '%.60s': " : "line %u: ", job->line,
                            job->what, job->name);
        (void) printable_copy(job->error.text + used, sizeof(job->error.text) - (size_t) used, sentence, strlen(sentence));
        if (!job->error.code)
                job->error.code = -EINVAL;
        longjmp(job->out, 1);
}

void jinja_raise(struct jinja_job *job, const char *text, size_t length) {
        (void) printable_copy(job->error.text, sizeof(job->error.text), text, length);
        job->error.code = -EINVAL;
        job->error.raised = true;
        longjmp(job->out, 1);
}

void jinja_spend(struct jinja_job *job, uint64_t steps) {
        if (steps > job->steps_max - job->steps)
                jinja_fail(job, "the template does not come to an end within %llu steps", (unsigned long long) job->steps_max);
        job->steps += steps;
}

void jinja_spend_bytes(struct jinja_job *job, uint64_t bytes) {
        jinja_spend(job, bytes / JINJA_BYTES_PER_STEP);
}

void jinja_spend_chars(struct jinja_job *job, uint64_t bytes) {
        jinja_spend(job, bytes / JINJA_CHARS_PER_STEP);
}

void jinja_enter(struct jinja_job *job) {
        if (job->depth == job->depth_max)
                jinja_fail(job, "the template is nested deeper than %u levels", job->depth_max);
        job->depth++;
}

void jinja_leave(struct jinja_job *job) {
        job->depth--;
}
