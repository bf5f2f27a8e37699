/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a request to its answer: who is asked for a run with what, and which status, header and body come of
 * it. HTTP and the runs are puppets: an answer is caught as it leaves, a run ends when the test says so.
 */
#include "server/desk.h"

#include "config/guest.h"
#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "server/metrics_apart.h"
#include "server/prometheus.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- puppets ---- */

#define MAX_WAITERS 4

struct jobs_waiter {
    struct jobs_ask ask;
    jobs_done *done;
    void *context;
    bool left;
};

static struct jobs_waiter waiters[MAX_WAITERS];
static size_t waiter_count;
static struct jobs_ask recalled; /* what was asked for last */
static struct result *kept[2];   /* of each target; null = none */

static struct {
    unsigned count;
    int status;
    char type[64];
    char headers[256]; /* "Name: value\n", one after another */
    char *body;        /* null = none */
} answered;

static const char *const tags[] = {"inbound", "eu"};
static struct snapshot_target targets[] = {
    {.name = "mx1", .tags = tags, .tag_count = 1, .plan = {.host = "mx1.example.org", .port = 25}},
    {.name = "mx2", .tags = tags, .tag_count = 2, .plan = {.host = "2001:db8::1", .port = 25}}};
static const struct snapshot_module modules[] = {{.is = {.name = "mx"}}, {.is = {.name = "submission"}}};
static struct snapshot snapshot = {.server_name = "here",
                                   .effective = "targets: {}\n",
                                   .host_name = "here.example.org",
                                   .targets = targets,
                                   .target_count = 2,
                                   .modules = modules,
                                   .module_count = 2,
                                   .unknown_status = 299};

const struct snapshot_target *snapshot_target(const struct snapshot *s, const char *name)
{
    for (size_t i = 0; i < s->target_count; i++)
        if (strcmp(s->targets[i].name, name) == 0)
            return &s->targets[i];
    return NULL;
}

/* Modules, and what they make of an address. */

static struct snapshot_target guest_targets[] = {{.name = "mx3.example.org:25"}};
static struct snapshot guest_snapshots = {.targets = guest_targets, .target_count = 1};
static struct guest guest = {.snapshot = &guest_snapshots};
static struct guest_ask guest_asked;
static unsigned references;

const struct snapshot_module *snapshot_module(const struct snapshot *s, const char *name)
{
    for (size_t i = 0; i < s->module_count; i++)
        if (strcmp(s->modules[i].is.name, name) == 0)
            return &s->modules[i];
    return NULL;
}

struct snapshot *snapshot_ref(struct snapshot *s)
{
    references++;
    return s;
}

void snapshot_unref(struct snapshot *s)
{
    (void)s;
    references--;
}

struct snapshot *guest_snapshot(struct snapshot *base, const struct guest_ask *ask, struct arena *arena,
                                struct guest_refusal *refusal_r)
{
    (void)base;
    guest_asked = *ask;
    if (strcmp(ask->address, guest_targets[0].name) == 0)
        return &guest_snapshots;
    *refusal_r =
        (struct guest_refusal){"target", arena_printf(arena, "%s may not be dialled.", ask->address)};
    return NULL;
}

const struct guest *guests_find(struct guests *guests, const char *key)
{
    (void)guests;
    return guest.key != NULL && strcmp(guest.key, key) == 0 ? &guest : NULL;
}

const struct guest *guests_add(struct guests *guests, const char *key, struct snapshot *s)
{
    (void)guests;
    assert_ptr_equal(s, guest.snapshot);
    free((char *)guest.key);
    guest.key = mem_dup(key);
    return &guest;
}

struct guests *jobs_guests(const struct jobs *jobs)
{
    (void)jobs;
    return NULL;
}

static struct metrics *metrics;

struct metrics *jobs_metrics(const struct jobs *jobs)
{
    (void)jobs;
    return metrics;
}

static size_t targets_counted;
static unsigned sums_made;

size_t jobs_metrics_count(const struct jobs *jobs)
{
    (void)jobs;
    return targets_counted;
}

struct metrics_sum *jobs_metrics_sum(const struct jobs *jobs, struct arena *arena)
{
    struct metrics_sum *sum = metrics_sum_new(arena);

    (void)jobs;
    sums_made++;
    metrics_sum_add(sum, metrics);
    return sum;
}

unsigned jobs_in_flight(const struct jobs *jobs)
{
    (void)jobs;
    return 3;
}

unsigned jobs_waiting(const struct jobs *jobs)
{
    (void)jobs;
    return 4;
}

void mailboxes_each(const struct mailboxes *mailboxes, mailboxes_tell *tell, void *context)
{
    (void)mailboxes;
    tell(context, &(struct mailboxes_state){.name = "local", .up = true});
    tell(context, &(struct mailboxes_state){.name = "imap"});
}

int64_t lag_worst_us(const struct lag *lag)
{
    (void)lag;
    return 5000;
}

struct result *jobs_drained(struct jobs *jobs, const struct snapshot_target *target, const char *message)
{
    (void)jobs;
    (void)target;
    (void)message;
    return NULL; /* none is out of service here */
}

void jobs_outdate(struct jobs *jobs, const struct snapshot_target *target)
{
    (void)jobs;
    (void)target;
}

