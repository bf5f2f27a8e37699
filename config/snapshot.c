/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a file and the --set options to one immutable object: read the text, put the overrides in, let the
 * key table read the tree, make an index of names. All that a snapshot points to is in its own arena; the
 * tree and the findings are gone when loading is over. Knows no network but the name of this machine.
 */
#include "config/snapshot.h"

#include "config/effective.h"
#include "config/endpoint.h"
#include "config/file.h"
#include "config/guest.h"
#include "config/keys.h"
#include "config/mailbox.h"
#include "config/set.h"
#include "config/target.h"
#include "config/target_auth.h"
#include "config/target_tls.h"
#include "config/yaml.h"
#include "probe/base/mem.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOST_NAME_SIZE 256

struct owned {
    struct snapshot is; /* first, so that one pointer is both */
    atomic_size_t references;
    struct arena arena;
    const struct snapshot_target **by_name;
    struct target_tls *tls; /* what the plans' are */
    size_t tls_count;
    struct secret **secrets; /* likewise */
    size_t secret_count;
    struct snapshot *base; /* of a derived one: all but the arena is its */
};

/* The name of this machine; "localhost" when it has none that could be shown or sent. */
static const char *host_name(struct arena *a)
{
    char name[HOST_NAME_SIZE] = "";
    if (gethostname(name, sizeof(name) - 1) != 0 || !endpoint_is_host_name(name))
        return "localhost";
    return arena_dup(a, name);
}

static void check_root(struct load *l, const struct node *root)
{
    const struct node absent = {.key = "targets", .key_mark = root->mark, .parent = root};
    const struct node *targets = node_get(root, "targets");
    if (root->kind == NODE_MAP && (!targets || (targets->kind == NODE_MAP && targets->count == 0)))
        load_key_warning(l, targets ? targets : &absent, "there are none, so there is nothing to check");
}

/* Fills the snapshot from the tree; what is wrong goes to the findings. */
static void fill(struct owned *s, const struct node *root, const char *file, struct arena *scratch,
                 struct findings *findings)
{
    struct target defaults;
    struct load load = {
        .keep = &s->arena, .scratch = scratch, .findings = findings, .file = file, .defaults = &defaults};
    load.hostname = host_name(&s->arena);
    target_defaults(&load, &defaults);
    keys_defaults(&load, "server", &s->is);
    keys_defaults(&load, "history", &s->is);
    s->is.host_name = s->is.server_name = load.hostname;
    check_root(&load, root);
    if (load_is_map(&load, root, "a map with targets"))
        keys_read(&load, "", root, &s->is);
    if (findings->error_count == 0)
        guest_prepare(&load, &s->is);
    s->tls = load.tls;
    s->tls_count = load.tls_count;
    s->secrets = load.secrets;
    s->secret_count = load.secret_count;
}

static int compare_names(const void *left, const void *right)
{
    const struct snapshot_target *a = *(const struct snapshot_target *const *)left;
    const struct snapshot_target *b = *(const struct snapshot_target *const *)right;
    return strcmp(a->name, b->name);
}

/* The places to listen at, none of which is to be dialled. */
static void collect_own(struct owned *s)
{
    size_t count = s->is.listen_count + s->is.agent_listen_count;
    struct address *own = arena_alloc(&s->arena, count * sizeof(*own));
    for (size_t i = 0; i < count; i++) {
        const struct snapshot_listen *place =
            i < s->is.listen_count ? &s->is.listen[i] : &s->is.agent_listen[i - s->is.listen_count];
        own[i] = place->address;
        if (place->path)
            (void)address_of_path(place->path, &own[i]); /* its length is known to be good */
    }
    s->is.own = own;
    s->is.own_count = count;
}

