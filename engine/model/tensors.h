/* tensors.h - finds the tensors of a model's architecture and puts them into its fields, checked. */
#ifndef HEADROOM_ENGINE_MODEL_TENSORS_H
#define HEADROOM_ENGINE_MODEL_TENSORS_H

#include "engine/model/model.h"

/*
 * M has gguf and shape. Each tensor is looked up and its type and dimensions are compared with the shape; a tensor that has no
 * part in the architecture would be left out of the arithmetic in silence, so it is refused. 0, or -errno and one sentence.
 */
int model_take_tensors(struct model *m, struct gguf_error *reterr);

#endif
