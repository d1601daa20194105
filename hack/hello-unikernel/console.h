/* What is typed on the serial console. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Handles all input there is. Whether it asks for the end; the status. */
bool console_poll(uint8_t *status);
