/* parser.c - see parser.h: statements, and what both files of the parser use. */
#include "engine/jinja/parser.h"

#include <string.h>

#include "engine/jinja_value/bounds.h"

struct node *parser_node(struct parser *p, enum node_kind kind) {
        struct node *n = jinja_take(p->job, 1, sizeof(*n));
        n->kind = kind;
        n->line = p->now.line;
        return n;
}

void parser_step(struct parser *p) {
        p->now = p->then;
        p->job->line = p->now.line;
        if (p->now.kind != TOKEN_END)
                p->then = lexer_next(&p->lexer);
}

bool parser_sees(const struct parser *p, const char *operator) {
        return p->now.kind == TOKEN_OPERATOR && tainted_is(p->now.text, operator);
}

bool parser_sees_word(const struct parser *p, const char *word) {
        return p->now.kind == TOKEN_NAME && tainted_is(p->now.text, word);
}

bool parser_takes(struct parser *p, const char *operator) {
        bool sees = parser_sees(p, operator);
        if (sees)
                parser_step(p);
        return sees;
}

bool parser_takes_word(struct parser *p, const char *word) {
        bool sees = parser_sees_word(p, word);
        if (sees)
                parser_step(p);
        return sees;
}

void parser_unexpected(struct parser *p, const char *wanted) {
        static const char *const kinds[] = {
                [TOKEN_END] = "the end",    [TOKEN_DATA] = "text",        [TOKEN_PRINT_BEGIN] = "'{{'",
                [TOKEN_PRINT_END] = "'}}'", [TOKEN_BLOCK_BEGIN] = "'{%'", [TOKEN_BLOCK_END] = "'%}'",
                [TOKEN_STRING] = "a text",  [TOKEN_INTEGER] = "a number", [TOKEN_FLOAT] = "a number",
                [TOKEN_NAME] = "a name",    [TOKEN_OPERATOR] = "a sign",
        };
        p->job->line = p->now.line;
        if (p->now.kind == TOKEN_NAME || p->now.kind == TOKEN_OPERATOR)
                jinja_fail(p->job, "%s is expected where '%.*s' stands", wanted,
                           (int) (p->now.text.length < 60 ? p->now.text.length : 60), p->now.text.bytes);
        jinja_fail(p->job, "%s is expected where %s stands", wanted, kinds[p->now.kind]);
}

void parser_expect(struct parser *p, const char *operator) {
        char quoted[16] = "'";
        if (!parser_takes(p, operator))
                parser_unexpected(p, strcat(strcat(quoted, operator), "'"));
}

struct tainted parser_name(struct parser *p) {
        if (p->now.kind != TOKEN_NAME)
                parser_unexpected(p, "a name");
        struct tainted name = p->now.text;
        parser_step(p);
        return name;
}

static void end_block(struct parser *p) {
        if (p->now.kind != TOKEN_BLOCK_END)
                parser_unexpected(p, "'%}'");
        parser_step(p);
}

/* ---- statements ---- */

/* Up to a tag that begins with one of ENDS (NULL ends them): P stands at that word. Without ENDS: up to the end of all. */
static struct node *parse_body(struct parser *p, const char *const ends[]);

struct node *parser_parameters(struct parser *p) {
        struct node *first = NULL, **end = &first;
        bool defaults = false;
        uint32_t count = 0;
        parser_expect(p, "(");
        while (!parser_sees(p, ")")) {
                if (count++ == JINJA_ARGUMENTS_MAX)
                        jinja_fail(p->job, "a macro has more than %u parameters", JINJA_ARGUMENTS_MAX);
                struct node *n = parser_node(p, NODE_PARAMETER);
                n->text = parser_name(p);
                if (parser_takes(p, "="))
                        n->a = parser_expression(p);
                else if (defaults)
                        jinja_fail(p->job, "a parameter without a default stands behind one that has one");
                defaults = n->a != NULL;
                *end = n;
                end = &n->next;
                if (!parser_takes(p, ","))
                        break;
        }
        parser_expect(p, ")");
        return first;
}

