/*
 * builtin_formats.c - see builtin_formats.h. One row per format; recognising one and writing it are both read off the row.
 *
 * Sources: the chat templates that the models' makers publish in tokenizer_config.json. Formats whose makers gave the
 * system message no place of its own (Gemma, early Mistral, Phi 3) get it at the head of a user turn, as is customary.
 */
#include "engine/chat/builtin_formats.h"

#include <string.h>

#include "engine/chat/messages.h"

enum system_place {
        SYSTEM_OWN_TURN,
        SYSTEM_NEXT_USER, /* inside of the user turn that follows, before its content */
        SYSTEM_LAST_USER, /* inside of the last user turn */
};

struct builtin_format {
        enum chat_family_name family;
        const char *marks[3]; /* a template of this format has them all */
        enum system_place system_place;
        const char *open[ROLE_COUNT], *close[ROLE_COUNT];
        const char *generation;
        bool trims[ROLE_COUNT];
};

#define TRIM_ALL \
        { true, true, true, true }

#define LLAMA2_TURNS(begin)                                                        \
        .family = CHAT_LLAMA2, .system_place = SYSTEM_NEXT_USER, .generation = "", \
        .open = { "<<SYS>>\n", begin "[INST] ", " ", begin "[INST] " },            \
        .close = { "\n<</SYS>>\n\n", " [/INST]", " " PROMPT_EOS, " [/INST]" }

/* How the space around [INST] moved, from one release of Mistral's to the next. */
#define MISTRAL_TURNS(before, behind, before_end, before_answer)                                                              \
        .family = CHAT_MISTRAL, .generation = "", .open[ROLE_USER] = before "[INST]" behind,                                  \
        .close[ROLE_USER] = before_end "[/INST]", .open[ROLE_ASSISTANT] = before_answer, .close[ROLE_ASSISTANT] = PROMPT_EOS, \
        .open[ROLE_TOOL] = before "[INST]" behind, .close[ROLE_TOOL] = before_end "[/INST]"
#define MISTRAL_SYSTEM_WITHIN(place, between) .system_place = place, .open[ROLE_SYSTEM] = "", .close[ROLE_SYSTEM] = between

#define GEMMA_TURNS(between)                                                                            \
        .family = CHAT_GEMMA, .system_place = SYSTEM_NEXT_USER, .generation = "<start_of_turn>model\n", \
        .open = { "", "<start_of_turn>user\n", "<start_of_turn>model\n", "<start_of_turn>user\n" },     \
        .close = { between, "<end_of_turn>\n", "<end_of_turn>\n", "<end_of_turn>\n" }, .trims = TRIM_ALL

#define PHI3_TURNS(system_open, system_close)                                   \
        .family = CHAT_PHI3, .generation = "<|assistant|>\n",                   \
        .open = { system_open, "<|user|>\n", "<|assistant|>\n", "<|user|>\n" }, \
        .close = { system_close, "<|end|>\n", "<|end|>\n", "<|end|>\n" }

