/**
 * All consume queues of a folder: `consumequeue/<topic>/<queueId>/`.   RocketMQ: ConsumeQueueStore.
 * Whatever changes files runs one after the other; `put` and reading never wait for it.
 */
import { assert } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import { eachAtATime, LOOKS_AT_A_TIME } from '../base/each-at-a-time.ts'
import { nextTurn } from '../base/turns.ts'
import { CONSUME_QUEUE_ENTRY_BYTES } from '../codec/consume-queue-entry.ts'
import { isUsableTopic } from '../codec/topic-bytes.ts'
import type { FileSystem } from '../files/file-system.ts'
import { parseSegmentName } from '../files/segment-names.ts'
import type { QueueContext } from './consume-queue.ts'
import { ConsumeQueue } from './consume-queue.ts'
import { OpenFiles } from './open-files.ts'
import { QueueFiles } from './queue-files.ts'

/** Where the queues lie and how their files are made. */
export type ConsumeQueuesOptions = {
  readonly fileSystem: FileSystem
  /** The store's folder. */
  readonly dir: string
  /** Entries of one file: what the existing files have, else the setting. */
  readonly entriesPerFile: number
  /** Permissions of new folders; files get the same without x. */
  readonly mode: number
  readonly clock: Clock
  /** What is put stays in memory, and nothing on disk changes. */
  readonly readOnly?: boolean
  /** First byte of the log. Default 0. */
  readonly logMinOffset?: number
  readonly onEvent?: (name: string, details: Readonly<Record<string, unknown>>) => void
}

/** Descriptors kept open. */
const OPEN_FILES_MAX = 256
/** Files flushed at a time: leaves half of Node's thread pool to the log. */
const FLUSHES_AT_A_TIME = 2
/** How long files are written, cut or looked up before the event loop gets its turn. */
const TURN_MS = 2
/** Folders made at a time. */
const FOLDERS_AT_A_TIME = 8
/** Entries a queue should have in memory, on average, before they are worth a write; with few queues 4 MB in all. */
const ENTRIES_A_WRITE = 128
const UNWRITTEN_ENTRIES_LOW = 200_000
/** Entries in memory beyond which nobody puts more before they are written: 40 MB. */
const UNWRITTEN_ENTRIES_HIGH = 2_000_000

/** Longest name of a folder, in bytes. */
const FOLDER_NAME_BYTES_MAX = 255
const QUEUE_ID = /^(0|[1-9]\d{0,9})$/
const QUEUE_ID_MAX = 0x7fffffff

/** The consume queues of a folder. */
export class ConsumeQueues {
  /** Topics with a batch consume queue, which has another form and is not kept here. */
  readonly batchTopics: Set<string> = new Set()
  readonly #fileSystem: FileSystem
  readonly #mode: number
  readonly #clock: Clock
  readonly #context: QueueContext
  readonly #topics = new Map<string, Map<number, ConsumeQueue>>()
  #dirty = new Set<ConsumeQueue>()
  /** Queues that were dirty at the last flush: those still idle at the next one give back their memory. */
  #warm = new Set<ConsumeQueue>()
  #tail: Promise<unknown> = Promise.resolve()
  /** The queue asked for last. */
  #lastTopic = ''
  #lastQueues: Map<number, ConsumeQueue> = new Map()
  /** Topics with folders whose names are not known to be on the device. */
  readonly #unsureTopics = new Set<string>()
  /** `consumequeue` is there, durably. */
  #hasRoot = false

