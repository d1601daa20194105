/* UDP: who gets what comes in, and how datagrams go out. And an echo, for tests of a network. */
#pragma once
#include "network.h"

struct datagram {
  struct interface *interface;
  struct address from, to;
  uint16_t from_port, to_port;
  const uint8_t *data;
  size_t length;
};

/* Sends back what comes to the port. */
void udp_start_echo(uint16_t port);
/* A packet that need not be for us: DHCP gets its answers before we have an address. */
void udp_receive(const struct packet *packet, bool is_for_us);

/* Where a datagram's data goes in a frame. */
uint8_t *udp_data(struct frame *frame, const struct address *to);
/* How much data there may be. */
size_t udp_room(const struct interface *interface, const struct address *to);
/* Sends a frame whose data is written already, and puts the headers before it. */
void udp_send(struct frame *frame, const struct address *from, uint16_t from_port, const struct address *to, uint16_t to_port,
  size_t length);
