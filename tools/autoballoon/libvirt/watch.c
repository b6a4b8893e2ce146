// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The connection to libvirtd. One thread opens it, looks which domains run, and
 * opens it again when it has ended; another one runs libvirt's event loop, whose
 * callbacks make no calls of their own. While there is no libvirtd, sockets and sessions
 * stay, and questions are answered with an error.
 */
#include <errno.h>
#include <limits.h>
#include <libvirt/virterror.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../log.h"
#include "../util.h"
#include "bridge.h"

#define RETRY_S 1
#define LOOK_S 30		/* for events that got lost */
#define KEEPALIVE_S 5
#define KEEPALIVES 3

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static virConnectPtr connection;
static bool ended;
static const char *uri;
static char state_directory[PATH_MAX];

/**
 * watch_connection - the connection to libvirtd
 *
 * Return: a reference for virConnectClose(), or NULL while there is none.
 */
virConnectPtr watch_connection(void)
{
	virConnectPtr conn;

	pthread_mutex_lock(&lock);
	conn = connection;
	if (conn)
		virConnectRef(conn);
	pthread_mutex_unlock(&lock);
	return conn;
}

/**
 * watch_state_directory - where libvirt keeps the process ids of its QEMUs
 *
 * Return: the directory, or NULL.
 */
const char *watch_state_directory(void)
{
	return state_directory[0] ? state_directory : NULL;
}

/* Before there are threads: they read it without a lock. */
static void find_state_directory(void)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (!strstr(uri, "/session"))
		copy_string(state_directory, sizeof(state_directory), "/run/libvirt/qemu");
	else if (runtime)
		snprintf(state_directory, sizeof(state_directory), "%s/libvirt/qemu/run", runtime);
}

static void tell(virDomainPtr domain, const char *event)
{
	char uuid[UUID_MAX];

	if (!virDomainGetUUIDString(domain, uuid))
		domains_tell(uuid, event);
}

#define EVENT_CHANGED "{\"event\":\"CHANGED\",\"data\":{}}\n"

static int on_lifecycle(virConnectPtr conn, virDomainPtr domain, int event, int detail,
			void *data)
{
	char uuid[UUID_MAX];

	(void)conn;
	(void)detail;
	(void)data;
	if (virDomainGetUUIDString(domain, uuid))
		return 0;
	switch (event) {
	case VIR_DOMAIN_EVENT_STARTED:
	case VIR_DOMAIN_EVENT_RESUMED:
		domains_add(uuid, virDomainGetName(domain));
		domains_tell(uuid, EVENT_CHANGED);
		break;
	case VIR_DOMAIN_EVENT_STOPPED:
		domains_remove(uuid);
		break;
	case VIR_DOMAIN_EVENT_SUSPENDED:
	case VIR_DOMAIN_EVENT_PMSUSPENDED:
	case VIR_DOMAIN_EVENT_CRASHED:
		domains_tell(uuid, "{\"event\":\"CHANGED\",\"data\":{\"running\":false}}\n");
		break;
	default:
		domains_tell(uuid, EVENT_CHANGED);
		break;
	}
	return 0;
}

static void on_balloon(virConnectPtr conn, virDomainPtr domain, unsigned long long actual,
		       void *data)
{
	(void)conn;
	(void)actual;
	(void)data;
	tell(domain, "{\"event\":\"BALLOON\",\"data\":{}}\n");
}

static void on_reboot(virConnectPtr conn, virDomainPtr domain, void *data)
{
	(void)conn;
	(void)data;
	tell(domain, "{\"event\":\"RESET\",\"data\":{}}\n");
}

static void on_device(virConnectPtr conn, virDomainPtr domain, const char *alias, void *data)
{
	(void)conn;
	(void)alias;
	(void)data;
	tell(domain, EVENT_CHANGED);
}

static void on_close(virConnectPtr conn, int reason, void *data)
{
	(void)conn;
	(void)data;
	pthread_mutex_lock(&lock);
	ended = true;
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&lock);
	log_warn("event=libvirt-gone reason=%d", reason);
}

