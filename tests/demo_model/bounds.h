/*
 * bounds.h - every limit of the demo model's trainer, with the reason for the number.
 */
#ifndef HEADROOM_TESTS_DEMO_MODEL_BOUNDS_H
#define HEADROOM_TESTS_DEMO_MODEL_BOUNDS_H

/* clang-format off */
enum {
        CORPUS_ITEMS_MAX          = 2048,       /* several times the text we have */
        CORPUS_QUESTIONS_MAX      = 16,         /* phrasings of one question */
        CORPUS_SYSTEMS_MAX        = 32,         /* system messages to mix in */
        CORPUS_LINE_BYTES_MAX     = 1024,       /* an answer is one to three short sentences */
        QUESTION_BYTES_MAX        = 2 * CORPUS_LINE_BYTES_MAX,  /* a phrasing with what variation adds */

        VOCABULARY_MAX            = 4096,       /* pair tables are quadratic in this */
        VOCABULARY_PIECE_BYTES_MAX = 32,        /* longest token: no word of ours is longer */
        VOCABULARY_WORDS_MAX      = 65536,      /* distinct pre-tokens while learning */

        NET_LAYERS_MAX            = 16,
        NET_CONTEXT_MAX           = 1024,
        NET_SIDE_MAX              = 4096,       /* longest side of any weight matrix, for packing buffers */

        SEQUENCE_TOKENS_MAX       = 512,        /* one training conversation */
        SHARDS                    = 4,          /* parts of a batch, each with a gradient of its own: fixed, so
                                                 * that the result does not depend on the number of threads */
        SHARD_SEQUENCES_MAX       = 64,
        THREADS_MAX               = SHARDS,
};
/* clang-format on */

#endif
