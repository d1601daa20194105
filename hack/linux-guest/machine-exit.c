/*
 * machine-exit STATUS: end the virtual machine, and let it be known how its program ended.
 *
 * QEMU's own status says how QEMU ended, so the guest's goes another way, through two ISA devices that ucrun gives
 * every machine (see README.md): a byte written to port 0x500 is the status, and a write to port 0x501 ends QEMU at
 * once. On a machine without them the power is switched off.
 *
 * Freestanding, because the C library would be most of the initrd: the five system calls it needs are made directly.
 */

enum {
  STATUS_PORT = 0x500,
  STATUS_PORT_PRESENT = 0xe9, /* what QEMU's isa-debugcon answers; an empty bus answers 0xff */
  END_PORT = 0x501,
};

enum {
  SYS_WRITE = 1,
  SYS_IOCTL = 16,
  SYS_SYNC = 162,
  SYS_REBOOT = 169,
  SYS_IOPERM = 173,
};

enum {
  TCSBRK = 0x5409,
  TIOCSERGETLSR = 0x5459,
  TIOCSER_TEMT = 1,
  REBOOT_MAGIC1 = 0xfee1dead,
  REBOOT_MAGIC2 = 0x28121969,
  REBOOT_POWER_OFF = 0x4321fedc,
  REBOOT_RESTART = 0x01234567,
};

static long system_call(long number, long first, long second, long third)
{
  long result;

  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(first), "S"(second), "d"(third)
                   : "rcx", "r11", "memory");
  return result;
}

static void out_byte(unsigned char value, unsigned short port)
{
  __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static unsigned char in_byte(unsigned short port)
{
  unsigned char value;

  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

/* Returns the number that text holds, or -1 if it is not one from 0 to 255. */
static int parse_status(const char *text)
{
  int value = 0;

  if (!text || !*text)
    return -1;
  for (; *text; text++) {
    if (*text < '0' || *text > '9')
      return -1;
    value = value * 10 + (*text - '0');
    if (value > 255)
      return -1;
  }
  return value;
}

/*
 * Waits until what was printed has left the serial port. What is in the port itself the kernel waits for only as long as a real line
 * would take, whereas QEMU's takes as long as whoever reads it.
 */
static void drain(int descriptor)
{
  int line;

  do {
    line = TIOCSER_TEMT;
    if (system_call(SYS_IOCTL, descriptor, TCSBRK, 1) != 0 ||
        system_call(SYS_IOCTL, descriptor, TIOCSERGETLSR, (long)&line) != 0)
      return;
  } while (!(line & TIOCSER_TEMT));
}

static void end_machine(int status)
{
  /* The machine is gone a moment after this. */
  for (int descriptor = 0; descriptor <= 2; descriptor++)
    drain(descriptor);
  system_call(SYS_SYNC, 0, 0, 0);

  if (system_call(SYS_IOPERM, STATUS_PORT, END_PORT - STATUS_PORT + 1, 1) == 0) {
    if (in_byte(STATUS_PORT) == STATUS_PORT_PRESENT)
      out_byte(status, STATUS_PORT);
    out_byte(status, END_PORT);
  }
  system_call(SYS_REBOOT, REBOOT_MAGIC1, REBOOT_MAGIC2, REBOOT_POWER_OFF);
  /* A machine that cannot be switched off can be reset, which ends QEMU, too, under -no-reboot. */
  system_call(SYS_REBOOT, REBOOT_MAGIC1, REBOOT_MAGIC2, REBOOT_RESTART);
}

int run(long argument_count, const char *const *arguments)
{
  static const char usage[] = "usage: machine-exit STATUS (0 to 255)\n";
  static const char refused[] = "machine-exit: this takes root\n";
  int status = argument_count == 2 ? parse_status(arguments[1]) : -1;

  if (status < 0) {
    system_call(SYS_WRITE, 2, (long)usage, sizeof(usage) - 1);
    return 2;
  }
  end_machine(status);
  system_call(SYS_WRITE, 2, (long)refused, sizeof(refused) - 1);
  return 1;
}

/* At its start a program finds the argument count on top of its stack, and the arguments above it. */
__asm__(".globl _start\n"
        "_start:\n"
        "  mov (%rsp), %rdi\n"
        "  lea 8(%rsp), %rsi\n"
        "  and $-16, %rsp\n"
        "  call run\n"
        "  mov %eax, %edi\n"
        "  mov $60, %eax\n" /* exit */
        "  syscall\n");
