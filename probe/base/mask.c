/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hides secrets in text. In base64 (RFC 4648 section 4) three octets are four characters, so one and the same
 * secret looks different at each of three places, and its first and last octet may share a character with
 * what stands beside it. Such a character tells some of its bits, so it is hidden with the others.
 */
#include "probe/base/mask.h"

#include "probe/base/base64.h"
#include "probe/base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_BASE64 4 /* fewer characters say little, and are found everywhere */
#define LEAST_CUT    2

struct form {
    char *bytes;
    size_t len;
    bool base64;
    bool shared_before, shared_after; /* a character beside it has some bits of it */
};

struct mask {
    struct form *forms;
    size_t count;
    bool all; /* whatever stands there */
};

struct mask *mask_new(void)
{
    return mem_alloc(sizeof(struct mask));
}

const struct mask *mask_of_all(void)
{
    static const struct mask all = {.all = true};

    return &all;
}

void mask_free(struct mask *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->count; i++) {
        secret_wipe(m->forms[i].bytes, m->forms[i].len);
        free(m->forms[i].bytes);
    }
    free(m->forms);
    free(m);
}

/* Takes the form's bytes. */
static void add_form(struct mask *m, struct form form)
{
    m->forms = mem_resize(m->forms, (m->count + 1) * sizeof form);
    m->forms[m->count++] = form;
}

void mask_add_exact(struct mask *m, struct span bytes)
{
    struct form form = {.len = bytes.len};

    if (bytes.len == 0)
        return;
    form.bytes = mem_alloc(bytes.len);
    memcpy(form.bytes, bytes.data, bytes.len);
    add_form(m, form);
}

/* The six bits from that one on, all of which are the secret's. */
static char sextet(struct span bytes, size_t bit)
{
    unsigned value = 0;

    for (size_t i = bit; i < bit + 6; i++)
        value = value << 1 | ((unsigned char)bytes.data[i / 8] >> (7 - i % 8) & 1);
    return BASE64_ALPHABET[value];
}

/* Behind that many other octets: the characters that are made of nothing but the secret. */
static void add_base64(struct mask *m, struct span bytes, size_t others)
{
    size_t first = (8 * others + 5) / 6, end = 8 * (others + bytes.len) / 6;
    struct form form = {
        .base64 = true, .shared_before = others % 3 != 0, .shared_after = 8 * (others + bytes.len) % 6 != 0};

    if (end < first + LEAST_BASE64)
        return;
    form.len = end - first;
    form.bytes = mem_alloc(form.len);
    for (size_t i = 0; i < form.len; i++)
        form.bytes[i] = sextet(bytes, 6 * (first + i) - 8 * others);
    add_form(m, form);
}

void mask_add(struct mask *m, struct span bytes)
{
    mask_add_exact(m, bytes);
    for (size_t others = 0; others < 3; others++)
        add_base64(m, bytes, others);
}

static bool is_base64(char c)
{
    return c && strchr(BASE64_ALPHABET, c);
}

/* How many octets of the text from there on are the form's; 0 = it is not there. */
static size_t match_body(const struct form *f, struct span text, size_t at, bool cut)
{
    size_t left = text.len - at, len = f->len;

    if (left < len) {
        if (!cut || left < LEAST_CUT)
            return 0;
        len = left;
    }
    return memcmp(text.data + at, f->bytes, len) == 0 ? len : 0;
}

static size_t match(const struct form *f, struct span text, size_t at, bool cut)
{
    size_t end = at, len = 0;

    if (f->shared_before && at + 1 < text.len && is_base64(text.data[at]))
        len = match_body(f, text, ++end, cut);
    if (len == 0)
        len = match_body(f, text, end = at, cut);
    if (len == 0)
        return 0;
    end += len;
    if (f->shared_after && end < text.len && is_base64(text.data[end]))
        end++;
    while (f->base64 && end < text.len && text.data[end] == '=')
        end++;
    return end - at;
}

static size_t match_any(const struct mask *m, struct span text, size_t at, bool cut)
{
    size_t longest = m->all ? text.len - at : 0;

    for (size_t i = 0; i < m->count; i++) {
        size_t len = match(&m->forms[i], text, at, cut);
        if (len > longest)
            longest = len;
    }
    return longest;
}

size_t mask_room(size_t len)
{
    return len * (sizeof SECRET_SHOWN - 1); /* secrets of one octet each */
}

static size_t apply(const struct mask *m, struct span text, bool cut, char *out_r)
{
    size_t hidden_to = 0, len = 0;

    for (size_t at = 0; at < text.len; at++) {
        size_t found = m ? match_any(m, text, at, cut) : 0;
        if (found && at >= hidden_to) {
            memcpy(out_r + len, SECRET_SHOWN, sizeof SECRET_SHOWN - 1);
            len += sizeof SECRET_SHOWN - 1;
        }
        if (at + found > hidden_to)
            hidden_to = at + found;
        if (at >= hidden_to)
            out_r[len++] = text.data[at];
    }
    assert(len <= mask_room(text.len));
    return len;
}

size_t mask_apply(const struct mask *m, struct span text, char *out_r)
{
    return apply(m, text, false, out_r);
}

size_t mask_apply_cut(const struct mask *m, struct span text, char *out_r)
{
    return apply(m, text, true, out_r);
}
