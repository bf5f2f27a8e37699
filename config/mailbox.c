/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mailboxes of a config: which kind each is of, and the built-in receivers, which have an address or a
 * path to listen at and the domains they take mail for. Whether the place can be had is found out by whoever
 * listens there. Those that keep their mail are config/mailbox_store.c's.
 */
#include "config/mailbox.h"

#include "config/envelope.h"
#include "config/mailbox_store.h"
#include "config/scalar.h"
#include "config/server.h"
#include "probe/net/tls_context.h"

#include <string.h>

#define MAX_MAILBOXES 64
#define MAX_DOMAINS   1000

void mailbox_sink(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    const char *text = scalar_read(l, row, node);
    const char *why = text ? server_read_place(l, text, slot) : NULL;
    if (why)
        load_bad(l, node, why, row->expected);
}

static bool is_listed(const char *domain, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i], domain) == 0)
            return true;
    return false;
}

/* The domain in ASCII, or null and an error; *other_r is set to its form in UTF-8 where it has one. */
static const char *read_domain(struct load *l, const struct keys_row *row, const struct node *node,
                               const char *const *before, size_t count, const char **other_r)
{
    const char *text = scalar_read(l, row, node);
    if (!text)
        return NULL;
    const char *domain = NULL;
    const char *why = envelope_read_domain(l->keep, text, &domain, other_r);
    if (!why && is_listed(domain, before, count))
        why = "given twice";
    if (why)
        load_bad(l, node, why, row->expected);
    return why ? NULL : domain;
}

void mailbox_domains(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    struct snapshot_sink *sink = slot;
    size_t items = load_items(l, node, row->expected, MAX_DOMAINS);
    const char **list = arena_alloc(l->keep, 2 * items * sizeof(*list));
    size_t count = 0;
    for (size_t i = 0; i < items; i++) {
        const char *other = NULL;
        list[count] = read_domain(l, row, load_item(node, i), list, count, &other);
        if (list[count])
            count++;
        if (other)
            list[count++] = other;
    }
    sink->domains = list;
    sink->domain_count = count;
}

static void require(struct load *l, const struct node *node, const char *key, const char *row_path)
{
    if (!node_get(node, key))
        load_missing(l, node, key, keys_row(row_path)->expected);
}

/* The key whose listeners are in the sink's way; or null. */
static const char *find_taker(const struct snapshot *s, const struct snapshot_sink *sink)
{
    for (size_t i = 0; i < s->listen_count; i++)
        if (server_places_clash(&s->listen[i], &sink->listen))
            return "server.listen";
    for (size_t i = 0; i < s->agent_listen_count; i++)
        if (server_places_clash(&s->agent_listen[i], &sink->listen))
            return "server.agent_listen";
    return NULL;
}

static void check_clash(struct load *l, const struct snapshot *s, const struct snapshot_sink *before,
                        const struct snapshot_sink *sink, const struct node *node)
{
    const struct node *where = node_get(node, "sink");
    const char *what = sink->listen.path ? "path" : "address";
    if (!where)
        return;
    const char *taker = find_taker(s, sink);
    if (taker)
        load_error(l, where, "%s takes this %s already (found %s)", taker, what,
                   node_found(l->scratch, where));
    for (; before < sink; before++)
        if (server_places_clash(&before->listen, &sink->listen))
            load_error(l, where, "mailbox %s takes this %s already (found %s)",
                       node_show(l->scratch, before->name), what, node_found(l->scratch, where));
}

/* Reads the files, as target_tls.c does for targets. */
static void prepare_tls(struct load *l, struct snapshot_sink *sink, const struct node *node)
{
    struct tls_context_error error;
    const struct node *key = node_get(node, "key_file");
    if (key && !node_get(node, "cert_file"))
        load_error(l, key, "a key without a certificate (cert_file)");
    if (!sink->cert_file)
        return;
    sink->tls_context = tls_context_new_server(sink->cert_file, sink->key_file, &error);
    if (!sink->tls_context)
        load_error(l, error.setting ? node_get(node, error.setting) : node, "%s", error.message);
}

void mailbox_clear(const struct snapshot_sink *sinks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        tls_context_free(sinks[i].tls_context);
}

