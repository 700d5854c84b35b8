/** What a command is: its words, its options, and what it does. One file each. */
import type { Readable } from 'node:stream'
import type { Command } from 'commander'
import type { ExitCode } from './exit-codes.ts'
import type { Output } from './output.ts'

/** One call of a command. */
export type Invocation<O> = {
  readonly args: readonly string[]
  readonly options: O
  readonly stdin: Readable
  readonly output: Output
  /** Aborted by SIGINT and SIGTERM. */
  readonly signal: AbortSignal
}

/** One option: its flags, what it says in the help, and how its text becomes a value. */
export type OptionSpec = readonly [flags: string, about: string, parse?: (text: string) => unknown]

/** One command. */
export type CommandSpec<O = object> = {
  /** Name and arguments, `dump <dir>`; a name of two words is a command of a command. */
  readonly usage: string
  readonly about: string
  /** Options that have to be given. */
  readonly required?: readonly OptionSpec[]
  readonly options?: readonly OptionSpec[]
  run(invocation: Invocation<O>): Promise<ExitCode>
}

/** Calls of a command as the program makes them. */
export type RunCommand = (
  run: (output: Output, stdin: Readable, signal: AbortSignal) => Promise<ExitCode>,
  isJson: boolean,
) => Promise<void>

/** Adds a command to the program. */
export function addCommand<O>(program: Command, spec: CommandSpec<O>, runCommand: RunCommand): void {
  const [first = '', second = '', ...rest] = spec.usage.split(' ')
  const isNested = /^[a-z]/.test(second)
  const parent = isNested ? nested(program, first) : program
  const command = parent.command(isNested ? [second, ...rest].join(' ') : spec.usage).description(spec.about)
  for (const [flags, about, parse] of spec.required ?? []) {
    if (parse === undefined) command.requiredOption(flags, about)
    else command.requiredOption(flags, about, parse)
  }
  for (const [flags, about, parse] of spec.options ?? []) {
    if (parse === undefined) command.option(flags, about)
    else command.option(flags, about, parse)
  }
  command.option('--json', 'answer in JSON on stdout, and nothing else there')
  command.action(async () => {
    const options = command.opts<{ readonly json?: boolean }>()
    await runCommand(
      (output, stdin, signal) => spec.run({ args: command.args, options: options as O, stdin, output, signal }),
      options.json === true,
    )
  })
}

function nested(program: Command, name: string): Command {
  return (
    program.commands.find(command => command.name() === name) ??
    program.command(name).description(`${name} administration`)
  )
}
