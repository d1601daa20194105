#include "http.h"

#include "clock.h"
#include "options.h"

enum {
  MAX_REQUEST = 16 * 1024,
  /* For a client that asks for the end and then does not fetch its answer. */
  END_WITHIN_MS = 1000,
};

static const char *server_name;
static uint32_t requests;
/* What follows `"cmdline":"` in the answer: it never changes, so connections need no copy of it. */
static char description_tail[6 * MAX_COMMAND_LINE + 8];
static size_t description_tail_length;

static struct {
  bool wanted, answered;
  uint8_t status;
  uint32_t wanted_ms;
} end;

void http_start(const char *name, struct slice command_line)
{
  server_name = name;
  size_t length = json_escape(description_tail, sizeof description_tail - 4, command_line);
  description_tail_length = length + format(description_tail + length, 4, "\"}\n");
}

/* An answer whose body ends in the tail. The status may have header lines of its own after it. */
static void answer(struct http_exchange *exchange, const char *status, const char *type, const char *body, struct slice tail)
{
  exchange->length = format(exchange->text, sizeof exchange->text,
    "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %u\r\nConnection: close\r\n\r\n%s", status, type,
    (uint32_t)(strlen(body) + tail.length), exchange->wants_no_body ? "" : body);
  exchange->tail = exchange->wants_no_body ? (struct slice){0} : tail;
  exchange->is_answered = true;
  requests++;
}

static void answer_text(struct http_exchange *exchange, const char *status, const char *body)
{
  answer(exchange, status, "text/plain", body, (struct slice){0});
}

static void answer_description(struct http_exchange *exchange)
{
  char body[256];
  uint32_t ms;
  uint32_t seconds = clock_seconds(&ms);
  format(body, sizeof body, "{\"name\":\"%s\",\"uptime\":%u.%03u,\"requests\":%u,\"cmdline\":\"", server_name, seconds, ms,
    requests + 1);
  answer(exchange, "200 OK", "application/json", body, (struct slice){description_tail, description_tail_length});
}

static void answer_exit(struct http_exchange *exchange, struct slice query)
{
  while (query.length > 0) {
    struct slice value = slice_cut(&query, '&');
    struct slice key = slice_cut(&value, '=');
    uint32_t status;
    if (!slice_equals(key, "code"))
      continue;
    if (!parse_number(value, 255, &status))
      break;
    if (!end.wanted) {
      end.wanted = true;
      end.status = (uint8_t)status;
      end.wanted_ms = clock_ms();
      exchange->ends_machine = true;
    }
    char body[64];
    format(body, sizeof body, "ending with code %u\n", (uint32_t)end.status);
    answer_text(exchange, "200 OK", body);
    return;
  }
  answer_text(exchange, "400 Bad Request", "code must be a number from 0 to 255, as in /exit?code=3\n");
}

/* The first line is whole. It lies where the answer goes, so nothing of it may be used in the answer. */
static void answer_request(struct http_exchange *exchange)
{
  struct slice line = {exchange->text, exchange->length};
  struct slice method = slice_cut(&line, ' ');
  struct slice target = slice_cut(&line, ' ');
  if (method.length == 0 || target.length == 0 || target.at[0] != '/' || !slice_starts_with(line, "HTTP/1.")) {
    answer_text(exchange, "400 Bad Request", "this is no HTTP/1 request\n");
    return;
  }
  struct slice path = slice_cut(&target, '?'); /* leaves the query in target */
  exchange->wants_no_body = slice_equals(method, "HEAD");
  if (slice_equals(path, "/")) {
    if (slice_equals(method, "GET") || exchange->wants_no_body)
      answer_description(exchange);
    else
      answer_text(exchange, "405 Method Not Allowed\r\nAllow: GET, HEAD", "/ is for GET\n");
  } else if (slice_equals(path, "/exit")) {
    if (slice_equals(method, "POST"))
      answer_exit(exchange, target);
    else
      answer_text(exchange, "405 Method Not Allowed\r\nAllow: POST", "/exit is for POST\n");
  } else {
    answer_text(exchange, "404 Not Found", "there are / and /exit\n");
  }
}

bool http_receive(struct http_exchange *exchange, const uint8_t *data, size_t length)
{
  if (exchange->is_answered)
    return false; /* a body, or a second request: neither matters */
  for (size_t i = 0; i < length && !exchange->is_answered; i++) {
    char byte = (char)data[i];
    if (++exchange->request_length > MAX_REQUEST) {
      answer_text(exchange, "431 Request Header Fields Too Large", "more than 16 KiB of header\n");
    } else if (byte == '\n') {
      bool is_empty = exchange->line_length == 0;
      exchange->line_length = 0;
      if (!is_empty)
        exchange->has_first_line = true;
      else if (exchange->has_first_line) /* empty lines before a request are let pass */
        answer_request(exchange);
    } else if (byte != '\r') {
      exchange->line_length++;
      if (exchange->has_first_line)
        continue;
      if (exchange->length == sizeof exchange->text)
        answer_text(exchange, "414 URI Too Long", "the first line is longer than 1 KiB\n");
      else
        exchange->text[exchange->length++] = byte;
    }
  }
  return exchange->is_answered;
}

void http_finished(const struct http_exchange *exchange)
{
  if (exchange->ends_machine)
    end.answered = true;
}

bool http_wants_end(uint8_t *status)
{
  *status = end.status;
  return end.wanted && (end.answered || clock_ms() - end.wanted_ms >= END_WITHIN_MS);
}
