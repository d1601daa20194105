/* TCP: connections that others open to us, and ones that we open. */
#pragma once
#include "network.h"

enum { TCP_CONNECTIONS = 256 };

struct tcp_connection;

enum tcp_end {
  TCP_FINISHED, /* both sides have said all they had to say */
  TCP_ABORTED,  /* by us */
  TCP_RESET,    /* by the peer: if it was not open yet, it is refused */
  TCP_TIMEOUT,  /* the peer is gone, or does not go on */
};

/* Who speaks over a connection. Inside these functions only tcp_offer, tcp_finish, tcp_hold and tcp_abort may be called. */
struct tcp_user {
  void (*opened)(struct tcp_connection *connection);
  /* The next bytes of the peer's, in order. */
  void (*received)(struct tcp_connection *connection, const uint8_t *data, size_t length);
  /* The peer has no more to say. */
  void (*peer_finished)(struct tcp_connection *connection);
  /* Writes bytes of what we say, from an offset in it. Those that were lost are asked for again. */
  void (*fill)(const struct tcp_connection *connection, uint64_t offset, uint8_t *to, size_t length);
  /* The peer has all that we had to say, up to the end. */
  void (*delivered)(struct tcp_connection *connection);
  /* The last that is heard of a connection. */
  void (*closed)(struct tcp_connection *connection, enum tcp_end end);
};

/* Answers connections to the port; every other port is closed. */
void tcp_listen(uint16_t port, const struct tcp_user *user);
/* Opens a connection, or returns NULL when there is no place or no way. The context is for its user. */
struct tcp_connection *tcp_connect(const struct address *to, uint16_t port, const struct tcp_user *user, void *context);

void *tcp_context(const struct tcp_connection *connection);
/* A number below TCP_CONNECTIONS that no other connection has at the same time. */
unsigned tcp_index(const struct tcp_connection *connection);

/* What we say is so long by now, in all. */
void tcp_offer(struct tcp_connection *connection, uint64_t length);
/* There will be no more. */
void tcp_finish(struct tcp_connection *connection);
/* While it is held the peer need not say anything. */
void tcp_hold(struct tcp_connection *connection, bool is_held);
/* Resets it. `closed` is not called. */
void tcp_abort(struct tcp_connection *connection);

void tcp_receive(const struct packet *packet);
/* Acknowledges what has come. Call it after each batch of packets. */
void tcp_flush(void);
/* Goes on where there was no room, sends again what was lost, and forgets connections that are over. At least every 100 ms. */
void tcp_poll(void);