struct result *jobs_recall(const struct jobs *jobs, const struct jobs_ask *ask)
{
    struct result *result = ask->guest == NULL ? kept[ask->target - targets] : NULL;

    (void)jobs;
    recalled = *ask;
    return result != NULL ? result_ref(result) : NULL;
}

struct jobs_waiter *jobs_wait(struct jobs *jobs, const struct jobs_ask *ask, jobs_done *done, void *context)
{
    struct jobs_waiter *w = &waiters[waiter_count++];

    (void)jobs;
    *w = (struct jobs_waiter){.ask = *ask, .done = done, .context = context};
    return w;
}

void jobs_leave(struct jobs_waiter *waiter)
{
    assert_false(waiter->left);
    waiter->left = true;
}

struct result *jobs_latest(const struct jobs *jobs, const struct snapshot_target *target)
{
    struct result *latest = kept[target - targets];

    (void)jobs;
    return latest != NULL ? result_ref(latest) : NULL;
}

struct result *jobs_find(const struct jobs *jobs, const char *id)
{
    (void)jobs;
    for (size_t i = 0; i < 2; i++)
        if (kept[i] != NULL && strcmp(kept[i]->id, id) == 0)
            return result_ref(kept[i]);
    return NULL;
}

/* As jobs_recall; what is not kept is unknown. */
struct result *jobs_at_hand(struct jobs *jobs, const struct jobs_ask *ask)
{
    struct result *result = jobs_recall(jobs, ask);
    struct result draft = {.status = STATUS_UNKNOWN,
                           .target = ask->target->name,
                           .id = "02",
                           .vantage = "here",
                           .host = "mx.example.org",
                           .summary = ask->at_hand,
                           .failure = {.limit_us = CLOCK_NONE}};

    return result != NULL ? result : result_publish(&draft);
}

/* One reload under way; what becomes of it, the test says. */
static struct {
    unsigned asked;
    reload_done *done; /* null: nobody waits */
    void *context;
} reload;

struct reload_waiter *reload_ask(struct reload *r, reload_done *done, void *context)
{
    static char waiter;

    (void)r;
    reload.asked++;
    reload.done = done;
    reload.context = context;
    return (struct reload_waiter *)(void *)&waiter;
}

struct reload_state reload_state(const struct reload *r)
{
    (void)r;
    return (struct reload_state){.good = true, .good_wall_us = INT64_C(1795400704123456)};
}

void reload_leave(struct reload_waiter *waiter)
{
    (void)waiter;
    reload.done = NULL;
}

void http_answer(struct http_request *request, const struct http_reply *reply)
{
    (void)request;
    answered.count++;
    answered.status = reply->status;
    snprintf(answered.type, sizeof answered.type, "%s",
             reply->content_type != NULL ? reply->content_type : "");
    answered.headers[0] = '\0';
    for (size_t i = 0; i < reply->header_count; i++) {
        size_t len = strlen(answered.headers);
        snprintf(answered.headers + len, sizeof answered.headers - len, "%s: %s\n", reply->headers[i].name,
                 reply->headers[i].value);
    }
    free(answered.body);
    answered.body = reply->body != NULL && reply->body->data != NULL ? mem_dup(reply->body->data) : NULL;
    if (reply->body != NULL)
        buffer_free(reply->body);
}

/* ---- the stage ---- */

static struct desk desk = {.snapshot = &snapshot};
static struct http_request request;

static int set_up(void **state)
{
    (void)state;
    waiter_count = 0;
    references = 0;
    metrics_free(metrics);
    metrics = metrics_new();
    desk.stopping = false;
    memset(&answered, 0, sizeof answered);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        result_unref(kept[i]);
        kept[i] = NULL;
    }
    free(answered.body);
    free((char *)guest.key);
    guest.key = NULL;
    metrics_free(metrics);
    metrics = NULL;
    assert_int_equal(references, 0);
    return 0;
}

static struct result *make_result(const char *target, enum status status, int64_t age_us)
{
    struct result draft = {
        .status = status,
        .target = target,
        .id = "01",
        .vantage = "here",
        .host = "mx.example.org",
        .port = 25,
        .summary = "done",
        .ended_mono_us = clock_mono_us() - age_us,
        .failure = {.reason = REASON_NONE, .limit_us = CLOCK_NONE},
    };

    for (enum phase p = 0; p < PHASE_COUNT; p++)
        draft.timing_us[p] = CLOCK_NONE;
    return result_publish(&draft);
}

static void send_request(const char *method, const char *target)
{
    request = (struct http_request){.method = method, .target = target};
    desk_handle(&desk, &request);
}

static void end_run(size_t waiter, enum status status)
{
    struct jobs_waiter *w = &waiters[waiter];

    w->done(w->context, make_result(w->ask.target->name, status, 0));
}

static bool has_header(const char *line)
{
    return strstr(answered.headers, line) != NULL;
}

/* ---- refusals ---- */

#define READ_METHODS "Allow: GET, HEAD, OPTIONS\n"
#define ALL_METHODS  "Allow: GET, HEAD, OPTIONS, POST\n"

