/*
 * Connections. What comes is used at once, so our window is always open; what
 * comes too early is kept for a while. What we say is made again when it has
 * to be sent again, so nothing of it is kept.
 *
 * See RFC 9293; RFC 5681 and 6582 for congestion and what is lost, RFC 3042 and
 * 5827 where little is on its way, RFC 6298 for the timer, RFC 5961 for resets,
 * RFC 6528 for initial sequence numbers, RFC 7323 for the window's scale.
 */
#include "tcp.h"

#include "clock.h"
#include "cpu.h"
#include "reassembly.h"
#include "tcp_segment.h"
#include "text.h"

enum {
  FIRST_SEGMENTS = 10,
  /* Acknowledged at once after so many, so that a sender does not have to stop for us. */
  SEGMENTS_UNACKNOWLEDGED = 8,
  DUPLICATES_OF_LOSS = 3,

  POLL_MS = 10,
  MIN_TIMEOUT_MS = 300,
  MAX_TIMEOUT_MS = 10 * 1000,
  MAX_RETRIES = 7,
  MAX_SYN_RETRIES = 4,
  STALL_MS = 120 * 1000,          /* a peer that answers, but does not take anything */
  SPEAK_WITHIN_MS = 30 * 1000,
  SPEAK_WHEN_FULL_WITHIN_MS = 1000, /* when others wait for the place */
  CLOSE_WITHIN_MS = 10 * 1000,
  TIME_WAIT_MS = 10 * 1000,
};

struct tcp_connection {
  enum {
    FREE,
    SYN_SENT,
    SYN_RECEIVED,
    OPEN,
    TIME_WAIT, /* both sides have closed; answers what was still under way */
  } state;
  struct interface *interface;
  struct address local, remote;
  uint16_t local_port, remote_port;
  bool is_outgoing, is_held;
  const struct tcp_user *user;
  void *context;
  uint16_t mss;

  /* What comes in: the next number, where the peer's end is if that is known, what came too early. */
  uint32_t receive_next;
  bool has_peer_end, peer_finished, peer_finished_first;
  uint32_t peer_end;
  struct reassembly *early;
  uint32_t received_unacknowledged;
  bool must_acknowledge;

  /* What we say: its length so far, whether that is all, and how much of it the peer has. */
  uint64_t offered, delivered;
  bool is_finished, has_told_delivery;
  /* Sequence numbers: the first not acknowledged, the next to send, the one after all ever sent. */
  uint32_t acknowledged, next, highest;
  bool is_blocked; /* there was no frame to send in */

  uint32_t window; /* the peer's, and which segment said so */
  uint8_t window_scale;
  uint32_t window_sequence, window_acknowledgment;
  uint32_t congestion_window, threshold;
  unsigned duplicates;
  bool is_recovering;
  uint32_t recover; /* loss is new only beyond this */

  uint32_t since_ms; /* of the state, or of the last step forward in it */
  bool timer_runs;
  uint32_t timer_ms, timeout_ms;
  unsigned retries;
  bool is_timing; /* how long a segment takes */
  uint32_t timed_sequence, timed_ms, smooth_ms, variation_ms;
};

static struct tcp_connection connections[TCP_CONNECTIONS];
/* The one found last, which is mostly the next as well. */
static struct tcp_connection *latest = connections;
static bool any_blocked, any_unacknowledged;

static uint16_t listening_port;
static const struct tcp_user *listening_user;
static uint64_t secret;

static bool before(uint32_t a, uint32_t b) { return (int32_t)(a - b) < 0; }
static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

void *tcp_context(const struct tcp_connection *connection) { return connection->context; }
unsigned tcp_index(const struct tcp_connection *connection) { return (unsigned)(connection - connections); }
void tcp_hold(struct tcp_connection *connection, bool is_held)
{
  connection->is_held = is_held;
  connection->since_ms = clock_ms();
}

