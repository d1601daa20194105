/* Addresses of both families in one form: IPv6, or IPv4 mapped into it (::ffff:10.0.0.2). */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct slice;

/* In network byte order. All zero: none. Packed, since packets have it anywhere. */
struct __attribute__((packed)) address {
  uint32_t words[4];
};

static inline uint16_t be16(uint16_t value) { return __builtin_bswap16(value); }
static inline uint32_t be32(uint32_t value) { return __builtin_bswap32(value); }

static inline bool address_equals(const struct address *a, const struct address *b)
{
  return a->words[3] == b->words[3] && a->words[2] == b->words[2] && a->words[1] == b->words[1] && a->words[0] == b->words[0];
}

static inline bool address_is_none(const struct address *a) { return (a->words[0] | a->words[1] | a->words[2] | a->words[3]) == 0; }

static inline bool address_is_ipv4(const struct address *a)
{
  return (a->words[0] | a->words[1]) == 0 && a->words[2] == be32(0xffff);
}

/* IPv4 addresses by themselves are numbers whose highest byte is the first. */
static inline struct address address_from_ipv4(uint32_t ipv4) { return (struct address){{0, 0, be32(0xffff), be32(ipv4)}}; }
static inline uint32_t address_ipv4(const struct address *a) { return be32(a->words[3]); }

/* Of IPv6. */
static inline bool address_is_multicast(const struct address *a) { return (be32(a->words[0]) >> 24) == 0xff; }
static inline bool address_is_link_local(const struct address *a) { return (be32(a->words[0]) >> 22) == 0xfe80 >> 6; }
/* Whether a machine on a wire can have it: not none, ::1, multicast, or something mapped. */
bool address_is_usable_ipv6(const struct address *a);
/* Whether the first bits are the same. */
bool address_in_prefix(const struct address *a, const struct address *prefix, unsigned length);

/* A dotted quad, or what RFC 4291, 2.2, has, without a zone. */
bool parse_address(struct slice text, struct address *address);
bool parse_ipv6(struct slice text, struct address *address);

enum { ADDRESS_TEXT = 40 };
/* As RFC 5952 writes it, with a zero byte at the end. */
void address_write(char text[ADDRESS_TEXT], const struct address *address);
