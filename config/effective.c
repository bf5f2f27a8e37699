/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the tree of a config again, with defaults from the table of keys. A module stays a module, and what
 * it says is no default of its targets. A default is left out where saying it would mean more than not saying
 * it: mx_require where there is one run, a limit that the whole run's clips, and all of a mailbox, whose keys
 * depend on its kind. Which keys hold secrets the table knows too.
 */
#include "config/effective.h"

#include "config/keys.h"
#include "config/secret_value.h"
#include "config/value.h"
#include "probe/base/buffer.h"
#include "probe/base/text.h"

#include <string.h>
#include <strings.h>

#define EFFECTIVE_MAX ((size_t)256 * 1024 * 1024)
#define MAX_SECRETS   16
#define STEP          2 /* of indentation */

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
static const char simple[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

struct effective {
    struct buffer out;
    struct arena scratch;
    const struct node *modules;           /* null = there are none */
    const char *secrets[MAX_SECRETS + 1]; /* paths of rows */
};

/* What a map is and where: its path in the table of keys, and what a module says in its stead. */
struct place {
    const char *path;
    const struct node *module;
    bool in_module;
};

/* ---- scalars ---- */

static void write_escaped(struct buffer *out, const char *text)
{
    buffer_puts(out, "\"");
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\')
            buffer_printf(out, "\\%c", *c);
        else if (*c < ' ' || *c == 0x7f)
            buffer_printf(out, "\\x%02X", *c);
        else if (*c == 0xc2 && c[1] < 0xa0) /* U+0080 to U+009F: controls, too */
            buffer_printf(out, "\\x%02X", *++c);
        else if (*c == 0xef && c[1] == 0xbb && c[2] == 0xbf)
            buffer_puts(out, "\\uFEFF"), c += 2;
        else
            buffer_put(out, (const char *)c, 1);
    }
    buffer_puts(out, "\"");
}

/* What readers of YAML 1.1 take for a boolean. */
static bool is_trap(const char *text)
{
    static const char *const traps[] = {"on", "off", "yes", "no", "y", "n"};

    for (size_t i = 0; i < sizeof traps / sizeof traps[0]; i++)
        if (strcasecmp(text, traps[i]) == 0)
            return true;
    return false;
}

/* A word that is the same with and without quotes, to every reader of YAML, goes as it was. */
static void write_word(struct buffer *out, const char *text, bool plain)
{
    if (plain && !is_trap(text) && *text && text[strspn(text, simple)] == '\0' && *text != '-' &&
        *text != '.')
        buffer_puts(out, text);
    else
        write_escaped(out, text);
}

static void write_key(struct buffer *out, const char *key)
{
    write_word(out, key, *key && strchr(alphabet, *key) != NULL);
    buffer_puts(out, ":");
}

static bool is_secret(const struct effective *e, const char *path)
{
    for (size_t i = 0; e->secrets[i]; i++)
        if (strcmp(e->secrets[i], path) == 0)
            return true;
    return strncmp(path, "server.basic_auth_users.", 24) == 0 || strncmp(path, "targets.*.vars.", 15) == 0;
}

static void write_scalar(struct effective *e, const struct node *node, const char *path)
{
    if (node_is_null(node))
        buffer_puts(&e->out, "null");
    else if (is_secret(e, path) && !secret_value_is_reference(node->text))
        buffer_puts(&e->out, "\"***\"");
    else
        write_word(&e->out, node->text, node->plain);
    buffer_puts(&e->out, "\n");
}

static void indent(struct effective *e, unsigned depth)
{
    buffer_printf(&e->out, "%*s", (int)(depth * STEP), "");
}

/* ---- defaults ---- */

static const char *name_under(const struct keys_row *row, const char *path)
{
    size_t len = strlen(path);

    if (strncmp(row->path, path, len) != 0 || row->path[len] != '.')
        return NULL;
    const char *name = row->path + len + 1;
    return name[strcspn(name, ".[")] == '\0' ? name : NULL;
}

static bool is_map_with_defaults(const char *path)
{
    static const char *const maps[] = {"server",
                                       "server.tls_server_config",
                                       "history",
                                       "targets.*",
                                       "targets.*.timeouts",
                                       "targets.*.tls_config",
                                       "targets.*.proxy_protocol",
                                       "targets.*.auth",
                                       "targets.*.routes[]"};

    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++)
        if (strcmp(maps[i], path) == 0)
            return true;
    return false;
}

/* Whether the whole run is over before the limit is, so that it is never reached. */
static bool is_clipped(const struct keys_row *row, const struct node *target, const struct node *module)
{
    const struct node *said = node_get(target, "timeout");
    int64_t run_us, limit_us;

    if (!said && module)
        said = node_get(module, "timeout");
    const char *run = said ? said->text : keys_row("targets.*.timeout")->fallback;
    return value_duration(run, &run_us) == 0 && value_duration(row->fallback, &limit_us) == 0 &&
           limit_us > run_us;
}

