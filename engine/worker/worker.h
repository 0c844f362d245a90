/*
 * worker.h - the process that headroomd starts: frames in, steps, frames out, on one thread.
 *
 * It ends with 0 when the peer closes or says shutdown, at once even amid answers: it looks between steps.
 * An unknown, untimely or mis-shaped frame ends it with 1 and a line on stderr. While the daemon does not read, no step
 * is made; while there is nothing to do, the process sleeps without a timer.
 */
#ifndef HEADROOM_ENGINE_WORKER_WORKER_H
#define HEADROOM_ENGINE_WORKER_WORKER_H

#include "engine/runtime/engine.h"

/* CONFIG without a sink; FILES_FD is -1 where no files can come. Says ready or failed, serves, and returns the exit code. */
int worker_run(int socket_fd, int files_fd, const struct engine_config *config);

#endif
