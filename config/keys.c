/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every key there is, each a row of one table, and the walker that reads a map by it. A new key is a new row
 * and, if its kind of value is new, a small parser. A parser sees only its own value; what must hold between
 * several keys is checked by the file of the noun they belong to.
 */
#include "config/keys.h"

#include "config/mailbox.h"
#include "config/mailbox_store.h"
#include "config/nearest.h"
#include "config/scalar.h"
#include "config/server.h"
#include "config/server_allow.h"
#include "config/server_door.h"
#include "config/tags.h"
#include "config/target.h"
#include "config/target_auth.h"
#include "config/target_claim.h"
#include "config/target_dialogue.h"
#include "config/target_message.h"
#include "config/target_mx.h"
#include "config/target_route.h"
#include "config/target_tls.h"
#include "config/value.h"

#include <assert.h>
#include <string.h>

#define SERVER(field)  offsetof(struct snapshot, field)
#define SINK(field)    offsetof(struct mailbox, sink.field)
#define MAILBOX(field) offsetof(struct mailbox, field)
#define STORE(field)   offsetof(struct mailbox, store.field)
#define TARGET(field)  offsetof(struct target, is.field)
#define ROUTE(field)   offsetof(struct target_route, is.field)
#define WRITTEN(field) offsetof(struct target_route, field)

#define TIMEOUT(name, limit, fallback, doc)                                                                  \
    {                                                                                                        \
        "targets.*.timeouts." name, scalar_timeout, TARGET(plan.limits_us[limit]), fallback,                 \
            SCALAR_TIMEOUT_EXPECTED, doc                                                                     \
    }
#define WARN(name, field, doc)                                                                               \
    {                                                                                                        \
        "targets.*.warn." name, scalar_duration, TARGET(plan.field), "0", VALUE_DURATION_EXPECTED, doc       \
    }
#define SECRET_EXPECTED         "a text, or ${NAME} for what the environment holds"
#define SECRET_FILE_EXPECTED    "the path of a file"
#define TLS_FILE_EXPECTED       "the path of a PEM file"
#define WARN_PHASE(name, phase) WARN(name, warn_us[phase], "the same for this phase")

