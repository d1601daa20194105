/* Bytes that came too early, until those before them are there. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reassembly;

/* One of a few, empty, or NULL: then what is early has to come again. */
struct reassembly *reassembly_take(void);
void reassembly_give_back(struct reassembly *reassembly);
/* Keeps bytes from a sequence number on, which are less than 64 KiB from the next that is waited for. */
void reassembly_put(struct reassembly *reassembly, uint32_t sequence, const uint8_t *data, size_t length);
/* The bytes that are there from a sequence number on, in one piece. What is before it is forgotten. */
size_t reassembly_get(struct reassembly *reassembly, uint32_t sequence, const uint8_t **data);
