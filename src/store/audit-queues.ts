/**
 * Audits consume-queue files as they lie on disk, whatever is in memory: each record's entry stands in its slot, nothing else
 * stands anywhere, and every file has the length and the name that a broker asks for.
 */
import {
  CONSUME_QUEUE_ENTRY_BYTES,
  EXTENSION_ADDRESS_MAX,
  entryPhysicalOffset,
  entrySizeBytes,
  entryTagsCode,
  isConsumeQueueEntry,
  isPreBlankEntry,
  PRE_BLANK_SIZE_BYTES,
} from '../codec/consume-queue-entry.ts'
import type { FileSystem } from '../files/file-system.ts'
import { parseSegmentName, segmentName } from '../files/segment-names.ts'
import type { Findings } from './findings.ts'
import { OpenFiles } from './open-files.ts'

/** What the audit of the queues is given. */
export type QueueAuditParts = {
  readonly fileSystem: FileSystem
  readonly dir: string
  readonly entriesPerFile: number
  readonly logMinOffset: number
  /** Entries of records before this place are on disk; later ones may be only on their way. */
  readonly writtenTo: number
  /** Where the audited log ends: entries beyond are somebody's who goes on writing. */
  readonly end: number
  /** The folder was closed. If not, a file may be cut off while it was made, or hold what nobody asked for yet. */
  readonly isClean: boolean
  readonly findings: Findings
}

/** An entry that a record of the log asks for. */
export type ExpectedEntry = {
  readonly topic: string
  readonly queueId: number
  readonly slot: number
  readonly physicalOffset: number
  readonly sizeBytes: number
  readonly tagsCode: number
  /** Another writer appended the record: the entry may hold an address into `consumequeue_ext` for a tagsCode. */
  readonly isForeign: boolean
}

type Queue = {
  readonly name: string
  /** First slots of the files there are, ascending. */
  readonly files: number[]
  /** Slots of the records met: [first, next). */
  first: number
  next: number
  /** Entries from `windowStart` on, as they are on disk. */
  window: Buffer | undefined
  windowStart: number
}

/** Entries read at a time for one queue. */
const WINDOW_ENTRIES = 512
/** Windows kept in all: 40 MB. */
const WINDOWS_MAX = 4096
const OPEN_FILES_MAX = 128
const LEFTOVER_ENTRIES = 16_384

/** The consume queues under audit. */
export class QueueAudit {
  readonly #parts: QueueAuditParts
  readonly #files: OpenFiles
  readonly #queues = new Map<string, Queue>()
  /** Queues with a window, least recently filled first. */
  readonly #windows = new Set<Queue>()

  private constructor(parts: QueueAuditParts) {
    this.#parts = parts
    this.#files = new OpenFiles(parts.fileSystem, 0, OPEN_FILES_MAX)
  }

  /** Lists the files and checks names and lengths. */
  static async open(parts: QueueAuditParts): Promise<QueueAudit> {
    const audit = new QueueAudit(parts)
    for (const topic of await parts.fileSystem.list(`${parts.dir}/consumequeue`)) {
      if (!topic.isFolder) continue
      for (const queue of await parts.fileSystem.list(`${parts.dir}/consumequeue/${topic.name}`)) {
        if (queue.isFolder && /^\d{1,10}$/.test(queue.name)) await audit.#list(`${topic.name}/${Number(queue.name)}`)
      }
    }
    return audit
  }

  /** Whether the entry can be checked without reading. */
  isAtHand(entry: ExpectedEntry): boolean {
    const queue = this.#queueOf(entry)
    return !this.#hasFile(queue, entry.slot) || this.#windowHolds(queue, entry.slot)
  }

