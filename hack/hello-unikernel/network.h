/* Ethernet, ARP and IPv4: our address, and how packets come in and go out. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "virtio_net.h"

/* IPv4 addresses are numbers whose highest byte is the first; all zero as long as there is none. */
extern struct network {
  uint32_t address, mask, gateway;
} network;

static const uint32_t BROADCAST = 0xffffffff;

enum {
  IP_HEADER = 20,
  PROTOCOL_ICMP = 1,
  PROTOCOL_TCP = 6,
  PROTOCOL_UDP = 17,
};

/* An IPv4 packet as it came in, its header checked and its payload within the frame. */
struct packet {
  uint32_t from, to;
  uint8_t protocol;
  const uint8_t *payload;
  size_t length;
};

static inline uint16_t be16(uint16_t value) { return __builtin_bswap16(value); }
static inline uint32_t be32(uint32_t value) { return __builtin_bswap32(value); }

/* Takes the address as ours, and tells the neighbours. An address of 0 gives it up. */
void network_set(uint32_t address, uint32_t mask, uint32_t gateway);

/* For card_poll. */
void ethernet_receive(const uint8_t *frame, size_t length);
/* Sends a frame whose payload is written already. */
void ethernet_send(struct frame *frame, const uint8_t *to, uint16_t type, size_t length);

void arp_receive(const uint8_t *payload, size_t length);
/* Asks who has the address; with our own address it is an announcement. */
void arp_ask(uint32_t address);
/* Sends an IPv4 packet to a neighbour, at once or when he answers who he is. */
void arp_send_to(struct frame *frame, uint32_t neighbour, size_t length);

void ip_receive(const uint8_t *payload, size_t length);
/* Where an IPv4 packet's payload goes in a frame. */
static inline uint8_t *ip_payload(struct frame *frame) { return frame->data + ETHERNET_HEADER + IP_HEADER; }
/* Sends a frame whose payload is written already, and puts the header before it. */
void ip_send(struct frame *frame, uint32_t to, uint8_t protocol, size_t length);

/* Internet checksum: add the parts (each but the last of even length), then finish. As it belongs in the packet. */
uint32_t checksum_add(uint32_t sum, const void *data, size_t length);
uint16_t checksum_finish(uint32_t sum);
/* The sum of what TCP and UDP count in from the IP header. */
uint32_t checksum_pseudo_header(uint32_t from, uint32_t to, uint8_t protocol, size_t length);

void icmp_receive(const struct packet *packet);