/* The first row whose marks are all there is taken: the narrower ones of a family come before the wider. */
static const struct builtin_format formats[] = {
        { .marks = { "<|im_start|>", "<|im_sep|>" },
          .family = CHAT_PHI4,
          .generation = "<|im_start|>assistant<|im_sep|>",
          .open = { "<|im_start|>system<|im_sep|>", "<|im_start|>user<|im_sep|>", "<|im_start|>assistant<|im_sep|>",
                    "<|im_start|>tool<|im_sep|>" },
          .close = { "<|im_end|>", "<|im_end|>", "<|im_end|>", "<|im_end|>" } },
        { .marks = { "<|im_start|>" },
          .family = CHAT_CHATML,
          .generation = "<|im_start|>assistant\n",
          .open = { "<|im_start|>system\n", "<|im_start|>user\n", "<|im_start|>assistant\n", "<|im_start|>tool\n" },
          .close = { "<|im_end|>\n", "<|im_end|>\n", "<|im_end|>\n", "<|im_end|>\n" } },

        { .marks = { "<<SYS>>", "bos_token + '[INST]", "strip()" }, LLAMA2_TURNS(PROMPT_BOS), .trims = TRIM_ALL },
        { .marks = { "<<SYS>>", "bos_token + '[INST]" }, LLAMA2_TURNS(PROMPT_BOS) },
        { .marks = { "<<SYS>>" }, LLAMA2_TURNS(""), .trims = TRIM_ALL },

        { .marks = { "[INST]", "[SYSTEM_PROMPT] " },
          MISTRAL_TURNS("", " ", "", " "),
          .open[ROLE_SYSTEM] = "[SYSTEM_PROMPT] ",
          .close[ROLE_SYSTEM] = "[/SYSTEM_PROMPT]" },
        { .marks = { "[INST]", "[SYSTEM_PROMPT]" },
          MISTRAL_TURNS("", "", "", ""),
          .open[ROLE_SYSTEM] = "[SYSTEM_PROMPT]",
          .close[ROLE_SYSTEM] = "[/SYSTEM_PROMPT]" },
        { .marks = { "' [INST] '" }, MISTRAL_TURNS(" ", " ", " ", " "), MISTRAL_SYSTEM_WITHIN(SYSTEM_NEXT_USER, "\n\n") },
        { .marks = { "\"[INST]\"" }, MISTRAL_TURNS("", "", "", ""), MISTRAL_SYSTEM_WITHIN(SYSTEM_LAST_USER, "\n\n") },
        { .marks = { "\"[INST] \"", "\"[/INST]\"" },
          MISTRAL_TURNS("", " ", "", " "),
          MISTRAL_SYSTEM_WITHIN(SYSTEM_LAST_USER, "\n\n"),
          .trims[ROLE_ASSISTANT] = true },
        { .marks = { "[INST]" }, MISTRAL_TURNS("", " ", " ", ""), MISTRAL_SYSTEM_WITHIN(SYSTEM_NEXT_USER, "\n") },

        { .marks = { "<|start_header_id|>" },
          .family = CHAT_LLAMA3,
          .generation = "<|start_header_id|>assistant<|end_header_id|>\n\n",
          .open = { "<|start_header_id|>system<|end_header_id|>\n\n", "<|start_header_id|>user<|end_header_id|>\n\n",
                    "<|start_header_id|>assistant<|end_header_id|>\n\n", "<|start_header_id|>ipython<|end_header_id|>\n\n" },
          .close = { "<|eot_id|>", "<|eot_id|>", "<|eot_id|>", "<|eot_id|>" },
          .trims = TRIM_ALL },

        { .marks = { "<start_of_turn>", "first_user_prefix" }, GEMMA_TURNS("\n\n") },
        { .marks = { "<start_of_turn>" }, GEMMA_TURNS("\n") },

        { .marks = { "<|end|>", "<|assistant|>", "<|system|>" }, PHI3_TURNS("<|system|>\n", "<|end|>\n") },
        { .marks = { "<|end|>", "<|assistant|>", "'<|' + message['role']" }, PHI3_TURNS("<|system|>\n", "<|end|>\n") },
        { .marks = { "<|end|>", "<|assistant|>", "<|user|>" }, PHI3_TURNS("", "\n"), .system_place = SYSTEM_NEXT_USER },

        { .marks = { "<|user|>", "<|assistant|>", "eos_token" },
          .family = CHAT_ZEPHYR,
          .generation = "<|assistant|>\n",
          .open = { "<|system|>\n", "<|user|>\n", "<|assistant|>\n", "<|user|>\n" },
          .close = { PROMPT_EOS "\n", PROMPT_EOS "\n", PROMPT_EOS "\n", PROMPT_EOS "\n" } },
};
#define FORMATS_COUNT (sizeof(formats) / sizeof(formats[0]))

/* ---- recognising ---- */

const char *chat_family_word(enum chat_family_name name) {
        static const char *const names[CHAT_FAMILY_COUNT] = {
                [CHAT_CHATML] = "chatml", [CHAT_LLAMA2] = "llama2", [CHAT_LLAMA3] = "llama3", [CHAT_MISTRAL] = "mistral",
                [CHAT_ZEPHYR] = "zephyr", [CHAT_GEMMA] = "gemma",   [CHAT_PHI3] = "phi3",     [CHAT_PHI4] = "phi4",
        };
        return names[name];
}

static bool contains(const char *text, size_t length, const char *mark) {
        return memmem(text, length, mark, strlen(mark)) != NULL;
}

static bool has_marks(const struct builtin_format *f, const char *text, size_t length) {
        for (size_t i = 0; i < sizeof(f->marks) / sizeof(f->marks[0]) && f->marks[i]; i++)
                if (!contains(text, length, f->marks[i]))
                        return false;
        return true;
}

