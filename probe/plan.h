/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_PLAN_H
#define PROBE_PLAN_H

#include "probe/allow.h"
#include "probe/auth.h"
#include "probe/base/address.h"
#include "probe/base/span.h"
#include "probe/enhanced.h"
#include "probe/verdict.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What to do once: plain values, complete, immutable. Whoever makes a plan owns all it points to and keeps
 * it until the run is over. All durations are microseconds.
 */

enum family {
    FAMILY_ANY,
    FAMILY_IPV4,
    FAMILY_IPV6,
    FAMILY_EACH, /* a run of its own for each address */
    FAMILY_COUNT
};

/* Of several runs, how many must pass. */
enum mx_require { MX_REQUIRE_ALL, MX_REQUIRE_ANY, MX_REQUIRE_COUNT };

/* What is spoken: SMTP (RFC 5321) or LMTP (RFC 2033). */
enum protocol { PROTOCOL_SMTP, PROTOCOL_LMTP, PROTOCOL_COUNT };

/* The limits of a run, by the config key that sets them. */
enum limit {
    LIMIT_RUN,     /* timeout: the whole run */
    LIMIT_DNS,     /* timeouts.dns and so on */
    LIMIT_CONNECT, /* all addresses together */
    LIMIT_TLS,
    LIMIT_BANNER,
    LIMIT_REPLY,
    LIMIT_MESSAGE,
    LIMIT_FINAL,
    LIMIT_QUIT,
    LIMIT_COUNT
};

/* What a route wants, as a set. */
enum expect {
    EXPECT_ACCEPTED = 1,
    EXPECT_QUEUED = 2,
    EXPECT_DELIVERED = 4,
    EXPECT_DEFERRED = 8,
    EXPECT_REJECTED = 16,
    EXPECT_LAST = EXPECT_REJECTED
};

/* Whether and when a connection is encrypted. */
enum tls_mode { TLS_MODE_OFF, TLS_MODE_OPPORTUNISTIC, TLS_MODE_STARTTLS, TLS_MODE_IMPLICIT, TLS_MODE_COUNT };

/* The oldest version taken. Zero is the default, so that nothing becomes weak by being forgotten. */
enum tls_min { TLS_MIN_12, TLS_MIN_13, TLS_MIN_11, TLS_MIN_10, TLS_MIN_COUNT };

struct plan_tls {
    enum tls_mode mode;
    const char *ca_file;     /* whom to trust; null = whom the system trusts */
    const char *server_name; /* whom the certificate must be for; null = the host */
    enum tls_min min_version;
    bool insecure_skip_verify;
    const char *cert_file; /* to show to a server that asks; null = none */
    const char *key_file;  /* null = the key stands in cert_file */
};

struct tls_context; /* probe/net/tls_context.h */

/* The PROXY header that goes out before anything else (HAProxy's proxy-protocol.txt). */
struct plan_proxy {
    bool wanted;
    unsigned version; /* 1 or 2 */
    bool local;       /* as a balancer's own check: it claims nothing */
    struct address
        source; /* who is claimed to have connected, of the dialled address' family; none where local */
};

/* What Postfix' XCLIENT can claim, in the order that it is said in. */
enum xclient {
    XCLIENT_ADDR,
    XCLIENT_NAME,
    XCLIENT_PORT,
    XCLIENT_PROTO,
    XCLIENT_HELO,
    XCLIENT_LOGIN,
    XCLIENT_DESTADDR,
    XCLIENT_DESTPORT,
    XCLIENT_COUNT
};

struct template; /* probe/proto/template.h */

/* The message of a route, and what its envelope says of it whether it is sent or not. */
struct plan_message {
    const struct template *template; /* what it is made of; null = nothing is said of any */
    const char *const *values;       /* of its {{names}}, by enum template_name */
    uint64_t hash;                   /* of its text */
    size_t size;                     /* octets to be padded to, as the config says; 0 = none */
    size_t padding;                  /* octets added for that */
    struct span pad;                 /* lines that padding is taken from (template_pad) */
    size_t octets;                   /* of all of it, as SIZE counts (RFC 1870) */
    bool is_8bit;                    /* its body */
};

