/*
 * A connection here lives like this: the client's request comes in, one answer
 * goes out with our FIN at its end, and the client's FIN comes. There is
 * no window to speak of on the way in (what comes is used at once), segments
 * out of order are dropped and come again, and everything that was sent and
 * not acknowledged within a time is sent again from there on.
 *
 * See RFC 9293; RFC 5961 for resets, RFC 6528 for initial sequence numbers.
 */
#include "tcp.h"

#include "clock.h"
#include "cpu.h"
#include "http.h"
#include "text.h"

enum {
  CONNECTIONS = 256,

  FIN = 0x01,
  SYN = 0x02,
  RST = 0x04,
  PSH = 0x08,
  ACK = 0x10,

  OPTION_END = 0,
  OPTION_NOTHING = 1,
  OPTION_MSS = 2,

  HEADER = 20,
  MSS_OPTION = 4,
  DEFAULT_MSS = 536,
  MIN_MSS = 64,
  RECEIVE_WINDOW = 16 * 1024,
  FIRST_SEGMENTS = 10,

  POLL_MS = 10,
  FIRST_TIMEOUT_MS = 300,
  MAX_RETRIES = 7,          /* 38 s in all */
  MAX_SYN_RETRIES = 4,      /* 5 s */
  REQUEST_WITHIN_MS = 30 * 1000,
  SPEAK_WITHIN_MS = 1000, /* when others wait for the place */
  CLOSE_WITHIN_MS = 10 * 1000,
  TIME_WAIT_MS = 10 * 1000,
};

struct __attribute__((packed)) header {
  uint16_t from_port, to_port;
  uint32_t sequence, acknowledgment;
  uint8_t offset, flags;
  uint16_t window, checksum, urgent;
};

enum state {
  FREE,
  SYN_RECEIVED,
  OPEN,
  TIME_WAIT, /* both sides have closed; answers what was still under way */
};

static struct connection {
  enum state state;
  uint32_t address;
  uint16_t port; /* the client's */
  uint16_t mss;
  uint32_t receive_next;

  /*
   * Sequence numbers of ours: of the answer's first byte, the first not
   * acknowledged, the next to send, and the one after all ever sent.
   */
  uint32_t first, acknowledged, next, highest;
  uint32_t window, congestion_window;
  bool is_answering; /* the answer is there, and FIN follows it */
  bool client_closed, client_closed_first;

  uint32_t since_ms; /* of the state, or of the last step in it */
  bool timer_runs;
  uint32_t timer_ms, timeout_ms;
  unsigned retries;

  struct http_exchange exchange;
} connections[CONNECTIONS];

static uint16_t listening_port;
static uint64_t secret;

static bool before(uint32_t a, uint32_t b) { return (int32_t)(a - b) < 0; }

void tcp_start(uint16_t port)
{
  listening_port = port;
  memcpy(&secret, card_mac(), MAC_LENGTH);
  secret ^= rdtsc() * 0x9e3779b97f4a7c15;
}

/*
 * Different for each client and not to be guessed by others, and growing with
 * time for each. The mixer is a good one, but not made for secrecy.
 */
static uint32_t initial_sequence(uint32_t address, uint16_t port)
{
  uint64_t mix = secret ^ ((uint64_t)address << 16 | port);
  for (int round = 0; round < 3; round++) {
    mix = (mix ^ mix >> 31) * 0xbf58476d1ce4e5b9;
    mix = (mix ^ mix >> 29) * 0x94d049bb133111eb + secret;
  }
  return (uint32_t)(mix >> 32) + (uint32_t)(clock_ns() >> 12);
}

/* One segment. The payload is a part of the answer, from an offset in it. */
struct segment {
  uint32_t to;
  uint16_t to_port, from_port;
  uint32_t sequence, acknowledgment;
  uint8_t flags;
  const struct http_exchange *exchange;
  size_t offset, length;
};

/* Copies a part of two pieces that follow each other. */
static void copy_answer(uint8_t *to, const struct http_exchange *exchange, size_t offset, size_t length)
{
  if (offset < exchange->length) {
    size_t part = exchange->length - offset < length ? exchange->length - offset : length;
    memcpy(to, exchange->text + offset, part);
    to += part;
    offset += part;
    length -= part;
  }
  if (length > 0)
    memcpy(to, exchange->tail.at + (offset - exchange->length), length);
}

