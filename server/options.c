/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command-line options: one table that getopt_long, the complaints and the help texts are made of. A word
 * that is none of them is answered with the nearest that is. What a value means to a command is left to it.
 */
#include "server/options.h"

#include "config/endpoint.h"
#include "config/nearest.h"
#include "config/target_check.h"
#include "config/target_claim.h"
#include "config/value.h"
#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/base/text.h"
#include "probe/proto/dialogue.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPTIONS_CONFIG "/etc/ehlod/ehlod.yaml"

struct row {
    unsigned set;
    const char *name;
    const char *value; /* its placeholder; null takes none */
    const char *help;
    int (*take)(struct options *o, const char *value); /* -1: not a value it takes */
    const char *expected;
};

static int take_config(struct options *o, const char *value)
{
    o->config = value;
    return *value != '\0' ? 0 : -1;
}

static int take_set(struct options *o, const char *value)
{
    if (*value == '=' || strchr(value, '=') == NULL)
        return -1;
    o->sets = mem_resize(o->sets, (o->set_count + 1) * sizeof(char *));
    o->sets[o->set_count++] = value;
    return 0;
}

static int take_tag(struct options *o, const char *value)
{
    o->tag = value;
    return *value != '\0' ? 0 : -1;
}

static int take_format(struct options *o, const char *value)
{
    static const char *const names[] = {
        [OUTPUT_TEXT] = "text", [OUTPUT_JSON] = "json", [OUTPUT_NAGIOS] = "nagios"};

    for (enum output i = 0; i < OUTPUT_COUNT; i++) {
        if (strcmp(value, names[i]) == 0) {
            o->output = i;
            return 0;
        }
    }
    return -1;
}

static int take_colour(struct options *o, const char *value)
{
    static const char *const names[] = {
        [OPTIONS_COLOUR_AUTO] = "auto", [OPTIONS_COLOUR_ALWAYS] = "always", [OPTIONS_COLOUR_NEVER] = "never"};

    for (enum options_colour i = 0; i < OPTIONS_COLOUR_COUNT; i++) {
        if (strcmp(value, names[i]) == 0) {
            o->colour = i;
            return 0;
        }
    }
    return -1;
}

static int take_log_format(struct options *o, const char *value)
{
    for (enum log_format i = 0; i < LOG_FORMAT_COUNT; i++) {
        if (strcmp(value, log_format_name(i)) == 0) {
            o->log_format = i;
            return 0;
        }
    }
    return -1;
}

static int take_log_level(struct options *o, const char *value)
{
    for (enum log_level i = 0; i < LOG_LEVEL_COUNT; i++) {
        if (strcmp(value, log_level_name(i)) == 0) {
            o->log_level = i;
            return 0;
        }
    }
    return -1;
}

static int take_talk_format(struct options *o, const char *value)
{
    return strcmp(value, "nagios") == 0 ? -1 : take_format(o, value);
}

static int take_tls(struct options *o, const char *value)
{
    for (enum tls_mode i = 0; i < TLS_MODE_COUNT; i++) {
        if (strcmp(value, tls_mode_name(i)) == 0) {
            o->talk.tls = i;
            return 0;
        }
    }
    return -1;
}

static int take_insecure(struct options *o, const char *value)
{
    (void)value;
    o->talk.insecure = true;
    return 0;
}

static int take_helo(struct options *o, const char *value)
{
    o->talk.helo = value;
    return target_check_helo(value) ? 0 : -1;
}

static int take_timeout(struct options *o, const char *value)
{
    return value_duration(value, &o->talk.timeout_us) == 0 && o->talk.timeout_us >= CLOCK_US_PER_MS ? 0 : -1;
}

static int take_source(struct options *o, const char *value)
{
    return address_parse(value, 0, &o->talk.source);
}

/* A value may be a secret, and stands in no complaint. */
static int take_var(struct options *o, const char *value)
{
    char *name = mem_dup(value);
    char *equals = strchr(name, '=');
    struct placeholder *vars = o->talk.vars;

    if (equals == NULL || strpbrk(equals, "\r\n") != NULL) {
        free(name);
        return -1;
    }
    *equals = '\0';
    if (!dialogue_is_name(name)) {
        free(name);
        return -1;
    }
    o->talk.vars = vars = mem_resize(vars, (o->talk.var_count + 1) * sizeof *vars);
    memmove(vars + 1, vars, o->talk.var_count * sizeof *vars); /* of one name the last one given counts */
    vars[0] = (struct placeholder){name, equals + 1};
    o->talk.var_count++;
    return 0;
}

/* [ "v1," ] ( IP:port / "local" ) */
static int take_proxy(struct options *o, const char *value)
{
    struct plan_proxy proxy = {.wanted = true, .version = 2};

    if (strncmp(value, "v1,", 3) == 0) {
        proxy.version = 1;
        value += 3;
    }
    proxy.local = strcmp(value, "local") == 0;
    if (!proxy.local && endpoint_literal(value, &proxy.source) != NULL)
        return -1;
    o->talk.proxy = proxy;
    return 0;
}

