/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a target logs in: the parsers of its keys, and what must hold between them. Passwords are read here,
 * while a config is loaded, into memory of their own that is wiped with the snapshot; a file with a token is
 * only tried, since tokens expire and each login reads it anew. No message ever holds what stands under
 * "password" or "token", or in the files.
 */
#include "config/target_auth.h"

#include "config/scalar.h"
#include "config/secret_key.h"

#include <string.h>

void target_auth_mechanism(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    const char *words[AUTH_MECHANISM_COUNT];
    for (int i = 0; i < AUTH_MECHANISM_COUNT; i++)
        words[i] = auth_name((enum auth_mechanism)i);
    int word = scalar_word(l, row, node, words, AUTH_MECHANISM_COUNT);
    if (word >= 0)
        *(enum auth_mechanism *)slot = (enum auth_mechanism)word;
}

void target_auth_expect(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    static const char *const words[] = {"accepted", "rejected"};
    int word = scalar_word(l, row, node, words, 2);
    if (word >= 0)
        *(bool *)slot = word == 1;
}

/* secrets */

void target_auth_password(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    struct auth_login *login = slot;
    const struct secret *secret = secret_key_text(l, row, node);
    if (secret)
        login->password = secret;
}

void target_auth_password_file(struct load *l, const struct keys_row *row, const struct node *node,
                               void *slot)
{
    struct auth_login *login = slot;
    const char *path;
    if (secret_key_is_only(l, node, "password"))
        (void)secret_key_file(l, row, node, &path, &login->password);
}

/* What a target says itself replaces what its module says, be it a token or a file. */
void target_auth_token(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    struct auth_login *login = slot;
    const struct secret *secret = secret_key_text(l, row, node);
    if (!secret)
        return;
    login->token = secret;
    login->token_file = NULL;
}

void target_auth_token_file(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    struct auth_login *login = slot;
    const struct secret *now;
    if (secret_key_is_only(l, node, "token") && secret_key_file(l, row, node, &login->token_file, &now))
        login->token = NULL;
}

void target_auth_clear(struct secret **list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        secret_free(list[i]);
}

/* what must hold between keys */

/* What was said of the key, by the target or its module; null: nothing. */
static const struct node *said(const struct target *t, const char *path)
{
    const struct node *node = node_at(t->own, path);
    return node || !t->module ? node : node_at(t->module->own, path);
}

static bool is_proof_said(const struct target *t, enum auth_proof proof)
{
    switch (proof) {
    case AUTH_BY_PASSWORD:
        return said(t, "auth.password") || said(t, "auth.password_file");
    case AUTH_BY_TOKEN:
        return said(t, "auth.token") || said(t, "auth.token_file");
    case AUTH_BY_CERTIFICATE:
        return said(t, "tls_config.cert_file");
    }
    return false;
}

static void check_named(struct load *l, const struct target *t, const struct node *auth)
{
    static const struct {
        const char *key;
        const char *what;
    } needs[] = {
        [AUTH_BY_PASSWORD] = {"password_file", "a password"}, [AUTH_BY_TOKEN] = {"token_file", "a token"}};
    enum auth_mechanism m = t->is.plan.login.mechanism;
    enum auth_proof proof = auth_proof_of(m);
    if (is_proof_said(t, proof))
        return;
    if (proof == AUTH_BY_CERTIFICATE)
        load_error(l, said(t, "auth.mechanism"), "%s needs a certificate (tls_config.cert_file)",
                   auth_name(m));
    else
        load_missing(
            l, auth, needs[proof].key,
            arena_printf(l->scratch, "the path of a file: %s needs %s", auth_name(m), needs[proof].what));
}

/* A secret that the mechanism beside it has no use for. */
static void check_useless(struct load *l, const struct target *t)
{
    static const char *const keys[][2] = {
        [AUTH_BY_PASSWORD] = {"password", "password_file"}, [AUTH_BY_TOKEN] = {"token", "token_file"}};
    const struct node *named = said(t, "auth.mechanism");
    enum auth_mechanism m = t->is.plan.login.mechanism;
    for (enum auth_proof proof = AUTH_BY_PASSWORD; proof <= AUTH_BY_TOKEN; proof++) {
        for (size_t i = 0; i < 2 && proof != auth_proof_of(m); i++) {
            const struct node *node = node_get(named->parent, keys[proof][i]);
            if (node)
                load_key_error(l, node, "has no use (the mechanism is %s)", auth_name(m));
        }
    }
}

static void check_proof(struct load *l, const struct target *t, const struct node *auth)
{
    bool is_named = t->is.plan.login.mechanism < AUTH_MECHANISM_COUNT;
    if (is_named) {
        check_named(l, t, auth);
        check_useless(l, t);
    } else if (!said(t, "auth.mechanism") && !is_proof_said(t, AUTH_BY_PASSWORD) &&
               !is_proof_said(t, AUTH_BY_TOKEN) && !is_proof_said(t, AUTH_BY_CERTIFICATE)) {
        load_missing(l, auth, "password_file", "the path of a file, or token_file, or tls_config.cert_file");
    }
}

/* Else it could not be read, and its key's parser said so. */
static bool is_text(const struct node *node, const char *text)
{
    return node->kind == NODE_SCALAR && strcmp(node->text, text) == 0;
}

static void check_tls(struct load *l, const struct target *t, const struct node *auth)
{
    const struct plan *plan = &t->is.plan;
    const struct node *allowed = said(t, "auth.allow_plaintext");
    const struct node *tls = said(t, "tls");
    if (plan->tls.mode != TLS_MODE_OFF || (tls && !is_text(tls, "off")))
        return;
    if (plan->login.mechanism == AUTH_EXTERNAL)
        load_key_error(l, auth, "EXTERNAL needs TLS, but tls is off");
    else if (!plan->login.allow_plaintext && (!allowed || is_text(allowed, "false")))
        load_key_error(l, auth,
                       "a login needs TLS, but tls is off (expected tls: starttls or implicit, or "
                       "auth.allow_plaintext: true)");
}

void target_auth_prepare(struct load *l, struct target *t)
{
    struct auth_login *login = &t->is.plan.login;
    const struct node *auth = said(t, "auth");
    if (!auth || auth->kind != NODE_MAP)
        return;
    login->wanted = true;
    login->has_certificate = t->is.plan.tls.cert_file && t->is.plan.tls.mode != TLS_MODE_OFF;
    if (!said(t, "auth.username") && login->mechanism != AUTH_EXTERNAL)
        load_missing(l, auth, "username", keys_row("targets.*.auth.username")->expected);
    if (!login->username)
        login->username = "";
    check_proof(l, t, auth);
    check_tls(l, t, auth);
}
