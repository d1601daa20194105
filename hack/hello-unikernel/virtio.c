#include "virtio.h"

#include <stddef.h>

#include "cpu.h"
#include "pci.h"

bool virtio_find(uint32_t type, unsigned index, struct virtio_device *device)
{
  /* Not both: on a machine with PCI some other device's registers may be where microvm has virtio's. */
  return pci_exists() ? virtio_pci_find(type, index, device) : virtio_mmio_find(type, index, device);
}

bool virtio_negotiate(struct virtio_device *device, uint32_t wanted, uint32_t *features)
{
  const struct virtio_transport *transport = device->transport;
  if (transport == NULL)
    return false;
  transport->set_status(device, 0);
  while (transport->status(device) != 0)
    continue; /* the reset is over when it reads as zero */
  transport->set_status(device, VIRTIO_ACKNOWLEDGE);
  transport->set_status(device, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);

  *features = transport->features(device, 0) & wanted;
  transport->accept_features(device, 0, *features);
  if (!device->is_modern)
    return true;

  if ((transport->features(device, 1) & VIRTIO_F_VERSION_1) == 0)
    return false;
  transport->accept_features(device, 1, VIRTIO_F_VERSION_1);
  transport->set_status(device, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK);
  return (transport->status(device) & VIRTIO_FEATURES_OK) != 0;
}

void virtio_give(struct virtqueue *queue, uint16_t descriptor)
{
  uint16_t index = queue->available.index;
  queue->available.ring[index % VIRTQUEUE_SIZE] = descriptor;
  compiler_barrier(); /* the entry before the index that shows it */
  queue->available.index = index + 1;
}

void virtio_notify(struct virtio_device *device, uint16_t index, const struct virtqueue *queue)
{
  memory_barrier(); /* the device must see our index before we look at its flag */
  if ((queue->used.flags & VIRTQ_NO_NOTIFY) == 0)
    device->transport->notify(device, index);
}
