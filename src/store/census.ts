/**
 * What the derived files of a folder come to: remembered at a clean close and counted again at open, so that a queue folder or
 * a file that went meanwhile is noticed without reading the log.
 */
import type { StoreState } from '../codec/state-page.ts'
import type { ConsumeQueues } from './consume-queues.ts'
import type { MessageIndex } from './message-index.ts'

/** The counts. */
export type Census = Pick<StoreState, 'queueFiles' | 'indexFiles' | 'queueEntries' | 'indexEnd'>

/** Looking up the end of a queue reads its last file: with more queues than this the ends are left out. */
const QUEUES_ASKED_MAX = 1024

/** Counts. The queue ends are 0 where there are too many queues to ask. */
export async function takeCensus(queues: ConsumeQueues, index: MessageIndex): Promise<Census> {
  const all = [...queues.all()]
  const isAsked = all.length <= QUEUES_ASKED_MAX
  if (isAsked) await queues.lookUpAll()
  const queueEntries = isAsked ? all.reduce((sum, queue) => sum + queue.maxQueueOffset, 0) : 0
  return { queueFiles: queues.fileCount, indexFiles: index.fileCount, queueEntries, indexEnd: index.filesEnd }
}
