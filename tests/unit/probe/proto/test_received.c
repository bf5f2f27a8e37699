/* SPDX-License-Identifier: Apache-2.0 */
/* Fields Received, as the mail servers that are about write them. */
#include "probe/proto/received.h"

#include "probe/base/clock.h"
#include "probe/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define DATE "Mon, 23 Nov 2026 03:25:04 +0100"
#define TIME "2026-11-23T02:25:04.000000Z"

static const struct {
    const char *what, *value, *from, *by, *with, *at;
} rows[] = {
    {"Postfix",
     "from client.example.org (mail.example.org [192.0.2.7])\r\n\t(using TLSv1.3 with cipher X (256/256 bits)\r\n"
     "\t key-exchange X25519)\r\n\t(No client certificate requested)\r\n\tby mx.example.org (Postfix) with "
     "ESMTPS id 4Z1xAbCdEf\r\n\tfor <www@example.org>; " DATE " (CET)",
     "client.example.org (mail.example.org [192.0.2.7])", "mx.example.org", "ESMTPS", TIME},
    {"Postfix, from a user", "by mx.example.org (Postfix, from userid 0)\r\n\tid 4Z1x; " DATE, NULL,
     "mx.example.org", NULL, TIME},
    {"Exim",
     "from [192.0.2.7] (helo=client.example.org)\r\n\tby mx.example.org with esmtps  (TLS1.3) tls "
     "TLS_AES_256_GCM_SHA384\r\n\t(Exim 4.96)\r\n\t(envelope-from <a@example.org>)\r\n\tid 1t3hVX-0001qE-2b\r\n"
     "\tfor b@example.org;\r\n\t" DATE,
     "[192.0.2.7] (helo=client.example.org)", "mx.example.org", "esmtps", TIME},
    {"Sendmail",
     "from client.example.org (IDENT:u@client.example.org [192.0.2.7])\r\n\tby mx.example.org "
     "(8.17.1/8.17.1/Debian-2) with ESMTPS id 4AN2P4\r\n\t(version=TLSv1.3 cipher=X bits=256 verify=NOT)\r\n"
     "\tfor <b@example.org>; " DATE,
     "client.example.org (IDENT:u@client.example.org [192.0.2.7])", "mx.example.org", "ESMTPS", TIME},
    {"Sendmail, from a user", "(from root@localhost)\r\n\tby mx.example.org (8.17.1/Submit) id 4AN; " DATE,
     NULL, "mx.example.org", NULL, TIME},
    {"qmail", "(qmail 4711 invoked from network); 23 Nov 2026 02:25:04 -0000", NULL, NULL, NULL, TIME},
    {"qmail-smtpd",
     "from unknown (HELO client.example.org) (192.0.2.7)\r\n  by mx.example.org with SMTP; 23 Nov 2026 "
     "02:25:04 -0000",
     "unknown (HELO client.example.org) (192.0.2.7)", "mx.example.org", "SMTP", TIME},
    {"Exchange",
     "from A.example.com (2001:db8::1) by\r\n B.example.com (2001:db8::2) with Microsoft SMTP\r\n Server "
     "(version=TLS1_2,\r\n cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id 15.20.8182.16 via Frontend\r\n "
     "Transport; " DATE,
     "A.example.com (2001:db8::1)", "B.example.com", "Microsoft SMTP Server", TIME},
    {"an old Exchange",
     "from a.example.com ([192.0.2.7]) by b.example.com over TLS secured channel with Microsoft "
     "SMTPSVC(8.5.9600.16384);\r\n\t " DATE,
     "a.example.com ([192.0.2.7])", "b.example.com", "Microsoft SMTPSVC", TIME},
    {"Dovecot",
     "from mx.example.org\r\n\tby store.example.org with LMTP\r\n\tid abc/DEF\r\n\t(envelope-from "
     "<a@example.org>)\r\n\tfor <b@example.org>; " DATE,
     "mx.example.org", "store.example.org", "LMTP", TIME},
    {"Gmail",
     "by 2002:a05:6000:1841:b0:3a0 with SMTP id c1csp123wri;\r\n        Sun, 22 Nov 2026 18:25:04 -0800 (PST)",
     NULL, "2002:a05:6000:1841:b0:3a0", "SMTP", TIME},
    {"our own words as names", "from by by from with with; " DATE, "by", "from", "with", TIME},
    {"comments and comments", "from a (b) (c) (d) by e; " DATE, "a (b) (c)", "e", NULL, TIME},
    {"no name, only a comment", "from ([192.0.2.7]) by mx.example.org; " DATE, "([192.0.2.7])",
     "mx.example.org", NULL, TIME},
    {"twice", "from a from b by c by d with e with f; " DATE, "a", "c", "e", TIME},
    {"semicolons elsewhere", "from a (x; y) by \"b;c\" (z;); x; " DATE, "a (x; y)", "b;c", NULL, TIME},
    {"a comment that is never closed", "from a by b (Postfix with SMTP id 1; " DATE, "a", "b", NULL, TIME},
    {"no date", "from a by b with c", "a", "b", "c", NULL},
    {"a date that is none", "from a by b; yesterday", "a", "b", NULL, NULL},
    {"capitals", "FROM a BY b WITH c ID d; " DATE, "a", "b", "c", TIME},
    {"nothing", "", NULL, NULL, NULL, NULL},
    {"no name at all", "from", NULL, NULL, NULL, NULL},
    {"controls", "from a\001b by \377 with c; " DATE, "a\\x01b", "\\xFF", "c", TIME},
};

static bool is_same(const char *is, const char *wanted)
{
    return is && wanted ? strcmp(is, wanted) == 0 : is == wanted;
}

static void test_servers(void **state)
{
    struct arena a = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct evidence_hop hop;
        char at[TEXT_TIME_SIZE];
        received_read(&a, span_of(rows[i].value), &hop);
        text_time(hop.at_wall_us, at);
        if (!is_same(hop.from, rows[i].from) || !is_same(hop.by, rows[i].by) ||
            !is_same(hop.with, rows[i].with) ||
            !is_same(hop.at_wall_us == CLOCK_NONE ? NULL : at, rows[i].at))
            fail_msg("%s: from %s by %s with %s at %s", rows[i].what, hop.from, hop.by, hop.with, at);
        assert_true(hop.delay_us == CLOCK_NONE);
    }
    arena_free(&a);
}

static void test_long_ones(void **state)
{
    static char value[64 * 1024];
    static const char fills[] = "(\";a) ";
    struct evidence_hop hop;
    struct arena a = {0};

    (void)state;
    for (const char *fill = fills; *fill; fill++) {
        memset(value, *fill, sizeof value);
        memcpy(value, "from x", 6);
        received_read(&a, (struct span){value, sizeof value}, &hop);
        assert_true(hop.at_wall_us == CLOCK_NONE && strlen(hop.from) <= 259);
    }
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_servers),
        cmocka_unit_test(test_long_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
