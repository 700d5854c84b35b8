/** `pocketmq redrive`: dead letters of a group go back to where they came from. */
import { positiveNumber, wholeNumber } from './arguments.ts'
import type { CommandSpec } from './command.ts'
import { EXIT_DONE } from './exit-codes.ts'
import { countText } from './figures.ts'
import type { OwnerOptions } from './folder.ts'
import { OWNER_OPTIONS, openExisting } from './folder.ts'

type Options = OwnerOptions & { readonly group: string; readonly max?: number; readonly rate?: number }

export const redriveCommand: CommandSpec<Options> = {
  usage: 'redrive <dir>',
  about: 'sends the dead letters of a group back to be consumed again',
  required: [['--group <name>', 'the consumer group']],
  options: [
    ...OWNER_OPTIONS,
    ['--max <n>', 'at most so many', wholeNumber(1)],
    ['--rate <n>', 'at most so many a second', positiveNumber],
  ],
  async run({ args: [dir = ''], options, output }) {
    await using mq = await openExisting(dir, options, output)
    const { group, max, rate } = options
    const result = await mq.admin.redrive({ group, max, rate })
    await output.answer({ group, ...result }, () => `${countText(result.redriven)} dead letters of ${group} sent back`)
    return EXIT_DONE
  },
}
