/** A folder over several lives: each process begins where the one before was ended, and its ledger is kept outside. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Durability } from '../../src/store/message-store.ts'
import type { SeededRandom } from '../../src/testing/seeded-random.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import type { Survived } from './ledger.ts'
import { Ledger } from './ledger.ts'
import { Life } from './life.ts'
import type { Orders, Planted } from './lines.ts'
import type { Tally } from './tally.ts'

const DURABILITIES: readonly Durability[] = ['memory', 'interval', 'disk']

/** What a folder is tortured with, by its seed. */
export type FolderParts = {
  /** The tortured folder. */
  readonly dir: string
  /** Where ledgers are kept. */
  readonly outside: string
  readonly seed: number
  readonly io: 'file' | 'mmap'
  readonly durability?: Durability
  readonly planted?: Planted | undefined
}

/** One folder's torture. */
export type FolderTorture = {
  /** A new empty folder of this folder's own; everything in it goes when the torture is over. */
  readonly home: string
  readonly seed: number
  readonly io: 'file' | 'mmap'
  readonly planted: Planted | undefined
  readonly tally: Tally
  readonly isOver: () => boolean
}

/** A folder and its ledger. */
export class TortureFolder {
  readonly #parts: FolderParts
  readonly random: SeededRandom
  readonly durability: Durability
  readonly ledger = new Ledger()
  #lives = 0

  constructor(parts: FolderParts) {
    this.#parts = parts
    this.random = seededRandom(parts.seed)
    this.durability = parts.durability ?? (DURABILITIES[this.random.below(DURABILITIES.length)] as Durability)
    mkdirSync(parts.outside, { recursive: true })
  }

  /** As it is named where something is found. */
  get name(): string {
    const { seed, io } = this.#parts
    return `${io} ${this.durability}, folder seed ${seed}`
  }

  /** Starts a process that works until it is ended: mostly both producer and consumer, now and then one of them. */
  begin(more: Partial<Orders> = {}): Life {
    const role = this.random.below(6)
    return this.#start({ isProducing: role !== 1, isConsuming: role !== 0, task: 'work', ...more })
  }

  /** The process was ended: holds what it has said against what those before it said. */
  async ended(life: Life, isExpected = false): Promise<void> {
    this.ledger.add(life.said())
    if (isExpected || life.end?.signal === 'SIGKILL') return
    const { code, signal } = life.end ?? { code: null, signal: null }
    this.complain(`ended by itself (${signal ?? code}): ${(await life.errors()).slice(0, 2000)}`)
  }

  complain(text: string): void {
    this.ledger.add(`x ${text.replaceAll('\n', ' | ')}\n`)
  }

  /** Consumes everything, lists it, closes; and holds all against all. Not where something was found already. */
  async drain(): Promise<void> {
    if (this.ledger.findings.length === 0) await this.#drain(this.ledger, 'kill', this.#parts.dir)
  }

  /**
   * The same on an image that a power cut has left: what must be there is in a ledger of its own.
   * @param said by the life that was cut off
   */
  async drainImage(dir: string, said: string): Promise<Ledger> {
    // What it had said until then, kept to be looked at where something is found.
    writeFileSync(join(this.#parts.outside, `${this.#lives}.cut`), said)
    const ledger = this.ledger.fork(said)
    ledger.cutPower()
    await this.#drain(ledger, 'power-cut', dir)
    return ledger
  }

  async #drain(ledger: Ledger, survived: Survived, dir: string): Promise<void> {
    const wanted = join(this.#parts.outside, 'wanted.json')
    writeFileSync(wanted, JSON.stringify(ledger.wanted(survived)))
    const life = this.#start({ dir, wanted, task: 'drain', isProducing: false, isConsuming: true })
    const threads = await life.over()
    const said = life.said()
    ledger.add(said)
    if (said.endsWith('\ne\n')) ledger.checkDrained(survived)
    else if (threads !== undefined) ledger.add(`x the drain did not come to its end: ${threads}\n`)
    else
      ledger.add(`x the drain ended by itself (${JSON.stringify(life.end)}): ${(await life.errors()).slice(0, 2000)}\n`)
  }

  #start(more: Pick<Orders, 'task' | 'isProducing' | 'isConsuming'> & Partial<Orders>): Life {
    const { dir, io, planted, outside } = this.#parts
    const life = this.#lives++
    const orders: Orders = {
      ...{ dir, io, durability: this.durability, seed: this.random.below(2 ** 31), life },
      ...{ readFrom: more.dir === undefined ? this.ledger.known() : {}, ...more },
      ...(planted === undefined ? {} : { planted }),
    }
    return new Life(orders, join(outside, `${life}.lines`))
  }
}
