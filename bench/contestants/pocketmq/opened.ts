/** How the measured store is opened, and what it says of that. */
import { isErrorNamed } from '../../../src/base/errors.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import type { StoreOptions } from '../../../src/store/message-store.ts'
import { MessageStore } from '../../../src/store/message-store.ts'
import { messageOf } from '../../support/messages.ts'
import type { Request } from '../../support/protocol.ts'

/** Beyond what a body takes: header, topic, properties, with room to spare. */
export const OVERHEAD_BYTES = 300

export async function openStore(request: Request): Promise<MessageStore> {
  return await MessageStore.open(request.folder, storeOptionsOf(request))
}

/** Defaults, but for what the request sets. */
export function storeOptionsOf({ settings, durability }: Request): StoreOptions {
  return {
    durability,
    io: settings.io === 'mmap' ? 'mmap' : 'file',
    recordCrc: settings.recordCrc !== false,
    ...(settings.retentionGiB === undefined ? {} : { retention: { bytes: Number(settings.retentionGiB) * 2 ** 30 } }),
    logger: silentLogger,
  }
}

/** What counts as appended, when it is flushed, and what differs from the defaults. */
export function configurationOf({ settings, durability }: Request): string {
  const flush = durability === 'disk' ? 'fdatasync before it counts' : 'page cache, flushed in the background'
  const { io = 'file', recordCrc = true, ...others } = settings
  const differs = Object.entries(others).map(([name, value]) => `${name} ${value}`)
  return [`durability ${durability} (${flush})`, `io ${io}`, `record CRC ${recordCrc ? 'on' : 'off'}`, ...differs].join(
    ', ',
  )
}

/** Puts numbered messages, waiting where the store asks for it. */
export class Putting {
  /** Where the last record ends; a field, so that a put makes no object of its own for the benchmark. */
  lastEnd = 0
  recordBytes = 0
  readonly #store: MessageStore
  readonly #size: number
  readonly #queues: number
  readonly #key: string

  constructor(store: MessageStore, { size, settings }: Request) {
    this.#store = store
    this.#size = size
    this.#queues = Number(settings.queues ?? 8)
    // As many bytes, and no key for the index.
    this.#key = settings.keys === false ? 'NOT_A_KY' : 'UNIQ_KEY'
  }

  /** A promise only where it had to wait. */
  put(i: number): void | Promise<void> {
    try {
      const { physicalOffset, sizeBytes } = this.#store.put(messageOf(i, this.#size, this.#queues, this.#key))
      this.lastEnd = physicalOffset + sizeBytes
      this.recordBytes = sizeBytes
    } catch (error) {
      if (!isErrorNamed(error, 'BACKPRESSURE')) throw error
      return this.#store.admitted(this.#size + OVERHEAD_BYTES).then(() => this.put(i))
    }
  }

  /** Puts so many, from number 0 on. */
  async fill(messages: number): Promise<void> {
    for (let i = 0; i < messages; i++) await this.put(i)
  }
}
