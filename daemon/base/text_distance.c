/* text_distance.c - see text_distance.h. Rows are left as soon as all of a row is too far, so that unlike names cost little. */
#include "daemon/base/text_distance.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

typedef unsigned char row[TEXT_DISTANCE_LENGTH_MAX + 1];

static bool same(char a, char b) {
        return tolower((unsigned char) a) == tolower((unsigned char) b);
}

static unsigned least(unsigned a, unsigned b) {
        return a < b ? a : b;
}

/* Row I (from 1) of the table of distances between beginnings of A and B, from the two before it. Returns its least. */
static unsigned fill(row next, const row last, const row before, const char *a, unsigned i, const char *b, unsigned length) {
        unsigned lowest = next[0] = (unsigned char) i;
        for (unsigned j = 1; j <= length; j++) {
                unsigned best = least(last[j - 1] + !same(a[i - 1], b[j - 1]), least(last[j], next[j - 1]) + 1u);
                if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
                        best = least(best, before[j - 2] + 1u);
                next[j] = (unsigned char) best;
                lowest = least(lowest, best);
        }
        return lowest;
}

unsigned text_distance(const char *a, const char *b, unsigned far) {
        size_t length_a = strlen(a), length_b = strlen(b);
        row rows[3];
        if (length_a > TEXT_DISTANCE_LENGTH_MAX || length_b > TEXT_DISTANCE_LENGTH_MAX || length_a >= length_b + far ||
            length_b >= length_a + far)
                return far;
        for (unsigned j = 0; j <= length_b; j++)
                rows[0][j] = (unsigned char) j;
        unsigned lowest = 0; /* of the row before: a swap reaches over one */
        for (unsigned i = 1; i <= length_a; i++) {
                unsigned now = fill(rows[i % 3], rows[(i + 2) % 3], rows[(i + 1) % 3], a, i, b, (unsigned) length_b);
                if (now >= far && lowest >= far)
                        return far;
                lowest = now;
        }
        return least(rows[length_a % 3][length_b], far);
}

unsigned text_slip(const char *word) {
        return strlen(word) > 2 ? 2 : (unsigned) strlen(word) - (*word != 0);
}
