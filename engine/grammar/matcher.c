/*
 * matcher.c - see matcher.h.
 *
 * A frame is a node with a count (of a repetition) on top of another frame; equal frames are one, so a stack is the
 * number of its top. A transition takes each stack over one character and then on to every node that waits for the next
 * one. Everything is kept in a pool; there are two, so that what is in use can be carried from the full to the empty one.
 */
#include "engine/grammar/matcher.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_SLOTS (2 * MATCHER_FRAMES_MAX) /* powers of two */
#define STATE_SLOTS (2 * MATCHER_STATES_MAX)
#define PATH_STATES (GRAMMAR_PIECE_MAX + 2)
#define BOTTOM      0u /* the frame below all: whoever comes back to it has read the whole */

/* Room for the frames that one transition may add. */
#define FRAMES_ROOM (3 * MATCHER_STEPS_MAX + MATCHER_STACKS_MAX)
/* The most that is carried over when a pool is full. */
#define FRAMES_CARRIED (MATCHER_FRAMES_MAX / 2)
#define LISTS_CARRIED  (MATCHER_LISTS_MAX / 2)

enum { STATE_UNKNOWN = 0xffff, STATE_NONE = 0xfffe };
_Static_assert(MATCHER_STATES_MAX < STATE_NONE, "states are numbered in 16 bits");
_Static_assert(FRAMES_ROOM + FRAMES_CARRIED < MATCHER_FRAMES_MAX, "a pool that was carried over has room");
_Static_assert(LISTS_CARRIED + MATCHER_STACKS_MAX < MATCHER_LISTS_MAX, "and for a list");

struct frame {
        uint32_t node, count, parent;
        uint32_t depth; /* frames below it */
};

/* The beginning of a character. */
struct partial {
        uint32_t code;
        uint8_t left, length; /* bytes that are missing, and of the whole; 0, 0 between two characters */
};

struct state {
        uint32_t first, count; /* its stacks in `lists`, ascending */
        struct partial partial;
        bool may_end;
};

struct pool {
        struct frame *frames;
        uint32_t *lists;
        struct state *states;
        uint32_t frames_count, lists_count, states_count;
};

struct matcher {
        const struct grammar *g;
        struct pool pools[2], *pool;
        uint32_t *frame_slots; /* frame; 0: free */
        uint16_t *state_slots; /* state + 1; 0: free */
        uint16_t *nexts;       /* 256 for each state */
        uint32_t *marks;       /* of each frame: the transition that saw it last */
        uint32_t *numbers;     /* of each frame of the full pool: its number in the other one */
        uint32_t serial;
        uint32_t *work;  /* frames still to be looked at */
        uint32_t *found; /* stacks of the state that is being made */
        uint32_t found_count, steps;
        bool found_end;
        uint32_t work_left;
        uint64_t generation;
        uint16_t path[PATH_STATES];
        uint32_t path_count;
};

/* ---- frames ---- */

static uint32_t mix(uint32_t a, uint32_t b, uint32_t c) {
        uint64_t h = (a * 0x9e3779b97f4a7c15u) ^ (b * 0xc2b2ae3d27d4eb4fu) ^ (c * 0x165667b19e3779f9u);
        h ^= h >> 29;
        return (uint32_t) (h * 0xbf58476d1ce4e5b9u >> 32);
}

/* The frame, made where it is new. There is room. */
static uint32_t frame(struct matcher *m, uint32_t node, uint32_t count, uint32_t parent) {
        struct pool *p = m->pool;
        uint32_t slot = mix(node, count, parent) & (FRAME_SLOTS - 1);
        for (uint32_t id; (id = m->frame_slots[slot]); slot = (slot + 1) & (FRAME_SLOTS - 1))
                if (p->frames[id].node == node && p->frames[id].count == count && p->frames[id].parent == parent)
                        return id;
        assert(p->frames_count < MATCHER_FRAMES_MAX);
        uint32_t id = p->frames_count++;
        p->frames[id] = (struct frame){ node, count, parent, p->frames[parent].depth + 1 };
        m->frame_slots[slot] = id;
        m->marks[id] = 0;
        return id;
}

/* ---- from a node to those that wait for a character ---- */

/* To be looked at, if it leads to an end within the depth there is. */
static void visit(struct matcher *m, uint32_t *count, uint32_t node, uint32_t repeated, uint32_t parent) {
        if (m->pool->frames[parent].depth + m->g->nodes[node].need > MATCHER_DEPTH_MAX)
                return;
        m->work[(*count)++] = frame(m, node, repeated, parent);
}

/* The frame that goes on here after node AT's rule; where nothing follows, the caller's own frame will do. */
static uint32_t way_back(struct matcher *m, uint32_t at, uint32_t parent) {
        return m->g->nodes[at + 1].op == GRAMMAR_END ? parent : frame(m, at + 1, 0, parent);
}

