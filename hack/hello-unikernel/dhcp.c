/* RFC 2131. A lease is renewed by broadcast from half of its time on, as a client does that lost its server. */
#include "dhcp.h"

#include "clock.h"
#include "cpu.h"
#include "dns.h"
#include "serial.h"
#include "text.h"

enum {
  SERVER_PORT = 67,
  BOOT_REQUEST = 1,
  BOOT_REPLY = 2,
  HARDWARE_ETHERNET = 1,
  ANSWER_BY_BROADCAST = 0x8000,
  MAGIC = 0x63825363,

  DISCOVER = 1,
  OFFER = 2,
  REQUEST = 3,
  ACKNOWLEDGE = 5,
  REFUSE = 6,

  PAD = 0,
  SUBNET_MASK = 1,
  ROUTER = 3,
  NAME_SERVERS = 6,
  HOST_NAME = 12,
  INTERFACE_MTU = 26,
  REQUESTED_ADDRESS = 50,
  LEASE_TIME = 51,
  MESSAGE_TYPE = 53,
  SERVER = 54,
  WANTED_OPTIONS = 55,
  END = 255,

  FIRST_RETRY_MS = 500,
  LAST_RETRY_MS = 16 * 1000,
  COMPLAIN_AFTER_MS = 5000,
  DEFAULT_LEASE = 3600,
  MIN_LEASE = 10,
  /* The clock in milliseconds wraps: longer leases are renewed as if they were this long. */
  MAX_LEASE = 14 * 24 * 3600,
};

struct __attribute__((packed)) message {
  uint8_t operation, hardware, hardware_length, hops;
  uint32_t transaction;
  uint16_t seconds, flags;
  uint32_t client, yours, next_server, relay;
  uint8_t client_mac[16], server_name[64], file[128];
  uint32_t magic;
  uint8_t options[64];
};

static const char *host_name;

static struct client {
  enum {
    OFF,
    SELECTING,  /* asked whoever is there */
    REQUESTING, /* chose an offer */
    BOUND,
    RENEWING,
  } state;
  struct interface *interface;
  uint32_t transaction;
  uint32_t started_ms, asked_ms, retry_ms, bound_ms, lease_ms;
  bool complained;
  uint32_t offered, server;
} clients[MAX_INTERFACES];

static uint8_t *put_option(uint8_t *at, uint8_t code, const void *data, size_t length)
{
  at[0] = code;
  at[1] = (uint8_t)length;
  memcpy(at + 2, data, length);
  return at + 2 + length;
}

static uint8_t *put_address(uint8_t *at, uint8_t code, uint32_t address)
{
  address = be32(address);
  return put_option(at, code, &address, sizeof address);
}

static void ask(struct client *client)
{
  struct interface *interface = client->interface;
  client->asked_ms = clock_ms();
  struct frame *frame = network_frame(interface);
  if (frame == NULL)
    return;
  struct address from = address_from_ipv4(interface->ipv4.address), to = address_from_ipv4(IPV4_BROADCAST);
  struct message *message = (struct message *)udp_data(frame, &to);
  memset(message, 0, sizeof *message);
  message->operation = BOOT_REQUEST;
  message->hardware = HARDWARE_ETHERNET;
  message->hardware_length = MAC_LENGTH;
  message->transaction = client->transaction;
  message->flags = be16(ANSWER_BY_BROADCAST);
  message->client = client->state == RENEWING ? be32(interface->ipv4.address) : 0;
  memcpy(message->client_mac, interface->card.mac, MAC_LENGTH);
  message->magic = be32(MAGIC);

  uint8_t type = client->state == SELECTING ? DISCOVER : REQUEST;
  uint8_t *at = put_option(message->options, MESSAGE_TYPE, &type, 1);
  if (client->state == REQUESTING) {
    at = put_address(at, REQUESTED_ADDRESS, client->offered);
    at = put_address(at, SERVER, client->server);
  }
  static const uint8_t wanted[] = {SUBNET_MASK, ROUTER, NAME_SERVERS, INTERFACE_MTU, LEASE_TIME};
  at = put_option(at, WANTED_OPTIONS, wanted, sizeof wanted);
  size_t length = strlen(host_name);
  at = put_option(at, HOST_NAME, host_name, length < 32 ? length : 32);
  *at = END;
  udp_send(frame, &from, DHCP_CLIENT_PORT, &to, SERVER_PORT, sizeof *message);
}

static void discover(struct client *client)
{
  client->state = SELECTING;
  client->transaction = (uint32_t)rdtsc() * 0x9e3779b1;
  client->retry_ms = FIRST_RETRY_MS;
  ask(client);
}

void dhcp_start(struct interface *interface, const char *name)
{
  struct client *client = &clients[interface->number - 1];
  host_name = name;
  client->interface = interface;
  client->started_ms = clock_ms();
  discover(client);
}

struct answer {
  uint8_t type;
  uint32_t address, mask, gateway, server, lease, mtu;
  uint32_t name_servers[2];
};

