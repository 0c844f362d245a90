/* kill.h - the control group that an engine is in, and ending it at once. */
#ifndef HEADROOM_DAEMON_ENGINES_KILL_H
#define HEADROOM_DAEMON_ENGINES_KILL_H

struct model;

/* Enters the engine that is about to start into a control group, where we have a tree; a descriptor or -1. */
int engine_group_begin(struct model *m);
/* Raises the limit of the group after the account of M has grown. */
void engine_group_follow(struct model *m);
/* Lowers it after the account has fallen, as soon as the group holds no more than that: else the kernel would reclaim, or kill. */
void engine_group_lower(struct model *m);
/* The process is gone. */
void engine_group_end(struct model *m);
/* Now, without a word to it. Allocates and opens nothing. */
void engine_end_now(struct model *m);
void engine_rehearse_end(const struct model *m);

#endif
