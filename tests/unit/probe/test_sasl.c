/* SPDX-License-Identifier: Apache-2.0 */
/* The client's side of logins, against libgsasl's server side, and against what no sound server says. */
#include "probe/sasl.h"

#include "probe/net/handle.h"
#include "tests/unit/probe/sasl_stage.h"

#include <gsasl.h>

/* ---- a sound server ---- */

struct server {
    Gsasl *library;
    Gsasl_session *session;
    char *out;
};

static const char *known_password;

static int on_property(Gsasl *library, Gsasl_session *session, Gsasl_property property)
{
    (void)library;
    switch (property) {
    case GSASL_PASSWORD:
        return gsasl_property_set(session, property, known_password);
    case GSASL_SCRAM_ITER:
        return gsasl_property_set(session, property, "4096");
    case GSASL_VALIDATE_SIMPLE:
        return strcmp(gsasl_property_fast(session, GSASL_AUTHID), USER) == 0 &&
                       strcmp(gsasl_property_fast(session, GSASL_PASSWORD), known_password) == 0
                   ? GSASL_OK
                   : GSASL_AUTHENTICATION_ERROR;
    default:
        return GSASL_NO_CALLBACK;
    }
}

static void server_open(struct server *s)
{
    s->out = NULL;
    assert_int_equal(gsasl_init(&s->library), GSASL_OK);
    gsasl_callback_set(s->library, on_property);
    assert_int_equal(gsasl_server_start(s->library, auth_name(mechanism), &s->session), GSASL_OK);
}

static int server_hear(struct server *s, const char *line)
{
    static char heard[16384];
    int len = base64_decode(span_of(line), heard);
    char *said = NULL;
    size_t said_len = 0;

    assert_true(len >= 0);
    heard[len] = '\0'; /* it looks for one behind it */
    free(s->out);
    s->out = NULL;
    int status = gsasl_step(s->session, heard, (size_t)len, &said, &said_len);
    if (status == GSASL_OK || status == GSASL_NEEDS_MORE) {
        s->out = calloc(1, base64_len(said_len) + 1);
        base64_encode((struct span){said, said_len}, s->out);
        gsasl_free(said);
    }
    return status;
}

static void server_close(struct server *s)
{
    free(s->out);
    gsasl_finish(s->session);
    gsasl_done(s->library);
}

/* The whole exchange as SMTP carries it; what the server thinks of it. */
static int log_in(enum auth_mechanism m, const enum auth_progress *wanted)
{
    struct server server;
    const char *said = "";
    int status;

    begin(m);
    server_open(&server);
    if (auth_client_speaks_first(m)) {
        assert_int_equal(ask_first(), *wanted++);
        said = got.line;
    }
    while ((status = server_hear(&server, said)) == GSASL_NEEDS_MORE ||
           (status == GSASL_OK && server.out && *server.out)) {
        assert_int_equal(ask_raw(false, server.out), *wanted++);
        said = got.line;
        if (status == GSASL_OK)
            break;
    }
    server_close(&server);
    return status;
}

static const struct {
    enum auth_mechanism mechanism;
    enum auth_progress progress[3];
} by_password[] = {
    {AUTH_PLAIN, {AUTH_SAID}},
    {AUTH_LOGIN, {AUTH_MORE, AUTH_SAID}},
    {AUTH_CRAM_MD5, {AUTH_SAID}},
    {AUTH_SCRAM_SHA_1, {AUTH_MORE, AUTH_MORE, AUTH_SAID}},
    {AUTH_SCRAM_SHA_256, {AUTH_MORE, AUTH_MORE, AUTH_SAID}},
};

static void the_right_password(void **state)
{
    (void)state;
    known_password = PASSWORD;
    for (size_t i = 0; i < sizeof by_password / sizeof by_password[0]; i++) {
        assert_int_equal(log_in(by_password[i].mechanism, by_password[i].progress), GSASL_OK);
        assert_int_equal(got.progress, AUTH_SAID);
        assert_false(shows("535 " PASSWORD));
        assert_true(shows("235 " USER));
    }
}

static void the_wrong_password(void **state)
{
    (void)state;
    known_password = "another";
    for (size_t i = 0; i < sizeof by_password / sizeof by_password[0]; i++)
        assert_int_equal(log_in(by_password[i].mechanism, by_password[i].progress),
                         GSASL_AUTHENTICATION_ERROR);
}

/* ---- vectors ---- */

static void set_password(const char *text)
{
    secret_free(password);
    login.password = password = secret_new(span_of(text));
}

static void set_token(const char *text)
{
    secret_free(token);
    login.token = token = secret_new(span_of(text));
}

