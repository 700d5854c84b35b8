/**
 * Transactions, as the application knows them: what it has decided about each, or will answer when it is asked. A message is there
 * once its transaction is committed, whoever said so, and never otherwise.
 */
import type { MessageView } from '../../src/messaging/message-view.ts'
import type { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import type { Producer } from '../../src/messaging/producer.ts'
import type { Transaction } from '../../src/messaging/transaction.ts'
import type { ConsumingModel } from './consuming-model.ts'

/** What the application's own books say: it answers that when it is asked. */
export type Fate = 'commit' | 'rollback' | 'unknown'
const FATES: readonly Fate[] = ['commit', 'rollback', 'unknown']

type Entry = {
  readonly body: string
  fate: Fate
  /** Undefined once its process is gone. */
  transaction: Transaction | undefined
  isOver: boolean
  /** A power cut may have taken it. */
  mayBeLost: boolean
}

/** The transactions of one producer group. */
export class TransactionBook {
  /** A planted bug: what is rolled back is committed. */
  isConfused = false
  decided = 0
  /** Settled by an answer to a check. */
  checked = 0
  readonly #model: ConsumingModel
  #producer: Producer | undefined
  #entries: Entry[] = []

  constructor(model: ConsumingModel) {
    this.#model = model
  }

  /** A process begins. */
  open(mq: PocketMQ): void {
    this.#producer = mq.producer({ group: 'shop', checker: message => this.#answer(message) })
  }

  async begin(which: number): Promise<void> {
    const transaction = (this.#producer as Producer).beginTransaction()
    const fate = FATES[which % FATES.length] as Fate
    const body = this.#model.nextBody()
    this.#entries.push({ body, fate, transaction, isOver: false, mayBeLost: false })
    await (this.#producer as Producer).send({ topic: 'orders', body }, transaction)
  }

  /** The application makes up its mind, and says so. */
  async decide(which: number, fate: 'commit' | 'rollback'): Promise<void> {
    const open = this.#entries.filter(entry => !entry.isOver && entry.transaction !== undefined)
    const entry = open[which % Math.max(1, open.length)]
    if (entry === undefined) return
    entry.fate = fate
    this.#over(entry)
    this.decided++
    if (fate === 'commit' || this.isConfused) await entry.transaction?.commit()
    else await entry.transaction?.rollback()
  }

  /** The process is gone. */
  gone(isPowerCut: boolean): void {
    for (const entry of this.#entries) {
      entry.transaction = undefined
      if (isPowerCut) entry.mayBeLost = true
    }
  }

  /** Whether somebody still has to be asked. */
  get isOpen(): boolean {
    return this.#entries.some(({ fate, isOver, mayBeLost }) => fate !== 'unknown' && !isOver && !mayBeLost)
  }

  #answer({ body }: MessageView): Fate {
    const entry = this.#entries.find(one => one.body === body.toString())
    if (entry === undefined) throw new Error(`${body} was never begun`)
    if (!entry.isOver && entry.fate !== 'unknown') {
      this.#over(entry)
      this.checked++
    }
    return this.isConfused && entry.fate === 'rollback' ? 'commit' : entry.fate
  }

  #over(entry: Entry): void {
    entry.isOver = true
    // Where in its queue it will be is known when it is delivered.
    if (entry.fate === 'commit') this.#model.wasSent(entry.body, '', 0, -1, this.#model.clock.nowMs())
  }
}
