/* COM1, a 16550: the console. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

void serial_start(void);
void serial_write(const char *text, size_t length);
/* One received byte; false when there is none. */
bool serial_read(char *byte);
/* Waits until the last byte written has left. */
void serial_flush(void);

/* Prints a line made by the patterns of format() in text.h. The line's end is added. */
void print(const char *pattern, ...);
