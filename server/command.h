/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_COMMAND_H
#define SERVER_COMMAND_H

#include "config/snapshot.h"
#include "server/options.h"

/*
 * What the words behind "ehlod" do. Each returns its exit status; the table in server/main.c says what it
 * means.
 */
int command_serve(const struct options *options);
int command_check(const struct options *options);
int command_talk(const struct options *options);
int command_validate(const struct options *options);
int command_version(const struct options *options);

/* What a verdict is as an exit status, as monitoring plugins say it; unknown is what ends wrongly, too. */
#define COMMAND_UNKNOWN 3
int command_exit(enum status status);

/* Whether text on standard output is to be coloured. */
bool command_colour(const struct options *options);

/* The config that the options name, with one reference; null after every mistake was written to standard
 * error, one a line. Warnings are not: a check that is repeated would repeat them. */
struct snapshot *command_load(const struct options *options);

#endif
