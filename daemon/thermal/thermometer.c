/* thermometer.c - the list of those that are there, and their keys: FNV-1a, 32 bits (Fowler, Noll, Vo). */
#include "daemon/thermal/thermometer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/base/proc_file.h"
#include "policy/base/hash.h"

uint32_t thermometer_key(const char *first, ...) {
        uint32_t hash = HASH_START_32;
        va_list texts;
        va_start(texts, first);
        for (const char *text = first; text; text = va_arg(texts, const char *))
                hash = hash_bytes_32(hash, text, strlen(text) + 1); /* with its end, so that "ab" "c" is not "a" "bc" */
        va_end(texts);
        return hash ? hash : 1;
}

static bool has_key(const struct thermometers *list, uint32_t key) {
        for (uint32_t i = 0; i < list->count; i++)
                if (list->all[i].key == key)
                        return true;
        return false;
}

static uint32_t lowest(const struct thermometers *list) {
        uint32_t at = 0;
        for (uint32_t i = 1; i < list->count; i++)
                if (list->all[i].rank <= list->all[at].rank)
                        at = i;
        return at;
}

void thermometers_add(struct thermometers *list, const struct thermometer *t) {
        char path[PLACE_MAX];
        struct stat file;
        struct thermometer added = *t;
        int length = snprintf(path, sizeof(path), "%s%s%s", t->directory, t->base, t->input);
        if (length < 0 || (size_t) length >= sizeof(path) || stat(path, &file) < 0)
                return;
        added.input_device = file.st_dev;
        added.input_inode = file.st_ino;
        while (has_key(list, added.key)) {
                char mixed[16];
                (void) snprintf(mixed, sizeof(mixed), "%u", added.key);
                added.key = thermometer_key(mixed, t->base, NULL);
        }
        if (list->count < SENSORS_MAX) {
                list->all[list->count++] = added;
                return;
        }
        list->left_out++;
        uint32_t at = lowest(list);
        if (list->all[at].rank < added.rank)
                list->all[at] = added;
}

bool thermometer_word(const char *directory, const char *name, char ret[CHIP_NAME_MAX]) {
        char text[NUMBER_TEXT_MAX];
        int r = proc_file_read_at(directory, name, text, sizeof(text));
        size_t length = r > 0 ? strcspn(text, "\n") : 0;
        if (length == 0 || length >= CHIP_NAME_MAX)
                return false;
        memcpy(ret, text, length);
        ret[length] = '\0';
        return true;
}
