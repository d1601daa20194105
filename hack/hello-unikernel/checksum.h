/* The Internet checksum (RFC 1071), and CRC-32. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "address.h"

/* Add the parts (each but the last of even length), then finish. As it belongs in the packet. */
uint32_t checksum_add(uint32_t sum, const void *data, size_t length);
uint16_t checksum_finish(uint32_t sum);
/* The sum of what TCP, UDP and ICMPv6 count in from the IP header. */
uint32_t checksum_pseudo_header(const struct address *from, const struct address *to, uint8_t protocol, size_t length);

/* As in zip files and zlib's crc32(): begin with 0, and go on with what came out. */
uint32_t crc32_add(uint32_t crc, const uint8_t *data, size_t length);
