/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command-line options: one table that getopt_long, the complaints and the help texts are made of. A word
 * that is none of them is answered with the nearest that is. What a value means to a command is left to it.
 */
#include "server/options.h"

#include "config/nearest.h"
#include "probe/base/mem.h"

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

int options_read(int argc, char **argv, unsigned set, struct options *options_r)
{
    struct options o = {.config = OPTIONS_CONFIG, .log_level = LOG_LEVEL_INFO};
    struct option list[ROW_COUNT + 1];
    int code;

    list_options(set, list);
    opterr = 0;
    while ((code = getopt_long(argc, argv, ":h", list, NULL)) != -1) {
        if (code == 'h') {
            o.help = true;
            continue;
        }
        if (code < FIRST_CODE) {
            complain(argv, code, set);
            goto wrong;
        }
        const struct row *row = &rows[code - FIRST_CODE];
        if (row->take(&o, optarg) != 0) {
            fprintf(stderr, "%s: --%s is to be %s, not \"%s\"\n", argv[0], row->name, row->expected, optarg);
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
}
