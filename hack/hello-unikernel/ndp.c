/*
 * There is no check whether another machine has the same address: who gives us one has seen to it, and the others are made
 * from the card's own. Nor are redirects followed.
 */
#include "ndp.h"

#include "checksum.h"
#include "clock.h"
#include "dns.h"
#include "neighbours.h"
#include "text.h"

enum {
  ROUTER_SOLICITATION = 133,
  ROUTER_ADVERTISEMENT = 134,
  SOLICITATION = 135,
  ADVERTISEMENT = 136,

  OPTION_SOURCE = 1,
  OPTION_TARGET = 2,
  OPTION_PREFIX = 3,
  OPTION_MTU = 5,
  OPTION_NAME_SERVERS = 25, /* RFC 8106 */

  PREFIX_ON_LINK = 0x80,
  PREFIX_MAKES_ADDRESS = 0x40,
  MIN_IPV6_MTU = 1280,

  SOLICITED = 0x40000000,
  OVERRIDE = 0x20000000,

  ROUTER_TRIES = 3,
  ROUTER_AGAIN_S = 4,
  FOREVER = 0xffffffff,
};

struct __attribute__((packed)) message {
  uint8_t type, code;
  uint16_t checksum;
  uint32_t flags;
  struct address target;
};

struct __attribute__((packed)) link_option {
  uint8_t type, length; /* in units of 8 bytes */
  uint8_t mac[MAC_LENGTH];
};

struct __attribute__((packed)) router_message {
  uint8_t type, code;
  uint16_t checksum;
  uint8_t hop_limit, flags;
  uint16_t lifetime;
  uint32_t reachable_ms, retransmit_ms;
};

struct __attribute__((packed)) prefix_option {
  uint8_t type, length, prefix_length, flags;
  uint32_t valid, preferred, reserved;
  struct address prefix;
};

static struct {
  unsigned tries;
  uint32_t asked_s;
} solicitations[MAX_INTERFACES];

static const struct address all_nodes = {{0x2ff, 0, 0, 0x1000000}};   /* ff02::1 */
static const struct address all_routers = {{0x2ff, 0, 0, 0x2000000}}; /* ff02::2 */

static uint32_t now_s(void)
{
  uint32_t ms;
  return clock_seconds(&ms);
}

/* When a lifetime ends, with 0 for never. */
static uint32_t end_of(uint32_t lifetime)
{
  uint32_t now = now_s();
  return lifetime > FOREVER - now ? 0 : now + lifetime;
}

static struct address solicited_group(const struct address *address)
{
  return (struct address){{be32(0xff020000), 0, be32(1), address->words[3] | be32(0xff000000)}};
}

bool ndp_is_our_group(const struct interface *interface, const struct address *address)
{
  if (address_equals(address, &all_nodes))
    return true;
  for (unsigned i = 0; i < interface->ipv6_count; i++) {
    struct address group = solicited_group(&interface->ipv6[i].address);
    if (address_equals(address, &group))
      return true;
  }
  return false;
}

const struct address *ndp_source(const struct interface *interface, const struct address *to)
{
  if (address_is_link_local(to) || address_is_multicast(to) || interface->ipv6_count < 2)
    return &interface->ipv6[0].address;
  for (unsigned i = 1; i < interface->ipv6_count; i++)
    if (address_in_prefix(to, &interface->ipv6[i].address, interface->ipv6[i].prefix_length))
      return &interface->ipv6[i].address;
  return &interface->ipv6[1].address;
}

static void put_mac(struct link_option *option, uint8_t type, const struct interface *interface)
{
  option->type = type;
  option->length = 1;
  memcpy(option->mac, interface->card.mac, MAC_LENGTH);
}

static void send_message(struct interface *interface, uint8_t type, uint32_t flags, const struct address *target,
  const struct address *from, const struct address *to)
{
  struct frame *frame = network_frame(interface);
  if (frame == NULL)
    return;
  struct message *message = (struct message *)network_payload(frame, to);
  *message = (struct message){.type = type, .flags = be32(flags), .target = *target};
  put_mac((struct link_option *)(message + 1), type == SOLICITATION ? OPTION_SOURCE : OPTION_TARGET, interface);
  icmp6_send(frame, from, to, sizeof *message + sizeof(struct link_option));
}

