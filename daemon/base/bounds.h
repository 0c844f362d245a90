/*
 * bounds.h - every limit of the daemon's own, with the reason for its value. Settings that a user may change are in
 * config/config.h.
 */
#ifndef HEADROOM_DAEMON_BASE_BOUNDS_H
#define HEADROOM_DAEMON_BASE_BOUNDS_H

/* --- configuration --- */
#define CONFIG_LINE_MAX    4096 /* a path of PATH_MAX never fits a sane line anyway */
#define CONFIG_FILES_MAX   256  /* drop-ins, and again models.d: more is a wrong directory */
#define MODELS_MAX         1024 /* the most that a scan of the models directory may find */
#define FLEET_MAX          2048 /* models of the configuration, and those that are draining since they left it */
#define NAMES_MAX          4096 /* that models have had since the daemon began; beyond, the oldest is forgotten by events */
#define MODEL_ID_MAX       128  /* fits a log line and a URL */
#define MODEL_ALIASES_MAX  32
#define MODELS_DEPTH_MAX   4    /* folders: publisher/repository/variant/revision/file.gguf */
#define MODELS_FOUND_MAX   4096 /* GGUF files under all their names: parts of split models, links */
#define FOLDERS_MAX        4096 /* with files or without: a link to the root of a disk ends here */
#define LEFT_OUT_MAX       256  /* files and folders that give no model: more is a wrong directory */

#define CONFIG_CHANGES_MAX 2048 /* every model twice */
#define RELOAD_SETTLE_MS   500  /* a file that was written to within this time is waited for */
#define RELOAD_QUIET_MS    100  /* a file of the configuration that was written to within this time is read again ... */
#define RELOAD_TRIES_MAX   20   /* ... so often: whoever writes for longer gets what was there */
#define RELOAD_SOON_MS     200  /* after the first notice of a change, so that those of one copy are looked at together */
#define RELOAD_SAID_MAX    32   /* differences that one reload logs */
#define RELOAD_LOOK_MS     1000 /* after a look, a request for an unknown name brings the next one no sooner */
#define RELOAD_WAITERS_MAX 64   /* answers that wait for a reload or a look: operators, and clients with unknown names */

/* --- log --- */
#define LOG_LINE_MAX   3072 /* under PIPE_BUF (4096), so that a line is written whole or not at all */
#define LOG_FIELDS_MAX 24

/* --- http --- */
#define HTTP_HEAD_MAX         (32u << 10) /* request line and headers; cookies of a whole intranet are 8 KiB */
#define HTTP_HEADERS_MAX      100         /* browsers send 20 */
#define HTTP_READ_MAX         (64u << 10) /* one read, and what a connection may send ahead while it is being answered */
#define HTTP_BODY_SMALL       (64u << 10) /* so much of a body is read whatever else there is to do */
#define HTTP_BODY_OVERHEAD    8           /* a chunked body may be this many times longer on the line than its content */
#define HTTP_BODY_CHECK_MS    10000       /* while a body arrives we look this often ... */
#define HTTP_BODY_CHECK_BYTES 1024        /* ... whether at least so much of it came */
#define HTTP_BODY_MS          20000       /* for the whole of a body, however steadily it comes ... */
#define HTTP_BODY_BYTES_PER_S (16u << 10) /* ... and a second for so much of it, a poor mobile line: 64 MiB have 68 minutes */
#define HTTP_WRITE_HIGH       (64u << 10) /* more than this unsent: the producer pauses (300 tokens of a stream) */
#define HTTP_WRITE_LOW        (16u << 10) /* less than this: it goes on */
#define HTTP_UNSENT_MAX       (32 << 10)  /* unsent bytes that the kernel may hold for a TCP connection, see TCP_NOTSENT_LOWAT */
#define HTTP_WRITE_MAX        (64u << 20) /* unsent answers of one connection: a producer that ignores the marks is a bug */
#define HTTP_STALL_MS         300000      /* a client that takes nothing for so long is gone, though its kernel says otherwise */
#define HTTP_LINGER_MS        2000        /* after our last byte: wait so long for the client to close first */
#define HTTP_LINGER_BYTES     (128ull << 20) /* bytes still read and thrown away meanwhile */
#define HTTP_CONNECTIONS_MAX  4096 /* the most that can be configured: all are looked at for the slowest; WAITING_MAX is no more */
#define HTTP_BESIDE_MAX       32   /* connections beside those with a place: told that we are full, or for /health */
#define HTTP_SHARE_PART       8    /* one part of so many of the places is left to other addresses than the busiest */
#define HTTP_PACE_CREDIT      1024 /* bytes of a usual request: who has just connected counts as having sent so much */
#define HTTP_GRACE_MS         100  /* who has just come may say what they want before they make room for the next */
#define HTTP_GRACE_POLL_MS    5
#define HTTP_ACCEPTS_MAX      64   /* in one turn of the loop, so that those who came before are heard in between */
#define HTTP_BACKLOG          4096 /* a burst waits in the kernel: who finds no room there tries again only after a second */

