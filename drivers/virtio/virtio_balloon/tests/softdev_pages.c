// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The host's view of the guest's memory: which pages are the device's, and whether
 * the guest leaves them alone.
 *
 * A page that the device gets loses what it contains, as pages do that a host
 * discards; the pattern that stands there instead must be there when the device
 * gives the page back, because nobody may have written to it (virtio 1.2, 5.5.6.1), and
 * until then somebody must hold a reference to it.
 *
 * Reported pages are free as far as the guest is concerned, so KASAN must not look
 * at this file.
 */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/poison.h>

#include "softdev.h"

#define PATTERN		0x5efdedULL

/* Whose a page is, by the answers the device has given. */
enum owner {
	OWNER_NONE,
	/* On the inflate queue, and not acknowledged: the device's. */
	OWNER_OFFERED,
	/* Acknowledged: the device's. */
	OWNER_GIVEN,
	/* On the deflate queue, and not acknowledged. */
	OWNER_WANTED,
	/* The guest's again. */
	OWNER_RETURNED,
};

/* What a reported page contains: with PAGE_POISON the host has to preserve that. */
static u64 report_content(struct softdev *dev)
{
	u32 poison = le32_to_cpu(dev->config.poison_val);

	if (virtio_has_feature(&dev->vdev, VIRTIO_BALLOON_F_PAGE_POISON))
		return (u64)poison << 32 | poison;
	return PATTERN;
}

static u64 *last_word(void *page)
{
	return page + PAGE_SIZE - sizeof(u64);
}

static void discard(struct page *page, u64 content)
{
	u64 *word = kmap_local_page(page);

	WRITE_ONCE(*word, content);
	WRITE_ONCE(*last_word(word), content);
	kunmap_local(word);
}

static bool contains(struct page *page, u64 content)
{
	u64 *word = kmap_local_page(page);
	bool equal = READ_ONCE(*word) == content && READ_ONCE(*last_word(word)) == content;

	kunmap_local(word);
	return equal;
}

static bool is_untouched(unsigned long pfn)
{
	struct page *page = pfn_to_page(pfn);

	return page_count(page) && contains(page, PATTERN);
}

static bool must_tell(struct softdev *dev)
{
	return virtio_has_feature(&dev->vdev, VIRTIO_BALLOON_F_MUST_TELL_HOST);
}

static enum owner owner_of(struct softdev *dev, unsigned long pfn)
{
	void *entry = xa_load(&dev->pages, pfn);

	return entry ? xa_to_value(entry) : OWNER_NONE;
}

static void set_owner(struct softdev *dev, unsigned long pfn, enum owner owner)
{
	if (xa_err(xa_store(&dev->pages, pfn, xa_mk_value(owner), GFP_KERNEL)))
		softdev_fault(dev, "no memory for the device itself");
}

/* Next guest page that a buffer names, whose numbers count in 4 KiB. */
static bool next_page(struct softdev *dev, const struct softdev_buffer *buf,
		      unsigned int *at, unsigned long *pfn)
{
	const struct kvec *range = buf->ranges;
	const __virtio32 *number = phys_to_virt((phys_addr_t)(unsigned long)range->iov_base);
	unsigned int i, nr = range->iov_len / sizeof(*number);
	u32 first;

	if (*at >= nr)
		return false;
	first = virtio32_to_cpu(&dev->vdev, number[*at]);
	for (i = 1; i < VB_PFNS_PER_PAGE; i++)
		if (*at + i >= nr ||
		    virtio32_to_cpu(&dev->vdev, number[*at + i]) != first + i)
			softdev_fault(dev, "names part of a page: %u", first);
	*at += VB_PFNS_PER_PAGE;
	*pfn = first / VB_PFNS_PER_PAGE;
	if (first % VB_PFNS_PER_PAGE || !pfn_valid(*pfn)) {
		softdev_fault(dev, "names no page: %u", first);
		return false;
	}
	return true;
}

static void take_inflated(struct softdev *dev, unsigned long pfn)
{
	enum owner before = owner_of(dev, pfn);

	if (before != OWNER_NONE && before != OWNER_RETURNED)
		softdev_fault(dev, "gives page %lx twice", pfn);
	set_owner(dev, pfn, OWNER_OFFERED);
	dev->nr_pages++;
	discard(pfn_to_page(pfn), PATTERN);
}

static void take_deflated(struct softdev *dev, unsigned long pfn)
{
	enum owner before = owner_of(dev, pfn);

	if (before == OWNER_OFFERED)
		softdev_fault(dev, "wants page %lx before it was acknowledged", pfn);
	else if (before != OWNER_GIVEN)
		softdev_fault(dev, "wants page %lx, which is not in the balloon", pfn);
	set_owner(dev, pfn, OWNER_WANTED);
	/* Without MUST_TELL_HOST it may be in use already. */
	if (must_tell(dev) && !is_untouched(pfn))
		softdev_fault(dev, "used page %lx before it told the host", pfn);
}

