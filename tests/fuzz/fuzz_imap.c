/* SPDX-License-Identifier: Apache-2.0 */
/* The IMAP client: the same for every way to cut the bytes, within its limits; it removes what it was told to
 * and nothing else, and marks nothing. The input is what the server says; each FUZZ_PART ends an answer. */
#include "probe/base/text.h"
#include "probe/proto/imap.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_NOTED (8 * 1024 * 1024)

static const char *const folders[] = {"INBOX", "\\Junk", "J\xc3\xbcnk \"&\""};
#define FOLDER_COUNT (sizeof folders / sizeof folders[0])

struct session {
    struct imap imap;
    struct buffer noted; /* what it said and showed */
    uint32_t asked[IMAP_BATCH];
    size_t asked_count;
    bool same[IMAP_BATCH]; /* those of them that may be removed */
    uint32_t next;         /* to be removed */
};

static uint32_t from(void *context, size_t folder, uint32_t validity)
{
    struct session *s = context;

    fuzz_require(folder < FOLDER_COUNT, "a folder is one of the list");
    buffer_printf(&s->noted, "%zu %u\n", folder, validity);
    return validity % 7;
}

static bool is_candidate(void *context, size_t folder, uint32_t uid, struct span header)
{
    struct session *s = context;

    fuzz_require(uid > 0, "a UID is above 0");
    fuzz_require(header.len <= IMAP_MAX_HEADER + IMAP_MAX_LINE, "a header has a limited size");
    buffer_printf(&s->noted, "%zu %u\n", folder, uid);
    buffer_put(&s->noted, header.data, header.len);
    return header.len % 2 == 0;
}

static void read_one(void *context, size_t folder, uint32_t uid, struct span kept, uint64_t size)
{
    struct session *s = context;

    fuzz_require(uid > 0, "a UID is above 0");
    fuzz_require(kept.len <= IMAP_MAX_KEPT, "what is kept has a limited size");
    buffer_printf(&s->noted, "%zu %u %zu\n", folder, uid, (size_t)size);
    buffer_put(&s->noted, kept.data, kept.len);
}

static void looked(void *context, size_t folder, uint32_t upto)
{
    struct session *s = context;

    buffer_printf(&s->noted, "%zu %u\n", folder, upto);
    s->next = folder % 2 ? 0 : 40;
}

static size_t removable(void *context, size_t folder, size_t most, uint32_t *uids_r)
{
    struct session *s = context;
    size_t count = s->next < most ? s->next : most;

    (void)folder;
    for (size_t i = 0; i < count; i++)
        s->asked[i] = uids_r[i] = 4294967000U + (uint32_t)i;
    memset(s->same, 0, sizeof s->same);
    s->asked_count = count;
    s->next /= 2;
    return count;
}

static void check_asked(const struct session *s, const uint32_t *uids, size_t count)
{
    size_t at = 0;

    for (size_t i = 0; i < s->asked_count && at < count; i++)
        at += s->asked[i] == uids[at];
    fuzz_require(count > 0 && at == count, "only what was to be removed is, or is not");
}

static bool is_same(void *context, size_t folder, uint32_t uid, struct span header)
{
    struct session *s = context;

    (void)folder;
    fuzz_require(uid - 4294967000U < s->asked_count, "only of what is to be removed");
    s->same[uid - 4294967000U] = header.len % 2 == 0;
    return header.len % 2 == 0;
}

static void removed(void *context, size_t folder, const uint32_t *uids, size_t count)
{
    (void)folder;
    check_asked(context, uids, count);
}

static void unremoved(void *context, size_t folder, const uint32_t *uids, size_t count, const char *why)
{
    (void)folder;
    check_asked(context, uids, count);
    fuzz_require(text_is_clean(span_of(why)), "why is clean text");
}

static const struct imap_reader reader = {from,      is_candidate, read_one, looked,
                                          removable, is_same,      removed,  unremoved};

/* Nothing is removed that was not found to be the same just before. */
static void check_expunge(const struct session *s, struct span out)
{
    const char *at = out.len ? strstr(out.data, " UID EXPUNGE ") : NULL;
    unsigned uid;

    for (at = at ? at + strlen(" UID EXPUNGE") : NULL; at && sscanf(at + 1, "%u", &uid) == 1;
         at = strchr(at + 1, ','))
        fuzz_require(uid - 4294967000U < IMAP_BATCH && s->same[uid - 4294967000U], "it is the same");
}

static void speak(struct session *s)
{
    struct span out = imap_output(&s->imap);
    const char *end = out.len ? memchr(out.data, '\n', out.len) : NULL;

    fuzz_require(out.len == 0 || (end == out.data + out.len - 1 && end[-1] == '\r'), "one command, one line");
    fuzz_require(out.len == 0 || text_is_ascii(out), "a command is ASCII");
    check_expunge(s, out);
    fuzz_require(!out.len || !strstr(out.data, " EXPUNGE") || strstr(out.data, " UID EXPUNGE 42949670"),
                 "no EXPUNGE but that of UIDs");
    buffer_put(&s->noted, out.data, out.len);
    imap_sent(&s->imap);
}

static void play(struct session *s, size_t piece, struct span input)
{
    int got = 0;

    imap_init(&s->imap, folders, FOLDER_COUNT, &reader, s);
    buffer_init(&s->noted, MOST_NOTED);
    while (input.len > 0 && got >= 0) {
        const char *end = memchr(input.data, FUZZ_PART, input.len);
        size_t len = end ? (size_t)(end - input.data) : input.len;
        speak(s);
        for (size_t at = 0; at < len && got >= 0;) {
            size_t part = piece != 0 && piece < len - at ? piece : len - at;
            char *exact = fuzz_exact((struct span){input.data + at, part});
            got = imap_feed(&s->imap, (struct span){exact, part});
            free(exact);
            at += part;
        }
        if (s->imap.state == IMAP_IDLE)
            imap_look(&s->imap);
        input.data += len + (end != NULL);
        input.len -= len + (end != NULL);
    }
    fuzz_require((got < 0) == (imap_why(&s->imap) != NULL), "what fails says why");
    if (imap_why(&s->imap))
        fuzz_require(text_is_clean(span_of(imap_why(&s->imap))), "why is clean text");
    buffer_printf(&s->noted, "%d %s\n", got < 0, imap_why(&s->imap) ? imap_why(&s->imap) : "");
}

static void end(struct session *s)
{
    imap_free(&s->imap);
    buffer_free(&s->noted);
}

int fuzz_imap(const uint8_t *data, size_t size)
{
    struct span input = {(const char *)data, size};
    size_t piece = 1 + fuzz_take(&input) % 16;
    struct session whole = {0}, cut = {0};

    play(&whole, 0, input);
    play(&cut, piece, input);
    fuzz_require(whole.noted.len == cut.noted.len &&
                     memcmp(whole.noted.data, cut.noted.data, cut.noted.len) == 0,
                 "how the bytes are cut changes nothing");
    end(&whole);
    end(&cut);
    return 0;
}
