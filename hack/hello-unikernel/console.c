#include "console.h"

#include "power.h"
#include "serial.h"
#include "text.h"

enum {
  CTRL_C = 0x03,
  BACKSPACE = 0x08,
  DELETE = 0x7f,
};

static char line[256];
static size_t length;

static bool on_line(struct slice text, uint8_t *status)
{
  uint32_t number;
  struct slice rest = text;
  struct slice command = slice_cut(&rest, ' ');
  if (slice_equals(text, "help")) {
    print("hello: exit N ends with code N (0 to 255), Ctrl-C with %u; other lines come back", (uint32_t)EXIT_INTERRUPTED);
  } else if (slice_equals(command, "exit") && rest.length > 0) {
    if (parse_number(rest, 255, &number)) {
      *status = (uint8_t)number;
      return true;
    }
    print("hello: bad code \"%v\": expected a number from 0 to 255", rest);
  } else if (text.length > 0) {
    print("hello: you said: %v", text);
  }
  return false;
}

bool console_poll(uint8_t *status)
{
  char byte;
  while (serial_read(&byte)) {
    if (byte == CTRL_C) {
      *status = EXIT_INTERRUPTED;
      return true;
    }
    if (byte == '\n' || byte == '\r') {
      struct slice text = {line, length};
      length = 0;
      if (on_line(text, status))
        return true;
    } else if (byte == BACKSPACE || byte == DELETE) {
      length -= length > 0;
    } else if ((uint8_t)byte >= ' ' && length < sizeof line) {
      line[length++] = byte; /* control characters are not for echoing, and a longer line is cut */
    }
  }
  return false;
}
