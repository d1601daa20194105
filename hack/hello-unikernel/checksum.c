#include "checksum.h"

#include <stdbool.h>

#include "text.h"

static uint32_t load32(const uint8_t *at)
{
  uint32_t word;
  __builtin_memcpy(&word, at, sizeof word);
  return word;
}

/* No sum of a packet's halves, and none of packets have more than 64 KiB, comes near 32 bits. */
uint32_t checksum_add(uint32_t sum, const void *data, size_t length)
{
  const uint8_t *byte = data;
  for (; length >= 16; length -= 16, byte += 16) {
    uint32_t a = load32(byte), b = load32(byte + 4), c = load32(byte + 8), d = load32(byte + 12);
    sum += (a & 0xffff) + (b & 0xffff) + (c & 0xffff) + (d & 0xffff);
    sum += (a >> 16) + (b >> 16) + (c >> 16) + (d >> 16);
  }
  for (; length >= 2; length -= 2, byte += 2)
    sum += (uint32_t)byte[0] | (uint32_t)byte[1] << 8;
  if (length == 1)
    sum += byte[0];
  return sum;
}

uint16_t checksum_finish(uint32_t sum)
{
  while (sum > 0xffff)
    sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t)~sum;
}

uint32_t checksum_pseudo_header(const struct address *from, const struct address *to, uint8_t protocol, size_t length)
{
  bool is_ipv4 = address_is_ipv4(to);
  uint32_t sum = be16(protocol) + be16((uint16_t)length);
  sum = checksum_add(sum, is_ipv4 ? from->words + 3 : from->words, is_ipv4 ? 4 : 16);
  return checksum_add(sum, is_ipv4 ? to->words + 3 : to->words, is_ipv4 ? 4 : 16);
}

/* tables[n][byte]: what the byte does to the CRC when n more bytes follow it, so that four can be taken at once. */
static uint32_t tables[4][256];

static void make_tables(void)
{
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++)
      crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xedb88320 : 0);
    tables[0][byte] = crc;
  }
  for (unsigned n = 1; n < 4; n++)
    for (uint32_t byte = 0; byte < 256; byte++)
      tables[n][byte] = tables[n - 1][byte] >> 8 ^ tables[0][tables[n - 1][byte] & 0xff];
}

uint32_t crc32_add(uint32_t crc, const uint8_t *data, size_t length)
{
  if (tables[0][1] == 0)
    make_tables();
  crc = ~crc;
  for (; length >= 4; length -= 4, data += 4) {
    crc ^= load32(data);
    crc = tables[3][crc & 0xff] ^ tables[2][crc >> 8 & 0xff] ^ tables[1][crc >> 16 & 0xff] ^ tables[0][crc >> 24];
  }
  for (; length > 0; length--, data++)
    crc = crc >> 8 ^ tables[0][(crc ^ *data) & 0xff];
  return ~crc;
}
