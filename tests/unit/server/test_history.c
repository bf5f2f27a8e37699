/* SPDX-License-Identifier: Apache-2.0 */
/* The file that outlives the process: what is written is read again, what is not ours is left alone, and what
 * is broken does not stop the service. */
#include "server/history.h"

#include "probe/base/clock.h"
#include "tests/unit/server/history_stage.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

static char error[HISTORY_ERROR_SIZE];

static void write_file(const char *path, const void *data, size_t len)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

static void run_sql(const char *sql)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(history_stage_path(), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static struct history *open_it(void)
{
    struct history *h = history_open(history_stage_path(), error);

    if (h == NULL)
        fail_msg("%s", error);
    return h;
}

static void refused(const char *why)
{
    assert_null(history_open(history_stage_path(), error));
    if (strstr(error, why) == NULL)
        fail_msg("%s: %s", why, error);
    assert_non_null(strstr(error, "history.path: "));
}

static void put(struct history *h, const struct ledger_row *row)
{
    history_begin(h);
    history_put(h, row);
    assert_int_equal(history_end(h, error), 0);
}

/* ---- opening ---- */

static void test_the_key_stays(void **state)
{
    struct history *h = open_it();
    struct token_key key = *history_key(h), peeked;
    struct stat st;

    (void)state;
    assert_int_equal(stat(history_stage_path(), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_null(history_notice(h));
    assert_int_equal(history_peek_key(history_stage_path(), &peeked, error), 1);
    assert_memory_equal(&peeked, &key, sizeof key);
    history_close(h);
    h = open_it();
    assert_memory_equal(history_key(h), &key, sizeof key);
    history_close(h);
    assert_int_equal(history_peek_key(history_stage_path(), &peeked, error), 1);
    assert_memory_equal(&peeked, &key, sizeof key);
}

static void test_each_file_has_its_key(void **state)
{
    struct history *h = open_it();
    struct token_key key = *history_key(h);

    (void)state;
    history_close(h);
    assert_int_equal(unlink(history_stage_path()), 0);
    h = open_it();
    assert_memory_not_equal(history_key(h), &key, sizeof key);
    history_close(h);
}

static void test_no_file_no_key(void **state)
{
    struct token_key key;

    (void)state;
    assert_int_equal(history_peek_key(history_stage_path(), &key, error), 0);
    assert_int_equal(access(history_stage_path(), F_OK), -1);
}

static void test_what_is_refused(void **state)
{
    static const char text[] =
        "server: {listen: 127.0.0.1:25} # longer than the head of a database would be\n";
    struct token_key key;

    (void)state;
    assert_null(history_open("/nowhere/at/all/h.db", error));
    assert_string_equal(error, "history.path: /nowhere/at/all/h.db: the folder does not exist");
    assert_null(history_open("/tmp", error));
    assert_string_equal(error, "history.path: /tmp: it is no regular file");
    assert_null(history_open("/dev/null", error));
    assert_string_equal(error, "history.path: /dev/null: it is no regular file");
    write_file(history_stage_path(), text, sizeof text - 1);
    refused("it is no database");
    assert_int_equal(history_peek_key(history_stage_path(), &key, error), -1);
    write_file(history_stage_path(), text, 10);
    refused("it is no database");
    unlink(history_stage_path());
    run_sql("CREATE TABLE other (x)");
    refused("it is a database of another program");
    assert_int_equal(history_peek_key(history_stage_path(), &key, error), -1);
    unlink(history_stage_path());
    assert_int_equal(mkfifo(history_stage_path(), 0600), 0);
    refused("it is no regular file");
}

static void test_a_newer_one(void **state)
{
    (void)state;
    history_close(open_it());
    run_sql("PRAGMA user_version=7");
    refused("a newer ehlod wrote it (version 7; this one knows up to 1)");
}

static void test_one_service_at_a_time(void **state)
{
    struct history *h = open_it();
    sqlite3 *other;

    (void)state;
    refused("another ehlod uses it");
    history_close(h);
    assert_int_equal(sqlite3_open(history_stage_path(), &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE", 0, 0, 0),
                     SQLITE_OK);
    refused("another program has it locked");
    sqlite3_close(other);
    history_close(open_it());
}

static void test_open_to_others(void **state)
{
    (void)state;
    history_close(open_it());
    assert_int_equal(chmod(history_stage_path(), 0644), 0);
    struct history *h = open_it();
    assert_non_null(strstr(history_notice(h), "others than its owner can read or write it"));
    history_close(h);
}

/* R06: a file that is ours and broken is moved aside, and its key taken over where it can be read. */
static void test_r06_a_broken_one(void **state)
{
    struct history *h = open_it();
    struct token_key key = *history_key(h);
    size_t len, count = 0;

    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        struct ledger_row row = history_stage_row("1", i);
        put(h, &row);
    }
    history_close(h);
    char *bytes = history_stage_slurp(&len);
    memset(bytes + len / 4, 0x55, len - len / 4);
    write_file(history_stage_path(), bytes, len);
    free(bytes);
    h = open_it();
    assert_non_null(strstr(history_notice(h), "it was broken, and is now "));
    assert_memory_equal(history_key(h), &key, sizeof key);
    assert_int_equal(history_read(h, history_stage_count, &count, error), 0);
    assert_int_equal(count, 0);
    history_close(h);
    assert_true(history_stage_files(".broken-") >= 1);
    h = open_it();
    assert_null(history_notice(h));
    history_close(h);
}

static void test_r06_a_truncated_one(void **state)
{
    struct history *h = open_it();
    struct stat st;

    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        struct ledger_row row = history_stage_row("1", i);
        put(h, &row);
    }
    history_close(h);
    assert_int_equal(stat(history_stage_path(), &st), 0);
    assert_int_equal(truncate(history_stage_path(), st.st_size / 2), 0);
    h = open_it();
    assert_non_null(strstr(history_notice(h), "it was broken, and is now "));
    history_close(h);
    assert_int_equal(truncate(history_stage_path(), 0), 0);
    h = open_it(); /* as if it were new */
    assert_null(history_notice(h));
    history_close(h);
}

/* Whatever bytes are damaged: it opens, it is refused, or it begins anew. */
static void test_r06_damaged_anywhere(void **state)
{
    struct history *h = open_it();
    char *bytes;
    size_t len, count;

    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        struct ledger_row row = history_stage_row("1", i);
        put(h, &row);
    }
    history_close(h);
    bytes = history_stage_slurp(&len);
    for (size_t at = 0; at < len; at += at < 200 ? 1 : 487) {
        char was = bytes[at];
        bytes[at] = (char)(was ^ 0x55);
        write_file(history_stage_path(), bytes, len);
        bytes[at] = was;
        h = history_open(history_stage_path(), error);
        if (h != NULL && history_read(h, history_stage_count, (count = 0, &count), error) == 0)
            assert_true(count <= 20);
        history_close(h);
    }
    free(bytes);
}

/* ---- rows ---- */

static void take_one(void *context, const struct ledger_row *row)
{
    size_t octets;
    struct ledger_row **row_r = context;

    assert_null(*row_r);
    *row_r = history_row_copy(row, &octets);
}

static struct ledger_row *round_trip(const struct ledger_row *row)
{
    struct history *h = open_it();
    struct ledger_row *again = NULL;

    put(h, row);
    history_close(h);
    h = open_it();
    assert_int_equal(history_read(h, take_one, &again, error), 0);
    history_close(h);
    assert_non_null(again);
    return again;
}

static void test_a_row_both_ways(void **state)
{
    static const char bytes[] = "c\0i\xff";
    struct ledger_row row = history_stage_row("in", 1);

    (void)state;
    row.serial = 9;
    row.bounce_mailbox = "disk";
    row.wish = UINT64_MAX - 1;
    row.data_us = 11;
    row.recipients = 3;
    row.closed = true;
    row.seen = (struct span){bytes, sizeof bytes};
    row.original = (struct span){bytes + 1, 3};
    row.state = ROUTE_BOUNCED;
    row.phase = PHASE_FINAL;
    row.reason = REASON_TIMEOUT;
    row.settled_us = 15;
    row.latency_us = 0;
    row.flags = UINT64_C(1) << FLAG_DUPLICATE | UINT64_C(1) << FLAG_STALE;
    row.why = "it's \"quoted\"; DROP TABLE delivery";
    row.found = "";
    row.found_header = (struct span){"A: b\r\n", 6};
    row.found_size = 700;
    row.found_us = 16;
    row.changes = "body\nheader Subject";
    row.bounce = (struct bounce){"failed", "5.1.1", "smtp; 550 5.1.1", "www@example.org", "mx.example.org"};
    struct ledger_row *again = round_trip(&row);
    again->serial = row.serial;
    history_stage_assert_same(again, &row);
    free(again);
}

static void test_an_empty_row_both_ways(void **state)
{
    struct ledger_row row = history_stage_row("in", 1);

    (void)state;
    row.run = row.mailbox = NULL;
    row.sent_us = row.within_us = CLOCK_NONE;
    row.state = ROUTE_NONE;
    struct ledger_row *again = round_trip(&row);
    history_stage_assert_same(again, &row);
    free(again);
}

static void test_the_newest_save_stands(void **state)
{
    struct history *h = open_it();
    struct ledger_row row = history_stage_row("in", 1), *again = NULL;

    (void)state;
    put(h, &row);
    row.state = ROUTE_LOST;
    put(h, &row);
    assert_int_equal(history_read(h, take_one, &again, error), 0);
    assert_int_equal(again->state, ROUTE_LOST);
    free(again);
    history_begin(h);
    history_drop(h, row.token);
    history_drop(h, "ehlod-none");
    assert_int_equal(history_end(h, error), 0);
    again = NULL;
    assert_int_equal(history_read(h, take_one, &again, error), 0);
    assert_null(again);
    history_close(h);
}

/* Of each route the newest, the newest that is settled, and all that are pending; by the order in which they
 * were kept, whatever the wall clock said. */
static void test_l06_what_is_told(void **state)
{
    static const struct {
        const char *route;
        int64_t opened_us;
        enum route_state state;
    } rows[] = {
        {"a", 50, ROUTE_PENDING}, {"a", 90, ROUTE_LOST}, {"a", 60, ROUTE_DELIVERED},
        {"a", 70, ROUTE_PENDING}, {"a", 10, ROUTE_NONE}, {"b", 20, ROUTE_DELIVERED},
        {"b", 15, ROUTE_QUEUED},
    };
    struct history *h = open_it();
    struct history_told told = {0};

    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ledger_row row = history_stage_row(rows[i].route, i);
        row.opened_us = rows[i].opened_us;
        row.state = rows[i].state;
        row.settled_us = row.state == ROUTE_NONE || row.state == ROUTE_PENDING ? CLOCK_NONE : 100;
        put(h, &row);
    }
    assert_int_equal(history_read(h, history_stage_tell, &told, error), 0);
    assert_string_equal(told.text, "a50 a60 a70 a10 b15 ");
    history_close(h);
}

