/* api_internal.h - within daemon/api only: the api's state, its routes, and who handles what. */
#ifndef HEADROOM_DAEMON_API_API_INTERNAL_H
#define HEADROOM_DAEMON_API_API_INTERNAL_H

#include <cjson/cJSON.h>

#include "daemon/api/api.h"
#include "daemon/api/body_facts.h"
#include "daemon/api/error.h"
#include "daemon/dialect/vectors.h"
#include "daemon/models/fleet.h"
#include "daemon/governor/governor.h"

struct api {
        uv_loop_t *loop;
        const struct config *config;
        struct fleet *fleet;
        struct governor *governor;
        struct reload *reload;
        const struct route *routes;     /* of clients; set by the first request */
        struct keys *keys;              /* NULL: there are none, and none can be made */
        const char *keys_path;          /* where they are kept */
        bool is_exposed;                /* clients may come from other machines */
        struct key_job *key_jobs;       /* that write them there; the first is under way */
        const struct turn_watch *turns; /* NULL: not told of, as the next */
        const struct bulk_account *bulk;
        char *listen;
        uint16_t ollama_port; /* 0: none */
        uint64_t started_ns;
        uint64_t id_state; /* of the generator of answer ids */
        uint64_t groups;   /* of several answers to one prompt, so far */
        uint32_t running;  /* completions and operator's jobs under way */
        uint32_t closing;  /* requests that are over but for their last close callback */
        bool is_stopping;
        bool is_warming;                          /* a piece of some weights is being read */
        struct reading *readings, **readings_end; /* bodies that wait for a thread */
        unsigned readings_running;
        void (*on_idle)(void *user);
        void *idle_user;
};

typedef void handler(struct api *api, struct http_exchange *x, const char *rest);

/* METHODS are enum http_method bits. A path that ends in "/" takes what follows it as REST, which is not empty. */
struct route {
        const char *path;
        unsigned methods;
        handler *handle;
};

/* PATH is that of X in the form that ROUTES know, which end with a NULL path. HEAD is answered wherever GET is, OPTIONS everywhere. */
void route(struct api *api, struct http_exchange *x, const char *path, const struct route *routes);

/* Count one more request under way, or one fewer. */
void api_begin(struct api *api);
void api_end(struct api *api);
/* 24 random letters and digits. */
void api_make_id(struct api *api, char ret[25]);

/* Takes ownership of JSON; the exchange is over. */
void api_answer_json(struct http_exchange *x, cJSON *json);
/* Borrowed for the call. JSON is the body itself, NULL where none came; who goes on with it holds it. */
struct body {
        const struct dialect *dialect;
        struct bulk *json;
        struct bulk *source; /* of a translated one: as it came */
        struct body_facts facts;
        struct asked asked; /* by a translated one */
};
typedef void body_taker(struct api *api, struct http_exchange *x, const struct body *body);
/*
 * Reads the body of X, which is a JSON object, and goes on with THEN: at once where it is short, later where it has to be read on a
 * thread; not at all where it is none, which is answered, or the client leaves meanwhile.
 */
void api_read_body(struct api *api, struct http_exchange *x, body_taker *then);
/* The same in another dialect: THEN is given the translation. */
struct reading_as {
        const struct dialect *dialect; /* of what is answered where the body is wrong */
        translator *translate;         /* NULL: the body is taken as it is */
};
void api_read_body_as(struct api *api, struct http_exchange *x, const struct reading_as *as, body_taker *then);

/* Checks BODY, which engines know, and has DIALECT answer it. */
void api_start_answer(struct api *api, struct http_exchange *x, const struct body *body, const struct dialect *dialect);
/* The same where vectors are the answer. */
void api_start_vectors(struct api *api, struct http_exchange *x, const struct body *body, const struct vectors_dialect *dialect);
/* ... of ASKED, which has been checked. */
void api_ask_vectors(struct api *api, struct http_exchange *x, const struct body *body, const struct vectors_dialect *dialect,
                     const struct vectors_asked *asked);
/* REQUEST was just submitted: how long its model stays, where that was said. */
void api_keep_as_asked(struct request *request, const struct http_exchange *x, const struct asked *asked);
/*
 * The model that the path or BODY names; where neither does that of `default_model`, or the only one there is. NULL and *reterr otherwise.
 * The text is the caller's.
 */
char *api_choose_model(struct api *api, const struct http_exchange *x, const struct body *body, struct failure *reterr);
/* That of `default_model`, or the only one there is. */
char *api_default_model(struct api *api, struct failure *reterr);
/* The class that BODY or a header asks for. False and *reterr where the header says something else. */
#define PROTECT_HEADER "x-headroom-protect"
bool api_choose_class(const struct http_exchange *x, const struct body *body, enum request_class *ret, struct failure *reterr);

handler handle_root, handle_health;  /* health.c */
handler handle_models, handle_model; /* models_route.c, as the next */
handler handle_props, handle_slots;
handler handle_chat, handle_completion, handle_infill; /* chat_route.c, as the next */
handler handle_messages, handle_count_tokens;
handler handle_responses, handle_input_tokens;
handler handle_rerank;                                             /* rerank.c */
handler handle_embeddings;                                         /* embeddings.c */
handler handle_tokenize, handle_detokenize, handle_apply_template; /* tokens_route.c */
/* ollama_route.c; what only looks: ollama_models.c */
handler handle_ollama_version, handle_ollama_chat, handle_ollama_generate, handle_ollama_embed, handle_ollama_embeddings,
        handle_ollama_pull, handle_ollama_refusal;
handler handle_ollama_tags, handle_ollama_show, handle_ollama_ps;

#endif
