/**
 * `config/consumerOffset.json`, RocketMQ's own offset file, written from our table: only what is on the device, because a
 * broker does not cut offsets that point past a queue's end (ARCHITECTURE decision 7). A copy of what we wrote last stays
 * under `pocketmq/`, so that what a broker changed can be told from what it left.
 */
import { nextTurn } from '../base/turns.ts'
import type { ConsumerOffset, ConsumerOffsetFile } from '../codec/consumer-offset-json.ts'
import { decodeConsumerOffsets, encodeConsumerOffsets } from '../codec/consumer-offset-json.ts'
import { FIRST_DATA_VERSION, nextDataVersion } from '../codec/data-version.ts'
import type { MessageStore } from '../store/message-store.ts'
import type { GroupOffset } from './group-offsets.ts'

const FILE = 'config/consumerOffset.json'
const COPY = 'pocketmq/offsets/consumerOffset.json'

type LoadedFile = { readonly file: ConsumerOffsetFile; readonly isBackup: boolean }

/** Queues whose place in the log is looked up within one turn of the event loop, and queues in all. */
const LOOK_UPS_A_TURN = 64
const ENTRIES_A_TURN = 512

/** The file, and what it said when it was last written. */
export class ConsumerOffsetJson {
  readonly #store: MessageStore
  #file: ConsumerOffsetFile
  /** Values in the file, by entry: what has not moved since needs no look at the queue. */
  readonly #written = new Map<GroupOffset, number>()
  readonly loaded: readonly ConsumerOffset[] | undefined
  /** The file could not be read: `loaded` is the version before. */
  readonly isBackup: boolean
  readonly asWritten: readonly ConsumerOffset[] | undefined

  private constructor(store: MessageStore, loaded: LoadedFile | undefined, copy: ConsumerOffsetFile | undefined) {
    const { file, isBackup = false } = loaded ?? {}
    this.#store = store
    this.isBackup = isBackup
    this.#file = file ?? { dataVersion: FIRST_DATA_VERSION, offsets: [], rest: {} }
    this.loaded = file?.offsets
    this.asWritten = copy?.offsets
  }

  static async load(store: MessageStore): Promise<ConsumerOffsetJson> {
    const decode = (bytes: Buffer): ConsumerOffsetFile => decodeConsumerOffsets(bytes.toString('utf8'))
    const loaded = await store.smallFiles.load(FILE, (bytes, isBackup) => ({ file: decode(bytes), isBackup }))
    return new ConsumerOffsetJson(store, loaded, await store.smallFiles.load(COPY, decode))
  }

  /** Writes the offsets as far as their messages are on the device. It is on the device when this resolves. */
  async save(entries: Iterable<GroupOffset>): Promise<void> {
    const { flushed } = this.#store.watermarks
    const offsets: ConsumerOffset[] = []
    let lookedUp = 0
    for (const [i, entry] of [...entries].entries()) {
      // Thousands of queues are no reason to keep everything else waiting.
      if (i % ENTRIES_A_TURN === ENTRIES_A_TURN - 1) await nextTurn()
      const { group, topic, queueId } = entry
      const committed = entry.durableCommitted
      const before = this.#written.get(entry)
      let queueOffset = committed
      if (committed !== before) {
        lookedUp++
        if (lookedUp % LOOK_UPS_A_TURN === 0) await nextTurn()
        const durable = await this.#store.queueOffsetUpTo(topic, queueId, flushed)
        queueOffset = Math.min(committed, Math.max(durable, Math.min(before ?? 0, committed)))
        this.#written.set(entry, queueOffset)
      }
      offsets.push({ group, topic, queueId, queueOffset })
    }
    const dataVersion = nextDataVersion(this.#file.dataVersion, this.#store.clock.nowMs())
    this.#file = { dataVersion, offsets, rest: this.#file.rest }
    const bytes = Buffer.from(encodeConsumerOffsets(this.#file))
    // The copy first: a crash between leaves an older file than the copy, which costs repeats and skips nothing.
    await this.#store.smallFiles.save(COPY, bytes)
    await this.#store.saveConsumerOffsets(bytes)
  }
}
