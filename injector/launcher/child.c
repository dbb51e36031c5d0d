// How does one refresh run? As a child with nothing of ours but its pipe and its sockets: descriptors 0 to 3 and those,
// its own process group, default signals. It dies with the launcher.
#include "sidecar.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

// An image without the refresher is not mended by a retry; a node without memory is.
static int exit_code(int error) {
    return error == ENOENT || error == ENOTDIR || error == EACCES || error == ENOEXEC ? EXIT_USAGE
                                                                                      : EXIT_SOURCE_UNAVAILABLE;
}

// Speaks the refresher's protocol for it.
static _Noreturn void report_failed_start(const char *program, int error) {
    struct text line = {.length = 0};
    text_put(&line, REPORT_ERROR " ");
    text_put_number(&line, (uint64_t)exit_code(error));
    text_put(&line, " cannot start ");
    text_put_foreign(&line, program, strnlen(program, REPORT_LIMIT / 2));
    text_put(&line, ": ");
    text_put(&line, strerror(error));
    text_put(&line, "; " REFRESHER_COMMAND " names the command\n");
    (void)!write(REPORT_FD, line.bytes, line.length);
    _exit(exit_code(error));
}

// Runs in the parent's memory, after vfork: it changes nothing there and never returns.
static _Noreturn void become_refresher(const struct words *command, size_t sockets, int report, pid_t parent) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(EXIT_INTERNAL);  // it died before the line above
    // The pipe may stand at REPORT_FD already; then only its close-on-exec flag is in the way.
    if (report == REPORT_FD) fcntl(report, F_SETFD, 0);
    else dup2(report, REPORT_FD);
    for (size_t i = 0; i < sockets; i++) fcntl(SOCKET_FD + (int)i, F_SETFD, 0);
    signals_hold(0);
    execvp(command->at[0], (char *const *)(uintptr_t)command->at);
    report_failed_start(command->at[0], errno);
}

// False, with errno, where the node has no process or descriptor left.
bool child_start(struct child *child, const struct words *command, size_t sockets) {
    int ends[2];
    pid_t parent = getpid();
    if (pipe2(ends, O_CLOEXEC) != 0) return false;
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    pid_t process = vfork();
    if (process == 0) become_refresher(command, sockets, ends[1], parent);
    int error = errno;
    close(ends[1]);
    child->process = process;
    child->report = ends[0];
    if (process > 0) return true;
    close(ends[0]);
    errno = error;
    return false;
}

// The whole group, and the child itself in case that it had no time to make one.
void child_kill(const struct child *child) {
    kill(-child->process, SIGKILL);
    kill(child->process, SIGKILL);
}
