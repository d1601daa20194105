/*
 * A unikernel that says hello: it answers ping and HTTP, shows what it was
 * given, and ends when and how it is told to. See README.md.
 */
#include "acpi.h"
#include "clock.h"
#include "console.h"
#include "dhcp.h"
#include "http.h"
#include "interrupts.h"
#include "network.h"
#include "options.h"
#include "power.h"
#include "pvh.h"
#include "serial.h"
#include "tcp.h"
#include "text.h"

/* From start.S. */
void kernel_main(const struct pvh_start_info *start_info) __attribute__((noreturn));

static char command_line[MAX_COMMAND_LINE + 1];
static struct acpi acpi;
static struct options options;

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

static void start_network(void)
{
  switch (card_start()) {
  case CARD_NONE:
    break;
  case CARD_UNUSABLE:
    print("hello: this network card is no virtio 1.0 device, or its queues are shorter than 128");
    break;
  case CARD_READY:
    tcp_start(options.port);
    if (options.has_address)
      network_set(options.address, options.mask, options.gateway);
    else
      dhcp_start(options.name);
    break;
  }
}

static void say_ready(bool has_network)
{
  uint32_t ms = clock_ms();
  if (has_network)
    print("hello: ready after %u ms, http://%i:%u/", ms, network.address, (uint32_t)options.port);
  else
    print("hello: ready after %u ms, no network", ms);
  if (options.ends) {
    print("hello: ending with code %u", (uint32_t)options.end_status);
    power_end(options.end_status);
  }
}

static void end_if_asked(void)
{
  uint8_t status;
  if (power_button_pressed()) {
    print("hello: power button, going down");
    power_end(0);
  }
  if (console_poll(&status) || http_wants_end(&status)) {
    print("hello: ending with code %u", (uint32_t)status);
    power_end(status);
  }
}

void kernel_main(const struct pvh_start_info *start_info)
{
  serial_start();
  interrupts_start();
  clock_start();
  read_command_line(start_info);
  print("hello: command line: %s", command_line);
  acpi_read(&acpi, start_info);
  power_start(&acpi);
  if (!options_read(&options, command_line))
    power_end(EXIT_BAD_WORD);
  http_start(options.name, slice_of(command_line));
  interrupts_open_lines(&acpi);
  start_network();

  bool is_ready = false;
  for (;;) {
    /* Acknowledged first: what comes after that is either seen by the poll, or raises the line again. */
    bool was_raised = card_acknowledge();
    bool was_busy = card_poll(ethernet_receive);
    dhcp_poll();
    tcp_poll();
    if (!is_ready && (network.address != 0 || !card_is_ready())) {
      is_ready = true;
      say_ready(network.address != 0);
    }
    end_if_asked();
    if (!was_raised && !was_busy)
      sleep_until_interrupt();
  }
}