/* On, or once more. Of a repetition without a bound no more is counted than it needs. */
static void visit_repeat(struct matcher *m, uint32_t *count, struct frame f) {
        const struct grammar_node *n = &m->g->nodes[f.node];
        uint32_t least = n->body_empty ? 0 : n->first, done = f.count + 1;
        if (f.count >= least)
                visit(m, count, n->target, 0, f.parent);
        if (f.count >= n->last)
                return;
        if (n->last == GRAMMAR_UNBOUNDED && done > least)
                done = least;
        if (done == n->last) {
                visit(m, count, f.node + 1, 0, way_back(m, n->target - 1, f.parent));
                return;
        }
        uint32_t back = frame(m, f.node, done, f.parent);
        /* A repetition that consumed nothing goes on as before, and no further: else a bound would be counted up in vain. */
        if (n->body_empty)
                m->marks[back] = m->serial;
        visit(m, count, f.node + 1, 0, back);
}

static void follow(struct matcher *m, uint32_t *count, uint32_t id) {
        struct frame f = m->pool->frames[id];
        const struct grammar_node *n = &m->g->nodes[f.node];
        switch ((enum grammar_op) n->op) {
        case GRAMMAR_END:
                if (f.parent == BOTTOM)
                        m->found_end = true;
                else
                        m->work[(*count)++] = f.parent;
                break;
        case GRAMMAR_RANGE:
        case GRAMMAR_CLASS:
                if (m->found_count < MATCHER_STACKS_MAX)
                        m->found[m->found_count++] = id;
                break;
        case GRAMMAR_CALL: visit(m, count, n->target, 0, way_back(m, f.node, f.parent)); break;
        case GRAMMAR_SPLIT:
                visit(m, count, n->target, 0, f.parent);
                visit(m, count, f.node + 1, 0, f.parent); /* on top: looked at first */
                break;
        case GRAMMAR_JUMP: visit(m, count, n->target, 0, f.parent); break;
        case GRAMMAR_REPEAT: visit_repeat(m, count, f); break;
        case GRAMMAR_FAIL: break;
        }
}

/* Adds all positions that NODE on top of PARENT leads to without a character. */
static void spread(struct matcher *m, uint32_t node, uint32_t parent) {
        uint32_t count = 0;
        visit(m, &count, node, 0, parent);
        while (count && m->steps < MATCHER_STEPS_MAX) {
                uint32_t id = m->work[--count];
                m->steps++;
                if (m->marks[id] == m->serial)
                        continue;
                m->marks[id] = m->serial;
                follow(m, &count, id);
        }
}

/* ---- states ---- */

static int ascending(const void *left, const void *right) {
        uint32_t a = *(const uint32_t *) left, b = *(const uint32_t *) right;
        return a < b ? -1 : a > b;
}

static bool same_partial(struct partial a, struct partial b) {
        return a.code == b.code && a.left == b.left && a.length == b.length;
}

/* The state of what was found, made where it is new; STATE_NONE when nothing was. There is room. */
static uint16_t state_of_found(struct matcher *m, struct partial partial) {
        struct pool *p = m->pool;
        uint32_t count = m->found_count, hash = mix(partial.code, partial.left, m->found_end);
        if (!count && !m->found_end)
                return STATE_NONE;
        qsort(m->found, count, sizeof(*m->found), ascending);
        for (uint32_t i = 0; i < count; i++)
                hash = mix(hash, m->found[i], i);
        uint32_t slot = hash & (STATE_SLOTS - 1);
        for (uint32_t id; (id = m->state_slots[slot]); slot = (slot + 1) & (STATE_SLOTS - 1)) {
                const struct state *s = &p->states[id - 1];
                if (s->count == count && s->may_end == m->found_end && same_partial(s->partial, partial) &&
                    !memcmp(p->lists + s->first, m->found, count * sizeof(*m->found)))
                        return (uint16_t) (id - 1);
        }
        uint16_t id = (uint16_t) p->states_count++;
        p->states[id] = (struct state){ p->lists_count, count, partial, m->found_end };
        memcpy(p->lists + p->lists_count, m->found, count * sizeof(*m->found));
        p->lists_count += count;
        m->state_slots[slot] = (uint16_t) (id + 1);
        memset(m->nexts + (size_t) id * 256, 0xff, 256 * sizeof(*m->nexts));
        return id;
}

static void find_nothing(struct matcher *m) {
        m->found_count = m->steps = 0;
        m->found_end = false;
        if (++m->serial == 0) { /* never 0, which new frames are marked with */
                memset(m->marks, 0, MATCHER_FRAMES_MAX * sizeof(*m->marks));
                m->serial = 1;
        }
}

/* ---- a full pool ---- */

