#include "virtio_net.h"

#include "cpu.h"
#include "memory.h"
#include "text.h"

enum {
  RECEIVE = 0,
  TRANSMIT = 1,

  F_MTU = 1 << 3,
  F_MAC = 1 << 5,
  F_ANY_LAYOUT = 1 << 27, /* before 1.0: header and frame may share a descriptor */

  CONFIG_MAC = 0,
  CONFIG_MTU = 10,

  HEADER = 12,
  LEGACY_HEADER = 10, /* without the count of merged buffers */

  /* No more of a ring at a time, so that a flood leaves time for the rest of the main loop. */
  FRAMES_A_TURN = 64,
};

enum card_search card_find(struct card *card, unsigned index)
{
  *card = (struct card){0};
  struct virtio_device *device = &card->device;
  if (!virtio_find(VIRTIO_NET, index, device))
    return CARD_NONE;
  uint32_t features;
  if (!virtio_negotiate(device, F_MAC | F_MTU | (device->is_modern ? 0 : F_ANY_LAYOUT), &features))
    return CARD_UNUSABLE;
  card->header_length = device->is_modern ? HEADER : LEGACY_HEADER;

  if ((features & F_MAC) != 0) {
    for (unsigned i = 0; i < MAC_LENGTH; i++)
      card->mac[i] = read8(device->config + CONFIG_MAC + i);
  } else {
    /* Any will do that is our own to give: locally administered, and different each time. */
    uint64_t random = rdtsc();
    memcpy(card->mac, &random, MAC_LENGTH);
    card->mac[0] = (uint8_t)((card->mac[0] & 0xfc) | 2);
  }
  if ((features & F_MTU) != 0)
    card->offered_mtu = read16(device->config + CONFIG_MTU);
  return CARD_FOUND;
}

static struct frame *frame_at(struct card *card, uint32_t index)
{
  return (struct frame *)(card->frames + index * (sizeof(struct frame) + card->buffer_size));
}

static uint16_t index_of(const struct frame *frame)
{
  const struct card *card = frame->card;
  return (uint16_t)((size_t)((const uint8_t *)frame - card->frames) / (sizeof(struct frame) + card->buffer_size));
}

bool card_start(struct card *card, uint32_t mtu)
{
  struct virtio_device *device = &card->device;
  card->mtu = mtu;
  /* Room for a VLAN tag, too, and a multiple of 16. */
  card->buffer_size = (HEADER + ETHERNET_HEADER + 4 + mtu + 15) & ~15u;
  card->receive_queue = memory_take(sizeof *card->receive_queue);
  card->transmit_queue = memory_take(sizeof *card->transmit_queue);
  card->receive_buffers = memory_take(VIRTQUEUE_SIZE * card->buffer_size);
  card->frames = memory_take(VIRTQUEUE_SIZE * (sizeof(struct frame) + card->buffer_size));
  if (card->receive_queue == NULL || card->transmit_queue == NULL || card->receive_buffers == NULL || card->frames == NULL)
    return false;
  memset(card->receive_queue, 0, sizeof *card->receive_queue);
  memset(card->transmit_queue, 0, sizeof *card->transmit_queue);
  if (!device->transport->set_queue(device, RECEIVE, card->receive_queue) ||
      !device->transport->set_queue(device, TRANSMIT, card->transmit_queue))
    return false;

  for (uint16_t i = 0; i < VIRTQUEUE_SIZE; i++) {
    card->receive_queue->descriptors[i].address = (uintptr_t)card->receive_buffers + i * card->buffer_size;
    card->receive_queue->descriptors[i].length = (uint32_t)card->buffer_size;
    card->receive_queue->descriptors[i].flags = VIRTQ_DEVICE_WRITES;
    virtio_give(card->receive_queue, i);
    struct frame *frame = frame_at(card, i);
    frame->card = card;
    card->transmit_queue->descriptors[i].address = (uintptr_t)frame->data - card->header_length;
    card->free_frames[card->free_count++] = i;
  }
  /* Sent frames are collected when the next are made: no need to be told. */
  card->transmit_queue->available.flags = VIRTQ_NO_INTERRUPT;

  uint8_t status = device->transport->status(device);
  device->transport->set_status(device, status | VIRTIO_DRIVER_OK);
  virtio_notify(device, RECEIVE, card->receive_queue);
  card->is_ready = true;
  return true;
}

static void collect_sent(struct card *card)
{
  struct virtqueue *queue = card->transmit_queue;
  while (card->transmitted != queue->used.index) {
    compiler_barrier(); /* the index before the entry it shows */
    uint32_t id = queue->used.ring[card->transmitted++ % VIRTQUEUE_SIZE].id;
    if (id < VIRTQUEUE_SIZE && card->free_count < VIRTQUEUE_SIZE)
      card->free_frames[card->free_count++] = (uint16_t)id;
  }
}

struct frame *card_frame(struct card *card)
{
  if (!card->is_ready)
    return NULL;
  if (card->free_count == 0)
    collect_sent(card);
  if (card->free_count == 0) {
    card_flush(card);
    card->transmit_queue->available.flags = 0;
    memory_barrier(); /* either the device sees that, or we see what it has sent meanwhile */
    collect_sent(card);
    if (card->free_count == 0)
      return NULL;
  }
  card->transmit_queue->available.flags = VIRTQ_NO_INTERRUPT;
  return frame_at(card, card->free_frames[--card->free_count]);
}

void card_drop(struct frame *frame) { frame->card->free_frames[frame->card->free_count++] = index_of(frame); }

void card_send(struct frame *frame, size_t length)
{
  struct card *card = frame->card;
  uint16_t index = index_of(frame);
  memset(frame->header, 0, sizeof frame->header); /* no checksum or segmentation left to the device */
  card->transmit_queue->descriptors[index].length = (uint32_t)(card->header_length + length);
  virtio_give(card->transmit_queue, index);
  card->has_unannounced = true;
}

void card_flush(struct card *card)
{
  if (!card->has_unannounced)
    return;
  card->has_unannounced = false;
  virtio_notify(&card->device, TRANSMIT, card->transmit_queue);
}

bool card_poll(struct card *card, void (*receive)(struct card *card, const uint8_t *frame, size_t length))
{
  if (!card->is_ready)
    return false;
  collect_sent(card);

  bool any = false;
  struct virtqueue *queue = card->receive_queue;
  for (unsigned count = 0; count < FRAMES_A_TURN && card->received != queue->used.index; count++) {
    compiler_barrier();
    uint32_t id = queue->used.ring[card->received % VIRTQUEUE_SIZE].id;
    size_t length = queue->used.ring[card->received % VIRTQUEUE_SIZE].length;
    card->received++;
    any = true;
    if (id >= VIRTQUEUE_SIZE)
      continue;
    if (length >= card->header_length + ETHERNET_HEADER && length <= card->buffer_size)
      receive(card, card->receive_buffers + id * card->buffer_size + card->header_length, length - card->header_length);
    virtio_give(queue, (uint16_t)id);
  }
  if (any)
    virtio_notify(&card->device, RECEIVE, queue);
  return any;
}

bool card_acknowledge(struct card *card) { return card->is_ready && card->device.transport->acknowledge(&card->device); }
