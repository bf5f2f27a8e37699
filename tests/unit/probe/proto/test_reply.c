/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reply parser: each input is fed whole, byte by byte and cut in two at every place, always from an
 * allocation of the exact size, and must come to the same end.
 */
#include "probe/proto/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define F(flag)      (UINT64_C(1) << FLAG_##flag)
#define MAX_LINES    4

enum place { BANNER, EHLO, OTHER };

struct row {
    const char *bytes;
    enum place place;
    int got;
    enum reason reason;
    int code;
    uint64_t flags;
    const char *lines[MAX_LINES];
    const char *enhanced;
    size_t left; /* bytes behind the reply */
};

static const struct row rows[] = {
    {"220 mx.example.org\r\n", BANNER, 1, 0, 220, 0, {"mx.example.org"}, "", 0},
    {"220\r\n", BANNER, 1, 0, 220, 0, {""}, "", 0},
    {"220 \r\n", BANNER, 1, 0, 220, 0, {""}, "", 0},
    {"220-\r\n220 \r\n", BANNER, 1, 0, 220, 0, {"", ""}, "", 0},
    {"220-a\r\n220-b\r\n220 c\r\n", BANNER, 1, 0, 220, 0, {"a", "b", "c"}, "", 0},
    {"220-a\r\n220\r\n", BANNER, 1, 0, 220, 0, {"a", ""}, "", 0},
    {"220 a\r\n250 b\r\n", BANNER, 1, 0, 220, 0, {"a"}, "", 7},
    {"220 a\n", BANNER, 1, 0, 220, F(BARE_LF), {"a"}, "", 0},
    {"220 a\r\r\n", BANNER, 1, 0, 220, F(BARE_CR), {"a\\x0D"}, "", 0},
    {"220 a\rb\r\n", BANNER, 1, 0, 220, F(BARE_CR), {"a\\x0Db"}, "", 0},
    {"\r\n\n220 a\r\n", BANNER, 1, 0, 220, F(STRAY_EMPTY_LINE) | F(BARE_LF), {"a"}, "", 0},
    {"220 \xe2\x82\xac\r\n", BANNER, 1, 0, 220, 0, {"\xe2\x82\xac"}, "", 0},
    {"220 \xe2\x82\r\n", BANNER, 1, 0, 220, F(NON_UTF8), {"\\xE2\\x82"}, "", 0},
    {"220 a\\b\r\n", BANNER, 1, 0, 220, 0, {"a\\b"}, "", 0},
    {"220 a\\b\x01\r\n", BANNER, 1, 0, 220, 0, {"a\\\\b\\x01"}, "", 0},
    {"559 x\r\n", BANNER, 1, 0, 559, 0, {"x"}, "", 0},
    /* more is needed */
    {"", BANNER, 0, 0, 0, 0, {0}, "", 0},
    {"22", BANNER, 0, 0, 0, 0, {0}, "", 0},
    {"220 a\r", BANNER, 0, 0, 0, 0, {0}, "", 0},
    {"220-a\r\n", BANNER, 0, 0, 220, 0, {"a"}, "", 0},
    {"\r\n\r\n\r\n\r\n", BANNER, 0, 0, 0, F(STRAY_EMPTY_LINE), {0}, "", 0},
    /* wrong */
    {"hello\r\n", BANNER, -1, REASON_NOT_SMTP, 0, 0, {"hello"}, "", 0},
    {"hello\r\n", OTHER, -1, REASON_BAD_SYNTAX, 0, 0, {"hello"}, "", 0},
    {"220-a\r\nhello\r\n", BANNER, -1, REASON_BAD_SYNTAX, 220, 0, {"a", "hello"}, "", 0},
    {"220-a\r\n\r\n", BANNER, -1, REASON_BAD_SYNTAX, 220, 0, {"a", ""}, "", 0},
    {"\r\n\r\n\r\n\r\n\r\n", BANNER, -1, REASON_BAD_SYNTAX, 0, F(STRAY_EMPTY_LINE), {0}, "", 0},
    {"2\r\n", BANNER, -1, REASON_BAD_SYNTAX, 0, 0, {"2"}, "", 0},
    {"22\r\n", OTHER, -1, REASON_BAD_SYNTAX, 0, 0, {"22"}, "", 0},
    {"2200 x\r\n", OTHER, -1, REASON_BAD_SYNTAX, 0, 0, {"2200 x"}, "", 0},
    {"220\tx\r\n", OTHER, -1, REASON_BAD_SYNTAX, 0, 0, {"220\tx"}, "", 0},
    {" 220 x\r\n", OTHER, -1, REASON_BAD_SYNTAX, 0, 0, {" 220 x"}, "", 0},
    {"199 x\r\n", OTHER, -1, REASON_BAD_CODE, 0, 0, {"199 x"}, "", 0},
    {"260 x\r\n", OTHER, -1, REASON_BAD_CODE, 0, 0, {"260 x"}, "", 0},
    {"600 x\r\n", OTHER, -1, REASON_BAD_CODE, 0, 0, {"600 x"}, "", 0},
    {"250-a\r\n251 b\r\n", OTHER, -1, REASON_CODE_MISMATCH, 250, 0, {"a", "251 b"}, "", 0},
    {"250-a\r\n260 b\r\n", OTHER, -1, REASON_BAD_CODE, 250, 0, {"a", "260 b"}, "", 0},
    /* enhanced codes */
    {"250 2.1.5 Ok\r\n", OTHER, 1, 0, 250, 0, {"2.1.5 Ok"}, "2.1.5", 0},
    {"250 2.1.5\r\n", OTHER, 1, 0, 250, 0, {"2.1.5"}, "2.1.5", 0},
    {"250-2.1.5 a\r\n250 2.1.5 b\r\n", OTHER, 1, 0, 250, 0, {"2.1.5 a", "2.1.5 b"}, "2.1.5", 0},
    {"250-2.1.5 a\r\n250 b\r\n", OTHER, 1, 0, 250, F(ENHANCED_MALFORMED), {"2.1.5 a", "b"}, "", 0},
    {"250-a\r\n250 2.1.5 b\r\n", OTHER, 1, 0, 250, F(ENHANCED_MALFORMED), {"a", "2.1.5 b"}, "", 0},
    {"250 2.1 Ok\r\n", OTHER, 1, 0, 250, F(ENHANCED_MALFORMED), {"2.1 Ok"}, "", 0},
    {"250 5.1.1 Ok\r\n", OTHER, 1, 0, 250, F(ENHANCED_MISMATCH), {"5.1.1 Ok"}, "5.1.1", 0},
    {"354 2.0.0 go\r\n", OTHER, 1, 0, 354, 0, {"2.0.0 go"}, "", 0},
    {"220 2.0.0 a\r\n", BANNER, 1, 0, 220, 0, {"2.0.0 a"}, "", 0},
    {"250 2.0.0 a\r\n", EHLO, 1, 0, 250, 0, {"2.0.0 a"}, "", 0},
};

