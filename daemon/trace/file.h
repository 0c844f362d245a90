/* file.h - the file of a trace. Both may wait for a disk. */
#ifndef HEADROOM_DAEMON_TRACE_FILE_H
#define HEADROOM_DAEMON_TRACE_FILE_H

#include <stddef.h>

/* Makes STATE_DIR/traces/NAME, which must not be there yet, for its owner alone. A descriptor to write to, or -errno. */
int trace_file_make(const char *state_dir, const char *name);
/* 0 or -errno. */
int trace_file_write(int fd, const char *bytes, size_t count);

#endif
