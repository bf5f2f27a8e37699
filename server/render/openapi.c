/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interface as OpenAPI 3.1 (spec.openapis.org/oas/v3.1.0). Whatever each path has in common (a parameter
 * that is not known, a login, no place left) is said here once; what is its own is openapi_words.c's.
 */
#include "server/render/openapi.h"

#include "probe/verdict.h"
#include "server/render/doc.h"
#include "server/render/openapi_words.h"

#include <ctype.h>
#include <string.h>

struct writer {
    struct doc *doc;
    const struct openapi *of;
};

/* ---- bodies ---- */

static json_t *reference(struct writer *w, const char *schema)
{
    json_t *o = json_object();

    doc_set(w->doc, o, "$ref",
            doc_string(w->doc, arena_printf(&w->doc->arena, "#/components/schemas/%s", schema)));
    return o;
}

static json_t *typed(struct writer *w, const char *type)
{
    json_t *o = json_object();

    doc_set(w->doc, o, "type", json_string(type));
    return o;
}

static void add_media(struct writer *w, json_t *content, const char *type, json_t *schema)
{
    json_t *o = json_object();

    doc_set(w->doc, o, "schema", schema);
    doc_set(w->doc, content, type, o);
}

/* Every view of results. */
static void add_views(struct writer *w, json_t *content, const char *schema)
{
    for (size_t i = 0; w->of->media_types[i]; i++) {
        const char *type = w->of->media_types[i];
        if (strcmp(type, "application/json") == 0)
            add_media(w, content, type, reference(w, schema));
        else
            add_media(w, content, type, typed(w, strstr(type, "json") ? "object" : "string"));
    }
}

static json_t *content_of(struct writer *w, enum openapi_body body)
{
    json_t *content = json_object();

    switch (body) {
    case OPENAPI_RESULT:
        add_views(w, content, "Result");
        add_media(w, content, "text/plain", typed(w, "string")); /* metrics in their plain format, too */
        break;
    case OPENAPI_SET:
        add_views(w, content, "Set");
        break;
    case OPENAPI_METRICS:
        add_media(w, content, "text/plain", typed(w, "string"));
        add_media(w, content, "application/openmetrics-text", typed(w, "string"));
        break;
    case OPENAPI_JSON:
        add_media(w, content, "application/json", json_object());
        break;
    case OPENAPI_YAML:
        add_media(w, content, "application/yaml", typed(w, "string"));
        break;
    case OPENAPI_TEXT:
        add_media(w, content, "text/plain", typed(w, "string"));
        break;
    case OPENAPI_PROBLEM:
        add_media(w, content, "application/problem+json", reference(w, "Problem"));
        break;
    default:
        break;
    }
    return content;
}

/* ---- answers ---- */

static void add_answer(struct writer *w, json_t *answers, const char *status, enum openapi_body body,
                       const char *description)
{
    json_t *o = json_object();
    json_t *before = json_object_get(answers, status);
    json_t *content = content_of(w, body);

    if (before) /* a status that the config gives two meanings */
        description = arena_printf(&w->doc->arena, "%s; or %s",
                                   json_string_value(json_object_get(before, "description")), description);
    doc_set(w->doc, o, "description", doc_string(w->doc, description));
    if (json_object_size(content) > 0)
        doc_set(w->doc, o, "content", content);
    else
        json_decref(content);
    doc_set(w->doc, answers, status, o);
}

static void add_status(struct writer *w, json_t *answers, int status, enum openapi_body body,
                       const char *description)
{
    int number = status == OPENAPI_UNKNOWN ? w->of->unknown_status : status;

    add_answer(w, answers, arena_printf(&w->doc->arena, "%d", number), body, description);
}

