// Who may know whether the secrets are stale? Whoever gets the file that their job wrote, over HTTP. Each client is
// served by a process of its own for a few seconds: none can hold, block or end the supervisor.
#include "sidecar.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUEUE 16
// Seconds that a client has in all, and that nobody is heard after the node had no process or descriptor left.
#define SERVE_SECONDS 2
#define REST_SECONDS 1
// A request's head.
#define HEAD_LIMIT 4096

static int listen_at(const void *address, socklen_t length, sa_family_t family) {
    int one = 1, none = 0;
    int made = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (made < 0) return made;
    // What the container's last life has answered may not be forgotten yet.
    setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (family == AF_INET6) setsockopt(made, IPPROTO_IPV6, IPV6_V6ONLY, &none, sizeof none);
    if (bind(made, address, length) == 0 && listen(made, QUEUE) == 0) return made;
    int error = errno;
    close(made);
    errno = error;
    return -1;
}

// False: it is no port. A port that somebody else has costs the metrics, and neither token nor secrets.
bool metrics_listen(struct metrics *metrics, const char *port) {
    struct sockaddr_in6 both = {.sin6_family = AF_INET6};  // every address, of IPv4 too
    struct sockaddr_in four = {.sin_family = AF_INET};
    uint64_t number;
    metrics->listening = -1;
    if (*port == '\0') return true;
    if (!parse_number(port, strlen(port), METRICS_PORT_LAST, &number) || number < METRICS_PORT_FIRST) return false;
    both.sin6_port = four.sin_port = htons((uint16_t)number);
    metrics->listening = listen_at(&both, sizeof both, AF_INET6);
    if (metrics->listening < 0) metrics->listening = listen_at(&four, sizeof four, AF_INET);
    if (metrics->listening >= 0) return true;
    struct text line = {.length = 0};
    text_put(&line, "no metrics at " METRICS_PORT "=");
    text_put_number(&line, number);
    text_put(&line, ": ");
    text_put(&line, strerror(errno));
    say(&line);
    return true;
}

static int *place_of(struct metrics *metrics, int process) {
    for (size_t i = 0; i < SERVED_LIMIT; i++)
        if (metrics->served[i] == process) return &metrics->served[i];
    return NULL;
}

// The descriptor to look at, or -1.
int metrics_watch(const struct metrics *metrics, uint64_t moment) {
    bool has_place = false;
    for (size_t i = 0; i < SERVED_LIMIT; i++) has_place = has_place || metrics->served[i] == 0;
    return has_place && moment >= metrics->quiet_until ? metrics->listening : -1;
}

void metrics_ended(struct metrics *metrics, int process) {
    int *place = place_of(metrics, process);
    if (place != NULL) *place = 0;
}

static bool send_all(int client, const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t sent = send(client, bytes, length, MSG_NOSIGNAL);
        if (sent <= 0) return false;
        bytes += sent;
        length -= (size_t)sent;
    }
    return true;
}

// The state that the answer deserves; NULL where the client stopped before its blank line.
static const char *read_head(int client) {
    static char head[HEAD_LIMIT];
    size_t length = 0, line = 0;  // of the line that is not ended, a CR in it not counted
    for (ssize_t got; length < sizeof head; length += (size_t)got) {
        got = read(client, head + length, sizeof head - length);
        if (got <= 0) return NULL;
        for (const char *at = head + length; at < head + length + got; at++) {
            if (*at == '\n' && line == 0) return memcmp(head, "GET ", 4) == 0 ? "200 OK" : "405 Method Not Allowed";
            line = *at == '\n' ? 0 : line + (*at != '\r');
        }
    }
    return "431 Request Header Fields Too Large";
}

static void answer(int client, const char *state, int file, uint64_t size) {
    struct text line = {.length = 0};
    text_put(&line, "HTTP/1.0 ");
    text_put(&line, state);
    text_put(&line, "\r\nContent-Type: " METRICS_TYPE "\r\nContent-Length: ");
    text_put_number(&line, size);
    text_put(&line, "\r\nConnection: close\r\n\r\n");
    if (!send_all(client, line.bytes, line.length)) return;
    while (size > 0) {
        ssize_t sent = sendfile(client, file, NULL, size);
        if (sent <= 0) return;
        size -= (uint64_t)sent;
    }
}

static _Noreturn void serve(int client, int parent) {
    struct stat found = {.st_size = 0};
    int file = -1;
    alarm(SERVE_SECONDS);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(EXIT_INTERNAL);  // it died before the line above
    const char *state = read_head(client);
    if (state == NULL) _exit(EXIT_OK);
    if (*state == '2') {
        if (chdir(variable(STATE_DIRECTORY, INJECTOR_PATH "/" STATE_VOLUME)) == 0)
            file = open(METRICS_FILE, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (file < 0 || fstat(file, &found) != 0) state = "404 Not Found";
    }
    answer(client, state, file, file < 0 ? 0 : (uint64_t)found.st_size);
    // What was sent beyond the head and is not read would take the answer away from the client.
    shutdown(client, SHUT_WR);
    char rest[256];
    while (read(client, rest, sizeof rest) > 0) continue;
    _exit(EXIT_OK);
}

// Somebody connected. Its process has our signals held back, those that write to a client that went among them.
void metrics_serve(struct metrics *metrics) {
    int parent = getpid(), client = accept4(metrics->listening, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0 && (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR)) return;
    int process = client < 0 ? -1 : fork();
    if (process == 0) serve(client, parent);
    if (client >= 0) close(client);
    if (process > 0) *place_of(metrics, 0) = process;
    else metrics->quiet_until = world_now() + REST_SECONDS * 1000;
}
