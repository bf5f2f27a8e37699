/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_PROTO_CLIENT_H
#define PROBE_PROTO_CLIENT_H

#include "probe/base/arena.h"
#include "probe/base/span.h"
#include "probe/plan.h"
#include "probe/proto/command.h"
#include "probe/proto/ehlo.h"
#include "probe/proto/reply.h"
#include "probe/proto/seam.h"
#include "probe/result.h"

/*
 * The client of SMTP (RFC 5321) and LMTP (RFC 2033): one dialogue as a state machine that touches no socket
 * and knows no clock. Bytes and times come in through the calls below; what it wants is asked of it:
 *
 *     client_init                                      before names are resolved
 *     client_start                                     connected
 *     while (client_want() != SEAM_DONE)
 *         write client_output(), tell client_sent()    when it is SEAM_WRITE (reading goes on too: a server
 *                                                      may answer a message that is still being sent)
 *         read, tell client_receive()                  always
 *         make a TLS connection, tell client_shaking() when it has spoken, client_secured() or
 *         client_unsecured()                           when it is SEAM_TLS; from then on the dialogue is
 * inside
 *         have client_question() answered, tell
 *         client_answered()                            when it is SEAM_ANSWER (reading goes on too)
 *         at client_deadline(), after reading what is there: client_expire()
 *     client_finish
 *
 * Times are monotonic microseconds; they are clamped so that what is shown never runs backwards. It never
 * pipelines, never retries, and once it is done further calls are harmless.
 */
/* A login under way (client_auth.c). */
struct client_auth {
    bool begun; /* it was decided about */
    enum auth_mechanism mechanism;
    bool open;                   /* a 334 waits for a response */
    bool held;                   /* the initial response did not fit behind AUTH, and waits in line */
    bool spoke;                  /* a response has gone out */
    bool said;                   /* the last of them: success may come */
    enum auth_progress progress; /* of the last answer */
    const char *challenge;       /* the last one */
    const char *detail;          /* what it said of a failure; null = nothing */
    const struct mask *mask;     /* what nothing of the server's may show; null = nothing is hidden */
    size_t rounds;               /* challenges so far */
    size_t longest;              /* line that was said, in octets */
    int64_t failed_us;           /* the run's duration when it was given up */
    char *line;                  /* what is being sent, or held: wiped as soon as it is out */
    size_t line_len;
};

struct client {
    const struct plan *plan;
    struct arena *arena;
    struct result *draft; /* commands, routes, extensions, flags, timing, failure are written here */
    struct result_command *commands;      /* the draft's, writable */
    struct result_route *routes;          /* likewise */
    struct result_recipient **recipients; /* likewise, by route */
    struct reply_parser parser;
    struct ehlo ehlo;       /* what the server offers */
    struct ehlo ehlo_shown; /* without what is masked */

    const struct client_step *step;
    enum seam_want want;
    bool started;
    struct client_auth auth;
    size_t route;       /* the route that is being played, or is next */
    size_t recipient;   /* and its recipient; LMTP: also whom the next reply to the message is about */
    bool route_begun;   /* its MAIL was sent */
    bool transaction;   /* its MAIL was accepted: RSET is owed */
    bool secured;       /* TLS is up */
    bool hello_said;    /* TLS has said its hello */
    bool shaken;        /* and the end of its handshake, which the greeting waits for */
    bool proxy_doubted; /* a PROXY header was sent, and it is not yet known how the server took it */
    bool xclient_said;
    size_t line;         /* of the plan's script: so many were begun */
    bool upgrading;      /* one said STARTTLS, and TLS comes of it */
    struct mask *hidden; /* what its server may not echo; null = nothing secret was said */
    bool challenged;     /* the last of them was answered with 334: a response follows */
    bool closing;        /* the server ends the session (421): QUIT and no more */
    enum phase replied;  /* the phase of the last whole reply */

    char wire[COMMAND_MAX_LINE + 1];
    struct span output;  /* what is being sent: the command in wire, or a message of the plan's */
    size_t output_sent;  /* of it */
    size_t output_piece; /* of a message in pieces: the next one */
    size_t output_gone;  /* octets of those before the present one */
    size_t output_total; /* octets of all of them */
    int64_t start_us;    /* of the run; offsets count from it */
    int64_t ends_us;     /* of the run: its deadline */
    int64_t step_us;     /* when the step's clock began: see client_begin_clock; then its last byte written */
    int64_t limit_at_us; /* when it runs out; the run's own deadline not yet counted in */
    int64_t now_us;      /* the latest time told */
    size_t received;     /* bytes in all */
};

/* The plan, the arena and the draft must outlive the client. start_us is when the run began. The draft is
 * zeroed but for what the caller knows (names, peer); its timing, flags, duration and failure are set up
 * here, and the caller may go on to write those of the phases before the dialogue. Who finds out later that
 * the run began later sets start_us anew, before the client is started; the run ends when it would have. */
void client_init(struct client *c, const struct plan *plan, struct arena *arena, struct result *draft,
                 int64_t start_us);
void client_free(struct client *c);

/* From now on nothing of the server's is shown but through the mask, which must outlive the client. */
void client_hide(struct client *c, const struct mask *mask);

void client_start(struct client *c, int64_t now_us);
void client_receive(struct client *c, struct span bytes, int64_t first_us, int64_t last_us);
void client_sent(struct client *c, size_t len, int64_t now_us);
void client_broken(struct client *c, enum seam_break how, int64_t now_us);
void client_shaking(struct client *c, int64_t now_us);
void client_secured(struct client *c, int64_t now_us);
void client_unsecured(struct client *c, enum reason reason, const char *message, int64_t now_us);
void client_answered(struct client *c, const struct auth_answer *answer, int64_t now_us);
void client_expire(struct client *c, int64_t now_us); /* does nothing before the deadline */

/* The program must end: a reply that is owed is not waited for. What was decided stays decided. */
void client_stop(struct client *c, int64_t now_us);

enum seam_want client_want(const struct client *c);
struct span client_output(const struct client *c);
struct auth_question client_question(const struct client *c);
int64_t client_deadline(const struct client *c); /* CLOCK_NEVER before the start and when done */

/* The same calls, for whoever moves bytes without knowing whose. */
extern const struct seam client_seam;

/* Whether the verdict is reached: what is left (RSET after the last route, QUIT) is courtesy. */
bool client_decided(const struct client *c);

/*
 * Completes the draft with what only the end shows: routes that were never reached, and of a step that is
 * still under way its time, its partial reply and, if the verdict is not reached, the failure: deadline, as a
 * caller who waits no longer than limit_us sees it. The client is not changed, so a run that goes on can be
 * shown as it stands: draft may be a copy of the client's own. Also right for a client that was never started
 * (limit_us is then not looked at: the caller has the failure).
 *
 * draft->duration_us is the time of the last reply that decided, or of the failure; the caller sets it when
 * the dialogue never began.
 */
void client_finish(const struct client *c, struct arena *arena, struct result *draft, int64_t now_us,
                   int64_t limit_us);

#endif
