/* value.c - see value.h. */
#include "engine/jinja_value/value.h"

#include <math.h>
#include <string.h>

#include "engine/base/json_read.h"
#include "engine/jinja_value/bounds.h"
#include "policy/base/hash.h"

#define PAIRS_SEARCHED 8u /* beyond, a mapping has an index */

struct value value_of_none(void) {
        return (struct value){ .kind = VALUE_NONE };
}

struct value value_of_bool(bool truth) {
        return (struct value){ .kind = VALUE_BOOL, .truth = truth };
}

struct value value_of_integer(int64_t integer) {
        return (struct value){ .kind = VALUE_INTEGER, .integer = integer };
}

struct value value_of_float(double number) {
        return (struct value){ .kind = VALUE_FLOAT, .number = number };
}

struct value value_of_text(struct jinja_job *job, struct tainted text) {
        struct tainted *copy = jinja_take(job, 1, sizeof(*copy));
        *copy = text;
        return (struct value){ .kind = VALUE_TEXT, .text = copy };
}

static struct value new_list(struct jinja_job *job, enum value_kind kind) {
        return (struct value){ .kind = kind, .list = jinja_take(job, 1, sizeof(struct value_list)) };
}

struct value value_new_list(struct jinja_job *job) {
        return new_list(job, VALUE_LIST);
}

struct value value_new_tuple(struct jinja_job *job) {
        return new_list(job, VALUE_TUPLE);
}

struct value value_new_map(struct jinja_job *job) {
        return (struct value){ .kind = VALUE_MAP, .map = jinja_take(job, 1, sizeof(struct value_map)) };
}

/* ---- lists and mappings ---- */

/* The old items stay where they are, so who walks over them may go on. */
void value_append(struct jinja_job *job, struct value list, struct value item) {
        struct value_list *l = list.list;
        jinja_spend(job, 1);
        if (l->count == l->capacity) {
                size_t capacity = l->capacity ? 2 * l->capacity : 4;
                struct value *items = jinja_take(job, capacity, sizeof(*items));
                if (l->count)
                        memcpy(items, l->items, l->count * sizeof(*items));
                l->items = items;
                l->capacity = capacity;
        }
        l->items[l->count++] = item;
}

bool value_can_be_key(struct jinja_job *job, struct value v) {
        bool can = v.kind != VALUE_LIST && v.kind != VALUE_MAP;
        if (v.kind != VALUE_TUPLE)
                return can;
        jinja_enter(job);
        for (size_t i = 0; i < v.list->count && can; i++)
                can = value_can_be_key(job, v.list->items[i]);
        jinja_leave(job);
        return can;
}

/* Keys that are equal have the same hash: 1, 1.0 and True are one key. */
static uint64_t hash_of(struct jinja_job *job, struct value key) {
        uint64_t hash = HASH_START;
        if (key.kind == VALUE_TEXT) {
                jinja_spend_bytes(job, key.text->length);
                return hash_bytes(hash, key.text->bytes, key.text->length);
        }
        if (value_is_number(key)) {
                double number = value_number(key) + 0.0; /* of two zeros one */
                return hash_bytes(hash, &number, sizeof(number));
        }
        if (key.kind == VALUE_TUPLE) {
                jinja_enter(job);
                for (size_t i = 0; i < key.list->count; i++)
                        hash = hash * 31 + hash_of(job, key.list->items[i]);
                jinja_leave(job);
                return hash;
        }
        if (key.kind == VALUE_LIST || key.kind == VALUE_MAP)
                jinja_fail(job, "a key of a mapping cannot be of type '%s'", value_kind_name(key));
        return hash;
}

static void index_pair(struct jinja_job *job, struct value_map *m, size_t place) {
        size_t at = hash_of(job, m->pairs[place].key) & (m->index_count - 1);
        while (m->index[at])
                at = (at + 1) & (m->index_count - 1);
        m->index[at] = (uint32_t) place + 1;
}

static void index_all(struct jinja_job *job, struct value_map *m) {
        m->index_count = 4 * m->capacity; /* a power of two: at most half full, until it is made anew */
        m->index = jinja_take(job, m->index_count, sizeof(*m->index));
        jinja_spend(job, m->count);
        for (size_t i = 0; i < m->count; i++)
                index_pair(job, m, i);
}

/* The pair of KEY, or NULL. */
static struct value_pair *find_pair(struct jinja_job *job, const struct value_map *m, struct value key) {
        jinja_spend(job, 1);
        size_t at = hash_of(job, key);
        if (!m->index) {
                for (size_t i = 0; i < m->count; i++)
                        if (value_equals(job, m->pairs[i].key, key))
                                return &m->pairs[i];
                return NULL;
        }
        for (at &= m->index_count - 1; m->index[at]; at = (at + 1) & (m->index_count - 1)) {
                jinja_spend(job, 1);
                if (value_equals(job, m->pairs[m->index[at] - 1].key, key))
                        return &m->pairs[m->index[at] - 1];
        }
        return NULL;
}