  private constructor(options: ConsumeQueuesOptions) {
    const { fileSystem, mode, entriesPerFile, readOnly = false } = options
    this.#fileSystem = fileSystem
    this.#mode = mode
    this.#clock = options.clock
    this.#context = {
      folder: `${options.dir}/consumequeue`,
      entriesPerFile,
      files: new OpenFiles(fileSystem, mode & 0o666, OPEN_FILES_MAX),
      isReadOnly: readOnly,
      logMinOffset: options.logMinOffset ?? 0,
      unwrittenEntries: 0,
      markDirty: queue => {
        queue.isDirty = true
        this.#dirty.add(queue)
      },
      onEvent: options.onEvent ?? (() => undefined),
    }
  }

  /** Lists the queues and their files. Changes nothing on disk. */
  static async open(options: ConsumeQueuesOptions): Promise<ConsumeQueues> {
    const queues = new ConsumeQueues(options)
    await queues.#list()
    for (const entry of await options.fileSystem.list(`${options.dir}/batchconsumequeue`)) {
      if (entry.isFolder && isFolderName(entry.name)) queues.batchTopics.add(entry.name)
    }
    return queues
  }

  /** Whether there can be a queue of this name: it is a folder that stays inside `consumequeue`. */
  static canHold(topic: string, queueId: number): boolean {
    return isFolderName(topic) && Number.isInteger(queueId) && queueId >= 0 && queueId <= QUEUE_ID_MAX
  }

  /** The queue, or undefined where nothing was ever put into it. */
  queue(topic: string, queueId: number): ConsumeQueue | undefined {
    if (topic === this.#lastTopic) return this.#lastQueues.get(queueId)
    const queues = this.#topics.get(topic)
    if (queues === undefined) return undefined
    this.#lastTopic = topic
    this.#lastQueues = queues
    return queues.get(queueId)
  }

  /** The queue, made where it is new; its files are made when entries are written to them. */
  obtain(topic: string, queueId: number): ConsumeQueue {
    return this.queue(topic, queueId) ?? this.#add(topic, queueId, [], false)
  }

  /** Every queue, in no particular order. */
  *all(): Generator<ConsumeQueue> {
    for (const queues of this.#topics.values()) yield* queues.values()
  }

  /** Queues of one topic. */
  ofTopic(topic: string): ConsumeQueue[] {
    return [...(this.#topics.get(topic)?.values() ?? [])]
  }

  /** Files of all queues, as they were listed and as they were made since. */
  get fileCount(): number {
    let count = 0
    for (const queue of this.all()) count += queue.files.count
    return count
  }

  get entriesPerFile(): number {
    return this.#context.entriesPerFile
  }

  /** Bytes of entries that are only in memory. */
  get unwrittenBytes(): number {
    return this.#context.unwrittenEntries * CONSUME_QUEUE_ENTRY_BYTES
  }

  /** So many entries wait in memory that writing them is worth while. */
  get wantsWriting(): boolean {
    const wanted = Math.max(
      UNWRITTEN_ENTRIES_LOW,
      Math.min(this.#dirty.size * ENTRIES_A_WRITE, UNWRITTEN_ENTRIES_HIGH / 2),
    )
    return this.#context.unwrittenEntries >= wanted && !this.#context.isReadOnly
  }

  /** So many entries wait in memory that whoever puts more should let `writeOut` run first. */
  get isFull(): boolean {
    return this.#context.unwrittenEntries >= UNWRITTEN_ENTRIES_HIGH && !this.#context.isReadOnly
  }

  /** Looks up the end of every queue, and finds what a broker left behind; `queue.maxQueueOffset` does it for one. */
  async lookUpAll(): Promise<void> {
    let startedMs = this.#clock.monotonicMs()
    for (const queue of this.all()) {
      queue.lookUp()
      if (this.#clock.monotonicMs() - startedMs < TURN_MS) continue
      await nextTurn()
      startedMs = this.#clock.monotonicMs()
    }
  }

  /** Every entry put before the call is in the page cache when it resolves. */
  writeOut(): Promise<void> {
    return this.#exclusively(() => this.#writeOut([...this.#dirty]))
  }

  /** Every entry put before the call is on the device when it resolves, with its file's name. */
  flush(): Promise<void> {
    return this.#exclusively(async () => {
      const dirty = [...this.#dirty]
      await this.#writeOut(dirty)
      for (const queue of dirty) {
        if (queue.unwrittenEntries > 0) continue
        this.#dirty.delete(queue)
        queue.isDirty = false
      }
      await eachAtATime(FLUSHES_AT_A_TIME, dirty, queue => this.#flushQueue(queue))
      await this.#flushTopics()
      const warm = new Set(dirty)
      for (const queue of this.#warm) if (!queue.isDirty && !warm.has(queue)) queue.releaseMemory()
      this.#warm = warm
    })
  }

  /**
   * Removes every entry of a record at or beyond `physicalOffset`; durable after the next `flush`, which also makes durable
   * whatever names a process that was killed left unflushed. Answers how many entries went.
   */
  cutAt(physicalOffset: number): Promise<number> {
    return this.#exclusively(async () => {
      // Whoever made the folders may have been killed before he flushed those above.
      if (!this.#context.isReadOnly) {
        for (const topic of this.#topics.keys()) this.#unsureTopics.add(topic)
        if (this.#topics.size > 0) await this.#fileSystem.ensureFolder(this.#context.folder, this.#mode)
      }
      let removed = 0
      for (const queue of this.all()) removed += await queue.cutAt(physicalOffset, this.#removeFile)
      return removed
    })
  }

  /** The log begins at `logMinOffset` now; each queue's `minQueueOffset` follows when it is asked for. */
  correctMin(logMinOffset: number): void {
    this.#context.logMinOffset = logMinOffset
  }

  /** Removes files whose entries all point below the log's begin. RocketMQ: CleanConsumeQueueService. */
  removeFilesBelow(logMinOffset: number): Promise<void> {
    this.correctMin(logMinOffset)
    return this.#exclusively(async () => {
      for (const queue of this.all()) {
        if ((await queue.removeDeadFiles(this.#removeFile)) > 0) await this.#flushNames(queue)
      }
    })
  }

  /** Removes the queues of a topic with their files, durably. What is put under that name afterwards is a new queue. */
  drop(topic: string): Promise<void> {
    const queues = this.ofTopic(topic)
    this.#topics.delete(topic)
    this.#unsureTopics.delete(topic)
    this.#lastTopic = ''
    this.#lastQueues = new Map()
    for (const queue of queues) {
      this.#dirty.delete(queue)
      this.#warm.delete(queue)
    }
    return this.#exclusively(() => this.#removeFolders(topic, queues))
  }

  /** Closes files. What was not flushed stays unwritten: recovery would write it again. */
  async close(): Promise<void> {
    await this.#tail
    await this.#context.files.close()
  }

  // ---- inside ----------------------------------------------------------------------------------------------------------

  async #list(): Promise<void> {
    const { folder } = this.#context
    const topics = await this.#fileSystem.list(folder)
    const names = topics.flatMap(entry => (entry.isFolder && isFolderName(entry.name) ? entry.name : []))
    const queues: { readonly topic: string; readonly queueId: number }[] = []
    await eachAtATime(LOOKS_AT_A_TIME, names, async topic => {
      for (const entry of await this.#fileSystem.list(`${folder}/${topic}`)) {
        if (!entry.isFolder || !QUEUE_ID.test(entry.name) || Number(entry.name) > QUEUE_ID_MAX) continue
        queues.push({ topic, queueId: Number(entry.name) })
      }
    })
    await eachAtATime(LOOKS_AT_A_TIME, queues, async ({ topic, queueId }) => {
      this.#add(topic, queueId, await this.#listFiles(`${folder}/${topic}/${queueId}`), true)
    })
  }

  async #listFiles(folder: string): Promise<number[]> {
    const starts: number[] = []
    for (const entry of await this.#fileSystem.list(folder)) {
      const position = entry.isFolder ? undefined : parseSegmentName(entry.name)
      const start = position === undefined ? undefined : position / CONSUME_QUEUE_ENTRY_BYTES
      if (start !== undefined && start % this.#context.entriesPerFile === 0) starts.push(start)
      else if (!entry.isFolder) this.#context.onEvent('stray-file', { path: `${folder}/${entry.name}` })
    }
    return starts.sort((a, b) => a - b)
  }

  #add(topic: string, queueId: number, files: readonly number[], hasFolder: boolean): ConsumeQueue {
    assert(ConsumeQueues.canHold(topic, queueId), 'a queue is made for a legal topic')
    let queues = this.#topics.get(topic)
    if (queues === undefined) {
      queues = new Map()
      this.#topics.set(topic, queues)
    }
    const queue = new ConsumeQueue(this.#context, new QueueFiles(this.#context, topic, queueId, files, hasFolder))
    queues.set(queueId, queue)
    return queue
  }

  async #writeOut(queues: readonly ConsumeQueue[]): Promise<void> {
    if (this.#context.isReadOnly) return
    await this.#makeFolders(queues.filter(queue => !queue.files.hasFolder && queue.unwrittenEntries > 0))
    let startedMs = this.#clock.monotonicMs()
    for (const queue of queues) {
      // One that came to have entries while folders were made waits for the next call.
      if (queue.unwrittenEntries === 0 || !queue.files.hasFolder) continue
      queue.writeOut()
      if (this.#clock.monotonicMs() - startedMs < TURN_MS) continue
      await nextTurn()
      startedMs = this.#clock.monotonicMs()
    }
  }

  /** Makes folders without waiting for the device once for each: `flush` makes their names durable together. */
  async #makeFolders(queues: readonly ConsumeQueue[]): Promise<void> {
    if (queues.length === 0) return
    const { folder } = this.#context
    if (!this.#hasRoot) await this.#fileSystem.ensureFolder(folder, this.#mode)
    this.#hasRoot = true
    const topics = new Set(queues.map(queue => queue.topic))
    for (const topic of topics) this.#unsureTopics.add(topic)
    await eachAtATime(FOLDERS_AT_A_TIME, [...topics], async topic => {
      await this.#fileSystem.makeFolder(`${folder}/${topic}`, this.#mode)
    })
    await eachAtATime(FOLDERS_AT_A_TIME, queues, async queue => {
      await this.#fileSystem.makeFolder(queue.files.folder, this.#mode)
      queue.files.hasFolder = true
    })
  }

  async #flushQueue(queue: ConsumeQueue): Promise<void> {
    if (this.#context.isReadOnly) return
    await queue.files.flush(this.#removeFile)
    await this.#flushNames(queue)
  }

  async #flushNames({ files }: ConsumeQueue): Promise<void> {
    await files.names.flush(this.#fileSystem, files.folder)
  }

  /** Makes the names of queues and topics durable. */
  async #flushTopics(): Promise<void> {
    if (this.#unsureTopics.size === 0) return
    const { folder } = this.#context
    const topics = [...this.#unsureTopics].filter(topic => this.ofTopic(topic).some(queue => queue.files.hasFolder))
    await eachAtATime(FLUSHES_AT_A_TIME, topics, topic => this.#fileSystem.flushFolder(`${folder}/${topic}`))
    if (topics.length > 0) await this.#fileSystem.flushFolder(folder)
    for (const topic of topics) this.#unsureTopics.delete(topic)
  }

  readonly #removeFile = async (path: string): Promise<void> => {
    await this.#context.files.forget(path)
    await this.#fileSystem.remove(path)
  }

  async #removeFolders(topic: string, queues: readonly ConsumeQueue[]): Promise<void> {
    let hadFolder = false
    for (const queue of queues) {
      const paths = queue.files.paths()
      queue.discard()
      if (!queue.files.hasFolder || this.#context.isReadOnly) continue
      hadFolder = true
      for (const path of paths) await this.#removeFile(path)
      await this.#removeFolder(queue.files.folder)
    }
    if (!hadFolder) return
    await this.#removeFolder(`${this.#context.folder}/${topic}`)
    await this.#fileSystem.flushFolder(this.#context.folder)
  }

  /** A folder that holds something which is not ours stays. */
  async #removeFolder(path: string): Promise<void> {
    if ((await this.#fileSystem.list(path)).length === 0) await this.#fileSystem.removeFolder(path)
    else await this.#fileSystem.flushFolder(path)
  }

  /** One change of files at a time, in the order asked for; a failure is its caller's and does not stop the next. */
  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(work, work)
    this.#tail = result.catch(() => undefined)
    return result
  }
}

function isFolderName(topic: string): boolean {
  return isUsableTopic(topic) && Buffer.byteLength(topic) <= FOLDER_NAME_BYTES_MAX
}
