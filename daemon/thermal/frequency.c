/* frequency.c - /sys/devices/system/cpu/cpuN/cpufreq/scaling_cur_freq, in kHz. */
#include "daemon/thermal/frequency.h"

#include <stdio.h>

#include "daemon/base/sensor_bounds.h"
#include "daemon/base/fields.h"
#include "daemon/base/proc_file.h"

uint32_t frequency_read(const char *sys) {
        uint64_t sum_khz = 0;
        uint32_t count = 0;
        for (unsigned number = 0; number < FREQUENCIES_MAX; number++) {
                char path[PLACE_MAX], text[NUMBER_TEXT_MAX];
                uint64_t khz;
                (void) snprintf(path, sizeof(path), "%s/devices/system/cpu/cpu%u/cpufreq/scaling_cur_freq", sys, number);
                int r = proc_file_read_at(path, "", text, sizeof(text));
                bool is_read = r > 0 && fields_number(text, &khz) && khz < UINT32_MAX;
                sum_khz += is_read ? khz : 0;
                count += is_read;
        }
        return count > 0 ? (uint32_t) (sum_khz / count / 1000) : 0;
}
