/** The consuming half around a real store: what its tests stand on, without producers. */

import { asError } from '../../src/base/errors.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { Alarms } from '../../src/messaging/alarms.ts'
import { Clients } from '../../src/messaging/clients.ts'
import { Consumers } from '../../src/messaging/consumers.ts'
import { DeliveryCore } from '../../src/messaging/delivery-core.ts'
import type { EventName } from '../../src/messaging/events.ts'
import { Events } from '../../src/messaging/events.ts'
import { OffsetTable } from '../../src/messaging/offset-table.ts'
import { Topics } from '../../src/messaging/topics.ts'
import type { PutResult, StoreOptions } from '../../src/store/message-store.ts'
import { MessageStore } from '../../src/store/message-store.ts'

/** A message to put. */
export type KitMessage = {
  readonly topic?: string
  readonly queueId?: number
  readonly body?: string
  readonly tag?: string
  readonly group?: string
}

/** A store with consumers on it. */
export class ConsumingKit {
  readonly store: MessageStore
  readonly core: DeliveryCore
  readonly consumers: Consumers
  readonly topics: Topics
  readonly offsets: OffsetTable
  readonly events: Events
  readonly alarms: Alarms
  /** Events in the order they came. */
  readonly said: { readonly name: EventName; readonly detail: unknown }[]
  #count = 0

  private constructor(
    parts: Pick<ConsumingKit, 'store' | 'core' | 'consumers' | 'topics' | 'offsets' | 'events' | 'alarms' | 'said'>,
  ) {
    this.store = parts.store
    this.core = parts.core
    this.consumers = parts.consumers
    this.topics = parts.topics
    this.offsets = parts.offsets
    this.events = parts.events
    this.alarms = parts.alarms
    this.said = parts.said
  }

  /** @param between what consumers have between them and the service */
  static async open(
    dir: string,
    options: StoreOptions = {},
    between: (core: DeliveryCore) => DeliveryCore = core => core,
  ): Promise<ConsumingKit> {
    const store = await MessageStore.open(dir, { logger: silentLogger, ...options })
    const said: { name: EventName; detail: unknown }[] = []
    const events = new Events(store.clock, silentLogger)
    const names: EventName[] = [
      'error',
      'offset-gap',
      'queue-paused',
      'dead-letter',
      'message-blocks',
      'broadcast-dropped',
    ]
    names.push(
      'lease-expired',
      'handler-timeout',
      'handler-failed',
      'consumer-fenced',
      'subscription-mismatch',
      'queue-unassigned',
      'subscription-matches-nothing',
      'store',
    )
    for (const name of names) events.on(name, detail => said.push({ name, detail }))
    const failed = (where: string) => (error: unknown) => events.emit('error', { where, error: asError(error) })
    const alarms = new Alarms(store.clock, 'monotonic', failed('an alarm'))
    const topics = await Topics.open(store, { autoCreate: true, topicQueues: 4, onSaveFailed: failed('topics') })
    const offsets = await OffsetTable.open({ store, alarms, events })
    for await (const message of store.scan(offsets.replayFrom ?? store.watermarks.dispatched)) offsets.replay(message)
    const clients = new Clients()
    const core = await DeliveryCore.open({ store, topics, events, alarms, offsets, clients, brokerName: 'pocketmq' })
    store.onDispatch(request => core.onDispatch(request))
    store.keepFrom(() => core.keepFrom())
    const { clock } = store
    const consumers = new Consumers({
      core: between(core),
      clock,
      alarms,
      events,
      random: Math.random,
      connectionId: 'kit',
    })
    return new ConsumingKit({ store, core, consumers, topics, offsets, events, alarms, said })
  }

  /** Puts one message; its body is its number unless said otherwise. */
  put(message: KitMessage = {}): PutResult {
    const { topic = 'orders', queueId = 0, body = String(this.#count), tag, group } = message
    this.#count++
    this.topics.obtain(topic, queueId + 1)
    return this.store.put({
      topic,
      queueId,
      body: Buffer.from(body),
      properties: {
        UNIQ_KEY: `message-${this.#count}`,
        ...(tag === undefined ? {} : { TAGS: tag }),
        ...(group === undefined ? {} : { __SHARDINGKEY: group }),
      },
    })
  }

  /** Puts so many and waits until consumers can read them. */
  async fill(count: number, each: (i: number) => KitMessage = () => ({})): Promise<void> {
    for (let i = 0; i < count; i++) this.put(each(i))
    await this.store.dispatched(this.store.watermarks.appended)
  }

  /** Details of the events of one name. */
  heard(name: EventName): unknown[] {
    return this.said.filter(one => one.name === name).map(one => one.detail)
  }

  async close(drainMs = 0): Promise<void> {
    await this.consumers.close({ drainMs })
    await this.core.close()
    await this.store.flush()
    await this.topics.saved()
    await this.offsets.close()
    this.alarms.close()
    await this.store.close()
  }
}
