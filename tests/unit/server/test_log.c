/* SPDX-License-Identifier: Apache-2.0 */
#include "server/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* What stands behind the time, which is as long in every line. */
#define TEXT_TIME_LENGTH 28

struct wire {
    int ends[2];
    char line[8192];
};

static int open_wire(void **state)
{
    static struct wire wire;

    *state = &wire;
    return pipe2(wire.ends, O_NONBLOCK);
}

static int close_wire(void **state)
{
    struct wire *wire = *state;

    close(wire->ends[0]);
    close(wire->ends[1]);
    return 0;
}

static const char *read_line(struct wire *wire)
{
    ssize_t len = read(wire->ends[0], wire->line, sizeof wire->line - 1);

    wire->line[len > 0 ? len : 0] = '\0';
    return wire->line;
}

static void test_text(void **state)
{
    struct wire *wire = *state;
    struct log log;

    log_init(&log, wire->ends[1], LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    log_event(&log, LOG_LEVEL_INFO, "run ended", "target", "mx1", "reason", NULL, "message", "got \"550 no\"",
              "empty", "", NULL);
    assert_string_equal(read_line(wire) + TEXT_TIME_LENGTH,
                        "info run ended target=mx1 message=\"got \\\"550 no\\\"\" empty=\"\"\n");
    log_event(&log, LOG_LEVEL_DEBUG, "not wanted", NULL);
    assert_string_equal(read_line(wire), "");
}

static void test_json(void **state)
{
    struct wire *wire = *state;
    struct log log;

    log_init(&log, wire->ends[1], LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    log_event(&log, LOG_LEVEL_WARN, "run ended", "target", "mx1", "text", "a\\b\tc\"", NULL);
    assert_string_equal(
        strstr(read_line(wire), ",\"level\""),
        ",\"level\":\"warn\",\"event\":\"run ended\",\"target\":\"mx1\",\"text\":\"a\\\\b\\tc\\\"\"}\n");
}

static void test_peer_text_stays_on_its_line(void **state)
{
    struct wire *wire = *state;
    struct log log;

    log_init(&log, wire->ends[1], LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    log_event(&log, LOG_LEVEL_INFO, "e", "m", "a\r\n2026 info forged \xff\x1b[31m", NULL);
    const char *line = read_line(wire) + TEXT_TIME_LENGTH;
    assert_string_equal(line, "info e m=\"a\\\\x0D\\\\x0A2026 info forged \\\\xFF\\\\x1B[31m\"\n");
}

static void test_long_field_is_left_out(void **state)
{
    struct wire *wire = *state;
    char longest[6000];
    struct log log;

    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    log_init(&log, wire->ends[1], LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    log_event(&log, LOG_LEVEL_INFO, "e", "a", "1", "b", longest, "c", "3", NULL);
    assert_string_equal(strstr(read_line(wire), ",\"a\""),
                        ",\"a\":\"1\",\"c\":\"3\",\"truncated\":\"yes\"}\n");
}

static void test_full_pipe_drops_and_counts(void **state) /* R07 */
{
    struct wire *wire = *state;
    char fill[4096] = {0};
    struct log log;

    fcntl(wire->ends[1], F_SETFL, 0); /* a write would block */
    log_init(&log, wire->ends[1], LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    int size = fcntl(wire->ends[1], F_GETPIPE_SZ);
    for (int i = 0; i < size / (int)sizeof fill; i++)
        assert_int_equal(write(wire->ends[1], fill, sizeof fill), (ssize_t)sizeof fill);
    log_event(&log, LOG_LEVEL_INFO, "lost", NULL);
    log_event(&log, LOG_LEVEL_INFO, "lost", NULL);
    while (*read_line(wire) != '\0' || read(wire->ends[0], fill, sizeof fill) > 0)
        ;
    log_event(&log, LOG_LEVEL_INFO, "kept", NULL);
    assert_string_equal(read_line(wire) + TEXT_TIME_LENGTH, "info kept dropped=2\n");
    log_event(&log, LOG_LEVEL_INFO, "kept", NULL);
    assert_string_equal(read_line(wire) + TEXT_TIME_LENGTH, "info kept\n");
}

static void test_closed_descriptor(void **state) /* R07 */
{
    struct log log;

    (void)state;
    log_init(&log, 9999, LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    log_event(&log, LOG_LEVEL_ERROR, "nobody reads this", NULL);
    assert_int_equal(log.dropped, 1);
}

enum { WRITERS = 3, LINES = 2000 };

static void *write_many(void *log)
{
    for (int i = 0; i < LINES; i++)
        log_event(log, LOG_LEVEL_INFO, "one of many", "target", "mx1.example.org", NULL);
    return NULL;
}

/* How many of them stand there; each is whole. */
static size_t count_lines(int fd)
{
    FILE *lines = fdopen(fd, "r");
    char line[256];
    size_t count = 0;

    while (fgets(line, sizeof line, lines)) {
        assert_ptr_equal(strstr(line, " info one of many target=mx1.example.org\n"),
                         line + TEXT_TIME_LENGTH - 1);
        count++;
    }
    fclose(lines);
    return count;
}

/* Nobody reads: that fills the pipe, which would block whoever writes to it although there was room before.
 */
static void test_threads_do_not_block_one_another(void **state)
{
    pthread_t writers[WRITERS];
    struct log log;
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    log_init(&log, ends[1], LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&writers[i], NULL, write_many, &log), 0);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(writers[i], NULL);
    assert_true(log.dropped > 0);
    close(ends[1]);
    assert_int_equal(count_lines(ends[0]) + log.dropped, WRITERS * LINES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_text, open_wire, close_wire),
        cmocka_unit_test_setup_teardown(test_json, open_wire, close_wire),
        cmocka_unit_test_setup_teardown(test_peer_text_stays_on_its_line, open_wire, close_wire),
        cmocka_unit_test_setup_teardown(test_long_field_is_left_out, open_wire, close_wire),
        cmocka_unit_test_setup_teardown(test_full_pipe_drops_and_counts, open_wire, close_wire),
        cmocka_unit_test(test_closed_descriptor),
        cmocka_unit_test(test_threads_do_not_block_one_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
