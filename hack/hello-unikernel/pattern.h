/* Bytes without end that tell where they are: the number k × 0x9e3779b1, in 4 bytes, the lowest first, for k = 0, 1, 2, … */
#pragma once
#include <stddef.h>
#include <stdint.h>

void pattern_write(uint64_t offset, uint8_t *to, size_t length);
