/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `ehlod talk`: one dialogue file, played once with a server that no config knows, and printed while it
 * happens. What is wrong with the file is told, with its lines, before anything is dialled. What such a file
 * means is probe/proto/dialogue.h's; a target with a dialogue is played by the service just so.
 */
#include "server/command.h"

#include "config/endpoint.h"
#include "probe/base/clock.h"
#include "probe/net/tls_context.h"
#include "probe/proto/xclient.h"
#include "probe/run.h"
#include "server/render/render.h"
#include "server/render/text_colour.h"
#include "server/render/transcript.h"
#include "server/script.h"
#include "server/ulid.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define PORT          25
#define PORT_IMPLICIT 465
#define HOST_NAME     256

struct talk {
    const struct options *options;
    struct arena arena;
    uv_loop_t loop;
    struct run_net *net;
    struct plan plan;
    const char *file; /* as it is named */
    struct result *result;
    struct transcript_place place;
    bool colour;
    bool broken; /* what it says can no longer be written */
};

static int complain(const char *what, const char *why)
{
    fprintf(stderr, "ehlod talk: %s: %s\n", what, why);
    return -1;
}

/* ---- what is to be said ---- */

/* Whatever can be read to its end: a pipe is as good as a file. */
static int read_all(struct talk *t, int fd, struct span *text_r)
{
    struct buffer in;
    char data[16 * 1024];
    ssize_t got;

    buffer_init(&in, DIALOGUE_MAX_FILE);
    while ((got = read(fd, data, sizeof data)) != 0 && !in.full) {
        if (got > 0)
            buffer_put(&in, data, (size_t)got);
        else if (errno != EINTR)
            break;
    }
    int number = errno;
    *text_r = (struct span){arena_dup_span(&t->arena, buffer_span(&in)), in.len};
    bool full = in.full;
    buffer_free(&in);
    if (got < 0)
        return complain(t->file, strerror(number));
    return full ? complain(t->file, "too large for a dialogue file") : 0;
}

static int read_file(struct talk *t, struct span *text_r)
{
    bool named = t->options->name_count > 1 && strcmp(t->options->names[1], "-") != 0;

    t->file = named ? t->options->names[1] : "standard input";
    int fd = named ? open(t->file, O_RDONLY | O_CLOEXEC | O_NOCTTY) : STDIN_FILENO;
    if (fd < 0)
        return complain(t->file, strerror(errno));
    int status = read_all(t, fd, text_r);
    if (named)
        close(fd);
    return status;
}

static void print_mistakes(const struct talk *t, const struct dialogue_mistakes *mistakes)
{
    for (size_t i = 0; i < mistakes->count; i++) {
        const struct dialogue_mistake *m = &mistakes->list[i];
        if (m->line > 0)
            fprintf(stderr, "%s:%u: %s\n", t->file, m->line, m->text);
        else
            fprintf(stderr, "%s: %s\n", t->file, m->text);
    }
}

/* A host that is an IP address, as it stands in mail. */
static const char *literal_of(struct talk *t)
{
    struct address address;

    if (address_parse(t->plan.host, 0, &address) != 0)
        return t->plan.host;
    return arena_printf(&t->arena, address_family(&address) == AF_INET6 ? "[IPv6:%.*s]" : "[%.*s]",
                        (int)strcspn(t->plan.host, "%"), t->plan.host);
}

static int write_script(struct talk *t, const struct dialogue *dialogue, struct dialogue_mistakes *mistakes)
{
    struct token_key key;
    char token[MESSAGE_TOKEN_SIZE];
    struct dialogue_order order = {.vars = t->options->talk.vars,
                                   .var_count = t->options->talk.var_count,
                                   .hostname = t->plan.helo,
                                   .target = t->plan.target,
                                   .address = literal_of(t),
                                   .token = token,
                                   .wall_us = clock_wall_us()};

    script_key(&key);
    script_token(&key, token);
    t->plan.script = dialogue_write(&t->arena, dialogue, &order, mistakes);
    print_mistakes(t, mistakes);
    return mistakes->count > 0 ? -1 : 0;
}

/* ---- how to connect ---- */

static int read_host(struct talk *t)
{
    const char *word = t->options->names[0];
    unsigned port = t->options->talk.tls == TLS_MODE_IMPLICIT ? PORT_IMPLICIT : PORT;
    struct address literal;
    const char *whole = word;
    size_t len = strlen(word);

    t->plan.target = word;
    if (address_parse(word, 0, &literal) == 0 && address_family(&literal) == AF_INET6)
        whole = arena_printf(&t->arena, "[%s]:%u", word, port);
    else if (strchr(word, ':') == NULL || (len > 0 && word[len - 1] == ']'))
        whole = arena_printf(&t->arena, "%s:%u", word, port);
    const char *why = endpoint_host(whole, &t->arena, &t->plan.host, &t->plan.port);
    return why != NULL ? complain(word, why) : 0;
}

static enum family family_of(const struct address *address)
{
    int family = address_family(address);

    return family == AF_INET ? FAMILY_IPV4 : family == AF_INET6 ? FAMILY_IPV6 : FAMILY_ANY;
}

static const char *name_of(enum family family)
{
    return family == FAMILY_IPV4 ? "an IPv4 address" : "an IPv6 address";
}