static const struct keys_row rows[] = {
    {"server", NULL, 0, NULL, "a map of keys", "this service itself"},
    {"server.name", scalar_text, SERVER(server_name), NULL, "a short text",
     "this vantage point, as results show it; default: the host name"},
    {"server.listen", server_listen, 0, "127.0.0.1:8025",
     "IP:port, [IPv6]:port, unix:/path or systemd, such as 127.0.0.1:8025, or a list of them",
     "where HTTP is served"},
    {"server.external_url", server_external_url, SERVER(external_url), NULL,
     "http:// or https:// with a host and, where needed, a port and a path, such as http://fra:8025",
     "how others reach it, for /sd; default: as they ask"},
    {"server.metrics_by_target", scalar_bool, SERVER(metrics_by_target), "false", "true or false",
     "targets are told apart in /metrics, too"},
    {"server.agent_listen", server_agent_listen, 0, NULL,
     "IP:port, [IPv6]:port or unix:/path, such as 127.0.0.1:8026, or a list of them",
     "where HAProxy's agent-check is answered; default: nowhere"},
    {"server.workers", server_workers, SERVER(workers), "auto", "auto or a whole number from 1 to 64",
     "loops, each a thread that uses up to one processor; auto: one for each processor"},
    {"server.max_runs", scalar_count, SERVER(max_runs), "1000", SCALAR_COUNT_EXPECTED,
     "runs at once; more wait in line, inside their own timeout"},
    {"server.max_per_address", scalar_count, SERVER(max_per_address), "10", SCALAR_COUNT_EXPECTED,
     "runs at once to one address and port"},
    {"server.unknown_status", server_unknown_status, SERVER(unknown_status), "500",
     "an HTTP status from 200 to 599", "HTTP status of /check when ehlod itself cannot tell"},
    {"server.allow_reload", server_allow_reload, SERVER(allow_reload), "loopback",
     "loopback, anyone or nobody", "who may POST /-/reload"},
    {"server.tls_server_config", server_door_tls, 0, NULL, "a map of keys",
     "HTTP is spoken over TLS; default: in plain text"},
    {"server.tls_server_config.cert_file", server_door_file, SERVER(tls.cert), NULL, TLS_FILE_EXPECTED,
     "the certificate that callers see; needed"},
    {"server.tls_server_config.key_file", server_door_file, SERVER(tls.key), NULL, TLS_FILE_EXPECTED,
     "its private key; default: it stands in cert_file"},
    {"server.tls_server_config.client_ca_file", server_door_file, SERVER(tls.client_ca), NULL,
     TLS_FILE_EXPECTED, "whose certificates callers may have"},
    {"server.tls_server_config.client_auth_type", server_door_client_auth, SERVER(tls), NULL,
     "NoClientCert, RequestClientCert, RequireAnyClientCert, VerifyClientCertIfGiven or "
     "RequireAndVerifyClientCert",
     "whether callers must show one; default: with client_ca_file they must, and it is verified"},
    {"server.tls_server_config.min_version", server_door_version, SERVER(tls.min_version), "TLS12",
     "TLS12 or TLS13", "the oldest version that is spoken"},
    {"server.basic_auth_users", server_door_users, 0, NULL,
     "a bcrypt hash of cost 4 to 14, under the name of a user",
     "who may log in; default: everybody is let in"},
    {"server.bearer_token_files", server_door_tokens, 0, NULL, "the path of a file, or a list of them",
     "who has one of these tokens is let in, too"},
    {"server.probe_allow", server_allow, SERVER(probe_allow), NULL,
     "a network such as 192.0.2.0/24, an address, a host name or *.NAME, or a list of them",
     "what /probe?target=HOST:PORT may dial beside the targets; default: nothing"},

    {"history", NULL, 0, NULL, "a map of keys", "what outlives a restart"},
    {"history.path", server_history_path, SERVER(history_path), NULL, "the path of a file",
     "where it is kept; default: nowhere, so that a restart forgets all"},
    {"history.keep", server_history_keep, SERVER(history_keep_us), "30d",
     VALUE_DURATION_EXPECTED ", at least 1h", "how long the record of a message is kept"},

    {"mailboxes", mailbox_read_all, 0, NULL, "a map of mailboxes by name",
     "where delivered messages can be seen"},
    {"mailboxes.*.sink", mailbox_sink, SINK(listen), NULL,
     "IP:port, [IPv6]:port or unix:/path, such as 127.0.0.1:2525", "a built-in receiver that listens here"},
    {"mailboxes.*.protocol", target_protocol, SINK(protocol), "smtp", "smtp or lmtp",
     "of a sink: what it speaks"},
    {"mailboxes.*.domains", mailbox_domains, MAILBOX(sink), NULL, "a mail domain or a list of them",
     "of a sink, needed: it accepts mail for these and refuses to relay any other"},
    {"mailboxes.*.cert_file", target_tls_file, SINK(cert_file), NULL, TLS_FILE_EXPECTED,
     "of a sink: a certificate, with which it offers STARTTLS"},
    {"mailboxes.*.key_file", target_tls_file, SINK(key_file), NULL, TLS_FILE_EXPECTED,
     "its private key; default: it stands in cert_file"},
    {"mailboxes.*.maildir", mailbox_store_maildir, STORE(maildir), NULL, "the path of a Maildir",
     "a folder with new, cur and tmp that mail is delivered into"},
    {"mailboxes.*.imap", mailbox_store_imap, STORE(account), NULL,
     "a URL such as imaps://mail.example.org or imap://mail.example.org:143",
     "an account on an IMAP server; imap: with STARTTLS"},
    {"mailboxes.*.pop3", mailbox_store_pop3, STORE(account), NULL,
     "a URL such as pop3s://mail.example.org or pop3://mail.example.org:110",
     "an account on a POP3 server; pop3: with STLS"},
    {"mailboxes.*.username", scalar_text, STORE(account.username), NULL, "a name of 1 to 255 octets",
     "of an account, needed: who ehlod is to the server"},
    {"mailboxes.*.password", mailbox_store_secret, STORE(account.password), NULL, SECRET_EXPECTED,
     "its password"},
    {"mailboxes.*.password_file", mailbox_store_password_file, STORE(account.password), NULL,
     SECRET_FILE_EXPECTED, "the file that holds it"},
    {"mailboxes.*.folders", mailbox_store_folders, STORE(account), NULL,
     "the name of a folder, or a list of them",
     "of an IMAP account: where mail belongs, and then where it should not go"},
    {"mailboxes.*.allow_plaintext", scalar_bool, STORE(account.allow_plaintext), "false", "true or false",
     "log in without TLS where the server offers none"},
    {"mailboxes.*.tls_config", NULL, 0, NULL, "a map of keys", "how TLS is spoken with the server"},
    {"mailboxes.*.tls_config.ca_file", target_tls_file, STORE(account.ca_file), NULL, TLS_FILE_EXPECTED,
     "whom to trust; default: whom the system trusts"},
    {"mailboxes.*.tls_config.server_name", target_tls_name, STORE(account.server_name), NULL,
     "a host name or an IP address", "whom the certificate must be for; default: the host of the URL"},
    {"mailboxes.*.tls_config.insecure_skip_verify", scalar_bool, STORE(account.insecure_skip_verify), "false",
     "true or false", "go on whatever the certificate is"},
    {"mailboxes.*.oauth2", NULL, 0, NULL, "a map of keys", "instead of a password: where tokens come from"},
    {"mailboxes.*.oauth2.client_id", scalar_text, STORE(account.oauth.client_id), NULL,
     "a name of 1 to 255 octets", "who ehlod is to the token server; needed"},
    {"mailboxes.*.oauth2.client_secret", mailbox_store_secret, STORE(account.oauth.client_secret), NULL,
     SECRET_EXPECTED, "proves it"},
    {"mailboxes.*.oauth2.client_secret_file", mailbox_store_client_secret_file,
     STORE(account.oauth.client_secret), NULL, SECRET_FILE_EXPECTED, "the file that holds it"},
    {"mailboxes.*.oauth2.refresh_token", mailbox_store_secret, STORE(account.oauth.refresh_token), NULL,
     SECRET_EXPECTED, "with it tokens are asked for in the name of a user; default: in that of the client"},
    {"mailboxes.*.oauth2.refresh_token_file", mailbox_store_refresh_token_file,
     STORE(account.oauth.refresh_token), NULL, SECRET_FILE_EXPECTED, "the file that holds it"},
    {"mailboxes.*.oauth2.token_url", mailbox_store_token_url, STORE(account.oauth.token_url), NULL,
     "a URL that begins with https://", "the token server; needed"},
    {"mailboxes.*.oauth2.scopes", mailbox_store_scopes, STORE(account.oauth), NULL,
     "a word, or a list of at most 32", "what the token must be good for"},

    {"modules", target_read_modules, 0, NULL, "a map of modules by name",
     "settings to share: anything a target may have, but no module"},

    {"targets", target_read_all, 0, NULL, "a map of targets by name", "the mail servers to check"},
    {"targets.*.module", target_module, 0, NULL, "the name of a module",
     "take what is not said here from this module"},
    {"targets.*.tags", tags_read, 0, NULL,
     "a tag of 1 to 128 letters, digits, dots, _ and -, or a list of at most 32",
     "words to ask for several targets by: /check?tag=eu"},
    {"targets.*.address", target_address, 0, NULL,
     "host:port or unix:/path, such as mx.example.org:25, 192.0.2.1:25 or [2001:db8::1]:25",
     "the server; this or mx is needed, here or in the module"},
    {"targets.*.mx", target_mx, 0, NULL, "a mail domain, such as example.org or example.org:2525",
     "instead of address: every host that takes the mail of this domain, in a run of its own"},
    {"targets.*.mx_require", target_mx_require, TARGET(plan.mx_require), "all", "all or any",
     "how many of the runs must pass, with mx or family: each"},
    {"targets.*.family", target_family, TARGET(plan.family), "any", "any, ipv4, ipv6 or each",
     "which kind of address to use; each: every address in a run of its own"},
    {"targets.*.source", target_source, TARGET(plan.source), NULL,
     "an IP address of this machine, without port",
     "local address to dial from; default: the system chooses"},
    {"targets.*.protocol", target_protocol, TARGET(plan.protocol), "smtp", "smtp or lmtp",
     "what is spoken with the server"},
    {"targets.*.helo", target_helo, TARGET(plan.helo), "{{hostname}}",
     "a name to greet with; {{hostname}}, {{target}} and {{address}} are replaced", "what EHLO says"},
    {"targets.*.tls", target_tls_mode, TARGET(plan.tls.mode), "off",
     "off, opportunistic, starttls or implicit", "whether and how the connection is encrypted"},
    {"targets.*.tls_config", NULL, 0, NULL, "a map of keys", "how TLS is spoken"},
    {"targets.*.tls_config.ca_file", target_tls_file, TARGET(plan.tls.ca_file), NULL, TLS_FILE_EXPECTED,
     "whom to trust; default: whom the system trusts"},
    {"targets.*.tls_config.server_name", target_tls_name, TARGET(plan.tls.server_name), NULL,
     "a host name or an IP address", "whom the certificate must be for; default: the host of address"},
    {"targets.*.tls_config.min_version", target_tls_version, TARGET(plan.tls.min_version), "TLS12",
     "TLS10, TLS11, TLS12 or TLS13", "the oldest version that is spoken"},
    {"targets.*.tls_config.insecure_skip_verify", scalar_bool, TARGET(plan.tls.insecure_skip_verify), "false",
     "true or false", "go on whatever the certificate is; the result has a flag for it"},
    {"targets.*.tls_config.cert_file", target_tls_file, TARGET(plan.tls.cert_file), NULL, TLS_FILE_EXPECTED,
     "the certificate to show to a server that asks for one"},
    {"targets.*.tls_config.key_file", target_tls_file, TARGET(plan.tls.key_file), NULL, TLS_FILE_EXPECTED,
     "its private key; default: it stands in cert_file"},
    {"targets.*.proxy_protocol", target_claim_proxy, 0, NULL, "a map of keys",
     "a header of the PROXY protocol goes out before anything else"},
    {"targets.*.proxy_protocol.version", target_claim_version, TARGET(plan.proxy.version), "2", "1 or 2",
     "of the protocol"},
    {"targets.*.proxy_protocol.command", target_claim_command, TARGET(plan.proxy.local), "proxy",
     "proxy or local", "claim to be somebody else, or be the balancer's own check"},
    {"targets.*.proxy_protocol.source", target_claim_source, TARGET(plan.proxy.source), NULL,
     "IP:port or [IPv6]:port, such as 192.0.2.9:4711",
     "who is claimed to have connected; needed where command is proxy"},
    {"targets.*.xclient", NULL, 0, NULL, "a map of attributes",
     "what Postfix' XCLIENT command claims, after the last EHLO"},
    {"targets.*.xclient.ADDR", target_claim_address, TARGET(plan.xclient[XCLIENT_ADDR]), NULL,
     TARGET_CLAIM_ADDRESS_EXPECTED, "the client's address"},
    {"targets.*.xclient.NAME", target_claim_name, TARGET(plan.xclient[XCLIENT_NAME]), NULL,
     "a host name, \"[UNAVAILABLE]\" or \"[TEMPUNAVAIL]\"", "the client's name"},
    {"targets.*.xclient.PORT", target_claim_port, TARGET(plan.xclient[XCLIENT_PORT]), NULL,
     TARGET_CLAIM_PORT_EXPECTED, "the client's port"},
    {"targets.*.xclient.PROTO", target_claim_protocol, TARGET(plan.xclient[XCLIENT_PROTO]), NULL,
     "SMTP or ESMTP", "the protocol that it speaks"},
    {"targets.*.xclient.HELO", target_claim_helo, TARGET(plan.xclient[XCLIENT_HELO]), NULL,
     "a name to greet with, or \"[UNAVAILABLE]\"", "what it said in HELO or EHLO"},
    {"targets.*.xclient.LOGIN", target_claim_login, TARGET(plan.xclient[XCLIENT_LOGIN]), NULL,
     "a login name, or \"[UNAVAILABLE]\"", "whom it has logged in as"},
    {"targets.*.xclient.DESTADDR", target_claim_address, TARGET(plan.xclient[XCLIENT_DESTADDR]), NULL,
     TARGET_CLAIM_ADDRESS_EXPECTED, "the address that it has connected to"},
    {"targets.*.xclient.DESTPORT", target_claim_port, TARGET(plan.xclient[XCLIENT_DESTPORT]), NULL,
     TARGET_CLAIM_PORT_EXPECTED, "the port that it has connected to"},
    {"targets.*.auth", NULL, 0, NULL, "a map of keys", "how ehlod logs in; default: not at all"},
    {"targets.*.auth.mechanism", target_auth_mechanism, TARGET(plan.login.mechanism), NULL,
     "SCRAM-SHA-256, SCRAM-SHA-1, CRAM-MD5, OAUTHBEARER, XOAUTH2, EXTERNAL, PLAIN or LOGIN",
     "this SASL mechanism or none; default: the strongest that the server offers"},
    {"targets.*.auth.username", scalar_text, TARGET(plan.login.username), NULL, "a name of 1 to 255 octets",
     "who ehlod is to the server; needed, but with EXTERNAL"},
    {"targets.*.auth.password", target_auth_password, TARGET(plan.login), NULL, SECRET_EXPECTED,
     "the password itself"},
    {"targets.*.auth.password_file", target_auth_password_file, TARGET(plan.login), NULL,
     SECRET_FILE_EXPECTED, "the file that holds it"},
    {"targets.*.auth.token", target_auth_token, TARGET(plan.login), NULL, SECRET_EXPECTED,
     "an OAuth access token, for OAUTHBEARER and XOAUTH2"},
    {"targets.*.auth.token_file", target_auth_token_file, TARGET(plan.login), NULL, SECRET_FILE_EXPECTED,
     "the file that holds it; read anew for each login"},
    {"targets.*.auth.allow_plaintext", scalar_bool, TARGET(plan.login.allow_plaintext), "false",
     "true or false", "log in without TLS, too"},
    {"targets.*.auth.expect", target_auth_expect, TARGET(plan.login.rejected), "accepted",
     "accepted or rejected", "what must become of the login"},
    {"targets.*.timeout", scalar_timeout, TARGET(plan.limits_us[LIMIT_RUN]), "30s", SCALAR_TIMEOUT_EXPECTED,
     "the whole run"},
    {"targets.*.timeouts", NULL, 0, NULL, "a map of durations", "limits inside the run"},
    TIMEOUT("dns", LIMIT_DNS, "5s", "resolving the name"),
    TIMEOUT("connect", LIMIT_CONNECT, "5s", "connecting, all addresses together"),
    TIMEOUT("tls", LIMIT_TLS, "10s", "the TLS handshake"),
    TIMEOUT("banner", LIMIT_BANNER, "15s", "the greeting"),
    TIMEOUT("reply", LIMIT_REPLY, "15s", "each reply to a command"),
    TIMEOUT("message", LIMIT_MESSAGE, "20s", "sending the message"),
    TIMEOUT("final", LIMIT_FINAL, "25s", "the reply to the message"),
    TIMEOUT("quit", LIMIT_QUIT, "1s", "the reply to QUIT"),
    {"targets.*.cache_ttl", scalar_duration, TARGET(cache_ttl_us), "1s", VALUE_DURATION_EXPECTED,
     "a result this young is shared instead of running again"},
    {"targets.*.stale_if_error", scalar_duration, TARGET(stale_if_error_us), "5m", VALUE_DURATION_EXPECTED,
     "while ehlod itself cannot run, a verdict this young stands in; 0 = never"},
    {"targets.*.interval", target_interval, TARGET(interval_us), "0", VALUE_DURATION_EXPECTED ", at least 1s",
     "it runs by itself this often, so that callers are answered at once; 0 = only when asked"},
    {"targets.*.wait", scalar_duration, TARGET(wait_us), "2s", VALUE_DURATION_EXPECTED,
     "how long an answer waits for a delivery before it says pending"},
    {"targets.*.warn", NULL, 0, NULL, "a map of durations", "slower than this is a warning"},
    WARN("duration", warn_duration_us, "the run warns when it takes longer than this; 0 = never"),
    WARN("certificate", warn_certificate_us, "a certificate with less left than this warns; 0 = never"),
    WARN_PHASE("dns", PHASE_DNS),
    WARN_PHASE("connect", PHASE_CONNECT),
    WARN_PHASE("tls", PHASE_TLS),
    WARN_PHASE("banner", PHASE_BANNER),
    WARN_PHASE("ehlo", PHASE_EHLO),
    WARN_PHASE("starttls", PHASE_STARTTLS),
    WARN_PHASE("auth", PHASE_AUTH),
    WARN_PHASE("mail", PHASE_MAIL),
    WARN_PHASE("rcpt", PHASE_RCPT),
    WARN_PHASE("data", PHASE_DATA),
    WARN_PHASE("message", PHASE_MESSAGE),
    WARN_PHASE("final", PHASE_FINAL),
    WARN_PHASE("rset", PHASE_RSET),
    WARN_PHASE("quit", PHASE_QUIT),
    {"targets.*.stop_after", target_stop_after, TARGET(plan.stop_after), NULL,
     "a phase such as connect, banner, ehlo, rcpt or final",
     "go no further than this phase; default: to the end"},
    {"targets.*.hide_replies", scalar_bool, TARGET(plan.hide_replies), "false", "true or false",
     "show nothing of what the server writes but reply codes; verdicts are the same"},

    {"targets.*.dialogue", target_dialogue_file, TARGET(dialogue_file), NULL, "the path of a dialogue file",
     "a dialogue written by hand, which is played instead of routes"},
    {"targets.*.vars", target_dialogue_vars, 0, NULL, "a map of names and texts",
     "what {{name}} stands for in the dialogue"},

    {"targets.*.routes", target_route_read_all, 0, NULL, "a list of routes",
     "origin and destination pairs, in order, on one connection"},
    {"targets.*.routes[].name", target_route_name, ROUTE(name), NULL, LOAD_NAME_EXPECTED,
     "needed where a target has several routes; default: route1"},
    {"targets.*.routes[].from", target_route_from, 0, NULL, "a mail address, or \"\" for the null sender",
     "the envelope sender; needed; with pairs: each also a list"},
    {"targets.*.routes[].to", target_route_to, WRITTEN(is), NULL, "a mail address or a list of them",
     "the envelope recipients; each has its own verdict; needed"},
    {"targets.*.routes[].pairs", target_route_pairs, WRITTEN(each), NULL, "each",
     "each: every sender with every recipient is a route of its own, named NAME.1, NAME.2, ..."},
    {"targets.*.routes[].expect", target_route_expect, ROUTE(expect), "accepted",
     "accepted, queued, delivered, rejected or deferred, or a list of them",
     "what must become of every recipient, and of the message"},
    {"targets.*.routes[].at", target_route_at, ROUTE(at_final), "rcpt", "rcpt or final",
     "where a refusal is looked for: in the reply to MAIL or RCPT, or in that to the message"},
    {"targets.*.routes[].reply", target_route_reply, WRITTEN(is), NULL,
     "a reply code, such as 550, or with its enhanced code \"550 5.1.1\"",
     "the code, and the enhanced code, that must come; default: any"},
    {"targets.*.routes[].mailbox", target_route_mailbox, ROUTE(mailbox), NULL, "the name of a mailbox",
     "where the message is looked for; needed to be delivered"},
    {"targets.*.routes[].bounce_mailbox", target_route_mailbox, ROUTE(bounce_mailbox), NULL,
     "the name of a mailbox", "where a bounce to the sender would be seen"},
    {"targets.*.routes[].deliver_within", scalar_timeout, ROUTE(deliver_within_us), "60s",
     SCALAR_TIMEOUT_EXPECTED, "a message that is not seen in this time is lost"},
    {"targets.*.routes[].min_send_interval", scalar_duration, ROUTE(min_send_interval_us), "60s",
     VALUE_DURATION_EXPECTED, "at most one message in this time; in between the last verdict stands"},
    {"targets.*.routes[].message", target_message_file, ROUTE(message.template), NULL,
     "the path of a message: header, empty line, body",
     "what is sent, with placeholders; default: a small message of ehlod's own"},
    {"targets.*.routes[].size", target_message_size, ROUTE(message.size), NULL, TARGET_MESSAGE_SIZE_EXPECTED,
     "lines are added to the message until it is so large; default: none"},
    {"targets.*.routes[].dsn", NULL, 0, NULL, "a map of keys", "what is to be told about the message"},
    {"targets.*.routes[].dsn.notify", target_message_notify, ROUTE(dsn.notify), NULL,
     "never, or success, failure or delay, or a list of these three", "when; default: the server decides"},
    {"targets.*.routes[].dsn.ret", target_message_ret, ROUTE(dsn.ret), NULL, "full or hdrs",
     "how much of the message comes back with it; default: the server decides"},
    {"targets.*.routes[].dsn.envid", target_message_envid, ROUTE(dsn.envid), NULL,
     "a text of at most 100 ASCII characters",
     "a name for the envelope that comes back with it; default: none"},
};

