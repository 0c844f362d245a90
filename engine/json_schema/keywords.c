/* keywords.c - see internal.h. Each keyword is a row: what reads it, which types it is about. */
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/json_schema/internal.h"
#include "engine/base/printable.h"

/* ---- values ---- */

/* clang-format off */
static const struct {
        const char *name;
        unsigned types;
} type_names[] = {
        { "null", TYPE_NULL },     { "boolean", TYPE_BOOLEAN }, { "integer", TYPE_INTEGER }, { "number", TYPE_NUMBER },
        { "string", TYPE_STRING }, { "array", TYPE_ARRAY },     { "object", TYPE_OBJECT },
};
/* clang-format on */

static unsigned type_named(const cJSON *name) {
        for (size_t i = 0; cJSON_IsString(name) && i < sizeof(type_names) / sizeof(type_names[0]); i++)
                if (!strcmp(name->valuestring, type_names[i].name))
                        return type_names[i].types;
        return 0;
}

unsigned types_of_keyword(const cJSON *type) {
        if (!cJSON_IsArray(type))
                return type_named(type);
        unsigned types = 0;
        const cJSON *name;
        cJSON_ArrayForEach(name, type) {
                unsigned one = type_named(name);
                if (!one)
                        return 0;
                types |= one;
        }
        return types;
}

unsigned type_of_value(const cJSON *v) {
        if (cJSON_IsNumber(v))
                return floor(v->valuedouble) == v->valuedouble ? TYPE_INTEGER : TYPE_DECIMAL;
        return cJSON_IsNull(v)     ? TYPE_NULL
               : cJSON_IsBool(v)   ? TYPE_BOOLEAN
               : cJSON_IsString(v) ? TYPE_STRING
               : cJSON_IsArray(v)  ? TYPE_ARRAY
                                   : TYPE_OBJECT;
}

bool values_equal(const cJSON *a, const cJSON *b) {
        return type_of_value(a) == type_of_value(b) && cJSON_Compare(a, b, true);
}

/* ---- keywords ---- */

typedef void read_keyword(struct schema_compiler *c, struct facts *f, const cJSON *k);

static void read_types(struct schema_compiler *c, struct facts *f, const cJSON *k, const cJSON *schema) {
        unsigned types = types_of_keyword(k);
        if (!types) {
                schema_refuse(c, k, "type must be one or several of null, boolean, integer, number, string, array, object");
                return;
        }
        if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(schema, "nullable")))
                types |= TYPE_NULL;
        f->types &= types;
}

static void read_enum(struct schema_compiler *c, struct facts *f, const cJSON *k) {
        int count = cJSON_IsArray(k) ? cJSON_GetArraySize(k) : 0;
        if (count < 1 || count > (int) SCHEMA_ENUM_MAX)
                schema_refuse(c, k, "enum must be a list of 1 to %u values", SCHEMA_ENUM_MAX);
        else if (f->values_count == SCHEMA_CHOICES_MAX)
                schema_exceed(c, k, "too many lists of values must hold together");
        else
                f->values[f->values_count++] = k;
}

static void read_const(struct schema_compiler *c, struct facts *f, const cJSON *k) {
        if (f->values_count == SCHEMA_CHOICES_MAX)
                schema_exceed(c, k, "too many lists of values must hold together");
        else
                f->values[f->values_count++] = k;
}

/* {"oneOf": ..., "discriminator": {"propertyName": ...}}, as OpenAPI has it. */
const char *schema_discriminator(const cJSON *schema) {
        const cJSON *it = cJSON_GetObjectItemCaseSensitive(schema, "discriminator");
        bool of_one = cJSON_GetObjectItemCaseSensitive(schema, "oneOf") != NULL;
        return of_one ? cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(it, "propertyName")) : NULL;
}

static bool was_chosen(const struct facts *f, const cJSON *list) {
        for (uint32_t i = 0; i < f->all.chosen_count; i++)
                if (f->all.chosen[i] == list)
                        return true;
        return false;
}

static void read_choice(struct schema_compiler *c, struct facts *f, const cJSON *k) {
        int count = cJSON_IsArray(k) ? cJSON_GetArraySize(k) : 0;
        if (count < 1 || count > (int) SCHEMA_ENUM_MAX) {
                schema_refuse(c, k, "%s must be a list of 1 to %u schemas", k->string, SCHEMA_ENUM_MAX);
        } else if (!f->choice && !was_chosen(f, k)) {
                f->choice = k;
                f->one_of = !strcmp(k->string, "oneOf");
                f->discriminator = schema_discriminator(f->reading);
        }
}

static void read_all_of(struct schema_compiler *c, struct facts *f, const cJSON *k) {
        const cJSON *s;
        if (!cJSON_IsArray(k) || !k->child)
                schema_refuse(c, k, "allOf must be a list of schemas");
        else
                cJSON_ArrayForEach(s, k)
                        together_add(c, &f->all, s);
}

