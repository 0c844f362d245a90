/*
 * test_policy_decide.c - what is done about memory, as a row of situations in a played box (policy_fixture.h).
 *
 * A row tells the box, what others do with its memory, and every action that must follow, in order: "trim:1 evict:2".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/admission/loads.h"
#include "policy/record/snapshot_fields.h"
#include "tests/unit/policy/policy_fixture.h"

/* Rows override what MODEL has by default. */
#pragma GCC diagnostic ignored "-Woverride-init"

/* clang-format off */
#define MODEL(ID, STATE, WEIGHTS, PREFIX, KV, ...) { .id = (ID), .generation = 1, .state = ACCOUNT_##STATE, .obeys = true, .running = ACCOUNT_##STATE == ACCOUNT_BUSY, \
        .last_end_ms = 500000, .load_ms = 2000, .loaded_ms = 1, .weights_bytes = MIB(WEIGHTS), .prefix_bytes = MIB(PREFIX), .kv_bytes = { MIB(KV) }, .floor = KV_Q4_0, \
        .context = 4096, .context_full = 4096, .context_floor = 4096, .chunk = 64, .chunk_full = 64, .usual_rate = 20000, __VA_ARGS__ }
#define BUSY(ID, WEIGHTS, PREFIX, KV, ...) MODEL(ID, BUSY, WEIGHTS, PREFIX, KV, __VA_ARGS__)
#define IDLE(ID, WEIGHTS, PREFIX, ...)     MODEL(ID, IDLE, WEIGHTS, PREFIX, 0, __VA_ARGS__)
#define BIT(ACT)     ACTION_BIT(ACTION_##ACT)
#define LACKS_SHIFTS (BIT(DOWNSHIFT) | BIT(UPSHIFT))
#define LACKS_DISK   (BIT(SUSPEND) | BIT(RESUME))
#define LEVERS       (LACKS_SHIFTS | LACKS_DISK | BIT(TRIM) | BIT(CHUNK) | BIT(CONTEXT))

enum event_kind { END_OF_EVENTS, TAKES, JUMPS, BREATHES, SAWS, STALLS, OWN_STALLS, REFAULTS, SWAPINS, MODEL_STALLS, MODEL_HIGH, SLOW, LOADS, BLIND, PROMISES };

/* From AT on: others take AMOUNT MiB a second; as much at once; and so on. */
struct event {
        uint32_t at_s;
        enum event_kind kind;
        int64_t amount, more;
};

#define AT(S, KIND, AMOUNT, ...) { .at_s = (S), .kind = (KIND), .amount = (AMOUNT), __VA_ARGS__ }
#define EVENTS 6
#define IN_USE UINT64_C(9000000) /* later than any row ends: always a moment ago */
#define HOUR   3600