/* --- children: engines and inspections --- */
#define CHILD_READ_BYTES        65536       /* one read; a frame of text is far smaller */
#define CHILD_WORDS_MAX         4096        /* of standard error, the end is kept: enough for a sanitizer's headline or a stack */
#define CHILD_LINGER_MS         500         /* after its exit, for whoever else still holds its pipes */
#define ENGINE_UNSENT_BYTES_MAX (96u << 20) /* one largest frame and small ones; an engine that reads stays near zero */
#define ENGINE_PING_AFTER_MS    30000       /* a busy engine that says nothing is asked for its statistics ... */
#define ENGINE_SILENT_MAX_MS \
        600000                     /* ... and ended when it says nothing for so long: it hears only between two steps, and 512
                                           tokens of a 70B model on a slow processor are one step of minutes */
#define INSPECT_OUTPUT_MAX 65536   /* the summary is under 1 KiB */
#define INSPECT_TIMEOUT_MS 60000   /* reads headers only; a cold network disk may take its time */
#define INSPECTIONS_MAX    2       /* at once: they wait for the disk, not for the processor */
#define CHILDREN_PROC      "/proc" /* our own children are real, whatever machine a test plays */
#define ENGINE_OOM_SCORE   500     /* should the kernel have to choose, an engine goes before the daemon and the desktop */

/* --- control groups: see cgroup/internal.h --- */
#define CGROUP_SUPERVISOR        "supervisor"
#define CGROUP_PREFIX            "w-" /* a prefix that none of the kernel's own files has, nor should another program's group */
#define CGROUP_PROBE             "w-libcgroup"
#define CGROUP_NAME_MAX          48
#define CGROUP_NAME_TRIES        64     /* names taken by what an earlier daemon could not remove */
#define CGROUP_TEXT_MAX          8192   /* memory.stat is under 3 KiB; a thousand process ids are as long */
#define CGROUP_SUPERVISOR_WEIGHT "1000" /* of the processor and the disk, when they are short: ten times an engine's share */
#define CGROUP_ENGINE_WEIGHT     "100"
#define CGROUP_ENGINE_PIDS_MAX   "4096" /* an engine has a thread for each processor; this is against a fork bomb */
#define CGROUP_KILL_ROUNDS       16     /* without cgroup.kill: whoever forks faster than that is stopped by pids.max */
#define CGROUP_DOOMED_MAX        64     /* groups whose processes do not end, say in a read of a dead disk */
#define CGROUP_REMOVE_MS         10     /* when the daemon ends it waits for them so long ... */
#define CGROUP_REMOVE_TRIES      50     /* ... so often */

/* --- fleet --- */
#define WAITING_MAX          4096 /* requests waiting for all models together */
#define QUEUE_SHOWN_MAX      16   /* waiting requests of one model that its status lists: a screen of them */
#define REQUEST_ATTEMPTS_MAX 2    /* a request that ends two engines ends with the second */
#define WHY_AFTER_MS         500 /* a refusal sooner than this still gets its HTTP status; later, the waiter is told why it waits */
#define HEARTBEAT_MS         5000       /* the tick runs at least this often: /health, measured growth */
#define KV_POOL_TOKENS_FIRST 4096       /* of a pool that grows: no more is promised before anybody needs it */
#define KV_POOL_TOKENS_MAX   (1u << 24) /* the most that an engine takes */
#define CONTEXT_DEFAULT \
        4096 /* the least that context = auto comes to, or what the model was trained for; it, where a file does not say */
#define FREED_WAIT_MAX_MS    1000 /* the process is gone, but its memory does not show as free: others took it */
#define FREED_POLL_MS        50
#define FREED_BYTES_MIN      (256ull << 20) /* smaller than this drowns in what other programs do meanwhile */
#define WATCH_MS             1000           /* between two looks at whether an engine is stopped: a few microseconds of /proc */
#define MEASURE_INTERVAL_MS  1000           /* between two looks at one engine where something runs ... */
#define MEASURE_WANTED_MS    100            /* ... or has just changed ... */
#define MEASURE_DUTY         50 /* ... and at least so many times what the last look took: page tables of big models take long to walk */
#define MEASURE_IDLE_MS      30000      /* an engine where nothing runs hardly changes */
#define FOOTPRINTS_BYTES_MAX (1u << 20) /* the file of what was learned: about 200 bytes a model */
#define FOOTPRINTS_TIME_MAX_MS 86400000.0 /* no load and no usual request takes a day: more is damage */

