/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The short commands, and what several share: loading the config and saying what is wrong with it, in the
 * config's own words. `check` has a file of its own; how the service lives is server/serve.c's.
 */
#include "server/command.h"

#include "config/yaml.h"
#include "probe/net/dns.h"
#include "server/http.h"
#include "server/render/render.h"
#include "server/serve.h"

#include <stdio.h>
#include <uv.h>

static void print_lines(char *const *lines, size_t count, const char *note)
{
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, "%s%s\n", lines[i], note);
}

static struct snapshot_source source_of(const struct options *options)
{
    return (struct snapshot_source){
        .file = options->config, .sets = options->sets, .set_count = options->set_count};
}

struct snapshot *command_load(const struct options *options)
{
    struct snapshot_source source = source_of(options);
    struct snapshot *snapshot = NULL;
    struct mistakes mistakes;
    int loaded = snapshot_load(&source, &snapshot, &mistakes);

    print_lines(mistakes.errors, mistakes.error_count, "");
    print_lines(mistakes.warnings, mistakes.warning_count, " (a warning)");
    mistakes_clear(&mistakes);
    return loaded == 0 ? snapshot : NULL;
}

int command_serve(const struct options *options)
{
    struct snapshot_source source = source_of(options);
    struct log log;

    serve_hold_hangup();
    struct snapshot *snapshot = command_load(options);
    if (snapshot == NULL)
        return 1;
    log_init(&log, STDERR_FILENO, options->log_level, options->log_format);
    int status = serve_run(snapshot, &source, &log);
    snapshot_unref(snapshot);
    return status;
}

int command_validate(const struct options *options)
{
    struct snapshot *snapshot = command_load(options);

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
    print_library("jansson", NULL, json_version());
    print_library("libfyaml", NULL, yaml_version());
    print_library("libmicrohttpd", built, running);
    snprintf(built, sizeof built, "%d.%d.%d", UV_VERSION_MAJOR, UV_VERSION_MINOR, UV_VERSION_PATCH);
    print_library("libuv", built, uv_version_string());
    return 0;
}