static const struct row {
        const char *what;
        uint64_t ram, reserve, free; /* MiB */
        struct world world;
        struct event events[EVENTS];
        uint32_t run_s;
        const char *actions;
        enum rung highest;
} rows[] = {
        /* --- nothing is to be done --- */
        { "nothing happens: nothing is done", 24000, 1024, 4000, { .snapshot = { .models_count = 1, .models = { BUSY(1, 2000, 100, 200) } } }, { { 0 } }, HOUR, "", RUNG_CALM },
        { "a box that lives at 90 %", 24000, 1000, 3400, { .snapshot = { .models_count = 2, .models = { BUSY(1, 1000, 100, 200), IDLE(2, 1000, 50) } } }, { AT(0, BREATHES, 60) }, 4 * HOUR, "", RUNG_CALM },
        { "a small box at 90 %", 1024, 64, 300, { .snapshot = { .models_count = 1, .models = { BUSY(1, 200, 10, 20) } } }, { AT(0, BREATHES, 4) }, 4 * HOUR, "", RUNG_CALM },
        { "a slow decline that will last for an hour", 24000, 1000, 8000, { .snapshot = { .models_count = 1, .models = { IDLE(1, 1500, 50) } } }, { AT(0, TAKES, 1), AT(600, TAKES, 0) }, 1200, "", RUNG_CALM },
        { "breathing in saws: at first it looks like a hog, and costs a trim; ever after it is what this box does",
          24000, 1000, 3600, { .snapshot = { .models_count = 1, .models = { IDLE(1, 1500, 50) } } }, { AT(0, SAWS, 400, .more = 20) }, HOUR, "trim:1", RUNG_HOLD },
        { "one jump, however large, while there is room: held for a moment, nothing done", 24000, 1000, 9000, { .snapshot = { .models_count = 2, .models = { BUSY(1, 1000, 100, 200), IDLE(2, 1000, 50) } } }, { AT(10, JUMPS, 5000) }, HOUR, "", RUNG_HOLD },
        { "a jump a minute is no slope either", 24000, 1000, 12000, { .snapshot = { .models_count = 1, .models = { BUSY(1, 1000, 100, 200) } } }, { AT(10, JUMPS, 1900), AT(70, JUMPS, 1900), AT(130, JUMPS, 1900), AT(190, JUMPS, 1900) }, HOUR, "", RUNG_HOLD },
        { "pressure without pages that come back is nothing", 24000, 1000, 3000, { .snapshot = { .models_count = 1, .models = { BUSY(1, 1000, 100, 200) } } }, { AT(0, STALLS, 990), AT(0, OWN_STALLS, 990), AT(0, SLOW, 1) }, HOUR, "", RUNG_CALM },
        { "pages that come back without pressure are nothing", 24000, 1000, 3000, { .snapshot = { .models_count = 1, .models = { BUSY(1, 1000, 100, 200) } } }, { AT(0, REFAULTS, 50000), AT(0, SWAPINS, 50000), AT(0, SLOW, 1) }, HOUR, "", RUNG_CALM },
        { "another program thrashes in a limit of its own: host pressure, host refaults, and we are well", 24000, 1000, 9000, { .snapshot = { .models_count = 1, .models = { BUSY(1, 1000, 100, 200) } } }, { AT(0, STALLS, 800), AT(0, REFAULTS, 9000) }, HOUR, "", RUNG_CALM },
        { "a model reads its weights for the first time: pages come back, and that is no thrash", 24000, 1000, 9000, { .snapshot = { .models_count = 2, .models = { BUSY(1, 1000, 100, 200), BUSY(2, 1000, 0, 0, .loaded_ms = 1019000) } } }, { AT(0, MODEL_STALLS, 900, .more = 20000), AT(13, MODEL_STALLS, 0, .more = 0) }, HOUR, "", RUNG_CALM },
        { "a load in flight takes what was promised to it", 24000, 1000, 9000, { .snapshot = { .models_count = 1, .models = { BUSY(1, 1000, 100, 200) } } }, { AT(5, PROMISES, 6000), AT(5, LOADS, 500) }, 600, "", RUNG_CALM },
        { "memory cannot be read: not seeing is no reason to act", 24000, 1000, 1500, { .snapshot = { .models_count = 2, .models = { BUSY(1, 100, 100, 200), IDLE(2, 100, 50) } } }, { AT(10, BLIND, 1), AT(10, JUMPS, 900) }, 600, "", RUNG_CALM },

        /* --- a hog --- */
        { "a hog: trim, then evict the idle one, then downshift the busy one", 24000, 1000, 8000, { .snapshot = { .models_count = 2, .models = { BUSY(1, 1000, 100, 800), IDLE(2, 2000, 0) } } }, { AT(0, TAKES, 60), AT(116, TAKES, 0) }, 150, "trim:1 evict:2 chunk:1 downshift:1 downshift:1", RUNG_DOWNSHIFT },
        { "the same that stops in time: only what was needed", 24000, 1000, 8000, { .snapshot = { .models_count = 2, .models = { BUSY(1, 1000, 100, 800), IDLE(2, 2000, 0) } } }, { AT(0, TAKES, 60), AT(40, TAKES, 0) }, 150, "trim:1", RUNG_HOLD },
        { "page cache of models that are not loaded is dropped before anybody leaves", 24000, 1000, 8000, { .snapshot = { .idle_file_bytes = GIB(3), .models_count = 1, .models = { BUSY(1, 1000, 0, 0) } } }, { AT(0, TAKES, 60), AT(60, TAKES, 0) }, 100, "drop_files", RUNG_HOLD },
        { "one idle model suffices: one leaves", 24000, 1000, 8000, { .snapshot = { .models_count = 4, .models = { IDLE(1, 1900, 0), IDLE(2, 1900, 0), IDLE(3, 1000, 0), BUSY(4, 100, 0, 0) } } }, { AT(0, TAKES, 60), AT(40, TAKES, 0) }, 100, "evict:1", RUNG_EVICT },
        { "where no one suffices two leave at once: the next look would be too late", 24000, 500, 9000, { .snapshot = { .models_count = 4, .models = { IDLE(1, 900, 0), IDLE(2, 900, 0), IDLE(3, 900, 0), BUSY(4, 100, 0, 0) } } }, { AT(0, TAKES, 300), AT(14, TAKES, 0) }, 100, "evict:1 evict:2 evict:3", RUNG_EVICT },
        { "lowest priority leaves first", 24000, 1000, 8000, { .snapshot = { .models_count = 3, .models = { IDLE(1, 1900, 0, .priority = 5), IDLE(2, 1900, 0, .priority = -5), BUSY(3, 100, 0, 0) } } }, { AT(0, TAKES, 60), AT(58, TAKES, 0) }, 100, "evict:2", RUNG_EVICT },
        { "a pinned one never leaves; the busy one gives of its cache", 24000, 1000, 8000, { .snapshot = { .models_count = 2, .models = { IDLE(1, 1900, 0, .pinned = true), BUSY(2, 1000, 0, 600) } } }, { AT(0, TAKES, 60), AT(62, TAKES, 0) }, 100, "chunk:2 downshift:2", RUNG_DOWNSHIFT },
        { "nobody goes to q4_0 while another is at f16, and nobody below its floor", 24000, 1000, 8000, { .snapshot = { .models_count = 3, .models = { BUSY(1, 1000, 0, 900), BUSY(2, 1000, 0, 300, .floor = KV_Q8_0), BUSY(3, 1000, 0, 300, .floor = KV_F16) } } }, { AT(0, TAKES, 40), AT(118, TAKES, 0) }, 130, "chunk:1 chunk:2 chunk:3 downshift:1 downshift:2 downshift:1", RUNG_DOWNSHIFT },
        { "nothing that is asked for happens: each is tried once, then the next rung, and again after a minute", 24000, 1000, 8000, { .disobeys = true, .snapshot = { .models_count = 2, .models = { BUSY(1, 1000, 200, 800), IDLE(2, 1500, 100) } } }, { AT(0, TAKES, 60), AT(68, TAKES, 0) }, 70, "trim:1 trim:2 evict:2 chunk:1 downshift:1 trim:1 trim:2", RUNG_DOWNSHIFT },
        { "one that does not obey can only leave", 24000, 1000, 8000, { .snapshot = { .models_count = 2, .models = { BUSY(1, 1000, 500, 800, .obeys = false), IDLE(2, 1500, 100, .obeys = false) } } }, { AT(0, TAKES, 60), AT(90, TAKES, 0) }, 120, "evict:2", RUNG_EVICT },
        { "engines that cannot lower their precision nor drop prefixes: batch goes to disk instead, and one is ended",
          24000, 1000, 8000, { .thrashes = true, .snapshot = { .models_count = 2, .models = { BUSY(1, 1000, 300, 800, .batch = true, .suspendable_bytes = MIB(200), .lacks = LACKS_SHIFTS | BIT(TRIM)), BUSY(2, 2000, 300, 800, .priority = 3, .lacks = LACKS_SHIFTS | BIT(TRIM)) } } }, { AT(0, TAKES, 100), AT(50, TAKES, 0) }, 100, "chunk:1 chunk:2 suspend:1 end:1", RUNG_LAST },
        { "and without a verb for suspending either: straight to the end", 24000, 1000, 8000, { .thrashes = true, .snapshot = { .models_count = 1, .models = { BUSY(1, 1000, 300, 800, .batch = true, .suspendable_bytes = MIB(200), .lacks = LACKS_SHIFTS | LACKS_DISK | BIT(TRIM) | BIT(CHUNK)) } } }, { AT(0, TAKES, 100), AT(75, TAKES, 0) }, 100, "end:1", RUNG_LAST },
        { "one of two can be lowered: it is, and the other only drops its prefixes", 24000, 2000, 5000, { .snapshot = { .models_count = 2, .models = { BUSY(1, 1000, 200, 1600, .lacks = LACKS_SHIFTS), BUSY(2, 1000, 0, 1600, .priority = 5) } } }, { AT(10, JUMPS, 1400) }, 300, "trim:1 downshift:2", RUNG_DOWNSHIFT },
        { "an idle one without levers is evicted as ever", 24000, 1000, 8000, { .snapshot = { .models_count = 2, .models = { BUSY(1, 1000, 500, 800, .lacks = LEVERS), IDLE(2, 1500, 100, .lacks = LEVERS) } } }, { AT(0, TAKES, 60), AT(90, TAKES, 0) }, 120, "evict:2", RUNG_EVICT },
        { "one that cannot be ended is left to the next", 24000, 1000, 5000, { .thrashes = true, .snapshot = { .models_count = 2, .models = { BUSY(1, 2000, 0, 0, .lacks = BIT(END) | BIT(EVICT)), BUSY(2, 1000, 0, 0, .priority = 1) } } }, { AT(10, JUMPS, 3000) }, 20, "chunk:1 chunk:2 end:2", RUNG_LAST },
        { "just loaded and in use: left alone, as long as there is time", 24000, 1000, 8000, { .limits = { .min_residency_ms = 600000 }, .snapshot = { .models_count = 2, .models = { IDLE(1, 1900, 0, .loaded_ms = 1000000), IDLE(2, 1000, 0, .loaded_ms = 1) } } }, { AT(0, TAKES, 60), AT(64, TAKES, 0) }, 90, "evict:2", RUNG_EVICT },
        { "in use, its client is between two questions: another leaves", 24000, 1000, 8000, { .snapshot = { .models_count = 2, .models = { IDLE(1, 1900, 0, .last_end_ms = IN_USE), IDLE(2, 1000, 0) } } }, { AT(0, TAKES, 60), AT(64, TAKES, 0) }, 90, "evict:2", RUNG_EVICT },
        { "in use, and the reserve is eaten: running ones give of their caches, it stays", 24000, 1000, 8000, { .snapshot = { .models_count = 2, .models = { IDLE(1, 1900, 0, .last_end_ms = IN_USE), BUSY(2, 1000, 0, 600) } } }, { AT(0, TAKES, 60), AT(80, TAKES, 0) }, 110, "chunk:2 downshift:2 downshift:2", RUNG_DOWNSHIFT },
        { "in use, and the cliff is there: it leaves before anybody is ended", 24000, 1000, 6000, { .snapshot = { .models_count = 2, .models = { IDLE(1, 1900, 0, .last_end_ms = IN_USE), BUSY(2, 1000, 0, 0) } } }, { AT(0, TAKES, 60), AT(50, TAKES, 0) }, 70, "chunk:2 evict:1", RUNG_EVICT },
        { "context for new requests is lowered when precision has nothing to give any more", 24000, 1000, 6000, { .snapshot = { .models_count = 1, .models = { BUSY(1, 1000, 0, 0, .context_floor = 1024) } } }, { AT(0, TAKES, 60), AT(62, TAKES, 0) }, 90, "chunk:1 context:1 context:1", RUNG_SHRINK },

        /* --- the reserve is held by somebody else --- */
        { "a jump into the reserve, and it stays there: mild acts until headroom is back, then nothing more", 24000, 2000, 5000, { .snapshot = { .models_count = 3, .models = { BUSY(1, 1000, 100, 800), IDLE(2, 500, 0), BUSY(3, 500, 0, 300) } } }, { AT(10, JUMPS, 2000) }, HOUR, "trim:1 evict:2 downshift:1 downshift:3", RUNG_DOWNSHIFT },
        { "far into the reserve for hours: all that is mild, and then it is borne", 24000, 2000, 5000, { .snapshot = { .models_count = 3, .models = { BUSY(1, 1000, 100, 800, .batch = true, .suspendable_bytes = MIB(300)), IDLE(2, 200, 0), BUSY(3, 500, 0, 300) } } }, { AT(10, JUMPS, 3200) }, 2 * HOUR, "trim:1 evict:2 downshift:1 downshift:3 downshift:1 downshift:3", RUNG_DOWNSHIFT },
        { "one that stops and never goes is waited for, but not for ever", 24000, 2000, 5000, { .stop_ms = UINT32_MAX, .snapshot = { .models_count = 2, .models = { BUSY(1, 1000, 0, 800), IDLE(2, 1500, 0) } } }, { AT(10, JUMPS, 600) }, 20, "evict:2", RUNG_EVICT },
        { "and then the next one gives", 24000, 2000, 5000, { .stop_ms = UINT32_MAX, .snapshot = { .models_count = 2, .models = { BUSY(1, 1000, 0, 800), IDLE(2, 1500, 0) } } }, { AT(10, JUMPS, 600) }, 60, "evict:2 downshift:1", RUNG_DOWNSHIFT },
        { "nothing to give at all", 24000, 2000, 5000, { .snapshot = { .models_count = 1, .models = { BUSY(1, 1000, 0, 0) } } }, { AT(10, JUMPS, 3000) }, 2 * HOUR, "", RUNG_HOLD },
        { "headroom dips below zero for a blink", 24000, 2000, 5000, { .snapshot = { .models_count = 2, .models = { BUSY(1, 1000, 100, 800), IDLE(2, 500, 0) } } }, { AT(10, JUMPS, 1400), AT(10, BREATHES, 30) }, 60, "", RUNG_HOLD },

        /* --- the cliff --- */
        { "a hog that does not stop: first all that is mild, then batch goes to disk, then one is ended, never the pinned one", 24000, 1000, 8000, { .thrashes = true, .snapshot = { .models_count = 3, .models = { BUSY(1, 1000, 0, 800, .batch = true, .suspendable_bytes = MIB(200)), BUSY(2, 2000, 0, 0, .pinned = true), BUSY(3, 1000, 0, 0, .priority = 3) } } }, { AT(0, TAKES, 100), AT(50, TAKES, 0) }, 100, "chunk:1 chunk:2 chunk:3 downshift:1 downshift:1 suspend:1 end:1", RUNG_LAST },
        { "a load in flight goes before one that answers somebody", 24000, 1000, 6000, { .snapshot = { .loading_bytes = MIB(1500), .models_count = 2, .models = { BUSY(1, 1000, 0, 0), MODEL(2, LOADING, 1500, 0, 0) } } }, { AT(0, TAKES, 100), AT(40, TAKES, 0) }, 80, "chunk:1 end:2", RUNG_LAST },
        { "all are pinned: the kernel must choose", 24000, 1000, 5000, { .thrashes = true, .snapshot = { .models_count = 1, .models = { BUSY(1, 1000, 0, 0, .pinned = true) } } }, { AT(0, TAKES, 100), AT(60, TAKES, 0) }, 100, "chunk:1", RUNG_HOLD },
        { "a jump over the cliff: it thrashes, and one is ended; then it is quiet, and the other gets its chunk back", 24000, 1000, 5000, { .thrashes = true, .snapshot = { .models_count = 2, .models = { BUSY(1, 2000, 0, 0), BUSY(2, 1000, 0, 0, .priority = 1) } } }, { AT(10, JUMPS, 3000) }, HOUR, "chunk:1 chunk:2 end:1 chunk:2", RUNG_LAST },
        /* --- what is over --- */
        { "a long decline that has ended, and a program that starts: no news", 960, 48, 330, { .snapshot = { .models_count = 2, .models = { BUSY(1, 1, 0, 5), IDLE(2, 1, 24) } } }, { AT(5, TAKES, 1), AT(65, TAKES, 0), AT(69, TAKES, 7), AT(70, TAKES, 0) }, 100, "", RUNG_CALM },
        /* --- growth that is faster than one act after the other --- */
        { "growth of 30 MiB/s on a small box: all that is mild at once, and no answer is cut for 6 MiB", 1024, 48, 240, { .snapshot = { .models_count = 3, .models = { BUSY(1, 1, 0, 5), IDLE(2, 1, 24), IDLE(3, 1, 24) } } }, { AT(5, TAKES, 30), AT(14, TAKES, 0) }, 30, "trim:2 trim:3 evict:2 evict:3 chunk:1 downshift:1", RUNG_DOWNSHIFT },
        { "growth of 100 MiB/s on a small box: all that is mild at once, and no answer is cut for 6 MiB", 1024, 48, 240, { .snapshot = { .models_count = 3, .models = { BUSY(1, 1, 0, 5), IDLE(2, 1, 24), IDLE(3, 1, 24) } } }, { AT(5, TAKES, 100), AT(8, TAKES, 0) }, 30, "trim:2 trim:3 evict:2 evict:3 chunk:1 downshift:1", RUNG_DOWNSHIFT },
        { "growth of 300 MiB/s on a small box: all that is mild at once, and no answer is cut for 6 MiB", 1024, 48, 240, { .snapshot = { .models_count = 3, .models = { BUSY(1, 1, 0, 5), IDLE(2, 1, 24), IDLE(3, 1, 24) } } }, { AT(5, TAKES, 300), AT(6, TAKES, 0) }, 30, "trim:2 trim:3 evict:2 evict:3 chunk:1 downshift:1", RUNG_DOWNSHIFT },
        { "growth of 1000 MiB/s on a small box: all that is mild at once, and no answer is cut for 6 MiB", 1024, 48, 240, { .snapshot = { .models_count = 3, .models = { BUSY(1, 1, 0, 5), IDLE(2, 1, 24), IDLE(3, 1, 24) } } }, { AT(5, TAKES, 1000), AT(6, TAKES, 0) }, 30, "trim:2 trim:3 evict:2 evict:3 chunk:1 downshift:1", RUNG_DOWNSHIFT },
        /* --- one engine in trouble of its own --- */
        { "it stalls inside its own limit, the box has room: only that engine is helped", 24000, 1000, 9000, { .snapshot = { .models_count = 3, .models = { BUSY(1, 1000, 300, 800), BUSY(2, 1000, 100, 800), IDLE(3, 500, 0) } } }, { AT(10, MODEL_STALLS, 500, .more = 9000), AT(18, MODEL_STALLS, 0) }, 25, "trim:2 chunk:2 downshift:2", RUNG_DOWNSHIFT },
        { "it thrashes there for a minute: it is not ended, it hurts only itself", 24000, 1000, 9000, { .snapshot = { .models_count = 2, .models = { BUSY(1, 1000, 300, 800), BUSY(2, 1000, 0, 0) } } }, { AT(10, MODEL_STALLS, 900, .more = 50000), AT(10, SLOW, 1), AT(70, MODEL_STALLS, 0), AT(70, SLOW, 0) }, 80, "chunk:2", RUNG_HOLD },
        { "and a hog comes: the box goes first, so another one leaves", 24000, 1000, 9000, { .snapshot = { .models_count = 3, .models = { BUSY(1, 1000, 0, 800), BUSY(2, 1000, 0, 800), IDLE(3, 1500, 0) } } }, { AT(5, TAKES, 60), AT(10, MODEL_STALLS, 900, .more = 50000), AT(10, SLOW, 1), AT(71, TAKES, 0), AT(71, MODEL_STALLS, 0) }, 72, "chunk:2 downshift:2 downshift:2 evict:3", RUNG_DOWNSHIFT },
        { "a memory.high above it: it stands still, and is ended after half a minute", 24000, 1000, 9000, { .snapshot = { .models_count = 2, .models = { BUSY(1, 1000, 300, 800), BUSY(2, 1000, 100, 800) } } }, { AT(10, MODEL_HIGH, 500), AT(10, MODEL_STALLS, 990), AT(10, SLOW, 1) }, 70, "trim:2 chunk:2 downshift:2 downshift:2 end:2", RUNG_LAST },
        { "a memory.high that only brakes: nothing is ended", 24000, 1000, 9000, { .snapshot = { .models_count = 2, .models = { BUSY(1, 1000, 300, 800), BUSY(2, 1000, 100, 800) } } }, { AT(10, MODEL_HIGH, 500), AT(10, MODEL_STALLS, 990) }, 300, "", RUNG_CALM },
        { "a stall with room to spare, and models slow: mild acts, 15 s apart, and no end", 24000, 1000, 4000, { .snapshot = { .models_count = 2, .models = { BUSY(1, 1000, 0, 800), IDLE(2, 50, 0) } } }, { AT(10, OWN_STALLS, 500), AT(10, REFAULTS, 9000), AT(10, SLOW, 1), AT(20, OWN_STALLS, 0) }, 300, "evict:2", RUNG_EVICT },
};
/* clang-format on */

