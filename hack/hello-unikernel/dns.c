#include "dns.h"

#include "clock.h"
#include "cpu.h"

enum {
  SERVER_PORT = 53,
  SERVERS = 4,
  LOOKUPS = 8,
  TRIES = 6, /* in turns over the servers */
  ASK_AGAIN_MS = 1000,

  MAX_NAME = 253,
  MAX_LABEL = 63,

  IS_ANSWER = 0x8000,
  WANTS_RECURSION = 0x0100,
  STATUS = 0x000f,
  NO_SUCH_NAME = 3,

  TYPE_A = 1,
  TYPE_AAAA = 28,
  CLASS_INTERNET = 1,
};

struct __attribute__((packed)) header {
  uint16_t id, flags, questions, answers, authorities, additions;
};

struct __attribute__((packed)) record {
  uint16_t type, class;
  uint32_t lifetime;
  uint16_t length;
};

static struct address servers[SERVERS];
static unsigned server_count;

/* The two questions about a name, of which each has an answer or none yet. */
static struct lookup {
  dns_done *done; /* NULL: free */
  void *context;
  char name[MAX_NAME + 1];
  uint16_t port, ids[2]; /* of A and AAAA */
  bool has[2];
  struct dns_answer found[2];
  unsigned tries;
  uint32_t asked_ms;
  struct address server;
} lookups[LOOKUPS];

void dns_add_server(const struct address *server)
{
  for (unsigned i = 0; i < server_count; i++)
    if (address_equals(&servers[i], server))
      return;
  if (server_count < SERVERS)
    servers[server_count++] = *server;
}

/* Not to be guessed by who does not see our packets. */
static uint16_t random(void)
{
  static uint64_t state;
  state = (state ^ rdtsc()) * 0x9e3779b97f4a7c15;
  state ^= state >> 29;
  return (uint16_t)(state >> 32);
}

/* Labels with their lengths before them. Where it ends, or NULL for what is no name. */
static uint8_t *put_name(uint8_t *at, struct slice name)
{
  if (name.length > 0 && name.at[name.length - 1] == '.')
    name.length--;
  while (name.length > 0) {
    size_t before = name.length;
    struct slice label = slice_cut(&name, '.');
    if (label.length == 0 || label.length > MAX_LABEL || (name.length == 0 && label.length != before))
      return NULL;
    *at++ = (uint8_t)label.length;
    memcpy(at, label.at, label.length);
    at += label.length;
  }
  *at++ = 0;
  return at;
}

static void ask(struct lookup *lookup)
{
  lookup->server = servers[lookup->tries++ % server_count];
  lookup->asked_ms = clock_ms();
  struct route route;
  if (!network_route(&lookup->server, &route))
    return;
  for (unsigned i = 0; i < 2; i++) {
    struct frame *frame = lookup->has[i] ? NULL : network_frame(route.interface);
    if (frame == NULL)
      continue;
    uint8_t *data = udp_data(frame, &lookup->server);
    *(struct header *)data =
      (struct header){.id = lookup->ids[i], .flags = be16(WANTS_RECURSION), .questions = be16(1)};
    uint8_t *at = put_name(data + sizeof(struct header), slice_of(lookup->name));
    at[0] = 0;
    at[1] = i == 0 ? TYPE_A : TYPE_AAAA;
    at[2] = 0;
    at[3] = CLASS_INTERNET;
    udp_send(frame, &route.from, lookup->port, &lookup->server, SERVER_PORT, (size_t)(at + 4 - data));
  }
}

bool dns_resolve(struct slice name, dns_done *done, void *context, const char **error)
{
  uint8_t room[MAX_NAME + 3];
  *error = NULL;
  if (name.length == 0 || name.length > MAX_NAME || put_name(room, name) == NULL)
    *error = "that is no host name";
  else if (server_count == 0)
    *error = "no name server is known, dns= would name one";
  if (*error != NULL)
    return false;
  for (unsigned i = 0; i < LOOKUPS; i++) {
    struct lookup *lookup = &lookups[i];
    if (lookup->done != NULL)
      continue;
    *lookup = (struct lookup){.done = done, .context = context};
    memcpy(lookup->name, name.at, name.length);
    lookup->port = (uint16_t)(0xc000 | random());
    lookup->ids[0] = random();
    lookup->ids[1] = (uint16_t)~lookup->ids[0];
    ask(lookup);
    return true;
  }
  *error = "too many names are being asked for";
  return false;
}

void dns_cancel(const void *context)
{
  for (unsigned i = 0; i < LOOKUPS; i++)
    if (lookups[i].context == context)
      lookups[i] = (struct lookup){0};
}

