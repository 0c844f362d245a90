/*
 * thinking.h - whether a model is to reason before it answers, and how much, in the terms that its template knows.
 *
 * Templates call the same thing by several names: a switch is enable_thinking (Qwen 3, GLM, Gemma), thinking (DeepSeek V3.1, Granite 3,
 * Kimi K3) or reasoning (Cohere), an effort reasoning_effort (gpt-oss, Hunyuan, Solar, DeepSeek V4) or thinking_effort (Kimi K3). All
 * are given: what a template does not know it does not look at. Of efforts each template knows its own words, and some
 * refuse all others, so the nearest that is spelt out in its text is taken.
 */
#ifndef HEADROOM_ENGINE_CHAT_THINKING_H
#define HEADROOM_ENGINE_CHAT_THINKING_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/jinja/jinja.h"

/* A client's wish. All zero: it has none, and the template's own default holds. */
struct chat_thinking {
        bool asked, on;
        const char *effort; /* where it is on; NULL: none is named */
};

/* Bits of the words for efforts that a template's text spells out. */
uint32_t chat_thinking_efforts(const char *template, size_t length);

/* What a template is told; the variables point into it. */
struct chat_thinking_values {
        cJSON on, effort;
};
#define THINKING_VARIABLES_MAX 5u
/* Adds them at OUT; returns how many there are. */
size_t chat_thinking_variables(uint32_t efforts, const struct chat_thinking *t, struct chat_thinking_values *values,
                               struct jinja_variable out[THINKING_VARIABLES_MAX]);

#endif
