// What only the application's container needs: the answer with the secrets, and how to become the application.
#ifndef EXEC_H
#define EXEC_H

#include "launcher.h"

// answer.c: pure.
enum answer_state { ANSWER_UNFINISHED, ANSWER_WHOLE, ANSWER_REFUSED, ANSWER_MALFORMED };
struct answer {
    enum answer_state state;
    size_t at;         // up to here it was judged
    size_t variables;  // that it sets
    const char *reason;  // of a refusal it points into the answer; of a malformed one it says what is wrong
    size_t reason_length;
};
void answer_read(struct answer *answer, const char *bytes, size_t length);

// environment.c: pure; entries are "NAME=VALUE", the last one is followed by NULL.
size_t request_length(char *const *entries, bool aside);
void request_write(char *const *entries, bool aside, char *bytes);
size_t entries_count(char *const *entries);
void entries_merge(char *const *entries, char *answer, char **merged);
const char *entries_find(char *const *entries, const char *name);

// exec_arguments.c: pure.
enum source { SOURCE_BESIDE, SOURCE_SOCKET, SOURCE_FILE };
enum supervision { SUPERVISE_NOT, SUPERVISE_RESTART, SUPERVISE_SIGNAL };
struct exec_arguments {
    enum source source;
    const char *path;
    bool aside;  // not the container's own process asks
    uint64_t timeout;
    const char *log;  // where the kubelet reads the container's last words; NULL: where it does by default
    enum supervision supervision;
    int signal;
    int stop;  // what asks the application to end
    uint64_t jitter;
    bool help;
    char *const *flags;  // all of them, up to "--"
    char *const *command;
};
struct problem parse_exec_arguments(char *const *arguments, struct exec_arguments *found);
int parse_signal(const char *name);
int parse_stop_signal(const char *name);
bool path_beside(const char *path, const char *name, char *beside, size_t room);

// expanded.c: pure.
const char *expanded_find(const struct exec_arguments *asked, char *const *before, char *const *after);

// ask.c: from the sidecar's socket, or a file of the same form.
enum asked {
    ASKED_READY,
    ASKED_AGAIN,  // nobody is there yet
    ASKED_LATE,
    ASKED_FAILED,
    ASKED_ENDED  // by a signal
};
struct question {
    const struct exec_arguments *asked;
    const char *request;
    size_t request_length;
    uint64_t give_up;  // on the clock of world_now()
    int signals;
    char *bytes;  // MESSAGE_LIMIT of them
    size_t received;
    struct answer answer;
    int ended_by;
    const char *why;
};
enum asked ask(struct question *question);

// become.c: gives the error, if it comes back.
int become(char *const *command, char *const *entries);
int become_failed(const struct termination_log *log, const char *program, int error);

// generation.c
#define GENERATION_LIMIT 128
struct generation {
    size_t length;
    char bytes[GENERATION_LIMIT];
};
bool generation_read(const char *path, struct generation *found);

// first.c: PID 1 beside the application; gives the exit code.
#define JITTER 60
#define GRACE 30
struct first {
    const struct settings *settings;
    const struct exec_arguments *asked;
    const char *generation;  // its file
    struct generation known;
    uint64_t held_before;  // the signals, when the launcher was started
};
int stay_first(const struct first *first, char *const *entries, char *secrets);

// exec.c: give the exit code.
int run_exec(const struct settings *settings, const char *own_name, char *const *arguments);
int exec_refuse(const struct termination_log *log, const struct problem *problem);

#endif