void ndp_ask(struct interface *interface, const struct address *address)
{
  struct address group = solicited_group(address);
  if (interface->ipv6_count > 0)
    send_message(interface, SOLICITATION, 0, address, ndp_source(interface, address), &group);
}

void ndp_announce(struct interface *interface, const struct address *address)
{
  send_message(interface, ADVERTISEMENT, OVERRIDE, address, address, &all_nodes);
}

static void solicit_router(struct interface *interface)
{
  struct frame *frame = network_frame(interface);
  if (frame == NULL)
    return;
  struct router_message *message = (struct router_message *)network_payload(frame, &all_routers);
  /* As long as one is enough: the type, a checksum, and four bytes of nothing. */
  memset(message, 0, 8);
  message->type = ROUTER_SOLICITATION;
  put_mac((struct link_option *)((uint8_t *)message + 8), OPTION_SOURCE, interface);
  icmp6_send(frame, &interface->ipv6[0].address, &all_routers, 8 + sizeof(struct link_option));
}

/* The lower half of an address, from the card's hardware address. */
static void put_interface_id(struct address *address, const uint8_t *mac)
{
  uint8_t id[8] = {mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]};
  memcpy(&address->words[2], id, sizeof id);
}

void ndp_start(struct interface *interface)
{
  struct ipv6_address link_local = {.address = {{be32(0xfe800000)}}, .prefix_length = 64, .is_on_link = true};
  put_interface_id(&link_local.address, interface->card.mac);
  network_add_ipv6(interface, &link_local);
  if (!interface->asks_routers)
    return;
  solicitations[interface->number - 1].tries = 1;
  solicitations[interface->number - 1].asked_s = now_s();
  solicit_router(interface);
}

/* The first option of the type, whole, or NULL. */
static const uint8_t *find_option(const uint8_t *options, size_t length, uint8_t type, size_t size)
{
  while (length >= 8) {
    size_t option_length = options[1] * 8u;
    if (option_length == 0 || option_length > length)
      return NULL;
    if (options[0] == type && option_length >= size)
      return options;
    options += option_length;
    length -= option_length;
  }
  return NULL;
}

static void on_solicitation(const struct packet *packet, const struct message *message, const uint8_t *options, size_t length)
{
  if (!network_is_ours(packet->interface, &message->target))
    return;
  if (address_is_none(&packet->from)) { /* somebody wants our address for himself */
    ndp_announce(packet->interface, &message->target);
    return;
  }
  const struct link_option *source = (const struct link_option *)find_option(options, length, OPTION_SOURCE, sizeof *source);
  if (source != NULL)
    neighbours_learn(packet->interface, &packet->from, source->mac, true);
  send_message(packet->interface, ADVERTISEMENT, SOLICITED | OVERRIDE, &message->target, &message->target, &packet->from);
}

static void on_advertisement(const struct packet *packet, const struct message *message, const uint8_t *options, size_t length)
{
  const struct link_option *target = (const struct link_option *)find_option(options, length, OPTION_TARGET, sizeof *target);
  if (target != NULL && !network_is_ours(packet->interface, &message->target))
    neighbours_learn(packet->interface, &message->target, target->mac, false);
}

static void take_prefix(struct interface *interface, const struct prefix_option *option)
{
  uint32_t valid = be32(option->valid);
  if (option->prefix_length != 64 || (option->flags & PREFIX_MAKES_ADDRESS) == 0 || !address_is_usable_ipv6(&option->prefix) ||
      address_is_link_local(&option->prefix))
    return;
  struct ipv6_address address = {
    .address = option->prefix,
    .prefix_length = 64,
    .is_on_link = (option->flags & PREFIX_ON_LINK) != 0,
    .is_announced = true,
    .until = end_of(valid),
  };
  put_interface_id(&address.address, interface->card.mac);
  for (unsigned i = 1; i < interface->ipv6_count; i++)
    if (address_equals(&interface->ipv6[i].address, &address.address)) {
      interface->ipv6[i] = address;
      return;
    }
  if (valid > 0)
    network_add_ipv6(interface, &address);
}

