#include "pattern.h"

static const uint32_t STEP = 0x9e3779b1;

void pattern_write(uint64_t offset, uint8_t *to, size_t length)
{
  uint32_t number = (uint32_t)(offset >> 2) * STEP;
  unsigned place = (unsigned)offset % 4;
  for (; length > 0 && place > 0; length--, place = (place + 1) % 4) {
    *to++ = (uint8_t)(number >> 8 * place);
    if (place == 3)
      number += STEP;
  }
  for (; length >= 4; length -= 4, to += 4, number += STEP)
    __builtin_memcpy(to, &number, 4);
  for (; length > 0; length--, number >>= 8)
    *to++ = (uint8_t)number;
}
