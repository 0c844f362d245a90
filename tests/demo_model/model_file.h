/*
 * model_file.h - writes the network and its vocabulary as a GGUF file (version 3, little-endian).
 *
 * Matrices become Q8_0, norms stay F32. The metadata is what published files of the `llama` architecture
 * with a `gpt2` tokenizer carry, the ChatML template included.
 */
#ifndef HEADROOM_TESTS_DEMO_MODEL_MODEL_FILE_H
#define HEADROOM_TESTS_DEMO_MODEL_MODEL_FILE_H

#include "tests/demo_model/net.h"
#include "tests/demo_model/vocabulary.h"

/* Written beside PATH and renamed, so that a file of that name is always whole. 0 or -errno. */
int model_file_write(const char *path, const char *name, const struct net_layout *l, const float *weights,
                     const struct vocabulary *v);

/* The weights as a reader of the file will see them. */
void model_file_round(const struct net_layout *l, const float *weights, float *ret_rounded);

/* -EINVAL when a matrix cannot be stored because its rows hold no whole number of blocks. */
int model_file_check(const struct net_layout *l);

#endif
