/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks an HTTP service, over so many connections that stay open, so many times, and says how it answered: one
 * line of JSON. In the path %d is a number below --targets; no two connections ask for the same one at a
 * time. An answer counts as good when its status is 200 and the text of --has is in it.
 */
#include "tests/bench/common.h"
#include "tests/bench/http_client.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define USAGE  "load --port N --path PATH [--targets N] [--has TEXT] [--count N] [--concurrency N] [--first N]"
#define EVENTS 512
#define PATH   1024

struct connection {
    int fd;
    size_t next; /* whom it asks for next */
    int64_t begun;
    struct http_answer answer;
};

struct load {
    int poll;
    struct sockaddr_in address;
    const char *path, *has;
    size_t targets, first, concurrency, count, begun, ended, good, bytes;
    int64_t *times;
};

static void ask(struct load *l, struct connection *c)
{
    char path[PATH], request[PATH + 64];
    const char *number = strstr(l->path, "%d");

    if (number)
        snprintf(path, sizeof path, "%.*s%zu%s", (int)(number - l->path), l->path, c->next, number + 2);
    else
        snprintf(path, sizeof path, "%s", l->path);
    c->next += l->concurrency;
    if (c->next >= l->targets)
        c->next %= l->concurrency; /* those of this connection, when their number is a multiple of them */
    size_t length = http_request(path, request, sizeof request);
    c->begun = now_us();
    c->answer.have = 0;
    l->begun++;
    if (length == 0 || send(c->fd, request, length, MSG_NOSIGNAL) != (ssize_t)length)
        die("send");
}

static void open_connection(struct load *l, struct connection *c, size_t number)
{
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    c->next = (l->first + number) % l->targets;
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&l->address, sizeof l->address) != 0)
        die("connect");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(l->poll, EPOLL_CTL_ADD, c->fd, &event) != 0)
        die("epoll_ctl");
}

static void answered(struct load *l, struct connection *c, int status)
{
    bool good = status == 200 && (!l->has || http_answer_has(&c->answer, l->has));

    if (!good && l->good == l->ended)
        fprintf(stderr, "no good answer:\n%.*s\n", (int)c->answer.have, c->answer.data);
    l->good += good;
    l->bytes += c->answer.have;
    l->times[l->ended++] = now_us() - c->begun;
    if (l->begun < l->count)
        ask(l, c);
}

static void heed(struct load *l, struct connection *c)
{
    size_t room;
    int status;
    char *to = http_answer_room(&c->answer, &room);
    ssize_t got = recv(c->fd, to, room, MSG_DONTWAIT);

    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        fprintf(stderr, "the service has closed the connection: %s\n", got < 0 ? strerror(errno) : "end");
        exit(1);
    }
    c->answer.have += (size_t)got;
    if (http_answer_is_whole(&c->answer, &status))
        answered(l, c, status);
}

static void loop(struct load *l)
{
    struct epoll_event events[EVENTS];

    while (l->ended < l->count) {
        int count = epoll_wait(l->poll, events, EVENTS, -1);
        if (count < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < count; i++)
            heed(l, events[i].data.ptr);
    }
}

/* All connections are there before the first question. */
static void run(struct load *l)
{
    struct connection *connections = memory_new(l->concurrency, sizeof *connections);

    l->times = memory_new(l->count, sizeof *l->times);
    for (size_t i = 0; i < l->concurrency; i++)
        open_connection(l, &connections[i], i);
    int64_t begun = now_us(), cpu = cpu_us();
    for (size_t i = 0; i < l->concurrency && i < l->count; i++)
        ask(l, &connections[i]);
    loop(l);
    int64_t wall = now_us() - begun;
    cpu = cpu_us() - cpu;
    times_sort(l->times, l->count);
    printf("{\"count\":%zu,\"failed\":%zu,\"wall_us\":%lld,\"cpu_us\":%lld,\"p50_us\":%lld,\"p99_us\":%lld,"
           "\"bytes\":%zu}\n",
           l->count, l->count - l->good, (long long)wall, (long long)cpu,
           (long long)times_quantile(l->times, l->count, 0.5),
           (long long)times_quantile(l->times, l->count, 0.99), l->bytes / l->count);
    for (size_t i = 0; i < l->concurrency; i++) {
        close(connections[i].fd);
        free(connections[i].answer.data);
    }
    free(l->times);
    free(connections);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},    {"path", required_argument, NULL, 'u'},
        {"targets", required_argument, NULL, 't'}, {"has", required_argument, NULL, 'h'},
        {"count", required_argument, NULL, 'n'},   {"concurrency", required_argument, NULL, 'c'},
        {"first", required_argument, NULL, 'f'},   {NULL, 0, NULL, 0}};
    long port = 0;
    struct load l = {.targets = 1, .concurrency = 1, .count = 1};

    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) >= 0;) {
        if (option == 'p')
            port = number_read(optarg, 1, 65535);
        else if (option == 'u')
            l.path = optarg;
        else if (option == 't')
            l.targets = (size_t)number_read(optarg, 1, 1000000);
        else if (option == 'h')
            l.has = optarg;
        else if (option == 'n')
            l.count = (size_t)number_read(optarg, 1, 100000000);
        else if (option == 'f')
            l.first = (size_t)number_read(optarg, 0, 100000000);
        else if (option == 'c')
            l.concurrency = (size_t)number_read(optarg, 1, 100000);
        else
            die_usage(USAGE);
    }
    if (!port || !l.path || optind < argc)
        die_usage(USAGE);
    descriptors_all();
    l.address = address_of("127.0.0.1", port);
    if ((l.poll = epoll_create1(EPOLL_CLOEXEC)) < 0)
        die("epoll_create1");
    run(&l);
    close(l.poll);
    return l.good == l.count ? 0 : 1;
}
