// What did the pod ask for? Command line and environment in; then, in the injected container, `await` or the
// refreshers, and in the application's container `exec`.
#include "exec.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char AWAIT_USAGE[] =
    "usage: token-injector await FILE... [--timeout=" TEXT(AWAIT_TIMEOUT) "]\n\n"
    "Ends when each FILE has something in it; fails at once if the refresher's reason is permanent, or after\n"
    "--timeout seconds.\n";

const char *variable(const char *name, const char *otherwise) {
    const char *value = getenv(name);
    return value != NULL && *value != '\0' ? value : otherwise;
}

static int run_await(const struct settings *settings, char *const *arguments) {
    static struct await_arguments asked;
    asked.timeout = AWAIT_TIMEOUT;
    struct problem problem = parse_await_arguments(arguments, &asked);
    if (problem.argument != NULL) return refuse(&settings->log, problem.argument, problem.fix);
    if (!asked.help) return await_files(settings, &asked);
    return write(STDOUT_FILENO, AWAIT_USAGE, sizeof AWAIT_USAGE - 1) > 0 ? EXIT_OK : EXIT_INTERNAL;
}

int main(int count, char **arguments) {
    static const struct problem wrong = {TIME_DIVISOR, "expected a whole number from 1, for example 60"};
    struct settings settings = {.log = {.path = variable(TERMINATION_LOG_VARIABLE, TERMINATION_LOG)}};
    const char *divisor = variable(TIME_DIVISOR, "1"), *own_name = count > 0 ? arguments[0] : "";
    settings.log.create = *variable(TERMINATION_LOG_VARIABLE, "") != '\0';
    bool right = parse_number(divisor, strlen(divisor), 999999999, &settings.divisor) && settings.divisor > 0;
    if (count > 0) arguments++;
    const char *word = arguments[0] != NULL ? arguments[0] : "";
    if (strcmp(word, EXEC_COMMAND) == 0)
        return right ? run_exec(&settings, own_name, arguments + 1) : exec_refuse(&settings.log, &wrong);
    if (!right) return refuse(&settings.log, wrong.argument, wrong.fix);
    return strcmp(word, AWAIT_COMMAND) == 0 ? run_await(&settings, arguments + 1) : run_sidecar(&settings, arguments);
}
