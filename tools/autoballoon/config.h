/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration: every option, its limits and its default. */
#ifndef AUTOBALLOON_CONFIG_H
#define AUTOBALLOON_CONFIG_H

#include <stdio.h>

#include "policy.h"
#include "textbuf.h"
#include "transport.h"

#define CONFIG_TEXT_MAX 256
#define CONFIG_LIST_MAX 4096		/* a list of directories */
#define CONFIG_RULES_MAX 1024
#define CONFIG_OPTIONS_MAX 80

enum pressure_source { SOURCE_PSI, SOURCE_VMPRESSURE, SOURCE_NONE };

/* A PSI trigger: so much stall within a window. */
struct psi_trigger {
	bool on;
	bool full;		/* all tasks stalled, not only some */
	uint64_t stall_ms;
	uint64_t window_ms;
};

/* Where something was configured. */
struct config_place {
	const char *file;	/* NULL: nowhere */
	unsigned int line;	/* 0: not in a file */
};

/* What is configured for guests whose name, UUID or socket matches a pattern. */
struct guest_rule {
	char pattern[CONFIG_TEXT_MAX];
	char socket[CONFIG_TEXT_MAX];	/* empty: found in a directory */
	struct config_place place;
	unsigned int given;		/* options set, a bit each */
	bool automatic;
	struct amount min;
	struct amount max;
	unsigned int shares;
	unsigned int band;
	unsigned int pulse;		/* enum pulse_mode */
	bool rightsize;
	unsigned int transport;		/* enum transport_id, of the socket */
};

struct config {
	/* [daemon] */
	char run_dir[CONFIG_TEXT_MAX];
	char keep_dir[CONFIG_TEXT_MAX];		/* outlives a reboot; empty: none */
	char control_socket[CONFIG_TEXT_MAX];
	char control_group[CONFIG_TEXT_MAX];
	char metrics_file[CONFIG_TEXT_MAX];
	uint64_t metrics_interval_ms;
	char directories[CONFIG_LIST_MAX];	/* separated by colons */
	char pattern[CONFIG_TEXT_MAX];
	char sockets[NR_TRANSPORTS][CONFIG_LIST_MAX];	/* patterns, of those but QMP */
	uint64_t idle_interval_ms;
	bool release_on_exit;
	bool lock_memory;
	bool dry_run;
	bool debug;
	/* [pressure] */
	unsigned int source;			/* enum pressure_source */
	char cgroup[CONFIG_TEXT_MAX];
	char cgroup_memory[CONFIG_TEXT_MAX];
	struct psi_trigger psi[NR_LEVELS];
	struct amount available[NR_LEVELS];	/* of MemTotal */
	struct amount headroom[NR_LEVELS];	/* of the cgroup's limit */
	uint64_t quiet_ms;
	unsigned int vmpressure_rate;		/* events a minute and level */
	unsigned int vmpressure_burst;
	/* [policy] */
	char amounts[CONFIG_TEXT_MAX];		/* "proportional", "fixed" or a preset */
	uint64_t amount[NR_LEVELS];		/* for "fixed" */
	struct policy_config policy;
	/* [guest PATTERN] */
	struct guest_rule rules[CONFIG_RULES_MAX];
	unsigned int nr_rules;
	/* where each option was set last */
	struct config_place places[CONFIG_OPTIONS_MAX];
	/* first error found */
	char error[3 * CONFIG_TEXT_MAX];
};

void config_defaults(struct config *config);
int config_set(struct config *config, const char *section, const char *key, const char *text,
	       const struct config_place *place);
int config_section(struct config *config, const char *section, const struct config_place *place);
int config_check(struct config *config);
void config_print(const struct config *config, FILE *out);
void config_keep(const struct config *running, struct config *fresh, struct textbuf *kept);
bool config_is_proxmox(const char *path);
void config_rule(const struct config *config, const char *name, const char *uuid,
		 const char *socket, struct guest_rule *rule);

/* config_file.c */
int config_read(struct config *config, const char *path);
int config_read_parts(struct config *config, const char *path);
int config_vm(struct config *config, const char *text);

#endif