static int take_xclient(struct options *o, const char *value)
{
    size_t len = strcspn(value, "=");

    for (enum xclient x = 0; x < XCLIENT_COUNT && value[len] == '='; x++)
        if (span_is_nocase((struct span){value, len}, xclient_name(x)))
            return text_is_clean(span_of(value)) &&
                           target_claim_read(&o->talk.arena, x, value + len + 1, &o->talk.xclient[x]) == NULL
                       ? 0
                       : -1;
    return -1;
}

static int take_ipv4(struct options *o, const char *value)
{
    (void)value;
    o->talk.family = FAMILY_IPV4;
    return 0;
}

static int take_ipv6(struct options *o, const char *value)
{
    (void)value;
    o->talk.family = FAMILY_IPV6;
    return 0;
}

static int take_help(struct options *o, const char *value)
{
    (void)value;
    o->help = true;
    return 0;
}

static const struct row rows[] = {
    {OPTION_CONFIG, "config", "FILE", "the configuration (default: " OPTIONS_CONFIG ")", take_config,
     "a file name"},
    {OPTION_SET, "set", "KEY=VALUE",
     "overrides one key of the configuration, for example\n"
     "--set targets.mx1.timeout=5s; may be given several times;\n"
     "quote a part of the key that has dots in it:\n"
     "--set 'targets.\"mx1.example.org\".timeout=5s'",
     take_set, "KEY=VALUE"},
    {OPTION_TAG, "tag", "TAG", "every target with this tag, beside those that are named", take_tag, "a tag"},
    {OPTION_FORMAT, "format", "FORMAT",
     "text    the dialogue and the verdict, for people (default)\n"
     "json    as the service answers\n"
     "nagios  one status line, for Nagios, Icinga and their like",
     take_format, "text, json or nagios"},
    {OPTION_LOG, "log-format", "FORMAT", "text (default) or json; one line an event, on standard error",
     take_log_format, "text or json"},
    {OPTION_LOG, "log-level", "LEVEL", "error, warn, info (default) or debug", take_log_level,
     "error, warn, info or debug"},
    {OPTION_TALK, "tls", "MODE",
     "off (default), opportunistic, starttls or implicit: whether and how\n"
     "the connection is encrypted before the dialogue begins; a dialogue\n"
     "may say STARTTLS itself",
     take_tls, "off, opportunistic, starttls or implicit"},
    {OPTION_TALK, "insecure", NULL, "go on whatever the server's certificate is; the result is flagged",
     take_insecure, NULL},
    {OPTION_TALK, "var", "NAME=VALUE", "what {{NAME}} stands for; may be given several times", take_var,
     "NAME=VALUE, the name of letters, digits, dots, _ and -, and no line break in the value"},
    {OPTION_TALK, "helo", "NAME",
     "who we are: {{hostname}}, and EHLO before STARTTLS (default: the host name)", take_helo,
     "1 to 255 printable ASCII characters without spaces"},
    {OPTION_TALK, "timeout", "TIME", "the whole run may take this long, such as 10s (default: 30s)",
     take_timeout, VALUE_DURATION_EXPECTED ", at least 1ms"},
    {OPTION_TALK, "source", "ADDRESS", "local IP address to dial from", take_source, "an IP address"},
    {OPTION_TALK, "proxy-protocol", "SOURCE",
     "say by a PROXY header that IP:port has connected, or local: nobody\n"
     "else; of version 2, or of version 1 with v1, before it",
     take_proxy, "IP:port or local, with v1, before it for version 1"},
    {OPTION_TALK, "xclient", "NAME=VALUE",
     "claim this by XCLIENT, such as ADDR=198.51.100.4; may be given\n"
     "several times: NAME PORT PROTO HELO LOGIN DESTADDR DESTPORT",
     take_xclient, "an attribute of XCLIENT with a value that it can have"},
    {OPTION_TALK, "ipv4", NULL, "(-4) use IPv4 alone", take_ipv4, NULL},
    {OPTION_TALK, "ipv6", NULL, "(-6) use IPv6 alone", take_ipv6, NULL},
    {OPTION_TALK, "format", "FORMAT",
     "text    the dialogue as it happens, then the verdict (default)\n"
     "json    the result as the service answers, at the end",
     take_talk_format, "text or json"},
    {OPTION_FORMAT | OPTION_TALK, "color", "WHEN",
     "auto (default: on a terminal, unless NO_COLOR is set), always or\n"
     "never: the text in colour",
     take_colour, "auto, always or never"},
    {~0u, "help", NULL, "this text", take_help, NULL},
};
#define ROW_COUNT (sizeof rows / sizeof rows[0])
/* What getopt_long returns for the first row; beyond every letter. */
#define FIRST_CODE 256