static uint64_t mixed(uint64_t value)
{
  if (secret == 0)
    secret = rdtsc() * 0x9e3779b97f4a7c15 | 1;
  for (int round = 0; round < 3; round++) {
    value = (value ^ value >> 31) * 0xbf58476d1ce4e5b9;
    value = (value ^ value >> 29) * 0x94d049bb133111eb + secret;
  }
  return value;
}

/*
 * Different for each peer and not to be guessed by others, and growing with
 * time for each. The mixer is a good one, but not made for secrecy.
 */
static uint32_t initial_sequence(const struct address *remote, uint16_t remote_port, uint16_t local_port)
{
  uint64_t mix = mixed((uint64_t)remote->words[0] << 32 | remote->words[1]);
  mix = mixed(mix ^ ((uint64_t)remote->words[2] << 32 | remote->words[3]));
  mix = mixed(mix ^ ((uint32_t)remote_port << 16 | local_port));
  return (uint32_t)(mix >> 32) + (uint32_t)(clock_ns() >> 12);
}

/* ---- Places ---- */

static void free_place(struct tcp_connection *connection)
{
  if (connection->early != NULL)
    reassembly_give_back(connection->early);
  connection->early = NULL;
  connection->state = FREE;
}

static void close(struct tcp_connection *connection, enum tcp_end end)
{
  const struct tcp_user *user = connection->user;
  connection->user = NULL;
  free_place(connection);
  if (user != NULL)
    user->closed(connection, end);
}

static bool send_empty(struct tcp_connection *connection, uint32_t sequence, uint8_t flags)
{
  struct tcp_outgoing segment = {
    .interface = connection->interface,
    .from = connection->local,
    .to = connection->remote,
    .from_port = connection->local_port,
    .to_port = connection->remote_port,
    .sequence = sequence,
    .acknowledgment = connection->receive_next,
    .flags = flags,
    .offers_scale = connection->state == SYN_SENT || connection->window_scale > 0,
  };
  uint8_t *data;
  struct frame *frame = tcp_frame(&segment, &data);
  if (frame == NULL)
    return false;
  tcp_send(frame, &segment);
  if ((flags & TCP_ACK) != 0) {
    connection->must_acknowledge = false;
    connection->received_unacknowledged = 0;
  }
  return true;
}

static void acknowledge(struct tcp_connection *connection)
{
  if (!send_empty(connection, connection->next, TCP_ACK))
    connection->must_acknowledge = any_unacknowledged = true;
}

static void reset(struct tcp_connection *connection)
{
  if (connection->state != FREE && connection->state != TIME_WAIT)
    send_empty(connection, connection->next, TCP_RST | TCP_ACK);
}

void tcp_abort(struct tcp_connection *connection)
{
  reset(connection);
  connection->user = NULL;
  free_place(connection);
}

static bool is_of(const struct tcp_connection *connection, const struct tcp_segment *segment)
{
  return connection->state != FREE && connection->remote_port == segment->from_port &&
    connection->local_port == segment->to_port && address_equals(&connection->remote, &segment->packet->from) &&
    address_equals(&connection->local, &segment->packet->to);
}

static struct tcp_connection *find(const struct tcp_segment *segment)
{
  if (is_of(latest, segment))
    return latest;
  for (unsigned i = 0; i < TCP_CONNECTIONS; i++)
    if (is_of(&connections[i], segment))
      return latest = &connections[i];
  return NULL;
}

/*
 * A free place, or the oldest of those that are missed least: closed on both
 * sides, else never quite opened, else open for a while without a word.
 */
