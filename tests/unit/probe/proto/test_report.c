/* SPDX-License-Identifier: Apache-2.0 */
/* V06: reports on what became of a message, as mail servers write them. TOKEN in a row is a token. */
#include "probe/proto/report.h"

#include "probe/base/buffer.h"
#include "probe/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define REPORT(type, boundary)                                                                               \
    "From: MAILER-DAEMON@mx.example.org\r\nAuto-Submitted: auto-replied\r\n"                                 \
    "Content-Type: multipart/report; report-type=" type ";\r\n\tboundary=\"" boundary "\"\r\n\r\n"           \
    "This is a MIME-encapsulated message.\r\n\r\n"
#define STATUS   "Content-Type: message/delivery-status\r\n\r\n"
#define MTA      "Reporting-MTA: dns; mx.example.org\r\n\r\n"
#define FAILED   "Final-Recipient: rfc822; b@example.org\r\nAction: failed\r\nStatus: 5.1.1\r\n"
#define RETURNED "Content-Type: message/rfc822\r\n\r\nSubject: x\r\nX-Ehlod-Token: TOKEN\r\n\r\nx\r\n"

static const struct {
    const char *what, *text;
    int found;
    struct bounce bounce;
} rows[] = {
    {"Postfix",
     REPORT(
         "delivery-status",
         "4Z.1/mx.example.org") "--4Z.1/mx.example.org\r\nContent-Description: "
                                "Notification\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\nThis is the mail system.\r\n\r\n"
                                "--4Z.1/mx.example.org\r\nContent-Description: Delivery report\r\n" STATUS
                                "Reporting-MTA: dns; mx.example.org\r\nX-Postfix-Queue-ID: 4Z\r\nArrival-Date: Mon, 23 Nov 2026\r\n\r\n"
                                "Final-Recipient: rfc822; c@example.org\r\nOriginal-Recipient: rfc822;b@example.org\r\nAction: failed\r\n"
                                "Status: 5.1.1\r\nRemote-MTA: dns; store.example.org\r\nDiagnostic-Code: smtp; 550 5.1.1\r\n"
                                "    <c@example.org>: no such user\r\n\r\n--4Z.1/mx.example.org\r\nContent-Description: Undelivered "
                                "Message Headers\r\nContent-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
                                "Return-Path: <a@example.org>\r\nX-Ehlod-Token: TOKEN\r\n\r\n--4Z.1/mx.example.org--\r\n",
     1,
     {"failed", "5.1.1", "smtp; 550 5.1.1 <c@example.org>: no such user", "b@example.org", "mx.example.org"}},
    {"internationalized (RFC 6533)",
     REPORT("delivery-status",
            "b") "--b\r\nContent-Type: message/global-delivery-status\r\n\r\n" MTA
                 "Final-Recipient: utf-8; b\303\274@example.org\r\nAction: failed\r\nStatus: 5.6.7\r\n\r\n"
                 "--b\r\nContent-Type: message/global-headers\r\n\r\nX-Ehlod-Token: TOKEN\r\n\r\n--b--\r\n",
     1,
     {"failed", "5.6.7", NULL, "b\303\274@example.org", "mx.example.org"}},
    {"the worst of several",
     REPORT(
         "delivery-status",
         "b") "--b\r\n" STATUS MTA
              "Final-Recipient: rfc822; a@example.org\r\nAction: delivered\r\nStatus: 2.0.0\r\n\r\n"
              "Final-Recipient: rfc822; b@example.org\r\nAction: FAILED (really)\r\nStatus: 5.2.2 (full)\r\n\r\n"
              "Final-Recipient: rfc822; c@example.org\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n"
              "Final-Recipient: rfc822; d@example.org\r\nAction: delayed\r\nStatus: 4.0.0\r\n\r\n--b\r\n" RETURNED,
     1,
     {"failed", "5.2.2", NULL, "b@example.org", "mx.example.org"}},
    {"a delay",
     REPORT("delivery-status", "b") "--b\r\n" STATUS
         MTA "Final-Recipient: rfc822; a@example.org\r\nAction: delayed\r\nStatus: 4.4.1\r\n\r\n--b\r\n" RETURNED,
     1,
     {"delayed", "4.4.1", NULL, "a@example.org", "mx.example.org"}},
    {"the envelope's id",
     REPORT("delivery-status", "b") "--b\r\n" STATUS "Original-Envelope-Id: TOKEN\r\n" MTA FAILED "\r\n--b--",
     1,
     {"failed", "5.1.1", NULL, "b@example.org", "mx.example.org"}},
    {"no field of ours, but the Message-ID",
     REPORT(
         "delivery-status",
         "b") "--b\r\n" STATUS MTA FAILED
              "\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <TOKEN@probe.example.net>\r\n\r\n--b--\r\n",
     1,
     {"failed", "5.1.1", NULL, "b@example.org", "mx.example.org"}},
    {"boundaries that only look like it",
     REPORT("delivery-status",
            "b") "--b-1\r\n" STATUS MTA FAILED "\r\n--b  \t\r\n" STATUS MTA
                 "Action: failed\r\n\r\n--bb\r\nContent-Type: text/plain\r\n\r\n--b\r\n" RETURNED "--b--\r\n",
     1,
     {"failed", NULL, NULL, NULL, "mx.example.org"}},
    {"bare LF, and nothing is closed",
     "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: "
     "message/delivery-status\n\nReporting-MTA: mx\n\nAction: failed\nStatus: 5.9\n\n--b\nContent-Type: "
     "message/rfc822\n\nX-Ehlod-Token: TOKEN\n\n",
     1,
     {"failed", NULL, NULL, NULL, "mx"}},
    {"the message before what became of it",
     REPORT("delivery-status", "b") "--b\r\n" RETURNED "--b\r\n" STATUS MTA FAILED "\r\n--b--\r\n",
     1,
     {"failed", "5.1.1", NULL, "b@example.org", "mx.example.org"}},
    {"controls",
     REPORT("delivery-status", "b") "--b\r\n" STATUS "Reporting-MTA: dns; m\001x\r\n\r\n" FAILED
                                    "Diagnostic-Code: smtp; \377\r\n\r\n--b\r\n" RETURNED,
     1,
     {"failed", "5.1.1", "smtp; \\xFF", "b@example.org", "m\\x01x"}},
    {"Exim of old",
     "From: Mail Delivery System <Mailer-Daemon@mx.example.org>\r\nAuto-Submitted: auto-replied\r\n"
     "X-Failed-Recipients: b@example.org, c@example.org\r\nSubject: Mail delivery failed\r\n\r\nThis message "
     "was created automatically by mail delivery software.\r\n\r\n  b@example.org\r\n    host "
     "store.example.org [192.0.2.9]\r\n    SMTP error from remote mail server after RCPT TO:<b@example.org>:"
     "\r\n    550 5.1.1 no such user\r\n  c@example.org\r\n    Unrouteable\r\n\r\n------ This is a copy of the "
     "message, including all the headers. ------\r\n\r\nReturn-path: <a@example.org>\r\nX-Ehlod-Token: TOKEN"
     "\r\n\r\nx\r\n",
     1,
     {"failed", "5.1.1",
      "host store.example.org [192.0.2.9] SMTP error from remote mail server after RCPT TO:<b@example.org>: "
      "550 5.1.1 no such user c@example.org Unrouteable",
      "b@example.org", NULL}},
    {"qmail",
     "Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example.org\r\nSubject: failure notice\r\n\r\nHi. This is the "
     "qmail-send program at mx.example.org.\r\nI'm afraid I wasn't able to deliver your message.\r\n\r\n"
     "<b@example.org>:\r\nSorry, no mailbox here by that name. (#5.1.1)\r\n\r\n--- Below this line is a copy "
     "of the message.\r\n\r\nReturn-Path: <a@example.org>\r\nX-Ehlod-Token: TOKEN\r\n\r\nx\r\n",
     1,
     {"failed", "5.1.1", "Sorry, no mailbox here by that name. (#5.1.1)", "b@example.org", "mx.example.org"}},
    /* nothing is learned from these */
    {"no token",
     REPORT("delivery-status", "b") "--b\r\n" STATUS MTA FAILED
                                    "\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
                                    "Subject: x\r\n\r\n--b--\r\n",
     0,
     {0}},
    {"nobody", REPORT("delivery-status", "b") "--b\r\n" STATUS MTA "\r\n--b\r\n" RETURNED, 0, {0}},
    {"an unknown action",
     REPORT("delivery-status", "b") "--b\r\n" STATUS MTA "Action: eaten\r\n\r\n--b\r\n" RETURNED,
     0,
     {0}},
    {"what happened in another part",
     REPORT("delivery-status", "b") "--b\r\nContent-Type: text/plain\r\n\r\n" MTA FAILED
                                    "\r\n--b\r\n" RETURNED,
     0,
     {0}},
    {"what stands behind its end",
     REPORT("delivery-status", "b") "--b\r\n" STATUS MTA FAILED "\r\n--b--\r\n--b\r\n" RETURNED,
     0,
     {0}},
    {"a report inside of another message",
     "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n" REPORT(
         "delivery-status", "b") "--b\r\n" STATUS MTA FAILED "\r\n--b\r\n" RETURNED,
     0,
     {0}},
    {"a report on having read it",
     REPORT("disposition-notification", "b") "--b\r\n" STATUS MTA FAILED "\r\n--b\r\n" RETURNED,
     0,
     {0}},
    {"no boundary",
     "Content-Type: multipart/report; report-type=delivery-status\r\n\r\n--b\r\n" STATUS MTA FAILED
     "\r\n--b\r\n" RETURNED,
     0,
     {0}},
    {"an empty one", REPORT("delivery-status", "") "--\r\n" STATUS MTA FAILED "\r\n--\r\n" RETURNED, 0, {0}},
    {"an answer that quotes",
     "Auto-Submitted: auto-replied\r\nSubject: gone\r\n\r\n------ you wrote\r\n\r\nX-Ehlod-Token: TOKEN\r\n\r\n",
     0,
     {0}},
    {"Exim without the recipient in its text",
     "Auto-Submitted: auto-replied\r\nX-Failed-Recipients: b@example.org\r\n\r\nno\r\n\r\n------ This is a copy"
     "\r\n\r\nX-Ehlod-Token: TOKEN\r\n\r\n",
     0,
     {0}},
    {"qmail from somebody",
     "Return-Path: <a@example.org>\r\n\r\nHi. This is the qmail-send program at mx.\r\n\r\n<b@example.org>:\r\n"
     "no\r\n\r\n--- Below\r\n\r\nX-Ehlod-Token: TOKEN\r\n\r\n",
     0,
     {0}},
    {"a message", "Subject: x\r\nX-Ehlod-Token: TOKEN\r\n\r\nx\r\n", 0, {0}},
    {"nothing", "", 0, {0}},
};

