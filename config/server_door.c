/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is let in, and how: tls_server_config, basic_auth_users and bearer_token_files, named as in Prometheus'
 * exporter toolkit. The files are read here, while a config is loaded, so that one that cannot be used is a
 * mistake like any other; the service reads them again when they change. Without client_auth_type a
 * client_ca_file means what it is there for: a caller needs a certificate.
 */
#include "config/server_door.h"

#include "config/path.h"
#include "config/scalar.h"
#include "config/secret_value.h"
#include "probe/base/slurp.h"
#include "probe/base/text.h"
#include "probe/net/tls_context.h"

#include <string.h>
#include <sys/stat.h>

#define MAX_USERS    256
#define MAX_TOKENS   64
#define MAX_PEM      ((size_t)1024 * 1024)
#define BCRYPT_LEN   60
#define BCRYPT_HEAD  7 /* "$2y$10$" */
#define MIN_COST     4
#define MAX_COST     14
#define OPEN_WARNING "%s: everybody on this machine may read it (better: chmod o-r)"

/* ---- files ---- */

static const struct secret *keep(struct load *l, struct secret *secret)
{
    l->secrets = arena_grow(l->keep, l->secrets, l->secret_count, sizeof(struct secret *));
    l->secrets[l->secret_count++] = secret;
    return secret;
}

/* Taken before the file is read: what changes it after that is seen. */
static void note_state(struct snapshot_file *file)
{
    struct stat st;
    if (stat(file->path, &st) == 0)
        file->state = (struct snapshot_file_state){st.st_dev, st.st_ino, st.st_size, st.st_mtim, st.st_ctim};
}

/* Null, or what is wrong with it, with its path. */
static const char *read_pem(struct load *l, struct snapshot_file *file)
{
    static const struct slurp_kind kind = {"a PEM file", MAX_PEM};
    struct arena read = {0};
    struct span held;
    if (!file->path)
        return NULL;
    note_state(file);
    const char *why = slurp_file(file->path, &kind, &read, &held);
    if (why)
        why = arena_printf(l->scratch, "%s: %s", file->path, why);
    else
        file->held = keep(l, secret_new(held));
    arena_wipe(&read);
    return why;
}

void server_door_file(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    const char *path = NULL;
    scalar_text(l, row, node, &path);
    if (path)
        ((struct snapshot_file *)slot)->path = path_resolve(l->keep, l->file, path);
}

/* ---- TLS ---- */

void server_door_client_auth(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    static const char *const words[] = {
        [SNAPSHOT_CLIENT_NONE] = "NoClientCert",
        [SNAPSHOT_CLIENT_REQUEST] = "RequestClientCert",
        [SNAPSHOT_CLIENT_REQUIRE_ANY] = "RequireAnyClientCert",
        [SNAPSHOT_CLIENT_VERIFY_IF_GIVEN] = "VerifyClientCertIfGiven",
        [SNAPSHOT_CLIENT_REQUIRE_AND_VERIFY] = "RequireAndVerifyClientCert",
    };
    int word = scalar_word(l, row, node, words, sizeof(words) / sizeof(words[0]));
    if (word >= 0)
        ((struct snapshot_tls *)slot)->client_auth = (enum snapshot_client_auth)word;
}

void server_door_version(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    static const char *const words[] = {"TLS12", "TLS13"};
    int word = scalar_word(l, row, node, words, 2);
    if (word >= 0)
        *(enum tls_min *)slot = word == 1 ? TLS_MIN_13 : TLS_MIN_12;
}

/* What OpenSSL minds is told in the words that are used for targets. */
static void try_files(struct load *l, const struct node *node, struct snapshot_tls *tls)
{
    struct tls_context_error error;
    const struct plan_tls callers = {.ca_file = tls->client_ca.path};
    struct tls_context *own = tls_context_new_server(tls->cert.path, tls->key.path, &error);
    if (!own) {
        load_error(l, error.setting ? node_get(node, error.setting) : node, "%s", error.message);
        return;
    }
    tls_context_free(own);
    struct tls_context *theirs = tls->client_ca.path ? tls_context_new(&callers, &error) : NULL;
    if (tls->client_ca.path && !theirs)
        load_error(l, node_get(node, "client_ca_file"), "%s", error.message);
    tls_context_free(theirs);
}

static void check_callers(struct load *l, const struct node *node, struct snapshot_tls *tls)
{
    const struct node *type = node_get(node, "client_auth_type");
    bool verifies = tls->client_auth == SNAPSHOT_CLIENT_VERIFY_IF_GIVEN ||
                    tls->client_auth == SNAPSHOT_CLIENT_REQUIRE_AND_VERIFY;
    if (!type && tls->client_ca.path)
        tls->client_auth = SNAPSHOT_CLIENT_REQUIRE_AND_VERIFY;
    else if (verifies && !node_get(node, "client_ca_file"))
        load_error(l, type, "nobody's certificates are good without client_ca_file (found %s)",
                   node_found(l->scratch, type));
    else if (type && !verifies && tls->client_ca.path)
        load_key_error(l, node_get(node, "client_ca_file"), "client_auth_type lets in whatever it says");
}