static void happen(struct world *w, const struct event *e) {
        switch (e->kind) {
        case TAKES: w->foreign_per_s = e->amount * (1 << 20); break;
        case JUMPS: w->foreign_bytes += e->amount * (1 << 20); break;
        case BREATHES: w->noise_bytes = e->amount * (1 << 20); break;
        case SAWS:
                w->saw_bytes = e->amount * (1 << 20);
                w->saw_ms = e->more * 1000;
                break;
        case STALLS: w->stall_permille = (uint64_t) e->amount; break;
        case OWN_STALLS: w->own_stall_permille = (uint64_t) e->amount; break;
        case REFAULTS: w->refaults_per_s = (uint64_t) e->amount; break;
        case SWAPINS: w->swapins_per_s = (uint64_t) e->amount; break;
        case MODEL_STALLS:
                w->model_stalls = 2;
                w->model_stall_permille = (uint64_t) e->amount;
                w->model_refaults_per_s = (uint64_t) e->more;
                break;
        case MODEL_HIGH: w->model_high_per_s = (uint64_t) e->amount; break;
        case SLOW: w->slow = e->amount > 0; break;
        case PROMISES: w->snapshot.loading_bytes += MIB(e->amount); break;
        case LOADS: w->load_per_s = e->amount * (1 << 20); break;
        case BLIND: w->snapshot.memory_blind = e->amount > 0; break;
        default: break;
        }
}

