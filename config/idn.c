/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one door to libidn2: a domain in the form that old mail servers know, and in the form that people
 * write. Whether what comes out is a domain of mail is config/envelope.c's.
 */
#include "config/idn.h"

#include <idn2.h>

/* Not IDN2_USE_STD3_ASCII_RULES: with it libidn2 2.3.3 leaves out what it should refuse, such as the
 * underscore of a name that has other letters too. */
#define FLAGS (IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL)

static const char *complain(struct arena *a, int code)
{
    return arena_printf(a, "not an internationalized domain name: %s", idn2_strerror(code));
}

const char *idn_to_ascii(struct arena *a, const char *domain, const char **ascii_r)
{
    char *made = NULL;
    int code = idn2_to_ascii_8z(domain, &made, FLAGS);

    if (code != IDN2_OK)
        return complain(a, code);
    *ascii_r = arena_dup(a, made);
    idn2_free(made);
    return NULL;
}

const char *idn_to_utf8(struct arena *a, const char *domain, const char **utf8_r)
{
    const char *ascii;
    char *made = NULL;
    const char *why = idn_to_ascii(a, domain, &ascii); /* what makes it one of all its spellings */
    int code = why ? IDN2_OK : idn2_to_unicode_8z8z(ascii, &made, 0);

    if (why || code != IDN2_OK)
        return why ? why : complain(a, code);
    *utf8_r = arena_dup(a, made);
    idn2_free(made);
    return NULL;
}

const char *idn_version(void)
{
    return idn2_check_version(NULL);
}
