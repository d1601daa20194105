#include "neighbours.h"
#include "text.h"

enum {
  HARDWARE_ETHERNET = 1,
  REQUEST = 1,
  REPLY = 2,
};

struct __attribute__((packed)) message {
  uint16_t hardware, protocol;
  uint8_t hardware_length, protocol_length;
  uint16_t operation;
  uint8_t from_mac[MAC_LENGTH];
  uint32_t from;
  uint8_t to_mac[MAC_LENGTH];
  uint32_t to;
};

static void send(struct interface *interface, uint16_t operation, const uint8_t *to_mac, uint32_t to)
{
  struct frame *frame = network_frame(interface);
  if (frame == NULL)
    return;
  struct message *message = (struct message *)(frame->data + ETHERNET_HEADER);
  *message = (struct message){
    .hardware = be16(HARDWARE_ETHERNET),
    .protocol = be16(TYPE_IPV4),
    .hardware_length = MAC_LENGTH,
    .protocol_length = 4,
    .operation = be16(operation),
    .from = be32(interface->ipv4.address),
    .to = be32(to),
  };
  memcpy(message->from_mac, interface->card.mac, MAC_LENGTH);
  if (operation == REPLY)
    memcpy(message->to_mac, to_mac, MAC_LENGTH);
  ethernet_send(frame, to_mac, TYPE_ARP, sizeof *message);
}

void arp_ask(struct interface *interface, uint32_t address)
{
  static const uint8_t everyone[MAC_LENGTH] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  send(interface, REQUEST, everyone, address);
}

void arp_receive(struct interface *interface, const uint8_t *payload, size_t length)
{
  const struct message *message = (const struct message *)payload;
  uint32_t ours = interface->ipv4.address;
  if (length < sizeof *message || message->hardware != be16(HARDWARE_ETHERNET) || message->protocol != be16(TYPE_IPV4) ||
      message->hardware_length != MAC_LENGTH || message->protocol_length != 4 || ours == 0)
    return;
  uint32_t from = be32(message->from);
  bool is_for_us = be32(message->to) == ours;
  if (from != 0 && from != ours) {
    struct address address = address_from_ipv4(from);
    neighbours_learn(interface, &address, message->from_mac, is_for_us);
  }
  if (is_for_us && message->operation == be16(REQUEST))
    send(interface, REPLY, message->from_mac, from);
}
