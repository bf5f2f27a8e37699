/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_OPTIONS_H
#define SERVER_OPTIONS_H

#include "probe/plan.h"
#include "probe/proto/placeholder.h"
#include "server/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* What may stand on a command line behind the command. */
enum option_id {
    OPTION_CONFIG = 1,
    OPTION_SET = 2,
    OPTION_FORMAT = 4,
    OPTION_LOG = 8, /* --log-format and --log-level */
    OPTION_TAG = 16,
    OPTION_TALK = 32, /* those of a connection, and --format without nagios */
};

/* When text is coloured; auto: on a terminal. */
enum options_colour {
    OPTIONS_COLOUR_AUTO,
    OPTIONS_COLOUR_ALWAYS,
    OPTIONS_COLOUR_NEVER,
    OPTIONS_COLOUR_COUNT
};

enum output { OUTPUT_TEXT, OUTPUT_JSON, OUTPUT_NAGIOS, OUTPUT_COUNT };

/* How to connect and what to say: what a target's keys of these names say, in place of a config. */
struct options_talk {
    enum tls_mode tls;
    bool insecure;
    const char *helo; /* null = the host name */
    int64_t timeout_us;
    struct address source;
    enum family family;
    struct plan_proxy proxy;
    const char *xclient[XCLIENT_COUNT]; /* in the arena */
    struct placeholder *vars;           /* owned: options_clear */
    size_t var_count;
    struct arena arena; /* likewise */
};

struct options {
    const char *config;
    const char **sets; /* owned: options_clear */
    size_t set_count;
    const char *tag; /* null: not said */
    enum output output;
    enum options_colour colour;
    enum log_level log_level;
    enum log_format log_format;
    struct options_talk talk;
    bool help;
    char *const *names; /* what is not an option, null at the end */
    size_t name_count;
};

/* Reads argv from its second word on (the first names the command in complaints), taking the options in the
 * set, and --help. 0, or -1 after it said on standard error what is wrong. */
int options_read(int argc, char **argv, unsigned set, struct options *options_r);
void options_clear(struct options *options);

/* One paragraph on each option of the set. */
void options_help(FILE *out, unsigned set);

#endif
