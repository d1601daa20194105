/* Interrupts and faults. Interrupts are only ever open while the CPU is halted. */
#pragma once
#include "acpi.h"

/* Gates for faults: from here on one is reported, and ends the machine. */
void interrupts_start(void);
/* Lets every line of every I/O APIC end a halt, whichever device is on it. */
void interrupts_open_lines(const struct acpi *acpi);
/* From start.S: halts until there was an interrupt, at once if one is waiting. */
void sleep_until_interrupt(void);

enum {
  TIMER_VECTOR = 0x40,
  DEVICE_VECTOR = 0x41,
  SPURIOUS_VECTOR = 0xff,
};
