/* The words of the command line that this program knows. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { MAX_COMMAND_LINE = 4095 };

struct options {
  char name[64];
  bool has_address; /* else by DHCP */
  uint32_t address, mask, gateway;
  uint16_t port;
  bool ends; /* as soon as it is ready */
  uint8_t end_status;
};

/* Prints what is wrong, and returns false, when a word that it knows has a bad value. */
bool options_read(struct options *options, const char *command_line);
