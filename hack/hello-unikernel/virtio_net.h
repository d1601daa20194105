/* The network card, and the frames that go out through it. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  MAC_LENGTH = 6,
  MAX_MTU = 1500,
  ETHERNET_HEADER = 14,
  MAX_FRAME = ETHERNET_HEADER + MAX_MTU,
};

enum card_state {
  CARD_NONE,
  CARD_UNUSABLE, /* there is one, but this driver cannot drive it */
  CARD_READY,
};

/* A frame to send. Whoever has it gives it on: to card_send or to card_drop. */
struct frame {
  uint8_t header[12]; /* virtio's, right before the data */
  uint8_t data[MAX_FRAME];
};

enum card_state card_start(void);
bool card_is_ready(void);
const uint8_t *card_mac(void);
uint32_t card_mtu(void);

/* An empty frame, or NULL when all are on their way. */
struct frame *card_frame(void);
void card_send(struct frame *frame, size_t length);
void card_drop(struct frame *frame);

/* Hands each frame received to the function, and takes back those sent. Whether there was any. */
bool card_poll(void (*receive)(const uint8_t *frame, size_t length));
/* Takes the interrupt back; whether there was one. */
bool card_acknowledge(void);
