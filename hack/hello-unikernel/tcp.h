/* TCP, as far as a server of short answers needs it. */
#pragma once
#include "network.h"

/* Answers connections to the port; every other port is closed. */
void tcp_start(uint16_t port);
void tcp_receive(const struct packet *packet);
/* Sends again what was lost, and forgets connections that are over. Call it at least every 100 ms. */
void tcp_poll(void);
