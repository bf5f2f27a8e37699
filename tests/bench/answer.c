/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bare libmicrohttpd that answers everything with the same body: the least that the library can spend on an
 * answer of that size. In the mode that it is quickest in: a thread of its own with epoll, the response made
 * beforehand.
 */
#include "tests/bench/common.h"

#include <getopt.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USAGE "answer --port N --bytes N"

static enum MHD_Result answer(void *data, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **state)
{
    static int seen;

    (void)url, (void)method, (void)version, (void)upload, (void)upload_size;
    if (*state != &seen) { /* who answers at the first call closes the connection */
        *state = &seen;
        return MHD_YES;
    }
    return MHD_queue_response(connection, MHD_HTTP_OK, data);
}

static struct MHD_Response *response_new(size_t bytes)
{
    char *body = memory_new(bytes + 1, 1);

    memset(body, 'x', bytes);
    struct MHD_Response *response = MHD_create_response_from_buffer(bytes, body, MHD_RESPMEM_MUST_FREE);
    if (!response || MHD_add_response_header(response, "Content-Type", "application/json") != MHD_YES)
        die("MHD_create_response_from_buffer");
    return response;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'}, {"bytes", required_argument, NULL, 'b'}, {NULL, 0, NULL, 0}};
    long port = 0, bytes = 0;
    sigset_t signals;
    int signal;

    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) >= 0;) {
        if (option == 'p')
            port = number_read(optarg, 1, 65535);
        else if (option == 'b')
            bytes = number_read(optarg, 0, 1 << 24);
        else
            die_usage(USAGE);
    }
    if (!port || optind < argc)
        die_usage(USAGE);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    struct MHD_Response *response = response_new((size_t)bytes);
    struct sockaddr_in address = address_of("127.0.0.1", port);
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG, (uint16_t)port, NULL, NULL, answer, response,
        MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_CONNECTION_LIMIT, 4096u, MHD_OPTION_END);
    if (!daemon)
        die("MHD_start_daemon");
    sigwait(&signals, &signal);
    MHD_stop_daemon(daemon);
    MHD_destroy_response(response);
    return 0;
}
