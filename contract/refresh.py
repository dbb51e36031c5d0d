"""How the launcher and its child, the refresher, talk: flags down, one line up.

The launcher (C) cannot import this; a test compares it with launcher.h.
"""

# Added by the launcher to the child's arguments: do one refresh, then report on this file descriptor and end.
REPORT_FD_FLAG = "--report-fd"
REPORT_FD = 3

# The child's report, one line of at most REPORT_LIMIT bytes: "next MILLISECONDS\n" after a refresh, "error EXIT_CODE
# REASON\n" (printable ASCII, no secrets) when there is none. Milliseconds are real time, already divided.
REPORT_NEXT = "next"
REPORT_ERROR = "error"
REPORT_LIMIT = 1024

# Who waits how long, in seconds before the time divisor.
BACKOFF_FIRST = 1
BACKOFF_CAP = 60
CHILD_DEADLINE = 60
AWAIT_TIMEOUT = 120