#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

const struct keys_row *keys_rows(size_t *count_r)
{
    *count_r = ROW_COUNT;
    return rows;
}

const struct keys_row *keys_row(const char *path)
{
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (strcmp(rows[i].path, path) == 0)
            return &rows[i];
    assert(!"a path of the table");
    return NULL;
}

/* The name of the row's key when it stands directly under the path; else null. */
static const char *name_under(const struct keys_row *row, const char *path, size_t len)
{
    if (len > 0 && (strncmp(row->path, path, len) != 0 || row->path[len] != '.'))
        return NULL;
    const char *name = row->path + (len > 0 ? len + 1 : 0);
    return strchr(name, '.') ? NULL : name;
}

void keys_defaults(struct load *l, const char *path, void *object)
{
    size_t len = strlen(path);
    for (const struct keys_row *row = rows; row < rows + ROW_COUNT; row++) {
        if (strncmp(row->path, path, len) != 0 || row->path[len] != '.' || !row->fallback)
            continue;
        if (strstr(row->path + len, "[]") || strchr(row->path + len, '*')) /* of another object */
            continue;
        struct node said = {.kind = NODE_SCALAR, .text = row->fallback};
        row->parse(l, row, &said, (char *)object + row->slot);
    }
}

static const char *join(struct arena *a, const char *const *names, size_t count)
{
    const char *list = "";
    for (size_t i = 0; i < count; i++)
        list = arena_printf(a, "%s%s%s", list, i ? ", " : "", names[i]);
    return list;
}