/**
 * softdev_pages_take() - a buffer has come on the inflate or the deflate queue
 * @dev: the device
 * @buf: the buffer
 *
 * Context: The device's work.
 */
void softdev_pages_take(struct softdev *dev, struct softdev_buffer *buf)
{
	bool inflate = buf->kind == SOFTDEV_INFLATE;
	unsigned int at = 0;
	unsigned long pfn;

	if (buf->nr_out != 1 || buf->nr_in || !buf->ranges->iov_len ||
	    buf->ranges->iov_len % (VB_PFNS_PER_PAGE * sizeof(__virtio32))) {
		softdev_fault(dev, "queue %d: a buffer of a wrong form", buf->kind);
		return;
	}
	if (dev->one_way && dev->queues[inflate ? SOFTDEV_DEFLATE : SOFTDEV_INFLATE].nr_held)
		softdev_fault(dev, "inflates and deflates at a time");
	while (next_page(dev, buf, &at, &pfn)) {
		if (inflate)
			take_inflated(dev, pfn);
		else
			take_deflated(dev, pfn);
	}
}

/**
 * softdev_pages_answer() - such a buffer is about to be answered
 * @dev: the device
 * @buf: the buffer; ignored if it is of another queue than these two
 *
 * Context: The caller holds dev->lock.
 */
void softdev_pages_answer(struct softdev *dev, struct softdev_buffer *buf)
{
	unsigned int at = 0;
	unsigned long pfn;

	if (buf->kind != SOFTDEV_INFLATE && buf->kind != SOFTDEV_DEFLATE)
		return;
	while (next_page(dev, buf, &at, &pfn)) {
		if (buf->kind == SOFTDEV_INFLATE) {
			if (!is_untouched(pfn))
				softdev_fault(dev, "used page %lx, which it had given", pfn);
			set_owner(dev, pfn, OWNER_GIVEN);
			continue;
		}
		if (must_tell(dev) && !is_untouched(pfn))
			softdev_fault(dev, "used page %lx before the answer", pfn);
		set_owner(dev, pfn, OWNER_RETURNED);
		dev->nr_pages--;
	}
}

/**
 * softdev_pages_touched() - has the guest used what is the device's?
 * @dev: the device
 *
 * Context: Process context.
 * Return: pages that it has.
 */
unsigned long softdev_pages_touched(struct softdev *dev)
{
	unsigned long pfn, nr = 0;
	void *entry;

	mutex_lock(&dev->lock);
	xa_for_each(&dev->pages, pfn, entry) {
		enum owner is = xa_to_value(entry);

		if (is != OWNER_RETURNED && (is != OWNER_WANTED || must_tell(dev)))
			nr += !is_untouched(pfn);
	}
	mutex_unlock(&dev->lock);
	return nr;
}

/**
 * softdev_pages_reset() - the device lets go of everything
 * @dev: the device
 *
 * Until now none of its pages may have been used: the host has not agreed to it.
 *
 * Context: The caller holds dev->lock.
 */
void softdev_pages_reset(struct softdev *dev)
{
	struct softdev_buffer *buf;
	unsigned long pfn;
	void *entry;

	lockdep_assert_held(&dev->lock);
	xa_for_each(&dev->pages, pfn, entry) {
		enum owner is = xa_to_value(entry);

		if (is == OWNER_RETURNED)
			continue;
		if ((is != OWNER_WANTED || must_tell(dev)) && !is_untouched(pfn))
			softdev_fault(dev, "used page %lx before the reset", pfn);
		dev->nr_unannounced++;
		set_owner(dev, pfn, OWNER_RETURNED);
	}
	dev->nr_pages = 0;
	list_for_each_entry(buf, &dev->queues[SOFTDEV_REPORTING].buffers, node)
		softdev_report_answer(dev, buf);
}

/**
 * softdev_pages_agree() - do driver and device mean the same pages?
 * @dev: the device, with nothing in flight
 *
 * Context: Process context.
 * Return: whether what the driver holds is what the device has.
 */
bool softdev_pages_agree(struct softdev *dev)
{
	struct virtio_balloon *vb = softdev_balloon(dev);
	unsigned long pfn, nr = 0, strange = 0;
	void *entry;
	int i;

	mutex_lock(&dev->lock);
	for (i = 0; i < nr_node_ids * VB_NR_KINDS; i++)
		nr += atomic_long_read(&vb->nodes[i / VB_NR_KINDS].pools[i % VB_NR_KINDS].nr_pages);
	/* As many, and all of them in a pool. */
	xa_for_each(&dev->pages, pfn, entry)
		if (xa_to_value(entry) == OWNER_GIVEN)
			strange += !PageOffline(pfn_to_page(pfn));
	strange += nr != dev->nr_pages;
	mutex_unlock(&dev->lock);
	return !strange;
}

