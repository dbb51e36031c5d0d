// Has a value changed? The injected container writes a file beside the answer; its content is compared, not understood.
#include "exec.h"

#include <fcntl.h>
#include <unistd.h>

// False: it cannot be read.
bool generation_read(const char *path, struct generation *found) {
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file < 0) return false;
    ssize_t length = read(file, found->bytes, sizeof found->bytes);
    close(file);
    if (length < 0) return false;
    found->length = (size_t)length;
    return true;
}
