#include "network.h"

#include "ndp.h"
#include "text.h"

_Static_assert(offsetof(struct interface, card) == 0, "interface_of() relies on it");

struct interface interfaces[MAX_INTERFACES];
unsigned interface_count;

void network_set_ipv4(struct interface *interface, uint32_t address, uint32_t mask, uint32_t gateway)
{
  interface->ipv4.address = address;
  interface->ipv4.mask = mask;
  interface->ipv4.gateway = gateway;
  if (address != 0)
    arp_ask(interface, address);
}

bool network_add_ipv6(struct interface *interface, const struct ipv6_address *address)
{
  if (interface->ipv6_count == MAX_IPV6_ADDRESSES)
    return false;
  interface->ipv6[interface->ipv6_count++] = *address;
  ndp_announce(interface, &address->address);
  return true;
}

bool network_is_ours(const struct interface *interface, const struct address *address)
{
  if (address_is_ipv4(address))
    return interface->ipv4.address != 0 && address_ipv4(address) == interface->ipv4.address;
  for (unsigned i = 0; i < interface->ipv6_count; i++)
    if (address_equals(address, &interface->ipv6[i].address))
      return true;
  return false;
}

bool network_has_address(const struct interface *interface, struct address *address)
{
  if (interface->ipv4.address != 0)
    *address = address_from_ipv4(interface->ipv4.address);
  else if (interface->ipv6_count > 1)
    *address = interface->ipv6[1].address;
  else
    return false;
  return true;
}

/* How good the way through the interface is: 0 for none, 1 through a gateway, 2 to a neighbour. */
static int route_ipv4(struct interface *interface, uint32_t to, struct route *route)
{
  if (interface->ipv4.address == 0)
    return 0;
  *route = (struct route){interface, address_from_ipv4(interface->ipv4.address)};
  if (((to ^ interface->ipv4.address) & interface->ipv4.mask) == 0)
    return 2;
  return interface->ipv4.gateway != 0;
}

static int route_ipv6(struct interface *interface, const struct address *to, struct route *route)
{
  if (interface->ipv6_count < 2)
    return 0;
  for (unsigned i = 1; i < interface->ipv6_count; i++) {
    const struct ipv6_address *ours = &interface->ipv6[i];
    *route = (struct route){interface, ours->address};
    if (ours->is_on_link && address_in_prefix(to, &ours->address, ours->prefix_length))
      return 2;
  }
  *route = (struct route){interface, interface->ipv6[1].address};
  return !address_is_none(&interface->ipv6_router);
}

bool network_route(const struct address *to, struct route *route)
{
  int best = 0;
  /* Which link a link-local address belongs to cannot be told from it: it is taken to be the first. */
  if (!address_is_ipv4(to) && address_is_link_local(to) && interface_count > 0) {
    *route = (struct route){&interfaces[0], interfaces[0].ipv6[0].address};
    return interfaces[0].ipv6_count > 0;
  }
  for (unsigned i = 0; i < interface_count; i++) {
    struct route found;
    int good = address_is_ipv4(to) ? route_ipv4(&interfaces[i], address_ipv4(to), &found) : route_ipv6(&interfaces[i], to, &found);
    if (good > best) {
      best = good;
      *route = found;
    }
  }
  return best > 0;
}

struct frame *network_frame(struct interface *interface) { return card_frame(&interface->card); }

static size_t header_for(const struct address *to) { return address_is_ipv4(to) ? IPV4_HEADER : IPV6_HEADER; }

uint8_t *network_payload(struct frame *frame, const struct address *to) { return frame->data + ETHERNET_HEADER + header_for(to); }

size_t network_room(const struct interface *interface, const struct address *to) { return interface->mtu - header_for(to); }

void network_send(struct frame *frame, const struct address *from, const struct address *to, uint8_t protocol, size_t length)
{
  if (address_is_ipv4(to))
    ipv4_send(frame, address_ipv4(from), address_ipv4(to), protocol, length);
  else
    ipv6_send(frame, from, to, protocol, length);
}
