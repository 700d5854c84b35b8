/** The sending half of a process under torture. */
import { isErrorNamed } from '../../src/base/errors.ts'
import type { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import type { Producer, SendReceipt } from '../../src/messaging/producer.ts'
import type { Durability } from '../../src/store/message-store.ts'
import type { SeededRandom } from '../../src/testing/seeded-random.ts'
import type { Kind, Orders } from './lines.ts'
import { BATCH_MESSAGES, TOPIC_OF } from './lines.ts'

/** What both halves are given. */
export type ChildParts = {
  readonly mq: PocketMQ
  readonly orders: Orders
  readonly random: SeededRandom
  readonly say: (line: string) => void
  readonly complain: (where: string, error: unknown) => void
}

const IN_FLIGHT_MAX = 48
const BACKLOG_MAX = 300
const MESSAGE_GROUPS = 5
const DELAY_MS_MAX = 300
/** So much later a planted bug sends what it has acknowledged. */
const EARLY_MS = 15
const KIND_SHARES: readonly Kind[] = [
  ...['plain', 'plain', 'plain', 'plain', 'batch', 'grouped', 'grouped', 'grouped', 'delayed'],
  ...['committed', 'rolled-back', 'asked-commit', 'asked-rollback'],
] as Kind[]

type Sending = { readonly id: string; readonly kind: Kind; readonly key: string; readonly body: string }

/** The id in a message's body: `ID|DUE_MS|padding`. */
export function idOf(body: Buffer): string {
  return body.subarray(0, Math.max(0, body.indexOf('|'))).toString('latin1')
}

/** When it may be delivered at the earliest, in epoch milliseconds; 0 for at once. */
export function dueMsOf(body: Buffer): number {
  return Number(body.toString('latin1').split('|', 2)[1])
}

/** Sends messages of all kinds, a few at a time. */
export class Producing {
  readonly #parts: ChildParts
  readonly #producer: Producer
  readonly #sending = new Set<Promise<void>>()
  #count = 0
  #storedCount = 0
  #isFailed = false

  constructor(parts: ChildParts) {
    this.#parts = parts
    const checker = (message: { readonly body: Buffer }): 'commit' | 'rollback' =>
      /[cu]$/.test(idOf(message.body)) ? 'commit' : 'rollback'
    this.#producer = parts.mq.producer({ group: 'shop', checker, maxAttempts: 1 })
  }

  /** Until the process is killed, or the store has failed. */
  async run(endedCount: () => number): Promise<void> {
    const { random, mq, orders } = this.#parts
    while (orders.isProducing && !this.#isFailed) {
      const sendings = Array.from({ length: 1 + random.below(6) }, () => this.#next()).flat()
      this.#parts.say(sendings.map(({ id, kind, key }) => `> ${id} ${kind} ${key}`).join('\n'))
      for (const group of this.#calls(sendings)) this.#track(group)
      if (this.#sending.size >= IN_FLIGHT_MAX || random.chance(0.5)) await Promise.race(this.#sending)
      if (random.chance(0.3)) await mq.store.clock.sleep(random.below(4))
      while (orders.isConsuming && this.#storedCount * 2 - endedCount() > BACKLOG_MAX) await mq.store.clock.sleep(5)
      if (!orders.isConsuming && this.#storedCount > BACKLOG_MAX) return
    }
  }

  #next(): Sending[] {
    const { random, orders } = this.#parts
    const kind = KIND_SHARES[random.below(KIND_SHARES.length)] as Kind
    const first = this.#count
    this.#count += kind === 'batch' ? BATCH_MESSAGES : 1
    const key =
      kind === 'batch' ? `b${orders.life}.${first}` : kind === 'grouped' ? `g${random.below(MESSAGE_GROUPS)}` : '-'
    const dueMs = kind === 'delayed' ? Date.now() + 1 + random.below(DELAY_MS_MAX) : 0
    return Array.from({ length: this.#count - first }, (_, i) => {
      // The last letter tells the checker what to say.
      const id = `${orders.life}.${first + i}${kind === 'committed' ? 'c' : kind === 'asked-commit' ? 'u' : 'x'}`
      const sizeBytes = random.chance(0.03) ? random.below(20_000) : random.below(300)
      return { id, kind, key, body: `${id}|${dueMs}|${'b'.repeat(sizeBytes)}` }
    })
  }

  /** What is one call: a batch, or a single message. */
  #calls(sendings: readonly Sending[]): (readonly Sending[])[] {
    const calls: Sending[][] = []
    for (const one of sendings) {
      const last = calls.at(-1)
      if (one.kind === 'batch' && last?.[0]?.key === one.key) last.push(one)
      else calls.push([one])
    }
    if (this.#parts.orders.planted === 'swapped-group') calls.reverse()
    return calls
  }

  #track(call: readonly Sending[]): void {
    const one: Promise<void> = this.#send(call)
      .catch((error: unknown) => {
        if (isErrorNamed(error, 'STORE_FAILED')) this.#isFailed = true
        this.#parts.complain('send', error)
      })
      .finally(() => this.#sending.delete(one))
    this.#sending.add(one)
  }

  async #send(call: readonly Sending[]): Promise<void> {
    const { random, orders, say, mq } = this.#parts
    const [first] = call as [Sending]
    const durability: Durability = random.chance(0.2) ? 'disk' : orders.durability
    if (orders.planted === 'early-acknowledgement' && first.kind === 'plain') {
      say(`+ ${first.id} ${durability} - -`)
      await mq.store.clock.sleep(EARLY_MS)
    }
    if (TOPIC_OF[first.kind] === 'paid') return await this.#transact(first)
    const messages = call.map(one => this.#message(one))
    const receipts =
      first.kind === 'batch'
        ? await this.#producer.sendBatch(messages, { durability })
        : [await this.#producer.send(messages[0] as (typeof messages)[0], { durability })]
    const lines = receipts.map((receipt, i) => `+ ${call[i]?.id} ${receipt.durability} ${placeOf(first, receipt)}`)
    this.#storedCount += lines.length
    say(lines.join('\n'))
  }

  async #transact(one: Sending): Promise<void> {
    const { say, mq, random } = this.#parts
    const transaction = this.#producer.beginTransaction()
    const half = await this.#producer.send(this.#message(one), transaction)
    say(`~ ${one.id} ${half.durability}`)
    if (one.kind === 'asked-commit' || one.kind === 'asked-rollback') return
    if (random.chance(0.3)) await mq.store.clock.sleep(random.below(20))
    if (one.kind === 'rolled-back') return await transaction.rollback()
    await transaction.commit()
    this.#storedCount++
    say(`+ ${one.id} ${mq.store.durability} - -`)
  }

  #message({ id, kind, key, body }: Sending): Parameters<Producer['send']>[0] {
    const dueMs = kind === 'delayed' ? dueMsOf(Buffer.from(body)) : 0
    return {
      topic: TOPIC_OF[kind],
      body,
      keys: [id],
      ...(kind === 'grouped' ? { messageGroup: key } : {}),
      ...(kind === 'delayed' ? { deliveryTimestamp: new Date(dueMs) } : {}),
    }
  }
}

/** Delayed messages have another place when they are delivered. */
function placeOf({ kind }: Sending, { queueId, queueOffset }: SendReceipt): string {
  return kind === 'delayed' ? '- -' : `${queueId} ${queueOffset}`
}
