/* kind.h - GGUF files that are no models by themselves: parts for other models, and the makings of some. */
#ifndef HEADROOM_ENGINE_MODEL_KIND_H
#define HEADROOM_ENGINE_MODEL_KIND_H

struct gguf;

/* What it is instead: "a projector ...", for a sentence; NULL: a model, as far as metadata and tensors tell. */
const char *model_kind_else(const struct gguf *g);

#endif
