#include "network.h"
#include "text.h"

struct __attribute__((packed)) header {
  uint8_t to[MAC_LENGTH], from[MAC_LENGTH];
  uint16_t type;
};

void ethernet_receive(struct card *card, const uint8_t *frame, size_t length)
{
  static const uint8_t everyone[MAC_LENGTH] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  const struct header *header = (const struct header *)frame;
  if (length < sizeof *header)
    return;
  /* A bridge may flood frames that are for others. Which IPv6 groups are ours is seen by their addresses. */
  bool is_ipv6_group = header->to[0] == 0x33 && header->to[1] == 0x33;
  if (memcmp(header->to, card->mac, MAC_LENGTH) != 0 && memcmp(header->to, everyone, MAC_LENGTH) != 0 && !is_ipv6_group)
    return;
  struct interface *interface = interface_of(card);
  const uint8_t *payload = frame + sizeof *header;
  length -= sizeof *header;
  if (header->type == be16(TYPE_IPV4))
    ipv4_receive(interface, payload, length);
  else if (header->type == be16(TYPE_IPV6))
    ipv6_receive(interface, payload, length);
  else if (header->type == be16(TYPE_ARP))
    arp_receive(interface, payload, length);
}

void ethernet_send(struct frame *frame, const uint8_t *to, uint16_t type, size_t length)
{
  struct header *header = (struct header *)frame->data;
  memcpy(header->to, to, MAC_LENGTH);
  memcpy(header->from, frame->card->mac, MAC_LENGTH);
  header->type = be16(type);
  card_send(frame, sizeof *header + length);
}
