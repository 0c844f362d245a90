/*
 * lifecycle.c - one model's life: its events, the actions that follow, and the aftermath when its engine is gone.
 *
 * model_event is the only place where `state` changes; the table in model_state.c says how. An action may raise the next event (a
 * load that is refused), so model_event sets the state before it acts.
 */
#include "daemon/models/lifecycle.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/base/meminfo.h"
#include "daemon/engines/kill.h"
#include "daemon/engines/kinds.h"
#include "daemon/engines/prefix_cache_client.h"
#include "daemon/engines/throttle.h"
#include "daemon/engines/watch.h"
#include "daemon/models/footprints.h"
#include "daemon/models/measure.h"
#include "daemon/state/model_files.h"
#include "daemon/state/model_state.h"
#include "daemon/models/operator_jobs.h"
#include "daemon/requests/answer.h"
#include "daemon/requests/finish.h"
#include "daemon/requests/failure.h"
#include "daemon/requests/send.h"
#include "daemon/requests/waiting.h"
#include "daemon/state/account.h"
#include "daemon/state/cooldown.h"
#include "daemon/state/fleet.h"
#include "daemon/state/outcome.h"
#include "daemon/state/tick.h"
#include "daemon/system/log.h"
#include "engine/base/strbuf.h"
#include "policy/admission/footprint.h"
#include "policy/base/sat.h"
#include "policy/base/bounds.h"

#define MIB(bytes) ((bytes) >> 20)

void model_init(struct model *m, struct fleet *f, const struct config_model *config, uint32_t number) {
        *m = (struct model){
                .fleet = f,
                .config = config,
                .number = number,
                .preload = config->preload,
                .survey_due = true,
                .learned = LEARNED_NEUTRAL,
                .ops = engine_kind_of(config),
        };
        struct stat st;
        if (stat(config->path, &st) == 0)
                m->files.modified_s = st.st_mtime;
}

void model_done(struct model *m) {
        assert(m->waiting.count == 0 && m->running.count == 0 && !m->engine.process && !m->inspection);
}

static bool model_wanted(const struct model *m) {
        return m->waiting.count > 0 || m->loads.count > 0 || m->preload;
}

uint64_t model_wanted_since(const struct model *m) {
        uint64_t since = m->preload ? m->fleet->now_ms : TIME_NEVER;
        if (m->waiting.first) /* the queue is in the order of turns */
                since = u64_min(since, request_of(m->waiting.first)->turn_ms);
        for (struct queue_link *l = m->loads.first; l; l = l->next)
                since = u64_min(since, operator_job_of(l)->since_ms);
        return since;
}

static enum reason why_wanted(const struct model *m) {
        return m->waiting.count > 0 ? REASON_REQUEST : m->loads.count > 0 ? REASON_OPERATOR : REASON_PRELOAD;
}

void model_refuse(struct model *m, const struct failure *failure) {
        (void) snprintf(m->last_error, sizeof(m->last_error), "%s", failure->message);
        log_warning("refuse", LOG_TEXT("model", m->config->id), LOG_TEXT("reason", failure->code),
                    LOG_TEXT("message", failure->message), LOG_MAYBE("advice", failure->advice),
                    LOG_NUMBER("waiting", m->waiting.count), LOG_NUMBER("retry_after_s", failure->retry_after_s));
        struct failure told = *failure; /* FAILURE may live in what the callbacks change */
        govern_note(m->fleet, &(struct note){ .kind = NOTE_REFUSAL,
                                              .model = m->number,
                                              .for_model = UINT32_MAX,
                                              .because = failure->reason,
                                              .bytes = m->form.predicted.total_bytes,
                                              .room = m->state == MODEL_WAITING ? m->last_answer.room : (struct room){ 0 } });
        m->preload = false;
        operator_jobs_finish(m->fleet, &m->loads, &told);
        model_event(m, MODEL_EVENT_REFUSED);
        requests_fail(m, &m->waiting, &told);
}

