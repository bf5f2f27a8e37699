/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the config says of the service itself: where it listens, who may have it reload, and what it answers
 * when it cannot tell. Whether an address or a path can be had is found out by whoever listens there.
 */
#include "config/server.h"

#include "config/endpoint.h"
#include "config/path.h"
#include "config/scalar.h"
#include "probe/base/clock.h"

#include <ctype.h>
#include <string.h>

#define MAX_LISTEN 64

#define LEAST_KEEP_US (3600 * CLOCK_US_PER_S)

bool server_addresses_clash(const struct address *a, const struct address *b)
{
    if (address_port(a) != address_port(b) || address_family(a) != address_family(b))
        return false;
    return address_same_host(a, b) || address_is_wildcard(a) || address_is_wildcard(b);
}

bool server_places_clash(const struct snapshot_listen *a, const struct snapshot_listen *b)
{
    return (a->path && b->path && strcmp(a->path, b->path) == 0) ||
           server_addresses_clash(&a->address, &b->address);
}

const char *server_read_place(struct load *l, const char *text, struct snapshot_listen *place_r)
{
    *place_r = (struct snapshot_listen){0};
    if (address_is_path(text))
        return path_socket(l->keep, l->file, text + strlen(ADDRESS_UNIX), &place_r->path);
    return endpoint_literal(text, &place_r->address);
}

/* Null, or what is wrong with the text. */
static const char *read_listen(struct load *l, const char *text, struct snapshot_listen *listen_r)
{
    if (strcmp(text, "systemd") != 0)
        return server_read_place(l, text, listen_r);
    *listen_r = (struct snapshot_listen){.inherited = SNAPSHOT_INHERITED};
    return NULL;
}

/* Null, or why both cannot be had. */
static const char *find_clash(const struct snapshot_listen *before, const struct snapshot_listen *listen)
{
    if (before->inherited && listen->inherited)
        return "systemd is in the list already";
    if (!server_places_clash(before, listen))
        return NULL;
    return listen->path ? "this path is in the list already"
                        : "an address before it in this list takes this port already";
}

/* How the entries of a list are read, and the listeners that must not be in their way. */
struct reader {
    const char *(*read)(struct load *l, const char *text, struct snapshot_listen *place_r);
    const struct snapshot_listen *taken;
    size_t taken_count;
};

/* Null, or why what is listened at already is in the way. */
static const char *find_taken(const struct reader *reader, const struct snapshot_listen *place)
{
    for (size_t i = 0; i < reader->taken_count; i++)
        if (server_places_clash(&reader->taken[i], place))
            return place->path ? "server.listen takes this path already"
                               : "server.listen takes this address already";
    return NULL;
}

/* One more of the list, unless it is bad or clashes with those before it. */
static size_t add(struct load *l, const struct keys_row *row, const struct node *node,
                  const struct reader *reader, struct snapshot_listen *list, size_t count)
{
    const char *text = scalar_read(l, row, node);
    const char *why = text ? reader->read(l, text, &list[count]) : NULL;
    if (why)
        load_bad(l, node, why, row->expected);
    if (!text || why)
        return count;
    why = find_taken(reader, &list[count]);
    for (size_t i = 0; i < count && !why; i++)
        why = find_clash(&list[i], &list[count]);
    if (why)
        load_error(l, node, "%s (found %s)", why, node_found(l->scratch, node));
    return why ? count : count + 1;
}

/* How many of them are good; 0 with no list when nothing could be read. */
static size_t read_list(struct load *l, const struct keys_row *row, const struct node *node,
                        const struct reader *reader, const struct snapshot_listen **list_r)
{
    size_t items = load_items(l, node, row->expected, MAX_LISTEN);
    if (items == 0)
        return 0;
    struct snapshot_listen *list = arena_alloc(l->keep, items * sizeof(*list));
    size_t count = 0;
    for (size_t i = 0; i < items; i++)
        count = add(l, row, load_item(node, i), reader, list, count);
    *list_r = list;
    return count;
}

