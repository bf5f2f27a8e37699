/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Enhanced status codes.
 *
 *     status-code = class "." subject "." detail        ; RFC 3463 section 2
 *     class       = "2" / "4" / "5"
 *     subject     = 1*3DIGIT
 *     detail      = 1*3DIGIT
 */
#include "probe/enhanced.h"

#include <assert.h>

/* Up to three digits; returns what is behind them. */
static char *put_number(char *at, int number)
{
    assert(number >= 0 && number < 1000);
    if (number >= 100)
        *at++ = (char)('0' + number / 100);
    if (number >= 10)
        *at++ = (char)('0' + number / 10 % 10);
    *at++ = (char)('0' + number % 10);
    return at;
}

void enhanced_text(struct enhanced code, char out_r[ENHANCED_TEXT_SIZE])
{
    char *at = out_r;

    if (code.class) {
        at = put_number(at, code.class % 10);
        *at++ = '.';
        at = put_number(at, code.subject % 1000);
        *at++ = '.';
        at = put_number(at, code.detail % 1000);
    }
    *at = '\0';
}

static bool is_digit(struct span text, size_t at)
{
    return at < text.len && text.data[at] >= '0' && text.data[at] <= '9';
}

/* A number of one to three digits at *at, which moves behind it; -1 when there is none or a longer one. */
static int read_number(struct span text, size_t *at)
{
    int number = 0;
    size_t digits = 0;
    while (is_digit(text, *at) && digits < 4) {
        number = number * 10 + (text.data[*at] - '0');
        digits++;
        (*at)++;
    }
    return digits >= 1 && digits <= 3 ? number : -1;
}

int enhanced_parse(struct span text, struct enhanced *code_r, size_t *len_r)
{
    if (!is_digit(text, 0) || text.len < 3 || text.data[1] != '.' || !is_digit(text, 2))
        return 0;

    struct enhanced code = {.class = text.data[0] - '0'};
    size_t at = 2;
    code.subject = read_number(text, &at);
    if (code.subject < 0 || at >= text.len || text.data[at++] != '.')
        return -1;
    code.detail = read_number(text, &at);
    if (code.detail < 0 || (at < text.len && text.data[at] != ' '))
        return -1;
    if (code.class != 2 && code.class != 4 && code.class != 5)
        return -1;
    *code_r = code;
    *len_r = at;
    return 1;
}

bool enhanced_same(struct enhanced a, struct enhanced b)
{
    return a.class == b.class && a.subject == b.subject && a.detail == b.detail;
}
