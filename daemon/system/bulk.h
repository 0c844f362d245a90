/*
 * bulk.h - bytes of others that may be many: bodies of requests, and answers that are held.
 *
 * Each has a mapping of its own, so that its memory is the kernel's again the moment it is dropped: our heap is locked in memory,
 * and what has once been freed there stays. Every page is counted against one account before it is taken. A few short ones are kept, empty,
 * for those that come.
 */
#ifndef HEADROOM_DAEMON_SYSTEM_BULK_H
#define HEADROOM_DAEMON_SYSTEM_BULK_H

#include <stddef.h>

#include "daemon/base/bounds.h"

/* All of one daemon. Loop thread only. */
struct bulk_account {
        size_t used, max;
        char *spares[BULK_SPARES]; /* mappings of BULK_FIRST_BYTES zeros */
        unsigned spares_count;
};

struct bulk;

/* Empty, with one holder. NULL: no memory. ACCOUNT outlives it. */
struct bulk *bulk_new(struct bulk_account *account);
/* Another of the same account. */
struct bulk *bulk_beside(const struct bulk *b);
/* 0; -EDQUOT: the account is full; -ENOMEM. Nothing is added then. What bulk_bytes returned before is void. */
int bulk_add(struct bulk *b, const void *bytes, size_t count);
/* Room for CAPACITY bytes behind those that are there, counted: for a thread to write into bulk_bytes. Errors as of bulk_add. */
int bulk_make_room(struct bulk *b, size_t capacity);
/* USED bytes of that room have been written; the rest is given back. */
void bulk_take_room(struct bulk *b, size_t used);
char *bulk_bytes(const struct bulk *b); /* followed by a NUL */
size_t bulk_size(const struct bulk *b);
void bulk_clear(struct bulk *b); /* empty again; NULL is fine */
/*
 * A body belongs to its request, which may send it to a second engine, and to each write of it that is under way, whichever ends
 * last: hence the count.
 */
struct bulk *bulk_hold(struct bulk *b);
void bulk_drop(struct bulk *b); /* NULL is fine */

#endif
