/*
 * recorder.c - packs looks and prints them.
 *
 * A look in the ring is: the time since the one before; then for the machine, each sensor and each model a mask of the members
 * that differ from the look before, and for each of those the difference, zigzag and in groups of seven bits (the encoding of
 * Protocol Buffers); then the plan. The members are those of policy/record/snapshot_fields.h: a member without a row there is not recorded.
 * Packing and unpacking share one walk, so they cannot differ.
 */
#include "daemon/governor/recorder.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/bounds.h"
#include "policy/record/snapshot_lists.h"
#include "policy/record/field_text.h"

#define VARINT_MAX 10u /* bytes of 64 bits in groups of seven */
#define NUMBER_MAX 5u  /* of 32 */

struct piece {
        uint64_t first; /* number of its first look */
        uint32_t used;
        uint8_t bytes[RECORD_PIECE_BYTES];
};

/* The part of a plan that is kept. */
struct verdict_kept {
        uint32_t rung, heat_level, holds, actions_count;
        struct action actions[PLAN_ACTIONS_MAX];
        uint32_t loads_count, unloads_count;
        struct load loads[WANTS_MAX];
        struct unload unloads[ACCOUNTS_MAX];
};

struct recorder {
        struct limits limits;
        uint64_t count; /* looks so far, kept or not */
        uint32_t pieces_count, newest;
        struct snapshot last;
        uint8_t packed[RECORD_LOOK_MAX];
        /* What is packed, in pages that are there when memory is short. */
        struct verdict_kept verdict;
        struct snapshot copy;
        struct piece pieces[RECORD_PIECES];
};

/* Reads or writes: the same walk goes both ways. */
struct stream {
        uint8_t *bytes;
        size_t used, size;
        bool reads;
        bool failed;
};

static void pass_varint(struct stream *s, uint64_t *value) {
        uint64_t rest = *value;
        if (s->reads)
                *value = 0;
        for (unsigned shift = 0; shift < 7 * VARINT_MAX && !s->failed; shift += 7) {
                if (s->used == s->size) {
                        s->failed = true;
                        return;
                }
                if (!s->reads)
                        s->bytes[s->used] = (uint8_t) ((rest & 127) | (rest > 127 ? 128 : 0));
                uint8_t byte = s->bytes[s->used++];
                if (s->reads)
                        *value |= (uint64_t) (byte & 127) << shift;
                rest >>= 7;
                if (byte < 128)
                        return;
        }
}

static void pass_number(struct stream *s, uint32_t *value) {
        uint64_t wide = *value;
        pass_varint(s, &wide);
        *value = (uint32_t) wide;
}

static uint64_t zigzag(uint64_t difference) {
        return difference << 1 ^ (0 - (difference >> 63));
}

static uint64_t unzigzag(uint64_t value) {
        return value >> 1 ^ (0 - (value & 1));
}

/* OBJECT against BASE, member by member. */
static void pass_object(struct stream *s, const struct field *fields, const void *base, void *object) {
        uint64_t mask = 0;
        for (unsigned i = 0; fields[i].name && !s->reads; i++)
                mask |= (uint64_t) (policy_field_get(&fields[i], base) != policy_field_get(&fields[i], object)) << i;
        pass_varint(s, &mask);
        for (unsigned i = 0; fields[i].name; i++) {
                uint64_t before = (uint64_t) policy_field_get(&fields[i], base), value = before;
                if (mask >> i & 1) {
                        uint64_t difference = s->reads ? 0 : zigzag((uint64_t) policy_field_get(&fields[i], object) - before);
                        pass_varint(s, &difference);
                        value = before + unzigzag(difference);
                }
                if (s->reads)
                        (void) policy_field_set(&fields[i], object, (int64_t) value);
        }
}

static void pass_count(struct stream *s, uint32_t *count, uint32_t max) {
        pass_number(s, count);
        s->failed = s->failed || *count > max;
        if (s->failed)
                *count = 0;
}

static const struct snapshot nothing_seen;

static void pass_list(struct stream *s, const struct snapshot_list *l, const struct snapshot *base, struct snapshot *snapshot) {
        uint32_t count = policy_list_count(l, snapshot);
        pass_count(s, &count, l->max);
        for (uint32_t i = 0; i < count; i++) {
                uint32_t id = s->reads ? 0 : policy_list_id(l, snapshot, i);
                pass_number(s, &id);
                void *item = s->reads ? policy_list_append(l, snapshot, id) : policy_list_edit(l, snapshot, i);
                const void *before = policy_list_find(l, base, id);
                pass_object(s, l->fields, before ? before : policy_list_at(l, &nothing_seen, 0), item);
        }
}

