#include "pci.h"

#include "cpu.h"

enum {
  ADDRESS_PORT = 0xcf8,
  DATA_PORT = 0xcfc,
  ADDRESS_ENABLE = 1u << 31,

  SLOTS = 32,
  ID = 0x00,
  COMMAND = 0x04,
  FIRST_BAR = 0x10,
  BARS = 6,

  COMMAND_MEMORY = 1 << 1,
  COMMAND_MASTER = 1 << 2,
  COMMAND_NO_INTERRUPT = 1 << 10,
  BAR_IS_PORTS = 1 << 0,
  BAR_IS_64 = 1 << 2,
  BAR_FLAGS = 0xf,

  /*
   * Where BARs go that have no address below 4 GiB: qboot gives them none. q35 has nothing else there, ever,
   * and pc only when it has more than 3 GiB of memory.
   */
  WINDOW = 0xd0000000,
  WINDOW_END = 0xe0000000,
};

static uint32_t next_address = WINDOW;

static void select(struct pci_device device, uint8_t offset)
{
  outl(ADDRESS_PORT, ADDRESS_ENABLE | device.slot << 11 | offset);
}

uint32_t pci_read(struct pci_device device, uint8_t offset)
{
  select(device, offset);
  return inl(DATA_PORT);
}

void pci_write(struct pci_device device, uint8_t offset, uint32_t value)
{
  select(device, offset);
  outl(DATA_PORT, value);
}

bool pci_exists(void)
{
  outl(ADDRESS_PORT, ADDRESS_ENABLE);
  return inl(ADDRESS_PORT) == ADDRESS_ENABLE;
}

bool pci_find(uint16_t vendor, uint16_t device, uint16_t other_device, unsigned index, struct pci_device *found)
{
  for (uint32_t slot = 0; slot < SLOTS; slot++) {
    uint32_t id = pci_read((struct pci_device){slot}, ID);
    bool is_wanted = (id & 0xffff) == vendor && (id >> 16 == device || id >> 16 == other_device);
    if (is_wanted && index-- == 0) {
      found->slot = slot;
      return true;
    }
  }
  return false;
}

void pci_enable(struct pci_device device)
{
  /* The upper half is the status register, whose ones would clear it. */
  uint32_t command = pci_read(device, COMMAND) & 0xffff;
  pci_write(device, COMMAND, (command | COMMAND_MEMORY | COMMAND_MASTER) & ~(uint32_t)COMMAND_NO_INTERRUPT);
}

uintptr_t pci_bar(struct pci_device device, unsigned index)
{
  if (index >= BARS)
    return 0;
  uint8_t offset = (uint8_t)(FIRST_BAR + 4 * index);
  uint32_t low = pci_read(device, offset);
  if ((low & BAR_IS_PORTS) != 0)
    return 0;
  bool is_64 = (low & BAR_IS_64) != 0 && index + 1 < BARS;
  uint32_t high = is_64 ? pci_read(device, offset + 4) : 0;
  uint32_t address = low & ~(uint32_t)BAR_FLAGS;
  if (address != 0 && high == 0)
    return address;

  pci_write(device, offset, UINT32_MAX);
  uint32_t size = -(pci_read(device, offset) & ~(uint32_t)BAR_FLAGS);
  address = (next_address + size - 1) & -size;
  if (size == 0 || address < next_address || address > WINDOW_END - size)
    return 0;
  next_address = address + size;
  pci_write(device, offset, address);
  if (is_64)
    pci_write(device, offset + 4, 0);
  return address;
}
