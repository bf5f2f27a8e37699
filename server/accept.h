/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_ACCEPT_H
#define SERVER_ACCEPT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Which of the media types we have does a client like best (RFC 9110 section 12.5.1)? The index into
 * types, which are bare ("text/plain") and in our own order of preference. 0 when the field is absent
 * (null), when it says nothing that can be read, or when nothing suits: a checker with an odd Accept is
 * answered all the same. Of equally liked types the one asked for by name wins. Pure.
 */
size_t accept_choose(const char *field, const char *const *types, size_t count);

/* Whether a client takes gzip (section 12.5.3); null: it did not say. Pure. */
bool accept_gzip(const char *field);

#endif
