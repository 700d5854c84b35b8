/**
 * The private offset table on disk: `pocketmq/offsets/<generation>`, appended to at once and without fsync, so that a kill
 * repeats only what was in flight. At 4 MiB, and at every open, all positions go into a new generation; the old file goes
 * when the new one is on the device. Generations that are there together are merged, so no crash between loses anything.
 */
import { asError } from '../base/errors.ts'
import type { OffsetLogContent, OffsetEntry as StoredPosition } from '../codec/offset-entry.ts'
import { decodeOffsetLog, OffsetLogEncoder } from '../codec/offset-entry.ts'
import type { AppendFile, MessageStore } from '../store/message-store.ts'
import type { GroupOffset } from './group-offsets.ts'

const FOLDER = 'pocketmq/offsets'
/** A generation that has grown so much over its beginning is replaced. */
const GROWTH_BYTES_MAX = 4 * 1024 * 1024
const GENERATION_NAME = /^\d{20}$/

/** Where the log gets what it writes. */
export type OffsetLogSource = {
  /** All positions, for a new generation. */
  readonly entries: () => Iterable<GroupOffset>
  /** PMQ_SETTLES below this physicalOffset is in them. */
  readonly settledUpTo: () => number
}

/** What the generations found at open say together. */
export type LoadedOffsetLog = {
  readonly positions: readonly StoredPosition[]
  readonly settledUpTo: number
  readonly generations: readonly string[]
  readonly skippedEntries: number
}

/** Reads all generations; one that is damaged counts as absent. */
export async function loadOffsetLog(store: MessageStore): Promise<LoadedOffsetLog> {
  const names = (await store.smallFiles.list(FOLDER)).filter(name => GENERATION_NAME.test(name)).sort()
  const contents: OffsetLogContent[] = []
  for (const name of names) {
    const path = `${FOLDER}/${name}`
    const content = await store.smallFiles.load(path, bytes => decodeOffsetLog(bytes, path))
    if (content !== undefined) contents.push(content)
  }
  return {
    positions: contents.flatMap(content => content.entries),
    settledUpTo: Math.max(0, ...contents.map(content => content.settledUpTo)),
    generations: names,
    skippedEntries: contents.reduce((sum, content) => sum + content.skippedEntries, 0),
  }
}

/** The log that is written to. */
export class OffsetLog {
  readonly #store: MessageStore
  readonly #source: OffsetLogSource
  readonly #onFailure: (error: Error) => void
  #file: AppendFile
  #encoder: OffsetLogEncoder
  #generation: number
  /** Size right after the generation began. */
  #firstBytes = 0
  #settledWritten = 0
  #rotating: Promise<void> | undefined
  /** Somebody wants a generation of what the source has from now on: one that has been filled already is none. */
  #isReplaceDue = false
  /** Generations before this one: it stands for them once it is on the device. */
  #former: number[] = []
  /** Why an append failed: nothing may follow a torn block in this file, and positions are in memory alone. */
  #tornBy: Error | undefined
  #isClosed = false

  private constructor(
    store: MessageStore,
    source: OffsetLogSource,
    onFailure: (error: Error) => void,
    file: AppendFile,
    generation: number,
  ) {
    this.#store = store
    this.#source = source
    this.#onFailure = onFailure
    this.#file = file
    this.#encoder = new OffsetLogEncoder()
    this.#generation = generation
  }

  /** Begins a new generation with everything the source has. It is on the device when this resolves, and the former ones are gone. */
  static async begin(
    store: MessageStore,
    former: readonly string[],
    source: OffsetLogSource,
    onFailure: (error: Error) => void,
  ): Promise<OffsetLog> {
    const generation = Number(former.at(-1) ?? 0) + 1
    const file = await store.smallFiles.openAppendFile(pathOf(generation))
    const log = new OffsetLog(store, source, onFailure, file, generation)
    log.#writeAll()
    await file.flush()
    for (const name of former) await store.smallFiles.remove(`${FOLDER}/${name}`)
    return log
  }

