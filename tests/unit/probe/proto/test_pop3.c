/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/proto/pop3.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX_LOG (256 * 1024)

/* A session with a reader who notes what it is told, and wishes by the first letter of a uid: r to read it, c
 * as a candidate too, d to remove it, else to skip it. */
struct session {
    struct pop3 pop3;
    struct buffer log;
    bool is_candidate;
    size_t piece; /* octets are fed so many at a time; 0 = all */
    int got;
};

static enum pop3_wish wish(void *context, const char *uid)
{
    struct session *s = context;
    if (*uid == 'c' || *uid == 'r')
        s->is_candidate = *uid == 'c';
    return *uid == 'r' || *uid == 'c' ? POP3_READ : *uid == 'd' ? POP3_REMOVE : POP3_SKIP;
}

static bool is_candidate(void *context, const char *uid, struct span header)
{
    struct session *s = context;
    assert_true(*uid == 'r' || *uid == 'c');
    buffer_printf(&s->log, "header %zu\n", header.len);
    return memmem(header.data, header.len, "Ours", 4) != NULL;
}

static void read_one(void *context, const char *uid, struct span kept, size_t size)
{
    struct session *s = context;
    buffer_printf(&s->log, "read %s %zu of %zu: %.*s\n", uid, kept.len, size,
                  kept.len < 100 ? (int)kept.len : 0, kept.data);
}

/* What Ours has in its header is ours still. */
static bool is_same(void *context, const char *uid, struct span header)
{
    struct session *s = context;
    assert_true(*uid == 'd');
    buffer_printf(&s->log, "again %zu\n", header.len);
    return memmem(header.data, header.len, "Ours", 4) != NULL;
}

static void unremoved(void *context, const char *uid, const char *why)
{
    struct session *s = context;
    buffer_printf(&s->log, "not removed %s: %s\n", uid, why);
}

static void removed(void *context, const char *uid)
{
    struct session *s = context;
    buffer_printf(&s->log, "removed %s\n", uid);
}

static const struct pop3_reader reader = {wish, is_candidate, read_one, is_same, removed, unremoved};

static void begin(struct session *s, size_t piece)
{
    memset(s, 0, sizeof *s);
    s->piece = piece;
    buffer_init(&s->log, MAX_LOG);
    pop3_init(&s->pop3, &reader, s);
}

static void end(struct session *s)
{
    pop3_free(&s->pop3);
    buffer_free(&s->log);
}

/* What was said is noted; then the server says that. */
static void hear(struct session *s, struct span said)
{
    struct span out = pop3_output(&s->pop3);
    buffer_printf(&s->log, "> %.*s\n", (int)out.len - 2, out.data);
    pop3_sent(&s->pop3);
    while (said.len > 0 && s->got == 0) {
        size_t len = s->piece != 0 && s->piece < said.len ? s->piece : said.len;
        char *exact = memcpy(malloc(len), said.data, len);
        s->got = pop3_feed(&s->pop3, (struct span){exact, len});
        free(exact);
        said.data += len;
        said.len -= len;
    }
}

/* Plays the answers, one to each command; what was noted. */
static const char *play(struct session *s, const char *const *answers)
{
    for (; *answers != NULL && s->got == 0; answers++)
        hear(s, span_of(*answers));
    return s->log.data;
}

static const size_t pieces[] = {0, 1, 2, 7};
#define EACH_PIECE(i) for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++)

static void test_an_empty_mailbox(void **state)
{
    static const char *const answers[] = {"+OK\r\n.\r\n", "+OK bye\r\n", NULL};
    (void)state;
    EACH_PIECE(i)
    {
        struct session s;
        begin(&s, pieces[i]);
        assert_string_equal(play(&s, answers), "> UIDL\n> QUIT\n");
        assert_int_equal(s.got, 1);
        assert_null(pop3_why(&s.pop3));
        end(&s);
    }
}

static void test_reads_and_removes(void **state)
{
    static const char *const answers[] = {"+OK 4 messages\r\n1 r1\r\n2 skipped\r\n3 c3\r\n4 d4\r\n.\r\n",
                                          "+OK\r\nSubject: Ours\r\n\r\n.\r\n",
                                          "+OK\r\nSubject: Ours\r\n\r\n..dot\r\n.x\r\nend\r\n.\r\n",
                                          "+OK\r\nSubject: theirs\r\n\r\n.\r\n",
                                          "+OK\r\nOurs\r\n.\r\n",
                                          "+OK deleted\r\n",
                                          "+OK bye\r\n",
                                          NULL};
    (void)state;
    EACH_PIECE(i)
    {
        struct session s;
        begin(&s, pieces[i]);
        assert_string_equal(
            play(&s, answers),
            "> UIDL\n> TOP 3 8\nheader 17\n> TOP 3 1000000\n"
            "read c3 31 of 31: Subject: Ours\r\n\r\n.dot\r\nx\r\nend\r\n\n> TOP 1 8\nheader 19\n"
            "> TOP 4 8\nagain 6\n> DELE 4\n> QUIT\nremoved d4\n");
        assert_false(s.pop3.has_unread);
        assert_int_equal(s.got, 1);
        end(&s);
    }
}

