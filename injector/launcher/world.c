// Where do time and chance come from? The kernel's timers and random bits; whoever decides gets them as values.
#include "launcher.h"

#include <sys/random.h>
#include <sys/timerfd.h>
#include <time.h>

// In milliseconds, since some moment.
uint64_t world_now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

int world_timer(int clock) {
    int made = timerfd_create(clock, TFD_CLOEXEC | TFD_NONBLOCK);
    // gVisor knows only CLOCK_MONOTONIC here.
    return made >= 0 ? made : timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
}

void world_timer_set(int timer, uint64_t milliseconds) {
    struct itimerspec when = {.it_value = {(time_t)(milliseconds / 1000), (long)(milliseconds % 1000) * 1000000}};
    if (milliseconds == 0) when.it_value.tv_nsec = 1;  // zero would stop the timer
    timerfd_settime(timer, 0, &when, NULL);
}

uint64_t world_dice(void) {
    uint64_t bits;
    struct timespec time;
    if (getrandom(&bits, sizeof bits, GRND_NONBLOCK) == sizeof bits) return bits;
    // None yet, or a sandbox forbids it: dice that always show zero would mean no pause between failures.
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_nsec;
}
