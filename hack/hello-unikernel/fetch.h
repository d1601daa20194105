/* Gets a URL: the host's addresses, a connection to the first that answers, and the sum of what comes. */
#pragma once
#include <stdbool.h>

#include "text.h"

struct fetch;

struct fetch_result {
  bool is_good; /* a whole answer came, with a status of 2xx */
  /* "got http://… 200, 1048576 bytes, sum 00c0ffee", or "cannot get http://…: " and why */
  const char *text;
};
/* Inside it the functions of TCP that are for its users may be called, for another connection. */
typedef void fetch_done(void *context, const struct fetch_result *result);

/*
 * Begins to get a URL such as http://name:8080/path, whose bytes may be written %2f if is_encoded. The function is called
 * later, once, unless it is cancelled before. NULL, with the reason, when it cannot even begin.
 */
struct fetch *fetch_start(struct slice url, bool is_encoded, fetch_done *done, void *context, const char **error);
void fetch_cancel(struct fetch *fetch);
/* Goes on to the next address, and gives up in time. Call it at least every 100 ms. */
void fetch_poll(void);
