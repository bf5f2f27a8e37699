/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_PROTO_CLIENT_STEP_H
#define PROBE_PROTO_CLIENT_STEP_H

#include "probe/proto/client.h"

/*
 * The dialogue as a table. Private to the client: client.c drives it, client_hear.c hands it the replies,
 * client_step.c fills it (client_send.c the rows of the message, client_lmtp.c what LMTP has besides,
 * client_tls.c the rows of TLS, client_claim.c those that claim to be somebody else, client_script.c those of
 * a script), client_judge.c decides about routes, client_break.c ends it before its time, client_say.c has
 * the sentences, client_finish.c the end.
 */
enum client_step_id {
    STEP_PROXY, /* the PROXY header: before anything else */
    STEP_TLS,   /* the handshake: before the greeting, or after STARTTLS */
    STEP_BANNER,
    STEP_EHLO,
    STEP_HELO,
    STEP_STARTTLS,
    STEP_XCLIENT,
    STEP_AUTH,
    STEP_AUTH_RESPONSE, /* to a challenge */
    STEP_AUTH_CANCEL,   /* of a challenge that is not answered */
    STEP_MAIL,
    STEP_RCPT,
    STEP_DATA,
    STEP_MESSAGE, /* its lines and the dot go out */
    STEP_FINAL,   /* the reply to it is awaited */
    STEP_RSET,
    STEP_LINE, /* of a script: the next one is said */
    STEP_TEXT, /* its message goes out */
    STEP_TEXT_REPLY,
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
    /* What goes out instead of the line that is shown; none: the line itself. A reply that comes while a body
     * is being sent ends the dialogue (client_break_early). */
    struct span (*body)(const struct client *c);
    /* The last byte has gone out; may move on to the step that waits for the reply. None: nothing is done. */
    void (*sent)(struct client *c);
};

extern const struct client_step client_step_table[STEP_END + 1];

/* What LMTP has besides (client_lmtp.c): the reply to the message for each recipient that was taken. */
bool client_lmtp_speaks(const struct client *c);
bool client_lmtp_final_applies(const struct client *c);
bool client_lmtp_is_owed(const struct client *c); /* one more is awaited now */
void client_lmtp_begin(struct client *c);         /* the message is sent: all of them are owed */
/* The reply about one recipient came; returns whether there is another one to wait for. */
bool client_lmtp_next(struct client *c);
/* Whom the reply that is awaited is about; null where replies are about the message. */
const char *client_lmtp_recipient(const struct client *c);

/* What the steps share (client_step.c): a refusal or nonsense where only success leads on, "DATA was"; the
 * route is over, and the next one follows if the server goes on. */
enum client_step_id client_step_refused(struct client *c, const struct result_command *command,
                                        const char *what);
enum client_step_id client_step_next_route(struct client *c, const struct result_reply *reply);

/* The rows of TLS (client_tls.c). The handshake is no command: it has no reply and no place in the record. */
bool client_tls_applies(const struct client *c);
bool client_tls_hello_applies(const struct client *c);
bool client_tls_starttls_applies(const struct client *c);
char *client_tls_send_starttls(struct client *c);
enum client_step_id client_tls_got_starttls(struct client *c, struct result_command *command);
/* EHLO or HELO was taken: how to go on. */
enum client_step_id client_tls_after_hello(struct client *c);
/* Plain text came where the handshake was to begin. */
void client_tls_injected(struct client *c, struct span bytes);
/* A reply to EHLO that is none: a greeting inside of STARTTLS. */
bool client_tls_is_greeting(const struct client *c, const struct result_reply *reply);
bool client_tls_is_handshake(const struct client *c); /* the step under way */
void client_tls_forget(struct client *c);             /* what EHLO told */

/* The rows that claim to be somebody else (client_claim.c). The PROXY header is no command: it has no reply
 * and no place in the record. */
bool client_claim_proxy_applies(const struct client *c);
struct span client_claim_proxy(struct client *c); /* as it goes out */
void client_claim_proxy_sent(struct client *c);
/* TLS is settled: XCLIENT, where it is wanted, comes now. */
enum client_step_id client_claim_after_tls(struct client *c);
bool client_claim_xclient_applies(const struct client *c);
char *client_claim_send_xclient(struct client *c);
void client_claim_xclient_sent(struct client *c);
enum client_step_id client_claim_got_xclient(struct client *c, struct result_command *command);
/* EHLO, or TLS behind the header, was taken, so the header was, too. */
void client_claim_taken(struct client *c);
/* Whether what seems to be the reply to the first command is one to the header, and if so, the end. */
bool client_claim_is_misplaced(const struct client *c, const struct result_reply *reply);
enum client_step_id client_claim_misplaced(struct client *c, struct result_command *command);
/* The sentence about a reply that was not asked for, where the header explains it; else null. */
const char *client_claim_say_unasked(struct client *c, const struct result_reply *reply);
/* TLS is to come first, but the server spoke before the header was out. */
void client_claim_in_the_clear(struct client *c, const char *line);
/* A hint where the header may be why the connection, or TLS, broke, else "". */
const char *client_claim_hint(const struct client *c);

