// How does the launcher become the application? As the container runtime would have started it: the program is looked
// up in the application's own PATH, and a file that the kernel cannot run is no shell script.
#include "exec.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

// containerd's, where the image names none.
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

int become(char *const *command, char *const *entries) {
    char path[PATH_MAX];
    const char *program = command[0], *folders = entries_find(entries, "PATH");
    size_t length = strlen(program);
    bool denied = false;
    if (length == 0) return ENOENT;
    if (strchr(program, '/') != NULL) {
        execve(program, command, entries);
        return errno;
    }
    if (folders == NULL) folders = DEFAULT_PATH;
    for (;; folders++) {
        size_t folder = strcspn(folders, ":"), slash = folder > 0 ? 1 : 0;  // an empty one is the working folder
        if (folder + slash + length < sizeof path) {
            memcpy(path, folders, folder);
            memcpy(path + folder, "/", slash);
            strcpy(path + folder + slash, program);
            execve(path, command, entries);
            if (errno == EACCES) denied = true;
            else if (errno != ENOENT && errno != ENOTDIR) return errno;
        }
        folders += folder;
        if (*folders == '\0') return denied ? EACCES : ENOENT;
    }
}

static int exit_code(int error) {
    switch (error) {
        case ENOENT:
        case ENOTDIR: return EXEC_NOT_FOUND;
        case E2BIG: return EXEC_MALFORMED;
        case ENOMEM:
        case EAGAIN:
        case EMFILE:
        case ENFILE:
        case EIO: return EXEC_INTERNAL;
        default: return EXEC_NOT_EXECUTABLE;
    }
}

int become_failed(const struct termination_log *log, const char *program, int error) {
    struct text line = {.length = 0};
    int code = exit_code(error);
    text_put_foreign(&line, program, strnlen(program, LINE_LIMIT / 2));
    text_put(&line, ": ");
    text_put(&line, strerror(error));
    if (code == EXEC_NOT_FOUND)
        text_put(&line, "; it, or the interpreter or loader that it names, is not in this image");
    if (code == EXEC_MALFORMED) text_put(&line, "; put the longest values into files");
    return fail(log, code, &line);
}
