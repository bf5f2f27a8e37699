/* SPDX-License-Identifier: Apache-2.0 */
/* How the views show TLS: what a good handshake showed, and as much of a failed one as came. */
#include "probe/base/clock.h"
#include "server/render/render.h"
#include "tests/unit/server/render/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ENDED_US   INT64_C(500012412)
#define STARTED_US INT64_C(1795400704123456) /* 2026-11-23T02:25:04.123456Z */
#define DAY_US     (86400 * CLOCK_US_PER_S)

static const char *const names[] = {"mx1.example.org", "192.0.2.1"};

/* The second has more names than are shown, no subject, and no end that can be read. */
static const struct result_certificate chain[] = {
    {.subject = "CN=mx1.example.org,O=Example",
     .issuer = "CN=Example CA",
     .names = names,
     .name_count = 2,
     .name_total = 2,
     .not_before_wall_us = STARTED_US - 30 * DAY_US,
     .not_after_wall_us = STARTED_US + 60 * DAY_US,
     .sha256 = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
     .key = "EC 256"},
    {.subject = "",
     .issuer = "CN=Root",
     .names = names,
     .name_count = 1,
     .name_total = 7,
     .not_before_wall_us = CLOCK_NONE,
     .not_after_wall_us = CLOCK_NONE,
     .sha256 = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100",
     .key = "RSA 2048"},
};

static struct result base(const char *target)
{
    struct result r = {.status = STATUS_PASS,
                       .target = target,
                       .id = "01JD9K00000000000000000040",
                       .vantage = "fra1",
                       .summary = "works as far as tls, where it was told to stop",
                       .started_wall_us = STARTED_US,
                       .started_mono_us = ENDED_US - 12412,
                       .ended_mono_us = ENDED_US,
                       .duration_us = 12412,
                       .host = "mx1.example.org",
                       .port = 465};

    r.failure.limit_us = r.failure.elapsed_us = CLOCK_NONE;
    for (enum phase p = 0; p < PHASE_COUNT; p++)
        r.timing_us[p] = CLOCK_NONE;
    assert_int_equal(address_parse("192.0.2.1", 465, &r.peer), 0);
    assert_int_equal(address_parse("192.0.2.7", 51514, &r.local), 0);
    r.timing_us[PHASE_CONNECT] = 350;
    r.timing_us[PHASE_TLS] = 3100;
    return r;
}

static void test_verified(void **state)
{
    const struct result_tls tls = {.version = "TLSv1.3",
                                   .cipher = "TLS_AES_256_GCM_SHA384",
                                   .group = "X25519",
                                   .verified = TRI_TRUE,
                                   .chain = chain,
                                   .chain_count = 2,
                                   .trusted_until_wall_us = INT64_C(1795400704000000)};
    struct result r = base("mx1");
    (void)state;

    r.tls = &tls;
    golden_check("tls", &r, ENDED_US);
}

static const char *const lines[] = {"mx1.example.org ESMTP", "2.0.0 Ready", "mx1.example.org"};

/* What was sent (null = the greeting was waited for), when, and how long the reply took: 0 = none came. */
static struct result_command said(enum phase phase, const char *sent, int64_t at_us, int64_t took_us,
                                  int code)
{
    struct result_command c = {.phase = phase,
                               .route = -1,
                               .sent = sent,
                               .at_us = at_us,
                               .first_byte_us = took_us ? at_us + took_us : CLOCK_NONE,
                               .reply_us = took_us ? at_us + took_us : CLOCK_NONE,
                               .replied = took_us != 0,
                               .expected = code == 220 ? "220" : "250",
                               .ok = took_us != 0};

    if (took_us)
        c.reply = (struct result_reply){.code = code,
                                        .lines = &lines[!sent         ? 0
                                                        : code == 220 ? 1
                                                                      : 2],
                                        .line_count = 1};
    return c;
}

