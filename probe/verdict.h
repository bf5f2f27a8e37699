/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_VERDICT_H
#define PROBE_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * What a run means, in the words of the interface. Every name below is shown to users and final;
 * each enum has its names in one table in verdict.c.
 */

/* Ordered from best to worst, so that the worst of several is the greatest. */
enum status { STATUS_PASS, STATUS_WARN, STATUS_UNKNOWN, STATUS_FAIL, STATUS_COUNT };

/* Where a run is, and where it failed. */
enum phase {
    PHASE_CONFIG,
    PHASE_DNS,
    PHASE_CONNECT,
    PHASE_TLS,
    PHASE_BANNER,
    PHASE_EHLO,
    PHASE_STARTTLS,
    PHASE_AUTH,
    PHASE_MAIL,
    PHASE_RCPT,
    PHASE_DATA,
    PHASE_MESSAGE,
    PHASE_FINAL,
    PHASE_RSET,
    PHASE_QUIT,
    PHASE_DELIVERY,
    PHASE_COUNT /* also: no phase */
};

/* Why it failed: a closed list, each with its sentence. A row is here only once something can give it. */
enum reason {
    REASON_NONE,
    REASON_DEADLINE, /* the run's own timeout fired, also as a clipped limit */
    REASON_TIMEOUT,  /* a limit of the phase's own fired */
    /* names */
    REASON_NXDOMAIN,
    REASON_NO_ADDRESS,
    REASON_SERVFAIL,
    REASON_MALFORMED,
    REASON_NULL_MX,
    REASON_MX_INVALID,
    /* connecting; refused also for a resolver that refuses */
    REASON_REFUSED,
    REASON_UNREACHABLE,
    REASON_NO_ADDRESS_FOR_FAMILY,
    REASON_LOOP,
    REASON_NOT_ALLOWED,
    REASON_LOCAL_RESOURCE,
    /* the stream */
    REASON_CLOSED,
    REASON_RESET,
    REASON_SEND_TIMEOUT,
    /* replies */
    REASON_NOT_SMTP,
    REASON_BAD_SYNTAX,
    REASON_BAD_CODE,
    REASON_CODE_MISMATCH,
    REASON_NUL,
    REASON_TOO_LONG,
    REASON_TOO_MANY_LINES,
    REASON_UNSOLICITED,
    REASON_UNEXPECTED_REPLY,
    /* verdicts on replies */
    REASON_DEFERRED,
    REASON_REJECTED,
    REASON_ACCEPTED,
    REASON_WRONG_REPLY,
    /* TLS; refused also for a STARTTLS that is */
    REASON_NOT_OFFERED,
    REASON_INJECTED,
    REASON_NOT_TLS,
    REASON_ALERT,
    REASON_VERSION,
    REASON_WEAK,
    REASON_HANDSHAKE, /* whatever else goes wrong with TLS, also after the handshake */
    REASON_TRUNCATED,
    REASON_CERT_EXPIRED,
    REASON_CERT_NOT_YET_VALID,
    REASON_CERT_SELF_SIGNED,
    REASON_CERT_UNTRUSTED,
    REASON_CERT_NAME_MISMATCH,
    REASON_CERT_PURPOSE,
    /* AUTH; not offered also for it */
    REASON_NO_MECHANISM,
    REASON_FAILED,
    REASON_NEEDS_TLS,
    REASON_BAD_CHALLENGE,
    REASON_TOO_MANY_ROUNDS,
    REASON_UNEXPECTED_SUCCESS,
    REASON_SERVER_INVALID,
    /* delivery */
    REASON_LATE,
    REASON_LOST,
    REASON_BOUNCED,
    REASON_ELSEWHERE,
    REASON_MAILBOX_UNREACHABLE,
    REASON_DRAINED, /* no run at all: the target is out of service, because somebody said so */
    REASON_COUNT
};

/* What became of a route. */
enum route_state {
    ROUTE_NONE,
    ROUTE_ACCEPTED,
    ROUTE_QUEUED,
    ROUTE_DEFERRED,
    ROUTE_REJECTED,
    ROUTE_PENDING,
    ROUTE_DELIVERED,
    ROUTE_ALTERED,   /* delivered, but not as it was sent */
    ROUTE_ELSEWHERE, /* seen, but not where it belongs */
    ROUTE_LATE,
    ROUTE_LOST,
    ROUTE_BOUNCED,    /* a report came back instead */
    ROUTE_UNCERTAIN,  /* sent, but no reply after the dot that tells what became of it */
    ROUTE_UNVERIFIED, /* accepted, but the mailbox could not be looked into */
    ROUTE_SKIPPED,
    ROUTE_STATE_COUNT
};

