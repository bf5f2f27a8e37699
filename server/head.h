/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_HEAD_H
#define SERVER_HEAD_H

#include <stdbool.h>

/*
 * What the head of a request says about the request itself: whether it is well-formed, and whether a body
 * follows. Stricter than libmicrohttpd where a proxy before us might see another request than we do. Pure.
 * Start with the first four; then note every field.
 */
struct head {
    const char *version; /* "HTTP/1.1" */
    const char *target;  /* raw */
    bool nul;            /* the request line holds a NUL byte */
    bool folded;         /* a field goes on in the next line */
    bool odd_name;       /* the name of a field is no token */
    unsigned hosts;      /* how many there are of each */
    unsigned logins;
    unsigned lengths;
    unsigned encodings;
    const char *encoding; /* the last Transfer-Encoding */
    bool waits;           /* Expect: the client sends its body after being told to */
};

void head_note(struct head *head, const char *name, const char *value);

/* A sentence that says why the request is to be refused, or null. */
const char *head_fault(const struct head *head);

/* Whether bytes may follow the head. A Content-Length of 0 counts: only a connection that is closed after
 * the answer cannot be wrong about where the next request begins. */
bool head_has_body(const struct head *head);

/* Whether it asks for a tunnel (CONNECT): what follows may be anything but a request. */
bool head_is_tunnel(const char *method);

/* Whether a browser sends it for a page of another site (which may do so unseen, from this machine too). By
 * Sec-Fetch-Site (W3C Fetch Metadata), or where that is missing by Origin (RFC 6454) and Host. Each is null
 * when it is not there: programs that are no browsers send neither of the first two. */
bool head_is_foreign(const char *fetch_site, const char *origin, const char *host);

#endif
