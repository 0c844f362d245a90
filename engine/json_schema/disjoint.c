/* disjoint.c - see internal.h. "No" means "not sure". */
#include <string.h>

#include "engine/json_schema/internal.h"

struct apart {
        struct schema_compiler *c;
        const char *discriminator; /* a property that the schemas at the top have all; or NULL */
};

static bool apart(const struct apart *p, const cJSON *a, const cJSON *b, unsigned depth);

static uint32_t size_of(const cJSON *list) {
        return (uint32_t) cJSON_GetArraySize(list);
}

/* Behind its references. NULL: a schema that could hold for anything. */
static const cJSON *behind_references(struct schema_compiler *c, const cJSON *s) {
        for (unsigned i = 0; i < SCHEMA_DEPTH_MAX && s; i++) {
                const cJSON *ref = cJSON_GetObjectItemCaseSensitive(s, "$ref");
                if (!ref)
                        return s;
                s = schema_resolve(c, ref);
        }
        return NULL;
}

static unsigned types_of(const cJSON *s) {
        unsigned types = TYPE_ANY;
        const cJSON *type = cJSON_GetObjectItemCaseSensitive(s, "type");
        const cJSON *single = cJSON_GetObjectItemCaseSensitive(s, "const");
        const cJSON *list = cJSON_GetObjectItemCaseSensitive(s, "enum"), *value;
        if (type)
                types &= types_of_keyword(type) | (cJSON_GetObjectItemCaseSensitive(s, "nullable") ? TYPE_NULL : 0);
        if (single)
                types &= type_of_value(single);
        if (cJSON_IsArray(list)) {
                unsigned listed = 0;
                cJSON_ArrayForEach(value, list)
                        listed |= type_of_value(value);
                types &= listed;
        }
        return types;
}

/* The values that S can have at most: a list and *RET_COUNT, or a single one; NULL when it names none. */
static const cJSON *values_of(const cJSON *s) {
        const cJSON *single = cJSON_GetObjectItemCaseSensitive(s, "const");
        if (single)
                return single;
        const cJSON *list = cJSON_GetObjectItemCaseSensitive(s, "enum");
        return cJSON_IsArray(list) ? list->child : NULL;
}

static bool values_apart(struct schema_compiler *c, const cJSON *a, const cJSON *b) {
        bool a_single = cJSON_GetObjectItemCaseSensitive(a, "const"), b_single = cJSON_GetObjectItemCaseSensitive(b, "const");
        const cJSON *first = values_of(a);
        if (!first || !values_of(b))
                return false;
        for (const cJSON *x = first; x; x = a_single ? NULL : x->next)
                for (const cJSON *y = values_of(b); y; y = b_single ? NULL : y->next)
                        if (!schema_works(c, 1) || values_equal(x, y))
                                return false;
        return true;
}

/* True when all that is generated for S is an object. */
static bool makes_objects(const cJSON *s) {
        const cJSON *type = cJSON_GetObjectItemCaseSensitive(s, "type");
        return (type ? types_of_keyword(type) : types_implied(s)) == TYPE_OBJECT &&
               !cJSON_GetObjectItemCaseSensitive(s, "nullable");
}

static bool requires(const cJSON *s, const char *name) {
        const cJSON *required = cJSON_GetObjectItemCaseSensitive(s, "required"), *one;
        cJSON_ArrayForEach(one, required)
                if (cJSON_IsString(one) && !strcmp(one->valuestring, name))
                        return true;
        return false;
}

static bool both_have(const struct apart *p, const cJSON *a, const cJSON *b, const char *name, unsigned depth) {
        return (depth == 0 && p->discriminator && !strcmp(name, p->discriminator)) || (requires(a, name) && requires(b, name));
}

/* A property that both require tells them apart. */
static bool properties_apart(const struct apart *p, const cJSON *a, const cJSON *b, unsigned depth) {
        struct schema_compiler *c = p->c;
        const cJSON *of_a = cJSON_GetObjectItemCaseSensitive(a, "properties"), *property;
        const cJSON *of_b = cJSON_GetObjectItemCaseSensitive(b, "properties");
        if (!makes_objects(a) || !makes_objects(b))
                return false;
        uint32_t work = size_of(of_b) + size_of(cJSON_GetObjectItemCaseSensitive(a, "required")) +
                        size_of(cJSON_GetObjectItemCaseSensitive(b, "required"));
        cJSON_ArrayForEach(property, of_a) {
                const cJSON *other = cJSON_GetObjectItemCaseSensitive(of_b, property->string);
                if (!schema_works(c, 8 + work))
                        return false;
                if (other && both_have(p, a, b, property->string, depth) && apart(p, property, other, depth + 1))
                        return true;
        }
        return false;
}

/* A requires a property that B, which names all that it may have, has not. */
static bool requires_more(struct schema_compiler *c, const cJSON *a, const cJSON *b) {
        const cJSON *properties = cJSON_GetObjectItemCaseSensitive(b, "properties"), *one;
        if (!makes_objects(a) || !cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(b, "additionalProperties")) ||
            cJSON_GetObjectItemCaseSensitive(b, "patternProperties"))
                return false;
        cJSON_ArrayForEach(one, cJSON_GetObjectItemCaseSensitive(a, "required"))
                if (schema_works(c, 8 + size_of(properties)) && cJSON_IsString(one) &&
                    !cJSON_GetObjectItemCaseSensitive(properties, one->valuestring))
                        return true;
        return false;
}

static bool apart(const struct apart *p, const cJSON *a, const cJSON *b, unsigned depth) {
        struct schema_compiler *c = p->c;
        a = behind_references(c, a);
        b = behind_references(c, b);
        if (depth > SCHEMA_DEPTH_MAX || !schema_works(c, 32 + 8 * (size_of(a) + size_of(b))))
                return false;
        if (cJSON_IsFalse(a) || cJSON_IsFalse(b))
                return true;
        if (!cJSON_IsObject(a) || !cJSON_IsObject(b))
                return false;
        return !(types_of(a) & types_of(b)) || values_apart(c, a, b) || requires_more(c, a, b) || requires_more(c, b, a) ||
               properties_apart(p, a, b, depth);
}

bool schemas_apart(struct schema_compiler *c, const cJSON *a, const cJSON *b, const char *discriminator) {
        const struct apart p = { c, discriminator };
        return apart(&p, a, b, 0);
}