/* The most that a configuration or an operator may protect a model from others, and a client: longer than any pause between two questions. */
#define PROTECT_MAX_MS        86400000u
#define PROTECT_CLIENT_MAX_MS 3600000u

/* --- governor --- */
#define RECORD_LOOK_MAX         (48u << 10) /* the largest look: 64 models and wants, 32 sensors, every member changed by much */
#define RECORD_PIECE_BYTES      (48u << 10)
#define RECORD_PIECES           8 /* 384 KiB: about 30 bytes a calm look, so half a day of one every 5 s, and some minutes at 20 a second */
#define OWN_OOM_SCORE           (-900)  /* below all that is not vital: the daemon is what can still act */
#define PAGE_CACHE_WINDOW_PAGES 65536u  /* 256 MiB of a file are looked at together, a byte a page */
#define FORECAST_NEWS_MS        3600000 /* what may happen in hours at this pace is no news: the pace will be another by then */
#define FLEET_HEAT_MAX          256     /* a sentence with the name of a thermometer */
#define SENSORS_WARM_MS         900 /* sensors are read so often where something runs or it is warm: at each look, a second apart ... */
#define SENSORS_IDLE_MS         10000  /* ... and where nothing does */
#define ACTION_OUTCOME_MAX_MS   120000 /* an outcome that comes later belongs to nothing any more */
#define STATUS_PERIOD_MS        10000
#define SOURCES_PERIOD_MS       10000
#define REHEARSAL_LOOKS         32 /* enough for every rung of the ladder */
#define EXPLAIN_EVENTS_MAX      8
#define CONTROL_REQUESTS_MAX    8     /* control frames that an engine has not answered: it is asked for one thing at a time */
#define CONTROL_ANSWER_MAX_MS   10000 /* no answer for so long: it does not obey. A step of a large model takes seconds */
#define HEAT_OBEY_MS            5000  /* ... and while it heats, it is stopped by its control group after this */
#define DUTY_MIN_PERMILLE       50    /* the least that an engine takes (wire protocol) */
#define FREEZE_PERIOD_MS        400   /* of stopping and letting go; under 100 to 200 ms freezing itself takes a part of it */
#define FREEZE_RUN_MIN_MS       100   /* least running time in each period: a step or more */
#define HEARTBEAT_CALM_MS       1000  /* how often a working engine says how it is ... */
#define HEARTBEAT_ACTING_MS     250   /* ... and while memory is short: actions are judged by it */
#define KV_WINDOW_TOKENS \
        96u /* of each sequence these stay precise: the engine's window of 32 and the block of 64 where it ends */
#define CONTEXT_FLOOR         1024u /* the ceiling for new requests is not lowered below: a short talk must stay possible */
#define FILES_AGE_MAX_MS      5000  /* age at which a look at the cache of idle files is worth nothing */
#define SUSPEND_DISK_FREE_MIN (1ull << 30)  /* disk space that stays free, on top of the bytes written */
#define GROUP_SPARE_PART      10u           /* memory.max of an engine is its account and a tenth: the net is not the budget */
#define GROUP_SPARE_BYTES_MIN (64ull << 20) /* the least: page tables, programs and sockets are the group's as well */
#define EVENTS_MAX            1024          /* a night of models that take turns, or days of a calm box */
#define REFUSAL_AGAIN_MS      60000         /* a refusal for the same reason is no news sooner: clients try again */
#define EVENT_CANDIDATES_MAX  6u            /* of those who were considered, the ones that an event tells */

/* --- the prompt cache --- */
#define CACHE_FILES_MAX    4096u      /* all are looked at for a prompt */
#define CACHE_BLOCKS_MAX   (1u << 18) /* of one file: 16 Mi tokens, as the engine's longest context */
#define CACHE_FILE_SPARE   4096u      /* of a file, beside what the engine writes and the chain */
#define CACHE_DAMAGED_MAX  4u         /* set aside: enough to look into, and no more */
#define CACHE_LEAVE_MAX_MS 3000u      /* an engine that is to leave is waited for so long: a gigabyte on a usual disk */

/* --- weights --- */
#define WARM_STEP_BYTES (32u << 20)  /* read at once, so much comes after memory grew short: tenths of a second on most disks */
#define WARM_READ_BYTES (256u << 10) /* one read */

