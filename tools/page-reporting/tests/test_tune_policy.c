// SPDX-License-Identifier: GPL-2.0-or-later
/* What tune makes of what the host took. */
#include "../tune_policy.h"
#include "check.h"

#define MIB (UINT64_C(1) << 20)

static enum backing after(const uint64_t *us_per_mib, unsigned int nr)
{
	struct tune tune = { 0 };
	unsigned int i;

	for (i = 0; i < nr; i++)
		tune_add(&tune, 64 * MIB, 64 * us_per_mib[i]);
	return tune_backing(&tune);
}

/* As measured on a host with huge pages and on one without. */
static void hosts_are_told_apart(void)
{
	static const uint64_t huge[] = { 4, 7, 4, 6, 4, 6, 5, 5 };
	static const uint64_t small[] = { 77, 80, 81, 76, 85, 75, 63, 64 };

	CHECK(after(huge, 8) == BACKING_HUGE);
	CHECK(after(small, 8) == BACKING_SMALL);
}

/* To split huge pages would do harm: one cheap measurement is enough against it. */
static void a_busy_host_has_no_small_pages(void)
{
	static const uint64_t busy[] = { 300, 41, 120, 90, 77, 88, 95, 8 };
	static const uint64_t unclear[] = { 15, 40, 41, 42, 43, 44, 45, 46 };

	CHECK(after(busy, 8) == BACKING_HUGE);
	CHECK(after(unclear, 8) == BACKING_UNKNOWN);
}

static void little_proves_nothing(void)
{
	static const uint64_t few[] = { 77, 80, 81, 76, 85 };
	struct tune tune = { 0 };

	CHECK(after(NULL, 0) == BACKING_UNKNOWN);
	CHECK(after(few, 5) == BACKING_UNKNOWN);
	tune_add(&tune, 0, 1000);
	CHECK(tune.nr == 0);
}

static void granules(void)
{
	CHECK(tune_granule(BACKING_SMALL, TUNE_LARGE) == TUNE_SMALL);
	CHECK(tune_granule(BACKING_SMALL, TUNE_SMALL) == TUNE_SMALL);
	CHECK(tune_granule(BACKING_HUGE, TUNE_SMALL) == TUNE_LARGE);
	CHECK(tune_granule(BACKING_HUGE, TUNE_LARGE) == TUNE_LARGE);
	CHECK(tune_granule(BACKING_UNKNOWN, TUNE_SMALL) == TUNE_SMALL);
	CHECK(tune_granule(BACKING_UNKNOWN, TUNE_LARGE) == TUNE_LARGE);
	/* Another's choice. */
	CHECK(tune_granule(BACKING_SMALL, 4096) == 4096);
	CHECK(tune_granule(BACKING_HUGE, 32768) == 32768);
}

static void a_sample_leaves_the_guest_its_memory(void)
{
	CHECK(tune_sample(31 * MIB) == 0);
	CHECK(tune_sample(32 * MIB) == 8 * MIB);
	CHECK(tune_sample(63 * MIB) == 14 * MIB);
	CHECK(tune_sample(1024 * MIB) == 64 * MIB);
}

int main(void)
{
	a_sample_leaves_the_guest_its_memory();
	hosts_are_told_apart();
	a_busy_host_has_no_small_pages();
	little_proves_nothing();
	granules();
	return checked("tune policy");
}
