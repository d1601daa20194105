#include "power.h"

#include "cpu.h"
#include "serial.h"

/* From start.S. */
void triple_fault(void) __attribute__((noreturn));

enum {
  /*
   * The exit protocol: QEMU's isa-debugcon at the first port takes the whole
   * status, and its isa-debug-exit at the second ends QEMU with
   * (status << 1) | 1, which has room for seven bits of it only.
   */
  STATUS_PORT = 0x500,
  STATUS_PORT_PRESENT = 0xe9,
  EXIT_PORT = 0x501,

  PM1_BUTTON = 1 << 8,
  PM1_SCI_ENABLED = 1 << 0,
  PM1_SLEEP_TYPE_SHIFT = 10,
  PM1_SLEEP_ENABLE = 1 << 13,
  REDUCED_SLEEP_TYPE_SHIFT = 2,
  REDUCED_SLEEP_ENABLE = 1 << 5,
  GED_POWER_DOWN = 1 << 1,
};

static const struct acpi *tables;

void power_start(const struct acpi *acpi)
{
  tables = acpi;
  if (acpi->pm1_event == 0)
    return;
  /* Without firmware that did so, the chipset is not in ACPI mode yet and the button would do nothing. */
  if (acpi->smi_command != 0 && (inw(acpi->pm1_control) & PM1_SCI_ENABLED) == 0)
    outb(acpi->smi_command, acpi->acpi_enable);
  outw(acpi->pm1_event, PM1_BUTTON); /* writing a one clears it */
  outw(acpi->pm1_enable, PM1_BUTTON);
}

bool power_button_pressed(void)
{
  if (tables->ged_event != 0)
    return (read32(tables->ged_event) & GED_POWER_DOWN) != 0; /* reading clears it */
  if (tables->pm1_event == 0 || (inw(tables->pm1_event) & PM1_BUTTON) == 0)
    return false;
  outw(tables->pm1_event, PM1_BUTTON);
  return true;
}

void power_end(uint8_t status)
{
  serial_flush();
  if (inb(STATUS_PORT) == STATUS_PORT_PRESENT)
    outb(STATUS_PORT, status);
  outl(EXIT_PORT, status);

  /* Still here: no such device. What is left ends the machine too, but has no room for a status. */
  if (tables != NULL) {
    if (tables->sleep_control != 0)
      write8(tables->sleep_control, (uint8_t)(tables->sleep_type_off << REDUCED_SLEEP_TYPE_SHIFT | REDUCED_SLEEP_ENABLE));
    if (tables->pm1_control != 0)
      outw(tables->pm1_control, (uint16_t)(tables->sleep_type_off << PM1_SLEEP_TYPE_SHIFT | PM1_SLEEP_ENABLE | PM1_SCI_ENABLED));
    if (tables->reset_register != 0 && tables->reset_is_memory)
      write8(tables->reset_register, tables->reset_value);
    else if (tables->reset_register != 0)
      outb((uint16_t)tables->reset_register, tables->reset_value);
  }
  triple_fault();
}