/* which kind */

static const char *const kinds[] = {"sink", "maildir", "imap", "pop3"};
#define KIND_COUNT (sizeof(kinds) / sizeof(kinds[0]))

/* The key that says which kind it is of; null, having said what is wrong. */
static const char *kind_of(struct load *l, const struct node *item)
{
    const char *kind = NULL;
    for (size_t i = 0; i < KIND_COUNT; i++) {
        const struct node *node = node_get(item, kinds[i]);
        if (node && kind)
            load_key_error(l, node, "%s is said, too (expected one of sink, maildir, imap and pop3)", kind);
        else if (node)
            kind = kinds[i];
    }
    if (!kind)
        load_key_error(l, item, "names no kind of mailbox (expected one of sink, maildir, imap and pop3)");
    return kind;
}

/* The keys that only mailboxes of that kind have. */
static void check_keys(struct load *l, const struct node *item, const char *kind)
{
    static const struct {
        const char *key;
        const char *kinds;
    } only[] = {
        {"domains", "sink"},
        {"protocol", "sink"},
        {"cert_file", "sink"},
        {"key_file", "sink"},
        {"username", "imap pop3"},
        {"password", "imap pop3"},
        {"password_file", "imap pop3"},
        {"folders", "imap"},
        {"oauth2", "imap pop3"},
        {"tls_config", "imap pop3"},
        {"allow_plaintext", "imap pop3"},
    };
    for (size_t i = 0; i < sizeof(only) / sizeof(only[0]); i++) {
        const struct node *node = node_get(item, only[i].key);
        if (node && !strstr(only[i].kinds, kind))
            load_key_error(l, node, "has no use (the mailbox is of the kind %s)", kind);
    }
}

static void read_sink(struct load *l, struct snapshot *s, const struct node *item, const struct mailbox *m)
{
    struct snapshot_sink *sinks = (struct snapshot_sink *)s->sinks; /* not yet shared */
    struct snapshot_sink *sink = &sinks[s->sink_count++];
    *sink = m->sink;
    sink->name = arena_dup(l->keep, item->key);
    require(l, item, "domains", "mailboxes.*.domains");
    check_clash(l, s, sinks, sink, item);
    prepare_tls(l, sink, item);
}

static void read_store(struct load *l, struct snapshot *s, const struct node *item, const struct mailbox *m)
{
    struct snapshot_store *stores = (struct snapshot_store *)s->stores; /* likewise */
    struct snapshot_store *store = &stores[s->store_count++];
    *store = m->store;
    store->name = arena_dup(l->keep, item->key);
    mailbox_store_check(l, item, store);
    mailbox_store_check_clash(l, item, stores, store);
}

static void read_one(struct load *l, struct snapshot *s, const struct node *item)
{
    struct mailbox m = {0};
    if (!load_is_map(l, item, "a map with sink, maildir, imap or pop3"))
        return;
    keys_defaults(l, "mailboxes.*", &m);
    keys_read(l, "mailboxes.*", item, &m);
    const char *kind = kind_of(l, item);
    if (!kind)
        return;
    check_keys(l, item, kind);
    if (strcmp(kind, "sink") == 0)
        read_sink(l, s, item, &m);
    else
        read_store(l, s, item, &m);
}

void mailbox_read_all(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    struct snapshot *s = slot;
    l->mailboxes_broken = true;
    if (!load_is_map(l, node, row->expected))
        return;
    if (node->count > MAX_MAILBOXES) {
        load_error(l, node, "too many entries (expected at most %d, found %zu)", MAX_MAILBOXES, node->count);
        return;
    }
    const char **names = arena_alloc(l->keep, node->count * sizeof(*names));
    s->sinks = arena_alloc(l->keep, node->count * sizeof(*s->sinks));
    s->stores = arena_alloc(l->keep, node->count * sizeof(*s->stores));
    for (size_t i = 0; i < node->count; i++) {
        load_check_key_name(l, node->items[i]);
        names[i] = arena_dup(l->keep, node->items[i]->key);
        read_one(l, s, node->items[i]);
    }
    l->mailboxes = names;
    l->mailbox_count = node->count;
    l->mailboxes_broken = false;
}
