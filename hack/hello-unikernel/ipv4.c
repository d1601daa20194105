#include "checksum.h"
#include "neighbours.h"
#include "tcp.h"
#include "text.h"
#include "udp.h"

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
_Static_assert(sizeof(struct header) == IPV4_HEADER, "without options");

/* The broadcast address of the interface's own network. A network of one or two machines has none. */
static bool is_network_broadcast(const struct interface *interface, uint32_t address)
{
  uint32_t host_bits = ~interface->ipv4.mask;
  return host_bits > 1 && address == (interface->ipv4.address | host_bits);
}

void ipv4_receive(struct interface *interface, const uint8_t *payload, size_t length)
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

  uint32_t from = be32(header->from), to = be32(header->to), ours = interface->ipv4.address;
  struct packet packet = {
    .interface = interface,
    .from = address_from_ipv4(from),
    .to = address_from_ipv4(to),
    .protocol = header->protocol,
    .hop_limit = header->time_to_live,
    .payload = payload + header_length,
    .length = total_length - header_length,
  };
  /* No answers to broadcasts, nor to senders that cannot be one machine (0/8, 127/8, multicast and above). */
  uint32_t first = from >> 24;
  bool is_for_us = ours != 0 && to == ours && from != ours && first != 0 && first != 127 && first < 224 &&
    !is_network_broadcast(interface, from);
  /* But answers of a DHCP server come before we have an address. */
  if (packet.protocol == PROTOCOL_UDP)
    udp_receive(&packet, is_for_us);
  else if (packet.protocol == PROTOCOL_ICMP && is_for_us)
    icmp_receive(&packet);
  else if (packet.protocol == PROTOCOL_TCP && is_for_us)
    tcp_receive(&packet);
}

void ipv4_send(struct frame *frame, uint32_t from, uint32_t to, uint8_t protocol, size_t length)
{
  static const uint8_t everyone[MAC_LENGTH] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  static uint16_t id;
  const struct interface *interface = interface_of(frame->card);
  struct header *header = (struct header *)(frame->data + ETHERNET_HEADER);
  size_t total_length = sizeof *header + length;
  *header = (struct header){
    .version_and_length = VERSION_4 << 4 | sizeof *header / 4,
    .total_length = be16((uint16_t)total_length),
    .id = be16(id++),
    .fragment = be16(DO_NOT_FRAGMENT),
    .time_to_live = TIME_TO_LIVE,
    .protocol = protocol,
    .from = be32(from),
    .to = be32(to),
  };
  header->checksum = checksum_finish(checksum_add(0, header, sizeof *header));

  if (to == IPV4_BROADCAST || is_network_broadcast(interface, to)) {
    ethernet_send(frame, everyone, TYPE_IPV4, total_length);
    return;
  }
  bool is_near = ((to ^ interface->ipv4.address) & interface->ipv4.mask) == 0;
  if (!is_near && interface->ipv4.gateway == 0) {
    card_drop(frame); /* no way there */
    return;
  }
  struct address next = address_from_ipv4(is_near ? to : interface->ipv4.gateway);
  neighbours_send_to(frame, &next, total_length);
}
