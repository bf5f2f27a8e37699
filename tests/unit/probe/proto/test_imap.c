/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/base/mem.h"
#include "probe/proto/imap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX_LOG (256 * 1024)
#define FIELDS                                                                                               \
    "(X-EHLOD-TOKEN MESSAGE-ID CONTENT-TYPE X-FAILED-RECIPIENTS RETURN-PATH FROM SUBJECT AUTO-SUBMITTED)"
#define HEADERS(from) "UID FETCH " from ":* (UID BODY.PEEK[HEADER.FIELDS " FIELDS "]<0.16384>)"
#define AGAIN(uids)   "UID FETCH " uids " (UID BODY.PEEK[HEADER.FIELDS " FIELDS "]<0.16384>)"
#define TEXTS(uids)   "UID FETCH " uids " (UID RFC822.SIZE BODY.PEEK[]<0.65536>)"

/* A session with a reader who notes what it is told: messages whose header has "ours" are, and those that
 * were read may be removed once remove is set. */
struct session {
    struct imap imap;
    struct buffer log;
    size_t piece; /* octets are fed so many at a time; 0 = all */
    uint32_t from;
    uint32_t read[8];
    size_t read_count;
    bool remove;
    const char *other; /* a header that has this is of another message by now */
    int got;
};

static uint32_t from(void *context, size_t folder, uint32_t validity)
{
    struct session *s = context;
    buffer_printf(&s->log, "folder %zu validity %u\n", folder, validity);
    return s->from;
}

static bool is_candidate(void *context, size_t folder, uint32_t uid, struct span header)
{
    (void)context;
    (void)folder;
    (void)uid;
    return memmem(header.data, header.len, "ours", 4) != NULL;
}

static void read_one(void *context, size_t folder, uint32_t uid, struct span kept, uint64_t size)
{
    struct session *s = context;
    buffer_printf(&s->log, "read %u of folder %zu, %zu of %zu: %.*s\n", uid, folder, kept.len, (size_t)size,
                  kept.len < 100 ? (int)kept.len : 0, kept.data);
    s->read[s->read_count++ % 8] = uid;
}

static void looked(void *context, size_t folder, uint32_t upto)
{
    struct session *s = context;
    buffer_printf(&s->log, "looked %zu up to %u\n", folder, upto);
}

static size_t removable(void *context, size_t folder, size_t most, uint32_t *uids_r)
{
    struct session *s = context;
    size_t count = folder == 0 && s->remove ? s->read_count : 0;
    assert_true(count <= most);
    memcpy(uids_r, s->read, count * sizeof *uids_r);
    s->remove = false;
    return count;
}

static bool is_same(void *context, size_t folder, uint32_t uid, struct span header)
{
    const struct session *s = context;
    (void)folder;
    (void)uid;
    return !s->other || !memmem(header.data, header.len, s->other, strlen(s->other));
}

static void note(struct session *s, const char *what, const uint32_t *uids, size_t count)
{
    buffer_puts(&s->log, what);
    for (size_t i = 0; i < count; i++)
        buffer_printf(&s->log, " %u", uids[i]);
}

static void removed(void *context, size_t folder, const uint32_t *uids, size_t count)
{
    (void)folder;
    note(context, "removed", uids, count);
    buffer_puts(&((struct session *)context)->log, "\n");
}

static void unremoved(void *context, size_t folder, const uint32_t *uids, size_t count, const char *why)
{
    (void)folder;
    note(context, "not removed", uids, count);
    buffer_printf(&((struct session *)context)->log, ": %s\n", why);
}

static const struct imap_reader reader = {from,      is_candidate, read_one, looked,
                                          removable, is_same,      removed,  unremoved};

static const char *const inbox[] = {"INBOX"};
static const char *const inbox_and_junk[] = {"INBOX", "\\Junk"};

static void begin(struct session *s, const char *const *folders, size_t count, size_t piece)
{
    memset(s, 0, sizeof *s);
    s->piece = piece;
    s->from = 1;
    buffer_init(&s->log, MAX_LOG);
    imap_init(&s->imap, folders, count, &reader, s);
}

static void end(struct session *s)
{
    imap_free(&s->imap);
    buffer_free(&s->log);
}

