/* SPDX-License-Identifier: Apache-2.0 */
/* Rows F01, F03 and F18 of the fault catalogue: what is refused before any key is looked at, and quickly. */
#include "config/file.h"
#include "probe/base/clock.h"
#include "tests/config/given.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/ehlod-file-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

/* What this process itself has spent: how busy the machine is makes no difference. */
static int64_t cpu_us(void)
{
    struct timespec spent;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
    return (int64_t)spent.tv_sec * CLOCK_US_PER_S + spent.tv_nsec / 1000;
}

static int64_t ms(int64_t n)
{
    const char *scale = getenv("EHLOD_TEST_SCALE");
    double factor = scale ? strtod(scale, NULL) : 1;
    return (int64_t)((double)(n * CLOCK_US_PER_MS) * (factor > 1 ? factor : 1));
}

/* Loads the file, which must be refused with these words in a moment; the least of three times counts, for
 * the machine may be busy. */
static void refused(const char *path, const char *error)
{
    int64_t least = INT64_MAX;
    for (int i = 0; i < 3; i++) {
        const char *const errors[] = {error, NULL};
        int64_t begin = cpu_us();
        struct given g;
        given_file(&g, path);
        int64_t took = cpu_us() - begin;
        least = took < least ? took : least;
        given_expect(&g, errors);
        assert_int_equal(g.mistakes.warning_count, 0);
        given_clear(&g);
    }
    assert_true(least < ms(100));
}

/* F03: no reader would ever come, or no end. */
static void test_no_regular_file(void **state)
{
    char path[80];
    (void)state;
    refused(folder, ": not a config file (expected a regular file, found a directory)");
    refused("/dev/zero", ": not a config file (expected a regular file, found a device)");
    refused("/dev/null", ": not a config file (expected a regular file, found a device)");
    snprintf(path, sizeof(path), "%s/none", folder);
    refused(path, ": cannot be opened: No such file or directory");
    refused("", ": cannot be opened: No such file or directory");
    snprintf(path, sizeof(path), "%s/fifo", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    refused(path, ": not a config file (expected a regular file, found a FIFO)");
    assert_int_equal(unlink(path), 0);
}

static void test_socket(void **state)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)state;
    snprintf(name.sun_path, sizeof(name.sun_path), "%s/socket", folder);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    refused(name.sun_path, ": cannot be opened: No such device or address");
    close(fd);
    assert_int_equal(unlink(name.sun_path), 0);
}

/* F03: the size is asked for, the file is not read; so a sparse one of a terabyte costs nothing. */
static void test_too_large(void **state)
{
    char path[80];
    (void)state;
    snprintf(path, sizeof(path), "%s/large", folder);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, FILE_MAX_BYTES + 1), 0);
    refused(path, ": too large for a config file (expected at most 16777216 bytes, found 16777217)");
    assert_int_equal(ftruncate(fd, INT64_C(1) << 40), 0);
    refused(path, ": too large for a config file (expected at most 16777216 bytes, found 1099511627776)");
    close(fd);
    assert_int_equal(unlink(path), 0);
}

static void test_just_not_too_large(void **state)
{
    static const char config[] = "targets: {a: {address: 'x:25'}}\n#";
    static char text[FILE_MAX_BYTES];
    static const char *const none[] = {NULL};
    struct given g;
    (void)state;
    memset(text, 'x', sizeof(text));
    memcpy(text, config, sizeof(config) - 1);
    given_bytes(&g, (struct span){text, sizeof(text)}, NULL);
    given_expect(&g, none);
    given_clear(&g);
}

/* F01: 100 KB of brackets. */
static void test_brackets(void **state)
{
    static const char *const units[] = {"[",  "{",   "{a: ",  "- ",   "? ",          "[{",
                                        "\"", "&a ", "{a: [", "!a [", "- - - [ {a: "};
    static char text[100000];
    (void)state;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        int64_t least = INT64_MAX;
        for (size_t at = 0; at < sizeof(text); at++)
            text[at] = units[i][at % strlen(units[i])];
        for (int n = 0; n < 3; n++) {
            struct given g;
            int64_t begin = cpu_us();
            given_bytes(&g, (struct span){text, sizeof(text)}, NULL);
            int64_t took = cpu_us() - begin;
            least = took < least ? took : least;
            assert_int_equal(g.code, -1);
            assert_true(g.mistakes.error_count <= 20);
            given_clear(&g);
        }
        if (least >= ms(100))
            fail_msg("100 KB of %s took %lld us", units[i], (long long)least);
    }
}

