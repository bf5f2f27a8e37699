/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Libraries that make something for the whole process when they are first used, and want that to happen
 * before there are threads. The others are fine as they are: GnuTLS and libmicrohttpd do it when they are
 * loaded, OpenSSL, libuv and SQLite under locks of their own; libgsasl, libidn2, zlib and crypt_r(3) keep
 * nothing, and libfyaml is used by nobody but the one who loads a config.
 */
#include "server/libraries.h"

#include "probe/net/dns.h"
#include "probe/verify/link.h"
#include "server/render/render.h"

void libraries_prepare(void)
{
    dns_prepare();
    link_prepare();
    json_prepare();
}