static void read_ref(struct schema_compiler *c, struct facts *f, const cJSON *k) {
        const cJSON *target = schema_resolve(c, k);
        if (target)
                together_add(c, &f->all, target);
}

/* A whole number that is not negative. */
static bool read_count(struct schema_compiler *c, const cJSON *k, uint64_t *ret) {
        double value = cJSON_IsNumber(k) ? k->valuedouble : -1;
        if (!(value >= 0 && value <= GRAMMAR_REPEAT_MAX) || floor(value) != value) {
                schema_refuse(c, k, "%s must be a whole number from 0 to %u", k->string, GRAMMAR_REPEAT_MAX);
                return false;
        }
        *ret = (uint64_t) value;
        return true;
}

/* By the end of the keyword: minLength, maxItems, minProperties ... */
static struct counts *counts_of(struct facts *f, const cJSON *k) {
        if (k->string[3] == 'P')
                f->members_by = k;
        if (k->string[3] == 'L')
                f->length_by = k;
        return k->string[3] == 'L' ? &f->length : k->string[3] == 'I' ? &f->items : &f->members;
}

static void read_least(struct schema_compiler *c, struct facts *f, const cJSON *k) {
        uint64_t count, *least = &counts_of(f, k)->least;
        if (read_count(c, k, &count) && count > *least)
                *least = count;
}

static void read_most(struct schema_compiler *c, struct facts *f, const cJSON *k) {
        uint64_t count, *most = &counts_of(f, k)->most;
        if (read_count(c, k, &count) && count < *most)
                *most = count;
}

/* One that is there already says nothing new. */
static void read_text_rule(struct schema_compiler *c, struct facts *f, const cJSON *k) {
        if (!cJSON_IsString(k)) {
                schema_refuse(c, k, "%s must be a text", k->string);
                return;
        }
        for (uint32_t i = 0; i < f->texts_count; i++)
                if (!strcmp(f->texts[i]->string, k->string) && !strcmp(f->texts[i]->valuestring, k->valuestring))
                        return;
        if (f->texts_count == SCHEMA_TEXTS_MAX)
                schema_relax(c, k, "more than %u patterns and formats of one text are not supported", SCHEMA_TEXTS_MAX);
        else
                f->texts[f->texts_count++] = k;
}

/* Tighter than what there was: greater for a lower limit, less for an upper one; of equal ones the one that excludes it. */
static void read_limit(struct schema_compiler *c, struct facts *f, const cJSON *k) {
        bool lower = strstr(k->string, "inimum") != NULL, excluded = k->string[0] == 'e';
        if (excluded && cJSON_IsBool(k))
                return; /* as draft 4 has it: about the limit beside it, which looks for it */
        if (!excluded)
                excluded = cJSON_IsTrue(
                        cJSON_GetObjectItemCaseSensitive(f->reading, lower ? "exclusiveMinimum" : "exclusiveMaximum"));
        if (!cJSON_IsNumber(k) || !isfinite(k->valuedouble)) {
                schema_refuse(c, k, "%s must be a number", k->string);
                return;
        }
        double *limit = lower ? &f->least : &f->most, value = k->valuedouble;
        bool *is_excluded = lower ? &f->least_excluded : &f->most_excluded;
        f->range = k;
        if (value == *limit)
                *is_excluded |= excluded;
        if (lower ? value > *limit : value < *limit) {
                *limit = value;
                *is_excluded = excluded;
        }
}

static uint64_t common_divisor(uint64_t a, uint64_t b) {
        return b ? common_divisor(b, a % b) : a;
}

/* Several that hold together are their least common multiple. */
static void read_divisor(struct schema_compiler *c, struct facts *f, const cJSON *k) {
        double value = cJSON_IsNumber(k) ? k->valuedouble : 0;
        if (!(value > 0)) {
                schema_refuse(c, k, "multipleOf must be a number above 0");
                return;
        }
        if (!(value <= JSON_DIVISOR_MAX) || floor(value) != value) {
                schema_relax(c, k, "multipleOf is supported for whole numbers from 1 to %u: of others readers disagree",
                             JSON_DIVISOR_MAX);
                return;
        }
        uint64_t before = f->divisor ? f->divisor : 1, whole = (uint64_t) value;
        whole *= before / common_divisor(before, whole);
        if (json_number_divides(whole))
                f->divisor = (uint32_t) whole;
        else
                schema_relax(c, k, "multipleOf is supported up to %u, and with zeros behind that up to %u", JSON_STEP_MAX,
                             JSON_DIVISOR_MAX);
}

static void read_object(struct schema_compiler *c, struct facts *f, const cJSON *k) {
        (void) f;
        if (!cJSON_IsObject(k))
                schema_refuse(c, k, "%s must be an object", k->string);
}

