// SPDX-License-Identifier: GPL-2.0-or-later
/* autoballoonctl setup: what to add to a guest, ready to copy. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"

#define PLACE "/run/autoballoon/guests"

static void setup_qemu(const char *name)
{
	printf("# Add to QEMU's command line:\n"
	       "-name %s\n"
	       "-device virtio-balloon-pci,free-page-reporting=on,deflate-on-oom=on\n"
	       "-qmp unix:" PLACE "/%s.qmp,server=on,wait=off\n"
	       "# Once, if QEMU runs as another user than root:\n"
	       "usermod -aG autoballoon USER\n", name, name);
}

static void setup_libvirt(const char *name)
{
	printf("# virsh edit %s: in <devices>, instead of the <memballoon> there\n"
	       "<memballoon model='virtio' autodeflate='on' freePageReporting='on'/>\n"
	       "# and these two at the places shown; libvirt keeps its own monitor\n"
	       "<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n"
	       "  <qemu:commandline>\n"
	       "    <qemu:arg value='-chardev'/>\n"
	       "    <qemu:arg value='socket,id=autoballoon,path=" PLACE "/%s.qmp,server=on,wait=off'/>\n"
	       "    <qemu:arg value='-mon'/>\n"
	       "    <qemu:arg value='chardev=autoballoon,mode=control'/>\n"
	       "  </qemu:commandline>\n"
	       "</domain>\n"
	       "# Once: QEMU's user, and AppArmor where it is on\n"
	       "usermod -aG autoballoon libvirt-qemu\n"
	       "echo '" PLACE "/* rw,' >>/etc/apparmor.d/local/abstractions/libvirt-qemu\n"
	       "# libvirt sets statistics polling by <stats period>; leave it out.\n", name, name);
}

/* Never the socket in /run/qemu-server: Proxmox could not reach its guest any more. */
static void setup_proxmox(const char *name)
{
	printf("# A monitor of its own; the one in /run/qemu-server is Proxmox's. --args replaces\n"
	       "# what is there: see qm config %s first.\n"
	       "qm set %s --args '-chardev socket,id=autoballoon,path=" PLACE "/%s.qmp,"
	       "server=on,wait=off -mon chardev=autoballoon,mode=control'\n"
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
	{ "libvirt", setup_libvirt },
	{ "proxmox", setup_proxmox },
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
		return ctl_usage("setup needs qemu, libvirt or proxmox, and the guest's name");
	if (!is_plain(opts.words[2]) || *opts.words[2] == '-')
		return ctl_usage("a name here is of letters, digits, dots, dashes and underscores");
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!strcmp(opts.words[1], kinds[i].name)) {
			kinds[i].print(opts.words[2]);
			return EXIT_SUCCESS;
		}
	}
	return ctl_usage("setup needs qemu, libvirt or proxmox");
}
