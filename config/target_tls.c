/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a target speaks TLS: the parsers of its keys, and the settings made ready for its runs. The files are
 * read here, while a config is loaded, so that one that cannot be used is a mistake like any other, and never
 * a surprise in a run. What can be wrong with a file is probe/net/tls_context.c's.
 */
#include "config/target_tls.h"

#include "config/endpoint.h"
#include "config/path.h"
#include "config/scalar.h"
#include "probe/net/tls_context.h"

#include <string.h>

void target_tls_mode(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    const char *words[TLS_MODE_COUNT];
    for (int i = 0; i < TLS_MODE_COUNT; i++)
        words[i] = tls_mode_name((enum tls_mode)i);
    int word = scalar_word(l, row, node, words, TLS_MODE_COUNT);
    if (word >= 0)
        *(enum tls_mode *)slot = (enum tls_mode)word;
}

void target_tls_version(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    const char *words[TLS_MIN_COUNT];
    for (int i = 0; i < TLS_MIN_COUNT; i++)
        words[i] = tls_min_name((enum tls_min)i);
    int word = scalar_word(l, row, node, words, TLS_MIN_COUNT);
    if (word >= 0)
        *(enum tls_min *)slot = (enum tls_min)word;
}

void target_tls_file(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    const char *path = NULL;
    scalar_text(l, row, node, &path);
    if (path)
        *(const char **)slot = path_resolve(l->keep, l->file, path);
}

void target_tls_name(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    struct address literal;
    const char *text = scalar_read(l, row, node);
    if (!text)
        return;
    if (address_parse(text, 0, &literal) != 0 && !endpoint_is_host_name(text))
        load_bad(l, node, "not a host name and not an IP address", row->expected);
    else
        *(const char **)slot = arena_dup(l->keep, text);
}

/* made ready */

static bool is_same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* The mode makes no difference, nor whom the certificate must be for. */
static bool is_same(const struct plan_tls *a, const struct plan_tls *b)
{
    return is_same_text(a->ca_file, b->ca_file) && is_same_text(a->cert_file, b->cert_file) &&
           is_same_text(a->key_file, b->key_file) && a->min_version == b->min_version &&
           a->insecure_skip_verify == b->insecure_skip_verify;
}

static const struct target_tls *made_of(struct load *l, const struct plan_tls *settings)
{
    struct tls_context_error error;
    for (size_t i = 0; i < l->tls_count; i++)
        if (is_same(&l->tls[i].settings, settings))
            return &l->tls[i];
    l->tls = arena_grow(l->keep, l->tls, l->tls_count, sizeof(*l->tls));
    struct target_tls *made = &l->tls[l->tls_count++];
    *made = (struct target_tls){.settings = *settings, .context = tls_context_new(settings, &error)};
    if (!made->context) {
        made->setting = error.setting;
        made->message = arena_dup(l->scratch, error.message);
    }
    return made;
}

/* Where the setting that is wrong was said; what OpenSSL itself cannot do is blamed on tls. */
static const struct node *blame(struct load *l, const struct target *t, const char *setting)
{
    const char *path = setting ? arena_printf(l->scratch, "tls_config.%s", setting) : "tls";
    const struct node *node = node_at(t->own, path);
    if (!node && t->module)
        node = node_at(t->module->own, path);
    return node ? node : t->own;
}

void target_tls_prepare(struct load *l, struct target *t)
{
    struct plan *plan = &t->is.plan;
    if (plan->tls.mode == TLS_MODE_OFF && !(t->is.dialogue && dialogue_starts_tls(t->is.dialogue)))
        return;
    const struct target_tls *made = made_of(l, &plan->tls);
    plan->tls_context = made->context;
    if (!made->context)
        load_error(l, blame(l, t, made->setting), "%s", made->message);
}

void target_tls_clear(struct target_tls *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        tls_context_free(list[i].context);
}
