/*
 * subscriber: prints what is published on a channel of redis, a line each.
 *
 * It waits for the server as long as it takes, and subscribes again when the connection is lost.
 */
#include "redis.h"

#include <ctype.h>
#include <string.h>
#include <unistd.h>

static char kind[64], channel[1024], payload[MAX_PAYLOAD];

/* What is no printable text gets out of it the way C writes it: a message is one line of the log. */
static void print_escaped(const char *bytes, size_t length)
{
  for (size_t i = 0; i < length; i++) {
    unsigned char byte = bytes[i];

    if (byte == '\n')
      fputs("\\n", stdout);
    else if (byte == '\\')
      fputs("\\\\", stdout);
    else if (iscntrl(byte))
      printf("\\x%02x", byte);
    else
      putchar(byte);
  }
}

/* Reads what the server pushes, up to a message. Returns false if the connection is lost. */
static bool print_next(struct redis *redis, const struct redis_settings *settings)
{
  char type, error[256];
  long count;
  size_t length;

  if (!redis_read_head(redis, &type, &count, error))
    return false;
  if (type == '-') {
    printf("subscriber: %s:%s says: %s\n", settings->host, settings->port, error);
    return false;
  }
  if (type != '*' || count != 3 || !redis_read_string(redis, kind, sizeof kind - 1, &length))
    return false;
  kind[length] = '\0';
  if (!redis_read_string(redis, channel, sizeof channel - 1, &length))
    return false;
  channel[length] = '\0';
  if (strcmp(kind, "subscribe") == 0) {
    printf("subscriber: ready, subscribed to \"%s\" at %s:%s\n", channel, settings->host, settings->port);
    return redis_read_head(redis, &type, &count, error) && type == ':';
  }
  if (strcmp(kind, "message") != 0 || !redis_read_string(redis, payload, sizeof payload, &length))
    return false;
  printf("subscriber: received %zu bytes on \"%s\": ", length, channel);
  print_escaped(payload, length);
  putchar('\n');
  return true;
}

int main(void)
{
  struct redis_settings settings = redis_settings("subscriber");
  struct redis_text words[] = {{"SUBSCRIBE", 9}, {settings.channel, strlen(settings.channel)}};
  char told[256] = "";

  setvbuf(stdout, NULL, _IOLBF, 0);
  for (;;) {
    struct redis redis;
    const char *why;

    if (redis_connect(&redis, &settings, &why)) {
      told[0] = '\0';
      if (redis_send(&redis, 2, words))
        while (print_next(&redis, &settings))
          ;
      redis_close(&redis);
      printf("subscriber: the connection to %s:%s is lost\n", settings.host, settings.port);
    } else if (strcmp(told, why) != 0) {
      /* Said once, and not four times a second. */
      printf("subscriber: waiting for %s:%s: %s\n", settings.host, settings.port, why);
      snprintf(told, sizeof told, "%s", why);
    }
    usleep(250 * 1000);
  }
}
