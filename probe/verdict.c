/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of everything a verdict can say, and the one rule that makes a status of it. The names are the
 * interface: users script against them.
 */
#include "probe/verdict.h"

#include <assert.h>
#include <string.h>

static const char *const status_names[STATUS_COUNT] = {
    [STATUS_PASS] = "pass",
    [STATUS_WARN] = "warn",
    [STATUS_UNKNOWN] = "unknown",
    [STATUS_FAIL] = "fail",
};

static const struct {
    const char *name;
    bool timed;
} phases[PHASE_COUNT] = {
    [PHASE_CONFIG] = {"config", false},    [PHASE_DNS] = {"dns", true},
    [PHASE_CONNECT] = {"connect", true},   [PHASE_TLS] = {"tls", true},
    [PHASE_BANNER] = {"banner", true},     [PHASE_EHLO] = {"ehlo", true},
    [PHASE_STARTTLS] = {"starttls", true}, [PHASE_AUTH] = {"auth", true},
    [PHASE_MAIL] = {"mail", true},         [PHASE_RCPT] = {"rcpt", true},
    [PHASE_DATA] = {"data", true},         [PHASE_MESSAGE] = {"message", true},
    [PHASE_FINAL] = {"final", true},       [PHASE_RSET] = {"rset", true},
    [PHASE_QUIT] = {"quit", true},         [PHASE_DELIVERY] = {"delivery", false},
};

static const struct {
    const char *name;
    const char *sentence;
} reasons[REASON_COUNT] = {
    [REASON_NONE] = {"none", "nothing failed"},
    [REASON_DEADLINE] = {"deadline", "the time for the whole run was over"},
    [REASON_TIMEOUT] = {"timeout", "no answer within the limit of this step"},
    [REASON_NXDOMAIN] = {"nxdomain", "the name does not exist"},
    [REASON_NO_ADDRESS] = {"no_address", "the name exists but has no address"},
    [REASON_SERVFAIL] = {"servfail", "the resolver could not resolve the name"},
    [REASON_MALFORMED] = {"malformed", "the resolver's answer cannot be used"},
    [REASON_NULL_MX] = {"null_mx", "the domain says that it takes no mail"},
    [REASON_MX_INVALID] = {"mx_invalid", "an MX record names what cannot be meant"},
    [REASON_REFUSED] = {"refused", "refused"},
    [REASON_UNREACHABLE] = {"unreachable", "there is no way to the address"},
    [REASON_NO_ADDRESS_FOR_FAMILY] = {"no_address_for_family",
                                      "the name has no address of the family asked for"},
    [REASON_LOOP] = {"loop", "the address is where ehlod itself listens"},
    [REASON_NOT_ALLOWED] = {"not_allowed", "ehlod may not dial this address"},
    [REASON_LOCAL_RESOURCE] = {"local_resource", "ehlod's own machine could not do it"},
    [REASON_CLOSED] = {"closed", "the server closed the connection"},
    [REASON_RESET] = {"reset", "the server reset the connection"},
    [REASON_SEND_TIMEOUT] = {"send_timeout", "the server stopped reading"},
    [REASON_NOT_SMTP] = {"not_smtp", "the server does not speak SMTP"},
    [REASON_BAD_SYNTAX] = {"bad_syntax", "a reply line is not of the form of RFC 5321"},
    [REASON_BAD_CODE] = {"bad_code", "a reply code outside of RFC 5321"},
    [REASON_CODE_MISMATCH] = {"code_mismatch", "the lines of one reply carry different codes"},
    [REASON_NUL] = {"nul", "a NUL in a reply"},
    [REASON_TOO_LONG] = {"too_long", "a reply is too long"},
    [REASON_TOO_MANY_LINES] = {"too_many_lines", "a reply has too many lines"},
    [REASON_UNSOLICITED] = {"unsolicited", "the server spoke when nothing had been asked"},
    [REASON_UNEXPECTED_REPLY] = {"unexpected_reply", "a reply that makes no sense here"},
    [REASON_DEFERRED] = {"deferred", "refused for now (4xx)"},
    [REASON_REJECTED] = {"rejected", "refused for good (5xx)"},
    [REASON_ACCEPTED] = {"accepted", "accepted, but was to be refused"},
    [REASON_WRONG_REPLY] = {"wrong_reply", "another reply than wanted"},
    [REASON_NOT_OFFERED] = {"not_offered", "the server does not offer what is required"},
    [REASON_INJECTED] = {"injected", "plain text behind the reply to STARTTLS"},
    [REASON_NOT_TLS] = {"not_tls", "the server does not speak TLS here"},
    [REASON_ALERT] = {"alert", "the server ended TLS with an alert"},
    [REASON_VERSION] = {"version", "no TLS version in common"},
    [REASON_WEAK] = {"weak", "a key or a signature is too weak"},
    [REASON_HANDSHAKE] = {"handshake", "what the server sent for TLS cannot be used"},
    [REASON_TRUNCATED] = {"truncated", "the connection ended without the end of TLS"},
    [REASON_CERT_EXPIRED] = {"cert_expired", "a certificate has expired"},
    [REASON_CERT_NOT_YET_VALID] = {"cert_not_yet_valid", "a certificate is not valid yet"},
    [REASON_CERT_SELF_SIGNED] = {"cert_self_signed", "the certificate is signed by itself alone"},
    [REASON_CERT_UNTRUSTED] = {"cert_untrusted", "no trusted authority stands behind the certificate"},
    [REASON_CERT_NAME_MISMATCH] = {"cert_name_mismatch", "the certificate is for other names"},
    [REASON_CERT_PURPOSE] = {"cert_purpose", "the certificate is not for a server"},
    [REASON_NO_MECHANISM] = {"no_mechanism", "the server offers no way to log in that can be used"},
    [REASON_FAILED] = {"failed", "the login was refused"},
    [REASON_NEEDS_TLS] = {"needs_tls", "no secret is sent without TLS"},
    [REASON_BAD_CHALLENGE] = {"bad_challenge", "a challenge of the login makes no sense"},
    [REASON_TOO_MANY_ROUNDS] = {"too_many_rounds", "the login takes too many rounds"},
    [REASON_UNEXPECTED_SUCCESS] = {"unexpected_success", "the login succeeded before it was made"},
    [REASON_SERVER_INVALID] = {"server_invalid", "the server does not prove that it knows the secret"},
    [REASON_LATE] = {"late", "the message came, but too late"},
    [REASON_MAILBOX_UNREACHABLE] = {"mailbox_unreachable", "ehlod could not look for the message"},
    [REASON_DRAINED] = {"drained", "the target was taken out of service"},
    [REASON_LOST] = {"lost", "the message was accepted and never came"},
    [REASON_BOUNCED] = {"bounced", "the message was accepted and then sent back"},
    [REASON_ELSEWHERE] = {"elsewhere", "the message went where it does not belong"},
};