/* Whether the step under way is no command: it has no reply and no place in the record. */
bool client_step_is_silent(const struct client *c);

/* The rows of a login (client_auth.c). */
bool client_auth_applies(const struct client *c);
bool client_auth_is_open(const struct client *c); /* a challenge is to be answered, or not */
void client_auth_begin(struct client *c);
const char *client_auth_expected(struct client *c);
enum client_step_id client_auth_got(struct client *c, struct result_command *command);
char *client_auth_send_cancel(struct client *c);
const char *client_auth_cancel_expected(struct client *c);
enum client_step_id client_auth_got_cancel(struct client *c, struct result_command *command);
bool client_auth_is_answering(const struct client *c); /* no command is under way: ehlod is at work */
void client_auth_wipe(struct client *c);               /* what was to be sent */
/* Shows no challenge that makes sense, nor a part of one. */
void client_auth_hide(struct arena *a, struct result_reply *reply);
const char *client_auth_say_asked(const struct result_command *command);

/* By which mechanism (client_auth_choose.c); REASON_NONE, or why by none, with the sentence. */
enum reason client_auth_choose(struct client *c, enum auth_mechanism *mechanism_r, const char **message_r);

/* The rows of the message (client_send.c). */
bool client_send_data_applies(const struct client *c);
char *client_send_data(struct client *c);
void client_send_data_sent(struct client *c);
enum client_step_id client_send_got_data(struct client *c, struct result_command *command);
bool client_send_message_applies(const struct client *c);
char *client_send_message(struct client *c);
struct span client_send_body(const struct client *c);
bool client_send_next_piece(struct client *c); /* behind the one that is sent; false = it was the last */
void client_send_message_sent(struct client *c);
enum client_step_id client_send_got_final(struct client *c, struct result_command *command);

/* The rows of a script (client_script.c). The phase of its line is the row's, so there is one for each. */
bool client_script_applies(const struct client *c);
const struct client_step *client_script_row(const struct client *c); /* of the line that is next */
struct span client_script_wire(const struct client *c);              /* of the line under way */
bool client_script_is_line(const struct client *c);                  /* one is under way */
bool client_script_is_hello(const struct client *c);                 /* it is an EHLO */
void client_script_secured(struct client *c);                        /* TLS came of its STARTTLS */
/* The greeting, where the script says what it must be. */
bool client_script_expects(const struct client *c);
const char *client_script_wanted_banner(struct client *c);
enum client_step_id client_script_got_banner(struct client *c, struct result_command *command);
bool client_script_text_applies(const struct client *c);
char *client_script_send_text(struct client *c);
const char *client_script_wanted_text(struct client *c);
struct span client_script_text(const struct client *c);
void client_script_text_sent(struct client *c);
enum client_step_id client_script_got_text(struct client *c, struct result_command *command);
void client_script_early(struct client *c, const struct result_reply *reply); /* refused in its middle */
/* What QUIT is in the script's own words; null where it has none. */
const char *client_script_quit(const struct client *c);
/* "line 7: " before the sentence, once a line is under way. */
const char *client_script_say(const struct client *c, struct arena *a, const char *message);

/* What rows share with a script (client_step.c): a greeting, EHLO or RCPT that was taken; how to leave. */
void client_step_greeted(struct client *c, const struct result_reply *reply);
void client_step_learn(struct client *c, const struct result_reply *reply);
void client_step_note_rcpt(struct client *c, const struct result_command *command);
enum client_step_id client_step_farewell(const struct result_reply *reply);
/* The envelope (client_envelope.c). MAIL is the next step, or the one behind it: routes that need what the
 * server does not offer are over before anything is said of them. */
enum client_step_id client_envelope_begin(struct client *c);
char *client_envelope_mail(struct client *c);
char *client_envelope_rcpt(struct client *c);

/* What steps may do to the client. */
void client_note(struct client *c, enum flag flag);

/* The failure, if there was none before: reason and sentence, with the reply that decided (null = none).
 * Returns whether it became that. */