static void speak(struct session *s)
{
    struct span out = imap_output(&s->imap);
    if (out.len)
        buffer_printf(&s->log, "> %.*s\n", (int)out.len - 2, out.data);
    imap_sent(&s->imap);
}

/* What was said is noted; then the server says that. */
static void hear(struct session *s, struct span said)
{
    speak(s);
    while (said.len && s->got == 0) {
        size_t len = s->piece && s->piece < said.len ? s->piece : said.len;
        char *exact = memcpy(malloc(len), said.data, len);
        s->got = imap_feed(&s->imap, (struct span){exact, len});
        free(exact);
        said.data += len;
        said.len -= len;
    }
}

static const char *play(struct session *s, const char *const *answers)
{
    s->got = 0;
    for (; *answers && s->got == 0; answers++)
        hear(s, span_of(*answers));
    speak(s);
    return s->log.data;
}

static const size_t pieces[] = {0, 1, 2, 7};
#define EACH_PIECE(i) for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++)

#define CAPABLE "* CAPABILITY IMAP4rev1 UIDPLUS LIST-EXTENDED SPECIAL-USE\r\nE1 OK done\r\n"
#define OPENED(tag, exists, validity, next)                                                                  \
    "* FLAGS (\\Seen \\Deleted)\r\n* " exists " EXISTS\r\n* OK [UIDVALIDITY " validity                       \
    "] UIDs valid\r\n* OK [UIDNEXT " next "] next\r\n" tag " OK [READ-ONLY] done\r\n"
#define HEADER_OF(seq, uid, text, len)                                                                       \
    "* " seq " FETCH (UID " uid " BODY[HEADER.FIELDS " FIELDS "]<0> {" len "}\r\n" text ")\r\n"

static void test_finds_reads_and_removes(void **state)
{
    static const char *const answers[] = {
        CAPABLE,
        OPENED("E2", "3", "7", "10"),
        HEADER_OF("1", "4", "a: theirs\r\n\r\n", "13") HEADER_OF("2", "8", "a: ours\r\n\r\n", "11")
            HEADER_OF("3", "9", "a: ours\r\n\r\n", "11") "E3 OK done\r\n",
        "* 2 FETCH (UID 8 RFC822.SIZE 70000 BODY[]<0> {5}\r\nE4 OK)\r\n"
        "* 3 FETCH (FLAGS (\\Seen) BODY[] \"x\\\"y\" UID 9)\r\nE4 OK done\r\n",
        "* 3 EXISTS\r\n* OK [UIDVALIDITY 7] valid\r\nE5 OK [READ-WRITE] done\r\n",
        HEADER_OF("2", "8", "a: ours\r\n\r\n", "11")
            HEADER_OF("3", "9", "a: ours\r\n\r\n", "11") "E6 OK done\r\n",
        "E7 OK done\r\n",
        "* 3 EXPUNGE\r\n* 2 EXPUNGE\r\nE8 OK done\r\n",
        NULL,
    };
    (void)state;
    EACH_PIECE(i)
    {
        struct session s;
        begin(&s, inbox, 1, pieces[i]);
        s.remove = true;
        assert_string_equal(
            play(&s, answers),
            "> E1 CAPABILITY\n"
            "> E2 EXAMINE \"INBOX\"\nfolder 0 validity 7\n"
            "> E3 " HEADERS(
                "1") "\n"
                     "> E4 " TEXTS(
                         "8,9") "\n"
                                "read 8 of folder 0, 5 of 70000: E4 OK\nread 9 of folder 0, 4 of 4: x\\\"y\n"
                                "looked 0 up to 9\n"
                                "> E5 SELECT \"INBOX\"\n"
                                "> E6 " AGAIN("8,9") "\n"
                                                     "> E7 UID STORE 8,9 +FLAGS.SILENT (\\Deleted)\n"
                                                     "> E8 UID EXPUNGE 8,9\n"
                                                     "removed 8 9\n");
        assert_int_equal(s.got, 1);
        assert_null(imap_why(&s.imap));
        end(&s);
    }
}

