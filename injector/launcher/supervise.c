// Who waits, for almost nothing? Start what is due, sleep until something happens, end at once on a signal.
#include "sidecar.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define OURS (SIGNAL(SIGTERM) | SIGNAL(SIGINT) | SIGNAL(SIGHUP) | SIGNAL(SIGQUIT) | SIGNAL(SIGCHLD))

struct supervisor {
    const struct settings *settings;
    struct job *jobs;
    size_t count;
    struct metrics *metrics;
    int signals;
    int stop;  // the signal that ends us
    bool log_complained;
};

// Every ended process, ours or an orphan that PID 1 inherited. A child's group is killed before the child is reaped:
// until then nobody else can have its number.
static void reap(struct supervisor *self) {
    for (;;) {
        siginfo_t found = {.si_pid = 0};
        struct job *ours = NULL;
        int status;
        if (waitid(P_ALL, 0, &found, WEXITED | WNOHANG | WNOWAIT) != 0 || found.si_pid == 0) return;
        for (struct job *job = self->jobs; job < self->jobs + self->count; job++)
            if (job->runs && !job->ended && job->child.process == found.si_pid) ours = job;
        if (ours != NULL) child_kill(&ours->child);
        if (waitpid(found.si_pid, &status, 0) < 0) continue;
        metrics_ended(self->metrics, found.si_pid);
        if (ours == NULL) continue;
        ours->ended = true;
        ours->status = status;
    }
}

// Of two pauses; -1 is for ever.
static int sooner(int one, int other) {
    return one < 0 || other < one ? other : one;
}

// Sleeps until something happens.
static void look(struct supervisor *self) {
    struct pollfd ready[2 + JOBS_LIMIT * JOB_WATCHES] = {{self->signals, POLLIN, 0}};
    struct signalfd_siginfo signal;
    size_t count = 2, watches[JOBS_LIMIT];
    uint64_t moment = world_now();
    int pause = moment < self->metrics->quiet_until ? (int)(self->metrics->quiet_until - moment) : -1;
    ready[1] = (struct pollfd){metrics_watch(self->metrics, moment), POLLIN, 0};
    for (size_t i = 0; i < self->count; i++) {
        const struct job *job = &self->jobs[i];
        count += watches[i] = job_watch(job, moment, ready + count);
        if (job->sockets > 0 && !job->runs && moment < job->quiet_until)
            pause = sooner(pause, (int)(job->quiet_until - moment));
    }
    if (poll(ready, count, pause) < 0) return;
    while (read(self->signals, &signal, sizeof signal) == sizeof signal)
        if (signal.ssi_signo != SIGCHLD) self->stop = (int)signal.ssi_signo;
    reap(self);
    if (ready[1].revents != 0) metrics_serve(self->metrics);
    for (size_t i = 0, at = 2; i < self->count; at += watches[i++]) job_look(&self->jobs[i], watches[i], ready + at);
}

// Who lacks most has the word, of equals the first: what no retry can mend must not be hidden from `await`. NULL: all
// is well.
static const struct job *speaker(const struct supervisor *self) {
    const struct job *found = NULL;
    enum need most = NEED_NOTHING;
    for (const struct job *job = self->jobs; job < self->jobs + self->count; job++) {
        enum need need = job_need(job);
        if (need > most) found = job;
        if (need > most) most = need;
    }
    return found;
}

static void leave_last_words(struct supervisor *self) {
    struct text complaint = {.length = 0};
    const struct job *job = speaker(self);
    const struct text *line = job != NULL ? &job->last_words : &complaint;  // still empty
    if (termination_log_write(&self->settings->log, line) || self->log_complained) return;
    self->log_complained = true;
    text_put(&complaint, "the termination log cannot be written: ");
    text_put_foreign(&complaint, self->settings->log.path, strlen(self->settings->log.path));
    say(&complaint);
}

static void tell(struct supervisor *self, struct job *job, const struct outcome *outcome) {
    struct text line = {.length = 0};
    uint64_t wait = job_rest(job, self->settings->divisor, outcome);
    leave_last_words(self);
    if (outcome->refreshed) return;
    text_put(&line, "no ");
    text_put(&line, job->what);
    text_put(&line, " (exit code ");
    text_put_number(&line, (uint64_t)outcome->code);
    text_put(&line, "), next try in ");
    text_put_seconds(&line, wait);
    text_put(&line, " s: ");
    text_put_foreign(&line, outcome->reason.bytes, outcome->reason.length);
    say(&line);
}

static void turn(struct supervisor *self, struct job *job) {
    struct outcome outcome;
    if (job->runs && job_is_over(job)) {
        job_end(job, &outcome);
        tell(self, job, &outcome);
    } else if (!job->runs && job->due && !job_start(job, self->settings->divisor, &outcome)) {
        tell(self, job, &outcome);
    }
}

static bool open_descriptors(struct supervisor *self) {
    signals_hold(OURS | SIGNAL(SIGPIPE));  // whoever reads our stderr may go
    self->signals = signals_descriptor(OURS);
    bool opened = self->signals >= 0;
    for (size_t i = 0; i < self->count; i++) opened = job_open(&self->jobs[i], self->settings->divisor) && opened;
    return opened;
}

int supervise(const struct settings *settings, struct job *jobs, size_t count, struct metrics *metrics) {
    struct supervisor self = {.settings = settings, .jobs = jobs, .count = count, .metrics = metrics};
    struct outcome unheard;
    if (!open_descriptors(&self)) {
        struct text line = {.length = 0};
        text_put(&line, "no descriptor for signals and timers: ");
        text_put(&line, strerror(errno));
        say(&line);
        return EXIT_INTERNAL;
    }
    leave_last_words(&self);  // a reason of the container's last life must not end an `await` of this one
    while (!self.stop) {
        for (size_t i = 0; i < count; i++) turn(&self, &jobs[i]);
        look(&self);
    }
    for (size_t i = 0; i < count; i++)
        if (jobs[i].runs) job_end(&jobs[i], &unheard);
    // A container that never had what its hook waits for did not complete: the kubelet ends it when the hook's time is
    // over, and shows this code beside the reason. One that could not renew what was there had done its work.
    const struct job *job = speaker(&self);
    return job == NULL || job_need(job) < NEED_FIRST ? EXIT_OK : job->code;
}
