/**
 * A transaction as the producer holds it: a half message, and one decision about it.
 * It holds ids only; any client of the producer group, in any process, could decide with them.   RocketMQ: Transaction.
 */
import { PocketMQError } from '../base/errors.ts'
import type { EndTransactionRequest, EndTransactionResult, HalfResult } from './core-types.ts'
import type { MessageView } from './message-view.ts'

/** What became of the work a transaction belongs to. 1 and 2 are `rocketmq-client-nodejs`' COMMIT and ROLLBACK. */
export type TransactionDecision = 'commit' | 'rollback' | 'unknown' | 0 | 1 | 2

/** Asked when a transaction stays undecided: by its producer's crash, or because it takes long. */
export type TransactionChecker =
  | ((message: MessageView) => TransactionDecision | Promise<TransactionDecision>)
  | { check(message: MessageView): TransactionDecision | Promise<TransactionDecision> }

/** How a transaction's decision reaches the core. */
export type TransactionEnder = (request: EndTransactionRequest) => Promise<EndTransactionResult>

/** Begun by `producer.beginTransaction()`; takes one message, then one decision. */
export class Transaction {
  readonly #producerGroup: string
  readonly #end: TransactionEnder
  #half: HalfResult | undefined
  #isSending = false

  constructor(producerGroup: string, end: TransactionEnder) {
    this.#producerGroup = producerGroup
    this.#end = end
  }

  /** The id its half message was given; undefined before the send. */
  get transactionId(): string | undefined {
    return this.#half?.transactionId
  }

  /** For the producer: claims the one message. @throws INVALID_ARGUMENT for a second one */
  claim(): void {
    if (!this.#isSending) {
      this.#isSending = true
      return
    }
    throw new PocketMQError('INVALID_ARGUMENT', 'a transaction takes one message', {
      hint: 'Begin another transaction, or put both contents into one message.',
      details: { field: 'transaction', limit: 1, actual: 2 },
    })
  }

  /** For the producer: the half message is appended, or failed to be. */
  settleClaim(half: HalfResult | undefined): void {
    this.#half = half
    this.#isSending = half !== undefined
  }

  /** Consumers may see the message: stored, together with the record of the decision, when it resolves. @throws TRANSACTION_SETTLED */
  commit(): Promise<void> {
    return this.#decide('commit')
  }

  /** Nobody will ever see the message. @throws TRANSACTION_SETTLED */
  rollback(): Promise<void> {
    return this.#decide('rollback')
  }

  async #decide(resolution: 'commit' | 'rollback'): Promise<void> {
    const half = this.#half
    if (half === undefined) {
      throw new PocketMQError('INVALID_ARGUMENT', `nothing was sent in this transaction to ${resolution}`, {
        hint: 'Await producer.send(message, transaction) first.',
        details: { field: 'transaction', limit: 1, actual: 0 },
      })
    }
    const { transactionId, halfQueueOffset, halfPhysicalOffset } = half
    const { status, settledAs } = await this.#end({
      producerGroup: this.#producerGroup,
      transactionId,
      halfQueueOffset,
      halfPhysicalOffset,
      resolution,
      fromCheck: false,
    })
    if (status === 'ok') return
    if (status === 'settled') throw settledError(transactionId, resolution, settledAs)
    throw new PocketMQError('TRANSACTION_SETTLED', `transaction ${transactionId} is not open any more (${status})`, {
      hint: 'Look for it in TRANS_CHECK_MAX_TIME_TOPIC: it was given up after too many questions.',
      details: { transactionId, resolution, status },
    })
  }
}

function settledError(transactionId: string, resolution: string, settledAs: string | undefined): PocketMQError {
  const was = settledAs === 'commit' ? 'committed' : 'rolled back'
  return new PocketMQError('TRANSACTION_SETTLED', `transaction ${transactionId} was ${was} before`, {
    hint: 'The first decision holds; make the checker and the producer decide by the same record.',
    details: { transactionId, resolution, settledAs },
  })
}
