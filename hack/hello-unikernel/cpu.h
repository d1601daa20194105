/* The instructions that C has no words for. */
#pragma once
#include <stdint.h>

static inline uint8_t inb(uint16_t port)
{
  uint8_t value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

static inline uint16_t inw(uint16_t port)
{
  uint16_t value;
  __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

static inline uint32_t inl(uint16_t port)
{
  uint32_t value;
  __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

static inline void outb(uint16_t port, uint8_t value)
{
  __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void outw(uint16_t port, uint16_t value)
{
  __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void outl(uint16_t port, uint32_t value)
{
  __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

/* Memory-mapped registers: one access of just this width, never merged or left out. */
static inline uint8_t read8(uintptr_t address) { return *(volatile uint8_t *)address; }
static inline uint16_t read16(uintptr_t address) { return *(volatile uint16_t *)address; }
static inline uint32_t read32(uintptr_t address) { return *(volatile uint32_t *)address; }
static inline void write8(uintptr_t address, uint8_t value) { *(volatile uint8_t *)address = value; }
static inline void write16(uintptr_t address, uint16_t value) { *(volatile uint16_t *)address = value; }
static inline void write32(uintptr_t address, uint32_t value) { *(volatile uint32_t *)address = value; }

static inline uint64_t rdtsc(void)
{
  uint64_t value;
  __asm__ volatile("rdtsc" : "=A"(value));
  return value;
}

/* Keeps the compiler and the CPU from moving memory accesses across. */
static inline void memory_barrier(void) { __asm__ volatile("lock; addl $0, (%%esp)" : : : "memory", "cc"); }
/* x86 keeps loads and stores in order among themselves; only the compiler must be told. */
static inline void compiler_barrier(void) { __asm__ volatile("" : : : "memory"); }

/*
 * 64-bit division by a 32-bit number, in two steps of the CPU's own: the
 * compiler's is a call into a library that is not there.
 */
static inline uint64_t divide(uint64_t value, uint32_t divisor)
{
  uint32_t high = (uint32_t)(value >> 32), low = (uint32_t)value, quotient_low, remainder = high % divisor;
  __asm__("divl %4" : "=a"(quotient_low), "=d"(remainder) : "0"(low), "1"(remainder), "r"(divisor) : "cc");
  return (uint64_t)(high / divisor) << 32 | quotient_low;
}
