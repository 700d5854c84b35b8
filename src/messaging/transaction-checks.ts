/** The client's side of transaction checks: takes the questions left for it, asks the user's checker, sends the answer back. */
import { asError } from '../base/errors.ts'
import { StoredMessage } from '../store/message-store.ts'
import type { ClientEvent, EndTransactionRequest, EndTransactionResult, TransactionResolution } from './core-types.ts'
import { MessageView } from './message-view.ts'
import type { TransactionChecker, TransactionDecision } from './transaction.ts'

/** What the loop stands on. */
export type TransactionChecksParts = {
  readonly clients: { events(clientId: string, signal?: AbortSignal): AsyncIterable<ClientEvent> }
  readonly core: { endTransaction(request: EndTransactionRequest): Promise<EndTransactionResult> }
  readonly clientId: string
  readonly checker: TransactionChecker
  readonly signal: AbortSignal
  /** An answer was not taken; the transaction is asked about again. */
  readonly onRefused: (error: Error) => void
}

/** Answers until the client is gone. A checker that throws has not answered: the transaction is asked about again later. */
export async function answerTransactionChecks({
  clients,
  core,
  clientId,
  checker,
  signal,
  onRefused,
}: TransactionChecksParts): Promise<void> {
  for await (const event of clients.events(clientId, signal)) {
    if (event.kind !== 'check-transaction') continue
    const resolution = await askChecker(checker, event.message.record)
    if (resolution === 'unknown') continue
    const { producerGroup, transactionId } = event
    try {
      await core.endTransaction({ producerGroup, transactionId, resolution, fromCheck: true })
    } catch (error) {
      // All others still have to be answered, and this one when it is asked again.
      onRefused(asError(error))
    }
  }
}

async function askChecker(checker: TransactionChecker, record: Uint8Array): Promise<TransactionResolution> {
  const bytes = Buffer.from(record.buffer, record.byteOffset, record.length)
  const view = new MessageView(new StoredMessage(bytes))
  const check = typeof checker === 'function' ? checker : checker.check.bind(checker)
  try {
    return resolutionOf(await check(view))
  } catch {
    // Whatever it threw, it says nothing about the local work.
    return 'unknown'
  }
}

function resolutionOf(decision: TransactionDecision): TransactionResolution {
  if (decision === 'commit' || decision === 1) return 'commit'
  return decision === 'rollback' || decision === 2 ? 'rollback' : 'unknown'
}
