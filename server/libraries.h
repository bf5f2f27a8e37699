/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_LIBRARIES_H
#define SERVER_LIBRARIES_H

/* What foreign libraries keep for the whole process is made now: once, before there are threads. */
void libraries_prepare(void);

#endif
