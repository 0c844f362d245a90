/* vmstat.c - five counters out of two hundred. */
#include "daemon/sensors/vmstat.h"

#include <errno.h>

#include "daemon/base/fields.h"
#include "policy/base/sat.h"

enum { SWAPIN, SWAPOUT, ZSWAPIN, ZSWAPOUT, REFAULT_FILE, REFAULT_ANON, REFAULT, COUNTERS };

static uint64_t of(const struct field *f) {
        return f->found ? f->value : 0;
}

int vmstat_parse(const char *text, struct vmstat_seen *ret) {
        struct field f[COUNTERS] = {
                [SWAPIN] = { .key = "pswpin" },
                [SWAPOUT] = { .key = "pswpout" },
                [ZSWAPIN] = { .key = "zswpin" },
                [ZSWAPOUT] = { .key = "zswpout" },
                [REFAULT_FILE] = { .key = "workingset_refault_file" },
                [REFAULT_ANON] = { .key = "workingset_refault_anon" },
                [REFAULT] = { .key = "workingset_refault" }, /* both, before Linux 5.9 */
        };
        fields_find(text, f, COUNTERS);
        if (!f[SWAPIN].found && !f[REFAULT_FILE].found && !f[REFAULT].found)
                return -EBADMSG;
        *ret = (struct vmstat_seen){ .swapins = sat_add(of(&f[SWAPIN]), of(&f[ZSWAPIN])),
                                     .swapouts = sat_add(of(&f[SWAPOUT]), of(&f[ZSWAPOUT])),
                                     .refaults = sat_add(sat_add(of(&f[REFAULT_FILE]), of(&f[REFAULT_ANON])), of(&f[REFAULT])) };
        return 0;
}
