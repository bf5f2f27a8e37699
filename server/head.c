/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of a request, judged by RFC 9112 (sections 3, 5.1, 5.2 and 6.3). libmicrohttpd takes the request
 * line and the fields apart, and refuses by itself a length that is no number and a version it does not know;
 * this refuses what it lets pass. Known limit: a line that begins with a NUL byte ends the head.
 *
 *   token = 1*tchar ; tchar = ALPHA / DIGIT / "!#$%&'*+-.^_`|~"
 */
#include "server/head.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

static bool is_token(const char *text)
{
    static const char tchars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                 "!#$%&'*+-.^_`|~";

    return *text != '\0' && text[strspn(text, tchars)] == '\0';
}

void head_note(struct head *head, const char *name, const char *value)
{
    if (!is_token(name))
        head->odd_name = true;
    if (strcasecmp(name, "Host") == 0) {
        head->hosts++;
    } else if (strcasecmp(name, "Authorization") == 0) {
        head->logins++;
    } else if (strcasecmp(name, "Content-Length") == 0) {
        head->lengths++;
    } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
        head->encodings++;
        head->encoding = value;
    } else if (strcasecmp(name, "Expect") == 0) {
        head->waits = true;
    }
}

/* Where the body would end, told in more than one way, or in none that we know. */
static const char *length_fault(const struct head *head)
{
    if (head->lengths > 1)
        return "The request has more than one Content-Length.";
    if (head->lengths > 0 && head->encodings > 0)
        return "The request has both a Content-Length and a Transfer-Encoding.";
    if (head->encodings > 1 || (head->encodings == 1 && strcasecmp(head->encoding, "chunked") != 0))
        return "The request has an unknown Transfer-Encoding.";
    return NULL;
}

const char *head_fault(const struct head *head)
{
    if (head->nul)
        return "The request line holds a NUL byte.";
    if (strpbrk(head->target, " \t\r") != NULL)
        return "The request target holds a space, a tab or a carriage return.";
    if (head->folded)
        return "A header field is folded over several lines.";
    if (head->odd_name)
        return "The name of a header field holds a space or another character that no name has.";
    if (head->hosts > 1)
        return "The request has more than one Host.";
    if (head->hosts == 0 && strcmp(head->version, "HTTP/1.0") != 0)
        return "The request has no Host, which HTTP/1.1 wants.";
    if (head->logins > 1)
        return "The request has more than one Authorization.";
    return length_fault(head);
}

bool head_has_body(const struct head *head)
{
    return head->lengths > 0 || head->encodings > 0 || head->waits;
}

bool head_is_tunnel(const char *method)
{
    return strcmp(method, "CONNECT") == 0;
}

bool head_is_foreign(const char *fetch_site, const char *origin, const char *host)
{
    if (fetch_site != NULL)
        return strcmp(fetch_site, "same-origin") != 0 && strcmp(fetch_site, "none") != 0;
    if (origin == NULL)
        return false;
    const char *authority = strstr(origin, "://");
    return authority == NULL || host == NULL || strcasecmp(authority + strlen("://"), host) != 0;
}
