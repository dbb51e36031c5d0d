// An application that tells how it was started: entries that end with NUL, without a look at /proc, which an empty root
// has not. With SHOW_CODE it ends with that exit code.
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

extern char **environ;

static void show(const char *what, const char *value) {
    printf("%s %s%c", what, value, 0);
}

static void show_number(const char *what, unsigned long long number) {
    printf("%s %llu%c", what, number, 0);
}

int main(int count, char **arguments) {
    char folder[4096];
    uint64_t blocked = 0, ignored = 0;
    for (int i = 0; i < count; i++) show("argument", arguments[i]);
    for (char **entry = environ; *entry; entry++) show("variable", *entry);
    show("folder", getcwd(folder, sizeof folder) ? folder : "?");
    for (int number = 0; number < 1024; number++)
        if (fcntl(number, F_GETFD) >= 0) show_number("descriptor", (unsigned long long)number);
    syscall(SYS_rt_sigprocmask, 0, NULL, &blocked, 8);
    for (int number = 1; number <= 64; number++) {
        unsigned long action[8] = {0};
        syscall(SYS_rt_sigaction, number, NULL, action, 8);
        if (action[0] == 1) ignored |= UINT64_C(1) << (number - 1);
    }
    show_number("blocked", blocked);
    show_number("ignored", ignored);
    show_number("process", (unsigned long long)getpid());
    show_number("group", (unsigned long long)getpgrp());
    show_number("session", (unsigned long long)getsid(0));
    show_number("user", getuid());
    return getenv("SHOW_CODE") ? atoi(getenv("SHOW_CODE")) : 0;
}
