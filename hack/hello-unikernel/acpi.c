/*
 * Reads the few tables and fields that matter here, and looks for two things
 * in the DSDT without an AML interpreter: both are constants, written as such
 * by QEMU and by everyone else.
 */
#include "acpi.h"

#include "text.h"

enum {
  /* Where firmware leaves the root pointer when the loader did not pass it on. */
  ROOT_AREA = 0xe0000,
  ROOT_AREA_END = 0x100000,
  ROOT_STEP = 16,

  DEFAULT_IOAPIC = 0xfec00000,
  /* Longer than any table of a virtual machine: a longer one is damaged. */
  MAX_TABLE = 1 << 20,

  FADT_HARDWARE_REDUCED = 1 << 20,
  FADT_RESET_SUPPORTED = 1 << 10,
  SPACE_MEMORY = 0,
  SPACE_PORTS = 1,

  MADT_IOAPIC = 1,
};

struct __attribute__((packed)) root {
  char signature[8];
  uint8_t checksum, oem[6], revision;
  uint32_t rsdt, length;
  uint64_t xsdt;
};

struct __attribute__((packed)) header {
  char signature[4];
  uint32_t length;
  uint8_t rest[28];
};

struct __attribute__((packed)) address {
  uint8_t space, bit_width, bit_offset, access_size;
  uint64_t address;
};

struct __attribute__((packed)) fadt {
  struct header header;
  uint32_t facs, dsdt;
  uint8_t reserved0, profile;
  uint16_t sci;
  uint32_t smi_command;
  uint8_t acpi_enable, acpi_disable, s4bios, pstate;
  uint32_t pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm2_control, pm_timer, gpe0, gpe1;
  uint8_t pm1_event_length, pm1_control_length, pm2_control_length, pm_timer_length, gpe0_length, gpe1_length, gpe1_base, cst;
  uint8_t latencies_and_rtc[13];
  uint16_t boot_architecture;
  uint8_t reserved1;
  uint32_t flags;
  /* From here on only in revision 2 and later, and the last two in 5 and later. */
  struct address reset;
  uint8_t reset_value, reserved2[3];
  uint64_t x_facs, x_dsdt;
  struct address x_blocks[8];
  struct address sleep_control, sleep_status;
};
_Static_assert(offsetof(struct fadt, flags) == 112 && offsetof(struct fadt, sleep_control) == 244, "the FADT of ACPI 5.0");

/* A table within reach of 32 bits and of a believable length, or NULL. */
static const struct header *table_at(uint64_t address)
{
  const struct header *table = (const struct header *)(uintptr_t)address;
  if (address == 0 || address > UINT32_MAX - MAX_TABLE || table->length < sizeof *table || table->length > MAX_TABLE)
    return NULL;
  return table;
}

static bool is_root(const struct root *root)
{
  if (memcmp(root->signature, "RSD PTR ", 8) != 0)
    return false;
  uint8_t sum = 0;
  for (size_t i = 0; i < offsetof(struct root, length); i++)
    sum += ((const uint8_t *)root)[i];
  return sum == 0;
}

static const struct root *find_root(const struct pvh_start_info *start_info)
{
  if (start_info->rsdp != 0 && start_info->rsdp < UINT32_MAX && is_root((const struct root *)(uintptr_t)start_info->rsdp))
    return (const struct root *)(uintptr_t)start_info->rsdp;
  for (uintptr_t at = ROOT_AREA; at < ROOT_AREA_END; at += ROOT_STEP)
    if (is_root((const struct root *)at))
      return (const struct root *)at;
  return NULL;
}

static void read_madt(struct acpi *acpi, const struct header *madt)
{
  const uint8_t *at = (const uint8_t *)madt + sizeof *madt + 8, *end = (const uint8_t *)madt + madt->length;
  while (end - at >= 2 && at[1] >= 2 && at[1] <= end - at) {
    if (at[0] == MADT_IOAPIC && at[1] >= 12 && acpi->ioapic_count < MAX_IOAPICS) {
      struct ioapic *ioapic = &acpi->ioapics[acpi->ioapic_count++];
      memcpy(&ioapic->address, at + 4, 4);
      memcpy(&ioapic->first_line, at + 8, 4);
    }
    at += at[1];
  }
}

