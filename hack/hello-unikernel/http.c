#include "http.h"

#include "checksum.h"
#include "clock.h"
#include "fetch.h"
#include "http_header.h"
#include "options.h"
#include "pattern.h"
#include "tcp.h"

/* For a client that asks for the end and then does not fetch its answer. */
enum { END_WITHIN_MS = 1000 };

static const struct slice CONTINUE = {"HTTP/1.1 100 Continue\r\n\r\n", 25};

/* One request and its answer. */
static struct exchange {
  struct http_header header;
  bool takes_body, is_answered;
  bool wants_no_body; /* HEAD */
  bool ends_machine;  /* when the client has the answer */
  uint64_t body_length; /* so far */
  uint32_t body_sum;
  struct fetch *fetch; /* that the answer waits for */

  /* The answer: first this, which may begin with a word that the body may come. */
  char text[1024];
  size_t text_length;
  /* Then something that stays in memory and is the same for all, or the pattern if that is NULL. */
  const char *tail;
  uint64_t tail_length;
} exchanges[TCP_CONNECTIONS];

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

static struct exchange *exchange_of(const struct tcp_connection *connection) { return &exchanges[tcp_index(connection)]; }

/* ---- Answers ---- */

/* An answer whose body ends in the tail. The status may have header lines of its own after it. */
static void answer(struct tcp_connection *connection, const char *status, const char *type, const char *body, const char *tail,
  uint64_t tail_length)
{
  struct exchange *exchange = exchange_of(connection);
  exchange->text_length += format(exchange->text + exchange->text_length, sizeof exchange->text - exchange->text_length,
    "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %l\r\nConnection: close\r\n\r\n%s", status, type,
    strlen(body) + tail_length, exchange->wants_no_body ? "" : body);
  exchange->tail = tail;
  exchange->tail_length = exchange->wants_no_body ? 0 : tail_length;
  exchange->is_answered = true;
  requests++;
  tcp_offer(connection, exchange->text_length + exchange->tail_length);
  tcp_finish(connection);
}

static void answer_text(struct tcp_connection *connection, const char *status, const char *body)
{
  answer(connection, status, "text/plain", body, NULL, 0);
}

static void answer_description(struct tcp_connection *connection)
{
  char body[256];
  uint32_t ms;
  uint32_t seconds = clock_seconds(&ms);
  format(body, sizeof body, "{\"name\":\"%s\",\"uptime\":%u.%03u,\"requests\":%u,\"cmdline\":\"", server_name, seconds, ms,
    requests + 1);
  answer(connection, "200 OK", "application/json", body, description_tail, description_tail_length);
}

static void answer_bytes(struct tcp_connection *connection, struct slice number)
{
  uint64_t length;
  if (parse_long_number(number, UINT64_C(1) << 40, &length))
    answer(connection, "200 OK", "application/octet-stream", "", NULL, length);
  else
    answer_text(connection, "400 Bad Request", "how many bytes must be a number up to 2^40, as in /bytes/1048576\n");
}

/* The value of a key in a query, such as `code=3&x=y`. */
static bool find_in_query(struct slice query, const char *key, struct slice *value)
{
  while (query.length > 0) {
    *value = slice_cut(&query, '&');
    struct slice name = slice_cut(value, '=');
    if (slice_equals(name, key))
      return true;
  }
  return false;
}

static void answer_exit(struct tcp_connection *connection, struct slice query)
{
  struct slice value;
  uint32_t status;
  if (!find_in_query(query, "code", &value) || !parse_number(value, 255, &status)) {
    answer_text(connection, "400 Bad Request", "code must be a number from 0 to 255, as in /exit?code=3\n");
    return;
  }
  if (!end.wanted) {
    end.wanted = true;
    end.status = (uint8_t)status;
    end.wanted_ms = clock_ms();
    exchange_of(connection)->ends_machine = true;
  }
  char body[64];
  format(body, sizeof body, "ending with code %u\n", (uint32_t)end.status);
  answer_text(connection, "200 OK", body);
}

static void on_fetched(void *context, const struct fetch_result *result)
{
  struct tcp_connection *connection = context;
  char body[512];
  exchange_of(connection)->fetch = NULL;
  format(body, sizeof body, "%s\n", result->text);
  tcp_hold(connection, false);
  answer_text(connection, result->is_good ? "200 OK" : "502 Bad Gateway", body);
}

static void answer_fetch(struct tcp_connection *connection, struct slice query)
{
  struct exchange *exchange = exchange_of(connection);
  struct slice value;
  if (!find_in_query(query, "url", &value)) {
    answer_text(connection, "400 Bad Request", "there must be a url, as in /fetch?url=http://10.0.0.3:8080/\n");
    return;
  }
  const char *error;
  exchange->fetch = fetch_start(value, true, on_fetched, connection, &error);
  if (exchange->fetch != NULL) {
    tcp_hold(connection, true);
    return;
  }
  char body[256];
  format(body, sizeof body, "%s\n", error);
  answer_text(connection, "400 Bad Request", body);
}

static void answer_sum(struct tcp_connection *connection)
{
  const struct exchange *exchange = exchange_of(connection);
  char body[64];
  format(body, sizeof body, "%l bytes, sum %08x\n", exchange->body_length, exchange->body_sum);
  answer_text(connection, "200 OK", body);
}

/* ---- Requests ---- */

static void begin_body(struct tcp_connection *connection)
{
  struct exchange *exchange = exchange_of(connection);
  if (!exchange->header.has_content_length || exchange->header.is_chunked) {
    answer_text(connection, "411 Length Required", "say with Content-Length how long the body is\n");
    return;
  }
  exchange->takes_body = exchange->header.content_length > 0;
  if (!exchange->takes_body) {
    answer_sum(connection);
  } else if (exchange->header.expects_continue) {
    memcpy(exchange->text, CONTINUE.at, CONTINUE.length);
    exchange->text_length = CONTINUE.length;
    tcp_offer(connection, CONTINUE.length);
  }
}

