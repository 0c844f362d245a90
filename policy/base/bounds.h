/* bounds.h - every limit of the policy folder, and why it has that value. */
#ifndef HEADROOM_POLICY_BASE_BOUNDS_H
#define HEADROOM_POLICY_BASE_BOUNDS_H

/* Engines alive or promised at once. Each is a process of at least tens of MiB; 64 fill any one box. */
#define ACCOUNTS_MAX 64u

/* Sets of victims are compared one by one up to this many candidates (2^12 sets, well under a millisecond); beyond it,
 * greedily. */
#define VICTIMS_EXACT_MAX 12u

/* An idle model is worth keeping for about as long as loading it again would take, but at least this long:
 * the pause of one client between two requests. */
#define IDLE_GRACE_MIN_MS 250u

/*
 * For so long after an answer the client is taken to be between two questions: short of the cliff itself, unloading its model
 * would cut a conversation for the sake of the reserve, and the next question would wait for room that is not there.
 */
#define IN_USE_MS 10000u

/* A waiter may not turn a busy model out sooner than this, however short the residency is set. */
#define TURN_MIN_MS 2000u

/* A waiter of lower priority than the busy model waits this many turns. */
#define TURNS_OF_PRIORITY 4u

/* Loads shorter than this count as this long: below it the time is process start, not the model. */
#define RELOAD_FLOOR_MS 500u

/* The usual time of a request is an average over about so many, and no single one counts for more than an hour. */
#define SERVICE_WEIGHT 8u
#define SERVICE_MAX_MS 3600000u
/* Before one has ended: a short answer on a small box. */
#define SERVICE_UNKNOWN_MS 5000u
/* A model that was never loaded here is read at this pace: a SATA disk's. */
#define LOAD_BYTES_PER_MS 500000u

#define MINUTES_OF_DAY 1440u

/* Forms in which a model may be loaded: as configured, with the least KV pool, and that in each lower precision. */
#define FORMS_MAX 4u

/*
 * KV pools grow to what is needed and this part more, in such steps: a step of a 1B model is 32 MiB, and an answer of a thousand tokens
 * asks once or twice. One that nobody has asked so long gives back what it does not use: a client may be between two questions.
 */
#define POOL_STEP_TOKENS  1024u
#define POOL_STEP_PART    4u
#define POOL_LEAST_TOKENS 64u /* a block: less is no growth */
#define POOL_REST_MS      IN_USE_MS

/* A context that is as large as memory allows is a multiple of this: people read it, and the next load's should be the same. */
#define CONTEXT_STEP 1024u
/* ... and takes this part of what is free: other requests of the model need room too, and other models. */
#define CONTEXT_FREE_PART 2u

/* Models that wait to be loaded and are answered at one look: each is a row of the plan, and more than can be loaded at once
 * gain nothing by an answer. */
#define WANTS_MAX 64u

/* Others hold the memory: how long a load is hoped for before it is refused, and how often is looked meanwhile. */
#define SHORT_GRACE_MS 5000u
#define SHORT_POLL_MS  500u

/* Backoff after repeated deaths: 10 s doubling to 5 min, forgotten after a minute of health. */
#define BACKOFF_FIRST_MS        10000u
#define BACKOFF_MAX_MS          300000u
#define BACKOFF_HEALTHY_MS      60000u
#define BACKOFF_HEALTHY_ANSWERS 100u /* no engine that crashes in a loop comes this far */

/*
 * Bounds of the learned factor for scratch and overhead, in thousandths of the prediction. Never under half, since a short life
 * shows too little. Never over 4 times: an engine that has grown further has its measured account against it while it lives, but
 * must not be kept out for ever afterwards.
 */
#define LEARNED_MIN     500u
#define LEARNED_NEUTRAL 1000u
#define LEARNED_MAX     4000u

/* --- the governor --- */

/* Forecasts of exhaustion at which a rung is entered. The first leaves time for what costs nothing, so that the next may
 * not be needed; the last is what an eviction of a large model takes. */