/*
 * \_S5, a package whose first element is the sleep type for "off", and the
 * event register of the Generic Event Device: an operation region that QEMU
 * calls EREG, in memory, with a 32-bit address.
 */
static void read_dsdt(struct acpi *acpi, const struct header *dsdt)
{
  static const uint8_t ged_region[] = {0x5b, 0x80, 'E', 'R', 'E', 'G', SPACE_MEMORY, 0x0c};
  const uint8_t *start = (const uint8_t *)dsdt, *end = start + dsdt->length;
  for (const uint8_t *at = start + sizeof *dsdt; end - at >= 12; at++) {
    if (memcmp(at, "_S5_\x12", 5) == 0) {
      const uint8_t *element = at + 6 + (at[5] >> 6) + 1; /* the package's length takes 1 to 4 bytes, then the count */
      if (element + 2 <= end)
        acpi->sleep_type_off = (element[0] == 0x0a ? element[1] : element[0]) & 7;
    }
    if (memcmp(at, ged_region, sizeof ged_region) == 0)
      memcpy(&acpi->ged_event, at + sizeof ged_region, 4);
  }
}

static void read_fadt(struct acpi *acpi, const struct header *table)
{
  /* Copied, since an older table is shorter: what it lacks is zero. */
  struct fadt fadt = {0};
  memcpy(&fadt, table, table->length < sizeof fadt ? table->length : sizeof fadt);

  if ((fadt.flags & FADT_HARDWARE_REDUCED) != 0) {
    if (fadt.sleep_control.space == SPACE_MEMORY && fadt.sleep_control.address < UINT32_MAX)
      acpi->sleep_control = (uintptr_t)fadt.sleep_control.address;
  } else {
    acpi->pm1_event = (uint16_t)fadt.pm1a_event;
    acpi->pm1_enable = (uint16_t)(fadt.pm1a_event + fadt.pm1_event_length / 2);
    acpi->pm1_control = (uint16_t)fadt.pm1a_control;
    acpi->smi_command = (uint16_t)fadt.smi_command;
    acpi->acpi_enable = fadt.acpi_enable;
  }

  if ((fadt.flags & FADT_RESET_SUPPORTED) != 0 && fadt.reset.space <= SPACE_PORTS && fadt.reset.address < UINT32_MAX) {
    acpi->reset_is_memory = fadt.reset.space == SPACE_MEMORY;
    acpi->reset_register = (uintptr_t)fadt.reset.address;
    acpi->reset_value = fadt.reset_value;
  }

  const struct header *dsdt = table_at(fadt.x_dsdt != 0 ? fadt.x_dsdt : fadt.dsdt);
  if (dsdt != NULL)
    read_dsdt(acpi, dsdt);
}

static void read_table(struct acpi *acpi, const struct header *table)
{
  if (table == NULL)
    return;
  if (memcmp(table->signature, "APIC", 4) == 0)
    read_madt(acpi, table);
  else if (memcmp(table->signature, "FACP", 4) == 0)
    read_fadt(acpi, table);
}

void acpi_read(struct acpi *acpi, const struct pvh_start_info *start_info)
{
  memset(acpi, 0, sizeof *acpi);
  const struct root *root = find_root(start_info);
  if (root != NULL) {
    bool wide = root->revision >= 2 && root->xsdt != 0;
    const struct header *list = table_at(wide ? root->xsdt : root->rsdt);
    size_t entry = wide ? 8 : 4;
    for (size_t at = sizeof *list; list != NULL && at + entry <= list->length; at += entry) {
      uint64_t address = 0;
      memcpy(&address, (const uint8_t *)list + at, entry);
      read_table(acpi, table_at(address));
    }
  }
  if (acpi->ioapic_count == 0)
    acpi->ioapics[acpi->ioapic_count++] = (struct ioapic){DEFAULT_IOAPIC, 0};
}
