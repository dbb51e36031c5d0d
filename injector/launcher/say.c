// Who is told, and where? People read stderr; `await` and the kubelet read the termination log: one line, the last
// reason.
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/uio.h>
#include <unistd.h>

// A millisecond each.
#define LOCK_TRIES 250

// An empty text empties the termination log, which therefore gets no newline either.
static ssize_t put(int file, const char *before, const struct text *text) {
    struct iovec parts[] = {
        {(void *)(uintptr_t)before, strlen(before)},
        {(void *)(uintptr_t)text->bytes, text->length},
        {"\n", text->length > 0 || *before != '\0'},
    };
    return writev(file, parts, 3);
}

// One write, so that lines of two processes do not mix; none where it would block: a log that nobody reads must not
// keep the launcher from refreshing or from ending.
void say(const struct text *text) {
    struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT)) (void)!put(STDERR_FILENO, "token-injector: ", text);
}

// One writer at a time, `await` and the sidecar: the text of one, cut to the length of the other, says nothing. But no
// application that holds the lock holds us up.
static void lock(int file) {
    for (int tries = 0; flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK && tries < LOCK_TRIES; tries++)
        poll(NULL, 0, 1);
}

// Written before it is cut: there is no moment in which a reader finds nothing. Where it is not the kubelet's file,
// which is always there, it is made.
bool termination_log_write(const struct termination_log *log, const struct text *text) {
    int flags = O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | (log->create ? O_CREAT : 0);
    int file = open(log->path, flags, 0644);
    if (file < 0) return false;
    lock(file);
    ssize_t written = put(file, "", text);
    // What is no file, a terminal for example, cannot be cut and need not be.
    if (written >= 0) (void)!ftruncate(file, written);
    close(file);
    return written >= 0;
}

size_t termination_log_read(const struct termination_log *log, char *bytes, size_t room) {
    int file = open(log->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (file < 0) return 0;
    ssize_t length = read(file, bytes, room);
    close(file);
    return length > 0 ? (size_t)length : 0;
}

int fail(const struct termination_log *log, int code, const struct text *reason) {
    say(reason);
    termination_log_write(log, reason);
    return code;
}

int refuse(const struct termination_log *log, const char *what, const char *why) {
    struct outcome outcome;
    struct text line = {.length = 0};
    outcome_failed(&outcome, EXIT_USAGE, "");
    text_put_foreign(&outcome.reason, what, strlen(what));
    text_put(&outcome.reason, ": ");
    text_put(&outcome.reason, why);
    say(&outcome.reason);
    text_put_last_words(&line, &outcome);
    termination_log_write(log, &line);
    return EXIT_USAGE;
}
