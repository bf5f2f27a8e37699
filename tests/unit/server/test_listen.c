/* SPDX-License-Identifier: Apache-2.0 */
#include "server/listen.h"

#include "tests/unit/probe/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static uv_loop_t loop;
static struct log quiet;
static char folder[] = "/tmp/ehlod-test-XXXXXX";
static char error[LISTEN_ERROR_SIZE];

static unsigned taken;
static unsigned wanted;
static bool reached; /* as many as wanted */
static struct address last_peer;
static struct listen *to_hold; /* when one was taken */

static void take(void *context, int fd, const struct address *peer)
{
    (void)context;
    assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    close(fd);
    last_peer = *peer;
    reached = ++taken >= wanted;
    if (to_hold != NULL)
        listen_hold(to_hold);
}

static struct listen *start(const struct snapshot_listen *places, size_t count)
{
    return listen_new(&(struct listen_order){.loop = &loop,
                                             .log = &quiet,
                                             .places = places,
                                             .count = count,
                                             .key = "server.listen",
                                             .take = take},
                      error);
}

/* A port of that host that is free. */
static struct snapshot_listen place_at(const char *host)
{
    struct snapshot_listen place = {0};

    close(stage_listen(host, 1, &place.address));
    return place;
}

static char paths[4][64];

static struct snapshot_listen place_in_folder(size_t number)
{
    snprintf(paths[number], sizeof paths[number], "%s/%zu.sock", folder, number);
    return (struct snapshot_listen){.path = paths[number]};
}

