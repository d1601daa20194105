#include "neighbours.h"

#include "clock.h"
#include "ndp.h"
#include "text.h"

enum {
  NEIGHBOURS = 64,
  /* Asked again after this long without a word from the neighbour. */
  FRESH_MS = 60 * 1000,
  ASK_AGAIN_MS = 1000,
};

static struct neighbour {
  struct interface *interface; /* NULL: free */
  struct address address;
  uint8_t mac[MAC_LENGTH];
  bool is_known;
  uint32_t heard_ms, asked_ms, used_ms;
  struct frame *waiting; /* the latest packet to him, while he is not known */
  size_t waiting_length;
} neighbours[NEIGHBOURS];

/* The one asked for last, who is mostly the next as well. */
static struct neighbour *latest = neighbours;

static struct neighbour *find(const struct interface *interface, const struct address *address)
{
  if (latest->interface == interface && address_equals(&latest->address, address))
    return latest;
  for (unsigned i = 0; i < NEIGHBOURS; i++)
    if (neighbours[i].interface == interface && address_equals(&neighbours[i].address, address))
      return latest = &neighbours[i];
  return NULL;
}

/* The entry for the address, in place of the one that was not used for the longest time if it is new. */
static struct neighbour *find_or_make(struct interface *interface, const struct address *address)
{
  uint32_t now = clock_ms();
  struct neighbour *found = find(interface, address);
  if (found == NULL) {
    found = &neighbours[0];
    for (unsigned i = 1; i < NEIGHBOURS && found->interface != NULL; i++)
      if (neighbours[i].interface == NULL || now - neighbours[i].used_ms > now - found->used_ms)
        found = &neighbours[i];
    if (found->waiting != NULL)
      card_drop(found->waiting);
    *found = (struct neighbour){.interface = interface, .address = *address, .asked_ms = now - ASK_AGAIN_MS};
  }
  found->used_ms = now;
  return found;
}

static void ask(const struct neighbour *neighbour)
{
  if (address_is_ipv4(&neighbour->address))
    arp_ask(neighbour->interface, address_ipv4(&neighbour->address));
  else
    ndp_ask(neighbour->interface, &neighbour->address);
}

static void send(const struct neighbour *neighbour, struct frame *frame, size_t length)
{
  ethernet_send(frame, neighbour->mac, address_is_ipv4(&neighbour->address) ? TYPE_IPV4 : TYPE_IPV6, length);
}

void neighbours_learn(struct interface *interface, const struct address *address, const uint8_t *mac, bool wants_us)
{
  if ((mac[0] & 1) != 0)
    return; /* a group is nobody's address */
  struct neighbour *neighbour = wants_us ? find_or_make(interface, address) : find(interface, address);
  if (neighbour == NULL)
    return;
  memcpy(neighbour->mac, mac, MAC_LENGTH);
  neighbour->is_known = true;
  neighbour->heard_ms = clock_ms();
  if (neighbour->waiting == NULL)
    return;
  struct frame *frame = neighbour->waiting;
  neighbour->waiting = NULL;
  send(neighbour, frame, neighbour->waiting_length);
}

void neighbours_send_to(struct frame *frame, const struct address *address, size_t length)
{
  struct neighbour *neighbour = find_or_make(interface_of(frame->card), address);
  uint32_t now = neighbour->used_ms;
  if ((!neighbour->is_known || now - neighbour->heard_ms >= FRESH_MS) && now - neighbour->asked_ms >= ASK_AGAIN_MS) {
    neighbour->asked_ms = now;
    ask(neighbour);
  }
  if (neighbour->is_known) {
    send(neighbour, frame, length);
    return;
  }
  if (neighbour->waiting != NULL)
    card_drop(neighbour->waiting);
  neighbour->waiting = frame;
  neighbour->waiting_length = length;
}
