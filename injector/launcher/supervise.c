// Who waits, for almost nothing? Start a refresh, sleep until the next, back off on failure, end at once on a signal.
// Signals are blocked and read from a descriptor, so none can slip between a look and a sleep, not even for PID 1.
#include "launcher.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct supervisor {
    const struct settings *settings;
    int signals;
    int nap;       // CLOCK_BOOTTIME: a suspended machine's sleep counts
    int deadline;  // CLOCK_MONOTONIC: a suspended machine's child had no time
    struct child child;
    int status;
    bool ended;  // the child, and status says how
    int stop;    // the signal that ends us
    bool log_complained;
};

// Every ended process, ours or an orphan that PID 1 inherited. The child's group is killed before the child is reaped:
// until then nobody else can have its number.
static void reap(struct supervisor *self) {
    for (;;) {
        siginfo_t found = {.si_pid = 0};
        int status;
        if (waitid(P_ALL, 0, &found, WEXITED | WNOHANG | WNOWAIT) != 0 || found.si_pid == 0) return;
        bool ours = !self->ended && found.si_pid == self->child.process;
        if (ours) child_kill(&self->child);
        if (waitpid(found.si_pid, &status, 0) < 0 || !ours) continue;
        self->ended = true;
        self->status = status;
    }
}

// Sleeps until something happens; gives whether it was the timer.
static bool look(struct supervisor *self, int timer, int report) {
    struct pollfd ready[] = {{self->signals, POLLIN, 0}, {timer, POLLIN, 0}, {report, POLLIN, 0}};
    struct signalfd_siginfo signal;
    if (poll(ready, 3, -1) <= 0) return false;
    while (read(self->signals, &signal, sizeof signal) == sizeof signal)
        if (signal.ssi_signo != SIGCHLD) self->stop = (int)signal.ssi_signo;
    reap(self);
    return ready[1].revents != 0;
}

// Room for one byte more than a report may have tells a longer one.
static size_t read_report(struct child *child, char *line, size_t length) {
    ssize_t got = 0;
    while (length <= REPORT_LIMIT && (got = read(child->report, line + length, REPORT_LIMIT + 1 - length)) > 0)
        length += (size_t)got;
    if (got == 0 || length > REPORT_LIMIT) {
        close(child->report);
        child->report = -1;
    }
    return length;
}

static void refresh_once(struct supervisor *self, const struct words *command, struct outcome *outcome) {
    char line[REPORT_LIMIT + 1];
    size_t length = 0;
    bool late = false;
    self->ended = false;
    if (!child_start(&self->child, command)) {
        self->ended = true;
        outcome_failed(outcome, EXIT_SOURCE_UNAVAILABLE, "no process for the refresher: ");
        text_put(&outcome->reason, strerror(errno));
        return;
    }
    world_timer_set(self->deadline, wait_scaled(CHILD_DEADLINE, self->settings->divisor));
    while (!self->ended && !self->stop && !late && length <= REPORT_LIMIT) {
        late = look(self, self->deadline, self->child.report);
        if (self->child.report >= 0) length = read_report(&self->child, line, length);
    }
    bool killed = !self->ended;
    if (killed) {
        child_kill(&self->child);
        while (waitpid(self->child.process, &self->status, 0) < 0 && errno == EINTR) continue;
        self->ended = true;
    }
    if (self->child.report >= 0) length = read_report(&self->child, line, length);
    if (self->child.report >= 0) close(self->child.report);
    if (length > REPORT_LIMIT) outcome_failed(outcome, EXIT_SOURCE_UNAVAILABLE, "the refresher's report is too long");
    else if (killed) outcome_failed(outcome, EXIT_SOURCE_UNAVAILABLE, "the refresher hung and was killed");
    else outcome_judge(outcome, self->status, line, length);
}

static void leave_last_words(struct supervisor *self, const struct text *line) {
    struct text complaint = {.length = 0};
    if (termination_log_write(&self->settings->log, line) || self->log_complained) return;
    self->log_complained = true;
    text_put(&complaint, "the termination log cannot be written: ");
    text_put_foreign(&complaint, self->settings->log.path, strlen(self->settings->log.path));
    say(&complaint);
}

static uint64_t tell(struct supervisor *self, const struct outcome *outcome, unsigned *failures) {
    struct text line = {.length = 0};
    if (outcome->refreshed) {
        *failures = 0;
        leave_last_words(self, &line);
        return wait_until_next(outcome->milliseconds, self->settings->divisor);
    }
    if (*failures < UINT8_MAX) (*failures)++;  // far beyond the cap
    uint64_t wait = wait_after_failures(*failures, world_dice(), self->settings->divisor);
    text_put_last_words(&line, outcome);
    leave_last_words(self, &line);
    line.length = 0;
    text_put(&line, "no token (exit code ");
    text_put_number(&line, (uint64_t)outcome->code);
    text_put(&line, "), next try in ");
    text_put_seconds(&line, wait);
    text_put(&line, " s: ");
    text_put_foreign(&line, outcome->reason.bytes, outcome->reason.length);
    say(&line);
    return wait;
}

static bool open_descriptors(struct supervisor *self) {
    sigset_t ours;
    sigemptyset(&ours);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGHUP);
    sigaddset(&ours, SIGQUIT);
    sigaddset(&ours, SIGCHLD);
    self->signals = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
    self->nap = world_timer(CLOCK_BOOTTIME);
    self->deadline = world_timer(CLOCK_MONOTONIC);
    sigaddset(&ours, SIGPIPE);  // whoever reads our stderr may go
    return sigprocmask(SIG_SETMASK, &ours, NULL) == 0 && self->signals >= 0 && self->nap >= 0 && self->deadline >= 0;
}

int supervise(const struct settings *settings, const struct words *command) {
    struct supervisor self = {.settings = settings, .ended = true};
    struct outcome outcome;
    struct text line = {.length = 0};
    unsigned failures = 0;
    if (!open_descriptors(&self)) {
        text_put(&line, "no descriptor for signals and timers: ");
        text_put(&line, strerror(errno));
        say(&line);
        return EXIT_INTERNAL;
    }
    leave_last_words(&self, &line);  // a reason of the container's last life must not end an `await` of this one
    for (;;) {
        refresh_once(&self, command, &outcome);
        if (self.stop) return EXIT_OK;
        world_timer_set(self.nap, tell(&self, &outcome, &failures));
        while (!look(&self, self.nap, -1))
            if (self.stop) return EXIT_OK;
        if (self.stop) return EXIT_OK;
    }
}
