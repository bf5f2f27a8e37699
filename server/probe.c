/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scrape: blackbox_exporter's parameters in blackbox_exporter's order (module, timeout, target), and 200
 * whatever the verdict; 503 only when ehlod itself cannot tell, so that `up` is 0 and not `probe_success`. A
 * target is one of the config by its name, or host:port with a module (config/guest.h). debug=true shows a
 * person what happened, in the three blocks that are shown there.
 */
#include "server/probe.h"

#include "config/guest.h"
#include "config/nearest.h"
#include "probe/base/clock.h"
#include "server/accept.h"
#include "server/check.h"
#include "server/prometheus.h"
#include "server/scrape.h"
#include "server/shown.h"

#include <string.h>

struct probe {
    struct question *q;
    struct shown *shown;
    struct snapshot *snapshot; /* that the target is of: one reference */
    const struct snapshot_target *target;
    struct jobs_waiter *waiter; /* null once there is a result */
    bool debug;
};

/* ---- answering ---- */

static void say_unknown(struct question *q, const struct result *r)
{
    question_text(q, 503, arena_printf(&q->arena, "ehlod cannot tell how %s is: %s", r->target, r->summary));
}

static void show_debug(const struct probe *p, const struct result *r)
{
    struct question_answer answer = {.status = r->status == STATUS_UNKNOWN ? 503 : 200,
                                     .content_type = "text/plain",
                                     .age_us = render_age_us(r, clock_mono_us())};
    struct buffer body;

    buffer_init(&body, RENDER_MAX_RESULT);
    buffer_puts(&body, "Logs for the probe:\n");
    text_result(&body, r, clock_mono_us());
    buffer_puts(&body, "\n\n\nMetrics that would have been returned:\n");
    metrics_probe(&body, r, EXPOSITION_TEXT);
    buffer_puts(&body, "\n\n\nModule configuration:\n");
    settings_target(&body, p->target);
    answer.body = &body;
    question_answer(p->q, &answer);
}

static void show_metrics(const struct probe *p, const struct result *r)
{
    struct question *q = p->q;
    const struct view *view =
        views_scrape(prometheus_format(q), accept_gzip(q->request->accept_encoding) && !q->bodyless);
    struct buffer body;

    buffer_init(&body, RENDER_MAX_RESULT);
    shown_one(p->shown, view, &body, r, clock_mono_us());
    if (body.full) { /* cut short it could pass for whole */
        buffer_free(&body);
        question_refuse(q, 500, NULL, "There are too many series.");
        return;
    }
    question_answer(q, &(struct question_answer){.status = 200,
                                                 .content_type = view->content_type,
                                                 .body = &body,
                                                 .age_us = render_age_us(r, clock_mono_us()),
                                                 .negotiated = true,
                                                 .compressed = true,
                                                 .packed = view->packed});
}

/* The probe itself lives in the question's arena. */
static void finish(struct probe *p, struct result *r)
{
    struct snapshot *snapshot = p->snapshot;

    if (p->debug)
        show_debug(p, r);
    else if (r->status == STATUS_UNKNOWN)
        say_unknown(p->q, r);
    else
        show_metrics(p, r);
    snapshot_unref(snapshot);
    result_unref(r);
}

static void on_result(void *context, struct result *result)
{
    finish(context, result);
}

static void leave(struct question *q)
{
    struct probe *p = q->waiting;

    jobs_leave(p->waiter);
    snapshot_unref(p->snapshot);
}

/* In the reserve nobody may wait for a run: a verdict that is known must do. */
static void begin(struct probe *p, struct jobs *jobs, const struct jobs_ask *ask)
{
    struct result *r = ask->at_hand != NULL ? jobs_at_hand(jobs, ask) : jobs_recall(jobs, ask);

    if (r != NULL) {
        finish(p, r);
        return;
    }
    p->q->waiting = p;
    p->q->leave = leave;
    p->waiter = jobs_wait(jobs, ask, on_result, p);
}

/* ---- parameters: -1 once the question was refused ---- */

static int read_module(const struct desk *desk, struct question *q, const char **name_r)
{
    const struct snapshot *s = desk->snapshot;

    *name_r = url_value(&q->url, "module");
    if (*name_r == NULL || snapshot_module(s, *name_r) != NULL)
        return 0;
    const char **names = arena_alloc(&q->arena, (s->module_count + 1) * sizeof(char *));
    for (size_t i = 0; i < s->module_count; i++)
        names[i] = s->modules[i].is.name;
    const char *near = nearest(*name_r, names, s->module_count);
    const char *hint = near != NULL ? arena_printf(&q->arena, " Did you mean %s?", near) : "";
    question_refuse(q, 400, "module",
                    arena_printf(&q->arena, "There is no module named %s.%s", *name_r, hint));
    return -1;
}

