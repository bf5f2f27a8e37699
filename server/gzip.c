/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics say the same names over and over: even the quickest level makes them a tenth, which is what a
 * scraper pays for on its way. The quickest it is, because it is done on the loop.
 */
#include "server/gzip.h"

#include "probe/base/mem.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#define GZIP_WINDOW (MAX_WBITS + 16) /* a gzip header, not zlib's */
#define GZIP_MEMORY 8                /* zlib's default */

static int pack(z_stream *z, struct buffer *body)
{
    size_t most = deflateBound(z, (uLong)body->len);
    char *packed = mem_alloc(most);
    struct buffer out;

    z->next_in = (Bytef *)body->data;
    z->avail_in = (uInt)body->len;
    z->next_out = (Bytef *)packed;
    z->avail_out = (uInt)most;
    int code = most <= UINT_MAX ? deflate(z, Z_FINISH) : Z_BUF_ERROR;
    if (code == Z_STREAM_END) {
        buffer_init(&out, body->limit > most ? body->limit : most);
        buffer_put(&out, packed, z->total_out);
        buffer_free(body);
        *body = out;
    }
    free(packed);
    return code == Z_STREAM_END ? 0 : -1;
}

int gzip_pack(struct buffer *body)
{
    z_stream z = {0};

    if (body->len > UINT_MAX / 2 ||
        deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
        return -1;
    int packed = pack(&z, body);
    deflateEnd(&z);
    return packed;
}

const char *gzip_version(void)
{
    return zlibVersion();
}
