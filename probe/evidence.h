/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_EVIDENCE_H
#define PROBE_EVIDENCE_H

#include "probe/enhanced.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What a message says itself, once it was found in a mailbox. Plain values; who made it owns the texts, which
 * are terminated, valid UTF-8 without controls (probe/base/text.h) and bounded. None of it decides a verdict
 * but what was changed on the way.
 */
#define EVIDENCE_MAX_HOPS    16 /* the newest ones are shown */
#define EVIDENCE_MAX_AUTH    16 /* fields Authentication-Results */
#define EVIDENCE_MAX_FIELDS  64 /* of the header */
#define EVIDENCE_MAX_CHANGES 32
#define EVIDENCE_MAX_TEXT    1024 /* octets of each text; a longer one is cut and ends with "..." */

/* One field Received (RFC 5321 section 4.4). */
struct evidence_hop {
    const char *by; /* null where the field does not say, and so are the next two */
    const char *from;
    const char *with;
    int64_t at_wall_us; /* its date, since 1970; CLOCK_NONE = cannot be read */
    /* To the date of the next hop, of the last one to when it was seen, in whole seconds as dates are;
     * negative: the clocks differ. CLOCK_NONE: a date is missing. */
    int64_t delay_us;
};

struct evidence_field {
    const char *name;
    const char *value; /* unfolded */
};

struct evidence {
    size_t size;                     /* octets, with CRLF line ends */
    const struct evidence_hop *hops; /* in the order that the message went */
    size_t hop_count;
    size_t hop_total;        /* that it has */
    const char *const *auth; /* values of Authentication-Results (RFC 8601), the newest first */
    size_t auth_count;
    const struct evidence_field *fields; /* the header as it was found */
    size_t field_count;
    size_t field_total;
    const char *const *changes; /* what is not as it was sent: "body", "header Subject" */
    size_t change_count;
};

/* What a report on a message says (RFC 3464) of the recipient that fared worst. Texts null where absent. */
struct bounce {
    const char *action;     /* "failed", "delayed", "delivered", "relayed", "expanded" */
    const char *status;     /* "5.1.1" */
    const char *diagnostic; /* "smtp; 550 5.1.1 no such user" */
    const char *recipient;  /* "user@example.org" */
    const char *reporter;   /* Reporting-MTA: "mx.example.org" */
};

#endif
