/* SPDX-License-Identifier: GPL-2.0 */
/* Later kernels let a test replace a function that begins with this. */
#ifndef _KUNIT_STATIC_STUB_H
#define _KUNIT_STATIC_STUB_H

#define KUNIT_STATIC_STUB_REDIRECT(function, ...)	do { } while (0)

#endif /* _KUNIT_STATIC_STUB_H */
