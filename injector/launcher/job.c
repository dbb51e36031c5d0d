// What is done again and again? A child does it once, its report says when it is due again, a failure is tried again
// after a backoff, and a connection to one of its sockets makes it due at once.
#include "sidecar.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

bool job_open(struct job *job, uint64_t divisor) {
    job->nap = world_timer(CLOCK_BOOTTIME);
    job->deadline = world_timer(CLOCK_MONOTONIC);
    job->due = job->pause == 0;
    if (job->pause > 0) world_timer_set(job->nap, wait_scaled(job->pause, divisor));
    return job->nap >= 0 && job->deadline >= 0;
}

// What can happen to it: first its timer, then its child's report, then its sockets. After a failure nobody is heard
// before the backoff is over.
size_t job_watch(const struct job *job, uint64_t moment, struct pollfd *ready) {
    size_t count = 0;
    ready[count++] = (struct pollfd){job->runs ? job->deadline : job->nap, POLLIN, 0};
    ready[count++] = (struct pollfd){job->runs ? job->child.report : -1, POLLIN, 0};
    if (job->runs || job->failures > 0 || moment < job->quiet_until) return count;
    for (size_t i = 0; i < job->sockets; i++) ready[count++] = (struct pollfd){SOCKET_FD + (int)i, POLLIN, 0};
    return count;
}

static void read_report(struct job *job) {
    ssize_t got = 0;
    while (job->length <= REPORT_LIMIT &&
           (got = read(job->child.report, job->report + job->length, REPORT_LIMIT + 1 - job->length)) > 0)
        job->length += (size_t)got;
    if (got != 0 && job->length <= REPORT_LIMIT) return;
    close(job->child.report);
    job->child.report = -1;
}

void job_look(struct job *job, size_t count, const struct pollfd *ready) {
    if (job->runs) {
        job->late = ready[0].revents != 0;
        if (job->child.report >= 0) read_report(job);
        return;
    }
    for (size_t i = 0; i < count; i++) job->due = job->due || ready[i].revents != 0;
}

// False: the outcome says why.
bool job_start(struct job *job, uint64_t divisor, struct outcome *outcome) {
    job->due = job->ended = job->late = false;
    job->length = 0;
    job->runs = child_start(&job->child, &job->command, job->sockets);
    if (!job->runs) {
        outcome_failed(outcome, EXIT_SOURCE_UNAVAILABLE, "no process for the refresher: ");
        text_put(&outcome->reason, strerror(errno));
        return false;
    }
    // A child that ends well without a look at who waits must not make a busy loop.
    job->quiet_until = world_now() + wait_scaled(NEXT_FLOOR, divisor);
    world_timer_set(job->deadline, wait_scaled(CHILD_DEADLINE, divisor));
    return true;
}

bool job_is_over(const struct job *job) {
    return job->ended || job->late || job->length > REPORT_LIMIT;
}

void job_end(struct job *job, struct outcome *outcome) {
    bool killed = !job->ended;
    if (killed) {
        child_kill(&job->child);
        while (waitpid(job->child.process, &job->status, 0) < 0 && errno == EINTR) continue;
    }
    if (job->child.report >= 0) read_report(job);
    if (job->child.report >= 0) close(job->child.report);
    job->runs = false;
    if (job->length > REPORT_LIMIT)
        outcome_ended(outcome, EXIT_SOURCE_UNAVAILABLE, job->what, "'s report is too long");
    else if (killed) outcome_ended(outcome, EXIT_SOURCE_UNAVAILABLE, job->what, " hung and was killed");
    else outcome_judge(outcome, job->what, job->status, job->report, job->length);
}

// What it lacks, from bad to worse: nothing; what renews what is there; what the hook waits for; somebody who acts.
enum need job_need(const struct job *job) {
    if (job->last_words.length == 0) return NEED_NOTHING;
    if (is_permanent(job->code)) return NEED_SOMEBODY;
    return has_content(job->awaited) ? NEED_RENEWAL : NEED_FIRST;
}

// Gives the milliseconds until it is due again.
uint64_t job_rest(struct job *job, uint64_t divisor, const struct outcome *outcome) {
    uint64_t wait;
    job->last_words.length = 0;
    if (outcome->refreshed) {
        job->failures = 0;
        wait = wait_until_next(outcome->milliseconds, divisor);
    } else {
        job->code = outcome->code;
        if (job->failures < UINT8_MAX) job->failures++;  // far beyond the cap
        text_put_last_words(&job->last_words, outcome);
        wait = wait_after_failures(job->failures, world_dice(), divisor);
    }
    world_timer_set(job->nap, wait);
    return wait;
}
