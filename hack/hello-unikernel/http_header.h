/* The lines before an HTTP message's body, as they come in, of which a few count. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text.h"

enum { HTTP_FIRST_LINE = 1024 };

struct http_header {
  char first_line[HTTP_FIRST_LINE];
  size_t first_length;
  bool has_first_line;

  char line[128]; /* the one that is coming in, as far as it fits */
  size_t line_length;
  size_t length; /* of all */

  bool has_content_length, is_chunked, expects_continue;
  uint64_t content_length;
};

enum http_header_state {
  HTTP_HEADER_GOES_ON,
  HTTP_HEADER_WHOLE,
  HTTP_HEADER_TOO_LONG,     /* more than 16 KiB */
  HTTP_FIRST_LINE_TOO_LONG, /* more than 1 KiB */
  HTTP_HEADER_BAD,          /* a length that is none */
};

/* Takes the next byte. Not to be called again after another answer than that it goes on. */
enum http_header_state http_header_take(struct http_header *header, char byte);
