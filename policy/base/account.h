/* account.h - the memory that one engine holds, as admission and the choice of victims see it. */
#ifndef HEADROOM_POLICY_BASE_ACCOUNT_H
#define HEADROOM_POLICY_BASE_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

enum account_state {
        ACCOUNT_IDLE,     /* loaded, nothing runs, nothing waits for it */
        ACCOUNT_BUSY,     /* loaded, and something runs or is about to */
        ACCOUNT_LOADING,  /* bytes are reserved, not yet all taken */
        ACCOUNT_DRAINING, /* will leave when its last request ends */
        ACCOUNT_STOPPING, /* leaving now; counts until its memory is back */
        ACCOUNT_PROMISED, /* not started: waits for room that is being made for it */
};

struct account {
        uint32_t id;
        enum account_state state;
        bool pinned;
        uint64_t protected_until_ms; /* others may not turn it out before; 0: they may */
        bool asked;                  /* has served a request since it was loaded */
        int priority;                /* lower leaves first */
        uint64_t bytes;              /* the larger of predicted and measured */
        uint64_t weights_bytes;
        uint64_t taken_bytes; /* the part already missing from MemAvailable: anonymous, shared and locked pages */
        uint64_t leaving_bytes, leaving_taken_bytes; /* parts of the two that are being given back: they count until they are */
        uint64_t least_bytes, whole_bytes; /* with the smallest KV pool, and with one that holds a whole context; 0: as bytes */
        uint64_t loaded_ms;                /* when it became ready */
        uint64_t last_end_ms;              /* when its last request ended; 0 before the first */
        uint64_t load_ms;                  /* how long loading it took */
        uint64_t service_ms;               /* the usual time of its requests; 0: not known */
};

#endif