static void pass_seen(struct stream *s, const struct snapshot *base, struct snapshot *snapshot) {
        uint64_t since = snapshot->now_ms - base->now_ms;
        pass_varint(s, &since);
        snapshot->now_ms = base->now_ms + since;
        pass_object(s, policy_snapshot_fields, base, snapshot);
        for (unsigned i = 0; i < LIST_COUNT; i++)
                pass_list(s, &policy_lists[i], base, snapshot);
}

static void pass_action(struct stream *s, struct action *action) {
        uint32_t kind = action->kind, level = action->level, because = action->because;
        pass_number(s, &kind);
        pass_number(s, &action->model);
        pass_number(s, &level);
        pass_number(s, &action->value);
        pass_number(s, &because);
        action->kind = (enum action_kind) kind;
        action->level = (enum kv_type) level;
        action->because = (enum reason) because;
}

static void pass_load(struct stream *s, struct load *load) {
        uint32_t verdict = load->verdict, because = load->because, refused = load->refused;
        pass_number(s, &load->model);
        pass_number(s, &verdict);
        pass_number(s, &because);
        pass_number(s, &refused);
        load->verdict = (enum verdict) verdict;
        load->because = (enum reason) because;
        load->refused = refused != 0;
}

static void pass_unload(struct stream *s, struct unload *u) {
        uint32_t because = u->because;
        pass_number(s, &u->model);
        pass_number(s, &because);
        pass_number(s, &u->for_model);
        u->because = (enum reason) because;
}

static void pass_verdict(struct stream *s, struct verdict_kept *v) {
        pass_number(s, &v->rung);
        pass_number(s, &v->heat_level);
        pass_number(s, &v->holds);
        pass_count(s, &v->actions_count, PLAN_ACTIONS_MAX);
        for (uint32_t i = 0; i < v->actions_count; i++)
                pass_action(s, &v->actions[i]);
        pass_count(s, &v->loads_count, WANTS_MAX);
        for (uint32_t i = 0; i < v->loads_count; i++)
                pass_load(s, &v->loads[i]);
        pass_count(s, &v->unloads_count, ACCOUNTS_MAX);
        for (uint32_t i = 0; i < v->unloads_count; i++)
                pass_unload(s, &v->unloads[i]);
}

/* --- adding --- */

#define HOLD_LOADS  1u
#define HOLD_GROWTH 2u
#define HOLD_BATCH  4u

static size_t pack(struct recorder *r, const struct snapshot *base, const struct snapshot *snapshot, const struct plan *plan) {
        struct verdict_kept *v = &r->verdict;
        r->copy = *snapshot; /* the walk may write; writing out it does not */
        struct stream s = { .bytes = r->packed, .size = sizeof(r->packed) };
        v->rung = plan->rung;
        v->heat_level = plan->heat_level;
        v->holds =
                (plan->hold_loads ? HOLD_LOADS : 0) | (plan->hold_growth ? HOLD_GROWTH : 0) | (plan->hold_batch ? HOLD_BATCH : 0);
        v->actions_count = plan->actions_count;
        memcpy(v->actions, plan->actions, plan->actions_count * sizeof(*v->actions));
        v->loads_count = plan->loads_count;
        memcpy(v->loads, plan->loads, plan->loads_count * sizeof(*v->loads));
        v->unloads_count = plan->unloads_count;
        memcpy(v->unloads, plan->unloads, plan->unloads_count * sizeof(*v->unloads));
        pass_seen(&s, base, &r->copy);
        pass_verdict(&s, v);
        assert(!s.failed); /* RECORD_LOOK_MAX holds the largest */
        return s.used;
}

static struct piece *begin_piece(struct recorder *r) {
        r->newest = r->pieces_count == 0 ? 0 : (r->newest + 1) % RECORD_PIECES;
        if (r->pieces_count < RECORD_PIECES)
                r->pieces_count++;
        struct piece *p = &r->pieces[r->newest];
        p->first = r->count;
        p->used = 0;
        return p;
}

void recorder_add(struct recorder *r, const struct snapshot *snapshot, const struct plan *plan) {
        struct piece *p = r->pieces_count > 0 ? &r->pieces[r->newest] : NULL;
        size_t size = p ? pack(r, &r->last, snapshot, plan) : 0;
        if (!p || p->used + size > sizeof(p->bytes)) {
                p = begin_piece(r);
                size = pack(r, &nothing_seen, snapshot, plan);
        }
        memcpy(p->bytes + p->used, r->packed, size);
        p->used += (uint32_t) size;
        r->last = *snapshot;
        r->count++;
}