void model_refuse_load(struct model *m, const char *sentence) {
        struct failure failure;
        failure_set(&failure, REASON_LOAD_FAILED, "model '%s' cannot be loaded: %s", m->config->id, sentence);
        model_refuse(m, &failure);
}

/* --- the engine --- */

static void end_engine(struct model *m, const char *sentence) {
        (void) snprintf(m->engine.sentence, sizeof(m->engine.sentence), "%s", sentence);
        model_event(m, MODEL_EVENT_END);
}

static void on_ready(struct model *m, const struct engine_ready *ready) {
        struct instance *e = &m->engine;
        e->n_ctx = ready->context;
        e->pool_full = (uint32_t) u64_max(ready->kv_tokens_max, e->pool);
        e->parallel = ready->parallel;
        e->context_now = e->n_ctx;
        if (m->state == MODEL_LOADING) {
                e->was_ready = true;
                e->ready_ms = fleet_clock_ms();
                m->load_ms = sat_sub(e->ready_ms, e->started_ms);
                m->loads_count++;
                m->last_error[0] = '\0';
                operator_jobs_finish(m->fleet, &m->loads, NULL);
                m->preload = false;
                log_info("loaded", LOG_TEXT("model", m->config->id), LOG_NUMBER("pid", e->pid), LOG_NUMBER("load_ms", m->load_ms),
                         LOG_NUMBER("waiting", m->waiting.count), LOG_NUMBER("parallel", e->parallel));
                if (ready->warning)
                        log_warning("chat_template", LOG_TEXT("model", m->config->id), LOG_TEXT("message", ready->warning));
        }
        model_event(m, MODEL_EVENT_READY);
        fleet_measure_want(m);
        requests_ask_statistics(m);
}

static void on_failed(struct model *m, const char *sentence) {
        m->engine.said_failed = true;
        (void) snprintf(m->engine.sentence, sizeof(m->engine.sentence), "%s", sentence);
        model_event(m, MODEL_EVENT_FAILED);
}

static void on_broken(struct model *m, const char *sentence) {
        log_error("engine_broken", LOG_TEXT("model", m->config->id), LOG_NUMBER("pid", m->engine.pid),
                  LOG_TEXT("message", sentence));
        end_engine(m, sentence);
}

static void on_hang_up(struct model *m) {
        model_event(m, MODEL_EVENT_FAILED);
}

static void on_engine_exit(struct model *m, struct child_exit exit) {
        struct instance *e = &m->engine;
        child_exit_words(exit, m->last_exit, sizeof(m->last_exit));
        if (m->last_exit[0] == '\0' && !e->expected)
                (void) snprintf(m->last_exit, sizeof(m->last_exit), "exit status 0, unasked");
        (void) snprintf(m->last_words, sizeof(m->last_words), "%s", m->ops->last_words(m));
        text_repair(m->last_words);
        engine_group_end(m);
        govern_forget(m);
        prefix_client_forget(m);
        measure_release(m);
        e->process = NULL;
        e->stopped = false;
        e->exited = true;
        e->exited_ms = fleet_clock_ms();
        model_event(m, MODEL_EVENT_EXITED);
}

/* The files that the load was admitted for, else the load is refused. */
static bool open_admitted(struct model *m, struct open_files *ret) {
        char sentence[400];
        if (model_open_files(m, ret, sentence, sizeof(sentence)) < 0) {
                model_refuse_load(m, sentence);
                return false;
        }
        if (ret->identity.key == m->files.key)
                return true;
        model_files_close(ret);
        m->identified = false;
        model_refuse_load(m, "its file was replaced while it waited for room; ask again");
        return false;
}