/* OPTIONS that does not judge has nothing to say but what is allowed; and HEAD and OPTIONS have no body. */
static json_t *answers_of(struct writer *w, const struct openapi_path *path, const char *method)
{
    const struct openapi_words *words = openapi_words_of(path->path);
    bool tells = strcmp(method, "OPTIONS") == 0 && !path->judges;
    bool whole = strcmp(method, "GET") == 0 || strcmp(method, "POST") == 0;
    json_t *answers = json_object();

    for (size_t i = 0; !tells && words->answers[i].status; i++)
        add_status(w, answers, words->answers[i].status, whole ? words->answers[i].body : OPENAPI_NOTHING,
                   words->answers[i].description);
    if (tells)
        add_status(w, answers, 200, OPENAPI_NOTHING, "what is allowed, in Allow");
    enum openapi_body problem = whole ? OPENAPI_PROBLEM : OPENAPI_NOTHING;
    add_status(w, answers, 400, problem, "it is asked wrongly");
    if (w->of->login && !path->open)
        add_status(w, answers, 401, problem, "who asks has to log in");
    if (strcmp(method, "POST") == 0)
        add_status(w, answers, 403, problem, "a web page of another site asks for it");
    add_answer(w, answers, "default", problem, "ehlod cannot answer");
    return answers;
}

/* ---- parameters ---- */

static json_t *names(struct writer *w, const char *const *list)
{
    json_t *array = json_array();

    for (size_t i = 0; list[i]; i++)
        doc_append(w->doc, array, json_string(list[i]));
    return array;
}

static json_t *phases(struct writer *w)
{
    json_t *array = json_array();

    for (enum phase p = 0; p < PHASE_COUNT; p++)
        if (phase_is_timed(p))
            doc_append(w->doc, array, json_string(phase_name(p)));
    return array;
}

static json_t *schema_of(struct writer *w, const struct openapi_parameter *words)
{
    json_t *o = typed(w, "string");

    if (words->pattern)
        doc_set(w->doc, o, "pattern", json_string(words->pattern));
    if (strcmp(words->name, "format") == 0)
        doc_set(w->doc, o, "enum", names(w, w->of->formats));
    if (strcmp(words->name, "stop_after") == 0)
        doc_set(w->doc, o, "enum", phases(w));
    return o;
}

static void add_parameter(struct writer *w, json_t *list, const char *path, const char *name, bool in_path)
{
    const struct openapi_parameter *words = openapi_parameter_of(name);
    json_t *o = json_object();
    bool needed = in_path || (words->needed_at && strcmp(words->needed_at, path) == 0);

    doc_set(w->doc, o, "name", doc_string(w->doc, name));
    doc_set(w->doc, o, "in", json_string(in_path ? "path" : "query"));
    doc_set(w->doc, o, "required", json_boolean(needed));
    doc_set(w->doc, o, "description", json_string(words->description));
    doc_set(w->doc, o, "schema", schema_of(w, words));
    if (words->example)
        doc_set(w->doc, o, "example", json_string(words->example));
    doc_append(w->doc, list, o);
}

static json_t *parameters_of(struct writer *w, const struct openapi_path *path)
{
    json_t *list = json_array();

    if (path->any) {
        size_t len = strlen(path->any) - 2; /* without its braces */
        const char *name = arena_dup_span(&w->doc->arena, (struct span){path->any + 1, len});
        add_parameter(w, list, path->path, name, true);
    }
    for (size_t i = 0; i < path->parameter_count; i++)
        add_parameter(w, list, path->path, path->parameters[i], false);
    return list;
}

/* ---- paths ---- */