static void pool_empty(struct matcher *m, struct pool *p) {
        memset(m->frame_slots, 0, FRAME_SLOTS * sizeof(*m->frame_slots));
        memset(m->state_slots, 0, STATE_SLOTS * sizeof(*m->state_slots));
        p->frames_count = 1; /* the bottom */
        p->frames[BOTTOM] = (struct frame){ 0 };
        p->lists_count = p->states_count = 0;
        m->pool = p;
        m->generation++;
}

/* Frame ID of OLD in the new pool, with all below it. */
static uint32_t carry_frame(struct matcher *m, const struct pool *old, uint32_t id) {
        uint32_t chain = 0;
        for (; id != BOTTOM && !m->numbers[id]; id = old->frames[id].parent)
                m->work[chain++] = id;
        uint32_t below = id == BOTTOM ? BOTTOM : m->numbers[id];
        while (chain) {
                const struct frame *f = &old->frames[m->work[--chain]];
                below = frame(m, f->node, f->count, below);
                m->numbers[m->work[chain]] = below;
        }
        return below;
}

static uint16_t carry_state(struct matcher *m, const struct pool *old, uint16_t id) {
        if (id == STATE_NONE)
                return STATE_NONE;
        const struct state *s = &old->states[id];
        find_nothing(m);
        m->found_end = s->may_end;
        for (uint32_t i = 0; i < s->count; i++) {
                const struct pool *p = m->pool;
                if (p->frames_count + MATCHER_DEPTH_MAX >= FRAMES_CARRIED || p->lists_count + i >= LISTS_CARRIED)
                        break;
                m->found[m->found_count++] = carry_frame(m, old, old->lists[s->first + i]);
        }
        return state_of_found(m, s->partial);
}

/* Only the states of the path are kept, the bottom one first. A state may come out without its last ways, or with none. */
static void forget_the_rest(struct matcher *m) {
        const struct pool *old = m->pool;
        pool_empty(m, old == &m->pools[0] ? &m->pools[1] : &m->pools[0]);
        memset(m->numbers, 0, old->frames_count * sizeof(*m->numbers));
        for (uint32_t i = 0; i < m->path_count; i++)
                m->path[i] = carry_state(m, old, m->path[i]);
}

static void make_room(struct matcher *m) {
        const struct pool *p = m->pool;
        if (p->frames_count + FRAMES_ROOM > MATCHER_FRAMES_MAX || p->lists_count + MATCHER_STACKS_MAX > MATCHER_LISTS_MAX ||
            p->states_count + 1 > MATCHER_STATES_MAX)
                forget_the_rest(m);
}

/* ---- a byte ---- */

/* PARTIAL with BYTE: false when no character has it there. *RET_FIRST .. *RET_LAST: what it can still become. */
static bool partial_take(struct partial *p, uint8_t byte, uint32_t *ret_first, uint32_t *ret_last) {
        static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
        if (p->left) {
                if ((byte & 0xc0) != 0x80)
                        return false;
                *p = (struct partial){ p->code << 6 | (byte & 0x3f), (uint8_t) (p->left - 1), p->length };
        } else if (byte < 0x80) {
                *p = (struct partial){ byte, 0, 1 };
        } else {
                uint8_t length = byte < 0xc2 || byte > 0xf4 ? 0 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
                if (!length)
                        return false;
                *p = (struct partial){ byte & (0x7fu >> length), (uint8_t) (length - 1), length };
        }
        uint32_t first = p->code << (6 * p->left), last = first | ((1u << (6 * p->left)) - 1);
        first = first < least[p->length] ? least[p->length] : first;
        last = last > CODE_POINT_MAX ? CODE_POINT_MAX : last;
        if (first >= 0xd800 && first <= 0xdfff) /* surrogates are no characters */
                return false;
        if (first < 0xd800 && last >= 0xd800 && last <= 0xdfff)
                last = 0xd7ff;
        *ret_first = first;
        *ret_last = last;
        return first <= last;
}

static bool waits_for(const struct grammar *g, uint32_t node, uint32_t first, uint32_t last) {
        const struct grammar_node *n = &g->nodes[node];
        if (n->op == GRAMMAR_RANGE)
                return n->first <= last && n->last >= first;
        if (first == last)
                return grammar_class_has(g, n->first, first);
        const struct grammar_class *c = &g->classes[n->first];
        return char_ranges_meet(g->ranges + c->first, c->count, first, last);
}

/* The state that BYTE leads to from FROM. There is room. */
static uint16_t transition(struct matcher *m, uint16_t from, uint8_t byte) {
        const struct state s = m->pool->states[from];
        struct partial partial = s.partial;
        uint32_t first, last;
        if (!partial_take(&partial, byte, &first, &last))
                return STATE_NONE;
        find_nothing(m);
        for (uint32_t i = 0; i < s.count; i++) {
                uint32_t id = m->pool->lists[s.first + i];
                struct frame f = m->pool->frames[id];
                if (!waits_for(m->g, f.node, first, last))
                        continue;
                if (partial.left)
                        m->found[m->found_count++] = id;
                else
                        spread(m, f.node + 1, f.parent);
        }
        uint32_t work = m->steps + s.count / 4 + 1;
        m->work_left -= work < m->work_left ? work : m->work_left;
        return state_of_found(m, partial.left ? partial : (struct partial){ 0 });
}