void value_set(struct jinja_job *job, struct value map, struct value key, struct value item) {
        struct value_map *m = map.map;
        struct value_pair *known = find_pair(job, m, key);
        if (known) {
                known->value = item;
                return;
        }
        bool grows = m->count == m->capacity;
        if (grows) {
                size_t capacity = m->capacity ? 2 * m->capacity : 4;
                struct value_pair *pairs = jinja_take(job, capacity, sizeof(*pairs));
                if (m->count)
                        memcpy(pairs, m->pairs, m->count * sizeof(*pairs));
                m->pairs = pairs;
                m->capacity = capacity;
        }
        m->pairs[m->count++] = (struct value_pair){ key, item };
        if (m->count > PAIRS_SEARCHED && (grows || !m->index))
                index_all(job, m);
        else if (m->index)
                index_pair(job, m, m->count - 1);
}

const struct value *value_get(struct jinja_job *job, struct value map, struct value key) {
        const struct value_pair *p = find_pair(job, map.map, key);
        return p ? &p->value : NULL;
}

const struct value *value_member(struct jinja_job *job, struct value map, const char *key) {
        struct tainted name = tainted_of(key);
        return value_get(job, map, (struct value){ .kind = VALUE_TEXT, .text = &name });
}

bool value_remove(struct jinja_job *job, struct value map, struct value key) {
        struct value_map *m = map.map;
        struct value_pair *p = find_pair(job, m, key);
        if (!p)
                return false;
        size_t behind = (size_t) (m->pairs + m->count - (p + 1));
        jinja_spend(job, behind);
        memmove(p, p + 1, behind * sizeof(*p));
        m->count--;
        if (m->index)
                index_all(job, m);
        return true;
}

/* ---- from JSON ---- */

static struct value text_of_json(struct jinja_job *job, const char *string) {
        size_t length = strlen(string);
        if (json_has_nul(string)) {
                string = memcpy(jinja_take(job, length + 1, 1), string, length);
                length = json_restore_nuls((char *) (uintptr_t) string, length);
        }
        return value_of_text(job, (struct tainted){ .bytes = string, .length = length, .outside = true });
}

/* The library keeps numbers as double only: a whole one was an integer, as far as can be told. */
static struct value number_of_json(double number) {
        if (floor(number) == number && fabs(number) <= 0x1p53)
                return value_of_integer((int64_t) number);
        return value_of_float(number);
}

struct value value_of_json(struct jinja_job *job, const cJSON *json) {
        jinja_spend(job, 1);
        if (cJSON_IsString(json))
                return text_of_json(job, json->valuestring);
        if (cJSON_IsNumber(json))
                return number_of_json(json->valuedouble);
        if (cJSON_IsBool(json))
                return value_of_bool(cJSON_IsTrue(json));
        if (!cJSON_IsArray(json) && !cJSON_IsObject(json))
                return value_of_none();
        bool list = cJSON_IsArray(json);
        struct value made = list ? value_new_list(job) : value_new_map(job);
        jinja_enter(job);
        for (const cJSON *item = json->child; item; item = item->next)
                if (list)
                        value_append(job, made, value_of_json(job, item));
                else
                        value_set(job, made, text_of_json(job, item->string ? item->string : ""), value_of_json(job, item));
        jinja_leave(job);
        return made;
}

/* ---- properties of values ---- */

const char *value_kind_name(struct value v) {
        static const char *const names[VALUE_KINDS_COUNT] = {
                [VALUE_UNDEFINED] = "Undefined", [VALUE_NONE] = "NoneType",     [VALUE_BOOL] = "bool",
                [VALUE_INTEGER] = "int",         [VALUE_FLOAT] = "float",       [VALUE_TEXT] = "str",
                [VALUE_LIST] = "list",           [VALUE_TUPLE] = "tuple",       [VALUE_MAP] = "dict",
                [VALUE_NAMESPACE] = "Namespace", [VALUE_CALLABLE] = "function", [VALUE_LOOP] = "LoopContext",
        };
        return names[v.kind];
}

bool value_is_number(struct value v) {
        return v.kind == VALUE_BOOL || v.kind == VALUE_INTEGER || v.kind == VALUE_FLOAT;
}

double value_number(struct value v) {
        return v.kind == VALUE_BOOL ? v.truth : v.kind == VALUE_INTEGER ? (double) v.integer : v.number;
}

bool value_true(struct value v) {
        switch (v.kind) {
        case VALUE_UNDEFINED:
        case VALUE_NONE: return false;
        case VALUE_BOOL: return v.truth;
        case VALUE_INTEGER: return v.integer != 0;
        case VALUE_FLOAT: return v.number != 0;
        case VALUE_TEXT: return v.text->length > 0;
        case VALUE_LIST:
        case VALUE_TUPLE: return v.list->count > 0;
        case VALUE_MAP: return v.map->count > 0;
        default: return true;
        }
}

static bool lists_equal(struct jinja_job *job, const struct value_list *a, const struct value_list *b) {
        bool equal = a->count == b->count;
        for (size_t i = 0; i < a->count && equal; i++)
                equal = value_equals(job, a->items[i], b->items[i]);
        return equal;
}

