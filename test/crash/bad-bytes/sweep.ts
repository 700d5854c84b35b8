/** Tries damaged copies of a golden folder: opening one never crashes or shows a wrong message, and verify names the damage. */
import { PocketMQError } from '../../../src/base/errors.ts'
import { PHYSICAL_OFFSET_OFFSET } from '../../../src/codec/record-layout.ts'
import { STATE_SLOT_BYTES } from '../../../src/codec/state-page.ts'
import type { Finding } from '../../../src/store/findings.ts'
import { MessageStore } from '../../../src/store/message-store.ts'
import type { SimulatedDisk } from '../../../src/testing/testing.ts'
import type { Case, Damage, Flip } from './cases.ts'
import { casesOf, caseText, damageIn, eachAlone } from './cases.ts'
import { deliveriesOf, skippedIn } from './deliveries.ts'
import type { Golden } from './facts.ts'
import { openReader, readQueue } from './facts.ts'
import { DIR, ownerOptionsOn } from './full-store.ts'

/** What a sweep did. */
export type Tally = {
  /** How many flipped bits and lengths were tried, by kind. */
  readonly counts: Map<string, number>
  /** In so many damaged folders. */
  folders: number
  /** Folders with several damages that were not as they should be, though each damage by itself was survived. */
  together: number
  /** Live bytes that no checksum covers and whose damage went unnamed, by file; of a broker's folder alone. */
  readonly uncovered: Map<string, number>
  readonly complaints: string[]
}

export type SweepOptions = {
  /** Of all cases, those whose number is `offset` modulo `stride`. */
  readonly stride: number
  readonly offset: number
  readonly isEachAlone?: boolean
  /** Told now and then how many cases of all were passed. */
  readonly onProgress?: (passed: number, next: string) => void
}

/** So many damaged copies are opened for writing: one in so many. */
const WRITERS = 16
const COMPLAINTS_MAX = 50
/** Files that say how far somebody is. */
const OWES = /^(?:config|pocketmq|checkpoint)/
/** The rest of a slot of `pocketmq/state` is reserved. */
const STATE_USED_BYTES = 260
/** Files that hold what nobody reads back but a broker. */
const BROKERS_OWN = /^(?:timerwheel|timerlog\/|config\/timermetrics|config\/transactionMetrics)/

/** Runs the chosen cases. */
export async function sweep(golden: Golden, options: SweepOptions): Promise<Tally> {
  const run = new Sweep(golden)
  let number = 0
  for (const one of casesOf(golden, options.isEachAlone ?? false)) {
    if (number++ % options.stride !== options.offset) continue
    if (run.count % 20 === 0) options.onProgress?.(number, caseText(one))
    await run.try(one)
    if (run.tally.complaints.length >= COMPLAINTS_MAX) break
  }
  return run.tally
}

class Sweep {
  readonly #golden: Golden
  readonly tally: Tally = { counts: new Map(), folders: 0, together: 0, uncovered: new Map(), complaints: [] }
  /** Which message lies at a place of the log: `topic/queueId/queueOffset`. */
  readonly #names = new Map<number, string>()
  #owed: Map<string, number> | undefined
  count = 0

  constructor(golden: Golden) {
    this.#golden = golden
    for (const [queue, records] of golden.messages) {
      const first = golden.firstSlots.get(queue) ?? 0
      for (const [i, record] of records.entries())
        this.#names.set(Number(record.readBigInt64BE(PHYSICAL_OFFSET_OFFSET)), `${queue}/${first + i}`)
    }
  }

  /** Where several damages at once are too much, each is tried by itself: that is what has to be survived. */
  async try(one: Case): Promise<void> {
    this.count++
    this.tally.counts.set(one.kind, (this.tally.counts.get(one.kind) ?? 0) + damageIn(one))
    if (one.kind === 'read by nobody') return
    const { complaints, uncovered } = this.tally
    const before = { complaints: complaints.length, uncovered: new Map(uncovered) }
    await this.#tryNow(one)
    if (complaints.length === before.complaints || damageIn(one) === 1) return
    this.tally.together++
    complaints.length = before.complaints
    uncovered.clear()
    for (const [file, count] of before.uncovered) uncovered.set(file, count)
    for (const alone of eachAlone(one)) await this.#tryNow(alone)
  }

