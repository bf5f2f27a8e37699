/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define F(flag)      (UINT64_C(1) << FLAG_##flag)

/* As the interface has them; users script against these. */
static const char *const statuses[] = {"pass", "warn", "unknown", "fail"};
static const char *const phases[] = {"config",   "dns",  "connect", "tls",     "banner", "ehlo",
                                     "starttls", "auth", "mail",    "rcpt",    "data",   "message",
                                     "final",    "rset", "quit",    "delivery"};
static const char *const reasons_known[] = {
    "deadline",
    "timeout",
    "nxdomain",
    "no_address",
    "servfail",
    "refused",
    "malformed",
    "null_mx",
    "mx_invalid",
    "unreachable",
    "loop",
    "not_allowed",
    "no_address_for_family",
    "local_resource",
    "closed",
    "reset",
    "send_timeout",
    "not_smtp",
    "bad_syntax",
    "bad_code",
    "nul",
    "code_mismatch",
    "too_many_lines",
    "too_long",
    "unsolicited",
    "unexpected_reply",
    "deferred",
    "rejected",
    "accepted",
    "wrong_reply",
    "not_offered",
    "injected",
    "not_tls",
    "alert",
    "version",
    "weak",
    "handshake",
    "truncated",
    "cert_expired",
    "cert_not_yet_valid",
    "cert_self_signed",
    "cert_untrusted",
    "cert_name_mismatch",
    "cert_purpose",
    "no_mechanism",
    "failed",
    "needs_tls",
    "bad_challenge",
    "too_many_rounds",
    "unexpected_success",
    "server_invalid",
    "late",
    "lost",
    "bounced",
    "elsewhere",
    "mailbox_unreachable",
    "drained",
};
/* Those that the fault catalogue calls degraded, and that mx_require: any makes a warning of; any other flag
 * only notes. */
static const char *const flags_that_warn[] = {
    "address_unreachable", "smtp_fixup",           "ehlo_code",      "rset_failed", "slow",
    "duplicate",           "certificate_expiring", "only_some_work", "auth_code",   "altered"};

static bool is_in(const char *name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, list[i]) == 0)
            return true;
    return false;
}

/* Small letters, digits and underscores: a metric label, a JSON value, a word in a sentence. */
static void check_name(const char *name)
{
    assert_non_null(name);
    assert_true(*name != '\0');
    assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(name));
}

static void test_statuses(void **state)
{
    (void)state;
    assert_int_equal(STATUS_COUNT, COUNT(statuses));
    for (enum status s = 0; s < STATUS_COUNT; s++)
        assert_string_equal(status_name(s), statuses[s]);
    assert_true(STATUS_FAIL > STATUS_UNKNOWN && STATUS_UNKNOWN > STATUS_WARN && STATUS_WARN > STATUS_PASS);
}

static void test_phases(void **state)
{
    (void)state;
    assert_int_equal(PHASE_COUNT, COUNT(phases));
    for (enum phase p = 0; p < PHASE_COUNT; p++) {
        assert_string_equal(phase_name(p), phases[p]);
        assert_int_equal(phase_by_name(phases[p]), p);
        assert_int_equal(phase_is_timed(p), p != PHASE_CONFIG && p != PHASE_DELIVERY);
    }
    assert_int_equal(phase_by_name("hello"), PHASE_COUNT);
    assert_int_equal(phase_by_name(""), PHASE_COUNT);
}

static void test_reasons(void **state)
{
    (void)state;
    for (enum reason r = 0; r < REASON_COUNT; r++) {
        const char *sentence = reason_sentence(r);
        check_name(reason_name(r));
        assert_non_null(sentence);
        assert_true(strlen(sentence) >= strlen("refused"));
        assert_true(r == REASON_NONE || is_in(reason_name(r), reasons_known, COUNT(reasons_known)));
        for (enum reason other = 0; other < r; other++) {
            assert_string_not_equal(reason_name(other), reason_name(r));
            assert_string_not_equal(reason_sentence(other), sentence);
        }
    }
}

static void test_every_reason_is_there(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(reasons_known); i++) {
        enum reason r = 0;
        while (r < REASON_COUNT && strcmp(reason_name(r), reasons_known[i]) != 0)
            r++;
        assert_true(r < REASON_COUNT);
    }
}

