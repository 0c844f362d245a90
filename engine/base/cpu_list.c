/* cpu_list.c - see cpu_list.h. */
#include "engine/base/cpu_list.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *skip_spaces(const char *at) {
        return at + strspn(at, " \t\n");
}

/* The number at *AT, which is moved behind it and the spaces that follow. */
static int read_number(const char **at, uint32_t *ret) {
        const char *from = *at = skip_spaces(*at);
        uint32_t number = 0;
        for (; **at >= '0' && **at <= '9'; (*at)++) {
                number = number * 10 + (uint32_t) (**at - '0');
                if (number >= CPU_LIST_CPUS)
                        return -ERANGE;
        }
        if (*at == from)
                return -EINVAL;
        *at = skip_spaces(*at);
        *ret = number;
        return 0;
}

static int read_range(const char **at, uint32_t *ret_first, uint32_t *ret_last) {
        int r = read_number(at, ret_first);
        *ret_last = *ret_first;
        if (r == 0 && **at == '-') {
                (*at)++;
                r = read_number(at, ret_last);
        }
        return r == 0 && *ret_last < *ret_first ? -EINVAL : r;
}

int cpu_list_read(const char *text, struct cpu_list *ret) {
        struct cpu_list list = { { 0 } };
        for (const char *at = text;; at++) {
                uint32_t first = 0, last = 0;
                int r = read_range(&at, &first, &last);
                if (r < 0)
                        return r;
                for (uint32_t i = first; i <= last; i++)
                        list.bits[i / 64] |= UINT64_C(1) << i % 64;
                if (*at == '\0')
                        break;
                if (*at != ',')
                        return -EINVAL;
        }
        *ret = list;
        return 0;
}

const char *cpu_list_text(const struct cpu_list *l, char text[CPU_LIST_TEXT_BYTES]) {
        uint32_t used = 0;
        text[0] = '\0';
        for (uint32_t i = 0, end; i < CPU_LIST_CPUS; i = end + 1) {
                for (end = i; end < CPU_LIST_CPUS && cpu_list_has(l, end);)
                        end++;
                if (end > i)
                        used += (uint32_t) snprintf(text + used, CPU_LIST_TEXT_BYTES - used, end > i + 1 ? "%s%u-%u" : "%s%u",
                                                    used ? "," : "", i, end - 1);
        }
        return text;
}

bool cpu_list_has(const struct cpu_list *l, uint32_t cpu) {
        return cpu < CPU_LIST_CPUS && (l->bits[cpu / 64] >> cpu % 64 & 1);
}

bool cpu_list_is_empty(const struct cpu_list *l) {
        for (uint32_t i = 0; i < CPU_LIST_CPUS / 64; i++)
                if (l->bits[i])
                        return false;
        return true;
}
