// What is in an answer, on the socket and in the env file? Pure: no system call, no memory of its own. It is read as it
// comes, and nothing of it counts before its end was seen.
#include "exec.h"

#include <string.h>

#define MAGIC_LENGTH (sizeof MAGIC - 1)
// The longest record, with its NUL.
#define RECORD_LIMIT (sizeof RECORD_SET - 1 + VARIABLE_LIMIT)

static void malformed(struct answer *answer, const char *reason) {
    answer->state = ANSWER_MALFORMED;
    answer->reason = reason;
    answer->reason_length = strlen(reason);
}

static bool begins(const char *record, size_t length, const char *with) {
    return length >= strlen(with) && memcmp(record, with, strlen(with)) == 0;
}

static void take_record(struct answer *answer, const char *record, size_t length) {
    const char *rest = record + sizeof RECORD_SET - 1;
    size_t left = length - (sizeof RECORD_SET - 1);
    if (length == sizeof RECORD_END - 1 && begins(record, length, RECORD_END)) {
        answer->state = ANSWER_WHOLE;
    } else if (begins(record, length, RECORD_ERROR)) {
        answer->state = ANSWER_REFUSED;
        answer->reason = rest;
        answer->reason_length = left;
    } else if (begins(record, length, RECORD_SET)) {
        if (*rest == '=' || memchr(rest, '=', left) == NULL) malformed(answer, "a record that sets has no NAME=");
        answer->variables++;
    } else if (begins(record, length, RECORD_UNSET)) {
        if (left == 0 || memchr(rest, '=', left) != NULL) malformed(answer, "a record that unsets has no name");
    } else {
        malformed(answer, "an unknown record");
    }
}

// To be called with the first bytes, and with the longer answer whenever more have come, until it is finished.
void answer_read(struct answer *answer, const char *bytes, size_t length) {
    if (answer->at == 0) {
        if (memcmp(bytes, MAGIC, length < MAGIC_LENGTH ? length : MAGIC_LENGTH) != 0)
            malformed(answer, "it does not begin as one");
        if (length < MAGIC_LENGTH) return;
        answer->at = MAGIC_LENGTH;
    }
    while (answer->state == ANSWER_UNFINISHED) {
        const char *record = bytes + answer->at;
        size_t left = length - answer->at, most = left < RECORD_LIMIT ? left : RECORD_LIMIT;
        const char *end = memchr(record, '\0', most);
        if (end == NULL && most == RECORD_LIMIT)
            malformed(answer, "a variable is longer than Linux allows; put its value into a file");
#ifndef PLANTED_ANSWER_BUG
        // Without this look a record that has not come whole is read past its end: `fuzz.sh --planted` leaves it out,
        // and fuzzing must find that.
        if (end == NULL) return;
#endif
        take_record(answer, record, (size_t)(end - record));
        answer->at += (size_t)(end - record) + 1;
    }
    if (answer->state == ANSWER_WHOLE && answer->at < length) malformed(answer, "there is more after its end");
}
