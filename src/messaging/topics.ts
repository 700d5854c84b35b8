/**
 * Which topics there are, with how many queues and for which kind of message: `config/topics.json`, as RocketMQ keeps it.
 * A lost or damaged file costs nothing but settings: the queues on disk show which topics there are.   RocketMQ: TopicConfigManager.
 */
import { PocketMQError } from '../base/errors.ts'
import type { DataVersion } from '../codec/data-version.ts'
import { FIRST_DATA_VERSION, nextDataVersion } from '../codec/data-version.ts'
import type { TopicConfig as StoredTopic } from '../codec/topics-json.ts'
import { decodeTopics, encodeTopics, PERM_READ, PERM_WRITE, topicConfig } from '../codec/topics-json.ts'
import type { MessageStore } from '../store/message-store.ts'
import { checkTopicName, checkUserTopic, invalid, isGroupTopic, isSystemTopic } from './limits.ts'
import { checkOptionNames } from './option-names.ts'
import type { GroupQueueChoice } from './queue-choice.ts'
import { QUEUE_CHOICES } from './queue-choice.ts'

/** Kinds of messages a topic takes. RocketMQ: TopicMessageType. */
export const TOPIC_TYPES = ['UNSPECIFIED', 'NORMAL', 'FIFO', 'DELAY', 'TRANSACTION', 'MIXED'] as const

/** One of {@link TOPIC_TYPES}. UNSPECIFIED (a broker's topic without the attribute) and MIXED take every kind. */
export type TopicType = (typeof TOPIC_TYPES)[number]

/** A topic as messaging sees it. */
export type TopicConfig = {
  readonly topic: string
  readonly readQueues: number
  readonly writeQueues: number
  /** Bits: 4 read, 2 write. */
  readonly perm: number
  readonly type: TopicType
  readonly order: boolean
  /** How a message group finds its queue. */
  readonly queueChoice: GroupQueueChoice
  readonly attributes: Readonly<Record<string, string>>
}

/** How a topic is created. */
export type CreateTopicOptions = {
  readonly topic: string
  /** Default: the setting `topicQueues`. */
  readonly queues?: number | undefined
  /** Default MIXED. */
  readonly type?: TopicType | undefined
  readonly perm?: number | undefined
  readonly order?: boolean | undefined
  /**
   * How a message group finds its queue: `javaHash`, the default, as RocketMQ's Java remoting client; `sip24` as its gRPC client for
   * Node. Stored with the topic.
   */
  readonly queueChoice?: GroupQueueChoice | undefined
}

/** What of a topic is changed. */
export type UpdateTopicOptions = CreateTopicOptions & {
  /** Change the number of queues, or `queueChoice`, of a FIFO topic all the same: message groups move to other queues. */
  readonly force?: boolean | undefined
}

export const SCHEDULE_TOPIC = 'SCHEDULE_TOPIC_XXXX'
export const TIMER_TOPIC = 'rmq_sys_wheel_timer'
export const HALF_TOPIC = 'RMQ_SYS_TRANS_HALF_TOPIC'
export const OP_TOPIC = 'RMQ_SYS_TRANS_OP_HALF_TOPIC'
export const GIVE_UP_TOPIC = 'TRANS_CHECK_MAX_TIME_TOPIC'

const TOPIC_OPTIONS = ['topic', 'queues', 'type', 'perm', 'order', 'queueChoice']
const TOPICS_FILE = 'config/topics.json'
const TYPE_ATTRIBUTE = 'message.type'
const QUEUE_TYPE_ATTRIBUTE = 'queue.type'
/** Ours: a broker keeps attributes that it does not know. */
const QUEUE_CHOICE_ATTRIBUTE = 'pmq.queue.choice'
const QUEUES_MAX = 1024
/** RocketMQ's documentation advises no more, though it takes 127. */
const TOPIC_CHARS_ADVISED = 64
/** How long topics that a send created wait for others before the file is written. */
const SAVE_PAUSE_MS = 100

/** Topics of RocketMQ's own that we write to, with their queues. */
const SYSTEM_TOPIC_QUEUES: ReadonlyMap<string, number> = new Map([
  [SCHEDULE_TOPIC, 18],
  [TIMER_TOPIC, 1],
  [HALF_TOPIC, 1],
  [OP_TOPIC, 1],
  [GIVE_UP_TOPIC, 1],
])