void options_help(FILE *out, unsigned set)
{
    char left[32];

    for (size_t i = 0; i < ROW_COUNT; i++) {
        const char *help = rows[i].help;
        if ((rows[i].set & set) == 0 && rows[i].set != ~0u)
            continue;
        snprintf(left, sizeof left, "--%s%s%s", rows[i].name, rows[i].value != NULL ? " " : "",
                 rows[i].value != NULL ? rows[i].value : "");
        fprintf(out, "  %-20s", left);
        if (strlen(left) > 20) /* its text begins below it */
            fprintf(out, "\n  %-20s", "");
        for (size_t len = strcspn(help, "\n");; len = strcspn(help, "\n")) {
            fprintf(out, " %.*s\n", (int)len, help);
            if (help[len] == '\0')
                break;
            help += len + 1;
            fprintf(out, "  %-20s", "");
        }
    }
}

/* The rows of the set as getopt_long wants them, null-terminated; each row's code tells where it stands. */
static void list_options(unsigned set, struct option list_r[ROW_COUNT + 1])
{
    size_t count = 0;

    for (size_t i = 0; i < ROW_COUNT; i++)
        if ((rows[i].set & set) != 0 || rows[i].set == ~0u)
            list_r[count++] =
                (struct option){.name = rows[i].name,
                                .has_arg = rows[i].value != NULL ? required_argument : no_argument,
                                .val = FIRST_CODE + (int)i};
    list_r[count] = (struct option){0};
}

static void complain_unknown(const char *command, const char *word, unsigned set)
{
    const char *names[ROW_COUNT];
    size_t count = 0;
    size_t len = strcspn(word, "=");
    char typed[64];

    for (size_t i = 0; i < ROW_COUNT; i++)
        if ((rows[i].set & set) != 0 || rows[i].set == ~0u)
            names[count++] = rows[i].name;
    snprintf(typed, sizeof typed, "%.*s", (int)len, word);
    const char *near = nearest(typed + strspn(typed, "-"), names, count);
    fprintf(stderr, "%s: there is no option %s", command, typed);
    if (near != NULL)
        fprintf(stderr, "; did you mean --%s?", near);
    fputc('\n', stderr);
}

/* What getopt_long could not take: code is '?' or ':', as it says. */
static void complain(char **argv, int code, unsigned set)
{
    char letter[] = {'-', (char)optopt, '\0'};

    if (optopt >= FIRST_CODE)
        fprintf(stderr, "%s: --%s %s\n", argv[0], rows[optopt - FIRST_CODE].name,
                code == ':' ? "needs a value" : "takes no value");
    else
        complain_unknown(argv[0], optopt != 0 ? letter : argv[optind - 1], set);
}

static void complain_value(const char *command, const struct row *row, const char *value)
{
    if (row->take == take_var)
        fprintf(stderr, "%s: --%s is to be %s\n", command, row->name, row->expected);
    else
        fprintf(stderr, "%s: --%s is to be %s, not \"%s\"\n", command, row->name, row->expected, value);
}

static void take_letter(struct options *o, int letter)
{
    if (letter == 'h')
        o->help = true;
    else
        o->talk.family = letter == '4' ? FAMILY_IPV4 : FAMILY_IPV6;
}

int options_read(int argc, char **argv, unsigned set, struct options *options_r)
{
    struct options o = {.config = OPTIONS_CONFIG,
                        .log_level = LOG_LEVEL_INFO,
                        .talk = {.timeout_us = limit_default_us(LIMIT_RUN)}};
    struct option list[ROW_COUNT + 1];
    int code;

    list_options(set, list);
    opterr = 0;
    while ((code = getopt_long(argc, argv, set & OPTION_TALK ? ":h46" : ":h", list, NULL)) != -1) {
        if (code == 'h' || code == '4' || code == '6') {
            take_letter(&o, code);
            continue;
        }
        if (code < FIRST_CODE) {
            complain(argv, code, set);
            goto wrong;
        }
        const struct row *row = &rows[code - FIRST_CODE];
        if (row->take(&o, optarg) != 0) {
            complain_value(argv[0], row, optarg);
            goto wrong;
        }
    }
    o.names = argv + optind;
    o.name_count = (size_t)(argc - optind);
    *options_r = o;
    return 0;

wrong:
    options_clear(&o);
    return -1;
}

void options_clear(struct options *options)
{
    free(options->sets);
    options->sets = NULL;
    options->set_count = 0;
    for (size_t i = 0; i < options->talk.var_count; i++)
        free((char *)options->talk.vars[i].name);
    free(options->talk.vars);
    arena_free(&options->talk.arena);
    options->talk.vars = NULL;
    options->talk.var_count = 0;
}
