/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which known word a mistyped one means: the least number of letters inserted, dropped, changed or swapped
 * with their neighbour (optimal string alignment). The first of several equally near ones wins.
 * Limit: words of more than 64 letters are near to nothing.
 */
#include "config/nearest.h"

#include <ctype.h>
#include <string.h>

#define MAX_LETTERS 64

static int lower(char c)
{
    return tolower((unsigned char)c);
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* d[i][j]: what it takes to make the first i letters of a into the first j of b. */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    unsigned d[MAX_LETTERS + 1][MAX_LETTERS + 1];
    for (size_t i = 0; i <= a_len; i++)
        d[i][0] = (unsigned)i;
    for (size_t j = 0; j <= b_len; j++)
        d[0][j] = (unsigned)j;
    for (size_t i = 1; i <= a_len; i++) {
        for (size_t j = 1; j <= b_len; j++) {
            unsigned change = lower(a[i - 1]) != lower(b[j - 1]);
            d[i][j] = least(least(d[i - 1][j], d[i][j - 1]) + 1, d[i - 1][j - 1] + change);
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]))
                d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
        }
    }
    return d[a_len][b_len];
}

const char *nearest(const char *word, const char *const *candidates, size_t count)
{
    size_t word_len = strlen(word);
    if (word_len == 0 || word_len > MAX_LETTERS)
        return NULL;
    unsigned allowed = word_len < 6 ? 1 : (unsigned)word_len / 3;
    const char *best = NULL;
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(candidates[i]);
        if (len > MAX_LETTERS || len > word_len + allowed || word_len > len + allowed)
            continue;
        unsigned d = distance(word, word_len, candidates[i], len);
        if (d > allowed || (best && d == allowed))
            continue;
        best = candidates[i];
        allowed = d;
        if (d == 0)
            break;
    }
    return best;
}
