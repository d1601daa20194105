#include "memory.h"

#include <stdint.h>

#include "text.h"

enum { PAGE = 4096 };

/* From linker.ld. */
extern uint8_t kernel_end[];

static uintptr_t next, end;

static uintptr_t round_up(uintptr_t value) { return (value + PAGE - 1) & -(uintptr_t)PAGE; }

/* The piece of RAM that holds our end is ours up to its own: what else is in use is in other pieces, or below us. */
void memory_start(const struct pvh_start_info *start_info)
{
  next = end = round_up((uintptr_t)kernel_end);
  if (start_info->version < 1)
    return;
  const struct pvh_memory *map = (const struct pvh_memory *)(uintptr_t)start_info->memory_map;
  for (uint32_t i = 0; i < start_info->memory_map_entries; i++) {
    uint64_t limit = map[i].start + map[i].size;
    if (map[i].type == PVH_MEMORY_RAM && map[i].start <= next && limit > next)
      end = limit < UINT32_MAX - PAGE ? (uintptr_t)limit & -(uintptr_t)PAGE : UINT32_MAX - PAGE;
  }
}

size_t memory_left(void) { return end - next; }

void *memory_take(size_t size)
{
  if (size > memory_left() || round_up(size) > memory_left())
    return NULL;
  void *taken = (void *)next;
  next += round_up(size);
  return taken;
}
