#include "checksum.h"
#include "network.h"
#include "text.h"

enum {
  ECHO_REPLY = 0,
  ECHO_REQUEST = 8,
};

struct __attribute__((packed)) header {
  uint8_t type, code;
  uint16_t checksum;
  uint32_t rest;
};

void icmp_receive(const struct packet *packet)
{
  const struct header *request = (const struct header *)packet->payload;
  if (packet->length < sizeof *request || packet->length > network_room(packet->interface, &packet->from) ||
      request->type != ECHO_REQUEST || request->code != 0 ||
      checksum_finish(checksum_add(0, packet->payload, packet->length)) != 0)
    return;
  struct frame *frame = network_frame(packet->interface);
  if (frame == NULL)
    return;
  struct header *reply = (struct header *)network_payload(frame, &packet->from);
  memcpy(reply, packet->payload, packet->length);
  reply->type = ECHO_REPLY;
  reply->checksum = 0;
  reply->checksum = checksum_finish(checksum_add(0, reply, packet->length));
  network_send(frame, &packet->to, &packet->from, PROTOCOL_ICMP, packet->length);
}