#define EXHAUSTION_TRIM_MS      90000u
#define EXHAUSTION_HOLD_MS      60000u
#define EXHAUSTION_EVICT_MS     20000u
#define EXHAUSTION_DOWNSHIFT_MS 10000u
#define EXHAUSTION_LAST_MS      3000u
/* A forecast beyond this is no reason to stay on a rung. */
#define EXHAUSTION_CALM_MS 120000u
/*
 * How long acts take until they show (policy/memory/lead.c); a rung whose acts take longer is entered so much earlier. Pages go back
 * at 4 GB/s (a process that ends: 5 to 10), KV is converted at 2 GB/s (docs/kv-cache.md: 2.1 to 3.3); gently it is given a quarter
 * of each step, so it takes five times as long. An order is heard after a step, of which a second is long; the next look sees what came of it.
 */
#define LEAD_RELEASED_PER_MS  4000000u
#define LEAD_CONVERTED_PER_MS 2000000u
#define LEAD_SLICES           5u
#define LEAD_EAR_MAX_MS       1000u
#define LEAD_SEEN_MS          LOOK_ACTING_MS
/* Beyond a day a forecast says nothing. */
#define FORECAST_FURTHEST_MS 86400000u

/* How far the slopes look back: weight 0.3 for a look after 500 ms is 500 * 0.7 / 0.3. The slow one averages over bursts
 * that come every second. */
#define SLOPE_FAST_MS 1167.0
#define SLOPE_SLOW_MS 7000.0
/* Standard deviations of noise that are taken off a slope. A single drop of any size reaches 1.9, two of three looks 2. */
#define FORECAST_SURE 2.25
/* Newton's rounds: 1e30 needs 50 halvings to come near. */
#define ROOT_ROUNDS_MAX 80

/* A drop between two looks that the next three have to confirm, in thousandths of RAM; the larger kind holds what would
 * grow meanwhile. */
#define STEP_LOOKS    3u
#define STEP_PERMILLE 10u
/* Those looks take this part of the time to the cliff at the pace of the drop, so that most of it is left to act in. */
#define STEP_PART     8u
#define JUMP_PERMILLE 50u

/* A decline must have cost this part of RAM, at most so many bytes, before it is news: 8 MiB on 1 GiB. The KV cache
 * of a few ordinary requests is less. */
#define DECLINE_MATERIAL_PART  128u
#define DECLINE_MATERIAL_BYTES (256ull << 20)
/* A load may take this much of what its promise fell by between two looks before it counts as a decline. */
#define LOAD_EXCESS_PERMILLE 1250u
/* A decline goes on if in the last so many ms it fell by this part of what its slope says: the slope of a growth that has stopped takes
 * seconds to fade, and no answer is cut for what is over. */
#define LATELY_MS       500u
#define LATELY_PERMILLE 750u
/* A decline that pauses for this long has ended. */
#define DECLINE_ENDS_MS 2000u
/* The lowest headroom is remembered for one to two of these periods. */
#define LOW_PERIOD_MS 120000u

/* Stall: at least 10 ms in 500 ms, and 200 pages a second came back in the same window (measured: calm boxes show
 * neither, a cliff shows 500 permille and 9000 pages). Twice in a row, since one window may be an accident. */
#define PRESSURE_WINDOW_MS 500u
#define STALL_PERMILLE     20u
#define STALL_PAGES_PER_S  200u
#define STALL_WINDOWS      2u
/* Swap moves 4 KiB pages; so do refaults where the page size is larger, near enough. */
#define PAGE_BYTES 4096u
/* A model that has just been loaded reads its weights for the first time: pages come back, and that is no thrash. */
#define STALL_WARM_MS 15000u
/* Thrash: below this part of its usual speed for so many windows, or this part of its weights came back in about 10 s. */
#define THRASH_RATE_PERMILLE 500u
#define THRASH_WINDOWS       2u
/* Without a single token for 10 s. */
#define SILENT_WINDOWS          20u
#define THRASH_LATELY_MS        10000u
#define THRASH_WEIGHTS_PERMILLE 300u
/* Livelock: a memory.high above the engine counts events while it stands still. */
#define LIVELOCK_PERMILLE 950u
#define LIVELOCK_WINDOWS  8u
/* Half a minute of it, with less than a tenth of its usual speed: it will not end by itself. */
#define HOPELESS_WINDOWS       60u
#define HOPELESS_RATE_PERMILLE 100u

/* A stall wants back what had to be read again in so long. */
#define STALL_HORIZON_S 5u

