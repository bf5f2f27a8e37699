/* SPDX-License-Identifier: Apache-2.0 */
/* A Maildir as a store. V08, V09, V10, V12: rows of the fault catalogue. */
#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "tests/unit/probe/verify/maildir_stage.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define STRANGER "From: a@example.org\nSubject: probe\n\nHello, X-Ehlod-Token is none.\n"

static int set_up(void **state)
{
    static struct stage stage;

    stage_init(&stage);
    *state = &stage;
    return 0;
}

static int tear_down(void **state)
{
    stage_clear(*state);
    return 0;
}

/* ---- the system, as sick as wanted ---- */

static bool no_inotify;
static pthread_mutex_t hanging = PTHREAD_MUTEX_INITIALIZER;
static atomic_ulong opened;

int inotify_init1(int flags)
{
    static int (*real)(int flags);

    if (no_inotify) {
        errno = EMFILE;
        return -1;
    }
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "inotify_init1");
    return real(flags);
}

/* Each name that is not known is asked for its kind before it is opened. */
int fstatat(int directory, const char *name, struct stat *st_r, int flags)
{
    static int (*real)(int directory, const char *name, struct stat *st_r, int flags);

    opened++;
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "fstatat");
    return real(directory, name, st_r, flags);
}

/* On the thread that looks: while the lock is held the file system hangs. */
int openat(int directory, const char *name, int flags, ...)
{
    static int (*real)(int directory, const char *name, int flags, ...);

    pthread_mutex_lock(&hanging);
    pthread_mutex_unlock(&hanging);
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "openat");
    return real(directory, name, flags);
}

/* ---- what is seen ---- */

static void test_a_message_is_seen_at_once(void **state)
{
    struct stage *s = *state;

    stage_watch(s);
    stage_look(s);
    assert_string_equal(s->why, "");
    int64_t before_us = clock_mono_us();
    stage_deliver(s, "new/1700000000.M1P2.host", stage_letter(1));
    int looks = s->looks;
    stage_wait_seen(s, 1);
    const struct stage_seen *seen = &s->seen[0];
    assert_int_equal(s->looks, looks); /* inotify said so */
    assert_true(seen->at_us >= before_us && seen->at_us <= clock_mono_us());
    assert_string_equal(seen->id, "INBOX/1700000000.M1P2.host");
    assert_string_equal(seen->folder, "INBOX");
    assert_false(seen->astray);
    assert_memory_equal(seen->text + seen->kept - strlen("\r\n\r\nHello\r\n"), "\r\n\r\nHello\r\n", 12);
    assert_int_equal(seen->kept, strlen(stage_letter(1)) + 5);
    assert_int_equal(seen->size, seen->kept);
}

static void test_what_was_there_before_is_seen(void **state)
{
    struct stage *s = *state;

    stage_deliver(s, "new/1.a", stage_letter(1));
    stage_deliver(s, "cur/2.b:2,S", stage_letter(2));
    stage_watch(s);
    stage_look(s);
    assert_int_equal(s->seen_count, 2);
    assert_string_equal(s->seen[0].id, "INBOX/1.a");
    assert_string_equal(s->seen[1].id, "INBOX/2.b");
}

static void test_crlf_stays_and_size_counts_all_of_it(void **state)
{
    struct stage *s = *state;
    char *text = mem_alloc(200 * 1024 + 512);
    size_t len = (size_t)snprintf(text, 512, "X-Ehlod-Token: ehlod-%048d\r\n\n", 7);

    for (size_t i = 0; i < 100 * 1024; i++, len += 2)
        memcpy(text + len, "x\n", 2);
    stage_deliver(s, "new/1.a", text);
    stage_watch(s);
    stage_wait_seen(s, 1);
    assert_int_equal(s->seen[0].kept, MAILBOX_MAX_KEPT);
    assert_int_equal(s->seen[0].size, len + 1 + 100 * 1024);
    free(text);
}