/* One option's value, whose length is right for its kind. */
static void take_option(struct answer *answer, uint8_t code, const uint8_t *value, size_t length)
{
  uint32_t numbers[2] = {0};
  memcpy(numbers, value, length < sizeof numbers ? length : sizeof numbers);
  if (code == MESSAGE_TYPE && length == 1)
    answer->type = value[0];
  else if (code == SUBNET_MASK && length == 4)
    answer->mask = be32(numbers[0]);
  else if (code == ROUTER && length >= 4) /* of several the first */
    answer->gateway = be32(numbers[0]);
  else if (code == SERVER && length == 4)
    answer->server = be32(numbers[0]);
  else if (code == LEASE_TIME && length == 4)
    answer->lease = be32(numbers[0]);
  else if (code == INTERFACE_MTU && length == 2)
    answer->mtu = (uint32_t)value[0] << 8 | value[1];
  else if (code == NAME_SERVERS && length >= 4) {
    answer->name_servers[0] = be32(numbers[0]);
    answer->name_servers[1] = length >= 8 ? be32(numbers[1]) : 0;
  }
}

/* A checked answer to what the client asked; false for all else. */
static bool read_answer(const struct client *client, const struct datagram *datagram, struct answer *answer)
{
  const struct message *message = (const struct message *)datagram->data;
  if (datagram->length < offsetof(struct message, options) || datagram->from_port != SERVER_PORT)
    return false;
  if (message->operation != BOOT_REPLY || message->transaction != client->transaction || message->magic != be32(MAGIC) ||
      memcmp(message->client_mac, client->interface->card.mac, MAC_LENGTH) != 0)
    return false;

  *answer = (struct answer){.address = be32(message->yours), .mask = 0xffffff00, .lease = DEFAULT_LEASE};
  const uint8_t *at = message->options, *end = datagram->data + datagram->length;
  while (at < end && *at != END) {
    if (*at == PAD) {
      at++;
      continue;
    }
    if (end - at < 2 || at[1] > end - at - 2)
      break;
    take_option(answer, at[0], at + 2, at[1]);
    at += 2 + at[1];
  }
  return true;
}

static void take_lease(struct client *client, const struct answer *answer)
{
  struct interface *interface = client->interface;
  client->state = BOUND;
  client->bound_ms = clock_ms();
  client->lease_ms = (answer->lease < MIN_LEASE ? MIN_LEASE : answer->lease < MAX_LEASE ? answer->lease : MAX_LEASE) * 1000;
  if (answer->mtu >= MIN_MTU && answer->mtu < interface->mtu)
    interface->mtu = answer->mtu;
  for (unsigned i = 0; i < 2; i++)
    if (answer->name_servers[i] != 0) {
      struct address server = address_from_ipv4(answer->name_servers[i]);
      dns_add_server(&server);
    }
  if (answer->address != interface->ipv4.address || answer->mask != interface->ipv4.mask ||
      answer->gateway != interface->ipv4.gateway)
    network_set_ipv4(interface, answer->address, answer->mask, answer->gateway);
}

void dhcp_receive(const struct datagram *datagram)
{
  struct client *client = &clients[datagram->interface->number - 1];
  struct answer answer;
  if (client->state == OFF || client->state == BOUND || !read_answer(client, datagram, &answer))
    return;

  if (client->state == SELECTING) {
    if (answer.type != OFFER || answer.address == 0)
      return;
    client->offered = answer.address;
    client->server = answer.server != 0 ? answer.server : address_ipv4(&datagram->from);
    client->state = REQUESTING;
    client->retry_ms = FIRST_RETRY_MS;
    ask(client);
  } else if (answer.type == ACKNOWLEDGE && answer.address != 0) {
    take_lease(client, &answer);
  } else if (answer.type == REFUSE) {
    network_set_ipv4(client->interface, 0, 0, 0);
    discover(client);
  }
}

static void poll(struct client *client)
{
  uint32_t now = clock_ms();
  if (client->state == BOUND) {
    if (now - client->bound_ms < client->lease_ms / 2)
      return;
    client->state = RENEWING;
    client->retry_ms = FIRST_RETRY_MS;
    ask(client);
    return;
  }
  if (client->state == RENEWING && now - client->bound_ms >= client->lease_ms) {
    print("hello: the lease of %i has ended, asking for another", client->interface->ipv4.address);
    network_set_ipv4(client->interface, 0, 0, 0);
    discover(client);
  } else if (now - client->asked_ms >= client->retry_ms) {
    client->retry_ms = client->retry_ms * 2 < LAST_RETRY_MS ? client->retry_ms * 2 : LAST_RETRY_MS;
    if (client->state == REQUESTING && client->retry_ms > 8 * FIRST_RETRY_MS)
      discover(client); /* that server is gone */
    else
      ask(client);
  }
  if (!client->complained && client->interface->ipv4.address == 0 && now - client->started_ms >= COMPLAIN_AFTER_MS) {
    client->complained = true;
    print("hello: no DHCP server has answered yet, still asking");
  }
}

void dhcp_poll(void)
{
  for (unsigned i = 0; i < interface_count; i++)
    if (clients[i].state != OFF)
      poll(&clients[i]);
}