static int start_process(struct model *m, const struct open_files *files) {
        static const struct engine_events events = { .on_ready = on_ready,
                                                     .on_failed = on_failed,
                                                     .on_answer = requests_take_answer,
                                                     .on_broken = on_broken,
                                                     .on_hang_up = on_hang_up,
                                                     .on_exit = on_engine_exit };
        m->engine = (struct instance){ .events = &events,
                                       .started_ms = m->fleet->now_ms,
                                       .floor = m->config->kv_floor,
                                       .level = m->form.kv_type,
                                       .counted = m->form.kv_type,
                                       .pool = m->form.kv_tokens,
                                       .pool_asked = m->form.kv_tokens,
                                       .duty_told = 1000,
                                       .heartbeat_told = HEARTBEAT_CALM_MS };
        m->generation = ++m->fleet->generations;
        struct engine_start with = { files->fds, files->count, engine_group_begin(m) };
        return m->ops->start(m, &with);
}

static void log_load(const struct model *m, pid_t pid, int oom_score_result) {
        const struct fleet *f = m->fleet;
        log_info("load", LOG_TEXT("model", m->config->id), LOG_TEXT("reason", reason_info(why_wanted(m))->word),
                 LOG_NUMBER("pid", pid), LOG_NUMBER("predicted_mib", MIB(m->form.predicted.total_bytes)),
                 LOG_NUMBER("weights_mib", MIB(m->form.predicted.weights_bytes)),
                 LOG_NUMBER("kv_mib", MIB(m->form.predicted.kv_bytes)), LOG_TEXT("kv", kv_type_name(m->form.kv_type)),
                 LOG_NUMBER("kv_tokens", m->form.kv_tokens), LOG_NUMBER("context", m->context),
                 LOG_NUMBER("budget_mib", MIB(f->config->budget_bytes)), LOG_NUMBER("available_mib", MIB(f->available_bytes)),
                 LOG_NUMBER("waiting", m->waiting.count),
                 LOG_MAYBE("oom_score", oom_score_result < 0 ? strerror(-oom_score_result) : ""));
}

/* Why it gets less context than it could have. */
static void log_less_context(const struct model *m) {
        uint64_t per_token = m->form.facts.kv_bytes_per_token;
        if (m->context < m->context_full)
                log_info("less_context", LOG_TEXT("model", m->config->id), LOG_NUMBER("context", m->context),
                         LOG_NUMBER("trained", m->inspected.n_ctx_train), LOG_NUMBER("free_mib", MIB(m->fleet->free_bytes)),
                         LOG_NUMBER("trained_needs_mib", MIB(sat_add(model_whole(m, &m->form).total_bytes,
                                                                     sat_mul(per_token, m->context_full - m->context_least)))),
                         LOG_NUMBER("kv_bytes_a_token", per_token),
                         LOG_TEXT("advice", "unload other models before, raise budget, or set context and kv = q8_0"));
}

static void start_engine(struct model *m) {
        struct fleet *f = m->fleet;
        struct open_files files;
        if (!open_admitted(m, &files))
                return;
        int r = start_process(m, &files);
        if (r < 0) {
                char sentence[400];
                model_files_close(&files);
                engine_group_end(m);
                (void) cooldown_begin(m, f->now_ms, &(struct engine_life){ 0 });
                (void) snprintf(sentence, sizeof(sentence), "cannot start '%s': %s", f->config->engine_path, strerror(-r));
                model_refuse_load(m, sentence);
                return;
        }
        measure_hold(m, &files);
        govern_note(f, &(struct note){ .kind = NOTE_LOAD,
                                       .model = m->number,
                                       .for_model = UINT32_MAX,
                                       .because = why_wanted(m),
                                       .bytes = m->form.predicted.total_bytes });
        pid_t pid = m->engine.pid;
        log_less_context(m);
        log_load(m, pid, pid > 0 ? memory_set_oom_score(CHILDREN_PROC, pid, ENGINE_OOM_SCORE) : 0);
}

/* --- going --- */

static void note_leaving(const struct model *m, enum reason why, const struct model *for_whom) {
        govern_note(m->fleet, &(struct note){ .kind = NOTE_UNLOAD,
                                              .model = m->number,
                                              .for_model = for_whom ? for_whom->number : UINT32_MAX,
                                              .because = why,
                                              .bytes = model_account_bytes(m) });
}