struct outcome {
    int got;
    size_t used;
    enum reason reason;
};

/* Feeds len bytes from an allocation of just that size. */
static int feed_exact(struct reply_parser *p, const char *bytes, size_t len, struct outcome *o)
{
    char *exact = malloc(len ? len : 1);
    size_t used;

    memcpy(exact, bytes, len);
    o->got = reply_feed(p, (struct span){exact, len}, &used, &o->reason);
    o->used += used;
    free(exact);
    return o->got;
}

/* Feeds all of it: the first cut bytes, then pieces of step. */
static struct outcome feed(struct reply_parser *p, struct span all, size_t cut, size_t step)
{
    struct outcome o = {0};
    size_t len = cut < all.len ? cut : all.len;

    for (size_t at = 0; at < all.len; at += len, len = all.len - at < step ? all.len - at : step)
        if (feed_exact(p, all.data + at, len, &o) != 0)
            break;
    return o;
}

static void check(const struct row *row, const struct reply_parser *p, const struct outcome *o)
{
    char enhanced[ENHANCED_TEXT_SIZE];
    size_t lines = 0;

    if (o->got != row->got)
        print_error("wrong for \"%s\"\n", row->bytes);
    assert_int_equal(o->got, row->got);
    assert_int_equal(o->used, strlen(row->bytes) - row->left);
    if (o->got < 0)
        assert_int_equal(o->reason, row->reason);
    assert_int_equal(p->reply.code, row->code);
    assert_int_equal(p->flags, row->flags);
    for (; lines < MAX_LINES && row->lines[lines]; lines++) {
        assert_true(lines < p->reply.line_count);
        assert_string_equal(p->reply.lines[lines], row->lines[lines]);
    }
    assert_int_equal(p->reply.line_count, lines);
    enhanced_text(p->reply.enhanced, enhanced);
    assert_string_equal(enhanced, row->enhanced);
}

