/*
 * One HTTP request and its answer, whatever carries the bytes.
 *
 *   GET /               a JSON object: name, uptime, requests, cmdline
 *   POST /exit?code=N   ends the machine with N, once it is answered
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text.h"

struct http_exchange {
  /* The request's first line, and then the answer's beginning. */
  char text[1024];
  size_t length;
  /* The rest of the answer: something that stays in memory, and is the same for all. */
  struct slice tail;

  size_t request_length;  /* so far */
  size_t line_length;     /* of the line that is coming in */
  bool has_first_line, is_answered;
  bool wants_no_body; /* HEAD */
  bool ends_machine; /* when the client has the answer */
};

void http_start(const char *name, struct slice command_line);
/* Takes the next bytes of a request. True when that made the answer, which is then in text and tail. */
bool http_receive(struct http_exchange *exchange, const uint8_t *data, size_t length);
/* The client has all of the answer, or never will. */
void http_finished(const struct http_exchange *exchange);
/* Whether a client has asked for the end; the status. */
bool http_wants_end(uint8_t *status);