static struct tcp_connection *find_place(void)
{
  struct tcp_connection *closed = NULL, *half_open = NULL, *silent = NULL;
  uint32_t now = clock_ms();
  for (unsigned i = 0; i < TCP_CONNECTIONS; i++) {
    struct tcp_connection *connection = &connections[i];
    uint32_t age = now - connection->since_ms;
    struct tcp_connection **oldest = NULL;
    if (connection->state == FREE)
      return connection;
    if (connection->state == TIME_WAIT)
      oldest = &closed;
    else if (connection->state == SYN_RECEIVED)
      oldest = &half_open;
    else if (!connection->is_outgoing && !connection->is_held && connection->offered == 0 && age >= SPEAK_WHEN_FULL_WITHIN_MS)
      oldest = &silent;
    if (oldest != NULL && (*oldest == NULL || age > now - (*oldest)->since_ms))
      *oldest = connection;
  }
  struct tcp_connection *place = closed != NULL ? closed : half_open != NULL ? half_open : silent;
  if (place == NULL)
    return NULL;
  if (place == silent)
    reset(place);
  close(place, TCP_TIMEOUT);
  return place;
}

/* ---- Sending ---- */

static void start_timer(struct tcp_connection *connection)
{
  connection->timer_runs = true;
  connection->timer_ms = clock_ms() + connection->timeout_ms;
}

/* Where the end of what we say is, counted in bytes, with one for the FIN. */
static uint64_t end_of(const struct tcp_connection *connection) { return connection->offered + connection->is_finished; }

static bool has_all(const struct tcp_connection *connection)
{
  return connection->is_finished && connection->delivered == end_of(connection);
}

/* A segment of up to so many bytes from a sequence number on, with the FIN if it reaches that. The numbers used, 0 if it cannot be sent. */
static uint32_t send_data(struct tcp_connection *connection, uint32_t sequence, uint32_t length)
{
  uint64_t offset = connection->delivered + (sequence - connection->acknowledged);
  bool is_last = connection->is_finished && offset + length == connection->offered;
  struct tcp_outgoing segment = {
    .interface = connection->interface,
    .from = connection->local,
    .to = connection->remote,
    .from_port = connection->local_port,
    .to_port = connection->remote_port,
    .sequence = sequence,
    .acknowledgment = connection->receive_next,
    .flags = (uint8_t)(TCP_ACK | (is_last ? TCP_FIN : 0) | (offset + length == connection->offered ? TCP_PSH : 0)),
    .length = length,
  };
  uint8_t *data;
  struct frame *frame = tcp_frame(&segment, &data);
  if (frame == NULL) {
    connection->is_blocked = any_blocked = true;
    return 0;
  }
  if (length > 0)
    connection->user->fill(connection, offset, data, length);
  tcp_send(frame, &segment);
  connection->must_acknowledge = false;
  connection->received_unacknowledged = 0;
  uint32_t used = length + is_last;
  if (before(connection->highest, sequence + used))
    connection->highest = sequence + used;
  return used;
}

/* The first duplicates let new segments out, whose acknowledgments may be the further ones that show a loss. */
static uint32_t extra_window(const struct tcp_connection *connection)
{
  return connection->is_recovering ? 0 : least(connection->duplicates, DUPLICATES_OF_LOSS - 1) * connection->mss;
}

/* Sends as much as the windows let; at least a byte, if it must. */
static void send_more(struct tcp_connection *connection, bool must)
{
  connection->is_blocked = false;
  for (;;) {
    uint32_t under_way = connection->next - connection->acknowledged;
    uint64_t offset = connection->delivered + under_way;
    if (offset >= end_of(connection))
      break;
    uint32_t window = least(connection->window, connection->congestion_window + extra_window(connection));
    uint32_t room = window > under_way ? window - under_way : 0;
    if (room == 0 && must)
      room = 1;
    must = false;

    uint64_t left = connection->offered - offset;
    uint32_t length = left < connection->mss ? (uint32_t)left : connection->mss;
    if (length > room) {
      /* A small piece now would only be followed by more small pieces: wait for room, if something is on its way. */
      if (room == 0 || under_way > 0)
        break;
      length = room;
    }
    bool is_new = connection->next == connection->highest;
    uint32_t sent = send_data(connection, connection->next, length);
    if (sent == 0)
      break;
    if (!connection->is_timing && is_new) {
      connection->is_timing = true;
      connection->timed_sequence = connection->next + sent;
      connection->timed_ms = clock_ms();
    }
    connection->next += sent;
  }
  bool is_waiting = connection->next != connection->acknowledged || connection->delivered < end_of(connection);
  if (is_waiting && !connection->timer_runs)
    start_timer(connection);
}

