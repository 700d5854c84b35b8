/**
 * What the store remembers of its own, on the device: the page `pocketmq/state` and the lists `pocketmq/tombstones`.
 * Losing both costs a longer recovery and deleted topics that come back; never a message, so damage here is never fatal.
 */
import { join } from 'node:path'
import { isErrorNamed } from '../base/errors.ts'
import type { StateLists } from '../codec/state-lists.ts'
import { decodeStateLists, encodeStateLists } from '../codec/state-lists.ts'
import type { StatePage, StoreState } from '../codec/state-page.ts'
import { decodeStatePage, encodeStateSlot, STATE_PAGE_BYTES, stateSlotPosition } from '../codec/state-page.ts'
import { readWhole, replaceFile } from '../files/atomic-file.ts'
import type { FileSystem, StoreFile } from '../files/file-system.ts'

/** Where the state lies. */
export type StateFileOptions = {
  readonly fileSystem: FileSystem
  /** The store's folder. */
  readonly dir: string
  /** Of new folders; files get the same without x. */
  readonly mode: number
}

/** What {@link StateFile.load} found. */
export type LoadedState = {
  readonly file: StateFile
  /** Undefined where the page is missing or damaged. */
  readonly state: StoreState | undefined
  /** What the lists say, even where the page is lost. */
  readonly lists: StateLists
  /** Sentences about what could not be read. */
  readonly notes: readonly string[]
}

const NO_LISTS: StateLists = { foreignRanges: [], tombstones: [] }

/** The state of one folder; `save` replaces it. */
export class StateFile {
  readonly #options: StateFileOptions
  #file: StoreFile | undefined
  #sequence: number
  #listsSequence: number
  /** The lists as they are on the device. */
  #saved: StateLists

  private constructor(options: StateFileOptions, sequence: number, listsSequence: number, saved: StateLists) {
    this.#options = options
    this.#sequence = sequence
    this.#listsSequence = listsSequence
    this.#saved = saved
  }

  /** Reads the state; changes nothing. @throws UNSUPPORTED_FORMAT where a newer PocketMQ wrote it */
  static async load(options: StateFileOptions): Promise<LoadedState> {
    const { fileSystem, dir } = options
    const notes: string[] = []
    const bytes = await readWhole(fileSystem, join(dir, 'pocketmq/state'))
    const page = bytes === undefined ? undefined : decodeStatePage(bytes)
    if (bytes !== undefined && page === undefined) notes.push('pocketmq/state was damaged and is written anew')
    const found = await loadLists(options, notes)
    // A page names its lists; an older file than it names stands for lists that were lost.
    if (page !== undefined && page.listsSequence > found.sequence) {
      notes.push('pocketmq/tombstones is older than it should be: topics deleted since may come back')
    }
    const { sequence = 0, listsSequence = 0, ...rest } = page ?? {}
    const state = page === undefined ? undefined : ({ ...rest, ...found.lists } as StoreState)
    const file = new StateFile(options, sequence, Math.max(listsSequence, found.sequence), found.lists)
    return { file, state, lists: found.lists, notes }
  }

  /** The state is on the device when it resolves. One call at a time. */
  async save(state: StoreState): Promise<void> {
    const { foreignRanges, tombstones, ...page } = state
    const isListChanged = foreignRanges !== this.#saved.foreignRanges || tombstones !== this.#saved.tombstones
    // The lists first: newer lists beside an older page are right, the other way round would be a loss.
    if (isListChanged) await this.#saveLists({ foreignRanges, tombstones })
    await this.#savePage({ ...page, sequence: this.#sequence + 1, listsSequence: this.#listsSequence })
    this.#sequence++
  }

  /** Idempotent. */
  async close(): Promise<void> {
    await this.#file?.close()
    this.#file = undefined
  }

  async #savePage(page: StatePage): Promise<void> {
    this.#file ??= await this.#open()
    await this.#file.write(encodeStateSlot(page), stateSlotPosition(page.sequence))
    await this.#file.flush()
  }

  async #saveLists(lists: StateLists): Promise<void> {
    const { fileSystem, dir, mode } = this.#options
    const temporaryFolder = join(dir, 'pocketmq')
    await fileSystem.ensureFolder(temporaryFolder, mode)
    const path = join(temporaryFolder, 'tombstones')
    const bytes = encodeStateLists(this.#listsSequence + 1, lists)
    await replaceFile(fileSystem, { path, bytes, temporaryFolder, mode: mode & 0o666 })
    this.#listsSequence++
    this.#saved = lists
  }

  async #open(): Promise<StoreFile> {
    const { fileSystem, dir, mode } = this.#options
    const folder = join(dir, 'pocketmq')
    await fileSystem.ensureFolder(folder, mode)
    const file = await fileSystem.open(join(folder, 'state'), 'create', mode & 0o666)
    try {
      if ((await file.sizeBytes()) !== STATE_PAGE_BYTES) {
        await file.setLength(STATE_PAGE_BYTES)
        await file.flush()
      }
      await fileSystem.flushFolder(folder)
      return file
    } catch (error) {
      await file.close()
      throw error
    }
  }
}

async function loadLists(
  { fileSystem, dir }: StateFileOptions,
  notes: string[],
): Promise<{ lists: StateLists; sequence: number }> {
  const bytes = await readWhole(fileSystem, join(dir, 'pocketmq/tombstones'))
  if (bytes === undefined) return { lists: NO_LISTS, sequence: 0 }
  try {
    const { sequence, ...lists } = decodeStateLists(bytes)
    return { lists, sequence }
  } catch (error) {
    if (!isErrorNamed(error, 'CORRUPT')) throw error
    notes.push('pocketmq/tombstones was damaged: deleted topics may come back')
    return { lists: NO_LISTS, sequence: 0 }
  }
}
