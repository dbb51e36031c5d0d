// How does an application in any image get its secrets? The launcher is its container's command: it asks, puts the
// answer into the environment, and becomes the application, or its PID 1 where that must hear of changes.
#include "exec.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char USAGE[] =
    "usage: launcher exec [--from=unix:PATH|file:PATH] [--timeout=" TEXT(EXEC_TIMEOUT) "] [" EXPANDED_FLAG
    "=NAME]...\n       [" TERMINATION_LOG_FLAG "=" TERMINATION_LOG "]\n       [--supervise=restart|signal:NAME [--stop-signal=SIGTERM] [--jitter=" TEXT(JITTER)
    "]] -- COMMAND [ARGUMENT...]\n\n"
    "Starts COMMAND with its secrets in its environment. Without --from the socket or the file beside it is asked.\n"
    EXPANDED_FLAG " ends where a reference's text stands that was NAME's.\n"
    "--supervise stays PID 1; when a secret changes, it ends COMMAND after at most --jitter seconds, or signals it.\n";

static const char EXPANDED[] =
    "it came as a reference, and $(...) put its text where nobody resolves it: let the application read the variable, "
    "or write ${...} instead";

// PID 1 ignores what it does not handle; whoever ignored one of them before us still does.
static uint64_t ending_signals(void) {
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
    uint64_t ending = 0;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!signal_is_ignored(numbers[i])) ending |= SIGNAL(numbers[i]);
    return ending;
}

// What is not used of it costs nothing: no huge page may take 2 MB of the application's memory limit.
static void *room(size_t length) {
    void *made = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (made == MAP_FAILED) return NULL;
    madvise(made, length, MADV_NOHUGEPAGE);
    return made;
}

int exec_refuse(const struct termination_log *log, const struct problem *problem) {
    struct text line = {.length = 0};
    text_put_foreign(&line, problem->argument, strnlen(problem->argument, LINE_LIMIT / 2));
    text_put(&line, ": ");
    text_put(&line, problem->fix);
    return fail(log, EXEC_USAGE, &line);
}

// A person, a probe or a hook leaves --from out.
static bool find_source(const char *own_name, struct exec_arguments *asked, char *path) {
    if (strchr(own_name, '/') == NULL) own_name = APPLICATION_PATH "/";
    if (!path_beside(own_name, SOCKET_FILE, path, PATH_MAX)) return false;
    asked->path = path;
    asked->source = SOURCE_SOCKET;
    if (access(path, F_OK) == 0) return true;
    asked->source = SOURCE_FILE;
    return path_beside(own_name, ENV_FILE, path, PATH_MAX) && access(path, F_OK) == 0;
}

static void put_source(struct text *line, const struct exec_arguments *asked) {
    text_put_foreign(line, asked->path, strnlen(asked->path, LINE_LIMIT / 2));
    text_put(line, ": ");
}

static int end_without_answer(const struct settings *settings, const struct question *question, enum asked how) {
    struct text line = {.length = 0};
    if (how == ASKED_ENDED) return 128 + question->ended_by;  // as shells say it
    put_source(&line, question->asked);
    if (how == ASKED_LATE) {
        text_put(&line, "no secrets after ");
        text_put_number(&line, question->asked->timeout);
        text_put(&line, " s: ");
    }
    text_put(&line, question->why);
    text_put(&line, "; look at the log of the injected container");
    return fail(&settings->log, EXEC_UNREACHABLE, &line);
}

static int end_with_answer(const struct settings *settings, const struct question *question) {
    struct text line = {.length = 0};
    bool refused = question->answer.state == ANSWER_REFUSED;
    if (!refused) {
        put_source(&line, question->asked);
        text_put(&line, "the answer is malformed: ");
    }
    text_put_foreign(&line, question->answer.reason, question->answer.reason_length);
    return fail(&settings->log, refused ? EXEC_REFUSED : EXEC_MALFORMED, &line);
}

static int start(struct first *first, struct question *question) {
    question->request_length = request_length(environ, first->asked->aside);
    char *request = room(question->request_length), **entries;
    question->request = request;
    question->bytes = room(MESSAGE_LIMIT);
    if (request == NULL || question->bytes == NULL)
        return become_failed(&first->settings->log, first->asked->command[0], ENOMEM);
    request_write(environ, first->asked->aside, request);
    // Before the values are asked for: what changes between the two is seen as a change.
    if (first->asked->supervision != SUPERVISE_NOT) generation_read(first->generation, &first->known);
    enum asked how = ask(question);
    close(question->signals);
    if (how != ASKED_READY) return end_without_answer(first->settings, question, how);
    if (question->answer.state != ANSWER_WHOLE) return end_with_answer(first->settings, question);
    entries = room((entries_count(environ) + question->answer.variables + 1) * sizeof *entries);
    if (entries == NULL) return become_failed(&first->settings->log, first->asked->command[0], ENOMEM);
    entries_merge(environ, question->bytes, entries);
    struct problem expanded = {expanded_find(first->asked, environ, entries), EXPANDED};
    if (expanded.argument != NULL) return exec_refuse(&first->settings->log, &expanded);
    if (first->asked->supervision != SUPERVISE_NOT) return stay_first(first, entries, question->bytes);
    signals_hold(first->held_before);
    return become_failed(&first->settings->log, first->asked->command[0], become(first->asked->command, entries));
}

int run_exec(const struct settings *given, const char *own_name, char *const *arguments) {
    struct exec_arguments asked = {.timeout = EXEC_TIMEOUT, .stop = SIGTERM, .jitter = JITTER};
    struct settings settings = *given;
    char path[PATH_MAX], generation[PATH_MAX];
    struct problem problem = parse_exec_arguments(arguments, &asked);
    if (asked.log != NULL) settings.log = (struct termination_log){.path = asked.log};
    if (problem.argument != NULL) return exec_refuse(&settings.log, &problem);
    if (asked.help) return write(STDOUT_FILENO, USAGE, sizeof USAGE - 1) > 0 ? EXIT_OK : EXEC_INTERNAL;
    if (asked.source == SOURCE_BESIDE) {
        asked.aside = true;
        // The container's last words are not those of a probe or of a person's shell.
        settings.log = (struct termination_log){.path = ""};
        problem = (struct problem){"--from", "needed: neither " SOCKET_FILE " nor " ENV_FILE " is beside the launcher"};
        if (!find_source(own_name, &asked, path)) return exec_refuse(&settings.log, &problem);
    }
    problem = (struct problem){"--from", "the path is too long"};
    if (!path_beside(asked.path, GENERATION_FILE, generation, sizeof generation))
        return exec_refuse(&settings.log, &problem);
    uint64_t ending = ending_signals();
    struct first first = {.settings = &settings, .asked = &asked, .generation = generation};
    first.held_before = signals_hold(ending);
    struct question question = {.asked = &asked, .signals = signals_descriptor(ending)};
    question.give_up = world_now() + asked.timeout * 1000 / settings.divisor;
    return start(&first, &question);
}
