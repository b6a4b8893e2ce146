/* SPDX-License-Identifier: GPL-2.0 */
/* What later kernels have under this name; stock.h has changed it already. */
#include <linux/balloon_compaction.h>
