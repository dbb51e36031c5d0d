// What did the pod ask for? Command line and environment in; then the supervisor, `await`, or the refresher itself.
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TEXT(number) TEXT_OF(number)
#define TEXT_OF(number) #number

static const char AWAIT_USAGE[] =
    "usage: token-injector await FILE [--timeout=" TEXT(AWAIT_TIMEOUT) "]\n\n"
    "Ends when FILE has a token; fails at once if the refresher's reason is permanent, or after --timeout seconds.\n";

static const char *variable(const char *name, const char *otherwise) {
    const char *value = getenv(name);
    return value != NULL && *value != '\0' ? value : otherwise;
}

// Whoever started us may have ignored SIGCHLD or blocked SIGTERM, which a process hands down to the next.
// By the system call: a C library keeps 32 to 34 for itself, and GNU make's children start with them ignored.
static void default_signals(void) {
    static const unsigned long kernel_sigaction[8];  // all zero is SIG_DFL
    for (int number = 1; number <= 64; number++) syscall(SYS_rt_sigaction, number, kernel_sigaction, NULL, 8);
}

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

static int run_await(const struct settings *settings, char *const *arguments) {
    struct await_arguments asked = {.timeout = AWAIT_TIMEOUT};
    struct problem problem = parse_await_arguments(arguments, &asked);
    if (problem.argument != NULL) return refuse(&settings->log, problem.argument, problem.fix);
    if (!asked.help) return await_token(settings, &asked);
    return write(STDOUT_FILENO, AWAIT_USAGE, sizeof AWAIT_USAGE - 1) > 0 ? EXIT_OK : EXIT_INTERNAL;
}

static bool add_all(struct words *command, const struct refresher_arguments *asked) {
    if (asked->show != NULL) return words_add(command, asked->show);
    for (size_t i = 0; i < asked->handed_on.count; i++)
        if (!words_add(command, asked->handed_on.at[i])) return false;
    if (!words_add(command, "--refresh=false")) return false;
    if (!asked->refresh) return true;
    return words_add(command, "--once-if-stale") && words_add(command, REPORT_FD_FLAG "=" TEXT(REPORT_FD));
}

static int run_refresher(const struct settings *settings, char *const *arguments) {
    // Not on the stack: a page that is touched once stays as long as the launcher sleeps.
    static char program[COMMAND_LIMIT];
    static struct refresher_arguments asked;
    static struct words command;
    const char *named = variable(REFRESHER_COMMAND, PYTHON_REFRESHER);
    struct problem problem = parse_refresher_arguments(arguments, &asked);
    if (problem.argument != NULL) return refuse(&settings->log, problem.argument, problem.fix);
    if (strlen(named) >= sizeof program) return refuse(&settings->log, REFRESHER_COMMAND, "the command is too long");
    strcpy(program, named);
    if (!words_split(&command, program) || command.count == 0 || !add_all(&command, &asked))
        return refuse(&settings->log, REFRESHER_COMMAND, "expected a command, its words separated by spaces");
    if (asked.refresh && asked.show == NULL) {
        default_signals();
        if (standard_descriptors()) return supervise(settings, &command);
        return refuse(&settings->log, "/dev/null", "cannot be opened; every container runtime makes it");
    }
    execvp(command.at[0], (char *const *)(uintptr_t)command.at);
    struct text why = {.length = 0};
    text_put(&why, strerror(errno));
    text_put(&why, "; " REFRESHER_COMMAND " names the command that the launcher starts");
    why.bytes[why.length] = '\0';
    return refuse(&settings->log, command.at[0], why.bytes);
}

int main(int count, char **arguments) {
    struct settings settings = {.log = {.path = variable(TERMINATION_LOG_VARIABLE, TERMINATION_LOG)}};
    const char *divisor = variable(TIME_DIVISOR, "1");
    settings.log.create = *variable(TERMINATION_LOG_VARIABLE, "") != '\0';
    if (!parse_number(divisor, strlen(divisor), 999999999, &settings.divisor) || settings.divisor == 0)
        return refuse(&settings.log, TIME_DIVISOR, "expected a whole number from 1, for example 60");
    if (count > 0) arguments++;
    if (arguments[0] != NULL && strcmp(arguments[0], AWAIT_COMMAND) == 0) return run_await(&settings, arguments + 1);
    return run_refresher(&settings, arguments);
}
