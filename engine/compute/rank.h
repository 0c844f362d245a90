/*
 * rank.h - the score of two texts, of the hidden state of the one token that POOLING_RANK is about: the first where the model looks both
 * ways, the last where it looks back.
 *
 * h is that state behind the last norm. With a dense layer h = tanh(cls h + b); then s = cls.output h + b, a value for each label. A
 * cross-encoder (Nogueira and Cho 2019) has one, which is the score as it is; a model that answers in labels (Qwen3-Reranker 2025: yes
 * and no) the probability of the first by softmax.
 */
#ifndef HEADROOM_ENGINE_COMPUTE_RANK_H
#define HEADROOM_ENGINE_COMPUTE_RANK_H

#include "engine/model/model.h"

/* Floats that rank_score needs beside its input. */
#define RANK_SCRATCH(n_embd) (2 * (size_t) (n_embd))

/* HIDDEN: n_embd values. What they hold of NaN or infinity the score is, too. */
float rank_score(const struct model *m, const float *hidden, float *scratch);

#endif
