/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_MAILBOX_STORE_H
#define CONFIG_MAILBOX_STORE_H

#include "config/keys.h"

/* Parsers of the keys of a mailbox that keeps its mail. */
keys_parse mailbox_store_maildir;       /* const char *: its path, as the system wants it */
keys_parse mailbox_store_imap;          /* struct account: url, protocol, host, port, implicit_tls */
keys_parse mailbox_store_pop3;          /* likewise */
keys_parse mailbox_store_secret;        /* const struct secret * */
keys_parse mailbox_store_password_file; /* const struct secret *: of the file */
keys_parse mailbox_store_client_secret_file;
keys_parse mailbox_store_refresh_token_file;
keys_parse mailbox_store_folders;   /* struct account: folders */
keys_parse mailbox_store_token_url; /* const char * */
keys_parse mailbox_store_scopes;    /* struct account_oauth: scopes */

/* What must hold between the keys of the mailbox, and what is so where nothing is said. */
void mailbox_store_check(struct load *l, const struct node *item, struct snapshot_store *store);

/* That none of those before it looks into the same place: who sees a message first takes it away. */
void mailbox_store_check_clash(struct load *l, const struct node *item, const struct snapshot_store *before,
                               const struct snapshot_store *store);

#endif