static bool send(const struct segment *segment)
{
  struct frame *frame = card_frame();
  if (frame == NULL)
    return false;
  struct header *header = (struct header *)ip_payload(frame);
  uint8_t *payload = (uint8_t *)(header + 1);
  size_t header_length = HEADER;
  if ((segment->flags & SYN) != 0) {
    uint32_t mss = card_mtu() - IP_HEADER - HEADER;
    payload[0] = OPTION_MSS;
    payload[1] = MSS_OPTION;
    payload[2] = (uint8_t)(mss >> 8);
    payload[3] = (uint8_t)mss;
    header_length += MSS_OPTION;
  } else if (segment->length > 0) {
    copy_answer(payload, segment->exchange, segment->offset, segment->length);
  }
  *header = (struct header){
    .from_port = be16(segment->from_port),
    .to_port = be16(segment->to_port),
    .sequence = be32(segment->sequence),
    .acknowledgment = be32(segment->acknowledgment),
    .offset = (uint8_t)(header_length / 4 << 4),
    .flags = segment->flags,
    .window = be16(RECEIVE_WINDOW),
  };
  size_t length = header_length + segment->length;
  uint32_t sum = checksum_pseudo_header(network.address, segment->to, PROTOCOL_TCP, length);
  header->checksum = checksum_finish(checksum_add(sum, header, length));
  ip_send(frame, segment->to, PROTOCOL_TCP, length);
  return true;
}

static bool send_on(const struct connection *connection, uint32_t sequence, uint8_t flags, size_t offset, size_t length)
{
  return send(&(struct segment){
    .to = connection->address,
    .to_port = connection->port,
    .from_port = listening_port,
    .sequence = sequence,
    .acknowledgment = connection->receive_next,
    .flags = flags,
    .exchange = &connection->exchange,
    .offset = offset,
    .length = length,
  });
}

static void send_acknowledgment(const struct connection *connection) { send_on(connection, connection->next, ACK, 0, 0); }

static void start_timer(struct connection *connection)
{
  connection->timer_runs = true;
  connection->timer_ms = clock_ms() + connection->timeout_ms;
}

static void forget(struct connection *connection)
{
  http_finished(&connection->exchange);
  connection->state = FREE;
}

static size_t answer_length(const struct connection *connection)
{
  return connection->exchange.length + connection->exchange.tail.length;
}

/* The number after our FIN: everything is acknowledged when this is. */
static uint32_t end_of(const struct connection *connection) { return connection->first + (uint32_t)answer_length(connection) + 1; }

/* Sends as much of the answer as the windows let, and the FIN with the last of it. At least a byte, if it must. */
static void send_answer(struct connection *connection, bool must)
{
  bool sent = false;
  while (connection->next != end_of(connection)) {
    size_t offset = connection->next - connection->first;
    size_t left = answer_length(connection) - offset;
    uint32_t under_way = connection->next - connection->acknowledged;
    uint32_t window = connection->window < connection->congestion_window ? connection->window : connection->congestion_window;
    size_t room = window > under_way ? window - under_way : 0;
    if (room == 0 && must && !sent)
      room = 1;

    size_t length = left < connection->mss ? left : connection->mss;
    if (length > room) {
      /* A small piece now would only be followed by more small pieces: wait for room, if something is on its way. */
      if (room == 0 || under_way > 0)
        break;
      length = room;
    }
    bool is_last = length == left;
    if (!send_on(connection, connection->next, is_last ? ACK | PSH | FIN : ACK, offset, length))
      break;
    connection->next += (uint32_t)length + is_last;
    if (before(connection->highest, connection->next))
      connection->highest = connection->next;
    sent = true;
  }
  if (!connection->timer_runs)
    start_timer(connection);
}

static struct connection *find(uint32_t address, uint16_t port)
{
  for (unsigned i = 0; i < CONNECTIONS; i++)
    if (connections[i].state != FREE && connections[i].address == address && connections[i].port == port)
      return &connections[i];
  return NULL;
}

/*
 * A free place, or the oldest of those that are missed least: closed on both
 * sides, else never quite opened, else open for a while without a request.
 */
static struct connection *find_place(void)
{
  struct connection *closed = NULL, *half_open = NULL, *silent = NULL;
  uint32_t now = clock_ms();
  for (unsigned i = 0; i < CONNECTIONS; i++) {
    struct connection *connection = &connections[i];
    uint32_t age = now - connection->since_ms;
    struct connection **oldest = NULL;
    if (connection->state == FREE)
      return connection;
    if (connection->state == TIME_WAIT)
      oldest = &closed;
    else if (connection->state == SYN_RECEIVED)
      oldest = &half_open;
    else if (!connection->is_answering && age >= SPEAK_WITHIN_MS)
      oldest = &silent;
    if (oldest != NULL && (*oldest == NULL || age > now - (*oldest)->since_ms))
      *oldest = connection;
  }
  struct connection *place = closed != NULL ? closed : half_open != NULL ? half_open : silent;
  if (place != NULL && place == silent)
    send_on(place, place->next, RST | ACK, 0, 0);
  return place;
}

