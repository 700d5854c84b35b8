/** Opens the folder a command is about. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { PocketMQError } from '../../base/errors.ts'
import { PocketMQ } from '../../messaging/pocket-mq.ts'
import type { Durability, MessageStore as Store, StoreOptions } from '../../store/message-store.ts'
import { MessageStore } from '../../store/message-store.ts'
import { oneOf, wholeNumber } from './arguments.ts'
import type { OptionSpec } from './command.ts'
import type { Output } from './output.ts'

/** Options of every command that opens a folder. */
export type FolderOptions = { readonly io?: 'auto' | 'file' | 'mmap' }

/** Options of every command that becomes the folder's owner. */
export type OwnerOptions = FolderOptions & {
  readonly lockWait?: number
  readonly durability?: Durability
}

export const FOLDER_OPTIONS: readonly OptionSpec[] = [
  ['--io <mode>', 'how files are accessed: auto, file or mmap', oneOf('auto', 'file', 'mmap')],
]

export const OWNER_OPTIONS: readonly OptionSpec[] = [
  ...FOLDER_OPTIONS,
  ['--lock-wait <ms>', 'wait so long for another owner of the folder to go', wholeNumber(0, 3_600_000)],
]

export const DURABILITY_OPTION: OptionSpec = [
  '--durability <level>',
  'what an acknowledgement survives: memory (the process), interval (the process; the device soon after), disk (power cuts)',
  oneOf('memory', 'interval', 'disk'),
]

/** Options for opening: what was given, and warnings to stderr. */
export function openOptions({ io, lockWait, durability }: OwnerOptions, output: Output): StoreOptions {
  return {
    logger: output.logger,
    ...(io === undefined ? {} : { io }),
    ...(lockWait === undefined ? {} : { lockWaitMs: lockWait }),
    ...(durability === undefined ? {} : { durability }),
  }
}

/** A folder that is there, as its owner: a path with a slip in it must not become a new, empty store. @throws STORE_NOT_FOUND */
export async function openExisting(dir: string, options: OwnerOptions, output: Output): Promise<PocketMQ> {
  if (existsSync(join(dir, 'commitlog'))) return await PocketMQ.open(dir, openOptions(options, output))
  throw new PocketMQError('STORE_NOT_FOUND', `there is no store in ${dir}`, {
    hint: 'Check the path; only `produce` and `topic create` make a new store.',
    details: { dir },
  })
}

/** The store of a folder that anybody may own; changes no byte of it. */
export async function readStore(dir: string, options: FolderOptions, output: Output): Promise<Store> {
  return await MessageStore.openReadOnly(dir, openOptions(options, output))
}
