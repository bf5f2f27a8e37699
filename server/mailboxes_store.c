/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What server/mailboxes.c need not know of the kinds of stores: how one is opened, and when two settings are
 * the same, secrets included (files of certificates by their names: a new one is read by the next
 * connection).
 */
#include "server/mailboxes_store.h"

#include "probe/verify/imap_store.h"
#include "probe/verify/maildir.h"
#include "probe/verify/pop3_store.h"

#include <string.h>

struct store *mailboxes_store_open(uv_loop_t *loop, struct dns *dns, const struct snapshot_store *settings,
                                   const struct mailbox_events *events, void *context)
{
    if (settings->maildir != NULL)
        return maildir_new(&(struct maildir_order){.loop = loop,
                                                   .name = settings->name,
                                                   .path = settings->maildir,
                                                   .events = events,
                                                   .context = context});
    if (settings->account.protocol == ACCOUNT_POP3)
        return pop3_store_new(&(struct pop3_store_order){.loop = loop,
                                                         .dns = dns,
                                                         .name = settings->name,
                                                         .account = &settings->account,
                                                         .events = events,
                                                         .context = context});
    return imap_store_new(&(struct imap_store_order){.loop = loop,
                                                     .dns = dns,
                                                     .name = settings->name,
                                                     .account = &settings->account,
                                                     .events = events,
                                                     .context = context});
}

const char *mailboxes_store_place(const struct snapshot_store *settings)
{
    return settings->maildir != NULL ? settings->maildir : settings->account.url;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_secret(const struct secret *a, const struct secret *b)
{
    struct span left = secret_bytes(a), right = secret_bytes(b);

    return (a == NULL) == (b == NULL) && left.len == right.len &&
           (left.len == 0 || memcmp(left.data, right.data, left.len) == 0);
}

static bool same_list(const char *const *a, size_t a_count, const char *const *b, size_t b_count)
{
    if (a_count != b_count)
        return false;
    for (size_t i = 0; i < a_count; i++)
        if (strcmp(a[i], b[i]) != 0)
            return false;
    return true;
}

static bool same_oauth(const struct account_oauth *a, const struct account_oauth *b)
{
    return same_text(a->token_url, b->token_url) && same_text(a->client_id, b->client_id) &&
           same_secret(a->client_secret, b->client_secret) &&
           same_secret(a->refresh_token, b->refresh_token) &&
           same_list(a->scopes, a->scope_count, b->scopes, b->scope_count);
}

static bool same_account(const struct account *a, const struct account *b)
{
    return same_text(a->url, b->url) && a->allow_plaintext == b->allow_plaintext &&
           same_text(a->ca_file, b->ca_file) && same_text(a->server_name, b->server_name) &&
           a->insecure_skip_verify == b->insecure_skip_verify && same_text(a->username, b->username) &&
           same_secret(a->password, b->password) && same_oauth(&a->oauth, &b->oauth) &&
           same_list(a->folders, a->folder_count, b->folders, b->folder_count);
}

bool mailboxes_store_is_same(const struct snapshot_store *a, const struct snapshot_store *b)
{
    return same_text(a->name, b->name) && same_text(a->maildir, b->maildir) &&
           (a->maildir != NULL || same_account(&a->account, &b->account));
}
