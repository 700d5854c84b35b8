/** `pocketmq backup`: a consistent copy of a folder. */
import { resolve } from 'node:path'
import type { CommandSpec } from './command.ts'
import { EXIT_DONE } from './exit-codes.ts'
import type { OwnerOptions } from './folder.ts'
import { OWNER_OPTIONS, openExisting } from './folder.ts'

export const backupCommand: CommandSpec<OwnerOptions> = {
  usage: 'backup <dir> <to>',
  about: 'a consistent copy of a folder in another one: whole segments by hard link, the rest copied',
  options: OWNER_OPTIONS,
  async run({ args: [dir = '', to = ''], options, output, signal }) {
    await using mq = await openExisting(dir, options, output)
    await mq.admin.snapshot(resolve(to), { signal })
    await output.answer({ from: resolve(dir), to: resolve(to) }, () => `${resolve(dir)} is copied to ${resolve(to)}`)
    return EXIT_DONE
  },
}