static const char *const route_states[ROUTE_STATE_COUNT] = {
    [ROUTE_NONE] = NULL,
    [ROUTE_ACCEPTED] = "accepted",
    [ROUTE_QUEUED] = "queued",
    [ROUTE_DEFERRED] = "deferred",
    [ROUTE_REJECTED] = "rejected",
    [ROUTE_PENDING] = "pending",
    [ROUTE_DELIVERED] = "delivered",
    [ROUTE_ALTERED] = "altered",
    [ROUTE_ELSEWHERE] = "elsewhere",
    [ROUTE_LATE] = "late",
    [ROUTE_LOST] = "lost",
    [ROUTE_BOUNCED] = "bounced",
    [ROUTE_UNCERTAIN] = "uncertain",
    [ROUTE_UNVERIFIED] = "unverified",
    [ROUTE_SKIPPED] = "skipped",
};

static const struct {
    const char *name;
    bool warns;
} flag_table[FLAG_COUNT] = {
    [FLAG_ADDRESS_UNREACHABLE] = {"address_unreachable", true},
    [FLAG_DNS_PARTIAL] = {"dns_partial", false},
    [FLAG_DNS_MANY] = {"dns_many", false},
    [FLAG_ONLY_SOME_WORK] = {"only_some_work", true},
    [FLAG_BARE_LF] = {"bare_lf", false},
    [FLAG_BARE_CR] = {"bare_cr", false},
    [FLAG_STRAY_EMPTY_LINE] = {"stray_empty_line", false},
    [FLAG_NON_UTF8] = {"non_utf8", false},
    [FLAG_REPLY_LINE_LONG] = {"reply_line_long", false},
    [FLAG_REPLY_INCOMPLETE] = {"reply_incomplete", false},
    [FLAG_SMTP_FIXUP] = {"smtp_fixup", true},
    [FLAG_NO_ESMTP] = {"no_esmtp", false},
    [FLAG_EHLO_CODE] = {"ehlo_code", true},
    [FLAG_SIZE_INVALID] = {"size_invalid", false},
    [FLAG_SMTPUTF8_ALONE] = {"smtputf8_alone", false},
    [FLAG_FORWARDED] = {"forwarded", false},
    [FLAG_UNVERIFIED] = {"unverified", false},
    [FLAG_MAYBE_GREYLISTED] = {"maybe_greylisted", false},
    [FLAG_FLOW_DELAY] = {"flow_delay", false},
    [FLAG_ENHANCED_MISMATCH] = {"enhanced_mismatch", false},
    [FLAG_ENHANCED_MALFORMED] = {"enhanced_malformed", false},
    [FLAG_RSET_FAILED] = {"rset_failed", true},
    [FLAG_QUIT_NO_REPLY] = {"quit_no_reply", false},
    [FLAG_QUIT_CLOSED] = {"quit_closed", false},
    [FLAG_QUIT_RESET] = {"quit_reset", false},
    [FLAG_QUIT_CODE] = {"quit_code", false},
    [FLAG_TLS_NOT_OFFERED] = {"tls_not_offered", false},
    [FLAG_TLS_REFUSED] = {"tls_refused", false},
    [FLAG_TLS_NO_CLOSE_NOTIFY] = {"tls_no_close_notify", false},
    [FLAG_TLS_UNRECOGNIZED_NAME] = {"tls_unrecognized_name", false},
    [FLAG_INSECURE_SKIP_VERIFY] = {"insecure_skip_verify", false},
    [FLAG_AUTH_CODE] = {"auth_code", true},
    [FLAG_CERTIFICATE_EXPIRING] = {"certificate_expiring", true},
    [FLAG_SLOW] = {"slow", true},
    [FLAG_DELIVERY_PENDING] = {"delivery_pending", false},
    [FLAG_DUPLICATE] = {"duplicate", true},
    [FLAG_ALTERED] = {"altered", true},
    [FLAG_NOT_REMOVED] = {"not_removed", false},
    [FLAG_STALE] = {"stale", false},
    [FLAG_DRAINED] = {"drained", false},
};