void tcp_offer(struct tcp_connection *connection, uint64_t length)
{
  connection->offered = length;
  if (connection->state == OPEN)
    connection->is_blocked = any_blocked = true; /* sent with the next poll */
}

void tcp_finish(struct tcp_connection *connection)
{
  connection->is_finished = true;
  tcp_offer(connection, connection->offered);
}

/* The first of what is missing, again. */
static void send_again(struct tcp_connection *connection)
{
  uint64_t left = connection->offered - connection->delivered; /* 0: only the FIN */
  uint32_t length = least(connection->mss, connection->highest - connection->acknowledged);
  if (length > left)
    length = (uint32_t)left;
  connection->is_timing = false; /* its acknowledgment could be for either */
  send_data(connection, connection->acknowledged, length);
}

static void on_loss(struct tcp_connection *connection)
{
  uint32_t under_way = connection->next - connection->acknowledged;
  connection->threshold = under_way / 2 > 2u * connection->mss ? under_way / 2 : 2u * connection->mss;
  connection->recover = connection->highest;
}

/* ---- Opening ---- */

void tcp_listen(uint16_t port, const struct tcp_user *user)
{
  listening_port = port;
  listening_user = user;
}

static void make(struct tcp_connection *connection, uint32_t sequence)
{
  connection->acknowledged = connection->window_acknowledgment = sequence;
  connection->next = connection->highest = sequence + 1;
  connection->recover = sequence;
  connection->threshold = UINT32_MAX;
  connection->since_ms = clock_ms();
  connection->timeout_ms = MIN_TIMEOUT_MS;
  start_timer(connection);
}

/* What the peer's SYN says. */
static void take_syn(struct tcp_connection *connection, const struct tcp_segment *segment)
{
  connection->receive_next = segment->sequence + 1;
  connection->mss = segment->mss;
  connection->congestion_window = FIRST_SEGMENTS * (uint32_t)segment->mss;
  connection->window_scale = segment->has_scale ? segment->scale : 0;
  connection->window = segment->window;
  connection->window_sequence = segment->sequence;
}

static void open(const struct tcp_segment *segment)
{
  struct tcp_connection *connection = find_place();
  if (connection == NULL)
    return; /* the peer asks again, and by then there may be a place */
  const struct packet *packet = segment->packet;
  *connection = (struct tcp_connection){
    .state = SYN_RECEIVED,
    .interface = packet->interface,
    .local = packet->to,
    .remote = packet->from,
    .local_port = segment->to_port,
    .remote_port = segment->from_port,
    .user = listening_user,
  };
  uint32_t sequence = initial_sequence(&packet->from, segment->from_port, segment->to_port);
  make(connection, sequence);
  take_syn(connection, segment);
  send_empty(connection, sequence, TCP_SYN | TCP_ACK);
}

struct tcp_connection *tcp_connect(const struct address *to, uint16_t port, const struct tcp_user *user, void *context)
{
  struct route route;
  struct tcp_connection *connection = network_route(to, &route) ? find_place() : NULL;
  if (connection == NULL)
    return NULL;
  *connection = (struct tcp_connection){
    .state = SYN_SENT,
    .interface = route.interface,
    .local = route.from,
    .remote = *to,
    .remote_port = port,
    .is_outgoing = true,
    .user = user,
    .context = context,
    .mss = TCP_MIN_MSS,
  };
  /* One of 16384, that none of the others has and nobody listens on. */
  uint16_t local_port;
  bool is_taken;
  do {
    local_port = (uint16_t)(0xc000 | mixed(rdtsc()) >> 32);
    is_taken = local_port == listening_port;
    for (unsigned i = 0; i < TCP_CONNECTIONS; i++)
      is_taken = is_taken || (connections[i].state != FREE && connections[i].local_port == local_port);
  } while (is_taken);
  connection->local_port = local_port;
  uint32_t sequence = initial_sequence(to, port, local_port);
  make(connection, sequence);
  send_empty(connection, sequence, TCP_SYN);
  return connection;
}