static void play(struct world *w, const struct row *row) {
        world_begin(w, MIB(row->ram), MIB(row->reserve), MIB(row->free));
        world_run(w, 20000);
        uint64_t begin_ms = w->snapshot.now_ms;
        for (size_t k = 0; k < EVENTS && row->events[k].kind != END_OF_EVENTS; k++) {
                uint64_t at_ms = begin_ms + 1000ull * row->events[k].at_s;
                if (at_ms > w->snapshot.now_ms)
                        world_run(w, at_ms - w->snapshot.now_ms);
                happen(w, &row->events[k]);
        }
        world_run(w, begin_ms + 1000ull * row->run_s - w->snapshot.now_ms);
}

static void one_row_after_another(void **state) {
        (void) state;
        unsigned failed = 0;
        for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
                struct world w = rows[r].world;
                play(&w, &rows[r]);
                if (strcmp(w.actions, rows[r].actions) == 0 && w.highest == rows[r].highest)
                        continue;
                failed++;
                print_error("%s:\n    '%s', up to %s; first after %lld ms, headroom down to %lld MiB\n", rows[r].what, w.actions,
                            policy_rung_word(w.highest), (long long) (w.first_action_ms - 1020001),
                            (long long) (w.least_headroom >> 20));
        }
        assert_int_equal(failed, 0);
}

