/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Socket activation by hand: two variables of the environment and the descriptors from 3 on. libsystemd would
 * bring a library for thirty lines. The variables are removed, so that no child believes they are its own.
 */
#include "server/inherit.h"

#include "config/value.h"
#include "probe/base/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_FD 3
#define MAX_FDS  64

/* How many were meant for this process. */
static int64_t count_given(void)
{
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
    int64_t whose = 0, count = 0;

    if (pid == NULL || fds == NULL || value_integer(pid, 1, INT32_MAX, &whose) != 0 || whose != getpid() ||
        value_integer(fds, 1, INT32_MAX, &count) != 0)
        count = 0;
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return count;
}

static bool option_is(int fd, int option, int wanted)
{
    int value;
    socklen_t len = sizeof value;

    return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 && value == wanted;
}

/* Null, or why nobody can be listened to there. A Unix socket without a path has an empty one here. */
static const char *look(int fd, struct snapshot_listen *place_r)
{
    struct snapshot_listen place = {.inherited = fd};
    socklen_t len = sizeof place.address;

    if (!option_is(fd, SO_TYPE, SOCK_STREAM))
        return "is no stream socket";
    if (!option_is(fd, SO_ACCEPTCONN, 1))
        return "does not listen (Accept=yes is not for ehlod)";
    if (getsockname(fd, &place.address.any, &len) != 0)
        return "has no address";
    if (address_family(&place.address) == AF_UNIX) {
        char path[ADDRESS_TEXT_SIZE];
        address_text(&place.address, path);
        place.path = mem_dup(path);
        place.address = (struct address){0};
    } else if (address_family(&place.address) != AF_INET && address_family(&place.address) != AF_INET6) {
        return "is neither an IP socket nor a Unix socket";
    }
    *place_r = place;
    return NULL;
}

static void prepare(int fd)
{
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

int inherit_take(struct inherit *inherit_r, char error_r[INHERIT_ERROR_SIZE])
{
    int64_t count = count_given();
    struct inherit taken = {.places = mem_alloc((MAX_FDS + 1) * sizeof *taken.places)};

    if (count > MAX_FDS) {
        snprintf(error_r, INHERIT_ERROR_SIZE, "%lld sockets were handed over, and %d is the most",
                 (long long)count, MAX_FDS);
        inherit_clear(&taken);
        return -1;
    }
    for (; taken.count < (size_t)count; taken.count++) {
        int fd = FIRST_FD + (int)taken.count;
        prepare(fd);
        const char *why = look(fd, &taken.places[taken.count]);
        if (why == NULL)
            continue;
        snprintf(error_r, INHERIT_ERROR_SIZE, "descriptor %d was handed over, but %s", fd, why);
        inherit_clear(&taken);
        return -1;
    }
    *inherit_r = taken;
    return 0;
}

void inherit_clear(struct inherit *inherit)
{
    for (size_t i = 0; i < inherit->count; i++) {
        close(inherit->places[i].inherited);
        free((char *)inherit->places[i].path);
    }
    free(inherit->places);
    *inherit = (struct inherit){0};
}

struct snapshot_listen *inherit_places(const struct inherit *inherit, const struct snapshot *snapshot,
                                       size_t *count_r)
{
    struct snapshot_listen *list = mem_alloc((snapshot->listen_count + inherit->count + 1) * sizeof *list);
    size_t count = 0;

    for (size_t i = 0; i < snapshot->listen_count; i++) {
        if (snapshot->listen[i].inherited == 0) {
            list[count++] = snapshot->listen[i];
            continue;
        }
        if (inherit->count == 0) {
            free(list);
            return NULL;
        }
        memcpy(&list[count], inherit->places, inherit->count * sizeof *list);
        count += inherit->count;
    }
    *count_r = count;
    return list;
}
