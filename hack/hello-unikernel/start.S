/*
 * Entry by PVH, segments, and the interrupt gates.
 *
 * A loader that knows PVH (QEMU's -kernel, Xen, Cloud Hypervisor, Firecracker)
 * finds the note, jumps to the address in it in 32-bit protected mode with
 * paging and interrupts off, and gives the start info's address in ebx.
 */
        .section .note.pvh, "a", @note
        .balign 4
        .long   4, 4, 18                        /* XEN_ELFNOTE_PHYS32_ENTRY */
        .asciz  "Xen"
        .long   start

        .text
        .globl  start
start:
        cli
        cld
        lgdt    gdt_pointer
        ljmp    $0x08, $1f
1:      movw    $0x10, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movw    %ax, %fs
        movw    %ax, %gs
        movl    $stack_top, %esp
        xorl    %ebp, %ebp
        pushl   %ebx
        call    kernel_main                     /* does not return */

/*
 * CPU exceptions. Some push an error code and some do not: the stubs make the
 * stack the same for all, so that on_exception gets (vector, error, eip).
 */
        .macro  exception vector, has_error=0
exception_\vector:
        .if     \has_error == 0
        pushl   $0
        .endif
        pushl   $\vector
        call    on_exception                    /* does not return */
        .endm

        .irp    vector, 0, 1, 2, 3, 4, 5, 6, 7, 9, 15, 16, 18, 19, 20, 22, 23, 24, 25, 26, 27, 28, 31
        exception \vector
        .endr
        .irp    vector, 8, 10, 11, 12, 13, 14, 17, 21, 29, 30
        exception \vector, 1
        .endr

/*
 * Interrupts are open only at the halt here, and have nothing to do but end
 * it: the main loop looks at every device anyway. So the handler does not go
 * back to the halt but takes its three words off the stack and returns to the
 * halt's caller, interrupts closed again. (An iret would do the same in more
 * steps, and is one that KVM cannot emulate on hosts where it has to.)
 */
        .globl  sleep_until_interrupt
sleep_until_interrupt:
        sti                                     /* takes effect after hlt: none can slip in between */
1:      hlt
        jmp     1b

        .globl  interrupt_entry
interrupt_entry:
        movl    $0, 0xfee000b0                  /* local APIC: end of interrupt */

        .globl  spurious_entry                  /* a spurious one must not be acknowledged */
spurious_entry:
        addl    $12, %esp
        ret

/* Ends a machine that has no other way out: a fault without any gate to take it. */
        .globl  triple_fault
triple_fault:
        lidt    no_idt
        int3

        .section .rodata
        .balign 8
gdt:
        .quad   0
        .quad   0x00cf9b000000ffff              /* code, flat */
        .quad   0x00cf93000000ffff              /* data, flat */
gdt_pointer:
        .word   gdt_pointer - gdt - 1
        .long   gdt
no_idt:
        .word   0
        .long   0

        .globl  exception_entries
        .balign 4
exception_entries:
        .altmacro
        .macro  exception_entry vector
        .long   exception_\vector
        .endm
        .set    vector, 0
        .rept   32
        exception_entry %vector
        .set    vector, vector + 1
        .endr

        .bss
        .balign 16
        .skip   16384
stack_top:

        .section .note.GNU-stack, "", @progbits
