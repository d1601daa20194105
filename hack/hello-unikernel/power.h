/* How the machine ends, and the power button. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "acpi.h"

enum {
  EXIT_CRASHED = 1,
  EXIT_BAD_WORD = 2,
  EXIT_NOT_GOT = 3,
  EXIT_INTERRUPTED = 130,
};

/* Keeps the tables for the ends below, and asks for the button's interrupt. */
void power_start(const struct acpi *acpi);
/* Whether the button was pressed since the last call. */
bool power_button_pressed(void);
/* Ends the machine with an exit status, 0 to 255. */
void power_end(uint8_t status) __attribute__((noreturn));