/* The client's largest segment, from the options of its SYN. */
static uint16_t read_mss(const uint8_t *option, const uint8_t *options_end)
{
  uint32_t largest = card_mtu() - IP_HEADER - HEADER, mss = DEFAULT_MSS;
  while (option < options_end && *option != OPTION_END) {
    if (*option == OPTION_NOTHING) {
      option++;
      continue;
    }
    if (options_end - option < 2 || option[1] < 2 || option[1] > options_end - option)
      break;
    if (option[0] == OPTION_MSS && option[1] == MSS_OPTION)
      mss = (uint32_t)option[2] << 8 | option[3];
    option += option[1];
  }
  return (uint16_t)(mss < MIN_MSS ? MIN_MSS : mss > largest ? largest : mss);
}

static void open(const struct packet *packet, const struct header *header, size_t header_length)
{
  struct connection *connection = find_place();
  if (connection == NULL)
    return; /* the client asks again, and by then there may be a place */
  uint32_t sequence = initial_sequence(packet->from, be16(header->from_port));
  uint16_t mss = read_mss((const uint8_t *)(header + 1), packet->payload + header_length);
  *connection = (struct connection){
    .state = SYN_RECEIVED,
    .address = packet->from,
    .port = be16(header->from_port),
    .mss = mss,
    .receive_next = be32(header->sequence) + 1,
    .first = sequence + 1,
    .acknowledged = sequence,
    .next = sequence + 1,
    .highest = sequence + 1,
    .window = be16(header->window),
    .congestion_window = FIRST_SEGMENTS * (uint32_t)mss,
    .since_ms = clock_ms(),
    .timeout_ms = FIRST_TIMEOUT_MS,
  };
  send_on(connection, sequence, SYN | ACK, 0, 0);
  start_timer(connection);
}

/* For a segment that belongs to no connection. */
static void reset_sender(const struct packet *packet, const struct header *header, size_t length)
{
  if ((header->flags & RST) != 0)
    return;
  struct segment segment = {
    .to = packet->from,
    .to_port = be16(header->from_port),
    .from_port = be16(header->to_port),
    .flags = RST,
  };
  if ((header->flags & ACK) != 0) {
    segment.sequence = be32(header->acknowledgment);
  } else {
    segment.flags |= ACK;
    segment.acknowledgment =
      be32(header->sequence) + (uint32_t)length + ((header->flags & SYN) != 0) + ((header->flags & FIN) != 0);
  }
  send(&segment);
}

static void to_time_wait(struct connection *connection)
{
  http_finished(&connection->exchange);
  connection->state = TIME_WAIT;
  connection->timer_runs = false;
  connection->since_ms = clock_ms();
}

/* What the segment acknowledges. False when it is not for what we sent. */
static bool take_acknowledgment(struct connection *connection, const struct header *header)
{
  uint32_t acknowledgment = be32(header->acknowledgment);
  if (before(connection->highest, acknowledgment)) {
    send_acknowledgment(connection);
    return false;
  }
  if (before(acknowledgment, connection->acknowledged))
    return true; /* an old one */
  connection->window = be16(header->window);
  if (acknowledgment == connection->acknowledged)
    return true;

  connection->acknowledged = acknowledgment;
  if (before(connection->next, acknowledgment))
    connection->next = acknowledgment; /* what we took for lost did arrive */
  connection->congestion_window += connection->mss;
  connection->retries = 0;
  connection->timeout_ms = FIRST_TIMEOUT_MS;
  connection->since_ms = clock_ms();
  connection->timer_runs = false;
  if (connection->state == SYN_RECEIVED)
    connection->state = OPEN;
  return true;
}

/* What the segment brings, from the first byte on that we do not have yet. Whether it must be acknowledged. */
static bool take_data(struct connection *connection, const struct header *header, const uint8_t *data, size_t length)
{
  uint32_t sequence = be32(header->sequence);
  bool has_fin = (header->flags & FIN) != 0;
  if (length == 0 && !has_fin)
    return sequence != connection->receive_next; /* a keep-alive, or something late */

  uint32_t known = connection->receive_next - sequence;
  if (before(connection->receive_next, sequence) || known > length || connection->client_closed)
    return true; /* out of order, or known already */

  connection->receive_next += (uint32_t)(length - known) + has_fin;
  connection->since_ms = clock_ms();
  if (known < length && http_receive(&connection->exchange, data + known, length - known))
    connection->is_answering = true;
  if (has_fin) {
    connection->client_closed = true;
    connection->client_closed_first = connection->highest == connection->first;
  }
  return true;
}

