// Who ends the application, or tells it, when a secret has changed? Nobody outside can signal another container's PID
// 1, so the launcher stays it, and the application is its child: every signal is handed on, orphans are buried, the
// exit code is the application's. The application has a process group of its own, in the foreground of the terminal if
// there is one, and is in the same session.
#include "exec.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum phase {
    WATCHING,
    ABOUT_TO_END,  // until the jitter is over
    ENDING,        // the application was asked to end
    LEAVING        // somebody else did: whoever stops the container counts its grace himself
};
struct stay {
    const struct first *first;
    struct generation known;
    int child;
    int signals;
    int timer;
    enum phase phase;
};

static void become_application(const struct first *first, char *const *entries, bool ignores_children) {
    setpgid(0, 0);
    tcsetpgrp(STDIN_FILENO, getpgrp());  // SIGTTOU is still held back
    if (ignores_children) signal(SIGCHLD, SIG_IGN);
    signals_hold(first->held_before);
    int error = become(first->asked->command, entries);
    _exit(become_failed(&first->settings->log, first->asked->command[0], error));
}

static void set_timer(const struct stay *self, uint64_t seconds) {
    world_timer_set(self->timer, wait_scaled(seconds, self->first->settings->divisor));
}

static bool has_changed(struct stay *self) {
    struct generation now;
    if (!generation_read(self->first->generation, &now)) return false;
    bool same = now.length == self->known.length && memcmp(now.bytes, self->known.bytes, now.length) == 0;
    self->known = now;
    return !same;
}

static void about_to_end(struct stay *self) {
    struct text line = {.length = 0};
    uint64_t wait = world_dice() % (self->first->asked->jitter * 1000 / self->first->settings->divisor + 1);
    text_put(&line, "a secret has changed: the application is ended in ");
    text_put_seconds(&line, wait);
    text_put(&line, " s, and the container starts again");
    say(&line);
    self->phase = ABOUT_TO_END;
    world_timer_set(self->timer, wait);
}

static void on_timer(struct stay *self) {
    switch (self->phase) {
        case WATCHING:
            set_timer(self, GENERATION_POLL);
            if (!has_changed(self)) return;
            if (self->first->asked->supervision == SUPERVISE_RESTART) about_to_end(self);
            else kill(self->child, self->first->asked->signal);
            return;
        case ABOUT_TO_END:
            self->phase = ENDING;
            set_timer(self, GRACE);
            kill(self->child, self->first->asked->stop);
            return;
        case ENDING: kill(self->child, SIGKILL); break;
        case LEAVING: break;
    }
    world_timer_set(self->timer, UINT32_MAX);
}

static void hand_on_signals(struct stay *self) {
    struct signalfd_siginfo signal;
    while (read(self->signals, &signal, sizeof signal) == sizeof signal) {
        int number = (int)signal.ssi_signo;
        // The kernel's word that a child ended, and our own write to a stderr that nobody reads.
        if ((number == SIGCHLD && signal.ssi_code > 0) || signal.ssi_pid == (uint32_t)getpid()) continue;
        kill(self->child, number);
        // A kubelet that knows no stopSignal sends SIGTERM.
        if (number != SIGTERM && number != self->first->asked->stop) continue;
        self->phase = LEAVING;
        world_timer_set(self->timer, UINT32_MAX);
    }
}

static int end_rotated(const struct stay *self) {
    struct text line = {.length = 0};
    text_put(&line, "a secret has changed; the container starts again");
    termination_log_write(&self->first->settings->log, &line);
    return EXEC_ROTATED;
}

// The application's exit code, or -1: it lives.
static int bury(const struct stay *self) {
    int status, process;
    while ((process = waitpid(-1, &status, WNOHANG)) > 0 || (process < 0 && errno == EINTR))
        if (process == self->child) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return -1;
}

static int watch(struct stay *self) {
    set_timer(self, GENERATION_POLL);
    for (;;) {
        struct pollfd ready[] = {{self->signals, POLLIN, 0}, {self->timer, POLLIN, 0}};
        poll(ready, 2, -1);
        hand_on_signals(self);
        int code = bury(self);
        if (code >= 0) return self->phase == ENDING ? end_rotated(self) : code;
        if (ready[1].revents != 0) on_timer(self);
    }
}

// The secrets are the application's: of them nothing stays here.
int stay_first(const struct first *first, char *const *entries, char *secrets) {
    struct stay self = {.first = first, .known = first->known};
    bool ignores_children = signal_is_ignored(SIGCHLD);
    signals_hold(EVERY_SIGNAL);
    if (ignores_children) signals_default(SIGNAL(SIGCHLD));
    self.signals = signals_descriptor(EVERY_SIGNAL);
    self.timer = world_timer(CLOCK_MONOTONIC);
    self.child = self.signals >= 0 && self.timer >= 0 ? fork() : -1;
    if (self.child < 0) return become_failed(&first->settings->log, first->asked->command[0], errno);
    if (self.child == 0) become_application(first, entries, ignores_children);
    munmap(secrets, MESSAGE_LIMIT);
    return watch(&self);
}
