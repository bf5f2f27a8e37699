/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plays talks over real sockets, in the clear or in TLS: each has a little server that plays its part, and a
 * run against it, all on one loop. What is compared is what the run concludes, and that the client said all
 * it was to say, no more.
 */
#include "probe/base/buffer.h"
#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/run.h"
#include "tests/talk/play.h"
#include "tests/talk/wire.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <uv.h>

#define SECOND_MS 50 /* what a second of a talk lasts */
#define TURN_MS                                                                                              \
    20 /* until the next part begins in TLS, if the handshake of the one before is not over by then */

/* No limit is shorter than this: the server's reply comes from the same busy loop as the deadline. */
#define LEAST_LIMIT_US (300 * CLOCK_US_PER_MS)

struct scene {
    struct arena *arena;
    uv_loop_t loop;
    struct run_net *net;
    const struct play_tls *tls; /* null: in the clear */
    double scale;
};

/* One talk on the stage: its server, and the run that talks to it. */
struct part {
    struct scene *scene;
    const struct talk *talk;
    struct plan plan;
    struct wire wire;
    char *complaint;
    char *verdict_complaint;
    bool begun;
    bool done;         /* the run has ended */
    struct part *next; /* begins when the handshake of this one is over; null = does not wait */

    uv_tcp_t listener;
    uv_tcp_t peer;
    uv_timer_t timer;
    bool accepted;
    bool over; /* the connection is: what the talk has left cannot be played */
    bool deaf; /* its server reads no more */
    size_t event;
    struct buffer heard;
    char read[4096];
};

static int64_t faster(const struct scene *s, int64_t us)
{
    return (int64_t)((double)us * SECOND_MS / 1000 * s->scale);
}

/* the server */

static void go_on(struct part *p);

