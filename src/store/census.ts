/**
 * What the derived files of a folder come to: remembered at each checkpoint and at a clean close, and counted again at open, so
 * that a queue folder or a file that went meanwhile is noticed without reading the log.
 */
import { nextTurn } from '../base/turns.ts'
import type { StoreState } from '../codec/state-page.ts'
import type { ConsumeQueues } from './consume-queues.ts'
import type { MessageIndex } from './message-index.ts'

/** The counts. */
export type Census = Pick<StoreState, 'queueFiles' | 'indexFiles' | 'queueEntries' | 'indexEnd'>

/** Looking up the end of a queue reads its last file: with more queues than this the ends are left out. */
const QUEUES_ASKED_MAX = 1024
/** Queues asked before the event loop gets its turn. */
const QUEUES_A_TURN = 32

/**
 * Counts at this moment of dispatch: synchronously. With very many queues their ends are left out, and while the store is in
 * use their files too: 0.
 */
export function takeCensus(queues: ConsumeQueues, index: MessageIndex, isClosing = false): Census {
  const all = [...queues.all()]
  const isAsked = all.length <= QUEUES_ASKED_MAX
  const queueEntries = isAsked ? all.reduce((sum, queue) => sum + queue.maxQueueOffset, 0) : 0
  const queueFiles = isAsked || isClosing ? queues.fileCount : 0
  return { queueFiles, indexFiles: index.fileCount, queueEntries, indexEnd: index.filesEnd }
}

/** The same at open, when queues have not been asked for their ends yet: in slices. */
export async function takeCensusAtOpen(queues: ConsumeQueues, index: MessageIndex): Promise<Census> {
  if ([...queues.all()].length <= QUEUES_ASKED_MAX) await queues.lookUpAll()
  return takeCensus(queues, index, true)
}

/** Whether every queue still has the entries of records below `physicalOffset`, where the census was taken. */
export async function hasEntriesBelow(queues: ConsumeQueues, physicalOffset: number, census: Census): Promise<boolean> {
  const all = [...queues.all()]
  if (queues.fileCount < census.queueFiles) return false
  if (census.queueEntries === 0 || all.length > QUEUES_ASKED_MAX) return true
  let entries = 0
  for (const [i, queue] of all.entries()) {
    entries += queue.slotAt(physicalOffset)
    if (i % QUEUES_A_TURN === QUEUES_A_TURN - 1) await nextTurn()
  }
  return entries === census.queueEntries
}