/* ---- Receiving ---- */

/* For a segment that belongs to no connection. */
static void reset_sender(const struct tcp_segment *segment)
{
  if ((segment->flags & TCP_RST) != 0)
    return;
  const struct packet *packet = segment->packet;
  struct tcp_outgoing answer = {
    .interface = packet->interface,
    .from = packet->to,
    .to = packet->from,
    .from_port = segment->to_port,
    .to_port = segment->from_port,
    .flags = TCP_RST,
  };
  if ((segment->flags & TCP_ACK) != 0) {
    answer.sequence = segment->acknowledgment;
  } else {
    answer.flags |= TCP_ACK;
    answer.acknowledgment = segment->sequence + (uint32_t)segment->length + ((segment->flags & TCP_SYN) != 0) +
      ((segment->flags & TCP_FIN) != 0);
  }
  uint8_t *data;
  struct frame *frame = tcp_frame(&answer, &data);
  if (frame != NULL)
    tcp_send(frame, &answer);
}

static void take_time(struct tcp_connection *connection)
{
  uint32_t took = clock_ms() - connection->timed_ms;
  connection->is_timing = false;
  if (connection->smooth_ms == 0) {
    connection->smooth_ms = took + 1;
    connection->variation_ms = took / 2;
  } else {
    uint32_t off = took > connection->smooth_ms ? took - connection->smooth_ms : connection->smooth_ms - took;
    connection->variation_ms = (3 * connection->variation_ms + off) / 4;
    connection->smooth_ms = (7 * connection->smooth_ms + took) / 8 + 1;
  }
}

static uint32_t usual_timeout(const struct tcp_connection *connection)
{
  uint32_t ms = connection->smooth_ms + 4 * connection->variation_ms;
  return ms < MIN_TIMEOUT_MS ? MIN_TIMEOUT_MS : least(ms, MAX_TIMEOUT_MS);
}

/* More of what we said has arrived. */
static void on_progress(struct tcp_connection *connection, uint32_t acknowledgment)
{
  uint32_t count = acknowledgment - connection->acknowledged;
  connection->acknowledged = acknowledgment;
  connection->delivered += count;
  if (before(connection->next, acknowledgment))
    connection->next = acknowledgment; /* what we took for lost did arrive */
  if (connection->is_timing && !before(acknowledgment, connection->timed_sequence))
    take_time(connection);

  uint32_t mss = connection->mss;
  if (connection->is_recovering && before(acknowledgment, connection->recover)) {
    send_again(connection); /* more than one was lost */
    uint32_t window = connection->congestion_window;
    connection->congestion_window = (window > count + mss ? window - count : mss) + mss;
  } else if (connection->is_recovering) {
    connection->is_recovering = false;
    connection->congestion_window = connection->threshold;
  } else if (connection->congestion_window < connection->threshold) {
    connection->congestion_window += least(count, 2 * mss);
  } else {
    connection->congestion_window += mss * mss / connection->congestion_window + 1;
  }
  connection->congestion_window = least(connection->congestion_window, 1 << 24);
  connection->duplicates = 0;
  connection->retries = 0;
  connection->timeout_ms = usual_timeout(connection);
  connection->since_ms = clock_ms();
  connection->timer_runs = false;
}

/* How many duplicates tell that something is lost: fewer if all that is on its way, and the last there is, cannot cause as many. */
static uint32_t duplicates_of_loss(const struct tcp_connection *connection)
{
  uint32_t under_way = connection->next - connection->acknowledged;
  if (connection->delivered + under_way < end_of(connection) || under_way <= connection->mss)
    return DUPLICATES_OF_LOSS;
  return least(DUPLICATES_OF_LOSS, (under_way - 1) / connection->mss);
}

