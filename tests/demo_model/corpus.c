/*
 * corpus.c - reads the question and answer files line by line.
 */
#include "tests/demo_model/corpus.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int corpus_new(struct corpus **ret) {
        struct corpus *c = calloc(1, sizeof(*c));

        if (!c)
                return -ENOMEM;
        *ret = c;
        return 0;
}

void corpus_free(struct corpus *c) {
        if (!c)
                return;
        for (size_t i = 0; i < c->items_count; i++) {
                for (size_t q = 0; q < c->items[i].questions_count; q++)
                        free(c->items[i].questions[q]);
                free(c->items[i].answer);
        }
        for (size_t i = 0; i < c->systems_count; i++)
                free(c->systems[i]);
        free(c);
}

/* The line's end and trailing blanks cut off; NULL when a byte is not printable ASCII. */
static char *trim(char *line) {
        size_t length = strcspn(line, "\r\n");

        while (length > 0 && line[length - 1] == ' ')
                length--;
        line[length] = '\0';
        for (size_t i = 0; i < length; i++)
                if (line[i] < ' ' || line[i] > '~')
                        return NULL;
        return line;
}

static const char *keep(char **slot, const char *text) {
        while (*text == ' ')
                text++;
        *slot = strdup(text);
        return *slot ? NULL : "out of memory";
}

static const char *take_question(struct corpus *c, bool *open, const char *text) {
        if (!*open && c->items_count == CORPUS_ITEMS_MAX)
                return "too many answers";
        struct corpus_item *item = *open ? &c->items[c->items_count - 1] : &c->items[c->items_count++];

        *open = true;
        if (item->questions_count == CORPUS_QUESTIONS_MAX)
                return "too many phrasings of one question";
        c->questions_count++;
        return keep(&item->questions[item->questions_count++], text);
}

static const char *take_line(struct corpus *c, bool *open, const char *line) {
        if (line[0] == '\0' || line[0] == '#')
                return *open ? "a question without an answer comes before this line" : NULL;
        if (!strncmp(line, "Q:", 2))
                return take_question(c, open, line + 2);
        if (!strncmp(line, "A:", 2) && *open) {
                *open = false;
                return keep(&c->items[c->items_count - 1].answer, line + 2);
        }
        if (!strncmp(line, "S:", 2) && !*open)
                return c->systems_count < CORPUS_SYSTEMS_MAX ? keep(&c->systems[c->systems_count++], line + 2)
                                                             : "too many system messages";
        return "expected a Q:, A:, S: or comment line here";
}

int corpus_read(struct corpus *c, const char *path, struct corpus_error *reterr) {
        char line[CORPUS_LINE_BYTES_MAX];
        const char *fault = NULL;
        bool open = false;
        size_t number = 0;
        FILE *file = fopen(path, "re");

        if (!file) {
                int error = errno;

                (void) snprintf(reterr->text, sizeof(reterr->text), "%s: %s", path, strerror(error));
                return -error;
        }
        while (!fault && fgets(line, sizeof(line), file)) {
                number++;
                char *text = strchr(line, '\n') || feof(file) ? trim(line) : NULL;

                fault = text ? take_line(c, &open, text) : "the line is too long or not plain ASCII";
        }
        if (!fault && open)
                fault = "the last question has no answer";
        (void) fclose(file);
        if (!fault)
                return 0;
        (void) snprintf(reterr->text, sizeof(reterr->text), "%s:%zu: %s", path, number, fault);
        return -EINVAL;
}