type Entry = { readonly stored: StoredTopic; readonly view: TopicConfig; readonly isSystem: boolean }
type TopicsOptions = {
  readonly autoCreate: boolean
  readonly topicQueues: number
  readonly onSaveFailed: (error: unknown) => void
}

/** The topics of one store. */
export class Topics {
  readonly #store: MessageStore
  readonly #options: TopicsOptions
  readonly #entries = new Map<string, Entry>()
  #dataVersion: DataVersion = FIRST_DATA_VERSION
  #rest: Parameters<typeof encodeTopics>[0]['rest'] = {}
  #changes = 0
  #savedChanges = 0
  #saving: Promise<void> | undefined
  /** Cuts the pause before a save short: somebody waits for it. */
  #hurry = new AbortController()

  private constructor(store: MessageStore, options: TopicsOptions) {
    this.#store = store
    this.#options = options
  }

  /** Reads `config/topics.json`, else its `.bak`; adds what only the queues on disk show. */
  static async open(store: MessageStore, options: TopicsOptions): Promise<Topics> {
    const topics = new Topics(store, options)
    const file = await store.smallFiles.load(TOPICS_FILE, bytes => decodeTopics(bytes.toString('utf8'), TOPICS_FILE))
    if (file !== undefined) {
      topics.#dataVersion = file.dataVersion
      topics.#rest = file.rest
      for (const stored of file.topics.values()) topics.#set(stored)
    }
    topics.#addFromQueues()
    return topics
  }

  /** Undefined where there is no such topic. */
  get(topic: string): TopicConfig | undefined {
    return this.#entries.get(topic)?.view
  }

