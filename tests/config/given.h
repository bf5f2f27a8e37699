/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_CONFIG_GIVEN_H
#define TESTS_CONFIG_GIVEN_H

#include "config/snapshot.h"
#include "probe/base/span.h"

/* A config that a test gives to be loaded, and what became of it. */
struct given {
    char path[64]; /* of the file that was loaded; gone already */
    int code;
    struct snapshot *snapshot; /* null unless code is 0 */
    struct mistakes mistakes;
};

/* The bytes as a config file of their own, and --set options up to a null (the list may be null). */
void given_bytes(struct given *g, struct span bytes, const char *const *sets);
void given_text(struct given *g, const char *text, const char *const *sets);

/* Some file or other. */
void given_file(struct given *g, const char *path);

/* A good config without any mistake or warning. */
struct snapshot *given_good(struct given *g, const char *text);

void given_clear(struct given *g);

/* Fails the test unless this is all that is wrong: a text for each, "at" the file's name unless it begins
 * with "--set", or with the name of another file, from the root. The list ends with a null. */
void given_expect(const struct given *g, const char *const *errors);

#endif
