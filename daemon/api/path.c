/* path.c - see path.h. */
#include "daemon/api/path.h"

#include <stdio.h>
#include <string.h>

const char *path_match(const struct route *r, const char *path) {
        size_t length = strlen(r->path);
        bool takes_rest = length > 1 && r->path[length - 1] == '/';

        if (strncmp(path, r->path, length) != 0 || (takes_rest ? !path[length] : path[length]))
                return NULL;
        return path + length;
}

bool path_tidy(const char *path, char ret[API_PATH_MAX]) {
        size_t used = 0;

        for (; *path; path++) {
                if (*path == '/' && used > 0 && ret[used - 1] == '/')
                        continue;
                if (used + 1 == API_PATH_MAX)
                        return false;
                ret[used++] = *path;
        }
        while (used > 1 && ret[used - 1] == '/')
                used--;
        ret[used] = '\0';
        return true;
}

static bool is_known(const struct route *routes, const char *path) {
        for (const struct route *r = routes; r->path; r++)
                if (path_match(r, path))
                        return true;
        return false;
}

/* Whether PATH is a route of OpenAI's but for its version, which it gets. */
static bool versioned(const struct route *routes, const char *path, char ret[API_PATH_MAX]) {
        int length = snprintf(ret, API_PATH_MAX, "/v1%s", path);

        return length > 0 && length < (int) API_PATH_MAX && is_known(routes, ret);
}

const char *path_deployment(const struct route *routes, const char *path, size_t *ret_length) {
        static const char begin[] = "/openai/deployments/";
        char whole[API_PATH_MAX];
        const char *name = path + strlen(begin);

        if (strncmp(path, begin, strlen(begin)) != 0)
                return NULL;
        for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
                *ret_length = (size_t) (slash - name);
                if (*ret_length > 0 && versioned(routes, slash, whole))
                        return name;
        }
        return NULL;
}

const char *path_canonical(const struct route *routes, const char *path, char ret[API_PATH_MAX]) {
        size_t length;
        const char *name = path_deployment(routes, path, &length);

        if (!strncmp(path, "/openai/v1/", 11))
                return path + 7;
        return (name || !is_known(routes, path)) && versioned(routes, name ? name + length : path, ret) ? ret : path;
}
