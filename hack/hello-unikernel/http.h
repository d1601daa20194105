/*
 * The HTTP server.
 *
 *   GET /               a JSON object: name, uptime, requests, cmdline
 *   GET /bytes/N        N bytes, see pattern.h
 *   POST /sum           how many bytes the body has, and their CRC-32; PUT does the same
 *   GET /fetch?url=URL  gets the URL, and says what that brought
 *   POST /exit?code=N   ends the machine with N, once it is answered
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text.h"

void http_start(uint16_t port, const char *name, struct slice command_line);
/* Whether a client has asked for the end; the status. */
bool http_wants_end(uint8_t *status);
