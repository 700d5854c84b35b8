/**
 * RocketMQ's own record of delayed messages: `timerwheel`, `timerlog/`, `config/timercheck`. Read when a broker was the last to
 * run on the folder, written at a clean close, so that a broker goes on with exactly what is pending. FORMAT sections 16 and 27.
 * RocketMQ: TimerMessageStore.recover.
 */
import { createHash } from 'node:crypto'
import { javaHashCode } from '../codec/java-hash.ts'
import { PROPERTY_REAL_TOPIC, PROPERTY_TIMER_DEL_UNIQKEY } from '../codec/properties.ts'
import type { TimerCheck } from '../codec/timer-check.ts'
import { decodeTimerCheck, encodeTimerCheck } from '../codec/timer-check.ts'
import type { TimerLogUnit } from '../codec/timer-log.ts'
import {
  readTimerLogUnit,
  TIMER_LOG_FILE_BYTES,
  TIMER_LOG_FILLER_BYTES,
  TIMER_LOG_UNIT_BYTES,
  TIMER_MARK_DELETE,
  TIMER_MARK_DELIVER,
  TIMER_MARK_ROLL,
  writeTimerLogFiller,
  writeTimerLogUnit,
} from '../codec/timer-log.ts'
import {
  readTimerSlot,
  TIMER_PRECISION_MS,
  TIMER_SLOT_BYTES,
  TIMER_WHEEL_BYTES,
  timerSlotPosition,
  writeTimerSlot,
} from '../codec/timer-wheel.ts'
import type { MessageStore, StoredMessage } from '../store/message-store.ts'
import { timerSlotMs } from './delayed-record.ts'
import { TIMER_TOPIC } from './topics.ts'

/** What a broker left. */
export type BrokerTimers = {
  /** Records in the wheel that are not delivered yet, in log order. */
  readonly messages: readonly StoredMessage[]
  /** From here on the timer queue has not been put into the wheel. */
  readonly nextQueueOffset: number
  readonly timerLogFileBytes: number
}

const CHECK_FILE = 'config/timercheck'
const WHEEL_FILE = 'timerwheel'
const LOG_FOLDER = 'timerlog'
/** RocketMQ: timerRollWindowSlot. Later messages are put into the wheel again when they come up. */
const ROLL_WINDOW_MS = 172_800 * TIMER_PRECISION_MS
/** A broker forgets slots older than a week; what is overdue for longer is put in this far back. */
const OVERDUE_MS_MAX = 5 * 86_400_000

/** SHA-256 of `config/timercheck`; zeros where there is none. */
export async function timerCheckHash(store: MessageStore): Promise<Buffer> {
  const hash = await store.smallFiles.load(CHECK_FILE, bytes => createHash('sha256').update(bytes).digest())
  return hash ?? Buffer.alloc(32)
}

/** What the three files say; undefined where they are not all there. */
export async function readBrokerTimers(store: MessageStore): Promise<BrokerTimers | undefined> {
  const check = await store.smallFiles.load(CHECK_FILE, bytes => decodeTimerCheck(bytes, CHECK_FILE))
  if (check === undefined) return undefined
  const nextQueueOffset = Math.min(check.timerQueueOffset, check.masterQueueOffset)
  const wheel = await store.smallFiles.load(WHEEL_FILE, bytes => bytes)
  const log = await TimerLogFiles.open(store)
  if (wheel === undefined || log === undefined)
    return { messages: [], nextQueueOffset, timerLogFileBytes: TIMER_LOG_FILE_BYTES }
  const units: TimerLogUnit[] = []
  const view = new DataView(wheel.buffer, wheel.byteOffset, wheel.length)
  for (let at = 0; at + TIMER_SLOT_BYTES <= wheel.length; at += TIMER_SLOT_BYTES) {
    const slot = readTimerSlot(view, at)
    if (slot === undefined || slot.seconds * TIMER_PRECISION_MS < check.lastReadTimestamp) continue
    for (let position = slot.lastPosition; position >= 0; ) {
      const unit = await log.unitAt(position)
      if (unit === undefined) break
      units.push(unit)
      position = unit.previousPosition
    }
  }
  return { messages: await recordsOf(store, units), nextQueueOffset, timerLogFileBytes: log.fileBytes }
}

/** The records units point to, without the recalled ones and the recalls. */
async function recordsOf(store: MessageStore, units: readonly TimerLogUnit[]): Promise<StoredMessage[]> {
  const messages: StoredMessage[] = []
  const recalled = new Set<string>()
  for (const unit of [...units].sort((a, b) => a.physicalOffset - b.physicalOffset)) {
    const message = await store.readAt(unit.physicalOffset)
    if (message === undefined || message.topic !== TIMER_TOPIC) continue
    const deletes = message.property(PROPERTY_TIMER_DEL_UNIQKEY)
    if (deletes !== undefined || (unit.marks & TIMER_MARK_DELETE) !== 0) recalled.add(deletes ?? '')
    else messages.push(message)
  }
  return messages.filter(message => !isRecalled(recalled, message))
}