static bool is_whole(struct softdev *dev, unsigned long pfn)
{
	unsigned long at = ALIGN_DOWN(pfn, VB_UNIT_PAGES), end = at + VB_UNIT_PAGES;

	for (; at < end; at++)
		if (owner_of(dev, at) != OWNER_GIVEN)
			return false;
	return true;
}

/**
 * softdev_pages_whole() - how much of what the device has can it give to its host?
 * @dev: the device
 *
 * Context: Process context.
 * Return: pages of whole units.
 */
unsigned long softdev_pages_whole(struct softdev *dev)
{
	unsigned long pfn, nr = 0;
	void *entry;

	mutex_lock(&dev->lock);
	xa_for_each(&dev->pages, pfn, entry)
		nr += xa_to_value(entry) == OWNER_GIVEN && is_whole(dev, pfn);
	mutex_unlock(&dev->lock);
	return nr;
}

/**
 * softdev_pages_lost() - look for pages that came back and that nobody has freed
 * @dev: the device
 *
 * That is, pages with a reference, which still contain what the device left there.
 * What was freed has no reference, and who allocated it since has written to it.
 *
 * Context: Process context.
 * Return: their number.
 */
unsigned long softdev_pages_lost(struct softdev *dev)
{
	unsigned long pfn, nr = 0;
	void *entry;

	mutex_lock(&dev->lock);
	xa_for_each(&dev->pages, pfn, entry)
		if (xa_to_value(entry) == OWNER_RETURNED)
			nr += is_untouched(pfn);
	mutex_unlock(&dev->lock);
	return nr;
}

/**
 * softdev_pages_bare() - look for pages that came back without their poison
 * @dev: the device
 *
 * Where the kernel relies on the contents of free pages, what is free now must
 * contain that (virtio 1.2, 5.5.6.6.1).
 *
 * Context: Process context.
 * Return: their number.
 */
unsigned long softdev_pages_bare(struct softdev *dev)
{
	u64 expected = 0x0101010101010101ULL * PAGE_POISON;
	unsigned long pfn, nr = 0;
	void *entry;

	if (want_init_on_free())
		expected = 0;
	else if (!page_poisoning_enabled_static())
		return 0;

	mutex_lock(&dev->lock);
	xa_for_each(&dev->pages, pfn, entry) {
		struct page *page = pfn_to_page(pfn);

		if (xa_to_value(entry) == OWNER_RETURNED && !page_count(page) &&
		    !contains(page, expected) && !page_count(page))
			nr++;
	}
	mutex_unlock(&dev->lock);
	return nr;
}

/* Reported pages: free, but on no free list. */

static bool is_reported(struct page *page, u64 content)
{
	return !page_count(page) && !PageBuddy(page) && contains(page, content);
}

/**
 * softdev_report_take() - a buffer has come on the reporting queue
 * @dev: the device
 * @buf: the buffer
 *
 * Context: The device's work.
 */
void softdev_report_take(struct softdev *dev, struct softdev_buffer *buf)
{
	u64 content = report_content(dev);
	unsigned int i;

	if (buf->nr_out || !buf->nr_in)
		softdev_fault(dev, "a report of a wrong form");
	if (debug_pagealloc_enabled())
		return;
	for (i = 0; i < buf->nr_in; i++) {
		unsigned long pfn = PHYS_PFN((unsigned long)buf->ranges[i].iov_base);
		unsigned long end = pfn + (buf->ranges[i].iov_len >> PAGE_SHIFT);

		for (; pfn < end; pfn++)
			discard(pfn_to_page(pfn), content);
	}
}

/**
 * softdev_report_answer() - such a buffer is about to be answered
 * @dev: the device
 * @buf: the buffer
 *
 * Context: The caller holds dev->lock.
 */
void softdev_report_answer(struct softdev *dev, struct softdev_buffer *buf)
{
	u64 content = report_content(dev);
	unsigned int i;

	if (debug_pagealloc_enabled())
		return;
	for (i = 0; i < buf->nr_in; i++) {
		unsigned long pfn = PHYS_PFN((unsigned long)buf->ranges[i].iov_base);
		unsigned long end = pfn + (buf->ranges[i].iov_len >> PAGE_SHIFT);

		for (; pfn < end; pfn++)
			if (!is_reported(pfn_to_page(pfn), content))
				softdev_fault(dev, "used page %lx while it was reported", pfn);
	}
}

/**
 * softdev_scribble() - leave no page of a range as it was
 * @dev: the device
 * @range: physical addresses
 *
 * Context: Process context.
 */
void softdev_scribble(struct softdev *dev, const struct kvec *range)
{
	unsigned long pfn = PHYS_PFN((unsigned long)range->iov_base);
	unsigned long end = pfn + (range->iov_len >> PAGE_SHIFT);

	for (; pfn < end; pfn++)
		discard(pfn_to_page(pfn), PATTERN);
}
