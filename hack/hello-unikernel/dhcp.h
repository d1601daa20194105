/* Gets an interface's IPv4 address from a DHCP server, and keeps it. */
#pragma once
#include "udp.h"

enum { DHCP_CLIENT_PORT = 68 };

/* Begins to ask. The name goes to the server. */
void dhcp_start(struct interface *interface, const char *name);
void dhcp_receive(const struct datagram *datagram);
/* Asks again in time. Call it at least every 100 ms. */
void dhcp_poll(void);