/* The newest come first; what is beyond the limit waits for another session. */
static void test_reads_so_many_at_a_time(void **state)
{
    struct session s;
    char text[64];
    (void)state;
    begin(&s, 0);
    hear(&s, span_of("+OK\r\n"));
    for (int i = 1; i <= POP3_MAX_READS + 2; i++) {
        snprintf(text, sizeof text, "%d r%d\r\n", i, i);
        s.got = pop3_feed(&s.pop3, span_of(text));
    }
    s.got = pop3_feed(&s.pop3, span_of(".\r\n"));
    for (int i = POP3_MAX_READS + 2; i > 2; i--) {
        snprintf(text, sizeof text, "TOP %d 8\r\n", i);
        assert_true(span_is(pop3_output(&s.pop3), text));
        hear(&s, span_of("+OK\r\n\r\n.\r\n"));
    }
    assert_true(span_is(pop3_output(&s.pop3), "QUIT\r\n"));
    assert_true(s.pop3.has_unread);
    end(&s);
}

/* Only CRLF.CRLF ends a message. */
static void test_where_a_message_ends(void **state)
{
    static const struct {
        const char *text, *read;
    } rows[] = {
        {"Ours\n.\n\r\n.\r\n", "Ours\n.\n\r\n"},      {"Ours\r\n.\n\r\n.\r\n", "Ours\r\n\n\r\n"},
        {"Ours\r\n.\rx\r\n.\r\n", "Ours\r\n\rx\r\n"}, {"Ours\r\r\n.\r\n", "Ours\r\r\n"},
        {"Ours\r.\r\n.\r\n", "Ours\r.\r\n"},
    };
    (void)state;
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        EACH_PIECE(i)
        {
            struct session s;
            char text[64];
            snprintf(text, sizeof text, "+OK\r\n%s", rows[row].text);
            const char *const answers[] = {"+OK\r\n1 c1\r\n.\r\n", "+OK\r\nOurs\r\n.\r\n", text, "+OK\r\n",
                                           NULL};
            begin(&s, pieces[i]);
            play(&s, answers);
            assert_int_equal(s.got, 1);
            assert_non_null(strstr(s.log.data, rows[row].read));
            end(&s);
        }
    }
}

static void test_a_long_message_is_read_through(void **state)
{
    struct session s;
    struct buffer text;
    static const char *const list[] = {"+OK\r\n1 c1\r\n.\r\n", "+OK\r\nOurs\r\n\r\n.\r\n", NULL};
    (void)state;
    begin(&s, 0);
    play(&s, list);
    buffer_init(&text, 1024 * 1024);
    buffer_puts(&text, "+OK\r\n");
    for (int i = 0; i < 10000; i++)
        buffer_puts(&text, "a line of it\r\n");
    buffer_puts(&text, ".\r\n");
    hear(&s, buffer_span(&text));
    assert_non_null(strstr(s.log.data, "read c1 65536 of 140000"));
    hear(&s, span_of("+OK\r\n"));
    assert_int_equal(s.got, 1);
    buffer_free(&text);
    end(&s);
}

