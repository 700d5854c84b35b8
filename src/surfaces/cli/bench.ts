/** `pocketmq bench`: the benchmark suite of the repository. */
import { spawn } from 'node:child_process'
import { access } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { asError, PocketMQError } from '../../base/errors.ts'
import type { CommandSpec } from './command.ts'
import type { ExitCode } from './exit-codes.ts'
import { EXIT_DONE, EXIT_ERROR } from './exit-codes.ts'

type Options = {
  readonly peers?: boolean
  readonly quick?: boolean
  readonly seconds?: string
  readonly only?: string
  readonly json?: boolean
}

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const SUITE = fileURLToPath(new URL('../../../bench/run.ts', import.meta.url))

export const benchCommand: CommandSpec<Options> = {
  usage: 'bench',
  about: 'runs the benchmark suite (from a clone of the repository)',
  options: [
    ['--seconds <n>', 'how long each figure is measured'],
    ['--only <workloads>', 'W1 to W9; several with commas'],
    ['--peers', 'side by side with RocketMQ, Chronicle Queue, lmdb and others, as far as they can be had here'],
    ['--quick', 'a second each, for trying'],
  ],
  async run({ options }) {
    await access(SUITE).catch(error => {
      throw new PocketMQError(
        'INVALID_ARGUMENT',
        `there is no benchmark suite at ${SUITE}: ${asError(error).message}`,
        {
          hint: 'Clone the repository and run npm run bench: the installed package has none.',
        },
      )
    })
    const words = ['run', '--silent', 'bench', '--']
    if (options.seconds !== undefined) words.push('--seconds', options.seconds)
    if (options.only !== undefined) words.push('--only', options.only)
    for (const name of ['peers', 'quick', 'json'] as const) if (options[name] === true) words.push(`--${name}`)
    const child = spawn('npm', words, { cwd: ROOT, stdio: 'inherit' })
    return await new Promise<ExitCode>((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', exitCode => resolve(exitCode === 0 ? EXIT_DONE : EXIT_ERROR))
    })
  },
}
