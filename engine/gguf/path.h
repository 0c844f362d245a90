/* path.h - a GGUF container by the path of its file, or of any part of it. */
#ifndef HEADROOM_ENGINE_GGUF_PATH_H
#define HEADROOM_ENGINE_GGUF_PATH_H

#include "engine/gguf/gguf.h"

/* As gguf_open, of the files that files.h finds; *reterr begins with the path that it is about. */
int gguf_open_path(const char *path, struct gguf **ret, struct gguf_error *reterr);

#endif