static void plain(void **state) /* RFC 4616 section 4, without an authorization identity */
{
    (void)state;
    login.username = "tim";
    set_password("tanstaaftanstaaf");
    begin(AUTH_PLAIN);
    assert_int_equal(ask_first(), AUTH_SAID);
    says("AHRpbQB0YW5zdGFhZnRhbnN0YWFm");
    assert_false(shows(got.line));
    begin(AUTH_PLAIN); /* when the first response must not go with the command */
    assert_int_equal(ask(""), AUTH_SAID);
    says("AHRpbQB0YW5zdGFhZnRhbnN0YWFm");
}

static void cram_md5(void **state) /* RFC 2195 section 2 */
{
    (void)state;
    login.username = "tim";
    set_password("tanstaaftanstaaf");
    begin(AUTH_CRAM_MD5);
    assert_int_equal(ask("<1896.697170952@postoffice.reston.mci.net>"), AUTH_SAID);
    assert_string_equal(response(), "tim b913a602c7eda7a495b4e6e7334d3890");
    says("dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw");
    assert_false(shows("535 b913a602c7eda7a495b4e6e7334d3890"));
    assert_false(shows(got.line));
}

/* Whatever the prompts say. What is said first is no secret. */
static void login_prompts(void **state)
{
    (void)state;
    login.username = "tim";
    set_password("s3cr3t");
    begin(AUTH_LOGIN);
    assert_int_equal(ask("Username:"), AUTH_MORE);
    says("dGlt");
    assert_true(shows("334 dGlt tim"));
    assert_int_equal(ask("Password:"), AUTH_SAID);
    says("czNjcjN0");
    assert_false(shows("s3cr3t"));
    assert_false(shows("czNjcjN0"));
    begin(AUTH_LOGIN);
    assert_int_equal(ask(""), AUTH_MORE);
    assert_int_equal(ask_raw(false, "VXNlciBOYW1lAA=="), AUTH_SAID);
}

static void external(void **state)
{
    (void)state;
    begin(AUTH_EXTERNAL);
    assert_int_equal(ask_first(), AUTH_SAID);
    assert_string_equal(response(), USER);
    login.username = "";
    begin(AUTH_EXTERNAL);
    assert_int_equal(ask_first(), AUTH_SAID);
    says("");
    login.username = NULL;
    login.password = NULL;
    begin(AUTH_EXTERNAL);
    assert_int_equal(ask(""), AUTH_SAID);
    says("");
}

static void xoauth2(void **state) /* as Google shows it */
{
    (void)state;
    login.username = "someuser@example.com";
    begin(AUTH_XOAUTH2);
    assert_int_equal(ask_first(), AUTH_SAID);
    says(
        "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRX"
        "VZMjl0Q2cBAQ==");
    assert_false(shows(TOKEN));
    assert_false(shows(got.line));
}

static void oauthbearer(void **state) /* RFC 7628 section 4.1 */
{
    (void)state;
    login.username = "user@example.com";
    set_token("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==");
    mechanism = AUTH_OAUTHBEARER;
    sasl = sasl_new(&loop, &login, "server.example.com", 143);
    assert_int_equal(ask_first(), AUTH_SAID);
    says(
        "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyIHZGOWRmdDRxbV"
        "RjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB");
}

static void oauthbearer_names(void **state)
{
    (void)state;
    login.username = "a,b=c";
    set_token("t");
    begin(AUTH_OAUTHBEARER);
    assert_int_equal(ask_first(), AUTH_SAID);
    assert_string_equal(response(),
                        "n,a=a=2Cb=3Dc,\001host=mx.example.org\001port=587\001auth=Bearer t\001\001");
    login.username = "";
    begin(AUTH_OAUTHBEARER);
    assert_int_equal(ask_first(), AUTH_SAID);
    assert_string_equal(response(), "n,,\001host=mx.example.org\001port=587\001auth=Bearer t\001\001");
    sasl_free(sasl);
    sasl = sasl_new(&loop, &login, "unix:/run/lmtp", 0);
    assert_int_equal(ask_first(), AUTH_SAID);
    assert_string_equal(response(), "n,,\001auth=Bearer t\001\001");
}

/* Nothing borrowed is touched: the login and its secrets may go before they are used. */
static void what_is_given_is_copied(void **state)
{
    char name[] = "tim", host[] = "mx.example.org";
    struct auth_login *gone = malloc(sizeof *gone);

    (void)state;
    *gone = login;
    gone->username = name;
    gone->password = secret_new(span_of("tanstaaftanstaaf"));
    mechanism = AUTH_PLAIN;
    sasl = sasl_new(&loop, gone, host, 25);
    secret_free((struct secret *)gone->password);
    free(gone);
    memset(name, '#', sizeof name);
    memset(host, '#', sizeof host);
    assert_int_equal(ask_first(), AUTH_SAID);
    says("AHRpbQB0YW5zdGFhZnRhbnN0YWFm");
}

