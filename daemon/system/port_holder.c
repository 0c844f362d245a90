/* port_holder.c - see port_holder.h. From /proc: the socket's inode, then the process that has it open. */
#include "daemon/system/port_holder.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/cleanup.h"

struct socket_found {
        unsigned long inode;
        unsigned user;
};

/* PATH is /proc/net/tcp or tcp6; HOST as it is written there, or NULL for any. */
static bool find_socket(const char *path, const char *host, uint16_t port, struct socket_found *ret) {
        static const char listening[] = "0A", everywhere[] = "00000000";
        FILE *file = fopen(path, "re");
        char line[256], local[40], state[4];
        unsigned local_port;
        bool is_found = false;

        while (file && !is_found && fgets(line, sizeof line, file))
                is_found = sscanf(line, " %*[^:]: %32[0-9A-F]:%4X %*s %3s %*s %*s %*s %u %*s %lu", local, &local_port, state,
                                  &ret->user, &ret->inode) == 5 &&
                           !strcmp(state, listening) && local_port == port &&
                           (!host || !strcmp(local, host) || !strcmp(local, everywhere));
        if (file)
                (void) fclose(file);
        return is_found;
}

static bool has_open(const char *pid, const char *socket_name) {
        char path[320], target[64];
        struct dirent *entry;
        bool is_found = false;

        (void) snprintf(path, sizeof path, "/proc/%s/fd", pid);
        DIR *dir = opendir(path);
        while (dir && !is_found && (entry = readdir(dir))) {
                ssize_t length = readlinkat(dirfd(dir), entry->d_name, target, sizeof target - 1);
                target[length > 0 ? length : 0] = 0;
                is_found = !strcmp(target, socket_name);
        }
        if (dir)
                (void) closedir(dir);
        return is_found;
}

static void name_process(const char *pid, char *ret, size_t size) {
        char path[300], name[32] = "a program";

        (void) snprintf(path, sizeof path, "/proc/%s/comm", pid);
        auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t length = fd < 0 ? 0 : read(fd, name, sizeof name - 1);
        if (length > 0)
                name[length - (name[length - 1] == '\n')] = 0;
        (void) snprintf(ret, size, "%s (pid %s)", name, pid);
}

static bool find_process(unsigned long inode, char *ret, size_t size) {
        char socket_name[40];
        struct dirent *entry;
        bool is_found = false;

        (void) snprintf(socket_name, sizeof socket_name, "socket:[%lu]", inode);
        DIR *proc = opendir("/proc");
        while (proc && !is_found && (entry = readdir(proc)))
                if (isdigit((unsigned char) entry->d_name[0]) && has_open(entry->d_name, socket_name)) {
                        name_process(entry->d_name, ret, size);
                        is_found = true;
                }
        if (proc)
                (void) closedir(proc);
        return is_found;
}

bool port_holder(const char *address, uint16_t port, char *ret, size_t size) {
        struct socket_found found;
        struct in_addr v4;
        char host[9];

        bool is_v4 = inet_pton(AF_INET, address, &v4) == 1;
        (void) snprintf(host, sizeof host, "%08X", is_v4 ? v4.s_addr : 0);
        if (!(is_v4 && find_socket("/proc/net/tcp", host, port, &found)) && !find_socket("/proc/net/tcp6", NULL, port, &found))
                return false;
        if (!find_process(found.inode, ret, size))
                (void) snprintf(ret, size, "a program of user %u", found.user);
        return true;
}