static void receive_on(struct connection *connection, const struct header *header, const uint8_t *data, size_t length)
{
  uint32_t sequence = be32(header->sequence);
  if ((header->flags & RST) != 0) {
    if (sequence == connection->receive_next)
      forget(connection);
    else if (sequence - connection->receive_next < RECEIVE_WINDOW)
      send_acknowledgment(connection); /* a true reset comes again with the right number */
    return;
  }
  if ((header->flags & SYN) != 0) {
    if (connection->state == SYN_RECEIVED && sequence + 1 == connection->receive_next)
      send_on(connection, connection->acknowledged, SYN | ACK, 0, 0);
    else
      send_acknowledgment(connection);
    return;
  }
  if ((header->flags & ACK) == 0)
    return;
  if (connection->state == TIME_WAIT) {
    if (length > 0 || (header->flags & FIN) != 0)
      send_acknowledgment(connection);
    return;
  }
  if (sequence - connection->receive_next >= RECEIVE_WINDOW && connection->receive_next - sequence > RECEIVE_WINDOW) {
    send_acknowledgment(connection);
    return;
  }
  if (!take_acknowledgment(connection, header) || connection->state != OPEN)
    return;

  bool must_acknowledge = take_data(connection, header, data, length);
  if (connection->client_closed && !connection->is_answering) {
    /* Closed without a whole request: there is nothing to say. */
    send_on(connection, connection->next, RST | ACK, 0, 0);
    forget(connection);
    return;
  }

  uint32_t sent_before = connection->next;
  if (connection->is_answering && connection->acknowledged != end_of(connection))
    send_answer(connection, false);
  if (must_acknowledge && connection->next == sent_before)
    send_acknowledgment(connection);

  if (connection->is_answering && connection->acknowledged == end_of(connection)) {
    http_finished(&connection->exchange);
    if (connection->client_closed_first)
      forget(connection);
    else if (connection->client_closed)
      to_time_wait(connection);
  }
}

void tcp_receive(const struct packet *packet)
{
  const struct header *header = (const struct header *)packet->payload;
  if (packet->length < sizeof *header)
    return;
  size_t header_length = (header->offset >> 4) * 4u;
  if (header_length < sizeof *header || header_length > packet->length)
    return;
  uint32_t sum = checksum_pseudo_header(packet->from, packet->to, PROTOCOL_TCP, packet->length);
  if (checksum_finish(checksum_add(sum, packet->payload, packet->length)) != 0)
    return;

  const uint8_t *data = packet->payload + header_length;
  size_t length = packet->length - header_length;
  if (be16(header->to_port) != listening_port) {
    reset_sender(packet, header, length);
    return;
  }
  bool is_opening = (header->flags & (SYN | ACK | RST | FIN)) == SYN;
  struct connection *connection = find(packet->from, be16(header->from_port));
  /* The client may use its port again while we still remember the last time. */
  if (connection != NULL && connection->state == TIME_WAIT && is_opening &&
      before(connection->receive_next, be32(header->sequence))) {
    connection->state = FREE;
    connection = NULL;
  }
  if (connection != NULL)
    receive_on(connection, header, data, length);
  else if (is_opening)
    open(packet, header, header_length);
  else
    reset_sender(packet, header, length);
}

static void on_timeout(struct connection *connection)
{
  unsigned limit = connection->state == SYN_RECEIVED ? MAX_SYN_RETRIES : MAX_RETRIES;
  if (++connection->retries > limit) {
    send_on(connection, connection->next, RST | ACK, 0, 0);
    forget(connection);
    return;
  }
  connection->timeout_ms *= 2;
  start_timer(connection);
  if (connection->state == SYN_RECEIVED) {
    send_on(connection, connection->acknowledged, SYN | ACK, 0, 0);
  } else {
    connection->next = connection->acknowledged;
    connection->congestion_window = connection->mss;
    send_answer(connection, true);
  }
}

void tcp_poll(void)
{
  static uint32_t last_ms;
  uint32_t now = clock_ms();
  if (now - last_ms < POLL_MS)
    return;
  last_ms = now;

  for (unsigned i = 0; i < CONNECTIONS; i++) {
    struct connection *connection = &connections[i];
    uint32_t age = now - connection->since_ms;
    if (connection->state == FREE)
      continue;
    if (connection->state == TIME_WAIT) {
      if (age >= TIME_WAIT_MS)
        connection->state = FREE;
    } else if (connection->timer_runs) {
      if (!before(now, connection->timer_ms))
        on_timeout(connection);
    } else if (connection->state == OPEN) {
      /* Either the request does not come to its end, or the client does not close. */
      if (age >= (connection->is_answering ? CLOSE_WITHIN_MS : REQUEST_WITHIN_MS)) {
        send_on(connection, connection->next, RST | ACK, 0, 0);
        forget(connection);
      }
    }
  }
}
