/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The least that a client can spend on a dialogue: EHLO, MAIL, RCPT, RSET, QUIT, with bare sockets and epoll.
 * Of a reply it looks at its first digit and whether its last line is there. With --starttls the dialogue
 * goes on inside TLS, as a bare use of OpenSSL has it: one context, and the certificate is verified, its name
 * too.
 */
#include "tests/bench/common.h"

#include <errno.h>
#include <getopt.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define USAGE  "floor --port N [--address IP] [--count N] [--concurrency N] [--starttls CA-FILE NAME]"
#define EVENTS 512
#define READ   1024

/* What is said to each reply, the greeting's first; null: nothing, the dialogue is over. */
static const char *const plain[] = {"EHLO bench.example.org\r\n",
                                    "MAIL FROM:<probe@example.org>\r\n",
                                    "RCPT TO:<www@example.org>\r\n",
                                    "RSET\r\n",
                                    "QUIT\r\n",
                                    NULL};
static const char starttls[] = "STARTTLS\r\n";
static const char *const with_tls[] = {"EHLO bench.example.org\r\n",
                                       starttls,
                                       NULL /* the handshake */,
                                       "EHLO bench.example.org\r\n",
                                       "MAIL FROM:<probe@example.org>\r\n",
                                       "RCPT TO:<www@example.org>\r\n",
                                       "RSET\r\n",
                                       "QUIT\r\n",
                                       NULL};

struct connection {
    int fd;
    SSL *ssl; /* null in the clear */
    bool handshaking;
    const char *const *next;
    size_t have;
    int64_t begun;
    char data[READ];
};

struct floor {
    int poll;
    struct sockaddr_in address;
    SSL_CTX *tls; /* null: stay in the clear */
    const char *name;
    size_t count, begun, ended, failed;
    int64_t *times;
};

static void dialogue_begin(struct floor *f, struct connection *c)
{
    *c = (struct connection){.next = f->tls ? with_tls : plain, .begun = now_us()};
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        die("socket");
    if (connect(c->fd, (struct sockaddr *)&f->address, sizeof f->address) != 0 && errno != EINPROGRESS)
        die("connect");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(f->poll, EPOLL_CTL_ADD, c->fd, &event) != 0)
        die("epoll_ctl");
    f->begun++;
}

static void dialogue_end(struct floor *f, struct connection *c, bool good)
{
    if (c->ssl) {
        SSL_shutdown(c->ssl);
        SSL_free(c->ssl);
    }
    close(c->fd);
    f->times[f->ended++] = now_us() - c->begun;
    if (!good)
        f->failed++;
    if (f->begun < f->count)
        dialogue_begin(f, c);
}

static bool say(struct connection *c, const char *text)
{
    size_t length = strlen(text);

    return c->ssl ? SSL_write(c->ssl, text, (int)length) == (int)length
                  : send(c->fd, text, length, MSG_NOSIGNAL) == (ssize_t)length;
}

static bool tls_begin(struct floor *f, struct connection *c)
{
    c->handshaking = true;
    if (!(c->ssl = SSL_new(f->tls)) || SSL_set_fd(c->ssl, c->fd) != 1 ||
        SSL_set1_host(c->ssl, f->name) != 1 || SSL_set_tlsext_host_name(c->ssl, f->name) != 1)
        return false;
    SSL_set_connect_state(c->ssl);
    return true;
}

static bool tls_go_on(struct connection *c)
{
    int result = SSL_do_handshake(c->ssl);

    if (result != 1)
        return SSL_get_error(c->ssl, result) == SSL_ERROR_WANT_READ;
    c->handshaking = false;
    c->next++;
    return say(c, *c->next++);
}

/* More than 0 bytes, 0: nothing now, -1: it is over. */
static ssize_t read_some(struct connection *c)
{
    if (c->ssl) {
        int got = SSL_read(c->ssl, c->data + c->have, (int)(READ - c->have));
        return got > 0 ? got : SSL_get_error(c->ssl, got) == SSL_ERROR_WANT_READ ? 0 : -1;
    }
    ssize_t got = recv(c->fd, c->data + c->have, READ - c->have, 0);
    return got > 0 ? got : got < 0 && errno == EAGAIN ? 0 : -1;
}