static void answer_request(struct tcp_connection *connection)
{
  struct exchange *exchange = exchange_of(connection);
  struct slice line = {exchange->header.first_line, exchange->header.first_length};
  struct slice method = slice_cut(&line, ' ');
  struct slice target = slice_cut(&line, ' ');
  if (method.length == 0 || target.length == 0 || target.at[0] != '/' || !slice_starts_with(line, "HTTP/1.")) {
    answer_text(connection, "400 Bad Request", "this is no HTTP/1 request\n");
    return;
  }
  struct slice path = slice_cut(&target, '?'); /* leaves the query in target */
  exchange->wants_no_body = slice_equals(method, "HEAD");
  bool is_get = slice_equals(method, "GET") || exchange->wants_no_body;
  bool is_post = slice_equals(method, "POST"), is_put = slice_equals(method, "PUT");
  bool is_bytes = slice_starts_with(path, "/bytes/"), is_fetch = slice_equals(path, "/fetch");
  if (slice_equals(path, "/") || is_bytes || is_fetch) {
    if (!is_get)
      answer_text(connection, "405 Method Not Allowed\r\nAllow: GET, HEAD", "that is for GET\n");
    else if (is_bytes)
      answer_bytes(connection, (struct slice){path.at + 7, path.length - 7});
    else if (is_fetch)
      answer_fetch(connection, target);
    else
      answer_description(connection);
  } else if (slice_equals(path, "/sum")) {
    if (is_post || is_put)
      begin_body(connection);
    else
      answer_text(connection, "405 Method Not Allowed\r\nAllow: POST, PUT", "/sum is for POST\n");
  } else if (slice_equals(path, "/exit")) {
    if (is_post)
      answer_exit(connection, target);
    else
      answer_text(connection, "405 Method Not Allowed\r\nAllow: POST", "/exit is for POST\n");
  } else {
    answer_text(connection, "404 Not Found", "there are /, /bytes/N, /sum, /fetch?url=URL and /exit?code=N\n");
  }
}

static void on_opened(struct tcp_connection *connection)
{
  struct exchange *exchange = exchange_of(connection);
  memset(exchange, 0, sizeof *exchange);
}

static void on_received(struct tcp_connection *connection, const uint8_t *data, size_t length)
{
  struct exchange *exchange = exchange_of(connection);
  while (length > 0 && !exchange->is_answered && !exchange->takes_body && exchange->fetch == NULL) {
    enum http_header_state state = http_header_take(&exchange->header, (char)*data);
    data++;
    length--;
    if (state == HTTP_HEADER_WHOLE)
      answer_request(connection);
    else if (state == HTTP_HEADER_TOO_LONG)
      answer_text(connection, "431 Request Header Fields Too Large", "more than 16 KiB of header\n");
    else if (state == HTTP_FIRST_LINE_TOO_LONG)
      answer_text(connection, "414 URI Too Long", "the first line is longer than 1 KiB\n");
    else if (state == HTTP_HEADER_BAD)
      answer_text(connection, "400 Bad Request", "Content-Length is no number, or there are two\n");
  }
  /* What else may come, a body of another request or a second one, does not matter. */
  if (!exchange->takes_body || exchange->is_answered)
    return;
  uint64_t left = exchange->header.content_length - exchange->body_length;
  size_t part = length < left ? length : (size_t)left;
  exchange->body_sum = crc32_add(exchange->body_sum, data, part);
  exchange->body_length += part;
  if (exchange->body_length == exchange->header.content_length)
    answer_sum(connection);
}

static void on_peer_finished(struct tcp_connection *connection)
{
  const struct exchange *exchange = exchange_of(connection);
  /* Closed without a whole request: there is nothing to say. */
  if (!exchange->is_answered && exchange->fetch == NULL)
    tcp_abort(connection);
}

static void fill(const struct tcp_connection *connection, uint64_t offset, uint8_t *to, size_t length)
{
  const struct exchange *exchange = exchange_of(connection);
  if (offset < exchange->text_length) {
    size_t part = exchange->text_length - (size_t)offset < length ? exchange->text_length - (size_t)offset : length;
    memcpy(to, exchange->text + offset, part);
    to += part;
    offset += part;
    length -= part;
  }
  if (length == 0)
    return;
  offset -= exchange->text_length;
  if (exchange->tail == NULL)
    pattern_write(offset, to, length);
  else
    memcpy(to, exchange->tail + offset, length);
}

static void on_delivered(struct tcp_connection *connection)
{
  if (exchange_of(connection)->ends_machine)
    end.answered = true;
}

static void on_closed(struct tcp_connection *connection, enum tcp_end reason)
{
  struct exchange *exchange = exchange_of(connection);
  (void)reason;
  if (exchange->ends_machine)
    end.answered = true;
  if (exchange->fetch != NULL)
    fetch_cancel(exchange->fetch);
  exchange->fetch = NULL;
}

void http_start(uint16_t port, const char *name, struct slice command_line)
{
  static const struct tcp_user user = {on_opened, on_received, on_peer_finished, fill, on_delivered, on_closed};
  server_name = name;
  size_t length = json_escape(description_tail, sizeof description_tail - 4, command_line);
  description_tail_length = length + format(description_tail + length, 4, "\"}\n");
  tcp_listen(port, &user);
}

bool http_wants_end(uint8_t *status)
{
  *status = end.status;
  return end.wanted && (end.answered || clock_ms() - end.wanted_ms >= END_WITHIN_MS);
}