static const char *the_token(void)
{
    static char token[MESSAGE_TOKEN_SIZE];

    memset(token, 'a', sizeof token - 1);
    memcpy(token, "ehlod-", 6);
    return token;
}

/* The row's text with a token in it. */
static void fill(struct buffer *out, const char *text)
{
    const char *at;

    for (; (at = strstr(text, "TOKEN")); text = at + 5) {
        buffer_put(out, text, (size_t)(at - text));
        buffer_puts(out, the_token());
    }
    buffer_puts(out, text);
}

static bool is_same(const char *is, const char *wanted)
{
    return is && wanted ? strcmp(is, wanted) == 0 : is == wanted;
}

static void test_v06_reports(void **state)
{
    struct arena a = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct bounce *wanted = &rows[i].bounce;
        struct bounce b = {0};
        char token[MESSAGE_TOKEN_SIZE] = "";
        struct buffer text;
        buffer_init(&text, 1 << 20);
        fill(&text, rows[i].text);
        int found = report_read(&a, buffer_span(&text), token, &b);
        if (found != rows[i].found || !is_same(b.action, wanted->action) ||
            !is_same(b.status, wanted->status) || !is_same(b.diagnostic, wanted->diagnostic) ||
            !is_same(b.recipient, wanted->recipient) || !is_same(b.reporter, wanted->reporter))
            fail_msg("%s: %d, %s %s of %s by %s: %s", rows[i].what, found, b.action, b.status, b.recipient,
                     b.reporter, b.diagnostic);
        assert_string_equal(token, found ? the_token() : "");
        assert_true(!found || report_is_one(buffer_span(&text)));
        buffer_free(&text);
    }
    arena_free(&a);
}

