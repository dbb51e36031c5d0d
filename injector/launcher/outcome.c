// What became of one refresh? Pure: the child's wait status and its report in; a refresh or a reason out.
#include "launcher.h"

#include <sys/wait.h>

void outcome_failed(struct outcome *outcome, int code, const char *reason) {
    outcome->refreshed = false;
    outcome->code = code;
    outcome->reason.length = 0;
    text_put(&outcome->reason, reason);
}

// Of the child for this: token or secrets.
void outcome_ended(struct outcome *outcome, int code, const char *what, const char *how) {
    outcome_failed(outcome, code, "the ");
    text_put(&outcome->reason, what);
    text_put(&outcome->reason, " refresher");
    text_put(&outcome->reason, how);
}

static void judge_without_report(struct outcome *outcome, const char *what, int status, size_t length) {
    if (WIFSIGNALED(status)) {
        outcome_ended(outcome, EXIT_SOURCE_UNAVAILABLE, what, " was ended by signal ");
        text_put_number(&outcome->reason, (uint64_t)WTERMSIG(status));
        if (WTERMSIG(status) == 9) text_put(&outcome->reason, " (out of memory? raise the container's memory limit)");
        return;
    }
    if (length > 0) {
        outcome_ended(outcome, EXIT_SOURCE_UNAVAILABLE, what,
            "'s report does not fit its exit code or its form; are launcher and refresher of one image?");
        return;
    }
    // An interpreter that finds no program and a program that refuses its arguments both end with 2.
    bool usage = WEXITSTATUS(status) == EXIT_USAGE;
    outcome_ended(outcome, usage ? EXIT_USAGE : EXIT_SOURCE_UNAVAILABLE, what, " ended with exit code ");
    text_put_number(&outcome->reason, (uint64_t)WEXITSTATUS(status));
    text_put(&outcome->reason, " and no report; its log says why");
}

void outcome_judge(struct outcome *outcome, const char *what, int status, const char *report, size_t length) {
    struct report said = parse_report(report, length);
    bool agrees = WIFEXITED(status) && WEXITSTATUS(status) == (said.kind == REPORT_IS_ERROR ? said.code : EXIT_OK);
    if (said.kind == REPORT_IS_GARBAGE || !agrees) {
        judge_without_report(outcome, what, status, length);
        return;
    }
    if (said.kind == REPORT_IS_NEXT) {
        outcome->refreshed = true;
        outcome->milliseconds = said.milliseconds;
        return;
    }
    outcome_failed(outcome, said.code, "");
    text_put_foreign(&outcome->reason, said.reason, said.reason_length);
}

// The termination log's line: `await` fails at once on one that begins with the prefix.
void text_put_last_words(struct text *text, const struct outcome *outcome) {
    if (is_permanent(outcome->code)) {
        text_put(text, PERMANENT_PREFIX);
        text_put_number(text, (uint64_t)outcome->code);
        text_put(text, " ");
    }
    text_put_foreign(text, outcome->reason.bytes, outcome->reason.length);
}
