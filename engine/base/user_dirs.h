/*
 * user_dirs.h - where the files of an ordinary user go: the XDG base directories, or what stands for one that is not set. The
 * daemon and its control tool have to come to the same answer.
 */
#ifndef HEADROOM_ENGINE_BASE_USER_DIRS_H
#define HEADROOM_ENGINE_BASE_USER_DIRS_H

#include <stddef.h>

/*
 * The path of BELOW in $XDG_RUNTIME_DIR; else in /run/user/UID where there is one, as for who came by su or ssh; else in the
 * user's state directory. Its length; 0 where there is none of all, or it is longer than SIZE.
 */
size_t user_dirs_runtime(const char *below, char *ret, size_t size);
/* Likewise in $VARIABLE, or in IN_HOME below $HOME. */
size_t user_dirs_find(const char *variable, const char *in_home, const char *below, char *ret, size_t size);

#endif
