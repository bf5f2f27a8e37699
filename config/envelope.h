/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_ENVELOPE_H
#define CONFIG_ENVELOPE_H

#include "probe/base/arena.h"

/* Addresses of an SMTP envelope as MAIL and RCPT take them, without the angle brackets, in ASCII or in UTF-8
 * (RFC 6531). Each returns null, or what is wrong with the text. */

const char *envelope_check_from(const char *text); /* "" is the null sender */
const char *envelope_check_to(const char *text);   /* "postmaster" alone is fine */

/* An address that was found good as it goes over the wire: the domain as A-labels where the part before it is
 * ASCII, so that only who has to needs SMTPUTF8; else as U-labels. */
const char *envelope_wire(struct arena *a, const char *address);

/* The part after the @, in ASCII: a domain or an address literal. */
const char *envelope_check_domain(const char *text);

/* A domain of ours, or an address literal, in any letters. Null, or what is wrong with it; then sets *ascii_r
 * to it in ASCII and in lower case, and *utf8_r to its other form, with U-labels, where it has one. */
const char *envelope_read_domain(struct arena *a, const char *text, const char **ascii_r,
                                 const char **utf8_r);

#endif