bool matcher_knows(const struct matcher *m, uint8_t byte) {
        uint16_t from = m->path[m->path_count - 1];
        return from == STATE_NONE || m->nexts[(size_t) from * 256 + byte] != STATE_UNKNOWN;
}

bool matcher_push(struct matcher *m, uint8_t byte) {
        uint16_t from = m->path[m->path_count - 1];
        if (from == STATE_NONE)
                return false;
        uint16_t to = m->nexts[(size_t) from * 256 + byte];
        if (to == STATE_UNKNOWN) {
                if (!m->work_left)
                        return false;
                make_room(m);
                from = m->path[m->path_count - 1];
                if (from == STATE_NONE)
                        return false;
                to = transition(m, from, byte);
                m->nexts[(size_t) from * 256 + byte] = to;
        }
        if (to == STATE_NONE)
                return false;
        assert(m->path_count < PATH_STATES);
        m->path[m->path_count++] = to;
        return true;
}

void matcher_cut(struct matcher *m, uint32_t count) {
        assert(count < m->path_count);
        m->path_count = count + 1;
}

void matcher_commit(struct matcher *m) {
        m->path[0] = m->path[m->path_count - 1];
        m->path_count = 1;
}

void matcher_lose(struct matcher *m) {
        m->path[0] = STATE_NONE;
        m->path_count = 1;
}

/* ---- the whole ---- */

bool matcher_may_end(const struct matcher *m) {
        uint16_t top = m->path[m->path_count - 1];
        return top != STATE_NONE && m->pool->states[top].may_end;
}

bool matcher_is_over(const struct matcher *m) {
        uint16_t top = m->path[m->path_count - 1];
        return top == STATE_NONE || !m->pool->states[top].count;
}

uint32_t matcher_state(const struct matcher *m) {
        return m->path[0];
}

uint64_t matcher_generation(const struct matcher *m) {
        return m->generation;
}

void matcher_allow_work(struct matcher *m, uint32_t work) {
        m->work_left = work;
}

static bool pool_init(struct pool *p) {
        p->frames = malloc(MATCHER_FRAMES_MAX * sizeof(*p->frames));
        p->lists = malloc(MATCHER_LISTS_MAX * sizeof(*p->lists));
        p->states = malloc(MATCHER_STATES_MAX * sizeof(*p->states));
        return p->frames && p->lists && p->states;
}

/* Large blocks come as pages that cost nothing until they are written to: a usual grammar touches a tenth. */
static bool reserve(struct matcher *m) {
        m->frame_slots = malloc(FRAME_SLOTS * sizeof(*m->frame_slots));
        m->state_slots = malloc(STATE_SLOTS * sizeof(*m->state_slots));
        m->nexts = malloc(MATCHER_STATES_MAX * 256 * sizeof(*m->nexts));
        m->marks = calloc(MATCHER_FRAMES_MAX, sizeof(*m->marks));
        m->numbers = malloc(MATCHER_FRAMES_MAX * sizeof(*m->numbers));
        m->work = malloc((2 * MATCHER_STEPS_MAX + 4) * sizeof(*m->work));
        m->found = malloc(MATCHER_STACKS_MAX * sizeof(*m->found));
        return m->frame_slots && m->state_slots && m->nexts && m->marks && m->numbers && m->work && m->found &&
               pool_init(&m->pools[0]) && pool_init(&m->pools[1]);
}

int matcher_new(const struct grammar *g, struct matcher **ret) {
        struct matcher *m = calloc(1, sizeof(*m));
        if (!m)
                return -ENOMEM;
        m->g = g;
        if (!reserve(m)) {
                matcher_free(m);
                return -ENOMEM;
        }
        pool_empty(m, &m->pools[0]);
        find_nothing(m);
        spread(m, g->start, BOTTOM);
        m->path[m->path_count++] = state_of_found(m, (struct partial){ 0 });
        m->work_left = UINT32_MAX;
        *ret = m;
        return 0;
}

void matcher_free(struct matcher *m) {
        if (!m)
                return;
        for (uint32_t i = 0; i < 2; i++) {
                free(m->pools[i].frames);
                free(m->pools[i].lists);
                free(m->pools[i].states);
        }
        free(m->frame_slots);
        free(m->state_slots);
        free(m->nexts);
        free(m->marks);
        free(m->numbers);
        free(m->work);
        free(m->found);
        free(m);
}
