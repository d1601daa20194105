/*
 * The KVM proof: a guest that does what 64-bit guests do and then says so.
 *
 * A /dev/kvm that opens proves little. Hosts that are virtual machines
 * themselves often run 16- and 32-bit guests well, and hang a 64-bit one, or
 * end it with an emulation failure, once it turns paging on, executes xgetbv
 * or takes an interrupt. This guest does those things in a few microseconds
 * and leaves by isa-debug-exit at port 0x501 (iosize=4) with SUCCESS, which
 * makes QEMU's exit status 85. Any other status, or none in time, is no proof.
 *
 * The whole file, ELF header included, is written out here and linked to a
 * flat binary: so the bytes do not depend on the version of as and ld. Only
 * as syntax is used, no C preprocessor.
 *
 * Entry is by PVH (XEN_ELFNOTE_PHYS32_ENTRY): 32-bit protected mode, paging
 * off, flat segments, interrupts off, no usable stack.
 */

        .set    LOAD_ADDRESS,    0x100000
        .set    EXIT_PORT,       0x501
        .set    SUCCESS,         42      /* QEMU's status is (42 << 1) | 1 */
        /* The other values tell a person at the QEMU command line how far it came. */
        .set    NO_LONG_MODE,    1       /* status 3 */
        .set    WRONG_RESULT,    2       /* status 5 */
        .set    EXCEPTION,       3       /* status 7 */

        /* Memory below the image, above the firmware's data; 4 KiB each. */
        .set    PML4,            0x10000
        .set    PDPT,            0x11000
        .set    PD_LOW,          0x12000
        .set    PD_APIC,         0x13000
        .set    PDPT_ALIAS,      0x14000
        .set    IDT,             0x15000
        .set    TABLES_END,      0x16000
        .set    STACK_TOP,       0x18000

        .set    PRESENT_WRITE,   0x3
        .set    LARGE_PAGE,      0x80
        .set    UNCACHED,        0x10
        .set    PAGE_2M,         0x200000

        /* Virtual 512 GiB (PML4 slot 1) shows physical 2 MiB again. */
        .set    SCRATCH,         PAGE_2M
        .set    ALIAS,           1 << 39
        .set    SCRATCH_BYTES,   PAGE_2M

        .set    LAPIC,           0xfee00000
        .set    LAPIC_EOI,       0x0b0
        .set    LAPIC_SPURIOUS,  0x0f0
        .set    LAPIC_ICR_LOW,   0x300
        .set    LAPIC_TIMER,     0x320
        .set    LAPIC_INITIAL,   0x380
        .set    LAPIC_DIVIDE,    0x3e0
        .set    IPI_VECTOR,      0x40
        .set    TIMER_VECTOR,    0x41
        .set    SELF_IPI,        0x44000 | IPI_VECTOR
        .set    GATES,           0x42    /* vectors 0 to TIMER_VECTOR */

        .set    MSR_EFER,        0xc0000080
        .set    EFER_LME,        1 << 8
        .set    CR0_NO_EM_TS, ~((1 << 2) | (1 << 3))
        .set    CR0_PG_WP_MP,    (1 << 31) | (1 << 16) | (1 << 1)
        .set    CR4_PAE_FXSR,    (1 << 5) | (1 << 9) | (1 << 10)
        .set    CR4_OSXSAVE,     1 << 18

        .set    CODE64,          0x08
        .set    DATA,            0x10

        .text
        .code32
file:
elf_header:
        .byte   0x7f, 'E', 'L', 'F', 1, 1, 1, 0  /* 32-bit, little endian, version 1 */
        .fill   8, 1, 0
        .word   2, 3                             /* ET_EXEC, EM_386 */
        .long   1                                /* version */
        .long   LOAD_ADDRESS + start - file      /* entry */
        .long   program_headers - file, 0        /* program headers, no sections */
        .long   0                                /* flags */
        .word   program_headers - elf_header     /* this header's size */
        .word   32, 2                            /* program headers: size, number */
        .word   40, 0, 0
