/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `ehlod check`: one run of each target that is named, or of all, on a loop of its own, side by side; then
 * prints what they showed and says the worst in the exit status. One named target is shown as
 * /check/{target} answers it, otherwise as /check does.
 */
#include "server/command.h"

#include "config/nearest.h"
#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "server/jobs.h"
#include "server/render/render.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* As monitoring plugins say it. */
#define EXIT_UNKNOWN 3
static const int exit_statuses[] = {
    [STATUS_PASS] = 0, [STATUS_WARN] = 1, [STATUS_FAIL] = 2, [STATUS_UNKNOWN] = EXIT_UNKNOWN};

struct batch {
    struct jobs *jobs;
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

/* The targets that the command line names, each once. -1 after a complaint. */
static int choose(const struct options *options, const struct snapshot *snapshot, struct batch *b)
{
    bool named = options->name_count > 0;
    size_t count = named ? options->name_count : snapshot->target_count;

    b->whole = options->name_count != 1;
    b->targets = mem_alloc((count + 1) * sizeof(struct snapshot_target *));
    for (size_t i = 0; i < count; i++) {
        const struct snapshot_target *target =
            named ? find_target(snapshot, options->names[i]) : &snapshot->targets[i];
        if (target == NULL)
            return -1;
        size_t seen = 0;
        while (seen < b->count && b->targets[seen] != target)
            seen++;
        if (seen == b->count)
            b->targets[b->count++] = target;
    }
    return 0;
}

static void on_result(void *context, struct result *result)
{
    struct batch_slot *slot = context;

    *slot->result_r = result;
    if (++slot->batch->arrived == slot->batch->count)
        jobs_free(slot->batch->jobs);
}

/* Runs all of them; when this returns every result is there. */
static void run_all(struct batch *b, struct snapshot *snapshot, struct log *log)
{
    uv_loop_t loop;
    struct batch_slot *slots = mem_alloc((b->count + 1) * sizeof *slots);
    int made = uv_loop_init(&loop);

    assert(made == 0);
    b->results = mem_alloc((b->count + 1) * sizeof(struct result *));
    b->jobs = jobs_new(&(struct jobs_order){.loop = &loop, .log = log, .snapshot = snapshot});
    for (size_t i = 0; i < b->count; i++) {
        struct jobs_ask ask = {
            .target = b->targets[i], .stop_after = PHASE_COUNT, .max_age_us = 0, .timeout_us = CLOCK_NEVER};
        slots[i] = (struct batch_slot){b, &b->results[i]};
        jobs_wait(b->jobs, &ask, on_result, &slots[i]);
    }
    if (b->count == 0)
        jobs_free(b->jobs);
    uv_run(&loop, UV_RUN_DEFAULT);
    int closed = uv_loop_close(&loop);
    assert(closed == 0);
    free(slots);
}

static void show(const struct batch *b, enum output output, struct buffer *out)
{
    struct render_set set = {.results = (const struct result *const *)b->results, .count = b->count};
    int64_t now_us = clock_mono_us();

    if (output == OUTPUT_NAGIOS)
        nagios_set(out, &set);
    else if (output == OUTPUT_JSON && b->whole)
        json_set(out, &set, now_us);
    else if (output == OUTPUT_JSON)
        json_result(out, b->results[0], now_us);
    else if (b->whole)
        text_set(out, &set, now_us);
    else
        text_result(out, b->results[0], now_us);
    if (out->len > 0 && out->data[out->len - 1] != '\n')
        buffer_puts(out, "\n");
}

static int print(const struct batch *b, enum output output)
{
    struct render_set set = {.results = (const struct result *const *)b->results, .count = b->count};
    struct buffer out;
    int status = exit_statuses[render_set_status(&set)];

    buffer_init(&out, RENDER_MAX_SET);
    show(b, output, &out);
    if (out.full || fwrite(out.data, 1, out.len, stdout) != out.len || fflush(stdout) != 0) {
        fprintf(stderr, "ehlod check: the result could not be written\n");
        status = EXIT_UNKNOWN;
    }
    buffer_free(&out);
    return status;
}

int command_check(const struct options *options)
{
    struct snapshot *snapshot = command_load(options);
    struct batch batch = {0};
    struct log log;
    int status = EXIT_UNKNOWN;

    if (snapshot == NULL)
        return EXIT_UNKNOWN;
    signal(SIGPIPE, SIG_IGN);
    /* The results are the answer; runs are not logged beside them. */
    log_init(&log, STDERR_FILENO, LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    if (choose(options, snapshot, &batch) == 0) {
        run_all(&batch, snapshot, &log);
        status = print(&batch, options->output);
    }
    for (size_t i = 0; batch.results != NULL && i < batch.count; i++)
        result_unref(batch.results[i]);
    free(batch.results);
    free(batch.targets);
    snapshot_unref(snapshot);
    return status;
}