bool client_fail(struct client *c, enum reason reason, const struct result_reply *reply, const char *message);

void client_add_time(struct result *draft, enum phase phase, int64_t us);

/* The record, and the end of the dialogue (client.c). */
void client_tell_time(struct client *c, int64_t now_us);
struct result_command *client_last_command(struct client *c); /* null = there is none */
struct result_command *client_add_command(struct client *c, enum phase phase, const char *sent,
                                          const char *expected);
void client_record_reply(struct client *c);  /* what stands in the parser, to the last command */
bool client_is_over(const struct client *c); /* not begun, or nothing is left to be said or heard */
void client_enter(struct client *c, enum client_step_id id); /* that step, or the next one that applies */
/* What the step is timed and limited for begins now, and not when it was entered: what ehlod is late with is
 * no time of the server's. Once a step, so that nobody can put off its limit. */
void client_begin_clock(struct client *c, int64_t now_us);
/* Records the command, as it is shown, and sends those bytes; what is meant to be sent may be the empty span
 * of a line that could not be built. */
void client_say(struct client *c, const char *shown, struct span output);
struct span client_wire(struct client *c, const char *line); /* the line with its CRLF */
void client_end(struct client *c);                           /* nothing more is wanted */

/* What ends it before its time (client_break.c): bytes that are no reply, that nobody asked for (empty lines
 * are only flagged), that are too many. */
void client_break_misread(struct client *c, enum reason reason);
void client_break_unasked(struct client *c, struct span bytes);
void client_break_reply_unasked(struct client *c, struct result_reply reply); /* a whole one */

/* A whole reply stands in the parser while a message is still being sent. */
void client_break_early(struct client *c);
void client_break_flood(struct client *c);
void client_break_here(struct client *c);              /* the step under way ends the dialogue */
const char *client_break_when(const struct client *c); /* "instead of replying to QUIT" */
/* The failure, when the server did that ("closed the connection") because it waited too long for the login.
 */
void client_break_over_login(struct client *c, const char *did);

/* Sentences (client_say.c): a reply with its quotes, "550 5.1.1 no such user"; a text cut to a readable
 * length; what was asked last (null = nothing yet), which may be "the message"; that an answer is overdue. */
const char *client_say_quote(struct client *c, const struct result_reply *reply);
const char *client_say_cut(struct arena *a, const char *text);
const char *client_say_asked(const struct client *c, struct arena *a);
const char *client_say_part_sent(const struct client *c, struct arena *a); /* "10 of 200 octets" */
const char *client_say_overdue(const struct client *c, struct arena *a, enum reason reason, int64_t now_us);
/* That it is not there yet, to a caller whose own time, limit_us, is over. */
const char *client_say_unfinished(const struct client *c, struct arena *a, int64_t now_us, int64_t limit_us);

/* The reply to MAIL or RCPT as the route under way sees it. MAIL refused decides for all recipients. Each
 * returns whether it is as wanted. */
bool client_judge_mail_refused(struct client *c, const struct result_reply *reply);
bool client_judge_recipient(struct client *c, const struct result_reply *reply);

/* Every recipient has been asked: whether the message is to be sent now. If not, the route is decided. */
bool client_judge_recipients(struct client *c);

/* The reply to the message, to its dot or to DATA when that was refused; returns whether it is as wanted. A
 * refusal while the message is still being sent never is. */
bool client_judge_message(struct client *c, const struct result_reply *reply);

/* LMTP: the reply to the message for the recipient whose turn it is; returns whether it is as wanted. The
 * route is as wanted when the last of them was judged, if all were. */
bool client_judge_final(struct client *c, const struct result_reply *reply);
void client_judge_all_final(struct client *c);
void client_judge_early(struct client *c, const struct result_reply *reply);

/* A reply that is neither acceptance nor refusal: kept with its recipient, or with its message; the route is
 * not as wanted. */
void client_judge_senseless(struct client *c, const struct result_reply *reply);

/* What the route under way wants to hear: "2xx", "4xx or 5xx", "550 5.7.1"; of MAIL, of RCPT, of DATA, of the
 * message. */
const char *client_judge_mail_wanted(struct client *c);
const char *client_judge_rcpt_wanted(struct client *c);
const char *client_judge_data_wanted(struct client *c);
const char *client_judge_message_wanted(struct client *c);

/* The server will not go on: the routes from that one on fail, and the reply is the reason. */
void client_judge_unplayed(struct client *c, size_t from, const struct result_reply *reply);

#endif
