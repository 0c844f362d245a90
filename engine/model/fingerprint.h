/*
 * fingerprint.h - identifies the model in a file by its contents, wherever it lies and whatever it is called.
 *
 * For remembering what was measured of a model, not a defence against a file made to look like another. Some parts of the
 * file are read, so that it costs the same for one of 1 MB and of 100 GB.
 */
#ifndef HEADROOM_ENGINE_MODEL_FINGERPRINT_H
#define HEADROOM_ENGINE_MODEL_FINGERPRINT_H

#include <stdint.h>

/* Of all parts in order, open for reading. 0 and *ret, or -errno. */
int model_identity(const int fds[], uint32_t count, uint64_t *ret);
/* Opens them by the path of any part (gguf/files.h). */
int model_identity_of_path(const char *path, uint64_t *ret);

#endif
