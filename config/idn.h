/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_IDN_H
#define CONFIG_IDN_H

#include "probe/base/arena.h"

/* Internationalized domain names (IDNA 2008, UTS 46 non-transitional). Each returns null, or why the domain
 * is none, and then writes nothing; what it writes is in the arena. */

const char *idn_to_ascii(struct arena *a, const char *domain,
                         const char **ascii_r); /* "xn--bcher-kva.example" */
const char *idn_to_utf8(struct arena *a, const char *domain, const char **utf8_r); /* normalised */

const char *idn_version(void);

#endif
