/* exit_codes.h - how the program ends, whichever command it ran. */
#ifndef HEADROOM_ENGINE_BASE_EXIT_CODES_H
#define HEADROOM_ENGINE_BASE_EXIT_CODES_H

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

#endif