static void test_every_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct span all = {rows[i].bytes, strlen(rows[i].bytes)};
        struct arena arena = {0};
        struct reply_parser p;

        reply_init(&p, &arena);
        for (size_t cut = 1; cut <= all.len + 1; cut++) {
            reply_next(&p, rows[i].place == BANNER, rows[i].place == OTHER);
            /* one cut at every place; at last byte by byte */
            struct outcome o = cut <= all.len ? feed(&p, all, cut, all.len) : feed(&p, all, 1, 1);
            check(&rows[i], &p, &o);
        }
        reply_free(&p);
        arena_free(&arena);
    }
}

static void test_nul_ends_at_once(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        bool banner;
        enum reason reason;
        const char *line;
    } nuls[] = {
        {"220 a\0b\r\n", 9, true, REASON_NUL, "220 a\\x00"},
        {"\0", 1, true, REASON_NOT_SMTP, "\\x00"},
        {"\x15\x03\x01\0\x02", 5, true, REASON_NOT_SMTP, "\\x15\\x03\\x01\\x00"},
        {"250 a\0", 6, false, REASON_NUL, "250 a\\x00"},
        {"\0", 1, false, REASON_NUL, "\\x00"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(nuls); i++) {
        struct arena arena = {0};
        struct reply_parser p;
        struct outcome o = {0};

        reply_init(&p, &arena);
        reply_next(&p, nuls[i].banner, !nuls[i].banner);
        assert_int_equal(feed_exact(&p, nuls[i].bytes, nuls[i].len, &o), -1);
        assert_int_equal(o.reason, nuls[i].reason);
        assert_string_equal(p.reply.lines[0], nuls[i].line);
        reply_free(&p);
        arena_free(&arena);
    }
}

/* A line of len octets, its end included. */
static char *make_line(struct arena *a, const char *start, size_t len)
{
    char *line = arena_alloc(a, len + 1);
    memset(line, 'x', len);
    memcpy(line, start, strlen(start));
    memcpy(line + len - 2, "\r\n", 2);
    return line;
}

static struct outcome feed_line(struct reply_parser *p, struct arena *a, const char *start, size_t len,
                                size_t step)
{
    return feed(p, (struct span){make_line(a, start, len), len}, step, step);
}

static void check_line_limit(size_t len, size_t step, int got, uint64_t flags)
{
    struct arena arena = {0};
    struct reply_parser p;

    reply_init(&p, &arena);
    reply_next(&p, true, false);
    struct outcome o = feed_line(&p, &arena, "220 ", len, step);
    assert_int_equal(o.got, got);
    if (got < 0)
        assert_int_equal(o.reason, REASON_TOO_LONG);
    assert_int_equal(p.flags, flags);
    reply_free(&p);
    arena_free(&arena);
}

static void test_line_limits(void **state)
{
    (void)state;
    for (size_t step = 1; step <= 8192; step = step * 2 + 1) {
        check_line_limit(REPLY_LONG_LINE - 1, step, 1, 0);
        check_line_limit(REPLY_LONG_LINE, step, 1, 0);
        check_line_limit(REPLY_LONG_LINE + 1, step, 1, F(REPLY_LINE_LONG));
        check_line_limit(REPLY_MAX_LINE - 1, step, 1, F(REPLY_LINE_LONG));
        check_line_limit(REPLY_MAX_LINE, step, 1, F(REPLY_LINE_LONG));
        check_line_limit(REPLY_MAX_LINE + 1, step, -1, 0);
    }
}