const char *status_name(enum status s)
{
    assert(s < STATUS_COUNT);
    return status_names[s];
}

const char *phase_name(enum phase p)
{
    assert(p < PHASE_COUNT);
    return phases[p].name;
}

enum phase phase_by_name(const char *name)
{
    enum phase p = 0;
    while (p < PHASE_COUNT && strcmp(phases[p].name, name) != 0)
        p++;
    return p;
}

bool phase_is_timed(enum phase p)
{
    assert(p < PHASE_COUNT);
    return phases[p].timed;
}

const char *reason_name(enum reason r)
{
    assert(r < REASON_COUNT);
    return reasons[r].name;
}

const char *reason_sentence(enum reason r)
{
    assert(r < REASON_COUNT);
    return reasons[r].sentence;
}

const char *route_state_name(enum route_state s)
{
    assert(s < ROUTE_STATE_COUNT);
    return route_states[s];
}

const char *flag_name(enum flag f)
{
    assert(f < FLAG_COUNT);
    return flag_table[f].name;
}

bool flag_warns(enum flag f)
{
    assert(f < FLAG_COUNT);
    return flag_table[f].warns;
}

/* What ehlod could not find out for reasons of its own is unknown: its own machine, a mailbox that it could
 * not look into, or no resolver that answers. Whatever else fails is the target's. */
static bool is_ours(enum phase phase, enum reason reason)
{
    return reason == REASON_LOCAL_RESOURCE || reason == REASON_MAILBOX_UNREACHABLE ||
           (phase == PHASE_DNS && (reason == REASON_TIMEOUT || reason == REASON_DEADLINE));
}

enum status verdict_status(enum phase phase, enum reason reason, uint64_t flags)
{
    if (reason != REASON_NONE)
        return is_ours(phase, reason) ? STATUS_UNKNOWN : STATUS_FAIL;
    for (enum flag f = 0; f < FLAG_COUNT; f++)
        if ((flags >> f & 1) && flag_table[f].warns)
            return STATUS_WARN;
    return STATUS_PASS;
}