program_headers:
        .long   1, 0                             /* PT_LOAD: all of this file */
        .long   LOAD_ADDRESS, LOAD_ADDRESS
        .long   end - file, end - file
        .long   7, 0x1000
        .long   4, note - file                   /* PT_NOTE */
        .long   LOAD_ADDRESS + note - file, LOAD_ADDRESS + note - file
        .long   note_end - note, note_end - note
        .long   4, 4
note:
        .long   4, 4, 18                         /* XEN_ELFNOTE_PHYS32_ENTRY */
        .asciz  "Xen"
        .long   LOAD_ADDRESS + start - file
note_end:

        /* ---- 32 bit: make page tables, go to long mode ------------------- */
start:
        cld
        movl    $STACK_TOP, %esp

        movl    $0x80000000, %eax
        cpuid
        movl    $NO_LONG_MODE, %esi
        cmpl    $0x80000001, %eax
        jb      leave32
        movl    $0x80000001, %eax
        cpuid
        btl     $29, %edx
        jnc     leave32

        xorl    %eax, %eax
        movl    $PML4, %edi
        movl    $(TABLES_END - PML4) / 4, %ecx
        rep stosl

        movl    $PDPT + PRESENT_WRITE, PML4
        movl    $PDPT_ALIAS + PRESENT_WRITE, PML4 + 8
        movl    $PD_LOW + PRESENT_WRITE, PDPT
        movl    $PD_APIC + PRESENT_WRITE, PDPT + 3 * 8
        movl    $PD_LOW + PRESENT_WRITE, PDPT_ALIAS
        /* 0 to 8 MiB, one to one */
        movl    $PRESENT_WRITE + LARGE_PAGE, PD_LOW
        movl    $PRESENT_WRITE + LARGE_PAGE + PAGE_2M, PD_LOW + 8
        movl    $PRESENT_WRITE + LARGE_PAGE + 2 * PAGE_2M, PD_LOW + 16
        movl    $PRESENT_WRITE + LARGE_PAGE + 3 * PAGE_2M, PD_LOW + 24
        /* the local APIC's page, whose slot in the fourth GiB is address bits 21 to 29 */
        movl    $LAPIC + PRESENT_WRITE + LARGE_PAGE + UNCACHED, PD_APIC + ((LAPIC >> 21) & 511) * 8

        movl    %cr4, %ebx
        orl     $CR4_PAE_FXSR, %ebx
        movl    $1, %eax
        pushl   %ebx
        cpuid
        popl    %ebx
        btl     $26, %ecx                        /* XSAVE: only then may OSXSAVE be set */
        jnc     1f
        orl     $CR4_OSXSAVE, %ebx
1:      movl    %ebx, %cr4

        movl    $PML4, %eax
        movl    %eax, %cr3
        movl    $MSR_EFER, %ecx
        rdmsr
        orl     $EFER_LME, %eax
        wrmsr
        movl    %cr0, %eax
        andl    $CR0_NO_EM_TS, %eax
        orl     $CR0_PG_WP_MP, %eax
        movl    %eax, %cr0

        lgdt    LOAD_ADDRESS + gdt_pointer - file
        ljmp    $CODE64, $LOAD_ADDRESS + long_mode - file

leave32:
        movl    %esi, %eax
        movw    $EXIT_PORT, %dx
        outl    %eax, %dx
        cli
1:      hlt
        jmp     1b

        /* ---- 64 bit ------------------------------------------------------ */
        .code64
long_mode:
        movw    $DATA, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movl    $STACK_TOP, %esp
        movl    $WRONG_RESULT, %ebx              /* what leave reports until all is well */

        /* Every vector gets a gate, so that a fault ends the machine at once. */
        movl    $LOAD_ADDRESS + on_exception - file, %eax
        xorl    %ecx, %ecx
1:      call    set_gate
        incl    %ecx
        cmpl    $IPI_VECTOR, %ecx
        jb      1b
        movl    $LOAD_ADDRESS + on_ipi - file, %eax
        call    set_gate
        incl    %ecx
        movl    $LOAD_ADDRESS + on_timer - file, %eax
        call    set_gate
        lidt    LOAD_ADDRESS + idt_pointer - file

        /* The extended state register: x87 and SSE are always in it. */
        movq    %cr4, %rax
        btl     $18, %eax
        jnc     1f
        xorl    %ecx, %ecx
        xgetbv
        orl     $3, %eax
        xsetbv
        xgetbv
        andl    $3, %eax
        cmpl    $3, %eax
        jne     leave