/* I12: a folder is opened anew for each look, which shows what is new in any server; only that is read. */
static void test_i12_looks_again(void **state)
{
    static const char *const first[] = {CAPABLE, OPENED("E2", "1", "7", "5"),
                                        HEADER_OF("1", "4", "a: b\r\n\r\n", "8") "E3 OK done\r\n", NULL};
    static const char *const nothing[] = {OPENED("E4", "1", "7", "5"), NULL};
    static const char *const more[] = {OPENED("E5", "2", "7", "9"),
                                       HEADER_OF("1", "4", "a: ours\r\n\r\n", "11")
                                           HEADER_OF("2", "8", "a: b\r\n\r\n", "8") "E6 OK done\r\n",
                                       NULL};
    struct session s;
    (void)state;
    begin(&s, inbox, 1, 0);
    play(&s, first);
    s.from = 5;
    buffer_clear(&s.log);
    imap_look(&s.imap);
    assert_string_equal(play(&s, nothing), "> E4 EXAMINE \"INBOX\"\nfolder 0 validity 7\nlooked 0 up to 0\n");
    assert_int_equal(s.got, 1);
    buffer_clear(&s.log);
    imap_look(&s.imap);
    assert_string_equal(play(&s, more), "> E5 EXAMINE \"INBOX\"\nfolder 0 validity 7\n> E6 " HEADERS(
                                            "5") "\n"
                                                 "looked 0 up to 8\n");
    assert_int_equal(s.got, 1);
    end(&s);
}

static void test_an_empty_folder(void **state)
{
    static const char *const answers[] = {CAPABLE, OPENED("E2", "0", "7", "1"), NULL};
    struct session s;
    (void)state;
    begin(&s, inbox, 1, 0);
    play(&s, answers);
    assert_int_equal(s.got, 1);
    end(&s);
}

/* RFC 6154, with a name that has to be quoted and is shown as people write it. */
static void test_a_folder_by_its_use(void **state)
{
    static const char *const answers[] = {
        CAPABLE,
        "* LIST (\\HasNoChildren \\Sent) \"/\" Sent\r\n* LIST (\\Junk) \"/\" {10}\r\nJ&APw-\"nk\\\r\n"
        "* LIST (\\Junk) \"/\" other\r\nE2 OK done\r\n",
        OPENED("E3", "0", "7", "1"),
        OPENED("E4", "0", "8", "1"),
        NULL,
    };
    struct session s;
    (void)state;
    begin(&s, inbox_and_junk, 2, 0);
    assert_string_equal(play(&s, answers), "> E1 CAPABILITY\n> E2 LIST (SPECIAL-USE) \"\" \"*\"\n"
                                           "> E3 EXAMINE \"INBOX\"\nfolder 0 validity 7\nlooked 0 up to 0\n"
                                           "> E4 EXAMINE \"J&APw-\\\"nk\\\\\"\nfolder 1 validity 8\n"
                                           "looked 1 up to 0\n");
    assert_string_equal(imap_folder_shown(&s.imap, 1), "J\xc3\xbc\"nk\\");
    end(&s);
}

/* Nothing is in a folder that is not there; but the one where mail belongs must be. */
static void test_a_use_that_no_folder_has(void **state)
{
    static const char *const answers[] = {"* CAPABILITY IMAP4rev1\r\nE1 OK done\r\n", "E2 OK done\r\n",
                                          OPENED("E3", "0", "7", "1"), NULL};
    static const char *const only_use[] = {"\\Junk"};
    struct session s;
    (void)state;
    begin(&s, inbox_and_junk, 2, 0);
    assert_non_null(strstr(play(&s, answers), "> E2 LIST \"\" \"*\"\n"));
    assert_int_equal(s.got, 1);
    end(&s);
    begin(&s, only_use, 1, 0);
    play(&s, answers);
    assert_int_equal(s.got, -1);
    assert_string_equal(imap_why(&s.imap), "the server has no folder for \\Junk (special use, RFC 6154)");
    end(&s);
}

