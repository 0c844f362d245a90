/* outcome.h - reports to the governor: the outcomes of actions, and the ordinary changes of models. */
#ifndef HEADROOM_DAEMON_STATE_OUTCOME_H
#define HEADROOM_DAEMON_STATE_OUTCOME_H

#include "policy/state/plan.h"

struct fleet;
struct model;

/* RESULT: 0, or -errno. */
typedef void fleet_action_done(void *user, const struct action *action, int result);
void govern_tell(struct fleet *f, const struct action *action, int result);

enum note_kind {
        NOTE_LOAD,    /* an engine was started, with BYTES as its account */
        NOTE_UNLOAD,  /* an engine leaves: BYTES come back */
        NOTE_REFUSAL, /* a load was refused, and the waiting requests were told so */
        NOTE_DEATH,   /* an engine died or could not load its model */
        NOTE_STOP,    /* others have stopped an engine, or let it go on */
};

struct note {
        enum note_kind kind;
        uint32_t model;
        uint32_t for_model; /* NOTE_UNLOAD: that needs the room; UINT32_MAX: none */
        enum reason because;
        uint64_t bytes;
        struct room room; /* NOTE_REFUSAL: the rule that refused; else RULE_NONE */
};

/* NOTE is borrowed for the call. */
typedef void fleet_noted(void *user, const struct note *note);
void govern_note(struct fleet *f, const struct note *note);
/* The engine is gone: what it was asked for will not come. */
void govern_forget(struct model *m);

#endif