static const char *lower(struct writer *w, const char *word)
{
    char *text = arena_dup(&w->doc->arena, word);

    for (char *c = text; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return text;
}

static json_t *operation(struct writer *w, const struct openapi_path *path, const char *method)
{
    const struct openapi_words *words = openapi_words_of(path->path);
    json_t *o = json_object();

    doc_set(w->doc, o, "summary", json_string(words->summary));
    doc_set(w->doc, o, "operationId",
            doc_string(w->doc, arena_printf(&w->doc->arena, "%s_%s", lower(w, method), words->id)));
    if (w->of->login && path->open)
        doc_set(w->doc, o, "security", json_array());
    doc_set(w->doc, o, "responses", answers_of(w, path, method));
    return o;
}

static json_t *path_item(struct writer *w, const struct openapi_path *path)
{
    json_t *o = json_object();

    doc_set(w->doc, o, "parameters", parameters_of(w, path));
    for (size_t i = 0; path->methods[i]; i++)
        doc_set(w->doc, o, lower(w, path->methods[i]), operation(w, path, path->methods[i]));
    return o;
}

static json_t *all_paths(struct writer *w)
{
    json_t *o = json_object();

    for (size_t i = 0; i < w->of->path_count; i++)
        doc_set(w->doc, o, w->of->paths[i].path, path_item(w, &w->of->paths[i]));
    return o;
}

/* ---- schemas ---- */

static void add_property(struct writer *w, json_t *schema, const char *name, json_t *property, bool always)
{
    json_t *properties = json_object_get(schema, "properties");
    json_t *required = json_object_get(schema, "required");

    doc_set(w->doc, properties, name, property);
    if (always)
        doc_append(w->doc, required, json_string(name));
}

static json_t *object_schema(struct writer *w)
{
    json_t *o = typed(w, "object");

    doc_set(w->doc, o, "properties", json_object());
    doc_set(w->doc, o, "required", json_array());
    return o;
}

static json_t *status_schema(struct writer *w)
{
    json_t *o = typed(w, "string");
    json_t *array = json_array();

    for (enum status s = 0; s < STATUS_COUNT; s++)
        doc_append(w->doc, array, json_string(status_name(s)));
    doc_set(w->doc, o, "enum", array);
    return o;
}

/* The keys that a caller decides by. There are more. */
static json_t *schemas(struct writer *w)
{
    json_t *o = json_object();
    json_t *result = object_schema(w);
    json_t *set = object_schema(w);
    json_t *problem = object_schema(w);

    add_property(w, result, "status", status_schema(w), true);
    add_property(w, result, "target", typed(w, "string"), true);
    add_property(w, result, "id", typed(w, "string"), true);
    add_property(w, result, "summary", typed(w, "string"), true);
    add_property(w, result, "age_ms", typed(w, "integer"), true);
    add_property(w, set, "status", status_schema(w), true);
    add_property(w, set, "summary", typed(w, "string"), true);
    add_property(w, set, "counts", typed(w, "object"), true);
    add_property(w, set, "targets", typed(w, "object"), true);
    add_property(w, problem, "type", typed(w, "string"), true);
    add_property(w, problem, "title", typed(w, "string"), true);
    add_property(w, problem, "status", typed(w, "integer"), true);
    add_property(w, problem, "detail", typed(w, "string"), true);
    add_property(w, problem, "parameter", typed(w, "string"), false);
    doc_set(w->doc, o, "Result", result);
    doc_set(w->doc, o, "Set", set);
    doc_set(w->doc, o, "Problem", problem);
    return o;
}

/* ---- who may ask ---- */

static const char *const schemes[] = {"basic", "bearer"};

static json_t *security_schemes(struct writer *w)
{
    json_t *o = json_object();

    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        json_t *scheme = typed(w, "http");
        doc_set(w->doc, scheme, "scheme", json_string(schemes[i]));
        doc_set(w->doc, o, schemes[i], scheme);
    }
    return o;
}

static json_t *security(struct writer *w)
{
    json_t *list = json_array();

    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        json_t *o = json_object();
        doc_set(w->doc, o, schemes[i], json_array());
        doc_append(w->doc, list, o);
    }
    return list;
}

static json_t *info(struct writer *w)
{
    json_t *o = json_object();
    json_t *license = json_object();

    doc_set(w->doc, license, "name", json_string("Apache License 2.0"));
    doc_set(w->doc, license, "identifier", json_string("Apache-2.0"));
    doc_set(w->doc, o, "title", json_string("ehlod"));
    doc_set(w->doc, o, "version", json_string(EHLOD_VERSION));
    doc_set(w->doc, o, "description",
            json_string("Health checks of mail servers, by SMTP dialogues on demand"));
    doc_set(w->doc, o, "license", license);
    return o;
}

void openapi_write(struct buffer *out, const struct openapi *of)
{
    struct doc d = {0};
    struct writer w = {.doc = &d, .of = of};
    json_t *root = json_object();
    json_t *components = json_object();

    doc_set(&d, components, "schemas", schemas(&w));
    if (of->login)
        doc_set(&d, components, "securitySchemes", security_schemes(&w));
    doc_set(&d, root, "openapi", json_string("3.1.0"));
    doc_set(&d, root, "info", info(&w));
    if (of->login)
        doc_set(&d, root, "security", security(&w));
    doc_set(&d, root, "paths", all_paths(&w));
    doc_set(&d, root, "components", components);
    doc_finish(&d, root, out);
}
