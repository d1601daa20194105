/* The local APIC of the CPU, at its usual place. */
#pragma once
#include "cpu.h"

enum {
  LAPIC_BASE = 0xfee00000,
  LAPIC_ID = 0x020,
  LAPIC_TASK_PRIORITY = 0x080,
  LAPIC_SPURIOUS = 0x0f0,
  LAPIC_TIMER = 0x320,
  LAPIC_LINT0 = 0x350,
  LAPIC_LINT1 = 0x360,
  LAPIC_TIMER_INITIAL = 0x380,
  LAPIC_TIMER_CURRENT = 0x390,
  LAPIC_TIMER_DIVIDE = 0x3e0,

  LAPIC_ENABLED = 1 << 8,
  LAPIC_MASKED = 1 << 16,
  LAPIC_PERIODIC = 1 << 17,
  LAPIC_UNDIVIDED = 0xb,
};

static inline uint32_t lapic_read(uint32_t reg) { return read32(LAPIC_BASE + reg); }
static inline void lapic_write(uint32_t reg, uint32_t value) { write32(LAPIC_BASE + reg, value); }
static inline uint32_t lapic_id(void) { return lapic_read(LAPIC_ID) >> 24; }
