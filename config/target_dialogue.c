/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dialogues written by hand: their file is read while a config is loaded, and tried with the target's own
 * values, so that nothing in it can surprise a run. What is wrong in it is told with its name and line. What
 * such a file means is probe/proto/dialogue.h's.
 */
#include "config/target_dialogue.h"

#include "config/path.h"
#include "config/scalar.h"
#include "probe/base/slurp.h"
#include "probe/proto/message.h"

#include <string.h>

#define MAX_VALUE    1024                                     /* octets of a variable */
#define SAMPLE_TOKEN "ehlod-000000000000000000000000000000000000000000000000" /* as long as any */
#define SAMPLE_US    INT64_C(1795400704123456)                /* 2026-11-23, as long as any date */

_Static_assert(sizeof(SAMPLE_TOKEN) == MESSAGE_TOKEN_SIZE, "a token like any other");

void target_dialogue_file(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    const char *path = NULL;
    scalar_text(l, row, node, &path);
    if (path)
        *(const char **)slot = path_resolve(l->keep, l->file, path);
}

static const char *read_value(struct load *l, const struct keys_row *row, const struct node *node)
{
    const char *text = scalar_read(l, row, node);
    if (!dialogue_is_name(node->key))
        load_key_error(l, node, "not a usable name (expected 1 to 64 letters, digits, dots, _ and -)");
    if (!text || strlen(text) <= MAX_VALUE)
        return text;
    load_error(l, node, "longer than %d octets", MAX_VALUE);
    return NULL;
}

/* The first of a name counts, so what stands here goes before what is there already. */
void target_dialogue_vars(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    struct dialogue_order *order = &((struct target *)slot)->is.dialogue_order;
    struct placeholder *vars;
    size_t count = 0;
    if (!load_is_map(l, node, row->expected))
        return;
    if (node->count > KEYS_MAX) {
        load_error(l, node, "too many keys (expected at most %d, found %zu)", KEYS_MAX, node->count);
        return;
    }
    vars = arena_alloc(l->keep, (node->count + order->var_count) * sizeof(*vars));
    for (size_t i = 0; i < node->count; i++) {
        const char *value = read_value(l, row, node->items[i]);
        if (value)
            vars[count++] =
                (struct placeholder){arena_dup(l->keep, node->items[i]->key), arena_dup(l->keep, value)};
    }
    for (size_t i = 0; i < order->var_count; i++)
        vars[count++] = order->vars[i];
    order->vars = vars;
    order->var_count = count;
}

/* What was said of the key by the target, else by its module; null: nothing. */
static const struct node *said(const struct target *t, const char *key)
{
    const struct node *own = node_get(t->own, key);
    return own || !t->module ? own : node_get(t->module->own, key);
}

static void tell(struct load *l, const struct target *t, const struct dialogue_mistakes *mistakes)
{
    const char *path = node_path(l->scratch, said(t, "dialogue"));
    struct node_origin *origin = arena_alloc(l->scratch, sizeof(*origin));
    *origin = (struct node_origin){.name = t->is.dialogue_file, .is_named = true};
    for (size_t i = 0; i < mistakes->count; i++) {
        const struct dialogue_mistake *m = &mistakes->list[i];
        findings_add(l->findings, FINDINGS_ERROR, &(struct node_mark){origin, m->line, 0},
                     arena_printf(l->scratch, "%s: %s", path, m->text));
    }
}

/* Of dialogue and routes one counts: what the target says itself goes before what its module says. */
static bool is_alone(struct load *l, struct target *t)
{
    const struct node *dialogue = node_get(t->own, "dialogue");
    const struct node *routes = node_get(t->own, "routes");
    bool both = t->is.dialogue_file && t->is.plan.route_count > 0;
    if (both && dialogue && !routes) {
        t->is.plan.routes = NULL;
        t->is.plan.route_count = 0;
    } else if (both && routes && !dialogue) {
        t->is.dialogue_file = NULL;
    } else if (both) {
        load_key_error(l, said(t, "dialogue"), "is played instead of routes, and there are routes, too");
        return false;
    }
    return t->is.dialogue_file;
}

static void check(struct load *l, const struct target *t)
{
    const struct node *tls = said(t, "tls");
    if (dialogue_starts_tls(t->is.dialogue) && t->is.plan.tls.mode != TLS_MODE_OFF && tls)
        load_error(l, tls, "%s encrypts the connection before the dialogue, which says STARTTLS itself",
                   tls_mode_name(t->is.plan.tls.mode));
    if (dialogue_logs_in(t->is.dialogue) && said(t, "auth"))
        load_error(l, said(t, "auth"), "logs in before the dialogue, which says AUTH itself");
    if (t->is.plan.protocol == PROTOCOL_LMTP)
        load_error(l, said(t, "dialogue"), "a dialogue is played as SMTP, and protocol is lmtp");
    if (dialogue_sends(t->is.dialogue) && plan_is_several(&t->is.plan))
        load_error(l, said(t, "dialogue"),
                   "a message is sent to one address, and mx or family: each makes several runs");
    else if (dialogue_sends(t->is.dialogue) && !said(t, "cache_ttl"))
        load_key_warning(
            l, said(t, "dialogue"),
            "sends a message in every run, and there may be one every second (cache_ttl is 1s by "
            "default): say cache_ttl");
}

void target_dialogue_sample(struct dialogue_order *order)
{
    order->token = SAMPLE_TOKEN;
    order->wall_us = SAMPLE_US;
}

void target_dialogue_prepare(struct load *l, struct target *t)
{
    static const struct slurp_kind kind = {"a dialogue file", DIALOGUE_MAX_FILE};
    struct dialogue_order *order = &t->is.dialogue_order;
    struct dialogue_mistakes mistakes = {0};
    struct span text;
    const char *why;
    order->hostname = t->is.plan.helo;
    order->target = t->is.name;
    if (t->own->kind != NODE_MAP || !is_alone(l, t) || !order->hostname)
        return;
    why = slurp_file(t->is.dialogue_file, &kind, l->keep, &text);
    if (why) {
        load_error(l, said(t, "dialogue"), "%s: %s", node_show(l->scratch, t->is.dialogue_file), why);
        return;
    }
    struct dialogue_order sample = *order;
    target_dialogue_sample(&sample);
    t->is.dialogue = dialogue_read(l->keep, text, &mistakes);
    (void)dialogue_write(l->scratch, t->is.dialogue, &sample, &mistakes);
    if (!mistakes.count)
        check(l, t);
    tell(l, t, &mistakes);
}
