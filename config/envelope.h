/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_ENVELOPE_H
#define CONFIG_ENVELOPE_H

/* Addresses of an SMTP envelope as MAIL and RCPT take them, without the angle brackets. Each returns null,
 * or what is wrong with the text. */

const char *envelope_check_from(const char *text); /* "" is the null sender */
const char *envelope_check_to(const char *text);   /* "postmaster" alone is fine */

/* The part after the @: a domain or an address literal. */
const char *envelope_check_domain(const char *text);

#endif