/* A plain EXPUNGE would remove what others have marked. */
static void test_without_uidplus_it_is_only_marked(void **state)
{
    static const char *const answers[] = {
        "* CAPABILITY IMAP4rev1\r\nE1 OK done\r\n",
        OPENED("E2", "1", "7", "9"),
        HEADER_OF("1", "8", "a: ours\r\n\r\n", "11") "E3 OK done\r\n",
        "* 1 FETCH (UID 8 RFC822.SIZE 3 BODY[]<0> {3}\r\nx\r\n)\r\nE4 OK x\r\n",
        "* OK [UIDVALIDITY 7] valid\r\nE5 OK [READ-WRITE] done\r\n",
        HEADER_OF("1", "8", "a: ours\r\n\r\n", "11") "E6 OK done\r\n",
        "E7 OK done\r\n",
        NULL};
    struct session s;
    (void)state;
    begin(&s, inbox, 1, 0);
    s.remove = true;
    assert_non_null(strstr(play(&s, answers), "> E7 UID STORE 8 +FLAGS.SILENT (\\Deleted)\nremoved 8\n"));
    assert_null(strstr(s.log.data, "EXPUNGE"));
    assert_int_equal(s.got, 1);
    end(&s);
}

/* Under a UID there may be a stranger's message by now: of three, that were read, one is, and one is gone. */
static void test_looks_once_more_before_it_removes(void **state)
{
    static const char *const answers[] = {
        CAPABLE,
        OPENED("E2", "3", "7", "10"),
        HEADER_OF("1", "7", "a: ours\r\n\r\n", "11") HEADER_OF("2", "8", "a: ours\r\n\r\n", "11")
            HEADER_OF("3", "9", "a: ours\r\n\r\n", "11") "E3 OK done\r\n",
        "* 1 FETCH (UID 7 BODY[]<0> {1}\r\nx)\r\n* 2 FETCH (UID 8 BODY[]<0> {1}\r\nx)\r\n"
        "* 3 FETCH (UID 9 BODY[]<0> {1}\r\nx)\r\nE4 OK done\r\n",
        "* OK [UIDVALIDITY 7] valid\r\nE5 OK [READ-WRITE] done\r\n",
        HEADER_OF("1", "7", "a: theirs\r\n\r\n", "13") HEADER_OF("2", "9", "a: ours\r\n\r\n", "11")
            HEADER_OF("2", "5", "a: ours\r\n\r\n", "11") "E6 OK done\r\n",
        "E7 OK done\r\n",
        "E8 OK done\r\n",
        NULL};
    (void)state;
    EACH_PIECE(i)
    {
        struct session s;
        begin(&s, inbox, 1, pieces[i]);
        s.remove = true;
        s.other = "theirs";
        assert_string_equal(strstr(play(&s, answers), "> E6"),
                            "> E6 " AGAIN("7,8,9") "\n"
                                                   "removed 7 8\n"
                                                   "> E7 UID STORE 9 +FLAGS.SILENT (\\Deleted)\n"
                                                   "> E8 UID EXPUNGE 9\nremoved 9\n");
        assert_int_equal(s.got, 1);
        end(&s);
    }
}

/* Then a UID names nothing for good: what was read may be another message next time, and what is new may be
 * passed over. */
static void test_a_folder_without_validity(void **state)
{
    static const char *const answers[] = {
        CAPABLE, "* 1 EXISTS\r\n* OK [UIDVALIDITY 0] x\r\nE2 OK [READ-ONLY] done\r\n", NULL};
    struct session s;
    (void)state;
    begin(&s, inbox, 1, 0);
    play(&s, answers);
    assert_int_equal(s.got, -1);
    assert_string_equal(imap_why(&s.imap),
                        "the server says no UIDVALIDITY of INBOX, so nobody knows which message is which");
    end(&s);
}

