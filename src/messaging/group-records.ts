/**
 * What each group has agreed on: its subscription, durable and versioned, in `pocketmq/groups.json`; and what a broker has
 * to know of it, in `config/subscriptionGroup.json`.   RocketMQ: SubscriptionGroupManager; the record itself is ours.
 */
import type { DataVersion } from '../codec/data-version.ts'
import { FIRST_DATA_VERSION, nextDataVersion } from '../codec/data-version.ts'
import type { GroupRecord } from '../codec/groups-json.ts'
import { decodeGroups, encodeGroups } from '../codec/groups-json.ts'
import type { SubscriptionGroupFile } from '../codec/subscription-group-json.ts'
import {
  decodeSubscriptionGroups,
  encodeSubscriptionGroups,
  subscriptionGroupConfig,
} from '../codec/subscription-group-json.ts'
import type { MessageStore } from '../store/message-store.ts'

const GROUPS_FILE = 'pocketmq/groups.json'
const BROKER_FILE = 'config/subscriptionGroup.json'
const ABSENT_SINCE = 'lastSeenMs'
const INSTANCES = 'instances'
const MINUTE_MS = 60_000

/** What a broker has to know of a group. */
export type BrokerGroup = {
  readonly group: string
  readonly isOrdered: boolean
  readonly maxReconsumeTimes: number
  readonly consumeTimeoutMs: number
}

/** The records of all groups. */
export class GroupRecords {
  readonly #store: MessageStore
  #records: Map<string, GroupRecord>
  #broker: SubscriptionGroupFile
  #saving: Promise<void> | undefined
  #isSaveDue = false

  private constructor(
    store: MessageStore,
    records: Map<string, GroupRecord>,
    broker: SubscriptionGroupFile | undefined,
  ) {
    this.#store = store
    this.#records = records
    const dataVersion: DataVersion = FIRST_DATA_VERSION
    this.#broker = broker ?? { dataVersion, groups: new Map(), rest: {} }
  }

  static async load(store: MessageStore): Promise<GroupRecords> {
    const { smallFiles } = store
    const records = await smallFiles.load(GROUPS_FILE, bytes => decodeGroups(bytes.toString('utf8')))
    const broker = await smallFiles.load(BROKER_FILE, bytes => decodeSubscriptionGroups(bytes.toString('utf8')))
    return new GroupRecords(store, records ?? new Map(), broker)
  }

  get(group: string): GroupRecord | undefined {
    return this.#records.get(group)
  }

  /** Every group with a record, and those a broker knows, by name. */
  names(): string[] {
    return [...new Set([...this.#records.keys(), ...this.#broker.groups.keys()])].sort()
  }

  /** Puts a record. On the device when it resolves; where the device refuses it, the former one holds. */
  async put(record: GroupRecord, forBroker: BrokerGroup): Promise<void> {
    const { group } = record
    const former = this.#records.get(group)
    this.#records.set(group, record)
    this.#putForBroker(forBroker)
    try {
      await this.save()
    } catch (error) {
      if (former === undefined) this.#records.delete(group)
      else this.#records.set(group, former)
      throw error
    }
  }

  /** What a broker has to know of a group, where it has changed. On the device when it resolves. */
  async tellBroker(group: BrokerGroup): Promise<void> {
    if (this.#putForBroker(group)) await this.save()
  }

  async remove(group: string): Promise<void> {
    this.#records.delete(group)
    const groups = new Map(this.#broker.groups)
    groups.delete(group)
    this.#broker = { ...this.#broker, groups }
    await this.save()
  }

  /** When a group had a live member last; undefined where it never had one. */
  lastSeenMs(group: string): number | undefined {
    const value = this.get(group)?.rest[ABSENT_SINCE]
    return typeof value === 'number' ? value : undefined
  }

  /** Notes that a group, or one named instance of a broadcasting one, is here now. Written with the next save. */
  seen(group: string, instanceName?: string): void {
    const record = this.get(group)
    if (record === undefined) return
    const nowMs = this.#store.clock.nowMs()
    const rest = { ...record.rest, [ABSENT_SINCE]: nowMs }
    const instances =
      instanceName === undefined ? {} : { [INSTANCES]: { ...this.#instances(record), [instanceName]: nowMs } }
    this.#records.set(group, { ...record, rest: { ...rest, ...instances } })
  }

  /** Whether a named instance of a broadcasting group is known, and was here at or after a time. */
  hasInstance(group: string, instanceName: string, sinceMs = 0): boolean {
    const record = this.get(group)
    const seenMs = record === undefined ? undefined : this.#instances(record)[instanceName]
    return seenMs !== undefined && seenMs >= sinceMs
  }

  /** Forgets an instance. */
  removeInstance(group: string, instanceName: string): void {
    const record = this.get(group)
    if (record === undefined) return
    const { [instanceName]: _gone, ...instances } = this.#instances(record)
    this.#records.set(group, { ...record, rest: { ...record.rest, [INSTANCES]: instances } })
  }

  /** On the device when it resolves. Saves that are asked for together are one. */
  async save(): Promise<void> {
    this.#isSaveDue = true
    while (this.#isSaveDue || this.#saving !== undefined) {
      if (this.#saving === undefined) {
        this.#isSaveDue = false
        this.#saving = this.#write().finally(() => {
          this.#saving = undefined
        })
      }
      await this.#saving
    }
  }

  async #write(): Promise<void> {
    const { smallFiles } = this.#store
    await smallFiles.save(GROUPS_FILE, Buffer.from(encodeGroups(this.#records.values())))
    await smallFiles.save(BROKER_FILE, Buffer.from(encodeSubscriptionGroups(this.#broker)))
  }

  /** Answers whether that is news. */
  #putForBroker({ group, isOrdered, maxReconsumeTimes, consumeTimeoutMs }: BrokerGroup): boolean {
    const known = this.#broker.groups.get(group)
    const consumeTimeoutMinute = Math.max(1, Math.ceil(consumeTimeoutMs / MINUTE_MS))
    const isSame =
      known?.consumeMessageOrderly === isOrdered &&
      known.retryMaxTimes === maxReconsumeTimes &&
      known.consumeTimeoutMinute === consumeTimeoutMinute
    if (isSame) return false
    const config = {
      ...(known ?? subscriptionGroupConfig(group)),
      consumeMessageOrderly: isOrdered,
      retryMaxTimes: maxReconsumeTimes,
      consumeTimeoutMinute,
    }
    const dataVersion = nextDataVersion(this.#broker.dataVersion, this.#store.clock.nowMs())
    this.#broker = { ...this.#broker, dataVersion, groups: new Map(this.#broker.groups).set(group, config) }
    return true
  }

  #instances(record: GroupRecord): Readonly<Record<string, number>> {
    const instances = record.rest[INSTANCES]
    if (instances === null || typeof instances !== 'object' || Array.isArray(instances)) return {}
    return Object.fromEntries(Object.entries(instances).filter(([, value]) => typeof value === 'number')) as Record<
      string,
      number
    >
  }
}