/* Its mask, and every member at its longest: a difference has a bit more than the member. */
static size_t largest_object(const struct field *fields) {
        size_t size = VARINT_MAX;
        for (const struct field *f = fields; f->name; f++) {
                assert(f - fields < 64); /* bits of the mask */
                size += (8 * policy_field_size(f->kind) + 7) / 7;
        }
        return size;
}

/* Time, machine, lists, plan. */
static size_t largest_look(void) {
        size_t size = VARINT_MAX + largest_object(policy_snapshot_fields);
        for (unsigned i = 0; i < LIST_COUNT; i++)
                size += NUMBER_MAX + policy_lists[i].max * (NUMBER_MAX + largest_object(policy_lists[i].fields));
        return size + NUMBER_MAX * (6 + 5 * PLAN_ACTIONS_MAX + 4 * WANTS_MAX + 3 * ACCOUNTS_MAX);
}

int recorder_new(const struct limits *limits, struct recorder **ret) {
        static_assert(RECORD_PIECE_BYTES >= RECORD_LOOK_MAX, "a piece holds any whole look");
        assert(largest_look() <= RECORD_LOOK_MAX);
        struct recorder *r = calloc(1, sizeof(*r));
        if (!r)
                return -ENOMEM;
        memset(r, 0xff, sizeof(*r)); /* every page is there before memory is short */
        memset(r, 0, sizeof(*r));
        r->limits = *limits;
        *ret = r;
        return 0;
}

struct recorder *recorder_copy(const struct recorder *r) {
        struct recorder *copy = malloc(sizeof(*copy));
        if (copy)
                memcpy(copy, r, sizeof(*copy));
        return copy;
}

void recorder_free(struct recorder *r) {
        free(r);
}

/* --- printing --- */

/* " name=value" for each member that differs from BASE; all of them where BASE is NULL. */
static void print_members(struct text *out, const struct field *fields, const void *base, const void *object) {
        char member[FIELD_TEXT_MAX];
        for (const struct field *f = fields; f->name; f++) {
                if (base && policy_field_get(f, base) == policy_field_get(f, object))
                        continue;
                (void) policy_field_print(f, object, member);
                text_printf(out, " %s", member);
        }
}

static bool differs(const struct field *fields, const void *a, const void *b) {
        for (const struct field *f = fields; f->name; f++)
                if (policy_field_get(f, a) != policy_field_get(f, b))
                        return true;
        return false;
}

static void print_list(struct text *out, const struct snapshot_list *l, const struct snapshot *base,
                       const struct snapshot *snapshot) {
        for (uint32_t i = 0; i < policy_list_count(l, base); i++)
                if (!policy_list_find(l, snapshot, policy_list_id(l, base, i)))
                        text_printf(out, "  gone %s %u\n", l->word, policy_list_id(l, base, i));
        for (uint32_t i = 0; i < policy_list_count(l, snapshot); i++) {
                uint32_t id = policy_list_id(l, snapshot, i);
                const void *item = policy_list_at(l, snapshot, i), *before = policy_list_find(l, base, id);
                if (before && !differs(l->fields, before, item))
                        continue;
                text_printf(out, "  %s %u", l->word, id);
                print_members(out, l->fields, before, item);
                text_puts(out, "\n");
        }
}

static void print_action(struct text *out, const char *mark, const struct action *a) {
        text_printf(out, "  %sexpect %s", mark, policy_action_word(a->kind));
        if (a->model != UINT32_MAX)
                text_printf(out, " %u", a->model);
        if (a->kind == ACTION_DOWNSHIFT || a->kind == ACTION_UPSHIFT)
                text_printf(out, " to %s", policy_field_word(FIELD_LEVEL, a->level));
        else if (policy_action_has_value(a->kind))
                text_printf(out, " to %u", a->value);
        text_printf(out, " because %s\n", reason_info(a->because)->word);
}

static void print_load(struct text *out, const char *mark, const struct load *load) {
        text_printf(out, "  %sexpect load %u %s%s", mark, load->model, load->refused ? "refused " : "",
                    policy_verdict_word(load->verdict));
        if (load->because != REASON_NONE)
                text_printf(out, " because %s", reason_info(load->because)->word);
        text_puts(out, "\n");
}

