/* Names to addresses, by name servers (RFC 1035, 3596) over UDP. */
#pragma once
#include "text.h"
#include "udp.h"

enum { DNS_ADDRESSES = 8 };

/* Another one to ask; more than four, and those known already, are left out. */
void dns_add_server(const struct address *server);

struct dns_answer {
  struct address addresses[DNS_ADDRESSES]; /* those of IPv6 first */
  unsigned count;
  const char *error; /* why there are none */
};
typedef void dns_done(void *context, const struct dns_answer *answer);

/*
 * Asks for all addresses of a name. The function is called later, once, unless
 * it is cancelled before. False, with the reason, when it cannot even be asked.
 */
bool dns_resolve(struct slice name, dns_done *done, void *context, const char **error);
void dns_cancel(const void *context);

void dns_receive(const struct datagram *datagram);
/* Asks again in time. Call it at least every 100 ms. */
void dns_poll(void);
