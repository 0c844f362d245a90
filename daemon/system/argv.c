/* argv.c - see argv.h. */
#include "daemon/system/argv.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int arguments_init(struct arguments *a, size_t count_max) {
        *a = (struct arguments){
                .all = calloc(count_max + 1, sizeof(*a->all)),
                .count_max = count_max,
                .numbers = calloc(count_max, sizeof(*a->numbers)),
        };
        if (a->all && a->numbers)
                return 0;
        arguments_done(a);
        return -ENOMEM;
}

void arguments_done(struct arguments *a) {
        free(a->all);
        free(a->numbers);
        *a = (struct arguments){ 0 };
}

void arguments_add(struct arguments *a, const char *word) {
        assert(a->count < a->count_max);
        a->all[a->count++] = word;
}

void arguments_add_number(struct arguments *a, const char *option, uint32_t value) {
        arguments_add(a, option);
        char *text = a->numbers[a->numbers_count++];
        (void) snprintf(text, sizeof(a->numbers[0]), "%u", value);
        arguments_add(a, text);
}