/*
 * The three shapes of the cliff: anonymous growth without swap, the same with zram (which does nothing until memory is
 * gone), and growth against mapped weights. In each the first action comes at least 2 s before the cliff, wherever
 * the hog leaves 4 s in all.
 */
static void two_seconds_before_the_cliff(void **state) {
        (void) state;
        static const struct {
                uint64_t ram, reserve, weights, free; /* MiB */
        } boxes[] = {
                { 512, 48, 0, 300 },          { 512, 48, 200, 300 },          { 1024, 64, 0, 700 },
                { 1024, 64, 250, 700 },       { 8000, 1000, 3000, 5000 },     { 24000, 1000, 0, 8000 },
                { 24000, 1000, 9000, 14000 }, { 128000, 5000, 40000, 60000 },
        };
        static const int64_t rates[] = { 4, 12, 60, 200, 1000, 4000 };
        for (size_t b = 0; b < sizeof(boxes) / sizeof(boxes[0]); b++) {
                for (size_t r = 0; r < sizeof(rates) / sizeof(rates[0]); r++) {
                        uint64_t cliff_ms = (boxes[b].free - boxes[b].weights) * 1000 / (uint64_t) rates[r];
                        if (cliff_ms < 4000)
                                continue;
                        struct world w = { .disobeys = true,
                                           .snapshot = { .models_count = 1, .models = { BUSY(1, 0, 20, 40) } } };
                        w.snapshot.models[0].weights_bytes = MIB(boxes[b].weights);
                        w.noise_bytes = (int64_t) MIB(boxes[b].ram) / 2000;
                        world_begin(&w, MIB(boxes[b].ram), MIB(boxes[b].reserve), MIB(boxes[b].free));
                        world_run(&w, 30000);
                        uint64_t begin_ms = w.snapshot.now_ms;
                        assert_int_equal(w.actions_count, 0);
                        w.foreign_per_s = rates[r] * (1 << 20);
                        world_run(&w, cliff_ms);
                        uint64_t lead_ms = w.first_action_ms == UINT64_MAX ? 0 : begin_ms + cliff_ms - w.first_action_ms;
                        if (getenv("HEADROOM_FIGURES") != NULL)
                                print_message("%6d MiB, %5d of weights, %4d MiB/s: cliff after %.1f s, first act %.1f s before\n",
                                              (int) boxes[b].ram, (int) boxes[b].weights, (int) rates[r],
                                              (double) cliff_ms / 1000, (double) lead_ms / 1000);
                        if (lead_ms < 2000)
                                fail_msg("%d MiB, %d MiB/s: first act %.1f s before the cliff\n", (int) boxes[b].ram,
                                         (int) rates[r], (double) lead_ms / 1000);
                }
        }
}

