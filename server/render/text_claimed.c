/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom ehlod claimed to be, as the view for people shows it: a line of facts under the transcript (a PROXY
 * header is no command and stands nowhere in it), and a few words for the verdict.
 */
#include "server/render/text_claimed.h"

bool text_claimed_any(const struct result_claimed *claimed)
{
    return claimed->proxy || claimed->xclient;
}

static const char *const honours[] = {
    [RESULT_HONOUR_UNKNOWN] = "whether it was honoured is not known",
    [RESULT_HONOURED] = "honoured",
    [RESULT_NOT_HONOURED] = "not honoured",
};

/* claimed: v2 PROXY TCP4 192.0.2.9 192.0.2.1 4711 25, XCLIENT ADDR=198.51.100.4; honoured */
void text_claimed_facts(struct buffer *out, const struct result_claimed *claimed)
{
    if (!text_claimed_any(claimed))
        return;
    buffer_puts(out, "claimed: ");
    if (claimed->proxy)
        buffer_printf(out, "%s%s", claimed->proxy, claimed->xclient ? ", " : "");
    if (claimed->xclient)
        buffer_printf(out, "XCLIENT %s", claimed->xclient);
    buffer_printf(out, "; %s\n", honours[claimed->honoured]);
}

void text_claimed_as(struct buffer *out, const char *mark, const struct result_claimed *claimed)
{
    if (claimed->as && claimed->honoured == RESULT_HONOURED)
        buffer_printf(out, "%s as %s (%s accepted)", mark, claimed->as, claimed->by);
}
