/*
 * limits.h - what the configuration allows: bounds of memory and heat.
 *
 * Units are in the names. A counter that is not known is 0, a time that never comes is UINT64_MAX.
 */
#ifndef HEADROOM_POLICY_STATE_LIMITS_H
#define HEADROOM_POLICY_STATE_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

struct limits {
        uint64_t budget_bytes;     /* all engines together; 0: no limit */
        uint32_t weights_permille; /* of RAM that weights may fill; 0: no limit */
        uint64_t reserve_bytes;
        uint64_t min_residency_ms; /* a just loaded model is left alone so long, but for emergencies */
        uint64_t turn_ms;          /* others' requests go on so long after a waiter came; 0: as min_residency_ms */
        uint32_t batch_from_minute, batch_until_minute; /* of the day: when batch begins, and does no more; equal: at any time */
        uint64_t wait_ms;                               /* a waiter is given up after so long; 0: never */
        bool passive;                           /* the governor only looks: nothing is held, and only loads are carried out */
        bool heat_ignored;                      /* thermal control is off */
        uint32_t margin_target_millidegrees;    /* below critical: what the controller holds; 15000 */
        uint32_t critical_default_millidegrees; /* of a control sensor that does not tell its own; 100000 */
};

#endif