  /** All topics, the system's own included, by name. */
  all(): TopicConfig[] {
    return [...this.#entries.values()].map(entry => entry.view).sort((a, b) => (a.topic < b.topic ? -1 : 1))
  }

  /** The topic, created where the engine itself needs it: system, retry and dead-letter topics, targets of delayed messages. */
  obtain(topic: string, queuesAtLeast = 1): TopicConfig {
    const known = this.get(topic)
    if (known !== undefined) return known
    const queues = Math.max(defaultQueues(topic, this.#options.topicQueues), queuesAtLeast)
    return this.#add(newTopic(topic, queues, isUserTopic(topic) ? 'MIXED' : undefined))
  }

  /** The topic to send to, created where that is allowed. @throws INVALID_ARGUMENT, TOPIC_NOT_FOUND */
  forSend(topic: unknown): TopicConfig {
    const known = this.#entries.get(topic as string)
    if (known !== undefined && !known.isSystem) return known.view
    checkUserTopic(topic)
    if (!this.#options.autoCreate) throw topicNotFound(topic)
    return this.obtain(topic)
  }

  /** In `topics.json`, durably, when it resolves. @throws INVALID_ARGUMENT, TOPIC_EXISTS where it exists with other settings */
  async create(options: CreateTopicOptions): Promise<TopicConfig> {
    checkOptionNames('createTopic', options, TOPIC_OPTIONS)
    checkUserTopic(options.topic)
    const created = changed(newTopic(options.topic, options.queues ?? this.#options.topicQueues, 'MIXED'), options)
    const known = this.#entries.get(options.topic)
    if (known !== undefined) {
      if (isSame(known.view, viewOf(changed(known.stored, options)))) return known.view
      throw new PocketMQError('TOPIC_EXISTS', `topic ${options.topic} exists with other settings`, {
        hint: 'Use updateTopic, or delete it first.',
        details: { topic: options.topic, exists: known.view },
      })
    }
    const view = this.#add(created)
    await this.saved()
    return view
  }

  /** In `topics.json`, durably, when it resolves. @throws INVALID_ARGUMENT, TOPIC_NOT_FOUND */
  async update(options: UpdateTopicOptions): Promise<TopicConfig> {
    checkOptionNames('updateTopic', options, [...TOPIC_OPTIONS, 'force'])
    checkTopicName(options.topic)
    const known = this.#entries.get(options.topic)
    if (known === undefined) throw topicNotFound(options.topic)
    const stored = changed(known.stored, options)
    const { writeQueues, queueChoice } = known.view
    const isMoving = stored.writeQueueNums !== writeQueues || viewOf(stored).queueChoice !== queueChoice
    if (isMoving && known.view.type === 'FIFO' && options.force !== true) {
      const hint = 'Message groups would move to other queues. Consume everything first, then pass force: true.'
      const field = stored.writeQueueNums === writeQueues ? 'queueChoice' : 'queues'
      throw invalid(field, `topic ${options.topic} is FIFO`, hint, writeQueues, stored.writeQueueNums)
    }
    const view = this.#add(stored)
    await this.saved()
    return view
  }

  /** Forgets the topic; its queues are the store's affair. Durable when it resolves. */
  async remove(topic: string): Promise<void> {
    if (this.#entries.delete(topic)) this.#changed()
    await this.saved()
  }

  /** Resolves when everything changed so far is in the file, durably. */
  async saved(): Promise<void> {
    if (this.#store.isReadOnly || this.#savedChanges === this.#changes) return
    this.#hurry.abort()
    try {
      await this.#startSaving()
    } finally {
      this.#hurry = new AbortController()
    }
  }

  /** Whatever the file says, a queue with messages is read: a wrong digit in it must not hide them. */
  #addFromQueues(): void {
    const highest = new Map<string, number>()
    for (const { topic, queueId, maxQueueOffset } of this.#store.queues())
      if (maxQueueOffset > 0) highest.set(topic, Math.max(highest.get(topic) ?? 0, queueId))
    for (const [topic, queueId] of highest) {
      const known = this.#entries.get(topic)
      if (known === undefined) this.obtain(topic, queueId + 1)
      else if (known.view.readQueues <= queueId) this.#set({ ...known.stored, readQueueNums: queueId + 1 })
    }
  }

  #add(stored: StoredTopic): TopicConfig {
    const { topicName: topic } = stored
    if (!this.#entries.has(topic) && isUserTopic(topic) && topic.length > TOPIC_CHARS_ADVISED) {
      this.#store.logger.warn({ topic }, `a topic name of ${topic.length} characters: RocketMQ advises 64 at the most`)
    }
    const view = this.#set(stored)
    this.#changed()
    return view
  }

  #set(stored: StoredTopic): TopicConfig {
    const view = viewOf(stored)
    this.#entries.set(stored.topicName, { stored, view, isSystem: isSystemTopic(stored.topicName) })
    return view
  }

  #changed(): void {
    this.#changes++
    this.#dataVersion = nextDataVersion(this.#dataVersion, this.#store.clock.nowMs())
    if (this.#store.isReadOnly || this.#saving !== undefined) return
    // Whoever asks by `saved` gets the failure too, or has it tried again.
    this.#startSaving().catch(this.#options.onSaveFailed)
  }

  #startSaving(): Promise<void> {
    this.#saving ??= this.#save().finally(() => {
      this.#saving = undefined
    })
    return this.#saving
  }

  async #save(): Promise<void> {
    while (this.#savedChanges < this.#changes) {
      // Topics that are created by sends come in crowds, and what is on disk shows them too: one file for many.
      if (!this.#hurry.signal.aborted) await this.#pause()
      const changes = this.#changes
      const topics = new Map([...this.#entries].map(([name, { stored }]) => [name, stored]))
      const text = encodeTopics({ dataVersion: this.#dataVersion, topics, rest: this.#rest })
      await this.#store.smallFiles.save(TOPICS_FILE, Buffer.from(text))
      this.#savedChanges = changes
    }
  }

  #pause(): Promise<void> {
    const { signal } = this.#hurry
    return this.#store.clock.sleep(SAVE_PAUSE_MS, { signal, background: true }).catch((error: unknown) => {
      if (!signal.aborted) throw error
    })
  }
}

/** TOPIC_NOT_FOUND. */
export function topicNotFound(topic: string): PocketMQError {
  return new PocketMQError('TOPIC_NOT_FOUND', `there is no topic ${topic}`, {
    hint: 'Create it with mq.admin.createTopic, or open with autoCreateTopics.',
    details: { field: 'topic', topic },
  })
}

function isUserTopic(topic: string): boolean {
  return !isSystemTopic(topic) && !isGroupTopic(topic)
}

function defaultQueues(topic: string, topicQueues: number): number {
  if (isUserTopic(topic)) return topicQueues
  return SYSTEM_TOPIC_QUEUES.get(topic) ?? 1
}

function newTopic(topic: string, queues: number, type: TopicType | undefined): StoredTopic {
  return topicConfig(topic, queues, type === undefined ? {} : { [TYPE_ATTRIBUTE]: type })
}

function changed(stored: StoredTopic, options: CreateTopicOptions): StoredTopic {
  const { queues, type, perm, order, queueChoice } = options
  checkChange(options)
  const attributes = {
    ...stored.attributes,
    ...(type === undefined ? {} : { [TYPE_ATTRIBUTE]: type }),
    ...(queueChoice === undefined ? {} : { [QUEUE_CHOICE_ATTRIBUTE]: queueChoice }),
  }
  return {
    ...stored,
    // Queues that are no longer written are still read until they are empty.
    readQueueNums:
      queues === undefined
        ? stored.readQueueNums
        : Math.max(queues, stored.writeQueueNums > queues ? stored.readQueueNums : 0),
    writeQueueNums: queues ?? stored.writeQueueNums,
    perm: perm ?? stored.perm,
    order: order ?? stored.order,
    attributes,
  }
}

/** @throws INVALID_ARGUMENT */
function checkChange({ topic, queues, type, perm, queueChoice }: CreateTopicOptions): void {
  if (queues !== undefined && !(Number.isInteger(queues) && queues >= 1 && queues <= QUEUES_MAX)) {
    throw invalid(
      'queues',
      `topic ${topic} cannot have ${String(queues)} queues`,
      `Use 1 to ${QUEUES_MAX}.`,
      QUEUES_MAX,
      String(queues),
    )
  }
  if (type !== undefined && !TOPIC_TYPES.includes(type)) {
    throw invalid(
      'type',
      `there is no topic type ${String(type)}`,
      `Use one of ${TOPIC_TYPES.join(', ')}.`,
      TOPIC_TYPES,
      String(type),
    )
  }
  if (perm !== undefined && !(Number.isInteger(perm) && perm >= 0 && perm <= (PERM_READ | PERM_WRITE))) {
    throw invalid(
      'perm',
      `perm must be from 0 to 6`,
      'Add 4 for read and 2 for write.',
      PERM_READ | PERM_WRITE,
      String(perm),
    )
  }
  if (queueChoice !== undefined && !QUEUE_CHOICES.includes(queueChoice)) {
    const problem = `there is no queue choice ${String(queueChoice)}`
    throw invalid('queueChoice', problem, `Use one of ${QUEUE_CHOICES.join(', ')}.`, QUEUE_CHOICES, String(queueChoice))
  }
}

function viewOf(stored: StoredTopic): TopicConfig {
  const type = stored.attributes[TYPE_ATTRIBUTE]?.toUpperCase() as TopicType | undefined
  return {
    topic: stored.topicName,
    // What is written to a queue is to be read from it.
    readQueues: Math.max(stored.readQueueNums, stored.writeQueueNums),
    writeQueues: stored.writeQueueNums,
    perm: stored.perm,
    type: type !== undefined && TOPIC_TYPES.includes(type) ? type : 'UNSPECIFIED',
    order: stored.order,
    queueChoice: QUEUE_CHOICES.find(one => one === stored.attributes[QUEUE_CHOICE_ATTRIBUTE]) ?? 'javaHash',
    attributes: stored.attributes,
  }
}

function isSame(a: TopicConfig, b: TopicConfig): boolean {
  const isSameChoice = a.queueChoice === b.queueChoice
  return (
    isSameChoice && a.writeQueues === b.writeQueues && a.type === b.type && a.perm === b.perm && a.order === b.order
  )
}

/** Whether a topic's queues hold batches as one record, which is not written here. FORMAT section 7. */
export function isBatchQueueTopic(topic: TopicConfig): boolean {
  return topic.attributes[QUEUE_TYPE_ATTRIBUTE] === 'BatchCQ'
}
