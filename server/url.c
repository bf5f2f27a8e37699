/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request targets (RFC 9112 section 3.2, RFC 3986). The path is cut at "/" and the query at "&" and "="
 * before anything is decoded, so an encoded delimiter is data. Stricter than the RFC on purpose: an empty
 * value, a repeated name, a bad escape and any control character are refused, since a balancer that asks
 * the wrong question must not get an answer that looks like one.
 *
 *   target    = origin / absolute / "*"
 *   origin    = path [ "?" query ]                ; path = 1*( "/" segment )
 *   absolute  = ( "http" / "https" ) "://" authority [ origin ]
 *   query     = parameter *( "&" parameter )      ; parameter = 1*name "=" 1*value
 */
#include "server/url.h"

#include "config/nearest.h"
#include "probe/base/text.h"

#include <string.h>
#include <strings.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Cuts what stands before the delimiter off the rest. False when the delimiter is not there: then the head
 * is all of it. */
static bool cut(struct span *rest, char delimiter, struct span *head_r)
{
    const char *at = rest->len > 0 ? memchr(rest->data, delimiter, rest->len) : NULL;
    size_t len = at != NULL ? (size_t)(at - rest->data) : rest->len;
    size_t skip = at != NULL ? len + 1 : len;

    *head_r = (struct span){rest->data, len};
    rest->data += skip;
    rest->len -= skip;
    return at != NULL;
}

/* Percent-decodes; null with what is wrong when the result would not be clean text. In a query a plus is a
 * space, as HTML forms and Go's clients write it. */
static const char *decode(struct arena *arena, struct span raw, bool plus, const char **wrong_r)
{
    char *out = arena_alloc(arena, raw.len + 1);
    size_t len = 0;

    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.data[i];
        if (c == '%') {
            int high = i + 2 < raw.len ? hex_digit(raw.data[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(raw.data[i + 2]) : -1;
            if (low < 0) {
                *wrong_r = "a percent sign that two hexadecimal digits do not follow";
                return NULL;
            }
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        out[len++] = c;
    }
    struct span bytes = {out, len};
    if (!text_is_utf8(bytes)) {
        *wrong_r = "bytes that are not UTF-8";
        return NULL;
    }
    if (!text_is_clean(bytes) || memchr(out, '\t', len) != NULL) {
        *wrong_r = "a control character";
        return NULL;
    }
    return out;
}

static int refuse(struct url_mistake *mistake_r, const char *parameter, const char *detail)
{
    *mistake_r = (struct url_mistake){.parameter = parameter, .detail = detail};
    return -1;
}

static int parse_path(struct arena *arena, struct span path, struct url *url, struct url_mistake *mistake_r)
{
    const char *wrong;
    struct span raw;
    bool more = true;

    if (path.len == 0 || path.data[0] != '/')
        return refuse(mistake_r, NULL, "The path does not begin with a slash.");
    path.data++;
    path.len--;
    while (more) {
        more = cut(&path, '/', &raw);
        if (url->segment_count == URL_MAX_SEGMENTS)
            return refuse(mistake_r, NULL, "The path has too many segments.");
        const char *segment = decode(arena, raw, false, &wrong);
        if (segment == NULL)
            return refuse(mistake_r, NULL, arena_printf(arena, "The path holds %s.", wrong));
        url->segments[url->segment_count++] = segment;
    }
    return 0;
}

static int parse_parameter(struct arena *arena, struct span raw, struct url *url,
                           struct url_mistake *mistake_r)
{
    const char *wrong;
    struct span raw_name;

    cut(&raw, '=', &raw_name);
    const char *name = decode(arena, raw_name, true, &wrong);
    if (name == NULL)
        return refuse(mistake_r, NULL, arena_printf(arena, "The name of a parameter holds %s.", wrong));
    if (*name == '\0')
        return refuse(mistake_r, NULL, "The query has a parameter without a name.");
    if (url_value(url, name) != NULL)
        return refuse(mistake_r, name,
                      arena_printf(arena, "The parameter %s is given more than once.", name));
    if (url->parameter_count == URL_MAX_PARAMETERS)
        return refuse(mistake_r, name, "The query has too many parameters.");
    const char *value = decode(arena, raw, true, &wrong);
    if (value == NULL)
        return refuse(mistake_r, name, arena_printf(arena, "The parameter %s holds %s.", name, wrong));
    if (*value == '\0')
        return refuse(mistake_r, name, arena_printf(arena, "The parameter %s has no value.", name));
    url->parameters[url->parameter_count++] = (struct url_parameter){name, value};
    return 0;
}

static int parse_query(struct arena *arena, struct span query, struct url *url, struct url_mistake *mistake_r)
{
    struct span parameter;
    bool more = query.len > 0;

    while (more) {
        more = cut(&query, '&', &parameter);
        if (parse_parameter(arena, parameter, url, mistake_r) != 0)
            return -1;
    }
    return 0;
}

/* A proxy's absolute form asks for the same as the origin form behind the authority. */
static struct span without_authority(struct span target)
{
    static const char *const schemes[] = {"http://", "https://"};

    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t len = strlen(schemes[i]);
        if (target.len < len || strncasecmp(target.data, schemes[i], len) != 0)
            continue;
        while (len < target.len && target.data[len] != '/')
            len++;
        return len < target.len ? (struct span){target.data + len, target.len - len} : span_of("/");
    }
    return target;
}

int url_parse(struct arena *arena, struct span target, struct url *url_r, struct url_mistake *mistake_r)
{
    struct url url = {0};
    struct span path;
    struct span rest = without_authority(target);

    if (span_is(rest, "*")) {
        url.segments[url.segment_count++] = "*";
        *url_r = url;
        return 0;
    }
    if (rest.len > 0 && memchr(rest.data, '#', rest.len) != NULL)
        return refuse(mistake_r, NULL,
                      "The request target holds a fragment (#), which a client keeps to itself.");
    cut(&rest, '?', &path);
    if (parse_path(arena, path, &url, mistake_r) != 0 || parse_query(arena, rest, &url, mistake_r) != 0)
        return -1;
    *url_r = url;
    return 0;
}

static bool is_known(const char *name, const char *const *known, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, known[i]) == 0)
            return true;
    return false;
}

/* What could have been meant: the nearest, or else all there is. */
static const char *hint(struct arena *arena, const char *name, const char *const *known, size_t count)
{
    const char *near = nearest(name, known, count);
    const char *list = "";

    if (near != NULL)
        return arena_printf(arena, "Did you mean %s?", near);
    for (size_t i = 0; i < count; i++)
        list = arena_printf(arena, "%s%s%s", list, i == 0 ? "" : i + 1 < count ? ", " : " and ", known[i]);
    return count > 0 ? arena_printf(arena, "There is %s.", list) : "There is none at all.";
}

int url_check(struct arena *arena, const struct url *url, const char *const *known, size_t known_count,
              struct url_mistake *mistake_r)
{
    for (size_t i = 0; i < url->parameter_count; i++) {
        const char *name = url->parameters[i].name;
        if (is_known(name, known, known_count))
            continue;
        return refuse(mistake_r, name,
                      arena_printf(arena, "There is no parameter %s here. %s", name,
                                   hint(arena, name, known, known_count)));
    }
    return 0;
}

const char *url_value(const struct url *url, const char *name)
{
    for (size_t i = 0; i < url->parameter_count; i++)
        if (strcmp(url->parameters[i].name, name) == 0)
            return url->parameters[i].value;
    return NULL;
}
