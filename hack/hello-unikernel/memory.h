/* The memory behind the kernel, for buffers whose number or size is not known before. */
#pragma once
#include <stddef.h>

#include "pvh.h"

void memory_start(const struct pvh_start_info *start_info);
/* Whole pages, for good. NULL if there is not so much left. They hold whatever they held. */
void *memory_take(size_t size);
size_t memory_left(void);