/* A client; -1 with errno. */
static int try_to(const struct snapshot_listen *place)
{
    int fd = socket(place->path != NULL ? AF_UNIX : address_family(&place->address),
                    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    int done;

    if (place->path != NULL) {
        memcpy(path.sun_path, place->path, strlen(place->path));
        done = connect(fd, (struct sockaddr *)&path, sizeof path);
    } else {
        done = connect(fd, &place->address.any, address_len(&place->address));
    }
    if (done == 0 || errno == EINPROGRESS)
        return fd;
    close(fd);
    return -1;
}

static bool is_taken(const struct snapshot_listen *place)
{
    int fd;

    taken = 0;
    wanted = 1;
    reached = false;
    fd = try_to(place);
    if (fd < 0)
        return false;
    bool good = stage_run_until(&loop, &reached);
    close(fd);
    return good;
}

static bool is_refused(const struct snapshot_listen *place)
{
    struct address at = place->address;
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    int fd = socket(place->path != NULL ? AF_UNIX : address_family(&at), SOCK_STREAM | SOCK_CLOEXEC, 0);
    int done;

    if (place->path != NULL) {
        memcpy(path.sun_path, place->path, strlen(place->path));
        done = connect(fd, (struct sockaddr *)&path, sizeof path);
    } else {
        done = connect(fd, &at.any, address_len(&at));
    }
    int cause = errno;
    close(fd);
    return done != 0 && (cause == ECONNREFUSED || cause == ENOENT);
}

static int set_up(void **state)
{
    (void)state;
    taken = 0;
    to_hold = NULL;
    error[0] = '\0';
    log_init(&quiet, open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    return uv_loop_init(&loop);
}

static int tear_down(void **state)
{
    (void)state;
    close(quiet.fd);
    return stage_close(&loop);
}

/* ---- places ---- */

static void every_kind_of_place(void **state)
{
    const struct snapshot_listen places[] = {place_at("127.0.0.1"), place_at("::1"), place_in_folder(0)};
    size_t before = stage_descriptors();
    struct stat file;
    struct listen *listen = start(places, 3);

    (void)state;
    assert_non_null(listen);
    assert_true(is_taken(&places[0]));
    assert_int_equal(address_family(&last_peer), AF_INET);
    assert_true(is_taken(&places[1]));
    assert_int_equal(address_family(&last_peer), AF_INET6);
    assert_true(is_taken(&places[2]));
    assert_int_equal(address_family(&last_peer), AF_UNSPEC);
    assert_int_equal(stat(places[2].path, &file), 0);
    assert_int_equal(file.st_mode & 0777, 0660);
    listen_free(listen);
    stage_run_for(&loop, CLOCK_US_PER_MS);
    assert_int_equal(stage_descriptors(), before);
    assert_int_equal(lstat(places[2].path, &file), -1);
    assert_true(is_refused(&places[0]));
}

static void all_or_none(void **state)
{
    struct snapshot_listen places[] = {place_at("127.0.0.1"), place_in_folder(0), {.path = NULL}};
    int other = stage_listen("127.0.0.1", 1, &places[2].address);
    size_t before = stage_descriptors();
    char name[LISTEN_NAME_SIZE];

    (void)state;
    assert_null(start(places, 3));
    listen_name(&places[2], name);
    assert_non_null(strstr(error, name));
    assert_non_null(strstr(error, "(server.listen): Address already in use"));
    stage_run_for(&loop, CLOCK_US_PER_MS);
    assert_int_equal(stage_descriptors(), before);
    assert_true(is_refused(&places[0]) && is_refused(&places[1]));
    close(other);
}

static void a_stale_socket_is_replaced_and_a_living_one_is_not(void **state)
{
    const struct snapshot_listen place = place_in_folder(0);
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    int other = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct listen *l;

    (void)state;
    memcpy(path.sun_path, place.path, strlen(place.path));
    assert_int_equal(bind(other, (struct sockaddr *)&path, sizeof path), 0);
    assert_int_equal(listen(other, 1), 0);
    assert_null(start(&place, 1));
    assert_non_null(strstr(error, "in use"));
    close(other); /* its file stays */
    l = start(&place, 1);
    assert_non_null(l);
    assert_true(is_taken(&place));
    listen_free(l);
}

static void a_full_queue_is_a_living_one(void **state)
{
    const struct snapshot_listen place = place_in_folder(0);
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    int other = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int fds[4];

    (void)state;
    memcpy(path.sun_path, place.path, strlen(place.path));
    assert_int_equal(bind(other, (struct sockaddr *)&path, sizeof path), 0);
    assert_int_equal(listen(other, 0), 0);
    for (size_t i = 0; i < 4; i++)
        fds[i] = try_to(&place);
    assert_int_equal(fds[3], -1);
    assert_null(start(&place, 1));
    for (size_t i = 0; i < 4; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    close(other);
    unlink(place.path);
}

static void names(void **state)
{
    struct snapshot_listen v4 = {0}, v6 = {0}, path = {.path = "/run/ehlod.sock"};
    char name[LISTEN_NAME_SIZE];

    (void)state;
    address_parse("192.0.2.1", 8025, &v4.address);
    address_parse("2001:db8::1", 8025, &v6.address);
    listen_name(&v4, name);
    assert_string_equal(name, "192.0.2.1:8025");
    listen_name(&v6, name);
    assert_string_equal(name, "[2001:db8::1]:8025");
    listen_name(&path, name);
    assert_string_equal(name, "unix:/run/ehlod.sock");
    assert_true(listen_is_same(&v4, &v4) && listen_is_same(&path, &path));
    assert_false(listen_is_same(&v4, &v6) || listen_is_same(&v4, &path) || listen_is_same(&path, &v6));
    struct snapshot_listen other = v4;
    address_set_port(&other.address, 8026);
    assert_false(listen_is_same(&v4, &other));
}

/* ---- changes ---- */

static void places_change_in_two_steps(void **state)
{
    const struct snapshot_listen a = place_at("127.0.0.1"), b = place_in_folder(0), c = place_in_folder(1);
    const struct snapshot_listen first[] = {a, b}, second[] = {c, a};
    struct stat before, after;
    struct listen *listen = start(first, 2);

    (void)state;
    assert_non_null(listen);
    assert_int_equal(listen_prepare(listen, second, 2, error), 0);
    assert_true(is_taken(&a) && is_taken(&b)); /* still */
    listen_abandon(listen);
    assert_true(is_taken(&a) && is_taken(&b) && is_refused(&c));

    assert_int_equal(listen_prepare(listen, second, 2, error), 0);
    listen_commit(listen);
    assert_true(is_taken(&a) && is_taken(&c) && is_refused(&b));

    assert_int_equal(stat(c.path, &before), 0);
    assert_int_equal(listen_prepare(listen, second, 2, error), 0);
    listen_commit(listen);
    assert_int_equal(stat(c.path, &after), 0);
    assert_true(before.st_ino == after.st_ino); /* kept, not made anew */
    assert_true(is_taken(&a) && is_taken(&c));
    listen_free(listen);
}

static void what_cannot_be_had_changes_nothing(void **state)
{
    const struct snapshot_listen a = place_at("127.0.0.1"), b = place_in_folder(0);
    struct snapshot_listen more[] = {b, {.path = NULL}};
    struct listen *listen = start(&a, 1);
    int other = stage_listen("127.0.0.1", 1, &more[1].address);
    size_t before = stage_descriptors();

    (void)state;
    assert_int_equal(listen_prepare(listen, more, 2, error), -1);
    assert_non_null(strstr(error, "in use"));
    stage_run_for(&loop, CLOCK_US_PER_MS);
    assert_int_equal(stage_descriptors(), before);
    assert_true(is_taken(&a) && is_refused(&b));
    close(other);
    listen_free(listen);
}

static void a_path_that_was_taken_away_is_bound_anew(void **state)
{
    const struct snapshot_listen place = place_in_folder(0);
    struct listen *listen = start(&place, 1);

    (void)state;
    assert_int_equal(unlink(place.path), 0);
    assert_true(is_refused(&place));
    assert_int_equal(listen_prepare(listen, &place, 1, error), 0);
    listen_commit(listen);
    assert_true(is_taken(&place));
    listen_free(listen);
    assert_int_equal(access(place.path, F_OK), -1);
}

static void the_same_port_at_every_address_and_back(void **state)
{
    struct snapshot_listen near = place_at("127.0.0.1"), every = near, elsewhere = near;
    struct listen *listen = start(&near, 1);

    (void)state;
    address_parse("0.0.0.0", address_port(&near.address), &every.address);
    address_parse("127.0.0.2", address_port(&near.address), &elsewhere.address);
    for (int turn = 0; turn < 3; turn++) {
        assert_true(is_refused(&elsewhere));
        assert_int_equal(listen_prepare(listen, &every, 1, error), 0);
        listen_commit(listen);
        assert_true(is_taken(&elsewhere) && is_taken(&near));
        assert_null(start(&near, 1)); /* another does not share it */
        assert_int_equal(listen_prepare(listen, &near, 1, error), 0);
        listen_commit(listen);
        assert_true(is_taken(&near));
        assert_null(start(&every, 1));
    }
    listen_free(listen);
}

/* ---- connections ---- */

static void while_held_they_wait(void **state)
{
    const struct snapshot_listen place = place_at("127.0.0.1");
    struct listen *listen = start(&place, 1);
    int fds[5];

    (void)state;
    to_hold = listen;
    wanted = 1;
    reached = false;
    for (size_t i = 0; i < 5; i++)
        fds[i] = try_to(&place);
    for (unsigned i = 1; i <= 5; i++) {
        wanted = i;
        reached = taken >= wanted;
        assert_true(stage_run_until(&loop, &reached));
        stage_run_for(&loop, 5 * CLOCK_US_PER_MS);
        assert_int_equal(taken, i); /* one at a time: it is held again by each */
        listen_go(listen);
    }
    for (size_t i = 0; i < 5; i++)
        close(fds[i]);
    listen_free(listen);
}

static void who_is_in_the_queue_is_taken_before_it_is_closed(void **state)
{
    const struct snapshot_listen a = place_at("127.0.0.1"), b = place_in_folder(0);
    const struct snapshot_listen both[] = {a, b};
    struct listen *listen = start(both, 2);
    int fds[40];

    (void)state;
    for (size_t i = 0; i < 40; i++)
        fds[i] = try_to(i % 2 == 0 ? &a : &b);
    assert_int_equal(listen_prepare(listen, &a, 1, error), 0);
    listen_commit(listen);
    assert_int_equal(taken, 20);
    listen_hold(listen);
    listen_take_last(listen);
    assert_int_equal(taken, 40);
    listen_free(listen);
    for (size_t i = 0; i < 40; i++)
        close(fds[i]);
}

static void who_is_in_the_queue_of_another_stays_there(void **state)
{
    struct snapshot_listen place = {0}, at = {0};
    struct listen *listen;
    int fd;

    (void)state;
    place.inherited = stage_listen("127.0.0.1", 5, &place.address);
    at.address = place.address;
    fd = try_to(&at);
    taken = 0;
    listen = start(&place, 1);
    listen_free(listen);
    assert_int_equal(taken, 0);
    wanted = 1;
    reached = false;
    listen = start(&place, 1);
    assert_true(stage_run_until(&loop, &reached));
    listen_free(listen);
    close(fd);
    close(place.inherited);
}

/* R01: no descriptor is left. Nobody is lost, and the loop does not spin. */
static void without_a_descriptor_it_pauses(void **state)
{
    const struct snapshot_listen place = place_at("127.0.0.1");
    struct listen *listen = start(&place, 1);
    struct rlimit limit, none;
    int fd = try_to(&place), lowest;
    unsigned turns = 0;

    (void)state;
    taken = 0;
    wanted = 1;
    reached = false;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    lowest = dup(fd);
    close(lowest);
    none = limit;
    none.rlim_cur = (rlim_t)lowest;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    for (int64_t end_us = clock_mono_us() + 150 * CLOCK_US_PER_MS; clock_mono_us() < end_us; turns++)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(taken, 0);
    assert_true(turns < 20);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(stage_run_until(&loop, &reached));
    close(fd);
    listen_free(listen);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_kind_of_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_or_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stale_socket_is_replaced_and_a_living_one_is_not, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_full_queue_is_a_living_one, set_up, tear_down),
        cmocka_unit_test(names),
        cmocka_unit_test_setup_teardown(places_change_in_two_steps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_had_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_path_that_was_taken_away_is_bound_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_same_port_at_every_address_and_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(while_held_they_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_in_the_queue_is_taken_before_it_is_closed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_in_the_queue_of_another_stays_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_a_descriptor_it_pauses, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
