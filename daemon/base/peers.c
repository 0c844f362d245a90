/* peers.c - see peers.h. */
#include "daemon/base/peers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/cleanup.h"
#include "engine/base/file_io.h"
#include "policy/base/sat.h"

#define PREFIX "headroomd."

struct own_name {
        char text[48];
};

static struct own_name own_name(void) {
        struct own_name n;

        (void) snprintf(n.text, sizeof n.text, PREFIX "%u.%d", (unsigned) geteuid(), (int) getpid());
        return n;
}

/* The name appears when the file is written and locked, so that nobody takes it for one that was left behind. */
static int publish(int fd, int directory) {
        struct own_name name = own_name();
        char self[40];

        (void) snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
        (void) unlinkat(directory, name.text, 0); /* of an earlier process with our number */
        return linkat(AT_FDCWD, self, directory, name.text, AT_SYMLINK_FOLLOW) ? -errno : 0;
}

static int write_claim(int fd, uint64_t budget_bytes) {
        char text[48];
        int length = snprintf(text, sizeof text, "%d %llu\n", (int) getpid(), (unsigned long long) budget_bytes);
        int r = pwrite_all(fd, text, (size_t) length, 0);

        return r < 0 ? r : ftruncate(fd, length) ? -errno : 0;
}

int peers_join(const char *directory, uint64_t budget_bytes) {
        auto_close int place = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        auto_close int fd = place < 0 ? -1 : openat(place, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);

        if (fd < 0 || fchmod(fd, 0644) || flock(fd, LOCK_EX | LOCK_NB))
                return -errno;
        int r = write_claim(fd, budget_bytes);
        if (r == 0)
                r = publish(fd, place);
        return r < 0 ? r : take_fd(&fd);
}

void peers_tell(const char *directory, uint64_t budget_bytes) {
        struct stat st;
        auto_close int place = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        auto_close int fd = place < 0 ? -1 : openat(place, own_name().text, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

        if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid())
                (void) write_claim(fd, budget_bytes);
}

void peers_leave(const char *directory) {
        auto_close int place = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (place >= 0)
                (void) unlinkat(place, own_name().text, 0);
}

static bool read_claim(int fd, struct peer *ret) {
        char text[48] = "", end;
        int pid;
        unsigned long long bytes;

        if (pread(fd, text, sizeof text - 1, 0) <= 0 || sscanf(text, "%d %19llu%c", &pid, &bytes, &end) != 3 || end != '\n' ||
            pid <= 0)
                return false;
        ret->pid = pid;
        ret->budget_bytes = bytes;
        return true;
}

/* Anybody may put anything there: a link is not followed, a FIFO not waited for, and what we cannot read is nobody. */
static bool meet(int directory, const char *name, struct peer *ret) {
        struct stat st;
        auto_close int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

        if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode))
                return false;
        if (!flock(fd, LOCK_SH | LOCK_NB)) {
                if (st.st_uid == geteuid())
                        (void) unlinkat(directory, name, 0);
                return false;
        }
        ret->uid = st.st_uid;
        return errno == EWOULDBLOCK && read_claim(fd, ret);
}

void peers_look(const char *directory, pid_t self, struct peers *ret) {
        DIR *d = opendir(directory);
        const struct dirent *entry;

        ret->count = 0;
        if (!d)
                return;
        for (uint32_t i = 0; i < PEERS_NAMES_MAX && ret->count < PEERS_MAX && (entry = readdir(d)); i++)
                if (!strncmp(entry->d_name, PREFIX, strlen(PREFIX)) && meet(dirfd(d), entry->d_name, &ret->all[ret->count]) &&
                    ret->all[ret->count].pid != self)
                        ret->count++;
        (void) closedir(d);
}

static uint64_t total(const struct peers *p, uint64_t own_bytes) {
        for (uint32_t i = 0; i < p->count; i++)
                own_bytes = sat_add(own_bytes, p->all[i].budget_bytes);
        return own_bytes;
}

bool peers_exceed(const struct peers *p, uint64_t own_bytes, uint64_t ram_bytes) {
        return p->count > 0 && total(p, own_bytes) > ram_bytes;
}

void peers_sentence(const struct peers *p, uint32_t index, uint64_t own_bytes, uint64_t ram_bytes, char *ret, size_t size) {
        const struct peer *one = &p->all[index];

        (void) snprintf(
                ret, size,
                "another headroomd (pid %d, user %u) has a budget of %llu MiB; budgets are not shared: all together are %llu MiB of "
                "%llu MiB RAM%s",
                (int) one->pid, (unsigned) one->uid, (unsigned long long) (one->budget_bytes >> 20),
                (unsigned long long) (total(p, own_bytes) >> 20), (unsigned long long) (ram_bytes >> 20),
                peers_exceed(p, own_bytes, ram_bytes) ? ", so lower [memory] budget of one, or stop it" : "");
}
