/* bounds.h - every limit of headroomctl, and why that number. */
#ifndef HEADROOM_CTL_BASE_BOUNDS_H
#define HEADROOM_CTL_BASE_BOUNDS_H

#define REPLY_BYTES_MAX           (16u << 20) /* a thousand models with their last words: far below */
#define CONNECT_TIMEOUT_MS        5000L       /* a local socket answers at once or not at all */
#define ANSWER_TIMEOUT_MS         10000L      /* for questions; loading and unloading take as long as they take */
#define CLIENT_PATH_MAX           1024u       /* a name of 128 bytes is at most 384 when every byte is escaped */
#define EVENTS_PENDING_MAX        64u         /* actions that wait for their outcome: one for each model */
#define FOLLOW_PERIOD_MS          500         /* how often events are asked for: a person reads along */
#define MINUTES_MAX               60u         /* as the daemon takes */
#define PROGRESS_PERIOD_MS        200         /* a person sees the seconds run */
#define WATCH_PERIOD_MS           500         /* how often the daemon is asked how far a load has come */

#define FORECAST_SHOWN_MS         3600000u /* as in the daemon: a forecast of hours is not shown */
#define TABLE_COLUMNS_MAX         12u
#define TERMINAL_COLUMNS_MIN      40u /* a narrower terminal wraps: cutting would leave nothing to read */

#define CONTEXTS_MAX              32u        /* of one `fit` */
#define CONTEXT_SMALLEST          2048u      /* the table starts here and doubles up to the trained length */
#define CONTEXT_TOKENS_MAX        (1u << 27) /* far beyond any model; keeps tokens x bytes in 64 bits */
#define PARALLEL_DEFAULT          2u         /* one alone hides what two cost together; headroomd needs room for one */
#define PARALLEL_MAX              1024u
#define PASS_TOKENS               256u /* tokens and requests of one pass of the engine, as its worker has them */
#define PASS_REQUESTS             4u   /* when it is told nothing else: they size its scratch memory */
#define PASS_REQUESTS_MAX         16u
#define THREADS_MAX               512u /* as many as the engine accepts */

#define BANDWIDTH_TEST_MS         300 /* long enough for some undisturbed passes, too short to wait for */
#define BANDWIDTH_PASSES_MIN      5u
#define BANDWIDTH_PASSES_MAX      256u
#define BANDWIDTH_BYTES_MIN       (256ull << 20)
#define BANDWIDTH_BYTES_MAX       (1ull << 30)
#define BANDWIDTH_THREADS_MAX     64u /* no socket needs more readers to fill its memory channels */
#define BANDWIDTH_L3_MULTIPLE     4u  /* at most a quarter of a pass can come from the cache */

#define SCENARIO_BYTES_MAX        (256u << 20) /* days of recording; a look that repeats little is 200 bytes */
#define SCENARIO_LOOKS_MAX        1000000u     /* three days at four looks a second; what a plot keeps of them is under 100 MB */
#define SCENARIO_LINE_MAX         4096u        /* a model with all its keys is under 1500 bytes */
#define SCENARIO_WORDS_MAX        64u          /* likewise: 36 keys */
#define SCENARIO_EXPECTATIONS_MAX 256u         /* of one look: each of 64 actions, loads and unloads, and some numbers */
#define SCENARIO_ERROR_MAX        256u         /* a sentence and a piece of the wrong word */
#define DEEDS_MAX                 4096u        /* different actions in one scenario: 10 kinds, 64 models, some reasons */
#define SENTENCE_MAX              4096u        /* 64 actions of up to 60 characters */
#define TRACE_ACTIONS_MAX         20000u       /* marks in a plot: far more than can be told apart */
#define PLOT_TITLE_MAX            160u         /* bytes; more than the width of a picture */
#define PLOT_MODELS_MAX           24u          /* rows of a plot; the rest is named as a number */

/* The daemon's own defaults, for scenarios that do not say otherwise. */
#define SCENARIO_RESERVE_BYTES                 (1ull << 30)
#define SCENARIO_MIN_RESIDENCY_MS              10000u
#define SCENARIO_MARGIN_TARGET_MILLIDEGREES    15000u
#define SCENARIO_CRITICAL_DEFAULT_MILLIDEGREES 100000u

#endif
