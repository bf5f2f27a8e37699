/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `ehlod check`: one run of each target that is named, or of all, on a loop of its own, side by side; waits
 * for their deliveries, prints what they showed and says the worst in the exit status. One named target is
 * shown as /check/{target} answers it, otherwise as /check does. The mailboxes are watched as long as it
 * does, and left without a message of ours; the address of a sink that is taken (by a service with the same
 * config, most likely) matters only to a route whose message would have to be seen there.
 */
#include "server/command.h"

#include "config/nearest.h"
#include "config/tags.h"
#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/verify/ledger.h"
#include "server/history.h"
#include "server/jobs.h"
#include "server/mailboxes.h"
#include "server/render/render.h"
#include "server/script.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How long it may take to remove what was seen. */
#define CHECK_TIDY_US (5 * CLOCK_US_PER_S)

struct batch {
    uv_loop_t loop;
    struct jobs *jobs;
    struct mailboxes *mailboxes;
    const struct snapshot_target **targets;
    struct result **results;
    size_t count;
    size_t arrived;
    bool whole; /* shown as a set */
};

/* Where one result goes. */
struct batch_slot {
    struct batch *batch;
    struct result **result_r;
};

static const struct snapshot_target *find_target(const struct snapshot *snapshot, const char *name)
{
    const struct snapshot_target *target = snapshot_target(snapshot, name);

    if (target != NULL)
        return target;
    const char **names = mem_alloc((snapshot->target_count + 1) * sizeof(char *));
    for (size_t i = 0; i < snapshot->target_count; i++)
        names[i] = snapshot->targets[i].name;
    const char *near = nearest(name, names, snapshot->target_count);
    fprintf(stderr, "ehlod check: there is no target named %s", name);
    if (near != NULL)
        fprintf(stderr, "; did you mean %s?", near);
    fputc('\n', stderr);
    free(names);
    return NULL;
}

static int check_tag(const struct snapshot *snapshot, const char *tag)
{
    if (tag == NULL || tags_count(snapshot, tag) > 0)
        return 0;
    const char *near = tags_nearest(snapshot, tag);
    fprintf(stderr, "ehlod check: no target has the tag %s", tag);
    if (near != NULL)
        fprintf(stderr, "; did you mean %s?", near);
    fputc('\n', stderr);
    return -1;
}

static bool is_chosen(const struct batch *b, const struct snapshot_target *target)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->targets[i] == target)
            return true;
    return false;
}

/* The targets that the command line names, each once, then those with its tag; all where it says neither. -1
 * after a complaint. */
static int choose(const struct options *options, const struct snapshot *snapshot, struct batch *b)
{
    const char *tag = options->tag;
    bool all = options->name_count == 0 && tag == NULL;

    b->whole = options->name_count != 1 || tag != NULL;
    b->targets = mem_alloc((options->name_count + snapshot->target_count + 1) * sizeof(*b->targets));
    for (size_t i = 0; i < options->name_count; i++) {
        const struct snapshot_target *target = find_target(snapshot, options->names[i]);
        if (target == NULL)
            return -1;
        if (!is_chosen(b, target))
            b->targets[b->count++] = target;
    }
    size_t named = b->count;
    struct batch first = {.targets = b->targets, .count = named};
    for (size_t i = 0; i < snapshot->target_count; i++) {
        const struct snapshot_target *target = &snapshot->targets[i];
        if (all || (tag != NULL && tags_has(target, tag) && !is_chosen(&first, target)))
            b->targets[b->count++] = target;
    }
    return check_tag(snapshot, tag);
}

static void close_down(void *context)
{
    struct batch *b = context;

    mailboxes_free(b->mailboxes);
    jobs_free(b->jobs);
}

static void on_result(void *context, struct result *result)
{
    struct batch_slot *slot = context;

    *slot->result_r = result;
    if (++slot->batch->arrived == slot->batch->count)
        mailboxes_tidy(slot->batch->mailboxes, CHECK_TIDY_US, close_down, slot->batch);
}

static bool is_sink(const struct snapshot *snapshot, const char *mailbox)
{
    for (size_t i = 0; mailbox != NULL && i < snapshot->sink_count; i++)
        if (strcmp(snapshot->sinks[i].name, mailbox) == 0)
            return true;
    return false;
}

/* Whether a message would have to be seen in a sink. */
static bool needs_sinks(const struct batch *b, const struct snapshot *snapshot)
{
    for (size_t i = 0; i < b->count; i++)
        for (size_t k = 0; k < b->targets[i]->plan.route_count; k++) {
            const struct plan_route *route = &b->targets[i]->plan.routes[k];
            if (plan_route_is_delivered(route) && is_sink(snapshot, route->mailbox))
                return true;
        }
    return false;
}

/* A store that no target of ours has to do with is left alone: looking into it may be a login. */
static bool is_wanted(const void *context, const char *mailbox)
{
    const struct batch *b = context;

    for (size_t i = 0; i < b->count; i++)
        for (size_t k = 0; k < b->targets[i]->plan.route_count; k++) {
            const struct plan_route *route = &b->targets[i]->plan.routes[k];
            if ((route->mailbox != NULL && strcmp(route->mailbox, mailbox) == 0) ||
                (route->bounce_mailbox != NULL && strcmp(route->bounce_mailbox, mailbox) == 0))
                return true;
        }
    return false;
}

/* That of a service with this config, if there is one: so that one knows what this has left in a mailbox, and
 * removes it. Not the other way round: only the service knows what it waits for. */
