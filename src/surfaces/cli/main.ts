#!/usr/bin/env node
/** Where the command `pocketmq` starts. */
import { runCommandLine } from './command-line.ts'

const stop = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    // The second time it is meant: a command that does not end by itself is ended.
    if (stop.signal.aborted) process.exit(130)
    stop.abort()
  })
}
// `pocketmq dump … | head` closes the pipe: nobody reads on, and that is no failure.
process.stdout.on('error', error => {
  process.exit((error as NodeJS.ErrnoException).code === 'EPIPE' ? 0 : 3)
})

// Waiting for messages holds no handle of its own: an open port keeps the process until the command has ended.
const { port1: alive } = new MessageChannel()
alive.ref()
process.exitCode = await runCommandLine(process.argv.slice(2), process, stop.signal)
alive.close()
