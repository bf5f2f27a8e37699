/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of the interface's own description: two tables, of paths and of parameters. What there is beside
 * words (methods, who may ask, which parameters) is taken from the desk; a test tries each status and each
 * parameter that stands here, and misses those that do not.
 */
#include "server/render/openapi_words.h"

#include <string.h>

#define DURATION "^(0|[0-9]+(\\.[0-9]{1,6})?(ms|s|m|h|d))$"

#define VERDICT_200 "pass or warn"
#define VERDICT_503 "fail"
#define UNKNOWN_IS                                                                                           \
    "unknown: ehlod itself could not tell (server.unknown_status), which is no evidence against "            \
    "the mail server"

static const struct openapi_words paths[] = {
    {"/check",
     "check",
     "Every target, run side by side, or all with a tag",
     {{200, OPENAPI_SET, VERDICT_200},
      {503, OPENAPI_SET, VERDICT_503},
      {OPENAPI_UNKNOWN, OPENAPI_SET, UNKNOWN_IS},
      {404, OPENAPI_PROBLEM, "no target has the tag"}}},
    {"/check/{target}",
     "check_target",
     "One run: begun now, joined if one is under way, or shared if it is young enough; with POST one run now, "
     "with its messages",
     {{200, OPENAPI_RESULT, VERDICT_200},
      {503, OPENAPI_RESULT, VERDICT_503},
      {OPENAPI_UNKNOWN, OPENAPI_RESULT, UNKNOWN_IS},
      {404, OPENAPI_PROBLEM, "there is no such target"}}},
    {"/probe",
     "probe",
     "A drop-in for blackbox_exporter: 200 whatever the verdict",
     {{200, OPENAPI_METRICS, "the run's metrics; with debug=true a report"},
      {503, OPENAPI_TEXT, "ehlod itself could not tell"}}},
    {"/metrics", "metrics", "The metrics of ehlod itself", {{200, OPENAPI_METRICS, "the metrics"}}},
    {"/sd", "sd", "The targets for Prometheus' http_sd", {{200, OPENAPI_JSON, "the list"}}},
    {"/runs/{id}",
     "run",
     "A past run, whole",
     {{200, OPENAPI_RESULT, "the run, whatever its verdict"}, {404, OPENAPI_PROBLEM, "it is not kept"}}},
    {"/targets",
     "targets",
     "What is configured, with the last verdict; runs nothing",
     {{200, OPENAPI_JSON, "the list"}}},
    {"/targets/{target}/drain",
     "drain",
     "Takes a target out of service for balancers, without touching the mail server",
     {{200, OPENAPI_JSON, "the target, as /targets shows it"},
      {403, OPENAPI_PROBLEM, "not from here (server.allow_reload)"},
      {404, OPENAPI_PROBLEM, "there is no such target"}}},
    {"/targets/{target}/undrain",
     "undrain",
     "Puts it back",
     {{200, OPENAPI_JSON, "the target, as /targets shows it"},
      {403, OPENAPI_PROBLEM, "not from here (server.allow_reload)"},
      {404, OPENAPI_PROBLEM, "there is no such target"}}},
    {"/config", "config", "The config in effect, secrets masked", {{200, OPENAPI_YAML, "the config"}}},
    {"/openapi.json", "openapi", "This document", {{200, OPENAPI_JSON, "OpenAPI 3.1"}}},
    {"/-/healthy", "healthy", "Whether the service lives", {{200, OPENAPI_TEXT, "it does"}}},
    {"/-/ready",
     "ready",
     "Whether the service is to be asked",
     {{200, OPENAPI_TEXT, "it is"}, {503, OPENAPI_TEXT, "it is stopping"}}},
    {"/-/reload",
     "reload",
     "Loads the config anew, as SIGHUP does",
     {{200, OPENAPI_TEXT, "it is loaded"},
      {403, OPENAPI_PROBLEM, "not allowed from there (server.allow_reload)"},
      {500, OPENAPI_PROBLEM, "the mistakes in it; the old one stands"}}},
};

static const struct openapi_parameter parameters[] = {
    {"target", "the name of a target; at /probe also host:port", NULL, NULL, "/probe"},
    {"id", "the id of a run, as results show it", NULL, NULL, NULL},
    {"format", "how the result is shown; without it Accept decides", NULL, NULL, NULL},
    {"color", "1: text in colour, for a terminal", "^[01]$", "0", NULL},
    {"max_age", "how old a result may be, instead of cache_ttl; 0: nothing that is kept", DURATION, "1m",
     NULL},
    {"timeout", "how long to wait, if shorter than the target's", DURATION, "20s", NULL},
    {"wait", "how long to wait for a delivery", DURATION, "2s", NULL},
    {"stop_after", "a phase, to go no further than this", "^[a-z]+$", "ehlo", NULL},
    {"tag", "only targets with this tag", NULL, NULL, NULL},
    {"min_pass", "so many that pass are enough", "^[1-9][0-9]*$", "1", NULL},
    {"for", "how long; without it until undrain", DURATION, "30m", NULL},
    {"reason", "why, to be shown", NULL, "maintenance", NULL},
    {"mode", "what agent-check says: drain, or maint (no connections and no checks at all)",
     "^(drain|maint)$", "maint", NULL},
    {"module", "the module by which host:port is asked", NULL, NULL, NULL},
    {"hostname", "whom the certificate must be for, where the module does not say", NULL, NULL, NULL},
    {"debug", "true: a report instead of metrics", "^(true|false)$", "true", NULL},
};

const struct openapi_words *openapi_words_of(const char *path)
{
    static const struct openapi_words none = {"", "", "", {{200, OPENAPI_NOTHING, ""}}};

    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        if (strcmp(paths[i].path, path) == 0)
            return &paths[i];
    return &none;
}

const struct openapi_parameter *openapi_parameter_of(const char *name)
{
    static const struct openapi_parameter none = {"", "", NULL, NULL, NULL};

    for (size_t i = 0; i < sizeof parameters / sizeof parameters[0]; i++)
        if (strcmp(parameters[i].name, name) == 0)
            return &parameters[i];
    return &none;
}