/* The peer says again what it said: something after that arrived, so what is next may be lost. */
static void on_duplicate(struct tcp_connection *connection)
{
  if (connection->is_recovering) {
    connection->congestion_window += connection->mss;
  } else if (++connection->duplicates >= duplicates_of_loss(connection) && !before(connection->acknowledged, connection->recover)) {
    on_loss(connection);
    connection->is_recovering = true;
    connection->congestion_window = connection->threshold + DUPLICATES_OF_LOSS * connection->mss;
    send_again(connection);
    start_timer(connection);
  }
}

/* What the segment acknowledges. False when it is not for what we sent. */
static bool take_acknowledgment(struct tcp_connection *connection, const struct tcp_segment *segment)
{
  uint32_t acknowledgment = segment->acknowledgment;
  if (before(connection->highest, acknowledgment)) {
    acknowledge(connection);
    return false;
  }
  if (before(acknowledgment, connection->acknowledged))
    return true; /* an old one */

  uint32_t old_window = connection->window;
  if (before(connection->window_sequence, segment->sequence) ||
      (connection->window_sequence == segment->sequence && !before(acknowledgment, connection->window_acknowledgment))) {
    connection->window = segment->window << connection->window_scale;
    connection->window_sequence = segment->sequence;
    connection->window_acknowledgment = acknowledgment;
  }
  if (acknowledgment != connection->acknowledged) {
    on_progress(connection, acknowledgment);
  } else if (old_window == 0 || connection->window == 0) {
    connection->retries = 0; /* it is there, but has no room */
    if (old_window == 0 && connection->window > 0)
      connection->next = acknowledgment; /* nor had it for the byte that we tried with */
  } else if (segment->length == 0 && (segment->flags & TCP_FIN) == 0 && old_window == connection->window &&
    connection->next != acknowledgment) {
    on_duplicate(connection);
  }
  return true;
}

static void consume(struct tcp_connection *connection, const uint8_t *data, size_t length)
{
  connection->receive_next += (uint32_t)length;
  connection->received_unacknowledged += (uint32_t)length;
  connection->since_ms = clock_ms();
  connection->user->received(connection, data, length);
}

/* What the segment brings, from the first byte on that we do not have yet. */
static void take_data(struct tcp_connection *connection, const struct tcp_segment *segment)
{
  bool has_fin = (segment->flags & TCP_FIN) != 0;
  if (segment->length == 0 && !has_fin) {
    if (segment->sequence != connection->receive_next)
      acknowledge(connection); /* a keep-alive, or something late */
    return;
  }
  uint32_t known = connection->receive_next - segment->sequence;
  bool is_early = before(connection->receive_next, segment->sequence);
  if (connection->peer_finished || (!is_early && known >= segment->length + has_fin)) {
    acknowledge(connection); /* ours was lost */
    return;
  }
  if (has_fin && !connection->has_peer_end) {
    connection->has_peer_end = true;
    connection->peer_end = segment->sequence + (uint32_t)segment->length;
  }
  if (is_early) {
    /* Within the window, as that was looked at before. */
    uint32_t ahead = segment->sequence - connection->receive_next;
    if (connection->early == NULL)
      connection->early = reassembly_take();
    if (connection->early != NULL && ahead < TCP_RECEIVE_WINDOW)
      reassembly_put(connection->early, segment->sequence, segment->data, least((uint32_t)segment->length, TCP_RECEIVE_WINDOW - ahead));
    acknowledge(connection); /* at once: so the peer sees what is missing */
    return;
  }

  connection->must_acknowledge = any_unacknowledged = true;
  if (known < segment->length)
    consume(connection, segment->data + known, segment->length - known);
  const uint8_t *data;
  size_t length;
  while (connection->state == OPEN && connection->early != NULL &&
    (length = reassembly_get(connection->early, connection->receive_next, &data)) > 0)
    consume(connection, data, length);
  if (connection->state == OPEN && connection->has_peer_end && !before(connection->receive_next, connection->peer_end)) {
    connection->receive_next++;
    connection->peer_finished = true;
    uint64_t sent = connection->delivered + (connection->highest - connection->acknowledged);
    connection->peer_finished_first = !connection->is_finished || sent < end_of(connection);
    connection->user->peer_finished(connection);
  }
}

