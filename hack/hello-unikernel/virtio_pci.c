#include "cpu.h"
#include "pci.h"
#include "virtio.h"

enum {
  VENDOR = 0x1af4,
  TRANSITIONAL = 0x1000, /* + device type - 1: knows the old way and the new */
  MODERN = 0x1040,       /* + device type */

  STATUS = 0x04, /* the upper half of it */
  STATUS_HAS_CAPABILITIES = 1 << 20,
  FIRST_CAPABILITY = 0x34,
  CAPABILITY_VENDOR = 9,

  /* The kinds of registers that a capability can tell the place of. */
  COMMON = 1,
  NOTIFY = 2,
  ISR = 3,
  CONFIG = 4,

  DEVICE_FEATURES_WORD = 0,
  DEVICE_FEATURES = 4,
  DRIVER_FEATURES_WORD = 8,
  DRIVER_FEATURES = 12,
  DEVICE_STATUS = 20,
  QUEUE = 22,
  QUEUE_SIZE = 24,
  QUEUE_ENABLE = 28,
  QUEUE_NOTIFY_OFFSET = 30,
  QUEUE_DESCRIPTORS = 32,
  QUEUE_AVAILABLE = 40,
  QUEUE_USED = 48,
};

static uint32_t features(struct virtio_device *device, unsigned word)
{
  write32(device->registers + DEVICE_FEATURES_WORD, word);
  return read32(device->registers + DEVICE_FEATURES);
}

static void accept_features(struct virtio_device *device, unsigned word, uint32_t accepted)
{
  write32(device->registers + DRIVER_FEATURES_WORD, word);
  write32(device->registers + DRIVER_FEATURES, accepted);
}

static uint8_t status(struct virtio_device *device) { return read8(device->registers + DEVICE_STATUS); }

static void set_status(struct virtio_device *device, uint8_t value) { write8(device->registers + DEVICE_STATUS, value); }

static void set_address(struct virtio_device *device, uint32_t reg, const void *address)
{
  write32(device->registers + reg, (uint32_t)(uintptr_t)address);
  write32(device->registers + reg + 4, 0);
}

static bool set_queue(struct virtio_device *device, uint16_t index, struct virtqueue *queue)
{
  write16(device->registers + QUEUE, index);
  if (read16(device->registers + QUEUE_SIZE) < VIRTQUEUE_SIZE)
    return false;
  write16(device->registers + QUEUE_SIZE, VIRTQUEUE_SIZE);
  set_address(device, QUEUE_DESCRIPTORS, &queue->descriptors);
  set_address(device, QUEUE_AVAILABLE, &queue->available);
  set_address(device, QUEUE_USED, &queue->used);
  device->notify_offset[index] = read16(device->registers + QUEUE_NOTIFY_OFFSET);
  write16(device->registers + QUEUE_ENABLE, 1);
  return true;
}

static void notify(struct virtio_device *device, uint16_t index)
{
  write16(device->notify + device->notify_offset[index] * device->notify_multiplier, index);
}

static bool acknowledge(struct virtio_device *device) { return read8(device->isr) != 0; /* reading takes it back */ }

static const struct virtio_transport transport = {features, accept_features, status, set_status, set_queue, notify, acknowledge};

static void read_capability(struct virtio_device *device, struct pci_device pci, uint8_t at)
{
  unsigned kind = pci_read(pci, at) >> 24;
  if (kind < COMMON || kind > CONFIG)
    return;
  uintptr_t bar = pci_bar(pci, pci_read(pci, at + 4) & 0xff);
  if (bar == 0)
    return;
  uintptr_t place = bar + pci_read(pci, at + 8);
  switch (kind) {
  case COMMON:
    device->registers = place;
    break;
  case NOTIFY:
    device->notify = place;
    device->notify_multiplier = pci_read(pci, at + 16);
    break;
  case ISR:
    device->isr = place;
    break;
  case CONFIG:
    device->config = place;
    break;
  }
}

bool virtio_pci_find(uint32_t type, unsigned index, struct virtio_device *device)
{
  struct pci_device pci;
  if (!pci_find(VENDOR, (uint16_t)(TRANSITIONAL + type - 1), (uint16_t)(MODERN + type), index, &pci))
    return false;

  *device = (struct virtio_device){.is_modern = true};
  bool has_capabilities = (pci_read(pci, STATUS) & STATUS_HAS_CAPABILITIES) != 0;
  uint8_t at = has_capabilities ? pci_read(pci, FIRST_CAPABILITY) & 0xfc : 0;
  /* 48 fit: a longer chain is a circle. */
  for (int count = 0; at != 0 && count < 48; count++) {
    uint32_t capability = pci_read(pci, at);
    if ((capability & 0xff) == CAPABILITY_VENDOR)
      read_capability(device, pci, at);
    at = capability >> 8 & 0xfc;
  }
  pci_enable(pci);
  if (device->registers != 0 && device->notify != 0 && device->isr != 0 && device->config != 0)
    device->transport = &transport;
  return true;
}
