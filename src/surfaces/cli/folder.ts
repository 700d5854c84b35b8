/** Opens the folder a command is about. */
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

/** The store of a folder that anybody may own; changes no byte of it. */
export async function readStore(dir: string, options: FolderOptions, output: Output): Promise<Store> {
  return await MessageStore.openReadOnly(dir, openOptions(options, output))
}
