/* Gets our address from a DHCP server, and keeps it. */
#pragma once
#include "network.h"

/* Begins to ask. The name goes to the server. */
void dhcp_start(const char *name);
void dhcp_receive(const struct packet *packet);
/* Asks again in time. Call it at least every 100 ms. */
void dhcp_poll(void);
