/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/result.h"

#include "probe/base/arena.h"
#include "probe/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* In the arena, so that a pointer into the draft is seen once that is freed. */
static const char *text(struct arena *a, const char *s)
{
    return arena_dup(a, s);
}

static struct result_failure a_failure(struct arena *a, const char *message)
{
    return (struct result_failure){.phase = PHASE_RCPT,
                                   .reason = REASON_REJECTED,
                                   .route = text(a, "in"),
                                   .code = 550,
                                   .enhanced = {5, 1, 1},
                                   .message = text(a, message),
                                   .limit_us = -1,
                                   .elapsed_us = 7};
}

static void add_commands(struct arena *a, struct result *r)
{
    struct result_command *commands = arena_alloc(a, 2 * sizeof(*commands));
    const char **lines = arena_alloc(a, 2 * sizeof(*lines));

    lines[0] = text(a, "mx.example.org");
    lines[1] = text(a, "\\xFF");
    commands[0] = (struct result_command){.phase = PHASE_EHLO,
                                          .route = -1,
                                          .sent = text(a, "EHLO a"),
                                          .at_us = 1,
                                          .first_byte_us = 2,
                                          .reply_us = 3,
                                          .replied = true,
                                          .reply = {250, {2, 0, 0}, lines, 2, true},
                                          .expected = text(a, "250"),
                                          .ok = true};
    commands[1] = (struct result_command){.phase = PHASE_MAIL, .route = 0, .sent = text(a, "MAIL FROM:<>")};
    r->commands = commands;
    r->command_count = 2;
}

/* What was found, and what came back. */
static struct delivery a_delivery(struct arena *a)
{
    struct evidence *e = arena_alloc(a, sizeof(*e));
    struct evidence_hop *hops = arena_alloc(a, 2 * sizeof(*hops));
    struct evidence_field *fields = arena_alloc(a, sizeof(*fields));
    const char **auth = arena_alloc(a, sizeof(*auth)), **changes = arena_alloc(a, sizeof(*changes));
    struct bounce *bounce = arena_alloc(a, sizeof(*bounce));

    hops[0] = (struct evidence_hop){text(a, "mx1"), text(a, "probe"), text(a, "ESMTPS"), 7, 8};
    hops[1] = (struct evidence_hop){.by = text(a, "mx2"), .at_wall_us = -1, .delay_us = -1};
    *fields = (struct evidence_field){text(a, "Subject"), text(a, "x")};
    *auth = text(a, "mx1; spf=pass");
    *changes = text(a, "body");
    *e = (struct evidence){.size = 9,
                           .hops = hops,
                           .hop_count = 2,
                           .hop_total = 3,
                           .auth = auth,
                           .auth_count = 1,
                           .fields = fields,
                           .field_count = 1,
                           .field_total = 1,
                           .changes = changes,
                           .change_count = 1};
    *bounce = (struct bounce){
        .action = text(a, "failed"), .status = text(a, "5.1.1"), .reporter = text(a, "mx.example.org")};
    return (struct delivery){.state = ROUTE_LATE,
                             .run = text(a, "01JD9H"),
                             .mailbox = text(a, "local"),
                             .found = text(a, "imap Junk"),
                             .why = text(a, "refused"),
                             .latency_us = 77,
                             .evidence = e,
                             .bounce = bounce};
}

static void add_routes(struct arena *a, struct result *r)
{
    struct result_recipient *to = arena_alloc(a, 2 * sizeof(*to));
    struct result_route *routes = arena_alloc(a, sizeof(*routes));

    to[0] = (struct result_recipient){text(a, "a@example.org"), 550, {5, 1, 1}, text(a, "no"), TRI_FALSE};
    to[1] = (struct result_recipient){.to = text(a, "b@example.org"), .ok = TRI_NULL};
    routes[0] = (struct result_route){.name = text(a, "in"),
                                      .from = text(a, ""),
                                      .expect = EXPECT_ACCEPTED,
                                      .state = ROUTE_REJECTED,
                                      .ok = TRI_FALSE,
                                      .recipients = to,
                                      .recipient_count = 2,
                                      .token = text(a, "ehlod-1"),
                                      .message_id = text(a, "<ehlod-1@a>"),
                                      .queue_id = text(a, "4Z1x"),
                                      .octets = 21,
                                      .sent_us = 5,
                                      .final = {250, {2, 0, 0}, text(a, "Ok")},
                                      .delivery = a_delivery(a)};
    r->routes = routes;
    r->route_count = 1;
}

