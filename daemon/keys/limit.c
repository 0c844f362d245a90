/* limit.c - see limit.h. */
#include "daemon/keys/limit.h"

#include <stdlib.h>
#include <string.h>

#define AMOUNT_MAX 1000000000000000u

static const struct {
        const char *names[3];
        uint64_t ms;
} periods[] = {
        { { "s", "second", "sec" }, 1000 },
        { { "m", "minute", "min" }, 60000 },
        { { "h", "hour", "hr" }, 3600000 },
        { { "d", "day", "24h" }, 86400000 },
};

static bool read_period(const char *text, uint64_t *ret_ms) {
        for (unsigned i = 0; i < sizeof periods / sizeof *periods; i++)
                for (unsigned k = 0; k < 3; k++)
                        if (!strcmp(text, periods[i].names[k])) {
                                *ret_ms = periods[i].ms;
                                return true;
                        }
        return false;
}

bool limit_read(const char *text, uint64_t *ret_amount, uint64_t *ret_period_ms) {
        char *end;
        uint64_t factor = 1;
        uint64_t amount = strtoull(text, &end, 10);

        if (end == text || strspn(text, "0123456789") != (size_t) (end - text))
                return false;
        if (*end == 'k' || *end == 'K')
                factor = 1000, end++;
        else if (*end == 'M')
                factor = 1000000, end++;
        else if (*end == 'G')
                factor = 1000000000, end++;
        if (amount == 0 || amount > AMOUNT_MAX / factor || *end != '/')
                return false;
        *ret_amount = amount * factor;
        return read_period(end + 1, ret_period_ms);
}