static void test_rows_that_nobody_wrote(void **state)
{
    struct history *h = open_it();
    struct ledger_row good = history_stage_row("good", 1), bad = history_stage_row("bad", 2);
    static const char *const spoils[] = {
        "UPDATE delivery SET state='no such' WHERE route='bad'",
        "UPDATE delivery SET phase='no such', state='lost' WHERE route='bad'",
        "UPDATE delivery SET phase='final', reason='no such' WHERE route='bad'",
        "UPDATE delivery SET reason='none', token='mine' WHERE route='bad'",
        "UPDATE delivery SET token=x'00ff' WHERE route='bad'",
        "UPDATE delivery SET sent_us=-77 WHERE route='bad'",
    };
    size_t count;

    (void)state;
    put(h, &good);
    put(h, &bad);
    history_close(h);
    for (size_t i = 0; i < sizeof spoils / sizeof spoils[0]; i++) {
        run_sql(spoils[i]);
        h = open_it();
        assert_int_equal(history_read(h, history_stage_count, (count = 0, &count), error), 0);
        assert_int_equal(count, 1);
        history_close(h);
    }
}

/* ---- pruning ---- */

static void test_pruning(void **state)
{
    static const struct {
        const char *route;
        int64_t opened_us;
        bool settled;
    } rows[] = {{"a", 10, true},   {"a", 20, false},  {"a", 1000, true},  {"a", 30, true}, {"a", 40, true},
                {"a", 5000, true}, {"a", 1100, true}, {"a", 1100, false}, {"b", 1, true}};
    struct history *h = open_it();
    size_t left;

    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ledger_row row = history_stage_row(rows[i].route, i);
        row.opened_us = rows[i].opened_us;
        row.state = rows[i].settled ? ROUTE_DELIVERED : ROUTE_NONE;
        row.settled_us = rows[i].settled ? 1 : CLOCK_NONE;
        put(h, &row);
    }
    assert_int_equal(history_prune(h, 1200, 500, 2, error), 2);
    assert_int_equal(history_prune(h, 1200, 500, 100, error), 3); /* 5000 is of a clock that was wrong */
    assert_int_equal(history_prune(h, 1200, 500, 100, error), 0);
    history_close(h);
    left = history_stage_rows();
    assert_int_equal(left, 4);
}

