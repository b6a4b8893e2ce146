// SPDX-License-Identifier: GPL-2.0-or-later
/* autoballoonctl setup: what to add to a guest, ready to copy. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"

#define PLACE "/run/autoballoon/guests"
#define KINDS "qemu, agent, libvirt, proxmox, firecracker or cloud-hypervisor"

static void setup_qemu(const char *name)
{
	printf("# Add to QEMU's command line:\n"
	       "-name %s\n"
	       "-device virtio-balloon-pci,free-page-reporting=on,deflate-on-oom=on\n"
	       "-qmp unix:" PLACE "/%s.qmp,server=on,wait=off\n"
	       "# Once, if QEMU runs as another user than root:\n"
	       "usermod -aG autoballoon USER\n", name, name);
}

static void setup_agent(const char *name)
{
	printf("# For autoballoonctl park and unpark. Add to QEMU's command line:\n"
	       "-device virtio-serial-pci\n"
	       "-chardev socket,id=qga,path=" PLACE "/%s.qga,server=on,wait=off\n"
	       "-device virtserialport,chardev=qga,name=org.qemu.guest_agent.0\n"
	       "# Once, in the guest:\n"
	       "apt install qemu-guest-agent page-reporting\n", name);
}

static void setup_libvirt(const char *name)
{
	printf("# virsh edit %s: in <devices>, instead of the <memballoon> there\n"
	       "<memballoon model='virtio' autodeflate='on' freePageReporting='on'/>\n"
	       "# Once, for all domains: the service by which the daemon reaches libvirtd\n"
	       "apt install autoballoon-libvirt\n"
	       "# Then shut the guest down and start it.\n", name);
}

static void setup_firecracker(const char *name)
{
	printf("# Before InstanceStart; without an interval there are no statistics\n"
	       "curl --unix-socket " PLACE "/%s.firecracker -X PUT http://localhost/balloon "
	       "-d '{\"amount_mib\":0,\"deflate_on_oom\":true,\"stats_polling_interval_s\":5,"
	       "\"free_page_reporting\":true}'\n"
	       "# That socket is made by\n"
	       "firecracker --id %s --api-sock " PLACE "/%s.firecracker\n"
	       "# Once: in [daemon] of /etc/autoballoon.conf, and restart the daemon\n"
	       "firecracker-sockets = " PLACE "/*.firecracker\n", name, name, name);
}

static void setup_cloud_hypervisor(const char *name)
{
	printf("# Add to cloud-hypervisor's command line:\n"
	       "--balloon size=0,deflate_on_oom=on,free_page_reporting=on\n"
	       "--api-socket " PLACE "/%s.cloud-hypervisor\n"
	       "# Once: in [daemon] of /etc/autoballoon.conf, and restart the daemon\n"
	       "cloud-hypervisor-sockets = " PLACE "/*.cloud-hypervisor\n", name);
}

/* Never the socket in /run/qemu-server: Proxmox could not reach its guest any more. */
static void setup_proxmox(const char *name)
{
	printf("# A monitor of its own; the one in /run/qemu-server is Proxmox's. --args replaces\n"
	       "# what is there: see qm config %s first.\n"
	       "qm set %s --args '-chardev socket,id=autoballoon,path=" PLACE "/%s.qmp,"
	       "server=on,wait=off -qmp chardev:autoballoon'\n"
	       "# pvestatd must not size the guest too.\n"
	       "qm set %s --shares 0\n"
	       "# Then stop and start the guest; a reboot from inside is not enough.\n",
	       name, name, name, name);
}

static const struct {
	const char *name;
	void (*print)(const char *guest);
} kinds[] = {
	{ "qemu", setup_qemu },
	{ "agent", setup_agent },
	{ "libvirt", setup_libvirt },
	{ "proxmox", setup_proxmox },
	{ "firecracker", setup_firecracker },
	{ "cloud-hypervisor", setup_cloud_hypervisor },
};

/* It is printed into commands and XML. */
static bool is_plain(const char *name)
{
	return *name && strlen(name) < 60 &&
	       !name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				  "0123456789._-")];
}

int cmd_setup(void)
{
	size_t i;

	if (opts.nr_words != 3)
		return ctl_usage("setup needs " KINDS ", and the guest's name");
	if (!is_plain(opts.words[2]) || *opts.words[2] == '-')
		return ctl_usage("a name here is of letters, digits, dots, dashes and underscores");
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!strcmp(opts.words[1], kinds[i].name)) {
			kinds[i].print(opts.words[2]);
			return EXIT_SUCCESS;
		}
	}
	return ctl_usage("setup needs " KINDS);
}
