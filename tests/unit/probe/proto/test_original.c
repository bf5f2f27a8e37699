/* SPDX-License-Identifier: Apache-2.0 */
/* V05: what was changed on the way, and what is none. */
#include "probe/proto/original.h"

#include "probe/base/buffer.h"
#include "probe/base/text.h"
#include "probe/proto/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define HEAD    "From: a@example.org\r\nSubject: a long one\r\n and its fold\r\nMessage-ID: <1@example.org>\r\n"
#define BODY    "one\r\n.two\r\n\r\nthree\r\n"
#define MESSAGE HEAD "\r\n" BODY

static const struct {
    const char *what, *found, *changes;
} rows[] = {
    {"as it was", MESSAGE, ""},
    {"fields on top", "Return-Path: <>\r\nReceived: x\r\n" MESSAGE, ""},
    {"folded otherwise, names in capitals",
     "FROM:a@example.org\r\nsubject: a\r\n\tlong one\r\n\tand  its fold \r\nMessage-id:\r\n <1@example.org>\r\n\r\n" BODY,
     ""},
    {"in another order",
     "Message-ID: <1@example.org>\r\nSubject: a long one and its fold\r\nFrom: a@example.org\r\n\r\n" BODY,
     ""},
    {"blanks at the end of lines", HEAD "\r\none \t\r\n.two\r\n \r\nthree  \r\n", ""},
    {"empty lines at the end", MESSAGE "\r\n\r\n\r\n", ""},
    {"no line end at the end", HEAD "\r\none\r\n.two\r\n\r\nthree", ""},
    {"another subject", "From: a@example.org\r\nSubject: SPAM\r\nMessage-ID: <1@example.org>\r\n\r\n" BODY,
     "header Subject\n"},
    {"no subject", "From: a@example.org\r\nMessage-ID: <1@example.org>\r\n\r\n" BODY, "header Subject\n"},
    {"another Message-ID, a tag in the subject",
     "From: a@example.org\r\nSubject: [x] a long one and its fold\r\nMessage-ID: <2@example.org>\r\n\r\n" BODY,
     "header Subject\nheader Message-ID\n"},
    {"a second subject", "Subject: other\r\n" MESSAGE, ""},
    {"a footer", MESSAGE "-- \r\nread by nobody\r\n", "body\n"},
    {"something before", HEAD "\r\nCAUTION\r\n" BODY, "body\n"},
    {"an empty line before", HEAD "\r\n\r\n" BODY, "body\n"},
    {"a line that is gone", HEAD "\r\none\r\n.two\r\nthree\r\n", "body\n"},
    {"a dot that is gone", HEAD "\r\none\r\ntwo\r\n\r\nthree\r\n", "body\n"},
    {"blanks at the start of a line", HEAD "\r\n one\r\n.two\r\n\r\nthree\r\n", "body\n"},
    {"encoded otherwise", HEAD "\r\nb25lDQou\r\n", "body\n"},
    {"no body", HEAD "\r\n", "body\n"},
    {"all of it", "Subject: x\r\n\r\nx\r\n", "header From\nheader Subject\nheader Message-ID\nbody\n"},
    {"a header that breaks off", HEAD, ""},
    {"nothing", "", ""},
};

static void join(const char *const *changes, size_t count, struct buffer *out)
{
    buffer_clear(out);
    for (size_t i = 0; i < count; i++)
        buffer_printf(out, "%s\n", changes[i]);
    buffer_puts(out, "");
}

static void assert_changes(struct arena *a, const char *what, struct span packed, struct span kept,
                           size_t size, const char *wanted)
{
    const char *const *changes;
    struct buffer all;

    buffer_init(&all, 4096);
    join(changes, original_compare(a, packed, kept, size, &changes), &all);
    if (!span_is(buffer_span(&all), wanted))
        fail_msg("%s: %.*s", what, (int)all.len, all.data);
    buffer_free(&all);
}

static struct span pack(struct arena *a, const char *text)
{
    struct plan_letter letter = {.wire = message_wire(a, span_of(text))};

    return original_pack(a, &letter);
}

static void test_v05_changes(void **state)
{
    struct arena a = {0};
    struct span packed = pack(&a, MESSAGE);

    (void)state;
    assert_true(packed.len > 0 && packed.len <= ORIGINAL_MAX_SIZE);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_changes(&a, rows[i].what, packed, span_of(rows[i].found), strlen(rows[i].found),
                       rows[i].changes);
    arena_free(&a);
}

