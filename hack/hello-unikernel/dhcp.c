/* RFC 2131. A lease is renewed by broadcast from half of its time on, as a client does that lost its server. */
#include "dhcp.h"

#include "clock.h"
#include "cpu.h"
#include "serial.h"
#include "text.h"

enum {
  SERVER_PORT = 67,
  CLIENT_PORT = 68,
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
  HOST_NAME = 12,
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
  struct {
    uint16_t from_port, to_port, length, checksum;
  } udp;
  uint8_t operation, hardware, hardware_length, hops;
  uint32_t transaction;
  uint16_t seconds, flags;
  uint32_t client, yours, next_server, relay;
  uint8_t client_mac[16], server_name[64], file[128];
  uint32_t magic;
  uint8_t options[64];
};

static enum {
  OFF,
  SELECTING,  /* asked whoever is there */
  REQUESTING, /* chose an offer */
  BOUND,
  RENEWING,
} state = OFF;

static const char *host_name;
static uint32_t transaction;
static uint32_t started_ms, asked_ms, retry_ms, bound_ms, lease_ms;
static bool complained;
static uint32_t offered, server;

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

static void ask(void)
{
  asked_ms = clock_ms();
  struct frame *frame = card_frame();
  if (frame == NULL)
    return;
  struct message *message = (struct message *)ip_payload(frame);
  memset(message, 0, sizeof *message);
  message->udp.from_port = be16(CLIENT_PORT);
  message->udp.to_port = be16(SERVER_PORT);
  message->udp.length = be16(sizeof *message);
  message->operation = BOOT_REQUEST;
  message->hardware = HARDWARE_ETHERNET;
  message->hardware_length = MAC_LENGTH;
  message->transaction = transaction;
  message->flags = be16(ANSWER_BY_BROADCAST);
  message->client = state == RENEWING ? be32(network.address) : 0;
  memcpy(message->client_mac, card_mac(), MAC_LENGTH);
  message->magic = be32(MAGIC);

  uint8_t type = state == SELECTING ? DISCOVER : REQUEST;
  uint8_t *at = put_option(message->options, MESSAGE_TYPE, &type, 1);
  if (state == REQUESTING) {
    at = put_address(at, REQUESTED_ADDRESS, offered);
    at = put_address(at, SERVER, server);
  }
  at = put_option(at, WANTED_OPTIONS, (const uint8_t[]){SUBNET_MASK, ROUTER, LEASE_TIME}, 3);
  size_t length = strlen(host_name);
  at = put_option(at, HOST_NAME, host_name, length < 32 ? length : 32);
  *at = END;

  uint32_t sum = checksum_pseudo_header(network.address, BROADCAST, PROTOCOL_UDP, sizeof *message);
  message->udp.checksum = checksum_finish(checksum_add(sum, message, sizeof *message));
  ip_send(frame, BROADCAST, PROTOCOL_UDP, sizeof *message);
}

static void discover(void)
{
  state = SELECTING;
  transaction = (uint32_t)rdtsc() * 0x9e3779b1;
  retry_ms = FIRST_RETRY_MS;
  ask();
}

void dhcp_start(const char *name)
{
  host_name = name;
  started_ms = clock_ms();
  discover();
}

struct answer {
  uint8_t type;
  uint32_t address, mask, gateway, server, lease;
};

/* A checked answer to what we asked; false for all else. */
static bool read_answer(const struct packet *packet, struct answer *answer)
{
  const struct message *message = (const struct message *)packet->payload;
  if (packet->length < offsetof(struct message, options) || message->udp.to_port != be16(CLIENT_PORT) ||
      message->udp.from_port != be16(SERVER_PORT))
    return false;
  size_t length = be16(message->udp.length);
  if (length < offsetof(struct message, options) || length > packet->length)
    return false;
  uint32_t sum = checksum_pseudo_header(packet->from, packet->to, PROTOCOL_UDP, length);
  if (message->udp.checksum != 0 && checksum_finish(checksum_add(sum, message, length)) != 0)
    return false;
  if (message->operation != BOOT_REPLY || message->transaction != transaction || message->magic != be32(MAGIC) ||
      memcmp(message->client_mac, card_mac(), MAC_LENGTH) != 0)
    return false;

  *answer = (struct answer){.address = be32(message->yours), .mask = 0xffffff00, .lease = DEFAULT_LEASE};
  const uint8_t *at = message->options, *end = packet->payload + length;
  while (at < end && *at != END) {
    if (*at == PAD) {
      at++;
      continue;
    }
    if (end - at < 2 || at[1] > end - at - 2)
      break;
    uint32_t number = 0;
    if (at[1] >= 4)
      memcpy(&number, at + 2, 4); /* of several routers the first */
    if (at[0] == MESSAGE_TYPE && at[1] == 1)
      answer->type = at[2];
    else if (at[0] == SUBNET_MASK && at[1] == 4)
      answer->mask = be32(number);
    else if (at[0] == ROUTER && at[1] >= 4)
      answer->gateway = be32(number);
    else if (at[0] == SERVER && at[1] == 4)
      answer->server = be32(number);
    else if (at[0] == LEASE_TIME && at[1] == 4)
      answer->lease = be32(number);
    at += 2 + at[1];
  }
  return true;
}

void dhcp_receive(const struct packet *packet)
{
  struct answer answer;
  if (state == OFF || state == BOUND || !read_answer(packet, &answer))
    return;

  if (state == SELECTING) {
    if (answer.type != OFFER || answer.address == 0)
      return;
    offered = answer.address;
    server = answer.server != 0 ? answer.server : packet->from;
    state = REQUESTING;
    retry_ms = FIRST_RETRY_MS;
    ask();
  } else if (answer.type == ACKNOWLEDGE && answer.address != 0) {
    state = BOUND;
    bound_ms = clock_ms();
    lease_ms = (answer.lease < MIN_LEASE ? MIN_LEASE : answer.lease < MAX_LEASE ? answer.lease : MAX_LEASE) * 1000;
    if (answer.address != network.address || answer.mask != network.mask || answer.gateway != network.gateway)
      network_set(answer.address, answer.mask, answer.gateway);
  } else if (answer.type == REFUSE) {
    network_set(0, 0, 0);
    discover();
  }
}

void dhcp_poll(void)
{
  uint32_t now = clock_ms();
  if (state == OFF)
    return;
  if (state == BOUND) {
    if (now - bound_ms < lease_ms / 2)
      return;
    state = RENEWING;
    retry_ms = FIRST_RETRY_MS;
    ask();
    return;
  }
  if (state == RENEWING && now - bound_ms >= lease_ms) {
    print("hello: the lease of %i has ended, asking for another", network.address);
    network_set(0, 0, 0);
    discover();
  } else if (now - asked_ms >= retry_ms) {
    retry_ms = retry_ms * 2 < LAST_RETRY_MS ? retry_ms * 2 : LAST_RETRY_MS;
    if (state == REQUESTING && retry_ms > 8 * FIRST_RETRY_MS)
      discover(); /* that server is gone */
    else
      ask();
  }
  if (!complained && network.address == 0 && now - started_ms >= COMPLAIN_AFTER_MS) {
    complained = true;
    print("hello: no DHCP server has answered yet, still asking");
  }
}
