/* argv.h - the command line of a child: words that outlive the call, and numbers written out. */
#ifndef HEADROOM_DAEMON_SYSTEM_ARGV_H
#define HEADROOM_DAEMON_SYSTEM_ARGV_H

#include <stddef.h>
#include <stdint.h>

struct arguments {
        const char **all; /* ends with NULL */
        size_t count, count_max;
        char (*numbers)[16];
        size_t numbers_count;
};

/* Room for COUNT_MAX words. 0 or -ENOMEM. */
int arguments_init(struct arguments *a, size_t count_max);
void arguments_done(struct arguments *a);

void arguments_add(struct arguments *a, const char *word); /* borrowed */
void arguments_add_number(struct arguments *a, const char *option, uint32_t value);

#endif
