/* reason.c - the one table behind log lines, HTTP answers and the command line. */
#include "policy/base/reason.h"

#include <assert.h>

/* clang-format off */
static const struct reason_info reasons[REASON_COUNT] = {
        [REASON_NONE]                = { "none", "nothing happened", 0, "", 0, -1, "", false },
        [REASON_MODEL_NOT_FOUND]     = { "model_not_found", "there is no model of that name", 404, "invalid_request_error", 0, -1, "list the models with GET /v1/models or headroomctl models", false },
        [REASON_NEVER_FITS]          = { "never_fits", "the model is larger than this box may use for models", 503, "server_error", 120, 0, "raise the limit that the message names, or take a smaller model or quantization", false },
        [REASON_INSUFFICIENT_MEMORY] = { "insufficient_memory", "there is not enough memory for the model now", 503, "server_error", 10, 1, "unload a model with headroomctl unload, or end programs that hold memory", false },
        [REASON_PROTECTED]           = { "protected", "models that are protected from others hold the memory", 503, "server_error", 60, 1, "headroomctl explain MODEL names them; headroomctl protect MODEL 0 ends the protection of one", false },
        [REASON_LOAD_COOLDOWN]       = { "load_cooldown", "the model's engine ended repeatedly; waiting before the next try", 503, "server_error", 10, 1, "headroomctl status MODEL shows how its engine ended", false },
        [REASON_LOAD_FAILED]         = { "load_failed", "the model could not be loaded", 500, "server_error", 0, 0, "headroomctl status MODEL shows its last error and what its engine wrote", false },
        [REASON_QUEUE_FULL]          = { "queue_full", "too many requests are waiting", 503, "server_error", 1, 1, "send fewer requests at once", false },
        [REASON_CONCURRENCY_LIMIT]   = { "concurrency_limit", "too many requests are waiting for this model", 429, "rate_limit_error", 1, 1, "send fewer requests at once, or raise queue in the section of the model", false },
        [REASON_WAIT_TOO_LONG]       = { "wait_too_long", "the model did not become free in time", 503, "server_error", 5, 1, "headroomctl explain MODEL tells what it waits for; wait_timeout is how long", false },
        [REASON_ENGINE_DIED]         = { "engine_died", "the model's engine ended in the middle of the answer", 502, "server_error", 1, 1, "", false },
        [REASON_SHUTTING_DOWN]       = { "shutting_down", "the service is stopping", 503, "server_error", 5, 1, "", false },
        [REASON_UNLOADED]            = { "unloaded", "the operator unloaded the model", 503, "server_error", 5, 1, "", false },
        [REASON_REQUEST]             = { "request", "a request asked for it", 0, "", 0, -1, "", false },
        [REASON_MAKE_ROOM]           = { "make_room", "another model needs its memory", 0, "", 0, -1, "", false },
        [REASON_OVER_BUDGET]         = { "over_budget", "the engines hold more than the budget allows", 0, "", 0, -1, "", false },
        [REASON_IDLE]                = { "idle", "nobody asked for it in a while", 0, "", 0, -1, "", false },
        [REASON_OPERATOR]            = { "operator", "the operator said so", 0, "", 0, -1, "", false },
        [REASON_PRELOAD]             = { "preload", "the configuration says so", 0, "", 0, -1, "", false },
        [REASON_REMOVED]             = { "removed", "it was removed from the configuration or the models directory", 0, "", 0, -1, "", false },
        [REASON_FILE_CHANGED]        = { "file_changed", "its file was changed while it was loaded", 0, "", 0, -1, "", false },
        [REASON_STOPPED]             = { "stopped", "somebody stopped the process of its engine", 0, "", 0, -1, "", false },
        [REASON_GOES_ON]             = { "goes_on", "the process of its engine goes on", 0, "", 0, -1, "", false },
        [REASON_MEMORY_HELD]         = { "memory_held", "memory is running short on this machine; nothing new is begun until there is room", 503, "server_error", 15, 1, "end programs that hold memory; headroomctl explain MODEL tells what brings the room back", false },
        [REASON_TOO_HOT]             = { "too_hot", "the machine is too hot for work that can wait", 503, "server_error", 60, 1, "send it as interactive if it cannot wait, or see to the cooling", false },
        [REASON_BATCH_HOURS]         = { "batch_hours", "work that can wait begins at other hours", 503, "server_error", 120, 1, "send it at those hours, or as interactive if it cannot wait; batch_hours in headroom.conf sets them", false },
        [REASON_CONTEXT_LOWERED]     = { "context_lowered", "memory is short, so less context is given at the moment", 503, "server_error", 60, 1, "", false },
        [REASON_FORECAST]            = { "forecast", "at this pace memory will soon be gone", 0, "", 0, -1, "", false },
        [REASON_JUMP]                = { "jump", "a large piece of memory went at once", 0, "", 0, -1, "", false },
        [REASON_RESERVE]             = { "reserve", "the reserve is being used up", 0, "", 0, -1, "", false },
        [REASON_STALL]               = { "stall", "programs wait for memory and dropped pages come back", 0, "", 0, -1, "", false },
        [REASON_THRASH]              = { "thrash", "a model is far below its usual speed while it waits for memory", 0, "", 0, -1, "", false },
        [REASON_LIVELOCK]            = { "livelock", "a memory.high limit above the engine stalls it without end", 0, "", 0, -1, "", false },
        [REASON_CALM]                = { "calm", "there has been room for a while", 0, "", 0, -1, "", false },
        [REASON_FLAPPING]            = { "flapping", "it was changed too often, so it stays as it is", 0, "", 0, -1, "", false },
        [REASON_HEAT]                = { "heat", "it is too close to the critical temperature", 0, "", 0, -1, "", false },
        [REASON_THROTTLED]           = { "throttled", "the processor slows itself down for its heat", 0, "", 0, -1, "", false },
        [REASON_SENSOR_LOST]         = { "sensor_lost", "the temperature cannot be read, so it counts as hot", 0, "", 0, -1, "", false },
        [REASON_SENSOR_STUCK]        = { "sensor_stuck", "it does not move while the load does, so it is not obeyed", 0, "", 0, -1, "", false },
        [REASON_SENSOR_MOVES]        = { "sensor_moves", "it moves again, and is obeyed", 0, "", 0, -1, "", false },
        /* traces */
        [REASON_TIME_UP]             = { "time_up", "its time is up", 0, "", 0, -1, "", false },
        [REASON_TRACE_FULL]          = { "trace_full", "its file is as long as one may be", 0, "", 0, -1, "", false },
        [REASON_TRACE_FAILED]        = { "trace_failed", "the file of the trace cannot be written", 500, "server_error", 0, 0, "the state directory must be there, have room, and belong to the user that headroomd runs as", false },
        [REASON_TRACED]              = { "traced", "the model is traced already", 409, "invalid_request_error", 0, 0, "headroomctl status MODEL names the file; headroomctl trace MODEL --stop ends it", false },
        [REASON_NOT_TRACED]          = { "not_traced", "the model is not traced", 409, "invalid_request_error", 0, 0, "headroomctl status tells which models are", false },
        [REASON_TOO_MANY_TRACES]     = { "too_many_traces", "as many models are traced as may be at once", 409, "invalid_request_error", 0, 0, "end one with headroomctl trace MODEL --stop", false },
        /* a request that cannot be served */
        [REASON_INVALID_REQUEST]     = { "invalid_request", "the request asks for what cannot be done", 400, "invalid_request_error", 0, -1, "", true },
        [REASON_CONTEXT_EXCEEDED]    = { "context_length_exceeded", "the prompt is longer than the context of the model", 400, "exceed_context_size_error", 0, -1, "shorten the prompt, or raise context in the section of the model", false },
        [REASON_ENGINE_ERROR]        = { "engine_error", "the engine could not answer the request", 500, "server_error", 0, -1, "", true },
        [REASON_NO_NUMBERS]          = { "no_numbers", "the model computes no numbers", 500, "server_error", 0, 0, "take another file of this model: this one is damaged, or was converted or quantized wrongly", false },
        [REASON_ENGINE_FULL]         = { "engine_full", "the engine takes no more requests for now", 503, "server_error", 10, -1, "", true },
        [REASON_OUT_OF_MEMORY]       = { "out_of_memory", "there is no memory for this request", 503, "server_error", 1, 1, "send fewer or smaller requests at once", false },
        [REASON_REQUEST_MEMORY]      = { "request_memory", "the requests that are being received and answered take all the memory that they may", 503, "server_error", 2, 1, "send fewer or smaller requests at once, or raise request_memory", false },
        [REASON_ANSWER_TOO_LONG]     = { "answer_too_long", "the answer is too long to be held", 500, "server_error", 0, 0, "ask for a stream, or set max_tokens", false },
        [REASON_CLIENT_GONE]         = { "client_gone", "the client left before the answer was complete", 499, "", 0, -1, "", false },
        [REASON_NOT_FOUND]           = { "not_found", "there is nothing at this path", 404, "invalid_request_error", 0, -1, "GET /v1/models and POST /v1/chat/completions are a good start", false },
        [REASON_METHOD_NOT_ALLOWED]  = { "method_not_allowed", "this path does not take this method", 405, "invalid_request_error", 0, -1, "", false },
        [REASON_NOT_OFFERED]         = { "not_offered", "the models of this server read and write text alone, no sound and no pictures", 501, "server_error", 0, 0, "send it to a server that has models for it", false },
        [REASON_FORBIDDEN]           = { "forbidden", "only root, the daemon's own user and the group of this socket may control it", 403, "invalid_request_error", 0, -1, "ask with sudo, or become a member of the group of the socket", false },
        /* access keys */
        [REASON_KEY_WRONG]           = { "invalid_api_key", "this server wants an access key, and this is none of its keys", 401, "authentication_error", 0, -1, "send the key as Authorization: Bearer KEY; headroomctl key add NAME makes one", false },
        [REASON_KEY_MODEL]           = { "model_not_allowed", "the key is not for this model", 403, "permission_error", 0, -1, "GET /v1/models lists those that it is for", false },
        [REASON_KEY_RATE]            = { "rate_limit_exceeded", "the key has made all the requests it may for now", 429, "rate_limit_error", 1, 1, "wait as long as Retry-After says", false },
        [REASON_KEY_TOKENS]          = { "token_limit_exceeded", "the key has used all the tokens it may for now", 429, "rate_limit_error", 60, 1, "wait as long as Retry-After says", false },
        [REASON_KEY_CONCURRENT]      = { "key_concurrency_limit", "the key has as many requests under way as it may", 429, "rate_limit_error", 1, 1, "wait for one of them", false },
        [REASON_KEYS_FAILED]         = { "keys_failed", "the file of access keys cannot be written", 500, "server_error", 0, 0, "make room in the state directory, or make it writable", false },
        /* what a web page may not do */
        [REASON_HOST_NOT_ALLOWED]    = { "host_not_allowed", "the request is for another host", 403, "invalid_request_error", 0, -1, "use localhost or 127.0.0.1, or add the name to hosts in the section server of headroom.conf", false },
        [REASON_ORIGIN_NOT_ALLOWED]  = { "origin_not_allowed", "pages of this origin may not use this server", 403, "invalid_request_error", 0, -1, "add the origin to origins in the section server of headroom.conf", false },
        [REASON_CONTENT_TYPE]        = { "content_type", "a body from a browser is application/json", 415, "invalid_request_error", 0, -1, "send it with Content-Type: application/json", false },
        /* faults of the HTTP itself */
        [REASON_BAD_REQUEST]         = { "bad_request", "this is not a valid HTTP/1.1 request", 400, "invalid_request_error", 0, -1, "", false },
        [REASON_HEADER_TOO_LARGE]    = { "header_too_large", "the request line and headers are larger than 32 KiB", 431, "invalid_request_error", 0, -1, "send fewer or shorter headers", false },
        [REASON_BODY_TOO_LARGE]      = { "body_too_large", "the body is larger than this server accepts", 413, "invalid_request_error", 0, -1, "send less, or raise body_limit", false },
        [REASON_REQUEST_TIMEOUT]     = { "request_timeout", "the request arrives too slowly", 408, "invalid_request_error", 0, -1, "", false },
        [REASON_CONTENT_ENCODING]    = { "content_encoding", "the body must not be compressed", 415, "invalid_request_error", 0, -1, "send it as it is, without Content-Encoding", false },
        [REASON_EXPECTATION]         = { "expectation", "the only expectation understood is 100-continue", 417, "invalid_request_error", 0, -1, "", false },
        [REASON_TRANSFER_ENCODING]   = { "transfer_encoding", "the only transfer encoding understood is chunked", 501, "server_error", 0, -1, "", false },
        [REASON_HTTP_VERSION]        = { "http_version", "only HTTP/1.0 and HTTP/1.1 are spoken here", 505, "server_error", 0, -1, "", false },
        [REASON_TOO_MANY_CONNECTIONS] = { "too_many_connections", "too many connections are open", 503, "server_error", 1, 1, "keep fewer connections open, or raise connections", false },
};
/* clang-format on */

const struct reason_info *reason_info(enum reason reason) {
        assert(reason < REASON_COUNT);
        return &reasons[reason];
}
