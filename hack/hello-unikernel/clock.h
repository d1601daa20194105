/* Time since the kernel began. Exact to a microsecond or so under QEMU and KVM; see clock.c. */
#pragma once
#include <stdint.h>

enum { NS_PER_MS = 1000000 };

/* Starts counting, and a periodic interrupt that ends every halt within 100 ms. */
void clock_start(void);
uint64_t clock_ns(void);
/* Looks at the clock for the functions below: to look is slow on a virtual machine, so the main loop does it once a turn. */
void clock_update(void);
/* Wraps after 49 days: compare by the sign of a difference. */
uint32_t clock_ms(void);
/* Whole seconds, and the milliseconds besides. */
uint32_t clock_seconds(uint32_t *ms);