static struct node *parse_set(struct parser *p) {
        static const char *const ends[] = { "endset", NULL };
        struct node *n = parser_node(p, NODE_SET);
        n->a = parser_target(p, NULL);
        if (parser_takes(p, "=")) {
                n->b = parser_tuple(p, true, NULL);
                end_block(p);
                return n;
        }
        n->kind = NODE_SET_BLOCK;
        if (parser_takes(p, "|"))
                n->b = parser_filters(p, parser_node(p, NODE_PIPED), true);
        end_block(p);
        n->body = parse_body(p, ends);
        parser_step(p);
        end_block(p);
        return n;
}

static struct node *parse_for(struct parser *p) {
        static const char *const ends[] = { "endfor", "else", NULL };
        struct node *n = parser_node(p, NODE_FOR);
        n->a = parser_target(p, "in");
        if (!parser_takes_word(p, "in"))
                parser_unexpected(p, "'in'");
        n->b = parser_tuple(p, false, "recursive");
        if (parser_takes_word(p, "if"))
                n->c = parser_expression(p);
        n->flag = parser_takes_word(p, "recursive");
        end_block(p);
        p->loops++;
        n->body = parse_body(p, ends);
        p->loops--;
        if (parser_takes_word(p, "else")) {
                end_block(p);
                n->other = parse_body(p, (const char *const[]){ "endfor", NULL });
        }
        parser_step(p);
        end_block(p);
        return n;
}

static struct node *parse_if(struct parser *p) {
        static const char *const ends[] = { "elif", "else", "endif", NULL };
        struct node *n = parser_node(p, NODE_IF), **end = &n->items;
        bool last = false;
        for (;;) {
                struct node *branch = parser_node(p, NODE_BRANCH);
                if (!last)
                        branch->a = parser_tuple(p, true, NULL);
                end_block(p);
                branch->body = parse_body(p, last ? ends + 2 : ends);
                *end = branch;
                end = &branch->next;
                if (parser_takes_word(p, "endif"))
                        break;
                last = parser_sees_word(p, "else");
                parser_step(p);
        }
        end_block(p);
        return n;
}

static struct node *parse_macro(struct parser *p) {
        static const char *const ends[] = { "endmacro", NULL };
        struct node *n = parser_node(p, NODE_MACRO);
        n->text = parser_name(p);
        n->items = parser_parameters(p);
        end_block(p);
        uint32_t loops = p->loops;
        p->loops = 0; /* a loop around the macro is not left from within it */
        n->body = parse_body(p, ends);
        p->loops = loops;
        parser_step(p);
        end_block(p);
        return n;
}

static struct node *parse_call_block(struct parser *p) {
        static const char *const ends[] = { "endcall", NULL };
        struct node *n = parser_node(p, NODE_CALL_BLOCK);
        if (parser_sees(p, "("))
                n->items = parser_parameters(p);
        n->a = parser_expression(p);
        if (n->a->kind != NODE_CALL)
                jinja_fail(p->job, "'call' needs a call, such as {%% call name() %%}");
        end_block(p);
        uint32_t loops = p->loops;
        p->loops = 0;
        n->body = parse_body(p, ends);
        p->loops = loops;
        parser_step(p);
        end_block(p);
        return n;
}

static struct node *parse_filter_block(struct parser *p) {
        static const char *const ends[] = { "endfilter", NULL };
        struct node *n = parser_node(p, NODE_FILTER_BLOCK);
        n->a = parser_filters(p, parser_node(p, NODE_PIPED), true);
        end_block(p);
        n->body = parse_body(p, ends);
        parser_step(p);
        end_block(p);
        return n;
}

