/** `pocketmq broker-conf`: the settings a RocketMQ broker needs to open this folder, or why it should not be opened by one now. */
import { stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { MessageStore } from '../../store/message-store.ts'
import { wholeNumber } from './arguments.ts'
import type { CommandSpec } from './command.ts'
import { EXIT_BAD_NEWS, EXIT_DONE } from './exit-codes.ts'
import type { FolderOptions } from './folder.ts'
import { FOLDER_OPTIONS, readStore } from './folder.ts'

type Options = FolderOptions & { readonly retentionHours?: number }

const ENTRY_BYTES = 20
const RETENTION_HOURS = 72
/** RocketMQ's largest: below it a broker would delete segments, or refuse messages, on a well filled disk. */
const DISK_PERCENT_MAX = 95

export const brokerConfCommand: CommandSpec<Options> = {
  usage: 'broker-conf <dir>',
  about: 'settings of a RocketMQ broker that opens this folder; exit 1 with the reason while none should',
  options: [
    ...FOLDER_OPTIONS,
    [
      '--retention-hours <n>',
      `when the broker may drop whole segments (default ${RETENTION_HOURS})`,
      wholeNumber(1, 1_000_000),
    ],
  ],
  async run({ args: [dir = ''], options, output }) {
    await using store = await readStore(dir, options, output)
    const reasons = await reasonsAgainst(store)
    if (reasons.length > 0) {
      await output.answer({ reasons }, () =>
        ['No broker should open this folder now:', ...reasons.map(reason => `  - ${reason}`)].join('\n'),
      )
      return EXIT_BAD_NEWS
    }
    const settings = settingsOf(store, options.retentionHours ?? RETENTION_HOURS)
    await output.answer(settings, () =>
      Object.entries(settings)
        .map(([name, value]) => `${name}=${value}`)
        .join('\n'),
    )
    return EXIT_DONE
  },
}

function settingsOf(store: MessageStore, retentionHours: number): Readonly<Record<string, string | number | boolean>> {
  const root = resolve(store.dir)
  const { segmentBytes = 0, consumeQueueEntries = 0, indexSlots = 0, indexEntries = 0 } = store.stats()
  return {
    storePathRootDir: root,
    storePathCommitLog: join(root, 'commitlog'),
    mappedFileSizeCommitLog: segmentBytes,
    mappedFileSizeConsumeQueue: Number(consumeQueueEntries) * ENTRY_BYTES,
    maxHashSlotNum: indexSlots,
    maxIndexNum: indexEntries,
    fileReservedTime: retentionHours,
    deleteWhen: '04',
    diskMaxUsedSpaceRatio: DISK_PERCENT_MAX,
    enabledAppendPropCRC: true,
  }
}

/** Why a broker would lose, repeat or misread something. */
async function reasonsAgainst(store: MessageStore): Promise<string[]> {
  const { recovery } = store
  const reasons: string[] = []
  if (!recovery.clean)
    reasons.push('it was not closed cleanly, or is open now: open it once with PocketMQ and close it')
  for (const { physicalOffset, endPhysicalOffset, reason } of recovery.damaged) {
    reasons.push(
      `the log is damaged from ${physicalOffset} to ${endPhysicalOffset} (${reason}): a broker may cut everything behind it`,
    )
  }
  for (const { topics, file, sentence } of KEPT_BESIDE) {
    const isUsed = store.queues().some(({ topic, maxQueueOffset }) => topics.includes(topic) && maxQueueOffset > 0)
    if (isUsed && !(await isThere(store.dir, file))) reasons.push(`${file} is missing: ${sentence}`)
  }
  return reasons
}

/** Topics whose position a broker keeps in a file; without it, it starts from their beginning. */
const KEPT_BESIDE: readonly { topics: readonly string[]; file: string; sentence: string }[] = [
  {
    topics: ['SCHEDULE_TOPIC_XXXX'],
    file: 'config/delayOffset.json',
    sentence: 'a broker would deliver every delayed message again',
  },
  {
    topics: ['rmq_sys_wheel_timer'],
    file: 'config/timercheck',
    sentence: 'a broker would deliver every delayed message again',
  },
  {
    topics: ['RMQ_SYS_TRANS_HALF_TOPIC'],
    file: 'config/consumerOffset.json',
    sentence: 'a broker would ask about every transaction again',
  },
]

async function isThere(dir: string, file: string): Promise<boolean> {
  try {
    return (await stat(join(dir, file))).isFile()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}
