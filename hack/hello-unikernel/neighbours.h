/* Who is at which hardware address: what ARP and neighbour discovery find out. */
#pragma once
#include "network.h"

/* Sends a packet to a neighbour, at once or when he answers who he is. */
void neighbours_send_to(struct frame *frame, const struct address *neighbour, size_t length);
/* Takes news of a neighbour. Of one who is not known yet, only if he wants something of us. */
void neighbours_learn(struct interface *interface, const struct address *address, const uint8_t *mac, bool wants_us);