void model_leave(struct model *m, enum reason why, const struct model *for_whom) {
        struct instance *e = &m->engine;
        if (m->state == MODEL_READY || m->state == MODEL_LOADING) {
                e->why_stopped = why;
                note_leaving(m, why, for_whom);
                log_info("unload", LOG_TEXT("model", m->config->id), LOG_TEXT("reason", reason_info(why)->word),
                         LOG_MAYBE("for", for_whom ? for_whom->config->id : ""),
                         LOG_NUMBER("account_mib", MIB(model_account_bytes(m))),
                         LOG_NUMBER("measured_mib", MIB(e->memory.pss_bytes)), LOG_NUMBER("running", m->running.count),
                         LOG_NUMBER("waiting", m->waiting.count));
        }
        if (m->state == MODEL_LOADING)
                e->expected = true;
        model_event(m, MODEL_EVENT_LEAVE);
}

/*
 * Available memory is noted before the engine goes, so that its memory can be seen to come back. An engine that went by itself
 * has given it back already.
 */
static void begin_stopping(struct model *m) {
        m->engine.stopping_ms = fleet_clock_ms();
        m->engine.available_before_bytes = m->fleet->available_bytes;
}

static void kill_engine(struct model *m) {
        m->engine.killed = true;
        engine_end_now(m);
}

static void learn(struct model *m) {
        const struct instance *e = &m->engine;
        if (e->peak_bytes == 0)
                return;
        m->learned = policy_footprint_learn(m->learned, &m->form.facts, e->rest_peak_bytes, e->worked);
        const struct footprint_record record = { .learned = m->learned,
                                                 .load_ms = m->load_ms,
                                                 .service_ms = m->service_ms,
                                                 .predicted_bytes = m->form.predicted.total_bytes,
                                                 .peak_bytes = e->peak_bytes };
        footprints_learn(m->fleet->footprints, m->config->id, m->files.key, &record);
}

/* The engine's own fault, or that of a machine (or a service above us) that had nothing left. */
static void describe_oom(const struct model *m, struct failure *ret) {
        const struct instance *e = &m->engine;
        if (e->group_end.limit_ooms > 0)
                failure_set(ret, REASON_ENGINE_DIED,
                            "the kernel killed the engine of model '%s' (oom_kill %" PRIu64
                            "): it grew to the limit of its control group, %" PRIu64 " MiB, with an account of %" PRIu64 " MiB",
                            m->config->id, e->group_end.oom_kills, MIB(e->group_bytes), MIB(model_account_bytes(m)));
        else
                failure_set(ret, REASON_ENGINE_DIED,
                            "the kernel killed the engine of model '%s' (oom_kill %" PRIu64
                            ") because this machine had no memory left: it held %" PRIu64 " MiB, with an account of %" PRIu64
                            " MiB and a limit of %" PRIu64 " MiB",
                            m->config->id, e->group_end.oom_kills, MIB(sat_add(e->memory.pss_bytes, e->memory.swap_bytes)),
                            MIB(model_account_bytes(m)), MIB(e->group_bytes));
}

/* The engine ended by itself, or we ended it because it misbehaved. The sentence names the model, the cause and the exit. */
static void describe_death(const struct model *m, struct failure *ret) {
        const struct instance *e = &m->engine;
        const char *id = m->config->id;
        if (e->said_failed)
                failure_set(ret, REASON_LOAD_FAILED, "model '%s' cannot be loaded: %s", id, e->sentence);
        else if (e->group_end.oom_kills > 0)
                describe_oom(m, ret);
        else if (e->sentence[0])
                failure_set(ret, REASON_ENGINE_DIED, "the engine of model '%s' was ended: %s", id, e->sentence);
        else
                failure_set(ret, REASON_ENGINE_DIED, "the engine of model '%s' ended %s (%s)", id,
                            e->was_ready ? "unexpectedly" : "while it loaded", m->last_exit);
}

