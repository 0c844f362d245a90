/* hparams_internal.h - the parts of shape_read: hparams.c calls them in order, each reads its keys into S. Failures stick in M. */
#ifndef HEADROOM_ENGINE_MODEL_HPARAMS_INTERNAL_H
#define HEADROOM_ENGINE_MODEL_HPARAMS_INTERNAL_H

#include "engine/gguf/keys.h"
#include "engine/model/hparams.h"

/* hparams_rope.c. After the heads. */
void shape_read_rope(struct metadata *m, struct shape *s);

/* hparams_traits.c: what only some architectures have. After the heads. */
void shape_read_experts(struct metadata *m, struct shape *s);
void shape_read_windows(struct metadata *m, struct shape *s);
void shape_read_scores(struct metadata *m, struct shape *s); /* scale and caps */
void shape_read_pooling(struct metadata *m, struct shape *s);

#endif
