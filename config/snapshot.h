/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_SNAPSHOT_H
#define CONFIG_SNAPSHOT_H

#include "config/mistakes.h"
#include "probe/account.h"
#include "probe/plan.h"
#include "probe/proto/dialogue.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/*
 * What the operator said: the config, validated, with every default filled in. Immutable, shared by count
 * over threads. Everything it points to lives and dies with it.
 */

#define SNAPSHOT_INHERITED   (-1)
#define SNAPSHOT_MAX_WORKERS 64

/* Where to listen: one entry of server.listen, or a sink. "systemd" has neither address nor path. */
struct snapshot_listen {
    struct address address;
    const char *path; /* of a Unix socket, as bind() takes it; null = the address is meant */
    int inherited; /* what the service manager has opened: not 0, and of the socket itself its descriptor */
};

/* Who may POST /-/reload. */
enum snapshot_reload { SNAPSHOT_RELOAD_LOOPBACK, SNAPSHOT_RELOAD_ANYONE, SNAPSHOT_RELOAD_NOBODY };

/* A file that the service reads again when it has changed. */
struct snapshot_file_state {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified;
    struct timespec changed;
};

struct snapshot_file {
    const char *path;          /* null = there is none */
    const struct secret *held; /* what stood in it when the config was loaded */
    struct snapshot_file_state state;
};

/* Whether callers have to show a certificate, and which is good. */
enum snapshot_client_auth {
    SNAPSHOT_CLIENT_NONE,
    SNAPSHOT_CLIENT_REQUEST,
    SNAPSHOT_CLIENT_REQUIRE_ANY,
    SNAPSHOT_CLIENT_VERIFY_IF_GIVEN,
    SNAPSHOT_CLIENT_REQUIRE_AND_VERIFY
};

/* How HTTP is spoken. */
struct snapshot_tls {
    bool is_said;
    struct snapshot_file cert; /* without one: in plain text */
    struct snapshot_file key;  /* without one it stands in cert */
    struct snapshot_file client_ca;
    enum snapshot_client_auth client_auth;
    enum tls_min min_version;
};

struct snapshot_user {
    const char *name;
    const struct secret *hash; /* of the password: bcrypt */
};

/* server.external_url, taken apart. */
struct snapshot_url {
    const char *scheme;    /* "http" or "https"; null = it is not said */
    const char *authority; /* "fra:8025" */
    const char *path;      /* "" or "/ehlod": never with a slash at its end */
};

struct snapshot_sink {
    const char *name; /* of the mailbox */
    struct snapshot_listen listen;
    enum protocol protocol;
    const char *const *domains; /* lower case, each in ASCII and, where it has one, in UTF-8 */
    size_t domain_count;
    const char *cert_file; /* null = it speaks no TLS */
    const char *key_file;  /* null = the key stands in cert_file */
    struct tls_context *tls_context;
};

/* A mailbox that keeps its mail: a Maildir, or an account on a server. */
struct snapshot_store {
    const char *name;       /* of the mailbox */
    const char *maildir;    /* path; null = the account is meant */
    struct account account; /* url null = the Maildir is meant */
};

struct snapshot_target {
    const char *name;
    const char *const *tags;
    size_t tag_count;
    const char *module;                   /* null = none */
    struct plan plan;                     /* ready to run as it is */
    const char *dialogue_file;            /* null = none */
    const struct dialogue *dialogue;      /* of it, to be written for each run: the plan has no script yet */
    struct dialogue_order dialogue_order; /* without token and time */
    int64_t cache_ttl_us;
    int64_t stale_if_error_us; /* 0 = never */
    int64_t wait_us;           /* how long an answer waits for a delivery */
    int64_t interval_us;       /* it runs by itself this often; 0 = on demand alone */
    uint64_t plan_hash;        /* what the plan was made of (config/alike.h) */
};

/* A module, as it stands in for a target of its own (config/guest.h). */
struct snapshot_module {
    struct snapshot_target is; /* with a sample of an address */
    const char *helo;          /* with its placeholders */
    const char *unfit;         /* why it cannot be used by itself; null = it can */
};

struct snapshot {
    const char *host_name;                /* of this machine, as the system says it */
    const char *server_name;              /* this vantage point */
    const struct snapshot_listen *listen; /* at least one */
    size_t listen_count;
    const struct snapshot_listen *agent_listen; /* where HAProxy's agent-check is answered; none = nowhere */
    size_t agent_listen_count;
    const struct address *own; /* the same as addresses: also every plan's own */
    size_t own_count;
    unsigned workers;                 /* loops; 0 = one for each processor */
    unsigned max_runs;                /* at least 1 */
    unsigned max_per_address;         /* at least 1 */
    struct snapshot_url external_url; /* how others reach it */
    bool metrics_by_target;           /* the service's own counters tell targets apart */
    int unknown_status;               /* HTTP status of /check when ehlod cannot tell */
    enum snapshot_reload allow_reload;
    const char *effective;    /* all of it as YAML, with defaults and without secrets */
    const char *history_path; /* null = nothing outlives the process */
    int64_t history_keep_us;  /* older rows of it go */
    struct snapshot_tls tls;
    const struct snapshot_user *users; /* who may log in; with no token and no user everybody is let in */
    size_t user_count;
    const struct snapshot_file *tokens; /* what else lets in */
    size_t token_count;
    struct allow probe_allow; /* what may be dialled beside the targets */
    const struct snapshot_sink *sinks;
    size_t sink_count;
    const struct snapshot_store *stores;
    size_t store_count;
    const struct snapshot_target *targets; /* in the order of the file */
    size_t target_count;
    const struct snapshot_module *modules; /* by name */
    size_t module_count;
};

/* One --set: key.path=value as the user wrote it. */
struct snapshot_source {
    const char *file;
    const char *const *sets;
    size_t set_count;
};

/* Touches no network. 0 with a snapshot (one reference), or -1 with at least one error; mistakes_r is
 * filled in either way (warnings), and is the caller's to clear. */
int snapshot_load(const struct snapshot_source *source, struct snapshot **snapshot_r,
                  struct mistakes *mistakes_r);

struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(struct snapshot *s); /* null is fine */

/* One with the same settings, one target, which is empty, and no modules; it holds the other one. What the
 * target points to may be in *keep_r. Until it is shared its target may be written. */
struct snapshot *snapshot_derive(struct snapshot *base, struct arena **keep_r);

/* The module of that name or null. */
const struct snapshot_module *snapshot_module(const struct snapshot *s, const char *name);

/* The target of that name or null. */
const struct snapshot_target *snapshot_target(const struct snapshot *s, const char *name);

#endif
