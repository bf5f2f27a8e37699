/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A target's settings as YAML: what its runs go by, with what its module and the defaults say. Texts stand in
 * double quotes, where YAML knows JSON's escapes. A key that says nothing is left out. A secret, and what may
 * be one (a variable of a dialogue), is ***.
 */
#include "server/render/render.h"

#include "probe/base/clock.h"

#include <string.h>

static void put_text(struct buffer *out, const char *text)
{
    buffer_puts(out, "\"");
    for (size_t len; *text; text += len + (text[len] != '\0')) {
        len = strcspn(text, "\\\"");
        buffer_put(out, text, len);
        if (text[len])
            buffer_printf(out, "\\%c", text[len]);
    }
    buffer_puts(out, "\"\n");
}

/* One key and its text. */
static void put(struct buffer *out, const char *indent, const char *key, const char *text)
{
    if (!text)
        return;
    buffer_printf(out, "%s%s: ", indent, key);
    put_text(out, text);
}

static void put_word(struct buffer *out, const char *indent, const char *key, const char *word)
{
    buffer_printf(out, "%s%s: %s\n", indent, key, word);
}

static void put_duration(struct buffer *out, const char *indent, const char *key, int64_t us)
{
    char text[RENDER_NUMBER_SIZE];

    render_seconds(us, text);
    buffer_printf(out, "%s%s: %ss\n", indent, key, text);
}

static void put_address(struct buffer *out, const char *indent, const char *key, const struct address *a,
                        bool with_port)
{
    char text[RENDER_HOST_SIZE];

    if (address_family(a) == AF_UNSPEC)
        return;
    if (with_port)
        render_address(a, text);
    else
        address_text(a, text);
    put(out, indent, key, text);
}

static void place(struct buffer *out, const struct plan *plan)
{
    char text[RENDER_HOST_SIZE];

    render_target(plan, text);
    put(out, "", plan->mx ? "mx" : "address", plan->mx ? strchr(text, ':') + 1 : text);
    if (plan_is_several(plan))
        put_word(out, "", "mx_require", mx_require_name(plan->mx_require));
    put_word(out, "", "family", family_name(plan->family));
    put_address(out, "", "source", &plan->source, false);
    put_word(out, "", "protocol", protocol_name(plan->protocol));
    put(out, "", "helo", plan->helo);
}

static void tls(struct buffer *out, const struct plan_tls *tls)
{
    put_word(out, "", "tls", tls_mode_name(tls->mode));
    if (tls->mode == TLS_MODE_OFF)
        return;
    buffer_puts(out, "tls_config:\n");
    put(out, "  ", "ca_file", tls->ca_file);
    put(out, "  ", "server_name", tls->server_name);
    put_word(out, "  ", "min_version", tls_min_name(tls->min_version));
    put_word(out, "  ", "insecure_skip_verify", tls->insecure_skip_verify ? "true" : "false");
    put(out, "  ", "cert_file", tls->cert_file);
    put(out, "  ", "key_file", tls->key_file);
}

static void claims(struct buffer *out, const struct plan *plan)
{
    if (plan->proxy.wanted) {
        buffer_printf(out, "proxy_protocol:\n  version: %u\n", plan->proxy.version);
        put_word(out, "  ", "command", plan->proxy.local ? "local" : "proxy");
        put_address(out, "  ", "source", &plan->proxy.source, true);
    }
    if (!plan_has_xclient(plan))
        return;
    buffer_puts(out, "xclient:\n");
    for (enum xclient x = 0; x < XCLIENT_COUNT; x++)
        put(out, "  ", xclient_name(x), plan->xclient[x]);
}

static void login(struct buffer *out, const struct auth_login *login)
{
    if (!login->wanted)
        return;
    buffer_puts(out, "auth:\n");
    if (login->mechanism < AUTH_MECHANISM_COUNT)
        put_word(out, "  ", "mechanism", auth_name(login->mechanism));
    put(out, "  ", "username", login->username);
    put(out, "  ", "password", login->password ? "***" : NULL);
    put(out, "  ", "token", login->token ? "***" : NULL);
    put(out, "  ", "token_file", login->token_file);
    put_word(out, "  ", "allow_plaintext", login->allow_plaintext ? "true" : "false");
    put_word(out, "  ", "expect", login->rejected ? "rejected" : "accepted");
}

static void limits(struct buffer *out, const struct snapshot_target *t)
{
    const struct plan *plan = &t->plan;

    put_duration(out, "", limit_key(LIMIT_RUN), plan->limits_us[LIMIT_RUN]);
    buffer_puts(out, "timeouts:\n");
    for (enum limit l = LIMIT_RUN + 1; l < LIMIT_COUNT; l++)
        put_duration(out, "  ", strchr(limit_key(l), '.') + 1, plan->limits_us[l]);
    put_duration(out, "", "cache_ttl", t->cache_ttl_us);
    put_duration(out, "", "stale_if_error", t->stale_if_error_us);
    put_duration(out, "", "wait", t->wait_us);
    buffer_puts(out, "warn:\n");
    put_duration(out, "  ", "duration", plan->warn_duration_us);
    put_duration(out, "  ", "certificate", plan->warn_certificate_us);
    for (enum phase p = 0; p < PHASE_COUNT; p++)
        if (plan->warn_us[p] > 0)
            put_duration(out, "  ", phase_name(p), plan->warn_us[p]);
    if (plan->stop_after < PHASE_COUNT)
        put_word(out, "", "stop_after", phase_name(plan->stop_after));
    put_word(out, "", "hide_replies", plan->hide_replies ? "true" : "false");
}

static void dialogue(struct buffer *out, const struct snapshot_target *t)
{
    put(out, "", "dialogue", t->dialogue_file);
    if (!t->dialogue_file || t->dialogue_order.var_count == 0)
        return;
    buffer_puts(out, "vars:\n");
    for (size_t i = 0; i < t->dialogue_order.var_count; i++)
        put(out, "  ", t->dialogue_order.vars[i].name, "***");
}

static void route(struct buffer *out, const struct plan_route *route)
{
    put(out, "  - ", "name", route->name);
    put(out, "    ", "from", route->from);
    buffer_puts(out, "    to:\n");
    for (size_t i = 0; i < route->to_count; i++) {
        buffer_puts(out, "      - ");
        put_text(out, route->to[i]);
    }
    buffer_puts(out, "    expect: [");
    for (unsigned e = EXPECT_ACCEPTED, said = 0; e <= EXPECT_LAST; e *= 2)
        if (route->expect & e)
            buffer_printf(out, "%s%s", said++ ? ", " : "", expect_name((enum expect)e));
    buffer_puts(out, "]\n");
    put_word(out, "    ", "at", route->at_final ? "final" : "rcpt");
    if (!plan_route_sends(route))
        return;
    put(out, "    ", "mailbox", route->mailbox);
    put_duration(out, "    ", "deliver_within", route->deliver_within_us);
    put_duration(out, "    ", "min_send_interval", route->min_send_interval_us);
}

void settings_target(struct buffer *out, const struct snapshot_target *target)
{
    const struct plan *plan = &target->plan;

    place(out, plan);
    tls(out, &plan->tls);
    claims(out, plan);
    login(out, &plan->login);
    limits(out, target);
    dialogue(out, target);
    if (plan->route_count > 0)
        buffer_puts(out, "routes:\n");
    for (size_t i = 0; i < plan->route_count; i++)
        route(out, &plan->routes[i]);
}
