/* path.h - the forms that a path may have, and what of them ROUTES know: a table that ends with a NULL path. */
#ifndef HEADROOM_DAEMON_API_PATH_H
#define HEADROOM_DAEMON_API_PATH_H

#include "daemon/api/api_internal.h"
#include "daemon/base/bounds.h"

/* The rest of PATH behind the route's own, or NULL when the route does not match. */
const char *path_match(const struct route *route, const char *path);
/* A slash too many, within or at the end, changes nothing. False: too long for any of ours. */
bool path_tidy(const char *path, char ret[API_PATH_MAX]);
/* OpenAI's paths without their version, with a word before it, or as Azure writes them: /openai/deployments/NAME/chat/completions. */
const char *path_canonical(const struct route *routes, const char *path, char ret[API_PATH_MAX]);
/* The model's name in a path of Azure's form, of *ret_length bytes; NULL: it has none. */
const char *path_deployment(const struct route *routes, const char *path, size_t *ret_length);

#endif
