/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_PROTO_CLIENT_STEP_H
#define PROBE_PROTO_CLIENT_STEP_H

#include "probe/proto/client.h"

/*
 * The dialogue as a table. Private to the client: client.c drives it, client_step.c fills it, client_judge.c
 * decides about routes, client_break.c ends it before its time, client_say.c has the sentences,
 * client_finish.c the end.
 */
enum client_step_id {
    STEP_BANNER,
    STEP_EHLO,
    STEP_HELO,
    STEP_MAIL,
    STEP_RCPT,
    STEP_RSET,
    STEP_QUIT,
    STEP_END /* the connection is closed */
};

struct client_step {
    enum phase phase;
    enum limit limit;
    /* Whether this plan, this server and this point of the dialogue need the step; if not, the next row is
     * asked. c->step is still the step before. */
    bool (*applies)(const struct client *c);
    /* The command line in the arena, or null when it cannot be sent. No function: the server speaks first. */
    char *(*send)(struct client *c);
    /* What reply is hoped for, as it is shown. */
    const char *(*expected)(struct client *c);
    /* A whole reply came: judges it (command->ok) and says how to go on. */
    enum client_step_id (*got)(struct client *c, struct result_command *command);
};

extern const struct client_step client_step_table[STEP_END + 1];

/* What steps may do to the client. */
void client_note(struct client *c, enum flag flag);

/* The failure, if there was none before: reason and sentence, with the reply that decided (null = none).
 * Returns whether it became that. */
bool client_fail(struct client *c, enum reason reason, const struct result_reply *reply, const char *message);

void client_add_time(struct result *draft, enum phase phase, int64_t us);

/* The record, and the end of the dialogue (client.c). */
void client_tell_time(struct client *c, int64_t now_us);
int64_t client_run_ends_at(const struct client *c);
struct result_command *client_last_command(struct client *c); /* null = there is none */
struct result_command *client_add_command(struct client *c, enum phase phase, const char *sent,
                                          const char *expected);
void client_record_reply(struct client *c); /* what stands in the parser, to the last command */
void client_end(struct client *c);          /* nothing more is wanted */

/* What ends it before its time (client_break.c): bytes that are no reply, that nobody asked for (empty lines
 * are only flagged), that are too many. */
void client_break_misread(struct client *c, enum reason reason);
void client_break_unasked(struct client *c, struct span bytes);
void client_break_flood(struct client *c);

/* Sentences (client_say.c): a reply with its quotes, "550 5.1.1 no such user"; a text cut to a readable
 * length; what was asked last (null = nothing yet); that an answer is overdue. */
const char *client_say_quote(struct client *c, const struct result_reply *reply);
const char *client_say_cut(struct arena *a, const char *text);
const char *client_say_asked(const struct client *c, struct arena *a);
const char *client_say_overdue(const struct client *c, struct arena *a, enum reason reason, int64_t now_us);

/* The reply to MAIL or RCPT as the route under way sees it. MAIL refused decides for all recipients. Each
 * returns whether it is as wanted. */
bool client_judge_mail_refused(struct client *c, const struct result_reply *reply);
bool client_judge_recipient(struct client *c, const struct result_reply *reply);

/* A reply to RCPT that is neither acceptance nor refusal: kept with its recipient, which is not as wanted. */
void client_judge_senseless(struct client *c, const struct result_reply *reply);

/* What the route under way wants to hear: "2xx", "4xx or 5xx", "550 5.7.1". */
const char *client_judge_wanted(struct client *c);

/* The server will not go on: the routes from that one on fail, and the reply is the reason. */
void client_judge_unplayed(struct client *c, size_t from, const struct result_reply *reply);

#endif
