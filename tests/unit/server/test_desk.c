/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a request to its answer: who is asked for a run with what, and which status, header and body come of
 * it. HTTP and the runs are puppets: an answer is caught as it leaves, a run ends when the test says so.
 */
#include "server/desk.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"

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
static struct snapshot snapshot = {
    .server_name = "here", .targets = targets, .target_count = 2, .unknown_status = 299};

const struct snapshot_target *snapshot_target(const struct snapshot *s, const char *name)
{
    for (size_t i = 0; i < s->target_count; i++)
        if (strcmp(s->targets[i].name, name) == 0)
            return &s->targets[i];
    return NULL;
}

struct result *jobs_recall(const struct jobs *jobs, const struct jobs_ask *ask)
{
    struct result *result = kept[ask->target - targets];

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
struct result *jobs_at_hand(struct jobs *jobs, const struct jobs_ask *ask, const char *why)
{
    struct result *result = jobs_recall(jobs, ask);
    struct result draft = {.status = STATUS_UNKNOWN,
                           .target = ask->target->name,
                           .id = "02",
                           .vantage = "here",
                           .host = "mx.example.org",
                           .summary = why,
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
    answered.body = reply->body != NULL ? mem_dup(reply->body->data) : NULL;
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
    {"GET", "/check/elsewhere", 404, NULL, "There is no target named elsewhere.\""},
    {"GET", "/chekc", 404, NULL, "Did you mean /check?"},
    {"GET", "/", 404, NULL,
     "nothing at /. There is /check, /check/{target}, /probe, /runs/{id}, /targets, /-/healthy, /-/ready, "
     "/-/reload."},
    {"GET", "/check/", 404, NULL, "nothing at /check/"},
    {"GET", "/check/mx1/", 404, NULL, "nothing at"},
    {"GET", "/check/%2f", 404, NULL, "There is no target named /."},
    {"OPTIONS", "/", 404, NULL, "nothing at"},
    {"GET", "*", 405, NULL, "GET is not allowed here, only OPTIONS."},
    {"POST", "/check", 405, NULL, "POST is not allowed here, only GET, HEAD, OPTIONS."},
    {"DELETE", "/check/mx1", 405, NULL, "DELETE is not allowed here, only GET, HEAD, OPTIONS, POST."},
    {"POST", "/check/mx3", 404, NULL, "Did you mean mx1?"},
    {"POST", "/runs/01", 405, NULL, "POST is not allowed here"},
    {"GET", "/runs/02", 404, NULL, "There is no run 02 here; the newest 1000 are kept."},
    {"GET", "/runs/01?format=xml", 400, "format", "json or text"},
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
    {"GET", "/check/mx1?format=html", 400, "format", "The parameter format is to be json or text, not html."},
    {"GET", "/check/mx1?format=json&format=text", 400, "format", "more than once"},
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
    {"GET", "/check?tag=EU", 404, "tag", "No target has the tag EU."},
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
    {"GET", "/probe?target=192.0.2.1:25", 400, "target", "no target named"},
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
                {"/nothing", false, 404}};

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
        assert_false(has_header("Vary"));
        free(answered.body);
        answered.body = NULL;
    }
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
