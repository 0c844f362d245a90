/* target.h - the target of a request line: where the path ends, and what its %XX mean. Pure. */
#ifndef HEADROOM_DAEMON_HTTP_TARGET_H
#define HEADROOM_DAEMON_HTTP_TARGET_H

#include <stddef.h>

/* The "host:1" of a target in absolute form, and how long it is; NULL for others. */
const char *http_target_authority(const char *target, size_t *ret_length);

/*
 * Turns a target ("/a%20b?q", "http://host/a", "*") into its decoded path, in place, and the query as it came ("": none).
 * 0, or -EINVAL when it is none of these, or an escape is no escape or stands for a control character or broken UTF-8.
 */
int http_target_path(char *target, const char **ret_path, const char **ret_query);

/* The decoded value of NAME in a query ("a=1&b=x%20y"); "" when it is not there. -EINVAL when it is no text or too long. */
int http_query_value(const char *query, const char *name, char *ret, size_t size);

#endif