  /** Appends what became dirty. It is in the page cache when this returns; where the device refuses, the next generation has it. */
  write(dirty: Iterable<GroupOffset>): boolean {
    if (this.#tornBy !== undefined) this.replace()
    if (this.#tornBy !== undefined || this.#isClosed) {
      // Nobody may take them for waiting here: what changes from now on has to be told anew.
      for (const entry of dirty) entry.isDirty = false
      return false
    }
    for (const entry of dirty) this.#encode(entry, entry.unwritten)
    const settledUpTo = this.#source.settledUpTo()
    if (settledUpTo > this.#settledWritten) {
      this.#encoder.settles(settledUpTo)
      this.#settledWritten = settledUpTo
    }
    if (this.#encoder.pendingBytes === 0) return true
    try {
      this.#file.append(this.#encoder.take())
    } catch (error) {
      this.#torn(error)
      this.replace()
      return false
    }
    if (this.#file.sizeBytes - this.#firstBytes > GROWTH_BYTES_MAX) this.replace()
    return true
  }

  /** Begins a new generation soon. */
  replace(): void {
    if (this.#isClosed) return
    this.#isReplaceDue = true
    this.#rotating ??= this.#rotateWhileDue().finally(() => {
      this.#rotating = undefined
    })
  }

  /** What was written is on the device when it resolves. @throws what the device said where it refused some of it */
  async flush(): Promise<void> {
    await this.#rotating
    if (this.#tornBy !== undefined) throw this.#tornBy
    await this.#file.flush()
  }

  /** Whoever calls this has written what was dirty. */
  async close(): Promise<void> {
    try {
      await this.flush()
    } finally {
      this.#isClosed = true
      await this.#file.close()
    }
  }

  async #rotateWhileDue(): Promise<void> {
    while (this.#isReplaceDue) await this.#rotate()
  }

  async #rotate(): Promise<void> {
    const { smallFiles } = this.#store
    const former = this.#file
    try {
      const file = await smallFiles.openAppendFile(pathOf(this.#generation + 1))
      // No await from here until everything is in the new file: what becomes dirty meanwhile follows there.
      this.#former.push(this.#generation)
      this.#file = file
      this.#generation++
      this.#encoder = new OffsetLogEncoder()
      this.#isReplaceDue = false
      try {
        this.#writeAll()
        this.#tornBy = undefined
      } finally {
        await former.close()
      }
      await file.flush()
      for (; this.#former.length > 0; this.#former.shift()) await smallFiles.remove(pathOf(this.#former[0] as number))
    } catch (error) {
      // The next write tries again.
      this.#isReplaceDue = false
      this.#torn(error)
    }
  }

  #torn(thrown: unknown): void {
    this.#tornBy = asError(thrown)
    this.#onFailure(this.#tornBy)
  }

  #writeAll(): void {
    this.#encoder.header()
    for (const entry of this.#source.entries()) {
      this.#encode(entry, entry.durableAbove())
    }
    this.#settledWritten = this.#source.settledUpTo()
    this.#encoder.settles(this.#settledWritten)
    this.#file.append(this.#encoder.take())
    this.#firstBytes = this.#file.sizeBytes
  }

  #encode(entry: GroupOffset, ranges: readonly { readonly start: number; readonly end: number }[]): void {
    const { group, topic, queueId, epoch } = entry
    const queueOffset = entry.durableCommitted
    let isWritten = false
    for (const { start, end } of ranges) {
      if (end <= queueOffset) continue
      this.#encoder.position({ group, topic, queueId, epoch, queueOffset, ackedFrom: start, ackedTo: end })
      isWritten = true
    }
    if (!isWritten) this.#encoder.position({ group, topic, queueId, epoch, queueOffset, ackedFrom: 0, ackedTo: 0 })
    entry.unwritten = []
    entry.isDirty = false
  }
}

function pathOf(generation: number): string {
  return `${FOLDER}/${String(generation).padStart(20, '0')}`
}