static const struct refusal {
    const char *method;
    const char *target;
    int status;
    const char *parameter; /* null: none is blamed */
    const char *words;     /* of the detail */
} refusals[] = {
    {"GET", "/check/mx3", 404, NULL, "There is no target named mx3. Did you mean mx1?"},
    {"GET", "/check/elsewhere", 404, NULL, "There is no target named elsewhere. GET /targets lists them.\""},
    {"GET", "/chekc", 404, NULL, "Did you mean /check?"},
    {"GET", "/", 404, NULL,
     "nothing at /. There is /check, /check/{target}, /probe, /metrics, /sd, /runs/{id}, /targets, "
     "/targets/{target}/drain, /targets/{target}/undrain, /config, /openapi.json, /-/healthy, /-/ready, "
     "/-/reload."},
    {"GET", "/chekc/mx1", 404, NULL, "Did you mean /check/mx1?"},
    {"GET", "/run/01", 404, NULL, "Did you mean /runs/01?"},
    {"GET", "/confg", 404, NULL, "Did you mean /config?"},
    {"GET", "/openapi.yaml", 404, NULL, "Did you mean /openapi.json?"},
    {"GET", "/check/", 404, NULL, "nothing at /check/"},
    {"GET", "/check/mx1/", 404, NULL, "nothing at"},
    {"GET", "/check/%2f", 404, NULL, "There is no target named /."},
    {"OPTIONS", "/", 200, NULL, NULL},
    {"OPTIONS", "/?x=1", 400, "x", "no parameter"},
    {"OPTIONS", "//", 404, NULL, "nothing at"},
    {"HEAD", "/", 404, NULL, "nothing at"},
    {"GET", "*", 405, NULL, "GET is not allowed here, only OPTIONS."},
    {"POST", "/check", 405, NULL, "POST is not allowed here, only GET, HEAD, OPTIONS."},
    {"DELETE", "/check/mx1", 405, NULL, "DELETE is not allowed here, only GET, HEAD, OPTIONS, POST."},
    {"POST", "/check/mx3", 404, NULL, "Did you mean mx1?"},
    {"POST", "/runs/01", 405, NULL, "POST is not allowed here"},
    {"GET", "/runs/02", 404, NULL, "There is no run 02 here; the newest 1000 are kept."},
    {"GET", "/runs/01?format=xml", 400, "format", "json, text, health or prometheus"},
    {"GET", "/runs/01?wait=1s", 400, "wait", "no parameter wait"},
    {"GET", "/-/reload", 405, NULL, "GET is not allowed here, only OPTIONS, POST."},
    {"POST", "/-/reload", 403, NULL, "server.allow_reload"},
    {"POST", "/-/reload?now=1", 400, "now", "no parameter now"},
    {"GET", "/check/mx1?wait=soon", 400, "wait", "not soon."},
    {"BREW", "/targets", 405, NULL, "BREW is not allowed"},
    {"GET", "check", 400, NULL, "slash"},
    {"GET", "", 400, NULL, "slash"},
    {"GET", "/check/mx1%00", 400, NULL, "control character"},
    {"GET", "/check/mx1#top", 400, NULL, "fragment"},
    {"GET", "/check/mx1?format", 400, "format", "has no value"},
    {"GET", "/check/mx1?=x", 400, NULL, "without a name"},
    {"GET", "/check/mx1?", 200, NULL, NULL},
    {"GET", "/check/mx1?&", 400, NULL, "without a name"},
    {"GET", "/check/mx1?format=html", 400, "format",
     "The parameter format is to be json, text, health or prometheus, not html."},
    {"GET", "/check/mx1?format=json&format=text", 400, "format", "more than once"},
    {"GET", "/check/mx1?format=helath", 400, "format",
     "json, text, health or prometheus (did you mean health?), not helath."},
    {"GET", "/check/mx1?format=JSON", 400, "format", "json, text, health or prometheus"},
    {"GET", "/check/mx1?format=text&color=yes", 400, "color",
     "The parameter color is to be 1 or 0, not yes."},
    {"GET", "/check/mx1?color=1", 400, "color", "ask for format=text, too"},
    {"GET", "/check?format=health&color=1", 400, "color", "Only text has colours"},
    {"GET", "/check/mx1?colour=1", 400, "colour", "Did you mean color?"},
    {"GET", "/runs/01?format=prometheus&color=1", 400, "color", "Only text has colours"},
    {"GET", "/check/mx1?q=1", 400, "q",
     "There is no parameter q here. There is format, color, max_age, timeout, wait and stop_after."},
    {"GET", "/targets?q=1", 400, "q", "There is no parameter q here. There is none at all."},
    {"POST", "/config", 405, NULL, "POST is not allowed here, only GET, HEAD, OPTIONS."},
    {"GET", "/openapi.json?format=yaml", 400, "format", "There is none at all."},
    {"GET", "/check/mx1?max_age=1", 400, "max_age", "not 1."},
    {"GET", "/check/mx1?max_age=-1s", 400, "max_age", "not -1s."},
    {"GET", "/check/mx1?timeout=0", 400, "timeout", "longer than 0"},
    {"GET", "/check/mx1?timeout=0s", 400, "timeout", "longer than 0"},
    {"GET", "/check/mx1?timeout=100000h", 400, "timeout", "to be"},
    {"GET", "/check/mx1?stop_after=rctp", 400, "stop_after", "did you mean rcpt?"},
    {"GET", "/check/mx1?stop_after=config", 400, "stop_after", "a phase"},
    {"GET", "/check/mx1?stop_after=delivery", 400, "stop_after", "a phase"},
    {"GET", "/check/mx1?time_out=1s", 400, "time_out", "Did you mean timeout?"},
    {"GET", "/check/mx1?target=mx1", 400, "target", "There is no parameter target here."},
    {"GET", "/check?stop_after=x", 400, "stop_after", "a phase"},
    {"GET", "/check?tag=inbuond", 404, "tag", "No target has the tag inbuond. Did you mean inbound?"},
    {"GET", "/check?tag=elsewhere", 404, "tag", "No target has the tag elsewhere. GET /targets lists them."},
    {"GET", "/check?tag=EU", 404, "tag", "No target has the tag EU. Did you mean eu?"},
    {"GET", "/check?tag=eu&tag=inbound", 400, "tag", "more than once"},
    {"GET", "/check/mx1?tag=eu", 400, "tag", "There is no parameter tag here."},
    {"GET", "/check?min_pass=0", 400, "min_pass", "a whole number from 1 to 2, which is how many"},
    {"GET", "/check?min_pass=3", 400, "min_pass", "not 3."},
    {"GET", "/check?tag=eu&min_pass=2", 400, "min_pass", "from 1 to 1,"},
    {"GET", "/check?min_pass=two", 400, "min_pass", "not two."},
    {"GET", "/check/mx1?min_pass=1", 400, "min_pass", "There is no parameter min_pass here."},
    {"OPTIONS", "/check/mx1?x=1", 400, "x", "no parameter"},
    {"OPTIONS", "/targets?x=1", 400, "x", "no parameter"},
    {"HEAD", "/probe", 400, "target", "is missing"},
    {"GET", "/probe?target=mx3", 400, "target", "Did you mean mx1?"},
    {"GET", "/probe?target=mx1&format=json", 400, "format", "no parameter"},
    {"GET", "/probe?target=192.0.2.1:25", 400, "module", "is missing"},
    {"GET", "/probe?target=192.0.2.1:25&module=mx", 400, "target", "may not be dialled"},
    {"GET", "/probe?target=192.0.2.1:25&module=xm", 400, "module", "Did you mean mx?"},
    {"GET", "/probe?target=mx1&module=mx", 400, "module", "not of the module mx"},
    {"GET", "/probe?target=mx1&debug=yes", 400, "debug", "true or false"},
    {"GET", "/probe?target=&module=mx", 400, "target", "has no value"},
    {"GET", "/probe?target=mx1&target=mx2", 400, "target", ""},
    {"POST", "/probe?target=mx1", 405, NULL, "not allowed"},
    {"GET", "/metrics?x=1", 400, "x", "no parameter"},
    {"POST", "/metrics", 405, NULL, "not allowed"},
    {"GET", "/sd?tag=eu", 400, "tag", "no parameter"},
};

