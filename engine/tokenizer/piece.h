/* piece.h - a bounded place to write a token's bytes to: what does not fit is counted, not written. */
#ifndef HEADROOM_ENGINE_TOKENIZER_PIECE_H
#define HEADROOM_ENGINE_TOKENIZER_PIECE_H

#include <stddef.h>

struct piece {
        char *out;
        size_t size, count;
};

static inline void piece_put(struct piece *p, char byte) {
        if (p->count < p->size)
                p->out[p->count] = byte;
        p->count++;
}

#endif