/* The reserve counts as eaten when this part of it is, at two looks at least so far apart: less is the breath of a box
 * into which the last model just fitted. */
#define BREACH_PART  64u
#define BREACH_LOOKS 2u
#define BREACH_MS    400u
/* Nearly nothing is left: this part of the reserve before the cliff. */
#define SCARCE_PART  8u
#define SCARCE_LOOKS 2u

/* How long an action may take to show. MemAvailable follows within milliseconds; a conversion of gigabytes takes a second or
 * two. After a stall the counters lag (pages come back for a while), and acting on them again makes a kill storm:
 * systemd-oomd and oomd wait for as long. */
#define SETTLE_MS       2000u
#define SETTLE_STALL_MS 15000u
/* An action has worked when this part of the expected bytes has come; and it is not tried again when less than that. */
#define KEPT_PERMILLE   750u
#define FAILED_PERMILLE 250u
#define FAILED_REST_MS  60000u
/* An action that goes on freeing something at its time, at least this part of what is expected, gets as long again, up to a limit:
 * gigabytes of KV are converted a slice at a time between decode steps, and a large engine is slow to go. */
#define PROGRESS_PERMILLE 50u
#define EFFECT_MAX_MS     30000u
/* An engine that stops is believed to bring its memory back for so long. */
#define LEAVING_TRUST_MS 10000u
/* Less than this is not worth an action. */
#define ACTION_BYTES_MIN (256ull << 10)
/* With the cliff this near, the last resort does not wait for a milder action to show. */
#define END_AT_ONCE_MS 1000u
/*
 * So long before the end of the way an answer is cut, what is on its way back included; sooner, the growth may end by itself.
 * The way ends where an eighth of the reserve is left (SCARCE_PART), or what the kernel and the libraries of running programs
 * need: they are dropped before all is gone.
 */
#define END_BEFORE_MS  800u
#define END_KEPT_PART  32u
#define END_KEPT_BYTES (64ull << 20)
/*
 * An answer is worth more than a few MiB: what an end frees must last for so long at the pace of the decline, or be this part of
 * what the decline has taken, and at least as much as makes a decline news (DECLINE_MATERIAL_*). Without the part 20 % more
 * of the boxes whose memory goes at 1 GiB/s fall; without both, one end in fifteen is for nothing.
 */
#define END_LASTS_MS    500u
#define END_FALLEN_PART 4u

/* A prefill chunk is cut to this part, never below so many tokens: a step must stay worth its overhead. */
#define CHUNK_PART 4u
#define CHUNK_MIN  16u
/* A context ceiling is lowered to this part at a time. */
#define CONTEXT_PART 2u

/* Rungs are left after 30 s without a reason to stay and with room to spare: twice the smaller of the reserve and this part
 * of RAM. Or after so long without one where the room is just enough. */
#define RECOVERY_MS       30000u
#define RECOVERY_TIGHT_MS 120000u
/* While nothing runs, a load may be tried sooner: admission asks for room anyway. */
#define RECOVERY_LOADS_MS 10000u
#define ROOMY_RAM_PART    32u
/* Restrictions are taken back one at a time, this far apart. */
#define GIVE_BACK_MS 10000u
/* More precise only after so long; and at most so many changes an hour and model (TRANSITIONS_MAX). */
#define UPSHIFT_CALM_MS    300000u
#define TRANSITION_KEPT_MS 3600000u

/* Time to look again: as long as memory would last at the fastest rate seen (earlyoom's 6 GB/s), within limits. */
#define LOOK_BYTES_PER_MS 6000000u
#define LOOK_MIN_MS       50u
#define LOOK_MAX_MS       1000u
/* Looks closer together than this are one look to the forecast: such a slope is all noise. */
#define LOOK_LEAST_MS 20u
/* While it gets worse or an action is awaited. */
#define LOOK_ACTING_MS 250u
/*
 * Looks become rarer when headroom has not fallen for 10 s, and again after a minute: a machine that lives at 90 % must not cost
 * 20 wake-ups a second.
 */
#define FLAT_MS       10000u
#define LOOK_FLAT_MS  250u
#define STILL_MS      60000u
#define LOOK_STILL_MS 500u
/*
 * ... but while somebody runs, who has an answer to lose and keeps the machine awake anyway, as often as leaves this many looks before
 * the cliff to a program that takes 1 GiB/s: what page faults of one processor give. That is no sooner than ten times a second, and
 * seldom on a box whose reserve is a gigabyte.
 */
