/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The short commands, and what several share: loading the config and saying what is wrong with it, in the
 * config's own words. `check` and `talk` have files of their own; how the service lives is server/serve.c's.
 */
#include "server/command.h"

#include "config/idn.h"
#include "config/yaml.h"
#include "probe/net/dns.h"
#include "probe/net/tls.h"
#include "probe/sasl.h"
#include "probe/verify/link.h"
#include "server/gzip.h"
#include "server/history.h"
#include "server/http.h"
#include "server/https.h"
#include "server/libraries.h"
#include "server/render/render.h"
#include "server/serve.h"
#include "server/signals.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

int command_exit(enum status status)
{
    static const int statuses[STATUS_COUNT] = {
        [STATUS_PASS] = 0, [STATUS_WARN] = 1, [STATUS_FAIL] = 2, [STATUS_UNKNOWN] = COMMAND_UNKNOWN};

    return statuses[status];
}

/* As no-color.org has it: set and not empty; what the command line says counts more. */
bool command_colour(const struct options *options)
{
    const char *refused = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");

    if (options->colour != OPTIONS_COLOUR_AUTO)
        return options->colour == OPTIONS_COLOUR_ALWAYS;
    if ((refused != NULL && *refused != '\0') || terminal == NULL || strcmp(terminal, "dumb") == 0)
        return false;
    return isatty(STDOUT_FILENO) == 1;
}

static struct snapshot_source source_of(const struct options *options)
{
    return (struct snapshot_source){
        .file = options->config, .sets = options->sets, .set_count = options->set_count};
}

static void print_errors(const struct mistakes *m)
{
    for (size_t i = 0; i < m->error_count; i++)
        fprintf(stderr, "%s\n", m->errors[i]);
}

static void print_all(const struct mistakes *m)
{
    print_errors(m);
    for (size_t i = 0; i < m->warning_count; i++)
        fprintf(stderr, "%s (a warning)\n", m->warnings[i]);
}

/* Who reads the log by program gets nothing but the log. */
static void log_all(struct log *log, const struct mistakes *m)
{
    for (size_t i = 0; i < m->error_count; i++)
        log_event(log, LOG_LEVEL_ERROR, "config mistake", "mistake", m->errors[i], NULL);
    for (size_t i = 0; i < m->warning_count; i++)
        log_event(log, LOG_LEVEL_WARN, "config warning", "mistake", m->warnings[i], NULL);
}

/* Null when the config is bad. */
static struct snapshot *load(const struct options *options, struct mistakes *mistakes_r)
{
    struct snapshot_source source = source_of(options);
    struct snapshot *snapshot = NULL;

    return snapshot_load(&source, &snapshot, mistakes_r) == 0 ? snapshot : NULL;
}

struct snapshot *command_load(const struct options *options)
{
    struct mistakes mistakes;
    struct snapshot *snapshot = load(options, &mistakes);

    print_errors(&mistakes);
    mistakes_clear(&mistakes);
    return snapshot;
}

static struct snapshot *load_and_say(const struct options *options, struct log *log)
{
    struct mistakes mistakes;
    struct snapshot *snapshot = load(options, &mistakes);

    if (log != NULL && log->format == LOG_FORMAT_JSON)
        log_all(log, &mistakes);
    else
        print_all(&mistakes);
    mistakes_clear(&mistakes);
    return snapshot;
}

int command_serve(const struct options *options)
{
    struct snapshot_source source = source_of(options);
    struct log log;

    signals_hold_hangup(); /* what is changed while the config is loaded is then loaded again */
    libraries_prepare();
    log_init(&log, STDERR_FILENO, options->log_level, options->log_format);
    struct snapshot *snapshot = load_and_say(options, &log);
    if (snapshot == NULL)
        return 1;
    return serve_run(snapshot, &source, &log);
}

int command_validate(const struct options *options)
{
    struct snapshot *snapshot = load_and_say(options, NULL);

    if (snapshot == NULL)
        return 1;
    printf("%s: good, %zu %s\n", options->config, snapshot->target_count,
           snapshot->target_count == 1 ? "target" : "targets");
    snapshot_unref(snapshot);
    return 0;
}

static void print_library(const char *name, const char *built, const char *running)
{
    printf("  %-14s %s", name, running);
    if (built != NULL)
        printf(" (built with %s)", built);
    putchar('\n');
}

int command_version(const struct options *options)
{
    char built[HTTP_VERSION_SIZE];
    const char *running;

    (void)options;
    http_version(built, &running);
    printf("ehlod %s\n", EHLOD_VERSION);
    print_library("c-ares", NULL, dns_version());
    print_library("GnuTLS", NULL, https_version());
    print_library("jansson", NULL, json_version());
    print_library("libcurl", NULL, link_version());
    print_library("libfyaml", NULL, yaml_version());
    print_library("libgsasl", NULL, sasl_version());
    print_library("libidn2", NULL, idn_version());
    print_library("libmicrohttpd", built, running);
    snprintf(built, sizeof built, "%d.%d.%d", UV_VERSION_MAJOR, UV_VERSION_MINOR, UV_VERSION_PATCH);
    print_library("libuv", built, uv_version_string());
    print_library("OpenSSL", NULL, tls_version());
    print_library("SQLite", NULL, history_version());
    print_library("zlib", NULL, gzip_version());
    return 0;
}