/* Restrictions are lifted: the chunk at once, then one at a time, precision after five minutes. */
static void all_is_given_back(void **state) {
        (void) state;
        struct world w = { .snapshot = { .models_count = 1,
                                         .models = { BUSY(1, 1000, 0, 400, .level = KV_Q4_0, .chunk = 16, .context = 1024,
                                                          .suspended = 2, .suspended_bytes = MIB(100)) } } };
        world_begin(&w, MIB(24000), MIB(1000), MIB(9000));
        world_run(&w, 5000);
        assert_string_equal(w.actions, "chunk:1 resume:1");
        world_run(&w, 60000);
        assert_string_equal(w.actions, "chunk:1 resume:1 context:1");
        assert_int_equal(w.snapshot.models[0].context, 4096);
        world_run(&w, 1500000);
        assert_string_equal(w.actions, "chunk:1 resume:1 context:1 upshift:1 upshift:1");
        assert_int_equal(w.snapshot.models[0].level, KV_F16);
        world_run(&w, 4 * 3600000);
        assert_int_equal(w.actions_count, 5);
}

/* No restriction is lifted that the machine has no room for. */
static void nothing_is_given_back_into_a_shortage(void **state) {
        (void) state;
        struct world w = { .snapshot = { .models_count = 1,
                                         .models = { BUSY(1, 1000, 0, 0, .level = KV_Q8_0, .kv_bytes = { 0, MIB(800) },
                                                          .suspended = 1, .suspended_bytes = MIB(900)) } } };
        world_begin(&w, MIB(24000), MIB(1000), MIB(2000 + 1500 + 700));
        world_run(&w, 3600000);
        assert_string_equal(w.actions, "");
        w.foreign_bytes -= (int64_t) MIB(400);
        world_run(&w, 3600000);
        assert_string_equal(w.actions, "resume:1");
}

/* A hog that comes and goes every ten minutes: precision changes at most four times an hour, and then it stays low and says why. */
static void who_changes_too_often_stays_low(void **state) {
        (void) state;
        struct world w = { .snapshot = { .models_count = 1, .models = { BUSY(1, 1000, 0, 2000, .floor = KV_Q8_0) } } };
        world_begin(&w, MIB(24000), MIB(1000), MIB(9000));
        bool said = false;
        for (int hour = 0; hour < 3; hour++) {
                for (int k = 0; k < 6; k++) {
                        world_run(&w, 20000);
                        w.foreign_per_s = (int64_t) MIB(100);
                        world_run(&w, 65000);
                        w.foreign_per_s = 0;
                        w.foreign_bytes -= (int64_t) MIB(6500);
                        for (int i = 0; i < 515; i++) {
                                world_run(&w, 1000);
                                /* The next requests store precisely what they are allowed to. */
                                if (w.snapshot.models[0].level == KV_F16) {
                                        w.snapshot.models[0].kv_bytes[KV_F16] = MIB(2000);
                                        w.snapshot.models[0].kv_bytes[KV_Q8_0] = 0;
                                }
                                said = said || w.plan.because == REASON_FLAPPING;
                        }
                }
                uint32_t changes = 0;
                for (const char *at = w.actions; (at = strstr(at, "shift:")) != NULL; at++)
                        changes++;
                assert_in_range(changes, 1, 4u * (unsigned) (hour + 1));
        }
        assert_true(said);
}

/* Another engine under the same id: what the old one did not do is not held against it. */
static void another_generation_starts_anew(void **state) {
        (void) state;
        struct world w = { .disobeys = true, .snapshot = { .models_count = 1, .models = { BUSY(1, 1000, 300, 0) } } };
        world_begin(&w, MIB(24000), MIB(1000), MIB(1800));
        world_run(&w, 10000);
        assert_string_equal(w.actions, "trim:1");
        world_run(&w, 30000);
        assert_string_equal(w.actions, "trim:1");
        w.snapshot.models[0].generation++;
        world_run(&w, 10000);
        assert_string_equal(w.actions, "trim:1 trim:1");
}

/* Evicted: it must be gone and its memory back before it counts, and what it freed is told. */
static void what_was_freed_is_told(void **state) {
        (void) state;
        struct world w = { .stop_ms = 1, .snapshot = { .models_count = 1, .models = { IDLE(1, 1000, 0) } } };
        world_begin(&w, MIB(24000), MIB(1000), MIB(1800));
        w.stop_ms = 1200;
        while (w.actions_count == 0)
                world_look(&w, UINT64_MAX);
        uint64_t at_ms = w.first_action_ms;
        while (w.plan.verified.kind == ACTION_NONE)
                world_look(&w, UINT64_MAX);
        assert_int_equal(w.plan.verified.kind, ACTION_EVICT);
        assert_true(w.snapshot.now_ms - at_ms >= 1200);
        assert_in_range(w.plan.verified_freed_bytes, MIB(990), MIB(1010));
}

