#include "fetch.h"

#include "checksum.h"
#include "clock.h"
#include "dns.h"
#include "http_header.h"
#include "tcp.h"

enum {
  FETCHES = 8,
  MAX_URL = 255,
  CONNECT_WITHIN_MS = 3000, /* to one address, if there are more */
  NEXT_WITHIN_MS = 10 * 1000,
};

struct fetch {
  enum {
    FREE,
    ASKING,     /* for the addresses */
    CONNECTING, /* to one of them; none while a connection is still to be made */
    RECEIVING,
  } state;
  fetch_done *done;
  void *context;
  char url[MAX_URL + 1];
  struct slice host, path;
  uint16_t port;
  struct dns_answer found;
  unsigned tried;

  struct tcp_connection *connection;
  const char *trouble; /* of the address tried last */
  uint32_t since_ms;   /* the last step forward */
  char request[MAX_URL + 128];
  size_t request_length;
  struct http_header header;
  bool has_header;
  uint32_t status;
  uint64_t body_length;
  uint32_t body_sum;
};

static struct fetch fetches[FETCHES];

/* ---- The URL ---- */

static bool decode(struct fetch *fetch, struct slice url, bool is_encoded)
{
  size_t length = 0;
  while (url.length > 0) {
    uint32_t byte = (uint8_t)url.at[0];
    size_t used = 1;
    if (is_encoded && byte == '%') {
      if (url.length < 3 || !parse_hex((struct slice){url.at + 1, 2}, &byte))
        return false;
      used = 3;
    }
    if (length == MAX_URL || byte <= ' ' || byte >= 0x7f)
      return false;
    fetch->url[length++] = (char)byte;
    url.at += used;
    url.length -= used;
  }
  fetch->url[length] = '\0';
  return true;
}

/* http://HOST[:PORT][/PATH], with an IPv6 address in brackets. */
static bool split(struct fetch *fetch)
{
  struct slice rest = slice_of(fetch->url);
  if (!slice_starts_with(rest, "http://"))
    return false;
  rest.at += 7;
  rest.length -= 7;
  fetch->path = rest;
  struct slice place = slice_cut(&fetch->path, '/');
  bool has_path = place.length < rest.length;
  /* The slash again, which has been cut off. */
  fetch->path = has_path ? (struct slice){fetch->path.at - 1, fetch->path.length + 1} : slice_of("/");

  uint32_t port = 80;
  if (place.length > 0 && place.at[0] == '[') {
    place.at++;
    place.length--;
    size_t before = place.length;
    fetch->host = slice_cut(&place, ']');
    if (fetch->host.length == before || (place.length > 0 && place.at[0] != ':'))
      return false;
    slice_cut(&place, ':');
  } else {
    fetch->host = slice_cut(&place, ':');
  }
  if (fetch->host.length == 0 || (place.length > 0 && !parse_number(place, 65535, &port)) || port == 0)
    return false;
  fetch->port = (uint16_t)port;
  return true;
}

/* ---- Its end ---- */

static void finish(struct fetch *fetch, bool is_good, const char *text)
{
  fetch_done *done = fetch->done;
  void *context = fetch->context;
  fetch->state = FREE;
  if (fetch->connection != NULL)
    tcp_abort(fetch->connection);
  fetch->connection = NULL;
  done(context, &(struct fetch_result){is_good, text});
}

static void fail(struct fetch *fetch, const char *why)
{
  char text[MAX_URL + 128];
  format(text, sizeof text, "cannot get %s: %s", fetch->url, why);
  finish(fetch, false, text);
}

static void succeed(struct fetch *fetch)
{
  char text[MAX_URL + 128];
  format(text, sizeof text, "got %s %u, %l bytes, sum %08x", fetch->url, fetch->status, fetch->body_length, fetch->body_sum);
  finish(fetch, fetch->status >= 200 && fetch->status < 300, text);
}

void fetch_cancel(struct fetch *fetch)
{
  dns_cancel(fetch);
  if (fetch->connection != NULL)
    tcp_abort(fetch->connection);
  fetch->connection = NULL;
  fetch->state = FREE;
}

/* ---- The connection ---- */

static struct fetch *fetch_of(const struct tcp_connection *connection) { return tcp_context(connection); }

static void on_opened(struct tcp_connection *connection)
{
  struct fetch *fetch = fetch_of(connection);
  fetch->state = RECEIVING;
  fetch->since_ms = clock_ms();
  /* HTTP/1.0: so nobody answers in chunks. */
  fetch->request_length = format(fetch->request, sizeof fetch->request,
    "GET %v HTTP/1.0\r\nHost: %v\r\nUser-Agent: hello\r\nConnection: close\r\n\r\n", fetch->path, fetch->host);
  tcp_offer(connection, fetch->request_length);
}

static bool read_status(struct fetch *fetch)
{
  struct slice rest = {fetch->header.first_line, fetch->header.first_length};
  struct slice version = slice_cut(&rest, ' ');
  return slice_starts_with(version, "HTTP/1.") && parse_number(slice_cut(&rest, ' '), 999, &fetch->status);
}