/** Brokers name what they recall by its id, newer ones by topic and id. */
export function isRecalled(recalled: ReadonlySet<string>, message: StoredMessage): boolean {
  const uniqueKey = message.uniqueKey ?? ''
  return recalled.has(uniqueKey) || recalled.has(`${message.property(PROPERTY_REAL_TOPIC) ?? ''}+${uniqueKey}`)
}

/** One message for the wheel. */
export type WheelEntry = {
  readonly dueMs: number
  readonly physicalOffset: number
  readonly sizeBytes: number
  readonly realTopic: string
}

/** What is to be written. */
export type WheelContent = {
  /** In the order of queueOffsets. */
  readonly entries: readonly WheelEntry[]
  /** The timer queue's last record: a broker goes on behind whatever the timer log's last unit points to. */
  readonly last: { readonly physicalOffset: number; readonly sizeBytes: number }
  readonly queueEnd: number
  readonly timerLogFileBytes: number
  readonly nowMs: number
}

/** The three files as bytes. */
export type WheelFiles = {
  readonly check: Buffer
  /** Position in `timerwheel` and the slot's bytes. */
  readonly slots: readonly { readonly position: number; readonly bytes: Buffer }[]
  /** Files of `timerlog/` by their first position. */
  readonly logFiles: readonly { readonly start: number; readonly bytes: Buffer }[]
}

/** Lays out the three files for exactly these messages. */
export function layOutWheel(content: WheelContent): WheelFiles {
  const { entries, last, queueEnd, timerLogFileBytes, nowMs } = content
  const nowSlotMs = Math.floor(nowMs / TIMER_PRECISION_MS) * TIMER_PRECISION_MS
  const log = new TimerLogWriter(timerLogFileBytes)
  const slots = new Map<number, { first: number; last: number; count: number }>()
  let readMs = nowSlotMs
  for (const entry of entries) {
    const { slotMs, marks } = slotOf(entry.dueMs, nowSlotMs)
    const slot = slots.get(slotMs)
    const position = log.append({
      previousPosition: slot?.last ?? -1,
      marks,
      writeTimestamp: nowSlotMs,
      delayMs: slotMs - nowSlotMs,
      physicalOffset: entry.physicalOffset,
      recordBytes: entry.sizeBytes,
      topicHash: javaHashCode(entry.realTopic),
    })
    slots.set(slotMs, { first: slot?.first ?? position, last: position, count: (slot?.count ?? 0) + 1 })
    readMs = Math.min(readMs, slotMs)
  }
  // In a slot that is read already: it only says where the timer queue ends.
  const pastMs = readMs - 2 * TIMER_PRECISION_MS
  const { physicalOffset, sizeBytes } = last
  const end = { previousPosition: -1, marks: TIMER_MARK_DELIVER, writeTimestamp: pastMs, delayMs: 0, topicHash: 0 }
  log.append({ ...end, physicalOffset, recordBytes: sizeBytes })
  const check: TimerCheck = {
    lastReadTimestamp: readMs,
    timerLogFlushed: log.end,
    timerQueueOffset: queueEnd,
    masterQueueOffset: queueEnd,
    stateVersion: 0,
    versionTimestamp: 0,
    versionCounter: 0,
  }
  return {
    check: encodeTimerCheck(check),
    slots: [...slots].map(([ms, slot]) => slotBytes(ms, slot)),
    logFiles: log.files(),
  }
}

/** Where RocketMQ would put a message that is due then. */
function slotOf(dueMs: number, nowSlotMs: number): { slotMs: number; marks: number } {
  const slotMs = Math.max(timerSlotMs(dueMs), nowSlotMs - OVERDUE_MS_MAX)
  const beyondMs = slotMs - nowSlotMs - ROLL_WINDOW_MS
  if (beyondMs < 0) return { slotMs, marks: TIMER_MARK_DELIVER }
  // Enough time is left for the next roll.
  const rollMs = beyondMs < ROLL_WINDOW_MS / 3 ? ROLL_WINDOW_MS / 2 : ROLL_WINDOW_MS
  return { slotMs: nowSlotMs + rollMs, marks: TIMER_MARK_DELIVER | TIMER_MARK_ROLL }
}

function slotBytes(
  ms: number,
  slot: { first: number; last: number; count: number },
): { position: number; bytes: Buffer } {
  const bytes = Buffer.alloc(TIMER_SLOT_BYTES)
  const seconds = ms / TIMER_PRECISION_MS
  writeTimerSlot(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, {
    seconds,
    firstPosition: slot.first,
    lastPosition: slot.last,
    messageCount: slot.count,
  })
  return { position: timerSlotPosition(ms), bytes }
}

