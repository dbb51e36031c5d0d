// Which signals are held back, and which are ignored? By system calls: a C library keeps 32 to 34 for itself.
#include "launcher.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MASK_SIZE sizeof(uint64_t)

// Exactly these from now on; gives those that were held back before.
uint64_t signals_hold(uint64_t these) {
    uint64_t before = 0;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &these, &before, MASK_SIZE);
    return before;
}

// For signals that are held back: none can slip between a look and a sleep, not even for PID 1, which ignores those
// that it does not handle.
int signals_descriptor(uint64_t these) {
    return (int)syscall(SYS_signalfd4, -1, &these, MASK_SIZE, SFD_CLOEXEC | SFD_NONBLOCK);
}

bool signal_is_ignored(int number) {
    unsigned long action[8] = {0};  // the handler comes first
    syscall(SYS_rt_sigaction, number, NULL, action, MASK_SIZE);
    return action[0] == 1;  // SIG_IGN
}

// Whoever started us may have ignored SIGCHLD or SIGTERM, which a process hands down to the next; GNU make's children
// start with 32 to 34 ignored.
void signals_default(uint64_t these) {
    static const unsigned long kernel_sigaction[8];  // all zero is SIG_DFL
    for (int number = 1; number <= 64; number++)
        if (these & SIGNAL(number)) syscall(SYS_rt_sigaction, number, kernel_sigaction, NULL, MASK_SIZE);
}
