#include "text.h"

#include "address.h"
#include "cpu.h"

void *memcpy(void *to, const void *from, size_t size)
{
  void *at = to;
  size_t words = size / 4;
  size %= 4;
  __asm__ volatile("rep movsl" : "+D"(at), "+S"(from), "+c"(words) : : "memory");
  __asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(size) : : "memory");
  return to;
}

void *memmove(void *to, const void *from, size_t size)
{
  if ((uintptr_t)to - (uintptr_t)from >= size)
    return memcpy(to, from, size);
  for (size_t i = size; i-- > 0;)
    ((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
  return to;
}

void *memset(void *to, int byte, size_t size)
{
  void *at = to;
  __asm__ volatile("rep stosb" : "+D"(at), "+c"(size) : "a"(byte) : "memory");
  return to;
}

int memcmp(const void *a, const void *b, size_t size)
{
  const uint8_t *left = a, *right = b;
  for (size_t i = 0; i < size; i++)
    if (left[i] != right[i])
      return left[i] - right[i];
  return 0;
}

size_t strlen(const char *text)
{
  size_t length = 0;
  while (text[length] != '\0')
    length++;
  return length;
}

struct slice slice_of(const char *text) { return (struct slice){text, strlen(text)}; }

bool slice_equals(struct slice slice, const char *text)
{
  return slice.length == strlen(text) && memcmp(slice.at, text, slice.length) == 0;
}

bool slice_starts_with(struct slice slice, const char *text)
{
  size_t length = strlen(text);
  return slice.length >= length && memcmp(slice.at, text, length) == 0;
}

bool slice_equals_any_case(struct slice slice, const char *text)
{
  if (slice.length != strlen(text))
    return false;
  for (size_t i = 0; i < slice.length; i++) {
    char c = slice.at[i];
    if ((c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c) != text[i])
      return false;
  }
  return true;
}

struct slice slice_cut(struct slice *rest, char separator)
{
  struct slice first = {rest->at, 0};
  while (first.length < rest->length && rest->at[first.length] != separator)
    first.length++;
  size_t used = first.length < rest->length ? first.length + 1 : first.length;
  rest->at += used;
  rest->length -= used;
  return first;
}

bool parse_long_number(struct slice text, uint64_t limit, uint64_t *number)
{
  uint64_t value = 0;
  if (text.length == 0)
    return false;
  for (size_t i = 0; i < text.length; i++) {
    if (text.at[i] < '0' || text.at[i] > '9')
      return false;
    uint32_t digit = (uint32_t)(text.at[i] - '0');
    if (digit > limit || value > divide(limit - digit, 10))
      return false;
    value = value * 10 + digit;
  }
  *number = value;
  return true;
}

bool parse_number(struct slice text, uint32_t limit, uint32_t *number)
{
  uint64_t value;
  if (!parse_long_number(text, limit, &value))
    return false;
  *number = (uint32_t)value;
  return true;
}

bool parse_hex(struct slice text, uint32_t *number)
{
  uint32_t value = 0;
  if (text.length == 0 || text.length > 8)
    return false;
  for (size_t i = 0; i < text.length; i++) {
    char c = text.at[i];
    if (c >= '0' && c <= '9')
      value = value << 4 | (uint32_t)(c - '0');
    else if (c >= 'a' && c <= 'f')
      value = value << 4 | (uint32_t)(c - 'a' + 10);
    else if (c >= 'A' && c <= 'F')
      value = value << 4 | (uint32_t)(c - 'A' + 10);
    else
      return false;
  }
  *number = value;
  return true;
}

bool parse_ipv4(struct slice text, uint32_t *address)
{
  uint32_t value = 0, part;
  for (int dots = 0; dots < 4; dots++) {
    size_t before = text.length;
    struct slice piece = slice_cut(&text, '.');
    bool has_dot = before != piece.length;
    if (has_dot != (dots < 3) || piece.length > 3 || !parse_number(piece, 255, &part))
      return false;
    value = value << 8 | part;
  }
  *address = value;
  return true;
}

struct output {
  char *at;
  size_t room;
};

static void put(struct output *output, char c)
{
  if (output->room > 1) {
    *output->at++ = c;
    output->room--;
  }
}

static void put_slice(struct output *output, struct slice slice)
{
  for (size_t i = 0; i < slice.length; i++)
    put(output, slice.at[i]);
}

static void put_number(struct output *output, uint64_t value, uint32_t base, unsigned width)
{
  char digits[20];
  unsigned count = 0;
  do {
    uint64_t rest = divide(value, base);
    digits[count++] = "0123456789abcdef"[(uint32_t)(value - rest * base)];
    value = rest;
  } while (value != 0 || count < width);
  while (count > 0)
    put(output, digits[--count]);
}

size_t format_list(char *buffer, size_t size, const char *pattern, va_list values)
{
  struct output output = {buffer, size};
  uint32_t address;
  for (; *pattern != '\0'; pattern++) {
    if (*pattern != '%') {
      put(&output, *pattern);
      continue;
    }
    unsigned width = 1;
    if (pattern[1] == '0') {
      width = (unsigned)(pattern[2] - '0');
      pattern += 2;
    }
    switch (*++pattern) {
    case 's':
      put_slice(&output, slice_of(va_arg(values, const char *)));
      break;
    case 'v':
      put_slice(&output, va_arg(values, struct slice));
      break;
    case 'c':
      put(&output, (char)va_arg(values, int));
      break;
    case 'u':
      put_number(&output, va_arg(values, uint32_t), 10, width);
      break;
    case 'x':
      put_number(&output, va_arg(values, uint32_t), 16, width);
      break;
    case 'l':
      put_number(&output, va_arg(values, uint64_t), 10, width);
      break;
    case 'a': {
      char text[ADDRESS_TEXT];
      address_write(text, va_arg(values, const struct address *));
      put_slice(&output, slice_of(text));
      break;
    }
    case 'i':
      address = va_arg(values, uint32_t);
      for (int shift = 24; shift >= 0; shift -= 8) {
        put_number(&output, address >> shift & 0xff, 10, 1);
        if (shift > 0)
          put(&output, '.');
      }
      break;
    default:
      put(&output, *pattern);
    }
  }
  *output.at = '\0';
  return (size_t)(output.at - buffer);
}

size_t format(char *buffer, size_t size, const char *pattern, ...)
{
  va_list values;
  va_start(values, pattern);
  size_t length = format_list(buffer, size, pattern, values);
  va_end(values);
  return length;
}

/* How many bytes the UTF-8 character at the start takes, or 0 when there is none (overlong, surrogate, cut off). */
static size_t utf8_length(struct slice text)
{
  const uint8_t *byte = (const uint8_t *)text.at;
  size_t length = byte[0] < 0x80 ? 1 : byte[0] < 0xc2 ? 0 : byte[0] < 0xe0 ? 2 : byte[0] < 0xf0 ? 3 : byte[0] < 0xf5 ? 4 : 0;
  if (length == 0 || length > text.length)
    return 0;
  for (size_t i = 1; i < length; i++)
    if ((byte[i] & 0xc0) != 0x80)
      return 0;
  if (length > 2) {
    uint32_t start = (uint32_t)byte[0] << 8 | byte[1];
    bool overlong = (start >= 0xe080 && start < 0xe0a0) || (start >= 0xf080 && start < 0xf090);
    bool surrogate = start >= 0xeda0 && start < 0xee00;
    if (overlong || surrogate || start >= 0xf490)
      return 0;
  }
  return length;
}

size_t json_escape(char *buffer, size_t size, struct slice text)
{
  struct output output = {buffer, size};
  while (text.length > 0) {
    uint8_t byte = (uint8_t)text.at[0];
    size_t length = utf8_length(text);
    if (length == 0) {
      put_slice(&output, slice_of("\\ufffd"));
      length = 1;
    } else if (byte == '"' || byte == '\\') {
      put(&output, '\\');
      put(&output, (char)byte);
    } else if (byte < 0x20 || byte == 0x7f) {
      put_slice(&output, slice_of("\\u00"));
      put_number(&output, byte, 16, 2);
    } else {
      put_slice(&output, (struct slice){text.at, length});
    }
    text.at += length;
    text.length -= length;
  }
  *output.at = '\0';
  return (size_t)(output.at - buffer);
}
