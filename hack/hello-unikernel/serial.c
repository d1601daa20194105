#include "serial.h"

#include "cpu.h"
#include "text.h"

enum {
  COM1 = 0x3f8,
  DATA = COM1,
  INTERRUPT_ENABLE = COM1 + 1,
  LINE_CONTROL = COM1 + 3,
  MODEM_CONTROL = COM1 + 4,
  LINE_STATUS = COM1 + 5,
  DIVISOR_LOW = COM1,
  DIVISOR_HIGH = COM1 + 1,

  RECEIVED_INTERRUPT = 0x01,
  EIGHT_BITS = 0x03,
  DIVISOR_LATCH = 0x80,
  DTR_RTS_OUT2 = 0x0b, /* OUT2 lets the interrupt through on a PC */
  DATA_READY = 0x01,
  CAN_TRANSMIT = 0x20,
  TRANSMITTED = 0x40,

  /* About a second of reading a port: longer, and nobody reads at the other end. */
  PATIENCE = 1000000,
};

static bool stalled;

/* The FIFOs stay as they are: to switch them on throws away what was typed before we came. */
void serial_start(void)
{
  outb(INTERRUPT_ENABLE, 0);
  outb(LINE_CONTROL, DIVISOR_LATCH);
  outb(DIVISOR_LOW, 1); /* 115200 baud */
  outb(DIVISOR_HIGH, 0);
  outb(LINE_CONTROL, EIGHT_BITS);
  outb(MODEM_CONTROL, DTR_RTS_OUT2);
  outb(INTERRUPT_ENABLE, RECEIVED_INTERRUPT);
}

static bool wait_for(uint8_t status)
{
  for (int tries = stalled ? 1 : PATIENCE; tries > 0; tries--)
    if ((inb(LINE_STATUS) & status) != 0)
      return true;
  return false;
}

void serial_write(const char *text, size_t length)
{
  for (size_t i = 0; i < length; i++) {
    /* A console that nobody reads must not stop the network: what finds no room is lost. */
    stalled = !wait_for(CAN_TRANSMIT);
    if (!stalled)
      outb(DATA, (uint8_t)text[i]);
  }
}

void serial_flush(void) { wait_for(TRANSMITTED); }

bool serial_read(char *byte)
{
  uint8_t status = inb(LINE_STATUS);
  /* All bits set: there is no such port, and it would be ready for ever. */
  if ((status & DATA_READY) == 0 || status == 0xff)
    return false;
  *byte = (char)inb(DATA);
  return true;
}

void print(const char *pattern, ...)
{
  static char line[8192]; /* the command line fits: it is at most 4 KiB */
  va_list values;
  va_start(values, pattern);
  size_t length = format_list(line, sizeof line - 1, pattern, values);
  va_end(values);
  line[length++] = '\n';
  serial_write(line, length);
}