static void check_refusal(const struct refusal *r)
{
    char parameter[64];

    send_request(r->method, r->target);
    if (waiter_count != 0 || answered.count != 1 || answered.status != r->status)
        fail_msg("%s %s: %d", r->method, r->target, answered.status);
    bool bodyless = strcmp(r->method, "OPTIONS") == 0 && r->status != 404;
    if (bodyless)
        assert_null(answered.body);
    if (bodyless || r->status == 405)
        assert_non_null(strstr(answered.headers, "Allow: "));
    if (bodyless || r->status == 200)
        return;
    assert_string_equal(answered.type, "application/problem+json");
    if (strstr(answered.body, r->words) == NULL)
        fail_msg("%s %s: %s", r->method, r->target, answered.body);
    snprintf(parameter, sizeof parameter, "\"parameter\":\"%s\"", r->parameter != NULL ? r->parameter : "");
    assert_int_equal(strstr(answered.body, parameter) != NULL, r->parameter != NULL);
    assert_int_equal(strstr(answered.body, "\"parameter\"") != NULL, r->parameter != NULL);
}

static void test_refusals(void **state)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        set_up(state);
        kept[0] = make_result("mx1", STATUS_PASS, 0);
        check_refusal(&refusals[i]);
        tear_down(state);
    }
    answered.body = NULL;
}

static void test_a_faulty_head_is_refused_whatever_it_asks(void **state)
{
    (void)state;
    request = (struct http_request){.method = "GET", .target = "/-/healthy", .fault = "It is broken."};
    desk_handle(&desk, &request);
    assert_int_equal(answered.status, 400);
    assert_non_null(strstr(answered.body, "\"detail\":\"It is broken.\""));
}

static void test_a_scrape_timeout_that_does_not_parse(void **state) /* H41 */
{
    (void)state;
    request =
        (struct http_request){.method = "GET", .target = "/probe?target=mx1", .scrape_timeout = "1e308"};
    desk_handle(&desk, &request);
    assert_int_equal(answered.status, 400);
    assert_int_equal(waiter_count, 0);
}

/* ---- reloading, past runs, the reserve ---- */

static void free_body(void)
{
    free(answered.body);
    answered.body = NULL;
}

