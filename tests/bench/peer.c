/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mail server for benchmarks: one process, one epoll, so quick that it is not what is measured. It counts
 * the dialogues that were spoken with it. SIGUSR1 has it print and forget them: two lines of JSON, the
 * dialogues, and how it stands. A dialogue counts when its connection is closed.
 */
#include "tests/bench/common.h"
#include "tests/bench/peer_dialogue.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define USAGE                                                                                                \
    "peer --port N [--address IP] [--cert FILE --key FILE] [--mute banner|tls|VERB]... [--reply VERB=TEXT]..."
#define EVENTS 512
#define READ   4096

struct connection {
    int fd;
    SSL *ssl; /* null in the clear */
    bool handshaking;
    struct peer_dialogue dialogue;
};

struct peer {
    int poll, listener, signals;
    SSL_CTX *tls; /* null: there is no STARTTLS */
    struct peer_script script;
    struct peer_spoken spoken;
    uint64_t accepted, open, handshakes, broken;
};

static void connection_free(struct peer *p, struct connection *c)
{
    peer_spoken_add(&p->spoken, c->dialogue.said);
    if (c->ssl)
        SSL_free(c->ssl);
    close(c->fd);
    free(c);
    p->open--;
}

/* Replies are short, and the other side waits for them: what the kernel does not take at once is a fault. */
static int say(struct peer *p, struct connection *c, const char *text)
{
    size_t length = strlen(text);
    bool whole = c->ssl ? SSL_write(c->ssl, text, (int)length) == (int)length
                        : send(c->fd, text, length, MSG_NOSIGNAL) == (ssize_t)length;

    if (!whole)
        p->broken++;
    return whole ? 0 : -1;
}

static void accept_all(struct peer *p)
{
    int fd;

    while ((fd = accept4(p->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *c = memory_new(1, sizeof *c);
        c->fd = fd;
        p->accepted++;
        p->open++;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        if (epoll_ctl(p->poll, EPOLL_CTL_ADD, fd, &event) != 0)
            die("epoll_ctl");
        if (!p->script.mute[VERB_NONE] && say(p, c, p->script.reply[VERB_NONE]) != 0)
            connection_free(p, c);
    }
    if (errno != EAGAIN && errno != ECONNABORTED)
        die("accept4");
}

static int tls_begin(struct peer *p, struct connection *c)
{
    if (!(c->ssl = SSL_new(p->tls)) || SSL_set_fd(c->ssl, c->fd) != 1)
        return -1;
    SSL_set_accept_state(c->ssl);
    c->handshaking = true;
    return 0;
}

/* 1: is up, 0: not yet, -1: failed. */
static int tls_go_on(struct peer *p, struct connection *c)
{
    ERR_clear_error();
    int result = SSL_do_handshake(c->ssl);
    if (result == 1) {
        c->handshaking = false;
        c->dialogue.in_tls = true;
        p->handshakes++;
        return 1;
    }
    return SSL_get_error(c->ssl, result) == SSL_ERROR_WANT_READ ? 0 : -1;
}

/* More than 0 bytes, 0: nothing now, -1: it is over. */
static ssize_t read_some(struct connection *c, char *data)
{
    if (c->ssl) {
        ERR_clear_error();
        int got = SSL_read(c->ssl, data, READ);
        return got > 0 ? got : SSL_get_error(c->ssl, got) == SSL_ERROR_WANT_READ ? 0 : -1;
    }
    ssize_t got = recv(c->fd, data, READ, 0);
    return got > 0 ? got : got < 0 && errno == EAGAIN ? 0 : -1;
}

/* 0, or -1: the connection is to be closed. */
static int answer(struct peer *p, struct connection *c, const char *data, size_t size)
{
    for (size_t at = 0, used; at < size; at += used) {
        const char *reply;
        enum verb verb = peer_dialogue_take(&c->dialogue, &p->script, data + at, size - at, &used, &reply);
        if (reply && say(p, c, reply) != 0)
            return -1;
        if (verb == VERB_QUIT && reply) {
            if (c->ssl)
                SSL_shutdown(c->ssl);
            return -1;
        }
        if (verb == VERB_STARTTLS && reply && reply[0] == '2')
            return tls_begin(p, c);
    }
    return 0;
}

static void serve(struct peer *p, struct connection *c)
{
    char data[READ];
    ssize_t got = 0;

    if (c->handshaking) {
        int up = tls_go_on(p, c);
        if (up < 0) {
            p->broken++;
            connection_free(p, c);
        }
        if (up <= 0)
            return;
    }
    do {
        got = read_some(c, data);
        if (got < 0 || (got > 0 && answer(p, c, data, (size_t)got) != 0)) {
            connection_free(p, c);
            return;
        }
    } while (got > 0 && c->ssl && !c->handshaking); /* what is left inside TLS makes no event */
}

/* Whether it is to go on. */
static bool heed_signal(struct peer *p)
{
    struct signalfd_siginfo signal;

    if (read(p->signals, &signal, sizeof signal) != sizeof signal)
        die("signalfd");
    if (signal.ssi_signo != SIGUSR1)
        return false;
    peer_spoken_print(&p->spoken);
    printf("{\"accepted\":%" PRIu64 ",\"open\":%" PRIu64 ",\"handshakes\":%" PRIu64 ",\"broken\":%" PRIu64
           "}\n",
           p->accepted, p->open, p->handshakes, p->broken);
    fflush(stdout);
    p->spoken = (struct peer_spoken){0};
    p->accepted = p->handshakes = p->broken = 0;
    return true;
}

static void listen_at(struct peer *p, const char *ip, long port)
{
    struct sockaddr_in address = address_of(ip, port);
    int yes = 1;

    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (p->listener < 0 || setsockopt(p->listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        setsockopt(p->listener, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes) != 0 ||
        bind(p->listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(p->listener, 65535) != 0)
        die("listen");
}

static void watch(struct peer *p, int fd, void *mark)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = mark};

    if (epoll_ctl(p->poll, EPOLL_CTL_ADD, fd, &event) != 0)
        die("epoll_ctl");
}

static void open_all(struct peer *p, const char *ip, long port)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    descriptors_all();
    listen_at(p, ip, port);
    p->poll = epoll_create1(EPOLL_CLOEXEC);
    p->signals = signalfd(-1, &signals, SFD_CLOEXEC);
    if (p->poll < 0 || p->signals < 0)
        die("epoll");
    watch(p, p->listener, &p->listener);
    watch(p, p->signals, &p->signals);
}

static SSL_CTX *tls_new(const char *certificate, const char *key)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());

    if (!tls || SSL_CTX_use_certificate_chain_file(tls, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1) {
        ERR_print_errors_fp(stderr);
        exit(1);
    }
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
    return tls;
}

