/* SPDX-License-Identifier: Apache-2.0 */
/* A list beside the listeners themselves, which know their sockets: this one knows how they are called. */
#include "server/places.h"

#include "server/listen.h"
#include "server/render/render.h"

#include <stdio.h>
#include <stdlib.h>

#define NONE_INHERITED "server.listen says systemd, but no socket was handed over (LISTEN_FDS)"

struct snapshot_listen *places_of(const struct places *p, const struct snapshot *snapshot, size_t *count_r,
                                  const char **why_r)
{
    struct snapshot_listen *list = inherit_places(&p->inherited, snapshot, count_r);

    if (list == NULL)
        *why_r = NONE_INHERITED;
    return list;
}

static bool is_listed(const struct places *p, const struct snapshot_listen *place)
{
    for (size_t i = 0; i < p->count; i++)
        if (listen_is_same(&p->list[i], place))
            return true;
    return false;
}

int places_take(struct places *p, const struct snapshot *snapshot)
{
    char error[INHERIT_ERROR_SIZE];
    const char *why = error;

    if (inherit_take(&p->inherited, error) == 0)
        p->list = places_of(p, snapshot, &p->count, &why);
    if (p->list == NULL) {
        log_event(p->log, LOG_LEVEL_ERROR, "cannot start", "cause", why, NULL);
        return -1;
    }
    if (p->inherited.count > 0 && !is_listed(p, &p->inherited.places[0]))
        log_event(p->log, LOG_LEVEL_WARN,
                  "sockets were handed over that nobody listens at: server.listen does not say systemd",
                  NULL);
    return 0;
}

void places_clear(struct places *p)
{
    free(p->list);
    inherit_clear(&p->inherited);
}

/* ---- what is told ---- */

static const char *scheme_of(bool https)
{
    return https ? "https://" : "http://";
}

static void tell(const struct places *p, const struct snapshot_listen *place, bool https)
{
    char text[LISTEN_NAME_SIZE + 32];
    char name[LISTEN_NAME_SIZE];

    listen_name(place, name);
    snprintf(text, sizeof text, "listening on %s%s", place->path == NULL ? scheme_of(https) : "", name);
    log_event(p->log, LOG_LEVEL_INFO, text, NULL);
}

void places_replace(struct places *p, struct snapshot_listen *list, size_t count, bool https)
{
    for (size_t i = 0; i < count; i++)
        if (!is_listed(p, &list[i]))
            tell(p, &list[i], https);
    free(p->list);
    p->list = list;
    p->count = count;
}

/* A wildcard is reached by loopback. */
static void tell_example(const struct places *p, const struct snapshot_listen *place, const char *target,
                         bool https)
{
    char text[2 * LISTEN_NAME_SIZE + 256];
    char name[LISTEN_NAME_SIZE];
    struct snapshot_listen near = *place;

    if (place->path != NULL) {
        snprintf(text, sizeof text, "try: curl -s --unix-socket %s %slocalhost/check/%s", place->path,
                 scheme_of(https), target);
    } else {
        if (address_is_wildcard(&place->address))
            address_parse(address_family(&place->address) == AF_INET6 ? "::1" : "127.0.0.1",
                          address_port(&place->address), &near.address);
        listen_name(&near, name);
        snprintf(text, sizeof text, "try: curl -s %s%s/check/%s", scheme_of(https), name, target);
    }
    log_event(p->log, LOG_LEVEL_INFO, text, NULL);
}

void places_tell(const struct places *p, const struct snapshot *snapshot, bool https)
{
    for (size_t i = 0; i < p->count; i++)
        tell(p, &p->list[i], https);
    if (snapshot->target_count > 0)
        tell_example(p, &p->list[0], snapshot->targets[0].name, https);
}
