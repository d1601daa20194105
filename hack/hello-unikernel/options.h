/* The words of the command line that this program knows. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "network.h"
#include "text.h"

enum { MAX_COMMAND_LINE = 4095, MAX_NAME_SERVERS = 4 };

/* What is said about one network card. */
struct card_options {
  bool is_named; /* by any word */
  bool has_mac;
  uint8_t mac[MAC_LENGTH];
  bool wants_dhcp;
  uint32_t address, mask, gateway; /* of IPv4; 0: none */
  struct address ipv6, ipv6_gateway;
  uint8_t ipv6_prefix_length;
  bool asks_routers; /* for an IPv6 address */
  uint32_t mtu; /* 0: what the device says, or the usual */
};

struct options {
  char name[64];
  struct card_options cards[MAX_INTERFACES];
  struct address name_servers[MAX_NAME_SERVERS];
  unsigned name_server_count;
  uint16_t port, udp_port; /* UDP only if that is not 0 */
  struct slice url; /* to get at the start; empty: none */
  bool ends; /* as soon as it is ready, and has got the URL */
  uint8_t end_status;
};

/* Prints what is wrong, and returns false, when a word that it knows has a bad value. */
bool options_read(struct options *options, const char *command_line);