static void print_unload(struct text *out, const char *mark, const struct unload *u) {
        text_printf(out, "  %sexpect unload %u", mark, u->model);
        if (u->for_model != UINT32_MAX)
                text_printf(out, " for %u", u->for_model);
        text_printf(out, " because %s\n", reason_info(u->because)->word);
}

/* One line for the rung, the level of heat and each hold where they change; and all actions, or that there is none. */
static void print_verdict(struct text *out, const char *mark, const struct verdict_kept *before, const struct verdict_kept *v) {
        static const char *const holds[] = { "hold_loads", "hold_growth", "hold_batch" };
        if (!before || before->rung != v->rung)
                text_printf(out, "  %sexpect rung %s\n", mark, policy_rung_word((enum rung) v->rung));
        if (!before || before->heat_level != v->heat_level)
                text_printf(out, "  %sexpect heat_level %u\n", mark, v->heat_level);
        for (unsigned i = 0; i < 3; i++)
                if (!before || (before->holds ^ v->holds) >> i & 1)
                        text_printf(out, "  %sexpect %s%s\n", mark, v->holds >> i & 1 ? "" : "no ", holds[i]);
        if (v->actions_count > 0 || !before || before->actions_count > 0)
                text_printf(out, "  %sexpect acts %u\n", mark, v->actions_count);
        if (v->loads_count > 0 || !before || before->loads_count > 0)
                text_printf(out, "  %sexpect loads %u\n", mark, v->loads_count);
        if (v->unloads_count > 0 || !before || before->unloads_count > 0)
                text_printf(out, "  %sexpect unloads %u\n", mark, v->unloads_count);
        /* The reader takes 256 expectations for a look: all of them fit. */
        for (uint32_t i = 0; i < v->actions_count; i++)
                print_action(out, mark, &v->actions[i]);
        for (uint32_t i = 0; i < v->loads_count; i++)
                print_load(out, mark, &v->loads[i]);
        for (uint32_t i = 0; i < v->unloads_count; i++)
                print_unload(out, mark, &v->unloads[i]);
}

struct printer {
        struct text *out;
        const char *mark; /* "" or "# " */
        bool begun;
        struct snapshot snapshot, before;
        struct verdict_kept verdict, verdict_before;
};

static void print_look(struct printer *p) {
        const struct snapshot *base = p->begun ? &p->before : NULL;
        text_printf(p->out, "at %" PRIu64 "ms", p->snapshot.now_ms);
        print_members(p->out, policy_snapshot_fields, base, &p->snapshot);
        text_puts(p->out, "\n");
        for (unsigned i = 0; i < LIST_COUNT; i++)
                print_list(p->out, &policy_lists[i], &p->before, &p->snapshot);
        print_verdict(p->out, p->mark, p->begun ? &p->verdict_before : NULL, &p->verdict);
        p->begun = true;
        p->before = p->snapshot;
        p->verdict_before = p->verdict;
}

static void print_piece(struct printer *p, const struct piece *piece) {
        struct stream s = { .bytes = (uint8_t *) (uintptr_t) piece->bytes, .size = piece->used, .reads = true };
        const struct snapshot *base = &nothing_seen;
        while (s.used < s.size) {
                memset(&p->snapshot, 0, sizeof(p->snapshot));
                pass_seen(&s, base, &p->snapshot);
                pass_verdict(&s, &p->verdict);
                assert(!s.failed);
                print_look(p);
                base = &p->before;
        }
}

void recorder_print(const struct recorder *r, struct text *out) {
        struct printer *p = calloc(1, sizeof(*p));
        if (!p) {
                out->failed = true;
                return;
        }
        uint32_t oldest = r->pieces_count < RECORD_PIECES ? 0 : (r->newest + 1) % RECORD_PIECES;
        uint64_t missing = r->pieces_count > 0 ? r->pieces[oldest].first : 0;
        p->out = out;
        p->mark = missing > 0 ? "# " : "";
        text_printf(out, "# headroomd " HEADROOM_VERSION ", %" PRIu64 " looks\n", r->count - missing);
        if (missing > 0)
                text_printf(out,
                            "# The %" PRIu64 " looks before these are not kept, nor what policy remembered of them: what it "
                            "planned stands in\n# comments, and a replay may differ at first.\n",
                            missing);
        text_puts(out, "limits");
        print_members(out, policy_limits_fields, NULL, &r->limits);
        text_puts(out, "\n");
        for (uint32_t i = 0; i < r->pieces_count; i++)
                print_piece(p, &r->pieces[(oldest + i) % RECORD_PIECES]);
        free(p);
}
