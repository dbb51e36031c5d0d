// Is everything there, the first token and the secrets? The postStart hook waits for it. A permanent reason in the
// termination log ends the wait at once: a failed hook kills the container, and that log is the only text of it that
// the kubelet shows.
#include "launcher.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

// Milliseconds between two looks. With a watch a look is only for what a watch misses: a token behind a symbolic link.
// Without one (no folder yet; a node has 128 per user) it is short first, while the token is due.
#define LOOK_WATCHED 250
#define LOOK_SOON 20
#define LOOK_LATER 200
#define SOON 2000
// Blocked and read from a descriptor: as PID 1 of a container it would ignore them.
#define ENDING (SIGNAL(SIGTERM) | SIGNAL(SIGINT) | SIGNAL(SIGHUP))

bool has_content(const char *path) {
    struct stat found;
    return stat(path, &found) == 0 && S_ISREG(found.st_mode) && found.st_size > 0;
}

static bool all_have_content(const struct words *files) {
    for (size_t i = 0; i < files->count; i++)
        if (!has_content(files->at[i])) return false;
    return true;
}

// The folder, because a file arrives by a rename.
static bool watch_folder(int watch, const char *file) {
    char folder[PATH_MAX];
    size_t length = strlen(file);
    while (length > 0 && file[length - 1] != '/') length--;
    if (length >= sizeof folder) return false;
    memcpy(folder, length > 0 ? file : "./", length > 0 ? length : 2);
    folder[length > 0 ? length : 2] = '\0';
    return inotify_add_watch(watch, folder, IN_MOVED_TO | IN_CLOSE_WRITE) >= 0;
}

// -1 where one of them cannot be watched.
static int watch_all(const struct words *files, const char *log) {
    int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watch < 0) return watch;
    bool all = inotify_add_watch(watch, log, IN_MODIFY) >= 0;
    for (size_t i = 0; i < files->count && all; i++) all = watch_folder(watch, files->at[i]);
    if (all) return watch;
    close(watch);
    return -1;
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
    const char *before = " s there is nothing in ";
    text_put(&line, "after ");
    text_put_number(&line, asked->timeout);
    for (size_t i = 0; i < asked->files.count; i++) {
        if (has_content(asked->files.at[i])) continue;
        text_put(&line, before);
        text_put_foreign(&line, asked->files.at[i], strlen(asked->files.at[i]));
        before = " and ";
    }
    text_put(&line, ": ");
    text_put_foreign(&line, last->reason, last->reason_length);
    if (last->reason_length == 0) text_put(&line, "the refresher gave no reason; look at its log");
    return fail(&settings->log, EXIT_AWAIT_TIMEOUT, &line);
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

int await_files(const struct settings *settings, const struct await_arguments *asked) {
    char log[LINE_LIMIT];
    signals_hold(ENDING);
    int signals = signals_descriptor(ENDING), changes = watch_all(&asked->files, settings->log.path), ended_by;
    uint64_t begin = world_now(), give_up = begin + asked->timeout * 1000 / settings->divisor;
    // The first look at the files comes after the watch: what happens between the two is not missed.
    while (!all_have_content(&asked->files)) {
        struct last_words last = parse_last_words(log, termination_log_read(&settings->log, log, sizeof log));
        if (last.permanent) return end_permanent(&last);
        uint64_t moment = world_now();
        if (moment >= give_up) return end_late(settings, asked, &last);
        uint64_t pause = changes >= 0 ? LOOK_WATCHED : moment < begin + SOON ? LOOK_SOON : LOOK_LATER;
        ended_by = look(signals, changes, pause < give_up - moment ? pause : give_up - moment);
        if (ended_by != 0) return 128 + ended_by;  // as shells say it
    }
    return EXIT_OK;
}
