/** Runs a command line in this process, as its user would. */
import { Readable } from 'node:stream'
import { runCommandLine } from '../../src/surfaces/cli/command-line.ts'
import { TextSink } from './text-sink.ts'

/** What a command line came to. */
export type Ran = {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
  /** stdout as JSON lines. */
  lines(): Record<string, unknown>[]
}

/** What a command line is given, and who watches it. */
export type RunOptions = {
  readonly stdin?: string
  readonly signal?: AbortSignal
  /** All of stdout so far, whenever there is more. */
  readonly onStdout?: (text: string) => void
}

/** Runs `pocketmq` with these words; `stdin` is what it reads there. */
export async function pocketmq(words: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { stdin = '', signal = new AbortController().signal, onStdout } = options
  const stdout = new TextSink(onStdout)
  const stderr = new TextSink()
  const exitCode = await runCommandLine(words, { stdin: Readable.from([Buffer.from(stdin)]), stdout, stderr }, signal)
  return {
    exitCode,
    stdout: stdout.text(),
    stderr: stderr.text(),
    lines: () => stdout.lines().map(line => JSON.parse(line) as Record<string, unknown>),
  }
}