/* What is to be told about a message on its way (RFC 3461). */
enum plan_notify {
    PLAN_NOTIFY_NEVER = 1,
    PLAN_NOTIFY_SUCCESS = 2,
    PLAN_NOTIFY_FAILURE = 4,
    PLAN_NOTIFY_DELAY = 8
};
enum plan_ret { PLAN_RET_UNSAID, PLAN_RET_FULL, PLAN_RET_HDRS };

struct plan_dsn {
    unsigned notify; /* set of enum plan_notify; 0 = not said */
    enum plan_ret ret;
    const char *envid; /* null = none */
};

struct plan_route {
    const char *name;
    const char *from; /* "" is the null sender */
    const char *const *to;
    size_t to_count;                /* at least 1 */
    unsigned expect;                /* set of enum expect, not empty */
    int reply_code;                 /* the code that the deciding reply must have; 0 = any */
    struct enhanced reply_enhanced; /* likewise; class 0 = any */
    bool at_final;                  /* a refusal is wanted of the message, not of MAIL or RCPT */

    /* of routes that send a message */
    const char *mailbox;        /* where it is looked for; null = nowhere */
    const char *bounce_mailbox; /* where a report on it would come; null = nowhere */
    int64_t deliver_within_us;
    int64_t min_send_interval_us; /* at most one message in this time */

    struct plan_message message;
    struct plan_dsn dsn;
    bool is_utf8; /* an address of the envelope, or the message's header, is not ASCII */
};

/* A message that a run sends for a route. */
struct plan_letter {
    const char *token;       /* null = this run sends none for the route: it ends after RCPT */
    const char *message_id;  /* with its angle brackets */
    struct span wire;        /* as it goes over the wire, lone dot and all (probe/proto/message.h) */
    const struct span *rest; /* what goes out behind it, none of them empty */
    size_t rest_count;
    size_t octets; /* of the message itself: no doubled dots, no lone one; 0 = not known */
};

/* What the reply to a line of a script must be. */
struct plan_wish {
    unsigned number;          /* the line of the file that says so; 0 = none does: 2xx and 3xx are good */
    int code;                 /* 0 = any of the class */
    int class;                /* first digit */
    struct enhanced enhanced; /* class 0 = any */
    const char *text;         /* must be contained in a line of it; "" = any */
    const char *shown;        /* all of it in a line, as it was written */
};

/* What becomes of a line of a script beside being said. */
enum plan_line_kind {
    PLAN_LINE_PLAIN,
    PLAN_LINE_DATA,     /* a 354 is answered with its message */
    PLAN_LINE_STARTTLS, /* a 220 is answered with TLS */
    PLAN_LINE_HELLO,    /* EHLO and its kin: the reply tells what the server offers */
    PLAN_LINE_AUTH,     /* until it has succeeded or failed, what follows are responses */
    PLAN_LINE_QUIT      /* the last one; where no wish judges its reply it is courtesy */
};

struct plan_line {
    unsigned number; /* in its file */
    enum plan_line_kind kind;
    enum phase phase;      /* PHASE_COUNT = the one that was reached */
    struct span wire;      /* with CRLF, and no CR, LF or NUL before it */
    const char *shown;     /* clean UTF-8, secrets as *** */
    struct span secret;    /* of the line, what is not shown; empty = nothing */
    struct plan_wish wish; /* of the reply */

    /* of DATA */
    struct span message;    /* as it goes over the wire, lone dot and all */
    unsigned dot;           /* the line of the dot */
    struct plan_wish taken; /* of the reply to the message */
};

/* A dialogue that somebody wrote by hand, filled in for one run (probe/proto/dialogue.h): played instead of
 * routes, line by line. */
struct plan_script {
    struct plan_wish banner;
    const struct plan_line *lines;
    size_t count; /* with a message for each DATA, and QUIT, at most PLAN_MAX_COMMANDS */
};

