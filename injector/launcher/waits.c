// How long until the next refresh? Pure: the dice (64 random bits) are a parameter; all in milliseconds.
#include "launcher.h"

uint64_t wait_scaled(uint64_t seconds, uint64_t divisor) {
    uint64_t milliseconds = seconds * 1000 / divisor;
    return milliseconds > 0 ? milliseconds : 1;
}

// A report of 0 must not make a busy loop, one of a year must not make a dead sidecar.
uint64_t wait_until_next(uint64_t milliseconds, uint64_t divisor) {
    uint64_t floor = wait_scaled(NEXT_FLOOR, divisor);
    uint64_t cap = wait_scaled(NEXT_CAP, divisor);
    if (milliseconds < floor) return floor;
    return milliseconds < cap ? milliseconds : cap;
}

// Full jitter: anything from nothing to a ceiling that doubles.
// https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
uint64_t wait_after_failures(unsigned failures, uint64_t dice, uint64_t divisor) {
    uint64_t seconds = BACKOFF_FIRST;
    for (; failures > 1 && seconds < BACKOFF_CAP; failures--) seconds *= 2;
    if (seconds > BACKOFF_CAP) seconds = BACKOFF_CAP;
    return dice % (wait_scaled(seconds, divisor) + 1);
}