static void quiet(void *data, virErrorPtr error)
{
	(void)data;
	(void)error;
}

static int watch_events(virConnectPtr conn)
{
	static const struct {
		int id;
		virConnectDomainEventGenericCallback fn;
	} events[] = {
		{ VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle) },
		{ VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE, VIR_DOMAIN_EVENT_CALLBACK(on_balloon) },
		{ VIR_DOMAIN_EVENT_ID_REBOOT, VIR_DOMAIN_EVENT_CALLBACK(on_reboot) },
		{ VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, VIR_DOMAIN_EVENT_CALLBACK(on_device) },
		{ VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, VIR_DOMAIN_EVENT_CALLBACK(on_device) },
	};
	size_t i;

	if (virConnectRegisterCloseCallback(conn, on_close, NULL, NULL))
		return -1;
	for (i = 0; i < ARRAY_SIZE(events); i++)
		if (virConnectDomainEventRegisterAny(conn, NULL, events[i].id, events[i].fn, NULL,
						     NULL) < 0)
			return -1;
	virConnectSetKeepAlive(conn, KEEPALIVE_S, KEEPALIVES);
	return 0;
}

/* Which domains run. Returns whether libvirtd has answered. */
static bool look(virConnectPtr conn)
{
	virDomainPtr *domains = NULL;
	int nr = virConnectListAllDomains(conn, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE), i;

	if (nr < 0)
		return false;
	domains_sync(domains, nr);
	for (i = 0; i < nr; i++)
		virDomainFree(domains[i]);
	free(domains);
	return true;
}

static void set_connection(virConnectPtr conn)
{
	pthread_mutex_lock(&lock);
	connection = conn;
	if (!conn)
		ended = false;
	pthread_mutex_unlock(&lock);
}

static void wait_for(int seconds)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += seconds;
	pthread_mutex_lock(&lock);
	if (!ended)
		pthread_cond_timedwait(&changed, &lock, &until);
	pthread_mutex_unlock(&lock);
}

static bool has_ended(virConnectPtr conn)
{
	bool over;

	pthread_mutex_lock(&lock);
	over = ended;
	pthread_mutex_unlock(&lock);
	return over || virConnectIsAlive(conn) != 1;
}

static void say_problem(bool *said)
{
	const virError *error = virGetLastError();

	if (!*said)
		log_warn("event=no-libvirt uri=%s reason=\"%s\"", uri,
			 error && error->message ? error->message : "unknown");
	*said = true;
}

static void *keep(void *data)
{
	virConnectPtr conn;
	bool said = false;

	(void)data;
	for (;;) {
		set_connection(NULL);
		conn = virConnectOpen(uri);
		if (!conn || watch_events(conn) || !look(conn)) {
			say_problem(&said);
			if (conn)
				virConnectClose(conn);
			wait_for(RETRY_S);
			continue;
		}
		said = false;
		log_info("event=libvirt-connected uri=%s", uri);
		set_connection(conn);
		domains_tell(NULL, EVENT_CHANGED);
		do
			wait_for(LOOK_S);
		while (!has_ended(conn) && look(conn));
		set_connection(NULL);
		virConnectClose(conn);
		domains_tell(NULL, EVENT_CHANGED);
	}
	return NULL;
}

static void *run_events(void *data)
{
	(void)data;
	for (;;)
		virEventRunDefaultImpl();
	return NULL;
}

/**
 * watch_start - keep a connection from now on
 * @to: libvirt's URI
 *
 * Return: 0, or -errno.
 */
int watch_start(const char *to)
{
	pthread_t thread;

	uri = to;
	find_state_directory();
	virSetErrorFunc(NULL, quiet);
	if (virInitialize() || virEventRegisterDefaultImpl())
		return -ENOSYS;
	if (pthread_create(&thread, NULL, run_events, NULL) ||
	    pthread_create(&thread, NULL, keep, NULL))
		return -EAGAIN;
	return 0;
}
