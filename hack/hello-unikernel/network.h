/* Network cards with their addresses, and the way of a packet from the frame that brought it, and into one that takes it. */
#pragma once
#include "address.h"
#include "virtio_net.h"

enum {
  MAX_INTERFACES = 8,
  MAX_IPV6_ADDRESSES = 4, /* the link-local one included */

  PROTOCOL_ICMP = 1,
  PROTOCOL_TCP = 6,
  PROTOCOL_UDP = 17,
  PROTOCOL_ICMP6 = 58,

  TYPE_IPV4 = 0x0800,
  TYPE_ARP = 0x0806,
  TYPE_IPV6 = 0x86dd,

  IPV4_HEADER = 20,
  IPV6_HEADER = 40,
};

static const uint32_t IPV4_BROADCAST = 0xffffffff;

/* One of our IPv6 addresses. */
struct ipv6_address {
  struct address address;
  uint8_t prefix_length;
  bool is_on_link; /* whether the prefix is the network's, whose machines are reached without a router */
  bool is_announced; /* by a router: gone at the second of `until`, unless that is 0 */
  uint32_t until;
};

struct interface {
  struct card card;
  unsigned number; /* from 1 on */
  uint32_t mtu; /* of packets; the card's, or less */

  /* All zero as long as there is none. */
  struct {
    uint32_t address, mask, gateway;
  } ipv4;

  struct ipv6_address ipv6[MAX_IPV6_ADDRESSES]; /* the first one is link-local */
  unsigned ipv6_count;
  struct address ipv6_router; /* none: only neighbours are reached */
  bool ipv6_router_is_announced;
  uint32_t ipv6_router_until;
  bool asks_routers; /* for an address; not if it was given one */
};

extern struct interface interfaces[MAX_INTERFACES];
extern unsigned interface_count;

/* A packet as it came in, its header checked and its payload within the frame. */
struct packet {
  struct interface *interface;
  struct address from, to;
  uint8_t protocol, hop_limit;
  const uint8_t *payload;
  size_t length;
};

/* Takes the address as ours, and tells the neighbours. An address of 0 gives it up. */
void network_set_ipv4(struct interface *interface, uint32_t address, uint32_t mask, uint32_t gateway);
/* False if there is no room for more. */
bool network_add_ipv6(struct interface *interface, const struct ipv6_address *address);
/* Whether it is an address of this interface, which one machine alone can have. */
bool network_is_ours(const struct interface *interface, const struct address *address);
/* Whether the interface has an address that others can use: for IPv6 not the link-local one. */
bool network_has_address(const struct interface *interface, struct address *address);

struct route {
  struct interface *interface;
  struct address from;
};
/* Through which interface, and from which address of ours, a machine is reached. False if there is no way. */
bool network_route(const struct address *to, struct route *route);

/* An empty frame for a packet of the family of the address, and where its payload goes. NULL if there is none just now. */
struct frame *network_frame(struct interface *interface);
uint8_t *network_payload(struct frame *frame, const struct address *to);
/* How long a payload may be. */
size_t network_room(const struct interface *interface, const struct address *to);
/* Sends a frame whose payload is written already, and puts the headers before it. */
void network_send(struct frame *frame, const struct address *from, const struct address *to, uint8_t protocol, size_t length);

/* Whose frame or card it is. */
static inline struct interface *interface_of(struct card *card) { return (struct interface *)card; }

void ethernet_receive(struct card *card, const uint8_t *frame, size_t length);
/* Sends a frame whose payload is written already. */
void ethernet_send(struct frame *frame, const uint8_t *to, uint16_t type, size_t length);

void ipv4_receive(struct interface *interface, const uint8_t *payload, size_t length);
void ipv4_send(struct frame *frame, uint32_t from, uint32_t to, uint8_t protocol, size_t length);
void ipv6_receive(struct interface *interface, const uint8_t *payload, size_t length);
void ipv6_send(struct frame *frame, const struct address *from, const struct address *to, uint8_t protocol, size_t length);

void icmp_receive(const struct packet *packet);
void icmp6_receive(const struct packet *packet);
/* Puts in the checksum, and sends. */
void icmp6_send(struct frame *frame, const struct address *from, const struct address *to, size_t length);

void arp_receive(struct interface *interface, const uint8_t *payload, size_t length);
/* Asks who has the address; with our own address it is an announcement. */
void arp_ask(struct interface *interface, uint32_t address);