static void settle_death(struct model *m) {
        struct instance *e = &m->engine;
        uint64_t now = fleet_clock_ms();
        struct failure failure;
        describe_death(m, &failure);
        m->deaths_count++;
        const struct engine_life life = { e->was_ready, sat_sub(now, e->ready_ms), e->answers };
        uint64_t pause = cooldown_begin(m, now, &life);
        govern_note(m->fleet, &(struct note){ .kind = NOTE_DEATH,
                                              .model = m->number,
                                              .for_model = UINT32_MAX,
                                              .because = failure.reason,
                                              .bytes = e->memory.pss_bytes });
        (void) snprintf(m->last_error, sizeof(m->last_error), "%s", failure.message);
        log_error(e->was_ready ? "engine_died" : "load_failed", LOG_TEXT("model", m->config->id),
                  LOG_TEXT("message", failure.message), LOG_TEXT("exit", m->last_exit), LOG_NUMBER("running", m->running.count),
                  LOG_NUMBER("waiting", m->waiting.count), LOG_NUMBER("failures", m->backoff.failures),
                  LOG_NUMBER("cooldown_ms", pause), LOG_MAYBE("advice", failure.advice), LOG_MAYBE("stderr", m->last_words));
        if (pause > 0 && failure.should_retry != 0)
                failure_set_retry_after(&failure, pause);
        requests_give_back(m, &failure, pause == 0);
        if (pause == 0)
                return;
        operator_jobs_finish(m->fleet, &m->loads, &failure);
        requests_fail(m, &m->waiting, &failure);
}

/*
 * The engine was in nobody's way but the machine's: no mark against it, and requests without an answer so far wait for it again.
 */
static void settle_ended(struct model *m) {
        struct instance *e = &m->engine;
        struct failure failure;
        failure_set(&failure, REASON_ENGINE_DIED, "the engine of model '%s' was ended to keep this machine alive: %s",
                    m->config->id, reason_info(e->ended_because)->sentence);
        if (m->running.count > 0)
                (void) snprintf(m->last_error, sizeof(m->last_error), "%s", failure.message);
        failure_set_retry_after(&failure, 1000ull * reason_info(REASON_MEMORY_HELD)->retry_after_s);
        requests_give_back(m, &failure, true);
}

/* The process is gone. Its memory counts until it shows as free. */
static void settle(struct model *m) {
        struct instance *e = &m->engine;
        learn(m);
        if (e->ended) {
                settle_ended(m);
                return;
        }
        if (!e->expected) {
                settle_death(m);
                return;
        }
        /* The engine was told to go; requests it still served (it was forced, or took too long) are told why. */
        struct failure failure;
        failure_set(&failure, m->fleet->stopping ? REASON_SHUTTING_DOWN : REASON_UNLOADED, NULL);
        requests_fail(m, &m->running, &failure);
}

static void forget(struct model *m) {
        struct fleet *f = m->fleet;
        struct instance *e = &m->engine;
        uint64_t now = fleet_clock_ms();
        log_info("unloaded", LOG_TEXT("model", m->config->id),
                 LOG_TEXT("reason", e->ended      ? reason_info(e->ended_because)->word
                                    : e->expected ? reason_info(e->why_stopped)->word
                                                  : "engine_died"),
                 LOG_NUMBER("freed_mib", MIB(e->memory.pss_bytes)), LOG_NUMBER("peak_mib", MIB(e->peak_bytes)),
                 LOG_NUMBER("predicted_mib", MIB(m->form.predicted.total_bytes)),
                 LOG_NUMBER("available_mib", MIB(f->available_bytes)), LOG_NUMBER("took_ms", sat_sub(now, e->stopping_ms)),
                 LOG_NUMBER("killed", e->killed));
        /* A preloaded model that was told to go, by the operator or for another, comes back only when it is asked for. */
        if (m->config->preload && !e->expected && !e->ended && !f->stopping)
                m->preload = true;
        m->engine = (struct instance){ 0 };
        operator_jobs_finish(f, &m->unloads, NULL);
}