static void test_a_report_is_seen_and_a_strangers_is_not(void **state)
{
    static const char report[] =
        "From: MAILER-DAEMON@example.org\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"
        "--b\n\nreport\n--b\nContent-Type: message/delivery-status\n\n"
        "Reporting-MTA: dns; mx.example.org\n\nFinal-Recipient: rfc822; a@example.org\n"
        "Action: failed\nStatus: 5.1.1\n\n--b\nContent-Type: text/rfc822-headers\n\n%s"
        "\n--b--\n";
    struct stage *s = *state;
    char text[2048];

    snprintf(text, sizeof text, report, "Subject: of somebody\n");
    stage_deliver(s, "new/1.a", text);
    snprintf(text, sizeof text, report,
             "X-Ehlod-Token: ehlod-000000000000000000000000000000000000000000000001\n");
    stage_deliver(s, "new/2.b", text);
    stage_watch(s);
    stage_look(s);
    assert_int_equal(s->seen_count, 1);
    assert_string_equal(s->seen[0].id, "INBOX/2.b");
}

static void test_v08_moved_and_flagged_is_seen_once(void **state)
{
    struct stage *s = *state;

    stage_write(s, "tmp/3.c", stage_letter(3));
    stage_deliver(s, "new/1.a", stage_letter(1));
    stage_watch(s);
    stage_wait_seen(s, 1);
    stage_rename(s, "new/1.a", "cur/1.a:2,");
    stage_look(s);
    stage_rename(s, "cur/1.a:2,", "cur/1.a:2,FS");
    stage_look(s);
    assert_int_equal(s->seen_count, 1);
    s->may_remove = true;
    stage_wait_file(s, "cur/1.a:2,FS", false);
    assert_true(stage_has(s, "tmp/3.c"));
}

static void test_subfolders_are_astray_also_new_ones(void **state)
{
    struct stage *s = *state;

    stage_mkdir(s, ".Junk");
    stage_deliver(s, ".Junk/new/1.a", stage_letter(1));
    stage_watch(s);
    stage_look(s);
    assert_int_equal(s->seen_count, 1);
    assert_true(s->seen[0].astray);
    assert_string_equal(s->seen[0].folder, "Junk");
    assert_string_equal(s->seen[0].id, "Junk/1.a");
    stage_deliver(s, ".Junk/cur/2.b:2,S", stage_letter(2));
    stage_wait_seen(s, 2);
    stage_mkdir(s, ".Lists.Dev");
    stage_deliver(s, ".Lists.Dev/new/3.c", stage_letter(3));
    stage_wait_seen(s, 3);
    assert_string_equal(s->seen[2].folder, "Lists.Dev");
    s->may_remove = true;
    stage_wait_file(s, ".Lists.Dev/new/3.c", false);
}