/** Writes the three files; without anything in the wheel there is only the check. Answers the check's hash. */
export async function writeBrokerTimers(store: MessageStore, content: WheelContent): Promise<void> {
  const { smallFiles } = store
  const before = new Set(await smallFiles.list(LOG_FOLDER))
  const { check, slots, logFiles } = layOutWheel(content)
  if (content.entries.length === 0) {
    await removeWheel(store, before)
  } else {
    for (const { start, bytes } of logFiles) {
      const name = String(start).padStart(20, '0')
      await smallFiles.saveSparse(`${LOG_FOLDER}/${name}`, content.timerLogFileBytes, [{ position: 0, bytes }])
      before.delete(name)
    }
    await smallFiles.saveSparse(WHEEL_FILE, TIMER_WHEEL_BYTES, slots)
    for (const name of before) await smallFiles.remove(`${LOG_FOLDER}/${name}`)
  }
  await smallFiles.save(CHECK_FILE, check, { keepBackup: false })
}

/** The bytes of `config/timercheck` that {@link writeBrokerTimers} will write, as their hash. */
export function checkHashOf(content: WheelContent): Buffer {
  return createHash('sha256').update(layOutWheel(content).check).digest()
}

async function removeWheel(store: MessageStore, logNames: ReadonlySet<string>): Promise<void> {
  await store.smallFiles.remove(WHEEL_FILE)
  for (const name of logNames) await store.smallFiles.remove(`${LOG_FOLDER}/${name}`)
}

/** Appends units to files of one length; what does not fit is closed by a filler. */
class TimerLogWriter {
  readonly #fileBytes: number
  readonly #files: { start: number; units: TimerLogUnit[] }[] = [{ start: 0, units: [] }]

  constructor(fileBytes: number) {
    this.#fileBytes = fileBytes
  }

  get end(): number {
    const { start, units } = this.#last()
    return start + units.length * TIMER_LOG_UNIT_BYTES
  }

  append(unit: TimerLogUnit): number {
    const { start, units } = this.#last()
    const used = units.length * TIMER_LOG_UNIT_BYTES
    if (used + TIMER_LOG_UNIT_BYTES + TIMER_LOG_FILLER_BYTES > this.#fileBytes) {
      this.#files.push({ start: start + this.#fileBytes, units: [] })
    }
    const position = this.end
    this.#last().units.push(unit)
    return position
  }

  files(): { start: number; bytes: Buffer }[] {
    return this.#files.map(({ start, units }, i) => {
      const used = units.length * TIMER_LOG_UNIT_BYTES
      const isFull = i < this.#files.length - 1
      const bytes = Buffer.alloc(used + (isFull ? TIMER_LOG_FILLER_BYTES : 0))
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
      for (const [k, unit] of units.entries()) writeTimerLogUnit(view, k * TIMER_LOG_UNIT_BYTES, unit)
      if (isFull) writeTimerLogFiller(view, used, this.#fileBytes - used)
      return { start, bytes }
    })
  }

  #last(): { start: number; units: TimerLogUnit[] } {
    return this.#files.at(-1) as { start: number; units: TimerLogUnit[] }
  }
}

/** A broker's timer log, one file in memory at a time. */
class TimerLogFiles {
  readonly #store: MessageStore
  readonly #names: readonly string[]
  readonly fileBytes: number
  #start = -1
  #view: DataView

  private constructor(store: MessageStore, names: readonly string[], first: Buffer) {
    this.#store = store
    this.#names = names
    this.fileBytes = first.length
    this.#start = Number(names[0])
    this.#view = new DataView(first.buffer, first.byteOffset, first.length)
  }

  static async open(store: MessageStore): Promise<TimerLogFiles | undefined> {
    const names = (await store.smallFiles.list(LOG_FOLDER)).filter(name => /^\d{20}$/.test(name)).sort()
    const first =
      names[0] === undefined ? undefined : await store.smallFiles.load(`${LOG_FOLDER}/${names[0]}`, bytes => bytes)
    return first === undefined || first.length === 0 ? undefined : new TimerLogFiles(store, names, first)
  }

  async unitAt(position: number): Promise<TimerLogUnit | undefined> {
    const start = position - (position % this.fileBytes)
    if (start !== this.#start) {
      const name = String(start).padStart(20, '0')
      if (!this.#names.includes(name)) return undefined
      const bytes = await this.#store.smallFiles.load(`${LOG_FOLDER}/${name}`, loaded => loaded)
      if (bytes === undefined) return undefined
      this.#start = start
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    }
    return readTimerLogUnit(this.#view, position - start, position)
  }
}
