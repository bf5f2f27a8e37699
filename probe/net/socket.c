/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client socket on a loop, of TCP or of the Unix kind. Times of what is received are the kernel's software
 * receive stamps (SO_TIMESTAMPING), so that a busy prober does not slow what it measures. They are wall
 * clock: the stamp is moved to the monotonic one right after the bytes are read, and kept between the last
 * stamp and now. The kernel keeps the stamp of the last segment of what is read at once, and none for Unix
 * sockets: there the time of reading is taken. It also says how much is left (TCP_INQ), which saves asking.
 * It has no stamp for being connected, but has measured how long the answer to the first segment took (RFC
 * 6298). Who is dialled, and for how long, is the caller's business.
 */
#include "probe/net/socket.h"

#include "probe/base/clock.h"

#include <errno.h>
#include <linux/net_tstamp.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static uint32_t events_of(bool writing)
{
    return EPOLLIN | (writing ? (uint32_t)EPOLLOUT : 0);
}

/* What cannot be watched is not told of; the deadline says so. */
void socket_watch(struct socket *s, bool writing, sockets_ready *ready, void *context)
{
    (void)sockets_watch(s->all, s->fd, events_of(writing), ready, context);
}

/* To take it out takes a system call, and to put it in again one more; mostly somebody else watches next. */
void socket_unwatch(struct socket *s)
{
    sockets_unwatch(s->all, s->fd);
}

static int ask_for_stamps(int fd)
{
    int stamps = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;

    return setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &stamps, sizeof stamps);
}

static void set_options(int fd)
{
    int on = 1;

    /* None is needed to go on: without stamps the time of reading is taken. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_INQ, &on, sizeof on);
    (void)ask_for_stamps(fd);
}

int socket_keep_stamps(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && ask_for_stamps(fd)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* The port is chosen when it is known whom we dial, so that many connections can share a source. */
static int bind_source(int fd, const struct address *source)
{
    int on = 1;

    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    return bind(fd, &source->any, address_len(source));
}

/* An interrupted attempt may go on by itself; asking again tells. */
static int begin_connect(int fd, const struct address *to)
{
    int failed;

    do
        failed = connect(fd, &to->any, address_len(to));
    while (failed && errno == EINTR);
    return failed && errno != EINPROGRESS && errno != EALREADY && errno != EISCONN ? -1 : 0;
}

int socket_open(struct socket *s, struct sockets *all, const struct address *to, const struct address *source,
                sockets_ready *ready, void *context, struct socket_error *error_r)
{
    struct socket new = {.fd = -1, .all = all, .stamp_us = clock_mono_us()};
    socklen_t len = sizeof new.local;
    const char *doing = "socket";
    int number;

    new.fd = socket(address_family(to), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (new.fd < 0)
        goto fail;
    set_options(new.fd);
    doing = "bind";
    if (address_family(source) != AF_UNSPEC && bind_source(new.fd, source))
        goto fail;
    doing = "connect";
    new.asked_us = clock_mono_us();
    if (begin_connect(new.fd, to))
        goto fail;
    if (getsockname(new.fd, &new.local.any, &len))
        goto fail;
    doing = "poll";
    if (sockets_watch(all, new.fd, events_of(true), ready, context))
        goto fail;
    *s = new;
    return 0;
fail:
    number = errno;
    if (new.fd >= 0)
        close(new.fd);
    *error_r =
        (struct socket_error){.number = number, .doing = doing, .is_path = address_family(to) == AF_UNIX};
    return -1;
}

int socket_adopt(struct socket *s, struct sockets *all, int fd)
{
    struct socket new = {.fd = fd, .all = all, .stamp_us = clock_mono_us()};
    socklen_t len = sizeof new.local;

    set_options(fd);
    if (getsockname(fd, &new.local.any, &len) || sockets_prepare(all)) {
        close(fd);
        return -1;
    }
    *s = new;
    return 0;
}

/* When it was connected: when the kernel saw the answer. Where it had to ask more than once it does not know
 * which time was answered; there, and without TCP, it is when we look. */
static int64_t connected_us(const struct socket *s)
{
    int64_t now_us = clock_mono_us(), at_us;
    struct tcp_info info = {0};
    socklen_t len = sizeof info;

    if (getsockopt(s->fd, IPPROTO_TCP, TCP_INFO, &info, &len) || !info.tcpi_rtt || info.tcpi_total_retrans)
        return now_us;
    at_us = s->asked_us + info.tcpi_rtt;
    return at_us < now_us ? at_us : now_us;
}

int socket_connected(struct socket *s, struct socket_error *error_r)
{
    struct address peer;
    socklen_t len = sizeof peer;
    int number = 0;
    socklen_t number_len = sizeof number;

    if (!getpeername(s->fd, &peer.any, &len)) {
        s->stamp_us = connected_us(s);
        return 1;
    }
    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &number, &number_len))
        number = errno;
    if (number == ECONNRESET || number == EPIPE) {
        /* Only a connection that was there can be reset; a refused one says so. */
        s->error = number;
        s->stamp_us = clock_mono_us();
        return 1;
    }
    if (!number)
        return 0;
    *error_r = (struct socket_error){.number = number, .doing = "connect"};
    return -1;
}

void socket_close(struct socket *s)
{
    if (s->fd < 0)
        return;
    sockets_forget(s->all, s->fd);
    close(s->fd);
    *s = (struct socket){.fd = -1};
}

void socket_reset(struct socket *s)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};

    if (s->fd >= 0)
        (void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    socket_close(s);
}