static const struct result_tls good = {.version = "TLSv1.3",
                                       .cipher = "TLS_AES_256_GCM_SHA384",
                                       .group = "X25519",
                                       .verified = TRI_TRUE,
                                       .chain = chain,
                                       .chain_count = 1};

/* The handshake stands behind the 220 to STARTTLS, or before the greeting. */
static void test_places(void **state)
{
    const struct result_command starttls[] = {
        said(PHASE_BANNER, NULL, 350, 1200, 220),
        said(PHASE_EHLO, "EHLO probe.example.org", 1600, 400, 250),
        said(PHASE_STARTTLS, "STARTTLS", 2050, 200, 220),
        said(PHASE_EHLO, "EHLO probe.example.org", 5400, 300, 250),
    };
    const struct result_command implicit[] = {
        said(PHASE_BANNER, NULL, 3450, 1200, 220),
        said(PHASE_EHLO, "EHLO probe.example.org", 4700, 400, 250),
    };
    struct result r = base("mx1");
    (void)state;

    r.tls = &good;
    r.commands = starttls;
    r.command_count = 4;
    golden_check("tls_starttls", &r, ENDED_US);
    r.commands = implicit;
    r.command_count = 2;
    golden_check("tls_implicit", &r, ENDED_US);
}

/* A handshake that failed behind STARTTLS; one that was good, though TLS failed in the end. */
static void test_places_of_failures(void **state)
{
    const struct result_command broken[] = {
        said(PHASE_BANNER, NULL, 350, 1200, 220),
        said(PHASE_EHLO, "EHLO probe.example.org", 1600, 400, 250),
        said(PHASE_STARTTLS, "STARTTLS", 2050, 200, 220),
    };
    const struct result_command later[] = {said(PHASE_BANNER, NULL, 3450, 0, 220)};
    struct result_tls none = {.verified = TRI_NULL}, alert = good;
    struct result r = base("mx1");
    (void)state;

    r.status = STATUS_FAIL;
    r.failure = (struct result_failure){.phase = PHASE_TLS,
                                        .reason = REASON_RESET,
                                        .message = "the server reset the connection in the TLS handshake",
                                        .limit_us = CLOCK_NONE,
                                        .elapsed_us = 3100};
    r.summary = r.failure.message;
    r.tls = &none;
    r.commands = broken;
    r.command_count = 3;
    golden_check("tls_starttls_reset", &r, ENDED_US);

    alert.alert = "certificate_required";
    r.failure.reason = REASON_ALERT;
    r.failure.message = "the server ended TLS with the alert certificate_required (116), instead of greeting";
    r.summary = r.failure.message;
    r.tls = &alert;
    r.commands = later;
    r.command_count = 1;
    golden_check("tls_alert_later", &r, ENDED_US);
}

static void failed(const char *name, const struct result_tls *tls, enum reason reason, const char *message)
{
    struct result r = base("mx1");

    r.status = STATUS_FAIL;
    r.summary = message;
    r.tls = tls;
    r.failure = (struct result_failure){
        .phase = PHASE_TLS, .reason = reason, .message = message, .limit_us = CLOCK_NONE, .elapsed_us = 3100};
    golden_check(name, &r, ENDED_US);
}

static void test_not_verified(void **state)
{
    const struct result_tls tls = {.version = "TLSv1.2",
                                   .cipher = "TLS_RSA_WITH_AES_128_GCM_SHA256",
                                   .verified = TRI_FALSE,
                                   .reason = REASON_CERT_EXPIRED,
                                   .chain = chain,
                                   .chain_count = 1};
    (void)state;

    failed("tls_not_verified", &tls, REASON_CERT_EXPIRED, "the certificate has expired");
}

static void test_alert(void **state)
{
    const struct result_tls tls = {.alert = "handshake_failure", .verified = TRI_NULL};
    (void)state;

    failed("tls_alert", &tls, REASON_ALERT, "the server ended TLS with the alert handshake_failure (40)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verified),
        cmocka_unit_test(test_not_verified),
        cmocka_unit_test(test_alert),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_places_of_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
