/* RFC 4443: echo. What is about neighbours and routers goes to ndp.c. */
#include "checksum.h"
#include "ndp.h"
#include "text.h"

enum {
  ECHO_REQUEST = 128,
  ECHO_REPLY = 129,
};

struct __attribute__((packed)) header {
  uint8_t type, code;
  uint16_t checksum;
};

void icmp6_send(struct frame *frame, const struct address *from, const struct address *to, size_t length)
{
  struct header *header = (struct header *)network_payload(frame, to);
  header->checksum = 0;
  uint32_t sum = checksum_pseudo_header(from, to, PROTOCOL_ICMP6, length);
  header->checksum = checksum_finish(checksum_add(sum, header, length));
  network_send(frame, from, to, PROTOCOL_ICMP6, length);
}

static void answer_echo(const struct packet *packet)
{
  if (packet->length > network_room(packet->interface, &packet->from) || address_is_none(&packet->from))
    return;
  struct frame *frame = network_frame(packet->interface);
  if (frame == NULL)
    return;
  struct header *reply = (struct header *)network_payload(frame, &packet->from);
  memcpy(reply, packet->payload, packet->length);
  reply->type = ECHO_REPLY;
  /* A group has no address to answer from. */
  const struct address *from =
    address_is_multicast(&packet->to) ? ndp_source(packet->interface, &packet->from) : &packet->to;
  icmp6_send(frame, from, &packet->from, packet->length);
}

void icmp6_receive(const struct packet *packet)
{
  const struct header *header = (const struct header *)packet->payload;
  if (packet->length < 8)
    return;
  uint32_t sum = checksum_pseudo_header(&packet->from, &packet->to, PROTOCOL_ICMP6, packet->length);
  if (checksum_finish(checksum_add(sum, packet->payload, packet->length)) != 0)
    return;
  if (header->type == ECHO_REQUEST && header->code == 0)
    answer_echo(packet);
  else
    ndp_receive(packet);
}