/* What no server could do right: as in a config, that is a mistake and no verdict. */
static int check_family(struct talk *t)
{
    struct address host;
    enum family source = family_of(&t->plan.source);
    enum family wanted = t->plan.family != FAMILY_ANY ? t->plan.family : source;

    if (source != FAMILY_ANY && source != wanted)
        return complain("--source", arena_printf(&t->arena, "%s is not dialled from with -%c",
                                                 name_of(source), wanted == FAMILY_IPV4 ? '4' : '6'));
    if (wanted == FAMILY_ANY || address_parse(t->plan.host, 0, &host) != 0 || family_of(&host) == wanted)
        return 0;
    return complain(t->plan.target, arena_printf(&t->arena, "is %s, and %s was asked for",
                                                 name_of(family_of(&host)), name_of(wanted)));
}

static int prepare_tls(struct talk *t, const struct dialogue *dialogue)
{
    struct tls_context_error error;

    if (dialogue_starts_tls(dialogue) && t->plan.tls.mode != TLS_MODE_OFF)
        return complain(t->file, "it says STARTTLS itself, which is not possible with --tls");
    if (!dialogue_starts_tls(dialogue) && t->plan.tls.mode == TLS_MODE_OFF)
        return 0;
    t->plan.tls_context = tls_context_new(&t->plan.tls, &error);
    return t->plan.tls_context == NULL ? complain("TLS", error.message) : 0;
}

static const char *host_name(struct arena *a)
{
    char name[HOST_NAME] = "";

    if (gethostname(name, sizeof name - 1) != 0 || !endpoint_is_host_name(name))
        return "localhost";
    return arena_dup(a, name);
}

static int make_plan(struct talk *t)
{
    const struct options_talk *from = &t->options->talk;
    struct dialogue_mistakes mistakes = {0};
    struct span text;

    t->plan = (struct plan){.family = from->family,
                            .source = from->source,
                            .helo = from->helo != NULL ? from->helo : host_name(&t->arena),
                            .tls = {.mode = from->tls, .insecure_skip_verify = from->insecure},
                            .proxy = from->proxy,
                            .stop_after = PHASE_COUNT};
    memcpy(t->plan.xclient, from->xclient, sizeof t->plan.xclient);
    if (plan_has_xclient(&t->plan) && xclient_command(&t->arena, &t->plan) == NULL)
        return complain("--xclient", "all of it does not fit in one command (512 octets)");
    for (enum limit l = 0; l < LIMIT_COUNT; l++)
        t->plan.limits_us[l] = limit_default_us(l);
    t->plan.limits_us[LIMIT_RUN] = from->timeout_us;
    if (read_host(t) != 0 || check_family(t) != 0 || read_file(t, &text) != 0)
        return -1;
    const struct dialogue *dialogue = dialogue_read(&t->arena, text, &mistakes);
    return write_script(t, dialogue, &mistakes) == 0 ? prepare_tls(t, dialogue) : -1;
}

/* ---- what happens ---- */

static void say(struct talk *t, struct buffer *out)
{
    if (out->full || fwrite(out->data, 1, out->len, stdout) != out->len || fflush(stdout) != 0)
        t->broken = true;
    buffer_free(out);
}

static void show(struct talk *t, const struct result *r, bool over)
{
    struct render_share share = render_share_whole;
    struct buffer out;

    buffer_init(&out, RENDER_MAX_RESULT);
    transcript_go_on(&t->place, &out, r, over, &share);
    text_colour_finish(&out, 0, t->colour);
    if (over)
        text_verdict(&out, r, clock_mono_us(), t->colour);
    if (out.len > 0)
        say(t, &out);
}

static void on_watch(void *context, const struct result *draft)
{
    show(context, draft, false);
}

static void on_done(void *context, struct result *result)
{
    struct talk *t = context;

    t->result = result;
    run_net_free(t->net);
}

static void play(struct talk *t)
{
    bool live = t->options->output == OUTPUT_TEXT;
    struct ulid ulid = {0};
    char id[ULID_SIZE];
    int made = uv_loop_init(&t->loop);

    assert(made == 0);
    ulid_next(&ulid, clock_wall_us(), id);
    t->net = run_net_new(&(struct run_net_order){.loop = &t->loop});
    struct run_order order = {.plan = &t->plan,
                              .id = id,
                              .vantage = host_name(&t->arena),
                              .watch = live ? on_watch : NULL,
                              .watch_context = t};
    run_start(t->net, &order, on_done, t);
    uv_run(&t->loop, UV_RUN_DEFAULT);
    int closed = uv_loop_close(&t->loop);
    assert(closed == 0);
}

static int finish(struct talk *t)
{
    struct buffer out;

    if (t->options->output == OUTPUT_TEXT) {
        show(t, t->result, true);
    } else {
        buffer_init(&out, RENDER_MAX_RESULT);
        json_result(&out, t->result, clock_mono_us());
        buffer_puts(&out, "\n");
        say(t, &out);
    }
    if (t->broken)
        complain("the result", "could not be written");
    int status = t->broken ? COMMAND_UNKNOWN : command_exit(t->result->status);
    result_unref(t->result);
    return status;
}

int command_talk(const struct options *options)
{
    struct talk t = {.options = options, .colour = command_colour(options)};
    int status = COMMAND_UNKNOWN;

    if (options->name_count < 1 || options->name_count > 2) {
        fprintf(stderr,
                "ehlod talk: who to talk with is to be named, and at most one file: ehlod talk HOST[:PORT] "
                "[FILE]\n");
        return status;
    }
    signal(SIGPIPE, SIG_IGN);
    if (make_plan(&t) == 0) {
        play(&t);
        status = finish(&t);
    }
    tls_context_free(t.plan.tls_context);
    arena_free(&t.arena);
    return status;
}