/* What holds in a map of that place by itself. map is null where nobody wrote one; owner is above it. */
static void write_defaults(struct effective *e, const struct node *map, const struct node *owner,
                           const struct place *place, unsigned depth)
{
    bool limits = strcmp(place->path, "targets.*.timeouts") == 0;
    const struct keys_row *rows;
    size_t count;

    if (place->in_module || !is_map_with_defaults(place->path))
        return;
    rows = keys_rows(&count);
    for (const struct keys_row *row = rows; row < rows + count; row++) {
        const char *name = name_under(row, place->path);
        if (!name || !row->fallback || node_get(map, name) || strcmp(name, "mx_require") == 0)
            continue;
        if (place->module && node_at(place->module, row->path + strlen("targets.*.")))
            continue;
        if (limits && is_clipped(row, owner, place->module))
            continue;
        indent(e, depth);
        write_key(&e->out, name);
        buffer_puts(&e->out, " ");
        write_word(&e->out, row->fallback, true);
        buffer_puts(&e->out, "\n");
    }
}

/* A map that nobody wrote, if there is anything in it. */
static void write_absent(struct effective *e, const struct node *owner, const char *name,
                         const struct place *place, unsigned depth)
{
    size_t before = e->out.len;

    if (place->in_module || node_get(owner, name))
        return;
    indent(e, depth);
    write_key(&e->out, name);
    buffer_puts(&e->out, "\n");
    size_t head = e->out.len;
    write_defaults(e, NULL, owner, place, depth + 1);
    if (e->out.len > head || e->out.full)
        return;
    e->out.len = before;
    e->out.data[before] = '\0';
}

/* ---- the tree ---- */

static void write_node(struct effective *e, const struct node *node, const struct place *place,
                       unsigned depth);

/* A name of a mailbox, a module or a target stands for any; a module is read by the keys of a target. */
static const char *path_of(struct effective *e, const char *above, const char *key)
{
    if (strcmp(above, "modules") == 0 || strcmp(above, "targets") == 0)
        return "targets.*";
    if (strcmp(above, "mailboxes") == 0)
        return "mailboxes.*";
    return *above ? arena_printf(&e->scratch, "%s.%s", above, key) : key;
}

static struct place place_of(struct effective *e, const struct place *above, const struct node *child)
{
    struct place place = *above;

    place.path = path_of(e, above->path, child->key);
    if (strcmp(above->path, "modules") == 0)
        place.in_module = true;
    if (strcmp(above->path, "targets") == 0) {
        const struct node *name = node_get(child, "module");
        place.module = name && name->kind == NODE_SCALAR ? node_get(e->modules, name->text) : NULL;
    }
    return place;
}

/* inline_first: the first entry stands where we are, behind the dash of a list. */
static void write_map(struct effective *e, const struct node *map, const struct place *place, unsigned depth,
                      bool inline_first)
{
    for (size_t i = 0; i < map->count; i++) {
        const struct node *child = map->items[i];
        const struct place its = place_of(e, place, child);
        if (i > 0 || !inline_first)
            indent(e, depth);
        write_key(&e->out, child->key);
        write_node(e, child, &its, depth + 1);
    }
    write_defaults(e, map, map->parent, place, depth);
    if (strcmp(place->path, "targets.*") == 0) {
        struct place timeouts = *place;
        timeouts.path = "targets.*.timeouts";
        write_absent(e, map, "timeouts", &timeouts, depth);
    }
}

static void write_list(struct effective *e, const struct node *list, const struct place *place,
                       unsigned depth)
{
    struct place its = *place;

    its.path = arena_printf(&e->scratch, "%s[]", place->path);
    its.module = NULL; /* a list replaces that of a module */
    for (size_t i = 0; i < list->count; i++) {
        const struct node *item = list->items[i];
        indent(e, depth);
        buffer_puts(&e->out, "-");
        if (item->kind == NODE_MAP && item->count > 0) {
            buffer_puts(&e->out, " ");
            write_map(e, item, &its, depth + 1, true);
        } else {
            write_node(e, item, &its, depth + 1);
        }
    }
}

/* Behind a key or a dash. */
static void write_node(struct effective *e, const struct node *node, const struct place *place,
                       unsigned depth)
{
    if (node->kind == NODE_SCALAR) {
        buffer_puts(&e->out, " ");
        write_scalar(e, node, place->path);
    } else if (node->count == 0) {
        buffer_puts(&e->out, node->kind == NODE_MAP ? " {}\n" : " []\n");
    } else {
        buffer_puts(&e->out, "\n");
        if (node->kind == NODE_MAP)
            write_map(e, node, place, depth, false);
        else
            write_list(e, node, place, depth);
    }
}

/* The rows whose values are secrets say that the environment may hold them. */
static void find_secrets(struct effective *e)
{
    size_t count, found = 0;
    const struct keys_row *rows = keys_rows(&count);

    for (size_t i = 0; i < count && found < MAX_SECRETS; i++)
        if (strstr(rows[i].expected, "${NAME}"))
            e->secrets[found++] = rows[i].path;
}

const char *effective_write(const struct node *root, const char *file, struct arena *keep)
{
    struct effective e = {.modules = node_get(root, "modules")};
    const struct place top = {.path = ""};
    const struct place server = {.path = "server"};

    buffer_init(&e.out, EFFECTIVE_MAX);
    find_secrets(&e);
    buffer_printf(&e.out,
                  "# The config in effect: %s, --set options and defaults. *** is a secret; a relative path "
                  "begins at the file's folder.\n",
                  node_show(&e.scratch, file));
    write_map(&e, root, &top, 0, false);
    write_absent(&e, root, "server", &server, 0);
    const char *text = e.out.full ? "# The config is too long to be shown.\n" : e.out.data;
    text = arena_dup(keep, text);
    buffer_free(&e.out);
    arena_free(&e.scratch);
    return text;
}