/* With nothing running and room, a model may be loaded though the rung is still held: somebody must be served. */
static void somebody_is_served(void **state) {
        (void) state;
        struct world w = { .snapshot = { .models_count = 1, .models = { IDLE(1, 2000, 0) } } };
        world_begin(&w, MIB(24000), MIB(1000), MIB(2900));
        world_run(&w, 3000);
        assert_string_equal(w.actions, "evict:1");
        assert_true(w.plan.hold_loads);
        world_run(&w, 12000);
        assert_int_equal(w.plan.rung, RUNG_EVICT);
        assert_false(w.plan.hold_loads);
}

/*
 * A box in calm costs few wake-ups: with room one in 2 s, without a model one in 5, at 90 % two a second; ten where a small one
 * answers so near the cliff that it could be there within a blink.
 */
static void calm_costs_little(void **state) {
        (void) state;
        static const struct {
                uint64_t ram, free;
                uint32_t models, most; /* looks in 10 minutes */
        } rows_of_looks[] = {
                { 24000, 20000, 0, 125 }, { 24000, 20000, 1, 310 }, { 24000, 3000, 1, 1250 }, { 1024, 250, 1, 6050 }
        };
        for (size_t r = 0; r < sizeof(rows_of_looks) / sizeof(rows_of_looks[0]); r++) {
                struct world w = { .snapshot = { .models_count = rows_of_looks[r].models, .models = { BUSY(1, 100, 0, 10) } } };
                world_begin(&w, MIB(rows_of_looks[r].ram), MIB(rows_of_looks[r].ram) / 24, MIB(rows_of_looks[r].free));
                world_run(&w, 120000);
                w.looks = 0;
                world_run(&w, 600000);
                assert_in_range(w.looks, 100, rows_of_looks[r].most);
        }
}

static uint64_t any_number(struct world *w) {
        uint64_t x = (uint64_t) world_random(w) << 40 | (uint64_t) world_random(w) << 16 | world_random(w) % 65536;
        return world_random(w) % 8 == 0 ? UINT64_MAX - x % 5 : x >> (world_random(w) % 64);
}

static void any_model(struct world *w, struct model_view *m, uint32_t id) {
        *m = (struct model_view){ .id = id,
                                  .generation = world_random(w) % 3,
                                  .state = (enum account_state)(world_random(w) % ACCOUNT_PROMISED),
                                  .pinned = world_random(w) % 3 == 0,
                                  .batch = world_random(w) % 2,
                                  .obeys = world_random(w) % 4 != 0,
                                  .lacks = world_random(w) % 2 ? 0 : world_random(w) & FIELD_ACTIONS_ALL,
                                  .priority = (int) (world_random(w) % 7) - 3,
                                  .running = world_random(w) % 3,
                                  .waiting = world_random(w) % 3,
                                  .loaded_ms = any_number(w),
                                  .last_end_ms = any_number(w),
                                  .load_ms = any_number(w),
                                  .bytes = any_number(w),
                                  .account_bytes = any_number(w),
                                  .account_weights_bytes = any_number(w),
                                  .taken_bytes = any_number(w),
                                  .upshift_bytes = any_number(w),
                                  .lower_bytes = { 0, any_number(w), any_number(w) },
                                  .lower_told = world_random(w) % 4 == 0,
                                  .pool = world_random(w) % 2 ? 0 : world_random(w),
                                  .pool_asked = world_random(w),
                                  .pool_floor = world_random(w),
                                  .pool_full = world_random(w),
                                  .pool_held = world_random(w),
                                  .pool_needed = world_random(w),
                                  .pool_wanted = world_random(w),
                                  .pool_told = world_random(w) % 4 == 0,
                                  .pool_token_bytes = any_number(w),
                                  .pool_whole_bytes = any_number(w),
                                  .pool_since_ms = any_number(w),
                                  .service_ms = any_number(w),
                                  .protected_until_ms = any_number(w),
                                  .weights_bytes = any_number(w),
                                  .weights_resident_bytes = any_number(w),
                                  .prefix_bytes = any_number(w),
                                  .kv_bytes = { any_number(w), any_number(w), any_number(w) },
                                  .level = (enum kv_type)(world_random(w) % 3),
                                  .floor = (enum kv_type)(world_random(w) % 3),
                                  .ceiling = (enum kv_type)(world_random(w) % 3),
                                  .context = world_random(w),
                                  .context_full = world_random(w),
                                  .context_floor = world_random(w),
                                  .chunk = world_random(w) % 100,
                                  .chunk_full = world_random(w) % 100,
                                  .suspendable_bytes = any_number(w),
                                  .suspended = world_random(w) % 2,
                                  .suspended_bytes = any_number(w),
                                  .rate = world_random(w),
                                  .usual_rate = world_random(w),
                                  .stall_us = any_number(w),
                                  .refaults = any_number(w),
                                  .swapins = any_number(w),
                                  .high_events = any_number(w),
                                  .oom_kills = any_number(w) };
}

static void any_want(struct world *w, struct want *want, uint32_t id) {
        *want = (struct want){ .id = id,
                               .batch = world_random(w) % 2,
                               .priority = (int) (world_random(w) % 7) - 3,
                               .since_ms = any_number(w),
                               .forms_count = 1 + world_random(w) % FORMS_MAX };
        for (uint32_t i = 0; i < want->forms_count; i++) {
                want->forms[i].bytes = any_number(w);
                want->forms[i].weights_bytes = any_number(w);
                want->forms[i].whole_bytes = any_number(w);
                want->forms[i].token_bytes = any_number(w);
        }
}

