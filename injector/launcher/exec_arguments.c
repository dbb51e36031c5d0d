// What was `exec` asked for? Pure.
#include "exec.h"

#include <string.h>

static const struct problem NONE = {.argument = NULL};

// The names of kill -l, without those that no process can handle.
int parse_signal(const char *name) {
    static const char names[][7] = {"HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "", "USR1", "SEGV",
        "USR2", "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
        "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (*name != '\0' && strcmp(name, names[i]) == 0) return (int)i + 1;
    return 0;
}

static bool skip(const char **text, const char *word) {
    if (*text == NULL || strncmp(*text, word, strlen(word)) != 0) return false;
    *text += strlen(word);
    return true;
}

// lifecycle.stopSignal as the pod has it: SIG, and a name of kill -l, an older one, or one of those without a name. The
// numbers of the last are the container runtimes' (https://github.com/moby/sys/blob/main/signal/signal_linux.go).
int parse_stop_signal(const char *name) {
    static const struct {
        char name[5];
        unsigned char number;
    } others[] = {{"KILL", 9}, {"STOP", 19}, {"IOT", 6}, {"CLD", 17}, {"POLL", 29}};
    uint64_t more = 0;
    if (!skip(&name, "SIG")) return 0;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(name, others[i].name) == 0) return others[i].number;
    bool from_first = skip(&name, "RTMIN"), from_last = !from_first && skip(&name, "RTMAX");
    if (!from_first && !from_last) return parse_signal(name);
    if (skip(&name, from_first ? "+" : "-") ? !parse_number(name, strlen(name), 30, &more) : *name != '\0') return 0;
    return from_first ? 34 + (int)more : 64 - (int)more;
}

static struct problem take_stop(const char *argument, const char *value, struct exec_arguments *found) {
    found->stop = value != NULL ? parse_stop_signal(value) : 0;
    if (found->stop > 0) return NONE;
    return (struct problem){argument, "expected --stop-signal=NAME, as in lifecycle.stopSignal: SIGQUIT"};
}

static struct problem take_from(const char *argument, const char *value, struct exec_arguments *found) {
    found->source = skip(&value, "unix:") ? SOURCE_SOCKET : skip(&value, "file:") ? SOURCE_FILE : SOURCE_BESIDE;
    found->path = value;
    if (found->source != SOURCE_BESIDE && *value != '\0') return NONE;
    return (struct problem){argument, "expected --from=unix:PATH or --from=file:PATH"};
}

static struct problem take_log(const char *argument, const char *value, struct exec_arguments *found) {
    if (value == NULL || *value != '/')
        return (struct problem){argument, "expected " TERMINATION_LOG_FLAG "=/PATH, as in terminationMessagePath"};
    found->log = value;
    return NONE;
}

static struct problem take_supervision(const char *argument, const char *value, struct exec_arguments *found) {
    found->supervision = SUPERVISE_NOT;
    if (skip(&value, "signal:")) {
        found->supervision = SUPERVISE_SIGNAL;
        found->signal = parse_signal(value);
        if (found->signal > 0) return NONE;
    } else if (skip(&value, "restart") && *value == '\0') {
        found->supervision = SUPERVISE_RESTART;
        return NONE;
    }
    return (struct problem){argument, "expected --supervise=restart or --supervise=signal:NAME, as in signal:HUP"};
}

static struct problem take_flag(char *const **next, const struct flag *flag, struct exec_arguments *found) {
    const char *argument = **next;
    if (strncmp(argument, EXPANDED_FLAG "=", sizeof EXPANDED_FLAG) == 0) return NONE;
    if (flag_is(flag, "help") || flag_is(flag, "h"))
        return take_switch(flag, &found->help) ? NONE : (struct problem){argument, BOOLEAN_FORM};
    if (flag_is(flag, "from")) return take_from(argument, flag->value, found);
    if (flag_is(flag, &TERMINATION_LOG_FLAG[strlen("--")])) return take_log(argument, flag->value, found);
    if (flag_is(flag, "supervise")) return take_supervision(argument, flag->value, found);
    if (flag_is(flag, "stop-signal")) return take_stop(argument, flag->value, found);
    if (flag_is(flag, "timeout")) return take_seconds(next, flag, &found->timeout);
    if (flag_is(flag, "jitter")) return take_seconds(next, flag, &found->jitter);
    return (struct problem){
        argument, "unknown flag; exec knows --from, --timeout, " TERMINATION_LOG_FLAG ", --expanded, --supervise, "
                  "--stop-signal and --jitter"};
}

struct problem parse_exec_arguments(char *const *arguments, struct exec_arguments *found) {
    static const char form[] = "expected a command after --, for example: exec -- /bin/server --port=80";
    struct flag flag;
    found->flags = arguments;
    for (; *arguments != NULL && strcmp(*arguments, "--") != 0; arguments++) {
        enum argument_kind kind = parse_argument(*arguments, &flag);
        if (kind == ARGUMENT_WRONG) return (struct problem){*arguments, FLAG_SYNTAX};
        if (kind == ARGUMENT_WORD) return (struct problem){*arguments, form};
        struct problem problem = take_flag(&arguments, &flag, found);
        if (problem.argument != NULL) return problem;
    }
    if (found->help) return NONE;
    if (arguments[0] == NULL || arguments[1] == NULL) return (struct problem){EXEC_COMMAND, form};
    found->command = arguments + 1;
    return NONE;
}

// The file of that name in the path's folder; false: there is no room for it.
bool path_beside(const char *path, const char *name, char *beside, size_t room) {
    size_t length = strlen(path);
    while (length > 0 && path[length - 1] != '/') length--;
    if (length + strlen(name) >= room) return false;
    memcpy(beside, path, length);
    strcpy(beside + length, name);
    return true;
}