/* What a store shows as a report, and what not. */
static void test_what_is_one(void **state)
{
    static const char *const others[] = {
        "",
        "Subject: x\r\n\r\nContent-Type: multipart/report; report-type=delivery-status\r\n",
        "Content-Type: multipart/report; report-type=disposition-notification; boundary=b\r\n\r\n",
        "Content-Type: multipart/report; boundary=b\r\n\r\n",
        "Content-Type: text/plain; report-type=delivery-status\r\n\r\n",
        "X-Failed-Recipients: a@example.org\r\n\r\n",
        "X-Failed-Recipients: a@example.org\r\nAuto-Submitted: no\r\n\r\n",
        "From: a@example.org\r\n\r\nHi. This is the qmail-send program at mx.\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (report_is_one(span_of(others[i])))
            fail_msg("%s", others[i]);
    assert_true(report_is_one(
        span_of("content-type: Multipart/Report;\r\n\treport-type=\"Delivery-Status\"; boundary=b\r\n\r\n")));
}

/* Ten thousand parts, and nested ones: what stands behind the first of them is not looked at. */
static void test_many_parts(void **state)
{
    struct arena a = {0};
    struct buffer text;
    struct bounce b;
    char token[MESSAGE_TOKEN_SIZE];

    (void)state;
    buffer_init(&text, 1 << 20);
    buffer_puts(&text, REPORT("delivery-status", "b"));
    for (int i = 0; i < 10000; i++)
        buffer_puts(&text, "--b\r\n");
    fill(&text, STATUS MTA FAILED "\r\n--b\r\n" RETURNED);
    assert_int_equal(report_read(&a, buffer_span(&text), token, &b), 0);
    buffer_free(&text);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_v06_reports),
        cmocka_unit_test(test_what_is_one),
        cmocka_unit_test(test_many_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
