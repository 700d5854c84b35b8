/** How the command line ends. */

/** Done. */
export const EXIT_DONE = 0
/** It did what it was asked, and the answer is bad news: damage, a mismatch, nothing found. */
export const EXIT_BAD_NEWS = 1
/** It was called wrongly. */
export const EXIT_USAGE = 2
/** It failed: code and hint are on stderr. */
export const EXIT_ERROR = 3

/** One of the above. */
export type ExitCode = 0 | 1 | 2 | 3