/* Every want is answered once; nobody leaves who is pinned, not there, or leaving already; a refusal says why. */
static void the_loads_are_sound(struct world *w) {
        struct candidate all[ACCOUNTS_MAX];
        assert_int_equal(w->plan.loads_count, w->snapshot.wants_count);
        for (uint32_t i = 0; i < w->plan.loads_count; i++) {
                const struct load *load = &w->plan.loads[i];
                assert_true(load->verdict < VERDICT_COUNT && load->room.rule < RULE_COUNT);
                assert_true(!load->refused || load->because != REASON_NONE);
                assert_int_equal(load->verdict == VERDICT_ADMIT, load->room.rule == RULE_NONE && load->verdict != VERDICT_HELD);
                for (uint32_t k = 0; k < i; k++)
                        assert_true(w->plan.loads[k].model != load->model);
                assert_int_equal(policy_candidates(&w->limits, &w->snapshot, &w->plan, load, all), w->snapshot.models_count);
        }
        for (uint32_t i = 0; i < w->plan.unloads_count; i++) {
                const struct model_view *m = world_model(w, w->plan.unloads[i].model);
                assert_true(m != NULL && !m->pinned && (m->state == ACCOUNT_IDLE || m->state == ACCOUNT_BUSY));
        }
}

/* For any snapshot, however mad: the plan names only models that are there, never cuts a pinned one, and is within its bounds. */
static void whatever_is_seen(void **state) {
        (void) state;
        struct world w = { .seed = 99 };
        for (int round = 0; round < 40; round++) {
                memset(&w.past, 0, sizeof(w.past));
                for (int look = 0; look < 200; look++) {
                        w.limits = (struct limits){ .budget_bytes = any_number(&w),
                                                    .weights_permille = world_random(&w) % 1001,
                                                    .reserve_bytes = any_number(&w),
                                                    .min_residency_ms = any_number(&w),
                                                    .passive = world_random(&w) % 5 == 0,
                                                    .heat_ignored = world_random(&w) % 5 == 0,
                                                    .margin_target_millidegrees = 15000,
                                                    .critical_default_millidegrees = 100000 };
                        w.snapshot.now_ms += 1 + any_number(&w) % (1u << world_random(&w) % 24);
                        w.snapshot.ram_bytes = any_number(&w);
                        w.snapshot.available_bytes = any_number(&w);
                        w.snapshot.loading_bytes = any_number(&w);
                        w.snapshot.idle_file_bytes = any_number(&w);
                        w.snapshot.stall_us = any_number(&w);
                        w.snapshot.own_stall_us = any_number(&w);
                        w.snapshot.refaults = any_number(&w);
                        w.snapshot.swapins = any_number(&w);
                        w.snapshot.throttles = any_number(&w);
                        w.snapshot.memory_blind = world_random(&w) % 10 == 0;
                        w.snapshot.models_count = world_random(&w) % (ACCOUNTS_MAX + 1);
                        uint32_t first = world_random(&w) % 100;
                        for (uint32_t i = 0; i < w.snapshot.models_count; i++)
                                any_model(&w, &w.snapshot.models[i], first + i);
                        w.snapshot.wants_count = world_random(&w) % 4 == 0 ? world_random(&w) % (WANTS_MAX + 1) : 0;
                        for (uint32_t i = 0; i < w.snapshot.wants_count; i++)
                                any_want(&w, &w.snapshot.wants[i], first + ACCOUNTS_MAX + i);
                        w.snapshot.sensors_count = world_random(&w) % (SENSORS_MAX + 1);
                        for (uint32_t i = 0; i < w.snapshot.sensors_count; i++)
                                w.snapshot.sensors[i] =
                                        (struct sensor_view){ world_random(&w) % 50,    (enum sensor_state)(world_random(&w) % 4),
                                                              world_random(&w) % 2,     world_random(&w) % 2,
                                                              (int32_t) any_number(&w), (int32_t) any_number(&w) };
                        policy_decide(&w.limits, &w.snapshot, &w.past, &w.plan);
                        assert_true(w.plan.actions_count <= PLAN_ACTIONS_MAX);
                        assert_true(w.plan.look_again_ms > w.snapshot.now_ms &&
                                    w.plan.look_again_ms <= w.snapshot.now_ms + LOOK_EMPTY_MS);
                        assert_true(w.plan.heat_level < HEAT_LEVELS && w.plan.duty_permille >= 250 &&
                                    w.plan.duty_permille <= 1000);
                        the_loads_are_sound(&w);
                        for (uint32_t k = 0; k < w.plan.actions_count; k++) {
                                const struct action *action = &w.plan.actions[k];
                                const struct model_view *m = world_model(&w, action->model);
                                assert_true(action->kind > ACTION_NONE && action->kind < ACTION_COUNT &&
                                            action->because > REASON_NONE);
                                assert_true(m != NULL || (action->kind == ACTION_DROP_FILES && action->model == UINT32_MAX));
                                bool cuts = action->kind == ACTION_EVICT || action->kind == ACTION_END;
                                assert_false(cuts && m->pinned);
                                assert_false(m != NULL && m->lacks & ACTION_BIT(action->kind));
                                assert_false(action->kind == ACTION_EVICT && m->state != ACCOUNT_IDLE);
                                assert_false(action->kind == ACTION_DOWNSHIFT && action->level > m->floor);
                                assert_false(action->kind == ACTION_UPSHIFT && action->level < m->ceiling);
                        }
                }
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(one_row_after_another),
                cmocka_unit_test(two_seconds_before_the_cliff),
                cmocka_unit_test(all_is_given_back),
                cmocka_unit_test(nothing_is_given_back_into_a_shortage),
                cmocka_unit_test(who_changes_too_often_stays_low),
                cmocka_unit_test(another_generation_starts_anew),
                cmocka_unit_test(what_was_freed_is_told),
                cmocka_unit_test(somebody_is_served),
                cmocka_unit_test(calm_costs_little),
                cmocka_unit_test(whatever_is_seen),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
