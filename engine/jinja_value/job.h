/*
 * job.h - one piece of work on a template, parsing or rendering: its memory, its budget, and the way out when it fails.
 *
 * All that a job makes lies in its arena and is dropped whole, so giving up is a jump to where the job began: what
 * allocates never returns NULL, what may fail does not return at all, and no caller has anything to undo.
 */
#ifndef HEADROOM_ENGINE_JINJA_VALUE_JOB_H
#define HEADROOM_ENGINE_JINJA_VALUE_JOB_H

#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/jinja_value/error.h"

struct jinja_chunk;

struct jinja_job {
        jmp_buf out; /* set by the owner before anything else: where jinja_fail goes */
        struct jinja_chunk *chunks;
        char *next;
        size_t left;             /* bytes behind NEXT */
        size_t bytes, bytes_max; /* of all chunks */
        uint64_t steps, steps_max;
        uint32_t depth, depth_max;
        uint32_t line;           /* of the template: where it is at work */
        const char *what, *name; /* and within which construct, such as "filter" "join"; NULL: no particular one */
        cJSON *parsed;           /* JSON that the template itself read: strings point into it */
        struct jinja_error error;
};

void jinja_job_done(struct jinja_job *job);

/* Zeroed, aligned for anything, the job's until its end. */
void *jinja_take(struct jinja_job *job, size_t count, size_t size);
/* Counts bytes that others hold for the job. */
void jinja_charge(struct jinja_job *job, size_t bytes);

/* The job ends with "line N: SENTENCE" or "line N, filter 'join': SENTENCE". */
_Noreturn void jinja_fail(struct jinja_job *job, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* -ENOMEM: nobody's fault but the machine's. */
_Noreturn void jinja_fail_without_memory(struct jinja_job *job);
/* The same with a text that is the template's own message. */
_Noreturn void jinja_raise(struct jinja_job *job, const char *text, size_t length);

/* Pays for work; fails when there was too much of it. */
void jinja_spend(struct jinja_job *job, uint64_t steps);
void jinja_spend_bytes(struct jinja_job *job, uint64_t bytes); /* of text, copied or searched */
void jinja_spend_chars(struct jinja_job *job, uint64_t bytes); /* gone through one by one */
void jinja_enter(struct jinja_job *job);
void jinja_leave(struct jinja_job *job);

#endif