/* ---- many, and gone ---- */

/* Before a word is said: who has the secrets from another login may show them in its greeting. */
static void hidden_from_the_start(void **state)
{
    char out[256];

    (void)state;
    sasl_free(sasl);
    set_token("ya29.token");
    sasl = sasl_new(&loop, &login, "mx.example.org", 587);
    size_t len = mask_apply(sasl_mask(sasl), span_of("<" PASSWORD "> ya29.token eWEyOS50b2tlbg=="), out);
    assert_int_equal(len, strlen("<***> *** ***"));
    assert_memory_equal(out, "<***> *** ***", len);
}

struct one {
    struct sasl *sasl;
    unsigned answers;
    bool said;
};

static size_t said_count;
static bool all_said;

static void on_one(void *context, const struct auth_answer *answer)
{
    struct one *one = context;

    one->answers++;
    assert_true(answer->progress == AUTH_SAID);
    if (++said_count == 100)
        all_said = true;
    if (one->said) { /* it may free itself */
        sasl_free(one->sasl);
        one->sasl = NULL;
    }
}

static void a_hundred_at_once(void **state)
{
    struct auth_question question = {.mechanism = AUTH_CRAM_MD5, .challenge = "PDEuMkBteD4="};
    static struct one ones[100];

    (void)state;
    said_count = 0;
    all_said = false;
    for (size_t i = 0; i < 100; i++) {
        ones[i] = (struct one){.sasl = sasl_new(&loop, &login, "mx", 25), .said = i % 2};
        sasl_ask(ones[i].sasl, &question, on_one, &ones[i]);
    }
    assert_true(stage_run_until(&loop, &all_said));
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(ones[i].answers, 1);
        sasl_free(ones[i].sasl);
    }
}

static void on_answer_unless_freed(void *context, const struct auth_answer *answer)
{
    assert_false(*(bool *)context);
    assert_int_equal(answer->progress, AUTH_MORE);
}

/* More than there are threads: some are answered, some under way, some wait for a thread; most are orphans.
 */
static void gone_while_it_is_answered(void **state)
{
    struct auth_question question = {.mechanism = AUTH_SCRAM_SHA_256, .first = true, .challenge = ""};
    static bool freed[30];

    (void)state;
    for (size_t i = 0; i < 30; i++) {
        struct sasl *s = sasl_new(&loop, &login, "mx", 25);
        freed[i] = false;
        sasl_ask(s, &question, on_answer_unless_freed, &freed[i]);
        if (i % 3 == 0)
            stage_run_for(&loop, 0);
        if (i % 3 == 1)
            stage_be_late(CLOCK_US_PER_MS);
        sasl_free(s);
        freed[i] = true;
    }
    uv_run(&loop, UV_RUN_DEFAULT);
}

/* That is what tear_down's stage_close is about: nothing is left that keeps the loop alive. */
static void gone_in_the_middle_of_an_exchange(void **state)
{
    (void)state;
    begin(AUTH_SCRAM_SHA_1);
    assert_int_equal(ask_first(), AUTH_MORE);
    sasl_free(NULL);
}

static unsigned ticks;
static int64_t last_tick_us, longest_us;

static void on_tick(uv_timer_t *timer)
{
    int64_t now_us = clock_mono_us();

    (void)timer;
    if (ticks++ && now_us - last_tick_us > longest_us)
        longest_us = now_us - last_tick_us;
    last_tick_us = now_us;
}

static void the_loop_turns_while_it_computes(void **state)
{
    uv_timer_t *timer = handle_timer(&loop, NULL);
    int64_t begun_us;

    (void)state;
    begin(AUTH_SCRAM_SHA_256);
    assert_int_equal(ask_first(), AUTH_MORE);
    ticks = 0;
    longest_us = 0;
    uv_timer_start(timer, on_tick, 0, 5);
    begun_us = clock_mono_us();
    assert_int_equal(ask(server_first("x", "s=QUJDREVGRw==,i=600000")), AUTH_MORE);
    int64_t took_us = clock_mono_us() - begun_us;
    assert_true(took_us > 50 * CLOCK_US_PER_MS); /* there was something to compute */
    assert_true(ticks >= 5);
    assert_true(longest_us < took_us / 2);
    handle_close_timer(timer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_right_password),
        TEST(the_wrong_password),
        TEST(plain),
        TEST(cram_md5),
        TEST(login_prompts),
        TEST(external),
        TEST(xoauth2),
        TEST(oauthbearer),
        TEST(oauthbearer_names),
        TEST(what_is_given_is_copied),
        TEST(hidden_from_the_start),
        TEST(a_hundred_at_once),
        TEST(gone_while_it_is_answered),
        TEST(gone_in_the_middle_of_an_exchange),
        TEST(the_loop_turns_while_it_computes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
