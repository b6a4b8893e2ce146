// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the guest can see of its balloon: /sys/bus/virtio/devices/virtioN/balloon/.
 */
#include <linux/sysfs.h>

#include "balloon.h"

static struct virtio_balloon *to_balloon(struct device *dev)
{
	return dev_to_virtio(dev)->priv;
}

static ssize_t emit_pages(char *buf, u64 pages)
{
	return sysfs_emit(buf, "%llu\n", pages << PAGE_SHIFT);
}

static ssize_t actual_bytes_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return emit_pages(buf, atomic_long_read(&to_balloon(dev)->nr_pages));
}
static DEVICE_ATTR_RO(actual_bytes);

static ssize_t target_bytes_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return emit_pages(buf, READ_ONCE(to_balloon(dev)->size.target));
}
static DEVICE_ATTR_RO(target_bytes);

static ssize_t returned_bytes_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return emit_pages(buf, atomic_long_read(&to_balloon(dev)->nr_returned));
}
static DEVICE_ATTR_RO(returned_bytes);

static ssize_t pressure_bytes_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return emit_pages(buf, atomic_long_read(&to_balloon(dev)->pressure.nr_released));
}
static DEVICE_ATTR_RO(pressure_bytes);

static ssize_t oom_bytes_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return emit_pages(buf, atomic_long_read(&to_balloon(dev)->oom.nr_released));
}
static DEVICE_ATTR_RO(oom_bytes);

static ssize_t hinted_bytes_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return emit_pages(buf, (u64)READ_ONCE(to_balloon(dev)->hints.nr_blocks) << VB_HINT_ORDER);
}
static DEVICE_ATTR_RO(hinted_bytes);

static ssize_t state_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	static const char * const names[] = {
		[VB_IDLE] = "idle",
		[VB_INFLATING] = "inflating",
		[VB_DEFLATING] = "deflating",
		[VB_HOLDOFF] = "holdoff",
	};
	struct virtio_balloon *vb = to_balloon(dev);

	if (READ_ONCE(vb->life) != VB_ON)
		return sysfs_emit(buf, "dead\n");
	return sysfs_emit(buf, "%s\n", names[READ_ONCE(vb->size.state)]);
}
static DEVICE_ATTR_RO(state);

static struct attribute *vb_attrs[] = {
	&dev_attr_actual_bytes.attr,
	&dev_attr_target_bytes.attr,
	&dev_attr_returned_bytes.attr,
	&dev_attr_pressure_bytes.attr,
	&dev_attr_oom_bytes.attr,
	&dev_attr_hinted_bytes.attr,
	&dev_attr_state.attr,
	NULL,
};

static const struct attribute_group vb_group = {
	.name = "balloon",
	.attrs = vb_attrs,
};

const struct attribute_group *vb_sysfs_groups[] = {
	&vb_group,
	NULL,
};