static void test_who_may_reload(void **state)
{
    static const struct {
        enum snapshot_reload allowed;
        bool local;
        bool may;
    } rows[] = {
        {SNAPSHOT_RELOAD_LOOPBACK, true, true}, {SNAPSHOT_RELOAD_LOOPBACK, false, false},
        {SNAPSHOT_RELOAD_ANYONE, false, true},  {SNAPSHOT_RELOAD_ANYONE, true, true},
        {SNAPSHOT_RELOAD_NOBODY, true, false},  {SNAPSHOT_RELOAD_NOBODY, false, false},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        set_up(state);
        reload.asked = 0;
        snapshot.allow_reload = rows[i].allowed;
        request = (struct http_request){.method = "POST", .target = "/-/reload", .local = rows[i].local};
        desk_handle(&desk, &request);
        assert_int_equal(reload.asked, rows[i].may);
        assert_int_equal(answered.count, !rows[i].may);
        if (rows[i].may)
            reload.done(reload.context, &(struct reload_outcome){.good = true, .target_count = 2});
        assert_int_equal(answered.status, rows[i].may ? 200 : 403);
        free_body();
    }
    snapshot.allow_reload = SNAPSHOT_RELOAD_LOOPBACK;
}

static void test_f19_the_mistakes_are_in_the_answer(void **state)
{
    static const char *const mistakes[] = {"a.yaml:1:2: one", "a.yaml:3:4: two"};

    (void)state;
    request = (struct http_request){.method = "POST", .target = "/-/reload", .local = true};
    desk_handle(&desk, &request);
    reload.done(reload.context, &(struct reload_outcome){.mistakes = mistakes, .mistake_count = 2});
    assert_int_equal(answered.status, 500);
    assert_string_equal(answered.type, "application/problem+json");
    assert_non_null(
        strstr(answered.body, "The old configuration stands.\\na.yaml:1:2: one\\na.yaml:3:4: two"));
}

static void test_a_client_that_leaves_waits_for_no_reload(void **state)
{
    (void)state;
    request = (struct http_request){.method = "POST", .target = "/-/reload", .local = true};
    desk_handle(&desk, &request);
    assert_non_null(reload.done);
    desk_gone(&desk, &request);
    assert_null(reload.done);
}

static void test_a_past_run(void **state)
{
    static const char *const ends[] = {"", "?format=text"};

    for (size_t i = 0; i < 2; i++) {
        char path[64];
        set_up(state);
        kept[1] = make_result("mx2", STATUS_FAIL, 5 * CLOCK_US_PER_S);
        snprintf(path, sizeof path, "/runs/01%s", ends[i]);
        send_request("GET", path);
        assert_int_equal(answered.status, 200); /* shown, not judged */
        assert_true(has_header("Age: 5\n"));
        assert_non_null(strstr(answered.body, i == 0 ? "\"status\":\"fail\"" : "mx2"));
        assert_int_equal(waiter_count, 0);
        tear_down(state);
        answered.body = NULL;
    }
}

static void test_post_asks_afresh(void **state)
{
    (void)state;
    kept[0] = NULL;
    send_request("POST", "/check/mx1?wait=0");
    assert_int_equal(waiter_count, 1);
    assert_true(waiters[0].ask.fresh);
    assert_int_equal(waiters[0].ask.wait_us, 0);
    end_run(0, STATUS_FAIL);
    assert_int_equal(answered.status, 503);
    free_body();
    set_up(state);
    send_request("GET", "/check/mx1");
    assert_false(waiters[0].ask.fresh);
    assert_int_equal(waiters[0].ask.wait_us, CLOCK_NONE);
    end_run(0, STATUS_PASS);
}

/* H05: when all else is in use, health still answers, and a balancer gets what is known: never a 503 of ours.
 */
static void test_h05_what_the_reserve_answers(void **state)
{
    static const struct {
        const char *path;
        bool kept;
        int status;
    } rows[] = {{"/-/healthy", false, 200},        {"/-/ready", false, 200}, {"/check/mx1", true, 200},
                {"/check/mx1", false, 299},        {"/check", false, 299},   {"/probe?target=mx1", true, 200},
                {"/probe?target=mx1", false, 503}, {"/targets", false, 503}, {"/runs/01", false, 503},
                {"/metrics", false, 200},          {"/sd", false, 503},      {"/nothing", false, 404}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        set_up(state);
        kept[0] = rows[i].kept ? make_result("mx1", STATUS_PASS, 0) : NULL;
        request = (struct http_request){.method = "GET", .target = rows[i].path, .reserved = true};
        desk_handle(&desk, &request);
        assert_int_equal(answered.count, 1);
        assert_int_equal(waiter_count, 0);
        if (answered.status != rows[i].status)
            fail_msg("%s: %d", rows[i].path, answered.status);
        tear_down(state);
        answered.body = NULL;
    }
}

/* ---- verdicts ---- */

static void test_status_by_verdict(void **state)
{
    static const int statuses[STATUS_COUNT] = {
        [STATUS_PASS] = 200, [STATUS_WARN] = 200, [STATUS_FAIL] = 503, [STATUS_UNKNOWN] = 299};
    static const char *const methods[] = {"GET", "HEAD", "OPTIONS"};

    for (enum status s = 0; s < STATUS_COUNT; s++) {
        for (size_t m = 0; m < 3; m++) {
            set_up(state);
            send_request(methods[m], "/check/mx1");
            assert_int_equal(answered.count, 0);
            end_run(0, s);
            assert_int_equal(answered.count, 1);
            assert_int_equal(answered.status, statuses[s]);
            assert_int_equal(has_header(ALL_METHODS), m == 2);
            assert_int_equal(answered.body == NULL, m == 2);
            assert_true(has_header("Cache-Control: no-store\n") && has_header("Age: 0\n") &&
                        has_header("Vary: Accept\n"));
            free(answered.body);
            answered.body = NULL;
        }
    }
}

