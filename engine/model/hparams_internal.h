/* hparams_internal.h - the parts of hparams_read: hparams.c calls them in order, each reads its keys into S. Failures stick in M. */
#ifndef HEADROOM_ENGINE_MODEL_HPARAMS_INTERNAL_H
#define HEADROOM_ENGINE_MODEL_HPARAMS_INTERNAL_H

#include "engine/gguf/keys.h"
#include "engine/model/hparams.h"

/* hparams_rope.c. After the heads. */
void hparams_read_rope(struct metadata *m, struct hparams *s);

/* hparams_traits.c: what only some architectures have. After the heads. */
void hparams_read_experts(struct metadata *m, struct hparams *s);
void hparams_read_windows(struct metadata *m, struct hparams *s);
void hparams_read_scores(struct metadata *m, struct hparams *s); /* scale and caps */
void hparams_read_pooling(struct metadata *m, struct hparams *s);

#endif
