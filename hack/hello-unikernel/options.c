#include "options.h"

#include "serial.h"

enum { DEFAULT_PORT = 8080 };

/* ---- Words about a network card ---- */

static bool take_ip(struct card_options *card, struct slice value)
{
  uint32_t length;
  card->wants_dhcp = slice_equals(value, "dhcp");
  if (card->wants_dhcp)
    return true;
  struct slice address = slice_cut(&value, '/');
  if (!parse_ipv4(address, &card->address) || !parse_number(value, 32, &length) || length == 0)
    return false;
  card->mask = (uint32_t)(UINT64_C(0xffffffff00000000) >> length);
  /* An address that one machine can have. */
  uint32_t first = card->address >> 24;
  return first != 0 && first != 127 && first < 224;
}

static bool take_gateway(struct card_options *card, struct slice value) { return parse_ipv4(value, &card->gateway); }

/* As Unikraft's kernels are told; what follows the gateway is for somebody else. */
static bool take_netdev(struct card_options *card, struct slice value)
{
  struct slice address = slice_cut(&value, ':');
  struct slice gateway = slice_cut(&value, ':');
  return take_ip(card, address) && (gateway.length == 0 || take_gateway(card, gateway));
}

static bool take_ip6(struct card_options *card, struct slice value)
{
  uint32_t length;
  card->asks_routers = slice_equals(value, "auto");
  if (card->asks_routers)
    return true;
  struct slice address = slice_cut(&value, '/');
  if (!parse_ipv6(address, &card->ipv6) || !address_is_usable_ipv6(&card->ipv6) || !parse_number(value, 128, &length) || length == 0)
    return false;
  card->ipv6_prefix_length = (uint8_t)length;
  return true;
}

static bool take_ip6_gateway(struct card_options *card, struct slice value)
{
  return parse_ipv6(value, &card->ipv6_gateway) && address_is_usable_ipv6(&card->ipv6_gateway);
}

static bool take_mac(struct card_options *card, struct slice value)
{
  for (unsigned i = 0; i < MAC_LENGTH; i++) {
    struct slice pair = slice_cut(&value, ':');
    uint32_t byte;
    if (pair.length != 2 || !parse_hex(pair, &byte))
      return false;
    card->mac[i] = (uint8_t)byte;
  }
  card->has_mac = true;
  return value.length == 0;
}

static bool take_mtu(struct card_options *card, struct slice value)
{
  return parse_number(value, MAX_MTU, &card->mtu) && card->mtu >= MIN_MTU;
}

/* ---- Words about the rest ---- */

static bool take_name_servers(struct options *options, struct slice value)
{
  do {
    struct slice text = slice_cut(&value, ',');
    struct slice address = slice_cut(&text, '%'); /* without a zone, such as a resolv.conf may have: that is another machine's */
    if (options->name_server_count == MAX_NAME_SERVERS ||
        !parse_address(address, &options->name_servers[options->name_server_count++]))
      return false;
  } while (value.length > 0);
  return true;
}

static bool take_any_port(uint16_t *to, struct slice value)
{
  uint32_t port;
  bool is_good = parse_number(value, 65535, &port) && port != 0;
  *to = (uint16_t)port;
  return is_good;
}

static bool take_port(struct options *options, struct slice value) { return take_any_port(&options->port, value); }
static bool take_udp_port(struct options *options, struct slice value) { return take_any_port(&options->udp_port, value); }

static bool take_url(struct options *options, struct slice value)
{
  options->url = value;
  return slice_starts_with(value, "http://");
}

static bool take_exit(struct options *options, struct slice value)
{
  uint32_t status;
  options->ends = parse_number(value, 255, &status);
  options->end_status = (uint8_t)status;
  return options->ends;
}

static bool take_name(struct options *options, struct slice value)
{
  if (value.length == 0 || value.length >= sizeof options->name)
    return false;
  for (size_t i = 0; i < value.length; i++) {
    char c = value.at[i];
    bool is_good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
    if (!is_good)
      return false;
  }
  memcpy(options->name, value.at, value.length);
  options->name[value.length] = '\0';
  return true;
}

static const struct {
  const char *key;
  bool (*take)(struct options *options, struct slice value);
  bool (*take_for_card)(struct card_options *card, struct slice value); /* "key:2" is about the second one */
  const char *expected;
} words[] = {
  {"ip", NULL, take_ip, "an IPv4 address with its prefix length, such as 10.0.0.2/24, or dhcp"},
  {"netdev.ip", NULL, take_netdev, "an IPv4 address with its prefix length, and a gateway behind a colon"},
  {"gw", NULL, take_gateway, "an IPv4 address, such as 10.0.0.1"},
  {"ip6", NULL, take_ip6, "an IPv6 address with its prefix length, such as fd00::2/64, or auto"},
  {"gw6", NULL, take_ip6_gateway, "an IPv6 address, such as fd00::1"},
  {"mac", NULL, take_mac, "a card's hardware address, such as 02:00:00:00:00:01"},
  {"mtu", NULL, take_mtu, "a number from 576 to 9000"},
  {"dns", take_name_servers, NULL, "up to four addresses with commas between"},
  {"port", take_port, NULL, "a number from 1 to 65535"},
  {"udp", take_udp_port, NULL, "a number from 1 to 65535"},
  {"get", take_url, NULL, "a URL that begins with http://"},
  {"name", take_name, NULL, "up to 63 letters, digits, dots, underscores and hyphens"},
  {"exit", take_exit, NULL, "a number from 0 to 255"},
};

static bool take_word(struct options *options, struct slice word)
{
  struct slice value = word;
  struct slice key = slice_cut(&value, '=');
  if (key.length == word.length)
    return true; /* no equals sign: for somebody else */
  struct slice number = key;
  struct slice name = slice_cut(&number, ':');
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    bool is_for_card = words[i].take_for_card != NULL;
    if (!slice_equals(is_for_card ? name : key, words[i].key))
      continue;
    uint32_t card = 1;
    if (name.length != key.length && (!parse_number(number, MAX_INTERFACES, &card) || card == 0)) {
      print("hello: bad card in \"%v\": expected a number from 1 to %u", word, (uint32_t)MAX_INTERFACES);
      return false;
    }
    if (is_for_card)
      options->cards[card - 1].is_named = true;
    if (is_for_card ? words[i].take_for_card(&options->cards[card - 1], value) : words[i].take(options, value))
      return true;
    print("hello: bad value in \"%v\": expected %s", word, words[i].expected);
    return false;
  }
  return true; /* for somebody else */
}

/* What a card asks for that was not given an address. */
static void set_defaults(struct card_options *card)
{
  bool has_ipv6 = !address_is_none(&card->ipv6);
  if (card->address == 0 && !has_ipv6 && !card->asks_routers)
    card->wants_dhcp = true;
  if (!has_ipv6)
    card->asks_routers = true;
}

bool options_read(struct options *options, const char *command_line)
{
  *options = (struct options){.name = "hello", .port = DEFAULT_PORT};
  struct slice rest = slice_of(command_line);
  while (rest.length > 0) {
    struct slice word = {rest.at, 0};
    while (word.length < rest.length && (uint8_t)rest.at[word.length] > ' ')
      word.length++;
    if (word.length > 0 && !take_word(options, word))
      return false;
    size_t used = word.length < rest.length ? word.length + 1 : word.length;
    rest.at += used;
    rest.length -= used;
  }
  for (unsigned i = 0; i < MAX_INTERFACES; i++)
    set_defaults(&options->cards[i]);
  return true;
}
