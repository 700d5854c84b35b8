/** `pocketmq demo`: real flights through kills of every process that touches them, and a table of what is left. */
import { mkdtemp, readdir, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { PocketMQError } from '../../base/errors.ts'
import { wholeNumber } from './arguments.ts'
import type { CommandSpec } from './command.ts'
import { runDemo } from './demo/run-demo.ts'
import { EXIT_BAD_NEWS, EXIT_DONE } from './exit-codes.ts'

type Options = { readonly dir?: string; readonly flights?: number }

export const demoCommand: CommandSpec<Options> = {
  usage: 'demo',
  about: '10,000 real flights through kill -9 of producers and consumers; exit 1 if a claim does not hold',
  options: [
    ['--dir <path>', 'an empty folder for it (default: a new one in the temporary folder; it is kept)'],
    ['--flights <n>', 'the first so many flights only (at least 500)', wholeNumber(500, 10_000)],
  ],
  async run({ options, output }) {
    const dir =
      options.dir === undefined ? await mkdtemp(join(tmpdir(), 'pocketmq-demo-')) : await emptyFolder(options.dir)
    const allHold = await runDemo(dir, options.flights ?? 10_000, output)
    return allHold ? EXIT_DONE : EXIT_BAD_NEWS
  },
}

async function emptyFolder(path: string): Promise<string> {
  const dir = resolve(path)
  const isThere = await stat(dir).then(
    () => true,
    error => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
      throw error
    },
  )
  if (isThere && (await readdir(dir)).length > 0) {
    throw new PocketMQError('INVALID_ARGUMENT', `${dir} is not empty`, {
      hint: 'The demo starts from nothing: name a new folder.',
    })
  }
  return dir
}
