// What only the injected container needs: its jobs, their children and their sockets.
#ifndef SIDECAR_H
#define SIDECAR_H

#include "launcher.h"

#include <poll.h>

// sockets.c: they stand at SOCKET_FD and after it, one for each container of the pod that asks.
#define SOCKETS_LIMIT 64
bool sockets_listen(const char *paths, size_t *count, struct text *problem);

// child.c: one refresh as a process of its own.
struct child {
    int process;
    int report;  // the reading end of its pipe; -1 once it is closed
};
bool child_start(struct child *child, const struct words *command, size_t sockets);
void child_kill(const struct child *child);

// job.c: what is done again and again, by one child after the other.
struct job {
    const char *what;  // for people: there is no …
    struct words command;
    size_t sockets;     // a connection starts a child, which inherits them
    uint64_t pause;     // seconds before the first child
    int nap;            // CLOCK_BOOTTIME: a suspended machine's sleep counts
    int deadline;       // CLOCK_MONOTONIC: a suspended machine's child had no time
    bool due;           // a child shall be started
    bool runs;          // one was started and is not judged yet
    bool ended;         // it has, and status says how
    bool late;
    int status;
    struct child child;
    uint64_t quiet_until;  // before this moment a connection starts no child
    unsigned failures;
    int code;                // of the last failure
    struct text last_words;  // empty while all is well
    const char *awaited;     // the file for which the hook waits: with it, what was there once is still there
    size_t length;
    char report[REPORT_LIMIT + 1];  // room for one byte more than a report may have tells a longer one
};
// Longer than a start with secrets takes, and short beside the life of any token.
#define TOKEN_PAUSE 5
#define JOBS_LIMIT 2
#define JOB_WATCHES (2 + SOCKETS_LIMIT)
enum need { NEED_NOTHING, NEED_RENEWAL, NEED_FIRST, NEED_SOMEBODY };
bool job_open(struct job *job, uint64_t divisor);
size_t job_watch(const struct job *job, uint64_t moment, struct pollfd *ready);
void job_look(struct job *job, size_t count, const struct pollfd *ready);
bool job_start(struct job *job, uint64_t divisor, struct outcome *outcome);
bool job_is_over(const struct job *job);
void job_end(struct job *job, struct outcome *outcome);
enum need job_need(const struct job *job);
uint64_t job_rest(struct job *job, uint64_t divisor, const struct outcome *outcome);

// metrics.c: each client of the port is served by a process of its own.
#define SERVED_LIMIT 8
struct metrics {
    int listening;  // -1: nobody is to be told
    int served[SERVED_LIMIT];  // processes; 0 is a free place
    uint64_t quiet_until;      // before this moment nobody is heard
};
bool metrics_listen(struct metrics *metrics, const char *port);
int metrics_watch(const struct metrics *metrics, uint64_t moment);
void metrics_serve(struct metrics *metrics);
void metrics_ended(struct metrics *metrics, int process);

// supervise.c: gives the exit code.
int supervise(const struct settings *settings, struct job *jobs, size_t count, struct metrics *metrics);

#endif
