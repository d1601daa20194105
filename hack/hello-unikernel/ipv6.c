/* RFC 8200. No fragments, and of the extension headers those that may be skipped. */
#include "checksum.h"
#include "ndp.h"
#include "neighbours.h"
#include "tcp.h"
#include "text.h"
#include "udp.h"

enum {
  VERSION_6 = 6,
  HOP_LIMIT = 64,

  HOP_BY_HOP = 0,
  DESTINATION_OPTIONS = 60,
};

struct __attribute__((packed)) header {
  uint32_t version_class_flow;
  uint16_t length;
  uint8_t next, hop_limit;
  struct address from, to;
};
_Static_assert(sizeof(struct header) == IPV6_HEADER, "RFC 8200, section 3");

void ipv6_receive(struct interface *interface, const uint8_t *payload, size_t length)
{
  const struct header *header = (const struct header *)payload;
  if (length < sizeof *header || be32(header->version_class_flow) >> 28 != VERSION_6)
    return;
  size_t payload_length = be16(header->length);
  if (payload_length > length - sizeof *header)
    return;
  struct packet packet = {
    .interface = interface,
    .from = header->from,
    .to = header->to,
    .protocol = header->next,
    .hop_limit = header->hop_limit,
    .payload = payload + sizeof *header,
    .length = payload_length,
  };
  /* Whoever has no address yet may ask whether another has it; no other sender but a machine counts. */
  bool from_one = address_is_usable_ipv6(&packet.from) && !network_is_ours(interface, &packet.from);
  /* passt answers from the link-local address of the container's interface, which the guest has as well, with its MAC address. */
  bool from_namesake = address_is_link_local(&packet.from) && network_is_ours(interface, &packet.from);
  if (!from_one && !from_namesake && !address_is_none(&packet.from))
    return;
  bool is_for_us = network_is_ours(interface, &packet.to);
  if (!is_for_us && !ndp_is_our_group(interface, &packet.to))
    return;

  while (packet.protocol == HOP_BY_HOP || packet.protocol == DESTINATION_OPTIONS) {
    if (packet.length < 8)
      return;
    size_t extension = (packet.payload[1] + 1u) * 8;
    if (extension > packet.length)
      return;
    packet.protocol = packet.payload[0];
    packet.payload += extension;
    packet.length -= extension;
  }
  if (packet.protocol == PROTOCOL_ICMP6)
    icmp6_receive(&packet);
  else if (packet.protocol == PROTOCOL_TCP && is_for_us && from_one)
    tcp_receive(&packet);
  else if (packet.protocol == PROTOCOL_UDP && is_for_us && from_one)
    udp_receive(&packet, true);
}

static bool is_near(const struct interface *interface, const struct address *to)
{
  if (address_is_link_local(to))
    return true;
  for (unsigned i = 1; i < interface->ipv6_count; i++) {
    const struct ipv6_address *ours = &interface->ipv6[i];
    if (ours->is_on_link && address_in_prefix(to, &ours->address, ours->prefix_length))
      return true;
  }
  return false;
}

void ipv6_send(struct frame *frame, const struct address *from, const struct address *to, uint8_t protocol, size_t length)
{
  const struct interface *interface = interface_of(frame->card);
  struct header *header = (struct header *)(frame->data + ETHERNET_HEADER);
  *header = (struct header){
    .version_class_flow = be32((uint32_t)VERSION_6 << 28),
    .length = be16((uint16_t)length),
    .next = protocol,
    .hop_limit = protocol == PROTOCOL_ICMP6 ? NDP_HOP_LIMIT : HOP_LIMIT,
    .from = *from,
    .to = *to,
  };
  size_t total_length = sizeof *header + length;
  if (address_is_multicast(to)) {
    uint8_t group[MAC_LENGTH] = {0x33, 0x33};
    memcpy(group + 2, &to->words[3], 4);
    ethernet_send(frame, group, TYPE_IPV6, total_length);
  } else if (is_near(interface, to)) {
    neighbours_send_to(frame, to, total_length);
  } else if (!address_is_none(&interface->ipv6_router)) {
    neighbours_send_to(frame, &interface->ipv6_router, total_length);
  } else {
    card_drop(frame); /* no way there */
  }
}
