/*
 * A client's side of redis' protocol, RESP, as far as publishing and subscribing need it:
 * https://redis.io/docs/latest/develop/reference/protocol-spec/
 */
#ifndef REDIS_H
#define REDIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { MAX_PAYLOAD = 1024 * 1024 };

/* The server that REDIS_HOST and REDIS_PORT name (redis-server, 6379), and the channel that CHANNEL names (messages). */
struct redis_settings {
  const char *host, *port, *channel;
};

/* Bytes of any kind. */
struct redis_text {
  const char *bytes;
  size_t length;
};

/* A connection. */
struct redis {
  int socket;
  FILE *in;
};

/* Reads the environment. Ends the program with a message if the channel's name is not one that fits everywhere. */
struct redis_settings redis_settings(const char *program);

/* Connects. If that fails, returns false, and says why in `why`. */
bool redis_connect(struct redis *redis, const struct redis_settings *settings, const char **why);

void redis_close(struct redis *redis);

/* Sends a command. Returns false if the connection is lost. */
bool redis_send(const struct redis *redis, size_t count, const struct redis_text *words);

/*
 * Reads the first line of an answer: its type, such as ':' for a number or '*' for a list, and its number, which is a value or a
 * count. An error has the type '-' and its text in `error`. Returns false if the connection is lost, or this is no answer.
 */
bool redis_read_head(struct redis *redis, char *type, long *number, char error[256]);

/* Reads a string of up to `capacity` bytes. Returns false if the connection is lost, or something else comes. */
bool redis_read_string(struct redis *redis, char *bytes, size_t capacity, size_t *length);

#endif
