/* SPDX-License-Identifier: Apache-2.0 */
/* The POP3 client: the same for every way to cut the bytes, within its limits, and nothing is removed or
 * shown that nobody asked for. The input is what the server says; each FUZZ_PART ends an answer. */
#include "probe/base/text.h"
#include "probe/proto/pop3.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#define MOST_NOTED (8 * 1024 * 1024)

struct session {
    struct pop3 pop3;
    struct buffer noted; /* what it said and showed */
    size_t removals;     /* that were wished for */
    size_t removed, unremoved;
};

static enum pop3_wish wish(void *context, const char *uid)
{
    struct session *s = context;
    enum pop3_wish w = (enum pop3_wish)(*uid % 3);

    fuzz_require(strlen(uid) > 0 && strlen(uid) < POP3_UID_SIZE, "a unique id has 1 to 70 octets");
    fuzz_require(text_is_ascii(span_of(uid)) && text_is_clean(span_of(uid)), "a unique id is clean");
    s->removals += w == POP3_REMOVE;
    return w;
}

static bool is_candidate(void *context, const char *uid, struct span header)
{
    struct session *s = context;

    fuzz_require(*uid % 3 == POP3_READ, "only what was to be read is");
    fuzz_require(header.len <= POP3_MAX_KEPT, "a header has a limited size");
    buffer_put(&s->noted, header.data, header.len);
    return header.len % 2 == 0;
}

static void read_one(void *context, const char *uid, struct span kept, size_t size)
{
    struct session *s = context;

    fuzz_require(kept.len <= POP3_MAX_KEPT && kept.len <= size, "what is kept is a part of it");
    buffer_printf(&s->noted, "%s %zu\n", uid, size);
    buffer_put(&s->noted, kept.data, kept.len);
}

static bool is_same(void *context, const char *uid, struct span header)
{
    struct session *s = context;

    fuzz_require(*uid % 3 == POP3_REMOVE, "only what is to be removed is looked at again");
    buffer_put(&s->noted, header.data, header.len);
    return header.len % 2 == 0;
}

static void unremoved(void *context, const char *uid, const char *why)
{
    struct session *s = context;

    fuzz_require(*uid % 3 == POP3_REMOVE && text_is_clean(span_of(why)),
                 "why it is not removed is clean text");
    s->unremoved++;
}

static void removed(void *context, const char *uid)
{
    struct session *s = context;

    fuzz_require(s->pop3.state == POP3_DONE, "only a good end removes");
    fuzz_require(*uid % 3 == POP3_REMOVE, "only what was to be removed is");
    s->removed++;
}

static const struct pop3_reader reader = {wish, is_candidate, read_one, is_same, removed, unremoved};

static void speak(struct session *s)
{
    struct span out = pop3_output(&s->pop3);

    fuzz_require(out.len == 0 || (out.len > 2 && memcmp(out.data + out.len - 2, "\r\n", 2) == 0),
                 "a command ends with CRLF");
    buffer_put(&s->noted, out.data, out.len);
    pop3_sent(&s->pop3);
}

static void play(struct session *s, size_t piece, struct span input)
{
    int got = 0;

    pop3_init(&s->pop3, &reader, s);
    buffer_init(&s->noted, MOST_NOTED);
    while (input.len > 0 && got == 0) {
        const char *end = memchr(input.data, FUZZ_PART, input.len);
        size_t len = end ? (size_t)(end - input.data) : input.len;
        speak(s);
        for (size_t at = 0; at < len && got == 0;) {
            size_t part = piece != 0 && piece < len - at ? piece : len - at;
            char *exact = fuzz_exact((struct span){input.data + at, part});
            got = pop3_feed(&s->pop3, (struct span){exact, part});
            free(exact);
            at += part;
        }
        input.data += len + (end != NULL);
        input.len -= len + (end != NULL);
    }
    fuzz_require((got < 0) == (pop3_why(&s->pop3) != NULL), "what fails says why");
    fuzz_require(s->removed + s->unremoved <= s->removals && (got == 1 || s->removed == 0),
                 "each that was to be removed is, or is not, and a session that fails removes none");
    if (pop3_why(&s->pop3))
        fuzz_require(text_is_clean(span_of(pop3_why(&s->pop3))), "why is clean text");
    buffer_printf(&s->noted, "%d %s\n", got, pop3_why(&s->pop3) ? pop3_why(&s->pop3) : "");
}

static void end(struct session *s)
{
    pop3_free(&s->pop3);
    buffer_free(&s->noted);
}

int fuzz_pop3(const uint8_t *data, size_t size)
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
