/* bounds.h - the engine's limits: every table, buffer and count has its largest value here, with the reason. */
#ifndef HEADROOM_ENGINE_BASE_BOUNDS_H
#define HEADROOM_ENGINE_BASE_BOUNDS_H

/* GGUF container. Real files: under 100 metadata entries, under 3,000 tensors, 20 MiB of directory, 200 parts. */
#define GGUF_PARTS_MAX             512u
#define GGUF_ENTRIES_MAX           65536u
#define GGUF_TENSORS_MAX           65536u
#define GGUF_DIRECTORY_BYTES_MAX   (64u << 20) /* header, metadata and tensor list of one part: bounds the parsing of any file */
#define GGUF_KEY_BYTES_MAX         65535u      /* the specification's own limit */
#define GGUF_TENSOR_NAME_BYTES_MAX 1024u       /* the specification says 64; some writers exceed it */
#define GGUF_ALIGNMENT_MAX         (1u << 20)  /* default 32; a huge one could only hide a hole */

/* Shapes. The largest published dense models have 126 layers, width 16384, 128 heads, 256 values a head, 2^18 tokens. */
#define HPARAMS_LAYERS_MAX      1024u
#define HPARAMS_EMBD_MAX        (1u << 17)
#define HPARAMS_FF_MAX          (1u << 20)
#define HPARAMS_HEADS_MAX       1024u
#define HPARAMS_HEAD_VALUES_MAX 1024u
#define HPARAMS_VOCAB_MAX       (1u << 22)
#define HPARAMS_EXPERTS_MAX     1024u /* of a layer; 512 are the most that are published */
#define HPARAMS_CTX_MAX         (1u << 26)
#define RANK_LABELS_MAX         16u    /* that a model which ranks texts tells apart; real ones have one, or yes and no */
#define RANK_PROMPT_BYTES_MAX   65536u /* around a query and a document, for each of 2048 documents; the published one has 500 */

/* Requests. */
#define REQUEST_STOPS_MAX       16u   /* OpenAI allows 4; local front ends send more */
#define REQUEST_STOP_BYTES_MAX  256u  /* of one stop string: the most text that can be held back */
#define REQUEST_BIASES_MAX      1024u /* OpenAI's own limit is 300 */
#define REQUEST_REPEAT_LAST_MAX 4096u /* tokens of the repetition window; 64 is usual */
#define SAMPLERS_MAX            16u   /* in an order that a client names; there are nine, and one may stand there twice */
#define DRY_LAST_MAX            65536u /* tokens that repetitions are looked for in: for each token made, a pass of 0.2 ms over them */
#define DRY_BREAKERS_MAX        64u         /* llama.cpp has four; each is looked for in all of the vocabulary */
#define DRY_BREAKER_BYTES_MAX   64u         /* llama.cpp cuts them at 40 characters */
#define REQUEST_ENDS_MAX        16u         /* end tokens of one vocabulary; real ones have up to 5 */
#define REQUEST_INPUTS_MAX      2048u       /* texts of one embedding request: OpenAI's limit */
#define REQUEST_RANK_BYTES_MAX  (8u << 20)  /* of a query with each of its documents: 2048 documents of 4 KiB */
#define TOKENIZE_BYTES_MAX      (4u << 20)  /* of a text whose tokens alone are wanted: half a second that others wait */
#define DETOKENIZE_TOKENS_MAX   (1u << 18)  /* twice the longest contexts that are common */
#define TOKENIZE_ANSWER_MAX     (16u << 20) /* of their text, or list: the daemon holds no longer answer */
#define LOGPROBS_TOP_MAX        20u         /* OpenAI's limit */

/* Chats. */
#define REQUEST_TOOLS_MAX           512u /* tools of one request: OpenAI's limit is 128 */
#define REQUEST_TOOL_NAME_BYTES_MAX 256u /* OpenAI's limit is 64 */
#define REQUEST_VARIABLES_MAX       32u  /* of a chat template, besides its own: published ones know up to 6 */

/* The thread pool. */
#define THREADS_MAX        512u       /* more than any box for one model; bounds scratch per thread */
#define THREAD_STACK_BYTES (1u << 20) /* kernels keep a few KiB; reserved, not resident */
#define THREAD_SPINS_MAX   2000u      /* some 50 microseconds: the pause between two parts of a pass, not between two tokens */

/* Weights read ahead. Windows of 1 MiB are one request to the disk each; larger ones were slower where its read-ahead is small. */
#define READAHEAD_WINDOW_BYTES (1u << 20)
#define READAHEAD_WINDOWS      16u     /* under way: 16 MiB, about 10 ms of a fast disk */
#define READAHEAD_STALL_US_MAX 100000u /* of the machine for memory since the start: then it gives what it has to others */

/* Scheduling. */
#define REQUESTS_WAITING_MAX 256u       /* behind them; the daemon keeps its own queue, so real ones are short */
#define PREFILL_CHUNK_MAX    4096u      /* tokens of a step: beyond, the compute buffers grow and nothing gains */
#define PREFIXES_MAX         32u        /* finished sequences that are remembered: all are searched */
#define SESSION_SLICE_BYTES  (8u << 20) /* of a file, written or read between two steps: 80 ms of a slow disk */
#define LOOKUP_TOKENS_MIN    128u       /* of a prefix on disk: fewer are computed in about the time that finding them takes */
#define PREFILL_STALL_US     200000.0 /* that prompts add to a step while answers wait: text five times a second is still a stream */
#define PREFILL_ALONE_US     1000000.0  /* of a step of prompts alone: a cancel or the end of the peer is noticed between steps */
#define PREFILL_CHUNK_LEAST  32u        /* in an emergency: a step that notices soon, and still shares the weights among tokens */
#define N_CTX_MAX            (1u << 24) /* no model was trained on a tenth of it */

/* Speculation. */
#define SPECULATION_TOKENS_MAX \
        7u /* guesses of a pass: with one token they are a panel of the kernels; each costs a vector of n_vocab logits */
#define NGRAM_PLACES_MIN 256u
#define NGRAM_PLACES_MAX 16384u /* of a text's runs of tokens, 64 KiB: of longer texts the later part is known */
#define NGRAM_MATCH_MAX  16u    /* tokens before a guess that are compared: more says nothing more of it */

/* The command line. */
#define COMMAND_OPTIONS_MAX 32u /* of one command; `run` has the most */

/* The worker. */
#define SEND_QUEUE_BYTES_HIGH (1u << 20)  /* waiting for the daemon: above, no step is made and nothing is read */
#define HEARTBEAT_MS_MAX      3600000u    /* rarer than hourly is never */
#define INBOX_BYTES_PER_STEP  (16u << 20) /* taken in between two steps, when a large frame is under way */

#endif
