/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a message says itself, and whether it is as it was sent. The first octet picks how the rest is read:
 * as a message alone, or so many octets of it as the form of an original, and the message behind.
 */
#include "probe/proto/evidence.h"

#include "probe/base/clock.h"
#include "probe/base/text.h"
#include "probe/proto/header.h"
#include "probe/proto/message.h"
#include "probe/proto/original.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SEEN_US   INT64_C(1795400704123456)
#define MOST_HOP  256
#define MOST_TEXT ((size_t)32 * 1024) /* of which a letter is known to be read whole */

static size_t check_text(const char *text, size_t most)
{
    if (!text)
        return 0;
    fuzz_require(strlen(text) <= most + strlen("..."), "a text has its limit");
    fuzz_require(text_is_clean(span_of(text)), "a text is fit to be shown");
    return strlen(text);
}

static void check_hops(const struct evidence *e)
{
    const int64_t year_us = INT64_C(366) * 86400 * CLOCK_US_PER_S;

    for (size_t i = 0; i < e->hop_count; i++) {
        const struct evidence_hop *h = &e->hops[i];
        check_text(h->by, MOST_HOP);
        check_text(h->from, MOST_HOP);
        check_text(h->with, MOST_HOP);
        fuzz_require(h->at_wall_us > -100 * year_us && h->at_wall_us < 8100 * year_us, "a date is one");
        fuzz_require(h->delay_us > -9000 * year_us && h->delay_us < 9000 * year_us, "a delay is one");
        if (h->at_wall_us == CLOCK_NONE)
            fuzz_require(h->delay_us == CLOCK_NONE, "without a date there is no delay");
    }
}

static void check_evidence(struct arena *a, struct span kept)
{
    struct evidence e;
    size_t all = 0;

    evidence_read(a, kept, kept.len, SEEN_US, &e);
    fuzz_require(e.hop_count <= EVIDENCE_MAX_HOPS && e.hop_count <= e.hop_total, "so many hops");
    fuzz_require(e.auth_count <= EVIDENCE_MAX_AUTH && e.field_count <= EVIDENCE_MAX_FIELDS, "so many fields");
    fuzz_require(e.field_count <= e.field_total && e.hop_total <= e.field_total, "all are counted");
    fuzz_require(e.size == kept.len && e.change_count == 0, "nothing is made up");
    check_hops(&e);
    for (size_t i = 0; i < e.auth_count; i++)
        all += check_text(e.auth[i], EVIDENCE_MAX_TEXT);
    for (size_t i = 0; i < e.field_count; i++)
        all += check_text(e.fields[i].name, EVIDENCE_MAX_TEXT) +
               check_text(e.fields[i].value, EVIDENCE_MAX_TEXT);
    fuzz_require(all <= EVIDENCE_MAX_ALL + EVIDENCE_MAX_TEXT, "all texts together have their limit");
    const char *recipient = evidence_recipient(a, kept);
    fuzz_require(!recipient || *recipient, "who it is for has a name");
    check_text(recipient, EVIDENCE_MAX_TEXT);
}

/* Each is told once, and stands there. */
static size_t check_changes(struct arena *a, struct span packed, struct span kept)
{
    const char *const *changes;
    size_t count = original_compare(a, packed, kept, kept.len, &changes);

    fuzz_require(count <= EVIDENCE_MAX_CHANGES, "so many changes");
    for (size_t i = 0; i < count; i++) {
        check_text(changes[i], EVIDENCE_MAX_TEXT);
        for (size_t k = 0; k < i; k++)
            fuzz_require(strcasecmp(changes[i], changes[k]) != 0, "a change is told once");
    }
    return count;
}

/* A wire without its dots: as the message arrives. */
static struct span arrived(struct arena *a, struct span wire)
{
    char *text = arena_alloc(a, wire.len + 1);
    size_t len = 0;

    for (size_t i = 0; i + 3 < wire.len; i++)
        if (wire.data[i] != '.' || (i > 0 && wire.data[i - 1] != '\n'))
            text[len++] = wire.data[i];
        else if (wire.data[i + 1] == '.')
            text[len++] = wire.data[i++];
    return (struct span){text, len};
}

static struct span join(struct arena *a, const char *before, struct span text, const char *behind)
{
    size_t first = strlen(before), last = strlen(behind);
    char *all = arena_alloc(a, first + text.len + last + 1);

    memcpy(all, before, first);
    if (text.len)
        memcpy(all + first, text.data, text.len);
    memcpy(all + first + text.len, behind, last);
    return (struct span){all, first + text.len + last};
}

static void check_original(struct arena *a, struct span text)
{
    struct plan_letter letter = {.wire = message_wire(a, text)};
    struct span packed = original_pack(a, &letter), came = arrived(a, letter.wire), body;

    fuzz_require(packed.len > 0 && packed.len <= ORIGINAL_MAX_SIZE, "a form has its limit");
    fuzz_require(check_changes(a, packed, came) == 0, "what comes as it was sent is not changed");
    fuzz_require(check_changes(a, packed, join(a, "Received: by x\r\n", came, "\r\n\r\n")) == 0,
                 "a field on top and empty lines at the end are no change");
    if (header_body(came, &body))
        fuzz_require(check_changes(a, packed, join(a, "", came, "x\r\n")) == 1, "a footer is a change");
}

int fuzz_evidence(const uint8_t *data, size_t size)
{
    struct span input = {(const char *)data, size};
    struct arena a = {0};
    size_t len = fuzz_take(&input);

    len = len < input.len ? len : input.len;
    struct span packed = {fuzz_exact((struct span){input.data, len}), len};
    struct span kept = {fuzz_exact((struct span){input.data + len, input.len - len}), input.len - len};
    check_evidence(&a, kept);
    check_changes(&a, packed, kept);
    if (kept.len <= MOST_TEXT)
        check_original(&a, kept);
    free((char *)packed.data);
    free((char *)kept.data);
    arena_free(&a);
    return 0;
}