/* Both sides have said all: who closed first has to remember it for a while. */
static void close_if_over(struct tcp_connection *connection)
{
  if (!has_all(connection))
    return;
  if (!connection->has_told_delivery) {
    connection->has_told_delivery = true;
    connection->user->delivered(connection);
  }
  if (!connection->peer_finished)
    return;
  if (connection->must_acknowledge)
    acknowledge(connection);
  bool must_remember = !connection->peer_finished_first;
  close(connection, TCP_FINISHED);
  if (must_remember) {
    connection->state = TIME_WAIT;
    connection->timer_runs = false;
    connection->since_ms = clock_ms();
  }
}

static void on_reset(struct tcp_connection *connection, const struct tcp_segment *segment)
{
  if (segment->sequence == connection->receive_next)
    close(connection, TCP_RESET);
  else if (segment->sequence - connection->receive_next < TCP_RECEIVE_WINDOW)
    acknowledge(connection); /* a true reset comes again with the right number */
}

/* The answer to our SYN. */
static void on_answer(struct tcp_connection *connection, const struct tcp_segment *segment)
{
  bool is_for_us = (segment->flags & TCP_ACK) != 0 && segment->acknowledgment == connection->next;
  if ((segment->flags & TCP_ACK) != 0 && !is_for_us) {
    reset_sender(segment);
  } else if ((segment->flags & TCP_RST) != 0) {
    if (is_for_us)
      close(connection, TCP_RESET);
  } else if ((segment->flags & TCP_SYN) != 0 && is_for_us) {
    take_syn(connection, segment);
    connection->state = OPEN;
    connection->acknowledged = connection->window_acknowledgment = segment->acknowledgment;
    connection->timer_runs = false;
    connection->retries = 0;
    connection->timeout_ms = MIN_TIMEOUT_MS;
    connection->since_ms = clock_ms();
    connection->must_acknowledge = any_unacknowledged = true;
    connection->user->opened(connection);
    if (connection->state == OPEN)
      send_more(connection, false);
  }
}

static void receive_on(struct tcp_connection *connection, const struct tcp_segment *segment)
{
  if (connection->state == SYN_SENT) {
    on_answer(connection, segment);
    return;
  }
  if ((segment->flags & TCP_RST) != 0) {
    on_reset(connection, segment);
    return;
  }
  if ((segment->flags & TCP_SYN) != 0) {
    if (connection->state == SYN_RECEIVED && segment->sequence + 1 == connection->receive_next)
      send_empty(connection, connection->acknowledged, TCP_SYN | TCP_ACK);
    else
      acknowledge(connection);
    return;
  }
  if ((segment->flags & TCP_ACK) == 0)
    return;
  if (connection->state == TIME_WAIT) {
    if (segment->length > 0 || (segment->flags & TCP_FIN) != 0)
      acknowledge(connection);
    return;
  }
  if (segment->sequence - connection->receive_next >= TCP_RECEIVE_WINDOW &&
      connection->receive_next - segment->sequence > TCP_RECEIVE_WINDOW) {
    acknowledge(connection);
    return;
  }
  if (connection->state == SYN_RECEIVED) {
    if (segment->acknowledgment != connection->next) {
      reset_sender(segment);
      return;
    }
    connection->state = OPEN;
    connection->acknowledged = segment->acknowledgment; /* of our SYN, which is no byte of what we say */
    connection->timer_runs = false;
    connection->retries = 0;
    connection->since_ms = clock_ms();
    connection->user->opened(connection);
    if (connection->state != OPEN)
      return;
  }
  if (!take_acknowledgment(connection, segment))
    return;
  take_data(connection, segment);
  if (connection->state != OPEN)
    return;
  send_more(connection, false);
  if (connection->received_unacknowledged >= SEGMENTS_UNACKNOWLEDGED * (uint32_t)connection->mss)
    acknowledge(connection);
  close_if_over(connection);
}