/* *list_io is the names as a text, null until one is needed. */
static void refuse_unknown(struct load *l, const struct node *node, const char *const *names, size_t count,
                           const char **list_io)
{
    const char *guess = nearest(node->key, names, count);
    if (guess) {
        load_key_error(l, node, "unknown key (did you mean %s?)", guess);
        return;
    }
    if (!*list_io)
        *list_io = join(l->scratch, names, count);
    load_key_error(l, node, "unknown key (expected one of: %s)", *list_io);
}

static bool is_one_of(const char *key, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(key, names[i]) == 0)
            return true;
    return false;
}

bool keys_is_map(struct load *l, struct node *node, const char *expected)
{
    if (!load_is_map(l, node, expected))
        return false;
    if (node->count <= KEYS_MAX)
        return true;
    load_error(l, node, "too many keys (expected at most %d, found %zu)", KEYS_MAX, node->count);
    node->kind = NODE_BROKEN;
    return false;
}

void keys_read(struct load *l, const char *path, const struct node *map, void *object)
{
    const char *names[KEYS_MAX];
    const char *list = NULL;
    size_t count = 0;
    size_t len = strlen(path);
    for (const struct keys_row *row = rows; row < rows + ROW_COUNT; row++) {
        const char *name = name_under(row, path, len);
        if (!name)
            continue;
        assert(count < KEYS_MAX);
        names[count++] = name;
        struct node *node = node_get(map, name);
        if (node && row->parse)
            row->parse(l, row, node, (char *)object + row->slot);
        else if (node && keys_is_map(l, node, row->expected))
            keys_read(l, row->path, node, object);
    }
    for (size_t i = 0; i < map->count; i++)
        if (!is_one_of(map->items[i]->key, names, count))
            refuse_unknown(l, map->items[i], names, count, &list);
}