1:
        /* String moves over a whole large page, read back by its other address. */
        movabsq $0x5a17c0de0badf00d, %rax
        movl    $SCRATCH, %edi
        movl    $SCRATCH_BYTES / 8, %ecx
        rep stosq
        movl    $SCRATCH, %esi
        movl    $SCRATCH + SCRATCH_BYTES, %edi   /* the next large page */
        movl    $SCRATCH_BYTES / 8, %ecx
        rep movsq
        movabsq $ALIAS + SCRATCH, %rsi
        movl    $SCRATCH + SCRATCH_BYTES, %edi
        movl    $SCRATCH_BYTES / 8, %ecx
        repe cmpsq
        jne     leave
        cmpq    %rax, -8(%rsi)
        jne     leave

        /* Locked operations and SSE, written by one address and read by the other. */
        movabsq $ALIAS + SCRATCH, %rsi
        movl    $SCRATCH, %edi
        movl    $1, %ecx
        movq    $0, (%rdi)
        lock xaddq %rcx, (%rsi)
        testq   %rcx, %rcx
        jnz     leave
        movl    $1, %eax
        movl    $7, %ecx
        lock cmpxchgq %rcx, (%rsi)
        jne     leave
        lock btsq $63, (%rdi)
        jc      leave
        movabsq $(1 << 63) + 7, %rax
        cmpq    %rax, (%rsi)
        jne     leave
        movups  (%rsi), %xmm0
        pxor    %xmm1, %xmm1
        pcmpeqd %xmm1, %xmm0                     /* 7, 1 << 31 and the old pattern: none is zero */
        movmskps %xmm0, %eax
        testl   %eax, %eax
        jnz     leave

        /* Two interrupts: one sent to itself, one from the local APIC's timer while halted. */
        xorl    %r8d, %r8d
        movl    $LAPIC, %r9d
        movl    $0x1ff, LAPIC_SPURIOUS(%r9)
        sti
        movl    $SELF_IPI, LAPIC_ICR_LOW(%r9)
1:      pause
        testb   $1, %r8b
        jz      1b
        cli
        movl    $TIMER_VECTOR, LAPIC_TIMER(%r9)
        movl    $0xb, LAPIC_DIVIDE(%r9)          /* undivided */
        movl    $10000, LAPIC_INITIAL(%r9)
2:      testb   $2, %r8b
        jnz     3f
        sti
        hlt
        cli
        jmp     2b
3:      movl    $SUCCESS, %ebx

leave:
        movl    %ebx, %eax
        movw    $EXIT_PORT, %dx
        outl    %eax, %dx
        cli
1:      hlt
        jmp     1b

/* Puts the handler at eax into gate ecx. */
set_gate:
        movl    %ecx, %edx
        shll    $4, %edx
        movw    %ax, IDT(%rdx)
        movw    $CODE64, IDT + 2(%rdx)
        movw    $0x8e00, IDT + 4(%rdx)           /* present, interrupt gate */
        movl    %eax, %esi
        shrl    $16, %esi
        movw    %si, IDT + 6(%rdx)
        ret

on_exception:
        movl    $EXCEPTION, %ebx
        jmp     leave
on_ipi:
        orl     $1, %r8d
        movl    $0, LAPIC_EOI(%r9)
        iretq
on_timer:
        orl     $2, %r8d
        movl    $0, LAPIC_EOI(%r9)
        iretq

        .balign 8
gdt:
        .quad   0
        .quad   0x00209b0000000000               /* 64-bit code */
        .quad   0x00cf93000000ffff               /* data */
gdt_pointer:
        .word   gdt_pointer - gdt - 1
        .long   LOAD_ADDRESS + gdt - file, 0
idt_pointer:
        .word   GATES * 16 - 1
        .quad   IDT
end:
