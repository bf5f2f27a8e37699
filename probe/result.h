/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_RESULT_H
#define PROBE_RESULT_H

#include "probe/base/address.h"
#include "probe/delivery.h"
#include "probe/enhanced.h"
#include "probe/verdict.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What one dialogue showed. A run builds a draft in its arena, result_publish copies it into one exact
 * block of memory; from then on it is immutable and shared by count, over threads too.
 *
 * Times: *_us fields of a run are microseconds from the run's start (monotonic), CLOCK_NONE = never;
 * names with "wall" are microseconds since 1970. Texts are terminated, valid UTF-8 without controls (server
 * text that is not has been escaped, see probe/base/text.h); null where absent.
 */

/* One reply of the server (RFC 5321 section 4.2). A reply that broke off or does not parse is kept as far
 * as it came: code is then 0 if no line of it was good, and a line that does not parse stands whole. */
struct result_reply {
    int code;
    struct enhanced enhanced; /* class 0 = none */
    const char *const *lines; /* without code, separator and enhanced-code stripping: the text after "250-" */
    size_t line_count;
    bool escaped; /* at least one line is shown by text_escape */
};

/* One command with its reply; the banner is one that was not sent, and so is each further reply to a message
 * (LMTP), which counts from the one before it. */
struct result_command {
    enum phase phase;
    int route;        /* index into routes, -1 = none */
    const char *sent; /* without CRLF, secrets masked; null where nothing was */
    bool unasked;     /* nobody waited for it */
    int64_t at_us;    /* last byte written (banner: connected) */
    int64_t first_byte_us;
    int64_t reply_us; /* last byte of the final line */
    bool replied;     /* anything came at all: reply is filled in */
    struct result_reply reply;
    size_t octets; /* of a message that belongs to no route, on the wire; 0 = it is none */
    size_t octets_sent;
    const char *expected; /* "2xx", "250", "4xx or 5xx", "550 5.1.1" */
    bool ok;
};

struct result_recipient {
    const char *to;
    int code; /* of the last reply about it (LMTP: to the message); 0 = was never asked, or no answer; where
                 MAIL was refused, of that reply */
    struct enhanced enhanced;
    const char *text; /* of the reply, its lines joined (reply_text in probe/proto); null without a reply */
    enum tri ok;
};

/* What was said to the message: the reply to the dot, or a refusal before it. Of several replies (LMTP) the
 * first that is not as wanted, else the last that took it, else the last. */
struct result_final {
    int code; /* 0 = nothing was said */
    struct enhanced enhanced;
    const char *text; /* as in result_recipient */
};

struct result_route {
    const char *name;
    const char *from;
    unsigned expect;        /* set of enum expect (plan.h) */
    enum route_state state; /* ROUTE_NONE only while its run is under way */
    enum tri ok;
    const struct result_recipient *recipients;
    size_t recipient_count;

    /* of a message that this run sent, or began to send */
    const char *token; /* null = none */
    const char *message_id;
    const char *queue_id; /* null where the reply shows none */
    size_t octets;        /* of the message on the wire, its dot and all; 0 = never begun */
    size_t octets_sent;
    int64_t sent_us; /* the dot was written, from the run's start; CLOCK_NONE = never */
    struct result_final final;

    /* of the last message that tells about the route, filled in when the result is shown: this run's, or one
     * of an earlier run; state ROUTE_NONE = none does */
    struct delivery delivery;
};

struct result_extension {
    const char *keyword; /* upper case */
    const char *params;  /* "" when there are none; parted by single spaces */
};

struct result_failure {
    enum phase phase;
    enum reason reason;
    const char *route; /* its name; null = no route's */
    int code;          /* of the reply that decided; 0 = none */
    struct enhanced enhanced;
    const char *message; /* one sentence that stands alone */
    int64_t limit_us;    /* the limit that fired; CLOCK_NONE = none did */
    int64_t elapsed_us;  /* in the command or step that failed */
};

/* The last run of this target that passed, as seen from a failed one. */
struct result_last_ok {
    const char *run; /* id; null = none is known */
    int64_t started_wall_us;
    int code;           /* what it got in the phase that failed now; 0 = nothing */
    int64_t elapsed_us; /* and how long that phase took */
};

/* One certificate as the server sent it. Names over 1 KiB, and host names over 255 octets, are cut and end
 * with "...". */
