/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 (RFC 4648 section 4), written and read strictly; without tables of its own values or a locale. */
#include "probe/base/base64.h"

#include <string.h>

size_t base64_len(size_t len)
{
    return (len + 2) / 3 * 4;
}

void base64_encode(struct span bytes, char *out_r)
{
    for (size_t at = 0; at < bytes.len; at += 3, out_r += 4) {
        size_t left = bytes.len - at;
        unsigned bits = (unsigned)(unsigned char)bytes.data[at] << 16;

        bits |= left > 1 ? (unsigned)(unsigned char)bytes.data[at + 1] << 8 : 0;
        bits |= left > 2 ? (unsigned char)bytes.data[at + 2] : 0;
        out_r[0] = BASE64_ALPHABET[bits >> 18];
        out_r[1] = BASE64_ALPHABET[bits >> 12 & 63];
        out_r[2] = left > 1 ? BASE64_ALPHABET[bits >> 6 & 63] : '=';
        out_r[3] = left > 2 ? BASE64_ALPHABET[bits & 63] : '=';
    }
}

/* What a character stands for; -1 = none of the alphabet. */
static int value_of(char c)
{
    const char *found = c ? strchr(BASE64_ALPHABET, c) : NULL;

    return found ? (int)(found - BASE64_ALPHABET) : -1;
}

/* A group of four, of which so many are padding. */
static int decode_group(const char *text, size_t padding, char *out)
{
    unsigned bits = 0;

    for (size_t i = 0; i < 4; i++) {
        int value = i < 4 - padding ? value_of(text[i]) : 0;
        if (value < 0)
            return -1;
        bits = bits << 6 | (unsigned)value;
    }
    for (size_t i = 0; i < 3 - padding; i++)
        out[i] = (char)(unsigned char)(bits >> (16 - 8 * i) & 255);
    return bits & ((1u << 8 * padding) - 1) ? -1 : 0;
}

int base64_decode(struct span text, char *out_r)
{
    size_t padding = 0;

    if (text.len % 4 != 0)
        return -1;
    while (padding < 2 && padding < text.len && text.data[text.len - 1 - padding] == '=')
        padding++;
    for (size_t at = 0; at < text.len; at += 4) {
        size_t of_it = at + 4 == text.len ? padding : 0;
        if (decode_group(text.data + at, of_it, out_r + at / 4 * 3) < 0)
            return -1;
    }
    return (int)(text.len / 4 * 3 - padding);
}