struct chat_family chat_family_recognise(const char *text, size_t length) {
        struct chat_family c = { .name = CHAT_CHATML, .guessed = true, .begins = contains(text, length, "bos_token") };
        for (size_t i = 0; i < FORMATS_COUNT; i++)
                if (has_marks(&formats[i], text, length)) {
                        c.name = formats[i].family;
                        c.format = &formats[i];
                        c.guessed = false;
                        break;
                }
        return c;
}

static const struct builtin_format *format_of(const struct chat_family *c) {
        const struct builtin_format *f = c->format;
        for (size_t i = 0; i < FORMATS_COUNT && !f; i++)
                if (formats[i].family == c->name)
                        f = &formats[i];
        return f;
}

/* ---- writing ---- */

struct writer {
        const struct builtin_format *format;
        struct chat_prompt *prompt;
        const cJSON *unplaced; /* the first message that may be a system message still to be placed */
        const cJSON *last_user;
};

static void write_content(struct writer *w, const cJSON *message, enum chat_role role) {
        const cJSON *content = cJSON_GetObjectItemCaseSensitive(message, "content");
        struct chat_content begun = chat_prompt_begin_content(w->prompt);
        if (cJSON_IsString(content))
                chat_prompt_add_content(w->prompt, content->valuestring, strlen(content->valuestring));
        for (const cJSON *part = cJSON_IsArray(content) ? content->child : NULL; part; part = part->next) {
                const char *text = cJSON_GetObjectItemCaseSensitive(part, "text")->valuestring;
                chat_prompt_add_content(w->prompt, text, strlen(text));
                if (part->next)
                        chat_prompt_add_content(w->prompt, "\n", 1);
        }
        chat_prompt_end_content(w->prompt, begun, w->format->trims[role]);
}

static void write_within(struct writer *w, const cJSON *message, enum chat_role role) {
        chat_prompt_markup(w->prompt, w->format->open[role]);
        write_content(w, message, role);
        chat_prompt_markup(w->prompt, w->format->close[role]);
}

/* The system messages that stand before END, into the user turn that is open. */
static void place_system(struct writer *w, const cJSON *end) {
        for (; w->unplaced != end; w->unplaced = w->unplaced->next)
                if (chat_message_role(w->unplaced) == ROLE_SYSTEM)
                        write_within(w, w->unplaced, ROLE_SYSTEM);
}

static void write_user(struct writer *w, const cJSON *message) {
        const struct builtin_format *f = w->format;
        chat_prompt_markup(w->prompt, f->open[ROLE_USER]);
        if (f->system_place == SYSTEM_NEXT_USER)
                place_system(w, message);
        else if (f->system_place == SYSTEM_LAST_USER && message == w->last_user)
                place_system(w, NULL);
        write_content(w, message, ROLE_USER);
        chat_prompt_markup(w->prompt, f->close[ROLE_USER]);
}

/* System messages that no user turn took get one of their own. */
static void write_left_over(struct writer *w) {
        while (w->unplaced && chat_message_role(w->unplaced) != ROLE_SYSTEM)
                w->unplaced = w->unplaced->next;
        if (!w->unplaced)
                return;
        chat_prompt_markup(w->prompt, w->format->open[ROLE_USER]);
        place_system(w, NULL);
        chat_prompt_markup(w->prompt, w->format->close[ROLE_USER]);
}

void chat_family_render(const struct chat_family *f, const cJSON *messages, bool add_generation, struct chat_prompt *prompt) {
        struct writer w = { .format = format_of(f), .prompt = prompt, .unplaced = messages->child };
        bool folds = w.format->system_place != SYSTEM_OWN_TURN;
        for (const cJSON *m = messages->child; m; m = m->next)
                if (chat_message_role(m) == ROLE_USER)
                        w.last_user = m;
        for (const cJSON *m = messages->child; m; m = m->next) {
                enum chat_role role = chat_message_role(m);
                if (role == ROLE_USER)
                        write_user(&w, m);
                else if (role != ROLE_SYSTEM || !folds)
                        write_within(&w, m, role);
        }
        if (folds)
                write_left_over(&w);
        if (add_generation)
                chat_prompt_markup(prompt, w.format->generation);
}
