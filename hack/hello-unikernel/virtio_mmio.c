#include "cpu.h"
#include "virtio.h"

enum {
  /* microvm's slots; with one I/O APIC it has eight, and nothing answers at the others. */
  FIRST_SLOT = 0xfeb00000,
  SLOT_SIZE = 512,
  SLOTS = 24,

  MAGIC = 0x000,
  VERSION = 0x004,
  DEVICE_TYPE = 0x008,
  DEVICE_FEATURES = 0x010,
  DEVICE_FEATURES_WORD = 0x014,
  DRIVER_FEATURES = 0x020,
  DRIVER_FEATURES_WORD = 0x024,
  LEGACY_PAGE_SIZE = 0x028,
  QUEUE = 0x030,
  QUEUE_MAX = 0x034,
  QUEUE_SIZE = 0x038,
  LEGACY_QUEUE_ALIGN = 0x03c,
  LEGACY_QUEUE_PAGE = 0x040,
  QUEUE_READY = 0x044,
  QUEUE_NOTIFY = 0x050,
  INTERRUPT_STATUS = 0x060,
  INTERRUPT_ACKNOWLEDGE = 0x064,
  STATUS = 0x070,
  QUEUE_DESCRIPTORS = 0x080,
  QUEUE_AVAILABLE = 0x090,
  QUEUE_USED = 0x0a0,
  CONFIG = 0x100,

  MAGIC_VALUE = 0x74726976, /* "virt" */
  VERSION_LEGACY = 1,
  VERSION_MODERN = 2,
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

static uint8_t status(struct virtio_device *device) { return (uint8_t)read32(device->registers + STATUS); }

static void set_status(struct virtio_device *device, uint8_t value)
{
  write32(device->registers + STATUS, value);
  if (value == 0 && !device->is_modern)
    write32(device->registers + LEGACY_PAGE_SIZE, VIRTIO_PAGE);
}

static void set_address(struct virtio_device *device, uint32_t reg, const void *address)
{
  write32(device->registers + reg, (uint32_t)(uintptr_t)address);
  write32(device->registers + reg + 4, 0);
}

static bool set_queue(struct virtio_device *device, uint16_t index, struct virtqueue *queue)
{
  write32(device->registers + QUEUE, index);
  if (read32(device->registers + QUEUE_MAX) < VIRTQUEUE_SIZE)
    return false;
  write32(device->registers + QUEUE_SIZE, VIRTQUEUE_SIZE);
  if (device->is_modern) {
    set_address(device, QUEUE_DESCRIPTORS, &queue->descriptors);
    set_address(device, QUEUE_AVAILABLE, &queue->available);
    set_address(device, QUEUE_USED, &queue->used);
    write32(device->registers + QUEUE_READY, 1);
  } else {
    write32(device->registers + LEGACY_QUEUE_ALIGN, VIRTIO_PAGE);
    write32(device->registers + LEGACY_QUEUE_PAGE, (uint32_t)(uintptr_t)queue / VIRTIO_PAGE);
  }
  return true;
}

static void notify(struct virtio_device *device, uint16_t index) { write32(device->registers + QUEUE_NOTIFY, index); }

static bool acknowledge(struct virtio_device *device)
{
  uint32_t raised = read32(device->registers + INTERRUPT_STATUS);
  if (raised != 0)
    write32(device->registers + INTERRUPT_ACKNOWLEDGE, raised);
  return raised != 0;
}

static const struct virtio_transport transport = {features, accept_features, status, set_status, set_queue, notify, acknowledge};

/* QEMU gives the first device the highest slot. */
bool virtio_mmio_find(uint32_t type, unsigned index, struct virtio_device *device)
{
  for (unsigned slot = SLOTS; slot-- > 0;) {
    uintptr_t base = FIRST_SLOT + slot * SLOT_SIZE;
    if (read32(base + MAGIC) != MAGIC_VALUE || read32(base + DEVICE_TYPE) != type)
      continue;
    uint32_t version = read32(base + VERSION);
    if (version != VERSION_LEGACY && version != VERSION_MODERN)
      continue;
    if (index-- > 0)
      continue;
    *device = (struct virtio_device){
      .transport = &transport,
      .registers = base,
      .config = base + CONFIG,
      .is_modern = version == VERSION_MODERN,
    };
    return true;
  }
  return false;
}