/* That many lines, of which the last ends the reply. */
static void check_lines_limit(size_t lines, int got)
{
    struct arena arena = {0};
    struct reply_parser p;
    struct outcome o = {0};

    reply_init(&p, &arena);
    reply_next(&p, false, true);
    for (size_t i = 1; i < lines; i++)
        assert_int_equal(feed_exact(&p, "250-x\r\n", 7, &o), 0);
    assert_int_equal(feed_exact(&p, "250 x\r\n", 7, &o), got);
    if (got < 0)
        assert_int_equal(o.reason, REASON_TOO_MANY_LINES);
    assert_int_equal(p.reply.line_count, REPLY_MAX_LINES < lines ? REPLY_MAX_LINES : lines);
    reply_free(&p);
    arena_free(&arena);
}

static void test_lines_limits(void **state)
{
    (void)state;
    check_lines_limit(REPLY_MAX_LINES - 1, 1);
    check_lines_limit(REPLY_MAX_LINES, 1);
    check_lines_limit(REPLY_MAX_LINES + 1, -1);
}

/* Lines of 1 KiB, the last as long as it takes for that many octets. */
static void check_size_limit(size_t size, int got)
{
    struct arena arena = {0};
    struct reply_parser p;
    struct outcome o = {0};
    size_t whole = size / 1024 - 1;

    reply_init(&p, &arena);
    reply_next(&p, false, true);
    for (size_t i = 0; i < whole; i++)
        assert_int_equal(feed_exact(&p, make_line(&arena, "250-", 1024), 1024, &o), 0);
    size_t last = size - whole * 1024;
    assert_int_equal(feed_exact(&p, make_line(&arena, "250 ", last), last, &o), got);
    if (got < 0)
        assert_int_equal(o.reason, REASON_TOO_LONG);
    reply_free(&p);
    arena_free(&arena);
}

static void test_size_limits(void **state)
{
    (void)state;
    check_size_limit(REPLY_MAX_BYTES - 1, 1);
    check_size_limit(REPLY_MAX_BYTES, 1);
    check_size_limit(REPLY_MAX_BYTES + 1, -1);
}

static void test_break_keeps_what_came(void **state)
{
    static const struct {
        const char *bytes;
        uint64_t flags;
        size_t lines;
        const char *last;
    } breaks[] = {
        {"", 0, 0, NULL},
        {"\r\n", F(STRAY_EMPTY_LINE), 0, NULL},
        {"22", F(REPLY_INCOMPLETE), 1, "22"},
        {"220 a\r", F(REPLY_INCOMPLETE) | F(BARE_CR), 1, "220 a"},
        {"220-a\r\n", F(REPLY_INCOMPLETE), 1, "a"},
        {"220-a\r\n220 b", F(REPLY_INCOMPLETE), 2, "220 b"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(breaks); i++) {
        struct arena arena = {0};
        struct reply_parser p;
        struct outcome o = {0};

        reply_init(&p, &arena);
        reply_next(&p, true, false);
        feed_exact(&p, breaks[i].bytes, strlen(breaks[i].bytes), &o);
        assert_int_equal(reply_begun(&p), breaks[i].lines > 0);
        reply_break(&p);
        assert_int_equal(p.flags, breaks[i].flags);
        assert_int_equal(p.reply.line_count, breaks[i].lines);
        if (breaks[i].last)
            assert_string_equal(p.reply.lines[breaks[i].lines - 1], breaks[i].last);
        reply_free(&p);
        arena_free(&arena);
    }
}

/* What an earlier reply said outlives the next one, and leaves nothing in it. */
static void test_next_starts_clean(void **state)
{
    struct arena arena = {0};
    struct reply_parser p;
    struct outcome o = {0};
    (void)state;

    reply_init(&p, &arena);
    reply_next(&p, false, true);
    assert_int_equal(feed_exact(&p, "550 5.1.1 \xff\n", 12, &o), 1);
    struct result_reply first = p.reply;
    reply_next(&p, false, true);
    assert_false(reply_begun(&p));
    assert_int_equal(feed_exact(&p, "250 Ok\r\n", 8, &o), 1);
    assert_int_equal(p.reply.code, 250);
    assert_int_equal(p.reply.enhanced.class, 0);
    assert_false(p.reply.escaped);
    assert_int_equal(p.flags, 0);
    assert_int_equal(first.code, 550);
    assert_true(first.escaped);
    assert_string_equal(first.lines[0], "5.1.1 \\xFF");
    reply_free(&p);
    arena_free(&arena);
}

static void test_text(void **state)
{
    static const struct {
        const char *lines[4];
        struct enhanced enhanced;
        const char *text;
    } texts[] = {
        {{NULL}, {0}, ""},
        {{"Ok"}, {0}, "Ok"},
        {{"2.1.5 Ok"}, {2, 1, 5}, "Ok"},
        {{"5.1.1 first", "5.1.1 last"}, {5, 1, 1}, "first last"},
        {{"5.1.1 first", "5.1.1", "", "5.1.1  last"}, {5, 1, 1}, "first  last"},
        {{"5.1.1 first", "5.1.1 last"}, {0}, "5.1.1 first last"}, /* a greeting: no code of the reply's */
        {{"5.1.1 first", "5.7.1 last"}, {0}, "5.1.1 first 5.7.1 last"},
        {{"first", "5.7.1 last"}, {0}, "first 5.7.1 last"},
        {{"", "only"}, {0}, "only"},
    };
    struct arena arena = {0};
    (void)state;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct result_reply reply = {.code = 550, .enhanced = texts[i].enhanced, .lines = texts[i].lines};
        while (reply.line_count < 4 && texts[i].lines[reply.line_count])
            reply.line_count++;
        assert_string_equal(reply_text(&arena, &reply), texts[i].text);
    }
    arena_free(&arena);
}

