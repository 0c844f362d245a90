/* swap.c - /proc/swaps, a line per device: "NAME TYPE SIZE USED PRIORITY", sizes in KiB, and zram's mm_stat. */
#include "daemon/sensors/swap.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/cleanup.h"
#include "daemon/base/proc_file.h"
#include "policy/base/sat.h"

/* "zramN" and nothing more. */
static bool zram_number(const char *name, size_t length, uint32_t *ret) {
        if (length < 5 || length > 9 || strncmp(name, "zram", 4) != 0)
                return false;
        for (size_t i = 4; i < length; i++)
                if (!isdigit((unsigned char) name[i]))
                        return false;
        *ret = (uint32_t) strtoul(name + 4, NULL, 10);
        return true;
}

void zrams_open(const char *sys, struct zrams *ret) {
        char path[PLACE_MAX];
        ret->count = 0;
        (void) snprintf(path, sizeof(path), "%s/block", sys);
        auto_closedir DIR *directory = opendir(path);
        for (struct dirent *entry; directory && ret->count < ZRAMS_MAX && (entry = readdir(directory));) {
                struct zram z;
                if (!zram_number(entry->d_name, strlen(entry->d_name), &z.number))
                        continue;
                (void) snprintf(path, sizeof(path), "%s/block/zram%u/mm_stat", sys, z.number);
                z.fd = proc_file_open(path, "");
                ret->all[ret->count++] = z;
        }
}

void zrams_close(struct zrams *z) {
        for (uint32_t i = 0; i < z->count; i++)
                proc_file_close(z->all[i].fd);
        z->count = 0;
}

/* The third number of mm_stat: memory that the device takes, with what it loses to fragmentation. */
static bool used_memory(const struct zrams *zrams, uint32_t number, uint64_t *ret) {
        char text[NUMBER_TEXT_MAX];
        unsigned long long used;
        for (uint32_t i = 0; i < zrams->count; i++) {
                if (zrams->all[i].number != number)
                        continue;
                if (proc_file_read_once(zrams->all[i].fd, text, sizeof(text)) < 0 || sscanf(text, "%*u %*u %llu", &used) != 1)
                        return false;
                *ret = used;
                return true;
        }
        return false;
}

/* One line without its end; false: not of the form. */
static bool take_device(const char *line, const struct zrams *zrams, struct swap_seen *seen) {
        size_t name_length = strcspn(line, " \t\n");
        unsigned long long size, used;
        if (sscanf(line + name_length, "%*s %llu %llu", &size, &used) != 2)
                return false;
        seen->devices++;
        seen->total_bytes = sat_add(seen->total_bytes, sat_mul(size, 1024));
        seen->used_bytes = sat_add(seen->used_bytes, sat_mul(used, 1024));
        const char *base = line + name_length;
        while (base > line && base[-1] != '/')
                base--;
        uint32_t number;
        if (!zram_number(base, (size_t) (line + name_length - base), &number))
                return true;
        seen->zram_devices++;
        uint64_t taken;
        if (used_memory(zrams, number, &taken))
                seen->zram_bytes = sat_add(seen->zram_bytes, taken);
        else
                seen->is_zram_unknown = true;
        return true;
}

int swap_parse(const char *text, const struct zrams *zrams, struct swap_seen *ret) {
        struct swap_seen seen = { 0 };
        if (strncmp(text, "Filename", 8) != 0)
                return -EBADMSG;
        for (const char *line = strchr(text, '\n'); line && line[1]; line = strchr(line + 1, '\n')) {
                if (!take_device(line + 1, zrams, &seen))
                        return -EBADMSG;
        }
        *ret = seen;
        return 0;
}
