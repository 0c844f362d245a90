/*
 * invocation.c - reads the command line by the tables: options may stand before or after the command and its
 * operands; "--" ends them.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "engine/base/user_dirs.h"
#include "ctl/base/command.h"
#include "ctl/output/terminal.h"

struct words {
        char **next, **end;
        bool operands_only; /* after "--" */
};

static const char *context_name(const struct invocation *in) {
        return in->command ? in->command->name : "";
}

/* "see `headroomctl load --help`" */
static int refuse(const struct invocation *in, const char *what, const char *word) {
        const char *name = context_name(in);
        complain("%s '%s'; see `headroomctl %s%s--help`", what, word, name, *name ? " " : "");
        return CTL_USAGE;
}

/* NAME ends at '=' or at the string's end. */
static const struct flag *find_by_name(const struct flag *flags, const char *name) {
        size_t length = strcspn(name, "=");
        for (const struct flag *f = flags; f && f->name; f++)
                if (strlen(f->name) == length && !strncmp(f->name, name, length))
                        return f;
        return NULL;
}

static const struct flag *find_by_letter(const struct flag *flags, char letter) {
        for (const struct flag *f = flags; f && f->name; f++)
                if (f->letter && f->letter == letter)
                        return f;
        return NULL;
}

static const struct flag *find_flag(const struct invocation *in, const char *word) {
        const struct flag *own = in->command ? in->command->flags : NULL;
        const struct flag *found;
        if (word[1] != '-') {
                if (word[2])
                        return NULL;
                found = find_by_letter(own, word[1]);
                return found ? found : find_by_letter(commands_global_flags, word[1]);
        }
        found = find_by_name(own, word + 2);
        return found ? found : find_by_name(commands_global_flags, word + 2);
}

static int take_flag(struct invocation *in, struct words *words, const char *word) {
        const struct flag *flag = find_flag(in, word);
        if (!flag)
                return refuse(in, "unknown option", word);
        char *field = (char *) in + flag->offset;
        const char *value = strchr(word, '=');
        if (!flag->value) {
                if (value)
                        return refuse(in, "this option takes no value:", word);
                *(bool *) (void *) field = true;
                return 0;
        }
        if (!value && words->next == words->end)
                return refuse(in, "a value is missing after", word);
        *(const char **) (void *) field = value ? value + 1 : *words->next++;
        return 0;
}

static int take_operand(struct invocation *in, char *word) {
        if (in->command) {
                in->args[in->args_count++] = word;
                return 0;
        }
        for (const struct command *c = commands_table; c->name; c++)
                if (!strcmp(word, c->name)) {
                        in->command = c;
                        return 0;
                }
        if (!strcmp(word, "help")) {
                in->help = true;
                return 0;
        }
        return refuse(in, "unknown command", word);
}

static int check_operands(const struct invocation *in) {
        const struct command *c = in->command;
        if (in->help || in->version)
                return 0;
        if (!c) {
                help_print(stderr);
                return CTL_USAGE;
        }
        if (in->args_count < c->args_min || (c->args_max >= 0 && in->args_count > c->args_max)) {
                complain("usage: headroomctl %s%s%s; see `headroomctl %s --help`", c->name, *c->operands ? " " : "", c->operands,
                         c->name);
                return CTL_USAGE;
        }
        return 0;
}

static int parse_words(struct invocation *in, struct words *words) {
        while (words->next < words->end) {
                char *word = *words->next++;
                int rc = 0;
                if (words->operands_only || word[0] != '-' || word[1] == '\0')
                        rc = take_operand(in, word);
                else if (!strcmp(word, "--"))
                        words->operands_only = true;
                else
                        rc = take_flag(in, words, word);
                if (rc)
                        return rc;
        }
        return check_operands(in);
}

/* The service's socket; that of a daemon which the user runs, where only this one is there. */
static const char *default_socket(void) {
        static char path[sizeof(((struct sockaddr_un *) NULL)->sun_path)];
        if (access(CONTROL_SOCKET_DEFAULT, F_OK) == 0 || !user_dirs_runtime("headroom/control.sock", path, sizeof(path)))
                return CONTROL_SOCKET_DEFAULT;
        return access(path, F_OK) == 0 ? path : CONTROL_SOCKET_DEFAULT;
}

int invocation_parse(int argc, char **argv, struct invocation *ret) {
        const char *environment = getenv("HEADROOM_SOCKET");
        struct invocation in = {
                .socket_path = environment && *environment ? environment : default_socket(),
                .args = calloc((size_t) argc + 1, sizeof(char *)),
        };
        assert(in.args);
        struct words words = { .next = argv + 1, .end = argv + argc };
        int rc = parse_words(&in, &words);
        if (rc) {
                invocation_done(&in);
                return rc;
        }
        *ret = in;
        return 0;
}

void invocation_done(struct invocation *in) {
        free(in->args);
        in->args = NULL;
}
