/* text_distance.h - how far a name is from the one that was meant. */
#ifndef HEADROOM_DAEMON_BASE_TEXT_DISTANCE_H
#define HEADROOM_DAEMON_BASE_TEXT_DISTANCE_H

#define TEXT_DISTANCE_LENGTH_MAX 128 /* bytes; longer texts are far from everything */

/* Edits (insert, delete, replace, swap neighbours; not the case of letters) from A to B, or FAR where there are as many or more. */
unsigned text_distance(const char *a, const char *b, unsigned far);

/* The edits in WORD that are still a slip of the fingers: two, one in a word so short that two make another of it. */
unsigned text_slip(const char *word);

#endif
