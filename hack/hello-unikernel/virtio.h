/* virtio 1.x devices, over memory-mapped registers or PCI; memory-mapped ones of before 1.0 too. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum {
  VIRTQUEUE_SIZE = 128,
  VIRTIO_PAGE = 4096,

  VIRTIO_NET = 1, /* device type */

  VIRTIO_F_VERSION_1 = 1u << 0, /* bit 32: in the second word of features */

  VIRTIO_ACKNOWLEDGE = 1,
  VIRTIO_DRIVER = 2,
  VIRTIO_DRIVER_OK = 4,
  VIRTIO_FEATURES_OK = 8,

  VIRTQ_DEVICE_WRITES = 2,
  VIRTQ_NO_INTERRUPT = 1,
  VIRTQ_NO_NOTIFY = 1,
};

/* Laid out as devices of before 1.0 want it, all in one piece. Later ones take the parts' addresses. */
struct virtqueue {
  struct {
    uint64_t address;
    uint32_t length;
    uint16_t flags, next;
  } descriptors[VIRTQUEUE_SIZE];
  struct {
    uint16_t flags;
    volatile uint16_t index;
    uint16_t ring[VIRTQUEUE_SIZE];
  } available;
  struct {
    volatile uint16_t flags;
    volatile uint16_t index;
    struct {
      uint32_t id, length;
    } ring[VIRTQUEUE_SIZE];
  } used __attribute__((aligned(VIRTIO_PAGE)));
} __attribute__((aligned(VIRTIO_PAGE)));

struct virtio_device {
  const struct virtio_transport *transport; /* NULL: a device of before 1.0 on PCI, which is driven in another way */
  uintptr_t registers; /* of the transport: the common ones */
  uintptr_t config;    /* of the device type */
  uintptr_t isr, notify;
  uint32_t notify_multiplier;
  uint16_t notify_offset[2];
  bool is_modern; /* virtio 1.0 or later */
};

struct virtio_transport {
  uint32_t (*features)(struct virtio_device *device, unsigned word);
  void (*accept_features)(struct virtio_device *device, unsigned word, uint32_t features);
  uint8_t (*status)(struct virtio_device *device);
  void (*set_status)(struct virtio_device *device, uint8_t status);
  /* False when the device has no such queue or a shorter one. */
  bool (*set_queue)(struct virtio_device *device, uint16_t index, struct virtqueue *queue);
  void (*notify)(struct virtio_device *device, uint16_t index);
  /* Whether the device raised its interrupt, which this takes back. */
  bool (*acknowledge)(struct virtio_device *device);
};

bool virtio_mmio_find(uint32_t type, unsigned index, struct virtio_device *device);
bool virtio_pci_find(uint32_t type, unsigned index, struct virtio_device *device);

/* Finds a device of a type, wherever this machine keeps it: by its index among them, in QEMU's order. */
bool virtio_find(uint32_t type, unsigned index, struct virtio_device *device);
/* Resets it and agrees on features: of those wanted, what it offers, which goes to *features. False if it cannot be driven. */
bool virtio_negotiate(struct virtio_device *device, uint32_t wanted, uint32_t *features);
/* Makes one descriptor available. Call virtio_notify after the last of several. */
void virtio_give(struct virtqueue *queue, uint16_t descriptor);
void virtio_notify(struct virtio_device *device, uint16_t index, const struct virtqueue *queue);