/* ---- writing that fails ---- */

/* R05: all of a transaction or nothing, and it goes on when there is room again. */
static void test_r05_no_room(void **state)
{
    struct rlimit all, little;
    struct history *h = open_it();
    static char large[300000];
    struct ledger_row row = history_stage_row("in", 1);

    (void)state;
    put(h, &row);
    memset(large, 'x', sizeof large - 1);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &all), 0);
    little = all;
    little.rlim_cur = 200000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
    struct ledger_row more = history_stage_row("in", 2);
    more.why = large;
    history_begin(h);
    history_put(h, &more);
    history_put(h, &row);
    int ended = history_end(h, error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
    assert_int_equal(ended, -1);
    assert_non_null(strstr(error, "history.path: "));
    assert_int_equal(history_stage_rows(), 1);
    put(h, &more);
    assert_int_equal(history_stage_rows(), 2);
    history_close(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_key_stays, history_stage_up, history_stage_down),
        cmocka_unit_test_setup_teardown(test_each_file_has_its_key, history_stage_up, history_stage_down),
        cmocka_unit_test_setup_teardown(test_no_file_no_key, history_stage_up, history_stage_down),
        cmocka_unit_test_setup_teardown(test_what_is_refused, history_stage_up, history_stage_down),
        cmocka_unit_test_setup_teardown(test_a_newer_one, history_stage_up, history_stage_down),
        cmocka_unit_test_setup_teardown(test_one_service_at_a_time, history_stage_up, history_stage_down),
        cmocka_unit_test_setup_teardown(test_open_to_others, history_stage_up, history_stage_down),
        cmocka_unit_test_setup_teardown(test_r06_a_broken_one, history_stage_up, history_stage_down),
        cmocka_unit_test_setup_teardown(test_r06_a_truncated_one, history_stage_up, history_stage_down),
        cmocka_unit_test_setup_teardown(test_r06_damaged_anywhere, history_stage_up, history_stage_down),
        cmocka_unit_test_setup_teardown(test_a_row_both_ways, history_stage_up, history_stage_down),
        cmocka_unit_test_setup_teardown(test_an_empty_row_both_ways, history_stage_up, history_stage_down),
        cmocka_unit_test_setup_teardown(test_the_newest_save_stands, history_stage_up, history_stage_down),
        cmocka_unit_test_setup_teardown(test_l06_what_is_told, history_stage_up, history_stage_down),
        cmocka_unit_test_setup_teardown(test_rows_that_nobody_wrote, history_stage_up, history_stage_down),
        cmocka_unit_test_setup_teardown(test_pruning, history_stage_up, history_stage_down),
        cmocka_unit_test_setup_teardown(test_r05_no_room, history_stage_up, history_stage_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
