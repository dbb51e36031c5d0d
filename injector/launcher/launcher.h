// What the launcher's files share. The constants of the first part are the contract's: a test compares the two.
#ifndef LAUNCHER_H
#define LAUNCHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// contract/environ.py
#define REFRESHER_COMMAND "TOKEN_INJECTOR_REFRESH_COMMAND"
#define TIME_DIVISOR "TOKEN_INJECTOR_TIME_DIVISOR"
#define TERMINATION_LOG_VARIABLE "TOKEN_INJECTOR_TERMINATION_LOG"

// contract/pod.py
#define AWAIT_COMMAND "await"
#define PYTHON_REFRESHER "/usr/bin/python3 -I -S /opt/token-injector"
#define TERMINATION_LOG "/dev/termination-log"
#define PERMANENT_PREFIX "permanent: "

// contract/refresh.py; waits are in seconds before the time divisor.
#define REPORT_FD_FLAG "--report-fd"
#define REPORT_FD 3
#define REPORT_NEXT "next"
#define REPORT_ERROR "error"
#define REPORT_LIMIT 1024
#define BACKOFF_FIRST 1
#define BACKOFF_CAP 60
#define CHILD_DEADLINE 60
#define AWAIT_TIMEOUT 120

// contract/exit_codes.py
#define EXIT_OK 0
#define EXIT_USAGE 2
#define EXIT_PERMANENT_FIRST 10
#define EXIT_PERMANENT_LAST 19
#define EXIT_SOURCE_UNAVAILABLE 20
#define EXIT_AWAIT_TIMEOUT 31
#define EXIT_INTERNAL 70

// Ours alone. A report that names less or more than this is brought into it; seconds before the time divisor.
#define NEXT_FLOOR 1
#define NEXT_CAP 86400
// The command and its arguments; an injected container has about ten.
#define WORDS_LIMIT 128
#define COMMAND_LIMIT 1024
// A line for a person: the longest reason, and a path beside it.
#define LINE_LIMIT 1280

// parse.c: pure.
struct flag {
    const char *name;  // not ended by NUL where a value follows
    size_t name_length;
    const char *value;  // NULL: none was given with "="
};
enum argument_kind { ARGUMENT_WORD, ARGUMENT_FLAG, ARGUMENT_WRONG };
enum argument_kind parse_argument(const char *argument, struct flag *flag);
bool flag_is(const struct flag *flag, const char *name);
bool parse_boolean(const char *text, bool *value);
bool parse_number(const char *text, size_t length, uint64_t most, uint64_t *value);

enum report_kind { REPORT_IS_GARBAGE, REPORT_IS_NEXT, REPORT_IS_ERROR };
struct report {
    enum report_kind kind;
    uint64_t milliseconds;
    int code;
    const char *reason;  // points into the line
    size_t reason_length;
};
struct report parse_report(const char *line, size_t length);

struct last_words {
    bool permanent;
    int code;
    const char *reason;  // points into the text: its first line
    size_t reason_length;
};
struct last_words parse_last_words(const char *text, size_t length);
bool is_permanent(int code);

// arguments.c: pure.
struct problem {
    const char *argument;  // NULL: no problem
    const char *fix;
};
struct words {
    const char *at[WORDS_LIMIT];  // room for the NULL that execvp() wants is kept
    size_t count;
};
struct refresher_arguments {
    bool refresh;
    const char *show;  // "--help" or "--version" where one was asked for, else NULL
    const char *file;
    struct words handed_on;
};
struct await_arguments {
    const char *file;
    uint64_t timeout;
    bool help;
};
bool words_add(struct words *words, const char *word);
bool words_split(struct words *words, char *text);
struct problem parse_refresher_arguments(char *const *arguments, struct refresher_arguments *found);
struct problem parse_await_arguments(char *const *arguments, struct await_arguments *found);

// waits.c: pure; all in milliseconds.
uint64_t wait_scaled(uint64_t seconds, uint64_t divisor);
uint64_t wait_until_next(uint64_t milliseconds, uint64_t divisor);
uint64_t wait_after_failures(unsigned failures, uint64_t dice, uint64_t divisor);

// text.c: pure; a line that is cut where its room ends.
struct text {
    size_t length;
    char bytes[LINE_LIMIT];
};
void text_put(struct text *text, const char *words);
void text_put_foreign(struct text *text, const char *bytes, size_t length);
void text_put_number(struct text *text, uint64_t number);
void text_put_seconds(struct text *text, uint64_t milliseconds);

// outcome.c: pure.
struct outcome {
    bool refreshed;
    uint64_t milliseconds;  // until the next refresh, where there was one; else
    int code;
    struct text reason;
};
void outcome_failed(struct outcome *outcome, int code, const char *reason);
void outcome_judge(struct outcome *outcome, int status, const char *report, size_t length);
void text_put_last_words(struct text *text, const struct outcome *outcome);

// say.c: stderr and the termination log.
struct termination_log {
    const char *path;
    bool create;
};
void say(const struct text *text);
bool termination_log_write(const struct termination_log *log, const struct text *text);
size_t termination_log_read(const struct termination_log *log, char *bytes, size_t room);
int refuse(const struct termination_log *log, const char *what, const char *why);

struct settings {
    uint64_t divisor;
    struct termination_log log;
};

// child.c: one refresh as a process of its own.
struct child {
    int process;
    int report;  // the reading end of its pipe; -1 once it is closed
};
bool child_start(struct child *child, const struct words *command);
void child_kill(const struct child *child);

// world.c: real time and real dice.
int world_timer(int clock);
void world_timer_set(int timer, uint64_t milliseconds);
uint64_t world_dice(void);

// supervise.c and await.c: give the exit code.
int supervise(const struct settings *settings, const struct words *command);
int await_token(const struct settings *settings, const struct await_arguments *asked);

#endif
