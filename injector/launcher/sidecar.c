// What runs in the injected container? One refresher or the supervisor of two: the token's, and, where the pod has a
// plan for secrets, theirs. Both are one program, which the image names.
#include "sidecar.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

// 0 is /dev/null, 1 and 2 are open, and nothing else is: a pipe of ours can never take the place of stderr.
static bool standard_descriptors(void) {
    int null = open("/dev/null", O_RDWR);
    if (null < 0) return false;
    dup2(null, STDIN_FILENO);
    for (int number = STDOUT_FILENO; number <= STDERR_FILENO; number++)
        if (fcntl(number, F_GETFD) < 0) dup2(null, number);
    if (syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0) == 0) return true;
    // Linux before 5.9; who opens descriptors beyond this hides them from nobody.
    for (int number = STDERR_FILENO + 1; number < 4096; number++) close(number);
    return true;
}

static const char METRICS_PORT_FORM[] =
    "expected a port from " TEXT(METRICS_PORT_FIRST) " to " TEXT(METRICS_PORT_LAST);

static bool add_all(struct words *command, const struct words *more) {
    for (size_t i = 0; i < more->count; i++)
        if (!words_add(command, more->at[i])) return false;
    return true;
}

// The command line of the refresher that does once what was asked for.
static bool add_arguments(struct words *command, const struct refresher_arguments *asked) {
    if (asked->secrets && !words_add(command, SECRETS_COMMAND)) return false;
    if (asked->show != NULL) return words_add(command, asked->show);
    if (!add_all(command, &asked->handed_on)) return false;
    if (!asked->secrets && !words_add(command, "--refresh=false")) return false;
    if (!asked->refresh) return true;
    if (!asked->secrets && !words_add(command, "--once-if-stale")) return false;
    return words_add(command, REPORT_FD_FLAG "=" TEXT(REPORT_FD));
}

static int become_refresher(const struct settings *settings, const struct words *command) {
    struct text why = {.length = 0};
    execvp(command->at[0], (char *const *)(uintptr_t)command->at);
    text_put(&why, strerror(errno));
    text_put(&why, "; " REFRESHER_COMMAND " names the command that the launcher starts");
    why.bytes[why.length] = '\0';
    return refuse(&settings->log, command->at[0], why.bytes);
}

static bool open_sockets(struct job *secrets, struct text *problem) {
    static struct text flag;
    if (!sockets_listen(variable(SOCKETS, ""), &secrets->sockets, problem)) return false;
    text_put(&flag, SOCKETS_FLAG "=");
    text_put_number(&flag, secrets->sockets);
    flag.bytes[flag.length] = '\0';
    if (words_add(&secrets->command, flag.bytes)) return true;
    text_put(problem, REFRESHER_COMMAND ": too many arguments");
    return false;
}

static const char *ready_file(void) {
    static struct text path;
    text_put(&path, variable(STATE_DIRECTORY, INJECTOR_PATH "/" STATE_VOLUME));
    text_put(&path, "/" READY_FILE);
    path.bytes[path.length] = '\0';
    return path.bytes;
}

// With both jobs the secrets' child fetches the first token: one process in place of two; it has the token's flags for
// that. The token's own children come a little later then, whatever became of it.
static int supervise_all(
    const struct settings *settings, const struct words *command, const struct refresher_arguments *asked) {
    static struct job jobs[JOBS_LIMIT];
    static struct metrics metrics;
    struct text problem = {.length = 0};
    size_t count = 0;
    signals_default(EVERY_SIGNAL);
    if (!standard_descriptors())
        return refuse(&settings->log, "/dev/null", "cannot be opened; every container runtime makes it");
    if (!asked->secrets) {
        jobs[count].what = "token";
        jobs[count].awaited = asked->file;
        jobs[count++].command = *command;
    }
    if (asked->secrets || *variable(PLAN, "") != '\0') {
        // A container that starts again finds the token of its last life; whether that still holds, its child looks.
        if (count > 0 && !has_content(asked->file)) jobs[0].pause = TOKEN_PAUSE;
        struct job *secrets = &jobs[count++];
        secrets->what = "secrets";
        secrets->awaited = ready_file();
        secrets->command = *command;
        if (!open_sockets(secrets, &problem)) return fail(&settings->log, EXIT_SECRETS_NOT_WRITTEN, &problem);
    }
    if (!metrics_listen(&metrics, variable(METRICS_PORT, "")))
        return refuse(&settings->log, METRICS_PORT, METRICS_PORT_FORM);
    return supervise(settings, jobs, count, &metrics);
}

// Tokens and values of secrets are in the memory of what runs here. One byte is no size of a core: the kernel writes
// none, and starts no program of the node's for it either, from which zero would not keep it (fs/coredump.c).
static void leave_no_core(void) {
    // musl's setrlimit brings along what it needs to reach every thread of a program; there is one.
    (void)!syscall(SYS_prlimit64, 0, RLIMIT_CORE, &(struct rlimit){1, 1}, NULL);
}

int run_sidecar(const struct settings *settings, char *const *arguments) {
    // Not on the stack: a page that is touched once stays as long as the launcher sleeps.
    static char text[COMMAND_LIMIT];
    static struct refresher_arguments asked;
    static struct words command;
    const char *named = variable(REFRESHER_COMMAND, PYTHON_REFRESHER);
    leave_no_core();
    asked.secrets = arguments[0] != NULL && strcmp(arguments[0], SECRETS_COMMAND) == 0;
    struct problem problem = parse_refresher_arguments(arguments + asked.secrets, &asked);
    if (problem.argument != NULL) return refuse(&settings->log, problem.argument, problem.fix);
    if (strlen(named) >= sizeof text) return refuse(&settings->log, REFRESHER_COMMAND, "the command is too long");
    strcpy(text, named);
    bool whole = words_split(&command, text) && command.count > 0;
    if (!whole || !add_arguments(&command, &asked))
        return refuse(&settings->log, REFRESHER_COMMAND, "expected a command, its words separated by spaces");
    if (asked.refresh && asked.show == NULL) return supervise_all(settings, &command, &asked);
    return become_refresher(settings, &command);
}
