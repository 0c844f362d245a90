/* bulk.c - see bulk.h. A mapping grows by doubling, which moves page tables and no bytes; pages that nobody has touched cost nothing. */
#include "daemon/system/bulk.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct bulk {
        struct bulk_account *account;
        char *bytes; /* NULL: nothing was added */
        size_t used, capacity;
        size_t counted; /* of the account */
        unsigned holders;
};

struct bulk *bulk_new(struct bulk_account *account) {
        struct bulk *b = calloc(1, sizeof(*b));
        if (!b)
                return NULL;
        b->account = account;
        b->holders = 1;
        return b;
}

struct bulk *bulk_beside(const struct bulk *b) {
        return bulk_new(b->account);
}

/* Of so many bytes and the NUL. */
static size_t pages_of(size_t used) {
        return (used + BULK_PAGE_BYTES) / BULK_PAGE_BYTES * BULK_PAGE_BYTES;
}

static int count_pages(struct bulk *b, size_t used) {
        size_t bytes = pages_of(used);
        size_t more = bytes > b->counted ? bytes - b->counted : 0;
        if (more > b->account->max - b->account->used)
                return -EDQUOT;
        b->account->used += more;
        b->counted += more;
        return 0;
}

static void take_spare(struct bulk *b) {
        struct bulk_account *a = b->account;
        if (b->bytes || a->spares_count == 0)
                return;
        b->bytes = a->spares[--a->spares_count];
        b->capacity = BULK_FIRST_BYTES;
}

static bool keep_spare(struct bulk *b) {
        struct bulk_account *a = b->account;
        if (b->capacity != BULK_FIRST_BYTES || b->counted > BULK_SPARE_BYTES || a->spares_count == BULK_SPARES)
                return false;
        memset(b->bytes, 0, b->counted);
        a->spares[a->spares_count++] = b->bytes;
        return true;
}

static int grow(struct bulk *b, size_t used) {
        take_spare(b);
        size_t capacity = b->capacity ? b->capacity : BULK_FIRST_BYTES;
        while (capacity <= used)
                capacity *= 2;
        if (capacity == b->capacity)
                return 0;
        void *bytes = b->bytes ? mremap(b->bytes, b->capacity, capacity, MREMAP_MAYMOVE)
                               : mmap(NULL, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (bytes == MAP_FAILED)
                return -ENOMEM;
        if (!b->bytes)
                (void) madvise(bytes, capacity, MADV_NOHUGEPAGE); /* one would be taken whole, and a page of it counted */
        b->bytes = bytes;
        b->capacity = capacity;
        return 0;
}

int bulk_add(struct bulk *b, const void *bytes, size_t count) {
        int r = count_pages(b, b->used + count);
        if (r == 0)
                r = grow(b, b->used + count);
        if (r < 0)
                return r;
        memcpy(b->bytes + b->used, bytes, count);
        b->used += count;
        return 0;
}

int bulk_make_room(struct bulk *b, size_t capacity) {
        int r = count_pages(b, b->used + capacity);
        return r < 0 ? r : grow(b, b->used + capacity);
}

void bulk_take_room(struct bulk *b, size_t used) {
        b->used += used;
        size_t bytes = pages_of(b->used);
        if (bytes < b->capacity && mremap(b->bytes, b->capacity, bytes, 0) == b->bytes)
                b->capacity = bytes;
        b->account->used -= b->counted - bytes;
        b->counted = bytes;
        b->bytes[b->used] = 0;
}

char *bulk_bytes(const struct bulk *b) {
        static char empty[1];
        return b->bytes ? b->bytes : empty;
}

size_t bulk_size(const struct bulk *b) {
        return b->used;
}

struct bulk *bulk_hold(struct bulk *b) {
        b->holders++;
        return b;
}

void bulk_clear(struct bulk *b) {
        if (!b)
                return;
        if (b->bytes && !keep_spare(b))
                (void) munmap(b->bytes, b->capacity);
        b->account->used -= b->counted;
        b->bytes = NULL;
        b->used = b->capacity = b->counted = 0;
}

void bulk_drop(struct bulk *b) {
        if (!b || --b->holders > 0)
                return;
        bulk_clear(b);
        free(b);
}
