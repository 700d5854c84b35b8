/** The program `pocketmq`: finds the command, runs it, and turns what comes out of it into an exit code. */
import { readFileSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { Command, CommanderError } from 'commander'
import { asError, isErrorNamed, PocketMQError } from '../../base/errors.ts'
import type { RunCommand } from './command.ts'
import { addCommand } from './command.ts'
import { COMMANDS } from './commands.ts'
import type { ExitCode } from './exit-codes.ts'
import { EXIT_DONE, EXIT_ERROR, EXIT_USAGE } from './exit-codes.ts'
import type { TextStream } from './output.ts'
import { Output } from './output.ts'

/** Where a command reads and writes. */
export type Streams = { readonly stdin: Readable; readonly stdout: TextStream; readonly stderr: TextStream }

/**
 * Runs one command line (without `node` and the script's name); answers its exit code and never throws.
 * @param signal aborted when the user wants it to end
 */
export async function runCommandLine(
  argv: readonly string[],
  streams: Streams,
  signal: AbortSignal,
): Promise<ExitCode> {
  if (argv[0] === '--version' || argv[0] === '-V') {
    streams.stdout.write(`${version()}\n`)
    return EXIT_DONE
  }
  let exitCode: ExitCode = EXIT_DONE
  const runCommand: RunCommand = async (run, isJson) => {
    const output = new Output(streams.stdout, streams.stderr, isJson)
    try {
      exitCode = await run(output, streams.stdin, signal)
    } catch (error) {
      exitCode = reportError(error, output)
    }
  }
  const program = new Command('pocketmq')
    .description('The pocket-size RocketMQ: a durable message queue in a folder.')
    .addHelpText(
      'after',
      '\n--version prints the version. Exit codes: 0 done, 1 bad news, 2 wrong usage, 3 an error (see stderr).',
    )
    .exitOverride()
    .configureOutput({
      writeOut: text => streams.stdout.write(text),
      writeErr: text => streams.stderr.write(text),
    })
    .showHelpAfterError('(see --help)')
  for (const spec of COMMANDS) addCommand(program, spec, runCommand)
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return exitCode
  } catch (error) {
    if (!(error instanceof CommanderError)) return reportError(error, new Output(streams.stdout, streams.stderr, false))
    return error.exitCode === 0 ? EXIT_DONE : EXIT_USAGE
  }
}

/** As the package says, which lies above `dist` and `src` alike. */
function version(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { readonly version: string }).version
}

/** Says on stderr what went wrong and what to do next; one JSON line with `--json`. */
function reportError(thrown: unknown, output: Output): ExitCode {
  const error = asError(thrown)
  const code = error instanceof PocketMQError ? error.code : error.name
  const hint = error instanceof PocketMQError ? error.hint : ''
  const details = error instanceof PocketMQError ? error.details : {}
  if (output.isJson) {
    output.note(JSON.stringify({ error: { code, message: error.message, hint, details } }))
  } else {
    output.note(`pocketmq: ${code}: ${error.message}`)
    if (hint !== '') output.note(`  hint: ${hint}`)
    if (!(error instanceof PocketMQError) && error.name !== 'AbortError' && error.stack !== undefined)
      output.note(error.stack)
  }
  return isErrorNamed(error, 'INVALID_ARGUMENT') ? EXIT_USAGE : EXIT_ERROR
}