void tcp_receive(const struct packet *packet)
{
  struct tcp_segment segment;
  if (!tcp_read(packet, &segment))
    return;
  bool is_opening = (segment.flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;
  struct tcp_connection *connection = find(&segment);
  /* The peer may use its port again while we still remember the last time. */
  if (connection != NULL && connection->state == TIME_WAIT && is_opening && before(connection->receive_next, segment.sequence)) {
    connection->state = FREE;
    connection = NULL;
  }
  if (connection != NULL)
    receive_on(connection, &segment);
  else if (is_opening && segment.to_port == listening_port)
    open(&segment);
  else
    reset_sender(&segment);
}

/* ---- Time ---- */

void tcp_flush(void)
{
  if (!any_unacknowledged)
    return;
  any_unacknowledged = false;
  for (unsigned i = 0; i < TCP_CONNECTIONS; i++)
    if (connections[i].must_acknowledge && connections[i].state >= SYN_RECEIVED)
      acknowledge(&connections[i]);
}

static void on_timeout(struct tcp_connection *connection)
{
  bool is_opening = connection->state != OPEN;
  if (++connection->retries > (is_opening ? MAX_SYN_RETRIES : MAX_RETRIES)) {
    reset(connection);
    close(connection, TCP_TIMEOUT);
    return;
  }
  connection->timeout_ms = least(2 * connection->timeout_ms, MAX_TIMEOUT_MS);
  start_timer(connection);
  connection->is_timing = false;
  if (connection->state == SYN_SENT) {
    send_empty(connection, connection->acknowledged, TCP_SYN);
  } else if (connection->state == SYN_RECEIVED) {
    send_empty(connection, connection->acknowledged, TCP_SYN | TCP_ACK);
  } else {
    if (connection->window > 0)
      on_loss(connection);
    connection->is_recovering = false;
    connection->duplicates = 0;
    connection->congestion_window = connection->mss;
    connection->next = connection->acknowledged;
    send_more(connection, true);
  }
}

/* A peer that could go on and does not. */
static bool is_stuck(const struct tcp_connection *connection, uint32_t age)
{
  if (connection->state != OPEN)
    return false;
  if (connection->timer_runs)
    return age >= STALL_MS;
  if (connection->is_held)
    return false;
  return age >= (has_all(connection) ? CLOSE_WITHIN_MS : SPEAK_WITHIN_MS);
}

static void look_after(struct tcp_connection *connection, uint32_t now)
{
  uint32_t age = now - connection->since_ms;
  if (connection->state == FREE)
    return;
  if (connection->state == TIME_WAIT) {
    if (age >= TIME_WAIT_MS)
      connection->state = FREE;
  } else if (is_stuck(connection, age)) {
    reset(connection);
    close(connection, has_all(connection) ? TCP_FINISHED : TCP_TIMEOUT);
  } else if (connection->timer_runs && !before(now, connection->timer_ms)) {
    on_timeout(connection);
  }
}

void tcp_poll(void)
{
  static uint32_t last_ms;
  if (any_blocked) {
    any_blocked = false;
    for (unsigned i = 0; i < TCP_CONNECTIONS; i++)
      if (connections[i].is_blocked && connections[i].state == OPEN) {
        send_more(&connections[i], false);
        close_if_over(&connections[i]);
      }
  }
  uint32_t now = clock_ms();
  if (now - last_ms < POLL_MS)
    return;
  last_ms = now;
  for (unsigned i = 0; i < TCP_CONNECTIONS; i++)
    look_after(&connections[i], now);
}