void server_door_tls(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    struct snapshot *s = slot;
    struct snapshot_tls *tls = &s->tls;
    tls->is_said = true;
    if (!keys_is_map(l, (struct node *)node, row->expected))
        return;
    keys_read(l, row->path, node, s);
    if (!node_get(node, "cert_file"))
        load_missing(l, node, "cert_file", keys_row("server.tls_server_config.cert_file")->expected);
    check_callers(l, node, tls);
    if (!tls->cert.path)
        return;
    try_files(l, node, tls);
    const char *why = read_pem(l, &tls->cert);
    if (!why)
        why = read_pem(l, &tls->key);
    if (!why)
        why = read_pem(l, &tls->client_ca);
    if (why && l->findings->error_count == 0) /* it has changed since it was tried */
        load_error(l, node, "%s", why);
}

/* ---- login ---- */

static void warn_of_plain_text(struct load *l, const struct node *node, const struct snapshot *s)
{
    for (size_t i = 0; i < s->listen_count && !s->tls.is_said; i++) {
        if (address_is_local(&s->listen[i].address))
            continue;
        load_key_warning(l, node, "goes over the network in plain text (better: tls_server_config)");
        return;
    }
}

/* bcrypt = "$2" ( "a" / "b" / "y" ) "$" 2DIGIT "$" 53( ALPHA / DIGIT / "." / "/" ) */
static const char *judge_hash(const char *text)
{
    static const char letters[] = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    if (strlen(text) != BCRYPT_LEN || strncmp(text, "$2", 2) != 0 || !strchr("aby", text[2]) ||
        text[3] != '$' || strspn(text + 4, "0123456789") != 2 || text[6] != '$' ||
        strspn(text + BCRYPT_HEAD, letters) != BCRYPT_LEN - BCRYPT_HEAD)
        return "not a bcrypt hash";
    int cost = (text[4] - '0') * 10 + text[5] - '0';
    return cost < MIN_COST || cost > MAX_COST ? "its cost is not from 4 to 14" : NULL;
}

static const char *judge_name(const char *name)
{
    if (!*name || strlen(name) > SCALAR_MAX_TEXT || strchr(name, ':') || !text_is_clean(span_of(name)))
        return "not a usable name (expected 1 to 255 octets without a colon or control characters)";
    return NULL;
}

static void read_user(struct load *l, const struct keys_row *row, const struct node *node,
                      struct snapshot_user *user_r)
{
    const char *why = judge_name(node->key);
    const char *hash = scalar_read(l, row, node);
    if (why)
        load_key_error(l, node, "%s", why);
    if (!hash)
        return;
    why = judge_hash(hash);
    if (why)
        load_bad(l, node, why, row->expected);
    else
        *user_r = (struct snapshot_user){arena_dup(l->keep, node->key), keep(l, secret_new(span_of(hash)))};
}

void server_door_users(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    struct snapshot *s = slot;
    if (!load_is_map(l, node, row->expected))
        return;
    if (node->count == 0 || node->count > MAX_USERS) {
        load_error(l, node, "not a usable number of users (expected 1 to %d, found %zu)", MAX_USERS,
                   node->count);
        return;
    }
    struct snapshot_user *users = arena_alloc(l->keep, node->count * sizeof(*users));
    for (size_t i = 0; i < node->count; i++)
        read_user(l, row, node->items[i], &users[i]);
    s->users = users;
    s->user_count = node->count;
    warn_of_plain_text(l, node, s);
}

static void read_token(struct load *l, const struct keys_row *row, const struct node *node,
                       struct snapshot_file *file)
{
    bool is_open = false;
    const char *why = NULL;
    server_door_file(l, row, node, file);
    if (!file->path)
        return;
    note_state(file);
    struct secret *token = secret_value_file(l->scratch, file->path, &is_open, &why);
    if (!token) {
        load_error(l, node, "%s", why);
        return;
    }
    file->held = keep(l, token);
    if (is_open)
        load_key_warning(l, node, OPEN_WARNING, file->path);
}

void server_door_tokens(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    struct snapshot *s = slot;
    size_t items = load_items(l, node, row->expected, MAX_TOKENS);
    if (items == 0)
        return;
    struct snapshot_file *tokens = arena_alloc(l->keep, items * sizeof(*tokens));
    for (size_t i = 0; i < items; i++)
        read_token(l, row, load_item(node, i), &tokens[i]);
    s->tokens = tokens;
    s->token_count = items;
    warn_of_plain_text(l, node, s);
}
