/* Network cards, and the frames that go out through them. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "virtio.h"

enum {
  MAC_LENGTH = 6,
  MIN_MTU = 576,
  USUAL_MTU = 1500,
  MAX_MTU = 9000,
  ETHERNET_HEADER = 14,
};

/* A frame to send. Whoever has it gives it on: to card_send or to card_drop. */
struct frame {
  struct card *card;
  uint8_t header[12]; /* virtio's, right before the data */
  uint8_t data[]; /* room for the card's MTU, and the Ethernet header */
};

struct card {
  struct virtio_device device;
  bool is_ready;
  uint8_t mac[MAC_LENGTH];
  uint32_t offered_mtu; /* 0: the device does not say */
  uint32_t mtu;

  struct virtqueue *receive_queue, *transmit_queue;
  size_t header_length, buffer_size;
  uint8_t *receive_buffers, *frames;
  uint16_t free_frames[VIRTQUEUE_SIZE], free_count;
  uint16_t received, transmitted; /* how far we have read the used rings */
  bool has_unannounced; /* frames that the device has not been told of */
};

enum card_search {
  CARD_NONE,
  CARD_UNUSABLE, /* there is one, but this driver cannot drive it */
  CARD_FOUND,
};

/* Looks for a card by its index, and at what it says of itself. */
enum card_search card_find(struct card *card, unsigned index);
/* Starts it, with buffers for the MTU. False when there is no memory for them. */
bool card_start(struct card *card, uint32_t mtu);

/* An empty frame, or NULL when all are on their way: then an interrupt comes when some have left. */
struct frame *card_frame(struct card *card);
/* Puts it in the queue. card_flush must follow, soon. */
void card_send(struct frame *frame, size_t length);
void card_drop(struct frame *frame);
void card_flush(struct card *card);

/* Hands each frame received to the function, and takes back those sent. Whether there was any. */
bool card_poll(struct card *card, void (*receive)(struct card *card, const uint8_t *frame, size_t length));
/* Takes the interrupt back; whether there was one. */
bool card_acknowledge(struct card *card);
