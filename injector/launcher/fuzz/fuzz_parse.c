// Every parser of the launcher on any bytes: the first byte chooses the parser, the rest is its input, in memory of
// exactly its size. Beside what the sanitizers see, each result must keep the promise of its parser.
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

void promise(bool kept) {
    if (!kept) abort();
}

static void all_printable(const char *bytes, size_t length) {
    for (size_t i = 0; i < length; i++) promise(bytes[i] >= ' ' && bytes[i] <= '~');
}

// One line of printable bytes for whatever the child did.
static void fuzz_report(char *line, size_t length) {
    struct outcome outcome;
    struct text last = {.length = 0};
    struct report report = parse_report(line, length);
    int code = report.kind == REPORT_IS_ERROR ? report.code : length % 256 == 7 ? 7 : EXIT_OK;
    if (report.kind != REPORT_IS_GARBAGE) promise(length <= REPORT_LIMIT && line[length - 1] == '\n');
    if (report.kind == REPORT_IS_ERROR) {
        promise(report.code > EXIT_OK && report.code < 256 && report.reason_length > 0);
        promise(report.reason + report.reason_length == line + length - 1);
        all_printable(report.reason, report.reason_length);
    }
    outcome_judge(&outcome, "token", code << 8, line, length);
    promise(outcome.refreshed == (report.kind == REPORT_IS_NEXT && code == EXIT_OK));
    if (outcome.refreshed) {
        uint64_t wait = wait_until_next(outcome.milliseconds, 1);
        promise(wait >= NEXT_FLOOR * 1000 && wait <= NEXT_CAP * 1000);
        return;
    }
    text_put_last_words(&last, &outcome);
    promise(last.length > 0 && last.length < LINE_LIMIT);
    all_printable(last.bytes, last.length);
    // What the supervisor writes, `await` understands.
    promise(parse_last_words(last.bytes, last.length).permanent == is_permanent(outcome.code) ||
            strncmp(last.bytes, PERMANENT_PREFIX, strlen(PERMANENT_PREFIX)) == 0);
}

static void fuzz_last_words(char *text, size_t length) {
    struct last_words found = parse_last_words(text, length);
    promise(found.reason >= text && found.reason + found.reason_length <= text + length);
    promise(memchr(found.reason, '\n', found.reason_length) == NULL);
    promise(is_permanent(found.code));
}

size_t split(char *text, char **arguments) {
    size_t count = 0;
    for (char *at = text; at != NULL && count < MOST_ARGUMENTS; count++) {
        arguments[count] = at;
        at = strchr(at, '\n');
        if (at != NULL) *at++ = '\0';
    }
    arguments[count] = NULL;
    return count;
}

static void fuzz_refresher_arguments(char *text, bool secrets) {
    char *arguments[MOST_ARGUMENTS + 1];
    struct refresher_arguments found = {.secrets = secrets};
    size_t count = split(text, arguments);
    struct problem problem = parse_refresher_arguments(arguments, &found);
    promise(found.handed_on.count < WORDS_LIMIT && found.handed_on.count <= count);
    promise(found.handed_on.at[found.handed_on.count] == NULL);
    if (problem.argument != NULL) promise(problem.fix != NULL);
    else if (found.refresh && found.show == NULL && !secrets) promise(found.file != NULL && *found.file != '\0');
}

static void fuzz_await_arguments(char *text) {
    char *arguments[MOST_ARGUMENTS + 1];
    struct await_arguments found = {.timeout = AWAIT_TIMEOUT};
    split(text, arguments);
    struct problem problem = parse_await_arguments(arguments, &found);
    if (problem.argument == NULL && !found.help) promise(found.files.count > 0 && *found.files.at[0] != '\0');
}

static void fuzz_command(char *text) {
    struct words words = {.count = 0};
    bool whole = words_split(&words, text);
    promise(words.count < WORDS_LIMIT && (whole || words.count == WORDS_LIMIT - 1));
    for (size_t i = 0; i < words.count; i++) promise(*words.at[i] != '\0' && *words.at[i] != ' ');
}

static void fuzz_number(char *digits, size_t length) {
    uint64_t number;
    struct text text = {.length = 0};
    if (!parse_number(digits, length, UINT64_MAX, &number)) return;
    for (; length > 1 && *digits == '0'; length--) digits++;
    text_put_number(&text, number);
    promise(text.length == length && memcmp(text.bytes, digits, length) == 0);
    for (unsigned failures = 0; failures < 9; failures++)
        promise(wait_after_failures(failures, number, 1 + number % 1000) <= BACKOFF_CAP * 1000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    size_t length = size - 1;
    // With a NUL at its end for those who expect a C string; a line has none, so that reading past it is seen.
    bool line = strchr("rlnA", *data) != NULL;
    char *input = malloc(line && length > 0 ? length : length + 1);
    if (input == NULL) abort();
    memcpy(input, data + 1, length);
    if (!line) input[length] = '\0';
    if (*data == 'r') fuzz_report(input, length);
    if (*data == 'l') fuzz_last_words(input, length);
    if (*data == 'n') fuzz_number(input, length);
    if (*data == 'a' || *data == 's') fuzz_refresher_arguments(input, *data == 's');
    if (*data == 'w') fuzz_await_arguments(input);
    if (*data == 'c') fuzz_command(input);
    if (*data == 'A') fuzz_answer(input, length);
    if (*data == 'e') fuzz_exec_arguments(input);
    free(input);
    return 0;
}
