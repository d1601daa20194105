/* What the firmware's ACPI tables say about this machine. All zero where there are none. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "pvh.h"

enum { MAX_IOAPICS = 4 };

struct acpi {
  struct ioapic {
    uintptr_t address;
    uint32_t first_line;
  } ioapics[MAX_IOAPICS];
  unsigned ioapic_count;

  /* Fixed hardware (pc, q35): I/O ports, 0 where there is none. */
  uint16_t pm1_event, pm1_enable, pm1_control;
  uint16_t smi_command;
  uint8_t acpi_enable;

  /* Reduced hardware (microvm): the Generic Event Device's event register, and the sleep register. */
  uintptr_t ged_event;
  uintptr_t sleep_control;

  uint8_t sleep_type_off; /* the value that means "off" in either sleep register */

  bool reset_is_memory;
  uintptr_t reset_register; /* a port, or memory */
  uint8_t reset_value;
};

void acpi_read(struct acpi *acpi, const struct pvh_start_info *start_info);
