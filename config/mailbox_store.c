/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mailboxes that keep their mail: a Maildir, or an account on an IMAP or POP3 server (URLs of RFC 5092 and
 * 2384, of which host and port are taken and no more). No mailbox is looked into while a config is loaded:
 * whether the Maildir is there and the server lets us in is found out by whoever watches them.
 */
#include "config/mailbox_store.h"

#include "config/endpoint.h"
#include "config/path.h"
#include "config/scalar.h"
#include "config/secret_key.h"
#include "probe/net/tls_context.h"

#include <string.h>
#include <strings.h>

#define MAX_FOLDERS 16
#define MAX_SCOPES  32

void mailbox_store_maildir(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    const char *path = NULL;
    scalar_text(l, row, node, &path);
    if (path)
        *(const char **)slot = path_resolve(l->keep, l->file, path);
}

/* a server */

struct scheme {
    const char *name;
    enum account_protocol protocol;
    bool implicit_tls;
    uint16_t port;
};

static const struct scheme schemes[] = {
    {"imaps", ACCOUNT_IMAP, true, 993},
    {"imap", ACCOUNT_IMAP, false, 143},
    {"pop3s", ACCOUNT_POP3, true, 995},
    {"pop3", ACCOUNT_POP3, false, 110},
};
#define SCHEME_COUNT (sizeof(schemes) / sizeof(schemes[0]))

static const struct scheme *scheme_of(const char *text, enum account_protocol protocol)
{
    for (size_t i = 0; i < SCHEME_COUNT; i++) {
        size_t len = strlen(schemes[i].name);
        if (schemes[i].protocol == protocol && strncmp(text, schemes[i].name, len) == 0 &&
            strncmp(text + len, "://", 3) == 0)
            return &schemes[i];
    }
    return NULL;
}

/* Null, or what is wrong with it. */
static const char *read_host(struct arena *a, const char *text, struct account *account)
{
    bool bracketed = text[0] == '[';
    const char *behind = bracketed ? strchr(text, ']') : text;
    if (text[strcspn(text, "@/?#")] != '\0')
        return text[strcspn(text, "@/?#")] == '@' ? "the login does not belong here (username)"
                                                  : "more than a host and a port";
    if (behind && strchr(behind, ':'))
        return endpoint_host(text, a, &account->host, &account->port);
    uint16_t ignored;
    return endpoint_host(arena_printf(a, "%s:1", text), a, &account->host, &ignored);
}

static void read_url(struct load *l, const struct keys_row *row, const struct node *node,
                     enum account_protocol protocol, struct account *account)
{
    const char *text = scalar_read(l, row, node);
    if (!text)
        return;
    const struct scheme *scheme = scheme_of(text, protocol);
    if (!scheme) {
        load_bad(l, node, "not such a URL", row->expected);
        return;
    }
    account->port = scheme->port;
    const char *why = read_host(l->keep, text + strlen(scheme->name) + 3, account);
    if (why) {
        load_bad(l, node, why, row->expected);
        return;
    }
    account->url = arena_dup(l->keep, text);
    account->protocol = protocol;
    account->implicit_tls = scheme->implicit_tls;
}

void mailbox_store_imap(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    read_url(l, row, node, ACCOUNT_IMAP, slot);
}

void mailbox_store_pop3(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    read_url(l, row, node, ACCOUNT_POP3, slot);
}

void mailbox_store_token_url(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    const char *text = NULL;
    scalar_text(l, row, node, &text);
    if (!text)
        return;
    if (strncmp(text, "https://", 8) != 0 || strcspn(text, " \"<>") != strlen(text) || !text[8])
        load_bad(l, node, "not such a URL", row->expected);
    else
        *(const char **)slot = text;
}

/* secrets */

void mailbox_store_secret(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    const struct secret *secret = secret_key_text(l, row, node);
    if (secret)
        *(const struct secret **)slot = secret;
}

static void read_file(struct load *l, const struct keys_row *row, const struct node *node, const char *other,
                      const struct secret **slot)
{
    const char *path;
    if (secret_key_is_only(l, node, other))
        (void)secret_key_file(l, row, node, &path, slot);
}

void mailbox_store_password_file(struct load *l, const struct keys_row *row, const struct node *node,
                                 void *slot)
{
    read_file(l, row, node, "password", slot);
}

void mailbox_store_client_secret_file(struct load *l, const struct keys_row *row, const struct node *node,
                                      void *slot)
{
    read_file(l, row, node, "client_secret", slot);
}

void mailbox_store_refresh_token_file(struct load *l, const struct keys_row *row, const struct node *node,
                                      void *slot)
{
    read_file(l, row, node, "refresh_token", slot);
}

/* lists */