static void test_written_in_place_is_seen_when_it_is_closed(void **state)
{
    struct stage *s = *state;

    stage_watch(s);
    stage_look(s);
    int fd = open(stage_path(s, "new/1.a"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    stage_look(s);
    assert_int_equal(write(fd, stage_letter(1), strlen(stage_letter(1))), strlen(stage_letter(1)));
    close(fd);
    stage_wait_seen(s, 1);
    stage_write(s, "tmp/2.b", stage_letter(2)); /* by a link, as some do */
    const char *old = stage_path(s, "tmp/2.b");
    assert_int_equal(link(old, stage_path(s, "new/2.b")), 0);
    stage_wait_seen(s, 2);
}

/* ---- what is not ours ---- */

static void test_a_stranger_stays_as_he_was(void **state)
{
    struct stage *s = *state;
    struct stat before, after;

    stage_deliver(s, "new/1.a", STRANGER);
    stage_deliver(s, "cur/2.b:2,", "X-Ehlod-Token: ehlod-1234\n\nno token\n");
    const struct timespec long_ago[2] = {{1000000000, 5}, {1100000000, 7}};
    assert_int_equal(utimensat(AT_FDCWD, stage_path(s, "new/1.a"), long_ago, 0), 0);
    assert_int_equal(stat(stage_path(s, "new/1.a"), &before), 0);
    s->may_remove = true;
    stage_watch(s);
    stage_look(s);
    stage_look(s);
    assert_int_equal(s->seen_count, 0);
    assert_int_equal(stat(stage_path(s, "new/1.a"), &after), 0);
    assert_memory_equal(&before, &after, sizeof before); /* also when it was last read */
    assert_true(stage_has(s, "cur/2.b:2,"));
}

static void test_v09_only_files_are_opened(void **state)
{
    struct stage *s = *state;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    assert_int_equal(mkfifo(stage_path(s, "new/fifo"), 0644), 0);
    stage_write(s, "elsewhere", stage_letter(1));
    assert_int_equal(symlink("../elsewhere", stage_path(s, "new/link")), 0);
    assert_int_equal(symlink("link2", stage_path(s, "new/link2")), 0);
    assert_int_equal(symlink("../new", stage_path(s, ".Loop")), 0);
    assert_int_equal(mkdir(stage_path(s, "new/directory"), 0755), 0);
    snprintf(at.sun_path, sizeof at.sun_path, "%.90s/new/s", s->path);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    if (geteuid() == 0)
        (void)mknod(stage_path(s, "new/device"), S_IFCHR | 0644, 5 << 8); /* a container may refuse it */
    s->may_remove = true;
    stage_watch(s);
    stage_look(s);
    stage_deliver(s, "new/2.b", stage_letter(2));
    stage_wait_file(s, "new/2.b", false);
    stage_look(s);
    assert_string_equal(s->why, "");
    assert_int_equal(s->seen_count, 1);
    assert_true(stage_has(s, "new/fifo") && stage_has(s, "new/link") && stage_has(s, "new/directory"));
    close(fd);
}

/* So that permissions mean something. */
static void become(uid_t user)
{
    if (getuid() == 0)
        assert_int_equal(seteuid(user), 0);
}

static void test_v09_what_cannot_be_read_may_be_the_message(void **state)
{
    struct stage *s = *state;

    stage_deliver(s, "new/1.old", STRANGER);
    assert_int_equal(chmod(stage_path(s, "new/1.old"), 0), 0);
    become(65534);
    stage_watch(s);
    stage_look(s);
    assert_string_equal(s->why, ""); /* nothing is expected */
    s->store->ops->expect(s->store, clock_mono_us() + 60 * CLOCK_US_PER_S);
    stage_look(s);
    assert_string_equal(s->why, ""); /* it was there before */
    become(0);
    stage_write(s, "tmp/2.b", stage_letter(2));
    assert_int_equal(chmod(stage_path(s, "tmp/2.b"), 0), 0);
    stage_rename(s, "tmp/2.b", "new/2.b");
    become(65534);
    stage_look(s);
    assert_non_null(strstr(s->why, s->path));
    assert_non_null(strstr(s->why, ": cannot be looked into since "));
    assert_non_null(strstr(s->why, "Z: new/2.b: Permission denied"));
    become(0);
    assert_int_equal(chmod(stage_path(s, "new/2.b"), 0644), 0);
    stage_look(s);
    assert_string_equal(s->why, "");
    assert_int_equal(s->seen_count, 1);
}

#define MANY 100000

static void on_tick(uv_timer_t *timer)
{
    int64_t *longest_us = timer->data, now_us = clock_mono_us();
    static int64_t last_us;

    if (*longest_us >= 0 && now_us - last_us > *longest_us)
        *longest_us = now_us - last_us;
    if (*longest_us < 0)
        *longest_us = 0;
    last_us = now_us;
}

/* Old ones, since young ones are opened again; two files under as many names, which is quicker. */
static void write_many(const struct stage *s)
{
    static const struct timespec long_ago[2] = {{1000000000, 0}, {1000000000, 0}};
    static const char *const first[2] = {"tmp/a", "tmp/b"};
    char name[64];

    for (int i = 0; i < MANY; i++) {
        if (i < 2) {
            stage_write(s, first[i], STRANGER);
            assert_int_equal(utimensat(AT_FDCWD, stage_path(s, first[i]), long_ago, 0), 0);
        }
        snprintf(name, sizeof name, "%s/%d.M%dP1.host%s", i % 2 ? "cur" : "new", i, i, i % 2 ? ":2,S" : "");
        const char *old = stage_path(s, first[i % 2]);
        assert_int_equal(link(old, stage_path(s, name)), 0);
    }
}

/* Neither the loop nor much memory, and each file is opened once. */
static void test_v09_a_hundred_thousand_files_hold_nothing(void **state)
{
    struct stage *s = *state;
    struct rusage before, after;
    int64_t longest_us = -1;
    static uv_timer_t timer; /* it is closed after this is over */

    write_many(s);
    opened = 0;
    getrusage(RUSAGE_SELF, &before);
    uv_timer_init(&s->loop, &timer);
    timer.data = &longest_us;
    uv_timer_start(&timer, on_tick, 0, 2);
    stage_watch(s);
    stage_look(s);
    assert_true(opened >= MANY);
    opened = 0;
    stage_look(s);
    assert_true(opened < 100);
    stage_deliver(s, "new/x", stage_letter(1));
    stage_wait_seen(s, 1);
    getrusage(RUSAGE_SELF, &after);
    uv_close((uv_handle_t *)&timer, NULL);
    assert_string_equal(s->why, "");
    assert_true(longest_us < stage_scaled(250 * CLOCK_US_PER_MS));
    assert_true(after.ru_maxrss - before.ru_maxrss < 32 * 1024);
}

/* ---- removal ---- */

static void test_removed_when_it_may_be(void **state)
{
    struct stage *s = *state;

    stage_watch(s);
    stage_deliver(s, "new/1.a", stage_letter(1));
    stage_wait_seen(s, 1);
    stage_look(s);
    assert_true(s->asked > 0 && stage_has(s, "new/1.a"));
    s->may_remove = true;
    stage_look(s);
    stage_wait_file(s, "new/1.a", false);
    size_t asked = s->asked;
    stage_look(s);
    assert_int_equal(s->asked, asked);
    assert_int_equal(s->seen_count, 1);
}

static void test_what_took_its_name_is_not_removed(void **state)
{
    struct stage *s = *state;

    stage_deliver(s, "new/1.a", stage_letter(1));
    stage_watch(s);
    stage_look(s);
    stage_look(s);
    assert_int_equal(s->seen_count, 1);
    stage_deliver(s, "new/1.a", STRANGER);
    s->may_remove = true;
    for (int i = 0; i < 3; i++)
        stage_look(s);
    assert_true(stage_has(s, "new/1.a"));
    assert_int_equal(s->seen_count, 1);
}

static void test_v12_what_cannot_be_removed_is_told_once_and_tried_again(void **state)
{
    struct stage *s = *state;

    stage_deliver(s, "new/1.a", stage_letter(1));
    assert_int_equal(chmod(stage_path(s, "new"), 0555), 0);
    become(65534);
    s->may_remove = true;
    stage_watch(s);
    for (int i = 0; i < 3; i++)
        stage_look(s);
    assert_string_equal(s->why, "");
    assert_int_equal(s->unremoved, 1);
    assert_non_null(strstr(s->unremoved_why, ": Permission denied"));
    become(0);
    assert_int_equal(chmod(stage_path(s, "new"), 0755), 0);
    stage_look(s);
    stage_wait_file(s, "new/1.a", false);
    assert_int_equal(s->unremoved, 1);
}

/* More names than are kept, so a look finds the rest; each is seen once and all are removed. */
static void test_v10_a_flood_is_seen_whole(void **state)
{
    struct stage *s = *state;
    char name[64];

    stage_watch(s);
    stage_look(s);
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "new/%d.M", i);
        stage_deliver(s, name, stage_letter(i));
    }
    stage_deliver(s, "new/stranger", STRANGER);
    stage_wait_seen(s, 3000);
    s->may_remove = true;
    stage_look(s);
    for (int i = 0; i < 3000; i += 100) {
        snprintf(name, sizeof name, "new/%d.M", i);
        stage_wait_file(s, name, false);
    }
    stage_look(s);
    stage_look(s);
    assert_int_equal(s->seen_count, 3000);
    assert_int_equal(rmdir(stage_path(s, "new")), -1);
    assert_true(stage_has(s, "new/stranger"));
}