static void take_options(struct interface *interface, const uint8_t *options, size_t length)
{
  for (size_t used; length >= 8; options += used, length -= used) {
    used = options[1] * 8u;
    if (used == 0 || used > length)
      return;
    if (options[0] == OPTION_PREFIX && used == sizeof(struct prefix_option)) {
      take_prefix(interface, (const struct prefix_option *)options);
    } else if (options[0] == OPTION_MTU) {
      uint32_t mtu = (uint32_t)options[4] << 24 | (uint32_t)options[5] << 16 | (uint32_t)options[6] << 8 | options[7];
      if (mtu >= MIN_IPV6_MTU && mtu < interface->mtu)
        interface->mtu = mtu;
    } else if (options[0] == OPTION_NAME_SERVERS) {
      for (size_t at = 8; at + sizeof(struct address) <= used; at += sizeof(struct address)) {
        struct address server;
        memcpy(&server, options + at, sizeof server);
        if (address_is_usable_ipv6(&server))
          dns_add_server(&server);
      }
    }
  }
}

static void on_router(const struct packet *packet, const uint8_t *options, size_t length)
{
  struct interface *interface = packet->interface;
  const struct router_message *message = (const struct router_message *)packet->payload;
  if (!interface->asks_routers || !address_is_link_local(&packet->from))
    return;
  solicitations[interface->number - 1].tries = ROUTER_TRIES;
  const struct link_option *source = (const struct link_option *)find_option(options, length, OPTION_SOURCE, sizeof *source);
  if (source != NULL)
    neighbours_learn(interface, &packet->from, source->mac, true);

  uint32_t lifetime = be16(message->lifetime);
  bool is_ours = address_equals(&interface->ipv6_router, &packet->from);
  if (lifetime > 0 && (is_ours || address_is_none(&interface->ipv6_router))) {
    interface->ipv6_router = packet->from;
    interface->ipv6_router_is_announced = true;
    interface->ipv6_router_until = end_of(lifetime);
  } else if (lifetime == 0 && is_ours && interface->ipv6_router_is_announced) {
    interface->ipv6_router = (struct address){0};
  }
  take_options(interface, options, length);
}

void ndp_receive(const struct packet *packet)
{
  const struct message *message = (const struct message *)packet->payload;
  if (packet->hop_limit != NDP_HOP_LIMIT || message->code != 0)
    return;
  if (message->type == ROUTER_ADVERTISEMENT) {
    size_t header = sizeof(struct router_message);
    if (packet->length >= header)
      on_router(packet, packet->payload + header, packet->length - header);
    return;
  }
  if (packet->length < sizeof *message || !address_is_usable_ipv6(&message->target))
    return;
  const uint8_t *options = (const uint8_t *)(message + 1);
  size_t length = packet->length - sizeof *message;
  if (message->type == SOLICITATION)
    on_solicitation(packet, message, options, length);
  else if (message->type == ADVERTISEMENT)
    on_advertisement(packet, message, options, length);
}

static void forget_what_ended(struct interface *interface, uint32_t now)
{
  if (interface->ipv6_router_is_announced && interface->ipv6_router_until != 0 && now >= interface->ipv6_router_until) {
    interface->ipv6_router = (struct address){0};
    interface->ipv6_router_is_announced = false;
  }
  for (unsigned i = 1; i < interface->ipv6_count; i++) {
    struct ipv6_address *address = &interface->ipv6[i];
    if (address->is_announced && address->until != 0 && now >= address->until) {
      *address = interface->ipv6[--interface->ipv6_count];
      i--;
    }
  }
}

void ndp_poll(void)
{
  static uint32_t last_s;
  uint32_t now = now_s();
  if (now == last_s)
    return;
  last_s = now;
  for (unsigned i = 0; i < interface_count; i++) {
    forget_what_ended(&interfaces[i], now);
    if (interfaces[i].asks_routers && solicitations[i].tries < ROUTER_TRIES && now - solicitations[i].asked_s >= ROUTER_AGAIN_S) {
      solicitations[i].tries++;
      solicitations[i].asked_s = now;
      solicit_router(&interfaces[i]);
    }
  }
}
