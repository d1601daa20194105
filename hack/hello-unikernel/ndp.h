/* Neighbour discovery (RFC 4861) and addresses by it (RFC 4862). */
#pragma once
#include "network.h"

/* With less, a packet may have come from another network. */
enum { NDP_HOP_LIMIT = 255 };

/* Gives the interface its link-local address, and looks for routers if it asks them for more. */
void ndp_start(struct interface *interface);
/* An ICMPv6 message with the right checksum. */
void ndp_receive(const struct packet *packet);
/* Asks again in time, and forgets what has ended. Call it at least every 100 ms. */
void ndp_poll(void);

/* Whether a multicast address is one that we listen to. */
bool ndp_is_our_group(const struct interface *interface, const struct address *address);
/* Which of our addresses speaks to this one. */
const struct address *ndp_source(const struct interface *interface, const struct address *to);
/* Asks who has the address. */
void ndp_ask(struct interface *interface, const struct address *address);
/* Tells everybody that the address is ours. */
void ndp_announce(struct interface *interface, const struct address *address);