static void test_a_scrape_is_good_unless_ehlod_cannot_tell(void **state)
{
    for (enum status s = 0; s < STATUS_COUNT; s++) {
        set_up(state);
        send_request("GET", "/probe?target=mx1");
        end_run(0, s);
        assert_int_equal(answered.status, s == STATUS_UNKNOWN ? 503 : 200);
        if (s != STATUS_UNKNOWN)
            assert_non_null(
                strstr(answered.body, s == STATUS_FAIL ? "\nprobe_success 0\n" : "\nprobe_success 1\n"));
        assert_int_equal(has_header("Vary: Accept, Accept-Encoding\n"), s != STATUS_UNKNOWN);
        free(answered.body);
        answered.body = NULL;
    }
}

#define OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* As Prometheus says it. */
#define PROMETHEUS_ACCEPT                                                                                    \
    "application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,"    \
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"

static void test_metrics_in_the_format_that_is_liked(void **state)
{
    static const char *const paths[] = {
        "/probe?target=mx1",       "/metrics", "/check/mx1", "/check", "/check/mx1?format=prometheus",
        "/check?format=prometheus"};

    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        set_up(state);
        kept[0] = make_result("mx1", STATUS_PASS, 0);
        kept[1] = make_result("mx2", STATUS_PASS, 0);
        request = (struct http_request){.method = "GET", .target = paths[i], .accept = PROMETHEUS_ACCEPT};
        desk_handle(&desk, &request);
        assert_int_equal(answered.status, 200);
        assert_string_equal(answered.type, OPENMETRICS);
        assert_non_null(strstr(answered.body, "\n# EOF\n"));
        tear_down(state);
        answered.body = NULL;
    }
    set_up(state);
    kept[0] = make_result("mx1", STATUS_FAIL, 0);
    send_request("GET", "/check/mx1?format=prometheus");
    assert_int_equal(answered.status, 503); /* the verdict's, as on every view of /check */
    assert_string_equal(answered.type, "text/plain; version=0.0.4; charset=utf-8");
    assert_non_null(strstr(answered.body, "\nprobe_success 0\n"));
}

/* Of several there is no probe_*, which has no label to tell them apart. */
static void test_a_set_tells_targets_apart(void **state)
{
    (void)state;
    kept[0] = make_result("mx1", STATUS_PASS, 0);
    kept[1] = make_result("mx2", STATUS_WARN, 0);
    send_request("GET", "/check?format=prometheus");
    assert_non_null(strstr(answered.body, "smtp_status{status=\"pass\",target=\"mx1\"} 1\n"));
    assert_non_null(strstr(answered.body, "smtp_status{status=\"warn\",target=\"mx2\"} 1\n"));
    assert_null(strstr(answered.body, "probe_"));
}

static void test_a_guest_is_asked_for_with_its_module(void **state)
{
    (void)state;
    send_request("GET", "/probe?module=mx&target=mx3.example.org:25&hostname=mx.example.net");
    assert_int_equal(waiter_count, 1);
    assert_string_equal(guest_asked.module, "mx");
    assert_string_equal(guest_asked.hostname, "mx.example.net");
    assert_ptr_equal(waiters[0].ask.guest, &guest);
    assert_ptr_equal(waiters[0].ask.target, &guest_targets[0]);
    assert_string_equal(guest.key, "mx\nmx3.example.org:25\nmx.example.net");
    assert_int_equal(references, 1);
    guest_asked.module = NULL;
    send_request("GET", "/probe?hostname=mx.example.net&target=mx3.example.org:25&module=mx");
    assert_null(guest_asked.module); /* it is known already */
    assert_int_equal(waiter_count, 2);
    end_run(0, STATUS_PASS);
    assert_int_equal(answered.status, 200);
    desk_gone(&desk, &request); /* the second one's */
    assert_true(waiters[1].left);
    assert_int_equal(references, 0);
}

/* In blackbox_exporter's order. */
static void test_what_is_wrong_first_is_told(void **state)
{
    (void)state;
    request = (struct http_request){.method = "GET", .target = "/probe?module=no", .scrape_timeout = "soon"};
    desk_handle(&desk, &request);
    assert_non_null(strstr(answered.body, "There is no module named no"));
    free_body();
    request = (struct http_request){.method = "GET", .target = "/probe?module=mx", .scrape_timeout = "soon"};
    desk_handle(&desk, &request);
    assert_non_null(strstr(answered.body, "X-Prometheus-Scrape-Timeout-Seconds"));
    free_body();
    send_request("GET", "/probe?module=mx");
    assert_non_null(strstr(answered.body, "The parameter target is missing"));
}

