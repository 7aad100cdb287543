// A thread of a block on the host: a stack of its own, and a switch that keeps what a call keeps.
//
// swapcontext(3) asks the kernel for the signal mask each time, which made a barrier of 1,024 threads a millisecond. On x86-64 the switch is
// written out, elsewhere it is swapcontext's.

#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define STACK_BYTES (64 << 10)

#ifdef __x86_64__

struct Place {
    void *at;
};

extern "C" __attribute__((visibility("hidden"))) void switch_place(Place *from, Place *to);
asm(".pushsection .text\n"
    ".hidden switch_place\n"
    ".globl switch_place\n"
    ".type switch_place, @function\n"
    "switch_place:\n"
    "pushq %rbp\npushq %rbx\npushq %r12\npushq %r13\npushq %r14\npushq %r15\n"
    "movq %rsp, (%rdi)\n"
    "movq (%rsi), %rsp\n"
    "popq %r15\npopq %r14\npopq %r13\npopq %r12\npopq %rbx\npopq %rbp\n"
    "ret\n"
    ".popsection\n");

// Where `enter` begins on a stack: above it the return address that it never uses, so that the stack is aligned as after a call.
static void begin_place(Place *place, char *stack, void (*enter)(), Place *) {
    uintptr_t top = ((uintptr_t)stack + STACK_BYTES) / 16 * 16;
    void **words = (void **)top;
    words[-1] = 0;
    words[-2] = (void *)enter;
    for (int saved = 3; saved <= 8; saved++) words[-saved] = 0;
    place->at = words - 8;
}

#else

#include <ucontext.h>

struct Place {
    ucontext_t context;
};

static void switch_place(Place *from, Place *to) { swapcontext(&from->context, &to->context); }

static void begin_place(Place *place, char *stack, void (*enter)(), Place *after) {
    getcontext(&place->context);
    place->context.uc_stack.ss_sp = stack;
    place->context.uc_stack.ss_size = STACK_BYTES;
    place->context.uc_link = &after->context;
    makecontext(&place->context, enter, 0);
}

#endif

struct Fiber {
    Place place;
    char *stack;
    bool done;
    int index;
};