static bool maps_equal(struct jinja_job *job, struct value a, struct value b) {
        bool equal = a.map->count == b.map->count;
        for (size_t i = 0; i < a.map->count && equal; i++) {
                const struct value *other = value_get(job, b, a.map->pairs[i].key);
                equal = other && value_equals(job, a.map->pairs[i].value, *other);
        }
        return equal;
}

bool value_equals(struct jinja_job *job, struct value a, struct value b) {
        jinja_spend(job, 1);
        if (a.kind == VALUE_INTEGER && b.kind == VALUE_INTEGER)
                return a.integer == b.integer;
        if (value_is_number(a) && value_is_number(b))
                return value_number(a) == value_number(b);
        if (a.kind != b.kind)
                return false;
        bool equal = false;
        jinja_enter(job);
        if (a.kind == VALUE_TEXT) {
                jinja_spend_bytes(job, a.text->length == b.text->length ? a.text->length : 0);
                equal = tainted_equals(*a.text, *b.text);
        } else if (a.kind == VALUE_LIST || a.kind == VALUE_TUPLE) {
                equal = a.list == b.list || lists_equal(job, a.list, b.list);
        } else if (a.kind == VALUE_MAP) {
                equal = a.map == b.map || maps_equal(job, a, b);
        } else {
                equal = a.kind == VALUE_NONE || a.kind == VALUE_UNDEFINED || a.map == b.map;
        }
        jinja_leave(job);
        return equal;
}

static int compare_lists(struct jinja_job *job, const struct value_list *a, const struct value_list *b) {
        size_t shorter = a->count < b->count ? a->count : b->count;
        for (size_t i = 0; i < shorter; i++)
                if (!value_equals(job, a->items[i], b->items[i]))
                        return value_compare(job, a->items[i], b->items[i]);
        return (a->count > b->count) - (a->count < b->count);
}

int value_compare(struct jinja_job *job, struct value a, struct value b) {
        jinja_spend(job, 1);
        if (a.kind == VALUE_INTEGER && b.kind == VALUE_INTEGER)
                return (a.integer > b.integer) - (a.integer < b.integer);
        if (value_is_number(a) && value_is_number(b))
                return (value_number(a) > value_number(b)) - (value_number(a) < value_number(b));
        if (a.kind == VALUE_TEXT && b.kind == VALUE_TEXT) {
                jinja_spend_bytes(job, a.text->length < b.text->length ? a.text->length : b.text->length);
                return tainted_compare(*a.text, *b.text);
        }
        if (a.kind != b.kind || (a.kind != VALUE_LIST && a.kind != VALUE_TUPLE))
                jinja_fail(job, "'%s' and '%s' have no order", value_kind_name(a), value_kind_name(b));
        jinja_enter(job);
        int order = compare_lists(job, a.list, b.list);
        jinja_leave(job);
        return order;
}

bool value_contains(struct jinja_job *job, struct value container, struct value item) {
        if (container.kind == VALUE_MAP || container.kind == VALUE_NAMESPACE)
                return value_get(job, container, item) != NULL;
        if (container.kind == VALUE_TEXT) {
                if (item.kind != VALUE_TEXT)
                        jinja_fail(job, "'in' looks for a text in a text, not for one of type '%s'", value_kind_name(item));
                return tainted_find(job, *container.text, *item.text, 0) != SIZE_MAX;
        }
        if (container.kind == VALUE_UNDEFINED)
                return false;
        if (container.kind != VALUE_LIST && container.kind != VALUE_TUPLE)
                jinja_fail(job, "'in' cannot look into a value of type '%s'", value_kind_name(container));
        for (size_t i = 0; i < container.list->count; i++)
                if (value_equals(job, container.list->items[i], item))
                        return true;
        return false;
}

size_t value_length(struct jinja_job *job, struct value v) {
        switch (v.kind) {
        case VALUE_UNDEFINED: return 0;
        case VALUE_TEXT: return tainted_characters(job, *v.text);
        case VALUE_LIST:
        case VALUE_TUPLE: return v.list->count;
        case VALUE_MAP: return v.map->count;
        default: jinja_fail(job, "a value of type '%s' has no length", value_kind_name(v));
        }
}

static void add_characters(struct jinja_job *job, struct value list, struct tainted m) {
        for (size_t at = 0, step; at < m.length; at += step) {
                step = tainted_step(m, at);
                value_append(job, list, value_of_text(job, tainted_slice(m, at, at + step)));
        }
}

const struct value_list *value_items(struct jinja_job *job, struct value v) {
        struct value made;
        switch (v.kind) {
        case VALUE_LIST:
        case VALUE_TUPLE: return v.list;
        case VALUE_UNDEFINED: return value_new_list(job).list;
        case VALUE_TEXT:
                made = value_new_list(job);
                add_characters(job, made, *v.text);
                return made.list;
        case VALUE_MAP:
                made = value_new_list(job);
                for (size_t i = 0; i < v.map->count; i++)
                        value_append(job, made, v.map->pairs[i].key);
                return made.list;
        default: jinja_fail(job, "a value of type '%s' cannot be gone through", value_kind_name(v));
        }
}