static void act(struct model *m, enum model_action what) {
        switch (what) {
        case MODEL_ACTION_NONE: break;
        case MODEL_ACTION_START: start_engine(m); break;
        case MODEL_ACTION_SHUT_DOWN:
                begin_stopping(m);
                throttle_release(m);
                m->engine.expected = true;
                m->ops->stop(m);
                break;
        case MODEL_ACTION_AWAIT_EXIT: m->engine.stopping_ms = fleet_clock_ms(); break;
        case MODEL_ACTION_KILL:
                if (m->engine.stopping_ms == 0)
                        begin_stopping(m);
                kill_engine(m);
                break;
        case MODEL_ACTION_SETTLE:
                if (m->engine.stopping_ms == 0)
                        m->engine.stopping_ms = fleet_clock_ms();
                settle(m);
                break;
        case MODEL_ACTION_FORGET: forget(m); break;
        }
}

void model_event(struct model *m, enum model_event_kind event) {
        struct model_transition step = model_state_next(m->state, event);
        fleet_poke(m->fleet);
        if (!step.known) {
                log_error("life_error", LOG_TEXT("model", m->config->id), LOG_TEXT("life", model_state_name(m->state)),
                          LOG_TEXT("happened", model_event_name(event)),
                          LOG_TEXT("effect", m->engine.process ? "the engine is ended" : "ignored"));
                if (m->engine.process)
                        kill_engine(m);
                return;
        }
        if (step.next != m->state && step.next == MODEL_WAITING) {
                m->last_answer = (struct load){ 0 };
                m->answer_logged = false;
        }
        m->fleet->changed = m->fleet->changed || step.next != m->state;
        if (step.next != m->state)
                log_debug("state", LOG_TEXT("model", m->config->id), LOG_TEXT("from", model_state_name(m->state)),
                          LOG_TEXT("to", model_state_name(step.next)), LOG_TEXT("because", model_event_name(event)));
        m->state = step.next;
        act(m, step.action);
}

/* --- the effects of time on a model --- */

/* A busy engine that has said nothing for long is asked something; if it stays silent, it hangs. */
static void watch_silence(struct model *m) {
        struct instance *e = &m->engine;
        const struct fleet *f = m->fleet;
        if (m->running.count == 0)
                return;
        uint64_t ping = sat_add(e->heard_ms, f->ping_after_ms), end = sat_add(e->heard_ms, f->silent_max_ms);
        if (end <= f->now_ms) {
                char sentence[128];
                (void) snprintf(sentence, sizeof(sentence), "it %s: it was busy and said nothing for %" PRIu64 " s",
                                e->stopped ? "was stopped by somebody" : "hangs", f->silent_max_ms / 1000);
                end_engine(m, sentence);
                return;
        }
        if (ping <= f->now_ms && !e->pinged) {
                e->pinged = true;
                engine_measure(m);
        }
        fleet_due(m->fleet, ping > f->now_ms ? ping : end);
}

/* What runs may finish; then it is loaded anew, from the file as it is by then. */
static bool leaves_changed_weights(struct model *m) {
        if (!m->engine.weights_changed)
                return false;
        log_warning(
                "weights_changed", LOG_TEXT("model", m->config->id), LOG_TEXT("file", m->config->path),
                LOG_TEXT("effect", "the model is drained and loaded anew"),
                LOG_TEXT("advice", "put a new file in the place of the old one by renaming: what is loaded keeps the old one"));
        m->preload = true;
        model_leave(m, REASON_FILE_CHANGED, NULL);
        return true;
}

uint64_t model_keep_alive_ms(const struct model *m) {
        return m->engine.is_kept_as_told ? m->engine.keep_alive_ms : m->config->keep_alive_ms;
}

