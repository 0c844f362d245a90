/* shape_internal.h - the parts of shape_read: shape.c calls them in order, each reads its keys into S. Failures stick in M. */
#ifndef HEADROOM_ENGINE_SHAPE_INTERNAL_H
#define HEADROOM_ENGINE_SHAPE_INTERNAL_H

#include "engine/metadata.h"
#include "engine/shape.h"

/* shape_rope.c. After the heads. */
void shape_read_rope(struct metadata *m, struct shape *s);

/* shape_traits.c: what only some architectures have. After the heads. */
void shape_read_experts(struct metadata *m, struct shape *s);
void shape_read_windows(struct metadata *m, struct shape *s);
void shape_read_scores(struct metadata *m, struct shape *s); /* scale and caps */
void shape_read_pooling(struct metadata *m, struct shape *s);

#endif