  /** Reads what `check` needs. */
  async fetch(entry: ExpectedEntry): Promise<void> {
    const queue = this.#queueOf(entry)
    const { entriesPerFile } = this.#parts
    const fileStart = entry.slot - (entry.slot % entriesPerFile)
    const count = Math.min(WINDOW_ENTRIES, fileStart + entriesPerFile - entry.slot)
    queue.window = await this.#read(queue, entry.slot, count)
    queue.windowStart = entry.slot
    this.#windows.delete(queue)
    this.#windows.add(queue)
    if (this.#windows.size <= WINDOWS_MAX) return
    for (const oldest of this.#windows) {
      oldest.window = undefined
      this.#windows.delete(oldest)
      break
    }
  }

  /** Holds the entry on disk against the record's. */
  check(expected: ExpectedEntry): void {
    const { findings, writtenTo } = this.#parts
    const queue = this.#queueOf(expected)
    const { slot, physicalOffset, sizeBytes, tagsCode, isForeign } = expected
    if (!Number.isSafeInteger((slot + this.#parts.entriesPerFile) * CONSUME_QUEUE_ENTRY_BYTES)) {
      findings.add(
        `consumequeue/${queue.name}`,
        undefined,
        `a queueOffset for the record at ${physicalOffset}`,
        `${slot}`,
      )
      return
    }
    if (queue.first < 0) queue.first = slot
    queue.next = Math.max(queue.next, slot + 1)
    const at = (slot - queue.windowStart) * CONSUME_QUEUE_ENTRY_BYTES
    const wanted = entryText(physicalOffset, sizeBytes, tagsCode)
    if (!this.#hasFile(queue, slot)) {
      if (physicalOffset < writtenTo) findings.add(this.#path(queue, slot), this.#position(slot), wanted, 'no file')
      return
    }
    const view = viewOf(queue.window as Buffer)
    const foundTags = entryTagsCode(view, at)
    const isSame =
      entryPhysicalOffset(view, at) === physicalOffset &&
      entrySizeBytes(view, at) === sizeBytes &&
      (foundTags === tagsCode || (isForeign && foundTags <= EXTENSION_ADDRESS_MAX))
    if (isSame) return
    const isMissing = entrySizeBytes(view, at) === 0 && entryPhysicalOffset(view, at) === 0
    if (isMissing && physicalOffset >= writtenTo) return
    const found = isMissing ? 'nothing' : entryText(entryPhysicalOffset(view, at), entrySizeBytes(view, at), foundTags)
    findings.add(this.#path(queue, slot), this.#position(slot), wanted, found)
  }

  /** After the last record: what stands in slots that no record asked for. `pause` is awaited between reads. */
  async finish(pause: () => Promise<void>): Promise<void> {
    for (const queue of this.#queues.values()) {
      const { entriesPerFile } = this.#parts
      for (const start of queue.files) {
        await this.#checkLeftovers(queue, start, start, queue.first < 0 ? start + entriesPerFile : queue.first, pause)
        await this.#checkLeftovers(
          queue,
          start,
          queue.first < 0 ? start + entriesPerFile : queue.next,
          start + entriesPerFile,
          pause,
        )
      }
      const last = queue.files.at(-1)
      if (this.#parts.isClean && last !== undefined && last > 0 && last >= queue.next && queue.first >= 0) {
        this.#parts.findings.add(this.#path(queue, last), undefined, 'a file with an entry', 'an empty last file')
      }
    }
  }

  /** One past the last slot that a record of the log asked for; undefined for a queue that none did. */
  nextOf(topic: string, queueId: number): number | undefined {
    const queue = this.#queues.get(`${topic}/${queueId}`)
    return queue === undefined || queue.first < 0 ? undefined : queue.next
  }

  async close(): Promise<void> {
    await this.#files.close()
  }

  async #list(name: string): Promise<void> {
    const { fileSystem, dir, entriesPerFile, findings } = this.#parts
    const folder = `consumequeue/${name}`
    const fileBytes = entriesPerFile * CONSUME_QUEUE_ENTRY_BYTES
    const files: number[] = []
    for (const entry of await fileSystem.list(`${dir}/${folder}`)) {
      if (entry.isFolder) continue
      const path = `${folder}/${entry.name}`
      const position = parseSegmentName(entry.name)
      if (position === undefined || position % fileBytes !== 0) {
        findings.add(path, undefined, `a name of 20 digits, a multiple of ${fileBytes}`, 'a stray file')
        continue
      }
      files.push(position / CONSUME_QUEUE_ENTRY_BYTES)
      const stat = await fileSystem.stat(`${dir}/${path}`)
      if (stat !== undefined && stat.sizeBytes !== fileBytes && this.#parts.isClean) {
        findings.add(path, Math.min(stat.sizeBytes, fileBytes), `${fileBytes} bytes`, `${stat.sizeBytes} bytes`)
      }
    }
    files.sort((a, b) => a - b)
    this.#queues.set(name, { name, files, first: -1, next: 0, window: undefined, windowStart: 0 })
  }

  async #checkLeftovers(
    queue: Queue,
    fileStart: number,
    from: number,
    to: number,
    pause: () => Promise<void>,
  ): Promise<void> {
    const { entriesPerFile } = this.#parts
    const end = Math.min(to, fileStart + entriesPerFile)
    for (let slot = Math.max(from, fileStart); slot < end; slot += LEFTOVER_ENTRIES) {
      const bytes = await this.#read(queue, slot, Math.min(LEFTOVER_ENTRIES, end - slot))
      await pause()
      if (isZero(bytes)) continue
      const view = viewOf(bytes)
      for (let at = 0; at < bytes.length; at += CONSUME_QUEUE_ENTRY_BYTES) {
        this.#checkLeftover(queue, slot + at / CONSUME_QUEUE_ENTRY_BYTES, view, at)
      }
    }
  }

  #checkLeftover(queue: Queue, slot: number, view: DataView, at: number): void {
    const { findings, logMinOffset, writtenTo } = this.#parts
    const [physicalOffset, sizeBytes, tagsCode] = [
      entryPhysicalOffset(view, at),
      entrySizeBytes(view, at),
      entryTagsCode(view, at),
    ]
    if (physicalOffset === 0 && sizeBytes === 0 && tagsCode === 0) return
    if (isPreBlankEntry(view, at) || sizeBytes === PRE_BLANK_SIZE_BYTES) return
    if (isConsumeQueueEntry(view, at)) {
      // Records that retention took, and records that somebody is appending now, are no matter of this audit.
      const isDead = physicalOffset + sizeBytes <= logMinOffset && (queue.first < 0 || slot < queue.first)
      if (isDead || (physicalOffset >= writtenTo && slot >= queue.next)) return
    }
    const found = entryText(physicalOffset, sizeBytes, tagsCode)
    findings.add(this.#path(queue, slot), this.#position(slot), 'no entry: no record of the log asks for one', found)
  }

  #queueOf({ topic, queueId }: ExpectedEntry): Queue {
    const name = `${topic}/${queueId}`
    const known = this.#queues.get(name)
    if (known !== undefined) return known
    const made: Queue = { name, files: [], first: -1, next: 0, window: undefined, windowStart: 0 }
    this.#queues.set(name, made)
    return made
  }

  #hasFile(queue: Queue, slot: number): boolean {
    return queue.files.includes(slot - (slot % this.#parts.entriesPerFile))
  }

  #windowHolds({ window, windowStart }: Queue, slot: number): boolean {
    return (
      window !== undefined &&
      slot >= windowStart &&
      (slot - windowStart + 1) * CONSUME_QUEUE_ENTRY_BYTES <= window.length
    )
  }

  async #read(queue: Queue, slot: number, count: number): Promise<Buffer> {
    const bytes = Buffer.alloc(count * CONSUME_QUEUE_ENTRY_BYTES)
    const path = `${this.#parts.dir}/${this.#path(queue, slot)}`
    await this.#files.use(path, 'read', file => file.read(bytes, this.#position(slot)))
    return bytes
  }

  #path({ name }: Queue, slot: number): string {
    const start = slot - (slot % this.#parts.entriesPerFile)
    return `consumequeue/${name}/${segmentName(start * CONSUME_QUEUE_ENTRY_BYTES)}`
  }

  #position(slot: number): number {
    return (slot % this.#parts.entriesPerFile) * CONSUME_QUEUE_ENTRY_BYTES
  }
}

function entryText(physicalOffset: number, sizeBytes: number, tagsCode: number): string {
  return `physicalOffset ${physicalOffset}, sizeBytes ${sizeBytes}, tagsCode ${tagsCode}`
}

const ZEROS = Buffer.alloc(LEFTOVER_ENTRIES * CONSUME_QUEUE_ENTRY_BYTES)

function isZero(bytes: Buffer): boolean {
  return ZEROS.compare(bytes, 0, bytes.length, 0, bytes.length) === 0
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}