static void add_rest(struct arena *a, struct result *r)
{
    struct result_extension *extensions = arena_alloc(a, sizeof(*extensions));
    struct result_attempt *attempts = arena_alloc(a, 2 * sizeof(*attempts));

    *extensions = (struct result_extension){text(a, "SIZE"), text(a, "1000")};
    r->extensions = extensions;
    r->extension_count = 1;
    attempts[0] = (struct result_attempt){.failure = a_failure(a, "unreachable"), .connect_us = 5};
    attempts[1] = (struct result_attempt){.connect_us = 6,
                                          .host = arena_dup(a, "mx2.example.org"),
                                          .id = arena_dup(a, "01JD9K"),
                                          .status = STATUS_WARN,
                                          .summary = arena_dup(a, "it works")};
    r->attempts = attempts;
    r->attempt_count = 2;
    r->last_ok = (struct result_last_ok){text(a, "01JD9J"), 11, 250, 12};
}

static void add_tls(struct arena *a, struct result *r)
{
    struct result_tls *tls = arena_alloc(a, sizeof(*tls));
    struct result_certificate *chain = arena_alloc(a, 2 * sizeof(*chain));
    const char **names = arena_alloc(a, 2 * sizeof(*names));

    names[0] = text(a, "mx.example.org");
    names[1] = text(a, "192.0.2.1");
    chain[0] = (struct result_certificate){.subject = text(a, "CN=mx"),
                                           .issuer = text(a, "CN=CA"),
                                           .names = names,
                                           .name_count = 2,
                                           .name_total = 30,
                                           .not_before_wall_us = -7,
                                           .not_after_wall_us = 8,
                                           .sha256 = text(a, "00ff"),
                                           .key = text(a, "EC 256")};
    chain[1] = (struct result_certificate){.subject = text(a, "CN=CA"), .key = text(a, "RSA 2048")};
    *tls = (struct result_tls){.version = text(a, "TLSv1.3"),
                               .cipher = text(a, "TLS_AES_256_GCM_SHA384"),
                               .group = text(a, "X25519"),
                               .alert = text(a, "unrecognized_name"),
                               .verified = TRI_FALSE,
                               .reason = REASON_CERT_EXPIRED,
                               .chain = chain,
                               .chain_count = 2};
    r->tls = tls;
}

static struct result make_draft(struct arena *a)
{
    struct result r = {.status = STATUS_FAIL,
                       .target = text(a, "mx1"),
                       .id = text(a, "01JD9K"),
                       .vantage = text(a, "fra1"),
                       .summary = text(a, "no"),
                       .failure = a_failure(a, "no such user"),
                       .flags = UINT64_C(1) << FLAG_SLOW,
                       .duration_us = 99,
                       .host = text(a, "mx.example.org"),
                       .port = 25,
                       .peer_name = text(a, "mx")};
    add_commands(a, &r);
    add_routes(a, &r);
    add_rest(a, &r);
    add_tls(a, &r);
    r.login = text(a, "probe (PLAIN)");
    return r;
}

static void check_texts(const struct result *r)
{
    assert_string_equal(r->target, "mx1");
    assert_string_equal(r->id, "01JD9K");
    assert_string_equal(r->vantage, "fra1");
    assert_string_equal(r->summary, "no");
    assert_string_equal(r->host, "mx.example.org");
    assert_string_equal(r->peer_name, "mx");
    assert_string_equal(r->failure.route, "in");
    assert_string_equal(r->failure.message, "no such user");
    assert_string_equal(r->last_ok.run, "01JD9J");
}

