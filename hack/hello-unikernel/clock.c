/*
 * A microvm may have no PIT, no RTC, no HPET and no ACPI timer, and TCG does
 * not say how fast its TSC is. What is always there is the local APIC's timer,
 * which counts nanoseconds exactly, both QEMU's own and KVM's: 1 GHz is the
 * bus clock that they emulate. (On other hypervisors the clock is off by the
 * ratio of their bus clock to 1 GHz.)
 *
 * The timer runs in periods of 100 ms and gives the time within a period. How
 * many periods have gone by is estimated with the TSC, whose rate is measured
 * against the timer: that is right as long as the estimate is good to half a
 * period. So a host that does not run the machine for a while, and lets timer
 * interrupts run together, does not make the clock late.
 */
#include "clock.h"

#include "interrupts.h"
#include "lapic.h"

enum {
  PERIOD_NS = 100 * NS_PER_MS,
  MEASURE_NS = NS_PER_MS / 10,
};

/* One look at both counters. */
struct sample {
  uint64_t tsc;
  uint32_t phase_ns; /* since the period began */
};

static struct sample last;
static uint64_t last_ns;
static uint32_t cycles_per_period;

/* The host may stop the CPU between the two reads: of a few tries, the shortest is good. */
static struct sample look(void)
{
  struct sample best = {0};
  uint32_t best_cycles = UINT32_MAX;
  for (int tries = 0; tries < 3; tries++) {
    uint64_t before = rdtsc();
    uint32_t phase_ns = PERIOD_NS - lapic_read(LAPIC_TIMER_CURRENT);
    uint64_t cycles = rdtsc() - before;
    if (cycles < best_cycles) {
      best_cycles = (uint32_t)cycles;
      best = (struct sample){before, phase_ns};
    }
  }
  return best;
}

void clock_start(void)
{
  lapic_write(LAPIC_TASK_PRIORITY, 0);
  lapic_write(LAPIC_LINT0, LAPIC_MASKED); /* where the old interrupt controller comes in */
  lapic_write(LAPIC_LINT1, LAPIC_MASKED);
  lapic_write(LAPIC_SPURIOUS, LAPIC_ENABLED | SPURIOUS_VECTOR);
  lapic_write(LAPIC_TIMER, LAPIC_PERIODIC | TIMER_VECTOR);
  lapic_write(LAPIC_TIMER_DIVIDE, LAPIC_UNDIVIDED);
  lapic_write(LAPIC_TIMER_INITIAL, PERIOD_NS);

  /* Of a few short measures the lowest: one during which the host let the CPU wait for a period is too high. */
  cycles_per_period = UINT32_MAX;
  struct sample first = look();
  for (int tries = 0; tries < 3; tries++) {
    do {
      last = look();
      if (last.phase_ns < first.phase_ns)
        first = last; /* a period ended in between: nothing can be told from that */
    } while (last.phase_ns - first.phase_ns < MEASURE_NS);
    uint32_t cycles = (uint32_t)divide((last.tsc - first.tsc) * PERIOD_NS, last.phase_ns - first.phase_ns);
    if (cycles < cycles_per_period)
      cycles_per_period = cycles;
    first = last;
  }
  last_ns = last.phase_ns;
}

static uint64_t cycles_to_ns(uint64_t cycles)
{
  uint64_t periods = divide(cycles, cycles_per_period);
  uint32_t rest = (uint32_t)(cycles - periods * cycles_per_period);
  return periods * PERIOD_NS + divide((uint64_t)rest * PERIOD_NS, cycles_per_period);
}

uint64_t clock_ns(void)
{
  struct sample now = look();
  uint64_t cycles = now.tsc - last.tsc;
  int32_t step = (int32_t)(now.phase_ns - last.phase_ns);

  /* The elapsed time is the step plus whole periods: as many as come nearest to what the TSC says. */
  int64_t periods_ns = (int64_t)cycles_to_ns(cycles) - step + PERIOD_NS / 2;
  int64_t elapsed = step;
  if (periods_ns > 0)
    elapsed += (int64_t)divide((uint64_t)periods_ns, PERIOD_NS) * PERIOD_NS;
  if (elapsed <= 0)
    return last_ns;

  if (elapsed > PERIOD_NS / 2 && elapsed < 8ll * PERIOD_NS) {
    uint32_t measured = (uint32_t)divide(cycles * PERIOD_NS, (uint32_t)elapsed);
    cycles_per_period += (int32_t)(measured - cycles_per_period) / 4;
  }
  last = now;
  last_ns += (uint64_t)elapsed;
  return last_ns;
}

static uint64_t total_ms;

void clock_update(void) { total_ms = divide(clock_ns(), NS_PER_MS); }

uint32_t clock_ms(void) { return (uint32_t)total_ms; }

uint32_t clock_seconds(uint32_t *ms)
{
  uint32_t seconds = (uint32_t)divide(total_ms, 1000);
  *ms = (uint32_t)(total_ms - seconds * 1000ull);
  return seconds;
}