static bool reply_is_whole(const struct connection *c)
{
    if (c->have < 5 || c->data[c->have - 1] != '\n')
        return false;
    const char *before = memrchr(c->data, '\n', c->have - 1);
    const char *last = before ? before + 1 : c->data;
    return last[3] != '-';
}

/* Whether the dialogue goes on; *over_r: it came to its end as it should. */
static bool heed(struct floor *f, struct connection *c, bool *over_r)
{
    ssize_t got = read_some(c);

    if (got < 0)
        return false;
    c->have += (size_t)got;
    if (!reply_is_whole(c))
        return c->have < READ;
    if (c->data[0] != '2')
        return false;
    c->have = 0;
    bool before_tls = f->tls && !c->ssl && c->next > with_tls && c->next[-1] == starttls;
    if (before_tls)
        return tls_begin(f, c) && tls_go_on(c);
    *over_r = !*c->next;
    return *c->next && say(c, *c->next++);
}

static void loop(struct floor *f)
{
    struct epoll_event events[EVENTS];

    while (f->ended < f->count) {
        int count = epoll_wait(f->poll, events, EVENTS, -1);
        if (count < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < count; i++) {
            struct connection *c = events[i].data.ptr;
            bool over = false;
            if (!(c->handshaking ? tls_go_on(c) : heed(f, c, &over)))
                dialogue_end(f, c, over);
        }
    }
}

static SSL_CTX *tls_new(const char *ca)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());

    if (!tls || SSL_CTX_load_verify_locations(tls, ca, NULL) != 1) {
        ERR_print_errors_fp(stderr);
        exit(1);
    }
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    return tls;
}

static void run(struct floor *f, size_t concurrency)
{
    struct connection *connections = memory_new(concurrency, sizeof *connections);

    f->times = memory_new(f->count, sizeof *f->times);
    int64_t begun = now_us(), cpu = cpu_us();
    for (size_t i = 0; i < concurrency && i < f->count; i++)
        dialogue_begin(f, &connections[i]);
    loop(f);
    int64_t wall = now_us() - begun;
    cpu = cpu_us() - cpu;
    times_sort(f->times, f->count);
    printf(
        "{\"count\":%zu,\"failed\":%zu,\"wall_us\":%lld,\"cpu_us\":%lld,\"p50_us\":%lld,\"p99_us\":%lld}\n",
        f->count, f->failed, (long long)wall, (long long)cpu,
        (long long)times_quantile(f->times, f->count, 0.5),
        (long long)times_quantile(f->times, f->count, 0.99));
    free(f->times);
    free(connections);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},     {"address", required_argument, NULL, 'a'},
        {"count", required_argument, NULL, 'n'},    {"concurrency", required_argument, NULL, 'c'},
        {"starttls", required_argument, NULL, 's'}, {NULL, 0, NULL, 0}};
    const char *ip = "127.0.0.1";
    long port = 0, concurrency = 1;
    struct floor f = {.count = 1};

    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) >= 0;) {
        if (option == 'p')
            port = number_read(optarg, 1, 65535);
        else if (option == 'a')
            ip = optarg;
        else if (option == 'n')
            f.count = (size_t)number_read(optarg, 1, 100000000);
        else if (option == 'c')
            concurrency = number_read(optarg, 1, 100000);
        else if (option == 's' && optind < argc) {
            f.tls = tls_new(optarg);
            f.name = argv[optind++];
        } else
            die_usage(USAGE);
    }
    if (!port || optind < argc)
        die_usage(USAGE);
    descriptors_all();
    f.address = address_of(ip, port);
    if ((f.poll = epoll_create1(EPOLL_CLOEXEC)) < 0)
        die("epoll_create1");
    run(&f, (size_t)concurrency);
    close(f.poll);
    SSL_CTX_free(f.tls);
    return f.failed ? 1 : 0;
}
