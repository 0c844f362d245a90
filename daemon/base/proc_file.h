/*
 * proc_file.h - a small file of /proc or /sys, opened once and read again and again, or read once by its name.
 *
 * Reading a descriptor is pread into the caller's buffer: it opens and allocates nothing, so it works when memory is gone. A
 * file that cannot be opened is kept as the error in the descriptor's place, so every reader learns why.
 */
#ifndef HEADROOM_DAEMON_BASE_PROC_FILE_H
#define HEADROOM_DAEMON_BASE_PROC_FILE_H

#include <stddef.h>

/* DIRECTORY and NAME are simply joined. A descriptor, or -errno; -ENAMETOOLONG for over PLACE_MAX. */
int proc_file_open(const char *directory, const char *name);
/* Does nothing for an error. */
void proc_file_close(int fd);

/* Whole and terminated; what is longer than the buffer is cut. The length, or -errno; for FD < 0 that error again. */
int proc_file_read(int fd, char *text, size_t size);
/* In one go, which is enough for a file of one record: one number, one line, PSI. */
int proc_file_read_once(int fd, char *text, size_t size);

/* Opens DIRECTORY with NAME behind it, reads it whole and closes it. As proc_file_read, or what opening gave. */
int proc_file_read_at(const char *directory, const char *name, char *text, size_t size);

/* The process or the box is out of what opening takes: says nothing about the file. */
int proc_file_is_want(int error);

#endif
