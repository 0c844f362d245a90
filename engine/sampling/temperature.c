/* temperature.c - see temperature.h. */
#include "engine/sampling/temperature.h"

#include <math.h>

static float dynamic(struct candidates *c, float temperature, float range, float exponent) {
        float least = temperature > range ? temperature - range : 0;
        candidates_weigh(c);
        double unsure = candidates_entropy(c) / log((double) c->count);
        return least + (temperature + range - least) * (float) pow(unsure, (double) exponent);
}

void temperature_apply(struct candidates *c, float temperature, float range, float exponent) {
        if (range > 0 && c->count > 1)
                temperature = dynamic(c, temperature, range, exponent);
        if (temperature <= 0)
                candidates_keep_best(c, 1);
        for (uint32_t i = 0; i < c->count && temperature > 0; i++)
                c->list[i].logit /= temperature;
}
