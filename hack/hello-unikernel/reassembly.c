#include "reassembly.h"

#include "memory.h"
#include "text.h"

enum {
  BUFFERS = 16,
  SIZE = 64 * 1024, /* a power of two: a byte's place follows from its sequence number */
  RANGES = 16,
};

struct reassembly {
  bool is_taken;
  uint8_t *bytes; /* made when it is first taken */
  unsigned count;
  /* What is there: in order, and with gaps between. */
  struct range {
    uint32_t from, to;
  } ranges[RANGES];
};

static struct reassembly buffers[BUFFERS];

static bool before(uint32_t a, uint32_t b) { return (int32_t)(a - b) < 0; }

struct reassembly *reassembly_take(void)
{
  for (unsigned i = 0; i < BUFFERS; i++) {
    struct reassembly *buffer = &buffers[i];
    if (buffer->is_taken)
      continue;
    if (buffer->bytes == NULL)
      buffer->bytes = memory_take(SIZE);
    if (buffer->bytes == NULL)
      return NULL;
    buffer->is_taken = true;
    buffer->count = 0;
    return buffer;
  }
  return NULL;
}

void reassembly_give_back(struct reassembly *reassembly) { reassembly->is_taken = false; }

/* Puts the range among the others, joined with those it touches. False if there is no place for one more. */
static bool add_range(struct reassembly *reassembly, struct range added)
{
  struct range *ranges = reassembly->ranges;
  unsigned first = 0;
  while (first < reassembly->count && before(ranges[first].to, added.from))
    first++;
  unsigned last = first; /* behind those that it joins */
  while (last < reassembly->count && !before(added.to, ranges[last].from)) {
    if (before(ranges[last].from, added.from))
      added.from = ranges[last].from;
    if (before(added.to, ranges[last].to))
      added.to = ranges[last].to;
    last++;
  }
  unsigned count = reassembly->count - (last - first) + 1;
  if (count > RANGES)
    return false;
  memmove(ranges + first + 1, ranges + last, (reassembly->count - last) * sizeof *ranges);
  ranges[first] = added;
  reassembly->count = count;
  return true;
}

void reassembly_put(struct reassembly *reassembly, uint32_t sequence, const uint8_t *data, size_t length)
{
  if (length == 0 || length > SIZE || !add_range(reassembly, (struct range){sequence, sequence + (uint32_t)length}))
    return;
  size_t place = sequence % SIZE;
  size_t part = length < SIZE - place ? length : SIZE - place;
  memcpy(reassembly->bytes + place, data, part);
  memcpy(reassembly->bytes, data + part, length - part);
}

size_t reassembly_get(struct reassembly *reassembly, uint32_t sequence, const uint8_t **data)
{
  struct range *ranges = reassembly->ranges;
  unsigned passed = 0;
  while (passed < reassembly->count && !before(sequence, ranges[passed].to))
    passed++;
  reassembly->count -= passed;
  memmove(ranges, ranges + passed, reassembly->count * sizeof *ranges);
  if (reassembly->count == 0 || before(sequence, ranges[0].from))
    return 0;
  size_t place = sequence % SIZE, length = ranges[0].to - sequence;
  *data = reassembly->bytes + place;
  return length < SIZE - place ? length : SIZE - place;
}