static void read_names(struct schema_compiler *c, struct facts *f, const cJSON *k) {
        const cJSON *name;
        (void) f;
        bool right = cJSON_IsArray(k);
        cJSON_ArrayForEach(name, k)
                right &= cJSON_IsString(name);
        if (!right)
                schema_refuse(c, k, "%s must be a list of names", k->string);
}

static void read_schema(struct schema_compiler *c, struct facts *f, const cJSON *k) {
        (void) f;
        if (!cJSON_IsObject(k) && !cJSON_IsBool(k))
                schema_refuse(c, k, "%s must be a schema", k->string);
}

static void read_schemas(struct schema_compiler *c, struct facts *f, const cJSON *k) {
        (void) f;
        if (!cJSON_IsArray(k) || cJSON_GetArraySize(k) > (int) SCHEMA_ENUM_MAX)
                schema_refuse(c, k, "%s must be a list of up to %u schemas", k->string, SCHEMA_ENUM_MAX);
}

/* A list of them, as draft 7 has it, is what prefixItems is now. */
static void read_items(struct schema_compiler *c, struct facts *f, const cJSON *k) {
        if (cJSON_IsArray(k))
                read_schemas(c, f, k);
        else
                read_schema(c, f, k);
}

/* Of what must not be only types can be taken away, or all. */
static void read_not(struct schema_compiler *c, struct facts *f, const cJSON *k) {
        const cJSON *type = cJSON_GetObjectItemCaseSensitive(k, "type");
        unsigned types = type && !type->next && type == k->child ? types_of_keyword(type) : 0;
        read_schema(c, f, k);
        if (cJSON_IsTrue(k) || (cJSON_IsObject(k) && !k->child))
                f->all.impossible = true;
        else if (types && types != TYPE_INTEGER)
                f->types &= ~types;
        else if (!cJSON_IsFalse(k))
                schema_relax(c, k, "the keyword not is supported for types alone");
}

static void read_nullable(struct schema_compiler *c, struct facts *f, const cJSON *k) {
        (void) f;
        if (!cJSON_IsBool(k))
                schema_refuse(c, k, "nullable must be true or false");
}

/* `uniqueItems: false` says nothing. */
static void read_unheld(struct schema_compiler *c, struct facts *f, const cJSON *k) {
        (void) f;
        if (!cJSON_IsFalse(k))
                schema_relax(c, k, "the keyword %s is not supported", k->string);
}

/* clang-format off */
static const struct keyword {
        const char *name;
        read_keyword *read;
        unsigned implied; /* types that it is about; it could exclude a value of an enum where there are some */
} keywords[] = {
        { "enum",                 read_enum,      0 },
        { "const",                read_const,     0 },
        { "anyOf",                read_choice,    0 },
        { "oneOf",                read_choice,    0 },
        { "allOf",                read_all_of,    0 },
        { "$ref",                 read_ref,       0 },
        { "$dynamicRef",          read_ref,       0 },
        { "$recursiveRef",        read_ref,       0 },
        { "not",                  read_not,       0 },
        { "nullable",             read_nullable,  0 },
        { "minLength",            read_least,     TYPE_STRING },
        { "maxLength",            read_most,      TYPE_STRING },
        { "pattern",              read_text_rule, TYPE_STRING },
        { "format",               read_text_rule, TYPE_STRING },
        { "minimum",              read_limit,     TYPE_NUMBER },
        { "maximum",              read_limit,     TYPE_NUMBER },
        { "exclusiveMinimum",     read_limit,     TYPE_NUMBER },
        { "exclusiveMaximum",     read_limit,     TYPE_NUMBER },
        { "multipleOf",           read_divisor,   TYPE_NUMBER },
        { "minItems",             read_least,     TYPE_ARRAY },
        { "maxItems",             read_most,      TYPE_ARRAY },
        { "items",                read_items,     TYPE_ARRAY },
        { "additionalItems",      read_schema,    TYPE_ARRAY },
        { "prefixItems",          read_schemas,   TYPE_ARRAY },
        { "properties",           read_object,    TYPE_OBJECT },
        { "required",             read_names,     TYPE_OBJECT },
        { "additionalProperties", read_schema,    TYPE_OBJECT },
        { "minProperties",        read_least,     TYPE_OBJECT },
        { "maxProperties",        read_most,      TYPE_OBJECT },
        { "propertyNames",        read_schema,    TYPE_OBJECT },
        { "patternProperties",    read_object,    TYPE_OBJECT },
        { "unevaluatedProperties", read_schema,   TYPE_OBJECT },
        /* Those that cannot be held to. Annotations, and what only goes with one of these, are like words that nobody knows. */
        { "uniqueItems",       read_unheld, 0 }, { "contains",         read_unheld, 0 }, { "unevaluatedItems", read_unheld, 0 },
        { "if",                read_unheld, 0 }, { "dependencies",     read_unheld, 0 },
        { "dependentRequired", read_unheld, 0 }, { "dependentSchemas", read_unheld, 0 },
};
/* clang-format on */