/* ---- what goes wrong ---- */

static void test_v10_without_inotify_it_looks_often(void **state)
{
    struct stage *s = *state;

    no_inotify = true;
    stage_watch(s);
    stage_look(s);
    s->store->ops->expect(s->store, clock_mono_us() + 60 * CLOCK_US_PER_S);
    stage_deliver(s, "new/1.a", stage_letter(1));
    stage_wait_seen(s, 1);
    no_inotify = false;
    stage_look(s);
    stage_deliver(s, "new/2.b", stage_letter(2));
    stage_wait_seen(s, 2);
}

static void test_gone_and_back(void **state)
{
    struct stage *s = *state;
    char away[PATH_MAX + 8], part[PATH_MAX + 16];

    stage_watch(s);
    stage_look(s);
    snprintf(away, sizeof away, "%s.away", s->path);
    assert_int_equal(rename(s->path, away), 0);
    stage_look(s);
    assert_non_null(strstr(s->why, "Z: there is no such directory"));
    char first[sizeof s->why];
    memcpy(first, s->why, sizeof first);
    stage_look(s);
    assert_string_equal(s->why, first); /* since then */
    /* Another one stands in its place. */
    assert_int_equal(mkdir(s->path, 0755), 0);
    stage_look(s);
    assert_non_null(strstr(s->why, "Z: it is no Maildir: it has no directory new"));
    stage_mkdir(s, "");
    for (int i = 0; i < 3; i++)
        stage_look(s);
    assert_string_equal(s->why, "");
    int looks = s->looks;
    stage_deliver(s, "new/1.a", stage_letter(1));
    stage_wait_seen(s, 1);
    assert_int_equal(s->looks, looks); /* it is watched */
    assert_int_equal(rmdir(stage_path(s, "cur")), 0);
    stage_look(s);
    assert_non_null(strstr(s->why, "it has no directory cur"));
    static const char *const left[] = {"/tmp", "/new", "/cur", ""};
    for (size_t i = 0; i < 4; i++) {
        snprintf(part, sizeof part, "%s%s", away, left[i]);
        assert_int_equal(rmdir(part), 0);
    }
}

