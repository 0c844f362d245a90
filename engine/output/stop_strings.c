/*
 * stop_strings.c - see stop_strings.h. Each new byte is looked at as the possible end of each string: at most 16 strings of
 * 256 bytes on pieces of a few bytes, so comparing is cheaper than any automaton would be to build.
 */
#include "engine/output/stop_strings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void stop_set_done(struct stop_set *set) {
        for (uint32_t i = 0; i < set->count; i++)
                free(set->strings[i]);
        *set = (struct stop_set){ 0 };
}

void stop_stream_done(struct stop_stream *s) {
        text_done(&s->text);
        *s = (struct stop_stream){ 0 };
}

/* The longest string that TEXT[0..END) ends with and that begins at or after FROM; NULL if none. */
static const char *match_ending_at(const struct stop_set *set, const char *text, size_t from, size_t end) {
        const char *found = NULL;
        size_t longest = 0;
        for (uint32_t i = 0; i < set->count; i++) {
                size_t length = strlen(set->strings[i]);
                if (length > longest && length <= end - from && !memcmp(text + end - length, set->strings[i], length)) {
                        longest = length;
                        found = set->strings[i];
                }
        }
        return found;
}

/* Length of the longest ending of TEXT that begins, but does not complete, one of the strings. */
static size_t longest_beginning(const struct stop_set *set, const char *text, size_t count) {
        size_t longest = 0;
        for (uint32_t i = 0; i < set->count; i++) {
                size_t length = strlen(set->strings[i]) - 1;
                if (length > count)
                        length = count;
                while (length > longest && memcmp(text + count - length, set->strings[i], length))
                        length--;
                if (length > longest)
                        longest = length;
        }
        return longest;
}

int stop_stream_push(struct stop_stream *s, const struct stop_set *set, const char *text, size_t count) {
        size_t held_from = s->free_count, end = s->text.used;
        if (s->found || !count)
                return 0;
        s->text.max = TEXT_MAX_NONE;
        if (!text_add(&s->text, text, count))
                return -ENOMEM;
        while (end < s->text.used) {
                s->found = match_ending_at(set, s->text.bytes, held_from, ++end);
                if (s->found) {
                        s->free_count = s->text.used = end - strlen(s->found);
                        return 0;
                }
        }
        s->free_count = end - longest_beginning(set, s->text.bytes + held_from, end - held_from);
        return 0;
}

void stop_stream_end(struct stop_stream *s) {
        s->free_count = s->text.used;
}

void stop_stream_take(struct stop_stream *s) {
        text_drop(&s->text, s->free_count);
        s->free_count = 0;
}
