/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_RENDER_TRANSCRIPT_H
#define SERVER_RENDER_TRANSCRIPT_H

#include "server/render/render.h"

/* The dialogue for people: a line for each line that went over the wire, with its time. What servers said is
 * taken from the share. What is to be coloured is marked (text_colour.h). */
void transcript_write(struct buffer *out, const struct result *r, struct render_share *share);

/* The same while the run goes on: what of the draft is certain and was not yet written. Zeroed to begin with.
 */
struct transcript_place {
    bool begun;     /* the heading is there */
    bool connected; /* and all up to the connection */
    bool handshake; /* the one that was made */
    size_t command;
    bool sent;    /* of that command its own row is there */
    size_t lines; /* and so many lines of its reply */
    int route;    /* the last heading's, and one; 0 = none */
};

/* over: nothing more will come to the result, so all the rest of it is written. */
void transcript_go_on(struct transcript_place *place, struct buffer *out, const struct result *r, bool over,
                      struct render_share *share);

/* One line of the command's reply as it came, with its code: "250-PIPELINING". */
void transcript_reply_line(struct buffer *out, const struct result *r, size_t command, size_t line);

/* "accepted", "deferred or rejected": what a route wants. */
void transcript_expect(struct buffer *out, unsigned expect);

#endif
