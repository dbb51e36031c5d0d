// How does an answer come? From the sidecar's socket, asked until somebody answers, or from a file of the same form. No
// peer, dead, slow or endless, keeps it beyond its time.
#include "exec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

// Milliseconds between two tries: they double, from soon, while the sidecar starts, to seldom.
#define PAUSE_FIRST 10
#define PAUSE_CAP 500
#define LONGEST_POLL 60000

// One look at least, even where no time is left.
static enum asked wait_until(struct question *self, int source, short events, uint64_t moment) {
    struct pollfd ready[] = {{self->signals, POLLIN, 0}, {source, events, 0}};
    struct signalfd_siginfo signal;
    for (;;) {
        uint64_t now = world_now(), left = now < moment ? moment - now : 0;
        poll(ready, 2, (int)(left < LONGEST_POLL ? left : LONGEST_POLL));
        if (read(self->signals, &signal, sizeof signal) == sizeof signal) {
            self->ended_by = (int)signal.ssi_signo;
            return ASKED_ENDED;
        }
        if (ready[1].revents != 0) return ASKED_READY;
        if (left == 0) return ASKED_LATE;
    }
}

static int open_source(const struct exec_arguments *asked) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (asked->source == SOURCE_FILE) return open(asked->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (strlen(asked->path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, asked->path);
    int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (made < 0 || connect(made, (const struct sockaddr *)&address, sizeof address) == 0) return made;
    int error = errno;
    close(made);
    errno = error;
    return -1;
}

// Whoever answers before the whole request has come need not read the rest.
static enum asked send_request(struct question *self, int source) {
    const char *at = self->request;
    size_t left = self->request_length;
    while (left > 0) {
        ssize_t sent = send(source, at, left, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EPIPE || errno == ECONNRESET)) return ASKED_READY;
        if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            self->why = strerror(errno);
            return ASKED_FAILED;
        }
        if (sent > 0) {
            at += sent;
            left -= (size_t)sent;
            continue;
        }
        enum asked asked = wait_until(self, source, POLLOUT, self->give_up);
        if (asked != ASKED_READY) return asked;
    }
    return ASKED_READY;
}

static void cut_off(struct question *self, const char *reason) {
    self->answer.state = ANSWER_MALFORMED;
    self->answer.reason = reason;
    self->answer.reason_length = strlen(reason);
}

static enum asked receive(struct question *self, int source) {
    self->answer = (struct answer){.state = ANSWER_UNFINISHED};
    self->received = 0;
    while (self->answer.state == ANSWER_UNFINISHED) {
        enum asked asked = wait_until(self, source, POLLIN, self->give_up);
        if (asked != ASKED_READY) return asked;
        ssize_t got = read(source, self->bytes + self->received, MESSAGE_LIMIT - self->received);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (got < 0 && errno != ECONNRESET) {
            self->why = strerror(errno);
            return ASKED_FAILED;
        }
        if (got <= 0 && self->received == 0) {
            self->why = "nobody answered";
            return ASKED_AGAIN;
        }
        if (got <= 0 && self->asked->source == SOURCE_SOCKET) {
            self->why = "the answer was cut off";  // its launcher starts the next one who answers
            return ASKED_AGAIN;
        }
        if (got <= 0) {
            cut_off(self, "it is cut off");
            break;
        }
        self->received += (size_t)got;
        answer_read(&self->answer, self->bytes, self->received);
        if (self->answer.state == ANSWER_UNFINISHED && self->received == MESSAGE_LIMIT) cut_off(self, "it is too long");
    }
    return ASKED_READY;
}

static enum asked ask_once(struct question *self) {
    int source = open_source(self->asked);
    if (source < 0) {
        bool passes = errno == ENOENT || errno == ECONNREFUSED || errno == EAGAIN || errno == EINTR;
        self->why = strerror(errno);
        return passes ? ASKED_AGAIN : ASKED_FAILED;
    }
    self->why = "no whole answer came";
    enum asked asked = self->asked->source == SOURCE_SOCKET ? send_request(self, source) : ASKED_READY;
    if (asked == ASKED_READY) asked = receive(self, source);
    close(source);
    return asked;
}

enum asked ask(struct question *self) {
    for (uint64_t pause = PAUSE_FIRST;; pause = pause < PAUSE_CAP / 2 ? pause * 2 : PAUSE_CAP) {
        enum asked asked = ask_once(self);
        if (asked != ASKED_AGAIN) return asked;
        uint64_t next = world_now() + pause;
        asked = wait_until(self, -1, 0, next < self->give_up ? next : self->give_up);
        if (asked == ASKED_ENDED || next >= self->give_up) return asked;
    }
}
