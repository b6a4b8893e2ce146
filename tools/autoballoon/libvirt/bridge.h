/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parts of autoballoon-libvirt share. Nobody else includes this.
 *
 * Threads: main accepts connections; one keeps the connection to libvirtd; one runs
 * libvirt's event loop; and there is one for each domain that the daemon has a
 * session with, because a domain that hangs must not hold up the others.
 */
#ifndef AUTOBALLOON_BRIDGE_H
#define AUTOBALLOON_BRIDGE_H

#include <libvirt/libvirt.h>
#include <stdbool.h>
#include <stddef.h>

#define UUID_MAX VIR_UUID_STRING_BUFLEN

/* domains.c: the domains that run, their sockets and sessions */
int domains_open(const char *directory);
void domains_add(const char *uuid, const char *name);
void domains_remove(const char *uuid);
void domains_sync(virDomainPtr *domains, int nr);
void domains_tell(const char *uuid, const char *event);
void domains_accept(void);
void domains_wake(void);
bool domains_send(const char *uuid, int fd, const char *text, size_t len);
void domains_leave(const char *uuid, int fd);
void domains_close(void);

/* serve.c: one session */
void serve(const char *uuid, int fd);

/* watch.c: the connection to libvirtd and its events */
int watch_start(const char *uri);
virConnectPtr watch_connection(void);
const char *watch_state_directory(void);

#endif
