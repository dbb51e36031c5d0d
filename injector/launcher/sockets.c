// Where do the application's containers ask for their secrets? At sockets that are there from the first moment on and
// outlive every child: whoever connects while none runs waits in the queue, and is what the next one is started for.
#include "sidecar.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

// Connections that wait for a child; each restart of a container is one.
#define QUEUE 16

// Whoever sees the socket may ask: the container's mount is the authorisation, and its user may be anyone. It has that
// mode from its first moment on: a launcher that waits for it gives up where it may not connect.
static bool listen_at(const struct sockaddr_un *address, int place) {
    int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    unlink(address->sun_path);  // of the container's last life
    mode_t before = umask(0111);
    bool listens = made >= 0 && bind(made, (const struct sockaddr *)address, sizeof *address) == 0 &&
                   listen(made, QUEUE) == 0 && fcntl(made, F_DUPFD_CLOEXEC, place) == place;
    int error = errno;
    umask(before);
    if (made >= 0) close(made);
    errno = error;
    return listens;
}

static bool complain(struct text *problem, const char *path, size_t length, const char *why) {
    text_put_foreign(problem, path, length);
    text_put(problem, ": ");
    text_put(problem, why);
    return false;
}

// Nothing may be open beyond stderr but what was made here.
bool sockets_listen(const char *paths, size_t *count, struct text *problem) {
    while (*paths != '\0') {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        size_t length = strcspn(paths, ":");
        if (*count == SOCKETS_LIMIT) return complain(problem, SOCKETS, strlen(SOCKETS), "too many sockets");
        if (length == 0 || length >= sizeof address.sun_path)
            return complain(problem, paths, length, "a socket's path has 1 to 107 bytes; see " SOCKETS);
        memcpy(address.sun_path, paths, length);
        if (!listen_at(&address, SOCKET_FD + (int)*count)) {
            complain(problem, paths, length, "no socket can be made here: ");
            text_put(problem, strerror(errno));
            return false;
        }
        ++*count;
        paths += length + (paths[length] == ':');
    }
    return true;
}
