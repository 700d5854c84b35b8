/** Every command of `pocketmq`, in the order of its help. */
import { backupCommand } from './backup.ts'
import { benchCommand } from './bench.ts'
import { brokerConfCommand } from './broker-conf.ts'
import type { CommandSpec } from './command.ts'
import { consumeCommand } from './consume.ts'
import { demoCommand } from './demo.ts'
import { dumpCommand } from './dump.ts'
import { groupsCommand } from './groups.ts'
import { peekCommand } from './peek.ts'
import { produceCommand } from './produce.ts'
import { progressCommand } from './progress.ts'
import { purgeCommand } from './purge.ts'
import { queryCommand } from './query.ts'
import { redriveCommand } from './redrive.ts'
import { repairCommand } from './repair.ts'
import { resetOffsetCommand } from './reset-offset.ts'
import { statsCommand } from './stats.ts'
import { topicCreateCommand } from './topic-create.ts'
import { topicDeleteCommand } from './topic-delete.ts'
import { topicUpdateCommand } from './topic-update.ts'
import { topicsCommand } from './topics.ts'
import { verifyCommand } from './verify.ts'

/** A command whose options are checked by its own option parsers. */
type AnyCommand = CommandSpec<never>

export const COMMANDS: readonly AnyCommand[] = [
  demoCommand,
  produceCommand,
  consumeCommand,
  dumpCommand,
  topicsCommand,
  groupsCommand,
  progressCommand,
  statsCommand,
  queryCommand,
  peekCommand,
  verifyCommand,
  repairCommand,
  resetOffsetCommand,
  redriveCommand,
  purgeCommand,
  topicCreateCommand,
  topicUpdateCommand,
  topicDeleteCommand,
  backupCommand,
  brokerConfCommand,
  benchCommand,
]
