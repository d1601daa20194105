#include "network.h"
#include "text.h"

enum {
  TYPE_IPV4 = 0x0800,
  TYPE_ARP = 0x0806,
};

struct __attribute__((packed)) header {
  uint8_t to[MAC_LENGTH], from[MAC_LENGTH];
  uint16_t type;
};

struct network network;

void network_set(uint32_t address, uint32_t mask, uint32_t gateway)
{
  network = (struct network){address, mask, gateway};
  if (address != 0)
    arp_ask(address);
}

void ethernet_receive(const uint8_t *frame, size_t length)
{
  static const uint8_t everyone[MAC_LENGTH] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  const struct header *header = (const struct header *)frame;
  if (length < sizeof *header)
    return;
  /* A bridge may flood frames that are for others. */
  if (memcmp(header->to, card_mac(), MAC_LENGTH) != 0 && memcmp(header->to, everyone, MAC_LENGTH) != 0)
    return;
  if (header->type == be16(TYPE_ARP))
    arp_receive(frame + sizeof *header, length - sizeof *header);
  else if (header->type == be16(TYPE_IPV4))
    ip_receive(frame + sizeof *header, length - sizeof *header);
}

void ethernet_send(struct frame *frame, const uint8_t *to, uint16_t type, size_t length)
{
  struct header *header = (struct header *)frame->data;
  memcpy(header->to, to, MAC_LENGTH);
  memcpy(header->from, card_mac(), MAC_LENGTH);
  header->type = be16(type);
  card_send(frame, sizeof *header + length);
}
