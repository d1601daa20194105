#include "udp.h"

#include "checksum.h"
#include "dhcp.h"
#include "dns.h"
#include "text.h"

struct __attribute__((packed)) header {
  uint16_t from_port, to_port, length, checksum;
};

static uint16_t echo_port;

void udp_start_echo(uint16_t port) { echo_port = port; }

uint8_t *udp_data(struct frame *frame, const struct address *to) { return network_payload(frame, to) + sizeof(struct header); }

size_t udp_room(const struct interface *interface, const struct address *to)
{
  return network_room(interface, to) - sizeof(struct header);
}

void udp_send(struct frame *frame, const struct address *from, uint16_t from_port, const struct address *to, uint16_t to_port,
  size_t length)
{
  struct header *header = (struct header *)network_payload(frame, to);
  length += sizeof *header;
  *header = (struct header){be16(from_port), be16(to_port), be16((uint16_t)length), 0};
  uint32_t sum = checksum_pseudo_header(from, to, PROTOCOL_UDP, length);
  uint16_t checksum = checksum_finish(checksum_add(sum, header, length));
  header->checksum = checksum == 0 ? 0xffff : checksum; /* 0 means that there is none */
  network_send(frame, from, to, PROTOCOL_UDP, length);
}

static void echo(const struct datagram *datagram)
{
  if (datagram->length > udp_room(datagram->interface, &datagram->from))
    return;
  struct frame *frame = network_frame(datagram->interface);
  if (frame == NULL)
    return;
  memcpy(udp_data(frame, &datagram->from), datagram->data, datagram->length);
  udp_send(frame, &datagram->to, datagram->to_port, &datagram->from, datagram->from_port, datagram->length);
}

void udp_receive(const struct packet *packet, bool is_for_us)
{
  const struct header *header = (const struct header *)packet->payload;
  if (packet->length < sizeof *header)
    return;
  size_t length = be16(header->length);
  if (length < sizeof *header || length > packet->length)
    return;
  if (header->checksum == 0 && !address_is_ipv4(&packet->to))
    return;
  uint32_t sum = checksum_pseudo_header(&packet->from, &packet->to, PROTOCOL_UDP, length);
  if (header->checksum != 0 && checksum_finish(checksum_add(sum, header, length)) != 0)
    return;
  struct datagram datagram = {
    .interface = packet->interface,
    .from = packet->from,
    .to = packet->to,
    .from_port = be16(header->from_port),
    .to_port = be16(header->to_port),
    .data = (const uint8_t *)(header + 1),
    .length = length - sizeof *header,
  };
  if (datagram.to_port == DHCP_CLIENT_PORT && address_is_ipv4(&packet->to))
    dhcp_receive(&datagram);
  else if (!is_for_us)
    return;
  else if (echo_port != 0 && datagram.to_port == echo_port)
    echo(&datagram);
  else
    dns_receive(&datagram);
}
