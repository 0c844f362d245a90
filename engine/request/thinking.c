/* thinking.c - see thinking.h. */
#include "engine/request/thinking.h"

#include <math.h>
#include <string.h>

#include "engine/base/json_get.h"
#include "engine/request/error.h"

/* The first member that says yes or no decides, and so does the first that names an effort. */
static void turn(struct chat_thinking *t, bool on) {
        if (!t->asked)
                *t = (struct chat_thinking){ .asked = true, .on = on, .effort = t->effort };
}

static void take_effort(struct chat_thinking *t, const char *word) {
        bool none = !strcmp(word, "none");
        if (!*word)
                return; /* some front ends send their empty field */
        if (!t->effort && !none)
                t->effort = word;
        turn(t, !none);
}

static int read_budget(const cJSON *from, const char *name, const char *param, int64_t *budget, struct request_error *reterr) {
        const cJSON *value = json_get(from, name);
        if (!value)
                return 0;
        if (!json_is_whole(value, REASONING_UNLIMITED, HUGE_VAL))
                return request_refuse(reterr, param, "%s must be a whole number of tokens: 0 for none, -1 for no limit.", param);
        if (*budget == REASONING_UNLIMITED && value->valuedouble >= 0)
                *budget = value->valuedouble < UINT32_MAX ? (int64_t) value->valuedouble : UINT32_MAX;
        return 0;
}

/* {"type": "enabled", "budget_tokens": 1024} */
static int read_object(const cJSON *object, struct chat_thinking *t, int64_t *budget, struct request_error *reterr) {
        const char *type = cJSON_GetStringValue(json_get(object, "type"));
        bool off = type && !strcmp(type, "disabled"), free = type && !strcmp(type, "adaptive");
        if (!off && !free && (!type || strcmp(type, "enabled") != 0))
                return request_refuse(reterr, "thinking", "thinking.type must be enabled, disabled or adaptive.");
        if (!free)
                turn(t, !off);
        return read_budget(object, "budget_tokens", "thinking.budget_tokens", budget, reterr);
}

enum takes { TAKES_SWITCH = 1, TAKES_WORD = 2, TAKES_OBJECT = 4 };

static const struct {
        const char *name;
        unsigned takes;
        const char *says; /* what it must be */
} members[] = {
        { "enable_thinking", TAKES_SWITCH, "true or false" },
        { "thinking", TAKES_SWITCH | TAKES_OBJECT, "true, false, or an object with a type" },
        { "think", TAKES_SWITCH | TAKES_WORD, "true, false, or a word for an effort" },
        { "reasoning_effort", TAKES_WORD, "a word for an effort, such as none, low, medium or high" },
};

static int read_member(const cJSON *body, size_t i, struct chat_thinking *t, int64_t *budget, struct request_error *reterr) {
        const cJSON *value = json_get(body, members[i].name);
        unsigned takes = members[i].takes;
        if (!value)
                return 0;
        if (cJSON_IsBool(value) && takes & TAKES_SWITCH)
                turn(t, cJSON_IsTrue(value));
        else if (cJSON_IsString(value) && takes & TAKES_WORD)
                take_effort(t, value->valuestring);
        else if (cJSON_IsObject(value) && takes & TAKES_OBJECT)
                return read_object(value, t, budget, reterr);
        else
                return request_refuse(reterr, members[i].name, "%s must be %s.", members[i].name, members[i].says);
        return 0;
}

int request_read_thinking(const cJSON *body, struct chat_thinking *ret, int64_t *ret_budget, struct request_error *reterr) {
        struct chat_thinking t = { .asked = false };
        int64_t budget = REASONING_UNLIMITED;
        int r = read_budget(body, "reasoning_budget", "reasoning_budget", &budget, reterr);
        if (r == 0)
                r = read_budget(body, "thinking_budget", "thinking_budget", &budget, reterr);
        for (size_t i = 0; i < sizeof(members) / sizeof(members[0]) && r == 0; i++)
                r = read_member(body, i, &t, &budget, reterr);
        if (r < 0)
                return r;
        if (budget == 0)
                turn(&t, false); /* a template that can say so leaves nothing to be closed */
        if (t.asked && !t.on)
                budget = 0;
        *ret = t;
        *ret_budget = budget;
        return 0;
}

static int add(const struct tokenizer *t, struct token_list *list, const char *mark) {
        return mark ? tokenizer_encode(t, mark, strlen(mark), false, true, list) : 0;
}

int request_prepare_closing(const struct request_rules *rules, struct request *r, struct request_error *reterr) {
        const struct chat_format *format = r->parser_setup.format;
        const struct reasoning_format *f = format ? format->reasoning : NULL;
        if (r->reasoning_budget == REASONING_UNLIMITED || !f)
                return 0;
        int result = add(rules->tokenizer, &r->closing, f->close);
        if (result == 0)
                result = add(rules->tokenizer, &r->closing, f->next);
        r->closing_alone = (uint32_t) r->closing.count;
        if (result == 0)
                result = add(rules->tokenizer, &r->closing, f->content);
        return result < 0 ? request_no_memory(reterr) : 0;
}