static void close_handle(void *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void end_server(struct part *p)
{
    p->over = true;
    close_handle(&p->timer);
    close_handle(&p->peer);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf_r)
{
    struct part *p = handle->data;
    (void)suggested;
    *buf_r = uv_buf_init(p->read, sizeof(p->read));
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
    struct part *p = stream->data;
    if (len < 0) {
        go_on(p); /* what was heard before the end counts */
        end_server(p);
        return;
    }
    bool more = wire_take(&p->wire, (struct span){buf->base, (size_t)len}, &p->heard);
    go_on(p);
    if (!more &&
        !uv_is_closing((uv_handle_t *)&p->peer)) { /* it ends TLS: so does the server, and the connection */
        wire_end(&p->wire);
        end_server(p);
    }
}

static void on_written(void *context)
{
    go_on(context);
}

static void on_shut(uv_shutdown_t *shutdown, int status)
{
    (void)status;
    free(shutdown);
}

static void on_pause_over(uv_timer_t *timer)
{
    struct part *p = timer->data;
    p->event++;
    go_on(p);
}

static void say(struct part *p, const struct talk_event *event)
{
    if (p->heard.len && !p->complaint)
        p->complaint = arena_printf(p->scene->arena, "  line %d: before it the client said \"%.*s\"\n",
                                    event->line, (int)p->heard.len, p->heard.data);
    wire_say(&p->wire, event->bytes);
}

/* Whether the line is there; one that is not as wanted ends the talk. */
static bool hear(struct part *p, const struct talk_event *event)
{
    struct span heard = buffer_span(&p->heard);
    const char *end = memchr(heard.data, '\n', heard.len);
    size_t len = end ? (size_t)(end - heard.data) + 1 : 0;

    if (!end)
        return false;
    if (event->kind == TALK_HEAR_START && len >= event->bytes.len + 2 &&
        memcmp(heard.data, event->bytes.data, event->bytes.len) == 0) {
        buffer_consume(&p->heard, len);
        return true;
    }
    if (len != event->bytes.len + 2 || memcmp(heard.data, event->bytes.data, len - 2) != 0 ||
        memcmp(heard.data + len - 2, "\r\n", 2) != 0) {
        p->complaint =
            arena_printf(p->scene->arena, "  line %d: the client was to say \"%s\", but said \"%.*s\"\n",
                         event->line, event->bytes.data, (int)len, heard.data);
        p->over = true;
    }
    buffer_consume(&p->heard, len);
    return true;
}

/* Whether the PROXY header is there; one that is not as wanted ends the talk. */
static bool hear_header(struct part *p, const struct talk_event *event)
{
    struct address server;

    address_parse(p->plan.host, p->plan.port, &server);
    struct span wanted = talk_header(p->scene->arena, p->talk, &server);
    if (p->heard.len < wanted.len)
        return false;
    if (memcmp(p->heard.data, wanted.data, wanted.len) != 0) {
        p->complaint =
            arena_printf(p->scene->arena, "  line %d: that was not its PROXY header\n", event->line);
        p->over = true;
    }
    buffer_consume(&p->heard, wanted.len);
    return true;
}

/* Whether the letter, or that part of it, is there; after a part the server reads no more. */
static bool hear_letter(struct part *p, const struct talk_event *event)
{
    if (p->heard.len < event->bytes.len)
        return false;
    if (event->bytes.len && memcmp(p->heard.data, event->bytes.data, event->bytes.len) != 0) {
        p->complaint = arena_printf(p->scene->arena,
                                    "  line %d: the client was to say its letter, but said "
                                    "\"%.200s\"\n",
                                    event->line, p->heard.data);
        p->over = true;
    }
    p->deaf = event->part;
    if (p->deaf) {
        uv_read_stop((uv_stream_t *)&p->peer);
        buffer_clear(&p->heard);
    } else {
        buffer_consume(&p->heard, event->bytes.len);
    }
    return true;
}

static void pause_for(struct part *p, int64_t us)
{
    uv_update_time(&p->scene->loop);
    uv_timer_start(&p->timer, on_pause_over, (uint64_t)(faster(p->scene, us) / CLOCK_US_PER_MS) + 1, 0);
}

/* The connection ends for writing; the server reads on, so that nothing it leaves unread makes a reset. */
static void say_end(struct part *p)
{
    uv_shutdown_t *shutdown = mem_alloc(sizeof(*shutdown));
    wire_end(&p->wire);
    if (uv_shutdown(shutdown, (uv_stream_t *)&p->peer, on_shut) < 0)
        free(shutdown);
}

/* Plays one event; false when it has to wait. */
static bool play_event(struct part *p, const struct talk_event *event)
{
    switch (event->kind) {
    case TALK_SAY:
        say(p, event);
        return true;
    case TALK_HEAR:
    case TALK_HEAR_START:
        return hear(p, event);
    case TALK_HEADER:
        return hear_header(p, event);
    case TALK_LETTER:
        return hear_letter(p, event);
    case TALK_PAUSE:
        if (!uv_is_active((uv_handle_t *)&p->timer))
            pause_for(p, event->us);
        return false;
    case TALK_CLOSE:
        say_end(p);
        return true;
    case TALK_RESET:
        if (uv_stream_get_write_queue_size((uv_stream_t *)&p->peer))
            return false;
        uv_tcp_close_reset(&p->peer, NULL);
        return true;
    }
    return true;
}

static void on_turn(uv_timer_t *timer);

/* Handshakes take the time of the loop that all share, so in TLS one part begins after another. */
static void call_next(struct part *p, uint64_t in_ms)
{
    if (p->next && !p->next->begun)
        uv_timer_start(&p->next->timer, on_turn, in_ms, 0);
}

/* Behind a PROXY header the client's hello may be there already. */
static void secure(struct part *p)
{
    struct buffer hello = p->heard;

    buffer_init(&p->heard, PLAY_MAX_HEARD);
    wire_secure(&p->wire, p->scene->tls->server);
    wire_take(&p->wire, buffer_span(&hello), &p->heard);
    buffer_free(&hello);
}

/* Whether the dialogue is where it goes on in TLS, and the handshake is not over. */
static bool waits_for_tls(struct part *p)
{
    if (!p->scene->tls || p->event < p->talk->secure_at)
        return false;
    if (!p->wire.tls)
        secure(p);
    if (!wire_is_secure(&p->wire))
        return true;
    call_next(p, 0);
    return false;
}

static void go_on(struct part *p)
{
    while (!p->over && !uv_is_closing((uv_handle_t *)&p->peer) && !waits_for_tls(p) &&
           p->event < p->talk->event_count && play_event(p, &p->talk->events[p->event]))
        p->event++;
    if (uv_is_closing((uv_handle_t *)&p->peer))
        close_handle(&p->timer);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct part *p = listener->data;

    if (status < 0 || p->accepted || uv_accept(listener, (uv_stream_t *)&p->peer) < 0)
        return;
    p->accepted = true;
    close_handle(&p->listener);
    uv_tcp_nodelay(&p->peer, 1);
    uv_read_start((uv_stream_t *)&p->peer, on_alloc, on_read);
    go_on(p);
}

/* the run */

static void on_run_done(void *context, struct result *result)
{
    struct part *p = context;

    p->done = true;
    call_next(p, 0);
    p->verdict_complaint = talk_check(p->scene->arena, p->talk, result, false);
    if (p->scene->tls && (!result->tls || result->tls->verified != TRI_TRUE) && !p->verdict_complaint)
        p->verdict_complaint = "  it was not played in TLS\n";
    result_unref(result);
    if (!p->accepted)
        close_handle(&p->listener);
    if (!p->accepted || p->deaf) /* a server that reads sees the end by itself */
        end_server(p);
}

/* The talk's plan with the server's port, its times shorter. */
static void make_plan(struct part *p, uint16_t port)
{
    p->plan = p->talk->plan;
    p->plan.host = "127.0.0.1";
    if (p->scene->tls) {
        p->plan.tls.server_name = p->scene->tls->name;
        p->plan.tls_context = p->scene->tls->client;
    }
    p->plan.port = port;
    for (enum limit l = 0; l < LIMIT_COUNT; l++) {
        int64_t limit_us = faster(p->scene, p->plan.limits_us[l]);
        int64_t least_us = (int64_t)((double)LEAST_LIMIT_US * p->scene->scale);
        p->plan.limits_us[l] = limit_us > least_us ? limit_us : least_us;
    }
    for (enum phase phase = 0; phase < PHASE_COUNT; phase++)
        p->plan.warn_us[phase] = faster(p->scene, p->plan.warn_us[phase]);
    p->plan.warn_duration_us = faster(p->scene, p->plan.warn_duration_us);
}

/* A server that is to stop reading: little of what it leaves unread may go anywhere else. */
static void keep_window_small(struct part *p)
{
    int size = 4096;

    for (size_t i = 0; i < p->talk->event_count; i++)
        if (p->talk->events[i].part)
            uv_recv_buffer_size((uv_handle_t *)&p->listener, &size);
}

static void on_turn(uv_timer_t *timer)
{
    struct part *p = timer->data;
    uv_loop_t *loop = &p->scene->loop;
    struct sockaddr_in address = {0};
    int len = sizeof(address);

    p->begun = true;
    call_next(p, (uint64_t)(TURN_MS * p->scene->scale));
    buffer_init(&p->heard, PLAY_MAX_HEARD);
    uv_tcp_init(loop, &p->listener);
    uv_tcp_init(loop, &p->peer);
    p->listener.data = p->peer.data = p;
    p->wire = (struct wire){.stream = (uv_stream_t *)&p->peer, .written = on_written, .context = p};
    uv_ip4_addr("127.0.0.1", 0, &address);
    if (uv_tcp_bind(&p->listener, (const struct sockaddr *)&address, 0) == 0)
        keep_window_small(p);
    if (uv_listen((uv_stream_t *)&p->listener, 1, on_connection) < 0 ||
        uv_tcp_getsockname(&p->listener, (struct sockaddr *)&address, &len) < 0) {
        p->complaint = "  its server cannot listen\n";
        close_handle(&p->listener);
        end_server(p);
        return;
    }
    make_plan(p, ntohs(address.sin_port));
    struct run_order order = {.plan = &p->plan, .id = "talk", .vantage = "here"};
    run_start(p->scene->net, &order, on_run_done, p);
}

/* What the server saw comes first: a client that said something else explains its verdict. */
static char *complaint_of(const struct part *p)
{
    struct arena *a = p->scene->arena;
    const struct talk *talk = p->talk;

    if (p->complaint)
        return p->complaint;
    if (!p->done)
        return arena_dup(a, "  its run never ended\n");
    for (size_t i = p->event; i < talk->event_count; i++)
        if (talk->events[i].kind == TALK_HEADER)
            return arena_printf(a, "  line %d: the client never said its PROXY header\n",
                                talk->events[i].line);
        else if (talk->events[i].kind == TALK_HEAR || talk->events[i].kind == TALK_HEAR_START)
            return arena_printf(a, "  line %d: the client never said \"%s\"\n%s", talk->events[i].line,
                                talk->events[i].bytes.data, p->verdict_complaint ? p->verdict_complaint : "");
    if (p->heard.len)
        return arena_printf(a, "  the client said more: \"%.*s\"\n", (int)p->heard.len, p->heard.data);
    return p->verdict_complaint;
}

/* Each talk needs three descriptors when all begin. */
static void allow_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

void play_sockets(struct arena *a, const struct play_tls *tls, struct talk *const *talks, size_t count,
                  char **complaints_r)
{
    const char *scale = getenv("EHLOD_TEST_SCALE");
    struct scene scene = {.arena = a, .tls = tls, .scale = scale ? atof(scale) : 1};
    struct part *parts = arena_alloc(a, count * sizeof(*parts));

    allow_descriptors();
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&scene.loop);
    scene.net = run_net_new(&(struct run_net_order){.loop = &scene.loop});
    for (size_t i = 0; i < count; i++) {
        parts[i] = (struct part){.scene = &scene, .talk = talks[i]};
        uv_timer_init(&scene.loop, &parts[i].timer);
        parts[i].timer.data = &parts[i];
        parts[i].next = tls && i + 1 < count ? &parts[i + 1] : NULL;
        if (!tls || i == 0)
            uv_timer_start(&parts[i].timer, on_turn, 0, 0);
    }
    uv_run(&scene.loop, UV_RUN_DEFAULT);
    run_net_free(scene.net);
    uv_run(&scene.loop, UV_RUN_DEFAULT);
    for (size_t i = 0; i < count; i++) {
        complaints_r[i] = complaint_of(&parts[i]);
        buffer_free(&parts[i].heard);
        wire_free(&parts[i].wire);
    }
    if (uv_loop_close(&scene.loop) < 0 && count)
        complaints_r[0] = arena_dup(a, "  handles are left open on the loop\n");
}