/* The time at which what was just read came in, by the stamp that is in its control data. */
static int64_t time_of(const struct socket *s, const struct cmsghdr *stamped)
{
    int64_t stamp_us = CLOCK_NONE;
    struct timespec stamps[3]; /* software, nothing, hardware */

    if (stamped) {
        memcpy(stamps, CMSG_DATA(stamped), sizeof stamps);
        if (stamps[0].tv_sec)
            stamp_us = clock_mono_of(stamps[0].tv_sec * CLOCK_US_PER_S + stamps[0].tv_nsec / 1000);
    }
    if (stamp_us == CLOCK_NONE)
        stamp_us = clock_mono_us();
    return stamp_us < s->stamp_us ? s->stamp_us : stamp_us;
}

/* What the kernel says of what was just read: when it came, and how much more was there. It counts the end of
 * the stream as an octet, so there was nothing, not even the end, where it says 0. */
static void note_control(struct socket *s, struct msghdr *message)
{
    const struct cmsghdr *stamped = NULL;
    int left = -1;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPING)
            stamped = c;
        if (c->cmsg_level == SOL_TCP && c->cmsg_type == TCP_CM_INQ)
            memcpy(&left, CMSG_DATA(c), sizeof left);
    }
    s->stamp_us = time_of(s, stamped);
    s->drained = left == 0;
}

int socket_read(struct socket *s, char *data, size_t size, size_t *len_r, int64_t *stamp_us_r,
                struct socket_error *error_r)
{
    union {
        char bytes[CMSG_SPACE(3 * sizeof(struct timespec)) + CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec part = {.iov_base = data, .iov_len = size};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t len;

    do
        len = recvmsg(s->fd, &message, 0);
    while (len < 0 && errno == EINTR);
    if (len > 0) {
        note_control(s, &message);
        *len_r = (size_t)len;
        *stamp_us_r = s->stamp_us;
        return 1;
    }
    if (len < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    *error_r = (struct socket_error){.number = len < 0 ? errno : s->error, .doing = "read"};
    return -1;
}

int socket_write(struct socket *s, struct span bytes, size_t *len_r)
{
    ssize_t len;

    do
        len = send(s->fd, bytes.data, bytes.len, MSG_NOSIGNAL);
    while (len < 0 && errno == EINTR);
    if (len >= 0) {
        *len_r = (size_t)len;
        return 1;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return 0;
    /* The system tells an error once: without this the next read would look like an orderly end. */
    s->error = errno;
    return -1;
}

bool socket_is_drained(const struct socket *s)
{
    return s->drained;
}

void socket_acknowledge(struct socket *s)
{
    int on = 1;

    /* Of no effect, and harmless, where there is nothing to be acknowledged. */
    (void)setsockopt(s->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

void socket_peer(const struct socket *s, const struct address *dialled, struct address *peer_r)
{
    struct address peer = {0};
    socklen_t len = sizeof peer;

    /* Of a Unix socket the system knows what the server called it, maybe by a relative path. */
    *peer_r = *dialled;
    if (address_is_wildcard(dialled) || address_family(dialled) == AF_UNSPEC)
        *peer_r = getpeername(s->fd, &peer.any, &len) ? *dialled : peer;
}

bool socket_is_local(const struct address *a)
{
    struct address any_port = *a;
    bool local;
    int fd = socket(address_family(a), SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return false;
    /* Only an address of our own can be bound to. */
    address_set_port(&any_port, 0);
    local = !bind(fd, &any_port.any, address_len(&any_port));
    close(fd);
    return local;
}

bool socket_is_same_path(const struct address *a, const struct address *b)
{
    struct stat one, other;

    if (address_family(a) != AF_UNIX || address_family(b) != AF_UNIX)
        return false;
    if (address_same_host(a, b))
        return true;
    return !stat(a->path.sun_path, &one) && !stat(b->path.sun_path, &other) && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
}

bool socket_is_full(const struct socket_error *error)
{
    return error->is_path && error->number == EAGAIN;
}

/* Of a Unix socket: that nobody serves there is as if a port were closed; what the file system forbids is
 * between ehlod and its own machine. */
static enum reason path_reason(int number)
{
    switch (number) {
    case ECONNREFUSED:
    case ENOENT:
    case ENOTDIR:
    case EPROTOTYPE: /* a socket, but none for streams */
        return REASON_REFUSED;
    default:
        return REASON_LOCAL_RESOURCE;
    }
}

enum reason socket_reason(const struct socket_error *error)
{
    if (error->is_path && strcmp(error->doing, "connect") == 0)
        return path_reason(error->number);
    switch (error->number) {
    case ECONNREFUSED:
        return REASON_REFUSED;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
    case EACCES: /* ICMPv6 "administratively prohibited" */
    case ENOPROTOOPT:
    case EPROTO:
    case EAFNOSUPPORT: /* this system has no IPv6 at all */
        return REASON_UNREACHABLE;
    case ETIMEDOUT:
        return REASON_TIMEOUT;
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
        return REASON_RESET;
    case EINVAL: /* a link-local address without its scope leads nowhere; a source like that is our own fault
                  */
        return strcmp(error->doing, "connect") ? REASON_LOCAL_RESOURCE : REASON_UNREACHABLE;
    default: /* EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL, EADDRINUSE, EPERM and what nobody foresaw */
        return REASON_LOCAL_RESOURCE;
    }
}

void socket_error_text(int number, char out_r[SOCKET_ERROR_SIZE])
{
    const char *name = strerrorname_np(number);
    const char *text = strerrordesc_np(number);

    snprintf(out_r, SOCKET_ERROR_SIZE, "%s (%s)", name ? name : "error", text ? text : "unknown");
}
