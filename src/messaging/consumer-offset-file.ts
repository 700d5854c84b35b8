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

/** Queues that are looked at within one turn of the event loop. */
const LOOK_UPS_A_TURN = 64

/** The file, and what it said when it was last written. */
export class ConsumerOffsetJson {
  readonly #store: MessageStore
  #file: ConsumerOffsetFile
  /** Values in the file, by entry: what has not moved since needs no look at the queue. */
  readonly #written = new Map<GroupOffset, number>()
  readonly loaded: readonly ConsumerOffset[] | undefined
  readonly asWritten: readonly ConsumerOffset[] | undefined

  private constructor(store: MessageStore, file: ConsumerOffsetFile | undefined, copy: ConsumerOffsetFile | undefined) {
    this.#store = store
    this.#file = file ?? { dataVersion: FIRST_DATA_VERSION, offsets: [], rest: {} }
    this.loaded = file?.offsets
    this.asWritten = copy?.offsets
  }

  static async load(store: MessageStore): Promise<ConsumerOffsetJson> {
    const decode = (bytes: Buffer): ConsumerOffsetFile => decodeConsumerOffsets(bytes.toString('utf8'))
    const file = await store.smallFiles.load(FILE, decode)
    return new ConsumerOffsetJson(store, file, await store.smallFiles.load(COPY, decode))
  }

  /** Writes the offsets as far as their messages are on the device. It is on the device when this resolves. */
  async save(entries: Iterable<GroupOffset>): Promise<void> {
    const { flushed } = this.#store.watermarks
    const offsets: ConsumerOffset[] = []
    let lookedUp = 0
    for (const entry of [...entries]) {
      const { group, topic, queueId } = entry
      const committed = entry.durableCommitted
      const before = this.#written.get(entry)
      let queueOffset = committed
      if (committed !== before) {
        lookedUp++
        // Thousands of queues that have moved are no reason to keep everything else waiting.
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