static void tick_ready(struct model *m) {
        struct instance *e = &m->engine;
        if (leaves_changed_weights(m))
                return;
        requests_send(m);
        prefix_client_tick(m);
        watch_silence(m);
        uint64_t keep_alive_ms = model_keep_alive_ms(m);
        if (m->state != MODEL_READY || m->running.count > 0 || m->waiting.count > 0 || m->config->pinned ||
            keep_alive_ms == CONFIG_FOREVER)
                return;
        uint64_t expires = u64_max(sat_add(u64_max(e->ready_ms, e->last_end_ms), keep_alive_ms), model_protected_until_ms(m));
        if (expires <= m->fleet->now_ms)
                model_leave(m, REASON_IDLE, NULL);
        else
                fleet_due(m->fleet, expires);
}

static void tick_loading(struct model *m) {
        uint64_t limit_ms = m->fleet->config->load_timeout_ms;
        uint64_t deadline = sat_add(m->engine.started_ms, limit_ms);
        if (deadline > m->fleet->now_ms) {
                fleet_due(m->fleet, deadline);
                return;
        }
        char sentence[128];
        (void) snprintf(sentence, sizeof(sentence), "it was not ready within %" PRIu64 " s (load_timeout)", limit_ms / 1000);
        end_engine(m, sentence);
}

/* Small models drown in what other programs do meanwhile, so only a large one's bytes are looked for. */
static bool memory_is_back(struct model *m) {
        struct fleet *f = m->fleet;
        const struct instance *e = &m->engine;
        uint64_t taken = sat_sub(e->memory.pss_bytes, e->memory.file_bytes);
        if (f->stopping || taken < FREED_BYTES_MIN || e->available_before_bytes == 0 ||
            f->available_bytes >= sat_add(e->available_before_bytes, taken / 2))
                return true;
        if (sat_sub(f->now_ms, e->exited_ms) >= FREED_WAIT_MAX_MS) {
                log_warning("not_seen_free", LOG_TEXT("model", m->config->id), LOG_NUMBER("expected_mib", MIB(taken)),
                            LOG_NUMBER("available_before_mib", MIB(e->available_before_bytes)),
                            LOG_NUMBER("available_mib", MIB(f->available_bytes)));
                return true;
        }
        fleet_due(f, f->now_ms + FREED_POLL_MS);
        return false;
}

static void tick_stopping(struct model *m) {
        struct instance *e = &m->engine;
        if (e->exited) {
                if (memory_is_back(m))
                        model_event(m, MODEL_EVENT_FREED);
                return;
        }
        uint64_t deadline = sat_add(e->stopping_ms, m->fleet->config->stop_timeout_ms);
        if (e->killed)
                return;
        if (deadline > m->fleet->now_ms) {
                fleet_due(m->fleet, deadline);
                return;
        }
        log_warning("stop_timeout", LOG_TEXT("model", m->config->id), LOG_NUMBER("pid", e->pid),
                    LOG_TEXT("effect", "the engine is killed"));
        model_event(m, MODEL_EVENT_END);
}

static void tick_absent(struct model *m) {
        if (!model_wanted(m))
                return;
        if (cooldown_left(m, m->fleet->now_ms) > 0)
                fleet_due(m->fleet, m->backoff.until_ms);
        else
                model_event(m, MODEL_EVENT_WANTED);
}

void model_tick(struct model *m) {
        requests_expire(m);
        operator_jobs_expire(m);
        engine_watch(m);
        switch (m->state) {
        case MODEL_ABSENT: tick_absent(m); break;
        case MODEL_INSPECTING:
        case MODEL_WAITING:
                if (!model_wanted(m))
                        model_event(m, MODEL_EVENT_UNWANTED);
                break;
        case MODEL_LOADING: tick_loading(m); break;
        case MODEL_READY: tick_ready(m); break;
        case MODEL_DRAINING:
                watch_silence(m);
                if (m->state == MODEL_DRAINING && m->running.count == 0 && !prefix_client_delay_leaving(m))
                        model_event(m, MODEL_EVENT_EMPTY);
                break;
        case MODEL_STOPPING: tick_stopping(m); break;
        case MODEL_COUNT: break;
        }
}
