// What the fuzz target's files share.
#ifndef FUZZ_H
#define FUZZ_H

#include "exec.h"

#define MOST_ARGUMENTS 200

// fuzz_parse.c
void promise(bool kept);
size_t split(char *text, char **arguments);

// fuzz_answer.c
void fuzz_answer(char *bytes, size_t length);
void fuzz_exec_arguments(char *text);

#endif