/* A field that stands twice has to come twice; one that mail servers take away need not come. */
static void test_fields(void **state)
{
    static const struct {
        const char *found, *changes;
    } cases[] = {
        {"X: 2\r\nX: 1\r\n\r\n", ""}, {"X: 1\r\nX: 1\r\n\r\n", "header X\n"}, {"X: 1\r\n\r\n", "header X\n"},
        {"\r\n", "header X\n"},       {"X: 1\r\nx: 2\r\nX: 3\r\n\r\n", ""},
    };
    struct arena a = {0};
    struct span packed =
        pack(&a, "X: 1\r\nBcc: b@example.org\r\nReturn-Path: <a>\r\nContent-Length: 1\r\nX: 2\r\n\r\n");

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_changes(&a, cases[i].found, packed, span_of(cases[i].found), strlen(cases[i].found),
                       cases[i].changes);
    arena_free(&a);
}

/* A letter may come in any pieces, even between a dot and its line end. */
static void test_pieces(void **state)
{
    struct arena a = {0};
    struct span wire = message_wire(&a, span_of(MESSAGE));
    struct span rest[256], whole = pack(&a, MESSAGE);
    struct plan_letter letter = {.wire = {wire.data, 1}, .rest = rest};

    (void)state;
    for (size_t i = 1; i < wire.len; i++)
        rest[letter.rest_count++] = (struct span){wire.data + i, 1};
    struct span packed = original_pack(&a, &letter);
    assert_int_equal(packed.len, whole.len);
    assert_memory_equal(packed.data, whole.data, whole.len);
    arena_free(&a);
}

/* So many lines of a body. */
static void lines(struct buffer *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buffer_printf(out, "line %zu of a long message, and it has no blank at its end\r\n", i);
}

#define KEPT ((size_t)64 * 1024)

static struct span kept_of(const struct buffer *b)
{
    return (struct span){b->data, b->len < KEPT ? b->len : KEPT};
}

/* Of which only the beginning is seen: it is compared as far as that goes, and its size. */
static void test_long_messages(void **state)
{
    static const size_t counts[] = {500, 1000, 1500, 5000, 20000};
    struct arena a = {0};
    struct buffer sent, found;

    (void)state;
    buffer_init(&sent, 4 << 20);
    buffer_init(&found, 4 << 20);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        buffer_clear(&sent);
        buffer_puts(&sent, "Subject: x\r\n\r\n");
        lines(&sent, counts[i]);
        struct plan_letter letter = {.wire = message_wire(&a, buffer_span(&sent)), .octets = sent.len};
        struct span packed = original_pack(&a, &letter);
        buffer_clear(&found);
        buffer_puts(&found, "Received: by mx\r\n");
        buffer_puts(&found, sent.data);
        assert_changes(&a, "as it was", packed, kept_of(&found), found.len, "");
        assert_changes(&a, "a footer", packed, kept_of(&found), found.len + 20, "body\n");
        found.len -= 100;
        assert_changes(&a, "less of it", packed, kept_of(&found), found.len, "body\n");
        found.len += 100;
        found.data[200] = 'X';
        assert_changes(&a, "another letter near the start", packed, kept_of(&found), found.len, "body\n");
    }
    buffer_free(&sent);
    buffer_free(&found);
    arena_free(&a);
}

/* What the ledger kept may be damaged: then nothing is known of changes. */
static void test_a_damaged_form(void **state)
{
    struct arena a = {0};
    struct span packed = pack(&a, MESSAGE), none = {"", 0};
    const char *const *changes;

    (void)state;
    assert_changes(&a, "empty", none, span_of("X: x\r\n\r\n"), 8, "");
    for (size_t len = 0; len < packed.len; len++)
        assert_changes(&a, "cut", (struct span){packed.data, len}, span_of("X: x\r\n\r\n"), 8, "");
    for (size_t i = 0; i < packed.len; i++) {
        char *damaged = arena_dup_span(&a, packed);
        damaged[i] = (char)~damaged[i];
        size_t count = original_compare(&a, (struct span){damaged, packed.len}, span_of(MESSAGE),
                                        strlen(MESSAGE), &changes);
        assert_true(count <= 4);
    }
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_v05_changes),    cmocka_unit_test(test_fields),
        cmocka_unit_test(test_pieces),         cmocka_unit_test(test_long_messages),
        cmocka_unit_test(test_a_damaged_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
