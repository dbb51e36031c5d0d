// What the launcher's files share. sidecar.h has what only the injected container needs, exec.h the application's.
#ifndef LAUNCHER_H
#define LAUNCHER_H

#include "contract.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A report that names less or more than this is brought into it; seconds before the time divisor.
#define NEXT_FLOOR 1
#define NEXT_CAP 86400
// The command and its arguments; an injected container has about ten.
#define WORDS_LIMIT 128
#define COMMAND_LIMIT 1024
// A line for a person: the longest reason, and a path beside it.
#define LINE_LIMIT 1280

#define TEXT(number) TEXT_OF(number)
#define TEXT_OF(number) #number

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
    bool secrets;  // set by who asks: these are the arguments of the word "secrets"
    bool refresh;
    const char *show;  // "--help" or "--version" where one was asked for, else NULL
    const char *file;
    struct words handed_on;
};
struct await_arguments {
    struct words files;
    uint64_t timeout;
    bool help;
};
extern const char FLAG_SYNTAX[], BOOLEAN_FORM[], SECONDS_FORM[];
bool words_add(struct words *words, const char *word);
bool words_split(struct words *words, char *text);
bool take_switch(const struct flag *flag, bool *value);
struct problem take_seconds(char *const **next, const struct flag *flag, uint64_t *seconds);
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
void outcome_ended(struct outcome *outcome, int code, const char *what, const char *how);
void outcome_judge(struct outcome *outcome, const char *what, int status, const char *report, size_t length);
void text_put_last_words(struct text *text, const struct outcome *outcome);

// say.c: stderr and the termination log.
struct termination_log {
    const char *path;
    bool create;
};
void say(const struct text *text);
bool termination_log_write(const struct termination_log *log, const struct text *text);
size_t termination_log_read(const struct termination_log *log, char *bytes, size_t room);
int fail(const struct termination_log *log, int code, const struct text *reason);
int refuse(const struct termination_log *log, const char *what, const char *why);

struct settings {
    uint64_t divisor;
    struct termination_log log;
};

// signals.c: sets of them are masks, as the kernel has them.
#define SIGNAL(number) (UINT64_C(1) << ((number) - 1))
#define EVERY_SIGNAL UINT64_MAX
uint64_t signals_hold(uint64_t these);
int signals_descriptor(uint64_t these);
bool signal_is_ignored(int number);
void signals_default(uint64_t these);

// world.c: real time and real dice.
uint64_t world_now(void);
int world_timer(int clock);
void world_timer_set(int timer, uint64_t milliseconds);
uint64_t world_dice(void);

// main.c
const char *variable(const char *name, const char *otherwise);

// sidecar.c and await.c: in the injected container; they give the exit code.
int run_sidecar(const struct settings *settings, char *const *arguments);
bool has_content(const char *path);
int await_files(const struct settings *settings, const struct await_arguments *asked);

#endif
