/* speculate.c - the names of the ways to speculate. */
#include "policy/base/speculate.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static const char *const names[SPECULATE_COUNT] = {
        [SPECULATE_AUTO] = "auto",
        [SPECULATE_OFF] = "off",
        [SPECULATE_LOOKUP] = "lookup",
};

const char *speculate_name(enum speculate s) {
        assert(s < SPECULATE_COUNT);
        return names[s];
}

int speculate_by_name(const char *name, enum speculate *ret) {
        for (unsigned i = 0; i < SPECULATE_COUNT; i++)
                if (!strcmp(names[i], name)) {
                        *ret = (enum speculate) i;
                        return 0;
                }
        return -EINVAL;
}
