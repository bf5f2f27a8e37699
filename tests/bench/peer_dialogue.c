/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/peer_dialogue.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const names[VERBS] = {
    [VERB_NONE] = "banner",       [VERB_OTHER] = "other", [VERB_HELO] = "HELO", [VERB_EHLO] = "EHLO",
    [VERB_STARTTLS] = "STARTTLS", [VERB_MAIL] = "MAIL",   [VERB_RCPT] = "RCPT", [VERB_RSET] = "RSET",
    [VERB_NOOP] = "NOOP",         [VERB_DATA] = "DATA",   [VERB_DOT] = ".",     [VERB_QUIT] = "QUIT",
};

#define EHLO_BEGINS "250-peer.example.org\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-VRFY\r\n250-ETRN\r\n"
#define EHLO_ENDS   "250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-DSN\r\n250 CHUNKING\r\n"

void peer_script_init(struct peer_script *s, bool offers_tls)
{
    *s = (struct peer_script){
        .reply =
            {
                [VERB_NONE] = "220 peer.example.org ESMTP\r\n",
                [VERB_OTHER] = "502 5.5.2 Error: command not recognized\r\n",
                [VERB_HELO] = "250 peer.example.org\r\n",
                [VERB_EHLO] = EHLO_BEGINS EHLO_ENDS,
                [VERB_STARTTLS] = "502 5.5.1 Error: command not implemented\r\n",
                [VERB_MAIL] = "250 2.1.0 Ok\r\n",
                [VERB_RCPT] = "250 2.1.5 Ok\r\n",
                [VERB_RSET] = "250 2.0.0 Ok\r\n",
                [VERB_NOOP] = "250 2.0.0 Ok\r\n",
                [VERB_DATA] = "354 End data with <CR><LF>.<CR><LF>\r\n",
                [VERB_DOT] = "250 2.0.0 Ok: queued as 4Z1xAB\r\n",
                [VERB_QUIT] = "221 2.0.0 Bye\r\n",
            },
        .ehlo_tls = EHLO_BEGINS EHLO_ENDS,
    };
    if (offers_tls) {
        s->reply[VERB_EHLO] = EHLO_BEGINS "250-STARTTLS\r\n" EHLO_ENDS;
        s->reply[VERB_STARTTLS] = "220 2.0.0 Ready to start TLS\r\n";
    }
}

static int verb_find(const char *name, size_t length)
{
    for (int verb = 0; verb < VERBS; verb++)
        if (strlen(names[verb]) == length && strncasecmp(names[verb], name, length) == 0)
            return verb;
    return -1;
}

int peer_script_reply(struct peer_script *s, const char *setting)
{
    const char *equals = strchr(setting, '=');
    int verb = equals ? verb_find(setting, (size_t)(equals - setting)) : -1;
    char *text;

    if (verb < 0)
        return -1;
    size_t size = strlen(equals) + 2;
    if (!(text = malloc(size)))
        abort();
    snprintf(text, size, "%s\r\n", equals + 1);
    s->reply[verb] = text;
    if (verb == VERB_EHLO)
        s->ehlo_tls = text;
    return 0;
}

int peer_script_mute(struct peer_script *s, const char *name)
{
    int verb = verb_find(name, strlen(name));

    if (strcmp(name, "tls") == 0)
        s->mute_tls = true;
    else if (verb >= 0)
        s->mute[verb] = true;
    else
        return -1;
    return 0;
}

static enum verb verb_of(struct peer_dialogue *d)
{
    if (d->in_message) {
        bool ends = d->length == 3 && d->line[0] == '.';
        d->in_message = !ends;
        return ends ? VERB_DOT : VERB_NONE;
    }
    for (int verb = VERB_HELO; verb < VERBS; verb++) {
        size_t length = strlen(names[verb]);
        if (verb != VERB_DOT && d->length > length + 1 && strncasecmp(d->line, names[verb], length) == 0 &&
            strchr(" \r\n", d->line[length]))
            return verb;
    }
    return VERB_OTHER;
}

static const char *reply_to(struct peer_dialogue *d, const struct peer_script *s, enum verb verb)
{
    d->said = d->said << 4 | verb;
    if (s->mute[verb] || (d->in_tls && s->mute_tls))
        return NULL;
    d->in_message = verb == VERB_DATA && s->reply[verb][0] == '3';
    return verb == VERB_EHLO && d->in_tls ? s->ehlo_tls : s->reply[verb];
}

enum verb peer_dialogue_take(struct peer_dialogue *d, const struct peer_script *s, const char *data,
                             size_t size, size_t *used_r, const char **reply_r)
{
    size_t used = 0;
    enum verb verb = VERB_NONE;

    *reply_r = NULL;
    while (used < size && verb == VERB_NONE) {
        const char *end = memchr(data + used, '\n', size - used);
        size_t piece = end ? (size_t)(end + 1 - data) - used : size - used;
        size_t room = sizeof d->line - d->length;
        size_t kept = piece < room ? piece : room; /* the rest of a longer line says nothing new */
        memcpy(d->line + d->length, data + used, kept);
        d->length += kept;
        used += piece;
        if (end) {
            verb = verb_of(d);
            d->length = 0;
        }
    }
    if (verb != VERB_NONE)
        *reply_r = reply_to(d, s, verb);
    *used_r = used;
    return verb;
}

void peer_spoken_add(struct peer_spoken *spoken, uint64_t said)
{
    for (size_t i = 0; i < PEER_DIALOGUES; i++) {
        if (spoken->count[i] == 0)
            spoken->said[i] = said;
        if (spoken->said[i] == said) {
            spoken->count[i]++;
            return;
        }
    }
    spoken->others++;
}

void peer_spoken_print(const struct peer_spoken *spoken)
{
    printf("{");
    for (size_t i = 0; i < PEER_DIALOGUES && spoken->count[i]; i++) {
        const char *separator = "";
        printf("%s\"", i ? "," : "");
        for (int shift = 60; shift >= 0; shift -= 4) {
            unsigned verb = (unsigned)(spoken->said[i] >> shift & 15);
            if (verb == VERB_NONE)
                continue;
            printf("%s%s", separator, names[verb]);
            separator = " ";
        }
        printf("\":%" PRIu64, spoken->count[i]);
    }
    if (spoken->others)
        printf(",\"others\":%" PRIu64, spoken->others);
    printf("}\n");
    fflush(stdout);
}