struct plan {
    const char *target; /* its name in the config */
    const char *host;   /* a name, an IP literal without brackets, or a path behind ADDRESS_UNIX */
    uint16_t port;      /* 0 with a path */
    bool mx; /* host is a mail domain: each host that takes its mail is dialled, in a run of its own */
    enum mx_require mx_require; /* where there are several runs */
    enum protocol protocol;
    enum family family;
    struct address source; /* to dial from; AF_UNSPEC = as the system chooses */
    const char *helo;      /* placeholders already replaced */
    struct plan_tls tls;
    struct tls_context *tls_context; /* these settings made ready; null when the mode is off */
    struct plan_proxy proxy;
    const char *xclient[XCLIENT_COUNT]; /* values, IPv6 with its "IPV6:"; null = not claimed */
    struct auth_login login;
    int64_t limits_us[LIMIT_COUNT];
    int64_t warn_us[PHASE_COUNT]; /* slower than this warns; 0 = never */
    int64_t warn_duration_us;     /* likewise for the whole run */
    int64_t warn_certificate_us;  /* a certificate with less left than this warns; 0 = never */
    bool hide_replies; /* of what the server writes nothing is shown but codes and keywords that are known */
    enum phase stop_after;        /* go no further than this; PHASE_COUNT = to the end */
    const struct plan_route *routes;
    size_t route_count;
    const struct plan_letter *letters; /* one a route; null = nothing is sent */
    const struct plan_script *script;  /* instead of routes; null = there is none */
    const struct address *own;         /* where ehlod itself listens for HTTP: dialling one is a loop */
    size_t own_count;
    const struct allow *allow; /* what may be dialled; null = whatever host is */
};

/* Whether a message belongs to the route: what it wants is not decided at RCPT. */
bool plan_route_sends(const struct plan_route *route);

/* The octets of a letter on the wire. */
size_t plan_letter_octets(const struct plan_letter *letter);

/* Whether anything is to be told about its message. */
bool plan_route_wants_dsn(const struct plan_route *route);

/* Whether its verdict waits until the message is seen in the mailbox. */
bool plan_route_is_delivered(const struct plan_route *route);

/* Whether it is carried out as several runs (probe/run_each.h). */
bool plan_is_several(const struct plan *plan);

/* What its addresses may be: the family asked for, as far as the source, be it real or claimed, does not rule
 * out the other one. Never FAMILY_EACH. */
enum family plan_family(const struct plan *plan);

const char *family_name(enum family f);         /* "any" */
const char *mx_require_name(enum mx_require r); /* "all" */
const char *protocol_name(enum protocol p);     /* "smtp" */
const char *protocol_hello(enum protocol p);    /* "EHLO" */
const char *limit_key(enum limit l);            /* "timeout", "timeouts.dns" */
int64_t limit_default_us(enum limit l);
const char *expect_name(enum expect e);           /* "accepted" */
const char *plan_notify_name(enum plan_notify n); /* "failure" */
const char *plan_ret_name(enum plan_ret r);       /* "hdrs" */
const char *tls_mode_name(enum tls_mode m);       /* "starttls" */
const char *tls_min_name(enum tls_min m);         /* "TLS12" */
const char *xclient_name(enum xclient x);         /* "ADDR" */

/* Whether it has an XCLIENT command. */
bool plan_has_xclient(const struct plan *plan);

/* "when the time of the run was over (timeout, 2 s)" */
#define PLAN_OVER_SIZE 96
void plan_say_over(const struct plan *plan, char out_r[PLAN_OVER_SIZE]);

/* Everything a peer can grow has a limit. */
#define PLAN_MAX_COMMANDS     64
#define PLAN_SESSION_COMMANDS 6  /* beside them: STARTTLS and XCLIENT, each with EHLO and HELO once more */
#define PLAN_MAX_ROUNDS       10 /* challenges in a login */
#define PLAN_AUTH_COMMANDS    (PLAN_MAX_ROUNDS + 2) /* likewise: AUTH, responses, and "*" */
#define PLAN_MAX_ADDRESSES    8
#define PLAN_MAX_DIALOGUE     (256 * 1024) /* bytes received in a run */

#define PLAN_SMTP_PORT 25

/* RFC 5321 section 4.5.3.1 */
#define PLAN_MAX_PATH 254 /* an address without its brackets */

#endif