static void test_route_states(void **state)
{
    static const char *const names[] = {"accepted",  "queued",    "deferred",   "rejected", "pending",
                                        "delivered", "altered",   "elsewhere",  "late",     "lost",
                                        "bounced",   "uncertain", "unverified", "skipped"};
    (void)state;
    assert_null(route_state_name(ROUTE_NONE));
    assert_int_equal(ROUTE_STATE_COUNT, 1 + COUNT(names));
    for (enum route_state s = ROUTE_NONE + 1; s < ROUTE_STATE_COUNT; s++)
        assert_string_equal(route_state_name(s), names[s - 1]);
}

static void test_flags(void **state)
{
    (void)state;
    for (enum flag f = 0; f < FLAG_COUNT; f++) {
        check_name(flag_name(f));
        assert_int_equal(flag_warns(f), is_in(flag_name(f), flags_that_warn, COUNT(flags_that_warn)));
        for (enum flag other = 0; other < f; other++)
            assert_string_not_equal(flag_name(other), flag_name(f));
    }
}

static const struct {
    enum phase phase;
    enum reason reason;
    uint64_t flags;
    enum status status;
} verdicts[] = {
    {PHASE_CONFIG, REASON_NONE, 0, STATUS_PASS},
    {PHASE_CONFIG, REASON_NONE, F(QUIT_CLOSED) | F(BARE_LF), STATUS_PASS},
    {PHASE_CONFIG, REASON_NONE, F(SLOW), STATUS_WARN},
    {PHASE_CONFIG, REASON_NONE, F(QUIT_CLOSED) | F(RSET_FAILED), STATUS_WARN},
    {PHASE_RCPT, REASON_REJECTED, 0, STATUS_FAIL},
    {PHASE_RCPT, REASON_REJECTED, F(SLOW), STATUS_FAIL},
    {PHASE_BANNER, REASON_TIMEOUT, 0, STATUS_FAIL},
    {PHASE_MAIL, REASON_DEADLINE, 0, STATUS_FAIL},
    {PHASE_CONNECT, REASON_TIMEOUT, 0, STATUS_FAIL},
    {PHASE_CONNECT, REASON_REFUSED, 0, STATUS_FAIL},
    /* a resolver that answers fails the target; none that answers is ours */
    {PHASE_DNS, REASON_NXDOMAIN, 0, STATUS_FAIL},
    {PHASE_DNS, REASON_SERVFAIL, 0, STATUS_FAIL},
    {PHASE_DNS, REASON_REFUSED, 0, STATUS_FAIL},
    {PHASE_DNS, REASON_TIMEOUT, 0, STATUS_UNKNOWN},
    {PHASE_DNS, REASON_DEADLINE, 0, STATUS_UNKNOWN},
    {PHASE_CONNECT, REASON_LOCAL_RESOURCE, 0, STATUS_UNKNOWN},
    {PHASE_RCPT, REASON_LOCAL_RESOURCE, F(SLOW), STATUS_UNKNOWN},
    {PHASE_STARTTLS, REASON_NOT_OFFERED, 0, STATUS_FAIL},
    {PHASE_STARTTLS, REASON_INJECTED, 0, STATUS_FAIL},
    {PHASE_TLS, REASON_CERT_EXPIRED, 0, STATUS_FAIL},
    {PHASE_CONFIG, REASON_NONE, F(TLS_NO_CLOSE_NOTIFY) | F(INSECURE_SKIP_VERIFY), STATUS_PASS},
    /* messages */
    {PHASE_FINAL, REASON_TIMEOUT, 0, STATUS_FAIL},
    {PHASE_DELIVERY, REASON_LOST, 0, STATUS_FAIL},
    {PHASE_DELIVERY, REASON_LATE, F(DUPLICATE), STATUS_FAIL},
    {PHASE_CONFIG, REASON_NONE, F(DELIVERY_PENDING) | F(STALE), STATUS_PASS},
    {PHASE_CONFIG, REASON_NONE, F(DUPLICATE), STATUS_WARN},
};

static void test_status(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(verdicts); i++)
        assert_int_equal(verdict_status(verdicts[i].phase, verdicts[i].reason, verdicts[i].flags),
                         verdicts[i].status);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statuses),     cmocka_unit_test(test_phases),
        cmocka_unit_test(test_reasons),      cmocka_unit_test(test_every_reason_is_there),
        cmocka_unit_test(test_route_states), cmocka_unit_test(test_flags),
        cmocka_unit_test(test_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