static const char *const *read_list(struct load *l, const struct keys_row *row, const struct node *node,
                                    size_t most, size_t *count_r)
{
    size_t items = load_items(l, node, row->expected, most);
    const char **list = arena_alloc(l->keep, items * sizeof(*list));
    size_t count = 0;
    for (size_t i = 0; i < items; i++) {
        const char *text = NULL;
        scalar_text(l, row, load_item(node, i), &text);
        for (size_t before = 0; text && before < count; before++)
            if (strcmp(list[before], text) == 0) {
                load_bad(l, load_item(node, i), "given twice", row->expected);
                text = NULL;
            }
        if (text)
            list[count++] = text;
    }
    *count_r = count;
    return list;
}

void mailbox_store_folders(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    struct account *account = slot;
    account->folders = read_list(l, row, node, MAX_FOLDERS, &account->folder_count);
}

void mailbox_store_scopes(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    struct account_oauth *oauth = slot;
    oauth->scopes = read_list(l, row, node, MAX_SCOPES, &oauth->scope_count);
}

/* what must hold between keys */

static void require(struct load *l, const struct node *map, const char *key, const char *path)
{
    if (!node_get(map, key))
        load_missing(l, map, key, keys_row(path)->expected);
}

static void check_oauth(struct load *l, const struct node *item, const struct node *oauth)
{
    const struct node *password = node_get(item, "password");
    if (!password)
        password = node_get(item, "password_file");
    if (password)
        load_key_error(l, password, "has no use (oauth2 is said, too)");
    if (oauth->kind != NODE_MAP)
        return;
    require(l, oauth, "client_id", "mailboxes.*.oauth2.client_id");
    require(l, oauth, "token_url", "mailboxes.*.oauth2.token_url");
    if (!node_get(oauth, "client_secret") && !node_get(oauth, "refresh_token") &&
        !node_get(oauth, "refresh_token_file"))
        require(l, oauth, "client_secret_file", "mailboxes.*.oauth2.client_secret_file");
}

/* Certificates that cannot be read are a mistake of the config, and no mailbox that is down. */
static void check_ca_file(struct load *l, const struct node *item, const struct account *account)
{
    struct tls_context_error error;
    const struct plan_tls trusted = {.ca_file = account->ca_file};
    if (!account->ca_file)
        return;
    struct tls_context *context = tls_context_new(&trusted, &error);
    if (!context)
        load_error(l, node_get(node_get(item, "tls_config"), "ca_file"), "%s", error.message);
    tls_context_free(context);
}

void mailbox_store_check(struct load *l, const struct node *item, struct snapshot_store *store)
{
    static const char *const inbox[] = {"INBOX"};
    const struct node *oauth = node_get(item, "oauth2");
    if (node_get(item, "maildir"))
        return;
    require(l, item, "username", "mailboxes.*.username");
    check_ca_file(l, item, &store->account);
    if (oauth)
        check_oauth(l, item, oauth);
    else if (!node_get(item, "password"))
        require(l, item, "password_file", "mailboxes.*.password_file");
    if (!node_get(item, "folders")) {
        store->account.folders = inbox;
        store->account.folder_count = 1;
    }
}

/* A folder of both, POP3 has but one; or null. */
static const char *shared_folder(const struct account *a, const struct account *b)
{
    for (size_t i = 0; i < a->folder_count; i++)
        for (size_t k = 0; k < b->folder_count; k++)
            if (strcasecmp(a->folders[i], b->folders[k]) == 0)
                return b->folders[k];
    return NULL;
}

static bool is_same_account(const struct account *a, const struct account *b)
{
    return a->host && b->host && a->username && b->username && a->protocol == b->protocol &&
           a->port == b->port && strcasecmp(a->host, b->host) == 0 && strcmp(a->username, b->username) == 0;
}

void mailbox_store_check_clash(struct load *l, const struct node *item, const struct snapshot_store *before,
                               const struct snapshot_store *store)
{
    static const char *const kinds[ACCOUNT_PROTOCOL_COUNT] = {"imap", "pop3"};
    const struct account *a = &store->account;

    for (; before < store; before++) {
        const char *name = node_show(l->scratch, before->name);
        const char *folder = is_same_account(&before->account, a) ? shared_folder(&before->account, a) : NULL;
        if (store->maildir && before->maildir && strcmp(store->maildir, before->maildir) == 0) {
            load_key_error(l, node_get(item, "maildir"), "mailbox %s is this Maildir already", name);
            return;
        }
        if (folder) {
            load_key_error(l, node_get(item, kinds[a->protocol]), "mailbox %s looks into its %s already",
                           name, node_show(l->scratch, folder));
            return;
        }
    }
}
