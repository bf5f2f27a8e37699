/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content negotiation for the few media types we serve. Parameters other than q are passed over, so
 * "text/plain;version=0.0.4" asks for text/plain.
 *
 *   Accept      = [ media-range *( "," media-range ) ]
 *   media-range = ( "*" "/" "*" / type "/" "*" / type "/" subtype ) *( OWS ";" OWS parameter )
 *   weight      = "q=" ( "0" [ "." *3DIGIT ] / "1" [ "." *3"0" ] )
 */
#include "server/accept.h"

#include "probe/base/span.h"

#include <string.h>
#include <strings.h>

/* How well a range names a type. */
enum fit { FIT_NONE, FIT_ANY, FIT_TYPE, FIT_EXACT };

/* What a client thinks of a type: the weight of the range that names it best. */
struct liking {
    enum fit fit;
    int weight; /* thousandths */
};

static struct span trim(struct span s)
{
    while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t')) {
        s.data++;
        s.len--;
    }
    while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
        s.len--;
    return s;
}

static struct span next_part(struct span *rest, char delimiter)
{
    const char *at = memchr(rest->data, delimiter, rest->len);
    size_t len = at != NULL ? (size_t)(at - rest->data) : rest->len;
    size_t skip = at != NULL ? len + 1 : len;
    struct span part = {rest->data, len};

    rest->data += skip;
    rest->len -= skip;
    return trim(part);
}

/* A weight in thousandths; what is none counts as 1, as if it were not there. */
static int parse_weight(struct span text)
{
    int weight;

    if (text.len == 0 || (text.data[0] != '0' && text.data[0] != '1'))
        return 1000;
    weight = (text.data[0] - '0') * 1000;
    for (size_t i = 2, unit = 100; i < text.len && i < 5 && text.data[i] >= '0' && text.data[i] <= '9'; i++) {
        weight += (text.data[i] - '0') * (int)unit;
        unit /= 10;
    }
    return weight < 1000 ? weight : 1000;
}

static enum fit fit_of(struct span range, const char *type)
{
    size_t major = (size_t)(strchr(type, '/') - type) + 1;

    if (span_is(range, "*/*"))
        return FIT_ANY;
    if (span_is_nocase(range, type))
        return FIT_EXACT;
    if (range.len == major + 1 && range.data[major] == '*' && strncasecmp(range.data, type, major) == 0)
        return FIT_TYPE;
    return FIT_NONE;
}

/* Of the parameters behind a range. */
static int weight_of(struct span parameters)
{
    int weight = 1000;

    while (parameters.len > 0) {
        struct span parameter = next_part(&parameters, ';');
        if (parameter.len >= 2 && strncasecmp(parameter.data, "q=", 2) == 0)
            weight = parse_weight((struct span){parameter.data + 2, parameter.len - 2});
    }
    return weight;
}

static struct liking liking_of(const char *field, const char *type)
{
    struct span rest = span_of(field);
    struct liking best = {FIT_NONE, 0};

    while (rest.len > 0) {
        struct span parts = next_part(&rest, ',');
        enum fit fit = fit_of(next_part(&parts, ';'), type);
        int weight = weight_of(parts);
        if (fit > best.fit)
            best = (struct liking){fit, weight};
    }
    return best;
}

size_t accept_choose(const char *field, const char *const *types, size_t count)
{
    size_t chosen = 0;
    struct liking best = {FIT_NONE, 0};

    for (size_t i = 0; field != NULL && i < count; i++) {
        struct liking liking = liking_of(field, types[i]);
        if (liking.weight > best.weight || (liking.weight == best.weight && liking.fit > best.fit)) {
            best = liking;
            chosen = i;
        }
    }
    return best.weight > 0 ? chosen : 0;
}

bool accept_gzip(const char *field)
{
    struct span rest = field != NULL ? span_of(field) : (struct span){0};
    bool any = false;

    while (rest.len > 0) {
        struct span parts = next_part(&rest, ',');
        struct span coding = next_part(&parts, ';');
        bool taken = weight_of(parts) > 0;
        if (span_is_nocase(coding, "gzip") || span_is_nocase(coding, "x-gzip"))
            return taken;
        if (span_is(coding, "*"))
            any = taken;
    }
    return any;
}