/* Cut where it is long, between two characters. */
static void test_long_text(void **state)
{
    char line[REPLY_MAX_TEXT + 8];
    const char *const lines[] = {line, "more"};
    struct result_reply reply = {.code = 550, .lines = lines, .line_count = 1};
    struct arena arena = {0};
    (void)state;

    memset(line, 'x', sizeof(line));
    line[REPLY_MAX_TEXT] = '\0';
    assert_string_equal(reply_text(&arena, &reply), line);
    reply.line_count = 2;
    const char *text = reply_text(&arena, &reply);
    assert_int_equal(strlen(text), REPLY_MAX_TEXT + 3);
    assert_string_equal(text + REPLY_MAX_TEXT - 1, "x...");
    memcpy(line + REPLY_MAX_TEXT - 1, "\xc3\xa9", 3);
    text = reply_text(&arena, &reply);
    assert_string_equal(text + REPLY_MAX_TEXT - 2, "x...");
    arena_free(&arena);
}

static void test_mentions(void **state)
{
    static const char *const lines[] = {"You are GreyListed", "later"};
    static const char *const words[] = {"graylist", "greylist", NULL};
    static const char *const others[] = {"listed later", NULL};
    static const char *const hidden[] = {"***", "***"};
    struct reply_parser p = {.reply = {.code = 450, .lines = hidden, .line_count = 2},
                             .lines = (const char **)(uintptr_t)lines};
    (void)state;

    assert_true(reply_mentions(&p, words));
    assert_false(reply_mentions(&p, others));
    p.reply.line_count = 0;
    assert_false(reply_mentions(&p, words));
}

static void test_looks_like(void **state)
{
    (void)state;
    assert_string_equal(reply_looks_like(span_of("SSH-2.0-OpenSSH_9.2")), "SSH");
    assert_string_equal(reply_looks_like(span_of("HTTP/1.1 400 Bad Request")), "HTTP");
    assert_string_equal(reply_looks_like(span_of("+OK ready")), "POP3");
    assert_string_equal(reply_looks_like(span_of("* OK ready")), "IMAP");
    assert_string_equal(reply_looks_like(span_of("\\x15\\x03\\x01")), "TLS");
    assert_null(reply_looks_like(span_of("SSH")));
    assert_null(reply_looks_like(span_of("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_split),       cmocka_unit_test(test_nul_ends_at_once),
        cmocka_unit_test(test_line_limits),       cmocka_unit_test(test_lines_limits),
        cmocka_unit_test(test_size_limits),       cmocka_unit_test(test_break_keeps_what_came),
        cmocka_unit_test(test_next_starts_clean), cmocka_unit_test(test_text),
        cmocka_unit_test(test_long_text),         cmocka_unit_test(test_mentions),
        cmocka_unit_test(test_looks_like),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