static void loop(struct peer *p)
{
    struct epoll_event events[EVENTS];

    for (bool on = true; on;) {
        int count = epoll_wait(p->poll, events, EVENTS, -1);
        bool newcomers = false;
        if (count < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == &p->listener)
                newcomers = true;
            else if (events[i].data.ptr == &p->signals)
                on = heed_signal(p);
            else
                serve(p, events[i].data.ptr);
        }
        if (newcomers)
            accept_all(p);
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"port", required_argument, NULL, 'p'},
                                            {"address", required_argument, NULL, 'a'},
                                            {"cert", required_argument, NULL, 'c'},
                                            {"key", required_argument, NULL, 'k'},
                                            {"mute", required_argument, NULL, 'm'},
                                            {"reply", required_argument, NULL, 'r'},
                                            {NULL, 0, NULL, 0}};
    const char *ip = "127.0.0.1", *certificate = NULL, *key = NULL, *mutes[VERBS], *replies[VERBS];
    size_t mute_count = 0, reply_count = 0;
    long port = 0;
    struct peer p = {0};

    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) >= 0;) {
        if (option == 'p')
            port = number_read(optarg, 1, 65535);
        else if (option == 'a')
            ip = optarg;
        else if (option == 'c')
            certificate = optarg;
        else if (option == 'k')
            key = optarg;
        else if (option == 'm' && mute_count < VERBS)
            mutes[mute_count++] = optarg;
        else if (option == 'r' && reply_count < VERBS)
            replies[reply_count++] = optarg;
        else
            die_usage(USAGE);
    }
    if (!port || optind < argc || !certificate != !key)
        die_usage(USAGE);
    if (certificate)
        p.tls = tls_new(certificate, key);
    peer_script_init(&p.script, certificate != NULL);
    for (size_t i = 0; i < mute_count; i++)
        if (peer_script_mute(&p.script, mutes[i]) != 0)
            die_usage(USAGE);
    for (size_t i = 0; i < reply_count; i++)
        if (peer_script_reply(&p.script, replies[i]) != 0)
            die_usage(USAGE);
    open_all(&p, ip, port);
    printf("{\"port\":%ld}\n", port);
    fflush(stdout);
    loop(&p);
    _exit(0); /* what is still open, the kernel closes */
}
