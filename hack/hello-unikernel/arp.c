#include "clock.h"
#include "network.h"
#include "text.h"

enum {
  HARDWARE_ETHERNET = 1,
  PROTOCOL_IPV4 = 0x0800,
  REQUEST = 1,
  REPLY = 2,

  NEIGHBOURS = 32,
  /* Asked again after this long without a word from the neighbour. */
  FRESH_MS = 60 * 1000,
  ASK_AGAIN_MS = 1000,
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

static const uint8_t everyone[MAC_LENGTH] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static struct neighbour {
  uint32_t address; /* 0: free */
  uint8_t mac[MAC_LENGTH];
  bool is_known;
  uint32_t heard_ms, asked_ms, used_ms;
  struct frame *waiting; /* the latest packet to him, while he is not known */
  size_t waiting_length;
} neighbours[NEIGHBOURS];

static struct neighbour *find(uint32_t address)
{
  for (unsigned i = 0; i < NEIGHBOURS; i++)
    if (neighbours[i].address == address)
      return &neighbours[i];
  return NULL;
}

/* The entry for the address, in place of the one that was not used for the longest time if it is new. */
static struct neighbour *find_or_make(uint32_t address)
{
  uint32_t now = clock_ms();
  struct neighbour *found = find(address);
  if (found == NULL) {
    found = &neighbours[0];
    for (unsigned i = 1; i < NEIGHBOURS && found->address != 0; i++)
      if (neighbours[i].address == 0 || now - neighbours[i].used_ms > now - found->used_ms)
        found = &neighbours[i];
    if (found->waiting != NULL)
      card_drop(found->waiting);
    *found = (struct neighbour){.address = address, .asked_ms = now - ASK_AGAIN_MS};
  }
  found->used_ms = now;
  return found;
}

static void send(uint16_t operation, const uint8_t *to_mac, uint32_t to)
{
  struct frame *frame = card_frame();
  if (frame == NULL)
    return;
  struct message *message = (struct message *)(frame->data + ETHERNET_HEADER);
  *message = (struct message){
    .hardware = be16(HARDWARE_ETHERNET),
    .protocol = be16(PROTOCOL_IPV4),
    .hardware_length = MAC_LENGTH,
    .protocol_length = 4,
    .operation = be16(operation),
    .from = be32(network.address),
    .to = be32(to),
  };
  memcpy(message->from_mac, card_mac(), MAC_LENGTH);
  if (operation == REPLY)
    memcpy(message->to_mac, to_mac, MAC_LENGTH);
  ethernet_send(frame, to_mac, 0x0806, sizeof *message);
}

void arp_ask(uint32_t address) { send(REQUEST, everyone, address); }

static void learn(struct neighbour *neighbour, const uint8_t *mac)
{
  memcpy(neighbour->mac, mac, MAC_LENGTH);
  neighbour->is_known = true;
  neighbour->heard_ms = clock_ms();
  if (neighbour->waiting == NULL)
    return;
  struct frame *frame = neighbour->waiting;
  neighbour->waiting = NULL;
  ethernet_send(frame, neighbour->mac, 0x0800, neighbour->waiting_length);
}

void arp_receive(const uint8_t *payload, size_t length)
{
  const struct message *message = (const struct message *)payload;
  if (length < sizeof *message || message->hardware != be16(HARDWARE_ETHERNET) || message->protocol != be16(PROTOCOL_IPV4) ||
      message->hardware_length != MAC_LENGTH || message->protocol_length != 4 || network.address == 0)
    return;
  uint32_t from = be32(message->from), to = be32(message->to);
  bool is_for_us = to == network.address;

  /* News of whom we know already counts, whoever it is for; a new neighbour only if he wants something of us. */
  if (from != 0 && from != network.address && (message->from_mac[0] & 1) == 0) {
    struct neighbour *neighbour = is_for_us ? find_or_make(from) : find(from);
    if (neighbour != NULL)
      learn(neighbour, message->from_mac);
  }
  if (is_for_us && message->operation == be16(REQUEST))
    send(REPLY, message->from_mac, from);
}

void arp_send_to(struct frame *frame, uint32_t address, size_t length)
{
  if (address == BROADCAST || address == (network.address | ~network.mask)) {
    ethernet_send(frame, everyone, 0x0800, length);
    return;
  }

  uint32_t now = clock_ms();
  struct neighbour *neighbour = find_or_make(address);
  if ((!neighbour->is_known || now - neighbour->heard_ms >= FRESH_MS) && now - neighbour->asked_ms >= ASK_AGAIN_MS) {
    neighbour->asked_ms = now;
    arp_ask(address);
  }
  if (neighbour->is_known) {
    ethernet_send(frame, neighbour->mac, 0x0800, length);
    return;
  }
  if (neighbour->waiting != NULL)
    card_drop(neighbour->waiting);
  neighbour->waiting = frame;
  neighbour->waiting_length = length;
}
