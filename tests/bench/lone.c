/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One dialogue at a time, in turns: by itself, with bare blocking sockets, and by a question to the service.
 * So both meet the same moments of the machine. One line of JSON: what each took, and by how much the pairs
 * differ.
 */
#include "tests/bench/common.h"
#include "tests/bench/http_client.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define USAGE "lone --port N --path PATH --has TEXT --peer N [--count N]"
#define READ  1024

static const char *const said[] = {"EHLO bench.example.org\r\n", "MAIL FROM:<probe@example.org>\r\n",
                                   "RCPT TO:<www@example.org>\r\n", "RSET\r\n", "QUIT\r\n"};
#define SAID (sizeof said / sizeof *said)

static int connect_to(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof *address) != 0)
        die("connect");
    return fd;
}

static void say(int fd, const char *text, size_t length)
{
    if (send(fd, text, length, MSG_NOSIGNAL) != (ssize_t)length)
        die("send");
}

/* The peer of the bench sends each reply in one piece. */
static void expect_reply(int fd)
{
    char data[READ];
    ssize_t got = recv(fd, data, sizeof data, 0);

    if (got < 5 || data[0] != '2' || data[got - 1] != '\n') {
        fprintf(stderr, "no good reply\n");
        exit(1);
    }
}

static int64_t dialogue(const struct sockaddr_in *peer)
{
    int64_t begun = now_us();
    int fd = connect_to(peer);

    expect_reply(fd);
    for (size_t i = 0; i < SAID; i++) {
        say(fd, said[i], strlen(said[i]));
        expect_reply(fd);
    }
    int64_t took = now_us() - begun;
    close(fd);
    return took;
}

static int64_t question(int fd, const char *request, size_t length, const char *has, struct http_answer *a)
{
    int64_t begun = now_us();
    int status;

    a->have = 0;
    say(fd, request, length);
    do {
        size_t room;
        char *to = http_answer_room(a, &room);
        ssize_t got = recv(fd, to, room, 0);
        if (got <= 0)
            die("recv");
        a->have += (size_t)got;
    } while (!http_answer_is_whole(a, &status));
    int64_t took = now_us() - begun;
    if (status != 200 || !http_answer_has(a, has)) {
        fprintf(stderr, "no good answer:\n%.*s\n", (int)a->have, a->data);
        exit(1);
    }
    return took;
}

static void show(const char *name, int64_t *times, size_t count, const char *end)
{
    times_sort(times, count);
    printf("\"%s\":{\"p50_us\":%lld,\"p99_us\":%lld}%s", name, (long long)times_quantile(times, count, 0.5),
           (long long)times_quantile(times, count, 0.99), end);
}

static void run(const struct sockaddr_in *service, const struct sockaddr_in *peer, const char *path,
                const char *has, size_t count)
{
    int64_t *floor = memory_new(count, sizeof *floor), *check = memory_new(count, sizeof *check);
    int64_t *more = memory_new(count, sizeof *more);
    struct http_answer answer = {0};
    char request[1024];
    size_t length = http_request(path, request, sizeof request);
    int fd = connect_to(service);

    for (size_t i = 0; i < count; i++) {
        floor[i] = dialogue(peer);
        check[i] = question(fd, request, length, has, &answer);
        more[i] = check[i] - floor[i];
    }
    printf("{\"count\":%zu,", count);
    show("floor", floor, count, ",");
    show("check", check, count, ",");
    show("more", more, count, "}\n");
    close(fd);
    free(answer.data);
    free(floor);
    free(check);
    free(more);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},  {"path", required_argument, NULL, 'u'},
        {"has", required_argument, NULL, 'h'},   {"peer", required_argument, NULL, 's'},
        {"count", required_argument, NULL, 'n'}, {NULL, 0, NULL, 0}};
    const char *path = NULL, *has = NULL;
    long port = 0, peer = 0, count = 1;

    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) >= 0;) {
        if (option == 'p')
            port = number_read(optarg, 1, 65535);
        else if (option == 'u')
            path = optarg;
        else if (option == 'h')
            has = optarg;
        else if (option == 's')
            peer = number_read(optarg, 1, 65535);
        else if (option == 'n')
            count = number_read(optarg, 1, 10000000);
        else
            die_usage(USAGE);
    }
    if (!port || !path || !has || !peer || optind < argc)
        die_usage(USAGE);
    struct sockaddr_in service_address = address_of("127.0.0.1", port),
                       peer_address = address_of("127.0.0.1", peer);
    run(&service_address, &peer_address, path, has, (size_t)count);
    return 0;
}
