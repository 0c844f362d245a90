/* tracing.h - the traces of models: begun and ended by the operator, kept through the lives of their engines. */
#ifndef HEADROOM_DAEMON_MODELS_TRACING_H
#define HEADROOM_DAEMON_MODELS_TRACING_H

#include <stdint.h>

#include "daemon/trace/traces.h"

struct fleet;

int tracing_open(struct fleet *f); /* 0 or -ENOMEM */
/* In the tick: ends what is to end. */
void tracing_tick(struct fleet *f);

/* As traces_begin and traces_end. */
enum reason fleet_trace_begin(struct fleet *f, uint32_t model, uint32_t minutes, trace_done *on_done, void *user);
enum reason fleet_trace_end(struct fleet *f, uint32_t model, trace_done *on_done, void *user);
/* ON_TRACE is called for each trace that begins (RUNS) or ends, unless NULL. */
typedef void fleet_traced(void *user, uint32_t model, bool runs, enum reason because);
void fleet_on_trace(struct fleet *f, fleet_traced *on_trace, void *user);

#endif