struct result_certificate {
    const char *subject; /* RFC 2253, "CN=mx.example.org,O=Example"; may be "" */
    const char *issuer;
    const char *const *names; /* host names and IP addresses it is for: the first RESULT_MAX_NAMES */
    size_t name_count;
    size_t name_total;          /* that it holds */
    int64_t not_before_wall_us; /* CLOCK_NONE = cannot be read */
    int64_t not_after_wall_us;
    const char *sha256; /* of the whole certificate, 64 small hexadecimal digits */
    const char *key;    /* "EC 256", "RSA 2048", "Ed25519", "unknown" */
};

#define RESULT_MAX_NAMES 20

/* What a TLS handshake showed, as far as it came. */
struct result_tls {
    const char *version; /* "TLSv1.3"; null = none was agreed on, and with it cipher and group */
    const char *cipher;  /* by its IANA name */
    const char *group;   /* "X25519", "P-256", "DH 2048"; null also where the cipher needs none */
    const char *alert;   /* that the server sent, a warning too: "handshake_failure"; null = none */
    enum tri verified;   /* TRI_NULL: no certificate came */
    enum reason reason;  /* why it was not; also with insecure_skip_verify */
    const struct result_certificate *chain; /* as sent: the server's own first */
    size_t chain_count;
    int64_t trusted_until_wall_us; /* when the first certificate expires on the way to one that is trusted,
                                      that one too; 0 = no way was found */
};

enum result_honour { RESULT_HONOUR_UNKNOWN, RESULT_HONOURED, RESULT_NOT_HONOURED };

/* Whom ehlod claimed to be, as far as it came to say so. */
struct result_claimed {
    const char *proxy; /* "PROXY TCP4 192.0.2.9 192.0.2.1 4711 25", with "v2 " before it if so; null = none */
    const char *xclient;         /* "ADDR=198.51.100.4 NAME=client.example.net"; null = none */
    const char *as;              /* the claimed address, or the name; null = neither */
    const char *by;              /* what that was claimed with: "PROXY" or "XCLIENT"; null likewise */
    enum result_honour honoured; /* also no where the server would not have listened */
};

/* One address that was dialled; or, of a plan that is several runs, one of these. */
struct result_attempt {
    struct address address;        /* AF_UNSPEC: of a host that has none, or of which none is known yet */
    struct result_failure failure; /* reason REASON_NONE: connected; of a run, that it did not fail */
    int64_t connect_us;            /* how long it took; not of a run */

    /* of a run */
    const char *host; /* whose address it is; null = this is no run */
    const char *id;   /* null = it has not begun, or ended, yet */
    enum status status;
    const char *summary;            /* cut where it is long, like the failure's message */
    int64_t timing_us[PHASE_COUNT]; /* CLOCK_NONE = never begun */
};

#define RESULT_MAX_PART 1024 /* octets of a summary or a message there */

struct result {
    enum status status;
    const char *target;
    const char *id;
    const char *vantage;
    const char *summary;
    struct result_failure failure; /* reason REASON_NONE: there is none */
    struct result_last_ok last_ok;
    uint64_t flags; /* bit 1 << enum flag */
    int64_t started_wall_us;
    int64_t started_mono_us;
    int64_t ended_mono_us; /* its age counts from here */
    int64_t duration_us;   /* to the last reply that decides: without QUIT */

    const char *host;      /* as configured */
    uint16_t port;         /* 0 where it has none */
    struct address peer;   /* AF_UNSPEC: nothing was dialled */
    const char *peer_name; /* as the server calls itself in banner or EHLO; null = it did not */
    struct address local;  /* AF_UNSPEC: never connected */

    int64_t timing_us[PHASE_COUNT]; /* CLOCK_NONE = never begun */

    struct result_claimed claimed;
    const struct result_tls *tls; /* null = never begun */
    const char *login;            /* who is logged in, "probe (PLAIN)"; null = nobody */
    const struct result_extension *extensions;
    size_t extension_count;
    const struct result_command *commands;
    size_t command_count;
    const struct result_route *routes;
    size_t route_count;
    const struct result_attempt *attempts; /* in the order dialled; empty where one run had but one address */
    size_t attempt_count;
};

/* A deep copy of the draft in one block, with one reference, the caller's. Nothing of it points into the
 * draft any more. */
struct result *result_publish(const struct result *draft);

/* Bytes of memory that it takes. */
size_t result_size(const struct result *r);

struct result *result_ref(struct result *r);
void result_unref(struct result *r); /* null is fine */

/* Whether the command is a message: what was sent of it stands as its dot, and views show its size. */
bool result_is_message(const struct result_command *c);

/* The last command of the phase that got a reply; null when none did. */
const struct result_command *result_command_of(const struct result *r, enum phase phase);

#endif