static int read_timeout(struct question *q, int64_t *us_r)
{
    const char *limit = q->request->scrape_timeout;

    if (limit == NULL || scrape_timeout(limit, us_r) == 0)
        return 0;
    question_refuse(q, 400, NULL, "X-Prometheus-Scrape-Timeout-Seconds is not a number of seconds.");
    return -1;
}

static int read_debug(struct question *q, bool *debug_r)
{
    const char *text = url_value(&q->url, "debug");

    *debug_r = text != NULL && strcmp(text, "true") == 0;
    if (text == NULL || *debug_r || strcmp(text, "false") == 0)
        return 0;
    question_refuse(q, 400, "debug",
                    arena_printf(&q->arena, "The parameter debug is to be true or false, not %s.", text));
    return -1;
}

/* ---- whom to probe ---- */

/* Whom its certificate must be for. */
static const char *host_of(const struct plan *plan)
{
    return plan->tls.server_name != NULL ? plan->tls.server_name : plan->host;
}

/* A target of the config is as the config says: what else is asked for must say the same. */
static int agree(struct question *q, const struct snapshot_target *target, const char *module)
{
    const char *hostname = url_value(&q->url, "hostname");

    if (module != NULL && (target->module == NULL || strcmp(target->module, module) != 0)) {
        question_refuse(q, 400, "module",
                        arena_printf(&q->arena,
                                     "The target %s is not of the module %s: leave the module out.",
                                     target->name, module));
        return -1;
    }
    if (hostname != NULL && target->plan.tls.mode != TLS_MODE_OFF &&
        strcmp(hostname, host_of(&target->plan)) != 0) {
        question_refuse(q, 400, "hostname",
                        arena_printf(&q->arena,
                                     "The certificate of the target %s must be for %s, as the "
                                     "config says: leave the hostname out.",
                                     target->name, host_of(&target->plan)));
        return -1;
    }
    return 0;
}

/* Remembered by what was said of it. Parameters hold no line ends. */
static const struct guest *find_guest(struct desk *desk, struct question *q, const char *name,
                                      const char *module)
{
    const char *hostname = url_value(&q->url, "hostname");
    const struct guest_ask ask = {.module = module, .address = name, .hostname = hostname};
    const char *key = arena_printf(&q->arena, "%s\n%s\n%s", module, name, hostname != NULL ? hostname : "");
    struct guests *guests = jobs_guests(desk->jobs);
    const struct guest *known = guests_find(guests, key);
    struct guest_refusal refusal;

    if (known != NULL)
        return known;
    struct snapshot *s = guest_snapshot(desk->snapshot, &ask, &q->arena, &refusal);
    if (s != NULL)
        return guests_add(guests, key, s);
    question_refuse(q, 400, refusal.parameter, refusal.why);
    return NULL;
}

static int find_target(struct desk *desk, struct question *q, const char *module, struct jobs_ask *ask)
{
    const char *name = url_value(&q->url, "target");

    if (name == NULL) {
        question_refuse(q, 400, "target",
                        "The parameter target is missing: it is the name of a target, or host:port.");
        return -1;
    }
    ask->target = snapshot_target(desk->snapshot, name);
    if (ask->target != NULL)
        return agree(q, ask->target, module);
    if (strchr(name, ':') == NULL) {
        check_refuse_name(desk, q, name, 400, "target");
        return -1;
    }
    if (module == NULL) {
        question_refuse(q, 400, "module", "The parameter module is missing: it says how to probe host:port.");
        return -1;
    }
    ask->guest = find_guest(desk, q, name, module);
    if (ask->guest == NULL)
        return -1;
    ask->target = &ask->guest->snapshot->targets[0];
    return 0;
}

void probe_run(struct desk *desk, struct question *q)
{
    struct jobs_ask ask = check_plain_ask;
    struct probe *p = arena_alloc(&q->arena, sizeof *p);
    const char *module;

    p->q = q;
    p->shown = desk->shown;
    if (read_module(desk, q, &module) != 0 || read_timeout(q, &ask.timeout_us) != 0 ||
        read_debug(q, &p->debug) != 0 || find_target(desk, q, module, &ask) != 0)
        return;
    p->target = ask.target;
    ask.at_hand = q->request->reserved ? CHECK_RESERVED : NULL;
    p->snapshot = snapshot_ref(ask.guest != NULL ? ask.guest->snapshot : desk->snapshot);
    begin(p, desk->jobs, &ask);
}
