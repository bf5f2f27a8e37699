/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mailbox syntax of RFC 5321 section 4.1.2, with the limits of section 4.5.3.1, and in UTF-8 that of RFC 6531
 * section 3.3; what is in UTF-8 has to keep the limits in the form that it is sent in. No source routes, no
 * General-address-literal (none was ever registered).
 */
#include "config/envelope.h"

#include "config/idn.h"
#include "probe/base/address.h"
#include "probe/base/text.h"
#include "probe/plan.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define MAX_LOCAL  64
#define MAX_DOMAIN 255
#define MAX_LABEL  63

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_utf8(char c)
{
    return (unsigned char)c >= 0x80;
}

/* atext, RFC 5322 section 3.2.3 and RFC 6531 section 3.3 */
static bool is_atext(char c)
{
    return is_alnum(c) || is_utf8(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

/* Quoted-string = DQUOTE *(qtextSMTP / UTF8-non-ascii / ("\" %d32-126)) DQUOTE: the length, or 0 when the
 * text is none. */
static size_t quoted_len(const char *text)
{
    size_t i = 1;
    while (is_utf8(text[i]) || (text[i] >= 0x20 && text[i] < 0x7f && text[i] != '"')) {
        if (text[i] == '\\' && (text[++i] < 0x20 || text[i] >= 0x7f))
            return 0;
        i++;
    }
    return text[i] == '"' ? i + 1 : 0;
}

/* Dot-string = Atom *("." Atom): the length up to what is none any more. */
static size_t dot_string_len(const char *text)
{
    size_t i = 0;
    while (is_atext(text[i]) || (text[i] == '.' && i > 0 && text[i - 1] != '.'))
        i++;
    return i > 0 && text[i - 1] == '.' ? 0 : i;
}

/* "[192.0.2.1]" or "[IPv6:2001:db8::1]" */
static const char *check_literal(const char *text)
{
    struct address a;
    char inside[ADDRESS_TEXT_SIZE];
    size_t len = strlen(text);
    bool v6 = strncasecmp(text, "[IPv6:", 6) == 0;
    size_t begin = v6 ? 6 : 1;
    if (len < begin + 2 || text[len - 1] != ']' || len - begin - 1 >= sizeof(inside) || strchr(text, '%'))
        return "not an address literal such as [192.0.2.1] or [IPv6:2001:db8::1]";
    memcpy(inside, text + begin, len - begin - 1);
    inside[len - begin - 1] = '\0';
    if (address_parse(inside, 0, &a) != 0 || address_family(&a) != (v6 ? AF_INET6 : AF_INET))
        return "not an address literal such as [192.0.2.1] or [IPv6:2001:db8::1]";
    return NULL;
}

const char *envelope_check_domain(const char *text)
{
    if (*text == '[')
        return check_literal(text);
    if (strlen(text) > MAX_DOMAIN)
        return "the domain is longer than 255 octets";
    for (const char *label = text;;) {
        size_t len = strcspn(label, ".");
        if (len == 0)
            return *text ? "the domain has an empty label (a dot too many)" : "the domain is missing";
        if (len > MAX_LABEL)
            return "a label of the domain is longer than 63 octets";
        for (size_t i = 0; i < len; i++)
            if (!is_alnum(label[i]) && (label[i] != '-' || i == 0 || i == len - 1))
                return "the domain holds something other than letters, digits and inner hyphens";
        if (label[len] == '\0')
            return NULL;
        label += len + 1;
    }
}

/* The length of the part before the @; of a good address. */
static size_t local_len(const char *address)
{
    return *address == '"' ? quoted_len(address) : dot_string_len(address);
}

const char *envelope_wire(struct arena *a, const char *address)
{
    size_t local = local_len(address);
    const char *domain = address + local;

    if (text_is_ascii(span_of(address)) || *domain != '@')
        return arena_dup(a, address);
    const char *before = arena_dup_span(a, (struct span){address, local});
    if (text_is_ascii(span_of(domain + 1)) ||
        (text_is_ascii(span_of(before)) ? idn_to_ascii : idn_to_utf8)(a, domain + 1, &domain))
        return arena_dup(a, address);
    return arena_printf(a, "%s@%s", before, domain);
}

/* A domain that is not ASCII in its other form, or what is wrong with it. */
static const char *read_international(struct arena *a, const char *domain, const char **ascii_r)
{
    for (const char *c = domain; *c; c++)
        if (!is_utf8(*c) && !is_alnum(*c) && *c != '-' && *c != '.')
            return "the domain holds something other than letters, digits and inner hyphens";
    if (idn_to_ascii(a, domain, ascii_r))
        return "the domain is not an internationalized domain name";
    return envelope_check_domain(*ascii_r);
}

const char *envelope_read_domain(struct arena *a, const char *text, const char **ascii_r, const char **utf8_r)
{
    const char *ascii = NULL, *utf8;
    const char *why;

    if (!text_is_utf8(span_of(text)))
        return "not UTF-8";
    if (text_is_ascii(span_of(text))) {
        why = envelope_check_domain(text);
        ascii = text;
    } else
        why = read_international(a, text, &ascii);
    if (why)
        return why;
    char *lower = arena_dup(a, ascii);
    for (char *c = lower; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    *ascii_r = lower;
    if (!idn_to_utf8(a, lower, &utf8) && !text_is_ascii(span_of(utf8)))
        *utf8_r = utf8;
    return NULL;
}

/* The domain of an address, with as much of the address as comes before it. */
static const char *check_international(const char *text, const char *domain)
{
    struct arena scratch = {0};
    const char *ascii = NULL;
    const char *why = read_international(&scratch, domain, &ascii);

    if (!why && strlen(envelope_wire(&scratch, text)) > PLAN_MAX_PATH)
        why = "longer than 254 octets as it is sent";
    arena_free(&scratch);
    return why;
}

static const char *check_mailbox(const char *text)
{
    if (*text == '\0')
        return "empty";
    if (!text_is_utf8(span_of(text)))
        return "not UTF-8";
    if (*text == '<')
        return "to be written without angle brackets";
    size_t local = local_len(text);
    if (local > MAX_LOCAL)
        return "the part before the @ is longer than 64 octets";
    if (!strchr(text, '@'))
        return "not a mail address: the @ is missing";
    if (local == 0 || text[local] != '@')
        return "not a mail address: the part before the @ holds what must stand in quotes, or dots out of place";
    if (strlen(text) > PLAN_MAX_PATH)
        return "longer than 254 octets";
    const char *domain = text + local + 1;
    return text_is_ascii(span_of(domain)) ? envelope_check_domain(domain) : check_international(text, domain);
}

const char *envelope_check_from(const char *text)
{
    return *text ? check_mailbox(text) : NULL;
}

const char *envelope_check_to(const char *text)
{
    return strcasecmp(text, "postmaster") == 0 ? NULL : check_mailbox(text);
}
