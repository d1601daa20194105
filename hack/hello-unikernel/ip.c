#include "dhcp.h"
#include "network.h"
#include "tcp.h"
#include "text.h"

enum {
  VERSION_4 = 4,
  MORE_FRAGMENTS_OR_OFFSET = 0x3fff,
  DO_NOT_FRAGMENT = 0x4000,
  TIME_TO_LIVE = 64,
};

struct __attribute__((packed)) header {
  uint8_t version_and_length, service;
  uint16_t total_length, id, fragment;
  uint8_t time_to_live, protocol;
  uint16_t checksum;
  uint32_t from, to;
};

uint32_t checksum_add(uint32_t sum, const void *data, size_t length)
{
  const uint8_t *byte = data;
  for (; length >= 2; length -= 2, byte += 2) {
    uint16_t word;
    memcpy(&word, byte, 2);
    sum += word;
  }
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

uint32_t checksum_pseudo_header(uint32_t from, uint32_t to, uint8_t protocol, size_t length)
{
  uint32_t words[3] = {be32(from), be32(to), be32((uint32_t)protocol << 16 | (uint32_t)length)};
  return checksum_add(0, words, sizeof words);
}

void ip_receive(const uint8_t *payload, size_t length)
{
  const struct header *header = (const struct header *)payload;
  if (length < sizeof *header || header->version_and_length >> 4 != VERSION_4)
    return;
  size_t header_length = (header->version_and_length & 0xf) * 4u;
  size_t total_length = be16(header->total_length);
  if (header_length < sizeof *header || total_length < header_length || total_length > length)
    return;
  if (checksum_finish(checksum_add(0, payload, header_length)) != 0)
    return;
  /* Fragments are not put together: nothing that talks to us needs them. */
  if ((be16(header->fragment) & MORE_FRAGMENTS_OR_OFFSET) != 0)
    return;

  struct packet packet = {
    .from = be32(header->from),
    .to = be32(header->to),
    .protocol = header->protocol,
    .payload = payload + header_length,
    .length = total_length - header_length,
  };
  /* Answers of a DHCP server come before we have an address. */
  if (packet.protocol == PROTOCOL_UDP) {
    dhcp_receive(&packet);
    return;
  }
  /* No answers to broadcasts, nor to senders that cannot be one machine (0/8, 127/8, multicast and above). */
  uint32_t first = packet.from >> 24;
  if (network.address == 0 || packet.to != network.address || packet.from == network.address || first == 0 || first == 127 ||
      first >= 224 || packet.from == (network.address | ~network.mask))
    return;
  if (packet.protocol == PROTOCOL_ICMP)
    icmp_receive(&packet);
  else if (packet.protocol == PROTOCOL_TCP)
    tcp_receive(&packet);
}

void ip_send(struct frame *frame, uint32_t to, uint8_t protocol, size_t length)
{
  static uint16_t id;
  struct header *header = (struct header *)(frame->data + ETHERNET_HEADER);
  size_t total_length = sizeof *header + length;
  *header = (struct header){
    .version_and_length = VERSION_4 << 4 | sizeof *header / 4,
    .total_length = be16((uint16_t)total_length),
    .id = be16(id++),
    .fragment = be16(DO_NOT_FRAGMENT),
    .time_to_live = TIME_TO_LIVE,
    .protocol = protocol,
    .from = be32(network.address),
    .to = be32(to),
  };
  header->checksum = checksum_finish(checksum_add(0, header, sizeof *header));

  bool is_near = to == BROADCAST || ((to ^ network.address) & network.mask) == 0;
  if (!is_near && network.gateway == 0)
    card_drop(frame); /* no way there */
  else
    arp_send_to(frame, is_near ? to : network.gateway, total_length);
}
