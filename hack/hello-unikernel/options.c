#include "options.h"

#include "serial.h"
#include "text.h"

enum { DEFAULT_PORT = 8080 };

static bool take_ip(struct options *options, struct slice value)
{
  uint32_t length;
  options->has_address = !slice_equals(value, "dhcp");
  if (!options->has_address)
    return true;
  struct slice address = slice_cut(&value, '/');
  if (!parse_ipv4(address, &options->address) || !parse_number(value, 32, &length) || length == 0)
    return false;
  options->mask = (uint32_t)(UINT64_C(0xffffffff00000000) >> length);
  /* An address that one machine can have. */
  uint32_t first = options->address >> 24;
  return first != 0 && first != 127 && first < 224;
}

static bool take_gateway(struct options *options, struct slice value) { return parse_ipv4(value, &options->gateway); }

/* As Unikraft's kernels are told; what follows the gateway is for somebody else. */
static bool take_netdev(struct options *options, struct slice value)
{
  struct slice address = slice_cut(&value, ':');
  struct slice gateway = slice_cut(&value, ':');
  return take_ip(options, address) && (gateway.length == 0 || take_gateway(options, gateway));
}

static bool take_port(struct options *options, struct slice value)
{
  uint32_t port;
  bool is_good = parse_number(value, 65535, &port) && port != 0;
  options->port = (uint16_t)port;
  return is_good;
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
  const char *key; /* with its equals sign */
  bool (*take)(struct options *options, struct slice value);
  const char *expected;
} words[] = {
  {"ip=", take_ip, "an IPv4 address with its prefix length, such as 10.0.0.2/24, or dhcp"},
  {"netdev.ip=", take_netdev, "an IPv4 address with its prefix length, and a gateway behind a colon"},
  {"gw=", take_gateway, "an IPv4 address, such as 10.0.0.1"},
  {"port=", take_port, "a number from 1 to 65535"},
  {"name=", take_name, "up to 63 letters, digits, dots, underscores and hyphens"},
  {"exit=", take_exit, "a number from 0 to 255"},
};

static bool take_word(struct options *options, struct slice word)
{
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    if (!slice_starts_with(word, words[i].key))
      continue;
    struct slice value = word;
    slice_cut(&value, '=');
    if (words[i].take(options, value))
      return true;
    print("hello: bad value in \"%v\": expected %s", word, words[i].expected);
    return false;
  }
  return true; /* for somebody else */
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
  return true;
}
