/*
 * test_builtin_formats.c - the turn formats that are known by heart.
 *
 * Where the reference data of an independent engine lies beside the project (../shared/refdata, $HEADROOM_REFDATA), its
 * templates and rendered conversations are compared too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "engine/chat/builtin_formats.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define BOS_ID       1
#define EOS_ID       2

static cJSON *parse(const char *json) {
        cJSON *parsed = cJSON_Parse(json);
        if (!parsed)
                fail_msg("the test's own JSON: %s", json);
        return parsed;
}

/* The prompt as a text, tokens spelt as given; the caller frees it. */
static char *rendered(const struct chat_family *c, const cJSON *messages, bool add_generation, const char *bos, const char *eos) {
        struct chat_prompt p = { .bos = BOS_ID, .eos = EOS_ID };
        chat_family_render(c, messages, add_generation, &p);
        assert_int_equal(p.error, 0);
        char *out = calloc(1, p.length + p.spans_count * (strlen(bos) + strlen(eos)) + 1), *at = out;
        size_t from = 0;
        for (size_t i = 0; i < p.spans_count; i++) {
                if (p.spans[i].token != TOKEN_NONE)
                        at = stpcpy(at, p.spans[i].token == BOS_ID ? bos : eos);
                if (p.spans[i].length)
                        memcpy(at, p.text + from, p.spans[i].length);
                at += p.spans[i].length;
                from += p.spans[i].length;
        }
        assert_int_equal(from, p.length);
        chat_prompt_done(&p);
        return out;
}

#define TALK                                                                               \
        "[{\"role\":\"system\",\"content\":\"S\"},{\"role\":\"user\",\"content\":\"U1\"}," \
        "{\"role\":\"assistant\",\"content\":\" A \"},{\"role\":\"user\",\"content\":\"U2\"}]"

static void test_formats(void **state) {
        (void) state;
        static const struct {
                const char *marks, *family, *prompt;
        } rows[] = {
                { "", "chatml",
                  "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU1<|im_end|>\n<|im_start|>assistant\n A <|im_end|>\n"
                  "<|im_start|>user\nU2<|im_end|>\n<|im_start|>assistant\n" },
                { "{{'<|im_start|>' + message['role']", "chatml",
                  "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU1<|im_end|>\n<|im_start|>assistant\n A <|im_end|>\n"
                  "<|im_start|>user\nU2<|im_end|>\n<|im_start|>assistant\n" },
                { "'<|im_start|>user<|im_sep|>'", "phi4",
                  "<|im_start|>system<|im_sep|>S<|im_end|><|im_start|>user<|im_sep|>U1<|im_end|><|im_start|>assistant<|im_sep|> "
                  "A <|im_end|>"
                  "<|im_start|>user<|im_sep|>U2<|im_end|><|im_start|>assistant<|im_sep|>" },
                { "'<<SYS>>\\n' {{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}", "llama2",
                  "[INST] <<SYS>>\nS\n<</SYS>>\n\nU1 [/INST] A $<s>[INST] U2 [/INST]" },
                { "{{ '[INST] ' + message['content'] + ' [/INST]' }}", "mistral", "[INST] S\nU1 [/INST] A $[INST] U2 [/INST]" },
                { "{{- ' [INST] ' + message['content'] + ' [/INST]' }}", "mistral",
                  " [INST] S\n\nU1 [/INST]  A $ [INST] U2 [/INST]" },
                { "{{- \"[INST] \" + content + \"[/INST]\" }}", "mistral", "[INST] U1[/INST] A$[INST] S\n\nU2[/INST]" },
                { "{{- \"[INST]\" + content + \"[/INST]\" }}", "mistral", "[INST]U1[/INST] A $[INST]S\n\nU2[/INST]" },
                { "'[SYSTEM_PROMPT] ' '[INST] '", "mistral",
                  "[SYSTEM_PROMPT] S[/SYSTEM_PROMPT][INST] U1[/INST]  A $[INST] U2[/INST]" },
                { "'[SYSTEM_PROMPT]' '[INST]'", "mistral", "[SYSTEM_PROMPT]S[/SYSTEM_PROMPT][INST]U1[/INST] A $[INST]U2[/INST]" },
                { "<|start_header_id|>", "llama3",
                  "<|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nU1<|eot_"
                  "id|>"
                  "<|start_header_id|>assistant<|end_header_id|>\n\nA<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nU2<|"
                  "eot_id|>"
                  "<|start_header_id|>assistant<|end_header_id|>\n\n" },
                { "<start_of_turn> first_user_prefix", "gemma",
                  "<start_of_turn>user\nS\n\nU1<end_of_turn>\n<start_of_turn>model\nA<end_of_turn>\n<start_of_turn>user\nU2<end_"
                  "of_turn>\n"
                  "<start_of_turn>model\n" },
                { "<|system|> <|user|> <|end|> <|assistant|>", "phi3",
                  "<|system|>\nS<|end|>\n<|user|>\nU1<|end|>\n<|assistant|>\n A <|end|>\n<|user|>\nU2<|end|>\n<|assistant|>\n" },
                { "'<|user|>\n' + eos_token '<|assistant|>'", "zephyr",
                  "<|system|>\nS$\n<|user|>\nU1$\n<|assistant|>\n A $\n<|user|>\nU2$\n<|assistant|>\n" },
        };
        cJSON *talk = parse(TALK);
        for (size_t i = 0; i < COUNT(rows); i++) {
                struct chat_family c = chat_family_recognise(rows[i].marks, strlen(rows[i].marks));
                assert_int_equal(c.guessed, i == 0);
                assert_string_equal(chat_family_word(c.name), rows[i].family);
                char *got = rendered(&c, talk, true, "<s>", "$");
                if (strcmp(got, rows[i].prompt))
                        fail_msg("%s (%s):\n%s\nnot\n%s", rows[i].family, rows[i].marks, got, rows[i].prompt);
                free(got);
        }
        cJSON_Delete(talk);
}