static void finish(struct lookup *lookup)
{
  struct dns_answer all = {.error = lookup->found[0].error != NULL ? lookup->found[0].error : lookup->found[1].error};
  for (unsigned i = 2; i-- > 0;)
    for (unsigned j = 0; j < lookup->found[i].count && all.count < DNS_ADDRESSES; j++)
      all.addresses[all.count++] = lookup->found[i].addresses[j];
  if (all.count == 0 && all.error == NULL)
    all.error = lookup->has[0] || lookup->has[1] ? "the name has no address" : "no name server answers";
  dns_done *done = lookup->done;
  void *context = lookup->context;
  *lookup = (struct lookup){0};
  done(context, &all);
}

/* Where the name ends that begins here, or NULL. */
static const uint8_t *skip_name(const uint8_t *at, const uint8_t *end)
{
  while (at < end) {
    if (*at == 0)
      return at + 1;
    if (*at >= 0xc0) /* the rest is said elsewhere */
      return end - at >= 2 ? at + 2 : NULL;
    if (*at > MAX_LABEL || *at >= end - at)
      return NULL;
    at += 1 + *at;
  }
  return NULL;
}

/* Whatever the names of its records are: aliases lead from one to the next, and the server is trusted to follow them. */
static bool read_answers(const struct datagram *datagram, uint16_t type, struct dns_answer *found)
{
  const struct header *header = (const struct header *)datagram->data;
  const uint8_t *at = (const uint8_t *)(header + 1), *end = datagram->data + datagram->length;
  for (unsigned i = be16(header->questions); i > 0; i--) {
    at = skip_name(at, end);
    if (at == NULL || end - at < 4)
      return false;
    at += 4;
  }
  size_t size = type == TYPE_A ? 4 : 16;
  for (unsigned i = be16(header->answers); i > 0 && found->count < DNS_ADDRESSES; i--) {
    at = skip_name(at, end);
    if (at == NULL || (size_t)(end - at) < sizeof(struct record))
      return false;
    const struct record *record = (const struct record *)at;
    at += sizeof *record;
    size_t length = be16(record->length);
    if (length > (size_t)(end - at))
      return false;
    if (record->type == be16(type) && record->class == be16(CLASS_INTERNET) && length == size) {
      struct address address = address_from_ipv4(0);
      memcpy((uint8_t *)&address + (16 - size), at, size);
      bool is_usable = type == TYPE_A || address_is_usable_ipv6(&address);
      if (is_usable)
        found->addresses[found->count++] = address;
    }
    at += length;
  }
  return true;
}

static void take_answer(struct lookup *lookup, unsigned which, const struct datagram *datagram)
{
  const struct header *header = (const struct header *)datagram->data;
  struct dns_answer *found = &lookup->found[which];
  *found = (struct dns_answer){0};
  uint16_t status = be16(header->flags) & STATUS;
  if (status == NO_SUCH_NAME)
    found->error = "there is no such name";
  else if (status != 0)
    found->error = "the name server cannot say";
  else if (!read_answers(datagram, which == 0 ? TYPE_A : TYPE_AAAA, found))
    return; /* not to be read: it will be asked again */
  lookup->has[which] = true;
  if (lookup->has[0] && lookup->has[1])
    finish(lookup);
}

void dns_receive(const struct datagram *datagram)
{
  const struct header *header = (const struct header *)datagram->data;
  if (datagram->from_port != SERVER_PORT || datagram->length < sizeof *header || (be16(header->flags) & IS_ANSWER) == 0)
    return;
  for (unsigned i = 0; i < LOOKUPS; i++) {
    struct lookup *lookup = &lookups[i];
    if (lookup->done == NULL || lookup->port != datagram->to_port || !address_equals(&lookup->server, &datagram->from))
      continue;
    for (unsigned which = 0; which < 2; which++)
      if (!lookup->has[which] && lookup->ids[which] == header->id) {
        take_answer(lookup, which, datagram);
        return;
      }
  }
}

void dns_poll(void)
{
  uint32_t now = clock_ms();
  for (unsigned i = 0; i < LOOKUPS; i++) {
    struct lookup *lookup = &lookups[i];
    if (lookup->done == NULL || now - lookup->asked_ms < ASK_AGAIN_MS)
      continue;
    /* Some servers never answer about IPv6: what there is will do. */
    bool is_enough = lookup->found[0].count + lookup->found[1].count > 0;
    if (is_enough || lookup->tries >= TRIES)
      finish(lookup);
    else
      ask(lookup);
  }
}
