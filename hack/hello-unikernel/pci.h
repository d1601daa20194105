/* PCI configuration space of bus 0, by I/O ports. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct pci_device {
  uint32_t slot;
};

/* Whether this machine has a PCI bus: pc and q35 do. */
bool pci_exists(void);
/* A device on bus 0 with this vendor and one of the two device numbers: by its index among them. */
bool pci_find(uint16_t vendor, uint16_t device, uint16_t other_device, unsigned index, struct pci_device *found);
uint32_t pci_read(struct pci_device device, uint8_t offset);
void pci_write(struct pci_device device, uint8_t offset, uint32_t value);
/* Switches on memory access and bus mastering, with interrupts by line. */
void pci_enable(struct pci_device device);
/* The address of a memory BAR; gives it one below 4 GiB if it has none. 0 when it is no memory BAR. */
uintptr_t pci_bar(struct pci_device device, unsigned index);
