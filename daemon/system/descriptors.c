/* descriptors.c - see descriptors.h. */
#include "daemon/system/descriptors.h"

#include <sys/resource.h>

#include "daemon/base/bounds.h"

static uint64_t least(uint64_t a, uint64_t b) {
        return a < b ? a : b;
}

/* With those beside the places, see daemon/http/places.h. */
static uint64_t of_connections(uint64_t places) {
        return places + places / 4 + 1;
}

static uint64_t of_engines(uint32_t models) {
        return NOFILE_SPARE + NOFILE_ENGINE * (uint64_t) models;
}

uint64_t descriptors_needed(struct descriptor_shares wanted, uint32_t models) {
        return of_connections(wanted.clients) + of_connections(wanted.operators) + of_engines(models);
}

uint64_t descriptors_raise(uint64_t needed) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit))
                return needed;
        if (limit.rlim_cur < needed) {
                limit.rlim_cur = least(needed, limit.rlim_max);
                (void) setrlimit(RLIMIT_NOFILE, &limit);
        }
        return limit.rlim_cur;
}

struct descriptor_shares descriptors_share(uint64_t allowed, struct descriptor_shares wanted, uint32_t models) {
        if (allowed >= descriptors_needed(wanted, models))
                return wanted;
        uint64_t operators = least(wanted.operators, allowed / 16 + 1);
        uint64_t others = of_connections(operators) + of_engines(models);
        uint64_t rest = allowed > others ? allowed - others : 0;
        uint64_t part = allowed / 4 + 2; /* all models are hardly ever loaded at once */
        uint64_t clients = least(wanted.clients, ((rest > part ? rest : part) - 1) * 4 / 5);
        clients += !clients;
        return (struct descriptor_shares){ (uint32_t) clients, (uint32_t) operators };
}