static struct node *parse_with(struct parser *p) {
        static const char *const ends[] = { "endwith", NULL };
        struct node *n = parser_node(p, NODE_WITH), **end = &n->items;
        while (p->now.kind != TOKEN_BLOCK_END) {
                struct node *pair = parser_node(p, NODE_PAIR);
                pair->a = parser_target(p, NULL);
                parser_expect(p, "=");
                pair->b = parser_expression(p);
                *end = pair;
                end = &pair->next;
                if (!parser_takes(p, ","))
                        break;
        }
        end_block(p);
        n->body = parse_body(p, ends);
        parser_step(p);
        end_block(p);
        return n;
}

/* A generation block marks an assistant's words for training; here its contents are ordinary statements. */
static struct node *parse_generation(struct parser *p) {
        static const char *const ends[] = { "endgeneration", NULL };
        struct node *n = parser_node(p, NODE_SCOPE);
        end_block(p);
        n->body = parse_body(p, ends);
        parser_step(p);
        end_block(p);
        return n;
}

static struct node *parse_leave(struct parser *p, enum node_kind kind, const char *word) {
        struct node *n = parser_node(p, kind);
        if (!p->loops)
                jinja_fail(p->job, "'%s' stands outside of a loop", word);
        end_block(p);
        return n;
}

static struct node *parse_break(struct parser *p) {
        return parse_leave(p, NODE_BREAK, "break");
}

static struct node *parse_continue(struct parser *p) {
        return parse_leave(p, NODE_CONTINUE, "continue");
}

static struct node *parse_statement(struct parser *p) {
        static const struct {
                const char *word;
                struct node *(*parse)(struct parser *p);
        } known[] = {
                { "set", parse_set },         { "if", parse_if },
                { "for", parse_for },         { "macro", parse_macro },
                { "call", parse_call_block }, { "filter", parse_filter_block },
                { "with", parse_with },       { "generation", parse_generation },
                { "break", parse_break },     { "continue", parse_continue },
        };
        struct tainted word = p->now.text;
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
                if (parser_takes_word(p, known[i].word))
                        return known[i].parse(p);
        if (p->now.kind != TOKEN_NAME)
                parser_unexpected(p, "the name of a block");
        jinja_fail(p->job, "the block '%.*s' is not known, or closes nothing here", (int) (word.length < 60 ? word.length : 60),
                   word.bytes);
}

static struct node *parse_print(struct parser *p) {
        struct node *n = parser_node(p, NODE_PRINT);
        parser_step(p);
        n->a = parser_tuple(p, true, NULL);
        if (p->now.kind != TOKEN_PRINT_END)
                parser_unexpected(p, "'}}'");
        parser_step(p);
        return n;
}

static bool sees_end(const struct parser *p, const char *const ends[]) {
        for (size_t i = 0; ends && ends[i]; i++)
                if (parser_sees_word(p, ends[i]))
                        return true;
        return false;
}

static struct node *parse_body(struct parser *p, const char *const ends[]) {
        struct node *first = NULL, **end = &first;
        jinja_enter(p->job);
        for (;;) {
                struct node *n = NULL;
                if (p->now.kind == TOKEN_END) {
                        if (ends)
                                parser_unexpected(p, ends[1] && ends[2] ? ends[2] : ends[0]);
                        break;
                }
                if (p->now.kind == TOKEN_DATA) {
                        n = p->now.text.length ? parser_node(p, NODE_DATA) : NULL;
                        if (n)
                                n->text = p->now.text;
                        parser_step(p);
                } else if (p->now.kind == TOKEN_PRINT_BEGIN) {
                        n = parse_print(p);
                } else {
                        parser_step(p);
                        if (sees_end(p, ends))
                                break;
                        n = parse_statement(p);
                }
                if (n) {
                        *end = n;
                        end = &n->next;
                }
        }
        jinja_leave(p->job);
        return first;
}

struct node *parser_parse(struct jinja_job *job, struct tainted text) {
        struct parser p = { .job = job };
        lexer_init(&p.lexer, job, text);
        p.then = lexer_next(&p.lexer);
        parser_step(&p);
        return parse_body(&p, NULL);
}