  async #tryNow(one: Damage): Promise<void> {
    this.tally.folders++
    const disk = this.#golden.disk.kill()
    try {
      if (one.kind === 'lengths') for (const { path, length } of one.cuts) await cut(disk, path, length)
      else for (const flip of one.flips) disk.flipBit(flip.path, flip.at, flip.bit)
      await this.#look(one, disk)
    } catch (error) {
      const text = error instanceof PocketMQError ? `${error.code} ${error.message}` : (error as Error).stack
      this.#complain(one, `does not open: ${text}`)
    }
  }

  async #look(one: Damage, disk: SimulatedDisk): Promise<void> {
    const store = await openReader(disk)
    try {
      const { findings } = await store.verify()
      this.#checkNamed(one, findings)
      await this.#checkMessages(one, store, this.#mayMiss(one))
    } finally {
      await store.close()
    }
    const mayOwe = this.#mayOwe(one)
    if (this.count % WRITERS === 0) await this.#tryWriting(one, mayOwe ? disk.kill() : disk)
    if (mayOwe) await this.#checkDeliveries(one, disk)
  }

  /** Opens a copy as its owner; what is there then, and stays, is as right. */
  async #tryWriting(one: Damage, disk: SimulatedDisk): Promise<void> {
    const store = await MessageStore.open(DIR, ownerOptionsOn(disk))
    try {
      await this.#checkMessages(one, store, this.#mayMiss(one))
    } finally {
      await store.close()
    }
    if (disk.openFiles > 0) this.#complain(one, `${disk.openFiles} files stay open`)
  }

  async #checkDeliveries(one: Case, disk: SimulatedDisk): Promise<void> {
    this.#owed ??= await deliveriesOf(this.#golden.disk.kill())
    const skipped = skippedIn(this.#owed, await deliveriesOf(disk))
    if (skipped.length > 0) this.#complain(one, `skips ${skipped.slice(0, 3).join(', ')}`)
  }

  /** Files that say how far somebody is; one bit of each byte, for it takes a while. */
  #mayOwe(one: Case): boolean {
    if (one.kind !== 'other files' || !this.#golden.isOurs) return false
    return one.flips.some(({ path, at, bit }) => {
      const name = nameOf(path)
      if (bit !== (at * 5 + 3) % 8 || name === 'pocketmq/closed') return false
      return name === 'pocketmq/state' ? at % STATE_SLOT_BYTES < STATE_USED_BYTES : OWES.test(name)
    })
  }

  /** Messages that the damage may cost. */
  #mayMiss(one: Damage): ReadonlySet<string> {
    const { pieces } = this.#golden
    const isHit =
      one.kind === 'lengths'
        ? one.cuts.flatMap(cut => pieces.filter(({ path, to }) => path === cut.path && to > cut.length))
        : one.kind === 'log' || one.kind === 'log, several'
          ? one.pieces
          : []
    return new Set(isHit.flatMap(({ path, from }) => this.#names.get(startOf(path) + from) ?? []))
  }

  #isHit(one: Damage, physicalOffset: number): boolean {
    if (one.kind !== 'log' && one.kind !== 'log, several') return false
    return one.pieces.some(({ path, from }) => startOf(path) + from === physicalOffset)
  }

  async #checkMessages(one: Damage, store: MessageStore, mayMiss: ReadonlySet<string>): Promise<void> {
    const { messages, firstSlots, isOurs } = this.#golden
    for (const [queue, records] of messages) {
      const slash = queue.lastIndexOf('/')
      const [topic, queueId, first] = [
        queue.slice(0, slash),
        Number(queue.slice(slash + 1)),
        firstSlots.get(queue) ?? 0,
      ]
      const seen = new Set<number>()
      await readQueue(store, topic, queueId, first, ({ queueOffset, physicalOffset, record }) => {
        seen.add(queueOffset)
        if (records[queueOffset - first]?.equals(record) === true) return
        // In a broker's record only the body has a checksum: the damaged one may be shown, though not in another one's place.
        const isOwnPlace = this.#names.get(physicalOffset) === `${queue}/${queueOffset}`
        const isNobodys = isOwnPlace || records[queueOffset - first] === undefined
        if (isOurs || !this.#isHit(one, physicalOffset) || !isNobodys)
          this.#complain(one, `${queue}/${queueOffset} is wrong`)
      })
      for (let slot = first; slot < first + records.length; slot++) {
        const name = `${queue}/${slot}`
        if (!seen.has(slot) && !mayMiss.has(name)) this.#complain(one, `${name} is missing`)
      }
    }
  }

  #checkNamed(one: Damage, findings: readonly Finding[]): void {
    if (one.kind === 'dead bytes') return
    const files = new Set(findings.map(({ file }) => file))
    if (one.kind === 'other files') {
      for (const flip of one.flips) if (!files.has(nameOf(flip.path))) this.#unnamed(one, flip.path)
    } else if (one.kind === 'lengths') {
      for (const { path, length } of one.cuts) {
        const isLive = length < (this.#golden.liveEnds.get(path) ?? 0)
        // What is missing at a log's end is told where somebody asks for it.
        const isNamed = path.includes('/commitlog/') ? findings.length > 0 : files.has(nameOf(path))
        if (isLive && !isNamed) this.#unnamed(one, path)
      }
    } else {
      for (const [i, { path, from, to }] of one.pieces.entries()) {
        const isNamed = findings.some(
          ({ file, offset }) => file === nameOf(path) && offset !== undefined && offset >= from && offset < to,
        )
        if (!isNamed) this.#unnamed(one, path, one.flips[i])
      }
    }
  }

  #unnamed(one: Case, path: string, flip?: Flip): void {
    const name = nameOf(path)
    const isUncovered = !this.#golden.isOurs || BROKERS_OWN.test(name)
    if (!isUncovered) this.#complain(one, `is not named by verify${flip === undefined ? '' : `: byte ${flip.at}`}`)
    else this.tally.uncovered.set(name, (this.tally.uncovered.get(name) ?? 0) + 1)
  }

  #complain(one: Case, what: string): void {
    if (this.tally.complaints.length < COMPLAINTS_MAX) this.tally.complaints.push(`${caseText(one)} ${what}`)
  }
}

async function cut(disk: SimulatedDisk, path: string, length: number): Promise<void> {
  const file = await disk.open(path, 'write', 0)
  await file.setLength(length)
  await file.close()
}

function nameOf(path: string): string {
  return path.slice(DIR.length + 1)
}

function startOf(path: string): number {
  return Number(path.slice(path.lastIndexOf('/') + 1))
}
