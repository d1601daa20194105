#include "address.h"

#include "text.h"

enum { GROUPS = 8 };

bool address_is_usable_ipv6(const struct address *a)
{
  bool is_low = (a->words[0] | a->words[1]) == 0 && (a->words[2] == 0 || a->words[2] == be32(0xffff));
  return !is_low && !address_is_multicast(a);
}

bool address_in_prefix(const struct address *a, const struct address *prefix, unsigned length)
{
  for (unsigned i = 0; i < 4 && length > 0; i++) {
    unsigned bits = length < 32 ? length : 32;
    if ((be32(a->words[i] ^ prefix->words[i]) >> (32 - bits)) != 0)
      return false;
    length -= bits;
  }
  return true;
}

bool parse_ipv6(struct slice text, struct address *address)
{
  uint16_t groups[GROUPS] = {0};
  unsigned count = 0;
  int gap = -1; /* the group before which "::" stands for zeros */

  if (text.length >= 2 && text.at[0] == ':' && text.at[1] == ':') {
    gap = 0;
    text.at += 2;
    text.length -= 2;
  } else if (text.length == 0) {
    return false;
  }
  while (text.length > 0) {
    size_t before = text.length;
    struct slice piece = slice_cut(&text, ':');
    bool has_colon = piece.length != before;
    if (piece.length == 0) { /* the second colon of "::" */
      if (gap >= 0 || count == 0)
        return false;
      gap = (int)count;
      continue;
    }
    if (count >= GROUPS)
      return false;
    uint32_t ipv4;
    if (!has_colon && count <= GROUPS - 2 && parse_ipv4(piece, &ipv4)) {
      groups[count++] = (uint16_t)(ipv4 >> 16);
      groups[count++] = (uint16_t)ipv4;
      break;
    }
    uint32_t group;
    if (piece.length > 4 || !parse_hex(piece, &group))
      return false;
    groups[count++] = (uint16_t)group;
    if (has_colon && text.length == 0)
      return false; /* a single colon at the end */
  }
  if (gap < 0 ? count != GROUPS : count >= GROUPS)
    return false;

  uint16_t whole[GROUPS] = {0};
  unsigned head = gap < 0 ? count : (unsigned)gap;
  for (unsigned i = 0; i < head; i++)
    whole[i] = groups[i];
  for (unsigned i = head; i < count; i++)
    whole[GROUPS - count + i] = groups[i];
  for (unsigned i = 0; i < 4; i++)
    address->words[i] = be32((uint32_t)whole[2 * i] << 16 | whole[2 * i + 1]);
  return true;
}

bool parse_address(struct slice text, struct address *address)
{
  uint32_t ipv4;
  if (!parse_ipv4(text, &ipv4))
    return parse_ipv6(text, address);
  *address = address_from_ipv4(ipv4);
  return true;
}

void address_write(char text[ADDRESS_TEXT], const struct address *address)
{
  if (address_is_ipv4(address)) {
    format(text, ADDRESS_TEXT, "%i", address_ipv4(address));
    return;
  }
  uint32_t groups[GROUPS];
  for (unsigned i = 0; i < GROUPS; i++)
    groups[i] = be32(address->words[i / 2]) >> (i % 2 == 0 ? 16 : 0) & 0xffff;

  /* The first of the longest runs of two zeros or more becomes "::". */
  unsigned gap = GROUPS, gap_length = 1;
  for (unsigned i = 0; i < GROUPS; i++) {
    unsigned length = 0;
    while (i + length < GROUPS && groups[i + length] == 0)
      length++;
    if (length > gap_length) {
      gap = i;
      gap_length = length;
    }
  }
  size_t at = 0;
  for (unsigned i = 0; i < GROUPS; i++) {
    if (i == gap) {
      at += format(text + at, ADDRESS_TEXT - at, "::");
      i += gap_length - 1;
      continue;
    }
    bool needs_colon = i > 0 && i != gap + gap_length;
    at += format(text + at, ADDRESS_TEXT - at, needs_colon ? ":%x" : "%x", groups[i]);
  }
}