/* F18 */
static void test_encodings(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *error;
    } rows[] = {
#define BYTES(text) text, sizeof(text) - 1
        {BYTES("\xff\xfet\0a\0"), ": not UTF-8 text (found UTF-16 or UTF-32); save it as UTF-8"},
        {BYTES("\xfe\xff\0t\0a"), ": not UTF-8 text (found UTF-16 or UTF-32); save it as UTF-8"},
        {BYTES("\xff\xfe\0\0t\0\0\0"), ": not UTF-8 text (found UTF-16 or UTF-32); save it as UTF-8"},
        {BYTES("t\0a\0r\0"), ":1:2: a control character has no place here (found byte 0x00)"},
        {BYTES("\0t\0a\0r"), ":1:1: a control character has no place here (found byte 0x00)"},
        {BYTES("a: b\n#\n  x\0y"), ":3:4: a control character has no place here (found byte 0x00)"},
        {BYTES("a: \x1b[2J"), ":1:4: a control character has no place here (found byte 0x1B)"},
        {BYTES("a: b\r\n\x7f"), ":2:1: a control character has no place here (found byte 0x7F)"},
        {BYTES("a: b\r\x01"), ":2:1: a control character has no place here (found byte 0x01)"},
        {BYTES("# \xe4\n"), ":1:3: not UTF-8 text (found byte 0xE4)"},
        {BYTES("\xc3\xa4\xc3\xa4\xff"), ":1:3: not UTF-8 text (found byte 0xFF)"},
        {BYTES("a: \xc0\xaf"), ":1:4: not UTF-8 text (found byte 0xC0)"},
        {BYTES("a: \xed\xa0\x80"), ":1:4: not UTF-8 text (found byte 0xED)"},
        {BYTES("a: \xf4\x90\x80\x80"), ":1:4: not UTF-8 text (found byte 0xF4)"},
        {BYTES("a: \xc3"), ":1:4: not UTF-8 text (found byte 0xC3)"},
        {BYTES("a: \xc2\x85"), ":1:4: not UTF-8 text (found byte 0xC2)"},
#undef BYTES
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *const errors[] = {rows[i].error, NULL};
        struct given g;
        given_bytes(&g, (struct span){rows[i].bytes, rows[i].len}, NULL);
        given_expect(&g, errors);
        given_clear(&g);
    }
}

/* F18: a byte order mark is no mistake, and does not move the positions. */
static void test_byte_order_mark(void **state)
{
    static const char *const errors[] = {
        ":1:1: x: unknown key (expected one of: server, history, mailboxes, modules, targets)", NULL};
    struct given g;
    (void)state;
    given_good(&g, "\xef\xbb\xbftargets: {a: {address: 'x:25'}}\n");
    given_clear(&g);
    given_text(&g, "\xef\xbb\xbfx: y\n", NULL);
    given_expect(&g, errors);
    given_clear(&g);
}

/* F23: whatever part of a file has been written, it is a config or it is refused. */
static void test_every_prefix(void **state)
{
    static const char config[] = "server: {listen: ['127.0.0.1:8025'], name: \"fra\\u00e41\"}\n"
                                 "modules: {m: {timeouts: {reply: 5s}, warn: {rcpt: 1s}}}\n"
                                 "targets:\n"
                                 "  mx.example.org:\n"
                                 "    module: m\n"
                                 "    address: '[2001:db8::1]:25'\n"
                                 "    helo: |-\n"
                                 "      {{hostname}}\n"
                                 "    routes:\n"
                                 "      - from: ''\n"
                                 "        to: [a@b.example, \"c@d.example\"]\n"
                                 "        expect: [rejected, deferred]\n";
    struct given g;
    (void)state;
    given_good(&g, config);
    given_clear(&g);
    for (size_t len = 0; len < sizeof(config) - 1; len++) {
        given_bytes(&g, (struct span){config, len}, NULL); /* which sees to it that a refusal has words */
        given_clear(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_regular_file), cmocka_unit_test(test_socket),
        cmocka_unit_test(test_too_large),       cmocka_unit_test(test_just_not_too_large),
        cmocka_unit_test(test_brackets),        cmocka_unit_test(test_encodings),
        cmocka_unit_test(test_byte_order_mark), cmocka_unit_test(test_every_prefix),
    };
    return cmocka_run_group_tests_name("config/file", tests, make_folder, drop_folder);
}