/* More new messages than are read in one go: the look is not over before the others were read, too. */
static void test_too_many_candidates_are_read_in_the_same_look(void **state)
{
    struct session s;
    struct buffer all;
    (void)state;
    begin(&s, inbox, 1, 0);
    buffer_init(&all, 2 * 1024 * 1024);
    for (unsigned uid = 1; uid <= IMAP_MAX_CANDIDATES + 1; uid++)
        buffer_printf(&all, "* %u FETCH (UID %u BODY[HEADER.FIELDS (X)]<0> \"ours\")\r\n", uid, uid);
    buffer_puts(&all, "E3 OK done\r\n");
    hear(&s, span_of(CAPABLE));
    hear(&s, span_of("* 10001 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\nE2 OK [READ-ONLY] done\r\n"));
    hear(&s, buffer_span(&all));
    for (unsigned i = 0; i < IMAP_MAX_CANDIDATES / IMAP_BATCH; i++) {
        char answer[32];
        snprintf(answer, sizeof answer, "E%u OK done\r\n", 4 + i);
        assert_int_equal(s.got, 0);
        hear(&s, span_of(answer));
    }
    assert_int_equal(s.got, 0);
    s.from = IMAP_MAX_CANDIDATES + 1;
    buffer_clear(&s.log);
    hear(&s, span_of("* 10001 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\nE204 OK [READ-ONLY] done\r\n"));
    hear(&s, span_of("* 10001 FETCH (UID 10001 BODY[HEADER.FIELDS (X)]<0> \"ours\")\r\nE205 OK done\r\n"));
    hear(&s, span_of("* 10001 FETCH (UID 10001 BODY[] \"x\")\r\nE206 OK done\r\n"));
    assert_string_equal(s.log.data, "> E204 EXAMINE \"INBOX\"\nfolder 0 validity 7\n"
                                    "> E205 " HEADERS("10001") "\n> E206 " TEXTS(
                                        "10001") "\n"
                                                 "read 10001 of folder 0, 1 of 1: x\nlooked 0 up to 10001\n");
    assert_int_equal(s.got, 1);
    buffer_free(&all);
    end(&s);
}

/* I11: what is seen is seen, also where it cannot be removed; and a folder that was replaced is left alone.
 */
static void test_i11_what_cannot_be_removed(void **state)
{
    static const struct {
        const char *answer;
        const char *why;
    } cases[] = {
        {"* OK [UIDVALIDITY 7] valid\r\nE5 OK [READ-ONLY] done\r\n", "the folder is read-only"},
        {"* OK [UIDVALIDITY 8] valid\r\nE5 OK [READ-WRITE] done\r\n",
         "the folder was replaced by another (UIDVALIDITY)"},
        {"E5 NO [NOPERM] look, don't touch\r\n",
         "SELECT INBOX failed: the account may not do that (\"NO [NOPERM] look, don't touch\")"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *answers[] = {CAPABLE,
                                 OPENED("E2", "1", "7", "9"),
                                 HEADER_OF("1", "8", "a: ours\r\n\r\n", "11") "E3 OK done\r\n",
                                 "* 1 FETCH (UID 8 RFC822.SIZE 3 BODY[]<0> {3}\r\nx\r\n)\r\nE4 OK x\r\n",
                                 cases[i].answer,
                                 NULL};
        char expected[256];
        struct session s;
        begin(&s, inbox, 1, 0);
        s.remove = true;
        snprintf(expected, sizeof expected, "> E5 SELECT \"INBOX\"\nnot removed 8: %s\n", cases[i].why);
        assert_non_null(strstr(play(&s, answers), expected));
        assert_null(strstr(s.log.data, "STORE"));
        assert_int_equal(s.got, 1);
        end(&s);
    }
}

/* What a server says in one place, and why the session fails. */
struct refusal {
    const char *answer; /* to EXAMINE */
    const char *why;
};

static void check_refusals(const struct refusal *r, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *answers[] = {CAPABLE, r[i].answer, NULL};
        struct session s;
        begin(&s, inbox, 1, 0);
        play(&s, answers);
        assert_int_equal(s.got, -1);
        assert_string_equal(imap_why(&s.imap), r[i].why);
        assert_int_equal(imap_feed(&s.imap, span_of("E2 OK\r\n")), -1);
        end(&s);
    }
}

