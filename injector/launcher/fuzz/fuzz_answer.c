// Any bytes as an answer, in pieces of any size, and what becomes of an environment with it; any words as the command
// line of `exec`.
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static char *const ENTRIES[] = {"A=1", "PATH=/bin", TIME_DIVISOR "=9", "odd", "=x", "B=sm://b", "A=2", "AB=\xff", NULL};

static bool has_name(const char *entry, const char *name, size_t length) {
    return strncmp(entry, name, length) == 0 && entry[length] == '=';
}

// The last record of a name says whether it is there and with which value; who is in no record is there as before.
static void check_name(char *const *merged, const char *answer, const char *name, size_t length) {
    const char *last = NULL;
    size_t found = 0;
    for (const char *record = answer; *record != *RECORD_END; record += strlen(record) + 1)
        if (strncmp(record + 2, name, length) == 0 && strchr("=", record[2 + length]) != NULL) last = record;
    for (; *merged != NULL; merged++) {
        if (!has_name(*merged, name, length)) continue;
        found++;
        if (last != NULL) promise(*last == *RECORD_SET && strcmp(*merged, last + 2) == 0);
    }
    if (last != NULL) promise(found == (*last == *RECORD_SET ? 1 : 0));
}

static void fuzz_merge(char *bytes, size_t variables) {
    char **merged = malloc((entries_count(ENTRIES) + variables + 1) * sizeof *merged);
    char *answer = bytes + sizeof MAGIC - 1;
    if (merged == NULL) abort();
    entries_merge(ENTRIES, bytes, merged);
    promise(entries_count(merged) <= entries_count(ENTRIES) + variables);
    for (const char *record = answer; *record != *RECORD_END; record += strlen(record) + 1)
        check_name(merged, answer, record + 2, strcspn(record + 2, "="));
    check_name(merged, answer, "A", 1);
    // The launcher's own is not the application's; one that the answer sets is, and stands in the answer.
    for (char **entry = merged; *entry != NULL; entry++)
        promise(*entry != ENTRIES[2]);
    size_t length = request_length(merged, true);
    char *request = malloc(length);
    if (request == NULL) abort();
    request_write(merged, true, request);
    promise(request[length - 1] == '\0' && memcmp(request, MAGIC, sizeof MAGIC - 1) == 0);
    free(request);
    free(merged);
}

// In memory of exactly the size of what has come, so that reading past it is seen.
static struct answer read_in_pieces(const char *bytes, size_t length, size_t piece) {
    struct answer answer = {.state = ANSWER_UNFINISHED};
    for (size_t come = 0; come < length && answer.state == ANSWER_UNFINISHED;) {
        come = length - come > piece ? come + piece : length;
        char *copy = malloc(come);
        if (copy == NULL) abort();
        memcpy(copy, bytes, come);
        answer_read(&answer, copy, come);
        promise(answer.at <= come);
        if (answer.state == ANSWER_REFUSED) {
            promise(answer.reason >= copy && answer.reason + answer.reason_length < copy + come);
            answer.reason = NULL;
        }
        free(copy);
    }
    return answer;
}

// The first byte is the size of the pieces. An answer is the same in any, but for what comes after its end.
void fuzz_answer(char *bytes, size_t length) {
    if (length == 0) return;
    struct answer whole = read_in_pieces(bytes + 1, length - 1, length);
    struct answer pieces = read_in_pieces(bytes + 1, length - 1, (size_t)(unsigned char)*bytes + 1);
    // What ends in the piece that has the end: nobody has looked at the rest.
    bool at_end = whole.at > 0 && bytes[whole.at] == '\0' && bytes[whole.at - 1] == *RECORD_END;
    bool more = whole.state == ANSWER_MALFORMED && at_end && pieces.state == ANSWER_WHOLE;
    promise(whole.state == pieces.state || more);
    if (whole.state == ANSWER_MALFORMED) promise(whole.reason_length > 0);
    if (whole.state == ANSWER_WHOLE) fuzz_merge(bytes + 1, whole.variables);
}

void fuzz_exec_arguments(char *text) {
    char *arguments[MOST_ARGUMENTS + 1], beside[64];
    struct exec_arguments found = {.timeout = EXEC_TIMEOUT};
    size_t count = split(text, arguments);
    struct problem problem = parse_exec_arguments(arguments, &found);
    if (problem.argument != NULL || found.help) {
        promise(found.help || problem.fix != NULL);
        return;
    }
    promise(found.command > arguments && found.command < arguments + count && *found.command != NULL);
    promise(strcmp(found.command[-1], "--") == 0);
    if (found.supervision == SUPERVISE_SIGNAL) promise(found.signal > 0 && found.signal < 32);
    const char *name = expanded_find(&found, ENTRIES, ENTRIES + 1);
    promise(name == NULL || entries_find(ENTRIES, name) != NULL);
    if (found.source == SOURCE_BESIDE) return;
    promise(*found.path != '\0');
    if (path_beside(found.path, GENERATION_FILE, beside, sizeof beside))
        promise(strlen(beside) < sizeof beside && strstr(beside, GENERATION_FILE) != NULL);
}