static bool is_whole(const struct fetch *fetch)
{
  return fetch->header.has_content_length && fetch->body_length == fetch->header.content_length;
}

static void on_received(struct tcp_connection *connection, const uint8_t *data, size_t length)
{
  struct fetch *fetch = fetch_of(connection);
  fetch->since_ms = clock_ms();
  while (length > 0 && !fetch->has_header) {
    enum http_header_state state = http_header_take(&fetch->header, (char)*data);
    data++;
    length--;
    if (state == HTTP_HEADER_GOES_ON)
      continue;
    fetch->has_header = true;
    if (state != HTTP_HEADER_WHOLE || !read_status(fetch)) {
      fail(fetch, "what answers there does not speak HTTP/1");
      return;
    }
  }
  uint64_t left = fetch->header.has_content_length ? fetch->header.content_length - fetch->body_length : UINT64_MAX;
  size_t part = length < left ? length : (size_t)left;
  fetch->body_sum = crc32_add(fetch->body_sum, data, part);
  fetch->body_length += part;
  if (fetch->has_header && is_whole(fetch))
    succeed(fetch);
}

static void on_peer_finished(struct tcp_connection *connection)
{
  struct fetch *fetch = fetch_of(connection);
  if (fetch->has_header && (is_whole(fetch) || !fetch->header.has_content_length))
    succeed(fetch);
  else
    fail(fetch, fetch->has_header ? "the answer ended before its length" : "the connection was closed without an answer");
}

static void fill(const struct tcp_connection *connection, uint64_t offset, uint8_t *to, size_t length)
{
  memcpy(to, fetch_of(connection)->request + offset, length);
}

static void on_delivered(struct tcp_connection *connection) { (void)connection; /* the request is not ended */ }

static void on_closed(struct tcp_connection *connection, enum tcp_end end)
{
  struct fetch *fetch = fetch_of(connection);
  fetch->connection = NULL;
  if (fetch->state == RECEIVING)
    fail(fetch, end == TCP_RESET ? "the connection was reset" : "the server does not answer any more");
  else
    fetch->trouble = end == TCP_RESET ? "the connection is refused" : "nobody answers";
}

static void connect_next(struct fetch *fetch)
{
  static const struct tcp_user user = {on_opened, on_received, on_peer_finished, fill, on_delivered, on_closed};
  while (fetch->connection == NULL && fetch->tried < fetch->found.count) {
    struct route route;
    const struct address *address = &fetch->found.addresses[fetch->tried++];
    if (!network_route(address, &route)) {
      if (fetch->trouble == NULL)
        fetch->trouble = "there is no way to its address";
      continue;
    }
    fetch->connection = tcp_connect(address, fetch->port, &user, fetch);
    fetch->since_ms = clock_ms();
    if (fetch->connection == NULL)
      fetch->trouble = "too many connections are open";
  }
  if (fetch->connection == NULL)
    fail(fetch, fetch->trouble);
}

/* ---- Its way ---- */

static void on_addresses(void *context, const struct dns_answer *answer)
{
  struct fetch *fetch = context;
  if (answer->count == 0) {
    fail(fetch, answer->error);
    return;
  }
  fetch->found = *answer;
  fetch->state = CONNECTING; /* with the next poll */
}

struct fetch *fetch_start(struct slice url, bool is_encoded, fetch_done *done, void *context, const char **error)
{
  struct fetch *fetch = NULL;
  for (unsigned i = 0; i < FETCHES && fetch == NULL; i++)
    if (fetches[i].state == FREE)
      fetch = &fetches[i];
  if (fetch == NULL) {
    *error = "too many URLs are being fetched";
    return NULL;
  }
  memset(fetch, 0, sizeof *fetch);
  fetch->done = done;
  fetch->context = context;
  if (!decode(fetch, url, is_encoded) || !split(fetch)) {
    *error = "the URL must be like http://name:8080/path, with up to 255 letters";
    return NULL;
  }
  struct address *literal = &fetch->found.addresses[0];
  if (parse_address(fetch->host, literal)) {
    fetch->found.count = 1;
    fetch->state = CONNECTING;
  } else if (dns_resolve(fetch->host, on_addresses, fetch, error)) {
    fetch->state = ASKING;
  } else {
    return NULL;
  }
  fetch->since_ms = clock_ms();
  return fetch;
}

void fetch_poll(void)
{
  uint32_t now = clock_ms();
  for (unsigned i = 0; i < FETCHES; i++) {
    struct fetch *fetch = &fetches[i];
    uint32_t age = now - fetch->since_ms;
    if (fetch->state == CONNECTING && fetch->connection != NULL && age >= CONNECT_WITHIN_MS && fetch->tried < fetch->found.count) {
      tcp_abort(fetch->connection);
      fetch->connection = NULL;
      fetch->trouble = "nobody answers";
    }
    if (fetch->state == CONNECTING && fetch->connection == NULL)
      connect_next(fetch);
    else if (fetch->state == RECEIVING && age >= NEXT_WITHIN_MS)
      fail(fetch, "the server does not go on");
  }
}
