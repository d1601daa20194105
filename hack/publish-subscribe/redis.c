#include "redis.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum {
  CONNECT_SECONDS = 5,
  /* How long a machine may be gone before its connection counts as lost. */
  IDLE_SECONDS = 5,
  PROBE_SECONDS = 2,
  PROBES = 3,
};

static const char *variable(const char *name, const char *otherwise)
{
  const char *value = getenv(name);

  return value && *value ? value : otherwise;
}

struct redis_settings redis_settings(const char *program)
{
  static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-";
  struct redis_settings settings = {
    .host = variable("REDIS_HOST", "redis-server"),
    .port = variable("REDIS_PORT", "6379"),
    .channel = variable("CHANNEL", "messages"),
  };

  if (settings.channel[strspn(settings.channel, allowed)] != '\0') {
    printf("%s: CHANNEL is \"%s\": a channel's name has letters, digits and ._:- only\n", program, settings.channel);
    exit(2);
  }
  return settings;
}

static void set_option(int socket, int level, int option, int value)
{
  setsockopt(socket, level, option, &value, sizeof value);
}

static int connect_to(const struct addrinfo *address)
{
  struct timeval timeout = {.tv_sec = CONNECT_SECONDS};
  int connected = socket(address->ai_family, address->ai_socktype | SOCK_CLOEXEC, address->ai_protocol);

  if (connected < 0)
    return -1;
  /* Of sending, which connecting counts as. */
  setsockopt(connected, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
  if (connect(connected, address->ai_addr, address->ai_addrlen) != 0) {
    int error = errno == EINPROGRESS ? ETIMEDOUT : errno;
    close(connected);
    errno = error;
    return -1;
  }
  set_option(connected, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(connected, IPPROTO_TCP, TCP_KEEPIDLE, IDLE_SECONDS);
  set_option(connected, IPPROTO_TCP, TCP_KEEPINTVL, PROBE_SECONDS);
  set_option(connected, IPPROTO_TCP, TCP_KEEPCNT, PROBES);
  set_option(connected, IPPROTO_TCP, TCP_USER_TIMEOUT, (IDLE_SECONDS + PROBES * PROBE_SECONDS) * 1000);
  set_option(connected, IPPROTO_TCP, TCP_NODELAY, 1);
  return connected;
}

bool redis_connect(struct redis *redis, const struct redis_settings *settings, const char **why)
{
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *addresses;
  int failed = getaddrinfo(settings->host, settings->port, &hints, &addresses);

  redis->socket = -1;
  if (failed) {
    *why = gai_strerror(failed);
    return false;
  }
  for (const struct addrinfo *address = addresses; address && redis->socket < 0; address = address->ai_next)
    redis->socket = connect_to(address);
  *why = strerror(errno);
  freeaddrinfo(addresses);
  if (redis->socket < 0)
    return false;
  redis->in = fdopen(redis->socket, "r");
  if (redis->in)
    return true;
  *why = strerror(errno);
  close(redis->socket);
  return false;
}

void redis_close(struct redis *redis)
{
  fclose(redis->in);
}

static bool send_all(int socket, const char *bytes, size_t length)
{
  while (length > 0) {
    ssize_t sent = send(socket, bytes, length, MSG_NOSIGNAL);

    if (sent <= 0)
      return false;
    bytes += sent;
    length -= sent;
  }
  return true;
}

bool redis_send(const struct redis *redis, size_t count, const struct redis_text *words)
{
  char head[32];
  int length = snprintf(head, sizeof head, "*%zu\r\n", count);

  if (!send_all(redis->socket, head, length))
    return false;
  for (size_t i = 0; i < count; i++) {
    length = snprintf(head, sizeof head, "$%zu\r\n", words[i].length);
    if (!send_all(redis->socket, head, length) || !send_all(redis->socket, words[i].bytes, words[i].length) ||
        !send_all(redis->socket, "\r\n", 2))
      return false;
  }
  return true;
}

bool redis_read_head(struct redis *redis, char *type, long *number, char error[256])
{
  char line[256], *end;

  if (!fgets(line, sizeof line, redis->in))
    return false;
  line[strcspn(line, "\r\n")] = '\0';
  *type = line[0];
  if (*type == '-') {
    strcpy(error, line + 1);
    /* It may be handed on in quotes. */
    for (char *quote = error; (quote = strpbrk(quote, "\"\\")) != NULL; *quote = '\'')
      ;
    return true;
  }
  *number = strtol(line + 1, &end, 10);
  return end != line + 1 && *end == '\0';
}

bool redis_read_string(struct redis *redis, char *bytes, size_t capacity, size_t *length)
{
  char type, error[256], end[2];
  long number;

  if (!redis_read_head(redis, &type, &number, error) || type != '$' || number < 0 || (size_t)number > capacity)
    return false;
  *length = number;
  return fread(bytes, 1, *length, redis->in) == *length && fread(end, 1, 2, redis->in) == 2;
}