/* What needs the whole of it: every plan knows where ehlod listens, every name can be found. */
static void finish(struct owned *s)
{
    struct snapshot_target *targets = (struct snapshot_target *)s->is.targets; /* not yet shared */
    size_t count = s->is.target_count;
    collect_own(s);
    s->by_name = arena_alloc(&s->arena, count * sizeof(*s->by_name));
    for (size_t i = 0; i < count; i++) {
        targets[i].plan.own = s->is.own;
        targets[i].plan.own_count = s->is.own_count;
        s->by_name[i] = &targets[i];
    }
    if (count > 0)
        qsort(s->by_name, count, sizeof(*s->by_name), compare_names);
}

/* The tree of file and overrides, or null. */
static struct node *read_tree(const struct snapshot_source *source, const struct node_origin *file,
                              struct arena *a, struct findings *f)
{
    struct span text;
    struct node *root;
    if (file_read(file, a, f, &text) != 0 || yaml_read(text, file, a, f, &root) != 0)
        return NULL;
    for (size_t i = 0; root->kind == NODE_MAP && i < source->set_count; i++)
        set_apply(source->sets[i], (unsigned)i + 1, root, a, f);
    set_check(root, a, f);
    return root;
}

int snapshot_load(const struct snapshot_source *source, struct snapshot **snapshot_r,
                  struct mistakes *mistakes_r)
{
    struct arena scratch = {0};
    struct findings findings = {0};
    const struct node_origin file = {.name = source->file};
    struct owned *s = mem_alloc(sizeof(*s));
    atomic_init(&s->references, 1);

    const struct node *root = read_tree(source, &file, &scratch, &findings);
    if (root)
        fill(s, root, source->file, &scratch, &findings);
    bool good = findings.error_count == 0;
    findings_report(&findings, mistakes_r); /* while the names of files are there */
    if (good) {
        finish(s);
        s->is.effective = effective_write(root, source->file, &s->arena);
        *snapshot_r = &s->is;
    } else {
        snapshot_unref(&s->is);
    }
    findings_free(&findings);
    arena_wipe(&scratch); /* what was written may hold passwords */
    (void)malloc_trim(0); /* a large file's tree took several times its size */
    return good ? 0 : -1;
}

struct snapshot *snapshot_ref(struct snapshot *s)
{
    atomic_fetch_add_explicit(&((struct owned *)s)->references, 1, memory_order_relaxed);
    return s;
}

void snapshot_unref(struct snapshot *s)
{
    struct owned *owned = (struct owned *)s;
    if (!owned || atomic_fetch_sub_explicit(&owned->references, 1, memory_order_acq_rel) > 1)
        return;
    if (!owned->base) {
        target_auth_clear(owned->secrets, owned->secret_count);
        target_tls_clear(owned->tls, owned->tls_count);
        mailbox_clear(owned->is.sinks, owned->is.sink_count);
    }
    snapshot_unref(owned->base);
    arena_free(&owned->arena);
    free(owned);
}

const struct snapshot_target *snapshot_target(const struct snapshot *s, const char *name)
{
    const struct owned *owned = (const struct owned *)s;
    const struct snapshot_target wanted = {.name = name};
    const struct snapshot_target *key = &wanted;
    const struct snapshot_target **found =
        s->target_count ? bsearch(&key, owned->by_name, s->target_count, sizeof(*found), compare_names)
                        : NULL;
    return found ? *found : NULL;
}

struct snapshot *snapshot_derive(struct snapshot *base, struct arena **keep_r)
{
    struct owned *s = mem_alloc(sizeof(*s));
    atomic_init(&s->references, 1);
    s->is = *base;
    s->base = snapshot_ref(base);
    s->by_name = arena_alloc(&s->arena, sizeof(*s->by_name));
    s->by_name[0] = s->is.targets = arena_alloc(&s->arena, sizeof(*s->is.targets));
    s->is.target_count = 1;
    s->is.modules = NULL;
    s->is.module_count = 0;
    *keep_r = &s->arena;
    return &s->is;
}

const struct snapshot_module *snapshot_module(const struct snapshot *s, const char *name)
{
    size_t low = 0, high = s->module_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, s->modules[middle].is.name);
        if (order == 0)
            return &s->modules[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
