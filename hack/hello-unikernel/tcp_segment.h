/* TCP's header, read and written. */
#pragma once
#include "network.h"

enum {
  TCP_FIN = 0x01,
  TCP_SYN = 0x02,
  TCP_RST = 0x04,
  TCP_PSH = 0x08,
  TCP_ACK = 0x10,

  TCP_HEADER = 20,
  TCP_MIN_MSS = 64,
};

/* A segment as it came in. */
struct tcp_segment {
  const struct packet *packet;
  uint16_t from_port, to_port;
  uint32_t sequence, acknowledgment;
  uint8_t flags;
  uint32_t window; /* without its scale */
  uint16_t mss;    /* of a SYN's sender, as far as we can send it */
  bool has_scale;
  uint8_t scale;
  const uint8_t *data;
  size_t length;
};

/* False for what is none, or came with a wrong checksum. */
bool tcp_read(const struct packet *packet, struct tcp_segment *segment);

/* A segment to send. */
struct tcp_outgoing {
  struct interface *interface;
  struct address from, to;
  uint16_t from_port, to_port;
  uint32_t sequence, acknowledgment;
  uint8_t flags;
  bool offers_scale; /* with SYN */
  size_t length; /* of the data */
};

/* An empty frame for it, and where its data goes. NULL if there is none just now. */
struct frame *tcp_frame(const struct tcp_outgoing *segment, uint8_t **data);
void tcp_send(struct frame *frame, const struct tcp_outgoing *segment);
/* The largest segment that fits to this peer. */
uint32_t tcp_room(const struct interface *interface, const struct address *to);

/* What is free for the peer to send, always. */
enum { TCP_RECEIVE_WINDOW = 0xffff };