void server_listen(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    struct snapshot *s = slot;
    const struct reader reader = {.read = read_listen};
    const struct snapshot_listen *list = NULL;
    size_t count = read_list(l, row, node, &reader, &list);
    if (!list)
        return;
    s->listen = list;
    s->listen_count = count;
}

void server_agent_listen(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    struct snapshot *s = slot;
    const struct reader reader = {
        .read = server_read_place, .taken = s->listen, .taken_count = s->listen_count};
    s->agent_listen_count = read_list(l, row, node, &reader, &s->agent_listen);
}

void server_workers(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    int64_t count = 0;
    const char *text = scalar_read(l, row, node);
    if (!text)
        return;
    if (strcmp(text, "auto") != 0 && value_integer(text, 1, SNAPSHOT_MAX_WORKERS, &count) != 0)
        load_bad(l, node, "not a usable number", row->expected);
    else
        *(unsigned *)slot = (unsigned)count;
}

void server_unknown_status(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    int64_t status;
    const char *text = scalar_read(l, row, node);
    if (!text)
        return;
    if (value_integer(text, 200, 599, &status) != 0)
        load_bad(l, node, "not a usable status", row->expected);
    else
        *(int *)slot = (int)status;
}

void server_allow_reload(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    static const char *const words[] = {[SNAPSHOT_RELOAD_LOOPBACK] = "loopback",
                                        [SNAPSHOT_RELOAD_ANYONE] = "anyone",
                                        [SNAPSHOT_RELOAD_NOBODY] = "nobody"};
    int word = scalar_word(l, row, node, words, sizeof(words) / sizeof(words[0]));
    if (word >= 0)
        *(enum snapshot_reload *)slot = (enum snapshot_reload)word;
}

void server_history_path(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    const char *path = NULL;
    scalar_text(l, row, node, &path);
    if (!path)
        return;
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        load_bad(l, node, "the path names a folder", row->expected);
    else
        *(const char **)slot = path_resolve(l->keep, l->file, path);
}

void server_history_keep(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    int64_t us = CLOCK_NONE;
    scalar_duration(l, row, node, &us);
    if (us != CLOCK_NONE && us < LEAST_KEEP_US)
        load_bad(l, node, "too short", row->expected);
    else if (us != CLOCK_NONE)
        *(int64_t *)slot = us;
}

static bool is_place(const char *authority, struct arena *scratch)
{
    const char *host;
    uint16_t port;
    const char *colon = strrchr(authority, ':');
    bool has_port = colon && !strchr(colon, ']');
    return !endpoint_host(has_port ? authority : arena_printf(scratch, "%s:80", authority), scratch, &host,
                          &port);
}

/* What may stand in a path (RFC 3986 section 3.3), as far as a proxy needs it. */
static bool is_path(const char *text)
{
    for (; *text; text++)
        if (!strchr("/-._~%", *text) && !isalnum((unsigned char)*text))
            return false;
    return true;
}

/*
 *   url = ( "http" / "https" ) "://" host [ ":" port ] [ "/" path ]
 */
void server_external_url(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    static const char *const schemes[] = {"http", "https"};
    const char *text = scalar_read(l, row, node);
    if (!text)
        return;
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t scheme = strlen(schemes[i]);
        if (strncmp(text, schemes[i], scheme) != 0 || strncmp(text + scheme, "://", 3) != 0)
            continue;
        const char *place = text + scheme + 3;
        size_t len = strcspn(place, "/");
        size_t path = strlen(place + len);
        while (path > 0 && place[len + path - 1] == '/')
            path--;
        const char *authority = arena_dup_span(l->keep, (struct span){place, len});
        if (!is_place(authority, l->scratch) || !is_path(place + len))
            break;
        *(struct snapshot_url *)slot =
            (struct snapshot_url){.scheme = schemes[i],
                                  .authority = authority,
                                  .path = arena_dup_span(l->keep, (struct span){place + len, path})};
        return;
    }
    load_bad(l, node, "not a usable URL", row->expected);
}