static void check_lists(const struct result *r)
{
    assert_int_equal(r->command_count, 2);
    assert_string_equal(r->commands[0].sent, "EHLO a");
    assert_string_equal(r->commands[0].expected, "250");
    assert_int_equal(r->commands[0].reply.code, 250);
    assert_int_equal(r->commands[0].reply.line_count, 2);
    assert_string_equal(r->commands[0].reply.lines[0], "mx.example.org");
    assert_string_equal(r->commands[0].reply.lines[1], "\\xFF");
    assert_true(r->commands[0].reply.escaped);
    assert_int_equal(r->commands[0].reply_us, 3);
    assert_string_equal(r->commands[1].sent, "MAIL FROM:<>");
    assert_null(r->commands[1].expected);
    assert_int_equal(r->route_count, 1);
    assert_string_equal(r->routes[0].name, "in");
    assert_string_equal(r->routes[0].from, "");
    assert_string_equal(r->routes[0].token, "ehlod-1");
    assert_string_equal(r->routes[0].message_id, "<ehlod-1@a>");
    assert_string_equal(r->routes[0].queue_id, "4Z1x");
    assert_int_equal(r->routes[0].octets, 21);
    assert_int_equal(r->routes[0].sent_us, 5);
    assert_int_equal(r->routes[0].final.code, 250);
    assert_string_equal(r->routes[0].final.text, "Ok");
    assert_int_equal(r->routes[0].delivery.state, ROUTE_LATE);
    assert_string_equal(r->routes[0].delivery.run, "01JD9H");
    assert_string_equal(r->routes[0].delivery.mailbox, "local");
    assert_int_equal(r->routes[0].delivery.latency_us, 77);
    assert_int_equal(r->routes[0].recipient_count, 2);
    assert_string_equal(r->routes[0].recipients[0].to, "a@example.org");
    assert_string_equal(r->routes[0].recipients[0].text, "no");
    assert_string_equal(r->routes[0].recipients[1].to, "b@example.org");
    assert_null(r->routes[0].recipients[1].text);
    assert_int_equal(r->extension_count, 1);
    assert_string_equal(r->extensions[0].keyword, "SIZE");
    assert_string_equal(r->extensions[0].params, "1000");
    assert_int_equal(r->attempt_count, 2);
    assert_string_equal(r->attempts[0].failure.message, "unreachable");
    assert_string_equal(r->attempts[0].failure.route, "in");
    assert_null(r->attempts[1].failure.message);
    assert_int_equal(r->attempts[1].connect_us, 6);
    assert_null(r->attempts[0].host);
    assert_string_equal(r->attempts[1].host, "mx2.example.org");
    assert_string_equal(r->attempts[1].id, "01JD9K");
    assert_string_equal(r->attempts[1].summary, "it works");
    assert_int_equal(r->attempts[1].status, STATUS_WARN);
}

static void check_delivery(const struct delivery *d)
{
    const struct evidence *e = d->evidence;

    assert_string_equal(d->found, "imap Junk");
    assert_string_equal(d->why, "refused");
    assert_int_equal(e->size, 9);
    assert_int_equal(e->hop_count, 2);
    assert_int_equal(e->hop_total, 3);
    assert_string_equal(e->hops[0].by, "mx1");
    assert_string_equal(e->hops[0].from, "probe");
    assert_string_equal(e->hops[0].with, "ESMTPS");
    assert_int_equal(e->hops[0].delay_us, 8);
    assert_string_equal(e->hops[1].by, "mx2");
    assert_null(e->hops[1].from);
    assert_string_equal(e->auth[0], "mx1; spf=pass");
    assert_string_equal(e->fields[0].name, "Subject");
    assert_string_equal(e->fields[0].value, "x");
    assert_string_equal(e->changes[0], "body");
    assert_string_equal(d->bounce->action, "failed");
    assert_string_equal(d->bounce->status, "5.1.1");
    assert_null(d->bounce->diagnostic);
    assert_null(d->bounce->recipient);
    assert_string_equal(d->bounce->reporter, "mx.example.org");
}

