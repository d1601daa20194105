#include "tcp_segment.h"

#include "checksum.h"
#include "text.h"

enum {
  OPTION_END = 0,
  OPTION_NOTHING = 1,
  OPTION_MSS = 2,
  OPTION_SCALE = 3,

  MSS_LENGTH = 4,
  SCALE_LENGTH = 3,
  MAX_SCALE = 14,
  DEFAULT_MSS = 536,
};

struct __attribute__((packed)) header {
  uint16_t from_port, to_port;
  uint32_t sequence, acknowledgment;
  uint8_t offset, flags;
  uint16_t window, checksum, urgent;
};

uint32_t tcp_room(const struct interface *interface, const struct address *to)
{
  return (uint32_t)network_room(interface, to) - TCP_HEADER;
}

static void read_options(struct tcp_segment *segment, const uint8_t *option, const uint8_t *end)
{
  uint32_t largest = tcp_room(segment->packet->interface, &segment->packet->from), mss = DEFAULT_MSS;
  while (option < end && *option != OPTION_END) {
    if (*option == OPTION_NOTHING) {
      option++;
      continue;
    }
    if (end - option < 2 || option[1] < 2 || option[1] > end - option)
      break;
    if (option[0] == OPTION_MSS && option[1] == MSS_LENGTH)
      mss = (uint32_t)option[2] << 8 | option[3];
    if (option[0] == OPTION_SCALE && option[1] == SCALE_LENGTH) {
      segment->has_scale = true;
      segment->scale = option[2] < MAX_SCALE ? option[2] : MAX_SCALE;
    }
    option += option[1];
  }
  segment->mss = (uint16_t)(mss < TCP_MIN_MSS ? TCP_MIN_MSS : mss > largest ? largest : mss);
}

bool tcp_read(const struct packet *packet, struct tcp_segment *segment)
{
  const struct header *header = (const struct header *)packet->payload;
  if (packet->length < sizeof *header)
    return false;
  size_t header_length = (header->offset >> 4) * 4u;
  if (header_length < sizeof *header || header_length > packet->length)
    return false;
  uint32_t sum = checksum_pseudo_header(&packet->from, &packet->to, PROTOCOL_TCP, packet->length);
  if (checksum_finish(checksum_add(sum, packet->payload, packet->length)) != 0)
    return false;
  *segment = (struct tcp_segment){
    .packet = packet,
    .from_port = be16(header->from_port),
    .to_port = be16(header->to_port),
    .sequence = be32(header->sequence),
    .acknowledgment = be32(header->acknowledgment),
    .flags = header->flags,
    .window = be16(header->window),
    .data = packet->payload + header_length,
    .length = packet->length - header_length,
  };
  if ((header->flags & TCP_SYN) != 0)
    read_options(segment, (const uint8_t *)(header + 1), segment->data);
  return true;
}

static size_t options_length(const struct tcp_outgoing *segment)
{
  if ((segment->flags & TCP_SYN) == 0)
    return 0;
  return segment->offers_scale ? 8 : 4;
}

struct frame *tcp_frame(const struct tcp_outgoing *segment, uint8_t **data)
{
  struct frame *frame = network_frame(segment->interface);
  if (frame != NULL)
    *data = network_payload(frame, &segment->to) + TCP_HEADER + options_length(segment);
  return frame;
}

void tcp_send(struct frame *frame, const struct tcp_outgoing *segment)
{
  struct header *header = (struct header *)network_payload(frame, &segment->to);
  uint8_t *options = (uint8_t *)(header + 1);
  size_t header_length = TCP_HEADER + options_length(segment);
  if ((segment->flags & TCP_SYN) != 0) {
    uint32_t mss = tcp_room(segment->interface, &segment->to);
    options[0] = OPTION_MSS;
    options[1] = MSS_LENGTH;
    options[2] = (uint8_t)(mss >> 8);
    options[3] = (uint8_t)mss;
    if (segment->offers_scale) {
      options[4] = OPTION_NOTHING;
      options[5] = OPTION_SCALE;
      options[6] = SCALE_LENGTH;
      options[7] = 0; /* our own window needs none, but the peer may scale only if both do */
    }
  }
  *header = (struct header){
    .from_port = be16(segment->from_port),
    .to_port = be16(segment->to_port),
    .sequence = be32(segment->sequence),
    .acknowledgment = be32(segment->acknowledgment),
    .offset = (uint8_t)(header_length / 4 << 4),
    .flags = segment->flags,
    .window = be16(TCP_RECEIVE_WINDOW),
  };
  size_t length = header_length + segment->length;
  uint32_t sum = checksum_pseudo_header(&segment->from, &segment->to, PROTOCOL_TCP, length);
  header->checksum = checksum_finish(checksum_add(sum, header, length));
  network_send(frame, &segment->from, &segment->to, PROTOCOL_TCP, length);
}