static const struct keyword *keyword_named(const char *name) {
        for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++)
                if (!strcmp(name, keywords[i].name))
                        return &keywords[i];
        return NULL;
}

unsigned types_implied(const cJSON *schema) {
        unsigned types = 0;
        const cJSON *k;
        cJSON_ArrayForEach(k, schema) {
                const struct keyword *keyword = keyword_named(k->string);
                types |= keyword ? keyword->implied : 0;
        }
        return types;
}

/* A word that is no keyword is an annotation, as JSON Schema has it. */
static void read_one(struct schema_compiler *c, struct facts *f, const cJSON *schema) {
        const cJSON *k;
        unsigned implied = 0;
        bool typed = false;
        f->reading = schema;
        cJSON_ArrayForEach(k, schema) {
                if (!schema_works(c, 1 + (uint32_t) cJSON_GetArraySize(k)))
                        return;
                if (!strcmp(k->string, "type")) {
                        read_types(c, f, k, schema);
                        typed = true;
                        continue;
                }
                const struct keyword *keyword = keyword_named(k->string);
                if (!keyword)
                        continue;
                keyword->read(c, f, k);
                implied |= keyword->implied;
                if (keyword->implied && !f->limiting)
                        f->limiting = k;
        }
        if (!typed && implied)
                f->types &= implied;
}

void facts_read(struct schema_compiler *c, const struct together *t, struct facts *f) {
        *f = (struct facts){
                .all = *t,
                .types = TYPE_ANY,
                .length.most = UINT64_MAX,
                .items.most = UINT64_MAX,
                .members.most = UINT64_MAX,
                .least = -INFINITY,
                .most = INFINITY,
        };
        for (uint32_t i = 0; i < f->all.count && !c->failed; i++) /* the list grows on the way */
                read_one(c, f, f->all.schemas[i]);
}

/* ---- references ---- */

const cJSON *schema_step_down(const cJSON *at, const char **path) {
        char name[256];
        const char *step = *path + 1;
        size_t length = strcspn(step, "/"), used = 0;
        *path = step + length;
        for (size_t i = 0; i < length; i++) {
                if (used + 1 >= sizeof(name))
                        return NULL;
                char byte = step[i];
                if (byte == '~' && i + 1 < length && (step[i + 1] == '0' || step[i + 1] == '1'))
                        byte = step[++i] == '0' ? '~' : '/';
                else if (byte == '%' && i + 2 < length) {
                        char digits[3] = { step[i + 1], step[i + 2], 0 }, *end;
                        unsigned long value = strtoul(digits, &end, 16);
                        if (*end || !value)
                                return NULL;
                        byte = (char) value;
                        i += 2;
                }
                name[used++] = byte;
        }
        name[used] = '\0';
        if (!cJSON_IsArray(at))
                return cJSON_GetObjectItemCaseSensitive(at, name);
        char *end;
        unsigned long index = strtoul(name, &end, 10);
        return *name < '0' || *name > '9' || *end || index > SCHEMA_ENUM_MAX ? NULL : cJSON_GetArrayItem(at, (int) index);
}

/* The schema within AT that calls itself NAME. The schema's depth bounds the recursion. */
static const cJSON *find_anchor(struct schema_compiler *c, const cJSON *at, const char *name) {
        static const char *const words[] = { "$anchor", "$dynamicAnchor" };
        const cJSON *child, *found = NULL;
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
                const char *own = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(at, words[i]));
                if (own && !strcmp(own, name))
                        return at;
        }
        cJSON_ArrayForEach(child, at)
                if (!found && schema_works(c, 8) && (cJSON_IsObject(child) || cJSON_IsArray(child)))
                        found = find_anchor(c, child, name);
        return found;
}

const cJSON *schema_resolve(struct schema_compiler *c, const cJSON *ref) {
        char shown[64];
        const char *at = cJSON_IsString(ref) ? ref->valuestring : "";
        const cJSON *target = c->root;
        if (at[0] != '#') {
                schema_relax(c, ref, "$ref must point into this schema, as #/$defs/... does");
                return NULL;
        }
        if (at[1] && at[1] != '/')
                target = find_anchor(c, c->root, at + 1);
        else
                for (at++; target && *at && schema_works(c, 16);)
                        target = schema_step_down(target, &at);
        if (!target)
                schema_relax(c, ref, "there is nothing at %s",
                             printable_copy(shown, sizeof(shown), ref->valuestring, strlen(ref->valuestring)));
        return target;
}