static void check_tls(const struct result_tls *tls)
{
    assert_string_equal(tls->version, "TLSv1.3");
    assert_string_equal(tls->cipher, "TLS_AES_256_GCM_SHA384");
    assert_string_equal(tls->group, "X25519");
    assert_string_equal(tls->alert, "unrecognized_name");
    assert_int_equal(tls->verified, TRI_FALSE);
    assert_int_equal(tls->reason, REASON_CERT_EXPIRED);
    assert_int_equal(tls->chain_count, 2);
    assert_string_equal(tls->chain[0].subject, "CN=mx");
    assert_string_equal(tls->chain[0].issuer, "CN=CA");
    assert_int_equal(tls->chain[0].name_count, 2);
    assert_int_equal(tls->chain[0].name_total, 30);
    assert_string_equal(tls->chain[0].names[0], "mx.example.org");
    assert_string_equal(tls->chain[0].names[1], "192.0.2.1");
    assert_int_equal(tls->chain[0].not_before_wall_us, -7);
    assert_int_equal(tls->chain[0].not_after_wall_us, 8);
    assert_string_equal(tls->chain[0].sha256, "00ff");
    assert_string_equal(tls->chain[0].key, "EC 256");
    assert_string_equal(tls->chain[1].key, "RSA 2048");
    assert_null(tls->chain[1].issuer);
    assert_int_equal(tls->chain[1].name_count, 0);
}

static void check_values(const struct result *r)
{
    assert_int_equal(r->status, STATUS_FAIL);
    assert_int_equal(r->flags, UINT64_C(1) << FLAG_SLOW);
    assert_int_equal(r->duration_us, 99);
    assert_int_equal(r->port, 25);
    assert_int_equal(r->failure.code, 550);
    assert_int_equal(r->failure.enhanced.detail, 1);
    assert_int_equal(r->last_ok.code, 250);
}

/* The draft is given back before the copy is looked at. */
static void test_deep_copy(void **state)
{
    struct arena arena = {0};
    struct result draft = make_draft(&arena);
    (void)state;

    struct result *r = result_publish(&draft);
    arena_free(&arena);
    memset(&draft, 0xa5, sizeof(draft));
    check_texts(r);
    check_lists(r);
    check_delivery(&r->routes[0].delivery);
    check_tls(r->tls);
    assert_string_equal(r->login, "probe (PLAIN)");
    check_values(r);
    result_unref(r);
}

static void test_copy_of_a_copy(void **state)
{
    struct arena arena = {0};
    struct result draft = make_draft(&arena);
    (void)state;

    struct result *first = result_publish(&draft);
    arena_free(&arena);
    struct result *second = result_publish(first);
    result_unref(first);
    check_texts(second);
    check_lists(second);
    check_tls(second->tls);
    result_unref(second);
}

static void test_empty(void **state)
{
    struct result draft = {0};
    (void)state;

    struct result *r = result_publish(&draft);
    assert_null(r->target);
    assert_null(r->failure.message);
    assert_null(r->tls);
    assert_int_equal(r->command_count + r->route_count + r->extension_count + r->attempt_count, 0);
    result_unref(r);
    result_unref(NULL);
}

static void test_lives_as_long_as_a_reference(void **state)
{
    struct result draft = {.target = "mx1"};
    (void)state;

    struct result *r = result_publish(&draft);
    assert_ptr_equal(result_ref(r), r);
    assert_ptr_equal(result_ref(r), r);
    result_unref(r);
    result_unref(r);
    assert_string_equal(r->target, "mx1");
    result_unref(r);
}

static void test_command_of(void **state)
{
    const struct result_command commands[] = {
        {.phase = PHASE_BANNER, .replied = true},
        {.phase = PHASE_RCPT, .replied = true, .reply = {.code = 250}},
        {.phase = PHASE_RCPT, .replied = true, .reply = {.code = 550}},
        {.phase = PHASE_RCPT},
        {.phase = PHASE_QUIT},
    };
    struct result r = {.commands = commands, .command_count = 5};
    (void)state;

    assert_ptr_equal(result_command_of(&r, PHASE_BANNER), &commands[0]);
    assert_ptr_equal(result_command_of(&r, PHASE_RCPT), &commands[2]);
    assert_null(result_command_of(&r, PHASE_QUIT));
    assert_null(result_command_of(&r, PHASE_MAIL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deep_copy),  cmocka_unit_test(test_copy_of_a_copy),
        cmocka_unit_test(test_empty),      cmocka_unit_test(test_lives_as_long_as_a_reference),
        cmocka_unit_test(test_command_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