/* What a server can do wrong, and what is said of it. */
static void test_wrong_answers(void **state)
{
    static const struct {
        const char *answers[5];
        const char *why;
    } rows[] = {
        {{"-ERR no UIDL here\r\n"}, "UIDL refused: \"-ERR no UIDL here\""},
        {{"-ERRx\r\n"}, "not an answer of POP3: \"-ERRx\""},
        {{"* OK\r\n"}, "not an answer of POP3: \"* OK\""},
        {{"\x01\xff\r\n"}, "not an answer of POP3: \"\\x01\\xFF\""},
        {{"+OK\r\nx y\r\n"}, "the server's list of messages (UIDL) cannot be read"},
        {{"+OK\r\n0 y\r\n"}, "the server's list of messages (UIDL) cannot be read"},
        {{"+OK\r\n1\r\n"}, "the server's list of messages (UIDL) cannot be read"},
        {{"+OK\r\n1 \r\n"}, "the server's list of messages (UIDL) cannot be read"},
        {{"+OK\r\n1 a b\r\n"}, "the server's list of messages (UIDL) cannot be read"},
        {{"+OK\r\n1234567890 a\r\n"}, "the server's list of messages (UIDL) cannot be read"},
        {{"+OK\r\n1 0123456789012345678901234567890123456789012345678901234567890123456789a\r\n"},
         "the server's list of messages (UIDL) cannot be read"},
        {{"+OK\r\n.\r\n+OK\r\n"}, "the server spoke when nothing had been asked"},
        {{"+OK\r\n1 c1\r\n.\r\n", "-ERR\r\n"}, "TOP refused: \"-ERR\""},
        {{"+OK\r\n1 d1\r\n.\r\n", "-ERR [IN-USE] no\r\n"}, "TOP refused: \"-ERR [IN-USE] no\""},
        {{"+OK\r\n1 d1\r\n.\r\n", "+OK\r\nOurs\r\n.\r\n", "what?\r\n"}, "not an answer of POP3: \"what?\""},
    };
    (void)state;
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        EACH_PIECE(i)
        {
            struct session s;
            begin(&s, pieces[i]);
            play(&s, rows[row].answers);
            assert_int_equal(s.got, -1);
            assert_string_equal(pop3_why(&s.pop3), rows[row].why);
            assert_null(strstr(s.log.data, "removed"));
            assert_int_equal(pop3_output(&s.pop3).len, 0);
            assert_int_equal(pop3_feed(&s.pop3, span_of("+OK\r\n")), -1);
            end(&s);
        }
    }
}

/* Neither is a reason not to look; of what is another message by now nothing is said. */
static void test_v12_what_is_not_removed(void **state)
{
    static const char *const refused[] = {"+OK\r\n1 d1\r\n2 d2\r\n3 d3\r\n.\r\n",
                                          "+OK\r\nOurs\r\n.\r\n",
                                          "-ERR no\r\n",
                                          "+OK\r\nSubject: theirs\r\n\r\n.\r\n",
                                          "+OK\r\nOurs\r\n.\r\n",
                                          "+OK\r\n",
                                          "+OK bye\r\n",
                                          NULL};
    static const char *const in_the_end[] = {"+OK\r\n1 d1\r\n2 d2\r\n.\r\n",
                                             "+OK\r\nOurs\r\n.\r\n",
                                             "+OK\r\n",
                                             "+OK\r\n.\r\n",
                                             "-ERR not all removed\r\n",
                                             NULL};
    (void)state;
    EACH_PIECE(i)
    {
        struct session s;
        begin(&s, pieces[i]);
        assert_string_equal(play(&s, refused),
                            "> UIDL\n> TOP 3 8\nagain 6\n> DELE 3\n"
                            "not removed d3: DELE refused: \"-ERR no\"\n> TOP 2 8\nagain 19\n"
                            "> TOP 1 8\nagain 6\n> DELE 1\n> QUIT\nremoved d1\n");
        assert_int_equal(s.got, 1);
        end(&s);
        begin(&s, pieces[i]);
        assert_string_equal(play(&s, in_the_end),
                            "> UIDL\n> TOP 2 8\nagain 6\n> DELE 2\n> TOP 1 8\nagain 0\n> QUIT\n"
                            "not removed d2: QUIT refused: \"-ERR not all removed\"\n");
        assert_int_equal(s.got, 1);
        assert_null(pop3_why(&s.pop3));
        end(&s);
    }
}

static void test_a_line_without_end(void **state)
{
    struct session s;
    (void)state;
    begin(&s, 0);
    hear(&s, span_of("+OK "));
    for (int i = 0; i < 10000 && s.got == 0; i++)
        s.got = pop3_feed(&s.pop3, span_of("endless"));
    assert_int_equal(s.got, -1);
    assert_string_equal(pop3_why(&s.pop3), "the server's answer has a line over 1024 octets");
    end(&s);
}

static void test_a_list_without_end(void **state)
{
    struct session s;
    char line[32];
    (void)state;
    begin(&s, 0);
    hear(&s, span_of("+OK\r\n"));
    for (int i = 1; i <= POP3_MAX_MESSAGES + 1 && s.got == 0; i++) {
        snprintf(line, sizeof line, "%d x%d\r\n", i, i);
        s.got = pop3_feed(&s.pop3, span_of(line));
    }
    assert_int_equal(s.got, -1);
    assert_string_equal(pop3_why(&s.pop3), "there are more than 100000 messages");
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_empty_mailbox),        cmocka_unit_test(test_reads_and_removes),
        cmocka_unit_test(test_where_a_message_ends),    cmocka_unit_test(test_a_long_message_is_read_through),
        cmocka_unit_test(test_wrong_answers),           cmocka_unit_test(test_a_line_without_end),
        cmocka_unit_test(test_a_list_without_end),      cmocka_unit_test(test_reads_so_many_at_a_time),
        cmocka_unit_test(test_v12_what_is_not_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
