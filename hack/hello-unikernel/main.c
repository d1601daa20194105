/*
 * A unikernel that says hello: it answers ping and HTTP, shows what it was
 * given, and ends when and how it is told to. See README.md.
 */
#include "acpi.h"
#include "clock.h"
#include "console.h"
#include "dhcp.h"
#include "dns.h"
#include "fetch.h"
#include "http.h"
#include "interrupts.h"
#include "memory.h"
#include "ndp.h"
#include "options.h"
#include "power.h"
#include "pvh.h"
#include "serial.h"
#include "tcp.h"
#include "text.h"
#include "udp.h"

/* From start.S. */
void kernel_main(const struct pvh_start_info *start_info) __attribute__((noreturn));

static char command_line[MAX_COMMAND_LINE + 1];
static struct acpi acpi;
static struct options options;

/* A router may answer before the DHCP server does, and an IPv4 address is the better one to show. */
enum { WAIT_FOR_IPV4_MS = 2000 };

/* Copied, since it lies somewhere in memory that nothing keeps free. */
static void read_command_line(const struct pvh_start_info *start_info)
{
  if (start_info->magic != PVH_MAGIC) {
    print("hello: the loader does not speak PVH");
    power_end(EXIT_CRASHED);
  }
  if (start_info->command_line == 0)
    return;
  struct slice text = slice_of((const char *)(uintptr_t)start_info->command_line);
  if (text.length > MAX_COMMAND_LINE) {
    print("hello: the command line has %u bytes, and may have %u", (uint32_t)text.length, (uint32_t)MAX_COMMAND_LINE);
    power_end(EXIT_BAD_WORD);
  }
  memcpy(command_line, text.at, text.length);
}

/* What is said about a card: by its hardware address, else in the order of the cards. */
static const struct card_options *options_for(const struct card *card, unsigned index)
{
  for (unsigned i = 0; i < MAX_INTERFACES; i++)
    if (options.cards[i].has_mac && memcmp(options.cards[i].mac, card->mac, MAC_LENGTH) == 0)
      return &options.cards[i];
  return &options.cards[index];
}

static bool start_interface(struct interface *interface, const struct card_options *given)
{
  struct card *card = &interface->card;
  uint32_t mtu = given->mtu != 0 ? given->mtu : card->offered_mtu >= MIN_MTU ? card->offered_mtu : USUAL_MTU;
  if (mtu > MAX_MTU)
    mtu = MAX_MTU;
  if (!card_start(card, mtu))
    return false;
  interface->mtu = mtu;
  interface->ipv6_router = given->ipv6_gateway;
  interface->asks_routers = given->asks_routers;
  ndp_start(interface);
  if (!address_is_none(&given->ipv6)) {
    struct ipv6_address address = {given->ipv6, given->ipv6_prefix_length, .is_on_link = true};
    network_add_ipv6(interface, &address);
  }
  if (given->address != 0)
    network_set_ipv4(interface, given->address, given->mask, given->gateway);
  else if (given->wants_dhcp)
    dhcp_start(interface, options.name);
  return true;
}

static void start_network(void)
{
  enum card_search search;
  for (unsigned index = 0; interface_count < MAX_INTERFACES; index++) {
    struct interface *interface = &interfaces[interface_count];
    search = card_find(&interface->card, index);
    if (search == CARD_NONE)
      break;
    interface->number = interface_count + 1;
    if (search == CARD_FOUND && start_interface(interface, options_for(&interface->card, index)))
      interface_count++;
    else
      print("hello: network card %u is no virtio 1.0 device, has queues of less than 128, or needs more memory", index + 1);
  }
  for (unsigned i = 0; i < options.name_server_count; i++)
    dns_add_server(&options.name_servers[i]);
  if (options.udp_port != 0)
    udp_start_echo(options.udp_port);
}

static void end_with(uint8_t status)
{
  print("hello: ending with code %u", (uint32_t)status);
  power_end(status);
}

static void on_fetched(void *context, const struct fetch_result *result)
{
  (void)context;
  print("hello: %s", result->text);
  if (options.ends)
    end_with(result->is_good ? options.end_status : EXIT_NOT_GOT);
}

static void say_ready(const struct address *address)
{
  uint32_t ms = clock_ms();
  if (address == NULL)
    print("hello: ready after %u ms, no network", ms);
  else if (address_is_ipv4(address))
    print("hello: ready after %u ms, http://%a:%u/", ms, address, (uint32_t)options.port);
  else
    print("hello: ready after %u ms, http://[%a]:%u/", ms, address, (uint32_t)options.port);
  const char *error;
  if (options.url.length > 0 && fetch_start(options.url, false, on_fetched, NULL, &error) == NULL) {
    print("hello: cannot get %v: %s", options.url, error);
    if (options.ends)
      end_with(EXIT_NOT_GOT);
  } else if (options.ends && options.url.length == 0) {
    end_with(options.end_status);
  }
}

/* Once there is an address to be reached at, or no card to have one. */
static bool is_ready(void)
{
  struct address address;
  if (interface_count == 0) {
    say_ready(NULL);
    return true;
  }
  for (unsigned i = 0; i < interface_count; i++)
    if (network_has_address(&interfaces[i], &address) &&
        (address_is_ipv4(&address) || !options.cards[i].wants_dhcp || clock_ms() >= WAIT_FOR_IPV4_MS)) {
      say_ready(&address);
      return true;
    }
  return false;
}

static void end_if_asked(void)
{
  uint8_t status;
  if (power_button_pressed()) {
    print("hello: power button, going down");
    power_end(0);
  }
  if (console_poll(&status) || http_wants_end(&status))
    end_with(status);
}

/* All that has come, and all that there is time for. Whether there was anything. */
static bool turn(void)
{
  bool any = false;
  clock_update();
  /* Acknowledged first: what comes after that is either seen by the poll, or raises the line again. */
  for (unsigned i = 0; i < interface_count; i++)
    any |= card_acknowledge(&interfaces[i].card);
  for (unsigned i = 0; i < interface_count; i++)
    any |= card_poll(&interfaces[i].card, ethernet_receive);
  tcp_flush();
  dhcp_poll();
  ndp_poll();
  dns_poll();
  fetch_poll();
  tcp_poll();
  for (unsigned i = 0; i < interface_count; i++)
    card_flush(&interfaces[i].card);
  return any;
}

void kernel_main(const struct pvh_start_info *start_info)
{
  serial_start();
  interrupts_start();
  clock_start();
  read_command_line(start_info);
  print("hello: command line: %s", command_line);
  memory_start(start_info);
  acpi_read(&acpi, start_info);
  power_start(&acpi);
  if (!options_read(&options, command_line))
    power_end(EXIT_BAD_WORD);
  http_start(options.port, options.name, slice_of(command_line));
  interrupts_open_lines(&acpi);
  clock_update();
  start_network();

  bool was_ready = false;
  for (;;) {
    bool was_busy = turn();
    was_ready = was_ready || is_ready();
    end_if_asked();
    if (!was_busy)
      sleep_until_interrupt();
  }
}
