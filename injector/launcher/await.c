// Is the first token there? The postStart hook waits for it. A permanent reason in the termination log ends the wait at
// once: a failed hook kills the container, and that log is the only text of it that the kubelet shows.
#include "launcher.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

// Milliseconds between two looks. With a watch a look is only for what a watch misses: a token behind a symbolic link.
// Without one (no folder yet; a node has 128 per user) it is short first, while the token is due.
#define LOOK_WATCHED 250
#define LOOK_SOON 20
#define LOOK_LATER 200
#define SOON 2000

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static bool has_content(const char *path) {
    struct stat found;
    return stat(path, &found) == 0 && S_ISREG(found.st_mode) && found.st_size > 0;
}

// -1 where there is none; the folder, because the token arrives by a rename.
static int watch(const char *file, const char *log) {
    char folder[PATH_MAX];
    size_t length = strlen(file);
    int made = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    while (length > 0 && file[length - 1] != '/') length--;
    if (made < 0 || length >= sizeof folder) return made;
    memcpy(folder, length > 0 ? file : "./", length > 0 ? length : 2);
    folder[length > 0 ? length : 2] = '\0';
    bool both = inotify_add_watch(made, folder, IN_MOVED_TO | IN_CLOSE_WRITE) >= 0;
    both = inotify_add_watch(made, log, IN_MODIFY) >= 0 && both;
    if (both) return made;
    close(made);
    return -1;
}

// Blocked and read from a descriptor: as PID 1 of a container it would ignore them.
static int ending_signals(void) {
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGINT);
    sigaddset(&ending, SIGHUP);
    sigprocmask(SIG_SETMASK, &ending, NULL);
    return signalfd(-1, &ending, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int end_permanent(const struct last_words *last) {
    struct text line = {.length = 0};
    text_put_foreign(&line, last->reason, last->reason_length);
    say(&line);
    return last->code;
}

static int end_late(
    const struct settings *settings, const struct await_arguments *asked, const struct last_words *last) {
    struct text line = {.length = 0};
    text_put(&line, "no token in ");
    text_put_foreign(&line, asked->file, strlen(asked->file));
    text_put(&line, " after ");
    text_put_number(&line, asked->timeout);
    text_put(&line, " s: ");
    text_put_foreign(&line, last->reason, last->reason_length);
    if (last->reason_length == 0) text_put(&line, "the refresher gave no reason; look at its log");
    say(&line);
    termination_log_write(&settings->log, &line);
    return EXIT_AWAIT_TIMEOUT;
}

// Gives the signal that ends us, or 0.
static int look(int signals, int changes, uint64_t milliseconds) {
    struct pollfd ready[] = {{signals, POLLIN, 0}, {changes, POLLIN, 0}};
    struct signalfd_siginfo signal;
    char events[sizeof(struct inotify_event) + NAME_MAX + 1];
    poll(ready, 2, (int)milliseconds);
    if (read(signals, &signal, sizeof signal) == sizeof signal) return (int)signal.ssi_signo;
    while (changes >= 0 && read(changes, events, sizeof events) > 0) continue;
    return 0;
}

int await_token(const struct settings *settings, const struct await_arguments *asked) {
    char log[LINE_LIMIT];
    int signals = ending_signals(), changes = watch(asked->file, settings->log.path), ended_by;
    uint64_t begin = now(), give_up = begin + asked->timeout * 1000 / settings->divisor;
    // The first look at the file comes after the watch: what happens between the two is not missed.
    while (!has_content(asked->file)) {
        struct last_words last = parse_last_words(log, termination_log_read(&settings->log, log, sizeof log));
        if (last.permanent) return end_permanent(&last);
        uint64_t moment = now();
        if (moment >= give_up) return end_late(settings, asked, &last);
        uint64_t pause = changes >= 0 ? LOOK_WATCHED : moment < begin + SOON ? LOOK_SOON : LOOK_LATER;
        ended_by = look(signals, changes, pause < give_up - moment ? pause : give_up - moment);
        if (ended_by != 0) return 128 + ended_by;  // as shells say it
    }
    return EXIT_OK;
}