/* What was odd on the way. One table says for each whether it warns or only notes. */
enum flag {
    FLAG_ADDRESS_UNREACHABLE, /* an earlier address of the same name could not be reached */
    FLAG_DNS_PARTIAL,         /* one of A and AAAA could not be asked for */
    FLAG_DNS_MANY,            /* more addresses than are tried */
    FLAG_ONLY_SOME_WORK,      /* of several runs, where mx_require is any */
    FLAG_BARE_LF,             /* a reply line ended without CR */
    FLAG_BARE_CR,             /* a CR stood inside a reply line */
    FLAG_STRAY_EMPTY_LINE,
    FLAG_NON_UTF8,
    FLAG_REPLY_LINE_LONG, /* over the 512 octets of RFC 5321 section 4.5.3.1.5 */
    FLAG_REPLY_INCOMPLETE,
    FLAG_SMTP_FIXUP, /* a middlebox masks the greeting with asterisks */
    FLAG_NO_ESMTP,   /* EHLO refused, HELO taken */
    FLAG_EHLO_CODE,  /* 2xx, but not 250, to EHLO or HELO */
    FLAG_SIZE_INVALID,
    FLAG_SMTPUTF8_ALONE, /* SMTPUTF8 without 8BITMIME */
    FLAG_FORWARDED,      /* 251 */
    FLAG_UNVERIFIED,     /* 252 */
    FLAG_MAYBE_GREYLISTED,
    FLAG_FLOW_DELAY, /* one second before a RCPT reply: Postfix' in_flow_delay */
    FLAG_ENHANCED_MISMATCH,
    FLAG_ENHANCED_MALFORMED,
    FLAG_RSET_FAILED,
    FLAG_QUIT_NO_REPLY,
    FLAG_QUIT_CLOSED,
    FLAG_QUIT_RESET,
    FLAG_QUIT_CODE,
    FLAG_TLS_NOT_OFFERED,       /* opportunistic, so the dialogue went on in plain text */
    FLAG_TLS_REFUSED,           /* likewise */
    FLAG_TLS_NO_CLOSE_NOTIFY,   /* the end of TLS was not said before the connection's */
    FLAG_TLS_UNRECOGNIZED_NAME, /* a warning: the server does not know the name it was asked for */
    FLAG_INSECURE_SKIP_VERIFY,  /* the target's config lets any certificate pass */
    FLAG_AUTH_CODE,             /* 2xx, but not 235, to a login */
    FLAG_CERTIFICATE_EXPIRING,  /* less is left of a certificate than the target's warn.certificate */
    FLAG_SLOW,                  /* a threshold of the target's warn was passed */
    FLAG_DELIVERY_PENDING,      /* a message is under way and none before it was ever settled */
    FLAG_DUPLICATE,             /* a message was seen more than once */
    FLAG_ALTERED,               /* a message was not as it was sent */
    FLAG_NOT_REMOVED,           /* a message that was seen could not be removed from its mailbox */
    FLAG_STALE,                 /* an older verdict, while ehlod itself cannot tell */
    FLAG_DRAINED,               /* the target is out of service, because somebody said so */
    FLAG_COUNT
};

/* A set of flags: bit 1 << FLAG. */
_Static_assert(FLAG_COUNT <= 64, "a set of flags is one uint64_t");

/* Truth that may be unknown: shown as false, true, null. */
enum tri { TRI_FALSE, TRI_TRUE, TRI_NULL };

const char *status_name(enum status s);           /* "pass" */
const char *phase_name(enum phase p);             /* "rcpt" */
const char *reason_name(enum reason r);           /* "timeout" */
const char *reason_sentence(enum reason r);       /* "no answer within its limit" */
const char *route_state_name(enum route_state s); /* "accepted"; null for ROUTE_NONE */
const char *flag_name(enum flag f);
bool flag_warns(enum flag f);

/* The phase of that name, or PHASE_COUNT. */
enum phase phase_by_name(const char *name);

/* Whether timing_ms has a row for the phase (all but config and delivery). */
bool phase_is_timed(enum phase p);

/* The one place that turns what was seen into a verdict. reason is REASON_NONE when nothing failed. */
enum status verdict_status(enum phase phase, enum reason reason, uint64_t flags);

#endif
