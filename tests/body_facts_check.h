/*
 * body_facts_check.h - what is found of a body in one pass, held against the tree that the engine reads: whatever is taken, the engine
 * takes too, and every fact is the same there. Aborts where they differ.
 */
#ifndef HEADROOM_TESTS_BODY_FACTS_CHECK_H
#define HEADROOM_TESTS_BODY_FACTS_CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/api/body_facts.h"
#include "engine/base/json_get.h"
#include "engine/base/json_read.h"

#define SAME(A, B) ((A) == (B) ? (void) 0 : facts_differ(#A, text, size))

static inline void facts_differ(const char *what, const char *text, size_t size) {
        fprintf(stderr, "%s differs: %.*s\n", what, (int) size, text);
        abort();
}

static inline enum json_kind kind_in_tree(const cJSON *v) {
        return !v || cJSON_IsNull(v) ? JSON_NONE
               : cJSON_IsFalse(v)    ? JSON_FALSE
               : cJSON_IsTrue(v)     ? JSON_TRUE
               : cJSON_IsNumber(v)   ? JSON_NUMBER
               : cJSON_IsString(v)   ? JSON_STRING
               : cJSON_IsArray(v)    ? JSON_ARRAY
                                     : JSON_OBJECT;
}

static inline bool tokens_in_tree(const cJSON *array) {
        const cJSON *item;

        cJSON_ArrayForEach(item, array)
                if (!json_is_whole(item, 0, INT32_MAX))
                        return false;
        return cJSON_IsArray(array) && array->child;
}

static inline void check_value(struct json_value found, const cJSON *v, const char *text, size_t size) {
        char copy[4096];

        SAME(found.kind, kind_in_tree(v));
        if (found.kind == JSON_NUMBER)
                SAME(json_double(found), v->valuedouble);
        if (found.kind != JSON_STRING || json_has_nul(v->valuestring))
                return;
        SAME(json_string_copy(found, copy, sizeof copy), strlen(v->valuestring));
        SAME(strlen(v->valuestring) < sizeof copy ? strcmp(copy, v->valuestring) : 0, 0);
        SAME(json_string_is(found, v->valuestring), true);
        SAME(json_string_is(found, "flex"), !strcmp(v->valuestring, "flex"));
}

static inline void check_messages_facts(const struct messages_facts *m, const cJSON *list, const char *text, size_t size) {
        const cJSON *message;
        uint32_t index = 0, wrong_index = 0;
        enum message_fault fault = MESSAGE_FINE;

        if (!cJSON_IsArray(list))
                list = NULL;
        cJSON_ArrayForEach(message, list) {
                const cJSON *content = json_get(message, "content");
                enum message_fault here = !cJSON_IsObject(message)                                         ? MESSAGE_NO_OBJECT
                                          : !cJSON_IsString(json_get(message, "role"))                     ? MESSAGE_NO_ROLE
                                          : content && !cJSON_IsString(content) && !cJSON_IsArray(content) ? MESSAGE_CONTENT
                                                                                                           : MESSAGE_FINE;
                if (fault == MESSAGE_FINE && here != MESSAGE_FINE) {
                        fault = here;
                        wrong_index = index;
                }
                index++;
        }
        SAME(m->count, index);
        SAME(m->fault, fault);
        SAME(m->wrong_index, wrong_index);
}

static inline void check_list_facts(const struct list_facts *l, const cJSON *list, const char *text, size_t size) {
        const cJSON *item;
        uint32_t count = 0, wrong_index = UINT32_MAX;

        if (!cJSON_IsArray(list))
                list = NULL;
        cJSON_ArrayForEach(item, list) {
                bool is_good = (cJSON_IsString(item) && *item->valuestring) || tokens_in_tree(item);
                if (!is_good && wrong_index == UINT32_MAX)
                        wrong_index = count;
                count++;
        }
        SAME(l->count, count);
        if (!list)
                return;
        SAME(l->wrong_index, wrong_index < count ? wrong_index : count);
        SAME(l->are_tokens, tokens_in_tree(list));
        SAME(l->is_first_tokens, tokens_in_tree(list->child));
        if (list->child && !cJSON_IsNull(list->child))
                SAME(l->first, kind_in_tree(list->child));
}

/* Whether it was taken. */
static inline bool body_facts_check(const char *text, size_t size) {
        struct body_facts f;
        size_t end;

        body_facts_read(text, size, &f);
        if (f.error != JSON_FINE)
                return false;
        cJSON *tree = json_read(text, size, &end);
        if (!tree || strspn(text + end, " \t\r\n") != size - end)
                facts_differ("whether it is JSON", text, size);
        SAME(f.is_object, cJSON_IsObject(tree));
        for (unsigned m = 0; f.is_object && m < MEMBER_COUNT; m++)
                check_value(f.members[m], cJSON_GetObjectItemCaseSensitive(tree, body_member_name((enum member) m)), text, size);
        if (f.is_object) {
                const cJSON *options = cJSON_GetObjectItemCaseSensitive(tree, "stream_options");
                SAME(f.includes_usage, cJSON_IsObject(options) && cJSON_IsTrue(json_get(options, "include_usage")));
                check_messages_facts(&f.messages, cJSON_GetObjectItemCaseSensitive(tree, "messages"), text, size);
                check_list_facts(&f.prompt, cJSON_GetObjectItemCaseSensitive(tree, "prompt"), text, size);
                check_list_facts(&f.input, cJSON_GetObjectItemCaseSensitive(tree, "input"), text, size);
        }
        cJSON_Delete(tree);
        return true;
}

#endif
