#include "virtio_net.h"

#include "cpu.h"
#include "text.h"
#include "virtio.h"

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
  RECEIVE_BUFFER = 2048,
};

static struct virtio_device device;
static enum card_state state = CARD_NONE;
static struct virtqueue receive_queue, transmit_queue;
static uint8_t receive_buffers[VIRTQUEUE_SIZE][RECEIVE_BUFFER];
static struct frame frames[VIRTQUEUE_SIZE];
static uint16_t free_frames[VIRTQUEUE_SIZE], free_count;
static uint16_t received, transmitted; /* how far we have read the used rings */
static size_t header_length;
static uint8_t mac[MAC_LENGTH];
static uint32_t mtu = MAX_MTU;

static void read_config(uint32_t features)
{
  if ((features & F_MAC) != 0) {
    for (unsigned i = 0; i < MAC_LENGTH; i++)
      mac[i] = read8(device.config + CONFIG_MAC + i);
  } else {
    /* Any will do that is our own to give: locally administered, and different each time. */
    uint64_t random = rdtsc();
    memcpy(mac, &random, MAC_LENGTH);
    mac[0] = (uint8_t)((mac[0] & 0xfc) | 2);
  }
  if ((features & F_MTU) != 0) {
    uint32_t offered = read16(device.config + CONFIG_MTU);
    if (offered >= 576 && offered < mtu)
      mtu = offered;
  }
}

enum card_state card_start(void)
{
  if (!virtio_find(VIRTIO_NET, &device))
    return state = CARD_NONE;

  uint32_t features;
  if (!virtio_negotiate(&device, F_MAC | F_MTU | (device.is_modern ? 0 : F_ANY_LAYOUT), &features) ||
      !device.transport->set_queue(&device, RECEIVE, &receive_queue) ||
      !device.transport->set_queue(&device, TRANSMIT, &transmit_queue)) {
    return state = CARD_UNUSABLE;
  }
  header_length = device.is_modern ? HEADER : LEGACY_HEADER;
  read_config(features);

  for (uint16_t i = 0; i < VIRTQUEUE_SIZE; i++) {
    receive_queue.descriptors[i].address = (uintptr_t)receive_buffers[i];
    receive_queue.descriptors[i].length = RECEIVE_BUFFER;
    receive_queue.descriptors[i].flags = VIRTQ_DEVICE_WRITES;
    virtio_give(&receive_queue, i);
    transmit_queue.descriptors[i].address = (uintptr_t)frames[i].data - header_length;
    free_frames[free_count++] = i;
  }
  /* Sent frames are collected when the next are made: no need to be told. */
  transmit_queue.available.flags = VIRTQ_NO_INTERRUPT;

  uint8_t status = device.transport->status(&device);
  device.transport->set_status(&device, status | VIRTIO_DRIVER_OK);
  virtio_notify(&device, RECEIVE, &receive_queue);
  return state = CARD_READY;
}

bool card_is_ready(void) { return state == CARD_READY; }
const uint8_t *card_mac(void) { return mac; }
uint32_t card_mtu(void) { return mtu; }

static void collect_sent(void)
{
  while (transmitted != transmit_queue.used.index) {
    compiler_barrier(); /* the index before the entry it shows */
    uint32_t id = transmit_queue.used.ring[transmitted++ % VIRTQUEUE_SIZE].id;
    if (id < VIRTQUEUE_SIZE && free_count < VIRTQUEUE_SIZE)
      free_frames[free_count++] = (uint16_t)id;
  }
}

struct frame *card_frame(void)
{
  if (state != CARD_READY)
    return NULL;
  if (free_count == 0)
    collect_sent();
  return free_count == 0 ? NULL : &frames[free_frames[--free_count]];
}

void card_drop(struct frame *frame) { free_frames[free_count++] = (uint16_t)(frame - frames); }

void card_send(struct frame *frame, size_t length)
{
  uint16_t index = (uint16_t)(frame - frames);
  memset(frame->header, 0, sizeof frame->header); /* no checksum or segmentation left to the device */
  transmit_queue.descriptors[index].length = (uint32_t)(header_length + length);
  virtio_give(&transmit_queue, index);
  virtio_notify(&device, TRANSMIT, &transmit_queue);
}

bool card_poll(void (*receive)(const uint8_t *frame, size_t length))
{
  if (state != CARD_READY)
    return false;
  collect_sent();

  bool any = false;
  /* No more than a ring at a time, so that a flood leaves time for the rest of the main loop. */
  for (unsigned count = 0; count < VIRTQUEUE_SIZE && received != receive_queue.used.index; count++) {
    compiler_barrier();
    uint32_t id = receive_queue.used.ring[received % VIRTQUEUE_SIZE].id;
    size_t length = receive_queue.used.ring[received % VIRTQUEUE_SIZE].length;
    received++;
    any = true;
    if (id >= VIRTQUEUE_SIZE)
      continue;
    if (length >= header_length + ETHERNET_HEADER && length <= RECEIVE_BUFFER)
      receive(receive_buffers[id] + header_length, length - header_length);
    virtio_give(&receive_queue, (uint16_t)id);
  }
  if (any)
    virtio_notify(&device, RECEIVE, &receive_queue);
  return any;
}

bool card_acknowledge(void) { return state == CARD_READY && device.transport->acknowledge(&device); }
