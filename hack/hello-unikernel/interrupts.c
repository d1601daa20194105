#include "interrupts.h"

#include "cpu.h"
#include "lapic.h"
#include "power.h"
#include "serial.h"

/* From start.S. */
extern const uint32_t exception_entries[32];
void interrupt_entry(void);
void spurious_entry(void);
void on_exception(uint32_t vector, uint32_t error, uint32_t address) __attribute__((noreturn));

enum {
  EXCEPTIONS = 32,
  CODE_SELECTOR = 0x08,
  INTERRUPT_GATE = 0x8e00,

  PIC_FIRST_MASK = 0x21,
  PIC_SECOND_MASK = 0xa1,

  IOAPIC_SELECT = 0x00,
  IOAPIC_WINDOW = 0x10,
  IOAPIC_VERSION = 1,
  IOAPIC_FIRST_LINE = 0x10,
  IOAPIC_MASKED = 1 << 16,

  /* The periodic timers of a PC, which firmware may have left running. */
  PIT_LINE = 0,
  PIT_LINE_OVERRIDDEN = 2,
  RTC_LINE = 8,
};

static struct gate {
  uint16_t offset_low, selector, type, offset_high;
} gates[256];

static void set_gate(unsigned vector, uintptr_t entry)
{
  gates[vector] = (struct gate){(uint16_t)entry, CODE_SELECTOR, INTERRUPT_GATE, (uint16_t)(entry >> 16)};
}

void interrupts_start(void)
{
  for (unsigned vector = 0; vector < EXCEPTIONS; vector++)
    set_gate(vector, exception_entries[vector]);
  set_gate(TIMER_VECTOR, (uintptr_t)interrupt_entry);
  set_gate(DEVICE_VECTOR, (uintptr_t)interrupt_entry);
  set_gate(SPURIOUS_VECTOR, (uintptr_t)spurious_entry);

  struct __attribute__((packed)) {
    uint16_t limit;
    uint32_t base;
  } pointer = {sizeof gates - 1, (uintptr_t)gates};
  __asm__ volatile("lidt %0" : : "m"(pointer));

  /* The old controller has no part in this; where there is none the writes go nowhere. */
  outb(PIC_FIRST_MASK, 0xff);
  outb(PIC_SECOND_MASK, 0xff);
}

static uint32_t ioapic_read(uintptr_t ioapic, uint8_t index)
{
  write32(ioapic + IOAPIC_SELECT, index);
  return read32(ioapic + IOAPIC_WINDOW);
}

static void ioapic_write(uintptr_t ioapic, uint8_t index, uint32_t value)
{
  write32(ioapic + IOAPIC_SELECT, index);
  write32(ioapic + IOAPIC_WINDOW, value);
}

/*
 * All lines lead to one vector and are taken as edges, also those that are
 * levels. So nothing has to be known about which device is on which line (it
 * differs by machine and by option), and a device nobody drives cannot storm.
 * It is safe because the main loop acknowledges all devices until none has
 * anything to say, before it halts: then every line is down, and what comes
 * next is an edge.
 */
void interrupts_open_lines(const struct acpi *acpi)
{
  for (unsigned i = 0; i < acpi->ioapic_count; i++) {
    uintptr_t ioapic = acpi->ioapics[i].address;
    uint32_t last = ioapic_read(ioapic, IOAPIC_VERSION) >> 16 & 0xff;
    for (uint32_t line = 0; line <= last; line++) {
      uint32_t number = acpi->ioapics[i].first_line + line;
      bool is_timer = number == PIT_LINE || number == PIT_LINE_OVERRIDDEN || number == RTC_LINE;
      uint8_t entry = (uint8_t)(IOAPIC_FIRST_LINE + 2 * line);
      ioapic_write(ioapic, entry, IOAPIC_MASKED);
      ioapic_write(ioapic, entry + 1, lapic_id() << 24);
      if (!is_timer)
        ioapic_write(ioapic, entry, DEVICE_VECTOR);
    }
  }
}

void on_exception(uint32_t vector, uint32_t error, uint32_t address)
{
  print("hello: CPU exception %u (error %x) at %x", vector, error, address);
  power_end(EXIT_CRASHED);
}
