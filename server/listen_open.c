/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Binding. IPv6 sockets are for IPv6 alone, so that 0.0.0.0 and :: can stand side by side. A Unix socket that
 * a crash has left behind is told from a living one by connecting to it, and is the group's to use besides
 * its owner's. What the service manager has opened is its own: it is listened at, and never removed. Known
 * limit: two processes that find the same leftover at the same moment may both replace it, and the last one
 * has the path.
 */
#include "server/listen_open.h"

#include "probe/base/mem.h"
#include "server/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LISTEN_UNIX_MODE 0660

/* Closes and keeps the errno that says why; -1. */
static int give_up(int fd)
{
    int cause = errno;

    close(fd);
    errno = cause;
    return -1;
}

static int new_socket(int family)
{
    return socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* ---- addresses ---- */

static void share_port(int fd, int on)
{
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
}

/* From 127.0.0.1 to 0.0.0.0 and back: for the moment of binding the port is shared with the socket that is
 * about to be closed. A stranger's socket does not share. */
static int bind_beside(int fd, const struct address *address, const int *neighbours, size_t count)
{
    for (size_t i = 0; i < count; i++)
        share_port(neighbours[i], 1);
    share_port(fd, 1);
    int bound = bind(fd, &address->any, address_len(address));
    int cause = errno;
    if (bound == 0) {
        bound = listen(fd, LISTEN_BACKLOG);
        cause = errno;
    }
    share_port(fd, 0);
    for (size_t i = 0; i < count; i++)
        share_port(neighbours[i], 0);
    errno = cause;
    return bound;
}

static int open_address(const struct address *address, const int *neighbours, size_t count)
{
    int on = 1;
    int family = address_family(address);
    int fd = new_socket(family);

    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0))
        return give_up(fd);
    if (bind(fd, &address->any, address_len(address)) == 0)
        return listen(fd, LISTEN_BACKLOG) == 0 ? fd : give_up(fd);
    if (errno != EADDRINUSE || count == 0 || bind_beside(fd, address, neighbours, count) != 0)
        return give_up(fd);
    return fd;
}

/* ---- paths ---- */

static struct sockaddr_un unix_address(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    memcpy(address.sun_path, path, strlen(path)); /* ADDRESS_MAX_PATH: it fits, and a NUL follows */
    return address;
}

/* Removes the socket at the path if nobody listens at it. */
static void remove_stale(const char *path)
{
    struct sockaddr_un address = unix_address(path);
    struct stat file;

    if (lstat(path, &file) != 0 || !S_ISSOCK(file.st_mode))
        return;
    int fd = new_socket(AF_UNIX);
    if (fd < 0)
        return;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0 && errno == ECONNREFUSED)
        (void)unlink(path);
    close(fd);
}

/* Nobody can connect before it listens, and by then the mode is right. */
static int open_path(const char *path, struct listen_open *open)
{
    struct sockaddr_un address = unix_address(path);
    struct stat file;
    int fd = new_socket(AF_UNIX);

    if (fd < 0)
        return -1;
    int bound = bind(fd, (struct sockaddr *)&address, sizeof address);
    if (bound != 0 && errno == EADDRINUSE) {
        remove_stale(path);
        bound = bind(fd, (struct sockaddr *)&address, sizeof address);
    }
    if (bound != 0)
        return give_up(fd);
    if (chmod(path, LISTEN_UNIX_MODE) != 0 || lstat(path, &file) != 0 || listen(fd, LISTEN_BACKLOG) != 0) {
        int cause = errno;
        (void)unlink(path);
        errno = cause;
        return give_up(fd);
    }
    open->device = file.st_dev;
    open->inode = file.st_ino;
    return fd;
}

static bool is_our_file(const struct listen_open *open)
{
    struct stat file;

    return lstat(open->place.path, &file) == 0 && file.st_dev == open->device && file.st_ino == open->inode;
}

/* ---- both ---- */

int listen_open_at(const struct snapshot_listen *place, const int *neighbours, size_t count,
                   struct listen_open *open_r)
{
    struct listen_open open = {.place = *place};

    if (place->inherited != 0)
        open.fd = fcntl(place->inherited, F_DUPFD_CLOEXEC, 0);
    else
        open.fd = place->path != NULL ? open_path(place->path, &open)
                                      : open_address(&place->address, neighbours, count);
    if (open.fd < 0)
        return -1;
    open.place.path = mem_dup(place->path);
    *open_r = open;
    return 0;
}

bool listen_open_is_at(const struct listen_open *open, const struct snapshot_listen *place)
{
    return listen_is_same(&open->place, place) &&
           (place->inherited != 0 || place->path == NULL || is_our_file(open));
}

void listen_open_close(struct listen_open *open)
{
    if (open->place.inherited == 0 && open->place.path != NULL && is_our_file(open))
        (void)unlink(open->place.path);
    free((char *)open->place.path);
    close(open->fd);
}
