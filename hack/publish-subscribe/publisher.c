/*
 * publisher: an HTTP server on $PORT (8080) that publishes what is posted to /publish on a channel of redis.
 *
 * It answers with what became of it, and who did it. One request at a time, a connection each.
 */
#include "redis.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <unistd.h>

enum {
  MAX_HEAD = 16 * 1024,
  /* For a client that asks and does not go on. */
  CLIENT_SECONDS = 10,
};

static struct redis_settings settings;
static struct utsname machine;
static char payload[MAX_PAYLOAD];

/* ------------------------------------------------------------------------------------------------------------------- */

struct request {
  char method[16], path[256];
  /* -1: not said */
  long content_length;
  bool expects_continue;
};

static void answer(FILE *out, const char *status, const char *format, ...)
{
  char body[2048];
  va_list values;

  va_start(values, format);
  int length = vsnprintf(body, sizeof body, format, values);
  va_end(values);
  fprintf(out, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", status,
    length, body);
}

/* Returns false if this is no request, or the client has gone. */
static bool read_request(FILE *in, struct request *request)
{
  char line[MAX_HEAD];
  size_t size = 0;

  *request = (struct request){.content_length = -1};
  if (!fgets(line, sizeof line, in) || sscanf(line, "%15s %255s", request->method, request->path) != 2)
    return false;
  while (fgets(line, sizeof line, in)) {
    line[strcspn(line, "\r\n")] = '\0';
    if (*line == '\0')
      return true;
    size += strlen(line);
    if (size > MAX_HEAD)
      return false;
    if (strncasecmp(line, "content-length:", 15) == 0) {
      char *end;

      request->content_length = strtol(line + 15, &end, 10);
      if (*end != '\0' || request->content_length < 0)
        return false;
    } else if (strncasecmp(line, "expect:", 7) == 0) {
      request->expects_continue = strcasestr(line, "100-continue") != NULL;
    }
  }
  return false;
}

/* What the guest is reached at, as the client sees it. */
static const char *own_address(int connection)
{
  static char text[INET6_ADDRSTRLEN];
  struct sockaddr_storage address;
  socklen_t length = sizeof address;

  if (getsockname(connection, (struct sockaddr *)&address, &length) != 0 ||
      getnameinfo((struct sockaddr *)&address, length, text, sizeof text, NULL, 0, NI_NUMERICHOST) != 0)
    return "unknown";
  return strncmp(text, "::ffff:", 7) == 0 ? text + 7 : text;
}

/* ------------------------------------------------------------------------------------------------------------------- */

/* Publishes. Returns false if that failed, with the reason in `why`. */
static bool publish(size_t length, long *subscribers, const char **why)
{
  static char error[256];
  struct redis_text words[] = {{"PUBLISH", 7}, {settings.channel, strlen(settings.channel)}, {payload, length}};
  struct redis redis;
  char type;

  if (!redis_connect(&redis, &settings, why))
    return false;
  *why = "the connection is lost";
  bool is_answered = redis_send(&redis, 3, words) && redis_read_head(&redis, &type, subscribers, error);
  redis_close(&redis);
  if (is_answered && type == '-')
    *why = error;
  return is_answered && type == ':';
}

static void answer_publish(FILE *in, FILE *out, const struct request *request)
{
  long subscribers;
  const char *why;

  if (strcmp(request->method, "POST") != 0) {
    answer(out, "405 Method Not Allowed\r\nAllow: POST", "{\"error\":\"what is to be published is posted\"}\n");
    return;
  }
  if (request->content_length < 0) {
    answer(out, "411 Length Required", "{\"error\":\"the request has no Content-Length\"}\n");
    return;
  }
  if (request->content_length > MAX_PAYLOAD) {
    answer(out, "413 Content Too Large", "{\"error\":\"%ld bytes are more than %d\"}\n", request->content_length, MAX_PAYLOAD);
    return;
  }
  if (request->expects_continue) {
    fputs("HTTP/1.1 100 Continue\r\n\r\n", out);
    fflush(out);
  }
  size_t length = request->content_length;
  if (fread(payload, 1, length, in) != length)
    return;
  if (!publish(length, &subscribers, &why)) {
    printf("publisher: cannot publish at %s:%s: %s\n", settings.host, settings.port, why);
    answer(out, "503 Service Unavailable", "{\"error\":\"cannot publish at %s:%s: %s\"}\n", settings.host, settings.port, why);
    return;
  }
  printf("publisher: published %zu bytes on \"%s\", subscribers: %ld\n", length, settings.channel, subscribers);
  answer(out, "200 OK",
    "{\"published\":%zu,\"channel\":\"%s\",\"subscribers\":%ld,\"by\":\"publisher\","
    "\"guest\":{\"address\":\"%s\",\"hostname\":\"%s\",\"system\":\"%s %s\"}}\n",
    length, settings.channel, subscribers, own_address(fileno(in)), machine.nodename, machine.sysname, machine.release);
}

static void serve(int connection)
{
  struct timeval timeout = {.tv_sec = CLIENT_SECONDS};
  struct request request;

  setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
  FILE *in = fdopen(connection, "r"), *out = fdopen(dup(connection), "w");
  if (in && out && read_request(in, &request)) {
    if (strcmp(request.path, "/publish") == 0)
      answer_publish(in, out, &request);
    else
      answer(out, "404 Not Found", "{\"error\":\"there is /publish, and nothing else\"}\n");
    fflush(out);
  }
  /* What a refused client still sends is read: else it would see a reset connection in the answer's place. */
  shutdown(connection, SHUT_WR);
  for (int i = 0; in && i < 64 && fread(payload, 1, 65536, in) > 0; i++)
    ;
  if (in)
    fclose(in);
  if (out)
    fclose(out);
}

/* ------------------------------------------------------------------------------------------------------------------- */

static int listen_on(const char *port)
{
  char *end;
  long number = strtol(port, &end, 10);
  struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT, .sin6_port = htons(number)};
  int yes = 1, no = 0, listening = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (*end != '\0' || number < 1 || number > 65535) {
    printf("publisher: PORT is \"%s\", which is no port\n", port);
    exit(2);
  }
  setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  setsockopt(listening, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
  if (bind(listening, (struct sockaddr *)&address, sizeof address) != 0 || listen(listening, 64) != 0) {
    printf("publisher: cannot listen on port %s: %s\n", port, strerror(errno));
    exit(1);
  }
  return listening;
}

int main(void)
{
  const char *port = getenv("PORT");
  int connection;

  setvbuf(stdout, NULL, _IOLBF, 0);
  settings = redis_settings("publisher");
  port = port && *port ? port : "8080";
  int listening = listen_on(port);
  uname(&machine);
  printf("publisher: ready, port %s, publishes on \"%s\" at %s:%s\n", port, settings.channel, settings.host, settings.port);
  while ((connection = accept4(listening, NULL, NULL, SOCK_CLOEXEC)) >= 0 || errno == ECONNABORTED || errno == EINTR)
    if (connection >= 0)
      serve(connection);
  printf("publisher: cannot accept connections: %s\n", strerror(errno));
  return 1;
}
