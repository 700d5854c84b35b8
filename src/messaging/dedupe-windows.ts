/**
 * Keys of messages that were stored lately, per topic: a second message with such a key is not stored again.
 * The log is the truth (property PMQ_DEDUPE); what is here is rebuilt from it at open, for the topics that
 * `pocketmq/dedupe.json` names. That name is on the device before a topic's first key is relied on.
 */
import { isErrorNamed } from '../base/errors.ts'
import { decodeOwnFile, encodeOwnFile } from '../codec/own-file.ts'
import { PROPERTY_REAL_TOPIC, PROPERTY_UNIQ_KEY, propertyValue } from '../codec/properties.ts'
import type { MessageStore, StoredMessage } from '../store/message-store.ts'
import type { AppendResult } from './core-types.ts'
import { PROPERTY_PMQ_DEDUPE } from './limits.ts'
import { SCHEDULE_TOPIC, TIMER_TOPIC } from './topics.ts'

/** The first message with a key, as its sender was told. */
export type FirstSend = Omit<AppendResult, 'topic' | 'offsetMessageId' | 'duplicate'>

/** How much is remembered. */
export type DedupeOptions = { readonly windowMs: number; readonly keysMax: number }

const TOPICS_FILE = 'pocketmq/dedupe'
const READ_MESSAGES = 256

/** The windows of one store. */
export class DedupeWindows {
  readonly #store: MessageStore
  readonly #options: DedupeOptions
  /** Insertion order is storeTimestamp order, so the oldest key is the first. */
  readonly #windows = new Map<string, Map<string, FirstSend>>()
  readonly #topics = new Set<string>()
  readonly #readying = new Map<string, Promise<void>>()

  private constructor(store: MessageStore, options: DedupeOptions) {
    this.#store = store
    this.#options = options
  }

  /** Rebuilds the windows of the topics that ever used keys. */
  static async open(store: MessageStore, options: DedupeOptions): Promise<DedupeWindows> {
    const windows = new DedupeWindows(store, options)
    const names = await store.smallFiles.load(TOPICS_FILE, decodeTopicNames)
    for (const name of names ?? []) windows.#topics.add(name)
    if (windows.#topics.size > 0) await windows.#rebuild()
    return windows
  }

  /** Undefined once the topic's keys survive a crash; else when they do. */
  ready(topic: string): Promise<void> | undefined {
    if (this.#topics.has(topic) || this.#store.isReadOnly) return undefined
    let readying = this.#readying.get(topic)
    if (readying === undefined) {
      readying = this.#register(topic).finally(() => this.#readying.delete(topic))
      this.#readying.set(topic, readying)
    }
    return readying
  }

  /** What the first sender of this key was told, where that is still remembered. */
  first(topic: string, key: string): FirstSend | undefined {
    const window = this.#windows.get(topic)
    if (window === undefined) return undefined
    this.#forgetOld(window)
    return window.get(key)
  }

  /** A message with this key is appended. */
  remember(topic: string, key: string, sent: FirstSend): void {
    let window = this.#windows.get(topic)
    if (window === undefined) {
      window = new Map()
      this.#windows.set(topic, window)
    }
    window.set(key, sent)
    if (window.size > this.#options.keysMax) this.#forgetFirst(window)
  }

  /** The topic is deleted: its keys mean nothing any more. */
  forgetTopic(topic: string): void {
    this.#windows.delete(topic)
  }

  async #register(topic: string): Promise<void> {
    const names = [...this.#topics, topic]
    await this.#store.smallFiles.save(TOPICS_FILE, encodeOwnFile(Buffer.from(JSON.stringify(names))), {
      keepBackup: false,
    })
    this.#topics.add(topic)
  }

  #forgetOld(window: Map<string, FirstSend>): void {
    const oldestMs = this.#store.clock.nowMs() - this.#options.windowMs
    for (const [key, sent] of window) {
      if (sent.storeTimestamp >= oldestMs) return
      window.delete(key)
    }
  }

  #forgetFirst(window: Map<string, FirstSend>): void {
    for (const key of window.keys()) {
      window.delete(key)
      return
    }
  }

  /** Reads what was stored within the window: in the topics themselves, and among the delayed messages bound for them. */
  async #rebuild(): Promise<void> {
    const found: StoredMessage[] = []
    const fromMs = this.#store.clock.nowMs() - this.#options.windowMs
    for (const { topic, queueId } of this.#store.queues()) {
      if (!this.#topics.has(topic) && topic !== SCHEDULE_TOPIC && topic !== TIMER_TOPIC) continue
      await this.#collect(found, topic, queueId, fromMs)
    }
    found.sort((a, b) => a.physicalOffset - b.physicalOffset)
    for (const message of found) this.#rememberStored(message)
  }

  async #collect(found: StoredMessage[], topic: string, queueId: number, fromMs: number): Promise<void> {
    let queueOffset = await this.#store.offsetByTimestamp(topic, queueId, fromMs)
    for (;;) {
      const result = await this.#store.read({ topic, queueId, queueOffset, maxMessages: READ_MESSAGES })
      for (const message of result.messages) {
        if (message.storeTimestamp >= fromMs && message.property(PROPERTY_PMQ_DEDUPE) !== undefined) found.push(message)
      }
      if (result.nextQueueOffset <= queueOffset || result.nextQueueOffset >= result.maxQueueOffset) return
      queueOffset = result.nextQueueOffset
    }
  }

  #rememberStored(message: StoredMessage): void {
    const text = message.propertiesText
    const key = propertyValue(text, PROPERTY_PMQ_DEDUPE) as string
    const isParked = message.topic === SCHEDULE_TOPIC || message.topic === TIMER_TOPIC
    const topic = isParked ? (propertyValue(text, PROPERTY_REAL_TOPIC) ?? '') : message.topic
    // The delivered copy of a delayed message carries the key again; the parked one was first.
    if (!this.#topics.has(topic) || this.#windows.get(topic)?.has(key) === true) return
    this.remember(topic, key, {
      messageId: propertyValue(text, PROPERTY_UNIQ_KEY) ?? '',
      queueId: message.queueId,
      queueOffset: message.queueOffset,
      physicalOffset: message.physicalOffset,
      sizeBytes: message.sizeBytes,
      storeTimestamp: message.storeTimestamp,
    })
  }
}

function decodeTopicNames(bytes: Buffer): string[] {
  try {
    const names: unknown = JSON.parse(decodeOwnFile(bytes, TOPICS_FILE).toString('utf8'))
    return Array.isArray(names) ? names.filter(name => typeof name === 'string') : []
  } catch (error) {
    // Rebuilt as topics use keys again; a newer format is refused.
    if (isErrorNamed(error, 'UNSUPPORTED_FORMAT')) throw error
    return []
  }
}
