/** `pocketmq groups`: which consumer groups there are, what they subscribe to, how far behind they are. */
import type { GroupView } from '../../messaging/core-types.ts'
import { PocketMQ } from '../../messaging/pocket-mq.ts'
import type { CommandSpec } from './command.ts'
import { EXIT_DONE } from './exit-codes.ts'
import { bytesText, timeText } from './figures.ts'
import type { FolderOptions } from './folder.ts'
import { FOLDER_OPTIONS, openOptions } from './folder.ts'
import { tableText } from './output.ts'

const HEAD = ['group', 'subscription', 'lag', 'lag bytes', 'set by', 'set at']

export const groupsCommand: CommandSpec<FolderOptions> = {
  usage: 'groups <dir>',
  about: 'which consumer groups there are, what they read, and how far behind they are; read-only',
  options: FOLDER_OPTIONS,
  async run({ args: [dir = ''], options, output }) {
    await using mq = await PocketMQ.openReadOnly(dir, openOptions(options, output))
    const groups: (GroupView & { lagMessages: number; lagBytes: number })[] = []
    for (const view of await mq.admin.groups()) {
      const { lagMessages, lagBytes } = await mq.admin.groupProgress(view.group)
      groups.push({ ...view, lagMessages, lagBytes })
    }
    await output.answer(groups, () =>
      groups.length === 0
        ? 'no groups'
        : tableText(
            HEAD,
            groups.map(one => [
              one.group,
              one.subscriptions.map(({ topic, expression }) => `${topic}: ${expression}`).join('; '),
              one.lagMessages,
              bytesText(one.lagBytes),
              one.setBy,
              timeText(one.setAtMs === 0 ? undefined : one.setAtMs),
            ]),
          ),
    )
    return EXIT_DONE
  },
}
