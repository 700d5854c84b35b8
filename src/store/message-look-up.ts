/** Finds one message by either of its ids. */
import { isErrorNamed } from '../base/errors.ts'
import { parseOffsetMessageId } from '../codec/message-id.ts'
import type { StoredMessage } from '../codec/record-view.ts'

/** What looking up needs of a store. */
export type LookUp = {
  readAt(physicalOffset: number): Promise<StoredMessage | undefined>
  queryByKey(topic: string, key: string, options: { readonly max: number }): Promise<StoredMessage[]>
}

/** Offset ids are 16 or 28 bytes in hexadecimal; so are RocketMQ's UNIQ_KEYs, which is why both are tried. */
const OFFSET_ID = /^(?:[0-9A-F]{32}|[0-9A-F]{56})$/i

/** The message with this offset message id or UNIQ_KEY, or undefined. */
export async function findById(
  id: string,
  topics: Iterable<string>,
  store: LookUp,
): Promise<StoredMessage | undefined> {
  const message = OFFSET_ID.test(id) ? await findByOffsetId(id, store) : undefined
  if (message !== undefined) return message
  for (const topic of topics) {
    const found = await store.queryByKey(topic, id, { max: 16 })
    const byId = found.find(candidate => candidate.uniqueKey === id)
    if (byId !== undefined) return byId
  }
  return undefined
}

async function findByOffsetId(id: string, store: LookUp): Promise<StoredMessage | undefined> {
  const physicalOffset = physicalOffsetOf(id)
  const message = physicalOffset === undefined ? undefined : await store.readAt(physicalOffset)
  return message?.offsetMessageId === id.toUpperCase() ? message : undefined
}

function physicalOffsetOf(id: string): number | undefined {
  try {
    return parseOffsetMessageId(id).physicalOffset
  } catch (error) {
    if (isErrorNamed(error, 'INVALID_ARGUMENT')) return undefined
    throw error
  }
}