static void choose_key(const struct snapshot *snapshot, struct token_key *key_r)
{
    char error[HISTORY_ERROR_SIZE];

    script_key(key_r);
    if (snapshot->history_path != NULL && history_peek_key(snapshot->history_path, key_r, error) < 0)
        fprintf(stderr, "ehlod check: %s; so messages of this run are not known again\n", error);
}

/* Loop, jobs and mailboxes. -1 after a complaint, with nothing left open. */
static int open_up(struct batch *b, struct snapshot *snapshot, struct log *log)
{
    struct jobs_order jobs = {.loop = &b->loop, .log = log, .snapshot = snapshot, .keep_leftovers = true};
    char error[LISTEN_ERROR_SIZE];
    int made = uv_loop_init(&b->loop);

    assert(made == 0);
    choose_key(snapshot, &jobs.key);
    b->jobs = jobs_new(&jobs);
    struct mailboxes_order order = {.loop = &b->loop,
                                    .log = log,
                                    .snapshot = snapshot,
                                    .jobs = b->jobs,
                                    .is_wanted = is_wanted,
                                    .context = b};
    b->mailboxes = mailboxes_new(&order, error);
    order.without_sinks = true;
    if (b->mailboxes == NULL && !needs_sinks(b, snapshot))
        b->mailboxes = mailboxes_new(&order, error);
    if (b->mailboxes != NULL)
        return 0;
    fprintf(stderr, "ehlod check: %s\n", error);
    fprintf(stderr, "A message could not be seen to arrive there. If a service runs with this configuration, "
                    "ask that one:\n  curl -s http://HOST:PORT/check/TARGET\n");
    close_down(b);
    return -1;
}

static void finish_loop(uv_loop_t *loop)
{
    uv_run(loop, UV_RUN_DEFAULT);
    int closed = uv_loop_close(loop);
    assert(closed == 0);
}

/* As long as the last of its messages may take to arrive, and a mailbox to be looked into then. */
static int64_t longest_delivery_us(const struct snapshot_target *target)
{
    int64_t longest_us = 0;

    for (size_t i = 0; i < target->plan.route_count; i++)
        if (target->plan.routes[i].deliver_within_us > longest_us)
            longest_us = target->plan.routes[i].deliver_within_us;
    return longest_us + LEDGER_LOOK_US + LEDGER_REPORT_US;
}

static void ask_all(struct batch *b, struct batch_slot *slots)
{
    for (size_t i = 0; i < b->count; i++) {
        struct jobs_ask ask = {.target = b->targets[i],
                               .stop_after = PHASE_COUNT,
                               .max_age_us = 0,
                               .timeout_us = CLOCK_NEVER,
                               .wait_us = longest_delivery_us(b->targets[i]) + CLOCK_US_PER_S};
        slots[i] = (struct batch_slot){b, &b->results[i]};
        jobs_wait(b->jobs, &ask, on_result, &slots[i]);
    }
    if (b->count == 0)
        close_down(b);
}

/* Runs all of them: 0 and every result is there, or -1 after a complaint. */
static int run_all(struct batch *b, struct snapshot *snapshot, struct log *log)
{
    struct batch_slot *slots = mem_alloc((b->count + 1) * sizeof *slots);
    int opened = open_up(b, snapshot, log);

    b->results = mem_alloc((b->count + 1) * sizeof(struct result *));
    if (opened == 0)
        ask_all(b, slots);
    finish_loop(&b->loop);
    free(slots);
    return opened;
}

static void show_text(const struct batch *b, const struct render_set *set, bool colour, struct buffer *out)
{
    int64_t now_us = clock_mono_us();

    if (b->whole)
        (colour ? text_set_colour : text_set)(out, set, now_us);
    else
        (colour ? text_result_colour : text_result)(out, b->results[0], now_us);
}

static void show(const struct batch *b, const struct options *options, struct buffer *out)
{
    enum output output = options->output;
    struct render_set set = {.results = (const struct result *const *)b->results, .count = b->count};
    int64_t now_us = clock_mono_us();

    if (output == OUTPUT_NAGIOS)
        nagios_set(out, &set);
    else if (output == OUTPUT_JSON && b->whole)
        json_set(out, &set, now_us);
    else if (output == OUTPUT_JSON)
        json_result(out, b->results[0], now_us);
    else
        show_text(b, &set, command_colour(options), out);
    if (out->len > 0 && out->data[out->len - 1] != '\n')
        buffer_puts(out, "\n");
}

static int print(const struct batch *b, const struct options *options)
{
    struct render_set set = {.results = (const struct result *const *)b->results, .count = b->count};
    struct buffer out;
    int status = command_exit(render_set_status(&set));

    buffer_init(&out, RENDER_MAX_SET);
    show(b, options, &out);
    if (out.full || fwrite(out.data, 1, out.len, stdout) != out.len || fflush(stdout) != 0) {
        fprintf(stderr, "ehlod check: the result could not be written\n");
        status = COMMAND_UNKNOWN;
    }
    buffer_free(&out);
    return status;
}

int command_check(const struct options *options)
{
    struct snapshot *snapshot = command_load(options);
    struct batch batch = {0};
    struct log log;
    int status = COMMAND_UNKNOWN;

    if (snapshot == NULL)
        return COMMAND_UNKNOWN;
    signal(SIGPIPE, SIG_IGN);
    /* The results are the answer; runs are not logged beside them. */
    log_init(&log, STDERR_FILENO, LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    if (choose(options, snapshot, &batch) == 0 && run_all(&batch, snapshot, &log) == 0)
        status = print(&batch, options);
    for (size_t i = 0; batch.results != NULL && i < batch.count; i++)
        result_unref(batch.results[i]);
    free(batch.results);
    free(batch.targets);
    snapshot_unref(snapshot);
    return status;
}