/* I10, I11, I01: refusals and farewells in our words, and theirs in quotes, cut and clean. */
static void test_i10_refusals(void **state)
{
    static const struct refusal refusals[] = {
        {"E2 NO [NONEXISTENT] Mailbox doesn't exist: x\r\n",
         "EXAMINE INBOX failed: there is no such folder (\"NO [NONEXISTENT] Mailbox doesn't exist: x\")"},
        {"E2 NO [UNAVAILABLE] later\r\n",
         "EXAMINE INBOX failed: the server cannot for now (\"NO [UNAVAILABLE] later\")"},
        {"E2 NO [ALERT] call 1-800 \x1b[31m now\r\n",
         "EXAMINE INBOX failed: \"NO [ALERT] call 1-800 \\x1B[31m now\""},
        {"E2 BAD what\r\n", "EXAMINE INBOX failed: \"BAD what\""},
        {"* BYE shutting down\r\n", "the server hung up: \"BYE shutting down\""},
        {"E9 OK done\r\n", "the server says what nobody expects: \"E9 OK done\""},
        {"+ go ahead\r\n", "the server says what nobody expects: \"+ go ahead\""},
        {"\r\n", "the server says what nobody expects: \"\""},
    };
    (void)state;
    check_refusals(refusals, sizeof refusals / sizeof refusals[0]);
}

/* I06: a literal is judged by what it announces, before there is memory for it. */
static void test_i06_literals(void **state)
{
    static const struct refusal refusals[] = {
        {"* LIST () \"/\" {4294967295}\r\n",
         "the server announces a literal of 4294967295 octets, where at most 1024 were asked for"},
        {"* LIST () \"/\" {1025+}\r\n",
         "the server announces a literal of 1025 octets, where at most 1024 were asked for"},
        {"* LIST () {99999999999999999999999999}\r\n",
         "the server announces a literal of more octets than can be counted"},
    };
    static const char *const larger[] = {CAPABLE, OPENED("E2", "1", "7", "9"),
                                         HEADER_OF("1", "8", "a: ours\r\n\r\n", "11") "E3 OK done\r\n",
                                         "* 1 FETCH (UID 8 BODY[]<0> {65537}\r\n", NULL};
    struct session s;
    (void)state;
    check_refusals(refusals, sizeof refusals / sizeof refusals[0]);
    begin(&s, inbox, 1, 0);
    play(&s, larger);
    assert_string_equal(imap_why(&s.imap),
                        "the server announces a literal of 65537 octets, where at most 65536 were asked for");
    end(&s);
}

/* I08: sets are never counted out, wherever they come. */
static void test_i08_ranges(void **state)
{
    static const char *const answers[] = {
        "* CAPABILITY IMAP4rev1 UIDPLUS\r\nE1 OK [CAPABILITY x] done\r\n",
        "* VANISHED (EARLIER) 1:4294967295\r\n* SEARCH 1:4294967295\r\n* ESEARCH (TAG \"E2\") UID ALL "
        "1:4294967295\r\n* 4294967295 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 4294967296] x\r\n"
        "E2 OK [COPYUID 1 1:4294967295 1:4294967295] done\r\n",
        "* 4294967295 FETCH (UID 1:4294967295 BODY[HEADER.FIELDS (A)] {4}\r\nours)\r\n"
        "* 4294967296 FETCH (UID 5 BODY[HEADER.FIELDS (A)] {4}\r\nours)\r\nE3 OK done\r\n",
        NULL};
    struct session s;
    (void)state;
    begin(&s, inbox, 1, 0);
    play(&s, answers);
    assert_int_equal(s.got, 1);
    assert_non_null(strstr(s.log.data, "looked 0 up to 0\n"));
    end(&s);
}

/* I09: a line without end, and lines without end. */
static void test_i09_endless(void **state)
{
    static const char *const lines[] = {"* OK still here\r\n", "* 1 FETCH (FLAGS (\\Seen))\r\n",
                                        "* 1 FETCH (UID 4 BODY[HEADER.FIELDS (A)] NIL)\r\n",
                                        "* LIST () \"/\" x\r\n"};
    static const char *const answers[] = {CAPABLE, OPENED("E2", "1", "7", "9"), NULL};
    char *line = mem_alloc(IMAP_MAX_LINE + 2);
    struct session s;
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        size_t count = 0;
        begin(&s, inbox, 1, 0);
        play(&s, answers);
        for (s.got = 0; s.got == 0; count++)
            s.got = imap_feed(&s.imap, span_of(lines[i]));
        assert_int_equal(count, IMAP_MAX_UNASKED + 1);
        assert_string_equal(imap_why(&s.imap),
                            "the server says more than 10000 things that nobody asked for");
        end(&s);
    }
    memset(line, 'x', IMAP_MAX_LINE + 1);
    begin(&s, inbox, 1, 0);
    play(&s, answers);
    assert_int_equal(imap_feed(&s.imap, (struct span){line, IMAP_MAX_LINE}), 0);
    assert_int_equal(imap_feed(&s.imap, (struct span){line, 1}), -1);
    assert_string_equal(imap_why(&s.imap), "the server says a line of more than 16384 octets");
    end(&s);
    free(line);
}