/* --- traces --- */
#define TRACE_FOLDER         "traces"    /* in the state directory */
#define TRACES_MAX           4           /* at once: one or two models are looked into, and each has a buffer */
#define TRACE_MINUTES        10          /* the default length */
#define TRACE_MINUTES_MAX    60          /* prompts are private: a trace that was forgotten ends by itself */
#define TRACE_FILE_BYTES_MAX (64u << 20) /* an hour of one stream at 50 tokens/s, and few enough to be looked through */
#define TRACE_BUFFER_BYTES   (2u << 20)  /* twice for each trace: seconds of many streams while a disk is busy */
#define TRACE_LINE_MAX       (512u << 10)
#define TRACE_TEXT_MAX       (64u << 10) /* of one text: a long prompt's beginning. All of it is there as tokens */
#define TRACE_ITEMS_MAX      8192u       /* of one array: the tokens of a whole frame */
#define TRACE_END_BYTES      512u        /* the last line always has room */

/* --- api --- */
#define API_BODY_SMALL          (4u << 10) /* read on the loop whatever else there is to do: some microseconds ... */
#define API_BODY_AT_ONCE        (64u << 10) /* ... or if the turn is young: some tenths of a millisecond. Longer ones are for threads */
#define API_BODY_TRANSLATED     6u   /* times that a translation reads a byte: 52 KB of an agent took 1.5 ms, and 0.27 to read */
#define API_BODIES_READ_MAX     2    /* on threads at once: the processors are the engines' */
#define KEYS_MAX                1024 /* access keys: each is compared for each request, some tens of nanoseconds */
#define KEY_NAME_MAX            64   /* letters, digits, '-', '_' and '.' */
#define KEY_ALLOW_MAX           64   /* models that one is for */
#define KEY_LIMIT_MAX           32   /* "1M/day" */
#define KEYS_FILE_MAX           (4u << 20) /* as many of the longest, with room to spare */
#define LOOKUP_NEAR_MAX         3          /* names that are told to who asked for one that nobody has */
#define REQUEST_RELAXED_MAX     2048 /* what an answer is not held to: it becomes a header. Engines tell 1.2 KB at the most */
#define API_PATH_MAX            512  /* of a request: longer than any route with a name in it */
#define API_NAME_MAX            200  /* of a model that is asked for: longer than any id, and enough to be told */
#define API_EMBED_INPUTS_MAX    2048 /* texts of one request: OpenAI's limit */
#define API_ANSWER_MAX          (16u << 20) /* an answer that is not streamed is held until its end: all of a response together */
#define API_CHOICES_MAX         8           /* answers to one prompt, `n`: more than anybody compares */
#define API_BEST_OF_MAX         20          /* of which they are chosen, `best_of`: OpenAI's limit */
#define API_PROMPTS_MAX         64          /* in a list */
#define API_ANSWERS_MAX         64          /* of one request in all: as many as an engine makes at once */
#define API_PING_MS             5000  /* a stream without news says why; clients and proxies give up after a minute or more */
#define API_TICK_AGE_MAX_MS     20000 /* /health: the fleet ticks every 5 s at the least */
#define CONTROL_BODY_MAX        (64u << 10) /* {"model":"...","force":true} */
#define CONTROL_CONNECTIONS_MAX 32          /* operators, not clients */
#define CONTROL_GROUPS_MAX      1024        /* of one peer */

/* --- the loop --- */
#define TURN_MS          5           /* a turn that has lasted so long takes up nothing large: timers wait 50 ms at the most */
#define TURN_WATCH_MS    30000       /* the longest turn is that of so long, or twice that */
#define BULK_PAGE_BYTES  4096u       /* pages are counted, since they are what is taken */
#define BULK_FIRST_BYTES (64u << 10) /* mapped at first, and not yet touched */
#define BULK_SPARES      16u   /* short ones are kept for the next: mapping and unmapping costs more than the rest of a request */
#define BULK_SPARE_BYTES 8192u /* ... of at most so much, which most bodies are: 128 KiB in all, beside the account */
#define BULK_BYTES_LEAST (8ull << 20)   /* of the account, where a container has next to nothing */
#define BULK_BYTES_MOST  (256ull << 20) /* its default on a large machine: four of the largest bodies */
#define BULK_PART_OF_RAM 8u             /* and on a small one: the daemon takes no more than this part for its clients */

/* --- process --- */
#define PEERS_MAX         8           /* other headroomds that are told of: one is a surprise */
#define PEERS_NAMES_MAX   4096        /* names of a directory that all programs share: databases have hundreds */
#define LARGE_BLOCK_BYTES (256 << 10) /* a block of this size is the kernel's as soon as it is freed */
#define SURVEY_WAIT_MS    3000        /* the start waits so long for looks into the model files: dozens on a usual disk */
#define STOP_GRACE_MS     5000        /* after SIGTERM: running answers may end by themselves so long */
#define STOP_FLUSH_MS     2000        /* time for the last words to reach their clients */
#define NOFILE_SPARE      256         /* descriptors of the daemon itself: files, sensors, the loop's own */
#define NOFILE_ENGINE     4           /* ... and of each engine: its socket, its file, its words, its control group */

#endif