#define LOOKS_TO_CLIFF     4u
#define LOOK_GROWTH_PER_MS (1u << 20)
#define LOOK_RUNNING_MS    100u
/* Calm, and room for seconds; no model loaded at all. */
#define LOOK_CALM_MS  2000u
#define LOOK_EMPTY_MS 5000u
/* Soon: something is to be confirmed, or the kernel told of pressure. */
#define LOOK_SOON_MS 100u
/* At the soonest, for a drop after which little time would be left. */
#define LOOK_STEP_MS 25u

/* Levels of heat: 0 is full speed. Eight, quantised with hysteresis: 65 changes an hour in simulation, 253 without. */
#define HEAT_LEVELS          8u
#define HEAT_HYSTERESIS_DOWN 0.6 /* of a step, to a slower level */
#define HEAT_HYSTERESIS_UP   0.8

/* Thermometers of one box: a server with two sockets of many cores has more, and is led by the packages. */
#define SENSORS_MAX 32u
/* Range of credible readings: 0, -127, 127.5, 255 and -99999999 are all on record as nonsense of drivers. */
#define SENSOR_LEAST_MILLIDEGREES 1000
#define SENSOR_MOST_MILLIDEGREES  125000
/* Silicon does not change faster than that; one degree of rounding on top. */
#define SENSOR_SLEW_PER_S 25000
#define SENSOR_ROUNDING   1000
/* Before a first few values nothing is known: the first may be a lie. */
#define VALUES_AT_FIRST 3u
/* A sensor is lost at the third miss. One that is not listed misses at most so often: devices are counted anew now and then. */
#define SENSOR_MISSES_MAX 3u
#define SENSOR_MISS_MS    500u
/* A control sensor that is not even listed any more is forgotten after so long, if another one works. */
#define SENSOR_FORGOTTEN_MS 600000u
#define LOAD_UNKNOWN        UINT32_MAX
/* A change of load that any thermometer of a processor shows within its digit: a tenth of all processors' time, seen twice, and from or
 * to a box that mostly rests. A processor under much load may stay at the temperature at which it slows itself down. */
#define STUCK_SWING_PERMILLE 100u
#define STUCK_REST_PERMILLE  300u
#define STUCK_READINGS       2u
/* One that has never moved is stuck after two, or after one and a minute; one that has is given long: an embedded controller that froze,
 * no calm day. */
#define STUCK_SWINGS       2u
#define STUCK_UNMOVED_MS   60000u
#define STUCK_MOVED_SWINGS 10u
#define STUCK_MOVED_MS     1800000u
/* Critical trips outside of this are firmware's mistakes: 20.8 and -274 degrees are on record. */
#define CRITICAL_LEAST_MILLIDEGREES 50000
#define CRITICAL_MOST_MILLIDEGREES  150000

/* The controller: part of full speed per degree, and per degree and second, more where it is too hot. Of 27 sets that were
 * tried against three boxes and a thousand random worlds the calmest that is never too hot for long. */
#define HEAT_GAIN           0.015
#define HEAT_GAIN_PER_S     0.0008
#define HEAT_GAIN_HOT_PER_S 0.006
#define HEAT_DEADBAND       1.5
#define HEAT_DOWN_PER_S     0.10
#define HEAT_UP_PER_S       0.01
#define HEAT_PERIOD_MS      900u
#define HEAT_PERIOD_MAX_MS  10000u
/* A level is not left for a faster one sooner than this. */
#define HEAT_DWELL_MS 30000u
/* Nearer to critical than this, or throttled: lowest level at once, for at least so long. */
#define HEAT_OVERRIDE_MILLIDEGREES 5000
#define HEAT_OVERRIDE_MS           30000u
/* Batch waits from this level on, until it has cooled to that one: windows of at least a minute, at most five, so that it
 * gets its turn on a box that is always hot. */
#define HEAT_BATCH_HELD      5u
#define HEAT_BATCH_FREE      3u
#define HEAT_BATCH_WINDOW_MS 60000u
#define HEAT_BATCH_HELD_MS   300000u

#endif