static void test_metrics_are_of_this_service(void **state)
{
    (void)state;
    send_request("GET", "/nothing");
    free_body();
    send_request("POST", "/targets");
    free_body();
    send_request("HEAD", "/check/mx3");
    free_body();
    send_request("GET", "/metrics");
    static const char *const lines[] = {
        "ehlod_build_info{version=\"" EHLOD_VERSION "\",vantage=\"here\"} 1\n",
        "ehlod_http_requests_total{handler=\"other\",code=\"404\"} 1\n",
        "ehlod_http_requests_total{handler=\"/targets\",code=\"405\"} 1\n",
        "ehlod_http_requests_total{handler=\"/check/*\",code=\"404\"} 1\n",
        "ehlod_mailbox_up{mailbox=\"local\"} 1\nehlod_mailbox_up{mailbox=\"imap\"} 0\n",
        "ehlod_runs_in_flight 3\n",
        "ehlod_runs_waiting 4\n",
        "ehlod_loop_lag_seconds 0.005\n",
        "ehlod_config_last_reload_success_timestamp_seconds 1795400704.123456\n",
        "ehlod_history_dropped_total 0\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (strstr(answered.body, lines[i]) == NULL)
            fail_msg("no %sin\n%s", lines[i], answered.body);
}

/* All loops stand still for a sum, so of however many targets there is one. */
static void test_metrics_are_summed_once(void **state)
{
    static const size_t targets_of[] = {0, METRICS_ON_LOOP, METRICS_ON_LOOP + 1, 100000};
    uv_loop_t loop;

    (void)state;
    uv_loop_init(&loop);
    desk.apart = metrics_apart_new(
        &(struct metrics_apart_order){.loop = &loop, .gather = prometheus_gather, .context = &desk});
    for (size_t i = 0; i < sizeof targets_of / sizeof targets_of[0]; i++) {
        bool apart = targets_of[i] > METRICS_ON_LOOP;
        targets_counted = targets_of[i];
        sums_made = 0;
        answered.count = 0;
        send_request("GET", "/metrics");
        assert_int_equal(answered.count, apart ? 0 : 1);
        uv_run(&loop, UV_RUN_DEFAULT);
        assert_int_equal(answered.count, 1);
        assert_int_equal(answered.status, 200);
        assert_non_null(strstr(answered.body, "ehlod_build_info"));
        assert_int_equal(sums_made, 1);
    }
    metrics_apart_free(desk.apart);
    desk.apart = NULL;
    targets_counted = 0;
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_where_targets_are_scraped(void **state)
{
    static const struct {
        const char *host;
        struct snapshot_url url;
        const char *words;
    } rows[] = {
        {"fra:8025",
         {0},
         "[{\"targets\":[\"fra:8025\"],\"labels\":{\"__metrics_path__\":\"/probe\","
         "\"__param_target\":\"mx1\",\"instance\":\"mx1\","
         "\"__meta_ehlod_address\":\"mx1.example.org:25\","
         "\"__meta_ehlod_tags\":\",inbound,\"}},"},
        {"fra", {0}, "{\"targets\":[\"fra\"],"},
        {"[2001:db8::1]:8025", {0}, "{\"targets\":[\"[2001:db8::1]:8025\"],"},
        {NULL, {0}, "{\"targets\":[\"localhost\"],"},
        {"a b\",\"", {0}, "{\"targets\":[\"localhost\"],"},
        {"fra:8025",
         {"https", "probe.example.org", "/ehlod"},
         "{\"targets\":[\"probe.example.org\"],\"labels\":{\"__metrics_path__\":\"/ehlod/probe\","
         "\"__scheme__\":\"https\","},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        snapshot.external_url = rows[i].url;
        request = (struct http_request){.method = "GET", .target = "/sd", .host = rows[i].host};
        desk_handle(&desk, &request);
        assert_int_equal(answered.status, 200);
        assert_string_equal(answered.type, "application/json");
        if (strstr(answered.body, rows[i].words) == NULL)
            fail_msg("no %s in %s", rows[i].words, answered.body);
        free_body();
    }
    snapshot.external_url = (struct snapshot_url){0};
}

static void test_all_targets_wait_for_the_last_and_show_the_worst(void **state)
{
    (void)state;
    kept[0] = make_result("mx1", STATUS_PASS, 3 * CLOCK_US_PER_S);
    send_request("GET", "/check");
    assert_int_equal(waiter_count, 1);
    assert_ptr_equal(waiters[0].ask.target, &targets[1]);
    assert_int_equal(answered.count, 0);
    end_run(0, STATUS_UNKNOWN);
    assert_int_equal(answered.count, 1);
    assert_int_equal(answered.status, 299);
    assert_true(has_header("Age: 3\n")); /* of the oldest */
    assert_true(strncmp(answered.body, "{\"status\":\"unknown\"", 19) == 0);
}

static void test_kept_results_are_answered_at_once(void **state)
{
    (void)state;
    kept[0] = make_result("mx1", STATUS_FAIL, CLOCK_US_PER_S * 5 / 2);
    send_request("GET", "/check/mx1");
    assert_int_equal(waiter_count, 0);
    assert_int_equal(answered.status, 503);
    assert_true(has_header("Age: 2\n"));
    assert_non_null(strstr(answered.body, "\"age_ms\":25"));
}

/* ---- what is asked for ---- */

static void test_parameters_reach_the_run(void **state)
{
    (void)state;
    send_request("GET", "/check/mx2?timeout=1500ms&max_age=2m&stop_after=ehlo&format=text");
    assert_ptr_equal(waiters[0].ask.target, &targets[1]);
    assert_int_equal(waiters[0].ask.timeout_us, 1500 * CLOCK_US_PER_MS);
    assert_int_equal(waiters[0].ask.stop_after, PHASE_EHLO);
    assert_int_equal(recalled.max_age_us, 120 * CLOCK_US_PER_S);
    end_run(0, STATUS_PASS);
    assert_string_equal(answered.type, "text/plain; charset=utf-8");
}

static void test_without_parameters_the_target_decides(void **state)
{
    (void)state;
    send_request("GET", "/check/mx1");
    assert_int_equal(waiters[0].ask.timeout_us, CLOCK_NEVER);
    assert_int_equal(waiters[0].ask.stop_after, PHASE_COUNT);
    assert_int_equal(recalled.max_age_us, CLOCK_NONE);
    end_run(0, STATUS_PASS);
    assert_string_equal(answered.type, "application/json");
    assert_true(answered.body[strlen(answered.body) - 1] == '\n');
}

static void test_max_age_0_shares_nothing_kept(void **state)
{
    (void)state;
    send_request("GET", "/check/mx1?max_age=0");
    assert_int_equal(recalled.max_age_us, 0);
    end_run(0, STATUS_PASS);
}

static void test_the_scrape_timeout_bounds_the_waiting(void **state)
{
    (void)state;
    request = (struct http_request){.method = "GET", .target = "/probe?target=mx1", .scrape_timeout = "10"};
    desk_handle(&desk, &request);
    assert_int_equal(waiters[0].ask.timeout_us, 9500 * CLOCK_US_PER_MS);
    end_run(0, STATUS_PASS);
}

static void test_who_leaves_is_forgotten(void **state) /* H08 */
{
    (void)state;
    kept[0] = make_result("mx1", STATUS_PASS, 0);
    send_request("GET", "/check");
    desk_gone(&desk, &request);
    assert_true(waiters[0].left);
    assert_int_equal(answered.count, 0);
}

/* ---- what needs no run ---- */

static void test_health_and_readiness(void **state)
{
    (void)state;
    send_request("GET", "/-/ready");
    assert_int_equal(answered.status, 200);
    desk.stopping = true;
    send_request("GET", "/-/ready");
    assert_int_equal(answered.status, 503);
    send_request("OPTIONS", "/-/ready");
    assert_int_equal(answered.status, 503);
    send_request("GET", "/-/healthy");
    assert_int_equal(answered.status, 200);
    assert_true(has_header("Cache-Control: no-store\n"));
    assert_false(has_header("Age"));
}

static void test_targets(void **state)
{
    (void)state;
    kept[1] = make_result("mx2", STATUS_WARN, 0);
    send_request("GET", "/targets");
    assert_int_equal(answered.status, 200);
    assert_int_equal(waiter_count, 0);
    assert_non_null(strstr(answered.body, "\"name\":\"mx1\""));
    assert_non_null(strstr(answered.body, "\"address\":\"[2001:db8::1]:25\""));
    assert_non_null(strstr(answered.body, "\"status\":null"));
    assert_non_null(strstr(answered.body, "\"status\":\"warn\""));
}

static void test_options_of_everything(void **state)
{
    (void)state;
    send_request("OPTIONS", "*");
    assert_int_equal(answered.status, 200);
    assert_true(has_header(ALL_METHODS));
    send_request("OPTIONS", "/");
    assert_int_equal(answered.status, 200);
    assert_true(has_header(ALL_METHODS));
    assert_null(answered.body);
    assert_int_equal(waiter_count, 0);
    send_request("OPTIONS", "/targets");
    assert_int_equal(answered.status, 200);
    assert_true(has_header(READ_METHODS));
    assert_null(answered.body);
}

#define DESK_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),
        DESK_TEST(test_a_faulty_head_is_refused_whatever_it_asks),
        DESK_TEST(test_a_scrape_timeout_that_does_not_parse),
        DESK_TEST(test_who_may_reload),
        DESK_TEST(test_f19_the_mistakes_are_in_the_answer),
        DESK_TEST(test_a_client_that_leaves_waits_for_no_reload),
        DESK_TEST(test_a_past_run),
        DESK_TEST(test_post_asks_afresh),
        DESK_TEST(test_h05_what_the_reserve_answers),
        DESK_TEST(test_status_by_verdict),
        DESK_TEST(test_a_scrape_is_good_unless_ehlod_cannot_tell),
        DESK_TEST(test_metrics_in_the_format_that_is_liked),
        DESK_TEST(test_a_set_tells_targets_apart),
        DESK_TEST(test_a_guest_is_asked_for_with_its_module),
        DESK_TEST(test_what_is_wrong_first_is_told),
        DESK_TEST(test_metrics_are_of_this_service),
        DESK_TEST(test_metrics_are_summed_once),
        DESK_TEST(test_where_targets_are_scraped),
        DESK_TEST(test_all_targets_wait_for_the_last_and_show_the_worst),
        DESK_TEST(test_kept_results_are_answered_at_once),
        DESK_TEST(test_parameters_reach_the_run),
        DESK_TEST(test_without_parameters_the_target_decides),
        DESK_TEST(test_max_age_0_shares_nothing_kept),
        DESK_TEST(test_the_scrape_timeout_bounds_the_waiting),
        DESK_TEST(test_who_leaves_is_forgotten),
        DESK_TEST(test_health_and_readiness),
        DESK_TEST(test_targets),
        DESK_TEST(test_options_of_everything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
