/* options.h - values of command-line options, strictly read: nothing but the value may stand there. */
#ifndef HEADROOM_ENGINE_OPTIONS_H
#define HEADROOM_ENGINE_OPTIONS_H

#include <stdint.h>

#include "engine/tokenizer/tokenizer.h"

/* 0 and *ret, or -EINVAL when TEXT is no decimal number in MIN .. MAX. */
int option_u32(const char *text, uint32_t min, uint32_t max, uint32_t *ret);

/* Appends the ids of a list such as "1,2,3", none negative. 0, -EINVAL or -ENOMEM. */
int option_tokens(const char *text, struct token_list *list);

#endif
