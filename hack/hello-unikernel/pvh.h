/* The start info that a PVH loader leaves; its address comes in ebx. */
#pragma once
#include <stdint.h>

enum { PVH_MAGIC = 0x336ec578 };

struct pvh_start_info {
  uint32_t magic, version, flags, module_count;
  uint64_t modules, command_line, rsdp;
};