/* A server that answers what nobody asked for shows us nothing: other UIDs, the same one twice, more
 * messages than there are. */
static void test_lies(void **state)
{
    static const char *const answers[] = {
        CAPABLE, OPENED("E2", "2", "7", "90"),
        HEADER_OF("1", "8", "a: ours\r\n\r\n", "11") HEADER_OF("1", "8", "a: ours\r\n\r\n", "11")
            HEADER_OF("2", "4", "a: ours\r\n\r\n", "11") HEADER_OF("2", "9", "a: b\r\n\r\n", "8")
                HEADER_OF("3", "10", "a: ours\r\n\r\n", "11") "E3 OK done\r\n",
        "* 1 FETCH (UID 9 RFC822.SIZE 3 BODY[]<0> {3}\r\nx\r\n)\r\n* 1 FETCH (UID 8 BODY[]<0> NIL)\r\n"
        "* 1 FETCH (UID 8 BODY[]<0> {3}\r\nx\r\n)\r\n* 1 FETCH (UID 8 BODY[]<0> {3}\r\ny\r\n)\r\nE4 OK x\r\n",
        NULL};
    struct session s;
    (void)state;
    begin(&s, inbox, 1, 0);
    s.from = 5;
    play(&s, answers);
    assert_string_equal(strstr(s.log.data, "> E4"), "> E4 " TEXTS("8") "\nread 8 of folder 0, 3 of 3: x\r\n\n"
                                                                       "looked 0 up to 9\n");
    end(&s);
}

/* A server may not answer what was not said yet, however well it guesses. */
static void test_an_answer_before_the_question(void **state)
{
    struct session s;
    (void)state;
    begin(&s, inbox, 1, 0);
    hear(&s, span_of(CAPABLE "E2 OK done\r\n"));
    assert_int_equal(s.got, -1);
    assert_string_equal(imap_why(&s.imap), "the server says what nobody expects: \"E2 OK done\"");
    end(&s);
}

/* The end of a line whose beginning came with the reply to the login. */
static void test_half_a_line_at_the_beginning(void **state)
{
    static const char *const answers[] = {"ISTS\r\n" CAPABLE, OPENED("E2", "0", "7", "9"), NULL};
    static const char *const twice[] = {"ISTS\r\nISTS\r\n" CAPABLE, NULL};
    struct session s;
    (void)state;
    begin(&s, inbox, 1, 0);
    play(&s, answers);
    assert_int_equal(s.got, 1);
    end(&s);
    begin(&s, inbox, 1, 0);
    play(&s, twice);
    assert_int_equal(s.got, -1);
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_reads_and_removes),
        cmocka_unit_test(test_i12_looks_again),
        cmocka_unit_test(test_an_empty_folder),
        cmocka_unit_test(test_a_folder_by_its_use),
        cmocka_unit_test(test_a_use_that_no_folder_has),
        cmocka_unit_test(test_without_uidplus_it_is_only_marked),
        cmocka_unit_test(test_looks_once_more_before_it_removes),
        cmocka_unit_test(test_a_folder_without_validity),
        cmocka_unit_test(test_too_many_candidates_are_read_in_the_same_look),
        cmocka_unit_test(test_i11_what_cannot_be_removed),
        cmocka_unit_test(test_i10_refusals),
        cmocka_unit_test(test_i06_literals),
        cmocka_unit_test(test_i08_ranges),
        cmocka_unit_test(test_i09_endless),
        cmocka_unit_test(test_lies),
        cmocka_unit_test(test_an_answer_before_the_question),
        cmocka_unit_test(test_half_a_line_at_the_beginning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
