/* The start info that a PVH loader leaves; its address comes in ebx. */
#pragma once
#include <stdint.h>

enum { PVH_MAGIC = 0x336ec578 };

struct pvh_start_info {
  uint32_t magic, version, flags, module_count;
  uint64_t modules, command_line, rsdp;
  /* From version 1 on. */
  uint64_t memory_map;
  uint32_t memory_map_entries;
};

enum { PVH_MEMORY_RAM = 1 };

struct pvh_memory {
  uint64_t start, size;
  uint32_t type, reserved;
};