static void test_a_file_is_no_maildir_and_a_closed_one_says_so(void **state)
{
    struct stage *s = *state;

    assert_int_equal(chmod(stage_path(s, "new"), 0), 0);
    become(65534);
    stage_watch(s);
    stage_look(s);
    assert_non_null(strstr(s->why, "Z: new: Permission denied"));
    become(0);
    stage_rename(s, "new", "old");
    stage_write(s, "new", "");
    stage_look(s);
    assert_non_null(strstr(s->why, "it has no directory new"));
}

static void test_a_file_system_that_hangs_is_told(void **state)
{
    struct stage *s = *state;

    stage_watch(s);
    stage_look(s);
    pthread_mutex_lock(&hanging);
    stage_look(s);
    assert_non_null(strstr(s->why, "Z: the file system does not answer"));
    pthread_mutex_unlock(&hanging);
    stage_look(s);
    assert_string_equal(s->why, "");
}

/* ---- the end ---- */

static void test_freed_at_any_moment(void **state)
{
    struct stage *s = *state;

    for (int i = 0; i < 32; i++) {
        stage_deliver(s, "new/1.a", stage_letter(1));
        stage_watch(s);
        s->free_when_seen = i % 2 == 0;
        if (s->free_when_seen)
            stage_wait_seen(s, s->seen_count + 1);
        else
            stage_run(s, (i % 8) * CLOCK_US_PER_MS / 4);
        if (s->store != NULL)
            s->store->ops->free(s->store);
        s->store = NULL;
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_message_is_seen_at_once),
        TEST(test_what_was_there_before_is_seen),
        TEST(test_crlf_stays_and_size_counts_all_of_it),
        TEST(test_a_report_is_seen_and_a_strangers_is_not),
        TEST(test_v08_moved_and_flagged_is_seen_once),
        TEST(test_subfolders_are_astray_also_new_ones),
        TEST(test_written_in_place_is_seen_when_it_is_closed),
        TEST(test_a_stranger_stays_as_he_was),
        TEST(test_v09_only_files_are_opened),
        TEST(test_v09_what_cannot_be_read_may_be_the_message),
        TEST(test_v09_a_hundred_thousand_files_hold_nothing),
        TEST(test_removed_when_it_may_be),
        TEST(test_what_took_its_name_is_not_removed),
        TEST(test_v12_what_cannot_be_removed_is_told_once_and_tried_again),
        TEST(test_v10_a_flood_is_seen_whole),
        TEST(test_v10_without_inotify_it_looks_often),
        TEST(test_gone_and_back),
        TEST(test_a_file_is_no_maildir_and_a_closed_one_says_so),
        TEST(test_a_file_system_that_hangs_is_told),
        TEST(test_freed_at_any_moment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