static void test_messages(void **state) {
        (void) state;
        static const struct {
                const char *what, *marks, *messages, *prompt;
        } rows[] = {
                { "developer is system", "", "[{\"role\":\"developer\",\"content\":\"x\"}]",
                  "<|im_start|>system\nx<|im_end|>\n" },
                { "null", "", "[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[]}]",
                  "<|im_start|>assistant\n<|im_end|>\n" },
                { "no content at all", "", "[{\"role\":\"assistant\"}]", "<|im_start|>assistant\n<|im_end|>\n" },
                { "parts", "",
                  "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}]}]",
                  "<|im_start|>user\na\nb<|im_end|>\n" },
                { "no parts", "", "[{\"role\":\"user\",\"content\":[]}]", "<|im_start|>user\n<|im_end|>\n" },
                { "trimmed as one", "<start_of_turn>",
                  "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"\\n a \"},{\"type\":\"text\",\"text\":\" "
                  "b\\t\"}]}]",
                  "<start_of_turn>user\na \n b<end_of_turn>\n" },
                { "nothing but white space", "<start_of_turn>", "[{\"role\":\"user\",\"content\":\" \\n\\u00a0 \"}]",
                  "<start_of_turn>user\n<end_of_turn>\n" },
                { "tool results", "<|start_header_id|>", "[{\"role\":\"tool\",\"content\":\"42\"}]",
                  "<|start_header_id|>ipython<|end_header_id|>\n\n42<|eot_id|>" },
                { "a system message alone", "<start_of_turn>", "[{\"role\":\"system\",\"content\":\"x\"}]",
                  "<start_of_turn>user\nx\n<end_of_turn>\n" },
                { "two of them, and one later", "<start_of_turn>",
                  "[{\"role\":\"system\",\"content\":\"x\"},{\"role\":\"system\",\"content\":\"y\"},{\"role\":\"user\","
                  "\"content\":\"u\"},"
                  "{\"role\":\"assistant\",\"content\":\"a\"},{\"role\":\"system\",\"content\":\"z\"}]",
                  "<start_of_turn>user\nx\ny\nu<end_of_turn>\n<start_of_turn>model\na<end_of_turn>\n<start_of_turn>user\nz\n<end_"
                  "of_turn>\n" },
                { "codes of ours are text", "", "[{\"role\":\"user\",\"content\":\"\\u0001\\u0002\"}]",
                  "<|im_start|>user\n\1\2<|im_end|>\n" },
        };
        for (size_t i = 0; i < COUNT(rows); i++) {
                struct chat_family c = chat_family_recognise(rows[i].marks, strlen(rows[i].marks));
                cJSON *messages = parse(rows[i].messages);
                char *got = rendered(&c, messages, false, "<s>", "$");
                if (strcmp(got, rows[i].prompt))
                        fail_msg("%s:\n%s\nnot\n%s", rows[i].what, got, rows[i].prompt);
                free(got);
                cJSON_Delete(messages);
        }
}

/* ---- against an independent engine ---- */

static cJSON *read_reference(void) {
        const char *folder = getenv("HEADROOM_REFDATA");
        char path[512];
        snprintf(path, sizeof(path), "%s/chat/test-cases.json", folder ? folder : "../shared/refdata");
        FILE *in = fopen(path, "re");
        if (!in) {
                puts("SKIP chat templates of the reference data: there is none");
                return NULL;
        }
        size_t room = 4 << 20, length;
        char *text = calloc(1, room + 1);
        length = fread(text, 1, room, in);
        fclose(in);
        assert_true(length < room);
        cJSON *cases = parse(text);
        free(text);
        return cases;
}

static const char *field(const cJSON *object, const char *name) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
        return cJSON_IsString(item) && item->valuestring[0] ? item->valuestring : NULL;
}

static void test_reference(void **state) {
        (void) state;
        cJSON *cases = read_reference(), *one;
        int compared = 0, different = 0, unknown = 0;
        cJSON_ArrayForEach(one, cases) {
                const char *text = field(one, "template"), *wanted = field(one, "expected"), *eos = field(one, "eos_token");
                struct chat_family c = chat_family_recognise(text, strlen(text));
                unknown += c.guessed;
                if (c.guessed)
                        continue;
                char *got = rendered(&c, cJSON_GetObjectItemCaseSensitive(one, "messages"),
                                     cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(one, "add_generation_prompt")), "<s>",
                                     eos ? eos : "</s>");
                compared++;
                if (strcmp(got, wanted)) {
                        different++;
                        print_message("%s:\n%s\nnot\n%s\n", field(one, "name"), got, wanted);
                }
                free(got);
        }
        if (cases)
                print_message("%d templates compared, %d different, %d of other families\n", compared, different, unknown);
        cJSON_Delete(cases);
        assert_int_equal(different, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_formats),
                cmocka_unit_test(test_messages),
                cmocka_unit_test(test_reference),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
