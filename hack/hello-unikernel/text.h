/* Strings: the little of libc that is needed, a small formatter, and strict number parsing. */
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *to, const void *from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *text);

/* A piece of text that need not end in a zero byte. */
struct slice {
  const char *at;
  size_t length;
};

struct slice slice_of(const char *text);
bool slice_equals(struct slice slice, const char *text);
bool slice_starts_with(struct slice slice, const char *text);
/* Without regard to the case of ASCII letters; the text in small ones. */
bool slice_equals_any_case(struct slice slice, const char *text);
/* Cuts off what is before the first separator, or all if there is none, and returns it. */
struct slice slice_cut(struct slice *rest, char separator);

/* A decimal number without sign, of digits only, not above the limit. */
bool parse_number(struct slice text, uint32_t limit, uint32_t *number);
/* Up to eight hexadecimal digits, and nothing else. */
bool parse_hex(struct slice text, uint32_t *number);
bool parse_long_number(struct slice text, uint64_t limit, uint64_t *number);
/* A dotted quad, as a number whose highest byte is the first. */
bool parse_ipv4(struct slice text, uint32_t *address);

/*
 * Writes into the buffer, always ends in a zero byte, cuts what does not fit,
 * and returns the length written. Knows %s %c %u %x %%, %v (a slice), %i (an
 * IPv4 address as a number), %a (the address of a struct address), %l (64 bits
 * without sign), and a width with zeros, such as %03u.
 */
size_t format(char *buffer, size_t size, const char *pattern, ...);
size_t format_list(char *buffer, size_t size, const char *pattern, va_list values);

/* The text as a JSON string's inside: quoted where JSON wants it, and bytes that are no UTF-8 replaced by U+FFFD. */
size_t json_escape(char *buffer, size_t size, struct slice text);
