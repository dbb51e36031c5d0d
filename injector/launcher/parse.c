// How are Go's flags, the refresher's report and the termination log's line read? Pure: no system call, no memory of
// its own. The fuzz target links this file and its pure neighbours alone.
#include "launcher.h"

#include <string.h>

static bool printable(const char *bytes, size_t length) {
    for (size_t i = 0; i < length; i++)
        if (bytes[i] < ' ' || bytes[i] > '~') return false;
    return true;
}

static bool skip(const char **at, size_t *left, const char *word) {
    size_t length = strlen(word);
    if (*left < length || memcmp(*at, word, length) != 0) return false;
    *at += length;
    *left -= length;
    return true;
}

static size_t until(char end, const char *bytes, size_t length) {
    size_t i = 0;
    while (i < length && bytes[i] != end) i++;
    return i;
}

// https://pkg.go.dev/flag#hdr-Command_line_flag_syntax
enum argument_kind parse_argument(const char *argument, struct flag *flag) {
    if (argument[0] != '-' || argument[1] == '\0') return ARGUMENT_WORD;
    flag->name = argument + (argument[1] == '-' ? 2 : 1);
    if (flag->name[0] == '\0' || flag->name[0] == '-' || flag->name[0] == '=') return ARGUMENT_WRONG;
    flag->name_length = strcspn(flag->name, "=");
    flag->value = flag->name[flag->name_length] == '=' ? flag->name + flag->name_length + 1 : NULL;
    return ARGUMENT_FLAG;
}

bool flag_is(const struct flag *flag, const char *name) {
    return flag->name_length == strlen(name) && memcmp(flag->name, name, flag->name_length) == 0;
}

// strconv.ParseBool's words.
bool parse_boolean(const char *text, bool *value) {
    static const char words[][6] = {"1", "t", "T", "true", "TRUE", "True", "0", "f", "F", "false", "FALSE", "False"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(text, words[i]) != 0) continue;
        *value = i < sizeof words / sizeof *words / 2;
        return true;
    }
    return false;
}

bool parse_number(const char *text, size_t length, uint64_t most, uint64_t *value) {
    uint64_t number = 0;
    if (length == 0) return false;
    for (size_t i = 0; i < length; i++) {
        uint64_t digit = (uint64_t)(unsigned char)text[i] - '0';
        if (digit > 9 || digit > most || number > (most - digit) / 10) return false;
        number = number * 10 + digit;
    }
    *value = number;
    return true;
}

struct report parse_report(const char *line, size_t length) {
    struct report report = {.kind = REPORT_IS_GARBAGE};
    const char *at = line;
    size_t left = length;
    uint64_t code;
    if (length > REPORT_LIMIT) return report;
    if (left == 0 || line[left - 1] != '\n') return report;
    left--;
    if (skip(&at, &left, REPORT_NEXT " ")) {
        if (parse_number(at, left, UINT64_MAX, &report.milliseconds)) report.kind = REPORT_IS_NEXT;
        return report;
    }
    if (!skip(&at, &left, REPORT_ERROR " ")) return report;
    size_t digits = until(' ', at, left);
    if (!parse_number(at, digits, 255, &code) || code == EXIT_OK) return report;
#ifndef PLANTED_BUG
    // A reason of one byte at least, after the space. Without this look "error 10" is read past its end: `fuzz.sh
    // --planted` leaves it out, and fuzzing must find that.
    if (left < digits + 2) return report;
#endif
    if (!printable(at + digits + 1, left - digits - 1)) return report;
    report.kind = REPORT_IS_ERROR;
    report.code = (int)code;
    report.reason = at + digits + 1;
    report.reason_length = left - digits - 1;
    return report;
}

struct last_words parse_last_words(const char *text, size_t length) {
    struct last_words found = {.permanent = false};
    const char *at = text;
    size_t left = until('\n', text, length);
    uint64_t code;
    found.permanent = skip(&at, &left, PERMANENT_PREFIX);
    found.code = EXIT_PERMANENT_FIRST;  // whoever left the code out still meant that no retry helps
    size_t digits = until(' ', at, left);
    if (found.permanent && parse_number(at, digits, 255, &code) && is_permanent((int)code)) {
        found.code = (int)code;
        size_t space = digits < left ? 1 : 0;
        at += digits + space;
        left -= digits + space;
    }
    found.reason = at;
    found.reason_length = left;
    return found;
}

// A wrong command line is not mended by a retry either.
bool is_permanent(int code) {
    return code == EXIT_USAGE || (code >= EXIT_PERMANENT_FIRST && code <= EXIT_PERMANENT_LAST);
}
