/* target.h - the target of a request line: where the path ends, and what its %XX mean. Pure. */
#ifndef HEADROOM_DAEMON_HTTP_TARGET_H
#define HEADROOM_DAEMON_HTTP_TARGET_H

/*
 * Turns a target ("/a%20b?q", "http://host/a", "*") into its decoded path, in place; the query is cut off. 0, or
 * -EINVAL when it is none of these, or an escape is no escape or stands for a control character or broken UTF-8.
 */
int http_target_path(char *target, const char **ret_path);

#endif
